"""The node among others: switches, time, submitters, filters of names, other formats and color spaces, old Nukes."""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
import time
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from evaluator import Evaluator, PictureError, read_exr, write_exr
from plug_in import (
    CHANNELS,
    HEIGHT,
    LEFT,
    WIDTH,
    fill_cache,
    layers_of,
    module,
    node_over,
    render,
    write_layers,
    write_plate,
)

from fscs_engine.image import Window

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def cached(host, plugin: Path, tmp_path: Path):
    """A node of three colors over a plate, with files of layers for frames 1001 and 1002 that were not computed."""
    import nuke

    host.frame_now = 1001
    nuke.pluginAddPath(str(plugin))
    Evaluator(host)
    for frame in (1001, 1002):
        write_plate(tmp_path / f"plate.{frame}.exr")
    node = node_over(host, (tmp_path / "plate.%04d.exr").as_posix(), (tmp_path / "layers.%04d.exr").as_posix())
    for frame in (1001, 1002):
        fill(node, tmp_path / f"layers.{frame}.exr", frame)
    return node


def fill(node, path: Path, frame: int, **metadata: str) -> None:
    """A cached file that also says which image it was made of."""
    upstream = module("upstream")
    stands = {
        upstream.STATE: upstream.state(node, module("render").state_flags()),
        upstream.STAMPS: upstream.stamps(node, frame, "main"),
        upstream.SOURCES: upstream.sources(node, frame, "main"),
        **metadata,
    }
    fill_cache(node, path, stands)


def write_below(node, path: Path):
    """A Write of the first layer."""
    import nuke

    write = nuke.createNode("Write")
    write.setInput(0, node)
    write["file_type"].setValue("exr")
    write["file"].setValue(path.as_posix())
    write["raw"].setValue(True)
    module("callbacks").register()
    return write


def changed(node):
    """Puts a Grade before a node, which its layers were not made of. Returns it."""
    import nuke

    grade = nuke.createNode("Grade")
    grade["multiply"].setValue(0.5)
    grade.setInput(0, node.input(0))
    node.setInput(0, grade)
    return grade


# A render is ended only where it would be wrong


def switch(node, which: int):
    import nuke

    made = nuke.createNode("Switch")
    made.setInput(0, nuke.toNode("Plate"))
    made.setInput(1, node)
    made["which"].setValue(which)
    return made


def test_an_input_that_a_switch_does_not_choose_ends_no_render(cached, tmp_path: Path) -> None:
    import nuke

    changed(cached)
    chosen = switch(cached, 0)
    write = write_below(chosen, tmp_path / "out.%04d.exr")
    nuke.execute(write, 1001, 1001)
    chosen["which"].setValue(1)
    with pytest.raises(RuntimeError, match="image changed since"):
        nuke.execute(write, 1001, 1001)
    chosen["which"].setExpression("frame==1002")
    nuke.execute(write, 1001, 1001)
    with pytest.raises(RuntimeError, match="frame 1002: the image changed since"):
        nuke.execute(write, 1002, 1002)


@pytest.mark.parametrize(
    ("cls", "knob", "value", "frame"),
    [
        ("FrameHold", "firstFrame", 1001, 1050),
        ("TimeOffset", "time_offset", 49, 1050),
        ("Retime", "speed", 2, 501),
        ("AppendClip", "firstFrame", 1, 2),
    ],
)
def test_nodes_that_ask_for_other_frames_end_no_render(cached, tmp_path: Path, cls, knob, value, frame) -> None:
    """The checks inside the node follow time: at a frame that the cache does not have, one of it is shown."""
    import nuke

    moved = nuke.createNode(cls)
    moved.setInput(0, cached)
    moved[knob].setValue(value)
    write = write_below(moved, tmp_path / "out.%04d.exr")
    nuke.execute(write, frame, frame)
    assert (tmp_path / f"out.{frame:04d}.exr").is_file()
    cached["smoothing"].setValue(4)
    with pytest.raises(RuntimeError, match="Smoothing or minimum alpha changed"):
        nuke.execute(write, frame, frame)


