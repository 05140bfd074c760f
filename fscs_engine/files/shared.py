"""Layers as pixels for another process: float32 without a header, see :mod:`fscs_engine.host.protocol`."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

from ..host import protocol


class SharedLayerWriter:
    """Writes layers, K × H × W × 4 little-endian float32; an error within the block leaves no file.

    Written, not copied into a mapping: a full disk is an error then instead of the end of the process, and the
    pages don't count as the worker's memory.

    Args:
        path: the file, in the worker's private folder.
        height: H.
        width: W.
        layers: K.

    Raises:
        WorkerError: see :func:`fscs_engine.host.protocol.create_shared`.
    """

    def __init__(self, path: Path, *, height: int, width: int, layers: int) -> None:
        self.path, self._height = path, height
        shape = (layers, height, width, 4)
        self._file: BinaryIO = protocol.create_shared(path.parent, path.name, protocol.pixel_bytes(shape))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._file.close()
        if kind is not None:
            protocol.remove_shared(self.path.parent, self.path.name)

    def write(self, top: int, layers: NDArray[np.float32]) -> None:
        """Takes rows from ``top`` on: (K, h, W, 4) premultiplied."""
        row_bytes = protocol.pixel_bytes(layers.shape[2:])
        for number, rows in enumerate(layers):
            view = np.ascontiguousarray(rows, dtype="<f4").data.cast("B")
            self._file.seek((number * self._height + top) * row_bytes)
            while view:
                view = view[self._file.write(view) :]
