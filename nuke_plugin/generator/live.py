"""The nodes of mode Live.

**What the exported model must look like.** Two Inference nodes hold the same model. Each takes R, G, B and A
in this order, premultiplied in the working space, and gives the 16 channels of ``LIVE_OUTPUT``: four layers, R, G, B
and A of each, premultiplied, in the working space, as (1, 16, H, W). The model's attributes are floats, and the node
links all of them:

==========================  =====================================================================================
``p1r p1g p1b`` … ``p8b``   the palette, sRGB from 0 to 1; those after ``colors`` are not used
``colors``                  K, 1 to 8
``first``                   the first of the four layers that come out: 1, or 5. Layers after K are 0
``space``                   the working space: 0 lin_rec709, 1 acescg, 2 srgb
``softness`` ``smoothing``  ``smoothing_eps``, ``smoothing_strength``, ``minimum_alpha``: as in the table
==========================  =====================================================================================
"""

from __future__ import annotations

from fscs_engine.host.parameters import BY_NAME, LIVE_COLORS

from .node import LAYER_CONTROLS, NAME, PER_LAYER
from .script import Script, expression, number, quoted

CAT = NAME + ".cat"

LIVE_GROUP = 4
LIVE_OUTPUT = (
    *("rgba.red", "rgba.green", "rgba.blue", "rgba.alpha"),
    *("forward.u", "forward.v", "backward.u", "backward.v"),
    *("disparityL.x", "disparityL.y", "disparityR.x", "disparityR.y"),
    *("deep.front", "deep.back", "depth.Z", "mask.a"),
)
"""Inference nodes take these and few other names; no layer of the node's own is among them."""

LIVE_SCALARS = ("softness", "smoothing", "smoothing_eps", "smoothing_strength", "minimum_alpha")


def live_nodes() -> str:
    """The nodes of mode Live, as they are pasted into a node. The layers get their names afterwards."""
    script = Script()
    plate = script.node("Dot", "LiveImage", at=(6, 2))
    neutral = [
        f"parent.{name}{n}=={number(float(BY_NAME[name].default))}"
        for n in range(1, LIVE_COLORS + 1)
        for name in PER_LAYER
    ]
    limits = [
        (
            "LiveColors",
            f"parent.colors>=1&&parent.colors<={LIVE_COLORS}",
            f"Live has at most {LIVE_COLORS} colors. Choose fewer, or mode Cached.",
        ),
        (
            "LiveLayers",
            "&&".join(["parent.use_mask==0", "parent.temporal==0", *neutral]),
            f"Live has no masks, no temporal smoothing and no {LAYER_CONTROLS} of layers. Reset them, or use Cached.",
        ),
        (
            "LiveModel",
            "[string equal [value parent.model] any-palette]",
            "Live has only the model any-palette. Choose it, or use Cached.",
        ),
    ]
    checked = plate
    for row, (name, condition, message) in enumerate(limits):
        knobs = [("expression", expression(condition)), ("message", quoted(message))]
        checked = script.node("Assert", name, [checked], knobs, at=(7, row + 1))
    # An image without alpha is opaque; Inference would see 0.
    opaque = [("channels", "rgba"), ("color", "{0 0 0 1}")]
    checked = script.node("AddChannels", "LiveAlpha", [checked], opaque, at=(7, 5))
    checked = script.node("Remove", "LiveInput", [checked], [("operation", "keep"), ("channels", "rgba")], at=(7, 6))
    chain = plate
    ends = []
    for first in range(1, LIVE_COLORS + 1, LIVE_GROUP):
        links = [f"p{n}{letter}" for n in range(1, LIVE_COLORS + 1) for letter in "rgb"]
        links += ["colors", *LIVE_SCALARS]
        values = [f"{link}:{{parent.{link}}}" for link in links] + ["space:{parent.working_space}", f"first:{first}"]
        knobs = [
            ("modelFile", quoted(f"[lsearch -inline [plugins -all {CAT}] *.cat]")),
            ("serialiseKnob", "{" + ";".join(values) + ";}"),
        ]
        found = script.node("Inference", f"Live{first}", [checked], knobs, at=(7 + first // LIVE_GROUP, 8))
        for n in range(first, first + LIVE_GROUP):
            taken = LIVE_OUTPUT[4 * (n - first) : 4 * (n - first) + 4]
            places = [(f"from{index}", channel) for index, channel in enumerate(taken)]
            knobs = [*places, *((f"to{index}", "none") for index in range(4))]
            chain = script.node("Copy", f"LiveLayer{n}", [chain, found], knobs, at=(6, 9 + n))
            ends.append(chain)
    which = [("which", expression(f"min(parent.colors,{LIVE_COLORS})-1"))]
    script.node("Switch", "LiveLayers_", ends, which, at=(6, 26))
    return "\n".join(["# Made by nuke_plugin/generate_gizmo.py; changes belong there.", *script.lines, ""])
