"""The node in the window of a full Blender, worked with as an artist would: ``scripts/window.py`` does it once, and
what it saw is looked at here.

FSCS_PICTURES names a folder that the pictures of the documentation are written to.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

HERE = Path(__file__).resolve().parent
EXAMPLE = HERE.parents[2] / "examples" / "coffee.png"
PHOTO_SIZE = (1500, 1000)
"""Large enough for the work to be seen going on."""

LAYERS = [f"Layer {number}" for number in range(1, 8)]
PICTURES = {
    "search": ("blender_add", (506, 331, 1022, 424)),
    "segmenting": ("blender_segmenting", (235, 325, 680, 800)),
    "layer": ("blender_node", (235, 325, 1430, 800)),
    "recolor": ("blender_recolor", (430, 240, 1575, 940)),
}
"""Names of the documentation's pictures, and the part of the screen that they show: left, top, right, bottom."""

TIMEOUT = 900.0
pytestmark = [pytest.mark.slow, pytest.mark.timeout(TIMEOUT + 60.0)]


@pytest.fixture(scope="module")
def shown(full_blender, screen) -> Path:
    """The folder with what was seen."""
    folder = full_blender.folder / "window"
    folder.mkdir()
    photo = folder / "photo.png"
    with Image.open(EXAMPLE) as picture:
        picture.convert("RGB").resize(PHOTO_SIZE, Image.Resampling.LANCZOS).save(photo)
    script = shutil.copy(HERE / "scripts" / "window.py", folder)
    status, said = full_blender.run(
        *("--enable-event-simulate", "--no-window-focus", "-p", "0", "0", "1600", "1000"),
        *("--python", script, "--", photo, folder, screen.pixels),
        variables={"DISPLAY": screen.display, "LIBGL_ALWAYS_SOFTWARE": "1"},
        timeout=TIMEOUT,
    )
    report = folder / "seen.json"
    assert report.exists(), f"status {status}\n{said}"
    found = json.loads(report.read_text(encoding="utf-8"))
    if found["background"]:
        pytest.skip("FSCS_BLENDER names a Blender that opens no window")
    assert "error" not in found, found["error"]
    keep_pictures(folder)
    return folder


@pytest.fixture(scope="module")
def seen(shown: Path) -> dict[str, Any]:
    """What was seen, by what had been done."""
    return json.loads((shown / "seen.json").read_text(encoding="utf-8"))


def keep_pictures(folder: Path) -> None:
    """Writes the documentation's pictures where FSCS_PICTURES wants them."""
    wanted = os.environ.get("FSCS_PICTURES")
    for name, (title, part) in PICTURES.items() if wanted else ():
        picture = Image.fromarray(screenshot(folder, name)).crop(part)
        picture.save(Path(wanted) / f"{title}.png", optimize=True)


def screenshot(folder: Path, name: str) -> np.ndarray:
    """The pixels of a screen, (H, W, 3): X window dumps begin with a header of big-endian numbers."""
    dump = (folder / f"{name}.xwd").read_bytes()
    header = struct.unpack(">25I", dump[:100])
    size, width, height, little, line, colors = (header[number] for number in (0, 4, 5, 7, 12, 19))
    assert little == 0
    pixels = np.frombuffer(dump, np.uint8, line * height, size + 12 * colors).reshape(height, -1, 4)
    return np.ascontiguousarray(pixels[:, :width, 2::-1])


def backdrop(folder: Path, name: str, place: list[float]) -> np.ndarray:
    """The part of a screen that the backdrop is on, (H, W, 3) from 0 to 1."""
    left, top, right, bottom = map(round, place)
    return screenshot(folder, name)[top:bottom, left:right] / 255.0


def test_added_by_search(seen) -> None:
    assert seen["added"] == "CompositorNodeSoftColorSegment"
    assert seen["new"]["outputs"] == ["Combined", *LAYERS, "View", "Recolored"]
    assert not seen["new"]["shown"]


def test_cancelled_then_found(seen) -> None:
    assert seen["cancelled"]["palette"] == seen["new"]["palette"]
    assert not seen["cancelled"]["failed"]
    assert len({tuple(color) for color in seen["palette"]["palette"]}) == 7
    assert not seen["palette"]["shown"]


def test_window_lives_while_the_engine_works(seen) -> None:
    assert seen["alive"], "the click on another node did nothing until the layers were there"
    fractions = [fraction for fraction, _ in seen["progress"]]
    assert fractions == sorted(fractions)
    assert any(0.0 < fraction < 1.0 and re.search(r"\d+ s\b", text) for fraction, text in seen["progress"])


def test_nothing_moves_while_it_works(seen) -> None:
    assert len(seen["height"]) > 1
    assert max(seen["height"]) - min(seen["height"]) < 1.0


def test_buttons_are_gray_while_it_works(seen, shown: Path) -> None:
    assert seen["segmented"]["palette"] == seen["palette"]["palette"], "Auto Palette was pressed meanwhile"
    for name, (left, top, right, bottom) in seen["buttons"].items():
        idle, busy = (
            screenshot(shown, each)[top:bottom, left:right].astype(float) for each in ("palette", "segmenting")
        )
        assert np.ptp(busy) < 0.75 * np.ptp(idle), name


