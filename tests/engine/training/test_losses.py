"""The losses: the paper's equations, the ablations, and the centering beside them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fscs_engine.training.losses import (
    LossWeights,
    centering_loss,
    distance_loss,
    recomposition,
    sparsity_loss,
    total_loss,
)


def test_the_losses_are_equations_6_to_9():
    generator = torch.Generator().manual_seed(0)
    alphas = torch.rand(2, 3, 4, 5, generator=generator)
    alphas /= alphas.sum(dim=1, keepdim=True)
    palette, image = torch.rand(2, 3, 3, generator=generator), torch.rand(2, 3, 4, 5, generator=generator)
    residues = torch.rand(2, 3, 3, 4, 5, generator=generator) * 0.2 - 0.1
    weights = LossWeights(centering=0)
    total, terms = total_loss(alphas, residues, palette, image, torch.ones(2), weights)
    p = palette.numpy()[..., None, None]
    u = np.clip(p + residues.numpy(), 0, 1)
    a = alphas.numpy()[:, :, None]
    reconstruction = np.abs((a * u).sum(axis=1) - image.numpy()).mean()
    alpha = np.abs((a * p).sum(axis=1) - image.numpy()).mean()
    distance = (a[:, :, 0] * ((p - u) ** 2).sum(axis=2)).sum(axis=1).mean()
    assert terms["reconstruction"].item() == pytest.approx(reconstruction, rel=1e-5)
    assert terms["alpha"].item() == pytest.approx(alpha, rel=1e-5)
    assert terms["distance"].item() == pytest.approx(distance, rel=1e-5)
    assert total.item() == pytest.approx(reconstruction + alpha + 0.5 * distance, rel=1e-5)


def test_the_distance_of_the_text_is_the_plain_norm():
    residues = torch.tensor([0.3, 0.4, 0.0])[None, None, :, None, None]
    assert distance_loss(torch.ones(1, 1, 1, 1), residues, "norm").item() == pytest.approx(0.5, abs=1e-5)
    assert distance_loss(torch.ones(1, 1, 1, 1), residues, "squared").item() == pytest.approx(0.25, abs=1e-6)


def test_centering_is_0_for_centered_residues():
    residues = torch.randn(1, 2, 3, 8, 8)
    alphas = torch.full((1, 2, 8, 8), 0.5)
    centered = residues - residues.mean(dim=(3, 4), keepdim=True)
    assert centering_loss(alphas, centered, torch.ones(1)).item() == pytest.approx(0, abs=1e-6)
    assert centering_loss(alphas, centered + 0.1, torch.ones(1)).item() == pytest.approx(0.3, abs=1e-5)
    assert centering_loss(alphas, centered + 0.1, torch.zeros(1)).item() == 0


def test_recomposition_is_equation_1():
    alphas = torch.tensor([0.25, 0.75])[None, :, None, None]
    colors = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.4, 0.8]])[None, :, :, None, None]
    torch.testing.assert_close(recomposition(alphas, colors)[0, :, 0, 0], torch.tensor([0.25, 0.3, 0.6]))


def test_sparsity_is_0_for_one_layer_and_most_for_an_even_mixture():
    pure, even = torch.eye(4)[:, :, None, None], torch.full((1, 4, 1, 1), 0.25)
    assert sparsity_loss(pure).item() == pytest.approx(0, abs=1e-6)
    assert sparsity_loss(even).item() == pytest.approx(3, abs=1e-6)
    weights = torch.tensor([1.0, 0.0]).view(2, 1, 1)
    assert sparsity_loss(torch.cat((even, even)), weights).item() == pytest.approx(1.5, abs=1e-6)


@pytest.mark.parametrize("name", ["reconstruction", "alpha", "distance", "sparsity", "centering"])
def test_a_term_of_weight_0_is_left_out(name):
    generator = torch.Generator().manual_seed(1)
    alphas = torch.rand(1, 3, 4, 4, generator=generator).softmax(dim=1)
    residues = 0.1 * torch.randn(1, 3, 3, 4, 4, generator=generator)
    case = (alphas, residues, torch.full((1, 3, 3), 0.5), torch.rand(1, 3, 4, 4, generator=generator), torch.ones(1))
    nothing = dict.fromkeys(("reconstruction", "alpha", "distance", "sparsity", "centering"), 0.0)
    assert total_loss(*case, LossWeights(**nothing))[0].item() == 0
    alone, terms = total_loss(*case, LossWeights(**nothing | {name: 2.0}))
    assert alone.item() == pytest.approx(2 * terms[name].item())
    assert alone.item() > 0
