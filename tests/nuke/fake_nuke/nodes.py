"""Nodes, groups and the root: connections, knobs, text in and out."""

from __future__ import annotations

import re

from . import facts, grammar, knobs
from .constants import CONSTANTS
from .expressions import names
from .runtime import NotInFake, Sealed

MAXIMUM_INPUTS = {
    "Read": 0, "Constant": 0, "CheckerBoard2": 0, "Ramp": 1, "BackdropNode": 0, "StickyNote": 0, "Input": 0,
    "Copy": 3, "Merge2": 100, "Switch": 100, "Shuffle2": 2, "Keymix": 3, "Dissolve": 100, "ContactSheet": 100,
    "CopyBBox": 2, "ChannelMerge": 3, "MergeExpression": 3, "Difference": 2, "Dot": 1, "Write": 1, "Viewer": 10,
    "Inference": 1, "Assert": 1, "Output": 1, "AppendClip": 100, "VariableSwitch": 100,
}  # fmt: skip
"""Inputs by class; a class that is not here has one, and a mask where it has the knob of one."""

MASKS = {"Copy": 2, "Merge2": 2, "ChannelMerge": 2, "MergeExpression": 2}
"""Which input is the mask; of other classes with a mask it is the second."""

HIDDEN_KNOBS = ("name", "xpos", "ypos", "selected")
"""Knobs that are written only if all are asked for."""

GROUPS = ("Group", "Gizmo", "Root", "Precomp", "LiveGroup")


INPUTS, HIDDEN_INPUTS, EXPRESSIONS = (CONSTANTS[name] for name in ("INPUTS", "HIDDEN_INPUTS", "EXPRESSIONS"))


class ScriptError(RuntimeError):
    """The text of a script asks for what Nuke does not have."""


