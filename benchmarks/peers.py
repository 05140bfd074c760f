"""Other methods, made after their papers, as what ``fscs_engine.evaluation`` measures: an image and a palette in."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from fscs_engine import AlphaProcessing, Image, Palette
from fscs_engine.color import ColorSpaces, network_image, straight
from fscs_engine.palette.image_palette import DEFAULT_METHOD, image_palette

Pixels = NDArray[np.float32]


class Peer(ABC):
    """A method that sees sRGB in [0, 1] and knows no alpha processing."""

    def __init__(self) -> None:
        self.spaces = ColorSpaces(None)

    @abstractmethod
    def layers(self, picture: Pixels, palette: Pixels) -> tuple[Pixels, Pixels]:
        """Picture (H, W, 3) and palette (K, 3) → alphas (K, H, W), adding to 1, and straight colors (K, H, W, 3)."""

    def auto_palette(
        self, image: Image, colors: int, given: Palette | None = None, seed: int = 0, method: str = DEFAULT_METHOD
    ) -> Palette:
        """The engine's own palette."""
        return image_palette(image, colors, given, seed, self.spaces, method)

    def decompose(
        self,
        image: Image,
        palette: Palette,
        processing: AlphaProcessing,
        *,
        exact: bool = True,
        released: bool = False,
    ) -> tuple[Pixels, Pixels]:
        """See :class:`fscs_engine.evaluation.evaluation.Decomposer`."""
        del processing, exact, released
        picture, _ = network_image(straight(image.pixels), image.color_space, self.spaces)
        return self.layers(picture, palette.array)


class NearestColor(Peer):
    """Each pixel wholly in the layer of the nearest palette color, with its own color."""

    def layers(self, picture: Pixels, palette: Pixels) -> tuple[Pixels, Pixels]:
        """See :class:`Peer`."""
        distances = [np.square(picture - color).sum(axis=-1) for color in palette]
        alphas = (np.argmin(distances, axis=0) == np.arange(len(palette))[:, None, None]).astype(np.float32)
        return alphas, np.broadcast_to(picture, (*alphas.shape, 3))
