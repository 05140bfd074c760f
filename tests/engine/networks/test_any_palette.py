"""The any-palette network: its parts against references, and what holds for any weights."""

from __future__ import annotations

import copy
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from fscs_engine.networks.any_palette import (
    AnyPaletteNetwork,
    coarse_grid,
    denoise,
    fitting_step,
    gradient_step,
    local_logits,
    project_to_simplex,
    sparsemax,
    step_matrix,
    upsample,
)
from fscs_engine.networks.any_palette_model import AnyPaletteModel
from fscs_engine.networks.constants import (
    DENOISE_RADIUS,
    FARTHEST_BEHIND,
    FITTING_STEPS,
    GRADIENT_STEPS,
    LARGEST_CHANGE,
    PLANES,
    STRIDE,
)

SOFTNESS = torch.full((1,), 0.5)


def generator(seed):
    return torch.Generator().manual_seed(seed)


def picture(height, width, seed=0, batch=1):
    """Coarse colors with some grain: flat places, edges and everything between."""
    g = generator(seed)
    coarse = torch.rand(batch, 3, height // 12 + 2, width // 12 + 2, generator=g)
    image = F.interpolate(coarse, (height, width), mode="bilinear") * 1.4 - 0.2
    return (image + 0.02 * torch.randn(batch, 3, height, width, generator=g)).clamp(0.0, 1.0)


def assert_on_the_simplex(alphas, tolerance=1e-5):
    assert alphas.isfinite().all()
    assert alphas.min() >= 0
    assert (alphas.sum(dim=1) - 1).abs().max() <= tolerance


def sorted_projection(logits):
    """Held et al. 1974: the support is found among the sorted entries. (B, K, N) float64 → the same."""
    ordered = logits.sort(dim=1, descending=True).values
    numbers = torch.arange(1, logits.shape[1] + 1, dtype=logits.dtype)[:, None]
    thresholds = (ordered.cumsum(dim=1) - 1.0) / numbers
    size = (ordered > thresholds).sum(dim=1, keepdim=True)
    return (logits - thresholds.gather(1, size - 1)).clamp_min(0.0)


class TestProjection:
    @given(
        seed=st.integers(0, 10**6),
        colors=st.integers(1, 16),
        scale=st.sampled_from([1e-6, 0.01, 1.0, 30.0, 1e4]),
        ties=st.booleans(),
    )
    def test_is_the_nearest_point_of_the_simplex(self, seed, colors, scale, ties):
        logits = torch.randn(2, colors, 20, generator=generator(seed), dtype=torch.float64) * scale
        if ties:
            logits = (logits / scale).round() * scale
        logits = logits.float()
        alphas = project_to_simplex(logits)
        assert_on_the_simplex(alphas, 1e-6)
        torch.testing.assert_close(alphas.double(), sorted_projection(logits.double()), atol=2e-6, rtol=0)
        torch.testing.assert_close(project_to_simplex(alphas), alphas, atol=1e-6, rtol=0)

    def test_equal_logits_share_evenly_and_one_far_above_takes_all(self):
        logits = torch.tensor([[3.0, 3.0, 3.0, 3.0], [0.0, 1e6, -1e6, 2.0]])[..., None]
        assert project_to_simplex(logits)[..., 0].tolist() == [[0.25] * 4, [0.0, 1.0, 0.0, 0.0]]

    @pytest.mark.parametrize("colors", [1, 2, 7, 16])
    def test_gradient(self, colors):
        logits = torch.randn(2, colors, 3, generator=generator(colors), dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(sparsemax, logits, eps=1e-7)
        assert ((sparsemax(logits) > 0).sum(dim=1) < colors).any() or colors < 7  # some fall out, and count no more

    def test_is_the_same_with_and_without_gradients(self):
        logits = torch.randn(1, 5, 30, generator=generator(0), requires_grad=True)
        with torch.no_grad():
            expected = sparsemax(logits)
        assert torch.equal(sparsemax(logits), expected)

    @pytest.mark.parametrize("pixels", [1, 30, 256, 600])
    @pytest.mark.parametrize("colors", [1, 2, 5, 16])
    @pytest.mark.parametrize("scale", [0.01, 1.0, 30.0])
    def test_the_loop_of_training_rounds_differently_at_most(self, scale, colors, pixels):
        logits = torch.randn(2, pixels, colors, generator=generator(0)).mul(scale).transpose(1, 2).requires_grad_()
        found = sparsemax(logits)
        assert found.requires_grad
        torch.testing.assert_close(found, project_to_simplex(logits), atol=2e-6, rtol=0)
        assert torch.equal(found > 0, project_to_simplex(logits) > 0)


class TestStepMatrix:
    @given(seed=st.integers(0, 10**6), colors=st.integers(2, 16), spread=st.sampled_from([0.02, 0.2, 1.0]))
    def test_is_one_over_the_largest_eigenvalue(self, seed, colors, spread):
        palette = 0.5 + spread * (torch.rand(2, colors, 3, generator=generator(seed)) - 0.5)
        centered = (palette - palette.mean(dim=1, keepdim=True)).double()
        largest = torch.linalg.eigvalsh(centered.transpose(1, 2) @ centered)[:, -1, None, None]
        expected = torch.where(largest > 1e-4, centered / largest, 0.0)
        clear = ((largest / 1e-4).log().abs() > 1e-3).expand_as(expected)  # at the limit itself either is right
        # Two eigenvalues that are nearly one weigh as their mean, which is below the largest by 1/1024 at most.
        torch.testing.assert_close(step_matrix(palette).double()[clear], expected[clear], atol=1e-6, rtol=1e-3)

    @pytest.mark.parametrize("difference", [0.0, 1e-7, 1e-4])
    @pytest.mark.parametrize("color", [0.0, 0.3, 1.0])
    def test_of_one_color_is_0(self, color, difference):
        palette = torch.full((1, 7, 3), color)
        palette[0, 0, 1] += difference
        assert torch.equal(step_matrix(palette), torch.zeros(1, 7, 3))
        assert torch.equal(step_matrix(palette[:, :1]), torch.zeros(1, 1, 3))

    @pytest.mark.parametrize(
        ("palette", "largest"),
        [
            (torch.eye(3), 1.0),  # twice 1, and 0
            (torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 3), 2.0),  # thrice 2
            (torch.tensor([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]]), 1.5),  # once
        ],
    )
    def test_of_equal_eigenvalues(self, palette, largest):
        expected = (palette - palette.mean(dim=0)) / largest
        torch.testing.assert_close(step_matrix(palette[None])[0], expected, atol=1e-6, rtol=0)

    def test_knows_the_pictures_of_a_batch_apart(self):
        palettes = torch.stack([torch.rand(4, 3, generator=generator(1)), torch.full((4, 3), 0.5)])
        both = step_matrix(palettes)
        assert torch.equal(both[0], step_matrix(palettes[:1])[0])
        assert both[1].abs().max() == 0


