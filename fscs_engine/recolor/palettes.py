"""Edits of a whole palette: matched to another one, in a harmony, or such that a pixel becomes a color.

Each returns edits of layers that can be looked at and changed.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from ..color import LIN_REC709, ColorSpaces
from ..errors import UsageError
from ..host.edits import Look, decoded, edited_palette_color, encoded, oklab
from ..palette.palette import Palette
from .edits import Recoloring

COVERAGE_WEIGHT = 0.25
"""What a difference of coverage counts in a match: 0.25 × (√a - √b)², beside the squared distance in OKLab."""

HARMONIES: Mapping[str, tuple[float, ...]] = MappingProxyType(
    {
        "complementary": (0.0, 180.0),
        "analogous": (-30.0, 0.0, 30.0),
        "triad": (0.0, 120.0, 240.0),
        "split": (0.0, 150.0, 210.0),
        "tetrad": (0.0, 60.0, 180.0, 240.0),
        "square": (0.0, 90.0, 180.0, 270.0),
    }
)
"""Axes of hue in degrees, before they are turned, of the templates of Tan, Echevarria and Gingold, "Efficient
palette-based decomposition and recoloring of images via RGBXY-space geometry" (2018), section 6."""

PICK_EXACT = 2e-3
"""A pick is met where every channel is this near, in sRGB: half a level of 8 bits."""

_TURNS = 720  # that are tried: every half degree
_WEIGHTS = (3.0, 30.0, 1000.0)  # of the pixel's color beside the change of the palette
_TRIES = 60  # sets of layers that are tried for a pick
_MAIN = 0.1  # of a pixel: what a layer must have of it to be moved for the last bit of a pick,
_NEAR = 0.05  # which is this far in OKLab: seen side by side, not by itself


def match(
    look: Look,
    palette: Palette,
    target: Palette,
    coverage: Sequence[float] | None = None,
    target_coverage: Sequence[float] | None = None,
) -> Look:
    """Lays another palette onto this one: each layer gets one of its colors, no color is given twice.

    The assignment has the least sum of squared distances in OKLab, and of what their coverages differ by
    (:data:`COVERAGE_WEIGHT`). Where one palette is larger, what fits worst of it is left over: a layer without a color
    stays as it is. Layers whose color was set already are left out.

    Args:
        look: the edits so far.
        palette: of the layers.
        target: the other one.
        coverage: mean alpha of each layer; None leaves coverage out.
        target_coverage: the same of the other picture.
    """
    from scipy.optimize import linear_sum_assignment

    free = [number for number in range(1, len(palette) + 1) if look.edit(number).color is None]
    here = np.array([oklab(decoded(palette.colors[number - 1].rgb)) for number in free]).reshape(-1, 3)
    there = np.array([oklab(decoded(color.rgb)) for color in target])
    cost = ((here[:, None] - there[None]) ** 2).sum(axis=-1)
    if coverage is not None and target_coverage is not None:
        own = np.sqrt(np.maximum([coverage[number - 1] for number in free], 0.0))
        other = np.sqrt(np.maximum(target_coverage, 0.0))
        cost += COVERAGE_WEIGHT * (own[:, None] - other[None]) ** 2
    rows, columns = linear_sum_assignment(cost)
    layers = dict(look.layers)
    for row, column in zip(rows, columns, strict=True):
        number, color = free[row], target.colors[column].rgb
        if color != palette.colors[number - 1].rgb:
            layers[number] = replace(look.edit(number), color=color)
    return replace(look, layers=layers)


