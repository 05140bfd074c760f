"""The output Recolored with given layers, for the engine to be compared with: ``recoloring.py FOLDER``.

FOLDER has ``layers.npy``, ``image.exr``, ``palette.json`` and ``looks.json``; ``0.npy`` and on are written, one a look.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import bpy
import numpy as np
import tree as t
from soft_color_segment import batch, controls, passes, recoloring, views
from soft_color_segment.properties import EDIT

bpy.app.handlers.render_pre.remove(batch.on_render_pre)  # the layers come from here
folder = Path(sys.argv[1])
layers = np.load(folder / "layers.npy")
tree = t.compositor(layers.shape[2], layers.shape[1])
picture = t.image_node(tree, folder / "image.exr")
picture.image.alpha_mode = "PREMUL"
node = t.soft(tree, picture.outputs["Image"])
node.colors = len(layers)
for entry, color in zip(node.palette, json.loads((folder / "palette.json").read_text()), strict=True):
    entry.color = color
for image, pixels in zip(passes.images(node), layers, strict=True):
    passes.fill(image, pixels)


def reset() -> None:
    """All at rest."""
    for parameter in recoloring.EDIT_PARAMETERS:
        for owner, name in (
            [(entry, EDIT + parameter.name) for entry in node.palette]
            if parameter.per_layer
            else [(node, parameter.name)]
        ):
            owner.property_unset(name)
    for entry in node.palette:
        entry.property_unset(f"{EDIT}has_color")
    recoloring.fit(node)


def choose(look: dict[str, Any]) -> None:
    """A look, as an artist sets it."""
    for number, edits in look["layers"].items():
        entry = node.palette[int(number) - 1]
        for name, value in edits.items():
            setattr(entry, EDIT + name, value)
            if name == "color":
                setattr(entry, f"{EDIT}has_color", True)
    for name in ("opacity_shows", "strength"):
        if name in look:
            setattr(node, name, look[name])


def inside() -> int:
    return sum(inner.name.startswith(recoloring.PREFIX) for inner in node.node_tree.nodes)


found: dict[str, Any] = {"inside": [], "needed": []}
wanted = t.rendered(tree, node.outputs["Combined"], "image")
found["rest"] = [bool((t.rendered(tree, node.outputs["Recolored"], "rest") == wanted).all()), inside()]
prints = [controls.described(node)]
for number, look in enumerate(json.loads((folder / "looks.json").read_text())):
    reset()
    choose(look)
    np.save(folder / f"{number}.npy", t.rendered(tree, node.outputs["Recolored"], "recolored"))
    found["inside"].append(inside())
    found["needed"].append(sorted(views.needed(node)))
prints.append(controls.described(node))
found["described"] = prints[0] != prints[1]
began = time.perf_counter()
for step in range(10):
    node.palette[0].edit_hue = float(step)
found["seconds a change"] = (time.perf_counter() - began) / 10
node.pass_mode = "OVER"
found["over"] = [inside(), recoloring.hint(node) != ""]
node.pass_mode = "ADDITIVE"
found["again"] = inside()
reset()
found["at rest again"] = [
    bool((t.rendered(tree, node.outputs["Recolored"], "rest") == wanted).all()),
    inside(),
    recoloring.hint(node),
]
report(found)  # noqa: F821  # given by drive.py
