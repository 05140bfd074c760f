"""Auto Update, step by step, as a window does it. ``updating.py PICTURE``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
import tree as t
from soft_color_segment import freshness, passes, segmenting, ui, updating
from soft_color_segment.session import SESSION

updating.PREVIEW_PIXELS = 40 * 30
tree = t.compositor()
picture = t.image_node(tree, sys.argv[1])
brighter = tree.nodes.new("CompositorNodeExposure")
brighter.inputs[1].default_value = 1.0
tree.links.new(picture.outputs["Image"], brighter.inputs[0])


def shown(node: Any) -> Any:
    """The first layer in the images."""
    image = passes.images(node)[0]
    pixels = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(pixels)
    return pixels.reshape(image.size[1], image.size[0], 4)[::-1]


def due(node: Any) -> list[bool]:
    """At once, and after a moment."""
    freshness.look_at(node)
    return [updating.due(node, 100.0), updating.due(node, 100.1), updating.due(node, 101.0)]


def steps(node: Any) -> list[Any]:
    """What is shown after each step."""
    routine = updating.updated(node.uid, 1)
    seen, result = [], None
    try:
        while True:
            step = routine.send(result)
            result = step.now()
            seen.append(shown(node).copy())
    except StopIteration:
        seen.append(shown(node))
    return seen


found: dict[str, Any] = {}
for name, socket in (("file", picture.outputs["Image"]), ("chain", brighter.outputs[0])):
    node = t.soft(tree, socket)
    node.colors = 3
    result: dict[str, Any] = {"new": due(node)}
    node.auto_update = True
    t.press("segment", node)
    result["right"] = due(node)
    node.minimum_alpha = 0.2
    result["changed"] = due(node)
    before = shown(node).copy()
    seen = steps(node)
    blocky = [bool((each[::4, ::4].repeat(4, 0).repeat(4, 1) == each).all()) for each in seen]
    result["blocky"] = [any(blocky), blocky[-1]]
    result["says"] = ui.status(node)[0]
    whole = shown(node).copy()
    node.auto_update = False
    t.press("segment", node)
    result["same"] = float(np.abs(shown(node) - whole).max())
    result["other"] = float(np.abs(before - whole).max()) > 0.01
    result["off"] = due(node)
    found[name] = result
node.auto_update = True
t.press("segment", node)
brighter.inputs[1].default_value = 2.0
found["rendered"] = [segmenting.at_hand(node, 1), len(steps(node)), ui.status(node)[0]]
SESSION.state(node.uid).tried = SESSION.state(node.uid).settings_now
found["tried"] = due(node)
brighter.inputs[1].default_value = 1.0
node.palette[0].layer_erode, node.palette[1].layer_blur, node.palette[1].layer_gain = -4.0, 2.0, 0.5
asked: list[Any] = []
computed, grid = updating.compute, updating.grid
updating.grid = lambda *given: asked.append(grid(*given)) or asked[-1]
updating.compute = lambda worker, work, *rest: asked.append(work.layers) or computed(worker, work, *rest)
steps(node)
(step, _), layers = asked
found["in pixels"] = [[step * layers["layer_erode"][1], step * layers["layer_blur"][2]], layers["layer_gain"][2]]
report(found)  # noqa: F821  # given by drive.py
