"""The plug-in in every Python that a Nuke may have inside and that is found here."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from fscs_engine.files.exr import read_layers

HERE = Path(__file__).resolve().parent


@pytest.mark.slow
@pytest.mark.parametrize("version", ["3.9", "3.10", "3.11", "3.12", "3.13"])
def test_the_plug_in_renders(version, host_pythons, package, engine_python, tmp_path):
    if version not in host_pythons:
        pytest.skip(f"no Python {version} here")
    tk = subprocess.run([host_pythons[version], "-I", "-S", "-c", "import tkinter"], capture_output=True, check=False)
    if tk.returncode:
        pytest.skip(f"Python {version} here has no tkinter, with which brackets in Nuke's scripts are worked out")
    run = subprocess.run(
        [
            host_pythons[version],
            "-I",
            "-S",
            "-W",
            "error",
            str(HERE / "nuke_process.py"),
            str(package),
            str(HERE),
            tmp_path,
        ],
        env={**os.environ, "HOME": str(tmp_path / "home"), "FSCS_PYTHON": str(engine_python)},
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout.splitlines()[-1])
    assert found["python"] == version
    assert found["status"][0] == "cached"
    assert "changed" in found["status"][1]
    assert found["batch"] == 0
    assert found["messages"] == []
    assert found["outside"] == [], "not of the standard library"
    assert found["menu"]
    for frame in (1001, 1002):
        layers = read_layers(tmp_path / "Ebène 1" / f"layers.{frame}.exr").layers
        y, x = np.mgrid[0:24, 0:40]
        plate = np.stack([x / 20, y / 24, np.full(x.shape, 0.25 + 0.01 * (frame - 1000)), np.ones(x.shape)], axis=-1)
        assert layers.shape == (3, 24, 40, 4)
        assert np.abs(layers.sum(axis=0) - plate).max() <= 1e-5
