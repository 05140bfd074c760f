# SPDX-License-Identifier: GPL-3.0-or-later
"""From a node to its layers, in routines (``jobs.py``): gather (main thread), compute and keep (any thread), show (main
thread)."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import bpy

from . import cache, exr, strings, upstream
from .capture import captured
from .compute import compute, find_palette, keep, reduced
from .controls import mark_masked
from .copies import present
from .engine import connect_with, python_path
from .freshness import NoPasses, checked_file
from .fscs.client import Picture
from .fscs.parameters import TEMPORAL_RADIUS
from .fscs.protocol import WorkerError
from .gather import Work, prepare
from .jobs import Routine, Task
from .properties import in_slots, take_palette
from .session import SESSION
from .show import claim, put_cached, show, show_again, take_colors
from .sources import Sources, scene_space
from .trees import is_linked, nodes_of_strips, scene_of
from .window import around, print_of


def segmented(uid: str, frame: int, *, shown: bool = True, work: Work | None = None) -> Routine:
    """The layers of a frame, shown and kept; a routine. Returns the Outcome and a warning or an empty text. ``work`` is
    what was :func:`prepared`, if it was.

    The passes are shown even if they can't be kept: better a picture now than none.

    Raises:
        WorkerError: of any code.
    """
    python = python_path()
    work = (yield from prepared(uid, frame)) if work is None else work
    outcome = yield Task(lambda tell, cancelled: compute(connect_with(python), work, tell, cancelled))
    node = present(uid)
    if shown:
        show(node, outcome, work, frame)
    else:
        take_colors(node, outcome, work)
    warning = yield Task(lambda *_: keep(outcome, work), strings.WRITING_CACHE)
    node = present(uid)
    if not warning:
        _note_kept(node, work)
    if shown:
        said = strings.UP_TO_DATE if node.settings_shown else strings.CHANGED_MEANWHILE
        node.message, node.failed = warning or said, False
    return outcome, warning


def recolored(uid: str, frames: Sequence[int], *, locked_only: bool = True) -> Routine:
    """Finds one palette for some frames and fills the swatches; a routine.

    Args:
        uid: of the node.
        frames: at least one.
        locked_only: keep the locked colors only, instead of all that were chosen or found.

    Raises:
        WorkerError: of any code.
    """
    python = python_path()
    pictures: list[Picture] = []
    for frame in frames:
        work = yield from prepared(uid, frame, locked_only=locked_only, alone=True)
        pictures.append(reduced(work.inputs.picture, len(frames)))
    work = replace(work, inputs=replace(work.inputs, picture=pictures[0]))
    palette = yield Task(
        lambda tell, cancelled: find_palette(connect_with(python), work, tell, cancelled, pictures[1:]),
        strings.FINDING_COLORS,
    )
    node = present(uid)
    take_palette(node, in_slots(node, palette, locked_only=locked_only))
    node.message, node.failed = "", False
    return None


def kept(uid: str, frame: int) -> Routine:
    """Sees to it that the layers of a frame are in the cache; a routine. Returns their file, and whether they were
    computed.

    Raises:
        WorkerError: of any code; they can't be kept.
    """
    node = present(uid)
    try:
        path = checked_file(node, frame)
        exr.check(path)
        claim(node, frame, path)
        return path, False
    except (NoPasses, exr.ExrError, OSError) as error:
        node = present(uid)
        if is_linked(node):
            raise linked_error(node, str(error)) from None
    outcome, warning = yield from segmented(uid, frame, shown=False)
    if warning:
        raise WorkerError("output", warning)
    return checked_file(present(uid), frame), True


def prepared(uid: str, frame: int, *, locked_only: bool = False, alone: bool = False) -> Routine:
    """Gathers everything for a frame, and renders where that is how to get at what is linked in; a routine. Returns
    the Work.

    Args:
        uid: of the node.
        frame: of the scene.
        locked_only: keep the locked colors only.
        alone: without the frames around it, whatever the temporal smoothing is.

    Raises:
        WorkerError: it can't be had.
    """
    node = present(uid)
    check(node, frame)
    sources = Sources.of(node, frame)
    if sources.mask is not None:
        mark_masked(node)
    if not sources.captured:
        return prepare(node, frame, locked_only=locked_only, alone=alone)
    others = around(node, frame) if sources.image_file is None and not alone else (frame,)
    before, keeps = print_of(node, frame), len(others) > 1 or node.auto_update
    pixels: dict[int, Any] = {}
    try:
        for number in others:
            pixels[number] = yield from _taken(uid, number, image_only=number != frame, keep=keeps)
    finally:
        with contextlib.suppress(WorkerError):  # the node may be gone
            for other in upstream.ours_behind(present(uid)):
                show_again(other)
    own = pixels.pop(frame)
    near = {number: each["image"] for number, each in pixels.items()}
    return prepare(present(uid), frame, own, near=near, locked_only=locked_only, upstream=before, alone=alone)


def at_hand(node: Any, frame: int) -> bool:
    """Whether nothing has to be rendered to know what flows into a node at a frame."""
    sources = Sources.of(node, frame)
    frames = around(node, frame) if sources.image_file is None else (frame,)
    return not sources.captured or all(_key(node, number) in SESSION.near for number in frames)


def _key(node: Any, frame: int) -> tuple[str, str]:
    return node.uid, upstream.fingerprint_of(Sources.of(node, frame), frame)


def _taken(uid: str, frame: int, *, image_only: bool, keep: bool) -> Routine:
    """What flows into a node at a frame, rendered; a routine. What is kept is not rendered again for the frames beside
    it, until :func:`forget` is called."""
    node = present(uid)
    links = Sources.of(node, frame).captured
    if image_only:
        links = {"image": links["image"]}
    key = _key(node, frame)
    kept = SESSION.near.get(key, {})
    if all(name in kept for name in links):
        return kept
    for other in upstream.ours_behind(node):
        try:
            put_cached(other, frame)
        except NoPasses as error:
            raise strings.error("input", strings.BEHIND_HAS_NONE, name=other.name, why=error) from error
    pixels = yield from captured(scene_of(node).name, links, frame)
    if keep:
        SESSION.near[key] = pixels
        while len(SESSION.near) > 2 * TEMPORAL_RADIUS + 1:
            SESSION.near.popitem(last=False)
    return pixels


def forget() -> None:
    """Keeps nothing that was rendered for the frames beside."""
    SESSION.near.clear()


def check(node: Any, frame: int) -> None:
    """That a node may be worked on at all. Raises WorkerError."""
    if is_linked(node):
        raise linked_error(node)
    if not scene_space():
        raise strings.error("usage", strings.UNKNOWN_SPACE)
    for scene in bpy.data.scenes:
        for other, strip in nodes_of_strips(scene):
            if other == node:
                raise strings.error("usage", strings.IN_SEQUENCER, name=node.name, strip=strip)
    group = node.ambiguous = upstream.ambiguous(node, frame)
    if group:
        raise strings.error("usage", strings.GROUP_USED_DIFFERENTLY, name=node.name, group=group)


def linked_error(node: Any, why: str = "") -> WorkerError:
    """What an artist is told who wants to change a node that is in another file."""
    library = Path(node.id_data.library.filepath).name
    reason = f"; {why}" if why else ""
    return strings.error("usage", strings.IS_LINKED, name=node.name, library=library, why=reason)


def _note_kept(node: Any, work: Work) -> None:
    """Has the node remember where its layers are, and brings those along that are elsewhere."""
    if node.cached_in == str(work.place.folder):
        return
    with contextlib.suppress(OSError):
        cache.follow(node)
    node.cached_in = str(work.place.folder)
