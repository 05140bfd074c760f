"""Frame ranges and the names of a sequence's files."""

from __future__ import annotations

import re

from .fscs.protocol import WorkerError

_RANGE = re.compile(r"(-?\d+)(?:-(-?\d+)(?:x(\d+))?)?\Z")
_FRAME = re.compile(r"%0?(\d*)d|(#+)")
_VIEW = re.compile(r"%([Vv])")


def parse(text: str) -> list[int]:
    """The frames of ``1001-1100x2,1150``, in order and each once.

    Raises:
        WorkerError: ``text`` is something else.
    """
    frames: set[int] = set()
    for part in text.replace(" ", "").split(","):
        found = _RANGE.match(part)
        if not found:
            raise WorkerError("usage", f"{text!r} is no range of frames", "write it like 1001-1100 or 1001-1100x2,1150")
        first = int(found[1])
        last = first if found[2] is None else int(found[2])
        step = int(found[3] or 1)
        if last < first or step < 1:
            raise WorkerError("usage", f"{part!r} holds no frame", "write the first frame first, as in 1001-1100")
        frames.update(range(first, last + 1, step))
    return sorted(frames)


def has_frame(template: str) -> bool:
    """Whether the name differs from frame to frame."""
    return bool(_FRAME.search(template))


def has_view(template: str) -> bool:
    """Whether the name differs from view to view."""
    return bool(_VIEW.search(template))


def path_of(template: str, frame: int, view: str) -> str:
    """The file of a frame and view: ``%04d`` and ``####`` are the frame, ``%V`` the view, ``%v`` its first letter.

    >>> path_of("a.%04d.exr", 7, "main"), path_of("%V/a.##.exr", -7, "left")
    ('a.0007.exr', 'left/a.-7.exr')
    """

    def numbered(found: re.Match[str]) -> str:
        width = int(found[1] or 1) if found[1] is not None else len(found[2])
        return f"{frame:0{width}d}"

    named = _VIEW.sub(lambda found: view if found[1] == "V" else view[:1], template)
    return _FRAME.sub(numbered, named)
