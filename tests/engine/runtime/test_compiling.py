"""Compiled loops: what numbers do in them, what is kept of them and when it fits, machines without a place for it."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from fscs_engine.runtime import compiling
from fscs_engine.runtime.compiling import FOLDER, compiled

LOOPS = """
from fscs_engine.runtime.compiling import inner, loop

FACTOR = {factor}

@inner
def innermost(x):
    return x * FACTOR{more}

@inner
def middle(x):
    return innermost(x) + 1

@loop("in1s out1")
def outer(seen, out):
    for x in range(len(out)):
        out[x] = middle(seen[x])

@loop("in2 out1")
def sums(seen, out):
    for y in range(len(out)):
        out[y] = 0.0
        for x in range(seen.shape[1]):
            out[y] += seen[y, x]
"""
RUN = """
import sys
import numpy as np
from fscs_engine.runtime import compiling
import {module} as loops

print(sorted(name.partition(":")[2] for name in compiling.missing()))
out = np.empty(2, np.float32)
loops.outer(np.arange(4, dtype=np.float32)[::2], out)
print(out.tolist())
loops.sums(np.ones((2, 3), np.float32), out)
print(out.tolist())
"""


def quotients(above, below, out):
    for x in range(len(out)):
        out[x] = above[x] / below[x]


@pytest.fixture
def kept(monkeypatch, tmp_path):
    """A folder of one's own for what is compiled."""
    folder = tmp_path / "kept"
    monkeypatch.setenv(FOLDER, str(folder))
    compiling.places.cache_clear()
    compiling._new.cache_clear()
    yield folder
    compiling.places.cache_clear()
    compiling._new.cache_clear()


def run(tmp_path, kept, factor=2, more="", module="loops"):
    """Runs loops in a process of its own; the lines it prints and what it says of its work."""
    (tmp_path / f"{module}.py").write_text(LOOPS.format(factor=factor, more=more))
    environment = {**os.environ, FOLDER: str(kept), "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"  # of two versions written within a second
    done = subprocess.run(
        [sys.executable, "-c", RUN.format(module=module)], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines(), done.stderr


def test_loops_compute_as_numpy_does(kept):
    above = np.array([1, 0, -1, np.nan, np.inf, 3], np.float32)
    below = np.array([0, 0, 0, 1, 2, 2], np.float32)
    out = np.empty(6, np.float32)
    compiled(quotients)(above, below, out)
    np.testing.assert_array_equal(out, np.array([np.inf, np.nan, -np.inf, np.nan, np.inf, 1.5], np.float32))
    assert [file.suffix for file in kept.iterdir()] == [".loop"]


def test_other_types_than_declared_are_refused():
    from fscs_engine.exact.exact_loops import _layer_rows

    with pytest.raises(TypeError):
        _layer_rows(*[np.zeros(3, np.float64)] * 14)


def test_what_is_kept_is_not_compiled_again(tmp_path):
    lines, _ = run(tmp_path, tmp_path / "kept")
    assert lines == ["['outer', 'sums']", "[1.0, 5.0]", "[3.0, 3.0]"]
    files = {file: file.stat().st_mtime_ns for file in (tmp_path / "kept").iterdir()}
    assert len(files) == 2
    lines, said = run(tmp_path, tmp_path / "kept")
    assert lines == ["[]", "[1.0, 5.0]", "[3.0, 3.0]"]
    assert said == ""
    assert files == {file: file.stat().st_mtime_ns for file in (tmp_path / "kept").iterdir()}


@pytest.mark.parametrize(("change", "result"), [({"factor": 3}, "[1.0, 7.0]"), ({"more": " + x"}, "[1.0, 7.0]")])
def test_loops_notice_what_changes_in_those_they_call(tmp_path, change, result):
    """A number or the code of a function that is called by one that is called."""
    run(tmp_path, tmp_path / "kept")
    lines, _ = run(tmp_path, tmp_path / "kept", **change)
    assert lines[:2] == ["['outer']", result]


def test_what_was_kept_of_a_module_of_another_name_is_left_alone(tmp_path):
    """It says from which module it is, and can't be loaded without that."""
    run(tmp_path, tmp_path / "kept")
    (tmp_path / "loops.py").unlink()
    lines, said = run(tmp_path, tmp_path / "kept", module="renamed")
    assert lines == ["['outer', 'sums']", "[1.0, 5.0]", "[3.0, 3.0]"]
    assert said == ""


@pytest.mark.slow
def test_a_damaged_file_is_compiled_anew(tmp_path):
    run(tmp_path, tmp_path / "kept")
    for file in (tmp_path / "kept").iterdir():
        file.write_bytes(file.read_bytes()[:1000])
    lines, said = run(tmp_path, tmp_path / "kept")
    assert lines[1:] == ["[1.0, 5.0]", "[3.0, 3.0]"]
    assert said.count("compiling again") == 2
    assert run(tmp_path, tmp_path / "kept")[1] == ""


def test_a_machine_without_a_place_says_so_in_one_line(tmp_path, monkeypatch, caplog):
    """As in an installation for all users of a farm."""
    (tmp_path / "file").touch()
    folders = [tmp_path / "file" / "kept"]
    monkeypatch.setattr(compiling, "places", lambda: folders)
    compiling._new.cache_clear()
    above, out = np.ones(1, np.float32), np.empty(1, np.float32)
    for _ in range(2):
        compiled(quotients)(above, above, out)
    compiling._new.cache_clear()
    assert out == 1
    (record,) = caplog.records
    assert str(tmp_path / "file" / "kept") in record.getMessage()
    assert FOLDER in record.getMessage()
    assert len(list(folders[1].iterdir())) == 1, "kept as long as the process lives"
