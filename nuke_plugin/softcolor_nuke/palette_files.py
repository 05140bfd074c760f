"""Reads and writes palette files: JSON, GIMP palettes and text files with one hex color a line."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

from .exr import replaced_file
from .fscs.parameters import MAXIMUM_COLORS
from .fscs.protocol import JsonObject, WorkerError

_HEX = re.compile(r"#?([0-9a-fA-F]{6})\Z")
_GIMP = re.compile(r"\s*(\d{1,3})\s+(\d{1,3})\s+(\d{1,3})(?:\s+(.*))?\Z")


def read(path: str) -> JsonObject:
    """The palette of a file, in the form of the palette file.

    Raises:
        WorkerError: it can't be read, or is no palette (code ``palette``).
    """
    file = Path(path)
    cure = "choose a .json, .gpl or .txt file with 1 to 16 colors"
    try:
        text = file.read_text(encoding="utf-8-sig")
        if file.suffix.lower() == ".json":
            colors = _of_json(json.loads(text))
        elif text.lstrip().startswith("GIMP Palette"):
            colors = _of_gimp(text)
        else:
            colors = _of_text(text)
    except OSError as error:
        raise WorkerError("palette", f"{path} can't be read ({error.strerror})", cure) from error
    except (ValueError, KeyError, TypeError) as error:
        raise WorkerError("palette", f"{path} is no palette ({error})", cure) from error
    if not 1 <= len(colors) <= MAXIMUM_COLORS:
        raise WorkerError("palette", f"{path} has {len(colors)} colors", cure)
    return {"version": 1, "space": "srgb", "colors": colors}


def _of_json(found: Any) -> list[JsonObject]:
    if found["version"] != 1 or found["space"] != "srgb":
        raise ValueError("of another version or color space")
    return [_color(entry["rgb"], entry.get("name", ""), entry.get("locked", False)) for entry in found["colors"]]


def _of_gimp(text: str) -> list[JsonObject]:
    colors = []
    for line in text.splitlines()[1:]:
        if not line.strip() or line.startswith(("#", "Name:", "Columns:")):
            continue
        found = _GIMP.match(line)
        if not found:
            raise ValueError(f"the line {line[:40]!r}")
        colors.append(_color([int(value) / 255 for value in found.groups()[:3]], found[4] or "", False))
    return colors


def _of_text(text: str) -> list[JsonObject]:
    colors = []
    for line in filter(None, (line.strip() for line in text.splitlines())):
        found = _HEX.match(line)
        if not found:
            raise ValueError(f"the line {line[:40]!r}")
        colors.append(_color([value / 255 for value in bytes.fromhex(found[1])], "", False))
    return colors


def _color(rgb: Any, name: Any, locked: Any) -> JsonObject:
    values = [float(value) for value in rgb]
    if len(values) != 3 or not all(math.isfinite(value) and 0 <= value <= 1 for value in values):
        raise ValueError(f"the color {values}")
    return {"rgb": values, "name": str(name), "locked": bool(locked)}


def write(path: str, palette: JsonObject) -> None:
    """Writes a palette file as JSON; it is there whole or not at all.

    Raises:
        WorkerError: it can't be written (code ``output``).
    """
    with replaced_file(path) as file:
        file.write((json.dumps(palette, indent=2, ensure_ascii=False) + "\n").encode("utf-8"))
