"""Rendering with `nuke -x` on a machine without the plug-in, the batch line, and how the plug-in gets into Nuke."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import fake_nuke
import numpy as np
import OpenImageIO as oiio
import pytest
from evaluator import Evaluator, PictureError
from plug_in import fill_cache, module, node_over, write_plate


@pytest.fixture
def comp(host, plugin: Path, tmp_path: Path) -> str:
    """A comp as it is saved: a plate, the node with its files, and a Write of one layer below."""
    import nuke

    host.frame_now = 1001
    nuke.pluginAddPath(str(plugin))
    write_plate(tmp_path / "plate.1001.exr")
    write_plate(tmp_path / "plate.1002.exr")
    node = node_over(host, (tmp_path / "plate.%04d.exr").as_posix(), (tmp_path / "Ebène 1" / "l.%04d.exr").as_posix())
    fill_cache(node, tmp_path / "Ebène 1" / "l.1001.exr")
    node["view"].setValue("one layer")
    node["view_layer"].setValue(2)
    write = nuke.createNode("Write")
    write.setInput(0, node)
    write["file_type"].setValue("exr")
    write["datatype"].setValue("32 bit float")
    write["file"].setValue((tmp_path / "out.%04d.exr").as_posix())
    write["raw"].setValue(True)
    return host.text()


@pytest.fixture
def farm(comp: str, host, plugin: Path):
    """Another Nuke, without a window, where nothing of the plug-in is."""
    host.remove()
    sys.path[:] = [folder for folder in sys.path if Path(folder) != plugin]
    for name in [name for name in sys.modules if name.split(".")[0] == "softcolor_nuke"]:
        del sys.modules[name]
    assert importlib.util.find_spec("softcolor_nuke") is None
    made = fake_nuke.Host(gui=False).install()
    Evaluator(made)
    yield made
    made.remove()
    assert not [name for name in sys.modules if name.startswith("softcolor_nuke")]


def test_a_comp_renders_from_its_files_without_the_plugin(comp: str, farm, tmp_path: Path) -> None:
    farm.load(comp)
    farm.module.execute("Write1", 1001, 1001)
    found = oiio.ImageBuf(str(tmp_path / "out.1001.exr")).get_pixels(oiio.FLOAT)
    expected = oiio.ImageBuf(str(tmp_path / "Ebène 1" / "l.1001.exr"), 1, 0)  # the part of the second layer
    channels = [expected.spec().channelnames.index(f"softcolor2.{one}") for one in "RGB"]
    np.testing.assert_array_equal(found[..., :3], expected.get_pixels(oiio.FLOAT)[..., channels])


def test_the_render_ends_without_the_plugin_where_a_frame_is_missing(comp: str, farm, tmp_path: Path) -> None:
    farm.load(comp)
    with pytest.raises(RuntimeError, match="Cache"):
        farm.module.execute("Write1", 1002, 1002)
    assert not (tmp_path / "out.1002.exr").exists()


@pytest.mark.parametrize(
    ("knob", "value", "said"),
    [
        ("smoothing", 4, "Smoothing"),
        ("layer_gain2", 2.0, "gain"),
        ("colors", 5, "more colors than layers inside"),
        ("colors", 2, "number of colors"),
    ],
)
def test_the_render_ends_without_the_plugin_where_settings_changed(
    comp: str, farm, tmp_path: Path, knob: str, value: float, said: str
) -> None:
    farm.load(comp)
    farm.module.toNode("SoftColorSegment1")[knob].setValue(value)
    with pytest.raises(RuntimeError, match=f"{said}.*changed since|{said}"):
        farm.module.execute("Write1", 1001, 1001)
    assert not (tmp_path / "out.1001.exr").exists()


def test_buttons_say_that_the_plugin_is_missing(comp: str, farm) -> None:
    farm.load(comp)
    node = farm.module.toNode("SoftColorSegment1")
    for button in ("render", "auto_palette", "install_engine"):
        node[button].execute()
        assert "needs the Soft Color Segment plug-in" in farm.messages[-1][1]
    assert node["status"].value().strip() == ""  # no old words from where the comp was saved


def test_words_and_color_on_the_node(comp: str, host) -> None:
    import nuke

    node, callbacks = nuke.toNode("SoftColorSegment1"), module("callbacks")
    Evaluator(host)
    node["last_frame"].setValue(1002)
    steps, tile = nuke.Undo.undoSize(), 0xFF8800FF
    node["tile_color"].setValue(tile)
    nuke.modified(False)
    callbacks.update(node)
    assert node["label"].evaluate() == "Cached, 3 layers\ncached"
    assert not nuke.modified()
    node["smoothing"].setValue(4)
    assert "Smoothing Radius changed" in node["label"].evaluate()
    nuke.modified(False)
    host.frame_now = 1002
    callbacks.update(node)
    assert "frame 1002 is not rendered: press Render" in node["label"].evaluate()
    assert nuke.Undo.undoSize() == steps + 2  # those of the artist
    assert not nuke.modified() and node["tile_color"].value() == tile
    with pytest.raises(PictureError):
        node._picture()


def batch_of(plugin: Path):
    spec = importlib.util.spec_from_file_location("softcolor_batch", plugin / "softcolor_batch.py")
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


@pytest.mark.parametrize(
    ("line", "raw", "numbers"),
    [
        (["NODE", "1001-1100x50"], [], [1001, 1051]),
        (["NODE", "--frames=1003,1001"], [], [1001, 1003]),
        (["NODE", "-2--1"], [], [-2, -1]),
        (["NODE"], ["NODE", "-3-1"], [-3, -2, -1, 0, 1]),
        (["NODE"], ["NODE", "1005-1006"], [1005, 1006]),  # Nuke took the range for itself
        (["NODE"], ["NODE"], [1001, 1002]),  # that of the Cache tab
    ],
)
def test_the_batch_line(comp: str, host, plugin: Path, tmp_path: Path, monkeypatch, line, raw, numbers) -> None:
    import nuke

    batch, done = batch_of(plugin), []
    monkeypatch.setattr(batch.render, "render", lambda node, frames, views, *_: done.append((list(frames), views)))
    script = tmp_path / "comp.nk"
    script.write_text(comp, encoding="utf-8")
    named = ["SoftColorSegment1" if word == "NODE" else word for word in line]
    nuke.rawArgs[:] = ["-t", "softcolor_batch.py", str(script), *raw]
    assert batch.main([str(script), *named]) == 0
    assert done == [(numbers, ["main"])]


def test_a_batch_that_can_not_be_done(comp: str, host, plugin: Path, tmp_path: Path, capsys, monkeypatch) -> None:
    batch = batch_of(plugin)
    script = tmp_path / "comp.nk"
    script.write_text(comp, encoding="utf-8")
    assert batch.main([str(script), "SoftColorSegment1", "--frame=1001"]) == 2
    assert "is not a range of frames" in capsys.readouterr().err
    assert batch.main([str(script), "SoftColorSegment1", "1001", "--frame=1001"]) == 2
    assert batch.main([str(script), "--gpu"]) == 2
    assert "nuke -t softcolor_batch.py" in capsys.readouterr().err
    assert batch.main([str(script), "SoftColorSegment1", "9-1"]) == 2
    assert "write the first frame first" in capsys.readouterr().err
    assert batch.main([str(script), "SoftColorSegment1"]) == 1
    assert "Install Engine" in capsys.readouterr().err

    def cancelled(*_: object) -> None:
        raise batch.WorkerError("cancelled", "cancelled")

    monkeypatch.setattr(batch.render, "render", cancelled)
    assert batch.main([str(script), "SoftColorSegment1"]) == 130


@pytest.mark.parametrize("way", ["NUKE_PATH", "~/.nuke"])
def test_both_ways_to_install(host, package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    """Nuke runs the init.py and menu.py of each folder that it is told of."""
    import nuke

    def run(file: Path) -> None:
        exec(compile(file.read_text(encoding="utf-8"), str(file), "exec"), {"__file__": str(file)})  # noqa: S102

    monkeypatch.setattr(sys, "path", list(sys.path))
    if way == "NUKE_PATH":
        nuke.pluginAddPath(str(package))
    else:
        home = tmp_path / ".nuke"
        home.mkdir()
        (home / "softcolor").symlink_to(package, target_is_directory=True)
        (home / "init.py").write_text('import nuke\n\nnuke.pluginAddPath("./softcolor")\n', encoding="utf-8")
        run(home / "init.py")
    folder = Path(nuke.pluginPath()[0])
    run(folder / "init.py")
    run(folder / "menu.py")
    try:
        nuke.menu("Nodes").findItem("Color/Soft Color Segment").invoke()
        assert nuke.toNode("SoftColorSegment1")["colors"].value() == 7
        assert host.callbacks["BeforeFrameRender"]
    finally:
        for name in [name for name in sys.modules if name.split(".")[0] == "softcolor_nuke"]:
            del sys.modules[name]
