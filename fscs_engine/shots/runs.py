"""A run over a picture or a shot: what is decided and refused before its first frame, the frames, the report.

The command line, Python programs and the worker all come through here: :meth:`Run.of`, :meth:`Run.find_palette`,
:meth:`Run.segment`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..alpha.temporal import Moment
from ..color import AUTO, SRGB, ColorSpaces
from ..errors import InputError, OutputError, UsageError
from ..files.atomic import make_folder
from ..files.palette_files import found_by, read_palette, write_palette
from ..host.frames import format_frames
from ..palette.palette import Palette
from ..segmenter import Segmenter
from .frames import FramePattern
from .options import SegmentOptions
from .outputs import Delivery, Output, check_delivery, palette_file, parse_output
from .processes import frames_in_processes
from .sequence import Done, FrameResult, ShotWork, Status, Tick, segment_frames
from .shots import Shot, find_palette, plan


@dataclass(frozen=True)
class ShotReport:
    """What a run says of itself.

    Attributes:
        palette: of all frames.
        frames: by view, then by number; those that were asked for and do not exist are ``missing``.
        gaps: frame numbers that an even sequence would have, where nobody asked for them.
        seconds: of the frames, without loading the model and finding the palette.
    """

    palette: Palette
    frames: tuple[FrameResult, ...]
    gaps: tuple[int, ...] = ()
    seconds: float = 0.0

    def count(self, status: Status) -> int:
        """How many frames ended so."""
        return sum(result.status == status for result in self.frames)

    @property
    def flicker(self) -> float | None:
        """Mean over the pairs of consecutive frames that were measured; None without any."""
        found = [result.flicker for result in self.frames if result.flicker is not None]
        return math.fsum(found) / len(found) if found else None


@dataclass(frozen=True)
class Run:
    """What is to be done, once nothing is left to refuse.

    Attributes:
        shot: the pictures.
        delivery: where the layers go, and all that was chosen.
        todo: (frame, view) of those to do.
        lost: the same of those that were asked for and do not exist.
        gaps: the same of those that nobody asked for.
    """

    shot: Shot
    delivery: Delivery
    todo: Sequence[tuple[int, str]]
    lost: Sequence[tuple[int, str]]
    gaps: Sequence[tuple[int, str]]

    @classmethod
    def of(cls, shot: Shot, outputs: Sequence[Output | str | Path], options: SegmentOptions) -> Run:
        """Looks at the frames and the outputs; computes and writes nothing.

        Args:
            shot: the pictures.
            outputs: ``layers.exr``, ``layers.####.exr``, or a folder ending with ``/`` for single layers.
            options: what was chosen.

        Raises:
            UsageError, OutputError: see :func:`fscs_engine.shots.outputs.check_delivery`; or what a movie can't be.
            InputError: a frame or a mask is missing.
        """
        literal = shot.single and not shot.numbered
        preview, report = (
            each if each is None or isinstance(each, FramePattern) else FramePattern(str(each), literal)
            for each in (options.preview, options.report)
        )
        options = replace(options, preview=preview, report=report)
        targets = (
            each if isinstance(each, Output) else parse_output(str(each), options.layer_format, literal=literal)
            for each in outputs
        )
        run = cls(shot, Delivery(tuple(targets), options, shot.name), *plan(shot, options.numbers, options.missing))
        run._check()
        return run

    @property
    def options(self) -> SegmentOptions:
        """What was chosen."""
        return self.delivery.options

    @property
    def kept_palette(self) -> Path | None:
        """The file that the palette is kept in; None where it was given whole, or is that of one picture."""
        given = self.options.given
        whole = given is not None and len(given) == self.options.wanted
        return None if whole or self.shot.single else palette_file(self.delivery)

    def find_palette(self, spaces: ColorSpaces, tick: Tick = lambda _: None) -> Palette:
        """The one palette of all frames: as given, as an earlier run kept it (``resume``), or found.

        Raises:
            UsageError: the palette that was kept is not the one that was asked for: its number of colors, those that
                are given, the method or the seed.
        """
        options, file = self.options, self.kept_palette
        if options.given is not None and len(options.given) == options.wanted:
            return options.given
        if options.resume and file is not None and file.is_file():
            return _taken_up(file, options)
        return find_palette(self.shot, self.todo, spaces, options, tick)

    def segment(
        self,
        palette: Palette,
        segmenter: Segmenter,
        *,
        tick: Tick = lambda _: None,
        done: Done = lambda _: None,
        cancelled: Callable[[], bool] = lambda: False,
        moments: MutableMapping[Any, Moment] | None = None,
    ) -> ShotReport:
        """Decomposes the frames; arguments and errors as for :func:`fscs_engine.shots.sequence.segment_frames`.

        Args:
            palette: of :meth:`find_palette`.
            segmenter: the model of the options, loaded, for this process; several load their own.
        """
        options, file = self.options, self.kept_palette
        if file is not None and not options.dry_run:
            _keep_palette(file, palette, options)
        work = ShotWork(self.shot, palette, self.delivery)
        began = time.perf_counter()
        if options.jobs == 1 or len(self.todo) == 1 or options.dry_run:
            results = segment_frames(
                work, self.todo, segmenter, tick=tick, done=done, cancelled=cancelled, moments=moments
            )
        else:
            results = frames_in_processes(work, self.todo, options.jobs, tick=tick, done=done, cancelled=cancelled)
        seconds = time.perf_counter() - began
        results += [FrameResult(*frame, "missing", message=str(self.shot.source(*frame))) for frame in self.lost]
        views = {view: number for number, view in enumerate(self.shot.views)}
        results.sort(key=lambda result: (views[result.view], result.frame))
        return ShotReport(palette, tuple(results), tuple(sorted({frame for frame, _ in self.gaps})), seconds)

    def _check(self) -> None:
        """Refuses what can be refused before anything is computed or written."""
        delivery, options = self.delivery, self.options
        movies = any(output.is_movie for output in delivery.outputs)
        if options.jobs > 1 and movies:
            raise UsageError("several processes can't write one movie", cure="use --jobs 1, or write single frames")
        if options.missing == "skip" and movies:
            raise UsageError("a movie has no missing frames", cure="use --missing error, or write single frames")
        if self.gaps and movies:
            numbers = format_frames(sorted({frame for frame, _ in self.gaps}))
            raise UsageError(
                f"a movie has no missing frames, and {numbers} are not there",
                cure="choose frames without a gap by --frames, or write single frames",
            )
        integers = [output.kind for output in delivery.outputs if output.is_display]
        if options.working_space not in (AUTO, SRGB) and len(integers) == len(delivery.outputs) > 0:
            raise UsageError(
                f"{' and '.join(dict.fromkeys(integers))} files hold sRGB, not {options.working_space}",
                cure="leave --working-space out, or write EXR",
            )
        for pattern in delivery.single_files:
            if pattern.has_number and not self.shot.numbered:
                raise UsageError(f"{pattern.text}: the input has no frame number", cure="write a name without one")
        places = [self.shot.place(*frame) for frame in self.todo]
        check_delivery(delivery, [self.shot.source(*frame) for frame in self.todo], places)
        if not (options.resume or options.overwrite):
            for place in places:
                for file in delivery.files(place, options.wanted):
                    if file.exists():
                        resume = "" if self.shot.single else "--resume or "
                        cure = f"pass {resume}--overwrite, or name another output"
                        raise OutputError(f"{file}: exists already", cure=cure)
        if options.missing == "error":
            for file in (mask.file(*frame) for mask in options.masks for frame in self.todo):
                if not file.is_file():
                    raise InputError(f"{file}: there is no such mask", cure="check --mask")


def _taken_up(file: Path, options: SegmentOptions) -> Palette:
    """The palette that an earlier run kept, with the names of the colors that are given now.

    A given color must not give way to another one unsaid, so a palette that was found otherwise is refused.

    Raises:
        UsageError: it is not the one that is asked for.
    """
    kept, given = read_palette(file), () if options.given is None else options.given.colors
    if len(kept) != options.wanted:
        raise UsageError(
            f"{file} holds {len(kept)} colors, but {options.wanted} were asked for",
            cure="delete it to find a new palette, or ask for that number",
        )
    if options.given is not None and not np.array_equal(kept.array[: len(given)], options.given.array):
        began, asked = (",".join(color.hex for color in colors) for colors in (kept.colors[: len(given)], given))
        raise UsageError(
            f"{file} begins with {began}, but {asked} was given",
            cure="delete it to find a new palette, or give its colors",
        )
    found, wanted = found_by(file), options.search
    if found and found != wanted:
        raise UsageError(
            f"{file} was found by {_words(found)}, but {_words(wanted)} was asked for",
            cure="delete it to find a new palette, or ask for that method and seed",
        )
    return Palette((*given, *kept.colors[len(given) :]))


def _words(search: Mapping[str, object]) -> str:
    return f"{search.get('method')} with seed {search.get('seed')}"


def _keep_palette(file: Path, palette: Palette, options: SegmentOptions) -> None:
    """Writes the palette of a shot, unless it is there already."""
    found = options.search
    if file.is_file() and read_palette(file) == palette:
        stays = options.resume or not options.overwrite  # with what it says, or leaves open, of how it was found
        if stays or found_by(file) == found:
            return
    make_folder(file.parent)
    write_palette(file, palette, overwrite=options.overwrite or options.resume, found=found)
