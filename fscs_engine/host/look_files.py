"""Look files for hosts, in the form of ``fscs recolor --look``.

The engine's Python reads the TOML: a host's own may be too old for it.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any, Union

from .atomic import replaced_file
from .client import clean_environment
from .edits import EDIT_BY_NAME, EDIT_PARAMETERS, LayerEdit, Look, checked
from .palette_codec import hex_of
from .palette_text import color_of_text
from .protocol import WorkerError

ENDING = ".toml"
VERSION = 1
LARGEST = 1 << 18
"""Bytes of a file."""

_TO_JSON = "import json, sys, tomllib; print(json.dumps(tomllib.loads(sys.stdin.buffer.read().decode('utf-8-sig'))))"


def read_look(path: str, names: Sequence[str], python: Union[str, os.PathLike[str]]) -> Look:
    """Reads a look file.

    Args:
        path: of the file.
        names: of all layers in their order; the file may use them or the numbers of the layers.
        python: whole path of the engine's Python.

    Raises:
        WorkerError: it can't be read, it is no look, or it edits a layer that is not there.
    """
    try:
        with open(path, "rb") as file:  # noqa: PTH123  # str, in both hosts
            data = file.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise ValueError("it is too large")
        return _look(_table(data, python), names)
    except (OSError, ValueError, TypeError, AttributeError, subprocess.TimeoutExpired) as error:
        cure = "choose a file that 'fscs recolor --save-look' or Save Look wrote, and correct what is said"
        raise WorkerError("input", f"{path} is not a look: {error}", cure) from error


def write_look(path: str, look: Look, names: Sequence[str]) -> None:
    """Writes a look file; ``names`` of all layers stand in its comments.

    Raises:
        WorkerError: it can't be written (code ``output``).
    """
    with replaced_file(path) as file:
        file.write(text_of_look(look, names).encode("utf-8"))


def text_of_look(look: Look, about: Sequence[str]) -> str:
    """A look as the text of a look file; ``about`` are comments for all layers. Equal looks give equal text."""
    lines = [
        "# A look: edits of the layers of an image, for `fscs recolor --look`.",
        '# A layer is its number, as in [layers.3], or its name in the palette, as in [layers."red cup"].',
        "# What is left out is at rest. The controls of a layer:",
        *(f"#   {parameter.name}: {parameter.tooltip}" for parameter in EDIT_PARAMETERS if parameter.per_layer),
        "",
        f"version = {VERSION}",
        f"strength = {look.strength!r}",
        f'opacity_shows = "{look.opacity_shows}"',
    ]
    for number, edit in look.layers.items():
        said = "".join(filter(str.isprintable, about[number - 1])).strip()
        lines += ["", f"[layers.{number}]" + (f"  # {said}" if said else "")]
        lines += [f"{name} = {_toml(value, name == 'color')}" for name, value in edit.changed.items()]
    return "\n".join(lines) + "\n"


def _toml(value: Any, is_color: bool) -> str:
    """A value of a look as TOML; a color that 8 bits hold as hex."""
    if is_color and color_of_text(hex_of(value)) == tuple(value):
        value = hex_of(value)
    return json.dumps(value)


def _table(data: bytes, python: Union[str, os.PathLike[str]]) -> Mapping[str, Any]:
    """TOML as a mapping. Raises ValueError."""
    ended = subprocess.run(
        [os.fspath(python), "-I", "-c", _TO_JSON],
        input=data,
        capture_output=True,
        timeout=60,
        env=clean_environment(),
        check=False,
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
    )
    if ended.returncode:
        said = ended.stderr.decode("utf-8", "replace").strip().splitlines() or ["the engine's Python can't read it"]
        raise ValueError(said[-1].partition(": ")[2] or said[-1])
    table: Any = json.loads(ended.stdout)
    if table.get("version") != VERSION:
        raise ValueError(f"its version is {table.get('version')}, not {VERSION}")
    found: Mapping[str, Any] = table
    return found


def _look(table: Mapping[str, Any], names: Sequence[str]) -> Look:
    whole = {name: _value(name, value, False) for name, value in table.items() if name not in ("version", "layers")}
    layers: dict[int, LayerEdit] = {}
    for key, edits in table.get("layers", {}).items():
        number = _number(key, names)
        if number in layers:
            raise ValueError(f"layer {number} is edited by its number and by its name")
        layers[number] = LayerEdit(**{name: _value(name, value, True) for name, value in edits.items()})
    return Look(layers, **whole)


def _value(name: str, value: Any, per_layer: bool) -> Any:
    parameter = EDIT_BY_NAME.get(name)
    if parameter is None or parameter.per_layer != per_layer:
        raise ValueError(f"{name} is not an edit")
    if parameter.kind == "color" and isinstance(value, str) and value:
        color = color_of_text(value)
        if color is None:
            raise ValueError(f"{name} is {value!r}: use a color as #3366ff")
        value = color
    return checked(parameter, value)


def _number(key: str, names: Sequence[str]) -> int:
    """The number of a layer that is given by it or by its name."""
    if key.isascii() and key.isdigit() and 1 <= int(key) <= len(names):
        return int(key)
    if list(names).count(key) != 1:
        raise ValueError(f"several layers are called {key}" if key in names else f"there is no layer {key}")
    return list(names).index(key) + 1
