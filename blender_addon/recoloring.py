# SPDX-License-Identifier: GPL-3.0-or-later
"""The output *Recolored*: the image with the edits of its layers, made of Blender's own nodes inside of the node.

The nodes make of each pixel what the engine's ``recolor`` makes of it (``fscs/edits.py``). So a change shows at once,
needs no engine, and renders wherever the layers do. What is at rest is not there: an image without edits is passed on.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import Any

import bpy
import mathutils

from . import passes, strings
from .fscs.edits import (
    EDIT_PARAMETERS,
    IDENTITY,
    OTHERS_FLOOR,
    Formula,
    LayerEdit,
    Look,
    Matrix,
    formula,
    seen_instead,
)
from .properties import EDIT, plain
from .sources import LINEAR, SPACES, scene_space

PREFIX = "recolor "
"""Begins the names of the nodes."""

LARGEST, SMALLEST = 1e30, 1e-20

Rgb = tuple[float, float, float]


def look_of(node: Any) -> Look:
    """The edits of a node."""
    return Look(
        {number: _edit_of(entry) for number, entry in enumerate(node.palette, 1)},
        node.opacity_shows,
        plain(node.strength),
    )


def edited(node: Any) -> frozenset[int]:
    """The layers, numbers from 0, that the output is made of; none where it is not linked or can't be made."""
    if node.pass_mode == "OVER" or not shown(node):
        return frozenset()
    return frozenset(number - 1 for number in _numbers(look_of(node), len(node.palette)))


def shown(node: Any) -> bool:
    """Whether the output is linked."""
    return any(socket.is_linked for socket in node.outputs if socket.name == strings.RECOLORED[0])


def hint(node: Any) -> str:
    """What to do where the output can't show the edits; an empty text where it can."""
    over = node.pass_mode == "OVER" and bool(_numbers(look_of(node), len(node.palette)))
    return strings.RECOLORED_NEEDS_ADDITIVE if over else ""


def fit(node: Any) -> None:
    """Gives the inside of a node the nodes of its edits. Main thread, and not while something renders."""
    tree = node.node_tree
    if tree is None:
        return
    end = passes.output_behind(tree, strings.RECOLORED[0])
    image = passes.end_of(tree, "NodeGroupInput").outputs[0]
    layers = {
        number: tree.nodes[str(number)].outputs["Image"]
        for number in range(1, node.colors + 1)
        if str(number) in tree.nodes
    }
    look = Look() if node.pass_mode == "OVER" or len(layers) < len(node.palette) else look_of(node)
    result = build(tree, image, layers, look, [tuple(entry.color) for entry in node.palette])
    if not (end.is_linked and end.links[0].from_socket == result):
        tree.links.new(result, end)


def build(tree: Any, image: Any, layers: Mapping[int, Any], look: Look, colors: Sequence[Sequence[float]]) -> Any:
    """Makes the nodes of a look in a tree, and takes away those of another one.

    Args:
        tree: a compositor's.
        image: the socket of the image.
        layers: the sockets of its layers, which add up to it, by number from 1.
        look: the edits.
        colors: sRGB of the layers.

    Returns:
        the socket of the recolored image.
    """
    numbers = _numbers(look, len(colors))
    nodes = _Nodes(tree)
    result = _recolored(nodes, image, layers, look, numbers, colors) if numbers else image
    nodes.tidy()
    return result


def _recolored(
    nodes: _Nodes,
    image: Any,
    layers: Mapping[int, Any],
    look: Look,
    numbers: Sequence[int],
    colors: Sequence[Sequence[float]],
) -> Any:
    to_rec709 = _to_rec709()
    opacities = look.opacities(len(colors))
    rgb = [(float(color[0]), float(color[1]), float(color[2])) for color in colors]
    new, alphas, changes = {}, {}, []
    for number in numbers:
        layer = layers[number]
        parts = nodes.split(layer)
        alphas[number] = parts[3]
        new[number] = _edited(nodes, layer, parts, formula(look.edit(number), rgb[number - 1], to_rec709))
        opacity = opacities[number - 1][0]
        kept = nodes.mix("MULTIPLY", new[number], (opacity,) * 3) if opacity != 1.0 else new[number]
        changes.append(nodes.mix("SUBTRACT", kept, layer))
    change = nodes.total(changes)
    seen = seen_instead(look, rgb)
    filled = [n for n in numbers if opacities[n - 1][0] < 1.0 and not opacities[n - 1][1]]
    if filled:
        whole, alpha = nodes.mix("ADD", image, change), nodes.split(image)[3]
        left = alpha
        for number in numbers:
            opacity = opacities[number - 1][0]
            if opacity < 1.0:
                left = nodes.math("SUBTRACT", left, nodes.math("MULTIPLY", alphas[number], 1.0 - opacity))
        least = nodes.math("MULTIPLY", nodes.math("MAXIMUM", alpha, 0.0), OTHERS_FLOOR)
        for number in filled:
            kept = opacities[number - 1][0]
            own = nodes.math("MULTIPLY", alphas[number], kept)
            others = nodes.math("MAXIMUM", nodes.math("SUBTRACT", left, own), 0.0)
            weight = nodes.math("MAXIMUM", nodes.math("ADD", others, least), SMALLEST)
            lost = nodes.math("MULTIPLY", nodes.math("MAXIMUM", alphas[number], 0.0), 1.0 - kept)
            rest = nodes.mix("SUBTRACT", whole, nodes.mix("MULTIPLY", new[number], (kept,) * 3)) if kept else whole
            rest = nodes.mix("ADD", rest, nodes.mix("MULTIPLY", least, _to_scene(seen[number - 1])))
            share = nodes.math("DIVIDE", lost, weight)
            change = nodes.mix("ADD", change, nodes.mix("MULTIPLY", rest, share))
    return nodes.mix("ADD", image, change, look.strength)


