"""How the layers are called in the stream. Their names stand in nodes inside the node, so they travel with it."""

from __future__ import annotations

import re

import nuke

from .fscs.naming import layer_name
from .fscs.parameters import LIVE_COLORS, MAXIMUM_COLORS
from .fscs.protocol import WorkerError

CHANNELS = ("red", "green", "blue", "alpha")

_PREFIX = re.compile(r"[A-Za-z][A-Za-z0-9]{0,30}\Z")
_VIEWS = ("Recomposition", "Error", "OneLayer", "Matte", *(f"Sheet{n}" for n in range(1, MAXIMUM_COLORS + 1)))


def prefix_of(node: nuke.Group) -> str:
    """What the layers' names begin with now."""
    return str(node.node("Layer1")["to0"].value()).rsplit("1.", 1)[0]


def rename(node: nuke.Group, prefix: str) -> None:
    """Lets the layers' names begin with ``prefix``; the names in the EXR files stay.

    Raises:
        WorkerError: Nuke takes no such name (code ``usage``).
    """
    before = prefix_of(node)
    if prefix == before:
        return
    if not _PREFIX.match(prefix):
        cure = "begin with a letter, and use only letters and digits"
        raise WorkerError("usage", f"layers can't be called {prefix!r}", cure)
    known = nuke.layers()
    for n in range(1, MAXIMUM_COLORS + 1):
        name = f"{prefix}{n}"
        channels = [f"{name}.{channel}" for channel in CHANNELS]
        if name not in known and name != layer_name(n):
            nuke.Layer(name, channels)
        copies = [node.node(f"Layer{n}")] + ([node.node(f"LiveLayer{n}")] if n <= LIVE_COLORS else [])
        for copy in copies:
            for index, channel in enumerate(channels):
                copy[f"to{index}"].setValue(channel)
        foreign = node.node(f"Foreign{n - (n - 1) % 4}")
        foreign[("channels", "channels2", "channels3", "channels4")[(n - 1) % 4]].setValue(name)
        straight = node.node(f"Straight{n}")
        straight["channels"].fromScript("{" + " ".join(channels[:3]) + "}")
        straight["alpha"].setValue(channels[3])
    pattern = re.compile(rf"\b{re.escape(before)}(\d+\.)")
    for view in _VIEWS:
        for index in range(4):
            knob = node.node(view)[f"expr{index}"]
            knob.setValue(pattern.sub(rf"{prefix}\1", str(knob.value())))
