"""Aksoy, Aydın, Smolić and Pollefeys 2017, *Unmixing-based soft color segmentation*, as an energy that is minimized.

Each pixel by itself minimizes Eq. 4 of the paper of the engine's method under its Eq. 1 to 3, from the best of its
single and paired layers on. Then, as they do, the alphas go through a guided filter, and the colors are found again.
Their search for color models is left out: each palette color is the mean of a Gaussian, whose covariance is that of the
pixels nearest to it.

For given alphas the colors that minimize Eq. 4 under Eq. 1 are known: u_i = p_i + Σ_i λ, with one λ a pixel that solves
(Σ α_i Σ_i) λ = c − Σ α_i p_i. What is left is a function of the alphas on the simplex, minimized by projected gradient
steps whose sizes fit each pixel. Colors that leave [0, 1] (Eq. 3) are brought back by the exact step.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import torch
from numpy.typing import NDArray
from peers import Peer, Pixels
from scipy.ndimage import uniform_filter
from torch import Tensor

from fscs_engine.exact.exact import exact_colors
from fscs_engine.networks.any_palette import project_to_simplex

SPARSITY = 10.0
"""σ of Eq. 4, as in their paper."""

LEAST_DEVIATION = 0.03
"""Added to every Gaussian: a layer of one flat color could take up nothing else."""

RADIUS, EDGE = 30, 1e-4
"""Of their filter: in pixels of an image of a megapixel, where its window is 60 wide; and as a variance."""

STEPS = 1000
TOLERANCE = 1e-6
"""A pixel is done when a step that is taken changes its energy by a smaller share than this."""

_MIXES = (0.25, 0.5, 0.75)  # of pairs of layers that are tried first
_STARTS = 3
_SMALLEST_STEP = 1e-9
_PIXELS = 2**14


class Aksoy2017(Peer):
    """The method around a given palette.

    Args:
        radius: of the filter in an image of a megapixel; 0 leaves the minimum as it is.

    Attributes:
        unfinished: share of the pixels of the last picture that were not done after all steps.
    """

    unfinished = 0.0

    def __init__(self, radius: int = RADIUS) -> None:
        super().__init__()
        self.radius = radius

    @torch.inference_mode()
    def layers(self, picture: Pixels, palette: Pixels) -> tuple[Pixels, Pixels]:
        """See :class:`Peer`."""
        means = torch.from_numpy(palette.astype(np.float64))
        models = torch.from_numpy(covariances(picture, palette))
        pixels = torch.from_numpy(picture.reshape(-1, 3).astype(np.float64))
        parts, open_pixels = [], 0
        for some in pixels.split(_PIXELS):
            alphas, unfinished = minimize(some, means, models)
            parts.append(alphas)
            open_pixels += unfinished
        self.unfinished = open_pixels / len(pixels)
        shape = (len(palette), *picture.shape[:2])
        image = torch.from_numpy(picture).permute(2, 0, 1)
        planes = torch.cat(parts).T.reshape(shape)
        if self.radius:
            radius = max(1, round(self.radius * (len(pixels) / 1e6) ** 0.5))
            planes = torch.from_numpy(guided(picture, planes.numpy(), radius)).clamp_min(0.0)
            planes /= planes.sum(dim=0)
        multiplier, _, _ = unmix(planes.flatten(1).T, pixels, means, models)
        colors = (means[:, None] + torch.einsum("kij,nj->kni", models, multiplier)).clamp(0.0, 1.0)
        planes, free = planes.float(), colors.reshape(*shape, 3).permute(0, 3, 1, 2).float().contiguous()
        exact = exact_colors(planes, free, image, torch.ones(shape[1:], dtype=torch.bool))
        return planes.numpy(), exact.permute(0, 2, 3, 1).contiguous().numpy()


def guided(picture: Pixels, planes: NDArray[np.float64], radius: int) -> NDArray[np.float64]:
    """The guided filter with all three channels as its guide: He, Sun and Tang 2013, Eq. 14 to 16.

    Args:
        picture: (H, W, 3).
        planes: (K, H, W).
        radius: of its windows in pixels; at the borders they are cut off.
    """
    size = 2 * radius + 1
    guide = np.moveaxis(picture.astype(np.float64), 2, 0)
    inside = uniform_filter(np.ones(guide.shape[1:]), size, mode="constant")

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Of (..., H, W), about each pixel."""
        return uniform_filter(values, size, axes=(-2, -1), mode="constant") / inside

    average = mean(guide)
    spread = mean(guide[:, None] * guide) - average[:, None] * average
    spread = np.moveaxis(spread, (0, 1), (-2, -1)) + EDGE * np.eye(3)
    found = np.empty_like(planes)
    for number, plane in enumerate(planes):
        level = mean(plane)
        along = np.moveaxis(mean(guide * plane) - average * level, 0, -1)
        slope = np.moveaxis(np.linalg.solve(spread, along[..., None])[..., 0], -1, 0)
        found[number] = (mean(slope) * guide).sum(axis=0) + mean(level - (slope * average).sum(axis=0))
    return found


