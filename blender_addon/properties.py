# SPDX-License-Identifier: GPL-3.0-or-later
"""What the node keeps: the controls of the parameter table, the palette, and what it shows of its work."""

from __future__ import annotations

import re
import uuid
from array import array
from collections.abc import Callable
from typing import Any

import bpy

from . import strings
from .fscs.edits import EDIT_PARAMETERS
from .fscs.parameters import BY_NAME, MAXIMUM_COLORS, PARAMETERS, Parameter
from .fscs.views import ERROR_GAIN, VIEWS

NODE_ID = "CompositorNodeSoftColorSegment"
NODE_OF_BUTTON = "soft_color_segment_node"
"""What a button is told its node by, in Blender's context."""

NOT_IN_PRESETS = ("mask_mode", "device", "precision", "tile")
"""Controls of the node that mean nothing without its files, or say where it is computed."""

HAS_COLOR = "has_color"
"""The edit that says whether there is one of the color."""

START_COLOR = (0.5, 0.5, 0.5)

LEFT_OUT = (
    "input_space",
    "alpha",
    "working_space",
    *(parameter.name for parameter in PARAMETERS if parameter.per_layer),
)
"""Not controls of the node itself: Blender says what a file holds, the layers add up in the file's own scene-linear
space, and what a layer has of its own is kept with its color."""

FIXED: set[Any] = set()
"""Options of most properties: they can't be animated, as passes are made before the frame is evaluated."""

ANIMATED: set[Any] = {"ANIMATABLE"}
"""Of the edits, which change no passes."""

Update = Callable[[Any, Any], None]
"""What Blender calls with the node and the context after a control was changed."""


def models_like(node: Any, context: Any, text: str) -> list[str]:
    """The models of the engine whose names have a text in them, for the list that Blender shows."""
    return [name for name in node.models() if text.lower() in name.lower()]


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
        items = [(choice, *strings.CHOICES[parameter.name][choice]) for choice in parameter.choices]
        return bpy.props.EnumProperty(items=items, **common)
    if parameter.name == "model":
        return bpy.props.StringProperty(search=models_like, **common)
    if parameter.kind == "string":
        return bpy.props.StringProperty(**common)
    common.update(min=parameter.minimum, max=parameter.maximum)
    if parameter.kind == "int":
        return bpy.props.IntProperty(**common)
    exponent = parameter.maximum is not None and parameter.name == "smoothing_eps"
    return bpy.props.FloatProperty(precision=6 if exponent else 3, step=1 if exponent else 5, **common)


def plain(value: Any) -> Any:
    """A number as it was typed: Blender keeps floats in single precision."""
    return float(f"{value:.7g}") if isinstance(value, float) else value


def edit(name: str, number: int) -> str:
    """The name of the property of the node that is an edit of a layer, from 1. They are the node's own: Blender has no
    keyframes for what belongs to one of a node's colors."""
    return f"edit{number}_{name}"


def edit_property(parameter: Parameter, number: int | str = "") -> Any:
    """The Blender property of an edit, of a layer if it has a number, under the table's label, default, range and
    tooltip."""
    common: dict[str, Any] = {
        "name": f"{parameter.label} {number}".strip(),
        "description": parameter.tooltip,
        "options": FIXED if parameter.kind == "enum" else ANIMATED,
        "update": _edits_changed,
    }
    if parameter.kind == "enum":
        items = [(choice, *strings.OPACITY_SHOWS[choice]) for choice in parameter.choices]
        return bpy.props.EnumProperty(items=items, default=str(parameter.default), **common)
    if parameter.kind == "bool":
        return bpy.props.BoolProperty(default=bool(parameter.default), **common)
    common.update(min=parameter.minimum, max=parameter.maximum)
    if parameter.kind == "color":
        return bpy.props.FloatVectorProperty(subtype="COLOR_GAMMA", size=3, default=START_COLOR, **common)
    if parameter.kind == "rgb":
        return bpy.props.FloatVectorProperty(
            size=3, default=(float(parameter.default),) * 3, step=1, precision=3, **common
        )
    return bpy.props.FloatProperty(default=float(parameter.default), step=5, precision=3, **common)


