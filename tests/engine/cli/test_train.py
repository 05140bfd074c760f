from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict

import numpy as np
import pytest
import torch
from PIL import Image

from fscs_engine.cli.train import plot_curves
from fscs_engine.host.parameters import MAXIMUM_COLORS
from fscs_engine.networks.weights import load_weights
from fscs_engine.training.any_palette import AnyPaletteLosses

pytestmark = pytest.mark.slow

ANY = ["--steps", "20", "--batch", "2", "--crop", "32", "--seed", "5", "--threads", "1"]
SMALL = [
    "--model",
    "paper",
    "--steps",
    "20",
    "--batch",
    "2",
    "--crop",
    "16",
    "-k",
    "2",
    "--seed",
    "5",
    "--threads",
    "1",
]


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


@pytest.mark.parametrize(
    ("flags", "architecture"),
    [(SMALL, "paper"), (ANY, "any-palette"), (["--model", "any-palette", *ANY], "any-palette")],
)
def test_trains_weights_that_segment_can_use(fscs, photographs, photo, tmp_path, flags, architecture):
    run = tmp_path / "run"
    finished = fscs("train", photographs, "--run", run, *flags, "--json")
    assert finished.code == 0, finished.err
    result = finished.json
    assert result["steps"] == 20
    assert str(run / "weights.safetensors") in result["outputs"]
    with (run / "losses.csv").open(newline="") as opened:
        assert [row["step"] for row in csv.DictReader(opened)] == ["10", "20"]
    assert load_weights(run / "weights.safetensors").metadata["architecture"] == architecture
    used = fscs(
        "segment", photo, "-k", 2, "--model", run / "weights.safetensors", "-o", tmp_path / "o.exr", "--json"
    ).json
    assert used["weights_sha256"] == result["weights_sha256"]


