"""Temporal smoothing and palettes of several frames in real Blenders, beside what the command line gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fscs_engine import AlphaProcessing, SegmentOptions, segment_sequence
from fscs_engine import Image as Engine
from fscs_engine.files.exr import read_layers, write_exr
from fscs_engine.files.palette_files import read_palette

FRAMES = 5
NOWHERE = {"FSCS_PYTHON": "/nowhere/python"}
NO_PASSES = 3


@pytest.fixture
def shot(photograph: Path, tmp_path: Path) -> Path:
    """A still with fresh grain in every frame, and a color that one frame alone has."""
    with Image.open(photograph) as opened:
        still = np.asarray(opened.resize((64, 48)), np.float32) / 255
    for number in range(1, FRAMES + 1):
        grain = np.random.default_rng(number).normal(0.0, 0.01, still.shape)
        picture = np.clip(still + grain, 0.0, 1.0).astype(np.float32) ** 2.2
        if number == 4:
            picture[:20, :20] = (0.0, 0.9, 0.1)
        write_exr(tmp_path / f"plate_{number:04d}.exr", Engine.from_pixels(picture, "lin_rec709"))
    return tmp_path


@pytest.mark.slow
def test_the_layers_of_the_command_line(blender, shot: Path) -> None:
    blender.run("temporal.py", "make", shot)
    found = blender.run("temporal.py", "fill", shot).result
    assert found["status"] == 0
    out = shot / "out"
    out.mkdir()
    options = SegmentOptions(colors=4, processing=AlphaProcessing(temporal=0.5), working_space="lin_rec709")
    segment_sequence(str(shot / "plate_####.exr"), str(out / "layers.####.exr"), options)
    wanted = read_palette(next(out.glob("*palette*"))).array
    for name in ("Straight", "Chain"):
        assert found[name]["around"] == [[1, 2, 3], [1, 2, 3, 4], [1, 2, 3, 4, 5], [2, 3, 4, 5], [3, 4, 5]]
        np.testing.assert_allclose(found["palettes"][name], wanted, atol=2e-4)
        for number in range(1, FRAMES + 1):
            layers = read_layers(out / f"layers.{number:04d}.exr")
            np.testing.assert_allclose(np.load(shot / f"{name}_{number}.npy"), layers.layers, atol=2e-3)

    # A farm needs no engine, and the frame of another picture stops it, as does its neighbor
    blender.run("temporal.py", "render", shot, variables=NOWHERE)
    assert len(list(shot.glob("sum_*.exr"))) == FRAMES
    last = shot / "plate_0005.exr"
    last.write_bytes((shot / "plate_0001.exr").read_bytes())
    stopped = blender.run("temporal.py", "render", shot, variables=NOWHERE, check=False)
    assert (stopped.status, "frame 3 in the cache is stale" in stopped.err) == (NO_PASSES, True)


def test_one_frame(blender, shot: Path) -> None:
    blender.run("temporal.py", "make", shot)
    found = blender.run("temporal.py", "look", shot).result
    assert found["status"] == ["Up to date", "Stale: press Segment", [3]]
    green = [
        min(np.abs(np.array(color) - (0.0, 0.95, 0.35)).max() for color in found[name])
        for name in ("ranged", "current")
    ]
    assert green[0] < 0.1 < green[1], "the color that frame 4 alone has"
    assert found["ends"] == [[1, 2, 3], [2, 3, 4], [6]]
    assert found["spread"] == [[1, 2, 3], [1, 2, 3, 4]]
