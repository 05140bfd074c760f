# SPDX-License-Identifier: GPL-3.0-or-later
"""The output *Recolored*: the image with the edits of its layers, made of Blender's own nodes inside of the node.

The nodes make of each pixel what the engine's ``recolor`` makes of it (``fscs/edits.py``). So a change shows at once,
needs no engine, and renders wherever the layers do. What is at rest is not there: an image without edits is passed on.
Edits that are keyframed become keyframes of these nodes, one a frame, which Blender's own animation system follows.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import mathutils
import numpy as np

from . import passes, strings
from .animation import driven, own_curves
from .fscs.edits import (
    EDIT_PARAMETERS,
    IDENTITY,
    OTHERS_FLOOR,
    Formula,
    LayerEdit,
    Look,
    Matrix,
    formula,
    inverse,
    product,
    seen_instead,
)
from .fscs.parameters import Parameter
from .maker import PREFIX, Maker, maker
from .properties import HAS_COLOR, edit, plain
from .session import SESSION
from .sources import LINEAR, scene_space, scene_to_rec709
from .trees import scene_of

SMALLEST = 1e-20
AT_REST: Matrix = tuple((*row, 0.0) for row in IDENTITY)

Rgb = tuple[float, float, float]

Curves = Mapping[tuple[str, int], Any]
"""Those of edits, by the name of the node's property and by number."""


def keyframed(node: Any) -> Curves:
    """The curves of edits that have keyframes."""
    data = node.id_data.animation_data
    start = f"{node.path_from_id()}."
    return {
        (curve.data_path.removeprefix(start), curve.array_index): curve
        for curve in (own_curves(data) if data is not None else ())
        if _is_edit(curve.data_path, start) and not curve.mute
    }


def look_of(node: Any, frame: int | None = None) -> Look:
    """The edits of a node, as they are now, or at a frame."""
    return _looks(node, {} if frame is None else keyframed(node), [0 if frame is None else frame])[0]


def edited(node: Any) -> frozenset[int]:
    """The layers, numbers from 0, that the output is made of; none where it is not linked or can't be made."""
    if not shown(node) or node.node_tree is None:
        return frozenset()
    inside = node.node_tree.nodes
    layers = [inside.get(str(number)) for number in range(1, node.colors + 1)]
    return frozenset(
        number
        for number, inner in enumerate(layers)
        if inner is not None and any(link.to_node.name.startswith(PREFIX) for link in inner.outputs[0].links)
    )


def shown(node: Any) -> bool:
    """Whether the output is linked."""
    return any(socket.is_linked for socket in node.outputs if socket.name == strings.RECOLORED[0])


def hint(node: Any) -> str:
    """What to do where the output can't show the edits; an empty text where it can."""
    if any(_is_edit(path, f"{node.path_from_id()}.") for path in driven(node.id_data.animation_data)):
        return strings.EDITS_NOT_DRIVEN
    over = node.pass_mode == "OVER" and bool(_numbers(look_of(node), len(node.palette)))
    return strings.RECOLORED_NEEDS_ADDITIVE if over else ""


def follow(node: Any) -> None:
    """Makes the inside anew where keyframes of edits changed. Main thread, and not while something renders."""
    if _keys(node, keyframed(node)) != SESSION.state(node.uid).keys:
        fit(node)


def fit(node: Any) -> None:
    """Gives the inside of a node the nodes of its edits. Main thread, and not while something renders."""
    tree = node.node_tree
    if tree is None:
        return
    SESSION.state(node.uid).keys = _keys(node, keyframed(node))
    end = passes.output_behind(tree, strings.RECOLORED[0])
    image = passes.end_of(tree, "NodeGroupInput").outputs[0]
    layers = {
        number: tree.nodes[str(number)].outputs["Image"]
        for number in range(1, node.colors + 1)
        if str(number) in tree.nodes
    }
    rest = node.pass_mode == "OVER" or len(layers) < len(node.palette)
    result, _ = build(node, tree, image, layers, [Look()] if rest else looks_of(node))
    if not (end.is_linked and end.links[0].from_socket == result):
        tree.links.new(result, end)


def looks_of(node: Any) -> list[Look]:
    """The edits of a node at each frame that its keyframes count for; one look where it has none."""
    curves = keyframed(node)
    return _looks(node, curves, _frames(node, curves))


def build(
    node: Any, tree: Any, image: Any, layers: Mapping[int, Any], looks: Sequence[Look]
) -> tuple[Any, dict[int, Any]]:
    """Makes the nodes of a node's edits in a tree, and takes away those of other ones.

    Args:
        node: whose edits they are.
        tree: a compositor's.
        image: the socket of the image.
        layers: the sockets of its layers, which add up to it, by number from 1.
        looks: some of :func:`looks_of`, or all.

    Returns:
        the socket of the recolored image, and those of what became of each layer that is edited, by its number from 1.
    """
    nodes = maker(tree, _frames(node, keyframed(node))[0], scene_of(node).frame_current)
    recolored, own = _recolored(nodes, image, layers, looks, [tuple(entry.color) for entry in node.palette])
    edited = {number: nodes.socket(color) for number, color in own.items()}
    nodes.tidy()
    return recolored, edited


