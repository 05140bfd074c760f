"""What the values of a picture file are: by its profile, its tags, its header; and how they become a known space."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
from numpy.typing import NDArray

from ..color import LIN_REC709, SRGB, ColorSpaces, association, straight
from ..errors import ColorSpaceError, InputError
from .header_tags import radiance_tags, tiff_tags
from .headers import CHROMATICITIES, known_space
from .icc import GRAY, IccProfile, ProfileError
from .png_tags import png_tags
from .primaries import ADOBE_RGB, P3_D65, P3_DCI, REC709, REC2020, alike, to_rec709

Decode = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Straight RGB (H, W, 3) as in a file → linear Rec.709."""

SRGB_CURVE, LINEAR, CINEON = "sRGB", "linear", "Cineon"

PRIMARIES = {1: REC709, 9: REC2020, 11: P3_DCI, 12: P3_D65}
"""By the numbers of ITU-T H.273. Those of old television (5, 6, 7) are near Rec.709 and are taken for it."""

PRIMARIES_NAMES = {1: "Rec.709", 9: "BT.2020", 11: "DCI-P3", 12: "P3-D65"}
UNSAID_PRIMARIES = (0, 2, 3)
TELEVISION_PRIMARIES = (5, 6, 7)
_TRANSFERS: dict[int, str | float] = {
    **dict.fromkeys((1, 2, 6, 7, 13, 14, 15), SRGB_CURVE),  # those of television are taken as sRGB, as in movies
    4: 2.2,
    5: 2.8,
    8: LINEAR,
}
_BRIGHT_TRANSFERS = {16: "PQ", 18: "HLG"}
_USUAL_GAMMA = 0.45455

_FILM = ("logarithmic", "printing density")
_LINEAR_DPX = ("linear", "z (linear)")
_UNSAID_DPX = ("", "undefined", "user defined")

_SRGB_BY_CUSTOM = "the file does not say, and integers are taken as sRGB"
_LINEAR_BY_CUSTOM = "the file does not say, and floats are taken as linear Rec.709"


@dataclass(frozen=True)
class Encoding:
    """What values are.

    Attributes:
        space: the color space that the picture is in after ``decode``.
        words: what the values of the file are, for people.
        reason: why.
        decode: brings them into ``space``; None where they are in it.
        wide: see :class:`fscs_engine.image.Reading`.
        warnings: what of the file was not understood.
    """

    space: str
    words: str
    reason: str
    decode: Decode | None = None
    wide: bool = False
    warnings: tuple[str, ...] = ()


def encoding_of(path: Path, file_format: str, spec: oiio.ImageSpec) -> Encoding:
    """What the values of a picture file are.

    Args:
        path: the file.
        file_format: OpenImageIO's name of its format.
        spec: the header of the part that is read.

    Raises:
        InputError: values that no curve of the file turns into light (PQ, HLG).
    """
    floating = str(spec.format) in ("half", "float", "double")
    if file_format == "openexr":
        return _of_header(spec)
    if file_format in ("dpx", "cineon"):
        return _of_film(file_format, spec)
    levels = 0 if floating else 65535 if str(spec.format) in ("uint16", "uint32") else 255
    warnings: tuple[str, ...] = ()
    found = None
    if file_format == "png":
        tags = png_tags(path)
        warnings = tuple(tags.warnings)
        if tags.cicp is not None:
            found = _of_numbers(path, tags.cicp)
        elif tags.profile is not None:
            found = _of_profile(tags.profile, levels, spec.nchannels)
        elif tags.srgb:
            found = Encoding(SRGB, SRGB, "its chunk sRGB")
        elif tags.gamma or tags.chromaticities:
            found = _of_gamma(tags.gamma, tags.chromaticities)
    else:
        profile = spec.getattribute("ICCProfile")
        numbers = spec.getattribute("CICP")
        if isinstance(numbers, tuple) and len(numbers) == 4 and numbers[1] in _BRIGHT_TRANSFERS:
            found = _of_numbers(path, numbers)
        elif profile is not None:
            found = _of_profile(np.asarray(profile, np.uint8).tobytes(), levels, spec.nchannels)
        elif file_format == "hdr":
            found = _of_radiance(path)
        elif file_format == "tiff":
            found = _of_tiff_tags(path, SRGB_CURVE if levels else LINEAR)
        elif not floating and _is_adobe_rgb(path, file_format, spec):
            space, decode = coded(2.2, ADOBE_RGB)
            found = Encoding(space, "Adobe RGB", "its Exif tags", decode)
    if found is None and floating:
        space_ = known_space(spec.get_string_attribute("oiio:ColorSpace"))
        custom = Encoding(LIN_REC709, LIN_REC709, _LINEAR_BY_CUSTOM)
        found = Encoding(space_, space_, "its ColorSpace") if space_ else custom
    found = found or Encoding(SRGB, SRGB, _SRGB_BY_CUSTOM)
    wide = not floating and found.decode is not None
    return replace(found, wide=wide, warnings=(*warnings, *found.warnings))


