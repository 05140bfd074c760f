"""Renders a strip whose compositor modifier has the node in it: ``sequencer.py PHOTO OUTPUT``. Blender 5.1 or newer."""

from __future__ import annotations

import sys
from typing import Any

import bpy

photo, output = sys.argv[sys.argv.index("--") + 1 :]
scene: Any = bpy.context.scene
scene.render.resolution_x, scene.render.resolution_y = 40, 30
scene.frame_start = scene.frame_end = 1
strip = scene.sequence_editor_create().strips.new_image("Photo", photo, 1, 1)
tree: Any = bpy.data.node_groups.new("Look", "CompositorNodeTree")
tree.interface.new_socket("Image", in_out="INPUT", socket_type="NodeSocketColor")
tree.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
entry, leave = tree.nodes.new("NodeGroupInput"), tree.nodes.new("NodeGroupOutput")
node = tree.nodes.new("CompositorNodeSoftColorSegment")
tree.links.new(entry.outputs[0], node.inputs["Image"])
tree.links.new(node.outputs["Layer 1"], leave.inputs[0])
strip.modifiers.new("Look", "COMPOSITOR").node_group = tree
try:
    bpy.ops.soft_color_segment.segment(node=node.uid)
except RuntimeError as error:
    print("SEGMENT", error)
scene.render.filepath = output
bpy.ops.render.render(write_still=True)
