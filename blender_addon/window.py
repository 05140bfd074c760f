# SPDX-License-Identifier: GPL-3.0-or-later
"""The frames around one that the temporal smoothing looks at, and those that a palette of a range is found in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .contents import identity
from .fscs.key import window_identity
from .fscs.parameters import PALETTE_FRAMES, TEMPORAL_RADIUS
from .sources import Sources
from .upstream import fingerprint, fingerprint_of, glance

Walk = Callable[[Any, int], str]
"""Tells what a link shows at a frame: ``fingerprint``, or ``glance``, which is quick."""


def around(node: Any, frame: int, walk: Walk = fingerprint) -> tuple[int, ...]:
    """The frames whose pictures decide the layers of one, in their order: itself alone without temporal smoothing.

    Frames before and after it count as far as each shows another picture than the one beside it, so that the ends of a
    sequence and a held frame end the window.
    """
    here = _shown(node, frame, walk) if node.temporal > 0.0 else None
    if here is None:
        return (frame,)
    found = [frame]
    for step in (-1, 1):
        last = here
        for number in range(frame + step, frame + step * (TEMPORAL_RADIUS + 1), step):
            shown = _shown(node, number, walk)
            if shown is None or shown == last:
                break
            last = shown
            found.append(number)
    return tuple(sorted(found))


def print_of(node: Any, frame: int) -> str:
    """The fingerprint of all that flows into a node and is not a file, with that of the frames :func:`around`."""
    prints = [fingerprint_of(Sources.of(node, frame), frame)]
    for number in around(node, frame):
        sources = Sources.of(node, number)
        if number != frame and sources.image_file is None:
            prints.append(f"{number - frame},{fingerprint(sources.image, number)}")
    return "|".join(prints)


def alike(node: Any, frame: int) -> tuple[str | None, ...] | None:
    """The same for frames whose layers are the same, as far as a glance tells: of a file, its name counts. None where
    there is no picture."""
    sources = Sources.of(node, frame)
    mask = str(sources.mask_file.path) if sources.mask_file is not None else ""
    if sources.mask is not None and sources.mask_file is None:
        mask = glance(sources.mask, frame)
    frames = around(node, frame, glance)
    pictures = [_shown(node, number, glance) for number in frames]
    return None if None in pictures else (mask, str(frames.index(frame)), *pictures)


def identity_of(node: Any, frame: int) -> str:
    """That of the file of a frame, for the key, with those around it. The image comes from files."""
    frames = around(node, frame)
    files = [Sources.of(node, number).image_file for number in frames]
    return joined([identity(file.path) if file is not None else "missing" for file in files], frames.index(frame))


def joined(identities: Sequence[str], here: int) -> str:
    """One identity of a window's frames, for the key; ``here`` is the place of the frame itself."""
    return window_identity(identities, here) if len(identities) > 1 else identities[0]


def palette_frames(node: Any, frames: Sequence[int]) -> list[int]:
    """The frames of a range that decide its palette: some that show different pictures, both ends among them."""
    shown: dict[str, int] = {}
    files = bool(frames) and Sources.of(node, frames[0]).image_file is not None
    for frame in frames if files else spread(frames):
        what = _shown(node, frame)
        if what is not None:
            shown.setdefault(what, frame)
    return spread(list(shown.values())) or list(frames[:1])


def spread(frames: Sequence[int]) -> list[int]:
    """At most ``PALETTE_FRAMES`` of some frames, evenly spread, both ends among them, as the command line takes them.

    >>> spread(range(1001, 1101))
    [1001, 1013, 1026, 1038, 1051, 1063, 1075, 1088, 1100]
    """
    count = min(PALETTE_FRAMES, len(frames))
    return [frames[round(place * (len(frames) - 1) / max(1, count - 1))] for place in range(count)]


def _shown(node: Any, frame: int, walk: Walk = fingerprint) -> str | None:
    """What tells the picture of a frame from those of others; None where there is none."""
    sources = Sources.of(node, frame)
    if sources.image is None:
        return None
    if sources.image_file is None:
        return walk(sources.image, frame)
    return str(sources.image_file.path) if sources.image_file.path.is_file() else None
