"""How layers and metadata are named in files and hosts.

The names hold only letters and digits and start with a letter, so Nuke's EXR reader leaves them as they are.
"""

from __future__ import annotations

from collections.abc import Sequence

LAYER_PREFIX = "softcolor"
METADATA_PREFIX = "softcolor:"
COMPRESSIONS = ("zip", "zips", "rle", "piz", "none", "dwaa")
"""Of layered EXR files by OpenEXR's names, the default first. All but dwaa give back every bit."""

CHANNELS = ("R", "G", "B", "A")


def layer_name(number: int) -> str:
    """The name of a layer, counted from 1: ``layer_name(3) == "softcolor3"``."""
    return f"{LAYER_PREFIX}{number}"


def layer_channels(layers: int) -> list[str]:
    """The channel names of all layers: ``softcolor1.R``, ``.G``, ``.B``, ``.A``, ``softcolor2.R``, and so on."""
    return [f"{layer_name(n)}.{channel}" for n in range(1, layers + 1) for channel in CHANNELS]


def mask_text(masks: Sequence[tuple[str, Sequence[int]]]) -> str:
    """The metadata ``mask``: mode and layers of each mask in the order in which they are applied.

    >>> mask_text([("limit", (1, 3)), ("split", (2, 5))])
    'limit 1 3, split 2 5'
    """
    return ", ".join(" ".join([mode, *(str(layer) for layer in layers)]) for mode, layers in masks)
