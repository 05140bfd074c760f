"""The whole way: an image into the node, Render, the engine's process, EXR files, and the layers out of the node."""

from __future__ import annotations

import importlib.util
import json
import subprocess
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest
from evaluator import PictureError
from plug_in import CHANNELS, HEIGHT, LEFT, TOP, WIDTH, layers_of, module, nuke_program, render, write_plate

pytestmark = pytest.mark.slow


def test_the_layers_add_up_to_the_plate_and_the_plate_is_untouched(made, tmp_path: Path) -> None:
    render(made)
    plate, found = made.input(0)._picture(), made._picture()
    assert set(found.channels) == set(plate.channels) | {f"softcolor{n}.{c}" for n in (1, 2, 3) for c in CHANNELS}
    for name, values in plate.channels.items():
        np.testing.assert_array_equal(found.channels[name], values)
    assert found.box == plate.box
    total = layers_of(found, 3).sum(axis=0)
    expected = np.stack([plate.channels[f"rgba.{one}"] for one in CHANNELS], -1)
    assert expected.max() > 10
    np.testing.assert_allclose(total, expected, rtol=2e-6, atol=2e-6)


def test_the_layers_are_those_of_the_command_line(made, tmp_path: Path, engine_python) -> None:
    """The Write inside the node keeps pixels, so the command line on the plate gives the same layers and settings."""
    render(made)
    palette = tmp_path / "palette.json"
    module("fscs.palette_codec").write_palette(str(palette), module("settings").palette_of(made, 1001))
    ours, theirs = tmp_path / "Ebène 1" / "layers.1001.exr", tmp_path / "theirs.exr"
    command = [str(engine_python), "-I", "-m", "fscs_engine", "segment", str(tmp_path / "plate.1001.exr")]
    command += ["--palette", str(palette), "-o", str(theirs), "--device", "cpu"]
    subprocess.run(command, check=True, capture_output=True)
    header = module("exr").read_header
    for name in ("palette", "parameters", "model", "working_space", "version"):
        assert header(ours)[f"softcolor:{name}"] == header(theirs)[f"softcolor:{name}"]
    first = made._picture()
    made["cache_file"].setValue(theirs.as_posix())
    np.testing.assert_array_equal(layers_of(made._picture(), 3), layers_of(first, 3))


def test_rendering_is_no_change_of_the_script(made, monkeypatch) -> None:
    import nuke

    nuke.root().setModified(False)
    during, execute = [], nuke.execute

    def executed(*arguments: object, **keywords: object) -> None:
        during.append(set(module("render").capturing))
        execute(*arguments, **keywords)

    monkeypatch.setitem(nuke.__dict__, "execute", executed)
    render(made)
    assert not nuke.root().modified()
    assert during and all(found == {made.fullName()} for found in during)
    assert not module("render").capturing


def test_what_was_saved_while_an_image_was_written_is_put_away(made, host) -> None:
    write = made.node("CapturePlate")
    write["file"].setValue("/tmp/softcolor-nuke-gone/plate.exr")
    write["disable"].setValue(False)
    text = host.text()
    host.clear()
    host.load(text)
    import nuke

    module("callbacks").created(nuke.toNode(made.fullName()))
    write = nuke.toNode(made.fullName() + ".CapturePlate")
    assert write["disable"].value() and not write["file"].value()


