"""Reads the headers of EXR files, for Pythons without a library for it.

Only the attributes that hosts need are understood. The layout is that of OpenEXR's *File Layout* document. Pixels are
the hosts' own business: one has NumPy, the other has not.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Union

_MAGIC = 20000630
_NO_SCANLINES = 0x200 | 0x800 | 0x1000  # tiles, deep data, several parts
_LONGEST_NAME = 255
_LARGEST_ATTRIBUTE = 1 << 22

Channels = tuple[tuple[str, int], ...]


class ExrError(Exception):
    """A file that is no EXR, damaged, or of a kind that is not read here; names it."""


@dataclass(frozen=True)
class Header:
    """What a file's first part says about itself.

    Attributes:
        attributes: those that are understood: texts, numbers, windows as [x, y, width, height] with y downwards,
            ``compression`` as a number and ``channels`` as name and kind of each, in the file's order.
        scanlines: whether the file is one part of rows, neither tiled nor deep.
        end: byte after the header.
    """

    attributes: Mapping[str, Any]
    scanlines: bool
    end: int

    @property
    def channels(self) -> Channels:
        """Name and kind of each, in the file's order."""
        channels: Channels = self.attributes["channels"]
        return channels

    @property
    def texts(self) -> dict[str, str]:
        """The attributes that are texts."""
        return {name: value for name, value in self.attributes.items() if isinstance(value, str)}


def read_header(path: Union[str, os.PathLike[str]]) -> Header:
    """The header of a file.

    Raises:
        ExrError: it is no EXR file, or damaged.
        OSError: it can't be read.
    """
    with Path(path).open("rb") as file:
        return header_of(file, path)


def header_of(file: BinaryIO, name: Union[str, os.PathLike[str]]) -> Header:
    """The header of an open file that is at its beginning; leaves it at the header's end. ``name`` is for errors.

    Raises:
        ExrError: it is no EXR file, or damaged.
    """
    called = os.fspath(name)
    start = file.read(8)
    if len(start) < 8 or struct.unpack_from("<i", start)[0] != _MAGIC:
        raise ExrError(f"{called} is not an EXR file")
    (version,) = struct.unpack_from("<i", start, 4)
    attributes: dict[str, Any] = {}
    try:
        while attribute := _word(file):
            kind = _word(file)
            (size,) = struct.unpack("<i", _exactly(file, 4))
            if not 0 <= size <= _LARGEST_ATTRIBUTE:
                raise ValueError("an attribute is too large")
            value = _exactly(file, size)
            if kind in _READERS:
                attributes[attribute] = _READERS[kind](value)
        for needed in ("channels", "compression", "dataWindow", "displayWindow"):
            if needed not in attributes:
                raise ValueError(f"it has no {needed}")
    except (ValueError, IndexError, struct.error) as error:
        raise ExrError(f"{called} is damaged ({error})") from error
    return Header(attributes, not version & _NO_SCANLINES, file.tell())


def _exactly(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) != size:
        raise ValueError("it ends too early")
    return data


def _word(file: BinaryIO) -> str:
    word = b""
    while (letter := _exactly(file, 1)) != b"\0":
        word += letter
        if len(word) > _LONGEST_NAME:
            raise ValueError("a name is too long")
    return word.decode("utf-8", "replace")


def _read_text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _read_number(value: bytes) -> float:
    number: float = struct.unpack("<f", value)[0]
    return number


def _read_box(value: bytes) -> list[int]:
    left, top, right, bottom = struct.unpack("<iiii", value)
    return [left, top, right - left + 1, bottom - top + 1]


def _read_compression(value: bytes) -> int:
    return value[0]


def _read_channels(value: bytes) -> Channels:
    channels = []
    start = 0
    while value[start]:
        end = value.index(b"\0", start)
        kind, x, y = struct.unpack_from("<i4xii", value, end + 1)
        if (x, y) != (1, 1):
            raise ValueError("a channel has fewer samples than the others")
        channels.append((value[start:end].decode("utf-8", "replace"), kind))
        start = end + 17
    return tuple(channels)


_READERS = {
    "string": _read_text,
    "float": _read_number,
    "box2i": _read_box,
    "compression": _read_compression,
    "chlist": _read_channels,
}
"""By the attribute's type."""