def _edits_changed(node: Any, context: Any) -> None:
    node.edits_changed()


def _color_changed(color: Any, context: Any) -> None:
    """After a color or its name changed. It knows its tree but not its node."""
    own = color.as_pointer()
    for node in color.id_data.nodes:
        if is_node(node) and any(entry.as_pointer() == own for entry in node.palette):
            node.edits_changed()


def _words(text: tuple[str, str]) -> dict[str, Any]:
    return {"name": text[0], "description": text[1], "options": FIXED}


def _color_edited(color: Any, context: Any) -> None:
    color.found = True
    _color_changed(color, context)


class SoftColorEntry(bpy.types.PropertyGroup):
    """One color of the palette, and what its layer has of its own."""

    __annotations__ = {
        "color": bpy.props.FloatVectorProperty(
            **_words(strings.COLOR),
            subtype="COLOR_GAMMA",
            size=3,
            min=0.0,
            max=1.0,
            default=START_COLOR,
            update=_color_edited,
        ),
        "label": bpy.props.StringProperty(**_words(strings.COLOR_NAME), update=_color_changed),
        "locked": bpy.props.BoolProperty(**_words(strings.LOCK)),
        "found": bpy.props.BoolProperty(**_words(strings.FOUND)),
        "masked": bpy.props.BoolProperty(**_words(strings.MASKED)),
        "output_links": bpy.props.StringProperty(options={"HIDDEN"}),
        **{parameter.name: property_of(parameter) for parameter in PARAMETERS if parameter.per_layer},
    }


def node_annotations(colors_changed: Update, pass_mode_changed: Update, view_changed: Update) -> dict[str, Any]:
    """The properties of the node, and what is to be done when one changes that the node's inside depends on."""
    own: dict[str, Any] = {
        "uid": bpy.props.StringProperty(options={"HIDDEN"}),
        "palette": bpy.props.CollectionProperty(type=SoftColorEntry, options=FIXED),
        "kept_palette": bpy.props.CollectionProperty(type=SoftColorEntry, options={"HIDDEN"}),
        "pass_mode": bpy.props.EnumProperty(
            **_words(strings.PASSES),
            items=[(mode, *words) for mode, words in strings.PASS_MODES.items()],
            default="ADDITIVE",
            update=pass_mode_changed,
        ),
        "view": bpy.props.EnumProperty(
            **_words(strings.VIEW),
            items=[(view, *strings.VIEWS[view]) for view in VIEWS],
            default=VIEWS[0],
            update=view_changed,
        ),
        "view_layer": bpy.props.IntProperty(
            **_words(strings.VIEW_LAYER), default=1, min=1, max=MAXIMUM_COLORS, update=view_changed
        ),
        "error_gain": bpy.props.FloatProperty(
            **_words(strings.ERROR_GAIN), default=ERROR_GAIN, min=1.0, max=1000.0, update=view_changed
        ),
        "recolor_layer": bpy.props.IntProperty(**_words(strings.RECOLOR_LAYER), default=1, min=1, max=MAXIMUM_COLORS),
        **{parameter.name: edit_property(parameter) for parameter in EDIT_PARAMETERS if not parameter.per_layer},
        **{
            edit(parameter.name, number): edit_property(parameter, number)
            for parameter in EDIT_PARAMETERS
            if parameter.per_layer
            for number in range(1, MAXIMUM_COLORS + 1)
        },
        **{
            edit(HAS_COLOR, number): bpy.props.BoolProperty(
                name=f"{strings.HAS_COLOR[0]} {number}",
                description=strings.HAS_COLOR[1],
                options=ANIMATED,
                update=_edits_changed,
            )
            for number in range(1, MAXIMUM_COLORS + 1)
        },
        "seed": bpy.props.IntProperty(**_words(strings.SEED), min=0),
        "clean_nonfinite": bpy.props.BoolProperty(**_words(strings.REPAIR_NAN)),
        "auto_update": bpy.props.BoolProperty(**_words(strings.AUTO_UPDATE)),
        "cache_frames": bpy.props.StringProperty(**_words(strings.FRAMES)),
        "trust_scene": bpy.props.BoolProperty(**_words(strings.TRUST_SCENE)),
        "cached_in": bpy.props.StringProperty(options={"HIDDEN"}),
    }
    for parameter in PARAMETERS:
        if parameter.name not in LEFT_OUT and not parameter.per_layer:
            own[parameter.name] = property_of(parameter, colors_changed if parameter.name == "colors" else None)
    return own


