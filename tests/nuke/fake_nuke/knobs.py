"""The knob classes: values, animation, expressions, flags, and the text form of each."""

from __future__ import annotations

import re

from . import facts, grammar
from .expressions import ExpressionError, compiled, substituted
from .runtime import Sealed, State

USER_TYPES = {
    1: "EvalString_Knob",
    2: "File_Knob",
    3: "Int_Knob",
    4: "Enumeration_Knob",
    6: "Boolean_Knob",
    7: "Double_Knob",
    8: "Double_Knob",
    10: "ChannelMask_Knob",
    11: "Channel_Knob",
    12: "XY_Knob",
    13: "XYZ_Knob",
    14: "WH_Knob",
    15: "BBox_Knob",
    18: "Color_Knob",
    19: "AColor_Knob",
    20: "Tab_Knob",
    22: "PyScript_Knob",
    26: "Text_Knob",
    30: "UV_Knob",
    32: "Script_Knob",
    41: "Link_Knob",
    43: "Multiline_Eval_String_Knob",
}
"""The types of ``addUserKnob`` that the fake knows."""

ARRAY_SIZES = {
    "XY_Knob": 2,
    "WH_Knob": 2,
    "UV_Knob": 2,
    "Scale_Knob": 2,
    "XYZ_Knob": 3,
    "Color_Knob": 3,
    "AColor_Knob": 4,
    "BBox_Knob": 4,
    "Box3_Knob": 6,
}
FIELDS = {
    "x": 0, "y": 1, "z": 2, "r": 0, "g": 1, "b": 2, "a": 3, "w": 0, "h": 1, "u": 0, "v": 1,
    "red": 0, "green": 1, "blue": 2, "alpha": 3,
}  # fmt: skip
BOX_FIELDS = {"x": 0, "y": 1, "r": 2, "t": 3}
FLAG_NAMES = ("STARTLINE", "INVISIBLE", "HIDDEN", "DISABLED", "DO_NOT_WRITE", "NO_HANDLES")
TRUE, FALSE = ("1", "true", "True", "1.0"), ("0", "false", "False", "0.0")


class Knob(Sealed):
    """Base of all knobs."""

    def __init__(self, name: str, label: str | None = None) -> None:
        if not isinstance(name, str):
            raise TypeError(f"a knob's name must be a string, not {name!r}")
        self._name = name
        self._label = label if label is not None else ""
        self._node = None
        self._tooltip = ""
        self._flags: set = set()
        self._enabled = True
        self._user_type = None
        self._state = self._default = self._start()

    def _start(self) -> object:
        return ""

    # What the host asks of a knob.

    def _changed(self) -> None:
        if self._node is not None:
            self._node._host.knob_changed(self._node, self)

    def _store(self, state: object) -> None:
        """Takes a new state, with undo and callback; the same one is no change."""
        if state == self._state:
            return
        if self._node is not None:
            self._node._host.undo.remember(self, self._state)
        self._state = state
        self._changed()

    def _read(self, word: grammar.Word) -> None:
        """Takes the word after the knob's name in a script."""
        self._state = word.text

    def _written(self) -> str:
        return grammar.quoted(str(self._state))

    def _is_default(self) -> bool:
        return self._state == self._default

    def _number(self, channel: int = 0, frame: float | None = None, view: str | None = None) -> float:
        raise ExpressionError(f"{self._where()} has no number")

    def _text(self) -> str:
        return str(self._state)

    def _expressions(self) -> list:
        """The texts of its expressions."""
        return []

    def _where(self) -> str:
        return f"{self._node._full_name()}.{self._name}" if self._node is not None else self._name

    # What scripts call.

    def Class(self) -> str:
        return type(self).__name__

    def name(self) -> str:
        return self._name

    def setName(self, s: str) -> None:
        self._name = s

    def label(self) -> str:
        return self._label or self._name

    def setLabel(self, s: str) -> None:
        self._label = s

    def tooltip(self) -> str:
        return self._tooltip

    def setTooltip(self, s: str) -> None:
        self._tooltip = s

    def node(self) -> object:
        return self._node

    def enabled(self) -> bool:
        return self._enabled

    def setEnabled(self, enabled: bool) -> None:
        self._enabled = bool(enabled)

    def visible(self) -> bool:
        return not self._flags & {"INVISIBLE", "HIDDEN"}

    def setVisible(self, visible: bool) -> None:
        """Shows or hides, which is saved; what is INVISIBLE has no widget that could be shown."""
        self._flags = self._flags - {"HIDDEN"} if visible else self._flags | {"HIDDEN"}

    def setFlag(self, f: int) -> None:
        self._flags |= State.host.flags_of(f)
        self._enabled = self._enabled and "DISABLED" not in self._flags

    def clearFlag(self, f: int) -> None:
        cleared = State.host.flags_of(f)
        self._flags -= cleared
        self._enabled = self._enabled or "DISABLED" in cleared

    def getFlag(self, f: int) -> bool:
        return State.host.flags_of(f) <= self._flags

    def fullyQualifiedName(self, channel: int = -1) -> str:
        return self._where()

    def value(self) -> object:
        return self._state

    def getValue(self, channel: int = -1) -> object:
        return self.value()

    def setValue(self, val: object, chan: int = 0) -> bool:
        self._store(val)
        return True

    def toScript(self, quote: object = None, context: object = None) -> str:
        return self._written() if quote else self._text()

    def fromScript(self, s: str) -> bool:
        listed = grammar.words(s)
        self._read(listed[0] if len(listed) == 1 else grammar.Word(s, "braced"))
        self._changed()
        return True

    def hasExpression(self, index: int = -1) -> bool:
        return False

    def isAnimated(self, channel: int = -1) -> bool:
        return False


