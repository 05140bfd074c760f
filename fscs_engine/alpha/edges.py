"""Erode, dilate and blur of mattes, and how the other layers take up the difference.

A matte looks at its neighborhood: a disc for erode and dilate, a Gaussian for blur. What it gains is taken from the
other layers in proportion to their alphas; what it loses goes to those that are near, as far as the matte itself looks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from ..host.parameters import ALPHA_FLOOR


def reach(erode: float, blur: float) -> int:
    """How many pixels away a pixel can still change the result."""
    return math.ceil(abs(erode)) + _window(blur)


def _window(blur: float) -> int:
    return math.ceil(3 * blur)


def edit_edges(alphas: Tensor, edits: Mapping[int, tuple[float, float]]) -> Tensor:
    """Erodes and blurs some of the mattes, all from the same alphas, so that the order of layers changes nothing.

    Args:
        alphas: (K, H, W) ≥ 0, adding to 1 along K.
        edits: for layers, from 0, the pixels to erode by (below 0 dilate) and then the standard deviation of the blur.

    Returns:
        (K, H, W) ≥ 0, adding to 1 along K.
    """
    edited = alphas.clone()
    for layer, (erode, blur) in edits.items():
        alpha, others = alphas[layer], alphas.clone()
        others[layer] = 0.0
        matte = -dilated(-alpha[None], erode) if erode > 0 else dilated(alpha[None], -erode)
        gained = blurred(matte, blur)[0] - alpha
        if erode > 0 or blur > 0:
            near = blurred(dilated(others, max(erode, 0.0)), blur)
            others = torch.where(gained > 0, others, near)
        total = others.sum(dim=0)
        edited[layer] += gained
        edited -= others * (gained / torch.where(total > 0, total, 1.0))
    edited = torch.where(edited < ALPHA_FLOOR, 0.0, edited)
    return edited / edited.sum(dim=0)


def dilated(planes: Tensor, radius: float) -> Tensor:
    """The largest value in the disc around each pixel, cut at the border. (K, H, W) → the same.

    A fraction of a pixel mixes the discs of both whole radii.
    """
    whole = math.floor(radius)
    near = _largest(planes, whole)
    return near if whole == radius else torch.lerp(near, _largest(planes, whole + 1), radius - whole)


def _largest(planes: Tensor, radius: int) -> Tensor:
    """Rows from the disc's edge to its middle: the window of a row only grows."""
    height, width = planes.shape[1:]
    padded = F.pad(planes, (radius,) * 4, value=-torch.inf)
    rows, half = padded[:, :, radius : radius + width].clone(), 0
    result = planes.clone()
    for down in range(radius, -1, -1):
        while (half + 1) ** 2 + down**2 <= radius * (radius + 1):  # within half a pixel of the radius
            half += 1
            for left in (radius - half, radius + half):
                torch.maximum(rows, padded[:, :, left : left + width], out=rows)
        for top in (radius - down, radius + down):
            torch.maximum(result, rows[:, top : top + height], out=result)
    return result


def blurred(planes: Tensor, deviation: float) -> Tensor:
    """A Gaussian of a standard deviation in pixels; the border goes on as it is. (K, H, W) → the same."""
    radius = _window(deviation)
    weights = [math.exp(-0.5 * (away / deviation) * (away / deviation)) for away in range(radius + 1 if radius else 0)]
    whole = 2 * sum(weights) - 1
    for dim in (1, 2) if radius else ():
        padded = F.pad(planes, (0, 0, radius, radius) if dim == 1 else (radius, radius, 0, 0), mode="replicate")
        planes = planes * (1 / whole)
        for away, weight in enumerate(weights[1:], 1):
            for first in (radius - away, radius + away):
                planes.add_(padded.narrow(dim, first, planes.shape[dim]), alpha=weight / whole)
    return planes
