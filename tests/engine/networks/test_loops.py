"""The loops over the pixels on the CPU against the definition in PyTorch, and rows in blocks against rows at once."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from fscs_engine.host.parameters import ALPHA_FLOOR
from fscs_engine.networks import alpha_steps
from fscs_engine.networks.alpha_loops import alpha_rows, coarse_mixtures
from fscs_engine.networks.alpha_steps import RUN
from fscs_engine.networks.any_palette import coarse_grid, denoise, mixtures, project_to_simplex, step_matrix, upsample
from fscs_engine.networks.constants import DENOISE_RADIUS, STRIDE
from fscs_engine.networks.image_loops import coarse_rows, denoise_rows
from fscs_engine.networks.model import View

CPU = torch.device("cpu")
REACH = 2 * DENOISE_RADIUS
SIZES = [(1, 1), (1, 37), (37, 1), (8, 128), (65, 129), (9, RUN + 1), (4, 2 * RUN + 3)]

ALPHA_TOLERANCE = 1e-4
"""Both sum in float32 in another order. Logits magnify the rounding: their slope is some tens for each unit of color
and with it each of the steps after them."""


@njit
def subtract_largest(logits, most):
    """What only loops can call."""
    alpha_steps.subtract_largest(logits, most)


@njit
def project(logits, most, palette, pixels, alphas):
    """What only loops can call."""
    alpha_steps.project(logits, most, palette, pixels, alphas)


def pixels_of(height, width, seed=0):
    """(H, W, 3): coarse colors, two flat parts, some grain."""
    rng = np.random.default_rng(seed)
    coarse = rng.random((height // 10 + 1, width // 10 + 1, 3))
    pixels = coarse.repeat(10, axis=0).repeat(10, axis=1)[:height, :width] + rng.normal(0, 0.02, (height, width, 3))
    pixels[height // 2 :, : width // 3] = (0.9, 0.5, 0.2)
    pixels[: height // 3, width // 2 :] = (0.2, 0.5, 0.6)
    return np.clip(pixels, 0, 1).astype(np.float32)


def tensor_of(pixels):
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].contiguous()


def predicted(model, pixels, colors, seed=0, near=0.0):
    """What a model prepares for a picture and a random palette; ``near`` lies between its first two colors."""
    palette = torch.rand(colors, 3, generator=torch.Generator().manual_seed(seed))
    if near:
        palette[1] = palette[0] + near / 3**0.5
    view = View(*pixels.shape[:2], CPU, 0, lambda top, bottom: pixels[top:bottom], lambda _: None)
    return model.predict(view, palette, 0.5)


def compiled_alphas(prediction, denoised, top=0):
    out = np.empty((len(prediction.palette), *denoised.shape[1:]), np.float32)
    alpha_rows(denoised, top, *prediction.constants, out)
    return out


def defined_alphas(prediction, denoised):
    """The same of the whole picture in PyTorch, in the order of the caller's palette."""
    height, width = denoised.shape[1:]
    models = upsample(prediction.models[None], height, width).flatten(3)
    colors = torch.from_numpy(denoised)[None].flatten(2)
    alphas = prediction.model.network.pixel_alphas(models, colors, prediction.embedding, prediction.shares)
    return alphas[0, prediction.order.argsort()].unflatten(1, (height, width)).numpy()


