# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens when a .blend is loaded or saved, or another frame is gone to: passes come from the cache."""

from __future__ import annotations

import sys
from typing import Any

import bpy

from . import cache, passes, segmenting, srgb
from .capture import capturing
from .node import all_nodes, nodes_of_scene, settle, unsettle
from .sources import file_source, link_into
from .ui import CRASHING, popup

_warned: set[str] = set()


@bpy.app.handlers.persistent
def on_load_post(*_: Any) -> None:
    """Blender keeps no pixels of images that were made: they are shown from the cache again."""
    unsettle()
    settle()
    nodes = all_nodes()
    if nodes:
        srgb.curve()  # a render that is to come must not make a data-block for it
    for node in nodes:
        node.busy = False
        if node.settings_shown and not segmenting.show_cached(node, segmenting.in_scene(node)):
            node.settings_shown = ""


@bpy.app.handlers.persistent
def on_save_post(*_: Any) -> None:
    """Brings the cache along to a file of another name, and warns where the file is dangerous to others."""
    nodes = all_nodes()
    for node in nodes:
        try:
            cache.follow(node)
        except OSError as error:
            node.message, node.failed = f"The cache could not be brought along ({error}): press Segment", True
    if nodes and bpy.app.version[:2] in CRASHING:
        warn()


def warn() -> None:
    """Says that a Blender without the add-on crashes on this file; in a window once for each file."""
    version = ".".join(str(part) for part in bpy.app.version[:2])
    text = (
        f"Blender {version} without the Soft Color Segment add-on crashes when it renders this file. "
        "Press Freeze to EXR before you hand it on."
    )
    print(f"Soft Color Segment: WARNING: {text}", file=sys.stderr)
    if bpy.data.filepath not in _warned:
        _warned.add(bpy.data.filepath)
        popup("Not frozen", text)


@bpy.app.handlers.persistent
def on_frame_change(scene: Any, *_: Any) -> None:
    """In the window: the passes of the frame that was gone to, or none. A render has its own way to its passes."""
    if bpy.app.background or capturing() or bpy.app.is_job_running("RENDER"):
        return
    for node in nodes_of_scene(scene):
        if node.cached_in and not node.busy and not node.failed and not show_frame(node, scene):
            passes.paint(node, passes.NOTHING)
            passes.refresh(node)
            node.settings_shown, node.message = "", f"Frame {scene.frame_current} is not computed: press Segment"


def show_frame(node: Any, scene: Any) -> bool:
    """Shows the passes of the current frame, unless they are shown already. Returns whether there are any."""
    link = link_into(node, "Image")
    source = file_source(link, scene.frame_current) if link is not None else None
    if source is not None and source.still and node.settings_shown:
        return True
    return segmenting.show_cached(node, scene)


SETTLING = ("depsgraph_update_post", "save_pre", "render_init")
"""When copies get an inside of their own, where no timer runs."""

on_settling = bpy.app.handlers.persistent(lambda *_: settle())


def register() -> None:
    """Begins to watch."""
    for name in SETTLING:
        getattr(bpy.app.handlers, name).append(on_settling)
    bpy.app.handlers.load_post.append(on_load_post)
    bpy.app.handlers.save_post.append(on_save_post)
    bpy.app.handlers.frame_change_post.append(on_frame_change)


def unregister() -> None:
    """Ends it."""
    for name in SETTLING:
        getattr(bpy.app.handlers, name).remove(on_settling)
    bpy.app.handlers.load_post.remove(on_load_post)
    bpy.app.handlers.save_post.remove(on_save_post)
    bpy.app.handlers.frame_change_post.remove(on_frame_change)
