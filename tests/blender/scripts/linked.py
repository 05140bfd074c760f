"""A group with a node of ours in a library, and a shot that links it. ``linked.py WHAT PICTURE LIBRARY SHOT``.

The group's own chain makes the photograph brighter by twice the frame. ``make`` writes both files; the others are done
with the shot, but for ``fill library``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import bpy
import numpy as np
import tree as t
from soft_color_segment import batch, files, passes, trees, ui

FRAMES = (1, 2)
what, picture = sys.argv[1], sys.argv[2]
library, shot = Path(sys.argv[3]) / "library.blend", Path(sys.argv[4]) / "shot.blend"


def ours() -> Any:
    """The one node of ours in the file."""
    (found,) = trees.all_nodes()
    return found


def make() -> None:
    """Both files. The palette is not chosen, so the cache of the library has it."""
    tree = t.compositor()
    bpy.context.scene.name = "Library scene"
    shown, _, leave = t.group("Layers")
    photo = t.image_node(shown, picture).outputs["Image"]
    exposure = shown.nodes.new("CompositorNodeExposure")
    for frame in FRAMES:
        exposure.inputs[1].default_value = frame
        exposure.inputs[1].keyframe_insert("default_value", frame=frame)
    shown.links.new(photo, exposure.inputs[0])
    soft = t.soft(shown, exposure.outputs[0])
    soft.name, soft.colors = "Soft", 3
    shown.links.new(t.total(shown, soft), leave.inputs[0])
    tree.links.new(t.group_node(tree, shown).outputs[0], t.output(tree))
    bpy.context.scene.frame_start, bpy.context.scene.frame_end = FRAMES
    bpy.ops.wm.save_as_mainfile(filepath=str(library))

    bpy.ops.wm.read_factory_settings(use_empty=True)
    tree = t.compositor()
    shown = bring(link=True)
    tree.links.new(t.group_node(tree, shown).outputs[0], t.output(tree))
    bpy.context.scene.frame_start, bpy.context.scene.frame_end = FRAMES
    bpy.ops.wm.save_as_mainfile(filepath=str(shot))


def bring(*, link: bool) -> Any:
    """The group, linked or appended."""
    with bpy.data.libraries.load(str(library), link=link, relative=link) as (_, target):
        target.node_groups = ["Layers"]
    return target.node_groups[0]


def errors(scene: Any) -> list[float]:
    """Renders all frames; how far each is from the photograph, made brighter."""
    from soft_color_segment import srgb

    scene.render.filepath = str(shot.parent / "out_####")
    form = scene.render.image_settings
    form.file_format, form.color_depth, form.color_mode = "OPEN_EXR", "32", "RGBA"
    bpy.ops.render.render(animation=True, scene=scene.name)
    image = bpy.data.images.load(picture)
    pixels = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(pixels)
    plain = srgb.linear(pixels.reshape(*reversed(tuple(image.size)), 4)[::-1, :, :3])
    found = []
    for frame in FRAMES:
        from soft_color_segment import exr

        given = np.moveaxis(exr.read(shot.parent / f"out_{frame:04d}.exr", "RGB"), 0, -1)
        found.append(t.error(given, plain * 2.0**frame))
    return found


def said(name: str, button: Any, **properties: Any) -> str:
    """What a button says that fails."""
    try:
        t.press(name, button, **properties)
    except RuntimeError as error:
        return str(error)
    return ""


if what == "make":
    make()
    sys.exit()
if what == "fill library":
    bpy.ops.wm.open_mainfile(filepath=str(library))
    report({"status": batch.command([])})  # noqa: F821  # given by drive.py
elif what == "save library":
    bpy.ops.wm.open_mainfile(filepath=str(library))
    batch.command([])
    bpy.ops.wm.save_mainfile()
elif what == "render scene":
    bpy.ops.wm.read_factory_settings(use_empty=True)
    with bpy.data.libraries.load(str(library), link=True) as (_, target):
        target.scenes = ["Library scene"]
    report(errors(target.scenes[0]))  # noqa: F821
elif what == "append":
    tree = t.compositor()
    bpy.ops.wm.save_as_mainfile(filepath=str(shot))
    groups = [bring(link=False) for _ in range(2)]
    nodes = [t.group_node(tree, group) for group in groups]
    files.on_settling()
    softs = [group.nodes["Soft"] for group in groups]
    result = {
        "uids": len({soft.uid for soft in softs}),
        "trees": len({soft.node_tree.as_pointer() for soft in softs}),
        "status": ui.status(softs[0])[0],
        "shown": float(np.max(np.array(passes.images(softs[0])[0].pixels[:]))),
    }
    bpy.ops.wm.save_mainfile()
    result["kept"] = len(list((shot.parent / "scs_cache" / softs[0].uid).glob("*.exr")))
    softs[1].colors = 2
    batch.fill(bpy.context.scene, FRAMES)
    bpy.context.scene.frame_start, bpy.context.scene.frame_end = FRAMES
    tree.links.new(nodes[0].outputs[0], t.output(tree))
    result["errors"] = errors(bpy.context.scene)
    report(result)  # noqa: F821
else:
    bpy.ops.wm.open_mainfile(filepath=str(shot))
    if what == "fill":
        report({"status": batch.command([])})  # noqa: F821
    elif what == "render":
        report(errors(bpy.context.scene))  # noqa: F821
    else:
        buttons = ("segment", "auto_palette", "freeze", "preset", "clear_cache")
        found = {"status": ui.status(ours())[0]}
        found |= {name: said(name, ours()) for name in buttons}
        report(found)  # noqa: F821
