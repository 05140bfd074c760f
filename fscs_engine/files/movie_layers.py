"""Layers into movies, one with alpha a layer. Needs PyAV."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import OutputError, UsageError
from ..runtime.compiling import compiled
from .layer_folder import LayerFolder
from .movie_pixels import FULL, LIMITED, RGB_MATRIX, SRGB_TRANSFER, stored_plane
from .movies import pyav

Codec = Literal["auto", "prores", "png", "ffv1"]


@dataclass(frozen=True)
class _Encoding:
    """How a codec is asked for: FFmpeg's names, the file's kind, and tags by the numbers of ITU-T H.273."""

    encoder: str
    pixels: str
    suffix: str
    container: str
    options: Mapping[str, str]
    matrix: int = RGB_MATRIX
    transfer: int = SRGB_TRANSFER
    span: int = FULL


_ENCODINGS = {
    "prores": _Encoding(
        "prores_ks",
        "yuva444p10le",
        ".mov",
        "mov",
        # The finest quantizer, always: as good as the encoder's search for one of a given size, and faster.
        {"profile": "4444", "alpha_bits": "16", "vendor": "apl0", "flags": "+qscale", "global_quality": "118"},
        matrix=1,
        transfer=1,
        span=LIMITED,
    ),
    "png": _Encoding("png", "rgba64be", ".mov", "mov", {"compression_level": "2", "pred": "sub"}),
    "ffv1": _Encoding("ffv1", "gbrap16le", ".mkv", "matroska", {"level": "3", "slicecrc": "1"}),
}


class MovieLayerWriter(LayerFolder):
    """Writes layers frame by frame into ``stem.layer1.mov`` …, which all appear when the block ends, or none.

    Files hold straight RGBA, the palette's color where the alpha is 0. Equal calls give equal bytes. ``png`` and
    ``ffv1`` keep 16 bits: added up, the movies give the picture to within (K + 1) / 131070. ``prores`` is ProRes 4444
    of 10 bits, BT.709, limited range, and loses a little more.

    Args:
        folder: where the files go; made if it is missing.
        stem: the movie's name.
        height: rows of a frame.
        width: its columns.
        layers: K.
        rate: frames per second.
        palette_rgb: (K, 3) sRGB in [0, 1].
        codec: "prores" or "png" (both .mov), "ffv1" (.mkv), or "auto": prores where FFmpeg has its encoder, else png.
        clip: clamp what lies outside [0, 1] instead of raising.
        overwrite: replace existing files.

    Attributes:
        paths: the K files.
        codec: which codec it is.

    Raises:
        OutputError: a file exists, or can't be written.
        RangeError: on writing, a straight color or an alpha lies outside [0, 1].
        UsageError: PyAV or the encoder is missing, or the codec can't hold the size or rate.
    """

    KIND = "the movie"

    def __init__(
        self,
        folder: str | Path,
        stem: str,
        *,
        height: int,
        width: int,
        layers: int,
        rate: Fraction,
        palette_rgb: NDArray[Any],
        codec: Codec = "auto",
        clip: bool = False,
        overwrite: bool = False,
    ) -> None:
        self._av = pyav()
        if np.shape(palette_rgb) != (layers, 3):
            raise ValueError(f"{layers} layers and a palette of shape {np.shape(palette_rgb)}")
        if not 0 < rate <= 1000:
            raise UsageError(f"a movie can't have {rate} frames a second", cure="name a rate from 1 to 1000")
        if max(height, width) > 65535:
            raise UsageError(f"a movie can't hold {width} x {height} pixels", cure="write EXR or PNG files")
        self._height, self._width = height, width
        self._rate = Fraction(rate).limit_denominator(1001)
        self.codec: str = self._available(codec)
        self._encoding = _ENCODINGS[self.codec]
        names = [f"{stem}.layer{n}{self._encoding.suffix}" for n in range(1, layers + 1)]
        super().__init__(folder, names, palette_rgb, clip=clip, overwrite=overwrite)

    def _available(self, codec: str) -> str:
        """The codec meant by a name."""
        for name in ("prores", "png") if codec == "auto" else (codec,):
            if name not in _ENCODINGS:
                raise UsageError(f"{name!r} is no codec for layers", cure=f"name auto, {', '.join(_ENCODINGS)}")
            with suppress(ValueError):
                self._av.Codec(_ENCODINGS[name].encoder, "w")
                return name
        raise UsageError(f"this FFmpeg has no encoder for {codec}", cure="name another codec, or install PyAV's wheel")

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of every frame."""
        return self._height, self._width

    def __enter__(self) -> MovieLayerWriter:
        self._count = 0
        return super().__enter__()

    def _opened(self, temporary: Path, path: Path) -> _MovieFile:
        return _MovieFile(self._av, temporary, path, self._encoding, (self._width, self._height), self._rate)

    def _stored(self, straight: NDArray[np.float32]) -> NDArray[np.float32]:
        return straight

    def _check_whole(self) -> None:
        if not self._count:
            raise ValueError("no frame was written")

    def write_frame(self, layers: NDArray[np.float32]) -> None:
        """Writes the next frame.

        Args:
            layers: (K, H, W, 4) float32, premultiplied, in sRGB.

        Raises:
            RangeError, OutputError: see the class.
        """
        expected = (len(self.paths), self._height, self._width, 4)
        if layers.shape != expected:
            raise ValueError(f"layers of shape {layers.shape}, expected {expected}")
        self._count += 1
        self._write_layers(layers, where=f" in frame {self._count}")


