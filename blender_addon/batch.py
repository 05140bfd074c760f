# SPDX-License-Identifier: GPL-3.0-or-later
"""Rendering: every frame gets its own passes or none at all.

``render_pre`` is the one handler whose pixels the compositor uses for that same frame, in every version. Nothing but
pixels may be changed in it.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import bpy

from . import copies, passes, segmenting, strings, ui, upstream
from .capture import capturing
from .compute import compute, keep
from .controls import palette_of
from .engine import connect
from .freshness import NoPasses
from .fscs.protocol import WorkerError
from .gather import prepare
from .jobs import Progress, Routine, run_now, understood
from .session import SESSION
from .show import paint, put, put_cached
from .sources import link_into
from .stopping import stoppable
from .trees import is_linked, nodes_of_scene, nodes_of_strips
from .window import palette_frames

EXIT_NO_PASSES = 3
"""Exit code of a Blender without a window whose render has no right passes for a frame."""


@bpy.app.handlers.persistent
def on_render_pre(scene: Any, *_: Any) -> None:
    """Before a frame is composited: its passes into the images of every node, or the end of the render."""
    if capturing():
        return
    for node, strip in nodes_of_strips(scene) if scene.render.use_sequencer else ():
        if not node.mute:
            wrong, cure = strings.IN_SEQUENCER
            stop_render(node, f"{wrong}: {cure}".format(name=node.name, strip=strip))
    for node in upstream.ours_in_render(scene):
        if node.mute:
            continue
        try:
            put_for_render(node, scene.frame_current)
        except Exception as error:  # whatever it is: Blender would print it and go on without right passes
            if not isinstance(error, WorkerError):
                traceback.print_exc()
            elif error.code == "cancelled":
                paint(node, passes.ALARM)
                node.message, node.settings_shown = strings.CANCELLED, ""
                continue
            stop_render(node, f"{node.name}: {understood(error)}")


def put_for_render(node: Any, frame: int) -> None:
    """Has the images of a node hold the layers of a frame: from the cache, else computed now where the picture is a
    file.

    Raises:
        NoPasses: neither can be had; says why and what to do.
        WorkerError: ``cancelled`` by Esc.
    """
    try:
        put_cached(node, frame)
    except NoPasses as error:
        why = str(error)
    else:
        unwatched = upstream.unwatched(node)
        if bpy.app.background and unwatched and not node.trust_scene:
            raise NoPasses(strings.UNWATCHED, frame=frame, what=", ".join(unwatched))
        return
    if link_into(node, "Image") is None:
        raise NoPasses("{why}; {linked}", why=why, linked=strings.NOTHING_LINKED[0])
    if len(palette_of(node)["colors"]) < node.colors:
        raise NoPasses(strings.NO_PALETTE, why=why)
    try:
        work = prepare(node, frame)
        with stoppable() as cancelled:
            outcome = compute(connect(None), work, cancelled=cancelled)
    except WorkerError as error:
        if error.code == "cancelled":
            raise
        raise NoPasses(strings.NOT_MADE_NOW, why=why, error=error) from error
    if node.cached_in and not is_linked(node):
        warning = keep(outcome, work)
        if warning:
            print(f"{node.name}: {warning}", file=sys.stderr)
    put(node, outcome.layers)


def stop_render(node: Any, message: str) -> None:
    """Sees to it that nobody takes a frame without right passes for a good one.

    A handler can't stop a render: Blender prints what it raises and goes on. Without a window the process is ended,
    which a farm sees. With one, the passes are filled with magenta and the node says why.
    """
    print(f"Soft Color Segment: ERROR: {message}", file=sys.stderr, flush=True)
    if bpy.app.background:
        told = strings.FILL_FROM_OUTSIDE.format(command=strings.FILL_COMMAND)
        print(f"Soft Color Segment: {told}", file=sys.stderr, flush=True)
        sys.stdout.flush()
        os._exit(EXIT_NO_PASSES)
    paint(node, passes.ALARM)
    node.message, node.failed = message, True
    if node.uid not in SESSION.alarmed:
        SESSION.alarmed.add(node.uid)
        bpy.app.timers.register(lambda: ui.popup(strings.NO_PASSES_TITLE, message))  # this is not the main thread


def nodes_to_fill(scene: Any, names: Sequence[str] = ()) -> list[Any]:
    """The nodes of a scene that have one of these names, or all of them; first those whose layers flow into others.

    Raises:
        WorkerError: there is no such node.
    """
    copies.separate()
    nodes = [node for node in nodes_of_scene(scene) if not names or node.name in names]
    if not nodes or (names and {node.name for node in nodes} != set(names)):
        raise strings.error("usage", strings.NO_SUCH_NODE, names=", ".join(names) or "here")
    return sorted(nodes, key=lambda node: len(upstream.ours_behind(node)))


def filling(uid: str, frames: Sequence[int], progress: Progress) -> Routine:
    """Fills the cache of a node; a routine. Where no palette was chosen, one is found for all frames. Frames that are
    in the cache and right are left alone. Returns how many were computed.

    Raises:
        WorkerError: of any code.
    """
    node = copies.present(uid)
    if frames and len(palette_of(node)["colors"]) < node.colors and not is_linked(node):
        yield from segmenting.recolored(uid, palette_frames(node, frames), locked_only=False)
    computed = 0
    try:
        for number, frame in enumerate(frames):
            progress.start_part(
                strings.FRAME_OF.format(frame=frame, number=number + 1, count=len(frames)), number, len(frames)
            )
            _, made = yield from segmenting.kept(uid, frame)
            if made:
                computed += 1
                if bpy.app.background:
                    print(f"Soft Color Segment: {copies.present(uid).name}: frame {frame}", flush=True)
    finally:
        segmenting.forget()
    return computed


def fill(scene: Any, frames: Sequence[int], names: Sequence[str] = ()) -> int:
    """Fills the cache of all nodes of a scene, or of those with some names; see :func:`filling`.

    Returns:
        how many frames were computed.

    Raises:
        WorkerError: of any code; there is no such node.
    """
    uids = [node.uid for node in nodes_to_fill(scene, names)]
    return sum(run_now(filling(uid, frames, Progress())) for uid in uids)


def parse_frames(text: str, scene: Any) -> list[int]:
    """``1-100``, ``7`` or ``1-9,20``; empty for the scene's own range. Raises ValueError."""
    if not text:
        return list(range(scene.frame_start, scene.frame_end + 1, scene.frame_step))
    frames: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-") if not part.strip().startswith("-") else (part, "", "")
        begin, end = int(first), int(last if dash else first)
        if end < begin:
            raise ValueError(strings.FRAMES_BACKWARDS.format(frames=part))
        frames.extend(range(begin, end + 1))
    return frames


