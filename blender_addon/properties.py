# SPDX-License-Identifier: GPL-3.0-or-later
"""What the node keeps: the controls of the parameter table, the palette, and what it shows of its work."""

from __future__ import annotations

import re
import uuid
from typing import Any

import bpy

from .fscs.parameters import BY_NAME, PARAMETERS, Parameter

NODE_ID = "CompositorNodeSoftColorSegment"
NODE_LABEL = "Soft Color Segment"
NODE_OF_BUTTON = "soft_color_segment_node"
"""What a button is told its node by, in Blender's context."""

START_COLOR = (0.5, 0.5, 0.5)

LEFT_OUT = ("temporal", "working_space", "layer_black", "layer_white", "layer_gain", "layer_gamma")
"""Not controls of the node itself: frames come one by one, the layers add up in the file's own scene-linear space,
and what a layer has of its own is kept with its colour."""

CHOICES = {
    "palette_method": {
        "kmeans": ("K-Means", "The colours of the large areas"),
        "salient": ("Salient", "Small areas of strong colour get a colour of their own too"),
    },
    "mask_mode": {
        "limit": ("Limit", "The layer is multiplied by the mask, the others take what it loses"),
        "split": (
            "Split",
            "The mask shares out what two layers have: the first where it is white, the second where black",
        ),
    },
    "device": {
        "auto": ("Automatic", "A GPU where there is one"),
        "cpu": ("CPU", "The processor"),
        "cuda": ("CUDA", "A GPU by NVIDIA"),
        "mps": ("Metal", "The GPU of a Mac"),
    },
    "precision": {
        "auto": ("Automatic", "What the models were made for: 32-bit Float"),
        "float32": ("32-bit Float", "Full precision"),
        "float16": ("16-bit Float", "Half precision, for GPUs"),
        "bfloat16": ("16-bit BFloat", "Half precision with the range of 32 bits, for newer GPUs"),
    },
}
"""What artists read for the choices of the parameter table: a name and a tooltip."""

FIXED: set[Any] = set()
"""Options of the properties: none of them can be animated, as passes are made before the frame is evaluated."""


def property_of(parameter: Parameter, update: Any = None) -> Any:
    """The Blender property of a parameter, under the table's label, default, range and tooltip."""
    common: dict[str, Any] = {
        "name": parameter.label,
        "description": parameter.tooltip,
        "default": parameter.default,
        "options": FIXED,
    }
    if update is not None:
        common["update"] = update
    if parameter.kind == "enum":
        items = [(choice, *CHOICES[parameter.name][choice]) for choice in parameter.choices]
        return bpy.props.EnumProperty(items=items, **common)
    if parameter.kind == "string":
        return bpy.props.StringProperty(**common)
    common.update(min=parameter.minimum, max=parameter.maximum)
    if parameter.kind == "int":
        return bpy.props.IntProperty(**common)
    exponent = parameter.maximum is not None and parameter.name == "smoothing_eps"
    return bpy.props.FloatProperty(precision=6 if exponent else 3, step=1 if exponent else 5, **common)


def _color_edited(color: Any, context: Any) -> None:
    color.found = True


class SoftColorEntry(bpy.types.PropertyGroup):
    """One colour of the palette, and what its layer has of its own."""

    __annotations__ = {
        "color": bpy.props.FloatVectorProperty(
            name="Color",
            description="The colour of this layer, as it looks on the screen (sRGB)",
            subtype="COLOR_GAMMA",
            size=3,
            min=0.0,
            max=1.0,
            default=START_COLOR,
            options=FIXED,
            update=_color_edited,
        ),
        "label": bpy.props.StringProperty(
            name="Name", description="A name for this colour, for palette files and outputs", options=FIXED
        ),
        "locked": bpy.props.BoolProperty(
            name="Lock", description="Auto Palette keeps this colour and finds the others around it", options=FIXED
        ),
        "found": bpy.props.BoolProperty(
            name="Found", description="Whether this colour was chosen or found", options=FIXED
        ),
        "masked": bpy.props.BoolProperty(
            name="Masked",
            description="The mask works on this layer. Mode split takes the first two layers marked",
            options=FIXED,
        ),
        **{parameter.name: property_of(parameter) for parameter in PARAMETERS if parameter.per_layer},
    }


def _colors_changed(node: Any, context: Any) -> None:
    from .node import settle
    from .passes import fit_outputs

    settle()
    fit_palette(node)
    fit_outputs(node)


def _pass_mode_changed(node: Any, context: Any) -> None:
    from .node import settle
    from .segmenting import show_cached

    settle()
    if node.settings_shown:
        show_cached(node, (context.scene if context is not None else bpy.context.scene).frame_current)


