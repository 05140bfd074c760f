"""Export Layers: a Shuffle2 and a Grade for each layer, joined by Merge plus, in a backdrop."""

from __future__ import annotations

from typing import Any

import nuke

from . import inside, layer_names, recolor, settings

WIDTH, HEIGHT = 110, 80
ROWS = 10
"""Those of a layer before its Grade."""


def build(node: nuke.Group) -> Any:
    """Makes the tree beside a node. Returns the last Merge, whose image is the sum of the layers.

    With *Recolor* on, Expression nodes make the same edits of the layers.

    Raises:
        WorkerError: the edits can't be made (code ``usage``).
    """
    names = layer_names.names_of(node)[: settings.colors_of(node)]
    colors = len(names)
    left, top = node.xpos(), node.ypos() + 2 * HEIGHT
    made: list[Any] = []
    joined: Any = None
    around: Any = node.parent() or nuke.root()
    with around:
        backdrop = nuke.nodes.BackdropNode()
        for n, name in enumerate(names, 1):
            shuffle = nuke.nodes.Shuffle2()
            shuffle.setInput(0, node)
            shuffle["in1"].setValue(name)
            shuffle["out1"].setValue("rgba")
            shuffle["mappings"].fromScript(f'"{_mappings(name)}"')
            shuffle["label"].setValue(str(node[f"name{n}"].value()) or name)
            last = _below(shuffle, left, top, n, 0)
            if node["layer_color"].value() == "straight":
                last = _below(nuke.nodes.Premult(), left, top, n, 1, last)
            steps, whole = recolor.tree_steps(node, n), last
            for row, (cls, _, knobs) in enumerate(steps, 2):
                last = _below(getattr(nuke.nodes, cls)(), left, top, n, row, last)
                layer_names.put_in(last, knobs)
            mixed = recolor.strength_knobs(node)
            if steps and mixed:
                last = _below(nuke.nodes.Copy(), left, top, n, ROWS, whole, last)
                layer_names.put_in(last, mixed)
            grade = nuke.nodes.Grade()
            grade["black_clamp"].setValue(False)  # the layers of a bright image hold negatives, too
            last = _below(grade, left, top, n, ROWS + 1, last)
            if joined is not None:
                merge = nuke.nodes.Merge2()
                merge["operation"].setValue("plus")
                last = _below(merge, left, top, n, ROWS + 2, joined, last)
            joined = last
            made.append(shuffle)
        backdrop.setXYpos(left - 30, top - HEIGHT)
        backdrop["bdwidth"].setValue(colors * WIDTH + 60)
        backdrop["bdheight"].setValue((ROWS + 5) * HEIGHT)
        backdrop["label"].setValue("\n".join([node.name(), *(str(one["label"].value()) for one in made)]))
    return joined


def _below(made: Any, left: int, top: int, column: int, row: int, *inputs: Any) -> Any:
    made.setXYpos(left + (column - 1) * WIDTH, top + row * HEIGHT)
    for index, one in enumerate(inputs):
        made.setInput(index, one)
    return made


def _mappings(layer: str) -> str:
    """Of a Shuffle2: how many channels, then from, its input and place, to, its output and place."""
    channels = enumerate(inside.CHANNELS)
    return " ".join(["4", *(f"{layer}.{one} 0 {place} rgba.{one} 0 {place}" for place, one in channels)])
