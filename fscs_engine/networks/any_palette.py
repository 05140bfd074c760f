"""The `any-palette` network: one set of weights for every K, unchanged by the palette's order.

A small U-Net sees the picture on a coarse grid, in cells of 8×8 pixels, once for each palette color with shared
weights, and gives every cell a *local color model* of that color: ten numbers that say how likely a color near it
belongs to this layer. They are interpolated to full size, where each pixel's own color decides, so edges are the
picture's.
A sparsemax (Martins and Astudillo 2016) leaves exact zeros, and a few unrolled steps of projected gradient draw
Σ αp towards the pixel. In these the local color models go on counting as a prior: from the first alphas alone, a
pixel half-way between two colors would come to one mixture or to another as the light changes. The entries know of
each other by their mean (Zaheer et al. 2017), so their order can't matter. How strongly the steps draw, and to which
colors, the palette alone decides (`palette_network.py`).

Everything here is plain PyTorch on any device. For the CPU `coarse_network.py` has the same mathematics of the coarse
grid, and `alpha_loops.py` that from the interpolation on; tests hold both equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .alpha_steps import project_planes
from .constants import (
    DENOISE_RADIUS,
    DENOISE_VARIANCE,
    FARTHEST_BEHIND,
    FITTING_STEPS,
    GRADIENT_STEPS,
    LARGEST_CHANGE,
    MIXING_SHARPENING,
    MIXING_SIZE,
    MIXING_STEPS,
    PLANES,
    SHARPNESS,
    STRIDE,
)
from .palette_network import PaletteEmbedding, PaletteNetwork, shares_of

_FEATURES = 12
_LEAST_LIPSCHITZ = 1e-4
_SQUARINGS = 10
_PAIRS = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))


class _Sparsemax(torch.autograd.Function):
    """Euclidean projection of logits onto the simplex, over dim 1; its gradient is that of the support alone."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor) -> Tensor:
        if logits.device.type == "cpu" and logits.dtype == torch.float32:  # a fifth of a training's time less
            alphas = torch.empty_like(logits, memory_format=torch.contiguous_format)
            project_planes(logits.contiguous().numpy(), alphas.numpy())
        else:
            alphas = project_to_simplex(logits)
        ctx.save_for_backward((alphas > 0).to(alphas.dtype))
        return alphas

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (support,) = ctx.saved_tensors
        inside = gradient * support
        return inside - support * (inside.sum(dim=1, keepdim=True) / support.sum(dim=1, keepdim=True))


def sparsemax(logits: Tensor) -> Tensor:
    """Projection onto the simplex along dim 1, differentiable. (B, K, N) → (B, K, N) ≥ 0, adding to 1."""
    traced = torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
    if torch.is_grad_enabled() and not traced:
        return _Sparsemax.apply(logits)  # type: ignore[no-untyped-call]
    return project_to_simplex(logits)


def project_to_simplex(logits: Tensor) -> Tensor:
    """Michelot's algorithm (1986): the threshold grows as entries fall out, at most K times. (B, K, N) → the same."""
    count = logits.shape[1]
    logits = logits - logits.amax(dim=1, keepdim=True)  # as far from rounding as can be
    threshold = (logits.sum(dim=1, keepdim=True) - 1.0) / count
    for _ in range(count - 1):
        inside = (logits > threshold).to(logits.dtype)
        threshold = ((logits * inside).sum(dim=1, keepdim=True) - 1.0) / inside.sum(dim=1, keepdim=True)
    return (logits - threshold).clamp_min(0.0)


def box_mean(planes: Tensor, radius: int) -> Tensor:
    """Mean over (2 radius + 1)² pixels, the border's pixels repeated outwards. (B, C, H, W) → the same."""
    size = 2 * radius + 1
    rows = F.avg_pool2d(F.pad(planes, (radius, radius, 0, 0), mode="replicate"), (1, size), 1)
    return F.avg_pool2d(F.pad(rows, (0, 0, radius, radius), mode="replicate"), (size, 1), 1)


