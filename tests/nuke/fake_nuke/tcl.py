"""Brackets in strings and expressions, worked out by the real Tcl with Nuke's commands added."""

from __future__ import annotations

from .expressions import ExpressionError
from .runtime import NotInFake


class Interpreter:
    """One Tcl for a host; ``node`` is the node that the code is seen from."""

    def __init__(self, host: object) -> None:
        try:
            import tkinter
        except ImportError as error:
            raise NotInFake("brackets need Python's tkinter") from error
        self.host = host
        self.nodes: list = []
        self.errors = (tkinter.TclError,)
        self.tcl = tkinter.Tcl()
        self.cause: list = []
        commands = ("value", "numvalue", "knob", "metadata", "python", "expression", "frame", "exists", "class")
        for name in (*commands, "plugins", "topnode", "view"):
            self.tcl.createcommand(name, self._guarded(getattr(self, f"_{name}")))

    def _guarded(self, function: object) -> object:
        def call(*arguments: str) -> str:
            try:
                return str(function(*arguments))
            except Exception as error:
                self.cause.append(error)
                raise

        return call

    def run(self, node: object, code: str) -> str:
        """The result of the code as a string."""
        self.nodes.append(node)
        self.cause.clear()
        try:
            return str(self.tcl.eval(code))
        except self.errors as error:
            cause = self.cause[0] if self.cause else error
            raise ExpressionError(f"[{code}]: {cause}") from cause
        finally:
            self.nodes.pop()

    def _found(self, path: str) -> tuple:
        knob, channel = self.host.knob_and_field(self.nodes[-1], path)
        if knob is None:
            raise ExpressionError(f"there is no knob {path!r}")
        return knob, channel, "." in path and path.rsplit(".", 1)[1] != knob._name

    def _value(self, path: str, default: str | None = None) -> str:
        try:
            knob, channel, part = self._found(path)
        except ExpressionError:
            if default is None:
                raise
            return default
        if part:
            return knob._shown(knob._number(channel))
        return knob.evaluate() if hasattr(knob, "evaluate") else knob._text()

    def _numvalue(self, path: str, default: str | None = None) -> str:
        knob, channel, _ = self._found(path)
        return format(knob._number(channel), ".9g")

    def _knob(self, path: str, value: str | None = None) -> str:
        if value is not None:
            raise NotInFake("[knob name value] sets a knob")
        return self._found(path)[0]._written()

    def _metadata(self, *arguments: str) -> str:
        node, rest = self.nodes[-1], list(arguments)
        if rest[:1] == ["-n"]:
            node, rest = self.host.node_at(node._group, rest[1]), rest[2:]
        if len(rest) != 1 or node is None:
            raise ExpressionError(f"metadata {' '.join(arguments)}")
        found = node._host.evaluator.metadata(node, self.host.frame_now, self.host.view_now)
        return found.get(rest[0], "")

    def _python(self, *arguments: str) -> str:
        rest = list(arguments)
        scope = {"nuke": self.host.module, "__name__": "__main__"}
        with self.host._within(self.nodes[-1], None):
            if rest[:1] == ["-execlocal"]:
                exec(" ".join(rest[1:]), scope)
                found = scope.get("ret", "")
            else:
                found = eval(" ".join(rest), scope)
        if isinstance(found, bool):
            return str(int(found))
        return "" if found is None else str(found)

    def _expression(self, *text: str) -> str:
        return format(self.host.evaluate(self.nodes[-1], " ".join(text)), ".9g")

    def _frame(self) -> str:
        return f"{self.host.frame_now:g}"

    def _view(self) -> str:
        return self.host.view_now

    def _exists(self, path: str) -> str:
        node = self.nodes[-1]
        found = self.host.knob_at(node, path) is not None or self.host.node_along(node, path.split(".")) is not None
        return str(int(found))

    def _class(self, path: str = "this") -> str:
        return self.host.node_along(self.nodes[-1], path.split("."))._class

    def _topnode(self, path: str = "this") -> str:
        node = self.host.node_along(self.nodes[-1], path.split("."))
        while node.input(0) is not None:
            node = node.input(0)
        return node._full_name()

    def _plugins(self, *arguments: str) -> str:
        found = self.host.api.plugins(0, *(one for one in arguments if not one.startswith("-")))
        return " ".join("{" + one + "}" for one in found)


def interpreted(host: object, node: object, code: str) -> str:
    """What a bracket gives, seen from a node.

    Raises:
        ExpressionError: Tcl or one of Nuke's commands refuses it.
    """
    if getattr(host, "_interpreter", None) is None:
        host._interpreter = Interpreter(host)
    return host._interpreter.run(node, code)
