"""The full-size part of the `any-palette` model on the CPU, as loops that numba compiles.

In PyTorch this part is memory traffic: 12 planes a colour at full size. Here a row is interpolated and decided while
it is in the cache. The mathematics is that of `any_palette.py`, which runs on every other device; tests hold both
equal. The loops are compiled at their first call, for the machine at hand, and kept in a cache; they release the
interpreter, so that threads share the rows. Innermost are short runs of pixels, which become vector instructions.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..compiling import compiled
from ..parameters import ALPHA_FLOOR
from .any_palette import (
    CALM_RADIUS,
    CALM_VARIANCE,
    CELL,
    FARTHEST_BEHIND,
    LARGEST_CHANGE,
    MIXING_SHARPENING,
    MIXING_SIZE,
    MIXING_STEPS,
    PLANES,
    SHARPNESS,
)

_RAMPS = 32
_RUN = _RAMPS * CELL  # pixels that are worked on at a time


@compiled
def cell_rows(seen: Any, out: Any) -> None:
    """Rows of :func:`fscs_engine.networks.any_palette.cells_of`.

    Args:
        seen: (h, W, 3) rows of the picture, from one that begins a cell.
        out: (6, ch, cw), written. Rows and columns that the last cells lack are the picture's last.
    """
    height, width = seen.shape[0], seen.shape[1]
    sums = np.empty((2, out.shape[2], 3), np.float32)  # of colours and of their squares, less the cell's first colour
    part = np.float32(1.0 / (CELL * CELL))
    for row in range(out.shape[1]):
        sums[:] = 0.0
        top = seen[row * CELL]
        for dy in range(CELL):
            line = seen[min(row * CELL + dy, height - 1)]
            for column in range(out.shape[2]):
                r, g, b = np.float32(0.0), np.float32(0.0), np.float32(0.0)
                rr, gg, bb = np.float32(0.0), np.float32(0.0), np.float32(0.0)
                r0, g0, b0 = top[column * CELL, 0], top[column * CELL, 1], top[column * CELL, 2]
                for dx in range(CELL):
                    x = min(column * CELL + dx, width - 1)
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
                out[channel, row, column] = top[column * CELL, channel] + mean
                out[channel + 3, row, column] = np.sqrt(max(variance, np.float32(1e-8)))


@compiled
def calm_rows(seen: Any, first: int, top: int, bottom: int, height: int, out: Any) -> None:
    """Rows of :func:`fscs_engine.networks.any_palette.calm`.

    Args:
        seen: (h, W, 3) rows of the picture from row ``first`` on, at least those within two windows of the result.
        first: see above.
        top: first row of the result.
        bottom: the row after its last.
        height: of the whole picture.
        out: (3, bottom - top, W), written.
    """
    width = seen.shape[1]
    radius = CALM_RADIUS
    part = np.float32(1.0 / (2 * radius + 1))
    limit = np.float32(CALM_VARIANCE)
    upper, lower = max(0, top - radius), min(height, bottom + radius)
    keep = np.empty((lower - upper, width), np.float32)
    rest = np.empty((3, lower - upper, width), np.float32)
    sums = np.empty((4, width + 2 * radius), np.float32)
    means = np.empty((4, width), np.float32)
    for y in range(upper, lower):
        sums[:] = 0.0
        for dy in range(-radius, radius + 1):
            row = seen[min(max(y + dy, 0), height - 1) - first]
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
        sums[:] = 0.0
        for dy in range(-radius, radius + 1):
            line = min(max(y + dy, 0), height - 1) - upper
            for x in range(width):
                sums[0, x + radius] += rest[0, line, x]
                sums[1, x + radius] += rest[1, line, x]
                sums[2, x + radius] += rest[2, line, x]
                sums[3, x + radius] += keep[line, x]
        _window_means(sums, width, radius, part, means)
        row = seen[y - first]
        for channel in range(3):
            for x in range(width):
                out[channel, y - top, x] = means[3, x] * row[x, channel] + means[channel, x]


@compiled
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


@compiled
def cell_mixtures(colors: Any, palette: Any, steps: Any, out: Any) -> None:
    """:func:`fscs_engine.networks.any_palette.mixtures` of some cells.

    Args:
        colors: (3, N), their mean colours.
        palette: (U, 3).
        steps: (U, 3), see :func:`fscs_engine.networks.any_palette.step_matrix`.
        out: (U, N), written.
    """
    count, cells = out.shape
    run = np.zeros((3, _RUN), np.float32)
    residue = np.empty_like(run)
    logits, alphas = np.zeros((count, _RUN), np.float32), np.ones((count, _RUN), np.float32)
    scratch = np.empty((4, _RUN), np.float32)
    gate, bias = np.ones(_RUN, np.float32), np.zeros(_RUN, np.float32)
    size, sharpen = np.float32(MIXING_SIZE), np.float32(1.0 + MIXING_SHARPENING)
    for start in range(0, cells, _RUN):
        length = min(_RUN, cells - start)
        run[:, :length] = colors[:, start : start + length]
        red, green, blue = run[0], run[1], run[2]
        for u in range(count):
            p0, p1, p2 = palette[u, 0], palette[u, 1], palette[u, 2]
            z = logits[u]
            for x in range(_RUN):
                r, g, b = red[x] - p0, green[x] - p1, blue[x] - p2
                z[x] = -np.float32(SHARPNESS) * (r * r + g * g + b * b)
        alphas[:] = 1.0
        _project(logits, scratch, alphas)
        for _ in range(MIXING_STEPS):
            _residue(alphas, palette, red, green, blue, residue)
            for u in range(count):
                _step(alphas[u], residue, gate, bias, steps[u], size, sharpen, logits[u])
            _project(logits, scratch, alphas)
        out[:, start : start + length] = alphas[:, :length]


@compiled
def join_rows(planes: Any, share: Any, weight: Any, bias: Any, residual: Any, top: int, bottom: int, out: Any) -> None:
    """Rows of :func:`fscs_engine.networks.any_palette.join_sets` for one picture.

    Args:
        planes: (K, C, h, w).
        share: (K, h, w).
        weight: (C, 2 C) of the mix.
        bias: (C,).
        residual: (K, C, h, w), or of no entry.
        top: first row.
        bottom: the row after the last.
        out: (K, C, h, w), written; may be ``planes``.
    """
    count, channels, _, width = planes.shape
    means = np.empty((2 * channels, width), np.float32)
    common = np.empty(width, np.float32)
    zero, part = np.float32(0.0), np.float32(1.0 / count)
    for y in range(top, bottom):
        means[:] = 0.0
        for k in range(count):
            shares = share[k, y]
            for c in range(channels):
                row, plain, shared = planes[k, c, y], means[c], means[channels + c]
                for x in range(width):
                    value = max(row[x], zero)
                    plain[x] += value
                    shared[x] += value * shares[x]
        for c in range(channels):
            plain = means[c]
            for x in range(width):
                plain[x] *= part
        for c in range(channels):
            for x in range(width):
                common[x] = bias[c]
            for i in range(2 * channels):
                factor, mean = weight[c, i], means[i]
                for x in range(width):
                    common[x] += factor * mean[x]
            for k in range(count):
                row, result = planes[k, c, y], out[k, c, y]
                if len(residual) > 0:
                    own = residual[k, c, y]
                    for x in range(width):
                        result[x] = own[x] + max(max(row[x], zero) + common[x], zero)
                else:
                    for x in range(width):
                        result[x] = max(max(row[x], zero) + common[x], zero)


@compiled
def alpha_rows(
    calmed: Any,
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
    """Rows of alphas, interpolation of the local colour models included.

    Args:
        calmed: (3, h, W) rows of the calm picture.
        top: which row of the picture the first of them is.
        order: (U,) which plane of ``out`` each entry has.
        models: (U, 13, ch, cw), all cells of the picture.
        palette: (U, 3), the base colours.
        steps: (U, 3), see :func:`fscs_engine.networks.any_palette.step_matrix`.
        sizes: (T,) of the steps.
        sharpening: (T,) 1 + the sharpening of the steps.
        tolerances: of the fitting steps.
        prior: (1,) weight of the logits in the gradient steps.
        shares: (U, U), see :func:`fscs_engine.networks.any_palette.shares_of`.
        out: (U, h, W), written: each 0 or at least the floor, adding to 1.
    """
    count, cells_high, cells_wide = models.shape[0], models.shape[2], models.shape[3]
    width = calmed.shape[2]
    runs = (width + CELL // 2 + _RUN - 1) // _RUN
    left = np.empty((count, PLANES, max(runs * _RAMPS, cells_wide + 1)), np.float32)
    rise = np.empty_like(left)
    logits = np.zeros((count, _RUN), np.float32)
    alphas = np.ones((count, _RUN), np.float32)
    bias = np.empty((count, _RUN), np.float32)
    gate, fit = np.empty(_RUN, np.float32), np.empty(_RUN, np.float32)
    scratch = np.empty((4, _RUN), np.float32)
    moments = np.empty((9, _RUN), np.float32)
    colors = np.zeros((3, _RUN), np.float32)
    residue = np.empty((3, _RUN), np.float32)
    shared = False
    for u in range(count):
        shared = shared or shares[u, u] < 1.0
    for y in range(calmed.shape[1]):
        place = (top + y + 0.5) / CELL - 0.5
        above = int(np.floor(place))
        first, second = max(above, 0), min(above + 1, cells_high - 1)
        for u in range(count):
            for p in range(PLANES):
                _mix(models[u, p, first], models[u, p, second], np.float32(place - above), left[u, p], rise[u, p])
        for run in range(runs):
            ramp, x0 = run * _RAMPS, run * _RUN - CELL // 2
            for channel in range(3):
                _gather(calmed[channel, y], x0, colors[channel])
            red, green, blue = colors[0], colors[1], colors[2]
            for u in range(count):
                _logits(left[u], rise[u], ramp, red, green, blue, palette[u], logits[u])
                _interpolate(left[u, PLANES - 3], rise[u, PLANES - 3], ramp, bias[u])
            _interpolate(left[0, PLANES - 2], rise[0, PLANES - 2], ramp, gate)
            _interpolate(left[0, PLANES - 1], rise[0, PLANES - 1], ramp, fit)
            alphas[:] = 1.0  # a pixel depends on nothing that was computed before it
            _project(logits, scratch, alphas)
            _add_prior(logits, prior[0], bias)
            for t in range(len(sizes)):
                _residue(alphas, palette, red, green, blue, residue)
                for u in range(count):
                    _step(alphas[u], residue, gate, bias[u], steps[u], sizes[t], sharpening[t], logits[u])
                _project(logits, scratch, alphas)
            for t in range(len(tolerances)):
                _fit(alphas, palette, red, green, blue, fit, tolerances[t], moments)
            if shared:
                _share(alphas, shares, logits)
            _floor_and_normalize(alphas, scratch[0])
            for u in range(count):
                _scatter(alphas[u], x0, out[order[u], y])


@compiled
def _gather(row: Any, x0: int, out: Any) -> None:
    """A run of pixels out of a row, in the order that the loops work in: every first pixel of a ramp, every second...

    Neighbouring numbers then have neighbouring ramps, which are neighbours in memory. Pixels outside are left alone.
    """
    for j in range(_RAMPS):
        for k in range(CELL):
            x = x0 + j * CELL + k
            if 0 <= x < len(row):
                out[k * _RAMPS + j] = row[x]


@compiled
def _scatter(run: Any, x0: int, row: Any) -> None:
    """The way back of :func:`_gather`."""
    for j in range(_RAMPS):
        for k in range(CELL):
            x = x0 + j * CELL + k
            if 0 <= x < len(row):
                row[x] = run[k * _RAMPS + j]


@compiled
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
        rise[j] = (left[j + 1] - left[j]) / np.float32(CELL)
    rise[len(left) - 1] = 0.0


@compiled
def _interpolate(left: Any, rise: Any, ramp: int, out: Any) -> None:
    """One plane of a run of pixels, from its ramps ``ramp`` and on; see :func:`_mix`."""
    a, b = left[ramp : ramp + _RAMPS], rise[ramp : ramp + _RAMPS]
    for k in range(CELL):
        t, part = np.float32(k) + np.float32(0.5), out[k * _RAMPS : (k + 1) * _RAMPS]
        for j in range(_RAMPS):
            part[j] = a[j] + b[j] * t


@compiled
def _logits(left: Any, rise: Any, ramp: int, red: Any, green: Any, blue: Any, color: Any, out: Any) -> None:
    """Rows of :func:`fscs_engine.networks.any_palette.local_logits`, interpolated between cells on the way.

    Args:
        left: (≥ 10, …) see :func:`_mix`.
        rise: the same shape.
        ramp: the run's first.
        red: (_RUN,) in the order of :func:`_gather`, as is all below.
        green: the same.
        blue: the same.
        color: (3,) the entry's palette colour.
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
    for k in range(CELL):
        t, start, end = np.float32(k) + np.float32(0.5), k * _RAMPS, (k + 1) * _RAMPS
        result, c0, c1, c2 = out[start:end], red[start:end], green[start:end], blue[start:end]
        for j in range(_RAMPS):
            r, g, b = c0[j] - p0, c1[j] - p1, c2[j] - p2
            linear = a0[j] + b0[j] * t + (a1[j] + b1[j] * t) * r + (a2[j] + b2[j] * t) * g + (a3[j] + b3[j] * t) * b
            across = (a4[j] + b4[j] * t) * r + (a7[j] + b7[j] * t) * g + (a8[j] + b8[j] * t) * b
            rest = (a5[j] + b5[j] * t) * g + (a9[j] + b9[j] * t) * b
            result[j] = linear + across * r + rest * g + (a6[j] + b6[j] * t) * b * b


