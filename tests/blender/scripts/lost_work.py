"""What must not be lost: undone settings, locked colors, colors that come back, other versions' frames, copies made
local. ``lost_work.py KIND PICTURE FOLDER``."""

from __future__ import annotations

import contextlib
import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import bpy
import numpy as np
import tree as t
from soft_color_segment import cache, copies, counting, exr, freshness, memory, passes, reading, show, trees, ui
from soft_color_segment import files as blend_files
from soft_color_segment.session import SESSION

kind, picture, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])


def said(node: Any) -> str:
    return str(ui.status(node)[0])


def shown(node: Any) -> list[float]:
    """The mean of each layer's pixels."""
    return [round(float(np.mean(np.array(image.pixels[:]))), 6) for image in passes.images(node)]


def colors(node: Any) -> list[list[float]]:
    return [[round(value, 4) for value in entry.color] for entry in node.palette]


def ours() -> Any:
    """The one node of the file."""
    (found,) = trees.all_nodes()
    return found


def files(node: Any) -> list[str]:
    return sorted(file.name for file in cache.folder(node).glob("*.exr"))


def make(count: int) -> Any:
    tree = t.compositor()
    node = t.soft(tree, t.image_node(tree, picture).outputs["Image"])
    node.name, node.colors = "Soft", count
    return node


def undo() -> dict[str, Any]:
    node = make(3)
    t.press("segment", node)
    bpy.ops.ed.undo_push(message="first")
    found: dict[str, Any] = {"first": [shown(node), colors(node)]}
    node.palette[0].color = (0.0, 1.0, 0.0)
    bpy.ops.ed.undo_push(message="changed")
    t.press("segment", node)
    bpy.ops.ed.undo_push(message="second")
    found["second"] = [shown(node), colors(node)]
    bpy.ops.ed.undo()
    bpy.ops.ed.undo()
    found["undone"], found["undone says"] = [shown(ours()), colors(ours())], said(ours())
    bpy.ops.ed.redo()
    bpy.ops.ed.redo()
    found["redone"], found["redone says"] = [shown(ours()), colors(ours())], said(ours())
    for file in cache.folder(ours()).glob("*.exr"):
        file.unlink()
    bpy.ops.ed.undo()
    bpy.ops.ed.undo()
    found["without a cache"], found["then says"] = shown(ours()), said(ours())
    return found


def locked() -> dict[str, Any]:
    node = make(6)
    t.press("auto_palette", node)
    for number, (color, name) in {4: ((1.0, 0.0, 0.25), "Rosé"), 1: ((0.0, 0.5, 1.0), "Sky")}.items():
        entry = node.palette[number]
        entry.color, entry.label, entry.locked = color, name, True
    node.palette[2].label = "Old"
    end = t.scene_tree(bpy.context.scene).nodes.new("CompositorNodeInvert")
    node.id_data.links.new(node.outputs[5], end.inputs["Color"])
    before = colors(node)
    node.seed = 7
    t.press("auto_palette", node)
    (link,) = [link for link in node.id_data.links if link.to_node == end]
    return {
        "kept": [before[number] == colors(node)[number] for number in (1, 4)],
        "found": len({tuple(color) for color in colors(node)}),
        "labels": [entry.label for entry in node.palette],
        "locks": [entry.locked for entry in node.palette],
        "link": link.from_socket.name,
        "names": [socket.name for socket in node.outputs],
    }


def fewer() -> dict[str, Any]:
    node = make(7)
    tree = node.id_data
    t.press("auto_palette", node)
    node.palette[5].label, node.palette[5].locked, node.palette[5].layer_gain = "Rosé", True, 1.5
    ends = [tree.nodes.new("CompositorNodeInvert") for _ in range(3)]
    for end, number in zip(ends, (2, 6, 6), strict=True):
        tree.links.new(node.outputs[number], end.inputs["Color"])

    def state() -> list[Any]:
        links = [[link.from_socket.name for link in tree.links if link.to_node == end] for end in ends]
        entry = node.palette[5] if len(node.palette) > 5 else None
        own = [entry.label, entry.locked, entry.layer_gain] if entry else None
        return [colors(node), own, [socket.name for socket in node.outputs], links]

    found = {"before": state()}
    node.colors = 3
    found["fewer"] = state()
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "fewer.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(folder / "fewer.blend"))
    node = ours()
    tree = node.id_data
    ends = [each for each in tree.nodes if each.bl_idname == "CompositorNodeInvert"]
    for count in (5, 4, 7):
        node.colors = count
    found["again"] = state()
    return found


