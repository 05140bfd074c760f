# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of a node's outputs after the colors of their layers."""

from __future__ import annotations

from typing import Any

from . import passes
from .color_names import color_name


def name_outputs(node: Any) -> None:
    """Names the outputs after their colors, if the artist wanted that once: the artist's own name, else what the color
    looks like."""
    if node.names_follow and node.node_tree is not None:
        passes.rename_outputs(
            node, [f"{number} {entry.label or color_name(entry.color)}" for number, entry in enumerate(node.palette, 1)]
        )
