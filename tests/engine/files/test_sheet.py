"""The contact sheet: the right pictures in their places, whatever the strips."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from fscs_engine.errors import OutputError
from fscs_engine.files.sheet import ContactSheet
from fscs_engine.palette.palette import Palette, PaletteColor

COLORS = ((230 / 255, 25 / 255, 20 / 255), (25 / 255, 51 / 255, 204 / 255), (0.9, 0.9, 0.8))


def a_palette(count: int = 3) -> Palette:
    return Palette(tuple(PaletteColor(COLORS[n % 3], name=f"färbe 色 {n}" * n) for n in range(count)))


def halves(height: int = 40, width: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """A picture whose left half is the first color, and whose right the second; and its layers."""
    image = np.empty((height, width, 3), np.float32)
    layers = np.zeros((3, height, width, 4), np.float32)
    for number, columns in enumerate((slice(0, width // 2), slice(width // 2, width))):
        image[:, columns] = COLORS[number]
        layers[number, :, columns] = (*COLORS[number], 1)
    return image, layers


def draw(path: Path, image: np.ndarray, layers: np.ndarray, strips: list[int] | None = None) -> np.ndarray:
    with ContactSheet(path, image=image, palette=a_palette(len(layers))) as sheet:
        top = 0
        for rows in strips or [len(image)]:
            sheet.write(top, layers[:, top : top + rows])
            top += rows
    with Pillow.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def corners() -> tuple[list[int], list[int]]:
    """x and y of the first pixel of each cell for a picture of 60 x 40, shown four times as large."""
    return [28, 28 + 252, 28 + 2 * 252 + 8, 28 + 3 * 252 + 8], [28 + n * (160 + 52) for n in range(3)]


def test_every_picture_stands_in_its_cell(tmp_path: Path) -> None:
    sheet = draw(tmp_path / "a.png", *halves())
    x, y = corners()
    red, blue = (np.rint(np.array(color) * 255) for color in COLORS[:2])
    for column in (0, 1):  # the picture and the recomposition
        np.testing.assert_array_equal(sheet[y[0] + 80, x[column] + 60], red)
        np.testing.assert_array_equal(sheet[y[0] + 80, x[column] + 180], blue)
    assert not sheet[y[0] : y[0] + 160, x[2] : x[2] + 240].any()  # no error
    np.testing.assert_array_equal(sheet[y[1] + 80, x[0] + 60], red)  # layer 1 and its alpha
    assert (sheet[y[1] + 80, x[1] + 60] == 255).all()
    assert (sheet[y[1] + 80, x[1] + 180] == 0).all()
    checker = sheet[y[1] + 80, x[0] + 120 : x[0] + 240]
    assert {tuple(pixel) for pixel in checker.tolist()} == {(87, 87, 87), (117, 117, 117)}
    np.testing.assert_array_equal(sheet[y[1] + 80, x[2] + 180], blue)  # layer 2 beside it
    assert not sheet[y[2] : y[2] + 160, x[1] : x[1] + 240].any()  # layer 3 is empty
    np.testing.assert_array_equal(sheet[y[1] + 160 + 18, x[0] + 20], red)  # its swatch


def test_one_bad_pixel_is_seen(tmp_path: Path) -> None:
    image, layers = halves(1000, 1500)
    good = draw(tmp_path / "good.png", image, layers)
    layers[0, 333, 444, 1] += 0.1
    bad = draw(tmp_path / "bad.png", image, layers)
    changed = np.abs(bad.astype(int) - good).max(axis=2)
    assert changed.max() == 204  # 8 x 0.1


@pytest.mark.slow
@given(strips=st.lists(st.integers(1, 200), min_size=1, max_size=8), width=st.integers(1, 1000))
@settings(max_examples=12, deadline=None)
def test_strips_of_any_height_give_the_same_bytes(strips: list[int], width: int) -> None:
    height = sum(strips)
    rng = np.random.default_rng(width)
    image = rng.random((height, width, 3), dtype=np.float32)
    layers = np.concatenate([image, np.ones((height, width, 1), np.float32)], axis=2)[None] * np.float32(0.5)
    layers = np.repeat(layers, 2, axis=0)
    with tempfile.TemporaryDirectory() as folder:
        draw(Path(folder) / "a.png", image, layers)
        draw(Path(folder) / "b.png", image, layers, strips)
        assert (Path(folder) / "a.png").read_bytes() == (Path(folder) / "b.png").read_bytes()


@pytest.mark.parametrize(("height", "width", "count"), [(1, 1, 1), (1, 9000, 2), (9000, 1, 16), (481, 479, 7)])
def test_odd_sizes_and_every_palette(tmp_path: Path, height: int, width: int, count: int) -> None:
    image = np.full((height, width, 3), 0.5, np.float32)
    layers = np.full((count, height, width, 4), 0.5 / count, np.float32)
    layers[..., 3] = 1 / count
    sheet = draw(tmp_path / "a.png", image, layers)
    assert 128 in sheet[28:200, 28:600]


def test_an_image_with_alpha_shows_no_error(tmp_path: Path) -> None:
    image, layers = halves()
    layers *= np.linspace(0, 1, 60, dtype=np.float32)[:, None]
    layers[0, :, 0, :3] = image[:, 0]  # a glow: color without alpha
    sheet = draw(tmp_path / "a.png", image, layers)
    x, y = corners()
    assert not sheet[y[0] : y[0] + 160, x[2] : x[2] + 240].any()


def test_an_error_leaves_nothing_and_an_existing_file_stays(tmp_path: Path) -> None:
    image, layers = halves()
    with pytest.raises(KeyboardInterrupt), ContactSheet(tmp_path / "a.png", image=image, palette=a_palette()):
        raise KeyboardInterrupt
    with pytest.raises(ValueError, match="10 of 40 rows"):
        draw(tmp_path / "a.png", image, layers, [10])
    with pytest.raises(ValueError, match="strip"):
        draw(tmp_path / "a.png", image, layers[:, :, :5])
    assert not list(tmp_path.iterdir())
    (tmp_path / "a.png").write_bytes(b"old")
    with pytest.raises(OutputError, match="exists already"):
        draw(tmp_path / "a.png", image, layers)
    assert (tmp_path / "a.png").read_bytes() == b"old"
