# SPDX-License-Identifier: GPL-3.0-or-later
"""The output *View*, for looking at what the node made: the image, a layer, its alpha, all alphas, the sum, its error.

The image and a layer are linked to it inside. For all else the inside has one more image. It is filled with the passes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import bpy
import numpy as np

from . import passes, recoloring, strings
from .fscs.views import SHEETS

VIEWER = "CompositorNodeViewer"
PICTURE, DIFFERENCE, GAIN = "view", "difference", "gain"
"""The nodes inside."""

OF_ONE_LAYER = ("one layer", "one alpha")
OF_NO_IMAGE = ("layers", "one layer")
"""Views of something that the inside has anyway."""


def chosen(node: Any) -> int:
    """The layer to look at, from 0."""
    return int(min(node.view_layer, node.colors)) - 1


def fit(node: Any) -> None:
    """Gives the inside of a node what its view needs, and links it. Main thread, and not while something renders."""
    tree = node.node_tree
    if tree is None:
        return
    end = passes.output_behind(tree, strings.VIEW[0])
    for name in (PICTURE, DIFFERENCE, GAIN):
        inner = tree.nodes.get(name)
        if inner is not None and not _wanted(node, name):
            if name == PICTURE:
                passes.remove_image(tree, inner)
            else:
                tree.nodes.remove(inner)
    if node.view == "layers":
        start = passes.end_of(tree, "NodeGroupInput").outputs[0]
    elif node.view == "one layer":
        start = tree.nodes[str(chosen(node) + 1)].outputs["Image"]
    else:
        start = (tree.nodes.get(PICTURE) or passes.add_image_node(tree, PICTURE)).outputs["Image"]
    if node.view == "error":
        start = _error(tree, start, node.error_gain)
    if not (end.is_linked and end.links[0].from_socket == start):
        tree.links.new(start, end)


def needed(node: Any) -> frozenset[int]:
    """The layers, numbers from 0, that something is made of."""
    linked = frozenset(number for number, socket in enumerate(passes.layer_sockets(node)) if _is_used(socket))
    linked |= recoloring.edited(node)
    if not shown(node) or node.view == "layers":
        return linked
    return linked | (frozenset([chosen(node)]) if node.view in OF_ONE_LAYER else frozenset(range(node.colors)))


def needed_or_all(node: Any) -> frozenset[int]:
    """As :func:`needed`; all where nothing is made of them, for whoever looks at them."""
    return needed(node) or frozenset(range(node.colors))


def shown(node: Any) -> bool:
    """Whether the output is linked."""
    return any(_is_used(socket) for socket in node.outputs if socket.name == strings.VIEW[0])


def _is_used(socket: Any) -> bool:
    """Whether a link leads on from an output: Blender calls it linked also where all its links are muted."""
    return any(not link.is_muted for link in socket.links)


def key(node: Any) -> tuple[str, int] | None:
    """What the image of the view has to hold; None where there is none to be filled."""
    if node.view in OF_NO_IMAGE or not shown(node):
        return None
    return node.view, chosen(node) if node.view in OF_ONE_LAYER else 0


def write(node: Any, layers: Mapping[int, Any], made: Mapping[int, Any]) -> None:
    """Fills the image of the view. May be called while a render waits.

    Args:
        node: the node, whose :func:`key` is not None.
        layers: those that are :func:`needed`.
        made: the passes of them.
    """
    inner = node.node_tree.nodes.get(PICTURE)
    if inner is not None and inner.image is not None:
        passes.fill(inner.image, picture(node.view, chosen(node), layers, made, over=node.pass_mode == "OVER"))


def picture(view: str, number: int, layers: Mapping[int, Any], made: Mapping[int, Any], *, over: bool) -> Any:
    """(H, W, 4) float32 of a view.

    Args:
        view: one of ``VIEWS`` that needs it.
        number: of the layer to look at, from 0.
        layers: (H, W, 4) premultiplied each, which add up, by their numbers.
        made: the passes of them.
        over: whether the passes are stacked with Alpha Over.
    """
    if view == "one alpha":
        return _gray(layers[number][..., 3])
    if view == "alpha sheet":
        return _sheet([layers[place][..., 3] for place in sorted(layers)])
    result = np.zeros_like(made[0])
    for place in sorted(made):
        result = made[place] + (result * (1.0 - made[place][..., 3:]) if over else result)
    if view == "error":
        result[..., 3] = 1.0  # or what lies behind would show through it
    return result


def _gray(alpha: Any) -> Any:
    return np.stack([alpha, alpha, alpha, np.ones_like(alpha)], axis=-1)


def _sheet(alphas: list[Any]) -> Any:
    """Alphas side by side from the upper left, made smaller by whole numbers so that all fit into the image."""
    columns, rows = next(shape for shape in SHEETS if shape[0] * shape[1] >= len(alphas))
    height, width = alphas[0].shape
    step = max(columns, rows)
    sheet = np.zeros((height, width), np.float32)
    tall, wide = max(1, height // step), max(1, width // step)
    for number, alpha in enumerate(alphas):
        top, left = number // columns * (height // rows), number % columns * (width // columns)
        whole = alpha[: tall * step, : wide * step]
        if whole.shape == (tall * step, wide * step):
            whole = whole.reshape(tall, step, wide, step).mean(axis=(1, 3))
        cell = whole[: height - top, : width - left]
        sheet[top : top + cell.shape[0], left : left + cell.shape[1]] = cell
    return _gray(sheet)


def _wanted(node: Any, name: str) -> bool:
    return node.view not in OF_NO_IMAGE if name == PICTURE else node.view == "error"


def _error(tree: Any, start: Any, gain: float) -> Any:
    """The difference from the image, multiplied."""
    image = passes.end_of(tree, "NodeGroupInput").outputs[0]
    _, result = _mix(tree, DIFFERENCE, "DIFFERENCE", start, image)
    constant, result = _mix(tree, GAIN, "MULTIPLY", result, None)
    constant.default_value = (gain, gain, gain, 1.0)
    return result


def _mix(tree: Any, name: str, kind: str, first: Any, second: Any) -> tuple[Any, Any]:
    """A Mix node. Returns its second input and its output."""
    new = bpy.app.version >= (5, 0, 0)
    inner = tree.nodes.get(name) or tree.nodes.new("ShaderNodeMix" if new else "CompositorNodeMixRGB")
    inner.name, inner.blend_type, inner.hide = name, kind, True
    if new:
        inner.data_type = "RGBA"
    colors = [socket for socket in inner.inputs if socket.type == "RGBA" and socket.enabled]
    result = next(socket for socket in inner.outputs if socket.type == "RGBA" and socket.enabled)
    tree.links.new(first, colors[0])
    if second is not None:
        tree.links.new(second, colors[1])
    factor = next(socket for socket in inner.inputs if socket.type == "VALUE" and socket.enabled)
    factor.default_value = 1.0
    return colors[1], result
