"""Alpha processing: everything between the alpha predictor and the colors, always in the same order.

normalize (Eq. 5) → smoothing → clamp and normalize → temporal smoothing (`temporal.py`) → minimum alpha and per-layer
black and white point, gain, gamma → normalize → per-layer erode and blur (`edges.py`) → masks. Alphas enter and leave
in [0, 1] and leave adding to 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import UsageError
from ..host.key import MASK_SPACE, RESULT_PARAMETERS, pixels_identity
from ..host.parameters import ALPHA_FLOOR, BY_NAME
from ..palette.palette import Palette
from . import edges
from .smoothing import gray, guided_filter, reach

_LARGEST = 1e12  # gain and gamma at their limits overflow float32; this much is alone anyway


@dataclass(frozen=True)
class LayerAdjustment:
    """Edits of one layer's alpha: ``((alpha - black) / (white - black) × gain) ** (1 / gamma)``.

    Then, in pixels, the matte is eroded (below 0: dilated) and blurred by a Gaussian of standard deviation ``blur``.
    """

    gain: float = 1.0
    gamma: float = 1.0
    black: float = 0.0
    white: float = 1.0
    erode: float = 0.0
    blur: float = 0.0


ADJUSTMENTS = tuple(one.name for one in fields(LayerAdjustment))
"""Their names; in the parameter table they begin with ``layer_``."""


@dataclass(frozen=True)
class Mask:
    """A hand in the distribution of the alphas.

    Attributes:
        pixels: (H, W) float32 in [0, 1]; data, grays are soft.
        mode: ``limit`` multiplies each of ``layers`` by the mask and gives what is lost to the others;
            ``split`` pools the two ``layers`` and gives mask × pool to the first, the rest to the second.
        layers: layer numbers from 1; two of them for ``split``.
        identity: sha256 of where the mask came from, for the cache key; of the pixels where none is given.

    Raises:
        UsageError: not two-dimensional, or a value that is not in [0, 1].
    """

    pixels: NDArray[np.float32]
    mode: Literal["limit", "split"]
    layers: tuple[int, ...]
    identity: str = ""

    def __post_init__(self) -> None:
        pixels = np.array(self.pixels, dtype=np.float32, order="C")
        if pixels.ndim != 2:
            raise UsageError(f"the mask has shape {pixels.shape}", cure="give (H, W)")
        if not ((pixels >= 0) & (pixels <= 1)).all():  # also refuses NaN
            raise UsageError("the mask has values outside 0 to 1", cure="clip it, and repair NaN")
        object.__setattr__(self, "pixels", pixels)
        if not self.identity:
            object.__setattr__(self, "identity", pixels_identity(pixels, len(pixels), pixels.shape[1], 1, MASK_SPACE))


@dataclass(frozen=True)
class AlphaProcessing:
    """The controls, with the names, defaults and ranges of the parameter table. ``adjustments`` by layer from 1."""

    softness: float = float(BY_NAME["softness"].default)
    smoothing: int = int(BY_NAME["smoothing"].default)
    smoothing_eps: float = float(BY_NAME["smoothing_eps"].default)
    smoothing_strength: float = float(BY_NAME["smoothing_strength"].default)
    minimum_alpha: float = float(BY_NAME["minimum_alpha"].default)
    adjustments: Mapping[int, LayerAdjustment] = field(default_factory=dict)
    masks: tuple[Mask, ...] = ()
    temporal: float = float(BY_NAME["temporal"].default)

    @property
    def reach(self) -> int:
        """How many pixels away a pixel can still change the smoothed alphas."""
        return reach(self.smoothing) if self.smoothing_strength > 0 else 0

    @property
    def edge_edits(self) -> dict[int, tuple[float, float]]:
        """Erode and blur of the layers that have them, by layer from 0."""
        found = {number - 1: (edit.erode, edit.blur) for number, edit in self.adjustments.items()}
        return {layer: edge for layer, edge in found.items() if any(edge)}

    @property
    def edge_reach(self) -> int:
        """How many pixels away a smoothed alpha can still change the processed ones."""
        return max((edges.reach(*edge) for edge in self.edge_edits.values()), default=0)

    @property
    def before_temporal(self) -> tuple[float, ...]:
        """What decides the alphas that the temporal smoothing mixes."""
        return tuple(getattr(self, name) for name in RESULT_PARAMETERS if name not in ("temporal", "minimum_alpha"))

    @property
    def changes_nothing(self) -> bool:
        """Whether the normalized alphas of a picture by itself leave as they came."""
        edited = any(adjustment != LayerAdjustment() for adjustment in self.adjustments.values())
        return not (self.reach or self.minimum_alpha > 0 or edited or self.masks)

    def check(self, colors: int, height: int, width: int) -> None:
        """Refuses what can't be done with this palette and picture.

        Raises:
            UsageError: a value out of its range, a layer that is not there, every layer emptied, a mask of
                another size.
        """
        for name in RESULT_PARAMETERS:
            _check_range(name, getattr(self, name), name.replace("_", "-"))
        for number, adjustment in self.adjustments.items():
            _check_layer(number, colors)
            for name in ADJUSTMENTS:
                _check_range(f"layer_{name}", getattr(adjustment, name), f"{name} of layer {number}")
            if adjustment.black >= adjustment.white:
                raise UsageError(
                    f"layer {number}: black point {adjustment.black} is not below its white point {adjustment.white}",
                    cure="set black < white",
                )
        if all(self.adjustments.get(n, LayerAdjustment()).gain == 0 for n in range(1, colors + 1)):
            raise UsageError("every layer has a gain of 0", cure="leave at least one layer above 0")
        for mask in self.masks:
            self._check_mask(mask, colors, height, width)
        if len({number for mask in self.masks if mask.mode == "limit" for number in mask.layers}) == colors:
            raise UsageError(
                "limit masks cover every layer", cure="leave at least one layer unmasked, to take what the others lose"
            )

    @staticmethod
    def _check_mask(mask: Mask, colors: int, height: int, width: int) -> None:
        if mask.pixels.shape != (height, width):
            raise UsageError(
                f"the mask is {mask.pixels.shape[1]}×{mask.pixels.shape[0]}, the image {width}×{height}",
                cure="give a mask of the image's size",
            )
        for number in mask.layers:
            _check_layer(number, colors)
        if len(set(mask.layers)) != len(mask.layers) or not mask.layers:
            raise UsageError(f"mask layers {list(mask.layers)}", cure="name each layer once, at least one")
        if mask.mode == "split" and len(mask.layers) != 2:
            raise UsageError(f"a split mask names layers {list(mask.layers)}", cure="name two: --mask-mode split:2,5")
        if mask.mode not in ("limit", "split"):
            raise UsageError(f"mask mode {mask.mode!r}", cure="use limit or split")


def _check_range(name: str, value: float, shown: str) -> None:
    if cure := BY_NAME[name].cure(value):
        raise UsageError(f"{shown} is {value}", cure)


def _check_layer(number: int, colors: int) -> None:
    if not 1 <= number <= colors:
        raise UsageError(f"there is no layer {number}", cure=f"the palette has layers 1 to {colors}")


def smooth_alphas(raw: Tensor, image: Tensor, palette: Tensor, processing: AlphaProcessing) -> Tensor:
    """The chain up to the temporal smoothing.

    Args:
        raw: (U, H, W) alphas of the U different palette colors, each ≥ 0, before Eq. 5.
        image: (3, H, W) sRGB in [0, 1], what the network saw.
        palette: (U, 3) sRGB in [0, 1], the different colors.
        processing: the controls, already checked.

    Returns:
        (U, H, W) in [0, 1], adding to 1 along U.
    """
    nearest = nearest_color(image, palette)
    alphas = normalize(raw, nearest)
    if processing.reach:
        smooth = guided_filter(gray(image), alphas, processing.smoothing, processing.smoothing_eps)
        alphas = torch.lerp(alphas, smooth, processing.smoothing_strength)
        alphas = normalize(alphas.clamp_(0.0, 1.0), nearest)
    return alphas


def edit_alphas(
    alphas: Tensor,
    image: Tensor,
    palette: Tensor,
    duplicates: Sequence[Sequence[int]],
    processing: AlphaProcessing,
    masks: Sequence[Tensor] = (),
) -> Tensor:
    """The chain after the temporal smoothing; other arguments as for :func:`smooth_alphas`.

    It goes pixel by pixel but for erode and blur, which need ``processing.edge_reach`` more on every side.

    Args:
        alphas: (U, H, W) in [0, 1], adding to 1 along U.
        duplicates: for each different color the positions (from 0) that it has in the user's palette of K
            entries; an alpha is split evenly over them.
        masks: (H, W) each, the part of ``processing.masks`` that lies over ``image``.

    Returns:
        (K, H, W) in [0, 1], adding to 1 along K.
    """
    alphas = _adjust(alphas, image, palette, duplicates, processing)
    if processing.edge_edits:
        alphas = edges.edit_edges(alphas, processing.edge_edits)
    owners = owners_of(duplicates)
    for mask, pixels in zip(processing.masks, masks, strict=True):
        layers = [number - 1 for number in mask.layers]
        if mask.mode == "limit":
            alphas = _limit(alphas, pixels, layers, image, palette, owners)
        else:
            pool = alphas[layers[0]] + alphas[layers[1]]
            alphas[layers[0]] = pixels * pool
            alphas[layers[1]] = pool - alphas[layers[0]]
    return alphas.clamp_(0.0, 1.0)


def duplicates_of(palette: Palette) -> list[list[int]]:
    """The positions of each different color, in order of first appearance."""
    positions: dict[tuple[float, ...], list[int]] = {}
    for position, color in enumerate(palette.array.tolist()):
        positions.setdefault(tuple(color), []).append(position)
    return list(positions.values())


def owners_of(duplicates: Sequence[Sequence[int]]) -> list[int]:
    """For each entry of the user's palette, which of the different colors it is."""
    owners = [0] * sum(len(positions) for positions in duplicates)
    for color, positions in enumerate(duplicates):
        for position in positions:
            owners[position] = color
    return owners


