# SPDX-License-Identifier: GPL-3.0-or-later
"""Look files: the edits of a node as the command line reads and writes them (``fscs recolor --look``)."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import recoloring, strings
from .color_names import color_name
from .fscs.atomic import replaced_file
from .fscs.edits import EDIT_BY_NAME, EDIT_PARAMETERS, checked
from .fscs.palette_text import color_of_text
from .properties import HAS_COLOR, edit

ENDING = ".toml"
VERSION = 1
LARGEST = 1 << 18
"""Bytes of a file."""


def read(node: Any, path: Path) -> None:
    """Gives a node the edits of a file, in the place of all that it has.

    Raises:
        WorkerError: it can't be read, it is no look, or the node has no such layer.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError("it is too large")
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        if table.get("version") != VERSION:
            raise ValueError(f"its version is {table.get('version')}, not {VERSION}")
        values = _values(node, table)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise strings.error("input", strings.NOT_A_LOOK, path=path, error=error) from error
    for parameter in EDIT_PARAMETERS:
        for number in range(1, node.colors + 1) if parameter.per_layer else ():
            node.property_unset(edit(parameter.name, number))
            node.property_unset(edit(HAS_COLOR, number))
        if not parameter.per_layer:
            node.property_unset(parameter.name)
    for name, value in values.items():
        setattr(node, name, value)
    node.edits_changed()


def write(node: Any, path: Path) -> None:
    """Writes the edits of a node as they are at this frame. Raises WorkerError."""
    look = recoloring.look_of(node)
    lines = [f"version = {VERSION}", f"strength = {look.strength!r}", f'opacity_shows = "{look.opacity_shows}"']
    for number, edits in look.layers.items():
        lines += ["", f"[layers.{number}]  # {_names(node)[number - 1]}"]
        lines += [f"{name} = {json.dumps(value)}" for name, value in edits.changed.items()]
    with replaced_file(path) as file:
        file.write(("\n".join(lines) + "\n").encode())


def _values(node: Any, table: Mapping[str, Any]) -> dict[str, Any]:
    """What properties of the node become. Raises ValueError."""
    values: dict[str, Any] = {}
    for name, value in table.items():
        if name not in ("version", "layers"):
            values[name] = _checked(name, value, per_layer=False)
    for layer, edits in table.get("layers", {}).items():
        number = _number(node, layer)
        for name, value in edits.items():
            if name == "color" and value == "":
                continue
            values[edit(name, number)] = _checked(name, value, per_layer=True)
            if name == "color":
                values[edit(HAS_COLOR, number)] = True
    return values


def _checked(name: str, value: Any, *, per_layer: bool) -> Any:
    parameter = EDIT_BY_NAME.get(name)
    if parameter is None or parameter.per_layer != per_layer:
        raise ValueError(f"{name} is not an edit")
    if parameter.kind == "color" and isinstance(value, str):
        value = color_of_text(value)
        if value is None:
            raise ValueError(f"{name} is not a color")
    return checked(parameter, value)


def _number(node: Any, layer: str) -> int:
    """The number of a layer that is given by it or by its name. Raises ValueError."""
    names = _names(node)
    if layer.isascii() and layer.isdigit() and 1 <= int(layer) <= len(names):
        return int(layer)
    if names.count(layer) != 1:
        raise ValueError(f"there is no layer {layer}" if layer not in names else f"several layers are called {layer}")
    return names.index(layer) + 1


def _names(node: Any) -> list[str]:
    names = [entry.label or color_name(tuple(entry.color)) for entry in node.palette]
    return ["".join(filter(str.isprintable, name)) for name in names]