def harmony(
    look: Look, palette: Palette, name: str, strength: float = 1.0, coverage: Sequence[float] | None = None
) -> Look:
    """Turns hues to the axes of a harmony, which is itself turned so that they move as little as possible.

    The turn has the least sum over the layers of coverage × chroma² × (angle to the nearest axis)²; chroma is OKLab's.
    Grays have no say and stay.

    Args:
        look: the edits so far; the harmony is fitted to the palette as they leave it.
        palette: of the layers.
        name: one of :data:`HARMONIES`.
        strength: 0 to 1, the part of the way that each hue goes.
        coverage: mean alpha of each layer; None takes all for equal.

    Raises:
        UsageError: another name or strength.
    """
    if name not in HARMONIES:
        raise UsageError(f"{name!r} is not a harmony", cure=f"use {', '.join(HARMONIES)}")
    if not 0.0 <= strength <= 1.0:
        raise UsageError(f"the strength of the harmony is {strength:g}", cure="use 0 to 1")
    labs = np.array(
        [oklab(edited_palette_color(look.edit(number), color.rgb)) for number, color in enumerate(palette, 1)]
    )
    chroma = np.hypot(labs[:, 1], labs[:, 2])
    hues = np.degrees(np.arctan2(labs[:, 2], labs[:, 1]))
    weights = chroma**2 * (np.ones(len(palette)) if coverage is None else np.maximum(coverage, 0.0))
    ways = _fitted(hues, weights, np.array(HARMONIES[name]))
    layers = dict(look.layers)
    for number, way in enumerate(ways, 1):
        if chroma[number - 1] > 1e-3 and abs(way) * strength > 1e-6:
            edit = look.edit(number)
            turned = math.remainder(edit.hue + strength * float(way), 360.0)
            layers[number] = replace(edit, hue=turned)
    return replace(look, layers=layers)


