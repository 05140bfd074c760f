"""The examples of docs/python.md, run as they stand there."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from fscs_engine import Image, __all__
from fscs_engine.files.exr import write_exr

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    """A plate and a shot of a hundred frames, 16 × 12."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plates").mkdir()
    pixels = np.random.default_rng(1).random((12, 16, 3)).astype(np.float32)
    for name in ("plate.exr", *(f"plates/shot.{number}.exr" for number in range(1001, 1101))):
        write_exr(name, Image.from_pixels(pixels, "lin_rec709"))
    return tmp_path


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_examples_run(pictures, capsys, number):
    exec(compile(BLOCKS[number], "docs/python.md", "exec"), {})
    shown = capsys.readouterr().out
    if "segment_sequence(" in BLOCKS[number]:
        assert len(list((pictures / "layers").glob("shot.*.exr"))) == 100
        assert "1100" in shown


def test_every_public_name_is_in_the_table():
    table = TEXT[TEXT.index("## Names") :]
    assert [name for name in __all__ if f"`{name}`" not in table] == ["__version__"]
