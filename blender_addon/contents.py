# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in a file: the same on every machine that has a copy of it, unlike its time."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from .fscs.key import file_identity


def identity(path: Path) -> str:
    """Of the content of a file, ``missing`` where there is none."""
    try:
        state = path.stat()
        return _content(path, state.st_size, state.st_mtime_ns)
    except OSError:
        return "missing"


@lru_cache(maxsize=4096)
def _content(path: Path, _size: int, _time: int) -> str:
    """A movie is not read again for each of its frames."""
    return file_identity(path)