@compiled
def _add_prior(logits: Any, prior: Any, bias: Any) -> None:
    """Adds to the bias (U, n) what the logits say; the projection left them less the largest."""
    least = np.float32(-FARTHEST_BEHIND)
    for u in range(len(logits)):
        z, own = logits[u], bias[u]
        for x in range(len(z)):
            own[x] += prior * max(z[x], least)


@compiled
def _residue(alphas: Any, palette: Any, red: Any, green: Any, blue: Any, residue: Any) -> None:
    """c − Pα, (3, n)."""
    r, g, b = residue[0], residue[1], residue[2]
    n = len(red)
    for x in range(n):
        r[x], g[x], b[x] = red[x], green[x], blue[x]
    for u in range(len(alphas)):
        alpha = alphas[u]
        p0, p1, p2 = palette[u, 0], palette[u, 1], palette[u, 2]
        for x in range(n):
            r[x] -= p0 * alpha[x]
            g[x] -= p1 * alpha[x]
            b[x] -= p2 * alpha[x]


@compiled
def _step(alpha: Any, residue: Any, gate: Any, bias: Any, step: Any, size: Any, sharpen: Any, out: Any) -> None:
    """One entry's part of :func:`fscs_engine.networks.any_palette.gradient_step`, before the projection."""
    r, g, b = residue[0], residue[1], residue[2]
    s0, s1, s2 = step[0] * size, step[1] * size, step[2] * size
    for x in range(_RUN):
        out[x] = alpha[x] * sharpen + gate[x] * (s0 * r[x] + s1 * g[x] + s2 * b[x]) + bias[x]


