"""Views and passes by the names that artists use, and what of a file is not read."""

from __future__ import annotations

import numpy as np
import OpenEXR
import pytest
from PIL import Image

from fscs_engine.errors import InputError
from fscs_engine.files.reading import read_image
from fscs_engine.image import Window

LINES = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
VIEWS = {"multiView": ["left", "right"]}


def plane(value):
    return np.full((6, 8), value, np.float32)


def rgb(prefix, value, channels="RGB"):
    return {f"{prefix}{channel}": plane(value) for channel in channels}


def one_part(file):
    OpenEXR.File(LINES | VIEWS, rgb("", 0.25) | rgb("right.", 0.5)).write(str(file))


def a_part_a_view(file):
    parts = [
        OpenEXR.Part(LINES | {"view": view}, rgb("", value), name=f"rgba.{view}")
        for view, value in (("left", 0.25), ("right", 0.5))
    ]
    OpenEXR.File(parts).write(str(file))


def blender(file):
    OpenEXR.File(LINES, rgb("ViewLayer.Combined.", 0.25, "RGBA") | {"ViewLayer.Depth.Z": plane(9)}).write(str(file))


def blender_stereo(file):
    left, right = (f"ViewLayer.Combined.{view}." for view in ("left", "right"))
    depth = {"ViewLayer.Depth.left.Z": plane(9)}
    OpenEXR.File(LINES | VIEWS, rgb(left, 0.25, "RGBA") | rgb(right, 0.5, "RGBA") | depth).write(str(file))


def two_view_layers(file):
    OpenEXR.File(LINES, rgb("A.Combined.", 0.25) | rgb("B.Combined.", 0.5)).write(str(file))


@pytest.mark.parametrize(
    ("write", "layer", "value"),
    [
        (one_part, "", 0.25),
        (one_part, "left", 0.25),
        (one_part, "right", 0.5),
        (a_part_a_view, "", 0.25),
        (a_part_a_view, "left", 0.25),
        (a_part_a_view, "right", 0.5),
        (a_part_a_view, "rgba.right", 0.5),
        (blender, "", 0.25),
        (blender, "Combined", 0.25),
        (blender, "ViewLayer.Combined", 0.25),
        (blender, "Depth", 9),
        (blender_stereo, "", 0.25),
        (blender_stereo, "Combined", 0.25),
        (blender_stereo, "left", 0.25),
        (blender_stereo, "right", 0.5),
        (two_view_layers, "A.Combined", 0.25),
    ],
)
def test_views_and_passes(tmp_path, write, layer, value):
    write(tmp_path / "a.exr")
    assert read_image(tmp_path / "a.exr", layer=layer).pixels[0, 0, 0] == value


@pytest.mark.parametrize(
    ("write", "layer"),
    [(one_part, "middle"), (blender, "bined"), (two_view_layers, "Combined"), (two_view_layers, "")],
)
def test_what_is_not_one_layer_is_refused(tmp_path, write, layer):
    write(tmp_path / "a.exr")
    with pytest.raises(InputError) as caught:
        read_image(tmp_path / "a.exr", layer=layer)
    assert "choose one with --input-layer" in caught.value.cure


@pytest.mark.parametrize(("write", "told"), [(one_part, True), (a_part_a_view, True), (blender, False)])
def test_views_that_are_not_read_are_told(tmp_path, write, told):
    write(tmp_path / "a.exr")
    warnings = read_image(tmp_path / "a.exr").reading.warnings
    assert any("the views left and right, of which left is read" in line for line in warnings) is told
    assert not told or read_image(tmp_path / "a.exr", layer="left").reading.warnings == ()


@pytest.mark.parametrize(
    ("name", "more"), [("a.gif", {}), ("a.tif", {}), ("a.png", {}), ("a.webp", {"lossless": True})]
)
@pytest.mark.parametrize("profile", [None, b"x" * 100_000])
def test_further_images_are_told(tmp_path, name, more, profile):
    """Also behind a large profile."""
    noise = np.random.default_rng(0).integers(0, 255, (3, 6, 8, 3), np.uint8)
    images = [Image.fromarray(each) for each in noise]
    if profile is not None:
        more = {**more, "icc_profile": np.random.default_rng(1).bytes(100_000)}
    images[0].save(tmp_path / name, save_all=True, append_images=images[1:], **more)
    found = read_image(tmp_path / name)
    assert any("several images" in line for line in found.reading.warnings)
    with Image.open(tmp_path / name) as first:
        np.testing.assert_allclose(found.pixels[..., :3], np.asarray(first.convert("RGB")) / 255, atol=1e-6)
    images[0].save(tmp_path / f"one-{name}", **more)
    assert not any("several images" in line for line in read_image(tmp_path / f"one-{name}").reading.warnings)


def test_the_sizes_of_an_icon_are_told(tmp_path):
    Image.new("RGBA", (32, 32)).save(tmp_path / "a.ico", sizes=[(16, 16), (32, 32)])
    Image.new("RGBA", (32, 32)).save(tmp_path / "b.ico", sizes=[(32, 32)])
    assert len(read_image(tmp_path / "a.ico").reading.warnings) == 1
    assert read_image(tmp_path / "b.ico").reading.warnings == ()


@pytest.mark.parametrize("levels", ["ONE_LEVEL", "MIPMAP_LEVELS", "RIPMAP_LEVELS"])
@pytest.mark.parametrize("layout", [None, OpenEXR.ENVMAP_CUBE, OpenEXR.ENVMAP_LATLONG])
def test_the_display_window_of_environments_with_smaller_copies(tmp_path, levels, layout):
    tiles = OpenEXR.TileDescription()
    tiles.mode = getattr(OpenEXR, levels)
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.tiledimage, "tiles": tiles}
    header |= {} if layout is None else {"envmap": layout}
    OpenEXR.File(header, {"RGB": np.zeros((48, 8, 3), np.float32)}).write(str(tmp_path / "a.exr"))
    image = read_image(tmp_path / "a.exr")
    assert image.display_window == image.data_window == Window(0, 0, 8, 48)


def test_smaller_copies_in_a_tiff_are_none_of_the_images(tmp_path):
    images = [Image.fromarray(np.zeros((size, size, 3), np.uint8)) for size in (16, 8, 16)]
    images[1].encoderinfo = {"tiffinfo": {254: 1}}
    for last, told in ((2, False), (3, True)):
        images[0].save(tmp_path / "a.tif", save_all=True, append_images=images[1:last])
        assert bool(read_image(tmp_path / "a.tif").reading.warnings) is told
