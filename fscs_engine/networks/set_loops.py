"""What the `any-palette` network does between its convolutions, as loops that numba compiles for the CPU.

*Sets* are arrays (h, K, w + 1, C): rows of cells, in each row one entry's cells after another's, each cell's planes
side by side. The last column of an entry is zero. It stands for the zeros around the picture, so that one convolution
over a row of all entries is that of each. `coarse_network.py` calls the convolutions; `any_palette.py` has the
definition, and tests hold both equal. Loops over the planes of many cells at once become the best vector instructions.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..runtime.compiling import inner, loop
from .constants import SHARPNESS

_PIECE = 64  # cells that are worked on at a time: their sums stay in the nearest cache


@loop("in3s in2 out3s")
def share_rows(cells: Any, palette: Any, out: Any) -> None:
    """The second of :func:`fscs_engine.networks.any_palette.features`.

    Args:
        cells: (6, h, w).
        palette: (K, 3).
        out: (K, h, w), written.
    """
    count, height, width = out.shape
    for y in range(height):
        for x in range(width):
            least = np.float32(np.inf)
            for k in range(count):
                r, g, b = cells[0, y, x] - palette[k, 0], cells[1, y, x] - palette[k, 1], cells[2, y, x] - palette[k, 2]
                distance = r * r + g * g + b * b
                out[k, y, x] = distance
                least = min(least, distance)
            total = np.float32(0.0)
            for k in range(count):
                part = np.exp(np.float32(-4.0 * SHARPNESS) * (out[k, y, x] - least))
                out[k, y, x] = part
                total += part
            for k in range(count):
                out[k, y, x] /= total


@loop("in3 in2 in3 in3 int64 out4")
def feature_rows(cells: Any, palette: Any, mixed: Any, share: Any, top: int, out: Any) -> None:
    """The first of :func:`fscs_engine.networks.any_palette.features`, as sets.

    Args:
        cells: (6, h, w).
        palette: (K, 3).
        mixed: (K, h, w).
        share: (K, h, w).
        top: first row of the result; rows outside the picture are zero, here and below.
        out: (h', K, w + 1, 12), written.
    """
    count, height, width = share.shape
    for i in range(len(out)):
        y = top + i
        for k in range(count):
            _clear(out[i, k], 0 if y < 0 or y >= height else width)
        if y < 0 or y >= height:
            continue
        for x in range(width):
            r, g, b = cells[0, y, x], cells[1, y, x], cells[2, y, x]
            left_r, left_g, left_b = r, g, b
            for k in range(count):
                part = mixed[k, y, x]
                left_r -= palette[k, 0] * part
                left_g -= palette[k, 1] * part
                left_b -= palette[k, 2] * part
            for k in range(count):
                feature = out[i, k, x]
                for plane in range(6):
                    feature[plane] = cells[plane, y, x]
                feature[6] = np.float32(4.0) * left_r
                feature[7] = np.float32(4.0) * left_g
                feature[8] = np.float32(4.0) * left_b
                dr, dg, db = r - palette[k, 0], g - palette[k, 1], b - palette[k, 2]
                feature[9] = np.sqrt(max(dr * dr + dg * dg + db * db, np.float32(1e-8)))
                feature[10] = share[k, y, x]
                feature[11] = mixed[k, y, x]


def mean_rows(sets: Any, offsets: Any, share: Any, top: int, means: Any) -> None:
    """What a block mixes: the entries' mean and their mean by shares. Negative numbers of ``sets`` become 0.

    Args:
        sets: (h', K, w + 1, C) as a convolution leaves them, changed.
        offsets: (K, C) added to them, or of no entry.
        share: (K, h, w), adding to 1 over K.
        top: which of its rows is the first.
        means: (h', w, 2 C), written.
    """
    rows, count, columns, channels = sets.shape
    added = np.zeros((count, _PIECE * channels), np.float32)
    if len(offsets):
        added[:] = np.tile(offsets, (1, _PIECE))
    _mean_rows(
        sets.reshape(rows, count, columns * channels),
        added,
        share,
        top,
        np.empty((3, _PIECE * channels), np.float32),
        means,
    )


@loop("out3 in2 in3 int64 out2 out3")
def _mean_rows(sets: Any, added: Any, share: Any, top: int, scratch: Any, means: Any) -> None:
    """:func:`mean_rows` of rows (h', K, (w + 1) · C), the offsets repeated for a piece, with scratch memory for one."""
    rows, count, _ = sets.shape
    width, channels = means.shape[1], means.shape[2] // 2
    zero, part = np.float32(0.0), np.float32(1.0 / count)
    plain, shared, shares = scratch[0], scratch[1], scratch[2]
    for y in range(rows):
        for x0 in range(0, width, _PIECE):
            cells = min(_PIECE, width - x0)
            for j in range(cells * channels):
                plain[j] = 0.0
                shared[j] = 0.0
            for k in range(count):
                for x in range(cells):
                    weight, place = share[k, top + y, x0 + x], shares[x * channels : (x + 1) * channels]
                    for c in range(channels):
                        place[c] = weight
                run, offset = sets[y, k, x0 * channels : (x0 + cells) * channels], added[k]
                for j in range(cells * channels):
                    value = max(run[j] + offset[j], zero)
                    run[j] = value
                    plain[j] += value
                    shared[j] += value * shares[j]
            for x in range(cells):
                mean = means[y, x0 + x]
                for c in range(channels):
                    mean[c] = plain[x * channels + c] * part
                    mean[channels + c] = shared[x * channels + c]


def add_common_rows(sets: Any, common: Any, before: Any, out: Any) -> None:
    """Adds what the entries have in common.

    Args:
        sets: (h', K, w + 1, C) as :func:`mean_rows` leaves them.
        common: (h', w, C).
        before: (h', K, w + 1, C), added in the end, or of no row.
        out: (h', K, w + 1, C), written.
    """
    rows, count, columns, channels = out.shape
    sets, before, out = (cells.reshape(len(cells), count, columns * channels) for cells in (sets, before, out))
    _add_common_rows(sets, common.reshape(rows, -1), before, out)


@loop("in3 in2 in3 out3")
def _add_common_rows(sets: Any, common: Any, before: Any, out: Any) -> None:
    """:func:`add_common_rows` with the cells of an entry as one axis."""
    rows, count, _ = sets.shape
    numbers, zero = common.shape[1], np.float32(0.0)
    for y in range(rows):
        added = common[y]
        for k in range(count):
            run, result = sets[y, k], out[y, k]
            if len(before) > 0:
                own = before[y, k]
                for j in range(numbers):
                    result[j] = own[j] + max(run[j] + added[j], zero)
            else:
                for j in range(numbers):
                    result[j] = max(run[j] + added[j], zero)
            for j in range(numbers, len(result)):
                result[j] = zero


def pool_rows(sets: Any, top: int, out: Any) -> None:
    """:func:`fscs_engine.networks.any_palette.avg_pool` of sets.

    Args:
        sets: (h + 2, K, w + 1, C), with a row of zeros above and below.
        top: first row of the result.
        out: (h', K, w / 2 + 1, C), written.
    """
    flat = sets.reshape(*sets.shape[:2], -1)
    _pool_rows(flat, top, np.empty(flat.shape[2], np.float32), out)


@loop("in3 int64 out1 out4")
def _pool_rows(sets: Any, top: int, pair: Any, out: Any) -> None:
    """:func:`pool_rows` of rows (h + 2, K, (w + 1) · C), with scratch memory for one of them."""
    rows, count, columns, channels = out.shape
    quarter = np.float32(0.25)
    for i in range(rows):
        y = 2 * (top + i) + 1
        for k in range(count):
            _clear(out[i, k], 0 if y < 1 or y > len(sets) - 2 else columns - 1)
        if y < 1 or y > len(sets) - 2:
            continue
        for k in range(count):
            upper, lower = sets[y, k], sets[y + 1, k]
            for j in range(len(pair)):
                pair[j] = quarter * (upper[j] + lower[j])
            for x in range(columns - 1):
                left, right = pair[2 * x * channels :], pair[(2 * x + 1) * channels :]
                for c in range(channels):
                    out[i, k, x, c] = left[c] + right[c]


def upsample_rows(small: Any, first: int, height: int, sets: Any, top: int, out: Any) -> None:
    """Adds sets of half the size, doubled by bilinear interpolation.

    Args:
        small: (h'', K, w / 2 + 1, C), at least the rows around the result's.
        first: which of all the small rows they begin with.
        height: how many there are in all.
        sets: (h + 2, K, w + 1, C), with a row of zeros above and below.
        top: first row of the result.
        out: (h', K, w + 1, C), written.
    """
    channels = out.shape[3]
    line = np.empty((out.shape[2] // 2 + 2) * channels, np.float32)
    _upsample_rows(small.reshape(*small.shape[:2], -1), first, height, sets, top, line, out)


@loop("in3 int64 int64 in4 int64 out1 out4")
def _upsample_rows(small: Any, first: int, height: int, sets: Any, top: int, line: Any, out: Any) -> None:
    """:func:`upsample_rows` of rows (h'', K, (w / 2 + 1) · C), with memory for one between two, its ends repeated."""
    rows, count, columns, channels = out.shape
    cells = columns // 2
    numbers = cells * channels
    most, least = np.float32(0.75), np.float32(0.25)
    for i in range(rows):
        y = top + i
        for k in range(count):
            _clear(out[i, k], 0 if y < 0 or y > len(sets) - 3 else columns - 1)
        if y < 0 or y > len(sets) - 3:
            continue
        near = y // 2
        far = min(max(near - 1 + 2 * (y % 2), 0), height - 1)
        for k in range(count):
            a, b = small[near - first, k], small[far - first, k]
            middle = line[channels : channels + numbers]
            for j in range(numbers):
                middle[j] = most * a[j] + least * b[j]
            for c in range(channels):
                line[c] = line[channels + c]
                line[numbers + channels + c] = line[numbers + c]
            for x in range(cells):
                left, here, right = line[x * channels :], line[(x + 1) * channels :], line[(x + 2) * channels :]
                even, odd = 2 * x, 2 * x + 1
                for c in range(channels):
                    out[i, k, even, c] = sets[y + 1, k, even, c] + most * here[c] + least * left[c]
                    out[i, k, odd, c] = sets[y + 1, k, odd, c] + most * here[c] + least * right[c]


@inner
def _clear(cells: Any, first: int) -> None:
    """Cells (w + 1, C) of an entry from the first on become 0. Assigned to a slice, that takes longer to compile."""
    for x in range(first, len(cells)):
        for c in range(cells.shape[1]):
            cells[x, c] = 0.0


@loop("in4 int64 out4s")
def model_rows(found: Any, column: int, out: Any) -> None:
    """The network's last planes as local color models, see ``AnyPaletteNetwork.models``.

    Args:
        found: (h', K, w + 1, 13); the last two planes are the gates' logits.
        column: which of its columns is the first of the result.
        out: (K, 13, h', w'), written.
    """
    count, planes, rows, width = out.shape
    one, part = np.float32(1.0), np.float32(1.0 / count)
    for y in range(rows):
        for k in range(count):
            for plane in range(planes - 2):
                for x in range(width):
                    out[k, plane, y, x] = found[y, k, column + x, plane]
        for plane in range(planes - 2, planes):
            for x in range(width):
                logit = np.float32(0.0)
                for k in range(count):
                    logit += found[y, k, column + x, plane]
                gate = one / (one + np.exp(-logit * part))
                for k in range(count):
                    out[k, plane, y, x] = gate
