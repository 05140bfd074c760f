"""Recoloring inside the node: the edits of layers as Expression nodes, which travel with the node without the plug-in.

The formula is :class:`.fscs.edits.Formula`, with its numbers written into the nodes. Where edits have keyframes, the
numbers that change are curves with a key for each frame of the node's range, on the node :data:`CURVES` inside.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Optional

import nuke

from . import inside, layer_names, settings
from .fscs.edits import (
    EDIT_PARAMETERS,
    IDENTITY,
    OTHERS_FLOOR,
    Formula,
    LayerEdit,
    Look,
    encoded,
    formula,
    seen_instead,
)
from .fscs.parameters import MAXIMUM_COLORS, Parameter
from .fscs.protocol import WorkerError
from .working_space import FROM_ACESCG, TO_ACESCG, from_srgb, to_srgb

OF_LAYER = tuple(parameter for parameter in EDIT_PARAMETERS if parameter.per_layer)
WHOLE = tuple(parameter.name for parameter in EDIT_PARAMETERS if not parameter.per_layer)
NEW_COLOR = "new_color"
"""The knob of a layer's new color; that of ``color`` says whether it counts."""

NAMES = (*(parameter.name for parameter in OF_LAYER), NEW_COLOR)


def knob_name(name: str, layer: int) -> str:
    """The knob of an edit of a layer.

    >>> knob_name("hue", 3)
    'edit_hue3'
    """
    return f"edit_{name}{layer}"


KNOBS = frozenset({*WHOLE, *(knob_name(name, n) for name in NAMES for n in range(1, MAXIMUM_COLORS + 1))})
"""Those of the tab that change the picture."""

_NEXT_TO_REST: dict[str, Any] = {
    "hue": 1e-6,
    "saturation": 1 + 1e-6,
    "uniformity": 1e-6,
    "contrast": 1 + 1e-6,
    "opacity": 1 - 1e-6,
    "lift": (1e-8,) * 3,
    "gamma": (1 + 1e-6,) * 3,
    "strength": 1e-6,
}
"""What an edit with keyframes is where it is at rest, so that the same nodes serve all frames."""

START = (0.5, 0.5, 0.5)
"""Of a new color that was never set."""

LARGEST = 1e30
"""What a power of a bright color is at most, as in the engine."""

BEGIN, END, STREAM = "RecolorAlpha", "RecolorMix", "Mode"
"""The first and the last of the nodes, and the node whose layers they take."""

CURVES = "RecolorCurves"
"""The node with the numbers that change over the frames."""

MADE_OF = "made_of"
"""Its knob with the values of the edits that the numbers were made of: nothing is called when an expression's source
changes."""

RANGE = "frames"
"""What stands in front of the first and the last frame there."""

LAYER_PARTS = ("There", "Linear", "Roots", "Cubes", "Light", "Coded")
"""What the nodes that edit a layer are called, after the layer."""

# The curve of sRGB as OpenColorIO has it: the straight part meets the other without a corner.
_BREAK = 0.055 / 1.4
_SLOPE = (0.055 * 2.4 / (1.4 * 1.055)) ** 2.4 / _BREAK

THERE = "mask.a"
"""Where the layers are coded by a curve: 1 in the side branch where a layer has anything, as its straight alpha."""

Knobs = dict[str, str]
Step = tuple[str, str, Knobs]
"""A node: its class, its name, its knobs."""


def number(value: float) -> str:
    """A number in an expression, without an exponent."""
    text = f"{value:.9f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


# The edits in the knobs


def look_of(node: nuke.Group, frame: Optional[float] = None, *, moving: bool = False) -> Look:
    """The edits that the knobs hold at a frame, None for the current one.

    ``moving`` keeps edits with keyframes away from rest, by less than can be seen.
    """
    at = float(nuke.frame()) if frame is None else frame
    layers = {n: LayerEdit(**_values(node, n, at, moving)) for n in range(1, settings.colors_of(node) + 1)}
    strength = min(max(float(node["strength"].getValueAt(at)), 0.0), 1.0)
    if moving and strength == 0 and node["strength"].isAnimated():
        strength = float(_NEXT_TO_REST["strength"])
    return Look(layers, str(node["opacity_shows"].value()), strength)


