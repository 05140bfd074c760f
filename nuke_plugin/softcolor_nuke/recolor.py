"""Recoloring inside the node: the edits of layers as Expression nodes, which travel with the node without the plug-in.

The formula is :class:`.fscs.edits.Formula`, with its numbers written into the nodes. The edits of all layers stand in
the knob ``look``; the knobs of the tab *Recolor* show those of one layer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Union

import nuke

from . import inside, layer_names, settings
from .fscs.edits import (
    EDIT_BY_NAME,
    EDIT_PARAMETERS,
    IDENTITY,
    OTHERS_FLOOR,
    Formula,
    LayerEdit,
    Look,
    edited_palette_color,
    encoded,
    formula,
    oklab,
)
from .fscs.parameters import MAXIMUM_COLORS, Parameter
from .fscs.protocol import WorkerError
from .working_space import FROM_ACESCG, TO_ACESCG, from_srgb, to_srgb

OF_LAYER = tuple(parameter for parameter in EDIT_PARAMETERS if parameter.per_layer)
KNOBS = frozenset({*(parameter.name for parameter in EDIT_PARAMETERS), "new_color"})
"""Those of the tab that change the picture; ``color`` says whether ``new_color`` counts."""

_showing: set[str] = set()
"""Nodes whose knobs are being set to the edits of a layer: each of these knobs tells that it changed."""

LARGEST = 1e30
"""What a power of a bright color is at most, as in the engine."""

BEGIN, END, STREAM = "RecolorAlpha", "RecolorMix", "Mode"
"""The first and the last of the nodes, and the node whose layers they take."""

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


def look_of(node: nuke.Group) -> Look:
    """The edits of all layers that the node has.

    Raises:
        WorkerError: the knob holds something else (code ``usage``).
    """
    found: dict[int, dict[str, Any]] = {}
    try:
        for entry in filter(None, str(node["look"].value()).split(",")):
            layer, name, *words = entry.split()
            found.setdefault(int(layer), {})[name] = _value(EDIT_BY_NAME[name], words)
        colors = settings.colors_of(node)
        layers = {layer: LayerEdit(**values) for layer, values in found.items() if layer <= colors}
        strength = min(max(float(node["strength"].value()), 0.0), 1.0)
        return Look(layers, str(node["opacity_shows"].value()), strength)
    except (KeyError, TypeError, ValueError) as error:
        raise WorkerError("usage", f"the edits of the layers can't be used ({error})", "press Reset All") from error


def _value(parameter: Parameter, words: Sequence[str]) -> Union[bool, float, tuple[float, ...]]:
    if parameter.kind == "bool":
        return words == ["1"]
    numbers = tuple(float(word) for word in words)
    return numbers if parameter.kind in ("color", "rgb") else numbers[0]


def text_of(layers: Mapping[int, LayerEdit]) -> str:
    """The edits as the knob ``look`` has them: ``2 hue 40, 3 gain 1 1 2``."""
    entries = []
    for layer, edit in sorted(layers.items()):
        for name, value in edit.changed.items():
            values: Any = value if isinstance(value, tuple) else (float(value),)  # type: ignore[arg-type]
            entries.append(" ".join([str(layer), name, *(number(one) for one in values)]))
    return ", ".join(entries)


def take(node: nuke.Group) -> None:
    """Puts what the knobs say of the chosen layer into the look."""
    if node.fullName() in _showing:
        return
    chosen = min(max(int(node["edit_layer"].value()), 1), settings.colors_of(node))
    layers = dict(look_of(node).layers)
    values: dict[str, Any] = {}
    for parameter in OF_LAYER:
        if parameter.kind == "color":
            given = to_srgb(node["new_color"].value(), str(node["working_space"].value()))
            values[parameter.name] = tuple(given) if node[parameter.name].value() else None
        else:
            values[parameter.name] = _in_range(parameter, node[parameter.name].value())
    layers[chosen] = LayerEdit(**values)
    node["look"].setValue(text_of(layers))


def _in_range(parameter: Parameter, value: Any) -> Any:
    """A knob takes more than its slider shows."""
    if parameter.kind == "bool":
        return bool(value)
    low, high = float(parameter.minimum or 0.0), float(parameter.maximum or 0.0)
    values = value if isinstance(value, (tuple, list)) else (value,) * (3 if parameter.kind == "rgb" else 1)
    held = tuple(min(max(float(one), low), high) for one in values)
    return held if parameter.kind == "rgb" else held[0]


def show(node: nuke.Group) -> None:
    """Shows the edits of the chosen layer in the knobs."""
    palette = _palette(node)
    chosen = min(max(int(node["edit_layer"].value()), 1), len(palette))
    edit = look_of(node).edit(chosen)
    _showing.add(node.fullName())
    try:
        for parameter in OF_LAYER:
            value: Any = getattr(edit, parameter.name)
            if parameter.kind == "color":
                color = value or palette[chosen - 1]
                _put(node["new_color"], from_srgb(color, str(node["working_space"].value())))
                value = value is not None
            _put(node[parameter.name], value)
    finally:
        _showing.discard(node.fullName())


def set_look(node: nuke.Group, look: Look) -> None:
    """Gives the node these edits in the place of all that it has.

    Raises:
        WorkerError: as of :func:`steps_of`.
    """
    for name in ("strength", "opacity_shows"):  # each takes the edits that are shown into the look
        _put(node[name], getattr(look, name))
    node["look"].setValue(text_of(look.layers))
    show(node)
    follow(node)


def _put(knob: Any, value: Any) -> None:
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
        WorkerError: as of :func:`steps_of`; then there are no such nodes.
    """
    try:
        steps = steps_of(node) if node["recolor"].value() else []
    except WorkerError:
        _put_steps(node, [])
        raise
    _put_steps(node, steps)


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