def coded(transfer: str | float, chromaticities: Sequence[float]) -> tuple[str, Decode | None]:
    """The space for a curve and primaries, and what brings values into it: nothing, or a conversion.

    Args:
        transfer: ``SRGB_CURVE``, ``LINEAR``, ``CINEON`` or an exponent that decodes.
        chromaticities: x and y of red, green, blue and white.

    Raises:
        ValueError: chromaticities that no colors have.
    """
    rec709 = alike(chromaticities, REC709)
    if rec709 and transfer == SRGB_CURVE:
        return SRGB, None
    if rec709 and transfer == LINEAR:
        return LIN_REC709, None
    matrix = None if rec709 else to_rec709(chromaticities).astype(np.float32)

    def decode(values: NDArray[np.float32]) -> NDArray[np.float32]:
        light = _light(values, transfer)
        return light if matrix is None else np.ascontiguousarray(light @ matrix.T)

    return LIN_REC709, decode


def decoded(pixels: NDArray[np.float32], decode: Decode, *, associate: bool) -> NDArray[np.float32]:
    """(H, W, 3 or 4) of a file, decoded and premultiplied. May change ``pixels``.

    Args:
        pixels: coded; straight if ``associate``, else premultiplied.
        decode: of :class:`Encoding`.
        associate: whether alpha is still to be multiplied in.
    """
    if associate or pixels.shape[2] == 3:
        colors = decode(np.ascontiguousarray(pixels[..., :3]))
        if pixels.shape[2] == 3:
            return colors
        pixels[..., :3] = colors * pixels[..., 3:]
    else:
        factor = association(pixels)[..., None]
        pixels[..., :3] = decode(np.ascontiguousarray(straight(pixels))) * factor
    return pixels


def _light(values: NDArray[np.float32], transfer: str | float) -> NDArray[np.float32]:
    """Light of coded values; an array of its own but for linear ones."""
    if transfer == LINEAR:
        return values
    if transfer == SRGB_CURVE:
        return config().convert(values, SRGB, LIN_REC709)
    if transfer == CINEON:
        # Kodak: code 685 of 1023 is white, 95 black, 0.002 of density a code, a negative's gamma of 0.6.
        black = np.float32(10 ** ((95 - 685) * 0.002 / 0.6))
        film = np.power(np.float32(10), (values * np.float32(1023) - np.float32(685)) * np.float32(0.002 / 0.6))
        scaled: NDArray[np.float32] = (film - black) / (1 - black)
        return scaled
    powers: NDArray[np.float32] = np.copysign(np.power(np.abs(values), np.float32(transfer)), values)
    return powers


@lru_cache(maxsize=1)
def config() -> ColorSpaces:
    """The built-in color spaces."""
    return ColorSpaces()


