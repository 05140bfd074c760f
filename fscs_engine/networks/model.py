"""A model: a pair (alpha predictor, residue predictor) behind one small interface, chosen by name or by file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from ..errors import WeightsError
from ..palette import canonical_order
from .unet import HALO, STRIDE, AlphaPredictor, ResiduePredictor, SinglePredictor
from .weights import Weights, load_weights

_N = TypeVar("_N", bound=torch.nn.Module)

RELEASED_EPS = 1e-8
"""What the released code adds to the sum in Eq. 5."""


class Model(Protocol):
    """What the segmenter asks of a model. Images are (3, H, W) sRGB in [0, 1], palettes (U, 3), all different.

    Attributes:
        maximum_colors: the most different colours it takes.
        stride: tiles begin at multiples of this.
        halo: pixels of context, a multiple of the stride, that decide one pixel of either predictor.
    """

    maximum_colors: int
    stride: int
    halo: int

    def predict_alphas(self, image: Tensor, palette: Tensor) -> Tensor:
        """→ (U, H, W) float32, each ≥ 0, not yet normalised."""
        ...

    def predict_colors(self, image: Tensor, palette: Tensor, alphas: Tensor) -> Tensor:
        """Layer colours u from *processed* alphas (U, H, W) → (U, 3, H, W) float32 sRGB in [0, 1]."""
        ...


class PaperModel:
    """The two U-Nets of Tables 3 and 4 with weights for a fixed K.

    Fewer colours come as repeated entries, whose alphas are added and whose colours are averaged (paper §5.5).
    The palette is sorted before the networks see it, so its order does not matter; they are trained so.

    Zero-centring: the released residue predictor subtracts the mean over the whole picture, so that tiles and
    frames disagree. Weights trained here learn centred residues (``centering`` = ``none``: nothing is
    subtracted). For the released weights (``chart``) the mean is taken over a chart of the palette's own flat
    colours instead of the picture: it depends on the palette alone.

    Args:
        weights: with ``colors``, ``centering`` and optionally ``skip`` and ``single_network`` in its metadata.
        device: where to compute.
        dtype: precision of the networks; what comes out is float32.
    """

    stride = STRIDE
    halo = HALO

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
                cure="make the file with fscs train or fscs weights import",
            ) from error
        self._filled: _Filled | None = None

    def predict_alphas(self, image: Tensor, palette: Tensor) -> Tensor:
        """See :class:`Model`."""
        filled = self._fill(palette)
        raw = self._raw(image, filled.full)
        # Each entry's share is taken after Eq. 5 by the caller; adding repeated entries commutes with it.
        merged = torch.zeros((len(palette), *image.shape[1:]), device=image.device)
        return merged.index_add_(0, filled.owners, raw)

    def predict_colors(self, image: Tensor, palette: Tensor, alphas: Tensor) -> Tensor:
        """See :class:`Model`."""
        filled = self._fill(palette)
        shares = alphas / filled.counts[:, None, None]
        residues = self._residues(image, filled.full, shares[filled.owners])
        colors = (residues - filled.center).add_(filled.full[..., None, None]).clamp_(0.0, 1.0)
        merged = torch.zeros((len(palette), *colors.shape[1:]), device=image.device)
        return merged.index_add_(0, filled.owners, colors).div_(filled.counts[:, None, None, None])

    @torch.no_grad()
    def predict_released(self, image: Tensor, palette: Tensor, smooth: bool) -> tuple[Tensor, Tensor]:
        """The released inference, for comparison: whole picture, palette as given, its filter, its global mean.

        Args:
            image: (3, H, W), H and W multiples of 8.
            palette: (K, 3) with K the model's own.
            smooth: with the guided filter of radius 3, eps 1e-6, which it leaves unclamped.

        Returns:
            Alphas (K, H, W), which can leave [0, 1] after its filter, and colours (K, 3, H, W) in [0, 1].
        """
        from ..smoothing import gray, guided_filter

        alphas = self.alpha(image[None], palette[None])[0]
        alphas = alphas / (alphas.sum(dim=0) + RELEASED_EPS)
        if smooth:
            alphas = guided_filter(gray(image), alphas, 3, 1e-6)
            alphas = alphas / (alphas.sum(dim=0) + RELEASED_EPS)
        residues = self.residue(image[None], palette[None], alphas[None])[0]
        residues = residues - residues.mean(dim=(2, 3), keepdim=True)
        return alphas, (palette[..., None, None] + residues).clamp(0.0, 1.0)

    def _raw(self, image: Tensor, full: Tensor) -> Tensor:
        with self._numerics():
            if self.single is not None:
                return self.single(image[None], full[None])[0][0].float()
            return self.alpha(image[None], full[None])[0].float()

    def _residues(self, image: Tensor, full: Tensor, alphas: Tensor) -> Tensor:
        with self._numerics():
            if self.single is not None:
                return self.single(image[None], full[None])[1][0].float()
            return self.residue(image[None], full[None], alphas[None])[0].float()

    def _fill(self, palette: Tensor) -> _Filled:
        """What the networks get for a palette; made once a run, as it waits for the device."""
        if self._filled is None or self._filled.palette is not palette:
            order = torch.as_tensor(canonical_order(palette.cpu().numpy()), device=palette.device)
            repeats = torch.arange(self.maximum_colors, device=palette.device).remainder(len(palette)).sort().values
            owners = order[repeats]
            full = palette[owners]
            counts = torch.bincount(owners, minlength=len(palette)).float()
            center = self._chart_mean(full) if self.centering == "chart" else torch.zeros((), device=palette.device)
            self._filled = _Filled(palette, full, owners, counts, center)
        return self._filled

    def _chart_mean(self, full: Tensor) -> Tensor:
        """Mean residue over a chart of the palette's flat colours, (K, 3, 1, 1).

        Each row of the chart holds all colours, turned by two places from the row above. On twelve photographs this
        was within 0.014 of the picture's own mean residue, which itself is 0.33 on average.
        """
        numbers = torch.arange(len(full), device=self.device)
        rows = torch.stack([numbers.roll(shift) for shift in range(0, len(full), 2)])
        cells = full[rows].permute(2, 0, 1)  # 3, rows, K
        chart = cells.repeat_interleave(32, dim=1).repeat_interleave(32, dim=2)
        raw = self._raw(chart, full)
        return self._residues(chart, full, raw / raw.sum(dim=0)).mean(dim=(2, 3), keepdim=True)

    @contextmanager
    def _numerics(self) -> Iterator[None]:
        """The precision that was asked for, and no less: cuDNN neither rounds to TF32 nor adds in any order."""
        with (
            torch.backends.cudnn.flags(deterministic=True, benchmark=False, allow_tf32=False),
            torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32),
        ):
            yield


@dataclass(frozen=True)
class _Filled:
    """A palette (U, 3) filled up to K for the networks.

    Attributes:
        palette: as it came.
        full: (K, 3) sorted, with repeated entries.
        owners: (K,) which of the U colours each is.
        counts: (U,) how often each is repeated.
        center: what is subtracted from residues, (K, 3, 1, 1) or a scalar 0.
    """

    palette: Tensor
    full: Tensor
    owners: Tensor
    counts: Tensor
    center: Tensor


def _with_weights(network: _N, prefix: str, weights: Weights) -> _N:
    """The network with its tensors, in evaluation mode. Counters of batch norm are not part of the weights."""
    state = {name.removeprefix(prefix): t for name, t in weights.tensors.items() if name.startswith(prefix)}
    own = network.state_dict()
    state |= {name: tensor for name, tensor in own.items() if name.endswith("num_batches_tracked")}
    network.load_state_dict(state)
    return network.eval().requires_grad_(False)


def create_model(model: str | Path, device: torch.device, dtype: torch.dtype) -> tuple[Model, Weights]:
    """The model of a name or file.

    Raises:
        WeightsError: see :func:`load_weights`; or an architecture that is not known.
    """
    weights = load_weights(model)
    architecture = weights.metadata.get("architecture", "")
    if architecture != "paper":
        raise WeightsError(f"{weights.name}: unknown architecture {architecture!r}", cure="update the program")
    return PaperModel(weights, device, dtype), weights
