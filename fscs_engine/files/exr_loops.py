"""Rows for an EXR as loops that numba compiles: the order of bytes that ZIP packs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..runtime.compiling import inner, loop


def zip_steps(pixels: NDArray[Any], order: NDArray[np.int64], scratch: NDArray[np.uint16], steps: NDArray[Any]) -> None:
    """What ZIP packs of a block.

    The numbers stand row by row, in it channel by channel. As 16-bit words, all their low bytes come first and then all
    high ones, each as the difference from the byte before.

    Args:
        pixels: (h, W, C) float32 or float16, in C order.
        order: (C,) the channels as the file has them.
        scratch: (words,) whatever is in it.
        steps: (2 words,) uint8, written.
    """
    if pixels.dtype == np.float32:
        _float_steps(pixels, order, scratch, steps)
    else:
        _word_steps(pixels.view(np.uint16), order, scratch.view(np.uint8), steps)


@loop("in3 order out1w out1b")
def _float_steps(pixels: Any, order: Any, scratch: Any, steps: Any) -> None:
    width, half = pixels.shape[1], len(scratch) // 2
    at = 0
    for y in range(len(pixels)):
        row = pixels[y]
        for p in range(len(order)):
            channel, low, high = order[p], scratch[at : at + width], scratch[half + at : half + at + width]
            for x in range(width):  # the low bytes of two words are one word of the scratch memory
                bits = np.float32(row[x, channel]).view(np.uint32)
                low[x] = np.uint16((bits & np.uint32(0xFF)) | ((bits >> np.uint32(8)) & np.uint32(0xFF00)))
                high[x] = np.uint16(
                    ((bits >> np.uint32(8)) & np.uint32(0xFF)) | ((bits >> np.uint32(16)) & np.uint32(0xFF00))
                )
            at += width
    _differences(scratch.view(np.uint8), steps)


@loop("in3w order out1b out1b")
def _word_steps(pixels: Any, order: Any, scratch: Any, steps: Any) -> None:
    width, half = pixels.shape[1], len(scratch) // 2
    at = 0
    for y in range(len(pixels)):
        row = pixels[y]
        for p in range(len(order)):
            channel, low, high = order[p], scratch[at : at + width], scratch[half + at : half + at + width]
            for x in range(width):
                word = row[x, channel]
                low[x], high[x] = np.uint8(word & np.uint16(0xFF)), np.uint8(word >> np.uint16(8))
            at += width
    _differences(scratch, steps)


@inner
def _differences(values: Any, steps: Any) -> None:
    steps[0] = values[0]
    for k in range(1, len(values)):
        steps[k] = np.uint8(values[k] - values[k - 1] + np.uint8(128))
