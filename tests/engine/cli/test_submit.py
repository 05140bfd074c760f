"""``fscs submit``, and its bundles run by ``openjd run`` as a farm would."""

from __future__ import annotations

import inspect
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest
from PIL import Image

from fscs_engine.cli import options, segment, submit
from fscs_engine.files.palette_files import write_palette
from fscs_engine.palette.palette import Palette
from fscs_engine.presets import Preset, save_preset

from .conftest import EXAMPLE, ROOT

OPENJD = shutil.which("openjd", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
needs_openjd = pytest.mark.skipif(OPENJD is None, reason="openjd-cli is not installed")

HOSTILE = "s 1 'é \"$HOME `id` {{x}} 影"

STAND_IN = """#!{python}
import json, os, sys, time
with open({log!r}, "a") as log:
    print(json.dumps(sys.argv[1:]), file=log)
print("openjd_progress: 50.0", flush=True)
"""
"""Takes the place of the engine: notes what it was started with."""


@pytest.fixture
def shot(tmp_path):
    """``shot(1001, 1002)`` makes empty frames of these numbers and returns their pattern."""
    folder = tmp_path / HOSTILE
    folder.mkdir()

    def make(*numbers):
        for number in numbers:
            (folder / f"plate.{number:04}.exr").touch()
        return folder / "plate.####.exr"

    return make


def bundle(folder):
    """The template of a bundle and the values of all its parameters."""
    template = json.loads((folder / "template.json").read_text())
    values = {p["name"]: p["default"] for p in template["parameterDefinitions"] if "default" in p}
    return template, values | json.loads((folder / "openjd_parameters.json").read_text())


def arguments(folder, step="Segment"):
    """The arguments of a step, format strings as they are."""
    steps = {step["name"]: step for step in bundle(folder)[0]["steps"]}
    return steps[step]["script"]["actions"]["onRun"]["args"] if step in steps else None


def run_openjd(folder, *more, **options):
    """``openjd run`` on a bundle."""
    command = [OPENJD, "run", folder / "template.json", "-p", f"file://{folder / 'openjd_parameters.json'}", *more]
    found = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False, **options)
    return found.returncode, found.stdout + found.stderr


def program(path, text):
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path


OF_THE_FARM = {"preview", "report", "missing", "resume", "dry_run", "progress_style", "overwrite", "as_json"}
"""Flags of ``fscs segment`` that the farm or the job decides."""


def test_the_lists_of_flags_name_flags_of_segment():
    theirs = set(inspect.signature(segment.segment).parameters)
    lists = (OF_THE_FARM, options.PALETTE_FLAGS, options.PER_LAYER, options.ALPHA_FLAGS, options.MODEL_FLAGS)
    assert {name for names in lists for name in names} - theirs == set()


def test_submit_has_all_other_flags_of_segment():
    ours = inspect.signature(submit.submit).parameters
    look = set(inspect.signature(segment.segment).parameters) - {"inputs", "output", "frames", *OF_THE_FARM}
    assert look <= set(ours)
    assert {"smoothing", "model", "mask"} <= look
    assert not set(ours) & {"preview", "resume", "as_json"}


def test_a_bundle_carries_the_flags_that_were_given(fscs, shot, tmp_path):
    pattern = shot(1001, 1002, 1003)
    (tmp_path / "out").mkdir()
    job = tmp_path / "job"
    finished = fscs(
        *("submit", pattern, "-o", tmp_path / "out" / "l.####.exr", "--openjd", job, "--chunk", 2, "-k", 3),
        *("--half", "--smoothing", 4, "--layer-gain", "2=1.5", "--layer-gain", "3=0.5", "--seed", 0),
    )
    assert finished.code == 0, finished.err
    assert "3 frames in 2 tasks" in finished.out
    assert f"deadline bundle submit {job}" in finished.out
    assert bundle(job)[1] == {
        "InputFolder": str(pattern.parent),
        "InputName": "plate.####.exr",
        "OutputFolder": str(tmp_path / "out"),
        "OutputName": "l.####.exr",
        "Frames": "1001-1003",
        "FramesPerTask": 2,
        "FscsExecutable": "fscs",
        "PaletteFrames": "1001-1003",
        "PaletteName": "l.palette.json",
    }
    given = arguments(job)[arguments(job).index("--progress=openjd") + 1 :]
    assert sorted(given) == ["--half", "--layer-gain=2=1.5", "--layer-gain=3=0.5", "--smoothing=4"]
    assert arguments(job, "Palette")[-2:] == ["--colors=3", "--seed=0"]


