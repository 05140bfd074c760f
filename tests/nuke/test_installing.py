"""Install Engine, Locate Engine and Check, with real environments and a real pip; only the packages are small."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from plug_in import module

pytestmark = pytest.mark.slow


@pytest.fixture
def node(host, plugin: Path):
    import nuke

    nuke.pluginAddPath(str(plugin))
    return nuke.createNode("SoftColorSegment")


@pytest.fixture
def package(package: Path, write_wheel, tmp_path: Path) -> Path:
    """The plug-in with a small engine in it, whose doctor finds all well."""
    folder = tmp_path / "a plug-in é"
    shutil.copytree(package, folder)
    version = (folder / "softcolor_nuke" / "fscs" / "_version.py").read_text().split('"')[-2]
    doctor = {
        "version": version,
        "python": "3.11",
        "packages": {"torch": "9.9"},
        "devices": [{"device": "cpu", "name": ""}],
        "problems": [],
    }
    files = {"fscs_engine/__init__.py": "", "fscs_engine/__main__.py": f"print({json.dumps(doctor)!r})"}
    write_wheel(folder / "engine_wheel", "fscs_engine", version, files, "torch")
    (folder / "engine_wheel" / "constraints.txt").write_text("torch==9.9\n", encoding="utf-8")
    return folder


@pytest.fixture
def wheels(write_wheel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels, which pip is to look at and nowhere else."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    return write_wheel(tmp_path / "wheels é", "torch", "9.9", {"torch.py": ""}).parent


def answers(host, wheels: Path) -> None:
    """What an artist answers: another Python, this one, packages from a folder, that folder, the usual place."""
    host.answers += [len(module("installing").pythons()), sys.executable, 2, str(wheels), 0]


def environments() -> list[Path]:
    folder = module("installing").install.data_folder()
    return [path for path in folder.glob("engine-*") if path.is_dir()]


def test_the_engine_is_installed_and_used(node, host, wheels: Path, tmp_path: Path) -> None:
    engine = module("engine")
    engine.prefer(sys.executable)  # an older choice, which would be in the way
    answers(host, wheels)
    module("buttons").install_engine(node)
    assert host.messages[-1] == ("message", "Soft Color Segment: the engine is installed.")
    (environment,) = environments()
    assert environment in engine.python_path().parents
    assert environment.is_relative_to(tmp_path / "home")
    (task,) = host.tasks
    assert len(set(task._messages)) > 2 and task._percent == sorted(task._percent)
    module("buttons").show_log(node)
    assert "Successfully installed fscs" in host.messages[-1][1]


def test_a_chosen_variable_is_said_to_win(node, host, wheels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FSCS_PYTHON", sys.executable)
    answers(host, wheels)
    module("buttons").install_engine(node)
    assert "FSCS_PYTHON names another one" in host.messages[-1][1]


INDEX = "https://studio/simple"


@pytest.mark.parametrize(
    ("ways", "cpu_only", "source", "place"),
    [
        ((0, 0), True, "", ""),
        ((1, 0), False, "", ""),
        ((3, INDEX, 0), True, INDEX, ""),
        ((4, INDEX, 1, "/fast disk"), False, INDEX, "/fast disk"),
    ],
)
def test_what_is_installed_from_where_is_chosen(
    node, host, monkeypatch, ways: tuple[object, ...], cpu_only: bool, source: str, place: str
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(module("installing"), "run", lambda plan, *_: asked.append(plan) or Path(sys.executable))
    monkeypatch.setenv("FSCS_PYTHON", sys.executable)
    host.answers += [len(module("installing").pythons()), sys.executable, *ways]
    module("buttons").install_engine(node)
    (plan,) = asked
    assert (plan.cpu_only, plan.source, plan.place, plan.pythons) == (cpu_only, source, place, (sys.executable,))
    assert host.messages[-1] == ("message", "Soft Color Segment: the engine is installed.")


def test_cancel_leaves_nothing(node, host, wheels: Path) -> None:
    host.cancel_progress = lambda task: bool(environments())
    answers(host, wheels)
    said = len(host.messages)
    module("buttons").install_engine(node)
    assert environments() == []
    assert [kind for kind, _ in host.messages[said:]] == ["choice", "getFilename", "choice", "getFilename", "choice"]
    with pytest.raises(module("fscs.protocol").WorkerError, match="Install Engine"):
        module("engine").python_path()


def test_what_pip_can_not_find_is_said_with_the_log(node, host, wheels: Path) -> None:
    (wheels / "torch-9.9-py3-none-any.whl").unlink()
    answers(host, wheels)
    module("buttons").install_engine(node)
    said = host.messages[-1][1]
    assert "PyTorch can't be installed" in said and "install.log" in said
    assert environments() == []


def test_a_python_that_is_too_old_is_refused(node, host, wheels: Path, tmp_path: Path) -> None:
    old = tmp_path / "python3.8"
    old.write_text("#!/bin/sh\necho 3.8\n")
    old.chmod(0o755)
    host.answers += [len(module("installing").pythons()), str(old), 2, str(wheels), 0]
    module("buttons").install_engine(node)
    assert "too old" in host.messages[-1][1] and "3.11" in host.messages[-1][1]


def test_a_plug_in_without_the_engine_says_so(node, host, package: Path) -> None:
    shutil.rmtree(package / "engine_wheel")
    host.answers += [len(module("installing").pythons()), sys.executable, 0, 0]
    module("buttons").install_engine(node)
    assert "comes without the engine" in host.messages[-1][1]


def test_a_closed_window_changes_nothing(node, host) -> None:
    python = [len(module("installing").pythons()), sys.executable]
    closed = ([None], [*python, None], [*python, 3, ""], [*python, 0, None], [*python, 0, 1, None])
    for given in (*closed, [python[0], None]):
        host.answers += given
        module("buttons").install_engine(node)
        assert not host.answers and host.messages[-1][0] in ("choice", "getFilename", "getInput")


def test_check_says_what_there_is(node, host, engine_python: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    buttons = module("buttons")
    buttons.check(node)
    assert "Install Engine" in host.messages[-1][1]
    monkeypatch.setenv("FSCS_PYTHON", str(engine_python))
    buttons.check(node)
    kind, said = host.messages[-1]
    assert kind == "message" and "everything works" in said and "PyTorch" in said and "any-palette" in said
    assert node["versions"].value().startswith("Plug-in ") and str(engine_python) in node["versions"].value()


def test_check_of_a_python_without_the_engine(node, host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')
    bare.chmod(0o755)
    monkeypatch.setenv("FSCS_PYTHON", str(bare))
    module("buttons").check(node)
    assert "has no engine" in host.messages[-1][1] and "Install Engine" in host.messages[-1][1]


def test_locate_keeps_the_choice(node, host, engine_python: Path) -> None:
    host.answers.append(str(engine_python.parents[1]))  # the environment's folder will do
    module("buttons").locate_engine(node)
    assert module("engine").python_path().parent == engine_python.parent
    assert node["versions"].value().startswith("Engine ")
    host.answers.append(str(engine_python.parents[3]))
    module("buttons").locate_engine(node)
    assert "there is no Python" in host.messages[-1][1]
