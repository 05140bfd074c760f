"""What the chunks of a PNG say about its color, in the order in which they count: cICP, iCCP, sRGB, gAMA and cHRM."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field
from pathlib import Path

_LARGEST_PROFILE = 1 << 24


@dataclass
class PngTags:
    """The chunks that there are.

    Attributes:
        cicp: primaries, transfer, matrix and range of ITU-T H.273, or None.
        profile: the ICC profile, or None.
        srgb: whether it says that it is sRGB.
        gamma: the exponent that encoded it, as 0.45455, or 0.
        chromaticities: x and y of red, green, blue and white, or None.
        animated: whether further images follow.
        warnings: chunks that make no sense.
    """

    cicp: tuple[int, int, int, int] | None = None
    profile: bytes | None = None
    srgb: bool = False
    gamma: float = 0.0
    chromaticities: tuple[float, ...] | None = None
    animated: bool = False
    warnings: list[str] = field(default_factory=list)


def png_tags(path: Path) -> PngTags:
    """Reads the chunks before the pixels of a PNG, whose end was looked for already."""
    tags = PngTags()
    with path.open("rb") as file:
        file.seek(8)
        while len(head := file.read(8)) == 8:
            length, kind = struct.unpack(">I4s", head)
            if kind in (b"IDAT", b"IEND"):
                break
            if kind not in _READERS or length > _LARGEST_PROFILE:
                file.seek(length + 4, 1)
                continue
            data = file.read(length)
            file.seek(4, 1)
            try:
                _READERS[kind](tags, data)
            except (ValueError, struct.error, zlib.error):
                tags.warnings.append(f"its chunk {kind.decode()} is damaged and was left out")
    return tags


def _cicp(tags: PngTags, data: bytes) -> None:
    primaries, transfer, matrix, full = struct.unpack(">4B", data)
    tags.cicp = (primaries, transfer, matrix, full)


def _iccp(tags: PngTags, data: bytes) -> None:
    _, _, packed = data.partition(b"\0")
    # libpng and others bound it too: a few bytes can stand for gigabytes.
    tags.profile = zlib.decompressobj().decompress(packed[1:], _LARGEST_PROFILE)


def _srgb(tags: PngTags, data: bytes) -> None:
    struct.unpack(">B", data)
    tags.srgb = True


def _gama(tags: PngTags, data: bytes) -> None:
    gamma = struct.unpack(">I", data)[0] / 100_000
    if not 0.05 <= gamma <= 20:
        raise ValueError(gamma)
    tags.gamma = gamma


def _chrm(tags: PngTags, data: bytes) -> None:
    white_x, white_y, *colors = (value / 100_000 for value in struct.unpack(">8I", data))
    tags.chromaticities = (*colors, white_x, white_y)


def _actl(tags: PngTags, data: bytes) -> None:
    frames, _ = struct.unpack(">2I", data)
    tags.animated = frames > 1


_READERS = {b"cICP": _cicp, b"iCCP": _iccp, b"sRGB": _srgb, b"gAMA": _gama, b"cHRM": _chrm, b"acTL": _actl}
