"""The released zip in a full Blender: installed by command, its cache filled by command, rendered in batch.

FSCS_BLENDER is the command of a Blender without a window, ``blender -b`` without it; what it starts has to see the
engine that FSCS_PYTHON names. ``scripts/window.py`` takes pictures of the node in Blender's window.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest

HERE = Path(__file__).resolve().parent
LIMIT = 1e-5
NO_PASSES = 3


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder that is not pytest's: a Blender in a container may keep it mounted, which pytest trips over."""
    made = Path(tempfile.mkdtemp(prefix="scs-real-"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="module")
def run(folder, engine_python):
    """Runs Blender without a window in the folder. Returns its status and all it said."""
    command = shlex.split(os.environ.get("FSCS_BLENDER") or "blender -b")
    if shutil.which(command[0]) is None:
        pytest.skip("no full Blender here: FSCS_BLENDER names the command of one, such as `blender -b`")

    def started(*arguments: object) -> tuple[int, str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        environment |= {
            "BLENDER_USER_RESOURCES": str(folder / "user"),
            "XDG_DATA_HOME": str(folder / "data"),
            "FSCS_PYTHON": engine_python,
        }
        ended = subprocess.run(
            [*command, *map(str, arguments)],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=240,
            check=False,
        )
        return ended.returncode, ended.stdout

    return started


@pytest.fixture(scope="module")
def installed(run, folder, build_door):
    """The extension, built and installed as an artist's command line would do it."""
    wheel = folder / "fscs_engine-0.1.0-py3-none-any.whl"
    wheel.touch()
    (folder / "dist").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build_door, "DIST", folder / "dist")
        extension = build_door.build_extension(wheel)
    status, said = run("--command", "extension", "validate", extension)
    assert status == 0, said
    status, said = run("--command", "extension", "install-file", "-r", "user_default", "--enable", extension)
    assert status == 0, said


@pytest.fixture(scope="module")
def shot(run, installed, folder, photograph):
    """The folder with plain.blend and soft.blend, and the renders of the plain one."""
    photo = folder / "photo.png"
    shutil.copyfile(photograph, photo)
    status, said = run("--python-exit-code", "9", "--python", copied("shot.py", folder), "--", photo, folder)
    assert status == 0, said
    status, said = run("plain.blend", "-o", "//plain_####", "-a")
    assert status == 0, said
    return folder


def copied(script: str, folder: Path) -> Path:
    """A script where Blender sees it."""
    return Path(shutil.copy(HERE / "scripts" / script, folder))


def pixels(file: Path) -> np.ndarray:
    image = oiio.ImageBuf(str(file))
    assert not image.has_error, image.geterror()
    return image.get_pixels(oiio.FLOAT)


@pytest.mark.slow
def test_a_shot_in_batch(run, shot):
    status, said = run("soft.blend", "-o", "//early_####", "-f", "1")
    assert status == NO_PASSES, said
    assert "--command soft_color_segment" in said
    assert not (shot / "early_0001.exr").exists()

    status, said = run("soft.blend", "--command", "soft_color_segment", "--frames", "1-3")
    assert status == 0, said
    assert "3 frames computed" in said
    # The command fixed the palette of the shot; what it fixed has to reach the file that is rendered.
    status, said = run("soft.blend", "-o", "//soft_####", "-a")
    assert status == 0, said

    for frame in (1, 2, 3):
        wanted, found = (pixels(shot / f"{name}_{frame:04d}.exr") for name in ("plain", "soft"))
        scale = np.maximum(1.0, np.abs(wanted).max(axis=-1, keepdims=True))
        assert float((np.abs(found - wanted) / scale).max()) <= LIMIT, frame
    one, other = (pixels(shot / f"soft_{frame:04d}.exr") for frame in (1, 3))
    assert float(np.abs(one - other).max()) > 0.05
