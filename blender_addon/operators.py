# SPDX-License-Identifier: GPL-3.0-or-later
"""The buttons."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy

from . import batch, cache, passes, segmenting
from .engine import connect, python_path
from .fscs.preset_list import read_presets
from .fscs.protocol import WorkerError
from .node import all_nodes, settle
from .palettes import read_palette, write_palette
from .properties import palette_document, take_palette, take_preset

TICK = 0.1
"""Seconds between two looks at a computation under way."""

PALETTE_FILES = "*.json;*.gpl;*.txt"


class Running:
    """A computation in a thread of its own, which the interface looks at from time to time.

    Args:
        task: the computation; it is given two callbacks, for progress and to learn whether it is cancelled.
    """

    def __init__(self, task: Callable[[Any, Any], Any]) -> None:
        self.cancelled = threading.Event()
        self.fraction = 0.0
        self.eta: float | None = None
        self.result: Any = None
        self.error: WorkerError | None = None
        self._task = task
        self._thread = threading.Thread(target=self._run, name="soft-color-segment", daemon=True)
        self._thread.start()

    @property
    def done(self) -> bool:
        """Whether there is a result or an error."""
        return not self._thread.is_alive()

    @property
    def text(self) -> str:
        """How far it is, for the status line."""
        if self.cancelled.is_set():
            return "Cancelling"
        if self.eta is None:
            return "Starting" if self.fraction == 0.0 else f"{self.fraction:.0%}"
        return f"{self.fraction:.0%}, {self.eta:.0f} s to go"

    def _run(self) -> None:
        try:
            self.result = self._task(self._progress, self.cancelled.is_set)
        except WorkerError as error:
            self.error = error
        except Exception as error:  # it must reach the artist, not a thread's standard error
            self.error = WorkerError("internal", f"the add-on failed ({error!r})", "report it")

    def _progress(self, fraction: float, eta: float | None) -> None:
        self.fraction, self.eta = fraction, eta


_running: dict[str, Running] = {}


def find_node(uid: str, context: Any) -> Any:
    """The node of a button, or the active one. None if it is gone."""
    settle()
    if uid:
        return next((node for node in all_nodes() if node.uid == uid), None)
    from .properties import is_node

    node = getattr(context, "active_node", None)
    return node if node is not None and is_node(node) else None


class NodeOperator:
    """What all buttons have: the node they belong to."""

    bl_options = {"REGISTER", "INTERNAL"}
    NODE = bpy.props.StringProperty(options={"HIDDEN", "SKIP_SAVE"})

    def target(self, context: Any) -> Any:
        """The node; reports an error if there is none."""
        node = find_node(self.node, context)  # type: ignore[attr-defined]
        if node is None:
            self.report({"ERROR"}, "Select a Soft Color Segment node")  # type: ignore[attr-defined]
        return node

    def fail(self, node: Any, error: WorkerError) -> set[str]:
        """Shows an error on the node and in Blender's own way."""
        node.busy = False
        cancelled = error.code == "cancelled"
        node.message, node.failed = ("Cancelled", False) if cancelled else (str(error), True)
        self.report({"WARNING" if cancelled else "ERROR"}, node.message)  # type: ignore[attr-defined]
        return {"CANCELLED"}