class Node(Sealed):
    """Base of all nodes."""

    def __init__(self, *arguments: object, **keywords: object) -> None:
        raise TypeError("nodes come from nuke.createNode or nuke.nodes")

    def _set_up(self, host: object, cls: str, group: object) -> None:
        self._host, self._class, self._group = host, cls, group
        self._inputs: list = []
        self._knobs: dict = {}
        self._panel = False
        for name, knob_class in facts.COMMON_KNOBS.items():
            self._own(knobs.made(knob_class, name))
        for name, (knob_class, default, values) in facts.nodes()[cls].items():
            self._own(knobs.made(knob_class, name, default, values))

    def _own(self, knob: knobs.Knob) -> None:
        knob._node = self
        self._knobs[knob._name] = knob

    def _format_knobs(self) -> dict:
        """The knobs of the file format that is chosen."""
        chosen = self._knobs.get("file_type")
        if chosen is None:
            return {}
        kind = chosen._text()
        if self._class == "Read" and not kind.strip():
            kind = str(self._knobs["file"]._state).rpartition(".")[2]
        return facts.FORMAT_KNOBS.get((self._class, kind), {})

    def _find(self, name: str) -> knobs.Knob | None:
        found = self._knobs.get(name)
        if found is None and name in self._format_knobs():
            found = knobs.made(self._format_knobs()[name][0], name, *self._format_knobs()[name][1:])
            self._own(found)
        return found

    def _full_name(self) -> str:
        above = self._group
        if above is None:
            return "root"
        own = str(self._knobs["name"]._state)
        return own if above._class == "Root" else f"{above._full_name()}.{own}"

    def _mask_input(self) -> int | None:
        return MASKS.get(self._class, 1) if "maskChannelInput" in self._knobs else None

    def _maximum(self) -> int:
        if self._class in GROUPS:
            return len([one for one in self._children if one._class == "Input"])
        return MAXIMUM_INPUTS.get(self._class, 1 + (self._mask_input() is not None))

    def _connect(self, index: int, node: Node | None) -> None:
        if node is not None and not 0 <= index < self._maximum():
            raise ScriptError(f"{self._full_name()} ({self._class}) has no input {index}")
        while len(self._inputs) <= index:
            self._inputs.append(None)
        self._inputs[index] = node
        while self._inputs and self._inputs[-1] is None:
            self._inputs.pop()

    def _read_body(self, body: str, line: int) -> int:
        """Takes the knobs of a script; returns how many inputs it wants, and connects none."""
        wanted, mask = None, 0
        for name, word in grammar.pairs(body):
            if name == "addUserKnob":
                knob = knobs.user_knob(word.text)
                if knob._name and knob._name in self._knobs:
                    raise ScriptError(f"line {line}: {self._class} has two knobs {knob._name!r}")
                key = knob._name or f" {len(self._knobs)}"
                knob._node = self
                self._knobs[key] = knob
            elif name == "inputs" and self._class != "Root":
                count, _, masks = word.text.partition("+")
                wanted, mask = int(count), int(masks or 0)
            else:
                knob = self._find(name)
                if knob is None:
                    raise ScriptError(f"line {line}: {self._class} has no knob {name!r}")
                try:
                    knob._read(word)
                except grammar.GrammarError as error:
                    raise ScriptError(f"line {line}: {error}") from None
        return (min(1, self._maximum()) if wanted is None else wanted), mask

    def _lines(self) -> list:
        """The knobs that are no defaults, as a script has them."""
        lines = []
        for knob in self._knobs.values():
            if knob._user_type is not None:
                lines.append(knobs.definition(knob))
                if not knob._is_default() and "DO_NOT_WRITE" not in knob._flags:
                    lines.append(f"{knob._name} {knob._written()}")
            elif knob._name not in ("name", "selected") and not knob._is_default():
                lines.append(f"{knob._name} {knob._written()}")
        lines.append(f"name {grammar.quoted(str(self._knobs['name']._state))}")
        return lines

    def _picture(self) -> object:
        if self._host.evaluator is None:
            raise NotInFake("pictures need the evaluator: give the host one")
        return self._host.evaluator.picture(self, self._host.frame_now, self._host.view_now)

    def __getitem__(self, name: str) -> knobs.Knob:
        found = self._find(name)
        if found is None:
            raise NameError(f"knob {name} does not exist")
        return found

    def __repr__(self) -> str:
        return f"<{self._class} {self._full_name()}>"

    def Class(self) -> str:
        return self._class

    def name(self) -> str:
        return str(self._knobs["name"]._state)

    def fullName(self) -> str:
        return self._full_name()

    def setName(self, name: str, uncollide: bool = True, updateExpressions: bool = False) -> None:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z_0-9]*", name):
            raise ValueError(f"{name!r} is no name for a node")
        taken = {one._knobs["name"]._state for one in self._group._children if one is not self}
        if name in taken and not uncollide:
            raise ValueError(f"there is a node {name} already")
        self._knobs["name"]._state = self._host.free_name(name, taken)

    def knob(self, p: object, follow_link: object = None) -> knobs.Knob | None:
        return list(self._knobs.values())[p] if isinstance(p, int) else self._find(p)

    def knobs(self) -> dict:
        return {knob._name: knob for knob in self._knobs.values() if knob._name}

    def allKnobs(self) -> list:
        return list(self._knobs.values())

    def numKnobs(self) -> int:
        return len(self._knobs)

    def addKnob(self, k: knobs.Knob) -> None:
        if not isinstance(k, knobs.Knob):
            raise TypeError(f"{k!r} is no knob")
        if k._name in self._knobs:
            raise ValueError(f"{self._full_name()} has a knob {k._name} already")
        numbers = {name: number for number, name in knobs.USER_TYPES.items()}
        k._user_type = numbers[type(k).__name__]
        k._default = k._start() if not isinstance(k, (knobs.Script_Knob, knobs.Tab_Knob)) else k._state
        self._own(k)

    def removeKnob(self, k: knobs.Knob) -> None:
        if k._user_type is None:
            raise ValueError(f"{k._where()} is a knob of the class, not of a user")
        del self._knobs[k._name]

    def input(self, i: int) -> Node | None:
        return self._inputs[i] if 0 <= i < len(self._inputs) else None

    def inputs(self) -> int:
        return len(self._inputs)

    def setInput(self, i: int, node: Node | None) -> bool:
        self._connect(i, node)
        self._host.input_changed(self)
        return True

    def connectInput(self, i: int, node: Node | None) -> bool:
        return self.setInput(i, node)

    def canSetInput(self, i: int, node: Node) -> bool:
        return 0 <= i < self._maximum()

    def maximumInputs(self) -> int:
        return self._maximum()

    def maxInputs(self) -> int:
        return self._maximum()

    def minimumInputs(self) -> int:
        return min(1, self._maximum())

    def minInputs(self) -> int:
        return min(1, self._maximum())

    def dependencies(self, what: int | None = None) -> list:
        what = INPUTS | HIDDEN_INPUTS | EXPRESSIONS if what is None else what
        hidden = bool(self._knobs["hide_input"]._number()) if "hide_input" in self._knobs else False
        found = [one for one in self._inputs if one is not None and what & (HIDDEN_INPUTS if hidden else INPUTS)]
        if what & EXPRESSIONS:
            found += [one for one in self._named() if one is not self]
        return list(dict.fromkeys(found))

    def _named(self) -> list:
        """The nodes whose knobs the expressions of this one name; those inside of brackets are Tcl's."""
        texts = [one for knob in self._knobs.values() for one in knob._expressions()]
        paths = [path for text in texts for path in names(text)]
        found = [self._host.knob_at(self, path) for path in paths]
        return [knob._node for knob in found if knob is not None]

    def dependent(self, what: object = None, forceEvaluate: object = None) -> list:
        return [one for one in self._group._children if self in one._inputs]

    def parent(self) -> Node | None:
        return self._group

    def rootNode(self) -> Node:
        return self._host.root

    def xpos(self) -> int:
        return int(self._knobs["xpos"]._number())

    def ypos(self) -> int:
        return int(self._knobs["ypos"]._number())

    def setXpos(self, x: int) -> None:
        self._knobs["xpos"]._state = (float(x),)

    def setYpos(self, y: int) -> None:
        self._knobs["ypos"]._state = (float(y),)

    def setXYpos(self, x: int, y: int) -> None:
        self._knobs["xpos"]._state, self._knobs["ypos"]._state = (float(x),), (float(y),)

    def isSelected(self) -> bool:
        return bool(self._knobs["selected"]._number())

    def setSelected(self, selected: bool) -> None:
        self._knobs["selected"]._state = (float(bool(selected)),)

    def selectOnly(self) -> None:
        for one in self._group._children:
            one._knobs["selected"]._state = (float(one is self),)

    def showControlPanel(self, forceFloat: bool = False) -> None:
        self._panel = True
        self._host.panel(self, "showPanel")

    def hideControlPanel(self) -> None:
        self._panel = False
        self._host.panel(self, "hidePanel")

    def shown(self) -> bool:
        return self._panel

    def readKnobs(self, s: str) -> None:
        self._read_body(s, 1)

    def writeKnobs(self, i: int = CONSTANTS["TO_SCRIPT"]) -> str:
        lines = []
        for knob in self._knobs.values():
            if knob._user_type is not None and i & CONSTANTS["WRITE_USER_KNOB_DEFS"]:
                lines.append(knobs.definition(knob))
            hidden = knob._name in HIDDEN_KNOBS and not i & CONSTANTS["WRITE_ALL"]
            default = knob._is_default() and i & CONSTANTS["WRITE_NON_DEFAULT_ONLY"]
            if knob._name and not hidden and not default and "DO_NOT_WRITE" not in knob._flags:
                lines.append(f"{knob._name} {knob._written()}" if i & CONSTANTS["TO_SCRIPT"] else knob._name)
        return "\n".join(lines)

    def resetKnobsToDefault(self) -> None:
        for knob in self._knobs.values():
            if knob._name not in ("name", "xpos", "ypos"):
                knob._state = knob._default

    def width(self) -> int:
        return self._picture().format.width

    def height(self) -> int:
        return self._picture().format.height

    def pixelAspect(self) -> float:
        return self._picture().format.aspect

    def format(self) -> object:
        from .objects import Format

        found = self._picture().format
        return Format(found.width, found.height, 0, 0, found.width, found.height, found.aspect)

    def bbox(self) -> object:
        from .objects import Box

        return Box(*self._picture().box)

    def channels(self) -> list:
        return list(self._picture().channels)

    def metadata(self, key: str | None = None, time: float | None = None, view: str | None = None) -> object:
        with self._host.at(time, view):
            found = self._picture().metadata
        return dict(found) if key is None else found.get(key)

    def sample(self, c: str, x: float, y: float, dx: float | None = None, dy: float | None = None) -> float:
        return self._picture().sample(self._host.full_channel(c), x, y, dx or 1.0, dy or 1.0)

    def hasError(self) -> bool:
        try:
            self._picture()
        except RuntimeError:
            return True
        return False

    def treeHasError(self) -> bool:
        return self.hasError()

    def firstFrame(self) -> int:
        return self._host.evaluator.frames(self)[0]

    def lastFrame(self) -> int:
        return self._host.evaluator.frames(self)[1]

    def frameRange(self) -> object:
        from .objects import FrameRange

        return FrameRange(self.firstFrame(), self.lastFrame(), 1)

    def proxy(self) -> bool:
        return self._host.root.proxy()

    def forceValidate(self) -> None:
        self._picture()

    def redraw(self) -> None:
        pass

    def autoplace(self) -> None:
        pass

    def setTab(self, tabIndex: int) -> None:
        pass

    def help(self) -> str:
        return str(self._knobs["help"]._state)

    def isClone(self) -> bool:
        return False

    def optionalInput(self) -> int:
        return 0


