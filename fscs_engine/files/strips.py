"""What every writer of layers does with rows: takes them from top to bottom, makes them straight and whole levels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..errors import OutputError, RangeError

Bits = Literal[8, 16]

ROWS = 64
"""Rows that are packed at once. Fixed, so that the bytes don't depend on how the rows were cut into strips; a multiple
of the 16 that ZIP packs together in EXR, so that every core has some."""

TOLERANCE = 1e-6
"""How far outside of its range a premultiplied color or an alpha may lie by rounding alone.

Layers are rounded where they add up, so a straight color may lie this far outside [0, 1] divided by its alpha. Brought
back, the sum of the layers changes by this much at most, and half a level of 16 bits is seven times as much."""


class Strips:
    """How far a picture has come that is written strip by strip.

    Args:
        layers: K.
        height: rows of the picture.
        width: its columns.

    Attributes:
        done: rows that were written.
    """

    def __init__(self, layers: int, height: int, width: int) -> None:
        self._layers, self._height, self._width = layers, height, width
        self.done = 0

    @property
    def whole(self) -> bool:
        """Whether all rows are there."""
        return self.done == self._height

    def blocks(self, top: int, layers: NDArray[np.float32]) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Takes the next rows in parts of at most :data:`ROWS`, each with the row it begins with.

        Raises:
            ValueError: see :meth:`check`.
        """
        self.check(top, layers)
        for start in range(0, layers.shape[1], ROWS):
            rows = layers[:, start : start + ROWS]
            yield self.done, rows
            self.done += rows.shape[1]

    def check(self, top: int, layers: NDArray[np.float32]) -> None:
        """Raises ValueError unless ``layers``, from row ``top``, are the next rows of the picture."""
        expected = (self._layers, layers.shape[1], self._width, 4)
        if top != self.done or layers.shape != expected or top + layers.shape[1] > self._height:
            raise ValueError(f"strip {layers.shape} at row {top}, expected {expected} at row {self.done}")

    def check_whole(self) -> None:
        """Raises ValueError unless all rows are there."""
        if not self.whole:
            raise ValueError(f"{self.done} of {self._height} rows were written")


class Blocks:
    """Hands rows on in blocks of :data:`ROWS`, however many come at once.

    Args:
        shape: of a row.
        kind: of its numbers.
        hand_on: takes (h, *shape), which is valid until it returns.
    """

    def __init__(self, shape: tuple[int, ...], kind: DTypeLike, hand_on: Callable[[NDArray[Any]], None]) -> None:
        self._rows: NDArray[Any] = np.zeros((ROWS, *shape), kind)
        self._filled, self._hand_on = 0, hand_on

    def put(self, rows: NDArray[Any]) -> None:
        """Takes the next rows."""
        while len(rows):
            count = min(ROWS - self._filled, len(rows))
            self._rows[self._filled : self._filled + count] = rows[:count]
            self._filled += count
            rows = rows[count:]
            if self._filled == ROWS:
                self.end()

    def end(self) -> None:
        """Hands on what is left."""
        filled, self._filled = self._filled, 0
        if filled:
            self._hand_on(self._rows[:filled])


def straight_layer(
    layer: NDArray[np.float32],
    color: NDArray[Any],
    *,
    path: Path,
    name: str,
    top: int = 0,
    kind: str = "PNG",
    clip: bool = False,
) -> NDArray[np.float32]:
    """A layer for a file of straight colors.

    Args:
        layer: (h, W, 4) float32, premultiplied, in sRGB.
        color: (3,) what stands where the alpha is 0, in [0, 1].
        path: the file, for messages.
        name: the layer's, for messages: "layer 1".
        top: the picture's row that ``layer`` begins with, for messages.
        kind: of file, for messages.
        clip: clamp what lies outside [0, 1] instead of raising.

    Returns:
        (h, W, 4) float32, straight, in [0, 1].

    Raises:
        RangeError: a straight color or an alpha lies outside [0, 1].
    """
    alpha = layer[..., 3:]
    seen = alpha > 0
    straight = np.empty_like(layer)
    np.divide(layer[..., :3], alpha, out=straight[..., :3], where=seen)
    straight[..., 3:] = alpha
    if not clip:
        # A glow without alpha has no straight color at all.
        most = np.where(seen, alpha, np.float32(0))
        outside = np.empty(layer.shape, np.bool_)
        outside[..., :3] = ~((layer[..., :3] >= -TOLERANCE) & (layer[..., :3] <= most + TOLERANCE))
        outside[..., 3:] = ~((alpha >= -TOLERANCE) & (alpha <= 1 + TOLERANCE))
        if outside.any():
            y, x, channel = np.argwhere(outside)[0]
            given = straight if seen[y, x, 0] else layer
            why = "" if seen[y, x, 0] or channel == 3 else " where the alpha is 0"
            raise RangeError(
                f"{path}: {'RGBA'[channel]} of {name} is "
                f"{given[y, x, channel]:g}{why} at x={x} y={top + y}; {kind} holds 0 to 1",
                cure="write EXR or pass --clip",
            )
    straight[..., :3] = np.where(seen, straight[..., :3], color)
    return np.clip(straight, 0.0, 1.0, out=straight)


def levels(values: NDArray[np.floating], bits: Bits) -> NDArray[Any]:
    """[0, 1] → whole levels, uint8 or uint16."""
    return np.rint(values * np.float32(2**bits - 1)).astype(np.uint16 if bits == 16 else np.uint8)


def failed(path: str | Path, reason: str) -> OutputError:
    """The error of a file that could not be written."""
    reason = " ".join(reason.split()) or "the writing stopped"
    return OutputError(f"{path}: can't be written ({reason})", cure="check the disk space and the permissions")
