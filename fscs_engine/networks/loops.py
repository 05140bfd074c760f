"""The full-size part of the `any-palette` model on the CPU, as loops that numba compiles.

In PyTorch this part is memory traffic: 12 planes a color at full size. Here a row is interpolated and decided while
it is in the cache. The mathematics is that of `any_palette.py`, which runs on every other device; tests hold both
equal. The loops are compiled at their first call, for the machine at hand, and kept in a cache; they release the
interpreter, so that threads share the rows. Innermost are short runs of pixels, which become vector instructions.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..host.parameters import ALPHA_FLOOR
from ..runtime.compiling import compiled, inner, loop, planes
from .constants import (
    DENOISE_RADIUS,
    DENOISE_VARIANCE,
    FARTHEST_BEHIND,
    LARGEST_CHANGE,
    MIXING_SHARPENING,
    MIXING_SIZE,
    MIXING_STEPS,
    PLANES,
    SHARPNESS,
    STRIDE,
)

_RAMPS = 32
_RUN = _RAMPS * STRIDE  # pixels that are worked on at a time

# Planes of a run within one array: where the compiler sees that they lie apart it makes vector instructions.
_RED, _GREEN, _BLUE = 0, _RUN, 2 * _RUN
_LEFT_RED, _LEFT_GREEN, _LEFT_BLUE = 3 * _RUN, 4 * _RUN, 5 * _RUN  # c − Pα
_GATE, _FIT = 6 * _RUN, 7 * _RUN
_PIXEL_PLANES = 8

_FIRST, _SECOND, _THIRD, _FOURTH = 0, _RUN, 2 * _RUN, 3 * _RUN  # the largest logits
_THRESHOLD = 4 * _RUN
_LOGIT_PLANES = 5

_MOMENT_PLANES = 9

_NOTHING = -1e30  # the logit of an entry that fills a pair


def coarse_rows(image: Any, out: Any) -> None:
    """Rows of :func:`fscs_engine.networks.any_palette.coarse_grid`.

    Args:
        image: (h, W, 3) rows of the picture, from one that begins a cell.
        out: (6, ch, cw), written. Rows and columns that the last cells lack are the picture's last.
    """
    _coarse_rows(image, np.empty((2, out.shape[2], 3), np.float32), out)


@loop("in3 out3 out3s")
def _coarse_rows(image: Any, sums: Any, out: Any) -> None:
    """:func:`coarse_rows` with memory for sums of colors and of squares, less the cell's first color."""
    height, width = image.shape[0], image.shape[1]
    part = np.float32(1.0 / (STRIDE * STRIDE))
    for row in range(out.shape[1]):
        for column in range(out.shape[2]):
            for channel in range(3):
                sums[0, column, channel] = 0.0
                sums[1, column, channel] = 0.0
        top = image[row * STRIDE]
        for dy in range(STRIDE):
            line = image[min(row * STRIDE + dy, height - 1)]
            for column in range(out.shape[2]):
                r, g, b = np.float32(0.0), np.float32(0.0), np.float32(0.0)
                rr, gg, bb = np.float32(0.0), np.float32(0.0), np.float32(0.0)
                r0, g0, b0 = top[column * STRIDE, 0], top[column * STRIDE, 1], top[column * STRIDE, 2]
                for dx in range(STRIDE):
                    x = min(column * STRIDE + dx, width - 1)
                    dr, dg, db = line[x, 0] - r0, line[x, 1] - g0, line[x, 2] - b0
                    r += dr
                    g += dg
                    b += db
                    rr += dr * dr
                    gg += dg * dg
                    bb += db * db
                sums[0, column, 0] += r
                sums[0, column, 1] += g
                sums[0, column, 2] += b
                sums[1, column, 0] += rr
                sums[1, column, 1] += gg
                sums[1, column, 2] += bb
        for channel in range(3):
            for column in range(out.shape[2]):
                mean = sums[0, column, channel] * part
                variance = sums[1, column, channel] * part - mean * mean
                out[channel, row, column] = top[column * STRIDE, channel] + mean
                out[channel + 3, row, column] = np.sqrt(max(variance, np.float32(1e-8)))


