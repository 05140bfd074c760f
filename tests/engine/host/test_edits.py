from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fscs_engine.host.edits import (
    EDIT_PARAMETERS,
    LAB_OF_ROOTS,
    LMS_OF_REC709,
    LayerEdit,
    Look,
    checked,
    decoded,
    edited_palette_color,
    encoded,
    formula,
    inverse,
    move,
    oklab,
    perceptual,
    product,
)

unit = st.floats(0.0, 1.0)
color = st.tuples(unit, unit, unit)


def test_oklab_of_ottosson_s_table():
    # The pairs of his article are of XYZ; these are of the sRGB colors that everybody's implementation agrees on.
    assert oklab((1.0, 1.0, 1.0)) == pytest.approx((1.0, 0.0, 0.0), abs=1e-6)
    assert oklab((1.0, 0.0, 0.0)) == pytest.approx((0.62796, 0.22486, 0.12585), abs=1e-5)
    assert oklab((0.0, 0.0, 1.0)) == pytest.approx((0.45201, -0.03246, -0.31153), abs=1e-5)


def from_oklab(lab):
    return np.linalg.inv(LMS_OF_REC709) @ (np.linalg.inv(LAB_OF_ROOTS) @ lab) ** 3


@given(color)
def test_there_and_back(rgb):
    assert encoded(decoded(rgb)) == pytest.approx(rgb, abs=1e-6)
    assert from_oklab(oklab(rgb)) == pytest.approx(rgb, abs=1e-6)


def test_defaults_are_at_rest():
    assert LayerEdit().changed == {}
    assert Look({1: LayerEdit(), 2: LayerEdit(hue=3.0)}).layers == {2: LayerEdit(hue=3.0)}
    for parameter in EDIT_PARAMETERS:
        rest = getattr(LayerEdit() if parameter.per_layer else Look(), parameter.name)
        assert rest == checked(parameter, parameter.default)


@given(color, color)
def test_color_takes_the_palette_color_there(old, new):
    assert edited_palette_color(LayerEdit(color=new), old) == pytest.approx(decoded(new), abs=1e-6)


@given(color, color, st.floats(-180, 180), st.floats(0.05, 4), st.floats(-1, 0.95), st.floats(0.05, 4))
def test_perceptual_edits_can_be_undone(old, new, hue, saturation, uniformity, contrast):
    found = perceptual(LayerEdit(new, hue, saturation, uniformity, contrast), old)
    if found is not None:
        square = np.array(found)[:, :3]
        assert np.linalg.det(square) > 0
        back = np.array(inverse(tuple(map(tuple, square.tolist()))))
        assert np.allclose(square @ back, np.eye(3), atol=1e-6)


def test_a_color_moved_to_itself_moves_nothing():
    lab = oklab(decoded((0.4, 0.2, 0.7)))
    assert np.allclose(move(lab, lab), np.eye(3, 4), atol=1e-12)


@given(color, color, st.sampled_from([0, 1, 2]))
def test_a_small_step_of_the_color_is_a_small_step_of_the_formula(old, new, channel):
    step = 1e-5
    near = list(new)
    near[channel] += step if near[channel] < 0.5 else -step
    one, other = (np.array(move(oklab(decoded(old)), oklab(decoded(c)))) for c in (new, near))
    # OKLab itself is steep near black, where a step of sRGB is one of 1/12.92 in light, and its cube root none.
    assert np.abs(one - other).max() <= 2.0


@given(color, st.floats(-180, 180))
def test_hue_keeps_lightness_and_chroma(rgb, degrees):
    before = oklab(decoded(rgb))
    after = oklab(edited_palette_color(LayerEdit(hue=degrees), rgb))
    assert after[0] == pytest.approx(before[0], abs=1e-5)
    assert math.hypot(*after[1:]) == pytest.approx(math.hypot(*before[1:]), abs=1e-5)


def test_grays_have_no_hue_to_turn():
    assert edited_palette_color(LayerEdit(hue=90.0), (0.5, 0.5, 0.5)) == pytest.approx(decoded((0.5,) * 3), abs=1e-6)


def test_exposure_lift_gamma_gain():
    assert edited_palette_color(LayerEdit(exposure=1.0), (1.0, 0.0, 0.0)) == (2.0, 0.0, 0.0)
    lifted = formula(LayerEdit(lift=0.1), (0.5, 0.5, 0.5))
    assert np.diag(lifted.from_lms) + lifted.offset == pytest.approx([1.0] * 3)  # white stays
    assert lifted.offset == (0.1,) * 3
    assert formula(LayerEdit(gain=(2.0, 1.0, 0.5)), (0, 0, 0)).from_lms[0][0] == 2.0
    assert formula(LayerEdit(gamma=(2.0, 1.0, 0.5)), (0, 0, 0)).power == (0.5, 1.0, 2.0)


def test_formulas_of_another_working_space_make_the_same_of_light():
    to_rec709 = ((1.7, -0.6, -0.1), (-0.1, 1.2, -0.1), (0.0, -0.1, 1.1))
    edit = LayerEdit(color=(0.1, 0.5, 0.9), saturation=1.2)
    here, there = formula(edit, (0.8, 0.3, 0.1)), formula(edit, (0.8, 0.3, 0.1), to_rec709)
    assert here.roots == there.roots
    assert np.allclose(product(to_rec709, there.from_lms), here.from_lms, atol=1e-9)


@pytest.mark.parametrize(
    "wrong",
    [
        {"hue": 181.0},
        {"hue": math.nan},
        {"hue": "40"},
        {"saturation": -0.1},
        {"contrast": 0.0},
        {"color": (0.1, 0.2)},
        {"color": (0.1, 0.2, 1.1)},
        {"gamma": (1.0, 0.0, 1.0)},
        {"lift": 1.0},
        {"opacity": True},
        {"mute": 1},
    ],
    ids=str,
)
def test_values_that_the_table_refuses(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        LayerEdit(**wrong)


def test_looks_refuse_too():
    with pytest.raises(ValueError, match="strength"):
        Look(strength=1.1)
    with pytest.raises(ValueError, match="others or black"):
        Look(opacity_shows="white")


def test_opacities():
    quiet = Look({1: LayerEdit(mute=True), 2: LayerEdit(opacity=0.3)})
    assert quiet.opacities(3) == [(0.0, False), (0.3, False), (1.0, False)]
    solo = Look({1: LayerEdit(solo=True, opacity=0.5), 2: LayerEdit(solo=True, mute=True)})
    assert solo.opacities(3) == [(0.5, False), (0.0, False), (0.0, True)]
    assert Look({1: LayerEdit(mute=True)}, opacity_shows="black").opacities(1) == [(0.0, True)]