class String_Knob(Knob):
    def __init__(self, name: str, label: str | None = None, value: str | None = None) -> None:
        super().__init__(name, label)
        if value is not None:
            self._state = value

    def value(self, oc: object = None) -> str:
        return str(self._state)

    def getValue(self, oc: object = None) -> str:
        return self.value()

    def getText(self, oc: object = None) -> str:
        return str(self._state)

    def setValue(self, val: str, view: str = "default") -> bool:
        if not isinstance(val, str):
            raise TypeError(f"{self._where()} wants a string, not {val!r}")
        self._store(val)
        return True


class EvalString_Knob(String_Knob):
    def evaluate(self) -> str:
        host = (self._node._host if self._node is not None else None) or State.host
        return substituted(str(self._state), lambda code: host.tcl_of(self._node, code))


class Multiline_Eval_String_Knob(EvalString_Knob):
    pass


class File_Knob(EvalString_Knob):
    def getEvaluatedValue(self, oc: object = None) -> str:
        # The documentation keeps the places for frame and view, a submitter relies on their being replaced: either.
        host = self._node._host
        name = host.with_variables(self.evaluate())
        if not host.evaluated_paths_are_files:
            return re.sub(r"#+", lambda found: f"%0{len(found[0])}d", name)
        with host.at(None if oc is None else oc.frame(), None if oc is None else oc.viewname(oc.view())):
            return host.replaced(name)

    def fromUserText(self, s: str) -> None:
        self.setValue(s)


class PythonKnob(String_Knob):
    pass


class Script_Knob(String_Knob):
    def command(self) -> str:
        return str(self._state)

    def setCommand(self, cmd: str) -> None:
        self._state = cmd

    def setValue(self, cmd: str) -> bool:
        self._state = cmd
        return True

    def value(self) -> str:
        return str(self._state)

    def execute(self) -> None:
        self._node._host.run_button(self)

    def _is_default(self) -> bool:
        return True  # its code stands in the definition


class PyScript_Knob(Script_Knob):
    pass


class Text_Knob(Knob):
    """Its text stands in the definition, and is saved as it is now whatever its flags say, as RIFE's gizmo shows."""

    def setValue(self, val: str) -> bool:
        self._store(str(val))
        return True

    def _is_default(self) -> bool:
        return True


class Font_Knob(Knob):
    pass


class Tab_Knob(Knob):
    def __init__(self, name: str, label: str | None = None, type: object = None) -> None:
        super().__init__(name, label)
        self._group = type

    def _is_default(self) -> bool:
        return True

    def setValue(self, val: object, chan: int = 0) -> bool:
        self._state = val  # open or closed
        return True