def denoise_rows(image: Any, first: int, top: int, bottom: int, height: int, out: Any) -> None:
    """Rows of :func:`fscs_engine.networks.any_palette.denoise`.

    Args:
        image: (h, W, 3) rows of the picture from row ``first`` on, at least those within two windows of the result.
        first: see above.
        top: first row of the result.
        bottom: the row after its last.
        height: of the whole picture.
        out: (3, bottom - top, W), written.
    """
    width, radius = image.shape[1], DENOISE_RADIUS
    upper, lower = max(0, top - radius), min(height, bottom + radius)
    keep, rest = np.empty((lower - upper, width), np.float32), np.empty((3, lower - upper, width), np.float32)
    sums, means = np.empty((4, width + 2 * radius), np.float32), np.empty((4, width), np.float32)
    _denoise_rows(image, first, top, bottom, height, keep, rest, sums, means, out)


@loop("in3 int64 int64 int64 int64 out2 out3 out2 out2 out3")
def _denoise_rows(
    image: Any,
    first: int,
    top: int,
    bottom: int,
    height: int,
    keep: Any,
    rest: Any,
    sums: Any,
    means: Any,
    out: Any,
) -> None:
    """:func:`denoise_rows` with scratch memory for the first filter's results, for sums of rows and for their means."""
    width, radius = image.shape[1], DENOISE_RADIUS
    part = np.float32(1.0 / (2 * radius + 1))
    limit = np.float32(DENOISE_VARIANCE)
    upper, lower = max(0, top - radius), min(height, bottom + radius)
    for y in range(upper, lower):
        _clear(sums)
        for dy in range(-radius, radius + 1):
            row = image[min(max(y + dy, 0), height - 1) - first]
            for x in range(width):
                r, g, b = row[x, 0], row[x, 1], row[x, 2]
                sums[0, x + radius] += r
                sums[1, x + radius] += g
                sums[2, x + radius] += b
                sums[3, x + radius] += r * r + g * g + b * b
        _window_means(sums, width, radius, part, means)
        line = y - upper
        for x in range(width):
            m0, m1, m2 = means[0, x], means[1, x], means[2, x]
            variance = max(means[3, x] - (m0 * m0 + m1 * m1 + m2 * m2), np.float32(0.0))
            k = variance / (variance + limit)
            keep[line, x] = k
            rest[0, line, x] = (np.float32(1.0) - k) * m0
            rest[1, line, x] = (np.float32(1.0) - k) * m1
            rest[2, line, x] = (np.float32(1.0) - k) * m2
    for y in range(top, bottom):
        _clear(sums)
        for dy in range(-radius, radius + 1):
            line = min(max(y + dy, 0), height - 1) - upper
            for x in range(width):
                sums[0, x + radius] += rest[0, line, x]
                sums[1, x + radius] += rest[1, line, x]
                sums[2, x + radius] += rest[2, line, x]
                sums[3, x + radius] += keep[line, x]
        _window_means(sums, width, radius, part, means)
        row = image[y - first]
        for channel in range(3):
            for x in range(width):
                out[channel, y - top, x] = means[3, x] * row[x, channel] + means[channel, x]


@inner
def _clear(sums: Any) -> None:
    """Sets all to 0. Assigned to a slice, that takes longer to compile."""
    for plane in range(len(sums)):
        for x in range(sums.shape[1]):
            sums[plane, x] = 0.0


