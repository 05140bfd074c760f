"""The node's controls and buttons in real Blenders."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import OpenEXR
import pytest
from imagecodecs import cms_profile
from PIL import Image as Pillow
from PIL.PngImagePlugin import PngInfo

from fscs_engine.files.reading import read_reading

EDITING = (
    *("segment", "auto_palette", "import_palette", "preset", "fill_cache", "clear_cache", "freeze", "pick_color"),
    *("colors", "color", "locked", "pass_mode", "mask_mode", "masked", "smoothing", "layer_gain"),
    *("model", "device", "seed", "minimum_alpha", "temporal", "range_palette", "show_view", "clean_nonfinite"),
)


@pytest.fixture
def controls(blender, photograph: Path, tmp_path: Path) -> dict:
    picture = shutil.copy(photograph, tmp_path / "picture.png")
    return blender.run("controls.py", picture).result


def test_controls(controls: dict) -> None:
    assert controls["inputs"] == ["Image", "Mask"]
    assert controls["in menu"]
    assert controls["entries"] == ["add_node"]
    assert controls["table"] == [], "these controls have not the table's label and tooltip"
    for name, choices in controls["choices"].items():
        assert len({label for _, label, _ in choices}) == len(choices)
        for identifier, label, tooltip in choices:
            assert label != identifier, name
            assert label[0].isupper() or label[0].isdigit()
            assert tooltip
            assert not tooltip.endswith(".")
    assert ["split", "Split"] in [choice[:2] for choice in controls["choices"]["mask_mode"]]

    assert controls["drawn without files"]
    idle, busy = controls["idle"], controls["busy"]
    assert [name for name in EDITING if idle[name]] == []
    assert [name for name in EDITING if not busy[name]] == []
    assert (idle["cancel"], busy["cancel"]) == (True, False)
    assert (idle["export_palette"], busy["export_palette"]) == (False, False)
    assert [name for name in busy if name not in idle] == ["progress 0.25 25%"]
    assert "This node is busy: press Cancel first" in controls["why"]
    assert "Nothing is running" in controls["why not cancel"]

    assert controls["counts"] == [[16, 16, 16], [16, 16, 16], [1, 1, 1]]
    assert [(before, after) for _, before, after in controls["stale"]] == [(False, True)] * 12, controls["stale"]
    for name, value in controls["wanted"].items():
        kept = controls["parameters"][name]
        pairs = {layer: float(each) for layer, each in kept.items()} if isinstance(value, dict) else float(kept)
        assert pairs == pytest.approx(value, rel=1e-6), name
    assert "nobody" in controls["model"]
    assert "any-palette" in controls["model"], "it does not say which models there are"
    assert controls["named"] == ["Combined", "1 Rosé", "2 Deep Pink"]
    for told in ("Soft Color Segment 0.", f"Blender {controls['version']}", "it went wrong", "blender-engine.log"):
        assert told in controls["report"]
    assert controls["failure"] == ["it went wrong", "ERROR"]
    assert not controls["failure after load"][1], "a failure was saved"
    assert "it went wrong" not in controls["failure after load"][0]
    assert "## Troubleshooting" in controls["help"]
    assert "<img" not in controls["help"]
    assert controls["healed"]
    assert controls["victim"], "a file outside the cache was removed"
    assert controls["followed"] == ["layers.exr"], "a file that is no layer came along"
    assert (controls["left"], controls["left in menu"], controls["known again"]) == ([], False, True)


FILE = """
import sys
sys.path.insert(0, sys.argv[2])
import tree as t

tree = t.compositor()
picture = t.image_node(tree, sys.argv[1])
node = t.soft(tree, picture.outputs["Image"])
node.colors = 3
pressed = t.press("segment", node)
wanted = t.rendered(tree, picture.outputs["Image"], "wanted")
report([picture.image.colorspace_settings.name, t.error(t.layers(tree, node).sum(0), wanted)])
"""


@pytest.mark.parametrize("kind", ["profile.png", "gamma.png", "chromaticities.exr"])
def test_blender_says_what_a_file_is_and_not_its_tags(blender, tmp_path: Path, kind: str) -> None:
    """The command line follows these tags."""
    file = tmp_path / kind
    colors = np.random.default_rng(3).random((24, 32, 3), np.float32)
    if file.suffix == ".exr":
        header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
        header["chromaticities"] = (0.68, 0.32, 0.265, 0.69, 0.15, 0.06, 0.3127, 0.329)
        OpenEXR.File(header, {"RGB": colors}).write(str(file))
    else:
        tags = PngInfo()
        tags.add(b"gAMA", (100_000).to_bytes(4, "big"))
        p3 = [0.68, 0.32, 1, 0.265, 0.69, 1, 0.15, 0.06, 1]
        profile = cms_profile("rgb", gamma=1.0, primaries=p3, whitepoint=[0.3127, 0.329, 1])
        more = {"pnginfo": tags} if kind == "gamma.png" else {"icc_profile": profile}
        Pillow.fromarray((colors * 255).astype(np.uint8)).save(file, **more)
    assert "the file does not say" not in read_reading(file).reason
    space, error = blender.run(FILE, file, Path(__file__).parent / "scripts").result
    assert space == ("Linear Rec.709" if file.suffix == ".exr" else "sRGB")
    assert error <= 1e-5


SPACE = """
import sys
from pathlib import Path

sys.path.insert(0, sys.argv[2])
import bpy
import tree as t
from soft_color_segment import cache, freshness

bpy.ops.wm.set_working_color_space(working_space="ACEScg")
tree = t.compositor()
found = {}
for kind in ("sRGB", "ACEScg", "Non-Color"):
    picture = t.image_node(tree, sys.argv[1])
    picture.image = picture.image.copy()
    picture.image.colorspace_settings.name = kind
    node = t.soft(tree, picture.outputs["Image"])
    node.colors = 3
    t.press("segment", node)
    wanted = t.rendered(tree, picture.outputs["Image"], "wanted")
    space = cache.facts_of(freshness.checked_file(node, 1))["working_space"]
    found[kind] = [space, t.error(t.layers(tree, node).sum(0), wanted)]
report(found)
"""


def test_the_files_own_working_space(blender, photograph: Path) -> None:
    if blender.version in ("4.2", "4.5"):
        pytest.skip("this Blender has one scene-linear space")
    found = blender.run(SPACE, photograph, Path(__file__).parent / "scripts").result
    for kind, (space, error) in found.items():
        assert (space, error <= 1e-5) == ("acescg", True), (kind, found)