def simplex(seed, colors, pixels, sparse):
    logits = torch.randn(1, colors, pixels, generator=generator(seed)) * (2.0 if sparse else 0.2)
    return project_to_simplex(logits) if sparse else logits.softmax(dim=1)


def distance(alphas, colors, palette):
    return (colors - palette.transpose(1, 2) @ alphas).square().sum(dim=1)


@given(seed=st.integers(0, 10**6), colors=st.integers(2, 16), sparse=st.booleans())
def test_a_gradient_step_comes_nearer_to_the_pixel(seed, colors, sparse):
    g = generator(seed)
    palette, pixels = torch.rand(1, colors, 3, generator=g), torch.rand(1, 3, 40, generator=g)
    before = simplex(seed, colors, 40, sparse)
    after = gradient_step(before, pixels, palette, step_matrix(palette), 1.0, 0.0)
    assert_on_the_simplex(after)
    assert (distance(after, pixels, palette) <= distance(before, pixels, palette) * 1.002 + 1e-6).all()
    sharpened = gradient_step(before, pixels, palette, step_matrix(palette), 0.0, 0.5)
    assert (sharpened.square().sum(dim=1) >= before.square().sum(dim=1) - 1e-5).all()
    biased = gradient_step(before, pixels, palette, step_matrix(palette), 0.0, 0.0, torch.eye(colors)[None, :, :1])
    assert (biased[:, 0] >= before[:, 0] - 1e-6).all()


