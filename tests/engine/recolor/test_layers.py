from __future__ import annotations

import numpy as np
import pytest

from fscs_engine import Image, Palette, PaletteColor
from fscs_engine.color import ColorSpaces
from fscs_engine.errors import UsageError
from fscs_engine.recolor.layers import drop, hard, merge, plates, print_error, region, rename, reorder, split
from fscs_engine.recolor.material import Material, read_material, write_material


@pytest.fixture
def material(taken):
    image, layers = taken
    return Material(image, layers.pixels, layers.palette)


def adds_up(material):
    image = material.image.pixels
    error = np.abs(material.layers.sum(axis=0)[..., : image.shape[2]] - image).max()
    return error <= 2e-6 * max(1.0, np.abs(image).max())


def test_merge(material):
    found = merge(material, [3, 2], "red cup")
    assert len(found.palette) == 6
    assert adds_up(found)
    assert found.palette.colors[1].name == "red cup"  # the place of layer 3, with layer 2 gone
    assert (found.layers[1] == material.layers[2] + material.layers[1]).all()
    assert (found.layers[2] == material.layers[3]).all()
    assert found.coverage[1] == pytest.approx(material.coverage[1] + material.coverage[2], abs=1e-6)
    between = sorted([material.palette.colors[1].rgb[0], material.palette.colors[2].rgb[0]])
    assert between[0] < found.palette.colors[1].rgb[0] < between[1]


def test_drop(material):
    least = sorted(material.coverage)[2] + 1e-9
    found = drop(material, least)
    assert adds_up(found)
    assert min(found.coverage) >= least
    assert set(found.palette.colors) < set(material.palette.colors)
    assert drop(material, 0.0).palette == material.palette
    assert len(drop(material, 1.0).palette) == 1


def test_drop_takes_the_nearest_color():
    palette = Palette.from_hex("#c03020,#b83828,#2040c0")
    alphas = np.array([0.495, 0.01, 0.495], np.float32)[:, None, None, None]
    layers = np.ones((3, 4, 4, 4), np.float32) * alphas
    found = drop(Material(Image.from_pixels(layers.sum(axis=0), "lin_rec709"), layers, palette), 0.05)
    assert found.palette == Palette.from_hex("#c03020,#2040c0")
    assert found.coverage == pytest.approx([0.505, 0.495], abs=1e-6)


def test_split_by_a_mask(material):
    mask = np.linspace(0, 1, material.image.width, dtype=np.float32)[None].repeat(material.image.height, 0)
    found = split(material, 3, mask, ("left", "right"))
    assert [color.name for color in found.palette][2:4] == ["left", "right"]
    assert found.palette.colors[2].rgb == found.palette.colors[3].rgb == material.palette.colors[2].rgb
    assert np.abs(found.layers[2] + found.layers[3] - material.layers[2]).max() <= 1e-6 * np.abs(material.layers).max()
    assert (found.layers[2][:, 0] == 0).all()
    assert (found.layers[3][:, -1] == 0).all()
    assert adds_up(found)
    assert [color.name for color in split(material, 1, mask).palette][:2] == ["layer 1 1", "layer 1 2"]


def test_split_by_regions():
    alpha = np.zeros((20, 30), np.float32)
    alpha[2:8, 2:8] = 1.0
    alpha[10:18, 15:28] = 1.0
    alpha[1, 2:8] = 0.3  # a soft edge
    layers = np.zeros((2, 20, 30, 4), np.float32)
    layers[0, ..., 3], layers[1, ..., 3] = alpha, 1 - alpha
    layers[..., :3] = 0.5 * layers[..., 3:]
    pair = Material(Image.from_pixels(layers.sum(axis=0), "lin_rec709"), layers, Palette.from_hex("#c03020,#2040c0"))
    largest, small = region(pair, 1), region(pair, 1, (3, 4))
    assert largest[12, 20] == 1 and largest[4, 4] == 0
    assert (small * alpha)[0:9, 0:9].sum() == alpha[0:9, 0:9].sum()  # the soft edge went along
    assert ((largest + small)[alpha > 0] == 1).all()
    found = split(pair, 1, small)
    assert found.layers[0, ..., 3].sum() == pytest.approx(36 + 6 * 0.3)
    with pytest.raises(UsageError, match="0,0") as refused:
        region(pair, 1, (0, 0))
    assert "at least half" in refused.value.cure
    pair.layers[0, ..., 3] *= 0.1
    with pytest.raises(UsageError, match="less than half of every pixel.*by a mask"):
        region(pair, 1)


def test_reorder_and_rename(material):
    found = reorder(material, [3, 1])
    expected = [3, 1, 2, 4, 5, 6, 7]
    assert [c.rgb for c in found.palette] == [material.palette.colors[n - 1].rgb for n in expected]
    assert (found.layers == material.layers[[n - 1 for n in expected]]).all()
    assert rename(material, 2, "shadow é").palette.colors[1] == PaletteColor(material.palette.colors[1].rgb, "shadow é")


def test_hard(material):
    found, moved = hard(material)
    image = material.image.pixels
    assert found.layers.sum(axis=0)[..., : image.shape[2]].tobytes() == image.tobytes()
    assert ((found.layers[..., 3] != 0).sum(axis=0) <= 1).all()
    expected = (material.layers.sum(axis=0)[..., 3] - material.layers[..., 3].max(axis=0)).mean()
    assert moved == pytest.approx(float(expected), abs=1e-5)
    assert 0 < moved < 0.5
    assert hard(found)[1] == 0


def test_print_error():
    palette = Palette.from_hex("#000000,#ffffff")
    pixels = np.full((4, 4, 3), 0.25, np.float32)
    layers = np.zeros((2, 4, 4, 4), np.float32)
    layers[0, ..., 3] = 1
    assert print_error(Material(Image.from_pixels(pixels, "srgb"), layers, palette), ColorSpaces()) == 0.25


def test_files(material, tmp_path):
    file = tmp_path / "layers é.exr"
    named = rename(material, 2, "red cup")
    write_material(file, named)
    found = read_material(file)
    assert found.palette == named.palette
    assert found.layers.tobytes() == named.layers.tobytes()
    assert found.image.color_space == material.image.color_space
    assert "softcolor:key" not in found.metadata
    assert plates(found).shape == material.layers.shape[:3]


def test_what_can_not_be_done(material):
    mask = np.ones(material.layers.shape[1:3], np.float32)
    for wrong, said in (
        (lambda: merge(material, [2]), "at least two"),
        (lambda: merge(material, [2, 2]), "twice"),
        (lambda: merge(material, [2, 8]), "no layer 8"),
        (lambda: drop(material, 1.1), "0 to 1"),
        (lambda: split(material, 0, mask), "no layer 0"),
        (lambda: split(material, 1, mask[1:]), "mask"),
        (lambda: reorder(material, [1, 1]), "twice"),
        (lambda: rename(material, 1, "a\nb"), "name"),
    ):
        with pytest.raises(UsageError, match=said):
            wrong()
    many = Material(
        material.image, np.zeros((16, *material.layers.shape[1:]), np.float32), Palette.from_hex(["#000"] * 16)
    )
    with pytest.raises(UsageError, match="16 layers"):
        split(many, 1, mask)
