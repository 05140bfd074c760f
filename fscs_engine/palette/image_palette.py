"""The first stage: a palette for a picture or a shot, found in what the networks see."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from ..color import ColorSpaces, network_image, straight
from ..errors import PaletteError, UsageError
from ..host.parameters import BY_NAME, MAXIMUM_COLORS, PALETTE_FRAMES
from ..image import Image, check_finite
from .palette import Palette, kmeans_palette
from .salient import salient_palette

METHODS = MappingProxyType({"kmeans": kmeans_palette, "salient": salient_palette})
"""The choices of the parameter ``palette_method``, and what finds the colors for each."""

DEFAULT_METHOD = str(BY_NAME["palette_method"].default)

_GRID_PIXELS = 2**18

SHOT_SAMPLES = PALETTE_FRAMES


def asked_colors(colors: int | None, given: Palette | None) -> int:
    """K: as many as are asked for, else as many as are given, else the default."""
    if colors is not None:
        return colors
    return int(BY_NAME["colors"].default) if given is None else len(given)


def image_palette(
    image: Image,
    colors: int,
    given: Palette | None = None,
    seed: int = 0,
    spaces: ColorSpaces | None = None,
    method: str = DEFAULT_METHOD,
) -> Palette:
    """Finds K colors.

    See :func:`fscs_engine.palette.palette.kmeans_palette` and :func:`fscs_engine.palette.salient.salient_palette`.

    Args:
        image: see :func:`shot_palette`, of which this is the case of one frame.
        colors: K, 1 to 16.
        given: colors that stay as they are and come first; the rest is found around them.
        seed: same picture and seed, same palette.
        spaces: to convert the picture; None is the built-in config.
        method: ``kmeans`` or ``salient``.

    Raises:
        UsageError: no such method.
        PaletteError: K out of range, or fewer than the given colors.
        NonFiniteError: NaN or infinity in the picture.
    """
    return shot_palette([image], 1, colors, given, seed, spaces, method)


def shot_samples(frames: Sequence[int]) -> list[int]:
    """The frames that decide a shot's palette: at most :data:`SHOT_SAMPLES`, evenly spread, both ends among them.

    >>> shot_samples(range(1001, 1101))
    [1001, 1013, 1026, 1038, 1051, 1063, 1075, 1088, 1100]
    """
    count = min(SHOT_SAMPLES, len(frames))
    return [frames[int(place)] for place in np.linspace(0, len(frames) - 1, count).round()]


def shot_palette(
    images: Iterable[Image],
    frames: int,
    colors: int,
    given: Palette | None = None,
    seed: int = 0,
    spaces: ColorSpaces | None = None,
    method: str = DEFAULT_METHOD,
) -> Palette:
    """One palette for several pictures; other arguments and errors as for :func:`image_palette`.

    Args:
        images: of which together about 2^18 pixels on regular grids are looked at, one picture held at a time.
            Pixels count by their alpha, unless it is 0 everywhere. They may differ in size.
        frames: how many there are.
    """
    if method not in METHODS:
        raise UsageError(f"there is no palette method {method!r}", cure=f"use {' or '.join(METHODS)}")
    if not 1 <= colors <= MAXIMUM_COLORS:
        raise PaletteError(f"{colors} colors", cure=f"use 1 to {MAXIMUM_COLORS}")
    spaces = spaces or ColorSpaces()
    parts = [_sample(image, _GRID_PIXELS // frames, spaces) for image in images]
    width = max(part.shape[1] for part in parts)
    wide = [np.pad(part, ((0, 0), (0, width - part.shape[1]), (0, 0))) for part in parts]  # with no weight
    seen = np.concatenate(wide)
    weights = seen[..., 3] if (seen[..., 3] != 1).any() else None
    return METHODS[method](np.ascontiguousarray(seen[..., :3]), colors, given=given, seed=seed, weights=weights)


def _sample(image: Image, most: int, spaces: ColorSpaces) -> NDArray[np.float32]:
    """A grid of a picture's pixels as the networks see them, and their weight: (h, w, 4)."""
    step = 1
    while math.ceil(image.height / step) * math.ceil(image.width / step) > most:
        step += 1
    check_finite(image)
    pixels = np.ascontiguousarray(image.pixels[::step, ::step])
    sample = np.ones((*pixels.shape[:2], 4), np.float32)
    sample[..., :3], _ = network_image(straight(pixels), image.color_space, spaces)
    if image.has_alpha:
        sample[..., 3] = np.clip(pixels[..., 3], 0.0, 1.0)
    return sample
