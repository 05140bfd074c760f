"""Makes two .blends of a shot in a full Blender: ``shot.py PHOTO FOLDER``.

Both render the photograph, inverted, and in each of three frames a bit darker: ``plain.blend`` as it is, ``soft.blend``
through Soft Color Segment's Combined.
"""

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
tree.links.new(invert.outputs[0], node.inputs["Image"])
tree.links.new(node.outputs["Combined"], output)
bpy.ops.wm.save_as_mainfile(filepath=str(Path(folder) / "soft.blend"))