def new_uid() -> str:
    """What tells the cache of a node from those of all others."""
    return uuid.uuid4().hex[:12]


def is_uid(text: str) -> bool:
    """Whether a text is of :func:`new_uid`. It is part of names of folders, and a .blend can hold any text."""
    return re.fullmatch("[0-9a-f]{12}", text) is not None


def fit_palette(node: Any) -> None:
    """Gives the palette as many entries as there are colors. Those that stay keep their places; those that go are kept
    aside, the last one of them first, and come back when there are more colors again."""
    while len(node.palette) > node.colors:
        _move(node.palette, len(node.palette) - 1, node.kept_palette)
    while len(node.palette) < node.colors:
        if len(node.kept_palette):
            _move(node.kept_palette, len(node.kept_palette) - 1, node.palette)
        else:
            node.palette.add()


def _move(source: Any, place: int, target: Any) -> None:
    old, new = source[place], target.add()
    for name in sorted(SoftColorEntry.__annotations__, key=lambda name: name == "found"):  # a color set is a found one
        setattr(new, name, getattr(old, name))
    source.remove(place)


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
    """Fills the swatches from a palette file's form; sets the number of colors, too. Names follow their colors."""
    colors = document["colors"]
    if node.colors != len(colors):
        node.colors = len(colors)
    fit_palette(node)
    for entry, color in zip(node.palette, colors, strict=True):
        values = {"color": array("f", color["rgb"]).tolist(), "label": color.get("name", "")}
        for name, value in values.items():  # what is set has the inside made anew
            held = getattr(entry, name)
            if (held if name == "label" else list(held)) != value:
                setattr(entry, name, value)
        entry.locked = bool(color.get("locked", False))
        entry.found = True


def in_slots(node: Any, found: dict[str, Any], *, locked_only: bool = True) -> dict[str, Any]:
    """A palette that was found around the locked colors, or around all that were chosen or found, which come first in
    it, with these at their own places."""
    colors = list(found["colors"])
    places = [number for number, entry in enumerate(node.palette) if entry.locked or (entry.found and not locked_only)]
    kept = dict(zip(places, colors, strict=False))
    others = iter(colors[len(places) :])
    order = [kept[number] if number in kept else next(others) for number in range(len(colors))]
    return {**found, "colors": order}


def take_preset(node: Any, preset: dict[str, Any]) -> None:
    """Sets the controls that a preset names; the node has no control for some, and keeps the others."""
    for name, value in preset["values"].items():
        if name not in LEFT_OUT:
            setattr(node, name, value)
    for name, layers in preset["layers"].items():
        for number, value in layers.items():
            if int(number) <= len(node.palette):
                setattr(node.palette[int(number) - 1], name, value)


def preset_values(node: Any) -> dict[str, Any]:
    """The controls with one value that a preset holds."""
    return {
        parameter.name: plain(getattr(node, parameter.name))
        for parameter in PARAMETERS
        if parameter.name not in (*LEFT_OUT, *NOT_IN_PRESETS)
    }


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
