# SPDX-License-Identifier: GPL-3.0-or-later
"""The buttons."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy

from . import batch, cache, copies, looks, passes, recolor_tree, recombine, segmenting, strings, upstream, views
from .copies import present
from .engaged import EngagedOperator, NodeOperator, find_node, hindrance
from .engine import python_path
from .freeze import freezing
from .fscs.look_files import ENDING as LOOK_ENDING
from .fscs.palette_codec import ENDINGS, read_palette, write_palette
from .fscs.preset_list import read_presets, save_preset
from .fscs.protocol import WorkerError
from .jobs import Progress, Routine
from .properties import layer_values, palette_document, preset_values, take_palette, take_preset
from .session import SESSION
from .show import show_again
from .trees import groups_over, is_linked, scene_of
from .window import palette_frames

PALETTE_FILES = ";".join(f"*{ending}" for ending in ENDINGS)


class SegmentOperator(EngagedOperator, bpy.types.Operator):
    """The button *Segment*."""

    bl_idname = "soft_color_segment.segment"
    bl_label, bl_description = strings.SEGMENT
    bl_options = {"REGISTER", "UNDO", "INTERNAL"}
    __annotations__ = {"node": NodeOperator.NODE}

    def routine(self, node: Any, progress: Progress) -> Routine:
        """Shows and keeps them."""
        stays = node.auto_update
        try:
            _, warning = yield from segmenting.segmented(node.uid, scene_of(node).frame_current)
        finally:
            if not stays:
                segmenting.forget()
        return warning


class AutoPaletteOperator(EngagedOperator, bpy.types.Operator):
    """The button *Auto Palette*."""

    bl_idname = "soft_color_segment.auto_palette"
    bl_label, bl_description = strings.AUTO_PALETTE
    bl_options = {"REGISTER", "UNDO", "INTERNAL"}
    __annotations__ = {"node": NodeOperator.NODE}

    def routine(self, node: Any, progress: Progress) -> Routine:
        """Fills the swatches."""
        yield from segmenting.recolored(node.uid, [scene_of(node).frame_current])
        return ""


class RangePaletteOperator(EngagedOperator, bpy.types.Operator):
    """The button *Auto Palette of the Range*."""

    bl_idname = "soft_color_segment.range_palette"
    bl_label, bl_description = strings.RANGE_PALETTE
    bl_options = {"REGISTER", "UNDO", "INTERNAL"}
    __annotations__ = {"node": NodeOperator.NODE}

    def routine(self, node: Any, progress: Progress) -> Routine:
        """Fills the swatches."""
        frames = palette_frames(node, batch.parse_frames("", scene_of(node)))
        yield from segmenting.recolored(node.uid, frames)
        return strings.FRAMES_LOOKED_AT.format(count=len(frames))


class FillCacheOperator(EngagedOperator, bpy.types.Operator):
    """The button *Fill Cache*."""

    bl_idname = "soft_color_segment.fill_cache"
    bl_label, bl_description = strings.FILL_CACHE
    bl_options = {"REGISTER", "UNDO", "INTERNAL"}
    __annotations__ = {
        "node": NodeOperator.NODE,
        "frames": bpy.props.StringProperty(name=strings.FRAMES[0], description=strings.FRAMES[1]),
    }

    def routine(self: Any, node: Any, progress: Progress) -> Routine:
        """Computes what is missing, and shows the frame of the window."""
        uid = node.uid
        computed = yield from batch.filling(uid, chosen_frames(self.frames, node), progress)
        show_again(present(uid))
        return strings.FRAMES_COMPUTED.format(count=computed)


class FreezeOperator(EngagedOperator, bpy.types.Operator):
    """The button *Freeze to EXR*."""

    bl_idname = "soft_color_segment.freeze"
    bl_label, bl_description = strings.FREEZE
    bl_options = {"REGISTER", "UNDO", "INTERNAL"}
    __annotations__ = {
        "node": NodeOperator.NODE,
        "frames": bpy.props.StringProperty(name=strings.FRAMES_IN_A_ROW[0], description=strings.FRAMES_IN_A_ROW[1]),
    }

    def routine(self: Any, node: Any, progress: Progress) -> Routine:
        """Computes what is missing, writes the files, puts the group in the node's place."""
        name = yield from freezing(node.uid, chosen_frames(self.frames, node), progress)
        return strings.FROZEN.format(name=name)


