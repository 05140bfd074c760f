"""Palette files, read and written in one way by the engine and by hosts.

The ending of the file decides:

- ``.json``: ``{"version": 1, "space": "srgb", "colors": [{"rgb": [r, g, b], "name": "…", "locked": false}]}``, the
  *document*. It keeps everything. Lists of hex colors and the like, of other programs, are read too.
- ``.gpl``: a GIMP palette, 8 bits a channel, with names; also as Aseprite writes it.
- ``.txt``, ``.hex``: hex colors; ``;`` and ``//`` begin a comment. Also the palettes of paint.net.
- ``.css``, ``.scss``, ``.less``: the variables that are colors.
- ``.ase``, ``.aco``, ``.act``: of Adobe. ``.pal``: JASC and Microsoft.

Colors are sRGB-encoded RGB in [0, 1].
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping
from numbers import Real
from pathlib import Path
from typing import Callable, Union

from . import palette_swatches
from .atomic import replaced_file
from .palette_swatches import Swatch
from .palette_text import address_colors, color_of_text, style_sheet_colors
from .parameters import MAXIMUM_COLORS
from .protocol import JsonObject, WorkerError

FORMAT_VERSION = 1
"""The ``"version"`` of a document."""

Color = tuple[float, float, float]

_TRAILING_COMMA = re.compile(r'("(?:\\.|[^"\\])*")|,(?=\s*[\]}])')
_NO_NAME = re.compile(r"[^0-9a-z]+")
_HEX = re.compile(r"#?([0-9a-fA-F]{6}|[0-9a-fA-F]{3})", re.ASCII)
_LARGEST_FILE = 1 << 20
_GIMP_HEADER = "GIMP Palette"
_JASC = "JASC-PAL"
_GIMP_UNNAMED = "Untitled"
_DOCUMENT = 'a palette is {"version": 1, "space": "srgb", "colors": [{"rgb": [r, g, b], "name": "…"}, …]}'


def short(value: object) -> str:
    """What was given, for a message of one line."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def color_of(value: object) -> Color:
    """Red, green and blue as Python floats.

    Raises:
        WorkerError: not three finite numbers in [0, 1] (code ``palette``).
    """
    try:
        values = tuple(_number(part) for part in value)  # type: ignore[attr-defined]
    except (TypeError, OverflowError):
        values = ()
    # a NaN fails both comparisons
    if len(values) != 3 or not all(0.0 <= part <= 1.0 for part in values):
        raise _error(f"{short(value)} is not a palette color", "give red, green and blue as three numbers from 0 to 1")
    return (values[0], values[1], values[2])


def hex_of(color: Color) -> str:
    """The color in 8 bits a channel: ``hex_of((1, 0.5, 0)) == "#ff8000"``."""
    return "#" + "".join(f"{math.floor(value * 255 + 0.5):02x}" for value in color)


def color_of_hex(text: object) -> Color:
    """A color from ``"#aabbcc"``, ``"aabbcc"`` or ``"#abc"``.

    Raises:
        WorkerError: anything else (code ``palette``).
    """
    found = _HEX.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is None:
        raise _error(f"{short(text)} is not a hex color", 'write colors as "#rrggbb", e.g. "#3366ff"')
    digits = found.group(1)
    if len(digits) == 3:
        digits = "".join(digit * 2 for digit in digits)
    return _of_levels([int(digits[i : i + 2], 16) for i in (0, 2, 4)])


def checked(document: object) -> JsonObject:
    """A document with everything in it; ``name`` and ``locked`` may be missing in what is given.

    Raises:
        WorkerError: another version or space, a missing or malformed part, a value outside [0, 1], no color or more
            than 16 (code ``palette``).
    """
    if not isinstance(document, Mapping):
        raise _error(f"{short(document)} is not a palette", _DOCUMENT)
    version, space, colors = (document.get(name) for name in ("version", "space", "colors"))
    if isinstance(version, bool) or version != FORMAT_VERSION:
        raise _error(f"palette version {short(version)} is not known", f"this program reads version {FORMAT_VERSION}")
    if space != "srgb":
        raise _error(f"palette space {short(space)} is not known", 'write "space": "srgb"')
    if not isinstance(colors, list):
        raise _error("the palette has no list of colors", _DOCUMENT)
    return _document([_checked_entry(entry, number) for number, entry in enumerate(colors, 1)])


