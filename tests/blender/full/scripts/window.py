"""Works with the node in Blender's window as an artist would, and tells what came of it. Blender 5.0 or newer:

    blender --enable-event-simulate -p 0 0 1600 1000 --python window.py -- PHOTO FOLDER SCREEN

The extension is installed and FSCS_PYTHON names the engine. SCREEN is the file of the screen's pixels that Xvfb keeps;
copies of it, and what was seen in ``seen.json``, go to FOLDER. Mouse and keys are those of Blender's own event
simulation; what an artist would not do by hand on the node itself, such as opening the photograph, is done in Python.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import bpy
import numpy as np

PHOTO, FOLDER, SCREEN = (Path(argument) for argument in sys.argv[sys.argv.index("--") + 1 :])
TICK = 0.05
LIMIT = 200.0
BACKDROP_WIDTH, BACKDROP_OFFSET = 540.0, 350.0
GREENS = {2: (0.05, 0.25, 0.1), 4: (0.2, 0.5, 0.3)}
"""What layers are recolored to."""

KNOWN = (8, 6)
"""Squares of the picture that colors are picked from."""

seen: dict[str, Any] = {"background": bpy.app.background}
"""What is told, by what had been done."""

Steps = Iterator[float]


def until(what: str, happened: Callable[[], Any]) -> Steps:
    """Lets Blender work until something happened, and draw that."""
    end = time.monotonic() + LIMIT
    while not happened():
        nodes = bpy.context.scene.compositing_node_group.nodes
        failures = [node.message for node in nodes if getattr(node, "failed", False)]
        if failures or time.monotonic() > end:
            raise RuntimeError(f"in vain waited for {what}: {failures}")
        yield TICK
    yield TICK


def drawn() -> Steps:
    """Lets Blender draw what changed, which its timers can't be told of: the screen has to stay as it is."""
    end, before, same = time.monotonic() + LIMIT, b"", 0
    while same < 8 and time.monotonic() < end:
        now = SCREEN.read_bytes()
        same = same + 1 if now == before else 0
        before = now
        yield TICK


def take(name: str) -> None:
    """Keeps the screen as it is now."""
    shutil.copyfile(SCREEN, FOLDER / f"{name}.xwd")


class Hand:
    """The mouse and the keys."""

    def __init__(self, window: Any, area: Any) -> None:
        self.window, self.area = window, area
        self.region = next(region for region in area.regions if region.type == "WINDOW")
        self.x, self.y = 0, 0

    def move(self, x: float, y: float) -> Steps:
        self.x, self.y = int(x), int(y)
        self.window.event_simulate(type="MOUSEMOVE", value="NOTHING", x=self.x, y=self.y)
        yield TICK

    def key(self, kind: str, letter: str = "", **held: bool) -> Steps:
        place = {"x": self.x, "y": self.y}
        self.window.event_simulate(type=kind, value="PRESS", unicode=letter or None, **place, **held)
        self.window.event_simulate(type=kind, value="RELEASE", **place, **held)
        yield TICK

    def click(self, x: float, y: float) -> Steps:
        yield from self.move(x, y)
        yield from self.key("LEFTMOUSE")

    def write(self, text: str) -> Steps:
        for letter in text:
            kind = {" ": "SPACE", "5": "FIVE"}.get(letter, letter.upper())
            yield from self.key(kind, letter)

    def on_screen(self, place: Any) -> tuple[float, float]:
        """A place in the tree, on the screen."""
        scale = bpy.context.preferences.system.ui_scale
        x, y = self.region.view2d.view_to_region(*(scale * value for value in place), clip=False)
        return self.region.x + x, self.region.y + y

    def find(self, node: Any, control: str, sideways: float = 0.5) -> Steps:
        """Moves down a node until the mouse is on a control: the name of an operator or of a property."""
        scale = bpy.context.preferences.system.ui_scale
        width, height = (size / scale for size in node.dimensions)
        x, bottom = self.on_screen((node.location[0] + sideways * width, node.location[1] - height))
        _, top = self.on_screen(node.location)
        for y in range(int(top), int(bottom), -8):
            yield from self.move(x, y)
            if f".{control}" in self.under():
                return
        raise LookupError(f"the node has no {control}")

    def find_in(self, region: Any, control: str) -> Steps:
        """Moves up a region until the mouse is on a control."""
        for y in range(region.y + 100, region.y + region.height, 8):
            yield from self.move(region.x + region.width * 0.4, y)
            if f".{control}" in self.under(region):
                return
        raise LookupError(f"there is no {control}")

    def under(self, region: Any = None) -> str:
        """What Python would say for the control under the mouse."""
        manager = bpy.context.window_manager
        with bpy.context.temp_override(window=self.window, area=self.area, region=region or self.region):
            for copy in (bpy.ops.ui.copy_python_command_button, bpy.ops.ui.copy_data_path_button):
                if copy.poll() and copy() == {"FINISHED"}:
                    return str(manager.clipboard)
        return ""


