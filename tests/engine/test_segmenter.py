"""The segmenter with all shipped weights: exact, independent of tiles, order and frame, for any size and K."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fscs_engine import segmenter as segmenter_module
from fscs_engine.alpha.processing import AlphaProcessing, LayerAdjustment, Mask
from fscs_engine.color import straight
from fscs_engine.errors import CancelledError, DeviceError, NonFiniteError, PaletteError, RangeError, UsageError
from fscs_engine.files.reading import read_image
from fscs_engine.host.parameters import MAXIMUM_COLORS
from fscs_engine.image import Image
from fscs_engine.networks.shipped import SHIPPED
from fscs_engine.palette.palette import Palette
from fscs_engine.segmenter import Segmenter

COFFEE = Path(__file__).resolve().parents[2] / "examples" / "coffee.png"
COLORS = ["#2b1a12", "#7a4a2a", "#c0392b", "#e8e2d4", "#3f6f8f", "#101010", "#f4f0e8", "#88aa33"]


@pytest.fixture(scope="module", params=SHIPPED)
def segmenter(request):
    return Segmenter(request.param, device="cpu")


@pytest.fixture(scope="module")
def default():
    return Segmenter(device="cpu")


def coffee(height=96, width=104, top=120, left=200):
    whole = read_image(COFFEE)
    return Image.from_pixels(whole.pixels[top : top + height, left : left + width].copy(), "srgb")


def palette_of(colors):
    return Palette.from_hex(COLORS[:colors])


def assert_adds_up(layers, target, tolerance):
    """Σα, and the sum in float32, layer 1 first, against what it must be."""
    total = np.zeros(target.shape[:2] + (4,), np.float32)
    for layer in layers:
        total += layer
    scale = np.maximum(1, np.abs(target[..., :3]).max(axis=-1, keepdims=True))
    assert (np.abs(total[..., :3] - target[..., :3]) / scale).max() <= tolerance
    alpha = target[..., 3] if target.shape[2] == 4 else 1.0
    np.testing.assert_allclose(total[..., 3], alpha, atol=1e-6)


@pytest.mark.parametrize("colors", range(1, 8))
def test_every_k_adds_up(segmenter, colors):
    image = coffee(40, 56)
    result = segmenter.segment(image, palette_of(colors), working_space="srgb")
    assert result.pixels.shape == (colors, 40, 56, 4)
    assert_adds_up(result.pixels, image.pixels, 1e-6)
    alpha = result.pixels[..., 3]
    assert alpha.min() >= 0
    assert alpha.max() <= 1
    seen = alpha > 1e-3
    straight = result.pixels[..., :3][seen] / alpha[seen][:, None]
    assert straight.min() >= -1e-4
    assert straight.max() <= 1 + 1e-4


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 9), (9, 1), (7, 13), (17, 8), (1, 700), (31, 33)])
def test_any_size(segmenter, height, width):
    image = coffee(height, min(width, 300), left=100)
    image = Image.from_pixels(np.resize(image.pixels, (height, width, 3)), "srgb")
    assert_adds_up(segmenter.segment(image, palette_of(5), working_space="srgb").pixels, image.pixels, 1e-6)


@pytest.mark.parametrize("space", ["srgb", "lin_rec709", "acescg", "ACES2065-1", "sRGB Encoded P3-D65"])
def test_every_working_space_is_exact(segmenter, space):
    image = coffee(24, 32)
    target = segmenter.spaces.convert(image.pixels, "srgb", space)
    result = segmenter.segment(image, palette_of(6), working_space=space)
    assert result.working_space == space
    assert_adds_up(result.pixels, target, 1e-6)
    assert result.report.error_max <= 1e-6
    alpha = result.pixels[..., 3:]
    straight = np.where(alpha > 1e-3, result.pixels[..., :3] / np.maximum(alpha, 1e-3), 0.5)
    assert straight.min() >= -1e-4, "a display-referred picture has no negative layers in any space"
    assert straight.max() <= 1 + 1e-4


def test_two_spaces_of_one_run_are_each_exact(segmenter):
    image = coffee(24, 32)
    (strip,) = segmenter.strips(image, palette_of(4), working_spaces=["srgb", "lin_rec709"])
    assert_adds_up(strip.layers["srgb"], image.pixels, 1e-6)
    assert_adds_up(strip.layers["lin_rec709"], segmenter.spaces.convert(image.pixels, "srgb", "lin_rec709"), 1e-6)
    np.testing.assert_allclose(strip.layers["srgb"][..., 3], strip.layers["lin_rec709"][..., 3], atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    peak=st.sampled_from([1.0, 4.0, 100.0, 65504.0]),
    negatives=st.booleans(),
    alpha=st.sampled_from(["none", "soft", "holes"]),
    space=st.sampled_from(["lin_rec709", "acescg"]),
    smoothing=st.integers(0, 3),
    gain=st.floats(0, 10),
    minimum=st.floats(0, 0.5),
    mask=st.booleans(),
)
def test_hdr_alpha_and_every_processing_add_up(
    segmenter, seed, peak, negatives, alpha, space, smoothing, gain, minimum, mask
):
    rng = np.random.default_rng(seed)
    pixels = (rng.random((18, 21, 3)) ** 4 * peak).astype(np.float32)
    if negatives:
        pixels -= np.float32(0.1) * rng.random((18, 21, 3), dtype=np.float32)
    if alpha != "none":
        a = rng.random((18, 21, 1), dtype=np.float32)
        if alpha == "holes":
            a *= rng.random((18, 21, 1)) > 0.4
        pixels = np.concatenate([pixels * np.where(a > 0, a, 1), a], axis=-1)  # light without alpha stays
    image = Image.from_pixels(pixels, "lin_rec709")
    masks = (Mask(rng.random((18, 21), dtype=np.float32), "limit", (2,)),) if mask else ()
    processing = AlphaProcessing(
        smoothing=smoothing, minimum_alpha=minimum, adjustments={1: LayerAdjustment(gain=gain)}, masks=masks
    )
    result = segmenter.segment(image, palette_of(5), processing, working_space=space)
    target = image.pixels
    if space != "lin_rec709":
        target = target.copy()
        target[..., :3] = segmenter.spaces.convert(target[..., :3], "lin_rec709", space)

        largest = max(1, np.abs(target[..., :3]).max())
        assert result.report.error_max <= 1e-6
        assert np.abs(result.pixels.sum(axis=0)[..., :3] - target[..., :3]).max() <= 4e-6 * largest
    else:
        assert_adds_up(result.pixels, target, 1e-6)


EDGES = {1: LayerAdjustment(erode=6.5, blur=4), 2: LayerAdjustment(gain=2), 3: LayerAdjustment(erode=-9)}


@pytest.mark.parametrize("edits", [{}, EDGES], ids=["plain", "edges"])
def test_tiled_equals_whole(segmenter, monkeypatch, edits):
    image = coffee(200, 220, top=60, left=100)
    processing = AlphaProcessing(smoothing=5, adjustments=edits)
    whole = segmenter.segment(image, palette_of(7), processing, working_space="lin_rec709").pixels
    tiled = Segmenter(segmenter.model_name, device="cpu", tile=48)
    monkeypatch.setattr(segmenter_module, "_STRIP_VALUES", 7 * 220 * 64)
    monkeypatch.setattr(segmenter_module, "_LEAST_ROWS", 16)
    result = tiled.segment(image, palette_of(7), processing, working_space="lin_rec709").pixels
    assert np.abs(result - whole).max() <= 1e-5


def test_a_pixel_does_not_depend_on_the_rest_of_the_frame(segmenter):
    """The released residue predictor subtracts a mean over the whole picture."""
    near, border = coffee(400, 40, top=0, left=200), 340
    changed = near.pixels.copy()
    changed[border:] = 1 - changed[border:]
    far = Image.from_pixels(changed, "srgb")
    a = segmenter.segment(near, palette_of(7), working_space="srgb").pixels
    b = segmenter.segment(far, palette_of(7), working_space="srgb").pixels
    assert np.abs(a[:, border:] - b[:, border:]).max() > 0.05
    reach = segmenter.model.halo * (2 if segmenter.model.own_colors else 1)  # of two networks, one after the other
    assert border > reach
    assert np.abs(a[:, : border - reach] - b[:, : border - reach]).max() <= 1e-5


def test_permuting_the_palette_permutes_the_layers(segmenter):
    image, order = coffee(48, 40), [3, 0, 6, 2, 5, 1, 4]
    plain = segmenter.segment(image, palette_of(7), working_space="srgb").pixels
    permuted = segmenter.segment(image, Palette.from_hex([COLORS[n] for n in order]), working_space="srgb").pixels
    np.testing.assert_allclose(permuted, plain[order], atol=1e-5)


def test_duplicates_share_evenly(segmenter):
    image = coffee(32, 32)
    plain = segmenter.segment(image, palette_of(3), working_space="srgb").pixels
    doubled = segmenter.segment(image, Palette.from_hex([*COLORS[:3], COLORS[1]]), working_space="srgb").pixels
    np.testing.assert_allclose(doubled[1], doubled[3], atol=1e-6)
    np.testing.assert_allclose(doubled[1] + doubled[3], plain[1], atol=1e-5)
    np.testing.assert_allclose(doubled[[0, 2]], plain[[0, 2]], atol=1e-5)


def test_near_duplicates_share_nearly_evenly():
    colors = [*COLORS[:3], "#7b4b2b"]  # a level beside the second in each channel
    doubled = Segmenter("any-palette").segment(coffee(), Palette.from_hex(colors), working_space="srgb").pixels
    assert doubled[1].max() > 0.3
    np.testing.assert_allclose(doubled[1, ..., 3], doubled[3, ..., 3], atol=0.01)


def test_a_photograph_gives_the_same_alphas_from_every_space(segmenter):
    image = coffee(40, 40)
    linear = Image.from_pixels(segmenter.spaces.convert(image.pixels, "srgb", "lin_rec709"), "lin_rec709")
    from_srgb = segmenter.segment(image, palette_of(6), working_space="srgb").pixels[..., 3]
    from_linear = segmenter.segment(linear, palette_of(6)).pixels[..., 3]
    np.testing.assert_allclose(from_linear, from_srgb, atol=2e-4)


def test_a_highlight_stays_out_of_the_other_layers(segmenter):
    """Brightness is taken to the layers' own colors first: what an additive rest alone would spread everywhere."""
    image = coffee(32, 32)
    linear = segmenter.spaces.convert(image.pixels, "srgb", "lin_rec709")
    linear[8:16, 8:16] = (40.0, 4.0, 2.0)
    result = segmenter.segment(
        Image.from_pixels(linear, "lin_rec709"), Palette.from_hex(["#000000", "#ff5a3c", "#00a0ff"])
    )
    red = result.pixels[1, 8:16, 8:16, 0].mean()
    others = np.abs(result.pixels[[0, 2], 8:16, 8:16, :3]).mean()
    assert red > 5 * others