def versions() -> dict[str, Any]:
    node = make(3)
    t.press("segment", node)
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "v1.blend"))
    found: dict[str, Any] = {"v1": files(node), "shown": shown(node)}
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "v2.blend"))
    node = ours()
    node.smoothing = 5
    t.press("segment", node)
    bpy.ops.wm.save_mainfile()
    found["v2"] = files(node)
    bpy.ops.wm.open_mainfile(filepath=str(folder / "v1.blend"))
    found["v1 says"] = said(ours())
    bpy.ops.wm.open_mainfile(filepath=str(folder / "v2.blend"))
    t.press("clear_cache", ours())
    found["cleared"] = files(ours())
    bpy.ops.wm.open_mainfile(filepath=str(folder / "v1.blend"))
    found["v1 still says"], found["still shown"] = said(ours()), shown(ours())
    (folder / "v2.blend").unlink()
    t.press("clear_cache", ours())
    found["cleared at last"] = files(ours())
    return found


def many() -> dict[str, Any]:
    """A still with many results, and frames that show the same."""
    node = make(2)
    scene = bpy.context.scene
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "many.blend"))
    for radius in range(1, 8):
        node.smoothing = radius
        t.press("segment", node)
    found: dict[str, Any] = {"results": len(files(node))}
    scene.frame_start, scene.frame_end = 1, 20
    found["filled"] = sorted(t.press("fill_cache", node))
    found["for 20 frames"] = len(files(node))
    brighter = node.id_data.nodes.new("CompositorNodeExposure")
    brighter.inputs[1].default_value = 0.5
    source = node.inputs["Image"].links[0].from_socket
    node.id_data.links.new(source, brighter.inputs[0])
    node.id_data.links.new(brighter.outputs[0], node.inputs["Image"])
    before = set(files(node))
    t.press("fill_cache", node)
    found["for 20 frames through a node"] = len(set(files(node)) - before)
    t.press("freeze", node, frames="1-20")
    frozen = list(Path(folder / "softcolor_frozen").glob("*/*.exr"))
    found["frozen"] = [len(frozen), len({file.stat().st_ino for file in frozen})]
    return found


def held() -> dict[str, Any]:
    """What the panel counts: frames that show the same as a frame with a file are there, too."""
    source = bpy.data.images.load(picture)
    for number, width in enumerate((160, 120, 80), 1):
        source.scale(width, 60)
        source.save(filepath=str(folder / f"plate_{number:04d}.png"))
    tree = t.compositor(80, 60)
    plates = t.image_node(tree, folder / "plate_0001.png", 3)
    node = t.soft(tree, plates.outputs["Image"])
    node.colors = 2
    scene = bpy.context.scene
    scene.frame_start, scene.frame_end = 1, 6
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "held.blend"))
    found = {"nothing": panel(node)}
    scene.frame_set(5)
    t.press("segment", node)
    found["one"] = [panel(node), files(node)[0].split(".")[1]]
    t.press("fill_cache", node)
    found["filled"] = [panel(node), len(files(node))]
    node.temporal = 0.5  # the first of the held frames looks at those before it, the others at none
    found["temporal"] = panel(node)
    node.temporal = 0.0
    brighter = tree.nodes.new("CompositorNodeExposure")
    tree.links.new(plates.outputs["Image"], brighter.inputs[0])
    tree.links.new(brighter.outputs[0], node.inputs["Image"])
    found["through a node"] = panel(node)
    for frame in (3, 4):
        brighter.inputs[1].default_value = float(frame)
        brighter.inputs[1].keyframe_insert("default_value", frame=frame)
    found["animated"] = panel(node)
    return found


def panel(node: Any) -> str:
    """What the panel says of the cache, without the size."""
    blend_files.on_changed()  # a window tells it of changes
    while not counting.count(node):
        pass
    return re.sub(r", \d+ MB on disk", "", SESSION.state(node.uid).cached)