def _values(node: nuke.Group, layer: int, frame: float, moving: bool) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for parameter in OF_LAYER:
        name = parameter.name
        knob: Any = node[knob_name(name, layer)]
        if parameter.kind == "color":
            color: Any = node[knob_name(NEW_COLOR, layer)]
            given = [float(color.getValueAt(frame, index)) for index in range(3)]
            values[name] = tuple(to_srgb(given, str(node["working_space"].value()))) if knob.value() else None
            continue
        count = 3 if parameter.kind == "rgb" else 1
        found = tuple(float(knob.getValueAt(frame, index)) for index in range(count))
        values[name] = _in_range(parameter, found if count == 3 else found[0])
        if moving and name in _NEXT_TO_REST and knob.isAnimated() and values[name] == getattr(LayerEdit(), name):
            values[name] = _NEXT_TO_REST[name]
    if moving and node[knob_name("mute", layer)].isAnimated():
        muted = values.pop("mute")
        values["opacity"] = 0.0 if muted else min(values["opacity"], _NEXT_TO_REST["opacity"])
    return values


def set_edit(node: nuke.Group, layer: int, edit: LayerEdit) -> None:
    """Gives a layer these edits in the place of all that it has; keyframes go."""
    for parameter in OF_LAYER:
        value: Any = getattr(edit, parameter.name)
        if parameter.kind == "color":
            space = str(node["working_space"].value())
            _put(node[knob_name(NEW_COLOR, layer)], START if value is None else from_srgb(value, space))
            value = value is not None
        _put(node[knob_name(parameter.name, layer)], value)


def begin_color(node: nuke.Group, name: str) -> None:
    """A new color that was never set begins with the palette's."""
    layer = next((n for n in range(1, MAXIMUM_COLORS + 1) if name == knob_name("color", n)), 0)
    color: Any = node[knob_name(NEW_COLOR, layer)] if layer else None
    if layer and node[name].value() and not color.isAnimated() and list(color.value()) == list(START):
        _put(color, node[f"color{layer}"].value())


def _in_range(parameter: Parameter, value: Any) -> Any:
    """A knob takes more than its slider shows."""
    if parameter.kind == "bool":
        return bool(value)
    low, high = float(parameter.minimum or 0.0), float(parameter.maximum or 0.0)
    values = value if isinstance(value, (tuple, list)) else (value,) * (3 if parameter.kind == "rgb" else 1)
    held = tuple(min(max(float(one), low), high) for one in values)
    return held if parameter.kind == "rgb" else held[0]


def set_look(node: nuke.Group, look: Look) -> None:
    """Gives the node these edits in the place of all that it has."""
    for name in WHOLE:
        _put(node[name], getattr(look, name))
    for n in range(1, MAXIMUM_COLORS + 1):
        set_edit(node, n, look.edit(n))


def _put(knob: Any, value: Any) -> None:
    if knob.isAnimated():
        knob.clearAnimated()
    if isinstance(value, (tuple, list)):
        for index, one in enumerate(value):
            if knob.value(index) != one:
                knob.setValue(one, index)
    elif knob.value() != value:
        knob.setValue(value)


# The nodes


def follow(node: nuke.Group) -> None:
    """Lets the nodes inside be those that the edits need; a layer without edits has none.

    Raises:
        WorkerError: edits have keyframes that change more than numbers; then there are no such nodes.
    """
    steps: list[Step] = []
    curves: dict[str, list[float]] = {}
    made_of = ""
    try:
        if node["recolor"].value():
            made_of = _made_of(node)
            steps, curves = _over_time(node)
    finally:
        _put_curves(node, curves, made_of)
        _put_steps(node, steps)


def is_moving(node: nuke.Group) -> bool:
    """Whether edits or colors of the palette have keyframes or expressions."""
    return bool(_moving(node))


def _moving(node: nuke.Group) -> list[str]:
    layers = range(1, settings.colors_of(node) + 1)
    names = [*WHOLE, *(f"color{n}" for n in layers), *(knob_name(name, n) for name in NAMES for n in layers)]
    return [name for name in names if node[name].isAnimated()]


