from __future__ import annotations

import numpy as np
import pytest

from fscs_engine.files.exr import write_exr
from fscs_engine.files.reading import read_image
from fscs_engine.image import Image, Window


@pytest.fixture
def plate(tmp_path):
    """A premultiplied ACEScg plate with highlights, negatives, alpha, and a data window of its own."""
    random = np.random.default_rng(4)
    pixels = random.uniform(-0.1, 4, (20, 24, 4)).astype(np.float32)
    pixels[..., 3] = random.uniform(0.1, 1, (20, 24))
    image = Image(pixels, "acescg", Window(3, -2, 24, 20), Window(0, 0, 64, 48), {"PixelAspectRatio": 2.0})
    write_exr(tmp_path / "plate.exr", image)
    return tmp_path / "plate.exr"


@pytest.fixture
def layers(fscs, plate, tmp_path):
    finished = fscs("segment", plate, "-k", 3, "-o", tmp_path / "layers.exr")
    assert finished.code == 0, finished.err
    return tmp_path / "layers.exr"


def test_exr_gives_the_plate_back(fscs, plate, layers, tmp_path):
    finished = fscs("recompose", layers, "-o", tmp_path / "sum.exr", "--json")
    assert finished.json["outputs"] == [str(tmp_path / "sum.exr")]
    assert (finished.json["layers"], finished.json["working_space"]) == (3, "acescg")
    before, after = read_image(plate), read_image(tmp_path / "sum.exr")
    assert np.abs(after.pixels - before.pixels).max() <= 2e-6 * 40
    assert (after.color_space, after.data_window, after.display_window) == (
        before.color_space,
        before.data_window,
        before.display_window,
    )
    assert after.attributes["PixelAspectRatio"] == 2.0


def test_png_gives_the_photograph_back(fscs, photo, tmp_path):
    assert fscs("segment", photo, "-k", 4, "-o", tmp_path / "layers.exr").code == 0
    finished = fscs("recompose", tmp_path / "layers.exr", "-o", tmp_path / "sum.png")
    assert (finished.code, finished.out) == (0, f"wrote {tmp_path / 'sum.png'}\n")
    picture = read_image(tmp_path / "sum.png")
    assert picture.color_space == "srgb"
    assert np.abs(picture.pixels[..., :3] - read_image(photo).pixels).max() <= 2 / 65535
    assert picture.pixels[..., 3].min() == 1


def test_png_of_a_bright_plate_needs_clip(fscs, layers, tmp_path):
    fscs("recompose", layers, "-o", tmp_path / "sum.png").failed_with(2, "sum.png", "--clip")
    assert not (tmp_path / "sum.png").exists()
    assert fscs("recompose", layers, "-o", tmp_path / "sum.png", "--clip").code == 0


def test_half(fscs, layers, plate, tmp_path):
    assert fscs("recompose", layers, "-o", tmp_path / "sum.exr", "--half").code == 0
    assert np.abs(read_image(tmp_path / "sum.exr").pixels - read_image(plate).pixels).max() <= 2e-3 * 4


def test_half_overflow_needs_clip(fscs, tmp_path):
    plate = tmp_path / "sun.exr"
    write_exr(plate, Image.from_pixels(np.full((8, 8, 3), 60000, np.float32), "lin_rec709"))
    assert fscs("segment", plate, "-k", 1, "-o", tmp_path / "layers.exr").code == 0
    assert fscs("recolor", tmp_path / "layers.exr", "--set", "1:hue=0", "-o", tmp_path / "a.exr", "--half").code == 0
    write_exr(plate, Image.from_pixels(np.full((8, 8, 3), 1e5, np.float32), "lin_rec709"), overwrite=True)
    assert fscs("segment", plate, "-k", 1, "-o", tmp_path / "layers.exr", "--overwrite").code == 0
    command = ["recompose", tmp_path / "layers.exr", "-o", tmp_path / "b.exr", "--half"]
    fscs(*command).failed_with(2, "b.exr", "--clip")
    assert not (tmp_path / "b.exr").exists()
    assert fscs(*command, "--clip").code == 0
    assert read_image(tmp_path / "b.exr").pixels[..., :3].max() == 65504


def test_what_can_not_be_done(fscs, photo, plate, layers, tmp_path):
    fscs("recompose", plate, "-o", tmp_path / "o.exr").failed_with(2, "plate.exr", "softcolor1")
    fscs("recompose", photo, "-o", tmp_path / "o.exr").failed_with(2, "cup.png")
    recolor = ["recolor", "--set", "1:hue=40", "-o", tmp_path / "o.exr"]
    for wrong, what in (("no.exr", "does not exist"), (".", "is a folder")):
        fscs("recompose", tmp_path / wrong, "-o", tmp_path / "o.exr").failed_with(2, what, "name a layered EXR")
    fscs(*recolor, tmp_path / "no.exr").failed_with(2, "does not exist", "name a layered EXR")
    fscs(*recolor, tmp_path).failed_with(2, "is not one sequence")  # a folder is a shot
    fscs("recompose", layers, "-o", tmp_path / "o.jpg").failed_with(2, "o.jpg", ".exr or .png")
    fscs("recompose", layers, "-o", layers, "--overwrite").failed_with(2, "is the input")
    fscs("recompose", layers, "-o", plate).failed_with(2, "plate.exr", "--overwrite")
