# SPDX-License-Identifier: GPL-3.0-or-later
"""The inside of a node: one float image a layer, and how pixels get into it.

The compositor takes the floats of such an image as they are, whatever color space it is said to have. ``Combined`` has
none: the layers always add up to the image, so it is the image itself, passed through.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import bpy
import numpy as np

from . import strings

TREE_NAME = f".{strings.NAME}"
ALARM = (1.0, 0.0, 1.0, 1.0)
"""What a render shows instead of passes that would be wrong: nobody takes it for a result."""

NOTHING = (0.0, 0.0, 0.0, 0.0)
COMBINED = "0"
"""Name of the image node that the inside of earlier releases had for it."""

BEHIND = (strings.VIEW[0], strings.RECOLORED[0])
"""The outputs that come after those of the layers."""


def new_tree(node: Any) -> None:
    """Gives a node a tree of its own with inputs and ``Combined``; the layers are added by :func:`fit_outputs`."""
    tree: Any = bpy.data.node_groups.new(TREE_NAME, "CompositorNodeTree")
    tree.interface.new_socket("Image", in_out="INPUT", socket_type="NodeSocketColor")
    mask = tree.interface.new_socket("Mask", in_out="INPUT", socket_type="NodeSocketFloat")
    mask.default_value = 1.0
    tree.interface.new_socket(strings.COMBINED, in_out="OUTPUT", socket_type="NodeSocketColor")
    tree.nodes.new("NodeGroupInput").location = (-300, 0)
    tree.nodes.new("NodeGroupOutput").location = (300, 0)
    node.node_tree = tree
    _pass_through(tree)


def fit_outputs(node: Any) -> None:
    """Gives the node as many outputs as there are colors. Those that stay keep their links; those that go leave theirs
    with the colors that are kept (``properties.fit_palette``), and come back with them."""
    tree = node.node_tree
    if tree is None:
        return
    layers = output_items(tree)[1:]
    for number in range(node.colors, len(layers)):
        _remember(node, number)
    for item in reversed(layers[node.colors :]):
        tree.interface.remove(item)
    for number in range(len(layers), node.colors):
        _add_output(tree, number + 1)
    for inner in image_nodes(tree):
        if inner.name.isdigit() and int(inner.name) > node.colors:
            remove_image(tree, inner)
    for number in range(len(layers), node.colors):
        _recall(node, number)


def own_tree(node: Any) -> None:
    """Makes a copied node independent of its original, or of the file that it was linked from: a tree and images of its
    own, with the same pixels."""
    tree = node.node_tree.copy()
    node.node_tree = tree
    for inner in image_nodes(tree):
        if inner.image is not None:
            inner.image = _copied(inner.image)


def mend(node: Any) -> None:
    """Brings the inside into the form that this release wants, whatever it lacks. Main thread only."""
    if node.node_tree is None:
        new_tree(node)
    unpack(node)
    tree = node.node_tree
    if COMBINED in tree.nodes:
        remove_image(tree, tree.nodes[COMBINED])
    _pass_through(tree)
    for number in range(1, node.colors + 1):
        inner = tree.nodes.get(str(number))
        if inner is not None and inner.image is None:
            tree.nodes.remove(inner)
            inner = None
        if inner is None and number < len(output_items(tree)):
            _add_image(tree, number)
    fit_outputs(node)


def unpack(node: Any) -> None:
    """Takes the files out of images that were packed as modified ones, which the cache has already: they would make the
    .blend as large. Their pixels stay. Main thread only."""
    for image in _inside(node):
        if image is None or image.packed_file is None:
            continue
        pixels, size = _pixels(image), tuple(image.size)
        image.unpack(method="REMOVE")
        image.source, image.filepath_raw = "GENERATED", ""
        if tuple(image.size) != size:
            image.scale(*size)
        if len(pixels):
            image.pixels.foreach_set(pixels)
            image.update()


def images(node: Any) -> list[Any]:
    """The images of every layer; None for what is missing, as in a file whose library is gone."""
    tree = node.node_tree
    nodes = [tree.nodes.get(str(number)) for number in range(1, node.colors + 1)] if tree is not None else []
    return [inner.image if inner is not None else None for inner in nodes]


def passes_of(node: Any, layers: Mapping[int, Any]) -> Mapping[int, Any]:
    """The passes of layers, by their number from 0, as the node is set.

    Args:
        node: the node.
        layers: (H, W, 4) float32 each, premultiplied, upper row first. All of them where it is set to Over.
    """
    if node.pass_mode == "ADDITIVE":
        return layers
    return dict(enumerate(over(np.stack([layers[number] for number in range(node.colors)]))))


def write(node: Any, layers: Mapping[int, Any], shown: Mapping[int, Any]) -> None:
    """Writes passes into the images. May be called while a render waits.

    Args:
        node: whose images they go into.
        layers: as in :func:`passes_of`; all add up to the picture.
        shown: what that gave.
    """
    targets = images(node)
    pairs = [(targets[number], pixels) for number, pixels in shown.items()]
    old = node.node_tree.nodes.get(COMBINED)  # in a library of an earlier release
    if old is not None and len(layers) == node.colors:
        pairs.append((old.image, np.sum(list(layers.values()), axis=0, dtype=np.float32)))
    for image, pixels in pairs:
        if image is not None:
            fill(image, pixels)


def fill(image: Any, pixels: Any) -> None:
    """Gives an image the pixels (H, W, 4), upper row first, and their size."""
    height, width = pixels.shape[:2]
    if tuple(image.size) != (width, height):
        image.scale(width, height)
    image.pixels.foreach_set(np.ascontiguousarray(pixels[::-1], dtype=np.float32).ravel())
    image.update()


def filled(node: Any) -> bool:
    """Whether the images were given pixels since the file was loaded, appended or linked, which loses them."""
    return any(image is not None and image.is_dirty for image in images(node))


def holds(node: Any, numbers: Iterable[int]) -> bool:
    """Whether those of some layers, numbers from 0, were."""
    found = images(node)
    return all(found[number] is not None and found[number].is_dirty for number in numbers)


def paint(node: Any, color: tuple[float, float, float, float]) -> None:
    """Fills all passes with one color."""
    for image in _inside(node):
        if image is not None and len(image.pixels):
            image.pixels.foreach_set(np.tile(np.array(color, np.float32), len(image.pixels) // 4))
            image.update()


def refresh(node: Any) -> None:
    """Makes the live compositor show new pixels: what each version needs of this differs, all of it works in each."""
    for image in _inside(node):
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


def rename_outputs(node: Any, names: list[str]) -> None:
    """Names the outputs of the layers; their links stay. There may be more or fewer of them, until they are fitted."""
    for item, name in zip(output_items(node.node_tree)[1:], names, strict=False):
        if item.name != name:
            item.name = name


def layer_sockets(node: Any) -> list[Any]:
    """The outputs of the layers."""
    return [socket for socket in list(node.outputs)[1:] if socket.name not in BEHIND]


def output_items(tree: Any) -> list[Any]:
    """The outputs of a node's inside: ``Combined`` and the layers, without those :data:`BEHIND`."""
    return [item for item in _all_outputs(tree) if item.name not in BEHIND]


