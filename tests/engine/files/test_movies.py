"""Movies: exact colors whatever the tags say, every frame by its number, damage named, layers that add up."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import corpus
import numpy as np
import OpenImageIO as oiio
import pytest

from fscs_engine.errors import InputError, OutputError, RangeError, UsageError
from fscs_engine.files.headers import set_header
from fscs_engine.files.movie_layers import MovieLayerWriter
from fscs_engine.files.movies import Movie, is_movie

av = pytest.importorskip("av")

BT709, BT601, BT2020 = 1, 6, 9
UNTAGGED = 2
LIMITED, FULL = 1, 2
WEIGHTS = {BT709: (0.2126, 0.7152, 0.0722), BT601: (0.299, 0.587, 0.114), BT2020: (0.2627, 0.678, 0.0593)}
PALETTE = np.array([[1, 0, 0], [0.2, 0.4, 0.6], [0, 0, 0], [1, 1, 1]], np.float32)


def to_yuv(rgb: np.ndarray, matrix: int, span: int, bits: int) -> np.ndarray:
    """ITU-T H.273, section 8.3: (…, 3) R'G'B' in [0, 1] → whole numbers."""
    luma = rgb @ np.array(WEIGHTS[matrix])
    red, _, blue = WEIGHTS[matrix]
    differences = [(rgb[..., 2] - luma) / (2 - 2 * blue), (rgb[..., 0] - luma) / (2 - 2 * red)]
    if span == FULL:
        top, middle = 2**bits - 1, 2 ** (bits - 1)
        planes = [luma * top, *(d * top + middle for d in differences)]
    else:
        unit = 2 ** (bits - 8)
        planes = [(219 * luma + 16) * unit, *((224 * d + 128) * unit for d in differences)]
    return np.clip(np.rint(np.stack(planes, axis=-1)), 0, 2**bits - 1)


def patches(seed: int = 0) -> np.ndarray:
    """(48, 64, 3) R'G'B' in [0, 1], one color each 16 x 16."""
    rng = np.random.default_rng(seed)
    return rng.random((3, 4, 3)).repeat(16, axis=0).repeat(16, axis=1)


def inner(pixels: np.ndarray) -> np.ndarray:
    """The middles of the patches, which subsampled color leaves as they are."""
    return pixels.reshape(3, 16, 4, 16, -1)[:, 4:12, :, 4:12]


def save_movie(
    path: Path,
    frames: Sequence[Sequence[np.ndarray]],
    codec: str = "ffv1",
    pixels: str = "yuv444p",
    *,
    tags: tuple[int, int, int] = (BT709, LIMITED, 1),
    rate: Fraction = Fraction(24),
    times: Sequence[int] | None = None,
    base: Fraction | None = None,
    options: dict[str, str] | None = None,
    container: dict[str, str] | None = None,
    prepare: Callable[..., object] = lambda container, stream: None,
) -> Path:
    """Frames of planes as they are; ``tags`` are matrix, range and transfer curve."""
    height, width = frames[0][0].shape[:2]
    with av.open(str(path), "w", container_options=container or {}) as file:
        stream = file.add_stream(codec, rate=rate, options=options or {})
        stream.width, stream.height, stream.pix_fmt = width, height, pixels
        coder = stream.codec_context
        coder.colorspace, coder.color_range, coder.color_trc = tags
        if base:
            coder.time_base = base
        prepare(file, stream)
        for number, planes in enumerate(frames):
            frame = av.VideoFrame(width, height, pixels)
            for plane, values in zip(frame.planes, planes, strict=True):
                kind = np.uint8 if frame.format.components[0].bits == 8 else np.dtype("<u2")
                rows = np.frombuffer(plane, kind).reshape(plane.height, -1)
                values = values.reshape(len(values), -1)
                rows[:, : values.shape[1]] = values
            frame.colorspace, frame.color_range, frame.color_trc = tags
            frame.pts, frame.time_base = times[number] if times else number, base or 1 / rate
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


