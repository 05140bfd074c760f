"""The any-palette model with the whole chain around it, for a host that runs it by itself: Nuke's Inference nodes.

It is traced and scripted from the modules here, so there is one definition of the mathematics. Old PyTorch reads it.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, List, Tuple  # noqa: UP035  # TorchScript of old PyTorch

import torch
from torch import Tensor, nn

from ..alpha.smoothing import LUMA, guided_filter
from ..exact.exact import in_gamut_colors
from ..host.parameters import ALPHA_FLOOR, BY_NAME, LIVE_COLORS
from ..networks.any_palette import AnyPaletteNetwork

COLORS = LIVE_COLORS
"""The largest palette of :class:`LiveModel`: two Inference nodes with four layers each."""

CHANNELS_IN = ("rgba.red", "rgba.green", "rgba.blue", "rgba.alpha")
CHANNELS_OUT = (
    *("rgba.red", "rgba.green", "rgba.blue", "rgba.alpha"),
    *("forward.u", "forward.v", "backward.u", "backward.v"),
    *("disparityL.x", "disparityL.y", "disparityR.x", "disparityR.y"),
    *("deep.front", "deep.back", "depth.Z", "mask.a"),
)
"""Channels that an Inference node can give: it takes no other names than these and three more."""

SPACES = ("lin_rec709", "acescg", "srgb")
"""The values of :attr:`LiveModel.space`."""

ATTRIBUTES = (
    *(f"p{number}{channel}" for number in range(1, COLORS + 1) for channel in "rgb"),
    *("colors", "first", "space", "softness", "smoothing", "smoothing_eps", "smoothing_strength", "minimum_alpha"),
)
"""What a host sets of :class:`LiveModel`."""

_GROUP = 4  # layers of one evaluation
_ACESCG_TO_REC709 = (
    (1.7050509930, -0.6217921210, -0.0832588720),
    (-0.1302564180, 1.1408047370, -0.0105483190),
    (-0.0240033570, -0.1289689760, 1.1529723330),
)
_LARGEST = 1e30


class _Alphas(nn.Module):
    """The network for one picture, to be traced: scripting can't read it."""

    def __init__(self, network: AnyPaletteNetwork) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).eval().requires_grad_(False)

    def forward(self, image: Tensor, palette: Tensor, softness: Tensor) -> Tuple[Tensor, Tensor]:  # noqa: UP006
        """image (1, 3, H, W), palette (K, 3), softness (1,) → alphas (1, K, H, W) and base colors (K, 3)."""
        alphas, base = self.network(image, palette[None], softness)
        return alphas, base[0]


class _InGamut(nn.Module):
    """:func:`in_gamut_colors` as a module."""

    def forward(self, alphas: Tensor, base: Tensor, image: Tensor) -> Tensor:
        return in_gamut_colors(alphas, base, image)


