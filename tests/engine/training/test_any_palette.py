"""Training of the any-palette model: its losses, its samples, and that it learns from both."""

from __future__ import annotations

import csv
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from fscs_engine.errors import CancelledError, WeightsError
from fscs_engine.evaluation.metrics import torn_edges
from fscs_engine.host.parameters import MAXIMUM_COLORS
from fscs_engine.image import Image
from fscs_engine.networks.any_palette import AnyPaletteNetwork
from fscs_engine.networks.constants import STRIDE
from fscs_engine.networks.palette_network import NEAR
from fscs_engine.networks.weights import load_weights
from fscs_engine.palette.palette import Palette
from fscs_engine.segmenter import Segmenter
from fscs_engine.training import any_palette
from fscs_engine.training.any_palette import (
    AnyPaletteConfig,
    AnyPaletteLosses,
    AnyPaletteSamples,
    gradient_loss,
    photograph_losses,
    steadiness_loss,
    torn_loss,
    window_alphas,
    worth_telling_apart,
)
from fscs_engine.training.trainer import CURVES, save_trained, train

COFFEE = Path(__file__).resolve().parents[3] / "examples" / "coffee.png"
TINY = AnyPaletteConfig(steps=6, batch=2, crop=32, warm_up=2, widths=(4, 6, 8))


def fixed_count(monkeypatch, colors):
    monkeypatch.setattr(any_palette, "_random_count", lambda rng: colors)


def tensors(networks):
    return {name: tensor.clone() for name, tensor in networks.state_dict().items()}


@pytest.fixture
def coffee_photograph(tmp_path):
    """A folder with a real one, half its size."""
    folder = tmp_path / "photographs"
    folder.mkdir()
    with Pillow.open(COFFEE) as photograph:
        photograph.reduce(2).save(folder / "coffee.png")
    return folder


def random_networks(config):
    """As in the middle of a training: every part has its say."""
    torch.manual_seed(0)
    networks = config.networks()
    torch.nn.init.normal_(networks.head.weight, std=0.1)
    return networks


def assert_finite_gradients(config, networks, batch):
    networks.zero_grad()
    total, terms = config.loss(networks, batch)
    total.backward()
    assert total.isfinite()
    assert all(term.isfinite() and term >= 0 for term in terms.values())
    assert all(p.grad is None or p.grad.isfinite().all() for p in networks.parameters())


@pytest.mark.slow
def test_the_loss_of_the_same_batch_goes_down(photographs, monkeypatch):
    fixed_count(monkeypatch, 5)
    config = replace(TINY, batch=4)
    networks, batch = random_networks(config), AnyPaletteSamples(config, photographs).batch(0)
    optimizer, losses = torch.optim.Adam(networks.parameters(), lr=0.01), []
    for _ in range(40):
        total, _ = config.loss(networks, batch)
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        losses.append(total.item())
    assert np.isfinite(losses).all()
    assert losses[-1] < 0.95 * losses[0]


@pytest.mark.slow
def test_training_makes_the_networks_better_at_what_they_have_not_seen(coffee_photograph, tmp_path):
    config = replace(TINY, steps=96, batch=4, crop=96, learning_rate=0.005)
    seen = []
    trained = train(coffee_photograph, tmp_path / "run", config, progress=seen.append)
    assert [report.step for report in seen] == [*range(10, 100, 10), 96]
    assert all(np.isfinite(value) for report in seen for value in report.losses.values())
    assert set(seen[0].losses) == {"total", *config.terms}
    other = AnyPaletteSamples(replace(config, seed=99), coffee_photograph)
    with torch.no_grad():
        losses = [
            sum(config.loss(networks, other.batch(step))[0].item() for step in range(12))
            for networks in (config.networks(), trained)
        ]
    assert losses[1] < 0.99 * losses[0]


def test_same_seed_same_weights_and_another_seed_others(photographs, tmp_path):
    first = tensors(train(photographs, tmp_path / "a", TINY))
    again = tensors(train(photographs, tmp_path / "b", TINY))
    other = tensors(train(photographs, tmp_path / "c", replace(TINY, seed=2)))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["stem.conv.weight"], other["stem.conv.weight"])


