# SPDX-License-Identifier: GPL-3.0-or-later
"""A plain node group outside of the node that recolors its image: for each layer a color adjustment, and what all of
them change is added to the image. It belongs to the artist, who may change it, and stays when the node is frozen.
"""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np

from . import passes, recoloring, strings
from .fscs.edits import EDIT_BY_NAME, LAB_OF_ROOTS, LMS_OF_REC709, LayerEdit, Look, inverse, product
from .maker import PREFIX, maker

ADJUSTED = ("hue", "saturation", "exposure", "gain")
"""The edits that are inputs of an adjustment. They are the last that are applied, so that others can be made before."""

STEP = 200.0
"""From one adjustment to the next one below."""


def build(node: Any) -> Any:
    """Adds the group beside a node and puts it wherever its ``Recolored`` is linked to, or else its ``Combined``.

    The edits of the node are in it: as the inputs of the adjustments, or where these have none for it, as fixed nodes.

    Returns:
        the group's node.

    Raises:
        WorkerError: the layers are not additive.
    """
    if node.pass_mode == "OVER":
        raise strings.error("usage", strings.TREE_NEEDS_ADDITIVE)
    outer, sockets = node.id_data, passes.layer_sockets(node)
    behind = next(socket for socket in node.outputs if socket.name == strings.RECOLORED[0])
    source = behind if behind.is_linked else node.outputs[0]
    ends = [link.to_socket for link in outer.links if link.from_node == node and link.from_socket == source]
    tree = _group(
        strings.RECOLOR_TREE.format(name=node.label or node.name), ["Image", *(each.name for each in sockets)]
    )
    entry, leave = passes.end_of(tree, "NodeGroupInput"), passes.end_of(tree, "NodeGroupOutput")
    layers = dict(enumerate(list(entry.outputs)[1 : len(sockets) + 1], 1))
    fixed, inputs = _shared(node)
    result, edited = recoloring.build(node, tree, entry.outputs[0], layers, fixed)
    _framed(tree)
    adjustment = _adjustment()
    for number, layer in layers.items():
        each = tree.nodes.new("CompositorNodeGroup")
        each.node_tree, each.label, each.width = adjustment, layer.name, 200.0
        each.location = (0.0, -STEP * number)
        for name in ADJUSTED:
            value = getattr(inputs.get(number, LayerEdit()), name)
            each.inputs[EDIT_BY_NAME[name].label].default_value = (*value, 1.0) if isinstance(value, tuple) else value
        tree.links.new(edited.get(number, layer), each.inputs[0])
        result = _added(tree, result, each)
    tree.links.new(result, leave.inputs[0])
    leave.location = (600.0, 0.0)
    made = outer.nodes.new("CompositorNodeGroup")
    made.node_tree, made.width = tree, 200.0
    made.location = (node.location[0] + node.width + 60.0, node.location[1])
    for socket, other in zip([node.outputs[0], *sockets], made.inputs, strict=False):
        outer.links.new(socket, other)
    for end in ends:
        outer.links.new(made.outputs[0], end)
    return made


def _shared(node: Any) -> tuple[list[Look], dict[int, LayerEdit]]:
    """The edits of a node that become fixed nodes, and those that become inputs of the adjustments, by layer. Where a
    layer is filled by the others, as they are edited, all are fixed."""
    looks = recoloring.looks_of(node)
    inputs = {}
    filled = any(kept < 1.0 and not black for kept, black in looks[0].opacities(node.colors))
    if len(looks) == 1 and looks[0].strength == 1.0 and not filled:
        inputs = {number: edit for number, edit in looks[0].layers.items() if edit.changed.keys() <= set(ADJUSTED)}
        rest = {number: edit for number, edit in looks[0].layers.items() if number not in inputs}
        looks = [Look(rest, looks[0].opacity_shows)]
    return looks, inputs


