"""Makes two .blends of a shot of three frames: ``shot.py PHOTO FOLDER``.

Both render the photograph, inverted, and in each frame a bit darker: ``plain.blend`` as it is, ``shot.blend`` through
the layers of Soft Color Segment, put over each other again.
"""

from __future__ import annotations

import sys
from pathlib import Path

import bpy

photo, folder = sys.argv[sys.argv.index("--") + 1 :]
scene = bpy.context.scene
scene.frame_start, scene.frame_end = 1, 3
scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = 160, 120, 100
scene.render.compositor_device = "CPU"  # there may be no graphics card
form = scene.render.image_settings
form.file_format, form.color_depth, form.color_mode, form.exr_codec = "OPEN_EXR", "32", "RGBA", "ZIP"

if hasattr(scene, "compositing_node_group"):
    tree = scene.compositing_node_group = bpy.data.node_groups.new("Compositor", "CompositorNodeTree")
    tree.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
    output = tree.nodes.new("NodeGroupOutput").inputs[0]
else:
    scene.use_nodes = True
    tree = scene.node_tree
    tree.nodes.clear()
    output = tree.nodes.new("CompositorNodeComposite").inputs[0]

picture = tree.nodes.new("CompositorNodeImage")
picture.image = bpy.data.images.load(photo)
darker = tree.nodes.new("CompositorNodeExposure")
exposure = darker.inputs["Exposure"]
for frame in (1, 2, 3):
    exposure.default_value = -0.7 * frame
    exposure.keyframe_insert("default_value", frame=frame)
invert = tree.nodes.new("CompositorNodeInvert")
tree.links.new(picture.outputs["Image"], darker.inputs["Image"])
tree.links.new(darker.outputs[0], invert.inputs["Color"])
tree.links.new(invert.outputs[0], output)
bpy.ops.wm.save_as_mainfile(filepath=str(Path(folder) / "plain.blend"))

node = tree.nodes.new("CompositorNodeSoftColorSegment")
node.colors = 5
node.pass_mode = "OVER"
tree.links.new(invert.outputs[0], node.inputs["Image"])
below = node.outputs["Layer 1"]
for layer in list(node.outputs)[2:-2]:
    over = tree.nodes.new("CompositorNodeAlphaOver")
    background, foreground = (socket for socket in over.inputs if socket.type == "RGBA")
    tree.links.new(below, background)
    tree.links.new(layer, foreground)
    below = over.outputs[0]
tree.links.new(below, output)
scene.render.filepath = "//shot_"
bpy.ops.wm.save_as_mainfile(filepath=str(Path(folder) / "shot.blend"))
