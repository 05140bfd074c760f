# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens when a .blend is loaded or saved, or another frame is gone to: passes come from the cache."""

from __future__ import annotations

import sys
from typing import Any

import bpy

from . import cache, capture, copies, passes, srgb, strings
from .session import SESSION
from .show import show_again
from .sources import Sources
from .trees import all_nodes, is_linked, nodes_of_scene
from .ui import CRASHING, popup


@bpy.app.handlers.persistent
def on_load_post(*_: Any) -> None:
    """Blender keeps no pixels of images that were made: they are shown from the cache again."""
    capture.forget()
    SESSION.states.clear()
    copies.expect()
    copies.separate()
    nodes = all_nodes()
    if nodes:
        srgb.curve()  # a render that is to come must not make a data-block for it
    for node in nodes:
        show_again(node)


@bpy.app.handlers.persistent
def on_save_post(*_: Any) -> None:
    """Brings the cache along to a file of another name, and warns where the file is dangerous to others."""
    nodes = [node for node in all_nodes() if not is_linked(node)]
    for node in nodes:
        try:
            cache.follow(node)
        except OSError as error:
            node.message, node.failed = strings.CACHE_NOT_BROUGHT.format(error=error), True
    if nodes and bpy.app.version[:2] in CRASHING:
        warn()


def warn() -> None:
    """Says that a Blender without the add-on crashes on this file; in a window once for each file."""
    version = ".".join(str(part) for part in bpy.app.version[:2])
    text = strings.NOT_FROZEN.format(version=version)
    print(f"{strings.NAME}: WARNING: {text}", file=sys.stderr)
    if bpy.data.filepath not in SESSION.warned:
        SESSION.warned.add(bpy.data.filepath)
        popup(strings.NOT_FROZEN_TITLE, text)


@bpy.app.handlers.persistent
def on_save_pre(*_: Any) -> None:
    """Nothing that is there for a moment only gets into the file."""
    capture.restore()
    copies.separate()


@bpy.app.handlers.persistent
def on_frame_change(scene: Any, *_: Any) -> None:
    """In the window: the passes of the frame that was gone to, or none. A render has its own way to its passes."""
    if bpy.app.background or capture.capturing() or bpy.app.is_job_running("RENDER"):
        return
    for node in nodes_of_scene(scene):
        if Sources.of(node, scene.frame_current).still:
            continue
        before = node.message
        if not show_again(node):
            said = strings.FRAME_NOT_COMPUTED.format(frame=scene.frame_current)
            node.message = before if node.failed else said


@bpy.app.handlers.persistent
def on_render_end(scene: Any, *_: Any) -> None:
    """After a render in the window the passes of its last frame are shown: those of the frame of the window again."""
    SESSION.alarmed.clear()
    name = scene.name  # the scene itself may be gone when the timer runs

    def show() -> None:
        shown = bpy.data.scenes.get(name)
        if shown is not None:
            on_frame_change(shown)

    if not bpy.app.background and not capture.capturing():
        bpy.app.timers.register(show, first_interval=0.1)  # this is not the main thread, and the render not over yet


@bpy.app.handlers.persistent
def on_settling(*_: Any) -> None:
    """Copies get an inside of their own, and what came from another file shows its passes."""
    came = len(bpy.data.node_groups) > SESSION.groups
    SESSION.groups = len(bpy.data.node_groups)
    if came:
        copies.expect()
    copies.separate()
    for node in all_nodes() if came else ():
        if not passes.filled(node):
            if not is_linked(node):
                cache.follow(node)
            show_again(node)


SETTLING = ("depsgraph_update_post", "render_init")
"""When :func:`on_settling` runs, where no timer does."""

HANDLERS = (
    *((name, on_settling) for name in SETTLING),
    ("load_post", on_load_post),
    ("save_pre", on_save_pre),
    ("save_post", on_save_post),
    ("frame_change_post", on_frame_change),
    ("render_complete", on_render_end),
    ("render_cancel", on_render_end),
)


def register() -> None:
    """Begins to watch."""
    for name, handler in HANDLERS:
        getattr(bpy.app.handlers, name).append(handler)


def unregister() -> None:
    """Ends it."""
    copies.stop_waiting()
    for name, handler in HANDLERS:
        getattr(bpy.app.handlers, name).remove(handler)
