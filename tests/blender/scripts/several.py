"""Several nodes in one tree, one behind another, one in a nested group, one in another scene.

``several.py make|fill|render|second PICTURE FOLDER``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import bpy
import tree as t
from soft_color_segment import batch, trees

what, picture, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
blend = folder / "several.blend"
FACTORS = {"First": 2.0, "Second": 8.0, "Plain": 1.0, "Deep": 4.0, "Other": 16.0}
"""By how much the picture of a node is brighter than the photograph."""


def brighter(tree: Any, source: Any, stops: float) -> Any:
    """What comes out of an Exposure node."""
    exposure = tree.nodes.new("CompositorNodeExposure")
    exposure.inputs[1].default_value = stops
    tree.links.new(source, exposure.inputs[0])
    return exposure.outputs[0]


def add(tree: Any, name: str, colors: int, source: Any) -> Any:
    """A node of ours."""
    added = t.soft(tree, source)
    added.name, added.colors = name, colors
    return added


def make() -> None:
    """The file."""
    tree = t.compositor()
    photo = t.image_node(tree, picture).outputs["Image"]
    first = add(tree, "First", 3, brighter(tree, photo, 1.0))
    add(tree, "Second", 2, brighter(tree, first.outputs["Combined"], 2.0))
    add(tree, "Plain", 5, photo)
    inner, entry, leave = t.group("inner")
    deep = add(inner, "Deep", 4, entry.outputs[0])
    inner.links.new(t.total(inner, deep), leave.inputs[0])
    outer, outer_entry, outer_leave = t.group("outer")
    inside = t.group_node(outer, inner, brighter(outer, outer_entry.outputs[0], 2.0))
    outer.links.new(inside.outputs[0], outer_leave.inputs[0])
    t.group_node(tree, outer, photo).name = "Group"
    scene = bpy.context.scene
    scene.frame_start = scene.frame_end = 1
    other = bpy.data.scenes.new("Other scene")
    other.frame_start = other.frame_end = 1
    with bpy.context.temp_override(scene=other):
        tree = t.compositor()
        add(tree, "Other", 3, brighter(tree, t.image_node(tree, picture).outputs["Image"], 4.0))
    bpy.ops.wm.save_as_mainfile(filepath=str(blend))


def nodes_by_name() -> dict[str, Any]:
    """All nodes of ours."""
    return {each.name: each for each in trees.all_nodes()}


if what == "make":
    make()
    sys.exit()
bpy.ops.wm.open_mainfile(filepath=str(blend))
scene = bpy.data.scenes[0] if bpy.data.scenes[0].name != "Other scene" else bpy.data.scenes[1]
if what == "second":
    try:
        t.press("segment", nodes_by_name()["Second"])
    except RuntimeError as error:
        report(str(error))  # noqa: F821  # given by drive.py
    sys.exit()
if what == "fill":
    statuses = [batch.command(["--scene", each.name]) for each in (scene, bpy.data.scenes["Other scene"])]
    report({"status": max(statuses), "folders": len(list((folder / "scs_cache").iterdir()))})  # noqa: F821
    sys.exit()
# Rendered in one go: the second from the first, and all others by File Output in the same render
errors = {}
for each, names in ((scene, ["First", "Second", "Plain", "Deep"]), (bpy.data.scenes["Other scene"], ["Other"])):
    tree = t.scene_tree(each)
    photo = next(inner for inner in tree.nodes if inner.bl_idname == "CompositorNodeImage").outputs["Image"]
    for name in names:
        shown = tree.nodes["Group"].outputs[0] if name == "Deep" else t.total(tree, tree.nodes[name])
        writer = tree.nodes.new("CompositorNodeOutputFile")
        t.write_to(writer, folder / name)
        tree.links.new(shown, writer.inputs[0])
        photo_writer = tree.nodes.new("CompositorNodeOutputFile")
        t.write_to(photo_writer, folder / f"{name} wanted")
        tree.links.new(
            brighter(tree, photo, {1.0: 0, 2.0: 1, 4.0: 2, 8.0: 3, 16.0: 4}[FACTORS[name]]), photo_writer.inputs[0]
        )
    with bpy.context.temp_override(scene=each):
        bpy.ops.render.render(scene=each.name)
    for name in names:
        given, wanted = (t.written(folder / place)[..., :3] for place in (name, f"{name} wanted"))
        errors[name] = t.error(given, wanted)
uids = {each.uid for each in trees.all_nodes()}
trees = {each.node_tree.as_pointer() for each in trees.all_nodes()}
errors["own"] = 0.0 if len(uids) == len(trees) == len(FACTORS) else 1.0
report(errors)  # noqa: F821
