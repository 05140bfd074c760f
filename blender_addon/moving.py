# SPDX-License-Identifier: GPL-3.0-or-later
"""What animated and driven properties are at a frame, wherever the timeline stands."""

from __future__ import annotations

from typing import Any

import bpy

from .animation import own_curves
from .scene_print import print_of

TIMELINE = ("frame_current", "frame_current_final", "frame_float", "frame_subframe")
"""Properties of a scene that say where its timeline stands."""

Seen = frozenset[tuple[int, str]]
"""The properties that a driver was asked for already: drivers may go round in a circle."""


def values_at(block: Any, frame: int) -> dict[tuple[str, int], object]:
    """What of a data-block is animated or driven: values at a frame, or what drives it, by data path and number."""
    data = block.animation_data
    if data is None:
        return {}
    found: dict[tuple[str, int], object] = {
        (each.data_path, each.array_index): each.evaluate(frame) for each in own_curves(data)
    }
    for each in data.drivers:
        found[each.data_path, each.array_index] = _driver(each.driver, frame, frozenset())
    return found


def _driver(driver: Any, frame: int, seen: Seen) -> object:
    read = [
        (variable.name, variable.type, [_target(variable, target, frame, seen) for target in variable.targets])
        for variable in driver.variables
    ]
    return driver.type, driver.expression, read, frame


def _target(variable: Any, target: Any, frame: int, seen: Seen) -> object:
    """What a driver reads: a property counts by itself, a transform by all of the object that it is worked out from."""
    block = target.id
    if variable.type == "CONTEXT_PROP":
        block = bpy.context.scene if target.context_property == "ACTIVE_SCENE" else bpy.context.view_layer
    if block is None:
        return "missing"
    if variable.type in ("SINGLE_PROP", "CONTEXT_PROP"):
        return target.data_path, _property(block, target.data_path, frame, seen)
    kind = (target.transform_type, target.transform_space, target.rotation_mode, target.bone_target)
    return kind, print_of(block)


def _property(block: Any, path: str, frame: int, seen: Seen) -> object:
    """A property at a frame. Its value of the moment counts only where nothing moves it."""
    place = (block.as_pointer(), path)
    if place in seen or (isinstance(block, bpy.types.Scene) and path in TIMELINE):
        return ""
    data = getattr(block, "animation_data", None)
    if data is not None:
        moved: list[object] = [each.evaluate(frame) for each in own_curves(data) if _leads_to(each, path)]
        moved += [_driver(each.driver, frame, seen | {place}) for each in data.drivers if _leads_to(each, path)]
        if moved:
            return moved
    if isinstance(block, bpy.types.Object):
        return print_of(block)  # constraints, parents and physics move it, too
    try:
        value = block.path_resolve(path)
    except ValueError:
        return "missing"
    return list(value) if hasattr(value, "__len__") and not isinstance(value, str) else value


def _leads_to(curve: Any, path: str) -> bool:
    return path == curve.data_path or path.startswith((f"{curve.data_path}.", f"{curve.data_path}["))