class Engaged(NodeOperator):
    """A button that has the engine compute: at once without a window, else while the interface lives on."""

    _timer: Any = None
    _uid = ""
    _work: Any = None

    def task(self, worker: Any, work: Any, progress: Any, cancelled: Any) -> Any:
        """The computation, in any thread."""
        raise NotImplementedError

    def take(self, node: Any, result: Any, work: Any) -> str:
        """What to do with its result, in the main thread. Returns a warning or an empty text."""
        raise NotImplementedError

    def work(self, node: Any, scene: Any) -> Any:
        """What the computation needs. Raises WorkerError."""
        return segmenting.prepare(node, scene)

    def execute(self, context: Any) -> set[str]:
        """Blocks until it is done."""
        node = self.target(context)
        if node is None:
            return {"CANCELLED"}
        try:
            work = self.work(node, segmenting.in_scene(node))
            result = self.task(connect(context), work, None, None)
        except WorkerError as error:
            return self.fail(node, error)
        return self.done(node, result, work)

    def done(self, node: Any, result: Any, work: Any) -> set[str]:
        """The end of a computation that went well."""
        node.busy = False
        warning = self.take(node, result, work)
        if warning:
            self.report({"WARNING"}, warning)  # type: ignore[attr-defined]
        return {"FINISHED"}

    def invoke(self, context: Any, event: Any) -> set[str]:
        """Starts it, and goes on in ``modal``."""
        if bpy.app.background:
            return self.execute(context)
        node = self.target(context)
        if node is None:
            return {"CANCELLED"}
        if node.uid in _running:
            return {"CANCELLED"}
        try:
            self._work = self.work(node, segmenting.in_scene(node))
        except WorkerError as error:
            return self.fail(node, error)
        self._uid = node.uid
        work = self._work
        _running[self._uid] = Running(lambda progress, cancelled: self.task(connect(None), work, progress, cancelled))
        node.busy, node.fraction, node.message, node.failed = True, 0.0, "Starting", False
        self._timer = context.window_manager.event_timer_add(TICK, window=context.window)
        context.window_manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: Any, event: Any) -> set[str]:
        """Looks how far it is."""
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        running = _running[self._uid]
        node = find_node(self._uid, context)
        if node is None:  # deleted, or undone, meanwhile
            running.cancelled.set()
        elif not running.done:
            node.fraction, node.message, node.busy = running.fraction, running.text, True
            redraw(context)
        if not running.done:
            return {"PASS_THROUGH"}
        self.cancel(context)
        if node is None:
            return {"CANCELLED"}
        outcome = self.fail(node, running.error) if running.error else self.done(node, running.result, self._work)
        redraw(context)
        return outcome

    def cancel(self, context: Any) -> None:
        """Also called by Blender, when its window is closed or another file is loaded."""
        context.window_manager.event_timer_remove(self._timer)
        running = _running.pop(self._uid, None)
        if running is not None:
            running.cancelled.set()


def redraw(context: Any) -> None:
    """Draws all node editors anew."""
    for window in context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "NODE_EDITOR":
                area.tag_redraw()


class SegmentOperator(Engaged, bpy.types.Operator):
    """Computes the layers of this frame"""

    bl_idname = "soft_color_segment.segment"
    bl_label = "Segment"
    bl_options = {"REGISTER", "UNDO", "INTERNAL"}
    __annotations__ = {"node": NodeOperator.NODE}

    def task(self, worker: Any, work: Any, progress: Any, cancelled: Any) -> Any:
        """The layers, and the palette before them where it is not whole."""
        return segmenting.compute(worker, work, progress, cancelled)

    def take(self, node: Any, result: Any, work: Any) -> str:
        """Shows and keeps them."""
        return segmenting.finish(node, result, work)


class AutoPaletteOperator(Engaged, bpy.types.Operator):
    """Finds the colours of this frame; those that are locked stay and come first"""

    bl_idname = "soft_color_segment.auto_palette"
    bl_label = "Auto Palette"
    bl_options = {"REGISTER", "UNDO", "INTERNAL"}
    __annotations__ = {"node": NodeOperator.NODE}

    def work(self, node: Any, scene: Any) -> Any:
        """Only the locked colours are given."""
        return segmenting.prepare(node, scene, palette=palette_document(node, locked_only=True))

    def task(self, worker: Any, work: Any, progress: Any, cancelled: Any) -> Any:
        """The palette."""
        return segmenting.find_palette(worker, work, cancelled)

    def take(self, node: Any, result: Any, work: Any) -> str:
        """Fills the swatches."""
        take_palette(node, result)
        node.message, node.failed = "", False
        return ""