@compiled
def _fit(alphas: Any, palette: Any, red: Any, green: Any, blue: Any, size: Any, tolerance: Any, moments: Any) -> None:
    """Rows of :func:`fscs_engine.networks.any_palette.fitting_step`, in place."""
    n = len(red)
    m0, m1, m2, s00, s01 = moments[0], moments[1], moments[2], moments[3], moments[4]
    s02, s11, s12, s22 = moments[5], moments[6], moments[7], moments[8]
    moments[:] = 0.0
    for u in range(len(alphas)):
        alpha = alphas[u]
        p0, p1, p2 = palette[u, 0], palette[u, 1], palette[u, 2]
        for x in range(n):
            m0[x] += alpha[x] * p0
            m1[x] += alpha[x] * p1
            m2[x] += alpha[x] * p2
    for u in range(len(alphas)):
        alpha = alphas[u]
        p0, p1, p2 = palette[u, 0], palette[u, 1], palette[u, 2]
        for x in range(n):
            d0, d1, d2 = p0 - m0[x], p1 - m1[x], p2 - m2[x]
            a0, a1 = alpha[x] * d0, alpha[x] * d1
            s00[x] += a0 * d0
            s01[x] += a0 * d1
            s02[x] += a0 * d2
            s11[x] += a1 * d1
            s12[x] += a1 * d2
            s22[x] += alpha[x] * d2 * d2
    for x in range(n):
        a, b, c = s00[x] + tolerance, s01[x], s02[x]
        d, e, f = s11[x] + tolerance, s12[x], s22[x] + tolerance
        r0, r1, r2 = red[x] - m0[x], green[x] - m1[x], blue[x] - m2[x]
        i00, i01, i02 = d * f - e * e, c * e - b * f, b * e - c * d
        i11, i12, i22 = a * f - c * c, b * c - a * e, a * d - b * b
        part = size[x] / (a * i00 + b * i01 + c * i02)
        s00[x] = (i00 * r0 + i01 * r1 + i02 * r2) * part
        s01[x] = (i01 * r0 + i11 * r1 + i12 * r2) * part
        s02[x] = (i02 * r0 + i12 * r1 + i22 * r2) * part
        s11[x] = 0.0
    for u in range(len(alphas)):
        alpha = alphas[u]
        p0, p1, p2 = palette[u, 0], palette[u, 1], palette[u, 2]
        for x in range(n):
            along = (p0 - m0[x]) * s00[x] + (p1 - m1[x]) * s01[x] + (p2 - m2[x]) * s02[x]
            alpha[x] *= min(max(np.float32(1.0) + along, np.float32(0.0)), np.float32(LARGEST_CHANGE))
            s11[x] += alpha[x]
    for u in range(len(alphas)):
        alpha = alphas[u]
        for x in range(n):
            alpha[x] /= s11[x]


