# SPDX-License-Identifier: GPL-3.0-or-later
"""EXR files of our own: what Blender's Python can't do with several layers in one file.

Blender gives no pixels of a layered EXR to Python and writes one only while it renders. NumPy and zlib are in every
Blender, and single-part scanline files with ZIP are a small part of the format, so they are read and written here,
with the same bytes in every version.
"""

from __future__ import annotations

import os
import struct
import threading
import zlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

MAGIC = 20000630
VERSION = 2
LONG_NAMES = 0x400
UNREADABLE_FLAGS = 0x200 | 0x800 | 0x1000
"""Tiles, deep data, several parts."""

NONE, ZIPS, ZIP = 0, 2, 3
ROWS = {NONE: 1, ZIPS: 1, ZIP: 16}
TYPES: dict[int, np.dtype[Any]] = {0: np.dtype("<u4"), 1: np.dtype("<f2"), 2: np.dtype("<f4")}
FLOAT = 2

LEVEL = 4
"""Of zlib; what OpenEXR takes by itself."""

LARGEST_SIDE = 65536
LARGEST_HEADER = 1 << 20


class ExrError(Exception):
    """A file that is not what this reader knows, or damaged."""


@dataclass(frozen=True)
class Header:
    """What a file says about itself.

    Attributes:
        channels: name and kind (a key of ``TYPES``) of each, in the file's order.
        compression: ``NONE``, ``ZIPS`` or ``ZIP``.
        left: x of the data window's left column.
        top: y of its upper row.
        width: of the data window.
        height: of the data window.
        texts: the attributes that are strings.
        end: byte after the header.
    """

    channels: tuple[tuple[str, int], ...]
    compression: int
    left: int
    top: int
    width: int
    height: int
    texts: Mapping[str, str]
    end: int


def write(path: Path, planes: Mapping[str, Any], texts: Mapping[str, str]) -> None:
    """Writes a file, under another name until it is whole.

    Args:
        path: where to; its folder is made.
        planes: (H, W) float32 by the channel's name, upper row first, all of one size.
        texts: string attributes.

    Raises:
        OSError: it can't be written.
    """
    names = sorted(planes)  # by bytes, as the format wants; our names are ASCII
    height, width = planes[names[0]].shape
    long_names = any(len(name) > 31 for name in [*names, *texts])
    parts = [struct.pack("<ii", MAGIC, VERSION | (LONG_NAMES if long_names else 0))]
    channels = b"".join(_text(name) + struct.pack("<iB3xii", FLOAT, 0, 1, 1) for name in names) + b"\0"
    window = struct.pack("<iiii", 0, 0, width - 1, height - 1)
    for name, kind, value in (
        ("channels", "chlist", channels),
        ("compression", "compression", struct.pack("<B", ZIP)),
        ("dataWindow", "box2i", window),
        ("displayWindow", "box2i", window),
        ("lineOrder", "lineOrder", b"\0"),
        ("pixelAspectRatio", "float", struct.pack("<f", 1.0)),
        ("screenWindowCenter", "v2f", struct.pack("<ff", 0.0, 0.0)),
        ("screenWindowWidth", "float", struct.pack("<f", 1.0)),
        *((name, "string", text.encode("utf-8")) for name, text in sorted(texts.items())),
    ):
        parts.append(_text(name) + _text(kind) + struct.pack("<i", len(value)) + value)
    parts.append(b"\0")
    head = b"".join(parts)

    def packed(top: int) -> bytes:
        rows = np.stack([planes[name][top : top + ROWS[ZIP]] for name in names], axis=1)
        raw = np.ascontiguousarray(rows, dtype="<f4").tobytes()
        data = zlib.compress(_predict(raw), LEVEL)
        if len(data) >= len(raw):
            data = raw
        return struct.pack("<ii", top, len(data)) + data

    tops = range(0, height, ROWS[ZIP])
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.part")
    try:
        with temporary.open("wb") as file:
            file.write(head)
            table = file.tell()
            file.write(bytes(8 * len(tops)))
            offsets = []
            with ThreadPoolExecutor(os.cpu_count() or 1) as pool:  # zlib lets other threads run
                for chunk in pool.map(packed, tops):
                    offsets.append(file.tell())
                    file.write(chunk)
            file.seek(table)
            file.write(struct.pack(f"<{len(offsets)}Q", *offsets))
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def read_header(path: Path) -> Header:
    """The header of a file.

    Raises:
        ExrError: damaged, or of a kind that is not read here.
        OSError: there is no such file.
    """
    with path.open("rb") as file:
        return _header(file, path)


