"""A few numbers in a file that stand for its palette and parameters, so that a host's expressions can compare them.

Each number is a weighted sum with a weight of its own for every value, between 0.5 and 1.5. An expression over knobs
gives the same sum, and two settings that differ hardly ever have the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from .key import CACHE_FORMAT, RESULT_PARAMETERS, canonical_number
from .parameters import BY_NAME, MAXIMUM_COLORS

SUMS = "sums"
"""The name of the metadata: how many colors, two sums of the palette, one of the parameters with one value, one of the
per-layer ones, and ``CACHE_FORMAT``."""

LAYER_PARAMETERS = tuple(name for name, parameter in BY_NAME.items() if parameter.per_layer)

LOGARITHMIC = ("smoothing_eps",)
"""Parameters whose natural logarithm counts: they go over decades."""

TOLERANCES = (2e-5, 2e-5, 1e-4, 1e-4)
"""What the sums of a file and of knobs may differ by: knobs and files are rounded."""


def weight(index: int) -> float:
    """A number between 0.5 and 1.5, with 6 digits after the point."""
    return round(0.5 + index * 0.6180339887498949 % 1.0, 6)


def palette_weight(which: int, layer: int, channel: int) -> float:
    """Of a channel (0 to 2) of a color (from 1) in one of the two sums (0 or 1)."""
    return weight(100 * which + 3 * layer + channel)


def parameter_weight(name: str) -> float:
    """Of a parameter with one value."""
    return weight(200 + RESULT_PARAMETERS.index(name))


def layer_weight(name: str, layer: int) -> float:
    """Of a per-layer parameter's difference from its default."""
    return weight(300 + MAXIMUM_COLORS * LAYER_PARAMETERS.index(name) + layer)


def sums_text(palette: Sequence[Sequence[float]], parameters: Mapping[str, Any]) -> str:
    """The metadata.

    Args:
        palette: (K, 3) sRGB.
        parameters: from :func:`.key.result_parameters`.
    """
    channels = [
        (layer, channel, float(canonical_number(value)))
        for layer, color in enumerate(palette, 1)
        for channel, value in enumerate(color)
    ]
    found = [
        math.fsum(palette_weight(which, layer, channel) * value for layer, channel, value in channels)
        for which in (0, 1)
    ]
    values = {name: float(parameters[name]) for name in RESULT_PARAMETERS}
    values.update({name: math.log(values[name]) for name in LOGARITHMIC})
    found.append(math.fsum(parameter_weight(name) * value for name, value in values.items()))
    found.append(
        math.fsum(
            layer_weight(name, int(layer)) * (float(value) - float(BY_NAME[name].default))
            for name in LAYER_PARAMETERS
            for layer, value in parameters.get(name, {}).items()
        )
    )
    return " ".join([str(len(palette)), *(format(one + 0.0, ".9f") for one in found), str(CACHE_FORMAT)])
