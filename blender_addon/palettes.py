# SPDX-License-Identifier: GPL-3.0-or-later
"""Palette files: the engine's JSON, GIMP palettes and lists of hex colors, read and written without the engine."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import strings
from .fscs.parameters import MAXIMUM_COLORS

ENDINGS = (".json", ".gpl", ".txt")
LARGEST_FILE = 1 << 20
GIMP_HEADER = "GIMP Palette"


def read_palette(path: Path) -> dict[str, Any]:
    """Reads a palette file. The ending decides the format.

    Returns:
        the form of the JSON file: ``{"version": 1, "space": "srgb", "colors": [{"rgb": …, "name": …, "locked": …}]}``.

    Raises:
        WorkerError: it can't be read, is of another kind, broken, or not of 1 to 16 colors.
    """
    ending = _ending(path)
    try:
        with path.open("rb") as file:
            text = file.read(LARGEST_FILE).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise strings.error("palette", strings.PALETTE_UNREADABLE, path=path, error=error) from error
    try:
        colors = {".json": _json, ".gpl": _gimp, ".txt": _hex_list}[ending](text)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise strings.error("palette", strings.NOT_A_PALETTE, path=path, error=error) from error
    if not 1 <= len(colors) <= MAXIMUM_COLORS:
        raise strings.error("palette", strings.PALETTE_SIZE, path=path, count=len(colors), maximum=MAXIMUM_COLORS)
    return {"version": 1, "space": "srgb", "colors": colors}


def write_palette(path: Path, document: Mapping[str, Any]) -> None:
    """Writes a palette file. The ending decides the format; only JSON keeps more than 8 bits and the locks.

    Raises:
        WorkerError: it can't be written, or its ending is of no kind of palette file.
    """
    ending = _ending(path)
    colors = document["colors"]
    if ending == ".json":
        text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    elif ending == ".gpl":
        lines = [GIMP_HEADER, "Name: Soft Color Segment", f"Columns: {len(colors)}", "#"]
        for color in colors:
            red, green, blue = _levels(color)
            lines.append(f"{red:3d} {green:3d} {blue:3d}\t{' '.join(color['name'].split()) or 'Untitled'}")
        text = "\n".join(lines) + "\n"
    else:
        text = "".join("#{:02x}{:02x}{:02x}\n".format(*_levels(color)) for color in colors)
    temporary = path.with_name(f".{path.name}.part")
    try:
        temporary.write_text(text, encoding="utf-8", newline="\n")
        temporary.replace(path)
    except OSError as error:
        raise strings.error("output", strings.PALETTE_UNWRITABLE, path=path, error=error.strerror) from error


def _ending(path: Path) -> str:
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise strings.error("palette", strings.NOT_A_PALETTE_FILE, path=path, endings=", ".join(ENDINGS))
    return ending


def _levels(color: Mapping[str, Any]) -> list[int]:
    return [round(max(0.0, min(1.0, value)) * 255) for value in color["rgb"]]


def _json(text: str) -> list[dict[str, Any]]:
    data = json.loads(text)
    if data["version"] != 1 or data["space"] != "srgb":
        raise ValueError("of another version or color space")
    colors = []
    for color in data["colors"]:
        rgb = [float(value) for value in color["rgb"]]
        if len(rgb) != 3 or not all(math.isfinite(value) and 0.0 <= value <= 1.0 for value in rgb):
            raise ValueError("a color is not three numbers from 0 to 1")
        colors.append({"rgb": rgb, "name": str(color.get("name", "")), "locked": bool(color.get("locked", False))})
    return colors


def _gimp(text: str) -> list[dict[str, Any]]:
    lines = text.splitlines()
    if not lines or lines[0].strip() != GIMP_HEADER:
        raise ValueError(f'its first line is not "{GIMP_HEADER}"')
    colors = []
    for line in lines[1:]:
        if line.strip() and not line.lstrip().startswith(("#", "Name:", "Columns:")):
            parts = line.split(None, 3)
            levels = [int(part) for part in parts[:3]]
            if len(levels) != 3 or not all(0 <= level <= 255 for level in levels):
                raise ValueError(f"a line is {line.strip()[:60]!r}")
            name = parts[3].strip() if len(parts) == 4 else ""
            colors.append(
                {"rgb": [level / 255 for level in levels], "name": "" if name == "Untitled" else name, "locked": False}
            )
    return colors


def _hex_list(text: str) -> list[dict[str, Any]]:
    colors = []
    for line in text.splitlines():
        content = line.split(";", 1)[0].split("//", 1)[0].strip().lstrip("#")
        if content:
            digits = "".join(2 * digit for digit in content) if len(content) == 3 else content
            if len(digits) != 6:
                raise ValueError(f"a line is {line.strip()[:60]!r}")
            rgb = [int(digits[start : start + 2], 16) / 255 for start in (0, 2, 4)]
            colors.append({"rgb": rgb, "name": "", "locked": False})
    return colors
