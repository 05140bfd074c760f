"""What Nuke calls: when knobs change, when a node is made, before a frame is rendered."""

from __future__ import annotations

import functools
import os
import traceback
from collections.abc import Mapping, Sequence
from typing import Any, Callable

import nuke

from . import exr, first_contact, layer_names, live_nodes, recolor, render, settings, upstream
from .fscs.parameters import MAXIMUM_COLORS
from .fscs.protocol import WorkerError
from .later import Later

_written: dict[tuple[str, str], int] = {}
"""When the file was written that a node was seen with, 0 where there was none."""

_changed: dict[str, tuple[str, str]] = {}
"""By node: the file that was compared with the image the last time, and what was found."""

_known: dict[str, tuple[object, str]] = {}
"""By node: the frame and the file that were compared with the knobs the last time, and what was found."""

_told: set[str] = set()
"""Nodes that have words on them."""

PER_LAYER_KNOBS = (
    *("color{}", "name{}", "lock{}", "pick{}"),
    *(name + "{}" for name in settings.PER_LAYER),
    *(f"edit_{name}{{}}" for name in recolor.NAMES),
)

RECOLORS = frozenset(
    {*recolor.KNOBS, "recolor", "colors", "working_space", *(f"color{n}" for n in range(1, MAXIMUM_COLORS + 1))}
)
"""Knobs that change what the nodes that recolor are."""

MATTER = frozenset(
    {
        *("mode", "colors", "model", "working_space", "cache_file", "first_frame", "last_frame", "missing_frames"),
        *("use_mask", "mask_mode", "mask_layers", "mask_from", "inputChange", "showPanel", *settings.SCALARS),
        *(f"color{n}" for n in range(1, MAXIMUM_COLORS + 1)),
        *(f"{name}{n}" for name in settings.PER_LAYER for n in range(1, MAXIMUM_COLORS + 1)),
    }
)
"""Knobs, and events that come as one, that can change how a cached file stands to its node."""


def safe(callback: Callable[..., None]) -> Callable[..., None]:
    """A callback that prints what goes wrong in it: in Nuke it would stand in the artist's way, or end a render."""

    @functools.wraps(callback)
    def guarded(*arguments: Any) -> None:
        try:
            callback(*arguments)
        except Exception:
            nuke.tprint(traceback.format_exc())

    return guarded


@safe
def knob_changed(node: nuke.Group, knob: nuke.Knob) -> None:
    """Follows a knob of the node."""
    name = knob.name()
    if name in ("colors", "mode"):
        follow(node)
    if name in recolor.KNOBS:
        recolor.begin_color(node, name)
    if name in RECOLORS or (name in ("first_frame", "last_frame") and recolor.is_moving(node)):
        _recolor(node)
    if name in ("colors", "showPanel", "chosen_layer", "edit_layer"):
        show_layers(node)
    if name in MATTER:
        _known.pop(node.fullName(), None)
        update(node)


def _recolor(node: nuke.Group) -> None:
    """Lets the nodes that recolor follow, and says why they can't."""
    try:
        recolor.follow(node)
    except WorkerError as error:
        (nuke.message if nuke.GUI else nuke.tprint)(f"Soft Color Segment: {error}")


def follow(node: nuke.Group) -> None:
    """Lets the nodes inside be those that the number of colors and the mode need."""
    live_nodes.follow(node)
    layer_names.follow(node)
    _recolor(node)


@safe
def created(node: nuke.Group) -> None:
    """A node was made, loaded or pasted: saved values stay, only what is seen follows them."""
    _known.pop(node.fullName(), None)
    show_layers(node)
    render.put_away(node)
    _say(node, "")


@safe
def update(node: nuke.Group) -> None:
    """Says in the node's label whether the cached file of this frame is as the knobs say.

    Nuke calls it for every node whenever it is idle after a change. What lies before the node is looked at later.
    """
    layer_names.follow(node)  # where a program changed Colors, and Nuke said nothing
    frame, view = int(nuke.frame()), str(nuke.thisView())
    try:
        text = _quick_state(node, frame, view)
        path, changed = _changed.get(node.fullName(), ("", ""))
        if not text and path == upstream.file_of(node, frame, view):
            text = changed
    except WorkerError as error:
        text = str(error)
    _tell(node, text)
    if nuke.GUI and node["mode"].value() != "Bypass":
        _later.ask(node.fullName())


@safe
def look(names: Sequence[str]) -> None:
    """Compares the images before some nodes with those that their layers were made of, and says it in their labels."""
    frame, view = int(nuke.frame()), str(nuke.thisView())
    for name in names:
        node = nuke.toNode("root." + name)
        if isinstance(node, nuke.Group) and upstream.is_ours(node):
            _known.pop(name, None)  # an expression may have changed a knob
            with upstream.unnoticed():
                layer_names.look_above(node)
            try:
                with upstream.unnoticed():
                    if recolor.is_behind(node):
                        recolor.follow(node)
                text = state(node, frame, view, sure=True)
                _changed[name] = upstream.file_of(node, frame, view), text
            except WorkerError as error:
                text = str(error)
            _tell(node, text)


_later = Later(look)


def _tell(node: nuke.Group, problem: str) -> None:
    """Puts the state of a node into its label, and a working space that is not the script's."""
    mode = str(node["mode"].value())
    words = problem or ("cached" if mode == "Cached" else mode)
    script, own = first_contact.script_space(), str(node["working_space"].value())
    if mode != "Bypass" and script != own:
        words += f" (the working space is {own}, that of the script {script or 'none that is known'})"
    _say(node, words)


