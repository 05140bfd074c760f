"""Frames of a shot by number: patterns like ``plate.####.exr``, ranges like ``1001-1100x2,1150``, views by ``%V``.

The notations of numbers are those that fileseq reads: ``####`` and ``@@@@`` (as many digits as signs), ``%04d`` and
``$F4``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from fileseq.constants import PAD_STYLE_HASH1
from fileseq.filesequence import FileSequence

from ..errors import InputError, UsageError
from ..host import frames as host_frames
from ..host.frames import MOVIES, has_view, number_text, of_view
from ..host.protocol import WorkerError

VIEWS = ("left", "right")
"""Views where none are named; of them those that exist."""

PICTURES = (".exr", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".dpx", ".cin", ".tga", ".bmp", ".hdr", ".sgi", ".webp")
"""Endings of what counts as a picture in a folder."""

_LISTED = 6

# One sign alone before a letter or digit is a part of the name: "take #2", "icon@2x".
_SIGNS = r"[#@]{2,}|[#@](?![^\W_])"
_TOKEN = re.compile(rf"({_SIGNS})|%0?(\d*)d|\$F(\d*)")
_FOLDER_TOKEN = re.compile(rf"{_SIGNS}|%\d*d|\$F\d")
_NUMBER = re.compile(r"(?<![\dvV])(?:(?<=[._])-|^-)?\d{1,9}(?=\D*$)", re.ASCII)  # v2 is a version
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


@dataclass(frozen=True)
class FramePattern:
    """The names of a sequence's files: ``shots/plate.%V.####.exr``.

    Args:
        text: a path; its last part may hold a frame token, any part ``%V`` (the view's name) or ``%v`` (its first
            letter).
        literal: every sign stands for itself.

    Raises:
        UsageError: more than one frame token, or one in the name of a folder that does not exist.
    """

    text: str
    literal: bool = False

    def __post_init__(self) -> None:
        if self.literal:
            return
        path = Path(self.text)
        tokens = list(_TOKEN.finditer(path.name))
        wrong_folder = _FOLDER_TOKEN.search(str(path.parent)) and not path.parent.is_dir()
        if wrong_folder or _UDIM.search(self.text):
            raise UsageError(f"{self.text}: the frame number belongs into the file's name", cure=_CURE)
        if len(tokens) > 1:
            raise UsageError(f"{self.text}: holds more than one frame number", cure=_CURE)
        if tokens and _RANGE_BEFORE.search(path.name[: tokens[0].start()]):
            raise UsageError(f"{self.text}: holds a range of frames", cure="name the range by --frames")

    @cached_property
    def _parts(self) -> tuple[str, int, str]:
        """What stands before the number in the file's name, its least width, what stands behind it; 0 for none."""
        name = Path(self.text).name
        token = None if self.literal else _TOKEN.search(name)
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
        return not self.literal and has_view(self.text)

    def number(self, frame: int) -> str:
        """A frame's number as it stands in the name: ``"0101"``."""
        return number_text(frame, self._parts[1])

    def file(self, frame: int, view: str = "") -> Path:
        """The file of a frame, and of a view where the pattern has one.

        >>> FramePattern("out/plate.####.exr").file(7)
        PosixPath('out/plate.0007.exr')
        """
        return self._file(self.number(frame), view)

    def existing(self, frame: int, view: str = "") -> Path:
        """As :meth:`file`; that of a negative frame may have all its digits behind the sign: ``plate.-0007.exr``."""
        file = self.file(frame, view)
        if frame < 0 and self.has_number and not file.is_file():
            other = self._file(self._long_number(frame), view)
            return other if other.is_file() else file
        return file

    def frames(self, view: str = "") -> tuple[int, ...]:
        """The frames that exist on disk, ascending."""
        if not self.has_number:
            return (number_of(Path(self.text)) or 0,) if self.file(0, view).is_file() else ()
        written = self._numbers(view)
        return tuple(sorted({int(n) for n in written if n in (self.number(int(n)), self._long_number(int(n)))}))

    def paddings(self, view: str = "") -> list[str]:
        """The patterns of files that are there and differ from this one only in the width of the number."""
        if not self.has_number:
            return []
        written = self._numbers(view)
        widths = {len(number.lstrip("-")) for number in written if number.lstrip("-").startswith("0")}
        widths = widths or {min((len(number.lstrip("-")) for number in written), default=0)}
        before, digits, after = self._parts
        return [str(Path(self.text).with_name(f"{before}{'#' * n}{after}")) for n in sorted(widths - {0, digits})]

    def _file(self, number: str, view: str) -> Path:
        path = Path(self.text)
        if self.has_number:
            before, _, after = self._parts
            path = path.with_name(f"{before}{number}{after}")
        return path if self.literal else Path(of_view(str(path), view))

    def _long_number(self, frame: int) -> str:
        return f"-{number_text(-frame, self._parts[1])}" if frame < 0 else self.number(frame)

    def _numbers(self, view: str) -> list[str]:
        """What stands at the number's place in the names of the files that are there."""
        before, _, after = self._parts
        before, after = (re.escape(of_view(part, view)) for part in (before, after))
        name = re.compile(f"{before}(-?[0-9]+){after}")
        try:
            names = [entry.name for entry in self.file(0, view).parent.iterdir()]
        except OSError:
            return []
        return [match[1] for file in names if (match := name.fullmatch(file))]


_CURE = "write it as plate.####.exr or plate.%04d.exr"


def number_of(path: Path) -> int | None:
    """The frame number in the name of one file: the last digits before its ending, unless they are a version's.

    >>> number_of(Path("shots/plate_v2.1001.exr")), number_of(Path("cup.png"))
    (1001, None)
    """
    found = _NUMBER.search(path.stem)
    return None if found is None else int(found[0])


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
