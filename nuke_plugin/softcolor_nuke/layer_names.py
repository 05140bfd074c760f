"""How the layers are called in the stream. Their names stand in nodes inside the node, so they travel with it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import nuke

from . import inside
from .fscs.naming import layer_name
from .fscs.parameters import MAXIMUM_COLORS
from .fscs.protocol import WorkerError

_PREFIX = re.compile(r"[A-Za-z][A-Za-z0-9]{0,30}\Z")


def names_of(node: nuke.Group) -> list[str]:
    """The names of the layers that the node's inside has."""
    return str(node["layers_inside"].value()).split()


def prefix_of(node: nuke.Group) -> str:
    """What the layers' names begin with now."""
    return re.sub(r"1(_\w*)?\Z", "", names_of(node)[0])


def rename(node: nuke.Group, prefix: str) -> None:
    """Lets the layers' names begin with ``prefix``; the names in the EXR files stay.

    With *Use Color Names* the names of the colors follow the number: ``softcolor2_sky``.

    Raises:
        WorkerError: Nuke takes no such name (code ``usage``).
    """
    if not _PREFIX.match(prefix):
        cure = "begin with a letter, and use only letters and digits"
        raise WorkerError("usage", f"layers can't be called {prefix!r}", cure)
    names = []
    for n in range(1, len(names_of(node)) + 1):
        own = re.sub(r"\W+", "_", str(node[f"name{n}"].value()), flags=re.ASCII).strip("_")
        names.append(f"{prefix}{n}_{own}" if own and node["color_names"].value() else f"{prefix}{n}")
    _set(node, names)


def follow(node: nuke.Group) -> None:
    """Lets the inside have as many layers as there are colors; nothing else changes, and nothing if it has."""
    colors = min(max(int(node["colors"].value()), 1), MAXIMUM_COLORS)
    names, prefix = names_of(node), prefix_of(node)
    if len(names) != colors:
        _set(node, [*names[:colors], *(f"{prefix}{n}" for n in range(len(names) + 1, colors + 1))])


def look_above(node: nuke.Group) -> None:
    """Takes layers out of the image that would pass for more of the node's own: another node before made them."""
    names, above = names_of(node), node.input(0)
    possible = re.compile(rf"{prefix_of(node)}([1-9]|1[0-6])(_\w*)?\.", re.ASCII)
    try:
        found = {str(one).split(".")[0] for one in above.channels() if possible.match(str(one))} if above else set()
    except RuntimeError:  # the image is an error, which its node says
        found = set()
    _put_foreign(node, [*names, *sorted(found - set(names))][:MAXIMUM_COLORS])


def _put_foreign(node: nuke.Group, foreign: Sequence[str]) -> None:
    texts = inside.texts([], foreign, MAXIMUM_COLORS, layer_name)
    put(node, {name: knobs for name, knobs in texts.items() if name.startswith("Foreign")})


def _set(node: nuke.Group, names: Sequence[str]) -> None:
    known = set(nuke.layers())
    files = [layer_name(n) for n in range(1, len(names) + 1)]
    for name in dict.fromkeys([*names, *files]):
        if name not in known:
            nuke.Layer(name, inside.channels_of(name))
    node["layers_inside"].setValue(" ".join(names))
    put_names(node)
    look_above(node)


def put_names(node: nuke.Group) -> None:
    """Sets the names of the layers in all nodes inside that have them."""
    texts = inside.texts(names_of(node), [], MAXIMUM_COLORS, layer_name)
    put(node, {name: knobs for name, knobs in texts.items() if not name.startswith("Foreign")})


def put(node: nuke.Group, texts: inside.Texts) -> None:
    """Sets knobs of nodes inside a node, as far as they are there and say something else."""
    for name, knobs in texts.items():
        found = node.node(name)
        if found is not None:
            put_in(found, knobs)


def put_in(node: Any, knobs: Mapping[str, str]) -> None:
    """Sets knobs of a node, as far as they say something else."""
    for knob, text in knobs.items():
        if str(node[knob].value()) == text:
            continue
        if knob == "mix" and "." in text and not text[0].isdigit():
            node[knob].setExpression(text)
        elif knob in ("color", "mix") or (" " in text and "expr" not in knob):
            node[knob].fromScript("{" + text + "}")
        else:
            node[knob].setValue(text)