class Format_Knob(Knob):
    def _written(self) -> str:
        return grammar.quoted(str(self._state))

    def name(self) -> str:
        return self._name

    def value(self) -> object:
        from .objects import Format

        return Format._parsed(str(self._state))

    def setValue(self, val: object, chan: int = 0) -> bool:
        from .objects import Format

        if isinstance(val, Format):
            self._store(val._line())
        else:
            self._store(State.host.format_line(str(val)))
        return True


class MultiView_Knob(Knob):
    def _read(self, word: grammar.Word) -> None:
        self._state = word.text.strip()

    def setValue(self, val: object, chan: int = 0) -> bool:
        self._store(" ".join(val) if isinstance(val, (list, tuple)) else str(val))
        return True


class Array_Knob(Knob):
    """Numbers, each with a value, an expression or keys."""

    def __init__(self, name: str, label: str | None = None) -> None:
        super().__init__(name, label)
        self._low, self._high = 0.0, 1.0

    def _size(self) -> int:
        return ARRAY_SIZES.get(type(self).__name__, 1)

    def _start(self) -> object:
        return (0.0,) * self._size()

    def _cast(self, value: object) -> float:
        if isinstance(value, str) or not isinstance(value, (int, float)):
            raise TypeError(f"{self._where()} wants a number, not {value!r}")
        return float(value)

    def _read(self, word: grammar.Word) -> None:
        parts = [word] if word.form != "braced" else grammar.words(word.text)
        if len(parts) == 1 and self._size() > 1 and isinstance(self, (Color_Knob, AColor_Knob, XY_Knob, WH_Knob)):
            parts = parts * self._size()
        if len(parts) != self._size() and type(self).__name__ != "IArray_Knob":
            raise grammar.GrammarError(f"{self._where()} has {self._size()} numbers, not {len(parts)}: {word.text!r}")
        self._state = tuple(self._element(part) for part in parts)

    def _element(self, word: grammar.Word) -> object:
        if word.form != "braced":
            return self._literal(word.text)
        inner = grammar.words(word.text)
        if inner and inner[0].text == "curve" and inner[0].form == "bare":
            return Keys.parsed([one.text for one in inner[1:]])
        if len(inner) != 1:
            raise grammar.GrammarError(
                f"{self._where()}: the expression {word.text!r} has blanks and must stand in quotation marks"
            )
        compiled(inner[0].text)
        return inner[0].text

    def _literal(self, text: str) -> float:
        try:
            return float(text)
        except ValueError:
            raise grammar.GrammarError(f"{self._where()} wants a number, not {text!r}") from None

    def _written(self) -> str:
        parts = [self._part(one) for one in self._state]
        plain = len(set(parts)) == 1 and not parts[0].startswith("{")
        return parts[0] if plain else "{" + " ".join(parts) + "}"

    def _part(self, one: object) -> str:
        if isinstance(one, Keys):
            return "{curve " + one.text() + "}"
        if isinstance(one, str):
            return "{" + grammar.quoted(one) + "}"
        return self._shown(one)

    def _shown(self, value: float) -> str:
        return format(value, ".9g")

    def _number(self, channel: int = 0, frame: float | None = None, view: str | None = None) -> float:
        one = self._state[channel]
        host = State.host
        if isinstance(one, Keys):
            return one.at(host.frame_now if frame is None else frame)
        if isinstance(one, str):
            with host.at(frame, view):
                return self._node._host.evaluate(self._node, one, self)
        return float(one)

    def _text(self) -> str:
        return " ".join(self._shown(self._number(n)) for n in range(len(self._state)))

    def _expressions(self) -> list:
        return [one for one in self._state if isinstance(one, str)]

    def _all(self, frame: float | None = None) -> object:
        numbers = [self._number(n, frame) for n in range(len(self._state))]
        return numbers[0] if len(numbers) == 1 else numbers

    def value(self, index: int | None = None, view: str | None = None, time: float | None = None) -> object:
        if index is not None and index >= 0:
            return self._number(index, time, view)
        return self._all(time)

    def getValue(self, channel: int = -1) -> object:
        return self.value(None if channel < 0 else channel)

    def valueAt(self, time: float, index: int | None = None, view: str | None = None) -> object:
        if index is not None and index >= 0:
            return self._number(index, time, view)
        return self._all(time)

    def getValueAt(self, frame: float, index: int | None = None, view: str | None = None) -> object:
        return self.valueAt(frame, index, view)

    def setValue(
        self, value: object, index: int | None = None, time: float | None = None, view: str | None = None
    ) -> bool:
        return self._assign(value, index, time)

    def _assign(self, value: object, index: int | None = None, time: float | None = None) -> bool:
        if isinstance(value, (tuple, list)):
            if len(value) > len(self._state):
                raise ValueError(f"{self._where()} has {len(self._state)} numbers, not {len(value)}")
            new = [self._cast(one) for one in value] + list(self._state[len(value) :])
        elif index is None or index < 0:
            new = [self._cast(value)] * len(self._state)
        else:
            new = list(self._state)
            new[index] = self._cast(value)
        if time is not None:
            raise NotImplementedError("the fake sets keys by setValueAt only")
        for number, old in enumerate(self._state):
            if isinstance(old, str) and new[number] != old:
                raise RuntimeError(f"{self._where()} has an expression: setValue does nothing on it in Nuke")
        self._store(tuple(new))
        return True

    def setValueAt(self, value: object, time: float, index: int | None = None, view: str | None = None) -> bool:
        new = list(self._state)
        for number in range(len(new)) if index is None else [index]:
            keys = new[number] if isinstance(new[number], Keys) else Keys({})
            new[number] = Keys({**keys.points, float(time): self._cast(value)})
        self._store(tuple(new))
        return True

    def setAnimated(self, index: int | None = None, view: str | None = None) -> None:
        new = list(self._state)
        for number in range(len(new)) if index is None else [index]:
            if not isinstance(new[number], Keys):
                new[number] = Keys({float(State.host.frame_now): self._number(number)})
        self._store(tuple(new))

    def clearAnimated(self, index: int | None = None, view: str | None = None) -> bool:
        self._store(tuple(self._number(n) for n in range(len(self._state))))
        return True

    def isAnimated(self, index: int | None = None, view: str | None = None) -> bool:
        chosen = self._state if index is None or index < 0 else [self._state[index]]
        return any(isinstance(one, (Keys, str)) for one in chosen)

    def hasExpression(self, index: int | None = None) -> bool:
        chosen = self._state if index is None or index < 0 else [self._state[index]]
        return any(isinstance(one, str) for one in chosen)

    def setExpression(self, expression: str, channel: int = -1, view: object = None) -> bool:
        compiled(expression)
        new = list(self._state)
        for number in range(len(new)) if channel < 0 else [channel]:
            new[number] = expression
        self._store(tuple(new))
        return True

    def arraySize(self) -> int:
        return len(self._state)

    def array(self) -> list:
        return [self._number(n) for n in range(len(self._state))]

    def setRange(self, f1: float, f2: float) -> None:
        self._low, self._high = f1, f2

    def min(self) -> float:
        return self._low

    def max(self) -> float:
        return self._high

    def defaultValue(self) -> float:
        return self._default[0]

    def setDefaultValue(self, s: object) -> None:
        self._default = self._state = tuple(self._cast(one) for one in s)

    def notDefault(self) -> bool:
        return not self._is_default()


