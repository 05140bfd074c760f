from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fscs_engine import LayerEdit, Look, Palette, PaletteColor, apply_look
from fscs_engine.color import LIN_REC709, ColorSpaces
from fscs_engine.errors import ColorSpaceError, UsageError
from fscs_engine.host.edits import OTHERS_FLOOR, edited_palette_color, encoded, formula, seen_instead
from fscs_engine.host.parameters import MAXIMUM_COLORS
from fscs_engine.recolor.edits import Recoloring

SPACES = ColorSpaces()
BLUE = (0.13, 0.31, 0.88)
EVERYTHING = LayerEdit(BLUE, 20.0, 0.8, 0.3, 1.2, 0.5, (0.02, 0.0, -0.02), (1.2, 1.0, 0.9), (1.1, 1.0, 0.9))


def recolored(taken, look, **others):
    image, layers = taken
    return apply_look(layers.pixels, layers.palette, layers.working_space, look, image.pixels, **others)


def by_the_formula(taken, number, edit):
    """What a layer's edits change, in float64, as the docstring of Formula says it."""
    _, layers = taken
    to_rec709 = SPACES.convert(np.eye(3, dtype=np.float32), layers.working_space, LIN_REC709).T
    f = formula(edit, layers.palette.colors[number - 1].rgb, tuple(map(tuple, to_rec709.tolist())))
    layer = layers.pixels[number - 1].astype(np.float64)
    color, alpha = layer[..., :3], layer[..., 3:]
    present = np.maximum(alpha, 0)
    new = color
    if f.to_lms is not None:
        roots = np.concatenate([np.cbrt(color @ np.array(f.to_lms).T), np.cbrt(present)], axis=-1)
        new = (roots @ np.array(f.roots).T) ** 3
    new = new @ np.array(f.from_lms).T + np.array(f.offset) * present
    held = np.where(alpha > 0, alpha, 1)
    return np.sign(new) * np.abs(new / held) ** np.array(f.power) * held - color


@pytest.mark.parametrize("colors", range(1, MAXIMUM_COLORS + 1))
def test_at_rest_the_image_comes_back_bit_for_bit(photo, hdr, apart, colors):
    for image, _ in (photo, hdr):
        taken = image, apart(image, colors)
        for look in (Look(), Look({1: EVERYTHING}, strength=0.0), Look({1: LayerEdit()}), Look({1: LayerEdit(hue=0)})):
            assert recolored(taken, look).tobytes() == image.pixels.tobytes()


@pytest.mark.slow
def test_a_layer_at_rest_adds_nothing_where_others_change(taken):
    image, layers = taken
    after = recolored(taken, Look({3: EVERYTHING}))
    without = (layers.pixels[2] == 0).all(axis=-1)
    assert 0 < without.mean() < 1
    assert (after[without] == image.pixels[without]).all()
    assert (after[~without] != image.pixels[~without]).any()


@pytest.mark.parametrize(
    "edit",
    [
        LayerEdit(color=BLUE),
        LayerEdit(color=(0.0, 0.0, 0.0)),
        LayerEdit(color=(1.0, 1.0, 1.0)),
        LayerEdit(hue=180.0),
        LayerEdit(saturation=0.0),
        LayerEdit(saturation=3.0),
        LayerEdit(uniformity=-1.0),
        LayerEdit(uniformity=1.0),
        LayerEdit(contrast=1.5),
        LayerEdit(exposure=-2.0),
        LayerEdit(lift=0.1),
        LayerEdit(gamma=1.5),
        LayerEdit(gain=(1.2, 0.9, 0.4)),
        EVERYTHING,
    ],
    ids=lambda edit: ",".join(edit.changed),
)
def test_the_loops_make_what_the_formula_says(taken, edit):
    image, layers = taken
    for number in (1, 3, 6):
        after = recolored(taken, Look({number: edit}))
        change = by_the_formula(taken, number, edit)
        expected = image.pixels[..., :3] + change
        scale = np.maximum(1.0, np.maximum(np.abs(expected), np.abs(image.pixels[..., :3])).max(axis=-1, keepdims=True))
        assert (np.abs(after[..., :3] - expected) / scale).max() <= 1e-5
        if image.has_alpha:
            assert (after[..., 3] == image.pixels[..., 3]).all()