def viewed() -> Any:
    """What the Viewer node holds, (H, W, 4), lower row first; None as long as there is nothing."""
    image = bpy.data.images.get("Viewer Node")
    if image is None or not len(image.pixels):
        return None
    return pixels(image)


def pixels(image: Any) -> Any:
    found = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(found)
    return found.reshape(image.size[1], image.size[0], 4)


def passes(node: Any) -> list[Any]:
    """The sum of all layers, and the pixels of each."""
    layers = [pixels(node.node_tree.nodes[str(number)].image) for number in range(1, node.colors + 1)]
    return [np.sum(layers, axis=0), *layers]


def shows(node: Any, number: int) -> bool:
    """Whether the Viewer holds a pass of the node, which is not empty."""
    held, wanted = viewed(), passes(node)[number]
    if held is None or held.shape != wanted.shape or not wanted.any():
        return False
    return float(np.abs(held - wanted).max()) < 1e-6


def backdrop(region: Any, image: Any) -> list[float]:
    """Where the backdrop is on the screen: left, top, right, bottom, from its upper left corner."""
    width, height = BACKDROP_WIDTH, BACKDROP_WIDTH * image.size[1] / image.size[0]
    x = region.x + region.width / 2 + BACKDROP_OFFSET
    y = bpy.context.window_manager.windows[0].height - region.y - region.height / 2
    return [x - width / 2 + 2, y - height / 2 + 2, x + width / 2 - 2, y + height / 2 - 2]


def state(node: Any) -> dict[str, Any]:
    """What the node says and holds."""
    linked = [number for number, socket in enumerate(node.outputs) if socket.is_linked]
    return {
        "colors": node.colors,
        "palette": [[round(value, 4) for value in entry.color] for entry in node.palette],
        "outputs": [socket.name for socket in node.outputs],
        "linked": linked,
        "message": node.message,
        "failed": node.failed,
        "busy": node.busy,
        "shown": bool(node.settings_shown),
        "mean": [round(float(each.mean()), 5) for each in passes(node)],
    }


