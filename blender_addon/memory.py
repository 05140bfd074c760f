# SPDX-License-Identifier: GPL-3.0-or-later
"""Layers that were read from the cache, kept in memory up to a limit, and read ahead beside the window."""

from __future__ import annotations

import threading
from collections.abc import Collection
from pathlib import Path
from typing import Any

from . import cache, settings
from .session import SESSION

_LOCK = threading.Lock()


def layers(path: Path, numbers: Collection[int]) -> dict[int, Any]:
    """Layers of a file, by their number from 0, each (H, W, 4) float32; any thread.

    Raises:
        OSError: there is no such file.
        exr.ExrError: it is damaged, or has no such layer.
    """
    found = {number: SESSION.memory.get((path, number)) for number in numbers}
    missing = sorted(number for number, pixels in found.items() if pixels is None)
    if missing:
        found |= dict(zip(missing, cache.load(path, missing), strict=True))
    remember(path, found)
    return found


def has(path: Path, numbers: Collection[int]) -> bool:
    """Whether they need not be read."""
    return all((path, number) in SESSION.memory for number in numbers)


def remember(path: Path, pixels: dict[int, Any]) -> None:
    """Keeps layers, and gives up those that were used longest ago."""
    with _LOCK:
        for number, each in pixels.items():
            SESSION.memory[path, number] = each
            SESSION.memory.move_to_end((path, number))
        size = sum(each.nbytes for each in SESSION.memory.values())
        limit = settings.get().memory_limit << 20
        while size > limit and SESSION.memory:
            size -= SESSION.memory.popitem(last=False)[1].nbytes
