# SPDX-License-Identifier: GPL-3.0-or-later
"""What lives as long as this Blender and is never saved: one object, which whoever needs it asks for by name."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class State:
    """What a node shows of its work.

    Attributes:
        message: its status line; empty for what its settings say.
        failed: whether that is an error.
        busy: whether a computation is under way.
        fraction: of it that is done.
        settings_shown: the settings that the pixels in its images were made with; empty if they are of none.
        settings_now: what its settings were when they were looked at last (``freshness.look_at``).
        unwatched: what of the 3D scenes that flow into it changes without being seen, as of then.
        pixels: the file in the cache, the kind of passes and the layers that are in its images; None for anything else.
        viewed: what the image of its view holds of these (``views.key``).
        ambiguous: the name of a group around it that is used with different inputs; empty if there is none.
        code: of the error that the message is (``WorkerError.code``).
        hint: what is wrong with how its layers are used; empty if nothing is.
        waiting: the settings that Auto Update waits with, until nothing changes for a moment.
        changed: when they came, by ``time.monotonic``.
        tried: the settings that it computed last, whatever came of it.
        keys: the keyframes that its edits were made of (``recoloring.fit``).
        cached: what of the scene's range is in the cache, in words.
        alike: what tells the layers of frames from those of others (``window.alike``), by frame.
        alike_at: the number of changes (``Session.changes``) that this was worked out after.
    """

    message: str = ""
    failed: bool = False
    busy: bool = False
    fraction: float = 0.0
    settings_shown: str = ""
    settings_now: str = ""
    unwatched: tuple[str, ...] = ()
    pixels: tuple[Path, str, frozenset[int]] | None = None
    viewed: tuple[str, int] | None = None
    ambiguous: str = ""
    code: str = ""
    hint: str = ""
    cached: str = ""
    waiting: str = ""
    changed: float = 0.0
    tried: str = ""
    keys: tuple[Any, ...] = ()
    alike: dict[int, tuple[str | None, ...] | None] = field(default_factory=dict)
    alike_at: int = -1


@dataclass
class Session:
    """Attributes:
    states: of the nodes, by their uid.
    running: the computations under way (``jobs.Running``), by the uid of their nodes.
    captures: the captures whose nodes are in the trees now (``capture.Capture``).
    render: the render of a capture under way (``capture.RenderJob``), or None.
    copied: whether nodes may share their inside: after a copy, and in a file that was just loaded.
    groups: how many node groups there were: one more may have been appended or linked, with nodes of ours in it.
    stop_render: set when Esc was pressed while a render computes layers (``stopping.py``); None if none does.
    alarmed: the nodes that the render under way told of already.
    scenes: what was seen of 3D scenes that flow into nodes (``scene_print.ScenePrint``), by their names.
    blend: the .blend that was loaded or saved last.
    changed: whether something may have changed since the nodes were looked at.
    changes: how often something may have changed.
    counting: whether frames in the cache are left to be counted.
    looked: when that was, by ``time.monotonic``.
    look_seconds: how long the last look at those scenes took.
    reading: what reads a frame for a window (``reading.Reading``), by the uid of their nodes.
    memory: layers that were read, by their file and number, those used last at the end (``memory.py``).
    near: what was rendered of frames whose neighbors want it too, by the uid of the node and the fingerprint.
    warned: the .blends whose artist was warned that they were not frozen.
    """

    states: dict[str, State] = field(default_factory=dict)
    running: dict[str, Any] = field(default_factory=dict)
    captures: list[Any] = field(default_factory=list)
    render: Any = None
    copied: bool = True
    groups: int = 0
    stop_render: Any = None
    alarmed: set[str] = field(default_factory=set)
    scenes: dict[str, Any] = field(default_factory=dict)
    blend: str = ""
    changed: bool = True
    changes: int = 0
    counting: bool = False
    looked: float = 0.0
    look_seconds: float = 0.0
    reading: dict[str, Any] = field(default_factory=dict)
    memory: OrderedDict[tuple[Path, int], Any] = field(default_factory=OrderedDict)
    near: OrderedDict[tuple[str, str], Any] = field(default_factory=OrderedDict)
    warned: set[str] = field(default_factory=set)

    def state(self, uid: str) -> State:
        """Of a node, a new one where there is none."""
        return self.states.setdefault(uid, State())


SESSION = Session()
