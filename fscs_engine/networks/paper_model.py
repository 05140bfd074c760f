"""The `paper` model: the two U-Nets of Tables 3 and 4, tile by tile, with any palette of at most their K colors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from ..errors import WeightsError
from ..palette.palette import canonical_order
from .model import View
from .numerics import numerics
from .unet import HALO, STRIDE, AlphaPredictor, ResiduePredictor, SinglePredictor
from .weights import Weights

_N = TypeVar("_N", bound=torch.nn.Module)

RELEASED_EPS = 1e-8
"""What the released code adds to the sum in Eq. 5."""

_ALPHA_SHARE = 0.4  # of the time of both networks, for the progress
_CPU_TILE = 512
_GPU_TILE = 1536


class PaperModel:
    """The two U-Nets of Tables 3 and 4 with weights for a fixed K.

    Fewer colors come as repeated entries, whose alphas are added and whose colors are averaged (paper §5.5).
    The palette is sorted before the networks see it, so its order does not matter; they are trained so.

    Zero-centering: the released residue predictor subtracts the mean over the whole picture, so that tiles and
    frames disagree. Weights trained here learn centered residues (``centering`` = ``none``: nothing is
    subtracted). For the released weights (``chart``) the mean is taken over a chart of the palette's own flat
    colors instead of the picture: it depends on the palette alone.

    Args:
        weights: with ``colors``, ``centering`` and optionally ``skip`` and ``single_network`` in its metadata.
        device: where to compute.
        dtype: precision of the networks; what comes out is float32.
    """

    halo = HALO
    own_colors = True
    normalized = False

    def __init__(self, weights: Weights, device: torch.device, dtype: torch.dtype = torch.float32) -> None:
        meta = weights.metadata
        try:
            self.maximum_colors = int(meta["colors"])
            self.centering = meta["centering"]
            skip = meta.get("skip", "true") == "true"
            self.device, self.dtype = device, dtype
            self.single: SinglePredictor | None = None
            if meta.get("single_network", "false") == "true":
                self.single = _with_weights(SinglePredictor(self.maximum_colors, skip), "single.", weights)
                self.single.to(device)
            else:
                self.alpha = _with_weights(AlphaPredictor(self.maximum_colors, skip), "alpha.", weights).to(device)
                self.residue = _with_weights(ResiduePredictor(self.maximum_colors, skip), "residue.", weights).to(
                    device
                )
        except (KeyError, ValueError, RuntimeError) as error:
            raise WeightsError(
                f"{weights.name}: tensors or metadata do not fit the model 'paper' ({str(error).splitlines()[0]})",
                cure="create the file with fscs train or fscs weights import",
            ) from error

    def base_colors(self, palette: Tensor, softness: float) -> Tensor:
        """See :class:`fscs_engine.networks.model.Model`: the palette's."""
        del softness
        return palette

    @property
    def predict_released(self) -> Callable[[Tensor, Tensor, bool], tuple[Tensor, Tensor]] | None:
        """See :class:`fscs_engine.networks.model.Model`: the released code has two networks."""
        return self._predict_released if self.single is None else None

    def predict(self, view: View, palette: Tensor, softness: float) -> PaperPrediction:
        """See :class:`fscs_engine.networks.model.Model`; it knows no softness."""
        del softness
        return PaperPrediction(self, view, palette)

    def predict_alphas(self, image: Tensor, filled: FilledPalette) -> Tensor:
        """Raw alphas of a tile. image (3, H, W) → (U, H, W), each ≥ 0."""
        raw = self._raw(image, filled.full)
        # Each entry's share is taken after Eq. 5 by the caller; adding repeated entries commutes with it.
        merged = torch.zeros((len(filled.counts), *image.shape[1:]), device=image.device)
        return merged.index_add_(0, filled.owners, raw)

    def predict_colors(self, image: Tensor, filled: FilledPalette, alphas: Tensor) -> Tensor:
        """Layer colors of a tile from processed alphas (U, H, W) → (U, 3, H, W)."""
        shares = alphas / filled.counts[:, None, None]
        residues = self._residues(image, filled.full, shares[filled.owners])
        colors = (residues - filled.center).add_(filled.full[..., None, None]).clamp_(0.0, 1.0)
        merged = torch.zeros((len(filled.counts), *colors.shape[1:]), device=image.device)
        return merged.index_add_(0, filled.owners, colors).div_(filled.counts[:, None, None, None])

    @torch.no_grad()
    def _predict_released(self, image: Tensor, palette: Tensor, smooth: bool) -> tuple[Tensor, Tensor]:
        """The released inference, for comparison: whole picture, palette as given, its filter, its global mean.

        Args:
            image: (3, H, W), H and W multiples of 8.
            palette: (K, 3) with K the model's own.
            smooth: with the guided filter of radius 3, eps 1e-6, which it leaves unclamped.

        Returns:
            Alphas (K, H, W), which can leave [0, 1] after its filter, and colors (K, 3, H, W) in [0, 1].
        """
        from ..alpha.smoothing import gray, guided_filter

        alphas = self.alpha(image[None], palette[None])[0]
        alphas = alphas / (alphas.sum(dim=0) + RELEASED_EPS)
        if smooth:
            alphas = guided_filter(gray(image), alphas, 3, 1e-6)
            alphas = alphas / (alphas.sum(dim=0) + RELEASED_EPS)
        residues = self.residue(image[None], palette[None], alphas[None])[0]
        residues = residues - residues.mean(dim=(2, 3), keepdim=True)
        return alphas, (palette[..., None, None] + residues).clamp(0.0, 1.0)

    def _raw(self, image: Tensor, full: Tensor) -> Tensor:
        with numerics(self.device, self.dtype):
            if self.single is not None:
                return self.single(image[None], full[None])[0][0].float()
            return self.alpha(image[None], full[None])[0].float()

    def _residues(self, image: Tensor, full: Tensor, alphas: Tensor) -> Tensor:
        with numerics(self.device, self.dtype):
            if self.single is not None:
                return self.single(image[None], full[None])[1][0].float()
            return self.residue(image[None], full[None], alphas[None])[0].float()

    def fill(self, palette: Tensor) -> FilledPalette:
        """What the networks get for a palette (U, 3). It waits for the device."""
        order = torch.as_tensor(canonical_order(palette.cpu().numpy()), device=palette.device)
        repeats = torch.arange(self.maximum_colors, device=palette.device).remainder(len(palette)).sort().values
        owners = order[repeats]
        full = palette[owners]
        counts = torch.bincount(owners, minlength=len(palette)).float()
        center = self._chart_mean(full) if self.centering == "chart" else torch.zeros((), device=palette.device)
        return FilledPalette(full, owners, counts, center)

    def _chart_mean(self, full: Tensor) -> Tensor:
        """Mean residue over a chart of the palette's flat colors, (K, 3, 1, 1).

        Each row of the chart holds all colors, turned by two places from the row above. On twelve photographs this
        was within 0.014 of the picture's own mean residue, which itself is 0.33 on average.
        """
        numbers = torch.arange(len(full), device=self.device)
        rows = torch.stack([numbers.roll(shift) for shift in range(0, len(full), 2)])
        cells = full[rows].permute(2, 0, 1)  # 3, rows, K
        chart = cells.repeat_interleave(32, dim=1).repeat_interleave(32, dim=2)
        raw = self._raw(chart, full)
        return self._residues(chart, full, raw / raw.sum(dim=0)).mean(dim=(2, 3), keepdim=True)