@compiled
def _project(logits: Any, scratch: Any, alphas: Any) -> None:
    """Rows of :func:`fscs_engine.networks.any_palette.project_to_simplex`, of a whole run: (U, _RUN) → the same.

    The logits are left less the largest.

    It begins with the support of the alphas before, mostly the right one: from any support the first threshold is
    not above the right one, and from there it grows to it.
    """
    count = len(logits)
    threshold, total, inside, before = scratch[0], scratch[1], scratch[2], scratch[3]
    one, zero = np.float32(1.0), np.float32(0.0)
    for x in range(_RUN):
        total[x] = logits[0, x]
    for u in range(1, count):
        z = logits[u]
        for x in range(_RUN):
            total[x] = max(total[x], z[x])
    for x in range(_RUN):
        threshold[x] = -one
        inside[x] = zero
    for u in range(count):
        z, alpha = logits[u], alphas[u]
        for x in range(_RUN):
            z[x] -= total[x]
            within = alpha[x] > zero
            threshold[x] += z[x] if within else zero
            inside[x] += one if within else zero
    for x in range(_RUN):
        threshold[x] /= inside[x]
        inside[x] = zero  # a wrong support can have the right size; from the first threshold on they only shrink
    for _ in range(count + 1):
        for x in range(_RUN):
            before[x] = inside[x]
            total[x] = -one
            inside[x] = zero
        for u in range(count):
            z = logits[u]
            for x in range(_RUN):
                within = z[x] > threshold[x]
                total[x] += z[x] if within else zero
                inside[x] += one if within else zero
        changed = np.int32(0)
        for x in range(_RUN):
            changed += np.int32(1) if before[x] != inside[x] else np.int32(0)
            threshold[x] = total[x] / inside[x]
        if changed == 0:
            break
    for u in range(count):
        z, alpha = logits[u], alphas[u]
        for x in range(_RUN):
            alpha[x] = max(z[x] - threshold[x], zero)


@compiled
def _share(alphas: Any, shares: Any, scratch: Any) -> None:
    """alphas (U, n) become shares (U, U) @ alphas."""
    scratch[:] = alphas
    for u in range(len(alphas)):
        alphas[u] = 0.0
        for other in range(len(alphas)):
            share = shares[u, other]
            if share > 0.0:
                for i in range(alphas.shape[1]):
                    alphas[u, i] += share * scratch[other, i]


@compiled
def _floor_and_normalize(alphas: Any, total: Any) -> None:
    """Alphas below the floor become 0; the rest adds to 1 again."""
    least = np.float32(ALPHA_FLOOR)
    for x in range(_RUN):
        total[x] = 0.0
    for u in range(len(alphas)):
        alpha = alphas[u]
        for x in range(_RUN):
            alpha[x] = alpha[x] if alpha[x] >= least else np.float32(0.0)
            total[x] += alpha[x]
    for u in range(len(alphas)):
        alpha = alphas[u]
        for x in range(_RUN):
            alpha[x] /= total[x]