def _say(node: nuke.Group, words: str) -> None:
    """Sets the knob that the label shows."""
    if node["status"].value() == words:
        return
    (_told.add if words else _told.discard)(node.fullName())
    with upstream.unnoticed():
        node["status"].setValue(words)


@safe
def script_saved() -> None:
    """Lets the nodes be what a render without the plug-in needs, before they are written.

    The words are taken off: DO_NOT_WRITE should do, but they must not stand where the plug-in is missing.
    """
    for name in sorted(_told):
        node = nuke.toNode("root." + name)
        if isinstance(node, nuke.Group) and upstream.is_ours(node):
            _say(node, "")
    for node in nuke.allNodes("Group", group=nuke.root(), recurseGroups=True):
        if upstream.is_ours(node) and recolor.is_behind(node):
            _recolor(node)


def _quick_state(node: nuke.Group, frame: int, view: str) -> str:
    """As :func:`state`, but nothing is compared again that was before, until a knob changes or an image is looked at.

    Lets the Read inside the node read again if a file was written meanwhile: Nuke goes on to show the old one.
    """
    if node["mode"].value() != "Cached":
        return ""
    name, path = node.fullName(), _path(node, frame, view)
    try:
        written = os.stat(path).st_mtime_ns  # noqa: PTH116
    except OSError:
        written = 0
    if not nuke.executing() and _written.setdefault((name, path), written) != written:
        _written[name, path] = written
        upstream.read_again(node.node("Cache"))
    place = frame, path, written
    known = _known.get(name)
    if known is None or known[0] != place:
        known = _known[name] = place, state(node, frame, view)
    return known[1]


def _path(node: nuke.Group, frame: int, view: str) -> str:
    """The cached file of a frame.

    Raises:
        WorkerError: there is no good place for it.
    """
    render.cache_template(node)
    return upstream.file_of(node, frame, view)


def show_layers(node: nuke.Group) -> None:
    """Shows the colors that there are, and the controls of the layer that is chosen."""
    colors = int(node["colors"].value())
    chosen = {"layer": int(node["chosen_layer"].value()), "edit": int(node["edit_layer"].value())}
    for n in range(1, MAXIMUM_COLORS + 1):
        for pattern in PER_LAYER_KNOBS:
            one = chosen.get(pattern.partition("_")[0])
            knob, shown = node[pattern.format(n)], n <= colors if one is None else n == one
            if knob.visible() != shown:  # it is saved with the script
                knob.setVisible(shown)


def state(node: nuke.Group, frame: int, view: str, *, sure: bool = False) -> str:
    """What is wrong with a frame's cached file, in words; an empty text if nothing is, or in other modes.

    Args:
        node: the Soft Color Segment node.
        frame: the frame.
        view: the view.
        sure: compares the image, too: the nodes it comes through and the files it is read from.

    Raises:
        WorkerError: the settings themselves are wrong, or the file can't be read.
    """
    if node["mode"].value() != "Cached":
        return ""
    path = _path(node, frame, view)
    if not os.path.isfile(path):  # noqa: PTH113
        return f"frame {frame} is not rendered: press Render on the Cache tab"
    header = exr.read_header(path)
    found = settings.difference(settings.of_node(node, frame), header)
    if found:
        return f"frame {frame}: {found} since it was rendered: press Render on the Cache tab, or reset it"
    return _image_change(node, frame, view, header) if sure else ""


def _image_change(node: nuke.Group, frame: int, view: str, header: Mapping[str, Any]) -> str:
    """Whether the image is another one than the layers were made of, in words."""
    if recolor.is_behind(node, frame):
        return f"frame {frame}: an edit of Recolor changed by its expression: save the script again with the plug-in"
    if header.get(upstream.STATE, "") not in ("", upstream.state(node, render.state_flags())):
        return f"frame {frame}: the image changed since its layers were rendered: press Render on the Cache tab"
    if not upstream.is_as_rendered(node, frame, view, header):
        return f"frame {frame}: the image's file changed since its layers were rendered: press Render on the Cache tab"
    return ""


def before_frame_render() -> None:
    """Aborts a render whose Write shows layers of another image than there is now, or says so, as the node's knob asks.

    Files that are missing and settings that changed are left to the Read and the checks inside the nodes.

    Raises:
        RuntimeError: the reason. Nuke ends the render.
    """
    problems: list[str] = []
    _look_above(nuke.thisNode(), problems)
    if problems:
        raise RuntimeError(problems[0])


@safe
def _look_above(write: nuke.Node, problems: list[str]) -> None:
    """Adds what must end the render."""
    frame = int(nuke.frame())
    # Nuke may call once for all views of a frame.
    listed = str(write["views"].value()).split() if write.knob("views") else []
    views = dict.fromkeys([str(nuke.thisView()), *(str(view) for view in nuke.views() if view in listed)])
    for node in upstream.shown(write, frame):
        wanted = str(node["image_check"].value()) if node.knob("image_check") else "error"
        for view in views if wanted != "off" else ():
            try:
                path = _path(node, frame, view)
                found = _image_change(node, frame, view, exr.read_header(path)) if os.path.isfile(path) else ""  # noqa: PTH113
            except WorkerError:
                continue  # which the Read says
            if found and wanted == "error":
                problems.append(f"{node.fullName()}: {found}")
            elif found:
                nuke.tprint(f"Soft Color Segment: warning: {node.fullName()}: {found}")


@safe
def made_by_user() -> None:
    """A node was made by an artist: it begins with what the script says."""
    first_contact.made_by_user()


def register() -> None:
    """Called by init.py."""
    nuke.addBeforeFrameRender(before_frame_render)
    nuke.addOnUserCreate(made_by_user, nodeClass="Group")
    nuke.addOnScriptSave(script_saved)
