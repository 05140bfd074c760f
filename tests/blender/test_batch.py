"""Shots rendered in real Blenders: every frame its own passes, or a message and no frame."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest

LIMIT = 1e-5
NO_PASSES = 3
NOWHERE = {"FSCS_PYTHON": "/nowhere/python"}


@pytest.fixture
def shot(tmp_path: Path) -> Path:
    """The folder of a shot, with a blank and an accent in its name."""
    folder = tmp_path / "shot é 1"
    folder.mkdir()
    return folder


def cached(folder: Path) -> list[Path]:
    """The layers in the cache."""
    return sorted((folder / "scs_cache").glob("*/*.exr"))


def palette_of(path: Path) -> list[float]:
    """The colors that a frame in the cache was made with, one after the other."""
    palette = json.loads(oiio.ImageInput.open(str(path)).spec()["softcolor:palette"])
    return np.ravel([color["rgb"] for color in palette["colors"]]).tolist()


def check(found: dict[str, list[float]], factor: float = 1.0) -> None:
    """Each frame recombines to its own picture, which is brighter than the one before."""
    assert max(found["errors"]) <= LIMIT
    assert found["means"] == pytest.approx([0.5 * factor * frame for frame in (1, 2, 3)], rel=0.1)


def test_live_then_from_the_cache(blender, shot: Path) -> None:
    blender.run("frames.py", "make", shot, "sequence")
    assert cached(shot) == []
    check(blender.run("frames.py", "render", shot).result)


@pytest.mark.slow
def test_filled_then_rendered_without_an_engine(blender, shot: Path) -> None:
    blender.run("frames.py", "make", shot, "sequence")
    assert blender.run("frames.py", "fill", shot).result["status"] == 0
    assert len(cached(shot)) == 3
    check(blender.run("frames.py", "render", shot, variables=NOWHERE).result)


@pytest.mark.slow
def test_chain_needs_the_cache(blender, shot: Path) -> None:
    blender.run("frames.py", "make", shot, "open")
    stopped = blender.run("frames.py", "render", shot, check=False)
    assert stopped.status == NO_PASSES
    assert "frame 1 is not in the cache" in stopped.err
    assert "--command soft_color_segment" in stopped.err
    assert not list(shot.glob("sum_*.exr"))

    filled = blender.run("frames.py", "fill", shot, "--frames", "1-2", "--node", "Soft")
    assert filled.result["status"] == 0
    assert len(cached(shot)) == 2
    stopped = blender.run("frames.py", "render", shot, check=False)
    assert stopped.status == NO_PASSES
    assert "frame 3 is not in the cache" in stopped.err
    assert [path.name for path in sorted(shot.glob("sum_*.exr"))] == ["sum_0001.exr", "sum_0002.exr"]

    before = cached(shot)[0].read_bytes()
    blender.run("frames.py", "fill", shot)
    assert cached(shot)[0].read_bytes() == before
    first, *others = (palette_of(path) for path in cached(shot))
    assert others == [pytest.approx(first, abs=1e-6)] * 2, "a frame has a palette of its own"
    check(blender.run("frames.py", "render", shot, variables=NOWHERE).result, factor=2.0)


@pytest.mark.slow
def test_stale_and_damaged_frames(blender, shot: Path) -> None:
    blender.run("frames.py", "make", shot, "chain")
    blender.run("frames.py", "fill", shot)
    blender.run("frames.py", "edit", shot)
    stopped = blender.run("frames.py", "render", shot, check=False)
    assert stopped.status == NO_PASSES
    assert "stale" in stopped.err
    assert not list(shot.glob("sum_*.exr"))
    blender.run("frames.py", "fill", shot)
    check(blender.run("frames.py", "render", shot, variables=NOWHERE).result, factor=2.0)
    older, file = sorted((shot / "scs_cache").glob("*/layers.0002.*"), key=lambda path: path.stat().st_mtime_ns)
    file.write_bytes(file.read_bytes()[:-100])
    stopped = blender.run("frames.py", "render", shot, check=False)
    assert stopped.status == NO_PASSES
    assert "frame 2 is damaged" in stopped.err
    file.unlink()
    older.unlink()
    stopped = blender.run("frames.py", "render", shot, check=False)
    assert stopped.status == NO_PASSES
    assert "frame 2 is not in the cache" in stopped.err


@pytest.mark.slow
def test_engine_killed_in_the_middle(blender, shot: Path) -> None:
    blender.run("frames.py", "make", shot, "sequence")
    stopped = blender.run("frames.py", "killed", shot, check=False)
    assert stopped.status == NO_PASSES
    assert "can't be computed now: the engine's process ended by signal 9" in stopped.err
    assert not list(shot.glob("sum_*.exr"))
    stopped = blender.run("frames.py", "render", shot, variables=NOWHERE, check=False)
    assert stopped.status == NO_PASSES
    assert "frame 1 is not in the cache" in stopped.err
    assert "press Install Engine" in stopped.err


@pytest.mark.slow
def test_changed_picture_is_stale(blender, shot: Path) -> None:
    blender.run("frames.py", "make", shot, "sequence")
    blender.run("frames.py", "fill", shot)
    found = oiio.ImageBuf(str(shot / "plate_0003.exr"))
    oiio.ImageBufAlgo.mul(found, 0.5).write(str(shot / "plate_0002.exr"), oiio.FLOAT)
    stopped = blender.run("frames.py", "render", shot, variables=NOWHERE, check=False)
    assert stopped.status == NO_PASSES
    assert "frame 2 in the cache is stale" in stopped.err
    assert "FSCS_PYTHON" in stopped.err
    assert max(blender.run("frames.py", "render", shot).result["errors"]) <= LIMIT  # computed anew


UNUSED = ("no compositing", "viewer", "muted link", "muted link of a layer", "muted group", "muted group with a writer")
USED = ("nothing", "group", "group with a writer")


@pytest.mark.parametrize("why", UNUSED)
def test_render_that_shows_no_layers(blender, why: str) -> None:
    assert blender.run("unused.py", why).result == [0, True]


@pytest.mark.slow
@pytest.mark.parametrize("why", USED)
def test_render_that_shows_layers_stops(blender, why: str) -> None:
    stopped = blender.run("unused.py", why, check=False)
    assert stopped.status == NO_PASSES
    assert "frame 1 is not in the cache" in stopped.err


@pytest.mark.slow
def test_command_refuses(blender, shot: Path) -> None:
    blender.run("frames.py", "make", shot, "sequence")
    for arguments, status in ((["--node", "Nobody"], 2), (["--frames", "5-1"], 2), (["--scene", "Nowhere"], 2)):
        assert blender.run("frames.py", "fill", shot, *arguments).result["status"] == status
    assert cached(shot) == []


@pytest.mark.slow
def test_frozen_renders_without_the_addon(blender, shot: Path) -> None:
    made = blender.run("frames.py", "make", shot, "chain")
    crashing = blender.version in ("4.5", "5.0")
    assert ("crashes when it renders this file. Press Freeze to EXR" in made.err) == crashing
    black = blender.version == "full"
    assert ("layers of this file as transparent black. Press Freeze to EXR" in made.err) == black
    run = blender.run("frames.py", "freeze", shot)
    assert "Press Freeze to EXR" not in run.err, "it is frozen now"
    frozen = run.result
    assert frozen["pressed"] == ["FINISHED"]
    assert not list((shot / "softcolor_frozen").glob(".*")), "something half-written was left"
    assert "CompositorNodeSoftColorSegment" not in frozen["nodes"]
    for path in cached(shot):
        path.unlink()
    assert blender.run_plain("frozen.py", shot).status == 0
    check_frozen(shot)


def check_frozen(folder: Path) -> None:
    """The three frames, against their pictures."""
    for frame in (1, 2, 3):
        found = oiio.ImageBuf(str(folder / f"sum_{frame:04d}.exr")).get_pixels(oiio.FLOAT)[..., :3]
        wanted = 2.0 * oiio.ImageBuf(str(folder / f"plate_{frame:04d}.exr")).get_pixels(oiio.FLOAT)[..., :3]
        assert np.abs(found - wanted).max() / max(1.0, wanted.max()) <= LIMIT
