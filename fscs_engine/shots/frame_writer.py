"""The thread that writes the frames of a shot, while the next one is computed."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Generic, Self, TypeVar

from ..segmenter import Strip
from .outputs import Sink

_Result = TypeVar("_Result")

_FRAMES_BEHIND = 1  # that are written while the next one is computed
_STRIPS_AHEAD = 2  # of a frame that wait for being written


class FrameWriter(Generic[_Result]):
    """Writes one frame after the other. When the block ends, what was begun and not ended leaves no file.

    What goes wrong in the thread is raised by the next call.

    Args:
        done: called in the thread with each frame's result once its files are there.

    Attributes:
        seconds: spent on writing the frame that ``done`` is called for.
    """

    def __init__(self, done: Callable[[_Result], None]) -> None:
        self._done = done
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="writing")
        self._pending: list[Future[None]] = []
        self._task: FrameTask[_Result] | None = None
        self.seconds = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._task is not None and not self._task.ended:
            self._task.abandon()
        self._thread.shutdown(wait=True)
        for future in self._pending:
            future.exception()  # told already, or no longer of interest

    def begin(self, opening: Callable[[ExitStack], list[Sink]]) -> FrameTask[_Result]:
        """Takes the next frame, and waits while more than one is behind: their pictures are in memory.

        Args:
            opening: opens what takes the frame's layers; closed by the stack.
        """
        while len(self._pending) > _FRAMES_BEHIND:
            self._pending.pop(0).result()
        self._task = FrameTask(self)
        self._pending.append(self._thread.submit(self._write, self._task, opening))
        return self._task

    def add_result(self, result: _Result) -> None:
        """A result without files to write, after those before it."""
        self.check()
        self._pending.append(self._thread.submit(self._done, result))

    def check(self) -> None:
        """Raises what went wrong in the thread."""
        while self._pending and self._pending[0].done():
            self._pending.pop(0).result()

    def finish(self) -> None:
        """Waits until every file is there."""
        while self._pending:
            self._pending.pop(0).result()

    def _write(self, task: FrameTask[_Result], opening: Callable[[ExitStack], list[Sink]]) -> None:
        self.seconds = 0.0
        with ExitStack() as stack:
            sinks = opening(stack)
            while True:
                item = task.next()
                if item is None:
                    raise _Abandoned
                began = time.perf_counter()
                if isinstance(item, _End):
                    break
                for sink in sinks:
                    sink.writer.write(item.top, item.layers[sink.working_space])
                self.seconds += time.perf_counter() - began
        self.seconds += time.perf_counter() - began
        self._done(item.result)


class FrameTask(Generic[_Result]):
    """One frame on its way to its files.

    Attributes:
        ended: whether all of it was handed over.
    """

    def __init__(self, writer: FrameWriter[_Result]) -> None:
        self._writer = writer
        self._items: queue.Queue[Strip | _End[_Result] | None] = queue.Queue(_STRIPS_AHEAD)
        self.ended = False

    def put(self, strip: Strip) -> None:
        """Hands rows over, and waits while the writer is behind."""
        self._put(strip)

    def end(self, result: _Result) -> None:
        """All rows are handed over."""
        self._put(_End(result))
        self.ended = True

    def next(self) -> Strip | _End[_Result] | None:
        """What comes next, as soon as it is there; None after :meth:`abandon`."""
        return self._items.get()

    def _put(self, item: Strip | _End[_Result]) -> None:
        while True:
            self._writer.check()
            try:
                self._items.put(item, timeout=0.2)
                return
            except queue.Full:
                continue

    def abandon(self) -> None:
        """Whatever waits is dropped, and no file appears."""
        while True:
            try:
                self._items.put_nowait(None)
                return
            except queue.Full:
                try:
                    self._items.get_nowait()
                except queue.Empty:
                    continue


@dataclass(frozen=True)
class _End(Generic[_Result]):
    """What stands behind a frame's last rows."""

    result: _Result


class _Abandoned(Exception):
    """A frame that was begun will not be ended."""
