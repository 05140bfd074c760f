"""16-bit PNG layers, straight RGBA in sRGB, one file a layer."""

from __future__ import annotations

import os
import struct
import sys
import zlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fscs_engine.errors import RangeError
from fscs_engine.files.atomic import check_targets, make_folder, replaced_file, replaced_files

TOLERANCE = 1e-6
"""How far outside [0, 1] a colour or alpha may lie by rounding alone."""

_ROWS = 64
"""Rows that are compressed at once. Fixed, so that the bytes don't depend on how the rows were cut into strips."""


class PngLayerWriter:
    """Writes layers strip by strip into ``stem.layer1.png`` …, which all appear when the block ends, or none.

    Memory does not grow with the height. Equal calls give equal bytes. Added up, the files give the picture to within
    (K + 1) / 131070: each colour and each alpha is rounded once.

    Args:
        folder: where the files go; made if it is missing.
        stem: the picture's name.
        height: rows of the picture.
        width: its columns.
        palette_rgb: (K, 3) sRGB in [0, 1]; the colour of a layer where its alpha is 0.
        frame: the frame number as it stands in a sequence's file names: ``stem.layer1.1001.png``.
        metadata: ASCII text to store in each file, by name.
        clip: clamp what lies outside [0, 1] instead of raising.
        overwrite: replace existing files.

    Attributes:
        paths: the K files.

    Raises:
        OutputError: a file exists, or can't be written.
        RangeError: on writing, a straight colour or an alpha lies outside [0, 1].
    """

    def __init__(
        self,
        folder: str | Path,
        stem: str,
        *,
        height: int,
        width: int,
        palette_rgb: NDArray[Any],
        frame: str = "",
        metadata: Mapping[str, str] | None = None,
        clip: bool = False,
        overwrite: bool = False,
    ) -> None:
        self._folder = Path(folder)
        self._height, self._width, self._clip, self._overwrite = height, width, clip, overwrite
        self._palette = np.asarray(palette_rgb, dtype=np.float32)
        self._metadata = dict(metadata or {})
        numbered = f".{frame}" if frame else ""
        self.paths = [self._folder / f"{stem}.layer{n}{numbered}.png" for n in range(1, len(self._palette) + 1)]
        if self._folder.exists():
            check_targets(self.paths, overwrite=overwrite)

    def __enter__(self) -> PngLayerWriter:
        self._rows = 0
        with ExitStack() as stack:
            stack.enter_context(folder_made(self._folder))
            temporaries = stack.enter_context(replaced_files(self.paths, overwrite=self._overwrite))
            self._files = [
                stack.enter_context(_PngFile(temporary, self._height, self._width, 4, 16, self._metadata))
                for temporary in temporaries
            ]
            self._threads = stack.enter_context(ThreadPoolExecutor(min(len(self.paths), os.cpu_count() or 1)))
            self._stack = stack.pop_all()
        return self

    def write(self, top: int, layers: NDArray[np.float32]) -> None:
        """Writes the next rows.

        Args:
            top: the first row; strips come strictly from top to bottom.
            layers: (K, h, W, 4) float32, premultiplied, in sRGB.

        Raises:
            RangeError, OutputError: see the class.
        """
        expected = (len(self.paths), layers.shape[1], self._width, 4)
        if top != self._rows or layers.shape != expected or top + layers.shape[1] > self._height:
            raise ValueError(f"strip {layers.shape} at row {top}, expected {expected} at row {self._rows}")
        for start in range(0, layers.shape[1], _ROWS):
            rows = layers[:, start : start + _ROWS]
            # Packing releases the interpreter's lock, so the layers are packed side by side.
            for _ in self._threads.map(self._write_layer, range(len(rows)), rows):
                pass
            self._rows += rows.shape[1]

    def _write_layer(self, number: int, layer: NDArray[np.float32]) -> None:
        straight = straight_layer(
            layer,
            self._palette[number],
            path=self.paths[number],
            name=f"layer {number + 1}",
            top=self._rows,
            clip=self._clip,
        )
        self._files[number].write(np.rint(straight * np.float32(65535)).astype(np.uint16))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None and self._rows != self._height:
                raise ValueError(f"{self._rows} of {self._height} rows were written")
        except BaseException:
            self._stack.__exit__(*sys.exc_info())
            raise
        self._stack.__exit__(kind, error, trace)


def straight_layer(
    layer: NDArray[np.float32],
    color: NDArray[Any],
    *,
    path: Path,
    name: str,
    top: int = 0,
    kind: str = "PNG",
    clip: bool = False,
) -> NDArray[np.float32]:
    """A layer for a file of straight colours.

    Args:
        layer: (h, W, 4) float32, premultiplied, in sRGB.
        color: (3,) what stands where the alpha is 0, in [0, 1].
        path: the file, for messages.
        name: the layer's, for messages: "layer 1".
        top: the picture's row that ``layer`` begins with, for messages.
        kind: of file, for messages.
        clip: clamp what lies outside [0, 1] instead of raising.

    Returns:
        (h, W, 4) float32, straight, in [0, 1].

    Raises:
        RangeError: a straight colour or an alpha lies outside [0, 1].
    """
    alpha = layer[..., 3:]
    seen = alpha > 0
    straight = np.empty_like(layer)
    np.divide(layer[..., :3], alpha, out=straight[..., :3], where=seen)
    straight[..., 3:] = alpha
    if not clip:
        outside = ~((straight >= -TOLERANCE) & (straight <= 1 + TOLERANCE))
        # A glow without alpha has no straight colour at all.
        outside[..., :3] = np.where(seen, outside[..., :3], ~(np.abs(layer[..., :3]) <= TOLERANCE))
        if outside.any():
            y, x, channel = np.argwhere(outside)[0]
            given = straight if seen[y, x, 0] else layer
            why = "" if seen[y, x, 0] or channel == 3 else " where the alpha is 0"
            raise RangeError(
                f"{path}: {'RGBA'[channel]} of {name} is "
                f"{given[y, x, channel]:g}{why} at x={x} y={top + y}; {kind} holds 0 to 1",
                cure="write EXR or pass --clip",
            )
    straight[..., :3] = np.where(seen, straight[..., :3], color)
    return np.clip(straight, 0.0, 1.0, out=straight)