def test_what_is_disabled_ends_no_render(cached, tmp_path: Path) -> None:
    import nuke

    changed(cached)
    merge = nuke.createNode("Merge2")
    merge["operation"].setValue("plus")
    merge.setInput(0, nuke.toNode("Plate"))
    merge.setInput(1, cached)
    write = write_below(merge, tmp_path / "out.%04d.exr")
    with pytest.raises(RuntimeError, match="image changed since"):
        nuke.execute(write, 1001, 1001)
    merge["disable"].setValue(True)
    nuke.execute(write, 1001, 1001)


def test_what_is_behind_a_variable_ends_no_render(cached, tmp_path: Path) -> None:
    import nuke

    changed(cached)
    chosen = nuke.createNode("VariableSwitch")
    chosen.setInput(0, nuke.toNode("Plate"))
    chosen.setInput(1, cached)
    assert list(module("upstream").shown(write_below(chosen, tmp_path / "out.%04d.exr"), 1001)) == []


def test_other_layers_in_the_same_files_are_refused(cached) -> None:
    import nuke

    render, error = module("render"), module("fscs.protocol").WorkerError
    cached["cache_file"].setValue("/shot/softcolor/[value name]/layers.%04d.exr")
    groups = [nuke.nodes.Group(name=name) for name in ("Left", "Right")]
    copies = []
    for group in groups:
        with group:
            copies.append(nuke.createNode("SoftColorSegment", inpanel=False))
        copies[-1]["cache_file"].setValue(cached["cache_file"].value())
    assert {copy.name() for copy in copies} == {cached.name()}
    for copy in copies:
        for name in ("first_frame", "last_frame"):
            copy[name].setValue(cached[name].value())
    plate = nuke.toNode("Plate")
    alike, other = copies
    for copy in copies:
        copy.setInput(0, plate)
        for name in cached.knobs():
            if name.startswith("color") and copy[name].value() != cached[name].value():
                copy[name].setValue(cached[name].value())
    assert render.check(cached, [1001], ["main"])  # copies of it may read its files
    other["smoothing"].setValue(7)
    with pytest.raises(error, match=r"Right\.SoftColorSegment1 has other layers in the same files"):
        render.check(cached, [1001], ["main"])
    with pytest.raises(error, match="the same files"):
        render.check(other, [1001], ["main"])
    other["mode"].setValue("Bypass")
    assert render.check(cached, [1001], ["main"])


@pytest.mark.parametrize("each_view", [True, False])
def test_the_artist_chooses_what_a_changed_image_does(cached, host, tmp_path: Path, each_view: bool) -> None:
    import nuke

    host.before_each_view = each_view
    changed(cached)
    write = write_below(cached, tmp_path / "out.%04d.exr")
    with pytest.raises(RuntimeError, match="image changed since"):
        nuke.execute(write, 1001, 1001)
    cached["image_check"].setValue("warn")
    nuke.execute(write, 1001, 1001)
    assert "image changed since" in host.messages[-1][1]
    said = len(host.messages)
    cached["image_check"].setValue("off")
    nuke.execute(write, 1001, 1001)
    assert len(host.messages) == said


