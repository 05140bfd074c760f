"""Render in Background: a second Nuke as a process of its own, its progress, its end, and what the artist does."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from evaluator import PictureError
from plug_in import layers_of, module, nuke_program

pytestmark = pytest.mark.slow


@pytest.fixture
def saved(made: Any, host: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A node in a script with a name, in a Nuke whose program can be started."""
    import nuke

    monkeypatch.setitem(nuke.__dict__, "EXE_PATH", str(nuke_program(tmp_path)))
    monkeypatch.setattr(module("background"), "SECONDS", 0.05)
    nuke.scriptSaveAs(str(tmp_path / "comp.nk"))
    yield made
    for job in list(module("background")._running.values()):
        job.end()
    wait(host)


def wait(host: Any, seconds: float = 240) -> None:
    """Until nothing renders in the background."""
    end = time.monotonic() + seconds
    while module("background")._running:
        assert time.monotonic() < end, "it never ends"
        host.pump()
        time.sleep(0.02)


def words(host: Any, kind: str = "message") -> list[str]:
    return [text for one, text in host.messages if one == kind]


def test_frames_come_while_the_artist_works(saved, host, tmp_path: Path) -> None:
    import nuke

    module("buttons").render_background(saved)
    with pytest.raises(PictureError):
        saved._picture()  # not there yet, and no other frame in its place
    assert "is not rendered" in saved["status"].value()
    saved["error_gain"].setValue(9)
    wait(host)
    assert layers_of(saved._picture(), 3).shape[0] == 3
    assert saved["status"].value() == "cached", host.messages
    assert (tmp_path / "Ebène 1" / "layers.1002.exr").is_file()
    task = host.tasks[-1]
    assert "SoftColorSegment1" in task._name and "frame 1002" in task._messages and max(task._percent) >= 50
    assert not words(host)
    module("buttons").render_background(saved)
    assert words(host) == ["Soft Color Segment: all frames are rendered."] and nuke.root()["name"].value()


def test_it_renders_what_was_saved(saved, host) -> None:
    host.answers.append(True)
    saved["smoothing"].setValue(4)
    module("buttons").render_background(saved)
    assert any("Save it now?" in text for text in words(host, "ask"))
    saved["smoothing"].setValue(5)
    wait(host)
    with pytest.raises(PictureError, match="Smoothing"):
        saved._picture()
    assert "Smoothing Radius changed" in saved["status"].value()
    saved["smoothing"].setValue(4)
    assert layers_of(saved._picture(), 3).shape[0] == 3


def test_an_artist_who_does_not_save_renders_nothing(saved, host) -> None:
    host.answers.append(False)
    saved["smoothing"].setValue(4)
    module("buttons").render_background(saved)
    assert not module("background")._running and not words(host) and not host.tasks


def test_cancel_ends_the_process(saved, host, tmp_path: Path) -> None:
    host.cancel_progress = lambda task: True
    module("buttons").render_background(saved)
    (job,) = module("background")._running.values()
    wait(host)
    assert job._process.poll() is not None and not words(host)
    assert not list((tmp_path / "Ebène 1").glob("*1002*"))


def test_a_killed_process_leaves_no_images_behind(saved, host, monkeypatch) -> None:
    folders: list[Path] = []
    make = module("background").tempfile.mkdtemp

    def made(**options: str) -> str:
        folders.append(Path(make(**options)))
        (folders[-1] / "plate.exr").write_bytes(b"pixels")
        return str(folders[-1])

    monkeypatch.setattr(module("background").tempfile, "mkdtemp", made)
    host.cancel_progress = lambda task: True
    module("buttons").render_background(saved)
    wait(host)
    assert len(folders) == 1 and not folders[0].exists()


@pytest.mark.parametrize(
    ("on", "switches"),
    [
        ((), []),
        (("nukex",), ["--nukex"]),
        (("nukex", "studio"), ["--studio"]),
        (("indie",), ["--indie"]),
        (("nc", "nukex"), ["--nc", "--nukex"]),
    ],
)
def test_the_other_nuke_is_of_the_same_edition(made, host, monkeypatch, on, switches) -> None:
    import nuke

    for name in ("nukex", "studio", "indie", "nc"):
        monkeypatch.setitem(nuke.env._values, name, name in on)
    command = module("background").command(made.fullName(), [1001])
    assert command[1 : command.index("-t")] == ["-i", *switches]


def test_two_at_a_time_are_refused(saved, host) -> None:
    module("buttons").render_background(saved)
    module("buttons").render_background(saved)
    module("buttons").render(saved)
    assert len(module("background")._running) == 1
    assert [("renders in the background" in text) for text in words(host)] == [True, True]


@pytest.mark.parametrize("deleted", [False, True])
def test_what_goes_wrong_is_said(saved, host, tmp_path: Path, deleted: bool) -> None:
    import nuke

    (tmp_path / "plate.1002.exr").unlink()
    module("buttons").render_background(saved)
    if deleted:
        nuke.delete(saved)
    wait(host)
    (text,) = words(host)
    assert "frame 1002" in text and text.count("error") == 0
    assert (tmp_path / "Ebène 1" / "layers.1001.exr").is_file()


def test_a_script_without_a_name_is_refused(saved, host) -> None:
    host.script_name = ""
    module("buttons").render_background(saved)
    assert "the script has no name" in words(host)[0]


def test_a_nuke_that_does_not_start_is_said(saved, host, tmp_path: Path, monkeypatch) -> None:
    import nuke

    monkeypatch.setitem(nuke.__dict__, "EXE_PATH", str(tmp_path / "none"))
    module("buttons").render_background(saved)
    assert "can't be started" in words(host)[0] and not module("background")._running
    program = tmp_path / "broken"
    program.write_text("#!/bin/sh\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setitem(nuke.__dict__, "EXE_PATH", str(program))
    module("buttons").render_background(saved)
    wait(host)
    assert "Nuke ended with 3" in words(host)[1]