def _edited(nodes: _Nodes, layer: Any, parts: Sequence[Any], numbers: Formula) -> Any:
    """The edits of one layer but for opacity: see :class:`fscs.edits.Formula`."""
    alpha = parts[3]
    above = nodes.math("MAXIMUM", alpha, 0.0) if any(numbers.offset) or numbers.roots is not None else None
    result = layer
    if numbers.to_lms is not None and numbers.roots is not None:
        lms = nodes.split(nodes.matrix(numbers.to_lms, parts[:3]))
        roots = [nodes.root(each) for each in lms[:3]]
        if any(row[3] != 0.0 for row in numbers.roots):
            roots.append(nodes.math("POWER", above, 1.0 / 3.0))
        mixed = nodes.matrix(numbers.roots, roots)
        cubes = nodes.mix("MULTIPLY", nodes.mix("MULTIPLY", mixed, mixed), mixed)
        result = nodes.matrix(numbers.from_lms, nodes.split(cubes)[:3])
    else:
        scale: Rgb = (numbers.from_lms[0][0], numbers.from_lms[1][1], numbers.from_lms[2][2])
        if scale != (1.0, 1.0, 1.0):
            result = nodes.mix("MULTIPLY", layer, scale)
    if any(numbers.offset):
        result = nodes.mix("ADD", result, nodes.mix("MULTIPLY", above, numbers.offset))
    if numbers.power != (1.0, 1.0, 1.0):
        there = nodes.math("GREATER_THAN", alpha, 0.0)
        divisor = nodes.math("ADD", nodes.math("MULTIPLY", alpha, there), nodes.math("SUBTRACT", 1.0, there))
        straight = nodes.split(result)
        raised = [
            nodes.signed_power(nodes.math("DIVIDE", straight[place], divisor), power)
            for place, power in enumerate(numbers.power)
        ]
        result = nodes.join([nodes.math("MULTIPLY", each, divisor) for each in raised])
    return result


