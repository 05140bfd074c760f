# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a node into what every Blender can render: a plain group over EXR sequences, one a layer."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from . import cache, exr, passes, recoloring, segmenting, strings, views
from .copies import present
from .fscs.naming import CHANNELS
from .jobs import Progress, Routine, Task
from .sources import Sources

FOLDER = "softcolor_frozen"
RECOLORED = strings.RECOLORED[0]


def freezing(uid: str, frames: Sequence[int], progress: Progress) -> Routine:
    """Writes the passes of all frames as plain RGBA files beside the .blend and puts a group over them in the place of
    the node, with the same sockets and links; a routine. Nothing is left of it if it does not come to its end.

    Args:
        uid: of the node; it is gone afterwards.
        frames: without gaps. What is not in the cache is computed first.
        progress: is told how far it is.

    Returns:
        the name of the group's node.

    Raises:
        WorkerError: the .blend was never saved, the frames have gaps, a frame can't be had or a file can't be written.
    """
    if not bpy.data.filepath:
        raise strings.error("usage", strings.NEVER_SAVED)
    if not frames or list(frames) != list(range(frames[0], frames[-1] + 1)):
        raise strings.error("usage", strings.FRAMES_WITH_GAPS)
    node = present(uid)
    segmenting.check(node, frames[0])
    _check_view(node)
    over, whole = node.pass_mode == "OVER", Path(bpy.data.filepath).parent / FOLDER
    colors, still = node.colors, Sources.of(node, frames[0]).still
    frames = frames[:1] if still else frames
    shown: dict[Path, int] = {}
    temporary = whole / f".{uid}.{os.getpid()}.part"
    try:
        for number, frame in enumerate(frames):
            part = strings.FRAME_OF.format(frame=frame, number=number + 1, count=len(frames))
            progress.start_part(part, number, len(frames))
            path, _ = yield from segmenting.kept(uid, frame)
            first = shown.setdefault(path, frame)
            if first == frame:
                yield Task(partial(_write_frame, temporary, frame, path, over), strings.WRITING_FILES)
            else:
                _name_again(temporary, first, frame, colors)
        node = present(uid)
        folder = _put(temporary, whole, f"{_plain(node.name)}_{uid}")
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    tree = node.id_data
    frozen = tree.nodes.new("CompositorNodeGroup")
    names = [socket.name for socket in [node.outputs[0], *passes.layer_sockets(node)]]
    frozen.node_tree = _group(node.name, names, frames, folder, still=still)
    if recoloring.shown(node) and not over:
        _recolor(frozen.node_tree, node)
    _take_place(tree, node, frozen)
    name = node.name
    tree.nodes.remove(node)
    frozen.name = name
    return frozen.name


def _check_view(node: Any) -> None:
    """A picture is not lost without a word: the group has no View."""
    for socket in node.outputs:
        for link in socket.links if socket.name == strings.VIEW[0] else ():
            if link.to_node.bl_idname != views.VIEWER:
                raise strings.error("usage", strings.VIEW_NOT_FROZEN, name=link.to_node.name)


def _name_again(folder: Path, first: int, frame: int, colors: int) -> None:
    """A frame that shows what another one does is another name for its files."""
    for number in range(colors + 1):
        cache.second_name(folder / _file(number, first), folder / _file(number, frame))


def _write_frame(folder: Path, frame: int, kept: Path, over: bool, *_: Any) -> None:
    layers = cache.load(kept)
    shown = passes.over(layers) if over else layers
    try:
        for number, pixels in enumerate([np.sum(layers, axis=0, dtype=np.float32), *shown]):
            path = folder / _file(number, frame)
            exr.write(path, dict(zip(CHANNELS, np.moveaxis(pixels, -1, 0), strict=True)), {})
    except OSError as error:
        raise strings.error("output", strings.FOLDER_UNWRITABLE, folder=folder, error=error.strerror) from error


def _put(temporary: Path, folder: Path, name: str) -> Path:
    """Gives the files their place; what was frozen before stays, as another .blend may show it."""
    number, place = 1, folder / name
    while place.exists():
        number += 1
        place = folder / f"{name}_{number}"
    try:
        temporary.rename(place)
    except OSError as error:
        raise strings.error("output", strings.FOLDER_NOT_MADE, folder=place, error=error.strerror) from error
    return place


def _group(name: str, names: Sequence[str], frames: Sequence[int], folder: Path, *, still: bool) -> Any:
    tree: Any = bpy.data.node_groups.new(f"{name} (frozen)", "CompositorNodeTree")
    tree.interface.new_socket("Image", in_out="INPUT", socket_type="NodeSocketColor")
    tree.interface.new_socket("Mask", in_out="INPUT", socket_type="NodeSocketFloat")
    tree.nodes.new("NodeGroupInput").location = (-300, 0)
    output = tree.nodes.new("NodeGroupOutput")
    output.location = (300, 0)
    for number, socket in enumerate(names):
        tree.interface.new_socket(socket, in_out="OUTPUT", socket_type="NodeSocketColor")
        inner = tree.nodes.new("CompositorNodeImage")
        inner.location = (0, -40 * number)
        inner.hide = True
        path = folder / _file(number, frames[0])
        image: Any = bpy.data.images.load(bpy.path.relpath(str(path)))
        image.source = "FILE" if still else "SEQUENCE"
        image.colorspace_settings.name = "Non-Color"
        image.alpha_mode = "PREMUL"
        inner.image = image
        if not still:
            inner.frame_start, inner.frame_duration = frames[0], len(frames)
            inner.frame_offset = frames[0] - 1
            inner.use_auto_refresh = True
        tree.links.new(inner.outputs["Image"], output.inputs[number])
    return tree


def _recolor(tree: Any, node: Any) -> None:
    """The group recolors the image as the node did."""
    tree.interface.new_socket(RECOLORED, in_out="OUTPUT", socket_type="NodeSocketColor")
    leave = passes.end_of(tree, "NodeGroupOutput")
    image, *layers = [leave.inputs[number].links[0].from_socket for number in range(node.colors + 1)]
    result, _ = recoloring.build(node, tree, image, dict(enumerate(layers, 1)), recoloring.looks_of(node))
    tree.links.new(result, leave.inputs[node.colors + 1])


def _take_place(tree: Any, node: Any, frozen: Any) -> None:
    """Looks, place and links of the node."""
    frozen.location, frozen.width, frozen.label = node.location, node.width, node.label or node.name
    frozen.parent = node.parent
    for link in [link for link in tree.links if link.to_node == node]:
        tree.links.new(link.from_socket, frozen.inputs[link.to_socket.name])
    numbers = {socket.identifier: number for number, socket in enumerate(node.outputs)}
    for link in [link for link in tree.links if link.from_node == node]:
        number = numbers[link.from_socket.identifier]
        if number <= node.colors:
            tree.links.new(frozen.outputs[number], link.to_socket)
        elif link.from_socket.name == RECOLORED:  # stacked layers are not recolored
            tree.links.new(frozen.outputs.get(RECOLORED) or frozen.outputs[0], link.to_socket)


def _file(number: int, frame: int) -> str:
    return f"{'combined' if number == 0 else f'layer{number}'}_{frame:04d}.exr"


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_") or "node"