def check_ending(path: Path) -> str:
    """The ending of a palette file, in lower case.

    Raises:
        WorkerError: it is another (code ``palette``).
    """
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise _error(f"{path}: is not a palette file", f"use one of {', '.join(ENDINGS)}")
    return ending


def colors_of_address(text: str) -> Union[list[str], None]:
    """The hex colors in the address of a palette, such as https://coolors.co/264653-2a9d8f; None for all else."""
    return address_colors(text)


def decoded(data: Union[bytes, str], ending: str) -> JsonObject:
    """The document in the content of a file with this ending.

    Raises:
        WorkerError: it is broken, or has not 1 to 16 colors (code ``palette``); names the line.
    """
    reader = _BINARY_READERS.get(ending)
    if reader is not None and isinstance(data, bytes) and not (ending == ".pal" and data.startswith(_JASC.encode())):
        try:
            swatches = reader(data)
        except ValueError as error:
            raise _error(str(error), "save the palette again, as .json, .gpl or .txt") from error
        return _document([_entry(color, name) for color, name in swatches])
    return _READERS[ending](data if isinstance(data, str) else _text(data))


def encoded(document: JsonObject, ending: str) -> bytes:
    """The content of a file with this ending. Equal documents give equal bytes."""
    writer = _BINARY_WRITERS.get(ending)
    if writer is not None:
        return writer([(color_of(color["rgb"]), color["name"]) for color in document["colors"]])
    return _WRITERS[ending](document).encode("utf-8")


def read_palette(path: Union[str, os.PathLike[str]]) -> JsonObject:
    """The document of a palette file.

    Raises:
        WorkerError: missing, of another ending, broken, or not 1 to 16 colors (code ``palette``); names the file.
    """
    path = Path(path)
    ending = check_ending(path)
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST_FILE + 1)
    except OSError as error:
        said = f"{path}: can't be read ({error.strerror or error})"
        raise _error(said, "check the file name and permissions") from error
    if len(data) > _LARGEST_FILE:
        raise _error(f"{path}: is too large for a palette", f"use a palette file of 1 to {MAXIMUM_COLORS} colors")
    try:
        return decoded(data, ending)
    except WorkerError as error:
        raise _error(f"{path}: {error.message}", error.cure) from error


def write_palette(path: Union[str, os.PathLike[str]], document: JsonObject) -> None:
    """Writes a palette file for a host, the whole file or none; one that exists is replaced.

    Raises:
        WorkerError: another ending, or what :func:`checked` refuses (code ``palette``); it can't be written (code
            ``output``).
    """
    path = Path(path)
    content = encoded(checked(document), check_ending(path))
    with replaced_file(path) as file:
        file.write(content)


def _text(data: bytes) -> str:
    """The text of a file: UTF-8, UTF-16 with its mark, or else Latin-1."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if b"\0" in data:
            raise _error("is not text", "save the palette as UTF-8 text") from error
        return data.decode("latin-1")


def _error(message: str, cure: str) -> WorkerError:
    return WorkerError("palette", message, cure)


def _number(value: object) -> float:
    """A real number as a Python float; a bool, text or anything else raises TypeError."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(value)
    return float(value)


def _of_levels(levels: list[int]) -> Color:
    red, green, blue = (level / 255 for level in levels)
    return (red, green, blue)


def _entry(color: Color, name: str = "", locked: bool = False) -> JsonObject:
    return {"rgb": list(color), "name": name, "locked": locked}


def _document(colors: list[JsonObject]) -> JsonObject:
    if not 1 <= len(colors) <= MAXIMUM_COLORS:
        raise _error(f"the palette has {len(colors)} colors", f"use 1 to {MAXIMUM_COLORS} colors")
    return {"version": FORMAT_VERSION, "space": "srgb", "colors": colors}


