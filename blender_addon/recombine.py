# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes that put the layers of a node together again, as its passes want it."""

from __future__ import annotations

from typing import Any

import bpy

from . import passes, strings

ALPHA_OVER = "CompositorNodeAlphaOver"
DISJOINT = "Disjoint Over"
"""The kind of Alpha Over that adds; Blender 5.0 and later have it."""

STEP = (180.0, -60.0)
"""From one node to the next."""


def build(node: Any) -> Any:
    """Adds the nodes beside a node and puts their result wherever its ``Combined`` is linked to.

    Returns:
        the socket of the result.
    """
    tree = node.id_data
    ends = [link.to_socket for link in tree.links if link.from_node == node and link.from_socket == node.outputs[0]]
    frame = tree.nodes.new("NodeFrame")
    frame.label = strings.RECOMBINED.format(name=node.label or node.name)
    layers = passes.layer_sockets(node)
    result, *others = layers
    made = []
    for layer in others:
        made.append(_over(tree, node.pass_mode) if _has_disjoint() or node.pass_mode == "OVER" else _plus(tree))
        below, above = _images(made[-1])
        tree.links.new(result, below)
        tree.links.new(layer, above)
        result = made[-1].outputs[0]
    if others and not _has_disjoint() and node.pass_mode == "ADDITIVE":
        made += _whole_alpha(tree, node, result)
        result = made[-1].outputs[0]
    for number, each in enumerate(made, 1):
        each.parent = frame
        each.location = (
            node.location[0] + node.width + number * STEP[0],
            node.location[1] + number * STEP[1],
        )
        each.hide = True
    for end in ends:
        tree.links.new(result, end)
    return result


def wrong_mix(node: Any) -> str:
    """What to do where layers are put together in a way that is not that of their passes; an empty text where they are
    not."""
    layers = passes.layer_sockets(node)
    for link in node.id_data.links:
        if link.from_node != node or link.from_socket not in layers:
            continue
        kind = link.to_node.bl_idname
        if kind == ALPHA_OVER and node.pass_mode == "ADDITIVE" and not _adds(link.to_node):
            return strings.NEEDS_OVER
        if node.pass_mode == "OVER" and (
            (kind == ALPHA_OVER and _adds(link.to_node)) or getattr(link.to_node, "blend_type", "") == "ADD"
        ):
            return strings.NEEDS_ADDITIVE
    return ""


def _has_disjoint() -> bool:
    return bpy.app.version >= (5, 0, 0)


def _adds(node: Any) -> bool:
    kind = node.inputs.get("Type")
    return kind is not None and kind.default_value == DISJOINT


def _images(node: Any) -> list[Any]:
    return [socket for socket in node.inputs if socket.type == "RGBA"]


def _over(tree: Any, mode: str) -> Any:
    node = tree.nodes.new(ALPHA_OVER)
    if mode == "ADDITIVE":
        node.inputs["Type"].default_value = DISJOINT
    return node


def _plus(tree: Any) -> Any:
    node = tree.nodes.new("CompositorNodeMixRGB")
    node.blend_type = "ADD"
    return node


def _whole_alpha(tree: Any, node: Any, result: Any) -> list[Any]:
    """Mix keeps the alpha of one layer only; that of them all is the image's own."""
    separate, replace = tree.nodes.new("CompositorNodeSeparateColor"), tree.nodes.new("CompositorNodeSetAlpha")
    replace.mode = "REPLACE_ALPHA"
    tree.links.new(node.outputs[0], separate.inputs[0])
    tree.links.new(result, replace.inputs["Image"])
    tree.links.new(separate.outputs["Alpha"], replace.inputs["Alpha"])
    return [separate, replace]
