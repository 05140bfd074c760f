# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens when a .blend is loaded or saved, or another frame is gone to: passes come from the cache."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import bpy

from . import cache, capture, copies, passes, reading, recoloring, srgb, strings, updating, views
from .counting import count
from .engaged import redraw
from .freshness import look_at, settings_of
from .fscs._version import __version__
from .jobs import understood
from .scene_print import scene_print
from .session import SESSION
from .show import fill_links, show_again
from .sources import Sources
from .trees import all_nodes, is_linked, nodes_of_scene
from .ui import BROKEN_WITHOUT, crashes, popup


@bpy.app.handlers.persistent
def on_load_post(*_: Any) -> None:
    """Blender keeps no pixels of images that were made: they are shown from the cache again."""
    capture.forget()
    SESSION.states.clear()
    SESSION.reading.clear()
    SESSION.scenes.clear()
    SESSION.blend = bpy.data.filepath
    copies.expect()
    copies.separate()
    nodes = all_nodes()
    if nodes:
        srgb.curve()  # a render that is to come must not make a data-block for it
    for_each(nodes, _take_up)


def _take_up(node: Any) -> None:
    if not is_linked(node):
        cache.adopt(node)
    show_again(node)


def for_each(nodes: Iterable[Any], do: Callable[[Any], object]) -> None:
    """Does something with every node, whatever happens at one of them: a handler that stops leaves the others wrong."""
    for node in nodes:
        try:
            do(node)
        except Exception as error:
            traceback.print_exc()
            node.message, node.failed = str(understood(error)), True


@bpy.app.handlers.persistent
def on_save_post(*_: Any) -> None:
    """Brings the cache along to a file of another name, and warns where the file is dangerous to others."""
    nodes = [node for node in all_nodes() if not is_linked(node)]
    for_each(nodes, _follow_saved)
    SESSION.blend = bpy.data.filepath
    if nodes and bpy.app.version >= BROKEN_WITHOUT:
        warn()


def _follow_saved(node: Any) -> None:
    try:
        cache.follow(node, Path(SESSION.blend).name or cache.UNSAVED)
    except OSError as error:
        node.message, node.failed = strings.CACHE_NOT_BROUGHT.format(error=error), True


def warn() -> None:
    """Says that a Blender without the add-on does not render this file; in a window once for each file."""
    version = ".".join(str(part) for part in bpy.app.version[:2])
    text = (strings.NOT_FROZEN if crashes() else strings.NOT_FROZEN_BLACK).format(version=version)
    print(f"{strings.NAME}: WARNING: {text}", file=sys.stderr)
    if bpy.data.filepath not in SESSION.warned:
        SESSION.warned.add(bpy.data.filepath)
        popup(strings.NOT_FROZEN_TITLE, text)


@bpy.app.handlers.persistent
def on_save_pre(*_: Any) -> None:
    """Nothing that is there for a moment only gets into the file."""
    capture.restore()
    copies.separate()
    for_each([node for node in all_nodes() if not is_linked(node)], passes.unpack)
    follow_keys()
    leave_note()


def follow_keys(*_: Any) -> None:
    """Edits that are keyframed show what their keyframes say."""
    for_each([node for node in all_nodes() if not is_linked(node)], recoloring.follow)


def leave_note() -> None:
    """A text in the file that says what it needs, for whoever opens it without the add-on."""
    names = [node.name for node in all_nodes() if not is_linked(node)]
    note = bpy.data.texts.get(strings.NOTE_NAME)
    if not names:
        if note is not None:
            bpy.data.texts.remove(note)
        return
    text = strings.NOTE.format(version=__version__, nodes="\n".join(names))
    note = note or bpy.data.texts.new(strings.NOTE_NAME)
    if note.as_string() != text:
        note.from_string(text)


@bpy.app.handlers.persistent
def on_frame_change(scene: Any, *_: Any) -> None:
    """In the window: the passes of the frame that was gone to, or none. A render has its own way to its passes."""
    if bpy.app.background or capture.capturing() or bpy.app.is_job_running("RENDER"):
        return
    for_each(nodes_of_scene(scene), partial(_show_frame, frame=scene.frame_current))


