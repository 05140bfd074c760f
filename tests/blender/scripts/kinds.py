"""All kinds of pictures in front of nodes, in a shot of three frames: ``kinds.py make|fill|render FOLDER``.

FOLDER holds movie.mp4, still.jpg, plate_####.exr (101 to 105) and layered_####.exr (1 to 3).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import bpy
import numpy as np
import tree as t
from soft_color_segment import batch, exr

FRAMES = (1, 2, 3)
what, folder = sys.argv[1], Path(sys.argv[2])
blend = folder / "kinds.blend"


def sources(tree: Any) -> dict[str, Any]:
    """A socket of each kind."""
    movie = t.image_node(tree, folder / "movie.mp4")
    movie.frame_duration, movie.frame_start, movie.frame_offset = 5, 1, 1
    offset = t.image_node(tree, folder / "plate_0101.exr", 5)
    offset.frame_offset = 101
    cyclic = t.image_node(tree, folder / "plate_0101.exr", 2)
    cyclic.frame_offset, cyclic.use_cyclic = 102, True
    layered = t.image_node(tree, folder / "layered_0001.exr", 3)
    generated = tree.nodes.new("CompositorNodeImage")
    generated.image = bpy.data.images.new("grid", 48, 32)
    generated.image.generated_type = "COLOR_GRID"
    animated = tree.nodes.new("CompositorNodeExposure")
    for frame in FRAMES:
        animated.inputs[1].default_value = frame - 2
        animated.inputs[1].keyframe_insert("default_value", frame=frame)
    tree.links.new(generated.outputs["Image"], animated.inputs[0])
    return {
        "movie": movie.outputs["Image"],
        "jpeg": t.image_node(tree, folder / "still.jpg").outputs["Image"],
        "offset": offset.outputs["Image"],
        "cyclic": cyclic.outputs["Image"],
        "layered": layered.outputs[1],
        "generated": generated.outputs["Image"],
        "animated": animated.outputs[0],
    }


if what == "make":
    generator = np.random.default_rng(3)
    for number in range(101, 106):
        planes = {channel: generator.random((24, 32)).astype(np.float32) * (number - 100) for channel in "RGB"}
        exr.write(folder / f"plate_{number:04d}.exr", planes, {})
    for number in FRAMES:
        planes = {
            f"{layer}.{channel}": generator.random((24, 32)).astype(np.float32) * number
            for layer in ("one", "two")
            for channel in "RGBA"
        }
        exr.write(folder / f"layered_{number:04d}.exr", planes, {})
    tree = t.compositor(64, 48)
    scene = bpy.context.scene
    scene.frame_start, scene.frame_end = FRAMES[0], FRAMES[-1]
    for kind, source in sources(tree).items():
        node = t.soft(tree, source)
        node.name, node.colors = kind, 2
        for name, socket in (("found", t.total(tree, node)), ("wanted", source)):
            writer = tree.nodes.new("CompositorNodeOutputFile")
            t.write_to(writer, folder / name / kind)
            tree.links.new(socket, writer.inputs[0])
    tree.links.new(source, t.output(tree))
    scene.render.filepath = str(folder / "render_####")
    bpy.ops.wm.save_as_mainfile(filepath=str(blend))
    sys.exit()
bpy.ops.wm.open_mainfile(filepath=str(blend))
if what == "fill":
    report({"status": batch.command([])})  # noqa: F821  # given by drive.py
    sys.exit()
bpy.ops.render.render(animation=True)
result = {}
for place in sorted((folder / "wanted").iterdir()):
    pairs = zip(sorted((folder / "found" / place.name).iterdir()), sorted(place.iterdir()), strict=True)
    pictures = [[np.moveaxis(exr.read(file, "RGB"), 0, -1) for file in pair] for pair in pairs]
    result[place.name] = {
        "frames": len(pictures),
        "error": max(t.error(found, wanted) for found, wanted in pictures),
        "means": [float(wanted[..., :3].mean()) for _, wanted in pictures],
    }
report(result)  # noqa: F821
