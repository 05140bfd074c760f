"""The rows of an EXR file on their way to the disk: packed here where it is faster, else by OpenImageIO."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import local
from typing import Any

import imagecodecs
import numpy as np
import OpenImageIO as oiio
from numpy.typing import NDArray

from .strips import ROWS, failed

PACKED = {"zip": 16, "zips": 1, "none": 1}
"""The compressions that are packed here, and how many rows go into a block."""

_LEVEL = 1
"""Of zlib-ng. ISA-L is faster, but gave other bytes for the same rows now and then."""

_deflated: Any = imagecodecs.zlibng_encode  # its types know nothing of arrays

Pixels = Callable[[int, int], NDArray[Any]]
"""Gives rows from the first to before the last as (h, W, C), in the numbers of the file."""


def open_output(path: Path, temporary: Path, specs: Sequence[oiio.ImageSpec]) -> oiio.ImageOutput:
    """Opens a file of one part, or of several."""
    output = oiio.ImageOutput.create("openexr")
    if output is None or not output.open(str(temporary), list(specs) if len(specs) > 1 else specs[0]):
        raise failed(path, output.geterror() if output is not None else oiio.geterror())
    return output


class PackedRows:
    """Packs rows in threads, as OpenEXR would, but at the fastest level and without its copies.

    The blocks of the parts stand in the file as they come, so no part waits for another one to be whole. The headers
    are OpenImageIO's.

    Args:
        path: the file, for messages.
        temporary: where it is written.
        specs: the headers of its parts, all of one size.
        compression: one of :data:`PACKED`.
    """

    unit = 16
    """Rows come in multiples of this, but for the last."""

    def __init__(self, path: Path, temporary: Path, specs: Sequence[oiio.ImageSpec], compression: str) -> None:
        self._zips, self._block = compression != "none", PACKED[compression]
        self._top, self._several = specs[0].y, len(specs) > 1
        # OpenEXR sorts the channels of a part by their names.
        self._orders = [
            np.array(sorted(range(spec.nchannels), key=spec.channelnames.__getitem__), np.int64) for spec in specs
        ]
        output = open_output(path, temporary, specs)  # leaves the headers and a table of zeros at the end
        if not output.close():
            raise failed(path, output.geterror())
        self._file = temporary.open("r+b")
        self._at = self._file.seek(0, os.SEEK_END)
        self._offsets: list[list[int]] = [[] for _ in specs]
        self._table = self._at - 8 * len(specs) * -(-specs[0].height // self._block)
        self._threads = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="packing")
        self._scratch = local()  # fresh memory for every block takes longer than to fill it

    def write(self, top: int, count: int, parts: Sequence[Pixels]) -> None:
        """Writes the next rows of every part."""
        end = top + count
        places = [(part, first) for first in range(top, end, self.unit) for part in range(len(parts))]

        def packed(place: tuple[int, int]) -> list[bytes | memoryview]:
            part, first = place
            return self._packed(parts[part](first, min(first + self.unit, end)), self._orders[part])

        for (part, first), blocks in zip(places, self._threads.map(packed, places), strict=True):
            for number, data in enumerate(blocks):
                head = struct.pack("<ii", self._top + first + number * self._block, len(data))
                if self._several:
                    head = struct.pack("<i", part) + head
                self._offsets[part].append(self._at)
                self._file.write(head)
                self._file.write(data)
                self._at += len(head) + len(data)

    def _packed(self, pixels: NDArray[Any], order: NDArray[np.int64]) -> list[bytes | memoryview]:
        """(h, W, C) as blocks of the file: row by row, in it channel by channel."""
        blocks = [pixels[top : top + self._block] for top in range(0, len(pixels), self._block)]
        return [self._zipped(block, order) if self._zips else _bare(block, order) for block in blocks]

    def _zipped(self, pixels: NDArray[Any], order: NDArray[np.int64]) -> bytes | memoryview:
        """A block as ZIP has it; as it is where it would grow: readers see it by the size."""
        from .exr_loops import zip_steps  # reading alone needs no compiler

        size = pixels.nbytes
        if getattr(self._scratch, "size", -1) < size:
            self._scratch.size = size
            self._scratch.words, self._scratch.steps = np.empty(size // 2, np.uint16), np.empty(size, np.uint8)
        steps = self._scratch.steps[:size]
        zip_steps(np.ascontiguousarray(pixels), order, self._scratch.words[: size // 2], steps)
        data: bytes = _deflated(steps, level=_LEVEL)
        return data if len(data) < size else _bare(pixels, order)

    def end(self) -> None:
        """Writes where the blocks are, which makes the file whole."""
        self._file.seek(self._table)
        self._file.write(np.asarray(self._offsets, "<u8").tobytes())
        self._file.close()

    def close(self) -> None:
        """Lets everything go."""
        self._threads.shutdown(cancel_futures=True)
        self._file.close()


def _bare(pixels: NDArray[Any], order: NDArray[np.int64]) -> memoryview:
    """A block, (h, W, C), as it is without compression."""
    rows = np.empty((len(pixels), len(order), pixels.shape[1]), pixels.dtype.newbyteorder("<"))
    for place, channel in enumerate(order):
        rows[:, place] = pixels[..., channel]
    return rows.reshape(-1).view(np.uint8).data


class OiioRows:
    """Has OpenImageIO write rows. It writes part after part, so those of several parts are held until the end.

    Arguments as for :class:`PackedRows`.
    """

    unit = ROWS

    def __init__(self, path: Path, temporary: Path, specs: Sequence[oiio.ImageSpec]) -> None:
        self._path, self._temporary, self._specs = path, temporary, specs
        self._held: list[list[tuple[int, NDArray[Any]]]] = [[] for _ in specs]
        self._output = open_output(path, temporary, specs)

    def write(self, top: int, count: int, parts: Sequence[Pixels]) -> None:
        """Writes the next rows of every part."""
        for first in range(top, top + count, ROWS):
            y, last = self._specs[0].y + first, min(first + ROWS, top + count)
            for held, pixels in zip(self._held, parts, strict=True):
                if len(parts) > 1:
                    held.append((y, pixels(first, last).copy()))
                else:
                    self._put(y, np.ascontiguousarray(pixels(first, last)))

    def _put(self, y: int, rows: NDArray[Any]) -> None:
        if not self._output.write_scanlines(y, y + len(rows), 0, rows):
            raise failed(self._path, self._output.geterror())

    def end(self) -> None:
        """Writes what is held, which makes the file whole."""
        for number, (spec, held) in enumerate(zip(self._specs, self._held, strict=True)):
            if number and not self._output.open(str(self._temporary), spec, "AppendSubimage"):
                raise failed(self._path, self._output.geterror())
            for y, rows in held:
                self._put(y, rows)
        if not self._output.close():
            raise failed(self._path, self._output.geterror())

    def close(self) -> None:
        """Lets everything go."""
        self._output.close()
        self._output.geterror()