def command(arguments: list[str]) -> int:
    """``blender -b FILE --command soft_color_segment``. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="blender -b FILE --command soft_color_segment", description=fill.__doc__)
    parser.add_argument("--frames", default="", help="as in 1-100 or 1-9,20; without it, the frame range of the scene")
    parser.add_argument("--node", action="append", default=[], help="one node; without it, all nodes")
    parser.add_argument("--scene", default="", help="another scene; without it, the active one")
    try:
        chosen = parser.parse_args(arguments)
    except SystemExit as end:
        return int(end.code or 0)
    scene = bpy.data.scenes.get(chosen.scene) if chosen.scene else bpy.context.scene
    if scene is None:
        print(f"Soft Color Segment: ERROR: there is no scene {chosen.scene}", file=sys.stderr)
        return 2
    try:
        computed = fill(scene, parse_frames(chosen.frames, scene), chosen.node)
    except ValueError as error:
        print(f"Soft Color Segment: ERROR: --frames {chosen.frames}: {error}", file=sys.stderr)
        return 2
    except WorkerError as error:
        print(f"Soft Color Segment: ERROR: {error}", file=sys.stderr)
        return error.exit_code
    print(f"{strings.NAME}: {strings.FRAMES_COMPUTED.format(count=computed)}", flush=True)
    return 0
