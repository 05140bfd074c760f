from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

from fscs_engine import __version__

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PINS = dict(
    line.split("==") for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines() if "==" in line
)


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def name_of(requirement: str) -> str:
    return canonical(re.match(r"[A-Za-z0-9._-]+", requirement)[0])


@pytest.fixture
def build(tmp_path, monkeypatch):
    """The module build.py, whose environment and outputs are in the test's folder."""
    spec = importlib.util.spec_from_file_location("build_door", ROOT / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "VENV", tmp_path / "venv")
    monkeypatch.setattr(module, "STAMP", tmp_path / "venv" / "installed.json")
    monkeypatch.setattr(module, "DIST", tmp_path / "dist")
    monkeypatch.setattr(module, "DEMO_OUTPUT", tmp_path / "demo_output")
    return module


@pytest.fixture
def commands(build, monkeypatch):
    """What build.py runs, recorded instead of run; a venv gets a Python as the real one does."""
    ran = []

    def record(command):
        ran.append([str(part) for part in command])
        if "venv" in ran[-1]:
            build.venv_python().parent.mkdir(parents=True, exist_ok=True)
            build.venv_python().touch()

    monkeypatch.setattr(build, "run", record)
    return ran


def installs(commands):
    return [command for command in commands if "--editable" in command]


def test_it_needs_nothing_but_the_standard_library():
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import build; print(build.ROOT)"
    run = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False)
    assert run.stdout.strip() == str(ROOT), run.stderr


def test_first_installation_makes_the_environment_and_uses_the_pins(build, commands):
    python = build.install(["test"])
    assert python == build.venv_python()
    assert commands[0][1:] == ["-m", "venv", "--clear", str(build.VENV)]
    (command,) = installs(commands)
    assert command[-1] == f"{ROOT}[test]"
    assert all(str(ROOT / "constraints.txt") in command for command in commands[1:-1])
    assert commands[-1] == [str(python), "-m", "fscs_engine", "doctor", "--warm"]


def test_second_installation_does_nothing(build, commands):
    build.install(["test"])
    commands.clear()
    build.install(["test"])
    build.install()
    assert commands == []


def test_more_extras_are_added_to_those_there(build, commands):
    build.install(["test"])
    commands.clear()
    build.install(["train"])
    assert [command[-1] for command in installs(commands)] == [f"{ROOT}[test,train]"]
    assert not any("venv" in command for command in commands)


def test_a_changed_project_or_half_made_environment_is_made_anew(build, commands, monkeypatch):
    build.install()
    monkeypatch.setattr(build, "installation_fingerprint", lambda: "another")
    commands.clear()
    build.install()
    assert "--clear" in commands[0]
    build.STAMP.write_text("{")
    commands.clear()
    build.install()
    assert "--clear" in commands[0]
    build.venv_python().unlink()
    commands.clear()
    build.install()
    assert "--clear" in commands[0]


def test_a_failed_installation_is_not_taken_for_a_good_one(build, commands, monkeypatch):
    def broken(*_arguments):
        raise build.BuildError("no network")

    with monkeypatch.context() as patch:
        patch.setattr(build, "pip", broken)
        with pytest.raises(build.BuildError):
            build.install()
    commands.clear()
    build.install()
    assert installs(commands)


def test_the_fingerprint_follows_the_pins(build, tmp_path, monkeypatch):
    before = build.installation_fingerprint()
    assert before == build.installation_fingerprint()
    pins = tmp_path / "constraints.txt"
    pins.write_text("torch==0.0.1\n")
    monkeypatch.setattr(build, "CONSTRAINTS", pins)
    assert build.installation_fingerprint() != before