def steps() -> Steps:
    """All that is done."""
    bpy.context.preferences.view.show_splash = False
    window = bpy.context.window_manager.windows[0]
    yield from drawn()
    area = max(window.screen.areas, key=lambda area: area.width * area.height)
    with bpy.context.temp_override(window=window, area=area):
        bpy.ops.screen.screen_full_area()
    yield from drawn()
    area = window.screen.areas[0]
    area.ui_type = "CompositorNodeTree"
    space = area.spaces[0]
    space.show_region_ui = space.show_region_asset_shelf = False
    scene = bpy.context.scene
    scene.render.compositor_device = "CPU"  # there may be no graphics card
    scene.render.dither_intensity = 0.0
    tree = scene.compositing_node_group = bpy.data.node_groups.new("Compositing", "CompositorNodeTree")
    tree.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
    picture = tree.nodes.new("CompositorNodeImage")
    picture.image = bpy.data.images.load(str(PHOTO))
    scene.render.resolution_x, scene.render.resolution_y = picture.image.size
    viewer, output = tree.nodes.new("CompositorNodeViewer"), tree.nodes.new("NodeGroupOutput")
    for each, place in ((picture, (-620, 40)), (viewer, (-70, 40)), (output, (-70, -90))):
        each.location, each.select = place, False
    space.show_backdrop = True
    yield from drawn()
    hand = Hand(window, area)
    space.backdrop_zoom = BACKDROP_WIDTH / picture.image.size[0]
    space.backdrop_offset[0] = BACKDROP_OFFSET
    seen["backdrop"] = backdrop(hand.region, picture.image)

    # Add, Search
    yield from hand.move(*hand.on_screen((-320, 200)))
    yield from hand.key("A", shift=True)
    yield from drawn()
    yield from hand.write("soft color")
    yield from drawn()
    take("search")
    yield from hand.key("RET")
    yield from until("the node", lambda: len(tree.nodes) == 4)
    yield from hand.click(*hand.on_screen((-380, 200)))
    node = tree.nodes.active
    seen["added"] = node.bl_idname
    node.location = (-400, 200)
    tree.links.new(picture.outputs["Image"], node.inputs["Image"])
    tree.links.new(node.outputs["Combined"], viewer.inputs[0])
    tree.links.new(node.outputs["Combined"], output.inputs[0])
    bpy.ops.ed.undo_push(message="Set up")
    yield from drawn()
    seen["new"] = state(node)
    take("new")
    tree.links.new(node.outputs["Layer 1"], viewer.inputs[0])

    # Auto Palette, stopped by Cancel, then once more. All that the mouse is on stays where it is.
    yield from hand.find(node, "segment(")
    segment = hand.x, hand.y
    yield from hand.find(node, "cancel(", 0.93)
    cancel = hand.x, hand.y
    yield from hand.find(node, "auto_palette(")
    auto_palette = hand.x, hand.y
    seen["buttons"] = {
        name: [x - 20, window.height - y - 5, x + 20, window.height - y + 5]
        for name, (x, y) in {"auto_palette": auto_palette, "segment": segment}.items()
    }
    seen["height"] = [node.dimensions[1]]
    yield from hand.key("LEFTMOUSE")
    yield from until("the computation", lambda: node.busy)
    yield from hand.move(*cancel)
    yield from until("Cancel to be under the mouse", lambda: ".cancel(" in hand.under())
    yield from hand.key("LEFTMOUSE")
    yield from until("its end", lambda: not node.busy)
    seen["cancelled"] = state(node)
    yield from hand.click(*auto_palette)
    yield from until("the computation", lambda: node.busy)
    yield from until("its end", lambda: not node.busy)
    yield from drawn()
    take("palette")
    seen["palette"] = state(node)

    # Segment, and a click on another node meanwhile
    yield from hand.click(*segment)
    yield from until("the computation", lambda: node.busy)
    yield from hand.click(*hand.on_screen((picture.location[0] + 60, picture.location[1] - 8)))
    yield from until("the other node to be active", lambda: tree.nodes.active == picture)
    yield from hand.click(*auto_palette)
    seen["alive"] = node.busy
    seen["progress"] = []
    while node.busy:
        now = [node.fraction, node.message]
        if now not in seen["progress"]:
            seen["progress"].append(now)
        yield TICK
        if node.busy and 0.2 < node.fraction < 0.9:
            seen["height"].append(node.dimensions[1])
            take("segmenting")
    # Nothing touches mouse, keys or the node from here on: the result has to appear by itself.
    yield from until("the Viewer to show the result", lambda: shows(node, 1))
    yield from drawn()
    take("segmented")
    seen["segmented"] = state(node)

    # An undo makes everything anew, so everything is looked up again.
    yield from hand.move(*hand.on_screen((0, 300)))
    for name, held in (("undone", {}), ("redone", {"shift": True})):
        yield from hand.key("Z", ctrl=True, **held)
        yield from drawn()
        tree = bpy.context.scene.compositing_node_group
        node, viewer = tree.nodes["Soft Color Segment"], tree.nodes["Viewer"]
        seen[name] = state(node)
        take(name)
    yield from until("the Viewer to show the result again", lambda: shows(node, 1))

    tree.links.new(node.outputs[3], viewer.inputs[0])
    yield from until("the Viewer to show the layer", lambda: shows(node, 3))
    yield from drawn()
    take("layer")

    # Fewer colors
    yield from hand.find(node, "colors")
    yield from hand.key("RET")
    yield from hand.key("A", ctrl=True)
    yield from hand.write("5")
    yield from hand.key("RET")
    yield from until("five colors", lambda: node.colors == 5)
    yield from drawn()
    take("fewer")
    seen["fewer"] = state(node)
    yield from hand.find(node, "segment(")
    yield from hand.key("LEFTMOUSE")
    yield from until("the computation", lambda: node.busy)
    yield from until("its end", lambda: not node.busy)
    yield from until("the Viewer to show the layer", lambda: shows(node, 3))
    seen["segmented_fewer"] = state(node)
    yield from drawn()
    take("segmented_fewer")
    yield from updating(tree, node)
    yield from recoloring(hand, tree, node)
    yield from stopping(hand, node)

    # Fill Cache, of something that has to be rendered for the node
    exposure = tree.nodes.new("CompositorNodeExposure")
    exposure.location = (-520, -240)
    tree.links.new(tree.nodes["Image"].outputs["Image"], exposure.inputs["Image"])
    tree.links.new(exposure.outputs["Image"], node.inputs["Image"])
    for frame, value in ((1, 0.0), (40, -1.0)):  # each frame another picture
        exposure.inputs["Exposure"].default_value = value
        exposure.inputs["Exposure"].keyframe_insert("default_value", frame=frame)
    scene = bpy.context.scene
    scene.frame_start, scene.frame_end = 1, 2
    bpy.ops.wm.save_as_mainfile(filepath=str(FOLDER / "window.blend"))
    yield from drawn()
    take("saved")
    yield from hand.key("ESC")  # the warning that the file is not frozen
    yield from drawn()
    with bpy.context.temp_override(window=window, area=area, region=hand.region):
        bpy.ops.soft_color_segment.fill_cache("INVOKE_DEFAULT", node=node.uid)
    yield from until("the computation", lambda: node.busy)
    yield from hand.click(*hand.on_screen((viewer.location[0] + 60, viewer.location[1] - 8)))
    yield from until("the other node to be active", lambda: tree.nodes.active == viewer)
    seen["alive_while_filling"] = node.busy
    seen["filling"] = []
    while node.busy:
        if node.message not in seen["filling"]:
            seen["filling"].append(node.message)
            take("filling")
        yield TICK
    yield from until("the Viewer to show the layer", lambda: shows(node, 3))
    seen["filled"] = state(node) | {"files": sorted(file.name for file in Path(node.cached_in).glob("*.exr"))}
    seen["nodes"] = sorted(each.bl_idname for each in tree.nodes)
    states = ours("session").SESSION.states
    yield from until("the panel to count the frames", lambda: states[node.uid].cached.startswith("2 of 2 frames"))
    seen["panel"] = states[node.uid].cached

    yield from cancel_filling(hand, tree, node)
    yield from scrubbing(node)
    yield from copies(hand, tree, node)
    yield from freezing(hand, tree, node)
    yield from picking(hand, tree)


