"""The palette of a picture: what counts, what is refused, what does not depend on the space it comes in."""

from __future__ import annotations

import numpy as np
import pytest

from fscs_engine.color import ColorSpaces
from fscs_engine.errors import NonFiniteError, PaletteError, UsageError
from fscs_engine.host.parameters import BY_NAME
from fscs_engine.image import Image
from fscs_engine.palette.image_palette import METHODS, image_palette
from fscs_engine.palette.palette import Palette

SPACES = ColorSpaces()


def blocks(size=24):
    """Three flat colors."""
    pixels = np.zeros((size, size, 3), np.float32)
    pixels[:, : size // 3] = (0.8, 0.1, 0.1)
    pixels[:, size // 3 : size // 2] = (0.1, 0.2, 0.9)
    return pixels


def test_flat_colors_are_found_from_dark_to_light():
    palette = image_palette(Image.from_pixels(blocks(), "srgb"), 3)
    np.testing.assert_allclose(palette.array, [(0, 0, 0), (0.1, 0.2, 0.9), (0.8, 0.1, 0.1)], atol=1e-5)


def test_pixels_without_alpha_do_not_count():
    pixels = np.zeros((20, 20, 4), np.float32)
    pixels[:, :10] = (0.8, 0.1, 0.1, 1)
    (color,) = image_palette(Image.from_pixels(pixels, "srgb"), 1)
    np.testing.assert_allclose(color.rgb, (0.8, 0.1, 0.1), atol=1e-5)


def test_a_picture_of_nothing_but_light_without_alpha_still_has_a_palette():
    pixels = np.zeros((8, 8, 4), np.float32)
    pixels[..., 0] = 0.5
    (color,) = image_palette(Image.from_pixels(pixels, "srgb"), 1)
    np.testing.assert_allclose(color.rgb, (0.5, 0, 0), atol=1e-5)


@pytest.mark.parametrize("space", ["lin_rec709", "acescg"])
def test_the_space_the_picture_comes_in_does_not_matter(space):
    pixels = blocks()
    from_linear = image_palette(Image.from_pixels(SPACES.convert(pixels, "srgb", space), space), 3)
    np.testing.assert_allclose(from_linear.array, image_palette(Image.from_pixels(pixels, "srgb"), 3).array, atol=1e-4)


def test_given_colors_come_first_and_stay():
    given = Palette.from_hex(["#00ff00"])
    palette = image_palette(Image.from_pixels(blocks(), "srgb"), 4, given)
    assert palette.colors[0].hex == "#00ff00"
    assert len(palette) == 4


def test_a_large_picture_gives_the_palette_of_its_grid():
    large = np.repeat(np.repeat(blocks(60), 20, axis=0), 20, axis=1)
    palette = image_palette(Image.from_pixels(large, "srgb"), 3)
    np.testing.assert_allclose(palette.array, [(0, 0, 0), (0.1, 0.2, 0.9), (0.8, 0.1, 0.1)], atol=1e-5)


def test_methods_are_those_of_the_parameter_table():
    assert tuple(METHODS) == BY_NAME["palette_method"].choices


def test_the_method_is_the_one_asked_for():
    pixels = np.repeat(np.linspace(0.1, 0.9, 160, dtype=np.float32)[None, :, None], 3, axis=2).repeat(120, axis=0)
    pixels[40:48, 60:70] = (0.8, 0.1, 0.1)
    image = Image.from_pixels(SPACES.convert(pixels, "srgb", "acescg"), "acescg")

    def nearest_to_red(**options):
        return np.abs(image_palette(image, 5, **options).array - (0.8, 0.1, 0.1)).max(axis=1).min()

    assert nearest_to_red(method="salient") < 1e-4
    assert nearest_to_red(method="kmeans") == nearest_to_red() > 0.2


@pytest.mark.parametrize("method", METHODS)
def test_pixels_without_alpha_count_in_no_method(method):
    pixels = np.zeros((40, 40, 4), np.float32)
    pixels[:, :20] = (0.2, 0.2, 0.2, 1)
    pixels[20:, :20] = (0.6, 0.6, 0.6, 1)
    pixels[:, 30:, 0] = 0.9
    found = image_palette(Image.from_pixels(pixels, "srgb"), 2, method=method)
    np.testing.assert_allclose(found.array, [(0.2, 0.2, 0.2), (0.6, 0.6, 0.6)], atol=1e-5)


def test_unknown_method_is_refused():
    with pytest.raises(UsageError, match="'median': use kmeans or salient"):
        image_palette(Image.from_pixels(blocks(), "srgb"), 2, method="median")


@pytest.mark.parametrize("colors", [0, 17, -1])
def test_impossible_k_is_refused(colors):
    with pytest.raises(PaletteError, match="1 to 16"):
        image_palette(Image.from_pixels(blocks(), "srgb"), colors)


def test_nan_is_refused_wherever_it_is():
    pixels = np.zeros((600, 600, 3), np.float32)
    pixels[301, 7, 2] = np.nan
    with pytest.raises(NonFiniteError, match="x 7, y 301, channel B"):
        image_palette(Image.from_pixels(pixels, "srgb"), 2)
