# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts layers into the images of a node, and says on the node what they are."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from . import cache, passes, strings, views
from .compute import Outcome, file_of
from .controls import palette_of
from .freshness import NoPasses, checked_file, read, settings_of
from .gather import Work
from .properties import take_palette
from .session import SESSION
from .trees import is_linked, scene_of


def put(node: Any, layers: Any, path: Path | None = None) -> None:
    """Writes layers into the images; ``path`` is the file in the cache that they are of. Any thread."""
    _put(node, dict(enumerate(layers)), path)


def put_cached(node: Any, frame: int) -> None:
    """Writes the linked layers of a frame from the cache into the images, unless they are in there. Any thread.

    Raises:
        NoPasses: there are none that are right.
    """
    path = checked_file(node, frame)
    if not _shows(node, path) or not passes.holds(node, views.needed_or_all(node)):
        _put(node, read(path, frame, node.colors, to_read(node)), path)


def to_read(node: Any) -> frozenset[int]:
    """The layers whose pixels decide what its linked ones show: for Over, the alphas of all."""
    return views.needed_or_all(node) if node.pass_mode == "ADDITIVE" else frozenset(range(node.colors))


def _shows(node: Any, path: Path) -> bool:
    """Whether all that is wanted of a file is in the images."""
    state = SESSION.state(node.uid)
    held = state.pixels
    return (
        held is not None
        and held[:2] == (path, node.pass_mode)
        and held[2] >= views.needed_or_all(node)
        and views.key(node) in (None, state.viewed)
    )


def _put(node: Any, layers: dict[int, Any], path: Path | None) -> None:
    state = SESSION.state(node.uid)
    before, state.pixels, state.viewed = state.pixels, None, None
    made = passes.passes_of(node, layers)
    passes.write(node, layers, made)
    if views.key(node) is not None:
        views.write(node, layers, made)
        state.viewed = views.key(node)
    if path is not None:
        kept = before[2] if before is not None and before[:2] == (path, node.pass_mode) else frozenset()
        state.pixels = (path, node.pass_mode, kept | frozenset(layers))


def fill_links(node: Any) -> bool:
    """Writes the layers that were linked since, of the file that the others are of. Main thread. Returns whether there
    were any."""
    held = SESSION.state(node.uid).pixels
    if held is None or held[1] != node.pass_mode or _shows(node, held[0]):
        return False
    try:
        _put(node, read(held[0], scene_of(node).frame_current, node.colors, to_read(node)), held[0])
    except NoPasses as error:
        node.message = str(error)
        return False
    passes.refresh(node)
    return True


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
    state = SESSION.state(node.uid)
    state.settings_shown, state.settings_now = settings if fits else "", settings_of(node)


def take_colors(node: Any, outcome: Outcome, work: Work) -> str:
    """Fills the swatches, unless the artist changed something meanwhile. Returns the settings that belong to the
    layers."""
    if settings_of(node) != work.settings:
        return work.settings
    take_palette(node, outcome.palette)
    return settings_of(node)


def show_cached(node: Any, frame: int) -> bool:
    """Shows the layers of a frame from the cache, if they are right. Returns whether they are. Main thread."""
    state = SESSION.state(node.uid)
    before = state.pixels
    try:
        put_cached(node, frame)
    except NoPasses as error:
        node.message = str(error)
        return False
    after = state.pixels
    if after != before:
        passes.refresh(node)
    if not is_linked(node):
        take_palette(node, palette_of(node))  # a farm may have found it
    if after is not None:
        claim(node, frame, after[0])
    state.settings_shown = state.settings_now = settings_of(node)
    node.message, node.failed = strings.UP_TO_DATE, False
    return True


def claim(node: Any, frame: int, path: Path) -> None:
    """Notes that the .blend needs a file of the cache, and has the node remember where its files are. Main thread."""
    if is_linked(node):
        return
    with contextlib.suppress(OSError):  # a cache that can only be read is used as it is
        cache.note(cache.place(node, frame, "", still=False), path.name)
    if node.cached_in != str(path.parent):
        node.cached_in = str(path.parent)


def show_after_fit(node: Any) -> None:
    """After the number of layers changed: the images that are new are empty, also where their colors came back, so the
    layers come from the cache of these colors, or the node is stale. Main thread."""
    state = SESSION.state(node.uid)
    state.pixels = None
    if state.settings_shown and state.settings_shown == settings_of(node):
        state.settings_shown = ""
        show_cached(node, scene_of(node).frame_current)


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
