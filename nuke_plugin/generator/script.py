"""The text of a Nuke script."""

from __future__ import annotations

import re
from collections.abc import Sequence


def quoted(text: str) -> str:
    """A word of a Nuke script.

    >>> quoted("Cached"), quoted("a b"), quoted("[value x]")
    ('Cached', '"a b"', '"\\\\[value x\\\\]"')
    """
    if re.fullmatch(r"[A-Za-z0-9_.%/+-]+", text):
        return text
    escaped = re.sub(r'([\\"\[\]$\{\}])', r"\\\1", text).replace("\n", "\\n")
    return f'"{escaped}"'


def expression(text: str) -> str:
    """The value of a knob that follows an expression."""
    return "{{" + quoted(text) + "}}"


def number(value: float) -> str:
    """A number as Nuke writes it."""
    return format(value, ".10g")


class Script:
    """A Nuke script under construction: nodes are written one after the other, with their inputs by name."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def node(
        self,
        kind: str,
        name: str,
        inputs: Sequence[str] = (),
        knobs: Sequence[tuple[str, str]] = (),
        *,
        at: tuple[int, int] = (0, 0),
    ) -> str:
        """Adds a node whose knobs have the values given, in the form of a script. Returns its name."""
        for source in reversed(inputs):
            self.lines.append(f" push $N{source}")
        self.lines.append(f" {kind} {{")
        if kind != "Output" and len(inputs) != 1:
            self.lines.append(f"  inputs {len(inputs)}")
        self.lines += [f"  {knob} {value}" for knob, value in knobs]
        self.lines += [f"  name {name}", f"  xpos {at[0] * 110}", f"  ypos {at[1] * 50}", " }"]
        if kind != "Output":
            self.lines.append(f" set N{name} [stack 0]")
        return name
