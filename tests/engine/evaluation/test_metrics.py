"""Measures: against their formulas on small cases, and their invariants."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fscs_engine.evaluation import metrics


def random_layers(layers: int, height: int, width: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Alphas (K, H, W) that add to 1, some of them 0, and colors (K, H, W, 3)."""
    rng = np.random.default_rng(seed)
    raw = rng.random((layers, height, width)) * (rng.random((layers, height, width)) > 0.4)
    raw[0] += 1e-3
    alphas = (raw / raw.sum(axis=0)).astype(np.float32)
    return alphas, rng.random((layers, height, width, 3), dtype=np.float32)


SHAPES = st.tuples(st.integers(1, 5), st.integers(1, 6), st.integers(1, 6), st.integers(0, 1000))


def test_mean_squared_error_is_over_pixels_and_channels() -> None:
    image = np.zeros((2, 2, 3), np.float32)
    other = image.copy()
    other[0, 1] = (0.3, 0.0, 0.6)
    assert metrics.mean_squared_error(image, other) == pytest.approx((0.09 + 0.36) / 12)


def test_errors_are_added_in_float64() -> None:
    image = np.full((2000, 2000, 3), 0.25, np.float32)
    other = np.full_like(image, 0.75)
    assert metrics.mean_squared_error(image, other) == 0.25
    assert metrics.coverage(np.full((1, 3000, 3000), 0.1, np.float32))[0] == pytest.approx(np.float32(0.1), rel=1e-9)


def test_peak_signal_to_noise() -> None:
    image = np.zeros((4, 4, 3), np.float32)
    assert metrics.peak_signal_to_noise(image, image + np.float32(0.1)) == pytest.approx(20.0, abs=1e-5)
    assert metrics.peak_signal_to_noise(image, image) == math.inf


def test_structural_similarity_is_one_for_equal_pictures_only() -> None:
    rng = np.random.default_rng(0)
    image = rng.random((16, 20, 3), dtype=np.float32)
    noisy = np.clip(image + rng.normal(0, 0.1, image.shape), 0, 1)
    assert metrics.structural_similarity(image, image) == pytest.approx(1.0, abs=1e-12)
    assert 0.3 < metrics.structural_similarity(image, noisy) < 0.99


def test_structural_similarity_of_one_window_is_its_formula() -> None:
    rng = np.random.default_rng(1)
    image, other = rng.random((2, 7, 7, 3))
    expected = []
    for x, y in zip(image.reshape(-1, 3).T, other.reshape(-1, 3).T, strict=True):
        covariance = np.cov(x, y)  # of a sample: divided by 48
        top = (2 * x.mean() * y.mean() + 0.01**2) * (2 * covariance[0, 1] + 0.03**2)
        bottom = (x.mean() ** 2 + y.mean() ** 2 + 0.01**2) * (covariance[0, 0] + covariance[1, 1] + 0.03**2)
        expected.append(top / bottom)
    assert metrics.structural_similarity(image, other) == pytest.approx(np.mean(expected), abs=1e-9)


@pytest.mark.parametrize(("shape", "answered"), [((1, 1, 3), 0), ((2, 50, 3), 0), ((3, 9, 3), 1), ((6, 50, 3), 1)])
def test_structural_similarity_of_small_pictures(shape: tuple[int, ...], answered: int) -> None:
    image = np.random.default_rng(0).random(shape, dtype=np.float32)
    value = metrics.structural_similarity(image, image)
    assert value == pytest.approx(1.0) if answered else math.isnan(value)


def test_sparsity_of_known_alphas() -> None:
    one_layer = np.zeros((7, 3, 3), np.float32)
    one_layer[2] = 1
    assert metrics.sparsity(one_layer) == 0
    assert metrics.sparsity(np.full((7, 3, 3), 1 / 7, np.float32)) == pytest.approx(6, abs=1e-5)
    two = np.array([0.5, 0.25, 0.25], np.float32).reshape(3, 1, 1)
    assert metrics.sparsity(two) == pytest.approx(1 / 0.375 - 1)
    mixed = np.concatenate((np.array([1, 0, 0], np.float32).reshape(3, 1, 1), two), axis=2)
    assert metrics.sparsity(mixed) == pytest.approx((1 / 0.375 - 1) / 2)  # the mean of ratios, not the ratio of means