def chosen_frames(text: str, node: Any) -> list[int]:
    """The frames that a text names. Raises WorkerError."""
    try:
        return batch.parse_frames(text, scene_of(node))
    except ValueError as error:
        raise strings.error("usage", strings.WRONG_FRAMES, frames=text, error=error) from error


class CancelOperator(NodeOperator, bpy.types.Operator):
    """The button *Cancel*."""

    bl_idname = "soft_color_segment.cancel"
    bl_label, bl_description = strings.CANCEL
    __annotations__ = {"node": NodeOperator.NODE}

    @classmethod
    def hindered(cls, node: Any) -> str:
        """Something must be under way."""
        return "" if node.busy or node.uid in SESSION.running else strings.NOTHING_UNDER_WAY

    def work(self, node: Any, context: Any) -> str:
        """The button that started it does the rest."""
        if node.uid in SESSION.running:
            SESSION.running[node.uid].cancelled.set()
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
    """A button that asks for a file."""

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
    """The button *Import Palette*."""

    bl_idname = "soft_color_segment.import_palette"
    bl_label, bl_description = strings.IMPORT_PALETTE
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
    """The button *Export Palette*."""

    bl_idname = "soft_color_segment.export_palette"
    bl_label, bl_description = strings.EXPORT_PALETTE
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


class LoadLookOperator(FileOperator, EditOperator, bpy.types.Operator):
    """The button *Load Look*."""

    bl_idname = "soft_color_segment.load_look"
    bl_label, bl_description = strings.LOAD_LOOK
    bl_options = {"REGISTER", "UNDO", "INTERNAL"}
    __annotations__ = {
        "node": NodeOperator.NODE,
        "filepath": bpy.props.StringProperty(subtype="FILE_PATH"),
        "filter_glob": bpy.props.StringProperty(default=f"*{LOOK_ENDING}", options={"HIDDEN"}),
    }

    def work(self, node: Any, context: Any) -> str:
        """Reads it."""
        looks.read(node, self.path)
        return ""


class SaveLookOperator(FileOperator, bpy.types.Operator):
    """The button *Save Look*."""

    bl_idname = "soft_color_segment.save_look"
    bl_label, bl_description = strings.SAVE_LOOK
    __annotations__ = {
        "node": NodeOperator.NODE,
        "filepath": bpy.props.StringProperty(subtype="FILE_PATH", default=f"look{LOOK_ENDING}"),
        "check_existing": bpy.props.BoolProperty(default=True, options={"HIDDEN"}),
        "filter_glob": bpy.props.StringProperty(default=f"*{LOOK_ENDING}", options={"HIDDEN"}),
    }

    def work(self, node: Any, context: Any) -> str:
        """Writes it."""
        looks.write(node, self.path)
        return ""


_preset_names: list[tuple[str, str, str]] = []
"""What the menu shows; Blender needs the texts of an enumeration to be held by somebody."""


def _presets_shown(operator: Any, context: Any) -> list[tuple[str, str, str]]:
    return _preset_names


