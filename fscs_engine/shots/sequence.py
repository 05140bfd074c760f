"""Shots: frame after frame with one palette, reading, computing and writing at the same time.

A frame's result depends on its picture, the palette and the controls alone; with temporal smoothing also on the frames
of its window, which are read even where they are not asked for. So a shot in chunks, in any order, gives the files of
one run; several processes have fewer threads each, on which the rounding of PyTorch's sums depends. Every frame appears
whole or not at all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from ..alpha.processing import AlphaProcessing
from ..alpha.temporal import RADIUS, Moment, is_cut, window
from ..color import AUTO, network_image, straight
from ..errors import CancelledError, InputError
from ..evaluation.metrics import flicker
from ..host.key import window_identity
from ..image import Image, Reading
from ..networks.device import resolve_device
from ..palette.palette import Palette
from ..runtime.compiling import missing, prepare
from ..segmenter import Report, Segmenter
from .frame_writer import FrameWriter
from .identity import Identity
from .options import SegmentOptions
from .outputs import Delivery, Frame, OpenMovies, Place, fitting, overwriting
from .shots import Shot

Status = Literal["done", "skipped", "missing", "failed", "pending"]

CANCELLED_CURE = "the finished frames stay; run again with --resume for the rest"

_WINDOW_SHARE = 0.5  # of a frame's work, for the progress: seeing all the frames around it


@dataclass(frozen=True)
class ShotWork:
    """Everything that decides what is written for a frame.

    Attributes:
        shot: the pictures.
        palette: for all frames.
        delivery: the outputs, and all that was chosen.
    """

    shot: Shot
    palette: Palette
    delivery: Delivery

    @property
    def options(self) -> SegmentOptions:
        """What was chosen."""
        return self.delivery.options

    def prepare(self) -> None:
        """See :class:`fscs_engine.shots.processes.Work`."""
        if missing() and resolve_device(self.options.model.device).type == "cpu":
            prepare()

    def open(self) -> FrameWorker:
        """See :class:`fscs_engine.shots.processes.Work`."""
        segmenter = self.options.model.open()

        def segment(
            frames: Sequence[tuple[int, str]], tick: Tick, done: Done, cancelled: Callable[[], bool]
        ) -> list[FrameResult]:
            return segment_frames(self, frames, segmenter, tick=tick, done=done, cancelled=cancelled)

        return segment


@dataclass(frozen=True)
class FrameResult:
    """What became of a frame.

    Attributes:
        frame: its number.
        view: its view, or "".
        status: ``done``, ``skipped`` (up to date already), ``missing``, ``failed``, or in a dry run ``pending``.
        outputs: its files.
        report: of what was computed; its seconds tell of the writing too.
        working_spaces: of each output, then of each sheet.
        keys: cache key of each output for layers.
        metadata: what the file of the first output says of itself.
        reading: what the values of its picture were taken for; None where it was not read.
        message: why it failed.
        flicker: from the frame before to this one, see :func:`fscs_engine.evaluation.metrics.flicker`; None where
            not measured.
        cut: whether a shot begins here, as far as the temporal smoothing looked.
    """

    frame: int
    view: str
    status: Status
    outputs: tuple[str, ...] = ()
    report: Report = field(default_factory=Report)
    working_spaces: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    reading: Reading | None = None
    message: str = ""
    flicker: float | None = None
    cut: bool = False

    @property
    def error_max(self) -> float:
        """Largest recomposition error of what was computed, see :class:`fscs_engine.segmenter.Report`."""
        return self.report.error_max


Tick = Callable[[float], None]
Done = Callable[[FrameResult], None]
FrameWorker = Callable[[Sequence[tuple[int, str]], Tick, Done, Callable[[], bool]], object]
"""Does frames of these numbers and views; told how far, of each that is done, and asked whether to stop."""


def segment_frames(
    work: ShotWork,
    frames: Sequence[tuple[int, str]],
    segmenter: Segmenter,
    *,
    tick: Tick = lambda _: None,
    done: Done = lambda _: None,
    cancelled: Callable[[], bool] = lambda: False,
    moments: MutableMapping[Any, Moment] | None = None,
) -> list[FrameResult]:
    """Decomposes frames in this process.

    Args:
        work: what to do.
        frames: (frame, view), neighbors one after the other.
        segmenter: the model.
        tick: called with the part of all frames that is done; what it raises ends the work at once.
        done: called with each frame's result once its files are there, in the thread that writes.
        cancelled: asked before every frame; the one in hand is finished first.
        moments: of frames that an earlier call looked at; holds those of the last window afterwards.

    Raises:
        CancelledError: ``cancelled`` said so.
        FscsError: a frame can't be done; those before it are there.
    """
    results: list[FrameResult] = []

    def finish(result: FrameResult) -> None:
        if result.status == "done":
            seconds = {**result.report.seconds, "write": writer.seconds}
            result = replace(result, report=replace(result.report, seconds=seconds))
        results.append(result)
        done(result)

    with ExitStack() as stack:
        movies = stack.enter_context(OpenMovies())
        reader = _Reader(work, frames, segmenter, moments)
        stack.callback(reader.close)
        writer = stack.enter_context(FrameWriter(finish))
        for position, (frame, view) in enumerate(frames):
            if cancelled():
                writer.finish()
                raise CancelledError("cancelled", cure=CANCELLED_CURE)

            def part(share: float, position: int = position) -> None:
                tick((position + share) / len(frames))

            try:
                loaded = reader.frame(frame, view, part)
            except _UpToDate as found:
                writer.add_result(found.result)
                continue
            except InputError as error:
                if work.options.missing != "skip":
                    writer.finish()
                    raise
                writer.add_result(FrameResult(frame, view, "failed", message=str(error)))
                continue
            _one_frame(loaded, reader, writer, movies, part)
        writer.finish()
        tick(1.0)
    return results


def _one_frame(
    loaded: _Loaded, reader: _Reader, writer: FrameWriter[FrameResult], movies: OpenMovies, part: Tick
) -> None:
    work, segmenter, options = reader.work, reader.segmenter, reader.work.options
    image, processing = loaded.image, loaded.processing
    segmenter.check(image, work.palette, processing)
    around, at, network_input = [loaded], 0, loaded.identity
    if reader.windowed:
        around = reader.around(loaded)
        at = around.index(loaded)
        network_input = window_identity([each.identity for each in around], at)
    wanted = _Wanted.of(work, segmenter, loaded.place, image.read_as, processing, network_input)
    result = replace(wanted.result, cut=reader.begins(loaded))
    if options.resume and reader.windowed and wanted.is_there:
        writer.add_result(replace(result, status="skipped"))
        return
    if options.dry_run:
        writer.add_result(replace(result, status="pending"))
        return
    delivery = overwriting(wanted.delivery) if options.resume else wanted.delivery
    moments = [reader.moment(each) for each in around] if reader.windowed else []
    begun = reader.begun
    strips = segmenter.strips(
        image,
        work.palette,
        processing,
        working_spaces=wanted.spaces,
        clip=delivery.options.clip,
        moments=moments,
        at=at,
        progress=lambda share: part(begun + (1.0 - begun) * share),
    )
    written = Frame(loaded.place, image, wanted.identity, segmenter.spaces)
    task = writer.begin(lambda stack: delivery.open(stack, written, wanted.spaces, movies))
    alphas = []
    for strip in strips:
        if options.measure_flicker:
            alphas.append(strip.alphas)
        task.put(strip)
        report = strip.report
    measured = reader.compare(loaded, np.concatenate(alphas, axis=1)) if alphas else None
    task.end(replace(result, report=report, flicker=measured))


@dataclass(frozen=True)
class _Wanted:
    """What a frame's files have to be: of this work, in these working spaces."""

    palette: Palette
    delivery: Delivery
    place: Place
    identity: Identity
    spaces: list[str]
    reading: Reading

    @classmethod
    def of(
        cls,
        work: ShotWork,
        segmenter: Segmenter,
        place: Place,
        reading: Reading,
        processing: AlphaProcessing,
        input_identity: str,
    ) -> _Wanted:
        """Of a picture that was read so."""
        space = segmenter.spaces.check(reading.space)
        identity = Identity(
            segmenter,
            space,
            work.palette,
            processing,
            input_identity,
            work.options.input_layer,
            work.options.clean_nonfinite,
            work.options.alpha if reading.alpha else AUTO,
            reading.converted,
            str(reading),
        )
        delivery = fitting(work.delivery, reading)
        return cls(work.palette, delivery, place, identity, delivery.working_spaces(space, segmenter.spaces), reading)

    @property
    def is_there(self) -> bool:
        """Whether nothing is left to do."""
        return self.delivery.is_done(self.place, self.identity, self.spaces)

    @property
    def result(self) -> FrameResult:
        """What becomes of the frame if all goes well."""
        delivery, place = self.delivery, self.place
        keyed = zip(delivery.outputs, self.spaces, strict=False)
        keys = tuple(self.identity.key(space, delivery.depth(output)) for output, space in keyed)
        return FrameResult(
            place.frame,
            place.view,
            "done",
            tuple(str(file) for file in delivery.files(place, len(self.palette))),
            working_spaces=tuple(self.spaces),
            keys=keys,
            reading=self.reading,
            metadata=self.identity.metadata(self.spaces[0], *(delivery.depth(each) for each in delivery.outputs[:1])),
        )


