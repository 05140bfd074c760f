from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fscs_engine.host.connection import Connection, checked_python
from fscs_engine.host.protocol import WorkerError

pytestmark = [pytest.mark.timeout(60), pytest.mark.skipif(os.name != "posix", reason="links of POSIX")]


@pytest.fixture
def connection(tmp_path, temporary):
    made = Connection(lambda: tmp_path / "engine.log")
    yield made
    made.close()


def test_one_process_however_many_threads_ask(engine_python, connection):
    with ThreadPoolExecutor(4) as threads:
        workers = set(threads.map(lambda _: connection.open(Path(engine_python)), range(8)))
    assert len(workers) == 1
    assert workers.pop().alive


def test_a_process_that_ended_is_started_anew(engine_python, connection):
    first = connection.open(Path(engine_python))
    first.close()
    second = connection.open(Path(engine_python))
    assert second is not first
    assert second.alive
    assert connection.open(Path(engine_python)) is second


def test_another_python_takes_the_place_of_the_first(engine_python, connection, tmp_path):
    other = tmp_path / "other"
    other.write_text(f'#!/bin/sh\nexec "{engine_python}" "$@"\n', encoding="utf-8")
    other.chmod(0o755)
    first = connection.open(Path(engine_python))
    second = connection.open(other)
    assert not first.alive
    assert second.alive


def test_closed_and_opened_again(engine_python, connection):
    connection.close()  # nothing to close
    worker = connection.open(Path(engine_python))
    connection.close()
    connection.close()
    assert not worker.alive
    assert connection.open(Path(engine_python)).alive


def test_a_python_without_the_engine_leaves_nothing_behind(connection, engine_python, tmp_path):
    with pytest.raises(WorkerError):
        connection.open(tmp_path / "missing")
    assert connection.open(Path(engine_python)).alive


class TestCheckedPython:
    @pytest.mark.parametrize("name", ["bin/python3", "bin/python", "Scripts/python.exe", "python.exe"])
    def test_a_file_or_the_folder_of_its_environment(self, tmp_path, name):
        python = tmp_path / "environment" / name
        python.parent.mkdir(parents=True)
        python.touch()
        assert checked_python("the choice", str(python), "") == python
        assert checked_python("the choice", str(tmp_path / "environment"), "") == python

    def test_the_user_s_folder(self, tmp_path, monkeypatch):
        monkeypatch.setenv("HOME", str(tmp_path))
        (tmp_path / "python").touch()
        assert checked_python("the choice", "~/python", "") == tmp_path / "python"

    @pytest.mark.parametrize(
        ("setting", "text"), [("python3", "absolute path"), ("missing", "no Python"), ("", "no Python")]
    )
    def test_what_is_none_is_refused(self, tmp_path, setting, text):
        whole = setting if setting == "python3" else str(tmp_path / setting)
        with pytest.raises(WorkerError, match=text) as caught:
            checked_python("the choice", whole, "choose another")
        assert caught.value.code == "worker"
        assert "the choice" in str(caught.value)
        assert "choose another" in str(caught.value.cure)
