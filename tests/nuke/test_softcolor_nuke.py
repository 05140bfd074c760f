"""The plug-in's Python: what works without a picture passing through the node."""

from __future__ import annotations

import ast
import itertools
import json
import struct
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import OpenImageIO as oiio
import pytest
from plug_in import described, fill_cache, module

from fscs_engine.alpha.processing import AlphaProcessing, LayerAdjustment, Mask
from fscs_engine.color import ColorSpaces
from fscs_engine.files.palette_files import read_palette
from fscs_engine.palette.palette import Palette
from fscs_engine.segmenter import Segmenter
from fscs_engine.shots.identity import Identity

ROOT = Path(__file__).resolve().parents[2]
PLUGIN = ROOT / "nuke_plugin"
OWN = [*sorted((PLUGIN / "softcolor_nuke").glob("*.py")), *sorted(PLUGIN.glob("*.py"))]


@pytest.fixture
def node(host, plugin: Path):
    """A node in a script of its own."""
    import nuke

    nuke.pluginAddPath(str(plugin))
    return nuke.createNode("SoftColorSegment")


# What it is made of


@pytest.mark.parametrize("file", OWN, ids=lambda file: file.name)
def test_python_3_9_can_read_it(file: Path) -> None:
    ast.parse(file.read_text(encoding="utf-8"), feature_version=(3, 9))


@pytest.mark.parametrize(
    "file", [file for file in OWN if not file.name.startswith("generate_")], ids=lambda file: file.name
)
def test_it_imports_the_standard_library_and_nuke_only(file: Path) -> None:
    for found in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names = [alias.name for alias in found.names] if isinstance(found, ast.Import) else []
        if isinstance(found, ast.ImportFrom) and not found.level:
            names = [str(found.module)]
        for name in names:
            first = name.split(".")[0]
            assert first in sys.stdlib_module_names or first in ("nuke", "softcolor_nuke"), name


# frames


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("7", [7]),
        ("1001-1004", [1001, 1002, 1003, 1004]),
        ("1-7x3, 5", [1, 4, 5, 7]),
        ("-2-1", [-2, -1, 0, 1]),
        ("3,3,2", [2, 3]),
    ],
)
def test_ranges(plugin: Path, text: str, numbers: list[int]) -> None:
    assert list(module("fscs.frames").parse_frames(text)) == numbers


@pytest.mark.parametrize("text", ["", "a", "1-", "9-1", "1-5x0", "1;2"])
def test_what_is_no_range_is_refused(plugin: Path, text: str) -> None:
    with pytest.raises(module("fscs.protocol").WorkerError, match="range|frame"):
        module("fscs.frames").parse_frames(text)


@pytest.mark.parametrize(
    ("template", "frame", "path"),
    [
        ("/a/b.%04d.exr", 12, "/a/b.0012.exr"),
        ("/a/b.####.exr", 12345, "/a/b.12345.exr"),
        ("/a/%V/b_%v.%d.exr", 3, "/a/left/b_l.3.exr"),
        ("/a/100%.exr", 3, "/a/100%.exr"),
    ],
)
def test_names_of_frames(plugin: Path, template: str, frame: int, path: str) -> None:
    assert module("fscs.frames").file_of(template, frame, "left") == path


