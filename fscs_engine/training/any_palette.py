"""How the `any-palette` model is trained: on photographs without truth, and on composites whose alphas are known.

On photographs the exact step closes the decomposition, so that the color that a layer is given beside its palette
color is the residue e = c - Σαp (L_r of the paper is zero by construction). What is made small is that residue (L_a
and the squared form of L_d), the sparsity score, the number of layers that are just visible, and the change of alphas
where the picture does not change. On composites the alphas are drawn to the true ones.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ..evaluation.metrics import FLAT_DIFFERENCE, VISIBLE_ALPHA
from ..host.parameters import MAXIMUM_COLORS
from ..networks.any_palette import AnyPaletteNetwork, coarse_grid, denoise
from ..networks.constants import DENOISE_RADIUS, STRIDE
from ..networks.palette_network import NEAR, PaletteEmbedding, distances, nearest_other, shares_of
from .composites import composite
from .data import Photographs, kmeans_colors, random_crop, random_recoloring
from .losses import sparsity_loss
from .trainer import Samples, TrainingConfig

_PALETTE_PIXELS = 1000
_MOMENTS = 2  # photographs of a batch that are seen a moment later too
_CROWDED_STEADINESS = 20.0  # so much more is steadiness worth among colors that are hardly apart
_JUMPS = 20.0  # and so much more, times the change itself, anywhere: one jump is worse than many small steps
_OTHER_EXPOSURES = 0.25  # of the crops of photographs have another exposure than their palette
_EXPOSURES = (-0.5, 0.3)  # logarithm of the gain
_GAIN = 0.006  # of a moment later: standard deviation,
_EXPOSURE_CHANGES = 0.3  # but in so many of them the exposure changes
_EXPOSURE_CHANGE = 0.04  # by up to so much
_SOFTNESS = (0.0, 0.5, 1.0)  # of so many batches each, see below; of the others anything between
_SHARES = (0.22, 0.4, 0.22)
_SPANS = {"sparsity": 0.06, "visible": 0.06, "torn": 100.0}
"""What a loss weighs at softness 1 over what it weighs at 0; the weights in :class:`AnyPaletteLosses` are for 0.5."""
_CALMING = ("flat", "steady", "torn")
_FULLY_CALM = 0.8
"""From this part of the run on these weigh in full, before in proportion: what follows the picture is learnt before it
is calmed."""


@dataclass(frozen=True)
class AnyPaletteLosses:
    """Weights of the terms at softness 0.5; of what depends on it see ``_SPANS``.

    ``distance`` and ``layer_distance`` weigh the squared residue, in the mean over pixels and in the mean over
    layers (of the alpha-weighted means); ``visible`` a smooth count of the layers above 1 %; ``steady`` the change
    of alphas when the light changes by a level or two and when something else enters the picture; a large change counts
    for more than its size. Where palette colors are hardly apart, ``sparsity`` and ``visible`` count less and
    ``steady`` more.
    """

    alpha: float = 0.3
    distance: float = 6.0
    layer_distance: float = 10.0
    sparsity: float = 0.16
    visible: float = 0.001
    flat: float = 1.0
    absent: float = 3.0
    steady: float = 0.5
    torn: float = 10.0
    truth: float = 8.0
    truth_gradient: float = 10.0

    def at(self, softness: float, done: float) -> dict[str, float]:
        """The weights at a softness from 0 to 1, when a part of the run from 0 to 1 is done."""
        weights = {name: weight * _SPANS.get(name, 1.0) ** (softness - 0.5) for name, weight in asdict(self).items()}
        for name in _CALMING:
            weights[name] *= min(1.0, done / _FULLY_CALM)
        return weights


@dataclass(frozen=True)
class AnyPaletteConfig(TrainingConfig):
    """The settings of the `any-palette` model.

    ``crop`` is what the network sees; the losses are taken in a window of half its side, where everything that
    decides a pixel is seen as it would be in a whole picture. The first steps, ``early`` of all, have crops of half
    that side: they take a third of the time, and what is learnt from many photographs is learnt from as many. Half of
    a batch are composites.
    """

    steps: int = 36_000
    batch: int = 6
    crop: int = 256
    average: float = 0.9985
    beta1: float = 0.9
    widths: tuple[int, int, int] = (16, 32, 64)
    early: float = 0.3
    losses: AnyPaletteLosses = field(default_factory=AnyPaletteLosses)

    @property
    def composites(self) -> int:
        """How many samples of a batch are composites."""
        return self.batch // 2

    def crop_at(self, step: int) -> int:
        """Side of the crops of a step."""
        return self.crop // 2 if step < self.early * self.steps else self.crop

    @property
    def terms(self) -> tuple[str, ...]:
        """See :class:`TrainingConfig`."""
        return tuple(AnyPaletteLosses.__dataclass_fields__)

    def networks(self) -> nn.Module:
        """See :class:`TrainingConfig`."""
        return AnyPaletteNetwork(self.widths)

    def samples(self, photographs: Path) -> Samples:
        """See :class:`TrainingConfig`."""
        return AnyPaletteSamples(self, photographs)

    def loss(self, networks: nn.Module, batch: tuple[Tensor, ...]) -> tuple[Tensor, dict[str, Tensor]]:
        """See :class:`TrainingConfig`."""
        image, palette, absent, changed, same, truth, window, softness, done = batch
        alphas, colors, base = window_alphas(networks, image, palette, window, softness)
        photographs = len(image) - len(truth)
        worth = worth_telling_apart(alphas[:photographs].detach(), palette[:photographs])
        terms = photograph_losses(alphas[:photographs], colors[:photographs], base[:photographs], absent, worth)
        other, _, _ = window_alphas(networks, changed, palette[: len(changed)], window, softness)
        terms["steady"] = steadiness_loss(alphas[: len(changed)], other, worth[: len(changed)], same)
        terms["torn"] = torn_loss(alphas, colors, palette)
        error = alphas[photographs:] - truth
        terms["truth"] = 0.5 * error.abs().sum(dim=1).mean() if len(truth) else error.sum()
        terms["truth_gradient"] = gradient_loss(error) if len(truth) else error.sum()
        weights = self.losses.at(float(softness), float(done))
        total = torch.stack([weights[name] * term for name, term in terms.items()]).sum()
        return total, {name: term.detach() for name, term in terms.items()}

    def metadata(self) -> dict[str, str]:
        """See :class:`TrainingConfig`."""
        return {"architecture": "any-palette", "widths": ",".join(map(str, self.widths))}


def window_alphas(
    networks: nn.Module, image: Tensor, palette: Tensor, window: Tensor, softness: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Alphas (B, K, S/2, S/2) and pixels (B, 3, S/2, S/2) of a window of the crops, and the base colors (B, K, 3).

    Args:
        networks: an :class:`AnyPaletteNetwork`.
        image: (B, 3, S, S) crops.
        palette: (B, K, 3).
        window: (2,) top and left of the window, in cells.
        softness: (1,) in [0, 1], of all.
    """
    if not isinstance(networks, AnyPaletteNetwork):
        raise TypeError(type(networks))
    embedding = networks.embed(palette, softness)
    models = networks.models(coarse_grid(image), palette, embedding.offsets)
    grid, side = models.shape[-1], image.shape[-1] // 2
    spans, inner, wide = [], [], []
    for start in window.tolist():
        first, last = max(0, start - 1), min(grid, start + side // STRIDE + 1)
        spans.append(slice(first, last))
        inner.append(slice((start - first) * STRIDE, (start - first) * STRIDE + side))
        wide.append(slice(first * STRIDE, last * STRIDE))
    near, picture = models[..., spans[0], spans[1]], image[..., wide[0], wide[1]]
    colors, shares = denoise(picture)[..., inner[0], inner[1]], shares_of(palette)
    down, across = (interpolation(near.shape[-2 + axis])[inner[axis]].to(near) for axis in range(2))
    alphas = []
    for one in range(len(image)):  # one after the other: its planes stay in the processor's cache
        own = slice(one, one + 1)
        local = down @ (near[own] @ across.T)
        entry = PaletteEmbedding(*(part[own] for part in embedding))
        alphas.append(networks.pixel_alphas(local.flatten(3), colors[own].flatten(2), entry, shares[own]))
    return torch.cat(alphas).unflatten(2, (side, side)), picture[..., inner[0], inner[1]], embedding.base


@cache
def interpolation(cells: int) -> Tensor:
    """What :func:`upsample` does along one axis, as a matrix (8 · cells, cells): its gradient takes a third as long."""
    scaled = F.interpolate(torch.eye(cells)[None], scale_factor=float(STRIDE), mode="linear", align_corners=False)
    return scaled[0].T.contiguous()


def worth_telling_apart(alphas: Tensor, palette: Tensor) -> Tensor:
    """How much it is worth to have few layers in a pixel: little where its colors are hardly apart.

    alphas (B, K, H, W), palette (B, K, 3) → (B, H, W) in [0, 1].
    """
    nearest = nearest_other(distances(palette))
    return ((alphas * nearest[..., None]).sum(dim=1) / NEAR).square().clamp_max(1.0)


def steadiness_loss(alphas: Tensor, later: Tensor, worth: Tensor, same: Tensor) -> Tensor:
    """What the change of alphas from one moment to the next costs.

    Args:
        alphas: (B, K, H, W).
        later: the same a moment later.
        worth: (B, H, W), see :func:`worth_telling_apart`.
        same: (B, H, W), 1 where the picture shows what it showed, else 0.
    """
    change = 0.5 * (later - alphas).abs().sum(dim=1)
    cost = change * (1.0 + _CROWDED_STEADINESS * (1.0 - worth) + _JUMPS * change)
    return (cost * same).sum() / same.sum().clamp_min(1.0)


def torn_loss(alphas: Tensor, colors: Tensor, palette: Tensor) -> Tensor:
    """:func:`fscs_engine.evaluation.metrics.torn_edges` as a loss, its mean in [0, 1].

    Args:
        alphas: (B, K, H, W).
        colors: (B, 3, H, W), the image.
        palette: (B, K, 3).
    """
    nearest = nearest_other(distances(palette))[..., None]
    terms = []
    for axis in (2, 3):
        change = colors.diff(dim=axis).square().sum(dim=1).clamp_min(1e-10).sqrt()
        jump = (alphas.diff(dim=axis).abs() * nearest).amax(dim=1)
        excess = F.relu(jump - change)
        terms.append(excess.sum() / max(1, excess.numel()))
    return torch.stack(terms).sum()


def gradient_loss(error: Tensor) -> Tensor:
    """Mean of ½ Σ |Δ(α - true α)| over neighbors. (B, K, H, W) → scalar."""
    return torch.stack([0.5 * error.diff(dim=axis).abs().sum(dim=1).mean() for axis in (2, 3)]).sum()


def photograph_losses(alphas: Tensor, colors: Tensor, base: Tensor, absent: Tensor, worth: Tensor) -> dict[str, Tensor]:
    """Every term but ``truth``, unweighted scalars.

    Args:
        alphas: (B, K, H, W).
        colors: (B, 3, H, W), c.
        base: (B, K, 3).
        absent: (B, K), 1 where a palette color is nowhere near the picture's.
        worth: (B, H, W), see :func:`worth_telling_apart`.
    """
    mixed = (base.transpose(1, 2) @ alphas.flatten(2)).view_as(colors)
    residue = colors - mixed
    squared = residue.square().sum(dim=1)
    mass = alphas.sum(dim=(2, 3))
    least = 0.01 * squared[0].numel()  # a layer that is hardly in the crop says little of its variance
    in_layers = (alphas * squared[:, None]).sum(dim=(2, 3)) / mass.clamp_min(least)
    flat_change = torch.zeros((), device=alphas.device)
    pairs = torch.zeros((), device=alphas.device)
    for axis in (2, 3):
        flat = (colors.diff(dim=axis).abs() < FLAT_DIFFERENCE).all(dim=1)
        change = 0.5 * alphas.diff(dim=axis).abs().sum(dim=1)
        flat_change = flat_change + (change * flat).sum()
        pairs = pairs + flat.sum()
    return {
        "alpha": residue.abs().mean(),
        "distance": squared.mean(),
        "layer_distance": (in_layers.sum(dim=1) / (mass > 0).sum(dim=1)).mean(),
        "sparsity": sparsity_loss(alphas, worth),
        "visible": (worth * (alphas / (alphas + VISIBLE_ALPHA)).sum(dim=1)).mean(),
        "flat": flat_change / pairs.clamp_min(1.0),
        "absent": (alphas.mean(dim=(2, 3)) * absent).sum() / absent.sum().clamp_min(1.0),
    }


class AnyPaletteSamples:
    """Batches; K is the same in one of them and changes from step to step.

    image (B, 3, S, S), the P photographs first, then the C composites; palette (B, K, 3); absent (P, K); changed
    (P', 3, S, S), the first P' photographs a moment later, and same (P', S/2, S/2), 1 where nothing else entered;
    truth (C, K, S/2, S/2); window (2,) in cells; softness (1,); done (1,), the part of the run before this step.
    """

    def __init__(self, config: AnyPaletteConfig, photographs: Path) -> None:
        self.config = config
        self.photographs = Photographs(photographs, config.crop)
        self.identity = self.photographs.identity

    def batch(self, step: int) -> tuple[Tensor, ...]:
        """See :class:`Samples`."""
        crop, composites = self.config.crop_at(step), self.config.composites
        rng = np.random.default_rng([self.config.seed, 2, step])
        colors = _random_count(rng)
        photos = [self.photographs.photo(rng) for _ in range(2)]  # reading them costs most: each gives several crops
        images, palettes, absent, truths = [], [], [], []
        for number in range(self.config.batch - composites):
            contrast = _random_contrast(0.15 if number else 0.5, rng)
            image, palette, missing = _photograph_sample(photos[number % 2], crop, colors, contrast, rng)
            images.append(image)
            palettes.append(palette)
            absent.append(missing)
        textures = [_unit(random_crop(photo, crop, rng)) for photo in photos]
        window = rng.integers(crop // 2 // STRIDE + 1, size=2)
        top, left = (int(start) * STRIDE for start in window)
        for _ in range(composites):
            layers = int(rng.integers(min(2, colors), min(colors, 6) + 1))
            image, palette, alphas = composite(textures, layers, colors - layers, rng)
            images.append(image)
            palettes.append(palette)
            truths.append(alphas[:, top : top + crop // 2, left : left + crop // 2])
        seen_again = range(min(_MOMENTS, len(absent)))
        moments = [_moment_later(images[n], images[n - 1], rng) for n in seen_again]
        changed = np.stack([moment[0] for moment in moments])
        same = np.stack([moment[1][top : top + crop // 2, left : left + crop // 2] for moment in moments])
        truth = np.stack(truths) if truths else np.zeros((0, colors, crop // 2, crop // 2), np.float32)
        asked = rng.choice((*_SOFTNESS, rng.random()), p=(*_SHARES, 1.0 - sum(_SHARES)))
        softness = np.array([asked], np.float32)
        done = np.array([step / self.config.steps], np.float32)
        arrays = (np.stack(images), np.stack(palettes), np.stack(absent), changed, same, truth, window, softness, done)
        return tuple(torch.from_numpy(np.ascontiguousarray(array)) for array in arrays)


def _random_count(rng: np.random.Generator) -> int:
    """K of a step: often 7, the default; seldom many, since they cost most."""
    draw = rng.random()
    if draw < 0.35:
        return 7
    return int(rng.integers(2, 11)) if draw < 0.92 else int(rng.integers(11, MAXIMUM_COLORS + 1))


def _random_contrast(faded: float, rng: np.random.Generator) -> float:
    """1, or with probability ``faded`` less: fog, an empty road."""
    return float(np.exp(rng.uniform(np.log(0.08), np.log(0.5)))) if rng.random() < faded else 1.0


def _photograph_sample(
    photo: NDArray[np.uint8], crop: int, colors: int, contrast: float, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """A crop (3, S, S), a palette (K, 3) in random order, and which of its colors are nowhere near (K,)."""
    recolor = random_recoloring(rng)
    square = random_crop(photo, crop, rng)
    source = (square if rng.random() < 0.4 else photo).reshape(-1, 3)
    pixels = recolor(source[rng.integers(len(source), size=_PALETTE_PIXELS)])
    image = recolor(square)
    if contrast < 1.0:
        fog = rng.uniform(0.1, 0.9) * (1.0 - contrast)
        pixels, faded = (_unit(np.round((fog + contrast * seen) * 255).astype(np.uint8)) for seen in (pixels, image))
        if rng.random() < 0.5:  # something near stands clear of the fog
            edge = int(rng.integers(crop // 16, crop // 3))
            faded[:, :edge] = image[:, :edge]
            pixels = faded.reshape(-1, 3)[rng.integers(crop * crop, size=_PALETTE_PIXELS)]
        image = faded
    if rng.random() < _OTHER_EXPOSURES:  # the light has changed since the palette was made
        gain = math.exp(rng.uniform(*_EXPOSURES))
        image = _unit(np.round(np.clip(gain * image, 0.0, 1.0) * 255).astype(np.uint8))
    kind = rng.random()
    palette = pixels[rng.integers(len(pixels), size=colors)].astype(np.float64)  # as picked by hand
    if kind > 0.1:
        found = kmeans_colors(pixels, colors, rng)
        palette[: len(found)] = found
    if rng.random() < 0.1:
        palette += rng.normal(0.0, 0.03, palette.shape)
    if rng.random() < 0.1 and colors > 1:  # two that are nearly one
        palette[0] = palette[1] + rng.normal(0.0, 0.01, 3)
    absent = np.zeros(colors, np.float32)
    if rng.random() < 0.35 and colors > 1:
        palette[0] = rng.random(3).round(int(rng.integers(2)))  # half of them corners of the cube
        apart = np.linalg.norm(image.reshape(-1, 3)[::17] - palette[0], axis=1).min()
        absent[0] = float(apart > 0.2)
    order = rng.permutation(colors)
    ready = np.clip(palette[order], 0.0, 1.0).astype(np.float32)
    return np.ascontiguousarray(image.transpose(2, 0, 1)), ready, absent[order]


def _moment_later(
    image: NDArray[np.float32], other: NDArray[np.float32], rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A crop in slightly other light with something else in it (3, S, S), and 1 where nothing entered (S, S)."""
    side = image.shape[1]
    light = rng.normal(0.0, 1.5 / 255) + rng.normal(0.0, 0.5 / 255, (3, 1, 1))
    exposed = rng.random() < _EXPOSURE_CHANGES
    gain = rng.uniform(-_EXPOSURE_CHANGE, _EXPOSURE_CHANGE) if exposed else rng.normal(0.0, _GAIN)
    changed: NDArray[np.float32] = (image * (1.0 + gain) + light).astype(np.float32)
    if rng.random() < 0.5:
        changed += rng.normal(0.0, rng.uniform(0.0, 1.5) / 255, image.shape).astype(np.float32)
    same = np.ones((side, side), np.float32)
    height, width = (int(length) for length in rng.integers(side // 8, side // 2, size=2))
    top, left = int(rng.integers(side - height)), int(rng.integers(side - width))
    inside = (slice(top, top + height), slice(left, left + width))
    flat = rng.random((3, 1, 1)) if rng.random() < 0.5 else other[(slice(None), *inside)]
    changed[(slice(None), *inside)] = flat
    near = 2 * DENOISE_RADIUS  # the denoised picture differs up to there
    same[max(0, top - near) : top + height + near, max(0, left - near) : left + width + near] = 0.0
    return np.clip(changed, 0.0, 1.0).astype(np.float32), same


def _unit(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    return pixels.astype(np.float32) / np.float32(255)
