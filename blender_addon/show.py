# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts layers into the images of a node, and says on the node what they are. Main thread only."""

from __future__ import annotations

from typing import Any

from . import cache, passes, strings
from .compute import Outcome
from .controls import palette_of
from .freshness import NoPasses, checked_layers, settings_of
from .gather import Work
from .properties import take_palette
from .trees import is_linked, scene_of


def show(node: Any, outcome: Outcome, work: Work, frame: int) -> None:
    """Shows the layers, if the node still has as many outputs and its scene is still at their frame."""
    settings = take_colors(node, outcome, work)
    fits = len(outcome.layers) == node.colors and (work.inputs.still or frame == scene_of(node).frame_current)
    if fits:
        passes.write(node, outcome.layers)
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
    """Shows the layers of a frame from the cache, if they are right. Returns whether they are."""
    try:
        passes.write(node, checked_layers(node, frame))
    except NoPasses as error:
        node.message = str(error)
        return False
    passes.refresh(node)
    if not is_linked(node):
        take_palette(node, palette_of(node))  # a farm may have found it
    node.settings_shown = settings_of(node)
    node.message, node.failed = strings.UP_TO_DATE, False
    return True


def show_again(node: Any) -> bool:
    """Shows the passes of the window's frame, or none where there are none. A node that never had any is left alone.
    Returns whether it has what it should have."""
    if not (node.settings_shown or passes.filled(node) or cache.folder(node).is_dir()):
        return True
    if show_cached(node, scene_of(node).frame_current):
        return True
    passes.paint(node, passes.NOTHING)
    passes.refresh(node)
    node.settings_shown = ""
    return False