def local() -> dict[str, Any]:
    """A group that is linked and made local, in steps that leave the inside of the node where it was."""
    shown_group, _, leave = t.group("Layers")
    node = t.soft(shown_group, t.image_node(shown_group, picture).outputs["Image"])
    node.colors = 2
    shown_group.links.new(node.outputs["Combined"], leave.inputs[0])
    shown_group.use_fake_user = True
    library = folder / "library.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(library))
    bpy.ops.wm.read_factory_settings(use_empty=True)
    tree = t.compositor()
    with bpy.data.libraries.load(str(library), link=True) as (_, target):
        target.node_groups = ["Layers"]
    tree.links.new(t.group_node(tree, target.node_groups[0]).outputs[0], t.output(tree))
    after = t.soft(tree, t.image_node(tree, picture).outputs["Image"])
    after.name, after.colors = "After", 2
    t.press("segment", after)
    mean = shown(after)
    target.node_groups[0].make_local()
    blend = folder / "shot.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(blend))
    bpy.ops.wm.open_mainfile(filepath=str(blend))
    nodes = {node.name: node for node in trees.all_nodes()}
    found: dict[str, Any] = {"after": [said(nodes["After"]), shown(nodes["After"]) == mean]}
    made_local = next(node for name, node in nodes.items() if name != "After")
    found["linked"] = trees.is_linked(made_local)
    found["pressed"] = sorted(t.press("segment", made_local))
    found["says"] = said(made_local)
    # An inside that lost its images, as where a library is gone, stops nobody else
    for inner in [each for each in made_local.node_tree.nodes if each.bl_idname == "CompositorNodeImage"]:
        made_local.node_tree.nodes.remove(inner)
    bpy.ops.wm.save_mainfile()
    bpy.ops.wm.open_mainfile(filepath=str(blend))
    nodes = {node.name: node for node in trees.all_nodes()}
    found["beside a broken one"] = said(nodes["After"])
    found["mended"] = said(next(node for name, node in nodes.items() if name != "After"))
    return found


def recombined() -> dict[str, Any]:
    """A picture with soft edges through its layers and together again, in both kinds of passes."""
    tree = t.compositor(64, 48)
    generator = np.random.default_rng(5)
    alpha = generator.random((48, 64)).astype(np.float32)
    planes = {channel: generator.random((48, 64)).astype(np.float32) * alpha for channel in "RGB"} | {"A": alpha}
    exr.write(folder / "soft.exr", planes, {})
    source = t.image_node(tree, folder / "soft.exr").outputs["Image"]
    wanted = t.rendered(tree, source, "wanted")
    found: dict[str, Any] = {}
    for mode, other in (("ADDITIVE", "OVER"), ("OVER", "ADDITIVE")):
        node = t.soft(tree, source)
        node.colors, node.pass_mode = 4, mode
        t.press("segment", node)
        tree.links.new(node.outputs["Combined"], t.output(tree))
        t.press("build_recombine", node)
        result = t.output(tree).links[0].from_socket
        hints = [hint(node)]
        difference = t.error(t.rendered(tree, result, mode), wanted)
        node.pass_mode = other
        found[mode] = [result.node != node, difference, *hints, hint(node)]
    return found


def hint(node: Any) -> str:
    said(node)
    return str(SESSION.state(node.uid).hint)


def linked_only() -> dict[str, Any]:
    """Of a file in the cache only what is linked is read, and nothing twice."""
    node = make(5)
    t.press("segment", node)
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "linked.blend"))
    node.id_data.links.new(node.outputs[3], t.output(node.id_data))
    bpy.ops.wm.save_mainfile()
    SESSION.memory.clear()
    bpy.ops.wm.open_mainfile(filepath=str(folder / "linked.blend"))
    node = ours()
    found: dict[str, Any] = {"read": sorted(number for _, number in SESSION.memory), "says": said(node)}
    found["held"] = sorted(SESSION.state(node.uid).pixels[2])
    node.id_data.links.new(node.outputs[5], t.output(node.id_data))
    bpy.ops.render.render()
    found["then read"] = sorted(number for _, number in SESSION.memory)
    found["then held"] = sorted(SESSION.state(node.uid).pixels[2])
    SESSION.memory.clear()
    found["begun"] = reading.begin(node, 1)
    SESSION.reading[node.uid].there.wait(60.0)
    found["came"] = [[each == node for each in reading.finished()], reading.finished(), reading.begin(node, 1)]
    memory.settings.get().memory_limit = 0
    show.read(next(iter(SESSION.memory))[0], 1, 5, [0])
    found["without memory"] = len(SESSION.memory)
    return found


