# SPDX-License-Identifier: GPL-3.0-or-later
"""The node Soft Color Segment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import bpy

from . import passes, ui
from .properties import NODE_ID, NODE_LABEL, fit_palette, is_node, new_uid, node_annotations

_unsettled = True
"""Whether nodes may share their inside: after a copy, and in a file that was just loaded."""


class CompositorNodeSoftColorSegment(bpy.types.CompositorNodeCustomGroup):
    """Takes the image apart into layers, one for each colour of a palette, that add up to it"""

    bl_idname = NODE_ID
    bl_label = NODE_LABEL
    bl_icon = "COLOR"
    bl_width_default = 240.0
    bl_width_min = 180.0

    __annotations__ = node_annotations()

    def init(self, context: Any) -> None:
        """A new node."""
        self.uid = new_uid()
        passes.new_tree(self)
        fit_palette(self)
        passes.fit_outputs(self)

    def copy(self, node: Any) -> None:
        """A copy of ``node``. It gets a tree and images of its own by :func:`settle`, a moment later: Blender 5.0 hangs
        when a node's tree is changed while the tree around it, with a reroute in it, is still being copied."""
        self.uid = new_uid()
        self.busy = False
        unsettle()
        if not bpy.app.background and not bpy.app.timers.is_registered(settle):
            bpy.app.timers.register(settle)

    def draw_buttons(self, context: Any, layout: Any) -> None:
        """On the node itself."""
        ui.draw_node(self, context, layout)

    def draw_buttons_ext(self, context: Any, layout: Any) -> None:
        """In the sidebar."""
        ui.draw_sidebar(self, context, layout)


def unsettle() -> None:
    """Has the next :func:`settle` look at all nodes."""
    global _unsettled
    _unsettled = True


def settle() -> None:
    """Gives nodes that still share their inside with the node they were copied from one of their own. Main thread
    only, never while something is rendered."""
    global _unsettled
    if not _unsettled:
        return
    _unsettled = False
    owners: dict[str, str] = {}
    for node in all_nodes():
        if node.node_tree is not None and owners.setdefault(node.node_tree.name_full, node.uid) != node.uid:
            passes.own_tree(node)


def compositor_tree(scene: Any) -> Any:
    """The tree that composites a scene, or None."""
    if hasattr(scene, "compositing_node_group"):  # 5.0 and later
        return scene.compositing_node_group
    return scene.node_tree if scene.use_nodes else None


def nodes_of_scene(scene: Any) -> list[Any]:
    """All our nodes that a render of the scene comes through, those in groups too, each once."""
    tree = compositor_tree(scene)
    return [] if tree is None else list({node.uid: node for node in _nodes(tree, set())}.values())


def all_nodes() -> list[Any]:
    """All our nodes in the file that can be edited here."""
    trees = [tree for tree in bpy.data.node_groups if tree.bl_idname == "CompositorNodeTree" and tree.library is None]
    for scene in bpy.data.scenes:
        tree = compositor_tree(scene)
        if tree is not None and tree.library is None and tree not in trees:
            trees.append(tree)
    return [node for tree in trees for node in tree.nodes if is_node(node)]


def _nodes(tree: Any, seen: set[str]) -> Iterator[Any]:
    for node in tree.nodes:
        if is_node(node):
            yield node
        elif getattr(node, "node_tree", None) is not None and node.node_tree.name_full not in seen:
            seen.add(node.node_tree.name_full)
            yield from _nodes(node.node_tree, seen)


CLASSES = (CompositorNodeSoftColorSegment,)
