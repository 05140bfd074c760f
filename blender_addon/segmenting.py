# SPDX-License-Identifier: GPL-3.0-or-later
"""From a node to its layers: gathers what the engine needs, asks it, and shows and keeps what comes back.

Three steps, as Blender's data may be touched in the main thread only and the engine takes its time:
:func:`prepare` (main thread), :func:`compute` (any thread), :func:`finish` (main thread).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from . import cache, exr, passes, srgb
from .capture import capture
from .fscs.client import LayerMask, Picture, Pixels, Plate, Worker
from .fscs.key import (
    MASK_SPACE,
    RESULT_PARAMETERS,
    cache_key,
    canonical_json,
    file_identity,
    pixels_identity,
    result_parameters,
)
from .fscs.protocol import WorkerError
from .properties import layer_values, palette_document, take_palette
from .sources import FileSource, file_source, fingerprint, link_into, origin, scene_space

UP_TO_DATE = "Up to date"
NOTHING_LINKED = ("nothing is linked to the Image input", "link a picture, a movie, Render Layers or any other node")
DEFAULT_PRECISION = "float32"
SRGB = "srgb"

ProgressCallback = Callable[[float, "float | None"], None]
CancelledCallback = Callable[[], bool]


class NoPasses(Exception):
    """There are no passes of a frame that are right; says why."""


@dataclass(frozen=True)
class Inputs:
    """What flows into a node at one frame.

    Attributes:
        picture: for the engine.
        identity: of it, for the key.
        space: the colour space it comes in.
        masks: for the engine.
        mask_parts: of the masks, for the key.
        upstream: what else decides whether a captured picture is still that of the node; empty for files.
        still: whether it is the same at every frame.
    """

    picture: Picture
    identity: str
    space: str
    masks: tuple[LayerMask, ...]
    mask_parts: tuple[dict[str, object], ...]
    upstream: str
    still: bool


@dataclass(frozen=True)
class Work:
    """All that the engine needs for one frame; nothing of Blender's is in it."""

    inputs: Inputs
    frame: int
    palette: dict[str, Any]
    colors: int
    palette_method: str
    seed: int
    values: dict[str, float]
    layers: dict[str, dict[int, float]]
    model: str
    device: str
    precision: str
    tile: int
    working_space: str


@dataclass(frozen=True)
class Outcome:
    """What came of it: the whole palette, (K, H, W, 4) layers, and the facts for the cache."""

    palette: dict[str, Any]
    layers: Any
    facts: dict[str, str]


def prepare(node: Any, scene: Any, *, may_render: bool = True, palette: dict[str, Any] | None = None) -> Work:
    """Gathers everything for the scene's current frame. Renders, where that is how to get at what is linked in.

    Args:
        node: the node.
        scene: the scene it is in.
        may_render: False while a render is under way.
        palette: the colours to keep, instead of all that the node has.

    Raises:
        WorkerError: nothing is linked in, it can't be had, or the mask has no layer to work on.
    """
    return Work(
        inputs=inputs_of(node, scene, may_render=may_render),
        frame=scene.frame_current,
        palette=palette_of(node) if palette is None else palette,
        colors=node.colors,
        palette_method=node.palette_method,
        seed=node.seed,
        values=single_values(node),
        layers=layer_values(node),
        model=node.model,
        device=node.device,
        precision=node.precision,
        tile=node.tile,
        working_space=scene_space(),
    )


def inputs_of(node: Any, scene: Any, *, may_render: bool = True) -> Inputs:
    """What flows into a node. Raises WorkerError."""
    frame = scene.frame_current
    srgb.curve()
    link, mask_link = link_into(node, "Image"), link_into(node, "Mask")
    if link is None:
        raise WorkerError("input", *NOTHING_LINKED)
    layers = masked_layers(node) if mask_link is not None else ()
    source = file_source(link, frame)
    mask_source = file_source(mask_link, frame, data=True) if mask_link is not None else None
    wanted = {}
    if source is None:
        wanted["image"] = link.from_socket
    if mask_link is not None and mask_source is None:
        wanted["mask"] = mask_link.from_socket
    if wanted and not may_render:
        raise WorkerError(
            "input",
            "what is linked in is made by the compositor, which can't be asked while it renders",
            "fill the cache first: blender -b FILE --command soft_color_segment",
        )
    captured = capture(scene, wanted) if wanted else {}
    picture: Picture
    space = scene_space()
    if source is not None:
        picture, identity, color_space = _file_picture(source)
    else:
        pixels = captured["image"]
        height, width, channels = pixels.shape
        picture = Pixels(pixels, height, width, channels, space)
        identity, color_space = pixels_identity(pixels, height, width, channels, space), space
    masks: tuple[LayerMask, ...] = ()
    parts: tuple[dict[str, object], ...] = ()
    if mask_link is not None:
        mask, mask_identity = _mask(mask_source, captured.get("mask"), node.mask_mode, layers)
        masks = (mask,)
        parts = ({"mode": node.mask_mode, "layers": list(layers), "identity": mask_identity},)
    return Inputs(
        picture=picture,
        identity=identity,
        space=color_space,
        masks=masks,
        mask_parts=parts,
        upstream=upstream_of(link, mask_link, source, mask_source),
        still=(source is not None and source.still)
        and (mask_link is None or (mask_source is not None and mask_source.still)),
    )


