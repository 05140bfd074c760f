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
from fileseq.filesequence import FileSequence
from fileseq.frameset import FrameSet

from ..errors import InputError, UsageError
from ..host import frames as host_frames
from ..host.frames import MOVIES, has_view, number_text, of_view
from ..host.protocol import WorkerError

VIEWS = ("left", "right")
"""Views where none are named; of them those that exist."""

PICTURES = (".exr", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".dpx", ".cin", ".tga", ".bmp", ".hdr", ".sgi", ".webp")
"""Endings of what counts as a picture in a folder."""

_LISTED = 6

_TOKEN = re.compile(r"([#@]+)|%0?(\d*)d|\$F(\d*)")
_FOLDER_TOKEN = re.compile(r"#|@@|%\d*d|\$F\d")
_UDIM = re.compile(r"<UDIM>|%\(UDIM\)d")
_RANGE_BEFORE = re.compile(r"\d[-,]\d+(x\d+)?$")


def parse_frames(text: str) -> tuple[int, ...]:
    """The numbers of a range, ascending, each once.

    Raises:
        UsageError: no range, or too many frames.

    >>> parse_frames("1001-1006x2,1010")
    (1001, 1003, 1005, 1010)
    """
    try:
        return host_frames.parse_frames(text)
    except WorkerError as error:
        raise UsageError(f"--frames {error.message}", cure=error.cure) from error


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
        path = Path(self.text)
        tokens = list(_TOKEN.finditer(path.name))
        if _FOLDER_TOKEN.search(str(path.parent)) or _UDIM.search(self.text):
            raise UsageError(f"{self.text}: the frame number belongs into the file's name", cure=_CURE)
        if len(tokens) > 1:
            raise UsageError(f"{self.text}: holds more than one frame number", cure=_CURE)
        if tokens and _RANGE_BEFORE.search(path.name[: tokens[0].start()]):
            raise UsageError(f"{self.text}: holds a range of frames", cure="name the range by --frames")

    @cached_property
    def _parts(self) -> tuple[str, int, str]:
        """What stands before the number in the file's name, its least width, what stands behind it; 0 for none."""
        name = Path(self.text).name
        token = _TOKEN.search(name)
        if token is None:
            return name, 0, ""
        signs, *digits = token.group(1, 2, 3)
        width = len(signs) if signs else int(digits[0] or digits[1] or 1)
        return name[: token.start()], max(1, width), name[token.end() :]

    @property
    def has_number(self) -> bool:
        """Whether there is a frame token."""
        return self._parts[1] > 0

    @property
    def has_view(self) -> bool:
        """Whether there is a ``%V``."""
        return has_view(self.text)

    def number(self, frame: int) -> str:
        """A frame's number as it stands in the name: ``"0101"``."""
        return number_text(frame, self._parts[1])

    def file(self, frame: int, view: str = "") -> Path:
        """The file of a frame, and of a view where the pattern has one.

        >>> FramePattern("out/plate.####.exr").file(7)
        PosixPath('out/plate.0007.exr')
        """
        path = Path(self.text)
        if self.has_number:
            before, _, after = self._parts
            path = path.with_name(f"{before}{self.number(frame)}{after}")
        return Path(of_view(str(path), view))

    def frames(self, view: str = "") -> tuple[int, ...]:
        """The frames that exist on disk, ascending."""
        sample = self.file(0, view)
        if not self.has_number:
            return (0,) if sample.is_file() else ()
        before, digits, after = self._parts
        before, after = (re.escape(of_view(part, view)) for part in (before, after))
        name = re.compile(f"{before}(-?\\d{{{digits},}}|-\\d{{{max(1, digits - 1)},}}){after}")
        try:
            names = [entry.name for entry in sample.parent.iterdir()]
        except OSError:
            return ()
        found = {int(match[1]): match[0] for file in names if (match := name.fullmatch(file))}
        return tuple(sorted(n for n, file in found.items() if self.file(n, view).name == file))


_CURE = "write it as plate.####.exr or plate.%04d.exr"


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
