"""The view "alpha sheet": every layer's alpha, side by side, in the pixels that come out of the node."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from evaluator import Evaluator
from plug_in import HEIGHT, LEFT, TOP, WIDTH, fill_cache, layers_of, module, node_over, write_plate

WIDE, HIGH = 30, 28  # the plate's format; its pixels begin left of it and end within it


@pytest.fixture
def node(host, plugin: Path, tmp_path: Path):
    import nuke

    Evaluator(host)
    host.frame_now = 1001
    nuke.pluginAddPath(str(plugin))
    write_plate(tmp_path / "plate.1001.exr", depth=True)
    return node_over(host, (tmp_path / "plate.%04d.exr").as_posix(), (tmp_path / "layers.exr").as_posix())


def in_format(alpha: np.ndarray) -> np.ndarray:
    """(H, W) of the data window as the format shows it."""
    shown = np.zeros((HIGH, WIDE), np.float32)
    shown[TOP : TOP + HEIGHT, 0 : WIDTH + LEFT] = alpha[:, -LEFT : WIDE - LEFT]
    return shown


@pytest.mark.parametrize(
    ("colors", "columns", "rows"),
    [(1, 1, 1), (2, 2, 1), (3, 2, 2), (5, 3, 2), (7, 3, 3), (9, 3, 3), (10, 4, 3), (13, 4, 4), (16, 4, 4)],
)
def test_each_alpha_has_a_place_in_full_size(node, tmp_path: Path, colors: int, columns: int, rows: int) -> None:
    node["colors"].setValue(colors)
    layers = fill_cache(node, tmp_path / "layers.exr")
    node["view"].setValue("alpha sheet")
    sheet = node._picture()
    assert (sheet.format.width, sheet.format.height) == (WIDE * columns, HIGH * rows)
    assert set(sheet.channels) == {"rgba.red", "rgba.green", "rgba.blue", "rgba.alpha"}
    expected = np.zeros((rows, columns, HIGH, WIDE), np.float32)
    for index in range(colors):
        expected[index // columns, index % columns] = in_format(layers[index, ..., 3])
    expected = expected.transpose(0, 2, 1, 3).reshape(HIGH * rows, WIDE * columns)
    for name in ("red", "green", "blue"):
        np.testing.assert_array_equal(sheet.within((0, 0, *sheet.box[2:])).channels[f"rgba.{name}"], expected)
    assert (sheet.channels["rgba.alpha"] == 1).all()
    node["view"].setValue("layers")
    np.testing.assert_array_equal(layers_of(node._picture(), colors), layers)


def test_straight_layers_and_other_names_have_the_same_sheet(node, tmp_path: Path) -> None:
    fill_cache(node, tmp_path / "layers.exr")
    node["view"].setValue("alpha sheet")
    before = node._picture().channels["rgba.red"]
    node["layer_color"].setValue("straight")
    node["layer_prefix"].setValue("hero")
    module("buttons").rename_layers(node)
    np.testing.assert_array_equal(node._picture().channels["rgba.red"], before)
    assert before.max() > 0.9


def test_all_views_are_there(node) -> None:
    assert list(node["view"].values()) == ["layers", "recomposition", "error", "one layer", "alpha sheet"]