def test_a_resumed_run_gives_what_the_uninterrupted_one_gives(photographs, tmp_path):
    config, asked = replace(TINY, steps=12), []
    whole = tensors(train(photographs, tmp_path / "whole", config))

    def cancelled():
        asked.append(1)
        return len(asked) == 6

    with pytest.raises(CancelledError, match="step 5"):
        train(photographs, tmp_path / "parts", config, cancelled=cancelled)
    parts = tensors(train(photographs, tmp_path / "parts", config))
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    rows = []
    for name in ("whole", "parts"):
        with (tmp_path / name / CURVES).open(newline="") as opened:
            rows.append([{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(opened)])
    assert rows[0] == rows[1]
    assert [row["step"] for row in rows[0]] == ["10", "12"]


def test_trained_weights_segment_and_start_other_runs(photographs, tmp_path):
    file = tmp_path / "weights.safetensors"
    save_trained(train(photographs, tmp_path / "a", TINY), TINY, file)
    image = Image.from_pixels(np.random.default_rng(0).random((20, 24, 3), dtype=np.float32), "srgb")
    segmenter = Segmenter(file, device="cpu")
    assert segmenter.maximum_colors == MAXIMUM_COLORS
    for colors in (2, 3, 9):
        palette = Palette.from_hex([f"#{n * 28:02x}{255 - n * 28:02x}80" for n in range(colors)])
        assert segmenter.segment(image, palette).report.error_max <= 1e-6
    initial = load_weights(file)
    still = replace(TINY, steps=1, learning_rate=1e-12, final_learning_rate=0.0)
    for name, tensor in train(photographs, tmp_path / "b", still, initial=initial).named_parameters():
        torch.testing.assert_close(tensor, initial.tensors[name], atol=1e-9, rtol=0)
    with pytest.raises(WeightsError, match="networks to train"):
        train(photographs, tmp_path / "c", replace(TINY, widths=(4, 6, 10)), initial=initial)


class TestLosses:
    @pytest.mark.parametrize("term", asdict(AnyPaletteLosses()))
    def test_every_term_can_be_switched_off(self, term, photographs, monkeypatch):
        fixed_count(monkeypatch, 4)
        networks, batch = random_networks(TINY), AnyPaletteSamples(TINY, photographs).batch(3)
        alphas = torch.rand(batch[2].shape)  # whether a color was absent is a matter of luck
        batch = (*batch[:2], (alphas > 0.5).float(), *batch[3:])
        total, terms = TINY.loss(networks, batch)
        assert list(terms) == list(TINY.terms)
        assert terms[term] > 0
        without = replace(TINY, losses=replace(TINY.losses, **{term: 0.0}))
        weight = TINY.losses.at(*map(float, batch[-2:]))[term]
        weighted = weight * terms[term]
        assert without.loss(networks, batch)[0].item() == pytest.approx(total.item() - weighted.item(), rel=1e-4)
        nothing = dict.fromkeys(asdict(TINY.losses), 0.0)
        alone = replace(TINY, losses=AnyPaletteLosses(**{**nothing, term: 2.0}))
        weighted = alone.losses.at(*map(float, batch[-2:]))[term] * terms[term]
        assert alone.loss(networks, batch)[0].item() == pytest.approx(weighted.item(), rel=1e-5)

    def test_against_their_formulas(self):
        g = torch.Generator().manual_seed(0)
        alphas = torch.rand(2, 3, 6, 5, generator=g)
        alphas /= alphas.sum(dim=1, keepdim=True)
        colors, palette = torch.rand(2, 3, 6, 5, generator=g), torch.rand(2, 3, 3, generator=g)
        colors[:, :, 2:4] = 0.5  # flat there
        absent = torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
        worth = torch.rand(2, 6, 5, generator=g)
        terms = photograph_losses(alphas, colors, palette, absent, worth)
        a, c, p, w = (tensor.double().numpy() for tensor in (alphas, colors, palette, worth))
        residue = c - np.einsum("bkhw,bkc->bchw", a, p)
        squared = (residue**2).sum(axis=1)
        layers = (a * squared[:, None]).sum(axis=(2, 3)) / a.sum(axis=(2, 3))
        change, pairs = 0.0, 0
        for axis in (2, 3):
            flat = (np.abs(np.diff(c, axis=axis)) < 3 / 255).all(axis=1)
            change += (0.5 * np.abs(np.diff(a, axis=axis)).sum(axis=1) * flat).sum()
            pairs += flat.sum()
        expected = {
            "alpha": np.abs(residue).mean(),
            "distance": squared.mean(),
            "layer_distance": layers.mean(),
            "sparsity": (w * (a.sum(axis=1) / (a**2).sum(axis=1) - 1)).mean(),
            "visible": (w * (a / (a + 0.01)).sum(axis=1)).mean(),
            "flat": change / pairs,
            "absent": (a[0, 1].mean() + a[1, 2].mean()) / 2,
        }
        assert pairs > 0
        assert {name: term.item() for name, term in terms.items()} == pytest.approx(expected, rel=1e-4)

    def test_torn_edges_are_those_that_are_measured(self):
        g = torch.Generator().manual_seed(1)
        alphas = torch.rand(1, 3, 9, 7, generator=g)
        alphas /= alphas.sum(dim=1, keepdim=True)
        colors, palette = 0.1 * torch.rand(1, 3, 9, 7, generator=g), torch.rand(1, 3, 3, generator=g)
        mean, share = torn_edges(alphas[0].numpy(), colors[0].permute(1, 2, 0).numpy(), palette[0].numpy())
        assert share > 0
        columns = [torn_loss(alphas[..., n : n + 1], colors[..., n : n + 1], palette) * 8 for n in range(7)]
        rows = [torn_loss(alphas[..., n : n + 1, :], colors[..., n : n + 1, :], palette) * 6 for n in range(9)]
        assert 255 * float(sum(columns) + sum(rows)) / (8 * 7 + 9 * 6) == pytest.approx(mean, rel=1e-5)

    def test_softness_trades_few_layers_for_no_jumps(self):
        losses = AnyPaletteLosses()
        crisp, default, soft = losses.at(0.0, 1.0), losses.at(0.5, 1.0), losses.at(1.0, 1.0)
        assert default == asdict(losses)
        assert crisp["sparsity"] > default["sparsity"] > soft["sparsity"] > 0
        assert soft["torn"] > default["torn"] > crisp["torn"] > 0
        assert crisp["truth"] == soft["truth"]

    def test_what_calms_weighs_more_and_more(self):
        losses = AnyPaletteLosses()
        first, middle, last = losses.at(0.5, 0.0), losses.at(0.5, 0.4), losses.at(0.5, 1.0)
        assert first == {**last, "torn": 0.0, "steady": 0.0, "flat": 0.0}
        halves = {"torn": losses.torn / 2, "steady": losses.steady / 2, "flat": losses.flat / 2}
        assert middle == pytest.approx({**last, **halves})
        assert losses.at(0.5, 0.8) == last == asdict(losses)

    def test_a_wrong_slope_of_the_alphas_costs_and_an_offset_does_not(self):
        error = torch.full((1, 2, 4, 4), 0.3)
        assert gradient_loss(error).item() == 0
        error[..., 2:] += 0.5
        assert gradient_loss(error).item() == pytest.approx(0.5 * 2 * 0.5 / 3)

    def test_perfect_layers_cost_next_to_nothing(self):
        numbers = torch.arange(2).repeat_interleave(4).expand(1, 8, 8)
        palette = torch.tensor([[[0.1, 0.2, 0.3], [0.9, 0.8, 0.7], [0.0, 1.0, 0.0]]])
        alphas = torch.nn.functional.one_hot(numbers, 3).permute(0, 3, 1, 2).float()
        colors = palette[0, numbers].permute(0, 3, 1, 2)
        absent = torch.tensor([[0.0, 0.0, 1.0]])
        terms = photograph_losses(alphas, colors, palette, absent, torch.ones(1, 8, 8))
        assert terms.pop("visible").item() == pytest.approx(1 / 1.01)
        assert {name: term.item() for name, term in terms.items()} == pytest.approx(dict.fromkeys(terms, 0), abs=1e-6)

    def test_few_layers_are_worth_little_among_colors_that_are_hardly_apart(self):
        palette = torch.tensor([[[0.5, 0.5, 0.5], [0.5, 0.5, 0.5 + NEAR / 2], [0.9, 0.1, 0.1]]])
        alphas = torch.eye(3).reshape(1, 3, 1, 3)
        worth = worth_telling_apart(alphas, palette)
        assert worth.flatten().tolist() == pytest.approx([0.25, 0.25, 1.0], abs=1e-5)

    def test_a_jump_costs_more_than_many_small_steps_and_most_among_crowded_colors(self):
        def cost(changes, worth, same=1.0):
            first = torch.tensor(changes)[None, None]
            before, later = (torch.stack((alpha, 1.0 - alpha), dim=1) for alpha in (torch.zeros_like(first), first))
            return steadiness_loss(before, later, torch.full_like(first, worth), torch.full_like(first, same)).item()

        assert cost([0.0, 0.0], 1.0) == 0
        assert cost([0.1, 0.1], 1.0) == pytest.approx(0.1 * (1 + 0.1 * any_palette._JUMPS))
        assert cost([0.4, 0.0, 0.0, 0.0], 1.0) > 2 * cost([0.1, 0.1, 0.1, 0.1], 1.0)
        assert cost([0.01], 0.0) > 10 * cost([0.01], 1.0)
        assert cost([0.4], 0.0, same=0.0) == 0

    @pytest.mark.parametrize("window", [(0, 0), (1, 2), (4, 4), (0, 4)])
    def test_a_window_has_the_alphas_of_the_whole_crop(self, window):
        networks = random_networks(TINY).eval()
        g = torch.Generator().manual_seed(0)
        image, palette = torch.rand(2, 3, 64, 64, generator=g), torch.rand(2, 4, 3, generator=g)
        with torch.no_grad():
            alphas, colors, base = window_alphas(networks, image, palette, torch.tensor(window), torch.zeros(1))
            whole, whole_base = networks(image, palette, torch.zeros(1))
        assert torch.equal(base, whole_base)
        top, left = (STRIDE * start for start in window)
        torch.testing.assert_close(alphas, whole[:, :, top : top + 32, left : left + 32], atol=1e-4, rtol=0)
        assert torch.equal(colors, image[:, :, top : top + 32, left : left + 32])

    def test_other_networks_are_a_mistake(self):
        with pytest.raises(TypeError):
            window_alphas(torch.nn.Linear(1, 1), torch.zeros(1), torch.zeros(1), torch.zeros(2), torch.zeros(1))


class TestSamples:
    def test_are_decided_by_seed_and_step_alone(self, photographs):
        one, again = (AnyPaletteSamples(TINY, photographs) for _ in range(2))
        again.batch(0)
        for first, second in zip(one.batch(5), again.batch(5), strict=True):
            assert torch.equal(first, second)
        other = AnyPaletteSamples(replace(TINY, seed=TINY.seed + 1), photographs)
        assert not torch.equal(one.batch(5)[0][:, :, :8, :8], one.batch(6)[0][:, :, :8, :8])
        assert not torch.equal(one.batch(5)[0][:, :, :8, :8], other.batch(5)[0][:, :, :8, :8])
        assert one.identity == other.identity

    @pytest.mark.parametrize("colors", range(2, MAXIMUM_COLORS + 1))
    def test_shapes_ranges_and_a_finite_loss_for_every_k(self, photographs, monkeypatch, colors):
        fixed_count(monkeypatch, colors)
        config = replace(TINY, batch=5)
        batch = AnyPaletteSamples(config, photographs).batch(colors)
        image, palette, absent, changed, same, truth, window, softness, done = batch
        assert 0 <= float(softness) <= 1
        assert float(done) == pytest.approx(colors / config.steps)
        composites, side = config.composites, config.crop_at(colors)
        assert image.shape == (5, 3, side, side)
        assert palette.shape == (5, colors, 3)
        assert absent.shape == (5 - composites, colors)
        assert changed.shape[1:] == (3, side, side)
        assert same.shape == (len(changed), side // 2, side // 2)
        assert truth.shape == (composites, colors, side // 2, side // 2)
        assert (window >= 0).all()
        assert (window * STRIDE + side // 2 <= side).all()
        for values in (image, palette, absent, changed, truth):
            assert values.dtype == torch.float32
            assert values.min() >= 0
            assert values.max() <= 1
        assert ((same == 0) | (same == 1)).all()
        torch.testing.assert_close(truth.sum(dim=1), torch.ones_like(truth[:, 0]), atol=1e-5, rtol=0)
        assert_finite_gradients(config, random_networks(config), batch)

    def test_the_first_crops_are_half_as_wide(self, photographs):
        config = replace(TINY, steps=10, early=0.7)
        sides = [AnyPaletteSamples(config, photographs).batch(step)[0].shape[-1] for step in (0, 6, 7, 9)]
        assert sides == [16, 16, 32, 32]

    def test_every_k_comes_up(self):
        rng = np.random.default_rng(0)
        counts = [any_palette._random_count(rng) for _ in range(2000)]
        assert set(counts) == set(range(2, MAXIMUM_COLORS + 1))
        assert counts.count(7) > len(counts) / 3

    def test_where_nothing_entered_only_the_light_differs(self, photographs):
        config = replace(TINY, batch=4)
        samples = AnyPaletteSamples(config, photographs)
        entered = 0.0
        for step in range(8):
            image, _, _, changed, same, _, window, _, _ = samples.batch(step)
            top, left = (int(start) * STRIDE for start in window)
            side = config.crop_at(step) // 2
            inside = (slice(None), slice(None), slice(top, top + side), slice(left, left + side))
            difference = (changed - image[: len(changed)])[inside].abs().amax(dim=1)
            assert (difference * (same > 0)).max() < 0.06
            entered = max(entered, (difference * (same == 0)).max().item())
        assert entered > 0.2

    def test_the_exposure_changes_after_the_palette_was_made(self, photographs, monkeypatch):
        monkeypatch.setattr(any_palette, "_OTHER_EXPOSURES", 1.0)
        seen = {}
        for logarithm in (0.0, -0.5):
            monkeypatch.setattr(any_palette, "_EXPOSURES", (logarithm, logarithm))
            seen[logarithm] = AnyPaletteSamples(TINY, photographs).batch(3)
        (image, palette, *_), (darker, unchanged, *_) = seen.values()
        assert torch.equal(palette[:1], unchanged[:1])
        torch.testing.assert_close(darker[:1], image[:1] * np.exp(-0.5), atol=0.003, rtol=0)
        assert torch.equal(darker[1:], image[1:])  # a composite's alphas are true for its own palette

    def test_a_batch_of_one_has_no_composite(self, photographs):
        config = replace(TINY, batch=1)
        batch = AnyPaletteSamples(config, photographs).batch(0)
        assert len(batch[5]) == 0
        _, terms = config.loss(random_networks(config), batch)
        assert terms["truth"] == 0
        assert_finite_gradients(config, random_networks(config), batch)

    @pytest.mark.parametrize("crop", [16, 30, 33, 47])
    def test_crops_of_any_size(self, photographs, crop):
        config = replace(TINY, crop=crop)
        for step in range(4):
            assert_finite_gradients(config, random_networks(config), AnyPaletteSamples(config, photographs).batch(step))

    @pytest.mark.parametrize("color", ["black", "white", "#7f7f7f", "#ff0000"])
    def test_crops_of_one_color_give_no_nan(self, tmp_path, color):
        Pillow.new("RGB", (40, 40), color).save(tmp_path / "flat.png")
        for step in range(4):
            batch = AnyPaletteSamples(TINY, tmp_path).batch(step)
            assert_finite_gradients(TINY, random_networks(TINY), batch)

    @pytest.mark.parametrize("kind", ["random", "new"])
    def test_palettes_of_equal_colors_give_no_nan(self, photographs, monkeypatch, kind):
        networks = random_networks(TINY) if kind == "random" else TINY.networks()
        fixed_count(monkeypatch, 6)
        image, palette, *rest = AnyPaletteSamples(TINY, photographs).batch(0)
        for equal in (torch.zeros_like(palette), torch.ones_like(palette), palette[:, :1].expand_as(palette)):
            assert_finite_gradients(TINY, networks, (image, equal.contiguous(), *rest))
        flat = torch.full_like(image, 0.25)
        assert_finite_gradients(TINY, networks, (flat, torch.full_like(palette, 0.25), *rest))


def test_the_metadata_makes_the_same_networks():
    widths = tuple(int(width) for width in TINY.metadata()["widths"].split(","))
    assert AnyPaletteNetwork(widths).state_dict().keys() == TINY.networks().state_dict().keys()
    assert TINY.metadata()["architecture"] == "any-palette"
