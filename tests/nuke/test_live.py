"""Mode Live of the gizmo, from its text to pixels, with the model that ``fscs export nuke`` writes.

The model is run by the PyTorch of these tests and, in a process of their own each, by those that are inside Nuke.
"""

from __future__ import annotations

import json
import runpy
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from evaluator import Cat, Evaluator, Picture, PictureError, Size, write_exr
from numpy.typing import NDArray

from fscs_engine.alpha.processing import AlphaProcessing
from fscs_engine.export import export, live_model
from fscs_engine.image import Image
from fscs_engine.palette.palette import Palette
from fscs_engine.segmenter import Segmenter

GIZMO = Path(__file__).resolve().parents[2] / "nuke_plugin" / "SoftColorSegment.gizmo"
COLORS = np.array([[0.02, 0.02, 0.03], [0.8, 0.75, 0.6], [0.6, 0.1, 0.05], [0.05, 0.3, 0.1], [0.1, 0.2, 0.6]])
"""Linear Rec.709, as the node's color knobs have it."""

SIZE = Size(48, 32)
BOX = (-4, -2, 52, 30)
"""More than the format on three sides, less on top."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("live")
    export.export_nuke("any-palette", folder)
    return folder


Model = Callable[[Mapping[str, float], NDArray[np.float32]], NDArray[np.float32]]
"""Runs the model: attributes and (1, 4, H, W) → (1, 16, H, W)."""

HERE = "here"
in_every_library = pytest.mark.parametrize(
    "library", [HERE, *(pytest.param(one, marks=pytest.mark.slow) for one in ("1.12.1", "2.1.1"))], indirect=True
)

SERVER = """
import json
import sys
import numpy
import torch
torch.set_num_threads(1)
torch._C._jit_set_texpr_fuser_enabled(False)
model = torch.jit.load(sys.argv[1])
print(torch.__version__, flush=True)
for line in sys.stdin:
    asked = json.loads(line)
    for name, value in asked["attributes"].items():
        setattr(model, name, value)
    with torch.no_grad():
        numpy.save(asked["found"], model(torch.from_numpy(numpy.load(asked["image"]))).numpy())
    print("done", flush=True)
