"""Shots: frame after frame with one palette, reading, computing and writing at the same time.

A frame's result depends on its picture, the palette and the controls alone; with temporal smoothing also on the frames
of its window, which are read even where they are not asked for. So a shot in chunks, in any order, gives the files of
one run; several processes have fewer threads each, on which the rounding of PyTorch's sums depends. Every frame appears
whole or not at all.
"""

from __future__ import annotations

import hashlib
import math
import multiprocessing
import multiprocessing.connection
import multiprocessing.queues
import multiprocessing.synchronize
import os
import queue
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from .color import ColorSpaces, network_image, straight
from .errors import CancelledError, FscsError, InputError, OutputError, UsageError
from .files.atomic import make_folder
from .files.reading import read_mask
from .frames import FramePattern
from .identity import Identity
from .image import Image
from .key import file_identity
from .metrics import flicker
from .outputs import Delivery, OpenMovies, Place, Sink, check_delivery, overwriting, palette_file
from .palette import Palette
from .palette_files import read_palette, write_palette
from .parameters import BY_NAME
from .processing import AlphaProcessing, Mask
from .segmenter import Moment, Segmenter, Strip
from .shots import Shot, find_palette
from .temporal import RADIUS, is_cut, window

Status = Literal["done", "skipped", "missing", "failed", "pending"]

_CHUNK = 16  # frames that a process takes at once, at most
_FRAMES_BEHIND = 1  # that are written while the next one is computed
_STRIPS_AHEAD = 2  # of a frame that wait for being written


@dataclass(frozen=True)
class ModelSettings:
    """What a :class:`fscs_engine.segmenter.Segmenter` is made of; see there."""

    model: str
    device: str = "auto"
    precision: str = "auto"
    tile: int = 0
    ocio: str | None = None

    def open(self) -> Segmenter:
        """Loads the model."""
        return Segmenter(self.model, device=self.device, precision=self.precision, tile=self.tile, ocio=self.ocio)


@dataclass(frozen=True)
class ShotMask:
    """A mask that follows the frames, or one file for all of them. See :class:`fscs_engine.processing.Mask`."""

    pattern: FramePattern
    mode: Literal["limit", "split"]
    layers: tuple[int, ...]

    def read(self, place: Place, image: Image) -> Mask:
        """The mask of a frame.

        Raises:
            InputError: missing, broken, or of another size.
        """
        file = place.file(self.pattern)
        return Mask(read_mask(file, image=image), self.mode, self.layers, identity=file_identity(file))


@dataclass(frozen=True)
class ShotWork:
    """Everything that decides what is written for a frame.

    Attributes:
        shot: the pictures.
        palette: for all frames.
        processing: the controls; its own masks are for all frames.
        masks: those that follow the frames, applied after them.
        delivery: the outputs.
        input_layer: for the key.
        clean_nonfinite: for the key.
        resume: leaves frames alone whose files are whole and of just this work.
        skip_broken: goes on after a frame that can't be read.
        measure_flicker: keeps the alphas of the frame before, to compare.
    """

    shot: Shot
    palette: Palette
    processing: AlphaProcessing
    delivery: Delivery
    masks: tuple[ShotMask, ...] = ()
    input_layer: str = ""
    clean_nonfinite: bool = False
    resume: bool = False
    skip_broken: bool = False
    measure_flicker: bool = False


@dataclass(frozen=True)
class FrameResult:
    """What became of a frame.

    Attributes:
        frame: its number.
        view: its view, or "".
        status: ``done``, ``skipped`` (up to date already), ``missing``, ``failed``, or in a dry run ``pending``.
        outputs: its files.
        error_max: largest recomposition error of what was computed, see :class:`fscs_engine.segmenter.Report`.
        keys: cache key of each output for layers.
        message: why it failed.
        flicker: from the frame before to this one, see :func:`fscs_engine.metrics.flicker`; None where not measured.
        cut: whether a shot begins here, as far as the temporal smoothing looked.
    """

    frame: int
    view: str
    status: Status
    outputs: tuple[str, ...] = ()
    error_max: float = 0.0
    keys: tuple[str, ...] = ()
    message: str = ""
    flicker: float | None = None
    cut: bool = False


