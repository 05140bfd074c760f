from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer

from fscs_engine import presets
from fscs_engine.cli import options
from fscs_engine.cli.app import app
from fscs_engine.cli.preset import PresetFlag, over_preset
from fscs_engine.errors import InputError, UsageError
from fscs_engine.presets import PRESET_PARAMETERS, Preset, read_preset, save_preset

LOOK = {"smoothing": 8, "minimum_alpha": 0.25}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the presets of a test lie; it is not there yet."""
    place = tmp_path / "presets"
    monkeypatch.setenv(presets.FOLDER_VARIABLE, str(place))
    return place


def command(*path: str):
    found: Any = typer.main.get_command(app)
    for name in path:
        found = found.commands[name]
    return found


def run(*arguments: str) -> dict[str, object]:
    """What a command with a few of the flags of ``fscs segment`` gets."""
    got: dict[str, object] = {}
    small = typer.Typer()

    @small.command()
    @options.takes("smoothing", "minimum_alpha", "colors", "layer_gain")
    def one(plain: Annotated[str, typer.Option("--plain")] = "plain", preset: PresetFlag = None, **flags: Any) -> None:
        got.update(plain=plain, **flags)
        got["layer_gain"] = options.layer_values("layer_gain", over_preset(preset, "layer_gain", flags["layer_gain"]))

    typer.main.get_command(small).main(list(arguments), standalone_mode=False)
    return got


NOTHING = {"plain": "plain", "smoothing": 0, "minimum_alpha": 0.0, "colors": None, "layer_gain": {}}


def test_flags_win_over_the_preset_and_the_preset_over_the_defaults():
    save_preset(Preset("look", LOOK, {"layer_gain": {1: 2.0, 3: 0.5}, "layer_gamma": {2: 2.0}}))
    look = {**NOTHING, **LOOK, "layer_gain": {1: 2.0, 3: 0.5}}
    assert run() == NOTHING
    assert run("--preset", "look") == look
    assert run("--smoothing", "4", "--preset", "look", "-k", "3") == {**look, "smoothing": 4, "colors": 3}
    # A flag at its default wins too, and per-layer flags win layer by layer.
    assert run("--preset", "look", "--smoothing", "0") == {**look, "smoothing": 0}
    assert run("--layer-gain", "3=1", "--layer-gain", "2=7", "--preset", "look") == {
        **look,
        "layer_gain": {1: 2.0, 2: 7.0, 3: 1.0},
    }
    assert run() == NOTHING


def test_a_flag_that_the_parameter_table_limits_is_refused_beside_a_preset_too():
    save_preset(Preset("look", LOOK))
    with pytest.raises(typer.BadParameter, match="out of range"):
        run("--preset", "look", "--smoothing", "999")
    with pytest.raises(UsageError, match="--layer-gain"):
        run("--preset", "look", "--layer-gain", "3")
    with pytest.raises(InputError, match="did you mean look"):
        run("--preset", "lok")


def test_save_has_the_flags_of_segment():
    ours, theirs = command("preset", "save"), command("segment")
    flags = [{p.name: p.opts for p in found.params if p.name in PRESET_PARAMETERS} for found in (ours, theirs)]
    assert flags[0] == flags[1]
    assert set(flags[0]) == set(PRESET_PARAMETERS)


def test_save_keeps_what_is_given_and_nothing_else(fscs, folder):
    finished = fscs("preset", "save", "a", "--smoothing", 0, "-k", 5, "--layer-gain", "2=1.5", "--layer-gain", "1=0")
    assert finished.code == 0, finished.err
    assert f"wrote {folder / 'a.toml'}" in finished.out
    preset = read_preset("a")
    assert (preset.values, preset.layers) == ({"colors": 5, "smoothing": 0}, {"layer_gain": {1: 0.0, 2: 1.5}})


def test_save_begins_with_another_preset(fscs):
    save_preset(Preset("a", {**LOOK, "colors": 5}, {"layer_gain": {1: 2.0, 3: 0.5}}))
    arguments = ("preset", "save", "b", "--layer-gain", "3=1", "--layer-gamma", "2=2", "--from", "a", "--smoothing", 16)
    assert fscs(*arguments).code == 0
    preset = read_preset("b")
    assert preset.values == {**LOOK, "colors": 5, "smoothing": 16}
    assert preset.layers == {"layer_gain": {1: 2.0, 3: 1.0}, "layer_gamma": {2: 2.0}}
    assert fscs("preset", "save", "a", "--from", "a", "--colors", 6, "--overwrite").code == 0
    assert read_preset("a").values == {**LOOK, "colors": 6}


def test_json(fscs, folder):
    row = {
        "name": "a",
        "file": str(folder / "a.toml"),
        "values": {"working_space": "Utility - Räw"},
        "layers": {"layer_black": {"3": 0.25}},
    }
    arguments = ("--working-space", "Utility - Räw", "--layer-black", "3=0.25")
    assert fscs("preset", "save", "a", *arguments, "--json").json == row
    assert fscs("preset", "show", "a", "--json").json == row
    assert fscs("preset", "list", "--json").json == {"folder": str(folder), "presets": [{"ok": True, **row}]}
    assert fscs("preset", "delete", "a", "--json").json == {"name": "a", "file": str(folder / "a.toml")}
    assert fscs("preset", "list", "--json").json == {"folder": str(folder), "presets": []}


def test_what_people_see_can_be_typed_again(fscs, folder):
    flags = "--smoothing 3 --working-space 'ACES - ACEScg' --layer-gain 2=1.5 --layer-gain 10=0.5"
    assert str(folder) in fscs("preset", "list").out
    save_preset(Preset("a", {"smoothing": 3, "working_space": "ACES - ACEScg"}, {"layer_gain": {10: 0.5, 2: 1.5}}))
    assert fscs("preset", "list").out == f"a: {flags}\n"
    assert fscs("preset", "show", "a").out == f"a: {flags}\n  {folder / 'a.toml'}\n"
    assert str(folder / "a.toml") in fscs("preset", "delete", "a").out
    assert not (folder / "a.toml").exists()


def test_a_broken_preset_does_not_hide_the_others(fscs, folder):
    save_preset(Preset("good", LOOK))
    (folder / "bad.toml").write_text("version = 1\nsmoothing =\n")
    listed = fscs("preset", "list", "--json")
    assert listed.code == 0
    bad, good = listed.json["presets"]
    assert (bad["name"], bad["ok"], good["name"], good["ok"]) == ("bad", False, "good", True)
    assert "line 2" in bad["problem"]
    assert "bad.toml" in fscs("preset", "list").out
    fscs("preset", "show", "bad").failed_with(2, "bad.toml", "line 2")
    assert fscs("preset", "delete", "bad").code == 0


def test_what_can_not_be_done(fscs, folder):
    fscs("preset", "save", "a").failed_with(2, "nothing to save")
    fscs("preset", "save", "../a", "--smoothing", 3).failed_with(2, "'../a'")
    fscs("preset", "save", "a", "--smoothing", 999).failed_with(2, "--smoothing", "0 to 256")
    fscs("preset", "save", "a", "--palette-method", "x").failed_with(2, "kmeans or salient")
    fscs("preset", "save", "a", "--layer-gain", "3").failed_with(2, "--layer-gain 3=1.5")
    fscs("preset", "save", "a", "--layer-gain", "17=1").failed_with(2, "no layer 17")
    fscs("preset", "save", "a", "--model", "own.safetensors").failed_with(2, "any-palette or paper")
    fscs("preset", "save", "a", "--device", "cpu").failed_with(2, "--device")
    fscs("preset", "save", "a", "--from", "b").failed_with(2, "'b'")
    assert not folder.exists()
    assert fscs("preset", "save", "a", "--smoothing", 3).code == 0
    fscs("preset", "save", "a", "--smoothing", 4).failed_with(2, "--overwrite")
    fscs("preset", "show", "b").failed_with(2, "'b'", str(folder))
    fscs("preset", "delete", "b").failed_with(2, "'b'", str(folder))


def test_segment_and_palette_take_a_preset(fscs, photo, tmp_path):
    typed = ("-k", 3, "--smoothing", 2, "--layer-gain", "1=2", "--layer-gamma", "2=0.5", "--layer-black", "3=0.1")
    assert fscs("preset", "save", "look", *typed).code == 0
    by_flags, by_preset, over = (
        fscs("segment", photo, *flags, "-o", tmp_path / f"{number}.exr", "--json").json
        for number, flags in enumerate(
            (typed, ("--preset", "look"), ("--preset", "look", "--layer-gain", "1=1", "--smoothing", "0"))
        )
    )
    assert by_preset["key"] == by_flags["key"] != over["key"]
    assert (tmp_path / "0.exr").read_bytes() == (tmp_path / "1.exr").read_bytes()
    rest = ("-k", 3, "--layer-gain", "1=1", *typed[6:])
    assert fscs("segment", photo, *rest, "-o", tmp_path / "rest.exr", "--json").json["key"] == over["key"]
    assert len(fscs("palette", photo, "--preset", "look", "--json").json["palette"]) == 3
    assert len(fscs("palette", photo, "--preset", "look", "-k", 4, "--json").json["palette"]) == 4


def test_loading_the_command_loads_nothing_heavy():
    code = "import sys; import fscs_engine.cli.preset as p; print(sorted(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert not [name for name in ("torch", "numpy", "tomli_w", "platformdirs") if f"'{name}'" in found.stdout]
