"""What lies before a node: whether it changed, and the files that are read there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Optional

import nuke

from . import frames
from .fscs.key import file_identity
from .fscs.naming import METADATA_PREFIX
from .fscs.parameters import TEMPORAL_RADIUS

SOURCES = METADATA_PREFIX + "sources"
"""The attribute of a cached file that stands for the bytes of the files which its image was read from."""

STATE = METADATA_PREFIX + "upstream"
"""The attribute that stands for the nodes which the image came through."""

_LOOKS = frozenset(
    {
        *("name", "label", "xpos", "ypos", "selected", "tile_color", "gl_color", "icon", "postage_stamp"),
        *("note_font", "note_font_size", "note_font_color", "hide_input", "bookmark", "dope_sheet", "cached"),
        "version",
    }
)
"""Knobs that change how a node looks and not its pixels; ``version`` counts how often a Read was reloaded."""

_MOVIES = (".mov", ".mp4", ".m4v", ".mkv", ".avi", ".mxf", ".webm")

_known: dict[str, tuple[int, int, str]] = {}
"""Size, time and identity of files that were looked at: unchanged ones are not read again."""


def nodes(*starts: Optional[nuke.Node]) -> Iterator[Optional[nuke.Node]]:
    """These nodes and all before them, each once; None for an input with nothing at it."""
    seen: set[str] = set()
    waiting = list(starts)
    while waiting:
        above = waiting.pop()
        if above is None:
            yield None
            continue
        name = above.fullName()
        if name not in seen:
            seen.add(name)
            yield above
            waiting += [above.input(index) for index in range(above.inputs())]


def state(node: nuke.Node, flags: int) -> str:
    """A short text that changes when a node before the inputs does, but not with how the nodes look.

    Folders of files are left out: a farm may have them elsewhere, and what is in the files is compared by itself.

    Args:
        node: the Soft Color Segment node.
        flags: those of ``Node.writeKnobs`` for a script.
    """
    digest = hashlib.sha256()
    for above in nodes(*_starts(node)):
        if above is None:
            digest.update(b"none;")
            continue
        kept = [above.Class()]
        for line in above.writeKnobs(flags).splitlines():
            knob, _, value = line.strip().partition(" ")
            if knob not in _LOOKS:
                kept.append(f"{knob} {value.rsplit('/', 1)[-1] if knob == 'file' else value}")
        digest.update("\n".join([*kept, ";"]).encode("utf-8"))
    return digest.hexdigest()[:32]


def _starts(node: nuke.Node) -> list[Optional[nuke.Node]]:
    """The nodes at the inputs that are used."""
    return [node.input(0), node.input(1)] if node["use_mask"].value() else [node.input(0)]


def window(node: nuke.Node, frame: int) -> list[int]:
    """The frames that decide the layers of one: itself, and those around it that the temporal smoothing looks at."""
    above = node.input(0)
    if above is None or float(node["temporal"].value()) <= 0:
        return [frame]
    first, last = int(above.firstFrame()), int(above.lastFrame())
    reach = range(frame - TEMPORAL_RADIUS, frame + TEMPORAL_RADIUS + 1)
    return [number for number in reach if first <= number <= last or number == frame]


def differs_by_view(node: nuke.Node) -> bool:
    """Whether a file before the inputs has another name in each view."""
    return any(frames.has_view(template) for template in _templates(node))


def _templates(node: nuke.Node) -> list[str]:
    """The names of the files that are read before the inputs, with the places for frame and view."""
    return [template_of(above) for above in _reads(node)]


def _reads(node: nuke.Node) -> list[Any]:
    return [above for above in nodes(*_starts(node)) if above is not None and above.Class() == "Read"]


def reload(node: nuke.Node) -> None:
    """Lets the Read nodes before the inputs read their files again: Nuke goes on to show what it has in memory."""
    for read in _reads(node):
        read_again(read)


def read_again(read: nuke.Node) -> None:
    """What the Reload button of a Read does, but not as something to take back."""
    version = read["version"]
    nuke.Undo.disable()
    try:
        version.setValue(int(version.value()) + 1)
    finally:
        nuke.Undo.enable()


def template_of(node: nuke.Node, knob: str = "file") -> str:
    """The name in a file knob, with Tcl worked out and the places for frame and view left in."""
    text = str(node[knob].value())
    return str(node[knob].getEvaluatedValue()) if "[" in text else text


def _files(node: nuke.Node, numbers: Sequence[int], view: str) -> list[Path]:
    """The files that are read before the inputs at these frames, as far as they are there."""
    templates = _templates(node)
    named = (Path(frames.path_of(template, number, view)) for number in numbers for template in templates)
    return [file for file in dict.fromkeys(named) if file.is_file()]


def sources(node: nuke.Node, frame: int, view: str) -> str:
    """What stands for the bytes of the files that the layers of a frame are made of, empty where none is read."""
    digests = [_identity(file) for file in _files(node, window(node, frame), view)]
    return hashlib.sha256("\n".join(digests).encode("ascii")).hexdigest() if digests else ""


def is_as_rendered(
    node: nuke.Node, frame: int, view: str, cached: Path, header: Mapping[str, Any], *, sure: bool
) -> bool:
    """Whether the files before the inputs are those that a cached file was made of.

    Args:
        node: the Soft Color Segment node.
        frame: the frame.
        view: the view.
        cached: the cached file.
        header: its attributes.
        sure: reads every file that is not known yet; else files older than the cached one are taken for unchanged.
    """
    try:
        written = cached.stat().st_mtime_ns
        found = _files(node, window(node, frame), view)
        if not sure and all(file.stat().st_mtime_ns <= written for file in found):
            return True
        if SOURCES in header:
            return header[SOURCES] == sources(node, frame, view)
        plate = _file_of_command_line(node, frame, view, header)
        return plate is None or header.get(METADATA_PREFIX + "input") == _identity(plate)
    except OSError:
        return True  # what can't be read is an error of its own node


def _file_of_command_line(node: nuke.Node, frame: int, view: str, header: Mapping[str, Any]) -> Optional[Path]:
    """The image that ``fscs segment`` read, if it is the one right before the node; else it can't be compared."""
    above = node.input(0)
    while above is not None and above.Class() == "Dot":
        above = above.input(0)
    parameters = json.loads(header.get(METADATA_PREFIX + "parameters", "{}"))
    if above is None or above.Class() != "Read" or STATE in header or float(parameters.get("temporal", 0)) > 0:
        return None
    file = Path(frames.path_of(template_of(above), frame, view))
    return file if file.is_file() and file.suffix.lower() not in _MOVIES else None


def _identity(file: Path) -> str:
    found = file.stat()
    size, time, identity = _known.get(str(file), (-1, -1, ""))
    if (size, time) != (found.st_size, found.st_mtime_ns):
        identity = file_identity(file)
        _known[str(file)] = (found.st_size, found.st_mtime_ns, identity)
    return identity
