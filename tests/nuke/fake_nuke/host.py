"""The fake host: one script with its frame, views, undo, callbacks and menus, and the module `nuke` that reaches it.

Where it is not known what Nuke does, the host can be either, by an attribute: whether ``getEvaluatedValue`` gives the
file of a frame (``evaluated_paths_are_files``), and whether ``beforeFrameRender`` is called once a frame or once a view
(``before_each_view``). Else it is as hard as the worst that is likely: ``updateUI`` comes for every node in any order,
:meth:`Host.idle`; expressions work out both sides of ``?:``, ``&&`` and ``||``; knobs of text are always saved, and so
is what ``setVisible`` did; an Expression writes no channel that it was not given.
"""

from __future__ import annotations

import contextlib
import random
import re
import sys
import threading
import time
from pathlib import Path

from . import grammar, knobs, nodes
from .constants import FLAGS
from .expressions import ExpressionError, compiled
from .objects import UndoStack
from .runtime import NotInFake, State, check_thread
from .scope import Scope

CHANNEL_LAYERS = {
    "rgba": ("red", "green", "blue", "alpha"),
    "rgb": ("red", "green", "blue"),
    "alpha": ("alpha",),
    "depth": ("Z",),
    "motion": ("u", "v"),
    "forward": ("u", "v"),
    "backward": ("u", "v"),
    "disparityL": ("x", "y"),
    "disparityR": ("x", "y"),
    "deep": ("front", "back"),
    "mask": ("a",),
    "rotopaint_mask": ("a",),
    "mask_splinewarp": ("a",),
    "mask_planartrack": ("a",),
}
"""The layers that a new script has."""

MAXIMUM_CHANNELS = 1023
FORMATS = {
    "2K_Super_35(full-ap)": "2048 1556 0 0 2048 1556 1 2K_Super_35(full-ap)",
    "HD_1080": "1920 1080 0 0 1920 1080 1 HD_1080",
}
WAIT_SECONDS = 20
"""How long a thread waits for the main thread before the fake calls it a deadlock."""