def test_same_input_same_bytes(segmenter):
    image = coffee(40, 40)
    first = segmenter.segment(image, palette_of(7), working_space="lin_rec709").pixels
    assert np.array_equal(first, segmenter.segment(image, palette_of(7), working_space="lin_rec709").pixels)


def test_decompose_shows_the_base_color_where_alpha_is_0(segmenter):
    image = coffee(32, 32)
    palette = palette_of(7)
    base = segmenter.model.base_colors(torch.from_numpy(palette.array), AlphaProcessing().softness).numpy()
    alphas, colors = segmenter.decompose(image, palette, AlphaProcessing(minimum_alpha=0.3))
    hidden = alphas == 0
    assert hidden.any()
    for number, color in enumerate(base):
        assert (colors[number][hidden[number]] == color).all()
    np.testing.assert_allclose((alphas[..., None] * colors).sum(axis=0), image.pixels, atol=1e-6)


@pytest.mark.parametrize("adjustment", [LayerAdjustment(gain=30, gamma=0.03), LayerAdjustment(gain=100, gamma=0.01)])
def test_controls_at_their_limits_add_up(segmenter, adjustment):
    image = coffee(24, 24)
    result = segmenter.segment(image, palette_of(5), AlphaProcessing(adjustments={1: adjustment}), working_space="srgb")
    assert_adds_up(result.pixels, image.pixels, 1e-6)