def test_result_appears_by_itself(seen, shown: Path) -> None:
    found = seen["segmented"]
    assert (found["busy"], found["failed"], found["shown"]) == (False, False, True)
    assert found["palette"] == seen["palette"]["palette"]
    before, after = (backdrop(shown, name, seen["backdrop"]) for name in ("new", "segmented"))
    assert after.std() > 0.02
    size = (after.shape[1], after.shape[0])
    with Image.open(shown / "photo.png") as picture:
        photo = np.asarray(picture.resize(size, Image.Resampling.BOX), dtype=np.float64) / 255.0
    # Blender's view transform changes the colors, so likeness is all there is to ask for.
    assert np.corrcoef(before.ravel(), photo.ravel())[0, 1] > 0.95, "a new node does not pass the image through"


def test_undo_and_redo(seen) -> None:
    undone, redone = seen["undone"], seen["redone"]
    assert undone["palette"] == seen["palette"]["palette"]
    # The step before the result is the click on another node, while the engine worked: it does no more, and the layers
    # of these settings are in the cache.
    assert (undone["busy"], undone["shown"]) == (False, True)
    assert redone == seen["segmented"]


def test_outputs_are_named_after_their_colors(seen) -> None:
    names = seen["segmented"]["outputs"][1:8]
    assert all(re.fullmatch(rf"{number} [A-Z][A-Za-z ]+", name) for number, name in enumerate(names, 1)), names


def test_fewer_colors(seen) -> None:
    fewer, segmented = seen["fewer"], seen["segmented_fewer"]
    assert fewer["outputs"] == [*seen["segmented"]["outputs"][:6], "View", "Recolored"]
    assert fewer["linked"] == [0, 3]
    assert fewer["palette"] == seen["segmented"]["palette"][:5] == segmented["palette"]
    assert fewer["mean"][1:] == seen["segmented"]["mean"][1:6]
    assert segmented["mean"][0] == pytest.approx(seen["segmented"]["mean"][0], abs=1e-5)
    assert segmented["mean"][3] != fewer["mean"][3]


def test_auto_update(seen) -> None:
    found = seen["updated"]
    assert found["stale"], "the layers were gone before others were there"
    assert found["blocky"][0], "no preview came first"
    assert not found["busy"], "the node can be changed meanwhile"
    assert found["color"] == [0.1, 0.2, 0.7], "the last change counts"
    assert found["sum"] < 1e-5
    assert found["outputs"] == "3 Medium Blue"


def test_edits_show_at_once(seen) -> None:
    assert seen["recolored"]["changed"] > 0.01
    assert seen["recolored"]["message"] == "Up to date"


def test_esc_stops_a_render_that_computes(seen) -> None:
    assert seen["stopped"] == {"message": "Cancelled", "failed": False}


def frames(files: list[str]) -> set[str]:
    """What the names of files in the cache begin with."""
    return {".".join(name.split(".")[:2]) for name in files}


def test_window_lives_while_the_cache_is_filled(seen) -> None:
    assert seen["alive_while_filling"]
    assert any(text.startswith("Frame 2, 2 of 2") for text in seen["filling"])
    assert not seen["filled"]["failed"]
    assert {"layers.0001", "layers.0002"} <= frames(seen["filled"]["files"])
    assert re.fullmatch(r"2 of 2 frames, \d+ MB on disk: 1-2", seen["panel"])
    # What the input was rendered with is gone again.
    assert "CompositorNodeOutputFile" not in seen["nodes"]


def test_filling_is_cancelled(seen) -> None:
    found = seen["cancelled_filling"]
    assert (found["message"], found["failed"], found["busy"], found["frame"]) == ("Cancelled", False, False, 1)
    assert {f"layers.{frame:04d}" for frame in (1, 2, 3)} <= frames(found["files"]), "what was done is kept"
    assert len(found["files"]) < 12
    assert not [name for name in found["files"] if name.startswith(".")], "half a file was left"
    assert found["nodes"] == seen["nodes"]


def test_scrubbing(seen) -> None:
    found = seen["scrubbed"]
    assert found["says"] == "Reading frame 2"
    there, read = found["beside"]
    assert there[:3] == [1, 2, 3]
    assert read == [[frame, 2] for frame in there], "only what is linked is read"
    assert found["from memory"] == ["Up to date", True]
    assert found["not computed"] == ["Frame 30 is not segmented: press Segment", False]
    assert found["back"]


def test_copies_have_an_inside_of_their_own(seen) -> None:
    assert seen["copies"] == {"uids": 3, "images": 3 * 5, "same": True}


def test_frozen_by_its_button(seen) -> None:
    found = seen["frozen"]
    assert found["different"] < 1e-6
    assert found["linked"] == [0, 3]
    assert found["outputs"] == seen["filled"]["outputs"][:6]
    assert found["from"] == "CompositorNodeExposure"
    stems = ["combined", *(f"layer{number}" for number in range(1, 6))]
    assert found["files"] == [f"{stem}_{frame:04d}.exr" for stem in stems for frame in (1, 2)]
    assert found["left"] == []


@pytest.mark.parametrize("editor", ["backdrop", "whole", "broken"])
def test_picks_what_is_under_the_mouse(seen, shown: Path, editor: str) -> None:
    screen = screenshot(shown, editor).astype(float)
    assert len(seen["picked"][editor]) == 15
    for each in seen["picked"][editor]:
        column, row = each["square"]
        x, y = each["screen"]
        assert each["color"] == pytest.approx([30 * column, 45 * row, 128], abs=0.6), each
        assert each["color"] == pytest.approx(screen[y, x], abs=3), each
