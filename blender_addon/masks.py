# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the shapes of a mask are keyed: then its points are where the timeline has them, else where the artist does.

No property tells it. In memory a layer has a list of its splines, and the list of the keyed shapes behind that. The
first list is known from the properties, too, so that a Blender with another order of these is noticed.
"""

from __future__ import annotations

import ctypes
from typing import Any

SPLINES = 2 * ctypes.sizeof(ctypes.c_void_p) + 64
"""Bytes from the begin of a layer to the list of its splines: two pointers and a name come before."""


def keyed(mask: Any) -> bool:
    """Whether a mask has keyed shapes, or may have some."""
    return any(_keyed(layer) for layer in mask.layers if len(layer.splines))


def points(mask: Any) -> list[object]:
    """Where all points of a mask are."""
    return [
        (*point.co, *point.handle_left, *point.handle_right, point.weight)
        for layer in mask.layers
        for spline in layer.splines
        for point in spline.points
    ]


def _keyed(layer: Any) -> bool:
    first, last, shape = (ctypes.c_void_p * 3).from_address(layer.as_pointer() + SPLINES)
    known = (layer.splines[0].as_pointer(), layer.splines[-1].as_pointer())
    return (first, last) != known or shape is not None
