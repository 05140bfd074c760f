"""Edits of layers on the CPU, as loops that numba compiles: each row of a layer is read once.

The mathematics is that of :class:`fscs_engine.host.edits.Formula` and of :mod:`fscs_engine.recolor.edits`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..runtime.compiling import compiled, planes

_RUN = 128  # pixels
_LARGEST = np.float32(1e30)
"""A power of a bright color is at most this: a finite number, and so are sums of it."""

_TINY = 1e-30  # cube roots of less are 0
_FIRST_GUESS = 0x2A512CE3  # the bits of a float over 3, plus this, are those of its cube root within 4 %


def recolored_rows(
    layers: Any,
    ready: Any,
    square: Any,
    roots: Any,
    scale: Any,
    offset: Any,
    power: Any,
    perceptual: Any,
    opacity: Any,
    black: Any,
    fallback: Any,
    floor: float,
    strength: float,
    image: Any,
    out: Any,
) -> None:
    """Adds to rows of an image what the edits of E layers change.

    Args:
        layers: (E, h, W, 4) the layers that are edited, premultiplied.
        ready: (E, h, W, 3) the same edited already, premultiplied; or empty, and they are edited here.
        square: (E, 3, 3) ``to_lms``.
        roots: (E, 3, 4).
        scale: (E, 3, 3) ``from_lms``.
        offset: (E, 3).
        power: (E, 3).
        perceptual: (E,) whether ``square`` and ``roots`` are used.
        opacity: (E,).
        black: (E,) whether black is seen where opacity is lost, else the other layers.
        fallback: (E, 3) straight color that is seen where there are no others.
        floor: what it counts beside them, relative to the image's alpha.
        strength: of all of it.
        image: (h, W, 3 or 4) premultiplied.
        out: the same shape, written.
    """
    room = planes(4 * len(layers) + 4 + 4 + 7, _RUN)
    _recolored_rows(
        layers,
        ready,
        square,
        roots,
        scale,
        offset,
        power,
        perceptual,
        opacity,
        black,
        fallback,
        floor,
        strength,
        image,
        room,
        out,
    )


@compiled
def _recolored_rows(
    layers: Any,
    ready: Any,
    square: Any,
    roots: Any,
    scale: Any,
    offset: Any,
    power: Any,
    perceptual: Any,
    opacity: Any,
    black: Any,
    fallback: Any,
    floor: float,
    strength: float,
    image: Any,
    room: Any,
    out: Any,
) -> None:
    """:func:`recolored_rows`, with scratch memory for a run of pixels."""
    count, height, width, _ = layers.shape
    channels = image.shape[2]
    has_ready = len(ready) > 0
    edited, alphas = room[: 3 * count].reshape(count, 3, _RUN), room[3 * count : 4 * count]
    layer, change = room[4 * count : 4 * count + 4], room[4 * count + 4 : 4 * count + 8]
    work = room[4 * count + 8 :]
    for y in range(height):
        for x0 in range(0, width, _RUN):
            n = min(_RUN, width - x0)
            run = slice(x0, x0 + n)
            change[:] = 0.0
            touched = False
            fills = False
            for e in range(count):
                new = edited[e]
                if not _load(layers[e, y, run], layer, alphas[e]):
                    new[:] = 0.0
                    continue
                touched = True
                if has_ready:
                    _load_ready(ready[e, y, run], new)
                else:
                    _edit(layer, square[e], roots[e], scale[e], offset[e], power[e], perceptual[e], new, work)
                fills = fills or (opacity[e] < 1.0 and not black[e])
                _accumulate(layer, new, np.float32(opacity[e]), change)
            if not touched:
                _keep(image[y, run], out[y, run])
                continue
            if fills:
                _load_image(image[y, run], layer)
                _fill(layer, edited, alphas, opacity, black, fallback, np.float32(floor), change, work)
            _store(image[y, run], change, np.float32(strength), channels, out[y, run])


@compiled
def _load(pixels: Any, layer: Any, alpha: Any) -> bool:
    """Interleaved pixels (n, 4) into planes (4, RUN), 0 beyond them; whether anything is in them."""
    n, bits = len(pixels), pixels.view(np.int32)
    found = np.int32(0)  # of floats a maximum would be found one by one, of bits many at a time
    for x in range(n):
        found |= bits[x, 0] | bits[x, 1] | bits[x, 2] | bits[x, 3]
    if found == 0:
        alpha[:] = 0.0
        return False
    for x in range(n):
        layer[0, x], layer[1, x], layer[2, x], layer[3, x] = pixels[x, 0], pixels[x, 1], pixels[x, 2], pixels[x, 3]
    for c in range(4):
        for x in range(n, _RUN):
            layer[c, x] = 0.0
    own = layer[3]
    for x in range(_RUN):
        alpha[x] = own[x]
    return True


@compiled
def _load_ready(pixels: Any, new: Any) -> None:
    n = len(pixels)
    for x in range(n):
        new[0, x], new[1, x], new[2, x] = pixels[x, 0], pixels[x, 1], pixels[x, 2]
    for c in range(3):
        for x in range(n, _RUN):
            new[c, x] = 0.0


@compiled
def _load_image(pixels: Any, layer: Any) -> None:
    """Interleaved pixels (n, 3 or 4) into planes (4, RUN); alpha is 1 where there is none."""
    n, channels = pixels.shape
    for x in range(n):
        layer[0, x], layer[1, x], layer[2, x] = pixels[x, 0], pixels[x, 1], pixels[x, 2]
    if channels == 4:
        for x in range(n):
            layer[3, x] = pixels[x, 3]
    else:
        layer[3, :] = 1.0
    for c in range(4):
        for x in range(n, _RUN):
            layer[c, x] = 0.0


@compiled
def _edit(
    layer: Any, square: Any, roots: Any, scale: Any, offset: Any, power: Any, perceptual: bool, new: Any, work: Any
) -> None:
    """One layer's edits: planes (4, RUN) → (3, RUN). See :class:`fscs_engine.host.edits.Formula`."""
    source = layer
    if perceptual:
        lms = work[:4]
        for c in range(3):
            _mix3(layer, square[c], lms[c])
            _cube_root(lms[c], work[6])
        constant = roots[0, 3] != 0.0 or roots[1, 3] != 0.0 or roots[2, 3] != 0.0
        own = lms[3]
        for x in range(_RUN):
            own[x] = max(layer[3, x], np.float32(0.0)) if constant else np.float32(0.0)
        if constant:
            _cube_root(own, work[6])
        for c in range(3):
            _cubed_mix4(lms, roots[c], new[c])
        for c in range(3):
            target = work[c]
            for x in range(_RUN):
                target[x] = new[c, x]
        source = work
    for c in range(3):
        _mix3(source, scale[c], new[c])
        if offset[c] != 0.0:
            shift, target = offset[c], new[c]
            for x in range(_RUN):
                target[x] += shift * max(layer[3, x], np.float32(0.0))
        if power[c] != 1.0:
            _raise(new[c], layer[3], power[c])