def updating(tree: Any, node: Any) -> Steps:
    """Auto Update: a color is changed, and once more while the layers of the first change are computed."""
    found: dict[str, Any] = {"blocky": []}
    whole = passes(node)[0]
    node.auto_update = True
    before = passes(node)[3]
    for color in ((0.1, 0.6, 0.2), (0.1, 0.2, 0.7)):
        node.palette[2].color = color
        found["stale"] = bool(node.settings_shown) and np.array_equal(passes(node)[3], before)
        yield from until("other layers", partial(different, node, before))
        before = passes(node)[3]
        found["blocky"].append(blocky(before))
    take("updating")
    found["busy"] = node.busy
    yield from until("the whole layers", lambda: not blocky(passes(node)[3]) and node.message == "Up to date")
    yield from until("the Viewer to show them", lambda: shows(node, 3))
    found |= {"color": [round(value, 4) for value in node.palette[2].color], "outputs": node.outputs[3].name}
    found["sum"] = float(np.abs(passes(node)[0] - whole).max())
    node.auto_update = False
    yield from drawn()
    take("updated")
    seen["updated"] = found


def ours(name: str) -> Any:
    """A module of the extension."""
    return next(module for each, module in sys.modules.items() if each.endswith(f".soft_color_segment.{name}"))