class CancelOperator(NodeOperator, bpy.types.Operator):
    """Stops the computation of this node"""

    bl_idname = "soft_color_segment.cancel"
    bl_label = "Cancel"
    __annotations__ = {"node": NodeOperator.NODE}

    def execute(self, context: Any) -> set[str]:
        """Tells the thread; the button that started it does the rest."""
        if self.node in _running:
            _running[self.node].cancelled.set()
            return {"FINISHED"}
        node = self.target(context)
        if node is not None:
            node.busy = False
        return {"CANCELLED"}


class ImportPaletteOperator(NodeOperator, bpy.types.Operator):
    """Takes the colours of a palette file: JSON, GIMP palette or a list of hex colours"""

    bl_idname = "soft_color_segment.import_palette"
    bl_label = "Import Palette"
    bl_options = {"REGISTER", "UNDO", "INTERNAL"}
    __annotations__ = {
        "node": NodeOperator.NODE,
        "filepath": bpy.props.StringProperty(subtype="FILE_PATH"),
        "filter_glob": bpy.props.StringProperty(default=PALETTE_FILES, options={"HIDDEN"}),
    }

    def invoke(self, context: Any, event: Any) -> set[str]:
        """Asks for the file."""
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: Any) -> set[str]:
        """Reads it."""
        node = self.target(context)
        if node is None:
            return {"CANCELLED"}
        try:
            take_palette(node, read_palette(Path(bpy.path.abspath(self.filepath))))
        except WorkerError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


class ExportPaletteOperator(NodeOperator, bpy.types.Operator):
    """Writes the colours to a palette file; its ending decides: .json, .gpl or .txt"""

    bl_idname = "soft_color_segment.export_palette"
    bl_label = "Export Palette"
    __annotations__ = {
        "node": NodeOperator.NODE,
        "filepath": bpy.props.StringProperty(subtype="FILE_PATH", default="palette.json"),
        "filter_glob": bpy.props.StringProperty(default=PALETTE_FILES, options={"HIDDEN"}),
    }

    def invoke(self, context: Any, event: Any) -> set[str]:
        """Asks for the file."""
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: Any) -> set[str]:
        """Writes it."""
        node = self.target(context)
        if node is None:
            return {"CANCELLED"}
        try:
            write_palette(Path(bpy.path.abspath(self.filepath)), palette_document(node))
        except WorkerError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


_preset_names: list[tuple[str, str, str]] = []
"""What the menu shows; Blender needs the texts of an enumeration to be held by somebody."""


def _presets_shown(operator: Any, context: Any) -> list[tuple[str, str, str]]:
    return _preset_names


class PresetOperator(NodeOperator, bpy.types.Operator):
    """Takes the controls of a preset, one of those that `fscs preset save` made"""

    bl_idname = "soft_color_segment.preset"
    bl_label = "Presets"
    bl_options = {"REGISTER", "UNDO", "INTERNAL"}
    bl_property = "shown"
    __annotations__ = {
        "node": NodeOperator.NODE,
        "preset": bpy.props.StringProperty(name="Preset", options={"SKIP_SAVE"}),
        "shown": bpy.props.EnumProperty(name="Preset", items=_presets_shown, options={"SKIP_SAVE"}),
    }

    def invoke(self, context: Any, event: Any) -> set[str]:
        """Lists them."""
        try:
            presets = read_presets(python_path(context))
        except WorkerError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        if not presets:
            self.report({"INFO"}, "There are no presets yet: fscs preset save NAME makes one")
            return {"CANCELLED"}
        _preset_names[:] = [(preset["name"], preset["name"], "") for preset in presets]
        context.window_manager.invoke_search_popup(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: Any) -> set[str]:
        """Takes the one that was chosen."""
        node = self.target(context)
        if node is None:
            return {"CANCELLED"}
        name = self.preset or self.shown
        try:
            preset = next((each for each in read_presets(python_path(context)) if each["name"] == name), None)
        except WorkerError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        if preset is None:
            self.report({"ERROR"}, f"There is no preset {name}")
            return {"CANCELLED"}
        take_preset(node, preset)
        return {"FINISHED"}