def test_segment_takes_what_the_bundle_says(fscs, shot, tmp_path):
    job = tmp_path / "job"
    assert fscs("submit", shot(7), "-o", f"{tmp_path}/out/", "--openjd", job, "--half", "--smoothing", 2).code == 0
    values = bundle(job)[1]
    line = [part.replace("{{Task.Param.Chunk}}", "7") for part in arguments(job)]
    for name, value in values.items():
        line = [part.replace(f"{{{{Param.{name}}}}}", str(value)) for part in line]
    # The plate is empty: that it can't be read is found only after all flags are understood.
    assert "plate" in fscs(*line).err


@pytest.mark.parametrize(
    ("more", "step", "last"),
    [
        (["--palette", "#aabbcc,#112233"], None, "--palette=#aabbcc,#112233"),
        (["--palette", "#aabbcc,#112233", "-k", 2], None, "--palette=#aabbcc,#112233"),
        (["--palette", "#aabbcc,#112233", "-k", 5], ["--colors=5", "--lock=#aabbcc,#112233"], None),
        (["--clean-nonfinite", "--input-layer", "beauty"], ["--input-layer=beauty", "--clean-nonfinite"], None),
    ],
)
def test_the_palette_is_decided_once(fscs, shot, tmp_path, more, step, last):
    job = tmp_path / "job"
    finished = fscs("submit", shot(1, 2), "-o", f"{tmp_path}/out/", "--openjd", job, *more)
    assert finished.code == 0, finished.err
    found = arguments(job, "Palette")
    assert (found[found.index("--progress=openjd") + 1 :] if found else None) == step
    assert (last or "--palette={{Param.OutputFolder}}/{{Param.PaletteName}}") in arguments(job)


def test_a_preset_is_written_out(fscs, shot, tmp_path, monkeypatch):
    monkeypatch.setenv("FSCS_PRESETS", str(tmp_path / "presets"))
    save_preset(Preset("hair", {"smoothing": 4, "colors": 3}, {"layer_gain": {1: 1.5, 2: 0.5}}))
    job = tmp_path / "job"
    line = ["submit", shot(1, 2), "-o", f"{tmp_path}/out/", "--openjd", job, "--preset", "hair"]
    finished = fscs(*line, "--layer-gain", "2=0.25")
    assert finished.code == 0, finished.err
    given = arguments(job)[arguments(job).index("--progress=openjd") + 1 :]
    assert sorted(given) == ["--layer-gain=1=1.5", "--layer-gain=2=0.25", "--smoothing=4"]
    assert arguments(job, "Palette")[-1] == "--colors=3"
    assert not any("hair" in part for part in arguments(job))


def test_files_become_parameters_that_a_farm_can_map(fscs, shot, tmp_path):
    pattern = shot(1, 2)
    write_palette(tmp_path / "p.json", Palette.from_hex("#aabbcc,#112233"))
    mask = tmp_path / "mask.png"
    Image.new("L", (8, 8)).save(mask)
    job = tmp_path / "job"
    finished = fscs(
        *("submit", pattern, "-o", f"{tmp_path}/out/", "--openjd", job, "--palette", tmp_path / "p.json"),
        *("--mask", pattern, "--mask-mode", "limit:1", "--mask", mask, "--mask-mode", "limit:2"),
    )
    assert finished.code == 0, finished.err
    values = bundle(job)[1]
    assert values["PaletteFile"] == str(tmp_path / "p.json")
    assert (values["MaskFolder"], values["MaskName"]) == (str(pattern.parent), pattern.name)
    assert values["Mask2File"] == str(mask)
    assert arguments(job)[-4:] == [
        "--mask={{Param.MaskFolder}}/{{Param.MaskName}}",
        "--mask={{Param.Mask2File}}",
        "--mask-mode=limit:1",
        "--mask-mode=limit:2",
    ]


