"""What a shot is read from: numbered files, a list of files, a movie. Its frames, and the one palette of all."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from ..color import AUTO, ColorSpaces
from ..errors import InputError, UsageError
from ..files.movies import Movie, is_movie
from ..files.reading import read_image, read_reading
from ..host.frames import format_frames
from ..host.key import file_identity
from ..image import Image, Reading
from ..palette.image_palette import shot_palette, shot_samples
from ..palette.palette import Palette
from .frames import VIEWS, FramePattern, is_shot, number_of, pattern_of_files, pattern_of_folder
from .options import SegmentOptions
from .outputs import Place, bare_name

_LISTED = 3


class Shot(Protocol):
    """Frames by number and view. What is asked of it twice gives the same twice.

    Attributes:
        single: whether it is one picture.
        numbered: whether its frames have numbers, which can stand in the names of outputs.
    """

    @property
    def single(self) -> bool:
        """See above."""
        ...

    @property
    def numbered(self) -> bool:
        """See above."""
        ...

    @property
    def name(self) -> str:
        """For the files of single layers."""
        ...

    @property
    def views(self) -> tuple[str, ...]:
        """The views, ``("",)`` where there is only one."""
        ...

    def frames(self, view: str) -> tuple[int, ...]:
        """All frames that exist, ascending."""
        ...

    def read(self, frame: int, view: str) -> Image:
        """A frame's picture.

        Raises:
            InputError: missing or broken.
        """
        ...

    def reading(self, frame: int, view: str) -> Reading:
        """What the values of the frame's picture are taken for, without decoding it.

        Raises:
            InputError: missing or broken.
        """
        ...

    def identity(self, frame: int, view: str) -> str:
        """A sha256 that tells the frame's picture from every other one."""
        ...

    def place(self, frame: int, view: str) -> Place:
        """How the names of outputs say the frame."""
        ...

    def source(self, frame: int, view: str) -> Path:
        """The file it is read from."""
        ...


class _Files:
    """Frames that are a file each."""

    single = False
    layer: str
    clean_nonfinite: bool
    color_space: str
    alpha: str

    def source(self, frame: int, view: str) -> Path:
        """See :class:`Shot`."""
        raise NotImplementedError

    def read(self, frame: int, view: str) -> Image:
        """See :class:`Shot`."""
        return read_image(
            self.source(frame, view),
            layer=self.layer,
            color_space=self.color_space,
            alpha=self.alpha,
            clean_nonfinite=self.clean_nonfinite,
        )

    def reading(self, frame: int, view: str) -> Reading:
        """See :class:`Shot`."""
        return read_reading(self.source(frame, view), layer=self.layer, color_space=self.color_space, alpha=self.alpha)

    def identity(self, frame: int, view: str) -> str:
        """See :class:`Shot`."""
        return file_identity(self.source(frame, view))


@dataclass(frozen=True)
class Numbered(_Files):
    """Files that follow a pattern.

    Args:
        pattern: their names.
        layer: of multi-layer EXR files.
        clean_nonfinite: repairs NaN and infinity.
        views: their names, for a pattern with ``%V``.
        color_space: what the values are, or ``auto``.
        alpha: whether colors are ``straight`` or ``premultiplied``, or ``auto``.
    """

    pattern: FramePattern
    layer: str = ""
    clean_nonfinite: bool = False
    views: tuple[str, ...] = ("",)
    color_space: str = AUTO
    alpha: str = AUTO

    @property
    def numbered(self) -> bool:
        """See :class:`Shot`."""
        return self.pattern.has_number or number_of(Path(self.pattern.text)) is not None

    @property
    def name(self) -> str:
        """See :class:`Shot`."""
        return bare_name(self.pattern)

    def frames(self, view: str) -> tuple[int, ...]:
        """See :class:`Shot`."""
        return self.pattern.frames(view)

    def place(self, frame: int, view: str) -> Place:
        """See :class:`Shot`."""
        return Place(frame, self.pattern.number(frame) if self.pattern.has_number else "", view)

    def source(self, frame: int, view: str) -> Path:
        """See :class:`Shot`."""
        return self.pattern.existing(frame, view)


