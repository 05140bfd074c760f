"""The documents say what the code does: their tables, examples and flags are held against the program.

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

from fscs_engine.cli import app, exit_codes
from fscs_engine.host.naming import METADATA_PREFIX, layer_channels
from fscs_engine.host.package_source import sizes
from fscs_engine.host.parameters import PARAMETERS, Parameter, Value
from fscs_engine.networks.palette_network import NEAR
from fscs_engine.palette.palette import Palette

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
DOCS = ROOT / "docs"
CLI = DOCS / "cli.md"
FOLDERS = (".", "docs", "examples", "benchmarks", "fscs_engine/weights")
DOCUMENTS = sorted(file.relative_to(ROOT).as_posix() for folder in FOLDERS for file in (ROOT / folder).glob("*.md"))
OPEN, CLOSE = "<!-- parameters -->", "<!-- /parameters -->"
OTHER_FLAGS = {
    *("--all", "--count", "--docs", "--fresh", "--runs", "--small", "--trial", "--weights"),
    *("--nukex", "--command", "--enable", "--factory-startup", "--node", "--python-expr", "--scene"),
}
"""Flags in the documents that are not those of ``fscs``: of build.py and the benchmarks, of Nuke and Blender."""

FLAGS_ARE_IN = {
    "fscs train": ROOT / "CONTRIBUTING.md",
    "fscs submit": DOCS / "farms.md",
    "fscs export onnx": DOCS / "export.md",
    "fscs export torchscript": DOCS / "export.md",
    "fscs export nuke": DOCS / "export.md",
    "fscs recolor": DOCS / "recoloring.md",
    **{f"fscs layers {name}": DOCS / "recoloring.md" for name in ("merge", "drop", "split", "plates")},
}
"""Where a command's flags are explained, if not on the page of the command line."""

SAID_ONCE = {
    "what --jobs changes": r"jobs.*(same bytes|byte for byte|rounding|\de-\d)",
    "how far apart colors must be": r"less than [\d.]+ apart",
    "what the released weights are licensed under": r"copyright Preferred Networks",
}
"""Statements that once stood in two documents and differed."""

AGREE = (r"\(K \+ 1\) / ([\d,]+)", r"Python (3\.\d+) or newer")
"""Figures that stand in several documents."""


def table_of_parameters() -> str:
    """The table of controls as docs/cli.md must have it."""
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
    """The text of docs/cli.md with the table of controls as it must be."""
    before, rest = text.split(OPEN)
    _, after = rest.split(CLOSE)
    return f"{before}{OPEN}\n{table_of_parameters()}\n{CLOSE}{after}"


def text_of(document: str | Path) -> str:
    """The text of a document."""
    return (ROOT / document).read_text(encoding="utf-8")


def section(file: Path, title: str) -> str:
    """A section of a document, up to the next of the same rank."""
    return text_of(file).split(f"\n## {title}\n")[1].split("\n## ")[0]


def prose(document: str) -> str:
    """A document without its fenced blocks and without what scripts write."""
    text = re.sub(r"^```.*?^```$", "", text_of(document), flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"<!-- =?[\w -]+ -->.*?<!-- (=|/[\w -]+) -->", "", text, flags=re.DOTALL)
    assert "<!--" not in text
    return text


def rows(title: str, header: str) -> dict[str, str]:
    """A table of two columns in docs/scripting.md: first cell to second."""
    table = section(DOCS / "scripting.md", title).split(f"{header}\n|---|---|\n")[1].split("\n\n")[0]
    cells = [line.strip("| ").split(" | ") for line in table.strip().splitlines()]
    return {cell[0]: cell[1] for cell in cells}


def test_first_screen_has_the_picture_and_the_two_commands():
    first = "\n".join(text_of(README).splitlines()[:12])
    assert '<img src="docs/layers.png"' in first
    assert "python build.py demo" in first
    assert "python build.py test" in first


def test_the_readme_is_one_screen():
    assert len(text_of(README).splitlines()) <= 120


def test_every_page_is_in_the_index():
    assert [page.name for page in DOCS.glob("*.md") if f"]({page.name})" not in text_of(DOCS / "README.md")] == [
        "README.md"
    ]


@pytest.mark.parametrize("document", [document for document in DOCUMENTS if document != "ARCHITECTURE.md"])
def test_the_spelling_is_american(document):
    british = r"\w*(colour|grey|neighbour|licence|behaviou?r\b(?<!behavior)|normalis|recognis)\w*"
    found = {match[0] for match in re.finditer(british, prose(document), re.IGNORECASE)}
    assert not found


@pytest.mark.parametrize("document", DOCUMENTS)
def test_factors_are_measured(document):
    number = (
        r"\b(\d[\d.,]*|two|three|five|ten|twenty|thirty|forty|fifty|hundred)\s+times\s+(as|faster|slower|less|more)"
    )
    assert re.findall(number, prose(document)) == []


