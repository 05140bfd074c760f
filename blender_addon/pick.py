# SPDX-License-Identifier: GPL-3.0-or-later
"""Picks a color of the palette from a picture: in an Image Editor or the compositor's backdrop.

Blender's own eyedropper takes what the screen shows, after the view transform; a palette wants the picture's own
color in sRGB, and Blender 4.2 lets no button start it.
"""

from __future__ import annotations

import math
from typing import Any

import bpy
import mathutils

from . import strings
from .engaged import NodeOperator, find_node, redraw
from .fscs.protocol import WorkerError
from .operators import EditOperator
from .segmenting import linked_error
from .sources import DATA_SPACES
from .trees import is_linked

VIEWER = "Viewer Node"


class PickColorOperator(EditOperator, bpy.types.Operator):
    """The button *Pick Color*."""

    bl_idname = "soft_color_segment.pick_color"
    bl_label, bl_description = strings.PICK_COLOR
    bl_options = {"REGISTER", "UNDO", "INTERNAL"}
    __annotations__ = {
        "node": NodeOperator.NODE,
        "index": bpy.props.IntProperty(options={"HIDDEN", "SKIP_SAVE"}, min=0),
        "color": bpy.props.FloatVectorProperty(size=3, options={"HIDDEN", "SKIP_SAVE"}),
    }

    def invoke(self, context: Any, event: Any) -> set[Any]:
        """Waits for the click."""
        node = find_node(self.node, context)
        if node is not None and is_linked(node):
            return self.fail(linked_error(node))
        context.window.cursor_modal_set("EYEDROPPER")
        context.workspace.status_text_set(strings.PICKING)
        context.window_manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: Any, event: Any) -> set[Any]:
        """Takes the color under the mouse."""
        if event.type in {"ESC", "RIGHTMOUSE"}:
            self.cancel(context)
            return {"CANCELLED"}
        if event.type != "LEFTMOUSE" or event.value != "PRESS":
            return {"RUNNING_MODAL"} if event.type == "LEFTMOUSE" else {"PASS_THROUGH"}
        self.cancel(context)
        try:
            self.color = color_under(context.window, event.mouse_x, event.mouse_y)
        except WorkerError as error:
            return self.fail(error)
        outcome = self.execute(context)
        redraw(context)
        return outcome

    def cancel(self, context: Any) -> None:
        """The usual pointer again."""
        context.window.cursor_modal_restore()
        context.workspace.status_text_set(None)

    def work(self: Any, node: Any, context: Any) -> str:
        """Sets the swatch."""
        if self.index >= len(node.palette):
            raise strings.error("usage", strings.NO_SUCH_COLOR, number=self.index + 1)
        node.palette[self.index].color = self.color
        return ""


def color_under(window: Any, x: int, y: int) -> tuple[float, float, float]:
    """The color of the picture that a window shows at a place, in sRGB.

    Raises:
        WorkerError: there is no picture, or Blender does not tell its pixels.
    """
    for area in window.screen.areas:
        for region in area.regions:
            within = region.x <= x < region.x + region.width and region.y <= y < region.y + region.height
            if region.type == "WINDOW" and within:
                image, column, row = _place(area.spaces.active, region, x - region.x, y - region.y)
                if image is not None:
                    return color_at(image, column, row)
    raise strings.error("usage", strings.NO_PICTURE_HERE)


def _place(space: Any, region: Any, x: int, y: int) -> tuple[Any, int, int]:
    """The image that an editor shows, and the column and row of it, from below, that a place in the editor shows."""
    if space.type == "IMAGE_EDITOR" and space.image is not None:
        width, height = space.image.size
        across, up = region.view2d.region_to_view(x, y)
        return space.image, math.floor(across * width), math.floor(up * height)
    if space.type == "NODE_EDITOR" and space.show_backdrop and VIEWER in bpy.data.images:
        image: Any = bpy.data.images[VIEWER]
        return image, *backdrop_pixel(
            tuple(image.size), (region.width, region.height), space.backdrop_zoom, tuple(space.backdrop_offset), (x, y)
        )
    return None, 0, 0


def backdrop_pixel(
    size: tuple[int, ...],
    region: tuple[int, int],
    zoom: float,
    offset: tuple[float, ...],
    place: tuple[int, int],
) -> tuple[int, int]:
    """Column and row, from below, of the backdrop that a place in a node editor shows. The backdrop stands in the
    middle, moved by the offset.

    >>> backdrop_pixel((100, 50), (800, 600), 2.0, (10.0, 0.0), (410, 300))
    (50, 25)
    """
    column, row = (
        math.floor((place[axis] - (region[axis] - zoom * size[axis]) / 2 - offset[axis]) / zoom) for axis in (0, 1)
    )
    return column, row


def color_at(image: Any, column: int, row: int) -> tuple[float, float, float]:
    """The color of a pixel in sRGB, as the palette has it.

    Args:
        image: any that Blender tells the pixels of.
        column: from the left.
        row: from below.

    Raises:
        WorkerError: there is no such pixel, or Blender does not tell it.
    """
    width, height = image.size
    if not (0 <= column < width and 0 <= row < height):
        raise strings.error("usage", strings.BESIDE_PICTURE)
    if not len(image.pixels):
        raise strings.error("usage", strings.PIXELS_NOT_TOLD, name=image.name)
    start = (row * width + column) * image.channels
    values = [float(value) for value in image.pixels[start : start + image.channels]]
    color = values[:3] if len(values) >= 3 else [values[0]] * 3
    linear = image.is_float or image.colorspace_settings.name in DATA_SPACES
    if image.is_float and len(values) == 4 and values[3] > 0.0:  # premultiplied
        color = [value / values[3] for value in color]
    if linear:
        encoded: Any = mathutils.Color(color).from_scene_linear_to_srgb()
        color = list(encoded)
    red, green, blue = (min(1.0, max(0.0, value)) for value in color)
    return red, green, blue


CLASSES = (PickColorOperator,)