def output_behind(tree: Any, name: str) -> Any:
    """The end inside of one of those :data:`BEHIND`, made where there is none."""
    if all(item.name != name for item in _all_outputs(tree)):
        tree.interface.new_socket(name, in_out="OUTPUT", socket_type="NodeSocketColor")
    item = next(item for item in _all_outputs(tree) if item.name == name)
    return next(socket for socket in end_of(tree, "NodeGroupOutput").inputs if socket.identifier == item.identifier)


def image_nodes(tree: Any) -> list[Any]:
    """All that hold pixels of ours."""
    return [inner for inner in tree.nodes if inner.bl_idname == "CompositorNodeImage"]


def remove_image(tree: Any, inner: Any) -> None:
    """Takes such a node away with its image."""
    image = inner.image
    tree.nodes.remove(inner)
    if image is not None and image.users == 0:
        bpy.data.images.remove(image)


def end_of(tree: Any, kind: str) -> Any:
    """The node that stands for the inputs or outputs, made where there is none."""
    return next((inner for inner in tree.nodes if inner.bl_idname == kind), None) or tree.nodes.new(kind)


def _all_outputs(tree: Any) -> list[Any]:
    return [item for item in tree.interface.items_tree if item.item_type == "SOCKET" and item.in_out == "OUTPUT"]