class Viewer(Node):
    pass


class BackdropNode(Node):
    pass


class Group(Node):
    """A node with nodes inside."""

    def _set_up(self, host: object, cls: str, group: object) -> None:
        self._children: list = []
        super()._set_up(host, cls, group)

    def __enter__(self) -> Group:
        self.begin()
        return self

    def __exit__(self, *error: object) -> None:
        self.end()

    def begin(self) -> Group:
        self._host.groups.append(self)
        return self

    def end(self) -> None:
        if self._host.groups[-1] is not self:
            raise RuntimeError(f"{self._full_name()}.end() without its begin()")
        self._host.groups.pop()

    def run(self, callable: object) -> object:
        with self:
            return callable()

    def nodes(self) -> list:
        return list(reversed(self._children))

    def numNodes(self) -> int:
        return len(self._children)

    def node(self, s: str) -> Node | None:
        return self._host.node_at(self, s)

    def findNode(self, name: str) -> Node | None:
        return self._host.node_at(self, name)

    def output(self) -> Node | None:
        return next((one for one in self._children if one._class == "Output"), None)

    def selectedNodes(self) -> list:
        return [one for one in self._children if one.isSelected()]

    def selectedNode(self) -> Node:
        found = self.selectedNodes()
        if not found:
            raise ValueError("no node is selected")
        return found[-1]