def _checked_entry(entry: object, number: int) -> JsonObject:
    if not isinstance(entry, Mapping):
        raise _error(f"color {number} of the palette is {short(entry)}", _DOCUMENT)
    rgb, name, locked = entry.get("rgb"), entry.get("name", ""), entry.get("locked", False)
    if not isinstance(rgb, (list, tuple)) or not isinstance(name, str) or not isinstance(locked, bool):
        raise _error(f"color {number} of the palette is {short(entry)}", _DOCUMENT)
    try:
        return _entry(color_of(rgb), name, locked)
    except WorkerError as error:
        raise _error(f"color {number} of the palette: {error.message}", error.cure) from error


def _read_json(text: str) -> JsonObject:
    try:
        document = json.loads(_TRAILING_COMMA.sub(lambda found: found[1] or "", text))
    except (ValueError, RecursionError) as error:
        raise _error(f"is not JSON ({error})", "write it again with `fscs palette`") from error
    foreign = _foreign_json(document)
    return checked(document) if foreign is None else _document(foreign)


def _foreign_json(document: object) -> Union[list[JsonObject], None]:
    """The colors of JSON of other programs: hex in a list, under names, or in objects; None for our own."""
    if isinstance(document, Mapping):
        if "version" in document or "space" in document:
            return None
        listed = document.get("colors", document.get("palette"))
        if not isinstance(listed, list):
            pairs = [(str(name), color_of_text(str(value))) for name, value in document.items()]
            return [_entry(color, name) for name, color in pairs if color] if all(c for _, c in pairs) else None
        document = listed
    if not isinstance(document, list) or not document:
        return None
    found = []
    for entry in document:
        name = ""
        if isinstance(entry, Mapping):
            name = str(entry.get("name", ""))
            entry = entry.get("hex", entry.get("color"))
        color = color_of_text(entry) if isinstance(entry, str) else None
        if color is None:
            return None
        found.append(_entry(color, name))
    return found


def _write_json(document: JsonObject) -> str:
    listed = ",\n    ".join(  # a color a line, so that a diff of two palettes can be read
        json.dumps({name: color[name] for name in ("rgb", "name", "locked")}, ensure_ascii=False)
        for color in document["colors"]
    )
    found = f'  "found": {json.dumps(document["found"])},\n' if "found" in document else ""
    return f'{{\n  "version": {FORMAT_VERSION},\n  "space": "srgb",\n{found}  "colors": [\n    {listed}\n  ]\n}}\n'


def _read_gimp(text: str) -> JsonObject:
    lines = text.splitlines()
    if not lines or lines[0].strip() != _GIMP_HEADER:
        raise _error("is not a GIMP palette", f'its first line must be "{_GIMP_HEADER}"')
    colors: list[JsonObject] = []
    channels = 3
    for number, line in enumerate(lines[1:], 2):
        if line.strip().replace(" ", "") == "Channels:RGBA":  # of Aseprite
            channels = 4
        if not line.strip() or line.lstrip().startswith(("#", "Name:", "Columns:", "Channels:")):
            continue
        parts = line.split(None, channels)
        try:
            levels = [int(part) for part in parts[:3]]
        except ValueError:
            levels = []
        if len(levels) != 3 or not all(0 <= level <= 255 for level in levels):
            raise _error(f"line {number} is {line.strip()[:60]!r}", "write R G B from 0 to 255, then a name")
        name = parts[channels].strip() if len(parts) > channels else ""
        colors.append(_entry(_of_levels(levels), "" if name == _GIMP_UNNAMED else name))
    return _document(colors)


def _write_gimp(document: JsonObject) -> str:
    colors = document["colors"]
    lines = [_GIMP_HEADER, "Name: Soft Color Segment", f"Columns: {len(colors)}", "#"]
    for color in colors:
        red, green, blue = bytes.fromhex(hex_of(color["rgb"])[1:])
        name = " ".join(color["name"].split()) or _GIMP_UNNAMED  # a line break would begin another color
        lines.append(f"{red:3d} {green:3d} {blue:3d}\t{name}")
    return "\n".join(lines) + "\n"


