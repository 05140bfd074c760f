# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the layers that are shown, or in the cache, are those of the node as it is now."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from . import cache, exr, memory, recoloring, strings
from .contents import identity
from .controls import masked_layers, palette_of, single_values
from .fscs.key import cache_key, result_parameters
from .fscs.protocol import WorkerError
from .properties import layer_values
from .recombine import wrong_mix
from .session import SESSION
from .sources import Sources, link_into, origin, scene_space
from .upstream import ambiguous, glance_of, unwatched
from .window import identity_of, print_of


class NoPasses(WorkerError):
    """There are no passes of a frame that are right; says why."""

    def __init__(self, why: str, /, **facts: object) -> None:
        super().__init__("cache", why.format(**facts) if facts else why)


def settings_of(node: Any) -> str:
    """Changes when a control does that changes the layers; quick enough to be asked several times a second."""
    parts = (
        [[*entry.color, entry.found] for entry in node.palette],
        single_values(node),
        layer_values(node),
        node.model,
        node.precision,
        node.clean_nonfinite,
        node.mask_mode,
        [entry.masked for entry in node.palette] if node.inputs["Mask"].is_linked else None,
        [origin(link_into(node, name)) for name in ("Image", "Mask")],
        scene_space(),
        glance_of(node),
    )
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def look_at(node: Any) -> bool:
    """Works out what the status line says, which drawing has no time for. Main thread. Returns whether it changed."""
    state = SESSION.state(node.uid)
    now, unseen = settings_of(node), tuple(unwatched(node))
    hint = wrong_mix(node) or recoloring.hint(node)
    changed = (now, unseen, hint) != (state.settings_now, state.unwatched, state.hint)
    state.settings_now, state.unwatched, state.hint = now, unseen, hint
    return changed


def place_of(node: Any, frame: int, sources: Sources, upstream: str) -> cache.Place:
    """Where the layers of a frame are kept.

    Args:
        node: the node.
        frame: of the scene.
        sources: at the frame.
        upstream: their fingerprint.
    """
    files = (sources.image_file, sources.mask_file)
    shown = cache.shown_digest(*(identity(file.path) if file is not None else "" for file in files), upstream)
    return cache.place(node, frame, shown, still=sources.still)


def checked_file(node: Any, frame: int) -> Path:
    """The file in the cache with the layers of a frame, if they are those of the node as it is now.

    Raises:
        NoPasses: there is none, or it was made from another picture or with other settings.
    """
    group = ambiguous(node, frame)
    if group:
        raise NoPasses(": ".join(strings.GROUP_USED_DIFFERENTLY), name=node.name, group=group)
    sources = Sources.of(node, frame)
    upstream = print_of(node, frame)
    place = place_of(node, frame, sources, upstream)
    wrong: list[NoPasses] = []
    for path in cache.candidates(place):
        try:
            facts = cache.facts_of(path)
            if expected_key(node, frame, sources, upstream, facts) == facts["key"]:
                return path
            wrong.append(NoPasses(strings.STALE_FRAME, frame=frame, path=path))
        except OSError:  # it was removed meanwhile
            continue
        except exr.ExrError as error:
            wrong.append(NoPasses(strings.DAMAGED, frame=frame, error=error))
        except (KeyError, ValueError, TypeError, AttributeError):
            wrong.append(NoPasses(strings.NOT_OURS, frame=frame, path=path))
    raise wrong[0] if wrong else NoPasses(strings.NOT_IN_CACHE, frame=frame, path=place.folder)


def read(path: Path, frame: int, colors: int, numbers: Collection[int]) -> dict[int, Any]:
    """Layers in a file of the cache, by their numbers from 0; any thread. Raises NoPasses."""
    try:
        found = cache.layer_count(path)
        if found != colors:
            raise NoPasses(strings.OTHER_COUNT, frame=frame, found=found, wanted=colors)
        return memory.layers(path, numbers)
    except (OSError, exr.ExrError) as error:
        raise NoPasses(strings.DAMAGED, frame=frame, error=error) from None


def expected_key(node: Any, frame: int, sources: Sources, upstream: str, facts: Mapping[str, str]) -> str:
    """The key that a cached frame must have. Pixels that were captured are taken to be those of their file, as long as
    the nodes they came through are the same; an empty text if these are not."""
    if sources.image is None or upstream != facts.get("upstream", ""):
        return ""
    if facts.get("model", node.model) != node.model:
        return ""
    stored = json.loads(facts["parameters"])
    file, mask_file = sources.image_file, sources.mask_file
    masks = []
    try:
        if sources.mask is not None:
            old = json.loads(facts.get("masks", "[]"))
            mask_identity = identity(mask_file.path) if mask_file is not None else old[0]["identity"]
            masks = [{"mode": node.mask_mode, "layers": list(masked_layers(node)), "identity": mask_identity}]
    except (IndexError, WorkerError):
        return ""
    parameters = result_parameters(
        single_values(node),
        layer_values(node),
        working_space=scene_space(),
        input_space=file.color_space if file is not None else scene_space(),
        precision=stored["precision"] if node.precision == "auto" else node.precision,
        clean_nonfinite=node.clean_nonfinite,
        input_layer=stored.get("input_layer", ""),
        depth=stored.get("depth", "float"),
    )
    return cache_key(
        weights_sha256=facts["weights"],
        palette=[color["rgb"] for color in palette_of(node)["colors"]],
        parameters=parameters,
        input_identity=identity_of(node, frame) if file is not None else facts["input"],
        masks=masks,
    )
