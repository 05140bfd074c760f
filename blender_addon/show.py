# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts layers into the images of a node, and says on the node what they are."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from . import cache, passes, strings
from .compute import Outcome, file_of
from .controls import palette_of
from .freshness import NoPasses, checked_file, loaded, settings_of
from .gather import Work
from .properties import take_palette
from .session import SESSION
from .trees import is_linked, scene_of


def put(node: Any, layers: Any, path: Path | None = None) -> None:
    """Writes layers into the images; ``path`` is the file in the cache that they are of. Any thread."""
    state = SESSION.state(node.uid)
    state.pixels = None
    passes.write(node, layers)
    state.pixels = (path, node.pass_mode) if path is not None else None


def put_cached(node: Any, frame: int) -> None:
    """Writes the layers of a frame from the cache into the images, unless they are in there. Any thread.

    Raises:
        NoPasses: there are none that are right.
    """
    path = checked_file(node, frame)
    if SESSION.state(node.uid).pixels != (path, node.pass_mode) or not passes.whole(node):
        put(node, loaded(path, frame, node.colors), path)


def paint(node: Any, color: tuple[float, float, float, float]) -> None:
    """Fills all layers with one color. Any thread."""
    SESSION.state(node.uid).pixels = None
    passes.paint(node, color)


def show(node: Any, outcome: Outcome, work: Work, frame: int) -> None:
    """Shows the layers, if the node still has as many outputs and its scene is still at their frame. Main thread."""
    settings = take_colors(node, outcome, work)
    fits = len(outcome.layers) == node.colors and (work.inputs.still or frame == scene_of(node).frame_current)
    if fits:
        put(node, outcome.layers, file_of(outcome, work))
        passes.refresh(node)
    node.settings_shown = settings if fits else ""


def take_colors(node: Any, outcome: Outcome, work: Work) -> str:
    """Fills the swatches, unless the artist changed something meanwhile. Returns the settings that belong to the
    layers."""
    if settings_of(node) != work.settings:
        return work.settings
    take_palette(node, outcome.palette)
    return settings_of(node)


def show_cached(node: Any, frame: int) -> bool:
    """Shows the layers of a frame from the cache, if they are right. Returns whether they are. Main thread."""
    before = SESSION.state(node.uid).pixels
    try:
        put_cached(node, frame)
    except NoPasses as error:
        node.message = str(error)
        return False
    after = SESSION.state(node.uid).pixels
    if after != before:
        passes.refresh(node)
    if not is_linked(node):
        take_palette(node, palette_of(node))  # a farm may have found it
    if not is_linked(node) and after is not None:
        with contextlib.suppress(OSError):  # a cache that can only be read is used as it is
            cache.note(cache.place(node, frame, "", still=False), after[0].name)
    node.settings_shown = settings_of(node)
    node.message, node.failed = strings.UP_TO_DATE, False
    return True


def show_again(node: Any) -> bool:
    """Shows the passes of the window's frame, or none where there are none. A node that never had any is left alone.
    Returns whether it has what it should have. Main thread."""
    if not (node.settings_shown or passes.filled(node) or cache.folder(node).is_dir()):
        return True
    if show_cached(node, scene_of(node).frame_current):
        return True
    paint(node, passes.NOTHING)
    passes.refresh(node)
    node.settings_shown = ""
    return False
