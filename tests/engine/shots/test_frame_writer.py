"""The thread that writes: frames in their order, its errors told, and nothing of what was not ended."""

from __future__ import annotations

import threading
from contextlib import contextmanager

import numpy as np
import pytest

from fscs_engine.errors import OutputError
from fscs_engine.segmenter import Strip
from fscs_engine.shots.frame_writer import FrameWriter
from fscs_engine.shots.outputs import Sink


def strip(top: int) -> Strip:
    return Strip(top, {"srgb": np.full((1, 1, 1, 4), top, np.float32)}, np.zeros((1, 1, 1), np.float32))


class Disk:
    """Keeps the rows of frames that were closed without an error."""

    def __init__(self) -> None:
        self.files: dict[str, list[int]] = {}
        self.broken = ""

    def frame(self, name: str):
        @contextmanager
        def opened():
            rows = _Rows(self.broken == name)
            yield Sink(rows, "srgb")
            self.files[name] = rows.tops

        return lambda stack: [stack.enter_context(opened())]


class _Rows:
    def __init__(self, broken: bool) -> None:
        self.tops: list[int] = []
        self.broken = broken

    def write(self, top: int, layers: np.ndarray) -> None:
        if self.broken:
            raise OutputError("full")
        assert layers.flat[0] == top
        self.tops.append(top)


@pytest.fixture
def disk() -> Disk:
    return Disk()


def test_frames_and_results_come_in_their_order(disk):
    told, threads = [], set()

    def done(result):
        told.append((result, sorted(disk.files)))
        threads.add(threading.current_thread())

    with FrameWriter(done) as writer:
        for name in ("a", "b", "c"):
            task = writer.begin(disk.frame(name))
            for top in range(5):
                task.put(strip(top))
            task.end(name)
            writer.add_result(f"after {name}")
        writer.finish()
        assert [result for result, _ in told] == ["a", "after a", "b", "after b", "c", "after c"]
    assert told[0] == ("a", ["a"])  # its files are there by then
    assert told[2] == ("b", ["a", "b"])
    assert disk.files == {name: [0, 1, 2, 3, 4] for name in "abc"}
    assert threading.current_thread() not in threads


@pytest.mark.timeout(20)
def test_what_goes_wrong_is_told_and_nobody_waits_for_ever(disk):
    disk.broken = "b"
    told = []
    with pytest.raises(OutputError, match="full"), FrameWriter(told.append) as writer:
        for name in ("a", "b", "c"):
            task = writer.begin(disk.frame(name))
            for top in range(20):
                task.put(strip(top))
            task.end(name)
        writer.finish()
    assert told == ["a"]
    assert set(disk.files) <= {"a", "c"}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("rows", [0, 1, 2])
def test_a_frame_that_was_not_ended_leaves_nothing(disk, rows):
    told = []
    with pytest.raises(KeyboardInterrupt), FrameWriter(told.append) as writer:
        first = writer.begin(disk.frame("a"))
        first.put(strip(0))
        first.end("a")
        task = writer.begin(disk.frame("b"))
        for top in range(rows):
            task.put(strip(top))
        raise KeyboardInterrupt
    assert told == ["a"]
    assert list(disk.files) == ["a"]
