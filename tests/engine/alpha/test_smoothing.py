"""The guided filter against its formula, written out window by window in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fscs_engine.alpha.smoothing import box_sum, gray, guided_filter, reach


def reference(guide, source, radius, eps):
    """He et al. 2010, Eq. 5, 6 and 8, with windows cut at the border."""
    height, width = guide.shape
    a, b = np.empty_like(guide), np.empty_like(guide)

    def window(plane, y, x):
        return plane[max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1]

    for y in range(height):
        for x in range(width):
            i, p = window(guide, y, x), window(source, y, x)
            a[y, x] = ((i * p).mean() - i.mean() * p.mean()) / (i.var() + eps)
            b[y, x] = p.mean() - a[y, x] * i.mean()
    filtered = np.empty_like(guide)
    for y in range(height):
        for x in range(width):
            filtered[y, x] = window(a, y, x).mean() * guide[y, x] + window(b, y, x).mean()
    return filtered


@pytest.mark.parametrize(("height", "width", "radius"), [(9, 12, 1), (12, 9, 3), (5, 4, 8), (1, 7, 2), (1, 1, 3)])
@pytest.mark.parametrize("eps", [1e-6, 1e-2])
def test_equals_the_formula(height, width, radius, eps):
    rng = np.random.default_rng(3)
    guide, source = rng.random((height, width)), rng.random((2, height, width))
    filtered = guided_filter(torch.from_numpy(guide).float(), torch.from_numpy(source).float(), radius, eps)
    for plane, ours in zip(source, filtered.numpy(), strict=True):
        np.testing.assert_allclose(
            ours, reference(guide.astype(np.float32).astype(float), plane, radius, eps), atol=2e-5
        )


def test_box_sum_in_float32_windows_equals_running_sums():
    plane = torch.rand(23, 17)
    torch.testing.assert_close(box_sum(plane, 4), box_sum(plane.double(), 4).float())


def test_large_pictures_do_not_break_it():
    """The released code's float32 running sums leave [-4, 3] at this size."""
    torch.manual_seed(0)
    guide = torch.rand(540, 1920).mul(0.02).add(0.9)
    alpha = torch.rand(1, 540, 1920)
    whole = guided_filter(guide, alpha, 3, 1e-6)
    corner = guided_filter(guide[-100:, -100:], alpha[:, -100:, -100:], 3, 1e-6)
    inner = reach(3)
    torch.testing.assert_close(whole[:, -100 + inner :, -100 + inner :], corner[:, inner:, inner:], atol=1e-6, rtol=0)


def test_radius_0_changes_nothing():
    alpha = torch.rand(2, 5, 5)
    assert guided_filter(torch.rand(5, 5), alpha, 0, 1e-6) is alpha


def test_gray_is_rec601_luma():
    image = torch.tensor([1.0, 0.5, 0.25])[:, None, None]
    assert gray(image).item() == pytest.approx(0.299 + 0.587 * 0.5 + 0.114 * 0.25)
