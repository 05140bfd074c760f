"""A node inside groups. ``groups.py PICTURE``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import bpy
import tree as t
from soft_color_segment import freshness, trees
from soft_color_segment.sources import Sources

LIMIT = 1e-5
tree = t.compositor()
scene = bpy.context.scene


def brighter(where: Any, source: Any) -> Any:
    """An Exposure node behind a socket."""
    node = where.nodes.new("CompositorNodeExposure")
    node.inputs[1].default_value = 1.0
    where.links.new(source, node.inputs[0])
    return node


def fails(node: Any) -> str:
    """What a press of Segment says."""
    try:
        t.press("segment", node)
    except RuntimeError as error:
        return str(error)
    return ""


def shows(group: Any, picture: Any) -> bool:
    """Whether the layers in a group add up to a picture."""
    return t.error(t.rendered(tree, group.outputs[0], "group")[..., :3], picture[..., :3]) <= LIMIT


photo = t.image_node(tree, sys.argv[1]).outputs["Image"]
inner, entry, leave = t.group("inner")
outer, outer_entry, outer_leave = t.group("outer")
inside = t.group_node(outer, inner, outer_entry.outputs[0])
outer.links.new(inside.outputs[0], outer_leave.inputs[0])
group = t.group_node(tree, outer, photo)
exposed = brighter(inner, entry.outputs[0])
node = t.soft(inner, exposed.outputs[0])
node.colors = 3
inner.links.new(t.total(inner, node), leave.inputs[0])
counts = lambda: [len(each.nodes) for each in (tree, outer, inner)]  # noqa: E731
outside = brighter(tree, photo)
wanted = t.rendered(tree, outside.outputs[0], "wanted")

found: dict[str, Any] = {"sums": {}, "before": counts()}
found["pressed"] = sorted(t.press("segment", node))
found["left"] = counts()
found["sums"]["chain inside"] = shows(group, wanted)


def stale() -> bool:
    """Whether the cache has no right layers of the frame."""
    try:
        freshness.checked_file(node, scene.frame_current)
    except freshness.NoPasses:
        return True
    return False


before = stale()
exposed.inputs[1].default_value = 0.5
found["stale"] = [before, stale()]
exposed.inputs[1].default_value = 1.0

# The same group once more: with the same picture it is one and the same, with another one it is not
second = t.group_node(tree, outer, photo)
found["same inputs"] = sorted(t.press("segment", node))
tree.links.new(outside.outputs[0], second.inputs[0])
found["ambiguous"] = fails(node)
found["offered"] = node.ambiguous
t.press("single_user", node)
found["pressed on both"] = [sorted(t.press("segment", each)) for each in trees.nodes_of_scene(scene)]
brightest = t.rendered(tree, brighter(tree, outside.outputs[0]).outputs[0], "brightest")
found["sums"]["each use"] = shows(group, wanted) and shows(second, brightest)
tree.nodes.remove(second)

# Straight from the group's input: the chain and the file are outside
inner.links.new(entry.outputs[0], node.inputs["Image"])
tree.links.new(outside.outputs[0], group.inputs[0])
t.press("segment", node)
found["sums"]["chain outside"] = shows(group, wanted)
tree.links.new(photo, group.inputs[0])
t.press("segment", node)
plain = t.rendered(tree, photo, "plain")
found["sums"]["file outside"] = not Sources.of(node, 1).captured and shows(group, plain)
report(found)  # noqa: F821  # given by drive.py
