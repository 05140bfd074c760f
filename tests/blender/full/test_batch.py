"""The released zip in a full Blender without a window: what the documentation tells to type, typed."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest

HERE = Path(__file__).resolve().parent
LIMIT = 1e-5
NO_PASSES = 3
FRAMES = (1, 2, 3)
NOWHERE = {"FSCS_PYTHON": "/nowhere/python"}

pytestmark = pytest.mark.slow


@pytest.fixture
def shot(full_blender, photograph):
    """A folder with plain.blend and shot.blend, and the renders of the plain one, without a cache."""
    folder = full_blender.folder
    if not (folder / "plain_0003.exr").exists():
        shutil.copyfile(photograph, folder / "photo.png")
        script = shutil.copy(HERE / "scripts" / "shot.py", folder)
        status, said = full_blender.run(
            "-b", "--python-exit-code", "9", "--python", script, "--", folder / "photo.png", folder
        )
        assert status == 0, said
        status, said = full_blender.run("-b", "plain.blend", "-o", "//plain_####", "-a")
        assert status == 0, said
    shutil.rmtree(folder / "scs_cache", ignore_errors=True)
    for file in folder.glob("shot_*.exr"):
        file.unlink()
    return folder


def rendered(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.glob("shot_*.exr"))


def pixels(file: Path) -> np.ndarray:
    image = oiio.ImageBuf(str(file))
    assert not image.has_error, image.geterror()
    found = image.get_pixels(oiio.FLOAT)
    assert found is not None
    return found


def check(folder: Path) -> None:
    """Every frame is that of the plain file, and none is another's."""
    found = [pixels(folder / f"shot_{frame:04d}.exr") for frame in FRAMES]
    for frame, own in zip(FRAMES, found, strict=True):
        wanted = pixels(folder / f"plain_{frame:04d}.exr")
        scale = np.maximum(1.0, np.abs(wanted).max(axis=-1, keepdims=True))
        assert float((np.abs(own - wanted) / scale).max()) <= LIMIT, frame
    assert float(np.abs(found[0] - found[2]).max()) > 0.05


def test_filled_by_command_then_rendered(full_blender, shot, command_line) -> None:
    status, said = full_blender.shell(command_line("--command soft_color_segment"))
    assert status == 0, said
    assert "3 frames computed" in said
    # The palette was found on the way; it has to reach a render that knows neither it nor the engine.
    status, said = full_blender.run("-b", "shot.blend", "-a", variables=NOWHERE)
    assert status == 0, said
    check(shot)


def test_filled_by_python_then_rendered(full_blender, shot, command_line) -> None:
    line = command_line("--python-expr")
    status, said = full_blender.shell(line)
    assert status == 0, said
    assert "3 frames computed" in said
    status, said = full_blender.shell(line.replace("1-3", "3-1"))
    assert status == 2, said
    assert "--frames 3-1" in said
    status, said = full_blender.shell(command_line(r"shot\.blend -a"))
    assert status == 0, said
    check(shot)


def test_a_single_frame(full_blender, shot) -> None:
    status, said = full_blender.run("-b", "shot.blend", "--command", "soft_color_segment", "--frames", "2")
    assert status == 0, said
    status, said = full_blender.run("-b", "shot.blend", "-f", "2", variables=NOWHERE)
    assert status == 0, said
    assert rendered(shot) == ["shot_0002.exr"]
    assert pixels(shot / "shot_0002.exr") == pytest.approx(pixels(shot / "plain_0002.exr"), abs=LIMIT)


def test_missing_frame_ends_the_render(full_blender, shot) -> None:
    status, said = full_blender.run("-b", "shot.blend", "-f", "1")
    assert status == NO_PASSES, said
    assert "frame 1 is not in the cache" in said
    assert "--command soft_color_segment" in said
    assert rendered(shot) == []

    status, said = full_blender.run("-b", "shot.blend", "--command", "soft_color_segment", "--frames", "1-2")
    assert status == 0, said
    status, said = full_blender.run("-b", "shot.blend", "-a")
    assert status == NO_PASSES, said
    assert "frame 3 is not in the cache" in said
    assert rendered(shot) == ["shot_0001.exr", "shot_0002.exr"]


def test_stale_frame_ends_the_render(full_blender, shot) -> None:
    status, said = full_blender.run("-b", "shot.blend", "--command", "soft_color_segment")
    assert status == 0, said
    edit = "import bpy; bpy.context.scene.compositing_node_group.nodes['Soft Color Segment'].smoothing = 4"
    status, said = full_blender.run("-b", "shot.blend", "--python-expr", edit, "-a", variables=NOWHERE)
    assert status == NO_PASSES, said
    assert "frame 1 in the cache is stale" in said
    assert rendered(shot) == []


def test_frozen_renders_without_the_extension(full_blender, shot) -> None:
    freeze = (
        "import bpy; bpy.ops.soft_color_segment.freeze("
        "node=bpy.context.scene.compositing_node_group.nodes['Soft Color Segment'].uid);"
        "bpy.ops.wm.save_as_mainfile(filepath='frozen.blend')"
    )
    status, said = full_blender.run("-b", "shot.blend", "--python-exit-code", "9", "--python-expr", freeze)
    assert status == 0, said
    shutil.rmtree(shot / "scs_cache")
    status, said = full_blender.run("-b", "--factory-startup", "frozen.blend", "-a")
    assert status == 0, said
    check(shot)


def test_sequencer_modifier_is_refused(full_blender, photograph) -> None:
    folder = full_blender.folder / "sequencer"
    folder.mkdir()
    shutil.copyfile(photograph, folder / "photo.png")
    script = shutil.copy(HERE / "scripts" / "sequencer.py", folder)
    output = folder / "strip.png"
    status, said = full_blender.run("-b", "--python", script, "--", folder / "photo.png", output)
    assert status == NO_PASSES, said
    for begin in ("SEGMENT .*", "Soft Color Segment: ERROR: .*"):
        assert re.search(begin + "is in a compositor modifier of the strip Photo", said), said
    assert not output.exists()
