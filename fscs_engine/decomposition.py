"""One picture on its way through the networks and the alpha processing, any rows at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .alpha.processing import AlphaProcessing, duplicates_of, edit_alphas, owners_of, smooth_alphas
from .alpha.temporal import REACH, Moment, temporal_mean
from .color import ColorSpaces, network_image, straight
from .errors import CancelledError
from .image import Image
from .networks.model import ColorPrediction, Model, Prediction, View
from .palette.palette import Palette
from .runtime.memory import empty
from .runtime.threads import over_rows

Progress = Callable[[float], None]
Cancelled = Callable[[], bool]

_BLOCK = 32  # rows that a thread takes at a time


class Decomposition:
    """Processed alphas and the model's colors of one picture, with what neighboring strips share.

    Args:
        model: finds alphas and colors.
        image: the picture, checked.
        palette: 1 to 16 colors, of which the model takes the different ones.
        processing: the alpha processing, checked.
        spaces: to convert the picture.
        device: where tensors go.
        tile: side in pixels of the networks' tiles, 0 chooses.
        keep: whether what the networks see is kept, else it is made anew for the rows asked for.
        moments: of the frames around in time, this picture's own among them; none leaves the temporal smoothing out.
        at: position of the picture's own moment.
        progress: called with the fraction that is done.
        cancelled: asked after every tile.

    Attributes:
        base: (K, 3) sRGB in [0, 1], the colors that the layers lie about.
        base_values: the same in memory.
        seconds: spent in ``alpha`` and ``color`` so far.

    Raises:
        CancelledError: ``cancelled`` said so; the methods raise it too.
    """

    def __init__(
        self,
        model: Model,
        image: Image,
        palette: Palette,
        processing: AlphaProcessing,
        *,
        spaces: ColorSpaces,
        device: torch.device,
        tile: int,
        keep: bool,
        moments: Sequence[Moment],
        at: int,
        progress: Progress,
        cancelled: Cancelled,
    ) -> None:
        self._model, self.image, self.processing = model, image, processing
        self._device = device
        self._moments, self._at = moments, at
        self._steps = _Steps(progress, cancelled)
        self._network_input = _NetworkInput(image, spaces, moments[at].network_input if moments else None)
        self._duplicates = duplicates_of(palette)
        self._owners = owners_of(self._duplicates)
        different = palette.array[[positions[0] for positions in self._duplicates]]
        self.palette = torch.from_numpy(different).to(self._device)
        base = self._model.base_colors(self.palette, processing.softness) if len(different) > 1 else self.palette
        self.base = base[self._owners]
        self.base_values: NDArray[np.float32] = self.base.cpu().numpy()  # now, as it waits for the device
        self.seconds = {"alpha": 0.0, "color": 0.0}
        self._prediction: Prediction | None = None  # K = 1 needs none
        if len(self.palette) > 1 and (model.own_colors or not moments):
            # Nothing in the view leads back here: pictures are large, and have to go when their last strip has gone.
            view = View(image.height, image.width, device, tile, self._network_input.pixels, self._steps.advance)
            started = time.perf_counter()
            if keep:
                self._network_input.keep()
            self._prediction = model.predict(view, self.palette, processing.softness)
            self.seconds["alpha"] += time.perf_counter() - started

    @torch.no_grad()
    def decompose(self, top: int, bottom: int) -> tuple[Tensor, Tensor]:
        """Processed alphas (K, h, W) and the model's own colors (K, 3, h, W) in sRGB, of rows top to bottom."""
        started = time.perf_counter()
        height = self.image.height
        own_colors = self._prediction is not None and self._model.own_colors
        context = self._model.halo if own_colors else 0
        above, below = max(0, top - context), min(height, bottom + context)
        first, last = max(0, above - self.processing.edge_reach), min(height, below + self.processing.edge_reach)
        alphas = self._mixed(first, last) if self._moments else self.smoothed(first, last)
        ready = self._is_smooth and self.processing.changes_nothing and len(self.palette) == len(self._owners)
        network_input = self.network_input(first, last) if own_colors or not ready else alphas[:0]
        if not ready:
            masks = [torch.from_numpy(mask.pixels[first:last]).to(self._device) for mask in self.processing.masks]
            alphas = edit_alphas(alphas, network_input, self.palette, self._duplicates, self.processing, masks)
        alphas, network_input = (planes[:, above - first : below - first] for planes in (alphas, network_input))
        self.seconds["alpha"] += time.perf_counter() - started
        started = time.perf_counter()
        if isinstance(self._prediction, ColorPrediction):
            merged = torch.stack([alphas[positions].sum(dim=0) for positions in self._duplicates])
            colors = self._prediction.colors(top, bottom, above, network_input, merged)[self._owners]
        else:
            colors = self.base[:, :, None, None].expand(-1, -1, bottom - top, self.image.width)
        self.seconds["color"] += time.perf_counter() - started
        return alphas[:, top - above : bottom - above].contiguous(), colors

    @property
    def _is_smooth(self) -> bool:
        """Whether the model's raw alphas are what the smoothing would leave of them, and no others are mixed in."""
        return not self._moments and self._model.normalized and not self.processing.reach

    def smoothed(self, top: int, bottom: int) -> Tensor:
        """Alphas of the different colors in rows top to bottom, smoothed: (U, h, W) adding to 1."""
        reach = self.processing.reach
        first, last = max(0, top - reach), min(self.image.height, bottom + reach)
        if self._prediction:
            raw = self._prediction.alphas(first, last)
        else:
            raw = torch.ones((1, last - first, self.image.width), device=self._device)
        if self._is_smooth:
            return raw
        alphas = smooth_alphas(raw, self.network_input(first, last), self.palette, self.processing)
        return alphas[:, top - first : bottom - first]

    def _mixed(self, top: int, bottom: int) -> Tensor:
        """The same of the moments around, mixed."""
        first, last = max(0, top - REACH), min(self.image.height, bottom + REACH)
        alphas = [torch.from_numpy(moment.alphas[:, first:last]).to(self._device) for moment in self._moments]
        images = [self._planes(moment.network_input[first:last]) for moment in self._moments]
        mixed = temporal_mean(alphas, images, self._at, self.processing.temporal)
        return mixed[:, top - first : bottom - first]

    def pixels(self, top: int, bottom: int) -> NDArray[np.float32]:
        """What the networks see of rows top to bottom: (h, W, 3) sRGB in [0, 1]."""
        return self._network_input.pixels(top, bottom)

    def network_input(self, top: int, bottom: int) -> Tensor:
        """The same as (3, h, W) on the device."""
        return self._planes(self.pixels(top, bottom))

    def _planes(self, pixels: NDArray[np.float32]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))).to(self._device)

    def ask(self) -> None:
        """Raises CancelledError if the user wants it."""
        self._steps.ask()