def upstream_of(link: Any, mask_link: Any, source: FileSource | None, mask_source: FileSource | None) -> str:
    """The fingerprint of what is not a file."""
    image = "" if source is not None else fingerprint(link)
    mask = "" if mask_link is None or mask_source is not None else fingerprint(mask_link)
    return f"{image},{mask}" if image or mask else ""


def palette_of(node: Any) -> dict[str, Any]:
    """The colours of a node that were chosen or found. Where some are missing, those that the cache was filled with."""
    own = palette_document(node, found_only=True)
    if len(own["colors"]) < node.colors:
        kept = cache.kept_palette(node)
        if kept is not None and len(kept["colors"]) == node.colors and _begins_with(kept, own):
            return kept
    return own


def _begins_with(palette: Mapping[str, Any], own: Mapping[str, Any]) -> bool:
    return all(color["rgb"] == kept["rgb"] for color, kept in zip(own["colors"], palette["colors"], strict=False))


def masked_layers(node: Any) -> tuple[int, ...]:
    """The layers that the mask works on. Raises WorkerError if they don't fit its mode."""
    layers = tuple(number for number, entry in enumerate(node.palette, 1) if entry.masked)
    if node.mask_mode == "split" and len(layers) < 2:
        raise WorkerError("usage", "the mask is to be split between two layers", "mark two layers as masked")
    if not layers:
        raise WorkerError("usage", "a mask is linked in but no layer is masked", "mark a layer, or unlink the mask")
    return layers[:2] if node.mask_mode == "split" else layers


def single_values(node: Any) -> dict[str, float]:
    """The alpha processing that all layers share, by the names of the parameter table."""
    return {name: getattr(node, name) for name in RESULT_PARAMETERS if hasattr(node, name)}


def settings_of(node: Any) -> str:
    """Changes when a control does that changes the layers; quick enough to be asked at every redraw."""
    parts = (
        [[*entry.color, entry.found] for entry in node.palette],
        single_values(node),
        layer_values(node),
        node.model,
        node.precision,
        node.mask_mode,
        [entry.masked for entry in node.palette] if node.inputs["Mask"].is_linked else None,
        [origin(link_into(node, name)) for name in ("Image", "Mask")],
    )
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _file_picture(source: FileSource) -> tuple[Plate, str, str]:
    try:
        identity = file_identity(source.path)
    except OSError as error:
        raise WorkerError(
            "input", f"{source.path} can't be read ({error.strerror})", "see that the file is there"
        ) from error
    return Plate(str(source.path), source.color_space), identity, source.color_space


def _mask(source: FileSource | None, pixels: Any, mode: str, layers: tuple[int, ...]) -> tuple[LayerMask, str]:
    if source is not None:
        _, identity, _ = _file_picture(source)
        return LayerMask(mode, layers, path=str(source.path)), identity
    plane = np.ascontiguousarray(pixels[..., 0])
    height, width = plane.shape
    return LayerMask(mode, layers, plane, height, width), pixels_identity(plane, height, width, 1, MASK_SPACE)


