"""The three stages in one: palette, alphas, colours, computed strip by strip so that memory stays bounded."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .color import (
    AUTO,
    SRGB,
    ColorSpaces,
    association,
    highlight_gain,
    layer_colors,
    network_image,
    resolve,
    straight,
)
from .errors import CancelledError, PaletteError, RangeError, UsageError
from .exact import exact_colors, settle
from .exact_loops import layer_rows
from .image import Image, check_finite
from .image_palette import image_palette
from .memory import empty
from .networks.create import create_model
from .networks.device import resolve_device, resolve_precision
from .networks.model import Prediction, View
from .networks.paper_model import PaperModel
from .palette import Palette
from .parameters import BY_NAME
from .processing import AlphaProcessing, edit_alphas, owners_of, smooth_alphas
from .temporal import REACH, temporal_mean
from .threads import over_rows

Progress = Callable[[float], None]
Cancelled = Callable[[], bool]

_KEPT_PIXELS = 2**23  # what the networks see of a picture of at most so many pixels is kept, else made anew by rows
_BLOCK = 32  # rows that a thread takes at a time
_STRIP_VALUES = 4_000_000  # layer pixels a strip, all layers together
_STRIP_ROWS = 16  # strips are multiples of the rows that EXR compresses together, and of the networks' stride
_LEAST_ROWS = 192  # thinner strips compute more halo than picture


@dataclass(frozen=True)
class Strip:
    """Rows ``top`` to ``top + h`` of the result.

    Attributes:
        top: first row.
        layers: for each working space (K, h, W, 4) float32 premultiplied.
        alphas: (K, h, W) float32, without the input's own alpha.
    """

    top: int
    layers: Mapping[str, NDArray[np.float32]]
    alphas: NDArray[np.float32]


@dataclass(frozen=True)
class Moment:
    """What the temporal smoothing needs of one frame of a shot.

    Attributes:
        seen: (H, W, 3) float32 sRGB in [0, 1], what the networks see.
        alphas: (U, H, W) float32 of the U different palette colours, smoothed, adding to 1 along U.
    """

    seen: NDArray[np.float32]
    alphas: NDArray[np.float32]


@dataclass
class Report:
    """What a run says of itself.

    Attributes:
        seconds: spent in ``alpha`` (network and processing) and ``colour`` (residues, exact step, conversion).
        error_max: largest recomposition error of any working space as the layers add up in float32, relative to
            the largest of 1 and the pixel's |channels|, straight and premultiplied, alpha included.
        coverage: (K,) mean alpha of each layer.
    """

    seconds: dict[str, float] = field(default_factory=lambda: {"alpha": 0.0, "colour": 0.0})
    error_max: float = 0.0
    coverage: list[float] = field(default_factory=list)


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
        limits = BY_NAME["tile"]
        if not (limits.minimum or 0) <= tile <= (limits.maximum or 0):
            raise UsageError(f"tile is {tile}", cure=f"use 0 (automatic) to {limits.maximum:g} pixels")
        self.device = resolve_device(device)
        self.spaces = ColorSpaces(ocio)
        dtype = resolve_precision(precision, self.device)
        self.precision = str(dtype).removeprefix("torch.")
        self.model, weights = create_model(model, self.device, dtype)
        self.model_name = weights.name
        self.weights_sha256 = weights.sha256
        self.tile = tile
        self.report = Report()

    @property
    def maximum_colors(self) -> int:
        """The most different palette colours the model takes."""
        return self.model.maximum_colors

    def auto_palette(
        self,
        image: Image,
        colors: int,
        given: Palette | None = None,
        seed: int = 0,
        method: str = str(BY_NAME["palette_method"].default),
    ) -> Palette:
        """A palette for the picture; see :func:`fscs_engine.image_palette.image_palette`."""
        return image_palette(image, colors, given, seed, self.spaces, method)

    def working_space(self, image: Image, asked: str = AUTO, *, display: bool = False) -> str:
        """The working space of an output; ``display`` for formats like PNG. See :func:`fscs_engine.color.resolve`."""
        return resolve(asked, image.color_space, display, self.spaces)

    def check(self, image: Image, palette: Palette, processing: AlphaProcessing) -> None:
        """Refuses what can't be done, before anything is computed or written.

        Raises:
            PaletteError: more different colours than the model takes.
            UsageError: see :meth:`AlphaProcessing.check`.
            NonFiniteError: NaN or infinity in the picture.
        """
        different = len(_duplicates(palette))
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
        """Computes the layers strip by strip, from top to bottom. :attr:`report` is complete when it ends.

        Args:
            image: the picture.
            palette: 1 to 16 colours.
            processing: the alpha processing; None is its default.
            working_spaces: resolved names; each gets its own exact step.
            clip: in display-referred working spaces the picture is clipped to [0, 1] first, its alpha too, and
                colour without alpha is left out, so that the layers fit integer files and add up to the clipped
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
        run = _Run(self, image, palette, processing, progress, cancelled, moments, at)
        yield from self._strips(run, dict.fromkeys(working_spaces), clip)

    def _strips(
        self, run: _Run, outputs: Mapping[str, NDArray[np.float32] | None], clip: bool = False
    ) -> Iterator[Strip]:
        """:meth:`strips` of a run; layers go into the arrays (K, H, W, 4) of ``outputs`` where there are any."""
        self.report = run.report
        image, progress = run.image, run.progress
        totals = np.zeros(len(run.owners))
        for top, bottom in run.rows():
            alphas, colors = run.decompose(top, bottom)
            started = time.perf_counter()
            layers = {}
            for space, output in outputs.items():
                run.ask()
                if output is None:
                    layers[space] = empty((*alphas.shape, 4))
                else:
                    layers[space] = output[:, top:bottom]
                run.deliver(top, alphas, colors, space, clip, layers[space])
            totals += alphas.sum(dim=2).cpu().double().sum(dim=1).numpy()
            self.report.seconds["colour"] += time.perf_counter() - started
            yield Strip(top, layers, alphas.cpu().numpy())
        progress(1.0)
        self.report.coverage = (totals / (image.height * image.width)).tolist()

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
        """A frame as its neighbours in time see it; arguments and errors as for :meth:`strips`."""
        processing = processing or AlphaProcessing()
        self.check(image, palette, processing)
        run = _Run(self, image, palette, processing, progress, cancelled)
        seen = run.pixels(0, image.height)
        alphas = empty((len(run.palette), image.height, image.width))
        for top, bottom in run.rows():
            alphas[:, top:bottom] = run.smoothed(top, bottom).cpu().numpy()
        return Moment(seen, alphas)

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
        for _ in self._strips(_Run(self, image, palette, processing, progress, cancelled), {space: pixels}):
            pass
        return Layers(pixels, palette, space, self.report)

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
        """Alphas and straight colours in sRGB, for measuring.

        Args:
            image: the picture.
            palette: the colours.
            processing: the alpha processing; None is its default.
            exact: False leaves out the exact step: the colours as the residue predictor gives them.
            released: the released inference instead (paper model only): palette order as given, its filter
                unclamped where ``processing.smoothing`` is not 0, whole-picture mean, no exact step.

        Returns:
            (K, H, W) and (K, H, W, 3), float32. Where alpha is 0 the colour is the one that the layer lies about.

        Raises:
            UsageError: ``released`` with another model, K or size than it can do.
        """
        processing = processing or AlphaProcessing()
        self.check(image, palette, processing)
        if released:
            return self._decompose_released(image, palette, processing)
        run = _Run(self, image, palette, processing, lambda _: None, lambda: False)
        alphas = empty((len(palette), image.height, image.width))
        colors = empty((*alphas.shape, 3))
        for top, bottom in run.rows():
            a, u = run.decompose(top, bottom)
            if exact:
                u = exact_colors(a, u.clone(), run.seen(top, bottom), torch.ones_like(a[0], dtype=torch.bool))
            u = torch.where((a > 0)[:, None], u, run.base[:, :, None, None])
            alphas[:, top:bottom] = a.cpu().numpy()
            colors[:, top:bottom] = u.permute(0, 2, 3, 1).cpu().numpy()
        return alphas, colors

    def _decompose_released(
        self, image: Image, palette: Palette, processing: AlphaProcessing
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        if not isinstance(self.model, PaperModel) or self.model.single is not None:
            raise UsageError("the released inference needs a two-network 'paper' model", cure="name one with --model")
        if processing != AlphaProcessing(smoothing=processing.smoothing):
            raise UsageError("the released inference has no alpha processing but its filter", cure="leave it off")
        if len(palette) != self.maximum_colors or image.height % 8 or image.width % 8:
            raise UsageError(
                f"the released inference takes {self.maximum_colors} colors and sizes that are multiples of 8",
                cure="leave it off",
            )
        seen, _ = network_image(straight(image.pixels), image.color_space, self.spaces)
        alphas, colors = self.model.predict_released(
            torch.from_numpy(seen).permute(2, 0, 1).contiguous().to(self.device),
            torch.from_numpy(palette.array).to(self.device),
            processing.smoothing > 0,
        )
        return alphas.cpu().numpy(), colors.permute(0, 2, 3, 1).cpu().numpy()


class _Run:
    """One picture on its way through the networks, with what neighbouring strips share."""

    def __init__(
        self,
        segmenter: Segmenter,
        image: Image,
        palette: Palette,
        processing: AlphaProcessing,
        progress: Progress,
        cancelled: Cancelled,
        moments: Sequence[Moment] = (),
        at: int = 0,
    ) -> None:
        self.segmenter, self.image, self.processing = segmenter, image, processing
        self.moments, self.at = moments, at
        self.model, self.device = segmenter.model, segmenter.device
        self.progress, self.cancelled = progress, cancelled
        self.duplicates = _duplicates(palette)
        self.owners = owners_of(self.duplicates)
        different = palette.array[[positions[0] for positions in self.duplicates]]
        self.palette = torch.from_numpy(different).to(self.device)
        base = self.model.base_colors(self.palette) if len(different) > 1 else self.palette
        self.base = base[self.owners]
        self.own_base = self.base.cpu().numpy()  # now, as it waits for the device
        self.report = Report()
        self.done = 0.0
        self.kept: NDArray[np.float32] | None = None
        self.bright: bool | None = None  # whether anything is above 1
        self.prediction: Prediction | None = None  # K = 1 needs none
        if moments:
            self.kept = moments[at].seen
        if len(self.palette) > 1 and (self.model.own_colors or not moments):
            view = View(image.height, image.width, self.device, segmenter.tile, self.pixels, self.advance)
            started = time.perf_counter()
            if self.kept is None and image.height * image.width <= _KEPT_PIXELS:
                self.kept = self._keep()
            self.prediction = self.model.predict(view, self.palette)
            self.report.seconds["alpha"] += time.perf_counter() - started

    def rows(self) -> Iterator[tuple[int, int]]:
        """The strips: top and bottom row."""
        height, width = self.image.height, self.image.width
        rows = _STRIP_VALUES // (len(self.owners) * width) // _STRIP_ROWS * _STRIP_ROWS
        rows = max(_LEAST_ROWS, rows, self.processing.reach // _STRIP_ROWS * _STRIP_ROWS)
        for top in range(0, height, rows):
            yield top, min(height, top + rows)

    @torch.no_grad()
    def decompose(self, top: int, bottom: int) -> tuple[Tensor, Tensor]:
        """Processed alphas (K, h, W) and the model's own colours (K, 3, h, W) in sRGB, of rows top to bottom."""
        started = time.perf_counter()
        height = self.image.height
        own_colors = self.prediction is not None and self.model.own_colors
        context = self.model.halo if own_colors else 0
        above, below = max(0, top - context), min(height, bottom + context)
        alphas = self._mixed(above, below) if self.moments else self.smoothed(above, below)
        ready = self._is_smooth and self.processing.changes_nothing and len(self.palette) == len(self.owners)
        seen = self.seen(above, below) if own_colors or not ready else alphas[:0]
        if not ready:
            masks = [torch.from_numpy(mask.pixels[above:below]).to(self.device) for mask in self.processing.masks]
            alphas = edit_alphas(alphas, seen, self.palette, self.duplicates, self.processing, masks)
        self.report.seconds["alpha"] += time.perf_counter() - started
        started = time.perf_counter()
        if self.prediction is not None and own_colors:
            merged = torch.stack([alphas[positions].sum(dim=0) for positions in self.duplicates])
            colors = self.prediction.colors(top, bottom, above, seen, merged)[self.owners]
        else:
            colors = self.base[:, :, None, None].expand(-1, -1, bottom - top, self.image.width)
        self.report.seconds["colour"] += time.perf_counter() - started
        return alphas[:, top - above : bottom - above].contiguous(), colors

    @property
    def _is_smooth(self) -> bool:
        """Whether the model's raw alphas are what the smoothing would leave of them, and no others are mixed in."""
        return not self.moments and self.model.normalized and not self.processing.reach

    def smoothed(self, top: int, bottom: int) -> Tensor:
        """Alphas of the different colours in rows top to bottom, smoothed: (U, h, W) adding to 1."""
        reach = self.processing.reach
        first, last = max(0, top - reach), min(self.image.height, bottom + reach)
        if self.prediction:
            raw = self.prediction.alphas(first, last)
        else:
            raw = torch.ones((1, last - first, self.image.width), device=self.device)
        if self._is_smooth:
            return raw
        alphas = smooth_alphas(raw, self.seen(first, last), self.palette, self.processing)
        return alphas[:, top - first : bottom - first]

    def _mixed(self, top: int, bottom: int) -> Tensor:
        """The same of the moments around, mixed."""
        first, last = max(0, top - REACH), min(self.image.height, bottom + REACH)
        alphas = [torch.from_numpy(moment.alphas[:, first:last]).to(self.device) for moment in self.moments]
        images = [self._planes(moment.seen[first:last]) for moment in self.moments]
        mixed = temporal_mean(alphas, images, self.at, self.processing.temporal)
        return mixed[:, top - first : bottom - first]

    def pixels(self, top: int, bottom: int) -> NDArray[np.float32]:
        """What the networks see of rows top to bottom: (h, W, 3) sRGB in [0, 1]."""
        return self._convert(top, bottom) if self.kept is None else self.kept[top:bottom]

    def _keep(self) -> NDArray[np.float32]:
        """:meth:`pixels` of the whole picture."""
        kept = empty((self.image.height, self.image.width, 3))

        def keep(first: int, last: int) -> None:
            kept[first:last] = self._convert(first, last)

        over_rows(keep, 0, self.image.height, _BLOCK, torch.get_num_threads())
        return kept

    def _convert(self, top: int, bottom: int) -> NDArray[np.float32]:
        color = straight(self.image.pixels[top:bottom])
        return network_image(color, self.image.color_space, self.segmenter.spaces)[0]

    def seen(self, top: int, bottom: int) -> Tensor:
        """The same as (3, h, W) on the device."""
        return self._planes(self.pixels(top, bottom))

    def _planes(self, pixels: NDArray[np.float32]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))).to(self.device)

    def ask(self) -> None:
        """Ends the run if the user wants it."""
        if self.cancelled():
            raise CancelledError("cancelled", cure="nothing was written")

    def advance(self, share: float) -> None:
        """More of the work is done."""
        self.ask()
        self.done += share
        self.progress(min(1.0, self.done))

    @torch.no_grad()
    def deliver(
        self, top: int, alphas: Tensor, colors: Tensor, space: str, clip: bool, layers: NDArray[np.float32]
    ) -> None:
        """The exact step in one working space.

        Args:
            top: first row.
            alphas: (K, h, W).
            colors: (K, 3, h, W) sRGB.
            space: the working space.
            clip: see :meth:`Segmenter.strips`.
            layers: (K, h, W, 4) premultiplied, written.
        """
        if self.device.type == "cpu" and not self.model.own_colors and self._is_proportional(space):
            error = self._deliver_compiled(top, alphas.numpy(), space, clip, layers)
        else:
            error = self._deliver_tensors(top, alphas, colors, space, clip, layers)
        if not math.isfinite(error):
            raise RangeError(
                f"rows {top} to {top + alphas.shape[1]}: layers are beyond the numbers of float32",
                cure="use --precision float32, or a picture and controls that are less extreme",
            )
        self.report.error_max = max(self.report.error_max, error)

    def _is_proportional(self, space: str) -> bool:
        """Whether a highlight's gain multiplies colours of the space, or there is no highlight at all."""
        spaces = self.segmenter.spaces
        if self.bright is None:
            self.bright = bool((straight(self.image.pixels) > 1).any())
        return spaces.is_linear(space) or (self.image.color_space == SRGB and not self.bright)

    def _base_colors(self, space: str) -> NDArray[np.float32]:
        """The colours that the layers lie about in a working space, (K, 3)."""
        own = self.own_base[:, None, None]
        return layer_colors(own, np.ones((1, 1), np.float32), space, self.segmenter.spaces)[:, 0, 0]

    def _deliver_compiled(
        self, top: int, alphas: NDArray[np.float32], space: str, clip: bool, layers: NDArray[np.float32]
    ) -> float:
        """:meth:`deliver` for layers of one colour each. Returns the largest error."""
        base = self._base_colors(space)

        def work(first: int, last: int) -> float:
            goal = self._goal(top + first, top + last, space, clip)
            planes = (goal.gain, goal.target, goal.total, goal.associated)
            part, opacity = slice(first, last), goal.total[..., 3]
            return float(layer_rows(alphas[:, part], base, *planes, opacity, goal.boxed, layers[:, part]))

        errors = over_rows(work, 0, alphas.shape[1], _BLOCK, torch.get_num_threads())
        return math.nan if any(math.isnan(error) for error in errors) else max(errors)

    def _deliver_tensors(
        self, top: int, alphas: Tensor, colors: Tensor, space: str, clip: bool, out: NDArray[np.float32]
    ) -> float:
        """:meth:`deliver` for any layer colours, on any device. Returns the largest error."""
        goal = self._goal(top, top + alphas.shape[1], space, clip)
        boxed = None
        if goal.boxed:
            inside = ((goal.target >= 0) & (goal.target <= 1)).all(axis=-1)
            boxed = torch.from_numpy(inside).to(self.device)
        if self.model.own_colors or not self._is_proportional(space):
            own = colors.permute(0, 2, 3, 1).cpu().numpy()
            delivered = layer_colors(own, goal.gain, space, self.segmenter.spaces)
            u = torch.from_numpy(delivered).to(self.device).permute(0, 3, 1, 2)
            u = u.clone() if delivered is own else u.contiguous()
        else:  # the picture stays on the device
            base = torch.from_numpy(self._base_colors(space)).to(self.device)
            u = base[:, :, None, None] * torch.from_numpy(goal.gain).to(self.device)
        c = torch.from_numpy(np.ascontiguousarray(goal.target.transpose(2, 0, 1))).to(self.device)
        u = exact_colors(alphas, u, c, boxed)
        layers = torch.empty((len(u), *goal.gain.shape, 4), device=self.device)
        layers[..., :3] = (u * alphas[:, None]).permute(0, 2, 3, 1)
        layers[..., 3] = alphas
        if self.image.has_alpha:
            layers[..., :3] *= torch.from_numpy(goal.associated).to(self.device)[..., None]
            layers[..., 3] *= torch.from_numpy(np.ascontiguousarray(goal.total[..., 3])).to(self.device)
        missing = settle(layers, torch.from_numpy(goal.total).to(self.device), alphas)
        scale = np.maximum(np.maximum(1.0, np.abs(goal.target).max(axis=-1)), np.abs(goal.total).max(axis=-1))
        error = float((missing.abs().amax(dim=-1) / torch.from_numpy(scale).to(self.device)).max())
        out[:] = layers.cpu().numpy()
        return error

    def _goal(self, top: int, bottom: int, space: str, clip: bool) -> _Goal:
        spaces = self.segmenter.spaces
        pixels = self.image.pixels[top:bottom]
        color = straight(pixels)
        gain = highlight_gain(color, self.image.color_space, spaces)
        target = spaces.convert(color, self.image.color_space, space)
        _check_range(target, top, space)
        display = spaces.is_display_referred(space)
        clip = clip and display
        if clip:
            target, pixels = np.clip(target, 0.0, 1.0), np.clip(pixels, 0.0, 1.0)
        associated = pixels[..., 3] if clip and self.image.has_alpha else association(pixels)
        total = np.ones((*associated.shape, 4), np.float32)
        untouched = space == self.image.color_space and not clip
        total[..., :3] = pixels[..., :3] if untouched else target * associated[..., None]
        if self.image.has_alpha:
            total[..., 3] = pixels[..., 3]
        boxed = display or spaces.is_display_referred(self.image.color_space)
        return _Goal(gain, target, total, associated, boxed)


@dataclass(frozen=True)
class _Goal:
    """What the layers of some rows must add up to in a working space.

    Attributes:
        gain: (h, W) ≥ 1, how much brighter the picture is than what the networks see.
        target: (h, W, 3) straight colours.
        total: (h, W, 4) premultiplied.
        associated: (h, W) what straight colours are multiplied by.
        boxed: whether layer colours stay in [0, 1] where the target is in it.
    """

    gain: NDArray[np.float32]
    target: NDArray[np.float32]
    total: NDArray[np.float32]
    associated: NDArray[np.float32]
    boxed: bool


def _check_range(target: NDArray[np.float32], top: int, space: str) -> None:
    """Refuses colours that the working space's numbers can't hold."""
    if not np.isfinite(target).all():
        y, x, _ = (int(i) for i in np.argwhere(~np.isfinite(target))[0])
        raise RangeError(f"pixel x {x}, y {y + top} has no finite value in {space}", cure="use another working space")


def _duplicates(palette: Palette) -> list[list[int]]:
    """The positions of each different colour, in order of first appearance."""
    positions: dict[tuple[float, ...], list[int]] = {}
    for position, color in enumerate(palette.array.tolist()):
        positions.setdefault(tuple(color), []).append(position)
    return list(positions.values())