@compiled
def _mix3(source: Any, row: Any, target: Any) -> None:
    a, b, c = source[0], source[1], source[2]
    r, s, t = row[0], row[1], row[2]
    for x in range(_RUN):
        target[x] = r * a[x] + s * b[x] + t * c[x]


@compiled
def _cubed_mix4(source: Any, row: Any, target: Any) -> None:
    a, b, c, d = source[0], source[1], source[2], source[3]
    r, s, t, u = row[0], row[1], row[2], row[3]
    for x in range(_RUN):
        value = r * a[x] + s * b[x] + t * c[x] + u * d[x]
        target[x] = value * value * value


@compiled
def _cube_root(numbers: Any, room: Any) -> None:
    """∛ with its sign, in place: a guess from the bits, then Halley's method twice, which leaves 1e-7."""
    bits, third = room.view(np.int32), np.float32(1.0 / 3.0)
    for x in range(_RUN):
        room[x] = max(abs(numbers[x]), np.float32(_TINY))
    for x in range(_RUN):
        bits[x] = np.int32(np.float32(bits[x]) * third) + np.int32(_FIRST_GUESS)
    for x in range(_RUN):
        size, root = abs(numbers[x]), room[x]
        for _ in range(2):
            cube = root * root * root
            root = root * (cube + size + size) / (cube + cube + size)
        root = root if size > np.float32(_TINY) else np.float32(0.0)
        numbers[x] = root if numbers[x] > 0 else -root


@compiled
def _raise(numbers: Any, alpha: Any, power: Any) -> None:
    """Straight values to a power, their sign kept, in place."""
    for x in range(_RUN):
        divisor = alpha[x] if alpha[x] > 0 else np.float32(1.0)
        straight = numbers[x] / divisor
        raised = min(abs(straight) ** power, _LARGEST) * divisor
        numbers[x] = raised if straight > 0 else -raised


@compiled
def _accumulate(layer: Any, new: Any, opacity: Any, change: Any) -> None:
    for c in range(3):
        before, after, target = layer[c], new[c], change[c]
        for x in range(_RUN):
            target[x] += opacity * after[x] - before[x]
    lost = np.float32(1.0) - opacity
    if lost > 0:
        for x in range(_RUN):
            change[3, x] -= lost * layer[3, x]


@compiled
def _fill(
    image: Any,
    edited: Any,
    alphas: Any,
    opacity: Any,
    black: Any,
    fallback: Any,
    floor: Any,
    change: Any,
    work: Any,
) -> None:
    """Shows the other layers where some have lost opacity."""
    zero, one = np.float32(0.0), np.float32(1.0)
    for c in range(3):
        whole, before, moved = work[c], image[c], change[c]
        for x in range(_RUN):
            whole[x] = before[x] + moved[x]
    for e in range(len(edited)):
        if opacity[e] >= 1.0 or black[e]:
            continue
        kept, alpha = np.float32(opacity[e]), alphas[e]
        for c in range(3):
            own, whole, target, color = edited[e, c], work[c], change[c], fallback[e, c]
            for x in range(_RUN):
                lost = (one - kept) * max(alpha[x], zero)
                others = max(image[3, x] + change[3, x] - kept * alpha[x], zero)
                least = floor * max(image[3, x], zero)
                weight = others + least
                seen = (whole[x] - kept * own[x] + least * color) / (weight if weight > zero else one)
                target[x] += lost * seen if lost > zero else zero


@compiled
def _keep(image: Any, out: Any) -> None:
    for x in range(len(image)):
        for c in range(image.shape[1]):
            out[x, c] = image[x, c]


@compiled
def _store(image: Any, change: Any, strength: Any, channels: int, out: Any) -> None:
    red, green, blue = change[0], change[1], change[2]
    for x in range(len(image)):
        r, g, b = strength * red[x], strength * green[x], strength * blue[x]
        # Adding 0 would make 0 of -0.
        out[x, 0] = image[x, 0] + r if r != 0 else image[x, 0]
        out[x, 1] = image[x, 1] + g if g != 0 else image[x, 1]
        out[x, 2] = image[x, 2] + b if b != 0 else image[x, 2]
    if channels == 4:
        for x in range(len(image)):
            out[x, 3] = image[x, 3]
