"""Look files: the edits of an image's layers as TOML, by the number of a layer or by its name in the palette.

::

    version = 1
    strength = 1.0
    opacity_shows = "others"

    [layers.3]
    color = "#3366ff"

    [layers."red cup"]
    hue = 40.0
    gain = [1.1, 1.0, 0.9]

A file holds only what was set, under the names of :data:`fscs_engine.host.edits.EDIT_PARAMETERS`.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import InputError, PaletteError, UsageError
from ..files.atomic import replaced_file
from ..host.edits import EDIT_BY_NAME, EDIT_PARAMETERS, LayerEdit, Look, checked
from ..host.look_files import LARGEST, VERSION, text_of_look
from ..palette.palette import Palette, PaletteColor

_PER_LAYER = tuple(parameter.name for parameter in EDIT_PARAMETERS if parameter.per_layer)
_WHOLE = tuple(parameter.name for parameter in EDIT_PARAMETERS if not parameter.per_layer)


@dataclass(frozen=True)
class NamedLook:
    """A look before it is held against a palette: its layers are numbers from 1, or names.

    Attributes:
        layers: for each layer, edits by name; colors as sRGB in [0, 1] or as hex.
        whole: the parameters without a layer that were set.

    Raises:
        UsageError: a parameter that is not known, or a value that it does not take.
    """

    layers: Mapping[int | str, Mapping[str, object]] = field(default_factory=dict)
    whole: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        layers = {
            key: {name: _value(name, value, _PER_LAYER, f"layer {key}: ") for name, value in edits.items()}
            for key, edits in self.layers.items()
        }
        whole = {name: _value(name, value, _WHOLE, "") for name, value in self.whole.items()}
        object.__setattr__(self, "layers", layers)
        object.__setattr__(self, "whole", whole)

    def over(self, other: NamedLook) -> NamedLook:
        """Both looks in one; where they set the same parameter this one counts."""
        keys = [*other.layers, *(key for key in self.layers if key not in other.layers)]
        layers = {key: {**other.layers.get(key, {}), **self.layers.get(key, {})} for key in keys}
        return NamedLook(layers, {**other.whole, **self.whole})

    def look(self, palette: Palette) -> Look:
        """The look for the layers of a palette.

        Raises:
            UsageError: a layer that is not there, a name that several have, or one layer by its number and by its name.
        """
        found: dict[int, LayerEdit] = {}
        for key, edits in self.layers.items():
            number = layer_number(key, palette)
            if number in found:
                raise UsageError(f"layer {number} is edited by its number and by its name", cure="edit it once")
            found[number] = LayerEdit(**edits)  # type: ignore[arg-type]  # checked above
        return Look(found, **self.whole)  # type: ignore[arg-type]


def layer_number(key: int | str, palette: Palette) -> int:
    """The number of a layer, counted from 1, that is given by its number or by its name in the palette.

    Raises:
        UsageError: it is not there, or several have the name.
    """
    if isinstance(key, int):
        if not 1 <= key <= len(palette):
            raise UsageError(f"there is no layer {key}", cure=f"use 1 to {len(palette)}")
        return key
    named = [number for number, color in enumerate(palette, 1) if color.name == key]
    if len(named) > 1:
        raise UsageError(f"{len(named)} layers are called {key!r}", cure=f"use their numbers: {named}")
    if not named:
        names = [color.name for color in palette if color.name]
        near = difflib.get_close_matches(key, names, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"use its number, 1 to {len(palette)}"
        raise UsageError(f"no layer is called {key!r}", cure=hint)
    return named[0]


def parse_layer(text: str) -> int | str:
    """``"3"`` → 3, ``"red cup"`` → the name."""
    stripped = text.strip()
    return int(stripped) if stripped.isascii() and stripped.isdigit() else stripped


def read_look(path: str | Path) -> NamedLook:
    """Reads a look file.

    Raises:
        InputError: missing, not TOML, of another version, or with a parameter or value that can't be; names the file.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror or error})", cure="check the look file") from error
    if len(data) > LARGEST:
        raise InputError(f"{path}: is too large for a look", cure="save it again with --save-look")
    try:
        table = tomllib.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not text", cure="save it as UTF-8 text") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: is not TOML ({error})", cure="correct that line") from error
    try:
        return _from_table(table)
    except UsageError as error:
        raise InputError(f"{path}: {error.message}", cure=error.cure) from error


def save_look(path: str | Path, look: Look, palette: Palette, *, overwrite: bool = False) -> None:
    """Writes a look file with a comment for each layer. Equal looks give equal bytes.

    Raises:
        OutputError: the file exists and ``overwrite`` is False, or it can't be written.
    """
    path = Path(path)
    with replaced_file(path, overwrite=overwrite) as temporary:
        temporary.write_bytes(look_text(look, palette).encode("utf-8"))


def look_text(look: Look, palette: Palette) -> str:
    """A look as the text of a look file."""
    return text_of_look(look, [f"{color.name} {color.hex}" for color in palette.colors])


def _from_table(table: Mapping[str, object]) -> NamedLook:
    version = table.get("version")
    if isinstance(version, bool) or version != VERSION:
        said = "no version is given" if version is None else f"look version {version!r} is not known"
        raise UsageError(said, cure=f"looks of this program begin with version = {VERSION}")
    layers = table.get("layers", {})
    if not isinstance(layers, Mapping) or not all(isinstance(edits, Mapping) for edits in layers.values()):
        raise UsageError("layers are not tables", cure="write [layers.3] and the edits below it")
    numbered: dict[int | str, Mapping[str, object]] = {}
    for key, edits in layers.items():
        number = parse_layer(key)
        if number in numbered:
            raise UsageError(f"layer {number} is there twice", cure="keep one of them")
        numbered[number] = edits
    return NamedLook(numbered, {name: value for name, value in table.items() if name not in ("version", "layers")})


def _value(name: str, value: object, known: tuple[str, ...], where: str) -> object:
    """A checked value of a parameter. Raises UsageError."""
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        cure = f"did you mean {near[0]}?" if near else f"use one of {', '.join(known)}"
        raise UsageError(f"{where}{name!r} is not an edit", cure=cure)
    parameter = EDIT_BY_NAME[name]
    if parameter.kind == "color" and isinstance(value, str) and value:
        try:
            return PaletteColor.from_hex(value).rgb
        except PaletteError as error:
            raise UsageError(f"{where}{error.message}", cure=error.cure) from error
    try:
        return checked(parameter, value)
    except ValueError as error:
        message, _, cure = str(error).partition(": ")
        raise UsageError(f"{where}{message}", cure=cure) from error
