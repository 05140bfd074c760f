# SPDX-License-Identifier: GPL-3.0-or-later
"""How every button of the node does its work: finds the node, does it, says what went wrong.

A button whose work takes its time gives a routine (``jobs.py``). In a window it goes on while the interface lives,
until it is done or Esc or Cancel is pressed; without a window, and where a script calls it, it is done at once.
"""

from __future__ import annotations

from typing import Any

import bpy

from . import copies, strings
from .copies import present
from .fscs.protocol import WorkerError
from .jobs import Progress, Routine, Running, run_now
from .properties import NODE_OF_BUTTON, is_node
from .session import SESSION
from .trees import all_nodes, is_linked

TICK = 0.1
"""Seconds between two looks at a computation under way."""


def find_node(uid: str, context: Any) -> Any:
    """The node of a button, or the active one. None if it is gone."""
    copies.separate()
    if uid:
        return next((node for node in all_nodes() if node.uid == uid), None)
    node = getattr(context, "active_node", None)
    return node if node is not None and is_node(node) else None


def in_the_interface(error: WorkerError) -> WorkerError:
    """An error whose cure is a control of the node, where the engine names a flag."""
    return WorkerError(error.code, error.message, strings.TURN_ON_REPAIR) if error.code == "non-finite" else error


def hindrance(node: Any) -> str:
    """Why a node can't be changed now; an empty text if it can."""
    if is_linked(node):
        return strings.LINKED_BUTTON.format(file=bpy.path.basename(node.id_data.library.filepath))
    return strings.AT_WORK if node.busy or node.uid in SESSION.running else ""


class NodeOperator:
    """What all buttons have: the node they belong to, and one way to fail."""

    bl_options: Any = {"REGISTER", "INTERNAL"}
    NODE = bpy.props.StringProperty(options={"HIDDEN", "SKIP_SAVE"})

    node: str
    report: Any
    poll_message_set: Any

    @classmethod
    def poll(cls, context: Any) -> bool:
        """Whether the button can be pressed. If not it is gray, and its tooltip says why."""
        node = getattr(context, NODE_OF_BUTTON, None)
        why = cls.hindered(node) if node is not None else ""
        if why:
            cls.poll_message_set(why)
        return not why

    @classmethod
    def hindered(cls, node: Any) -> str:
        """Why the button of a node can't be pressed; an empty text if it can."""
        return ""

    def work(self, node: Any, context: Any) -> str:
        """Does it. Returns what there is to tell, or an empty text. Raises WorkerError."""
        raise NotImplementedError

    def execute(self, context: Any) -> set[Any]:
        """Does it with the node of the button."""
        node = find_node(self.node, context)
        if node is None:
            self.report({"ERROR"}, strings.SELECT_A_NODE)
            return {"CANCELLED"}
        if node.uid in SESSION.running and self.hindered(node):
            self.report({"WARNING"}, strings.AT_WORK)
            return {"CANCELLED"}
        try:
            said = self.work(node, context)
        except WorkerError as error:
            return self.fail(error)
        if said:
            self.report({"INFO"}, said)
        return {"FINISHED"}

    def fail(self, error: WorkerError) -> set[Any]:
        """Shows an error in Blender's own way."""
        cancelled = error.code == "cancelled"
        error = in_the_interface(error)
        self.report({"WARNING" if cancelled else "ERROR"}, strings.CANCELLED if cancelled else str(error))
        return {"CANCELLED"}


class EngagedOperator(NodeOperator):
    """A button whose work takes its time. Its errors stay on the node, too."""

    holds = True
    """Whether the node can't be changed meanwhile."""

    _timer: Any = None
    _uid = ""

    def routine(self, node: Any, progress: Progress) -> Routine:
        """The work; it returns what there is to tell, or an empty text. Raises WorkerError."""
        raise NotImplementedError

    @classmethod
    def hindered(cls, node: Any) -> str:
        """It changes the node."""
        return hindrance(node)

    def work(self, node: Any, context: Any) -> str:
        """All of it at once."""
        self._uid = node.uid
        return str(run_now(self.routine(node, Progress())))

    def invoke(self, context: Any, event: Any) -> set[Any]:
        """Starts it, and goes on in ``modal``."""
        node = find_node(self.node, context)
        if bpy.app.background or node is None or node.uid in SESSION.running:
            return self.execute(context)
        self._uid = node.uid
        progress = Progress()
        try:
            started = Running(self.routine(node, progress), progress)
        except WorkerError as error:
            return self.fail(error)
        SESSION.running[self._uid] = started
        ended = self._look(context)
        if ended is not None:
            return ended
        self._timer = context.window_manager.event_timer_add(TICK, window=context.window)
        context.window_manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: Any, event: Any) -> set[Any]:
        """Looks how far it is."""
        now = SESSION.running.get(self._uid)
        if now is None:
            self.cancel(context)
            return {"CANCELLED"}
        if event.type == "ESC" and event.value == "PRESS" and not now.cancelled.is_set():
            now.cancelled.set()
            return {"RUNNING_MODAL"}
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        now.look()
        return self._look(context) or {"PASS_THROUGH"}

    def cancel(self, context: Any) -> None:
        """Also called by Blender, when its window is closed or another file is loaded."""
        if self._timer is not None:
            context.window_manager.event_timer_remove(self._timer)
            self._timer = None
        ended = SESSION.running.pop(self._uid, None)
        if ended is not None and not ended.over:
            ended.end()

    def fail(self, error: WorkerError) -> set[Any]:
        """Shows an error on the node as well."""
        error = in_the_interface(error)
        outcome = super().fail(error)
        try:
            node = present(self._uid)
        except WorkerError:
            return outcome
        cancelled = error.code == "cancelled"
        node.busy = False
        node.message, node.failed = (strings.CANCELLED, False) if cancelled else (str(error), True)
        SESSION.state(node.uid).code = error.code
        return outcome

    def outdated(self, node: Any) -> bool:
        """Whether nobody wants it any more."""
        return False

    def _look(self, context: Any) -> set[Any] | None:
        """Shows how far it is. Returns how it ended, None as long as it goes on."""
        now = SESSION.running[self._uid]
        try:
            node = present(self._uid)
        except WorkerError:  # deleted, or undone, meanwhile, or turned into a frozen one
            node = None
            now.cancelled.set()
        if node is not None:
            node.busy = self.holds and not now.over
            if node.busy:
                node.fraction, node.message = now.progress.whole, now.text
            elif not now.over and self.outdated(node):
                now.cancelled.set()
        redraw(context)
        if not now.over:
            return None
        self.cancel(context)
        if now.error is not None:
            return self.fail(now.error)
        if now.result:
            self.report({"INFO"}, now.result)
        return {"FINISHED"}


def end_all() -> None:
    """Ends what is under way, as when the add-on is switched off."""
    while SESSION.running:
        uid, each = SESSION.running.popitem()
        each.end()
        for node in all_nodes():
            node.busy = node.busy and node.uid != uid


def redraw(context: Any) -> None:
    """Draws all node editors anew."""
    for window in context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "NODE_EDITOR":
                area.tag_redraw()
