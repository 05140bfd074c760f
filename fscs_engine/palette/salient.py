"""A palette that has a place for small saturated regions, which K-means averages away.

The palette is chosen for what layers are: mixtures. A pixel costs what the best mixture of two palette colors leaves
of it, plus something for mixing at all. So shades between two colors of the palette ask for no color of their own,
and a color that no mixture gives, the red of a motorbike among grays, does, small as it is.

Distances are those of Oklab (Björn Ottosson, "A perceptual color space for image processing", 2020) with the lightness
scaled down: light and shadow change it, hue and saturation tell the families apart.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..host.edits import LAB_OF_ROOTS, LMS_OF_REC709
from .palette import Palette, Sample, found_palette, squared_distances

Floats = NDArray[np.float64]

_LIGHTNESS = 0.4
"""What a difference of lightness counts."""
_CELL = 0.025
"""Side of the cells of the histogram, where there are neither too many nor too few."""
_FINEST_CELL = 4e-4
_CELLS_A_COLOR = 4
_MOST_CELLS = 1024
_MOST_CANDIDATES = 192

_FAMILY = 0.06
"""Standard deviation of the bell within which colors count as one family."""
_RARE = 2e-3
"""Share of a family below which it is taken for noise."""
_POPULATION = 0.35
"""A family with n times the pixels weighs n to the power of this."""
_CHROMA = 5.0
"""A color of chroma c, which reaches 0.3, weighs 1 + this × c."""
_MIXING = 0.15
"""What mixing costs, in parts of the variance of the colors mixed. At 0 mixtures are as good as a color of their own,
at 1 none is better than the nearest color, as in K-means."""
_APART = 0.1
"""Distance, lightness in full, below which colors are near-duplicates: none is chosen while there are others."""
_ROUNDS = 2
"""How often each color is chosen anew, given all others."""
_NEAR = 0.03
"""Radius about a chosen cell within which pixels make its color."""

_EVEN = 0.08
"""Largest difference of a channel between neighbors in one region."""
_STRAY = 0.1
"""What a pixel outside any region counts."""

_LMS, _LAB = np.array(LMS_OF_REC709), np.array(LAB_OF_ROOTS)


def salient_palette(
    pixels: NDArray[np.floating],
    colors: int,
    *,
    given: Palette | None = None,
    seed: int = 0,
    weights: NDArray[np.floating] | None = None,
) -> Palette:
    """Finds a palette in which small saturated regions have a color.

    Same pixels and seed, same palette: see :func:`.palette.found_palette`, which this is a method of.

    The colors come one by one, each the one that lowers the cost of the whole picture the most; then each is
    chosen anew, given all others. Each is the mean of pixels that are nearly alike.

    Args:
        pixels: (..., 3) sRGB, straight, clipped to [0, 1] here. Of a picture (H, W, 3), stray pixels and lines
            count less than regions.
        colors: K, from 1 to 16.
        given: colors that come first, in their order, unchanged. The rest is chosen for what they leave.
        seed: of the sampling.
        weights: (...) how much each pixel counts, e.g. its alpha; those of 0 or less not at all. Where all are,
            the weights are left out of account.

    Returns:
        The given colors, then the found ones from dark to light.

    Raises:
        PaletteError: K is out of range or less than the number of given colors, or there are no pixels.

    Example:
        >>> picture = np.full((40, 40, 3), 0.5)
        >>> picture[:20] = 0.4
        >>> picture[3:6, 5:8] = (0.8, 0.1, 0.1)
        >>> [color.hex for color in salient_palette(picture, 2)]
        ['#cc1a1a', '#808080']
    """
    picture = np.asarray(pixels).clip(0.0, 1.0)
    counts = None if weights is None else np.asarray(weights).reshape(-1)
    if picture.ndim == 3 and picture.size and (counts is None or len(counts) == picture.size // 3):
        regions = region_weights(picture).reshape(-1)
        counts = regions if counts is None else counts * regions
    return found_palette(picture, colors, _find, given=given, seed=seed, weights=counts)


def region_weights(picture: NDArray[np.floating]) -> NDArray[np.float32]:
    """1 where a pixel has a neighbor like itself both in its row and in its column, less elsewhere.

    Args:
        picture: (H, W, 3) sRGB.

    Returns:
        (H, W).
    """
    inside = _has_like_neighbor(picture) & _has_like_neighbor(picture.swapaxes(0, 1)).T
    return np.where(inside, np.float32(1.0), np.float32(_STRAY))


def _has_like_neighbor(picture: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Whether the pixel above or below is alike, (H, W); of a single row, all have one."""
    if len(picture) == 1:
        return np.ones(picture.shape[:2], dtype=np.bool_)
    even = (np.abs(picture[1:] - picture[:-1]) < _EVEN).all(axis=2)
    found = np.zeros(picture.shape[:2], dtype=np.bool_)
    found[1:] = even
    found[:-1] |= even
    return found