def test_holes_are_named_or_left_out(fscs, shot, tmp_path):
    pattern = shot(*range(1, 11), *range(13, 21))
    line = ["submit", pattern, "-o", f"{tmp_path}/out/", "--openjd", tmp_path / "job"]
    fscs(*line, "--frames", "1-20").failed_with(2, "11-12", "missing", "--missing skip")
    assert not (tmp_path / "job").exists()
    finished = fscs(*line, "--frames", "10-14x2", "--missing", "skip")
    assert finished.code == 0
    assert bundle(tmp_path / "job")[1]["Frames"] == "10,14"
    finished = fscs(*line, "--overwrite")
    assert "missing, and left out of the job: 11-12" in finished.out
    assert bundle(tmp_path / "job")[1]["Frames"] == "1-10,13-20"
    assert fscs(*line, "--frames", "10-30x4", "--no-check", "--overwrite").code == 0
    assert bundle(tmp_path / "job")[1]["Frames"] == "10-30:4"
    fscs(*line, "--no-check", "--overwrite").failed_with(2, "--frames")


def test_some_frames_again_keep_the_palette_of_the_shot(fscs, shot, tmp_path):
    line = ["submit", shot(*range(1, 21)), "-o", f"{tmp_path}/out/", "--openjd", tmp_path / "job"]
    assert fscs(*line, "--frames", "7,12", "--palette-frames", "1-20").code == 0
    values = bundle(tmp_path / "job")[1]
    assert (values["Frames"], values["PaletteFrames"]) == ("7,12", "1-20")


def test_mistakes_are_found_before_anything_is_written(fscs, shot, tmp_path):
    pattern, job = shot(1, 2), tmp_path / "job"
    out = f"{tmp_path}/out/"
    fscs("submit", pattern, "-o", f"{tmp_path}/l.exr", "--openjd", job).failed_with(2, "layers.####.exr")
    fscs("submit", pattern, "-o", pattern, "--openjd", job).failed_with(2, "is the input")
    fscs("submit", pattern, "-o", out, "--openjd", job, "-k", 99).failed_with(2, "1 to 16")
    fscs("submit", pattern, "-o", out, "--openjd", job, "--chunk", 0).failed_with(2, "--chunk")
    fscs("submit", pattern, "-o", out, "--openjd", job, "--frames", "x").failed_with(2, "--frames")
    fscs("submit", pattern, "-o", out, "--openjd", job, "--smothing", 3).failed_with(2, "--smothing")
    fscs("submit", f"{tmp_path}/none.####.exr", "-o", out, "--openjd", job).failed_with(2, "no such file")
    fscs("submit", f"{tmp_path}/none.mov", "-o", out, "--openjd", job).failed_with(2, "no such file")
    write_palette(tmp_path / "p.json", Palette.from_hex("#aabbcc,#112233"))
    line = ["submit", pattern, "-o", out, "--openjd", job, "--palette", tmp_path / "p.json"]
    fscs(*line, "-k", 4).failed_with(2, "2 of 4 colors", "fscs palette")
    fscs(*line, "-k", 1).failed_with(2, "2 colors")
    assert not job.exists()
    job.mkdir()
    (job / "template.json").touch()
    fscs("submit", pattern, "-o", out, "--openjd", job).failed_with(2, "exists already", "--overwrite")


@needs_openjd
@pytest.mark.skipif(os.name == "nt", reason="the stand-in is a script")
def test_openjd_starts_the_program_with_just_these_arguments(fscs, shot, tmp_path):
    log = tmp_path / "log"
    executable = program(tmp_path / "stand in", STAND_IN.format(python=sys.executable, log=str(log)))
    pattern, job, out = shot(*range(1, 6)), tmp_path / "job", tmp_path / f"out {HOSTILE}"
    out.mkdir()
    finished = fscs(
        *("submit", pattern, "-o", out / "l.####.exr", "--openjd", job, "--chunk", 3),
        *("--executable", executable, "--input-layer", "it's $HOME"),
    )
    assert finished.code == 0, finished.err
    assert "checked by openjd" in finished.out
    code, said = run_openjd(job)
    assert code == 0, said
    assert "50.0" in said
    palette, *tasks = [json.loads(line) for line in log.read_text().splitlines()]
    assert palette[:3] == ["palette", str(pattern), f"--output={out}/l.palette.json"]
    assert palette[-1] == "--input-layer=it's $HOME"
    assert [task[:2] for task in tasks] == [["segment", str(pattern)]] * 2
    assert [task[2] for task in tasks] == [f"--output={out}/l.####.exr"] * 2
    assert [task[3] for task in tasks] == ["--frames=1-3", "--frames=4,5"]
    assert all(task[-1] == "--input-layer=it's $HOME" for task in tasks)


ENGINE = """#!/bin/sh
cd {folder}
exec {python} -c 'import sys; sys.path.insert(0, "."); from fscs_engine.cli.app import run; run()' "$@"
"""
"""The engine of this checkout, as a program."""