@pytest.mark.parametrize("space", ["srgb", "lin_rec709"])
@pytest.mark.parametrize("alpha", [1e-38, 1e-20, 1e-6, 3.0, 1000.0])
def test_odd_alphas_add_up(segmenter, space, alpha):
    rgb = coffee(16, 16).pixels
    pixels = np.concatenate([rgb, np.full_like(rgb[..., :1], alpha)], axis=-1)
    result = segmenter.segment(Image.from_pixels(pixels, space), palette_of(5), working_space=space)
    assert np.isfinite(result.pixels).all()
    assert result.report.error_max <= 1e-6


def test_colors_no_space_can_hold_are_refused_not_written(segmenter):
    pixels = np.full((8, 8, 3), 3e38, np.float32)
    with pytest.raises(RangeError):
        segmenter.segment(Image.from_pixels(pixels, "ACES2065-1"), palette_of(3), working_space="lin_rec709")


@pytest.mark.parametrize("channels", [3, 4])
def test_clipped_layers_add_up_to_the_clipped_picture(segmenter, channels):
    rng = np.random.default_rng(0)
    pixels = (rng.normal(size=(20, 24, channels)) * 2).astype(np.float32)
    pixels[:4, :4] = 0.5
    image = Image.from_pixels(pixels, "lin_rec709")
    (strip,) = segmenter.strips(image, palette_of(5), working_spaces=["srgb", "lin_rec709"], clip=True)
    assert_adds_up(strip.layers["lin_rec709"], pixels, 1e-6)
    layers = strip.layers["srgb"]
    c = np.clip(segmenter.spaces.convert(straight(pixels), "lin_rec709", "srgb"), 0, 1)
    alpha = np.clip(pixels[..., 3:], 0, 1) if channels == 4 else np.ones((20, 24, 1), np.float32)
    assert_adds_up(layers, np.concatenate([c * alpha, alpha], axis=-1), 1e-6)
    assert layers[..., :3].min() >= -1e-6
    assert (layers[..., :3] <= layers[..., 3:] + 1e-6).all()


