"""A .blend with a shot of three frames, or what is done with it: ``frames.py WHAT FOLDER …``.

WHAT is ``make``, ``fill``, ``edit``, ``render``, ``freeze`` or ``killed``: rendered while the engine is killed.
``make`` takes a kind: ``sequence`` (linked straight in, palette chosen), ``chain`` (through another node) or ``open``
(through another node, no palette). The render writes ``FOLDER/sum_####.exr``, the layers added up by nodes.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import bpy
import numpy as np
import tree as t
from soft_color_segment import batch, engine, exr

FRAMES = (1, 2, 3)
what, folder = sys.argv[1], Path(sys.argv[2])
blend = folder / "shot.blend"


def plate(frame: int) -> Path:
    """The file of a frame."""
    return folder / f"plate_{frame:04d}.exr"


def soft_node() -> Any:
    """The node of the loaded file."""
    return batch.nodes_of_scene(bpy.context.scene)[0]


def make(kind: str) -> None:
    """Plates that differ, and the .blend."""
    generator = np.random.default_rng(7)
    for frame in FRAMES:
        planes = {channel: generator.random((24, 32)).astype(np.float32) * frame for channel in "RGB"}
        exr.write(plate(frame), planes, {})
    tree = t.compositor(32, 24)
    scene = bpy.context.scene
    scene.frame_start, scene.frame_end = FRAMES[0], FRAMES[-1]
    source = t.image_node(tree, plate(1), len(FRAMES)).outputs["Image"]
    if kind != "sequence":
        brighter = tree.nodes.new("CompositorNodeExposure")
        brighter.inputs[1].default_value = 1.0
        tree.links.new(source, brighter.inputs[0])
        source = brighter.outputs[0]
    node = t.soft(tree, source)
    node.colors = 3
    node.name = "Soft"
    tree.links.new(t.total(tree, node), t.output(tree))
    if kind != "open":
        t.press("auto_palette", node)
    scene.render.filepath = str(folder / "sum_####")
    bpy.ops.wm.save_as_mainfile(filepath=str(blend))


if what == "make":
    make(sys.argv[3])
    sys.exit()
bpy.ops.wm.open_mainfile(filepath=str(blend))
if what == "fill":
    report({"status": batch.command(sys.argv[3:])})  # noqa: F821  # given by drive.py
elif what == "edit":
    soft_node().minimum_alpha = 0.3
    bpy.ops.wm.save_mainfile()
elif what == "killed":
    t.kill_when_at_work(engine.connect(None))
    bpy.ops.render.render(animation=True)
elif what == "freeze":
    pressed = t.press("freeze", soft_node())
    bpy.ops.wm.save_mainfile()
    tree = bpy.context.scene.compositing_node_group if t.NEW else bpy.context.scene.node_tree
    report({"pressed": sorted(pressed), "nodes": [node.bl_idname for node in tree.nodes]})  # noqa: F821
else:
    bpy.ops.render.render(animation=True)
    factor = 1.0 if soft_node().inputs["Image"].links[0].from_node.bl_idname == "CompositorNodeImage" else 2.0
    errors, means = [], []
    for frame in FRAMES:
        wanted = np.moveaxis(exr.read(plate(frame), "RGB"), 0, -1) * factor
        given = np.moveaxis(exr.read(folder / f"sum_{frame:04d}.exr", "RGB"), 0, -1)
        errors.append(t.error(given, wanted))
        means.append(float(given.mean()))
    report({"errors": errors, "means": means})  # noqa: F821
