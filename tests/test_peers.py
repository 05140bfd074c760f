"""The other methods of the benchmarks, held against what is known of their answers."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image as Pillow
from scipy.optimize import minimize

from fscs_engine import AlphaProcessing, Image

ROOT = Path(__file__).resolve().parent.parent
CORNERS = np.array(
    [[0.05, 0.05, 0.1], [0.9, 0.1, 0.1], [0.1, 0.8, 0.2], [0.95, 0.9, 0.85], [0.1, 0.2, 0.9]], np.float32
)


def script(name: str) -> ModuleType:
    """A module of the benchmarks, whose modules find each other as scripts of one folder do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "benchmarks")
        return importlib.import_module(name)


peers, tan, aksoy, kodak = (script(name) for name in ("peers", "tan2018", "aksoy2017", "kodak"))


def mixtures(seed: int = 1, height: int = 24, width: int = 30) -> NDArray[np.float32]:
    """A picture of soft mixtures of the corners, all of which it has."""
    random = np.random.default_rng(seed)
    shares = random.dirichlet([0.3] * len(CORNERS), (height, width))
    shares[0, : len(CORNERS)] = np.eye(len(CORNERS))
    return (shares @ CORNERS).astype(np.float32)


@pytest.mark.parametrize("method", [peers.NearestColor(), tan.Tan2018(), aksoy.Aksoy2017(), aksoy.Aksoy2017(0)])
def test_layers_add_up(method) -> None:
    picture = mixtures()
    alphas, colors = method.layers(picture, CORNERS)
    assert alphas.shape == (5, 24, 30) and colors.shape == (5, 24, 30, 3)
    assert alphas.dtype == colors.dtype == np.float32
    assert alphas.min() >= 0
    np.testing.assert_allclose(alphas.sum(axis=0), 1, atol=1e-6)
    assert colors.min() >= 0 and colors.max() <= 1
    within = 2 / 255 if isinstance(method, tan.Tan2018) else 1e-5  # it sees 8 bits
    np.testing.assert_allclose((alphas[..., None] * colors).sum(axis=0), picture, atol=within)


@pytest.mark.slow
def test_a_method_is_asked_as_a_segmenter_is() -> None:
    image = Image.from_pixels(mixtures(), "srgb")
    method = tan.Tan2018()
    palette = method.auto_palette(image, 7)
    alphas, _ = method.decompose(image, palette, AlphaProcessing())
    assert alphas.shape == (len(palette), 24, 30)
    assert len(peers.NearestColor().auto_palette(image, 3)) == 3


class TestTan2018:
    def test_the_palette_of_mixtures_are_their_corners(self) -> None:
        palette = tan.hull_palette(mixtures(height=12, width=16))
        assert palette.shape == (5, 3)
        distances = np.linalg.norm(palette[:, None] - CORNERS, axis=-1)
        assert sorted(distances.argmin(axis=1)) == list(range(5))
        assert distances.min(axis=1).max() < 0.025  # colors are whole levels first

    @pytest.mark.slow
    def test_a_hull_of_many_corners_gets_fewer_and_holds_the_colors(self) -> None:
        picture = np.clip(np.random.default_rng(0).normal(0.5, 0.13, (12, 16, 3)), 0, 1).astype(np.float32)
        palette = tan.hull_palette(picture)
        assert 4 <= len(palette) <= tan.LARGEST
        colors, counts = np.unique(picture.reshape(-1, 3), axis=0, return_counts=True)
        assert tan._outside(colors.astype(np.float64), counts, palette) <= tan.ERROR + 0.5 / 255

    @given(st.integers(0, 10**6))
    @settings(max_examples=20)
    def test_colors_are_given_by_their_weights(self, seed: int) -> None:
        inside = np.random.default_rng(seed).dirichlet([1] * 5, 40) @ CORNERS.astype(np.float64)
        weights = tan.palette_weights(inside, CORNERS.astype(np.float64))
        assert weights.min() >= 0
        np.testing.assert_allclose(weights @ CORNERS, inside, atol=1e-6)
        assert (np.count_nonzero(weights > 1e-9, axis=1) <= 4).all()

    def test_a_color_outside_gets_the_nearest_point(self) -> None:
        palette = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], float)
        found = tan.palette_weights(np.array([[1.0, 1.0, 0.0], [-0.5, 0.2, 0.2]]), palette) @ palette
        np.testing.assert_allclose(found, [[0.5, 0.5, 0.0], [0.0, 0.2, 0.2]], atol=1e-4)

    def test_a_color_inside_the_hull_of_the_others_is_used(self) -> None:
        palette = np.concatenate((CORNERS, CORNERS.mean(axis=0, keepdims=True))).astype(np.float64)
        np.testing.assert_allclose(tan.palette_weights(palette, palette), np.eye(6), atol=1e-6)

    @pytest.mark.parametrize("count", [1, 2, 3])
    def test_flat_palettes(self, count: int) -> None:
        weights = tan.palette_weights(CORNERS.astype(np.float64), CORNERS[:count].astype(np.float64))
        np.testing.assert_allclose(weights[:count], np.eye(count), atol=1e-5)
        np.testing.assert_allclose(weights.sum(axis=1), 1)


