# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads frames from the cache beside the window, so that it lives on while the timeline moves."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Collection
from pathlib import Path
from typing import Any

from . import exr, memory
from .freshness import NoPasses, checked_file
from .session import SESSION
from .show import to_read
from .trees import all_nodes

AHEAD = (1, -1, 2)
"""The frames beside the one that is shown that are read after it, first what comes next."""

Wish = tuple[Path, Collection[int]]
"""A file, and the layers of it to read."""


class Reading:
    """A thread that reads a frame, and those beside it.

    Attributes:
        wanted: whether somebody waits for the frame itself, and was not told yet that it is there.
        there: set when it is.
    """

    def __init__(self, frame: list[Wish], beside: list[Wish]) -> None:
        self.wanted = bool(frame)
        self.there = threading.Event()
        self.outdated = threading.Event()
        self._frame, self._beside = frame, beside
        threading.Thread(target=self._run, name="soft-color-segment-read", daemon=True).start()

    def _run(self) -> None:
        for path, numbers in [*self._frame, *self._beside]:
            if self.outdated.is_set():
                return
            with contextlib.suppress(OSError, exr.ExrError):  # whoever shows it finds the same and says so
                memory.layers(path, numbers)
            self.there.set()


def begin(node: Any, frame: int) -> bool:
    """Begins to read what a node shows at a frame and the frames beside it, where it is not in memory. Main thread.

    Returns:
        whether the frame itself has to be waited for: :func:`finished` tells when it is there.
    """
    try:
        now = _wishes(node, [frame])
        beside = _wishes(node, [frame + step for step in AHEAD], only_there=True)
    except NoPasses:
        return False
    if node.uid in SESSION.reading:
        SESSION.reading.pop(node.uid).outdated.set()
    if now or beside:
        SESSION.reading[node.uid] = Reading(now, beside)
    return bool(now)


def finished() -> list[Any]:
    """The nodes whose frame came since this was asked last. Main thread."""
    uids = {uid for uid, each in SESSION.reading.items() if each.wanted and each.there.is_set()}
    for uid in uids:
        SESSION.reading[uid].wanted = False
    return [node for node in all_nodes() if node.uid in uids]


def _wishes(node: Any, frames: list[int], *, only_there: bool = False) -> list[Wish]:
    numbers = to_read(node)
    wishes: list[Wish] = []
    for frame in frames:
        try:
            path = checked_file(node, frame)
        except NoPasses:
            if not only_there:
                raise
            continue
        if not memory.has(path, numbers):
            wishes.append((path, numbers))
    return wishes