def nearest_color(image: Tensor, palette: Tensor) -> Tensor:
    """Index of the palette color nearest to each pixel. image (3, H, W), palette (K, 3) → (H, W) int64."""
    best = torch.full(image.shape[1:], torch.inf, device=image.device, dtype=image.dtype)
    index = torch.zeros(image.shape[1:], device=image.device, dtype=torch.int64)
    for number, color in enumerate(palette):
        distance = (image - color[:, None, None]).square().sum(dim=0)
        closer = distance < best
        best = torch.where(closer, distance, best)
        index = torch.where(closer, number, index)
    return index


def normalize(alphas: Tensor, nearest: Tensor) -> Tensor:
    """Eq. 5; where all alphas are 0, alpha is 1 for the nearest color. (K, H, W), (H, W) → (K, H, W)."""
    total = alphas.sum(dim=0)
    empty = ~(total > 0)
    alphas = alphas / torch.where(empty, 1.0, total)
    numbers = torch.arange(len(alphas), device=alphas.device)[:, None, None]
    return torch.where(empty, (nearest == numbers).to(alphas.dtype), alphas)


def _adjust(
    alphas: Tensor, image: Tensor, palette: Tensor, duplicates: Sequence[Sequence[int]], processing: AlphaProcessing
) -> Tensor:
    """Minimum alpha, per-layer controls, the floor, duplicates, normalize. (U, H, W) → (K, H, W).

    Every entry of a duplicated color edits the whole alpha of that color and takes its share afterwards, so
    duplicates without edits of their own, merged, give what the color alone gives.
    """
    owners = owners_of(duplicates)
    layers = torch.empty((len(owners), *alphas.shape[1:]), dtype=alphas.dtype, device=alphas.device)
    open_entries = []
    for entry, owner in enumerate(owners):
        alpha = alphas[owner]
        if processing.minimum_alpha > 0:
            alpha = torch.where(alpha < processing.minimum_alpha, 0.0, alpha)
        adjustment = processing.adjustments.get(entry + 1, LayerAdjustment())
        if adjustment != LayerAdjustment():
            alpha = ((alpha - adjustment.black) / (adjustment.white - adjustment.black)).clamp(0.0, 1.0)
            alpha = ((alpha * adjustment.gain) ** (1.0 / adjustment.gamma)).clamp_max(_LARGEST)
        if adjustment.gain > 0:
            open_entries.append(entry)
        layers[entry] = torch.where(alpha < ALPHA_FLOOR, 0.0, alpha) / len(duplicates[owner])
    if layers.device.type != "cpu" or not (layers.sum(dim=0) > 0).all():  # asking a GPU would wait for it
        layers = _fill_empty(layers, image, palette, owners, open_entries)
    return layers / layers.sum(dim=0)


