# SPDX-License-Identifier: GPL-3.0-or-later
"""The inside of a node: one float image a layer, and how pixels get into it.

The compositor takes the floats of such an image as they are, whatever color space it is said to have.
"""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np

from . import strings

TREE_NAME = f".{strings.NAME}"
ALARM = (1.0, 0.0, 1.0, 1.0)
"""What a render shows instead of passes that would be wrong: nobody takes it for a result."""

NOTHING = (0.0, 0.0, 0.0, 0.0)


def new_tree(node: Any) -> None:
    """Gives a node a tree of its own with inputs and ``Combined``; the layers are added by :func:`fit_outputs`."""
    tree: Any = bpy.data.node_groups.new(TREE_NAME, "CompositorNodeTree")
    tree.interface.new_socket("Image", in_out="INPUT", socket_type="NodeSocketColor")
    mask = tree.interface.new_socket("Mask", in_out="INPUT", socket_type="NodeSocketFloat")
    mask.default_value = 1.0
    tree.nodes.new("NodeGroupInput").location = (-300, 0)
    tree.nodes.new("NodeGroupOutput").location = (300, 0)
    node.node_tree = tree
    _add_output(tree, 0)


def fit_outputs(node: Any) -> None:
    """Gives the node as many outputs as there are colors; those that stay keep their links."""
    tree = node.node_tree
    if tree is None:
        return
    layers = _output_items(tree)[1:]
    for item in reversed(layers[node.colors :]):
        tree.interface.remove(item)
    for number in range(len(layers) + 1, node.colors + 1):
        _add_output(tree, number)
    for inner in [inner for inner in tree.nodes if inner.bl_idname == "CompositorNodeImage"]:
        if int(inner.name) > node.colors:
            image = inner.image
            tree.nodes.remove(inner)
            if image is not None and image.users == 0:
                bpy.data.images.remove(image)


def own_tree(node: Any) -> None:
    """Makes a copied node independent of its original: a tree and images of its own, with the same pixels."""
    tree = node.node_tree.copy()
    node.node_tree = tree
    for inner in tree.nodes:
        if inner.bl_idname == "CompositorNodeImage" and inner.image is not None:
            inner.image = _copied(inner.image)


def images(node: Any) -> list[Any]:
    """The images of ``Combined`` and of every layer."""
    return [node.node_tree.nodes[str(number)].image for number in range(node.colors + 1)]


def write(node: Any, layers: Any) -> None:
    """Writes passes into the images. May be called while a render waits.

    Args:
        node: whose images they go into.
        layers: (K, H, W, 4) float32, premultiplied, upper row first; they add up to the picture.
    """
    combined = np.sum(layers, axis=0, dtype=np.float32)
    shown = over(layers) if node.pass_mode == "OVER" else layers
    height, width = combined.shape[:2]
    for image, pixels in zip(images(node), [combined, *shown], strict=True):
        if tuple(image.size) != (width, height):
            image.scale(width, height)
        image.pixels.foreach_set(np.ascontiguousarray(pixels[::-1], dtype=np.float32).ravel())
        image.update()


def filled(node: Any) -> bool:
    """Whether the images were given pixels since the file was loaded, appended or linked, which loses them."""
    return any(image is not None and image.is_dirty for image in images(node))


def paint(node: Any, color: tuple[float, float, float, float]) -> None:
    """Fills all passes with one color."""
    for image in images(node):
        if image is not None and len(image.pixels):
            image.pixels.foreach_set(np.tile(np.array(color, np.float32), len(image.pixels) // 4))
            image.update()


def refresh(node: Any) -> None:
    """Makes the live compositor show new pixels: what each version needs of this differs, all of it works in each."""
    for image in images(node):
        if image is not None:
            image.update_tag()
    node.mute = not node.mute
    node.mute = not node.mute


def over(layers: Any) -> Any:
    """Layers for Alpha Over, the first at the bottom, from layers that add up.

    Layer i becomes c_i / S_i and a_i / S_i, with S_i = 1 - A + a_1 + … + a_i and A the sum of all alphas: what lies
    over layer i lets the share (S_i / 1) of it through, which leaves c_i, and 1 - A of the background.

    Args:
        layers: (K, H, W, 4) float32, premultiplied.
    """
    alphas = layers[..., 3].astype(np.float64)
    shares = np.cumsum(alphas, axis=0) + np.maximum(0.0, 1.0 - alphas.sum(axis=0))
    shares = np.where((shares > 0.0) & (alphas > 0.0), shares, 1.0)
    return (layers / shares[..., None]).astype(np.float32)


def _add_output(tree: Any, number: int) -> None:
    tree.interface.new_socket(
        strings.COMBINED if number == 0 else strings.LAYER.format(number=number),
        in_out="OUTPUT",
        socket_type="NodeSocketColor",
    )
    inner = tree.nodes.new("CompositorNodeImage")
    inner.name = str(number)
    inner.location = (0, -40 * number)
    inner.hide = True
    sizes = [other.image.size for other in tree.nodes if getattr(other, "image", None) is not None]
    width, height = sizes[0] if sizes else (1, 1)
    inner.image = _new_image(TREE_NAME, max(1, width), max(1, height))
    output = next(other for other in tree.nodes if other.bl_idname == "NodeGroupOutput")
    tree.links.new(inner.outputs["Image"], output.inputs[number])


def _output_items(tree: Any) -> list[Any]:
    return [item for item in tree.interface.items_tree if item.item_type == "SOCKET" and item.in_out == "OUTPUT"]


def _new_image(name: str, width: int, height: int) -> Any:
    image: Any = bpy.data.images.new(name, width, height, alpha=True, float_buffer=True)
    image.colorspace_settings.name = "Non-Color"
    image.generated_color = (0.0, 0.0, 0.0, 0.0)
    return image


def _copied(image: Any) -> Any:
    width, height = image.size
    copy = _new_image(image.name, max(1, width), max(1, height))
    if len(image.pixels) == len(copy.pixels):
        pixels = np.empty(len(image.pixels), np.float32)
        image.pixels.foreach_get(pixels)
        copy.pixels.foreach_set(pixels)
        copy.update()
    return copy


def rename_outputs(node: Any, names: list[str]) -> None:
    """Names the outputs of the layers; their links stay."""
    for item, name in zip(_output_items(node.node_tree)[1:], names, strict=True):
        item.name = name
