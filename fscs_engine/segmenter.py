"""The three stages in one: palette, alphas, colors, computed strip by strip so that memory stays bounded."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from .alpha.processing import AlphaProcessing, duplicates_of
from .alpha.temporal import Moment
from .color import AUTO, ColorSpaces, network_image, resolve, straight
from .decomposition import Cancelled, Decomposition, Progress
from .errors import PaletteError, UsageError
from .exact.exact import exact_colors
from .exact.exact_layers import ExactLayers
from .host.parameters import BY_NAME
from .image import Image, check_finite
from .networks.create import create_model
from .networks.device import resolve_device, resolve_precision
from .palette.image_palette import image_palette
from .palette.palette import Palette
from .runtime.memory import empty

_KEPT_PIXELS = 2**23  # what the networks see of a picture of at most so many pixels is kept, else made anew by rows
_STRIP_VALUES = 4_000_000  # layer pixels a strip, all layers together
_STRIP_ROWS = 16  # strips are multiples of the rows that EXR compresses together, and of the networks' stride
_LEAST_ROWS = 64  # thinner strips compute more halo than picture; three of them are in memory while a file is written


@dataclass(frozen=True)
class Report:
    """What a run says of itself.

    Attributes:
        seconds: spent in ``alpha`` (network and processing) and ``color`` (residues, exact step, conversion).
        error_max: largest recomposition error of any working space as the layers add up in float32, relative to
            the largest of 1 and the pixel's |channels|, straight and premultiplied, alpha included.
        coverage: (K,) mean alpha of each layer.
    """

    seconds: dict[str, float] = field(default_factory=lambda: {"alpha": 0.0, "color": 0.0})
    error_max: float = 0.0
    coverage: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Strip:
    """Rows ``top`` to ``top + h`` of the result.

    Attributes:
        top: first row.
        layers: for each working space (K, h, W, 4) float32 premultiplied.
        alphas: (K, h, W) float32, without the input's own alpha.
        report: of the rows so far; that of the last strip is the picture's.
    """

    top: int
    layers: Mapping[str, NDArray[np.float32]]
    alphas: NDArray[np.float32]
    report: Report = field(default_factory=Report)


@dataclass(frozen=True)
class Layers:
    """A whole result in memory: ``pixels`` (K, H, W, 4) float32 premultiplied in ``working_space``."""

    pixels: NDArray[np.float32]
    palette: Palette
    working_space: str
    report: Report


class Segmenter:
    """Decomposes pictures with one model on one device.

    Args:
        model: a shipped model's name or a ``.safetensors`` file.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        precision: ``auto``, ``float32``, ``float16`` or ``bfloat16`` for the networks; the rest is float32.
        tile: side in pixels of the networks' tiles, 0 chooses. The result does not depend on it.
        ocio: an OpenColorIO config file, an ``ocio://`` name, or None for the built-in one.

    Raises:
        WeightsError: no such model.
        DeviceError: no such device here.
        ColorSpaceError: unreadable config.
    """

    def __init__(
        self,
        model: str | Path = str(BY_NAME["model"].default),
        *,
        device: str = "auto",
        precision: str = "auto",
        tile: int = 0,
        ocio: str | Path | None = None,
    ) -> None:
        if cure := BY_NAME["tile"].cure(tile):
            raise UsageError(f"tile is {tile}", cure)
        self.device = resolve_device(device)
        self.spaces = ColorSpaces(ocio)
        dtype = resolve_precision(precision, self.device)
        self.precision = str(dtype).removeprefix("torch.")
        self.model, weights = create_model(model, self.device, dtype)
        self.model_name = weights.name
        self.weights_sha256 = weights.sha256
        self.tile = tile

    @property
    def maximum_colors(self) -> int:
        """The most different palette colors the model takes."""
        return self.model.maximum_colors

    def auto_palette(
        self,
        image: Image,
        colors: int,
        given: Palette | None = None,
        seed: int = 0,
        method: str = str(BY_NAME["palette_method"].default),
    ) -> Palette:
        """A palette for the picture; see :func:`fscs_engine.palette.image_palette.image_palette`."""
        return image_palette(image, colors, given, seed, self.spaces, method)

    def working_space(self, image: Image, asked: str = AUTO, *, display: bool = False) -> str:
        """The working space of an output; ``display`` for formats like PNG. See :func:`fscs_engine.color.resolve`."""
        return resolve(asked, image.color_space, display, self.spaces)

    def check(self, image: Image, palette: Palette, processing: AlphaProcessing) -> None:
        """Refuses what can't be done, before anything is computed or written.

        Raises:
            PaletteError: more different colors than the model takes.
            UsageError: see :meth:`AlphaProcessing.check`.
            NonFiniteError: NaN or infinity in the picture.
        """
        different = len(duplicates_of(palette))
        if different > self.maximum_colors:
            raise PaletteError(
                f"{different} different colors, the model {self.model_name!r} takes {self.maximum_colors}",
                cure="use fewer colors or another model",
            )
        processing.check(len(palette), image.height, image.width)
        check_finite(image)

    def strips(
        self,
        image: Image,
        palette: Palette,
        processing: AlphaProcessing | None = None,
        *,
        working_spaces: Sequence[str],
        clip: bool = False,
        moments: Sequence[Moment] = (),
        at: int = 0,
        progress: Progress = lambda _: None,
        cancelled: Cancelled = lambda: False,
    ) -> Iterator[Strip]:
        """Computes the layers strip by strip, from top to bottom.

        Args:
            image: the picture.
            palette: 1 to 16 colors.
            processing: the alpha processing; None is its default.
            working_spaces: resolved names; each gets its own exact step.
            clip: in display-referred working spaces the picture is clipped to [0, 1] first, its alpha too, and
                color without alpha is left out, so that the layers fit integer files and add up to the clipped
                picture.
            moments: of the frames around in time, from :meth:`moment` with the same palette and processing, this
                picture's own among them; none leaves the temporal smoothing out.
            at: position of the picture's own moment.
            progress: called with the fraction that is done.
            cancelled: asked after every tile.

        Raises:
            CancelledError: ``cancelled`` said so.
            PaletteError, UsageError, NonFiniteError: see :meth:`check`.
        """
        processing = processing or AlphaProcessing()
        self.check(image, palette, processing)
        run = self._begin(image, palette, processing, progress, cancelled, moments, at)
        yield from self._strips(run, dict.fromkeys(working_spaces), clip)
        progress(1.0)

    def _begin(
        self,
        image: Image,
        palette: Palette,
        processing: AlphaProcessing,
        progress: Progress = lambda _: None,
        cancelled: Cancelled = lambda: False,
        moments: Sequence[Moment] = (),
        at: int = 0,
    ) -> Decomposition:
        """Hands a picture to the model; arguments and errors as for :meth:`strips`, but nothing is checked."""
        return Decomposition(
            self.model,
            image,
            palette,
            processing,
            spaces=self.spaces,
            device=self.device,
            tile=self.tile,
            keep=image.height * image.width <= _KEPT_PIXELS,
            moments=moments,
            at=at,
            progress=progress,
            cancelled=cancelled,
        )

    def _strips(
        self, run: Decomposition, outputs: Mapping[str, NDArray[np.float32] | None], clip: bool = False
    ) -> Iterator[Strip]:
        """:meth:`strips` of a run; layers go into the arrays (K, H, W, 4) of ``outputs`` where there are any."""
        image, base = run.image, None if self.model.own_colors else run.base_values
        exact = ExactLayers(image, base, self.spaces, self.device, clip)
        totals, error = np.zeros(len(run.base_values)), 0.0
        for top, bottom in _strip_rows(run):
            alphas, colors = run.decompose(top, bottom)
            started = time.perf_counter()
            layers = {}
            for space, output in outputs.items():
                run.ask()
                if output is None:
                    layers[space] = empty((*alphas.shape, 4))
                else:
                    layers[space] = output[:, top:bottom]
                error = max(error, exact.write(top, alphas, colors, space, layers[space]))
            totals += alphas.sum(dim=2).cpu().double().sum(dim=1).numpy()
            run.seconds["color"] += time.perf_counter() - started
            coverage = (totals / (image.height * image.width)).tolist()
            yield Strip(top, layers, alphas.cpu().numpy(), Report(dict(run.seconds), error, coverage))

    @torch.no_grad()
    def moment(
        self,
        image: Image,
        palette: Palette,
        processing: AlphaProcessing | None = None,
        *,
        progress: Progress = lambda _: None,
        cancelled: Cancelled = lambda: False,
    ) -> Moment:
        """A frame as its neighbors in time see it; arguments and errors as for :meth:`strips`.

        Of the processing only the smoothing counts.
        """
        processing = replace(processing or AlphaProcessing(), masks=())
        self.check(image, palette, processing)
        run = self._begin(image, palette, processing, progress, cancelled)
        network_input = run.pixels(0, image.height)
        alphas = empty((len(run.palette), image.height, image.width))
        for top, bottom in _strip_rows(run):
            alphas[:, top:bottom] = run.smoothed(top, bottom).cpu().numpy()
        return Moment(network_input, alphas)

    def segment(
        self,
        image: Image,
        palette: Palette,
        processing: AlphaProcessing | None = None,
        *,
        working_space: str = AUTO,
        progress: Progress = lambda _: None,
        cancelled: Cancelled = lambda: False,
    ) -> Layers:
        """The whole result in memory; arguments and errors as for :meth:`strips`.

        >>> from fscs_engine import Palette, Segmenter, read_image        # doctest: +SKIP
        >>> image = read_image("examples/coffee.png")                     # doctest: +SKIP
        >>> segmenter = Segmenter()                                       # doctest: +SKIP
        >>> segmenter.segment(image, segmenter.auto_palette(image, 7)).pixels.shape  # doctest: +SKIP
        (7, 400, 600, 4)
        """
        processing = processing or AlphaProcessing()
        self.check(image, palette, processing)
        space = self.working_space(image, working_space)
        pixels = empty((len(palette), image.height, image.width, 4))
        for strip in self._strips(self._begin(image, palette, processing, progress, cancelled), {space: pixels}):
            report = strip.report
        progress(1.0)
        return Layers(pixels, palette, space, report)

    @torch.no_grad()
    def decompose(
        self,
        image: Image,
        palette: Palette,
        processing: AlphaProcessing | None = None,
        *,
        exact: bool = True,
        released: bool = False,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Alphas and straight colors in sRGB, for measuring.

        Args:
            image: the picture.
            palette: the colors.
            processing: the alpha processing; None is its default.
            exact: False leaves out the exact step: the colors as the residue predictor gives them.
            released: the released inference instead (paper model only): palette order as given, its filter
                unclamped where ``processing.smoothing`` is not 0, whole-picture mean, no exact step.

        Returns:
            (K, H, W) and (K, H, W, 3), float32. Where alpha is 0 the color is the one that the layer lies about.

        Raises:
            UsageError: ``released`` with another model, K or size than it can do.
        """
        processing = processing or AlphaProcessing()
        self.check(image, palette, processing)
        if released:
            return self._decompose_released(image, palette, processing)
        run = self._begin(image, palette, processing)
        alphas = empty((len(palette), image.height, image.width))
        colors = empty((*alphas.shape, 3))
        for top, bottom in _strip_rows(run):
            a, u = run.decompose(top, bottom)
            if exact:
                u = exact_colors(a, u.clone(), run.network_input(top, bottom), torch.ones_like(a[0], dtype=torch.bool))
            u = torch.where((a > 0)[:, None], u, run.base[:, :, None, None])
            alphas[:, top:bottom] = a.cpu().numpy()
            colors[:, top:bottom] = u.permute(0, 2, 3, 1).cpu().numpy()
        return alphas, colors

    def _decompose_released(
        self, image: Image, palette: Palette, processing: AlphaProcessing
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        if self.model.predict_released is None:
            raise UsageError("the released inference needs a two-network 'paper' model", cure="name one with --model")
        if processing != AlphaProcessing(smoothing=processing.smoothing):
            raise UsageError("the released inference has no alpha processing but its filter", cure="leave it off")
        if len(palette) != self.maximum_colors or image.height % 8 or image.width % 8:
            raise UsageError(
                f"the released inference takes {self.maximum_colors} colors and sizes that are multiples of 8",
                cure="leave it off",
            )
        network_input, _ = network_image(straight(image.pixels), image.color_space, self.spaces)
        alphas, colors = self.model.predict_released(
            torch.from_numpy(network_input).permute(2, 0, 1).contiguous().to(self.device),
            torch.from_numpy(palette.array).to(self.device),
            processing.smoothing > 0,
        )
        return alphas.cpu().numpy(), colors.permute(0, 2, 3, 1).cpu().numpy()


def _strip_rows(run: Decomposition) -> Iterator[tuple[int, int]]:
    """The strips of a picture: top and bottom row."""
    height, width = run.image.height, run.image.width
    rows = _STRIP_VALUES // (len(run.base_values) * width) // _STRIP_ROWS * _STRIP_ROWS
    rows = max(_LEAST_ROWS, rows, (run.processing.reach + run.processing.edge_reach) // _STRIP_ROWS * _STRIP_ROWS)
    for top in range(0, height, rows):
        yield top, min(height, top + rows)