def steps_of(node: nuke.Group) -> list[Step]:
    """The nodes that recolor the image; none where nothing changes.

    Raises:
        WorkerError: the edits can't be used (code ``usage``).
    """
    look, names = look_of(node), layer_names.names_of(node)
    palette, space = _palette(node), str(node["working_space"].value())
    opacities = look.opacities(len(palette))
    edited = [n for n in range(1, len(palette) + 1) if look.edit(n) != LayerEdit() or opacities[n - 1][0] < 1]
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

    Raises:
        WorkerError: as of :func:`steps_of`.
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
    that loses opacity has besides what the color that is nearest shows for it. Empty where nothing changes.
    """
    opacities = look.opacities(len(palette))
    seen = {
        n: None if black or kept >= 1 else _nearest(look, palette, n, opacities)
        for n, (kept, black) in enumerate(opacities, 1)
    }
    whole = "+".join(alphas[: len(palette)])
    left = "".join(f"-{number(1 - kept)}*{alphas[n]}" for n, (kept, _) in enumerate(opacities) if kept < 1)
    least = f"{OTHERS_FLOOR}*max({whole},0)"
    lost = {}
    for n, color in seen.items():
        if color is not None:
            kept, alpha = opacities[n - 1][0], alphas[n - 1]
            weight = f"(max({whole}{left}-{number(kept)}*{alpha},0)+{least})"
            lost[n] = f"{number(1 - kept)}*max({alpha},0)/({weight}>0?{weight}:1)"
    kept = opacities[layer - 1][0]
    if kept == 1 and not lost:
        return {}
    more = "".join(f"+{share}" for n, share in lost.items() if n != layer)
    knobs = _temporary([f"{number(kept)}*(1{more})", f"{lost[layer]}*{least}" if layer in lost else "0"])
    color = _from_rec709(seen[layer], space) if layer in lost else (0.0, 0.0, 0.0)
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
    for n, share in lost.items():
        color = None if share <= 0 or opacities[n - 1][1] else _nearest(look, palette, n, opacities)
        if color is None:
            continue
        color = _from_rec709(color, space)
        kept, alpha = number(opacities[n - 1][0]), own[n][3]
        weight = f"(max(a{left}-{kept}*{alpha},0)+{OTHERS_FLOOR}*max(a,0))"
        for i in range(3):
            seen = f"({'rgb'[i]}-{kept}*{own[n][i]}+{OTHERS_FLOOR}*max(a,0)*({number(color[i])}))"
            terms[i].append(f"{number(share)}*max({alpha},0)*{seen}/({weight}>0?{weight}:1)")
    return {f"expr{i}": "+".join(["rgb"[i], *terms[i]]) for i in range(3)} if terms[0] else {}


def _nearest(
    look: Look,
    palette: Sequence[tuple[float, float, float]],
    layer: int,
    opacities: Sequence[tuple[float, bool]],
) -> Any:
    """The edited palette color, linear Rec.709, that is nearest of those layers that are seen; None for black."""
    colors = [edited_palette_color(look.edit(n), color) for n, color in enumerate(palette, 1)]
    own = oklab(colors[layer - 1])
    near = [
        (math.dist(oklab(color), own), n) for n, color in enumerate(colors, 1) if n != layer and opacities[n - 1][0] > 0
    ]
    return colors[min(near)[1] - 1] if near else None


def _palette(node: nuke.Group) -> list[tuple[float, float, float]]:
    found = settings.palette_of(node, int(nuke.frame()))["colors"]
    return [(color["rgb"][0], color["rgb"][1], color["rgb"][2]) for color in found]


def _to_rec709(space: str) -> Any:
    return FROM_ACESCG if space == "acescg" else IDENTITY


def _from_rec709(color: Sequence[float], space: str) -> tuple[float, ...]:
    """A color of linear Rec.709 in the working space."""
    if space == "acescg":
        return tuple(sum(m * c for m, c in zip(row, color)) for row in TO_ACESCG)
    return encoded(color) if space == "srgb" else tuple(color)