def test_a_failing_command_is_an_error_of_one_line(build, monkeypatch, capsys):
    with pytest.raises(build.BuildError, match="ended with code 3"):
        build.run([sys.executable, "-c", "raise SystemExit(3)"])
    with pytest.raises(build.BuildError, match="can't be run"):
        build.run([str(build.VENV / "missing")])
    with pytest.raises(KeyboardInterrupt):
        build.run([sys.executable, "-c", "raise SystemExit(130)"])
    monkeypatch.setattr(build, "install", lambda *_: build.run([sys.executable, "-c", "raise SystemExit(3)"]))
    assert build.main(["demo"]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1
    monkeypatch.setattr(build, "install", lambda *_: build.run([sys.executable, "-c", "raise SystemExit(130)"]))
    assert build.main(["demo"]) == 130


def test_an_old_python_is_told_so(build, monkeypatch, capsys):
    monkeypatch.setattr(build, "OLDEST_PYTHON", (99, 0))
    assert build.main(["demo"]) == 1
    assert "run build.py with Python 3.11" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["tset"], ["demo", "--all"]])
def test_usage_errors(build, arguments):
    with pytest.raises(SystemExit) as ended:
        build.main(arguments)
    assert ended.value.code == 2


def test_children_do_not_inherit_other_packages(build, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    monkeypatch.setenv("FSCS_SHARED", "/data")
    assert "PYTHONPATH" not in build.child_environment()
    assert build.child_environment()["FSCS_SHARED"] == "/data"


@pytest.fixture
def checks(build, monkeypatch):
    """What `test` installs and runs, recorded; ruff finds something."""
    ran, installed = [], []

    def child(command, **options):
        ran.append(command)
        assert options["env"]["OMP_NUM_THREADS"]
        return subprocess.CompletedProcess(command, 1 if "check" in command else 0, "what it found")

    monkeypatch.setattr(build, "install", lambda _extras: Path(sys.executable))
    monkeypatch.setattr(build, "install_bpy", lambda versions: installed.extend(versions))
    monkeypatch.setattr(build, "install_torch", lambda: installed.append("torch"))
    monkeypatch.setattr(build, "install_engines", lambda: installed.append("engines"))
    monkeypatch.setattr(build, "engine_pythons", lambda: {"3.13": Path("/opt/engine/python")})
    monkeypatch.setattr(build, "host_pythons", lambda: {"3.9": Path("/opt/python3.9")})
    monkeypatch.setattr(build.subprocess, "run", child)
    return ran, installed


def test_the_quick_test_runs_all_checks_even_when_one_fails(build, checks, capsys):
    ran, installed = checks
    assert build.main(["test"]) == 1
    out, err = capsys.readouterr()
    assert err == "build.py: error: ruff check failed, see above\n"
    tests = [command for command in ran if command[2] == "pytest"]  # the rest runs beside them
    assert [command[2] for command in ran if command not in tests] == ["ruff", "ruff", "mypy"]
    assert [command[-2:] for command in tests] == [["-m", "not slow"]]
    assert "ruff check: what it found" in out
    assert installed == [build.QUICK_BLENDER]
    assert "the Pythons 3.9 (/opt/python3.9); not found: 3.10, 3.11, 3.12, 3.13" in out


def test_the_whole_test_leaves_nothing_out(build, checks):
    ran, installed = checks
    assert build.main(["test", "--all"]) == 1
    whole, engine = (command for command in ran if command[2] == "pytest")
    assert [command[2] for command in ran if command not in (whole, engine)] == ["ruff", "ruff", "mypy"]
    assert "not slow" not in whole
    assert (engine[0], engine[-1]) == ("/opt/engine/python", "tests/engine")
    assert sorted(installed) == [*build.BPY_VERSIONS, "engines", "torch"]


def python_of(folder, version, *, name="cpython", status=0):
    """A command that answers like a Python."""
    file = folder / f"python{version}"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\necho {name} {version} {file}\nexit {status}\n")
    file.chmod(0o755)
    return file


@pytest.mark.skipif(os.name != "posix", reason="the commands are scripts of a shell")
def test_pythons_are_found_by_what_they_answer(build, monkeypatch, tmp_path):
    for version in ("3.9", "3.10"):
        (tmp_path / "pyenv" / "versions" / f"{version}.1" / "bin").mkdir(parents=True)
    pyenv = python_of(tmp_path / "p", "3.9")
    (tmp_path / "pyenv" / "versions" / "3.9.1" / "bin" / "python").symlink_to(pyenv)
    python_of(tmp_path / "path", "3.9", status=127)  # what pyenv puts there
    python_of(tmp_path / "path", "3.12", name="pypy")
    ours = python_of(tmp_path / "path", "3.13")
    named = python_of(tmp_path / "named", "3.10")
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    monkeypatch.setenv(build.HOST_VARIABLE, f"{tmp_path / 'nowhere'}{os.pathsep}{named}")
    this = "3.11" if sys.version_info[:2] == (3, 11) else None
    found = build.host_pythons()
    assert {version: python for version, python in found.items() if version != this} == {
        "3.9": pyenv,
        "3.10": named,
        "3.13": ours,
    }


@pytest.fixture
def torches(build, monkeypatch, tmp_path):
    """The Pythons of environments that are made, with the PyTorch that pip was told to put there."""
    monkeypatch.delenv(build.TORCH_VARIABLE, raising=False)
    monkeypatch.setattr(build, "TORCH_ENVIRONMENTS", tmp_path / "torch")
    made = {}

    def answer(python, _code):
        return next((made[folder] for folder in made if build.python_in(folder) == Path(python)), "")

    def make(folder, python, *_installs, torch):
        made[folder] = torch
        made[folder / "of"] = python
        build.python_in(folder).parent.mkdir(parents=True)
        build.python_in(folder).touch()

    monkeypatch.setattr(build, "answer", answer)
    monkeypatch.setattr(build, "make_environment", make)
    return made


def test_the_libraries_inside_nuke_are_installed_once_each_in_its_python(build, torches, monkeypatch, capsys):
    monkeypatch.setattr(build, "host_pythons", lambda: {"3.9": Path("/9"), "3.10": Path("/10"), "3.13": Path("/13")})
    assert build.torch_pythons() == {}
    build.install_torch()
    folder = build.TORCH_ENVIRONMENTS
    assert torches[folder / "1.12.1" / "of"] == Path("/9")
    assert torches[folder / "2.1.1" / "of"] == Path("/10")
    assert build.torch_pythons() == {one: build.python_in(folder / one) for one in ("1.12.1", "2.1.1")}
    assert capsys.readouterr().out.count("installing PyTorch") == 2
    torches.pop(folder / "1.12.1" / "of")
    build.install_torch()
    assert folder / "1.12.1" / "of" not in torches


def test_an_old_torch_is_installed_last_and_alone(build, commands, tmp_path):
    folder = tmp_path / "torch" / "2.1.1"
    build.make_environment(folder, Path(sys.executable), ["numpy<2"], torch="2.1.1")
    pips = [command[command.index("install") :] for command in commands if "pip" in command]
    assert pips[0] == ["install", "numpy<2"]
    assert all("linux" in package for package in pips[1][1:])
    assert pips[2] == ["install", "--no-deps", "torch==2.1.1"]
    assert commands[-1][-1] == "import torch"


def test_an_environment_that_broke_off_is_not_taken_for_a_good_one(build, monkeypatch, tmp_path):
    folder = tmp_path / "torch" / "2.1.1"
    python = build.python_in(folder)

    def broken(command):
        python.parent.mkdir(parents=True, exist_ok=True)
        python.touch()
        if "pip" in command:
            raise build.BuildError("no network")

    with monkeypatch.context() as patch:
        patch.setattr(build, "run", broken)
        with pytest.raises(build.BuildError):
            build.make_environment(folder, Path(sys.executable), ["numpy<2"])
    assert not build.ready(folder)
    monkeypatch.setattr(build, "run", lambda _command: None)
    build.make_environment(folder, Path(sys.executable), ["numpy<2"])
    assert build.ready(folder)


def test_the_engine_is_installed_once_for_every_other_python(build, commands, monkeypatch, tmp_path):
    monkeypatch.setattr(build, "ENGINE_ENVIRONMENTS", tmp_path / "engine")
    monkeypatch.setattr(build, "host_pythons", lambda: {"3.9": Path("/9"), "3.12": Path("/12")})

    def made(folder, python, *installs, torch):
        commands.append([folder.name, str(python), torch, *installs[0]])
        build.python_in(folder).parent.mkdir(parents=True)
        build.python_in(folder).touch()

    monkeypatch.setattr(build, "make_environment", made)
    build.install_engines()
    ((version, python, torch, *pins),) = commands
    assert (version, python, torch) == ("3.12", "/12", PINS["torch"])
    assert f"numpy=={PINS['numpy']}" in pins
    assert not any(pin.startswith("torch") for pin in pins)
    assert build.engine_pythons() == {"3.12": build.python_in(tmp_path / "engine" / "3.12")}
    commands.clear()
    build.install_engines()
    assert commands == []
    assert PINS["torch"] in build.CUDA_RUNTIMES


def test_without_an_old_python_the_libraries_inside_nuke_are_left_out(build, torches, monkeypatch, capsys):
    monkeypatch.setattr(build, "host_pythons", lambda: {"3.13": Path("/13")})
    build.install_torch()
    assert torches == {}
    assert capsys.readouterr().out.count("needs Python 3.9 or 3.10, and none was found") == 2


def test_named_libraries_must_be_those_inside_nuke(build, torches, monkeypatch):
    torches[Path("/old")] = "1.12.1"
    monkeypatch.setenv(build.TORCH_VARIABLE, str(build.python_in(Path("/old"))))
    assert list(build.torch_pythons()) == ["1.12.1"]
    with pytest.raises(build.BuildError, match=r"names no Python with PyTorch 2\.1\.1$"):
        build.install_torch()


@pytest.fixture
def live(build, monkeypatch, tmp_path):
    """An export for Nuke that is not the shipped one, and a copy of the file that says which is."""
    monkeypatch.setattr(build, "SHIPPED", tmp_path / "shipped.py")
    build.SHIPPED.write_text((ROOT / "fscs_engine" / "networks" / "shipped.py").read_text(encoding="utf-8"))
    monkeypatch.setattr(build, "install", lambda: Path(sys.executable))
    ran = []

    def export(command):
        ran.append(command)
        if "export" in command:
            Path(command[-1]).mkdir(parents=True)
            Path(command[-1], build.LIVE_MODEL).write_bytes(b"another model")

    monkeypatch.setattr(build, "run", export)
    return ran


def test_another_model_for_nuke_is_not_packed_until_the_code_names_it(build, live, tmp_path):
    wheel = tmp_path / "engine.whl"
    wheel.touch()
    before = build.SHIPPED.read_text()
    with pytest.raises(build.BuildError, match=r"if the new one is meant: python build\.py renew"):
        build.build_nuke_plugin(Path(sys.executable), wheel)
    assert not list(build.DIST.glob("*.zip"))
    assert build.main(["renew"]) == 0
    written = [Path(command[-1]).name for command in live]
    assert {"generate_gizmo.py", "generate_examples.py"} <= set(written)
    assert build.live_hashes() == build.hashes_of({build.LIVE_MODEL: b"another model"})
    changed = [line for line in build.SHIPPED.read_text().splitlines() if line not in before.splitlines()]
    assert [line.split()[0] for line in changed][-1] == "LIVE_MODEL"
    assert build.build_nuke_plugin(Path(sys.executable), wheel).is_file()
    build.SHIPPED.write_text("LIVE_MODEL = 1\n")
    with pytest.raises(build.BuildError, match="has no lines"):
        build.renew()


def test_the_help_of_the_extension_shows_no_marks_for_what_is_not_there(build):
    page = build.extension_files(None)["help.html"].decode()
    assert re.findall(r"\]\(|!\[|&lt;(?:!--|img)", page) == []
    for name in build.HELP_DOCUMENTS:
        headings = re.findall(r"^#+ .*", (ROOT / "docs" / name).read_text(encoding="utf-8"), re.MULTILINE)
        assert [heading for heading in headings if heading not in page] == []
    assert "look files of the command line" in page


def test_a_wheel_without_weights_is_refused(build, tmp_path):
    package = ROOT / "fscs_engine"
    files = [*package.glob("**/*.py"), *package.glob("evaluation/*.html"), *package.glob("weights/*")]
    wheel = tmp_path / "engine.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for file in files:
            if file.suffix != ".safetensors":
                archive.writestr(file.relative_to(ROOT).as_posix(), "")
    missing = build.missing_from_wheel(wheel)
    assert "fscs_engine/weights/paper.safetensors" in missing
    assert "fscs_engine/py.typed" in missing
    assert all(name.endswith((".safetensors", "py.typed")) for name in missing)


def test_every_dependency_is_pinned():
    pinned = {canonical(name) for name in PINS}
    extras = PROJECT["project"]["optional-dependencies"].values()
    wanted = [*PROJECT["project"]["dependencies"], *(name for extra in extras for name in extra)]
    assert {name_of(requirement) for requirement in wanted} <= pinned


def test_what_is_installed_is_what_is_pinned():
    present = {canonical(found.metadata["Name"]): found.version for found in metadata.distributions()}
    differing = {
        name: (present[canonical(name)], pin)
        for name, pin in PINS.items()
        if canonical(name) in present and present[canonical(name)].split("+")[0] != pin
    }
    assert differing == {}


def test_other_files_name_the_same_versions(build):
    assert f"\nversion: {__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    assert set(re.findall(r"ruff==([\d.]+)", hooks)) == {PINS["ruff"]}
    assert f'"{build.QUICK_BLENDER}")' in (ROOT / "tests" / "blender" / "conftest.py").read_text(encoding="utf-8")


def test_ci_runs_the_test_command():
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    lines = script.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "#!/usr/bin/env bash"
    assert "set -euo pipefail" in lines
    assert lines[-1] == "exec python build.py test --all"


@pytest.mark.slow
def test_demo(build, monkeypatch, capfd):
    monkeypatch.setattr(build, "install", lambda: Path(sys.executable))
    monkeypatch.setattr(build, "child_environment", lambda: {**os.environ, "PYTHONPATH": str(ROOT)})
    assert build.main(["demo"]) == 0
    made = build.DEMO_OUTPUT
    layers = sorted(path.name for path in (made / "layers").iterdir())
    assert layers == [f"coffee.layer{number}.png" for number in range(1, 8)]
    assert len(json.loads((made / "coffee_palette.json").read_text(encoding="utf-8"))["colors"]) == 7
    out = capfd.readouterr().out
    for path in (made / "coffee.exr", made / "coffee_sheet.png", made / "layers", made / "coffee_palette.json"):
        assert path.exists()
        assert str(path) in out
    assert build.main(["demo"]) == 0  # again, over what is there


@pytest.mark.slow
def test_package(build, monkeypatch):
    for tool in build.BUILD_TOOLS:
        pytest.importorskip(tool, reason=f"{tool} comes with `python build.py package`")
    monkeypatch.setattr(build, "install", lambda: Path(sys.executable))
    assert build.main(["package"]) == 0
    extension, plugin, wheel = sorted(build.DIST.iterdir(), key=lambda path: (path.suffix == ".whl", path.name))
    with zipfile.ZipFile(plugin) as archive:
        names = set(archive.namelist())
        gizmo = (ROOT / "nuke_plugin" / "SoftColorSegment.gizmo").read_bytes()
        assert archive.read("SoftColorSegment.gizmo") == gizmo
        assert archive.read("softcolor_nuke/fscs/key.py") == (ROOT / "fscs_engine" / "host" / "key.py").read_bytes()
        (entry,) = json.loads(archive.read("cat.json"))["cats"]
        model = archive.read(f"live/{build.LIVE_MODEL}")
    assert {entry["filepath"], entry["icon"]} <= names
    assert build.hashes_of({build.LIVE_MODEL: model}) == build.live_hashes()
    assert {"init.py", "menu.py", "softcolor_batch.py", "live/SoftColor_CatFileCreator.nk", "live/make_cat.py"} <= names
    assert not any(name.startswith("generat") for name in names)
    for host in (extension, plugin):
        with zipfile.ZipFile(host) as archive:
            assert archive.read(f"engine_wheel/{wheel.name}") == wheel.read_bytes()
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        entry_points = next(name for name in names if name.endswith("entry_points.txt"))
        assert "fscs = fscs_engine.cli.app:run" in archive.read(entry_points).decode()
    assert "fscs_engine/weights/paper.safetensors" in names
    assert not any(name.startswith(("tests/", "fscs_engine/runs/")) or name.endswith(".pyc") for name in names)
    assert wheel.name.split("-")[1] == __version__