def compute(
    worker: Worker,
    work: Work,
    progress: ProgressCallback | None = None,
    cancelled: CancelledCallback | None = None,
) -> Outcome:
    """Has the engine find the colours that are missing and the layers. Any thread; touches nothing of Blender's.

    Raises:
        WorkerError: of any code; ``cancelled`` when it was.
    """
    work = replace(work, inputs=replace(work.inputs, picture=picture_for(worker, work, cancelled)))
    palette = find_palette(worker, work, cancelled) if len(work.palette["colors"]) < work.colors else work.palette
    parameters: dict[str, Any] = {**work.values, **work.layers}
    with worker.segment(
        work.inputs.picture,
        palette,
        parameters,
        masks=work.inputs.masks,
        model=work.model,
        working_space=work.working_space,
        device=work.device,
        precision=work.precision,
        tile=work.tile,
        progress=progress,
        cancelled=cancelled,
    ) as result:
        layers = np.array(result.memory(), dtype=np.float32)
        facts = {
            "palette": json.dumps(result.palette, sort_keys=True, separators=(",", ":")),
            "model": result.model,
            "working_space": result.working_space,
            "parameters": canonical_json(parameters_of(work)),
            "version": str(worker.hello["engine"]),
            "key": key_of(work, palette, result.weights_sha256),
            "input": work.inputs.identity,
            "weights": result.weights_sha256,
            "masks": canonical_json(list(work.inputs.mask_parts)),
            "upstream": work.inputs.upstream,
        }
    return Outcome(palette, layers, facts)


def find_palette(worker: Worker, work: Work, cancelled: CancelledCallback | None = None) -> dict[str, Any]:
    """The colours there are, and around them those that are missing. Raises WorkerError."""
    found = worker.palette(
        work.inputs.picture,
        work.colors,
        given=work.palette if work.palette["colors"] else None,
        seed=work.seed,
        palette_method=work.palette_method,
        cancelled=cancelled,
    )
    for color, old in zip(found["colors"], work.palette["colors"], strict=False):
        color.update(name=old["name"], locked=old["locked"])
    return found


def picture_for(worker: Worker, work: Work, cancelled: CancelledCallback | None = None) -> Picture:
    """The picture as the compositor has it. Blender has an sRGB curve of its own, so values in sRGB are asked for as
    they stand in the file, as the one layer of a palette of one colour, and made linear here.

    Raises:
        WorkerError: the file can't be read, or it was cancelled.
    """
    picture = work.inputs.picture
    if not isinstance(picture, Plate) or picture.color_space != SRGB:
        return picture
    one = {"version": 1, "space": SRGB, "colors": [{"rgb": [0.5, 0.5, 0.5]}]}
    with worker.segment(picture, one, working_space=SRGB, device="cpu", cancelled=cancelled) as result:
        encoded = np.asarray(result.memory())[0]
        alpha = encoded[..., 3:]
        straight = encoded[..., :3] / np.where(alpha > 0.0, alpha, 1.0)
        pixels = np.concatenate([srgb.linear(straight) * alpha, alpha], axis=-1)
    height, width, channels = pixels.shape
    return Pixels(np.ascontiguousarray(pixels, dtype=np.float32), height, width, channels, work.working_space)


def parameters_of(work: Work) -> dict[str, object]:
    """The part of the key that was chosen."""
    return result_parameters(
        work.values,
        work.layers,
        working_space=work.working_space,
        input_space=work.inputs.space,
        precision=DEFAULT_PRECISION if work.precision == "auto" else work.precision,
    )


def key_of(work: Work, palette: Mapping[str, Any], weights_sha256: str) -> str:
    """The cache key of a result."""
    return cache_key(
        weights_sha256=weights_sha256,
        palette=[color["rgb"] for color in palette["colors"]],
        parameters=parameters_of(work),
        input_identity=work.inputs.identity,
        masks=work.inputs.mask_parts,
    )


def finish(node: Any, outcome: Outcome, work: Work) -> str:
    """Shows the layers and keeps them in the cache. Returns a warning, or an empty text.

    The passes are shown even if they can't be kept: better a picture now than none.
    """
    take_palette(node, outcome.palette)
    passes.write(node, outcome.layers)
    passes.refresh(node)
    node.settings_shown = settings_of(node)
    node.failed = False
    node.message = UP_TO_DATE
    warning = store(node, outcome, work)
    if warning:
        node.message = warning
    return warning


def store(node: Any, outcome: Outcome, work: Work) -> str:
    """Keeps the layers in the cache. Returns a warning if that can't be, or an empty text."""
    path = cache.file_of(node, work.frame, still=work.inputs.still)
    try:
        cache.store(path, outcome.layers, outcome.facts)
        cache.keep_palette(node, outcome.palette)
    except OSError as error:
        return (
            f"The layers are shown but can't be kept in {path.parent} ({error.strerror}): choose another cache folder"
        )
    if node.cached_in != str(path.parent):
        node.cached_in = str(path.parent)
    return ""


