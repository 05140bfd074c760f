"""What the tests of the Blender add-on share: real Blenders as Python modules, and the built add-on in each.

``build.py test`` installs one module, ``build.py test --all`` all of them; FSCS_BPY_ENVIRONMENTS names a folder with
environments of one's own. A test that asks for ``blender`` runs once in every version, and in a full Blender that
FSCS_BLENDER names, and is slow in all but one.
"""

from __future__ import annotations

import importlib
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
ADDON = "soft_color_segment"
MARK = "RESULT "
FULL = "full"
VERSIONS = (*(pytest.param(other, marks=pytest.mark.slow) for other in ("4.2", "4.5", FULL)), "5.0")


@dataclass(frozen=True)
class Run:
    """How a script ended.

    Attributes:
        status: of the process.
        out: what it printed.
        err: what it complained about.
        result: what it handed to ``report``; None if nothing.
    """

    status: int
    out: str
    err: str
    result: Any

    def __str__(self) -> str:
        return f"status {self.status}\n--- out\n{self.out}\n--- err\n{self.err}"


@dataclass(frozen=True)
class Blender:
    """A version of Blender with the add-on.

    Attributes:
        version: "4.2", "4.5", "5.0" or "full".
        command: of what runs a script with its ``bpy``, and what stands between the script and its arguments.
        addon: the folder that the add-on's package lies in.
        home: a folder of this test's own for everything that belongs to a user.
        engine: the Python that has the engine.
    """

    version: str
    command: tuple[tuple[str, ...], tuple[str, ...]]
    addon: Path
    home: Path
    engine: str

    @property
    def python(self) -> Path:
        """The Python with its ``bpy``. A full Blender is none, and the test is skipped."""
        if self.version == FULL:
            pytest.skip("a full Blender is no Python")
        return Path(self.command[0][0])

    def run(
        self,
        script: Path | str,
        *arguments: object,
        timeout: float = 240.0,
        variables: Mapping[str, str | None] | None = None,
        check: bool = True,
    ) -> Run:
        """Runs a script with the add-on registered, in a process of its own; see ``drive.py``.

        Args:
            script: a file, or the name of one in ``scripts/``, or Python source of more than one line.
            *arguments: the script finds them in ``sys.argv[1:]``.
            timeout: seconds that it may take.
            variables: environment variables to set, or with None to leave out.
            check: fails the test if the script does not end with 0.
        """
        return self.start(HERE / "drive.py", (self._file(script), *arguments), timeout, variables, check)

    def run_plain(self, script: Path | str, *arguments: object, timeout: float = 240.0, check: bool = True) -> Run:
        """Runs a script that finds no add-on; it has to end itself by ``os._exit``."""
        return self.start(self._file(script), arguments, timeout, {"SCS_ADDON_FOLDER": None}, check)

    def start(
        self,
        script: Path,
        arguments: tuple[object, ...],
        timeout: float,
        variables: Mapping[str, str | None] | None,
        check: bool,
    ) -> Run:
        """Runs a script in this version."""
        begin, between = self.command
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "BLENDER"))}
        environment |= {
            "HOME": str(self.home),
            "XDG_DATA_HOME": str(self.home / "data"),
            "BLENDER_USER_RESOURCES": str(self.home / "blender"),
            "SCS_ADDON_FOLDER": str(self.addon),
            "FSCS_PYTHON": self.engine,
        }
        for name, value in (variables or {}).items():
            environment.pop(name, None)
            if value is not None:
                environment[name] = value
        try:
            ended = subprocess.run(
                [*begin, str(script), *between, *map(str, arguments)],
                cwd=self.home,
                env=environment,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            out = (error.stdout or b"").decode(errors="replace")
            err = (error.stderr or b"").decode(errors="replace")
            pytest.fail(f"Blender {self.version} took more than {timeout:g} s\n--- out\n{out}\n--- err\n{err}")
        marked = [line.removeprefix(MARK) for line in ended.stdout.splitlines() if line.startswith(MARK)]
        run = Run(ended.returncode, ended.stdout, ended.stderr, json.loads(marked[-1]) if marked else None)
        if check and run.status:
            pytest.fail(f"in Blender {self.version}: {run}")
        return run

    def _file(self, script: Path | str) -> Path:
        if isinstance(script, str) and "\n" in script:
            file = self.home / "script.py"
            file.write_text(script, encoding="utf-8")
            return file
        return HERE / "scripts" / script  # a whole path stays what it is


@pytest.fixture(params=VERSIONS)
def blender(request: pytest.FixtureRequest, build_door: ModuleType, addon: Path, tmp_path: Path) -> Iterator[Blender]:
    """Each version of Blender in turn, with the built add-on and the engine."""
    environments = build_door.bpy_environments()
    command: tuple[tuple[str, ...], tuple[str, ...]]
    if request.param == FULL:
        full = shlex.split(os.environ.get("FSCS_BLENDER", ""))
        if not full:
            pytest.skip("a full Blender: FSCS_BLENDER names the command of one")
        command = ((*full, "-b", "--factory-startup", "--python"), ("--",))
    elif request.param in environments:
        command = ((str(build_door.python_in(environments[request.param])),), ())
    else:
        pytest.skip(f"Blender {request.param} as a Python module: `python build.py test --all` installs it")
    home = tmp_path / "home"
    home.mkdir()
    yield Blender(request.param, command, addon, home, request.getfixturevalue("engine_python"))


@pytest.fixture(scope="session")
def photograph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example photograph, 160 x 120."""
    file = tmp_path_factory.mktemp("photograph") / "coffee.png"
    with Image.open(ROOT / "examples" / "coffee.png") as picture:
        picture.convert("RGB").resize((160, 120), Image.Resampling.LANCZOS).save(file)
    return file


@pytest.fixture(scope="session")
def addon(build_door: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the built add-on as a package ``soft_color_segment``, without the engine's wheel."""
    folder = tmp_path_factory.mktemp("addon")
    for name, content in build_door.extension_files(None).items():
        file = folder / ADDON / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return folder


@pytest.fixture(scope="session")
def engine_python() -> str:
    """A Python that has the engine in ``python -I``: FSCS_PYTHON, else the one of the tests."""
    python = os.environ.get("FSCS_PYTHON") or sys.executable
    found = subprocess.run(
        [python, "-I", "-c", "import fscs_engine, torch"], capture_output=True, text=True, check=False
    )
    if found.returncode:
        pytest.skip(f"{python} has no engine; set FSCS_PYTHON to a Python that has it")
    return python


@pytest.fixture
def without_blender(addon: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Loads a module of the add-on that knows nothing of Blender, without the add-on's ``__init__``."""
    package = ModuleType(ADDON)
    package.__path__ = [str(addon / ADDON)]
    for name in [name for name in sys.modules if name.split(".")[0] == ADDON]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, ADDON, package)
    return lambda name: importlib.import_module(f"{ADDON}.{name}")
