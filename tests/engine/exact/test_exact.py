"""The exact step on random and on awkward pixels."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fscs_engine.exact.exact import absorb_rounding, exact_colors, recompose, sum_layers


def random_alphas(generator, colors, sparse):
    alphas = torch.rand(colors, 8, 9, generator=generator)
    if sparse:
        alphas *= torch.rand(colors, 8, 9, generator=generator) > 0.5
        alphas[0] += 1e-3
    return alphas / alphas.sum(dim=0)


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 10**6), colors=st.integers(1, 16), sparse=st.booleans(), extreme=st.booleans())
def test_display_referred_colors_add_up_inside_the_box(seed, colors, sparse, extreme):
    generator = torch.Generator().manual_seed(seed)
    alphas = random_alphas(generator, colors, sparse)
    u, c = torch.rand(colors, 3, 8, 9, generator=generator), torch.rand(3, 8, 9, generator=generator)
    if extreme:
        u, c = u.round(), c.round()
    before = u.clone()
    u = exact_colors(alphas, u, c, torch.ones(8, 9, dtype=torch.bool))
    assert u.min() >= 0
    assert u.max() <= 1
    assert (recompose(alphas, u) - c).abs().max() <= 1e-6
    hidden = (alphas == 0)[:, None].expand_as(u)
    assert torch.equal(u[hidden], before[hidden])


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), colors=st.integers(1, 16), scale=st.sampled_from([1.0, 50.0, 65504.0]))
def test_scene_linear_colors_add_up(seed, colors, scale):
    generator = torch.Generator().manual_seed(seed)
    alphas = random_alphas(generator, colors, True)
    c = torch.randn(3, 8, 9, generator=generator) * scale
    u = exact_colors(alphas, torch.rand(colors, 3, 8, 9, generator=generator), c, None)
    bound = 1e-6 * c.abs().amax(dim=0).clamp_min(1.0)
    layers = torch.cat((u * alphas[:, None], alphas[:, None]), dim=1).permute(0, 2, 3, 1).contiguous()
    target = torch.cat((c, torch.ones(1, 8, 9))).permute(1, 2, 0)
    missing = absorb_rounding(layers, target, alphas)
    assert torch.equal(missing, target - sum_layers(layers))
    assert (missing.abs().amax(dim=-1) <= bound).all()


def test_the_missing_rounding_goes_to_a_visible_layer():
    alphas = torch.tensor([0.0, 1.0])[:, None, None]
    layers = torch.zeros(2, 1, 1, 4)
    absorb_rounding(layers, torch.full((1, 1, 4), 0.5), alphas)
    assert layers[0].abs().max() == 0
    assert layers[1].min() == 0.5
