# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks the engine for layers and keeps them. Any thread; touches nothing of Blender's."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from . import cache, srgb, strings
from .fscs.client import Picture, Pixels, Plate, Worker
from .fscs.key import cache_key, canonical_json, result_parameters
from .gather import Inputs, Work
from .jobs import Cancelled, Tell

DEFAULT_PRECISION = "float32"
SRGB = "srgb"
PALETTE_PIXELS = 2**18
"""How many the engine looks at for a palette, of all frames together."""


class Heard:
    """Brings together what the engine tells one by one.

    Args:
        tell: whom it is for; None for nobody.
    """

    def __init__(self, tell: Tell | None) -> None:
        self._tell = tell
        self._fraction: float = 0.0
        self._eta: float | None = None

    def progress(self, fraction: float, eta: float | None) -> None:
        """The fraction, and the seconds to go."""
        self._fraction, self._eta = fraction, eta

    def doing(self, stage: str) -> None:
        """What is done; comes after the fraction."""
        if self._tell is not None:
            self._tell(self._fraction, self._eta, stage)


@dataclass(frozen=True)
class Outcome:
    """What came of it: the whole palette, (K, H, W, 4) layers, and the facts for the cache."""

    palette: dict[str, Any]
    layers: Any
    facts: dict[str, str]


def compute(
    worker: Worker,
    work: Work,
    progress: Tell | None = None,
    cancelled: Cancelled | None = None,
) -> Outcome:
    """Has the engine find the colors that are missing and the layers.

    Raises:
        WorkerError: of any code; ``cancelled`` when it was.
    """
    work = replace(work, inputs=_as_blender_has_them(worker, work, cancelled))
    palette = (
        find_palette(worker, work, progress, cancelled) if len(work.palette["colors"]) < work.colors else work.palette
    )
    parameters: dict[str, Any] = {**work.values, **work.layers}
    heard = Heard(progress)
    with worker.segment(
        work.inputs.picture,
        palette,
        parameters,
        before=work.inputs.before,
        after=work.inputs.after,
        masks=work.inputs.masks,
        model=work.model,
        working_space=work.working_space,
        device=work.device,
        precision=work.precision,
        tile=work.tile,
        progress=heard.progress,
        doing=heard.doing,
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


def find_palette(
    worker: Worker,
    work: Work,
    progress: Tell | None = None,
    cancelled: Cancelled | None = None,
    others: Sequence[Picture] = (),
) -> dict[str, Any]:
    """The colors there are, and around them those that are missing. ``others`` are more frames of the shot.

    Raises:
        WorkerError: of any code.
    """
    found = worker.palette(
        work.inputs.picture,
        work.colors,
        others=others,
        given=work.palette if work.palette["colors"] else None,
        seed=work.seed,
        palette_method=work.palette_method,
        doing=Heard(progress).doing,
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
    return _linear(worker, work.inputs.picture, work.working_space, cancelled)


def reduced(picture: Picture, frames: int) -> Picture:
    """Of a picture that was captured, the grid of pixels that the engine looks at for a palette of so many frames."""
    if isinstance(picture, Plate):
        return picture
    return grid(picture, PALETTE_PIXELS // frames)[1]


def grid(picture: Pixels, most: int) -> tuple[int, Pixels]:
    """Every so many-th pixel of a picture, so that there are at most ``most``; and how many-th."""
    step = 1
    while -(-picture.height // step) * -(-picture.width // step) > most:
        step += 1
    pixels = np.ascontiguousarray(picture.data[::step, ::step])
    height, width, channels = pixels.shape
    return step, Pixels(pixels, height, width, channels, picture.color_space, picture.clean_nonfinite)


def _as_blender_has_them(worker: Worker, work: Work, cancelled: Cancelled | None) -> Inputs:
    inputs = work.inputs
    before, after = (
        tuple(_linear(worker, each, work.working_space, cancelled) for each in near)
        for near in (inputs.before, inputs.after)
    )
    return replace(inputs, picture=picture_for(worker, work, cancelled), before=before, after=after)


def _linear(worker: Worker, picture: Picture, working_space: str, cancelled: Cancelled | None) -> Picture:
    if not isinstance(picture, Plate) or picture.color_space != SRGB:
        return picture
    with worker.read(picture, SRGB, cancelled=cancelled) as result:
        encoded = np.asarray(result.memory())
        alpha = encoded[..., 3:]
        straight = encoded[..., :3] / np.where(alpha > 0.0, alpha, 1.0)
        pixels = np.concatenate([srgb.linear(straight) * alpha, alpha], axis=-1)
    height, width, channels = pixels.shape
    return Pixels(np.ascontiguousarray(pixels, dtype=np.float32), height, width, channels, working_space)


def parameters_of(work: Work) -> dict[str, object]:
    """The part of the key that was chosen."""
    return result_parameters(
        work.values,
        work.layers,
        working_space=work.working_space,
        input_space=work.inputs.space,
        clean_nonfinite=work.inputs.clean,
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


def file_of(outcome: Outcome, work: Work) -> Path:
    """The file in the cache that the layers belong into."""
    return work.place.file(outcome.facts["key"], work.inputs.upstream)


def keep(outcome: Outcome, work: Work) -> str:
    """Keeps the layers in the cache. Returns a warning if that can't be, or an empty text."""
    path = file_of(outcome, work)
    try:
        cache.store(path, outcome.layers, outcome.facts)
        cache.note(work.place, path.name, outcome.palette)
    except OSError as error:
        return strings.NOT_KEPT.format(folder=path.parent, error=error.strerror)
    return ""
