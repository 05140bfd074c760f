# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a 3D scene is still the one that a render of it was captured from.

A digest of all that a render can come from: the scene, its view layers, and every data-block that can be reached from
it, property by property. What is animated or driven counts by its curves and drivers, not by the values of the moment,
so that the digest does not depend on where the timeline stands. What Blender computes and keeps outside of properties,
such as the cache of a simulation, can't be seen; it is named instead.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from . import masks, strings
from .animation import animated_places
from .contents import identity

BULK = 24
"""Items of a collection from which on their numbers are read all at once."""

NUMBERS = ("BOOLEAN", "INT", "FLOAT")
SCALARS = (*NUMBERS, "ENUM", "STRING")

DERIVED = """
rna_type is_runtime_data original is_evaluated users tag session_uid use_fake_user use_extra_user preview asset_data
override_library library_weak_reference animation_data id_data name_full is_embedded_data depsgraph
grease_pencil_settings matrix_world matrix_local matrix_basis matrix_channel bound_box dimensions execution_time
pixels bindcode
"""
"""Of any kind of data: worked out from other properties, or about Blender's own bookkeeping."""

LOOKS = """
select hide select_control_point select_left_handle select_right_handle is_expanded show_expanded is_panel_open
show_viewport show_in_editmode show_on_cage hide_viewport hide_select display_type color_tag show_name show_axis
show_wire show_all_edges show_bounds show_in_front show_texture_space active active_index is_active active_material
active_material_index active_shape_key_index active_section_identifier active_layer_collection use_pin
show_group_options is_editmode
"""
"""Of any kind of data: how it looks in the window, or what is chosen there."""

OF_KIND = {
    "Node": """
        location location_absolute width height color use_custom_color label parent show_options show_preview
        show_texture internal_links warning_propagation
        """,
    "NodeTree": "view_center grease_pencil default_group_node_width active_input active_output",
    "Scene": """
        cursor tool_settings display display_settings view_settings sequencer_colorspace_settings node_tree
        compositing_node_group use_nodes sequence_editor active_clip keying_sets keying_sets_all
        transform_orientation_slots safe_areas frame_current frame_subframe frame_float frame_current_final frame_start
        frame_end frame_step frame_preview_start frame_preview_end use_preview_range show_keys_from_selected_only
        lock_frame_selection_to_range sync_mode use_audio use_audio_scrub audio_volume show_subframe grease_pencil
        annotation hydra uvedit_aspect time_jump_delta time_jump_unit
        """,
    "RenderSettings": """
        filepath use_compositing use_sequencer image_settings ffmpeg bake display_mode use_overwrite use_placeholder
        use_file_extension use_lock_interface threads threads_mode use_persistent_data use_render_cache frame_path
        compositor_device compositor_precision compositor_denoise_device compositor_denoise_final_quality
        compositor_denoise_preview_quality preview_start_resolution preview_pixel_size sequencer_gl_preview
        use_sequencer_override_scene_strip
        """,
    "Mesh": """
        vertices edges loops polygons loop_triangles loop_triangle_polygons vertex_normals polygon_normals
        corner_normals vertex_colors color_attributes uv_layers sculpt_vertex_colors
        uv_layer_stencil uv_layer_clone total_vert_sel total_edge_sel total_face_sel
        """,
    "Image": "size resolution has_data is_dirty filepath filepath_raw packed_files packed_file render_slots layers",
    "PoseBone": "matrix head tail length bone child x_axis",
    "ViewLayer": "active_aov active_lightgroup",
    "Action": "frame_start frame_end frame_range curve_frame_range groups",
    "ParticleSystem": "particles child_particles",
    "Mask": "active_layer_index",
    "MaskSplinePoint": "co handle_left handle_right weight select_single_handle",
    "MaskParent": "id_type active",
    "CacheFile": "filepath",
    "Volume": "filepath",
    "MovieClip": "filepath display_aspect annotation grease_pencil use_proxy proxy use_proxy_custom_directory",
    "MovieTracking": "tracks plane_tracks reconstruction dopesheet settings active_object_index",
    "MovieTrackingTrack": "select_anchor select_pattern select_search lock color use_custom_color annotation",
    "MovieTrackingStabilization": "active_track_index active_rotation_track_index show_tracks_expanded",
}
"""More of these, by their kind: worked out, looks, or for what comes after the render. Points of
masks are read by ``_Walk._block``."""

