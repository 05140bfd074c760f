"""A render that shows no layers of the node in the tree, which has none in its cache. ``unused.py WHY``."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import bpy
import tree as t
from soft_color_segment import upstream

why = sys.argv[1]
tree = t.compositor(32, 24)
scene = bpy.context.scene
color = tree.nodes.new("CompositorNodeRGB").outputs[0]

if "group" in why:
    inner, entry, leave = t.group("Group")
    node = t.soft(inner, entry.outputs[0])
    inner.links.new(node.outputs[1], leave.inputs[0])
    group = t.group_node(tree, inner, color)
    group.mute = "muted" in why
    tree.links.new(group.outputs[0], t.output(tree))
    if "writer" in why:
        writer = inner.nodes.new("CompositorNodeOutputFile")
        t.write_to(writer, Path.cwd() / "written")
        inner.links.new(node.outputs[1], writer.inputs[0])
else:
    node = t.soft(tree, color)
    shown = node.outputs["Combined"] if why in ("viewer", "muted link of a layer") else node.outputs[1]
    link = tree.links.new(shown, t.output(tree))
    if why == "viewer":
        tree.links.new(node.outputs[1], tree.nodes.new("CompositorNodeViewer").inputs[0])
        tree.links.new(color, t.output(tree))
    elif why == "muted link":
        link.is_muted = True
    elif why == "muted link of a layer":
        tree.links.new(node.outputs[1], tree.nodes.new("CompositorNodeBlur").inputs[0]).is_muted = True
    elif why == "no compositing":
        scene.render.use_compositing = False
        bpy.ops.object.camera_add()
        scene.camera = bpy.context.object
        scene.render.engine = "CYCLES"
        scene.cycles.samples, scene.cycles.use_denoising, scene.cycles.device = 1, False, "CPU"
scene.render.filepath = str(Path.cwd() / "out.exr")
bpy.ops.render.render(write_still=True)
report([len(upstream.ours_in_render(scene)), Path(scene.render.filepath).is_file()])  # noqa: F821  # by drive.py