@given(
    seed=st.integers(0, 10**6),
    colors=st.integers(2, 16),
    sparse=st.booleans(),
    far=st.booleans(),
    tolerance=st.sampled_from([1e-3, 0.004, 0.05]),
)
def test_a_fitting_step_is_the_least_change_in_proportion(seed, colors, sparse, far, tolerance):
    g = generator(seed)
    palette, before = torch.rand(1, colors, 3, generator=g), simplex(seed, colors, 40, sparse)
    mean = palette.transpose(1, 2) @ before
    pixels = torch.rand(1, 3, 40, generator=g) if far else mean + 1e-3 * torch.randn(1, 3, 40, generator=g)
    after = fitting_step(before, pixels, palette, tolerance, 1.0)
    assert_on_the_simplex(after)
    assert (after[before == 0] == 0).all()
    torch.testing.assert_close(after[before == 1], torch.ones_like(after[before == 1]), atol=1e-5, rtol=0)
    if not far:  # nothing is cut off there
        assert (distance(after, pixels, palette) <= distance(before, pixels, palette) + 1e-9).all()
    # The formula itself in float64, since a small tolerance makes much of rounding.
    p, a, c = palette[0].double(), before[0].double(), pixels[0].double()
    offsets = p[:, None] - (p.T @ a).T  # K, N, 3
    spread = (a[..., None, None] * offsets[..., None] * offsets[..., None, :]).sum(dim=0)  # N, 3, 3
    missing = (c - p.T @ a).T
    direction = torch.linalg.solve(spread + tolerance * torch.eye(3, dtype=torch.float64), missing)
    moved = a * (1.0 + (offsets * direction).sum(dim=2)).clamp(0.0, LARGEST_CHANGE)
    exact = fitting_step(a[None], c[None], p[None], tolerance, 1.0)[0]
    torch.testing.assert_close(exact, moved / moved.sum(dim=0), atol=1e-8, rtol=0)


def test_a_fitting_step_of_size_0_changes_nothing():
    before = simplex(3, 6, 30, True)
    after = fitting_step(before, torch.rand(1, 3, 30), torch.rand(1, 6, 3), 0.01, 0.0)
    torch.testing.assert_close(after, before, atol=1e-6, rtol=0)


def test_local_logits_are_a_quadratic_form():
    g = generator(0)
    models, d = torch.randn(1, 2, PLANES, 5, generator=g), torch.randn(1, 2, 3, 5, generator=g)
    m = models.double().numpy()[0]
    x = d.double().numpy()[0]
    matrix = np.empty((2, 5, 3, 3))
    for (i, j), plane in {(0, 0): 4, (1, 1): 5, (2, 2): 6, (0, 1): 7, (0, 2): 8, (1, 2): 9}.items():
        matrix[..., i, j] = matrix[..., j, i] = m[:, plane] / (1 if i == j else 2)
    expected = m[:, 0] + np.einsum("kin,kin->kn", m[:, 1:4], x) + np.einsum("kin,knij,kjn->kn", x, matrix, x)
    np.testing.assert_allclose(local_logits(models.unbind(dim=2), d)[0].numpy(), expected, atol=1e-5)


