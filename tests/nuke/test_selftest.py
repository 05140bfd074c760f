"""What softcolor_selftest.py would try in a real Nuke, and what docs/nuke_selftest.md says was never tried there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_lists_the_rows_of_the_self_test() -> None:
    source = ast.parse((ROOT / "nuke_plugin" / "softcolor_selftest.py").read_text(encoding="utf-8"))
    (rows,) = (found for found in source.body if isinstance(found, ast.ClassDef) and found.name == "Rows")
    expected = [
        f"- `{row.name}`: {' '.join((ast.get_docstring(row) or '').split())}"
        for row in rows.body
        if isinstance(row, ast.FunctionDef) and not row.name.startswith("_")
    ]
    text = (ROOT / "docs" / "nuke_selftest.md").read_text(encoding="utf-8")
    listed = re.search(r"<!-- never run in Nuke -->\n(.*)\n<!-- /never run in Nuke -->", text, re.DOTALL)
    assert listed is not None
    assert listed[1].splitlines() == expected
    assert len(expected) > 15