def denoise(image: Tensor) -> Tensor:
    """The picture without its grain: a guided filter with the picture as its own guide.

    Alphas follow this picture, the layers' colors the true one: grain ends up in the colors and not in the mattes.

    Args:
        image: (B, 3, H, W) sRGB in [0, 1].

    Returns:
        The same shape.
    """
    mean = box_mean(image, DENOISE_RADIUS)
    variance = (box_mean(image * image, DENOISE_RADIUS) - mean * mean).sum(dim=1, keepdim=True).clamp_min(0.0)
    keep = variance / (variance + DENOISE_VARIANCE)
    return box_mean(keep, DENOISE_RADIUS) * image + box_mean((1.0 - keep) * mean, DENOISE_RADIUS)


def coarse_grid(image: Tensor) -> Tensor:
    """Mean and standard deviation of each cell; the last row and column are repeated to fill theirs.

    (B, 3, H, W) sRGB in [0, 1] → (B, 6, ⌈H/8⌉, ⌈W/8⌉).
    """
    height, width = image.shape[2:]
    image = F.pad(image, (0, -width % STRIDE, 0, -height % STRIDE), mode="replicate")
    mean = F.avg_pool2d(image, STRIDE)
    apart = image - F.interpolate(mean, scale_factor=float(STRIDE), mode="nearest")  # squares would cancel
    variance = F.avg_pool2d(apart * apart, STRIDE)
    return torch.cat((mean, variance.clamp_min(1e-8).sqrt()), dim=1)


def step_matrix(palette: Tensor) -> Tensor:
    """The palette less its mean over the largest eigenvalue of its Gram matrix: a unit gradient step.

    (B, K, 3) → (B, K, 3), zero where all colors are (nearly) one.
    """
    centered = palette - palette.mean(dim=1, keepdim=True)
    gram = centered.transpose(1, 2) @ centered
    power = gram / _trace(gram).clamp_min(_LEAST_LIPSCHITZ)
    for _ in range(_SQUARINGS):  # its 1024th power is the projection on the first eigenvector
        power = power @ power
        power = power / _trace(power).clamp_min(1e-30)
    largest = _trace(power @ gram)
    scale = torch.where(largest > _LEAST_LIPSCHITZ, 1.0 / largest.clamp_min(_LEAST_LIPSCHITZ), 0.0)
    return centered * scale


def _trace(matrix: Tensor) -> Tensor:
    """(B, 3, 3) → (B, 1, 1)."""
    return matrix[:, :1, :1] + matrix[:, 1:2, 1:2] + matrix[:, 2:, 2:]


def gradient_step(
    alphas: Tensor, colors: Tensor, palette: Tensor, steps: Tensor, size: Any, sharpen: Any, bias: Any = 0.0
) -> Tensor:
    """One step of projected gradient on size · ‖c − Pα‖² / 2 − sharpen · ‖α‖² / 2 − bias · α.

    Args:
        alphas: (B, K, N).
        colors: (B, 3, N), c.
        palette: (B, K, 3).
        steps: (B, K, 3), see :func:`step_matrix`.
        size: factor of the step, a scalar or (B, 1, N).
        sharpen: ≥ 0; draws alphas to 0 and 1; a scalar or (B, 1, 1).
        bias: for or against an entry, a scalar or (B, K, N).
    """
    residue = colors - palette.transpose(1, 2) @ alphas
    return sparsemax(alphas * (1.0 + sharpen) + steps @ (size * residue) + bias)


