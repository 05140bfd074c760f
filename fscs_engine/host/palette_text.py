"""Colors in the texts of other programs: hex lists, style sheets, JASC palettes, the addresses of palette sites."""

from __future__ import annotations

import colorsys
import re
from typing import Optional

Rgb = tuple[float, float, float]

_HEX = re.compile(r"(#|0x)?([0-9a-fA-F]{8}|[0-9a-fA-F]{6}|[0-9a-fA-F]{3,4})", re.ASCII)
_FUNCTION = re.compile(r"(rgb|hsl)a?\(([^()]*)\)", re.ASCII | re.IGNORECASE)
_VARIABLE = re.compile(r"(?:--|\$|@)([\w-]+)\s*:\s*([^;{}]+?)\s*(?:!default\s*)?(?:;|(?=\}))")
_CSS_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_LINE_COMMENT = re.compile(r"^\s*//.*$", re.MULTILINE)
_BEFORE, _BEHIND = r"(?:https?://)?(?:www\.)?", r"/?(?:[?#].*)?"
_LISTED = re.compile(_BEFORE + r"coolors\.co/(?:[a-z]+/)?([0-9a-f]{6}(?:-[0-9a-f]{6})*)" + _BEHIND, re.IGNORECASE)
_JOINED = re.compile(_BEFORE + r"colorhunt\.co/palette/((?:[0-9a-f]{6})+)" + _BEHIND, re.IGNORECASE)
_DEGREES = {"deg": 1.0, "turn": 360.0, "grad": 0.9, "rad": 57.29577951308232}


def color_of_text(text: str) -> Optional[Rgb]:
    """A color as lists and style sheets write it; None where it is none. Its alpha is left out.

    Of eight digits, alpha is the last two behind a ``#``, as in CSS, and else the first two, as in paint.net.

    >>> color_of_text("#ff000080"), color_of_text("80ff0000"), color_of_text("hsl(120 100% 50%)")
    ((1.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
    """
    text = text.strip()
    found = _HEX.fullmatch(text)
    if found:
        digits = found[2]
        if len(digits) in (3, 4):
            if len(digits) == 4 and found[1] != "#":
                return None
            digits = "".join(digit * 2 for digit in digits[:3])
        if len(digits) == 8:
            digits = digits[:6] if found[1] == "#" else digits[2:]
        red, green, blue = (int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4))
        return (red, green, blue)
    function = _FUNCTION.fullmatch(text)
    return None if function is None else _of_function(function[1].lower(), function[2])


def style_sheet_colors(text: str) -> list[tuple[str, Rgb]]:
    """The variables of a style sheet that are colors (CSS, SCSS, Less), each name once, and their names."""
    found: dict[str, Rgb] = {}
    for match in _VARIABLE.finditer(_LINE_COMMENT.sub("", _CSS_COMMENT.sub("", text))):
        color = color_of_text(match[2])
        if color is not None:
            found.setdefault(match[1], color)
    return list(found.items())


def address_colors(text: str) -> Optional[list[str]]:
    """The hex colors that stand in the address of a palette on coolors.co or colorhunt.co; None for all else.

    >>> address_colors("https://coolors.co/palette/264653-2a9d8f")
    ['264653', '2a9d8f']
    """
    listed = _LISTED.fullmatch(text.strip())
    if listed:
        return listed[1].split("-")
    joined = _JOINED.fullmatch(text.strip())
    return re.findall("......", joined[1]) if joined else None


def _of_function(kind: str, arguments: str) -> Optional[Rgb]:
    parts = re.split(r"\s*[,/]\s*|\s+", arguments.strip())
    if len(parts) not in (3, 4):
        return None
    try:
        if kind == "rgb":
            values = [float(part[:-1]) / 100 if part.endswith("%") else float(part) / 255 for part in parts[:3]]
        else:
            unit = next((unit for unit in _DEGREES if parts[0].endswith(unit)), "")
            hue = float(parts[0][: -len(unit)] if unit else parts[0]) * _DEGREES.get(unit, 1.0) / 360
            saturation, lightness = (float(part.rstrip("%")) / 100 for part in parts[1:3])
            values = list(colorsys.hls_to_rgb(hue % 1.0, min(max(lightness, 0.0), 1.0), min(max(saturation, 0.0), 1.0)))
    except ValueError:
        return None
    if not all(value == value and abs(value) < 1e9 for value in values):
        return None
    red, green, blue = (min(max(value, 0.0), 1.0) for value in values)
    return (red, green, blue)
