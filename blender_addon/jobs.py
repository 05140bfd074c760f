# SPDX-License-Identifier: GPL-3.0-or-later
"""Work that takes its time, in steps, so that the window can live on between them.

A *routine* is a generator that runs in the main thread, where alone Blender's data may be touched. It yields what
takes time, a :class:`Task` for another thread or a render, and is sent what came of it. Whatever it holds of Blender's
data must be looked up again after that: the artist may have undone or removed it. :func:`run_now` does all of it at
once; :class:`Running` does a step whenever it is asked.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Protocol

from . import strings
from .fscs.protocol import WorkerError

Tell = Callable[[float, "float | None", str], None]
"""Takes the fraction that is done, the seconds to go if they are known, and what is done where neither says it."""

Cancelled = Callable[[], bool]


class Progress:
    """How far a routine is, for the status line. The routine and the thread write, the window reads.

    Attributes:
        what: what is being done, where a fraction says nothing; empty for a computation.
        part: which part of many is being done; empty where there is one only.
        begin: fraction of the whole that was done before this part.
        share: of this part in the whole.
        fraction: of this part that is done.
        eta: seconds to the end of this part, None while unknown.
        stage: what is being done of this part, where the fraction says nothing.
    """

    def __init__(self) -> None:
        self.what = ""
        self.part = ""
        self.begin, self.share = 0.0, 1.0
        self.fraction = 0.0
        self.eta: float | None = None
        self.stage = ""
        self._started = time.monotonic()

    def start_part(self, part: str, number: int, count: int) -> None:
        """Another part of many begins, ``number`` from 0."""
        self.part, self.begin, self.share = part, number / count, 1.0 / count
        self.fraction, self.eta = 0.0, None

    def tell(self, fraction: float, eta: float | None, stage: str) -> None:
        """How far the computation is."""
        self.fraction, self.eta, self.stage = fraction, eta, stage

    @property
    def whole(self) -> float:
        """The fraction of everything that is done."""
        return min(1.0, self.begin + self.share * self.fraction)

    @property
    def text(self) -> str:
        """For the status line."""
        if self.part:
            done = self.whole
            if not 0.0 < done < 1.0:
                return f"{self.part}: {self.stage}" if self.stage else self.part
            left = (time.monotonic() - self._started) * (1.0 - done) / done
            return strings.TO_GO.format(done=self.part, time=seconds_text(left))
        if self.stage:
            return self.stage[:1].upper() + self.stage[1:]
        if self.what:
            return self.what
        if self.fraction > 0.995:
            return strings.FINISHING
        if self.eta is None:
            return strings.STARTING if self.fraction == 0.0 else f"{self.fraction:.0%}"
        return strings.TO_GO.format(done=f"{self.fraction:.0%}", time=seconds_text(self.eta))


def seconds_text(seconds: float) -> str:
    """A span of time in few letters.

    >>> [seconds_text(seconds) for seconds in (0.2, 59.0, 90.0, 5000.0)]
    ['1 s', '59 s', '2 min', '1 h 23 min']
    """
    if seconds < 60.0:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60.0)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


class Pending(Protocol):
    """A step under way."""

    result: Any
    error: WorkerError | None

    @property
    def done(self) -> bool:
        """Whether there is a result or an error."""


class Step(Protocol):
    """What a routine yields."""

    def now(self) -> Any:
        """Does it at once. Raises WorkerError."""

    def start(self, progress: Progress, cancelled: threading.Event) -> Pending:
        """Begins it and returns at once. Raises WorkerError."""


Routine = Generator[Step, Any, Any]


@dataclass(frozen=True)
class Task:
    """Something to compute in any thread; it touches nothing of Blender's.

    Attributes:
        work: is given two callbacks, for progress and to learn whether it is cancelled.
        what: for the status line; empty for a computation that tells how far it is.
    """

    work: Callable[[Tell, Cancelled], Any]
    what: str = ""

    def now(self) -> Any:
        """Computes it here."""
        return self.work(lambda *_: None, lambda: False)

    def start(self, progress: Progress, cancelled: threading.Event) -> Pending:
        """Computes it in a thread of its own."""
        progress.what, progress.stage = self.what, ""
        return _Threaded(self.work, progress.tell, cancelled.is_set)


class _Threaded:
    """A task in its thread."""

    def __init__(self, work: Callable[[Tell, Cancelled], Any], tell: Tell, cancelled: Cancelled) -> None:
        self.result: Any = None
        self.error: WorkerError | None = None
        self._work, self._tell, self._cancelled = work, tell, cancelled
        self._thread = threading.Thread(target=self._run, name="soft-color-segment", daemon=True)
        self._thread.start()

    @property
    def done(self) -> bool:
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self.result = self._work(self._tell, self._cancelled)
        except Exception as error:  # it must reach the artist, not a thread's standard error
            self.error = understood(error)


def understood(error: Exception) -> WorkerError:
    """What an artist is told about an error of any kind."""
    return (
        error if isinstance(error, WorkerError) else strings.error("internal", strings.ADDON_FAILED, error=repr(error))
    )


def run_now(routine: Routine) -> Any:
    """Does all of a routine. Returns its result.

    Raises:
        WorkerError: of any code.
    """
    try:
        step = next(routine)
        while True:
            try:
                result = step.now()
            except WorkerError as error:
                step = routine.throw(error)
            else:
                step = routine.send(result)
    except StopIteration as end:
        return end.value


class Running:
    """A routine under way in a window. Main thread only.

    Attributes:
        progress: how far it is.
        cancelled: to be set by whoever wants its end.
        over: whether it has ended.
        result: what it returned.
        error: what it failed with, None if it went well.
    """

    def __init__(self, routine: Routine, progress: Progress) -> None:
        self.progress = progress
        self.cancelled = threading.Event()
        self.over = False
        self.result: Any = None
        self.error: WorkerError | None = None
        self._routine = routine
        self._pending: Pending | None = None
        self._go_on(None, None)

    @property
    def text(self) -> str:
        """For the status line."""
        return strings.CANCELLING if self.cancelled.is_set() else self.progress.text

    def look(self) -> None:
        """Goes on, if the step under way is done."""
        pending = self._pending
        if self.over or pending is None or not pending.done:
            return
        error = pending.error
        if error is None and self.cancelled.is_set():
            error = strings.error("cancelled", strings.STOPPED)
        self._go_on(pending.result, error)

    def end(self) -> None:
        """Ends it here and now, whatever it is at. What it changed for a while is put back."""
        self.cancelled.set()
        self.over = True
        self._routine.close()

    def _go_on(self, result: Any, error: WorkerError | None) -> None:
        self._pending = None
        try:
            step = self._routine.send(result) if error is None else self._routine.throw(error)
            while self._pending is None:
                try:
                    self._pending = step.start(self.progress, self.cancelled)
                except WorkerError as failed:
                    step = self._routine.throw(failed)
        except StopIteration as end:
            self.result, self.over = end.value, True
        except Exception as failed:
            self.error, self.over = understood(failed), True
            self._routine.close()