class Keys:
    """An animation curve: linear between its keys, held outside them."""

    def __init__(self, points: dict) -> None:
        self.points = dict(sorted(points.items()))

    @classmethod
    def parsed(cls, parts: list) -> Keys:
        """From the words after ``curve``."""
        points, time = {}, None
        for part in parts:
            if re.fullmatch(r"[A-Z]", part) or part == "i":
                continue
            if part.startswith("x") and part[1:2].isdigit() or part.startswith("x-"):
                time = float(part[1:])
                continue
            if part[0] in "stuv":
                continue  # slopes
            time = 0.0 if time is None else time
            points[time] = float(part)
            time += 1.0
        return cls(points)

    def text(self) -> str:
        """The words after ``curve``."""
        return " ".join(f"x{time:g} {value:.9g}" for time, value in self.points.items())

    def at(self, frame: float) -> float:
        """The value at a frame."""
        times = list(self.points)
        if frame <= times[0]:
            return self.points[times[0]]
        for number, after in enumerate(times[1:]):
            before = times[number]
            if before <= frame < after:
                share = (frame - before) / (after - before)
                return self.points[before] + share * (self.points[after] - self.points[before])
        return self.points[times[-1]]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Keys) and self.points == other.points

    __hash__ = None


class Double_Knob(Array_Knob):
    pass


