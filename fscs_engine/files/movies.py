"""Movies: frames out of them by number. Needs PyAV."""

from __future__ import annotations

import re
import zlib
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..color import AUTO, SRGB
from ..errors import InputError, UsageError
from ..host.frames import MOVIES
from ..image import CHOSEN, Image, Reading, Window
from .encoding import (
    PRIMARIES,
    PRIMARIES_NAMES,
    SRGB_CURVE,
    TELEVISION_PRIMARIES,
    UNSAID_PRIMARIES,
    Decode,
    coded,
    decoded,
)
from .movie_pixels import coding_of, pixels_of, turn_of, turned
from .reading import first_bytes

_FIELD_ORDERS = (2, 3, 4, 5)
"""FFmpeg's numbers of the orders of interlaced fields."""

_BITS_TURNED = np.array([int(f"{byte:08b}"[::-1], 2) for byte in range(256)], np.uint8)

# FFmpeg would otherwise paint over what it can't decode, and say nothing.
_STRICT = {"err_detect": "crccheck+bitstream+buffer+explode"}


def is_movie(path: str | Path) -> bool:
    """Whether a file's ending is that of a movie.

    >>> is_movie("plate.MOV"), is_movie("plate.1001.exr")
    (True, False)
    """
    return Path(path).suffix.lower() in MOVIES


