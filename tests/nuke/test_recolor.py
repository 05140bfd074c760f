"""Recoloring inside the node: its Expression nodes give what the engine gives."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from evaluator import Evaluator, Picture, Size, write_exr
from plug_in import CHANNELS, described, module, node_over, write_layers

from fscs_engine.host.edits import LayerEdit, Look
from fscs_engine.image import Window
from fscs_engine.palette.palette import Palette
from fscs_engine.recolor.edits import apply_look
from fscs_engine.recolor.looks import read_look

HEIGHT, WIDTH, COLORS = 16, 24, 4
NAMES = [f"rgba.{name}" for name in CHANNELS]


def picture_of_layers() -> np.ndarray:
    """(K, H, W, 4) premultiplied: soft edges, highlights, negatives, places where a layer is alone or missing."""
    random = np.random.default_rng(11)
    alphas = random.random((COLORS, HEIGHT, WIDTH)) ** 4
    alphas[:, :3] = 0
    alphas[1, :3] = 1
    alphas[2, 3:5] = 0
    alphas /= alphas.sum(axis=0)
    alphas[:, :, :5] *= 0.5
    colors = random.random((COLORS, 1, 1, 3)) * 0.8 + random.normal(0, 0.05, (COLORS, HEIGHT, WIDTH, 3))
    colors[:, 8:10] *= 12
    layers = np.concatenate([colors * alphas[..., None], alphas[..., None]], axis=-1)
    return np.ascontiguousarray(layers, np.float32)


@pytest.fixture
def node(host, plugin: Path, tmp_path: Path):
    import nuke

    host.frame_now = 1001
    nuke.pluginAddPath(str(plugin))
    Evaluator(host)
    layers = picture_of_layers()
    plate = layers.sum(axis=0, dtype=np.float32)
    planes = {name: plate[..., n] for n, name in enumerate(NAMES)}
    write_exr(tmp_path / "plate.1001.exr", Picture(Size(WIDTH, HEIGHT), (0, 0, WIDTH, HEIGHT), planes), NAMES)
    made = node_over(host, (tmp_path / "plate.%04d.exr").as_posix(), (tmp_path / "layers.exr").as_posix())
    made["colors"].setValue(COLORS)
    fill(made, tmp_path)
    return made


def fill(made, folder: Path) -> None:
    window = Window(0, 0, WIDTH, HEIGHT)
    write_layers(folder / "layers.exr", picture_of_layers(), described(made)[0], window, window)


def shown(node) -> np.ndarray:
    found = node._picture()
    return np.stack([found.channels[name] for name in NAMES], axis=-1)


def set_edits(node, edits: dict[int, LayerEdit]) -> None:
    """By the knobs, one after the other, as an artist does."""
    for layer, edit in edits.items():
        for name, value in edit.changed.items():
            knob = node[f"edit_{name}{layer}"]
            if name == "color":
                space = str(node["working_space"].value())
                for index, one in enumerate(module("working_space").from_srgb(value, space)):
                    node[f"edit_new_color{layer}"].setValue(one, index)
                knob.setValue(True)
            elif isinstance(value, tuple):
                for index, one in enumerate(value):
                    knob.setValue(one, index)
            else:
                knob.setValue(value)


def expected(node, look: Look) -> np.ndarray:
    space = str(node["working_space"].value())
    rgb = [color["rgb"] for color in module("settings").palette_of(node, 1001)["colors"]]
    layers = picture_of_layers()
    plate = layers.sum(axis=0, dtype=np.float32)
    return apply_look(layers, Palette.from_array(np.array(rgb, np.float32)), space, look, plate)


LOOKS = {
    "hue": Look({2: LayerEdit(hue=120)}),
    "color": Look({3: LayerEdit(color=(0.1, 0.3, 0.9)), 4: LayerEdit(color=(0.9, 0.9, 0.2), saturation=1.5)}),
    "uniformity": Look({1: LayerEdit(uniformity=0.7), 2: LayerEdit(uniformity=-0.5, contrast=1.4)}),
    "light": Look({1: LayerEdit(exposure=1.5), 2: LayerEdit(lift=(0.1, 0.0, 0.2), gain=(1.0, 2.0, 0.5))}),
    "gamma": Look({2: LayerEdit(gamma=(1.5, 0.7, 1.0)), 3: LayerEdit(hue=-60, gamma=(2.0, 2.0, 2.0))}),
    "opacity": Look({2: LayerEdit(opacity=0.3), 3: LayerEdit(mute=True, hue=30)}),
    "black": Look({2: LayerEdit(opacity=0.3)}, opacity_shows="black"),
    "solo": Look({2: LayerEdit(solo=True, saturation=0.5)}),
    "strength": Look({1: LayerEdit(color=(0.8, 0.1, 0.1), opacity=0.5)}, strength=0.4),
}


@pytest.mark.parametrize("space", ["lin_rec709", "acescg", "srgb"])
@pytest.mark.parametrize("name", LOOKS)
def test_the_nodes_give_what_the_engine_gives(node, tmp_path: Path, name: str, space: str) -> None:
    node["working_space"].setValue(space)
    fill(node, tmp_path)
    before, look = node._picture(), LOOKS[name]
    set_edits(node, dict(look.layers))
    node["opacity_shows"].setValue(look.opacity_shows)
    node["strength"].setValue(look.strength)
    np.testing.assert_array_equal(shown(node), np.stack([before.channels[one] for one in NAMES], -1))
    node["recolor"].setValue(True)
    found, wanted = shown(node), expected(node, look)
    assert np.abs(wanted - np.stack([before.channels[one] for one in NAMES], -1)).max() > 0.01
    np.testing.assert_allclose(found, wanted, rtol=2e-4, atol=2e-4)
    after = node._picture().channels
    assert after.keys() == before.channels.keys()
    for channel in after.keys() - set(NAMES):
        np.testing.assert_array_equal(after[channel], before.channels[channel])


def test_at_rest_the_image_comes_back_bit_for_bit(node) -> None:
    before = shown(node)
    names = {one.name() for one in node.nodes()}
    node["recolor"].setValue(True)
    node["edit_hue1"].setValue(40)
    assert not np.array_equal(shown(node), before)
    module("buttons").reset_edits(node)
    np.testing.assert_array_equal(shown(node), before)
    assert node["edit_hue1"].value() == 0
    assert {one.name() for one in node.nodes()} == names


def test_the_knobs_of_one_layer_are_shown(node) -> None:
    set_edits(node, {2: LayerEdit(hue=40, gain=(1.0, 2.0, 3.0)), 3: LayerEdit(mute=True, color=(0.25, 0.5, 0.75))})
    for chosen in (1, 3):
        node["edit_layer"].setValue(chosen)
        for name in module("recolor").NAMES:
            assert [n for n in range(1, 17) if node[f"edit_{name}{n}"].visible()] == [chosen]
    found = module("recolor").look_of(node).layers
    assert found[2].hue == 40 and found[3].mute and found[3].color == pytest.approx((0.25, 0.5, 0.75), abs=1e-6)
    module("buttons").reset_edits(node)
    assert list(module("recolor").look_of(node).layers) == [2]
    module("buttons").reset_all_edits(node)
    assert not module("recolor").look_of(node).layers and node["edit_hue2"].value() == 0


def test_a_new_color_begins_with_the_palettes(node) -> None:
    node["edit_color2"].setValue(True)
    assert list(node["edit_new_color2"].value()) == pytest.approx(list(node["color2"].value()))
    node["edit_color2"].setValue(False)
    node["edit_new_color2"].setValue(0.125, 0)
    node["edit_color2"].setValue(True)
    assert node["edit_new_color2"].value(0) == 0.125


# Keyframes


@pytest.fixture
def moving(node, tmp_path: Path):
    """The same layers for the frames 1001 to 1005."""
    node["cache_file"].setValue((tmp_path / "layers.%04d.exr").as_posix())
    node["last_frame"].setValue(1005)
    for frame in range(1001, 1006):
        (tmp_path / f"layers.{frame}.exr").write_bytes((tmp_path / "layers.exr").read_bytes())
        (tmp_path / f"plate.{frame}.exr").write_bytes((tmp_path / "plate.1001.exr").read_bytes())
    node["recolor"].setValue(True)
    return node


KEYS = {
    "hue": {"edit_hue2": (0, 120)},
    "at rest on both ends": {"edit_saturation1": (1, 1), "edit_hue1": (0, 0), "edit_gamma3": (1, 2)},
    "color": {"edit_new_color3": (0.2, 0.8), "edit_contrast3": (1, 1.5)},
    "light": {"edit_lift2": (0, 0.2), "edit_gamma2": (1, 0.5), "edit_exposure1": (-1, 1), "edit_gain1": (1, 2)},
    "uniformity": {"edit_uniformity4": (-0.5, 0.5)},
    "opacity": {"edit_opacity2": (1, 0), "edit_hue3": (0, -90)},
    "mute": {"edit_mute2": (0, 1)},
    "strength": {"strength": (0, 1)},
}


@pytest.mark.parametrize("space", ["acescg", "srgb"])
@pytest.mark.parametrize("name", KEYS)
def test_edits_have_keyframes(moving, host, tmp_path: Path, name: str, space: str) -> None:
    if space == "srgb" and name not in ("color", "opacity"):
        pytest.skip("one of each kind")
    moving["working_space"].setValue(space)
    fill(moving, tmp_path)
    for frame in range(1001, 1006):
        (tmp_path / f"layers.{frame}.exr").write_bytes((tmp_path / "layers.exr").read_bytes())
    if name == "strength":
        set_edits(moving, {2: LayerEdit(hue=90)})
    if name == "color":
        moving["edit_color3"].setValue(True)
    for knob, (first, last) in KEYS[name].items():
        moving[knob].setValueAt(first, 1001)
        moving[knob].setValueAt(last, 1005)
    module("callbacks").knob_changed(moving, moving[knob])
    for frame in (1001, 1003, 1005):
        host.frame_now = frame
        look = module("recolor").look_of(moving)
        np.testing.assert_allclose(shown(moving), expected(moving, look), rtol=3e-4, atol=3e-4)
    assert host.messages == []


def test_keyframes_travel_without_the_plug_in_and_go_with_the_edits(moving, host) -> None:
    import nuke

    moving["edit_hue2"].setValueAt(0, 1001)
    moving["edit_hue2"].setValueAt(100, 1005)
    module("callbacks").knob_changed(moving, moving["edit_hue2"])
    host.frame_now = 1003
    before, text = shown(moving), host.text()
    module("buttons").reset_all_edits(moving)
    assert not moving["edit_hue2"].isAnimated() and moving.node("RecolorCurves") is None
    for name in [one for one in sys.modules if one.split(".")[0] == "softcolor_nuke"]:
        sys.modules[name] = None  # type: ignore[assignment]  # the fixture takes them out again
    host.clear()
    host.load(text)
    host.frame_now = 1003
    np.testing.assert_allclose(shown(nuke.toNode("SoftColorSegment1")), before, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("one_frame", [False, True])
def test_an_edit_by_an_expression_follows_its_source(moving, host, tmp_path: Path, one_frame: bool) -> None:
    import nuke

    callbacks, recolor = module("callbacks"), module("recolor")
    if one_frame:
        moving["first_frame"].setValue(1003)
        moving["last_frame"].setValue(1003)
    host.frame_now = 1003
    control = nuke.nodes.NoOp(name="Control")
    control.addKnob(nuke.Double_Knob("degrees", "degrees"))
    moving["edit_hue2"].setExpression("Control.degrees * (frame - 1002)")
    callbacks.knob_changed(moving, moving["edit_hue2"])
    assert not recolor.is_behind(moving)
    plain = shown(moving)
    control["degrees"].setValue(90)
    assert recolor.is_behind(moving) and recolor.is_behind(moving, 1003)
    assert np.allclose(shown(moving), plain)  # nothing was called
    callbacks.look([moving.fullName()])
    np.testing.assert_allclose(shown(moving), expected(moving, recolor.look_of(moving)), rtol=3e-4, atol=3e-4)
    assert not np.allclose(shown(moving), plain)
    assert not recolor.is_behind(moving)
    control["degrees"].setValue(30)
    nuke.scriptSaveAs(str(tmp_path / "followed.nk"), 1)
    callbacks.script_saved()
    assert not recolor.is_behind(moving)
    text = host.text()
    host.clear()
    host.load(text)
    host.frame_now = 1003
    again = nuke.toNode("SoftColorSegment1")
    assert not recolor.is_behind(again)  # fewer digits are no change
    np.testing.assert_allclose(shown(again), expected(again, recolor.look_of(again)), rtol=3e-4, atol=3e-4)


def test_a_render_ends_where_an_expression_is_ahead_of_the_nodes(moving, host, tmp_path: Path, monkeypatch) -> None:
    import nuke

    module("callbacks").register()
    monkeypatch.setattr(module("upstream"), "is_as_rendered", lambda *_: True)  # the files are copies of one
    callbacks = module("callbacks")
    control = nuke.nodes.NoOp(name="Control")
    control.addKnob(nuke.Double_Knob("degrees", "degrees"))
    moving["edit_hue2"].setExpression("Control.degrees * (frame == 1004)")
    callbacks.knob_changed(moving, moving["edit_hue2"])
    control["degrees"].setValue(90)
    write = nuke.nodes.Write(inputs=[moving], file=(tmp_path / "out.%04d.exr").as_posix(), file_type="exr", raw=True)
    moving["image_check"].setValue("error")
    nuke.execute(write, 1003, 1003)
    with pytest.raises(RuntimeError, match="frame 1004: an edit of Recolor changed by its expression"):
        nuke.execute(write, 1004, 1004)
    assert not (tmp_path / "out.1004.exr").exists()


def test_a_wrong_number_of_colors_leaves_no_nodes_of_before(moving, host) -> None:
    recolor, error = module("recolor"), module("fscs.protocol").WorkerError
    set_edits(moving, {2: LayerEdit(hue=90)})
    moving["edit_hue2"].setValueAt(10, 1001)
    recolor.follow(moving)
    assert moving.node("RecolorMix") is not None
    moving["colors"].setValue(20)
    with pytest.raises(error, match="Colors is 20"):
        recolor.follow(moving)
    assert moving.node("RecolorMix") is None
    assert moving.node("RecolorCurves") is None
    module("callbacks").look([moving.fullName()])
    assert "Colors is 20" in moving["status"].value()


def test_what_can_not_have_keyframes_is_said(moving, host) -> None:
    moving["edit_solo2"].setValueAt(0, 1001)
    moving["edit_solo2"].setValueAt(1, 1005)
    module("callbacks").knob_changed(moving, moving["edit_solo2"])
    assert "Solo and Color change over time" in host.messages[-1][1]


def test_it_travels_without_the_plug_in(node, host) -> None:
    import nuke

    set_edits(node, {2: LayerEdit(hue=120), 3: LayerEdit(opacity=0.5)})
    node["recolor"].setValue(True)
    before, text = shown(node), host.text()
    for name in [one for one in sys.modules if one.split(".")[0] == "softcolor_nuke"]:
        sys.modules[name] = None  # type: ignore[assignment]  # the fixture takes them out again
    host.clear()
    host.load(text)
    host.frame_now = 1001
    np.testing.assert_allclose(shown(nuke.toNode("SoftColorSegment1")), before, rtol=1e-6, atol=1e-6)


def test_colors_and_names_are_followed(node, tmp_path: Path) -> None:
    set_edits(node, {2: LayerEdit(color=(0.1, 0.3, 0.9))})
    node["recolor"].setValue(True)
    before = shown(node)
    node["color2"].setValue(0.9, 0)
    fill(node, tmp_path)
    assert not np.allclose(shown(node), before)
    np.testing.assert_allclose(shown(node), expected(node, module("recolor").look_of(node)), rtol=2e-4, atol=2e-4)
    before = shown(node)
    node["layer_prefix"].setValue("hero")
    module("buttons").rename_layers(node)
    np.testing.assert_array_equal(shown(node), before)


def test_in_another_space_there_are_other_nodes(node) -> None:
    node["edit_hue1"].setValue(40)
    node["recolor"].setValue(True)
    node["working_space"].setValue("srgb")
    assert node.node("Recolor1Coded") is not None
    node["working_space"].setValue("acescg")
    assert node.node("Recolor1Coded") is None and node.node("Recolor1Light") is not None


@pytest.mark.parametrize("color", ["premultiplied", "straight"])
@pytest.mark.parametrize("space", ["lin_rec709", "acescg", "srgb"])
@pytest.mark.parametrize("name", LOOKS)
def test_exported_layers_carry_the_edits(node, host, tmp_path: Path, name: str, space: str, color: str) -> None:
    look = LOOKS[name]
    node["working_space"].setValue(space)
    fill(node, tmp_path)
    set_edits(node, dict(look.layers))
    node["opacity_shows"].setValue(look.opacity_shows)
    node["strength"].setValue(look.strength)
    node["layer_color"].setValue(color)
    node["recolor"].setValue(True)
    wanted = expected(node, look)
    module("buttons").export_layers(node)
    assert host.messages == []
    last = next(one for one in host.root.nodes() if one.Class() == "Merge2")
    found = np.stack([last._picture().channels[name] for name in NAMES], -1)
    np.testing.assert_allclose(found[..., :3], wanted[..., :3], rtol=2e-4, atol=2e-4)
    if name not in ("black", "solo"):
        np.testing.assert_allclose(found[..., 3], wanted[..., 3], atol=1e-5)


LOOK = """\ufeffversion = 1
strength = 0.5
opacity_shows = "black"

