"""Recoloring inside the node: the edits of layers as Expression nodes, which travel with the node without the plug-in.

The formula is :class:`.fscs.edits.Formula`, with its numbers written into the nodes. The edits of all layers stand in
the knob ``look``; the knobs of the tab *Recolor* show those of one layer.
"""

from __future__ import annotations

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
    formula,
    seen_instead,
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
    layers = [f"Recolor{n}{part}" for n in range(1, MAXIMUM_COLORS + 1) for part in ("Roots", "Cubes", "Light")]
    return [BEGIN, "RecolorOut", *layers, "RecolorIn", "RecolorFill", END]


def steps_of(node: nuke.Group) -> list[Step]:
    """The nodes that recolor the image; none where nothing changes.

    Raises:
        WorkerError: the working space is not linear (code ``usage``).
    """
    look, names = look_of(node), layer_names.names_of(node)
    palette, space = _palette(node), str(node["working_space"].value())
    opacities = look.opacities(len(palette))
    edited = [n for n in range(1, len(palette) + 1) if look.edit(n) != LayerEdit() or opacities[n - 1][0] < 1]
    if not edited or look.strength <= 0:
        return []
    _check_linear(space)
    own = {n: inside.channels_of(names[n - 1]) for n in edited}
    steps: list[Step] = [("AddChannels", BEGIN, {"channels": "rgba", "color": "0 0 0 1"})]
    out = {f"expr{i}": f"{'rgb'[i]}-({'+'.join(own[n][i] for n in edited)})" for i in range(3)}
    steps.append(("Expression", "RecolorOut", out))
    for n in edited:
        steps += layer_steps(f"Recolor{n}", formula(look.edit(n), palette[n - 1], _to_rec709(space)), own[n])
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
    """The nodes that edit a layer which stands in rgba on its own, premultiplied; what it loses is black.

    Raises:
        WorkerError: as of :func:`steps_of`.
    """
    look, palette, space = look_of(node), _palette(node), str(node["working_space"].value())
    edit, (opacity, _) = look.edit(layer), look.opacities(len(palette))[layer - 1]
    if not node["recolor"].value() or (edit == LayerEdit() and opacity == 1):
        return []
    _check_linear(space)
    steps = layer_steps("", formula(edit, palette[layer - 1], _to_rec709(space)), inside.channels_of("rgba"))
    if opacity < 1:
        steps.append(("Expression", "", {f"expr{i}": f"{'rgba'[i]}*{number(opacity)}" for i in range(4)}))
    return steps


def layer_steps(name: str, numbers: Formula, channels: Sequence[str]) -> list[Step]:
    """The nodes that edit the first three of four channels in place, before opacity and strength."""
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
        color: tuple[float, ...] = instead[n - 1]
        if space == "acescg":
            color = tuple(sum(m * c for m, c in zip(row, color)) for row in TO_ACESCG)
        kept, alpha = number(opacities[n - 1][0]), own[n][3]
        weight = f"(max(a{left}-{kept}*{alpha},0)+{OTHERS_FLOOR}*max(a,0))"
        for i in range(3):
            seen = f"({'rgb'[i]}-{kept}*{own[n][i]}+{OTHERS_FLOOR}*max(a,0)*({number(color[i])}))"
            terms[i].append(f"{number(share)}*max({alpha},0)*{seen}/({weight}>0?{weight}:1)")
    return {f"expr{i}": "+".join(["rgb"[i], *terms[i]]) for i in range(3)} if terms[0] else {}


def _palette(node: nuke.Group) -> list[tuple[float, float, float]]:
    found = settings.palette_of(node, int(nuke.frame()))["colors"]
    return [(color["rgb"][0], color["rgb"][1], color["rgb"][2]) for color in found]


def _to_rec709(space: str) -> Any:
    return FROM_ACESCG if space == "acescg" else IDENTITY


def _check_linear(space: str) -> None:
    if space == "srgb":
        cure = "convert the image before the node, or use fscs recolor"
        raise WorkerError("usage", "Recolor needs a linear working space, not srgb", cure)