def _frames(node: nuke.Group) -> list[int]:
    """Those whose edits are looked at: a single frame has the edits of the current one."""
    numbers = list(range(int(node["first_frame"].value()), int(node["last_frame"].value()) + 1))
    return numbers if len(numbers) > 1 else [int(nuke.frame())]


def _values_of(node: nuke.Group, names: Sequence[str], numbers: Sequence[int]) -> dict[str, list[float]]:
    """The values of moving knobs: all of the first frame, then of the next."""
    found = {}
    for name in names:
        knob: Any = node[name]
        channels = range(knob.arraySize() if isinstance(knob, nuke.Array_Knob) else 1)
        found[name] = [float(knob.getValueAt(frame, index)) for frame in numbers for index in channels]
    return found


def is_behind(node: nuke.Group, frame: Optional[int] = None) -> bool:
    """Whether the nodes inside were made of other values of moving edits than there are now.

    Args:
        node: the Soft Color Segment node.
        frame: looks at this one only, None for all of the node's range.
    """
    names = _moving(node) if node["recolor"].value() else []
    if not names:
        return False
    curves = node.node(CURVES)
    kept = {} if curves is None else _read_values(str(curves[MADE_OF].value()))
    numbers = _frames(node)
    if len(numbers) > 1 and kept.get(RANGE) != [numbers[0], numbers[-1]]:
        return True
    looked_at = numbers if frame is None else [number for number in numbers if number == frame]
    for name, values in _values_of(node, names, looked_at).items():
        there = kept.get(name, [])
        if looked_at != numbers:
            size = len(there) // len(numbers)
            there = [one for number in looked_at for one in there[size * numbers.index(number) :][:size]]
        # A script has fewer digits than what was evaluated.
        if len(there) != len(values) or any(abs(a - b) > 1e-5 * max(abs(b), 1) for a, b in zip(there, values)):
            return True
    return False


def _made_of(node: nuke.Group) -> str:
    """The values of the moving edits; empty where none moves. The text has no signs that Tcl would work out."""
    names, numbers = _moving(node), _frames(node)
    if not names:
        return ""
    values: dict[str, list[float]] = {RANGE: [numbers[0], numbers[-1]], **_values_of(node, names, numbers)}
    return "; ".join(" ".join([name, *(f"{one:.7g}" for one in found)]) for name, found in values.items())


def _read_values(text: str) -> dict[str, list[float]]:
    parts = [part.split() for part in text.split(";")]
    return {words[0]: [float(word) for word in words[1:]] for words in parts if words}


def _over_time(node: nuke.Group) -> tuple[list[Step], dict[str, list[float]]]:
    """The nodes, and the numbers in them that change from frame to frame."""
    numbers = _frames(node)
    if len(numbers) == 1 or not is_moving(node):
        return steps_of(node, look_of(node), _palette(node)), {}
    looks = [look_of(node, frame, moving=True) for frame in numbers]
    layers = {n for look in looks for n in look.layers}
    found = [steps_of(node, look, _palette(node, frame), layers) for look, frame in zip(looks, numbers)]
    curves: dict[str, list[float]] = {}
    steps = []
    for versions in zip(*found):
        cls, name, first = versions[0]
        knobs = {knob: _with_curves([one[2].get(knob, "") for one in versions], curves) for knob in first}
        steps.append((cls, name, knobs))
    shapes = {tuple((cls, name, *knobs) for cls, name, knobs in one) for one in found}
    if len(shapes) > 1:
        raise WorkerError("usage", "Solo and Color change over time", "remove their keyframes")
    return steps, curves


_NUMBER = re.compile(r"(?<=\()-?\d+(?:\.\d+)?(?=\))|(?<![\w.])\d+(?:\.\d+)?")
"""A number in an expression, with its sign where it stands alone in parentheses."""


def _with_curves(texts: Sequence[str], curves: dict[str, list[float]]) -> str:
    """One text for all frames, in which the numbers that change are curves."""
    if len(set(texts)) == 1:
        return texts[0]
    if len({_NUMBER.sub("", text) for text in texts}) > 1:
        raise WorkerError("usage", "Solo and Color change over time", "remove their keyframes")
    columns = iter(zip(*(_NUMBER.findall(text) for text in texts)))

    def put(found: re.Match[str]) -> str:
        values = next(columns)
        if len(set(values)) == 1:
            return found[0]
        name = f"c{len(curves)}"
        curves[name] = [float(value) for value in values]
        return f"{CURVES}.{name}"

    return _NUMBER.sub(put, texts[0])