def test_sparsity_of_no_alpha_at_all() -> None:
    assert metrics.sparsity(np.zeros((3, 2, 2), np.float32)) == 0


@given(SHAPES)
def test_sparsity_is_between_none_and_all(shape: tuple[int, int, int, int]) -> None:
    alphas, _ = random_layers(*shape)
    assert -1e-6 <= metrics.sparsity(alphas) <= len(alphas) - 1 + 1e-6
    assert 1 <= metrics.visible_layers(alphas) <= len(alphas)
    assert metrics.coverage(alphas).sum() == pytest.approx(1, abs=1e-6)


@given(SHAPES)
def test_order_of_the_layers_does_not_matter(shape: tuple[int, int, int, int]) -> None:
    alphas, colors = random_layers(*shape)
    order = np.random.default_rng(shape[3]).permutation(len(alphas))
    image = colors[0]
    for first, second in (
        (metrics.sparsity(alphas), metrics.sparsity(alphas[order])),
        (metrics.visible_layers(alphas), metrics.visible_layers(alphas[order])),
        (metrics.flat_noise(alphas, image), metrics.flat_noise(alphas[order], image)),
        (metrics.color_variance(colors), metrics.color_variance(colors[order])),
        (metrics.color_variance(colors, alphas), metrics.color_variance(colors[order], alphas[order])),
    ):
        assert first == pytest.approx(second, rel=1e-9, nan_ok=True)
    assert metrics.recompose(alphas, colors) == pytest.approx(
        metrics.recompose(alphas[order], colors[order]), abs=1e-12
    )


def test_color_variance_unweighted_counts_every_pixel() -> None:
    colors = np.zeros((2, 1, 4, 3), np.float32)
    colors[0, 0, :, 0] = (0, 1, 0, 1)
    colors[0, 0, :, 2] = (0, 0, 0, 0.4)
    expected = (0.25 + np.var([0, 0, 0, 0.4])) / 2  # R and B of the first layer; the second has none
    assert metrics.color_variance(colors) == pytest.approx(expected)


def test_color_variance_weighted_counts_what_is_seen() -> None:
    colors = np.zeros((2, 1, 3, 3), np.float32)
    colors[0, 0, :, 1] = (0.2, 0.8, 0.9)
    alphas = np.array([[[0.75, 0.25, 0.0]], [[0.25, 0.75, 1.0]]], np.float32)
    mean = 0.75 * 0.2 + 0.25 * 0.8
    expected = (0.75 * (0.2 - mean) ** 2 + 0.25 * (0.8 - mean) ** 2) / 2
    assert metrics.color_variance(colors, alphas) == pytest.approx(expected, rel=1e-6)


def test_color_variance_weighted_leaves_out_empty_layers() -> None:
    alphas, colors = random_layers(3, 5, 5, 0)
    empty = np.concatenate((alphas, np.zeros((1, 5, 5), np.float32)))
    more = np.concatenate((colors, colors[:1]))
    assert metrics.color_variance(more, empty) == pytest.approx(metrics.color_variance(colors, alphas), rel=1e-12)
    assert math.isnan(metrics.color_variance(colors, np.zeros_like(alphas)))


def test_color_variance_weighted_takes_negative_alphas_as_none() -> None:
    alphas, colors = random_layers(2, 4, 4, 1)
    alphas[0, 0, 0] = 0.0
    negative = alphas.copy()
    negative[0, 0, 0] = -0.5
    assert metrics.color_variance(colors, negative) == metrics.color_variance(colors, alphas)


