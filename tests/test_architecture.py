"""What ARCHITECTURE.md promises of the source: imports go one way, hosts' files are light, documents stand alone."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "fscs_engine"
FILES = sorted((ROOT / PACKAGE).rglob("*.py"))

HOST = "host."
"""The folder that hosts have a copy of: its files import nothing but each other and the standard library."""

STUBS = ("blender/stubs/blender_addon/fscs", "nuke/stubs/softcolor_nuke/fscs")
"""Folders of the tests that stand for the copies."""

NEWER_THAN_39 = {"annotationlib", "compression", "tomllib"}
"""Modules of the standard library that Python 3.9 does not have."""

IMPORT_SECONDS = 0.1
"""CPU time that ``import fscs_engine`` may take; it needs a small part of it."""

SHAPELESS = {"util", "utils", "common", "helper", "helpers", "misc", "tools"}

# A document holds on every computer, and is finished.
FORBIDDEN = re.compile(
    r"\b(todo|tbd|fixme|xxx|lorem)\b|/work/|/root/|/home/|/tmp/|\.\./shared|(?<![\w/])shared/", re.IGNORECASE
)
PRIVATE = re.compile(r"/(work|root)/")


def module_of(file: Path) -> str:
    """``fscs_engine/files/exr.py`` → ``files.exr``; the files ``__init__.py`` keep their names."""
    return ".".join(file.relative_to(ROOT / PACKAGE).with_suffix("").parts)


MODULES = {module_of(file): file for file in FILES}

LIGHT = ("__init__", "_version", "errors", *(module for module in MODULES if module.startswith(HOST)))
"""What loads nothing outside the standard library."""


def unit_of(module: str) -> str:
    """The word in ARCHITECTURE.md that a module belongs to: its folder, or itself."""
    return module.partition(".")[0]


@cache
def tree_of(module: str) -> ast.Module:
    """The parsed source."""
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


def own(name: str) -> str | None:
    """The engine's module of a dotted name that starts with the package, or None for what is none."""
    if name == PACKAGE:
        return "__init__"
    inside = name.removeprefix(PACKAGE + ".")
    return next((module for module in (inside, inside + ".__init__") if module in MODULES), None)


