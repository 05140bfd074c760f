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
from soft_color_segment import controls, passes, recoloring, views
from soft_color_segment.maker import PREFIX
from soft_color_segment.properties import HAS_COLOR, edit

folder = Path(sys.argv[1])
tree, node = t.with_layers(folder)


def reset() -> None:
    """All at rest."""
    for parameter in recoloring.EDIT_PARAMETERS:
        numbers = range(1, node.colors + 1)
        for name in [edit(parameter.name, each) for each in numbers] if parameter.per_layer else [parameter.name]:
            node.property_unset(name)
    for number in numbers:
        node.property_unset(edit(HAS_COLOR, number))
    recoloring.fit(node)


def choose(look: dict[str, Any]) -> None:
    """A look, as an artist sets it."""
    for number, edits in look["layers"].items():
        for name, value in edits.items():
            setattr(node, edit(name, int(number)), value)
            if name == "color":
                setattr(node, edit(HAS_COLOR, int(number)), True)
    for name in ("opacity_shows", "strength"):
        if name in look:
            setattr(node, name, look[name])


def inside() -> int:
    return sum(inner.name.startswith(PREFIX) for inner in node.node_tree.nodes)


def mixes() -> int:
    return sum("Mix" in inner.bl_idname for inner in node.node_tree.nodes)


found: dict[str, Any] = {"inside": [], "mixes": [], "needed": []}
wanted = t.rendered(tree, node.outputs["Combined"], "image")
found["rest"] = [bool((t.rendered(tree, node.outputs["Recolored"], "rest") == wanted).all()), inside()]
prints = [controls.described(node, 1)]
for number, look in enumerate(json.loads((folder / "looks.json").read_text())):
    reset()
    choose(look)
    np.save(folder / f"{number}.npy", t.rendered(tree, node.outputs["Recolored"], "recolored"))
    found["inside"].append(inside())
    found["mixes"].append(mixes())
    found["needed"].append(sorted(views.needed(node)))
prints.append(controls.described(node, 1))
found["described"] = prints[0] != prints[1]
began = time.perf_counter()
for step in range(10):
    node.edit1_hue = float(step)
found["seconds a change"] = (time.perf_counter() - began) / 10

# An image that lies elsewhere than its layers stays there; these change nothing
reset()
moved = tree.nodes.new("CompositorNodeTranslate")
next(socket for socket in moved.inputs if socket.name == "X").default_value = 9.0
source = node.inputs["Image"].links[0].from_socket
tree.links.new(source, moved.inputs["Image"])
tree.links.new(moved.outputs["Image"], node.inputs["Image"])
bpy.context.scene.render.resolution_x *= 2
wanted_there = t.rendered(tree, node.outputs["Recolored"], "moved")
held = [np.array(image.pixels[:], np.float32) for image in passes.images(node)]
passes.paint(node, passes.NOTHING)
node.edit1_exposure = 1.0
there = t.rendered(tree, node.outputs["Recolored"], "moved")
found["moved"] = [bool((there == wanted_there).all()), inside() > 0]
for image, pixels in zip(passes.images(node), held, strict=True):
    image.pixels.foreach_set(pixels)
    image.update()
bpy.context.scene.render.resolution_x //= 2
tree.links.new(source, node.inputs["Image"])
node.edit1_hue = 1.0
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
