"""What the nodes inside the node say of the layers' names: only channels of layers that there are are named anywhere.

Pure text: the generator of the gizmo writes it, and :mod:`.layer_names` sets it anew where the colors or names change.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Callable

CHANNELS = ("red", "green", "blue", "alpha")

FOREIGN = ("channels", "channels2", "channels3", "channels4")
"""The knobs of a Remove that take one layer each."""

Texts = dict[str, dict[str, str]]
"""By node, then by knob. Several words are a list of channels, but for the knobs ``expr0`` to ``expr3``."""


def channels_of(layer: str) -> list[str]:
    """The channels of a layer.

    >>> channels_of("softcolor1")[0]
    'softcolor1.red'
    """
    return [f"{layer}.{channel}" for channel in CHANNELS]


def texts(names: Sequence[str], foreign: Sequence[str], columns: int, in_file: Callable[[int], str]) -> Texts:
    """The knobs that name layers, for as many layers as there are.

    Args:
        names: of the layers in the stream.
        foreign: those of layers that are taken out of the image first, in the order of layers.
        columns: how many layers the node has places for.
        in_file: the name of a layer in a cached file, by its number from 1.
    """
    own = [channels_of(name) for name in names]
    found: Texts = {}
    for n in range(1, columns + 1):
        here = own[n - 1] if n <= len(own) else []
        there = channels_of(in_file(n)) if here else []
        places = range(len(CHANNELS))
        found[f"Layer{n}"] = {
            **{f"from{i}": there[i] if there else "none" for i in places},
            **{f"to{i}": here[i] if here else "none" for i in places},
        }
        found[f"LiveLayer{n}"] = {f"to{i}": here[i] if here else "none" for i in places}
        found[f"Straight{n}"] = {
            "channels": " ".join(here[:3]) or "none",
            "alpha": here[3] if here else "none",
        }
        found[f"Sheet{n}"] = {f"expr{i}": here[3] if here else "0" for i in range(3)}
    taken = [*foreign, *(["none"] * (columns - len(foreign)))]
    for n in range(columns):
        found.setdefault(f"Foreign{n - n % 4 + 1}", {})[FOREIGN[n % 4]] = taken[n]
    if not own:
        return found
    sums = ["+".join(channels[i] for channels in own) for i in range(4)]
    found["Recomposition"] = {f"expr{i}": text for i, text in enumerate(sums)}
    found["Error"] = {f"expr{i}": f"abs({sums[i]}-{'rgb'[i]})*parent.error_gain" for i in range(3)}
    found["OneLayer"] = {
        f"expr{i}": "".join(f"parent.view_layer=={n}?{channels[i]}:" for n, channels in enumerate(own, 1)) + "0"
        for i in range(4)
    }
    chosen = "[value parent.matte_layers]"
    alphas = [f"([lsearch -exact {chosen} {n}]>=0)*{channels[3]}" for n, channels in enumerate(own, 1)]
    found["Matte"] = {"expr3": "+".join(alphas)}
    return found