class MovieFrames:
    """The frames of a movie, numbered from 1.

    Args:
        path: the movie.
        color_space: what its values are, or ``auto``.
        alpha: whether its colors are ``straight`` or ``premultiplied``, or ``auto``.

    Raises:
        InputError: see :class:`fscs_engine.files.movies.Movie`.
        UsageError: PyAV is not installed.
    """

    views = ("",)
    single, numbered = False, True

    def __init__(self, path: Path, color_space: str = AUTO, alpha: str = AUTO) -> None:
        self.path = path
        self._opened_as = (path, color_space, alpha)
        self._movie = Movie(path, color_space=color_space, alpha=alpha)
        self._count = self._movie.count
        self._bytes = file_identity(path)
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, object]:
        """For another process, which opens the movie anew."""
        return {"opened_as": self._opened_as}

    def __setstate__(self, state: dict[str, tuple[Path, str, str]]) -> None:
        self.__init__(*state["opened_as"])  # type: ignore[misc]

    @property
    def name(self) -> str:
        """See :class:`Shot`."""
        return self.path.stem

    def frames(self, view: str) -> tuple[int, ...]:
        """See :class:`Shot`."""
        del view
        return tuple(range(1, self._count + 1))

    def read(self, frame: int, view: str) -> Image:
        """See :class:`Shot`."""
        del view
        with self._lock:
            return self._movie.read(frame)

    def reading(self, frame: int, view: str) -> Reading:
        """See :class:`Shot`."""
        del frame, view
        return self._movie.reading

    def identity(self, frame: int, view: str) -> str:
        """See :class:`Shot`."""
        del view
        return hashlib.sha256(f"{self._bytes} frame {frame}".encode()).hexdigest()

    def place(self, frame: int, view: str) -> Place:
        """See :class:`Shot`."""
        return Place(frame, f"{frame:04d}", view)

    def source(self, frame: int, view: str) -> Path:
        """See :class:`Shot`."""
        del frame, view
        return self.path


@dataclass(frozen=True)
class Listed(_Files):
    """Files in the order they were named, numbered from ``first``."""

    files: tuple[Path, ...]
    layer: str = ""
    clean_nonfinite: bool = False
    name: str = "image"
    views: tuple[str, ...] = ("",)
    first: int = 1
    numbered = True
    color_space: str = AUTO
    alpha: str = AUTO

    def frames(self, view: str) -> tuple[int, ...]:
        """See :class:`Shot`."""
        del view
        return tuple(range(self.first, self.first + len(self.files)))

    def place(self, frame: int, view: str) -> Place:
        """See :class:`Shot`."""
        return Place(frame, f"{frame:04d}", view)

    def source(self, frame: int, view: str) -> Path:
        """See :class:`Shot`."""
        del view
        return self.files[frame - self.first]


