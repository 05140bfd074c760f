"""Each loop over sets against the definition in PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from fscs_engine.networks.any_palette import SetBlock, avg_pool, features
from fscs_engine.networks.set_loops import (
    add_common_rows,
    feature_rows,
    mean_rows,
    model_rows,
    pool_rows,
    share_rows,
    upsample_rows,
)

COUNT, HEIGHT, WIDTH = 4, 5, 70  # wider than the loops' pieces


def sets_of(planes):
    """(K, C, h, w) as whole sets (h + 2, K, w + 1, C)."""
    return np.ascontiguousarray(F.pad(planes, (0, 1, 1, 1)).permute(2, 0, 3, 1).numpy())


@pytest.mark.parametrize(("first", "last"), [(-1, 5), (-1, 2), (1, 4), (3, 5), (0, 4)])
@pytest.mark.parametrize("planes", [3, 8, 16])
def test_sets_are_halved_and_doubled(first, last, planes):
    fine, coarse = torch.randn(5, planes, 8, 12), torch.randn(5, planes, 4, 6)
    halves = np.full((last - first, 5, 7, planes), np.nan, np.float32)
    pool_rows(sets_of(fine), first, halves)
    np.testing.assert_allclose(halves, sets_of(avg_pool(fine))[first + 1 : last + 1], atol=1e-6)
    top, bottom = 2 * first, 2 * last - 1
    sums = np.full((bottom - max(top, -1), 5, 13, planes), np.nan, np.float32)
    upsample_rows(sets_of(coarse)[1:-1], 0, 4, sets_of(fine), max(top, -1), sums)
    wanted = sets_of(fine + F.interpolate(coarse, scale_factor=2.0, mode="bilinear"))
    np.testing.assert_allclose(sums, wanted[max(top, -1) + 1 : bottom + 1], atol=1e-6)


def test_shares_of_far_cells_are_finite():
    """The nearest color can be so far that every exponential alone would be 0."""
    grid, palette = np.zeros((6, 1, 1), np.float32), np.float32([[1, 1, 1], [1, 1, 0.99], [0.99, 1, 1]])
    share = np.full((3, 1, 1), np.nan, np.float32)
    share_rows(grid, palette, share)
    assert share.sum() == pytest.approx(1)
    assert share.argmin() == 0
    seen = np.full((3, 3, 2, 12), np.nan, np.float32)
    feature_rows(grid, palette, share, share, -1, seen)
    assert np.isfinite(seen).all()
    assert not seen[0].any()
    assert not seen[2].any()
    assert not seen[:, :, 1].any()


def unknown(*shape):
    """Memory with anything in it."""
    return np.full(shape, np.nan, np.float32)


def planes_of(sets):
    """Sets (h, K, w + 1, C) as planes (K, C, h, w)."""
    return torch.from_numpy(np.ascontiguousarray(sets[:, :, :-1].transpose(1, 3, 0, 2)))


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_features_and_shares_are_those_of_the_definition():
    grid = random(1, 6, HEIGHT, WIDTH).abs().clamp_max(1.0)
    palette, mixed = random(1, COUNT, 3, seed=1).sigmoid(), random(1, COUNT, HEIGHT, WIDTH, seed=2).softmax(dim=1)
    planes, shares = features(grid, palette, mixed)
    found = unknown(COUNT, HEIGHT, WIDTH)
    share_rows(grid[0].numpy(), palette[0].numpy(), found)
    np.testing.assert_allclose(found, shares[0, :, 0], atol=1e-6)
    sets = unknown(HEIGHT, COUNT, WIDTH + 1, 12)
    feature_rows(grid[0].numpy(), palette[0].numpy(), mixed[0].numpy(), found, 0, sets)
    np.testing.assert_allclose(planes_of(sets), planes[0], atol=2e-6)
    part = unknown(3, COUNT, WIDTH + 1, 12)
    feature_rows(grid[0].numpy(), palette[0].numpy(), mixed[0].numpy(), found, 2, part)
    assert np.array_equal(part, sets[2:])


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("offset", [False, True])
def test_means_and_joins_are_a_block(residual, offset):
    """With the block's two convolutions between them, which are PyTorch's in both."""
    channels = 8
    torch.manual_seed(0)
    block = SetBlock(channels, channels, residual=residual).eval().requires_grad_(False)
    planes = random(COUNT, channels, HEIGHT, WIDTH)
    share = random(1, COUNT, 1, HEIGHT, WIDTH, seed=1).softmax(dim=1)
    offsets = random(1, COUNT, channels, seed=2) if offset else None
    wanted = block(planes, share, offsets)

    sets = sets_of(block.conv(planes))[1:-1]
    means = unknown(HEIGHT, WIDTH, 2 * channels)
    added = offsets[0].numpy() if offset else np.zeros((0, channels), np.float32)
    mean_rows(sets, added, share[0, :, 0].numpy(), 0, means)
    common = block.mix(torch.from_numpy(means).permute(2, 0, 1)[None])[0].permute(1, 2, 0).contiguous().numpy()
    before = sets_of(planes)[1:-1] if residual else np.zeros((0, COUNT, WIDTH + 1, channels), np.float32)
    joined = unknown(HEIGHT, COUNT, WIDTH + 1, channels)
    add_common_rows(sets, common, before, joined)
    np.testing.assert_allclose(planes_of(joined), wanted, atol=2e-6)
    assert not joined[:, :, -1].any()


def test_models_have_one_gate_for_all_entries():
    found = random(HEIGHT, COUNT, WIDTH + 1, 13).numpy()
    out = unknown(COUNT, 13, HEIGHT, 30)
    model_rows(found, 7, out)
    wanted = found[:, :, 7:37].transpose(1, 3, 0, 2)
    assert np.array_equal(out[:, :11], wanted[:, :11])
    gates = torch.sigmoid(torch.from_numpy(wanted[:, 11:].mean(axis=0)))
    for entry in out:
        np.testing.assert_allclose(entry[11:], gates, atol=1e-6)
