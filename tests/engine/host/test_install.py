"""The whole way of an installation with real environments and a real pip; only PyTorch and the engine are small."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from studio import environments, finished

from fscs_engine.host import install

VERSION = "0.1.0"


@pytest.mark.slow
def test_it_installs_checks_and_replaces(plan):
    chosen = plan()
    assert chosen.offline
    assert install.installed_python(chosen.folder, VERSION) is None
    first = finished(chosen)
    assert (first.error, first.fraction, first.message) == (None, 1.0, "installed")
    assert install.installed_python(chosen.folder, VERSION) == first.python
    code = "import torch, fscs_engine; from importlib.metadata import version; print(version('torch'))"
    run = subprocess.run([first.python, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "9.9"
    assert "pip" in first.log.read_text(encoding="utf-8")

    broken = finished(plan(doctor="raise SystemExit('it fell over')"))
    assert "it fell over" in broken.error.message
    assert install.installed_python(chosen.folder, VERSION) == first.python  # the one before goes on to work
    assert len(environments(chosen.folder)) == 1

    second = finished(plan())
    assert install.installed_python(chosen.folder, VERSION) == second.python != first.python
    assert [second.python] == [install.environment_python(path) for path in environments(chosen.folder)]

    install.remove(chosen.folder, VERSION)
    assert install.installed_python(chosen.folder, VERSION) is None
    assert environments(chosen.folder) == []
    install.remove(chosen.folder, VERSION)  # nothing there is no error


@pytest.mark.slow
def test_a_missing_package_is_said_and_leaves_nothing(plan):
    chosen = plan(requires="not-in-the-folder>=3")
    installation = finished(chosen)
    assert "not-in-the-folder" in installation.error.message
    assert "package source" in installation.error.cure
    assert installation.python is None
    assert environments(chosen.folder) == []
    assert install.installed_python(chosen.folder, VERSION) is None


def test_it_can_be_cancelled_in_the_middle(plan):
    chosen = plan(doctor="import time; time.sleep(1000)")
    installation = install.Installation(chosen)
    installation.start()
    for _ in range(2400):
        if environments(chosen.folder):
            break
        time.sleep(0.05)
    assert environments(chosen.folder), installation.error
    installation.cancel()
    installation.wait(60)
    assert installation.cancelled
    assert not installation.running
    assert installation.error is None
    assert environments(chosen.folder) == []
    assert install.installed_python(chosen.folder, VERSION) is None


def test_no_usable_python(plan, tmp_path):
    old = tmp_path / "old"
    old.write_text("#!/bin/sh\necho 3.8\n", encoding="utf-8")
    bare = tmp_path / "bare"
    bare.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    for file in (old, bare):
        file.chmod(0o755)
    missing = str(tmp_path / "missing")
    installation = finished(plan(pythons=(str(old), str(bare), missing, "python3")))
    message = str(installation.error)
    for text in (f"{old} is Python 3.8, too old", f"{bare} lacks", f"{missing} can't", "python3 is not an absolute"):
        assert text in message
    assert "python3-venv" in installation.error.cure


@pytest.mark.slow
def test_the_first_python_that_can_is_taken(plan, tmp_path):
    chosen = plan(pythons=(str(tmp_path / "missing"), sys.executable), requires="not-in-the-folder")
    installation = finished(chosen)
    assert "not-in-the-folder" in installation.error.message


def test_a_folder_that_can_not_be_written(plan, tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    installation = finished(plan(folder=tmp_path / "file" / "data"))
    assert "can't be written" in installation.error.message


def test_only_a_record_makes_an_environment_count(tmp_path):
    folder = tmp_path
    python = install.environment_python(folder / "engine-0.1.0-abc")
    python.parent.mkdir(parents=True)
    python.write_text("", encoding="utf-8")
    record = install.record_file(folder, VERSION)
    relative = '{"environment": "engine-0.1.0-abc", "folder": "x"}'
    elsewhere = '{"environment": "../elsewhere"}'
    for text in ("", "{", "[]", "{}", '{"environment": 3}', elsewhere, relative, '{"environment": "x"}'):
        record.write_text(text, encoding="utf-8")
        assert install.installed_python(folder, VERSION) is None, text
    record.write_text('{"environment": "engine-0.1.0-abc"}', encoding="utf-8")
    assert install.installed_python(folder, VERSION) == python


def test_only_old_nameless_environments_are_left_over(tmp_path):
    for name in ("engine-0.1.0-used", "engine-0.1.0-new", "engine-0.1.0-old"):
        (tmp_path / name).mkdir()
    install.record_file(tmp_path, VERSION).write_text('{"environment": "engine-0.1.0-used"}', encoding="utf-8")
    long_ago = time.time() - 2 * install.LEFTOVER_AGE
    for name in ("engine-0.1.0-used", "engine-0.1.0-old"):
        os.utime(tmp_path / name, (long_ago, long_ago))
    install.remove_leftovers(tmp_path)
    assert sorted(path.name for path in environments(tmp_path)) == ["engine-0.1.0-new", "engine-0.1.0-used"]


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {"XDG_DATA_HOME": "/data"}, Path("/data/soft-color-segment")),
        ("linux", {}, Path.home() / ".local/share/soft-color-segment"),
        ("darwin", {}, Path.home() / "Library/Application Support/soft-color-segment"),
        ("win32", {"LOCALAPPDATA": "/local"}, Path("/local/soft-color-segment")),
    ],
)
def test_where_it_lies(platform, variables, expected):
    assert install.data_folder(variables, platform) == expected


def test_which_pythons_are_tried():
    assert install.candidate_pythons("/chosen", "/blender") == ("/chosen",)
    tried = install.candidate_pythons("", "/blender")
    assert tried[0] == "/blender"
    assert len(set(tried)) == len(tried)
