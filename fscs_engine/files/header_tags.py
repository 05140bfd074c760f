"""What OpenImageIO does not hand on of the headers of TIFF and Radiance HDR files."""

from __future__ import annotations

import re
from pathlib import Path

_WHITE_POINT, _PRIMARIES, _TRANSFER = 318, 319, 301
_LONGEST_HEADER = 1 << 16
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_RADIANCE = re.compile(rb"^(PRIMARIES|GAMMA|COLORCORR)\s*=\s*(.*)$", re.MULTILINE)


def radiance_tags(path: Path) -> tuple[tuple[float, ...], list[str]]:
    """x and y of the primaries and white of a Radiance HDR, () where it says none; and what else it says of color.

    The exposure is none of it: it says how bright the picture was meant to be shown.
    """
    with path.open("rb") as file:
        header = file.read(_LONGEST_HEADER).partition(b"\n\n")[0]
    primaries: tuple[float, ...] = ()
    left_out = []
    for name, text in _RADIANCE.findall(header):
        numbers = tuple(float(number) for number in re.findall(_NUMBER, text.decode("latin-1")))
        if name == b"PRIMARIES" and len(numbers) == 8:
            primaries = numbers
        elif not (name in (b"GAMMA", b"COLORCORR") and numbers and all(number == 1 for number in numbers)):
            left_out.append(f"{name.decode()}={text.decode('latin-1').strip()[:80]}")
    return primaries, left_out


def tiff_tags(path: Path) -> tuple[tuple[float, ...], list[str]]:
    """The same of a TIFF; what stands there may also be an unreadable tag, which is left out."""
    from PIL import Image as Pillow

    try:
        with Pillow.open(path) as opened:
            tags = getattr(opened, "tag_v2", {})
            white, primaries, transfer = (tags.get(tag) for tag in (_WHITE_POINT, _PRIMARIES, _TRANSFER))
            found = tuple(float(value) for value in (*(primaries or ()), *(white or ())))
    except Exception:  # noqa: BLE001  # Pillow knows fewer kinds of TIFF, and its errors are many
        return (), []
    left_out = ["TransferFunction"] * (transfer is not None)
    if found and len(found) != 8:
        left_out.append("PrimaryChromaticities" if primaries else "WhitePoint")
    return found if len(found) == 8 else (), left_out
