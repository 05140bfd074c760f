"""The exact step of a picture: layers that add up to it in a working space, of any rows at a time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..color import SRGB, ColorSpaces, association, highlight_gain, layer_colors, straight
from ..errors import RangeError
from ..image import Image
from ..runtime.threads import over_rows
from .exact import absorb_rounding, exact_colors
from .exact_loops import layer_rows

_BLOCK = 32  # rows that a thread takes at a time


class ExactLayers:
    """Makes the layers of one picture from alphas and colors.

    Args:
        image: the picture.
        base: (K, 3) sRGB in [0, 1], the colors that the layers lie about; None where each pixel has its own.
        spaces: for the conversions.
        device: of the tensors.
        clip: see :meth:`fscs_engine.segmenter.Segmenter.strips`.
    """

    def __init__(
        self, image: Image, base: NDArray[np.float32] | None, spaces: ColorSpaces, device: torch.device, clip: bool
    ) -> None:
        self._image, self._base, self._spaces = image, base, spaces
        self._device, self._clip = device, clip
        self._bright: bool | None = None  # whether anything is above 1

    @torch.no_grad()
    def write(self, top: int, alphas: Tensor, colors: Tensor, space: str, out: NDArray[np.float32]) -> float:
        """Makes the layers of some rows in one working space.

        Args:
            top: first row.
            alphas: (K, h, W) in [0, 1], adding to 1.
            colors: (K, 3, h, W) straight sRGB in [0, 1].
            space: the working space.
            out: (K, h, W, 4) float32 premultiplied, written.

        Returns:
            The largest error relative to the largest of 1 and the pixel's |channels|.

        Raises:
            RangeError: a color or layer is beyond the numbers of float32.
        """
        if self._device.type == "cpu" and self._base is not None and self._is_proportional(space):
            error = self._by_loops(top, alphas.numpy(), self._base, space, out)
        else:
            error = self._by_tensors(top, alphas, colors, space, out)
        if not math.isfinite(error):
            raise RangeError(
                f"rows {top} to {top + alphas.shape[1]}: layers do not fit float32",
                cure="use --precision float32, or less extreme values",
            )
        return error

    def _is_proportional(self, space: str) -> bool:
        """Whether a highlight's gain multiplies colors of the space, or there is no highlight at all."""
        spaces = self._spaces
        if self._bright is None:
            self._bright = bool((straight(self._image.pixels) > 1).any())
        return spaces.is_linear(space) or (self._image.color_space == SRGB and not self._bright)

    def _converted(self, base: NDArray[np.float32], space: str) -> NDArray[np.float32]:
        """The colors that the layers lie about in a working space, (K, 3)."""
        return layer_colors(base[:, None, None], np.ones((1, 1), np.float32), space, self._spaces)[:, 0, 0]

    def _by_loops(
        self,
        top: int,
        alphas: NDArray[np.float32],
        base: NDArray[np.float32],
        space: str,
        out: NDArray[np.float32],
    ) -> float:
        """:meth:`write` for layers of one color each."""
        base = self._converted(base, space)

        def work(first: int, last: int) -> float:
            goal = self._goal(top + first, top + last, space)
            planes = (goal.gain, goal.target, goal.total, goal.associated)
            part, opacity = slice(first, last), goal.total[..., 3]
            return float(layer_rows(alphas[:, part], base, *planes, opacity, goal.in_gamut, out[:, part]))

        errors = over_rows(work, 0, alphas.shape[1], _BLOCK, torch.get_num_threads())
        return math.nan if any(math.isnan(error) for error in errors) else max(errors)

    def _by_tensors(self, top: int, alphas: Tensor, colors: Tensor, space: str, out: NDArray[np.float32]) -> float:
        """:meth:`write` for any layer colors, on any device."""
        goal = self._goal(top, top + alphas.shape[1], space)
        in_gamut = None
        if goal.in_gamut:
            inside = ((goal.target >= 0) & (goal.target <= 1)).all(axis=-1)
            in_gamut = torch.from_numpy(inside).to(self._device)
        if self._base is None or not self._is_proportional(space):
            own = colors.permute(0, 2, 3, 1).cpu().numpy()
            delivered = layer_colors(own, goal.gain, space, self._spaces)
            u = torch.from_numpy(delivered).to(self._device).permute(0, 3, 1, 2)
            u = u.clone() if delivered is own else u.contiguous()
        else:  # the picture stays on the device
            base = torch.from_numpy(self._converted(self._base, space)).to(self._device)
            u = base[:, :, None, None] * torch.from_numpy(goal.gain).to(self._device)
        c = torch.from_numpy(np.ascontiguousarray(goal.target.transpose(2, 0, 1))).to(self._device)
        u = exact_colors(alphas, u, c, in_gamut)
        layers = torch.empty((len(u), *goal.gain.shape, 4), device=self._device)
        layers[..., :3] = (u * alphas[:, None]).permute(0, 2, 3, 1)
        layers[..., 3] = alphas
        if self._image.has_alpha:
            layers[..., :3] *= torch.from_numpy(goal.associated).to(self._device)[..., None]
            layers[..., 3] *= torch.from_numpy(np.ascontiguousarray(goal.total[..., 3])).to(self._device)
        missing = absorb_rounding(layers, torch.from_numpy(goal.total).to(self._device), alphas)
        scale = np.maximum(np.maximum(1.0, np.abs(goal.target).max(axis=-1)), np.abs(goal.total).max(axis=-1))
        error = float((missing.abs().amax(dim=-1) / torch.from_numpy(scale).to(self._device)).max())
        out[:] = layers.cpu().numpy()
        return error

    def _goal(self, top: int, bottom: int, space: str) -> _Goal:
        spaces = self._spaces
        pixels = self._image.pixels[top:bottom]
        color = straight(pixels)
        gain = highlight_gain(color, self._image.color_space, spaces)
        target = spaces.convert(color, self._image.color_space, space)
        _check_range(target, top, space)
        display = spaces.is_display_referred(space)
        clip = self._clip and display
        if clip:
            target, pixels = np.clip(target, 0.0, 1.0), np.clip(pixels, 0.0, 1.0)
        associated = pixels[..., 3] if clip and self._image.has_alpha else association(pixels)
        total = np.ones((*associated.shape, 4), np.float32)
        untouched = space == self._image.color_space and not clip
        total[..., :3] = pixels[..., :3] if untouched else target * associated[..., None]
        if self._image.has_alpha:
            total[..., 3] = pixels[..., 3]
        in_gamut = display or spaces.is_display_referred(self._image.color_space)
        return _Goal(gain, target, total, associated, in_gamut)


@dataclass(frozen=True)
class _Goal:
    """What the layers of some rows must add up to in a working space.

    Attributes:
        gain: (h, W) ≥ 1, how much brighter the picture is than what the networks see.
        target: (h, W, 3) straight colors.
        total: (h, W, 4) premultiplied.
        associated: (h, W) what straight colors are multiplied by.
        in_gamut: whether layer colors stay in [0, 1] where the target is in it.
    """

    gain: NDArray[np.float32]
    target: NDArray[np.float32]
    total: NDArray[np.float32]
    associated: NDArray[np.float32]
    in_gamut: bool


def _check_range(target: NDArray[np.float32], top: int, space: str) -> None:
    """Refuses colors that the working space's numbers can't hold."""
    if not np.isfinite(target).all():
        y, x, _ = (int(i) for i in np.argwhere(~np.isfinite(target))[0])
        raise RangeError(f"pixel x {x}, y {y + top} has no finite value in {space}", cure="use another working space")
