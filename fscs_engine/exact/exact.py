"""The exact step: colors that add up to the picture whatever the alphas are (paper Eq. 1 as a hard constraint)."""

from __future__ import annotations

import torch
from torch import Tensor

from ..host.parameters import MAXIMUM_COLORS


def exact_colors(alphas: Tensor, colors: Tensor, target: Tensor, in_gamut: Tensor | None) -> Tensor:
    """Moves layer colors so that Σ αu = c.

    With Σα = 1, adding e = c - Σαu to every visible layer's color gives Σαu = c. Where colors are bound to
    [0, 1], e is spread over the layers that can still move, clipped, and again; in each round a layer reaches
    its bound or the error is gone, so K rounds are enough (u = c is feasible).

    Args:
        alphas: (K, H, W) in [0, 1], adding to 1.
        colors: (K, 3, H, W) straight; changed in place. In [0, 1] where ``in_gamut``.
        target: (3, H, W) straight c in the same space.
        in_gamut: (H, W) bool, true where c is display-referred in [0, 1]; None: nowhere.

    Returns:
        ``colors``.
    """
    error = target - recompose(alphas, colors)
    visible = alphas > 0
    if in_gamut is None:
        for color, seen in zip(colors, visible, strict=True):
            color += torch.where(seen, error, 0.0)
        return colors
    for _ in range(len(colors) + 1):
        # The room of a layer: can it still move towards the error? Free pixels (not in gamut) always can.
        room = torch.zeros_like(error)
        for color, alpha in zip(colors, alphas, strict=True):
            room += alpha * _can_move(color, error, in_gamut)
        step = error / torch.where(room > 0, room, 1.0)
        for color, seen in zip(colors, visible, strict=True):
            moved = color + step * (_can_move(color, error, in_gamut) & seen)
            color.copy_(torch.where(in_gamut, moved.clamp(0.0, 1.0), moved))
        error = target - recompose(alphas, colors)
        if error.device.type == "cpu" and not bool((error.abs() > 1e-7).any()):
            break  # elsewhere asking would wait for the device; further rounds do no harm
    return colors


def in_gamut_colors(alphas: Tensor, base: Tensor, image: Tensor) -> Tensor:
    """:func:`exact_colors` in operations that export, bound to [0, 1] and from the base colors on.

    There, in every round each layer that can still move moves by the same step, so all in all each color moves by
    the same t as far as its bound: u = clip(b + t, 0, 1), with one t a pixel and channel. Only t is kept.

    Args:
        alphas: (1, K, H, W) in [0, 1], adding to 1.
        base: (K, 3) in [0, 1].
        image: (1, 3, H, W) in [0, 1].

    Returns:
        Straight colors u (1, K, 3, H, W) in [0, 1] with Σαu = image; those of layers with alpha 0 mean nothing.
    """
    weights, start = alphas[:, :, None], base[None, :, :, None, None]
    moved = torch.zeros_like(image)
    colors = start + moved[:, None]
    error = image - (weights * colors).sum(dim=1)
    for _ in range(MAXIMUM_COLORS + 1):
        # The room of a layer: can it still move towards the error?
        distance = torch.where((error > 0)[:, None], 1.0 - colors, colors)
        room = (weights * (distance > 0)).sum(dim=1)
        moved = moved + error / torch.where(room > 0, room, torch.ones_like(room))
        colors = (start + moved[:, None]).clamp(0.0, 1.0)
        error = image - (weights * colors).sum(dim=1)
    return colors


def _can_move(color: Tensor, error: Tensor, in_gamut: Tensor) -> Tensor:
    return torch.where(error > 0, color < 1.0, color > 0.0) | ~in_gamut


def recompose(alphas: Tensor, colors: Tensor) -> Tensor:
    """Eq. 1, layer by layer. alphas (K, H, W), colors (K, 3, H, W) → (3, H, W)."""
    total = torch.zeros_like(colors[0])
    for alpha, color in zip(alphas, colors, strict=True):
        total += alpha * color
    return total


def absorb_rounding(layers: Tensor, target: Tensor, alphas: Tensor) -> Tensor:
    """Gives the rounding that is left to the layer with the most alpha, in the sums a compositor will make.

    Args:
        layers: (K, H, W, 4) float32 premultiplied; changed in place.
        target: (H, W, 4) float32 premultiplied, what the layers are to add up to, layer 1 first.
        alphas: (K, H, W), which layer is the heaviest.

    Returns:
        (H, W, 4), what is still missing after that.
    """
    heaviest = alphas.argmax(dim=0)
    error = target - sum_layers(layers)
    for _ in range(2):
        for number, layer in enumerate(layers):
            layer += torch.where((heaviest == number)[..., None], error, 0.0)
        error = target - sum_layers(layers)
    return error


def sum_layers(layers: Tensor) -> Tensor:
    """The plain sum, layer 1 first, in the layers' own precision. (K, H, W, 4) → (H, W, 4)."""
    total = layers[0].clone()
    for layer in layers[1:]:
        total += layer
    return total
