"""A node with something other than a PNG linked in. ``inputs.py PICTURE KIND``."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import bpy
import numpy as np
import tree as t
from soft_color_segment import cache, compute, controls, engine, exr, freshness, jobs, segmenting, ui
from soft_color_segment.fscs.client import Pixels

picture, kind = Path(sys.argv[1]), sys.argv[2]
tree = t.compositor()
scene = bpy.context.scene
generator = np.random.default_rng(1)


def made(name: str, height: int, width: int, channels: str) -> Path:
    """An EXR with bright, negative and half-transparent pixels."""
    path = Path.cwd() / name
    planes = {channel: generator.random((height, width)).astype(np.float32) for channel in channels}
    for channel in set(channels) & set("RGB"):
        planes[channel][: height // 4] *= 40.0
        planes[channel][-2:] -= 0.6
        if "A" in channels:
            planes[channel] *= planes["A"]
    if kind == "nan":
        planes["G"][5, 7] = np.nan
    exr.write(path, planes, {})
    return path


if kind == "render":
    scene.render.engine = "CYCLES"
    scene.cycles.samples, scene.cycles.use_denoising, scene.cycles.device = 1, False, "CPU"
    bpy.ops.mesh.primitive_monkey_add()
    bpy.ops.object.light_add(type="SUN", location=(2, -3, 4))
    bpy.ops.object.camera_add(location=(0, -5, 0), rotation=(1.5708, 0, 0))
    scene.camera = bpy.context.object
    source = tree.nodes.new("CompositorNodeRLayers").outputs["Image"]
elif kind == "generated":
    image = tree.nodes.new("CompositorNodeImage")
    image.image = bpy.data.images.new("grid", 96, 64)
    image.image.generated_type = "COLOR_GRID"
    source = image.outputs["Image"]
elif kind in ("hdr", "alpha", "nan"):
    source = t.image_node(tree, made("plate.exr", 64, 96, "RGBA" if kind == "alpha" else "RGB")).outputs["Image"]
else:
    source = t.image_node(tree, picture).outputs["Image"]
if kind == "chain":
    brighter = tree.nodes.new("CompositorNodeExposure")
    brighter.inputs[1].default_value = 1.5
    tree.links.new(source, brighter.inputs[0])
    source = brighter.outputs[0]

writer = tree.nodes.new("CompositorNodeOutputFile")
folder = Path.cwd() / "written"
if t.NEW:
    writer.directory = str(folder)
    writer.file_output_items.new("RGBA", "user")
else:
    writer.base_path = str(folder)
tree.links.new(source, writer.inputs[0])

node = t.soft(tree, source)
node.colors = 4
mask = None
if "mask" in kind:
    width, height = source.node.image.size
    image = t.image_node(tree, made("mask.exr", height, width, "R" if "node" in kind else "RGB"))
    image.image.colorspace_settings.name = "Non-Color"
    mask = image.outputs["Image"]
    if "node" in kind:
        weaker = tree.nodes.new("CompositorNodeMath" if not t.NEW else "ShaderNodeMath")
        weaker.operation = "MULTIPLY"
        weaker.inputs[1].default_value = 0.5
        tree.links.new(mask, weaker.inputs[0])
        mask = weaker.outputs[0]
    tree.links.new(mask, node.inputs["Mask"])
    node.mask_mode = "split" if "split" in kind else "limit"
    node.palette[1].masked = True
    node.palette[3].masked = "split" in kind

before = len(tree.nodes)
try:
    pressed = sorted(t.press("segment", node))
except RuntimeError as error:
    pressed = [str(error)]
if kind == "nan":
    refused = pressed
    node.clean_nonfinite = True
    pressed = sorted(t.press("segment", node))
left, writers = len(tree.nodes), len(list(folder.glob("*"))) if folder.exists() else 0
writer.mute = True
wanted = t.rendered(tree, source, "input")
work = jobs.run_now(segmenting.prepared(node.uid, scene.frame_current))
found = t.layers(tree, node)
good = np.isfinite(wanted).all(axis=-1)
result = {
    "pressed": pressed,
    "captured": isinstance(work.inputs.picture, Pixels),
    "sum": t.error(found.sum(0)[good], wanted[good]),
    "before": before,
    "left": left,
    "writers": writers,
}
facts = cache.facts_of(freshness.checked_file(node, scene.frame_current))
result["key"] = facts["key"]
palette = controls.palette_of(node)
reply = engine.connect(None).segment(
    work.inputs.picture, palette, {**work.values, **work.layers}, masks=work.inputs.masks, working_space="lin_rec709"
)
result["engine's key"] = reply.key
if mask is not None:
    plain = exr.read(Path.cwd() / "mask.exr", ["R"])[0] * np.float32(0.5 if "node" in kind else 1.0)
    share = np.clip(plain, 0.0, 1.0)
    picture = compute.picture_for(engine.connect(None), work)
    with engine.connect(None).segment(picture, palette, work.values, working_space="lin_rec709") as unmasked:
        alphas = np.array(unmasked.memory())[..., 3]
    if "split" in kind:
        pool = alphas[1] + alphas[3]
        differences = (found[1, ..., 3] - share * pool, found[3, ..., 3] - (1.0 - share) * pool)
    else:
        differences = (found[1, ..., 3] - share * alphas[1],)
    result["under mask"] = max(float(np.abs(difference).max()) for difference in differences)
    result["masked"] = float(alphas[1].max())
if kind == "nan":
    result["refused"], result["bad"] = refused[0], [int((~good).sum()), bool(np.isfinite(found).all())]
if kind == "chain":
    said = [ui.status(node)[0]]
    for stops in (0.5, 1.5):
        brighter.inputs[1].default_value = stops
        said.append(ui.status(node)[0])
    result["status"] = said
report(result)  # noqa: F821  # given by drive.py
