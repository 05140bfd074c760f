from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from importlib import metadata

import pytest
import torch

from fscs_engine import __version__
from fscs_engine.networks import shipped
from fscs_engine.networks.shipped import SHIPPED
from fscs_engine.runtime.compiling import FOLDER


def test_json(fscs):
    finished = fscs("doctor", "--json")
    assert finished.code == 0, finished.err
    found = finished.json
    assert found["version"] == __version__
    assert found["python"] == platform.python_version()
    assert found["packages"]["torch"] == metadata.version("torch")
    assert found["threads"] == torch.get_num_threads()
    assert "cpu" in [device["device"] for device in found["devices"]]
    assert [(model["name"], model["ok"]) for model in found["models"]] == [(name, True) for name in SHIPPED]
    assert found["ocio"]["color_spaces"] > 3
    assert found["problems"] == []


def test_in_words(fscs):
    finished = fscs("doctor")
    assert finished.code == 0
    models = [f"model {name}: good" for name in SHIPPED]
    for word in ("Python", "torch", "device cpu", "threads", *models, "OpenColorIO", "everything works"):
        assert word in finished.out


def test_damaged_weights_are_found(fscs, monkeypatch, tmp_path):
    (tmp_path / "paper.safetensors").write_bytes(b"damaged")
    for name in SHIPPED.keys() - {"paper"}:
        shutil.copy(shipped.FOLDER / SHIPPED[name].file, tmp_path)
    monkeypatch.setattr(shipped, "FOLDER", tmp_path)
    finished = fscs("doctor", "--json")
    assert finished.code == 2
    assert {model["name"]: model["ok"] for model in finished.json["models"]} == {
        name: name != "paper" for name in SHIPPED
    }
    assert "model paper: sha256" in finished.json["problems"][0]
    assert finished.err.startswith("fscs: found wrong: model paper")


def test_missing_weights_are_found(fscs, monkeypatch, tmp_path):
    monkeypatch.setattr(shipped, "FOLDER", tmp_path)
    finished = fscs("doctor")
    assert finished.code == 2
    for model in SHIPPED.values():
        assert f"{model.file} is missing" in finished.out


def test_a_broken_config_is_found(fscs, tmp_path):
    (tmp_path / "broken.ocio").write_text("no config\n")
    finished = fscs("doctor", "--ocio", tmp_path / "broken.ocio", "--json")
    assert finished.code == 2
    assert "broken.ocio" in finished.json["problems"][0]


@pytest.mark.slow
def test_loops_are_compiled_before_the_first_image(tmp_path):
    """In a process of its own: what is compiled is looked for once in a process."""
    # Without the processor's features nothing that is kept elsewhere fits.
    environment = {**os.environ, FOLDER: str(tmp_path / "kept"), "NUMBA_CPU_FEATURES": ""}

    def left(*arguments):
        command = [sys.executable, "-m", "fscs_engine", "doctor", "--json", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return json.loads(done.stdout)["loops"]["to_compile"], done.stderr

    before, _ = left()
    assert before > 10
    after, said = left("--warm")
    assert after == 0
    assert "fscs: compiling for this machine (once)\n" in said
    after, said = left()
    assert after == 0
    assert "compiling" not in said
    assert len(list((tmp_path / "kept").glob("*.loop"))) == before
