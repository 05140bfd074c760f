"""The full-size part of the `any-palette` model on the CPU, as loops that numba compiles.

In PyTorch this part is memory traffic: 12 planes a color at full size. Here a row is interpolated and decided while
it is in the cache. The mathematics is that of `any_palette.py`, which runs on every other device; tests hold both
equal. The loops are compiled at their first call, for the machine at hand, and kept in a cache; they release the
interpreter, so that threads share the rows. What is done with a run of pixels is in `alpha_steps.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..runtime.compiling import inner, loop, planes
from .alpha_steps import (
    BLUE,
    FIT,
    GATE,
    GREEN,
    RAMPS,
    RED,
    RUN,
    add_prior,
    fitting_step,
    floor_and_normalize,
    gradient_step,
    normalize,
    padded,
    project,
    scratch,
    share_alphas,
    subtract_largest,
)
from .constants import MIXING_SHARPENING, MIXING_SIZE, MIXING_STEPS, PLANES, SHARPNESS, STRIDE


def coarse_mixtures(colors: Any, palette: Any, steps: Any, out: Any) -> None:
    """:func:`fscs_engine.networks.any_palette.mixtures` of some cells.

    Args:
        colors: (3, N), their mean colors.
        palette: (U, 3).
        steps: (U, 3), see :func:`fscs_engine.networks.any_palette.step_matrix`.
        out: (U, N), written.
    """
    logits, alphas, bias, pixels, most, _ = scratch(len(palette))
    _coarse_mixtures(colors, padded(palette), padded(steps), logits, alphas, bias, pixels, most, out)


@loop("in2s in2 in2 out2 out2 out2 out1 out1 out2s")
def _coarse_mixtures(
    colors: Any,
    palette: Any,
    steps: Any,
    logits: Any,
    alphas: Any,
    bias: Any,
    pixels: Any,
    most: Any,
    out: Any,
) -> None:
    """:func:`coarse_mixtures` for pairs of entries, with scratch memory for a run."""
    count, cells = out.shape
    for x in range(RUN):
        pixels[GATE + x] = 1.0
    size, sharpen = np.float32(MIXING_SIZE), np.float32(1.0 + MIXING_SHARPENING)
    for start in range(0, cells, RUN):
        length = min(RUN, cells - start)
        for channel in range(3):
            for x in range(length):
                pixels[channel * RUN + x] = colors[channel, start + x]
        for u in range(count):
            p0, p1, p2 = palette[u, 0], palette[u, 1], palette[u, 2]
            z = logits[u]
            for x in range(RUN):
                r, g, b = pixels[RED + x] - p0, pixels[GREEN + x] - p1, pixels[BLUE + x] - p2
                z[x] = -np.float32(SHARPNESS) * (r * r + g * g + b * b)
        subtract_largest(logits, most)
        project(logits, most, palette, pixels, alphas)
        for _ in range(MIXING_STEPS):
            gradient_step(alphas, pixels, bias, steps, size, sharpen, logits, most)
            project(logits, most, palette, pixels, alphas)
        for u in range(count):
            for x in range(length):
                out[u, start + x] = alphas[u, x]


def alpha_rows(
    denoised: Any,
    top: int,
    order: Any,
    models: Any,
    palette: Any,
    steps: Any,
    sizes: Any,
    sharpening: Any,
    tolerances: Any,
    prior: Any,
    shares: Any,
    out: Any,
) -> None:
    """Rows of alphas, interpolation of the local color models included.

    Args:
        denoised: (3, h, W) rows of the denoised picture.
        top: which row of the picture the first of them is.
        order: (U,) which plane of ``out`` each entry has.
        models: (U, 13, ch, cw), all cells of the picture.
        palette: (U, 3), the base colors.
        steps: (U, 3), see :func:`fscs_engine.networks.any_palette.step_matrix`.
        sizes: (T,) of the steps.
        sharpening: (T,) 1 + the sharpening of the steps.
        tolerances: of the fitting steps.
        prior: (1,) weight of the logits in the gradient steps.
        shares: (U, U), see :func:`fscs_engine.networks.any_palette.shares_of`.
        out: (U, h, W), written: each 0 or at least the floor, adding to 1.
    """
    count, cells_wide, width = len(models), models.shape[3], denoised.shape[2]
    runs = (width + STRIDE // 2 + RUN - 1) // RUN
    ramps = planes(2 * count * PLANES, max(runs * RAMPS, cells_wide + 1))
    left, rise = ramps.reshape(2, count, PLANES, -1)
    shared = bool((shares.diagonal() < 1.0).any())
    _alpha_rows(
        *(denoised, top, order, models, padded(palette), padded(steps), sizes, sharpening, tolerances, prior),
        *(shares, shared, left, rise, *scratch(count), out),
    )


@loop("in3 int64 order in4 in2 in2 in1 in1 in1 in1 in2 boolean out3 out3 out2 out2 out2 out1 out1 out1 out3s")
def _alpha_rows(
    denoised: Any,
    top: int,
    order: Any,
    models: Any,
    palette: Any,
    steps: Any,
    sizes: Any,
    sharpening: Any,
    tolerances: Any,
    prior: Any,
    shares: Any,
    shared: bool,
    left: Any,
    rise: Any,
    logits: Any,
    alphas: Any,
    bias: Any,
    pixels: Any,
    most: Any,
    moments: Any,
    out: Any,
) -> None:
    """:func:`alpha_rows` for pairs of entries, with scratch memory for the ramps of a row and for a run."""
    count, cells_high, width = len(models), models.shape[2], denoised.shape[2]
    runs = (width + STRIDE // 2 + RUN - 1) // RUN
    for y in range(denoised.shape[1]):
        place = (top + y + 0.5) / STRIDE - 0.5
        above = int(np.floor(place))
        first, second = max(above, 0), min(above + 1, cells_high - 1)
        for u in range(count):
            for p in range(PLANES):
                _mix(models[u, p, first], models[u, p, second], np.float32(place - above), left[u, p], rise[u, p])
        for run in range(runs):
            ramp, x0 = run * RAMPS, run * RUN - STRIDE // 2
            for channel in range(3):
                _gather(denoised[channel, y], x0, pixels[channel * RUN : (channel + 1) * RUN])
            for u in range(count):
                _logits(left[u], rise[u], ramp, pixels, palette[u], logits[u])
                _interpolate(left[u, PLANES - 3], rise[u, PLANES - 3], ramp, bias[u])
            _interpolate(left[0, PLANES - 2], rise[0, PLANES - 2], ramp, pixels[GATE : GATE + RUN])
            _interpolate(left[0, PLANES - 1], rise[0, PLANES - 1], ramp, pixels[FIT : FIT + RUN])
            subtract_largest(logits, most)
            project(logits, most, palette, pixels, alphas)
            add_prior(logits, prior[0], bias)
            for t in range(len(sizes)):
                gradient_step(alphas, pixels, bias, steps, sizes[t], sharpening[t], logits, most)
                project(logits, most, palette, pixels, alphas)
            total = most[:RUN]
            for x in range(RUN):
                total[x] = 1.0
            for t in range(len(tolerances)):
                if t > 0:
                    normalize(alphas, total, palette, pixels)
                fitting_step(alphas, palette, pixels, tolerances[t], moments, total)
            if shared:
                share_alphas(alphas[:count], shares, logits[:count])
            floor_and_normalize(alphas[:count], total, moments[:RUN])
            for u in range(count):
                _scatter(alphas[u], x0, out[order[u], y])


@inner
def _gather(row: Any, x0: int, out: Any) -> None:
    """A run of pixels out of a row, in the order that the loops work in: every first pixel of a ramp, every second...

    Neighboring numbers then have neighboring ramps, which are neighbors in memory. Pixels outside are left alone.
    """
    for j in range(RAMPS):
        for k in range(STRIDE):
            x = x0 + j * STRIDE + k
            if 0 <= x < len(row):
                out[k * RAMPS + j] = row[x]


@inner
def _scatter(run: Any, x0: int, row: Any) -> None:
    """The way back of :func:`_gather`."""
    for j in range(RAMPS):
        for k in range(STRIDE):
            x = x0 + j * STRIDE + k
            if 0 <= x < len(row):
                row[x] = run[k * RAMPS + j]


@inner
def _mix(first: Any, second: Any, weight: Any, left: Any, rise: Any) -> None:
    """A row between two rows of cells: where the ramps between its cells begin, and how they rise in a pixel.

    Args:
        first: (cw,).
        second: (cw,).
        weight: of the second.
        left: (≥ cw + 1,), written: its first ramp comes from outside, where the first cell is repeated.
        rise: the same shape, written.
    """
    cells = len(first)
    for j in range(cells):
        left[j + 1] = first[j] + weight * (second[j] - first[j])
    left[0] = left[1]
    for j in range(cells + 1, len(left)):
        left[j] = left[cells]
    for j in range(len(left) - 1):
        rise[j] = (left[j + 1] - left[j]) / np.float32(STRIDE)
    rise[len(left) - 1] = 0.0


@inner
def _interpolate(left: Any, rise: Any, ramp: int, out: Any) -> None:
    """One plane of a run of pixels, from its ramps ``ramp`` and on; see :func:`_mix`."""
    a, b = left[ramp : ramp + RAMPS], rise[ramp : ramp + RAMPS]
    for k in range(STRIDE):
        t, part = np.float32(k) + np.float32(0.5), out[k * RAMPS : (k + 1) * RAMPS]
        for j in range(RAMPS):
            part[j] = a[j] + b[j] * t


@inner
def _logits(left: Any, rise: Any, ramp: int, pixels: Any, color: Any, out: Any) -> None:
    """Rows of :func:`fscs_engine.networks.any_palette.local_logits`, interpolated between cells on the way.

    Args:
        left: (≥ 10, …) see :func:`_mix`.
        rise: the same shape.
        ramp: the run's first.
        pixels: planes of the run in the order of :func:`_gather`, as is all below.
        color: (3,) the entry's palette color.
        out: (RUN,), written.
    """
    p0, p1, p2 = color[0], color[1], color[2]
    last = ramp + RAMPS
    a0, a1, a2, a3, a4 = (
        left[0, ramp:last],
        left[1, ramp:last],
        left[2, ramp:last],
        left[3, ramp:last],
        left[4, ramp:last],
    )
    a5, a6, a7, a8, a9 = (
        left[5, ramp:last],
        left[6, ramp:last],
        left[7, ramp:last],
        left[8, ramp:last],
        left[9, ramp:last],
    )
    b0, b1, b2, b3, b4 = (
        rise[0, ramp:last],
        rise[1, ramp:last],
        rise[2, ramp:last],
        rise[3, ramp:last],
        rise[4, ramp:last],
    )
    b5, b6, b7, b8, b9 = (
        rise[5, ramp:last],
        rise[6, ramp:last],
        rise[7, ramp:last],
        rise[8, ramp:last],
        rise[9, ramp:last],
    )
    for k in range(STRIDE):
        t, start, end = np.float32(k) + np.float32(0.5), k * RAMPS, (k + 1) * RAMPS
        result, colors = out[start:end], pixels[start:]
        for j in range(RAMPS):
            r, g, b = colors[RED + j] - p0, colors[GREEN + j] - p1, colors[BLUE + j] - p2
            linear = a0[j] + b0[j] * t + (a1[j] + b1[j] * t) * r + (a2[j] + b2[j] * t) * g + (a3[j] + b3[j] * t) * b
            across = (a4[j] + b4[j] * t) * r + (a7[j] + b7[j] * t) * g + (a8[j] + b8[j] * t) * b
            rest = (a5[j] + b5[j] * t) * g + (a9[j] + b9[j] * t) * b
            result[j] = linear + across * r + rest * g + (a6[j] + b6[j] * t) * b * b
