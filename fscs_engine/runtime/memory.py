"""Memory for whole pictures, which frame after frame needs again."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from threading import Lock

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

LARGE = 2**23
"""Bytes from which on memory is kept for the next array of the same size."""

MOST_KEPT = 3 * 2**29
"""Bytes that are kept at the most, enough for seven layers of a 4K frame."""

_PATIENCE = 32  # requests, more than a frame makes: what none of them wanted is let go


class _Lease:
    """What an array stands on: gives the memory back when the last array and tensor on it have gone."""

    def __init__(self, block: Tensor, shape: tuple[int, ...], give_back: Callable[[Tensor], None]) -> None:
        self._block, self._give_back = block, give_back
        self.__array_interface__ = {
            "version": 3,
            "typestr": np.dtype(np.float32).str,
            "shape": shape,
            "data": (block.data_ptr(), False),
        }

    def __del__(self) -> None:
        self._give_back(self._block)


class Store:
    """What came back, to be lent again."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._requests = 0  # so far
        self._kept: deque[tuple[int, Tensor]] = deque()  # and the request before it came back; the last is at the right
        self._returned: SimpleQueue[Tensor] = SimpleQueue()  # an array can end anywhere, even while the lock is held

    def lend(self, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """An array that gives its memory back when it ends, on the block that came back last if its size is right."""
        return np.asarray(_Lease(self._taken(math.prod(shape)), shape, self._returned.put))

    def kept(self) -> list[int]:
        """How many numbers there are in each block that can be lent."""
        with self._lock:
            self._collect()
            return [block.numel() for _, block in self._kept]

    def release(self) -> None:
        """Gives what is kept back to the system."""
        with self._lock:
            self._collect()
            self._kept.clear()

    def _taken(self, numbers: int) -> Tensor:
        with self._lock:
            self._requests += 1
            self._collect()
            while self._kept and self._kept[0][0] < self._requests - _PATIENCE:
                self._kept.popleft()
            for place in reversed(range(len(self._kept))):
                block = self._kept[place][1]
                if block.numel() == numbers:
                    del self._kept[place]
                    return block
            self._make_room(4 * numbers)
        return torch.empty(numbers, dtype=torch.float32)

    def _collect(self) -> None:
        while True:
            try:
                self._kept.append((self._requests, self._returned.get_nowait()))
            except Empty:
                break
        self._make_room(0)

    def _make_room(self, size: int) -> None:
        """Lets go what has been kept longest, until so many more bytes may be kept."""
        while self._kept and sum(4 * block.numel() for _, block in self._kept) + size > MOST_KEPT:
            self._kept.popleft()


STORE = Store()
"""The one of this process."""


def empty(shape: Sequence[int]) -> NDArray[np.float32]:
    """An array with anything in it, as ``np.empty``.

    What is large stands on memory that an array of the same size has given back, if there is any: for the kernel to
    clear fresh pages takes longer than to write layers into them. Fresh memory comes from PyTorch's allocator. NumPy
    asks the kernel for huge pages, and to clear a fresh one took up to five times as long on virtual machines as the
    small pages it stands for (measured; the whole of a 4K frame took half as long again).
    """
    whole = tuple(shape)
    if 4 * math.prod(whole) < LARGE:
        return torch.empty(whole, dtype=torch.float32).numpy()
    return STORE.lend(whole)
