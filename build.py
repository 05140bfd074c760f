#!/usr/bin/env python3
"""The one entry point of this project. Needs Python 3.11 or newer with pip, and nothing else.

python build.py demo           split the example photograph and say where its layers are
python build.py test           run the checks that a change needs, with one Blender: 4 GB on disk, some minutes
python build.py test --all     run every check: all Blenders, the PyTorchs inside Nuke, every Python that is found
python build.py package        build the wheel, the Blender extension and the Nuke plug-in into dist/
python build.py renew          write the generated files again: Nuke's gizmo and examples, and the sha256 of its model

On Linux, PyPI has PyTorch with CUDA only, several GB. PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu in front
of a command takes the one without.
"""

from __future__ import annotations

import argparse
import hashlib
import html
import json
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
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
PACKAGE_VERSION = ROOT / "fscs_engine" / "_version.py"

BLENDER_ADDON = ROOT / "blender_addon"
EXTENSION_ID = "soft_color_segment"
HELP_DOCUMENTS = ("blender.md", "recoloring.md", "install.md")
"""What Blender's button *Help* shows, as one page."""

HOST_FOLDER = ROOT / "fscs_engine" / "host"
"""What hosts need of the engine: each has a copy of this folder as its package ``fscs``."""

NUKE_PLUGIN = ROOT / "nuke_plugin"
NUKE_PACKAGE = "softcolor_nuke"
LIVE_MODEL = "SoftColorSegment.pt"
LIVE_WEIGHTS = ROOT / "fscs_engine" / "weights" / "any-palette.safetensors"
SHIPPED = ROOT / "fscs_engine" / "networks" / "shipped.py"
LIVE_LINES = re.compile(r'^LIVE_WEIGHTS = "([0-9a-f]{64})"\nLIVE_MODEL = "([0-9a-f]{64})"$', re.MULTILINE)
"""In ``SHIPPED``: the sha256 of the weights, and of the model that ``fscs export nuke`` makes of them."""

BPY_VERSIONS = {"4.2": "4.2.23", "4.5": "4.5.15", "5.0": "5.0.1"}
"""The Blenders that the add-on is tested in: Python modules of PyPI, for Python 3.11, about 1 GB each."""

QUICK_BLENDER = "5.0"
"""The one that `test` runs the add-on in; the tests of the others are marked as slow."""

BPY_ENVIRONMENTS = ROOT / ".venv-bpy"
BPY_PYTHON = "3.11"
BPY_VARIABLE = "FSCS_BPY_ENVIRONMENTS"
"""Names a folder with environments 4.2, 4.5 and 5.0 to use instead of making them."""

HOST_PYTHONS = ("3.9", "3.10", "3.11", "3.12", "3.13")
"""The versions of Python that hosts may have inside. Tests run the hosts' code in every one that is found."""

HOST_VARIABLE = "FSCS_HOST_PYTHONS"
"""Names further Pythons to look at, with the paths' separator between them."""

ENGINE_PYTHONS = ("3.12", "3.13")
"""Further Pythons that the engine's tests run in, where they are found."""

ENGINE_ENVIRONMENTS = ROOT / ".venv-engine"

TORCH_VERSIONS = {"1.12.1": ("3.9", "3.10"), "2.1.1": ("3.10", "3.9")}
"""PyTorch as it is inside Nuke 14 to 17, and the Pythons to install it for: first the one that has it in Nuke."""

TORCH_NEEDS = ("numpy<2", "filelock", "fsspec", "jinja2", "networkx", "sympy", "typing-extensions")
"""What they import."""

CUDA_RUNTIMES = {
    "2.1.1": ("nvidia-cuda-runtime-cu12==12.1.105", "nvidia-cuda-cupti-cu12==12.1.105", "nvidia-nvtx-cu12==12.1.105"),
    "2.13.0": ("cuda-toolkit[cudart,cupti]==13.0.3",),
}
"""The little of CUDA that a PyTorch for Linux on x86-64 does not load without; 1.12.1 has it inside."""

WITHOUT_CUDA = ROOT / "tests" / "without_cuda.py"
MOST_WORKERS = 4
"""Tests running at once take up to 2 GB of memory each."""

TORCH_ENVIRONMENTS = ROOT / ".venv-torch"
TORCH_VARIABLE = "FSCS_TORCH_PYTHONS"
"""Names Pythons with these versions of PyTorch and with NumPy, to use instead of making environments for them."""

