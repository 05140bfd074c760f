"""Palettes: the K colors that the layers are made for, typed in by hand or found by K-means.

Colors are sRGB-encoded RGB with Rec.709 primaries in [0, 1], the space that the networks see.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import PaletteError
from ..host.palette_codec import FORMAT_VERSION, checked, color_of, color_of_hex, hex_of, short
from ..host.parameters import MAXIMUM_COLORS
from ..host.protocol import WorkerError

_SAMPLE_PIXELS = 50_000
_STARTS = 4
_STEPS = 50
_SETTLED = 1e-4
_SAME = 1e-10
_THINNING = 8
_DECIMALS = 6


def canonical_order(colors: ArrayLike) -> NDArray[np.intp]:
    """The order of the automatic colors: from dark to light, equal lightness by red, green, blue.

    Lightness is the Rec.709-weighted sum of the sRGB values.

    Args:
        colors: (K, 3) sRGB, in any one scale.

    Returns:
        (K,) indices that sort them.
    """
    c = np.asarray(colors, dtype=np.float64)
    lightness = c @ np.array([0.2126, 0.7152, 0.0722])
    return np.lexsort((c[:, 2], c[:, 1], c[:, 0], lightness))


@dataclass(frozen=True)
class PaletteColor:
    """One palette color.

    Args:
        rgb: sRGB-encoded, each in [0, 1].
        name: the artist's own word for it.
        locked: kept as it is when a palette is found anew around it.

    Raises:
        PaletteError: not three finite numbers in [0, 1].
    """

    rgb: tuple[float, float, float]
    name: str = ""
    locked: bool = False

    def __post_init__(self) -> None:
        with palette_errors():
            object.__setattr__(self, "rgb", color_of(self.rgb))

    @property
    def hex(self) -> str:
        """The color in 8 bits a channel: ``PaletteColor((1, 0.5, 0)).hex == "#ff8000"``."""
        return hex_of(self.rgb)

    @classmethod
    def from_hex(cls, text: str, name: str = "", locked: bool = False) -> PaletteColor:
        """A color from ``"#aabbcc"``, ``"aabbcc"`` or ``"#abc"``.

        Raises:
            PaletteError: anything else.
        """
        with palette_errors():
            return cls(color_of_hex(text), name, locked)


@dataclass(frozen=True)
class Palette:
    """1 to 16 palette colors in the order of their layers. Equal entries are allowed.

    Raises:
        PaletteError: no color, or more than 16.

    Example:
        >>> Palette.from_hex("#000000, #ff8000").array.shape
        (2, 3)
    """

    colors: tuple[PaletteColor, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "colors", tuple(self.colors))
        check_size(len(self.colors), "the palette has")

    def __len__(self) -> int:
        return len(self.colors)

    def __iter__(self) -> Iterator[PaletteColor]:
        return iter(self.colors)

    @property
    def array(self) -> NDArray[np.float32]:
        """The colors as (K, 3) float32, sRGB in [0, 1]."""
        return np.array([color.rgb for color in self.colors], dtype=np.float32)

    @classmethod
    def from_array(cls, colors: ArrayLike) -> Palette:
        """A palette of unnamed colors from (K, 3) sRGB in [0, 1].

        Raises:
            PaletteError: another shape or range.
        """
        rows = np.asarray(colors, dtype=np.float64)
        if rows.ndim != 2 or rows.shape[1] != 3:
            raise PaletteError(f"an array of shape {rows.shape} is not a palette", cure="give K rows of R, G and B")
        return cls(tuple(PaletteColor((red, green, blue)) for red, green, blue in rows.tolist()))

    @classmethod
    def from_hex(cls, text: str | Sequence[str]) -> Palette:
        """A palette from ``"#aabbcc,#ddeeff"`` or from a list of hex colors.

        Raises:
            PaletteError: a part is no hex color, or there are none or too many.
        """
        parts = text.strip().rstrip(",").split(",") if isinstance(text, str) else text
        return cls(tuple(PaletteColor.from_hex(part) for part in parts))

    def to_dict(self) -> dict[str, object]:
        """The palette in the form of the palette file."""
        colors = [{"rgb": list(color.rgb), "name": color.name, "locked": color.locked} for color in self.colors]
        return {"version": FORMAT_VERSION, "space": "srgb", "colors": colors}

    @classmethod
    def from_dict(cls, data: object) -> Palette:
        """Reads what ``to_dict`` gives; ``name`` and ``locked`` may be left out.

        Raises:
            PaletteError: another version or space, a missing or malformed part, a value outside [0, 1].
        """
        with palette_errors():
            colors = checked(data)["colors"]
        return cls(tuple(PaletteColor(tuple(color["rgb"]), color["name"], color["locked"]) for color in colors))


@contextmanager
def palette_errors() -> Iterator[None]:
    """Turns what the codec that hosts share raises into a PaletteError."""
    try:
        yield
    except WorkerError as error:
        raise PaletteError(error.message, cure=error.cure) from error


def check_size(colors: int, what: str = "asked for") -> None:
    """Raises PaletteError unless ``colors`` is a number of colors a palette can have."""
    if isinstance(colors, bool) or not isinstance(colors, int) or not 1 <= colors <= MAXIMUM_COLORS:
        raise PaletteError(f"{what} {short(colors)} colors", cure=f"use 1 to {MAXIMUM_COLORS} colors")


def kmeans_palette(
    pixels: NDArray[np.floating],
    colors: int,
    *,
    given: Palette | None = None,
    seed: int = 0,
    weights: NDArray[np.floating] | None = None,
) -> Palette:
    """Finds a palette by K-means on the picture's sRGB values (paper §4.1, §5).

    Same pixels and seed, same palette: see :func:`found_palette`, which this is a method of.

    Lloyd's algorithm with fixed centers, which scikit-learn has not: a given color takes the pixels nearest to it and
    stays where it is, the free centers take the rest and move to their means. The free centers start by k-means++
    (Arthur and Vassilvitskii 2007) from the given ones, and the best of four starts is kept.

    Args:
        pixels: (..., 3) sRGB, straight, clipped to [0, 1] here.
        colors: K, from 1 to 16.
        given: colors that come first, in their order, unchanged.
        seed: of the sampling and the starts.
        weights: (...) how much each pixel counts, e.g. its alpha; those of 0 or less not at all. Where all are,
            the weights are left out of account.

    Returns:
        The given colors, then the found ones from dark to light.

    Raises:
        PaletteError: K is out of range or less than the number of given colors, or there are no pixels.
    """

    def find(sample: Sample, fixed: NDArray[np.float64], free: int) -> NDArray[np.float64]:
        return _fill(sample, fixed, free, seed)

    return found_palette(pixels, colors, find, given=given, seed=seed, weights=weights)


@dataclass(frozen=True, eq=False)
class Sample:
    """A bounded part of a picture's pixels, in their order.

    Attributes:
        pixels: (N, 3) sRGB in [0, 1], rounded as palettes are; N is at most 50,000.
        counts: (N,) how much each counts, above 0.
        thinning: every ``thinning``-th pixel still has more different colors than are to be found.
    """

    pixels: NDArray[np.float64]
    counts: NDArray[np.float64]
    thinning: int


Finder = Callable[[Sample, NDArray[np.float64], int], NDArray[np.float64]]
"""What a method has of its own: a sample, the given colors (G, 3) and a number F in, the F colors (F, 3) that are
still missing out, in any order. The sample has more than F different colors that are not given."""


def found_palette(
    pixels: NDArray[np.floating],
    colors: int,
    find: Finder,
    *,
    given: Palette | None = None,
    seed: int = 0,
    weights: NDArray[np.floating] | None = None,
) -> Palette:
    """Finds a palette by a method: all that methods have in common.

    Same pixels and seed, same palette: the pixels are thinned to at most 50,000, one drawn at random from each
    of as many equal runs of the picture, by a seeded generator; the colors are rounded to six decimals, so that
    the order in which threads add up does not show.

    A picture with fewer distinct colors than asked for gives repeated entries.

    Args:
        pixels: (..., 3) sRGB, straight, clipped to [0, 1] here.
        colors: K, from 1 to 16.
        find: the method.
        given: colors that come first, in their order, unchanged.
        seed: of the sampling.
        weights: (...) how much each pixel counts, e.g. its alpha; those of 0 or less not at all. Where all are,
            the weights are left out of account.

    Returns:
        The given colors, then the found ones from dark to light.

    Raises:
        PaletteError: K is out of range or less than the number of given colors, or there are no pixels.
    """
    check_size(colors)
    fixed = () if given is None else given.colors
    if colors < len(fixed):
        raise PaletteError(
            f"{len(fixed)} colors are given but only {colors} asked for",
            cure=f"ask for at least {len(fixed)} colors or give fewer",
        )
    free = colors - len(fixed)
    if free == 0:
        return Palette(fixed)
    sample, counts = _sample(pixels, weights, seed)
    centers = np.array([color.rgb for color in fixed], dtype=np.float64).reshape(-1, 3)
    thinning = _THINNING
    distinct = _distinct(sample[::thinning], centers)
    if len(distinct) <= free:  # rare colors may be in the rest
        thinning = 1
        distinct = _distinct(sample, centers)
    if len(distinct) <= free:
        found = distinct if len(distinct) else centers
        found = found[canonical_order(found)]
        found = found[np.sort(np.arange(free) % len(found))]
    else:
        found = find(Sample(sample, counts, thinning), centers, free)
        found = found[canonical_order(found)]
    return Palette(fixed + Palette.from_array(found.round(_DECIMALS).clip(0.0, 1.0)).colors)


def _sample(
    pixels: NDArray[np.floating], weights: NDArray[np.floating] | None, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A bounded sample (N, 3) of the pixels that count, in [0, 1], and how much each counts (N,)."""
    flat = np.asarray(pixels).reshape(-1, 3)
    counts = None if weights is None else np.asarray(weights).reshape(-1)
    if counts is not None and len(counts) != len(flat):
        raise PaletteError(f"{len(counts)} weights for {len(flat)} pixels", cure="give one weight per pixel")
    visible = None if counts is None else np.flatnonzero(counts > 0)
    if visible is not None and not len(visible):
        visible, counts = None, None
    total = len(flat) if visible is None else len(visible)
    if total == 0:
        raise PaletteError("a palette can't be found in an image without pixels", cure="give the colors")
    if total > _SAMPLE_PIXELS:
        offsets = np.random.default_rng(seed).random(_SAMPLE_PIXELS)
        chosen = ((np.arange(_SAMPLE_PIXELS) + offsets) * (total / _SAMPLE_PIXELS)).astype(np.intp)
        chosen = np.minimum(chosen, total - 1)
    else:
        chosen = np.arange(total)
    if visible is not None:
        chosen = visible[chosen]
    # rounded as the palette will be, so that colors which it can't tell apart count as one
    sample = flat[chosen].astype(np.float64).clip(0.0, 1.0).round(_DECIMALS)
    return sample, np.ones(len(sample)) if counts is None else counts[chosen].astype(np.float64)