def _recolored(
    nodes: Maker, image: Any, layers: Mapping[int, Any], looks: Sequence[Look], colors: Sequence[Sequence[float]]
) -> tuple[Any, dict[int, Any]]:
    numbers = sorted({number for look in looks for number in _numbers(look, len(colors))})
    if not numbers:
        return image, {}
    rgb = [(float(color[0]), float(color[1]), float(color[2])) for color in colors]
    opacities = [look.opacities(len(colors)) for look in looks]
    own, alphas, changes = {}, {}, []
    kept = {number: np.array([each[number - 1][0] for each in opacities], np.float32) for number in numbers}
    for number in numbers:
        layer, alphas[number] = nodes.rgb(layers[number]), nodes.split(layers[number])[3]
        new = _edited(nodes, layer, alphas[number], _over_time(looks, number, rgb[number - 1]))
        own[number] = nodes.color("MULTIPLY", new, kept[number]) if (kept[number] != 1.0).any() else new
        changes.append(nodes.color("SUBTRACT", own[number], layer))
    change = nodes.total(changes)
    lit = {number: np.array([not each[number - 1][1] for each in opacities], np.float32) for number in numbers}
    filled = [number for number in numbers if ((1.0 - kept[number]) * lit[number]).any()]
    if filled:
        seen = [seen_instead(look, rgb) for look in looks]
        whole, alpha = nodes.color("ADD", nodes.rgb(image), change), nodes.split(image)[3]
        left = alpha
        for number in numbers:
            if (kept[number] < 1.0).any():
                left = nodes.math("SUBTRACT", left, nodes.math("MULTIPLY", alphas[number], 1.0 - kept[number]))
        least = nodes.math("MULTIPLY", nodes.math("MAXIMUM", alpha, 0.0), OTHERS_FLOOR)
        for number in filled:
            shows = np.array([_to_scene(each[number - 1]) for each in seen], np.float32)
            share = (1.0 - kept[number]) * lit[number]
            others = nodes.math("SUBTRACT", left, nodes.math("MULTIPLY", alphas[number], kept[number]))
            weight = nodes.math("MAXIMUM", nodes.math("ADD", nodes.math("MAXIMUM", others, 0.0), least), SMALLEST)
            lost = nodes.math("MULTIPLY", nodes.math("MAXIMUM", alphas[number], 0.0), share)
            rest = nodes.color("SUBTRACT", whole, own[number]) if kept[number].any() else whole
            rest = nodes.color("MULTIPLY_ADD", least, shows, rest)
            change = nodes.color("MULTIPLY_ADD", rest, nodes.math("DIVIDE", lost, weight), change)
    return nodes.onto(image, change, np.array([look.strength for look in looks], np.float32)), own


@dataclass(frozen=True)
class Numbers:
    """Those of :class:`fscs.edits.Formula`, one a frame or one for all: matrices (F, 3, C) and colors (F, 3). Frames
    without a perceptual edit have one that does nothing where others have one."""

    to_lms: Any
    roots: Any
    from_lms: Any
    offset: Any
    power: Any


def _over_time(looks: Sequence[Look], number: int, color: Rgb) -> Numbers:
    matrix = to_rec709()
    formulas = [formula(look.edit(number), color, matrix) for look in looks]
    to_lms = next((each.to_lms for each in formulas if each.to_lms is not None), None)
    if to_lms is not None:
        back = inverse(to_lms)
        formulas = [
            Formula(to_lms, AT_REST, product(each.from_lms, back), each.offset, each.power)
            if each.roots is None
            else each
            for each in formulas
        ]
    return Numbers(
        None if to_lms is None else np.array([to_lms], np.float32),
        None if to_lms is None else np.array([each.roots for each in formulas], np.float32),
        *(np.array([getattr(each, name) for each in formulas], np.float32) for name in ("from_lms", "offset", "power")),
    )


