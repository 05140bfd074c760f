"""Palette colors between sRGB, where the engine has them, and the working space, where the node's knobs have them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Optional

SPACES = ("lin_rec709", "acescg", "srgb")

FROM_ACESCG = (
    (1.705050993, -0.621792121, -0.083258872),
    (-0.130256418, 1.140804737, -0.010548319),
    (-0.024003357, -0.128968976, 1.152972333),
)
"""ACEScg to linear Rec.709, the white adapted from that of ACES to D65 (Bradford)."""

TO_ACESCG = (
    (0.613097402, 0.339523146, 0.047379451),
    (0.070193722, 0.916353879, 0.013452398),
    (0.020615593, 0.109569773, 0.869814634),
)


def of_script(management: str, config: str, name: str) -> Optional[str]:
    """The working space that the root of a script is set to, None where it is none of :data:`SPACES`, or not known.

    Args:
        management: "Nuke" or "OCIO".
        config: the OCIO configuration's name, or its path.
        name: that of the working space there.

    >>> of_script("Nuke", "", "linear"), of_script("OCIO", "aces_1.2", "scene_linear")
    ('lin_rec709', 'acescg')
    """
    words = name.lower()
    if "acescg" in words or "ap1" in words:
        return "acescg"
    linear = "lin" in words
    if "srgb" in words and not linear:
        return "srgb"
    if words in ("linear", "scene_linear", "default"):
        if management != "OCIO" or config == "nuke-default":
            return "lin_rec709"
        aces = any(word in config.lower() for word in ("aces", "cg-config", "studio-config"))
        return "acescg" if aces else None
    return "lin_rec709" if linear and ("709" in words or "srgb" in words) else None


def role_of(config: str, role: str) -> str:
    """The color space that an OCIO configuration (the text of its file) has for a role; empty where it has none.

    >>> role_of("roles:\\n  scene_linear: lin_ap1  # for all shows\\n", "scene_linear")
    'lin_ap1'
    """
    found = re.search(rf"^[ \t]+{re.escape(role)}[ \t]*:[ \t]*(.+?)[ \t]*(?:[ \t]#.*)?$", config, re.MULTILINE)
    return found[1].strip("\"'") if found else ""


def from_srgb(color: Sequence[float], space: str) -> list[float]:
    """A color of the palette, sRGB in [0, 1], in the working space.

    >>> from_srgb([1.0, 1.0, 1.0], "lin_rec709")
    [1.0, 1.0, 1.0]
    """
    if space == "srgb":
        return [float(value) for value in color]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in color]
    return _times(TO_ACESCG, linear) if space == "acescg" else linear


def to_srgb(color: Sequence[float], space: str) -> list[float]:
    """A color of the working space in sRGB, cut to [0, 1]."""
    encoded = [float(value) for value in color]
    if space != "srgb":
        linear = _times(FROM_ACESCG, encoded) if space == "acescg" else encoded
        encoded = [12.92 * value if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055 for value in linear]
    return [min(max(value, 0.0), 1.0) for value in encoded]


def _times(matrix: Sequence[Sequence[float]], color: Sequence[float]) -> list[float]:
    return [sum(weight * value for weight, value in zip(row, color)) for row in matrix]
