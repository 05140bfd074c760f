# SPDX-License-Identifier: GPL-3.0-or-later
"""From a node to its layers: gathers what the engine needs, asks it, and shows and keeps what comes back.

Blender's data may be touched in the main thread only and the engine takes its time, so there are steps:
:func:`prepare` (main thread), :func:`compute` and :func:`keep` (any thread), :func:`show` (main thread).
:func:`segmented` is the routine of all of them.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from . import cache, exr, passes, srgb, upstream
from .capture import captured
from .engine import connect_with, python_path
from .fscs.client import LayerMask, Picture, Pixels, Plate, Worker
from .fscs.key import (
    MASK_SPACE,
    RESULT_PARAMETERS,
    cache_key,
    canonical_json,
    canonical_number,
    file_identity,
    pixels_identity,
    result_parameters,
)
from .fscs.protocol import WorkerError
from .jobs import Cancelled, Routine, Task, Tell
from .node import is_linked, nodes_of_scene, present
from .properties import layer_values, palette_document, take_palette
from .sources import FileSource, file_source, link_into, origin, scene_space

UP_TO_DATE = "Up to date"
CHANGED_MEANWHILE = "The number of colors or the frame changed meanwhile: press Segment"
NOTHING_LINKED = ("nothing is linked to the Image input", "link a picture, a movie, Render Layers or any other node")
DEFAULT_PRECISION = "float32"
SRGB = "srgb"


class NoPasses(WorkerError):
    """There are no passes of a frame that are right; says why."""

    def __init__(self, why: str) -> None:
        super().__init__("cache", why)


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
    """All that the engine needs for one frame, the file that it is kept in, and the settings that it is made with;
    nothing of Blender's is in it."""

    inputs: Inputs
    file: Path
    settings: str
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


def wanted(node: Any, frame: int) -> dict[str, Any]:
    """The links whose pixels only the compositor knows, by what :func:`prepare` calls them."""
    links = {"image": link_into(node, "Image"), "mask": link_into(node, "Mask")}
    return {
        name: link
        for name, link in links.items()
        if link is not None and file_source(link, frame, data=name == "mask") is None
    }


def prepare(node: Any, frame: int, pixels: Mapping[str, Any] | None = None, *, locked_only: bool = False) -> Work:
    """Gathers everything for a frame.

    Args:
        node: the node.
        frame: of the scene.
        pixels: what was captured of the links that :func:`wanted` names.
        locked_only: keep the locked colours only, instead of all that the node has.

    Raises:
        WorkerError: nothing is linked in, it can't be had, or the mask has no layer to work on.
    """
    inputs = inputs_of(node, frame, pixels or {})
    return Work(
        inputs=inputs,
        file=cache.file_of(node, frame, still=inputs.still),
        settings=settings_of(node),
        palette=palette_document(node, locked_only=True) if locked_only else palette_of(node),
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


def inputs_of(node: Any, frame: int, captured_pixels: Mapping[str, Any]) -> Inputs:
    """What flows into a node. Raises WorkerError."""
    srgb.curve()
    link, mask_link = link_into(node, "Image"), link_into(node, "Mask")
    if link is None:
        raise WorkerError("input", *NOTHING_LINKED)
    layers = masked_layers(node) if mask_link is not None else ()
    source = file_source(link, frame)
    mask_source = file_source(mask_link, frame, data=True) if mask_link is not None else None
    if any(name not in captured_pixels for name in wanted(node, frame)):
        raise WorkerError(
            "input",
            "what is linked in is made by the compositor, which can't be asked while it renders",
            "fill the cache first: blender -b FILE --command soft_color_segment",
        )
    picture: Picture
    space = scene_space()
    if source is not None:
        picture, identity, color_space = _file_picture(source)
    else:
        pixels = captured_pixels["image"]
        height, width, channels = pixels.shape
        picture = Pixels(pixels, height, width, channels, space)
        identity, color_space = pixels_identity(pixels, height, width, channels, space), space
    masks: tuple[LayerMask, ...] = ()
    parts: tuple[dict[str, object], ...] = ()
    if mask_link is not None:
        mask, mask_identity = _mask(mask_source, captured_pixels.get("mask"), node.mask_mode, layers)
        masks = (mask,)
        parts = ({"mode": node.mask_mode, "layers": list(layers), "identity": mask_identity},)
    return Inputs(
        picture=picture,
        identity=identity,
        space=color_space,
        masks=masks,
        mask_parts=parts,
        upstream=upstream_of(node, frame),
        still=is_still(node, frame),
    )


def is_still(node: Any, frame: int) -> bool:
    """Whether what flows into a node is the same at every frame."""
    link, mask_link = link_into(node, "Image"), link_into(node, "Mask")
    source = file_source(link, frame) if link is not None else None
    mask_source = file_source(mask_link, frame, data=True) if mask_link is not None else None
    return (source is not None and source.still) and (
        mask_link is None or (mask_source is not None and mask_source.still)
    )


def upstream_of(node: Any, frame: int) -> str:
    """The fingerprint of what is not a file; empty where all is."""
    prints = {name: upstream.fingerprint(link, frame, described) for name, link in wanted(node, frame).items()}
    return f"{prints.get('image', '')},{prints.get('mask', '')}" if prints else ""


def described(node: Any) -> str:
    """What decides the passes of a node but for what flows into it; the same in every session."""
    return canonical_json(
        {
            "palette": [[canonical_number(value) for value in color["rgb"]] for color in palette_of(node)["colors"]],
            "values": {name: canonical_number(value) for name, value in single_values(node).items()},
            "layers": {
                name: {str(layer): canonical_number(value) for layer, value in values.items()}
                for name, values in layer_values(node).items()
            },
            "chosen": [node.model, node.precision, node.mask_mode, node.pass_mode],
            "masked": [entry.masked for entry in node.palette],
        }
    )


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
        scene_space(),
        _glance_of(node),
    )
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _glance_of(node: Any) -> list[str]:
    frame = in_scene(node).frame_current
    return [upstream.glance(link, frame, described) for link in wanted(node, frame).values()]


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
    progress: Tell | None = None,
    cancelled: Cancelled | None = None,
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


