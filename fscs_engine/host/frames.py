"""Frames by number, in one way for the engine and for hosts: ranges, and the names of a sequence's files."""

from __future__ import annotations

import re
from collections.abc import Iterable

from .protocol import WorkerError

MOST_FRAMES = 1_000_000
"""A range of more is a slip of the pen."""

MOVIES = frozenset(
    (".mov", ".mp4", ".m4v", ".mkv", ".webm", ".avi", ".mxf", ".mpg", ".mpeg", ".m2v", ".ts", ".mts", ".m2ts", ".wmv")
    + (".flv", ".ogv", ".3gp", ".dv")
)
"""Endings of what is taken for a movie."""

_RANGE = re.compile(r"(-?\d{1,9})(?:-(-?\d{1,9})(?:[x:](\d{1,9}))?)?", re.ASCII)
_FRAME = re.compile(r"%0?(\d*)d|(#+)")
_VIEW = re.compile(r"%([Vv])")


def parse_frames(text: str) -> tuple[int, ...]:
    """The numbers of a range, ascending, each once. A colon is a step too, as in Open Job Description.

    Raises:
        WorkerError: no range, or too many frames (code ``usage``).

    >>> parse_frames("1001-1006x2,1010")
    (1001, 1003, 1005, 1010)
    """
    frames: set[int] = set()
    for part in text.replace(" ", "").split(","):
        found = _RANGE.fullmatch(part)
        if not found:
            cure = "write it as 1001-1100, 1001-1100x2 or 1001,1005-1010"
            raise WorkerError("usage", f"{text!r} is not a range of frames", cure)
        first = int(found[1])
        last = first if found[2] is None else int(found[2])
        step = int(found[3] or 1)
        if last < first or step < 1:
            raise WorkerError("usage", f"{part!r} holds no frame", "write the first frame first, as in 1001-1100")
        numbers = range(first, last + 1, step)
        if len(numbers) > MOST_FRAMES:
            raise WorkerError("usage", f"{text!r} names {len(numbers)} frames", f"name at most {MOST_FRAMES}")
        frames.update(numbers)
    return tuple(sorted(frames))


def format_frames(frames: Iterable[int], step: str = "x") -> str:
    """The shortest notation of some frames, which :func:`parse_frames` reads.

    Args:
        frames: in any order; those named twice count once.
        step: the sign before a step, in Open Job Description a colon.

    >>> format_frames([1, 2, 3, 7]), format_frames(range(10, 20, 2), ":")
    ('1-3,7', '10-18:2')
    """
    ordered = sorted(set(frames))
    runs: list[str] = []
    while ordered:
        width = ordered[1] - ordered[0] if len(ordered) > 1 else 1
        length = 1
        while length < len(ordered) and ordered[length] - ordered[length - 1] == width:
            length += 1
        if length == 2 and width > 1:  # the second may begin a longer run
            length = 1
        first, last = ordered[0], ordered[length - 1]
        every = f"{step}{width}" if width > 1 else ""
        runs.append(f"{first}-{last}{every}" if length > 1 else f"{first}")
        del ordered[:length]
    return ",".join(runs)


def has_frame(template: str) -> bool:
    """Whether a name differs from frame to frame."""
    return bool(_FRAME.search(template))


def has_view(template: str) -> bool:
    """Whether a name differs from view to view."""
    return bool(_VIEW.search(template))


def of_view(template: str, view: str) -> str:
    """The name of a view: ``%V`` is the view, ``%v`` its first letter.

    >>> of_view("%V/plate_%v.exr", "left")
    'left/plate_l.exr'
    """
    return _VIEW.sub(lambda found: view if found[1] == "V" else view[:1], template)


def number_text(frame: int, digits: int) -> str:
    """A frame's number as it stands in a name, at least so wide.

    >>> number_text(101, 4), number_text(-7, 4)
    ('0101', '-007')
    """
    return f"{frame:0{max(1, digits)}d}"


def file_of(template: str, frame: int, view: str) -> str:
    """The file of a frame and view: ``%04d`` and ``####`` are the frame, see :func:`of_view` for the view.

    >>> file_of("a.%04d.exr", 7, "main"), file_of("%V/a.##.exr", -7, "left")
    ('a.0007.exr', 'left/a.-7.exr')
    """

    def numbered(found: re.Match[str]) -> str:
        return number_text(frame, int(found[1] or 1) if found[1] is not None else len(found[2]))

    return _FRAME.sub(numbered, of_view(template, view))
