"""Frames of a shot by number: patterns like ``plate.####.exr``, ranges like ``1001-1100x2,1150``, views by ``%V``.

The notations of numbers are those that fileseq reads: ``####`` and ``@@@@`` (as many digits as signs), ``%04d`` and
``$F4``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from fileseq.constants import PAD_STYLE_HASH1
from fileseq.exceptions import FileSeqException
from fileseq.filesequence import FileSequence
from fileseq.frameset import FrameSet

from .errors import InputError, UsageError

MOST_FRAMES = 1_000_000
"""A range of more is a slip of the pen."""

VIEWS = ("left", "right")
"""Views where none are named; of them those that exist."""

PICTURES = (".exr", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".dpx", ".cin", ".tga", ".bmp", ".hdr", ".sgi", ".webp")
"""Endings of what counts as a picture in a folder."""

MOVIES = frozenset(
    (".mov", ".mp4", ".m4v", ".mkv", ".webm", ".avi", ".mxf", ".mpg", ".mpeg", ".m2v", ".ts", ".mts", ".m2ts", ".wmv")
    + (".flv", ".ogv", ".3gp", ".dv")
)
"""Endings of what is taken for a movie."""

_VIEW = re.compile(r"%[Vv]")
_LISTED = 6


def parse_frames(text: str) -> tuple[int, ...]:
    """The numbers of a range, ascending, each once.

    Raises:
        UsageError: no range, or too many frames.

    >>> parse_frames("1001-1006x2,1010")
    (1001, 1003, 1005, 1010)
    """
    try:
        # What others call a step, Open Job Description among them, fileseq would take for "staggered".
        found = FrameSet(text.strip().replace(":", "x"))
        if len(found) > MOST_FRAMES:
            raise UsageError(f"--frames {text!r} names {len(found)} frames", cure=f"name at most {MOST_FRAMES}")
        numbers = sorted(found)
    except (FileSeqException, ValueError, OverflowError) as error:
        raise UsageError(
            f"--frames {text!r} is not a range of frames", cure="write it as 1001-1100, 1001-1100x2 or 1001,1005-1010"
        ) from error
    if not numbers or any(number != int(number) for number in numbers):
        raise UsageError(f"--frames {text!r} holds no whole frame numbers", cure="write it as 1001-1100")
    return tuple(int(number) for number in numbers)


def format_frames(numbers: Iterable[int]) -> str:
    """The shortest notation of some frames.

    >>> format_frames([1, 2, 3, 7])
    '1-3,7'
    """
    return str(FrameSet(sorted(numbers)))


@dataclass(frozen=True)
class FramePattern:
    """The names of a sequence's files: ``shots/plate.%V.####.exr``.

    Args:
        text: a path; its last part may hold a frame token, any part ``%V`` (the view's name) or ``%v`` (its first
            letter).

    Raises:
        UsageError: more than one frame token, or one in a folder's name.
    """

    text: str

    def __post_init__(self) -> None:
        _ = self._sequence

    @cached_property
    def _sequence(self) -> FileSequence:
        name = Path(self.text).name
        try:
            found = FileSequence(_without_view(name), pad_style=PAD_STYLE_HASH1)
        except (FileSeqException, ValueError) as error:
            raise UsageError(f"{self.text}: can't be read as names of frames", cure=_CURE) from error
        folder = str(Path(self.text).parent)
        if re.search(r"#|@@|%\d*d|\$F\d", folder) or found.padding() in ("<UDIM>", "%(UDIM)d"):
            raise UsageError(f"{self.text}: the frame number belongs into the file's name", cure=_CURE)
        if "." in found.padding():
            raise UsageError(f"{self.text}: holds more than one frame number", cure=_CURE)
        if found.frameSet() is not None and found.padding():
            raise UsageError(f"{self.text}: holds a range of frames", cure="name the range by --frames")
        rest = f"{found.basename()}{found.extension()}"
        if found.padding() and re.search(r"#|@@|%\d*d", rest):
            raise UsageError(f"{self.text}: holds more than one frame number", cure=_CURE)
        return found

    @property
    def has_number(self) -> bool:
        """Whether there is a frame token."""
        return bool(self._sequence.padding())

    @property
    def has_view(self) -> bool:
        """Whether there is a ``%V``."""
        return _VIEW.search(self.text) is not None

    def number(self, frame: int) -> str:
        """A frame's number as it stands in the name: ``"0101"``."""
        sequence = self._sequence
        return f"{'-' if frame < 0 else ''}{abs(frame):0{max(1, sequence.zfill()) - (frame < 0)}d}"

    def file(self, frame: int, view: str = "") -> Path:
        """The file of a frame, and of a view where the pattern has one.

        >>> FramePattern("out/plate.####.exr").file(7)
        PosixPath('out/plate.0007.exr')
        """
        path = Path(self.text)
        if self.has_number:
            sequence = self._sequence
            # What stands for the view is put back: fileseq would take %V for a token of its own.
            name = f"{sequence.basename()}{self.number(frame)}{sequence.extension()}"
            path = path.with_name(_with_view(name))
        return Path(_of_view(str(path), view))

    def frames(self, view: str = "") -> tuple[int, ...]:
        """The frames that exist on disk, ascending."""
        sample = self.file(0, view)
        if not self.has_number:
            return (0,) if sample.is_file() else ()
        sequence = self._sequence
        before, after = (
            re.escape(_of_view(_with_view(part), view)) for part in (sequence.basename(), sequence.extension())
        )
        digits = max(1, sequence.zfill())
        name = re.compile(f"{before}(-?\\d{{{digits},}}|-\\d{{{max(1, digits - 1)},}}){after}")
        try:
            names = [entry.name for entry in sample.parent.iterdir()]
        except OSError:
            return ()
        found = {int(match[1]): match[0] for file in names if (match := name.fullmatch(file))}
        return tuple(sorted(n for n, file in found.items() if self.file(n, view).name == file))


