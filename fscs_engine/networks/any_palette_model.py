"""The `any-palette` model: cells and local color models of the whole picture first, then its rows."""

from __future__ import annotations

import math
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import WeightsError
from ..host.parameters import MAXIMUM_COLORS
from ..palette.palette import canonical_order
from ..runtime.memory import empty
from ..runtime.threads import over_rows
from .alpha_loops import alpha_rows, coarse_mixtures
from .any_palette import AnyPaletteNetwork, coarse_grid, denoise, mixtures, step_matrix, upsample
from .coarse_network import CoarseNetwork
from .constants import DENOISE_RADIUS, PLANES, STRIDE
from .image_loops import coarse_rows, denoise_rows
from .model import View
from .numerics import numerics
from .palette_network import PaletteEmbedding, shares_of
from .weights import Weights

_GRID = 4  # cells; what the network's coarsest level sees as one
_HALO_CELLS = 32  # of the network, a multiple of the grid
_REACH = 2 * DENOISE_RADIUS  # rows around a row that decide its denoised colors
_TILE_ENTRIES = {"cpu": 2**20, "cuda": 2**22, "mps": 2**20}  # cells of a tile, times colors: bounds the memory
_BLOCK = 64  # rows that a thread takes at a time, a multiple of the cell
_CELLS = 2048  # that a thread takes at a time
_CELL_SHARE, _NETWORK_SHARE = 0.1, 0.3  # of the time, for the progress


class AnyPaletteModel:
    """One set of weights for 1 to 16 colors, unchanged by their order. See `any_palette.py`.

    A layer has one base color in the whole picture: the exact step alone closes the sum.

    Args:
        weights: with ``widths`` in its metadata.
        device: where to compute.
        dtype: precision of the network; what comes out is float32.

    Attributes:
        compiled: whether rows are made by the loops for the CPU, else by PyTorch as on every other device.

    Raises:
        WeightsError: tensors or metadata do not fit.
    """

    maximum_colors = MAXIMUM_COLORS
    halo = (_HALO_CELLS + 1) * STRIDE + _REACH
    own_colors = False
    predict_released = None

    def __init__(self, weights: Weights, device: torch.device, dtype: torch.dtype = torch.float32) -> None:
        self.device, self.dtype = device, dtype
        self.compiled = device.type == "cpu"
        try:
            fine, middle, coarse = (int(width) for width in weights.metadata["widths"].split(","))
            network = AnyPaletteNetwork((fine, middle, coarse))
            network.load_state_dict(dict(weights.tensors))
        except (KeyError, ValueError, RuntimeError) as error:
            raise WeightsError(
                f"{weights.name}: tensors or metadata do not fit the model 'any-palette' "
                f"({str(error).splitlines()[0]})",
                cure="create the file with fscs train",
            ) from error
        self.network = network.eval().requires_grad_(False).to(device)
        self._deciding = deepcopy(self.network).double() if self.compiled else self.network

    @property
    def normalized(self) -> bool:
        """See :class:`fscs_engine.networks.model.Model`: the loops do it, PyTorch leaves it to the processing."""
        return self.compiled

    @torch.no_grad()
    def embed(self, palette: Tensor, softness: float) -> PaletteEmbedding:
        """What the palette (U, 3) and the softness in [0, 1] alone decide.

        On the CPU in double precision: sums in another order, by another number of threads, would else be a little
        different, and logits magnify that.
        """
        entries = palette[None].to(self._deciding.sizes.dtype)
        return PaletteEmbedding(*(p.float() for p in self._deciding.embed(entries, entries.new_full((1,), softness))))

    @torch.no_grad()
    def base_colors(self, palette: Tensor, softness: float) -> Tensor:
        """See :class:`fscs_engine.networks.model.Model`. One order inside, as in :class:`AnyPalettePrediction`."""
        order = torch.as_tensor(canonical_order(palette.cpu().numpy()), device=palette.device)
        return self.embed(palette[order], softness).base[0, order.argsort()]

    def predict(self, view: View, palette: Tensor, softness: float) -> AnyPalettePrediction:
        """See :class:`fscs_engine.networks.model.Model`."""
        return AnyPalettePrediction(self, view, palette, softness)


