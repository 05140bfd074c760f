"""Training pictures whose alphas are known: soft masks of many kinds over textured layers of one color each.

All random numbers come from the generator that is given.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter, uniform_filter, uniform_filter1d

from ..networks.palette_network import off_lines

Plane = NDArray[np.float32]

_LEAST_APART = 0.15  # between two palette colors of a composite
_OFF_LINES = 0.12  # of half the palettes: distance of a color from the lines between the others
_SOLID = 0.65  # of the sharp composites, as most things are
_WIDE = 0.5  # of the composites have transitions of any width, evenly over its logarithm
_WIDEST = (0.5, 60.0)  # sigma in pixels
_RAMPS = 0.2  # of the masks of these are linear ramps or halos across the picture


def composite(
    textures: Sequence[NDArray[np.float32]], colors: int, decoys: int, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """One picture of ``colors`` layers, whose palette has ``decoys`` more colors that are nowhere in it.

    Args:
        textures: (S, S, 3) photographs in [0, 1], any number of them; layers and masks are made of them.
        colors: layers, at least 1.
        decoys: palette colors without a layer.
        rng: decides everything.

    Returns:
        Picture (3, S, S) sRGB in [0, 1], palette (colors + decoys, 3), alphas (colors + decoys, S, S) adding to 1.
        The palette is in random order.
    """
    side = textures[0].shape[0]
    palette = _apart_colors(colors + decoys, rng, off_lines=_OFF_LINES if rng.random() < 0.5 else 0.0)
    alphas = np.zeros((colors + decoys, side, side), np.float32)
    alphas[0] = 1.0
    solid, wide = bool(rng.random() < _SOLID), bool(rng.random() < _WIDE)
    sigma = float(np.exp(rng.uniform(*np.log(_WIDEST))))  # of a wide picture: things lie at one depth, or nearly
    for number in range(1, colors):
        photo = textures[int(rng.integers(len(textures)))]
        mask = _wide_mask(side, photo, sigma, rng) if wide else _mask(side, photo, solid, rng)
        alphas *= 1.0 - mask
        alphas[number] += mask
    picture = np.zeros((side, side, 3), np.float32)
    for number in range(colors):
        layer = palette[number] + _texture(textures[int(rng.integers(len(textures)))], rng)
        picture += alphas[number][..., None] * np.clip(layer, 0.0, 1.0)
    if rng.random() < 0.5:
        picture += rng.normal(0.0, rng.uniform(0.0, 0.012), picture.shape).astype(np.float32)
    picture = np.round(np.clip(picture, 0.0, 1.0) * 255) / np.float32(255)
    order = rng.permutation(colors + decoys)
    palette = np.clip(palette + rng.normal(0.0, 0.012, palette.shape), 0.0, 1.0).astype(np.float32)
    return picture.transpose(2, 0, 1).copy(), palette[order], alphas[order]


def _apart_colors(count: int, rng: np.random.Generator, off_lines: float) -> NDArray[np.float32]:
    """Random colors (count, 3), some grayish, at some distance from each other and from the lines between two.

    Without a distance from the lines some are between two others, which is what a soft edge of those two passes
    through: only its place tells which it is.
    """
    found: list[NDArray[np.float32]] = []
    ease = 1.0  # many colors can't be far from each other
    while len(found) < count:
        if not off_lines and len(found) > 1 and rng.random() < 0.12:
            first, second = rng.choice(len(found), 2, replace=False)
            mix = rng.uniform(0.3, 0.7)
            color = found[first] * mix + found[second] * (1.0 - mix) + rng.normal(0.0, 0.02, 3)
            color = np.clip(color, 0.0, 1.0).astype(np.float32)
        else:
            color = rng.random(3)
            color = (color.mean() + (color - color.mean()) * rng.uniform(0.1, 1.0)).astype(np.float32)
        colors = np.stack([*found, color])
        if _least_apart(colors) > ease * _LEAST_APART and (not off_lines or _least_off_line(colors) > ease * off_lines):
            found.append(color)
        else:
            ease *= 0.98
    return np.stack(found)


def _least_apart(colors: NDArray[np.float32]) -> float:
    """Smallest distance between the last color and another; colors (count, 3)."""
    return float(np.linalg.norm(colors[:-1] - colors[-1], axis=1).min(initial=np.inf))


def _least_off_line(colors: NDArray[np.float32]) -> float:
    """Smallest distance between a color and the line between two others; colors (count, 3)."""
    return float(off_lines(torch.from_numpy(colors)[None]).min())


def _texture(photo: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """A photograph's variation around its mean, weaker; sometimes none, or only its lightness."""
    kind = rng.random()
    if kind < 0.2:
        return np.zeros((1, 1, 3), np.float32)
    texture = _oriented(photo, rng)
    texture = texture - texture.mean(axis=(0, 1))
    if kind < 0.6:
        texture = texture.mean(axis=2, keepdims=True).repeat(3, axis=2)
    strength = float(np.exp(rng.uniform(np.log(0.01), np.log(0.09))))
    return (texture * (strength / max(1e-3, float(texture.std())))).astype(np.float32)