class Host:
    """A running Nuke with an empty script. ``module`` is its `nuke`; :meth:`install` makes it importable."""

    def __init__(self, *, gui: bool = True, version: tuple = (15, 1, 2)) -> None:
        from .module import module_of

        State.host = self
        self.main_thread = threading.get_ident()
        self.gui, self.version = gui, version
        self.evaluator = None
        self.messages: list = []
        self.answers: list = []
        self.tasks: list = []
        self.cancel_progress = lambda task: False
        self.plugin_paths: list = []
        self.menus: dict = {}
        self.callbacks: dict = {}
        self.views = ["main"]
        self.written: list = []
        self.variables: dict = {}
        self.evaluated_paths_are_files = False
        self.before_each_view = True
        self._order = random.Random(7)
        self._queue: list = []
        self._queued = threading.Condition()
        self._number = 0x1000
        self.module = module_of(self)
        self.clear()

    # The script.

    def clear(self) -> None:
        """An empty script."""
        self.undo = UndoStack()
        self.layers = dict(CHANNEL_LAYERS)
        self.formats = dict(FORMATS)
        self.frame_now: float = 1
        self.view_now = "main"
        self.loading = self.rendering = 0
        self.context: list = []
        self._changing: list = []
        self._evaluating: list = []
        self.root = nodes.made(self, "Root", None)
        self.script_name = ""
        self.changed = False
        self.groups = [self.root]

    @property
    def script_name(self) -> str:
        """The script's file, which is the value of the root's knob ``name``."""
        return str(self.root._knobs["name"]._state)

    @script_name.setter
    def script_name(self, name: str) -> None:
        self.root._knobs["name"]._state = name

    def install(self) -> Host:
        """Puts the module where ``import nuke`` finds it."""
        sys.modules["nuke"] = self.module
        return self

    def remove(self) -> None:
        """Undoes :meth:`install`."""
        if sys.modules.get("nuke") is self.module:
            del sys.modules["nuke"]

    def next_number(self) -> int:
        """For the names of stack variables."""
        self._number += 1
        return self._number

    def free_name(self, name: str, taken: set) -> str:
        """The name, or the next one that is not taken."""
        if name not in taken:
            return name
        stem = name.rstrip("0123456789")
        number = 1
        while f"{stem}{number}" in taken:
            number += 1
        return f"{stem}{number}"

    def load(self, text: str, *, name: str = "text") -> list:
        """Makes the nodes of a script or of a part of one, under the group at work, and calls their onCreate.

        Raises:
            grammar.GrammarError: the text is no script.
            nodes.ScriptError: a class, knob, value or input that Nuke does not have.
        """
        self.loading += 1
        made: list = []
        try:
            self._load(text, made)
        finally:
            self.loading -= 1
        for node in made:
            self.created(node)
        return made

    def _load(self, text: str, made: list) -> None:
        group = self.groups[-1]
        frames = [(group, [])]
        variables: dict = {}
        for statement in grammar.statements(text):
            command, *rest = statement.words
            group, stack = frames[-1]
            if command.text == "end_group":
                if len(frames) == 1:
                    raise nodes.ScriptError(f"line {statement.line}: end_group without its group")
                frames.pop()
            elif command.text == "set":
                if len(rest) != 2 or rest[1].text != "[stack 0]":
                    raise nodes.ScriptError(f"line {statement.line}: set takes a name and [stack 0]")
                variables[rest[0].text] = stack[-1] if stack else None
            elif command.text == "push":
                stack.append(self._pushed(rest[0].text, variables, statement.line))
            elif command.text == "add_layer":
                layer, *channels = (word.text for word in grammar.words(rest[0].text))
                self.add_layer(layer, channels)
            elif command.text == "Root":
                self.root._read_body(rest[0].text, statement.line)
                self.frame_now = self.root._knobs["frame"]._number()
                self.views = [one.split()[0] for one in str(self.root._knobs["views"]._state).split("\n") if one]
            elif command.text in ("version", "define_window_layout_xml"):
                continue
            elif command.text == "clone":
                raise NotInFake(f"line {statement.line}: clones")
            else:
                self._statement(statement, frames, made)
        if len(frames) != 1:
            raise nodes.ScriptError(f"{frames[-1][0]._full_name()} lacks its end_group")

    def _pushed(self, text: str, variables: dict, line: int) -> nodes.Node | None:
        if text == "0":
            return None
        if not text.startswith("$") or text[1:] not in variables:
            raise nodes.ScriptError(f"line {line}: push {text}: no such variable")
        return variables[text[1:]]

    def _statement(self, statement: grammar.Statement, frames: list, made: list) -> None:
        group, stack = frames[-1]
        cls = statement.words[0].text
        if len(statement.words) != 2 or statement.words[1].form != "braced":
            raise nodes.ScriptError(f"line {statement.line}: {cls} is neither a node nor a command")
        try:
            node = nodes.made(self, cls, group)
        except nodes.ScriptError as error:
            raise nodes.ScriptError(f"line {statement.line}: {error}") from None
        wanted, mask = node._read_body(statement.words[1].text, statement.line)
        own = str(node._knobs["name"]._state) or f"{cls}1"
        taken = {one._knobs["name"]._state for one in group._children}
        node._knobs["name"]._state = self.free_name(own, taken)
        taken_from = [stack.pop() if stack else None for _ in range(wanted + mask)]
        if cls in nodes.GROUPS:
            node._inputs = taken_from  # its own Inputs come later
        else:
            for index, one in enumerate(taken_from[:wanted]):
                node._connect(index, one)
            if mask:
                if node._mask_input() is None:
                    raise nodes.ScriptError(f"line {statement.line}: {cls} has no mask")
                node._connect(node._mask_input(), taken_from[wanted])
        while node._inputs and node._inputs[-1] is None:
            node._inputs.pop()
        group._children.append(node)
        stack.append(node)
        if group is self.groups[-1]:
            made.append(node)
        if cls in ("Group", "Gizmo", "LiveGroup"):
            frames.append((node, []))

    def created(self, node: nodes.Node, *, by_user: bool = False) -> None:
        """Calls what waits for new nodes: from the inside of groups outwards."""
        for child in getattr(node, "_children", ()):
            if not by_user:
                self.created(child)
        if by_user:
            self.call("OnUserCreate", node)
            return
        self.call("OnCreate", node)
        self._knob_code(node, "onCreate", None)

    def text(self) -> str:
        """The script as it would be saved; a layer that no node names is not."""
        self._number = 0x1000
        inside = nodes.text_of(self.root._children, self)
        self._number = 0x1000
        lines = [f"version {self.version[0]}.{self.version[1]} v{self.version[2]}"]
        for layer, channels in self.layers.items():
            if layer not in CHANNEL_LAYERS and re.search(rf"[ {{(*+:]{layer}(\.|[ }}\n])", inside):
                lines.append("add_layer {" + " ".join([layer, *(f"{layer}.{one}" for one in channels)]) + "}")
        root = [line for line in self.root._lines() if not line.startswith("name ")]
        lines.append("\n ".join(["Root {", *root]) + "\n}")
        return "\n".join(lines) + "\n" + inside

    # Names.

    def node_at(self, group: nodes.Group, path: str) -> nodes.Node | None:
        """A node below a group by its name, with points between names."""
        node = group
        for part in path.split("."):
            children = getattr(node, "_children", ())
            node = next((one for one in children if one._knobs["name"]._state == part), None)
            if node is None:
                return None
        return node

    def node_along(self, node: nodes.Node, parts: list) -> nodes.Node | None:
        """The node that a path of an expression leads to."""
        for number, part in enumerate(parts):
            if part == "this":
                continue
            if part == "parent":
                node = node._group
            elif part == "root":
                node = self.root
            elif re.fullmatch(r"input\d*", part):
                node = node.input(int(part[5:] or 0))
            else:
                groups = [node] if number else [node, node._group]
                found = next((self.node_at(one, part) for one in groups if one and self.node_at(one, part)), None)
                node = found
            if node is None:
                return None
        return node

    def knob_and_field(self, node: nodes.Node, path: str) -> tuple:
        """A knob and the number of its part: ``parent.color1.g``."""
        parts = path.split(".")
        for split in (len(parts) - 2, len(parts) - 1):  # knobs of the node come before nodes
            if split < 0:
                continue
            owner = self.node_along(node, parts[:split])
            knob = owner._find(parts[split]) if owner is not None else None
            if knob is None:
                continue
            if split == len(parts) - 1:
                return knob, 0
            fields = knobs.BOX_FIELDS if isinstance(knob, knobs.BBox_Knob) else knobs.FIELDS
            channel = int(parts[-1]) if parts[-1].isdigit() else fields.get(parts[-1])
            if channel is not None and isinstance(knob, knobs.Array_Knob) and channel < len(knob._state):
                return knob, channel
        return None, 0

    def knob_at(self, node: nodes.Node, path: str) -> knobs.Knob | None:
        """A knob by the path that expressions and links use."""
        return self.knob_and_field(node, path)[0]

    def add_layer(self, name: str, channels: list) -> None:
        """A layer by its name and the names of its channels.

        Raises:
            nodes.ScriptError: more than 4 channels in a layer, 1023 in the script, or names Nuke does not take.
        """
        short = [one.split(".")[-1] for one in channels]
        if any(not one.startswith(f"{name}.") for one in channels):
            raise nodes.ScriptError(f"channels of the layer {name} must be called {name}.…, not {channels}")
        if not re.fullmatch(r"[A-Za-z_][A-Za-z_0-9]*", name) or len(short) > 4 or not short:
            raise nodes.ScriptError(f"layer {name} {channels}: 1 to 4 channels, names of letters, digits, underscores")
        self.layers.setdefault(name, tuple(short))
        if sum(len(one) for one in self.layers.values()) > MAXIMUM_CHANNELS:
            raise nodes.ScriptError(f"more than {MAXIMUM_CHANNELS} channels")

    def full_channel(self, name: str) -> str:
        """``red`` → ``rgba.red``."""
        return name if "." in name else f"rgba.{name}"

    def check_channels(self, text: str, where: str) -> None:
        """Refuses names of layers and channels that the script does not have."""
        for one in text.split():
            one = one.lstrip("-")
            layer, point, channel = one.partition(".")
            if one in ("none", "all", "false", "true", "0") or one in self.layers:
                continue
            if not point and one in self.layers["rgba"]:
                continue
            if point and channel in self.layers.get(layer, ()):
                continue
            raise nodes.ScriptError(f"{where}: the script has no channel or layer {one!r}: add_layer comes first")

    def format_line(self, text: str) -> str:
        """A format by its name, or as numbers."""
        if text in self.formats:
            return self.formats[text]
        if re.match(r"\d+ \d+", text):
            return text
        raise nodes.ScriptError(f"there is no format {text!r}")

    def flags_of(self, number: int) -> set:
        """The names of a sum of flags."""
        found = {name for name, bit in FLAGS.items() if number & bit}
        rest = number & ~sum(FLAGS.values())
        if rest or not found:
            raise ValueError(f"0x{number:x} is no sum of the fake's flags")
        return found

    def add_view(self, name: str) -> None:
        """One more view."""
        if name not in self.views:
            self.views.append(name)

    # Values.

    @contextlib.contextmanager
    def at(self, frame: float | None, view: str | None = None):
        """Another frame and view for a while."""
        before = self.frame_now, self.view_now
        if frame is not None:
            self.frame_now = frame
        if view is not None:
            self.view_now = view
        try:
            yield
        finally:
            self.frame_now, self.view_now = before

    def evaluate(self, node: nodes.Node, text: str, knob: knobs.Knob | None = None) -> float:
        """An expression of a node's knob.

        Raises:
            ExpressionError: it has none, or needs itself.
        """
        if knob is not None and knob in self._evaluating:
            raise ExpressionError(f"{knob._where()}: {text!r} needs itself")
        self._evaluating.append(knob)
        try:
            return float(compiled(text)(Scope(self, node)))
        finally:
            self._evaluating.pop()

    def tcl_of(self, node: nodes.Node | None, code: str) -> str:
        """What Tcl makes of a bracket, seen from a node."""
        from .tcl import interpreted

        return interpreted(self, node if node is not None else self.root, code)

    def with_variables(self, name: str) -> str:
        """A file's name with Nuke 16's variables, ``%{name}``, put in."""
        return re.sub(r"%\{(\w+)\}", lambda found: self.variables[found[1]], name)

    def pattern(self, knob: knobs.Knob) -> str:
        """A file knob's name after variables, filters and the project's folder, with the places for frame and view."""
        name = self.with_variables(knob.evaluate())
        for call, arguments, keywords, node_class, _ in list(self.callbacks.get("FilenameFilter", ())):
            if node_class in ("*", knob._node._class):
                name = call(name, *arguments, **keywords) or name
        project = self.root._knobs["project_directory"].evaluate()
        return f"{project}/{name}" if name and project and not Path(name).is_absolute() else name

    def file_name(self, knob: knobs.Knob) -> str:
        """The file of a file knob at this frame and view."""
        return self.replaced(self.pattern(knob))

    def replaced(self, name: str) -> str:
        """A file's name with this frame and view in their places."""
        name = name.replace("%V", self.view_now).replace("%v", self.view_now[:1])
        name = re.sub(r"%(0\d+)?d", lambda found: format(int(self.frame_now), (found[1] or "") + "d"), name)
        return re.sub(r"#+", lambda found: format(int(self.frame_now), f"0{len(found[0])}d"), name)

    # Callbacks.

    @contextlib.contextmanager
    def _within(self, node: nodes.Node, knob: object):
        self.context.append((node, knob))
        self.groups.append(node._group or self.root)
        depth = len(self.groups)
        try:
            yield
        finally:
            del self.groups[depth - 1 :]
            self.context.pop()

    def run(self, code: str) -> None:
        """Python code as Nuke runs that of knobs and menus."""
        exec(compile(code, "<knob>", "exec"), {"nuke": self.module, "__name__": "__main__"})

    def run_button(self, knob: knobs.Knob) -> None:
        """Presses a button."""
        if isinstance(knob, knobs.PyScript_Knob):
            with self._within(knob._node, knob):
                self.run(str(knob._state))
        else:
            self.tcl_of(knob._node, str(knob._state))

    def _knob_code(self, node: nodes.Node, name: str, knob: object) -> None:
        code = str(node._knobs[name]._state) if name in node._knobs else ""
        if code.strip():
            with self._within(node, knob):
                self.run(code)

    def call(self, kind: str, node: nodes.Node, knob: object = None) -> list:
        """Calls the functions that ``nuke.add…`` has for a node; returns what they return."""
        found = []
        for call, arguments, keywords, node_class, only in list(self.callbacks.get(kind, ())):
            if node_class in ("*", node._class) and only in (None, node):
                with self._within(node, knob):
                    found.append(call(*arguments, **keywords))
        return found

    def knob_changed(self, node: nodes.Node, knob: knobs.Knob) -> None:
        """A knob has a new value. Changes made meanwhile by the node's own callback call it only where flagged."""
        self.changed = True
        if self.loading or (node in self._changing and "KNOB_CHANGED_RECURSIVE" not in knob._flags):
            return
        self._changing.append(node)
        try:
            self._knob_code(node, "knobChanged", knob)
            self.call("KnobChanged", node, knob)
        finally:
            self._changing.pop()

    def idle(self) -> None:
        """What Nuke does when it has nothing to do after a change: ``updateUI`` of every node, in any order."""
        waiting, found = list(self.root._children), []
        while waiting:
            node = waiting.pop()
            found.append(node)
            waiting += getattr(node, "_children", ())
        self._order.shuffle(found)
        for node in found:
            self._knob_code(node, "updateUI", None)
            self.call("UpdateUI", node)

    def panel(self, node: nodes.Node, event: str) -> None:
        """The node's panel opens or closes: a change of a knob that has only a name."""
        knob = knobs.Knob(event)
        knob._node = node
        self.knob_changed(node, knob)

    def input_changed(self, node: nodes.Node) -> None:
        """The node has another input."""
        self.panel(node, "inputChange")

    # Rendering.

    def execute(self, target: object, frames: list, views: list | None, *, keep_going: bool) -> None:
        """Renders one Write.

        Raises:
            RuntimeError: a callback or the picture failed, and the render was aborted.
        """
        node = self.node_at(self.groups[-1], target) if isinstance(target, str) else target
        if node is None:
            raise ValueError(f"there is no node {target!r}")
        if node._class not in ("Write", "CatFileCreator"):
            raise RuntimeError(f"{node._full_name()} is not executable")
        if node._knobs["disable"]._number():
            raise RuntimeError(f"{node._full_name()} is disabled")
        if self.evaluator is None:
            raise NotInFake("rendering needs the evaluator: give the host one")
        self.rendering += 1
        try:
            self._render(node, frames, views, keep_going)
        finally:
            self.rendering -= 1

    def _render(self, node: nodes.Node, frames: list, views: list | None, keep_going: bool) -> None:
        self.call("BeforeRender", node)
        self._knob_code(node, "beforeRender", None)
        for frame in frames:
            for view in views or [self.view_now]:
                with self.at(frame, view):
                    try:
                        if self.before_each_view or view == (views or [view])[0]:
                            self.call("BeforeFrameRender", node)
                            self._knob_code(node, "beforeFrameRender", None)
                        self.written.append(self.evaluator.write(node, frame, view))
                        self.call("AfterFrameRender", node)
                        self._knob_code(node, "afterFrameRender", None)
                    except RuntimeError:
                        if not keep_going:
                            raise
        self.call("AfterRender", node)
        self._knob_code(node, "afterRender", None)

    # Threads.

    def post(self, function: object, *, wait: bool) -> object:
        """Leaves a call for the main thread, which takes it in :meth:`pump`."""
        if threading.get_ident() == self.main_thread:
            return function()
        entry: dict = {"call": function}
        with self._queued:
            self._queue.append(entry)
            self._queued.notify_all()
            if not wait:
                return None
            end = time.monotonic() + WAIT_SECONDS
            while "done" not in entry:
                if not self._queued.wait(max(0.0, end - time.monotonic())):
                    raise RuntimeError("deadlock: the main thread never came to what a thread waits for")
        return entry.get("result")

    def pump(self) -> int:
        """What the main thread does between events; returns how many calls it made."""
        check_thread("pump")
        count = 0
        while self._queue:
            entry = self._queue.pop(0)
            try:
                entry["result"] = entry["call"]()
            except Exception as error:  # the real one prints it and goes on
                self.messages.append(("thread", f"{type(error).__name__}: {error}"))
            with self._queued:
                entry["done"] = True
                self._queued.notify_all()
            count += 1
        return count

    def pump_until(self, done: object, seconds: float = WAIT_SECONDS) -> None:
        """Pumps until ``done()``, as an artist waits.

        Raises:
            RuntimeError: it never was.
        """
        end = time.monotonic() + seconds
        while not done():
            self.pump()
            if time.monotonic() > end:
                raise RuntimeError("what was waited for did not come")
            with self._queued:
                self._queued.wait(0.01)
