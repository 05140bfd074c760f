from __future__ import annotations

import io

from fscs_engine.cli.progress import LINE_SECONDS, Progress


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_what_is_over_in_a_moment_prints_nothing():
    stream, clock = io.StringIO(), Clock()
    with Progress(stream, clock) as progress:
        report = progress.stage("working")
        for step in range(10):
            clock.now += 0.09
            report(step / 10)
    assert stream.getvalue() == ""


def test_lines_with_the_time_left_and_not_too_many_of_them():
    stream, clock = io.StringIO(), Clock()
    with Progress(stream, clock) as progress:
        report = progress.stage("working")
        report(0.0)
        for step in range(1, 101):
            clock.now += 1
            report(step / 100)
    lines = stream.getvalue().splitlines()
    assert lines[0] == "fscs: working: 1%, about 1 min 39 s left"
    assert lines[1] == f"fscs: working: {1 + LINE_SECONDS:.0f}%, about 1 min 34 s left"
    assert len(lines) <= 100 / LINE_SECONDS + 1


def test_what_was_done_before_does_not_count_for_the_time_left():
    stream, clock = io.StringIO(), Clock()
    with Progress(stream, clock) as progress:
        report = progress.stage("resumed")
        clock.now += 2
        report(0.5)
        clock.now += 10
        report(0.6)
    assert stream.getvalue().splitlines() == ["fscs: resumed: 50%", "fscs: resumed: 60%, about 40 s left"]


def test_each_stage_begins_anew():
    stream, clock = io.StringIO(), Clock()
    with Progress(stream, clock) as progress:
        first = progress.stage("first")
        clock.now += 100
        first(1.0)
        second = progress.stage("second")
        clock.now += 0.5
        second(0.5)
    assert stream.getvalue() == "fscs: first: 100%\n"


def test_parts_outside_are_cut():
    stream, clock = io.StringIO(), Clock()
    with Progress(stream, clock) as progress:
        report = progress.stage("working")
        clock.now += 2
        report(1.5)
    assert stream.getvalue() == "fscs: working: 100%\n"


def test_a_terminal_gets_a_bar():
    stream = Terminal()
    with Progress(stream) as progress:
        report = progress.stage("computing the layers")
        report(0.0)
        report(0.5)
    assert "computing the layers" in stream.getvalue()
    assert "50%" in stream.getvalue()
    assert "\x1b[" in stream.getvalue()
