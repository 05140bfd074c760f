from __future__ import annotations

import json
import os

import pytest

from fscs_engine import presets
from fscs_engine.host.preset_list import read_presets, save_preset
from fscs_engine.host.protocol import WorkerError


def test_presets_are_those_of_the_command_line(engine_python, tmp_path, monkeypatch):
    monkeypatch.setenv("FSCS_PRESETS", str(tmp_path))
    assert read_presets(engine_python) == []
    preset = presets.Preset("warm", {"smoothing": 4, "colors": 5}, {"layer_gain": {2: 1.5}})
    presets.save_preset(preset)
    (tmp_path / "broken.toml").write_text("colors = many")
    (found,) = read_presets(engine_python)
    assert found["name"] == "warm"
    assert found["values"] == {"smoothing": 4, "colors": 5}
    assert found["layers"] == {"layer_gain": {"2": 1.5}}
    json.dumps(found)


@pytest.mark.skipif(os.name != "posix", reason="the engine is a script of a shell")
@pytest.mark.parametrize("answer", ["", "[]", "{}", '{"presets": 1}', '{"presets": ["warm"]}'])
def test_another_answer_is_said(tmp_path, answer):
    engine = tmp_path / "python"
    engine.write_text(f"#!/bin/sh\necho '{answer}'\n")
    engine.chmod(0o755)
    with pytest.raises(WorkerError, match="could not name its presets"):
        read_presets(engine)


def test_what_is_no_engine_is_said(tmp_path):
    with pytest.raises(WorkerError, match="could not name its presets"):
        read_presets(tmp_path / "nowhere")


def test_saved_and_read_again(engine_python, tmp_path, monkeypatch):
    monkeypatch.setenv("FSCS_PRESETS", str(tmp_path))
    values, layers = {"colors": 5, "softness": 0.25, "palette_method": "salient"}, {"layer_gain": {2: 1.5, 3: 0.5}}
    assert save_preset(engine_python, "warm", values, layers) == str(tmp_path / "warm.toml")
    (found,) = read_presets(engine_python)
    assert (found["values"], found["layers"]) == (values, {"layer_gain": {"2": 1.5, "3": 0.5}})
    with pytest.raises(WorkerError, match="exists already") as caught:
        save_preset(engine_python, "warm", {"colors": 3}, {})
    assert (caught.value.code, "choose another name" in caught.value.cure) == ("usage", True)
    save_preset(engine_python, "warm", {"colors": 3}, {}, overwrite=True)
    assert read_presets(engine_python)[0]["values"] == {"colors": 3}
    with pytest.raises(WorkerError) as caught:
        save_preset(engine_python, "--help", {"colors": 3}, {})
    assert caught.value.code == "usage"
    with pytest.raises(WorkerError, match="could not save"):
        save_preset(tmp_path / "nowhere", "warm", {"colors": 3}, {})
