"""How loops for the CPU are compiled: once for a machine where there is a place to keep them, else once a process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

_F = TypeVar("_F", bound=Callable[..., Any])


def compiled(function: _F) -> _F:
    """A decorator. The function releases the interpreter, divides by zero as NumPy does, and keeps NaN and infinity."""
    options: dict[str, Any] = {"nogil": True, "fastmath": {"contract", "nsz"}, "error_model": "numpy"}
    try:
        made: Any = njit(cache=True, **options)(function)
    except RuntimeError:  # neither the package's folder nor the user's can be written to
        made = njit(**options)(function)
    return made