def test_progress_rises_to_1_and_coverage_is_the_mean_alpha(segmenter):
    image, seen = coffee(64, 64), []
    (strip,) = segmenter.strips(image, palette_of(4), working_spaces=["srgb"], progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(1)
    np.testing.assert_allclose(strip.report.coverage, strip.alphas.mean(axis=(1, 2)), atol=1e-6)
    assert strip.report.seconds["alpha"] > 0


def test_progress_reaches_1_without_networks_too(segmenter):
    seen = []
    segmenter.segment(coffee(16, 16), palette_of(1), progress=seen.append)
    assert seen == [1.0]


@pytest.mark.parametrize("model", SHIPPED)
def test_cancel_in_the_middle(model):
    small_tiles, asked = Segmenter(model, device="cpu", tile=32), []

    def cancelled():
        asked.append(1)
        return len(asked) == 3

    with pytest.raises(CancelledError):
        small_tiles.segment(coffee(), palette_of(7), cancelled=cancelled)
    assert len(asked) == 3


@pytest.mark.parametrize("model", SHIPPED)
def test_bfloat16_networks_still_add_up(model):
    image = coffee(32, 40)
    result = Segmenter(model, device="cpu", precision="bfloat16").segment(image, palette_of(7), working_space="srgb")
    assert_adds_up(result.pixels, image.pixels, 1e-6)


def test_more_colors_than_the_model_takes_are_refused():
    paper = Segmenter("paper", device="cpu")
    assert paper.maximum_colors == 7
    with pytest.raises(PaletteError, match="8 different colors"):
        paper.segment(coffee(16, 16), palette_of(8))
    repeated = Palette.from_hex([*COLORS[:7], COLORS[0]])  # eight, of which seven differ
    assert paper.segment(coffee(16, 16), repeated).pixels.shape == (8, 16, 16, 4)


def test_the_default_takes_as_many_colors_as_a_palette_can_have(default):
    image = coffee(24, 24)
    palette = Palette.from_hex([f"#{n * 15:02x}{255 - n * 13:02x}{n * 71 % 256:02x}" for n in range(MAXIMUM_COLORS)])
    assert default.model_name == "any-palette"
    assert default.maximum_colors == MAXIMUM_COLORS
    assert_adds_up(default.segment(image, palette, working_space="srgb").pixels, image.pixels, 1e-6)


def test_a_picture_goes_with_its_last_strip(segmenter):
    """Not when the garbage collector comes by: a shot would hold several frames in memory."""
    image = coffee(24, 24)
    kept = weakref.ref(image)
    gc.collect()
    gc.disable()
    try:
        segmenter.segment(image, palette_of(4))
        del image
        assert kept() is None
    finally:
        gc.enable()


def test_bad_requests_are_refused_before_computing(segmenter):
    image = coffee(16, 16)
    with pytest.raises(UsageError, match="no layer 5"):
        segmenter.segment(image, palette_of(2), AlphaProcessing(adjustments={5: LayerAdjustment(gain=2)}))
    broken = image.pixels.copy()
    broken[3, 7, 1] = np.nan
    with pytest.raises(NonFiniteError, match="x 7, y 3, channel G is nan"):
        segmenter.segment(Image.from_pixels(broken, "srgb"), palette_of(2))
    with pytest.raises(DeviceError):
        Segmenter(device="cpu", precision="float16")
    with pytest.raises(UsageError):
        Segmenter(tile=-8)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_there_is_an_error():
    with pytest.raises(DeviceError, match="cuda"):
        Segmenter(device="cuda")
