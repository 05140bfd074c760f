"""Palettes in the binary forms of other programs: Adobe's swatches (.ase, .aco), color tables (.act, RIFF .pal).

Colors come and go as ``(red, green, blue)`` in [0, 1], sRGB-encoded, with a name. Errors are ValueError with a message
that follows the name of the file.
"""

from __future__ import annotations

import colorsys
import struct
from collections.abc import Sequence

from .edits import Color, encoded

Swatch = tuple[tuple[float, float, float], str]

_COLOR, _GROUPS = 0x0001, (0xC001, 0xC002)
_ASEPRITE = b"\xe0\xa5"
_TABLE = 768
_LAB_WHITE = (0.96422, 1.0, 0.82521)
"""Of CIE D50."""

_LAB_TO_LINEAR = (  # Bradford-adapted from D50, as in the profile sRGB of the ICC
    (3.1338561, -1.6168667, -0.4906146),
    (-0.9787684, 1.9161415, 0.0334540),
    (0.0719453, -0.2289914, 1.4052427),
)


def read_ase(data: bytes) -> list[Swatch]:
    """Adobe Swatch Exchange, of Photoshop, Illustrator and Adobe Color."""
    if data[4:6] == _ASEPRITE:
        raise ValueError("is a sprite of Aseprite; export its palette as .gpl")
    if data[:4] != b"ASEF":
        raise ValueError('is not an Adobe Swatch Exchange file; it must begin with "ASEF"')
    blocks, at = _unpack(">I", data, 8)[0], 12
    found: list[Swatch] = []
    for _ in range(blocks):
        kind, length = _unpack(">HI", data, at)
        begin, at = at + 6, at + 6 + length
        if kind in _GROUPS:
            continue
        if kind != _COLOR:
            raise ValueError(f"has a block of the unknown kind {kind}")
        letters = _unpack(">H", data, begin)[0]
        name = _utf16(data, begin + 2, letters)
        begin += 2 + 2 * letters
        color: Sequence[float]
        model = data[begin : begin + 4].decode("latin-1").strip()
        if model == "RGB":
            color = _unpack(">3f", data, begin + 4)
        elif model == "Gray":
            color = _unpack(">f", data, begin + 4) * 3
        elif model == "LAB":
            lightness, *rest = _unpack(">3f", data, begin + 4)
            color = _of_lab(lightness * 100, *rest)
        else:
            raise ValueError(f"color {len(found) + 1} is {model}; save it as RGB")
        found.append((_in_range(color, len(found) + 1), name))
    return found


