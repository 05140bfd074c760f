"""Presets: named sets of parameters, one TOML file each, shared by the command line and the hosts.

A preset holds what makes a look, under the names of the parameter table, and only what was set::

    version = 1
    smoothing = 3

    [layer_gain]
    3 = 1.5

Loading it loads nothing outside the standard library. Hosts, whose Python may not read TOML, get presets through the
engine: :mod:`fscs_engine.host.preset_list`.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from .errors import InputError, OutputError, UsageError
from .host.parameters import BY_NAME, MAXIMUM_COLORS, PARAMETERS, Parameter, Value

FORMAT_VERSION = 1

FOLDER_VARIABLE = "FSCS_PRESETS"
"""Environment variable that names the folder of the presets, for instance one that a studio shares."""

_NOT_THE_LOOK = ("mask_mode", "device", "precision", "tile")
"""Parameters that say where it is computed, or that mean nothing without files a preset does not hold."""

PRESET_PARAMETERS: tuple[str, ...] = tuple(
    parameter.name for parameter in PARAMETERS if parameter.name not in _NOT_THE_LOOK
)
"""The parameters a preset may hold, in the order of the table."""

_SUFFIX = ".toml"
_LARGEST_FILE = 1 << 16
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_WINDOWS_DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
_LAYERS = {str(number): number for number in range(1, MAXIMUM_COLORS + 1)}


@dataclass(frozen=True)
class Preset:
    """A named set of parameters, held against the parameter table.

    Attributes:
        name: ASCII letters, digits, ``-``, ``_`` and ``.``, so that it is a file name everywhere.
        values: parameters with one value, by name.
        layers: parameters with a value a layer, by name, then by layer from 1.

    Raises:
        UsageError: a name that is no file name everywhere; a parameter that is unknown or does not belong in a preset;
            a value of another type, out of range or not among the choices; a model that is not shipped; a layer that
            can't be.
    """

    name: str
    values: Mapping[str, Value] = field(default_factory=dict)
    layers: Mapping[str, Mapping[int, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_name(self.name)
        for name in (*self.values, *self.layers):
            _check_parameter(name)
        values: dict[str, Value] = {}
        layers: dict[str, Mapping[int, float]] = {}
        for name in PRESET_PARAMETERS:  # the table's order, so that equal presets make equal files
            parameter = BY_NAME[name]
            if name in (self.values if parameter.per_layer else self.layers):
                wanted = "a value for each layer" if parameter.per_layer else "one value for all layers"
                raise UsageError(f"{name} has {wanted}", cure=_form(parameter))
            if name in self.values:
                values[name] = _checked(parameter, self.values[name], name)
            numbers = {
                _layer(name, layer): float(_checked(parameter, value, f"{name} of layer {_short(layer)}"))
                for layer, value in self.layers.get(name, {}).items()
            }
            if numbers:
                layers[name] = MappingProxyType(dict(sorted(numbers.items())))
        object.__setattr__(self, "values", MappingProxyType(values))
        object.__setattr__(self, "layers", MappingProxyType(layers))


def presets_folder() -> Path:
    """Where presets lie: the folder that FSCS_PRESETS names, else ``fscs/presets`` among the user's settings.

    It need not be there; :func:`save_preset` makes it.
    """
    named = os.environ.get(FOLDER_VARIABLE)
    if named:
        return Path(named).absolute()
    import platformdirs

    return platformdirs.user_config_path("fscs", appauthor=False) / "presets"


def preset_file(name: str) -> Path:
    """The file of a preset, whether it is there or not.

    Raises:
        UsageError: see `check_name`.
    """
    check_name(name)
    return presets_folder() / f"{name}{_SUFFIX}"


def check_name(name: str) -> None:
    """Refuses a name that is not a file name on every system.

    Raises:
        UsageError: other characters than ASCII letters, digits, ``-``, ``_`` and ``.``; more than 64; a name that
            starts with one of the three signs, ends with a dot or ``.toml``, or is a device of Windows (``con``).
    """
    if not _NAME.fullmatch(name) or name.endswith("."):
        raise UsageError(
            f"{_short(name)} can't name a preset",
            cure="use up to 64 letters (a to z), digits, - _ and . starting with a letter or digit",
        )
    if name.lower().endswith(_SUFFIX):
        raise UsageError(f"{name!r} is a file name", cure=f"name the preset without {_SUFFIX}")
    if _WINDOWS_DEVICE.fullmatch(name):
        raise UsageError(f"{name!r} can't be a file on Windows", cure="choose another name")


def list_presets() -> tuple[str, ...]:
    """The names of all presets, sorted. The files are not read, so one of them may still be broken.

    Raises:
        InputError: the folder can't be read.
    """
    folder = presets_folder()
    try:
        files = [file.name for file in folder.iterdir()]
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise InputError(
            f"{folder}: can't be read ({error.strerror or error})",
            cure=f"check its permissions, or name another folder with {FOLDER_VARIABLE}",
        ) from error
    return tuple(sorted(stem for stem, suffix in map(os.path.splitext, files) if suffix == _SUFFIX and _is_name(stem)))


def read_preset(name: str) -> Preset:
    """Reads a preset.

    Raises:
        UsageError: a name that can't be.
        InputError: there is no such preset; or its file is broken, of another version, or holds what `Preset` refuses;
            names the file, and the line where it is not TOML.
    """
    file = preset_file(name)
    try:
        with file.open("rb") as opened:
            data = opened.read(_LARGEST_FILE + 1)
    except FileNotFoundError as error:
        raise _unknown(name) from error
    except OSError as error:
        raise InputError(
            f"{file}: can't be read ({error.strerror or error})", cure="check the file's permissions"
        ) from error
    if len(data) > _LARGEST_FILE:
        raise InputError(f"{file}: is too large for a preset", cure="save it again")
    try:
        table = tomllib.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: is not text", cure="save it as UTF-8 text") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file}: is not TOML ({error})", cure="fix that line, or save the preset again") from error
    try:
        return _from_table(name, table)
    except UsageError as error:
        raise InputError(f"{file}: {error.message}", cure=error.cure) from error


def save_preset(preset: Preset, *, overwrite: bool = False) -> Path:
    """Writes a preset, the whole file or none; makes the folder where it is missing. Equal presets give equal bytes.

    Returns:
        The file.

    Raises:
        OutputError: a preset of this name, or of one that differs only in its capitals, exists and ``overwrite`` is
            False; or the file can't be written.
    """
    import tomli_w

    from .files.atomic import replaced_file

    file = preset_file(preset.name)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{file.parent}: can't be created ({error.strerror or error})",
            cure=f"check the permissions, or name another folder with {FOLDER_VARIABLE}",
        ) from error
    for other in list_presets():
        # One file for both on Windows and macOS, two on Linux: a folder may be used from all of them.
        if other != preset.name and other.lower() == preset.name.lower():
            raise OutputError(f"there is a preset {other!r} already", cure="choose another name")
    if file.exists() and not overwrite:
        raise OutputError(f"the preset {preset.name!r} exists already", cure="choose another name or pass --overwrite")
    with replaced_file(file, overwrite=overwrite) as temporary:
        temporary.write_bytes(tomli_w.dumps(_to_table(preset)).encode("utf-8"))
    return file


def delete_preset(name: str) -> Path:
    """Deletes a preset, broken or not, and returns the file that it was.

    Raises:
        UsageError: a name that can't be.
        InputError: there is no such preset.
        OutputError: its file can't be deleted.
    """
    file = preset_file(name)
    try:
        file.unlink()
    except FileNotFoundError as error:
        raise _unknown(name) from error
    except OSError as error:
        raise OutputError(
            f"{file}: can't be deleted ({error.strerror or error})", cure="check the permissions"
        ) from error
    return file


def _to_table(preset: Preset) -> dict[str, object]:
    layers = {name: {str(layer): value for layer, value in numbers.items()} for name, numbers in preset.layers.items()}
    return {"version": FORMAT_VERSION, **preset.values, **layers}


def _from_table(name: str, table: Mapping[str, object]) -> Preset:
    version = table.get("version")
    if isinstance(version, bool) or version != FORMAT_VERSION:
        said = "no version is given" if version is None else f"preset version {_short(version)} is not known"
        raise UsageError(said, cure=f"presets of this program start with version = {FORMAT_VERSION}")
    values: dict[str, Value] = {}
    layers: dict[str, Mapping[int, float]] = {}
    for key, value in table.items():
        if key == "version":
            continue
        _check_parameter(key)
        if not BY_NAME[key].per_layer:
            values[key] = value  # type: ignore[assignment]  # Preset refuses other types
        elif isinstance(value, Mapping):
            layers[key] = {_layer(key, _LAYERS.get(layer, layer)): number for layer, number in value.items()}
        else:
            raise UsageError(f"{key} is {_short(value)}", cure=_form(BY_NAME[key]))
    return Preset(name, values, layers)


def _check_parameter(name: str) -> None:
    if name in PRESET_PARAMETERS:
        return
    if name in BY_NAME:
        raise UsageError(f"{name} is not kept in presets", cure="leave it out and give it with each run")
    raise UsageError(f"{_short(name)} is not a parameter", cure=_nearest(name, PRESET_PARAMETERS))


def _layer(name: str, layer: object) -> int:
    if isinstance(layer, bool) or not isinstance(layer, int) or not 1 <= layer <= MAXIMUM_COLORS:
        raise UsageError(f"{name}: there is no layer {_short(layer)}", cure=f"use 1 to {MAXIMUM_COLORS}")
    return layer


def _checked(parameter: Parameter, value: object, what: str) -> Value:
    """The value in the type of the parameter. Raises UsageError."""
    said = f"{what} is {_short(value)}"
    if parameter.kind in ("int", "float"):
        if isinstance(value, bool) or not isinstance(value, int if parameter.kind == "int" else (int, float)):
            raise UsageError(said, cure="use a whole number" if parameter.kind == "int" else "use a number")
        if cure := parameter.cure(value):
            raise UsageError(said, cure)
        return value if parameter.kind == "int" else float(value)
    if parameter.kind == "bool":
        if not isinstance(value, bool):
            raise UsageError(said, cure="use true or false")
        return value
    if not isinstance(value, str) or not value or not value.isprintable():
        raise UsageError(said, cure='use text in quotes, as in "auto"')
    if parameter.name == "model":
        parameter = replace(parameter, choices=_models())
    if cure := parameter.cure(value):
        raise UsageError(said, cure)
    return value


def _models() -> tuple[str, ...]:
    """Names only: what a preset says, which others may have written, must never choose a file to load."""
    from .networks.shipped import SHIPPED

    return tuple(SHIPPED)


def _form(parameter: Parameter) -> str:
    return f"write [{parameter.name}] and below it LAYER = VALUE" if parameter.per_layer else "give one value"


def _is_name(text: str) -> bool:
    try:
        check_name(text)
    except UsageError:
        return False
    return True


def _unknown(name: str) -> InputError:
    return InputError(
        f"there is no preset {name!r} in {presets_folder()}",
        cure=_nearest(name, list_presets(), "save it first: `fscs preset save`"),
    )


def _nearest(name: str, known: Iterable[str], without: str = "") -> str:
    """A cure: the known names, the most similar one alone where there is one."""
    names = list(known)
    near = difflib.get_close_matches(name, names, 1)
    if near:
        return f"did you mean {near[0]}?"
    return f"use one of {', '.join(names)}" if names else without


def _short(value: object) -> str:
    if isinstance(value, int) and value.bit_length() > 64:  # Python refuses to print the longest
        return "a huge number"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
