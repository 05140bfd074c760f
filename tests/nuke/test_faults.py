"""What goes wrong on real disks and with real processes: said in words, nothing half-written, nothing old shown."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from evaluator import PictureError
from plug_in import layers_of, module, render, write_plate

pytestmark = pytest.mark.slow


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Mounts small file systems in memory; skips where that is not allowed."""
    folders: list[Path] = []

    def mount(name: str, *options: str) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False) if shutil.which("mount") else None
        if done is None or done.returncode:
            pytest.skip("mounting a small tmpfs needs root on Linux")
        folders.append(folder)
        return folder

    yield mount
    for folder in folders:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def refused(made, code: str, *numbers: int) -> str:
    """What the artist is told instead of a render."""
    with pytest.raises(module("fscs.protocol").WorkerError) as caught:
        render(made, numbers or (1001,))
    assert caught.value.code == code, caught.value
    return str(caught.value)


def nothing_shown(made) -> None:
    """The node is red with words, and gives no picture."""
    with pytest.raises(PictureError):
        made._picture()
    module("callbacks").update(made)
    assert "press Render" in made["status"].value()


# The engine's process


def test_a_worker_that_is_killed_while_it_computes(made, host, tmp_path: Path) -> None:
    worker = module("engine").connect()
    begun: list[float] = []

    def kill(fraction: float, _: str) -> None:
        begun.append(fraction)
        if fraction > 0 and worker.alive:
            os.kill(worker._process.pid, signal.SIGKILL)

    with pytest.raises(module("fscs.protocol").WorkerError, match="ended by signal 9"):
        module("render").render(made, [1001], ["main"], kill, lambda: False)
    assert max(begun) > 0
    assert not list(tmp_path.glob("Eb*/*"))
    nothing_shown(made)
    render(made)
    assert layers_of(made._picture(), 3).any()


