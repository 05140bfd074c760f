"""*Add Recolor Tree* with given layers and looks: ``recolor_tree.py FOLDER``, with the files of ``recoloring.py``.

For each look, what its tree gives is written as ``0.npy`` and on, and with another hue of layer 1 set in the tree as
``0_turned.npy`` and on.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
import tree as t
from soft_color_segment.properties import HAS_COLOR, edit

folder = Path(sys.argv[1])
tree, node = t.with_layers(folder)
found: dict[str, Any] = {"relinked": [], "labels": []}
for number, look in enumerate(json.loads((folder / "looks.json").read_text())):
    for layer, edits in look["layers"].items():
        for name, value in edits.items():
            setattr(node, edit(name, int(layer)), value)
        setattr(node, edit(HAS_COLOR, int(layer)), "color" in edits)
    node.strength = look.get("strength", 1.0)
    tree.links.new(node.outputs["Recolored" if number % 2 else "Combined"], t.output(tree))
    t.press("add_recolor_tree", node)
    (link,) = t.output(tree).links
    made = link.from_node
    found["relinked"].append(made.bl_idname)
    np.save(folder / f"{number}.npy", t.rendered(tree, made.outputs[0], "tree"))
    inner = [each for each in made.node_tree.nodes if each.bl_idname == "CompositorNodeGroup"]
    found["labels"].append([each.label for each in inner])
    inner[0].inputs["Hue"].default_value += 40.0
    np.save(folder / f"{number}_turned.npy", t.rendered(tree, made.outputs[0], "tree"))
    for layer, edits in look["layers"].items():
        for name in edits:
            node.property_unset(edit(name, int(layer)))
        node.property_unset(edit(HAS_COLOR, int(layer)))
found["outputs"] = [socket.name for socket in node.outputs][1:-2]
t.press("show_layer", node, number=3)
(viewer,) = (each for each in tree.nodes if each.bl_idname == "CompositorNodeViewer")
found["viewer"] = viewer.inputs[0].links[0].from_socket.name
node.pass_mode = "OVER"
try:
    t.press("add_recolor_tree", node)
except RuntimeError as error:
    found["over"] = str(error)
report(found)  # noqa: F821  # given by drive.py
