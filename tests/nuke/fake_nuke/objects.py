"""What the module has beside knobs and nodes: undo, progress, formats, frame ranges, layers, menus."""

from __future__ import annotations

import re

from . import knobs
from .runtime import Sealed, State


class Undo(Sealed):
    """The undo stack, of knobs only."""

    def __init__(self, name: str | None = None) -> None:
        self._name = name

    def __enter__(self) -> Undo:
        State.host.undo.open(self._name)
        return self

    def __exit__(self, *error: object) -> None:
        State.host.undo.close()

    @staticmethod
    def begin(name: str | None = None) -> None:
        State.host.undo.open(name)

    @staticmethod
    def new(name: str | None = None) -> None:
        State.host.undo.open(name)

    @staticmethod
    def name(name: str) -> None:
        State.host.undo.title = name

    @staticmethod
    def end() -> None:
        State.host.undo.close()

    @staticmethod
    def cancel() -> None:
        State.host.undo.cancel()

    @staticmethod
    def disable() -> None:
        State.host.undo.off += 1

    @staticmethod
    def enable() -> None:
        State.host.undo.off -= 1

    @staticmethod
    def disabled() -> bool:
        return State.host.undo.off > 0

    @staticmethod
    def undo() -> None:
        State.host.undo.step(State.host.undo.done, State.host.undo.undone)

    @staticmethod
    def redo() -> None:
        State.host.undo.step(State.host.undo.undone, State.host.undo.done)

    @staticmethod
    def undoSize() -> int:
        return len(State.host.undo.done)

    @staticmethod
    def redoSize() -> int:
        return len(State.host.undo.undone)


class OutputContext(Sealed):
    """A frame and a view; views are counted from 1."""

    def __init__(self) -> None:
        self._frame, self._view = State.host.frame_now, State.host.views.index(State.host.view_now) + 1

    def frame(self) -> float:
        return self._frame

    def setFrame(self, f: float) -> None:
        self._frame = f

    def view(self) -> int:
        return self._view

    def setView(self, n: int) -> None:
        self._view = n

    def viewFromName(self, name: str) -> int:
        return State.host.views.index(name) + 1

    def viewname(self, n: int) -> str:
        return State.host.views[n - 1]

    def viewcount(self) -> int:
        return len(State.host.views) + 1


class UndoStack:
    """Steps of ``(title, [(knob, what it was)])``."""

    def __init__(self) -> None:
        self.done: list = []
        self.undone: list = []
        self.off = 0
        self.depth = 0
        self.title = ""
        self.changes: list = []

    def open(self, title: str | None) -> None:
        """Begins a step; steps inside join it."""
        if not self.depth:
            self.title, self.changes = title or "", []
        self.depth += 1

    def close(self) -> None:
        """Ends a step."""
        if not self.depth:
            raise RuntimeError("Undo.end() without its begin()")
        self.depth -= 1
        if not self.depth and self.changes:
            self.done.append((self.title, self.changes))
            self.undone.clear()

    def cancel(self) -> None:
        """Ends a step and takes it back."""
        for knob, state in reversed(self.changes):
            knob._state = state
        self.changes = []
        self.close()

    def remember(self, knob: knobs.Knob, state: object) -> None:
        """Notes what a knob was."""
        if self.off or "NO_UNDO" in knob._flags:
            return
        if self.depth:
            self.changes.append((knob, state))
        else:
            self.done.append((knob._name, [(knob, state)]))
            self.undone.clear()

    def step(self, source: list, target: list) -> None:
        """Takes back the last step of one side, for the other."""
        if not source:
            return
        title, changes = source.pop()
        reverse = []
        for knob, state in reversed(changes):
            reverse.append((knob, knob._state))
            knob._state = state
        target.append((title, reverse))


class ProgressTask(Sealed):
    """A progress bar; the host's ``cancel_progress`` decides when the artist gives up."""

    def __init__(self, name: str = "") -> None:
        self._name, self._percent, self._messages = name, [], []
        State.host.tasks.append(self)

    def setProgress(self, i: int) -> None:
        if not isinstance(i, int):
            raise TypeError(f"setProgress wants an int, not {i!r}")
        self._percent.append(i)

    def setMessage(self, s: str) -> None:
        if not isinstance(s, str):
            raise TypeError(f"setMessage wants a string, not {s!r}")
        self._messages.append(s)

    def isCancelled(self) -> bool:
        return bool(State.host.cancel_progress(self))


class Format(Sealed):
    """A picture's size."""

    def __init__(self, *numbers: float) -> None:
        width, height, *rest = numbers
        self._numbers = [width, height, *(rest or [0, 0, width, height, 1.0])]
        self._name = ""

    @classmethod
    def _parsed(cls, line: str) -> Format:
        parts = line.split()
        if len(parts) == 1:
            parts = State.host.format_line(parts[0]).split()
        numbers = [float(one) for one in parts if re.fullmatch(r"-?[\d.]+", one)]
        aspect = numbers.pop() if len(numbers) in (3, 7) else 1.0
        box = numbers[2:] or [0, 0, numbers[0], numbers[1]]
        found = cls(int(numbers[0]), int(numbers[1]), *map(int, box), aspect)
        found._name = parts[-1] if not re.fullmatch(r"-?[\d.]+", parts[-1]) else ""
        return found

    def _line(self) -> str:
        return " ".join(f"{one:g}" for one in self._numbers) + (f" {self._name}" if self._name else "")

    def width(self) -> int:
        return int(self._numbers[0])

    def height(self) -> int:
        return int(self._numbers[1])

    def x(self) -> int:
        return int(self._numbers[2])

    def y(self) -> int:
        return int(self._numbers[3])

    def r(self) -> int:
        return int(self._numbers[4])

    def t(self) -> int:
        return int(self._numbers[5])

    def pixelAspect(self) -> float:
        return float(self._numbers[6])

    def name(self) -> str:
        return self._name


