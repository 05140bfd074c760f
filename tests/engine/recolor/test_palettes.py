from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fscs_engine import LayerEdit, Look, Palette, apply_look
from fscs_engine.color import LIN_REC709, ColorSpaces
from fscs_engine.errors import UsageError
from fscs_engine.host.edits import LAB_OF_ROOTS, LMS_OF_REC709, decoded, edited_palette_color, encoded, oklab
from fscs_engine.recolor.palettes import HARMONIES, Pixel, harmony, match, pick

SPACES = ColorSpaces()


def of_hues(*degrees, lightness=0.65, chroma=0.1):
    """A palette of these OKLab hues."""
    colors = []
    for hue in degrees:
        turn = math.radians(hue)
        lab = np.array((lightness, chroma * math.cos(turn), chroma * math.sin(turn)))
        colors.append(encoded(np.linalg.inv(LMS_OF_REC709) @ (np.linalg.inv(LAB_OF_ROOTS) @ lab) ** 3))
    return Palette.from_array(np.clip(colors, 0, 1))


def hues_of(look, palette):
    labs = [oklab(edited_palette_color(look.edit(n), c.rgb)) for n, c in enumerate(palette, 1)]
    return [math.degrees(math.atan2(b, a)) % 360 for _, a, b in labs]


def test_match_undoes_a_shuffle():
    palette = Palette.from_hex("#101010,#c03020,#20a040,#3050c0,#f0e8d0")
    target = Palette.from_hex("#f4ecd8,#2a9c4a,#181412,#2848b8,#b83828")
    look = match(Look(), palette, target)
    found = [look.edit(n).color for n in range(1, 6)]
    assert found == [target.colors[i].rgb for i in (2, 4, 1, 3, 0)]


def test_match_is_the_best_of_all_assignments():
    from itertools import permutations

    rng = np.random.default_rng(3)
    palette, target = Palette.from_array(rng.random((5, 3))), Palette.from_array(rng.random((5, 3)))
    here, there = (np.array([oklab(decoded(c.rgb)) for c in each]) for each in (palette, target))
    best = min(permutations(range(5)), key=lambda order: ((here - there[list(order)]) ** 2).sum())
    look = match(Look(), palette, target)
    assert [look.edit(n).color for n in range(1, 6)] == [target.colors[i].rgb for i in best]


def test_coverage_decides_between_equal_colors():
    palette = Palette.from_hex("#808080,#828282")
    target = Palette.from_hex("#7f3f3f,#7f3f41")
    look = match(Look(), palette, target, [0.9, 0.1], [0.1, 0.9])
    assert [look.edit(n).color for n in (1, 2)] == [target.colors[1].rgb, target.colors[0].rgb]


def test_palettes_of_other_sizes_and_colors_that_were_set():
    palette = Palette.from_hex("#101010,#c03020,#f0f0f0")
    look = match(Look({1: LayerEdit(color=(0.0, 0.0, 1.0), hue=5)}), palette, Palette.from_hex("#b02818"))
    assert look == Look(
        {1: LayerEdit(color=(0.0, 0.0, 1.0), hue=5), 2: LayerEdit(color=(0xB0 / 255, 0x28 / 255, 0x18 / 255))}
    )
    many = match(Look(), Palette.from_hex("#c03020"), Palette.from_hex("#000000,#bf3020,#ffffff"))
    assert many.edit(1).color == (0xBF / 255, 0x30 / 255, 0x20 / 255)
    assert match(Look(), palette, palette) == Look()


@pytest.mark.parametrize("name", HARMONIES)
def test_a_palette_in_harmony_stays(name):
    palette = of_hues(*(axis + 23.7 for axis in HARMONIES[name]))
    look = harmony(Look(), palette, name)
    assert all(abs(edit.hue) < 0.05 for edit in look.layers.values())


def test_a_harmony_with_a_known_answer():
    palette = of_hues(10, 20, 200)  # opposite each other at 15 ± 5 and 195 + 5: the best turn leaves 5/3 over
    look = harmony(Look(), palette, "complementary", coverage=[1, 1, 1])
    turn = (10 + 20 + 20) / 3
    assert hues_of(look, palette) == pytest.approx([turn, turn, turn + 180], abs=0.2)
    half = harmony(Look(), palette, "complementary", 0.5, [1, 1, 1])
    assert hues_of(half, palette) == pytest.approx([(10 + turn) / 2, (20 + turn) / 2, (200 + turn + 180) / 2], abs=0.2)


def test_coverage_draws_the_harmony():
    palette = of_hues(10, 20)
    look = harmony(Look(), palette, "complementary", coverage=[1.0, 0.0])
    assert hues_of(look, palette) == pytest.approx([10, 10], abs=0.05)


@settings(max_examples=30)
@given(st.lists(st.floats(0, 359), min_size=1, max_size=8), st.sampled_from(sorted(HARMONIES)))
def test_all_hues_end_on_the_axes(hues, name):
    palette = of_hues(*hues, chroma=0.06)
    found = hues_of(harmony(Look(), palette, name), palette)
    axes = np.array(HARMONIES[name])
    # Some turn of the template has an axis at every hue.
    turns = [(found[0] - axis) % 360 for axis in axes]
    off = [max(min(abs((h - t - a + 180) % 360 - 180) for a in axes) for h in found) for t in turns]
    assert min(off) <= 0.2


