"""Auto Palette, locks and palette files. ``palette.py PICTURE``."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import bpy
import tree as t
from soft_color_segment import pick

tree = t.compositor()
node = t.soft(tree, t.image_node(tree, sys.argv[1]).outputs["Image"])
node.colors = 5
node.palette[0].color = (1.0, 0.0, 0.25)
node.palette[0].label = "Rosé"
node.palette[0].locked = True
t.press("auto_palette", node)
first = [list(entry.color) for entry in node.palette]
found = {
    "locked kept": first[0] == [1.0, 0.0, 0.25] and node.palette[0].locked and node.palette[0].label == "Rosé",
    "found": len({tuple(color) for color in first}),
    "files": {},
    "names": [],
}
for ending in (".json", ".gpl", ".txt"):
    path = str(Path.cwd() / f"my palette é{ending}")
    t.press("export_palette", node, filepath=path)
    for entry in node.palette:
        entry.color, entry.label = (0.5, 0.5, 0.5), ""
    t.press("import_palette", node, filepath=path)
    same = sum(
        max(abs(a - b) for a, b in zip(entry.color, color, strict=True)) < 0.003
        for entry, color in zip(node.palette, first, strict=True)
    )
    found["files"][ending] = same
    found["names"].append(node.palette[0].label == "Rosé")
two = Path.cwd() / "two.txt"
two.write_text("#102030\n#ffeedd\n")
t.press("import_palette", node, filepath=str(two))
found["other colors"] = len(node.outputs) - 3
two.write_text("nonsense")
try:
    t.press("import_palette", node, filepath=str(two))
    found["broken"] = ""
except RuntimeError as error:
    found["broken"] = str(error)
t.press("preset", node, preset="warm")
found["preset"] = [node.smoothing, node.colors, round(node.palette[1].layer_gain, 3), len(node.outputs) - 3]
try:
    t.press("preset", node, preset="cold")
    found["no preset"] = ""
except RuntimeError as error:
    found["no preset"] = str(error)

# Saved, and taken by another node
node.softness, node.palette[2].layer_gamma = 0.25, 2.0
t.press("save_preset", node, preset="own")
other = t.soft(tree)
t.press("preset", other, preset="own")
found["saved"] = [other.smoothing, other.colors, other.softness, other.palette[2].layer_gamma, other.palette_method]
try:
    t.press("save_preset", node, preset="own")
except RuntimeError as error:
    found["saved again"] = str(error)
t.press("save_preset", node, preset="own", overwrite=True)

# Picked from a picture: what the file has, or linear values in sRGB, without the view transform
photo = node.inputs["Image"].links[0].from_node.image
linear = bpy.data.images.new("linear", 4, 2, alpha=True, float_buffer=True)
linear.pixels = [0.1, 0.2, 0.4, 0.5] * 8
found["picked"] = [pick.color_at(photo, 30, 100), pick.color_at(linear, 3, 1)]
found["backdrop"] = pick.backdrop_pixel((100, 50), (800, 600), 2.0, (10.0, 0.0), (410, 300))
try:
    pick.color_at(photo, 160, 0)
    found["beside"] = ""
except pick.WorkerError as error:
    found["beside"] = str(error)
t.press("pick_color", node, index=1, color=found["picked"][0])
found["taken"] = list(node.palette[1].color)
report(found)  # noqa: F821  # given by drive.py
