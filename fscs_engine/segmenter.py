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

from .color import AUTO, ColorSpaces, association, layer_colors, network_image, resolve, straight
from .errors import CancelledError, PaletteError, RangeError, UsageError
from .exact import exact_colors, settle
from .image import Image, check_finite
from .image_palette import image_palette
from .networks.device import resolve_device, resolve_precision
from .networks.model import PaperModel, create_model
from .palette import Palette
from .parameters import BY_NAME
from .processing import AlphaProcessing, owners_of, process_alphas

Progress = Callable[[float], None]
Cancelled = Callable[[], bool]

_ALPHA_SHARE = 0.4  # of the time of both networks, for the progress bar
_CPU_TILE = 512
_GPU_TILE = 1536
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
        stride = self.model.stride
        automatic = _CPU_TILE if self.device.type == "cpu" else _GPU_TILE
        self.tile = max(stride, (tile or automatic) // stride * stride)
        self.report = Report()

    @property
    def maximum_colors(self) -> int:
        """The most different palette colours the model takes."""
        return self.model.maximum_colors

    def auto_palette(self, image: Image, colors: int, given: Palette | None = None, seed: int = 0) -> Palette:
        """A palette for the picture; see :func:`fscs_engine.image_palette.image_palette`."""
        return image_palette(image, colors, given, seed, self.spaces)

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
            progress: called with the fraction that is done.
            cancelled: asked after every tile.

        Raises:
            CancelledError: ``cancelled`` said so.
            PaletteError, UsageError, NonFiniteError: see :meth:`check`.
        """
        processing = processing or AlphaProcessing()
        self.check(image, palette, processing)
        run = _Run(self, image, palette, processing, progress, cancelled)
        self.report = run.report
        totals = np.zeros(len(palette))
        for top, bottom in run.rows():
            alphas, colors = run.decompose(top, bottom)
            started = time.perf_counter()
            layers = {}
            for space in dict.fromkeys(working_spaces):
                run.ask()
                layers[space] = run.deliver(top, alphas, colors, space, clip)
            totals += alphas.sum(dim=2).cpu().double().sum(dim=1).numpy()
            self.report.seconds["colour"] += time.perf_counter() - started
            yield Strip(top, layers, alphas.cpu().numpy())
        progress(1.0)
        self.report.coverage = (totals / (image.height * image.width)).tolist()

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
        space = self.working_space(image, working_space)
        pixels = np.empty((len(palette), image.height, image.width, 4), np.float32)
        strips = self.strips(image, palette, processing, working_spaces=[space], progress=progress, cancelled=cancelled)
        for strip in strips:
            layers = strip.layers[space]
            pixels[:, strip.top : strip.top + layers.shape[1]] = layers
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
            (K, H, W) and (K, H, W, 3), float32. Where alpha is 0 the colour is the palette colour.

        Raises:
            UsageError: ``released`` with another model, K or size than it can do.
        """
        processing = processing or AlphaProcessing()
        self.check(image, palette, processing)
        if released:
            return self._decompose_released(image, palette, processing)
        run = _Run(self, image, palette, processing, lambda _: None, lambda: False)
        alphas = np.empty((len(palette), image.height, image.width), np.float32)
        colors = np.empty((*alphas.shape, 3), np.float32)
        entries = torch.from_numpy(palette.array).to(self.device)
        for top, bottom in run.rows():
            a, u = run.decompose(top, bottom)
            if exact:
                u = exact_colors(a, u, run.seen(top, bottom), torch.ones_like(a[0], dtype=torch.bool))
            u = torch.where((a > 0)[:, None], u, entries[:, :, None, None])
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
    ) -> None:
        self.segmenter, self.image, self.processing = segmenter, image, processing
        self.model, self.device = segmenter.model, segmenter.device
        self.progress, self.cancelled = progress, cancelled
        self.duplicates = _duplicates(palette)
        self.entries = torch.from_numpy(palette.array).to(self.device)
        self.palette = self.entries[[positions[0] for positions in self.duplicates]]
        self.report = Report()
        self.done = 0.0
        self.raw_top = self.raw_bottom = 0
        self.raw = torch.empty((len(self.palette), 0, image.width), device=self.device)

    def rows(self) -> Iterator[tuple[int, int]]:
        """The strips: top and bottom row."""
        height, width = self.image.height, self.image.width
        rows = _STRIP_VALUES // (len(self.entries) * width) // _STRIP_ROWS * _STRIP_ROWS
        rows = max(_LEAST_ROWS, rows, self.processing.reach // _STRIP_ROWS * _STRIP_ROWS)
        for top in range(0, height, rows):
            yield top, min(height, top + rows)

    @torch.no_grad()
    def decompose(self, top: int, bottom: int) -> tuple[Tensor, Tensor]:
        """Processed alphas (K, h, W) and the model's own colours (K, 3, h, W) in sRGB, of rows top to bottom."""
        started = time.perf_counter()
        height = self.image.height
        single = len(self.palette) == 1
        context = self.model.halo if not single else 0
        above, below = max(0, top - context), min(height, bottom + context)
        outer = (max(0, above - self.processing.reach), min(height, below + self.processing.reach))
        seen = self.seen(*outer)
        alphas = process_alphas(
            self._raw_alphas(*outer),
            seen,
            self.palette,
            self.duplicates,
            self.processing,
            [torch.from_numpy(mask.pixels[slice(*outer)]).to(self.device) for mask in self.processing.masks],
        )[:, above - outer[0] : below - outer[0]]
        self.report.seconds["alpha"] += time.perf_counter() - started
        started = time.perf_counter()
        inner = slice(top - above, bottom - above)
        if single:
            colors = self.palette[:, :, None, None].repeat(1, 1, bottom - top, self.image.width)
        else:
            merged = torch.stack([alphas[positions].sum(dim=0) for positions in self.duplicates])
            colors = self._colors(top, bottom, above, seen[:, above - outer[0] : below - outer[0]], merged)
        owners = owners_of(self.duplicates)
        if owners != list(range(len(owners))):
            colors = colors[owners]
        self.report.seconds["colour"] += time.perf_counter() - started
        return alphas[:, inner].contiguous(), colors

    def seen(self, top: int, bottom: int) -> Tensor:
        """What the networks see of rows top to bottom: (3, h, W) sRGB in [0, 1]."""
        color = straight(self.image.pixels[top:bottom])
        seen, _ = network_image(color, self.image.color_space, self.segmenter.spaces)
        return torch.from_numpy(np.ascontiguousarray(seen.transpose(2, 0, 1))).to(self.device)

    def _raw_alphas(self, top: int, bottom: int) -> Tensor:
        """Raw alphas (U, h, W) of rows top to bottom; rows that the strip before computed are taken from it."""
        if len(self.palette) == 1:
            return torch.ones((1, bottom - top, self.image.width), device=self.device)
        first = self.raw_bottom  # rows from here on are new
        if bottom > first:
            stride = self.model.stride
            last = min(self.image.height, -(-bottom // stride) * stride)
            fresh = torch.empty((len(self.palette), last - first, self.image.width), device=self.device)
            halo_top = max(0, first - self.model.halo)
            seen = self.seen(halo_top, min(self.image.height, last + self.model.halo))
            for rows, columns, context_rows, context_columns in self._tiles(first, last):
                part = self.model.predict_alphas(
                    seen[:, context_rows.start - halo_top : context_rows.stop - halo_top, context_columns], self.palette
                )
                fresh[:, rows.start - first : rows.stop - first, columns] = _inner(
                    part, rows, columns, context_rows, context_columns
                )
                self._tile_done(rows, columns, _ALPHA_SHARE)
            keep = max(0, top // stride * stride - self.raw_top)
            self.raw = torch.cat((self.raw[:, keep:], fresh), dim=1)
            self.raw_top += keep
            self.raw_bottom = last
        return self.raw[:, top - self.raw_top : bottom - self.raw_top]

    def _colors(self, top: int, bottom: int, above: int, seen: Tensor, alphas: Tensor) -> Tensor:
        """The model's colours (U, 3, h, W) of rows top to bottom; ``seen`` and ``alphas`` begin at row ``above``."""
        colors = torch.empty((len(self.palette), 3, bottom - top, self.image.width), device=self.device)
        for rows, columns, context_rows, context_columns in self._tiles(top, bottom):
            context = slice(context_rows.start - above, context_rows.stop - above)
            part = self.model.predict_colors(
                seen[:, context, context_columns], self.palette, alphas[:, context, context_columns]
            )
            colors[:, :, rows.start - top : rows.stop - top, columns] = _inner(
                part, rows, columns, context_rows, context_columns
            )
            self._tile_done(rows, columns, 1 - _ALPHA_SHARE)
        return colors

    def _tiles(self, top: int, bottom: int) -> Iterator[tuple[slice, slice, slice, slice]]:
        """Tiles of rows top to bottom: rows, columns, and the same with their halo, cut at the picture's border.

        ``top`` is a multiple of the stride, so a context too begins at a multiple of it or at the border: the
        networks' grid is that of the whole picture.
        """
        height, width, halo, side = self.image.height, self.image.width, self.model.halo, self.segmenter.tile
        for y in range(top, bottom, side):
            rows = slice(y, min(bottom, y + side))
            for x in range(0, width, side):
                columns = slice(x, min(width, x + side))
                yield (
                    rows,
                    columns,
                    slice(max(0, rows.start - halo), min(height, rows.stop + halo)),
                    slice(max(0, columns.start - halo), min(width, columns.stop + halo)),
                )

    def ask(self) -> None:
        """Ends the run if the user wants it."""
        if self.cancelled():
            raise CancelledError("cancelled", cure="nothing was written")

    def _tile_done(self, rows: slice, columns: slice, share: float) -> None:
        self.ask()
        area = (rows.stop - rows.start) * (columns.stop - columns.start)
        self.done += share * area / (self.image.height * self.image.width)
        self.progress(min(1.0, self.done))

    @torch.no_grad()
    def deliver(self, top: int, alphas: Tensor, colors: Tensor, space: str, clip: bool) -> NDArray[np.float32]:
        """The exact step in one working space. alphas (K, h, W), colours (K, 3, h, W) → (K, h, W, 4) premultiplied."""
        spaces = self.segmenter.spaces
        pixels = self.image.pixels[top : top + alphas.shape[1]]
        color = straight(pixels)
        _, gain = network_image(color, self.image.color_space, spaces)
        target = spaces.convert(color, self.image.color_space, space)
        _check_range(target, top, space)
        display = spaces.is_display_referred(space)
        clip = clip and display
        if clip:
            target, pixels = np.clip(target, 0.0, 1.0), np.clip(pixels, 0.0, 1.0)
        boxed = None
        if display or spaces.is_display_referred(self.image.color_space):
            boxed = torch.from_numpy(((target >= 0) & (target <= 1)).all(axis=-1)).to(self.device)
        own = colors.permute(0, 2, 3, 1).cpu().numpy()
        delivered = layer_colors(own, gain, space, spaces)
        u = torch.from_numpy(delivered).to(self.device).permute(0, 3, 1, 2)
        u = u.clone() if delivered is own else u.contiguous()
        c = torch.from_numpy(np.ascontiguousarray(target.transpose(2, 0, 1))).to(self.device)
        u = exact_colors(alphas, u, c, boxed)
        associated = pixels[..., 3] if clip and self.image.has_alpha else association(pixels)
        total = np.ones((*associated.shape, 4), np.float32)
        untouched = space == self.image.color_space and not clip
        total[..., :3] = pixels[..., :3] if untouched else target * associated[..., None]
        if self.image.has_alpha:
            total[..., 3] = pixels[..., 3]
        layers = torch.empty((len(u), *associated.shape, 4), device=self.device)
        layers[..., :3] = (u * alphas[:, None]).permute(0, 2, 3, 1)
        layers[..., 3] = alphas
        if self.image.has_alpha:
            layers[..., :3] *= torch.from_numpy(associated).to(self.device)[..., None]
            layers[..., 3] *= torch.from_numpy(np.ascontiguousarray(pixels[..., 3])).to(self.device)
        missing = settle(layers, torch.from_numpy(total).to(self.device), alphas)
        scale = np.maximum(np.maximum(1.0, np.abs(target).max(axis=-1)), np.abs(total).max(axis=-1))
        error = float((missing.abs().amax(dim=-1) / torch.from_numpy(scale).to(self.device)).max())
        if not math.isfinite(error):
            raise RangeError(
                f"rows {top} to {top + len(pixels)}: layers are beyond the numbers of float32",
                cure="use --precision float32, or a picture and controls that are less extreme",
            )
        self.report.error_max = max(self.report.error_max, error)
        return layers.cpu().numpy()


def _inner(part: Tensor, rows: slice, columns: slice, context_rows: slice, context_columns: slice) -> Tensor:
    """A tile's own pixels out of what was computed with its halo."""
    y, x = rows.start - context_rows.start, columns.start - context_columns.start
    return part[..., y : y + rows.stop - rows.start, x : x + columns.stop - columns.start]


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
