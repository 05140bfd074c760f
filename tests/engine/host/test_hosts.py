"""The client, copied elsewhere, in every Python that hosts have."""

from __future__ import annotations

import ast
import os
import subprocess
from pathlib import Path

import pytest

from fscs_engine import host

HERE = Path(__file__).resolve().parent
COPIED = ("__init__.py", "protocol.py", "pictures.py", "client.py")
VERSIONS = ("3.9", "3.10", "3.11", "3.12", "3.13")


@pytest.mark.timeout(120)
@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("version", VERSIONS)
def test_client_in_a_host(host_pythons, engine_python, temporary, tmp_path, version):
    if version not in host_pythons:
        pytest.skip(f"no Python {version} here")
    package = tmp_path / "add-ons é" / "hostpackage"
    package.mkdir(parents=True)
    for name in COPIED:
        (package / name).write_bytes((Path(host.__file__).parent / name).read_bytes())
    found = subprocess.run(
        [host_pythons[version], "-I", "-S", "-W", "error", HERE / "host.py", package.parent, engine_python, tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (found.returncode, found.stdout, found.stderr) == (0, "done\n", "")
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("name", COPIED)
def test_copied_files_are_python_39(name):
    source = (Path(host.__file__).parent / name).read_text(encoding="utf-8")
    tree = ast.parse(source, feature_version=(3, 9))
    imported = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level]
    assert all(node.level == 1 for node in imported), "nothing above the folder"