class Movie:
    """A movie of which any frame can be read. Frames are numbered from 1, in the order in which they are shown.

    Range and matrix are read as the stream has them. A stream that does not say is BT.709 from 720 lines up, else
    BT.601, and of limited range (RGB and gray: full). What lies outside [0, 1] after that (super-whites) is clipped.
    The transfer curves of BT.709, BT.601, BT.1886 and the like are taken as the sRGB encoding: the numbers stay as
    they are, as compositing programs have it. Frames of a movie that is tagged as BT.2020, DCI-P3 or P3-D65 become
    linear Rec.709; other primaries are taken for those of Rec.709. Straight alpha is multiplied in. Of
    interlaced movies there are no whole frames, so they are refused. Turned movies (of telephones) come upright.

    Opening reads the whole file once, without decoding, so that the count is what is there and not what a header says.
    A file that was cut off is known where its format says how long it is: QuickTime, MP4, Matroska, AVI and MXF, not
    streams such as TS. Reading forwards decodes every frame once; reading elsewhere begins at the key frame before.
    Wrong bits that a decoder takes for right ones, in codecs without checksums, can't be seen.

    Args:
        path: the file.
        threads: of the decoder; 0 is one for each core.
        color_space: what the values are; "auto" takes it from the file. With another one, every transfer curve is read.
        alpha: whether colors are "straight" or "premultiplied"; "auto" is straight.

    Attributes:
        path: the file.
        width, height: of a frame, upright.
        rate: frames per second.
        count: frames.
        has_alpha: whether frames are RGBA.
        color_space: "srgb", "lin_rec709", or the one that was asked for.
        reading: what values were taken for, and why.
        attributes: of the first frame, for ``fscs_engine.image.Image``: FramesPerSecond, PixelAspectRatio where
            pixels are not square, smpte:TimeCode where the file has one and a frame rate up to 40.

    Raises:
        InputError: missing, no movie, without pictures, damaged, cut off, of variable frame rate, interlaced, or of a
            transfer curve or matrix that is not for display (PQ, HLG, linear, …).
        UsageError: PyAV is not installed.

    Example:
        >>> with Movie("clip.mov") as movie:  # doctest: +SKIP
        ...     pixels = movie.read(movie.count).pixels
    """

    def __init__(self, path: str | Path, *, threads: int = 0, color_space: str = AUTO, alpha: str = AUTO) -> None:
        self._av = pyav()
        self.path = Path(path)
        self._threads = threads
        self._kind = (0, 0, "")
        self._summed = False
        self._broken: dict[int, InputError] = {}
        first_bytes(self.path, 1, "a movie")
        self._open()
        try:
            self._packets = self._demux()
            self.count = len(self._packets.times)
            self.rate = self._find_rate()
            self._check_length()
            self._open()
            self._held = (1, self._decode(1))
            first = self._held[1]
            codec = self._stream.codec_context.name
            self._coding = coding_of(self.path, first, codec, any_curve=color_space != AUTO)
            self._decode_color, self.reading = _meaning(int(first.color_primaries), color_space)
            if self._coding.alpha:
                named = "straight" if alpha == AUTO else alpha
                self.reading = replace(self.reading, alpha=named, alpha_chosen=alpha != AUTO)
            self.color_space = self.reading.space
            self._turn = turn_of(self.path, first)
            self.height, self.width = (first.width, first.height) if self._turn[0] else (first.height, first.width)
            self.has_alpha = self._coding.alpha
            self._timecode = _timecode(self._stream, self._container)
            self.attributes: Mapping[str, object] = self._attributes(1)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Movie:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file."""
        self._frames: Iterator[Any] | None = None
        self._container.close()

    def read(self, number: int) -> Image:
        """A frame.

        Args:
            number: from 1 to ``count``.

        Returns:
            (H, W, 3) float32, or (H, W, 4) premultiplied, in [0, 1]; every bit of the file's depth is kept. The time
            code among the attributes is the frame's own.

        Raises:
            InputError: there is no such frame, or it can't be decoded; names the first frame that is broken.
        """
        if not 1 <= number <= self.count:
            raise InputError(
                f"{self.path}: has no frame {number}", cure=f"name frames from 1 to {self.count}, as a movie has them"
            )
        if self._held[0] != number:
            self._held = (0, None)
            self._held = (number, self._decode(number))
        straight = self.reading.alpha != "premultiplied"
        pixels = turned(self._pixels(straight), self._turn)
        window = Window(0, 0, self.width, self.height)
        attributes = self._attributes(number)
        return Image(pixels, self.color_space, window, window, attributes, self.path, self.reading)

    def _pixels(self, straight: bool) -> NDArray[np.float32]:
        """The frame in hand, premultiplied, in ``color_space``."""
        if self._decode_color is None:
            return pixels_of(self._held[1], self._coding, associate=straight)
        return decoded(pixels_of(self._held[1], self._coding, associate=False), self._decode_color, associate=straight)

    def _attributes(self, number: int) -> dict[str, object]:
        attributes: dict[str, object] = {"FramesPerSecond": self.rate}
        aspect = self._stream.sample_aspect_ratio
        if aspect and aspect != 1:
            attributes["PixelAspectRatio"] = float(1 / aspect if self._turn[0] else aspect)
        code = _advanced(self._timecode, self.rate, number - 1)
        if code is not None:
            attributes["smpte:TimeCode"] = (code, 0)
        return attributes

    def _open(self) -> None:
        """Opens the file at its start."""
        if hasattr(self, "_container"):
            self.close()
        try:
            # "file:" keeps a colon in the name from being read as that of a protocol.
            self._container = self._av.open(
                f"file:{self.path}", container_options={"protocol_whitelist": "file"}, metadata_errors="replace"
            )
        except (self._av.FFmpegError, ValueError) as error:
            raise _unreadable(self.path, error) from error
        try:
            if self._container.format.name.endswith("_pipe") or self._container.format.name in ("image2", "tty"):
                raise InputError(f"{self.path}: is no movie", cure="name a movie, or give an image its own extension")
            # A cover picture is no movie.
            streams = [s for s in self._container.streams.video if not s.disposition & s.disposition.attached_pic]
            if not streams and _ends_early(self.path):
                raise _cut_off(self.path, 0, "it ends before frame {}")
            if not streams:
                raise InputError(f"{self.path}: has no video stream", cure="name a movie with a video stream")
            self._stream = streams[0]
            self._decoder = self._decoder_of(self._stream)
        except BaseException:
            self._container.close()
            raise
        self._start_decoding()
        self._expected: int | None = 1

    def _decoder_of(self, stream: Any) -> Any:
        decoder = stream.codec_context
        if decoder is None:
            raise InputError(f"{self.path}: is in a codec that FFmpeg does not know", cure="convert it to ProRes")
        if stream.metadata.get("alpha_mode", stream.metadata.get("ALPHA_MODE")) == "1":
            # FFmpeg's own decoders of VP8 and VP9 leave the alpha out.
            with suppress(ValueError):
                decoder = self._av.CodecContext.create({"vp8": "libvpx", "vp9": "libvpx-vp9"}[decoder.name], "r")
        decoder.options = dict(_STRICT)
        decoder.thread_type = "AUTO"
        decoder.thread_count = self._threads
        return decoder

    def _demux(self) -> _Packets:
        """What the file holds, without decoding it."""
        shown: list[tuple[int | None, int | None, bool]] = []
        found = 0
        try:
            for packet in self._container.demux(self._stream):
                if packet.size == 0:
                    continue
                if packet.is_corrupt:
                    raise _cut_off(self.path, len(shown), "frame {} is not whole")
                if found == 0 and self._stream.codec_context.name == "ffv1":
                    self._summed = _is_whole_ffv1(bytes(packet))
                found += 1
                if not packet.is_discard and not (self._stream.name == "vp8" and _is_hidden(packet)):
                    shown.append((packet.pts, packet.dts, packet.is_keyframe))
        except self._av.FFmpegError as error:
            raise _cut_off(self.path, len(shown), "frame {} can't be read") from error
        if found < self._stream.frames or _ends_early(self.path):
            whole = f" of {self._stream.frames}" if self._stream.frames > len(shown) else ""
            raise _cut_off(self.path, len(shown), f"it ends before frame {{}}{whole}")
        if not shown:
            raise InputError(f"{self.path}: has no frames", cure="render or copy it again")
        # AVI holds no times of showing; what FFmpeg makes up for frames that are out of order is wrong.
        ordered = self._container.format.name != "avi" or not self._decoder.has_b_frames
        timed = ordered and all(pts is not None for pts, _, _ in shown)
        stamps = [pts if timed else dts for pts, dts, _ in shown]
        if any(stamp is None for stamp in stamps):
            stamps = list(range(len(shown)))
        order = sorted(range(len(shown)), key=lambda i: stamps[i])  # type: ignore[arg-type,return-value]
        times = np.array([stamps[i] for i in order], np.int64)
        keys = [number for number, i in enumerate(order, 1) if shown[i][2]]
        seeks = [shown[order[number - 1]][1] for number in keys]
        numbers = {int(time): number for number, time in enumerate(times, 1)} if timed else {}
        places = dict(enumerate(order, 1)) if timed else {}
        return _Packets(times, keys, seeks, numbers, places)

    def _find_rate(self) -> Fraction:
        """The constant frame rate."""
        stream, times = self._stream, self._packets.times
        guesses = [stream.average_rate, stream.guessed_rate, stream.base_rate]
        base = stream.time_base or Fraction(1, 1000)
        if len(times) > 1 and times[-1] > times[0]:
            guesses.append((len(times) - 1) / (int(times[-1] - times[0]) * base))
        for guess in guesses:
            for rate in (_meant(guess), guess) if guess else ():
                if len(times) == 1 or (_unevenness(times, base, rate) <= _tolerance(base, rate)):
                    return rate
        if len(times) == 1:
            return Fraction(24)  # nothing says, and nothing moves
        raise self._uneven(times, base)

    def _check_length(self) -> None:
        """Holds the frames that are there against the length that the header gives, where that is of this stream."""
        stream, times = self._stream, self._packets.times
        announced, found = Fraction(0), self.count / self.rate
        if self._container.format.name == "mxf":
            announced = (stream.duration or 0) * stream.time_base
        # Matroska's is the end of the last frame.
        text = next((text for name, text in stream.metadata.items() if name.upper() == "DURATION"), "")
        given = re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", text)
        if given and self._packets.numbers and "matroska" in self._container.format.name:
            announced = int(given[1]) * 3600 + int(given[2]) * 60 + Fraction(given[3])
            found = int(times[-1]) * stream.time_base + 1 / self.rate
        if announced - found > Fraction(3, 4) / self.rate:
            whole = self.count + round((announced - found) * self.rate)
            raise _cut_off(self.path, self.count, f"it ends before frame {{}} of {whole}")

    def _uneven(self, times: NDArray[np.int64], base: Fraction) -> InputError:
        steps = np.diff(times)
        usual = int(np.median(steps))
        rate = _meant(1 / (usual * base)) if usual > 0 else Fraction(24)
        # Two stamps may each be off.
        uneven = np.flatnonzero(np.abs(steps - usual) > 2 * _tolerance(base, rate) if usual else steps != 0)
        if not uneven.size:
            shift = np.abs(times - times[0] - np.arange(len(times)) / float(rate * base))
            uneven = np.flatnonzero(shift[1:] > _tolerance(base, rate))
        at = int(uneven[0]) if uneven.size else 0
        return InputError(
            f"{self.path}: has a variable frame rate: from frame {at + 1} to {at + 2} pass "
            f"{float(int(steps[at]) * base):.4f} s, usually {float(usual * base):.4f} s",
            cure=f"convert it to a constant rate: ffmpeg -i {self.path.name} -vf fps={_usual(rate)} "
            f"-c:v prores_ks {self.path.stem}_constant.mov",
        )

    def _decode(self, number: int) -> Any:
        """The decoded frame ``number``."""
        near = bisect_right(self._packets.keys, number) - 1
        key = self._packets.keys[near] if near >= 0 else 1
        for broken, error in self._broken.items():
            if key <= broken <= number:
                raise InputError(error.message, error.cure)
        forwards = self._frames is not None and self._expected is not None and self._expected <= number
        if not forwards or (self._packets.numbers and key > (self._expected or 1)):
            sought = near > 0 and self._seek(near)
            if not sought:
                self._open()
        with suppress(InputError):
            return self._advance(number, key)
        # Some key frames are none to begin at, and with several threads what comes before an error gets lost with it:
        # the whole way by one thread decides.
        self._threads = 1
        self._open()
        try:
            return self._advance(number, 1)
        except InputError as error:
            self._broken[self._expected or 1] = error
            raise

    def _seek(self, key: int) -> bool:
        """Goes to a key frame; False where that can't be done."""
        stamp = self._packets.seeks[key]
        if not self._packets.numbers or stamp is None:
            return False
        try:
            self._container.seek(stamp, stream=self._stream)
        except self._av.FFmpegError:
            return False
        if self._decoder is not self._stream.codec_context:
            self._decoder.flush_buffers()
        self._start_decoding()
        self._expected = None
        return True

    def _advance(self, number: int, key: int) -> Any:
        """Decodes on to ``number``; frames before ``key`` are not to be looked at after a seek."""
        if self._frames is None:
            raise ValueError(f"{self.path} is closed")
        try:
            for frame in self._frames:
                shown = self._packets.numbers.get(frame.pts) if self._packets.numbers else self._expected
                if shown is None or shown < (self._expected or key):
                    continue
                if shown > (self._expected or key) or frame.is_corrupt or self._suffers(shown):
                    break
                self._check(frame, shown)
                self._expected = shown + 1
                if shown == number:
                    return frame
            complaint: object = self._complaint
            reason = getattr(complaint, "strerror", None) or complaint or "it is damaged or missing"
            raise InputError(
                f"{self.path}: frame {self._expected or key} can't be decoded ({reason})",
                cure="copy or render the movie again",
            )
        except BaseException:
            self._frames = None
            raise

    def _suffers(self, number: int) -> bool:
        """Whether a frame was decoded after something that could not be, and may have been made from it."""
        if self._complaint is None:
            return False
        places = self._packets.places
        damaged = places.get(self._damaged)
        # Several threads complain late; of old AVI files nobody knows of what.
        if self._threads != 1 or damaged is None:
            return True
        key = self._packets.keys[bisect_right(self._packets.keys, number) - 1]
        return places[number] > damaged and (key > number or places[key] < damaged)

    def _check(self, frame: Any, number: int) -> None:
        if frame.interlaced_frame or self._stream.codec_context.field_order in _FIELD_ORDERS:
            raise InputError(
                f"{self.path}: frame {number} is interlaced, which is not read",
                cure=f"make it progressive first: ffmpeg -i {self.path.name} -vf bwdif=send_frame -c:v prores_ks "
                f"{self.path.stem}_progressive.mov (-vf setfield=prog instead where it is only marked so)",
            )
        if number > 1 and (frame.width, frame.height, frame.format.name) != self._kind:
            raise InputError(
                f"{self.path}: frame {number} is {frame.width} x {frame.height} {frame.format.name}, "
                f"the frames before are {self._kind[0]} x {self._kind[1]} {self._kind[2]}",
                cure="cut the movie there, or convert it to one size and format",
            )
        self._kind = (int(frame.width), int(frame.height), str(frame.format.name))

    def _start_decoding(self) -> None:
        self._complaint: Exception | None = None
        self._damaged = 0
        self._frames = self._decoded()

    def _decoded(self) -> Iterator[Any]:
        """Frames as they leave the decoder. A packet that can't be decoded shows as a frame that is missing."""
        try:
            for packet in self._container.demux(self._stream):
                frames = []
                if self._summed and packet.size and not _is_whole_ffv1(bytes(packet)):
                    self._complain(ValueError("a checksum is wrong"), packet)
                    continue
                try:
                    frames = self._decoder.decode(packet)
                except self._av.FFmpegError as error:
                    self._complain(error, packet)
                yield from frames
        except self._av.FFmpegError as error:
            self._complaint = self._complaint or error

    def _complain(self, error: Exception, packet: Any) -> None:
        if self._complaint is None:
            self._complaint = error
            self._damaged = self._packets.numbers.get(packet.pts, 0)


