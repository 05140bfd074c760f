"""What happens to a node: K changed, copied, undone, saved, loaded, appended. ``node_life.py PICTURE``."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import bpy
import numpy as np
import tree as t
from soft_color_segment import passes

tree = t.compositor()
picture = t.image_node(tree, sys.argv[1])
node = t.soft(tree, picture.outputs["Image"])
node.name = "Soft"
node.colors = 5
scene = bpy.context.scene
found = {"outputs": [socket.name for socket in node.outputs]}
wanted = t.rendered(tree, picture.outputs["Image"], "input")
found["pressed"] = sorted(t.press("segment", node))
found["message"] = node.message
layers = t.layers(tree, node)
found["different"] = float(np.abs(layers[0] - layers[1]).max())
found["sum"] = t.error(layers.sum(0), wanted)
found["combined"] = t.error(t.rendered(tree, node.outputs["Combined"], "combined"), wanted)

node.pass_mode = "OVER"
over = t.layers(tree, node)
stacked = np.zeros_like(over[0])
for layer in over:
    stacked = layer + stacked * (1 - layer[..., 3:])
found["over"] = t.error(stacked, wanted)
node.pass_mode = "ADDITIVE"

# K changed while it is linked
reroutes = []
for number in (1, 2, 3):
    reroute = tree.nodes.new("NodeReroute")
    tree.links.new(node.outputs[number], reroute.inputs[0])
    reroutes.append(reroute)
counts = []
for colors in (8, 3, 5):
    node.colors = colors
    linked = [reroute.inputs[0].links[0].from_socket.name for reroute in reroutes if reroute.inputs[0].is_linked]
    counts.append([len(node.outputs), len(node.palette), linked])
    if colors == 8:
        found["stale"] = sys.modules["soft_color_segment.ui"].status(node)[0]
found["counts"] = counts
found["back"] = sys.modules["soft_color_segment.ui"].status(node)[0]
found["sum of what came back"] = t.error(t.layers(tree, node).sum(0), wanted)
t.press("segment", node)
found["sum after K"] = t.error(t.layers(tree, node).sum(0), wanted)

# Undo
bpy.ops.ed.undo_push(message="before")
node.colors = 2
bpy.ops.ed.undo_push(message="after")
bpy.ops.ed.undo()
scene = bpy.context.scene
tree = scene.compositing_node_group if t.NEW else scene.node_tree
node = tree.nodes["Soft"]
found["undone"] = [node.colors, len(node.outputs), len(node.palette)]
found["sum after undo"] = t.error(t.layers(tree, node).sum(0), wanted)

# A copy of the tree: the copy is given other pixels, the original keeps its own
group = tree.copy() if t.NEW else None
if group is None:
    twin_scene = scene.copy()
    group = twin_scene.node_tree
twin = group.nodes["Soft"]
bpy.context.view_layer.update()
bpy.context.scene.frame_set(2)
found["own"] = {
    "uid": twin.uid != node.uid,
    "tree": twin.node_tree != node.node_tree,
    "images": not {image.name for image in passes.images(twin)} & {image.name for image in passes.images(node)},
    "same pixels": all(
        list(a.pixels) == list(b.pixels) for a, b in zip(passes.images(twin)[:2], passes.images(node)[:2], strict=True)
    ),
}
passes.paint(twin, passes.ALARM)
found["sum beside a copy"] = t.error(t.layers(tree, node).sum(0), wanted)

# Saved, as another file, loaded
bpy.ops.wm.save_as_mainfile(filepath=str(Path.cwd() / "first file.blend"))
found["cached"] = len(list((Path.cwd() / "scs_cache" / node.uid).glob("*.exr")))
bpy.ops.wm.open_mainfile(filepath=str(Path.cwd() / "first file.blend"))
scene = bpy.context.scene
tree = scene.compositing_node_group if t.NEW else scene.node_tree
node = tree.nodes["Soft"]
found["loaded"] = [node.message, len(node.outputs)]
found["sum after load"] = t.error(t.layers(tree, node).sum(0), wanted)
found["stored"] = [round(value, 5) for value in node.palette[0].color] != [0.5, 0.5, 0.5]

# Appended into another file
if t.NEW:
    tree.name = "Soft tree"
else:
    holder = bpy.data.node_groups.new("Soft tree", "CompositorNodeTree")
    inner = holder.nodes.new("CompositorNodeSoftColorSegment")
    inner.name, inner.colors = "Soft", 5
    holder.use_fake_user = True
bpy.ops.wm.save_as_mainfile(filepath=str(Path.cwd() / "second.blend"))
bpy.ops.wm.read_factory_settings(use_empty=True)
with bpy.data.libraries.load(str(Path.cwd() / "second.blend")) as (source, target):
    target.node_groups = ["Soft tree"]
appended = bpy.data.node_groups["Soft tree"].nodes["Soft"]
found["appended"] = [len(appended.outputs), appended.colors, appended.node_tree is not None]
report(found)  # noqa: F821  # given by drive.py
