# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads what flows into a node by rendering it once into a file: exact for anything that can be linked in."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from . import exr
from .fscs.protocol import WorkerError
from .node import compositor_tree

CHANNELS = ("R", "G", "B", "A")

_capturing = False


def capturing() -> bool:
    """Whether the render under way is a capture, for which nobody wants passes."""
    return _capturing


def capture(scene: Any, sockets: dict[str, Any]) -> dict[str, Any]:
    """Renders the scene's compositor at the current frame and brings back what some sockets give.

    Main thread only, as it renders. The user's own File Output nodes write nothing meanwhile.

    Args:
        scene: whose compositor tree holds the sockets.
        sockets: output sockets by names of one's own.

    Returns:
        (H, W, 4) float32, scene-linear, premultiplied, upper row first, under the same names.

    Raises:
        WorkerError: a socket is not in the scene's own tree, or nothing was written.
    """
    tree = compositor_tree(scene)
    if tree is None or any(socket.id_data != tree for socket in sockets.values()):
        raise WorkerError(
            "input",
            "what is linked in can only be rendered in the scene's own compositor tree",
            "take the node out of the group, or link an Image node straight into it",
        )
    with tempfile.TemporaryDirectory(prefix="softcolor-") as folder, _quiet(scene, tree):
        output = _file_output(tree, sockets, folder)
        try:
            bpy.ops.render.render(scene=scene.name, write_still=False)
        except RuntimeError as error:
            raise WorkerError(
                "input", f"the render of what is linked in failed ({error})", "render the frame, mend what it says"
            ) from error
        finally:
            tree.nodes.remove(output)
        found = {}
        for name in sockets:
            files = sorted(Path(folder).glob(f"*{name}*.exr"))
            if not files:
                raise WorkerError(
                    "input",
                    f"frame {scene.frame_current}: the render gave no pixels of what is linked in",
                    "render the frame, and see that the compositor and its nodes are not switched off",
                )
            try:
                planes = _planes(files[0])
            except (OSError, exr.ExrError) as error:
                raise WorkerError("input", f"the captured picture can't be read ({error})", "try again") from error
            found[name] = planes
    return found


def _planes(file: Path) -> Any:
    """(H, W, 4) of a captured file; a single value stands for all three colours."""
    names = [name for name, _ in exr.read_header(file).channels]
    if "R" in names:
        return np.ascontiguousarray(np.moveaxis(exr.read(file, CHANNELS), 0, -1))
    value = exr.read(file, [names[0]])[0]
    return np.stack([value, value, value, np.ones_like(value)], axis=-1)


def _file_output(tree: Any, sockets: dict[str, Any], folder: str) -> Any:
    node = tree.nodes.new("CompositorNodeOutputFile")
    form = node.format
    if hasattr(form, "media_type"):  # 5.0 and later
        form.media_type = "IMAGE"
    form.file_format = "OPEN_EXR"
    form.color_mode = "RGBA"
    form.color_depth = "32"
    form.exr_codec = "NONE"
    if hasattr(node, "file_output_items"):
        node.directory = folder
        node.file_name = "capture_"
        node.file_output_items.clear()
        for name in sockets:
            node.file_output_items.new("RGBA", name)
    else:
        node.base_path = folder
        node.file_slots.clear()
        for name in sockets:
            node.file_slots.new(f"capture_{name}")
    for number, socket in enumerate(sockets.values()):
        tree.links.new(socket, node.inputs[number])
    return node


@contextlib.contextmanager
def _quiet(scene: Any, tree: Any) -> Iterator[None]:
    """Nothing but the capture is written, and the compositor runs whatever the scene is set to."""
    global _capturing
    render = scene.render
    before = render.use_compositing, render.use_sequencer
    writers = [node for node in tree.nodes if node.bl_idname == "CompositorNodeOutputFile" and not node.mute]
    _capturing = True
    render.use_compositing, render.use_sequencer = True, False
    for node in writers:
        node.mute = True
    try:
        yield
    finally:
        _capturing = False
        render.use_compositing, render.use_sequencer = before
        for node in writers:
            node.mute = False