def _of_header(spec: oiio.ImageSpec) -> Encoding:
    """Of an EXR: by names, by the flag of ACES, by chromaticities."""
    warnings: list[str] = []
    for attribute in ("colorInteropID", "oiio:ColorSpace"):
        name = spec.get_string_attribute(attribute)
        space = known_space(name) or _config_space(name)
        if space:
            reason = f"its {attribute.removeprefix('oiio:')}"
            return Encoding(space, space, reason, warnings=tuple(warnings))
        if name.strip().lower() not in ("", "unknown") and not any(repr(name) in line for line in warnings):
            warnings.append(f"its {attribute.removeprefix('oiio:')} {name!r} is not known and was left out")
    if spec.get_int_attribute("acesImageContainerFlag"):
        return Encoding("ACES2065-1", "ACES2065-1", "it is an ACES container", warnings=tuple(warnings))
    found = spec.getattribute("chromaticities")
    if isinstance(found, tuple) and len(found) == 8:
        for space, values in CHROMATICITIES.items():
            if space != SRGB and alike(found, values):
                return Encoding(space, space, "its chromaticities", warnings=tuple(warnings))
        try:
            space, decode = coded(LINEAR, found)
            words = "linear RGB of the primaries " + " ".join(f"{value:.4g}" for value in found)
            return Encoding(space, words, "its chromaticities", decode, warnings=tuple(warnings))
        except ValueError:
            warnings.append("its chromaticities are no colors and were left out")
    return Encoding(LIN_REC709, LIN_REC709, _LINEAR_BY_CUSTOM, warnings=tuple(warnings))


def _config_space(name: str) -> str | None:
    """A name that OpenColorIO's built-in configs have; None for what they lack, and for data."""
    if not name.strip():
        return None
    try:
        canonical = config().check(name.strip())
    except ColorSpaceError:
        return None
    return None if config().is_data(canonical) else canonical


def _of_profile(data: bytes, levels: int, channels: int) -> Encoding:
    try:
        profile = IccProfile(data)
        if profile.kind == GRAY and channels > 2:
            raise ProfileError("it is of gray, and the file is not")
    except ProfileError as error:
        space = SRGB if levels else LIN_REC709
        return Encoding(
            space, space, "its ICC profile can't be used", warnings=(f"its ICC profile can't be used: {error}",)
        )
    words = f"ICC profile '{profile.name}'"
    if levels and profile.is_srgb:
        return Encoding(SRGB, f"{SRGB} ({words})", "its ICC profile")
    return Encoding(LIN_REC709, words, "its ICC profile", lambda rgb: profile.to_linear(rgb, levels))


def _of_numbers(path: Path, numbers: Sequence[int]) -> Encoding:
    """Of the four numbers of ITU-T H.273: primaries, transfer, matrix, range."""
    primaries, transfer, matrix, full = (int(number) for number in numbers)
    if transfer in _BRIGHT_TRANSFERS:
        raise InputError(
            f"{path}: is high dynamic range ({_BRIGHT_TRANSFERS[transfer]}), which is not read",
            cure="convert it to EXR, or say what it is with --input-space",
        )
    warnings = []
    if matrix != 0 or not full:
        warnings.append("its cICP says that it is YUV or of limited range, and it was taken as RGB of full range")
    curve = _TRANSFERS.get(transfer)
    if curve is None:
        warnings.append(f"its transfer curve, {transfer} of ITU-T H.273, is not known and was taken as sRGB")
        curve = SRGB_CURVE
    colors = PRIMARIES.get(primaries)
    if colors is None:
        if primaries not in (*UNSAID_PRIMARIES, *TELEVISION_PRIMARIES):
            warnings.append(f"its primaries, {primaries} of ITU-T H.273, are not known and were taken as Rec.709")
        colors, primaries = REC709, 1
    space, decode = coded(curve, colors)
    name = f"gamma {curve}" if isinstance(curve, float) else curve
    return Encoding(
        space,
        space if decode is None else f"{PRIMARIES_NAMES[primaries]}, {name}",
        "its cICP",
        decode,
        warnings=tuple(warnings),
    )