def _put_curves(node: nuke.Group, curves: Mapping[str, Sequence[float]], made_of: str) -> None:
    old: Any = node.node(CURVES)
    if old is not None:
        nuke.delete(old)
    if not made_of:
        return
    node.begin()
    try:
        made: Any = nuke.nodes.NoOp(name=CURVES)
    finally:
        node.end()
    made.setXYpos(-440, 1400)
    made.addKnob(nuke.EvalString_Knob(MADE_OF, MADE_OF))
    made[MADE_OF].setValue(made_of)
    for name, curve in curves.items():
        made.addKnob(nuke.Double_Knob(name, name))
        made[name].setAnimated()
        for frame, value in zip(_frames(node), curve):
            made[name].setValueAt(value, frame)


def _put_steps(node: nuke.Group, steps: Sequence[Step]) -> None:
    stream = node.node(STREAM)
    wanted = {name for _, name, _ in steps}
    switch = node.node("Recolored")
    if switch.input(1) is not stream and not steps:
        switch.setInput(1, stream)
    for name in _possible():
        if name not in wanted and node.node(name) is not None:
            nuke.delete(node.node(name))
    above = stream
    for place, (cls, name, knobs) in enumerate(steps):
        made = node.node(name)
        if made is None:
            node.begin()
            try:
                made = getattr(nuke.nodes, cls)(name=name)
            finally:
                node.end()
            made.setXYpos(-330, 1400 + 40 * place)
        if name == END:  # what is recolored, over the image
            made.setInput(0, stream)
            made.setInput(1, above)
        elif made.input(0) is not above:
            made.setInput(0, above)
        layer_names.put(node, {name: knobs})
        above = made
    if steps and switch.input(1) is not above:
        switch.setInput(1, above)


def _possible() -> list[str]:
    layers = [f"Recolor{n}{part}" for n in range(1, MAXIMUM_COLORS + 1) for part in LAYER_PARTS]
    return [BEGIN, "RecolorOut", *layers, "RecolorIn", "RecolorFill", END]


def steps_of(
    node: nuke.Group, look: Look, palette: Sequence[tuple[float, float, float]], layers: Collection[int] = ()
) -> list[Step]:
    """The nodes that recolor the image; none where nothing changes. ``layers`` have nodes in any case."""
    names, space = layer_names.names_of(node), str(node["working_space"].value())
    opacities = look.opacities(len(palette))
    edited = [n for n in range(1, len(palette) + 1) if n in layers or n in look.layers or opacities[n - 1][0] < 1]
    if not edited or look.strength <= 0:
        return []
    own = {n: inside.channels_of(names[n - 1]) for n in edited}
    steps: list[Step] = [("AddChannels", BEGIN, {"channels": "rgba", "color": "0 0 0 1"})]
    out = {f"expr{i}": f"{'rgb'[i]}-({'+'.join(own[n][i] for n in edited)})" for i in range(3)}
    steps.append(("Expression", "RecolorOut", out))
    for n in edited:
        steps += layer_steps(f"Recolor{n}", formula(look.edit(n), palette[n - 1], _to_rec709(space)), own[n], space)
    kept = {n: number(opacities[n - 1][0]) for n in edited}
    back = {f"expr{i}": f"{'rgb'[i]}+{'+'.join(f'{kept[n]}*{own[n][i]}' for n in edited)}" for i in range(3)}
    steps.append(("Expression", "RecolorIn", back))
    fill = _fill(look, palette, space, opacities, own)
    if fill:
        steps.append(("Expression", "RecolorFill", fill))
    places = {f"{side}{i}": f"rgba.{inside.CHANNELS[i]}" for i in range(3) for side in ("from", "to")}
    steps.append(("Copy", END, {**places, "mix": number(look.strength)}))
    return steps