def numbered(count: int, height: int = 48, width: int = 64) -> list[list[np.ndarray]]:
    """8-bit 4:2:0 planes; frame n is n times 6 bright on the left half and moving stripes on the right."""
    frames = []
    for number in range(1, count + 1):
        luma = np.full((height, width), 16 + 6 * number, np.uint8)
        luma[:, width // 2 :] = 40 + 3 * ((np.arange(width // 2) + number) % 50)
        gray = np.full((-(-height // 2), -(-width // 2)), 128, np.uint8)
        frames.append([luma, gray, gray])
    return frames


def number_of(pixels: np.ndarray) -> float:
    """The n of a frame of ``numbered``."""
    return float(np.median(pixels[:, : pixels.shape[1] // 4, 1]) * 219 / 6)


def packets_of(path: Path) -> list[tuple[int, int]]:
    """Where the packets lie, in the order in which they are shown."""
    with av.open(str(path)) as file:
        found = sorted((p.pts, p.pos, p.size) for p in file.demux(file.streams.video[0]) if p.size)
    return [(position, size) for _, position, size in found]


def test_movies_are_known_by_their_ending() -> None:
    assert all(is_movie(name) for name in ("a.mov", "b.MP4", Path("c/d.mkv"), "e.avi", "f.m4v", "g.webm", "h.mxf"))
    assert not any(is_movie(name) for name in ("a.exr", "mov", "a.mov.png", "layers/"))


@pytest.mark.parametrize("span", [LIMITED, FULL])
@pytest.mark.parametrize("matrix", [BT709, BT601, BT2020])
@pytest.mark.parametrize(
    ("suffix", "codec", "pixels", "bits"),
    [
        (".mkv", "ffv1", "yuv444p", 8),
        (".mkv", "ffv1", "yuv420p", 8),
        (".mp4", "libx264", "yuv444p", 8),
        (".webm", "libvpx-vp9", "yuv420p", 8),
        (".mkv", "ffv1", "yuv422p10le", 10),
        (".mkv", "ffv1", "yuv444p12le", 12),
        (".mkv", "rawvideo", "nv12", 8),
    ],
)
def test_known_colors_come_back_by_their_tags(
    tmp_path: Path, suffix: str, codec: str, pixels: str, bits: int, matrix: int, span: int
) -> None:
    rgb = patches()
    stored = to_yuv(rgb, matrix, span, bits)
    shape = av.VideoFormat(pixels, 64, 48)
    across, down = 64 // shape.chroma_width(64), 48 // shape.chroma_height(48)
    planes = [stored[..., 0], stored[::down, ::across, 1], stored[::down, ::across, 2]]
    if pixels == "nv12":
        planes = [planes[0], np.stack(planes[1:], axis=-1)]
    lossless = {"libx264": {"qp": "0"}, "libvpx-vp9": {"lossless": "1", "cpu-used": "8"}}.get(codec)
    path = save_movie(tmp_path / f"a{suffix}", [planes] * 2, codec, pixels, tags=(matrix, span, 1), options=lossless)
    with Movie(path) as movie:
        found = inner(movie.read(2).pixels)
    # Rounding to the file's numbers alone: half a step of luma and, for blue, 0.94 of one of color.
    step = 1 / (2**bits - 1) if span == FULL else 1 / (219 * 2 ** (bits - 8))
    assert np.abs(found - inner(rgb)).max() <= 1.45 * step
    # What stands in the file is what comes out: another matrix or range would be off by far more.
    again = to_yuv(found.astype(np.float64), matrix, span, bits)
    inside = ((inner(rgb) > 0.02) & (inner(rgb) < 0.98)).all(axis=-1)
    np.testing.assert_array_equal(again[inside], inner(stored)[inside])


def test_prores_of_ten_bits(tmp_path: Path) -> None:
    rgb = patches(1)
    stored = to_yuv(rgb, BT709, LIMITED, 10)
    planes = [stored[..., 0], stored[:, ::2, 1], stored[:, ::2, 2]]
    path = save_movie(tmp_path / "a.mov", [planes], "prores_ks", "yuv422p10le", options={"profile": "3"})
    with Movie(path) as movie:
        assert np.abs(inner(movie.read(1).pixels) - inner(rgb)).max() <= 3 / 1023


@pytest.mark.parametrize(("height", "meant"), [(718, BT601), (720, BT709)])
def test_untagged_streams_go_by_their_height(tmp_path: Path, height: int, meant: int) -> None:
    color = np.array([0.8, 0.3, 0.1])
    stored = np.broadcast_to(to_yuv(color, meant, LIMITED, 8), (height, 16, 3))
    path = save_movie(tmp_path / "a.mkv", [[stored[..., i] for i in range(3)]], tags=(UNTAGGED, 0, 2))
    with Movie(path) as movie:
        assert np.abs(movie.read(1).pixels - color).max() <= 1.45 / 219


def test_superwhites_are_clipped_and_ends_are_exact(tmp_path: Path) -> None:
    luma = np.array([[16, 235, 255, 0]], np.uint8).repeat(2, axis=0)
    gray = np.full_like(luma, 128)
    with Movie(save_movie(tmp_path / "a.mkv", [[luma, gray, gray]])) as movie:
        np.testing.assert_array_equal(movie.read(1).pixels[0, :, 0], np.float32([0, 1, 1, 0]))


def test_color_lies_on_the_left_pixel_and_between_two_rows(tmp_path: Path) -> None:
    luma = np.full((4, 8), 126, np.uint8)
    red = np.array([[128, 138, 148, 158], [148, 158, 168, 178]], np.uint8)
    path = save_movie(tmp_path / "a.mkv", [[luma, np.full_like(red, 128), red]], pixels="yuv420p")
    with Movie(path) as movie:
        pixels = movie.read(1).pixels[..., 0].astype(np.float64)
    found = (pixels - 110 / 219) / (2 - 2 * 0.2126) * 224 + 128
    np.testing.assert_allclose(found[0], [128, 133, 138, 143, 148, 153, 158, 158], atol=1e-3)
    np.testing.assert_allclose(found[:, 0], [128, 133, 143, 148], atol=1e-3)


def with_primaries(number: int) -> Callable[[Any, Any], None]:
    def prepare(container: Any, stream: Any) -> None:
        del container
        stream.codec_context.color_primaries = number

    return prepare


@pytest.mark.parametrize(
    ("number", "primaries"), [(1, None), (6, None), (9, corpus.REC2020), (11, corpus.DCI), (12, corpus.P3), (22, None)]
)
def test_primaries_of_wider_gamuts_become_rec709(
    tmp_path: Path, number: int, primaries: tuple[float, ...] | None
) -> None:
    rgb = patches()
    stored = to_yuv(rgb, BT709, FULL, 8)
    frames = [[stored[..., i] for i in range(3)]]
    path = save_movie(tmp_path / "a.mkv", frames, tags=(BT709, FULL, 1), prepare=with_primaries(number))
    plain = save_movie(tmp_path / "b.mkv", frames, tags=(BT709, FULL, 1), prepare=with_primaries(1))
    with Movie(path) as movie, Movie(plain) as rec709:
        image, before = movie.read(1), rec709.read(1)
    assert image.reading == movie.reading
    assert bool(image.reading.warnings) == (number == 22)
    if primaries is None:
        assert image.color_space == "srgb"
        np.testing.assert_array_equal(image.pixels, before.pixels)
        return
    assert (image.color_space, image.reading.wide) == ("lin_rec709", True)
    expected = corpus.to_rec709(corpus.srgb_to_linear(before.pixels), primaries)
    np.testing.assert_allclose(image.pixels, expected, atol=1e-5)
    assert image.pixels.min() < -0.01


def test_what_a_movie_is_can_be_said(tmp_path: Path) -> None:
    stored = to_yuv(patches(), BT709, FULL, 8)
    frames = [[stored[..., i] for i in range(3)]]
    plain = save_movie(tmp_path / "a.mkv", frames, tags=(BT709, FULL, 1))
    bright = save_movie(tmp_path / "b.mkv", frames, tags=(BT709, FULL, 16), prepare=with_primaries(9))
    with pytest.raises(InputError, match="PQ.*--input-space"):
        Movie(bright)
    with Movie(plain) as movie, Movie(bright, color_space="ARRI LogC4") as named:
        assert (named.color_space, named.reading.reason) == ("ARRI LogC4", "it was chosen")
        np.testing.assert_array_equal(named.read(1).pixels, movie.read(1).pixels)


@pytest.mark.parametrize("pixels", ["bgra", "yuva444p"])
@pytest.mark.parametrize("number", [1, 12])
def test_alpha_of_a_movie_can_be_said(tmp_path: Path, pixels: str, number: int) -> None:
    rng = np.random.default_rng(3)
    planes = [rng.integers(40, 200, (8, 8), dtype=np.uint8) for _ in range(3)]
    planes.append(rng.integers(60, 256, (8, 8), dtype=np.uint8))
    if pixels == "bgra":
        planes = [np.stack(planes, axis=-1)]
    path = save_movie(tmp_path / "a.mkv", [planes], "ffv1", pixels, prepare=with_primaries(number))
    with Movie(path) as straight, Movie(path, alpha="premultiplied") as premultiplied:
        first, second = straight.read(1), premultiplied.read(1)
    assert (first.reading.alpha, second.reading.alpha) == ("straight", "premultiplied")
    np.testing.assert_array_equal(first.pixels[..., 3], second.pixels[..., 3])
    assert first.color_space == second.color_space == ("lin_rec709" if number == 12 else "srgb")
    if number == 1:
        alpha = second.pixels[..., 3:]
        np.testing.assert_allclose(second.pixels[..., :3] * alpha, first.pixels[..., :3], atol=1e-6)
    else:
        with Movie(path, color_space="srgb", alpha="premultiplied") as coded:
            pixels_, alpha = coded.read(1).pixels[..., :3], coded.read(1).pixels[..., 3:]
        expected = corpus.to_rec709(corpus.srgb_to_linear(pixels_ / alpha), corpus.P3) * alpha
        np.testing.assert_allclose(second.pixels[..., :3], expected, atol=1e-4)


@pytest.mark.parametrize("pixels", ["rgb24", "rgba", "rgb48be", "rgba64be", "gray", "gray16be", "ya8"])
def test_rgb_and_gray_keep_every_bit(tmp_path: Path, pixels: str) -> None:
    shape = av.VideoFormat(pixels)
    channels, top = len(shape.components), 2 ** shape.components[0].bits - 1
    values = np.random.default_rng(0).integers(0, top + 1, (9, 7, channels))
    stored = values.astype(np.uint8 if top == 255 else ">u2").view(np.uint8)
    path = tmp_path / "a.mov"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("png", rate=24)
        stream.width, stream.height, stream.pix_fmt = 7, 9, pixels
        frame = av.VideoFrame(7, 9, pixels)
        rows = np.frombuffer(frame.planes[0], np.uint8).reshape(9, -1)
        rows[:, : stored.reshape(9, -1).shape[1]] = stored.reshape(9, -1)
        frame.pts, frame.time_base = 0, Fraction(1, 24)
        file.mux([*stream.encode(frame), *stream.encode(None)])
    expected = values / top
    if channels < 3:
        expected = np.concatenate([expected[..., :1].repeat(3, axis=-1), expected[..., 1:]], axis=-1)
    if expected.shape[-1] == 4:
        expected[..., :3] *= expected[..., 3:]
    with Movie(path) as movie:
        image = movie.read(1)
        assert movie.has_alpha == image.has_alpha == (channels in (2, 4))
        np.testing.assert_allclose(image.pixels, expected, atol=2e-7)
        assert image.color_space == movie.color_space == "srgb"
        assert (image.width, image.height, image.source) == (7, 9, path)


def test_alpha_of_vp9_is_not_left_out(tmp_path: Path) -> None:
    luma, gray, alpha = (np.full(size, value, np.uint8) for size, value in (((8, 8), 126), ((4, 4), 128), ((8, 8), 51)))
    path = save_movie(tmp_path / "a.webm", [[luma, gray, gray, alpha]] * 2, "libvpx-vp9", "yuva420p")
    with Movie(path) as movie:
        np.testing.assert_allclose(movie.read(2).pixels[4, 4], [0.1, 0.1, 0.1, 0.2], atol=0.01)


MOVIES = [
    (".mp4", "libx264", {"g": "7", "bf": "3"}, {}),
    (".mp4", "libx264", {"g": "7", "bf": "3"}, {"movflags": "+frag_keyframe+empty_moov"}),
    (".mkv", "libx264", {"g": "7", "bf": "3"}, {}),
    (".avi", "libx264", {"g": "7", "bf": "3"}, {}),
    (".ts", "libx264", {"g": "7", "bf": "3"}, {}),
    (".mov", "mpeg4", {"g": "7", "bf": "2"}, {}),
    (".mxf", "mpeg2video", {"g": "7", "bf": "2"}, {}),
    (".webm", "libvpx-vp9", {"g": "7", "cpu-used": "8", "auto-alt-ref": "1", "lag-in-frames": "9"}, {}),
    (".webm", "libvpx", {"g": "7", "cpu-used": "8", "auto-alt-ref": "1", "lag-in-frames": "9"}, {}),
]


@pytest.mark.parametrize(("suffix", "codec", "options", "container"), MOVIES)
def test_any_frame_by_its_number(
    tmp_path: Path, suffix: str, codec: str, options: dict[str, str], container: dict[str, str]
) -> None:
    path = save_movie(
        tmp_path / f"a{suffix}", numbered(24), codec, "yuv420p", options={"b": "3M", **options}, container=container
    )
    with Movie(path, threads=2) as movie:
        assert (movie.count, movie.rate, movie.width, movie.height) == (24, 24, 64, 48)
        forwards = [movie.read(number).pixels for number in range(1, 25)]
        np.testing.assert_allclose([number_of(pixels) for pixels in forwards], np.arange(1, 25), atol=0.5)
        for number in (24, 3, 4, 4, 17, 9, 1, 12, 23, 22):
            np.testing.assert_array_equal(movie.read(number).pixels, forwards[number - 1])
        for number in (0, 25, -1):
            with pytest.raises(InputError, match=f"has no frame {number}: name frames from 1 to 24"):
                movie.read(number)


def test_reading_forwards_decodes_each_frame_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save_movie(tmp_path / "a.mp4", numbered(30), "libx264", "yuv420p", options={"g": "30", "bf": "0"})
    decoded: list[int] = []
    check = Movie._check
    monkeypatch.setattr(Movie, "_check", lambda movie, frame, n: (decoded.append(n), check(movie, frame, n))[1])
    with Movie(path) as movie:
        for number in range(1, 31):
            movie.read(number)
    assert decoded == list(range(1, 31))


@pytest.mark.parametrize("rate", ["24000/1001", "24", "25", "30000/1001", "60000/1001", "25/2"])
@pytest.mark.parametrize("suffix", [".mkv", ".mov"])
def test_rates_are_exact_in_spite_of_rounded_times(tmp_path: Path, rate: str, suffix: str) -> None:
    frames = [[np.full((2, 2), n, np.uint8)] * 3 for n in range(70)]
    codec = {".mkv": "ffv1", ".mov": "libx264"}[suffix]
    with Movie(save_movie(tmp_path / f"a{suffix}", frames, codec, rate=Fraction(rate))) as movie:
        assert (movie.count, movie.rate) == (70, Fraction(rate))
        assert movie.attributes["FramesPerSecond"] == Fraction(rate)


@pytest.mark.parametrize(
    ("times", "step"),
    [
        ([0, 1000, 2000, 4000, 5000, 6000], "frame 3 to 4 pass 0.0833 s, usually 0.0417 s"),
        ([0, 1000, 2000, 3000, 3300, 4300], "frame 4 to 5 pass 0.0125 s, usually 0.0417 s"),
        ([*range(0, 50000, 1000), *range(50000, 98000, 960)], "frame 51 to 52 pass 0.0400 s, usually 0.0417 s"),
    ],
)
def test_a_variable_rate_is_refused(tmp_path: Path, times: list[int], step: str) -> None:
    frames = numbered(1) * len(times)
    path = save_movie(
        tmp_path / "a.mp4", frames, "libx264", "yuv420p", times=times, base=Fraction(1, 24000), options={"bf": "0"}
    )
    with pytest.raises(InputError, match=step) as caught:
        Movie(path)
    assert "ffmpeg -i a.mp4 -vf fps=24" in caught.value.cure


@pytest.mark.parametrize(
    ("suffix", "codec", "options", "broken"),
    [
        (".mov", "prores_ks", {}, 6),
        (".avi", "mjpeg", {}, 6),
        (".mkv", "ffv1", {"level": "3", "slicecrc": "1"}, 11),
        (".mp4", "libx264", {"g": "12", "bf": "0"}, 9),
        (".mp4", "libx264", {"g": "12", "bf": "0"}, 24),
        (".mp4", "libx264", {"g": "12", "bf": "3"}, 24),
    ],
)
def test_a_damaged_frame_is_named(
    tmp_path: Path, suffix: str, codec: str, options: dict[str, str], broken: int
) -> None:
    pixels = {"prores_ks": "yuv422p10le", "mjpeg": "yuvj420p"}.get(codec, "yuv420p")
    frames = numbered(24)
    if pixels == "yuv422p10le":
        frames = [
            [frame[0] * np.uint16(4), *[plane.repeat(2, 0) * np.uint16(4) for plane in frame[1:]]] for frame in frames
        ]
    path = save_movie(tmp_path / f"a{suffix}", frames, codec, pixels, options=options)
    with Movie(path) as movie:
        whole = [movie.read(number).pixels for number in range(1, 25)]
    position, size = packets_of(path)[broken - 1]
    data = bytearray(path.read_bytes())
    start = position + (4 if suffix == ".mov" else size // 2)
    data[start : position + size] = bytes(position + size - start)
    path.write_bytes(data)
    # Frames between may have been made from the damaged one, and then come first.
    first = broken - 3 if options.get("bf") == "3" else broken
    for threads in (1, 4):
        with Movie(path, threads=threads) as movie:
            assert movie.count == 24
            for number in range(1, 25):
                try:
                    np.testing.assert_array_equal(movie.read(number).pixels, whole[number - 1])
                except InputError as error:
                    named = int(re.findall(r"frame (\d+) can't be decoded", str(error))[0])
                    break
            assert named == number
            assert first <= named <= broken
            with pytest.raises(InputError, match=f"frame {named} can't be decoded"):
                movie.read(broken)
            np.testing.assert_array_equal(movie.read(2).pixels, whole[1])  # it is still of use


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize(
    ("suffix", "codec", "container"),
    [
        (".mp4", "libx264", {}),
        (".mp4", "libx264", {"movflags": "+faststart"}),
        (".mp4", "libx264", {"movflags": "+frag_keyframe+empty_moov"}),
        (".mkv", "libx264", {}),
        (".avi", "mpeg4", {}),
        (".mxf", "mpeg2video", {}),
    ],
)
def test_a_movie_that_is_cut_off_is_refused(
    tmp_path: Path, suffix: str, codec: str, container: dict[str, str], share: float
) -> None:
    path = save_movie(tmp_path / f"a{suffix}", numbered(24), codec, "yuv420p", container=container)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(InputError, match="cut off: .*frame [0-9]+|can't be read as a movie"):
        Movie(path)


def test_what_is_no_movie(tmp_path: Path, save: Callable[..., Path]) -> None:
    cases = {"no such file": tmp_path / "none.mov", "is a folder": tmp_path}
    for name, data, message in (
        ("empty.mov", b"", "is empty"),
        ("text.mov", b"this is no movie, but it is long enough to be looked at\n" * 40, "can't be read as a movie"),
        ("a: b%04d.mov", np.random.default_rng(0).bytes(5000), "can't be read as a movie"),
    ):
        (tmp_path / name).write_bytes(data)
        cases[message + name] = tmp_path / name
    picture = save("picture.png", np.zeros((4, 4, 3), np.float32), "uint8")
    cases["is no movie"] = picture.rename(tmp_path / "picture.mov")
    for message, path in cases.items():
        with pytest.raises(InputError) as caught:
            Movie(path)
        assert message.removesuffix(path.name) in str(caught.value)
        assert str(path) in str(caught.value)


def test_sound_alone_is_no_movie(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mov"), "w") as file:
        stream = file.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        file.mux([*stream.encode(frame), *stream.encode(None)])
    with pytest.raises(InputError, match="has no video stream"):
        Movie(tmp_path / "a.mov")


def test_a_movie_without_frames(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.avi"), "w") as file:
        stream = file.add_stream("ffv1", rate=24)
        stream.width, stream.height, stream.pix_fmt = 8, 8, "yuv420p"
        file.start_encoding()
    with pytest.raises(InputError, match="has no frames"):
        Movie(tmp_path / "a.avi")


@pytest.mark.parametrize(("transfer", "word"), [(16, "PQ"), (18, "HLG"), (8, "linear")])
def test_what_is_not_for_display_is_refused(tmp_path: Path, transfer: int, word: str) -> None:
    path = save_movie(tmp_path / "a.mp4", numbered(2), "libx264", "yuv420p", tags=(BT2020, LIMITED, transfer))
    with pytest.raises(InputError, match=f"{word}.*: convert it to EXR"):
        Movie(path)


def test_an_unknown_matrix_is_refused(tmp_path: Path) -> None:
    path = save_movie(tmp_path / "a.mp4", numbered(2), "libx264", "yuv420p", tags=(10, LIMITED, 1))
    with pytest.raises(InputError, match="color matrix 10"):
        Movie(path)


def test_interlaced_movies_are_refused(tmp_path: Path) -> None:
    options = {"flags": "+ildct+ilme", "x264-params": "tff=1"}
    path = save_movie(tmp_path / "a.mp4", numbered(3), "libx264", "yuv420p", options=options)
    with pytest.raises(InputError, match=r"frame 1 is interlaced.*bwdif"):
        Movie(path)


@pytest.mark.parametrize(("degrees", "turns"), [(90, 1), (180, 2), (-90, 3)])
def test_turned_movies_come_upright(tmp_path: Path, degrees: int, turns: int) -> None:
    luma = np.arange(16, 16 + 6 * 8, dtype=np.uint8).reshape(6, 8)
    planes = [[luma, np.full((6, 8), 128, np.uint8), np.full((6, 8), 128, np.uint8)]]
    plain = save_movie(tmp_path / "a.mov", planes, "libx264", "yuv444p", options={"qp": "0"})
    turned = save_movie(
        tmp_path / "b.mov", planes, "libx264", "yuv444p", options={"qp": "0"},
        prepare=lambda _, stream: stream.set_display_rotation(degrees),
    )  # fmt: skip
    with Movie(plain) as straight, Movie(turned) as movie:
        image = movie.read(1)
        # FFmpeg counts the angle counterclockwise, as NumPy does.
        np.testing.assert_array_equal(image.pixels, np.rot90(straight.read(1).pixels, turns))
        assert (movie.height, movie.width) == (image.height, image.width)


@pytest.mark.parametrize(
    ("rate", "start", "frame", "shown", "dropping"),
    [
        ("24", "01:02:03:04", 1, "01:02:03:04", False),
        ("24", "01:02:03:22", 4, "01:02:04:01", False),
        ("25", "23:59:59:24", 2, "00:00:00:00", False),
        ("30000/1001", "00:00:59;28", 1, "00:00:59:28", True),
        ("30000/1001", "00:00:59;28", 3, "00:01:00:02", True),
        ("30000/1001", "00:09:59;29", 2, "00:10:00:00", True),
        ("30000/1001", "00:00:59:29", 2, "00:01:00:00", False),
    ],
)
def test_each_frame_has_its_own_time_code(
    tmp_path: Path, rate: str, start: str, frame: int, shown: str, dropping: bool
) -> None:
    frames = [[np.full((2, 2), 128, np.uint8)] * 3] * 4
    path = save_movie(
        tmp_path / "a.mov", frames, "libx264", "yuv444p", rate=Fraction(rate),
        prepare=lambda _, stream: stream.metadata.update(timecode=start),
    )  # fmt: skip
    with Movie(path) as movie:
        attributes = movie.read(frame).attributes
    expected = int(shown.replace(":", ""), 16) | (0x40 if dropping else 0)
    assert attributes["smpte:TimeCode"] == (expected, 0)
    # An EXR header takes it, and shows it as it was meant.
    spec = oiio.ImageSpec(2, 2, 3, "float")
    set_header(spec, attributes, "srgb")
    assert spec.get_string_attribute("smpte:TimeCode") == shown


def test_pixel_aspect_is_kept(tmp_path: Path) -> None:
    def squeeze(_: object, stream: object) -> None:
        stream.codec_context.sample_aspect_ratio = Fraction(2)  # type: ignore[attr-defined]

    with Movie(save_movie(tmp_path / "a.mp4", numbered(1), "libx264", "yuv420p", prepare=squeeze)) as movie:
        assert movie.attributes["PixelAspectRatio"] == 2.0
        assert "smpte:TimeCode" not in movie.attributes


def soft_layers(seed: int, count: int, height: int, width: int, sharpness: float = 4.0) -> np.ndarray:
    """(K, H, W, 4) float32 premultiplied, alphas adding to 1, some of them 0, colors in [0, 1]."""
    rng = np.random.default_rng(seed)
    alphas = rng.random((count, height, width)) ** sharpness
    alphas[alphas < 0.02] = 0
    alphas[0] += 1e-9
    alphas = (alphas / alphas.sum(axis=0)).astype(np.float32)[..., None]
    colors = rng.random((count, height, width, 3), dtype=np.float32)
    return np.concatenate([alphas * colors, alphas], axis=3)


def smooth_layers(seed: int, count: int, height: int, width: int) -> np.ndarray:
    """As ``soft_layers``, of colors and alphas that change slowly, as pictures do."""
    y, x = np.mgrid[:height, :width] / 20
    rng = np.random.default_rng(seed)
    waves = [0.5 + 0.5 * np.sin(y * a + x * b + c) for a, b, c in rng.normal(size=(4 * count, 3))]
    alphas = np.stack(waves[:count]) ** 3 + 1e-6
    alphas = (alphas / alphas.sum(axis=0)).astype(np.float32)[..., None]
    colors = np.stack(waves[count:]).reshape(count, 3, height, width).transpose(0, 2, 3, 1).astype(np.float32)
    return np.concatenate([alphas * colors, alphas], axis=3)


def write(folder: Path, frames: Sequence[np.ndarray], *, used: int | None = None, **options: object) -> list[Path]:
    count, height, width, _ = frames[0].shape
    rate = Fraction(24000, 1001)
    with MovieLayerWriter(
        folder, "clip", height=height, width=width, layers=count, rate=rate, palette_rgb=PALETTE[:count], **options
    ) as writer:  # fmt: skip
        for layers in frames[:used]:
            writer.write_frame(layers)
    return writer.paths


def added_up(paths: Sequence[Path], number: int) -> np.ndarray:
    """The sum of the layers' frames, premultiplied, float64."""
    total: np.ndarray = np.zeros(())
    for path in paths:
        with Movie(path) as movie:
            assert movie.rate == Fraction(24000, 1001)
            total = total + movie.read(number).pixels.astype(np.float64)
    return total


@pytest.mark.parametrize("size", [(24, 32), (1, 1), (9, 17), (2, 3)])
@pytest.mark.parametrize("codec", ["png", "ffv1"])
def test_lossless_layers_add_up(tmp_path: Path, codec: str, size: tuple[int, int]) -> None:
    frames = [soft_layers(seed, 4, *size) for seed in range(3)]
    paths = write(tmp_path, frames, codec=codec)
    assert [path.suffix for path in paths] == [{"png": ".mov", "ffv1": ".mkv"}[codec]] * 4
    for number, layers in enumerate(frames, 1):
        difference = added_up(paths, number) - layers.astype(np.float64).sum(axis=0)
        assert np.abs(difference).max() <= 5 / 131070


def test_prores_layers_nearly_add_up(tmp_path: Path) -> None:
    frames = [smooth_layers(seed, 3, 48, 64) for seed in range(2)]
    paths = write(tmp_path, frames, codec="prores")
    for number, layers in enumerate(frames, 1):
        difference = np.abs(added_up(paths, number) - layers.astype(np.float64).sum(axis=0))
        assert difference[..., :3].max() <= 3 / 255
        assert difference[..., :3].mean() <= 0.5 / 255
        assert difference[..., 3].max() <= 3.1 / 2046  # each alpha is rounded to 10 bits
    with av.open(str(paths[0])) as file:
        stream = file.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.color_trc, stream.codec_context.colorspace) == (
            "prores",
            1,
            1,
        )
        assert stream.codec_context.codec_tag == "ap4h"


@pytest.mark.parametrize("codec", ["prores", "png", "ffv1"])
def test_equal_frames_give_equal_bytes(tmp_path: Path, codec: str) -> None:
    frames = [smooth_layers(seed, 2, 32, 40) for seed in range(2)]
    first, second = (write(tmp_path / name, frames, codec=codec) for name in ("a", "né w/b"))
    assert [path.name for path in first] == [path.name for path in second]
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
        assert b"Lavf6" not in one.read_bytes()
        assert str(tmp_path).encode() not in one.read_bytes()


@pytest.mark.parametrize("codec", ["prores", "png", "ffv1"])
def test_where_nothing_is_covered_stands_the_palette_color(tmp_path: Path, codec: str) -> None:
    layers = np.zeros((2, 16, 16, 4), np.float32)
    layers[0] = 1
    _, second = write(tmp_path, [layers], codec=codec)
    with av.open(str(second)) as file:
        frame = next(file.decode(video=0))
        straight = frame.reformat(format="rgba", src_colorspace=frame.colorspace, dst_colorspace=frame.colorspace)
        np.testing.assert_allclose(
            straight.to_ndarray() / 255, np.broadcast_to([0.2, 0.4, 0.6, 0], (16, 16, 4)), atol=0.008
        )


def test_auto_is_prores_where_there_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def writer(codec: str) -> MovieLayerWriter:
        return MovieLayerWriter(
            tmp_path, "a", height=4, width=4, layers=1, rate=Fraction(24), palette_rgb=PALETTE[:1], codec=codec
        )  # fmt: skip

    assert writer("auto").codec == "prores"

    def without_prores(name: str, mode: str) -> object:
        if name == "prores_ks":
            raise av.codec.codec.UnknownCodecError(name)
        return name

    monkeypatch.setattr(av, "Codec", without_prores)
    assert writer("auto").codec == "png"
    with pytest.raises(UsageError, match="no encoder for prores"):
        writer("prores")
    with pytest.raises(UsageError, match="'h264' is no codec for layers"):
        writer("h264")


def test_all_movies_or_none(tmp_path: Path) -> None:
    layers = soft_layers(0, 2, 8, 8)
    new = tmp_path / "new" / "deep"
    with (
        pytest.raises(KeyboardInterrupt),
        MovieLayerWriter(
            new, "clip", height=8, width=8, layers=2, rate=Fraction(24), palette_rgb=PALETTE[:2], codec="ffv1"
        ) as writer,
    ):
        writer.write_frame(layers)
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match="no frame"):
        write(new, [layers], codec="ffv1", used=0)
    assert list(tmp_path.iterdir()) == []
    write(tmp_path, [layers], codec="ffv1")
    before = [path.read_bytes() for path in sorted(tmp_path.iterdir())]
    with pytest.raises(OutputError, match=r"clip\.layer1\.mkv: exists already"):
        write(tmp_path, [layers], codec="ffv1")
    bright = layers.copy()
    bright[1, 2, 3, :3] = 2 * bright[1, 2, 3, 3] + 0.1
    with pytest.raises(RangeError, match=r"layer2\.mkv: R of layer 2 in frame 2 is .* at x=3 y=2; the movie holds"):
        write(tmp_path, [layers, bright], codec="ffv1", overwrite=True)
    assert [path.read_bytes() for path in sorted(tmp_path.iterdir())] == before
    write(tmp_path, [layers, bright], codec="ffv1", overwrite=True, clip=True)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="sets a limit of the process that Windows does not have")
@pytest.mark.parametrize("codec", ["prores", "png", "ffv1"])
def test_a_full_disk_leaves_nothing(tmp_path: Path, codec: str) -> None:
    import resource
    import signal

    frames = [soft_layers(seed, 2, 64, 64) for seed in range(3)]
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20000, before[1]))
    try:
        with pytest.raises(OutputError, match=r"clip\.layer[12]\.m.*: can't be written"):
            write(tmp_path / "new", frames, codec=codec)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("change", [{"height": 70000}, {"rate": Fraction(0)}, {"rate": Fraction(5000)}])
def test_what_a_movie_cannot_hold(tmp_path: Path, change: dict[str, object]) -> None:
    options: dict[str, object] = {
        "height": 4,
        "width": 4,
        "layers": 1,
        "rate": Fraction(24),
        "palette_rgb": PALETTE[:1],
    }
    with pytest.raises(UsageError, match="a movie can't"):
        MovieLayerWriter(tmp_path, "a", **{**options, **change})


def test_without_pyav(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(UsageError, match=r'pip install "fscs-engine\[movies\]"'):
        Movie(tmp_path / "a.mov")
    with pytest.raises(UsageError, match=r'pip install "fscs-engine\[movies\]"'):
        write(tmp_path, [soft_layers(0, 1, 2, 2)])