CYCLES = ("cycles", "cycles_curves", "cycles_visibility", "cycles_custom")
"""Where the settings of Cycles are, an add-on that comes with Blender."""

BLENDERS_OWN = ("CYCLES", "BLENDER_")
"""How the names of the engines begin that come with Blender. Those of others keep their settings as any add-on does."""

SIMULATED = {
    "FLUID": "Fluid", "CLOTH": "Cloth", "SOFT_BODY": "Soft Body", "PARTICLE_SYSTEM": "Particles",
    "DYNAMIC_PAINT": "Dynamic Paint", "EXPLODE": "Explode", "MULTIRES": "Multires",
}  # fmt: skip
BAKED_NODES = ("GeometryNodeSimulationOutput", "GeometryNodeBake")


@dataclass(frozen=True)
class ScenePrint:
    """Attributes:
    digest: changes when the scene does.
    unwatched: what of it changes without that, in the artist's words; empty if nothing does.
    """

    digest: str
    unwatched: tuple[str, ...]


def scene_print(scene: Any) -> ScenePrint:
    """Of a scene as it is now, whatever its frame. Reads everything: a moment for a large scene."""
    walk = _Walk(registered=not scene.render.engine.startswith(BLENDERS_OWN))
    walk.all_from(scene)
    return ScenePrint(walk.digest.hexdigest(), tuple(sorted(walk.unwatched)))


def print_of(value: Any, animated: Collection[tuple[int, str]] = ()) -> str:
    """A digest of a data-block, a structure or a collection of these, and of all that can be reached from it.

    Args:
        value: of any kind, or None.
        animated: places as of ``animated_places``, whose values of the moment don't count.
    """
    walk = _Walk(animated)
    walk.all_from(value)
    return walk.digest.hexdigest()


def registered(value: Any, prop: Any) -> bool:
    """Whether an add-on other than Cycles registered a property of a structure. What was set there is in the file, with
    or without the add-on. Some of Blender's own of each kind of node look the same."""
    if not prop.is_runtime or prop.identifier in CYCLES or isinstance(value, bpy.types.PropertyGroup):
        return False
    return not isinstance(value, bpy.types.Node) or prop.identifier in bpy.types.Node.bl_rna.properties