def _of_gamma(gamma: float, chromaticities: Sequence[float] | None) -> Encoding:
    """Of the chunks gAMA and cHRM of a PNG."""
    chunks = " and ".join(["its chunk gAMA"] * bool(gamma) + ["its chunk cHRM"] * (chromaticities is not None))
    # 1/2.2 is what writers put for sRGB.
    usual = not gamma or abs(gamma - _USUAL_GAMMA) < 0.005
    curve: str | float = SRGB_CURVE if usual else LINEAR if abs(gamma - 1) < 0.005 else 1 / gamma
    colors = chromaticities or REC709
    warnings: tuple[str, ...] = ()
    try:
        space, decode = coded(curve, colors)
    except ValueError:
        warnings = ("its chunk cHRM holds no colors and was left out",)
        colors = REC709
        space, decode = coded(curve, colors)
    if decode is None:
        return Encoding(space, space, chunks, warnings=warnings)
    name = curve if isinstance(curve, str) else f"gamma {curve:.3g}"
    primaries = "" if alike(colors, REC709) else ", primaries " + " ".join(f"{value:.4g}" for value in colors)
    return Encoding(space, name + primaries, chunks, decode, warnings=warnings)


def _of_radiance(path: Path) -> Encoding:
    """Of the text at the start of a Radiance HDR."""
    primaries, left_out = radiance_tags(path)
    warnings = tuple(f"its {text} was left out" for text in left_out)
    plain = Encoding(LIN_REC709, LIN_REC709, "files of this kind are", warnings=warnings)
    return _of_primaries(primaries, LINEAR, "its PRIMARIES", plain)


def _of_tiff_tags(path: Path, curve: str) -> Encoding | None:
    """Of the tags of a TIFF without a profile; None where it has none."""
    primaries, left_out = tiff_tags(path)
    if not (primaries or left_out):
        return None
    space, reason = (LIN_REC709, _LINEAR_BY_CUSTOM) if curve == LINEAR else (SRGB, _SRGB_BY_CUSTOM)
    warnings = tuple(f"its tag {name} was left out" for name in left_out)
    plain = Encoding(space, space, reason, warnings=warnings)
    return _of_primaries(primaries, curve, "its tags WhitePoint and PrimaryChromaticities", plain)


def _of_primaries(primaries: Sequence[float], curve: str, reason: str, plain: Encoding) -> Encoding:
    """``plain`` where there are no primaries, or none that are colors."""
    if not primaries:
        return plain
    try:
        space, decode = coded(curve, primaries)
    except ValueError:
        return replace(plain, warnings=(*plain.warnings, f"{reason} are no colors and were left out"))
    words = space if decode is None else f"{curve}, primaries " + " ".join(f"{value:.4g}" for value in primaries)
    return Encoding(space, words, reason, decode, warnings=plain.warnings)


def _of_film(file_format: str, spec: oiio.ImageSpec) -> Encoding:
    """Of DPX and Cineon files."""
    if file_format == "cineon":
        space, decode = coded(CINEON, REC709)
        return Encoding(space, "Cineon log", "files of this kind are", decode)
    transfer = spec.get_string_attribute("dpx:Transfer")
    said = transfer.strip().lower()
    if said in _FILM:
        space, decode = coded(CINEON, REC709)
        return Encoding(space, "Cineon log", f"its DPX transfer {transfer!r}", decode)
    if said in _LINEAR_DPX:
        return Encoding(LIN_REC709, LIN_REC709, f"its DPX transfer {transfer!r}")
    if said in _UNSAID_DPX:
        return Encoding(SRGB, SRGB, "its DPX header does not say, and integers are taken as sRGB")
    return Encoding(SRGB, SRGB, f"its DPX transfer {transfer!r}, which is taken as sRGB as in movies")


def _is_adobe_rgb(path: Path, file_format: str, spec: oiio.ImageSpec) -> bool:
    """Whether a camera's JPEG says by the rules of DCF that it is Adobe RGB."""
    if file_format != "jpeg" or spec.get_int_attribute("Exif:ColorSpace", 1) == 1:
        return False
    from PIL import Image as Pillow

    try:
        with Pillow.open(path) as opened:
            interoperability = opened.getexif().get_ifd(0xA005)
    except (OSError, ValueError, SyntaxError):
        return False
    return str(interoperability.get(1, "")).startswith("R03")