Tick = Callable[[float], None]
Done = Callable[[FrameResult], None]


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
        seed: see :func:`fscs_engine.shots.find_palette`.
        method: the same.
        resume: takes the palette that an earlier run kept beside the output.
        tick: called with the part that is done.

    Returns:
        The palette, and the file to keep it in where it was not given whole.

    Raises:
        UsageError: the palette that was kept has another number of colours.
    """
    wanted = colors if colors is not None else len(given) if given is not None else int(BY_NAME["colors"].default)
    if given is not None and len(given) == wanted:
        return given, None
    file = palette_file(delivery)
    if resume and file.is_file():
        kept = read_palette(file)
        if len(kept) != wanted:
            raise UsageError(
                f"{file} holds {len(kept)} colors, {wanted} are asked for",
                cure="delete it for a new palette, or ask for as many",
            )
        return kept, file
    return find_palette(shot, frames, spaces, wanted, given, seed, method, tick), file


def keep_palette(file: Path, palette: Palette, *, overwrite: bool) -> None:
    """Writes the palette of a shot, unless it is there already.

    Raises:
        OutputError: there is another one and ``overwrite`` is false, or it can't be written.
    """
    if file.is_file() and read_palette(file) == palette:
        return
    make_folder(file.parent)
    write_palette(file, palette, overwrite=overwrite)


def check_shot(work: ShotWork, frames: Sequence[tuple[int, str]]) -> None:
    """Refuses what can be refused before anything is computed.

    Raises:
        UsageError, OutputError: see :func:`fscs_engine.outputs.check_delivery`.
        InputError: a mask is missing.
    """
    places = [work.shot.place(*frame) for frame in frames]
    sources = [work.shot.source(*frame) for frame in frames]
    check_delivery(work.delivery, sources, places, resume=work.resume)
    if not (work.resume or work.delivery.overwrite):
        for place in places:
            for file in work.delivery.files(place, len(work.palette)):
                if file.exists():
                    raise _exists(file)
    for mask in work.masks:
        if len({place.frame for place in places}) > 1 and "%" in mask.pattern.text and not mask.pattern.has_number:
            continue
        for place in places:
            if not work.skip_broken and not place.file(mask.pattern).is_file():
                raise InputError(f"{place.file(mask.pattern)}: there is no such mask", cure="check --mask")


def _exists(file: Path) -> FscsError:
    return OutputError(f"{file}: exists already", cure="pass --resume or --overwrite, or name another output")


def segment_frames(
    work: ShotWork,
    frames: Sequence[tuple[int, str]],
    segmenter: Segmenter,
    *,
    dry_run: bool = False,
    tick: Tick = lambda _: None,
    done: Done = lambda _: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> list[FrameResult]:
    """Decomposes frames in this process.

    Args:
        work: what to do.
        frames: (frame, view), neighbours one after the other.
        segmenter: the model.
        dry_run: only says what would be done.
        tick: called with the part of all frames that is done.
        done: called with each frame's result once its files are there.
        cancelled: asked before every frame; the one in hand is finished first.

    Raises:
        CancelledError: ``cancelled`` said so.
        FscsError: a frame can't be done; those before it are there.
    """
    results: list[FrameResult] = []

    def finish(result: FrameResult) -> None:
        results.append(result)
        done(result)

    with ExitStack() as stack:
        movies = stack.enter_context(OpenMovies())
        reader = _Reader(work, frames, segmenter)
        stack.callback(reader.close)
        writer = stack.enter_context(_writing(finish))
        for position, (frame, view) in enumerate(frames):
            if cancelled():
                writer.finish()
                raise CancelledError("cancelled", cure="the frames that are done stay; --resume does the rest")

            def part(share: float, position: int = position) -> None:
                tick((position + share) / len(frames))

            try:
                loaded = reader.frame(frame, view)
            except InputError as error:
                if not work.skip_broken:
                    writer.finish()
                    raise
                writer.add_result(FrameResult(frame, view, "failed", message=str(error)))
                continue
            _one_frame(work, loaded, segmenter, reader, writer, movies, part, dry_run)
        writer.finish()
        tick(1.0)
    return results


def _one_frame(
    work: ShotWork,
    loaded: _Loaded,
    segmenter: Segmenter,
    reader: _Reader,
    writer: _Writing,
    movies: OpenMovies,
    part: Tick,
    dry_run: bool,
) -> None:
    place, image, processing = loaded.place, loaded.image, loaded.processing
    segmenter.check(image, work.palette, processing)
    moments: Sequence[_Loaded] = [loaded]
    if processing.temporal > 0:
        moments = reader.around(loaded)
    at = moments.index(loaded)
    identity = Identity(
        segmenter,
        image,
        work.palette,
        processing,
        _window_identity(moments, at) if processing.temporal > 0 else loaded.identity,
        work.input_layer,
        work.clean_nonfinite,
    )
    delivery = work.delivery
    spaces = delivery.spaces(segmenter, image)
    keys = tuple(
        identity.key(space, delivery.depth(output)) for output, space in zip(delivery.outputs, spaces, strict=False)
    )
    result = FrameResult(
        place.frame,
        place.view,
        "done",
        tuple(str(file) for file in delivery.files(place, len(work.palette))),
        keys=keys,
        cut=reader.begins(loaded),
    )
    if work.resume:
        if delivery.is_done(place, identity, spaces):
            writer.add_result(replace(result, status="skipped"))
            reader.before = None
            return
        delivery = overwriting(delivery)
    if dry_run:
        writer.add_result(replace(result, status="pending"))
        return
    window_moments = [reader.moment(each, segmenter) for each in moments] if processing.temporal > 0 else []
    strips = segmenter.strips(
        image,
        work.palette,
        processing,
        working_spaces=spaces,
        clip=delivery.clip,
        moments=window_moments,
        at=at,
        progress=part,
    )
    task = writer.begin(lambda stack: delivery.open(stack, place, identity, spaces, movies))
    alphas = []
    for strip in strips:
        if work.measure_flicker:
            alphas.append(strip.alphas)
        task.put(strip)
    measured = reader.compare(loaded, np.concatenate(alphas, axis=1)) if alphas else None
    task.end(replace(result, error_max=segmenter.report.error_max, flicker=measured))


def _window_identity(moments: Sequence[_Loaded], at: int) -> str:
    """What stands for the input of a frame that its neighbours change."""
    digest = hashlib.sha256(f"window {at}\n".encode())
    for loaded in moments:
        digest.update(loaded.identity.encode() + b"\n")
    return digest.hexdigest()


@dataclass(eq=False)
class _Loaded:
    """A frame as it was read, and what was found in it."""

    place: Place
    image: Image
    identity: str
    processing: AlphaProcessing
    moment: Moment | None = None
    seen: torch.Tensor | None = None
    alphas: NDArray[np.float32] | None = None


class _Reader:
    """Reads frames one ahead, and keeps those of the window."""

    def __init__(self, work: ShotWork, frames: Sequence[tuple[int, str]], segmenter: Segmenter) -> None:
        self.work, self.segmenter = work, segmenter
        self.threads = ThreadPoolExecutor(1, thread_name_prefix="reading")
        self.next = dict(pairwise(frames))
        self.ahead: dict[tuple[int, str], Future[_Loaded]] = {}
        self.kept: dict[tuple[int, str], _Loaded] = {}
        self.cuts: dict[tuple[str, int, int], bool] = {}
        self.all: dict[str, tuple[int, ...]] = {}
        self.asked = set(frames)
        self.before: _Loaded | None = None

    def close(self) -> None:
        """Ends the reading thread."""
        for future in self.ahead.values():
            future.cancel()
        self.threads.shutdown(wait=True)

    def frame(self, frame: int, view: str) -> _Loaded:
        """A frame; the reading of the next one begins."""
        loaded = self._get(frame, view)
        following = self.next.get((frame, view))
        if following is not None:
            self._begin(*following)
        self._forget(frame, view)
        return loaded

    def _get(self, frame: int, view: str) -> _Loaded:
        place = (frame, view)
        if place not in self.kept:
            self._begin(frame, view)
            self.kept[place] = self.ahead.pop(place).result()
        return self.kept[place]

    def _begin(self, frame: int, view: str) -> None:
        if (frame, view) not in self.ahead and (frame, view) not in self.kept:
            self.ahead[frame, view] = self.threads.submit(self._load, frame, view)

    def _load(self, frame: int, view: str) -> _Loaded:
        work = self.work
        place = work.shot.place(frame, view)
        image = work.shot.read(frame, view)
        masks = tuple(mask.read(place, image) for mask in work.masks) if (frame, view) in self.asked else ()
        processing = replace(work.processing, masks=(*work.processing.masks, *masks))
        return _Loaded(place, image, work.shot.identity(frame, view), processing)

    def _forget(self, frame: int, view: str) -> None:
        """Lets go what no later window needs."""
        numbers = self._numbers(view)
        first = numbers[max(0, numbers.index(frame) - RADIUS)] if frame in numbers else frame
        for place in [p for p in self.kept if p[1] != view or p[0] < first]:
            del self.kept[place]
        for place in [p for p in self.ahead if p[1] == view and p[0] < frame]:
            del self.ahead[place]
        for cut in [c for c in self.cuts if c[0] != view or c[1] < first]:
            del self.cuts[cut]

    def _numbers(self, view: str) -> tuple[int, ...]:
        if view not in self.all:
            self.all[view] = self.work.shot.frames(view)
        return self.all[view]

    def around(self, loaded: _Loaded) -> list[_Loaded]:
        """The frames of a frame's window."""
        frame, view = loaded.place.frame, loaded.place.view
        numbers = self._numbers(view)
        here = numbers.index(frame)
        near = numbers[max(0, here - RADIUS) : here + RADIUS + 1]
        cuts = {after for before, after in pairwise(near) if self._is_cut(before, after, view)}
        return [self._get(number, view) for number in window(frame, near, cuts)]

    def begins(self, loaded: _Loaded) -> bool:
        """Whether a shot begins at a frame, where that was looked at."""
        frame, view = loaded.place.frame, loaded.place.view
        return any(self.cuts.get((view, before, frame)) for before in self._before(frame, view))

    def _before(self, frame: int, view: str) -> tuple[int, ...]:
        """The frame before, or nothing."""
        numbers = self._numbers(view)
        here = numbers.index(frame)
        return numbers[max(0, here - 1) : here]

    def _is_cut(self, before: int, after: int, view: str) -> bool:
        place = (view, before, after)
        if place not in self.cuts:
            first, second = (self._seen(self._get(number, view)) for number in (before, after))
            self.cuts[place] = first.shape != second.shape or is_cut(first, second)
        return self.cuts[place]

    def _seen(self, loaded: _Loaded) -> torch.Tensor:
        if loaded.seen is None:
            moment = self.moment(loaded, self.segmenter)
            loaded.seen = torch.from_numpy(moment.seen).permute(2, 0, 1)
        return loaded.seen

    def moment(self, loaded: _Loaded, segmenter: Segmenter) -> Moment:
        """A frame's smoothed alphas, computed once for all windows that it is in."""
        if loaded.moment is None:
            alone = replace(loaded.processing, masks=())
            loaded.moment = segmenter.moment(loaded.image, self.work.palette, alone)
        return loaded.moment

    def _picture(self, loaded: _Loaded) -> NDArray[np.float32]:
        if loaded.moment is not None:
            return loaded.moment.seen
        return network_image(straight(loaded.image.pixels), loaded.image.color_space, self.segmenter.spaces)[0]

    def compare(self, loaded: _Loaded, alphas: NDArray[np.float32]) -> float | None:
        """The flicker from the frame before, if it was the one computed last."""
        loaded.alphas = alphas
        before, self.before = self.before, loaded
        if before is None or before.place.view != loaded.place.view or before.alphas is None:
            return None
        numbers = self._numbers(loaded.place.view)
        follows = numbers.index(loaded.place.frame) - numbers.index(before.place.frame) == 1
        if not follows or before.alphas.shape != loaded.alphas.shape:
            return None
        first, second = (self._picture(each) for each in (before, loaded))
        found = flicker(before.alphas, loaded.alphas, first, second)
        before.alphas = None
        return None if math.isnan(found) else found


