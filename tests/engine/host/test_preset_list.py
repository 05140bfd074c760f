from __future__ import annotations

import json
import os

import pytest

from fscs_engine import presets
from fscs_engine.host.preset_list import read_presets
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