@dataclass(frozen=True)
class _Packets:
    """What the frames of a movie are, found without decoding.

    Attributes:
        times: (count,) stamps in ascending order, in the stream's time base.
        keys: numbers of the key frames, ascending.
        seeks: for each key frame, the time of decoding to seek to.
        numbers: from the stamps of decoded frames to their numbers; empty where the file has no such stamps.
        places: from the numbers to the places in the order of decoding; empty likewise.
    """

    times: NDArray[np.int64]
    keys: list[int]
    seeks: list[int | None]
    numbers: dict[int, int]
    places: dict[int, int]


def _meant(rate: Fraction) -> Fraction:
    """The rate that a rounded one stands for: 2997/100 → 30000/1001."""
    for meant in (Fraction(round(rate)), Fraction(round(rate * Fraction(1001, 1000)) * 1000, 1001)):
        if meant and abs(rate - meant) <= meant / 10000:
            return meant
    return rate


def _usual(rate: Fraction) -> Fraction:
    """The common rate near another one, which may be off by the rounding of stamps, or that one."""
    whole = (24, 25, 30, 48, 50, 60)
    near = min((*map(Fraction, whole), *(Fraction(n * 1000, 1001) for n in whole)), key=lambda r: abs(r - rate))
    return near if abs(near - rate) < near / 50 else rate


