from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fscs_engine.host import install

sys.path.insert(0, str(Path(__file__).parent))  # tests import studio.py

VERSION = "0.1.0"
DOCTOR = {
    "version": VERSION,
    "python": "3.11",
    "packages": {"torch": "9.9"},
    "devices": [{"device": "cpu", "name": ""}],
    "problems": [],
}


@pytest.fixture
def plan(write_wheel: Callable[..., Path], tmp_path: Path) -> Callable[..., install.Plan]:
    """Makes plans that install a small engine, whose doctor runs the given source, from a folder of wheels."""

    def made(
        doctor: str = f"print({json.dumps(DOCTOR)!r})", requires: str = "torch", **changed: object
    ) -> install.Plan:
        source = tmp_path / "wheels"
        write_wheel(source, "torch", "9.9", {"torch.py": ""})
        write_wheel(source, "torch", "10.0", {"torch.py": ""})
        files = {"fscs_engine/__init__.py": "", "fscs_engine/__main__.py": doctor}
        without_pip_settings = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
        constraints = tmp_path / "constraints.txt"
        constraints.write_text("torch==9.9\n", encoding="utf-8")
        values = {
            "wheel": write_wheel(tmp_path / "carried", "fscs_engine", VERSION, files, requires),
            "constraints": constraints,
            "version": VERSION,
            "folder": tmp_path / "data with blanks and é",
            "pythons": (sys.executable,),
            "source": str(source),
            "environment": {**without_pip_settings, "PIP_CONFIG_FILE": os.devnull},
        }
        return install.Plan(**{**values, **changed})

    return made