def tree_steps(node: nuke.Group, layer: int) -> list[Step]:
    """The nodes that edit a layer which stands in rgba on its own, premultiplied, before a Copy by the strength.

    What other layers lose in opacity, and this one shows instead, is in it: the layers add up to the recolored image.

    It has the edits of the current frame.
    """
    look, palette, space = look_of(node), _palette(node), str(node["working_space"].value())
    if not node["recolor"].value() or look.strength <= 0:
        return []
    steps: list[Step] = []
    if look.edit(layer) != LayerEdit():
        numbers = formula(look.edit(layer), palette[layer - 1], _to_rec709(space))
        steps = layer_steps("", numbers, inside.channels_of("rgba"), space)
    shown = _shown(look, palette, space, layer, [f"{name}.alpha" for name in layer_names.names_of(node)])
    return [*steps, ("Expression", "", shown)] if shown else steps


def strength_knobs(node: nuke.Group) -> Knobs:
    """Of a Copy that mixes a layer with its edits by the strength; none where these are all that is seen."""
    strength = look_of(node).strength
    places = {f"{side}{i}": channel for i, channel in enumerate(inside.channels_of("rgba")) for side in ("from", "to")}
    return {**places, "mix": number(strength)} if strength < 1 else {}


def _shown(
    look: Look, palette: Sequence[tuple[float, float, float]], space: str, layer: int, alphas: Sequence[str]
) -> Knobs:
    """What is left of a layer in rgba, and what it shows for others; the alphas of all are beside it in the stream.

    The sum of :mod:`fscs_engine.recolor.edits`, taken apart by layers: each is multiplied by what it shows, and one
    that loses opacity has besides the color that is seen instead where it was alone. Empty where nothing changes.
    """
    opacities, instead = look.opacities(len(palette)), seen_instead(look, palette)
    seen = {n: instead[n - 1] for n, (kept, black) in enumerate(opacities, 1) if kept < 1 and not black}
    whole = "+".join(alphas[: len(palette)])
    left = "".join(f"-{number(1 - kept)}*{alphas[n]}" for n, (kept, _) in enumerate(opacities) if kept < 1)
    least = f"{OTHERS_FLOOR}*max({whole},0)"
    lost = {}
    for n in seen:
        kept, alpha = opacities[n - 1][0], alphas[n - 1]
        weight = f"(max({whole}{left}-{number(kept)}*{alpha},0)+{least})"
        lost[n] = f"{number(1 - kept)}*max({alpha},0)/({weight}>0?{weight}:1)"
    kept = opacities[layer - 1][0]
    if kept == 1 and not lost:
        return {}
    more = "".join(f"+{share}" for n, share in lost.items() if n != layer)
    knobs = _temporary([f"{number(kept)}*(1{more})", f"{lost[layer]}*{least}" if layer in lost else "0"])
    color = _from_rec709(seen.get(layer, (0.0, 0.0, 0.0)), space)
    for i, one in enumerate((*color, 1.0)):
        knobs[f"expr{i}"] = f"{'rgba'[i]}*v0+v1*({number(one)})"
    return knobs


def layer_steps(name: str, numbers: Formula, channels: Sequence[str], space: str) -> list[Step]:
    """The nodes that edit the first three of four channels in place, before opacity and strength.

    Where the working space is not linear, straight colors are edited as linear Rec.709, as in the engine.
    """
    if space != "srgb":
        return _linear_steps(name, numbers, channels)
    alpha = channels[3]
    places = {f"channel{i}": channels[i] for i in range(3)}
    straight = f"({alpha}>0?{alpha}:1)"
    there = "||".join(f"{one}!=0" for one in channels)
    light = _temporary([f"{one}/{straight}" for one in channels[:3]])
    light.update(
        {f"expr{i}": f"v{i}<={number(_BREAK)}?v{i}*{number(_SLOPE)}:pow(max(v{i}+0.055,0)/1.055,2.4)" for i in range(3)}
    )
    coded = _temporary(channels[:3])
    for i in range(3):
        coded[f"expr{i}"] = (
            f"(v{i}<={number(_BREAK * _SLOPE)}?v{i}*{number(1 / _SLOPE)}:1.055*pow(max(v{i},0),1/2.4)-0.055)*{straight}"
        )
    return [
        ("AddChannels", f"{name}There", {"channels": THERE.partition(".")[0]}),
        ("Expression", f"{name}Linear", {**places, **light, "channel3": THERE, "expr3": f"({there})?1:0"}),
        *_linear_steps(name, numbers, (*channels[:3], THERE)),
        ("Expression", f"{name}Coded", {**places, **coded}),
    ]


