"""The paper's two networks with any palette: order, repeated colors, tiles, and weights that do not fit."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fscs_engine.errors import WeightsError
from fscs_engine.networks.model import View
from fscs_engine.networks.paper_model import RELEASED_EPS, PaperModel
from fscs_engine.networks.unet import HALO
from fscs_engine.networks.weights import Weights
from fscs_engine.training.paper import PaperConfig

COLORS = 3
PALETTE = torch.tensor([[0.9, 0.2, 0.1], [0.1, 0.1, 0.15], [0.3, 0.6, 0.9]])
"""Not sorted: the networks see the second, the first, the third."""


def model_of(**change):
    """With random weights."""
    config = PaperConfig(colors=COLORS, **change)
    torch.manual_seed(0)
    networks = config.networks().eval()
    return PaperModel(Weights(networks.state_dict(), config.metadata(), "0" * 64, "random"), torch.device("cpu"))


@pytest.fixture(scope="module")
def model():
    return model_of()


@pytest.fixture(scope="module")
def image():
    """(3, H, W), H and W multiples of the networks' stride."""
    return torch.rand(3, 112, 136, generator=torch.Generator().manual_seed(1))


def decomposed(model, image, palette, tile=0, rows=None, done=lambda _: None):
    """Normalized alphas and colors, asked for in strips of rows."""
    height, width = image.shape[1:]
    pixels = np.ascontiguousarray(image.permute(1, 2, 0).numpy())
    view = View(height, width, image.device, tile, lambda top, bottom: pixels[top:bottom], done)
    prediction = model.predict(view, palette, 0.5)
    alphas, colors = [], []
    for top in range(0, height, rows or height):
        bottom = min(height, top + (rows or height))
        first, last = max(0, top - HALO), min(height, bottom + HALO)
        raw = prediction.alphas(first, last)
        processed = raw / raw.sum(dim=0)
        alphas.append(processed[:, top - first : bottom - first])
        colors.append(prediction.colors(top, bottom, first, image[:, first:last], processed))
    return torch.cat(alphas, dim=1), torch.cat(colors, dim=2)


def test_it_is_the_two_networks(model, image):
    alphas, colors = decomposed(model, image, PALETTE)
    order = [1, 0, 2]
    full = PALETTE[order]
    with torch.no_grad():
        raw = model.alpha(image[None], full[None])[0]
        shares = raw / raw.sum(dim=0)
        residues = model.residue(image[None], full[None], shares[None])[0]
    torch.testing.assert_close(alphas[order], shares, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(colors[order], (full[..., None, None] + residues).clamp(0, 1), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize(("tile", "rows"), [(40, None), (64, 48), (0, 16)])
def test_tiles_and_strips_do_not_show(image, single, tile, rows):
    model = model_of(single_network=single)
    for whole, parts in zip(
        decomposed(model, image, PALETTE), decomposed(model, image, PALETTE, tile, rows), strict=True
    ):
        torch.testing.assert_close(parts, whole, atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("change", [{}, {"skip": False}, {"zero_centering": "image-mean"}])
def test_the_order_of_the_palette_does_not_show(image, change):
    model, order = model_of(**change), [2, 0, 1]
    for there, back in zip(decomposed(model, image, PALETTE), decomposed(model, image, PALETTE[order]), strict=True):
        torch.testing.assert_close(there[order], back, atol=1e-6, rtol=1e-6)


def test_fewer_colors_are_repeated_entries(model, image):
    few = PALETTE[:2]
    alphas, colors = decomposed(model, image, few)
    assert alphas.shape == (2, *image.shape[1:])
    full = few[[1, 1, 0]]  # the first of the sorted ones fills what is missing
    with torch.no_grad():
        raw = model.alpha(image[None], full[None])[0]
    merged = torch.stack((raw[2], raw[0] + raw[1])) / raw.sum(dim=0)
    torch.testing.assert_close(alphas, merged, atol=1e-6, rtol=1e-5)
    assert colors.min() >= 0
    assert colors.max() <= 1


def test_the_chart_that_centers_depends_on_the_palette_alone(image):
    plain, centered = model_of(zero_centering="none"), model_of(zero_centering="image-mean")
    moved = [
        (decomposed(centered, picture, PALETTE)[1] - decomposed(plain, picture, PALETTE)[1])
        for picture in (image, image.flip(1))
    ]
    inside = moved[0].abs() > 0
    assert inside.any()
    for one in moved:  # the same in every pixel, but for what is clipped
        spread = one.flatten(2)
        assert (spread.median(dim=2).values - moved[0].flatten(2).median(dim=2).values).abs().max() <= 1e-5


def test_the_released_inference(model, image):
    alphas, colors = model.predict_released(image, PALETTE, smooth=False)
    raw = model.alpha(image[None], PALETTE[None])[0].detach()
    torch.testing.assert_close(alphas, raw / (raw.sum(dim=0) + RELEASED_EPS))
    smooth = model.predict_released(image, PALETTE, smooth=True)[0]
    assert (smooth - alphas).abs().max() > 1e-3
    torch.testing.assert_close(smooth.sum(dim=0), torch.ones(image.shape[1:]), atol=1e-4, rtol=0)
    assert colors.min() >= 0
    assert colors.max() <= 1


def test_progress_adds_up_to_the_whole(model, image):
    shares = []
    decomposed(model, image, PALETTE, 64, 48, shares.append)
    assert len(shares) > 6
    assert sum(shares) == pytest.approx(1.0)


@pytest.mark.parametrize(
    "metadata", [{"colors": None}, {"colors": "four"}, {"colors": "4"}, {"centering": None}, {"single_network": "true"}]
)
def test_weights_that_do_not_fit_are_named(metadata):
    config = PaperConfig(colors=COLORS)
    said = {name: text for name, text in (config.metadata() | metadata).items() if text is not None}
    with pytest.raises(WeightsError, match="mine: tensors or metadata do not fit the model 'paper'"):
        PaperModel(Weights(config.networks().state_dict(), said, "0" * 64, "mine"), torch.device("cpu"))