class LiveModel(nn.Module):
    """The whole chain for a host that gives a picture and numbers: RGBA in, four premultiplied RGBA layers out.

    Every attribute is a float and is read anew for every picture, after scripting too. Masks, the controls of single
    layers and the temporal smoothing are left out. Everything is float32, whatever comes in.

    Attributes:
        p1r, p1g, p1b … p8b: the palette, sRGB in [0, 1]; those after ``colors`` are not used.
        colors: K, 1 to 8.
        first: the first of the layers that come out, counted from 1; layers after K are 0.
        space: the picture's and the layers' color space, an index of ``SPACES``.
        softness, smoothing, smoothing_eps, smoothing_strength, minimum_alpha: as in the parameter table.
    """

    if TYPE_CHECKING:  # TorchScript can't read annotations that are strings
        luma: Tensor
        to_rec709: Tensor
        from_rec709: Tensor

    def __init__(self, network: AnyPaletteNetwork) -> None:
        super().__init__()
        image = torch.zeros(1, 3, 37, 51)
        palette = torch.linspace(0.0, 1.0, 3 * COLORS).reshape(COLORS, 3)
        alphas = torch.full((1, COLORS, 37, 51), 1.0 / COLORS)
        self.network = torch.jit.trace(_Alphas(network), (image, palette, torch.full((1,), 0.5)), check_trace=False)
        self.in_gamut = torch.jit.trace(_InGamut(), (alphas, palette, image), check_trace=False)
        self.register_buffer("to_rec709", torch.tensor(_ACESCG_TO_REC709))
        self.register_buffer("from_rec709", torch.tensor(_ACESCG_TO_REC709, dtype=torch.float64).inverse().float())
        self.register_buffer("luma", torch.tensor(LUMA))
        self.p1r, self.p1g, self.p1b = 0.1, 0.1, 0.1
        self.p2r, self.p2g, self.p2b = 0.9, 0.9, 0.9
        self.p3r, self.p3g, self.p3b = 0.5, 0.5, 0.5
        self.p4r, self.p4g, self.p4b = 0.8, 0.1, 0.1
        self.p5r, self.p5g, self.p5b = 0.1, 0.6, 0.1
        self.p6r, self.p6g, self.p6b = 0.1, 0.2, 0.8
        self.p7r, self.p7g, self.p7b = 0.8, 0.7, 0.1
        self.p8r, self.p8g, self.p8b = 0.6, 0.1, 0.6
        self.colors = 7.0
        self.first = 1.0
        self.space = 0.0
        self.softness = float(BY_NAME["softness"].default)
        self.smoothing = float(BY_NAME["smoothing"].default)
        self.smoothing_eps = float(BY_NAME["smoothing_eps"].default)
        self.smoothing_strength = float(BY_NAME["smoothing_strength"].default)
        self.minimum_alpha = float(BY_NAME["minimum_alpha"].default)
        self.floor = ALPHA_FLOOR
        self.largest = _LARGEST
        self.group = _GROUP

    def forward(self, image: Tensor) -> Tensor:
        """image (1, 4, H, W) premultiplied → (1, 16, H, W), both in the working space."""
        pixels = image.to(torch.float32)
        palette = self.palette(pixels)
        count = palette.shape[0]
        space = int(self.space + 0.5)
        rgb, opacity = pixels[:, :3], pixels[:, 3:4]
        held = (rgb / opacity).abs().amax(dim=1, keepdim=True) <= self.largest
        divisor = torch.where((opacity > 0) & held, opacity, torch.ones_like(opacity))
        target = rgb / divisor
        light = target.clamp(min=0.0, max=self.largest)
        if space == 2:
            light = self.decoded(light)
        elif space == 1:
            light = self.turned(self.to_rec709, target).clamp(min=0.0, max=self.largest)
        gain = light.amax(dim=1, keepdim=True).clamp(min=1.0)
        network_input = self.encoded(light / gain).clamp(min=0.0, max=1.0)
        if space == 2:
            network_input = torch.where(gain > 1.0, network_input, target.clamp(min=0.0, max=1.0))

        owners = self.owners(palette)
        different: List[int] = []  # noqa: UP006  # TorchScript of old PyTorch
        for number in range(count):
            if owners[number] == number:
                different.append(number)
        chosen = torch.tensor(different, device=pixels.device)
        few = palette.index_select(0, chosen)
        softness = torch.full([1], min(max(self.softness, 0.0), 1.0), device=pixels.device)
        raw, moved = self.network(network_input, few, softness)
        alphas = self.processed(raw, network_input, few)
        own = torch.zeros_like(palette)
        shared = torch.zeros([1, count, pixels.shape[2], pixels.shape[3]], device=pixels.device)
        for number in range(count):
            twins = 0
            place = 0
            for other in range(count):
                if owners[other] == owners[number]:
                    twins += 1
            for position in range(len(different)):
                if different[position] == owners[number]:
                    place = position
            shared[:, number] = alphas[:, place] / float(twins)
            own[number] = moved[place]

        base = self.decoded(own)[None, :, :, None, None] * gain[:, None]
        if space == 2:
            base = self.encoded(base)
        elif space == 1:
            base = torch.einsum("ij,bkjhw->bkihw", self.from_rec709, base)
        error = target - (shared[:, :, None] * base).sum(dim=1)
        colors = base + error[:, None]
        if space == 2:
            inside = ((target >= 0.0) & (target <= 1.0)).all(dim=1, keepdim=True)
            colors = torch.where(inside[:, None], self.in_gamut(shared, own, target.clamp(0.0, 1.0)), colors)
        layers = torch.cat(
            (colors * (shared * divisor)[:, :, None], (shared * opacity)[:, :, None]),
            dim=2,
        )
        flat = layers.reshape(1, 4 * count, pixels.shape[2], pixels.shape[3])
        start = 4 * (int(self.first + 0.5) - 1)
        found = flat[:, start : start + 4 * self.group]
        missing = 4 * self.group - found.shape[1]
        if missing > 0:
            empty = torch.zeros([1, missing, pixels.shape[2], pixels.shape[3]], device=pixels.device)
            found = torch.cat((found, empty), dim=1)
        return found.to(image.dtype).contiguous()

    def palette(self, image: Tensor) -> Tensor:
        """The colors in use, (K, 3)."""
        every = torch.tensor(
            [
                [self.p1r, self.p1g, self.p1b],
                [self.p2r, self.p2g, self.p2b],
                [self.p3r, self.p3g, self.p3b],
                [self.p4r, self.p4g, self.p4b],
                [self.p5r, self.p5g, self.p5b],
                [self.p6r, self.p6g, self.p6b],
                [self.p7r, self.p7g, self.p7b],
                [self.p8r, self.p8g, self.p8b],
            ],
            dtype=torch.float32,
            device=image.device,
        )
        count = min(max(int(self.colors + 0.5), 1), 8)
        return every[:count].clamp(0.0, 1.0)

    def owners(self, palette: Tensor) -> List[int]:  # noqa: UP006  # TorchScript of old PyTorch
        """For each color the first that equals it."""
        found: List[int] = []  # noqa: UP006
        for number in range(palette.shape[0]):
            first = number
            for other in range(number):
                if first == number and bool((palette[other] == palette[number]).all()):
                    first = other
            found.append(first)
        return found

    def processed(self, raw: Tensor, image: Tensor, palette: Tensor) -> Tensor:
        """The alpha processing of ``processing.py`` in its order. raw (1, K, H, W), image (1, 3, H, W) → like raw."""
        count = palette.shape[0]
        distance = (image[:, None] - palette[None, :, :, None, None]).square().sum(dim=2)
        numbers = torch.arange(count, device=raw.device)[None, :, None, None]
        nearest = (distance.argmin(dim=1, keepdim=True) == numbers).to(torch.float32)
        alphas = self.normalized(raw, nearest)
        radius = int(self.smoothing + 0.5)
        if radius > 0 and self.smoothing_strength > 0.0:
            guide = torch.einsum("c,chw->hw", self.luma, image[0])
            smooth = guided_filter(guide, alphas[0], radius, self.smoothing_eps)[None]
            alphas = torch.lerp(alphas, smooth, self.smoothing_strength)
            alphas = self.normalized(alphas.clamp(0.0, 1.0), nearest)
        least = max(self.minimum_alpha, self.floor)
        return self.normalized(alphas * (alphas >= least).to(torch.float32), nearest)

    def normalized(self, alphas: Tensor, nearest: Tensor) -> Tensor:
        """Eq. 5; where all alphas are 0, alpha is 1 for the nearest color."""
        total = alphas.sum(dim=1, keepdim=True)
        return torch.where(total > 0.0, alphas / torch.where(total > 0.0, total, torch.ones_like(total)), nearest)

    def encoded(self, light: Tensor) -> Tensor:
        """Linear light ≥ 0 to the sRGB encoding."""
        return torch.where(light <= 0.0031308, 12.92 * light, 1.055 * light.clamp(min=1e-9).pow(1.0 / 2.4) - 0.055)

    def decoded(self, code: Tensor) -> Tensor:
        """The sRGB encoding to linear light, both ≥ 0."""
        return torch.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055).pow(2.4))

    def turned(self, matrix: Tensor, rgb: Tensor) -> Tensor:
        """(1, 3, H, W) by a matrix (3, 3)."""
        return torch.einsum("ij,bjhw->bihw", matrix, rgb)
