from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from fscs_engine.host import check

VERSION = "0.1.0"
GOOD = {
    "version": VERSION,
    "python": "3.11.7",
    "packages": {"torch": "2.13.0"},
    "devices": [{"device": "cuda", "name": "A card"}, {"device": "cpu", "name": ""}],
    "problems": [],
}


@pytest.fixture
def doctor(tmp_path):
    """Makes a Python whose engine's doctor does what the given source says."""

    def made(source: str) -> Path:
        python = tmp_path / "python"
        (tmp_path / "doctor.py").write_text(source, encoding="utf-8")
        python.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I "{tmp_path}/doctor.py" "$@"\n', encoding="utf-8")
        python.chmod(0o755)
        return python

    return made


def printing(found) -> str:
    return f"print({json.dumps(found)!r})"


def test_the_real_engine(engine_python):
    report = check.examine(Path(engine_python), VERSION)
    assert report.works, report
    assert report.lines[0].startswith(f"Engine {VERSION}, PyTorch ")
    assert report.wrong == ()


def test_what_a_working_engine_has(doctor):
    report = check.examine(doctor(printing(GOOD)), VERSION)
    assert report == check.Report(
        True, (f"Engine {VERSION}, PyTorch 2.13.0, Python 3.11.7", "Devices: cuda (A card), cpu")
    )


@pytest.mark.parametrize("warm", [False, True])
def test_the_engine_compiles_its_loops_where_asked(doctor, warm):
    source = f"import json, sys\nprint(json.dumps({GOOD!r} | {{'version': sys.argv[-1]}}))"
    report = check.examine(doctor(source), "--warm", warm=warm)
    assert report.works == warm, report.wrong


def test_without_a_gpu_it_says_so(doctor):
    report = check.examine(doctor(printing({**GOOD, "devices": GOOD["devices"][1:]})), VERSION)
    assert report.works
    assert "CPU" in report.lines[-1]


def test_problems_of_the_doctor_are_shown(doctor):
    report = check.examine(doctor(printing({**GOOD, "problems": ["model paper: it is missing"]})), VERSION)
    assert (report.works, report.wrong) == (False, ("model paper: it is missing",))
    assert "Install Engine" in report.cure


def test_another_version_is_no_match(doctor):
    report = check.examine(doctor(printing({**GOOD, "version": "9.0"})), VERSION)
    assert not report.works
    assert "9.0" in report.wrong[0]
    assert VERSION in report.wrong[0]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import sys; sys.exit('No module named fscs_engine')", "has no engine"),
        ("import sys; sys.exit('ImportError: DLL load failed while importing _C')", "PyTorch can't be loaded"),
        ("import sys; sys.exit('ImportError: libtorch.so')", "does not start (ImportError: libtorch.so)"),
        ("", "it gave no answer"),
        ("print('hello')", "does not start"),
        ("print('[]')", "does not start"),
        ("print('{\"version\": 1}')", "does not start"),
        (printing({**GOOD, "devices": None}), "does not start"),
        ("import sys; sys.stdout.buffer.write(bytes([255, 254]))", "does not start"),
    ],
)
def test_an_engine_that_does_not_answer(doctor, source, said):
    report = check.examine(doctor(source), VERSION)
    assert not report.works
    assert said in report.wrong[0]
    assert report.cure


def test_no_such_python(tmp_path):
    report = check.examine(tmp_path / "missing", VERSION)
    assert not report.works
    assert "can't be started" in report.wrong[0]


def test_a_python_without_the_engine(engine_python, tmp_path):
    report = check.examine(Path(sys.base_prefix) / "bin" / "python3", VERSION, environment={})
    assert not report.works
    assert "has no engine" in report.wrong[0]


@pytest.mark.parametrize("how", ["stopped", "timeout"])
def test_a_hanging_engine_is_ended(doctor, how):
    options = {"stop": lambda: True} if how == "stopped" else {"timeout": 0.3}
    report = check.examine(doctor("import time; time.sleep(100)"), VERSION, **options)
    assert not report.works
    assert ("stopped" in report.wrong[0]) == (how == "stopped")