class _Task:
    """One frame on its way to its files."""

    def __init__(self, writing: _Writing) -> None:
        self.writing = writing
        self.strips: queue.Queue[Strip | FrameResult | None] = queue.Queue(_STRIPS_AHEAD)
        self.ended = False

    def put(self, strip: Strip) -> None:
        """Hands rows over, and waits while the writer is behind."""
        self._put(strip)

    def end(self, result: FrameResult) -> None:
        """All rows are handed over."""
        self._put(result)
        self.ended = True

    def _put(self, item: Strip | FrameResult | None) -> None:
        while True:
            self.writing.check()
            try:
                self.strips.put(item, timeout=0.2)
                return
            except queue.Full:
                continue

    def abandon(self) -> None:
        """Whatever waits is dropped, and no file appears."""
        while True:
            try:
                self.strips.put_nowait(None)
                return
            except queue.Full:
                try:
                    self.strips.get_nowait()
                except queue.Empty:
                    continue


class _Abandoned(Exception):
    """A frame that was begun will not be ended."""


class _Writing:
    """The thread that writes, one frame after the other."""

    def __init__(self, done: Done) -> None:
        self.done = done
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="writing")
        self.pending: list[Future[None]] = []
        self.task: _Task | None = None

    def begin(self, opening: Callable[[ExitStack], list[Sink]]) -> _Task:
        """Takes the next frame, and waits while more than one is behind: their pictures are in memory."""
        while len(self.pending) > _FRAMES_BEHIND:
            self.pending.pop(0).result()
        self.task = _Task(self)
        self.pending.append(self.thread.submit(self._write, self.task, opening))
        return self.task

    def add_result(self, result: FrameResult) -> None:
        """A result without files to write, after those before it."""
        self.check()
        self.pending.append(self.thread.submit(self.done, result))

    def check(self) -> None:
        """Raises what went wrong in the thread."""
        while self.pending and self.pending[0].done():
            self.pending.pop(0).result()

    def finish(self) -> None:
        """Waits until every file is there."""
        while self.pending:
            self.pending.pop(0).result()

    def _write(self, task: _Task, opening: Callable[[ExitStack], list[Sink]]) -> None:
        with ExitStack() as stack:
            sinks = opening(stack)
            while True:
                item = task.strips.get()
                if item is None:
                    raise _Abandoned
                if isinstance(item, FrameResult):
                    break
                for sink in sinks:
                    sink.writer.write(item.top, item.layers[sink.working_space])
        self.done(item)


