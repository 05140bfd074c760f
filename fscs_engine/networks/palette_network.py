"""What the palette alone decides in the `any-palette` network: the same in every frame and every tile."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..host.parameters import MAXIMUM_COLORS

NEAR = 0.08
"""Palette colors that are nearer than this share their alphas, see :func:`shares_of`."""

_FEATURES, _WIDTH = 19, 40
_OFF_LINES = 0.12  # from there on a color is hardly taken for a mixture
_WIDENING, _LARGEST_MOVE = 0.05, 0.1  # of base colors
_LARGEST_LOG_SCALE = 2.0  # logarithm of a factor


class PaletteEmbedding(NamedTuple):
    """What the palette alone decides: the same in every frame and every tile.

    Attributes:
        base: (B, K, 3) sRGB in [0, 1], the base colors, which the layers lie about.
        offsets: (B, K, C) of each entry's planes in the network's first block.
        sizes: (B, T) factors of the gradient steps.
        sharpening: (B, T) ≥ 0.
        tolerances: (B, F) > 0, of the fitting steps.
        prior: (B, 1) ≥ 0, weight of the logits in the gradient steps.
    """

    base: Tensor
    offsets: Tensor
    sizes: Tensor
    sharpening: Tensor
    tolerances: Tensor
    prior: Tensor


class PaletteNetwork(nn.Module):
    """Reads the palette as a set (Zaheer et al. 2017).

    Palette colors are mostly means of areas, so half of each area is beyond all their mixtures: base colors lie
    further apart. And a palette says what its mixtures mean: where every color is off the lines between the others, a
    color in between is a soft edge or a veil, and what differs within a layer is its surface; where colors follow
    each other as shades, it is one more shade.

    Args:
        planes: C, how many offsets each entry gets.
        log_scales: how many factors the palette as a whole gets.
    """

    def __init__(self, planes: int, log_scales: int) -> None:
        super().__init__()
        width = _WIDTH
        self.stem = nn.Linear(_FEATURES, width)
        self.hidden = nn.Linear(2 * width, width)
        self.head = nn.Linear(width, 4)
        self.plain_offsets = nn.Linear(_FEATURES, planes)
        self.offsets = nn.Linear(width, planes, bias=False)
        self.log_scales = nn.Linear(2 * width, log_scales)
        for layer in (self.head, self.log_scales):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        nn.init.zeros_(self.offsets.weight)

    def forward(self, palette: Tensor, softness: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, K, 3), (B,) → base colors (B, K, 3), offsets (B, K, C), logarithms of factors (B, log_scales)."""
        inputs = palette_features(palette, softness)
        own = F.relu(self.stem(inputs))
        own = F.relu(self.hidden(torch.cat((own, own.mean(dim=1, keepdim=True).expand_as(own)), dim=2)))
        moves = self.head(own)
        out = palette - palette.mean(dim=1, keepdim=True)
        base = palette + _WIDENING * (1.0 + moves[..., :1]) * out + _LARGEST_MOVE * torch.tanh(moves[..., 1:])
        offsets = self.plain_offsets(inputs) + self.offsets(own)
        log_scales = self.log_scales(torch.cat((own.mean(dim=1), own.amax(dim=1)), dim=1))
        return base.clamp(0.0, 1.0), offsets, _LARGEST_LOG_SCALE * torch.tanh(log_scales)


def palette_features(palette: Tensor, softness: Tensor) -> Tensor:
    """What the network for the palette sees of each entry. (B, K, 3), (B,) or (1,) in [0, 1] → (B, K, 19)."""
    count = palette.shape[1]
    mean = palette.mean(dim=1, keepdim=True)
    out = palette - mean
    apart = distances(palette)
    unmixed = torch.tanh(off_lines(palette) / _OFF_LINES)
    spread = out.square().mean(dim=1, keepdim=True).clamp_min(1e-8).sqrt()
    length = out.square().sum(dim=2, keepdim=True).clamp_min(1e-8).sqrt()
    size = torch.ones_like(length) * (count / MAXIMUM_COLORS)
    common = torch.cat((mean, spread, unmixed.amin(dim=1, keepdim=True)), dim=2).expand(-1, count, -1)
    own = (palette, out, length, nearest_other(apart), apart.mean(dim=2, keepdim=True), size, unmixed)
    asked = (8.0 * softness - 4.0)[:, None, None].expand(palette.shape[0], count, 1)
    return torch.cat((*own, common, asked), dim=2)


def distances(palette: Tensor) -> Tensor:
    """How far each entry is from each other. (B, K, 3) → (B, K, K).

    ``torch.cdist`` becomes another formula in ONNX files, which is off by 1e-6 and by more where colors are near.
    """
    return (palette[:, :, None] - palette[:, None]).square().sum(dim=3).sqrt()


def nearest_other(apart: Tensor) -> Tensor:
    """How far each entry is from the nearest other.

    :func:`distances` (B, K, K) → (B, K, 1), at most 1, which is also what a color has that has no others.
    """
    return (apart + 2.0 * _itself(apart)).amin(dim=2, keepdim=True).clamp_max(1.0)


def off_lines(palette: Tensor) -> Tensor:
    """How far each entry is from the nearest line between two others.

    (B, K, 3) → (B, K, 1), at most 1, which is also what a color has that has no others.
    """
    itself = 2.0 * _itself(palette)
    lines = palette[:, None] - palette[:, :, None]  # B, from, to, 3
    squared = lines.square().sum(dim=3).clamp_min(1e-8)
    apart = palette[:, :, None] - palette[:, None]  # B, entry, from, 3
    along = torch.einsum("niax,nacx->niac", apart, lines) / squared[:, None]
    off = apart[:, :, :, None] - along.clamp(0.0, 1.0)[..., None] * lines[:, None]
    away = off.square().sum(dim=4).clamp_min(1e-8).sqrt() + itself[:, :, :, None] + itself[:, :, None]
    return away.flatten(2).amin(dim=2, keepdim=True).clamp_max(1.0)


def _itself(entries: Tensor) -> Tensor:
    """(B, K, …) → (B, K, K), whether two entries are one and the same; for exports K may be unknown."""
    number = torch.ones_like(entries[..., 0]).cumsum(dim=1)
    return number[:, :, None] == number[:, None]


def shares_of(palette: Tensor) -> Tensor:
    """How palette colors that are hardly apart share their alphas, as equal ones share them equally.

    What belongs to which of them can't be seen: a level of light would throw whole areas from one layer to the other.
    Three times over, so that in a row of shades those that are up to three links apart share too.

    Args:
        palette: (B, K, 3).

    Returns:
        (B, K, K): which part of the alpha of the second each first one has, adding to 1 over the first. The identity
        where no two colors are near.
    """
    nearness = (1.0 - (distances(palette) / NEAR) ** 4).clamp_min(0.0)
    shares = nearness / nearness.sum(dim=1, keepdim=True)
    return shares @ shares @ shares
