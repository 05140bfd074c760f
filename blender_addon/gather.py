# SPDX-License-Identifier: GPL-3.0-or-later
"""Gathers what the engine needs for the layers of a frame. Main thread only; :class:`Work` has nothing of Blender's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from . import srgb, strings
from .cache import Place
from .controls import masked_layers, palette_of, single_values
from .freshness import place_of, settings_of
from .fscs.client import LayerMask, Picture, Pixels, Plate
from .fscs.key import MASK_SPACE, file_identity, pixels_identity
from .properties import layer_values, palette_document
from .sources import FileSource, Sources, scene_space
from .window import around, joined, print_of


@dataclass(frozen=True)
class Inputs:
    """What flows into a node at one frame.

    Attributes:
        picture: for the engine.
        identity: of it, for the key.
        space: the color space it comes in.
        masks: for the engine.
        mask_parts: of the masks, for the key.
        upstream: what else decides whether a captured picture is still that of the node; empty for files.
        still: whether it is the same at every frame.
        clean: whether NaN and infinity are repaired.
        before: the pictures before it that the temporal smoothing looks at, in their order.
        after: those after it.
    """

    picture: Picture
    identity: str
    space: str
    masks: tuple[LayerMask, ...]
    mask_parts: tuple[dict[str, object], ...]
    upstream: str
    still: bool
    clean: bool
    before: tuple[Picture, ...] = ()
    after: tuple[Picture, ...] = ()


@dataclass(frozen=True)
class Work:
    """All that the engine needs for one frame, where it is kept, and the settings that it is made with."""

    inputs: Inputs
    place: Place
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


def prepare(
    node: Any,
    frame: int,
    pixels: Mapping[str, Any] | None = None,
    *,
    near: Mapping[int, Any] | None = None,
    locked_only: bool = False,
    alone: bool = False,
    upstream: str | None = None,
) -> Work:
    """Gathers everything for a frame.

    Args:
        node: the node.
        frame: of the scene.
        pixels: what was captured of the links that ``Sources.captured`` names.
        near: what was captured of the picture at the frames around it.
        locked_only: keep the locked colors only, instead of all that the node has.
        alone: leave out the frames around it.
        upstream: the fingerprint of what was captured, as it was when the render of it began.

    Raises:
        WorkerError: nothing is linked in, it can't be had, or the mask has no layer to work on.
    """
    sources = Sources.of(node, frame)
    upstream = print_of(node, frame) if upstream is None else upstream
    inputs = _inputs(node, sources, pixels or {}, upstream)
    if not alone:
        inputs = _with_near(node, frame, inputs, near or {})
    return Work(
        inputs=inputs,
        place=place_of(node, frame, sources, upstream),
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


def _inputs(node: Any, sources: Sources, pixels: Mapping[str, Any], upstream: str) -> Inputs:
    srgb.curve()
    if sources.image is None:
        raise strings.error("input", strings.NOTHING_LINKED)
    layers = masked_layers(node) if sources.mask is not None else ()
    if any(name not in pixels for name in sources.captured):
        raise strings.error("input", strings.MADE_BY_COMPOSITOR)
    picture, identity, space = _picture(sources.image_file, pixels.get("image"), node.clean_nonfinite)
    masks: tuple[LayerMask, ...] = ()
    parts: tuple[dict[str, object], ...] = ()
    if sources.mask is not None:
        mask, mask_identity = _mask(sources.mask_file, pixels.get("mask"), node.mask_mode, layers)
        masks = (mask,)
        parts = ({"mode": node.mask_mode, "layers": list(layers), "identity": mask_identity},)
    return Inputs(picture, identity, space, masks, parts, upstream, sources.still, node.clean_nonfinite)


def _with_near(node: Any, frame: int, inputs: Inputs, near: Mapping[int, Any]) -> Inputs:
    """What flows in at a frame, and the pictures around it."""
    frames = around(node, frame)
    here = frames.index(frame)
    pictures, identities = [inputs.picture], [inputs.identity]
    for number in [*frames[:here][::-1], *frames[here + 1 :]]:
        file = Sources.of(node, number).image_file
        if file is None and number not in near:
            raise strings.error("input", strings.MADE_BY_COMPOSITOR)
        picture, identity, _ = _picture(file, near.get(number), inputs.clean)
        place = 0 if number < frame else len(pictures)
        pictures.insert(place, picture)
        identities.insert(place, identity)
    return replace(
        inputs,
        identity=joined(identities, here),
        before=tuple(pictures[:here]),
        after=tuple(pictures[here + 1 :]),
    )


def _picture(file: FileSource | None, pixels: Any, clean: bool) -> tuple[Picture, str, str]:
    if file is not None:
        return Plate(str(file.path), file.color_space, clean_nonfinite=clean), _identity(file), file.color_space
    height, width, channels = pixels.shape
    space = scene_space()
    identity = pixels_identity(pixels, height, width, channels, space)
    return Pixels(pixels, height, width, channels, space, clean), identity, space


def _mask(file: FileSource | None, pixels: Any, mode: str, layers: tuple[int, ...]) -> tuple[LayerMask, str]:
    if file is not None:
        return LayerMask(mode, layers, path=str(file.path)), _identity(file)
    plane = np.ascontiguousarray(pixels[..., 0])
    height, width = plane.shape
    return LayerMask(mode, layers, plane, height, width), pixels_identity(plane, height, width, 1, MASK_SPACE)


def _identity(file: FileSource) -> str:
    try:
        return file_identity(file.path)
    except OSError as error:
        raise strings.error("input", strings.FILE_UNREADABLE, path=file.path, error=error.strerror) from error