def _fitted(hues: NDArray[np.float64], weights: NDArray[np.float64], axes: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far each hue has to turn, in degrees, to its axis of the template in its best turn."""

    def ways(turn: float) -> NDArray[np.float64]:
        each = np.remainder(axes[None] + turn - hues[:, None] + 180.0, 360.0) - 180.0
        return each[np.arange(len(hues)), np.abs(each).argmin(axis=1)]

    best = min((turn * 360.0 / _TURNS for turn in range(_TURNS)), key=lambda t: float((weights * ways(t) ** 2).sum()))
    if weights.sum() > 0:
        # With the axes chosen, the best turn is exact.
        best -= float((weights * ways(best)).sum() / weights.sum())
    return ways(best)


@dataclass(frozen=True)
class Pixel:
    """A pixel of an image and of its layers.

    Attributes:
        palette: of the layers.
        working_space: in which the layers are.
        layers: (K, 4) the pixel of each layer, premultiplied.
        image: (3 or 4) the pixel of the image, premultiplied.
        spaces: to convert colors.
    """

    palette: Palette
    working_space: str
    layers: NDArray[np.float32]
    image: NDArray[np.float32]
    spaces: ColorSpaces = field(default_factory=ColorSpaces)

    def color(self, look: Look) -> tuple[float, float, float]:
        """What edits make of it, in sRGB, which is exceeded where they do."""
        layers = np.ascontiguousarray(self.layers[:, None, None, :], np.float32)
        image = np.ascontiguousarray(self.image[None, None, :], np.float32)
        out = np.empty_like(image)
        Recoloring(look, self.palette, self.working_space, self.spaces).apply(layers, image, out)
        alpha = float(image[0, 0, 3]) if len(self.image) == 4 else 1.0
        straight = np.ascontiguousarray(out[0, 0, :3] / np.float32(alpha if alpha > 0 else 1.0))
        linear = self.spaces.convert(straight, self.working_space, LIN_REC709)
        # Beyond sRGB's ends its curve goes on as it is: a slope is needed there too.
        red, green, blue = encoded([float(x) for x in linear])
        return red, green, blue


def pick(look: Look, pixel: Pixel, color: tuple[float, float, float]) -> Look:
    """The smallest change of the fewest layers that gives a pixel a color.

    New palette colors are looked for of one layer alone, then of two, and so on, the layers that have most of the pixel
    first; of as many layers the change with the least sum of squared distances in OKLab is taken. A layer that has less
    than a tenth of the pixel has most of its own elsewhere: it stays where the others come near, and then
    :meth:`Pixel.color` says what the pixel becomes.

    Args:
        look: the edits so far; they stay but for the colors that the pick moves.
        pixel: with its layers.
        color: sRGB in [0, 1], what the pixel is to be.

    Raises:
        UsageError: nothing is there, or no colors of the layers come near it.
    """
    if np.abs(np.subtract(pixel.color(look), color)).max() <= PICK_EXACT / 4:
        return look
    alphas = pixel.layers[:, 3]
    order = [int(k) + 1 for k in np.argsort(-alphas, kind="stable") if alphas[k] > 0]
    opacities = look.opacities(len(pixel.palette))
    order = [number for number in order if opacities[number - 1][0] > 0]
    if not order:
        raise UsageError("the pixel to pick has no layer", cure="pick another pixel")
    main = {number for number in order if alphas[number - 1] >= _MAIN * alphas.sum()}
    tries = 0
    nearest: _Solution | None = None
    for count in range(1, len(order) + 1):
        best: _Solution | None = None
        for chosen in _heaviest(order, count):
            tries += 1
            found = _solve(look, pixel, chosen, color)
            if found.exact and (best is None or found.change < best.change):
                best = found
            if main.issuperset(chosen) and (nearest is None or found.distance < nearest.distance):
                nearest = found
        if best is not None and (main.issuperset(best.layers) or nearest is None or nearest.distance > _NEAR):
            return best.look
        if best is not None or tries > _TRIES:
            break
    if nearest is not None and nearest.distance <= _NEAR:
        return nearest.look
    raise UsageError(
        "no colors of the layers give the pixel this color", cure="pick a color less far away, or edit its layers first"
    )


def _heaviest(order: Sequence[int], count: int) -> Iterator[tuple[int, ...]]:
    """Sets of layers, those with the heaviest first; not more than some."""
    return itertools.islice(itertools.combinations(order, count), 12)


@dataclass(frozen=True)
class _Solution:
    """The change of some layers that brings a pixel nearest to a color.

    Attributes:
        layers: that change.
        look: with their colors.
        change: how large it is: the sum of squared distances in OKLab.
        distance: what is left to the color, in OKLab.
        exact: whether every channel is met.
    """

    layers: tuple[int, ...]
    look: Look
    change: float
    distance: float
    exact: bool


def _solve(look: Look, pixel: Pixel, chosen: tuple[int, ...], color: tuple[float, float, float]) -> _Solution:
    """The smallest change of these layers that gives the color, or comes nearest to it."""
    from scipy.optimize import least_squares

    now = [look.edit(n).color or pixel.palette.colors[n - 1].rgb for n in chosen]
    start = np.array([oklab(decoded(color)) for color in now]).ravel()

    def tried(values: NDArray[np.float64]) -> Look:
        edits = dict(look.layers)
        for number, (red, green, blue) in zip(chosen, values.reshape(-1, 3).tolist(), strict=True):
            edits[number] = replace(look.edit(number), color=(red, green, blue))
        return replace(look, layers=edits)

    def change(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.array([oklab(decoded(color)) for color in values.reshape(-1, 3).tolist()]).ravel() - start

    def missing(edited: Look) -> NDArray[np.float64]:
        return np.subtract(pixel.color(edited), color)

    # The color counts more and more beside the change, until it is met.
    values = np.clip(np.ravel(now), 0.01, 0.99)
    for weight in _WEIGHTS:
        found = least_squares(
            lambda values, weight=weight: np.concatenate([weight * missing(tried(values)), change(values)]),
            values,
            bounds=(0.0, 1.0),
            diff_step=1e-4,
            max_nfev=40,
        )
        values = found.x
    solved = tried(values)
    red, green, blue = np.clip(pixel.color(solved), 0.0, 1.0).tolist()
    apart = np.subtract(oklab(decoded((red, green, blue))), oklab(decoded(color)))
    exact = bool(np.abs(missing(solved)).max() <= PICK_EXACT)
    return _Solution(chosen, solved, float((change(values) ** 2).sum()), float(np.linalg.norm(apart)), exact)
