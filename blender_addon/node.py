# SPDX-License-Identifier: GPL-3.0-or-later
"""The node Soft Color Segment."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import bpy

from . import copies, passes, recoloring, show, strings, ui, views
from .engine import models
from .outputs import name_outputs
from .properties import NODE_ID, fit_palette, new_uid, node_annotations
from .session import SESSION, State
from .trees import scene_of


def _colors_changed(node: Any, context: Any) -> None:
    copies.separate()
    fit_palette(node)
    passes.fit_outputs(node)
    views.fit(node)
    recoloring.fit(node)
    name_outputs(node)
    show.show_after_fit(node)


def _pass_mode_changed(node: Any, context: Any) -> None:
    copies.separate()
    recoloring.fit(node)
    if node.settings_shown:
        show.show_cached(node, scene_of(node).frame_current)


def _view_changed(node: Any, context: Any) -> None:
    copies.separate()
    views.fit(node)
    if node.settings_shown:
        show.show_cached(node, scene_of(node).frame_current)


def _state(name: str) -> property:
    """What a node shows of its work is of this session and neither saved nor undone."""
    return property(
        lambda node: getattr(SESSION.state(node.uid), name),
        lambda node, value: setattr(SESSION.state(node.uid), name, value),
        doc=State.__doc__,
    )


class CompositorNodeSoftColorSegment(bpy.types.CompositorNodeCustomGroup):
    """The node of the compositor."""

    bl_idname = NODE_ID
    bl_label = strings.NAME
    bl_description = strings.NODE_TOOLTIP
    bl_icon = "COLOR"
    bl_width_default = 240.0
    bl_width_min = 180.0

    __annotations__ = node_annotations(_colors_changed, _pass_mode_changed, _view_changed)

    message = _state("message")
    failed = _state("failed")
    busy = _state("busy")
    fraction = _state("fraction")
    settings_shown = _state("settings_shown")
    ambiguous = _state("ambiguous")

    def init(self, context: Any) -> None:
        """A new node."""
        self.uid = new_uid()
        passes.new_tree(self)
        fit_palette(self)
        passes.fit_outputs(self)
        views.fit(self)
        recoloring.fit(self)

    def copy(self, node: Any) -> None:
        """A copy of ``node``. It gets a tree and images of its own by :func:`copies.separate`, a moment later: Blender
        5.0 hangs when a node's tree is changed while the tree around it, with a reroute in it, is still being copied.
        """
        self.uid = new_uid()
        SESSION.states[self.uid] = replace(SESSION.state(node.uid), busy=False)
        copies.expect_soon()

    def edits_changed(self) -> None:
        """After an edit of a layer changed, or its color, which the edit is relative to, or its name."""
        recoloring.fit(self)
        name_outputs(self)

    def models(self) -> list[str]:
        """What the control Model can be."""
        return models()

    def draw_buttons(self, context: Any, layout: Any) -> None:
        """On the node itself."""
        ui.draw_node(self, context, layout)

    def draw_buttons_ext(self, context: Any, layout: Any) -> None:
        """In the sidebar."""
        ui.draw_sidebar(self, context, layout)


CLASSES = (CompositorNodeSoftColorSegment,)
