"""Files of layers have the gizmo's layers, by the rules with which Foundry's published EXR reader names channels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import OpenEXR
import pytest
from evaluator import PictureError, nuke_name, read_exr

from fscs_engine.files.exr import ExrLayerWriter
from fscs_engine.host.naming import layer_name
from fscs_engine.host.parameters import BY_NAME, MAXIMUM_COLORS
from fscs_engine.image import Image

GIZMO = Path(__file__).resolve().parents[2] / "nuke_plugin" / "SoftColorSegment.gizmo"
COLORS = ("red", "green", "blue", "alpha")


def names_in(path: Path) -> list[list[str]]:
    """The names of channels as they stand in the headers of a file's parts."""
    with OpenEXR.File(str(path), separate_channels=True) as file:
        return [list(part.channels) for part in file.parts]


def layers_of_the_gizmo() -> dict[str, tuple[str, ...]]:
    """The layers that the gizmo's text adds, with the names of their channels."""
    lines = [line for line in GIZMO.read_text(encoding="utf-8").splitlines() if line.startswith("add_layer ")]
    words = [line.removeprefix("add_layer {").removesuffix("}").split() for line in lines]
    return {layer: tuple(channels) for layer, *channels in words}


@pytest.mark.parametrize("single_part", [False, True])
@pytest.mark.parametrize("plate", [False, True])
def test_files_of_the_engine(tmp_path, single_part, plate):
    image = Image.from_pixels(np.ones((6, 5, 4), np.float32), "lin_rec709")
    file = tmp_path / "layers.exr"
    sizes = {"height": 6, "width": 5, "layers": MAXIMUM_COLORS}
    options = {"metadata": {}, "color_space": "lin_rec709", "plate": plate, "single_part": single_part, "image": image}
    layers = np.random.default_rng(1).random((MAXIMUM_COLORS, 6, 5, 4), np.float32)
    with ExrLayerWriter(file, **sizes, **options) as writer:
        writer.write(0, layers)
    parts = names_in(file)
    assert len(parts) == (1 if single_part else MAXIMUM_COLORS + plate)
    found = [nuke_name(name) for part in parts for name in part]
    own = [f"{layer_name(n)}.{name}" for n in range(1, MAXIMUM_COLORS + 1) for name in COLORS]
    assert sorted(found) == sorted(own + [f"rgba.{name}" for name in COLORS if plate])
    picture = read_exr(str(file), "Read")
    planes = [picture.channels[f"{layer_name(n)}.{name}"] for n in range(1, MAXIMUM_COLORS + 1) for name in COLORS]
    assert np.array_equal(np.reshape(planes, (MAXIMUM_COLORS, 4, 6, 5)), layers.transpose(0, 3, 1, 2))


def test_parts_of_other_windows_are_refused_as_by_foundry_s_reader(tmp_path):
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    header["displayWindow"] = ((0, 0), (4, 5))
    parts = [
        OpenEXR.Part(header | {"dataWindow": ((0, 0), (4, height - 1))}, {"R": np.ones((height, 5), np.float32)}, name)
        for name, height in (("whole", 6), ("cut", 3))
    ]
    OpenEXR.File(parts).write(str(tmp_path / "a.exr"))
    with pytest.raises(PictureError, match="windows"):
        read_exr(str(tmp_path / "a.exr"), "Read")


def test_the_gizmo_has_a_layer_of_four_channels_for_each_color_that_it_begins_with():
    layers = layers_of_the_gizmo()
    assert list(layers) == [layer_name(n) for n in range(1, int(BY_NAME["colors"].default) + 1)]
    for layer, channels in layers.items():
        assert channels == tuple(f"{layer}.{name}" for name in COLORS)


@pytest.mark.parametrize(
    ("file", "views", "nuke"),
    [
        ("R", (), "rgba.red"),
        ("Alpha", (), "rgba.alpha"),
        ("softcolor12.B", (), "softcolor12.blue"),
        ("12softcolor.g", (), "softcolor.green"),
        ("beauty.RED", (), "beauty.red"),
        ("1x.a-b.R", (), "x_a_b.red"),
        ("soft color.R", (), "soft_color.red"),
        ("a_b.R", (), "a_b.red"),
        ("a.b.c.R", (), "a_b.c_R"),
        ("Ci.R", (), "rgba.red"),
        ("..A", (), "rgba.alpha"),
        ("depth.Z", (), "depth.Z"),
        ("left.softcolor1.R", ("left", "right"), "softcolor1.red"),
        ("softcolor1.left.R", ("left", "right"), "softcolor1.red"),
        ("left.softcolor1.R", ("main",), "left_softcolor1.red"),
        ("é.R", (), "__.red"),
        ("7", (), "rgba.unnamed"),
    ],
)
def test_the_rules(file, views, nuke):
    assert nuke_name(file, views) == nuke
