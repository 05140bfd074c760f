"""Work in steps, with and without a window. Nothing of Blender is needed for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from types import ModuleType
from typing import Any

import pytest


@pytest.fixture
def jobs(without_blender: Callable[[str], ModuleType]) -> ModuleType:
    """The module."""
    return without_blender("jobs")


def finished(running: Any) -> Any:
    """Looks at a running routine until it is over."""
    pause = threading.Event()
    while not running.over:
        running.look()
        pause.wait(0.001)
    return running


def test_all_at_once(jobs: ModuleType) -> None:
    def routine() -> Generator[Any, Any, Any]:
        first = yield jobs.Task(lambda *_: 2)
        second = yield jobs.Task(lambda *_: first * 3)
        return second + 1

    assert jobs.run_now(routine()) == 7
    assert finished(jobs.Running(routine(), jobs.Progress())).result == 7


def test_an_error_comes_to_the_routine_and_out_of_it(jobs: ModuleType) -> None:
    put_back = []

    def fails(*_: Any) -> None:
        raise jobs.WorkerError("input", "no picture", "link one")

    def routine() -> Generator[Any, Any, Any]:
        try:
            yield jobs.Task(fails)
        finally:
            put_back.append(True)

    with pytest.raises(jobs.WorkerError, match="no picture"):
        jobs.run_now(routine())
    running = finished(jobs.Running(routine(), jobs.Progress()))
    assert str(running.error) == "no picture: link one"
    assert put_back == [True, True]


def test_a_fault_of_our_own_is_told_too(jobs: ModuleType) -> None:
    def routine() -> Generator[Any, Any, Any]:
        yield jobs.Task(lambda *_: {}["nothing"])

    assert "KeyError" in str(finished(jobs.Running(routine(), jobs.Progress())).error)


def test_cancelled_between_two_steps(jobs: ModuleType) -> None:
    begun, may_end, put_back = threading.Event(), threading.Event(), []

    def slow(*_: Any) -> None:
        begun.set()
        may_end.wait(10.0)

    def routine() -> Generator[Any, Any, Any]:
        try:
            yield jobs.Task(slow)
            pytest.fail("went on")
        finally:
            put_back.append(True)

    running = jobs.Running(routine(), jobs.Progress())
    begun.wait(10.0)
    running.cancelled.set()
    assert running.text == "Cancelling"
    may_end.set()
    assert finished(running).error.code == "cancelled"
    assert put_back == [True]


def test_ended_in_the_middle(jobs: ModuleType) -> None:
    seen, put_back = [], []

    def routine() -> Generator[Any, Any, Any]:
        try:
            yield jobs.Task(lambda tell, cancelled: seen.append(cancelled))
        finally:
            put_back.append(True)

    running = jobs.Running(routine(), jobs.Progress())
    running.end()
    assert (running.over, put_back) == (True, [True])
    assert running.cancelled.is_set()


def test_what_the_status_line_says(jobs: ModuleType) -> None:
    progress = jobs.Progress()
    assert progress.text == "Starting the engine"
    progress.tell(0.0, None, "loading PyTorch")
    assert progress.text == "Loading PyTorch"
    progress.tell(0.25, None, "")
    assert progress.text == "25%"
    progress.tell(0.5, 12.3, "")
    assert progress.text == "50%, 12 s to go"
    progress.tell(1.0, 0.0, "")
    assert progress.text == "Fetching the layers"
    progress.what = "Writing the cache"
    assert progress.text == "Writing the cache"
    progress.start_part("Frame 7, 2 of 4", 1, 4)
    assert progress.whole == 0.25
    assert progress.text.startswith("Frame 7, 2 of 4, ")
    progress.start_part("Frame 6, 1 of 4", 0, 4)
    progress.tell(0.0, None, "loading PyTorch")
    assert progress.text == "Frame 6, 1 of 4: loading PyTorch"
    progress.start_part("Frame 7, 2 of 4", 1, 4)
    progress.tell(0.5, 1.0, "")
    assert progress.whole == 0.375
    assert [jobs.seconds_text(seconds) for seconds in (0.0, 59.0, 90.0, 5000.0)] == [
        "1 s",
        "59 s",
        "2 min",
        "1 h 23 min",
    ]