class IArray_Knob(Array_Knob):
    pass


class XY_Knob(Array_Knob):
    def value(self, n: int | None = None, oc: object = None) -> object:
        return self._all() if n is None else self._number(n)

    def x(self, oc: object = None) -> float:
        return self._number(0)

    def y(self, oc: object = None) -> float:
        return self._number(1)


class XYZ_Knob(Array_Knob):
    pass


class WH_Knob(Array_Knob):
    pass


class UV_Knob(Array_Knob):
    pass


class BBox_Knob(Array_Knob):
    pass


class Color_Knob(Array_Knob):
    pass


class AColor_Knob(Color_Knob):
    def _start(self) -> object:
        return (0.0,) * 4


class Int_Knob(Array_Knob):
    def _shown(self, value: float) -> str:
        return str(int(value))

    def value(self) -> int:
        return int(self._number())

    def getValue(self, channel: int = -1) -> object:
        return float(self._number())

    def setValue(self, val: int) -> bool:
        return self._assign(val)


class Unsigned_Knob(Array_Knob):
    def _literal(self, text: str) -> float:
        return float(int(text, 16)) if text.startswith("0x") else super()._literal(text)

    def _shown(self, value: float) -> str:
        return f"0x{int(value):x}"

    def value(self) -> int:
        return int(self._number())


class Boolean_Knob(Array_Knob):
    def __init__(self, name: str, label: str | None = None, value: object = None) -> None:
        super().__init__(name, label)
        if value is not None:
            self._state = (float(bool(value)),)

    def _literal(self, text: str) -> float:
        if text not in TRUE + FALSE:
            raise grammar.GrammarError(f"{self._where()} wants true or false, not {text!r}")
        return float(text in TRUE)

    def _shown(self, value: float) -> str:
        return "true" if value else "false"

    def value(self) -> bool:
        return bool(self._number())

    def setValue(self, b: bool) -> bool:
        if not isinstance(b, (bool, int, float)):
            raise TypeError(f"{self._where()} wants true or false, not {b!r}")
        self._store((float(bool(b)),))
        return True


class Disable_Knob(Boolean_Knob):
    pass


class Enumeration_Knob(Unsigned_Knob):
    """The state is the index, an expression or keys; scripts hold the entry's name."""

    def __init__(self, name: str, label: str, items: list) -> None:
        super().__init__(name, label)
        self._items = [str(item) for item in items]

    def _literal(self, text: str) -> float:
        if text in self._items:
            return float(self._items.index(text))
        if re.fullmatch(r"\d+", text) and int(text) < len(self._items):
            return float(text)
        raise grammar.GrammarError(f"{self._where()} has no entry {text!r}, only {', '.join(map(repr, self._items))}")

    def _read(self, word: grammar.Word) -> None:
        # Entries with blanks come in quotation marks, and also in braces where they are no expression.
        if word.form == "braced" and not word.text.startswith("{"):
            self._state = (self._literal(word.text),)
        else:
            super()._read(word)

    def _part(self, one: object) -> str:
        if isinstance(one, (Keys, str)):
            return super()._part(one)
        return grammar.quoted(self._items[int(one)])

    def _written(self) -> str:
        part = self._part(self._state[0])
        return "{" + part + "}" if part.startswith("{") else part

    def _shown(self, value: float) -> str:
        return self._items[int(value)] if self._items else ""

    def _text(self) -> str:
        return self._shown(self._number())

    def value(self) -> str:
        return self._text()

    def getValue(self, channel: int = -1) -> object:
        return float(self._number())

    def values(self) -> list:
        return list(self._items)

    def numValues(self) -> int:
        return len(self._items)

    def enumName(self, n: int) -> str:
        return self._items[n]

    def setValues(self, items: list) -> None:
        self._items = [str(item) for item in items]

    def setValue(self, item: object) -> bool:
        if isinstance(item, str):
            if item not in self._items:
                raise TypeError(f"{self._where()} has no entry {item!r}, only {', '.join(map(repr, self._items))}")
            index = self._items.index(item)
        elif isinstance(item, (int, float)) and 0 <= item < len(self._items):
            index = int(item)
        else:
            raise TypeError(f"{self._where()} has no entry {item!r}")
        self._store((float(index),))
        return True


