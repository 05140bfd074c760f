# SPDX-License-Identifier: GPL-3.0-or-later
"""Look files: the edits of a node as the command line reads and writes them (``fscs recolor --look``)."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from . import recoloring
from .color_names import color_name
from .fscs.edits import EDIT_PARAMETERS
from .fscs.look_files import read_look, write_look
from .properties import HAS_COLOR, edit


def read(node: Any, path: Path) -> None:
    """Gives a node the edits of a file, in the place of all that it has. Blender's own Python reads it.

    Raises:
        WorkerError: it can't be read, it is no look, or the node has no such layer.
    """
    look = read_look(str(path), _names(node), sys.executable)
    numbers = range(1, node.colors + 1)
    for parameter in EDIT_PARAMETERS:
        for name in [edit(parameter.name, number) for number in numbers] if parameter.per_layer else [parameter.name]:
            node.property_unset(name)
    for number in numbers:
        changed = look.edit(number).changed
        for name, value in changed.items():
            setattr(node, edit(name, number), value)
        setattr(node, edit(HAS_COLOR, number), "color" in changed)
    node.opacity_shows, node.strength = look.opacity_shows, look.strength


def write(node: Any, path: Path) -> None:
    """Writes the edits of a node as they are at this frame. Raises WorkerError."""
    write_look(str(path), recoloring.look_of(node), _names(node))


def _names(node: Any) -> list[str]:
    return [entry.label or color_name(tuple(entry.color)) for entry in node.palette]
