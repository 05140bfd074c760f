"""Look files: what they may hold, and how hosts read and write them (``fscs recolor --look``).

The engine's Python reads the TOML: a host's own may be too old for it.
"""

from __future__ import annotations

import difflib
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, Union

from .atomic import replaced_file
from .client import clean_environment
from .edits import EDIT_BY_NAME, EDIT_PARAMETERS, LayerEdit, Look, checked
from .palette_codec import color_of_hex, hex_of
from .palette_text import color_of_text
from .protocol import WorkerError

ENDING = ".toml"
VERSION = 1
LARGEST = 1 << 18
"""Bytes of a file."""

_PER_LAYER = tuple(parameter.name for parameter in EDIT_PARAMETERS if parameter.per_layer)
_WHOLE = tuple(parameter.name for parameter in EDIT_PARAMETERS if not parameter.per_layer)
_TO_JSON = "import json, sys, tomllib; print(json.dumps(tomllib.loads(sys.stdin.buffer.read().decode('utf-8-sig'))))"

Edits = Mapping[str, object]
NamedLookType = TypeVar("NamedLookType", bound="NamedLook")


@dataclass(frozen=True)
class NamedLook:
    """A look before it is held against a palette: its layers are numbers from 1, or names.

    Attributes:
        layers: for each layer, edits by name; colors as sRGB in [0, 1] or as hex.
        whole: the parameters without a layer that were set.

    Raises:
        WorkerError: a parameter that is not known, or a value that it does not take (code ``usage``).
    """

    layers: Mapping[Union[int, str], Edits] = field(default_factory=dict)
    whole: Edits = field(default_factory=dict)

    def __post_init__(self) -> None:
        layers = {
            key: {name: _value(name, value, _PER_LAYER, f"layer {key}: ") for name, value in edits.items()}
            for key, edits in self.layers.items()
        }
        whole = {name: _value(name, value, _WHOLE, "") for name, value in self.whole.items()}
        object.__setattr__(self, "layers", layers)
        object.__setattr__(self, "whole", whole)

    def over(self: NamedLookType, other: NamedLookType) -> NamedLookType:
        """Both looks in one; where they set the same parameter this one counts."""
        keys = [*other.layers, *(key for key in self.layers if key not in other.layers)]
        layers = {key: {**other.layers.get(key, {}), **self.layers.get(key, {})} for key in keys}
        return type(self)(layers, {**other.whole, **self.whole})

    def of_layers(self, names: Sequence[str]) -> Look:
        """The look for layers of these names.

        Raises:
            WorkerError: a layer that is not there, a name that several have, or one layer by its number and by its
                name (code ``usage``).
        """
        found: dict[int, LayerEdit] = {}
        for key, edits in self.layers.items():
            number = layer_number(key, names)
            if number in found:
                raise _error(f"layer {number} is edited by its number and by its name", "edit it once")
            found[number] = LayerEdit(**edits)  # type: ignore[arg-type]  # checked above
        return Look(found, **self.whole)  # type: ignore[arg-type]


def layer_number(key: Union[int, str], names: Sequence[str]) -> int:
    """The number of a layer, counted from 1, that is given by its number or by its name among those of all layers.

    Raises:
        WorkerError: it is not there, or several have the name (code ``usage``).
    """
    if isinstance(key, int):
        if not 1 <= key <= len(names):
            raise _error(f"there is no layer {key}", f"use 1 to {len(names)}")
        return key
    named = [number for number, name in enumerate(names, 1) if name == key]
    if len(named) > 1:
        raise _error(f"{len(named)} layers are called {key!r}", f"use their numbers: {named}")
    if not named:
        near = difflib.get_close_matches(key, list(filter(None, names)), 1)
        hint = f"did you mean {near[0]!r}?" if near else f"use its number, 1 to {len(names)}"
        raise _error(f"no layer is called {key!r}", hint)
    return named[0]


def parse_layer(text: str) -> Union[int, str]:
    """``"3"`` → 3, ``"red cup"`` → the name."""
    stripped = text.strip()
    return int(stripped) if stripped.isascii() and stripped.isdigit() else stripped


def look_of_table(table: Mapping[str, Any], kind: type[NamedLookType]) -> NamedLookType:
    """What a look file holds, as a :class:`NamedLook` or a class of its kind.

    Raises:
        WorkerError: another version, or a parameter or value that can't be (code ``usage``).
    """
    version = table.get("version")
    if isinstance(version, bool) or version != VERSION:
        said = "no version is given" if version is None else f"look version {version!r} is not known"
        raise _error(said, f"looks of this program begin with version = {VERSION}")
    layers = table.get("layers", {})
    if not isinstance(layers, Mapping) or not all(isinstance(edits, Mapping) for edits in layers.values()):
        raise _error("layers are not tables", "write [layers.3] and the edits below it")
    numbered: dict[Union[int, str], Edits] = {}
    for key, edits in layers.items():
        number = parse_layer(key)
        if number in numbered:
            raise _error(f"layer {number} is there twice", "keep one of them")
        numbered[number] = edits
    return kind(numbered, {name: value for name, value in table.items() if name not in ("version", "layers")})


def read_look(path: str, names: Sequence[str], python: Union[str, os.PathLike[str]]) -> Look:
    """Reads a look file.

    Args:
        path: of the file.
        names: of all layers in their order; the file may use them or the numbers of the layers.
        python: whole path of the engine's Python.

    Raises:
        WorkerError: it can't be read, it is no look, or it edits a layer that is not there.
    """
    cure = "choose a file that 'fscs recolor --save-look' or Save Look wrote, and correct what is said"
    try:
        with open(path, "rb") as file:  # noqa: PTH123  # str, in both hosts
            data = file.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise ValueError("it is too large")
        return look_of_table(_table(data, python), NamedLook).of_layers(names)
    except WorkerError as error:
        raise WorkerError("input", f"{path} is not a look: {error.message}", error.cure or cure) from error
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
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
    found: Mapping[str, Any] = json.loads(ended.stdout)
    return found


def _value(name: str, value: object, known: tuple[str, ...], where: str) -> object:
    """A checked value of a parameter. Raises WorkerError."""
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        raise _error(
            f"{where}{name!r} is not an edit", f"did you mean {near[0]}?" if near else f"use one of {', '.join(known)}"
        )
    parameter = EDIT_BY_NAME[name]
    try:
        if parameter.kind == "color" and isinstance(value, str) and value:
            value = color_of_hex(value)
        return checked(parameter, value)
    except WorkerError as error:
        raise _error(f"{where}{error.message}", error.cure) from error
    except ValueError as error:
        message, _, cure = str(error).partition(": ")
        raise _error(f"{where}{message}", cure) from error


def _error(message: str, cure: str) -> WorkerError:
    return WorkerError("usage", message, cure)