class Channel_Knob(Knob):
    """A channel or a layer by name; ``{a b c -d}`` lists single ones."""

    def _read(self, word: grammar.Word) -> None:
        self._state = word.text.strip()
        self._node._host.check_channels(self._state, self._where())

    def value(self) -> str:
        return str(self._state)

    def setValue(self, name: str) -> bool:
        if not isinstance(name, str):
            raise TypeError(f"{self._where()} wants a name, not {name!r}")
        self._node._host.check_channels(name, self._where())
        self._store(name)
        return True

    def _written(self) -> str:
        return "{" + self._state + "}" if " " in str(self._state) else grammar.quoted(str(self._state))


class ChannelMask_Knob(Channel_Knob):
    pass


class Link_Knob(Knob):
    """Shows a knob of another node as its own."""

    def _target(self) -> Knob:
        path = str(self._state)
        found = self._node._host.knob_at(self._node, path) if path else None
        if found is None:
            raise ExpressionError(f"{self._where()} is linked to {path!r}, which is not there")
        return found

    def makeLink(self, s: str, t: str) -> None:
        self._state = f"{s}.{t}"

    def setLink(self, s: str) -> None:
        self._state = s

    def getLink(self) -> str:
        return str(self._state)

    def getLinkedKnob(self) -> object:
        return self._target()

    def value(self) -> object:
        return self._target().value()

    def setValue(self, val: object, chan: object = None) -> bool:
        return self._target().setValue(val)

    def _number(self, channel: int = 0, frame: float | None = None, view: str | None = None) -> float:
        return self._target()._number(channel, frame, view)

    def _text(self) -> str:
        return self._target()._text()

    def _is_default(self) -> bool:
        return True  # the link stands in the definition

    def _read(self, word: grammar.Word) -> None:
        self._target()._read(word)


class InferenceCustomKnob(Knob):
    """Attributes of the model: ``{name:value;name2:{parent.knob};}``."""

    def _pairs(self) -> dict:
        text = str(self._state).strip()
        text = text[1:-1] if text.startswith("{") else text
        found = {}
        for part in filter(None, (one.strip() for one in text.split(";"))):
            name, colon, value = part.partition(":")
            if not colon:
                raise grammar.GrammarError(f"{self._where()}: {part!r} is no name:value")
            found[name.strip()] = value.strip()
        return found

    def _values(self) -> dict:
        """The attributes with their links worked out."""
        found = {}
        for name, value in self._pairs().items():
            if value.startswith("{"):
                found[name] = self._node._host.evaluate(self._node, value[1:-1].strip(), self)
            else:
                found[name] = float({"true": "1", "false": "0"}.get(value, value))
        return found


class OtherKnob(Knob):
    """A knob whose class scripts can't make and that only keeps its text."""


PUBLIC = [
    Knob, String_Knob, EvalString_Knob, Multiline_Eval_String_Knob, File_Knob, PythonKnob, Script_Knob, PyScript_Knob,
    Text_Knob, Font_Knob, Tab_Knob, Format_Knob, MultiView_Knob, Array_Knob, Double_Knob, IArray_Knob, XY_Knob,
    XYZ_Knob, WH_Knob, UV_Knob, BBox_Knob, Color_Knob, AColor_Knob, Int_Knob, Unsigned_Knob, Boolean_Knob,
    Disable_Knob, Enumeration_Knob, Channel_Knob, ChannelMask_Knob, Link_Knob,
]  # fmt: skip
BY_NAME = {cls.__name__: cls for cls in PUBLIC}
BY_NAME["InferenceCustomKnob"] = InferenceCustomKnob
BY_NAME["Multiline_Eval_String_Knob"] = Multiline_Eval_String_Knob


def made(cls: str, name: str, default: object = None, values: object = None) -> Knob:
    """A knob of a class by its name, with a default."""
    found = BY_NAME.get(cls)
    if cls in ("Radio_Knob", "CascadingEnumeration_Knob"):
        found = Enumeration_Knob
    if found is None:
        return OtherKnob(name)
    if issubclass(found, Enumeration_Knob):
        knob = found(name, "", list(values or ()))
        if isinstance(default, str) and default.split("\t")[0] in knob._items:
            knob._state = (float(knob._items.index(default.split("\t")[0])),)
    else:
        knob = found(name)
        if isinstance(knob, Array_Knob) and isinstance(default, (int, float)):
            knob._state = (float(default),) * len(knob._state)
        elif isinstance(default, str) and not isinstance(knob, Array_Knob):
            knob._state = default
    if isinstance(knob, Format_Knob) and "object at" in str(knob._state):
        knob._state = ""
    knob._default = knob._state
    return knob


