"""What the palette alone decides: distances, shares, base colors and factors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from fscs_engine.host.parameters import MAXIMUM_COLORS
from fscs_engine.networks.any_palette import AnyPaletteNetwork
from fscs_engine.networks.constants import FITTING_STEPS, GRADIENT_STEPS
from fscs_engine.networks.palette_network import NEAR, distances, nearest_other, off_lines, palette_features, shares_of

SOFTNESS = torch.full((1,), 0.5)


def generator(seed):
    return torch.Generator().manual_seed(seed)


def picture(height, width):
    """Coarse colors with some grain."""
    coarse = torch.rand(1, 3, height // 12 + 2, width // 12 + 2, generator=generator(0))
    grain = 0.02 * torch.randn(1, 3, height, width, generator=generator(1))
    return (F.interpolate(coarse, (height, width), mode="bilinear") + grain).clamp(0.0, 1.0)


class TestShares:
    def test_colors_that_are_apart_keep_their_alphas(self):
        palette = torch.cartesian_prod(*[torch.tensor([0.1, 0.1 + NEAR])] * 3)
        assert torch.equal(shares_of(palette[None])[0], torch.eye(8))

    @pytest.mark.parametrize("difference", [0.0, 1e-7, 1e-4, 0.01])
    def test_colors_that_are_hardly_apart_share_evenly(self, difference):
        palette = torch.full((1, 5, 3), 0.4)
        palette[0, 0, 1] += difference
        palette[0, 4] = 0.9
        expected = torch.block_diag(torch.full((4, 4), 0.25), torch.ones(1, 1))
        torch.testing.assert_close(shares_of(palette)[0], expected, atol=1e-4, rtol=0)

    @given(seed=st.integers(0, 10**6), colors=st.integers(1, 16), spread=st.sampled_from([0.01, 0.1, 1.0]))
    def test_nothing_is_lost_and_who_shares(self, seed, colors, spread):
        palette = spread * torch.rand(2, colors, 3, generator=generator(seed))
        shares, near = shares_of(palette), (torch.cdist(palette, palette) < NEAR).float()
        torch.testing.assert_close(shares.sum(dim=1), torch.ones(2, colors))
        assert ((shares > 0) == (near @ near @ near > 0)).all()  # what is near, and what is up to three links away

    def test_in_a_row_of_shades_the_nearer_get_more(self):
        palette = torch.tensor([[[0.3, 0.3, 0.3 + d] for d in (0.0, 0.06, 0.12, 0.18, 0.24, 0.3)]])
        shares = shares_of(palette)[0, :, 0]
        assert min(shares[0], shares[1]) > shares[2] > shares[3] > 0
        assert shares[3] < 0.1
        assert shares[4:].tolist() == [0.0, 0.0]

    def test_no_step_where_they_begin_to_share(self):
        palettes = torch.tensor([[[0.3, 0.3, 0.3], [0.3, 0.3, 0.3 + d]] for d in np.linspace(0.0, 2 * NEAR, 400)])
        assert shares_of(palettes.float()).diff(dim=0).abs().max() < 0.06


class TestDistances:
    @given(seed=st.integers(0, 10**6), colors=st.integers(2, 6))
    def test_against_points_on_the_lines(self, seed, colors):
        palette = torch.rand(1, colors, 3, generator=generator(seed))
        nearest, off = nearest_other(distances(palette)), off_lines(palette)
        places = np.linspace(0, 1, 501)[:, None]
        for number, color in enumerate(palette[0].double().numpy()):
            others = np.delete(palette[0].double().numpy(), number, axis=0)
            assert nearest[0, number].item() == pytest.approx(min(1, np.linalg.norm(others - color, axis=1).min()))
            lines = [first + places * (second - first) for first in others for second in others]
            expected = min(np.linalg.norm(line - color, axis=1).min() for line in lines)
            assert off[0, number].item() == pytest.approx(min(1, expected), abs=2e-3)

    def test_of_one_equal_and_far_colors(self):
        alone = torch.rand(1, 1, 3)
        assert nearest_other(distances(alone)).item() == off_lines(alone).item() == 1.0
        palette = torch.tensor([[[0.2, 0.4, 0.6], [0.2, 0.4, 0.6], [1.0, 1.0, 1.0]]])
        nearest, off = nearest_other(distances(palette)), off_lines(palette)
        assert nearest[0, :, 0].tolist() == [0.0, 0.0, 1.0]
        assert off[0, :, 0].tolist() == pytest.approx([0.0, 0.0, 1.0], abs=2e-4)

    def test_a_shade_between_two_is_on_their_line(self):
        palette = torch.tensor([[[0.1, 0.1, 0.1], [0.4, 0.4, 0.4], [0.9, 0.9, 0.9], [0.9, 0.1, 0.1]]])
        off = off_lines(palette)
        assert off[0, 1].item() < 1e-3
        assert (off[0, [0, 2, 3]] > 0.4).all()


class TestManner:
    def test_of_an_untrained_network(self):
        """Base colors lie further apart, all else is as it is without a palette."""
        palette = torch.tensor([[[0.1, 0.3, 0.4], [0.9, 0.2, 0.1], [0.5, 0.7, 0.3]]])
        network = AnyPaletteNetwork()
        embedding = network.embed(palette, SOFTNESS)
        center = palette.mean(dim=1, keepdim=True)
        torch.testing.assert_close(embedding.base - center, 1.05 * (palette - center))
        assert torch.equal(embedding.sizes[0], network.sizes)
        torch.testing.assert_close(embedding.sharpening[0], F.softplus(network.sharpening))
        torch.testing.assert_close(embedding.tolerances[0], network.tolerance.exp())
        torch.testing.assert_close(embedding.prior[0], F.softplus(network.prior))

    @pytest.mark.parametrize("colors", [1, 2, 7, MAXIMUM_COLORS])
    def test_ranges(self, network, colors):
        palette = torch.rand(8, colors, 3, generator=generator(colors)).round(decimals=1)
        embedding = network.embed(palette, SOFTNESS)
        assert embedding.base.min() >= 0
        assert embedding.base.max() <= 1
        assert embedding.offsets.shape == (8, colors, network.widths[0])
        for factors, count in ((embedding.sizes, GRADIENT_STEPS), (embedding.sharpening, GRADIENT_STEPS)):
            assert factors.shape == (8, count)
            assert factors.min() > 0
        assert embedding.tolerances.shape == (8, FITTING_STEPS)
        assert embedding.tolerances.min() > 0
        assert embedding.prior.shape == (8, 1)
        assert embedding.prior.min() > 0
        assert palette_features(palette, SOFTNESS).isfinite().all()

    def test_follows_the_order_of_the_palette(self, network):
        palette, order = torch.rand(1, 5, 3, generator=generator(2)), [3, 0, 4, 1, 2]
        embedding, permuted = network.embed(palette, SOFTNESS), network.embed(palette[:, order], SOFTNESS)
        for own, other in zip(embedding[:2], permuted[:2], strict=True):
            torch.testing.assert_close(other, own[:, order])
        for own, other in zip(embedding[2:], permuted[2:], strict=True):
            torch.testing.assert_close(other, own)

    @pytest.mark.parametrize("part", ["base", "offsets", "sizes", "sharpening", "tolerances", "prior"])
    def test_every_part_decides_alphas(self, network, part, monkeypatch):
        image, palette = picture(24, 30), torch.rand(1, 4, 3, generator=generator(2))
        alphas, base = network(image, palette, SOFTNESS)
        embedding = network.embed(palette, SOFTNESS)
        assert torch.equal(base, embedding.base)
        changed = embedding._replace(**{part: getattr(embedding, part) * 1.3})
        monkeypatch.setattr(network, "embed", lambda *_: changed, raising=False)
        other, own = network(image, palette, SOFTNESS)
        assert (other - alphas).abs().max() > 1e-4
        assert torch.equal(own, changed.base)
