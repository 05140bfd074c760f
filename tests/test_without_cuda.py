from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests import without_cuda

pytestmark = pytest.mark.skipif(not (sys.platform == "linux" and shutil.which("ldd")), reason="libraries of Linux")


def libraries(file: Path) -> str:
    """What the loader says that a file needs."""
    return subprocess.run(["ldd", file], capture_output=True, text=True, check=True).stdout


def loading(file: Path) -> str:
    """What goes wrong when a fresh process loads a library."""
    code = f"import ctypes; ctypes.CDLL({str(file)!r})"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False).stderr


@pytest.fixture
def numpy_library(tmp_path):
    """A copy of the library that NumPy computes with, away from the linear algebra that it needs."""
    (found,) = Path(np.__file__).parent.glob("_core/_multiarray_umath*.so")
    return Path(shutil.copy(found, tmp_path))


def test_a_library_loads_without_what_is_left_out(numpy_library, monkeypatch):
    assert "openblas" in libraries(numpy_library)
    assert "openblas" in loading(numpy_library)
    monkeypatch.setattr(without_cuda, "LEFT_OUT", re.compile(rb"lib(scipy_)?openblas"))
    elf, code = without_cuda.patched(numpy_library.read_bytes())
    assert code == (0, 0)
    assert len(elf) == numpy_library.stat().st_size
    assert without_cuda.patched(elf)[0] == elf
    numpy_library.write_bytes(elf)
    assert "openblas" not in libraries(numpy_library)
    assert "libc.so.6" in libraries(numpy_library)
    assert loading(numpy_library) == ""


def test_a_library_that_needs_nothing_of_it_keeps_what_it_needs(numpy_library):
    before = libraries(numpy_library)
    numpy_library.write_bytes(without_cuda.patched(numpy_library.read_bytes())[0])
    assert [line.split(" (")[0] for line in libraries(numpy_library).splitlines()] == [
        line.split(" (")[0] for line in before.splitlines()
    ]