def write_ase(swatches: Sequence[Swatch]) -> bytes:
    """As :func:`read_ase` reads it; float32, with names."""
    blocks = b""
    for color, name in swatches:
        letters = (name + "\0").encode("utf-16-be")
        body = struct.pack(">H", len(letters) // 2) + letters + b"RGB " + struct.pack(">3fH", *color, 2)
        blocks += struct.pack(">HI", _COLOR, len(body)) + body
    return b"ASEF" + struct.pack(">HHI", 1, 0, len(swatches)) + blocks


def read_aco(data: bytes) -> list[Swatch]:
    """Photoshop's color swatches: the part with names (version 2) where there is one."""
    version, count = _unpack(">HH", data, 0)
    if version not in (1, 2):
        raise ValueError("is not a file of Photoshop swatches")
    at = 4
    if version == 1:
        second = 4 + 10 * count
        if data[second : second + 2] == b"\x00\x02":
            version, count = _unpack(">HH", data, second)
            at = second + 4
    found: list[Swatch] = []
    for number in range(1, count + 1):
        space, *values = _unpack(">5H", data, at)
        at, name = at + 10, ""
        if version == 2:
            letters = _unpack(">I", data, at)[0]
            name = _utf16(data, at + 4, letters)
            at += 4 + 2 * letters
        found.append((_in_range(_of_photoshop(space, values, number), number), name))
    return found


def write_aco(swatches: Sequence[Swatch]) -> bytes:
    """As :func:`read_aco` reads it; 16 bits a channel, both versions."""
    first = second = b""
    for color, name in swatches:
        entry = struct.pack(">5H", 0, *(round(value * 65535) for value in color), 0)
        letters = (name + "\0").encode("utf-16-be")
        first += entry
        second += entry + struct.pack(">I", len(letters) // 2) + letters
    return b"".join(struct.pack(">HH", n, len(swatches)) + part for n, part in ((1, first), (2, second)))


def read_act(data: bytes) -> list[Swatch]:
    """Photoshop's color table: 256 colors; how many count is said at the end, or the last are all the same."""
    if len(data) not in (_TABLE, _TABLE + 4):
        raise ValueError("is not a Photoshop color table; it has 768 or 772 bytes")
    colors = [tuple(data[at : at + 3]) for at in range(0, _TABLE, 3)]
    count = _unpack(">H", data, _TABLE)[0] if len(data) > _TABLE else 0
    if 0 < count <= len(colors):
        colors = colors[:count]
    else:
        filler = colors[-1]
        kept = len(colors)
        while kept and colors[kept - 1] == filler:
            kept -= 1
        if kept < len(colors) - 1:
            colors = colors[: max(1, kept)]
    return [(_of_levels(color), "") for color in colors]


def write_act(swatches: Sequence[Swatch]) -> bytes:
    """As :func:`read_act` reads it; 8 bits a channel, without names."""
    table = b"".join(_levels(color) for color, _ in swatches)
    return table.ljust(_TABLE, b"\0") + struct.pack(">HH", len(swatches), 0xFFFF)


def read_riff(data: bytes) -> list[Swatch]:
    """Microsoft's RIFF palette."""
    if data[:4] != b"RIFF" or data[8:12] != b"PAL ":
        raise ValueError("is not a palette")
    at = data.find(b"data", 12)
    if at < 0:
        raise ValueError("is a palette without colors")
    count = _unpack("<H", data, at + 10)[0]
    return [(_of_levels(_unpack("<3B", data, at + 12 + 4 * number)), "") for number in range(count)]


def _of_photoshop(space: int, values: Sequence[int], number: int) -> Sequence[float]:
    if space == 0:
        return [value / 65535 for value in values[:3]]
    if space == 1:
        return colorsys.hsv_to_rgb(*(value / 65535 for value in values[:3]))
    if space == 7:
        lightness, a, b = values[0], *(value - 65536 if value > 32767 else value for value in values[1:3])
        return _of_lab(lightness / 100, a / 100, b / 100)
    if space == 8:
        return [1.0 - values[0] / 10000] * 3
    raise ValueError(f"color {number} is {'CMYK' if space in (2, 9) else 'of a color book'}; save it as RGB")


def _of_lab(lightness: float, a: float, b: float) -> Color:
    """CIE L*a*b* of D50 as sRGB, clipped."""
    middle = (lightness + 16) / 116
    roots = (middle + a / 500, middle, middle - b / 200)
    xyz = [
        white * (root**3 if root > 6 / 29 else 3 * (6 / 29) ** 2 * (root - 4 / 29))
        for white, root in zip(_LAB_WHITE, roots)
    ]
    linear = [sum(factor * value for factor, value in zip(row, xyz)) for row in _LAB_TO_LINEAR]
    return encoded([min(max(value, 0.0), 1.0) for value in linear])


def _in_range(color: Sequence[float], number: int) -> tuple[float, float, float]:
    if not all(-1e-6 <= value <= 1 + 1e-6 for value in color):
        raise ValueError(f"color {number} is outside of 0 to 1")
    red, green, blue = (min(max(float(value), 0.0), 1.0) for value in color)
    return (red, green, blue)


def _of_levels(levels: Sequence[int]) -> tuple[float, float, float]:
    red, green, blue = (level / 255 for level in levels)
    return (red, green, blue)


def _levels(color: Sequence[float]) -> bytes:
    return bytes(int(value * 255 + 0.5) for value in color)


def _unpack(form: str, data: bytes, at: int) -> tuple:  # type: ignore[type-arg]
    try:
        return struct.unpack_from(form, data, at)
    except struct.error:
        raise ValueError("is cut off") from None


def _utf16(data: bytes, at: int, letters: int) -> str:
    text = data[at : at + 2 * letters]
    if len(text) < 2 * letters:
        raise ValueError("is cut off")
    return text.decode("utf-16-be", "replace").split("\0")[0].strip()
