"""A compositor tree in any version of Blender, and what a render of it gives. For the scripts beside this file."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import bpy
import numpy as np

NEW = bpy.app.version >= (5, 0)
ADDON = sys.modules["soft_color_segment"]


def compositor(width: int = 160, height: int = 120) -> Any:
    """The tree of the scene, empty but for its output. Renders are 32 bit EXR."""
    scene = bpy.context.scene
    scene.render.resolution_x, scene.render.resolution_y = width, height
    scene.render.resolution_percentage = 100
    scene.render.compositor_device = "CPU"  # there may be no graphics card
    if NEW:
        tree = bpy.data.node_groups.new("Compositor", "CompositorNodeTree")
        scene.compositing_node_group = tree
        tree.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
        tree.nodes.new("NodeGroupOutput")
    else:
        scene.use_nodes = True
        tree = scene.node_tree
        tree.nodes.clear()
        tree.nodes.new("CompositorNodeComposite")
    form = scene.render.image_settings
    form.file_format = "OPEN_EXR"
    form.color_depth = "32"
    form.color_mode = "RGBA"
    form.exr_codec = "NONE"
    return tree


def image_node(tree: Any, path: str | Path, frames: int = 0) -> Any:
    """An Image node over a file, or over a sequence of so many frames from 1."""
    node = tree.nodes.new("CompositorNodeImage")
    node.image = bpy.data.images.load(str(path))
    if frames:
        node.image.source = "SEQUENCE"
        node.frame_duration, node.frame_start, node.frame_offset = frames, 1, 0
    return node


def output(tree: Any) -> Any:
    """The socket that a render shows."""
    kinds = ("NodeGroupOutput", "CompositorNodeComposite")
    return next(node for node in tree.nodes if node.bl_idname in kinds).inputs[0]


def soft(tree: Any, source: Any = None) -> Any:
    """A Soft Color Segment node with something linked in."""
    node = tree.nodes.new("CompositorNodeSoftColorSegment")
    if source is not None:
        tree.links.new(source, node.inputs["Image"])
    return node


def with_layers(folder: Path) -> tuple[Any, Any]:
    """A tree, and a node in it whose layers are those of a folder with ``layers.npy``, ``image.exr`` and
    ``palette.json``; no render changes them."""
    from soft_color_segment import batch, passes

    bpy.app.handlers.render_pre.remove(batch.on_render_pre)
    pixels = np.load(folder / "layers.npy")
    tree = compositor(pixels.shape[2], pixels.shape[1])
    picture = image_node(tree, folder / "image.exr")
    picture.image.alpha_mode = "PREMUL"
    node = soft(tree, picture.outputs["Image"])
    node.colors = len(pixels)
    for entry, color in zip(node.palette, json.loads((folder / "palette.json").read_text()), strict=True):
        entry.color = color
    for image, each in zip(passes.images(node), pixels, strict=True):
        passes.fill(image, each)
    return tree, node


def press(name: str, node: Any, **properties: Any) -> set[str]:
    """Presses a button of a node."""
    return getattr(bpy.ops.soft_color_segment, name)(node=node.uid, **properties)


def rendered(tree: Any, socket: Any, name: str, frame: int = 1) -> Any:
    """What a socket gives in a render of a frame: (H, W, 4) float32, upper row first."""
    from soft_color_segment import exr

    scene = bpy.context.scene
    tree.links.new(socket, output(tree))
    scene.frame_set(frame)
    scene.render.filepath = str(Path.cwd() / f"{name}.exr")
    bpy.ops.render.render(write_still=True)
    return np.moveaxis(exr.read(Path(scene.render.filepath), "RGBA"), 0, -1)


def layers(tree: Any, node: Any, frame: int = 1) -> Any:
    """The layers of a node, each rendered for itself."""
    return np.stack([rendered(tree, socket, "layer", frame) for socket in list(node.outputs)[1:-2]])


def add(tree: Any, first: Any, second: Any) -> Any:
    """The sum of two sockets; its alpha is that of the first."""
    if NEW:
        mix = tree.nodes.new("ShaderNodeMix")
        mix.data_type, mix.blend_type = "RGBA", "ADD"
        inputs, result = (mix.inputs[0], mix.inputs[6], mix.inputs[7]), mix.outputs[2]
    else:
        mix = tree.nodes.new("CompositorNodeMixRGB")
        mix.blend_type = "ADD"
        inputs, result = tuple(mix.inputs), mix.outputs[0]
    inputs[0].default_value = 1.0
    tree.links.new(first, inputs[1])
    tree.links.new(second, inputs[2])
    return result


def total(tree: Any, node: Any) -> Any:
    """The sum of all layers of a node, by nodes."""
    first, *others = list(node.outputs)[1:-2]
    for other in others:
        first = add(tree, first, other)
    return first


def error(found: Any, wanted: Any) -> float:
    """The largest difference, relative to the pixel's largest channel or 1."""
    scale = np.maximum(1.0, np.abs(wanted).max(axis=-1, keepdims=True))
    return float((np.abs(found - wanted) / scale).max())


def group(name: str) -> tuple[Any, Any, Any]:
    """A node group with an input and an output: its tree, and the nodes inside that stand for the two."""
    tree = bpy.data.node_groups.new(name, "CompositorNodeTree")
    tree.interface.new_socket("Image", in_out="INPUT", socket_type="NodeSocketColor")
    tree.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
    return tree, tree.nodes.new("NodeGroupInput"), tree.nodes.new("NodeGroupOutput")


def group_node(tree: Any, shown: Any, source: Any = None) -> Any:
    """A node that shows a group, with something linked in."""
    node = tree.nodes.new("CompositorNodeGroup")
    node.node_tree = shown
    if source is not None:
        tree.links.new(source, node.inputs[0])
    return node


def scene_tree(scene: Any) -> Any:
    """The tree that composites a scene."""
    return scene.compositing_node_group if NEW else scene.node_tree


def write_to(node: Any, folder: Path) -> None:
    """Has a File Output node write 32 bit EXR into a folder."""
    if NEW:
        node.directory = str(folder)
        node.file_name = "out_"
        node.file_output_items.clear()
        node.file_output_items.new("RGBA", "Image")
        node.format.media_type = "IMAGE"
    else:
        node.base_path = str(folder)
    node.format.file_format = "OPEN_EXR"
    node.format.color_depth = "32"
    node.format.exr_codec = "NONE"
    node.format.color_mode = "RGBA"


def written(folder: Path) -> Any:
    """The one file in a folder: (H, W, 4) float32, upper row first."""
    from soft_color_segment import exr

    (file,) = folder.glob("*.exr")
    return np.moveaxis(exr.read(file, "RGBA"), 0, -1)


def kill_when_at_work(worker: Any) -> None:
    """Ends an engine's process in the middle of its next work, as a system short of memory does."""

    def kill() -> None:
        while not worker._calls:
            time.sleep(0.001)
        os.kill(worker._process.pid, signal.SIGKILL)

    threading.Thread(target=kill, daemon=True).start()
