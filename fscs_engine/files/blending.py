"""Soft layers for programs that lay one layer over the other: how to paint them so that the picture comes out.

Soft layers add up; under ordinary blending they do not. With w_i the alpha of layer i (the plate's alpha included), A
their sum and layer 1 at the bottom, a document is painted in one of two ways:

- ``over``: Normal mode. A layer that lets the layers below it through by 1 − β_i is seen in the end with weight
  β_i · Π_{j>i} (1 − β_j). That is w_i for all of them just when β_i = w_i / (1 − Σ_{j>i} w_j), which is
  w_i / (1 − A + Σ_{j≤i} w_j); for an opaque picture w_i / Σ_{j≤i} w_j. Then all layers together cover A, and the
  premultiplied composite is Σ w_i · u_i. The colors u_i stay as they are.
- ``add``: Linear Dodge. Opaque layers of the colors (w_i / A) · u_i over opaque black add up to the picture's
  straight color. A, where it is not 1 everywhere, has to come from something else: in PSD from the black layer, to
  which the others are clipped, in OpenRaster from one more layer on top, which only masks.

Both hold in the values as they are stored, sRGB-encoded, which is where those programs blend.

Every color and every alpha is rounded once, by at most half a level, δ. Over: with the composite of the layers below
off by E, that of one more layer is off by at most β·δ + δ + (1 − β)·E, the first layer of an opaque picture by δ, of
any other by 2·δ. Add: by δ a layer, and by δ for the alpha. Either way K layers are off by at most (K + 1)·δ, in any
order: 1.2e-4 for 16 layers of 16 bits, 0.016 for 7 layers of 8 bits.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, RangeError, UsageError
from ..palette.palette import Palette
from .strips import TOLERANCE, Bits, levels, straight_layer

Blend = Literal["over", "add"]

BLENDS: tuple[Blend, ...] = ("over", "add")

OPAQUE = 1 - 2.0**-18
"""Where the alphas add up to this or more they mean 1: less is missing than half a level of 16 bits."""


@dataclass(frozen=True, eq=False)
class PaintedRows:
    """Some rows of a document, in whole levels (uint8 or uint16).

    Attributes:
        layers: (K, h, W, 4) straight, bottom layer first, as the blend needs them.
        picture: (h, W, 4) float32, premultiplied, sRGB, in [0, 1]: what they have to give.
    """

    layers: NDArray[Any]
    picture: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class StackedLayer:
    """A layer of a document that was read: straight pixels (H, W, 4) in [0, 1], and how they meet those below.

    ``normal`` and ``add`` are the blend modes of that name, with source-over coverage; ``plus`` adds premultiplied
    values and alphas (Porter-Duff's Lighter); ``mask`` only multiplies what is below by its alpha.
    """

    pixels: NDArray[np.float64]
    mode: Literal["normal", "add", "plus", "mask"] = "normal"


def check_options(blend: str, bits: int) -> None:
    """Raises UsageError for a blend or a depth that there is not."""
    if blend not in BLENDS:
        raise UsageError(f"blend {blend!r} is not known", cure=f"use {' or '.join(BLENDS)}")
    if bits not in (8, 16):
        raise UsageError(f"{bits} bits can't be written", cure="use 8 or 16")


def layer_titles(palette: Palette) -> list[str]:
    """What the layers are called, layer 1 first: the artist's names, or the colors in hex. Printable characters."""
    names = ("".join(c for c in color.name if c.isprintable()).strip() for color in palette)
    return [name or color.hex for name, color in zip(names, palette, strict=True)]


def painted_rows(
    layers: NDArray[np.float32],
    palette_rgb: NDArray[np.float32],
    *,
    blend: Blend,
    bits: Bits,
    clip: bool,
    path: Path,
    top: int,
) -> PaintedRows:
    """Paints rows of a document; see the module.

    Args:
        layers: (K, h, W, 4) float32, premultiplied, sRGB.
        palette_rgb: (K, 3) sRGB; the color of a layer where its alpha is 0.
        blend: "over" or "add".
        bits: 8 or 16.
        clip: clamp what lies outside [0, 1], and alphas that add up to more than 1, instead of raising.
        path: the file, for the message.
        top: the first row, for the message.

    Raises:
        RangeError: a value does not fit and clipping was not asked for.
    """
    straight = np.stack(
        [
            straight_layer(layer, color, path=path, name=f"layer {n}", top=top, kind="a document", clip=clip)
            for n, (layer, color) in enumerate(zip(layers, palette_rgb, strict=True), 1)
        ]
    )
    colors, weights = straight[..., :3], straight[..., 3]
    total = weights.sum(axis=0)
    too_much = total > 1 + len(weights) * TOLERANCE
    if too_much.any() and not clip:
        y, x = np.argwhere(too_much)[0]
        raise RangeError(
            f"{path}: the alphas add up to {total[y, x]:g} at x={x} y={top + y}; a document holds 0 to 1",
            cure="write EXR or pass --clip",
        )
    weights = weights / np.maximum(total, 1)
    total = np.where(total >= OPAQUE, np.float32(1), total)
    picture = np.empty((*total.shape, 4), np.float32)
    picture[..., :3] = np.clip((colors * weights[..., None]).sum(axis=0), 0, 1)
    picture[..., 3] = total
    if blend == "over":
        painted = np.concatenate([colors, over_alphas(weights, total)[..., None]], axis=-1)
    else:
        shares = np.divide(weights, total, out=np.zeros_like(weights), where=total > 0)
        painted = np.ones_like(straight)
        painted[..., :3] = colors * shares[..., None]
    return PaintedRows(levels(painted, bits), picture)


def over_alphas(weights: NDArray[np.float32], total: NDArray[np.float32]) -> NDArray[np.float32]:
    """β of layers (K, …) in Normal mode, bottom first, from their weights and the picture's alpha, which is their sum.

    The bottom layer is opaque wherever the picture is, so that nothing shines through a document that was moved or
    scaled. A layer that is not seen has 0.

    >>> over_alphas(np.array([0.25, 0.25, 0.5], np.float32), np.float32(1)).tolist()
    [1.0, 0.5, 0.5]
    """
    # Counted up from the bottom: counted down from the top, the last differences would be mostly rounding.
    covered = (1 - total) + np.cumsum(weights, axis=0, dtype=np.float32)
    alphas = np.divide(weights, covered, out=np.zeros_like(weights), where=covered > 0)
    alphas[0] = np.where(total == 1, 1, alphas[0])
    return np.clip(alphas, 0, 1, out=alphas)


def composite(stack: Sequence[StackedLayer]) -> NDArray[np.float64]:
    """Blends layers, bottom first, on nothing, by the formulas of W3C's Compositing and Blending.

    It knows nothing of how the layers were made.

    Returns:
        (H, W, 4) float64, premultiplied.
    """
    height, width, _ = stack[0].pixels.shape
    result = np.zeros((height, width, 4))
    for layer in stack:
        source, alpha = layer.pixels[..., :3], layer.pixels[..., 3:]
        if layer.mode == "mask":
            result = result * alpha
        elif layer.mode == "plus":
            result = np.minimum(result + np.concatenate([source * alpha, alpha], axis=-1), 1)
        else:
            backdrop = result[..., 3:]
            color = source
            if layer.mode == "add":
                below = np.divide(result[..., :3], backdrop, out=np.zeros_like(source), where=backdrop > 0)
                color = (1 - backdrop) * source + backdrop * np.minimum(below + source, 1)
            result = np.concatenate([alpha * color, alpha], axis=-1) + (1 - alpha) * result
    return result


def largest_error(found: NDArray[np.floating], image_pixels: NDArray[np.floating], path: str | Path) -> float:
    """The largest difference in any channel of two premultiplied pictures; a missing alpha is 1.

    Raises:
        InputError: they differ in size.
    """
    if found.shape[:2] != image_pixels.shape[:2]:
        raise InputError(
            f"{path}: is {found.shape[1]} x {found.shape[0]}, the image {image_pixels.shape[1]} x "
            f"{image_pixels.shape[0]}",
            cure="compare it with the image it was made from",
        )
    channels = image_pixels.shape[2]
    error = float(np.abs(found[..., :channels] - image_pixels).max())
    return error if channels == 4 else max(error, float(np.abs(found[..., 3] - 1).max()))


def json_texts(text: str) -> dict[str, str]:
    """The texts of a JSON object, by name; {} for what is none, such as a photographer's own description."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return {name: value for name, value in found.items() if isinstance(value, str)} if isinstance(found, dict) else {}