def _tolerance(base: Fraction, rate: Fraction) -> float:
    """How far a stamp may lie from its even place, in ticks: what rounding to ticks or milliseconds does."""
    return min(max(1.0, float(Fraction(1, 1000) / base)), float(1 / (rate * base)) / 4)


def _unevenness(times: NDArray[np.int64], base: Fraction, rate: Fraction) -> float:
    """How far stamps lie from even ones, in ticks."""
    shift = (times - times[0]) - np.arange(len(times)) * float(1 / (rate * base))
    return float(shift.max() - shift.min()) / 2


def _meaning(primaries: int, color_space: str) -> tuple[Decode | None, Reading]:
    """What frames are, by the number of their primaries in ITU-T H.273 or as it was asked for."""
    if color_space != AUTO:
        return None, Reading(color_space, color_space, CHOSEN)
    name = PRIMARIES_NAMES.get(primaries, "")
    if primaries in (1, *UNSAID_PRIMARIES) or not name:
        said = primaries == 1 or primaries not in UNSAID_PRIMARIES
        known = primaries in (1, *UNSAID_PRIMARIES, *TELEVISION_PRIMARIES)
        warning = f"its primaries, {primaries} of ITU-T H.273, are not known and were taken as Rec.709"
        reason = "its tags" if said else "the movie does not say, and movies are taken as sRGB"
        return None, Reading(SRGB, SRGB, reason, warnings=() if known else (warning,))
    space, decode = coded(SRGB_CURVE, PRIMARIES[primaries])
    return decode, Reading(space, f"{name}, {SRGB_CURVE}", "its tags", converted=True, wide=True)


