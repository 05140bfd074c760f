"""Expressions of knobs: C-like arithmetic over knobs, with `[Tcl]` inside, which the real Tcl works out."""

from __future__ import annotations

import math
import re
from functools import cache

TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?)"
    r"|(?P<name>\$?[A-Za-z_][A-Za-z_0-9]*(?:\.[A-Za-z_0-9]+)*)"
    r"|(?P<operator>\*\*|==|!=|<=|>=|&&|\|\||[-+*/%<>!?:(),^])"
    r"|(?P<tcl>\[))"
)

FUNCTIONS = {
    "abs": abs,
    "ceil": math.ceil,
    "clamp": lambda x, low=0.0, high=1.0: min(max(x, low), high),
    "cos": math.cos,
    "exp": math.exp,
    "fabs": abs,
    "floor": math.floor,
    "fmod": math.fmod,
    "int": lambda x: float(int(x)),
    "isinf": math.isinf,
    "isnan": math.isnan,
    "lerp": lambda a, b, x: a + (b - a) * x,
    "log": math.log,
    "max": max,
    "min": min,
    "mix": lambda a, b, x: a + (b - a) * x,
    "pow": math.pow,
    "rint": lambda x: float(round(x)),
    "sin": math.sin,
    "smoothstep": lambda a, b, x: (lambda t: t * t * (3 - 2 * t))(min(max((x - a) / (b - a), 0.0), 1.0)),
    "sqrt": math.sqrt,
    "step": lambda a, x: float(x >= a),
    "trunc": math.trunc,
}
CONSTANTS = {"pi": math.pi, "e": math.e}


class ExpressionError(RuntimeError):
    """An expression that can't be worked out; in Nuke the knob and its node turn red."""


class Parser:
    """Builds a function of a scope from the text of an expression; the scope gives names and Tcl their values."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = list(self._tokens())
        self.position = 0

    def _tokens(self):
        position = 0
        while position < len(self.text):
            if self.text[position:].isspace():
                return
            found = TOKEN.match(self.text, position)
            if not found:
                raise ExpressionError(f"{self.text!r}: not an expression from {self.text[position:]!r} on")
            kind, value = found.lastgroup, found[found.lastgroup]
            position = found.end()
            if kind == "tcl":
                start, depth = position, 1
                while depth:
                    if position >= len(self.text):
                        raise ExpressionError(f"{self.text!r}: a bracket is not closed")
                    depth += {"[": 1, "]": -1}.get(self.text[position], 0)
                    position += 1
                value = self.text[start : position - 1]
            yield kind, value

    def parse(self):
        """The whole text as one expression."""
        found = self.ternary()
        if self.position != len(self.tokens):
            raise ExpressionError(f"{self.text!r}: not an expression from {self.tokens[self.position][1]!r} on")
        return found

    def take(self, *operators: str) -> str:
        """The next token where it is one of these operators, else nothing."""
        if self.position < len(self.tokens):
            kind, value = self.tokens[self.position]
            if kind == "operator" and value in operators:
                self.position += 1
                return value
        return ""

    def need(self, operator: str) -> None:
        """The next token, which must be this one."""
        if not self.take(operator):
            raise ExpressionError(f"{self.text!r}: {operator!r} is missing")

    def ternary(self):
        condition = self.binary(0)
        if not self.take("?"):
            return condition
        yes = self.ternary()
        self.need(":")
        no = self.ternary()

        def chosen(scope):
            # Whether Nuke works out the side that is not taken is not known: here it does, and its errors count.
            first, second = yes(scope), no(scope)
            return first if condition(scope) else second

        return chosen

    LEVELS = (("||",), ("&&",), ("==", "!="), ("<", ">", "<=", ">="), ("+", "-"), ("*", "/", "%"))
    OPERATIONS = {
        "==": lambda a, b: float(a == b),
        "!=": lambda a, b: float(a != b),
        "<": lambda a, b: float(a < b),
        ">": lambda a, b: float(a > b),
        "<=": lambda a, b: float(a <= b),
        ">=": lambda a, b: float(a >= b),
        "+": lambda a, b: a + b,
        "-": lambda a, b: a - b,
        "*": lambda a, b: a * b,
        "/": lambda a, b: a / b if b else 0.0,
        "%": lambda a, b: math.fmod(a, b) if b else 0.0,
    }

    def binary(self, level: int):
        if level == len(self.LEVELS):
            return self.power()
        left = self.binary(level + 1)
        while operator := self.take(*self.LEVELS[level]):
            right = self.binary(level + 1)
            left = self._joined(operator, left, right)
        return left

    def _joined(self, operator: str, left, right):
        if operator == "||":
            return lambda scope: float(any([left(scope), right(scope)]))  # both sides, as above
        if operator == "&&":
            return lambda scope: float(all([left(scope), right(scope)]))
        operation = self.OPERATIONS[operator]
        return lambda scope: operation(left(scope), right(scope))

    def power(self):
        base = self.unary()
        if self.take("**", "^"):
            exponent = self.power()
            return lambda scope: base(scope) ** exponent(scope)
        return base

    def unary(self):
        if self.take("-"):
            inner = self.unary()
            return lambda scope: -inner(scope)
        if self.take("+"):
            raise ExpressionError(f"{self.text!r}: a plus with nothing before it, which no real script has")
        if self.take("!"):
            inner = self.unary()
            return lambda scope: float(not inner(scope))
        return self.primary()

    def primary(self):
        if self.take("("):
            inner = self.ternary()
            self.need(")")
            return inner
        if self.position >= len(self.tokens):
            raise ExpressionError(f"{self.text!r} ends too early")
        kind, value = self.tokens[self.position]
        self.position += 1
        if kind == "number":
            number = float(value)
            return lambda scope: number
        if kind == "tcl":
            return lambda scope: scope.tcl(value)
        if kind == "name":
            if self.take("("):
                return self._call(value)
            if value in CONSTANTS:
                return lambda scope: CONSTANTS[value]
            return lambda scope: scope.name(value)
        raise ExpressionError(f"{self.text!r}: not an expression at {value!r}")

    def _call(self, name: str):
        if name not in FUNCTIONS:
            raise ExpressionError(f"{self.text!r}: there is no function {name}")
        arguments = []
        if not self.take(")"):
            arguments.append(self.ternary())
            while self.take(","):
                arguments.append(self.ternary())
            self.need(")")
        return lambda scope: FUNCTIONS[name](*(argument(scope) for argument in arguments))


@cache
def compiled(text: str):
    """An expression as a function of a scope.

    Raises:
        ExpressionError: it is none.
    """
    return Parser(text).parse()


def names(text: str) -> list:
    """The knobs and variables that an expression names, outside of its brackets."""
    return [value for kind, value in Parser(text).tokens if kind == "name" and value not in FUNCTIONS]


def substituted(text: str, tcl) -> str:
    """A string with every `[…]` replaced by what ``tcl`` makes of it; a bracket after a backslash stays one."""
    found, position = [], 0
    while position < len(text):
        character = text[position]
        if character == "\\" and position + 1 < len(text):
            found.append(text[position + 1])
            position += 2
        elif character == "[":
            start, depth = position + 1, 1
            position += 1
            while depth:
                if position >= len(text):
                    raise ExpressionError(f"{text!r}: a bracket is not closed")
                depth += {"[": 1, "]": -1}.get(text[position], 0)
                position += 1
            found.append(tcl(text[start : position - 1]))
        else:
            found.append(character)
            position += 1
    return "".join(found)
