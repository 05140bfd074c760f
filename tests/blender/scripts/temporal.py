"""Temporal smoothing and palettes of several frames: ``temporal.py WHAT FOLDER``.

WHAT is ``make``, ``fill``, ``render`` or ``look``. The shot in FOLDER, ``plate_0001.exr`` and on, is linked in straight
and through another node.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import bpy
import numpy as np
import tree as t
from soft_color_segment import batch, cache, freshness, trees, ui, window

what, folder = sys.argv[1], Path(sys.argv[2])
blend = folder / "shot.blend"
FRAMES = 5


def make() -> None:
    """Both ways in; the palette is chosen in one of them."""
    tree = t.compositor(64, 48)
    scene = bpy.context.scene
    scene.frame_start, scene.frame_end = 1, FRAMES
    source = t.image_node(tree, folder / "plate_0001.exr", FRAMES).outputs["Image"]
    same = tree.nodes.new("CompositorNodeExposure")
    tree.links.new(source, same.inputs[0])
    for name, socket in (("Straight", source), ("Chain", same.outputs[0])):
        node = t.soft(tree, socket)
        node.name, node.colors, node.temporal = name, 4, 0.5
    tree.links.new(t.total(tree, tree.nodes["Straight"]), t.output(tree))
    scene.render.filepath = str(folder / "sum_####")
    bpy.ops.wm.save_as_mainfile(filepath=str(blend))


def kept(node: Any) -> dict[str, Any]:
    """The keys in the cache and the frames that count; the layers are saved."""
    files = {frame: freshness.checked_file(node, frame) for frame in range(1, FRAMES + 1)}
    for frame, path in files.items():
        np.save(folder / f"{node.name}_{frame}.npy", cache.load(path))
    return {
        "keys": [cache.facts_of(path)["key"] for path in files.values()],
        "around": [list(window.around(node, frame)) for frame in files],
    }


if what == "make":
    make()
    sys.exit()
bpy.ops.wm.open_mainfile(filepath=str(blend))
nodes = {node.name: node for node in trees.all_nodes()}
if what == "fill":
    status = batch.command(sys.argv[3:])
    bpy.ops.wm.save_mainfile()
    palettes = {name: [list(entry.color) for entry in node.palette] for name, node in nodes.items()}
    report({"status": status, "palettes": palettes, **{name: kept(node) for name, node in nodes.items()}})  # noqa: F821
elif what == "render":
    bpy.ops.render.render(animation=True)
else:
    node = nodes["Straight"]
    bpy.context.scene.frame_set(3)
    t.press("segment", node)
    before = ui.status(node)[0]
    node.temporal = 0.0
    alone = [ui.status(node)[0], list(window.around(node, 3))]
    t.press("segment", node)
    single = freshness.checked_file(node, 3)
    t.press("range_palette", node)
    ranged = [list(entry.color) for entry in node.palette]
    t.press("auto_palette", node)
    current = [list(entry.color) for entry in node.palette]
    held = node.inputs["Image"].links[0].from_node
    node.temporal, held.frame_duration = 1.0, 4
    found = {"status": [before, *alone], "file": str(single), "ranged": ranged, "current": current}
    found["ends"] = [list(window.around(node, frame)) for frame in (1, 4, 6)]
    found["spread"] = [window.palette_frames(node, list(range(1, last))) for last in (4, 20)]
    report(found)  # noqa: F821
