from __future__ import annotations

import sys
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fscs_engine import presets
from fscs_engine.errors import InputError, OutputError, UsageError
from fscs_engine.host.parameters import BY_NAME, PARAMETERS
from fscs_engine.networks.shipped import SHIPPED
from fscs_engine.presets import PRESET_PARAMETERS, Preset, delete_preset, list_presets, read_preset, save_preset


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the presets of a test lie; it is not there yet."""
    place = tmp_path / "studio é" / "presets"
    monkeypatch.setenv(presets.FOLDER_VARIABLE, str(place))
    return place


def values_of(parameter):
    if parameter.name == "model":
        return st.sampled_from(sorted(SHIPPED))
    if parameter.choices:
        return st.sampled_from(parameter.choices)
    if parameter.kind == "int":
        return st.integers(parameter.minimum, parameter.maximum)
    if parameter.kind == "float":
        return st.floats(parameter.minimum, parameter.maximum)
    return st.text(min_size=1).filter(str.isprintable)


def some_of(per_layer, strategy):
    chosen = [BY_NAME[name] for name in PRESET_PARAMETERS if BY_NAME[name].per_layer is per_layer]
    return st.fixed_dictionaries({}, optional={parameter.name: strategy(parameter) for parameter in chosen})


VALUES = some_of(False, values_of)
LAYERS = some_of(True, lambda parameter: st.dictionaries(st.integers(1, 16), values_of(parameter), min_size=1))
NAMES = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z").filter(presets._is_name)


@given(NAMES, VALUES, LAYERS)
def test_what_is_saved_is_read(name, values, layers):
    preset = Preset(name, values, layers)
    assert (dict(preset.values), {key: dict(numbers) for key, numbers in preset.layers.items()}) == (values, layers)
    file = save_preset(preset, overwrite=True)
    assert read_preset(name) == preset
    assert list_presets() == (name,)
    assert delete_preset(name) == file
    assert list_presets() == ()


def test_a_preset_holds_the_look_and_nothing_of_the_machine():
    assert {p.name for p in PARAMETERS} - set(PRESET_PARAMETERS) == {"mask_mode", "device", "precision", "tile"}


def test_the_file_is_the_documented_one(folder):
    preset = Preset(
        "a", {"working_space": "acescg", "smoothing": 3}, {"layer_gain": {10: 2, 3: 1.5}, "layer_black": {}}
    )
    file = save_preset(preset)
    assert file == folder / "a.toml"
    assert file.read_bytes() == (
        b'version = 1\nsmoothing = 3\nworking_space = "acescg"\n\n[layer_gain]\n3 = 1.5\n10 = 2.0\n'
    )


def test_whole_numbers_do_where_there_are_fractions_too():
    assert isinstance(Preset("a", {"minimum_alpha": 1}).values["minimum_alpha"], float)


def test_a_preset_can_not_be_changed():
    given_values = {"smoothing": 3}
    preset = Preset("a", given_values)
    given_values["smoothing"] = 999
    assert preset.values["smoothing"] == 3
    with pytest.raises(TypeError):
        preset.values["smoothing"] = 4
    with pytest.raises(FrozenInstanceError):
        preset.name = "b"


@pytest.mark.parametrize(
    ("values", "layers", "message"),
    [
        ({"smothing": 3}, {}, "did you mean smoothing"),
        ({"zzz": 3}, {}, "use one of colors"),
        ({"device": "cpu"}, {}, "device is not kept in presets"),
        ({"mask_mode": "limit"}, {}, "mask_mode is not kept in presets"),
        ({"smoothing": 257}, {}, "smoothing is 257: use 0 to 256"),
        ({"smoothing": -1}, {}, "use 0 to 256"),
        ({"smoothing": 3.0}, {}, "whole number"),
        ({"smoothing": True}, {}, "whole number"),
        ({"smoothing": 1 << 20000}, {}, "huge"),
        ({"minimum_alpha": float("nan")}, {}, "use 0 to 1"),
        ({"minimum_alpha": "0.5"}, {}, "minimum_alpha is '0.5': use a number"),
        ({"palette_method": "magic"}, {}, "kmeans or salient"),
        ({"working_space": ""}, {}, "text"),
        ({"working_space": "a\nb"}, {}, "text"),
        ({"working_space": "\udce9"}, {}, "text"),
        ({"working_space": 7}, {}, "text"),
        ({"model": "any-palette.safetensors"}, {}, "any-palette or paper"),
        ({"layer_gain": 2.0}, {}, "value for each layer"),
        ({}, {"smoothing": {1: 2}}, "one value for all layers"),
        ({}, {"layer_gain": {17: 1.0}}, "no layer 17: use 1 to 16"),
        ({}, {"layer_gain": {0: 1.0}}, "no layer 0"),
        ({}, {"layer_gain": {"1": 1.0, 2: 1.0}}, "no layer '1'"),
        ({}, {"layer_gain": {2: 101.0}}, "layer_gain of layer 2 is 101"),
        ({}, {"layer_gian": {2: 1.0}}, "did you mean layer_gain"),
    ],
)
def test_what_no_preset_may_hold(values, layers, message):
    with pytest.raises(UsageError, match=message):
        Preset("a", values, layers)


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", ".hidden", "a/b", "a\\b", "../a", "a b", "é", "a.", "-a", "a:b", "a\n", "a" * 65, "CON", "nul.x"]
    + ["lpt1", "a.toml", "a.TOML", "\0"],
)
def test_names_that_are_no_files_everywhere(name, folder):
    for use in (Preset, read_preset, delete_preset, presets.preset_file):
        with pytest.raises(UsageError, match=r"name|Windows"):
            use(name)
    assert not folder.exists()


def test_what_exists_is_kept_unless_told(folder):
    first = save_preset(Preset("Look", {"smoothing": 3}))
    before = first.read_bytes()
    with pytest.raises(OutputError, match="--overwrite"):
        save_preset(Preset("Look", {"smoothing": 4}))
    for overwrite in (False, True):
        with pytest.raises(OutputError, match="'Look' already"):
            save_preset(Preset("look", {"smoothing": 4}), overwrite=overwrite)
    assert [file.name for file in folder.iterdir()] == ["Look.toml"]
    assert first.read_bytes() == before
    save_preset(Preset("Look", {"smoothing": 4}), overwrite=True)
    assert read_preset("Look").values == {"smoothing": 4}


@pytest.mark.parametrize(
    ("data", "parts"),
    [
        (b"", ["version"]),
        (b"version = 2\n", ["version 2 is not known"]),
        (b"version = true\n", ["version True is not known"]),
        (b"version = 1\nsmoothing = \n", ["not TOML", "line 2"]),
        (b"version = 1\nsmoothing = 3\nsmoothing = 4\n", ["not TOML", "line 3"]),
        (b"version = 1\n\xff = 1\n", ["not text"]),
        (b"version = 1\nsmothing = 3\n", ["'smothing'", "did you mean smoothing?"]),
        (b"version = 1\ntile = 512\n", ["tile is not kept"]),
        (b"version = 1\nsmoothing = 300\n", ["smoothing is 300", "0 to 256"]),
        (b"version = 1\nsmoothing = [3]\n", ["smoothing is [3]", "whole number"]),
        (b"version = 1\nminimum_alpha = inf\n", ["minimum_alpha is inf"]),
        (b"version = 1\nminimum_alpha = 1979-05-27\n", ["use a number"]),
        (b"version = 1\nlayer_gain = 1.5\n", ["layer_gain is 1.5", "[layer_gain]"]),
        (b"version = 1\n[layer_gain]\n03 = 1.5\n", ["no layer '03'"]),
        (b"version = 1\n[layer_gain]\n3 = 'x'\n", ["layer_gain of layer 3 is 'x'"]),
        (b"version = 1\n[layer_gain.3]\nx = 1\n", ["layer_gain of layer 3"]),
        (b"version = 1\nmodel = '/etc/passwd'\n", ["model is '/etc/passwd'"]),
        (b"version = 1\ncolors = " + b"9" * 5000, ["broken.toml"]),
        (b"version = 1\ncolors = 0x" + b"f" * 5000, ["huge"]),
        (b"version = 1\ncolors = " + b"[" * 20000, ["not TOML"]),
        (b"#" * 70000, ["too large"]),
    ],
)
def test_broken_files_are_named(folder, data, parts):
    folder.mkdir(parents=True)
    file = folder / "broken.toml"
    file.write_bytes(data)
    with pytest.raises(InputError) as caught:
        read_preset("broken")
    for part in (str(file), *parts):
        assert part in str(caught.value)
    assert caught.value.cure
    assert list_presets() == ("broken",)


@given(st.one_of(st.binary(max_size=200), st.text(alphabet='version = 1\n[layer_gain]smoothing.#"{}', max_size=200)))
@example("version = 1\n[[layer_gain]]\n1 = 2\n")
@example("version = 1\n[smoothing]\n")
def test_whatever_a_file_holds_the_error_is_a_typed_one(data):
    file = presets.preset_file("odd")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data if isinstance(data, bytes) else data.encode())
    try:
        assert isinstance(read_preset("odd"), Preset)
    except InputError as error:
        assert str(file) in str(error)


def test_files_of_editors_are_read(folder):
    folder.mkdir(parents=True)
    (folder / "a.toml").write_bytes(b"\xef\xbb\xbfversion = 1\r\n# a note\r\nsmoothing = 3\r\n")
    assert read_preset("a").values == {"smoothing": 3}


def test_only_presets_are_listed(folder):
    assert list_presets() == ()
    for name in ("b", "a.2", "a"):
        save_preset(Preset(name, {"colors": 5}))
    for other in ("notes.txt", ".fscs-1f2e3d4c.partial.toml", "no name.toml", ".toml"):
        (folder / other).write_text("")
    assert list_presets() == ("a", "a.2", "b")


def test_a_preset_that_is_not_there(folder):
    for use in (read_preset, delete_preset):
        with pytest.raises(InputError, match="fscs preset save"):
            use("soft")
        save_preset(Preset("softer", {"colors": 5}))
        with pytest.raises(InputError, match="did you mean softer") as caught:
            use("soft")
        assert str(folder) in str(caught.value)
        delete_preset("softer")


def test_the_folder(folder, monkeypatch, tmp_path):
    assert presets.presets_folder() == folder
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(presets.FOLDER_VARIABLE, "here")
    assert presets.presets_folder() == tmp_path / "here"
    for unset in ("", None):
        if unset is None:
            monkeypatch.delenv(presets.FOLDER_VARIABLE)
        else:
            monkeypatch.setenv(presets.FOLDER_VARIABLE, unset)
        assert presets.presets_folder().parts[-2:] == ("fscs", "presets")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no variable for the user's settings")
def test_the_users_own_folder(monkeypatch, tmp_path):
    monkeypatch.delenv(presets.FOLDER_VARIABLE)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    assert save_preset(Preset("a", {"colors": 5})) == tmp_path / "settings" / "fscs" / "presets" / "a.toml"


def test_a_file_in_the_place_of_the_folder(folder):
    folder.parent.mkdir()
    folder.write_text("precious")
    with pytest.raises(InputError, match=presets.FOLDER_VARIABLE):
        list_presets()
    with pytest.raises(OutputError, match=presets.FOLDER_VARIABLE):
        save_preset(Preset("a", {"colors": 5}))
    with pytest.raises(InputError, match="can't be read"):
        read_preset("a")
    assert folder.read_text() == "precious"


def test_nothing_half_written_stays(folder, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    file = save_preset(Preset("a", {"colors": 5}))
    before = file.read_bytes()
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match="No space left"):
        save_preset(Preset("a", {"colors": 6}), overwrite=True)
    assert file.read_bytes() == before
    assert [file.name for file in folder.iterdir()] == ["a.toml"]
