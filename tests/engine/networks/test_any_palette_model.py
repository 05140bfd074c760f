"""The any-palette model on whole pictures: tiles, strips, order, both ways to compute, files that do not fit."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fscs_engine import segmenter as segmenter_module
from fscs_engine.alpha.processing import AlphaProcessing
from fscs_engine.errors import CancelledError, WeightsError
from fscs_engine.host.parameters import ALPHA_FLOOR, MAXIMUM_COLORS
from fscs_engine.image import Image
from fscs_engine.networks.any_palette_model import AnyPaletteModel
from fscs_engine.networks.constants import STRIDE
from fscs_engine.networks.create import create_model
from fscs_engine.networks.model import ColorPrediction, View
from fscs_engine.networks.weights import Weights, save_weights
from fscs_engine.palette.palette import Palette
from fscs_engine.segmenter import Segmenter

CPU = torch.device("cpu")
TILE = 4 * STRIDE
BEYOND = TILE + 2 * AnyPaletteModel.halo + 40  # a picture of this length has tiles that do not see its ends


SOFTNESS = 0.5


def pixels_of(height, width, seed=0):
    """(H, W, 3) in [0, 1]: coarse colors, ramps between them, grain."""
    rng = np.random.default_rng(seed)
    coarse = torch.from_numpy(rng.random((1, 3, height // 16 + 2, width // 16 + 2), np.float32))
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear")[0].permute(1, 2, 0).numpy()
    return np.clip(smooth * 1.4 - 0.2 + rng.normal(0, 0.02, smooth.shape), 0, 1).astype(np.float32)


def palette_of(colors, seed=0):
    return torch.rand(colors, 3, generator=torch.Generator().manual_seed(seed))


def predict(model, pixels, palette, tile=0, done=lambda _: None):
    height, width = pixels.shape[:2]
    return model.predict(
        View(height, width, CPU, tile, lambda top, bottom: pixels[top:bottom], done), palette, SOFTNESS
    )


def tensor_model(weights):
    """The way of every other device, on this one."""
    made = AnyPaletteModel(weights, CPU)
    made.compiled = False
    return made


@pytest.fixture
def file(weights, tmp_path):
    path = tmp_path / "random.safetensors"
    save_weights(path, weights.tensors, weights.metadata)
    return path


def hex_palette(colors, seed=0):
    numbers = np.random.default_rng(seed).choice(2**24, colors, replace=False)
    return Palette.from_hex([f"#{number:06x}" for number in numbers])


@pytest.mark.parametrize("size", [(20, BEYOND), (BEYOND, 20)])
@pytest.mark.parametrize("compiled", [True, False])
def test_tiles_equal_the_whole(weights, size, compiled):
    made = AnyPaletteModel(weights, CPU)
    made.compiled = compiled
    pixels, palette = pixels_of(*size), palette_of(5)
    whole = predict(made, pixels, palette).alphas(0, size[0])
    for tile in (TILE, 100):
        tiled = predict(made, pixels, palette, tile).alphas(0, size[0])
        torch.testing.assert_close(tiled, whole, atol=1e-5, rtol=0)


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("rows", [1, 16, 23])
def test_strips_equal_the_whole(weights, compiled, rows):
    """They may overlap, and begin anywhere in a cell."""
    made = AnyPaletteModel(weights, CPU)
    made.compiled = compiled
    prediction = predict(made, pixels_of(75, 45), palette_of(7))
    whole = prediction.alphas(0, 75)
    for top in range(0, 75, rows):
        part = prediction.alphas(max(0, top - 3), min(75, top + rows))
        torch.testing.assert_close(part, whole[:, max(0, top - 3) : top + rows], atol=1e-5, rtol=0)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (17, 130), (70, 33)])
@pytest.mark.parametrize("colors", [2, 7, MAXIMUM_COLORS])
def test_loops_equal_tensors(model, weights, size, colors):
    pixels, palette = pixels_of(*size), palette_of(colors)
    compiled = predict(model, pixels, palette).alphas(0, size[0])
    tensors = predict(tensor_model(weights), pixels, palette).alphas(0, size[0])
    torch.testing.assert_close(compiled, tensors, atol=1e-4, rtol=0)  # rounding, magnified by the logits
    assert ((compiled == 0) | (compiled >= ALPHA_FLOOR * (1 - 1e-6))).all()
    for alphas in (compiled, tensors):
        assert alphas.dtype == torch.float32
        assert alphas.min() >= 0
        assert (alphas.sum(dim=0) - 1).abs().max() <= 1e-5


def test_tensors_are_the_network_itself(weights, network):
    pixels, palette = pixels_of(30, 50), palette_of(6)
    image = torch.from_numpy(pixels).permute(2, 0, 1)[None]
    prediction = predict(tensor_model(weights), pixels, palette)
    expected, base = network(image, palette[None], torch.full((1,), SOFTNESS))
    torch.testing.assert_close(prediction.alphas(0, 30), expected[0], atol=1e-4, rtol=0)
    torch.testing.assert_close(prediction.model.base_colors(palette, SOFTNESS), base[0], atol=1e-6, rtol=0)
    assert (base[0] - palette).abs().max() > 1e-3


@pytest.mark.parametrize("compiled", [True, False])
def test_order_does_not_even_show_in_the_rounding(weights, compiled):
    made = AnyPaletteModel(weights, CPU)
    made.compiled = compiled
    pixels, palette, order = pixels_of(24, 36), palette_of(7), [3, 0, 6, 2, 5, 1, 4]
    plain = predict(made, pixels, palette)
    permuted = predict(made, pixels, palette[order])
    assert torch.equal(permuted.alphas(0, 24), plain.alphas(0, 24)[order])
    base = made.base_colors(palette, SOFTNESS)
    assert torch.equal(made.base_colors(palette[order], SOFTNESS), base[order])
    assert not isinstance(permuted, ColorPrediction)  # the base colors are its colors everywhere


@pytest.mark.parametrize("compiled", [True, False])
def test_what_is_done_adds_up_to_1(weights, compiled):
    made = AnyPaletteModel(weights, CPU)
    made.compiled = compiled
    shares = []
    prediction = predict(made, pixels_of(100, 40), palette_of(3), tile=TILE, done=shares.append)
    assert len(shares) >= 3
    for top, bottom in ((0, 40), (30, 70), (64, 100), (0, 100)):  # what was asked for before counts once
        prediction.alphas(top, bottom)
    assert min(shares) >= 0
    assert sum(shares) == pytest.approx(1)


@pytest.mark.parametrize("space", ["srgb", "lin_rec709"])
@pytest.mark.parametrize("size", [(24, BEYOND), (BEYOND, 24)])
def test_layers_of_tiles_and_strips_equal_the_whole(file, space, size, monkeypatch):
    """Compared are α and α·u."""
    image = Image.from_pixels(pixels_of(*size), "srgb")
    whole = Segmenter(file, device="cpu").segment(image, hex_palette(6), working_space=space).pixels
    monkeypatch.setattr(segmenter_module, "_STRIP_VALUES", 6 * 16 * size[1])
    monkeypatch.setattr(segmenter_module, "_LEAST_ROWS", 16)
    tiled = Segmenter(file, device="cpu", tile=TILE).segment(image, hex_palette(6), working_space=space).pixels
    assert np.abs(tiled - whole).max() <= 1e-5


def test_pictures_that_are_not_kept_give_the_same(file, monkeypatch):
    image = Image.from_pixels(pixels_of(90, 60) ** 2, "lin_rec709")
    kept = Segmenter(file, device="cpu").segment(image, hex_palette(5)).pixels
    monkeypatch.setattr(segmenter_module, "_KEPT_PIXELS", 0)
    assert np.array_equal(Segmenter(file, device="cpu").segment(image, hex_palette(5)).pixels, kept)


@pytest.mark.parametrize("size", [(200, 60), (9, 30)])
def test_threads_do_not_even_show_in_the_rounding(file, size):
    """Nor do they wait for each other for ever."""
    image, before, found = Image.from_pixels(pixels_of(*size), "srgb"), torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append(Segmenter(file, device="cpu").segment(image, hex_palette(5)).pixels)
    finally:
        torch.set_num_threads(before)
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])


def test_one_color_is_everywhere(file):
    image = Image.from_pixels(pixels_of(20, 30), "srgb")
    segmenter = Segmenter(file, device="cpu")
    result = segmenter.segment(image, hex_palette(1), working_space="srgb")
    assert np.array_equal(result.pixels[0, ..., 3], np.ones((20, 30), np.float32))
    np.testing.assert_allclose(result.pixels[0, ..., :3], image.pixels, atol=1e-7)
    thrice = Palette.from_hex(["#336699"] * 3)
    shared = segmenter.segment(image, thrice, working_space="srgb").pixels
    np.testing.assert_allclose(shared[..., 3], 1 / 3, atol=1e-6)


def test_duplicates_share_evenly_and_merged_are_as_without_them(file):
    image = Image.from_pixels(pixels_of(40, 50), "srgb")
    segmenter = Segmenter(file, device="cpu")
    colors = [f"#{int(r * 255):02x}{int(g * 255):02x}{int(b * 255):02x}" for r, g, b in palette_of(4).tolist()]
    plain = segmenter.segment(image, Palette.from_hex(colors), working_space="srgb").pixels
    positions = [[1, 4, 5], [0], [2, 6], [3]]
    doubled_colors = [""] * 7
    for color, places in zip(colors, positions, strict=True):
        for place in places:
            doubled_colors[place] = color
    doubled = segmenter.segment(image, Palette.from_hex(doubled_colors), working_space="srgb").pixels
    for number, places in enumerate(positions):
        for place in places[1:]:
            np.testing.assert_allclose(doubled[place, ..., 3], doubled[places[0], ..., 3], atol=1e-6)
        np.testing.assert_allclose(doubled[places].sum(axis=0), plain[number], atol=1e-5)


def test_a_reduced_precision_still_adds_up(file):
    image = Image.from_pixels(pixels_of(40, 50), "srgb")
    full = Segmenter(file, device="cpu").segment(image, hex_palette(5), working_space="srgb")
    half = Segmenter(file, device="cpu", precision="bfloat16").segment(image, hex_palette(5), working_space="srgb")
    assert half.report.error_max <= 1e-6
    assert np.abs(half.pixels - full.pixels).max() > 0
    assert np.abs(half.pixels[..., 3] - full.pixels[..., 3]).mean() < 0.05


def test_cancel_in_the_middle(file):
    image, asked = Image.from_pixels(pixels_of(60, 60), "srgb"), []

    def cancelled():
        asked.append(1)
        return len(asked) == 3

    with pytest.raises(CancelledError):
        Segmenter(file, device="cpu", tile=TILE).segment(image, hex_palette(7), cancelled=cancelled)
    assert len(asked) == 3


@pytest.mark.parametrize("processing", [AlphaProcessing(), AlphaProcessing(smoothing=4)])
def test_progress_ends_at_1_and_never_goes_back(file, processing, monkeypatch):
    monkeypatch.setattr(segmenter_module, "_STRIP_VALUES", 0)
    monkeypatch.setattr(segmenter_module, "_LEAST_ROWS", 16)
    seen = []
    image = Image.from_pixels(pixels_of(100, 60), "srgb")
    Segmenter(file, device="cpu", tile=TILE).segment(image, hex_palette(4), processing, progress=seen.append)
    assert len(seen) > 8
    assert seen == sorted(seen)
    assert seen[-1] == 1
    assert seen[-2] == pytest.approx(1)


def saved(weights, tmp_path, metadata=None, tensors=None):
    path = tmp_path / "odd.safetensors"
    tensors = dict(weights.tensors) if tensors is None else tensors
    save_weights(path, tensors, {**weights.metadata, **(metadata or {})}, overwrite=True)
    return path


@pytest.mark.parametrize("architecture", ["", "any-palette-2", "papers"])
def test_an_unknown_architecture_is_refused(weights, tmp_path, architecture):
    with pytest.raises(WeightsError, match="unknown architecture"):
        create_model(saved(weights, tmp_path, {"architecture": architecture}), CPU, torch.float32)


@pytest.mark.parametrize("widths", ["", "8,12", "8,12,16,20", "8,12,17", "a,b,c", "16,32,64", "8.0,12,16", "-8,12,16"])
def test_wrong_widths_are_refused(weights, tmp_path, widths):
    with pytest.raises(WeightsError, match="do not fit") as caught:
        create_model(saved(weights, tmp_path, {"widths": widths}), CPU, torch.float32)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("change", ["missing", "another", "shape"])
def test_wrong_tensors_are_refused(weights, tmp_path, change):
    tensors = dict(weights.tensors)
    if change == "missing":
        del tensors["sizes"]
    elif change == "another":
        tensors["more"] = torch.zeros(3)
    else:
        tensors["sizes"] = torch.zeros(len(tensors["sizes"]) + 1)
    with pytest.raises(WeightsError, match="do not fit"):
        create_model(saved(weights, tmp_path, tensors=tensors), CPU, torch.float32)


def test_weights_without_widths_are_refused(weights):
    with pytest.raises(WeightsError, match="widths"):
        AnyPaletteModel(Weights(weights.tensors, {"architecture": "any-palette"}, "", "bare"), CPU)


def test_what_the_segmenter_asks_of_it(file):
    made, weights = create_model(file, CPU, torch.float32)
    assert isinstance(made, AnyPaletteModel)
    assert (made.maximum_colors, made.own_colors, made.normalized) == (MAXIMUM_COLORS, False, True)
    assert not any(parameter.requires_grad for parameter in made.network.parameters())
    assert weights.metadata["architecture"] == "any-palette"
    made.compiled = False
    assert not made.normalized