def segment(
    node: Any,
    scene: Any,
    worker: Worker,
    progress: ProgressCallback | None = None,
    cancelled: CancelledCallback | None = None,
) -> Outcome:
    """All three steps, one after the other. Raises WorkerError."""
    work = prepare(node, scene)
    outcome = compute(worker, work, progress, cancelled)
    finish(node, outcome, work)
    return outcome


def cached_file(node: Any, frame: int) -> Path:
    """The file in the cache that belongs to a frame, whether it is there or not."""
    link, mask_link = link_into(node, "Image"), link_into(node, "Mask")
    source = file_source(link, frame) if link is not None else None
    mask_source = file_source(mask_link, frame, data=True) if mask_link is not None else None
    still = (
        source is not None and source.still and (mask_link is None or (mask_source is not None and mask_source.still))
    )
    return cache.file_of(node, frame, still=still)


def checked_layers(node: Any, scene: Any) -> Any:
    """The layers of the scene's current frame from the cache, if they are those of the node as it is now.

    Raises:
        NoPasses: there are none, or they were made from another picture or with other settings.
    """
    frame = scene.frame_current
    path = cached_file(node, frame)
    try:
        facts = cache.facts_of(path)
    except OSError:
        raise NoPasses(f"frame {frame} is not in the cache ({path})") from None
    except exr.ExrError as error:
        raise NoPasses(f"frame {frame} is damaged in the cache ({error})") from None
    try:
        fresh = expected_key(node, scene, facts) == facts["key"]
    except (KeyError, ValueError):
        raise NoPasses(f"frame {frame} in the cache is not one of ours ({path})") from None
    if not fresh:
        raise NoPasses(f"frame {frame} in the cache is stale: the settings or the picture changed since ({path})")
    try:
        layers = cache.load(path)
    except (OSError, exr.ExrError) as error:
        raise NoPasses(f"frame {frame} is damaged in the cache ({error})") from None
    if len(layers) != node.colors:
        raise NoPasses(f"frame {frame} in the cache has {len(layers)} layers, the node has {node.colors}")
    return layers


def expected_key(node: Any, scene: Any, facts: Mapping[str, str]) -> str:
    """The key that a cached frame must have. Pixels that were captured are taken to be those of their file, as long as
    the nodes they came through are the same; an empty text if these are not."""
    link, mask_link = link_into(node, "Image"), link_into(node, "Mask")
    if link is None:
        return ""
    frame = scene.frame_current
    source = file_source(link, frame)
    mask_source = file_source(mask_link, frame, data=True) if mask_link is not None else None
    if upstream_of(link, mask_link, source, mask_source) != facts.get("upstream", ""):
        return ""
    stored = json.loads(facts["parameters"])
    try:
        identity = file_identity(source.path) if source is not None else facts["input"]
        masks = []
        if mask_link is not None:
            old = json.loads(facts.get("masks", "[]"))
            mask_identity = file_identity(mask_source.path) if mask_source is not None else old[0]["identity"]
            masks = [{"mode": node.mask_mode, "layers": list(masked_layers(node)), "identity": mask_identity}]
    except (OSError, IndexError, WorkerError):
        return ""
    palette = palette_of(node)
    parameters = result_parameters(
        single_values(node),
        layer_values(node),
        working_space=scene_space(),
        input_space=source.color_space if source is not None else scene_space(),
        precision=stored["precision"] if node.precision == "auto" else node.precision,
        input_layer=stored.get("input_layer", ""),
        depth=stored.get("depth", "float"),
    )
    if facts.get("model", node.model) != node.model:
        return ""
    return cache_key(
        weights_sha256=facts["weights"],
        palette=[color["rgb"] for color in palette["colors"]],
        parameters=parameters,
        input_identity=identity,
        masks=masks,
    )


def show_cached(node: Any, scene: Any) -> bool:
    """Shows the layers of the current frame from the cache, if they are right. Returns whether they are."""
    try:
        passes.write(node, checked_layers(node, scene))
    except NoPasses as error:
        node.message = str(error)
        return False
    passes.refresh(node)
    node.settings_shown = settings_of(node)
    node.message, node.failed = UP_TO_DATE, False
    return True


def in_scene(node: Any) -> Any:
    """The scene whose compositor a node belongs to, the one of the window first."""
    from .node import nodes_of_scene

    scenes = [bpy.context.scene, *bpy.data.scenes]
    return next((scene for scene in scenes if any(other.uid == node.uid for other in nodes_of_scene(scene))), scenes[0])