[layers.3]  # a comment
color = "#3366ff"

[layers."red cup"]
hue = 40.0
gain = [1.1, 1.0, 0.9]
mute = true
"""


def test_a_look_file_of_the_command_line_is_loaded(node, host, tmp_path: Path, monkeypatch, engine_python) -> None:
    monkeypatch.setenv("FSCS_PYTHON", str(engine_python))
    node["name2"].setValue("red cup")
    set_edits(node, {1: LayerEdit(saturation=0.5)})
    (tmp_path / "a.toml").write_text(LOOK, encoding="utf-8")
    host.answers += [str(tmp_path / "a.toml"), str(tmp_path / "b")]
    module("buttons").load_look(node)
    look = Look(
        {2: LayerEdit(hue=40, gain=(1.1, 1, 0.9), mute=True), 3: LayerEdit(color=(0.2, 0.4, 1.0))}, "black", 0.5
    )
    assert rounded(module("recolor").look_of(node)) == rounded(look) and words(host) == []
    assert node["edit_hue2"].value() == 40 and node["edit_mute2"].value()
    module("buttons").save_look(node)
    palette = Palette.from_dict(module("settings").palette_of(node, 1001))
    assert rounded(read_look(tmp_path / "b.toml").look(palette)) == rounded(look)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("version = 2\n", "look version 2 is not known"),
        ("version = \n", "line 1"),
        ("version = 1\n[layers.9]\nhue = 1\n", "there is no layer 9"),
        ("version = 1\n[layers.2]\nhue = 500\n", "use -180 to 180"),
        ("version = 1\n[layers.2]\nhuge = 5\n", "layer 2: 'huge' is not an edit"),
        ("version = 1\n[layers.2]\ncolor = 'reddish'\n", "layer 2: 'reddish' is not a hex color"),
        ("version = 1\nlayers = 3\n", "is not a look"),
        (None, "No such file"),
    ],
)
def test_what_is_no_look_changes_nothing(node, host, tmp_path: Path, monkeypatch, engine_python, text, said) -> None:
    monkeypatch.setenv("FSCS_PYTHON", str(engine_python))
    set_edits(node, {1: LayerEdit(saturation=0.5)})
    before = module("recolor").look_of(node)
    if text is not None:
        (tmp_path / "a.toml").write_text(text, encoding="utf-8")
    host.answers.append(str(tmp_path / "a.toml"))
    module("buttons").load_look(node)
    assert said in words(host)[0] and module("recolor").look_of(node) == before


def rounded(look) -> str:
    """A look in words: colors were in the working space meanwhile."""
    return re.sub(r"\d\.\d+", lambda found: f"{float(found[0]):.6f}", repr(look))


def words(host) -> list[str]:
    return [text for kind, text in host.messages if kind == "message"]
