from __future__ import annotations

import platform
import shutil

import torch

from fscs_engine import __version__
from fscs_engine.networks import shipped
from fscs_engine.networks.shipped import SHIPPED


def test_json(fscs):
    finished = fscs("doctor", "--json")
    assert finished.code == 0, finished.err
    found = finished.json
    assert found["version"] == __version__
    assert found["python"] == platform.python_version()
    assert found["packages"]["torch"] == torch.__version__
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
