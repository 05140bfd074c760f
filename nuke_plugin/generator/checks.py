"""The comparisons of a cached file with the knobs, as the nodes inside make them."""

from __future__ import annotations

from fscs_engine.host import sums
from fscs_engine.host.key import CACHE_FORMAT, RESULT_PARAMETERS
from fscs_engine.host.naming import METADATA_PREFIX
from fscs_engine.host.parameters import BY_NAME

from .node import LAYER_CONTROLS, layer_numbers

IN_RANGE = "frame>=parent.first_frame&&frame<=parent.last_frame"


def checks() -> list[tuple[str, str, str]]:
    """The comparisons of a cached file with the knobs: name, expression, message."""
    palette = [_same_sum(which + 1, _palette_sum(which)) for which in (0, 1)]
    values = [f"log(parent.{name})" if name in sums.LOGARITHMIC else f"parent.{name}" for name in RESULT_PARAMETERS]
    weights = [sums.parameter_weight(name) for name in RESULT_PARAMETERS]
    settings = _same_sum(3, "+".join(f"{weight:g}*{value}" for weight, value in zip(weights, values)))
    layers = _same_sum(4, "+".join(_layer_sum(n) for n in layer_numbers()))
    masked = "[string equal [metadata exr/softcolor:mask] [concat [value parent.mask_mode] [value parent.mask_layers]]]"
    unmasked = "[string equal [metadata exr/softcolor:mask] {}]"
    again = "Press Render on the Cache tab, or reset the knob"
    sides = [f"Cache.{side}==img.{side}" for side in ("width", "height")]
    same_format = "&&".join([*sides, "abs(Cache.pixel_aspect-img.pixel_aspect)<0.0001"])
    return [
        (
            "CheckRange",
            IN_RANGE,
            "This frame is outside First Frame and Last Frame on the Cache tab. Change them and press Render.",
        ),
        (
            "CheckFile",
            f"{_sum(5)}=={CACHE_FORMAT}",
            "The cache file holds no layers of this version. Choose one that Render or 'fscs segment' wrote.",
        ),
        (
            "CheckFormat",
            f"root.proxy||({same_format})",
            "The image has another format than the cached layers. Reset it, or press Render on the Cache tab.",
        ),
        (
            "CheckCount",
            f"{_sum(0)}==parent.colors",
            f"The cached layers have another number of colors than the node. {again} (Colors).",
        ),
        (
            "CheckSpace",
            "[string equal [metadata exr/softcolor:working_space] [value parent.working_space]]"
            "&&[string equal [metadata exr/softcolor:model] [value parent.model]]",
            f"The working space or the model differs from the cached layers. {again}.",
        ),
        ("CheckPalette", "&&".join(palette), f"The palette changed since the layers were rendered. {again}."),
        (
            "CheckSettings",
            settings,
            f"Smoothing or minimum alpha changed since the layers were rendered. {again}.",
        ),
        (
            "CheckLayers",
            layers,
            f"A layer's {LAYER_CONTROLS} changed since the layers were rendered. {again}.",
        ),
        (
            "CheckMask",
            f"parent.use_mask?{masked}:{unmasked}",
            f"The mask's settings changed since the layers were rendered. {again}.",
        ),
    ]


def _sum(index: int) -> str:
    """Tcl: a number that stands in a file for its settings. Without variables: several threads share Nuke's."""
    return f"[lindex [concat [metadata exr/{METADATA_PREFIX}{sums.SUMS}] -99 -99 -99 -99 -99 -99] {index}]"


def _same_sum(index: int, own: str) -> str:
    return f"abs({_sum(index)}-({own}))<{sums.TOLERANCES[index - 1]:.5f}"


def _palette_sum(which: int) -> str:
    colors = []
    for n in layer_numbers():
        channels = (f"{sums.palette_weight(which, n, i):g}*parent.p{n}{letter}" for i, letter in enumerate("rgb"))
        colors.append(f"(parent.colors>={n})*({'+'.join(channels)})")
    return "+".join(colors)


def _layer_sum(n: int) -> str:
    terms = []
    for name in sums.LAYER_PARAMETERS:
        rest = float(BY_NAME[name].default)
        own = f"parent.{name}{n}"
        terms.append(f"{sums.layer_weight(name, n):g}*{f'({own}-{rest:g})' if rest else own}")
    return f"(parent.colors>={n})*({'+'.join(terms)})"
