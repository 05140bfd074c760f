"""Writes the layers' EXR files, as ``fscs segment`` does, and reads Nuke's. Nuke's own Python can do neither.

Scanlines, 32-bit floats, ZIP or unpacked. The bytes are moved by slices and by arithmetic on very long integers, which
is fast enough: packing by zlib takes most of the time.
"""

from __future__ import annotations

import io
import os
import struct
import sys
import zlib
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, Callable, Optional, Union

from .fscs import exr_header
from .fscs.atomic import replaced_file
from .fscs.exr_header import FLOAT, ROWS, ZIP, ExrError, Header, header_bytes, header_of
from .fscs.naming import layer_channels
from .fscs.protocol import WorkerError

_LEVEL = 4

_headers: dict[str, tuple[tuple[int, int], dict[str, Any]]] = {}
"""Headers that were read, with the time and size of their file."""

Window = Sequence[int]
Progress = Callable[[float], None]


def write_layers(
    path: Union[str, os.PathLike[str]],
    pixels: memoryview[float],
    *,
    data_window: Window,
    display_window: Window,
    pixel_aspect: float = 1.0,
    metadata: Mapping[str, str],
    progress: Optional[Progress] = None,
) -> None:
    """Writes one frame's layers. The file is there whole or not at all.

    Args:
        path: the file; its folder is made.
        pixels: float32 (K, H, W, 4), premultiplied, top row first, one block.
        data_window: x, y, width, height of the pixels, y downwards.
        display_window: that of the format.
        pixel_aspect: of the format.
        metadata: texts by their full names.
        progress: called with the fraction done; what it raises ends the writing.

    Raises:
        WorkerError: the file can't be written (code ``output``).
    """
    layers, height, width, _ = pixels.shape or (0, 0, 0, 0)
    if (data_window[2], data_window[3]) != (width, height):
        raise WorkerError("protocol", f"layers of {width}×{height} for a window of {list(data_window)}", "report it")
    with replaced_file(path, "choose another folder for the cache, or free some disk space") as file:
        header = header_bytes(sorted(layer_channels(layers)), data_window, display_window, metadata, pixel_aspect)
        file.write(header)
        blocks = -(-height // ROWS[ZIP])
        table = len(header)
        file.write(bytes(8 * blocks))
        offsets = []
        flat = pixels.cast("B").cast("f")
        for block in range(blocks):
            top = block * ROWS[ZIP]
            raw = b"".join(_line(flat, layers, height, width, y) for y in range(top, min(top + ROWS[ZIP], height)))
            packed = zlib.compress(_predicted(raw), _LEVEL)
            data = packed if len(packed) < len(raw) else raw
            offsets.append(file.tell())
            file.write(struct.pack("<ii", data_window[1] + top, len(data)))
            file.write(data)
            if progress is not None:
                progress((block + 1) / blocks)
        file.seek(table)
        file.write(struct.pack(f"<{blocks}Q", *offsets))


def _line(flat: memoryview[float], layers: int, height: int, width: int, y: int) -> bytes:
    """One line of all channels, each on its own, in the order of the header."""
    parts = []
    for layer, channel in _order(layers):
        start = ((layer * height + y) * width) * 4
        parts.append(flat[start + channel : start + 4 * width : 4].tobytes())
    line = b"".join(parts)
    if sys.byteorder == "big":
        swapped = bytearray(len(line))
        for index in range(4):
            swapped[index::4] = line[3 - index :: 4]
        line = bytes(swapped)
    return line


def _order(layers: int) -> list[tuple[int, int]]:
    """Layer and channel from 0, sorted by name as EXR wants them."""
    names = layer_channels(layers)
    return [divmod(index, 4) for index in sorted(range(len(names)), key=names.__getitem__)]


def _predicted(raw: bytes) -> bytes:
    """What ZIP in EXR does before zlib: even bytes first, then odd ones, then differences from byte to byte."""
    mixed = raw[0::2] + raw[1::2]
    size = len(mixed)
    high = int.from_bytes(b"\x80" * size, "little")
    low = high - int.from_bytes(b"\x01" * size, "little")  # 0x7f in every byte
    a = int.from_bytes(mixed, "little")
    b = int.from_bytes(mixed[:1] + mixed[:-1], "little")
    # Subtraction in every byte at once: the highest bits are kept from borrowing. Then 128 is added to each.
    difference = ((a | high) - (b & low)) ^ ((a ^ b ^ high) & high)
    result = (difference ^ high).to_bytes(size, "little")
    return mixed[:1] + result[1:]


def read_header(path: Union[str, os.PathLike[str]]) -> dict[str, Any]:
    """The attributes of an EXR file's first part that are texts, windows or single numbers.

    Raises:
        WorkerError: no such file, or no EXR (code ``input``).
    """
    name = os.fspath(path)
    try:
        found = os.stat(name)  # noqa: PTH116  # a str and a Path
        stamp = (found.st_mtime_ns, found.st_size)
        known = _headers.get(name)
        if known is None or known[0] != stamp:
            known = stamp, dict(exr_header.read_header(name).attributes)
            if len(_headers) >= 1000:
                _headers.clear()
            _headers[name] = known
        return known[1]
    except OSError as error:
        raise WorkerError("input", f"{name} can't be read ({error.strerror})", "render the frame") from error
    except ExrError as error:
        raise WorkerError("input", str(error), "render the frame again") from error


@dataclass(frozen=True)
class Capture:
    """Pixels that a Write wrote.

    Attributes:
        data: float32 (H, W, C), top row first.
        height: H.
        width: W.
        channels: C: 3, or 4 with alpha.
        data_window: x, y, width, height of the pixels, y downwards.
        display_window: that of the format.
        pixel_aspect: of the format.
    """

    data: array[float]
    height: int
    width: int
    channels: int
    data_window: Window
    display_window: Window
    pixel_aspect: float

    def first_channel(self, window: Window) -> array[float]:
        """(height, width) of the first channel in another window; 0 where there are no pixels."""
        left, top, width, height = window
        x, y = self.data_window[0] - left, self.data_window[1] - top
        begin, end = max(x, 0), min(x + self.width, width)
        plane = array("f", bytes(4 * width * height))
        if begin < end:
            for row in range(max(y, 0), min(y + self.height, height)):
                start = ((row - y) * self.width + begin - x) * self.channels
                values = self.data[start : start + (end - begin) * self.channels : self.channels]
                plane[row * width + begin : row * width + end] = values
        return plane


def read_capture(path: Union[str, os.PathLike[str]]) -> Capture:
    """The R, G, B and, if it is there, A of a scanline file of 32-bit floats, unpacked or ZIP.

    Raises:
        WorkerError: it is something else, or damaged (code ``input``).
    """
    try:
        data = Path(path).read_bytes()
        header = header_of(io.BytesIO(data), path)
        if not header.scanlines or header.attributes["compression"] not in ROWS:
            raise ValueError("it is of a kind this plug-in does not read")
        return _capture(data, header)
    except OSError as error:
        message = f"{os.fspath(path)} can't be read ({error.strerror})"
        raise WorkerError("input", message, "free some space in the folder for temporary files") from error
    except (ExrError, ValueError, KeyError, struct.error, zlib.error) as error:
        message = f"what Nuke wrote of the image can't be read ({error})"
        raise WorkerError("input", message, "remove defaults for Write nodes that your studio sets") from error


def _capture(data: bytes, header: Header) -> Capture:
    _, top, width, height = header.attributes["dataWindow"]
    stored = dict(header.channels)
    wanted = [name for name in "RGBA" if name in stored]
    if wanted[:3] != ["R", "G", "B"] or any(kind != FLOAT for kind in stored.values()):
        raise ValueError("its channels are " + ", ".join(stored))
    rows = ROWS[header.attributes["compression"]]
    count = len(wanted)
    pixels = array("f", bytes(4 * width * height * count))
    line = 4 * width * len(stored)
    for offset in struct.unpack_from(f"<{-(-height // rows)}Q", data, header.end):
        y, size = struct.unpack_from("<ii", data, offset)
        packed = data[offset + 8 : offset + 8 + size]
        here = min(rows, top + height - y)
        if y < top or here < 1 or len(packed) != size:
            raise ValueError("it ends too early")
        raw = packed if size == here * line else _unpredicted(zlib.decompress(packed))
        if len(raw) != here * line:
            raise ValueError("its lines have another length")
        values = array("f", raw)
        if sys.byteorder == "big":
            values.byteswap()
        for row in range(here):
            start = (y - top + row) * width * count
            for place, name in enumerate(stored):
                if name in wanted:
                    begin = (row * len(stored) + place) * width
                    plane = values[begin : begin + width]
                    pixels[start + wanted.index(name) : start + width * count : count] = plane
    return Capture(
        pixels,
        height,
        width,
        count,
        *(header.attributes[name] for name in ("dataWindow", "displayWindow", "pixelAspectRatio")),
    )


def _unpredicted(packed: bytes) -> bytes:
    """The reverse of :func:`_predicted`."""
    values: Iterator[int] = accumulate(packed, _next_byte)
    mixed = bytes(values)
    half = -(-len(mixed) // 2)
    raw = bytearray(len(mixed))
    raw[0::2], raw[1::2] = mixed[:half], mixed[half:]
    return bytes(raw)


def _next_byte(before: int, step: int) -> int:
    return (before + step - 128) & 255