def _distinct(pixels: NDArray[np.float64], fixed: NDArray[np.float64]) -> NDArray[np.float64]:
    """The distinct colors (N, 3) of the pixels, but for the fixed ones."""
    distinct = np.unique(pixels, axis=0)
    return distinct[(squared_distances(distinct, fixed) > _SAME).all(axis=0)]


def _fill(sample: Sample, fixed: NDArray[np.float64], free: int, seed: int) -> NDArray[np.float64]:
    """Free centers (free, 3) around fixed ones, which take their pixels but stay.

    The starts compete on the thinned sample; the best of them settles on all of it.
    """
    rng = np.random.default_rng([seed, 1])
    part, part_counts = sample.pixels[:: sample.thinning], sample.counts[:: sample.thinning]
    best, best_cost = fixed, np.inf
    for _ in range(_STARTS):
        start = _start(part, part_counts, fixed, free, rng)
        centers, cost = _lloyd(part, part_counts, start, len(fixed))
        if cost < best_cost:
            best, best_cost = centers, cost
    return _lloyd(sample.pixels, sample.counts, best, len(fixed))[0][len(fixed) :]


def _start(
    sample: NDArray[np.float64],
    counts: NDArray[np.float64],
    fixed: NDArray[np.float64],
    free: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Fixed centers and after them ``free`` pixels, each drawn in proportion to its squared distance to all before.

    Of a few that are drawn the one is taken that leaves least: greedy k-means++, as scikit-learn has it.
    """
    centers = fixed
    nearest = squared_distances(sample, fixed).min(axis=0) if len(fixed) else np.full(len(sample), np.inf)
    tries = 2 + int(np.log(len(fixed) + free))
    for number in range(free):
        odds = np.cumsum(counts * nearest) if len(fixed) + number else np.cumsum(counts)
        drawn = np.searchsorted(odds, rng.random(tries) * odds[-1], side="right")
        candidates = sample[np.minimum(drawn, len(sample) - 1)]
        left = np.minimum(nearest, squared_distances(sample, candidates))
        best = int((left @ counts).argmin())
        centers, nearest = np.concatenate((centers, candidates[best : best + 1])), left[best]
    return centers


def _lloyd(
    sample: NDArray[np.float64], counts: NDArray[np.float64], centers: NDArray[np.float64], fixed: int
) -> tuple[NDArray[np.float64], float]:
    """Lloyd's steps until the centers settle; the first ``fixed`` of them stay. Returns them and what they cost.

    A center that no pixel is nearest to stays where it is: it is a pixel's own color, or a mean of some.
    """
    cost = np.inf
    for _ in range(_STEPS):
        distances = squared_distances(sample, centers)
        nearest = distances.argmin(axis=0)
        cost = float(counts @ distances[nearest, np.arange(len(sample))])
        shares = np.bincount(nearest, counts, len(centers))
        sums = np.stack([np.bincount(nearest, counts * channel, len(centers)) for channel in sample.T], axis=1)
        moving = np.flatnonzero(shares > 0)
        moving = moving[moving >= fixed]
        moved = centers.copy()
        moved[moving] = sums[moving] / shares[moving, None]
        settled = float(np.abs(moved - centers).max()) < _SETTLED
        centers = moved
        if settled:
            break
    return centers, cost


def squared_distances(pixels: NDArray[np.float64], centers: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, 3) and (K, 3) → (K, N), never negative."""
    # the product instead of the differences: no (K, N, 3) in memory
    distances: NDArray[np.float64] = (centers**2).sum(axis=1)[:, None] - 2.0 * (centers @ pixels.T)
    distances += (pixels**2).sum(axis=1)
    np.maximum(distances, 0.0, out=distances)
    return distances
