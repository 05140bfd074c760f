"""Texts that users read in the program: one spelling, the words of the field, tooltips that begin with a verb."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from fscs_engine.host.edits import EDIT_PARAMETERS
from fscs_engine.host.parameters import PARAMETERS

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted(
    file
    for folder in ("fscs_engine", "blender_addon", "nuke_plugin")
    for file in (ROOT / folder).rglob("*.py")
    if "training" not in file.parts
)
BRITISH = re.compile(r"\b\w*(colour|grey|neighbour|licence|behaviour|normalis|recognis)\w*", re.IGNORECASE)
PRIVATE = re.compile(r"\b(whole path|linked in|make room|anew|mend|knobs stand|said nothing)\b", re.IGNORECASE)
"""Turns of phrase that a reader stumbles over."""


VERBS = {
    *(
        "Add",
        "Allow",
        "Also",
        "Apply",
        "Blur",
        "Brighten",
        "Change",
        "Check",
        "Choose",
        "Compute",
        "Connect",
        "Copy",
        "Create",
        "Delete",
        "Download",
        "Draw",
    ),
    *("Export", "Fill", "Find", "Give"),
    *(
        "Hold",
        "Import",
        "Install",
        "Keep",
        "Load",
        "Mix",
        "Move",
        "Multiply",
        "Name",
        "Open",
        "Pick",
        "Put",
        "Raise",
        "Read",
    ),
    *(
        "Recombine",
        "Recolor",
        "Remove",
        "Rename",
        "Render",
        "Replace",
        "Reset",
        "Run",
        "Save",
        "Say",
        "Set",
        "Share",
        "Show",
        "Skip",
    ),
    *("Smooth", "Split", "Spread", "Stack", "Stop", "Turn", "Use", "Write"),
}


def texts(file: Path) -> Iterator[str]:
    """The strings of a source file that hold words, without its docstrings."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            docstrings.add(id(node.value))  # what stands below a constant and explains it
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or id(node) in docstrings:
            continue
        if " " in node.value.strip():
            yield node.value


def begins_with_a_verb(text: str) -> bool:
    """``Sets …`` or ``Set …``."""
    first = text.split()[0].rstrip(".:,;")
    return not VERBS.isdisjoint((first, first.removesuffix("s"), first.removesuffix("es"), re.sub("ies$", "y", first)))


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_texts_are_american_and_plain(file: Path) -> None:
    assert [text for text in texts(file) if BRITISH.search(text) or PRIVATE.search(text)] == []


@pytest.mark.parametrize("parameter", PARAMETERS + EDIT_PARAMETERS, ids=lambda parameter: parameter.name)
def test_tooltips_of_parameters_begin_with_a_verb(parameter) -> None:
    assert begins_with_a_verb(parameter.tooltip)
    if parameter.kind in ("int", "float"):
        assert re.search(r"(Higher|Larger) values|[Vv]alues above", parameter.tooltip), "say what a higher value does"


def test_tooltips_in_blender_begin_with_a_verb() -> None:
    tree = ast.parse((ROOT / "blender_addon" / "strings.py").read_text(encoding="utf-8"))
    pairs = [
        [part.value for part in node.elts if isinstance(part, ast.Constant)]
        for node in ast.walk(tree)
        if isinstance(node, ast.Tuple) and len(node.elts) == 2
    ]
    # Errors are pairs too, but begin with a small letter or have no cure.
    tooltips = [pair[1] for pair in pairs if len(pair) == 2 and pair[0][:1].isupper() and pair[1][:1].isupper()]
    assert len(tooltips) > 30
    assert [tooltip for tooltip in tooltips if not begins_with_a_verb(tooltip)] == []


def test_tooltips_of_the_gizmo_begin_with_a_verb() -> None:
    text = (ROOT / "nuke_plugin" / "SoftColorSegment.gizmo").read_text(encoding="utf-8")
    tooltips = set(re.findall(r' t "((?:[^"\\]|\\.)*)"', text))
    assert len(tooltips) > 40
    assert [tooltip for tooltip in tooltips if not begins_with_a_verb(tooltip)] == []
