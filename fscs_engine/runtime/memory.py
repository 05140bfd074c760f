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

_lock = Lock()
_requests = 0  # so far
_kept: deque[tuple[int, Tensor]] = deque()  # and the request before it came back; the last is at the right
_returned: SimpleQueue[Tensor] = SimpleQueue()  # an array can end anywhere, even while the lock is held


class _Lease:
    """What an array stands on: gives the memory back when the last array and tensor on it have gone."""

    def __init__(self, block: Tensor, shape: tuple[int, ...]) -> None:
        self._block = block
        self.__array_interface__ = {
            "version": 3,
            "typestr": np.dtype(np.float32).str,
            "shape": shape,
            "data": (block.data_ptr(), False),
        }

    def __del__(self, give_back: Callable[[Tensor], None] = _returned.put) -> None:
        give_back(self._block)


def empty(shape: Sequence[int]) -> NDArray[np.float32]:
    """An array with anything in it, as ``np.empty``.

    What is large stands on memory that an array of the same size has given back, if there is any: for the kernel to
    clear fresh pages takes longer than to write layers into them. Fresh memory comes from PyTorch's allocator. NumPy
    asks the kernel for huge pages, and to clear a fresh one took up to five times as long on virtual machines as the
    small pages it stands for (measured; the whole of a 4K frame took half as long again).
    """
    numbers, whole = math.prod(shape), tuple(shape)
    if 4 * numbers < LARGE:
        return torch.empty(whole, dtype=torch.float32).numpy()
    return np.asarray(_Lease(_taken(numbers), whole))


def release() -> None:
    """Gives what is kept back to the system."""
    with _lock:
        _collect()
        _kept.clear()


def _taken(numbers: int) -> Tensor:
    """Memory for so many numbers, the one that came back last if its size is right."""
    global _requests
    with _lock:
        _requests += 1
        _collect()
        while _kept and _kept[0][0] < _requests - _PATIENCE:
            _kept.popleft()
        for place in reversed(range(len(_kept))):
            block = _kept[place][1]
            if block.numel() == numbers:
                del _kept[place]
                return block
        _make_room(4 * numbers)
    return torch.empty(numbers, dtype=torch.float32)


def _collect() -> None:
    """Takes in what came back."""
    while True:
        try:
            _kept.append((_requests, _returned.get_nowait()))
        except Empty:
            break
    _make_room(0)


def _make_room(size: int) -> None:
    """Lets go what has been kept longest, until so many more bytes may be kept."""
    while _kept and sum(4 * block.numel() for _, block in _kept) + size > MOST_KEPT:
        _kept.popleft()
