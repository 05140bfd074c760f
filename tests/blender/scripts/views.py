"""What the output View shows, and that it is filled when it has to be. ``views.py PICTURE``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import bpy
import numpy as np
import tree as t
from soft_color_segment import ui, views

LIMIT = 1e-5
tree = t.compositor()
picture = t.image_node(tree, sys.argv[1])
node = t.soft(tree, picture.outputs["Image"])
node.name = "Soft"
node.colors = 3


def seen(node: Any, view: str, number: int = 1) -> Any:
    """What a render shows of a view."""
    node.view, node.view_layer = view, number
    return t.rendered(node.id_data, node.outputs["View"], "view")


def gray(alpha: Any) -> Any:
    return np.stack([alpha, alpha, alpha, np.ones_like(alpha)], axis=-1)


def same(view: str, wanted: Any, number: int = 1) -> bool:
    return t.error(seen(node, view, number), wanted) <= LIMIT


wanted = t.rendered(tree, picture.outputs["Image"], "input")
found: dict[str, Any] = {"new": same("layers", wanted), "end": node.outputs[-2].name}
t.press("segment", node)
layers = t.layers(tree, node)
found["layers"] = same("layers", wanted)
found["one layer"] = [same("one layer", layers[number - 1], number) for number in (1, 3)]
found["too high"] = same("one layer", layers[2], 9)
found["one alpha"] = [same("one alpha", gray(layers[number - 1][..., 3]), number) for number in (2, 3)]
found["recomposition"] = same("recomposition", wanted)
sheet = seen(node, "alpha sheet")
cell = gray(layers[2][..., 3].reshape(60, 2, 80, 2).mean(axis=(1, 3)))
found["sheet"] = [t.error(sheet[60:, :80], cell), float(np.abs(sheet[60:, 80:, :3]).max())]

# The error is that of the passes which the compositor has: one that was changed shows
found["small"] = float(seen(node, "error")[..., :3].max())
inner = node.node_tree.nodes["view"]
pixels = np.empty(len(inner.image.pixels), np.float32)
inner.image.pixels.foreach_get(pixels)
shifted = (pixels.reshape(-1, 4) + np.array([0.01, 0.0, 0.0, 0.0], np.float32)).ravel()
node.error_gain = 8.0
inner.image.pixels.foreach_set(shifted)
inner.image.update()
error = views_error = t.rendered(tree, node.outputs["View"], "view")
found["gain"] = [float(error[..., 0].mean()), float(error[..., 1].max()), float(error[..., 3].min())]

# Stacked layers are put over each other
node.pass_mode = "OVER"
found["over"] = same("recomposition", wanted)
found["over alpha"] = same("one alpha", gray(layers[1][..., 3]), 2)
node.pass_mode = "ADDITIVE"

# Whatever is linked when it is chosen: other layers were in the images, the view was not
tree.links.new(node.outputs[1], t.output(tree))
node.view = "recomposition"
from soft_color_segment import files  # noqa: E402

viewer = tree.nodes.new("CompositorNodeViewer")
before = len(tree.nodes)
t.press("show_view", node)
found["viewer"] = [viewer.inputs[0].links[0].from_socket.name, len(tree.nodes) - before]
found["needed"] = [sorted(views.needed(node)), sorted(files.fill_links(node) for _ in range(2))]
tree.nodes.remove(viewer)

# Kept, copied, saved and loaded; fewer and more layers leave its link
other = tree.nodes.new("NodeReroute")
tree.links.new(node.outputs["View"], other.inputs[0])
for colors in (6, 2, 3):
    node.colors = colors
found["still linked"] = [other.inputs[0].links[0].from_socket.name, node.outputs[-2].name]
t.press("segment", node)
bpy.ops.wm.save_as_mainfile(filepath=str(Path.cwd() / "views.blend"))
bpy.ops.wm.open_mainfile(filepath=str(Path.cwd() / "views.blend"))
tree = t.scene_tree(bpy.context.scene)
node = tree.nodes["Soft"]
found["loaded"] = [node.view, ui.status(node)[0], same("recomposition", wanted)]

# An inside without it, as of an earlier release
inside = node.node_tree
item = next(each for each in inside.interface.items_tree if each.name == "View")
inside.interface.remove(item)
t.ADDON.copies.expect()
t.ADDON.copies.separate()
found["mended"] = [node.outputs[-1].name, same("one layer", t.layers(tree, node)[0])]

# Frozen, it is gone, and nothing that is made of it is lost without a word
tree.links.new(node.outputs["View"], t.output(tree))
try:
    t.press("freeze", node, frames="1")
except RuntimeError as error:
    found["not frozen"] = str(error)
for frame, hue in ((1, 90.0), (11, -90.0)):
    node.edit2_hue = hue
    node.keyframe_insert("edit2_hue", frame=frame)
recolored = {frame: t.rendered(tree, node.outputs["Recolored"], "recolored", frame) for frame in (1, 9)}
t.press("add_recolor_tree", node)
outside = t.output(tree).links[0].from_node
tree.links.new(node.outputs["Recolored"], t.output(tree))
t.press("show_view", node)
found["frozen"] = sorted(t.press("freeze", node, frames="1"))
found["frozen recolors"] = t.output(tree).links[0].from_socket.name
group = tree.nodes["Soft"]
found["frozen errors"] = [
    t.error(t.rendered(tree, socket, "frozen", frame), picture)
    for frame, picture in recolored.items()
    for socket in (group.outputs["Recolored"], outside.outputs[0])
]
found["changed"] = [float(np.abs(recolored[1] - other).max()) for other in (wanted, recolored[9])]
report(found)  # noqa: F821  # given by drive.py