def covariances(picture: Pixels, palette: Pixels) -> NDArray[np.float64]:
    """Of the pixels nearest to each palette color, about it: (K, 3, 3)."""
    flat = picture.reshape(-1, 3).astype(np.float64)
    nearest = np.stack([np.square(flat - color).sum(axis=1) for color in palette]).argmin(axis=0)
    found = np.empty((len(palette), 3, 3))
    for number, color in enumerate(palette.astype(np.float64)):
        apart = flat[nearest == number] - color
        found[number] = apart.T @ apart / max(1, len(apart)) + LEAST_DEVIATION**2 * np.eye(3)
    return found


def unmix(alphas: Tensor, pixels: Tensor, means: Tensor, models: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The best colors for given alphas, and what they cost.

    Args:
        alphas: (N, K), adding to 1.
        pixels: (N, 3).
        means: (K, 3).
        models: (K, 3, 3).

    Returns:
        λ (N, 3), the energy of Eq. 4 (N,), and its gradient (N, K) but for what is the same for all layers.
    """
    mixed = (alphas @ models.flatten(1)).unflatten(1, (3, 3))
    rest = pixels - alphas @ means
    multiplier = torch.linalg.solve(mixed, rest)
    squares = alphas.square().sum(dim=1, keepdim=True)
    energy = (multiplier * rest).sum(dim=1) + SPARSITY * (1.0 / squares[:, 0] - 1.0)
    costs = torch.einsum("ni,kij,nj->nk", multiplier, models, multiplier)
    gradient = -2.0 * multiplier @ means.T - costs - 2.0 * SPARSITY * alphas / squares.square()
    return multiplier, energy, gradient


def starts(pixels: Tensor, means: Tensor, models: Tensor) -> Tensor:
    """The best few of all single layers and some mixtures of two, for each pixel: (N, S, K)."""
    count = len(means)
    single = torch.eye(count, dtype=means.dtype)
    pairs = [share * single[i] + (1 - share) * single[j] for i, j in combinations(range(count), 2) for share in _MIXES]
    tried = torch.stack([*single, *pairs])
    energies = torch.stack([unmix(one.expand(len(pixels), -1), pixels, means, models)[1] for one in tried], dim=1)
    return tried[energies.topk(min(_STARTS, len(tried)), dim=1, largest=False).indices]


def minimize(pixels: Tensor, means: Tensor, models: Tensor) -> tuple[Tensor, int]:
    """Alphas (N, K) of least energy, and how many pixels were not done."""
    begun = starts(pixels, means, models)
    tried, count = begun.shape[1:]
    alphas, pixels = begun.reshape(-1, count).clone(), pixels.repeat_interleave(tried, dim=0)
    _, energy, gradient = unmix(alphas, pixels, means, models)
    size = 0.1 / gradient.abs().amax(dim=1, keepdim=True).clamp_min(1e-12)
    active = torch.arange(len(alphas))
    for _ in range(STEPS):
        if not len(active):
            break
        moved = project_to_simplex((alphas[active] - size[active] * gradient[active])[..., None])[..., 0]
        _, reached, slope = unmix(moved, pixels[active], means, models)
        better = reached < energy[active]
        done = better & (energy[active] - reached <= TOLERANCE * energy[active].abs())
        taken = active[better]
        alphas[taken], energy[taken], gradient[taken] = moved[better], reached[better], slope[better]
        size[active] *= torch.where(better, 1.5, 0.3)[:, None]
        scale = size[active, 0] * gradient[active].abs().amax(dim=1)
        active = active[~done & (scale > _SMALLEST_STEP)]
    best = energy.reshape(-1, tried).argmin(dim=1)
    unfinished = int(
        torch.zeros(len(alphas), dtype=torch.bool)
        .index_fill(0, active, True)
        .reshape(-1, tried)[torch.arange(len(best)), best]
        .sum()
    )
    return alphas.reshape(-1, tried, count)[torch.arange(len(best)), best], unfinished
