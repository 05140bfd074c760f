"""A node that was just made: its name, its layers, and what each of them has."""

from __future__ import annotations

from fscs_engine.host import sums
from fscs_engine.host.naming import layer_name
from fscs_engine.host.parameters import BY_NAME, MAXIMUM_COLORS

NAME = "SoftColorSegment"

PER_LAYER = sums.LAYER_PARAMETERS
_LABELS = [BY_NAME[name].label.lower() for name in PER_LAYER]
LAYER_CONTROLS = f"{', '.join(_LABELS[:-1])} or {_LABELS[-1]}"

COLORS = int(BY_NAME["colors"].default)
NAMES = tuple(layer_name(n) for n in range(1, COLORS + 1))
"""The layers of a node that was just made: no others are declared."""


def layer_numbers() -> range:
    """1 to 16."""
    return range(1, MAXIMUM_COLORS + 1)
