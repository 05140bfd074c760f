from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fscs_engine.cli import options
from fscs_engine.color import ColorSpaces
from fscs_engine.errors import UsageError
from fscs_engine.host.parameters import PARAMETERS
from fscs_engine.image import Image
from fscs_engine.shots.options import SegmentOptions
from fscs_engine.shots.shots import Stills, find_palette

NUMBERS = [p for p in PARAMETERS if p.kind in ("int", "float")]
CHOICES = [p for p in PARAMETERS if p.choices]


@pytest.mark.parametrize("parameter", NUMBERS, ids=lambda p: p.name)
def test_limits_of_the_table_are_inclusive(parameter):
    assert options.check(parameter.name, parameter.minimum) == parameter.minimum
    assert options.check(parameter.name, parameter.maximum) == parameter.maximum
    for outside in (parameter.minimum - 1, parameter.maximum + 1, math.nan, math.inf):
        with pytest.raises(UsageError, match="out of range"):
            options.check(parameter.name, outside)


@pytest.mark.parametrize("parameter", CHOICES, ids=lambda p: p.name)
def test_choices_of_the_table(parameter):
    for choice in parameter.choices:
        assert options.check(parameter.name, choice) == choice
    with pytest.raises(UsageError, match=parameter.choices[-1]):
        options.check(parameter.name, "other")


@given(st.dictionaries(st.integers(1, 16), st.floats(0, 100), max_size=16))
def test_layer_values_are_read_back(values):
    assert options.layer_values("layer_gain", [f"{layer}={value!r}" for layer, value in values.items()]) == values


@pytest.mark.parametrize(
    "given_",
    [["3"], ["=1"], ["3="], ["3:1"], ["0=1"], ["-1=1"], ["3=nan"], ["3=x"], ["3=101"], ["1=1", "1=2"], ["1.5=1"], [""]],
)
def test_layer_values_refuse(given_):
    with pytest.raises(UsageError, match="--layer-gain"):
        options.layer_values("layer_gain", given_)


def test_adjustments_collect_what_is_said_of_a_layer():
    given_ = {"layer_gain": ["3=1.5"], "layer_gamma": ["1=2"], "layer_black": ["3=0.25"], "layer_white": None}
    edits = options.adjustments(given_)
    assert list(edits) == [1, 3]
    assert (edits[3].gain, edits[3].black, edits[3].gamma, edits[3].white) == (1.5, 0.25, 1.0, 1.0)
    assert (edits[1].gain, edits[1].gamma) == (1.0, 2.0)


@pytest.mark.parametrize(
    ("text", "mode"),
    [("limit:1,3", ("limit", (1, 3))), (" split : 2, 5 ", ("split", (2, 5))), ("limit:16", ("limit", (16,)))],
)
def test_mask_modes(text, mode):
    assert options.parse_mask_mode(text) == mode


@pytest.mark.parametrize("text", ["", "limit", "limit:", "blend:1,2", "limit:1;2", "limit:a", "limit:1,"])
def test_mask_modes_refuse(text):
    with pytest.raises(UsageError, match="--mask-mode"):
        options.parse_mask_mode(text)


def test_palette_of_the_flag(tmp_path):
    assert options.given_palette("auto") is None
    assert [color.hex for color in options.given_palette("#aabbcc, 112233")] == ["#aabbcc", "#112233"]
    file = tmp_path / "with #hash.txt"
    file.write_text("#ff0000\n#00ff00 // green\n")
    assert [color.hex for color in options.given_palette(str(file))] == ["#ff0000", "#00ff00"]


def test_whole_palette_is_found_by_the_method_asked_for():
    picture = np.repeat(np.linspace(0.1, 0.9, 160, dtype=np.float32)[None, :, None], 3, axis=2).repeat(120, axis=0)
    picture[40:48, 60:70] = (0.8, 0.1, 0.1)
    image = Image.from_pixels(picture, "srgb")

    shot = Stills("picture", [lambda: (image, "")])
    for method, found in (("kmeans", False), ("salient", True)):
        chosen = SegmentOptions(palette="#101010", colors=5, palette_method=method)
        palette = find_palette(shot, [(0, "")], ColorSpaces(), chosen)
        assert palette.colors[0].hex == "#101010"
        assert bool(np.abs(palette.array - (0.8, 0.1, 0.1)).max(axis=1).min() < 1e-4) is found
