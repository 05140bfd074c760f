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
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

MAGIC = 20000630
VERSION = 2
LONG_NAMES = 0x400
SEVERAL_PARTS = 0x1000
UNREADABLE_FLAGS = 0x200 | 0x800
"""Tiles, deep data."""

NONE, ZIPS, ZIP = 0, 2, 3
ROWS = {NONE: 1, ZIPS: 1, ZIP: 16}
TYPES: dict[int, np.dtype[Any]] = {0: np.dtype("<u4"), 1: np.dtype("<f2"), 2: np.dtype("<f4")}
FLOAT = 2

LEVEL = 4
"""Of zlib; what OpenEXR takes by itself."""

MOST_PARTS = 64
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
        table: byte that the offsets of its blocks begin with.
        part: its number in a file of several parts; None in one that has no parts.
    """

    channels: tuple[tuple[str, int], ...]
    compression: int
    left: int
    top: int
    width: int
    height: int
    texts: Mapping[str, str]
    table: int = 0
    part: int | None = None

    @property
    def blocks(self) -> int:
        """How many blocks of rows it has."""
        return -(-self.height // ROWS[self.compression])


def write(path: Path, planes: Mapping[str, Any], texts: Mapping[str, str]) -> None:
    """Writes a file, under another name until it is whole.

    Args:
        path: where to; its folder is made.
        planes: (H, W) float32 by the channel's name, upper row first, all of one size.
        texts: string attributes.

    Raises:
        OSError: it can't be written.
    """
    _write(path, [("", planes)], texts)


def write_parts(path: Path, parts: Mapping[str, Mapping[str, Any]], texts: Mapping[str, str]) -> None:
    """Writes a file of several parts, of which each can be read alone; see :func:`write`.

    Args:
        path: where to; its folder is made.
        parts: the planes of each, by the part's name.
        texts: string attributes of the first part.

    Raises:
        OSError: it can't be written.
    """
    _write(path, list(parts.items()), texts)


def read_header(path: Path) -> Header:
    """The header of a file, the first one if it has several parts.

    Raises:
        ExrError: damaged, or of a kind that is not read here.
        OSError: there is no such file.
    """
    return read_headers(path)[0]


def read_headers(path: Path) -> list[Header]:
    """The headers of all parts of a file; one if it has no parts. Raises ExrError and OSError."""
    with path.open("rb") as file:
        return _headers(file, path)


def read(path: Path, names: Sequence[str], part: int = 0) -> Any:
    """Channels of a file.

    Args:
        path: the file.
        names: of the channels; one that ends in ``.A``, or is ``A``, is 1 where the file lacks it.
        part: which part of the file they are in.

    Returns:
        (C, H, W) float32, upper row first.

    Raises:
        ExrError: damaged, of a kind that is not read here, or without a channel or part.
        OSError: there is no such file.
    """
    with path.open("rb") as file:
        headers = _headers(file, path)
        if part >= len(headers):
            raise ExrError(f"{path} has {len(headers)} parts")
        header = headers[part]
        there = [name for name, _ in header.channels]
        for name in names:
            if name not in there and name.rpartition(".")[2] != "A":
                raise ExrError(f"{path} has no channel {name}")
        planes = np.ones((len(names), header.height, header.width), np.float32)
        rows = ROWS[header.compression]
        row_bytes = sum(TYPES[kind].itemsize for _, kind in header.channels) * header.width
        places = _places(header, names)

        def unpack(block: tuple[int, bytes]) -> None:
            top, packed = block
            count = min(rows, header.height - top)
            lines = _unpack(packed, count * row_bytes, path).reshape(count, row_bytes)
            for plane, kind, start in places:
                end = start + TYPES[kind].itemsize * header.width
                planes[plane, top : top + count] = np.ascontiguousarray(lines[:, start:end]).view(TYPES[kind])

        def packed_blocks() -> Iterator[tuple[int, bytes]]:
            for y, size in _blocks(file, header, path):
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
        end = path.stat().st_size
        for header in _headers(file, path):
            for _, size in _blocks(file, header, path):
                if size < 0 or file.tell() + size > end:
                    raise ExrError(f"{path} ends too early")


def _write(path: Path, parts: Sequence[tuple[str, Mapping[str, Any]]], texts: Mapping[str, str]) -> None:
    several = len(parts) > 1 or parts[0][0] != ""
    words = [*texts, *(name for part, planes in parts for name in (part, *planes))]
    flags = (LONG_NAMES if any(len(word) > 31 for word in words) else 0) | (SEVERAL_PARTS if several else 0)
    head = [struct.pack("<ii", MAGIC, VERSION | flags)]
    for number, (part, planes) in enumerate(parts):
        head.append(_head_of(part if several else "", planes, texts if number == 0 else {}))
    if several:
        head.append(b"\0")

    def packed(place: tuple[int, int]) -> bytes:
        number, top = place
        planes = parts[number][1]
        rows = np.stack([planes[name][top : top + ROWS[ZIP]] for name in sorted(planes)], axis=1)
        raw = np.ascontiguousarray(rows, dtype="<f4").tobytes()
        data = zlib.compress(_predict(raw), LEVEL)
        if len(data) >= len(raw):
            data = raw
        which = struct.pack("<i", number) if several else b""
        return which + struct.pack("<ii", top, len(data)) + data

    heights = [next(iter(planes.values())).shape[0] for _, planes in parts]
    places = [(number, top) for number, height in enumerate(heights) for top in range(0, height, ROWS[ZIP])]
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.part")
    try:
        with temporary.open("wb") as file:
            file.write(b"".join(head))
            table = file.tell()
            file.write(bytes(8 * len(places)))
            offsets = []
            with ThreadPoolExecutor(os.cpu_count() or 1) as pool:  # zlib lets other threads run
                for chunk in pool.map(packed, places):
                    offsets.append(file.tell())
                    file.write(chunk)
            file.seek(table)
            file.write(struct.pack(f"<{len(offsets)}Q", *offsets))
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _head_of(part: str, planes: Mapping[str, Any], texts: Mapping[str, str]) -> bytes:
    """The header of a part, or with an empty name of a file without parts."""
    names = sorted(planes)  # by bytes, as the format wants; our names are ASCII
    height, width = planes[names[0]].shape
    channels = b"".join(_text(name) + struct.pack("<iB3xii", FLOAT, 0, 1, 1) for name in names) + b"\0"
    window = struct.pack("<iiii", 0, 0, width - 1, height - 1)
    attributes = [
        ("channels", "chlist", channels),
        ("compression", "compression", struct.pack("<B", ZIP)),
        ("dataWindow", "box2i", window),
        ("displayWindow", "box2i", window),
        ("lineOrder", "lineOrder", b"\0"),
        ("pixelAspectRatio", "float", struct.pack("<f", 1.0)),
        ("screenWindowCenter", "v2f", struct.pack("<ff", 0.0, 0.0)),
        ("screenWindowWidth", "float", struct.pack("<f", 1.0)),
        *((name, "string", text.encode("utf-8")) for name, text in sorted(texts.items())),
    ]
    if part:
        attributes += [
            ("name", "string", part.encode("ascii")),
            ("type", "string", b"scanlineimage"),
            ("chunkCount", "int", struct.pack("<i", -(-height // ROWS[ZIP]))),
        ]
    written = [_text(name) + _text(kind) + struct.pack("<i", len(value)) + value for name, kind, value in attributes]
    return b"".join(written) + b"\0"


def _headers(file: BinaryIO, path: Path) -> list[Header]:
    magic, version = struct.unpack("<ii", _exactly(file, 8, path))
    if magic != MAGIC:
        raise ExrError(f"{path} is not an EXR file")
    if version & UNREADABLE_FLAGS:
        raise ExrError(f"{path} is tiled or deep")
    if not version & SEVERAL_PARTS:
        header = _header(file, path, _word(file, path))
        return [replace(header, table=file.tell())]
    headers: list[Header] = []
    while first := _word(file, path):
        headers.append(_header(file, path, first))
        if headers[-1].texts.get("type") != "scanlineimage" or len(headers) > MOST_PARTS:
            raise ExrError(f"{path} has parts that are not read here")
    table = file.tell()
    for number, header in enumerate(headers):
        headers[number] = replace(header, table=table, part=number)
        table += 8 * header.blocks
    if not headers:
        raise ExrError(f"{path} is damaged")
    return headers


def _blocks(file: BinaryIO, header: Header, path: Path) -> Iterator[tuple[int, int]]:
    """First row and size of each block; the file stands at its data."""
    file.seek(header.table)
    for offset in struct.unpack(f"<{header.blocks}Q", _exactly(file, 8 * header.blocks, path)):
        file.seek(offset)
        if header.part is not None and struct.unpack("<i", _exactly(file, 4, path)) != (header.part,):
            raise ExrError(f"{path} is damaged")
        y, size = struct.unpack("<ii", _exactly(file, 8, path))
        yield y, size


def _places(header: Header, names: Sequence[str]) -> list[tuple[int, int, int]]:
    """Of each channel that is wanted: its plane, its kind, and the byte that it begins with in a row."""
    places, start = [], 0
    for name, kind in header.channels:
        if name in names:
            places.append((names.index(name), kind, start))
        start += TYPES[kind].itemsize * header.width
    return places


def _header(file: BinaryIO, path: Path, name: str) -> Header:
    """One header, whose first attribute's name was read already."""
    values: dict[str, bytes] = {}
    texts: dict[str, str] = {}
    while name:
        kind = _word(file, path)
        (size,) = struct.unpack("<i", _exactly(file, 4, path))
        if not 0 <= size <= LARGEST_HEADER:
            raise ExrError(f"{path} is damaged")
        values[name] = _exactly(file, size, path)
        if kind == "string":
            texts[name] = values[name].decode("utf-8", "replace")
        name = _word(file, path)
    try:
        left, top, right, bottom = struct.unpack("<iiii", values["dataWindow"])
        compression = values["compression"][0]
        channels = _channels(values["channels"])
    except (KeyError, IndexError, ValueError, struct.error) as error:
        raise ExrError(f"{path} is damaged") from error
    width, height = right - left + 1, bottom - top + 1
    if compression not in ROWS or not all(kind in TYPES for _, kind in channels):
        raise ExrError(f"{path} uses a compression this add-on does not read")
    if not (0 < width <= LARGEST_SIDE and 0 < height <= LARGEST_SIDE):
        raise ExrError(f"{path} is damaged")
    return Header(channels, compression, left, top, width, height, texts)


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


def _unpack(data: bytes, size: int, path: Path) -> Any:
    """The bytes of a block, (size,) uint8."""
    if len(data) == size:  # as it is: not compressed, or would have grown
        return np.frombuffer(data, np.uint8)
    try:
        packed = zlib.decompress(data)
    except zlib.error as error:
        raise ExrError(f"{path} is damaged") from error
    if len(packed) != size:
        raise ExrError(f"{path} is damaged")
    halves = np.cumsum(np.frombuffer(packed, np.uint8), dtype=np.uint8)
    halves.view("<u2")[:] ^= 0x8000  # each difference is 128 too large, which shows in every second sum
    words = halves[size // 2 :].astype("<u2")
    words <<= 8
    words |= halves[: size // 2]
    return words.view(np.uint8)