def oklab(rgb: Floats) -> Floats:
    """(N, 3) sRGB in [0, 1] → (N, 3) Oklab: lightness in [0, 1], then the two axes of hue and chroma."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    lab: Floats = np.cbrt(linear @ _LMS.T) @ _LAB.T
    return lab


def _find(sample: Sample, fixed: Floats, free: int) -> Floats:
    """The method. Sample, given colors (G, 3), F → (F, 3)."""
    scale = np.array([_LIGHTNESS, 1.0, 1.0])
    lab, kept = oklab(sample.pixels) * scale, oklab(fixed) * scale
    cell = _cells(sample, lab, _CELLS_A_COLOR * free)
    sums: Floats = np.stack([np.bincount(cell, sample.counts * channel) for channel in (*lab.T, 1.0)], axis=1)
    means = sums[:, :3] / sums[:, 3:]
    shares = sums[:, 3] / sums[:, 3].sum()
    common = np.argsort(-shares, kind="stable")[:_MOST_CELLS]
    chosen = common[_choose(means[common], shares[common], kept, free)]
    centers = means[chosen]

    distances = squared_distances(lab, np.concatenate((kept, centers)))
    nearest = distances.argmin(axis=0)
    found = np.empty((free, 3))
    for number, own_cell in enumerate(chosen):
        place = len(fixed) + number
        # The cell itself is always among them: its pixels may all be nearer to another color.
        own = ((nearest == place) & (distances[place] <= _NEAR**2)) | (cell == own_cell)
        found[number] = np.average(sample.pixels[own], axis=0, weights=sample.counts[own])
    return found


def _cells(sample: Sample, lab: Floats, enough: int) -> NDArray[np.intp]:
    """The cell of the histogram that each pixel lies in, numbered from 0.

    The cells are halved until there are enough, or doubled until there are not too many. Where no size gives enough,
    each color of the sample is a cell.
    """
    above = lab - lab.min(axis=0)
    side = _CELL
    numbers, cell = np.unique(_packed(above / side), return_inverse=True)
    while len(numbers) > _MOST_CELLS:
        side *= 2
        numbers, cell = np.unique(_packed(above / side), return_inverse=True)
    while len(numbers) < enough and side > _FINEST_CELL:
        side /= 2
        numbers, cell = np.unique(_packed(above / side), return_inverse=True)
    if len(numbers) < enough:
        cell = np.unique(_packed(sample.pixels * 1e6 + 0.5), return_inverse=True)[1]  # they have six decimals
    return cell


def _packed(places: Floats) -> NDArray[np.int64]:
    """(N, 3) not negative, below 2^20 → one whole number for each."""
    whole = places.astype(np.int64)
    packed: NDArray[np.int64] = (whole[:, 0] << 40) | (whole[:, 1] << 20) | whole[:, 2]
    return packed


def _choose(means: Floats, shares: Floats, given: Floats, free: int) -> NDArray[np.intp]:
    """Which of the cells (M, 3) of these shares (M,) become colors, besides the given ones (G, 3): (F,)."""
    # A family's share is taken within a radius that the cells' size has no part in: noise spreads a color over many
    # cells, and must not make more of it.
    families = np.einsum("mn,n->m", np.exp(-squared_distances(means, means) / (2 * _FAMILY**2)), shares)
    common = max(np.count_nonzero(families >= _RARE), free + len(given))
    order = np.argsort(-families, kind="stable")[:common]
    cells = means[order]
    weights = shares[order] * families[order] ** (_POPULATION - 1)
    weights *= 1 + _CHROMA * np.hypot(cells[:, 1], cells[:, 2])
    candidates = np.argsort(-weights, kind="stable")[:_MOST_CANDIDATES]
    pool = np.concatenate((cells[candidates], given))
    always = list(range(len(candidates), len(pool)))
    alone = squared_distances(cells, pool)
    mixed = {partner: _mixed(cells, pool, pool[partner], alone) for partner in always}
    full = pool / np.array([_LIGHTNESS, 1.0, 1.0])
    apart = np.sqrt(squared_distances(full, full))

    def best(others: list[int]) -> int:
        """The candidate that leaves the least cost beside the others."""
        costs = alone.copy()
        for other in others:
            np.minimum(costs, mixed[other], out=costs)
        if others:
            np.minimum(costs, costs[others].min(axis=0), out=costs)
        totals = np.einsum("jn,n->j", costs[: len(candidates)], weights)
        for limit in (_APART, _APART / 2, _APART / 4, 0.0):
            barred = apart[: len(candidates), others].min(axis=1, initial=np.inf) < limit
            barred[[other for other in others if other < len(candidates)]] = True
            if not barred.all():
                break
        return int(np.where(barred, np.inf, totals).argmin())

    chosen: list[int] = []
    for _ in range(free):
        chosen.append(best(always + chosen))
        mixed[chosen[-1]] = _mixed(cells, pool, pool[chosen[-1]], alone)
    for _ in range(_ROUNDS):
        before = list(chosen)
        for place in range(free):
            others = always + chosen[:place] + chosen[place + 1 :]
            del mixed[chosen[place]]
            chosen[place] = best(others)
            mixed[chosen[place]] = _mixed(cells, pool, pool[chosen[place]], alone)
        if chosen == before:
            break
    return order[candidates[chosen]]


def _mixed(cells: Floats, pool: Floats, partner: Floats, alone: Floats) -> Floats:
    """What each cell c costs as the best mixture of a color p of the pool and the partner q: (J, N).

    The mixture (1 − t) p + t q costs ‖c − (1 − t) p − t q‖² + m t (1 − t) ‖q − p‖², m of :data:`_MIXING`; the second
    is m times the variance of what is mixed. It is quadratic in t.

    Args:
        cells: (N, 3), the c.
        pool: (J, 3), the p.
        partner: (3,), the q.
        alone: (J, N), ‖c − p‖².
    """
    steps = partner - pool
    lengths = np.maximum((steps**2).sum(axis=1), 1e-12)  # the partner's own is 0
    slopes = steps @ cells.T
    slopes -= ((steps * pool).sum(axis=1) + 0.5 * _MIXING * lengths)[:, None]
    curvatures = ((1.0 - _MIXING) * lengths)[:, None]
    shares = np.clip(slopes / curvatures, 0.0, 1.0)
    costs: Floats = shares * curvatures
    costs -= 2.0 * slopes
    costs *= shares
    costs += alone
    return costs