def _fill_empty(
    layers: Tensor, image: Tensor, palette: Tensor, owners: Sequence[int], open_entries: Sequence[int]
) -> Tensor:
    """Where nothing is left, alpha is 1 for the nearest color among the layers that were not emptied by gain 0."""
    colors = sorted({owners[entry] for entry in open_entries})
    nearest = nearest_color(image, palette[colors])
    empty = ~(layers.sum(dim=0) > 0)
    for entry in open_entries:
        layers[entry] = torch.where(empty & (nearest == colors.index(owners[entry])), 1.0, layers[entry])
    return layers


def _limit(
    alphas: Tensor, mask: Tensor, layers: Sequence[int], image: Tensor, palette: Tensor, owners: Sequence[int]
) -> Tensor:
    """Mode limit of one mask: limited layers leave with mask × alpha, the others take the rest in proportion."""
    others = [entry for entry in range(len(alphas)) if entry not in layers]
    limited = alphas[layers] * mask
    lost = (alphas[layers] - limited).sum(dim=0)
    rest = alphas[others]
    total = rest.sum(dim=0)
    colors = sorted({owners[entry] for entry in others})
    nearest = nearest_color(image, palette[colors])
    twins = [sum(owners[other] == owners[entry] for other in others) for entry in others]
    even = torch.stack(
        [(nearest == colors.index(owners[entry])) / twin for entry, twin in zip(others, twins, strict=True)]
    )
    share = torch.where(total > 0, rest / torch.where(total > 0, total, 1.0), even)
    result = alphas.clone()
    result[layers] = limited
    result[others] = rest + lost * share
    return result
