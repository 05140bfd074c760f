"""The node in real Blenders, with the real engine and a real photograph."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "coffee.png"
LIMIT = 1e-5
"""Largest difference of the passes' sum from the picture, relative to the pixel's largest channel or 1."""


@pytest.fixture
def photograph(tmp_path: Path) -> Path:
    """A small photograph."""
    import OpenImageIO as oiio

    path = tmp_path / "photo é.png"
    whole = oiio.ImageBuf(str(EXAMPLE))
    small = oiio.ImageBufAlgo.resize(whole, roi=oiio.ROI(0, 160, 0, 120, 0, 1, 0, 3))
    small.write(str(path), oiio.UINT8)
    return path


def test_life(blender, photograph: Path) -> None:
    found = blender.run("node_life.py", photograph).result
    assert found["outputs"] == ["Combined", *(f"Layer {number}" for number in range(1, 6)), "View", "Recolored"]
    assert (found["pressed"], found["message"]) == (["FINISHED"], "Up to date")
    assert found["different"] > 0.05
    for name in ("sum", "combined", "over", "sum after K", "sum after undo", "sum beside a copy", "sum after load"):
        assert found[name] <= LIMIT, name
    assert [counts[:2] for counts in found["counts"]] == [[11, 8], [6, 3], [8, 5]]
    assert len({tuple(names) for *_, names in found["counts"]}) == 1
    for number, name in enumerate(found["counts"][0][2], 1):
        assert re.fullmatch(rf"{number} [A-Z][A-Za-z ]+", name), "not named after its color"
    assert found["stale"].startswith("Stale")
    assert found["back"] == "Up to date"
    assert found["sum of what came back"] <= LIMIT
    assert found["undone"] == [5, 8, 5]
    assert all(found["own"].values()), found["own"]
    assert found["cached"] == 1
    assert found["loaded"] == ["Up to date", 8]
    assert found["stored"]
    assert found["appended"] == [8, 5, True]


@pytest.mark.parametrize(
    "kind",
    ["chain", "generated", "hdr", "alpha", "nan", "mask limit", "mask limit node", "mask split", "mask split node"],
)
def test_inputs(blender, photograph: Path, kind: str) -> None:
    found = blender.run("inputs.py", photograph, kind).result
    assert found["pressed"] == ["FINISHED"], found
    assert found["sum"] <= LIMIT
    assert found["key"] == found["engine's key"]
    assert found["captured"] == (kind in ("chain", "generated"))
    assert found["writers"] == 0, "a File Output of the user's own wrote during the capture"
    assert found["left"] == found["before"], "the capture left nodes behind"
    if kind == "chain":
        assert found["status"] == ["Up to date", "Stale: press Segment", "Up to date"]
    if kind == "nan":
        assert "turn on Repair NaN" in found["refused"]
        assert (found["bad"][0] > 0, found["bad"][1]) == (True, True)
    if "mask" in kind:
        assert found["masked"] > 0.5
        assert found["under mask"] <= 1e-6


def test_render_layers(blender, photograph: Path) -> None:
    found = blender.run("inputs.py", photograph, "render").result
    assert (found["pressed"], found["captured"]) == (["FINISHED"], True)
    assert found["sum"] <= LIMIT


def test_palette(blender, photograph: Path, tmp_path: Path) -> None:
    (tmp_path / "warm.toml").write_text("version = 1\nsmoothing = 4\ncolors = 5\n[layer_gain]\n2 = 1.5\n")
    found = blender.run("palette.py", photograph, variables={"FSCS_PRESETS": str(tmp_path)}).result
    assert found["preset"] == [4, 5, 1.5, 5]
    assert "There is no preset cold" in found["no preset"]
    assert found["saved"] == [4, 5, 0.25, 2.0, "kmeans"]
    assert "exists already: choose another name, or turn on Replace" in found["saved again"]
    with Image.open(photograph) as picture:
        pixel = [level / 255 for level in picture.getpixel((30, 119 - 100))]
    assert found["picked"][0] == pytest.approx(pixel, abs=1e-6)
    assert found["picked"][1] == pytest.approx([0.484529, 0.665185, 0.906332], abs=1e-3)  # 0.2, 0.4 and 0.8 in sRGB
    assert found["taken"] == pytest.approx(pixel, abs=1e-6)
    assert found["backdrop"] == [50, 25]
    assert "click inside" in found["beside"]
    assert found["locked kept"]
    assert found["found"] == 5
    assert found["files"] == {".json": 5, ".gpl": 5, ".txt": 5}
    assert found["names"] == [True, True, False]
    assert found["other colors"] == 2
    assert "is not a hex color" in found["broken"]


def test_messages(blender, photograph: Path) -> None:
    found = blender.run("messages.py", photograph).result
    assert "nothing is connected" in found["unlinked"]
    assert found["mask"] == [["FINISHED"], [True, False]]
    assert "ended by signal 9" in found["killed"]
    assert "try again with a smaller tile" in found["killed"]
    assert found["after"] == "Up to date"
    assert "frame 1 is not in the cache" in found["deleted"]
    assert found["stale"] == "Stale: press Segment"
    assert "no such" in found["missing file"].lower() or "can't be read" in found["missing file"]
    assert found["cleared"] == [1, 0]


def test_without_an_engine(blender, photograph: Path) -> None:
    nowhere = str(photograph.parent / "nowhere" / "python")
    found = blender.run("messages.py", photograph, "draw", variables={"FSCS_PYTHON": nowhere}).result
    assert "FSCS_PYTHON" in found["message"]
    assert found["failed"]
    assert found["outputs"] == 10