def test_masks_of_the_command_line_are_checked(made, tmp_path: Path, engine_python) -> None:
    palette = tmp_path / "palette.json"
    module("fscs.palette_codec").write_palette(str(palette), module("settings").palette_of(made, 1001))
    mask = oiio.ImageBuf(oiio.ImageSpec(WIDTH, HEIGHT, 1, "float"))
    assert oiio.ImageBufAlgo.fill(mask, (0.5,)) and mask.write(str(tmp_path / "mask.tif"))
    command = [str(engine_python), "-I", "-m", "fscs_engine", "segment", str(tmp_path / "plate.1001.exr")]
    command += ["--palette", str(palette), "-o", str(tmp_path / "masked.exr"), "--device", "cpu"]
    subprocess.run(
        [*command, "--mask", str(tmp_path / "mask.tif"), "--mask-mode", "limit:1,3"], check=True, capture_output=True
    )
    made["cache_file"].setValue((tmp_path / "masked.exr").as_posix())
    with pytest.raises(PictureError, match="mask's settings changed"):
        made._picture()
    made["use_mask"].setValue(True)
    made["mask_layers"].setValue("1 3")
    assert layers_of(made._picture(), 3).shape == (3, HEIGHT, WIDTH, 4)
    header = module("exr").read_header(tmp_path / "masked.exr")
    assert module("settings").difference(module("settings").of_node(made, 1001), header) == ""


def test_equal_work_gives_equal_files(made, tmp_path: Path) -> None:
    """The key is of the pixels that were captured, not of the file that they were captured in."""
    render(made)
    file = tmp_path / "Ebène 1" / "layers.1001.exr"
    before = file.read_bytes()
    render(made)
    assert file.read_bytes() == before


def test_a_plate_without_alpha_is_opaque(made, tmp_path: Path) -> None:
    write_plate(tmp_path / "plate.1001.exr", "RGB")
    render(made)
    np.testing.assert_allclose(layers_of(made._picture(), 3)[..., 3].sum(axis=0), 1, atol=2e-6)


def test_views_show_what_they_say(made) -> None:
    render(made)
    plain = made._picture()
    layers = layers_of(plain, 3)
    made["view"].setValue("recomposition")
    shown = made._picture()
    for index, name in enumerate(CHANNELS):
        np.testing.assert_allclose(shown.channels[f"rgba.{name}"], layers[..., index].sum(axis=0), rtol=1e-6, atol=1e-6)
    made["view"].setValue("one layer")
    made["view_layer"].setValue(2)
    np.testing.assert_array_equal(made._picture().channels["rgba.green"], layers[1, ..., 1])
    made["view"].setValue("error")
    assert np.abs(made._picture().channels["rgba.red"]).max() < 1e-3
    made["view"].setValue("layers")
    made["layer_color"].setValue("straight")
    straight = layers_of(made._picture(), 3)
    np.testing.assert_allclose(straight[..., :3] * straight[..., 3:], layers[..., :3], rtol=1e-5, atol=1e-5)
    made["remove_other"].setValue(True)
    assert "depth.Z" not in made._picture().channels and "rgba.red" in made._picture().channels


def test_layers_take_the_names_that_are_asked_for(made) -> None:
    render(made)
    before = layers_of(made._picture(), 3)
    made["layer_prefix"].setValue("hero")
    module("buttons").rename_layers(made)
    found = made._picture()
    assert "hero3.alpha" in found.channels and not [name for name in found.channels if name.startswith("softcolor")]
    np.testing.assert_array_equal(found.channels["hero2.blue"], before[1, ..., 2])
    made["view"].setValue("one layer")
    made["view_layer"].setValue(3)
    np.testing.assert_array_equal(made._picture().channels["rgba.red"], before[2, ..., 0])
    made["view"].setValue("layers")
    made["layer_color"].setValue("straight")
    straight = made._picture().channels
    np.testing.assert_allclose(straight["hero1.red"] * straight["hero1.alpha"], before[0, ..., 0], rtol=1e-5, atol=1e-5)
    text = made._host.text()
    assert "add_layer {hero3 " in text and "hero4" not in text and "softcolor4" not in text
    made["layer_prefix"].setValue("villain")
    module("buttons").rename_layers(made)
    assert "hero" not in made._host.text().replace("layer_prefix hero", "")
    for wrong in ("", "a b", "1a", "a.b"):
        with pytest.raises(module("fscs.protocol").WorkerError, match="begin with a letter"):
            module("layer_names").rename(made, wrong)