def _oriented(square: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """A square in one of its eight orientations, so that layers of one photograph differ, without a seam."""
    turned = np.rot90(square, int(rng.integers(4)))
    return turned[::-1] if rng.random() < 0.5 else turned


def _mask(side: int, photo: NDArray[np.float32], solid: bool, rng: np.random.Generator) -> Plane:
    """A soft mask (S, S) in [0, 1]; a solid one is mostly large, and soft at its edge alone."""
    kinds = (_clouds, _shapes, _lines, _tones)
    shares = (0.38, 0.38, 0.18, 0.06) if solid else (0.27, 0.25, 0.28, 0.2)
    mask = kinds[int(rng.choice(len(kinds), p=shares))](side, photo, solid, rng)
    blur = rng.random()
    if blur < 0.3:  # defocus
        radius = int(np.exp(rng.uniform(np.log(1.0), np.log(5.0 if solid else 14.0))))
        for _ in range(2):
            mask = uniform_filter(mask, 2 * radius + 1, mode="nearest")
    elif blur < 0.45:  # motion
        mask = uniform_filter1d(
            mask, int(rng.integers(3, 16 if solid else 40)), axis=int(rng.integers(2)), mode="nearest"
        )
    if not solid and rng.random() < 0.3:
        mask = mask * np.float32(rng.uniform(0.3, 0.95))
    return np.clip(mask, 0.0, 1.0).astype(np.float32)


def _wide_mask(side: int, photo: NDArray[np.float32], sigma: float, rng: np.random.Generator) -> Plane:
    """A mask (S, S) in [0, 1] whose edges are as wide as a Gaussian of about ``sigma`` pixels: bokeh, glow, dusk."""
    if sigma > 4 and rng.random() < _RAMPS:
        return _gradient(side, sigma, rng)
    kinds = (_clouds, _shapes, _lines, _tones)
    shares = (0.3, 0.55, 0.05, 0.1) if sigma > 6 else (0.3, 0.4, 0.15, 0.15)
    mask = kinds[int(rng.choice(len(kinds), p=shares))](side, photo, True, rng)
    own = float(np.clip(sigma * np.exp(rng.normal(0.0, 0.4)), *_WIDEST))
    if rng.random() < 0.2:  # out of focus: a disc, near enough
        for _ in range(2):
            mask = uniform_filter(mask, 2 * round(own) + 1, mode="nearest")
    elif own > 6:  # the same from a picture of a third, ten times as fast
        small = mask[: side // 3 * 3, : side // 3 * 3].reshape(side // 3, 3, side // 3, 3).mean(axis=(1, 3))
        small = gaussian_filter(small, own / 3, mode="nearest")
        mask = np.asarray(Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC))
    else:
        mask = gaussian_filter(mask, own, mode="nearest")
    if rng.random() < 0.15:
        mask = mask * np.float32(rng.uniform(0.3, 0.95))
    return np.clip(mask, 0.0, 1.0).astype(np.float32)


def _gradient(side: int, sigma: float, rng: np.random.Generator) -> Plane:
    """A linear ramp, or a halo around a point, across the picture: a sky, a lit wall, a lamp."""
    y, x = np.mgrid[:side, :side].astype(np.float32)
    width = float(np.clip(4.0 * sigma, 16.0, 2.5 * side))
    if rng.random() < 0.7:
        angle = rng.uniform(0.0, 2.0 * np.pi)
        along = (x - side / 2) * np.cos(angle) + (y - side / 2) * np.sin(angle)
        return np.clip((along - rng.uniform(-0.5, 0.5) * side) / width + 0.5, 0.0, 1.0).astype(np.float32)
    middle = rng.uniform(0.0, side, 2)
    away = np.hypot(x - middle[0], (y - middle[1]) * rng.uniform(0.5, 2.0))
    return np.exp(-((away / width) ** 2)).astype(np.float32)


def _clouds(side: int, _photo: NDArray[np.float32], solid: bool, rng: np.random.Generator) -> Plane:
    """Noise of one scale, cut at a level by a ramp from hard to wide."""
    cells = int(rng.integers(2, 7 if solid else 24))
    noise = Image.fromarray(rng.random((cells, cells), np.float32))
    height = np.asarray(noise.resize((side, side), Image.Resampling.BICUBIC))
    return _ramp(height, float(np.quantile(height, rng.uniform(0.3, 0.85))), solid, rng)


def _shapes(side: int, _photo: NDArray[np.float32], _solid: bool, rng: np.random.Generator) -> Plane:
    """Ellipses and polygons, drawn at twice the size for smooth edges."""
    canvas = Image.new("L", (2 * side, 2 * side))
    draw = ImageDraw.Draw(canvas)
    for _ in range(int(rng.integers(1, 5))):
        center, size = rng.uniform(0, 2 * side, 2), rng.uniform(0.05, 0.7, 2) * side
        if rng.random() < 0.5:
            draw.ellipse((*(center - size), *(center + size)), fill=255)
        else:
            turns = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 8))))
            corners = center + np.stack((np.cos(turns), np.sin(turns)), axis=1) * size
            draw.polygon([(float(x), float(y)) for x, y in corners], fill=255)
    return _half_size(canvas)


