"""Edits of layers on the CPU, as loops that numba compiles: each pixel of a layer is read once.

The mathematics is that of :class:`fscs_engine.host.edits.Formula` and of :mod:`fscs_engine.recolor.edits`. A layer is
skipped where nothing is of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..host.edits import OTHERS_FLOOR
from ..runtime.compiling import inner, loop, planes

_RUN = 128  # pixels, planes of which lie side by side

_RUNS = 16  # that are looked at together: a layer's memory comes faster in one go, and the rest finds it in the cache

_TINY = 1e-30  # cube roots of less are 0
_GUESS = 0x54A21D2A  # less a third of the bits of a float, this is the bits of its inverse cube root within 4 %
_HALF = 0x3F3504F3  # the bits of the square root of 1/2
_SIGN = -0x80000000  # the bit of it
_LEAST, _MOST = -126.0, 99.6
"""Binary logarithms: 0 to a power is 0, and a power of a bright color is a finite number, and so are sums of it."""


def recolored_pixels(
    layers: Any,
    order: Any,
    part: slice,
    ready: Any,
    numbers: Any,
    shown: Any,
    strength: float,
    image: Any,
    out: Any,
) -> None:
    """Adds to pixels of an image what the edits of E layers change.

    Args:
        layers: (K, N, 4) premultiplied, in C order.
        order: (E,) which of them are edited, from 0.
        part: which of the N pixels.
        ready: (E, n, 3) these pixels edited already, premultiplied; or empty, and they are edited here.
        numbers: (E, 3, 12) of each row of a formula: ``to_lms``, ``roots``, ``from_lms``, ``offset``, ``power``. Where
            ``to_lms`` is 0 no perceptual edit is made.
        shown: (E, 5) opacity; whether black is seen where it is lost, else the other layers; and the straight color
            that is seen where there are none.
        strength: of all of it.
        image: (N, 3 or 4) premultiplied, in C order.
        out: the same, written; may be ``image``.
    """
    filled = bool(((shown[:, 0] < 1.0) & (shown[:, 1] == 0.0)).any())
    count = len(order) if filled else 1
    room = planes(4 * count + 8 + 8, _RUN)
    edited, rest = room[: 4 * count].reshape(count, 4, -1), room[4 * count :]
    layer, change, work = rest[:4], rest[4:8], rest[8:]
    ends, flat, channels = (part.start, part.stop), work.reshape(-1), image.shape[1]
    _recolored_pixels(
        layers.reshape(len(layers), -1), order, *ends, ready, numbers, shown, strength, filled, channels,
        image.reshape(-1), planes(len(order), _RUNS), edited, layer, change, work, flat, out.reshape(-1),
    )  # fmt: skip


@loop("in2 order int64 int64 in3 in3 in2 float32 boolean int64 in1 out2 out3 out2 out2 out2 out1 out1")
def _recolored_pixels(
    layers: Any,
    order: Any,
    first: int,
    last: int,
    ready: Any,
    numbers: Any,
    shown: Any,
    strength: Any,
    filled: bool,
    channels: int,
    image: Any,
    seen: Any,
    edited: Any,
    layer: Any,
    change: Any,
    work: Any,
    flat: Any,
    out: Any,
) -> None:
    """:func:`recolored_pixels`, with scratch memory for a run of pixels."""
    for start in range(first, last, _RUN):
        stop = min(start + _RUN, last)
        run = (start - first) // _RUN % _RUNS
        if run == 0:
            for e in range(len(order)):
                for ahead in range(_RUNS):
                    begin = min(start + ahead * _RUN, last)
                    pixels = layers[order[e], 4 * begin : 4 * min(begin + _RUN, last)]
                    seen[e, ahead] = 1.0 if _is_there(pixels) else 0.0
        _clear(change)
        touched = False
        for e in range(len(order)):
            new, pixels = edited[e if filled else 0], layers[order[e], 4 * start : 4 * stop]
            if seen[e, run] != 0.0:
                touched = True
                _load(pixels, 4, layer, new[3])
                if len(ready):
                    _load_ready(ready[e, start - first : stop - first], new)
                else:
                    _edit(layer, new[3], numbers[e], new, work, flat)
                _accumulate(layer, new, shown[e, 0], change)
            elif filled:
                _clear(new)
        before, after = image[channels * start : channels * stop], out[channels * start : channels * stop]
        if touched:
            _load(before, channels, layer, layer[3])
            if filled:
                _fill(layer, edited, shown, change, work)
            _change(layer, change, strength)
            _store(layer, channels, after)
        else:
            for x in range(len(before)):
                after[x] = before[x]


@inner
def _clear(planes: Any) -> None:
    for c in range(4):
        plane = planes[c]
        for x in range(_RUN):
            plane[x] = 0.0


@inner
def _is_there(pixels: Any) -> bool:
    """Whether anything is in pixels (4 n,)."""
    bits = pixels.view(np.int32)
    found = np.int32(0)  # of floats a maximum would be found one by one, of bits many at a time
    for x in range(len(bits)):
        found |= bits[x]
    return found != 0


@inner
def _load(pixels: Any, channels: int, planes: Any, alpha: Any) -> None:
    """Pixels (3 n or 4 n,) into three planes and alpha, 1 where they have none; 0 beyond them."""
    n = len(pixels) // channels
    red, green, blue = planes[0], planes[1], planes[2]
    if channels == 4:
        for x in range(n):
            red[x], green[x], blue[x], alpha[x] = pixels[4 * x], pixels[4 * x + 1], pixels[4 * x + 2], pixels[4 * x + 3]
    else:
        for x in range(n):
            red[x], green[x], blue[x], alpha[x] = pixels[3 * x], pixels[3 * x + 1], pixels[3 * x + 2], 1.0
    for x in range(n, _RUN):
        red[x] = green[x] = blue[x] = alpha[x] = 0.0


@inner
def _load_ready(pixels: Any, planes: Any) -> None:
    """Pixels (n, 3) into three planes, 0 beyond them."""
    for c in range(3):
        for x in range(_RUN):
            planes[c, x] = pixels[x, c] if x < len(pixels) else np.float32(0.0)


@inner
def _edit(layer: Any, alpha: Any, numbers: Any, new: Any, work: Any, flat: Any) -> None:
    """One layer's edits: three planes and alpha → three planes. See :class:`fscs_engine.host.edits.Formula`."""
    source = layer
    if numbers[0, 0] != 0.0 or numbers[0, 1] != 0.0 or numbers[0, 2] != 0.0:
        for c in range(3):
            _mix3(layer, numbers[c], work[c])
        own, constant = work[3], numbers[0, 6] != 0.0 or numbers[1, 6] != 0.0 or numbers[2, 6] != 0.0
        for x in range(_RUN):
            own[x] = max(alpha[x], np.float32(0.0)) if constant else np.float32(0.0)
        _cube_roots(flat[: (4 if constant else 3) * _RUN])
        source = work[4:]
        for c in range(3):
            _cubed_mix4(work, numbers[c, 3:], source[c])
    for c in range(3):
        _mix3(source, numbers[c, 7:], new[c])
    if numbers[0, 10] != 0.0 or numbers[1, 10] != 0.0 or numbers[2, 10] != 0.0:
        for c in range(3):
            target, offset = new[c], numbers[c, 10]
            for x in range(_RUN):
                target[x] += offset * max(alpha[x], np.float32(0.0))
    if numbers[0, 11] != 1.0 or numbers[1, 11] != 1.0 or numbers[2, 11] != 1.0:
        held, inverse = work[0], work[1]
        for x in range(_RUN):
            held[x] = alpha[x] if alpha[x] > np.float32(0.0) else np.float32(1.0)
            inverse[x] = np.float32(1.0) / held[x]
        for c in range(3):
            if numbers[c, 11] != 1.0:
                _raise(new[c], held, inverse, numbers[c, 11])


