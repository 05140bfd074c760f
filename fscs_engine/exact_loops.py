"""The exact step on the CPU for layers of one colour each, as loops that numba compiles.

`exact.py` has the same mathematics for any layer colours and any device, plane by plane; here a row's layers are made
and closed while they are in the cache. Tests hold both equal.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .compiling import compiled

_RUN = 128  # pixels


@compiled
def layer_rows(
    alphas: Any, base: Any, gain: Any, target: Any, total: Any, held: Any, opacity: Any, boxed: bool, out: Any
) -> float:
    """Rows of layers: the exact step for one colour a layer, alpha association, and the rounding settled.

    Args:
        alphas: (K, h, W) adding to 1.
        base: (K, 3) layer colours in the working space.
        gain: (h, W) what they are multiplied by.
        target: (h, W, 3) straight colours of the picture in the working space.
        total: (h, W, 4) what the layers must add up to, premultiplied.
        held: (h, W) what straight colours are multiplied by.
        opacity: (h, W) the picture's own alpha.
        boxed: whether layer colours stay in [0, 1] where the picture's are.
        out: (K, h, W, 4), written.

    Returns:
        The largest error relative to the largest of 1 and the pixel's |channels|; NaN where a sum is not finite.
    """
    count, height, width = alphas.shape
    a = np.zeros((count, _RUN), np.float32)
    color = np.empty((count, _RUN), np.float32)
    layers = np.empty((4, count, _RUN), np.float32)
    aim = np.empty((8, _RUN), np.float32)  # target, gain, what the layers add up to
    error, room = np.empty(_RUN, np.float32), np.empty(_RUN, np.float32)
    inside, scale = np.empty(_RUN, np.float32), np.empty(_RUN, np.float32)
    heaviest = np.empty(_RUN, np.float32)
    worst = np.zeros(_RUN, np.float32)
    broken = np.zeros(_RUN, np.float32)  # 0, or NaN where something is not finite
    one, zero = np.float32(1.0), np.float32(0.0)
    for y in range(height):
        for x0 in range(0, width, _RUN):
            n = min(_RUN, width - x0)
            _load(target[y, x0 : x0 + n], gain[y, x0 : x0 + n], total[y, x0 : x0 + n], aim)
            most, share = room, error
            for x in range(n):
                most[x] = -1.0
            for u in range(count):
                own, source = a[u], alphas[u, y, x0 : x0 + n]
                for x in range(n):
                    own[x] = source[x]
                    heaviest[x] = np.float32(u) if own[x] > most[x] else heaviest[x]
                    most[x] = max(most[x], own[x])
            for x in range(n):
                low, high = min(aim[0, x], aim[1, x], aim[2, x]), max(aim[0, x], aim[1, x], aim[2, x])
                inside[x] = one if boxed and low >= zero and high <= one else zero
                largest = max(abs(aim[4, x]), abs(aim[5, x]), abs(aim[6, x]), abs(aim[7, x]))
                scale[x] = max(one, high, -low, largest)
            for channel in range(3):
                for u in range(count):
                    own, p = color[u], base[u, channel]
                    for x in range(n):
                        own[x] = p * aim[3, x]
                _close(a, color, aim[channel], inside, n, error, room)
                straight = held[y, x0 : x0 + n]
                for u in range(count):
                    layer, own, c = layers[channel, u], a[u], color[u]
                    for x in range(n):
                        layer[x] = own[x] * c[x] * straight[x]
            solid = opacity[y, x0 : x0 + n]
            for u in range(count):
                layer, own = layers[3, u], a[u]
                for x in range(n):
                    layer[x] = own[x] * solid[x]
            for channel in range(4):
                whole = aim[4 + channel]
                for attempt in range(3):
                    for x in range(n):
                        share[x] = layers[channel, 0, x]
                    for u in range(1, count):
                        layer = layers[channel, u]
                        for x in range(n):
                            share[x] += layer[x]
                    for x in range(n):
                        share[x] = whole[x] - share[x]
                    if attempt < 2:
                        for u in range(count):
                            layer, number = layers[channel, u], np.float32(u)
                            for x in range(n):
                                layer[x] += share[x] if heaviest[x] == number else zero
                for x in range(n):
                    relative = abs(share[x]) / scale[x]
                    worst[x] = max(worst[x], relative)
                    broken[x] += relative * zero
            for u in range(count):
                _store(layers[0, u], layers[1, u], layers[2, u], layers[3, u], out[u, y, x0 : x0 + n])
    return worst.max() + broken.sum()


@compiled
def _load(target: Any, gain: Any, total: Any, aim: Any) -> None:
    """Planes (8, n) out of interleaved pixels."""
    for x in range(len(target)):
        aim[0, x], aim[1, x], aim[2, x] = target[x, 0], target[x, 1], target[x, 2]
        aim[3, x] = gain[x]
        aim[4, x], aim[5, x], aim[6, x], aim[7, x] = total[x, 0], total[x, 1], total[x, 2], total[x, 3]


@compiled
def _store(red: Any, green: Any, blue: Any, alpha: Any, out: Any) -> None:
    """Interleaved pixels (n, 4) out of planes."""
    for x in range(len(out)):
        out[x, 0] = red[x]
        out[x, 1] = green[x]
        out[x, 2] = blue[x]
        out[x, 3] = alpha[x]


@compiled
def _close(a: Any, color: Any, aim: Any, inside: Any, n: int, error: Any, room: Any) -> None:
    """One channel of :func:`fscs_engine.exact.exact_colors`. ``color`` (K, n) changes: Σ a · color becomes ``aim``."""
    count = len(a)
    one, zero = np.float32(1.0), np.float32(0.0)
    for _ in range(count + 1):
        for x in range(n):
            error[x] = aim[x]
        for u in range(count):
            own, c = a[u], color[u]
            for x in range(n):
                error[x] -= own[x] * c[x]
        left = np.int32(0)
        for x in range(n):
            left += np.int32(0) if abs(error[x]) <= np.float32(1e-7) else np.int32(1)
            room[x] = 0.0
        if left == 0:
            break
        for u in range(count):
            own, c = a[u], color[u]
            for x in range(n):
                ahead = one - c[x] if error[x] > zero else c[x]
                room[x] += own[x] if ahead > zero or inside[x] == zero else zero
        for x in range(n):
            error[x] /= room[x] if room[x] > zero else one
        for u in range(count):
            own, c = a[u], color[u]
            for x in range(n):
                ahead = one - c[x] if error[x] > zero else c[x]
                free = own[x] > zero and (ahead > zero or inside[x] == zero)
                moved = c[x] + (error[x] if free else zero)
                c[x] = min(max(moved, zero), one) if inside[x] > zero else moved