def test_several_layers_add_up_in_any_order(taken):
    edits = {1: LayerEdit(exposure=1.0), 3: EVERYTHING, 7: LayerEdit(hue=90.0)}
    image = taken[0].pixels[..., :3]
    whole = recolored(taken, Look(edits))[..., :3] - image
    parts = sum(recolored(taken, Look({number: edit}))[..., :3] - image for number, edit in edits.items())
    assert np.abs(whole - parts).max() <= 1e-5 * max(1.0, np.abs(image).max())
    backwards = Look(dict(reversed(edits.items())))
    assert recolored(taken, backwards).tobytes() == recolored(taken, Look(edits)).tobytes()


def test_the_edits_of_a_layer_are_applied_one_after_the_other(photo, apart):
    """Each by itself, with the palette color that the ones before it made, is the same as all at once."""
    image, _ = photo
    layers = apart(image, 1)
    names = ["color", "hue", "saturation", "uniformity", "contrast", "exposure", "gain", "lift", "gamma"]

    def one_by_one(order):
        pixels, color = layers.pixels, layers.palette.colors[0].rgb
        for name in order:
            edit = LayerEdit(**{name: getattr(EVERYTHING, name)})
            palette = Palette((PaletteColor(color),))
            pixels = apply_look(pixels[0][None], palette, LIN_REC709, Look({1: edit}))[None]
            color = tuple(np.clip(encoded(edited_palette_color(edit, color)), 0, 1).tolist())
        return pixels[0]

    whole = recolored((image, layers), Look({1: EVERYTHING}))
    assert np.abs(one_by_one(names)[..., :3] - whole).max() <= 1e-4
    assert np.abs(one_by_one(names[::-1])[..., :3] - whole).max() > 0.05


def test_strength_is_linear(taken):
    image = taken[0].pixels
    full = recolored(taken, Look({3: EVERYTHING})) - image
    half = recolored(taken, Look({3: EVERYTHING}, strength=0.5)) - image
    assert np.abs(half - full / 2).max() <= 1e-5 * max(1.0, np.abs(image).max())


def test_a_palette_colored_pixel_becomes_the_new_color():
    palette = Palette.from_hex("#c04020,#204060")
    color = SPACES.convert(palette.array, "srgb", "acescg")
    layers = np.zeros((2, 1, 4, 4), np.float32)
    layers[0, ..., 3] = [1.0, 0.5, 0.25, 0.0]
    layers[1, ..., 3] = 1 - layers[0, ..., 3]
    layers[..., :3] = layers[..., 3:] * color[:, None, None]
    after = apply_look(layers, palette, "acescg", Look({1: LayerEdit(color=BLUE)}))
    new = SPACES.convert(np.array([BLUE], np.float32), "srgb", "acescg")[0]
    assert np.abs(after[..., :3] - (layers[0, ..., 3:] * new + layers[1, ..., :3])).max() <= 2e-6


def test_threads_tiles_and_strips_change_nothing(taken):
    image, layers = taken
    look = Look({2: EVERYTHING, 3: LayerEdit(opacity=0.4), 5: LayerEdit(mute=True)})
    whole = recolored(taken, look)
    assert recolored(taken, look, threads=3).tobytes() == whole.tobytes()
    recoloring = Recoloring(look, layers.palette, layers.working_space)
    part = np.ascontiguousarray(image.pixels[11:40, 5:43])
    out = np.empty_like(part)
    recoloring.apply(np.ascontiguousarray(layers.pixels[:, 11:40, 5:43]), part, out)
    assert out.tobytes() == np.ascontiguousarray(whole[11:40, 5:43]).tobytes()


def test_brighter_light_makes_a_brighter_edit(photo):
    """Hue, saturation, exposure and gain know no white: HDR values are edited as dim ones are."""
    image, layers = photo
    look = Look({3: LayerEdit(hue=100.0, saturation=1.3, exposure=0.5, gain=(1.1, 1.0, 0.9))})
    dim = recolored(photo, look)
    bright = layers.pixels.copy()
    bright[..., :3] *= 64
    after = apply_look(bright, layers.palette, layers.working_space, look, image.pixels * 64)
    assert np.abs(after / 64 - dim).max() <= 2e-6


def test_negative_values_are_mirrored(photo):
    _, layers = photo
    look = Look({3: LayerEdit(hue=100.0, saturation=1.3)})
    negative = layers.pixels * np.array([-1, -1, -1, 1], np.float32)
    one = apply_look(layers.pixels, layers.palette, LIN_REC709, look)
    other = apply_look(negative, layers.palette, LIN_REC709, look)
    assert np.abs(one[..., :3] + other[..., :3]).max() <= 1e-6


