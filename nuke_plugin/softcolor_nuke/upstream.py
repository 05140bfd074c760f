"""What lies before a node: whether it changed, and the files that are read there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

import nuke

from .fscs import frames
from .fscs.key import file_identity
from .fscs.naming import METADATA_PREFIX
from .fscs.parameters import MAXIMUM_COLORS, TEMPORAL_RADIUS

if TYPE_CHECKING:
    from typing import TypeGuard

SOURCES = METADATA_PREFIX + "sources"
"""The attribute of a cached file that stands for the bytes of the files which its image was read from."""

STAMPS = METADATA_PREFIX + "stamps"
"""The attribute that stands for the times and sizes of those files: where they are the same, nothing is read."""

STATE = METADATA_PREFIX + "upstream"
"""The attribute that stands for the nodes which the image came through."""

_LOOKS = frozenset(
    {
        *("name", "label", "xpos", "ypos", "selected", "tile_color", "gl_color", "icon", "postage_stamp"),
        *("note_font", "note_font_size", "note_font_color", "hide_input", "bookmark", "dope_sheet", "cached"),
        *("help", "autolabel", "indicators", "version"),
    }
)
"""Knobs that change how a node looks and not its pixels; ``version`` counts how often a Read was reloaded."""

_READ_ONLY = frozenset(
    {
        *("on_error", "localizationPolicy", "updateLocalization", "reload", "sequence"),
        *("first", "last", "origfirst", "origlast", "origset"),
    }
)
"""Those of a Read that change which frames it has and how it gets at them, and not what is in them."""

_TOOLS = ("toolbox", "toolbar")
"""What the names of a Roto's knobs begin with that hold the brush that is chosen."""

_THROUGH = ("Dot", "NoOp")
"""Classes that hand on what comes in."""

_OTHER_FRAMES = frozenset(
    {
        *("FrameHold", "TimeOffset", "Retime", "FrameBlend", "TimeBlur", "TimeEcho", "TimeWarp", "AppendClip"),
        *("TimeClip", "OFlow", "OFlow2", "Kronos", "TemporalMedian", "MotionBlur", "MotionBlur2D", "TimeMachine"),
        *("Loop", "Precomp", "OneView", "JoinViews", "ShuffleViews", "MixViews", "ReConverge"),
    }
)
"""Classes that ask for other frames or views than they are asked for."""

_BY_VARIABLE = ("VariableSwitch", "VariableGroup")
"""Classes whose picture depends on the variables of the script, which no knob of theirs holds."""

_OWN_LOOKS = frozenset(
    {
        *("status", "versions", "first_frame", "last_frame", "pick_box", "palette_method", "device", "tile"),
        *("layers_group", "chosen_layer", "only_missing", "image_check", "layers_inside"),
        "edit_layer",
        *(f"{name}{n}" for name in ("name", "lock") for n in range(1, MAXIMUM_COLORS + 1)),
    }
)
"""Those of another Soft Color Segment node."""


_known: dict[str, tuple[int, int, str]] = {}
"""Size, time and identity of files that were looked at: unchanged ones are not read again."""


def is_ours(node: nuke.Node) -> TypeGuard[nuke.Group]:
    """Whether a node is a Soft Color Segment node, whatever it is called."""
    return node.knob("softcolor_version") is not None


def nodes(*starts: Optional[nuke.Node]) -> Iterator[nuke.Node]:
    """These nodes and all that their images come through, each once, into groups and out of them."""
    seen: set[str] = set()
    waiting = list(starts)
    while waiting:
        above = waiting.pop()
        if above is not None and above.fullName() not in seen:
            seen.add(above.fullName())
            yield above
            waiting += _inputs(above)


def _inputs(node: nuke.Node) -> list[Optional[nuke.Node]]:
    """What a node gets its image from; None for an input with nothing at it."""
    if _is_off(node):
        return [_source(node.input(0))]
    found = [node.input(index) for index in range(node.inputs())]
    if isinstance(node, nuke.Group) and not is_ours(node):
        found.append(node.output())
    elif node.Class() == "Input":
        group = node.parent()
        found.append(None if group is None else group.input(int(node["number"].value())))
    return [_source(one) for one in found]


def _source(node: Optional[nuke.Node]) -> Optional[nuke.Node]:
    """A node, or what it hands on unchanged."""
    while node is not None and (node.Class() in _THROUGH or _is_off(node)):
        node = node.input(0)
    return node


def _is_off(node: nuke.Node) -> bool:
    """Whether a node is disabled, at all frames."""
    disable = node.knob("disable")
    return disable is not None and not disable.isAnimated() and bool(disable.value())


