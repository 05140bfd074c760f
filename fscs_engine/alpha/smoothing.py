"""The guided filter (He, Sun, Tang, ECCV 2010), the paper's smoothing of the alphas (§4.4, §5.4).

The released code's box sums run over the whole picture in float32 and break with its size. Here they are
differences of float64 running sums within the rows at hand, or float32 windows where a device has no float64.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

LUMA = (0.299, 0.587, 0.114)
"""Weights of the gray guide, as in the released code (Rec.601)."""


def reach(radius: int) -> int:
    """How many pixels away a pixel can still change the result: two windows."""
    return 2 * radius


def gray(image: Tensor) -> Tensor:
    """The guide. image (3, H, W) sRGB in [0, 1] → (H, W)."""
    weights = torch.tensor(LUMA, dtype=image.dtype, device=image.device)
    return torch.einsum("c,chw->hw", weights, image)


def guided_filter(guide: Tensor, source: Tensor, radius: int, eps: float) -> Tensor:
    """Smooths planes along the edges of a guide.

    Args:
        guide: (H, W) in [0, 1].
        source: (K, H, W), filtered plane by plane.
        radius: of the window, in pixels; windows end at the picture's border. 0 returns ``source``.
        eps: variance of the guide below which a window counts as flat.

    Returns:
        (K, H, W), not clamped: next to strong edges values can leave the source's range.
    """
    if radius == 0:
        return source
    wide = torch.float32 if guide.device.type == "mps" else torch.float64
    guide = guide.to(wide) - 0.5  # around 0 the differences of means below lose least
    count = box_sum(torch.ones_like(guide), radius)
    mean_guide = box_sum(guide, radius) / count
    variance = box_sum(guide * guide, radius) / count - mean_guide * mean_guide
    planes = []
    for plane in source:  # one at a time: the wide intermediates are several times a plane
        p = plane.to(wide) - 0.5
        mean = box_sum(p, radius) / count
        covariance = box_sum(guide * p, radius) / count - mean_guide * mean
        a = covariance / (variance + eps)
        b = mean - a * mean_guide
        filtered = (box_sum(a, radius) * guide + box_sum(b, radius)) / count + 0.5
        planes.append(filtered.to(source.dtype))
    return torch.stack(planes)


def box_sum(plane: Tensor, radius: int) -> Tensor:
    """Sum over the (2 radius + 1)² window around each pixel, cut at the border. (H, W) → (H, W)."""
    if plane.dtype == torch.float64:
        return _running_sum(_running_sum(plane, radius, 1), radius, 0)
    size = 2 * radius + 1
    rows = F.avg_pool2d(plane[None, None], (1, size), 1, (0, radius), divisor_override=1)
    return F.avg_pool2d(rows, (size, 1), 1, (radius, 0), divisor_override=1)[0, 0]


def _running_sum(plane: Tensor, radius: int, dim: int) -> Tensor:
    length = plane.shape[dim]
    running = plane.cumsum(dim)
    last = torch.arange(length, device=plane.device)
    upper = running.index_select(dim, (last + radius).clamp_max(length - 1))
    before = last - radius - 1
    lower = running.index_select(dim, before.clamp_min(0))
    shape = [1, 1]
    shape[dim] = length
    return upper - lower * (before >= 0).view(shape)