@pytest.mark.parametrize("size", SIZES)
def test_cells(size):
    pixels = pixels_of(*size)
    high, wide = -(-size[0] // STRIDE), -(-size[1] // STRIDE)
    found = np.full((6, high, wide), np.nan, np.float32)
    coarse_rows(pixels, found)
    np.testing.assert_allclose(found, coarse_grid(tensor_of(pixels))[0].numpy(), atol=2e-6)
    for row in range(high):
        part = np.empty((6, 1, wide), np.float32)
        coarse_rows(pixels[row * STRIDE : (row + 1) * STRIDE], part)
        assert np.array_equal(part[:, 0], found[:, row])


@pytest.mark.parametrize("level", [0.1, 0.9, 1.0])
def test_cells_that_are_flat_deviate_by_nothing(level):
    found = np.empty((6, 2, 2), np.float32)
    coarse_rows(np.full((16, 16, 3), level, np.float32), found)
    np.testing.assert_allclose(found[:3], level, atol=1e-6)
    np.testing.assert_allclose(found[3:], 1e-4, atol=1e-7)


@pytest.mark.parametrize("count", [1, 300, 2 * RUN])
@pytest.mark.parametrize("colors", [2, 7, 16])
def test_mixtures_of_cells(count, colors):
    means = np.random.default_rng(0).random((3, count), np.float32)
    palette = torch.rand(colors, 3, generator=torch.Generator().manual_seed(0))
    steps = step_matrix(palette[None])[0]
    found = np.full((colors, count), np.nan, np.float32)
    coarse_mixtures(means, palette.numpy(), steps.numpy(), found)
    grid = torch.from_numpy(means)[None, :, None]
    np.testing.assert_allclose(found, mixtures(grid, palette[None])[0, :, 0].numpy(), atol=1e-5)
    middle = np.ascontiguousarray(means[:, count // 2 :])
    part = np.empty((colors, middle.shape[1]), np.float32)
    coarse_mixtures(middle, palette.numpy(), steps.numpy(), part)
    assert np.array_equal(part, found[:, count // 2 :])


@pytest.mark.parametrize("size", SIZES)
def test_calm(size):
    pixels, height = pixels_of(*size), size[0]
    whole = np.full((3, *size), np.nan, np.float32)
    denoise_rows(pixels, 0, 0, height, height, whole)
    np.testing.assert_allclose(whole, denoise(tensor_of(pixels))[0].numpy(), atol=4e-6)
    for rows in (1, 7):
        for top in range(0, height, rows):
            bottom = min(height, top + rows)
            first, last = max(0, top - REACH), min(height, bottom + REACH)
            part = np.full((3, bottom - top, size[1]), np.nan, np.float32)
            denoise_rows(pixels[first:last], first, top, bottom, height, part)
            assert np.array_equal(part, whole[:, top:bottom])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("colors", "near"), [(2, 0.0), (7, 0.0), (7, 0.06), (16, 0.0)])
def test_alphas(model, size, colors, near):
    prediction = predicted(model, pixels_of(*size), colors, near=near)
    denoised = np.ascontiguousarray(pixels_of(*size, seed=1).transpose(2, 0, 1))
    alphas = compiled_alphas(prediction, denoised)
    np.testing.assert_allclose(alphas, defined_alphas(prediction, denoised), atol=ALPHA_TOLERANCE)
    assert ((alphas == 0) | (alphas >= ALPHA_FLOOR * (1 - 1e-6))).all()  # the last division rounds
    assert np.abs(alphas.sum(axis=0, dtype=np.float64) - 1).max() <= 1e-6
    for rows in (1, 5, 32):
        for top in range(0, size[0], rows):
            part = compiled_alphas(prediction, np.ascontiguousarray(denoised[:, top : top + rows]), top)
            assert np.array_equal(part, alphas[:, top : top + rows])


@pytest.mark.parametrize("colors", [3, 7])
def test_alphas_of_flat_parts_that_follow_each_other(model, colors):
    """All pixels of a run decide alike, and the run before it decided otherwise."""
    rng = np.random.default_rng(0)
    flat = rng.random((24, 6, 3), dtype=np.float32).repeat(RUN, axis=1)
    prediction = predicted(model, flat, colors)
    denoised = np.ascontiguousarray(flat.transpose(2, 0, 1))
    alphas = compiled_alphas(prediction, denoised)
    np.testing.assert_allclose(alphas, defined_alphas(prediction, denoised), atol=ALPHA_TOLERANCE)


@given(
    seed=st.integers(0, 10**6),
    colors=st.integers(1, 16),
    scale=st.sampled_from([0.01, 0.1, 1.0, 4.0]),
    alike=st.booleans(),
    equal=st.booleans(),
)
def test_the_projection_finds_any_support(seed, colors, scale, alike, equal):
    """Of more than the four largest logits too, of equal ones, and of all pixels at once."""
    rng = np.random.default_rng(seed)
    shape = (colors, 1 if alike else RUN)
    given_logits = (rng.normal(size=shape) * scale).astype(np.float32).repeat(RUN // shape[1], axis=1)
    if equal:
        given_logits = given_logits.round(1)
    expected = project_to_simplex(torch.from_numpy(given_logits)[None])[0].numpy()
    palette, seen = rng.random((colors, 3), dtype=np.float32), rng.random((3, RUN), dtype=np.float32)
    logits, alphas, _, pixels, most, _ = alpha_steps.scratch(colors)
    logits[:colors] = given_logits
    pixels[: 3 * RUN] = seen.reshape(-1)
    subtract_largest(logits, most)
    np.testing.assert_array_equal(logits[:colors], given_logits - given_logits.max(axis=0))
    alphas[:] = np.nan
    project(logits, most, alpha_steps.padded(palette), pixels, alphas)
    np.testing.assert_allclose(alphas[:colors], expected, atol=2e-6)
    assert not alphas[colors:].any()
    left = pixels[3 * RUN : 6 * RUN].reshape(3, RUN)
    np.testing.assert_allclose(left, seen - palette.T @ expected, atol=4e-6)


def test_alphas_below_the_floor_are_0(model):
    """The only thing that PyTorch's rows do not have: there the processing does it."""
    pixels = pixels_of(8, 8)
    order, models, palette, steps, *_ = predicted(model, pixels, 3).constants
    models = np.zeros_like(models)
    models[0, 0], models[1, 0], models[2, 0] = 0.5, 0.5, ALPHA_FLOOR  # the third alpha is two thirds of that
    nothing = np.empty(0, np.float32)
    out = np.empty((3, 8, 8), np.float32)
    denoised = np.ascontiguousarray(pixels.transpose(2, 0, 1))
    none, alone = np.zeros(1, np.float32), np.eye(3, dtype=np.float32)
    alpha_rows(denoised, 0, order, models, palette, steps, nothing, nothing, nothing, none, alone, out)
    expected = project_to_simplex(torch.from_numpy(models[None, :, 0, 0]))[0, :, 0].numpy()
    assert 0 < expected[2] < ALPHA_FLOOR
    assert out[order[2]].max() == 0
    np.testing.assert_allclose(out[order[:2]], 0.5, atol=1e-6)