def fitting_step(alphas: Tensor, colors: Tensor, palette: Tensor, tolerance: Any, size: Any) -> Tensor:
    """Draws Σ αp to the pixel by the layers that are there, each in proportion to its alpha.

    The change of least Σ (Δα)² / α that gives Σ αp = c, short of it by ``tolerance``, the variance that colors may
    have within a layer: an alpha of 0 or 1 stays what it is. An alpha becomes 0 at the least, and doubles at most.

    Args:
        alphas: (B, K, N), adding to 1.
        colors: (B, 3, N), c.
        palette: (B, K, 3).
        tolerance: > 0, a scalar or (B, 1).
        size: share of the change that is made, a scalar or (B, 1, N).
    """
    mean = palette.transpose(1, 2) @ alphas
    # the moments of p itself would lose in rounding what counts here
    apart = [palette[..., channel, None] - mean[:, channel, None] for channel in range(3)]
    weighted = [alphas * offset for offset in apart]
    a, b, c, d, e, f = ((weighted[i] * apart[j]).sum(dim=1) for i, j in _PAIRS)
    a, d, f = a + tolerance, d + tolerance, f + tolerance
    r0, r1, r2 = (colors - mean).unbind(dim=1)
    # the inverse of the symmetric matrix a b c, b d e, c e f, by its adjugate
    A, B, C, D, E, G = d * f - e * e, c * e - b * f, b * e - c * d, a * f - c * c, b * c - a * e, a * d - b * b
    determinant = a * A + b * B + c * C
    direction = (A * r0 + B * r1 + C * r2, B * r0 + D * r1 + E * r2, C * r0 + E * r1 + G * r2)
    x, y, z = ((part / determinant)[:, None] for part in direction)
    along = apart[0] * x + apart[1] * y + apart[2] * z
    moved = alphas * (1.0 + size * along).clamp(0.0, LARGEST_CHANGE)
    return moved / moved.sum(dim=1, keepdim=True)


def local_logits(m: Sequence[Tensor], difference: Tensor) -> Tensor:
    """The local color model: a quadratic form in the pixel's color less the palette color.

    Args:
        m: its ten numbers, (B, K, N) each.
        difference: (B, K, 3, N), c − p.

    Returns:
        (B, K, N).
    """
    r, g, b = difference.unbind(dim=2)
    linear = m[0] + m[1] * r + m[2] * g + m[3] * b
    return linear + (m[4] * r + m[7] * g + m[8] * b) * r + (m[5] * g + m[9] * b) * g + m[6] * b * b


def avg_pool(planes: Tensor) -> Tensor:
    """Means of 2×2, five times as fast as ``avg_pool2d`` on a CPU. (…, h, w), both even → (…, h / 2, w / 2)."""
    rows = planes[..., ::2, :] + planes[..., 1::2, :]
    return 0.25 * (rows[..., ::2] + rows[..., 1::2])


