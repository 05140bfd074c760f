"""``fscs segment`` and ``fscs palette`` of shots; what becomes of the frames is tested in ``test_sequence.py``."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fscs_engine.files.exr import read_layers

ROOT = Path(__file__).resolve().parents[3]
FRAMES = range(11, 16)


@pytest.fixture
def shot(photo):
    """Five frames of the photograph with fresh grain, 56 × 40."""
    with Image.open(photo) as opened:
        pixels = np.asarray(opened.convert("RGB"), dtype=np.int16)
    for number in FRAMES:
        grain = np.random.default_rng(number).integers(-2, 3, pixels.shape)
        Image.fromarray(np.clip(pixels + grain, 0, 255).astype(np.uint8)).save(photo.with_name(f"p_{number:04d}.png"))
    photo.unlink()
    return photo.with_name("p_%04d.png")


def test_a_shot_in_words(fscs, shot, tmp_path):
    finished = fscs("segment", shot, "-k", 3, "-o", tmp_path / "new" / "l.####.exr")
    assert finished.code == 0, finished.err
    assert "done: 5 (11-15)" in finished.out
    assert f"the palette is in {tmp_path / 'new' / 'l.palette.json'}" in finished.out
    assert "frames/s" in finished.out
    again = fscs("segment", shot, "-k", 3, "-o", tmp_path / "new" / "l.####.exr", "--resume")
    assert "skipped: 5 (11-15)" in again.out


def test_a_gap_is_not_closed_by_a_movie(fscs, shot, tmp_path):
    shot.with_name("p_0013.png").unlink()
    movie = ("segment", shot, "-k", 2, "--layer-format", "mkv", "-o", f"{tmp_path / 'movies'}/")
    fscs(*movie).failed_with(2, "a movie has no missing frames, and 13", "--frames")
    assert not (tmp_path / "movies").exists()
    assert fscs(*movie, "--frames", "14-15").code == 0


def test_json_of_a_shot(fscs, shot, tmp_path):
    result = fscs("segment", shot, "-k", 3, "-o", tmp_path / "l.####.exr", "--temporal", 0.5, "--json").json
    assert set(result) == {
        "palette",
        "frames",
        "count",
        "gaps",
        "flicker",
        "error_max",
        "seconds",
        "frames_per_second",
        "peak_rss_bytes",
        "model",
        "weights_sha256",
        "temporal",
    }
    assert result["count"] == {"done": 5, "skipped": 0, "missing": 0, "failed": 0, "pending": 0}
    assert [frame["frame"] for frame in result["frames"]] == list(FRAMES)
    assert result["frames"][0]["outputs"] == [str(tmp_path / "l.0011.exr")]
    stored = read_layers(tmp_path / "l.0011.exr").metadata["softcolor:key"]
    assert result["frames"][0]["keys"] == [stored]
    assert 0 < result["flicker"] < 1
    assert result["error_max"] <= 1e-6
    assert result["temporal"] == 0.5


def test_a_dry_run_writes_nothing(fscs, shot, tmp_path):
    out = tmp_path / "l.####.exr"
    assert fscs("segment", shot, "-k", 3, "-o", out, "--frames", "12-13").code == 0
    before = sorted(tmp_path.iterdir())
    finished = fscs(
        "segment", shot, "-k", 3, "-o", out, "--dry-run", "--resume", "--frames", "11-16", "--missing", "skip"
    )
    assert finished.code == 3
    assert [line.split()[1] for line in finished.out.splitlines()] == [
        "would",
        "up",
        "up",
        "would",
        "would",
        "missing:",
    ]
    assert sorted(tmp_path.iterdir()) == before


def test_missing_frames(fscs, shot, tmp_path):
    out = tmp_path / "l.####.exr"
    fscs("segment", shot, "-k", 3, "-o", out, "--frames", "14-17").failed_with(2, "frames 16-17 are missing", "skip")
    finished = fscs("segment", shot, "-k", 3, "-o", out, "--frames", "14-17", "--missing", "skip")
    assert finished.code == 3
    assert "missing: 2 (16-17)" in finished.out
    fscs("segment", shot, "-k", 3, "-o", out, "--frames", "90", "--missing", "skip").failed_with(2, "is missing")


@pytest.mark.parametrize(
    ("flags", "parts"),
    [
        (["--frames", "x"], ["--frames 'x'"]),
        (["--missing", "maybe"], ["--missing", "error or skip"]),
        (["--jobs", "0"], ["--jobs"]),
        (["--temporal", "2"], ["--temporal", "0 to 1"]),
        (["--views", "left"], ["--views without %V"]),
        (["--json", "--progress", "openjd"], ["both print on stdout"]),
        (["--layer-gain", "9=2"], ["layer 9"]),
    ],
)
def test_flags_that_can_not_be(fscs, shot, tmp_path, flags, parts):
    fscs("segment", shot, "-k", 3, "-o", tmp_path / "l.####.exr", *flags).failed_with(2, *parts)
    assert not list(tmp_path.glob("l.*.exr"))


@pytest.mark.parametrize("flag", [["--frames", "1-3"], ["--resume"], ["--dry-run"], ["--views", "left"]])
def test_flags_of_shots_are_refused_for_one_picture(fscs, photo, tmp_path, flag):
    fscs("segment", photo, "-o", tmp_path / "o.exr", *flag).failed_with(2, flag[0], "one image")


def test_a_palette_of_a_shot(fscs, shot, tmp_path):
    found = fscs("palette", shot, "-k", 3, "--json").json["palette"]
    assert fscs("segment", shot, "-k", 3, "-o", tmp_path / "l.####.exr", "--json").json["palette"] == found
    part = fscs("palette", shot, "-k", 3, "--frames", "11-12", "-o", tmp_path / "new" / "p.json")
    assert part.code == 0
    assert (tmp_path / "new" / "p.json").is_file()
    fscs("palette", shot, "--frames", "99").failed_with(2, "is missing")


def test_progress_for_open_job_description(fscs, shot, tmp_path):
    finished = fscs("segment", shot, "-k", 3, "-o", tmp_path / "l.####.exr", "--progress", "openjd")
    lines = [line for line in finished.out.splitlines() if line.startswith("openjd_")]
    assert "openjd_progress: 100.0" in lines
    assert any(line.startswith("openjd_status: segmenting, ") for line in lines)
    assert finished.err == ""
    quiet = fscs("segment", shot, "-k", 3, "-o", tmp_path / "m.####.exr", "--progress", "none")
    assert quiet.err == ""


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("moment", ["starting", "writing"])
@pytest.mark.parametrize("everyone", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_sigterm_ends_at_once_and_leaves_nothing_half(tmp_path, moment, everyone):
    """Farms tell the first process of a job, or all of them."""
    for number in FRAMES:
        Image.effect_noise((700, 700), 90).convert("RGB").save(tmp_path / f"p_{number:04d}.png")
    out = tmp_path / "out" / "l.####.exr"
    command = [sys.executable, "-m", "fscs_engine", "segment", str(tmp_path / "p_%04d.png"), "-k", "3", "-o", str(out)]
    process = subprocess.Popen(
        [*command, "--jobs", "2"], cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, process_group=0
    )
    sign = {"starting": out.parent.name, "writing": f"{out.parent.name}/*.partial*"}[moment]
    while not any(tmp_path.glob(sign)):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.002)
    (os.killpg if everyone else os.kill)(process.pid, signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert said.splitlines()[-1].startswith("fscs: cancelled")
    assert "Traceback" not in said
    for file in out.parent.iterdir():
        assert file.name == "l.palette.json" or len(read_layers(file).layers) == 3


def test_a_warning_of_every_frame_is_one_line(fscs, shot, tmp_path):
    for number in FRAMES:
        file = shot.with_name(f"p_{number:04d}.png")
        with Image.open(file) as opened:
            opened.load()
        opened.save(file, icc_profile=b"x" * 300)
    finished = fscs("segment", shot, "-k", 3, "-o", tmp_path / "l.####.exr", "--json")
    (line,) = (line for line in finished.err.splitlines() if "warning" in line)
    assert line.endswith("p_0011.png (and 4 more): its ICC profile can't be used: it is damaged")
    assert all(row["input"]["warnings"] for row in finished.json["frames"])


def test_a_shot_is_resumed_by_how_its_frames_are_read(fscs, shot, tmp_path):
    command = ("segment", shot, "--palette", "#202020,#c04020,#e0e0e0", "-o", tmp_path / "l.####.exr", "--json")
    assert fscs(*command, "--input-space", "acescg").json["count"]["done"] == 5
    assert fscs(*command, "--input-space", "ACEScg", "--resume").json["count"]["skipped"] == 5
    assert fscs(*command, "--resume").json["count"]["done"] == 5
