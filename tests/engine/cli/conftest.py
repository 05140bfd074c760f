"""Runs the command line inside the test's process, on a small part of the example photograph."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from fscs_engine.cli.app import main

ROOT = Path(__file__).resolve().parents[3]
PROGRESS = re.compile(r"(: \d+%(, about .* left)?| \.\.\.)$")
EXAMPLE = ROOT / "examples" / "coffee.png"


@dataclass(frozen=True)
class Finished:
    """How a run of ``fscs`` ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON object on stdout."""
        return json.loads(self.out)

    def failed_with(self, code: int, *parts: str) -> None:
        """Checks that it failed as every error must: this code, nothing on stdout, one line that holds ``parts``."""
        assert self.code == code, self
        assert self.out == ""
        lines = [line for line in self.err.splitlines() if not PROGRESS.search(line)]
        assert len(lines) == 1, self.err
        assert lines[0].startswith("fscs: ")
        assert "Traceback" not in self.err
        for part in parts:
            assert part in lines[0]


Fscs = Callable[..., Finished]


@pytest.fixture
def fscs(capsys: pytest.CaptureFixture[str]) -> Fscs:
    """``fscs("segment", path, "-o", path)`` → how it ended."""

    def run(*arguments: object) -> Finished:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return Finished(code, out, err)

    return run


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """56 × 40 pixels of the example photograph as 8-bit PNG, in a folder whose name has a blank and an accent."""
    folder = tmp_path / "plate é"
    folder.mkdir()
    file = folder / "cup.png"
    with Image.open(EXAMPLE) as opened:
        opened.crop((150, 100, 206, 140)).save(file)
    return file
