"""What in front of a node counts for its layers. ``upstream.py FOLDER``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import bpy
import numpy as np
import tree as t
from soft_color_segment import exr, masks, sources, trees, ui, upstream

folder = Path(sys.argv[1])
for number in (1, 2):
    plate = np.random.default_rng(number).random((24, 32)).astype(np.float32)
    exr.write(folder / f"plate_{number:04d}.exr", dict.fromkeys("RGB", plate), {})
tree = t.compositor(32, 24)
scene = bpy.context.scene
image = t.image_node(tree, folder / "plate_0001.exr")
node = t.soft(tree)
node.colors = 2
found: dict[str, Any] = {"seen": {}, "left out": {}}


def behind(*kinds: str) -> Any:
    """A node of one of some kinds, the first that there is, between the image and the node."""
    for kind in kinds:
        try:
            middle = tree.nodes.new(kind)
        except RuntimeError:  # another version has it
            continue
        color = next((socket for socket in middle.inputs if socket.type == "RGBA"), None)
        if color is not None:
            tree.links.new(image.outputs["Image"], color)
        tree.links.new(middle.outputs[0], node.inputs["Image"])
        return middle
    return None


def prints(frame: int = 1) -> tuple[str, str]:
    link = sources.link_into(node, "Image")
    return upstream.fingerprint(link, frame), upstream.glance(link, frame)


def changes(change: Callable[[], object]) -> bool:
    """Whether both kinds of prints see a change."""
    before = prints()
    change()
    bpy.context.view_layer.update()
    return all(old != new for old, new in zip(before, prints(), strict=True))


def see(name: str, change: Callable[[], object]) -> None:
    found["seen"][name] = changes(change)


def leave_out(name: str, change: Callable[[], object]) -> None:
    found["left out"][name] = not changes(change)


# Curves, ramps
curves = behind("CompositorNodeCurveRGB")
t.press("segment", node)
found["before"] = ui.status(node)[0]
see("curve", lambda: setattr(curves.mapping.curves[3].points[1], "location", (1.0, 0.3)))
found["after"] = ui.status(node)[0]
for place in range(30):
    curves.mapping.curves[0].points.new(place / 30 + 0.01, 0.5)
see("handle of a curve with many points", lambda: setattr(curves.mapping.curves[0].points[9], "handle_type", "VECTOR"))
hue = behind("CompositorNodeHueCorrect")
see("hue curve", lambda: setattr(hue.mapping.curves[1].points[0], "location", (0.0, 0.9)))
ramp = behind("CompositorNodeValToRGB", "ShaderNodeValToRGB").color_ramp
see("color ramp", lambda: setattr(ramp.elements[1], "color", (1.0, 0.0, 0.0, 1.0)))
for frame, position in ((1, 0.2), (3, 0.8)):
    ramp.elements[0].position = position
    ramp.elements[0].keyframe_insert("position", frame=frame)
first = prints()
scene.frame_set(2)
found["same wherever the timeline is"] = prints() == first
found["animated"] = prints(3) != first
scene.frame_set(1)

# Masks, clips, textures
mask = bpy.data.masks.new("Roto")
behind("CompositorNodeMask").mask = mask
see("mask layer", lambda: mask.layers.new(name="Layer"))
spline = mask.layers[0].splines.new()
see("mask points", lambda: spline.points.add(2))
see("mask point moved", lambda: setattr(spline.points[0], "co", (0.3, 0.4)))
see("mask opacity", lambda: setattr(mask.layers[0], "alpha", 0.5))
leave_out("chosen mask layer", lambda: setattr(mask.layers[0], "select", not mask.layers[0].select))
found["a mask without keys"] = [masks.keyed(mask), upstream.unwatched(node)]
window = bpy.context.window_manager.windows[0] if bpy.context.window_manager.windows else None
area = window.screen.areas[0] if window is not None else None
if area is not None:
    area.type, area.ui_type = "IMAGE_EDITOR", "IMAGE_EDITOR"
    area.spaces.active.mode, area.spaces.active.mask = "MASK", mask
    for point in spline.points:
        point.select = True
        if hasattr(point, "select_control_point"):
            point.select_control_point = True
    mask.layers[0].select = True
    for frame, place in ((1, 0.0), (5, 1.0)):
        scene.frame_set(frame)
        spline.points[0].co = (place, 0.0)
        with bpy.context.temp_override(window=window, area=area, region=area.regions[-1]):
            bpy.ops.mask.shape_key_insert()
    first = prints()
    scene.frame_set(1)
    found["a mask with keys"] = [masks.keyed(mask), upstream.unwatched(node), prints() == first, spline.points[0].co[0]]

clip = bpy.data.movieclips.load(str(folder / "plate_0001.exr"))
behind("CompositorNodeMovieClip").clip = clip
track = clip.tracking.tracks.new(name="Track", frame=1)
see("marker", lambda: setattr(track.markers[0], "co", (0.2, 0.7)))
leave_out("chosen marker", lambda: setattr(track, "select", not track.select))
see("file of a clip", lambda: (folder / "plate_0001.exr").write_bytes((folder / "plate_0002.exr").read_bytes()))
texture = behind("CompositorNodeTexture")
if texture is not None:
    texture.texture = bpy.data.textures.new("Clouds", "CLOUDS")
    see("texture", lambda: setattr(texture.texture, "noise_scale", 0.7))

# Drivers
exposure = behind("CompositorNodeExposure")
control = bpy.data.objects.new("Control", None)
scene.collection.objects.link(control)
scene["strength"] = 0.0
driver = exposure.inputs[1].driver_add("default_value").driver
variable = driver.variables.new()
variable.name, driver.expression = "strength", "strength"
target = variable.targets[0]
target.id_type, target.id, target.data_path = "SCENE", scene, '["strength"]'
see("property that drives", lambda: scene.__setitem__("strength", 1.0))
leave_out("another property", lambda: scene.__setitem__("other", 1.0))
for frame, strength in ((1, 0.0), (3, 2.0)):
    scene["strength"] = strength
    scene.keyframe_insert('["strength"]', frame=frame)
first = prints(2)
scene.frame_set(2)
found["driver same wherever the timeline is"] = prints(2) == first
see("keyframe of what drives", lambda: scene.keyframe_insert('["strength"]', frame=1))
variable.type = "TRANSFORMS"
variable.targets[0].id = control
see("object that drives", lambda: setattr(control, "location", (1.0, 0.0, 0.0)))
exposure.inputs[1].driver_remove("default_value")

# The size of the render
render = scene.render
leave_out("where a render goes", lambda: setattr(render, "filepath", "//elsewhere"))
leave_out("corner of no border", lambda: setattr(render, "border_min_x", 0.2))
see("percentage", lambda: setattr(render, "resolution_percentage", 50))
see("width", lambda: setattr(render, "resolution_x", 40))
see("pixel aspect", lambda: setattr(render, "pixel_aspect_x", 2.0))
see("border", lambda: setattr(render, "use_border", True))
see("corner of the border", lambda: setattr(render, "border_min_x", 0.1))
see("crop", lambda: setattr(render, "use_crop_to_border", True))

# Add-ons
bpy.types.Node.of_another_addon = bpy.props.IntProperty()
changed = prints()
del bpy.types.Node.of_another_addon
found["left out"]["property of an add-on"] = prints() == changed

# What no muted link brings
(link,) = exposure.inputs[0].links
link.is_muted = True
see("value behind a muted link", lambda: setattr(exposure.inputs[0], "default_value", (1.0, 0.0, 0.0, 1.0)))

# The engine reads the file: the size of the render is nothing to it
tree.links.new(image.outputs["Image"], node.inputs["Image"])
t.press("segment", node)
render.resolution_percentage = 100
found["file"] = ui.status(trees.all_nodes()[0])[0]
report(found)  # noqa: F821  # given by drive.py