def node_annotations() -> dict[str, Any]:
    """The properties of the node."""
    own: dict[str, Any] = {
        "uid": bpy.props.StringProperty(options={"HIDDEN"}),
        "palette": bpy.props.CollectionProperty(type=SoftColorEntry, options=FIXED),
        "pass_mode": bpy.props.EnumProperty(
            name="Passes",
            description="How the layers are put together again",
            items=[
                ("ADDITIVE", "Additive", "Add the layers, in any order (Mix, Add), or use Disjoint Over"),
                ("OVER", "Over", "Put the layers over each other with Alpha Over, Layer 1 at the bottom"),
            ],
            default="ADDITIVE",
            options=FIXED,
            update=_pass_mode_changed,
        ),
        "seed": bpy.props.IntProperty(
            name="Seed", description="Another seed gives another automatic palette", min=0, options=FIXED
        ),
        "show_layers": bpy.props.BoolProperty(
            name="Layers", description="Show what each layer has of its own", options=FIXED
        ),
        "message": bpy.props.StringProperty(options={"HIDDEN", "SKIP_SAVE"}),
        "failed": bpy.props.BoolProperty(options={"HIDDEN", "SKIP_SAVE"}),
        "busy": bpy.props.BoolProperty(options={"HIDDEN", "SKIP_SAVE"}),
        "fraction": bpy.props.FloatProperty(options={"HIDDEN", "SKIP_SAVE"}),
        "settings_shown": bpy.props.StringProperty(options={"HIDDEN"}),
        "cached_in": bpy.props.StringProperty(options={"HIDDEN"}),
    }
    for parameter in PARAMETERS:
        if parameter.name not in LEFT_OUT and not parameter.per_layer:
            own[parameter.name] = property_of(parameter, _colors_changed if parameter.name == "colors" else None)
    return own


def new_uid() -> str:
    """What tells the cache of a node from those of all others."""
    return uuid.uuid4().hex[:12]


def is_uid(text: str) -> bool:
    """Whether a text is of :func:`new_uid`. It is part of names of folders, and a .blend can hold any text."""
    return re.fullmatch("[0-9a-f]{12}", text) is not None


def fit_palette(node: Any) -> None:
    """Gives the palette as many entries as there are colours; those that stay keep their places."""
    while len(node.palette) > node.colors:
        node.palette.remove(len(node.palette) - 1)
    while len(node.palette) < node.colors:
        node.palette.add()


def palette_document(node: Any, *, locked_only: bool = False, found_only: bool = False) -> dict[str, Any]:
    """The palette, or the part of it to keep, in the form of the palette file."""
    entries = [
        entry
        for entry in node.palette
        if (not locked_only or entry.locked) and (not found_only or entry.found or entry.locked)
    ]
    colors = [
        {"rgb": [float(value) for value in entry.color], "name": entry.label, "locked": bool(entry.locked)}
        for entry in entries
    ]
    return {"version": 1, "space": "srgb", "colors": colors}


def take_palette(node: Any, document: dict[str, Any]) -> None:
    """Fills the swatches from a palette file's form; sets the number of colours, too."""
    colors = document["colors"]
    if node.colors != len(colors):
        node.colors = len(colors)
    fit_palette(node)
    for entry, color in zip(node.palette, colors, strict=True):
        entry.color = color["rgb"]
        entry.label = color.get("name", "")
        entry.locked = bool(color.get("locked", False))
        entry.found = True


def take_preset(node: Any, preset: dict[str, Any]) -> None:
    """Sets the controls that a preset names; the node has no control for some, and keeps the others."""
    for name, value in preset["values"].items():
        if name not in LEFT_OUT:
            setattr(node, name, value)
    for name, layers in preset["layers"].items():
        for number, value in layers.items():
            if int(number) <= len(node.palette):
                setattr(node.palette[int(number) - 1], name, value)


def layer_values(node: Any) -> dict[str, dict[int, float]]:
    """The per-layer parameters that are not at their defaults, by name and layer from 1."""
    values: dict[str, dict[int, float]] = {}
    for name, parameter in BY_NAME.items():
        if parameter.per_layer:
            chosen = {number: float(getattr(entry, name)) for number, entry in enumerate(node.palette, 1)}
            edited = {number: value for number, value in chosen.items() if value != parameter.default}
            if edited:
                values[name] = edited
    return values


def is_node(node: Any) -> bool:
    """Whether a node is one of ours."""
    return node.bl_idname == NODE_ID


CLASSES = (SoftColorEntry,)