@contextmanager
def _writing(done: Done) -> Iterator[_Writing]:
    writing = _Writing(done)
    try:
        yield writing
    finally:
        if writing.task is not None and not writing.task.ended:
            writing.task.abandon()
        writing.thread.shutdown(wait=True)
        for future in writing.pending:
            future.exception()  # told already, or no longer of interest


@dataclass(frozen=True)
class ShotReport:
    """What a run over a shot says of itself.

    Attributes:
        palette: of all frames.
        frames: by view, then by number; those that were asked for and do not exist are ``missing``.
        gaps: frame numbers that an even sequence would have, where nobody asked for them.
        seconds: of the whole run, without loading the model.
    """

    palette: Palette
    frames: tuple[FrameResult, ...]
    gaps: tuple[int, ...] = ()
    seconds: float = 0.0

    @classmethod
    def of(
        cls,
        work: ShotWork,
        results: Sequence[FrameResult],
        lost: Sequence[tuple[int, str]],
        gaps: Sequence[tuple[int, str]],
        seconds: float,
    ) -> ShotReport:
        """The report of a run, with the frames that were asked for and do not exist."""
        every = [*results]
        every += [FrameResult(*frame, "missing", message=str(work.shot.source(*frame))) for frame in lost]
        views = list(work.shot.views)
        every.sort(key=lambda result: (views.index(result.view), result.frame))
        return cls(work.palette, tuple(every), tuple(sorted({frame for frame, _ in gaps})), seconds)

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
    segmenter: Segmenter | None = None,
    jobs: int = 1,
    dry_run: bool = False,
    tick: Tick = lambda _: None,
    done: Done = lambda _: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> list[FrameResult]:
    """Decomposes frames, in several processes where asked for; arguments and errors as for :func:`segment_frames`.

    Args:
        settings: of the model that each process loads.
        segmenter: the same, loaded, for this process.
        jobs: processes; they share the processor's threads.
    """
    if jobs < 1:
        raise UsageError(f"jobs is {jobs}", cure="use at least 1")
    if jobs > 1 and any(output.is_movie for output in work.delivery.outputs):
        raise UsageError("several processes can't write one movie", cure="use --jobs 1, or write single frames")
    if work.skip_broken and any(output.is_movie for output in work.delivery.outputs):
        raise UsageError("a movie has no missing frames", cure="use --missing error, or write single frames")
    check_shot(work, frames)
    if jobs == 1 or len(frames) == 1 or dry_run:
        opened = segmenter or settings.open()
        return segment_frames(work, frames, opened, dry_run=dry_run, tick=tick, done=done, cancelled=cancelled)
    return _in_processes(work, frames, settings, jobs, tick, done, cancelled)