def test_without_scikit_learn_the_cure_is_said(fscs, photographs, tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.startswith(("sklearn", "fscs_engine.training"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sklearn", None)
    finished = fscs("train", photographs, "--run", tmp_path / "run", *SMALL)
    assert finished.code == 2
    assert 'pip install "fscs-engine[train]"' in finished.err
    assert not (tmp_path / "run" / "weights.safetensors").exists()


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


@pytest.mark.parametrize("loss", asdict(AnyPaletteLosses()))
def test_every_loss_of_the_any_palette_model_is_a_flag_that_counts(fscs, photographs, tmp_path, loss):
    run = ["--run", tmp_path / "run", "--steps", "1", "--batch", "2", "--crop", "32", "--threads", "1"]
    assert fscs("train", photographs, *run, f"--loss-{loss.replace('_', '-')}", "0").code == 0
    training = json.loads(load_weights(tmp_path / "run" / "weights.safetensors").metadata["training"])
    assert training["losses"] == {**asdict(AnyPaletteLosses()), loss: 0.0}


@pytest.mark.parametrize(
    ("model", "flags"),
    [
        ("any-palette", ["--colors", "7"]),
        ("any-palette", ["--no-skip"]),
        ("any-palette", ["--single-network"]),
        ("any-palette", ["--zero-centering", "none"]),
        ("any-palette", ["--freeze-batch-norm", "--from", "any-palette"]),
        ("any-palette", ["--distance-form", "norm"]),
        ("any-palette", ["--loss-reconstruction", "0"]),
        ("any-palette", ["--loss-centering", "0"]),
        ("paper", ["--loss-layer-distance", "0"]),
        ("paper", ["--loss-visible", "0"]),
        ("paper", ["--loss-flat", "1"]),
        ("paper", ["--loss-absent", "1"]),
        ("paper", ["--loss-steady", "1"]),
        ("paper", ["--loss-truth", "1"]),
    ],
)
def test_a_flag_that_is_not_for_the_model_is_named(fscs, photographs, tmp_path, model, flags):
    run = tmp_path / "run"
    finished = fscs("train", photographs, "--run", run, "--model", model, *flags)
    finished.failed_with(2, f"{flags[0]} is not for the model '{model}'")
    assert not run.exists()
    if model == "any-palette":
        fscs("train", photographs, "--run", run, *flags).failed_with(2, flags[0])


def test_frozen_batch_norm_keeps_the_statistics_it_starts_from(fscs, photographs, tmp_path):
    command = ["train", photographs, *SMALL, "--steps", "2", "--json"]
    assert fscs(*command, "--run", tmp_path / "first").code == 0
    start = tmp_path / "first" / "weights.safetensors"
    kept = {}
    for name, more in (("frozen", ["--freeze-batch-norm"]), ("free", [])):
        finished = fscs(*command, "--run", tmp_path / name, "--from", start, *more)
        assert finished.code == 0, finished.err
        trained = load_weights(tmp_path / name / "weights.safetensors")
        assert json.loads(trained.metadata["training"])["freeze_batch_norm"] == (name == "frozen")
        kept[name] = {
            key: torch.equal(tensor, trained.tensors[key]) for key, tensor in load_weights(start).tensors.items()
        }
    statistics = {key for key in kept["free"] if "running_" in key}
    assert len(statistics) == 2 * 7 * 2  # mean and variance, layers, networks
    assert {key for key, same in kept["frozen"].items() if same} == statistics
    assert not any(kept["free"].values())


def test_frozen_batch_norm_needs_weights_to_start_from(fscs, photographs, tmp_path):
    finished = fscs("train", photographs, *SMALL, "--run", tmp_path / "run", "--freeze-batch-norm")
    finished.failed_with(2, "--freeze-batch-norm without --from")
    assert not (tmp_path / "run").exists()


def test_the_any_palette_model_starts_from_itself_only(fscs, photographs, tmp_path):
    run = ["--run", tmp_path / "run", "--steps", "1", "--batch", "2", "--crop", "32", "--threads", "1", "--json"]
    assert fscs("train", photographs, *run, "--from", "any-palette").code == 0
    assert load_weights(tmp_path / "run" / "weights.safetensors").metadata["architecture"] == "any-palette"
    other = ["--run", tmp_path / "other", "--steps", "1", "--crop", "32"]
    fscs("train", photographs, *other, "--from", "paper").failed_with(2, "paper", "--model")


def test_what_can_not_be_done(fscs, photographs, tmp_path):
    run = ["--run", tmp_path / "run"]
    fscs("train", tmp_path / "no", *run).failed_with(2, "no is not a folder")
    fscs("train", photographs).failed_with(2, "--run")
    fscs("train", photographs, *run, "-o", "o.pth").failed_with(2, "o.pth")
    fscs("train", photographs, *run, "--zero-centering", "maybe").failed_with(2, "--zero-centering")
    fscs("train", photographs, *run, "--steps", "0").failed_with(2, "steps")
    fscs("train", photographs, *run, "--model", "other").failed_with(2, "--model")
    fscs("train", photographs, *run, "--model", "paper", "-k", MAXIMUM_COLORS + 1).failed_with(2, "--colors")
    (tmp_path / "empty").mkdir()
    fscs("train", tmp_path / "empty", *run, *SMALL).failed_with(2, "empty")


def test_curves_as_a_picture(tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib comes with the extra 'train'")
    table = tmp_path / "losses.csv"
    table.write_text("step,seconds,total,sparsity\n10,1.0,0.5,0.0\n20,2.0,0.25,0.0\n")
    assert plot_curves(table, tmp_path / "losses.png")
    with Image.open(tmp_path / "losses.png") as picture:
        assert picture.size == (1200, 240)
        drawn = (np.asarray(picture.convert("RGB")) == (31, 119, 180)).all(axis=2)  # Matplotlib's first color
        assert drawn[:, :600].any()
    table.write_text("step,seconds,total\n10,1.0,nan\n20,2.0,nan\n")
    assert plot_curves(table, tmp_path / "losses.png")


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_ctrl_c_keeps_what_was_done(photographs, tmp_path, hear_ctrl_c):
    run = tmp_path / "run"
    command = [sys.executable, "-m", "fscs_engine", "train", str(photographs), "--run", str(run), *SMALL]
    process = subprocess.Popen(
        [*command, "--steps", "100000"],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_ctrl_c,
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
    assert sorted(path.name for path in run.iterdir()) == ["checkpoint.pt", "losses.csv", "training.lock"]