def imported_names(module: str, node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    """Full names of the modules that a statement loads."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
        return
    base = node.module or ""
    if node.level:
        above = [PACKAGE, *module.split(".")][: -node.level]
        base = ".".join([*above, *filter(None, [node.module])])
    for alias in node.names:
        inner = f"{base}.{alias.name}"
        yield inner if base.split(".")[0] == PACKAGE and own(inner) else base


def imports_of(module: str) -> set[str]:
    """All modules that a module imports anywhere, for type checking too."""
    nodes = (node for node in ast.walk(tree_of(module)) if isinstance(node, (ast.Import, ast.ImportFrom)))
    return {name for node in nodes for name in imported_names(module, node)}


def loaded_with(module: str) -> set[str]:
    """The modules that are imported as soon as a module is: what stands in functions and TYPE_CHECKING is left out."""

    def statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
        for node in body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                continue
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
                yield from statements(node.orelse)
                continue
            yield node
            for inner in ("body", "orelse", "finalbody"):
                yield from statements(getattr(node, inner, []))
            for handler in getattr(node, "handlers", []):
                yield from statements(handler.body)

    nodes = (node for node in statements(tree_of(module).body) if isinstance(node, (ast.Import, ast.ImportFrom)))
    return {name for node in nodes for name in imported_names(module, node)}


def edges() -> dict[str, set[str]]:
    """For each module of the engine, those of the engine that it imports."""
    return {module: {o for name in imports_of(module) if (o := _of_engine(name))} - {module} for module in MODULES}


def _of_engine(name: str) -> str | None:
    return own(name) if name.split(".")[0] == PACKAGE else None


@cache
def documented_lines() -> list[list[str]]:
    """The block of ARCHITECTURE.md, line by line, stars included."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    return [line.split() for line in text.split("```imports\n")[1].split("```")[0].splitlines()]


def ranks() -> dict[str, int]:
    """Line of each word of the block, from the top."""
    return {word.rstrip("*"): number for number, line in enumerate(documented_lines()) for word in line}


def measured_lines() -> list[list[str]]:
    """The block as the imports are: each package as low as it can stand, by name within a line."""
    above: dict[str, set[str]] = {unit_of(module): set() for module in MODULES}
    for module, targets in edges().items():
        above[unit_of(module)] |= {unit_of(target) for target in targets} - {unit_of(module)}
    heights: dict[str, int] = {}
    for unit in TopologicalSorter(above).static_order():
        heights[unit] = 1 + max((heights[target] for target in above[unit]), default=-1)
    starred = {unit_of(m) for m in MODULES if any(name.split(".")[0] == "torch" for name in loaded_with(m))}
    return [
        [unit + "*" * (unit in starred) for unit in sorted(above) if heights[unit] == height]
        for height in range(max(heights.values()), -1, -1)
    ]


def write_block() -> None:
    """Writes the block of ARCHITECTURE.md anew."""
    document = ROOT / "ARCHITECTURE.md"
    before, rest = document.read_text(encoding="utf-8").split("```imports\n")
    after = rest.split("```", 1)[1]
    block = "".join("  ".join(line) + "\n" for line in measured_lines())
    document.write_text(f"{before}```imports\n{block}```{after}", encoding="utf-8", newline="\n")


def wanted_stubs() -> dict[str, str]:
    """By the files' names: mypy reads the copies in a host as stubs that pass on what the engine's own files say."""
    names = [module.removeprefix(HOST) for module in MODULES if module.startswith(HOST)]
    stubs = {f"{name}.pyi": f"from {PACKAGE}.{HOST}{name} import *\n" for name in names if name != "__init__"}
    stubs["_version.pyi"] = f"from {PACKAGE}._version import __version__ as __version__\n"
    stubs["__init__.pyi"] = "# What build.py copies here, as the engine has it.\n"
    return stubs


def write_stubs() -> None:
    """Writes the stubs of both hosts anew."""
    for folder in STUBS:
        for name, text in wanted_stubs().items():
            (ROOT / "tests" / folder / name).write_text(text, encoding="utf-8", newline="\n")


def upward(graph: dict[str, set[str]]) -> list[str]:
    """The imports that break the order of the block."""
    order = ranks()
    return [
        f"{module} imports {target}"
        for module, targets in sorted(graph.items())
        for target in sorted(targets)
        if unit_of(module) != unit_of(target) and order.get(unit_of(target), -1) <= order.get(unit_of(module), -1)
    ]


def test_the_block_is_how_imports_are():
    assert documented_lines() == measured_lines(), "run: python tests/test_architecture.py"


def test_imports_go_one_way():
    assert upward(edges()) == []


def test_an_upward_import_would_be_found():
    graph = edges()
    graph["palette.palette"] |= {"segmenter"}
    graph["exact.exact"] |= {"evaluation.metrics"}
    assert upward(graph) == ["exact.exact imports evaluation.metrics", "palette.palette imports segmenter"]


def test_imports_have_no_circle():
    order = list(TopologicalSorter(edges()).static_order())
    assert set(order) == set(MODULES)
    assert order.index("host.protocol") < order.index("worker.server")


def test_only_the_worker_knows_the_worker():
    inside = {module: targets for module, targets in edges().items() if not module.startswith("worker.")}
    assert [module for module, targets in inside.items() if any(t.startswith("worker.") for t in targets)] == []


@pytest.mark.parametrize("module", LIGHT)
def test_light_files_are_python_39_and_standard_library(module):
    source = MODULES[module].read_text(encoding="utf-8")
    tree = ast.parse(source, feature_version=(3, 9))
    future = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
    assert future or not any(isinstance(node, (ast.FunctionDef, ast.ClassDef)) for node in ast.walk(tree))
    outside = {name.split(".")[0] for name in loaded_with(module)} - {PACKAGE}
    assert outside <= sys.stdlib_module_names - NEWER_THAN_39


@pytest.mark.parametrize("module", [module for module in MODULES if module.startswith(HOST)])
def test_host_files_import_only_each_other(module):
    assert {target for target in edges()[module] if not target.startswith(HOST)} == set()
    everything = {name.split(".")[0] for name in imports_of(module)} - {PACKAGE}
    assert everything <= sys.stdlib_module_names - NEWER_THAN_39


@pytest.mark.parametrize("folder", STUBS)
def test_the_stubs_follow_the_copies(folder):
    found = {file.name: file.read_text(encoding="utf-8") for file in (ROOT / "tests" / folder).glob("*.pyi")}
    assert found == wanted_stubs(), "run: python tests/test_architecture.py"


def test_python_39_rule_sees_newer_syntax():
    with pytest.raises(SyntaxError):
        ast.parse("match 1:\n    case _: pass\n", feature_version=(3, 9))


def child(code: str) -> list[object]:
    """What a fresh Python prints as JSON, nothing of this process's coverage or plug-ins in it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert found.returncode == 0, found.stderr
    printed: list[object] = json.loads(found.stdout)
    return printed


NEW_MODULES = "import sys, json; old = set(sys.modules); import {0}; print(json.dumps(sorted(set(sys.modules) - old)))"


def test_importing_the_engine_loads_nothing_but_the_standard_library():
    loaded = {str(name) for name in child(NEW_MODULES.format(PACKAGE))}
    assert PACKAGE in loaded
    assert {name.split(".")[0] for name in loaded} - {PACKAGE} <= sys.stdlib_module_names


@pytest.mark.parametrize("entry", ["fscs_engine.cli.app", "fscs_engine.worker.server", "fscs_engine.host.client"])
def test_entry_points_load_nothing_that_computes(entry):
    loaded = {str(name).split(".")[0] for name in child(NEW_MODULES.format(entry))}
    assert not loaded & {"torch", "numpy", "sklearn", "skimage", "OpenImageIO", "PyOpenColorIO", "PIL"}


def test_importing_the_engine_is_quick():
    code = f"import time, json; t = time.process_time(); import {PACKAGE}; print(json.dumps([time.process_time() - t]))"
    # The best of several: whatever else the computer does only ever makes it slower.
    best = min(float(str(child(code)[0])) for _ in range(5))
    assert 0 < best <= IMPORT_SECONDS


def test_every_lazy_name_of_the_package_is_there():
    names = child(f"import {PACKAGE} as e, json; print(json.dumps([n for n in e.__all__ if hasattr(e, n)]))")
    assert "Segmenter" in names
    assert sorted(map(str, names)) == sorted(_all_of_the_package())


def _all_of_the_package() -> list[str]:
    for node in tree_of("__init__").body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            names: list[str] = ast.literal_eval(node.value)
            return names
    raise LookupError("__all__")


def sources() -> list[Path]:
    """The project's Python files."""
    return [*FILES, *sorted((ROOT / "tests").rglob("*.py")), ROOT / "build.py"]


def documents() -> list[Path]:
    """The project's documents."""
    folders = (ROOT / "examples", ROOT / "docs", ROOT / PACKAGE)
    return sorted([*ROOT.glob("*.md"), *(file for folder in folders for file in folder.rglob("*.md"))])


def test_file_names_say_what_is_in_them():
    assert [str(file) for file in sources() if file.stem.removeprefix("test_") in SHAPELESS] == []


@pytest.mark.parametrize("file", documents(), ids=lambda file: str(file.relative_to(ROOT)))
def test_documents_stand_alone(file):
    found = [match[0] for match in FORBIDDEN.finditer(file.read_text(encoding="utf-8"))]
    assert found == []


def test_sources_name_no_private_place():
    here = Path(__file__).resolve()
    found = [str(file) for file in sources() if file != here and PRIVATE.search(file.read_text(encoding="utf-8"))]
    assert found == []


if __name__ == "__main__":
    write_block()
    write_stubs()
