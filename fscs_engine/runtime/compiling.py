"""How loops for the CPU are compiled: once for a machine where there is a place to keep them, else once a process."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numba import njit

_F = TypeVar("_F", bound=Callable[..., Any])


def compiled(function: _F) -> _F:
    """A decorator. The function releases the interpreter, divides by zero as NumPy does, and keeps NaN and infinity.

    The numbers that its module holds must be there before it: they become part of what is kept.
    """
    # What is kept is found by the function's name and file, whatever numbers the file imports from others.
    function.__qualname__ += f"-{_numbers(function.__globals__)}"
    options: dict[str, Any] = {"nogil": True, "fastmath": {"contract", "nsz"}, "error_model": "numpy"}
    try:
        made: Any = njit(cache=True, **options)(function)
    except RuntimeError:  # neither the package's folder nor the user's can be written to
        made = njit(**options)(function)
    return made


def _numbers(names: dict[str, Any]) -> str:
    """A short hash of the numbers among a module's names."""
    numbers = sorted((name, value) for name, value in names.items() if isinstance(value, int | float))
    return hashlib.sha256(repr(numbers).encode()).hexdigest()[:12]


_LINE = 16  # numbers in a cache line


@compiled
def planes(count: int, numbers: int) -> Any:
    """Room for loops: (count, ≥ numbers) float32, all 0, each plane beginning a cache line.

    Vectors across two lines cost twice the time.
    """
    length = -(-numbers // _LINE) * _LINE
    room = np.zeros(count * length + _LINE, np.float32)
    first = -(room.ctypes.data // 4) % _LINE
    return room[first : first + count * length].reshape(count, length)
