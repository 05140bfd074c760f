"""The network's blocks on the CPU, by rows, against the definition in PyTorch on whole planes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from fscs_engine.networks import coarse_network
from fscs_engine.networks.any_palette import coarse_grid, mixtures
from fscs_engine.networks.any_palette_model import AnyPaletteModel
from fscs_engine.networks.coarse_network import CoarseNetwork
from fscs_engine.networks.model import View

TOLERANCE = {"atol": 1e-4, "rtol": 2e-6}
"""Models have numbers up to some tens, summed in another order."""


SOFTNESS = torch.full((1,), 0.5)


def scene(height, width, colors, seed=0):
    """Cells with what belongs to them: (6, h, w), (K, 3), (K, h, w)."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, height, width, generator=generator)
    image = F.interpolate(coarse, scale_factor=8.0, mode="bilinear") + 0.02 * torch.rand(
        1, 3, 8 * height, 8 * width, generator=generator
    )
    grid, palette = coarse_grid(image.clamp(0, 1)), torch.rand(1, colors, 3, generator=generator)
    return grid, palette, mixtures(grid, palette)


def looped(network, grid, palette, mixed, corner=(0, 0), size=None, offsets=None):
    """The loops' models (K, 13, h, w) of a part of the cells."""
    height, width = size or grid.shape[2:]
    out = np.full((palette.shape[1], 13, height, width), np.nan, np.float32)
    offsets = network.embed(palette, SOFTNESS).offsets[0].numpy() if offsets is None else offsets
    CoarseNetwork(network).models(grid[0].numpy(), palette[0].numpy(), offsets, mixed[0].numpy(), corner, out)
    return out


@pytest.mark.parametrize("size", [(1, 1), (1, 30), (33, 1), (4, 4), (17, 70), (66, 35)])
@pytest.mark.parametrize("colors", [2, 7, 16])
def test_models_are_the_networks(network, size, colors):
    grid, palette, mixed = scene(*size, colors)
    wanted = network.models(grid, palette, network.embed(palette, SOFTNESS).offsets, mixed)[0].numpy()
    np.testing.assert_allclose(looped(network, grid, palette, mixed), wanted, **TOLERANCE)


@pytest.mark.parametrize("bytes_of_rows", [1, 20_000, 10**9])
def test_blocks_of_any_height_give_the_same(network, monkeypatch, bytes_of_rows):
    made = scene(21, 40, 5)
    before = looped(network, *made)
    monkeypatch.setattr(coarse_network, "_ROWS_BYTES", bytes_of_rows)
    monkeypatch.setattr(coarse_network, "_LEAST_BLOCKS", 1)
    np.testing.assert_allclose(looped(network, *made), before, **TOLERANCE)


@pytest.mark.parametrize(
    ("corner", "size"), [((0, 0), (21, 40)), ((3, 5), (9, 17)), ((20, 39), (1, 1)), ((4, 0), (17, 8))]
)
def test_a_part_is_cut_out_of_the_whole(network, corner, size):
    made = scene(21, 40, 3)
    whole = looped(network, *made)
    (top, left), (height, width) = corner, size
    part = looped(network, *made, corner, size)
    assert np.array_equal(part, whole[..., top : top + height, left : left + width])


def test_what_was_in_the_memory_does_not_count(network, monkeypatch):
    made = scene(13, 22, 4)
    before = looped(network, *made)
    monkeypatch.setattr(coarse_network, "empty", lambda shape: np.full(tuple(shape), np.nan, np.float32))
    assert np.array_equal(looped(network, *made), before)


@pytest.mark.parametrize(("tile", "kept"), [(0, True), (64, False)])
def test_tiles_of_a_picture_leave_no_memory_behind(weights, monkeypatch, tile, kept):
    asked = []
    monkeypatch.setattr(coarse_network, "empty", lambda shape: asked.append(shape) or np.empty(shape, np.float32))
    pixels = np.random.default_rng(0).random((100, 90, 3), np.float32)
    view = View(100, 90, torch.device("cpu"), tile, lambda top, bottom: pixels[top:bottom], lambda _: None)
    AnyPaletteModel(weights, view.device).predict(
        view, torch.rand(3, 3, generator=torch.Generator().manual_seed(0)), 0.5
    )
    assert any(len(shape) == 1 for shape in asked) == kept  # the sets of all blocks in one piece


def test_the_number_of_threads_does_not_even_show_in_the_rounding(network):
    made = scene(40, 50, 6)
    offsets = network.embed(made[1], SOFTNESS).offsets[0].numpy()
    count, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append(looped(network, *made, offsets=offsets))
    finally:
        torch.set_num_threads(count)
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])