def find_palette(worker: Worker, work: Work, cancelled: Cancelled | None = None) -> dict[str, Any]:
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


def picture_for(worker: Worker, work: Work, cancelled: Cancelled | None = None) -> Picture:
    """The picture as the compositor has it. Blender has an sRGB curve of its own, so values in sRGB are asked for as
    they stand in the file, and made linear here.

    Raises:
        WorkerError: the file can't be read, or it was cancelled.
    """
    picture = work.inputs.picture
    if not isinstance(picture, Plate) or picture.color_space != SRGB:
        return picture
    with worker.read(picture, SRGB, cancelled=cancelled) as result:
        encoded = np.asarray(result.memory())
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


def show(node: Any, outcome: Outcome, work: Work, frame: int) -> None:
    """Shows the layers, if the node still has as many outputs and its scene is still at their frame."""
    settings = take_colors(node, outcome, work)
    fits = len(outcome.layers) == node.colors and (work.inputs.still or frame == in_scene(node).frame_current)
    if fits:
        passes.write(node, outcome.layers)
        passes.refresh(node)
    node.settings_shown = settings if fits else ""


def take_colors(node: Any, outcome: Outcome, work: Work) -> str:
    """Fills the swatches, unless the artist changed something meanwhile. Returns the settings that belong to the
    layers."""
    if settings_of(node) != work.settings:
        return work.settings
    take_palette(node, outcome.palette)
    return settings_of(node)


def keep(outcome: Outcome, work: Work) -> str:
    """Keeps the layers in the cache; any thread. Returns a warning if that can't be, or an empty text."""
    try:
        cache.store(work.file, outcome.layers, outcome.facts)
        cache.keep_palette(work.file.parent, outcome.palette)
    except OSError as error:
        return f"The layers can't be kept in {work.file.parent} ({error.strerror}): choose another cache folder"
    return ""


def note_kept(node: Any, work: Work) -> None:
    """Has a node remember where its layers are."""
    if node.cached_in != str(work.file.parent):
        node.cached_in = str(work.file.parent)


def prepared(uid: str, frame: int, *, locked_only: bool = False) -> Routine:
    """Gathers everything for a frame, and renders where that is how to get at what is linked in; a routine. Returns
    the Work.

    Raises:
        WorkerError: it can't be had.
    """
    node = present(uid)
    check(node, frame)
    links = wanted(node, frame)
    if not links:
        return prepare(node, frame, locked_only=locked_only)
    for other in upstream.ours_behind(node):
        try:
            passes.write(other, checked_layers(other, frame))
        except NoPasses as error:
            raise WorkerError(
                "input", f"{other.name}, whose layers flow into it, has none: {error}", "press Segment there first"
            ) from error
    try:
        pixels = yield from captured(in_scene(node).name, links, frame)
    finally:
        with contextlib.suppress(WorkerError):  # the node may be gone
            for other in upstream.ours_behind(present(uid)):
                show_again(other)
    return prepare(present(uid), frame, pixels, locked_only=locked_only)


def check(node: Any, frame: int) -> None:
    """That a node may be worked on at all. Raises WorkerError."""
    if is_linked(node):
        raise linked_error(node)
    group = upstream.ambiguous(node, frame, described)
    if group:
        raise WorkerError(
            "usage",
            f"{node.name} is in the group {group}, which is used with different inputs, and has one set of layers only",
            "give each use a copy of the group of its own: press the number beside its name",
        )


def linked_error(node: Any, why: str = "") -> WorkerError:
    """What an artist is told who wants to change a node that is in another file."""
    library = Path(node.id_data.library.filepath).name
    return WorkerError(
        "usage",
        f"{node.name} is linked from {library} and can't be changed here{why and '; '}{why}",
        f"open {library} and press Segment or Fill Cache there, or append instead of linking",
    )