def different(node: Any, before: Any) -> bool:
    """Whether the layer is no longer what it was."""
    return not np.array_equal(passes(node)[3], before)


def blocky(picture: Any) -> bool:
    """Whether most pixels of its soft parts are as the one beside, as in a preview made larger."""
    soft = (picture[:, 1:, 3] > 0.01) & (picture[:, 1:, 3] < 0.99)
    return bool((picture[:, 1:] == picture[:, :-1]).all(axis=-1)[soft].mean() > 0.6)


def recoloring(hand: Hand, tree: Any, node: Any) -> Steps:
    """The sidebar with the edits of a layer, and what they change at once."""
    viewer = tree.nodes["Viewer"]
    hand.area.spaces[0].show_region_ui = True
    tree.nodes.active = node
    yield from drawn()
    sidebar = next(region for region in hand.area.regions if region.type == "UI")
    sidebar.active_panel_category = "Node"
    tree.links.new(node.outputs["Recolored"], viewer.inputs[0])
    yield from until("the image in the Viewer", lambda: viewed() is not None)
    yield from drawn()
    take("sidebar")
    before = viewed()
    ui = ours("ui")
    panel = ui.panel
    ui.panel = lambda layout, name, title, **_: panel(layout, f"{name}_alone", title, closed=name != "recolor")
    space, size = hand.area.spaces[0], viewed().shape[1]
    space.backdrop_zoom, space.backdrop_offset[0] = 430.0 / size, 295.0  # beside the sidebar
    node.recolor_layer = 4
    for number, color in GREENS.items():
        setattr(node, f"edit{number}_color", color)
        setattr(node, f"edit{number}_has_color", True)
    yield from until("another image in the Viewer", lambda: not np.array_equal(viewed(), before))
    yield from drawn()
    take("recolor")
    seen["recolored"] = {"changed": float(np.abs(viewed() - before).max()), "message": node.message}
    for number in GREENS:
        setattr(node, f"edit{number}_has_color", False)
    space.backdrop_zoom, space.backdrop_offset[0] = BACKDROP_WIDTH / size, BACKDROP_OFFSET
    yield from until("the image in the Viewer again", lambda: np.array_equal(viewed(), before))
    ui.panel = panel
    hand.area.spaces[0].show_region_ui = False
    tree.links.new(node.outputs[3], viewer.inputs[0])
    yield from until("the Viewer to show the layer", lambda: shows(node, 3))
    yield from drawn()


def stopping(hand: Hand, node: Any) -> Steps:
    """A render that has to compute layers, and Esc."""
    bpy.context.preferences.view.render_display_type = "NONE"
    node.smoothing = 3
    with bpy.context.temp_override(window=hand.window, area=hand.area):
        bpy.ops.render.render("INVOKE_DEFAULT")
    yield from until("the computation", lambda: ours("session").SESSION.stop_render is not None)
    for _ in range(10):
        yield TICK
    yield from hand.key("ESC")
    yield from until("its end", lambda: not bpy.app.is_job_running("RENDER"))
    seen["stopped"] = {"message": node.message, "failed": node.failed}
    node.smoothing = 0
    yield from hand.find(node, "segment(")
    yield from hand.key("LEFTMOUSE")
    yield from until("the layers again", lambda: node.message == "Up to date" and not node.busy)
    yield from until("the Viewer to show the layer", lambda: shows(node, 3))
    yield from drawn()


def cancel_filling(hand: Hand, tree: Any, node: Any) -> Steps:
    """Fill Cache of a longer shot, stopped by Cancel when some of it is done."""
    with bpy.context.temp_override(window=hand.window, area=hand.area, region=hand.region):
        bpy.ops.soft_color_segment.fill_cache("INVOKE_DEFAULT", node=node.uid, frames="1-40")
    folder = Path(node.cached_in)
    yield from until("the third frame", lambda: list(folder.glob("layers.0003.*exr")))
    yield from until("the fourth to be under way", lambda: node.busy and node.message.startswith("Frame 4"))
    yield from hand.find(node, "cancel(", 0.93)
    yield from hand.key("LEFTMOUSE")
    yield from until("its end", lambda: not node.busy)
    yield from drawn()
    seen["cancelled_filling"] = state(node) | {
        "files": sorted(file.name for file in folder.iterdir()),
        "nodes": sorted(each.bl_idname for each in tree.nodes),
        "frame": bpy.context.scene.frame_current,
    }


