"""Palette files: our own JSON, GIMP palettes (.gpl) and lists of hex colours (.txt)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from ..errors import PaletteError
from ..palette.palette import FORMAT_VERSION, Palette, PaletteColor
from .atomic import replaced_file

_LARGEST_FILE = 1 << 20
_GIMP_HEADER = "GIMP Palette"
_GIMP_UNNAMED = "Untitled"


def read_palette(path: str | Path) -> Palette:
    """Reads a palette from a ``.json``, ``.gpl`` or ``.txt`` file.

    - ``.json``: ``{"version": 1, "space": "srgb", "colors": [{"rgb": [r, g, b], "name": "…", "locked": false}]}``.
    - ``.gpl``: a GIMP palette, 8 bits a channel, with names.
    - ``.txt``: one hex colour a line; ``;`` and ``//`` begin a comment.

    Args:
        path: the ending decides the format.

    Raises:
        PaletteError: missing, of another ending, broken, or not 1 to 16 colours; names the file.
    """
    path = Path(path)
    parse, _ = _format(path)
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise PaletteError(
            f"{path}: can't be read ({error.strerror or error})", cure="check the file name and permissions"
        ) from error
    if len(data) > _LARGEST_FILE:
        raise PaletteError(f"{path}: is too large for a palette", cure="name a palette file of 1 to 16 colors")
    try:
        return parse(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise PaletteError(f"{path}: is not text", cure="save the palette as UTF-8 text") from error
    except PaletteError as error:
        raise PaletteError(f"{path}: {error.message}", cure=error.cure) from error


def named_palette(text: str) -> Palette:
    """The colours that a user names: ``"#aabbcc,#112233"``, or the file they are in.

    Raises:
        PaletteError: a colour or file that can't be used.
    """
    if Path(text).suffix.lower() in _FORMATS or ("," not in text and Path(text).is_file()):
        return read_palette(Path(text))
    return Palette.from_hex(text)


def write_palette(path: str | Path, palette: Palette, *, overwrite: bool = False) -> None:
    """Writes a palette as ``.json``, ``.gpl`` or ``.txt``, the whole file or none.

    JSON keeps everything. GIMP palettes keep 8 bits a channel and the names, hex lists only the 8 bits.

    Args:
        path: the ending decides the format.
        palette: what to write.
        overwrite: whether a file that exists is replaced.

    Raises:
        PaletteError: an ending that is not one of these.
        OutputError: the file exists and ``overwrite`` is False, or it can't be written.
    """
    path = Path(path)
    _, render = _format(path)
    text = render(palette)
    with replaced_file(path, overwrite=overwrite) as temporary:
        Path(temporary).write_bytes(text.encode("utf-8"))


def _format(path: Path) -> tuple[Callable[[str], Palette], Callable[[Palette], str]]:
    try:
        return _FORMATS[path.suffix.lower()]
    except KeyError:
        raise PaletteError(f"{path}: is not a palette file", cure=f"use one of {', '.join(_FORMATS)}") from None


def _parse_json(text: str) -> Palette:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise PaletteError(f"is not JSON ({error})", cure="write it again with `fscs palette`") from error
    return Palette.from_dict(data)


def _render_json(palette: Palette) -> str:
    colors = [
        json.dumps({"rgb": list(color.rgb), "name": color.name, "locked": color.locked}, ensure_ascii=False)
        for color in palette
    ]
    listed = ",\n    ".join(colors)  # a colour a line, so that a diff of two palettes can be read
    return f'{{\n  "version": {FORMAT_VERSION},\n  "space": "srgb",\n  "colors": [\n    {listed}\n  ]\n}}\n'


def _parse_gimp(text: str) -> Palette:
    lines = text.splitlines()
    if not lines or lines[0].strip() != _GIMP_HEADER:
        raise PaletteError("is not a GIMP palette", cure=f'its first line must be "{_GIMP_HEADER}"')
    colors = []
    for number, line in enumerate(lines[1:], 2):
        if not line.strip() or line.lstrip().startswith(("#", "Name:", "Columns:")):
            continue
        parts = line.split(None, 3)
        try:
            levels = [int(part) for part in parts[:3]]
        except ValueError:
            levels = []
        if len(levels) != 3 or not all(0 <= level <= 255 for level in levels):
            raise PaletteError(f"line {number} is {line.strip()[:60]!r}", cure="write R G B from 0 to 255, then a name")
        name = parts[3].strip() if len(parts) == 4 else ""
        red, green, blue = (level / 255 for level in levels)
        colors.append(PaletteColor((red, green, blue), "" if name == _GIMP_UNNAMED else name))
    return Palette(tuple(colors))


def _render_gimp(palette: Palette) -> str:
    lines = [_GIMP_HEADER, "Name: Soft Color Segment", f"Columns: {len(palette)}", "#"]
    for color in palette:
        red, green, blue = (int(color.hex[i : i + 2], 16) for i in (1, 3, 5))
        name = " ".join(color.name.split()) or _GIMP_UNNAMED  # a line break would begin another colour
        lines.append(f"{red:3d} {green:3d} {blue:3d}\t{name}")
    return "\n".join(lines) + "\n"


def _parse_hex_list(text: str) -> Palette:
    colors = []
    for number, line in enumerate(text.splitlines(), 1):
        content = line.split(";", 1)[0].split("//", 1)[0].strip()
        if not content:
            continue
        try:
            colors.append(PaletteColor.from_hex(content))
        except PaletteError as error:
            raise PaletteError(
                f"line {number}: {error.message}", cure=f"{error.cure}, one a line; comments begin with ; or //"
            ) from error
    return Palette(tuple(colors))


def _render_hex_list(palette: Palette) -> str:
    return "".join(color.hex + "\n" for color in palette)


_FORMATS: Mapping[str, tuple[Callable[[str], Palette], Callable[[Palette], str]]] = MappingProxyType(
    {
        ".json": (_parse_json, _render_json),
        ".gpl": (_parse_gimp, _render_gimp),
        ".txt": (_parse_hex_list, _render_hex_list),
    }
)