"""
"""Compiles nothing: PyTorch 1.12 takes half a minute for every number of colors. Other tests of the model let it."""


@pytest.fixture(scope="module")
def library(
    request: pytest.FixtureRequest, files: Path, nuke_torch: Callable[[str], str], tmp_path_factory
) -> Iterator[Model]:
    """The model in the PyTorch of the parameter; in that of these tests without one."""
    version = getattr(request, "param", HERE)
    if version == HERE:
        yield loaded(files / export.NUKE_MODEL)
        return
    folder = tmp_path_factory.mktemp(version)
    with (folder / "log.txt").open("w+", encoding="utf-8") as log:
        process = subprocess.Popen(
            [nuke_torch(version), "-I", "-c", SERVER, str(files / export.NUKE_MODEL)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        assert process.stdin is not None and process.stdout is not None

        def run(attributes: Mapping[str, float], pixels: NDArray[np.float32]) -> NDArray[np.float32]:
            asked = {
                "attributes": {name: float(value) for name, value in attributes.items()},
                "image": str(folder / "image.npy"),
                "found": str(folder / "found.npy"),
            }
            np.save(asked["image"], pixels)
            process.stdin.write(json.dumps(asked) + "\n")
            process.stdin.flush()
            assert process.stdout.readline() == "done\n", (folder / "log.txt").read_text(encoding="utf-8")
            found: NDArray[np.float32] = np.load(asked["found"])
            return found

        try:
            assert process.stdout.readline().startswith(version), (folder / "log.txt").read_text(encoding="utf-8")
            yield run
        finally:
            process.kill()
            process.communicate()


def loaded(file: Path) -> Model:
    """The model in the PyTorch of these tests."""
    with pytest.warns(DeprecationWarning):
        model = torch.jit.load(file)

    def run(attributes: Mapping[str, float], pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        for name, value in attributes.items():
            setattr(model, name, float(value))
        found: NDArray[np.float32] = model(torch.from_numpy(pixels)).numpy()
        return found

    return run


@pytest.fixture
def node(host, plugin, library, tmp_path):
    """The gizmo over a plate with overscan, highlights, negatives and alpha, in mode Live."""
    random = np.random.default_rng(2)
    shape = BOX[3] - BOX[1], BOX[2] - BOX[0]
    coarse = torch.from_numpy(random.random((1, 3, 5, 8), dtype=np.float32))
    rgb = torch.nn.functional.interpolate(coarse, size=shape, mode="bilinear")[0].numpy() * 4 - 0.2
    alpha = np.clip(random.random(shape, dtype=np.float32) * 1.4 - 0.2, 0, 1)
    planes = {f"rgba.{name}": rgb[n] * np.where(alpha > 0, alpha, 1) for n, name in enumerate(("red", "green", "blue"))}
    planes["rgba.alpha"] = alpha
    write_exr(tmp_path / "plate.exr", Picture(SIZE, BOX, planes), list(planes))
    evaluator = Evaluator(host)
    cat = tmp_path / export.NUKE_CAT
    cat.write_text("compiled by NukeX")
    host.plugin_paths.append(str(tmp_path))
    evaluator.cats[str(cat)] = Cat(
        live_model.CHANNELS_IN, live_model.CHANNELS_OUT, frozenset(live_model.ATTRIBUTES), library
    )
    host.load(f'Read {{\n inputs 0\n file_type exr\n file "{tmp_path}/plate.exr"\n raw true\n}}\n')
    made = host.load(GIZMO.read_text(encoding="utf-8"))[0]
    made.setInput(0, host.module.toNode("Read1"))
    made["mode"].setValue("Live")
    made["colors"].setValue(len(COLORS))
    for number, color in enumerate(COLORS, start=1):
        made[f"color{number}"].setValue([float(value) for value in color])
    return made


def plate_of(node) -> NDArray[np.float32]:
    """(H, W, 4)"""
    picture = node.input(0)._picture()
    return np.stack([picture.channels[f"rgba.{name}"] for name in ("red", "green", "blue", "alpha")], axis=-1)


def layers_of(node, count: int) -> NDArray[np.float32]:
    """(K, H, W, 4)"""
    found = node._picture()
    assert found.box == node.input(0)._picture().box
    names = ("red", "green", "blue", "alpha")
    return np.stack(
        [np.stack([found.plane(f"softcolor{n}.{name}") for name in names], axis=-1) for n in range(1, count + 1)]
    )


def encoded(light: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


@in_every_library
@pytest.mark.parametrize(("smoothing", "minimum"), [(0, 0.0), (3, 0.1)])
def test_live_gives_what_the_engine_gives(node, smoothing, minimum):
    node["smoothing"].setValue(smoothing)
    node["minimum_alpha"].setValue(minimum)
    plate = plate_of(node)
    wanted = Segmenter("any-palette", device="cpu").segment(
        Image.from_pixels(plate.copy(), "lin_rec709"),
        Palette.from_array(encoded(COLORS).astype(np.float32)),
        AlphaProcessing(smoothing=smoothing, minimum_alpha=minimum),
        working_space="lin_rec709",
    )
    found = layers_of(node, len(COLORS))
    assert np.abs(found - wanted.pixels).max() <= 1e-3
    assert np.abs(found - wanted.pixels).mean() <= 1e-5
    assert np.abs(found.sum(axis=0) - plate).max() <= 1e-5
    assert [name for name in node.channels() if name.startswith("softcolor6")] == []
    assert np.array_equal(node._picture().channels["rgba.red"], plate[..., 0])


@in_every_library
@pytest.mark.parametrize("space", ["lin_rec709", "acescg", "srgb"])
def test_live_adds_up_to_the_plate(node, space):
    node["working_space"].setValue(space)
    for count in (1, 8):
        node["colors"].setValue(count)
        assert np.abs(layers_of(node, count).sum(axis=0) - plate_of(node)).max() <= 1e-5


@pytest.mark.parametrize(
    ("knob", "value", "message"),
    [
        ("colors", 9, "at most 8 colors"),
        ("layer_gain2", 0.5, "gain, gamma, erode or blur of layers"),
        ("use_mask", True, "no masks"),
        ("model", "paper", "only the model any-palette"),
    ],
)
def test_what_live_can_not_do_is_said(node, knob, value, message):
    node[knob].setValue(value)
    with pytest.raises(PictureError, match=message):
        node._picture()


def test_without_the_compiled_model_it_is_an_error(node, host):
    host.plugin_paths.clear()
    with pytest.raises(PictureError, match="no model"):
        node._picture()


@in_every_library
def test_live_works_at_proxy_size(node, host):
    host.root["proxy_type"].setValue("scale")
    host.root["proxy"].setValue(True)
    assert np.abs(layers_of(node, len(COLORS)).sum(axis=0) - plate_of(node)).max() <= 1e-5
    assert node.width() == SIZE.width // 2


def test_inference_nodes_are_there_in_mode_live_only(node, host, tmp_path):
    """They load PyTorch into Nuke, so no other script has them."""

    def classes() -> list[str]:
        return [one.Class() for one in node.nodes()]

    before = layers_of(node, len(COLORS))
    assert classes().count("Inference") == 2
    names = {one.name() for one in node.nodes()}
    node["mode"].setValue("Cached")
    assert "Inference {" not in host.text()
    assert {name for name in names if name not in {one.name() for one in node.nodes()}} == {
        *("LiveImage", "LiveColors", "LiveLayers", "LiveModel", "LiveAlpha", "LiveInput", "Live1", "Live5"),
        *(f"LiveLayer{n}" for n in range(1, 9)),
        "LiveLayers_",
    }
    assert GIZMO.read_text(encoding="utf-8").count("Inference {") == 0
    node["mode"].setValue("Live")
    np.testing.assert_array_equal(layers_of(node, len(COLORS)), before)
    text = host.text()
    host.clear()
    host.load(text)  # a script that was saved in this mode has them
    again = host.module.toNode(node.name())
    np.testing.assert_array_equal(layers_of(again, len(COLORS)), before)


def test_without_the_plug_in_live_says_what_is_missing(host, tmp_path):
    Evaluator(host)
    write_exr(
        tmp_path / "plate.exr", Picture(SIZE, (0, 0, 48, 32), {"rgba.red": np.ones((32, 48), np.float32)}), ["rgba.red"]
    )
    host.load(f'Read {{\n inputs 0\n file_type exr\n file "{tmp_path}/plate.exr"\n raw true\n}}\n')
    made = host.load(GIZMO.read_text(encoding="utf-8"))[0]
    made.setInput(0, host.module.toNode("Read1"))
    made["mode"].setValue("Live")
    with pytest.raises(PictureError, match="plug-in creates the nodes of Live"):
        made._picture()


def test_bypass_hands_on_the_plate(node):
    node["mode"].setValue("Bypass")
    assert sorted(node.channels()) == ["rgba.alpha", "rgba.blue", "rgba.green", "rgba.red"]


class Compiler:
    """Stands for NukeX: compiles what a CatFileCreator names."""

    def write(self, node, frame, view):
        assert Path(node["torchScriptFile"].value()).is_file()
        assert node["channelsOut"].value().split(",") == list(live_model.CHANNELS_OUT)
        Path(node["catFile"].value()).write_text("compiled")
        return node["catFile"].value()


def test_the_script_for_nukex_runs_its_node(host, files, tmp_path, monkeypatch):
    host.evaluator = Compiler()
    for file in files.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(tmp_path / export.NUKE_SCRIPT), run_name="__main__")
    assert ended.value.code == 0
    assert (tmp_path / export.NUKE_CAT).read_text() == "compiled"
    made = host.module.toNode("SoftColor_CatFileCreator")
    knobs = [knob.name() for knob in made.allKnobs() if knob._user_type == 7]
    assert knobs == list(live_model.ATTRIBUTES)
    monkeypatch.setattr(Compiler, "write", lambda *_: "nothing")
    (tmp_path / export.NUKE_CAT).unlink()
    host.clear()
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(tmp_path / export.NUKE_SCRIPT), run_name="__main__")
    assert ended.value.code == 1


def test_the_gizmo_and_the_model_agree_on_names(host, plugin):
    group = host.load(GIZMO.read_text(encoding="utf-8"))[0]
    group["mode"].setValue("Live")
    for name in ("Live1", "Live5"):
        assert set(host.node_at(group, name)["serialiseKnob"]._pairs()) == set(live_model.ATTRIBUTES)
