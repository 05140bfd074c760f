"""A model: what finds alphas and layer colors, behind one small interface."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class View:
    """A picture as a model may look at it, any rows at a time.

    Attributes:
        height: H of the picture.
        width: W of the picture.
        device: where tensors go.
        tile: side in pixels of the networks' tiles, 0 leaves the choice to the model.
        pixels: rows ``top`` to ``bottom`` as (h, W, 3) float32 sRGB in [0, 1].
        done: takes the share of the whole work that was done since the last call; raises CancelledError.
    """

    height: int
    width: int
    device: torch.device
    tile: int
    pixels: Callable[[int, int], NDArray[np.float32]]
    done: Callable[[float], None]

    def tensor(self, top: int, bottom: int) -> Tensor:
        """The same rows as (3, h, W) on the device."""
        planes = np.ascontiguousarray(self.pixels(top, bottom).transpose(2, 0, 1))
        return torch.from_numpy(planes).to(self.device)


class Prediction(Protocol):
    """What a model finds in one picture for one palette (U, 3) of different colors. Rows are asked for downwards."""

    def alphas(self, top: int, bottom: int) -> Tensor:
        """Raw alphas of these rows, (U, h, W) float32, each ≥ 0. They may overlap with rows asked for before."""
        ...


@runtime_checkable
class ColorPrediction(Prediction, Protocol):
    """Of a model that has colors of its own for each pixel."""

    def colors(self, top: int, bottom: int, first: int, network_input: Tensor, alphas: Tensor) -> Tensor:
        """Layer colors u of these rows from *processed* alphas.

        Args:
            top: first row.
            bottom: the row after the last.
            first: the row that ``network_input`` and ``alphas`` begin with; they reach the model's halo beyond top and
                bottom, or to the picture's border.
            network_input: (3, h', W).
            alphas: (U, h', W), adding to 1.

        Returns:
            (U, 3, h, W) float32 sRGB in [0, 1].
        """
        ...


class Model(Protocol):
    """What the segmenter asks of a model.

    Attributes:
        maximum_colors: the most different colors it takes.
        halo: how many pixels away a pixel can still change either prediction.
        own_colors: whether it predicts layer colors pixel by pixel. If not they are the base colors, and the
            exact step does the rest.
        predict_released: the inference of the paper's released code, for comparison, or None:
            (image (3, H, W), palette (K, 3), with its filter) → alphas (K, H, W) and colors (K, 3, H, W).
    """

    maximum_colors: int
    halo: int
    own_colors: bool

    @property
    def predict_released(self) -> Callable[[Tensor, Tensor, bool], tuple[Tensor, Tensor]] | None:
        """See above."""
        ...

    @property
    def normalized(self) -> bool:
        """Whether its raw alphas add to 1, each 0 or at least the floor."""
        ...

    def base_colors(self, palette: Tensor, softness: float) -> Tensor:
        """The colors that the layers lie about: the palette's, or colors near them.

        (U, 3) sRGB in [0, 1], all different, at least two → the same shape and range. The picture has no part in it.
        Softness in [0, 1], see :meth:`predict`.
        """
        ...

    def predict(self, view: View, palette: Tensor, softness: float) -> Prediction:
        """Begins a picture.

        Args:
            view: the picture.
            palette: (U, 3) sRGB in [0, 1], all different, at least two.
            softness: in [0, 1], how wide transitions are; a model may not know it.
        """
        ...
