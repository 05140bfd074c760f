"""Signals that end the work: Ctrl-C, and SIGTERM, by which farms cancel.

An exception that a signal raises wherever the work happens to be can leave one of Python's own locks locked, and the
threads that want it wait for ever. So the work is interrupted where it reports its progress (:func:`check`), and
anywhere only when it has not reported for a while: then it computes or waits, and takes no locks.

Only the main thread can handle signals; in others nothing here changes anything. What ignores a signal (a background
job of a shell ignores Ctrl-C) goes on ignoring it.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from ..errors import CancelledError

_Handler = Callable[[int, FrameType | None], object]

PATIENCE = 1.0
"""Seconds that the work has to reach its next report. Windows has no alarm: there it has none."""

# Windows has SIGBREAK too.
TERMINATION = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGBREAK") if hasattr(signal, name))
ALL = (signal.SIGINT, *TERMINATION)


class Interrupted(KeyboardInterrupt):
    """A signal asked for the end.

    Not KeyboardInterrupt itself: where that one leaves the ``exec`` of a text, caught or not, Python ends the process
    by SIGINT in place of its exit code.
    """


@dataclass
class _State:
    """What the signals of this process said.

    Attributes:
        came: one came since the last :func:`interruptible` began.
        pending: it has not been raised yet.
        alarm: what was the alarm's handler before it was set.
    """

    came: bool = False
    pending: bool = False
    alarm: signal.Handlers | _Handler | int | None = None


_state = _State()


@contextmanager
def interruptible() -> Iterator[None]:
    """Within it the signals end in :class:`Interrupted`, so that the work unwinds and leaves no half-written file.

    Any error that follows a signal is taken for the interruption's.

    Raises:
        Interrupted: a signal came.
        CancelledError: a signal came, and the work says how far it got.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _state.came = False
    with _raised_again(), _handled(dict.fromkeys(ALL, _interrupt)):
        try:
            yield
        except Exception as error:
            if _state.came and not isinstance(error, CancelledError):
                raise Interrupted from error
            raise
        finally:
            _disarm()


def check() -> None:
    """To be called often, where the work holds nothing that must not be dropped.

    Raises:
        Interrupted: a signal came.
    """
    if _state.pending and threading.current_thread() is threading.main_thread():
        _disarm()
        raise Interrupted


@contextmanager
def asked_to_stop(signals: Sequence[int] = (signal.SIGINT,)) -> Iterator[Callable[[], bool]]:
    """Within :func:`interruptible`: the first of these signals is only noted, the second one interrupts.

    Yields:
        Tells whether the first one came.
    """
    asked = False

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            _interrupt(number, frame)
        asked = True

    with _handled(dict.fromkeys(signals, ask)):
        yield lambda: asked


@contextmanager
def held_back() -> Iterator[None]:
    """Within it no signal interrupts; what came is sent again at its end."""
    came: list[int] = []
    alarm = (signal.SIGALRM,) if hasattr(signal, "SIGALRM") else ()
    try:
        with _handled(dict.fromkeys((*ALL, *alarm), lambda number, _: came.append(number))):
            yield
    finally:
        for number in came:
            signal.raise_signal(number)


@contextmanager
def _raised_again() -> Iterator[None]:
    """Within it an interruption that is lost is raised again: what C calls back can raise nothing into the work."""
    before = sys.unraisablehook

    def hook(lost: sys.UnraisableHookArgs) -> None:
        if isinstance(lost.exc_value, Interrupted):
            _raise_soon()
        else:
            before(lost)

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = before


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    _state.came = True
    if not hasattr(signal, "SIGALRM"):
        raise Interrupted
    _raise_soon()


def _raise_soon() -> None:
    if not _state.pending and hasattr(signal, "SIGALRM"):
        _state.pending = True
        _state.alarm = signal.signal(signal.SIGALRM, lambda *_: check())
        signal.setitimer(signal.ITIMER_REAL, PATIENCE)


def _disarm() -> None:
    if _state.pending:
        _state.pending = False  # first: an alarm that rings now means nothing any more
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, _state.alarm or signal.SIG_DFL)


@contextmanager
def _handled(handlers: Mapping[int, _Handler]) -> Iterator[None]:
    before: dict[int, signal.Handlers | _Handler | int] = {}
    try:
        if threading.current_thread() is threading.main_thread():
            for number, handler in handlers.items():
                present = signal.getsignal(number)
                if present is not None and present is not signal.SIG_IGN:  # None: not Python's
                    before[number] = present
                    signal.signal(number, handler)
        yield
    finally:
        for number, present in before.items():
            signal.signal(number, present)
