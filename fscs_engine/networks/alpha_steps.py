"""The steps that decide the alphas of a run of pixels, as loops that numba compiles for the CPU.

A run's planes lie in the nearest cache; innermost are loops over its pixels, which become vector instructions. Entries
are worked on in pairs. The mathematics is that of `any_palette.py`, which runs on every other device; tests hold both
equal.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..host.parameters import ALPHA_FLOOR
from ..runtime.compiling import compiled, inner, planes
from .constants import FARTHEST_BEHIND, LARGEST_CHANGE, STRIDE

RAMPS = 32
"""Of a run: stretches of a row from the middle of a cell to the middle of the next."""

RUN = RAMPS * STRIDE
"""Pixels that are worked on at a time."""

# Planes of a run within one array: where the compiler sees that they lie apart it makes vector instructions.
RED, GREEN, BLUE = 0, RUN, 2 * RUN
_LEFT_RED, _LEFT_GREEN, _LEFT_BLUE = 3 * RUN, 4 * RUN, 5 * RUN  # c − Pα
GATE, FIT = 6 * RUN, 7 * RUN
_PIXEL_PLANES = 8

_FIRST, _SECOND, _THIRD, _FOURTH = 0, RUN, 2 * RUN, 3 * RUN  # the largest logits
_THRESHOLD = 4 * RUN
_LOGIT_PLANES = 5

_MOMENT_PLANES = 9

_NOTHING = -1e30  # the logit of an entry that fills a pair


def scratch(count: int) -> tuple[NDArray[np.float32], ...]:
    """Planes of a run: logits, alphas and bias, each (U or U + 1, RUN); the pixels', the largest logits, moments.

    Entries are worked on in pairs, so that what is summed over them is loaded and stored half as often. The one that
    fills the last pair never gets an alpha.
    """
    even = count + count % 2
    room = planes(3 * even + _PIXEL_PLANES + _LOGIT_PLANES + _MOMENT_PLANES, RUN)
    logits, alphas, bias = room[:even], room[even : 2 * even], room[2 * even : 3 * even]
    logits[count:] = bias[count:] = _NOTHING
    rest = room[3 * even :].reshape((_PIXEL_PLANES + _LOGIT_PLANES + _MOMENT_PLANES) * RUN)
    first, last = _PIXEL_PLANES * RUN, (_PIXEL_PLANES + _LOGIT_PLANES) * RUN
    return logits, alphas, bias, rest[:first], rest[first:last], rest[last:]


def padded(colors: NDArray[np.float32]) -> NDArray[np.float32]:
    """(U, 3) with a row of zeros where U is odd."""
    return np.pad(colors, ((0, len(colors) % 2), (0, 0)))


@inner
def add_prior(logits: Any, prior: Any, bias: Any) -> None:
    """Adds to the bias (U, n) what the logits say, less the largest as :func:`subtract_largest` left them."""
    least = np.float32(-FARTHEST_BEHIND)
    for u in range(len(logits)):
        z, own = logits[u], bias[u]
        for x in range(RUN):
            own[x] += prior * max(z[x], least)


@inner
def _reset(most: Any) -> None:
    """Before logits are looked at: none is the largest."""
    for x in range(4 * RUN):
        most[x] = np.float32(_NOTHING)


@inner
def subtract_largest(logits: Any, most: Any) -> None:
    """Before the first :func:`project`: logits (U, RUN) less the largest, and which are the largest then."""
    _reset(most)
    for u in range(0, len(logits), 2):
        one, other = logits[u], logits[u + 1]
        for x in range(RUN):
            high, low = max(one[x], other[x]), min(one[x], other[x])
            _rank(high, low, most, x)
    for u in range(len(logits)):
        z = logits[u]
        for x in range(RUN):
            z[x] -= most[_FIRST + x]
    for x in range(RUN):
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
def gradient_step(
    alphas: Any, pixels: Any, bias: Any, steps: Any, size: Any, sharpen: Any, logits: Any, most: Any
) -> None:
    """Rows of :func:`fscs_engine.networks.any_palette.gradient_step`, before the projection.

    Args:
        alphas: (U, RUN).
        pixels: planes of the run.
        bias: (U, RUN).
        steps: (U, 3).
        size: of the step.
        sharpen: 1 + the sharpening.
        logits: (U, RUN), written.
        most: the largest of them, written.
    """
    _reset(most)
    for u in range(0, len(alphas), 2):
        a, b, bias_a, bias_b, z_a, z_b = alphas[u], alphas[u + 1], bias[u], bias[u + 1], logits[u], logits[u + 1]
        a0, a1, a2 = steps[u, 0] * size, steps[u, 1] * size, steps[u, 2] * size
        b0, b1, b2 = steps[u + 1, 0] * size, steps[u + 1, 1] * size, steps[u + 1, 2] * size
        for x in range(RUN):
            red, green, blue = pixels[_LEFT_RED + x], pixels[_LEFT_GREEN + x], pixels[_LEFT_BLUE + x]
            gate = pixels[GATE + x]
            one = a[x] * sharpen + gate * (a0 * red + a1 * green + a2 * blue) + bias_a[x]
            other = b[x] * sharpen + gate * (b0 * red + b1 * green + b2 * blue) + bias_b[x]
            z_a[x] = one
            z_b[x] = other
            _rank(max(one, other), min(one, other), most, x)


@inner
def project(logits: Any, most: Any, palette: Any, pixels: Any, alphas: Any) -> None:
    """Rows of :func:`fscs_engine.networks.any_palette.project_to_simplex`, of a whole run, and what they leave.

    Of any set of logits, (its sum − 1) / its size is not above the threshold, and of the support it is the threshold.
    The support being the largest logits, the four largest say what it is, unless there are more.

    Args:
        logits: (U, RUN).
        most: the largest of them; the thresholds are written, and where more than four count, all the rest.
        palette: (U, 3).
        pixels: planes of the run; what the alphas leave of the colors is written.
        alphas: (U, RUN), written.
    """
    one, zero = np.float32(1.0), np.float32(0.0)
    half, third, quarter = np.float32(0.5), np.float32(1.0 / 3.0), np.float32(0.25)
    beyond = np.int32(0)
    for x in range(RUN):
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
    for x in range(3 * RUN):
        pixels[_LEFT_RED + x] = pixels[RED + x]
    for u in range(0, len(logits), 2):
        z_a, z_b, a, b = logits[u], logits[u + 1], alphas[u], alphas[u + 1]
        p0, p1, p2 = palette[u, 0], palette[u, 1], palette[u, 2]
        q0, q1, q2 = palette[u + 1, 0], palette[u + 1, 1], palette[u + 1, 2]
        for x in range(RUN):
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
    for x in range(RUN):
        most[before + x] = 4.0
    for _ in range(len(logits)):
        for x in range(RUN):
            most[total + x] = -one
            most[inside + x] = zero
        for u in range(len(logits)):
            z = logits[u]
            for x in range(RUN):
                within = z[x] > most[_THRESHOLD + x]
                most[total + x] += z[x] if within else zero
                most[inside + x] += one if within else zero
        changed = np.int32(0)
        for x in range(RUN):
            # of up to four, the threshold is right; from more on, supports only shrink
            right = most[inside + x] == most[before + x] or most[inside + x] <= np.float32(4.0)
            changed += np.int32(0) if right else np.int32(1)
            if not right:
                most[_THRESHOLD + x] = most[total + x] / most[inside + x]
            most[before + x] = most[inside + x]
        if changed == 0:
            break


@compiled
def project_planes(logits: Any, out: Any) -> None:
    """:func:`fscs_engine.networks.any_palette.project_to_simplex`, as training on a CPU asks for it.

    Args:
        logits: (B, K, N), not NaN.
        out: the same shape, written.
    """
    one, zero = np.float32(1.0), np.float32(0.0)
    batch, count, pixels = logits.shape
    behind = np.empty((count, RUN), np.float32)
    most, total, inside, thresholds = np.empty((4, RUN), np.float32)
    for b in range(batch):
        for first in range(0, pixels, RUN):
            width = min(RUN, pixels - first)
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
def normalize(alphas: Any, total: Any, palette: Any, pixels: Any) -> None:
    """Alphas (U, RUN) over their total (RUN,), which is lost; what they leave of the colors is written."""
    for x in range(3 * RUN):
        pixels[_LEFT_RED + x] = pixels[RED + x]
    for x in range(RUN):
        total[x] = np.float32(1.0) / total[x]
    for u in range(0, len(alphas), 2):
        a, b = alphas[u], alphas[u + 1]
        p0, p1, p2 = palette[u, 0], palette[u, 1], palette[u, 2]
        q0, q1, q2 = palette[u + 1, 0], palette[u + 1, 1], palette[u + 1, 2]
        for x in range(RUN):
            first, second = a[x] * total[x], b[x] * total[x]
            a[x] = first
            b[x] = second
            pixels[_LEFT_RED + x] -= p0 * first + q0 * second
            pixels[_LEFT_GREEN + x] -= p1 * first + q1 * second
            pixels[_LEFT_BLUE + x] -= p2 * first + q2 * second


@inner
def fitting_step(alphas: Any, palette: Any, pixels: Any, tolerance: Any, moments: Any, total: Any) -> None:
    """Rows of :func:`fscs_engine.networks.any_palette.fitting_step`, in place, but for the division by ``total``.

    Args:
        alphas: (U, RUN), adding to 1; written.
        palette: (U, 3).
        pixels: planes of the run.
        tolerance: > 0.
        moments: scratch memory.
        total: (RUN,), written.
    """
    m0, m1, m2 = 0, RUN, 2 * RUN
    s00, s01, s02, s11, s12, s22 = 3 * RUN, 4 * RUN, 5 * RUN, 6 * RUN, 7 * RUN, 8 * RUN
    one, zero, largest = np.float32(1.0), np.float32(0.0), np.float32(LARGEST_CHANGE)
    for x in range(3 * RUN):
        moments[x] = pixels[RED + x] - pixels[_LEFT_RED + x]  # Pα
    for x in range(s00, _MOMENT_PLANES * RUN):
        moments[x] = zero
    for u in range(0, len(alphas), 2):
        a, b = alphas[u], alphas[u + 1]
        p0, p1, p2 = palette[u, 0], palette[u, 1], palette[u, 2]
        q0, q1, q2 = palette[u + 1, 0], palette[u + 1, 1], palette[u + 1, 2]
        for x in range(RUN):
            d0, d1, d2 = p0 - moments[m0 + x], p1 - moments[m1 + x], p2 - moments[m2 + x]
            e0, e1, e2 = q0 - moments[m0 + x], q1 - moments[m1 + x], q2 - moments[m2 + x]
            a0, a1, a2, b0, b1, b2 = a[x] * d0, a[x] * d1, a[x] * d2, b[x] * e0, b[x] * e1, b[x] * e2
            moments[s00 + x] += a0 * d0 + b0 * e0
            moments[s01 + x] += a0 * d1 + b0 * e1
            moments[s02 + x] += a0 * d2 + b0 * e2
            moments[s11 + x] += a1 * d1 + b1 * e1
            moments[s12 + x] += a1 * d2 + b1 * e2
            moments[s22 + x] += a2 * d2 + b2 * e2
    for x in range(RUN):
        c00, c01, c02 = moments[s00 + x] + tolerance, moments[s01 + x], moments[s02 + x]
        c11, c12, c22 = moments[s11 + x] + tolerance, moments[s12 + x], moments[s22 + x] + tolerance
        r0, r1, r2 = pixels[_LEFT_RED + x], pixels[_LEFT_GREEN + x], pixels[_LEFT_BLUE + x]
        i00, i01, i02 = c11 * c22 - c12 * c12, c02 * c12 - c01 * c22, c01 * c12 - c02 * c11
        i11, i12, i22 = c00 * c22 - c02 * c02, c01 * c02 - c00 * c12, c00 * c11 - c01 * c01
        part = pixels[FIT + x] / (c00 * i00 + c01 * i01 + c02 * i02)
        moments[s00 + x] = (i00 * r0 + i01 * r1 + i02 * r2) * part
        moments[s01 + x] = (i01 * r0 + i11 * r1 + i12 * r2) * part
        moments[s02 + x] = (i02 * r0 + i12 * r1 + i22 * r2) * part
        total[x] = zero
    for u in range(0, len(alphas), 2):
        a, b = alphas[u], alphas[u + 1]
        p0, p1, p2 = palette[u, 0], palette[u, 1], palette[u, 2]
        q0, q1, q2 = palette[u + 1, 0], palette[u + 1, 1], palette[u + 1, 2]
        for x in range(RUN):
            v0, v1, v2 = moments[s00 + x], moments[s01 + x], moments[s02 + x]
            d0, d1, d2 = p0 - moments[m0 + x], p1 - moments[m1 + x], p2 - moments[m2 + x]
            e0, e1, e2 = q0 - moments[m0 + x], q1 - moments[m1 + x], q2 - moments[m2 + x]
            first = a[x] * min(max(one + (d0 * v0 + d1 * v1 + d2 * v2), zero), largest)
            second = b[x] * min(max(one + (e0 * v0 + e1 * v1 + e2 * v2), zero), largest)
            a[x] = first
            b[x] = second
            total[x] += first + second


@inner
def share_alphas(alphas: Any, shares: Any, scratch: Any) -> None:
    """alphas (U, n) become shares (U, U) @ alphas."""
    for u in range(len(alphas)):
        for x in range(RUN):
            scratch[u, x] = alphas[u, x]
            alphas[u, x] = 0.0
    for u in range(len(alphas)):
        for other in range(len(alphas)):
            share = shares[u, other]
            if share > 0.0:
                for x in range(RUN):
                    alphas[u, x] += share * scratch[other, x]


@inner
def floor_and_normalize(alphas: Any, total: Any, rest: Any) -> None:
    """Alphas (U, RUN) over their total (RUN,); those below the floor become 0, and the rest adds to 1 again."""
    least, zero = np.float32(ALPHA_FLOOR), np.float32(0.0)
    for x in range(RUN):
        total[x] *= least
        rest[x] = zero
    for u in range(len(alphas)):
        alpha = alphas[u]
        for x in range(RUN):
            value = alpha[x] if alpha[x] >= total[x] else zero
            alpha[x] = value
            rest[x] += value
    for u in range(len(alphas)):
        alpha = alphas[u]
        for x in range(RUN):
            alpha[x] /= rest[x]
