"""docs/recoloring.md: its table is that of the program, and its example in Python runs."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from fscs_engine.host.edits import EDIT_PARAMETERS
from fscs_engine.recolor.looks import read_look
from fscs_engine.recolor.material import read_material

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "recoloring.md"
OPEN, CLOSE = "<!-- edits -->", "<!-- /edits -->"


def with_table(text: str) -> str:
    """The page with the table of edits as it must be."""
    rows = ["| Edit | Name | At rest | Range | What it does |", "|---|---|---|---|---|"]
    for parameter in EDIT_PARAMETERS:
        if parameter.per_layer:
            low, high = parameter.minimum, parameter.maximum
            at_rest = "off" if parameter.kind == "bool" else str(parameter.default).removesuffix(".0")
            allowed = {"color": "a color", "bool": "on, off"}.get(parameter.kind, "")
            allowed = allowed or f"{low:g} to {high:g}"
            allowed += ", or three for R, G, B" if parameter.kind == "rgb" else ""
            cells = (parameter.label, f"`{parameter.name}`", at_rest, allowed, parameter.tooltip)
            rows.append("| " + " | ".join(cells) + " |")
    before, rest = text.split(OPEN)
    return f"{before}{OPEN}\n" + "\n".join(rows) + f"\n{CLOSE}{rest.split(CLOSE)[1]}"


def test_the_table_of_edits_is_up_to_date():
    text = PAGE.read_text(encoding="utf-8")
    assert with_table(text) == text, "run `python tests/test_docs_recoloring.py`"


def test_the_examples_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "examples" / "coffee.png", "photo.png")
    said = []
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        exec(compile(block, "docs/recoloring.md", "exec"), {})
        said.append(capsys.readouterr().out)
    assert said == ["(400, 600, 4) True\n", "['shadow', '', '', '']\n"]
    assert read_look("triad.toml").look(read_material(Path("merged.exr")).palette).layers


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"wrote the table of edits in {PAGE}")