def _edited(nodes: Maker, layer: Any, alpha: Any, numbers: Numbers) -> Any:
    """The edits of one layer but for opacity: see :class:`fscs.edits.Formula`."""
    shifted = numbers.roots is not None and numbers.roots[:, :, 3].any()
    above = nodes.math("MAXIMUM", alpha, 0.0) if shifted or numbers.offset.any() else None
    result = layer
    if numbers.roots is not None:
        roots = nodes.matrix(numbers.roots[:, :, :3], nodes.root(nodes.matrix(numbers.to_lms, layer)))
        if shifted:
            roots = nodes.color("MULTIPLY_ADD", nodes.math("POWER", above, 1.0 / 3.0), numbers.roots[:, :, 3], roots)
        result = nodes.matrix(numbers.from_lms, nodes.cube(roots))
    else:
        scale = np.diagonal(numbers.from_lms, axis1=1, axis2=2)
        if (scale != 1.0).any():
            result = nodes.color("MULTIPLY", layer, scale)
    if numbers.offset.any():
        result = nodes.color("MULTIPLY_ADD", above, numbers.offset, result)
    if (numbers.power != 1.0).any():
        there = nodes.math("GREATER_THAN", alpha, 0.0)
        divisor = nodes.math("ADD", nodes.math("MULTIPLY", alpha, there), nodes.math("SUBTRACT", 1.0, there))
        straight = nodes.color("MULTIPLY", result, nodes.math("DIVIDE", 1.0, divisor))
        result = nodes.color("MULTIPLY", nodes.signed_power(straight, numbers.power), divisor)
    return result


def _is_edit(path: str, start: str) -> bool:
    """Whether a data path is that of an edit of a node, whose own one is ``start``."""
    return path.startswith(start) and re.fullmatch(r"edit\d+_\w+|strength", path.removeprefix(start)) is not None


def _keys(node: Any, curves: Curves) -> tuple[Any, ...]:
    """Changes when keyframes of edits do."""
    if not curves:
        return ()
    found: list[Any] = list(_ends(node))
    for place, curve in curves.items():
        points = np.empty(6 * len(curve.keyframe_points), np.float32)
        for number, name in enumerate(("co", "handle_left", "handle_right")):
            curve.keyframe_points.foreach_get(name, points[number * len(points) // 3 :][: len(points) // 3])
        kinds = [(point.interpolation, point.easing) for point in curve.keyframe_points]
        found.append((place, points.tobytes(), kinds, curve.extrapolation, len(curve.modifiers)))
    return tuple(found)


def _ends(node: Any) -> tuple[int, int]:
    scene = scene_of(node)
    return scene.frame_start, scene.frame_end


def _frames(node: Any, curves: Curves) -> Sequence[int]:
    """The frames that keyframes count for: those of the scene, and all between the keys."""
    if not curves:
        return [0]
    ranges = [_ends(node), *(curve.range() for curve in curves.values())]
    return range(math.floor(min(low for low, _ in ranges)), math.ceil(max(high for _, high in ranges)) + 1)


def _looks(node: Any, curves: Curves, frames: Sequence[int]) -> list[Look]:
    """The edits of a node at some frames."""
    numbers = range(1, node.colors + 1)
    names = {name for name, _ in curves}
    still = {number: _edit_of(node, number, {}, 0) for number in numbers}
    moving = [number for number in numbers if any(name.startswith(edit("", number)) for name in names)]
    return [
        Look(
            {**still, **{number: _edit_of(node, number, curves, frame) for number in moving}},
            node.opacity_shows,
            _at(node, STRENGTH, "strength", curves, frame),
        )
        for frame in frames
    ]


STRENGTH = next(parameter for parameter in EDIT_PARAMETERS if parameter.name == "strength")


def _edit_of(node: Any, number: int, curves: Curves, frame: int) -> LayerEdit:
    values = {
        parameter.name: _at(node, parameter, edit(parameter.name, number), curves, frame)
        for parameter in EDIT_PARAMETERS
        if parameter.per_layer
    }
    has_color = edit(HAS_COLOR, number)
    if not _curved(curves, has_color, 0, float(getattr(node, has_color)), frame) >= 1.0:
        values["color"] = None
    return LayerEdit(**values)


def _at(node: Any, parameter: Parameter, name: str, curves: Curves, frame: int) -> Any:
    """What a property holds, or has by its keyframes."""
    held = getattr(node, name)
    if parameter.kind == "bool":
        return _curved(curves, name, 0, float(held), frame) >= 1.0
    low, high = parameter.minimum, parameter.maximum
    numbers = tuple(
        plain(min(max(_curved(curves, name, place, each, frame), low), high))  # type: ignore[type-var]  # both are there
        for place, each in enumerate([held] if isinstance(held, float) else held)
    )
    return numbers[0] if isinstance(held, float) else numbers


def _curved(curves: Curves, name: str, place: int, held: float, frame: int) -> float:
    curve = curves.get((name, place))
    return held if curve is None else float(curve.evaluate(frame))


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
    if scene_space() == LINEAR:
        return color
    there: Any = mathutils.Color(color).from_rec709_linear_to_scene_linear()
    return float(there[0]), float(there[1]), float(there[2])


def to_rec709() -> Matrix:
    """The matrix from the file's scene-linear space to linear Rec.709."""
    return IDENTITY if scene_space() == LINEAR else scene_to_rec709()