class NameOutputsOperator(NodeOperator, bpy.types.Operator):
    """Names the outputs after their colours"""

    bl_idname = "soft_color_segment.name_outputs"
    bl_label = "Name Outputs"
    bl_options = {"REGISTER", "UNDO", "INTERNAL"}
    __annotations__ = {"node": NodeOperator.NODE}

    def execute(self, context: Any) -> set[str]:
        """The name of a colour, else what it looks like."""
        node = self.target(context)
        if node is None:
            return {"CANCELLED"}
        passes.rename_outputs(
            node, [f"{number} {entry.label or hex_of(entry.color)}" for number, entry in enumerate(node.palette, 1)]
        )
        return {"FINISHED"}


def hex_of(color: Any) -> str:
    """``#rrggbb``."""
    return "#" + "".join(f"{round(max(0.0, min(1.0, value)) * 255):02x}" for value in color)


class ClearCacheOperator(NodeOperator, bpy.types.Operator):
    """Removes the layers of this node from the disk"""

    bl_idname = "soft_color_segment.clear_cache"
    bl_label = "Clear Cache"
    __annotations__ = {"node": NodeOperator.NODE}

    def invoke(self, context: Any, event: Any) -> set[str]:
        """Asks first."""
        return context.window_manager.invoke_confirm(self, event)

    def execute(self, context: Any) -> set[str]:
        """Removes them."""
        node = self.target(context)
        if node is None:
            return {"CANCELLED"}
        count = cache.clear(node)
        node.settings_shown = ""
        node.message = f"{count} frames removed"
        return {"FINISHED"}


class FillCacheOperator(NodeOperator, bpy.types.Operator):
    """Computes the layers of every frame of the scene, so that it can be rendered anywhere"""

    bl_idname = "soft_color_segment.fill_cache"
    bl_label = "Fill Cache"
    __annotations__ = {
        "node": NodeOperator.NODE,
        "frames": bpy.props.StringProperty(name="Frames", description="1-100 or 1-9,20; empty: the scene's range"),
    }

    def execute(self, context: Any) -> set[str]:
        """Blocks until all are computed."""
        node = find_node(self.node, context) if self.node else None
        scene = segmenting.in_scene(node) if node is not None else context.scene
        try:
            names = [node.name] if node is not None else []
            computed = batch.fill(scene, batch.parse_frames(self.frames, scene), names)
        except ValueError as error:
            self.report({"ERROR"}, f"Frames {self.frames}: {error}")
            return {"CANCELLED"}
        except WorkerError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        self.report({"INFO"}, f"{computed} frames computed")
        return {"FINISHED"}


class FreezeOperator(NodeOperator, bpy.types.Operator):
    """Turns the node into a plain group over EXR files, which renders where this add-on is missing"""

    bl_idname = "soft_color_segment.freeze"
    bl_label = "Freeze to EXR"
    bl_options = {"REGISTER", "UNDO", "INTERNAL"}
    __annotations__ = {
        "node": NodeOperator.NODE,
        "frames": bpy.props.StringProperty(name="Frames", description="1-100; empty: the scene's range"),
    }

    def execute(self, context: Any) -> set[str]:
        """Computes what is missing, writes the files, puts the group in the node's place."""
        from .freeze import freeze

        node = self.target(context)
        if node is None:
            return {"CANCELLED"}
        scene = segmenting.in_scene(node)
        try:
            freeze(node, scene, batch.parse_frames(self.frames, scene))
        except ValueError as error:
            self.report({"ERROR"}, f"Frames {self.frames}: {error}")
            return {"CANCELLED"}
        except WorkerError as error:
            return self.fail(node, error)
        return {"FINISHED"}


CLASSES = (
    SegmentOperator,
    AutoPaletteOperator,
    CancelOperator,
    ImportPaletteOperator,
    PresetOperator,
    ExportPaletteOperator,
    NameOutputsOperator,
    ClearCacheOperator,
    FillCacheOperator,
    FreezeOperator,
)
