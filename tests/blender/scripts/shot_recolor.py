"""A shot recolored from nothing, action by action as an artist does it: ``shot_recolor.py FOLDER``, with ten frames
``plate_0001.png`` and on. The renders are ``out_0001.npy`` and on, the layers of the last frame ``layers.npy``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import bpy
import numpy as np
import tree as t
from soft_color_segment import cache, exr, freshness, recoloring

folder = Path(sys.argv[1])
FRAMES = 10
actions: list[str] = []


def act(what: str, result: Any = None) -> Any:
    """One action of the artist."""
    actions.append(what)
    return result


scene = bpy.context.scene
scene.frame_start, scene.frame_end = 1, FRAMES
tree = act("New", t.compositor(80, 60))
picture = act("Add > Input > Image, Open, all frames", t.image_node(tree, folder / "plate_0001.png", FRAMES))
node = act("Add > Color > Soft Color Segment", t.soft(tree))
act("connect Image to Image", tree.links.new(picture.outputs["Image"], node.inputs["Image"]))
act("connect Recolored to the output", tree.links.new(node.outputs["Recolored"], t.output(tree)))
act("save", bpy.ops.wm.save_as_mainfile(filepath=str(folder / "shot.blend")))
act("Fill Cache", t.press("fill_cache", node))
reddest = max(range(node.colors), key=lambda place: node.palette[place].color[0] - node.palette[place].color[2])
act("choose the layer under Recolor", setattr(node, "recolor_layer", reddest + 1))
act("turn on New Color", setattr(node, f"edit{node.recolor_layer}_has_color", True))
act("choose the color", setattr(node, f"edit{node.recolor_layer}_color", (0.1, 0.2, 0.8)))
scene.render.filepath = str(folder / "out_####.exr")
act("Render Animation", bpy.ops.render.render(animation=True))

for file in folder.glob("out_*.exr"):
    np.save(file.with_suffix(".npy"), np.moveaxis(exr.read(file, "RGBA"), 0, -1))
layers = cache.load(freshness.checked_file(node, FRAMES))
np.save(folder / "layers.npy", layers)
(folder / "palette.json").write_text(json.dumps([list(entry.color) for entry in node.palette]))
edits = {number: edit.changed for number, edit in recoloring.look_of(node).layers.items()}
report({"actions": actions, "edits": edits})  # noqa: F821  # given by drive.py