def segmented(uid: str, frame: int, *, shown: bool = True) -> Routine:
    """The layers of a frame, shown and kept; a routine. Returns the Outcome and a warning or an empty text.

    The passes are shown even if they can't be kept: better a picture now than none.

    Raises:
        WorkerError: of any code.
    """
    python = python_path()
    work = yield from prepared(uid, frame)
    outcome = yield Task(lambda tell, cancelled: compute(connect_with(python), work, tell, cancelled))
    node = present(uid)
    if shown:
        show(node, outcome, work, frame)
    else:
        take_colors(node, outcome, work)
    warning = yield Task(lambda *_: keep(outcome, work), "Writing the cache")
    node = present(uid)
    if not warning:
        note_kept(node, work)
    if shown:
        node.message, node.failed = warning or (UP_TO_DATE if node.settings_shown else CHANGED_MEANWHILE), False
    return outcome, warning


def recolored(uid: str, frame: int) -> Routine:
    """Finds the colours that are not locked and fills the swatches; a routine.

    Raises:
        WorkerError: of any code.
    """
    python = python_path()
    work = yield from prepared(uid, frame, locked_only=True)
    palette = yield Task(
        lambda tell, cancelled: find_palette(connect_with(python), work, cancelled), "Finding the colors"
    )
    node = present(uid)
    take_palette(node, palette)
    node.message, node.failed = "", False
    return None


def checked_file(node: Any, frame: int) -> Path:
    """The file in the cache with the layers of a frame, if they are those of the node as it is now.

    Raises:
        NoPasses: there is none, or it was made from another picture or with other settings.
    """
    path = cache.file_of(node, frame, still=is_still(node, frame))
    try:
        facts = cache.facts_of(path)
    except OSError:
        raise NoPasses(f"frame {frame} is not in the cache ({path})") from None
    except exr.ExrError as error:
        raise NoPasses(f"frame {frame} is damaged in the cache ({error})") from None
    try:
        fresh = expected_key(node, frame, facts) == facts["key"]
    except (KeyError, ValueError, TypeError, AttributeError):
        raise NoPasses(f"frame {frame} in the cache is not one of ours ({path})") from None
    if not fresh:
        raise NoPasses(f"frame {frame} in the cache is stale: the settings or the picture changed since ({path})")
    return path


def loaded(path: Path, frame: int, colors: int) -> Any:
    """The layers in a file of the cache; any thread. Raises NoPasses."""
    try:
        layers = cache.load(path)
    except (OSError, exr.ExrError) as error:
        raise NoPasses(f"frame {frame} is damaged in the cache ({error})") from None
    if len(layers) != colors:
        raise NoPasses(f"frame {frame} in the cache has {len(layers)} layers, the node has {colors}")
    return layers


def checked_layers(node: Any, frame: int) -> Any:
    """The layers of a frame from the cache, if they are right. Raises NoPasses."""
    return loaded(checked_file(node, frame), frame, node.colors)


def layers_of(uid: str, frame: int) -> Routine:
    """The layers of a frame, from the cache or computed and kept there; a routine. Returns them, and whether they were
    computed.

    Raises:
        WorkerError: of any code; they can't be kept.
    """
    node = present(uid)
    try:
        path, colors = checked_file(node, frame), node.colors
        return (yield Task(lambda *_: loaded(path, frame, colors), "Reading the cache")), False
    except NoPasses as error:
        node = present(uid)
        if is_linked(node):
            raise linked_error(node, str(error)) from None
    outcome, warning = yield from segmented(uid, frame, shown=False)
    if warning:
        raise WorkerError("output", warning)
    return outcome.layers, True


def expected_key(node: Any, frame: int, facts: Mapping[str, str]) -> str:
    """The key that a cached frame must have. Pixels that were captured are taken to be those of their file, as long as
    the nodes they came through are the same; an empty text if these are not."""
    link, mask_link = link_into(node, "Image"), link_into(node, "Mask")
    if link is None:
        return ""
    source = file_source(link, frame)
    mask_source = file_source(mask_link, frame, data=True) if mask_link is not None else None
    if upstream_of(node, frame) != facts.get("upstream", ""):
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


def show_cached(node: Any, frame: int) -> bool:
    """Shows the layers of a frame from the cache, if they are right. Returns whether they are."""
    try:
        passes.write(node, checked_layers(node, frame))
    except NoPasses as error:
        node.message = str(error)
        return False
    passes.refresh(node)
    if not is_linked(node):
        take_palette(node, palette_of(node))  # a farm may have found it
    node.settings_shown = settings_of(node)
    node.message, node.failed = UP_TO_DATE, False
    return True


def show_again(node: Any) -> bool:
    """Shows the passes of the window's frame, or none where there are none. A node that never had any is left alone.
    Returns whether it has what it should have."""
    if not (node.settings_shown or passes.filled(node) or cache.folder(node).is_dir()):
        return True
    if show_cached(node, in_scene(node).frame_current):
        return True
    passes.paint(node, passes.NOTHING)
    passes.refresh(node)
    node.settings_shown = ""
    return False


def in_scene(node: Any) -> Any:
    """The scene whose compositor a node belongs to, the one of the window first."""
    scenes = [bpy.context.scene, *bpy.data.scenes]
    return next((scene for scene in scenes if any(other.uid == node.uid for other in nodes_of_scene(scene))), scenes[0])
