"""Files that a decoder takes although they are not whole, or that it would complain about on the terminal.

Each format is looked at only for what its decoder lets pass: what :mod:`OpenImageIO` reports is not looked for here.
"""

from __future__ import annotations

import mmap
import re
import zlib
from collections.abc import Callable
from pathlib import Path

CUT_OFF = "the file is cut off"
_DAMAGED = "the file is damaged"

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_J2K = b"\xff\x4f\xff\x51"
_JP2 = b"\x00\x00\x00\x0cjP  \r\n\x87\n"
_NEXT_JPEG_MARKER = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]")
_JPEG_END, _JPEG_SCAN, _JPEG_START = 0xD9, 0xDA, 0xD8
_J2K_END = b"\xff\xd9"
_EMPTY_END = bytes(512)
"""What a copy that was interrupted may leave at the end of a file of the right length."""

_TIFF = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")


def fault_of(path: Path) -> str:
    """What is wrong with a file that is not whole; empty where nothing is seen.

    Raises:
        OSError: it can't be read.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for starts, check in _CHECKS:
            if data[:16].startswith(starts):
                return check(data)
    return ""


def _png(data: mmap.mmap | bytes) -> str:
    """Goes through the chunks to the last one, ``IEND``, and adds up those without which there is no picture."""
    at = len(_PNG)
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        kind, end = data[at + 4 : at + 8], at + 12 + length
        if end > len(data):
            break
        if kind[:1].isupper() and zlib.crc32(memoryview(data)[at + 4 : end - 4]) != int.from_bytes(
            data[end - 4 : end], "big"
        ):
            return f"{_DAMAGED}: the checksum of its chunk {kind.decode('latin-1')} is wrong"
        if kind == b"IEND":
            return ""
        at = end
    return CUT_OFF


def _jpeg(data: mmap.mmap) -> str:
    """Goes through the segments to the marker of the end: libjpeg paints what is missing, mostly without a word."""
    at, has_scan = 2, False
    while found := _NEXT_JPEG_MARKER.search(data, at):
        marker, at = data[found.end() - 1], found.end()
        if marker == _JPEG_END:
            return "" if has_scan else _DAMAGED
        has_scan = has_scan or marker == _JPEG_SCAN
        if marker not in (0x01, _JPEG_START):
            at += int.from_bytes(data[at : at + 2], "big")
    return CUT_OFF


def _j2k(data: mmap.mmap) -> str:
    return "" if data[-2:] == _J2K_END else CUT_OFF


def _jp2(data: mmap.mmap) -> str:
    """Looks for the end of the code stream in its box."""
    at = 0
    while at + 8 <= len(data):
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if length == 1:
            length = int.from_bytes(data[at + 8 : at + 16], "big")
        end = at + length if length else len(data)
        if kind == b"jp2c":
            return "" if end <= len(data) and data[end - 2 : end] == _J2K_END else CUT_OFF
        if length and length < 8:
            return _DAMAGED
        at = end
    return CUT_OFF


def _webp(data: mmap.mmap) -> str:
    return CUT_OFF if data[-len(_EMPTY_END) :] == _EMPTY_END else ""


def _numbers(data: mmap.mmap) -> str:
    """Of a PNM file in digits, the last number may lack some."""
    return "" if data[-1:].isspace() else CUT_OFF


def _ico(data: mmap.mmap) -> str:
    """Looks at the pictures that are PNG files themselves."""
    for entry in range(6, 6 + 16 * int.from_bytes(data[4:6], "little"), 16):
        size, start = (int.from_bytes(data[entry + at : entry + at + 4], "little") for at in (8, 12))
        if start + size > len(data):
            return CUT_OFF
        inside = data[start : start + size]
        if inside.startswith(_PNG) and (fault := _png(inside)):
            return fault
    return ""


def _tiff(data: mmap.mmap) -> str:
    """Of compressed strips or tiles, the last may be nothing but zeros: some decoders make pixels of that."""
    order = "little" if data[:1] == b"I" else "big"
    big = 43 in data[2:4]

    def number(at: int, size: int) -> int:
        return int.from_bytes(data[at : at + size], order)  # type: ignore[arg-type]

    entry, counted, wide = (20, 8, 8) if big else (12, 2, 4)
    directory = number(8 if big else 4, wide)
    tags: dict[int, tuple[int, int, int]] = {}
    for i in range(min(number(directory, counted), 4096)):
        at = directory + counted + i * entry
        tags[number(at, 2)] = (number(at + 2, 2), number(at + 4, wide), at + 4 + wide)

    def last(tag: int) -> int:
        kind, count, at = tags[tag]
        size = {3: 2, 4: 4, 16: 8}.get(kind, 4)
        return number((at if size * count <= wide else number(at, wide)) + size * (count - 1), size)

    if 259 not in tags or last(259) == 1:
        return ""
    for offsets, counts in ((273, 279), (324, 325)):
        if offsets in tags and counts in tags:
            start, length = last(offsets), last(counts)
            tail = data[max(start, start + length - len(_EMPTY_END)) : start + length]
            if len(tail) > 64 and not tail.strip(b"\0"):
                return CUT_OFF
    return ""


_CHECKS: tuple[tuple[bytes | tuple[bytes, ...], Callable[[mmap.mmap], str]], ...] = (
    (_PNG, _png),
    (_JPEG, _jpeg),
    (_J2K, _j2k),
    (_JP2, _jp2),
    (b"RIFF", _webp),
    ((b"P1", b"P2", b"P3"), _numbers),
    (_TIFF, _tiff),
    (b"\0\0\1\0", _ico),
)