def _inside(node: Any) -> list[Any]:
    return [inner.image for inner in image_nodes(node.node_tree)] if node.node_tree is not None else []


def _pass_through(tree: Any) -> None:
    entry, leave = end_of(tree, "NodeGroupInput"), end_of(tree, "NodeGroupOutput")
    if not leave.inputs[0].is_linked:
        tree.links.new(entry.outputs[0], leave.inputs[0])


def _add_output(tree: Any, number: int) -> None:
    name = strings.LAYER.format(number=number)
    places = [place for place, item in enumerate(tree.interface.items_tree) if item.name in BEHIND]
    made = tree.interface.new_socket(name, in_out="OUTPUT", socket_type="NodeSocketColor")
    if places:
        tree.interface.move(made, places[0])
    _add_image(tree, number)


def _add_image(tree: Any, number: int) -> None:
    inner = add_image_node(tree, str(number))
    inner.location = (0, -40 * number)
    tree.links.new(inner.outputs["Image"], end_of(tree, "NodeGroupOutput").inputs[number])


def add_image_node(tree: Any, name: str) -> Any:
    """A node that holds pixels of ours."""
    sizes = [other.image.size for other in image_nodes(tree) if other.image is not None]
    width, height = sizes[0] if sizes else (1, 1)
    inner = tree.nodes.new("CompositorNodeImage")
    inner.name = name
    inner.hide = True
    inner.image = _new_image(TREE_NAME, max(1, width), max(1, height))
    return inner


def _new_image(name: str, width: int, height: int) -> Any:
    image: Any = bpy.data.images.new(name, width, height, alpha=True, float_buffer=True)
    image.colorspace_settings.name = "Non-Color"
    image.generated_color = NOTHING
    return image


def _copied(image: Any) -> Any:
    width, height = image.size
    copy = _new_image(image.name, max(1, width), max(1, height))
    if len(image.pixels) == len(copy.pixels):
        copy.pixels.foreach_set(_pixels(image))
        copy.update()
    return copy


def _pixels(image: Any) -> Any:
    pixels = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(pixels)
    return pixels


def _remember(node: Any, number: int) -> None:
    """Leaves the links of the output of layer ``number``, from 0, with its color."""
    place = len(node.kept_palette) - 1 - (number - node.colors)
    sockets = layer_sockets(node)
    if place < 0 or number >= len(sockets):
        return
    entry, socket = node.kept_palette[place], sockets[number]
    links = [link for link in node.id_data.links if link.from_node == node and link.from_socket == socket]
    entry.output_links = json.dumps([[link.to_node.name, link.to_socket.identifier] for link in links])


def _recall(node: Any, number: int) -> None:
    """Gives an output that came back those of its links whose other ends are still free."""
    entry, tree = node.palette[number], node.id_data
    if not entry.output_links:
        return
    for name, identifier in json.loads(entry.output_links):
        other = tree.nodes.get(name)
        socket = next((each for each in other.inputs if each.identifier == identifier), None) if other else None
        if socket is not None and (not socket.is_linked or socket.is_multi_input):
            tree.links.new(layer_sockets(node)[number], socket)
    entry.output_links = ""