def _linear_steps(name: str, numbers: Formula, channels: Sequence[str]) -> list[Step]:
    red, green, blue, alpha = channels
    places = {f"channel{i}": channels[i] for i in range(3)}

    def mixed(row: Sequence[float]) -> str:
        return "+".join(f"({number(weight)})*{channel}" for weight, channel in zip(row, (red, green, blue)))

    steps: list[Step] = []
    if numbers.to_lms is not None and numbers.roots is not None:
        knobs = {**places, **_temporary([mixed(row) for row in numbers.to_lms])}
        knobs.update({f"expr{i}": f"(v{i}<0?-1:1)*pow(abs(v{i}),1/3)" for i in range(3)})
        steps.append(("Expression", f"{name}Roots", knobs))
        whole = f"pow(max({alpha},0),1/3)"
        knobs = {**places, **_temporary([f"{mixed(row)}+({number(row[3])})*{whole}" for row in numbers.roots])}
        knobs.update({f"expr{i}": f"v{i}*v{i}*v{i}" for i in range(3)})
        steps.append(("Expression", f"{name}Cubes", knobs))
    rows = [
        mixed(row) + (f"+({number(offset)})*max({alpha},0)" if offset else "")
        for row, offset in zip(numbers.from_lms, numbers.offset)
    ]
    knobs = {**places, **_temporary([*rows, f"{alpha}>0?{alpha}:1"])}
    for i, power in enumerate(numbers.power):
        raised = f"(v{i}<0?-1:1)*min(pow(abs(v{i}/v3),{number(power)}),{LARGEST:.0f})*v3"
        knobs[f"expr{i}"] = f"v{i}" if power == 1 else raised
    steps.append(("Expression", f"{name}Light", knobs))
    return steps


def _temporary(rows: Sequence[str]) -> Knobs:
    return {
        **{f"temp_name{i}": f"v{i}" for i in range(len(rows))},
        **{f"temp_expr{i}": row for i, row in enumerate(rows)},
    }


def _fill(
    look: Look,
    palette: Sequence[tuple[float, float, float]],
    space: str,
    opacities: Sequence[tuple[float, bool]],
    own: Mapping[int, Sequence[str]],
) -> Knobs:
    """What is seen where layers lose opacity; see :mod:`fscs_engine.recolor.edits`. Empty where that is black."""
    lost = {n: 1 - opacities[n - 1][0] for n in own}
    left = "".join(f"-{number(share)}*{own[n][3]}" for n, share in lost.items() if share > 0)
    terms: list[list[str]] = [[], [], []]
    instead = seen_instead(look, palette)
    for n, share in lost.items():
        if share <= 0 or opacities[n - 1][1]:
            continue
        color = _from_rec709(instead[n - 1], space)
        kept, alpha = number(opacities[n - 1][0]), own[n][3]
        weight = f"(max(a{left}-{kept}*{alpha},0)+{OTHERS_FLOOR}*max(a,0))"
        for i in range(3):
            seen = f"({'rgb'[i]}-{kept}*{own[n][i]}+{OTHERS_FLOOR}*max(a,0)*({number(color[i])}))"
            terms[i].append(f"{number(share)}*max({alpha},0)*{seen}/({weight}>0?{weight}:1)")
    return {f"expr{i}": "+".join(["rgb"[i], *terms[i]]) for i in range(3)} if terms[0] else {}


def _palette(node: nuke.Group, frame: Optional[int] = None) -> list[tuple[float, float, float]]:
    found = settings.palette_of(node, int(nuke.frame()) if frame is None else frame)["colors"]
    return [(color["rgb"][0], color["rgb"][1], color["rgb"][2]) for color in found]


def _to_rec709(space: str) -> Any:
    return FROM_ACESCG if space == "acescg" else IDENTITY


def _from_rec709(color: Sequence[float], space: str) -> tuple[float, ...]:
    """A color of linear Rec.709 in the working space."""
    if space == "acescg":
        return tuple(sum(m * c for m, c in zip(row, color)) for row in TO_ACESCG)
    return encoded(color) if space == "srgb" else tuple(color)
