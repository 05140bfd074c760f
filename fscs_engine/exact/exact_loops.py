"""The exact step on the CPU for layers of one color each, as loops that numba compiles.

`exact.py` has the same mathematics for any layer colors and any device, plane by plane; here a row's layers are made
and closed while they are in the cache. Tests hold both equal.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..runtime.compiling import inner, loop, planes

_RUN = 128  # pixels


def layer_rows(
    alphas: Any, base: Any, gain: Any, target: Any, total: Any, association: Any, opacity: Any, in_gamut: bool, out: Any
) -> float:
    """Rows of layers: the exact step for one color a layer, alpha association, and the rounding settled.

    Args:
        alphas: (K, h, W) adding to 1.
        base: (K, 3) layer colors in the working space.
        gain: (h, W) what they are multiplied by.
        target: (h, W, 3) straight colors of the picture in the working space.
        total: (h, W, 4) what the layers must add up to, premultiplied.
        association: (h, W) what straight colors are multiplied by.
        opacity: (h, W) the picture's own alpha.
        in_gamut: whether layer colors stay in [0, 1] where the picture's are.
        out: (K, h, W, 4), written.

    Returns:
        The largest error relative to the largest of 1 and the pixel's |channels|; NaN where a sum is not finite.
    """
    count = len(alphas)
    room = planes(6 * count + 8 + 7, _RUN)
    a, color, layers = room[:count], room[count : 2 * count], room[2 * count : 6 * count].reshape(4, count, _RUN)
    goal, rest = room[6 * count : 6 * count + 8], room[6 * count + 8 :]  # target, gain, what the layers add up to
    _layer_rows(alphas, base, gain, target, total, association, opacity, in_gamut, a, color, layers, goal, rest, out)
    return float(rest[5].max() + rest[6].sum())


@loop("in3s in2 in2 in3 in3 in2s in2s boolean out2 out2 out3 out2 out2 out4s")
def _layer_rows(
    alphas: Any,
    base: Any,
    gain: Any,
    target: Any,
    total: Any,
    association: Any,
    opacity: Any,
    in_gamut: bool,
    a: Any,
    color: Any,
    layers: Any,
    goal: Any,
    rest: Any,
    out: Any,
) -> None:
    """:func:`layer_rows`, with scratch memory for a run of pixels."""
    count, height, width = alphas.shape
    missing, free, inside, scale, largest = rest[0], rest[1], rest[2], rest[3], rest[4]
    worst, broken = rest[5], rest[6]  # broken is 0, or NaN where something is not finite
    for y in range(height):
        for x0 in range(0, width, _RUN):
            n = min(_RUN, width - x0)
            run = slice(x0, x0 + n)
            _load(target[y, run], gain[y, run], total[y, run], goal)
            for u in range(count):
                _copy(alphas[u, y, run], a[u])
            _find_largest(a, largest, free)
            _measure(goal, in_gamut, inside, scale)
            for channel in range(4):
                if channel < 3:
                    _fit_channel(a, base[:, channel], goal[3], goal[channel], inside, color, missing, free)
                    _copy(association[y, run], free)
                else:
                    for u in range(count):
                        for x in range(_RUN):
                            color[u, x] = 1.0
                    _copy(opacity[y, run], free)
                _multiply(a, color, free, goal[4 + channel], layers[channel], missing)
                for _ in range(2):
                    _absorb_rounding(layers[channel], largest, goal[4 + channel], missing, free)
                _track_error(missing[:n], scale, worst, broken)  # beyond it is what was there before
            for u in range(count):
                _store(layers[0, u], layers[1, u], layers[2, u], layers[3, u], out[u, y, run])


@inner
def _copy(numbers: Any, out: Any) -> None:
    """Puts numbers at the beginning of ``out``. A slice assigned to a slice takes seconds to compile."""
    for x in range(len(numbers)):
        out[x] = numbers[x]


@inner
def _find_largest(a: Any, largest: Any, most: Any) -> None:
    """Which of the layers (K, n) has the largest alpha, the first of them: ``largest`` (n,) is written."""
    for x in range(_RUN):
        most[x] = -1.0
    for u in range(len(a)):
        own, number = a[u], np.float32(u)
        for x in range(_RUN):
            largest[x] = number if own[x] > most[x] else largest[x]
            most[x] = max(most[x], own[x])


@inner
def _measure(goal: Any, in_gamut: bool, inside: Any, scale: Any) -> None:
    """Where layer colors stay in [0, 1], and what errors are relative to; both (n,), written."""
    one, zero = np.float32(1.0), np.float32(0.0)
    bound = one if in_gamut else zero
    for x in range(_RUN):
        low, high = min(goal[0, x], goal[1, x], goal[2, x]), max(goal[0, x], goal[1, x], goal[2, x])
        inside[x] = bound if low >= zero and high <= one else zero
        largest = max(abs(goal[4, x]), abs(goal[5, x]), abs(goal[6, x]), abs(goal[7, x]))
        scale[x] = max(one, high, -low, largest)


@inner
def _multiply(a: Any, color: Any, factor: Any, whole: Any, layers: Any, missing: Any) -> None:
    """One channel of the layers (K, n), written, and what they lack of the whole (n,), written."""
    for x in range(_RUN):
        missing[x] = 0.0
    for u in range(len(a)):
        own, c, layer = a[u], color[u], layers[u]
        for x in range(_RUN):
            value = own[x] * c[x] * factor[x]
            layer[x] = value
            missing[x] += value
    for x in range(_RUN):
        missing[x] = whole[x] - missing[x]


@inner
def _track_error(missing: Any, scale: Any, worst: Any, broken: Any) -> None:
    """The largest error so far, relative to ``scale``, and whether all of them were finite."""
    for x in range(len(missing)):
        relative = abs(missing[x]) / scale[x]
        worst[x] = max(worst[x], relative)
        broken[x] += relative * np.float32(0.0)


@inner
def _load(target: Any, gain: Any, total: Any, goal: Any) -> None:
    """Planes (8, n) out of interleaved pixels."""
    for x in range(len(target)):
        goal[0, x], goal[1, x], goal[2, x] = target[x, 0], target[x, 1], target[x, 2]
        goal[3, x] = gain[x]
        goal[4, x], goal[5, x], goal[6, x], goal[7, x] = total[x, 0], total[x, 1], total[x, 2], total[x, 3]


@inner
def _store(red: Any, green: Any, blue: Any, alpha: Any, out: Any) -> None:
    """Interleaved pixels (n, 4) out of planes."""
    for x in range(len(out)):
        out[x, 0] = red[x]
        out[x, 1] = green[x]
        out[x, 2] = blue[x]
        out[x, 3] = alpha[x]


@inner
def _fit_channel(a: Any, base: Any, gain: Any, goal: Any, inside: Any, color: Any, error: Any, free: Any) -> None:
    """One channel of :func:`fscs_engine.exact.exact.exact_colors`.

    Args:
        a: (K, n) alphas.
        base: (K,) the layers' colors.
        gain: (n,) what they are multiplied by.
        goal: (n,) what Σ a · color becomes.
        inside: (n,) 1 where colors stay in [0, 1], else 0.
        color: (K, n), written.
        error: (n,) scratch memory.
        free: (n,) scratch memory.
    """
    count = len(a)
    one, zero, least = np.float32(1.0), np.float32(0.0), np.float32(1e-7)
    for x in range(_RUN):
        error[x] = goal[x]
    for u in range(count):
        own, c, p = a[u], color[u], base[u]
        for x in range(_RUN):
            value = p * gain[x]
            c[x] = value
            error[x] -= own[x] * value
    for _ in range(count + 1):
        left = np.int32(0)
        for x in range(_RUN):
            left += np.int32(0) if abs(error[x]) <= least else np.int32(1)
            free[x] = zero
        if left == 0:
            break
        for u in range(count):
            own, c = a[u], color[u]
            for x in range(_RUN):
                ahead = one - c[x] if error[x] > zero else c[x]
                free[x] += own[x] if ahead > zero or inside[x] == zero else zero
        for x in range(_RUN):
            free[x] = error[x] / (free[x] if free[x] > zero else one)
            error[x] = goal[x]
        for u in range(count):
            own, c = a[u], color[u]
            for x in range(_RUN):
                ahead = one - c[x] if free[x] > zero else c[x]
                moves = own[x] > zero and (ahead > zero or inside[x] == zero)
                moved = c[x] + (free[x] if moves else zero)
                value = min(max(moved, zero), one) if inside[x] > zero else moved
                c[x] = value
                error[x] -= own[x] * value


@inner
def _absorb_rounding(layers: Any, largest: Any, whole: Any, missing: Any, share: Any) -> None:
    """Adds what is missing to each pixel's largest layer: in float32 that leaves less, or nothing.

    Args:
        layers: (K, n) one channel of them, changed.
        largest: (n,) which of them takes it.
        whole: (n,) what they must add up to.
        missing: (n,) what they lack, changed.
        share: (n,) scratch memory.
    """
    zero = np.float32(0.0)
    left = np.int32(0)
    for x in range(_RUN):
        left += np.int32(0) if missing[x] == zero else np.int32(1)
        share[x] = missing[x]
        missing[x] = zero
    if left == 0:
        return
    for u in range(len(layers)):
        layer, number = layers[u], np.float32(u)
        for x in range(_RUN):
            value = layer[x] + (share[x] if largest[x] == number else zero)
            layer[x] = value
            missing[x] += value
    for x in range(_RUN):
        missing[x] = whole[x] - missing[x]