@pytest.mark.parametrize("statement", SAID_ONCE)
def test_a_statement_stands_once(statement):
    told = re.compile(SAID_ONCE[statement])
    paragraphs = [
        (document, paragraph)
        for document in DOCUMENTS
        for paragraph in re.split(r"\n\n|\n(?=[-|#])", prose(document))
        if not document.startswith(("fscs_engine/weights", "CHANGELOG")) and told.search(" ".join(paragraph.split()))
    ]
    assert len(paragraphs) == 1, paragraphs


@pytest.mark.parametrize("figure", AGREE)
def test_documents_agree(figure):
    found = {match for document in DOCUMENTS for match in re.findall(figure, " ".join(prose(document).split()))}
    assert len(found) == 1, found


def test_sizes_are_those_that_are_told_while_installing():
    rows = re.findall(r"^\| (?:PyTorch|Windows).*\| ([\d.]+) GB \| ([\d.]+) GB \|$", text_of(DOCS / "install.md"), re.M)
    told = [sizes(cpu_only=True, platform="linux"), sizes(cpu_only=False, platform="linux")]
    assert [(float(one), float(other)) for one, other in rows] == [*told, sizes(cpu_only=True, platform="win32")]


def test_colors_that_share_their_alphas_are_as_near_as_in_the_network():
    assert f"less than {NEAR:g} apart" in text_of(README)


def test_table_of_controls_is_the_parameter_table():
    assert text_of(CLI) == with_table(text_of(CLI)), "run python tests/test_docs.py"


def test_palette_example_is_a_palette_file():
    (block,) = re.findall(r"^```json\n(.*?)^```$", text_of(DOCS / "formats.md"), re.MULTILINE | re.DOTALL)
    palette = Palette.from_dict(json.loads(block))
    assert [color.name for color in palette] == ["shadow", ""]
    assert [color.locked for color in palette] == [True, False]


def test_exit_codes():
    codes = {int(code): meaning for code, meaning in rows("Exit codes", "| Exit code | Meaning |").items()}
    assert sorted(codes) == sorted(code for code in vars(exit_codes).values() if isinstance(code, int))
    assert codes[exit_codes.DONE] == "done"
    assert codes[exit_codes.CANCELLED] == "cancelled"
    assert app.TRACEBACK_VARIABLE in codes[exit_codes.INTERNAL_ERROR]


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
    table = rows("JSON", "| Command | Fields |")
    found: dict[str, Any] = {}
    for command, arguments in documented.items():
        assert app.main([*command.removesuffix(" SHOT").split(), *arguments, "--json"]) == 0
        found[command] = json.loads(capsys.readouterr().out)
    assert {command.strip("`"): re.findall(r"`(\w+)`", fields) for command, fields in table.items()} == {
        command: list(found[command]) for command in (name.strip("`") for name in table)
    }
    assert found.keys() == {command.strip("`") for command in table}
    explained = section(DOCS / "scripting.md", "JSON").split("`palette` is a list of")[1]
    assert set(found["segment"]["palette"][0]) | set(found["segment"]["seconds"]) <= set(
        re.findall(r"`(\w+)`", explained)
    )

    from fscs_engine.files.exr import read_layers

    formats = text_of(DOCS / "formats.md")
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
    page = FLAGS_ARE_IN.get(command, CLI)
    if command != "fscs segment" and flag in {known for other, known in FLAGS if other == "fscs segment"}:
        page = CLI  # what a command has in common with segment is explained there
    assert re.search(rf"`?{flag}(?![\w-])", text_of(page)), f"{command} {flag}"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_no_flag_is_made_up(document):
    named = set(re.findall(r"(?<![\w<!-])--[a-z][a-z-]*[a-z]\b", text_of(document)))
    assert named <= {flag for _, flag in FLAGS} | OTHER_FLAGS | {"--help"}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document):
    file = ROOT / document
    text = file.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'src="([^"]+)"', text)
    missing = [link for link in links if "://" not in link and not (file.parent / link.split("#")[0]).exists()]
    assert missing == []


@pytest.mark.parametrize("page", ["blender.md", "nuke.md"])
def test_messages_to_cure_are_those_of_the_program(page):
    seen = [row.split("|")[1] for row in section(DOCS / page, "Troubleshooting").splitlines() if row.startswith("| ")]
    quoted = [message for cell in seen for message in re.findall(r"(?<!\w)\*([^*]+)\*", cell)]
    folders = ("blender_addon", "nuke_plugin", "fscs_engine/host", "fscs_engine/worker")
    source = "\n".join(
        file.read_text(encoding="utf-8").lower() for folder in folders for file in (ROOT / folder).rglob("*.py")
    )
    parts = [part.strip(" …").lower() for message in quoted for part in re.split(r"frame (?:7|N)|…", message)]
    assert len(parts) > 6
    assert [part for part in parts if part not in source] == []


def test_scores_have_their_place():
    assert re.search(r"<!-- overview -->\n.*<!-- /overview -->", section(README, "Scores"), re.DOTALL)


if __name__ == "__main__":
    CLI.write_text(with_table(text_of(CLI)), encoding="utf-8")
    print(f"wrote the table of controls in {CLI}")
