"""A run over a shot: what is decided and refused before its first frame, then the frames, then the report."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..color import ColorSpaces
from ..errors import InputError, OutputError, UsageError
from ..files.atomic import make_folder
from ..files.palette_files import read_palette, write_palette
from ..host.parameters import BY_NAME
from ..palette.image_palette import asked_colors
from ..palette.palette import Palette
from ..segmenter import Segmenter
from .outputs import Delivery, check_delivery, palette_file
from .processes import segment_in_processes
from .sequence import Done, FrameResult, ModelSettings, ShotWork, Status, Tick, segment_frames
from .shots import Shot, find_palette


def decide_palette(
    shot: Shot,
    frames: Sequence[tuple[int, str]],
    spaces: ColorSpaces,
    delivery: Delivery,
    given: Palette | None,
    colors: int | None,
    *,
    seed: int = 0,
    method: str = str(BY_NAME["palette_method"].default),
    resume: bool = False,
    tick: Tick = lambda _: None,
) -> tuple[Palette, Path | None]:
    """The one palette of a shot.

    Args:
        shot: the pictures.
        frames: those to do.
        spaces: to convert them.
        delivery: where the layers go.
        given: colours that stay and come first.
        colors: K; None for as many as are given, else the default.
        seed: see :func:`fscs_engine.shots.shots.find_palette`.
        method: the same.
        resume: takes the palette that an earlier run kept beside the output.
        tick: called with the part that is done.

    Returns:
        The palette, and the file to keep it in where it was not given whole.

    Raises:
        UsageError: the palette that was kept has another number of colours.
    """
    wanted = asked_colors(colors, given)
    if given is not None and len(given) == wanted:
        return given, None
    file = palette_file(delivery)
    if resume and file.is_file():
        kept = read_palette(file)
        if len(kept) != wanted:
            raise UsageError(
                f"{file} holds {len(kept)} colors, but {wanted} were asked for",
                cure="delete it to find a new palette, or ask for that number",
            )
        return kept, file
    return find_palette(shot, frames, spaces, wanted, given, seed, method, tick), file


@dataclass(frozen=True)
class ShotReport:
    """What a run over a shot says of itself.

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


def run_shot(
    work: ShotWork,
    frames: Sequence[tuple[int, str]],
    settings: ModelSettings,
    *,
    segmenter: Segmenter,
    kept_palette: Path | None = None,
    lost: Sequence[tuple[int, str]] = (),
    gaps: Sequence[tuple[int, str]] = (),
    jobs: int = 1,
    dry_run: bool = False,
    tick: Tick = lambda _: None,
    done: Done = lambda _: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> ShotReport:
    """Decomposes a shot, once nothing is left to refuse; arguments and errors as for :func:`segment_frames`, and more.

    Args:
        settings: of the model that each of several processes loads.
        segmenter: the same, loaded, for this process.
        kept_palette: the file to keep the palette in, of :func:`decide_palette`.
        lost: (frame, view) of those that were asked for and do not exist, for the report.
        gaps: the same of those that nobody asked for.
        jobs: processes; they share the processor's threads.

    Raises:
        UsageError, OutputError: see :func:`fscs_engine.shots.outputs.check_delivery`; or what a movie can't be.
        InputError: a mask is missing.
    """
    _check(work, frames, jobs)
    if kept_palette is not None and not dry_run:
        _keep_palette(kept_palette, work.palette, overwrite=work.delivery.overwrite or work.resume)
    began = time.perf_counter()
    if jobs == 1 or len(frames) == 1 or dry_run:
        results = segment_frames(work, frames, segmenter, dry_run=dry_run, tick=tick, done=done, cancelled=cancelled)
    else:
        results = segment_in_processes(work, frames, settings, jobs, tick=tick, done=done, cancelled=cancelled)
    seconds = time.perf_counter() - began
    results += [FrameResult(*frame, "missing", message=str(work.shot.source(*frame))) for frame in lost]
    views = {view: number for number, view in enumerate(work.shot.views)}
    results.sort(key=lambda result: (views[result.view], result.frame))
    return ShotReport(work.palette, tuple(results), tuple(sorted({frame for frame, _ in gaps})), seconds)


def _check(work: ShotWork, frames: Sequence[tuple[int, str]], jobs: int) -> None:
    """Refuses what can be refused before anything is computed or written."""
    if jobs < 1:
        raise UsageError(f"jobs is {jobs}", cure="use at least 1")
    if jobs > 1 and any(output.is_movie for output in work.delivery.outputs):
        raise UsageError("several processes can't write one movie", cure="use --jobs 1, or write single frames")
    if work.skip_broken and any(output.is_movie for output in work.delivery.outputs):
        raise UsageError("a movie has no missing frames", cure="use --missing error, or write single frames")
    places = [work.shot.place(*frame) for frame in frames]
    sources = [work.shot.source(*frame) for frame in frames]
    check_delivery(work.delivery, sources, places, resume=work.resume)
    if not (work.resume or work.delivery.overwrite):
        for place in places:
            for file in work.delivery.files(place, len(work.palette)):
                if file.exists():
                    cure = "pass --resume or --overwrite, or name another output"
                    raise OutputError(f"{file}: exists already", cure=cure)
    if not work.skip_broken:
        for file in (place.file(mask.pattern) for mask in work.masks for place in places):
            if not file.is_file():
                raise InputError(f"{file}: there is no such mask", cure="check --mask")


def _keep_palette(file: Path, palette: Palette, *, overwrite: bool) -> None:
    """Writes the palette of a shot, unless it is there already."""
    if file.is_file() and read_palette(file) == palette:
        return
    make_folder(file.parent)
    write_palette(file, palette, overwrite=overwrite)
