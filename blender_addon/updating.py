# SPDX-License-Identifier: GPL-3.0-or-later
"""*Auto Update*: layers are computed anew a moment after a control changed, at preview size first, then whole.

It never renders: what was captured for the last *Segment* is used again, and where that does not do any more the node
stays stale. The artist goes on working meanwhile; whatever changes ends it, and it begins again.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any, cast

import bpy
import numpy as np

from . import passes, segmenting, strings
from .compute import Outcome, compute, grid, picture_for
from .copies import present
from .engaged import EngagedOperator, NodeOperator
from .engine import connect_with, python_path
from .freshness import settings_of
from .fscs.client import Pixels
from .fscs.parameters import IN_PIXELS
from .fscs.protocol import WorkerError
from .gather import Work
from .jobs import Cancelled, Progress, Routine, Task, Tell
from .session import SESSION
from .show import put
from .trees import is_linked, scene_of

QUIET_SECONDS = 0.4
"""How long nothing must have changed."""

PREVIEW_PIXELS = 320 * 240
"""About the size of a preview."""


def due(node: Any, now: float) -> bool:
    """Whether a node is to be computed anew: it is stale, and was left alone for a moment. Main thread.

    Args:
        node: any.
        now: by ``time.monotonic``.
    """
    state = SESSION.state(node.uid)
    if not node.auto_update or is_linked(node) or node.busy or node.uid in SESSION.running or not state.settings_shown:
        return False
    if state.settings_now == state.settings_shown or state.settings_now == state.tried:
        state.changed = 0.0
        return False
    if state.waiting != state.settings_now:
        state.waiting, state.changed = state.settings_now, now
    return now - state.changed >= QUIET_SECONDS


def begin(node: Any) -> None:
    """Begins it in the window. Main thread."""
    SESSION.state(node.uid).tried = SESSION.state(node.uid).settings_now
    context, operators = cast("Any", bpy.context), cast("Any", bpy.ops)
    with context.temp_override(window=context.window_manager.windows[0]):
        operators.soft_color_segment.auto_update("INVOKE_DEFAULT", node=node.uid)


def updated(uid: str, frame: int) -> Routine:
    """The layers of a frame at preview size, shown, then whole, shown and kept; a routine. Nothing is done where the
    input would have to be rendered.

    Raises:
        WorkerError: of any code.
    """
    node = present(uid)
    if not segmenting.at_hand(node, frame):
        return ""
    python = python_path()
    work = yield from segmenting.prepared(uid, frame)
    if not work.inputs.masks:
        made = yield Task(lambda tell, cancelled: preview(connect_with(python), work, tell, cancelled))
        node = present(uid)
        if made is not None and len(made.layers) == node.colors and frame == scene_of(node).frame_current:
            put(node, made.layers)
            passes.refresh(node)
    if settings_of(present(uid)) != work.settings:
        return ""
    _, warning = yield from segmenting.segmented(uid, frame, work=work)
    return warning


def preview(worker: Any, work: Work, tell: Tell | None = None, cancelled: Cancelled | None = None) -> Outcome | None:
    """The layers at a smaller size, each pixel as large as it has to be; None where the picture is small already. Any
    thread.

    Raises:
        WorkerError: of any code.
    """
    picture = picture_for(worker, work, cancelled)
    if not isinstance(picture, Pixels):
        with worker.read(picture, work.working_space, cancelled=cancelled) as result:
            pixels = np.array(result.memory(), np.float32)
        height, width, channels = pixels.shape
        picture = Pixels(pixels, height, width, channels, work.working_space, picture.clean_nonfinite)
    step, small = grid(picture, PREVIEW_PIXELS)
    if step == 1:
        return None
    values = {**work.values, "smoothing": round(work.values["smoothing"] / step)}
    layers = {
        name: {layer: value / step if name in IN_PIXELS else value for layer, value in edited.items()}
        for name, edited in work.layers.items()
    }
    inputs = replace(work.inputs, picture=small, before=(), after=())
    made = compute(worker, replace(work, inputs=inputs, values=values, layers=layers), tell, cancelled)
    large = made.layers.repeat(step, axis=1).repeat(step, axis=2)
    return replace(made, layers=large[:, : picture.height, : picture.width])


class AutoUpdateOperator(EngagedOperator, bpy.types.Operator):
    """What *Auto Update* does. It leaves no step to be undone, and the node can be changed while it goes on."""

    bl_idname = "soft_color_segment.auto_update"
    bl_label, bl_description = strings.AUTO_UPDATE
    bl_options = {"INTERNAL"}
    __annotations__ = {"node": NodeOperator.NODE}

    holds = False
    _began = ""

    def routine(self, node: Any, progress: Progress) -> Routine:
        """Shows and keeps them."""
        self._began = settings_of(node)
        return (yield from updated(node.uid, scene_of(node).frame_current))

    def outdated(self, node: Any) -> bool:
        """What is computed is for settings that are gone."""
        shown = SESSION.state(node.uid).settings_shown
        return settings_of(node) not in (self._began, shown)

    def fail(self, error: WorkerError) -> set[Any]:
        """Its end by a change is nothing to tell."""
        return {"CANCELLED"} if error.code == "cancelled" else super().fail(error)


def look(node: Any) -> None:
    """Begins it where it is due. Main thread, in a window."""
    if due(node, time.monotonic()):
        begin(node)


CLASSES = (AutoUpdateOperator,)
