"""Shots in several processes, each of which takes a few neighboring frames at a time."""

from __future__ import annotations

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
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Protocol

import torch

from ..errors import CancelledError, ProcessError
from ..runtime.interrupts import TERMINATION, held_back
from .sequence import CANCELLED_CURE, Done, FrameResult, FrameWorker, Tick

_CHUNK = 16  # frames that a process takes at once, at most


class Work(Protocol):
    """What each process is sent: everything that decides what is written for a frame."""

    def prepare(self) -> None:
        """What is done once, and not in every process."""
        ...

    def open(self) -> FrameWorker:
        """Loads what the frames need, in the process that does them."""
        ...


def frames_in_processes(
    work: Work,
    frames: Sequence[tuple[int, str]],
    jobs: int,
    *,
    tick: Tick = lambda _: None,
    done: Done = lambda _: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> list[FrameResult]:
    """Does frames; other arguments and errors as for :func:`fscs_engine.shots.sequence.segment_frames`.

    Args:
        work: what to do.
        frames: (frame, view).
        jobs: how many processes share the frames and the processor's threads.

    Returns:
        The results in the order in which they came.

    Raises:
        ProcessError: one of the processes was killed.
    """
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

    work.prepare()
    pool = ProcessPoolExecutor(
        jobs, mp_context=context, initializer=_start_process, initargs=(work, threads, stop, abort, told)
    )
    failure: BaseException | None = None
    try:
        with held_back():  # a process that is not told what to do after its start complains
            waiting = {pool.submit(_process_chunk, chunk) for chunk in _chunks(frames, jobs)}
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
    if isinstance(failure, BrokenProcessPool):
        raise ProcessError(
            "a process ended before its work was done",
            cure="the system may have run out of memory: try again with fewer --jobs and with --resume",
        ) from failure
    if failure is not None:
        raise failure
    return results


def _chunks(frames: Sequence[tuple[int, str]], jobs: int) -> Iterator[Sequence[tuple[int, str]]]:
    size = max(1, min(_CHUNK, math.ceil(len(frames) / (4 * jobs))))
    for first in range(0, len(frames), size):
        yield frames[first : first + size]


@dataclass
class _Process:
    """What one of several processes holds between its chunks."""

    work: Work
    stop: multiprocessing.synchronize.Event
    abort: multiprocessing.synchronize.Event
    told: multiprocessing.queues.Queue[FrameResult]
    worker: FrameWorker | None = None
    busy: bool = False
    leaving: bool = False

    @property
    def aborted(self) -> bool:
        """Whether the frame in hand is to be dropped too."""
        return self.leaving or self.abort.is_set()


_process: list[_Process] = []
"""The one of this process, once it has begun: a pool's initializer can hand its tasks nothing else."""


def _start_process(
    work: Work,
    threads: int,
    stop: multiprocessing.synchronize.Event,
    abort: multiprocessing.synchronize.Event,
    told: multiprocessing.queues.Queue[FrameResult],
) -> None:
    process = _Process(work, stop, abort, told)
    _process.append(process)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the first one decides
    for number in TERMINATION:
        signal.signal(number, lambda *_: _leave(process))
    torch.set_num_threads(threads)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _leave(process: _Process) -> None:
    """Farms end all processes of a job at once: this one goes when its frame has left no half-written file."""
    process.leaving = True
    if not process.busy:
        os._exit(1)


def _end_with(sentinel: int) -> None:
    """A process whose parent was killed ends too."""
    multiprocessing.connection.wait([sentinel])
    os._exit(1)


def _process_chunk(frames: Sequence[tuple[int, str]]) -> None:
    process = _process[0]
    if process.worker is None:
        process.worker = process.work.open()

    def tick(_: float) -> None:
        if process.aborted:
            raise CancelledError("cancelled", cure=CANCELLED_CURE)

    def stopped() -> bool:
        return process.aborted or process.stop.is_set()

    process.busy = True
    try:
        process.worker(frames, tick, process.told.put, stopped)
    finally:
        process.busy = False
        if process.leaving:
            os._exit(1)
