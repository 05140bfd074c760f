from __future__ import annotations

import gc
import io
import logging
import threading
import time
from contextlib import suppress

import pytest

from fscs_engine.cli import progress as module
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


@pytest.mark.parametrize(("style", "line"), [("auto", "fscs: {}"), ("openjd", "openjd_status: {}"), ("none", None)])
def test_what_the_engine_says_of_its_work(style, line):
    note, log, stream = "compiling for this machine (once)", logging.getLogger("fscs_engine"), io.StringIO()
    with Progress(stream, Clock(), style) as progress:
        progress.stage("working")
        log.info(note)
    log.info("nobody listens any more")
    assert line is None or line.format(note) in stream.getvalue().splitlines()
    assert stream.getvalue().count(note) == (0 if line is None else 1)


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


def wait_for(condition):
    give_up = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.005)


@pytest.fixture
def no_threads_left():
    before = set(threading.enumerate())
    yield
    assert not set(threading.enumerate()) - before


def test_a_silent_stage_is_named_once(monkeypatch, no_threads_left):
    monkeypatch.setattr(module, "QUIET_SECONDS", 0.01)
    stream = io.StringIO()
    with Progress(stream) as progress:
        for label in ("loading the model", "finding the palette"):
            progress.stage(label)
            wait_for(lambda label=label: label in stream.getvalue())
            time.sleep(0.05)
    assert stream.getvalue() == "fscs: loading the model ...\nfscs: finding the palette ...\n"


@pytest.mark.parametrize("end", ["report", "stage", "exit", "error"])
def test_a_stage_that_ends_or_reports_in_time_is_not_named(monkeypatch, no_threads_left, end):
    monkeypatch.setattr(module, "QUIET_SECONDS", 1000)  # what is not called off stays as a thread
    stream, before = io.StringIO(), threading.active_count()
    with suppress(ZeroDivisionError), Progress(stream, Clock()) as progress:
        report = progress.stage("first")
        assert threading.active_count() == before + 1
        if end == "report":
            report(0.5)
            assert threading.active_count() == before
        if end == "stage":
            progress.stage("second")
            assert threading.active_count() == before + 1
        if end == "error":
            raise ZeroDivisionError
    assert stream.getvalue() == ""


def test_a_closed_log_does_not_matter_to_a_silent_stage(monkeypatch, no_threads_left):
    class Full(io.StringIO):
        asked = False

        def write(self, _text):
            self.asked = True
            raise OSError(28, "No space left on device")

    failures = []
    monkeypatch.setattr(threading, "excepthook", failures.append)
    monkeypatch.setattr(module, "QUIET_SECONDS", 0.01)
    stream = Full()
    with Progress(stream) as progress:
        progress.stage("working")
        wait_for(lambda: stream.asked)
    assert failures == []


def test_garbage_is_not_looked_for_while_modules_are_loaded_and_again_behind():
    with Progress(stream=io.StringIO()) as progress:
        with pytest.raises(ImportError), progress.loading("starting"):
            assert not gc.isenabled()
            raise ImportError
        assert gc.isenabled()
