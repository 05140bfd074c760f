# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of a node's outputs after their layers."""

from __future__ import annotations

from typing import Any

from . import passes, strings
from .color_names import color_name


def name_outputs(node: Any) -> None:
    """Names the outputs after their layers: the artist's own name, else what a color looks like that was chosen or
    found."""
    if node.node_tree is not None:
        passes.rename_outputs(node, [_name(number, entry) for number, entry in enumerate(node.palette, 1)])


def _name(number: int, entry: Any) -> str:
    name = entry.label or (color_name(tuple(entry.color)) if entry.found else "")
    return f"{number} {name}" if name else strings.LAYER.format(number=number)
