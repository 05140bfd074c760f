"""Composites: alphas that are alphas, decoys that are nowhere, and pictures that the layers make."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fscs_engine.networks import palette_network
from fscs_engine.training import composites
from fscs_engine.training.composites import composite

SIDE = 40


def textures(seed=0, count=2):
    """(S, S, 3) in [0, 1]: ramps with grain."""
    rng = np.random.default_rng(seed)
    ramp = np.linspace(0, 1, SIDE)[:, None, None] * rng.random(3) * 0.7
    return [np.clip(ramp + 0.2 * rng.random((SIDE, SIDE, 3)), 0, 1).astype(np.float32) for _ in range(count)]


@settings(max_examples=60)
@given(seed=st.integers(0, 10**6), colors=st.integers(1, 6), decoys=st.integers(0, 10))
def test_alphas_are_in_range_add_to_1_and_decoys_have_none(seed, colors, decoys):
    picture, palette, alphas = composite(textures(), colors, decoys, np.random.default_rng(seed))
    assert picture.shape == (3, SIDE, SIDE)
    assert palette.shape == (colors + decoys, 3)
    assert alphas.shape == (colors + decoys, SIDE, SIDE)
    for values in (picture, palette, alphas):
        assert values.dtype == np.float32
        assert values.min() >= 0
        assert values.max() <= 1
    np.testing.assert_allclose(alphas.sum(axis=0), 1, atol=1e-5)
    assert (alphas.max(axis=(1, 2)) > 0).sum() <= colors
    np.testing.assert_allclose(picture * 255, np.round(picture * 255), atol=1e-4)  # as 8-bit files have it


@given(seed=st.integers(0, 10**6))
def test_same_generator_same_bytes(seed):
    first, again = (composite(textures(), 4, 3, np.random.default_rng(seed)) for _ in range(2))
    for one, other in zip(first, again, strict=True):
        assert one.tobytes() == other.tobytes()
    another = composite(textures(), 4, 3, np.random.default_rng(seed + 1))
    assert first[0].tobytes() != another[0].tobytes()


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6), colors=st.integers(1, 6), decoys=st.integers(0, 4))
def test_the_picture_lies_within_the_hull_of_its_layers(seed, colors, decoys):
    """Each layer is its palette color, the palette's own change of 0.012 taken off, and a texture around it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(composites, "_texture", lambda photo, rng: np.zeros((1, 1, 3), np.float32))
        picture, palette, alphas = composite(textures(), colors, decoys, np.random.default_rng(seed))
    mixed = np.einsum("khw,kc->chw", alphas, palette)
    noise = 0.012 * 5 + 0.012 * 5 + 0.5 / 255  # of picture and palette at most, and the rounding
    assert np.abs(picture - mixed).max() <= noise
    used = palette[alphas.max(axis=(1, 2)) > 0]
    low, high = used.min(axis=0)[:, None, None], used.max(axis=0)[:, None, None]
    assert (picture >= low - noise).all()
    assert (picture <= high + noise).all()


def test_layers_have_texture():
    """Not in all pictures, and never so much that the color is lost."""
    spreads = []
    for seed in range(40):
        picture, palette, _ = composite(textures(), 1, 0, np.random.default_rng(seed))
        spreads.append(picture.std(axis=(1, 2)).max())
        assert np.abs(picture.mean(axis=(1, 2)) - palette[0]).max() < 0.1
    assert min(spreads) < 0.013
    assert max(spreads) > 0.03


def test_edges_are_of_every_kind():
    """Among masks are hard ones, soft ones and some that never become opaque."""
    rng = np.random.default_rng(0)
    masks = np.stack([composites._mask(SIDE, textures()[0], False, rng) for _ in range(80)])
    assert masks.min() >= 0
    assert masks.max() <= 1
    soft = ((masks > 0.02) & (masks < 0.98)).mean(axis=(1, 2))
    assert soft.min() < 0.15
    assert soft.max() > 0.7
    most = masks.max(axis=(1, 2))
    assert ((most > 0.25) & (most < 0.97)).any()
    assert (most > 0.99).any()


def test_solid_masks_are_soft_at_their_edges_alone():
    rng = np.random.default_rng(0)
    softness = []
    for solid in (True, False):
        masks = np.stack([composites._mask(4 * SIDE, np.tile(textures()[0], (4, 4, 1)), solid, rng) for _ in range(60)])
        softness.append(((masks > 0.02) & (masks < 0.98)).mean())
    assert softness[0] < 0.6 * softness[1]


@pytest.mark.parametrize("texture", [np.zeros, np.ones])
def test_flat_photographs_are_textures_too(texture):
    flat = [texture((SIDE, SIDE, 3), dtype=np.float32)]
    for seed in range(12):
        for values in composite(flat, 4, 2, np.random.default_rng(seed)):
            assert np.isfinite(values).all()


@pytest.mark.parametrize("count", [1, 7, 16])
@pytest.mark.parametrize("off_lines", [0.0, 0.12])
def test_colors_lie_apart(count, off_lines):
    colors = composites._apart_colors(count, np.random.default_rng(1), off_lines)
    assert colors.shape == (count, 3)
    distances = np.linalg.norm(colors[:, None] - colors[None], axis=2)[~np.eye(count, dtype=bool)]
    assert (distances > 0.03).all()
    if off_lines and count < 16:
        apart = palette_network.off_lines(torch.from_numpy(colors)[None])
        assert apart.min() > 0.05
