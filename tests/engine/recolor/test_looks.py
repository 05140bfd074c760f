from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fscs_engine import LayerEdit, Look, Palette, PaletteColor
from fscs_engine.errors import InputError, UsageError
from fscs_engine.host.look_files import parse_layer
from fscs_engine.recolor.looks import NamedLook, layer_number, look_text, read_look, save_look

PALETTE = Palette(
    (
        PaletteColor((0.1, 0.1, 0.1), "shadow"),
        PaletteColor((0.8, 0.2, 0.1), "red cup"),
        PaletteColor((0.9, 0.9, 0.9)),
    )
)

edits = st.builds(
    LayerEdit,
    color=st.none() | st.tuples(*[st.floats(0, 1)] * 3),
    hue=st.floats(-180, 180),
    gain=st.tuples(*[st.floats(0, 100)] * 3),
    opacity=st.floats(0, 1),
    mute=st.booleans(),
)


@given(st.dictionaries(st.integers(1, 3), edits), st.floats(0, 1), st.sampled_from(["others", "black"]))
def test_a_saved_look_is_the_same_look(tmp_path_factory, layers, strength, shows):
    file = tmp_path_factory.mktemp("look") / "night é.toml"
    look = Look(layers, shows, strength)
    save_look(file, look, PALETTE)
    assert read_look(file).look(PALETTE) == look
    before = file.read_bytes()
    save_look(file, read_look(file).look(PALETTE), PALETTE, overwrite=True)
    assert file.read_bytes() == before


def test_the_text_says_what_it_edits():
    text = look_text(Look({2: LayerEdit(color=(0.2, 0.4, 1.0), hue=-20.5, mute=True, gain=(1, 1, 0.2))}), PALETTE)
    assert "\n[layers.2]  # red cup #cc331a\n" in text
    assert text.endswith('color = "#3366ff"\nhue = -20.5\ngain = [1.0, 1.0, 0.2]\nmute = true\n')
    assert "#   hue: Turns" in text


def test_layers_by_name_and_by_number(tmp_path):
    file = tmp_path / "look.toml"
    file.write_text('version = 1\nstrength = 0.5\n[layers."red cup"]\ncolor = "#36f"\n[layers.3]\ngain = [1, 2, 3]\n')
    look = read_look(file).look(PALETTE)
    assert look == Look({2: LayerEdit(color=(0.2, 0.4, 1.0)), 3: LayerEdit(gain=(1, 2, 3))}, strength=0.5)


def test_one_look_over_another():
    below = NamedLook({1: {"hue": 10, "saturation": 2}, 2: {"mute": True}}, {"strength": 0.5})
    above = NamedLook({1: {"hue": 20}, 3: {"exposure": 1}})
    both = above.over(below).look(PALETTE)
    assert both == Look(
        {1: LayerEdit(hue=20, saturation=2), 2: LayerEdit(mute=True), 3: LayerEdit(exposure=1)}, strength=0.5
    )


def test_names():
    assert (parse_layer(" 12 "), parse_layer("red cup")) == (12, "red cup")
    assert layer_number("red cup", PALETTE) == 2
    with pytest.raises(UsageError, match=r"did you mean 'red cup'"):
        layer_number("red cap", PALETTE)
    with pytest.raises(UsageError, match="no layer 4"):
        layer_number(4, PALETTE)
    twice = Palette((PaletteColor((0, 0, 0), "a"), PaletteColor((1, 1, 1), "a")))
    with pytest.raises(UsageError, match="2 layers"):
        layer_number("a", twice)
    with pytest.raises(UsageError, match="by its number and by its name"):
        NamedLook({2: {"hue": 1}, "red cup": {"hue": 2}}).look(PALETTE)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no version"),
        ("version = 2", "version 2"),
        ("version = true", "version True"),
        ("version = 1\nhue = 3", "hue"),
        ("version = 1\nlayers = 3", "tables"),
        ("version = 1\n[layers.1]\nhue = 200", "-180 to 180"),
        ("version = 1\n[layers.1]\nhues = 20", "did you mean hue"),
        ("version = 1\n[layers.1]\ncolor = 'blue'", "blue"),
        ("version = 1\n[layers.1]\ngain = [1, 2]", "three numbers"),
        ("version = 1\n[layers.1]\nmute = 1", "true or false"),
        ("version = 1\n[layers.1]\nstrength = 1", "strength"),
        ("version = 1\nstrength = nan", "0 to 1"),
        ("version = 1\n[layers.1]\n[layers.'01']\nhue = 1", "twice"),
        ("version = [", "not TOML"),
        (b"\xff\xfe", "not text"),
    ],
    ids=str,
)
def test_files_that_are_no_looks(tmp_path, text, said):
    file = tmp_path / "broken.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError) as caught:
        read_look(file)
    assert "broken.toml" in str(caught.value)
    assert said in str(caught.value)


def test_no_file(tmp_path):
    with pytest.raises(InputError, match="missing.toml"):
        read_look(tmp_path / "missing.toml")