class AnyPalettePrediction:
    """One picture's local color models, and its rows made of them.

    See :class:`fscs_engine.networks.model.Prediction`.
    """

    def __init__(self, model: AnyPaletteModel, view: View, palette: Tensor, softness: float) -> None:
        self.model, self.view = model, view
        # One order inside, so that the order outside does not even show in the rounding.
        self.order = torch.as_tensor(canonical_order(palette.cpu().numpy()), device=view.device)
        self.palette = palette[self.order]
        self.bottom = 0  # rows above it have been reported as done
        self.embedding = model.embed(self.palette, softness)
        self.shares = shares_of(self.palette[None])
        self.models = self.local_models(self._coarse_grid())
        if model.compiled:
            embedding = PaletteEmbedding(*(part[0] for part in self.embedding))
            arrays = (self.order, self.models, embedding.base, step_matrix(self.embedding.base)[0])
            steps = (embedding.sizes, 1.0 + embedding.sharpening, embedding.tolerances, embedding.prior, self.shares[0])
            self.constants: tuple[Any, ...] = tuple(
                np.ascontiguousarray(tensor.numpy()) for tensor in (*arrays, *steps)
            )

    def alphas(self, top: int, bottom: int) -> Tensor:
        """Adding to 1. On the CPU each is 0 or at least the floor."""
        rows = self._compiled_rows(top, bottom) if self.model.compiled else self._tensor_rows(top, bottom)
        fresh, self.bottom = max(0, bottom - max(top, self.bottom)), max(self.bottom, bottom)
        self.view.done((1.0 - _CELL_SHARE - _NETWORK_SHARE) * fresh / self.view.height)
        return rows

    def _coarse_grid(self) -> Tensor:
        """(6, ch, cw) of the whole picture, a block of rows at a time."""
        view = self.view
        high, wide = -(-view.height // STRIDE), -(-view.width // STRIDE)
        if not self.model.compiled:
            rows = 8 * _BLOCK
            parts = [
                coarse_grid(view.tensor(top, min(view.height, top + rows))[None])[0]
                for top in range(0, view.height, rows)
            ]
            view.done(_CELL_SHARE)
            return torch.cat(parts, dim=1)
        grid = empty((6, high, wide))

        def work(top: int, bottom: int) -> None:
            coarse_rows(view.pixels(top, bottom), grid[:, top // STRIDE : -(-bottom // STRIDE)])

        for top in range(0, view.height, 16 * _BLOCK):  # so that a cancel is heard
            bottom = min(view.height, top + 16 * _BLOCK)
            over_rows(work, top, bottom, _BLOCK, torch.get_num_threads())
            view.done(_CELL_SHARE * (bottom - top) / view.height)
        return torch.from_numpy(grid)

    @torch.no_grad()
    def local_models(self, grid: Tensor) -> Tensor:
        """The local color models of all cells: (6, ch, cw) → (U, 13, ch, cw).

        By tiles of cells with a halo, on the network's grid.
        """
        high, wide = grid.shape[1:]
        mixed = self._mixtures(grid)
        asked = self.view.tile // STRIDE
        if not asked:
            most = _TILE_ENTRIES[self.view.device.type] // len(self.palette)
            asked = max(high, wide) if high * wide <= most else math.isqrt(most)
        tile = max(_GRID, -(-asked // _GRID) * _GRID)
        if self.model.compiled and self.model.dtype == torch.float32:
            whole = torch.from_numpy(empty((len(self.palette), PLANES, high, wide)))
            see = self._models_by_loops
        else:
            whole = torch.empty((len(self.palette), PLANES, high, wide), device=self.view.device)
            see = self._models_by_tensors
        for y in range(0, high, tile):
            for x in range(0, wide, tile):
                top, left = max(0, y - _HALO_CELLS), max(0, x - _HALO_CELLS)
                near = (..., slice(top, y + tile + _HALO_CELLS), slice(left, x + tile + _HALO_CELLS))
                inner = whole[..., y : y + tile, x : x + tile]
                see(grid[near], mixed[near], (y - top, x - left), inner)
                self.view.done(_NETWORK_SHARE * inner[0, 0].numel() / (high * wide))
        return whole

    def _models_by_loops(self, grid: Tensor, mixed: Tensor, corner: tuple[int, int], out: Tensor) -> None:
        """The local color models (U, 13, h', w') of some cells, from ``corner`` on."""
        palette, offsets = self.palette.numpy(), self.embedding.offsets[0].numpy()
        alone = out.is_contiguous()  # else it is one tile of several
        network = CoarseNetwork(self.model.network, kept=alone)
        network.models(grid.numpy(), palette, offsets, mixed.numpy(), corner, out.numpy())

    def _models_by_tensors(self, grid: Tensor, mixed: Tensor, corner: tuple[int, int], out: Tensor) -> None:
        """The same on any device, in any precision."""
        with numerics(self.view.device, self.model.dtype):
            models = self.model.network.models(grid[None], self.palette[None], self.embedding.offsets, mixed[None])[0]
        (top, left), (height, width) = corner, out.shape[2:]
        out.copy_(models[..., top : top + height, left : left + width])

    @torch.no_grad()
    def _mixtures(self, grid: Tensor) -> Tensor:
        """(U, ch, cw)."""
        if not self.model.compiled:
            return mixtures(grid[None], self.palette[None])[0]
        colors = grid[:3].flatten(1).numpy()
        palette, steps = self.palette.numpy(), step_matrix(self.palette[None])[0].numpy()
        mixed = empty((len(palette), colors.shape[1]))

        def work(first: int, last: int) -> None:
            coarse_mixtures(colors[:, first:last], palette, steps, mixed[:, first:last])

        over_rows(work, 0, colors.shape[1], _CELLS, torch.get_num_threads())
        return torch.from_numpy(mixed).unflatten(1, grid.shape[1:])

    def _compiled_rows(self, top: int, bottom: int) -> Tensor:
        view = self.view
        alphas = empty((len(self.palette), bottom - top, view.width))
        order, models, base, steps, sizes, sharpening, tolerances, prior, shares = self.constants

        def work(first: int, last: int) -> None:
            start = max(0, first - _REACH)
            network_input = view.pixels(start, min(view.height, last + _REACH))
            denoised: NDArray[np.float32] = empty((3, last - first, view.width))
            denoise_rows(network_input, start, first, last, view.height, denoised)
            rows = alphas[:, first - top : last - top]
            alpha_rows(denoised, first, order, models, base, steps, sizes, sharpening, tolerances, prior, shares, rows)

        over_rows(work, top, bottom, _BLOCK // 2, torch.get_num_threads())
        return torch.from_numpy(alphas)

    @torch.no_grad()
    def _tensor_rows(self, top: int, bottom: int) -> Tensor:
        start, end = max(0, top - _REACH), min(self.view.height, bottom + _REACH)
        denoised = denoise(self.view.tensor(start, end)[None])[:, :, top - start : bottom - start]
        first, last = max(0, (top - STRIDE // 2) // STRIDE), (bottom - 1 + STRIDE // 2) // STRIDE + 1
        near = self.models[None, :, :, first:last]
        models = upsample(near, near.shape[3] * STRIDE, self.view.width)[
            ..., top - first * STRIDE : bottom - first * STRIDE, :
        ]
        alphas = self.model.network.pixel_alphas(models.flatten(3), denoised.flatten(2), self.embedding, self.shares)
        return alphas[0, self.order.argsort()].unflatten(1, (bottom - top, self.view.width))
