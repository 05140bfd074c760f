"""The add-on's files import each other one way, and at their head."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ADDON = Path(__file__).resolve().parents[2] / "blender_addon"
MODULES = {file.stem: ast.parse(file.read_text(encoding="utf-8")) for file in sorted(ADDON.glob("*.py"))}
BOTTOM = {"strings", "session"}
"""What imports no other file of the add-on."""


def targets(node: ast.AST) -> set[str]:
    """The add-on's files that an import statement names; what is copied from the engine is none of them."""
    if not isinstance(node, ast.ImportFrom) or node.level != 1:
        return set()
    names = {alias.name for alias in node.names} if node.module is None else {node.module.split(".")[0]}
    return names & set(MODULES)


def edges(modules: dict[str, ast.Module]) -> dict[str, set[str]]:
    """For each file, those that it imports, wherever the statement stands."""
    return {name: set().union(*map(targets, ast.walk(tree))) - {name} for name, tree in modules.items()}


def deferred(tree: ast.Module) -> list[int]:
    """The lines of imports that stand inside of something."""
    inside = [node for head in tree.body for node in ast.walk(head) if node is not head]
    return [
        node.lineno for node in inside if isinstance(node, (ast.Import, ast.ImportFrom)) and not _for_types(tree, node)
    ]


def _for_types(tree: ast.Module, node: ast.AST) -> bool:
    blocks = [head for head in tree.body if isinstance(head, ast.If) and ast.unparse(head.test) == "TYPE_CHECKING"]
    return any(node in block.body for block in blocks)


def test_imports_have_no_circle() -> None:
    order = list(TopologicalSorter(edges(MODULES)).static_order())
    assert set(order) == set(MODULES)
    assert order[-1] == "__init__"


def test_a_circle_would_be_found() -> None:
    late = ast.parse("def draw():\n    from .node import all_nodes\n")
    modules = MODULES | {"properties": late}
    with pytest.raises(CycleError):
        list(TopologicalSorter(edges(modules)).static_order())
    assert deferred(late) == [2]


def test_nothing_is_imported_late() -> None:
    assert {name: lines for name, tree in MODULES.items() if (lines := deferred(tree))} == {}


def test_the_bottom_imports_nothing_of_ours() -> None:
    graph = edges(MODULES)
    assert [name for name in BOTTOM if graph[name]] == []
    assert graph["properties"] <= BOTTOM


def test_no_module_has_a_variable_of_its_own() -> None:
    """What changes while Blender runs is in the session."""
    found = [name for name, tree in MODULES.items() if any(isinstance(node, ast.Global) for node in ast.walk(tree))]
    assert found == []


def test_errors_have_their_words_in_one_place() -> None:
    """No file but strings.py writes out what an artist reads when something fails."""
    literal = [
        f"{name}:{node.lineno}"
        for name, tree in MODULES.items()
        if name != "strings"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in ("WorkerError", "NoPasses", "self.report", "node.label", "layout.label")
        and any(isinstance(each, ast.JoinedStr) for each in node.args)
    ]
    assert literal == []
