"""The first stage: a palette for a picture, by K-means in what the networks see."""

from __future__ import annotations

import math

import numpy as np

from .color import ColorSpaces, network_image, straight
from .errors import PaletteError
from .image import Image, check_finite
from .palette import Palette, kmeans_palette
from .parameters import MAXIMUM_COLORS

_GRID_PIXELS = 2**18


def image_palette(
    image: Image, colors: int, given: Palette | None = None, seed: int = 0, spaces: ColorSpaces | None = None
) -> Palette:
    """Finds K colours; see :func:`fscs_engine.palette.kmeans_palette`.

    Args:
        image: of which at most 2^18 pixels on a regular grid are looked at. Pixels with an alpha of 0 do not
            count, unless there are no others.
        colors: K, 1 to 16.
        given: colours that stay as they are and come first; the rest is found around them.
        seed: same picture and seed, same palette.
        spaces: to convert the picture; None is the built-in config.

    Raises:
        PaletteError: K out of range, or fewer than the given colours.
        NonFiniteError: NaN or infinity in the picture.
    """
    if not 1 <= colors <= MAXIMUM_COLORS:
        raise PaletteError(f"{colors} colors", cure=f"use 1 to {MAXIMUM_COLORS}")
    step = max(1, math.ceil(math.sqrt(image.height * image.width / _GRID_PIXELS)))
    check_finite(image)
    pixels = np.ascontiguousarray(image.pixels[::step, ::step])
    seen, _ = network_image(straight(pixels), image.color_space, spaces or ColorSpaces())
    flat = seen.reshape(-1, 3)
    if image.has_alpha:
        opaque = (pixels[..., 3] > 0).reshape(-1)
        flat = flat[opaque] if opaque.any() else flat
    return kmeans_palette(flat, colors, given=given, seed=seed)
