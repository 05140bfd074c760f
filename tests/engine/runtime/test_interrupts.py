"""Signals that end the work: raised, noted or held back, and as they were before afterwards."""

from __future__ import annotations

import ctypes
import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fscs_engine.cli.progress import Progress
from fscs_engine.errors import CancelledError, InputError
from fscs_engine.runtime import interrupts
from fscs_engine.runtime.interrupts import ALL, Interrupted, asked_to_stop, check, held_back, interruptible

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a process of Windows can't send itself these signals")
ROOT = Path(__file__).resolve().parents[3]
every_signal = pytest.mark.parametrize("number", ALL)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Python's own handlers, whatever the shell said, unchanged at the end."""
    before = {number: signal.getsignal(number) for number in ALL}
    usual = dict.fromkeys(ALL, signal.SIG_DFL) | {signal.SIGINT: signal.default_int_handler}
    for number in ALL:
        signal.signal(number, usual[number])
    yield
    after = {number: signal.getsignal(number) for number in ALL}
    for number in ALL:
        signal.signal(number, before[number])
    assert after == usual


@every_signal
def test_a_signal_interrupts_where_the_work_reports(number):
    passed = []
    with pytest.raises(Interrupted), interruptible():
        check()
        signal.raise_signal(number)
        passed.append("between reports")
        check()
        passed.append("too far")
    assert passed == ["between reports"]


@every_signal
def test_a_work_that_does_not_report_is_interrupted_a_little_later(number):
    began = time.monotonic()
    with pytest.raises(Interrupted), interruptible():
        signal.raise_signal(number)
        threading.Event().wait(30)
    assert interrupts.PATIENCE <= time.monotonic() - began < 10


def test_a_work_that_is_over_before_it_reports_is_done():
    with interruptible():
        signal.raise_signal(signal.SIGTERM)
    check()
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0
    with interruptible():
        check()


def test_an_interruption_is_raised_once():
    with interruptible():
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(Interrupted):
            check()
        check()


def test_an_interruption_that_a_callback_of_c_swallows_is_raised_again(capsys):
    @ctypes.CFUNCTYPE(ctypes.c_int)
    def callback() -> int:
        check()
        return 0

    hook, went_on = sys.unraisablehook, False
    with pytest.raises(Interrupted), interruptible():
        signal.raise_signal(signal.SIGTERM)
        callback()
        went_on = True
        check()
    assert went_on
    assert sys.unraisablehook is hook
    assert not capsys.readouterr().err


def test_what_else_is_lost_in_a_callback_is_shown_as_ever(monkeypatch):
    shown = []
    monkeypatch.setattr(sys, "unraisablehook", shown.append)

    @ctypes.CFUNCTYPE(ctypes.c_int)
    def callback() -> int:
        raise KeyError("lost")

    with interruptible():
        callback()
        check()
    assert [type(lost.exc_value) for lost in shown] == [KeyError]


def test_only_the_main_thread_is_interrupted():
    raised = []

    def report():
        try:
            check()
        except KeyboardInterrupt as error:
            raised.append(error)

    with pytest.raises(Interrupted), interruptible():
        signal.raise_signal(signal.SIGTERM)
        thread = threading.Thread(target=report)
        thread.start()
        thread.join()
        assert not raised
        check()


@every_signal
@pytest.mark.parametrize("error", [RuntimeError("release unlocked lock"), OSError("no space"), InputError("broken")])
def test_what_breaks_in_an_interrupted_work_is_the_interruption(number, error):
    with pytest.raises(Interrupted) as raised, interruptible():
        signal.raise_signal(number)
        raise error
    assert raised.value.__cause__ is error


def test_errors_without_a_signal_stay_what_they_are():
    with pytest.raises(InputError, match="broken"), interruptible():
        raise InputError("broken")


def test_how_far_the_work_got_is_kept():
    with pytest.raises(CancelledError, match="after 3"), interruptible():
        signal.raise_signal(signal.SIGTERM)
        raise CancelledError("cancelled after 3 of 9 frames")


@every_signal
def test_the_first_signal_is_noted_and_the_second_interrupts(number):
    with pytest.raises(Interrupted), interruptible(), asked_to_stop(ALL) as asked:
        assert not asked()
        signal.raise_signal(number)
        assert asked()
        check()
        signal.raise_signal(number)
        check()


@every_signal
def test_what_is_held_back_comes_at_the_end(number):
    passed = []
    with pytest.raises(Interrupted), interruptible():
        with held_back():
            signal.raise_signal(number)
            check()
            passed.append("held")
        check()
        passed.append("too far")
    assert passed == ["held"]


def test_loading_is_not_interrupted_and_the_next_stage_is():
    passed = []
    with pytest.raises(Interrupted), interruptible(), Progress(io.StringIO()) as progress:
        with progress.loading("loading"):
            signal.raise_signal(signal.SIGINT)
            progress.report(0.5)
            passed.append("loaded")
        passed.append("after it")
        progress.stage("working")
        passed.append("too far")
    assert passed == ["loaded", "after it"]


def test_what_is_held_back_comes_after_an_error_too():
    with pytest.raises(Interrupted), interruptible(), held_back():
        signal.raise_signal(signal.SIGTERM)
        raise InputError("broken")


@pytest.mark.parametrize("block", [interruptible, asked_to_stop, held_back])
def test_an_ignored_signal_stays_ignored(block):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with block():
            signal.raise_signal(signal.SIGINT)
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.parametrize("block", [interruptible, asked_to_stop, held_back])
def test_other_threads_leave_the_handlers_alone(block):
    seen = []

    def run():
        with block():
            seen.append([signal.getsignal(number) for number in ALL])

    before = [signal.getsignal(number) for number in ALL]
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [before]


@every_signal
def test_the_exit_code_holds_where_a_text_was_executed(tmp_path, number):
    """Python ends a process by SIGINT after a plain KeyboardInterrupt left the ``exec`` of a text."""
    program = tmp_path / "program.py"
    program.write_text(
        "import signal, sys\n"
        "from fscs_engine.runtime import interrupts\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "try:\n"
        "    with interrupts.interruptible():\n"
        f"        exec('signal.raise_signal({int(number)}); interrupts.check()')\n"
        "except KeyboardInterrupt:\n"
        "    sys.exit(130)\n"
    )
    paths = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    assert subprocess.run([sys.executable, "-m", program.stem], env=paths, check=False).returncode == 130


def test_an_alarm_is_held_back_too(monkeypatch):
    monkeypatch.setattr(interrupts, "PATIENCE", 0.01)
    passed = []
    with pytest.raises(Interrupted), interruptible():
        signal.raise_signal(signal.SIGTERM)
        with held_back():
            time.sleep(0.1)
            passed.append("held")
        passed.append("too far")
    assert passed == ["held"]
