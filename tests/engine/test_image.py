"""The picture object refuses what would go wrong further on."""

from __future__ import annotations

import numpy as np
import pytest

from fscs_engine.image import Image, Window


def test_properties_follow_the_pixels() -> None:
    image = Image.from_pixels(np.zeros((2, 5, 4), np.float32), "acescg")
    assert (image.height, image.width, image.has_alpha) == (2, 5, True)
    assert image.data_window == image.display_window == Window(0, 0, 5, 2)
    display = Image.from_pixels(np.zeros((2, 5, 3), np.float32), "srgb")
    assert not display.has_alpha


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((2, 5), np.float32),
        np.zeros((2, 5, 2), np.float32),
        np.zeros((0, 5, 3), np.float32),
        np.zeros((2, 5, 3), np.float64),
        np.zeros((2, 3, 5), np.float32).transpose(0, 2, 1),
    ],
    ids=["no channels", "two channels", "no rows", "float64", "not contiguous"],
)
def test_pixels_of_another_form_are_refused(pixels: np.ndarray) -> None:
    window = Window(0, 0, 5, 2)
    with pytest.raises(ValueError, match="pixels must be"):
        Image(pixels, "srgb", window, window)


def test_the_data_window_fits_the_pixels() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        Image(np.zeros((2, 5, 3), np.float32), "srgb", Window(0, 0, 2, 5), Window(0, 0, 5, 2))