class _Nodes:
    """Makes nodes one after the other, and takes those that are there of an earlier time: so a slider that is dragged
    changes numbers only."""

    def __init__(self, tree: Any) -> None:
        self._tree = tree
        self._count = 0
        self._links = {link.to_socket.as_pointer(): link.from_socket for link in tree.links}
        self._new = bpy.app.version >= (5, 0, 0)

    def split(self, color: Any) -> list[Any]:
        """Red, green, blue and alpha."""
        node = self._node("CompositorNodeSeparateColor")
        self._put(node.inputs[0], color)
        return list(node.outputs)[:4]

    def join(self, channels: Sequence[Any]) -> Any:
        """A color of three channels."""
        node = self._node("CompositorNodeCombineColor")
        for socket, channel in zip(node.inputs, channels, strict=False):
            self._put(socket, channel)
        return node.outputs[0]

    def math(self, operation: str, first: Any, second: Any) -> Any:
        """Of two numbers."""
        node = self._node("ShaderNodeMath" if self._new else "CompositorNodeMath")
        if node.operation != operation:
            node.operation = operation
        self._put(node.inputs[0], first)
        self._put(node.inputs[1], second)
        return node.outputs[0]

    def mix(self, kind: str, first: Any, second: Any, factor: float = 1.0) -> Any:
        """Of two colors; alpha is that of the first. A socket can't hold negative colors, so these are subtracted."""
        if kind == "MULTIPLY" and isinstance(second, tuple) and min(second) < 0.0:
            above, below = tuple(max(each, 0.0) for each in second), tuple(max(-each, 0.0) for each in second)
            less = self.mix(kind, first, below)
            return self.mix("SUBTRACT", self.mix(kind, first, above), less)
        node = self._node("ShaderNodeMix" if self._new else "CompositorNodeMixRGB")
        if self._new and node.data_type != "RGBA":
            node.data_type = "RGBA"
        if node.blend_type != kind:
            node.blend_type = kind
        inputs = (node.inputs[0], node.inputs[6], node.inputs[7]) if self._new else tuple(node.inputs)
        self._put(inputs[0], factor)
        self._put(inputs[1], first)
        self._put(inputs[2], second)
        return node.outputs[2] if self._new else node.outputs[0]

    def total(self, colors: Sequence[Any]) -> Any:
        """The sum."""
        result, *others = colors
        for other in others:
            result = self.mix("ADD", result, other)
        return result

    def matrix(self, rows: Matrix, channels: Sequence[Any]) -> Any:
        """Rows times channels: a color."""
        columns = [tuple(row[place] for row in rows) for place in range(len(channels))]
        return self.total([self.mix("MULTIPLY", each, column) for each, column in zip(channels, columns, strict=True)])

    def root(self, number: Any) -> Any:
        """The cube root, with its sign."""
        return self.signed_power(number, 1.0 / 3.0)

    def signed_power(self, number: Any, power: float) -> Any:
        """A power of the size of a number, with its sign."""
        if power == 1.0:
            return number
        size = self.math("POWER", self.math("ABSOLUTE", number, 0.0), power)
        if power > 1.0:
            size = self.math("MINIMUM", size, LARGEST)
        return self.math("MULTIPLY", size, self.math("SIGN", number, 0.0))

    def tidy(self) -> None:
        """Takes away what is left over."""
        names = {_name(number) for number in range(self._count)}
        for node in [node for node in self._tree.nodes if node.name.startswith(PREFIX) and node.name not in names]:
            self._tree.nodes.remove(node)

    def _node(self, kind: str) -> Any:
        name = _name(self._count)
        node = self._tree.nodes.get(name)
        if node is not None and node.bl_idname != kind:
            self._tree.nodes.remove(node)
            node = None
        if node is None:
            node = self._tree.nodes.new(kind)
            node.name, node.hide = name, True
            node.location = (40.0 * (self._count % 40), -800.0 - 40.0 * (self._count // 40))
        self._count += 1
        return node

    def _put(self, socket: Any, value: Any) -> None:
        """Links a socket to another one, or gives it a number or a color."""
        if isinstance(value, (int, float, tuple)):
            if socket.is_linked:
                self._tree.links.remove(socket.links[0])
            held = socket.default_value
            if isinstance(value, tuple):
                if list(held) != list(array("f", (*value, 1.0))):
                    socket.default_value = (*value, 1.0)
            elif held != array("f", (value,))[0]:
                socket.default_value = value
        elif not socket.is_linked or self._links.get(socket.as_pointer()) != value:
            self._tree.links.new(value, socket)


def _name(number: int) -> str:
    return f"{PREFIX}{number}"


def _edit_of(entry: Any) -> LayerEdit:
    values: dict[str, Any] = {}
    for parameter in EDIT_PARAMETERS:
        if not parameter.per_layer:
            continue
        value = getattr(entry, EDIT + parameter.name)
        if parameter.kind == "color":
            value = tuple(plain(each) for each in value) if getattr(entry, f"{EDIT}has_color") else None
        elif parameter.kind == "rgb":
            value = tuple(plain(each) for each in value)
        else:
            value = plain(value)
        values[parameter.name] = value
    return LayerEdit(**values)


def _numbers(look: Look, count: int) -> list[int]:
    """The layers that change something, from 1."""
    rest = LayerEdit()
    return [
        number
        for number, (opacity, _) in enumerate(look.opacities(count), 1)
        if look.strength > 0.0 and (look.edit(number) != rest or opacity < 1.0)
    ]


def _to_scene(color: Rgb) -> Rgb:
    """Linear Rec.709 in the file's scene-linear space."""
    if scene_space() == SPACES[LINEAR]:
        return color
    there: Any = mathutils.Color(color).from_rec709_linear_to_scene_linear()
    return float(there[0]), float(there[1]), float(there[2])


def _to_rec709() -> Matrix:
    """The matrix from the file's scene-linear space to linear Rec.709."""
    if scene_space() == SPACES[LINEAR]:
        return IDENTITY
    columns: list[Any] = [mathutils.Color(axis).from_scene_linear_to_rec709_linear() for axis in IDENTITY]
    return tuple(tuple(float(column[row]) for column in columns) for row in range(3))
