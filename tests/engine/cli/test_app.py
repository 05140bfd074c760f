from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fscs_engine import __version__
from fscs_engine.cli import app, doctor
from fscs_engine.host.parameters import PARAMETERS

COMMANDS = ("segment", "palette", "recompose", "recolor", "evaluate", "train", "weights", "doctor")

# fmt: off
SEGMENT_FLAGS = (
    "-o", "--preview", "--palette", "-k", "--colors", "--model", "--smoothing", "--smoothing-eps",
    "--smoothing-strength", "--minimum-alpha", "--layer-gain", "--layer-gamma", "--layer-black", "--layer-white",
    "--mask", "--mask-mode", "--working-space", "--ocio", "--input-layer", "--half", "--clip", "--clean-nonfinite",
    "--device", "--precision", "--tile", "--overwrite", "--json",
)
# fmt: on

HEAVY = ("torch", "numpy", "OpenImageIO", "PyOpenColorIO", "sklearn", "skimage", "safetensors")


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


def shown(fscs, *arguments):
    finished = fscs(*arguments, "--help")
    assert finished.code == 0
    return finished.out


def test_help_names_every_command(fscs):
    text = shown(fscs)
    assert [command for command in COMMANDS if command not in text] == []


def test_segment_has_every_flag(fscs):
    words = shown(fscs, "segment").split()
    assert [flag for flag in SEGMENT_FLAGS if flag not in words] == []


def test_every_parameter_of_the_table_is_a_flag_with_its_tooltip(fscs):
    words = shown(fscs, "segment").replace("│", " ").split()
    for parameter in PARAMETERS:
        assert f"--{parameter.name.replace('_', '-')}" in words
        first = parameter.tooltip.split()[:6]
        assert any(words[i : i + len(first)] == first for i in range(len(words))), parameter.name


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(fscs, command):
    assert f"fscs {command}" in shown(fscs, command)


def test_version(fscs):
    finished = fscs("--version")
    assert (finished.code, finished.out) == (0, f"fscs {__version__}\n")


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["segment", "--help"], ["evaluate", "--help"]])
def test_help_and_version_import_nothing_heavy(arguments):
    code = (
        "import sys\nfrom fscs_engine.cli.app import main\n"
        f"assert main({arguments!r}) == 0\n"
        f"print('loaded:', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "loaded: []"


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["segmnt"], "segmnt"),
        (["segment"], "INPUT"),
        (["segment", "a.png", "--nope"], "--nope"),
        (["segment", "a.png", "-k"], "-k"),
        (["segment", "a.png", "-k", "many"], "--colors"),
        (["recompose", "a.exr"], "-o"),
        (["weights", "export"], "export"),
    ],
)
def test_usage_errors_are_one_line(fscs, arguments, word):
    fscs(*arguments).failed_with(2, word, "--help)")


@pytest.mark.parametrize("group", [[], ["weights"]])
def test_without_a_command_there_is_the_help_and_nothing_else(fscs, group):
    finished = fscs(*group)
    assert (finished.code, finished.err) == (2, "")
    assert f"Usage: {' '.join(['fscs', *group])} [OPTIONS] COMMAND" in finished.out


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
def test_a_full_disk_behind_stdout_is_named(photo):
    command = [sys.executable, "-m", "fscs_engine", "palette", str(photo), "-k", "2", "--json"]
    with Path("/dev/full").open("w") as full:
        run = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert run.returncode == 2
    assert run.stderr.splitlines()[-1] == "fscs: standard output: No space left on device"


def test_evaluate_says_what_its_scores_are_of(fscs):
    text = " ".join(shown(fscs, "evaluate").split())
    assert "the colors the networks get" in text
    assert "not that of the delivered layers" in text


def test_a_mistake_of_ours_is_one_line_too(fscs, monkeypatch):
    def broken(_config):
        raise ZeroDivisionError("two\nlines")

    monkeypatch.setattr(doctor, "examine", broken)
    fscs("doctor").failed_with(1, "internal error: ZeroDivisionError: two lines", app.TRACEBACK_VARIABLE)
    monkeypatch.setenv(app.TRACEBACK_VARIABLE, "1")
    assert "Traceback" in fscs("doctor").err


def test_interrupt_is_130(fscs, monkeypatch):
    def interrupted(_config):
        raise KeyboardInterrupt

    monkeypatch.setattr(doctor, "examine", interrupted)
    fscs("doctor").failed_with(130, "cancelled")


def test_the_module_is_the_command(tmp_path):
    run = subprocess.run(
        [sys.executable, "-m", "fscs_engine", "segment", "missing.png", "-o", "x.exr"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(app.__file__).parents[2])},
        check=False,
    )
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr == "fscs: missing.png does not exist: name an image file\n"


@pytest.mark.skipif(os.name != "posix", reason="a closed pipe is an error of POSIX")
def test_a_reader_that_leaves_is_no_traceback():
    command = [sys.executable, "-m", "fscs_engine", "segment", "--help"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 1


@pytest.mark.parametrize("shown", ["", "1"])
def test_what_libraries_print_by_themselves_is_shown_only_where_asked_for(shown):
    script = (
        "import os, sys; from fscs_engine.cli import app\n"
        "app.main = lambda: (os.write(2, b'noise\\n'), print('said', file=sys.stderr)) and 0\n"
        "app.run()"
    )
    environment = {**os.environ, "FSCS_TRACEBACK": shown}
    finished = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment)
    assert finished.returncode == 0
    assert finished.stderr == ("noise\n" if shown else "") + "said\n"


def test_what_waits_for_the_end_is_done_and_said():
    script = (
        "import atexit; from fscs_engine.cli import app\n"
        "atexit.register(print, 'at the end')\n"
        "app.main = lambda: print('said') or 3\n"
        "app.run()"
    )
    finished = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (finished.returncode, finished.stdout) == (3, "said\nat the end\n")


@pytest.mark.parametrize(
    ("arguments", "address"),
    [
        (["segment", "https://example.org/a b.png", "-o", "o.exr"], "https://example.org/a b.png"),
        (["segment", "a.png", "-o", "s3://bucket/o.exr"], "s3://bucket/o.exr"),
        (["segment", "a.png", "-o", "o.exr", "--mask=http://x/m.png"], "http://x/m.png"),
        (["palette", "file:///home/me/a.png"], "file:///home/me/a.png"),
        (["recolor", "a.exr", "--look", "ftp://x/look.json", "-o", "o.exr"], "ftp://x/look.json"),
        (["segment", "a.png", "-o", "o.exr", "--palette", "https://lospec.com/x.hex"], "https://lospec.com/x.hex"),
    ],
)
def test_addresses_are_refused_as_they_were_given(fscs, arguments, address):
    fscs(*arguments).failed_with(2, f"{address} is an address, not a file")


def test_the_address_of_a_palette_is_its_colors(fscs, photo, tmp_path):
    address = "https://coolors.co/palette/264653-2a9d8f"
    finished = fscs("segment", photo, "--palette", address, "-o", tmp_path / "o.exr", "--json")
    assert [color["hex"] for color in finished.json["palette"]] == ["#264653", "#2a9d8f"]
