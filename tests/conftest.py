"""What all tests share."""

from __future__ import annotations

import importlib.util
import os
import signal
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent

settings.register_profile("fscs", deadline=None, print_blob=True)
settings.load_profile("fscs")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared data: FSCS_SHARED, else ``../shared``. Skips where there is none."""
    folder = Path(os.environ.get("FSCS_SHARED") or ROOT.parent / "shared")
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder}; set FSCS_SHARED to its folder")
    return folder


@pytest.fixture(scope="session")
def hear_ctrl_c() -> Callable[[], object]:
    """A ``preexec_fn``: a shell that starts its jobs in the background lets them ignore Ctrl-C."""
    return lambda: signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def build_door() -> ModuleType:
    """The module ``build.py``."""
    spec = importlib.util.spec_from_file_location("build_door", ROOT / "build.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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
            pytest.skip(f"no PyTorch {version}: `python build.py test` installs it where it finds Python 3.9 or 3.10")
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