def read(path: Path, names: Sequence[str]) -> Any:
    """Channels of a file.

    Args:
        path: the file.
        names: of the channels; one that ends in ``.A``, or is ``A``, is 1 where the file lacks it.

    Returns:
        (C, H, W) float32, upper row first.

    Raises:
        ExrError: damaged, of a kind that is not read here, or without a channel.
        OSError: there is no such file.
    """
    with path.open("rb") as file:
        header = _header(file, path)
        there = [name for name, _ in header.channels]
        for name in names:
            if name not in there and name.rpartition(".")[2] != "A":
                raise ExrError(f"{path} has no channel {name}")
        planes = np.ones((len(names), header.height, header.width), np.float32)
        rows = ROWS[header.compression]
        blocks = -(-header.height // rows)
        offsets = struct.unpack(f"<{blocks}Q", _exactly(file, 8 * blocks, path))
        row_bytes = sum(TYPES[kind].itemsize for _, kind in header.channels) * header.width
        places = _places(header, names)

        def unpack(block: tuple[int, bytes]) -> None:
            top, packed = block
            count = min(rows, header.height - top)
            data = _unpack(packed, count * row_bytes, path)
            lines = np.frombuffer(data, np.uint8).reshape(count, row_bytes)
            for plane, kind, start in places:
                end = start + TYPES[kind].itemsize * header.width
                planes[plane, top : top + count] = np.ascontiguousarray(lines[:, start:end]).view(TYPES[kind])

        def packed_blocks() -> Iterator[tuple[int, bytes]]:
            for offset in offsets:
                file.seek(offset)
                y, size = struct.unpack("<ii", _exactly(file, 8, path))
                top = y - header.top
                if not 0 <= top < header.height or not 0 <= size <= row_bytes * rows:
                    raise ExrError(f"{path} is damaged")
                yield top, _exactly(file, size, path)

        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:  # zlib and NumPy let other threads run
            for _ in pool.map(unpack, packed_blocks()):
                pass
    return planes


def check(path: Path) -> None:
    """That a file is whole, without reading its pixels.

    Raises:
        ExrError: damaged, or of a kind that is not read here.
        OSError: there is no such file.
    """
    with path.open("rb") as file:
        header = _header(file, path)
        blocks = -(-header.height // ROWS[header.compression])
        offsets = struct.unpack(f"<{blocks}Q", _exactly(file, 8 * blocks, path))
        end = path.stat().st_size
        for offset in offsets:
            file.seek(offset)
            _, size = struct.unpack("<ii", _exactly(file, 8, path))
            if size < 0 or offset + 8 + size > end:
                raise ExrError(f"{path} ends too early")


def _places(header: Header, names: Sequence[str]) -> list[tuple[int, int, int]]:
    """Of each channel that is wanted: its plane, its kind, and the byte that it begins with in a row."""
    places, start = [], 0
    for name, kind in header.channels:
        if name in names:
            places.append((names.index(name), kind, start))
        start += TYPES[kind].itemsize * header.width
    return places


def _header(file: BinaryIO, path: Path) -> Header:
    magic, version = struct.unpack("<ii", _exactly(file, 8, path))
    if magic != MAGIC:
        raise ExrError(f"{path} is not an EXR file")
    if version & UNREADABLE_FLAGS:
        raise ExrError(f"{path} is tiled, deep or has several parts")
    values: dict[str, bytes] = {}
    texts: dict[str, str] = {}
    while name := _word(file, path):
        kind = _word(file, path)
        (size,) = struct.unpack("<i", _exactly(file, 4, path))
        if not 0 <= size <= LARGEST_HEADER:
            raise ExrError(f"{path} is damaged")
        values[name] = _exactly(file, size, path)
        if kind == "string":
            texts[name] = values[name].decode("utf-8", "replace")
    try:
        left, top, right, bottom = struct.unpack("<iiii", values["dataWindow"])
        compression = values["compression"][0]
        channels = _channels(values["channels"])
    except (KeyError, IndexError, ValueError, struct.error) as error:
        raise ExrError(f"{path} is damaged") from error
    width, height = right - left + 1, bottom - top + 1
    if compression not in ROWS or not all(kind in TYPES for _, kind in channels):
        raise ExrError(f"{path} is compressed in a way that is not read here")
    if not (0 < width <= LARGEST_SIDE and 0 < height <= LARGEST_SIDE):
        raise ExrError(f"{path} is damaged")
    return Header(channels, compression, left, top, width, height, texts, file.tell())


def _channels(value: bytes) -> tuple[tuple[str, int], ...]:
    channels = []
    start = 0
    while value[start]:
        end = value.index(b"\0", start)
        kind, x, y = struct.unpack_from("<i4xii", value, end + 1)
        if (x, y) != (1, 1):
            raise ValueError("a channel with fewer samples")
        channels.append((value[start:end].decode("utf-8", "replace"), kind))
        start = end + 17
    return tuple(channels)


def _text(text: str) -> bytes:
    return text.encode("ascii") + b"\0"


def _word(file: BinaryIO, path: Path) -> str:
    word = b""
    while (letter := _exactly(file, 1, path)) != b"\0":
        word += letter
        if len(word) > 255:
            raise ExrError(f"{path} is damaged")
    return word.decode("utf-8", "replace")


def _exactly(file: BinaryIO, size: int, path: Path) -> bytes:
    data = file.read(size)
    if len(data) != size:
        raise ExrError(f"{path} ends too early")
    return data


def _predict(raw: bytes) -> bytes:
    data = np.frombuffer(raw, np.uint8)
    halves = np.concatenate([data[0::2], data[1::2]])
    halves[1:] = halves[1:] - halves[:-1] + np.uint8(128)
    return halves.tobytes()


def _unpack(data: bytes, size: int, path: Path) -> bytes:
    if len(data) == size:  # as it is: not compressed, or would have grown
        return data
    try:
        packed = zlib.decompress(data)
    except zlib.error as error:
        raise ExrError(f"{path} is damaged") from error
    if len(packed) != size:
        raise ExrError(f"{path} is damaged")
    deltas = np.frombuffer(packed, np.uint8).copy()
    deltas[1:] -= np.uint8(128)
    halves = np.cumsum(deltas, dtype=np.uint8)
    whole = np.empty(size, np.uint8)
    middle = (size + 1) // 2
    whole[0::2] = halves[:middle]
    whole[1::2] = halves[middle:]
    return whole.tobytes()