def write_png(
    path: str | Path, pixels: NDArray[np.float32], *, bits: Literal[8, 16] = 16, overwrite: bool = False
) -> None:
    """Writes a PNG.

    Args:
        path: the file.
        pixels: (H, W, 3) or (H, W, 4) float, sRGB, straight, in [0, 1].
        bits: per channel.
        overwrite: replace an existing file.

    Raises:
        OutputError: the file exists or can't be written.
        RangeError: a value lies outside [0, 1].
    """
    path = Path(path)
    outside = ~((pixels >= -TOLERANCE) & (pixels <= 1 + TOLERANCE))
    if outside.any():
        y, x, channel = np.argwhere(outside)[0]
        raise RangeError(
            f"{path}: {'RGBA'[channel]} is {pixels[y, x, channel]:g} at x={x} y={y}; PNG holds 0 to 1", cure="write EXR"
        )
    scale = np.float32(2**bits - 1)
    values = np.rint(np.clip(pixels, 0, 1) * scale).astype(np.uint16 if bits == 16 else np.uint8)
    height, width, channels = values.shape
    with (
        replaced_file(path, overwrite=overwrite) as temporary,
        _PngFile(temporary, height, width, channels, bits) as file,
    ):
        file.write(values)


class _PngFile:
    """A PNG being written row by row, RGB or RGBA of 8 or 16 bits, marked as sRGB.

    Not OpenImageIO's: that keeps silent on a full disk, and prints on the terminal when a file is given up.
    """

    def __init__(
        self,
        path: Path,
        height: int,
        width: int,
        channels: int,
        bits: int,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        self._texts = [f"{name}\0{text}".encode("ascii") for name, text in (metadata or {}).items()]
        self._path, self._bits, self._pixel_bytes = path, bits, channels * bits // 8
        self._packer = zlib.compressobj(2, strategy=zlib.Z_FILTERED)
        self._buffer = np.zeros((_ROWS, width * self._pixel_bytes), np.uint8)
        self._filled = 0
        self._header = struct.pack(">IIBBBBB", width, height, bits, {3: 2, 4: 6}[channels], 0, 0, 0)

    def __enter__(self) -> _PngFile:
        self._file = self._path.open("wb")
        self._file.write(b"\x89PNG\r\n\x1a\n")
        self._chunk(b"IHDR", self._header)
        self._chunk(b"sRGB", b"\0")
        self._chunk(b"gAMA", struct.pack(">I", 45455))
        self._chunk(b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000))
        for text in self._texts:
            self._chunk(b"tEXt", text)
        return self

    def __exit__(self, kind: type[BaseException] | None, *raised: object) -> None:
        try:
            if kind is None:
                self._pack()
                self._chunk(b"IDAT", self._packer.flush())
                self._chunk(b"IEND", b"")
        finally:
            # Closing writes what is buffered, so a full disk can show here too.
            self._file.close()

    def write(self, values: NDArray[Any]) -> None:
        """Takes (h, W, C) uint8 or uint16."""
        rows = np.ascontiguousarray(values, dtype=">u2" if self._bits == 16 else np.uint8).view(np.uint8)
        rows = rows.reshape(len(values), -1)
        while len(rows):
            count = min(_ROWS - self._filled, len(rows))
            self._buffer[self._filled : self._filled + count] = rows[:count]
            self._filled += count
            rows = rows[count:]
            if self._filled == _ROWS:
                self._pack()

    def _pack(self) -> None:
        """Filters and compresses the buffered rows."""
        rows = self._buffer[: self._filled]
        filtered = np.empty((len(rows), 1 + rows.shape[1]), np.uint8)
        # The filter "Sub": twice as fast as trying them all on 16-bit pictures, at the same size (measured).
        filtered[:, 0] = 1
        step = self._pixel_bytes
        filtered[:, 1 : 1 + step] = rows[:, :step]
        np.subtract(rows[:, step:], rows[:, :-step], out=filtered[:, 1 + step :])
        self._filled = 0
        self._chunk(b"IDAT", self._packer.compress(filtered.data))

    def _chunk(self, kind: bytes, data: bytes) -> None:
        if data or kind == b"IEND":
            checksum = zlib.crc32(kind + data)
            self._file.write(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum))


@contextmanager
def folder_made(folder: Path) -> Iterator[None]:
    """Makes a folder, and takes back what it made if the block raises and nothing else has come into it."""
    made = [part for part in (folder, *folder.parents) if not part.exists()]
    make_folder(folder)
    try:
        yield
    except BaseException:
        for part in made:
            with suppress(OSError):
                part.rmdir()
        raise