KILLED = """#!{python}
import os, pathlib, signal, sys
sys.path.insert(0, {root!r})
replace = pathlib.Path.replace
def replacing(file, target):
    if str(target) == {victim!r} and not os.path.exists({mark!r}):
        open({mark!r}, "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    return replace(file, target)
pathlib.Path.replace = replacing
from fscs_engine.cli.app import run
run()
"""
"""The same, killed once: when the file VICTIM is written but does not have its name yet."""


def plates(folder, numbers, width=64, height=48):
    """A pan over the example photograph, as EXR."""
    folder.mkdir()
    with Image.open(EXAMPLE) as opened:
        picture = np.asarray(opened.convert("RGB"), np.float32) / 255
    for index, number in enumerate(numbers):
        pixels = np.ascontiguousarray(picture[100 : 100 + height, 150 + index : 150 + index + width] ** 2.2)
        buffer = oiio.ImageBuf(oiio.ImageSpec(width, height, 3, oiio.FLOAT))
        buffer.set_pixels(oiio.ROI(), pixels)
        assert buffer.write(str(folder / f"plate.{number:04}.exr"))
    return folder / "plate.####.exr"


def contents(folder):
    """The files of a folder by name, what a killed process left behind not among them."""
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir()) if not file.name.startswith(".")}


@needs_openjd
@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_a_killed_chunk_runs_again_and_gives_the_bytes_of_a_single_run(fscs, tmp_path):
    pattern = plates(tmp_path / HOSTILE, range(1001, 1013))
    single, farm, job = tmp_path / "single", tmp_path / "farm", tmp_path / "job"
    single.mkdir()
    farm.mkdir()
    killed = program(
        tmp_path / "fscs",
        KILLED.format(
            python=sys.executable,
            root=str(ROOT),
            mark=str(tmp_path / "mark"),
            victim=os.path.realpath(farm / "l.1003.exr"),
        ),
    )
    look = ["-k", 3, "--smoothing", 2, "--device", "cpu"]
    line = ["submit", pattern, "-o", farm / "l.####.exr", "--openjd", job, "--chunk", 6, "--executable", killed, *look]
    finished = fscs(*line)
    assert finished.code == 0, finished.err
    code, said = run_openjd(job)
    assert code != 0
    assert (tmp_path / "mark").exists()
    assert sorted(contents(farm)) == [*(f"l.{number}.exr" for number in range(1001, 1003)), "l.palette.json"]
    before = {file: file.stat().st_mtime_ns for file in farm.glob("l.*.exr")}
    code, said = run_openjd(job)
    assert code == 0, said
    assert "openjd_progress: 100.0" in said
    assert {file: file.stat().st_mtime_ns for file in before} == before
    finished = fscs("segment", pattern, "-o", single / "l.####.exr", "--frames", "1001-1012", *look)
    assert finished.code == 0, finished.err
    ours, theirs = contents(farm), contents(single)
    assert sorted(ours) == [*(f"l.{number}.exr" for number in range(1001, 1013)), "l.palette.json"]
    assert ours == theirs


@needs_openjd
@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="SIGTERM")
def test_a_cancelled_job_leaves_only_whole_frames(fscs, tmp_path):
    pattern = plates(tmp_path / "in", range(1, 31))
    out, job = tmp_path / "out", tmp_path / "job"
    out.mkdir()
    engine = program(
        tmp_path / "fscs", ENGINE.format(folder=shlex.quote(str(ROOT)), python=shlex.quote(sys.executable))
    )
    line = ["submit", pattern, "-o", out / "l.####.exr", "--openjd", job, "--chunk", 30, "--palette", "#301008,#f0e0c0"]
    assert fscs(*line, "--executable", engine).code == 0
    command = [OPENJD, "run", job / "template.json", "-p", f"file://{job / 'openjd_parameters.json'}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as running:
        give_up = time.monotonic() + 120
        while not (out / "l.0002.exr").exists() and time.monotonic() < give_up:
            time.sleep(0.01)
        running.send_signal(signal.SIGTERM)
        said, _ = running.communicate(timeout=120)
    assert running.returncode != 0, said
    names = sorted(file.name for file in out.iterdir())
    assert 2 <= len(names) < 30, said
    assert names == [f"l.{number:04}.exr" for number in range(1, len(names) + 1)]
    assert run_openjd(job)[0] == 0
    assert len(list(out.iterdir())) == 30