def test_a_fault_of_the_plug_in_ends_no_render(cached, host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import nuke

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    write = write_below(cached, tmp_path / "out.%04d.exr")
    monkeypatch.setattr(module("upstream"), "state", broken)
    monkeypatch.setattr(module("settings"), "of_node", broken)
    nuke.execute(write, 1001, 1001)
    callbacks = module("callbacks")
    for call in (callbacks.update, callbacks.created, lambda node: callbacks.look([node.fullName()])):
        call(cached)
    callbacks.knob_changed(cached, cached["smoothing"])
    assert "ZeroDivisionError" in host.messages[-1][1] and all(kind == "print" for kind, _ in host.messages)


# Submitters and names


def collector() -> ModuleType:
    """What deadline-cloud-for-nuke finds files with; its package itself wants a window."""
    pytest.importorskip("deadline.client", reason="deadline-cloud-for-nuke is not installed")
    package = importlib.util.find_spec("deadline.nuke_submitter")
    assert package is not None and package.origin is not None
    spec = importlib.util.spec_from_file_location("assets", Path(package.origin).with_name("assets.py"))
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = made  # for its dataclasses
    try:
        spec.loader.exec_module(made)
    finally:
        del sys.modules[spec.name]
    return made


@pytest.mark.parametrize("replaced", [True, False])
def test_a_submitter_asks_for_the_files_that_there_are(cached, host, tmp_path: Path, replaced: bool) -> None:
    """The collector of deadline-cloud-for-nuke itself, whether Nuke replaces the frame in names or not."""
    import nuke

    assets = collector()
    host.evaluated_paths_are_files = replaced
    nuke.toNode("Plate")["last"].setValue(1002)
    script = tmp_path / "comp.nk"
    nuke.scriptSaveAs(str(script))
    found = assets.get_scene_asset_references()
    assert not found.encountered_exception(), (found.failed_to_parse_nodes, found.high_level_exception)
    names = found.asset_references.input_filenames - {str(script)}
    assert len(names) < 10
    if replaced:
        wanted = {str(tmp_path / f"{name}.{frame}.exr") for name in ("plate", "layers") for frame in (1001, 1002)}
        assert {name for name in names if name.endswith(".exr")} == wanted


def test_frames_outside_of_the_range_are_an_error(cached, host, tmp_path: Path) -> None:
    (tmp_path / "layers.1003.exr").write_bytes((tmp_path / "layers.1002.exr").read_bytes())
    write_plate(tmp_path / "plate.1003.exr")
    for frame in (1000, 1003):
        with host.at(frame), pytest.raises(PictureError, match="outside First Frame and Last Frame"):
            cached._picture()
    with pytest.raises(module("fscs.protocol").WorkerError, match="frame 1003 is not between"):
        render(cached, [1003])


def test_names_are_those_that_nuke_makes_of_them(cached, host, tmp_path: Path, monkeypatch) -> None:
    import nuke

    upstream, plate = module("upstream"), nuke.toNode("Plate")
    monkeypatch.setattr(host, "variables", {"shot": "sh010"})
    nuke.root()["project_directory"].setValue("/project")
    plate["file"].setValue("plates/%{shot}.%04d.exr")
    cached["cache_file"].setValue("layers/%{shot}.####.exr")
    assert upstream.template_of(plate) == "/project/plates/sh010.%04d.exr"
    assert module("render").cache_template(cached) == "/project/layers/sh010.####.exr"
    for frame in (1001, 1002):
        assert upstream.file_of(cached, frame, "main") == f"/project/layers/sh010.{frame}.exr"
    nuke.addFilenameFilter(lambda name: name.replace("plates/", "/mnt/plates/").replace("layers/", "/mnt/layers/"))
    assert upstream.file_of(plate, 1001, "main") == "/mnt/plates/sh010.1001.exr"
    assert module("render").cache_template(cached) == "/mnt/layers/sh010.####.exr"
    assert cached.node("Cache")._host.file_name(cached.node("Cache")["file"]) == "/mnt/layers/sh010.1001.exr"


# Masks


@pytest.mark.slow
@pytest.mark.parametrize("connected", [True, False])
def test_a_roto_on_its_own_is_a_mask(made, host, connected: bool) -> None:
    """It has alpha only; what has no shape yet, or nothing at it, is black without a channel."""
    import nuke

    mask = nuke.createNode("Roto")
    mask.setInput(0, None)
    if not connected:
        mask = nuke.createNode("Remove")
        mask.setInput(0, nuke.toNode("Roto1"))
    made.setInput(1, mask)
    made["use_mask"].setValue(True)
    made["mask_layers"].setValue("2")
    host.root["format"].setValue("30 28 0 0 30 28 1 plate")
    render(made)
    alpha = layers_of(made._picture(), 3)[1, ..., 3]
    inside = alpha[:, -LEFT : 15 - LEFT]
    assert (np.abs(inside).max() > 0.1) == connected and np.abs(alpha[:, 15 - LEFT :]).max() == 0


# Old Nukes


@pytest.mark.parametrize("name", ["init.py", "menu.py"])
def test_old_nukes_start(host, plugin: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    text = (plugin / name).read_text(encoding="utf-8")
    ast.parse(text, feature_version=(3, 7))
    assert not re.search(r"\bf[\"']|:=|->", text)  # Nuke 12 has Python 2.7
    monkeypatch.setattr(sys, "version_info", (3, 7, 7))
    monkeypatch.setitem(sys.modules, "softcolor_nuke", None)
    exec(compile(text, str(plugin / name), "exec"), {"__file__": str(plugin / name)})  # noqa: S102
    assert host.callbacks == {} and host.menus == {} and host.plugin_paths == []
    assert [kind for kind, _ in host.messages] == (["print"] if name == "init.py" else [])


def test_a_plug_in_that_can_not_be_loaded_leaves_nuke_alone(
    host, plugin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import nuke

    monkeypatch.setitem(sys.modules, "softcolor_nuke", None)
    exec(compile((plugin / "init.py").read_text(), str(plugin / "init.py"), "exec"), {})  # noqa: S102
    assert "ModuleNotFoundError" in host.messages[-1][1]
    nuke.pluginAddPath(str(plugin))
    node = nuke.createNode("SoftColorSegment")
    node["smoothing"].setValue(4)
    node["render"].execute()
    assert "needs the Soft Color Segment plug-in" in host.messages[-1][1]


# What comes in


def test_layers_of_another_node_are_not_taken_for_own_ones(cached, host, tmp_path: Path) -> None:
    import nuke

    above = nuke.createNode("AddChannels")
    for n, name in enumerate(("channels", "channels2", "channels3"), 3):
        above[name].setValue(f"softcolor{n}")
    above["color"].setValue(0.4)
    above.setInput(0, nuke.toNode("Plate"))
    cached.setInput(0, above)
    module("callbacks").look([cached.fullName()])
    own = layers_of(cached._picture(), 3)
    assert "softcolor4.red" not in cached._picture().channels
    cached["view"].setValue("recomposition")
    np.testing.assert_allclose(cached._picture().channels["rgba.red"], own[..., 0].sum(axis=0), rtol=1e-6)
    cached["layer_prefix"].setValue("hero")
    module("buttons").rename_layers(cached)
    cached["view"].setValue("layers")
    names = set(cached._picture().channels)
    assert {"softcolor5.red", "hero3.red"} <= names and "hero4.red" not in names


def test_another_format_is_an_error_without_the_plug_in(cached, host) -> None:
    import nuke

    half = nuke.createNode("Reformat")
    half["type"].setValue("scale")
    half["scale"].setValue(0.5)
    plate = moved_to_even(nuke.toNode("Plate"))
    half.setInput(0, plate)
    cached.setInput(0, half)
    with pytest.raises(PictureError, match="another format than the cached layers"):
        cached._picture()
    half["disable"].setValue(True)
    assert layers_of(cached._picture(), 3).any()


def moved_to_even(plate):
    """Halves need whole pixels."""
    path = plate._host.file_name(plate["file"])
    picture = read_exr(path, "plate")
    write_exr(Path(path), picture.within((-4, -2, 32, 28)), list(picture.channels))
    return plate


@pytest.mark.parametrize(
    ("management", "config", "space", "expected"),
    [
        ("Nuke", "nuke-default", "linear", "lin_rec709"),
        ("OCIO", "aces_1.2", "scene_linear", "acescg"),
        ("OCIO", "custom", "ACES - ACEScg", "acescg"),
        ("Nuke", "nuke-default", "sRGB", "srgb"),
        ("OCIO", "custom", "ACES - ACES2065-1", "lin_rec709"),
    ],
)
def test_a_new_node_works_in_the_scripts_space(host, plugin: Path, management, config, space, expected) -> None:
    import nuke

    nuke.pluginAddPath(str(plugin))
    module("callbacks").register()
    for name, value in (("colorManagement", management), ("OCIO_config", config), ("workingSpaceLUT", space)):
        nuke.root()[name].setValue(value)
    node = nuke.createNode("SoftColorSegment")
    assert node["working_space"].value() == expected
    module("callbacks").update(node)
    warned = "the working space is" in node["status"].value()
    assert warned == (space == "ACES - ACES2065-1")
    node["working_space"].setValue("acescg" if expected == "srgb" else "srgb")
    assert "the working space is" in node["status"].value()


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        ("ACEScg", "acescg"),
        ("'lin_ap1'  # for all shows", "acescg"),
        ("lin_srgb", "lin_rec709"),
        ("Utility - Linear - sRGB", "lin_rec709"),
        ("ARRI LogC4", None),
    ],
)
@pytest.mark.parametrize("by", ["the project", "the environment"])
def test_a_studios_own_config_is_read(host, plugin: Path, tmp_path: Path, monkeypatch, space, expected, by) -> None:
    import nuke

    nuke.pluginAddPath(str(plugin))
    config = tmp_path / "studio show.ocio"
    config.write_text(f"ocio_profile_version: 2\nroles:\n  default: raw\n  scene_linear: {space}\ndisplays:\n")
    root = nuke.root()
    for name, value in (("colorManagement", "OCIO"), ("OCIO_config", "custom"), ("workingSpaceLUT", "scene_linear")):
        root[name].setValue(value)
    if by == "the project":
        root["customOCIOConfigPath"].setValue(config.as_posix())
    else:
        monkeypatch.setenv("OCIO", str(config))
    found = module("first_contact").script_space
    assert found() == expected
    config.write_text("roles:\n  scene_linear: ACES - ACEScg\n# changed\n")
    assert found() == "acescg"
    config.unlink()
    assert found() is None


def test_no_expression_has_a_plus_with_nothing_before_it() -> None:
    text = (ROOT / "nuke_plugin" / "SoftColorSegment.gizmo").read_text(encoding="utf-8")
    assert re.findall(r"[(,?:=<>&|*/]\s*\+", text.replace("e.+-", "")) == []


# The first minute


def test_a_new_node_has_a_place_and_a_range(host, plugin: Path, tmp_path: Path) -> None:
    import nuke

    nuke.pluginAddPath(str(plugin))
    module("callbacks").register()
    nuke.root()["last_frame"].setValue(250)
    unsaved = nuke.createNode("SoftColorSegment")
    assert unsaved["cache_file"].value() == "" and unsaved["last_frame"].value() == 250
    nuke.scriptSaveAs(str(tmp_path / "[a] comp_v001.nk"))
    Evaluator(host)
    (read,) = host.load("Read {\n inputs 0\n file_type exr\n file /p.%04d.exr\n first 1001\n last 1009\n}\n")
    read.selectOnly()
    node = nuke.createNode("SoftColorSegment")
    assert (node["first_frame"].value(), node["last_frame"].value()) == (1001, 1009)
    expected = tmp_path / "softcolor" / "[a] comp_v001" / node.name() / "layers.%04d.exr"
    assert module("render").cache_template(node) == expected.as_posix()
    node.selectOnly()
    nuke.nodeCopy(str(tmp_path / "clip.nk"))
    copy = nuke.nodePaste(str(tmp_path / "clip.nk"))
    assert module("render").cache_template(copy) != module("render").cache_template(node)


def test_the_range_is_taken_from_the_input(cached, host) -> None:
    import nuke

    module("buttons").set_range(cached)
    assert (cached["first_frame"].value(), cached["last_frame"].value()) == (1001, 1009)
    nuke.Undo.undo()
    assert cached["last_frame"].value() == 1002


def test_missing_frames_can_be_the_image(cached, host, tmp_path: Path) -> None:
    cached["missing_frames"].setValue("bypass")
    cached["last_frame"].setValue(1003)
    (tmp_path / "layers.1002.exr").unlink()
    assert layers_of(cached._picture(), 3).any()
    write_plate(tmp_path / "plate.1004.exr")
    for frame in (1002, 1004):
        with host.at(frame):
            assert cached._picture().channels.keys() == cached.input(0)._picture().channels.keys()
    cached["smoothing"].setValue(3)
    with pytest.raises(PictureError, match="Smoothing"):
        cached._picture()


@pytest.mark.slow
def test_frames_that_are_there_are_not_rendered_again(made, host, tmp_path: Path) -> None:
    buttons = module("buttons")
    buttons.render(made)
    first = {path: path.stat().st_mtime_ns for path in tmp_path.glob("Eb*/*")}
    buttons.render(made)
    assert "all frames are rendered" in host.messages[-1][1]
    write_plate(tmp_path / "plate.1002.exr", seed=99)
    buttons.check_status(made)
    assert "1 of 2 frames must be rendered" in host.messages[-1][1]
    buttons.render(made)
    assert [path.name for path, when in first.items() if path.stat().st_mtime_ns != when] == ["layers.1002.exr"]
    made["only_missing"].setValue(False)
    buttons.render(made)
    assert all(path.stat().st_mtime_ns != when for path, when in first.items())


# What the node says of itself, and what it costs


def test_words_are_not_saved_and_change_no_script(cached, host, tmp_path: Path) -> None:
    import nuke

    module("callbacks").register()
    cached["smoothing"].setValue(4)
    nuke.modified(False)
    for frame in (1001, 1002, 1003):
        host.frame_now = frame
        host.idle()
        assert cached["status"].value() and not nuke.modified()
    words = cached["status"].value()
    cached["status"].clearFlag(nuke.DO_NOT_WRITE)  # as if Nuke did not heed it
    nuke.scriptSaveAs(str(tmp_path / "comp.nk"))
    assert words not in (tmp_path / "comp.nk").read_text()
    host.idle()
    assert cached["status"].value() == words


def test_the_image_is_compared_a_moment_after_the_last_change(cached, host) -> None:
    grade = changed(cached)
    host.idle()
    assert cached["status"].value() == "cached"
    host.pump_until(lambda: "image changed" in cached["status"].value())
    host.idle()
    assert "image changed" in cached["status"].value()
    grade["disable"].setValue(True)
    host.idle()
    host.pump_until(lambda: cached["status"].value() == "cached")


def test_what_changes_no_pixel_is_no_change(cached, host) -> None:
    import nuke

    def before() -> str:
        return module("upstream").state(cached, module("render").state_flags())

    plate, first = nuke.toNode("Plate"), before()
    for knob, value in (("on_error", "black"), ("localizationPolicy", "off"), ("last", 1050), ("origlast", 1050)):
        plate[knob].setValue(value)
        assert before() == first, knob
    for cls in ("Dot", "NoOp", "Grade", "Blur"):
        between = nuke.createNode(cls)
        if cls in ("Grade", "Blur"):
            between["disable"].setValue(True)
        between.setInput(0, cached.input(0))
        cached.setInput(0, between)
        assert before() == first, cls
    between["disable"].setValue(False)
    assert before() != first
    between["disable"].setExpression("frame>1001")
    assert before() != first
    roto = nuke.createNode("Roto")
    roto.setInput(0, None)
    cached.setInput(0, roto)
    second = before()
    roto["toolbox"].setValue("brush { size 40 }")
    assert before() == second != first
    roto["curves"].setValue("shape")
    assert before() != second


def test_files_are_read_only_where_time_or_size_differ(cached, monkeypatch: pytest.MonkeyPatch) -> None:
    upstream = module("upstream")
    hashed: list[Path] = []
    monkeypatch.setattr(upstream, "file_identity", lambda file: hashed.append(file) or "1" * 64)
    upstream._known.clear()
    assert module("callbacks").state(cached, 1001, "main", sure=True) == "" and hashed == []
    write_plate(Path(upstream.file_of(cached.input(0), 1001, "main")), seed=99)
    assert "image's file changed" in module("callbacks").state(cached, 1001, "main", sure=True) and len(hashed) == 1


def test_idle_costs_little_whatever_lies_before(cached, host) -> None:
    """No node above is asked, and the header is read once: what updateUI does does not grow with the script."""
    import nuke

    last = cached.input(0)
    for _ in range(500):
        grade = nuke.nodes.Grade()
        grade.setInput(0, last)
        last = grade
    cached.setInput(0, last)
    callbacks, upstream, exr = (module(name) for name in ("callbacks", "upstream", "exr"))
    callbacks.update(cached)
    asked: list[object] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(upstream, "_inputs", lambda node: asked.append(node) or [])
        patch.setattr(exr.exr_header, "read_header", lambda name: asked.append(name) or {})
        for _ in range(20):
            callbacks.update(cached)
        callbacks.knob_changed(cached, cached["name1"])
    assert asked == []


def test_pick_averages_a_box(cached, host) -> None:
    import nuke

    for index, value in enumerate((12, 3, 17, 7)):
        cached["pick_box"].setValue(value, index)
    steps = nuke.Undo.undoSize()
    cached["pick3"].execute()
    picture = cached.input(0)._picture().within((12, 3, 17, 7))
    expected = [picture.channels[f"rgba.{one}"].mean() / picture.channels["rgba.alpha"].mean() for one in CHANNELS[:3]]
    np.testing.assert_allclose(cached["color3"].value(), np.clip(expected, 0, 1), atol=1e-6)
    assert nuke.Undo.undoSize() == steps + 1 and host.messages == []
    for box, said in (((12, 3, 12, 7), "is empty"), ((500, 500, 510, 510), "is transparent")):
        for index, value in enumerate(box):
            cached["pick_box"].setValue(value, index)
        module("buttons").pick(cached, 3)
        assert said in host.messages[-1][1]


def test_the_mask_has_a_channel_of_its_own(cached, host, tmp_path: Path) -> None:
    """Any channel of the mask input, whatever the mask's format is."""
    import nuke

    nuke.Layer("mattes", ["mattes.hero"])
    mask = nuke.createNode("Expression")
    added = nuke.createNode("AddChannels")
    added.setInput(0, nuke.toNode("Plate"))
    added["channels"].setValue("mattes")
    mask.setInput(0, added)
    mask["channel0"].setValue("mattes.hero")
    mask["expr0"].setValue("x/100")
    cached.setInput(1, mask)
    cached["mask_from"].setValue("mattes.hero")
    file = module("render")._capture(cached, "CaptureMask", tmp_path / "mask.exr", 1001, "main")
    found, plate = read_exr(str(file), "mask"), cached.input(0)._picture()
    assert (found.format, found.box) == (plate.format, plate.box)
    np.testing.assert_allclose(found.channels["rgba.red"][0], (np.arange(WIDTH) + LEFT) / 100, atol=1e-6)


# Layers out of the node


def test_a_matte_of_layers_becomes_the_alpha(cached) -> None:
    layers, plain = layers_of(cached._picture(), 3), cached._picture()
    cached["matte_layers"].setValue("1 3")
    found = cached._picture()
    np.testing.assert_allclose(found.channels["rgba.alpha"], layers[0, ..., 3] + layers[2, ..., 3], rtol=1e-6)
    for name in ("rgba.red", "rgba.green", "rgba.blue", "softcolor2.alpha"):
        np.testing.assert_array_equal(found.channels[name], plain.channels[name])
    cached["layer_prefix"].setValue("hero")
    cached["name1"].setValue("blue sky!")
    cached["color_names"].setValue(True)
    module("buttons").rename_layers(cached)
    renamed = cached._picture().channels
    assert {one.split(".")[0] for one in renamed} == {"rgba", "hero1_blue_sky", "hero2", "hero3"}
    np.testing.assert_array_equal(renamed["hero1_blue_sky.red"], plain.channels["softcolor1.red"])
    np.testing.assert_array_equal(renamed["rgba.alpha"], found.channels["rgba.alpha"])
    cached["colors"].setValue(4)
    assert module("layer_names").names_of(cached) == ["hero1_blue_sky", "hero2", "hero3", "hero4"]


@pytest.mark.parametrize("color", ["premultiplied", "straight"])
def test_exported_layers_add_up(cached, host, color: str) -> None:
    import nuke

    cached["layer_color"].setValue(color)
    cached["name2"].setValue("sky")
    module("buttons").export_layers(cached)
    kinds = [node.Class() for node in host.root.nodes()]
    assert (kinds.count("Shuffle2"), kinds.count("Grade"), kinds.count("Merge2")) == (3, 3, 2)
    (backdrop,) = (node for node in host.root.nodes() if node.Class() == "BackdropNode")
    assert "sky" in backdrop["label"].value()
    last = next(node for node in host.root.nodes() if node.Class() == "Merge2")
    cached["layer_color"].setValue("premultiplied")
    total = layers_of(cached._picture(), 3).sum(axis=0)
    cached["layer_color"].setValue(color)
    for index, name in enumerate(CHANNELS):
        np.testing.assert_allclose(last._picture().channels[f"rgba.{name}"], total[..., index], rtol=1e-5, atol=1e-5)
    nuke.toNode("Grade1")["multiply"].setValue(0.0)
    assert not np.allclose(last._picture().channels["rgba.red"], total[..., 0])


def test_settings_come_back_from_a_file(cached, host, tmp_path: Path) -> None:
    import nuke

    cached["smoothing"].setValue(4)
    cached["layer_gain2"].setValue(1.5)
    cached["use_mask"].setValue(True)
    cached["mask_mode"].setValue("split")
    cached["mask_layers"].setValue("3 1")
    cached["name2"].setValue("sky")
    cached["working_space"].setValue("acescg")
    fill(cached, tmp_path / "layers.1001.exr", 1001)
    wanted = module("settings").of_node(cached, 1001)
    fresh = nuke.createNode("SoftColorSegment")
    fresh["cache_file"].setValue((tmp_path / "layers.%04d.exr").as_posix())
    fresh["first_frame"].setValue(1001)
    fresh["last_frame"].setValue(1002)
    steps = nuke.Undo.undoSize()
    module("buttons").read_from_cache(fresh)
    assert host.messages == []
    found = module("settings").of_node(fresh, 1001)
    assert (found.layers, found.mask) == (wanted.layers, wanted.mask)
    assert found.scalars == pytest.approx(wanted.scalars)
    assert module("settings").difference(found, module("exr").read_header(tmp_path / "layers.1001.exr")) == ""
    assert fresh["name2"].value() == "sky" and fresh["colors"].value() == 3 and nuke.Undo.undoSize() == steps + 1


def test_headers_are_read_again_when_they_change(plugin: Path, tmp_path: Path) -> None:
    window, values = Window(0, 0, WIDTH, HEIGHT), np.zeros((1, HEIGHT, WIDTH, 4), np.float32)
    for text in ("a", "b" * (1 << 17)):  # longer than what is read first
        write_layers(tmp_path / "a.exr", values, {"softcolor:x": text}, window, window)
        assert module("exr").read_header(tmp_path / "a.exr")["softcolor:x"] == text
        time.sleep(0.01)