class _NetworkInput:
    """What the networks see of a picture, whole if it is kept, else made anew for the rows asked for."""

    def __init__(self, image: Image, spaces: ColorSpaces, kept: NDArray[np.float32] | None) -> None:
        self._image, self._spaces, self._kept = image, spaces, kept

    def pixels(self, top: int, bottom: int) -> NDArray[np.float32]:
        """Rows top to bottom: (h, W, 3) sRGB in [0, 1]."""
        return self._convert(top, bottom) if self._kept is None else self._kept[top:bottom]

    def keep(self) -> None:
        """From now on it is kept."""
        if self._kept is not None:
            return
        kept = empty((self._image.height, self._image.width, 3))

        def convert(first: int, last: int) -> None:
            kept[first:last] = self._convert(first, last)

        over_rows(convert, 0, self._image.height, _BLOCK, torch.get_num_threads())
        self._kept = kept

    def _convert(self, top: int, bottom: int) -> NDArray[np.float32]:
        color = straight(self._image.pixels[top:bottom])
        return network_image(color, self._image.color_space, self._spaces)[0]


class _Steps:
    """How far the work is, for whoever waits for it and may end it."""

    def __init__(self, progress: Progress, cancelled: Cancelled) -> None:
        self._progress, self._cancelled = progress, cancelled
        self._done = 0.0

    def ask(self) -> None:
        """Raises CancelledError if the user wants it."""
        if self._cancelled():
            raise CancelledError("cancelled", cure="nothing was written")

    def advance(self, share: float) -> None:
        """More of the work is done."""
        self.ask()
        self._done += share
        self._progress(min(1.0, self._done))
