"""Temporal smoothing of the node: the frames around are captured too, and the layers are those of a shot."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from evaluator import PictureError
from plug_in import layers_of, module, node_over, render, write_plate

pytestmark = pytest.mark.slow


@pytest.fixture
def shot(with_engine: Path, host, tmp_path: Path):
    """A node below a Read of five frames that differ by their grain."""
    import nuke

    for frame in range(1001, 1006):
        write_plate(tmp_path / f"plate.{frame}.exr", seed=frame)
    node = node_over(host, (tmp_path / "plate.%04d.exr").as_posix(), (tmp_path / "ours.%04d.exr").as_posix())
    nuke.toNode("Plate")["last"].setValue(1005)
    node["last_frame"].setValue(1005)
    node["temporal"].setValue(0.7)
    return node


def test_the_layers_are_those_of_a_shot(shot, host, tmp_path: Path, engine_python: Path) -> None:
    palette = tmp_path / "palette.json"
    module("fscs.palette_codec").write_palette(str(palette), module("settings").palette_of(shot, 1001))
    command = [str(engine_python), "-I", "-m", "fscs_engine", "segment", str(tmp_path / "plate.####.exr")]
    command += ["--palette", str(palette), "-o", str(tmp_path / "theirs.####.exr"), "--device", "cpu"]
    subprocess.run([*command, "--temporal", "0.7", "--frames", "1001-1003"], check=True, capture_output=True)
    render(shot, [1001, 1003])
    for frame in (1001, 1003):
        with host.at(frame):
            ours = layers_of(shot._picture(), 3)
            shot["cache_file"].setValue((tmp_path / "theirs.%04d.exr").as_posix())
            np.testing.assert_array_equal(layers_of(shot._picture(), 3), ours)
            shot["cache_file"].setValue((tmp_path / "ours.%04d.exr").as_posix())
    # Each frame is written once, although three windows hold it.
    captured = [path for path in host.written if Path(path).name.startswith("plate-")]
    assert len(captured) == 5
    shot["temporal"].setValue(0)
    with host.at(1003), pytest.raises(PictureError, match="Smoothing or minimum alpha changed"):
        shot._picture()


def test_a_hole_beside_the_frame_is_named(shot, tmp_path: Path) -> None:
    (tmp_path / "plate.1004.exr").unlink()
    error = module("fscs.protocol").WorkerError
    with pytest.raises(error, match=r"frame 1004 of the image .*temporal smoothing of frame 1002.* set Temporal"):
        render(shot, [1002])
    assert not (tmp_path / "ours.1002.exr").exists()
    shot["temporal"].setValue(0)
    render(shot, [1002])


def test_live_refuses_it(shot) -> None:
    shot["mode"].setValue("Live")
    with pytest.raises(PictureError, match="no temporal smoothing"):
        shot._picture()