class TestAksoy2017:
    def models(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        picture = mixtures()
        models = torch.from_numpy(aksoy.covariances(picture, CORNERS))
        pixels = torch.from_numpy(picture.reshape(-1, 3)[40:52].astype(np.float64))
        return pixels, torch.from_numpy(CORNERS.astype(np.float64)), models

    def test_the_gradient_is_that_of_the_energy(self) -> None:
        pixels, means, models = self.models()
        alphas = torch.rand((len(pixels), 5), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        alphas = (alphas / alphas.sum(dim=1, keepdim=True)).requires_grad_()
        aksoy.unmix(alphas, pixels, means, models)[1].sum().backward()
        assert alphas.grad is not None
        np.testing.assert_allclose(alphas.grad, aksoy.unmix(alphas.detach(), pixels, means, models)[2], rtol=1e-6)

    def test_no_other_minimum_that_a_general_solver_finds_is_lower(self) -> None:
        pixels, means, models = self.models()
        alphas, unfinished = aksoy.minimize(pixels, means, models)
        assert unfinished == 0
        energies = aksoy.unmix(alphas, pixels, means, models)[1]
        inverse = np.linalg.inv(models.numpy())

        def energy(values: NDArray[np.float64]) -> float:
            """Eq. 4, of alphas and colors as they are."""
            shares, apart = values[:5], values[5:].reshape(5, 3) - means.numpy()
            return float(
                shares @ np.einsum("ki,kij,kj->k", apart, inverse, apart)
                + aksoy.SPARSITY * (shares.sum() / np.square(shares).sum() - 1)
            )

        for pixel, own in zip(pixels.numpy(), energies.tolist(), strict=True):
            adds_up = (
                {"type": "eq", "fun": lambda v: v[:5].sum() - 1},
                {"type": "eq", "fun": lambda v, pixel=pixel: v[:5] @ v[5:].reshape(5, 3) - pixel},
            )
            nearest = np.square(means.numpy() - pixel).sum(axis=1).argmin()
            begun = np.concatenate((0.02 + 0.9 * np.eye(5)[nearest], means.numpy().ravel()))
            bounds = [(0, 1)] * 5 + [(-1, 2)] * 15
            found = minimize(
                energy, begun, bounds=bounds, constraints=adds_up, method="SLSQP", options={"maxiter": 500}
            )
            assert own <= found.fun * 1.001 + 1e-6

    def test_the_filter_softens(self) -> None:
        picture = mixtures()
        hard, soft = (aksoy.Aksoy2017(radius).layers(picture, CORNERS)[0] for radius in (0, 5))
        assert np.square(soft).sum(axis=0).mean() < np.square(hard).sum(axis=0).mean()

    def test_the_filter_is_a_regression_on_the_colors_of_each_window(self) -> None:
        picture, radius = mixtures(height=9, width=8), 2
        plane = np.random.default_rng(3).random(picture.shape[:2])
        filtered = aksoy.guided(picture, plane[None], radius)[0]
        rows, columns = plane.shape
        fitted = np.zeros((*plane.shape, 2))  # the sum of what the windows about a pixel say, and how many they are
        for y in range(rows):
            for x in range(columns):
                window = np.s_[max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1]
                colors, values = picture[window].reshape(-1, 3).astype(np.float64), plane[window].ravel()
                apart = colors - colors.mean(axis=0)
                ridge = apart.T @ apart / len(apart) + aksoy.EDGE * np.eye(3)
                slope = np.linalg.solve(ridge, apart.T @ (values - values.mean()) / len(apart))
                fitted[window] += np.stack(
                    [values.mean() + (picture[window] - colors.mean(axis=0)) @ slope, np.ones_like(plane[window])],
                    axis=2,
                )
        np.testing.assert_allclose(filtered, fitted[..., 0] / fitted[..., 1], atol=1e-6)


def test_other_methods_are_measured_as_the_models_are(tmp_path: Path) -> None:
    picture = tmp_path / "mixtures.png"
    Pillow.fromarray(np.rint(255 * mixtures(height=12, width=16)).astype(np.uint8)).save(picture)
    palettes = tmp_path / "palettes.csv"
    palettes.write_text("mixtures," + ",".join(f"{value:.0f}" for value in (255 * CORNERS).ravel()) + "\n")
    found = kodak.measure_peer("nearest color", [picture], palettes)
    assert found["mean"]["sparsity"] == 0
    assert found["permutation_change_max"] == 0
    own = kodak.measure_peer("Tan 2018, palette of its own", [picture], palettes)
    assert own["images"][0]["palette"] != found["images"][0]["palette"]
    assert own["mean"]["psnr"] > 40
