"""A full Blender, with the built extension installed by command as an artist would do it, and a screen for its window.

FSCS_BLENDER is the command of such a Blender, ``blender`` without it, and FSCS_XVFB that of Xvfb, an X server that
shows its screen to nobody. What they start has to see the folder for temporary files and the engine that FSCS_PYTHON
names.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

HERE = Path(__file__).resolve().parent
LIMIT = 240.0
SCREEN = (1600, 1000)


@dataclass(frozen=True)
class FullBlender:
    """A Blender with the extension.

    Attributes:
        command: that starts it.
        folder: where it works; whatever belongs to a user is in it, too.
        engine: the Python that has the engine.
    """

    command: tuple[str, ...]
    folder: Path
    engine: str

    def run(
        self, *arguments: object, variables: Mapping[str, str] | None = None, timeout: float = LIMIT
    ) -> tuple[int, str]:
        """Runs it in its folder. Returns its status and all it said."""
        ended = subprocess.run(
            [*self.command, *map(str, arguments)],
            cwd=self.folder,
            env=self.environment() | dict(variables or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
        return ended.returncode, ended.stdout

    def shell(self, line: str) -> tuple[int, str]:
        """Runs a command line of the documentation, which begins with ``blender``."""
        first, *arguments = shlex.split(line)
        assert first == "blender", line
        return self.run(*arguments)

    def environment(self) -> dict[str, str]:
        """What it is started with."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "BLENDER"))}
        return inherited | {
            "BLENDER_USER_RESOURCES": str(self.folder / "user"),
            "XDG_DATA_HOME": str(self.folder / "data"),
            "FSCS_PYTHON": self.engine,
        }


@pytest.fixture(scope="session")
def readme() -> str:
    """The documentation that artists read."""
    return (HERE.parents[2] / "docs" / "blender.md").read_text(encoding="utf-8")


def told(readme: str, pattern: str) -> str:
    """The one command line of the documentation that a pattern is found in."""
    lines = [line for line in readme.splitlines() if line.startswith("blender ") and re.search(pattern, line)]
    assert len(lines) == 1, lines
    return lines[0]


@pytest.fixture(scope="session")
def command_line(readme: str) -> Callable[[str], str]:
    """Finds a command line of the documentation by a pattern; its shot has three frames here."""
    return lambda pattern: told(readme, pattern).replace("1-100", "1-3")


@pytest.fixture(scope="session")
def full_blender(engine_python: str, build_door: ModuleType, readme: str) -> Iterator[FullBlender]:
    """A full Blender whose user never did anything but install the extension."""
    command = tuple(shlex.split(os.environ.get("FSCS_BLENDER") or "blender"))
    if shutil.which(command[0]) is None:
        pytest.skip("no full Blender here: FSCS_BLENDER names the command of one")
    # Not pytest's folder: a Blender in a container may keep it mounted, which pytest trips over.
    folder = Path(tempfile.mkdtemp(prefix="scs-full-"))
    try:
        blender = FullBlender(command, folder, engine_python)
        extension = _built(build_door, folder / "dist")
        install = told(readme, "extension install-file").replace("soft_color_segment-VERSION.zip", str(extension))
        for line in (f"blender --command extension validate {extension}", install):
            status, said = blender.shell(line)
            assert status == 0, said
        yield blender
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _built(build_door: ModuleType, dist: Path) -> Path:
    """The extension's zip, with an empty file for the engine's wheel: the engine is that of the tests."""
    dist.mkdir()
    wheel = dist / "fscs_engine-0.1.0-py3-none-any.whl"
    wheel.touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build_door, "DIST", dist)
        return build_door.build_extension(wheel)


@dataclass(frozen=True)
class Screen:
    """A screen that nobody sees.

    Attributes:
        display: its name for DISPLAY.
        pixels: the file that always holds its pixels, in the form of X window dumps.
    """

    display: str
    pixels: Path


@contextmanager
def _screen(command: list[str], folder: Path) -> Iterator[Screen]:
    """Starts Xvfb and ends it."""
    folder.mkdir()
    reading, writing = os.pipe()
    size = "x".join(map(str, (*SCREEN, 24)))
    # No mouse pointer: it would be the X server's own cross, in the middle of every picture.
    options = ["-displayfd", str(writing), "-screen", "0", size, "-fbdir", str(folder), "-nocursor"]
    log = folder / "log.txt"
    with log.open("wb") as file:
        server = subprocess.Popen([*command, *options], pass_fds=[writing], stdout=file, stderr=file)
    os.close(writing)
    try:
        with os.fdopen(reading) as numbers:
            number = numbers.readline().strip()  # it comes when the screen is ready, or nothing when there is none
        assert number, log.read_text(errors="replace")
        yield Screen(f":{number}", folder / "Xvfb_screen0")
    finally:
        server.terminate()
        server.wait(timeout=30)


@pytest.fixture(scope="session")
def screen(full_blender: FullBlender) -> Iterator[Screen]:
    """A screen for Blender's window."""
    command = shlex.split(os.environ.get("FSCS_XVFB") or "Xvfb")
    if shutil.which(command[0]) is None:
        pytest.skip("no screen for Blender's window here: FSCS_XVFB names the command of Xvfb")
    with _screen(command, full_blender.folder / "screen") as shown:
        yield shown
