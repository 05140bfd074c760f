"""How the `paper` model is trained (paper §4.4): its two U-Nets together, on crops with palettes made on the fly.

Adam with β = (0, 0.99) as the paper has it. Its learning rate of 0.2 diverges (the released code has 1e-3); 2e-3 is
taken.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import UsageError
from ..networks.unet import AlphaPredictor, ResiduePredictor, SinglePredictor
from .data import PhotoCrops, Sample
from .losses import LossWeights, total_loss
from .trainer import Samples, TrainingConfig


@dataclass(frozen=True)
class PaperConfig(TrainingConfig):
    """The settings of the `paper` model. The ablations of Table 1 are values of these fields.

    ``zero_centering``: ``penalty`` draws each layer's mean residue to zero by a loss; ``image-mean`` subtracts
    the crop's mean as the released code does; ``none`` is the ablation. ``freeze_batch_norm`` keeps the statistics of
    the weights that the run starts from: those of one batch are not what the networks are used with.
    """

    steps: int = 8_000
    batch: int = 16
    crop: int = 64
    colors: int = 7
    skip: bool = True
    single_network: bool = False
    zero_centering: Literal["penalty", "image-mean", "none"] = "penalty"
    freeze_batch_norm: bool = False
    losses: LossWeights = field(default_factory=LossWeights)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.colors < 1:
            raise UsageError(f"colors {self.colors}", cure="--colors is at least 1")

    @property
    def terms(self) -> tuple[str, ...]:
        """See :class:`TrainingConfig`."""
        return ("reconstruction", "alpha", "distance", "sparsity", "centering")

    def networks(self) -> nn.Module:
        """See :class:`TrainingConfig`."""
        return PaperNetworks(self)

    def samples(self, photographs: Path) -> Samples:
        """See :class:`TrainingConfig`."""
        return PaperSamples(self, photographs)

    def loss(self, networks: nn.Module, batch: tuple[Tensor, ...]) -> tuple[Tensor, dict[str, Tensor]]:
        """See :class:`TrainingConfig`."""
        image, palette, crop_palette = batch
        alphas, residues = networks(image, palette)
        weights = self.losses if self.zero_centering == "penalty" else replace(self.losses, centering=0.0)
        return total_loss(alphas, residues, palette, image, crop_palette, weights)

    def metadata(self) -> dict[str, str]:
        """See :class:`TrainingConfig`."""
        return {
            "architecture": "paper",
            "colors": str(self.colors),
            "centering": "chart" if self.zero_centering == "image-mean" else "none",
            "skip": str(self.skip).lower(),
            "single_network": str(self.single_network).lower(),
        }


class PaperSamples:
    """Batches of crops with their palettes: image (B, 3, S, S), palette (B, K, 3), whether it is the crop's (B,)."""

    def __init__(self, config: PaperConfig, photographs: Path) -> None:
        self.crops = PhotoCrops(photographs, config.crop, config.colors, config.seed)
        self.size = config.batch
        self.identity = self.crops.identity

    def batch(self, step: int) -> tuple[Tensor, ...]:
        """See :class:`Samples`."""
        samples: list[Sample] = self.crops.samples(step * self.size, self.size)
        return (
            torch.from_numpy(np.stack([s.image for s in samples])),
            torch.from_numpy(np.stack([s.palette for s in samples])),
            torch.tensor([float(s.crop_palette) for s in samples]),
        )


class PaperNetworks(nn.Module):
    """The two U-Nets, trained together (or the one of the ablation)."""

    def __init__(self, config: PaperConfig) -> None:
        super().__init__()
        self.zero_centering = config.zero_centering
        self.freeze_batch_norm = config.freeze_batch_norm
        self.single: SinglePredictor | None = None
        if config.single_network:
            self.single = SinglePredictor(config.colors, config.skip)
        else:
            self.alpha = AlphaPredictor(config.colors, config.skip)
            self.residue = ResiduePredictor(config.colors, config.skip)

    def train(self, mode: bool = True) -> PaperNetworks:
        """See :meth:`torch.nn.Module.train`; frozen statistics are neither those of a batch nor changed by it."""
        super().train(mode)
        if self.freeze_batch_norm:
            for module in self.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self

    def forward(self, image: Tensor, palette: Tensor) -> tuple[Tensor, Tensor]:
        """image (B, 3, H, W), palette (B, K, 3) → alphas (B, K, H, W) adding to 1, residues (B, K, 3, H, W)."""
        if self.single is not None:
            raw, residues = self.single(image, palette)
            alphas = normalize(raw)
        else:
            alphas = normalize(self.alpha(image, palette))
            residues = self.residue(image, palette, alphas)
        if self.zero_centering == "image-mean":
            residues = residues - residues.mean(dim=(3, 4), keepdim=True)
        return alphas, residues


def normalize(raw: Tensor) -> Tensor:
    """Eq. 5, for the positive alphas of a sigmoid. (B, K, H, W) → (B, K, H, W)."""
    return raw / (raw.sum(dim=1, keepdim=True) + 1e-8)