def shown(write: nuke.Node, frame: int) -> Iterator[nuke.Group]:
    """The nodes of ours in mode Cached whose layers a Write writes at a frame, as far as that is sure.

    Inputs that a Switch does not choose, and all before a VariableSwitch or a node that asks for other frames, are
    passed over: what is wrong there is seen by the checks inside the nodes, which follow time and switches.
    """
    seen: set[str] = set()
    waiting = _inputs(write)
    while waiting:
        node = waiting.pop()
        if node is None or node.fullName() in seen or node.Class() in _OTHER_FRAMES or node.Class() == "VariableSwitch":
            continue
        seen.add(node.fullName())
        if node["disable"].getValueAt(frame) if node.knob("disable") else False:
            waiting.append(node.input(0))
        elif is_ours(node):
            if node["mode"].value() == "Cached":
                yield node
            waiting.append(node.input(0))
        elif node.Class() == "Switch":
            chosen = int(node["which"].getValueAt(frame))
            waiting.append(node.input(min(max(chosen, 0), max(node.inputs() - 1, 0))))
        else:
            waiting += _inputs(node)


def state(node: nuke.Node, flags: int) -> str:
    """A short text that changes when a node before the inputs does, but not with how the nodes look.

    Nodes that expressions name count, too. Folders of files are left out: a farm may have them elsewhere, and what is
    in the files is compared by itself.

    Args:
        node: the Soft Color Segment node.
        flags: those of ``Node.writeKnobs`` for a script.
    """
    starts = [_source(one) for one in _starts(node)]
    found = list(nodes(*starts))
    places = {above.fullName(): place for place, above in enumerate(found)}

    def wires(above: Sequence[Optional[nuke.Node]]) -> str:
        return " ".join("none" if one is None else str(places[one.fullName()]) for one in above)

    texts = [f"{_knobs(above, flags)}\n{wires(_inputs(above))}" for above in found]
    named = sorted(_knobs(other, flags) for other in _named_by_expressions(node, found))
    if any(above.Class() in _BY_VARIABLE for above in found):
        named.append(_variables())
    return hashlib.sha256("\n;\n".join([wires(starts), *texts, *named]).encode("utf-8")).hexdigest()[:32]


def _variables() -> str:
    """The variables of the script, as Nuke 16 and later have them."""
    knob: Any = nuke.root().knob("gsv")
    return "" if knob is None else json.dumps(knob.value(), sort_keys=True, default=str)


def _named_by_expressions(node: nuke.Node, found: Sequence[nuke.Node]) -> Iterator[nuke.Node]:
    """The nodes that expressions of these nodes name, and those that theirs do; but for ``node`` and the project's."""
    seen = {node.fullName(), nuke.root().fullName(), *(above.fullName() for above in found)}
    waiting = list(found)
    while waiting:
        for other in waiting.pop().dependencies(nuke.EXPRESSIONS):
            if other.fullName() not in seen:
                seen.add(other.fullName())
                waiting.append(other)
                yield other


def _knobs(node: nuke.Node, flags: int) -> str:
    """The class of a node, and the knobs that its pixels depend on."""
    looks = _LOOKS | _OWN_LOOKS if is_ours(node) else _LOOKS | _READ_ONLY if node.Class() == "Read" else _LOOKS
    kept = [node.Class()]
    for line in node.writeKnobs(flags).splitlines():
        knob, _, value = line.strip().partition(" ")
        if knob not in looks and not (knob.startswith(_TOOLS) and node.Class() in ("Roto", "RotoPaint")):
            kept.append(f"{knob} {value.rsplit('/', 1)[-1] if knob in ('file', 'cache_file') else value}")
    return "\n".join(kept)


def _starts(node: nuke.Node) -> list[Optional[nuke.Node]]:
    """The nodes at the inputs that are used."""
    return [node.input(0), node.input(1)] if node["use_mask"].value() else [node.input(0)]


def window(node: nuke.Node, frame: int) -> list[int]:
    """The frames that decide the layers of one: itself, and those around it that the temporal smoothing looks at."""
    above = node.input(0)
    if above is None or float(node["temporal"].getValueAt(frame)) <= 0:
        return [frame]
    first, last = int(above.firstFrame()), int(above.lastFrame())
    reach = range(frame - TEMPORAL_RADIUS, frame + TEMPORAL_RADIUS + 1)
    return [number for number in reach if first <= number <= last or number == frame]


def differs_by_view(node: nuke.Node) -> bool:
    """Whether a file before the inputs has another name in each view."""
    return any(frames.has_view(template) for template in _templates(node))