def _lines(side: int, _photo: NDArray[np.float32], _solid: bool, rng: np.random.Generator) -> Plane:
    """Thin curves: hair, cables, twigs."""
    canvas = Image.new("L", (2 * side, 2 * side))
    draw = ImageDraw.Draw(canvas)
    for _ in range(int(rng.integers(3, 30))):
        steps = np.cumsum(rng.normal(0, 0.25, 12)) + rng.uniform(0, 2 * np.pi)
        length = rng.uniform(0.02, 0.15) * 2 * side
        walk = np.cumsum(np.stack((np.cos(steps), np.sin(steps)), axis=1) * length, axis=0)
        points = [(float(x), float(y)) for x, y in walk + rng.uniform(0, 2 * side, 2)]
        draw.line(points, fill=255, width=int(rng.integers(1, 9)), joint="curve")
    return _half_size(canvas)


def _tones(_side: int, photo: NDArray[np.float32], solid: bool, rng: np.random.Generator) -> Plane:
    """A photograph's light and dark as a mask: foliage, fur, smoke."""
    height = _oriented(photo.mean(axis=2), rng)
    return _ramp(height, float(np.quantile(height, rng.uniform(0.3, 0.85))), solid, rng)


def _ramp(height: Plane, level: float, solid: bool, rng: np.random.Generator) -> Plane:
    width = float(np.exp(rng.uniform(np.log(0.02), np.log(0.1 if solid else 1.0)))) * max(1e-3, float(height.std()) * 2)
    return np.clip((height - level) / width + 0.5, 0.0, 1.0).astype(np.float32)


def _half_size(canvas: Image.Image) -> Plane:
    small = canvas.resize((canvas.width // 2, canvas.height // 2), Image.Resampling.BOX)
    return np.asarray(small, dtype=np.float32) / np.float32(255)
