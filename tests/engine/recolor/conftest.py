"""Layers of the example photograph, and of an HDR frame made of it, found once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fscs_engine import Image, Layers, Palette, Segmenter, read_image

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "coffee.png"
COLORS = "#270a05,#6f1d0d,#a63615,#b46030,#cf854f,#deb188,#f5e8d9"

Taken = tuple[Image, Layers]


@pytest.fixture(scope="session")
def segmenter() -> Segmenter:
    return Segmenter()


@pytest.fixture(scope="session")
def part() -> Image:
    """96 × 64 pixels of the photograph: saucer, handle, spoon, shadow."""
    image = read_image(EXAMPLE)
    return Image.from_pixels(np.ascontiguousarray(image.pixels[180:244, 180:276]), image.color_space)


@pytest.fixture(scope="session")
def photo(segmenter: Segmenter, part: Image) -> Taken:
    """The photograph, and its layers in linear Rec.709."""
    linear = segmenter.spaces.convert(part.pixels, part.color_space, "lin_rec709")
    image = Image.from_pixels(linear, "lin_rec709")
    return image, segmenter.segment(image, Palette.from_hex(COLORS))


@pytest.fixture(scope="session")
def hdr(segmenter: Segmenter, part: Image) -> Taken:
    """A frame in ACEScg with highlights of 40, negative values, soft alpha, and light without any."""
    linear = segmenter.spaces.convert(part.pixels, part.color_space, "acescg")
    alpha = np.linspace(0.0, 1.0, linear.shape[1], dtype=np.float32)[None, :, None].repeat(linear.shape[0], 0)
    pixels = np.concatenate([linear * np.maximum(alpha, 0.02) * 4, alpha], axis=2)
    pixels[10:14, 40:60, :3] *= 10
    pixels[30, 50:70, 0] = -0.05
    image = Image.from_pixels(np.ascontiguousarray(pixels), "acescg")
    return image, segmenter.segment(image, Palette.from_hex(COLORS))


@pytest.fixture(params=["photo", "hdr"])
def taken(request: pytest.FixtureRequest) -> Taken:
    """Each of both."""
    found: Taken = request.getfixturevalue(request.param)
    return found


Apart = Callable[[Image, int], Layers]


@pytest.fixture(scope="session")
def apart(segmenter: Segmenter) -> Apart:
    """Takes an image apart into K layers."""
    return lambda image, colors: segmenter.segment(image, segmenter.auto_palette(image, colors))