# exr


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"garbage",
        struct.pack("<ii", 20000630, 2) + b"a\0string\0\xff\xff\xff\x7f",
        struct.pack("<ii", 20000630, 2),
    ],
)
def test_what_is_no_exr_is_an_error(plugin: Path, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.exr").write_bytes(data)
    with pytest.raises(module("fscs.protocol").WorkerError, match="again"):
        module("exr").read_header(tmp_path / "a.exr")


# working_space


@pytest.mark.parametrize("space", ["lin_rec709", "acescg", "srgb"])
def test_colors_as_opencolorio_has_them(plugin: Path, space: str) -> None:
    colors = np.random.default_rng(1).random((50, 3)).astype(np.float32)
    expected = ColorSpaces(None).convert(colors, "srgb", space)
    here = [module("working_space").from_srgb(color, space) for color in colors.tolist()]
    np.testing.assert_allclose(here, expected, atol=2e-5)
    back = [module("working_space").to_srgb(color, space) for color in here]
    np.testing.assert_allclose(back, colors, atol=2e-6)


# palette files

FILES = {
    "a.json": '{"version": 1, "space": "srgb", "colors": [{"rgb": [0, 0.5, 1], "name": "sky", "locked": true}]}',
    "b.gpl": "GIMP Palette\nName: b\nColumns: 2\n# c\n255 0 51\tred one\n  0   0   0\n",
    "c.txt": "#ff0033\n\n000000\n",
}


@pytest.mark.parametrize("name", FILES)
def test_palettes_as_the_engine_reads_them(plugin: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(FILES[name], encoding="utf-8")
    here = module("fscs.palette_codec").read_palette(str(tmp_path / name))
    assert Palette.from_dict(here).to_dict() == read_palette(tmp_path / name).to_dict()
    module("fscs.palette_codec").write_palette(str(tmp_path / "again.json"), here)
    assert read_palette(tmp_path / "again.json").to_dict() == Palette.from_dict(here).to_dict()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", "{"),
        ("a.json", '{"version": 2, "space": "srgb", "colors": []}'),
        ("a.json", '{"version": 1, "space": "srgb", "colors": [{"rgb": [0, 0, 2]}]}'),
        ("a.txt", "red"),
        ("a.txt", ""),
        ("a.txt", "#000000\n" * 17),
        ("a.gpl", "GIMP Palette\nred\n"),
    ],
)
def test_what_is_no_palette_is_refused(plugin: Path, tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(module("fscs.protocol").WorkerError) as caught:
        module("fscs.palette_codec").read_palette(str(tmp_path / name))
    assert caught.value.code == "palette" and str(tmp_path / name) in caught.value.message and caught.value.cure


# engine


def test_the_engine_is_found_by_the_variable_then_by_the_preference(
    plugin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = module("engine")
    error = module("fscs.protocol").WorkerError
    with pytest.raises(error, match="Locate Engine"):
        engine.python_path()
    assert engine.prefer(sys.executable) == Path(sys.executable)
    assert engine.python_path() == Path(sys.executable)
    environment = tmp_path / "environment"
    (environment / "bin").mkdir(parents=True)
    (environment / "bin" / "python").touch()
    monkeypatch.setenv("FSCS_PYTHON", str(environment))
    assert engine.python_path() == environment / "bin" / "python"
    for wrong in ("python3", str(tmp_path / "nothing")):
        monkeypatch.setenv("FSCS_PYTHON", wrong)
        with pytest.raises(error, match="FSCS_PYTHON"):
            engine.python_path()


def test_preferences_that_are_no_preferences_are_as_none(plugin: Path) -> None:
    engine = module("engine")
    engine.preferences_file().parent.mkdir(parents=True)
    for text in ("{", "[]", '{"engine_python": 3}'):
        engine.preferences_file().write_text(text)
        with pytest.raises(module("fscs.protocol").WorkerError, match="not installed"):
            engine.python_path()


# settings


def test_a_files_metadata_is_that_of_the_engine(node) -> None:
    node["colors"].setValue(3)
    node["smoothing"].setValue(4)
    node["layer_gain2"].setValue(1.5)
    node["layer_white3"].setValue(0.9)
    node["name1"].setValue('a "name"')
    node["use_mask"].setValue(True)
    node["mask_mode"].setValue("split")
    node["mask_layers"].setValue("3 1")
    metadata, wanted = described(node)
    processing = AlphaProcessing(
        smoothing=4,
        adjustments={2: LayerAdjustment(gain=1.5), 3: LayerAdjustment(white=0.9)},
        masks=(Mask(np.zeros((2, 2), np.float32), "split", (3, 1)),),
    )
    segmenter = Segmenter(device="cpu", precision="float32")
    identity = Identity(segmenter, "lin_rec709", Palette.from_dict(wanted.palette), processing, "1" * 64)
    theirs = identity.metadata("lin_rec709")
    for name in ("key", "version"):
        assert theirs.pop(f"softcolor:{name}") and metadata.pop(f"softcolor:{name}")
    assert theirs.pop("softcolor:input_space") == "lin_rec709"  # the node's checks ask for the working space
    assert metadata == theirs


CHANGES = [
    ("colors", 4, "CheckCount"),
    ("color2", (0.1, 0.2, 0.9), "CheckPalette"),
    ("color3", (0.1, 0.2, 0.9001), "CheckPalette"),
    ("softness", 0.7, "CheckSettings"),
    ("smoothing", 5, "CheckSettings"),
    ("smoothing_eps", 1e-5, "CheckSettings"),
    ("smoothing_strength", 0.5, "CheckSettings"),
    ("temporal", 0.25, "CheckSettings"),
    ("minimum_alpha", 0.01, "CheckSettings"),
    ("layer_gain2", 1.4, "CheckLayers"),
    ("layer_gain1", 1.5, "CheckLayers"),
    ("layer_gamma3", 1.1, "CheckLayers"),
    ("layer_black3", 0.1, "CheckLayers"),
    ("layer_white1", 0.9, "CheckLayers"),
    ("working_space", "acescg", "CheckSpace"),
    ("model", "paper", "CheckSpace"),
    ("use_mask", True, "CheckMask"),
]


def failed(node, metadata: dict[str, str]) -> list[str]:
    """The names of the node's own checks that a file with this metadata does not pass, worked out by real Tcl."""
    node._host.evaluator = SimpleNamespace(metadata=lambda *_: {f"exr/{name}": text for name, text in metadata.items()})
    names = [f"Check{what}" for what in ("File", "Count", "Space", "Palette", "Settings", "Layers", "Mask")]
    return [name for name in names if not node.node(name)["expression"].value()]


@pytest.mark.parametrize(("knob", "value", "check"), CHANGES, ids=lambda part: str(part))
def test_a_changed_knob_is_seen_by_the_plugin_and_without_it(node, knob: str, value: object, check: str) -> None:
    node["colors"].setValue(3)
    node["smoothing"].setValue(3)
    node["layer_gain2"].setValue(1.5)
    node["layer_black1"].setValue(0.02)
    metadata, wanted = described(node)
    assert module("settings").difference(wanted, metadata) == "" and failed(node, metadata) == []
    if isinstance(value, tuple):
        for index, one in enumerate(value):
            node[knob].setValue(one, index)
    else:
        node[knob].setValue(value)
    _, changed = described(node)
    assert module("settings").difference(changed, metadata) != ""
    assert failed(node, metadata)[0] == check


def test_a_check_reads_little_of_the_metadata(node) -> None:
    """Each key of metadata costs a look at what flows into the node."""
    node["colors"].setValue(16)
    metadata, _ = described(node)
    asked: list[object] = []
    evaluator = SimpleNamespace(metadata=lambda *_: asked.append(1) or {f"exr/{k}": v for k, v in metadata.items()})
    node._host.evaluator = evaluator
    for name in ("File", "Count", "Space", "Palette", "Settings", "Layers", "Mask"):
        assert node.node(f"Check{name}")["expression"].value()
    assert len(asked) <= 10


def test_colors_that_change_places_are_seen(node) -> None:
    node["colors"].setValue(4)
    metadata, _ = described(node)
    colors = [node[f"color{n}"].value() for n in (1, 2, 3, 4)]
    for places in itertools.permutations(range(4)):
        for n, place in enumerate(places, 1):
            node[f"color{n}"].setValue(colors[place])
        assert failed(node, metadata) == ([] if places == (0, 1, 2, 3) else ["CheckPalette"])


def test_a_file_of_another_kind_is_seen(node) -> None:
    _, wanted = described(node)
    assert module("settings").difference(wanted, {}) != "" and failed(node, {})[0] == "CheckFile"


@pytest.mark.parametrize("end", ["", " 1"])
def test_layers_of_another_version_are_seen(node, end: str) -> None:
    metadata, wanted = described(node)
    sums = metadata["softcolor:sums"].split()
    metadata["softcolor:sums"] = " ".join(sums[:5]) + end
    assert "engine changed" in module("settings").difference(wanted, metadata)
    assert failed(node, metadata) == ["CheckFile"]


def test_names_of_colors_can_not_fool_the_checks(node) -> None:
    node["colors"].setValue(2)
    node["name1"].setValue('"rgb":[9,9,9] layer_gain "1":"7" \\')
    metadata, _ = described(node)
    assert failed(node, metadata) == []


def test_sixteen_layers_are_told_apart(node) -> None:
    node["colors"].setValue(16)
    for n in range(1, 17):
        node[f"layer_gamma{n}"].setValue(1 + n / 10)
    metadata, wanted = described(node)
    assert module("settings").difference(wanted, metadata) == "" and failed(node, metadata) == []
    node["layer_gamma1"].setValue(2.1)  # that of layer 11
    assert failed(node, metadata) == ["CheckLayers"]


def test_a_mask_is_part_of_the_settings(node) -> None:
    node["use_mask"].setValue(True)
    node["mask_mode"].setValue("split")
    node["mask_layers"].setValue("1 3")
    metadata, wanted = described(node)
    assert metadata["softcolor:mask"] == "split 1 3"
    assert module("settings").difference(wanted, metadata) == "" and failed(node, metadata) == []
    node["mask_layers"].setValue("1 2")
    assert failed(node, metadata) == ["CheckMask"]
    for wrong in ("", "a", "0 1", "8 1", "1"):
        node["mask_layers"].setValue(wrong)
        with pytest.raises(module("fscs.protocol").WorkerError, match="Mask Layers"):
            module("settings").of_node(node, 1)


@pytest.mark.parametrize("colors", [0, 17])
def test_more_colors_than_the_slider_has_are_refused(node, host, colors: int) -> None:
    node["colors"].setValue(colors)
    for button in (module("buttons").auto_palette, module("buttons").render):
        node["cache_file"].setValue("/shot/layers.%04d.exr")
        button(node)
        assert f"Colors is {colors}: set it to 1 to 16" in host.messages[-1][1]
    module("callbacks").update(node)
    assert "press Render" in node["status"].value()
    node["mode"].setValue("Live")
    assert not node.node("LiveColors")["expression"].value()


def test_settings_are_those_of_the_frame(node) -> None:
    """Keys and expressions: what the node's own checks see at a frame."""
    node["colors"].setValue(2)
    for frame, gain in ((1001, 1.0), (1003, 2.0)):
        node["layer_gain2"].setValueAt(gain, frame)
    node["color1"].setExpression("frame / 2000", 0)
    node["smoothing"].setExpression("frame - 1000")
    for frame, gain in ((1001, 1.0), (1002, 1.5), (1003, 2.0)):
        wanted = module("settings").of_node(node, frame)
        assert wanted.layers.get("layer_gain", {}).get(2, 1.0) == gain and wanted.scalars["smoothing"] == frame - 1000
        red = wanted.palette["colors"][0]["rgb"][0]
        assert module("working_space").from_srgb([red] * 3, "lin_rec709")[0] == pytest.approx(frame / 2000)
        metadata, _ = described(node, frame)
        node._host.frame_now = frame
        assert failed(node, metadata) == []
        node._host.frame_now = frame + 1
        assert "CheckPalette" in failed(node, metadata)


@pytest.mark.parametrize("space", ["lin_rec709", "acescg", "srgb"])
def test_the_nodes_palette_in_srgb_is_that_of_the_plugin(node, space: str) -> None:
    node["working_space"].setValue(space)
    for n, color in enumerate([(0.0, 0.001, 1.0), (0.2, 0.5, 0.9), (-0.1, 1.5, 0.04)], 1):
        for index, value in enumerate(color):
            node[f"color{n}"].setValue(value, index)
        here = module("working_space").to_srgb(color, space)
        np.testing.assert_allclose([node[f"p{n}{letter}"].value() for letter in "rgb"], here, atol=1e-6)


# callbacks and buttons


def test_a_palette_is_one_step_of_the_undo_list(node) -> None:
    import nuke

    before = [node[f"color{n}"].value() for n in (1, 2)], node["colors"].value()
    steps = nuke.Undo.undoSize()
    palette = {"version": 1, "space": "srgb", "colors": [{"rgb": [0.5, 0.25, 1.0], "name": "a", "locked": True}] * 2}
    module("buttons").set_palette(node, palette, "Import Palette")
    assert nuke.Undo.undoSize() == steps + 1
    assert node["colors"].value() == 2 and node["lock1"].value() and node["name2"].value() == "a"
    found = module("settings").palette_of(node, 1)["colors"][0]["rgb"]
    np.testing.assert_allclose(found, [0.5, 0.25, 1.0], atol=1e-6)
    nuke.Undo.undo()
    assert ([node[f"color{n}"].value() for n in (1, 2)], node["colors"].value()) == before


def test_only_the_layers_that_there_are_have_knobs(node) -> None:
    node["colors"].setValue(3)
    module("callbacks").show_layers(node)
    assert [n for n in range(1, 17) if node[f"color{n}"].visible()] == [1, 2, 3]


def test_the_controls_of_one_layer_are_shown(node, host) -> None:
    assert [n for n in range(1, 17) if node[f"layer_gain{n}"].visible()] == [1]
    node["chosen_layer"].setValue(3)
    assert [n for n in range(1, 17) if node[f"layer_gain{n}"].visible()] == [3]
    text = host.text()
    host.clear()
    host.load(text)
    again = host.root.nodes()[0]
    assert [n for n in range(1, 17) if again[f"layer_white{n}"].visible()] == [3]


def test_a_pasted_node_keeps_what_it_holds(node, host) -> None:
    import nuke

    node["colors"].setValue(5)
    node["color3"].setValue(0.75, 1)
    node["mode"].setValue("Bypass")
    text = host.text()
    nuke.scriptClear()
    host.load(text)
    again = nuke.toNode("SoftColorSegment1")
    assert again["colors"].value() == 5 and again["mode"].value() == "Bypass"
    assert again["color3"].value()[1] == 0.75


def test_a_missing_frame_is_said_on_the_node_and_ends_a_render(node, host, tmp_path: Path) -> None:
    import nuke

    callbacks = module("callbacks")
    node["cache_file"].setValue((tmp_path / "a b" / "layers.%04d.exr").as_posix())
    callbacks.update(node)
    assert "press Render" in node["status"].value()
    write = nuke.createNode("Write")
    write.setInput(0, node)
    assert [found.name() for found in module("upstream").shown(write, 1)] == [node.name()]
    node["mode"].setValue("Bypass")
    callbacks.update(node)
    assert node["status"].value() == "Bypass" and list(module("upstream").shown(write, 1)) == []


def test_a_cached_file_that_fits_is_said_to(node, tmp_path: Path) -> None:
    callbacks = module("callbacks")
    node["cache_file"].setValue((tmp_path / "layers.exr").as_posix())
    fill_cache(node, tmp_path / "layers.exr")
    assert callbacks.state(node, 1, "main") == ""
    node["smoothing"].setValue(9)
    assert "Smoothing Radius changed" in callbacks.state(node, 1, "main")


@pytest.mark.parametrize(
    ("template", "message"),
    [("", "no cache file"), ("layers.exr", "absolute path"), ("/a/layers.%04d.png", "absolute path")],
)
def test_a_place_for_the_cache_is_needed(node, template: str, message: str) -> None:
    node["cache_file"].setValue(template)
    with pytest.raises(module("fscs.protocol").WorkerError, match=message):
        module("render").cache_template(node)


def test_brackets_in_the_place_for_the_cache_are_worked_out(node) -> None:
    node["cache_file"].setValue("/shots/[value name]/\\[v2]/%V/layers.%04d.exr")
    assert module("render").cache_template(node) == "/shots/SoftColorSegment1/[v2]/%V/layers.%04d.exr"


def test_errors_of_buttons_are_told(node, monkeypatch: pytest.MonkeyPatch) -> None:
    import nuke

    told: list[str] = []
    monkeypatch.setattr(module("buttons"), "_say", told.append)
    module("buttons").render(node)
    assert len(told) == 1 and "Cache tab" in told[0]

    def broken(_: object) -> None:
        raise ZeroDivisionError

    module("buttons").told(broken)(node)
    assert "went wrong inside the plug-in" in told[1]
    assert nuke.toNode(node.name()) is not None


def test_upstream_changes_are_seen_and_looks_are_not(node) -> None:
    import nuke

    upstream, flags = module("upstream"), module("render").state_flags()
    grade = nuke.createNode("Grade")
    node.setInput(0, grade)
    before = upstream.state(node, flags)
    grade.setXYpos(50, 60)
    assert upstream.state(node, flags) == before
    grade["black_clamp"].setValue(False)
    assert upstream.state(node, flags) != before


def test_init_and_menu_run(host, plugin: Path) -> None:
    import nuke

    for name in ("init.py", "menu.py"):
        exec(compile((plugin / name).read_text(), str(plugin / name), "exec"), {"__file__": str(plugin / name)})  # noqa: S102
    menu = nuke.menu("Nodes").findItem("Color/Soft Color Segment")
    assert menu is not None and "SoftColorSegment" in str(menu.script())
    described = json.loads((plugin / "cat.json").read_text())
    for entry in described["cats"]:
        assert (plugin / entry["filepath"]).is_file() and (plugin / entry["icon"]).is_file()


def test_icons_are_pictures_of_their_size() -> None:
    for name, side in (("SoftColorSegment.png", 24), ("SoftColorSegment@2x.png", 48)):
        spec = oiio.ImageInput.open(str(PLUGIN / "icons" / name)).spec()
        assert (spec.width, spec.height, spec.nchannels) == (side, side, 4)
