# SPDX-License-Identifier: GPL-3.0-or-later
"""The node Soft Color Segment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import bpy

from . import passes, ui
from .fscs.protocol import WorkerError
from .properties import NODE_ID, NODE_LABEL, fit_palette, is_node, is_uid, new_uid, node_annotations

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
    """Gives nodes that still share their inside or their name in the cache with the node they were copied from, or were
    appended twice, one of their own. Main thread only, never while something is rendered."""
    global _unsettled
    if not _unsettled:
        return
    _unsettled = False
    owners: dict[str, str] = {}
    uids = {node.uid for node in all_nodes() if is_linked(node)}
    for node in all_nodes():
        if is_linked(node):
            continue
        if node.uid in uids or not is_uid(node.uid):
            node.uid = new_uid()
        uids.add(node.uid)
        if node.node_tree is not None and owners.setdefault(node.node_tree.name_full, node.uid) != node.uid:
            passes.own_tree(node)


def compositor_tree(scene: Any) -> Any:
    """The tree that composites a scene, or None."""
    if hasattr(scene, "compositing_node_group"):  # 5.0 and later
        return scene.compositing_node_group
    return scene.node_tree if scene.use_nodes else None


def trees_of_scene(scene: Any) -> list[Any]:
    """The tree that composites a scene, and those of the groups in it, each once."""
    tree = compositor_tree(scene)
    return [] if tree is None else list(_trees(tree, set()))


def nodes_of_scene(scene: Any) -> list[Any]:
    """All our nodes that a render of the scene comes through, those in groups too, each once."""
    return list({node.uid: node for tree in trees_of_scene(scene) for node in tree.nodes if is_node(node)}.values())


def groups_over(tree: Any) -> list[Any]:
    """The group nodes in all scenes' compositors that show a tree."""
    trees = {other.as_pointer(): other for scene in bpy.data.scenes for other in trees_of_scene(scene)}
    return [node for other in trees.values() for node in other.nodes if getattr(node, "node_tree", None) == tree]


def all_nodes() -> list[Any]:
    """All our nodes in the file, those that are linked from another file last."""
    trees = [tree for tree in bpy.data.node_groups if tree.bl_idname == "CompositorNodeTree"]
    for scene in bpy.data.scenes:
        tree = compositor_tree(scene)
        if tree is not None and tree not in trees:
            trees.append(tree)
    return sorted([node for tree in trees for node in tree.nodes if is_node(node)], key=is_linked)


def is_linked(node: Any) -> bool:
    """Whether a node lies in another file and can't be changed here."""
    return node.id_data.library is not None


def present(uid: str) -> Any:
    """The node of a name that it keeps. Raises WorkerError if it is gone."""
    settle()
    node = next((node for node in all_nodes() if node.uid == uid), None)
    if node is None:
        raise WorkerError("cancelled", "the node is gone")
    return node


def _trees(tree: Any, seen: set[int]) -> Iterator[Any]:
    seen.add(tree.as_pointer())
    yield tree
    for node in tree.nodes:
        inner = getattr(node, "node_tree", None)
        if inner is not None and not is_node(node) and inner.as_pointer() not in seen:
            yield from _trees(inner, seen)


CLASSES = (CompositorNodeSoftColorSegment,)