def test_a_worker_that_says_nothing_is_ended(made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = module("fscs.connection")
    monkeypatch.setattr(connection, "Worker", partial(connection.Worker, timeout=3.0))
    worker = module("engine").connect()
    os.kill(worker._process.pid, signal.SIGSTOP)
    assert "did not answer for 3 seconds" in refused(made, "worker")
    assert not list(tmp_path.glob("Eb*/*"))
    render(made)


def test_an_engine_that_is_gone_is_told_with_the_cure(made, host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FSCS_PYTHON", "/no/such/python")
    module("buttons").render(made)
    kind, said = host.messages[-1]
    assert kind == "message" and "/no/such/python" in said and "Install Engine" in said


# The disk


def test_a_full_disk_of_the_cache(made, mounted, tmp_path: Path) -> None:
    disk = mounted("small disk", "size=12k")
    made["cache_file"].setValue((disk / "layers.%04d.exr").as_posix())
    made["colors"].setValue(16)
    assert "free some disk space" in refused(made, "output")
    assert list(disk.iterdir()) == []
    nothing_shown(made)


def test_a_full_disk_leaves_the_frame_that_was_there(made, mounted) -> None:
    disk = mounted("small disk", "size=20k")
    made["cache_file"].setValue((disk / "layers.%04d.exr").as_posix())
    made["colors"].setValue(1)
    render(made)
    before = (disk / "layers.1001.exr").read_bytes()
    made["colors"].setValue(16)
    assert "free some disk space" in refused(made, "output")
    assert (disk / "layers.1001.exr").read_bytes() == before and len(list(disk.iterdir())) == 1
    with pytest.raises(PictureError, match="another number of colors"):
        made._picture()


def test_a_full_disk_for_temporary_files(made, mounted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module("engine").connect()  # the engine's own folder lies elsewhere
    disk = mounted("small disk", "size=4k")
    monkeypatch.setattr("tempfile.tempdir", str(disk))
    assert "frame 1001 of the image" in refused(made, "input")
    assert list(disk.iterdir()) == [] and not list(tmp_path.glob("Eb*/*"))


def test_signs_of_frame_numbers_in_the_name_of_a_folder(made, tmp_path: Path) -> None:
    """The engine would take them for the place of a frame's number."""
    made["cache_file"].setValue((tmp_path / "a@@ 1" / "layers_v1.%04d.exr").as_posix())
    file = Path(module("upstream").file_of(made, 1001, "main"))
    render(made)
    assert file.is_file() and [path.name for path in file.parent.iterdir()] == [file.name]
    assert layers_of(made._picture(), 3).any()


def test_a_folder_that_can_not_be_written(made, mounted, tmp_path: Path) -> None:
    if os.geteuid() == 0:
        folder = mounted("only to read", "ro")  # permissions do not bind root
    else:
        folder = tmp_path / "only to read"
        folder.mkdir(mode=0o555)
    made["cache_file"].setValue((folder / "layers.%04d.exr").as_posix())
    assert "choose another folder" in refused(made, "output")
    assert list(folder.iterdir()) == []
    nothing_shown(made)


# The plate


def test_a_plate_with_holes(made, host, tmp_path: Path) -> None:
    write_plate(tmp_path / "plate.1004.exr")
    made["last_frame"].setValue(1004)
    assert "frame 1003 of the image" in refused(made, "input", 1001, 1002, 1003, 1004)
    assert sorted(path.name for path in tmp_path.glob("Eb*/*")) == ["layers.1001.exr", "layers.1002.exr"]
    capture = made.node("CapturePlate")
    assert capture["disable"].value() and capture["file"].value() == ""
    with host.at(1003):
        host.frame_now = 1003
        nothing_shown(made)


def test_a_plate_in_a_folder_with_a_telling_name(made, host, tmp_path: Path) -> None:
    """What fails is said, even if its name has the word that Nuke says where the artist cancels."""
    made.input(0)["file"].setValue((tmp_path / "Cancelled" / "plate.%04d.exr").as_posix())
    module("buttons").render(made)
    assert "Cancelled/plate.1001.exr" in host.messages[-1][1]


def test_a_plate_that_is_damaged(made, tmp_path: Path) -> None:
    whole = (tmp_path / "plate.1001.exr").read_bytes()
    (tmp_path / "plate.1001.exr").write_bytes(whole[: len(whole) // 2])
    assert "frame 1001 of the image" in refused(made, "input")
    assert not list(tmp_path.glob("Eb*/*"))


def test_a_cached_file_that_is_damaged(made, tmp_path: Path) -> None:
    render(made)
    (file,) = tmp_path.glob("Eb*/*")
    file.write_bytes(file.read_bytes()[:300])
    with pytest.raises(PictureError, match="Cache"):
        made._picture()
    module("callbacks").update(made)
    assert "damaged" in made["status"].value()


def newer(file: Path) -> None:
    """As if it had been written just after what is there now."""
    now = time.time_ns() + 10**9
    os.utime(file, ns=(now, now))


def test_a_plate_that_was_written_anew_under_its_name(made, tmp_path: Path) -> None:
    callbacks = module("callbacks")
    render(made)
    assert callbacks.state(made, 1001, "main", sure=True) == ""
    newer(tmp_path / "plate.1001.exr")  # touched, and the same
    assert callbacks.state(made, 1001, "main", sure=True) == ""
    write_plate(tmp_path / "plate.1001.exr", seed=99)
    newer(tmp_path / "plate.1001.exr")
    assert "image's file changed" in callbacks.state(made, 1001, "main", sure=True)
    callbacks.look([made.fullName()])
    assert "image's file changed" in made["status"].value()
    callbacks.update(made)
    assert "image's file changed" in made["status"].value()
    before = made.input(0)["version"].value()
    render(made)
    assert made.input(0)["version"].value() == before + 1  # or Nuke would give what it has in memory
    assert callbacks.state(made, 1001, "main", sure=True) == ""


def test_an_older_plate_in_its_place_is_seen_before_a_render(made, tmp_path: Path) -> None:
    import nuke

    module("callbacks").register()
    render(made)
    write_plate(tmp_path / "plate.1001.exr", seed=99)
    os.utime(tmp_path / "plate.1001.exr", (1e9, 1e9))
    write = nuke.createNode("Write")
    write.setInput(0, made)
    write["file_type"].setValue("exr")
    write["file"].setValue((tmp_path / "out.%04d.exr").as_posix())
    write["raw"].setValue(True)
    with pytest.raises(RuntimeError, match="image's file changed since"):
        nuke.execute(write, 1001, 1001)
    assert not (tmp_path / "out.1001.exr").exists()


def test_a_plate_of_the_command_line_that_changed(made, tmp_path: Path, engine_python: Path) -> None:
    palette = tmp_path / "palette.json"
    module("fscs.palette_codec").write_palette(str(palette), module("settings").palette_of(made, 1001))
    command = [str(engine_python), "-I", "-m", "fscs_engine", "segment", str(tmp_path / "plate.1001.exr")]
    command += ["--palette", str(palette), "-o", str(tmp_path / "theirs.exr"), "--device", "cpu"]
    subprocess.run(command, check=True, capture_output=True)
    made["cache_file"].setValue((tmp_path / "theirs.exr").as_posix())
    assert module("callbacks").state(made, 1001, "main", sure=True) == ""
    write_plate(tmp_path / "plate.1001.exr", seed=99)
    assert "image's file changed" in module("callbacks").state(made, 1001, "main", sure=True)


def test_a_mask_that_was_written_anew(made, host, tmp_path: Path) -> None:
    import nuke

    write_plate(tmp_path / "mask.exr", seed=5)
    host.load(
        f'Read {{\n inputs 0\n file_type exr\n file "{tmp_path}/mask.exr"\n first 1001\n last 1009\n raw true\n'
        " name Matte\n}\n"
    )
    made.setInput(1, nuke.toNode("Matte"))
    made["use_mask"].setValue(True)
    render(made)
    write_plate(tmp_path / "mask.exr", seed=6)
    assert "image's file changed" in module("callbacks").state(made, 1001, "main", sure=True)
    made["use_mask"].setValue(False)
    render(made)
    assert module("callbacks").state(made, 1001, "main", sure=True) == ""


def test_a_folder_for_temporary_files_with_brackets(made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module("engine").connect()
    folder = tmp_path / "Zoë [frame] {b}"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    render(made)
    assert layers_of(made._picture(), 3).any() and list(folder.iterdir()) == []


def test_names_with_blanks_and_accents(made, host, tmp_path: Path) -> None:
    import nuke

    folder = tmp_path / "Été à la mer, [v2] {b}"
    write_plate(folder / "plâte é.1001.exr")
    nuke.toNode("Plate")["file"].setValue(f"{tmp_path}/Été à la mer, \\[v2] {{b}}/plâte é.%04d.exr")
    made["cache_file"].setValue(f"{tmp_path}/Été à la mer, \\[v2] {{b}}/läyers 1.####.exr")
    render(made)
    assert (folder / "läyers 1.1001.exr").is_file()
    text = host.text()
    host.clear()
    host.load(text)
    host.frame_now = 1001
    again = nuke.toNode(made.name())
    plate = again.input(0)._picture()
    np.testing.assert_allclose(
        layers_of(again._picture(), 3).sum(axis=0)[..., 0], plate.channels["rgba.red"], rtol=2e-6, atol=2e-6
    )
    assert module("callbacks").state(again, 1001, "main", sure=True) == ""