def test_other_layers_show_where_one_loses_opacity(photo):
    """The formula at the top of the module, in float64."""
    image, layers = photo
    look = Look({3: LayerEdit(opacity=0.25), 2: LayerEdit(mute=True), 5: LayerEdit(exposure=1.0)})
    after = recolored(photo, look)
    opacity = np.array([o for o, _ in look.opacities(7)])[:, None, None, None]
    edited = layers.pixels[..., :3].astype(np.float64)
    edited[4] *= 2
    alpha = layers.pixels[..., 3:].astype(np.float64)
    shown = (opacity * edited).sum(axis=0)
    expected = shown.copy()
    recoloring = Recoloring(look, layers.palette, LIN_REC709)
    colors = np.array(seen_instead(look, [c.rgb for c in layers.palette]))
    for k in (1, 2):
        others = shown - opacity[k] * edited[k] + OTHERS_FLOOR * colors[k]
        weight = (opacity * alpha).sum(axis=0) - opacity[k] * alpha[k] + OTHERS_FLOOR
        expected += (1 - opacity[k]) * alpha[k] * others / weight
    assert recoloring.numbers == (2, 3, 5)
    assert np.abs(after[..., :3] - expected).max() <= 2e-5


def test_muting_goes_smoothly(taken):
    steps = [recolored(taken, Look({3: LayerEdit(opacity=o)})) for o in (1.0, 0.999, 0.5, 0.001, 0.0)]
    scale = max(1.0, np.abs(taken[0].pixels).max())
    assert np.abs(steps[0] - steps[1]).max() <= 0.01 * scale
    assert np.abs(steps[3] - steps[4]).max() <= 0.01 * scale
    assert np.abs(steps[0] - steps[4]).max() > 0.05
    muted = recolored(taken, Look({3: LayerEdit(mute=True)}))
    assert muted.tobytes() == steps[4].tobytes()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("color", (0.9, 0.1, 0.1), (0.1, 0.3, 0.9)),
        ("hue", -180.0, 180.0),
        ("saturation", 0.0, 2.0),
        ("uniformity", -1.0, 1.0),
        ("contrast", 0.2, 2.0),
        ("exposure", -2.0, 2.0),
        ("lift", -0.5, 0.5),
        ("gamma", 0.5, 2.0),
        ("gain", 0.0, 2.0),
        ("opacity", 0.0, 1.0),
    ],
)
def test_every_edit_goes_smoothly(photo, name, low, high):
    """Half the step makes half the change, beside a layer that lets the others be seen."""
    muted = {2: LayerEdit(mute=True), 4: LayerEdit(opacity=0.3)}

    def largest_step(steps):
        values = np.linspace(low, high, steps + 1).tolist()  # of colors, colors between them
        images = [recolored(photo, Look({**muted, 3: LayerEdit(**{name: value})})) for value in values]
        return max(np.abs(after - before).max() for before, after in itertools.pairwise(images))

    assert largest_step(64) <= 0.7 * largest_step(32)


def test_black_shows_when_asked_for(taken):
    image, layers = taken
    after = recolored(taken, Look({3: LayerEdit(mute=True)}, opacity_shows="black"))
    expected = image.pixels[..., :3] - layers.pixels[2, ..., :3]
    assert np.abs(after[..., :3] - expected).max() <= 1e-6 * max(1.0, np.abs(expected).max())
    if image.has_alpha:
        assert (after[..., 3] == image.pixels[..., 3]).all()


def test_solo_shows_a_layer_over_black(taken):
    _, layers = taken
    after = recolored(taken, Look({3: LayerEdit(solo=True)}))
    assert np.abs(after[..., :3] - layers.pixels[2, ..., :3]).max() <= 1e-5 * max(1.0, np.abs(layers.pixels).max())
    both = recolored(taken, Look({3: LayerEdit(solo=True, exposure=1.0), 4: LayerEdit(solo=True)}))
    expected = 2 * layers.pixels[2, ..., :3] + layers.pixels[3, ..., :3]
    assert np.abs(both[..., :3] - expected).max() <= 1e-5 * max(1.0, np.abs(layers.pixels).max())


