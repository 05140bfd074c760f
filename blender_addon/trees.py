# SPDX-License-Identifier: GPL-3.0-or-later
"""Where nodes are: the compositors of scenes, the groups in them, and our nodes in all of these."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import bpy

from .properties import is_node


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


def scene_of(node: Any) -> Any:
    """The scene whose compositor a node belongs to, the one of the window first."""
    scenes = [bpy.context.scene, *bpy.data.scenes]
    return next((scene for scene in scenes if any(other.uid == node.uid for other in nodes_of_scene(scene))), scenes[0])


def nodes_of_strips(scene: Any) -> list[tuple[Any, str]]:
    """Our nodes in the compositor modifiers of a scene's strips (Blender 5.1 and later), with the names of these."""
    editor = scene.sequence_editor
    strips = (getattr(editor, "strips_all", None) or getattr(editor, "sequences_all", ())) if editor is not None else ()
    groups = [
        (getattr(modifier, "node_group", None), strip.name)
        for strip in strips
        if not strip.mute
        for modifier in strip.modifiers
        if not modifier.mute
    ]
    trees = [(inner, name) for tree, name in groups if tree is not None for inner in _trees(tree, set())]
    return [(node, name) for tree, name in trees for node in tree.nodes if is_node(node)]


def groups_over(tree: Any) -> list[Any]:
    """The group nodes in all scenes' compositors that show a tree."""
    trees = {other.as_pointer(): other for scene in bpy.data.scenes for other in trees_of_scene(scene)}
    return [node for other in trees.values() for node in other.nodes if getattr(node, "node_tree", None) == tree]


def all_trees() -> list[Any]:
    """All compositor trees in the file, each once."""
    trees = [tree for tree in bpy.data.node_groups if tree.bl_idname == "CompositorNodeTree"]
    for scene in bpy.data.scenes:
        tree = compositor_tree(scene)
        if tree is not None and tree not in trees:
            trees.append(tree)
    return trees


def all_nodes() -> list[Any]:
    """All our nodes in the file, those that are linked from another file last."""
    return sorted([node for tree in all_trees() for node in tree.nodes if is_node(node)], key=is_linked)


def is_linked(node: Any) -> bool:
    """Whether a node lies in another file and can't be changed here."""
    return node.id_data.library is not None


def _trees(tree: Any, seen: set[int]) -> Iterator[Any]:
    seen.add(tree.as_pointer())
    yield tree
    for node in tree.nodes:
        inner = getattr(node, "node_tree", None)
        if inner is not None and not is_node(node) and inner.as_pointer() not in seen:
            yield from _trees(inner, seen)
