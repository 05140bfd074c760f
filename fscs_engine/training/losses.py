"""The losses of the paper's §4.4 (Eq. 6 to 9), each of which can be switched off for the ablations of Table 1.

Differences between the paper's text and the released code, and what is taken here:

- L_r and L_a are means of absolute differences over pixels and channels (both).
- L_d is ``sum a * norm2(p - u)`` in the text and ``sum a * squared norm`` in the code. The squared form is the
  default: with the plain norm and the paper's λ_d = 0.5 a residue costs as much as the error that it mends,
  so that nothing is reconstructed. ``distance="norm"`` gives the text's.
- The clip to [0, 1] stands inside the losses, as in the code.
- The sparsity loss has weight 0, as in the text; the code's default is 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class LossWeights:
    """Weights of Eq. 9 and of the two terms beside it. A weight of 0 is the ablation "w/o" of Table 1."""

    reconstruction: float = 1.0
    alpha: float = 1.0
    distance: float = 0.5
    sparsity: float = 0.0
    centering: float = 0.5
    distance_form: Literal["squared", "norm"] = "squared"


def recomposition(alphas: Tensor, colors: Tensor) -> Tensor:
    """Eq. 1. alphas (B, K, H, W), colors (B, K, 3, H, W) or (B, K, 3, 1, 1) → (B, 3, H, W)."""
    return (alphas[:, :, None] * colors).sum(dim=1)


def reconstruction_loss(alphas: Tensor, colors: Tensor, image: Tensor) -> Tensor:
    """Eq. 6 with the layer colors, Eq. 7 with the palette colors. Returns a scalar."""
    return F.l1_loss(recomposition(alphas, colors), image)


def distance_loss(alphas: Tensor, residues: Tensor, form: str) -> Tensor:
    """Eq. 8. alphas (B, K, H, W), residues u - p (B, K, 3, H, W) → scalar, mean over pixels."""
    squared = residues.square().sum(dim=2)
    distance = squared if form == "squared" else (squared + 1e-12).sqrt()
    return (alphas * distance).sum(dim=1).mean()


def sparsity_loss(alphas: Tensor, weights: Tensor | float = 1.0) -> Tensor:
    """Eq. 10, mean over pixels. alphas (B, K, H, W), adding to 1, weights of pixels (B, H, W) → scalar."""
    return (weights * (alphas.sum(dim=1) / alphas.square().sum(dim=1).clamp_min(1e-12) - 1)).mean()


def centering_loss(alphas: Tensor, residues: Tensor, applies: Tensor) -> Tensor:
    """How far a layer's mean color lies from its palette color: the zero-centering that needs no frame.

    The mean residue of each layer, weighted by alpha, is drawn to zero in training; at inference nothing is
    subtracted, so a pixel does not depend on the rest of the frame. ``applies`` (B,) is 1 where the palette was
    made from this very crop (elsewhere the crop's mean has no reason to be the palette color).
    """
    mass = alphas.sum(dim=(2, 3))[..., None]  # B, K, 1
    mean = (alphas[:, :, None] * residues).sum(dim=(3, 4)) / mass.clamp_min(1.0)
    share = mass[..., 0] / alphas[0, 0].numel()
    return ((share * mean.abs().sum(dim=2)).sum(dim=1) * applies).mean()


def total_loss(
    alphas: Tensor, residues: Tensor, palette: Tensor, image: Tensor, crop_palette: Tensor, weights: LossWeights
) -> tuple[Tensor, dict[str, Tensor]]:
    """Eq. 9.

    Args:
        alphas: (B, K, H, W), normalized (Eq. 5).
        residues: (B, K, 3, H, W) as predicted (and centered, where that is asked for).
        palette: (B, K, 3) sRGB in [0, 1].
        image: (B, 3, H, W) sRGB in [0, 1].
        crop_palette: (B,), 1 where the palette was made from the crop, else 0.
        weights: the weights; a term of weight 0 is left out of the sum.

    Returns:
        The sum, and every term unweighted and detached, for the curves.
    """
    p = palette[..., None, None]
    u = (p + residues).clamp(0.0, 1.0)
    terms = {
        "reconstruction": reconstruction_loss(alphas, u, image),
        "alpha": reconstruction_loss(alphas, p, image),
        "distance": distance_loss(alphas, u - p, weights.distance_form),
        "sparsity": sparsity_loss(alphas),
        "centering": centering_loss(alphas, u - p, crop_palette),
    }
    total = torch.zeros((), device=image.device)
    for name, term in terms.items():
        weight = getattr(weights, name)
        if weight:
            total = total + weight * term
    return total, {name: term.detach() for name, term in terms.items()}