@given(SHAPES)
def test_equal_alphas_weigh_nothing(shape: tuple[int, int, int, int]) -> None:
    alphas, colors = random_layers(*shape)
    uniform = np.full_like(alphas, 1 / len(alphas))
    assert metrics.color_variance(colors, uniform) == pytest.approx(metrics.color_variance(colors), rel=1e-9, abs=1e-15)


def test_visible_layers_are_over_one_percent() -> None:
    alphas = np.array([0.98, 0.009, 0.011], np.float32).reshape(3, 1, 1)
    assert metrics.visible_layers(np.concatenate((alphas, alphas), axis=2)) == 2


def levels(rows: list[list[int]]) -> NDArray[np.float32]:
    """A gray picture from 8-bit levels, as a file is read."""
    gray = np.array(rows, np.uint8).astype(np.float32) / np.float32(255)
    return np.repeat(gray[..., None], 3, axis=2)


def test_torn_edges_are_jumps_beyond_the_images() -> None:
    palette = np.array([[0.0, 0.0, 0.0], [0.5, 0.0, 0.0]])
    ramp = np.linspace(0.0, 0.5, 11)
    image = np.stack((ramp, 0 * ramp, 0 * ramp), axis=-1)[None]
    mixture = np.stack((1 - ramp / 0.5, ramp / 0.5))[:, None]
    assert metrics.torn_edges(mixture, image, palette) == (pytest.approx(0.0, abs=1e-9), 0.0)
    nearest = np.stack((ramp < 0.24, ramp >= 0.24)).astype(float)[:, None]
    mean, share = metrics.torn_edges(nearest, image, palette)
    assert share == pytest.approx(1 / 10)  # one pair of ten jumps, by 0.5 where the image changes by 0.05
    assert mean == pytest.approx(255 * 0.45 / 10)
    assert metrics.torn_edges(nearest.transpose(0, 2, 1), image.transpose(1, 0, 2), palette) == (mean, share)


def test_torn_edges_count_by_the_distance_to_the_nearest_color() -> None:
    alphas = np.array([[[1.0, 0.0]], [[0.0, 0.0]], [[0.0, 1.0]]])
    image = np.zeros((1, 2, 3))
    palette = np.array([[0.0, 0, 0], [0.1, 0, 0], [0.8, 0, 0]])
    assert metrics.torn_edges(alphas, image, palette) == (pytest.approx(255 * 0.7), 1.0)
    assert metrics.torn_edges(alphas[:2], image, palette[:2]) == (pytest.approx(255 * 0.1), 1.0)


def test_torn_edges_without_an_answer() -> None:
    assert metrics.torn_edges(np.ones((1, 3, 3)), np.random.default_rng(0).random((3, 3, 3)), np.zeros((1, 3))) == (
        0,
        0,
    )
    assert all(math.isnan(v) for v in metrics.torn_edges(np.ones((2, 1, 1)), np.zeros((1, 1, 3)), np.eye(3)[:2]))


def test_flat_noise_is_the_mean_over_flat_pairs() -> None:
    image = levels([[100, 102, 140], [100, 102, 102]])
    first = np.array([[0.0, 0.5, 1.0], [0.1, 0.5, 0.9]], np.float32)
    # flat: 100-102 in both rows, 102-102 in the second row, 100/100 and 102/102 in the columns
    expected = (0.5 + 0.4 + 0.4 + 0.1 + 0.0) / 5
    assert metrics.flat_noise(np.stack((first, 1 - first)), image) == pytest.approx(expected, rel=1e-6)


def test_three_levels_of_eight_bits_are_not_flat() -> None:
    alphas = np.array([[[0.0, 1.0]], [[1.0, 0.0]]], np.float32)
    for level in range(253):  # three levels apart is a little less than 3/255 for some of them in float32
        assert metrics.flat_noise(alphas, levels([[level, level + 2]])) == 1
        assert math.isnan(metrics.flat_noise(alphas, levels([[level, level + 3]])))


