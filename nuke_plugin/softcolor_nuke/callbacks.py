"""What Nuke calls: when knobs change, when a node is made, before a frame is rendered."""

from __future__ import annotations

import os
import traceback
from pathlib import Path

import nuke

from . import exr, render, settings, upstream
from .fscs import frames
from .fscs.parameters import MAXIMUM_COLORS
from .fscs.protocol import WorkerError

FRESH, STALE = 0x5F7F9FFF, 0xBF2F2FFF
"""Colours of the node's tile."""

_written: dict[tuple[str, str], int] = {}
"""When the file was written that a node was seen with, 0 where there was none."""

PER_LAYER_KNOBS = (
    *("color{}", "name{}", "lock{}"),
    *("layer_gain{}", "layer_gamma{}", "layer_black{}", "layer_white{}"),
)


def knob_changed(node: nuke.Group, knob: nuke.Knob) -> None:
    """Follows a knob of the node. Nothing that goes wrong here may stand in the artist's way."""
    try:
        name = knob.name()
        if name in ("colors", "showPanel"):
            show_layers(node)
        if name not in ("status", "versions", "tile_color", "xpos", "ypos", "selected"):
            update(node)
    except Exception:  # Nuke would open a window at every step of a slider
        nuke.tprint(traceback.format_exc())


def created(node: nuke.Group) -> None:
    """A node was made, loaded or pasted: saved values stay, only what is seen follows them."""
    try:
        show_layers(node)
    except Exception:  # a script must load whatever happens here
        nuke.tprint(traceback.format_exc())


def update(node: nuke.Group) -> None:
    """Says by colour and words whether the cached file of this frame is as the knobs say."""
    try:
        frame, view = int(nuke.frame()), str(nuke.thisView())
        _read_what_is_new(node, frame, view)
        text = state(node, frame, view)
    except WorkerError as error:
        text = str(error)
    except Exception:  # called whenever Nuke draws the node
        nuke.tprint(traceback.format_exc())
        return
    color = STALE if text else FRESH
    words = text or ("cached" if node["mode"].value() == "Cached" else str(node["mode"].value()))
    nuke.Undo.disable()  # what the artist did not do is nothing to take back
    try:
        if int(node["tile_color"].value()) != color:
            node["tile_color"].setValue(color)
        if node["status"].value() != words:
            node["status"].setValue(words)
    finally:
        nuke.Undo.enable()


def _read_what_is_new(node: nuke.Group, frame: int, view: str) -> None:
    """Lets the Read inside the node read again if a file was written meanwhile: Nuke goes on to show the old one."""
    if node["mode"].value() != "Cached" or nuke.executing():
        return
    path = frames.file_of(render.cache_template(node), frame, view)
    try:
        written = os.stat(path).st_mtime_ns  # noqa: PTH116
    except OSError:
        written = 0
    if _written.setdefault((node.fullName(), path), written) != written:
        _written[node.fullName(), path] = written
        upstream.read_again(node.node("Cache"))


def show_layers(node: nuke.Group) -> None:
    """Shows the knobs of the layers that there are, and hides the others."""
    colors = int(node["colors"].value())
    for n in range(1, MAXIMUM_COLORS + 1):
        for pattern in PER_LAYER_KNOBS:
            node[pattern.format(n)].setVisible(n <= colors)


def state(node: nuke.Group, frame: int, view: str, *, sure: bool = False) -> str:
    """What is wrong with a frame's cached file, in words; an empty text if nothing is, or in other modes.

    Args:
        node: the Soft Color Segment node.
        frame: the frame.
        view: the view.
        sure: reads the image's files, if they were not read yet, even if they are older than the layers.

    Raises:
        WorkerError: the settings themselves are wrong, or the file can't be read.
    """
    if node["mode"].value() != "Cached":
        return ""
    path = frames.file_of(render.cache_template(node), frame, view)
    if not os.path.isfile(path):  # noqa: PTH113
        return f"frame {frame} is not rendered: press Render on the Cache tab"
    header = exr.read_header(path)
    found = settings.difference(settings.of_node(node, frame), header)
    if found:
        return f"frame {frame}: {found} since it was rendered: press Render on the Cache tab, or set it back"
    if header.get(upstream.STATE, "") not in ("", upstream.state(node, render.state_flags())):
        return f"frame {frame}: the image changed since its layers were rendered: press Render on the Cache tab"
    if not upstream.is_as_rendered(node, frame, view, Path(path), header, sure=sure):
        return f"frame {frame}: the image's file changed since its layers were rendered: press Render on the Cache tab"
    return ""


def before_frame_render() -> None:
    """Aborts a render whose Write has a Soft Color Segment node above it that has no layers as its knobs say.

    Raises:
        RuntimeError: the reason. Nuke ends the render.
    """
    frame, view = int(nuke.frame()), str(nuke.thisView())
    for node in nodes_above(nuke.thisNode()):
        try:
            problem = state(node, frame, view, sure=True)
        except WorkerError as error:
            problem = str(error)
        if problem:
            raise RuntimeError(f"{node.fullName()}: {problem}")


def nodes_above(node: nuke.Node) -> list[nuke.Group]:
    """The Soft Color Segment nodes that a node's image comes through."""
    return [found for found in upstream.nodes(node) if upstream.is_ours(found) and not found["disable"].value()]


def register() -> None:
    """Called by init.py."""
    nuke.addBeforeFrameRender(before_frame_render)
