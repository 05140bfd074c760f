"""The full-size part of the `any-palette` model on the CPU, as loops that numba compiles.

In PyTorch this part is memory traffic: 12 planes a colour at full size. Here a row is interpolated and decided while
it is in the cache. The mathematics is that of `any_palette.py`, which runs on every other device; tests hold both
equal. The loops are compiled at their first call, for the machine at hand, and kept in a cache; they release the
interpreter, so that threads share the rows. Innermost are short runs of pixels, which become vector instructions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numba import njit

from ..parameters import ALPHA_FLOOR
from .any_palette import CALM_RADIUS, CALM_VARIANCE, CELL, LARGEST_CHANGE, PLANES

_RUN = 128  # pixels, a multiple of the cell

_F = TypeVar("_F", bound=Callable[..., Any])


def _compiled(function: _F) -> _F:
    compiled: Any = njit(cache=True, nogil=True, fastmath={"contract", "nsz"}, error_model="numpy")(function)
    return compiled  # type: ignore[no-any-return]


@_compiled
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


@_compiled
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


@_compiled
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


@_compiled
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
    out: Any,
) -> None:
    """Rows of alphas, interpolation of the local colour models included.

    Args:
        calmed: (3, h, W) rows of the calm picture.
        top: which row of the picture the first of them is.
        order: (U,) which plane of ``out`` each entry has.
        models: (U, 13, ch, cw), all cells of the picture.
        palette: (U, 3).
        steps: (U, 3), see :func:`fscs_engine.networks.any_palette.step_matrix`.
        sizes: (T,) of the steps.
        sharpening: (T,) 1 + the sharpening of the steps.
        tolerances: of the fitting steps.
        out: (U, h, W), written: each 0 or at least the floor, adding to 1.
    """
    count, cells_high, cells_wide = models.shape[0], models.shape[2], models.shape[3]
    width = calmed.shape[2]
    line = np.empty((count, PLANES, cells_wide + 2), np.float32)
    planes = np.empty((PLANES, _RUN + 2 * CELL), np.float32)
    logits = np.zeros((count, _RUN), np.float32)
    alphas = np.ones((count, _RUN), np.float32)
    bias = np.empty((count, _RUN), np.float32)
    gate, fit = np.empty(_RUN, np.float32), np.empty(_RUN, np.float32)
    scratch = np.empty((4, _RUN), np.float32)
    moments = np.empty((9, _RUN), np.float32)
    residue = np.empty((3, _RUN), np.float32)
    for y in range(calmed.shape[1]):
        place = (top + y + 0.5) / CELL - 0.5
        above = int(np.floor(place))
        first, second = max(above, 0), min(above + 1, cells_high - 1)
        for u in range(count):
            for p in range(PLANES):
                _mix(models[u, p, first], models[u, p, second], np.float32(place - above), line[u, p])
        for x0 in range(0, width, _RUN):
            n = min(_RUN, width - x0)
            red, green, blue = calmed[0, y, x0 : x0 + n], calmed[1, y, x0 : x0 + n], calmed[2, y, x0 : x0 + n]
            for u in range(count):
                for p in range(PLANES - 2):
                    _interpolate(line[u, p], x0 // CELL, n, planes[p])
                _logits(planes, red, green, blue, palette[u], logits[u])
                bias[u] = planes[PLANES - 3, CELL // 2 : CELL // 2 + _RUN]
            for p in range(PLANES - 2, PLANES):
                _interpolate(line[0, p], x0 // CELL, n, planes[p])
            gate[:] = planes[PLANES - 2, CELL // 2 : CELL // 2 + _RUN]
            fit[:] = planes[PLANES - 1, CELL // 2 : CELL // 2 + _RUN]
            alphas[:] = 1.0  # a pixel depends on nothing that was computed before it
            _project(logits, scratch, alphas)
            for t in range(len(sizes)):
                _residue(alphas, palette, red, green, blue, residue)
                for u in range(count):
                    _step(alphas[u], residue, gate, bias[u], steps[u], sizes[t], sharpening[t], logits[u])
                _project(logits, scratch, alphas)
            for t in range(len(tolerances)):
                _fit(alphas, palette, red, green, blue, fit, tolerances[t], moments)
            _floor_and_normalize(alphas, n, scratch[0])
            for u in range(count):
                out[order[u], y, x0 : x0 + n] = alphas[u, :n]


@_compiled
def _mix(first: Any, second: Any, weight: Any, line: Any) -> None:
    """A row between two rows of cells, (cw,) → (cw + 2,): its first and last cell are repeated outwards."""
    wide = len(first)
    for j in range(wide):
        line[j + 1] = first[j] + weight * (second[j] - first[j])
    line[0] = line[1]
    line[wide + 1] = line[wide]


@_compiled
def _interpolate(line: Any, start: int, n: int, plane: Any) -> None:
    """Pixels between cells ``start`` and on; the first pixel of ``plane`` is half a cell left of the run's."""
    last = len(line) - 1
    for j in range((n + CELL - 1) // CELL + 1):
        left = line[min(start + j, last)]
        rise = (line[min(start + j + 1, last)] - left) / np.float32(CELL)
        for k in range(CELL):
            plane[j * CELL + k] = left + rise * (np.float32(k) + np.float32(0.5))


@_compiled
def _logits(planes: Any, red: Any, green: Any, blue: Any, color: Any, out: Any) -> None:
    """Rows of :func:`fscs_engine.networks.any_palette.local_logits`."""
    half = CELL // 2
    m0, m1, m2, m3, m4 = planes[0, half:], planes[1, half:], planes[2, half:], planes[3, half:], planes[4, half:]
    m5, m6, m7, m8, m9 = planes[5, half:], planes[6, half:], planes[7, half:], planes[8, half:], planes[9, half:]
    p0, p1, p2 = color[0], color[1], color[2]
    for x in range(len(red)):
        r, g, b = red[x] - p0, green[x] - p1, blue[x] - p2
        linear = m0[x] + m1[x] * r + m2[x] * g + m3[x] * b
        out[x] = linear + (m4[x] * r + m7[x] * g + m8[x] * b) * r + (m5[x] * g + m9[x] * b) * g + m6[x] * b * b


@_compiled
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


@_compiled
def _step(alpha: Any, residue: Any, gate: Any, bias: Any, step: Any, size: Any, sharpen: Any, out: Any) -> None:
    """One entry's part of :func:`fscs_engine.networks.any_palette.gradient_step`, before the projection."""
    r, g, b = residue[0], residue[1], residue[2]
    s0, s1, s2 = step[0] * size, step[1] * size, step[2] * size
    for x in range(_RUN):
        out[x] = alpha[x] * sharpen + gate[x] * (s0 * r[x] + s1 * g[x] + s2 * b[x]) + bias[x]


@_compiled
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


@_compiled
def _project(logits: Any, scratch: Any, alphas: Any) -> None:
    """Rows of :func:`fscs_engine.networks.any_palette.project_to_simplex`, of a whole run: (U, _RUN) → the same.

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


@_compiled
def _floor_and_normalize(alphas: Any, n: int, total: Any) -> None:
    """Alphas below the floor become 0; the rest adds to 1 again."""
    least = np.float32(ALPHA_FLOOR)
    for x in range(n):
        total[x] = 0.0
    for u in range(len(alphas)):
        alpha = alphas[u]
        for x in range(n):
            alpha[x] = alpha[x] if alpha[x] >= least else np.float32(0.0)
            total[x] += alpha[x]
    for u in range(len(alphas)):
        alpha = alphas[u]
        for x in range(n):
            alpha[x] /= total[x]