VALIDATOR = "bpy/*/scripts/addons_core/bl_pkg/cli/blender_ext.py"
FIRST_DATE = (1980, 1, 1, 0, 0, 0)


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
    commands = parser.add_subparsers(dest="command", required=True, metavar="demo | test | package | renew")
    commands.add_parser("demo", help="split the example photograph into layers")
    test_parser = commands.add_parser("test", help="run the checks that a change needs")
    test_parser.add_argument("--all", action="store_true", help="run every check, in every host that can be installed")
    commands.add_parser("package", help="build the wheel, the Blender extension and the Nuke plug-in into dist/")
    commands.add_parser("renew", help="write Nuke's generated files and the sha256 of its model again")
    chosen = parser.parse_args(arguments)
    try:
        if sys.version_info < OLDEST_PYTHON:
            raise BuildError(f"this is Python {sys.version.split()[0]}; run build.py with Python 3.11 or newer")
        if chosen.command == "demo":
            return demo()
        if chosen.command == "test":
            return test(everything=chosen.all)
        return package() if chosen.command == "package" else renew()
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
    say(f"finding {DEMO_COLORS} colors in {EXAMPLE.relative_to(ROOT)} ...")
    run([*fscs, "palette", str(EXAMPLE), "-k", str(DEMO_COLORS), "-o", str(palette), "--overwrite"])
    say("segmenting it ...")
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


def test(*, everything: bool) -> int:
    """Runs ruff, mypy and pytest; all of them, so that one run shows everything. Skipped tests are listed last."""
    # These mostly wait for the network.
    with ThreadPoolExecutor() as pool:
        engine = pool.submit(install, TEST_EXTRAS)
        jobs = [pool.submit(install_bpy, tuple(BPY_VERSIONS) if everything else (QUICK_BLENDER,))]
        if everything:
            jobs += [pool.submit(install_torch), pool.submit(install_engines)]
        for job in jobs:
            job.result()
        python = engine.result()
    pythons = host_pythons()
    listed = ", ".join(f"{version} ({python})" for version, python in pythons.items()) or "none"
    missing = ", ".join(version for version in HOST_PYTHONS if version not in pythons)
    say(f"the hosts' code is tried with the Pythons {listed}" + (f"; not found: {missing}" if missing else ""))
    pytest = ["-m", "pytest", f"--numprocesses={min(os.cpu_count() or 1, MOST_WORKERS)}"]
    quick = ["-m", "not slow"]
    reading = {
        "ruff check": [str(python), "-m", "ruff", "check", "."],
        "ruff format": [str(python), "-m", "ruff", "format", "--check", "."],
        "mypy": [str(python), "-m", "mypy"],
    }
    running = {"pytest": [str(python), *pytest, *([] if everything else quick)]}
    if everything:
        for version, other in engine_pythons().items():
            running[f"pytest in Python {version}"] = [str(other), *pytest, *quick, "tests/engine"]
    failed = []
    # Tests wait for one another's processes now and then: what only reads the code runs beside them.
    with ThreadPoolExecutor(1) as pool:
        read = {name: pool.submit(_output, command) for name, command in reading.items()}
        for name, command in running.items():
            say(f"running {name} ...")
            if subprocess.run(command, cwd=ROOT, env=test_environment(), check=False).returncode:
                failed.append(name)
    for name, result in read.items():
        status, text = result.result()
        say(f"{name}: {text.strip()}")
        if status:
            failed.append(name)
    if failed:
        raise BuildError(f"{' and '.join(failed)} failed, see above")
    return 0


