"""Progress on stderr: bars with an ETA on a terminal, plain lines everywhere else (a farm's log, a pipe).

For Open Job Description it goes to stdout instead, in the lines that its sessions understand.

The engine knows nothing of it: it calls a function with the part that is done, from 0 to 1.
"""

from __future__ import annotations

import atexit
import gc
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from ..runtime.interrupts import check, held_back

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

QUIET_SECONDS = 1.0
"""Plain lines start after this time: what is over sooner needs no progress."""

_LOG = logging.getLogger("fscs_engine")

LINE_SECONDS = 5.0
"""Between two plain lines of one stage."""

AUTO, OPENJD, NONE = "auto", "openjd", "none"
STYLES = (AUTO, OPENJD, NONE)
"""How progress is shown: for people, for Open Job Description, or not at all."""


class Progress:
    """The stages of one command, one after the other.

    Use as a context manager; `stage` starts the next stage and ends the one before. In plain lines, a stage that says
    nothing of itself for QUIET_SECONDS is named once.

    Args:
        stream: where to, stderr without it, or stdout for ``openjd``.
        clock: seconds that only grow; for tests.
        style: one of :data:`STYLES`.
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
        style: str = AUTO,
    ) -> None:
        self.style = style
        self.stream = stream if stream is not None else sys.stdout if style == OPENJD else sys.stderr
        self.clock = clock
        self.bars: RichProgress | None = None
        self.task: TaskID | None = None
        self.label = ""
        self.started = self.printed = clock()
        self.first: tuple[float, float] | None = None
        self.silence: threading.Timer | None = None
        self.notes = _Notes(self)

    def __enter__(self) -> Self:
        _LOG.setLevel(logging.INFO)
        _LOG.addHandler(self.notes)
        if self.style == AUTO and self.stream.isatty():
            self.bars = _rich_progress(self.stream)
            self.bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _LOG.removeHandler(self.notes)
        self._end_silence()
        if self.bars is not None:
            self.bars.stop()

    def stage(self, label: str) -> Callable[..., None]:
        """Starts a stage and returns what takes its progress, :meth:`report`.

        Raises:
            Interrupted: as in :func:`fscs_engine.runtime.interrupts.check`.
        """
        check()
        self._end_silence()
        self.label = label
        self.started = self.printed = self.clock()
        self.first = None
        if self.bars is not None:
            if self.task is not None:
                self.bars.remove_task(self.task)
            self.task = self.bars.add_task(label, total=None)
        elif self.style == OPENJD:
            print(f"openjd_status: {label}", file=self.stream, flush=True)
        elif self.style == AUTO:
            self.silence = threading.Timer(QUIET_SECONDS, self._name_stage, (label,))
            self.silence.daemon = True
            self.silence.start()
        return self.report

    @contextmanager
    def loading(self, label: str) -> Iterator[None]:
        """A stage that imports modules: an exception in the middle of PyTorch's import would end the process.

        Raises:
            Interrupted: as in :meth:`stage`; within it signals wait.
        """
        self.stage(label)
        collects = gc.isenabled()
        gc.disable()  # modules make many objects that stay: looking for garbage among them takes a tenth of the start
        try:
            with held_back():
                yield
        finally:
            if collects:
                if not gc.get_freeze_count():
                    gc.freeze()  # nor later: each look at all of them takes another tenth
                    atexit.register(gc.unfreeze)  # else libraries that count take it for a leak at the end
                gc.enable()

    def report(self, done: float, note: str = "") -> None:
        """Shows that the part ``done`` (0 to 1) of the current stage is over, and a word on how it goes.

        What was done before the first report of a stage does not count for the time left: a run that is resumed
        in the middle begins there.

        Raises:
            Interrupted: as in :func:`fscs_engine.runtime.interrupts.check`.
        """
        check()
        self._end_silence()
        done = min(1.0, max(0.0, done))
        label = f"{self.label}, {note}" if note else self.label
        now = self.clock()
        if self.style == NONE:
            return
        if self.style == OPENJD:
            if now - self.printed >= QUIET_SECONDS or done == 1.0:
                self.printed = now
                print(f"openjd_progress: {100 * done:.1f}", file=self.stream, flush=True)
                print(f"openjd_status: {label}", file=self.stream, flush=True)
            return
        if self.first is None:
            self.first = now, done
            if self.bars is not None and self.task is not None:
                self.bars.reset(self.task, total=1.0, completed=done, description=label)  # type: ignore[arg-type]
        if self.bars is not None and self.task is not None:
            self.bars.update(self.task, completed=done, description=label)
            return
        if now - self.started < QUIET_SECONDS or (now - self.printed < LINE_SECONDS and self.printed > self.started):
            return
        self.printed = now
        began, before = self.first
        left = f", about {_seconds((now - began) * (1 - done) / (done - before))} left" if before < done < 1 else ""
        print(f"fscs: {label}: {done:.0%}{left}", file=self.stream, flush=True)

    def say(self, note: str) -> None:
        """Shows a word of the engine's own, such as that loops are compiled."""
        if self.bars is not None:
            self.bars.console.print(f"fscs: {note}", markup=False, highlight=False)
        elif self.style == OPENJD:
            print(f"openjd_status: {note}", file=self.stream, flush=True)
        elif self.style == AUTO:
            print(f"fscs: {note}", file=self.stream, flush=True)

    def _name_stage(self, label: str) -> None:
        with suppress(OSError, ValueError):  # a log that was closed: nobody reads what goes wrong in this thread
            print(f"fscs: {label} ...", file=self.stream, flush=True)

    def _end_silence(self) -> None:
        """Keeps the stage from being named; when this returns, the thread that would have is over."""
        timer, self.silence = self.silence, None
        if timer is not None:
            timer.cancel()
            if timer.ident is not None:  # interrupted before it was started, it can't be joined
                timer.join()


class _Notes(logging.Handler):
    """What the engine says of its work."""

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self.progress = progress

    def emit(self, record: logging.LogRecord) -> None:
        """See logging; a log that was closed is no reason to stop."""
        with suppress(OSError, ValueError):
            self.progress.say(record.getMessage())


def _rich_progress(stream: TextIO) -> RichProgress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn

    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=Console(file=stream),
        transient=True,
    )


def _seconds(seconds: float) -> str:
    """``75`` → ``1 min 15 s``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
