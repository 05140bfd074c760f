"""The parts of the Live model against the engine's own; test_export.py tests the whole of it as exported."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fscs_engine.alpha.processing import AlphaProcessing, edit_alphas, smooth_alphas
from fscs_engine.color import ColorSpaces
from fscs_engine.export.live_model import ATTRIBUTES, CHANNELS_OUT, COLORS, LiveModel
from fscs_engine.host.parameters import BY_NAME, LIVE_COLORS
from fscs_engine.networks.any_palette import AnyPaletteNetwork

PALETTE = torch.tensor([[0.1, 0.1, 0.1], [0.9, 0.8, 0.7], [0.8, 0.2, 0.1]])


@pytest.fixture(scope="module")
def live():
    torch.manual_seed(0)
    with pytest.warns(DeprecationWarning):
        return LiveModel(AnyPaletteNetwork((8, 12, 16)))


def spectrum(least=0.0):
    """Numbers from ``least`` to 8, (1, 3, 1, N)."""
    return torch.linspace(least, 8.0, 300).reshape(1, 3, 1, 100).contiguous()


def test_its_encodings_are_those_of_the_color_spaces(live):
    light = spectrum()
    wanted = ColorSpaces().convert(light[0, :, 0].T.contiguous().numpy(), "lin_rec709", "srgb")
    np.testing.assert_allclose(live.encoded(light)[0, :, 0].T, wanted, atol=2e-6, rtol=2e-6)
    torch.testing.assert_close(live.decoded(live.encoded(light)), light, atol=1e-5, rtol=1e-5)


def test_its_matrices_are_those_of_the_color_spaces(live):
    light = spectrum(-1.0)
    wanted = ColorSpaces().convert(light[0, :, 0].T.contiguous().numpy(), "acescg", "lin_rec709")
    np.testing.assert_allclose(live.turned(live.to_rec709, light)[0, :, 0].T, wanted, atol=1e-5)
    both = live.to_rec709.double() @ live.from_rec709.double()
    torch.testing.assert_close(both, torch.eye(3, dtype=torch.float64), atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("smoothing", "strength", "minimum"), [(0, 1.0, 0.0), (0, 1.0, 0.2), (3, 1.0, 0.0), (3, 0.4, 0.1), (3, 0.0, 0.0)]
)
def test_its_alpha_processing_is_the_engines(live, smoothing, strength, minimum):
    generator = torch.Generator().manual_seed(1)
    image, raw = torch.rand(3, 20, 30, generator=generator), torch.rand(3, 20, 30, generator=generator)
    raw[:, :5, :5] = 0.0  # nothing is found there
    live.smoothing, live.smoothing_strength, live.minimum_alpha = float(smoothing), strength, minimum
    processing = AlphaProcessing(smoothing=smoothing, smoothing_strength=strength, minimum_alpha=minimum)
    smooth = smooth_alphas(raw, image, PALETTE, processing)
    wanted = edit_alphas(smooth, image, PALETTE, [[0], [1], [2]], processing)
    torch.testing.assert_close(live.processed(raw[None], image[None], PALETTE)[0], wanted, atol=2e-6, rtol=1e-5)


def test_equal_colors_have_one_owner(live):
    assert list(live.owners(PALETTE[[0, 1, 0, 2, 1, 0]])) == [0, 1, 0, 3, 1, 0]


def test_its_palette_is_that_of_its_attributes(live):
    live.p1r, live.p2g, live.colors = 1.5, -0.5, 2.4
    found = live.palette(torch.zeros(1))
    assert found.shape == (2, 3)
    assert found[0, 0] == 1.0
    assert found[1, 1] == 0.0
    for asked, used in ((0.0, 1), (8.4, 8), (40.0, 8)):
        live.colors = asked
        assert len(live.palette(torch.zeros(1))) == used


def test_it_is_what_a_host_is_told():
    assert COLORS == LIVE_COLORS
    assert len(CHANNELS_OUT) == 16
    assert [name for name in ATTRIBUTES if name in BY_NAME] == [
        *("colors", "softness", "smoothing", "smoothing_eps", "smoothing_strength", "minimum_alpha")
    ]