def test_grays_stay_and_hues_add_up():
    palette = Palette.from_hex("#808080,#c03020,#20a040")
    look = harmony(Look({2: LayerEdit(hue=170.0)}), palette, "analogous")
    assert look.edit(1) == LayerEdit()
    assert -180 <= look.edit(2).hue <= 180
    with pytest.raises(UsageError, match="complementary, analogous"):
        harmony(Look(), palette, "major")
    with pytest.raises(UsageError, match="0 to 1"):
        harmony(Look(), palette, "triad", 1.5)


def pixel_after(look, palette, layers, image):
    whole = apply_look(layers[:, None, None], palette, LIN_REC709, look, image[None, None])[0, 0]
    return encoded([float(x) for x in whole[:3] / (whole[3] if len(whole) == 4 else 1)])


def mixed(palette, alphas, opacity=1.0):
    linear = np.array([decoded(c.rgb) for c in palette], np.float32)
    alphas = np.array(alphas, np.float32)[:, None] * np.float32(opacity)
    layers = np.concatenate([linear * alphas, alphas], axis=1)
    return layers, layers.sum(axis=0)


def test_picking_a_pixel_of_one_layer_moves_that_one():
    palette = Palette.from_hex("#c03020,#204060,#f0e8d0")
    layers, image = mixed(palette, [1.0, 0.0, 0.0])
    look = pick(Look(), Pixel(palette, LIN_REC709, layers, image), (0.2, 0.6, 0.3))
    assert list(look.layers) == [1]
    assert look.edit(1).color == pytest.approx((0.2, 0.6, 0.3), abs=3e-3)


@pytest.mark.parametrize("opacity", [1.0, 0.4])
def test_a_pixel_of_two_layers_becomes_the_color(opacity):
    palette = Palette.from_hex("#c03020,#204060,#f0e8d0")
    layers, image = mixed(palette, [0.7, 0.3, 0.0], opacity)
    target = (0.25, 0.5, 0.35)
    look = pick(Look({3: LayerEdit(hue=9)}), Pixel(palette, LIN_REC709, layers, image), target)
    assert list(look.layers) == [1, 3]
    assert pixel_after(look, palette, layers, image) == pytest.approx(target, abs=2.5e-3)


def test_what_one_layer_can_not_do_two_do():
    palette = Palette.from_hex("#806020,#204060")
    layers, image = mixed(palette, [0.5, 0.5])
    target = (0.97, 0.97, 0.97)  # half of it by one layer alone would have to be brighter than white
    look = pick(Look(), Pixel(palette, LIN_REC709, layers, image), target)
    assert list(look.layers) == [1, 2]
    assert pixel_after(look, palette, layers, image) == pytest.approx(target, abs=2.5e-3)


def test_a_layer_with_little_of_the_pixel_stays_where_the_others_come_near():
    palette = Palette.from_hex("#a63615,#6f1d0d,#b46030")
    layers, image = mixed(palette, [0.9, 0.02, 0.08])
    target = (0.157, 0.314, 0.612)  # its red is less than what the two others leave in the pixel
    look = pick(Look(), Pixel(palette, LIN_REC709, layers, image), target)
    assert list(look.layers) == [1]
    became = Pixel(palette, LIN_REC709, layers, image).color(look)
    assert became == pytest.approx(pixel_after(look, palette, layers, image), abs=1e-5)
    assert 2e-3 < np.abs(np.subtract(became, target)).max() < 0.1
    distance = np.subtract(oklab(decoded(became)), oklab(decoded(target)))
    assert np.linalg.norm(distance) < 0.05


def test_layers_with_little_of_the_pixel_move_where_the_others_stay_far():
    palette = Palette.from_hex("#a63615,#b46030,#b86434,#b05c2c")
    layers, image = mixed(palette, [0.73, 0.09, 0.09, 0.09])
    target = (0.157, 0.314, 0.612)
    look = pick(Look(), Pixel(palette, LIN_REC709, layers, image), target)
    assert len(look.layers) > 1
    assert pixel_after(look, palette, layers, image) == pytest.approx(target, abs=2.5e-3)


def test_a_pick_of_the_same_color_changes_nothing():
    palette = Palette.from_hex("#c03020,#204060")
    layers, image = mixed(palette, [0.4, 0.6])
    now = tuple(min(max(c, 0.0), 1.0) for c in pixel_after(Look(), palette, layers, image))
    assert pick(Look(), Pixel(palette, LIN_REC709, layers, image), now) == Look()


def test_picks_that_can_not_be():
    palette = Palette.from_hex("#c03020,#204060")
    nothing = np.zeros((2, 4), np.float32)
    with pytest.raises(UsageError, match="has no layer"):
        pick(Look(), Pixel(palette, LIN_REC709, nothing, nothing[0]), (1, 1, 1))
    layers, image = mixed(palette, [0.4, 0.6])
    dark = Look({1: LayerEdit(exposure=-8), 2: LayerEdit(exposure=-8)})
    with pytest.raises(UsageError, match="no colors of the layers"):
        pick(dark, Pixel(palette, LIN_REC709, layers, image), (1, 1, 1))
