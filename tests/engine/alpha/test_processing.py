"""Alpha processing: the invariants, the order of the steps, masks, duplicates."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fscs_engine.alpha.processing import (
    AlphaProcessing,
    LayerAdjustment,
    Mask,
    edit_alphas,
    nearest_color,
    normalize,
    smooth_alphas,
)
from fscs_engine.errors import UsageError

SIZE = (6, 7)


def case(seed, colors, zeros=False):
    generator = torch.Generator().manual_seed(seed)
    raw = torch.rand(colors, *SIZE, generator=generator)
    if zeros:
        raw *= torch.rand(colors, *SIZE, generator=generator) > 0.6
        raw[:, 0, 0] = 0
    return raw, torch.rand(3, *SIZE, generator=generator), torch.rand(colors, 3, generator=generator)


def alone(colors):
    return [[number] for number in range(colors)]


def run(raw, image, palette, processing, duplicates=None):
    masks = [torch.from_numpy(mask.pixels) for mask in processing.masks]
    alphas = smooth_alphas(raw.clone(), image, palette, processing)
    return edit_alphas(alphas, image, palette, duplicates or alone(len(raw)), processing, masks)


def random_mask(seed):
    return np.random.default_rng(seed).random(SIZE, dtype=np.float32)


adjustments = st.builds(
    LayerAdjustment,
    gain=st.floats(0.001, 100),
    gamma=st.floats(0.01, 100),
    black=st.floats(0, 0.4),
    white=st.floats(0.5, 1),
)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    colors=st.integers(2, 5),
    zeros=st.booleans(),
    smoothing=st.integers(0, 4),
    eps=st.sampled_from([1e-9, 1e-6, 1e-2]),
    strength=st.floats(0, 1),
    minimum=st.floats(0, 1),
    adjustment=st.dictionaries(st.integers(1, 2), adjustments),
    masks=st.lists(st.sampled_from([("limit", (1,)), ("split", (2, 1)), ("split", (1, 2))]), max_size=3),
)
def test_alphas_stay_in_range_and_add_to_1(seed, colors, zeros, smoothing, eps, strength, minimum, adjustment, masks):
    processing = AlphaProcessing(
        smoothing=smoothing,
        smoothing_eps=eps,
        smoothing_strength=strength,
        minimum_alpha=minimum,
        adjustments=adjustment,
        masks=tuple(Mask(random_mask(seed + i), mode, layers) for i, (mode, layers) in enumerate(masks)),
    )
    processing.check(colors, *SIZE)
    alphas = run(*case(seed, colors, zeros), processing)
    assert alphas.shape == (colors, *SIZE)
    assert alphas.min() >= 0
    assert alphas.max() <= 1
    assert (alphas.double().sum(dim=0) - 1).abs().max() <= 1e-6


def test_without_processing_it_is_equation_5():
    raw, image, palette = case(1, 4)
    alphas = run(raw, image, palette, AlphaProcessing(smoothing=0))
    torch.testing.assert_close(alphas, raw / raw.sum(dim=0))


def test_where_all_alphas_are_0_the_nearest_color_gets_1():
    raw, image, palette = case(2, 4)
    raw[:, 3, 3] = 0
    alphas = run(raw, image, palette, AlphaProcessing(smoothing=0))
    nearest = (palette - image[:, 3, 3]).square().sum(dim=1).argmin()
    assert alphas[:, 3, 3].tolist() == [float(number == nearest) for number in range(4)]


def test_smoothing_comes_before_the_minimum_alpha():
    """Were the order another, the smoothing would bring thin alphas back."""
    raw, image, palette = case(3, 4)
    alphas = run(raw, image, palette, AlphaProcessing(smoothing=1, smoothing_eps=1e-2, minimum_alpha=0.2))
    seen = alphas[alphas > 0]
    assert seen.min() >= 0.2  # survivors only grow when the rest is shared out
    assert (alphas == 0).any()


def test_minimum_alpha_comes_before_the_gain():
    raw = torch.tensor([0.05, 0.95])[:, None, None].expand(2, *SIZE).contiguous()
    _, image, palette = case(4, 2)
    processing = AlphaProcessing(smoothing=0, minimum_alpha=0.1, adjustments={1: LayerAdjustment(gain=100)})
    assert run(raw, image, palette, processing)[0].max() == 0


def test_masks_come_last():
    raw, image, palette = case(5, 3)
    mask = random_mask(5)
    before = run(raw, image, palette, AlphaProcessing(smoothing=0, adjustments={1: LayerAdjustment(gain=3)}))
    after = run(
        raw,
        image,
        palette,
        AlphaProcessing(smoothing=0, adjustments={1: LayerAdjustment(gain=3)}, masks=(Mask(mask, "limit", (1,)),)),
    )
    torch.testing.assert_close(after[0], before[0] * torch.from_numpy(mask))


def test_what_a_limit_mask_takes_goes_to_the_others_in_proportion():
    raw, image, palette = case(6, 4)
    mask = random_mask(6)
    before = run(raw, image, palette, AlphaProcessing(smoothing=0))
    after = run(raw, image, palette, AlphaProcessing(smoothing=0, masks=(Mask(mask, "limit", (1, 3)),)))
    torch.testing.assert_close(after[[0, 2]], before[[0, 2]] * torch.from_numpy(mask))
    torch.testing.assert_close(after[1] / after[3], before[1] / before[3], rtol=1e-4, atol=1e-6)


def test_what_a_limit_mask_takes_where_the_others_are_0_goes_to_their_nearest_color():
    raw = torch.zeros(3, *SIZE)
    raw[0] = 1
    _, image, palette = case(7, 3)
    after = run(
        raw, image, palette, AlphaProcessing(smoothing=0, masks=(Mask(np.zeros(SIZE, np.float32), "limit", (1,)),))
    )
    expected = nearest_color(image, palette[1:]) + 1
    assert torch.equal(after.argmax(dim=0), expected)
    assert after[0].max() == 0


def test_a_split_mask_shares_the_pool():
    raw, image, palette = case(8, 4)
    mask = random_mask(8)
    before = run(raw, image, palette, AlphaProcessing(smoothing=0))
    after = run(raw, image, palette, AlphaProcessing(smoothing=0, masks=(Mask(mask, "split", (4, 2)),)))
    pool = before[3] + before[1]
    torch.testing.assert_close(after[3], torch.from_numpy(mask) * pool)
    torch.testing.assert_close(after[1], (1 - torch.from_numpy(mask)) * pool, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(after[[0, 2]], before[[0, 2]])


def test_masks_apply_in_the_order_given():
    raw, image, palette = case(9, 3)
    first, second = Mask(random_mask(1), "limit", (1,)), Mask(random_mask(2), "split", (1, 2))
    one = run(raw, image, palette, AlphaProcessing(smoothing=0, masks=(first, second)))
    other = run(raw, image, palette, AlphaProcessing(smoothing=0, masks=(second, first)))
    assert (one - other).abs().max() > 0.01


def test_a_layer_with_gain_0_is_empty_even_where_it_was_alone():
    raw = torch.zeros(3, *SIZE)
    raw[1] = 1
    _, image, palette = case(10, 3)
    alphas = run(raw, image, palette, AlphaProcessing(smoothing=0, adjustments={2: LayerAdjustment(gain=0)}))
    assert alphas[1].max() == 0
    assert torch.equal(alphas.sum(dim=0), torch.ones(SIZE))


def test_alphas_below_the_floor_become_0():
    raw = torch.tensor([5e-7, 0.4, 0.6])[:, None, None].expand(3, *SIZE).contiguous()
    _, image, palette = case(11, 3)
    assert run(raw, image, palette, AlphaProcessing(smoothing=0))[0].max() == 0


@pytest.mark.parametrize("processing", [AlphaProcessing(), AlphaProcessing(smoothing=0, minimum_alpha=0.2)])
def test_duplicates_merged_give_what_the_color_alone_gives(processing):
    raw, image, palette = case(12, 3)
    plain = run(raw, image, palette, processing)
    doubled = run(raw, image, palette, processing, duplicates=[[0, 3], [1], [2, 4, 5]])
    assert len(doubled) == 6
    torch.testing.assert_close(doubled[0] + doubled[3], plain[0])
    torch.testing.assert_close(doubled[1], plain[1])
    torch.testing.assert_close(doubled[2] + doubled[4] + doubled[5], plain[2])
    torch.testing.assert_close(doubled[0], doubled[3])


def test_black_and_white_point_gain_and_gamma():
    raw = torch.tensor([0.5, 0.5])[:, None, None].expand(2, *SIZE).contiguous()
    _, image, palette = case(13, 2)
    adjustment = LayerAdjustment(gain=0.8, gamma=2.0, black=0.25, white=0.75)
    alphas = run(raw, image, palette, AlphaProcessing(smoothing=0, adjustments={1: adjustment}))
    edited = (0.5 * 0.8) ** 0.5
    assert alphas[0, 0, 0].item() == pytest.approx(edited / (edited + 0.5), abs=1e-6)


def test_what_a_limit_mask_takes_is_shared_evenly_by_twins():
    raw = torch.zeros(2, *SIZE)
    raw[0] = 1
    _, image, palette = case(14, 2)
    mask = Mask(np.zeros(SIZE, np.float32), "limit", (1,))
    alphas = run(raw, image, palette, AlphaProcessing(smoothing=0, masks=(mask,)), duplicates=[[0], [1, 2]])
    assert alphas[:, 0, 0].tolist() == [0.0, 0.5, 0.5]


@pytest.mark.parametrize("bad", [np.full(SIZE, np.nan), np.full(SIZE, 1.5), np.full(SIZE, -0.1), np.zeros((2, 3, 1))])
def test_bad_masks_are_refused(bad):
    with pytest.raises(UsageError, match="mask"):
        Mask(bad, "limit", (1,))


def test_a_mask_is_its_own_copy_and_known_by_its_pixels():
    pixels = random_mask(1).astype(np.float64)[::-1]
    mask = Mask(pixels, "limit", (1,))
    pixels[:] = 0
    assert mask.pixels.dtype == np.float32
    assert mask.pixels.max() > 0
    assert mask.identity != Mask(pixels, "limit", (1,)).identity


def test_normalize_leaves_no_nan():
    alphas = normalize(torch.zeros(2, 1, 1), torch.ones(1, 1, dtype=torch.int64))
    assert alphas.flatten().tolist() == [0.0, 1.0]


MASK = np.zeros(SIZE, np.float32)


@pytest.mark.parametrize(
    ("processing", "words"),
    [
        (AlphaProcessing(smoothing=-1), "smoothing"),
        (AlphaProcessing(smoothing_eps=0.0), "smoothing-eps"),
        (AlphaProcessing(smoothing_strength=float("nan")), "smoothing-strength"),
        (AlphaProcessing(minimum_alpha=1.5), "minimum-alpha"),
        (AlphaProcessing(adjustments={4: LayerAdjustment()}), "no layer 4"),
        (AlphaProcessing(adjustments={1: LayerAdjustment(gain=-1)}), "gain of layer 1"),
        (AlphaProcessing(adjustments={1: LayerAdjustment(black=0.5, white=0.5)}), "black point"),
        (AlphaProcessing(adjustments={n: LayerAdjustment(gain=0) for n in (1, 2, 3)}), "every layer"),
        (AlphaProcessing(masks=(Mask(np.zeros((2, 2), np.float32), "limit", (1,)),)), "2×2"),
        (AlphaProcessing(masks=(Mask(MASK, "limit", (1, 2, 3)),)), "every layer"),
        (AlphaProcessing(masks=(Mask(MASK, "limit", (1, 2)), Mask(MASK, "limit", (3,)))), "every layer"),
        (AlphaProcessing(masks=(Mask(MASK, "split", (1, 2, 3)),)), "split"),
        (AlphaProcessing(masks=(Mask(MASK, "split", (1, 1)),)), "once"),
        (AlphaProcessing(masks=(Mask(MASK, "limit", (9,)),)), "no layer 9"),
    ],
)
def test_what_can_not_be_done_is_refused(processing, words):
    with pytest.raises(UsageError, match=words):
        processing.check(3, *SIZE)
