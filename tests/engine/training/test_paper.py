"""The networks of the paper as they are trained: shares that add up, ablations, and metadata that loads again."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from fscs_engine.errors import UsageError
from fscs_engine.networks.paper_model import PaperModel
from fscs_engine.networks.weights import Weights
from fscs_engine.training.losses import LossWeights
from fscs_engine.training.paper import PaperConfig, PaperNetworks, PaperSamples, normalize

TINY = PaperConfig(colors=3, batch=2, crop=16)


def test_the_papers_networks_need_a_color():
    with pytest.raises(UsageError, match="colors 0"):
        PaperConfig(colors=0)


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    image, palette = torch.rand(2, 3, 16, 24, generator=generator), torch.rand(2, 3, 3, generator=generator)
    return image, palette, torch.ones(2)


@pytest.mark.parametrize("single", [False, True])
def test_alphas_add_to_1(batch, single):
    alphas, residues = PaperNetworks(replace(TINY, single_network=single))(*batch[:2])
    assert alphas.shape == (2, 3, 16, 24)
    assert residues.shape == (2, 3, 3, 16, 24)
    assert alphas.min() >= 0
    torch.testing.assert_close(alphas.sum(dim=1), torch.ones(2, 16, 24))


def test_equation_5():
    torch.testing.assert_close(normalize(torch.tensor([[1.0, 3.0]]))[0], torch.tensor([0.25, 0.75]))


def test_the_mean_over_the_image_is_taken_away_where_asked_for(batch):
    means = {}
    for form in ("penalty", "image-mean", "none"):
        torch.manual_seed(0)
        means[form] = PaperNetworks(replace(TINY, zero_centering=form))(*batch[:2])[1].mean(dim=(3, 4)).abs().max()
    assert means["image-mean"] <= 1e-5 < 1e-3 < means["none"] == means["penalty"]


def test_only_the_penalty_costs(batch):
    losses = {}
    for form in ("penalty", "none"):
        config = replace(TINY, zero_centering=form, losses=LossWeights(centering=5.0))
        torch.manual_seed(0)
        total, terms = config.loss(config.networks(), batch)
        losses[form] = (total.item(), terms["centering"].item())
    assert losses["penalty"][1] == losses["none"][1] > 0
    assert losses["penalty"][0] == pytest.approx(losses["none"][0] + 5.0 * losses["none"][1], rel=1e-5)


def test_with_frozen_batch_norm_an_image_does_not_depend_on_the_batch(batch):
    image, palette, _ = batch
    for frozen in (False, True):
        torch.manual_seed(0)
        networks = replace(TINY, freeze_batch_norm=frozen).networks().train()
        alone, together = networks(image[:1], palette[:1])[0], networks(image, palette)[0][:1]
        assert torch.allclose(alone, together, atol=1e-6) == frozen


@pytest.mark.parametrize("change", [{}, {"skip": False}, {"single_network": True}, {"zero_centering": "image-mean"}])
def test_what_is_saved_is_a_model(change):
    config = replace(TINY, **change)
    model = PaperModel(
        Weights(config.networks().state_dict(), config.metadata(), "0" * 64, "trained"), torch.device("cpu")
    )
    assert model.maximum_colors == 3
    assert model.centering == ("chart" if change.get("zero_centering") == "image-mean" else "none")
    assert (model.single is not None) == ("single_network" in change)


def test_batches_are_those_of_their_step(photographs):
    first, second = PaperSamples(TINY, photographs), PaperSamples(TINY, photographs)
    first.batch(0)
    for one, other in zip(first.batch(3), second.batch(3), strict=True):
        assert torch.equal(one, other)
    assert [tuple(part.shape) for part in first.batch(1)] == [(2, 3, 16, 16), (2, 3, 3), (2,)]
    assert not torch.equal(first.batch(1)[0], first.batch(2)[0])
