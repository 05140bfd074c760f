"""What a file's header says about color, and which of its attributes an output keeps."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from numbers import Integral, Real
from typing import Any

import OpenImageIO as oiio

CHROMATICITIES: dict[str, tuple[float, ...]] = {
    "srgb": (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290),
    "lin_rec709": (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290),
    "acescg": (0.713, 0.293, 0.165, 0.830, 0.128, 0.044, 0.32168, 0.33767),
    "ACES2065-1": (0.7347, 0.2653, 0.0, 1.0, 0.0001, -0.0770, 0.32168, 0.33767),
    "Linear Rec.2020": (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, 0.3127, 0.3290),
    "Linear P3-D65": (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.3127, 0.3290),
}
"""x and y of red, green, blue and white, as the EXR attribute of that name has them."""

INTEROP_IDS = {
    "srgb": "srgb_rec709_scene",
    "lin_rec709": "lin_rec709_scene",
    "acescg": "lin_ap1_scene",
    "ACES2065-1": "lin_ap0_scene",
    "Linear Rec.2020": "lin_rec2020_scene",
    "Linear P3-D65": "lin_p3d65_scene",
}
"""The names of the ASWF Color Interop Forum, which EXR files carry as ``colorInteropID``."""

_ALIASES = {
    **{name.lower(): name for name in CHROMATICITIES},
    **{name: space for space, name in INTEROP_IDS.items()},
    "linear": "lin_rec709",
    "scene_linear": "lin_rec709",
    "linear rec.709 (srgb)": "lin_rec709",
    "lin_srgb": "lin_rec709",
    "lin_ap1": "acescg",
    "lin_ap0": "ACES2065-1",
    "lin_rec2020": "Linear Rec.2020",
    "lin_p3d65": "Linear P3-D65",
    "srgb_rec709_display": "srgb",
    "srgb encoded rec.709 (srgb)": "srgb",
}

# Unlike an EXR's header, that of a photograph is mostly about the file and its owner: name what is kept.
_KEPT_OF_PHOTOGRAPHS = re.compile(
    r"PixelAspectRatio|FramesPerSecond|smpte:(TimeCode|KeyCode)|Make|Model|ExposureTime|FNumber|"
    r"Exif:(FocalLength|ISOSpeedRatings|PhotographicSensitivity|LensMake|LensModel|ApertureValue|ShutterSpeedValue)"
)

# An EXR's header is about the picture. Dropped are: what the writer sets itself or what no longer holds for the
# layers, and whatever tells when, where and by whom something was made, so that equal work gives equal bytes.
_DROPPED_OF_EXR = re.compile(
    r"oiio:|openexr:|exr:|softcolor:|cryptomatte/|textureformat|wrapmodes|fovcot|compression|name$|type$|view$|"
    r"multiView|version$|chunkCount|lineOrder|tile|colorInteropID|acesImageContainerFlag|"
    r"DateTime|Date$|Time$|RenderTime|Software|HostComputer|HostName|Artist|File$|"
    r"worldtoNDC$|.*(filename|filepath|file_path|hostname|username|user_name|ctime|mtime|node_hash)",
    re.IGNORECASE,
)


def known_space(name: str) -> str | None:
    """The engine's name of a color space that files can be marked with, or None: "ACEScg" → "acescg"."""
    return _ALIASES.get(name.strip().lower())


def space_of_header(spec: oiio.ImageSpec) -> str | None:
    """The linear or sRGB space that a float file says it is in, or None where it says nothing that is known."""
    for attribute in ("colorInteropID", "oiio:ColorSpace"):
        space = known_space(spec.get_string_attribute(attribute))
        if space:
            return space
    if spec.get_int_attribute("acesImageContainerFlag"):
        return "ACES2065-1"
    found = spec.getattribute("chromaticities")
    if isinstance(found, tuple) and len(found) == 8:
        for space, values in CHROMATICITIES.items():
            if space != "srgb" and all(abs(a - b) <= 1.5e-3 for a, b in zip(found, values, strict=True)):
                return space
    return None


