"""The U-Nets: the tables of the paper, any size, the reach that tiles rely on."""

from __future__ import annotations

import pytest
import torch

from fscs_engine.networks.unet import HALO, AlphaPredictor, ResiduePredictor, SinglePredictor, UNet


def parameters(network):
    return sum(p.numel() for p in network.parameters())


def test_the_sizes_of_tables_3_and_4():
    assert parameters(AlphaPredictor(7)) == 521_695
    assert parameters(ResiduePredictor(7)) == 873_074


@pytest.mark.parametrize("skip", [True, False])
@pytest.mark.parametrize("size", [(1, 1), (8, 8), (13, 22)])
def test_any_size(skip, size):
    image, palette = torch.rand(2, 3, *size), torch.rand(2, 3, 3)
    alphas = AlphaPredictor(3, skip).eval()(image, palette)
    assert alphas.shape == (2, 3, *size)
    assert ((alphas > 0) & (alphas < 1)).all()
    residues = ResiduePredictor(3, skip).eval()(image, palette, alphas)
    assert residues.shape == (2, 3, 3, *size)
    raw, single = SinglePredictor(3, skip).eval()(image, palette)
    assert raw.shape == alphas.shape
    assert single.shape == residues.shape


def test_without_skip_nothing_is_concatenated():
    assert UNet(9, 3, skip=False).deconv2.in_channels == UNet(9, 3).deconv2.in_channels // 2


def test_nothing_beyond_the_halo_matters():
    """Every input pixel further than HALO from an output pixel has a gradient of exactly 0."""
    torch.manual_seed(0)
    network = UNet(6, 2).eval()
    for y, x in [(64, 64), (71, 70), (67, 65)]:
        image = torch.rand(1, 6, 136, 136, requires_grad=True)
        network(image)[0, :, y, x].sum().backward()
        rows, columns = torch.nonzero(image.grad.abs().sum(dim=(0, 1)), as_tuple=True)
        assert max(y - rows.min(), x - columns.min(), rows.max() - y, columns.max() - x) <= HALO