def _in_processes(
    work: ShotWork,
    frames: Sequence[tuple[int, str]],
    settings: ModelSettings,
    jobs: int,
    tick: Tick,
    done: Done,
    cancelled: Callable[[], bool],
) -> list[FrameResult]:
    context = multiprocessing.get_context("spawn")
    stop, abort = context.Event(), context.Event()
    told: multiprocessing.queues.Queue[FrameResult] = context.Queue()
    threads = max(1, torch.get_num_threads() // jobs)
    results: list[FrameResult] = []

    def listen() -> None:
        while True:
            try:
                result = told.get(timeout=0.01)
            except queue.Empty:
                return
            results.append(result)
            done(result)
            tick(len(results) / len(frames))

    pool = ProcessPoolExecutor(
        jobs, mp_context=context, initializer=_start_process, initargs=(settings, threads, stop, abort, told)
    )
    failure: BaseException | None = None
    try:
        waiting = {pool.submit(_process_chunk, work, chunk) for chunk in _chunks(frames, jobs)}
        while waiting:
            over, waiting = wait(waiting, timeout=0.05, return_when=FIRST_COMPLETED)
            listen()
            if cancelled():
                stop.set()
            for future in over:
                error = None if future.cancelled() else future.exception()
                if error is not None and failure is None:
                    failure = error
                    stop.set()
                    for other in waiting:
                        other.cancel()
    except BaseException:
        abort.set()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    listen()
    if failure is not None:
        raise failure
    views = {view: number for number, view in enumerate(work.shot.views)}
    return sorted(results, key=lambda result: (views[result.view], result.frame))


def _chunks(frames: Sequence[tuple[int, str]], jobs: int) -> Iterator[Sequence[tuple[int, str]]]:
    size = max(1, min(_CHUNK, math.ceil(len(frames) / (4 * jobs))))
    for first in range(0, len(frames), size):
        yield frames[first : first + size]


@dataclass
class _Process:
    """What one of several processes holds between its chunks."""

    settings: ModelSettings
    stop: multiprocessing.synchronize.Event
    abort: multiprocessing.synchronize.Event
    told: multiprocessing.queues.Queue[FrameResult]
    segmenter: Segmenter | None = None


_process: list[_Process] = []


def _start_process(
    settings: ModelSettings,
    threads: int,
    stop: multiprocessing.synchronize.Event,
    abort: multiprocessing.synchronize.Event,
    told: multiprocessing.queues.Queue[FrameResult],
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the first one decides
    torch.set_num_threads(threads)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    _process.append(_Process(settings, stop, abort, told))


def _end_with(sentinel: int) -> None:
    """A process whose parent was killed ends too."""
    multiprocessing.connection.wait([sentinel])
    os._exit(1)


def _process_chunk(work: ShotWork, frames: Sequence[tuple[int, str]]) -> None:
    process = _process[0]
    if process.segmenter is None:
        process.segmenter = process.settings.open()

    def tick(_: float) -> None:
        if process.abort.is_set():
            raise CancelledError("cancelled", cure="the frames that are done stay; --resume does the rest")

    def stopped() -> bool:
        return process.stop.is_set() or process.abort.is_set()

    segment_frames(work, frames, process.segmenter, tick=tick, done=process.told.put, cancelled=stopped)
