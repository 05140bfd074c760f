"""The examples of docs/scripting.md, run as they stand there."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from fscs_engine import Image, __all__
from fscs_engine.files.exr import write_exr

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "docs" / "scripting.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    """The example photograph, and a plate and a shot of a hundred frames, 16 × 12."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    (tmp_path / "plates").mkdir()
    pixels = np.random.default_rng(1).random((12, 16, 3)).astype(np.float32)
    for name in ("plate.exr", *(f"plates/shot.{number}.exr" for number in range(1001, 1101))):
        write_exr(name, Image.from_pixels(pixels, "lin_rec709"))
    return tmp_path


@pytest.mark.parametrize("number", range(1, len(BLOCKS)))
def test_examples_run(pictures, capsys, number):
    exec(compile(BLOCKS[number], "docs/scripting.md", "exec"), {})
    shown = capsys.readouterr().out
    if "segment_sequence(" in BLOCKS[number]:
        assert len(list((pictures / "layers").glob("shot.*.exr"))) == 100
        assert "1100" in shown


def test_the_first_example_prints_what_it_says(pictures, capsys):
    block = BLOCKS[0]
    assert len([line for line in block.splitlines() if line]) == 8
    exec(compile(block, "docs/scripting.md", "exec"), {})
    shape, error = capsys.readouterr().out.splitlines()
    assert f"# {shape}: layer, row, column" in block
    assert 0 <= float(error) <= 1e-6


def test_every_public_name_is_in_the_table():
    table = TEXT.split("\n### Names\n")[1].split("\n## ")[0]
    assert [name for name in __all__ if f"`{name}`" not in table] == ["__version__"]
