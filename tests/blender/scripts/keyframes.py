"""Edits with keyframes, rendered as a shot: ``keyframes.py FOLDER``, with the files that ``tree.with_layers`` wants.

``shot_0001.npy`` to ``shot_0005.npy`` are written, and ``again_0003.npy`` after a key was moved.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import bpy
import numpy as np
import tree as t
from soft_color_segment import controls, exr, freshness, recoloring, trees, views
from soft_color_segment.animation import own_curves
from soft_color_segment.maker import PREFIX
from soft_color_segment.session import SESSION

folder = Path(sys.argv[1])
tree, node = t.with_layers(folder)
scene = bpy.context.scene
scene.frame_start, scene.frame_end = 1, 5


def key(name: str, **values: Any) -> None:
    """Keyframes, given as ``f1=0.0``; between them it goes straight."""
    for frame, value in values.items():
        setattr(node, name, value)
        node.keyframe_insert(name, frame=int(frame[1:]))
    for curve in own_curves(tree.animation_data):
        for point in curve.keyframe_points:
            point.interpolation = "LINEAR"


def shot(name: str) -> None:
    """Renders all frames, as ``blender -a`` does."""
    tree.links.new(node.outputs["Recolored"], t.output(tree))
    scene.render.filepath = str(folder / f"{name}_####.exr")
    bpy.ops.render.render(animation=True)
    for file in folder.glob(f"{name}_*.exr"):
        np.save(file.with_suffix(".npy"), np.moveaxis(exr.read(file, "RGBA"), 0, -1))


def curves() -> int:
    data = node.node_tree.animation_data
    return len(own_curves(data)) if data is not None else 0


key("edit1_hue", f1=0.0, f5=120.0)
key("edit1_exposure", f2=-1.0, f4=1.0)
key("edit2_opacity", f1=1.0, f3=0.0, f5=0.5)
key("edit3_color", f1=(0.1, 0.7, 0.2), f5=(0.9, 0.1, 0.1))
key("edit3_has_color", f1=False, f2=False, f3=True)
key("edit4_gamma", f1=(1.0, 1.0, 1.0), f5=(0.5, 1.0, 2.0))
key("strength", f1=1.0, f5=0.5)
shot("shot")
found: dict[str, Any] = {"curves": curves(), "needed": sorted(views.needed(node))}
found["described"] = len({controls.described(node, frame) for frame in (1, 2, 3)})

# A key that is moved
key("edit1_hue", f3=-90.0)
found["followed"] = curves()
shot("again")
bpy.ops.wm.save_as_mainfile(filepath=str(folder / "keyframes.blend"))

# A driver is told of
curve = node.driver_add("edit2_hue")
curve.driver.expression = "frame"
freshness.look_at(node)
found["driven"] = SESSION.state(node.uid).hint
node.driver_remove("edit2_hue")

# Without keyframes
tree.animation_data_clear()
recoloring.follow(node)
found["cleared"] = [curves(), node.node_tree.animation_data is None]


def inside() -> list[Any]:
    """All numbers in the nodes of the edits."""
    (ours,) = trees.all_nodes()
    made = [inner for inner in ours.node_tree.nodes if inner.name.startswith(PREFIX)]
    return [
        (inner.name, [socket.name for socket in inner.inputs if socket.is_linked], numbers(inner)) for inner in made
    ]


def numbers(inner: Any) -> list[Any]:
    held = [getattr(socket, "default_value", 0.0) for socket in inner.inputs]
    return [list(each) if hasattr(each, "__len__") and not isinstance(each, str) else each for each in held]


# Undone as one step
bpy.ops.ed.undo_push(message="before")
before = inside()
node.edit1_saturation = 3.0
bpy.ops.ed.undo_push(message="changed")
changed = inside()
bpy.ops.ed.undo()
found["undone"] = [trees.all_nodes()[0].edit1_saturation, inside() == before, changed == before]
report(found)  # noqa: F821  # given by drive.py
