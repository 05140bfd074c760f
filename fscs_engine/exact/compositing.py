"""Layers back to a picture, as they are or recoloured (the paper's §5.4, "Natural image editing")."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..color import SRGB, ColorSpaces
from ..errors import UsageError
from ..palette.palette import Palette

_LUMA = (0.213, 0.715, 0.072)


@dataclass(frozen=True)
class NewColor:
    """Adds α × (new - palette colour) to a layer: its shades move along. ``rgb`` is sRGB in [0, 1]."""

    layer: int
    rgb: tuple[float, float, float]


@dataclass(frozen=True)
class TurnHue:
    """Turns the hue of a layer by degrees, luminance kept, in the working space."""

    layer: int
    degrees: float


Edit = NewColor | TurnHue


def recompose(layers: NDArray[np.float32]) -> NDArray[np.float32]:
    """The plain sum, layer 1 first. (K, H, W, 4) premultiplied → (H, W, 4) premultiplied, float32."""
    total = layers[0].copy()
    for layer in layers[1:]:
        total += layer
    return total


def recolor(
    layers: NDArray[np.float32],
    palette: Palette,
    working_space: str,
    edits: Sequence[Edit],
    spaces: ColorSpaces | None = None,
) -> NDArray[np.float32]:
    """Edits layers.

    Args:
        layers: (K, H, W, 4) float32 premultiplied, in ``working_space``; left as they are.
        palette: the K colours the layers were made for.
        working_space: a resolved name.
        edits: applied in order.
        spaces: to take palette colours to the working space; None is the built-in config.

    Returns:
        (K, H, W, 4) float32 premultiplied; :func:`recompose` adds them up. Not clipped.

    Raises:
        UsageError: an edit of a layer that is not there, or degrees that are no number.
        ColorSpaceError: unknown working space.
    """
    spaces = spaces or ColorSpaces()
    edited = layers.copy()
    for edit in edits:
        if not 1 <= edit.layer <= len(layers):
            raise UsageError(f"there is no layer {edit.layer}", cure=f"use 1 to {len(layers)}")
        layer = edited[edit.layer - 1]
        if isinstance(edit, TurnHue):
            if not math.isfinite(edit.degrees):
                raise UsageError(f"hue of layer {edit.layer} is {edit.degrees}", cure="give degrees")
            layer[..., :3] = layer[..., :3] @ hue_matrix(edit.degrees).T
        else:
            old_and_new = np.array([palette.array[edit.layer - 1], edit.rgb], np.float32)
            old, new = spaces.convert(old_and_new, SRGB, working_space)
            layer[..., :3] += layer[..., 3:] * (new - old)
    return edited


def hue_matrix(degrees: float) -> NDArray[np.float32]:
    """The linear hue rotation of the W3C Filter Effects module (``feColorMatrix``, hueRotate): (3, 3).

    Being linear it can be applied to premultiplied and scene-linear colours; greys stay as they are.
    """
    r, g, b = _LUMA
    luma = np.array([[r, g, b]] * 3)
    cosine = np.eye(3) - luma
    sine = np.array([[-r, -g, 1 - b], [0.143, 0.140, -0.283], [-(1 - r), g, b]])
    turn = math.radians(degrees)
    return (luma + math.cos(turn) * cosine + math.sin(turn) * sine).astype(np.float32)