def test_a_changed_knob_is_an_error_and_not_an_old_picture(made) -> None:
    render(made)
    made["color2"].setValue(0.9, 0)
    with pytest.raises(PictureError, match="palette changed since the layers were rendered"):
        made._picture()
    made["mode"].setValue("Bypass")
    assert set(made._picture().channels) == set(made.input(0)._picture().channels)
    made["mode"].setValue("Live")
    made["colors"].setValue(9)
    with pytest.raises(PictureError, match="at most 8 colors"):
        made._picture()


def test_animated_controls_are_those_of_their_frame(made, host) -> None:
    for frame, gain in ((1001, 0.5), (1002, 2.0)):
        made["layer_gain2"].setValueAt(gain, frame)
    module("buttons").render(made)
    for frame in (1001, 1002):
        with host.at(frame):
            assert module("callbacks").state(made, frame, "main", sure=True) == ""
            assert layers_of(made._picture(), 3).any()
    made["layer_gain2"].setValueAt(3.0, 1002)
    assert module("callbacks").state(made, 1001, "main") == ""
    assert "Gain of layer 2 changed" in module("callbacks").state(made, 1002, "main")


def test_files_that_others_write_are_read_again(made, tmp_path: Path) -> None:
    """The command line or a farm fills the cache while the script is open."""
    import nuke

    update, version = module("callbacks").update, made.node("Cache")["version"]
    render(made)
    file = tmp_path / "Ebène 1" / "layers.1001.exr"
    first = file.read_bytes()
    update(made)
    seen = version.value()
    for change in (lambda: file.write_bytes(first + b"\0"), file.unlink, lambda: file.write_bytes(first)):
        change()
        update(made)
        update(made)
        seen += 1
        assert version.value() == seen
    write = nuke.createNode("Write")
    write.setInput(0, made.input(0))
    write["file_type"].setValue("exr")
    write["file"].setValue((tmp_path / "out.exr").as_posix())
    write["raw"].setValue(True)
    nuke.addBeforeFrameRender(lambda: update(made))  # Nuke draws its windows meanwhile
    file.unlink()
    nuke.execute(write, 1001, 1001)
    assert version.value() == seen  # no knob turns while Nuke renders
    update(made)
    assert version.value() == seen + 1
    made["mode"].setValue("Bypass")
    file.write_bytes(first)
    update(made)
    assert version.value() == seen + 1


def test_a_missing_frame_is_an_error(made, host) -> None:
    render(made)
    with host.at(1002), pytest.raises(PictureError, match="Cache"):
        made._picture()


def test_a_render_below_ends_where_layers_are_missing_or_the_plate_changed(made, tmp_path: Path) -> None:
    import nuke

    module("callbacks").register()
    grade = nuke.createNode("Expression")
    grade.setInput(0, nuke.toNode("Plate"))
    made.setInput(0, grade)
    render(made)
    write = nuke.createNode("Write")
    write.setInput(0, made)
    write["file_type"].setValue("exr")
    write["file"].setValue((tmp_path / "out.%04d.exr").as_posix())
    write["raw"].setValue(True)
    nuke.execute(write, 1001, 1001)
    assert (tmp_path / "out.1001.exr").is_file()
    with pytest.raises(RuntimeError, match="Cache: .*layers.1002.exr"):
        nuke.execute(write, 1002, 1002)
    grade["expr0"].setValue("r*0.5")
    with pytest.raises(RuntimeError, match="image changed since"):
        nuke.execute(write, 1001, 1001)
    render(made, [1002])  # one frame anew says nothing of the others
    nuke.execute(write, 1002, 1002)
    with pytest.raises(RuntimeError, match="frame 1001: the image changed since"):
        nuke.execute(write, 1001, 1001)