# Loops over more planes than these are not made of vector instructions: each pair would have to be told apart first.


@inner
def _mix3(planes: Any, row: Any, target: Any) -> None:
    a, b, c = planes[0], planes[1], planes[2]
    r, s, t = row[0], row[1], row[2]
    for x in range(_RUN):
        target[x] = r * a[x] + s * b[x] + t * c[x]


@inner
def _cubed_mix4(planes: Any, row: Any, target: Any) -> None:
    a, b, c, d = planes[0], planes[1], planes[2], planes[3]
    r, s, t, u = row[0], row[1], row[2], row[3]
    for x in range(_RUN):
        value = r * a[x] + s * b[x] + t * c[x] + u * d[x]
        target[x] = value * value * value


@inner
def _cube_roots(numbers: Any) -> None:
    """∛ with its sign, in place: 1/∛ from a guess by the bits and the series of (1 - h)^(-1/3), which leave 2.6e-7."""
    third, one = np.float32(1.0 / 3.0), np.float32(1.0)
    c2, c3, c4 = np.float32(2.0 / 9.0), np.float32(14.0 / 81.0), np.float32(35.0 / 243.0)
    c5, c6 = np.float32(91.0 / 729.0), np.float32(728.0 / 6561.0)
    for x in range(len(numbers)):
        bits = np.float32(max(abs(numbers[x]), np.float32(_TINY))).view(np.int32)
        y = np.int32(np.int32(_GUESS) - np.int32(np.float32(bits) * third)).view(np.float32)
        h = one - abs(numbers[x]) * y * y * y
        y += y * h * (third + h * (c2 + h * (c3 + h * (c4 + h * (c5 + h * c6)))))
        numbers[x] *= y * y