class PresetOperator(EditOperator, bpy.types.Operator):
    """The button *Presets*."""

    bl_idname = "soft_color_segment.preset"
    bl_label, bl_description = strings.PRESETS
    bl_options = {"REGISTER", "UNDO", "INTERNAL"}
    bl_property = "shown"
    __annotations__ = {
        "node": NodeOperator.NODE,
        "preset": bpy.props.StringProperty(name=strings.PRESET, options={"SKIP_SAVE"}),
        "shown": bpy.props.EnumProperty(name=strings.PRESET, items=_presets_shown, options={"SKIP_SAVE"}),
    }

    def invoke(self, context: Any, event: Any) -> set[Any]:
        """Lists them."""
        try:
            presets = read_presets(python_path(context))
        except WorkerError as error:
            return self.fail(error)
        if not presets:
            self.report({"INFO"}, strings.NO_PRESETS)
            return {"CANCELLED"}
        _preset_names[:] = [(preset["name"], preset["name"], "") for preset in presets]
        context.window_manager.invoke_search_popup(self)
        return {"RUNNING_MODAL"}

    def work(self: Any, node: Any, context: Any) -> str:
        """Takes the one that was chosen."""
        name = self.preset or self.shown
        preset = next((each for each in read_presets(python_path(context)) if each["name"] == name), None)
        if preset is None:
            raise strings.error("usage", strings.NO_SUCH_PRESET, name=name)
        take_preset(node, preset)
        return ""


class SavePresetOperator(NodeOperator, bpy.types.Operator):
    """The button *Save Preset*."""

    bl_idname = "soft_color_segment.save_preset"
    bl_label, bl_description = strings.SAVE_PRESET
    __annotations__ = {
        "node": NodeOperator.NODE,
        "preset": bpy.props.StringProperty(name=strings.PRESET, options={"SKIP_SAVE"}),
        "overwrite": bpy.props.BoolProperty(
            name=strings.OVERWRITE[0], description=strings.OVERWRITE[1], options={"SKIP_SAVE"}
        ),
    }

    def invoke(self, context: Any, event: Any) -> set[Any]:
        """Asks for the name."""
        return context.window_manager.invoke_props_dialog(self)

    def work(self: Any, node: Any, context: Any) -> str:
        """Has the engine save it."""
        try:
            file = save_preset(
                python_path(context), self.preset, preset_values(node), layer_values(node), overwrite=self.overwrite
            )
        except WorkerError as error:
            flag = "--overwrite" in error.cure
            raise WorkerError(error.code, error.message, strings.TURN_ON_REPLACE if flag else error.cure) from error
        return strings.PRESET_SAVED.format(file=file)


class SingleUserOperator(EditOperator, bpy.types.Operator):
    """The button *Make Single-User*."""

    bl_idname = "soft_color_segment.single_user"
    bl_label, bl_description = strings.MAKE_SINGLE_USER
    bl_options = {"REGISTER", "UNDO", "INTERNAL"}
    __annotations__ = {"node": NodeOperator.NODE}

    def work(self, node: Any, context: Any) -> str:
        """Copies the group that is used with different inputs, and those around it, until none is."""
        frame = scene_of(node).frame_current
        while name := upstream.ambiguous(node, frame):
            tree = next(each for each in trees_around(node) if each.name == name)
            for group in groups_over(tree)[1:]:
                group.node_tree = tree.copy()
        copies.expect()
        copies.separate()
        node.ambiguous, node.message, node.failed = "", "", False
        return ""


class RecombineOperator(EditOperator, bpy.types.Operator):
    """The button *Build Recombine Tree*."""

    bl_idname = "soft_color_segment.build_recombine"
    bl_label, bl_description = strings.BUILD_RECOMBINE
    bl_options = {"REGISTER", "UNDO", "INTERNAL"}
    __annotations__ = {"node": NodeOperator.NODE}

    def work(self, node: Any, context: Any) -> str:
        """Adds the nodes."""
        recombine.build(node)
        return ""


class RecolorTreeOperator(EditOperator, bpy.types.Operator):
    """The button *Add Recolor Tree*."""

    bl_idname = "soft_color_segment.add_recolor_tree"
    bl_label, bl_description = strings.ADD_RECOLOR_TREE
    bl_options = {"REGISTER", "UNDO", "INTERNAL"}
    __annotations__ = {"node": NodeOperator.NODE}

    def work(self, node: Any, context: Any) -> str:
        """Adds the group."""
        recolor_tree.build(node)
        return ""