def _show_frame(node: Any, frame: int) -> None:
    if Sources.of(node, frame).still:
        return
    before = node.message
    if reading.begin(node, frame):
        node.message, node.settings_shown = strings.READING_FRAME.format(frame=frame), ""
    elif not show_again(node):
        node.message = before if node.failed else strings.FRAME_NOT_COMPUTED.format(frame=frame)


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
    if bpy.app.background:  # where no timer does
        follow_keys()
    if came:
        for_each([node for node in all_nodes() if not passes.filled(node)], _show_new)


def _show_new(node: Any) -> None:
    if not is_linked(node):
        cache.follow(node)
    show_again(node)


@bpy.app.handlers.persistent
def on_undone(*_: Any) -> None:
    """Undo brings settings back but no pixels: they come from the cache of these settings, or the node is stale."""
    SESSION.scenes.clear()
    capture.sweep()
    copies.separate()
    for_each(all_nodes(), _show_undone)


def _show_undone(node: Any) -> None:
    if not node.busy and (
        node.settings_shown != settings_of(node) or not passes.holds(node, views.needed_or_all(node))
    ):
        show_again(node)


@bpy.app.handlers.persistent
def on_changed(*_: Any) -> None:
    """Has the next :func:`look` look."""
    SESSION.changed = True
    SESSION.changes += 1


def look() -> float:
    """A timer: works out what the nodes say, a moment after something changed, and now and then for files on disk."""
    now = time.monotonic()
    busy = bpy.app.is_job_running("RENDER") or capture.capturing()
    if busy or (
        not SESSION.changed
        and not SESSION.counting
        and not any(each.wanted for each in SESSION.reading.values())
        and now - SESSION.looked < SLOW_SECONDS
    ):
        return LOOK_SECONDS
    if SESSION.changed and now - SESSION.looked > 4.0 * SESSION.look_seconds:
        SESSION.changed = False
        for name in list(SESSION.scenes):
            scene = bpy.data.scenes.get(name)
            if scene is None:
                del SESSION.scenes[name]
            else:
                SESSION.scenes[name] = scene_print(scene)
        SESSION.look_seconds = time.monotonic() - now
    said: list[bool] = []
    if SESSION.counting or now - SESSION.looked >= SLOW_SECONDS:
        counted: list[bool] = []
        for_each(all_nodes(), lambda node: counted.append(count(node)))
        SESSION.counting = not all(counted)
    for_each(reading.finished(), show_again)
    follow_keys()
    for_each(all_nodes(), lambda node: said.append(look_at(node) or fill_links(node)))
    for_each(all_nodes(), updating.look)
    SESSION.looked = time.monotonic()
    if any(said):
        redraw(bpy.context)
    return LOOK_SECONDS


LOOK_SECONDS, SLOW_SECONDS = 0.2, 1.5
"""Between two looks whether something changed, and between two looks at files on disk."""

SETTLING = ("depsgraph_update_post", "render_init")
"""When :func:`on_settling` runs, where no timer does."""

HANDLERS = (
    *((name, on_settling) for name in SETTLING),
    ("depsgraph_update_post", on_changed),
    ("load_post", on_load_post),
    ("save_pre", on_save_pre),
    ("save_post", on_save_post),
    ("frame_change_post", on_frame_change),
    ("undo_post", on_undone),
    ("redo_post", on_undone),
    ("render_complete", on_render_end),
    ("render_cancel", on_render_end),
)


def register() -> None:
    """Begins to watch."""
    for name, handler in HANDLERS:
        getattr(bpy.app.handlers, name).append(handler)
    if not bpy.app.background:
        bpy.app.timers.register(look, first_interval=LOOK_SECONDS, persistent=True)


def unregister() -> None:
    """Ends it."""
    copies.stop_waiting()
    if bpy.app.timers.is_registered(look):
        bpy.app.timers.unregister(look)
    for name, handler in HANDLERS:
        getattr(bpy.app.handlers, name).remove(handler)