class Stills:
    """One picture, or some that follow each other in time and have no numbers. Each is read once and kept.

    Args:
        name: for the files of single layers.
        pictures: what reads each, and says its identity.
        path: the file of the one picture.
        number: that of the first picture; None where there is none.
    """

    views = ("",)
    single = True

    def __init__(
        self,
        name: str,
        pictures: Sequence[Callable[[], tuple[Image, str]]],
        path: Path | None = None,
        number: int | None = None,
    ) -> None:
        self.name, self._pictures, self._path = name, pictures, path
        self.numbered, self._first = number is not None, number or 0
        self._read: dict[int, tuple[Image, str]] = {}

    @classmethod
    def file(
        cls,
        path: Path,
        *,
        layer: str = "",
        clean_nonfinite: bool = False,
        color_space: str = AUTO,
        alpha: str = AUTO,
    ) -> Stills:
        """The picture of a file."""

        def read() -> tuple[Image, str]:
            image = read_image(path, layer=layer, color_space=color_space, alpha=alpha, clean_nonfinite=clean_nonfinite)
            return image, file_identity(path)

        return cls(path.stem, [read], path, number_of(path))

    def _picture(self, frame: int) -> tuple[Image, str]:
        if frame not in self._read:
            self._read[frame] = self._pictures[frame - self._first]()
        return self._read[frame]

    def frames(self, view: str) -> tuple[int, ...]:
        """See :class:`Shot`."""
        del view
        return tuple(range(self._first, self._first + len(self._pictures)))

    def read(self, frame: int, view: str) -> Image:
        """See :class:`Shot`."""
        del view
        return self._picture(frame)[0]

    def reading(self, frame: int, view: str) -> Reading:
        """See :class:`Shot`."""
        return self.read(frame, view).read_as

    def identity(self, frame: int, view: str) -> str:
        """See :class:`Shot`."""
        del view
        return self._picture(frame)[1]

    def place(self, frame: int, view: str) -> Place:
        """See :class:`Shot`."""
        return Place(frame, "", view)

    def source(self, frame: int, view: str) -> Path:
        """See :class:`Shot`."""
        del view
        return self._path or Path(f"picture {frame}")


def open_shot(
    inputs: Sequence[Path],
    *,
    layer: str = "",
    clean_nonfinite: bool = False,
    views: Sequence[str] = (),
    input_space: str = AUTO,
    alpha: str = AUTO,
) -> Shot:
    """The shot that some inputs mean.

    Args:
        inputs: one picture, one pattern, one folder, one movie, or several files.
        layer: of multi-layer EXR files.
        clean_nonfinite: repairs NaN and infinity.
        views: names for ``%V``; those of left and right that exist without any.
        input_space: what the values are, or ``auto``.
        alpha: whether colors are ``straight`` or ``premultiplied``, or ``auto``.

    Raises:
        InputError: nothing there, or not one sequence.
        UsageError: views for inputs without ``%V``, or a pattern among several inputs.
    """
    if inputs[0].is_file() and not is_shot(inputs):
        _no_views(views)
        return Stills.file(
            inputs[0], layer=layer, clean_nonfinite=clean_nonfinite, color_space=input_space, alpha=alpha
        )
    if len(inputs) == 1 and is_movie(inputs[0]):
        _no_views(views)
        if layer:
            raise UsageError("--input-layer is for EXR, the input is a movie", cure="leave it out")
        return MovieFrames(inputs[0], input_space, alpha)
    if len(inputs) > 1:
        for file in inputs:
            if not file.is_file():
                wrong = "is a folder" if file.is_dir() else "does not exist"
                raise InputError(f"{file} {wrong}", cure="name one pattern, one folder, or image files")
        found = pattern_of_files(inputs)
        if found is None:
            _no_views(views)
            return Listed(tuple(inputs), layer, clean_nonfinite, color_space=input_space, alpha=alpha)
        pattern, numbers = found
        _no_views(views)
        return _Some(pattern, layer, clean_nonfinite, ("",), input_space, alpha, numbers)
    pattern = pattern_of_folder(inputs[0]) if inputs[0].is_dir() else FramePattern(str(inputs[0]))
    if not pattern.has_view:
        _no_views(views)
        shot = Numbered(pattern, layer, clean_nonfinite, ("",), input_space, alpha)
    else:
        there = tuple(view for view in views or VIEWS if views or pattern.frames(view))
        shot = Numbered(pattern, layer, clean_nonfinite, there or VIEWS, input_space, alpha)
    for view in shot.views:
        if not shot.frames(view):
            cure = _other_padding(shot, view) or "check the path, and --views for %V"
            raise InputError(f"{shot.pattern.text}: there is no such file", cure=cure)
    return shot


def _other_padding(shot: Shot, view: str) -> str:
    """The cure for a pattern whose files are there with more or fewer digits; empty where there are none."""
    others = shot.pattern.paddings(view) if isinstance(shot, Numbered) else []
    return f"there are files named {' and '.join(others[:_LISTED])}" if others else ""