def _output(command: list[str]) -> tuple[int, str]:
    """What a command ends with, and all it says."""
    ended = subprocess.run(
        command,
        cwd=ROOT,
        env=test_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return ended.returncode, ended.stdout


def package() -> int:
    """Builds the wheel, the Blender extension and the Nuke plug-in into ``dist/`` and checks what is in them."""
    python = install()
    wheel = build_wheel(python)
    say(f"built {wheel} ({wheel.stat().st_size / 1e6:.1f} MB)")
    extension = build_extension(wheel)
    say(f"built {extension} ({extension.stat().st_size / 1e6:.1f} MB)")
    plugin = build_nuke_plugin(python, wheel)
    say(f"built {plugin} ({plugin.stat().st_size / 1e6:.1f} MB)")
    return 0


def build_wheel(python: Path) -> Path:
    """Builds the engine's wheel into ``dist/`` and checks that the weights are in it."""
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
    return target


def build_extension(wheel: Path) -> Path:
    """Builds the Blender extension with the engine's wheel in it into ``dist/`` and lets Blender's tool check it."""
    target = DIST / f"{EXTENSION_ID}-{engine_version()}.zip"
    partial = DIST / f"building-{target.name}"
    write_zip(partial, extension_files(wheel))
    try:
        validate_extension(partial)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return target


def write_zip(path: Path, files: Mapping[str, bytes]) -> None:
    """Packs files. Equal ones give equal bytes: the date is always the same."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(name, FIRST_DATE)
            entry.create_system = 3
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_STORED if name.endswith(".whl") else zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)


def host_copies() -> dict[str, bytes]:
    """The package ``fscs`` of a host, by the names of its files."""
    sources = [*sorted(HOST_FOLDER.glob("*.py")), PACKAGE_VERSION, ROOT / "LICENSE"]
    return {f"fscs/{source.name}": source.read_bytes() for source in sources}


def nuke_files() -> dict[str, bytes]:
    """The files of the Nuke plug-in by their names in its zip; what makes the gizmo stays here."""
    found = {file.relative_to(NUKE_PLUGIN): file for file in NUKE_PLUGIN.rglob("*") if file.is_file()}
    files = {
        name.as_posix(): file.read_bytes()
        for name, file in found.items()
        if "__pycache__" not in name.parts and not name.parts[0].startswith(("generator", "generate_"))
    }
    return files | {f"{NUKE_PACKAGE}/{name}": content for name, content in host_copies().items()}


def build_nuke_plugin(python: Path, wheel: Path) -> Path:
    """Builds the Nuke plug-in, with the engine's wheel and the model for mode Live in it, into ``dist/``.

    Raises:
        BuildError: the model is not the one whose sha256 stands in the code.
    """
    live = exported_live(python)
    expected, found = live_hashes(), hashes_of(live)
    if found != expected:
        raise BuildError(
            f"the model for Nuke has the sha256 {found[1]}, made of weights with {found[0]}; {SHIPPED} names "
            f"{expected[1]}, made of {expected[0]}; if the new one is meant: python build.py renew"
        )
    target = DIST / f"{NUKE_PACKAGE}-{engine_version()}.zip"
    partial = DIST / f"building-{target.name}"
    carried = carried_engine(wheel) | {f"live/{name}": content for name, content in live.items()}
    write_zip(partial, nuke_files() | carried)
    partial.replace(target)
    return target


def exported_live(python: Path) -> dict[str, bytes]:
    """What ``fscs export nuke`` writes, by the names of the files."""
    folder = DIST / "live"
    shutil.rmtree(folder, ignore_errors=True)
    run([str(python), "-m", "fscs_engine", "export", "nuke", "-o", str(folder)])
    files = {file.name: file.read_bytes() for file in folder.iterdir()}
    shutil.rmtree(folder)
    return files


def live_hashes() -> tuple[str, str]:
    """The sha256 of the weights and of the model for mode Live, from the one place where they stand."""
    found = LIVE_LINES.search(SHIPPED.read_text(encoding="utf-8"))
    if found is None:
        raise BuildError(f"{SHIPPED} has no lines LIVE_WEIGHTS and LIVE_MODEL")
    return found[1], found[2]


def hashes_of(live: Mapping[str, bytes]) -> tuple[str, str]:
    """The sha256 of the weights and of the model that was exported."""
    return hashlib.sha256(LIVE_WEIGHTS.read_bytes()).hexdigest(), hashlib.sha256(live[LIVE_MODEL]).hexdigest()


def renew() -> int:
    """Writes what is made from the rest and checked in: Nuke's gizmo, example and toolset, the sha256 of its model."""
    python = install()
    for script in ("generate_gizmo.py", "generate_examples.py"):
        run([str(python), str(NUKE_PLUGIN / script)])
    live_hashes()
    weights, model = hashes_of(exported_live(python))
    lines = LIVE_LINES.sub(f'LIVE_WEIGHTS = "{weights}"\nLIVE_MODEL = "{model}"', SHIPPED.read_text(encoding="utf-8"))
    SHIPPED.write_text(lines, encoding="utf-8", newline="\n")
    say(f"{SHIPPED} names the sha256 {model}")
    return 0


def extension_files(wheel: Path | None) -> dict[str, bytes]:
    """The files of the Blender extension by their names in it; without a wheel it can't install the engine."""
    version = engine_version()
    files = {
        file.relative_to(BLENDER_ADDON).as_posix(): file.read_bytes()
        for file in BLENDER_ADDON.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    files["blender_manifest.toml"] = files["blender_manifest.toml"].replace(b"@version@", version.encode())
    files["help.html"] = help_page(ROOT / "docs" / name for name in HELP_DOCUMENTS)
    files |= host_copies()
    return files if wheel is None else files | carried_engine(wheel)


def help_page(documents: Iterable[Path]) -> bytes:
    """Documents as one page that any browser shows: their text as it is written, without pictures and links."""
    text = "\n\n".join(document.read_text(encoding="utf-8") for document in documents)
    text = re.sub(r"^ *(<img [^>]*>|!\[[^\]]*\]\([^)]+\)|<!--.*?-->)\n+", "", text, flags=re.MULTILINE)
    text = re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", text)
    style = "font: 16px/1.5 sans-serif; white-space: pre-wrap; max-width: 60em; margin: 2em auto; padding: 0 1em"
    head = f'<!doctype html><meta charset="utf-8"><title>{EXTENSION_ID}</title>'
    return f'{head}<body style="{style}">{html.escape(text)}</body>\n'.encode()


def carried_engine(wheel: Path) -> dict[str, bytes]:
    """What a host's package has for installing the engine, by the names in it."""
    return {
        f"engine_wheel/{wheel.name}": wheel.read_bytes(),
        "engine_wheel/constraints.txt": CONSTRAINTS.read_bytes(),
    }


def engine_version() -> str:
    """The version, from the one place where it stands."""
    found = re.search(r'^__version__ = "([^"]+)"$', PACKAGE_VERSION.read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise BuildError(f"{PACKAGE_VERSION} has no version")
    return found[1]


def validate_extension(extension: Path) -> None:
    """Lets Blender's own tool look at an extension, where there is a Blender; says so where there is none."""
    tool = next((found for folder in bpy_environments().values() for found in validators(folder)), None)
    if tool is None:
        say("Blender's own check of the extension was left out: `build.py test` gets the Blenders it is done with")
        return
    run([sys.executable, str(tool), "validate", str(extension)])


def validators(environment: Path) -> list[Path]:
    """Blender's tool for extensions inside an environment that has ``bpy``."""
    packages = ("lib/python*/site-packages/", "Lib/site-packages/")
    return [found for folder in packages for found in environment.glob(folder + VALIDATOR)]


def bpy_environments() -> dict[str, Path]:
    """The environments with a ``bpy`` that are there, by Blender's version, oldest first."""
    folder = Path(os.environ.get(BPY_VARIABLE) or BPY_ENVIRONMENTS)
    return {version: folder / version for version in BPY_VERSIONS if ready(folder / version)}


def install_bpy(versions: Iterable[str]) -> None:
    """Makes the environments with ``bpy`` that are not there yet; says why where it can't."""
    present = bpy_environments()
    missing = [version for version in versions if version not in present]
    if not missing:
        return
    if os.environ.get(BPY_VARIABLE):
        raise BuildError(f"{os.environ[BPY_VARIABLE]}, named by {BPY_VARIABLE}, has no {' and no '.join(missing)}")
    python = host_pythons().get(BPY_PYTHON)
    if python is None:
        say(f"Blender's Python modules need Python {BPY_PYTHON}, and none was found: the tests in Blender are skipped")
        return
    for version in missing:
        say(f"installing Blender {version} as a Python module (downloads 0.4 GB) ...")
        make_environment(BPY_ENVIRONMENTS / version, python, [f"bpy=={BPY_VERSIONS[version]}"])


def make_environment(folder: Path, python: Path, *installs: Sequence[str], torch: str | None = None) -> None:
    """Makes an environment of its own for some packages.

    Args:
        folder: where it will be; another one there is replaced.
        python: of the version that it is to have.
        *installs: what to tell ``pip install``, one call each.
        torch: the version of a PyTorch for tests on the CPU that it has too.
    """
    # One that broke off is not taken for a good one.
    mark = unfinished(folder)
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.touch()
    run([str(python), "-m", "venv", "--clear", str(folder)])
    inside = python_in(folder)
    for packages in installs:
        pip(inside, "install", *packages)
    if torch:
        # Last, and without what it asks for: pip would add all of CUDA with anything that it installs later.
        condition = "; sys_platform == 'linux' and platform_machine == 'x86_64'"
        if runtimes := CUDA_RUNTIMES.get(torch):
            pip(inside, "install", *(runtime + condition for runtime in runtimes))
        pip(inside, "install", "--no-deps", f"torch=={torch}")
        for library in folder.glob("lib/python*/site-packages/torch/lib/libtorch_cuda.so"):
            run([sys.executable, str(WITHOUT_CUDA), str(library.parent)])
        run([str(inside), "-I", "-c", "import torch"])
    mark.unlink()


def unfinished(folder: Path) -> Path:
    """The file that is there while an environment is being made."""
    return folder.with_name(f"{folder.name}.unfinished")


def ready(folder: Path) -> bool:
    """Whether an environment is there and was finished."""
    return python_in(folder).exists() and not unfinished(folder).exists()


def host_pythons() -> dict[str, Path]:
    """A CPython of each version in ``HOST_PYTHONS`` that is found: this one, on PATH, or one of pyenv's."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    candidates = [Path(sys.executable), *paths_in(HOST_VARIABLE)]
    for version in HOST_PYTHONS:
        on_path = shutil.which(f"python{version}")
        candidates += [Path(on_path)] if on_path else []
        candidates += sorted(pyenv.glob(f"{version}.*/bin/python"))
    code = "import sys; print(sys.implementation.name, '%d.%d' % sys.version_info[:2], sys.executable)"
    found: dict[str, Path] = {}
    for candidate in candidates:
        # Asked, and not believed by its name: pyenv puts commands on PATH that end with an error.
        name, version, executable = (answer(candidate, code).split(" ", 2) + ["", "", ""])[:3]
        if name == "cpython" and version in HOST_PYTHONS:
            found.setdefault(version, Path(executable))
    return {version: found[version] for version in HOST_PYTHONS if version in found}


def torch_pythons() -> dict[str, Path]:
    """The Pythons with a PyTorch of Nuke's that are there, by its version."""
    made = [TORCH_ENVIRONMENTS / version for version in TORCH_VERSIONS]
    candidates = paths_in(TORCH_VARIABLE) or [python_in(folder) for folder in made if ready(folder)]
    code = "from importlib import metadata; print(metadata.version('torch').split('+')[0])"
    found = {answer(python, code): python for python in candidates}
    return {version: found[version] for version in TORCH_VERSIONS if version in found}


def install_torch() -> None:
    """Makes the environments with a PyTorch of Nuke's that are not there yet; says why where it can't."""
    present = torch_pythons()
    missing = [version for version in TORCH_VERSIONS if version not in present]
    if missing and os.environ.get(TORCH_VARIABLE):
        raise BuildError(f"{TORCH_VARIABLE} names no Python with PyTorch {' and none with '.join(missing)}")
    pythons = host_pythons() if missing else {}
    for version in missing:
        wanted = TORCH_VERSIONS[version]
        python = next((pythons[one] for one in wanted if one in pythons), None)
        if python is None:
            names = " or ".join(sorted(wanted, key=HOST_PYTHONS.index))
            say(f"PyTorch {version} needs Python {names}, and none was found: the tests of Nuke in it are skipped")
            continue
        say(f"installing PyTorch {version}, which is inside Nuke (on Linux downloads 0.7 GB) ...")
        make_environment(TORCH_ENVIRONMENTS / version, python, TORCH_NEEDS, torch=version)


def engine_pythons() -> dict[str, Path]:
    """The further Pythons with the engine and its tests' tools in them, by version."""
    fingerprint = installation_fingerprint()
    folders = {version: ENGINE_ENVIRONMENTS / version for version in ENGINE_PYTHONS}
    return {
        version: python_in(folder)
        for version, folder in folders.items()
        if ready(folder) and installed_extras(fingerprint, folder / STAMP.name) is not None
    }


def install_engines() -> None:
    """Makes the environments for the engine in other Pythons that are found and not made yet."""
    present, pythons = engine_pythons(), host_pythons()
    pins = CONSTRAINTS.read_text(encoding="utf-8").splitlines()
    torch = next(pin.removeprefix("torch==") for pin in pins if pin.startswith("torch=="))
    for version in ENGINE_PYTHONS:
        if version in present or pythons.get(version) in (None, Path(sys.executable)):
            continue
        say(f"installing the engine for Python {version} (on Linux downloads 1.2 GB) ...")
        folder = ENGINE_ENVIRONMENTS / version
        pinned = [pin for pin in pins if "==" in pin and not pin.startswith("torch==")]
        engine = ["--no-deps", "--no-build-isolation", "--editable", str(ROOT)]
        make_environment(folder, pythons[version], ["--no-deps", *pinned], engine, torch=torch)
        write_stamp(TEST_EXTRAS, folder / STAMP.name)


def paths_in(variable: str) -> list[Path]:
    """The paths in an environment variable."""
    return [Path(path) for path in os.environ.get(variable, "").split(os.pathsep) if path]


def answer(python: Path, code: str) -> str:
    """What a Python prints, an empty text where it can't be run or fails."""
    try:
        ended = subprocess.run(
            [str(python), "-I", "-c", code], capture_output=True, text=True, env=child_environment(), check=False
        )
    except OSError:
        return ""
    return ended.stdout.strip() if ended.returncode == 0 else ""


def missing_from_wheel(wheel: Path) -> list[str]:
    """Files of the package, weights, model cards, the page of reports and the mark of its types, not in the wheel."""
    package_folder = ROOT / "fscs_engine"
    wanted = {
        file.relative_to(ROOT).as_posix()
        for pattern in ("**/*.py", "**/*.html", "weights/*.safetensors", "weights/*.md")
        for file in package_folder.glob(pattern)
    } | {"fscs_engine/py.typed"}
    with zipfile.ZipFile(wheel) as archive:
        return sorted(wanted - set(archive.namelist()))


def install(extras: Sequence[str] = ()) -> Path:
    """Makes ``.venv`` with the engine and ``extras`` in it, from the pinned versions; quick when it is all there.

    Returns:
        the Python of the environment.
    """
    python = venv_python()
    fingerprint = installation_fingerprint()
    present = installed_extras(fingerprint, STAMP) if venv_python().exists() else None
    if present is not None and present.issuperset(extras):
        return python
    if present is None:
        # An environment of another Python or half made is not repaired but made anew.
        say(f"creating the environment {VENV} ...")
        run([sys.executable, "-m", "venv", "--clear", str(VENV)])
        present = set()
    wanted = sorted(present | set(extras))
    say("installing the packages (the first time this downloads PyTorch and takes some minutes) ...")
    started = time.monotonic()
    pip(python, "install", "--constraint", str(CONSTRAINTS), *BUILD_TOOLS)
    engine = f"{ROOT}[{','.join(wanted)}]" if wanted else str(ROOT)
    pip(python, "install", "--constraint", str(CONSTRAINTS), "--no-build-isolation", "--editable", engine)
    run([str(python), "-m", "fscs_engine", "doctor", "--warm"])  # loops are compiled now, not with the first image
    write_stamp(wanted, STAMP)
    say(f"installed in {time.monotonic() - started:.0f} s")
    return python


def venv_python() -> Path:
    """The Python of the environment, whether it exists or not."""
    return python_in(VENV)


def python_in(environment: Path) -> Path:
    """The Python of an environment, whether it exists or not."""
    return environment / "Scripts" / "python.exe" if os.name == "nt" else environment / "bin" / "python"


def installation_fingerprint() -> str:
    """Changes with whatever decides what is installed: the Python, the pins and the project's own metadata."""
    digest = hashlib.sha256(f"{sys.version}\n{sys.prefix}\n{ROOT}\n".encode())
    for file in (CONSTRAINTS, ROOT / "pyproject.toml", ROOT / "fscs_engine" / "_version.py"):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def installed_extras(fingerprint: str, file: Path) -> set[str] | None:
    """The extras of a finished installation of this fingerprint, or None where there is none."""
    try:
        stamp = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return set(stamp["extras"]) if stamp.get("fingerprint") == fingerprint else None


def write_stamp(extras: Iterable[str], file: Path) -> None:
    """Marks an installation as finished."""
    file.write_text(json.dumps({"fingerprint": installation_fingerprint(), "extras": [*extras]}), encoding="utf-8")


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


def test_environment() -> dict[str, str]:
    """The environment for checks: what runs at once shares the cores, so each has one thread."""
    return {"OMP_NUM_THREADS": "1", **child_environment()}


if __name__ == "__main__":
    sys.exit(main())