class _Walk:
    """Goes through all that can be reached from data-blocks.

    Args:
        animated: places that are left out.
        registered: whether what add-ons registered counts. It makes the digest depend on which of them are installed.
    """

    def __init__(self, animated: Collection[tuple[int, str]] = (), *, registered: bool = False) -> None:
        self.digest = hashlib.sha256()
        self.unwatched: set[str] = set()
        self._registered = registered
        self._queue: list[Any] = []
        self._known: dict[tuple[int, str], int] = {}
        self._animated: set[tuple[int, str]] = set(animated)

    def all_from(self, start: Any) -> None:
        for each in start if isinstance(start, bpy.types.bpy_prop_collection) else (start,):
            self._pointed("", each)
        while self._queue:
            self._block(self._queue.pop(0))

    def _add(self, *parts: object) -> None:
        self.digest.update(repr(parts).encode("utf-8", "surrogatepass"))

    def _reference(self, block: Any) -> None:
        """Another data-block: its name here, its inside later."""
        kind = block.bl_rna.identifier
        self._add(kind, block.name, block.library.filepath if block.library is not None else "")
        key = (block.as_pointer(), kind)
        if key not in self._known:
            self._known[key] = len(self._known)
            self._queue.append(block)

    def _block(self, block: Any) -> None:
        self._add("block", block.bl_rna.identifier, block.name)
        self._notice(block)
        self._animation(block)
        self._struct(block)
        if isinstance(block, bpy.types.Mesh):
            self._mesh(block)
        elif isinstance(block, bpy.types.Image):
            self._image(block)
        elif isinstance(block, bpy.types.Text):
            self._add(block.as_string())
        elif isinstance(block, bpy.types.Mask) and not masks.keyed(block):
            self._add(masks.points(block))
        elif isinstance(block, bpy.types.Object) and len(block.vertex_groups):
            self._weights(block.data)

    def _animation(self, block: Any) -> None:
        data = getattr(block, "animation_data", None)
        if data is None:
            return
        self._animated |= animated_places(block)
        self._struct(data)

    def _struct(self, value: Any) -> None:
        kind = value.bl_rna.identifier
        self._add(kind)
        skipped = _skipped(value)
        pointer = value.as_pointer()
        for prop in value.bl_rna.properties:
            name = prop.identifier
            if (
                name in skipped
                or (pointer, name) in self._animated
                or (registered(value, prop) and not self._registered)
            ):
                continue
            if prop.type in SCALARS:
                if not prop.is_readonly:
                    self._add(name, _plain(value, prop))
            elif prop.type == "POINTER":
                self._pointed(name, getattr(value, name, None))
            else:
                self._collection(name, prop, getattr(value, name, ()))
        self._own_properties(value)

    def _pointed(self, name: str, value: Any) -> None:
        self._add(name, value is None)
        if value is None:
            return
        if isinstance(value, bpy.types.ID) and not value.is_embedded_data:
            self._reference(value)
        else:
            self._once(value)

    def _once(self, value: Any) -> None:
        """A structure: its inside where it is met first, its number where it is met again."""
        key = (value.as_pointer(), value.bl_rna.identifier)
        if key in self._known:
            self._add("again", self._known[key])
            return
        self._known[key] = len(self._known)
        if isinstance(value, bpy.types.ID):
            self._animation(value)
            self._notice(value)
        self._struct(value)

    def _collection(self, name: str, prop: Any, items: Any) -> None:
        count = len(items)
        self._add(name, count)
        if count >= BULK and not isinstance(items[0], bpy.types.ID) and self._numbers(items):
            return
        for item in items:
            self._pointed("", item)

    def _numbers(self, items: Any) -> bool:
        """All numbers of many items of one simple kind. Returns whether they are of one."""
        properties = [prop for prop in items[0].bl_rna.properties if prop.identifier not in _skipped(items[0])]
        properties = [prop for prop in properties if prop.type not in SCALARS or not prop.is_readonly]
        numbers = [prop for prop in properties if prop.type in (*NUMBERS, "ENUM")]
        others = [prop for prop in properties if prop not in numbers and prop.identifier != "groups"]
        if others or not numbers:
            return False
        for prop in numbers:
            size = len(items) * max(1, getattr(prop, "array_length", 0))
            values = np.empty(size, np.float32 if prop.type == "FLOAT" else np.int32)
            try:
                items.foreach_get(prop.identifier, values)
            except (TypeError, RuntimeError, AttributeError):
                return False
            self._add(prop.identifier)
            self.digest.update(values.tobytes())
        return True

    def _own_properties(self, value: Any) -> None:
        """What other add-ons, and the inputs of node modifiers, are kept in."""
        try:
            own = sorted(value.items())
        except (TypeError, AttributeError):
            return
        for name, item in own:
            if name == "cycles" or (value.as_pointer(), f'["{name}"]') in self._animated:
                continue
            if isinstance(item, bpy.types.ID):
                self._pointed(name, item)
            elif hasattr(item, "to_dict"):
                inside = sorted(map(str, item.to_dict().items()))
                if inside:  # an empty one comes to be when an add-on looks for its settings
                    self._add(name, inside)
            else:
                self._add(name, list(item) if hasattr(item, "to_list") else item)

    def _mesh(self, mesh: Any) -> None:
        """The polygons' corners; all else of a mesh is attributes, but for the weights."""
        for items, name in ((mesh.polygons, "loop_start"), (mesh.loops, "vertex_index"), (mesh.edges, "vertices")):
            values = np.empty(len(items) * (2 if name == "vertices" else 1), np.int32)
            items.foreach_get(name, values)
            self.digest.update(values.tobytes())
        if not len(mesh.attributes) or "position" not in mesh.attributes:
            values = np.empty(len(mesh.vertices) * 3, np.float32)
            mesh.vertices.foreach_get("co", values)
            self.digest.update(values.tobytes())

    def _weights(self, data: Any) -> None:
        """Those of a mesh or a lattice whose object has vertex groups."""
        if (data.as_pointer(), "weights") not in self._known:
            self._known[data.as_pointer(), "weights"] = len(self._known)
            points = data.vertices if isinstance(data, bpy.types.Mesh) else getattr(data, "points", ())
            self._add([[(group.group, group.weight) for group in point.groups] for point in points])

    def _image(self, image: Any) -> None:
        if image.packed_file is not None:
            self.digest.update(image.packed_file.data)
        elif image.source == "TILED":
            for tile in image.tiles:
                column, row = (tile.number - 1001) % 10 + 1, (tile.number - 1001) // 10 + 1
                path = image.filepath.replace("<UDIM>", str(tile.number)).replace("<UVTILE>", f"u{column}_v{row}")
                self._file(path, image.library)
        elif image.source in ("FILE", "SEQUENCE", "MOVIE"):
            self._file(image.filepath, image.library)
        if image.is_dirty and image.type not in ("RENDER_RESULT", "COMPOSITING") and len(image.pixels):
            pixels = np.empty(len(image.pixels), np.float32)
            image.pixels.foreach_get(pixels)
            self.digest.update(pixels.tobytes())

    def _file(self, path: str, library: Any) -> None:
        """By its content alone: Blender writes its path anew where a .blend is saved elsewhere."""
        self._add(identity(Path(bpy.path.abspath(path, library=library))))

    def _notice(self, block: Any) -> None:
        """What of a data-block can't be seen."""
        if isinstance(block, bpy.types.Scene) and block.rigidbody_world is not None:
            self.unwatched.add(strings.RIGID_BODIES)
        if isinstance(block, bpy.types.Object):
            self.unwatched |= {SIMULATED[each.type] for each in block.modifiers if each.type in SIMULATED}
            if block.mode not in ("OBJECT", "POSE"):
                self.unwatched.add(strings.IN_EDIT_MODE.format(name=block.name))
        if isinstance(block, bpy.types.NodeTree) and any(node.bl_idname in BAKED_NODES for node in block.nodes):
            self.unwatched.add(strings.SIMULATION_NODES)
        if isinstance(block, (bpy.types.CacheFile, bpy.types.Volume, bpy.types.MovieClip)):
            self._file(block.filepath, block.library)


def _skipped(value: Any) -> frozenset[str]:
    """The properties of a structure that decide nothing."""
    kind: Any = type(value)
    return _skipped_of(kind)


@cache
def _skipped_of(kind: Any) -> frozenset[str]:
    names = [each.__name__ for each in kind.__mro__]
    return frozenset(" ".join([DERIVED, LOOKS, *(OF_KIND.get(name, "") for name in names)]).split())


def _plain(value: Any, prop: Any) -> object:
    try:
        found = getattr(value, prop.identifier)
    except (AttributeError, RuntimeError, ValueError):
        return None
    if getattr(prop, "is_array", False):
        return [tuple(row) if hasattr(row, "__len__") else row for row in found]
    return sorted(found) if isinstance(found, set) else found
