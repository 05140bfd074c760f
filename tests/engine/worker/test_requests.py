from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fscs_engine.host.key import RESULT_PARAMETERS
from fscs_engine.host.parameters import BY_NAME
from fscs_engine.host.protocol import Fields, WorkerError
from fscs_engine.worker import requests

PALETTE = {"version": 1, "space": "srgb", "colors": [{"rgb": [0.5, 0.5, 0.5]}]}
MODELS = {"any-palette": 16, "paper": 7}
SHARED = {"file": "image.f32", "height": 2, "width": 3, "channels": 4, "color_space": "srgb"}


@given(
    st.fixed_dictionaries(
        {
            "smoothing": st.integers(0, 256),
            "smoothing_strength": st.floats(0.0, 1.0),
            "layer_gain": st.dictionaries(st.integers(1, 16).map(str), st.floats(0.0, 100.0)),
            "layer_white": st.dictionaries(st.integers(1, 16).map(str), st.floats(0.0, 1.0)),
        }
    )
)
@settings(max_examples=50, deadline=None)
def test_parameters_arrive_as_they_were_sent(parameters):
    fields = Fields({"image": SHARED, "palette": PALETTE, "parameters": parameters})
    request = requests.parse_segment(fields, MODELS)
    assert request.parameters == {name: parameters[name] for name in ("smoothing", "smoothing_strength")}
    assert type(request.parameters["smoothing"]) is int
    for control in ("gain", "white"):
        found = {str(layer): values[control] for layer, values in request.adjustments.items() if control in values}
        assert found == parameters[f"layer_{control}"]


def test_what_is_not_said_is_the_default_of_the_table():
    request = requests.parse_segment(Fields({"image": SHARED, "palette": PALETTE}), MODELS)
    for name in ("model", "working_space", "device", "precision", "tile"):
        assert getattr(request, name) == BY_NAME[name].default
    assert request.parameters == {}
    assert request.masks == ()


def test_a_model_that_is_not_registered_is_refused():
    named = requests.parse_segment(Fields({"image": SHARED, "palette": PALETTE, "model": "paper"}), MODELS)
    assert named.model == "paper"
    with pytest.raises(WorkerError, match="no model 'any-palette'") as caught:
        requests.parse_segment(Fields({"image": SHARED, "palette": PALETTE}), {"paper": 7})
    assert "paper" in caught.value.cure


def test_the_palette_method_may_be_left_out():
    assert requests.parse_palette(Fields({"image": SHARED, "colors": 3})).method == BY_NAME["palette_method"].default
    asked = requests.parse_palette(Fields({"image": SHARED, "colors": 3, "palette_method": "salient"}))
    assert asked.method == "salient"


def test_an_unknown_palette_method_is_refused():
    with pytest.raises(WorkerError, match="palette_method is 'median'") as caught:
        requests.parse_palette(Fields({"image": SHARED, "colors": 3, "palette_method": "median"}))
    assert caught.value.code == "usage"


def test_every_parameter_of_the_alpha_processing_can_be_sent():
    single = {"colors", "palette_method", "model", "mask_mode", "working_space", "device", "precision", "tile"}
    single |= {"input_space", "alpha"}  # of each image
    sent = {name for name, parameter in BY_NAME.items() if name not in single}
    assert sent == {*RESULT_PARAMETERS, *requests.PER_LAYER}


def test_how_a_file_is_read_can_be_said(tmp_path):
    image = {"path": str(tmp_path / "a.exr"), "color_space": "ARRI LogC4", "alpha": "straight"}
    source = requests.parse_read(Fields({"image": image})).image
    assert (source.color_space, source.alpha) == ("ARRI LogC4", "straight")
    source = requests.parse_read(Fields({"image": {"path": str(tmp_path / "a.exr")}})).image
    assert (source.color_space, source.alpha) == (BY_NAME["input_space"].default, BY_NAME["alpha"].default)
    with pytest.raises(WorkerError, match="alpha is 'keyed'"):
        requests.parse_read(Fields({"image": {"path": str(tmp_path / "a.exr"), "alpha": "keyed"}}))