class ViewerOperator(EditOperator):
    """A button that connects an output to a Viewer node."""

    def socket(self, node: Any) -> Any:
        """The output."""
        raise NotImplementedError

    def work(self, node: Any, context: Any) -> str:
        """Takes the active Viewer of the tree."""
        tree = node.id_data
        found = [other for other in tree.nodes if other.bl_idname == views.VIEWER]
        viewer = tree.nodes.active if tree.nodes.active in found else next(iter(found), None)
        if viewer is None:
            viewer = tree.nodes.new(views.VIEWER)
            viewer.location = (node.location[0] + node.width + 100.0, node.location[1])
        tree.links.new(self.socket(node), viewer.inputs[0])
        return ""


class ShowViewOperator(ViewerOperator, bpy.types.Operator):
    """The button *Show View*."""

    bl_idname = "soft_color_segment.show_view"
    bl_label, bl_description = strings.SHOW_VIEW
    bl_options = {"REGISTER", "UNDO", "INTERNAL"}
    __annotations__ = {"node": NodeOperator.NODE}

    def socket(self, node: Any) -> Any:
        """That for looking."""
        return next(socket for socket in node.outputs if socket.name == strings.VIEW[0])


class ShowLayerOperator(ViewerOperator, bpy.types.Operator):
    """The button *Connect to Viewer* of a layer."""

    bl_idname = "soft_color_segment.show_layer"
    bl_label, bl_description = strings.SHOW_LAYER
    bl_options = {"REGISTER", "UNDO", "INTERNAL"}
    __annotations__ = {"node": NodeOperator.NODE, "number": bpy.props.IntProperty(min=1, options={"SKIP_SAVE"})}

    def socket(self: Any, node: Any) -> Any:
        """The layer."""
        return passes.layer_sockets(node)[min(self.number, node.colors) - 1]


class OpenPreferencesOperator(NodeOperator, bpy.types.Operator):
    """The button *Open Preferences*."""

    bl_idname = "soft_color_segment.open_preferences"
    bl_label, bl_description = strings.OPEN_PREFERENCES
    __annotations__ = {"node": NodeOperator.NODE}

    def work(self, node: Any, context: Any) -> str:
        """Shows Blender's page of the add-on."""
        bpy.ops.preferences.addon_show(module=__package__)
        return ""


def trees_around(node: Any) -> list[Any]:
    """The trees that a node is in, from the inside out."""
    found = [node.id_data]
    for tree in found:
        found += [outer.id_data for outer in groups_over(tree) if outer.id_data not in found]
    return found


class ClearCacheOperator(EditOperator, bpy.types.Operator):
    """The button *Clear Cache*."""

    bl_idname = "soft_color_segment.clear_cache"
    bl_label, bl_description = strings.CLEAR_CACHE
    __annotations__ = {"node": NodeOperator.NODE}

    def invoke(self, context: Any, event: Any) -> set[Any]:
        """Asks first."""
        return context.window_manager.invoke_confirm(self, event)

    def work(self, node: Any, context: Any) -> str:
        """Removes them."""
        count = cache.clear(node)
        node.settings_shown = ""
        node.message, node.failed = strings.FRAMES_REMOVED.format(count=count), False
        return node.message


CLASSES = (
    SegmentOperator,
    AutoPaletteOperator,
    RangePaletteOperator,
    CancelOperator,
    ImportPaletteOperator,
    PresetOperator,
    ExportPaletteOperator,
    LoadLookOperator,
    SaveLookOperator,
    SavePresetOperator,
    SingleUserOperator,
    RecombineOperator,
    RecolorTreeOperator,
    ShowViewOperator,
    ShowLayerOperator,
    OpenPreferencesOperator,
    ClearCacheOperator,
    FillCacheOperator,
    FreezeOperator,
)
