from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from PIL import Image

from fscs_engine.cli.train import plot_curves

SMALL = ["--steps", "20", "--batch", "2", "--crop", "16", "-k", "2", "--seed", "5", "--threads", "1"]


@pytest.fixture(autouse=True)
def same_threads_afterwards():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def photographs(photo, tmp_path):
    folder = tmp_path / "photographs"
    folder.mkdir()
    with Image.open(photo) as opened:
        for number in range(3):
            opened.rotate(90 * number, expand=True).resize((160, 120)).save(folder / f"{number}.png")
            opened.rotate(90 * number, expand=True).resize((160, 120)).save(folder / f"{number}.jpg")
    return folder


def test_trains_weights_that_segment_can_use(fscs, photographs, photo, tmp_path):
    run = tmp_path / "run"
    finished = fscs("train", photographs, "--run", run, *SMALL, "--json")
    assert finished.code == 0, finished.err
    result = finished.json
    assert result["steps"] == 20
    assert str(run / "weights.safetensors") in result["outputs"]
    with (run / "losses.csv").open(newline="") as opened:
        assert [row["step"] for row in csv.DictReader(opened)] == ["10", "20"]
    used = fscs(
        "segment", photo, "-k", 2, "--model", run / "weights.safetensors", "-o", tmp_path / "o.exr", "--json"
    ).json
    assert used["weights_sha256"] == result["weights_sha256"]


def test_without_matplotlib_the_cure_is_said_once(fscs, photographs, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    finished = fscs("train", photographs, "--run", tmp_path / "run", *SMALL, "--steps", "2", "--json")
    assert finished.code == 0, finished.err
    (line,) = [line for line in finished.err.splitlines() if "matplotlib" in line]
    assert line.endswith("pip install fscs-engine[train]")
    assert not any(path.endswith(".png") for path in finished.json["outputs"])


def test_a_finished_run_stays_what_it_is(fscs, photographs, tmp_path):
    whole = fscs("train", photographs, "--run", tmp_path / "a", *SMALL, "--json").json
    again = fscs("train", photographs, "--run", tmp_path / "a", *SMALL, "--json").json
    assert again["weights_sha256"] == whole["weights_sha256"]
    assert fscs("train", photographs, "--run", tmp_path / "a", *SMALL, "--seed", 6).code == 2


@pytest.mark.parametrize(
    "more",
    [
        ["--no-skip"],
        ["--single-network"],
        ["--zero-centering", "none"],
        ["--zero-centering", "image-mean"],
        ["--loss-reconstruction", "0"],
        ["--loss-alpha", "0"],
        ["--loss-distance", "0"],
        ["--distance-form", "norm"],
    ],
)
def test_every_ablation_is_a_flag_that_counts(fscs, photographs, tmp_path, more):
    command = ["train", photographs, *SMALL, "--json", "--steps", "2"]
    plain = fscs(*command, "--run", tmp_path / "plain").json
    other = fscs(*command, "--run", tmp_path / "other", *more).json
    assert other["weights_sha256"] != plain["weights_sha256"]


def test_what_can_not_be_done(fscs, photographs, tmp_path):
    run = ["--run", tmp_path / "run"]
    fscs("train", tmp_path / "no", *run).failed_with(2, "no is not a folder")
    fscs("train", photographs).failed_with(2, "--run")
    fscs("train", photographs, *run, "-o", "o.pth").failed_with(2, "o.pth")
    fscs("train", photographs, *run, "--zero-centering", "maybe").failed_with(2, "--zero-centering")
    fscs("train", photographs, *run, "--steps", "0").failed_with(2, "steps")
    (tmp_path / "empty").mkdir()
    fscs("train", tmp_path / "empty", *run, *SMALL).failed_with(2, "empty")


def test_curves_as_a_picture(tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib comes with the extra 'train'")
    table = tmp_path / "losses.csv"
    table.write_text("step,seconds,total,sparsity\n10,1.0,0.5,0.0\n20,2.0,0.25,0.0\n")
    assert plot_curves(table, tmp_path / "losses.png")
    with Image.open(tmp_path / "losses.png") as picture:
        assert picture.size == (1080, 600)


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_ctrl_c_keeps_what_was_done(photographs, tmp_path):
    run = tmp_path / "run"
    command = [sys.executable, "-m", "fscs_engine", "train", str(photographs), "--run", str(run), *SMALL]
    process = subprocess.Popen(
        [*command, "--steps", "100000"],
        stderr=subprocess.PIPE,
        text=True,
        # A shell that starts its jobs in the background lets them ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    with process:
        give_up = time.monotonic() + 60
        while not (run / "losses.csv").exists() or "\n10," not in (run / "losses.csv").read_text():
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < give_up
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert str(run) in err.splitlines()[-1]
    assert sorted(path.name for path in run.iterdir()) == ["checkpoint.pt", "losses.csv"]