class _UpToDate(Exception):
    """A frame that is done already."""

    def __init__(self, result: FrameResult) -> None:
        super().__init__(result)
        self.result = result


@dataclass(eq=False)
class _Loaded:
    """A frame as it was read, and what was found in it."""

    place: Place
    image: Image
    identity: str
    processing: AlphaProcessing
    moment: Moment | None = None
    alphas: NDArray[np.float32] | None = None


class _Reader:
    """Reads frames one ahead, and keeps those of the window.

    Attributes:
        windowed: whether the frames around a frame change it.
        begun: part of the frame's work that was spent on its window.
    """

    def __init__(
        self,
        work: ShotWork,
        frames: Sequence[tuple[int, str]],
        segmenter: Segmenter,
        moments: MutableMapping[Any, Moment] | None,
    ) -> None:
        self.work, self.segmenter, self.moments = work, segmenter, moments
        self.sure = not (work.options.resume or work.options.dry_run)  # that every frame will be computed
        alone = work.shot.single and len(work.shot.frames("")) == 1
        self.windowed = work.options.processing.temporal > 0 and not alone
        self.part: Tick = lambda _: None
        self.begun = 0.0
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
        if self.moments is not None:
            network_input = {self._key(each): each.moment for each in self.kept.values() if each.moment is not None}
            self.moments.clear()
            self.moments.update(network_input)

    def frame(self, frame: int, view: str, part: Tick) -> _Loaded:
        """A frame; the reading of the next one begins. What its window takes is told to ``part``.

        Raises:
            _UpToDate: nothing is to be done for it.
            InputError: it can't be read.
        """
        self.part, self.begun = part, 0.0
        self._begin(frame, view)
        following = self.next.get((frame, view))
        if following is not None:
            self._begin(*following)
        loaded = self._get(frame, view)
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
        if work.options.resume and not self.windowed:
            self._check_to_do(place)
        image = work.shot.read(frame, view)
        processing = self._masked(place, image) if (frame, view) in self.asked else work.options.processing
        return _Loaded(place, image, work.shot.identity(frame, view), processing)

    def _check_to_do(self, place: Place) -> None:
        """Raises _UpToDate for a frame that is done already, which need not be decoded to know it.

        What temporal smoothing sees of a frame's neighbors depends on cuts, and those are seen in the pictures.
        """
        work, frame, view = self.work, place.frame, place.view
        if not all(file.exists() for file in work.delivery.files(place, len(work.palette))):
            return
        with suppress(InputError, OSError):  # said when the frame is read
            reading, identity = work.shot.reading(frame, view), work.shot.identity(frame, view)
            wanted = _Wanted.of(work, self.segmenter, place, reading, self._masked(place, None), identity)
            if wanted.is_there:
                raise _UpToDate(replace(wanted.result, status="skipped"))

    def _masked(self, place: Place, image: Image | None) -> AlphaProcessing:
        """The processing with the masks that follow the frames."""
        processing = self.work.options.processing
        masks = (mask.read(place.frame, place.view, image) for mask in self.work.options.masks)
        return replace(processing, masks=(*processing.masks, *masks))

    def _forget(self, frame: int, view: str) -> None:
        """Lets go what no later window needs."""
        first = frame
        if self.windowed:
            numbers = self._numbers(view)
            first = numbers[max(0, numbers.index(frame) - RADIUS)]
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
            near = [self._get(number, view) for number in (before, after)]
            if self.sure:  # their moments will be asked for, and hold what is looked at
                for each in near:
                    self.moment(each)
            first, second = (torch.from_numpy(self._network_input(each)).permute(2, 0, 1) for each in near)
            self.cuts[place] = is_cut(first, second)
        return self.cuts[place]

    def moment(self, loaded: _Loaded) -> Moment:
        """A frame's smoothed alphas, computed once for all windows that it is in."""
        if loaded.moment is None and self.moments is not None:
            loaded.moment = self.moments.get(self._key(loaded))
        if loaded.moment is None:
            begun, share = self.begun, _WINDOW_SHARE / (2 * RADIUS + 1)
            loaded.moment = self.segmenter.moment(
                loaded.image,
                self.work.palette,
                loaded.processing,
                progress=lambda done: self.part(begun + share * done),
            )
            self.begun += share
        return loaded.moment

    def _key(self, loaded: _Loaded) -> tuple[object, ...]:
        """What decides a frame's moment."""
        options = self.work.options
        read = (loaded.identity, loaded.image.read_as, options.input_layer, options.clean_nonfinite)
        return self.segmenter, self.work.palette.array.tobytes(), loaded.processing.before_temporal, read

    def _network_input(self, loaded: _Loaded) -> NDArray[np.float32]:
        """What the networks see of a frame."""
        if loaded.moment is not None:
            return loaded.moment.network_input
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
        first, second = (self._network_input(each) for each in (before, loaded))
        found = flicker(before.alphas, loaded.alphas, first, second)
        before.alphas = None
        return None if math.isnan(found) else found