def _templates(node: nuke.Node) -> list[str]:
    """The names of the files that are read before the inputs, with the places for frame and view."""
    return [template_of(above) for above in _readers(node)]


def _readers(node: nuke.Node) -> Iterator[nuke.Node]:
    """The nodes before the inputs that read files: Reads, and other Soft Color Segment nodes."""
    for above in nodes(*_starts(node)):
        if above.Class() == "Read" or (is_ours(above) and above["mode"].value() == "Cached"):
            yield above


def reload(node: nuke.Node) -> None:
    """Lets the nodes before the inputs read their files again: Nuke goes on to show what it has in memory."""
    for above in _readers(node):
        read_again(above.node("Cache") if is_ours(above) else above)


def read_again(read: nuke.Node) -> None:
    """What the Reload button of a Read does, but not as something that the artist did."""
    version = read["version"]
    with unnoticed():
        version.setValue(int(version.value()) + 1)


@contextmanager
def unnoticed() -> Iterator[None]:
    """What is set inside is nothing to take back, and no change of the script that would have to be saved."""
    modified = nuke.root().modified()
    nuke.Undo.disable()
    try:
        yield
    finally:
        nuke.Undo.enable()
        if not modified:
            nuke.root().setModified(False)


def template_of(node: nuke.Node) -> str:
    """The name of the files of a Read or of a node of ours, with the places for frame and view left in.

    It is the name after filters, the project's folder and variables.
    """
    return _absolute(nuke.filename(node.node("Cache") if is_ours(node) else node))


def file_of(node: nuke.Node, frame: int, view: str) -> str:
    """The file of a frame and view, of a Read or of a node of ours."""
    if (frame, view) == (int(nuke.frame()), str(nuke.thisView())):
        return _absolute(nuke.filename(node.node("Cache") if is_ours(node) else node, nuke.REPLACE))
    return frames.file_of(template_of(node), frame, view)


def _absolute(name: Optional[str]) -> str:
    """A name that is relative is one in the project's folder, where the project has one."""
    if name and not Path(name).is_absolute():
        project: Any = nuke.root()["project_directory"]
        folder = str(project.getEvaluatedValue() or "")
        return f"{folder}/{name}" if folder else name
    return name or ""


def _files(node: nuke.Node, numbers: Sequence[int], view: str) -> list[Path]:
    """The files that are read before the inputs at these frames, as far as they are there."""
    readers = list(_readers(node))
    named = (Path(file_of(reader, number, view)) for number in numbers for reader in readers)
    return [file for file in dict.fromkeys(named) if file.is_file()]


def stamps(node: nuke.Node, frame: int, view: str) -> str:
    """What stands for the times and sizes of the files that the layers of a frame are made of."""
    found = [file.stat() for file in _files(node, window(node, frame), view)]
    # Microseconds: a server shows the same file's time less exactly to some systems than to others.
    text = " ".join(f"{one.st_size} {one.st_mtime_ns // 1000}" for one in found)
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:32]


def sources(node: nuke.Node, frame: int, view: str) -> str:
    """What stands for the bytes of the files that the layers of a frame are made of, empty where none is read."""
    digests = [_identity(file) for file in _files(node, window(node, frame), view)]
    return hashlib.sha256("\n".join(digests).encode("ascii")).hexdigest() if digests else ""


def is_as_rendered(node: nuke.Node, frame: int, view: str, header: Mapping[str, Any]) -> bool:
    """Whether the files before the inputs are those that a cached file was made of.

    Args:
        node: the Soft Color Segment node.
        frame: the frame.
        view: the view.
        header: the attributes of the cached file.
    """
    try:
        if header.get(STAMPS) == stamps(node, frame, view):
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
    while above is not None and (above.Class() == "Input" or above is not _source(above)):
        above = _source(above) if above.Class() != "Input" else next(iter(_inputs(above)), None)
    parameters = json.loads(header.get(METADATA_PREFIX + "parameters", "{}"))
    if above is None or above.Class() != "Read" or STATE in header or float(parameters.get("temporal", 0)) > 0:
        return None
    file = Path(file_of(above, frame, view))
    return file if file.is_file() and file.suffix.lower() not in frames.MOVIES else None


def _identity(file: Path) -> str:
    found = file.stat()
    size, time, identity = _known.get(str(file), (-1, -1, ""))
    if (size, time) != (found.st_size, found.st_mtime_ns):
        identity = file_identity(file)
        _known[str(file)] = (found.st_size, found.st_mtime_ns, identity)
    return identity