def copied() -> dict[str, Any]:
    """The frames of a node come along with copies of it, and with copies of its file."""
    planes = np.random.default_rng(0).random((3, 3, 24, 32)).astype(np.float32)
    for number, each in enumerate(planes, 1):
        exr.write(folder / f"plate_{number:04d}.exr", dict(zip("RGB", each, strict=True)), {})
    blend = folder / "shot.blend"
    tree = t.compositor(32, 24)
    bpy.context.scene.frame_start, bpy.context.scene.frame_end = 1, 3
    node = t.soft(tree, t.image_node(tree, folder / "plate_0001.exr", 3).outputs["Image"])
    node.name, node.colors = "Soft", 3
    bpy.ops.wm.save_as_mainfile(filepath=str(blend))
    t.press("fill_cache", node)
    bpy.ops.wm.save_mainfile()
    if t.NEW:
        twins = tree.copy()
        other = bpy.data.scenes.new("Other")
        other.compositing_node_group = twins
    else:
        other = bpy.context.scene.copy()
        other.use_fake_user = True  # or it is not saved
        twins = other.node_tree
    copies.expect()
    copies.separate()
    twin = twins.nodes["Soft"]
    found: dict[str, Any] = {"twin": [twin.uid != node.uid, there(twin)]}
    node.palette[0].color = (0.0, 1.0, 0.0)
    t.press("segment", node)
    bpy.ops.wm.save_mainfile()
    found["both saved"] = [there(node), there(twin), cache.kept(twin)[0] == {1, 2, 3}]
    t.press("clear_cache", node)
    found["cleared"] = [there(node), there(twin)]
    elsewhere, uid = folder / "elsewhere", twin.uid
    elsewhere.mkdir()
    bpy.ops.wm.save_as_mainfile(filepath=str(elsewhere / "copy.blend"), copy=True)
    bpy.ops.wm.open_mainfile(filepath=str(elsewhere / "copy.blend"))
    found["copy of the file"] = [there(each) for each in trees.all_nodes() if each.uid == uid]
    return found


def there(node: Any) -> list[int]:
    """The frames that are in the cache as they should be."""
    right = []
    for frame in (1, 2, 3):
        with contextlib.suppress(freshness.NoPasses):
            freshness.checked_file(node, frame)
            right.append(frame)
    return right


def packed() -> dict[str, Any]:
    """Blender takes the layers for images that nobody saved, and packs them."""
    blend = folder / "packed.blend"
    node = make(3)
    t.press("segment", node)
    bpy.ops.wm.save_as_mainfile(filepath=str(blend))
    before, size = layers(node), blend.stat().st_size
    found: dict[str, Any] = {"only saved": said(node)}
    for name in ("saved", "saved by itself"):
        bpy.ops.image.save_all_modified()
        packed = [image.packed_file is not None for image in passes.images(ours())]
        if name == "saved by itself":
            bpy.app.handlers.save_pre.remove(blend_files.on_save_pre)
        bpy.ops.wm.save_mainfile()
        if name == "saved by itself":
            bpy.app.handlers.save_pre.append(blend_files.on_save_pre)
            bpy.ops.wm.open_mainfile(filepath=str(blend))
        kept = [image.packed_file is not None or not image.is_dirty for image in passes.images(ours())]
        grown = blend.stat().st_size > size + 50_000
        found[name] = [packed, kept, grown, bool(np.array_equal(layers(ours()), before)), said(ours())]
    return found


def layers(node: Any) -> Any:
    return np.array([image.pixels[:] for image in passes.images(node)], np.float32)


def new() -> dict[str, Any]:
    """A node that was only added."""
    tree = t.compositor()
    source = t.image_node(tree, picture).outputs["Image"]
    wanted = t.rendered(tree, source, "wanted")
    node = t.soft(tree, source)
    found: dict[str, Any] = {"combined": t.error(t.rendered(tree, node.outputs["Combined"], "combined"), wanted)}
    found["says"] = said(node)
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "new.blend"))
    note = next((text for text in bpy.data.texts if "Soft Color Segment" in text.name), None)
    found["note"] = note.as_string() if note is not None else ""
    tree.nodes.remove(node)
    bpy.ops.wm.save_mainfile()
    found["texts"] = len(bpy.data.texts)
    return found


report(globals()[kind]())  # noqa: F821  # given by drive.py