@inner
def _window_means(sums: Any, width: int, radius: int, part: Any, means: Any) -> None:
    """Columns of ``sums`` (4, W + 2 radius), whose ends are filled in here, to means over windows (4, W)."""
    for plane in range(4):
        row = sums[plane]
        for x in range(radius):
            row[x] = row[radius]
            row[width + radius + x] = row[width + radius - 1]
        for x in range(width):
            total = np.float32(0.0)
            for dx in range(2 * radius + 1):
                total += row[x + dx]
            means[plane, x] = total * part * part


def coarse_mixtures(colors: Any, palette: Any, steps: Any, out: Any) -> None:
    """:func:`fscs_engine.networks.any_palette.mixtures` of some cells.

    Args:
        colors: (3, N), their mean colors.
        palette: (U, 3).
        steps: (U, 3), see :func:`fscs_engine.networks.any_palette.step_matrix`.
        out: (U, N), written.
    """
    logits, alphas, bias, pixels, most, _ = _scratch(len(palette))
    _coarse_mixtures(colors, _padded(palette), _padded(steps), logits, alphas, bias, pixels, most, out)


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
    for x in range(_RUN):
        pixels[_GATE + x] = 1.0
    size, sharpen = np.float32(MIXING_SIZE), np.float32(1.0 + MIXING_SHARPENING)
    for start in range(0, cells, _RUN):
        length = min(_RUN, cells - start)
        for channel in range(3):
            for x in range(length):
                pixels[channel * _RUN + x] = colors[channel, start + x]
        for u in range(count):
            p0, p1, p2 = palette[u, 0], palette[u, 1], palette[u, 2]
            z = logits[u]
            for x in range(_RUN):
                r, g, b = pixels[_RED + x] - p0, pixels[_GREEN + x] - p1, pixels[_BLUE + x] - p2
                z[x] = -np.float32(SHARPNESS) * (r * r + g * g + b * b)
        _subtract_largest(logits, most)
        _project(logits, most, palette, pixels, alphas)
        for _ in range(MIXING_STEPS):
            _gradient_step(alphas, pixels, bias, steps, size, sharpen, logits, most)
            _project(logits, most, palette, pixels, alphas)
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
    runs = (width + STRIDE // 2 + _RUN - 1) // _RUN
    ramps = planes(2 * count * PLANES, max(runs * _RAMPS, cells_wide + 1))
    left, rise = ramps.reshape(2, count, PLANES, -1)
    shared = bool((shares.diagonal() < 1.0).any())
    _alpha_rows(
        *(denoised, top, order, models, _padded(palette), _padded(steps), sizes, sharpening, tolerances, prior),
        *(shares, shared, left, rise, *_scratch(count), out),
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
    runs = (width + STRIDE // 2 + _RUN - 1) // _RUN
    for y in range(denoised.shape[1]):
        place = (top + y + 0.5) / STRIDE - 0.5
        above = int(np.floor(place))
        first, second = max(above, 0), min(above + 1, cells_high - 1)
        for u in range(count):
            for p in range(PLANES):
                _mix(models[u, p, first], models[u, p, second], np.float32(place - above), left[u, p], rise[u, p])
        for run in range(runs):
            ramp, x0 = run * _RAMPS, run * _RUN - STRIDE // 2
            for channel in range(3):
                _gather(denoised[channel, y], x0, pixels[channel * _RUN : (channel + 1) * _RUN])
            for u in range(count):
                _logits(left[u], rise[u], ramp, pixels, palette[u], logits[u])
                _interpolate(left[u, PLANES - 3], rise[u, PLANES - 3], ramp, bias[u])
            _interpolate(left[0, PLANES - 2], rise[0, PLANES - 2], ramp, pixels[_GATE : _GATE + _RUN])
            _interpolate(left[0, PLANES - 1], rise[0, PLANES - 1], ramp, pixels[_FIT : _FIT + _RUN])
            _subtract_largest(logits, most)
            _project(logits, most, palette, pixels, alphas)
            _add_prior(logits, prior[0], bias)
            for t in range(len(sizes)):
                _gradient_step(alphas, pixels, bias, steps, sizes[t], sharpening[t], logits, most)
                _project(logits, most, palette, pixels, alphas)
            total = most[:_RUN]
            for x in range(_RUN):
                total[x] = 1.0
            for t in range(len(tolerances)):
                if t > 0:
                    _normalize(alphas, total, palette, pixels)
                _fitting_step(alphas, palette, pixels, tolerances[t], moments, total)
            if shared:
                _share_alphas(alphas[:count], shares, logits[:count])
            _floor_and_normalize(alphas[:count], total, moments[:_RUN])
            for u in range(count):
                _scatter(alphas[u], x0, out[order[u], y])


@inner
def _gather(row: Any, x0: int, out: Any) -> None:
    """A run of pixels out of a row, in the order that the loops work in: every first pixel of a ramp, every second...

    Neighboring numbers then have neighboring ramps, which are neighbors in memory. Pixels outside are left alone.
    """
    for j in range(_RAMPS):
        for k in range(STRIDE):
            x = x0 + j * STRIDE + k
            if 0 <= x < len(row):
                out[k * _RAMPS + j] = row[x]


@inner
def _scatter(run: Any, x0: int, row: Any) -> None:
    """The way back of :func:`_gather`."""
    for j in range(_RAMPS):
        for k in range(STRIDE):
            x = x0 + j * STRIDE + k
            if 0 <= x < len(row):
                row[x] = run[k * _RAMPS + j]


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
    a, b = left[ramp : ramp + _RAMPS], rise[ramp : ramp + _RAMPS]
    for k in range(STRIDE):
        t, part = np.float32(k) + np.float32(0.5), out[k * _RAMPS : (k + 1) * _RAMPS]
        for j in range(_RAMPS):
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
        out: (_RUN,), written.
    """
    p0, p1, p2 = color[0], color[1], color[2]
    last = ramp + _RAMPS
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
        t, start, end = np.float32(k) + np.float32(0.5), k * _RAMPS, (k + 1) * _RAMPS
        result, colors = out[start:end], pixels[start:]
        for j in range(_RAMPS):
            r, g, b = colors[_RED + j] - p0, colors[_GREEN + j] - p1, colors[_BLUE + j] - p2
            linear = a0[j] + b0[j] * t + (a1[j] + b1[j] * t) * r + (a2[j] + b2[j] * t) * g + (a3[j] + b3[j] * t) * b
            across = (a4[j] + b4[j] * t) * r + (a7[j] + b7[j] * t) * g + (a8[j] + b8[j] * t) * b
            rest = (a5[j] + b5[j] * t) * g + (a9[j] + b9[j] * t) * b
            result[j] = linear + across * r + rest * g + (a6[j] + b6[j] * t) * b * b


def _scratch(count: int) -> tuple[NDArray[np.float32], ...]:
    """Planes of a run: logits, alphas and bias, each (U or U + 1, _RUN); the pixels', the largest logits, moments.

    Entries are worked on in pairs, so that what is summed over them is loaded and stored half as often. The one that
    fills the last pair never gets an alpha.
    """
    even = count + count % 2
    room = planes(3 * even + _PIXEL_PLANES + _LOGIT_PLANES + _MOMENT_PLANES, _RUN)
    logits, alphas, bias = room[:even], room[even : 2 * even], room[2 * even : 3 * even]
    logits[count:] = bias[count:] = _NOTHING
    rest = room[3 * even :].reshape((_PIXEL_PLANES + _LOGIT_PLANES + _MOMENT_PLANES) * _RUN)
    first, last = _PIXEL_PLANES * _RUN, (_PIXEL_PLANES + _LOGIT_PLANES) * _RUN
    return logits, alphas, bias, rest[:first], rest[first:last], rest[last:]


def _padded(colors: NDArray[np.float32]) -> NDArray[np.float32]:
    """(U, 3) with a row of zeros where U is odd."""
    return np.pad(colors, ((0, len(colors) % 2), (0, 0)))


@inner
def _add_prior(logits: Any, prior: Any, bias: Any) -> None:
    """Adds to the bias (U, n) what the logits say, less the largest as :func:`_subtract_largest` left them."""
    least = np.float32(-FARTHEST_BEHIND)
    for u in range(len(logits)):
        z, own = logits[u], bias[u]
        for x in range(_RUN):
            own[x] += prior * max(z[x], least)


@inner
def _reset(most: Any) -> None:
    """Before logits are looked at: none is the largest."""
    for x in range(4 * _RUN):
        most[x] = np.float32(_NOTHING)


@inner
def _subtract_largest(logits: Any, most: Any) -> None:
    """Before the first :func:`_project`: logits (U, _RUN) less the largest, and which are the largest then."""
    _reset(most)
    for u in range(0, len(logits), 2):
        one, other = logits[u], logits[u + 1]
        for x in range(_RUN):
            high, low = max(one[x], other[x]), min(one[x], other[x])
            _rank(high, low, most, x)
    for u in range(len(logits)):
        z = logits[u]
        for x in range(_RUN):
            z[x] -= most[_FIRST + x]
    for x in range(_RUN):
        most[_SECOND + x] -= most[_FIRST + x]
        most[_THIRD + x] -= most[_FIRST + x]
        most[_FOURTH + x] -= most[_FIRST + x]
        most[_FIRST + x] = 0.0


@inner
def _rank(high: Any, low: Any, most: Any, x: int) -> None:
    """Puts two logits, the higher first, among the largest of pixel ``x``."""
    a, b, c, d = most[_FIRST + x], most[_SECOND + x], most[_THIRD + x], most[_FOURTH + x]
    # the larger of each pair from opposite ends are the four largest, in a bitonic order
    c, d = max(c, low), max(d, high)
    a, c = max(a, c), min(a, c)
    b, d = max(b, d), min(b, d)
    most[_FIRST + x], most[_SECOND + x] = max(a, b), min(a, b)
    most[_THIRD + x], most[_FOURTH + x] = max(c, d), min(c, d)


@inner
def _gradient_step(
    alphas: Any, pixels: Any, bias: Any, steps: Any, size: Any, sharpen: Any, logits: Any, most: Any
) -> None:
    """Rows of :func:`fscs_engine.networks.any_palette.gradient_step`, before the projection.

    Args:
        alphas: (U, _RUN).
        pixels: planes of the run.
        bias: (U, _RUN).
        steps: (U, 3).
        size: of the step.
        sharpen: 1 + the sharpening.
        logits: (U, _RUN), written.
        most: the largest of them, written.
    """
    _reset(most)
    for u in range(0, len(alphas), 2):
        a, b, bias_a, bias_b, z_a, z_b = alphas[u], alphas[u + 1], bias[u], bias[u + 1], logits[u], logits[u + 1]
        a0, a1, a2 = steps[u, 0] * size, steps[u, 1] * size, steps[u, 2] * size
        b0, b1, b2 = steps[u + 1, 0] * size, steps[u + 1, 1] * size, steps[u + 1, 2] * size
        for x in range(_RUN):
            red, green, blue = pixels[_LEFT_RED + x], pixels[_LEFT_GREEN + x], pixels[_LEFT_BLUE + x]
            gate = pixels[_GATE + x]
            one = a[x] * sharpen + gate * (a0 * red + a1 * green + a2 * blue) + bias_a[x]
            other = b[x] * sharpen + gate * (b0 * red + b1 * green + b2 * blue) + bias_b[x]
            z_a[x] = one
            z_b[x] = other
            _rank(max(one, other), min(one, other), most, x)


@compiled
def project_planes(logits: Any, out: Any) -> None:
    """:func:`fscs_engine.networks.any_palette.project_to_simplex`, as training on a CPU asks for it.

    Args:
        logits: (B, K, N), not NaN.
        out: the same shape, written.
    """
    one, zero = np.float32(1.0), np.float32(0.0)
    batch, count, pixels = logits.shape
    behind = np.empty((count, _RUN), np.float32)
    most, total, inside, thresholds = np.empty((4, _RUN), np.float32)
    for b in range(batch):
        for first in range(0, pixels, _RUN):
            width = min(_RUN, pixels - first)
            for x in range(width):
                most[x] = logits[b, 0, first + x]
            for k in range(1, count):
                for x in range(width):
                    most[x] = max(most[x], logits[b, k, first + x])
            total[:] = zero
            for k in range(count):
                for x in range(width):
                    behind[k, x] = logits[b, k, first + x] - most[x]
                    total[x] += behind[k, x]
            for x in range(width):
                thresholds[x] = (total[x] - one) / np.float32(count)
            for _ in range(count - 1):
                total[:] = zero
                inside[:] = zero
                for k in range(count):
                    for x in range(width):
                        within = behind[k, x] > thresholds[x]
                        total[x] += behind[k, x] if within else zero
                        inside[x] += one if within else zero
                changed = 0
                for x in range(width):
                    threshold = (total[x] - one) / inside[x]
                    changed += threshold != thresholds[x]
                    thresholds[x] = threshold
                if changed == 0:
                    break
            for k in range(count):
                for x in range(width):
                    out[b, k, first + x] = max(behind[k, x] - thresholds[x], zero)


@inner
def _project(logits: Any, most: Any, palette: Any, pixels: Any, alphas: Any) -> None:
    """Rows of :func:`fscs_engine.networks.any_palette.project_to_simplex`, of a whole run, and what they leave.

    Of any set of logits, (its sum − 1) / its size is not above the threshold, and of the support it is the threshold.
    The support being the largest logits, the four largest say what it is, unless there are more.

    Args:
        logits: (U, _RUN).
        most: the largest of them; the thresholds are written, and where more than four count, all the rest.
        palette: (U, 3).
        pixels: planes of the run; what the alphas leave of the colors is written.
        alphas: (U, _RUN), written.
    """
    one, zero = np.float32(1.0), np.float32(0.0)
    half, third, quarter = np.float32(0.5), np.float32(1.0 / 3.0), np.float32(0.25)
    beyond = np.int32(0)
    for x in range(_RUN):
        total = most[_FIRST + x] - one
        threshold = total
        total += most[_SECOND + x]
        threshold = max(threshold, half * total)
        total += most[_THIRD + x]
        threshold = max(threshold, third * total)
        total += most[_FOURTH + x]
        threshold = max(threshold, quarter * total)
        most[_THRESHOLD + x] = threshold
        beyond += np.int32(1) if most[_FOURTH + x] > threshold else np.int32(0)
    if beyond > 0 and len(logits) > 4:
        _grow_thresholds(logits, most)
    for x in range(3 * _RUN):
        pixels[_LEFT_RED + x] = pixels[_RED + x]
    for u in range(0, len(logits), 2):
        z_a, z_b, a, b = logits[u], logits[u + 1], alphas[u], alphas[u + 1]
        p0, p1, p2 = palette[u, 0], palette[u, 1], palette[u, 2]
        q0, q1, q2 = palette[u + 1, 0], palette[u + 1, 1], palette[u + 1, 2]
        for x in range(_RUN):
            threshold = most[_THRESHOLD + x]
            first, second = max(z_a[x] - threshold, zero), max(z_b[x] - threshold, zero)
            a[x] = first
            b[x] = second
            pixels[_LEFT_RED + x] -= p0 * first + q0 * second
            pixels[_LEFT_GREEN + x] -= p1 * first + q1 * second
            pixels[_LEFT_BLUE + x] -= p2 * first + q2 * second


@inner
def _grow_thresholds(logits: Any, most: Any) -> None:
    """Thresholds that are not above the right ones grow to them: Michelot's algorithm."""
    one, zero = np.float32(1.0), np.float32(0.0)
    before, total, inside = _FIRST, _SECOND, _THIRD
    for x in range(_RUN):
        most[before + x] = 4.0
    for _ in range(len(logits)):
        for x in range(_RUN):
            most[total + x] = -one
            most[inside + x] = zero
        for u in range(len(logits)):
            z = logits[u]
            for x in range(_RUN):
                within = z[x] > most[_THRESHOLD + x]
                most[total + x] += z[x] if within else zero
                most[inside + x] += one if within else zero
        changed = np.int32(0)
        for x in range(_RUN):
            # of up to four, the threshold is right; from more on, supports only shrink
            right = most[inside + x] == most[before + x] or most[inside + x] <= np.float32(4.0)
            changed += np.int32(0) if right else np.int32(1)
            if not right:
                most[_THRESHOLD + x] = most[total + x] / most[inside + x]
            most[before + x] = most[inside + x]
        if changed == 0:
            break


@inner
def _normalize(alphas: Any, total: Any, palette: Any, pixels: Any) -> None:
    """Alphas (U, _RUN) over their total (_RUN,), which is lost; what they leave of the colors is written."""
    for x in range(3 * _RUN):
        pixels[_LEFT_RED + x] = pixels[_RED + x]
    for x in range(_RUN):
        total[x] = np.float32(1.0) / total[x]
    for u in range(0, len(alphas), 2):
        a, b = alphas[u], alphas[u + 1]
        p0, p1, p2 = palette[u, 0], palette[u, 1], palette[u, 2]
        q0, q1, q2 = palette[u + 1, 0], palette[u + 1, 1], palette[u + 1, 2]
        for x in range(_RUN):
            first, second = a[x] * total[x], b[x] * total[x]
            a[x] = first
            b[x] = second
            pixels[_LEFT_RED + x] -= p0 * first + q0 * second
            pixels[_LEFT_GREEN + x] -= p1 * first + q1 * second
            pixels[_LEFT_BLUE + x] -= p2 * first + q2 * second


@inner
def _fitting_step(alphas: Any, palette: Any, pixels: Any, tolerance: Any, moments: Any, total: Any) -> None:
    """Rows of :func:`fscs_engine.networks.any_palette.fitting_step`, in place, but for the division by ``total``.

    Args:
        alphas: (U, _RUN), adding to 1; written.
        palette: (U, 3).
        pixels: planes of the run.
        tolerance: > 0.
        moments: scratch memory.
        total: (_RUN,), written.
    """
    m0, m1, m2 = 0, _RUN, 2 * _RUN
    s00, s01, s02, s11, s12, s22 = 3 * _RUN, 4 * _RUN, 5 * _RUN, 6 * _RUN, 7 * _RUN, 8 * _RUN
    one, zero, largest = np.float32(1.0), np.float32(0.0), np.float32(LARGEST_CHANGE)
    for x in range(3 * _RUN):
        moments[x] = pixels[_RED + x] - pixels[_LEFT_RED + x]  # Pα
    for x in range(s00, _MOMENT_PLANES * _RUN):
        moments[x] = zero
    for u in range(0, len(alphas), 2):
        a, b = alphas[u], alphas[u + 1]
        p0, p1, p2 = palette[u, 0], palette[u, 1], palette[u, 2]
        q0, q1, q2 = palette[u + 1, 0], palette[u + 1, 1], palette[u + 1, 2]
        for x in range(_RUN):
            d0, d1, d2 = p0 - moments[m0 + x], p1 - moments[m1 + x], p2 - moments[m2 + x]
            e0, e1, e2 = q0 - moments[m0 + x], q1 - moments[m1 + x], q2 - moments[m2 + x]
            a0, a1, a2, b0, b1, b2 = a[x] * d0, a[x] * d1, a[x] * d2, b[x] * e0, b[x] * e1, b[x] * e2
            moments[s00 + x] += a0 * d0 + b0 * e0
            moments[s01 + x] += a0 * d1 + b0 * e1
            moments[s02 + x] += a0 * d2 + b0 * e2
            moments[s11 + x] += a1 * d1 + b1 * e1
            moments[s12 + x] += a1 * d2 + b1 * e2
            moments[s22 + x] += a2 * d2 + b2 * e2
    for x in range(_RUN):
        c00, c01, c02 = moments[s00 + x] + tolerance, moments[s01 + x], moments[s02 + x]
        c11, c12, c22 = moments[s11 + x] + tolerance, moments[s12 + x], moments[s22 + x] + tolerance
        r0, r1, r2 = pixels[_LEFT_RED + x], pixels[_LEFT_GREEN + x], pixels[_LEFT_BLUE + x]
        i00, i01, i02 = c11 * c22 - c12 * c12, c02 * c12 - c01 * c22, c01 * c12 - c02 * c11
        i11, i12, i22 = c00 * c22 - c02 * c02, c01 * c02 - c00 * c12, c00 * c11 - c01 * c01
        part = pixels[_FIT + x] / (c00 * i00 + c01 * i01 + c02 * i02)
        moments[s00 + x] = (i00 * r0 + i01 * r1 + i02 * r2) * part
        moments[s01 + x] = (i01 * r0 + i11 * r1 + i12 * r2) * part
        moments[s02 + x] = (i02 * r0 + i12 * r1 + i22 * r2) * part
        total[x] = zero
    for u in range(0, len(alphas), 2):
        a, b = alphas[u], alphas[u + 1]
        p0, p1, p2 = palette[u, 0], palette[u, 1], palette[u, 2]
        q0, q1, q2 = palette[u + 1, 0], palette[u + 1, 1], palette[u + 1, 2]
        for x in range(_RUN):
            v0, v1, v2 = moments[s00 + x], moments[s01 + x], moments[s02 + x]
            d0, d1, d2 = p0 - moments[m0 + x], p1 - moments[m1 + x], p2 - moments[m2 + x]
            e0, e1, e2 = q0 - moments[m0 + x], q1 - moments[m1 + x], q2 - moments[m2 + x]
            first = a[x] * min(max(one + (d0 * v0 + d1 * v1 + d2 * v2), zero), largest)
            second = b[x] * min(max(one + (e0 * v0 + e1 * v1 + e2 * v2), zero), largest)
            a[x] = first
            b[x] = second
            total[x] += first + second


@inner
def _share_alphas(alphas: Any, shares: Any, scratch: Any) -> None:
    """alphas (U, n) become shares (U, U) @ alphas."""
    for u in range(len(alphas)):
        for x in range(_RUN):
            scratch[u, x] = alphas[u, x]
            alphas[u, x] = 0.0
    for u in range(len(alphas)):
        for other in range(len(alphas)):
            share = shares[u, other]
            if share > 0.0:
                for x in range(_RUN):
                    alphas[u, x] += share * scratch[other, x]


@inner
def _floor_and_normalize(alphas: Any, total: Any, rest: Any) -> None:
    """Alphas (U, _RUN) over their total (_RUN,); those below the floor become 0, and the rest adds to 1 again."""
    least, zero = np.float32(ALPHA_FLOOR), np.float32(0.0)
    for x in range(_RUN):
        total[x] *= least
        rest[x] = zero
    for u in range(len(alphas)):
        alpha = alphas[u]
        for x in range(_RUN):
            value = alpha[x] if alpha[x] >= total[x] else zero
            alpha[x] = value
            rest[x] += value
    for u in range(len(alphas)):
        alpha = alphas[u]
        for x in range(_RUN):
            alpha[x] /= rest[x]