def test_a_mask_limits_its_layer(made, host, tmp_path: Path) -> None:
    import nuke

    mask = np.zeros((HEIGHT, WIDTH // 2, 4), np.float32)
    mask[..., 3] = 1
    spec = oiio.ImageSpec(WIDTH // 2, HEIGHT, 4, "float")
    spec.x, spec.y, spec.full_width, spec.full_height = LEFT + WIDTH // 2, TOP, 30, 28
    output = oiio.ImageOutput.create(str(tmp_path / "mask.exr"))
    assert output.open(str(tmp_path / "mask.exr"), spec) and output.write_image(mask) and output.close()
    path = (tmp_path / "mask.exr").as_posix()
    host.load(f"Read {{\n inputs 0\n file_type exr\n file {path}\n raw true\n name Matte\n}}\n")
    made.setInput(1, nuke.toNode("Matte"))
    made["use_mask"].setValue(True)
    made["mask_layers"].setValue("2")
    render(made)
    alphas = layers_of(made._picture(), 3)[..., 3]
    assert np.abs(alphas[1, :, : WIDTH // 2]).max() == 0 and alphas[1].max() > 0.1
    made["mask_layers"].setValue("1")
    with pytest.raises(PictureError, match="mask's settings changed"):
        made._picture()


def test_auto_palette_keeps_what_is_locked(made) -> None:
    made["lock2"].setValue(True)
    for index, value in enumerate((0.9, 0.0, 0.4)):
        made["color2"].setValue(value, index)
    module("buttons").auto_palette(made)
    np.testing.assert_allclose(made["color1"].value(), (0.9, 0.0, 0.4), atol=1e-6)
    assert made["lock1"].value() and not made["lock2"].value() and made["colors"].value() == 3


def test_a_preset_sets_the_knobs_it_names(made, host, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("FSCS_PRESETS", str(tmp_path / "presets"))
    module("buttons").load_preset(made)
    assert "there are no presets yet" in host.messages[-1][1]
    (tmp_path / "presets").mkdir()
    text = 'version = 1\nsmoothing = 4\ncolors = 5\nworking_space = "auto"\n[layer_gain]\n2 = 1.5\n'
    (tmp_path / "presets" / "warm.toml").write_text(text)
    host.answers.append(0)
    module("buttons").load_preset(made)
    assert (made["smoothing"].value(), made["colors"].value(), made["layer_gain2"].value()) == (4, 5, 1.5)
    assert made["working_space"].value() == "lin_rec709"


def test_cancel_leaves_whole_frames_and_the_next_render_works(made, tmp_path: Path) -> None:
    asked: list[int] = []

    def cancelled() -> bool:
        asked.append(1)
        return (tmp_path / "Ebène 1" / "layers.1001.exr").exists()

    error = module("fscs.protocol").WorkerError
    with pytest.raises(error) as caught:
        module("render").render(made, [1001, 1002], ["main"], lambda *_: None, cancelled)
    assert caught.value.code == "cancelled" and asked
    assert [entry.name for entry in (tmp_path / "Ebène 1").iterdir()] == ["layers.1001.exr"]
    render(made, [1002])
    assert (tmp_path / "Ebène 1" / "layers.1002.exr").is_file()


def test_the_button_shows_progress_and_is_cancelled(made, host, tmp_path: Path) -> None:
    module("buttons").render(made)
    (task,) = host.tasks
    assert task._percent == sorted(task._percent) and task._percent[-1] == 100
    assert {"frame 1001", "frame 1002"} == set(task._messages)
    for file in tmp_path.glob("Eb*/*"):
        file.unlink()
    host.cancel_progress = lambda task: "frame 1002" in task._messages
    module("buttons").render(made)
    assert [path.name for path in tmp_path.glob("Eb*/*")] == ["layers.1001.exr"]
    assert host.messages == []  # who cancels knows


def test_clear_deletes_only_layers(made, host, tmp_path: Path) -> None:
    render(made, [1001])
    write_plate(tmp_path / "Ebène 1" / "layers.1002.exr")
    host.answers.append(True)
    module("buttons").clear(made)
    assert "Delete 1 cache files" in host.messages[-1][1]
    assert [path.name for path in tmp_path.glob("Eb*/*")] == ["layers.1002.exr"]
    made["last_frame"].setValue(1001)
    module("buttons").clear(made)
    assert "no cache files" in host.messages[-1][1]


def test_clear_says_what_it_can_not_delete(made, host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    render(made, [1001])
    (tmp_path / "Ebène 1" / "layers.1002.exr").write_bytes(b"damaged")

    def refused(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "unlink", refused)
    host.answers.append(True)
    module("buttons").clear(made)
    assert (
        "layers.1001.exr can't be deleted (Permission denied): close the programs that use it" in host.messages[-1][1]
    )
    monkeypatch.undo()


def test_proxy_mode_is_left_for_the_render_and_comes_back(made, host) -> None:
    import nuke

    nuke.root()["proxy"].setValue(True)
    render(made)
    assert nuke.root()["proxy"].value()
    nuke.root()["proxy"].setValue(False)
    assert layers_of(made._picture(), 3).shape == (3, HEIGHT, WIDTH, 4)


def test_layers_add_up_at_proxy_size(made, host, tmp_path: Path) -> None:
    moved = oiio.ImageBuf(str(tmp_path / "plate.1001.exr"))
    moved.read(0, 0, True)
    moved.specmod().x = LEFT - 1  # so that the proxy's pixels are whole ones of the plate
    assert moved.write(str(tmp_path / "plate.1001.exr"))
    render(made)
    host.root["proxy_type"].setValue("scale")
    host.root["proxy"].setValue(True)
    plate, found = made.input(0)._picture(), made._picture()
    assert found.box == plate.box and plate.shape == (HEIGHT // 2, WIDTH // 2)
    expected = np.stack([plate.channels[f"rgba.{one}"] for one in CHANNELS], -1)
    np.testing.assert_allclose(layers_of(found, 3).sum(axis=0), expected, rtol=2e-6, atol=2e-6)
    assert module("callbacks").state(made, 1001, "main", sure=True) == ""


def test_the_batch_script_fills_the_cache(made, host, with_engine: Path, tmp_path: Path, capsys) -> None:
    script = tmp_path / "comp.nk"
    script.write_text(host.text(), encoding="utf-8")
    spec = importlib.util.spec_from_file_location("softcolor_batch", with_engine / "softcolor_batch.py")
    assert spec is not None and spec.loader is not None
    batch = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(batch)
    assert batch.main([str(script), made.name(), "--frames=1001-1002"]) == 0
    assert sorted(entry.name for entry in (tmp_path / "Ebène 1").iterdir()) == ["layers.1001.exr", "layers.1002.exr"]
    assert "2 frames done" in capsys.readouterr().out
    assert batch.main([str(script), "Plate", "1001"]) == 2
    assert "no Soft Color Segment node Plate" in capsys.readouterr().err
    assert batch.main([]) == 2


def test_the_selftest_tries_every_row(
    made, host, plugin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it says in a real Nuke is for those who have one; here every row must come to a result."""
    import nuke

    plate = np.random.default_rng(2).random((90, 120, 4)).astype(np.float32)
    plate[..., 3] = 1
    spec = oiio.ImageSpec(120, 90, 4, "float")
    output = oiio.ImageOutput.create(str(tmp_path / "noise.exr"))
    assert output.open(str(tmp_path / "noise.exr"), spec) and output.write_image(plate) and output.close()
    spec = importlib.util.spec_from_file_location("softcolor_selftest", plugin / "softcolor_selftest.py")
    assert spec is not None and spec.loader is not None
    selftest = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(selftest)

    def image() -> object:
        path = (tmp_path / "noise.exr").as_posix()
        (node,) = host.load(f"Read {{\n inputs 0\n file_type exr\n file {path}\n raw true\n name Noise\n}}\n")
        return node

    monkeypatch.setattr(selftest, "image", image)
    monkeypatch.setitem(nuke.__dict__, "EXE_PATH", str(nuke_program(tmp_path)))
    nuke.scriptClear()
    assert selftest.main([str(tmp_path / "report.json")]) == 0, (tmp_path / "report.json").read_text()
    rows = json.loads((tmp_path / "report.json").read_text())["rows"]
    assert [row["row"] for row in rows if row["result"] != "ok"] == ["live_computes"]
    assert len(rows) > 12 and all(row["about"] for row in rows)
