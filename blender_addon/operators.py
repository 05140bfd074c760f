# SPDX-License-Identifier: GPL-3.0-or-later
"""The buttons."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy

from . import batch, cache, passes, segmenting
from .engaged import EngagedOperator, NodeOperator, find_node, hindrance, running
from .engine import python_path
from .freeze import freezing
from .fscs.palette_codec import read_palette, write_palette
from .fscs.preset_list import read_presets
from .fscs.protocol import WorkerError
from .jobs import Progress, Routine
from .node import is_linked, present
from .properties import palette_document, take_palette, take_preset

PALETTE_FILES = "*.json;*.gpl;*.txt"


class SegmentOperator(EngagedOperator, bpy.types.Operator):
    """Computes the layers of this frame"""

    bl_idname = "soft_color_segment.segment"
    bl_label = "Segment"
    bl_options = {"REGISTER", "UNDO", "INTERNAL"}
    __annotations__ = {"node": NodeOperator.NODE}

    def routine(self, node: Any, progress: Progress) -> Routine:
        """Shows and keeps them."""
        _, warning = yield from segmenting.segmented(node.uid, segmenting.in_scene(node).frame_current)
        return warning


class AutoPaletteOperator(EngagedOperator, bpy.types.Operator):
    """Finds the colours of this frame; those that are locked stay and come first"""

    bl_idname = "soft_color_segment.auto_palette"
    bl_label = "Auto Palette"
    bl_options = {"REGISTER", "UNDO", "INTERNAL"}
    __annotations__ = {"node": NodeOperator.NODE}

    def routine(self, node: Any, progress: Progress) -> Routine:
        """Fills the swatches."""
        yield from segmenting.recolored(node.uid, segmenting.in_scene(node).frame_current)
        return ""


class FillCacheOperator(EngagedOperator, bpy.types.Operator):
    """Computes the layers of every frame of the scene, so that it can be rendered anywhere"""

    bl_idname = "soft_color_segment.fill_cache"
    bl_label = "Fill Cache"
    bl_options = {"REGISTER", "UNDO", "INTERNAL"}
    __annotations__ = {
        "node": NodeOperator.NODE,
        "frames": bpy.props.StringProperty(name="Frames", description="1-100 or 1-9,20; empty: the scene's range"),
    }

    def routine(self: Any, node: Any, progress: Progress) -> Routine:
        """Computes what is missing, and shows the frame of the window."""
        uid = node.uid
        computed = yield from batch.filling(uid, chosen_frames(self.frames, node), progress)
        segmenting.show_again(present(uid))
        return f"{computed} frames computed"


class FreezeOperator(EngagedOperator, bpy.types.Operator):
    """Turns the node into a plain group over EXR files, which renders where this add-on is missing"""

    bl_idname = "soft_color_segment.freeze"
    bl_label = "Freeze to EXR"
    bl_options = {"REGISTER", "UNDO", "INTERNAL"}
    __annotations__ = {
        "node": NodeOperator.NODE,
        "frames": bpy.props.StringProperty(name="Frames", description="1-100; empty: the scene's range"),
    }

    def routine(self: Any, node: Any, progress: Progress) -> Routine:
        """Computes what is missing, writes the files, puts the group in the node's place."""
        name = yield from freezing(node.uid, chosen_frames(self.frames, node), progress)
        return f"{name} is a plain group now"


def chosen_frames(text: str, node: Any) -> list[int]:
    """The frames that a text names. Raises WorkerError."""
    try:
        return batch.parse_frames(text, segmenting.in_scene(node))
    except ValueError as error:
        raise WorkerError("usage", f"frames {text}: {error}", "give a range like 1-100") from error


class CancelOperator(NodeOperator, bpy.types.Operator):
    """Stops the computation of this node"""

    bl_idname = "soft_color_segment.cancel"
    bl_label = "Cancel"
    __annotations__ = {"node": NodeOperator.NODE}

    @classmethod
    def hindered(cls, node: Any) -> str:
        """Something must be under way."""
        return "" if node.busy or node.uid in running else "Nothing is under way"

    def work(self, node: Any, context: Any) -> str:
        """The button that started it does the rest."""
        if node.uid in running:
            running[node.uid].cancelled.set()
        else:
            node.busy = False
        return ""


class EditOperator(NodeOperator):
    """A button that changes the node, which can't be done where it is linked."""

    @classmethod
    def hindered(cls, node: Any) -> str:
        """It changes the node."""
        return hindrance(node)

    def execute(self, context: Any) -> set[Any]:
        """Refuses a linked node."""
        node = find_node(self.node, context)
        if node is not None and is_linked(node):
            return self.fail(segmenting.linked_error(node))
        return super().execute(context)


