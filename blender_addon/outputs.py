# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of a node's outputs after the colors of their layers."""

from __future__ import annotations

from typing import Any

from . import passes


def name_outputs(node: Any) -> None:
    """Names the outputs after their colors, if the artist wanted that once."""
    if node.names_follow and node.node_tree is not None:
        passes.rename_outputs(
            node, [f"{number} {entry.label or hex_of(entry.color)}" for number, entry in enumerate(node.palette, 1)]
        )


def hex_of(color: Any) -> str:
    """``#rrggbb``."""
    return "#" + "".join(f"{round(max(0.0, min(1.0, value)) * 255):02x}" for value in color)
