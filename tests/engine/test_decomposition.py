"""One image through the networks and the alpha processing: any rows, what is kept, progress, cancelling."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fscs_engine.alpha.processing import AlphaProcessing, LayerAdjustment, Mask
from fscs_engine.color import ColorSpaces
from fscs_engine.decomposition import Decomposition
from fscs_engine.errors import CancelledError
from fscs_engine.image import Image
from fscs_engine.networks.paper_model import PaperModel
from fscs_engine.networks.weights import Weights
from fscs_engine.palette.palette import Palette
from fscs_engine.training.paper import PaperConfig

CPU = torch.device("cpu")
PALETTE = Palette.from_hex(["#c03020", "#181818", "#c03020", "#e0d8c8"])
"""The first and the third are one color."""

HEIGHT, WIDTH = 72, 56


@pytest.fixture(scope="module")
def model():
    """The paper's networks with random weights: their halo and their own colors are the hardest case."""
    config = PaperConfig(colors=3)
    torch.manual_seed(0)
    return PaperModel(Weights(config.networks().state_dict(), config.metadata(), "0" * 64, "random"), CPU)


@pytest.fixture(scope="module")
def image():
    pixels = np.random.default_rng(0).random((HEIGHT, WIDTH, 3), dtype=np.float32)
    return Image.from_pixels(pixels, "srgb")


def decomposition(model, image, palette=PALETTE, processing=None, **options):
    options = {
        "tile": 0,
        "keep": True,
        "moments": (),
        "at": 0,
        "progress": lambda _: None,
        "cancelled": lambda: False,
    } | options
    processing = processing or AlphaProcessing()
    return Decomposition(model, image, palette, processing, spaces=ColorSpaces(), device=CPU, **options)


def in_strips(run, rows):
    """Alphas (K, H, W) and colors (K, 3, H, W), asked for from top to bottom."""
    parts = [run.decompose(top, min(HEIGHT, top + rows)) for top in range(0, HEIGHT, rows)]
    return torch.cat([alphas for alphas, _ in parts], dim=1), torch.cat([colors for _, colors in parts], dim=2)


def processings():
    mask = np.linspace(0, 1, HEIGHT * WIDTH, dtype=np.float32).reshape(HEIGHT, WIDTH)
    return {
        "plain": AlphaProcessing(),
        "smooth": AlphaProcessing(smoothing=4, smoothing_eps=1e-3),
        "controls": AlphaProcessing(minimum_alpha=0.1, adjustments={2: LayerAdjustment(gain=1.5, gamma=0.8)}),
        "masks": AlphaProcessing(smoothing=2, masks=(Mask(mask, "limit", (1,)), Mask(mask, "split", (2, 4)))),
    }


@pytest.mark.parametrize("name", processings())
@pytest.mark.parametrize("keep", [False, True])
def test_strips_are_the_whole(model, image, name, keep):
    processing = processings()[name]
    whole = in_strips(decomposition(model, image, processing=processing), HEIGHT)
    assert whole[0].shape == (4, HEIGHT, WIDTH)
    assert whole[1].shape == (4, 3, HEIGHT, WIDTH)
    torch.testing.assert_close(whole[0].sum(dim=0), torch.ones(HEIGHT, WIDTH))
    strips = in_strips(decomposition(model, image, processing=processing, keep=keep), 24)
    for one, other in zip(whole, strips, strict=True):
        torch.testing.assert_close(one, other, atol=3e-6, rtol=1e-5)


def test_equal_colors_share_their_alphas(model, image):
    alphas, colors = in_strips(decomposition(model, image), HEIGHT)
    assert torch.equal(alphas[0], alphas[2])
    assert torch.equal(colors[0], colors[2])
    few = Palette.from_hex(["#c03020", "#181818", "#e0d8c8"])
    merged, _ = in_strips(decomposition(model, image, few), HEIGHT)
    torch.testing.assert_close(alphas[0] + alphas[2], merged[0], atol=1e-6, rtol=1e-5)


def test_one_color_needs_no_network(model, image):
    run = decomposition(model, image, Palette.from_hex("#336699"))
    alphas, colors = in_strips(run, 40)
    assert (alphas == 1).all()
    assert run.base_values.tolist() == run.palette.tolist()
    assert (colors == run.base[:, :, None, None]).all()


def test_what_the_networks_see_is_the_image_itself_here(model, image):
    for keep in (False, True):
        run = decomposition(model, image, keep=keep)
        np.testing.assert_allclose(run.pixels(8, 20), image.pixels[8:20], atol=1e-6)
        assert torch.equal(run.network_input(8, 20), torch.from_numpy(run.pixels(8, 20)).permute(2, 0, 1))


def test_progress_rises_to_1_and_seconds_are_counted(model, image):
    told = []
    run = decomposition(model, image, tile=24, progress=told.append)
    in_strips(run, 24)
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1.0)
    assert len(told) > 9
    assert all(seconds > 0 for seconds in run.seconds.values())


def test_cancelling_is_asked_after_every_tile(model, image):
    asked = []

    def cancelled():
        asked.append(1)
        return len(asked) == 3

    run = decomposition(model, image, tile=24, cancelled=cancelled)
    with pytest.raises(CancelledError, match="cancelled"):
        in_strips(run, HEIGHT)
    assert len(asked) == 3