def shot_of(inputs: Sequence[Path], options: SegmentOptions) -> Shot:
    """The shot that some inputs mean, read as the options say; errors as for :func:`open_shot`."""
    return open_shot(
        inputs,
        layer=options.input_layer,
        clean_nonfinite=options.clean_nonfinite,
        views=options.views,
        input_space=options.input_space,
        alpha=options.alpha,
    )


@dataclass(frozen=True)
class _Some(Numbered):
    """Some files of a pattern: those that were named."""

    numbers: tuple[int, ...] = ()

    def frames(self, view: str) -> tuple[int, ...]:
        """See :class:`Shot`."""
        del view
        return self.numbers


def _no_views(views: Sequence[str]) -> None:
    if views:
        raise UsageError("--views without %V in the input", cure="write the input as plate.%V.####.exr")


def plan(
    shot: Shot, asked: Sequence[int] | None, missing: str
) -> tuple[list[tuple[int, str]], list[tuple[int, str]], list[tuple[int, str]]]:
    """Which frames there are to do.

    Args:
        shot: the pictures.
        asked: numbers, or None for all that exist.
        missing: ``error`` or ``skip``.

    Returns:
        (frame, view) of those to do, of those asked for that do not exist, and of gaps that nobody asked for; all by
        view, then by frame.

    Raises:
        InputError: one is missing and ``missing`` is ``error``; or none exists.
    """
    todo, lost, gaps = [], [], []
    for view in shot.views:
        there = shot.frames(view)
        known = set(there)
        if asked is None:
            todo += [(frame, view) for frame in there]
            gaps += [(frame, view) for frame in _gaps(there)]
        else:
            todo += [(frame, view) for frame in asked if frame in known]
            lost += [(frame, view) for frame in asked if frame not in known]
    if lost and (missing == "error" or not todo):
        numbers = format_frames({frame for frame, _ in lost})
        first = shot.source(*lost[0])
        raise InputError(
            f"frames {numbers} are missing ({first} and so on)" if len(lost) > 1 else f"{first} is missing",
            cure=_other_padding(shot, lost[0][1])
            or ("render them, or leave them out with --missing skip" if todo else "check the path and --frames"),
        )
    return todo, lost, gaps


def _gaps(frames: Sequence[int]) -> list[int]:
    """Frames left out of an otherwise even sequence."""
    if len(frames) < 3:
        return []
    steps = np.diff(frames)
    step = int(np.bincount(steps).argmax()) if steps.max() < 10_000 else int(steps.min())
    return sorted(set(range(frames[0], frames[-1] + 1, max(1, step))) - set(frames))


def find_palette(
    shot: Shot,
    frames: Sequence[tuple[int, str]],
    spaces: ColorSpaces,
    options: SegmentOptions,
    tick: Callable[[float], None] = lambda _: None,
) -> Palette:
    """The palette of a shot: of some frames across it, see :func:`fscs_engine.palette.image_palette.shot_samples`.

    Only the first view is looked at, so that both eyes get the same colors. With ``missing`` ``skip``, frames that
    can't be read are left out.

    Raises:
        InputError: a frame can't be read, or none can.
    """
    view = frames[0][1]
    left = [frame for frame, of_view in frames if of_view == view]
    broken: list[int] = []

    def pictures(samples: Sequence[int]) -> Iterator[Image]:
        for number, frame in enumerate(samples):
            tick(number / len(samples))
            try:
                yield shot.read(frame, view)
            except InputError:
                broken.append(frame)
                raise

    while True:
        samples = shot_samples(left)
        found = (pictures(samples), len(samples), options.wanted, options.given, options.seed)
        try:
            return shot_palette(*found, spaces, options.palette_method)
        except InputError:
            left = [frame for frame in left if frame not in broken]
            if options.missing != "skip" or not left or not broken:
                raise