class SetBlock(nn.Module):
    """A convolution over each entry's planes, to which the entries' means are added."""

    def __init__(self, inputs: int, outputs: int, *, residual: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.mix = nn.Conv2d(2 * outputs, outputs, 1)
        self.residual = residual

    def forward(self, planes: Tensor, share: Tensor, offsets: Tensor | None = None) -> Tensor:
        """What all entries have in common, their mean and their mean by shares, is mixed and added to each.

        Args:
            planes: (B·K, C, h, w).
            share: (B, K, 1, h, w), adding to 1 over K.
            offsets: (B, K, C'), added to what the convolution gives.

        Returns:
            (B·K, C', h, w).
        """
        sets = self.conv(planes).unflatten(0, share.shape[:2])
        if offsets is not None:
            sets = sets.add_(offsets[..., None, None])
        sets = F.relu(sets)
        means = torch.cat((sets.mean(dim=1), (sets * share).sum(dim=1)), dim=1)
        joined = F.relu(sets + self.mix(means)[:, None], inplace=True).flatten(0, 1)
        return planes + joined if self.residual else joined


class AnyPaletteNetwork(nn.Module):
    """See the module. ``widths`` are the planes at cells of 8, 16 and 32 pixels."""

    def __init__(self, widths: tuple[int, int, int] = (16, 32, 64)) -> None:
        super().__init__()
        fine, middle, coarse = widths
        self.widths = widths
        self.palette = PaletteNetwork(fine, 2 * GRADIENT_STEPS + FITTING_STEPS + 1)
        self.stem = SetBlock(_FEATURES, fine)
        self.fine = SetBlock(fine, fine, residual=True)
        self.down1 = SetBlock(fine, middle)
        self.middle = SetBlock(middle, middle, residual=True)
        self.down2 = SetBlock(middle, coarse)
        self.coarse = SetBlock(coarse, coarse, residual=True)
        self.up1 = nn.Conv2d(coarse, middle, 1)
        self.decoder1 = SetBlock(middle, middle, residual=True)
        self.up2 = nn.Conv2d(middle, fine, 1)
        self.decoder2 = SetBlock(fine, fine, residual=True)
        self.head = nn.Conv2d(fine, PLANES, 1)
        nn.init.zeros_(self.head.weight)
        if self.head.bias is not None:
            nn.init.zeros_(self.head.bias)
        self.register_buffer(
            "scales", torch.tensor([1.0] + [4.0] * 3 + [SHARPNESS] * 6 + [0.2, 4.0, 4.0]), persistent=False
        )
        start = torch.zeros(PLANES)
        start[4:7] = -SHARPNESS
        start[11:] = 2.0
        self.register_buffer("start", start, persistent=False)
        self.sizes = nn.Parameter(torch.full((GRADIENT_STEPS,), 1.5))
        self.sharpening = nn.Parameter(torch.full((GRADIENT_STEPS,), -4.0))
        self.tolerance = nn.Parameter(torch.full((FITTING_STEPS,), -5.5))
        self.prior = nn.Parameter(torch.full((1,), -4.0))

    def embed(self, palette: Tensor, softness: Tensor) -> PaletteEmbedding:
        """What palette and softness alone decide. (B, K, 3) sRGB in [0, 1], (B,) or (1,) in [0, 1]."""
        base, offsets, log_scales = self.palette(palette, softness)
        sizes, sharpening, tolerances, prior = log_scales.split(
            (GRADIENT_STEPS, GRADIENT_STEPS, FITTING_STEPS, 1), dim=1
        )
        return PaletteEmbedding(
            base,
            offsets,
            self.sizes * sizes.exp(),
            F.softplus(self.sharpening + sharpening),
            (self.tolerance + tolerances).exp(),
            F.softplus(self.prior + prior),
        )

    def models(self, grid: Tensor, palette: Tensor, offsets: Tensor, mixed: Tensor | None = None) -> Tensor:
        """The local color models.

        Args:
            grid: (B, 6, h, w), see :func:`coarse_grid`.
            palette: (B, K, 3) sRGB in [0, 1], not the base colors.
            offsets: (B, K, C) of the :class:`PaletteEmbedding`.
            mixed: (B, K, h, w), :func:`mixtures` of the cells where they are at hand.

        Returns:
            (B, K, 13, h, w). The last two planes are the gates, equal for all entries, in [0, 1].
        """
        batch, count = palette.shape[:2]
        height, width = grid.shape[2:]
        padding = (0, -width % 4, 0, -height % 4)
        if mixed is None:
            mixed = mixtures(grid, palette)
        grid, mixed = (F.pad(planes, padding, mode="replicate") for planes in (grid, mixed))
        planes, share = features(grid, palette, mixed)
        share2 = avg_pool(share)
        share4 = avg_pool(share2)
        x8 = self.fine(self.stem(planes.flatten(0, 1), share, offsets), share)
        x16 = self.middle(self.down1(avg_pool(x8), share2), share2)
        x32 = self.coarse(self.down2(avg_pool(x16), share4), share4)
        x16 = self.decoder1(F.interpolate(self.up1(x32), scale_factor=2.0, mode="bilinear") + x16, share2)
        x8 = self.decoder2(F.interpolate(self.up2(x16), scale_factor=2.0, mode="bilinear") + x8, share)
        models = self.head(x8)[..., :height, :width].reshape(batch, count, PLANES, height, width)
        scales, start = self.get_buffer("scales"), self.get_buffer("start")
        models = models * scales[:, None, None] + start[:, None, None]
        gates = torch.sigmoid(models[:, :, -2:].mean(dim=1, keepdim=True)).expand(-1, count, -1, -1, -1)
        return torch.cat((models[:, :, :-2], gates), dim=2)

    def pixel_alphas(self, models: Tensor, colors: Tensor, embedding: PaletteEmbedding, shares: Tensor) -> Tensor:
        """Alphas of pixels whose local color models are at hand.

        Args:
            models: (B, K, 13, N).
            colors: (B, 3, N), the denoised picture.
            embedding: of the palette.
            shares: (B, K, K), see :func:`shares_of`.

        Returns:
            (B, K, N) ≥ 0, adding to 1.
        """
        base = embedding.base
        difference = colors[:, None] - base[..., None]
        *local, bias, gate, fit = models.unbind(dim=2)
        logits = local_logits(local, difference)
        alphas = sparsemax(logits)
        steps = step_matrix(base)
        gate, fit = gate[:, :1], fit[:, :1]
        fixed = logits.detach()  # learnt through all steps, the logits would grow without end
        behind = (fixed - fixed.amax(dim=1, keepdim=True)).clamp_min(-FARTHEST_BEHIND)
        bias = bias + embedding.prior[..., None] * behind
        sizes, sharpening = (factors[:, :, None, None] for factors in (embedding.sizes, embedding.sharpening))
        for t in range(GRADIENT_STEPS):
            alphas = gradient_step(alphas, colors, base, steps, sizes[:, t] * gate, sharpening[:, t], bias)
        for t in range(FITTING_STEPS):
            alphas = fitting_step(alphas, colors, base, embedding.tolerances[:, t, None], fit)
        return shares @ alphas

    def forward(self, image: Tensor, palette: Tensor, softness: Tensor) -> tuple[Tensor, Tensor]:
        """image (B, 3, H, W), palette (B, K, 3), both sRGB in [0, 1], softness (B,) or (1,) in [0, 1].

        Returns:
            Alphas (B, K, H, W) ≥ 0, adding to 1, and the base colors (B, K, 3), which the layers lie about.
        """
        height, width = image.shape[2:]
        embedding = self.embed(palette, softness)
        models = upsample(self.models(coarse_grid(image), palette, embedding.offsets), height, width)
        alphas = self.pixel_alphas(models.flatten(3), denoise(image).flatten(2), embedding, shares_of(palette))
        return alphas.reshape(*palette.shape[:2], height, width), embedding.base


def upsample(models: Tensor, height: int, width: int) -> Tensor:
    """Bilinear interpolation from cells to pixels. (B, K, C, h, w) → (B, K, C, H, W)."""
    count = models.shape[1]
    whole = F.interpolate(models.flatten(0, 1), scale_factor=float(STRIDE), mode="bilinear", align_corners=False)
    return whole[..., :height, :width].reshape(-1, count, models.shape[2], height, width)


@torch.no_grad()
def mixtures(grid: Tensor, palette: Tensor) -> Tensor:
    """Which mixture of the palette comes near each cell's mean color. (B, 6, h, w), (B, K, 3) → (B, K, h, w)."""
    mean = grid[:, :3].flatten(2)
    distance = (mean[:, None] - palette[..., None]).square().sum(dim=2)
    steps, mixed = step_matrix(palette), sparsemax(-SHARPNESS * distance)
    for _ in range(MIXING_STEPS):
        mixed = gradient_step(mixed, mean, palette, steps, MIXING_SIZE, MIXING_SHARPENING)
    return mixed.unflatten(2, grid.shape[2:])


def features(grid: Tensor, palette: Tensor, mixed: Tensor) -> tuple[Tensor, Tensor]:
    """What the network sees of each entry and cell.

    Args:
        grid: (B, 6, h, w).
        palette: (B, K, 3).
        mixed: (B, K, h, w), see :func:`mixtures`.

    Returns:
        (B, K, 12, h, w), and each entry's soft share of the cell (B, K, 1, h, w), adding to 1 over K.
    """
    count = palette.shape[1]
    mean = grid[:, :3]
    difference = mean[:, None] - palette[..., None, None]
    distance = difference.square().sum(dim=2, keepdim=True)
    share = torch.softmax(-4.0 * SHARPNESS * distance, dim=1)
    residue = mean - (palette.transpose(1, 2) @ mixed.flatten(2)).view_as(mean)
    per_picture = torch.cat((grid, 4.0 * residue), dim=1)[:, None].expand(-1, count, -1, -1, -1)
    planes = torch.cat((per_picture, distance.clamp_min(1e-8).sqrt(), share, mixed[:, :, None]), dim=2)
    return planes, share