def scrubbing(node: Any) -> Steps:
    """To frames that are in the cache, with nothing in memory at first, and to one that is not."""
    scene, memory = bpy.context.scene, ours("session").SESSION.memory
    found: dict[str, Any] = {}
    memory.clear()
    first = passes(node)[3]
    scene.frame_set(2)
    found["says"] = node.message
    yield from until("the layer of the frame", lambda: node.message == "Up to date" and different(node, first))
    yield from until("the Viewer to show it", lambda: shows(node, 3))
    there = [frame for frame in range(1, 5) if list(Path(node.cached_in).glob(f"layers.{frame:04d}.*exr"))]
    yield from until("the frames beside it", lambda: len(memory) == len(there))
    found["beside"] = [there, sorted([int(path.name.split(".")[1]), number] for path, number in memory)]
    second = passes(node)[3]
    scene.frame_set(3)
    found["from memory"] = [node.message, different(node, second)]
    scene.frame_set(30)
    found["not computed"] = [node.message, bool(passes(node)[3].any())]
    scene.frame_set(1)
    yield from until("the first frame again", lambda: node.message == "Up to date" and shows(node, 3))
    found["back"] = np.array_equal(passes(node)[3], first)
    seen["scrubbed"] = found


def copies(hand: Hand, tree: Any, node: Any) -> Steps:
    """Ctrl-C and Ctrl-V, and Shift-D; all copies are removed again."""
    before = len(tree.nodes)
    for keys in ((("C", {"ctrl": True}), ("V", {"ctrl": True})), (("D", {"shift": True}),)):
        for each in tree.nodes:
            each.select = each == node
        tree.nodes.active = node
        yield from hand.move(*hand.on_screen((node.location[0] + 40, node.location[1] + 30)))
        for letter, held in keys:
            yield from hand.key(letter, **held)
        yield from hand.key("LEFTMOUSE")
    yield from until("the copies", lambda: len(tree.nodes) == before + 2)
    ours = [each for each in tree.nodes if each.bl_idname == node.bl_idname]
    yield from until("an inside of their own", lambda: len({each.node_tree.name for each in ours}) == 3)
    images = [{each.node_tree.nodes[str(number)].image.name for number in range(1, each.colors + 1)} for each in ours]
    seen["copies"] = {
        "uids": len({each.uid for each in ours}),
        "images": len(set.union(*images)),
        "same": all(
            np.array_equal(passes(each)[3], passes(node)[3])  # only what is linked was read again since
            for each in ours
        ),
    }
    for each in ours:
        if each != node:
            tree.nodes.remove(each)
    yield from drawn()


def freezing(hand: Hand, tree: Any, node: Any) -> Steps:
    """Freeze to EXR, by its button in the sidebar."""
    folder, before, name = Path(bpy.data.filepath).parent, viewed(), node.name
    hand.area.spaces[0].show_region_ui = True
    tree.nodes.active = node
    yield from drawn()
    sidebar = next(region for region in hand.area.regions if region.type == "UI")
    sidebar.active_panel_category = "Node"
    yield from drawn()
    take("sidebar")
    yield from hand.find_in(sidebar, "freeze(")
    yield from hand.key("LEFTMOUSE")
    yield from until("the group", lambda: tree.nodes[name].bl_idname == "CompositorNodeGroup")
    hand.area.spaces[0].show_region_ui = False
    yield from drawn()
    yield from until("the Viewer to show the layer", lambda: viewed() is not None and viewed().shape == before.shape)
    take("frozen")
    group, after = tree.nodes[name], viewed()
    seen["frozen"] = {
        "different": float(np.abs(after - before).max()),
        "linked": [number for number, socket in enumerate(group.outputs) if socket.is_linked],
        "outputs": [socket.name for socket in group.outputs],
        "from": group.inputs["Image"].links[0].from_node.bl_idname,
        "files": sorted(file.name for file in (folder / "softcolor_frozen").glob("*/*")),
        "left": [file.name for file in (folder / "softcolor_frozen").glob(".*")],
    }


