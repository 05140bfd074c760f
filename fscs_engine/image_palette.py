"""The first stage: a palette for a picture, found in what the networks see."""

from __future__ import annotations

import math
from types import MappingProxyType

import numpy as np

from .color import ColorSpaces, network_image, straight
from .errors import PaletteError, UsageError
from .image import Image, check_finite
from .palette import Palette, kmeans_palette
from .parameters import BY_NAME, MAXIMUM_COLORS
from .salient import salient_palette

METHODS = MappingProxyType({"kmeans": kmeans_palette, "salient": salient_palette})
"""The choices of the parameter ``palette_method``, and what finds the colours for each."""

_GRID_PIXELS = 2**18


def image_palette(
    image: Image,
    colors: int,
    given: Palette | None = None,
    seed: int = 0,
    spaces: ColorSpaces | None = None,
    method: str = str(BY_NAME["palette_method"].default),
) -> Palette:
    """Finds K colours.

    See :func:`fscs_engine.palette.kmeans_palette` and :func:`fscs_engine.salient.salient_palette`.

    Args:
        image: of which at most 2^18 pixels on a regular grid are looked at. Pixels count by their alpha,
            unless it is 0 everywhere.
        colors: K, 1 to 16.
        given: colours that stay as they are and come first; the rest is found around them.
        seed: same picture and seed, same palette.
        spaces: to convert the picture; None is the built-in config.
        method: ``kmeans`` or ``salient``.

    Raises:
        UsageError: no such method.
        PaletteError: K out of range, or fewer than the given colours.
        NonFiniteError: NaN or infinity in the picture.
    """
    if method not in METHODS:
        raise UsageError(f"there is no palette method {method!r}", cure=f"use {' or '.join(METHODS)}")
    if not 1 <= colors <= MAXIMUM_COLORS:
        raise PaletteError(f"{colors} colors", cure=f"use 1 to {MAXIMUM_COLORS}")
    step = 1
    while math.ceil(image.height / step) * math.ceil(image.width / step) > _GRID_PIXELS:
        step += 1
    check_finite(image)
    pixels = np.ascontiguousarray(image.pixels[::step, ::step])
    seen, _ = network_image(straight(pixels), image.color_space, spaces or ColorSpaces())
    weights = np.clip(pixels[..., 3], 0.0, 1.0) if image.has_alpha else None
    return METHODS[method](seen, colors, given=given, seed=seed, weights=weights)
