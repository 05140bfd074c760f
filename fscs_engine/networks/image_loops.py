"""What the `any-palette` model does with the image before its network, as loops that numba compiles for the CPU.

Cells of the coarse grid, and the denoised image. The mathematics is that of `any_palette.py`; tests hold both equal.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..runtime.compiling import inner, loop
from .constants import DENOISE_RADIUS, DENOISE_VARIANCE, STRIDE


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
