# SPDX-License-Identifier: GPL-3.0-or-later
"""Esc while a render in the window computes layers: Blender's own handling of the key does not reach that."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import bpy

from . import strings
from .session import SESSION

TICK = 0.2


class WatchRenderOperator(bpy.types.Operator):
    """Waits for the key."""

    bl_idname = "soft_color_segment.watch_render"
    bl_label, bl_description = strings.CANCEL
    bl_options = {"INTERNAL"}

    _timer: Any = None

    def invoke(self, context: Any, event: Any) -> set[Any]:
        """Begins."""
        self._timer = context.window_manager.event_timer_add(TICK, window=context.window)
        context.window_manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: Any, event: Any) -> set[Any]:
        """Lets every event through, so that Blender ends its render."""
        if SESSION.stop_render is None:
            context.window_manager.event_timer_remove(self._timer)
            return {"FINISHED", "PASS_THROUGH"}
        if event.type == "ESC" and event.value == "PRESS":
            SESSION.stop_render.set()
        return {"PASS_THROUGH"}


@contextmanager
def stoppable() -> Iterator[Callable[[], bool]]:
    """Gives what says whether the artist pressed Esc meanwhile. The render's thread."""
    stop = SESSION.stop_render = threading.Event()
    if not bpy.app.background:
        bpy.app.timers.register(_watch)
    try:
        yield stop.is_set
    finally:
        SESSION.stop_render = None


def _watch() -> None:
    context, operators = cast("Any", bpy.context), cast("Any", bpy.ops)
    with context.temp_override(window=context.window_manager.windows[0]):
        operators.soft_color_segment.watch_render("INVOKE_DEFAULT")


CLASSES = (WatchRenderOperator,)
