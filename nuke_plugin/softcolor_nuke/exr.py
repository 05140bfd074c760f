"""Writes the layers' EXR files, as ``fscs segment`` does, and reads Nuke's. Nuke's own Python can do neither.

Scanlines, 32-bit floats, ZIP or unpacked. The bytes are moved by slices and by arithmetic on very long integers, which
is fast enough: packing by zlib takes most of the time.
"""

from __future__ import annotations

import contextlib
import os
import struct
import sys
import tempfile
import zlib
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, BinaryIO, Callable, Optional, Union

from .fscs.naming import layer_channels
from .fscs.protocol import WorkerError

_MAGIC = 20000630
_SCANLINES = 2
_ZIP = 3
_ROWS = 16
_ROWS_OF = {0: 1, 2: 1, _ZIP: _ROWS}
"""Lines that are packed together, by compression."""
_FLOAT = 2
_LEVEL = 4
_HEADER_FIRST, _HEADER_LIMIT = 1 << 16, 1 << 22
"""How much of a file is read to find its header: nearly always the first is enough."""

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
    with replaced_file(path) as file:
        header = _header(layers, data_window, display_window, pixel_aspect, metadata)
        file.write(header)
        blocks = -(-height // _ROWS)
        table = len(header)
        file.write(bytes(8 * blocks))
        offsets = []
        flat = pixels.cast("B").cast("f")
        for block in range(blocks):
            top = block * _ROWS
            raw = b"".join(_line(flat, layers, height, width, y) for y in range(top, min(top + _ROWS, height)))
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


def _header(
    layers: int, data_window: Window, display_window: Window, pixel_aspect: float, metadata: Mapping[str, str]
) -> bytes:
    names = layer_channels(layers)
    channels = b"".join(
        names[4 * layer + channel].encode("ascii") + b"\0" + struct.pack("<iBxxxii", _FLOAT, 0, 1, 1)
        for layer, channel in _order(layers)
    )
    attributes: list[tuple[str, str, bytes]] = [
        ("channels", "chlist", channels + b"\0"),
        ("compression", "compression", bytes([_ZIP])),
        ("dataWindow", "box2i", _box(data_window)),
        ("displayWindow", "box2i", _box(display_window)),
        ("lineOrder", "lineOrder", b"\0"),
        ("pixelAspectRatio", "float", struct.pack("<f", pixel_aspect)),
        ("screenWindowCenter", "v2f", struct.pack("<ff", 0.0, 0.0)),
        ("screenWindowWidth", "float", struct.pack("<f", 1.0)),
    ]
    attributes += [(name, "string", text.encode("utf-8")) for name, text in sorted(metadata.items())]
    body = b"".join(
        name.encode("ascii") + b"\0" + kind.encode("ascii") + b"\0" + struct.pack("<i", len(value)) + value
        for name, kind, value in attributes
    )
    return struct.pack("<ii", _MAGIC, _SCANLINES) + body + b"\0"


def _box(window: Window) -> bytes:
    x, y, width, height = window
    return struct.pack("<iiii", x, y, x + width - 1, y + height - 1)


@contextlib.contextmanager
def replaced_file(path: Union[str, os.PathLike[str]]) -> Iterator[BinaryIO]:
    """A file under a temporary name in the folder of ``path``, renamed at the end; removed after an error.

    Raises:
        WorkerError: it can't be made, written or renamed (code ``output``).
    """
    target = Path(path)
    temporary = ""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".tmp")
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _share(temporary)
        os.replace(temporary, target)  # noqa: PTH105  # a str and a Path
        temporary = ""
    except OSError as error:
        cure = "choose another folder for the cache, or free some disk space"
        raise WorkerError("output", f"{target} can't be written ({error.strerror or error})", cure) from error
    finally:
        if temporary:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()