@inner
def _raise(numbers: Any, held: Any, inverse: Any, power: Any) -> None:
    """Straight values to a power, their sign kept, in place: 2 ^ (power · log2), by series that leave 1e-7."""
    zero, one = np.float32(0.0), np.float32(1.0)
    for x in range(_RUN):
        size = np.float32(abs(numbers[x]) * inverse[x])
        # A whole number, and a number between the roots of 1/2 and of 2.
        above = np.int32(size.view(np.int32) - np.int32(_HALF))
        z = np.int32((above & np.int32(0x7FFFFF)) + np.int32(_HALF)).view(np.float32) - one
        # A division for a shorter series takes longer.
        log = np.float32(0.215212286) + z * (np.float32(-0.20893389) + z * np.float32(0.12926428))
        log = np.float32(-0.360716254) + z * (np.float32(0.287939101) + z * (np.float32(-0.238675669) + z * log))
        log = np.float32(1.44269502) + z * (np.float32(-0.721347213) + z * (np.float32(0.480910271) + z * log))
        log = z * log
        log = min(
            max(power * (np.float32(np.int32(above >> np.int32(23))) + log), np.float32(_LEAST)), np.float32(_MOST)
        )
        whole = np.int32(log + np.float32(127.5))  # the nearest whole number, as the exponent of a float
        f = log - np.float32(np.int32(whole - np.int32(127)))
        raised = np.float32(0.00961812911) + f * (np.float32(0.00133335581) + f * np.float32(0.000154035304))
        raised = np.float32(0.240226507) + f * (np.float32(0.0555041087) + f * raised)
        raised = np.int32(whole << 23).view(np.float32) * (one + f * (np.float32(0.693147181) + f * raised))
        raised = raised * held[x] if size > zero else zero
        sign = np.float32(numbers[x]).view(np.int32) & np.int32(_SIGN)
        numbers[x] = np.int32(np.float32(raised).view(np.int32) | sign).view(np.float32)


@inner
def _accumulate(layer: Any, new: Any, opacity: Any, change: Any) -> None:
    for c in range(3):
        before, after, target = layer[c], new[c], change[c]
        for x in range(_RUN):
            target[x] += opacity * after[x] - before[x]
    lost = np.float32(1.0) - opacity
    if lost > 0:
        alpha, target = new[3], change[3]
        for x in range(_RUN):
            target[x] -= lost * alpha[x]


@inner
def _fill(image: Any, edited: Any, shown: Any, change: Any, work: Any) -> None:
    """Shows the other layers where some have lost opacity."""
    zero, one = np.float32(0.0), np.float32(1.0)
    for c in range(3):
        whole, before, moved = work[c], image[c], change[c]
        for x in range(_RUN):
            whole[x] = before[x] + moved[x]
    for e in range(len(edited)):
        kept = shown[e, 0]
        if kept >= one or shown[e, 1] != zero:
            continue
        alpha, share, least = edited[e, 3], work[3], work[4]
        for x in range(_RUN):
            lost = (one - kept) * max(alpha[x], zero)
            others = max(image[3, x] + change[3, x] - kept * alpha[x], zero)
            least[x] = np.float32(OTHERS_FLOOR) * max(image[3, x], zero)
            weight = others + least[x]
            share[x] = lost / (weight if weight > zero else one)
        for c in range(3):
            own, whole, target, color = edited[e, c], work[c], change[c], shown[e, 2 + c]
            for x in range(_RUN):
                target[x] += share[x] * (whole[x] - kept * own[x] + least[x] * color)


@inner
def _change(image: Any, change: Any, strength: Any) -> None:
    for c in range(3):
        numbers, moved = image[c], change[c]
        for x in range(_RUN):
            way = strength * moved[x]
            # Adding 0 would make 0 of -0.
            numbers[x] = numbers[x] + way if way != 0 else numbers[x]


@inner
def _store(planes: Any, channels: int, out: Any) -> None:
    red, green, blue, alpha = planes[0], planes[1], planes[2], planes[3]
    if channels == 4:
        for x in range(len(out) // 4):
            out[4 * x], out[4 * x + 1], out[4 * x + 2], out[4 * x + 3] = red[x], green[x], blue[x], alpha[x]
    else:
        for x in range(len(out) // 3):
            out[3 * x], out[3 * x + 1], out[3 * x + 2] = red[x], green[x], blue[x]
