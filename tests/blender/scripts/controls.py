"""The node's controls and buttons: their words, when they are gray, and what they do to the layers.
``controls.py PICTURE``."""

from __future__ import annotations

import builtins
import contextlib
import io
import json
import os
import sys
from pathlib import Path
from typing import Any
from unittest import mock

sys.path.insert(0, str(Path(__file__).parent))

import bpy
import tree as t
from soft_color_segment import batch, cache, engaged, freshness, help, jobs, operators, pick, trees, ui
from soft_color_segment.fscs.parameters import PARAMETERS
from soft_color_segment.properties import LEFT_OUT, NODE_OF_BUTTON
from soft_color_segment.session import SESSION


class Layout:
    """Stands for Blender's layout, which nothing but a window has: takes what Blender's own takes, notes what is shown
    with whether it is gray."""

    api = bpy.types.UILayout.bl_rna

    def __init__(self, shown: list[Any], gray: bool = False) -> None:
        self.shown, self.gray = shown, gray
        self.pointers: dict[str, Any] = {}

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "enabled":
            self.gray = self.gray or not value
        elif name in ("shown", "gray", "pointers"):
            super().__setattr__(name, value)
        else:
            assert name in self.api.properties, name

    def __getattr__(self, name: str) -> Any:
        known = {each.identifier for each in self.api.functions[name].parameters}

        def call(*arguments: Any, **options: Any) -> Any:
            assert set(options) <= known, (name, options)
            return self.called(name, arguments, options)

        return call

    def called(self, name: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
        if name in ("row", "column", "box"):
            return Layout(self.shown, self.gray)
        if name == "panel":
            return Layout(self.shown, self.gray), Layout(self.shown, self.gray)
        if name == "context_pointer_set":
            self.pointers[arguments[0]] = arguments[1]
        elif name == "operator":
            category, operator = arguments[0].split(".")
            button = getattr(getattr(bpy.ops, category), operator)
            with bpy.context.temp_override(**self.pointers):
                self.shown.append([operator, self.gray or not button.poll()])
            return type("Properties", (), {})()
        elif name == "prop":
            assert arguments[1] in arguments[0].bl_rna.properties, arguments
            self.shown.append([arguments[1], self.gray])
        elif name == "progress":
            self.shown.append([f"progress {options['factor']:.2f} {options['text']}", self.gray])
        return None


def drawn(node: Any) -> dict[str, bool]:
    """All that the node and the sidebar show of a node but texts, and whether it is gray."""
    shown: list[Any] = []
    ui.draw_node(node, bpy.context, Layout(shown))
    ui.draw_sidebar(node, bpy.context, Layout(shown))
    return dict(shown)


def said(of: Any, name: str) -> str:
    """What Blender says of a button that can't be pressed."""
    uid = of.uid
    try:
        with bpy.context.temp_override(**{NODE_OF_BUTTON: of}):
            getattr(bpy.ops.soft_color_segment, name)(node=uid)
    except RuntimeError as error:
        return str(error)
    return ""


def waiting() -> jobs.Routine:
    """Work that does not end by itself."""
    yield jobs.Task(lambda tell, cancelled: None)
    yield jobs.Task(lambda tell, cancelled: None)


def stale(node: Any) -> bool:
    return ui.status(node)[0].startswith("Stale")


tree = t.compositor()
picture = t.image_node(tree, sys.argv[1])
node = t.soft(tree, picture.outputs["Image"])
found: dict[str, Any] = {"inputs": [socket.name for socket in node.inputs], "version": bpy.app.version_string}

# In the menu, in compositors only
menu = bpy.types.NODE_MT_category_compositor_color
found["in menu"] = ui.draw_add_menu in menu.draw._draw_funcs
entries: list[Any] = []
for kind in ("CompositorNodeTree", "ShaderNodeTree"):
    space = type("Space", (), {"tree_type": kind})()
    holder = type("Menu", (), {"layout": Layout(entries)})()
    ui.draw_add_menu(holder, type("Context", (), {"space_data": space})())
found["entries"] = [name for name, _ in entries]

# The words
found["table"], found["choices"] = [], {}
for parameter in PARAMETERS:
    if parameter.name in LEFT_OUT and not parameter.per_layer:
        continue
    owner = node.palette[0] if parameter.per_layer else node
    prop = owner.bl_rna.properties[parameter.name]
    if prop.name != parameter.label or prop.description != parameter.tooltip:
        found["table"].append(parameter.name)
    if parameter.kind == "enum":
        words = [(item.identifier, item.name, item.description) for item in prop.enum_items]
        found["choices"][parameter.name] = words
        assert tuple(word[0] for word in words) == parameter.choices

# Gray while it works
tree.links.new(picture.outputs["Image"], node.inputs["Mask"])
found["idle"] = drawn(node)


def forbidden(*arguments: Any, **options: Any) -> Any:
    raise AssertionError("drawing looks at files")


with contextlib.ExitStack() as stack:
    for owner, name in ((Path, "stat"), (os, "stat"), (os, "scandir"), (builtins, "open"), (io, "open")):
        stack.enter_context(mock.patch.object(owner, name, forbidden))
    stack.enter_context(mock.patch.object(ui, "look_at", lambda node: None))  # a timer does that in a window
    found["drawn without files"] = drawn(node) == found["idle"]
SESSION.running[node.uid] = jobs.Running(waiting(), jobs.Progress())
node.busy, node.fraction, node.message = True, 0.25, "25%"
found["busy"] = drawn(node)
found["why"] = said(node, "auto_palette")
engaged.end_all()
found["why not cancel"] = said(node, "cancel")
tree.links.remove(node.inputs["Mask"].links[0])

# The smallest and the largest number of colors
found["counts"] = []
for colors in (16, 17, 1):
    node.colors = colors
    t.press("segment", node)
    path = freshness.checked_file(node, 1)
    found["counts"].append([node.colors, len(node.outputs) - 3, len(cache.load(path))])

# All controls that change the layers: in the key, and the status line knows
node.colors = 3
chosen = {"smoothing": 2, "smoothing_eps": 1e-4, "smoothing_strength": 0.75, "temporal": 0.25, "minimum_alpha": 0.125}
layer = {"layer_black": 0.0625, "layer_white": 0.875, "layer_gain": 1.5, "layer_gamma": 2.0}
found["stale"] = []
for owner, values in ((node, chosen), (node.palette[1], layer)):
    for name, value in values.items():
        t.press("segment", node)
        before = stale(node)
        setattr(owner, name, value)
        found["stale"].append([name, before, stale(node)])
t.press("segment", node)
facts = cache.facts_of(freshness.checked_file(node, 1))
found["parameters"] = json.loads(facts["parameters"])
found["wanted"] = chosen | {name: {"2": value} for name, value in layer.items()}

node.model = "nobody"
found["model"] = said(node, "segment")
node.model = "any-palette"
t.press("segment", node)

# What is linked in is another picture
image = picture.image
for name, change in (
    ("color space", lambda: setattr(image.colorspace_settings, "name", "Non-Color")),
    ("alpha", lambda: setattr(image, "alpha_mode", "PREMUL")),
    ("file", lambda: Path(image.filepath).write_bytes(Path(image.filepath).read_bytes() + b" ")),
):
    before = stale(node)
    change()
    found["stale"].append([name, before, stale(node)])
    t.press("segment", node)

# Names of outputs, after the artist's or what the color looks like
node.palette[0].label = "Rosé"
node.palette[1].color = (1.0, 0.0, 0.5)
found["named"] = [socket.name for socket in node.outputs][:3]

# Help, and what a report needs
node.message, node.failed = "it went wrong", True
found["report"] = help.report()
found["help"] = help.PAGE.read_text(encoding="utf-8")
found["failure"] = list(ui.status(node))

# A name from a file that would lead elsewhere
victim = Path.cwd() / "victim"
victim.mkdir()
(victim / "layers.exr").write_bytes(b"precious")
blend = str(Path.cwd() / "controls.blend")
node.uid = "../victim"
bpy.ops.wm.save_as_mainfile(filepath=blend)
cache.clear(node)
bpy.ops.wm.open_mainfile(filepath=blend)
(node,) = trees.all_nodes()
found["failure after load"] = [node.message, node.failed]
found["healed"] = node.uid != "../victim"
t.press("clear_cache", node)
found["victim"] = (victim / "layers.exr").exists()
(victim / "secret.txt").write_text("secret")
node.cached_in = str(victim)
bpy.ops.wm.save_as_mainfile(filepath=blend)
found["followed"] = sorted(file.name for file in cache.folder(node).iterdir())

# Switched off, nothing is left
t.ADDON.unregister()
handlers = [
    each
    for name in dir(bpy.app.handlers)
    if isinstance(getattr(bpy.app.handlers, name), list)
    for each in getattr(bpy.app.handlers, name)
]
found["left"] = [each.__module__ for each in handlers if "soft_color" in each.__module__]
menu = bpy.types.NODE_MT_category_compositor_color
found["left in menu"] = ui.draw_add_menu in getattr(menu.draw, "_draw_funcs", [])
t.ADDON.register()
found["known again"] = all(
    hasattr(bpy.types, each.bl_rna.identifier) for each in (*operators.CLASSES, *pick.CLASSES)
) and batch.on_render_pre in list(bpy.app.handlers.render_pre)
report(found)  # noqa: F821  # given by drive.py