def picking(hand: Hand, tree: Any) -> Steps:
    """Picks from a picture whose colors tell its places, in an Image Editor and from the backdrop."""
    bpy.context.scene.view_settings.view_transform = "Standard"
    node = tree.nodes.new("CompositorNodeSoftColorSegment")
    shown = tree.nodes.new("CompositorNodeImage")
    shown.image = known("large", 20)  # the backdrop of Blender 5.2 is half a pixel off by itself
    tree.links.new(shown.outputs["Image"], tree.nodes["Viewer"].inputs[0])
    for each in tree.nodes:
        each.location = (-3000, 0)
    space = hand.area.spaces[0]
    space.backdrop_zoom, space.backdrop_offset = 1.25, (31.0, -17.0)
    yield from until("the picture", lambda: viewed() is not None and viewed().shape[1] == 20 * KNOWN[0])
    yield from drawn()
    block = 1.25 * 20
    left = hand.region.x + (hand.region.width - block * KNOWN[0]) / 2 + 31.0
    below = hand.region.y + (hand.region.height - block * KNOWN[1]) / 2 - 17.0
    yield from pick(hand, node, "backdrop", (left, below), block)

    hand.area.ui_type = "IMAGE_EDITOR"
    hand.area.spaces[0].image = known("small", 1)
    yield from drawn()
    region = next(region for region in hand.area.regions if region.type == "WINDOW")
    for name, zoom in (("whole", 20.0), ("broken", 23.7)):
        with bpy.context.temp_override(window=hand.window, area=hand.area, region=region):
            bpy.ops.image.view_zoom_ratio(ratio=zoom)
        yield from drawn()
        across, up = region.view2d.region_to_view(0, 0)
        corner = (region.x - across * KNOWN[0] * zoom, region.y - up * KNOWN[1] * zoom)
        yield from pick(hand, node, name, corner, zoom)


def known(name: str, block: int) -> Any:
    """A picture of squares, whose red tells the column and whose green the row from below."""
    width, height = KNOWN
    image = bpy.data.images.new(name, width * block, height * block)
    colors = np.empty((height, width, 4), np.float32)
    colors[..., 0] = 30 * np.arange(width) / 255
    colors[..., 1] = 45 * np.arange(height)[:, None] / 255
    colors[..., 2:] = (128 / 255, 1.0)
    image.pixels = colors.repeat(block, axis=0).repeat(block, axis=1).ravel()
    return image


def pick(hand: Hand, node: Any, name: str, corner: tuple[float, float], size: float) -> Steps:
    """Clicks on the middle of some squares, and close to their edges."""
    take(name)
    found = seen.setdefault("picked", {}).setdefault(name, [])
    last = (KNOWN[0] - 1, KNOWN[1] - 1)
    for square in ((0, 0), (last[0], 0), (3, 2), (0, last[1]), last):
        for inside in (0.5, 0.09, 0.91):
            with bpy.context.temp_override(window=hand.window, area=hand.area):
                bpy.ops.soft_color_segment.pick_color("INVOKE_DEFAULT", node=node.uid, index=0)
            node.palette[0].color = (0.0, 0.0, 0.0)
            yield from hand.click(
                *(start + size * (number + inside) for start, number in zip(corner, square, strict=True))
            )
            yield TICK
            screen = [hand.x, hand.window.height - 1 - hand.y]
            found.append(
                {"square": square, "screen": screen, "color": [255 * value for value in node.palette[0].color]}
            )


def end() -> None:
    """Tells what was seen and ends Blender."""
    (FOLDER / "seen.json").write_text(json.dumps(seen), encoding="utf-8")
    sys.stdout.flush()
    os._exit(0)


_steps = steps()


def step() -> float | None:
    """One step; the last ends Blender."""
    try:
        return next(_steps)
    except StopIteration:
        pass
    except Exception:
        take("failed")
        seen["error"] = traceback.format_exc()
    end()
    return None


if bpy.app.background:
    end()
bpy.app.timers.register(step, first_interval=TICK)