def test_flat_means_every_channel() -> None:
    alphas = np.array([[[0.0, 1.0]], [[1.0, 0.0]]], np.float32)
    image = np.array([[[0.5, 0.5, 0.5], [0.5, 0.5, 0.52]]], np.float32)
    assert math.isnan(metrics.flat_noise(alphas, image))


@given(SHAPES)
def test_constant_alphas_have_no_noise(shape: tuple[int, int, int, int]) -> None:
    layers, height, width, _ = shape
    alphas = np.full((layers, height, width), 1 / layers, np.float32)
    noise = metrics.flat_noise(alphas, np.zeros((height, width, 3), np.float32))
    assert noise == 0 if height * width > 1 else math.isnan(noise)


def test_flicker_is_the_mean_over_still_pixels() -> None:
    before = levels([[100, 100, 100], [100, 100, 100]])
    after = levels([[100, 102, 103], [98, 97, 200]])
    first = np.array([[0.0, 0.5, 1.0], [0.2, 0.5, 0.9]], np.float32)
    second = np.array([[0.1, 0.5, 0.0], [0.6, 0.0, 0.0]], np.float32)
    expected = (0.1 + 0.0 + 0.4) / 3  # the first two of the first row and the first of the second stand still
    alphas_before, alphas = np.stack((first, 1 - first)), np.stack((second, 1 - second))
    assert metrics.flicker(alphas_before, alphas, before, after) == pytest.approx(expected, rel=1e-6)
    assert metrics.flicker(alphas, alphas_before, after, before) == pytest.approx(expected, rel=1e-6)


def test_flicker_of_three_levels_of_eight_bits_is_movement() -> None:
    first, second = np.array([[[1.0]], [[0.0]]], np.float32), np.array([[[0.0]], [[1.0]]], np.float32)
    for level in range(253):
        assert metrics.flicker(first, second, levels([[level]]), levels([[level + 2]])) == 1
        assert math.isnan(metrics.flicker(first, second, levels([[level]]), levels([[level + 3]])))
    one_channel = np.array([[[0.5, 0.5, 0.52]]], np.float32)
    assert math.isnan(metrics.flicker(first, second, np.full((1, 1, 3), 0.5, np.float32), one_channel))


@given(SHAPES)
def test_flicker_is_between_none_and_all(shape: tuple[int, int, int, int]) -> None:
    before, _ = random_layers(*shape)
    after, _ = random_layers(*shape[:3], shape[3] + 1)
    image = np.zeros((*before.shape[1:], 3), np.float32)
    order = np.random.default_rng(shape[3]).permutation(len(before))
    value = metrics.flicker(before, after, image, image)
    assert 0 <= value <= 1 + 1e-6
    assert metrics.flicker(before[order], after[order], image, image) == pytest.approx(value, rel=1e-9)
    assert metrics.flicker(before, before, image, image) == 0


def test_recompose_is_the_sum_of_alpha_times_color() -> None:
    alphas, colors = random_layers(4, 3, 5, 2)
    expected = np.einsum("khw,khwc->hwc", alphas.astype(np.float64), colors.astype(np.float64))
    result = metrics.recompose(alphas, colors)
    assert result.dtype == np.float64
    assert result == pytest.approx(expected, abs=1e-12)


def test_recomposition_error_is_the_largest() -> None:
    layers = np.zeros((2, 3, 4, 4), np.float32)
    layers[0] = 0.25
    image = layers.sum(axis=0)
    assert metrics.recomposition_error(layers, image) == 0
    layers[1, 2, 3, 1] = -0.5
    layers[1, 0, 0, 2] = 0.125
    before = layers.copy()
    assert metrics.recomposition_error(layers, image) == 0.5
    assert np.array_equal(layers, before)


def test_recomposition_error_shows_nan() -> None:
    layers = np.zeros((2, 1, 1, 4), np.float32)
    layers[1, 0, 0, 0] = np.nan
    assert math.isnan(metrics.recomposition_error(layers, np.zeros((1, 1, 4), np.float32)))
