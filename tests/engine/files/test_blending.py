"""The mathematics of layered documents: ordinary blending gives the picture back, and rounding stays in its bound."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rounding import error_bound

from fscs_engine.errors import InputError, RangeError, UsageError
from fscs_engine.files.blending import (
    StackedLayer,
    check_options,
    composite,
    largest_error,
    layer_titles,
    over_alphas,
    painted_rows,
)
from fscs_engine.palette.palette import Palette, PaletteColor

PALETTE = np.linspace(0, 1, 48, dtype=np.float32).reshape(16, 3)


def layer(*rgba: float, mode: str = "normal") -> StackedLayer:
    return StackedLayer(np.array(rgba, np.float64).reshape(1, 1, 4), mode)


def blended(*stack: StackedLayer) -> list[float]:
    return [round(value, 9) for value in composite(stack)[0, 0].tolist()]


def test_the_interpreter_follows_the_formulas() -> None:
    assert blended(layer(0.2, 0.4, 1, 1), layer(1, 0, 0.5, 0.25)) == [0.4, 0.3, 0.875, 1]
    assert blended(layer(0.5, 0.5, 0.5, 0.5), layer(1, 0, 0, 0.5)) == [0.625, 0.125, 0.125, 0.75]
    assert blended(layer(0.2, 0.7, 0, 1), layer(0.3, 0.6, 0.5, 1, mode="add")) == [0.5, 1, 0.5, 1]
    assert blended(layer(0.2, 0.2, 0.2, 1), layer(0.4, 0, 0, 0.5, mode="add")) == [0.4, 0.2, 0.2, 1]
    # Addition on nothing is the color itself.
    assert blended(layer(0.4, 0, 1, 0.5, mode="add")) == [0.2, 0, 0.5, 0.5]
    assert blended(layer(0.4, 0, 1, 0.5, mode="plus"), layer(1, 0, 1, 0.25, mode="plus")) == [0.45, 0, 0.75, 0.75]
    assert blended(layer(0.4, 0, 1, 0.5), layer(1, 1, 1, 0.5, mode="mask")) == [0.1, 0, 0.25, 0.25]


@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(1, 16),
    sharpness=st.sampled_from([0.3, 1, 8, 60]),
    alpha=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_over_alphas_give_every_layer_its_weight(seed: int, count: int, sharpness: float, alpha: bool) -> None:
    rng = np.random.default_rng(seed)
    weights = rng.random((count, 9, 9)) ** sharpness
    weights[weights < 0.02] = 0
    total = rng.random((9, 9)).round(1) if alpha else np.ones((9, 9))
    weights = (total * weights / np.maximum(weights.sum(axis=0), 1e-9)).astype(np.float32)
    covered = weights.sum(axis=0)
    total = np.where(np.abs(covered - 1) < 1e-6, 1, covered).astype(np.float32)
    colors = rng.random((count, 9, 9, 3))
    alphas = over_alphas(weights, total)
    assert alphas.min() >= 0 and alphas.max() <= 1
    assert (alphas[0][total == 1] == 1).all()
    assert (alphas[1:][weights[1:] == 0] == 0).all()
    found = composite([StackedLayer(np.dstack([c, a])) for c, a in zip(colors, alphas, strict=True)])
    np.testing.assert_allclose(found[..., :3], (weights[..., None] * colors).sum(axis=0), atol=3e-6)
    np.testing.assert_allclose(found[..., 3], total, atol=3e-6)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("count", [1, 2, 7, 16])
@pytest.mark.parametrize("alpha", [False, True])
def test_rounding_stays_in_its_bound(
    photo_layers: Callable[..., tuple[np.ndarray, np.ndarray]], bits: int, count: int, alpha: bool
) -> None:
    layers, picture = photo_layers(count, alpha)
    for blend in ("over", "add"):
        rows = painted_rows(layers, PALETTE[:count], blend=blend, bits=bits, clip=False, path=Path("a"), top=0)
        assert rows.layers.dtype == (np.uint8 if bits == 8 else np.uint16)
        np.testing.assert_allclose(rows.picture, picture, atol=2e-6)
        pixels = rows.layers / (2**bits - 1)
        if blend == "over":
            found = composite([StackedLayer(p) for p in pixels])
        else:
            assert (pixels[..., 3] == 1).all()
            found = composite([StackedLayer(p, "add") for p in pixels]) * picture[..., 3:]
        assert largest_error(found, picture, "a") <= error_bound(count, bits)


def test_the_bound_is_not_far_from_what_happens() -> None:
    # The deepest stack, of colors as far apart as can be, over many pixels.
    rng = np.random.default_rng(0)
    weights = rng.random((16, 400, 50)).astype(np.float32)
    weights /= weights.sum(axis=0)
    colors = rng.integers(0, 2, (16, 400, 50, 3)).astype(np.float32)
    layers = weights[..., None] * np.concatenate([colors, np.ones_like(colors[..., :1])], axis=-1)
    rows = painted_rows(layers, PALETTE, blend="over", bits=8, clip=False, path=Path("a"), top=0)
    found = composite([StackedLayer(p) for p in rows.layers / 255])
    error = largest_error(found, layers.sum(axis=0), "a")
    assert error_bound(16, 8) / 12 < error <= error_bound(16, 8)


def test_what_does_not_fit() -> None:
    layers = np.full((2, 3, 4, 4), 0.25, np.float32)
    options = {"blend": "over", "bits": 16, "path": Path("a.ora"), "top": 5}
    bright = layers.copy()
    bright[1, 2, 3, 0] = 0.5
    with pytest.raises(RangeError, match=r"a\.ora: R of layer 2 is 2 at x=3 y=7; a document holds 0 to 1: .*--clip"):
        painted_rows(bright, PALETTE[:2], clip=False, **options)
    assert painted_rows(bright, PALETTE[:2], clip=True, **options).layers[1, 2, 3, 0] == 65535
    much = layers.copy()
    much[:, 1, 1] = 0.75
    with pytest.raises(RangeError, match=r"alphas add up to 1\.5 at x=1 y=6"):
        painted_rows(much, PALETTE[:2], clip=False, **options)
    clipped = painted_rows(much, PALETTE[:2], clip=True, **options)
    assert clipped.picture[1, 1].tolist() == [1, 1, 1, 1]
    np.testing.assert_array_equal(clipped.layers[:, 1, 1, 3], [65535, 32768])
    glow = layers.copy()
    glow[0, 0, 0] = (0.5, 0, 0, 0)
    with pytest.raises(RangeError, match="where the alpha is 0"):
        painted_rows(glow, PALETTE[:2], clip=False, **options)
    layers[1, 2, 3, 3] = np.nan
    with pytest.raises(RangeError):
        painted_rows(layers, PALETTE[:2], clip=False, **options)


def test_options_and_titles() -> None:
    with pytest.raises(UsageError, match="'screen' is not known: use over or add"):
        check_options("screen", 8)
    with pytest.raises(UsageError, match="12 bits"):
        check_options("over", 12)
    named = PaletteColor((0, 0.5, 1), name="ciel\x00 été\n")
    assert layer_titles(Palette((named, PaletteColor((1, 1, 1)), PaletteColor((0, 0, 0), name=" \t")))) == [
        "ciel été",
        "#ffffff",
        "#000000",
    ]


def test_errors_are_the_largest_of_any_channel() -> None:
    image = np.zeros((2, 3, 4), np.float32)
    found = np.zeros((2, 3, 4))
    found[1, 2, 3] = -0.25
    assert largest_error(found, image, "a") == 0.25
    assert largest_error(found, image[..., :3], "a") == 1.25  # without an alpha of its own it is opaque
    with pytest.raises(InputError, match="a: is 3 x 2, the image 2 x 2"):
        largest_error(found, image[:, :2], "a")