class Box(Sealed):
    """A rectangle, right and top not in it."""

    def __init__(self, x: int = 0, y: int = 0, r: int = 0, t: int = 0) -> None:
        self._sides = (x, y, r, t)

    def x(self) -> int:
        return self._sides[0]

    def y(self) -> int:
        return self._sides[1]

    def r(self) -> int:
        return self._sides[2]

    def t(self) -> int:
        return self._sides[3]

    def w(self) -> int:
        return self._sides[2] - self._sides[0]

    def h(self) -> int:
        return self._sides[3] - self._sides[1]


class FrameRange(Sealed):
    """First, last and every how many; also from text: ``1-10x2``."""

    def __init__(self, *arguments: object) -> None:
        if len(arguments) == 1 and isinstance(arguments[0], str):
            found = re.fullmatch(r"\s*(-?\d+)(?:-(-?\d+)(?:x(-?\d+))?)?\s*", arguments[0])
            if not found:
                raise ValueError(f"{arguments[0]!r} is no frame range")
            first = int(found[1])
            arguments = (first, int(found[2] or first), int(found[3] or 1))
        first, last, *step = arguments or (1, 1)
        self._first, self._last, self._step = int(first), int(last), int(step[0]) if step else 1

    def first(self) -> int:
        return self._first

    def last(self) -> int:
        return self._last

    def increment(self) -> int:
        return self._step

    def frames(self) -> int:
        return len(list(self))

    def minFrame(self) -> int:
        return min(self._first, self._last)

    def maxFrame(self) -> int:
        return max(self._first, self._last)

    def isInRange(self, n: int) -> bool:
        return n in list(self)

    def __iter__(self) -> object:
        return iter(range(self._first, self._last + (1 if self._step > 0 else -1), self._step))


class FrameRanges(Sealed):
    """Several ranges."""

    def __init__(self, *arguments: object) -> None:
        self._ranges: list = []
        for argument in arguments:
            if isinstance(argument, str):
                self._ranges += [FrameRange(part) for part in argument.split()]
            elif isinstance(argument, (list, tuple)) and all(isinstance(one, int) for one in argument):
                self._ranges += [FrameRange(one, one, 1) for one in argument]
            elif isinstance(argument, (list, tuple)):
                self._ranges += list(argument)
            else:
                self._ranges.append(argument)

    def add(self, r: FrameRange) -> None:
        self._ranges.append(r)

    def size(self) -> int:
        return len(self._ranges)

    def toFrameList(self) -> list:
        return [frame for one in self._ranges for frame in one]

    def minFrame(self) -> int:
        return min(self.toFrameList())

    def maxFrame(self) -> int:
        return max(self.toFrameList())

    def __iter__(self) -> object:
        return iter(self._ranges)


class Layer(Sealed):
    """A new layer: ``Layer("mine", ["mine.red", "mine.green"])``."""

    def __init__(self, *arguments: object) -> None:
        name, channels = arguments
        State.host.add_layer(name, list(channels))
        self._name = name

    def name(self) -> str:
        return self._name

    def channels(self) -> list:
        return [f"{self._name}.{one}" for one in State.host.layers[self._name]]


class MenuItem(Sealed):
    """An entry of a menu."""

    def __init__(self, *arguments: object) -> None:
        self._name, self._command, self._icon, self._tooltip = (*arguments, None, None, None, None)[:4]

    def name(self) -> str:
        return self._name

    def script(self) -> object:
        return self._command

    def icon(self) -> str:
        return self._icon or ""

    def invoke(self) -> None:
        if callable(self._command):
            self._command()
        else:
            State.host.run(str(self._command))


class Menu(MenuItem):
    """A menu; names with strokes make menus inside."""

    def __init__(self, *arguments: object) -> None:
        self._name, self._command, self._icon, self._tooltip = (*arguments, None, None, None, None)[:4]
        self._items: list = []

    def _below(self, parts: list) -> Menu:
        menu = self
        for part in parts:
            found = next((one for one in menu._items if one._name == part and isinstance(one, Menu)), None)
            if found is None:
                found = Menu(part)
                menu._items.append(found)
            menu = found
        return menu

    def addMenu(self, name: str, icon: str | None = None, tooltip: str | None = None, index: int | None = None) -> Menu:
        made = self._below(name.split("/"))
        made._icon, made._tooltip = icon or made._icon, tooltip or made._tooltip
        return made

    def addCommand(
        self,
        name: str,
        command: object = None,
        shortcut: str | None = None,
        icon: str | None = None,
        tooltip: str | None = None,
        index: int | None = None,
        readonly: object = None,
        shortcutContext: object = None,
        tag: object = None,
        tagTarget: object = None,
        nodeClass: str = "",
    ) -> MenuItem:
        *above, last = name.split("/")
        item = MenuItem(last, command, icon, tooltip)
        self._below(above)._items.append(item)
        return item

    def addSeparator(self, index: int | None = None) -> None:
        self._items.append(MenuItem("-"))

    def items(self) -> list:
        return list(self._items)

    def findItem(self, name: str) -> MenuItem | None:
        first, _, rest = name.partition("/")
        found = next((one for one in self._items if one._name == first), None)
        return found if not rest or found is None else found.findItem(rest)

    def menu(self, name: str) -> Menu | None:
        found = self.findItem(name)
        return found if isinstance(found, Menu) else None

    def removeItem(self, name: str) -> None:
        self._items = [one for one in self._items if one._name != name]

    def clearMenu(self) -> None:
        self._items = []


PUBLIC = [OutputContext, Undo, ProgressTask, Format, Box, FrameRange, FrameRanges, Layer, MenuItem, Menu]
