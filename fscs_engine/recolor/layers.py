"""Layers as material: merged, dropped, split, put in another order, renamed. They add up to the image as before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..color import SRGB, ColorSpaces, straight
from ..errors import UsageError
from ..host.edits import decoded, encoded, oklab
from ..host.parameters import MAXIMUM_COLORS
from ..palette.palette import Palette, PaletteColor
from .material import Material

SOLID = 0.5
"""A pixel belongs to a region of a layer where the layer has at least this part of it."""


def merge(material: Material, numbers: Sequence[int], name: str = "") -> Material:
    """Adds layers up to one, which takes the place of the first of them.

    Its palette color is the mean of theirs by coverage, in light.

    Args:
        material: the layers.
        numbers: at least two, counted from 1.
        name: of the new layer; the first name that one of them has without it.

    Raises:
        UsageError: a layer that is not there, one twice, or less than two.
    """
    chosen = _checked(material, numbers)
    if len(chosen) < 2:
        raise UsageError("a single layer can't be merged", cure="name at least two, as 2,3")
    weights = np.maximum([material.coverage[number - 1] for number in chosen], 1e-12)
    colors = [material.palette.colors[number - 1] for number in chosen]
    mean = np.average([decoded(color.rgb) for color in colors], axis=0, weights=weights)
    red, green, blue = (min(max(c, 0.0), 1.0) for c in encoded(mean.tolist()))
    named = name or next((color.name for color in colors if color.name), "")
    total = material.layers[chosen[0] - 1].copy()
    for number in chosen[1:]:
        total += material.layers[number - 1]
    rest = [number for number in range(1, len(material.palette) + 1) if number not in chosen[1:]]
    layers = np.stack([total if number == chosen[0] else material.layers[number - 1] for number in rest])
    new = [PaletteColor((red, green, blue), named) if n == chosen[0] else material.palette.colors[n - 1] for n in rest]
    return replace(material, layers=layers, palette=Palette(tuple(new)))


def drop(material: Material, coverage: float) -> Material:
    """Adds layers with less coverage to the layer whose palette color is nearest (OKLab), the faintest first.

    Args:
        material: the layers.
        coverage: mean alpha, 0 to 1.

    Raises:
        UsageError: a coverage outside 0 to 1.
    """
    if not 0.0 <= coverage <= 1.0:
        raise UsageError(f"the least coverage is {coverage:g}", cure="use 0 to 1, as 0.01")
    layers = [layer.copy() for layer in material.layers]
    colors, covered = list(material.palette.colors), list(material.coverage)
    while len(layers) > 1 and min(covered) < coverage:
        faint = int(np.argmin(covered))
        labs = np.array([oklab(decoded(color.rgb)) for color in colors])
        distances = np.linalg.norm(labs - labs[faint], axis=1)
        distances[faint] = np.inf
        nearest = int(distances.argmin())
        layers[nearest] += layers[faint]
        covered[nearest] += covered[faint]
        del layers[faint], colors[faint], covered[faint]
    return replace(material, layers=np.stack(layers), palette=Palette(tuple(colors)))


def split(material: Material, number: int, mask: NDArray[np.float32], names: tuple[str, str] | None = None) -> Material:
    """Splits a layer by a mask into two, one after the other in its place; both keep its palette color.

    Args:
        material: the layers.
        number: of the layer, counted from 1.
        mask: (H, W) in [0, 1]: the first takes this part of the layer, the second the rest.
        names: of both; the layer's own with 1 and 2 after it without them.

    Raises:
        UsageError: a layer that is not there, too many layers, or a mask of another size.
    """
    _checked(material, [number])
    if len(material.palette) >= MAXIMUM_COLORS:
        raise UsageError(f"there are {MAXIMUM_COLORS} layers already", cure="merge or drop some first")
    if mask.shape != material.layers.shape[1:3]:
        raise UsageError(
            f"the mask is {mask.shape[1]} x {mask.shape[0]}, the layers are "
            f"{material.image.width} x {material.image.height}",
            cure="give a mask of their size",
        )
    layer, color = material.layers[number - 1], material.palette.colors[number - 1]
    first = layer * np.clip(mask, 0.0, 1.0)[..., None].astype(np.float32)
    both = [first, layer - first]
    before, after = material.layers[: number - 1], material.layers[number:]
    own = color.name or f"layer {number}"
    one, other = names or (f"{own} 1", f"{own} 2")
    colors = [*material.palette.colors[: number - 1], replace(color, name=one), replace(color, name=other)]
    colors += material.palette.colors[number:]
    return replace(material, layers=np.concatenate([before, both, after]), palette=Palette(tuple(colors)))


def region(material: Material, number: int, at: tuple[int, int] | None = None) -> NDArray[np.float32]:
    """A mask of one connected region of a layer, for :func:`split`.

    Regions are where the layer has at least half of a pixel, :data:`SOLID`, and touch at sides or corners. Fainter
    pixels go with the region nearest to them, so soft edges stay whole.

    Args:
        material: the layers.
        number: of the layer, counted from 1.
        at: x and y of a pixel in the region, from the top left; None takes the largest region.

    Returns:
        (H, W) 0 or 1.

    Raises:
        UsageError: the layer is not there, has no region, or none at this pixel.
    """
    from scipy.ndimage import distance_transform_edt, label

    _checked(material, [number])
    alpha = material.layers[number - 1][..., 3]
    whole = material.image.pixels[..., 3] if material.image.has_alpha else np.ones_like(alpha)
    labels, count = label((alpha > 0) & (alpha >= SOLID * whole), structure=np.ones((3, 3)))
    if not count:
        raise UsageError(f"layer {number} holds less than half of every pixel", cure="split it by a mask")
    if at is None:
        chosen = int(np.bincount(labels.ravel())[1:].argmax()) + 1
    else:
        x, y = at
        if not (0 <= x < labels.shape[1] and 0 <= y < labels.shape[0]) or not labels[y, x]:
            raise UsageError(
                f"layer {number} has no region at {x},{y}",
                cure="name a pixel where its alpha is at least half of the image's",
            )
        chosen = int(labels[y, x])
    nearest = distance_transform_edt(labels == 0, return_distances=False, return_indices=True)
    return (labels[tuple(nearest)] == chosen).astype(np.float32)


def reorder(material: Material, order: Sequence[int]) -> Material:
    """Puts layers into another order; those that are not named follow as they were.

    Raises:
        UsageError: a layer that is not there, or one twice.
    """
    first = _checked(material, order)
    whole = [*first, *(number for number in range(1, len(material.palette) + 1) if number not in first)]
    colors = tuple(material.palette.colors[number - 1] for number in whole)
    return replace(material, layers=material.layers[[number - 1 for number in whole]], palette=Palette(colors))


def rename(material: Material, number: int, name: str) -> Material:
    """Gives a layer a name.

    Raises:
        UsageError: a layer that is not there, or a name with signs that can't be seen.
    """
    _checked(material, [number])
    if not name.isprintable():
        raise UsageError(f"{name!r} is not a name", cure="use letters, digits and signs that can be seen")
    colors = list(material.palette.colors)
    colors[number - 1] = replace(colors[number - 1], name=name)
    return replace(material, palette=Palette(tuple(colors)))


def hard(material: Material) -> tuple[Material, float]:
    """Gives each pixel whole to its largest layer, the first of equal ones, for prints and cuts.

    Returns:
        The layers, which add up to the image bit for bit, and the part of the image that changed its layer: the mean
        of ½ Σ|alpha before - after|.
    """
    alphas = material.layers[..., 3]
    largest = alphas.argmax(axis=0)
    image = material.image.pixels
    if not material.image.has_alpha:
        image = np.concatenate([image, np.ones_like(image[..., :1])], axis=-1)
    chosen = (largest == np.arange(len(alphas))[:, None, None])[..., None]
    layers = np.where(chosen, image, np.float32(0))
    moved = 0.5 * float(np.abs(layers[..., 3] - alphas).sum(axis=0, dtype=np.float64).mean())
    return replace(material, layers=layers), moved


def print_error(material: Material, spaces: ColorSpaces) -> float:
    """How far the image is from hard layers printed flat in their palette colors: the root mean square in sRGB."""
    seen = spaces.convert(np.ascontiguousarray(straight(material.image.pixels)), material.image.color_space, SRGB)
    flat = material.palette.array[material.layers[..., 3].argmax(axis=0)]
    return float(np.sqrt(np.square(np.clip(seen, 0, 1) - flat, dtype=np.float64).mean()))


def plates(material: Material) -> NDArray[np.float32]:
    """The alpha of each layer: (K, H, W) in [0, 1]."""
    return np.clip(material.layers[..., 3], 0.0, 1.0)


def _checked(material: Material, numbers: Sequence[int]) -> list[int]:
    """The numbers. Raises UsageError if one is not there or there twice."""
    for number in numbers:
        if not 1 <= number <= len(material.palette):
            raise UsageError(f"there is no layer {number}", cure=f"use 1 to {len(material.palette)}")
    if len(set(numbers)) < len(numbers):
        raise UsageError("a layer is named twice", cure="name each once")
    return list(numbers)