class FileOperator(NodeOperator):
    """A button that asks for a palette file."""

    filepath: str

    def invoke(self, context: Any, event: Any) -> set[Any]:
        """Asks for the file."""
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    @property
    def path(self) -> Path:
        """The file that was chosen."""
        return Path(bpy.path.abspath(self.filepath))


class ImportPaletteOperator(FileOperator, EditOperator, bpy.types.Operator):
    """Takes the colours of a palette file: JSON, GIMP palette or a list of hex colours"""

    bl_idname = "soft_color_segment.import_palette"
    bl_label = "Import Palette"
    bl_options = {"REGISTER", "UNDO", "INTERNAL"}
    __annotations__ = {
        "node": NodeOperator.NODE,
        "filepath": bpy.props.StringProperty(subtype="FILE_PATH"),
        "filter_glob": bpy.props.StringProperty(default=PALETTE_FILES, options={"HIDDEN"}),
    }

    def work(self, node: Any, context: Any) -> str:
        """Reads it."""
        take_palette(node, read_palette(self.path))
        return ""


class ExportPaletteOperator(FileOperator, bpy.types.Operator):
    """Writes the colours to a palette file; its ending decides: .json, .gpl or .txt"""

    bl_idname = "soft_color_segment.export_palette"
    bl_label = "Export Palette"
    __annotations__ = {
        "node": NodeOperator.NODE,
        "filepath": bpy.props.StringProperty(subtype="FILE_PATH", default="palette.json"),
        "check_existing": bpy.props.BoolProperty(default=True, options={"HIDDEN"}),
        "filter_glob": bpy.props.StringProperty(default=PALETTE_FILES, options={"HIDDEN"}),
    }

    def work(self, node: Any, context: Any) -> str:
        """Writes it."""
        write_palette(self.path, palette_document(node))
        return ""


_preset_names: list[tuple[str, str, str]] = []
"""What the menu shows; Blender needs the texts of an enumeration to be held by somebody."""


def _presets_shown(operator: Any, context: Any) -> list[tuple[str, str, str]]:
    return _preset_names


class PresetOperator(EditOperator, bpy.types.Operator):
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

    def invoke(self, context: Any, event: Any) -> set[Any]:
        """Lists them."""
        try:
            presets = read_presets(python_path(context))
        except WorkerError as error:
            return self.fail(error)
        if not presets:
            self.report({"INFO"}, "There are no presets yet: fscs preset save NAME makes one")
            return {"CANCELLED"}
        _preset_names[:] = [(preset["name"], preset["name"], "") for preset in presets]
        context.window_manager.invoke_search_popup(self)
        return {"RUNNING_MODAL"}

    def work(self: Any, node: Any, context: Any) -> str:
        """Takes the one that was chosen."""
        name = self.preset or self.shown
        preset = next((each for each in read_presets(python_path(context)) if each["name"] == name), None)
        if preset is None:
            raise WorkerError("usage", f"There is no preset {name}")
        take_preset(node, preset)
        return ""


class NameOutputsOperator(EditOperator, bpy.types.Operator):
    """Names the outputs after their colours"""

    bl_idname = "soft_color_segment.name_outputs"
    bl_label = "Name Outputs"
    bl_options = {"REGISTER", "UNDO", "INTERNAL"}
    __annotations__ = {"node": NodeOperator.NODE}

    def work(self, node: Any, context: Any) -> str:
        """The name of a colour, else what it looks like."""
        passes.rename_outputs(
            node, [f"{number} {entry.label or hex_of(entry.color)}" for number, entry in enumerate(node.palette, 1)]
        )
        return ""


def hex_of(color: Any) -> str:
    """``#rrggbb``."""
    return "#" + "".join(f"{round(max(0.0, min(1.0, value)) * 255):02x}" for value in color)


class ClearCacheOperator(EditOperator, bpy.types.Operator):
    """Removes the layers of this node from the disk"""

    bl_idname = "soft_color_segment.clear_cache"
    bl_label = "Clear Cache"
    __annotations__ = {"node": NodeOperator.NODE}

    def invoke(self, context: Any, event: Any) -> set[Any]:
        """Asks first."""
        return context.window_manager.invoke_confirm(self, event)

    def work(self, node: Any, context: Any) -> str:
        """Removes them."""
        count = cache.clear(node)
        node.settings_shown = ""
        node.message, node.failed = f"{count} frames removed", False
        return node.message


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