def _share(path: str) -> None:
    """Gives a file the permissions that a new one has; temporary ones are for their owner only."""
    mask = os.umask(0)
    os.umask(mask)
    with contextlib.suppress(OSError):
        Path(path).chmod(0o666 & ~mask)


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
            known = stamp, _read_header(name)
            if len(_headers) >= 1000:
                _headers.clear()
            _headers[name] = known
        return known[1]
    except OSError as error:
        raise WorkerError("input", f"{name} can't be read ({error.strerror})", "render the frame") from error


def _read_header(name: str) -> dict[str, Any]:
    with open(name, "rb") as file:  # noqa: PTH123  # for each frame that is looked at
        data = file.read(_HEADER_FIRST)
        if len(data) < 8 or struct.unpack_from("<i", data)[0] != _MAGIC:
            raise WorkerError("input", f"{name} is no EXR file", "render the frame again")
        try:
            try:
                return _attributes(data)[0]
            except (ValueError, struct.error):
                return _attributes(data + file.read(_HEADER_LIMIT - _HEADER_FIRST))[0]
        except (ValueError, struct.error) as error:
            raise WorkerError("input", f"{name} is damaged ({error})", "render the frame again") from error


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
        (magic, flags) = struct.unpack_from("<ii", data)
        header, position = _attributes(data)
        if magic != _MAGIC or flags & ~0x4FF or header["compression"] not in _ROWS_OF:
            raise ValueError("of a kind that is not read here")
        return _capture(data, position, header)
    except OSError as error:
        message = f"{os.fspath(path)} can't be read ({error.strerror})"
        raise WorkerError("input", message, "free some space in the folder for temporary files") from error
    except (ValueError, KeyError, struct.error, zlib.error) as error:
        message = f"what Nuke wrote of the image can't be read ({error})"
        raise WorkerError("input", message, "remove defaults for Write nodes that your studio sets") from error


def _capture(data: bytes, position: int, header: Mapping[str, Any]) -> Capture:
    _, top, width, height = header["dataWindow"]
    stored = header["channels"]
    wanted = [name for name in "RGBA" if name in stored]
    if wanted[:3] != ["R", "G", "B"] or any(kind != _FLOAT for kind in stored.values()):
        raise ValueError("its channels are " + ", ".join(stored))
    rows = _ROWS_OF[header["compression"]]
    count = len(wanted)
    pixels = array("f", bytes(4 * width * height * count))
    line = 4 * width * len(stored)
    for offset in struct.unpack_from(f"<{-(-height // rows)}Q", data, position):
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
        pixels, height, width, count, header["dataWindow"], header["displayWindow"], header["pixelAspectRatio"]
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


def _attributes(data: bytes) -> tuple[dict[str, Any], int]:
    """The attributes that are understood, and where the header ends."""
    found: dict[str, Any] = {}
    position = 8
    while data[position : position + 1] != b"\0":
        end = data.index(b"\0", position)
        name = data[position:end].decode("utf-8")
        position = end + 1
        end = data.index(b"\0", position)
        kind = data[position:end].decode("utf-8")
        (size,) = struct.unpack_from("<i", data, end + 1)
        position = end + 5
        if not 0 <= size <= len(data) - position:
            raise ValueError("its header ends too early")
        value = data[position : position + size]
        position += size
        if kind == "string":
            found[name] = value.decode("utf-8")
        elif kind == "float":
            found[name] = struct.unpack("<f", value)[0]
        elif kind == "box2i":
            left, top, right, bottom = struct.unpack("<iiii", value)
            found[name] = [left, top, right - left + 1, bottom - top + 1]
        elif kind == "compression":
            found[name] = value[0]
        elif kind == "chlist":
            found[name] = dict(_channels(value))
    return found, position + 1


def _channels(value: bytes) -> Iterator[tuple[str, int]]:
    position = 0
    while value[position : position + 1] != b"\0":
        end = value.index(b"\0", position)
        yield value[position:end].decode("utf-8"), struct.unpack_from("<i", value, end + 1)[0]
        position = end + 17
