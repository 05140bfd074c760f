# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a data-block is animated or driven, by actions, their slots, the NLA and drivers, in every version."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import bpy
import numpy as np
from bpy_extras import anim_utils

LINEAR = 1
"""Blender's number of the kind of keyframe."""


def curves_of(action: Any, slot: Any) -> Any:
    """The curves of an action, in the channels of a slot."""
    if not hasattr(action, "slots"):  # before 4.4; later versions below 5.0 have the first slot's there
        return action.fcurves
    bag = anim_utils.action_get_channelbag_for_slot(action, slot) if slot is not None else None
    return bag.fcurves if bag is not None else ()


def own_curves(data: Any) -> Any:
    """The curves of an ``animation_data``."""
    return curves_of(data.action, getattr(data, "action_slot", None)) if data.action is not None else ()


def set_curves(block: Any, first: int, wanted: Mapping[tuple[str, int], Any]) -> None:
    """Gives a data-block these curves, by data path and index, and no others: one value a frame, ``first`` on."""
    data = block.animation_data
    if data is not None and (not wanted or data.action is None or data.action.users > 1):
        action = data.action
        block.animation_data_clear()
        if action is not None and action.users == 0:
            bpy.data.actions.remove(action)
        data = None
    if not wanted:
        return
    curves = own_curves(data) if data is not None else ()
    for curve in [each for each in curves if (each.data_path, each.array_index) not in wanted]:
        curves.remove(curve)
    there = {(each.data_path, each.array_index) for each in curves}
    for path, index in wanted.keys() - there:
        number = -1 if isinstance(block.path_resolve(path), float) else index
        block.keyframe_insert(path, index=number, frame=first)
    for curve in own_curves(block.animation_data):
        values = wanted[curve.data_path, curve.array_index]
        points = curve.keyframe_points
        points.clear()
        points.add(len(values))
        places = np.stack([np.arange(first, first + len(values), dtype=np.float32), values], axis=-1)
        points.foreach_set("co", places.astype(np.float32).ravel())
        points.foreach_set("interpolation", np.full(len(values), LINEAR, np.int32))
        curve.update()


def animated_places(block: Any) -> set[tuple[int, str]]:
    """Each property that is animated or driven: the address of what has it, and its name there."""
    return {place for path in _paths(block.animation_data) for place in _place(block, path)}


def driven(data: Any) -> Iterator[str]:
    """What has a driver, or is in the NLA."""
    if data is None:
        return
    for driver in data.drivers:
        yield driver.data_path
    for track in data.nla_tracks:
        for strip in track.strips:
            if strip.action is not None:
                for curve in curves_of(strip.action, getattr(strip, "action_slot", None)):
                    yield curve.data_path


def _paths(data: Any) -> Iterator[str]:
    for curve in own_curves(data):
        yield curve.data_path
    yield from driven(data)


def _place(block: Any, path: str) -> Iterator[tuple[int, str]]:
    if path.endswith('"]'):
        owner, name = path[: path.rindex("[")], path[path.rindex("[") :]
    else:
        owner, _, name = path.rpartition(".")
    try:
        yield (block.path_resolve(owner) if owner else block).as_pointer(), name
    except (ValueError, AttributeError):  # what it leads to is gone
        return