def _read_hex(text: str) -> JsonObject:
    colors = []
    for number, line in enumerate(text.splitlines(), 1):
        content = line.split(";", 1)[0].split("//", 1)[0]
        for part in content.replace(",", " ").split():
            color = color_of_text(part)
            if color is None or "(" in part:
                said = f"line {number}: {short(content.strip())} is not a hex color"
                cure = 'write colors as "#rrggbb", e.g. "#3366ff", one a line; comments begin with ; or //'
                raise _error(said, cure)
            colors.append(_entry(color))
    return _document(colors)


def _write_hex(document: JsonObject) -> str:
    return "".join(hex_of(color["rgb"]) + "\n" for color in document["colors"])


def _write_bare_hex(document: JsonObject) -> str:
    return _write_hex(document).replace("#", "")


def _read_styles(text: str) -> JsonObject:
    colors = style_sheet_colors(text)
    if not colors:
        raise _error("has no variable that is a color", "write them as --name: #rrggbb;")
    return _document([_entry(color, name.replace("-", " ")) for name, color in colors])


def _write_styles(document: JsonObject, mark: str = "--") -> str:
    lines, used = [], set()
    for number, color in enumerate(document["colors"], 1):
        name = _NO_NAME.sub("-", color["name"].lower()).strip("-") or f"color-{number}"
        while name in used:
            name += f"-{number}"
        used.add(name)
        lines.append(f"{mark}{name}: {hex_of(color['rgb'])};\n")
    return "".join(lines) if mark != "--" else ":root {\n" + "".join(f"  {line}" for line in lines) + "}\n"


def _read_jasc(text: str) -> JsonObject:
    lines = text.split("\n")
    if lines[0].strip() != _JASC:
        raise _error("is not a palette", f'its first line must be "{_JASC}"')
    colors = []
    for number, line in enumerate(lines[3:], 4):
        if not line.strip():
            continue
        try:
            levels = [int(part) for part in line.split()]
        except ValueError:
            levels = []
        if len(levels) not in (3, 4) or not all(0 <= level <= 255 for level in levels):
            raise _error(f"line {number} is {line.strip()[:60]!r}", "write R G B from 0 to 255")
        colors.append(_entry(_of_levels(levels[:3])))
    if not lines[2:] or lines[2].strip() != str(len(colors)):
        raise _error("is cut off: line 3 says another number of colors", "save the palette again")
    return _document(colors)


def _write_jasc(document: JsonObject) -> str:
    rows = [" ".join(str(level) for level in bytes.fromhex(hex_of(c["rgb"])[1:])) for c in document["colors"]]
    return "\r\n".join([_JASC, "0100", str(len(rows)), *rows, ""])


_READERS: dict[str, Callable[[str], JsonObject]] = {
    ".json": _read_json,
    ".gpl": _read_gimp,
    ".txt": _read_hex,
    ".hex": _read_hex,
    ".css": _read_styles,
    ".scss": _read_styles,
    ".less": _read_styles,
    ".pal": _read_jasc,
}
_WRITERS: dict[str, Callable[[JsonObject], str]] = {
    ".json": _write_json,
    ".gpl": _write_gimp,
    ".txt": _write_hex,
    ".hex": _write_bare_hex,
    ".css": _write_styles,
    ".scss": lambda document: _write_styles(document, "$"),
    ".less": lambda document: _write_styles(document, "@"),
    ".pal": _write_jasc,
}
_BINARY_READERS: dict[str, Callable[[bytes], list[Swatch]]] = {
    ".ase": palette_swatches.read_ase,
    ".aco": palette_swatches.read_aco,
    ".act": palette_swatches.read_act,
    ".pal": palette_swatches.read_riff,
}
_BINARY_WRITERS: dict[str, Callable[[list[Swatch]], bytes]] = {
    ".ase": palette_swatches.write_ase,
    ".aco": palette_swatches.write_aco,
    ".act": palette_swatches.write_act,
}
ENDINGS = tuple(dict.fromkeys((*_READERS, *_BINARY_READERS)))
"""Of palette files."""
