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
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from .fscs.exr_header import FLOAT, HALF, ROWS, ZIP, Header, header_bytes, header_of
from .fscs.exr_header import ExrError as ExrError
from .fscs.exr_header import read_header as read_header

TYPES: dict[int, np.dtype[Any]] = {0: np.dtype("<u4"), HALF: np.dtype("<f2"), FLOAT: np.dtype("<f4")}

LEVEL = 4
"""Of zlib; what OpenEXR takes by itself."""

LARGEST_SIDE = 65536


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
    window = (0, 0, width, height)
    head = header_bytes(names, window, window, texts)

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
        header = _plain_header(file, path)
        _, top_row, width, height = header.attributes["dataWindow"]
        there = [name for name, _ in header.channels]
        for name in names:
            if name not in there and name.rpartition(".")[2] != "A":
                raise ExrError(f"{path} has no channel {name}")
        planes = np.ones((len(names), height, width), np.float32)
        rows = ROWS[header.attributes["compression"]]
        blocks = -(-height // rows)
        offsets = struct.unpack(f"<{blocks}Q", _exactly(file, 8 * blocks, path))
        row_bytes = sum(TYPES[kind].itemsize for _, kind in header.channels) * width
        for offset in offsets:
            file.seek(offset)
            y, size = struct.unpack("<ii", _exactly(file, 8, path))
            top = y - top_row
            if not 0 <= top < height or not 0 <= size <= row_bytes * rows:
                raise ExrError(f"{path} is damaged")
            count = min(rows, height - top)
            data = _unpack(_exactly(file, size, path), count * row_bytes, path)
            lines = np.frombuffer(data, np.uint8).reshape(count, row_bytes)
            start = 0
            for name, kind in header.channels:
                end = start + TYPES[kind].itemsize * width
                if name in names:
                    plane = np.ascontiguousarray(lines[:, start:end]).view(TYPES[kind])
                    planes[names.index(name), top : top + count] = plane
                start = end
    return planes


def _plain_header(file: BinaryIO, path: Path) -> Header:
    """The header of a file whose pixels can be read here."""
    header = header_of(file, path)
    if not header.scanlines:
        raise ExrError(f"{path} is tiled, deep or has several parts")
    if header.attributes["compression"] not in ROWS or not all(kind in TYPES for _, kind in header.channels):
        raise ExrError(f"{path} is compressed in a way that is not read here")
    if not all(0 < side <= LARGEST_SIDE for side in header.attributes["dataWindow"][2:]):
        raise ExrError(f"{path} is damaged")
    return header


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