class _MovieFile:
    """A movie being written."""

    def __init__(
        self, av: Any, path: Path, named: Path, encoding: _Encoding, size: tuple[int, int], rate: Fraction
    ) -> None:
        self._av, self._path, self._named, self._encoding = av, path, named, encoding
        self._size, self._rate = size, rate

    def __enter__(self) -> _MovieFile:
        self._number = 0
        # Without "bitexact" the names of the program's version and random numbers get into the file.
        self._container = self._av.open(
            f"file:{self._path}", "w", format=self._encoding.container, container_options={"fflags": "+bitexact"}
        )
        try:
            options = dict(self._encoding.options)
            if self._encoding.encoder == "ffv1":
                # Else the number of slices would follow the number of cores.
                options["slices"] = "4" if min(self._size) > 1 else "1"
            stream = self._container.add_stream(self._encoding.encoder, rate=self._rate, options=options)
            stream.width, stream.height = self._size
            stream.pix_fmt = self._encoding.pixels
            coder = stream.codec_context
            coder.flags |= self._av.codec.context.Flags.bitexact
            coder.thread_count = 1
            coder.colorspace, coder.color_range = self._encoding.matrix, self._encoding.span
            coder.color_primaries, coder.color_trc = 1, self._encoding.transfer
            self._stream = stream
            try:
                coder.open()
            except (self._av.FFmpegError, ValueError) as error:
                raise UsageError(
                    f"{self._named}: {self._encoding.encoder} can't hold {self._size[0]} x {self._size[1]} pixels "
                    f"at {self._rate} frames a second",
                    cure="choose another codec, or write EXR or PNG files",
                ) from error
            self._put(self._container.start_encoding)
        except BaseException:
            self._give_up()
            raise
        return self

    def write(self, straight: NDArray[np.float32]) -> None:
        """Takes (H, W, 4), straight, in [0, 1]."""
        encoding = self._encoding
        if encoding.pixels == "yuva444p10le":
            frame = self._av.VideoFrame(*self._size, encoding.pixels)
            _rgb_to_yuv(straight, *(stored_plane(plane, 10) for plane in frame.planes))
        else:
            values = np.rint(straight * np.float32(65535)).astype(np.uint16)
            frame = self._av.VideoFrame.from_ndarray(values, format=encoding.pixels)
        frame.colorspace, frame.color_range = encoding.matrix, encoding.span
        frame.color_primaries, frame.color_trc = 1, encoding.transfer
        frame.pts, frame.time_base = self._number, 1 / self._rate
        self._number += 1
        self._put(lambda: self._container.mux(self._stream.encode(frame)))

    def __exit__(self, kind: type[BaseException] | None, *raised: object) -> None:
        if kind is not None:
            self._give_up()
            return

        def end() -> None:
            self._container.mux(self._stream.encode(None))
            self._container.close()

        self._put(end)

    def _put(self, action: Any) -> None:
        try:
            action()
        except self._av.FFmpegError as error:
            raise OutputError(
                f"{self._named}: can't be written ({error.strerror or error})",
                cure="check the disk space and the permissions",
            ) from error

    def _give_up(self) -> None:
        with suppress(self._av.FFmpegError, ValueError):
            self._container.close()


@compiled
def _rgb_to_yuv(
    straight: NDArray[np.float32],
    luma: NDArray[np.uint16],
    blue: NDArray[np.uint16],
    red: NDArray[np.uint16],
    alpha: NDArray[np.uint16],
) -> None:
    """BT.709 of limited range in 10 bits; alpha uses all of them."""
    height, width, _ = straight.shape
    for y in range(height):
        for x in range(width):
            r, g, b = straight[y, x, 0], straight[y, x, 1], straight[y, x, 2]
            light = np.float32(0.2126) * r + np.float32(0.7152) * g + np.float32(0.0722) * b
            luma[y, x] = np.uint16(np.float32(64.5) + np.float32(876) * light)
            blue[y, x] = np.uint16(np.float32(512.5) + np.float32(896 / 1.8556) * (b - light))
            red[y, x] = np.uint16(np.float32(512.5) + np.float32(896 / 1.5748) * (r - light))
            alpha[y, x] = np.uint16(np.float32(0.5) + np.float32(1023) * straight[y, x, 3])