def test_the_only_layer_leaves_black(photo, apart):
    image, _ = photo
    muted = recolored((image, apart(image, 1)), Look({1: LayerEdit(mute=True)}))
    assert np.abs(muted).max() <= 1e-6


def test_merged_layers_take_an_edit_as_both_did(taken):
    """Edits without a color of their own are linear in the layer, so merging before or after is the same."""
    image, layers = taken
    edit = LayerEdit(exposure=0.7, gain=(1.2, 1.0, 0.8), lift=0.05)
    apart_ = recolored(taken, Look({2: edit, 3: edit}))
    merged = np.concatenate([layers.pixels[:1], layers.pixels[1:2] + layers.pixels[2:3], layers.pixels[3:]])
    palette = Palette(layers.palette.colors[:1] + layers.palette.colors[2:])
    together = apply_look(merged, palette, layers.working_space, Look({2: edit}), image.pixels)
    assert np.abs(together - apart_).max() <= 1e-5 * max(1.0, np.abs(image.pixels).max())


def test_encoded_working_spaces_are_edited_in_light(photo, segmenter, part):
    """Where one layer has a pixel alone, it makes no difference in which space layers add up."""
    image, linear = photo
    encoded = segmenter.segment(part, linear.palette, working_space="srgb")
    by_itself = (linear.pixels[..., 3] > 0.99999) & (encoded.pixels[..., 3] > 0.99999)
    layer = int(by_itself.sum(axis=(1, 2)).argmax())
    look = Look({layer + 1: LayerEdit(color=BLUE, exposure=-0.5, gamma=1.1)})
    after = apply_look(encoded.pixels, encoded.palette, "srgb", look, part.pixels)
    alone = by_itself[layer]
    assert alone.sum() > 50
    expected = SPACES.convert(recolored(photo, look), LIN_REC709, "srgb")
    assert np.abs(after - expected)[alone].max() <= 1e-4
    rest = Look({3: LayerEdit(color=linear.palette.colors[2].rgb)})
    still = apply_look(encoded.pixels, encoded.palette, "srgb", rest, part.pixels)
    assert np.abs(still - part.pixels).max() <= 1e-5


@settings(max_examples=25)
@given(
    st.builds(
        LayerEdit,
        color=st.none() | st.tuples(*[st.floats(0, 1)] * 3),
        hue=st.floats(-180, 180),
        saturation=st.floats(0, 4),
        uniformity=st.floats(-1, 1),
        contrast=st.floats(0.01, 4),
        exposure=st.floats(-5, 5),
        lift=st.floats(-0.9, 0.9),
        gamma=st.floats(0.1, 10),
        gain=st.floats(0, 10),
        opacity=st.floats(0, 1),
    ),
    st.floats(0, 1),
)
def test_whatever_is_asked_for_is_finite(edit, strength):
    rng = np.random.default_rng(0)
    layers = rng.normal(0.2, 0.5, (2, 3, 130, 4)).astype(np.float32)
    layers[..., 3] = np.clip(layers[..., 3], 0, 1)
    layers[:, 0, :40] = 0
    layers[:, 1, :5, :3] = 6e4
    look = Look({1: edit, 2: LayerEdit(hue=20.0)}, strength=strength)
    after = apply_look(layers, Palette.from_hex("#c04020,#204060"), LIN_REC709, look)
    assert np.isfinite(after).all()
    assert (after[0, :40] == 0).all()
    assert (after[..., 3] == layers.sum(axis=0)[..., 3]).all()


def test_what_can_not_be_done(photo):
    with pytest.raises(UsageError, match="no layer 8"):
        recolored(photo, Look({8: LayerEdit(hue=1.0)}))
    with pytest.raises(ColorSpaceError):
        apply_look(photo[1].pixels, photo[1].palette, "nowhere", Look())


def test_equal_palette_colors():
    palette = Palette((PaletteColor((0.5, 0.2, 0.1)),) * 2)
    layers = np.full((2, 2, 2, 4), 0.5, np.float32)
    after = apply_look(layers, palette, LIN_REC709, Look({1: LayerEdit(mute=True)}))
    equal = np.array(edited_palette_color(LayerEdit(), palette.colors[1].rgb))
    expected = 0.5 + 0.5 * (0.5 + OTHERS_FLOOR * equal) / (0.5 + OTHERS_FLOOR)
    assert np.abs(after[..., :3] - expected).max() <= 1e-6
