"""What all tests share."""

from __future__ import annotations

import importlib.util
import os
import signal
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent

settings.register_profile("fscs", deadline=None, print_blob=True)
settings.load_profile("fscs")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Lists what was skipped, one line for each kind: how many tests, and what they need."""
    skipped = terminalreporter.stats.get("skipped", [])
    kinds = Counter(report.longrepr[2].removeprefix("Skipped: ") for report in skipped)
    if kinds:
        terminalreporter.section("skipped tests, and what they need")
    for kind, count in kinds.most_common():
        terminalreporter.write_line(f"{count:4}  {kind}")
    if any("FSCS_SHARED" in kind for kind in kinds):
        terminalreporter.write_line("FSCS_SHARED names a folder of your own, which is ../shared otherwise.")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder for data that can't be part of the project: FSCS_SHARED, else ``../shared``; there may be none."""
    return Path(os.environ.get("FSCS_SHARED") or ROOT.parent / "shared")


@pytest.fixture(scope="session")
def kodak_images(shared: Path) -> Path:
    """The folder of the 24 Kodak images, kodim01.png to kodim24.png. Skips where they are not."""
    folder = shared / "data" / "eval" / "kodak"
    if len(list(folder.glob("kodim*.png"))) < 24:
        pytest.skip("the Kodak images: put kodim01.png to kodim24.png into $FSCS_SHARED/data/eval/kodak")
    return folder


@pytest.fixture(scope="session")
def released_files(shared: Path) -> Path:
    """The folder of the weights that the paper's authors released. Skips where they are not."""
    folder = shared / "peers" / "fscs_official"
    if not folder.is_dir():
        files = "mask_generator.pth and residue_predictor.pth"
        pytest.skip(f"the weights that the paper's authors released: put {files} into $FSCS_SHARED/peers/fscs_official")
    return folder


@pytest.fixture(scope="session")
def hear_ctrl_c() -> Callable[[], object]:
    """A ``preexec_fn``: a shell that starts its jobs in the background lets them ignore Ctrl-C."""
    return lambda: signal.signal(signal.SIGINT, signal.default_int_handler)


def load(name: str, file: Path) -> ModuleType:
    """A module that is not on the path."""
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def build_door() -> ModuleType:
    """The module ``build.py``."""
    return load("build_door", ROOT / "build.py")


@pytest.fixture
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A headless browser, see ``browser.py``. Skips where there is none."""
    module = load("browser", ROOT / "tests" / "browser.py")
    program = module.find()
    if program is None:
        pytest.skip("a browser for the pages of --report: apt-get install chromium, or have Chrome on PATH")
    with module.Browser(program, tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@pytest.fixture(scope="session")
def host_pythons(build_door: ModuleType) -> dict[str, str]:
    """A CPython of each version that hosts may have inside and that is installed, by version."""
    return {version: str(python) for version, python in build_door.host_pythons().items()}


@pytest.fixture(scope="session")
def nuke_torch(build_door: ModuleType) -> Callable[[str], str]:
    """A function that gives a Python with a PyTorch as it is inside Nuke, by its version, and skips where none is."""
    found = build_door.torch_pythons()

    def python(version: str) -> str:
        if version not in found:
            pytest.skip(
                f"PyTorch {version}: `python build.py test --all` installs it where it finds Python 3.9 or 3.10"
            )
        return str(found[version])

    return python


@pytest.fixture(scope="session")
def write_wheel() -> Callable[..., Path]:
    """Writes a wheel of a few files into a folder."""

    def write(folder: Path, name: str, version: str, files: dict[str, str], requires: str = "") -> Path:
        folder.mkdir(exist_ok=True)
        path = folder / f"{name}-{version}-py3-none-any.whl"
        info = f"{name}-{version}.dist-info"
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        with zipfile.ZipFile(path, "w") as archive:
            for file, content in files.items():
                archive.writestr(file, content)
            archive.writestr(f"{info}/METADATA", metadata + (f"Requires-Dist: {requires}\n" if requires else ""))
            archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            archive.writestr(f"{info}/RECORD", "")
        return path

    return write