class TestCalm:
    @pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (20, 30)])
    def test_leaves_constant_pictures_alone(self, size):
        image = torch.tensor([0.1, 0.5, 0.9])[None, :, None, None].expand(1, 3, *size).contiguous()
        torch.testing.assert_close(denoise(image), image, atol=1e-6, rtol=0)

    @pytest.mark.parametrize("step", [0.3, 0.6])
    def test_leaves_strong_edges_alone(self, step):
        image = torch.full((1, 3, 32, 32), 0.2)
        image[..., 13:] += step
        image[:, :, 20:, 5:9] = 0.9
        torch.testing.assert_close(denoise(image), image, atol=0.01, rtol=0)

    def test_lowers_noise_and_keeps_the_mean(self):
        noise = torch.randn(1, 3, 64, 64, generator=generator(0))
        for sigma, most in ((0.004, 0.25), (0.01, 0.65)):
            denoised = denoise(0.5 + sigma * noise)
            assert denoised.std() < most * sigma
            assert (denoised.mean() - 0.5).abs() < 0.1 * sigma
        rough = 0.5 + 0.2 * noise
        assert (denoise(rough) - rough).abs().max() < 0.05 * rough.std()

    def test_sees_no_further_than_two_windows(self):
        image = picture(40, 40).requires_grad_()
        denoise(image)[0, :, 20, 22].sum().backward()
        rows, columns = torch.nonzero(image.grad.abs().sum(dim=(0, 1)), as_tuple=True)
        assert (rows.min(), rows.max()) == (20 - 2 * DENOISE_RADIUS, 20 + 2 * DENOISE_RADIUS)
        assert (columns.min(), columns.max()) == (22 - 2 * DENOISE_RADIUS, 22 + 2 * DENOISE_RADIUS)


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (7, 17), (20, 3), (31, 24)])
def test_cells_are_means_and_deviations(size):
    image = picture(*size, seed=4)[0]
    height, width = size
    found = coarse_grid(image[None])[0].numpy()
    padded = np.pad(image.double().numpy(), ((0, 0), (0, -height % STRIDE), (0, -width % STRIDE)), mode="edge")
    grid = padded.reshape(3, -(-height // STRIDE), STRIDE, -(-width // STRIDE), STRIDE)
    deviations = np.maximum(grid.std(axis=(2, 4)), 1e-4)
    np.testing.assert_allclose(found, np.concatenate([grid.mean(axis=(2, 4)), deviations]), atol=1e-6)


@pytest.mark.parametrize("level", [0.1, 0.9, 1.0])
def test_flat_cells_deviate_by_nothing(level):
    """Bright ones too, whose mean square less squared mean would be rounding."""
    found = coarse_grid(torch.full((1, 3, 24, 24), level))
    torch.testing.assert_close(found[:, 3:], torch.full((1, 3, 3, 3), 1e-4), atol=1e-7, rtol=0)


def test_enlarged_models_are_interpolated_between_the_middles_of_cells():
    models = torch.arange(4.0)[None, None, None, None, :].expand(1, 1, PLANES, 2, 4).contiguous()
    row = upsample(models, 11, 29)[0, 0, 0, 5]
    expected = np.clip((np.arange(29) + 0.5) / STRIDE - 0.5, 0, 3)
    assert upsample(models, 11, 29).shape == (1, 1, PLANES, 11, 29)
    np.testing.assert_allclose(row.numpy(), expected, atol=1e-6)


class TestNetwork:
    @pytest.mark.parametrize("colors", range(2, 17))
    def test_any_number_of_colors(self, network, colors):
        alphas, base = network(picture(21, 35), torch.rand(1, colors, 3, generator=generator(colors)), SOFTNESS)
        assert (alphas.shape, base.shape) == ((1, colors, 21, 35), (1, colors, 3))
        assert_on_the_simplex(alphas)

    @pytest.mark.parametrize("size", [(1, 1), (1, 50), (50, 1), (8, 8), (9, 33)])
    def test_any_size(self, network, size):
        alphas, _ = network(picture(*size), torch.rand(1, 5, 3, generator=generator(1)), SOFTNESS)
        assert alphas.shape == (1, 5, *size)
        assert_on_the_simplex(alphas)

    @given(seed=st.integers(0, 10**6), colors=st.integers(2, 16))
    def test_permuting_the_palette_permutes_the_alphas(self, network, seed, colors):
        palette = torch.rand(1, colors, 3, generator=generator(seed))
        order = torch.randperm(colors, generator=generator(seed))
        image = picture(24, 30, seed)
        # What is left in float32 is rounding, which logits magnify, in single numbers to 1e-4.
        for exact, atol, mean in ((False, 1e-3, 3e-6), (True, 1e-9, 1e-9)):
            kind = torch.float64 if exact else torch.float32
            network, image, palette = copy.deepcopy(network).to(kind), image.to(kind), palette.to(kind)
            for permuted, result in zip(
                network(image, palette[:, order], SOFTNESS), network(image, palette, SOFTNESS), strict=True
            ):
                torch.testing.assert_close(permuted, result[:, order], atol=atol, rtol=0)
                assert (permuted - result[:, order]).abs().mean() <= mean

    def test_the_order_counts_for_nothing_and_the_colors_for_much(self, network):
        image, palette = picture(24, 30), torch.rand(1, 4, 3, generator=generator(2))
        other = palette.clone()
        other[0, 0] = 1.0 - other[0, 0]
        assert (network(image, palette, SOFTNESS)[0] - network(image, other, SOFTNESS)[0]).abs().max() > 0.1

    def test_a_batch_is_one_by_one(self, network):
        images = torch.cat([picture(24, 40, seed) for seed in range(3)])
        palettes = torch.rand(3, 6, 3, generator=generator(5))
        palettes[2] = 0.5
        together = network(images, palettes, SOFTNESS)
        for number in range(3):
            alone = network(images[number : number + 1], palettes[number : number + 1], SOFTNESS)
            for all_of_them, one in zip(together, alone, strict=True):
                torch.testing.assert_close(all_of_them[number], one[0], atol=1e-5, rtol=0)

    @pytest.mark.parametrize(
        "palette",
        [
            torch.zeros(7, 3),
            torch.ones(2, 3),
            torch.full((16, 3), 0.5),
            torch.tensor([[0.2, 0.4, 0.6], [0.2, 0.4, 0.6], [0.9, 0.1, 0.1]]),
            torch.tensor([[0.2, 0.4, 0.6], [0.2, 0.4, 0.6 + 1e-6], [0.9, 0.1, 0.1]]),
            torch.tensor([[0.2, 0.4, 0.6], [0.2, 0.4, 0.6 + 1e-3]]),
            torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 3),
            torch.linspace(0.0, 1.0, 16)[:, None].expand(16, 3).contiguous(),
        ],
    )
    @pytest.mark.parametrize("kind", ["photograph", "black", "white", "checks", "noise"])
    def test_odd_palettes_and_pictures_give_alphas(self, network, palette, kind):
        checks = (torch.arange(20)[:, None] + torch.arange(28)) % 2
        image = {
            "photograph": picture(20, 28),
            "black": torch.zeros(1, 3, 20, 28),
            "white": torch.ones(1, 3, 20, 28),
            "checks": checks.float().expand(1, 3, 20, 28).contiguous(),
            "noise": torch.rand(1, 3, 20, 28, generator=generator(0)).round(),
        }[kind]
        assert_on_the_simplex(network(image, palette[None], SOFTNESS)[0])

    def test_equal_colors_get_equal_alphas(self, network):
        palette = torch.tensor([[[0.2, 0.4, 0.6], [0.9, 0.1, 0.1], [0.2, 0.4, 0.6]]])
        alphas, _ = network(picture(24, 24), palette, SOFTNESS)
        torch.testing.assert_close(alphas[:, 0], alphas[:, 2], atol=1e-6, rtol=0)

    def test_an_untrained_network_takes_what_has_the_palette_color(self):
        palette = torch.tensor([[[0.1, 0.1, 0.1], [0.9, 0.2, 0.1], [0.2, 0.3, 0.9], [0.9, 0.9, 0.9]]])
        numbers = torch.arange(4).repeat_interleave(16).expand(16, 64)
        alphas, _ = AnyPaletteNetwork()(palette[0, numbers].permute(2, 0, 1)[None], palette, SOFTNESS)
        for number in range(4):
            assert alphas[0, number][numbers == number].min() > 0.9

    def test_gates_are_shared_by_all_colors(self, network):
        palette = torch.rand(1, 5, 3, generator=generator(0))
        models = network.models(coarse_grid(picture(40, 56)), palette, network.embed(palette, SOFTNESS).offsets)
        assert models.shape == (1, 5, PLANES, 5, 7)
        gates = models[:, :, -2:]
        assert torch.equal(gates, gates[:, :1].expand_as(gates))
        assert ((gates > 0) & (gates < 1)).all()
        assert (models[:, 0, :-2] - models[:, 1, :-2]).abs().max() > 0.01

    def test_a_logit_far_behind_weighs_as_one_that_is_less_far_behind(self, network):
        palette = torch.rand(1, 3, 3, generator=generator(1))
        embedding, colors = network.embed(palette, SOFTNESS), palette.mean(dim=1)[..., None]
        found = []
        for logit in (-0.5 * FARTHEST_BEHIND, -FARTHEST_BEHIND, -9.0 * FARTHEST_BEHIND):
            models = torch.zeros(1, 3, PLANES, 1)
            models[:, :, -2] = 1.0
            models[:, 2, 0] = logit
            found.append(network.pixel_alphas(models, colors, embedding, torch.eye(3)[None]))
        assert (found[1] - found[0]).abs().max() > 1e-3
        assert torch.equal(found[2], found[1])

    def test_every_parameter_is_trained(self):
        torch.manual_seed(0)
        trained = AnyPaletteNetwork((4, 4, 4))
        for layer in (trained.head, trained.palette.head, trained.palette.offsets, trained.palette.log_scales):
            torch.nn.init.normal_(layer.weight, std=0.1)  # they begin with zeros, which stop gradients
        image, palette = picture(40, 48, batch=2), torch.rand(2, 5, 3, generator=generator(0))
        (trained(image, palette, SOFTNESS)[0] * torch.rand(2, 5, 40, 48, generator=generator(1))).sum().backward()
        assert [name for name, p in trained.named_parameters() if p.grad is None or not p.grad.isfinite().all()] == []
        assert all(p.grad.abs().max() > 0 for p in trained.parameters())
        assert (len(trained.sizes), len(trained.sharpening)) == (GRADIENT_STEPS, GRADIENT_STEPS)
        assert len(trained.tolerance) == FITTING_STEPS

    @pytest.mark.parametrize("turned", [False, True])
    def test_nothing_beyond_the_halo_matters(self, network, turned):
        """All pixels from column ``far`` on change: up to the halo before it nothing does, nearer something does."""
        height, width, far = 24, 84 * STRIDE, 48 * STRIDE
        image, palette = picture(height, width), torch.rand(1, 4, 3, generator=generator(3))
        changed = image.clone()
        changed[..., far:] = 1.0 - changed[..., far:]
        if turned:
            image, changed = image.transpose(2, 3).contiguous(), changed.transpose(2, 3).contiguous()
        difference = (
            (network(image, palette, SOFTNESS)[0] - network(changed, palette, SOFTNESS)[0]).abs().amax(dim=(0, 1))
        )
        if turned:
            difference = difference.T
        assert difference[:, : far - AnyPaletteModel.halo].max() <= 1e-6
        steps = [difference[:, far - 8 * n : far].max() for n in (1, 4)]
        assert all(near > 1e-6 for near in steps)
        assert all(near <= wide for near, wide in pairwise(steps))
