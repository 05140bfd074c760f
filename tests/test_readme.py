"""README.md says what the code does: its tables, its example and its flags are held against the program.

Run as a program, this file writes the table of controls anew.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from PIL import Image

from fscs_engine.cli import app
from fscs_engine.host.naming import METADATA_PREFIX, layer_channels
from fscs_engine.host.parameters import PARAMETERS, Parameter, Value
from fscs_engine.palette.palette import Palette

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
DOCUMENTS = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "examples/README.md")
OPEN, CLOSE = "<!-- parameters -->", "<!-- /parameters -->"
OTHER_FLAGS = {"--fast", "--nukex", "--command", "--enable", "--factory-startup", "--node", "--python-expr", "--scene"}
"""Flags in the documents that are not those of ``fscs``: of build.py, Blender and Nuke."""


def table_of_parameters() -> str:
    """The table of controls as README.md must have it."""
    rows = ["| Control | Flag | Default | Range | What it does |", "|---|---|---|---|---|"]
    for parameter in PARAMETERS:
        cells = (parameter.label, _flag(parameter), _value(parameter.default), _range(parameter), parameter.tooltip)
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows)


def _flag(parameter: Parameter) -> str:
    flag = "--" + parameter.name.replace("_", "-")
    if parameter.per_layer:
        return f"`{flag} LAYER=VALUE`"
    return f"`-k`, `{flag}`" if parameter.name == "colors" else f"`{flag}`"


def _value(value: Value) -> str:
    return f"{value:g}" if isinstance(value, (int, float)) else f"`{value}`"


def _range(parameter: Parameter) -> str:
    if parameter.choices:
        return ", ".join(f"`{choice}`" for choice in parameter.choices)
    if parameter.minimum is None or parameter.maximum is None:
        return ""
    return f"{parameter.minimum:g} to {parameter.maximum:g}"


def with_table(text: str) -> str:
    """README.md's text with the table of controls as it must be."""
    before, rest = text.split(OPEN)
    _, after = rest.split(CLOSE)
    return f"{before}{OPEN}\n{table_of_parameters()}\n{CLOSE}{after}"


def readme() -> str:
    """The text of README.md."""
    return README.read_text(encoding="utf-8")


def section(title: str) -> str:
    """A section of README.md, up to the next of the same rank."""
    return readme().split(f"\n## {title}\n")[1].split("\n## ")[0]


def fenced(language: str) -> list[str]:
    """The contents of README.md's fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", readme(), re.MULTILINE | re.DOTALL)


def rows(title: str, header: str) -> dict[str, str]:
    """A table of two columns: first cell to second."""
    table = section(title).split(f"{header}\n|---|---|\n")[1].split("\n\n")[0]
    cells = [line.strip("| ").split(" | ") for line in table.strip().splitlines()]
    return {cell[0]: cell[1] for cell in cells}


def test_first_screen_has_the_picture_and_the_two_commands():
    first = "\n".join(readme().splitlines()[:12])
    assert '<img src="docs/layers.png"' in first
    assert "python build.py demo" in first
    assert "python build.py test" in first


def test_table_of_controls_is_the_parameter_table():
    assert readme() == with_table(readme()), "run python tests/test_readme.py"


def test_python_example_runs(monkeypatch, capsys):
    (block,) = fenced("python")
    assert len([line for line in block.splitlines() if line]) == 8
    monkeypatch.chdir(ROOT)
    exec(compile(block, "README.md", "exec"), {})
    shape, error = capsys.readouterr().out.splitlines()
    assert f"# {shape}: layer, row, column" in block
    assert 0 <= float(error) <= 1e-6


def test_palette_example_is_a_palette_file():
    (block,) = fenced("json")
    palette = Palette.from_dict(json.loads(block))
    assert [color.name for color in palette] == ["shadow", ""]
    assert [color.locked for color in palette] == [True, False]


def test_exit_codes():
    codes = {int(code): meaning for code, meaning in rows("For scripts", "| Exit code | Meaning |").items()}
    assert sorted(codes) == sorted({app.DONE, app.INTERNAL_ERROR, app.USAGE, app.SOME_FAILED, app.CANCELLED})
    assert codes[app.DONE] == "done"
    assert codes[app.CANCELLED] == "cancelled"
    assert app.TRACEBACK_VARIABLE in codes[app.INTERNAL_ERROR]


@pytest.fixture
def documented(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """For each command of the table of ``--json`` fields, arguments that make it run, in a folder with a picture."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FSCS_PRESETS", str(tmp_path / "presets"))
    with Image.open(ROOT / "examples" / "coffee.png") as opened:
        opened.crop((200, 100, 240, 132)).save("cup.png")
        opened.crop((200, 100, 240, 132)).save("cup.0007.png")
    return {
        "palette": ["cup.png", "-k", "3", "-o", "cup.json"],
        "segment": ["cup.png", "--palette", "cup.json", "-o", "cup.exr"],
        "segment SHOT": ["cup.####.png", "--palette", "cup.json", "-o", "cup.####.exr"],
        "recompose": ["cup.exr", "-o", "sum.exr"],
        "recolor": ["cup.exr", "--set", "3=#3366ff", "-o", "blue.exr"],
        "evaluate": ["cup.png", "-k", "3"],
        "weights list": [],
        "export torchscript": ["-o", "layers.pt"],
        "preset save": ["soft", "--smoothing", "3"],
        "preset show": ["soft"],
        "preset list": [],
        "preset delete": ["soft"],
        "doctor": [],
    }