def kept_attributes(spec: oiio.ImageSpec, file_format: str) -> dict[str, object]:
    """The attributes of a header that an output keeps.

    Args:
        spec: the header.
        file_format: OpenImageIO's name of the format.

    Returns:
        OpenImageIO's names, with numbers, strings, tuples of them, and Fraction for rates. What could not be written
        again with its own type is left out.
    """
    kept: dict[str, object] = {}
    for attribute in spec.extra_attribs:
        name = _text(str(attribute.name))
        if file_format == "openexr":
            if _DROPPED_OF_EXR.match(name):
                continue
        elif not _KEPT_OF_PHOTOGRAPHS.fullmatch(name):
            continue
        value: Any = attribute.value
        if isinstance(value, str):
            value = _text(value)
        elif isinstance(value, tuple):
            value = tuple(_text(each) if isinstance(each, str) else each for each in value)
        if attribute.type == oiio.TypeRational:
            if value[1] == 0:
                continue
            value = Fraction(int(value[0]), int(value[1]))
        if _type_of(name, value) == attribute.type:
            kept[name] = value
    return kept


def _text(text: str) -> str:
    """A text of a header in which OpenImageIO keeps what is not UTF-8 as lone surrogates: it is taken for Latin-1."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogateescape").decode("latin-1")
    return text


def set_header(spec: oiio.ImageSpec, attributes: Mapping[str, object], color_space: str) -> None:
    """Writes kept attributes and the marks of a color space into ``spec``, of an EXR file.

    A space that has no marks keeps the chromaticities among ``attributes``, if any.
    """
    for name, value in attributes.items():
        if name == "FramesPerSecond":
            # OpenImageIO's name in other formats; EXR has it in lower case and as a rational.
            name = "framesPerSecond"
            value = _frame_rate(value) if isinstance(value, float) else value
        kind = _type_of(name, value)
        if kind is None or _DROPPED_OF_EXR.match(name):
            continue
        if isinstance(value, Fraction):
            value = (value.numerator, value.denominator)
        spec.attribute(name, kind, value)
    space = known_space(color_space)
    if space:
        spec.attribute("chromaticities", oiio.TypeDesc("float[8]"), CHROMATICITIES[space])
        spec.attribute("colorInteropID", INTEROP_IDS[space])
    # Empty means: none. Without it OpenImageIO writes the time of day.
    spec.attribute("DateTime", "")


def _frame_rate(value: float) -> Fraction:
    """A frame rate as the fraction that is meant: 23.976 → 24000/1001, 25.0 → 25."""
    meant = Fraction(round(value) * 1000, 1001)
    return meant if abs(value - meant) < 2e-3 else Fraction(value).limit_denominator(1001)


def _type_of(name: str, value: object) -> oiio.TypeDesc | None:
    """OpenImageIO's type for a value, as an EXR header has it; None where there is none."""
    if name == "smpte:TimeCode":
        return oiio.TypeTimeCode
    if name == "smpte:KeyCode":
        return oiio.TypeKeyCode
    if isinstance(value, Fraction):
        return oiio.TypeRational
    if isinstance(value, str):
        return oiio.TypeString
    if isinstance(value, Integral):
        return oiio.TypeInt
    if isinstance(value, Real):
        return oiio.TypeFloat
    if not isinstance(value, tuple) or not value:
        return None
    count = len(value)
    if all(isinstance(v, str) for v in value):
        return oiio.TypeDesc(f"string[{count}]")
    if all(isinstance(v, Integral) for v in value):
        whole = {2: oiio.TypeVector2i, 3: oiio.TypeVector3i, 4: oiio.TypeBox2i}
        return whole.get(count) or oiio.TypeDesc(f"int[{count}]")
    if all(isinstance(v, Real) for v in value):
        real = {
            2: oiio.TypeFloat2,
            3: oiio.TypeVector,
            4: oiio.TypeBox2,
            9: oiio.TypeMatrix33,
            16: oiio.TypeMatrix44,
        }
        return real.get(count) or oiio.TypeDesc(f"float[{count}]")
    return None
