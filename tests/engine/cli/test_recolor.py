from __future__ import annotations

import numpy as np
import pytest

from fscs_engine.cli.recolor import parse_edit
from fscs_engine.color import ColorSpaces
from fscs_engine.errors import FscsError
from fscs_engine.exact.compositing import NewColor, TurnHue
from fscs_engine.files.exr import ExrLayerWriter, read_layers
from fscs_engine.files.reading import read_image

COLORS = "#270a05,#a53615,#e1b389"


@pytest.fixture
def layers(fscs, photo, tmp_path):
    assert fscs("segment", photo, "--palette", COLORS, "-o", tmp_path / "layers.exr").code == 0
    return tmp_path / "layers.exr"


def test_a_new_color_adds_alpha_times_the_difference(fscs, layers, tmp_path):
    finished = fscs("recolor", layers, "--set", "2=#3366ff", "-o", tmp_path / "o.exr", "--json")
    assert finished.code == 0, finished.err
    assert [color["hex"] for color in finished.json["palette"]] == COLORS.split(",")
    before = read_layers(layers).layers
    colors = np.array([[0xA5, 0x36, 0x15], [0x33, 0x66, 0xFF]], np.float32) / 255
    old, new = ColorSpaces().convert(colors, "srgb", "lin_rec709")
    expected = before.sum(axis=0)[..., :3] + before[1, ..., 3:] * (new - old)
    after = read_image(tmp_path / "o.exr")
    assert np.abs(after.pixels[..., :3] - expected).max() <= 1e-5
    assert after.color_space == "lin_rec709"


def test_a_whole_turn_of_the_hue_changes_nothing(fscs, layers, tmp_path):
    assert fscs("recolor", layers, "--set", "2:hue=360", "-o", tmp_path / "turned.exr").code == 0
    assert fscs("recolor", layers, "--set", "2:hue=90", "-o", tmp_path / "quarter.exr").code == 0
    plain = read_layers(layers).layers.sum(axis=0)
    assert np.abs(read_image(tmp_path / "turned.exr").pixels - plain).max() <= 1e-5
    assert np.abs(read_image(tmp_path / "quarter.exr").pixels - plain).max() > 0.05


def test_several_edits_into_png(fscs, layers, tmp_path):
    command = ["recolor", layers, "--set", "3=#3366ff", "--set", "2:hue=-40", "-o", tmp_path / "o.png", "--clip"]
    assert fscs(*command).code == 0
    assert read_image(tmp_path / "o.png").pixels.shape == (40, 56, 4)


@pytest.mark.parametrize(
    ("text", "edit"),
    [
        ("3=#3366ff", NewColor(3, (0.2, 0.4, 1.0))),
        (" 12 = 36f ", NewColor(12, (0.2, 0.4, 1.0))),
        ("5:hue=40", TurnHue(5, 40.0)),
        ("5:hue=-1.5e1", TurnHue(5, -15.0)),
    ],
)
def test_edits(text, edit):
    assert parse_edit(text) == edit


@pytest.mark.parametrize("text", ["", "3", "3=blue", "3=#12345", "=#3366ff", "3:hue", "3:hue=x", "3:hue=-", "3:sat=1"])
def test_edits_refuse(text):
    with pytest.raises(FscsError):
        parse_edit(text)


def test_what_can_not_be_done(fscs, layers, tmp_path):
    output = ["-o", tmp_path / "o.exr"]
    fscs("recolor", layers, *output).failed_with(2, "--set")
    fscs("recolor", layers, "--set", "4=#3366ff", *output).failed_with(2, "layer 4")
    fscs("recolor", layers, "--set", "0=#3366ff", *output).failed_with(2, "layer 0")
    fscs("recolor", layers, "--set", "1=blue", *output).failed_with(2, "1=blue")
    fscs("recolor", layers, "--set", "1:hue=1e999", *output).failed_with(2, "hue")
    fscs("recolor", layers, "--set", "1:hue=40", "-o", tmp_path / "o.tif").failed_with(2, "o.tif")
    assert not (tmp_path / "o.exr").exists()


@pytest.mark.parametrize(
    "palette",
    [None, "nonsense", '{"version": 1, "space": "srgb", "colors": [{"rgb": [0, 0, 0]}]}'],
    ids=["lost", "broken", "short"],
)
def test_layers_without_their_palette(fscs, tmp_path, palette):
    metadata = {} if palette is None else {"softcolor:palette": palette}
    file = tmp_path / "layers.exr"
    with ExrLayerWriter(file, height=4, width=4, layers=2, metadata=metadata, color_space="acescg") as writer:
        writer.write(0, np.zeros((2, 4, 4, 4), np.float32))
    fscs("recolor", file, "--set", "1=#000000", "-o", tmp_path / "o.exr").failed_with(2, "layers.exr", "palette")