def test_json_fields_and_what_the_exr_says(documented, capsys):
    table = rows("For scripts", "| Command | Fields |")
    found: dict[str, Any] = {}
    for command, arguments in documented.items():
        assert app.main([*command.removesuffix(" SHOT").split(), *arguments, "--json"]) == 0
        found[command] = json.loads(capsys.readouterr().out)
    assert {command.strip("`"): re.findall(r"`(\w+)`", fields) for command, fields in table.items()} == {
        command: list(found[command]) for command in (name.strip("`") for name in table)
    }
    assert found.keys() == {command.strip("`") for command in table}
    prose = section("For scripts").split("`palette` is a list of")[1]
    assert set(found["segment"]["palette"][0]) | set(found["segment"]["seconds"]) <= set(re.findall(r"`(\w+)`", prose))

    from fscs_engine.files.exr import read_layers

    formats = section("Formats")
    for name in read_layers("cup.exr").metadata:
        assert f"`{name}`" in formats
    said = set(re.findall(rf"`({METADATA_PREFIX}\w+)`", formats))
    assert said == {*read_layers("cup.exr").metadata, f"{METADATA_PREFIX}mask"}  # the cup has no mask
    for channel in layer_channels(2)[:5]:
        assert f"`{channel}`" in formats


def flags_of(command: Any, name: str = "fscs") -> Iterator[tuple[str, str]]:
    """Every command with its long flags, ``--help`` left out."""
    for parameter in command.params:
        for flag in (*parameter.opts, *parameter.secondary_opts):
            if flag.startswith("--") and flag != "--help":
                yield name, flag
    for child, below in getattr(command, "commands", {}).items():
        yield from flags_of(below, f"{name} {child}")


FLAGS = sorted(flags_of(typer.main.get_command(app.app)))


@pytest.mark.parametrize(("command", "flag"), FLAGS)
def test_every_flag_is_explained(command, flag):
    document = {"fscs train": CONTRIBUTING, "fscs submit": ROOT / "docs" / "farms.md"}.get(command)
    if command == "fscs submit" and flag in {known for other, known in FLAGS if other == "fscs segment"}:
        document = None  # it takes the flags of segment
    text = (document or README).read_text(encoding="utf-8")
    assert re.search(rf"`?{flag}(?![\w-])", text), f"{command} {flag}"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_no_flag_is_made_up(document):
    text = (ROOT / document).read_text(encoding="utf-8")
    named = set(re.findall(r"(?<![\w<!-])--[a-z][a-z-]*", text))
    assert named <= {flag for _, flag in FLAGS} | OTHER_FLAGS | {"--help"}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document):
    file = ROOT / document
    text = file.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'src="([^"]+)"', text)
    missing = [link for link in links if "://" not in link and not (file.parent / link.split("#")[0]).exists()]
    assert missing == []


def test_scores_have_their_place():
    assert re.search(r"<!-- scores -->\n.*<!-- /scores -->", section("Scores"), re.DOTALL)


if __name__ == "__main__":
    README.write_text(with_table(readme()), encoding="utf-8")
    print(f"wrote the table of controls in {README}")
