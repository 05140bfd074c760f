# SPDX-License-Identifier: GPL-3.0-or-later
"""What of the scene's range is in the cache, for the panel.

A frame that shows the same as another has no file of its own: it is there if one of the frames that show the same is.
Which ones do takes a walk through the tree for each frame, so it is done bit by bit.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from . import cache, strings
from .session import SESSION
from .sources import Sources
from .trees import scene_of
from .window import alike

AT_ONCE = 0.02
"""Seconds that a look may take."""


def count(node: Any) -> bool:
    """Has the panel of a node say what is in the cache. Main thread. Returns whether it is done; if not, the next call
    goes on."""
    scene, state = scene_of(node), SESSION.state(node.uid)
    frames = range(scene.frame_start, scene.frame_end + 1)
    numbers, of_still, size = cache.kept(node)
    if of_still and Sources.of(node, scene.frame_current).still:
        there: Sequence[int] | None = frames
    else:
        there = _there(node, frames, numbers)
    if there is None:
        return False
    facts = {"frames": cache.ranges(there), "there": len(there), "count": len(frames), "size": f"{size / 1e6:.0f} MB"}
    state.cached = strings.CACHE_SIZE.format(**facts) if size else strings.CACHE_EMPTY
    return True


def _there(node: Any, frames: Sequence[int], numbers: set[int]) -> list[int] | None:
    """The frames that are there, as ``numbers`` have files; None if more has to be looked at than is done at once."""
    missing = [frame for frame in frames if frame not in numbers] if numbers else []
    state, end = SESSION.state(node.uid), time.monotonic() + AT_ONCE
    if state.alike_at != SESSION.changes:
        state.alike_at, state.alike = SESSION.changes, {}
    for frame in (*missing, *numbers) if missing else ():
        if frame not in state.alike:
            if time.monotonic() > end:
                return None
            state.alike[frame] = alike(node, frame)
    shown = {state.alike[number] for number in numbers} - {None} if missing else set()
    return [frame for frame in frames if frame in numbers or state.alike.get(frame) in shown]