def _timecode(stream: Any, container: Any) -> str:
    """The start time code as the file has it, or an empty text."""
    for metadata in (stream.metadata, container.metadata, *(other.metadata for other in container.streams)):
        for name, text in metadata.items():
            if name.lower() == "timecode":
                return str(text)
    return ""


def _advanced(timecode: str, rate: Fraction, frames: int) -> int | None:
    """The time code that many frames later, as EXR headers have it (SMPTE 12M, in decimal digits)."""
    found = re.fullmatch(r"(\d\d):(\d\d):(\d\d)([:;.])(\d\d)", timecode)
    whole = round(rate)
    if not found or not 1 <= whole <= 40:  # two bits are all there are for tens of frames
        return None
    hours, minutes, seconds, frame = (int(found[i]) for i in (1, 2, 3, 5))
    minutes += 60 * hours
    drop = found[4] != ":" and whole == 30
    total = (minutes * 60 + seconds) * whole + frame + frames
    if drop:  # two numbers are left out each minute, but for every tenth
        total -= 2 * (minutes - minutes // 10)
        tens, rest = divmod(total, 17982)
        total += 18 * tens + 2 * max(0, (rest - 2) // 1798)
    seconds, frame = divmod(total, whole)
    digits = (frame, seconds % 60, seconds // 60 % 60, seconds // 3600 % 24)
    code = sum(((value // 10) << 4 | value % 10) << 8 * place for place, value in enumerate(digits))
    return code | (1 << 6 if drop else 0)


def _is_hidden(packet: Any) -> bool:
    """Whether a packet of VP8 only helps to decode others."""
    return not bytes(memoryview(packet)[:1])[0] & 0x10


def _is_whole_ffv1(data: bytes) -> bool:
    """Whether the checksums of a packet's slices are there and right. FFmpeg fills damaged slices silently."""
    end = len(data)
    while end >= 8:
        start = end - 8 - int.from_bytes(data[end - 8 : end - 5])
        if start < 0:
            return False
        # The checksum runs through bits from the other side than zlib's, and begins with 0.
        turned = _BITS_TURNED[np.frombuffer(data, np.uint8, end - start, start)]
        if zlib.crc32(turned.tobytes(), 0xFFFFFFFF) != 0xFFFFFFFF:
            return False
        end = start
    return end == 0


def _ends_early(path: Path) -> bool:
    """Whether the parts that a file announces go on beyond its end. FFmpeg reads such files without a word."""
    size = path.stat().st_size
    position = 0
    with path.open("rb") as file:
        start = file.read(12)
        if start[:4] == b"\x1a\x45\xdf\xa3":  # Matroska: elements of an id and a length
            while position < size:
                file.seek(position)
                head = file.read(12)
                if len(head) < 2 or not head[0]:
                    return True
                name = 9 - head[0].bit_length()
                if len(head) <= name or not head[name]:
                    return True
                digits = 9 - head[name].bit_length()
                length = int.from_bytes(head[name : name + digits]) & (1 << 7 * digits) - 1
                if length == (1 << 7 * digits) - 1:  # unknown, as in streams
                    return False
                position += name + digits + length
        elif start[:4] == b"RIFF":  # AVI: chunks of a name and a length
            while position + 8 <= size:
                file.seek(position)
                kind, length = file.read(4), int.from_bytes(file.read(4), "little")
                if kind != b"RIFF":
                    return False  # padding behind the last
                if length == 0:
                    return True  # the program that wrote it never came to its end
                position += 8 + length + length % 2
            return position > size + 1
        elif start[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):  # QuickTime, MP4
            while position + 8 <= size:
                file.seek(position)
                length = int.from_bytes(file.read(8)[:4])
                if length == 1:
                    length = int.from_bytes(file.read(8))
                if length < 8:  # 0: to the end
                    return False
                position += length
    return position > size


def _cut_off(path: Path, whole: int, what: str) -> InputError:
    return InputError(f"{path}: is damaged or cut off: {what.format(whole + 1)}", cure="copy or render the movie again")


def _unreadable(path: Path, error: Exception) -> InputError:
    reason = getattr(error, "strerror", None) or "unknown format"
    return InputError(
        f"{path}: can't be read as a movie ({reason})", cure="check that it is a complete movie, or render it again"
    )


def pyav() -> Any:
    """PyAV.

    Raises:
        UsageError: it is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise UsageError(
            "movies need PyAV, which is not installed", cure='pip install "fscs-engine[movies]"'
        ) from error
    return av
