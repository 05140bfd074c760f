"""What is rendered for the engine, and what the render leaves in the file. ``capture.py KIND``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import bpy
import numpy as np
import tree as t
from soft_color_segment import capture, exr, files, passes, sources
from soft_color_segment.fscs.protocol import WorkerError

kind = sys.argv[1]
folder = Path.cwd()
tree, scene = t.compositor(64, 48), bpy.context.scene
generator = np.random.default_rng(0)


def plate(name: str, width: int, height: int) -> Any:
    """The output of an Image node with a picture of random squares."""
    squares = generator.random((-(-height // 6), -(-width // 6), 4))
    pixels = np.kron(squares, np.ones((6, 6, 1)))[:height, :width].astype(np.float32)
    exr.write(folder / name, {channel: pixels[..., place] for place, channel in enumerate("RGB")}, {})
    return t.image_node(tree, folder / name).outputs["Image"]


def behind(name: str, source: Any, *values: float) -> Any:
    """The output of a node that a picture goes through."""
    node = tree.nodes.new(name)
    tree.links.new(source, node.inputs[0])
    for socket, value in zip(list(node.inputs)[1:], values, strict=False):
        socket.default_value = value
    return node.outputs[0]


def segmented(source: Any) -> tuple[Any, float, list[int]]:
    """A node behind a picture, by how much its layers miss the picture, and their size."""
    node = t.soft(tree, source)
    node.colors = 3
    t.press("segment", node)
    missed = t.error(
        t.rendered(tree, t.total(tree, node), "sum")[..., :3],
        t.rendered(tree, node.outputs["Combined"], "image")[..., :3],
    )
    return node, missed, list(passes.images(node)[0].size)


def writer(into: Any, name: str = "Writer") -> Any:
    node = into.nodes.new("CompositorNodeOutputFile")
    node.name = name
    t.write_to(node, folder / "written")
    return node


def state() -> dict[str, Any]:
    """All that a capture touches."""
    now = bpy.context.scene
    trees = [*bpy.data.node_groups, t.scene_tree(now)]
    return {
        "nodes": sorted(node.name for node in t.scene_tree(now).nodes),
        "muted": sorted({node.name for each in trees for node in each.nodes if node.mute}),
        "render": [now.render.use_compositing, now.render.use_sequencer, now.frame_current],
        "marks": [list(now.keys()), sum(len(node.keys()) for node in t.scene_tree(now).nodes)],
    }


def overridden() -> dict[str, Any]:
    source = behind("CompositorNodeExposure", plate("plate.exr", 64, 48), 0.5)
    form = scene.render.image_settings
    form.color_management, form.linear_colorspace_settings.name = "OVERRIDE", "ACEScg"
    node = t.soft(tree, source)
    node.colors = 3
    t.press("segment", node)
    form.color_management = "FOLLOW_SCENE"
    found, wanted = t.rendered(tree, t.total(tree, node), "sum"), t.rendered(tree, source, "image")
    return {"error": t.error(found[..., :3], wanted[..., :3])}


def moved() -> dict[str, Any]:
    found = {}
    for name, size in {"same": (64, 48), "small": (30, 20), "odd": (31, 21), "large": (90, 60)}.items():
        source = plate(f"{name}.exr", *size)
        found[name] = segmented(behind("CompositorNodeExposure", source, 0.5))[1:]
        found[f"{name} moved"] = segmented(behind("CompositorNodeTranslate", source, 10.0, 6.0))[1:]
    found["by less than a pixel"] = segmented(behind("CompositorNodeTranslate", plate("a.exr", 64, 48), 0.5, 0.25))[1:]
    return found


def masked() -> dict[str, Any]:
    """A mask of another size than the image."""
    node = t.soft(tree, behind("CompositorNodeExposure", plate("plate.exr", 64, 48), 0.5))
    tree.links.new(behind("CompositorNodeExposure", plate("mask.exr", 30, 20), 0.0), node.inputs["Mask"])
    links = sources.Sources.of(node, 1).captured
    taken = capture.Capture(scene, links, 1)
    bpy.ops.render.render()
    sizes = {name: list(pixels.shape) for name, pixels in taken.read().items()}
    taken.close()
    return sizes


def undone() -> dict[str, Any]:
    node = t.soft(tree, behind("CompositorNodeExposure", plate("plate.exr", 64, 48), 0.5))
    node.name, node.colors = "Soft", 3
    tree.links.new(node.outputs["Combined"], writer(tree).inputs[0])
    scene.render.use_sequencer, scene.frame_end = True, 5
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "shot.blend"))
    bpy.ops.ed.undo_push(message="before")
    found: dict[str, Any] = {"before": state()}
    taken = capture.Capture(scene, sources.Sources.of(node, 1).captured, 3)
    found["meanwhile"] = state()
    try:
        capture.Capture(scene, sources.Sources.of(node, 1).captured, 1)
    except WorkerError as error:
        found["second"] = [str(error), state() == found["meanwhile"]]
    tree.nodes.active = node
    scene.frame_end = 77
    bpy.ops.ed.undo_push(message="meanwhile")
    bpy.app.handlers.save_pre.remove(files.on_save_pre)  # as Blender saves by itself
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "auto.blend"), copy=True)
    bpy.app.handlers.save_pre.append(files.on_save_pre)
    taken.close()
    found["after"] = state()
    t.scene_tree(bpy.context.scene).nodes["Soft"].colors = 4
    bpy.ops.ed.undo_push(message="later")
    bpy.ops.ed.undo()
    found["undone"], found["end"] = state(), bpy.context.scene.frame_end
    bpy.ops.wm.open_mainfile(filepath=str(folder / "auto.blend"))
    found["loaded"] = state()
    return found


def linked() -> dict[str, Any]:
    """A File Output in a group of another file writes nothing meanwhile."""
    group, entry, leave = t.group("Library")
    group.links.new(entry.outputs[0], leave.inputs[0])
    group.links.new(entry.outputs[0], writer(group).inputs[0])
    bpy.data.libraries.write(str(folder / "library.blend"), {group}, fake_user=True)
    bpy.data.node_groups.remove(group)
    with bpy.data.libraries.load(str(folder / "library.blend"), link=True) as (_, wanted):
        wanted.node_groups = ["Library"]
    shown = t.group_node(tree, wanted.node_groups[0], plate("plate.exr", 64, 48))
    before = state()
    node = t.soft(tree, shown.outputs[0])
    node.colors = 3
    t.press("segment", node)
    tree.nodes.remove(node)
    return {"written": (folder / "written").exists(), "left": state() == before}


report({"overridden": overridden, "moved": moved, "masked": masked, "undone": undone, "linked": linked}[kind]())  # noqa: F821
