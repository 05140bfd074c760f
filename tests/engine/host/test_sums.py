"""The numbers in a file that stand for its settings."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fscs_engine.host import sums
from fscs_engine.host.key import CACHE_FORMAT, RESULT_PARAMETERS, result_parameters
from fscs_engine.host.parameters import MAXIMUM_COLORS

COLOR = st.tuples(*[st.floats(0, 1, width=32)] * 3)


def text_of(palette, values=None, layers=None) -> list[float]:
    parameters = result_parameters(values or {}, layers or {}, working_space="acescg", input_space="acescg")
    *words, form = sums.sums_text(palette, parameters).split()
    assert form == str(CACHE_FORMAT)
    return [float(word) for word in words]


def test_each_value_has_a_weight_of_its_own() -> None:
    layers = range(1, MAXIMUM_COLORS + 1)
    weights = [sums.palette_weight(which, n, c) for which in (0, 1) for n in layers for c in range(3)]
    weights += [sums.parameter_weight(name) for name in RESULT_PARAMETERS]
    weights += [sums.layer_weight(name, n) for name in sums.LAYER_PARAMETERS for n in layers]
    assert len(set(weights)) == len(weights) and all(0.5 <= one < 1.5 for one in weights)


def test_the_numbers_are_what_they_say() -> None:
    found = text_of([[0.25, 0.5, 0.75]], {"softness": 0.5, "smoothing_eps": 0.25}, {"layer_gain": {1: 1.5}})
    assert found[0] == 1
    expected = sum(value * sums.palette_weight(1, 1, c) for c, value in enumerate((0.25, 0.5, 0.75)))
    assert found[2] == pytest.approx(expected, abs=1e-8)
    weights = {name: sums.parameter_weight(name) for name in RESULT_PARAMETERS}
    expected = 0.5 * weights["softness"] + math.log(0.25) * weights["smoothing_eps"] + weights["smoothing_strength"]
    assert found[3] == pytest.approx(expected, abs=1e-6)
    assert found[4] == pytest.approx(0.5 * sums.layer_weight("layer_gain", 1), abs=1e-8)


@given(st.lists(COLOR, min_size=1, max_size=16), st.data())
def test_a_change_of_a_value_is_seen(palette, data) -> None:
    n = data.draw(st.integers(0, len(palette) - 1))
    channel, change = data.draw(st.integers(0, 2)), data.draw(st.floats(5e-5, 1))
    other = [list(color) for color in palette]
    other[n][channel] += change
    for which in (0, 1):
        assert abs(text_of(palette)[1 + which] - text_of(other)[1 + which]) > sums.TOLERANCES[which]


def test_rounding_is_no_change() -> None:
    palette = [[0.1 * n, 0.2, 1 / 3] for n in range(1, 8)]
    rounded = [[float(f"{value:.7g}") for value in color] for color in palette]
    found = zip(text_of(palette)[1:], text_of(rounded)[1:], sums.TOLERANCES, strict=True)
    assert all(abs(one - other) < tolerance for one, other, tolerance in found)