def _framed(tree: Any) -> None:
    """Puts the fixed nodes together above the others."""
    fixed = [each for each in tree.nodes if each.name.startswith(PREFIX)]
    if fixed:
        frame = tree.nodes.new("NodeFrame")
        frame.label, frame.location = strings.FIXED_EDITS, (-300.0, 1600.0)
        for each in fixed:
            each.parent = frame


def _group(name: str, inputs: list[str]) -> Any:
    tree: Any = bpy.data.node_groups.new(name, "CompositorNodeTree")
    for each in inputs:
        tree.interface.new_socket(each, in_out="INPUT", socket_type="NodeSocketColor")
    tree.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
    passes.end_of(tree, "NodeGroupInput").location = (-400.0, 0.0)
    return tree


def _added(tree: Any, result: Any, adjustment: Any) -> Any:
    """What an adjustment changes, added."""
    new = bpy.app.version >= (5, 0, 0)
    plus = tree.nodes.new("ShaderNodeMix" if new else "CompositorNodeMixRGB")
    if new:
        plus.data_type = "RGBA"
    plus.blend_type, plus.hide = "ADD", True
    plus.location = (300.0, adjustment.location[1])
    factor, first, second = [plus.inputs[place] for place in (0, 6, 7)] if new else plus.inputs
    factor.default_value = 1.0
    tree.links.new(result, first)
    tree.links.new(adjustment.outputs[0], second)
    return plus.outputs[2 if new else 0]


def _adjustment() -> Any:
    """The group that adjusts one layer; all share it. Its output is what it changes."""
    tree: Any = bpy.data.node_groups.new(strings.ADJUSTMENT, "CompositorNodeTree")
    tree.interface.new_socket(strings.ADJUSTMENT_LAYER, in_out="INPUT", socket_type="NodeSocketColor")
    for name in ADJUSTED:
        parameter = EDIT_BY_NAME[name]
        is_color = parameter.kind == "rgb"
        kind = "NodeSocketColor" if is_color else "NodeSocketFloat"
        socket = tree.interface.new_socket(parameter.label, in_out="INPUT", socket_type=kind)
        socket.description = parameter.tooltip
        rest = float(parameter.default)
        socket.default_value = (rest, rest, rest, 1.0) if is_color else rest
        if not is_color:
            socket.min_value, socket.max_value = parameter.minimum, parameter.maximum
    tree.interface.new_socket(strings.ADJUSTMENT_CHANGE, in_out="OUTPUT", socket_type="NodeSocketColor")
    entry, leave = passes.end_of(tree, "NodeGroupInput"), passes.end_of(tree, "NodeGroupOutput")
    layer, hue, saturation, exposure, gain = list(entry.outputs)[: len(ADJUSTED) + 1]
    nodes = maker(tree)
    color, to_lms = nodes.rgb(layer), product(LMS_OF_REC709, recoloring.to_rec709())
    lab = nodes.matrix(_matrix(LAB_OF_ROOTS), nodes.root(nodes.matrix(_matrix(to_lms), color)))
    lightness, a, b = nodes.split(lab)[:3]
    turn = nodes.math("RADIANS", hue)
    cosine, sine = (nodes.math("MULTIPLY", nodes.math(kind, turn), saturation) for kind in ("COSINE", "SINE"))
    turned = [
        lightness,
        nodes.math("SUBTRACT", nodes.math("MULTIPLY", a, cosine), nodes.math("MULTIPLY", b, sine)),
        nodes.math("ADD", nodes.math("MULTIPLY", a, sine), nodes.math("MULTIPLY", b, cosine)),
    ]
    roots = nodes.matrix(_matrix(inverse(LAB_OF_ROOTS)), nodes.join(turned))
    result = nodes.matrix(_matrix(inverse(to_lms)), nodes.cube(roots))
    result = nodes.color("MULTIPLY", nodes.color("MULTIPLY", result, nodes.math("POWER", 2.0, exposure)), gain)
    change = nodes.socket(nodes.color("SUBTRACT", result, color))
    nodes.tidy()
    tree.links.new(change, leave.inputs[0])
    return tree


def _matrix(rows: Any) -> Any:
    return np.array([rows], np.float32)