def user_knob(body: str) -> Knob:
    """The knob of an ``addUserKnob {…}``.

    Raises:
        grammar.GrammarError: a type, flag or option that no real script has, or that the fake can't make.
    """
    listed = grammar.words(body)
    if not listed:
        raise grammar.GrammarError("addUserKnob {} is empty")
    number = listed[0].text
    known = facts.vocabulary()
    if not number.isdigit() or int(number) not in known["types"]:
        raise grammar.GrammarError(f"addUserKnob {{{body}}}: no script has the type {number}")
    if int(number) not in USER_TYPES:
        raise grammar.GrammarError(f"addUserKnob {{{body}}}: the fake does not have the type {number}")
    name = listed[1].text if len(listed) > 1 else ""
    options, flags, position = {}, set(), 2
    takes = known["options"]
    while position < len(listed):
        word = listed[position]
        if word.form == "bare" and word.text in known["flags"]:
            flags.add(word.text)
            position += 1
        elif word.form == "bare" and word.text in takes:
            count = takes[word.text]
            values = listed[position + 1 : position + 1 + count]
            if len(values) < count:
                raise grammar.GrammarError(f"addUserKnob {{{body}}}: the option {word.text} lacks its value")
            options[word.text] = [one.text for one in values]
            position += 1 + count
        else:
            raise grammar.GrammarError(f"addUserKnob {{{body}}}: {word.text!r} is neither an option nor a flag")
    return _user_knob(int(number), name, options, flags)


def _user_knob(number: int, name: str, options: dict, flags: set) -> Knob:
    cls = BY_NAME[USER_TYPES[number]]
    label = options.get("l", [None])[0]
    if cls is Enumeration_Knob:
        knob = cls(name, label or "", [word.text for word in grammar.words(options.get("M", [""])[0])])
    else:
        knob = cls(name, label)
    knob._label = label if label is not None else ""
    knob._labeled = label is not None
    knob._user_type = number
    knob._group = options.get("n", [None])[0]
    knob._tooltip = options.get("t", [""])[0]
    knob._flags = {flag[1:] for flag in flags if flag.startswith("+")}
    knob._cleared = {flag[1:] for flag in flags if flag.startswith("-")}
    knob._enabled = "DISABLED" not in knob._flags
    if "R" in options:
        knob._low, knob._high = (float(one) for one in options["R"])
    if "T" in options:
        knob._state = options["T"][0]
        if isinstance(knob, Array_Knob):
            raise grammar.GrammarError(f"addUserKnob {name}: a knob of type {number} takes no text")
    knob._default = knob._state
    return knob


def definition(knob: Knob) -> str:
    """The ``addUserKnob`` line of a user knob."""
    parts = [str(knob._user_type), grammar.quoted(knob._name)]
    if getattr(knob, "_labeled", True) and knob._label != "":
        parts.append(f"l {grammar.quoted(knob._label)}")
    elif getattr(knob, "_labeled", False):
        parts.append('l ""')
    if knob._tooltip:
        parts.append(f"t {grammar.quoted(knob._tooltip)}")
    parts += [f"+{flag}" for flag in FLAG_NAMES if flag in knob._flags]
    parts += [f"-{flag}" for flag in FLAG_NAMES if flag in getattr(knob, "_cleared", ())]
    if isinstance(knob, Enumeration_Knob):
        parts.append("M {" + " ".join(grammar.quoted(item) for item in knob._items) + "}")
    elif isinstance(knob, Array_Knob) and (knob._low, knob._high) != (0.0, 1.0):
        parts.append(f"R {knob._low:g} {knob._high:g}")
    elif isinstance(knob, (Script_Knob, Link_Knob)) or isinstance(knob, Text_Knob) and knob._state:
        parts.append(f"T {grammar.quoted(str(knob._state))}")
    if getattr(knob, "_group", None):
        parts.append(f"n {knob._group}")
    return "addUserKnob {" + " ".join(parts) + "}"
