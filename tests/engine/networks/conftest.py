"""An any-palette network whose numbers are random, so that nothing hangs on the shipped weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from fscs_engine.networks.any_palette import AnyPaletteNetwork
from fscs_engine.networks.any_palette_model import AnyPaletteModel
from fscs_engine.networks.weights import Weights

WIDTHS = (8, 12, 16)


@pytest.fixture(scope="session")
def network() -> AnyPaletteNetwork:
    """Small, with random last layers: a new network's are zero, and all cells and palettes would be treated alike."""
    torch.manual_seed(0)
    made = AnyPaletteNetwork(WIDTHS)
    for layer in (made.head, made.palette.head, made.palette.offsets, made.palette.log_scales):
        nn.init.normal_(layer.weight, std=0.1)
    with torch.no_grad():
        made.sharpening.add_(torch.linspace(0.0, 2.0, len(made.sharpening)))
        made.tolerance.add_(torch.linspace(0.0, 1.0, len(made.tolerance)))
    return made.eval().requires_grad_(False)


@pytest.fixture(scope="session")
def weights(network: AnyPaletteNetwork) -> Weights:
    """The same as a file would give it."""
    metadata = {"architecture": "any-palette", "widths": ",".join(map(str, WIDTHS))}
    return Weights(network.state_dict(), metadata, "0" * 64, "random")


@pytest.fixture
def model(weights: Weights) -> AnyPaletteModel:
    """The same as the segmenter uses it."""
    return AnyPaletteModel(weights, torch.device("cpu"))