@dataclass(frozen=True)
class FilledPalette:
    """A palette (U, 3) filled up to K for the networks.

    Attributes:
        full: (K, 3) sorted, with repeated entries.
        owners: (K,) which of the U colors each is.
        counts: (U,) how often each is repeated.
        center: what is subtracted from residues, (K, 3, 1, 1) or a scalar 0.
    """

    full: Tensor
    owners: Tensor
    counts: Tensor
    center: Tensor


class PaperPrediction:
    """One picture's way through the two networks: tiles with a halo, on the networks' grid.

    See :class:`fscs_engine.networks.model.Prediction`.
    """

    def __init__(self, model: PaperModel, view: View, palette: Tensor) -> None:
        self.model, self.view, self.palette = model, view, model.fill(palette)
        automatic = _CPU_TILE if view.device.type == "cpu" else _GPU_TILE
        self.tile = max(STRIDE, (view.tile or automatic) // STRIDE * STRIDE)
        self.raw_top = self.raw_bottom = 0
        self.raw = torch.empty((len(palette), 0, view.width), device=view.device)

    def alphas(self, top: int, bottom: int) -> Tensor:
        """Rows that were computed before and are still needed are kept."""
        first = self.raw_bottom  # rows from here on are new
        if bottom > first:
            last = min(self.view.height, -(-bottom // STRIDE) * STRIDE)
            fresh = torch.empty((len(self.raw), last - first, self.view.width), device=self.view.device)
            halo_top = max(0, first - HALO)
            network_input = self.view.tensor(halo_top, min(self.view.height, last + HALO))
            for rows, columns, context_rows, context_columns in self._tiles(first, last):
                part = self.model.predict_alphas(
                    network_input[:, context_rows.start - halo_top : context_rows.stop - halo_top, context_columns],
                    self.palette,
                )
                fresh[:, rows.start - first : rows.stop - first, columns] = _inner(
                    part, rows, columns, context_rows, context_columns
                )
                self._tile_done(rows, columns, _ALPHA_SHARE)
            keep = max(0, top // STRIDE * STRIDE - self.raw_top)
            self.raw = torch.cat((self.raw[:, keep:], fresh), dim=1)
            self.raw_top += keep
            self.raw_bottom = last
        return self.raw[:, top - self.raw_top : bottom - self.raw_top]

    def colors(self, top: int, bottom: int, first: int, network_input: Tensor, alphas: Tensor) -> Tensor:
        """See :class:`fscs_engine.networks.model.Prediction`."""
        colors = torch.empty((len(self.raw), 3, bottom - top, self.view.width), device=self.view.device)
        for rows, columns, context_rows, context_columns in self._tiles(top, bottom):
            context = slice(context_rows.start - first, context_rows.stop - first)
            part = self.model.predict_colors(
                network_input[:, context, context_columns], self.palette, alphas[:, context, context_columns]
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
        height, width = self.view.height, self.view.width
        for y in range(top, bottom, self.tile):
            rows = slice(y, min(bottom, y + self.tile))
            for x in range(0, width, self.tile):
                columns = slice(x, min(width, x + self.tile))
                yield (
                    rows,
                    columns,
                    slice(max(0, rows.start - HALO), min(height, rows.stop + HALO)),
                    slice(max(0, columns.start - HALO), min(width, columns.stop + HALO)),
                )

    def _tile_done(self, rows: slice, columns: slice, share: float) -> None:
        area = (rows.stop - rows.start) * (columns.stop - columns.start)
        self.view.done(share * area / (self.view.height * self.view.width))


def _inner(part: Tensor, rows: slice, columns: slice, context_rows: slice, context_columns: slice) -> Tensor:
    """A tile's own pixels out of what was computed with its halo."""
    y, x = rows.start - context_rows.start, columns.start - context_columns.start
    return part[..., y : y + rows.stop - rows.start, x : x + columns.stop - columns.start]


def _with_weights(network: _N, prefix: str, weights: Weights) -> _N:
    """The network with its tensors, in evaluation mode. Counters of batch norm are not part of the weights."""
    state = {name.removeprefix(prefix): t for name, t in weights.tensors.items() if name.startswith(prefix)}
    own = network.state_dict()
    state |= {name: tensor for name, tensor in own.items() if name.endswith("num_batches_tracked")}
    network.load_state_dict(state)
    return network.eval().requires_grad_(False)
