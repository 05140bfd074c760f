# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a data-block is animated or driven, by actions, their slots, the NLA and drivers, in every version."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bpy_extras import anim_utils


def curves_of(action: Any, slot: Any) -> Any:
    """The curves of an action, in the channels of a slot."""
    if hasattr(action, "fcurves"):
        return action.fcurves
    bag = anim_utils.action_get_channelbag_for_slot(action, slot)  # 5.0 and later
    return bag.fcurves if bag is not None else ()


def own_curves(data: Any) -> Any:
    """The curves of an ``animation_data``."""
    return curves_of(data.action, getattr(data, "action_slot", None)) if data.action is not None else ()


def animated_places(block: Any) -> set[tuple[int, str]]:
    """Each property that is animated or driven: the address of what has it, and its name there."""
    return {place for path in _paths(block.animation_data) for place in _place(block, path)}


def _paths(data: Any) -> Iterator[str]:
    for curve in own_curves(data):
        yield curve.data_path
    for driver in data.drivers:
        yield driver.data_path
    for track in data.nla_tracks:
        for strip in track.strips:
            if strip.action is not None:
                for curve in curves_of(strip.action, getattr(strip, "action_slot", None)):
                    yield curve.data_path


def _place(block: Any, path: str) -> Iterator[tuple[int, str]]:
    if path.endswith('"]'):
        owner, name = path[: path.rindex("[")], path[path.rindex("[") :]
    else:
        owner, _, name = path.rpartition(".")
    try:
        yield (block.path_resolve(owner) if owner else block).as_pointer(), name
    except (ValueError, AttributeError):  # what it leads to is gone
        return
