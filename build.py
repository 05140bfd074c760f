#!/usr/bin/env python3
"""The one door to this project. Needs Python 3.11 or newer with pip, and nothing else.

python build.py demo           decompose the example photograph and say where its layers are
python build.py test           install the test tools and run every check
python build.py test --fast    the same without the slowest tests
python build.py package        build the wheel into dist/
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
STAMP = VENV / "installed.json"
CONSTRAINTS = ROOT / "constraints.txt"
DIST = ROOT / "dist"
DEMO_OUTPUT = ROOT / "demo_output"
EXAMPLE = ROOT / "examples" / "coffee.png"
DEMO_COLORS = 7
OLDEST_PYTHON = (3, 11)
BUILD_TOOLS = ("hatchling", "editables")
TEST_EXTRAS = ("test", "train")


class BuildError(Exception):
    """Something the user has to know; shown as one line."""


def say(message: str) -> None:
    """Prints a line of progress at once, even into a pipe."""
    print(f"build.py: {message}", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command. Returns the exit code: 0 done, 1 something failed, 2 usage, 130 cancelled."""
    parser = argparse.ArgumentParser(
        prog="build.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="demo | test | package")
    commands.add_parser("demo", help="decompose the example photograph")
    test_parser = commands.add_parser("test", help="run every check")
    test_parser.add_argument("--fast", action="store_true", help="leave out the slowest tests")
    commands.add_parser("package", help="build the wheel into dist/")
    chosen = parser.parse_args(arguments)
    try:
        if sys.version_info < OLDEST_PYTHON:
            raise BuildError(f"this is Python {sys.version.split()[0]}; run build.py with Python 3.11 or newer")
        if chosen.command == "demo":
            return demo()
        if chosen.command == "test":
            return test(fast=chosen.fast)
        return package()
    except BuildError as error:
        print(f"build.py: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("build.py: cancelled", file=sys.stderr)
        return 130


def demo() -> int:
    """Decomposes the example photograph into ``demo_output/`` and prints where everything lies."""
    python = install()
    DEMO_OUTPUT.mkdir(exist_ok=True)
    palette = DEMO_OUTPUT / "coffee_palette.json"
    layered = DEMO_OUTPUT / "coffee.exr"
    folder = DEMO_OUTPUT / "layers"
    sheet = DEMO_OUTPUT / "coffee_sheet.png"
    fscs = [str(python), "-m", "fscs_engine"]
    say(f"choosing {DEMO_COLORS} colours of {EXAMPLE.relative_to(ROOT)} ...")
    run([*fscs, "palette", str(EXAMPLE), "-k", str(DEMO_COLORS), "-o", str(palette), "--overwrite"])
    say("decomposing it ...")
    outputs = ["-o", str(layered), "-o", f"{folder}{os.sep}", "--preview", str(sheet)]
    run([*fscs, "segment", str(EXAMPLE), "--palette", str(palette), *outputs, "--overwrite"])
    say("done. What was made:")
    for what, where in (
        ("contact sheet, to look at", sheet),
        ("all layers in one EXR", layered),
        ("each layer as 16-bit PNG", folder),
        ("the palette", palette),
    ):
        print(f"  {what + ':':<28}{where}", flush=True)
    return 0


def test(*, fast: bool) -> int:
    """Runs ruff, mypy and pytest; all three, so that one run shows everything. Skipped tests are listed last."""
    python = install(TEST_EXTRAS)
    pytest = [str(python), "-m", "pytest"]
    if fast:
        pytest += ["-m", "not slow"]
    failed = []
    for name, command in (
        ("ruff", [str(python), "-m", "ruff", "check", "."]),
        ("mypy", [str(python), "-m", "mypy"]),
        ("pytest", pytest),
    ):
        say(f"running {name} ...")
        if subprocess.run(command, cwd=ROOT, env=child_environment(), check=False).returncode:
            failed.append(name)
    if failed:
        raise BuildError(f"{' and '.join(failed)} failed, see above")
    return 0


def package() -> int:
    """Builds the wheel into ``dist/`` and checks that the weights are in it."""
    python = install()
    DIST.mkdir(exist_ok=True)
    scratch = DIST / "building"
    shutil.rmtree(scratch, ignore_errors=True)
    say("building the wheel ...")
    pip(python, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(scratch), str(ROOT))
    wheels = list(scratch.glob("*.whl"))
    if len(wheels) != 1:
        raise BuildError(f"expected one wheel in {scratch}, found {len(wheels)}")
    missing = missing_from_wheel(wheels[0])
    if missing:
        raise BuildError(f"{wheels[0]}: the wheel lacks {', '.join(missing)}")
    target = DIST / wheels[0].name
    wheels[0].replace(target)
    shutil.rmtree(scratch)
    say(f"built {target} ({target.stat().st_size / 1e6:.1f} MB)")
    return 0


def missing_from_wheel(wheel: Path) -> list[str]:
    """Files of the package, weights and model cards among them, that are not in the wheel."""
    package_folder = ROOT / "fscs_engine"
    wanted = {
        file.relative_to(ROOT).as_posix()
        for pattern in ("**/*.py", "weights/*.safetensors", "weights/*.md", "py.typed")
        for file in package_folder.glob(pattern)
    }
    with zipfile.ZipFile(wheel) as archive:
        return sorted(wanted - set(archive.namelist()))


def install(extras: Sequence[str] = ()) -> Path:
    """Makes ``.venv`` with the engine and ``extras`` in it, from the pinned versions; quick when it is all there.

    Returns:
        the Python of the environment.
    """
    python = venv_python()
    fingerprint = installation_fingerprint()
    present = installed_extras(fingerprint)
    if present is not None and present.issuperset(extras):
        return python
    if present is None:
        # An environment of another Python or half made is not repaired but made anew.
        say(f"making the environment {VENV} ...")
        run([sys.executable, "-m", "venv", "--clear", str(VENV)])
        present = set()
    wanted = sorted(present | set(extras))
    say("installing the packages (the first time this downloads PyTorch and takes some minutes) ...")
    started = time.monotonic()
    pip(python, "install", "--constraint", str(CONSTRAINTS), *BUILD_TOOLS)
    engine = f"{ROOT}[{','.join(wanted)}]" if wanted else str(ROOT)
    pip(python, "install", "--constraint", str(CONSTRAINTS), "--no-build-isolation", "--editable", engine)
    STAMP.write_text(json.dumps({"fingerprint": fingerprint, "extras": wanted}), encoding="utf-8")
    say(f"installed in {time.monotonic() - started:.0f} s")
    return python


def venv_python() -> Path:
    """The Python of the environment, whether it exists or not."""
    return VENV / "Scripts" / "python.exe" if os.name == "nt" else VENV / "bin" / "python"


def installation_fingerprint() -> str:
    """Changes with whatever decides what is installed: the Python, the pins and the project's own metadata."""
    digest = hashlib.sha256(f"{sys.version}\n{sys.prefix}\n{ROOT}\n".encode())
    for file in (CONSTRAINTS, ROOT / "pyproject.toml", ROOT / "fscs_engine" / "_version.py"):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def installed_extras(fingerprint: str) -> set[str] | None:
    """The extras of a finished installation of this fingerprint, or None where there is none."""
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not venv_python().exists() or stamp.get("fingerprint") != fingerprint:
        return None
    return set(stamp["extras"])


def pip(python: Path, *arguments: str) -> None:
    """Runs pip in the environment; it shows its own progress."""
    run([str(python), "-m", "pip", "--disable-pip-version-check", *arguments])


def run(command: Sequence[str]) -> None:
    """Runs a command with its output on the terminal.

    Raises:
        BuildError: it could not be started or did not end with 0.
    """
    try:
        code = subprocess.run(command, cwd=ROOT, env=child_environment(), check=False).returncode
    except OSError as error:
        raise BuildError(f"{command[0]} can't be run: {error}") from error
    if code == 130:
        raise KeyboardInterrupt
    if code:
        raise BuildError(f"`{' '.join(command)}` ended with code {code}")


def child_environment() -> dict[str, str]:
    """The environment without what would lead the venv's Python to other packages than its own."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}


if __name__ == "__main__":
    sys.exit(main())
