"""The fake host and the built plug-in that the tests of the Nuke plug-in share."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import fake_nuke  # noqa: E402
import plug_in  # noqa: E402
from evaluator import Evaluator  # noqa: E402

import fscs_engine  # noqa: E402


@pytest.fixture
def host() -> Iterator[fake_nuke.Host]:
    """A fresh Nuke with a window and an empty script, importable as ``nuke``."""
    made = fake_nuke.Host().install()
    before = list(sys.path)
    yield made
    made.remove()
    sys.path[:] = before


@pytest.fixture(scope="session")
def package(build_door: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plug-in's folder as it is installed, without the engine's wheel and the model of mode Live."""
    folder = tmp_path_factory.mktemp("package") / "softcolor"
    for name, content in build_door.nuke_files().items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return folder


@pytest.fixture
def plugin(package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The plug-in's folder, importable for the length of a test, for a user who has no engine yet."""
    monkeypatch.syspath_prepend(str(package))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home" / "data"))
    monkeypatch.delenv("FSCS_PYTHON", raising=False)
    yield package
    if sys.modules.get("softcolor_nuke.engine") is not None:
        plug_in.module("engine").disconnect()
    for name in [name for name in sys.modules if name.split(".")[0] == "softcolor_nuke"]:
        del sys.modules[name]


@pytest.fixture(scope="session")
def engine_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that finds the engine although it runs isolated from environment and folder."""
    folder = tmp_path_factory.mktemp("engine") / "venv"
    venv.create(folder, with_pip=False, symlinks=os.name == "posix")
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    answer = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=True)
    lines = [f"import sys; sys.path.insert(0, {str(Path(fscs_engine.__file__).resolve().parents[1])!r})"]
    for path in sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}):
        lines.append(f"import site; site.addsitedir({path!r})")
    Path(answer.stdout.strip(), "packages.pth").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return python


@pytest.fixture
def with_engine(plugin: Path, engine_python: Path, monkeypatch: pytest.MonkeyPatch, host: fake_nuke.Host) -> Path:
    """The plug-in in a Nuke whose pictures are computed, with the engine to be found."""
    import nuke

    monkeypatch.setenv("FSCS_PYTHON", str(engine_python))
    Evaluator(host)
    host.frame_now = 1001
    nuke.pluginAddPath(str(plugin))
    return plugin


@pytest.fixture
def made(with_engine: Path, host: fake_nuke.Host, tmp_path: Path) -> Any:
    """A node below a Read of two frames, with a place for its files whose name has a blank and an accent."""
    for frame in (1001, 1002):
        plug_in.write_plate(tmp_path / f"plate.{frame}.exr", depth=True)
    cache = (tmp_path / "Ebène 1" / "layers.%04d.exr").as_posix()
    return plug_in.node_over(host, (tmp_path / "plate.%04d.exr").as_posix(), cache)