_CURE = "write it as plate.####.exr or plate.%04d.exr"
_MARK, _SMALL_MARK = "\x00V\x00", "\x00v\x00"


def _without_view(name: str) -> str:
    return name.replace("%V", _MARK).replace("%v", _SMALL_MARK)


def _with_view(name: str) -> str:
    return name.replace(_MARK, "%V").replace(_SMALL_MARK, "%v")


def _of_view(text: str, view: str) -> str:
    return _VIEW.sub(lambda token: view if token[0] == "%V" else view[:1], text)


def is_pattern(text: str) -> bool:
    """Whether a path names many files. A file that exists under just this name is one picture."""
    if Path(text).is_file():
        return False
    pattern = FramePattern(text)
    return pattern.has_number or pattern.has_view


def is_shot(inputs: Sequence[Path]) -> bool:
    """Whether these inputs are many frames, or may be, rather than one picture."""
    if inputs[0].suffix.lower() in MOVIES:
        return True
    return len(inputs) > 1 or inputs[0].is_dir() or is_pattern(str(inputs[0]))


def pattern_of_folder(folder: Path) -> FramePattern:
    """The one sequence of a folder.

    Raises:
        InputError: no pictures, several sequences, or pictures without a number.
    """
    files = sorted(file.name for file in folder.iterdir() if file.suffix.lower() in PICTURES and file.is_file())
    visible = [name for name in files if not name.startswith(".")]
    return _one_pattern(folder, visible, str(folder))


def pattern_of_files(files: Sequence[Path]) -> tuple[FramePattern, tuple[int, ...]] | None:
    """The pattern that all of these files follow, and their frames; None where they are not of one sequence."""
    if len({file.parent for file in files}) != 1:
        return None
    try:
        pattern = _one_pattern(files[0].parent, [file.name for file in files], "the files")
    except InputError:
        return None
    numbers = {pattern.file(number).name: number for number in pattern.frames()}
    try:
        return pattern, tuple(sorted({numbers[file.name] for file in files}))
    except KeyError:
        return None


def _one_pattern(folder: Path, names: Sequence[str], what: str) -> FramePattern:
    found = FileSequence.findSequencesInList(names, pad_style=PAD_STYLE_HASH1)
    numbered = [sequence for sequence in found if sequence.padding()]
    if len(found) == 1 and numbered:
        sequence = numbered[0]
        return FramePattern(str(folder / f"{sequence.basename()}{sequence.padding()}{sequence.extension()}"))
    if not names:
        raise InputError(f"{what}: has no images in it", cure="name a folder of numbered images")
    shown = ", ".join(f"{s.basename()}{s.padding()}{s.extension()}" for s in list(found)[:_LISTED])
    more = f" and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
    raise InputError(f"{what}: is not one sequence but {shown}{more}", cure="name one of them by its pattern")