class Gizmo(Group):
    """A group whose inside stands in a .gizmo file."""

    def command(self) -> str:
        return self._command

    def filename(self) -> str:
        return self._filename

    def makeGroup(self) -> Group:
        raise NotInFake("Gizmo.makeGroup: load the text as a Group")


class Precomp(Group):
    pass


class LiveGroup(Precomp):
    pass


class Root(Group):
    """The script itself."""

    def name(self) -> str:
        return self._host.script_name or "Root"

    def proxy(self) -> bool:
        return bool(self._knobs["proxy"]._number())

    def setProxy(self, b: bool) -> None:
        self._knobs["proxy"].setValue(bool(b))

    def setFrame(self, n: int) -> None:
        self._host.frame_now = int(n)

    def setView(self, s: str) -> None:
        self._host.view_now = s

    def firstFrame(self) -> int:
        return int(self._knobs["first_frame"]._number())

    def lastFrame(self) -> int:
        return int(self._knobs["last_frame"]._number())

    def fps(self) -> float:
        return self._knobs["fps"]._number()

    def realFps(self) -> float:
        return self._knobs["fps"]._number()

    def addView(self, name: str, color: object = None) -> None:
        self._host.add_view(name)

    def modified(self) -> bool:
        return self._host.changed

    def setModified(self, b: bool) -> None:
        self._host.changed = bool(b)

    def layers(self) -> list:
        return list(self._host.layers)

    def format(self) -> object:
        return self._knobs["format"].value()

    def width(self) -> int:
        return self.format().width()

    def height(self) -> int:
        return self.format().height()

    def metadata(self, key: str | None = None, time: float | None = None, view: str | None = None) -> object:
        return {} if key is None else None


PUBLIC = [Node, Viewer, BackdropNode, Group, Gizmo, Precomp, LiveGroup, Root]
BY_CLASS = {cls.__name__: cls for cls in PUBLIC[1:]}


def made(host: object, cls: str, group: object) -> Node:
    """A fresh node of a class, not yet named."""
    if cls not in facts.nodes():
        raise ScriptError(f"{cls}: Unknown command")
    kind = BY_CLASS.get(cls, Node)
    node = kind.__new__(kind)
    node._set_up(host, cls, group)
    return node


def text_of(nodes: list, host: object) -> str:
    """Nodes as the text of a script, each group with its inside."""
    lines: list = []
    numbers: dict = {}
    for node in _ordered(nodes):
        count = len(node._inputs)
        for one in reversed(node._inputs):
            lines.append(f"push $N{numbers[one]:x}" if one in numbers else "push 0")
        mask = node._mask_input()
        written = f"{count - 1}+1" if mask is not None and count == mask + 1 and node._inputs[mask] else str(count)
        lines.append(f"{node._class} {{\n inputs {written}")
        lines += [f" {line}" for line in node._lines()]
        lines.append("}")
        if node._class in GROUPS:
            lines.append(text_of(node._children, host).rstrip("\n"))
            lines.append("end_group")
        numbers[node] = host.next_number()
        lines.append(f"set N{numbers[node]:x} [stack 0]")
    return "\n".join(lines) + "\n"


def _ordered(nodes: list) -> list:
    """Nodes with those before that flow into them, otherwise in their order."""
    found: list = []

    def visit(node: Node) -> None:
        if node in found or node not in nodes:
            return
        for one in node._inputs:
            if one is not None:
                visit(one)
        found.append(node)

    for node in nodes:
        visit(node)
    return found
