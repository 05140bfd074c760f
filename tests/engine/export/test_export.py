"""Exported files give what the engine gives, for every size and number of colors."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from fscs_engine import __version__
from fscs_engine.alpha.processing import AlphaProcessing, edit_alphas, smooth_alphas
from fscs_engine.errors import OutputError, UsageError, WeightsError
from fscs_engine.exact.exact import exact_colors, in_gamut_colors
from fscs_engine.export import export, live_model
from fscs_engine.export.export import Exported, export_nuke, export_onnx, export_torchscript
from fscs_engine.host.parameters import BY_NAME, MAXIMUM_COLORS
from fscs_engine.image import Image
from fscs_engine.networks import shipped
from fscs_engine.networks.any_palette import AnyPaletteNetwork
from fscs_engine.networks.weights import save_weights, sha256_of
from fscs_engine.palette.palette import Palette
from fscs_engine.segmenter import Segmenter

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]

SIZES = [(1, 1, 1), (1, 1, 3), (8, 8, 2), (37, 51, 7), (64, 96, MAXIMUM_COLORS), (5, 130, 4), (50, 9, 1)]
"""Height, width, K."""

SOFTNESS = torch.full((1,), 0.5)

METADATA = {"architecture": "any-palette", "widths": "16,32,64"}


@dataclass(frozen=True)
class Files:
    """Random weights, the network that has them, and both files made of them."""

    network: AnyPaletteNetwork
    weights: Path
    onnx: Path
    torchscript: Path
    exported: tuple[Exported, Exported]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("exported é")
    torch.manual_seed(8)  # the logits of some others magnify rounding to 2.5e-4
    network = AnyPaletteNetwork().eval().requires_grad_(False)
    nn.init.normal_(network.head.weight, std=0.3)
    for layer in (network.palette.head, network.palette.offsets, network.palette.log_scales):
        nn.init.normal_(layer.weight, std=0.02)
    nn.init.normal_(network.head.bias, std=0.3)
    nn.init.uniform_(network.sizes, 0.5, 1.5)
    nn.init.uniform_(network.sharpening, -4.0, -2.0)
    weights = folder / "random.safetensors"
    save_weights(weights, network.state_dict(), METADATA)
    one, other = folder / "model.onnx", folder / "model.pt"
    return Files(network, weights, one, other, (export_onnx(weights, one), export_torchscript(weights, other)))


@pytest.fixture(scope="module")
def session(files: Files) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(files.onnx, options, providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def script(files: Files) -> torch.jit.ScriptModule:
    with pytest.warns(DeprecationWarning):  # PyTorch's, of TorchScript as a whole
        return torch.jit.load(files.torchscript)


def picture(height: int, width: int, colors: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """A smooth picture with grain (1, 3, H, W) and a palette (K, 3)."""
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(1, 3, height // 9 + 2, width // 9 + 2, generator=generator)
    image = nn.functional.interpolate(image, size=(height, width), mode="bilinear")
    image = image + 0.05 * torch.randn(1, 3, height, width, generator=generator)
    return image.clamp(0.0, 1.0), torch.rand(colors, 3, generator=generator)


@torch.no_grad()
def by_the_engine(
    network: AnyPaletteNetwork, image: Tensor, palette: Tensor, softness: Tensor = SOFTNESS
) -> tuple[Tensor, Tensor]:
    """The network, then the engine's own alpha processing and exact step. → (K, H, W), (K, 4, H, W)."""
    raw, base = (found[0] for found in network(image, palette[None], softness))
    alone = [[number] for number in range(len(palette))]
    processing = AlphaProcessing(smoothing=0)
    alphas = edit_alphas(smooth_alphas(raw, image[0], palette, processing), image[0], palette, alone, processing)
    colors = base[:, :, None, None].repeat(1, 1, *image.shape[2:])
    colors = exact_colors(alphas, colors, image[0], torch.ones(image.shape[2:], dtype=torch.bool))
    return alphas, torch.cat((colors * alphas[:, None], alphas[:, None]), dim=1)


def by_onnx(
    session: onnxruntime.InferenceSession, image: Tensor, palette: Tensor, softness: Tensor = SOFTNESS
) -> tuple[Tensor, Tensor]:
    inputs = {"image": image.numpy(), "palette": palette.numpy(), "softness": softness.numpy()}
    alphas, layers = session.run(["alphas", "layers"], inputs)
    return torch.from_numpy(alphas), torch.from_numpy(layers)


def same(found: tuple[Tensor, Tensor], wanted: tuple[Tensor, Tensor], within: float) -> None:
    for one, other in zip(found, wanted, strict=True):
        assert one.shape == (1, *other.shape)
        assert (one[0] - other).abs().max() <= within


def add_up(alphas: Tensor, layers: Tensor, image: Tensor) -> None:
    assert alphas.min() >= 0
    assert (alphas.sum(dim=1) - 1.0).abs().max() <= 1e-6
    assert torch.equal(layers[:, :, 3], alphas)
    assert layers.min() >= 0
    assert (layers[:, :, :3] - alphas[:, :, None]).max() <= 1e-6  # straight colors are at most 1
    assert (layers[:, :, :3].sum(dim=1) - image).abs().max() <= 1e-6


def test_the_random_weights_share_pixels_among_layers(files):
    alphas, _ = by_the_engine(files.network, *picture(64, 96, 7))
    assert ((alphas > 0).sum(dim=0) > 1).float().mean() > 0.3
    assert (alphas == 0).any()


@pytest.mark.parametrize(("height", "width", "colors"), SIZES)
def test_onnx_gives_what_the_engine_gives(files, session, height, width, colors):
    image, palette = picture(height, width, colors)
    found = by_onnx(session, image, palette)
    same(found, by_the_engine(files.network, image, palette), within=1e-4)
    add_up(*found, image)


def test_what_the_palette_decides_is_as_exact_in_onnx(tmp_path):
    """Of the shipped weights: distances of colors that are a millionth off would show in all that follows."""
    model: Any = Segmenter(device="cpu").model
    network, file = model.network.palette, tmp_path / "palette.onnx"
    names = ["palette", "softness", "base", "offsets", "log_scales"]
    with export._traced_quietly():
        torch.onnx.export(
            network,
            (torch.rand(1, MAXIMUM_COLORS, 3), SOFTNESS),
            file,
            dynamo=False,
            opset_version=export.OPSET,
            input_names=names[:2],
            output_names=names[2:],
            dynamic_axes=dict.fromkeys(("palette", "base", "offsets"), {1: "K"}),
        )
    session = onnxruntime.InferenceSession(file)
    for seed in range(30):
        palette = torch.rand(1, 1 + seed % 8, 3, generator=torch.Generator().manual_seed(seed))
        softness = torch.full((1,), (seed % 5) / 4)
        found = session.run(None, {"palette": palette.numpy(), "softness": softness.numpy()})
        for one, other in zip(found, network(palette, softness), strict=True):
            torch.testing.assert_close(torch.from_numpy(one), other, atol=3e-6, rtol=3e-6)


def test_softness_stays_an_input(files, session, script):
    image, palette = picture(48, 64, 5)
    soft, crisp = torch.ones(1), torch.zeros(1)
    wanted = by_the_engine(files.network, image, palette, soft)
    same(by_onnx(session, image, palette, soft), wanted, within=1e-4)
    same(script(image, palette, soft), wanted, within=1e-5)
    assert (script(image, palette, crisp)[0][0] - wanted[0]).abs().max() > 1e-3


@pytest.mark.parametrize(("height", "width", "colors"), SIZES)
def test_torchscript_gives_what_the_engine_gives(files, script, height, width, colors):
    image, palette = picture(height, width, colors)
    found = script(image, palette, SOFTNESS)
    same(found, by_the_engine(files.network, image, palette), within=1e-5)
    add_up(*found, image)


def test_both_give_what_the_command_line_writes(files, session, script):
    image, palette = picture(97, 150, 6)
    plate = Image.from_pixels(image[0].permute(1, 2, 0).contiguous().numpy(), "srgb")
    colors = Palette.from_array(palette.numpy())
    layers = Segmenter(files.weights, device="cpu").segment(
        plate, colors, AlphaProcessing(smoothing=0, softness=float(SOFTNESS)), working_space="srgb"
    )
    wanted = torch.from_numpy(layers.pixels).permute(0, 3, 1, 2)
    same(by_onnx(session, image, palette), (wanted[:, 3], wanted), within=1e-4)
    same(script(image, palette, SOFTNESS), (wanted[:, 3], wanted), within=1e-4)


@settings(max_examples=25)
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    colors=st.integers(1, MAXIMUM_COLORS),
    seed=st.integers(0, 10**6),
    extreme=st.booleans(),
)
def test_layers_of_both_add_up_for_any_picture(session, script, height, width, colors, seed, extreme):
    image, palette = picture(height, width, colors, seed)
    if extreme:
        image, palette = image.round(), palette.round()  # no layer has room, palette colors are repeated
    add_up(*by_onnx(session, image, palette), image)
    add_up(*script(image, palette, SOFTNESS), image)


@settings(max_examples=60)
@given(seed=st.integers(0, 10**6), colors=st.integers(1, MAXIMUM_COLORS), extreme=st.booleans())
def test_the_exact_step_is_the_engines(seed, colors, extreme):
    generator = torch.Generator().manual_seed(seed)
    palette, image = torch.rand(colors, 3, generator=generator), torch.rand(3, 8, 9, generator=generator)
    if extreme:
        palette, image = palette.round(), image.round()
    alphas = torch.rand(colors, 8, 9, generator=generator) * (torch.rand(colors, 8, 9, generator=generator) > 0.4)
    alphas[0] += 1e-3
    alphas = alphas / alphas.sum(dim=0)
    start = palette[:, :, None, None].repeat(1, 1, 8, 9)
    wanted = exact_colors(alphas, start, image, torch.ones(8, 9, dtype=torch.bool))
    found = in_gamut_colors(alphas[None], palette, image[None])[0]
    assert (alphas[:, None] * (found - wanted)).abs().max() <= 1e-6


def test_what_the_onnx_file_says_of_itself(files, session):
    graph = onnx.load(files.onnx)
    assert [(one.domain, one.version) for one in graph.opset_import] == [("", export.OPSET)]
    assert graph.ir_version == 8
    assert [(one.name, one.shape) for one in session.get_inputs()] == [
        ("image", [1, 3, "H", "W"]),
        ("palette", ["K", 3]),
        ("softness", [1]),
    ]
    assert [(one.name, one.shape) for one in session.get_outputs()] == [
        ("alphas", [1, "K", "H", "W"]),
        ("layers", [1, "K", 4, "H", "W"]),
    ]
    assert session.get_modelmeta().custom_metadata_map == {
        "softcolor:model": "random",
        "softcolor:weights_sha256": sha256_of(files.weights),
        "softcolor:version": __version__,
    }


def test_what_the_torchscript_file_says_of_itself(files):
    extra = {export.METADATA_FILE: ""}
    with pytest.warns(DeprecationWarning):
        torch.jit.load(files.torchscript, _extra_files=extra)
    assert json.loads(extra[export.METADATA_FILE]) == {
        "softcolor:model": "random",
        "softcolor:weights_sha256": sha256_of(files.weights),
        "softcolor:version": __version__,
    }


def test_neither_file_names_a_folder_of_this_computer(files):
    with zipfile.ZipFile(files.torchscript) as archive:
        parts = [archive.read(name) for name in archive.namelist()]
    for folder in (Path(export.__file__).parents[2], Path(torch.__file__).parents[1], files.onnx.parent):
        assert not [part for part in (*parts, files.onnx.read_bytes()) if bytes(folder) in part]


def test_the_hashes_are_those_of_the_files(files):
    for exported, file in zip(files.exported, (files.onnx, files.torchscript), strict=True):
        assert exported.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
        assert (exported.model, exported.weights_sha256) == ("random", sha256_of(files.weights))


def test_equal_weights_give_equal_bytes_and_overwrite_replaces(files, tmp_path):
    file = tmp_path / "again.onnx"
    file.write_bytes(b"precious")
    with pytest.raises(OutputError, match="exists already"):
        export_onnx(files.weights, file)
    assert file.read_bytes() == b"precious"
    export_onnx(files.weights, file, overwrite=True)
    assert file.read_bytes() == files.onnx.read_bytes()
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("write", [export_onnx, export_torchscript])
def test_other_models_can_not_be_exported(write, files, tmp_path):
    with pytest.raises(UsageError, match="the model 'paper' can't be exported, only any-palette models can"):
        write("paper", tmp_path / "paper.onnx")
    with pytest.raises(WeightsError, match="no such file"):
        write(tmp_path / "missing.safetensors", tmp_path / "o.onnx")
    tensors = files.network.state_dict()
    del tensors["sizes"]
    for name, kept, metadata in (
        ("fewer", tensors, METADATA),
        ("wider", files.network.state_dict(), {**METADATA, "widths": "16,32,65"}),
        ("widthless", files.network.state_dict(), {"architecture": "any-palette"}),
        ("widths", files.network.state_dict(), {**METADATA, "widths": "16,32"}),
    ):
        file = tmp_path / f"{name}.safetensors"
        save_weights(file, kept, metadata)
        with pytest.raises(WeightsError, match=f"{name}: tensors or metadata do not fit"):
            write(file, tmp_path / "o.onnx")
    assert sorted(file.suffix for file in tmp_path.iterdir()) == [".safetensors"] * 4


def test_without_the_package_onnx_the_cure_is_named(files, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(UsageError, match=r'onnx, which is not installed: pip install "fscs-engine\[export\]"'):
        export_onnx(files.weights, tmp_path / "o.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_nothing_behind(files, tmp_path, monkeypatch):
    def broken(_model: object, _example: object, file: Path, **_options: object) -> None:
        file.write_bytes(b"no graph")

    monkeypatch.setattr(torch.onnx, "export", broken)
    with pytest.raises(Exception, match="[Pp]ars"):
        export_onnx(files.weights, tmp_path / "o.onnx")
    assert list(tmp_path.iterdir()) == []


def test_pictures_of_another_kind_are_refused_by_the_runtime(session):
    image, palette = picture(8, 8, 3)
    with pytest.raises(onnxruntime.capi.onnxruntime_pybind11_state.InvalidArgument, match="image"):
        by_onnx(session, image[:, :2], palette)
    with pytest.raises(onnxruntime.capi.onnxruntime_pybind11_state.InvalidArgument, match="float"):
        by_onnx(session, image.double(), palette)


# The model of Nuke's Inference nodes.

PALETTE = np.array([[0.1, 0.1, 0.1], [0.9, 0.8, 0.7], [0.8, 0.2, 0.1], [0.1, 0.1, 0.1], [0.2, 0.5, 0.3]], np.float32)
"""The first and the fourth are one color."""


@pytest.fixture(scope="module")
def for_nuke(files: Files, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Exported]:
    folder = tmp_path_factory.mktemp("nuke é") / "new"
    return folder, export_nuke(files.weights, folder)


@pytest.fixture
def live(for_nuke: tuple[Path, Exported]) -> torch.jit.ScriptModule:
    with pytest.warns(DeprecationWarning):
        return torch.jit.load(for_nuke[0] / export.NUKE_MODEL)


def plate(*, bright: bool, alpha: bool, height: int = 37, width: int = 51) -> Tensor:
    """A premultiplied picture (1, 4, H, W), with negatives and highlights where it is bright."""
    image, _ = picture(height, width, 1, seed=3)
    if bright:
        image = image * 7.0 - 0.2
    opacity = torch.ones(1, 1, height, width)
    if alpha:
        opacity = (torch.rand(1, 1, height, width, generator=torch.Generator().manual_seed(4)) * 1.4 - 0.2).clamp(0, 1)
        image = torch.where(opacity > 0, image * opacity, image)  # the rest is glow
    return torch.cat((image, opacity), dim=1)


def set_up(live: torch.jit.ScriptModule, **values: float) -> None:
    for number, color in enumerate(PALETTE, start=1):
        for channel, value in zip("rgb", color, strict=True):
            setattr(live, f"p{number}{channel}", float(value))
    live.colors = float(len(PALETTE))
    for name, value in values.items():
        setattr(live, name, float(value))


def both_halves(live: torch.jit.ScriptModule, image: Tensor) -> Tensor:
    """What two Inference nodes give. → (8, 4, H, W)"""
    found = []
    for first in (1.0, 5.0):
        live.first = first
        found.append(live(image))
        assert found[-1].shape == (1, len(live_model.CHANNELS_OUT), *image.shape[2:])
    return torch.cat(found, dim=1).reshape(live_model.COLORS, 4, *image.shape[2:])


@pytest.mark.parametrize("space", live_model.SPACES)
@pytest.mark.parametrize(
    ("bright", "alpha", "smoothing", "strength", "minimum"),
    [(False, False, 0, 1, 0), (True, False, 5, 0.6, 0.05), (True, True, 0, 1, 0), (False, True, 3, 1, 0.2)],
)
def test_inference_nodes_give_what_the_engine_gives(files, live, space, bright, alpha, smoothing, strength, minimum):
    image = plate(bright=bright, alpha=alpha)
    set_up(
        live,
        space=live_model.SPACES.index(space),
        smoothing=smoothing,
        smoothing_strength=strength,
        minimum_alpha=minimum,
    )
    found = both_halves(live, image)
    pixels = np.ascontiguousarray(image[0].permute(1, 2, 0).numpy())
    wanted = Segmenter(files.weights, device="cpu").segment(
        Image.from_pixels(pixels.copy(), space),
        Palette.from_array(PALETTE),
        AlphaProcessing(smoothing=smoothing, smoothing_strength=strength, minimum_alpha=minimum),
        working_space=space,
    )
    layers = torch.from_numpy(wanted.pixels).permute(0, 3, 1, 2)
    largest = max(1.0, float(image.abs().max()))
    assert (found[: len(PALETTE)] - layers).abs().max() <= 3e-4 * largest
    assert (found[: len(PALETTE)] - layers).abs().mean() <= 3e-6 * largest
    assert (found[len(PALETTE) :] == 0).all()
    assert (found.sum(dim=0) - image[0]).abs().max() <= 1e-6 * largest


def test_every_attribute_is_live_after_scripting(live):
    image = plate(bright=True, alpha=False)
    set_up(live, colors=8)
    usual = {
        **{name: getattr(live, name) for name in live_model.ATTRIBUTES},
        "smoothing": 3.0,
        "smoothing_eps": 1e-4,
    }
    for name, value in usual.items():
        setattr(live, name, value)
    before = both_halves(live, image)
    changed = {name: (value + 0.4) % 1.0 for name, value in usual.items() if re.fullmatch(r"p\d[rgb]", name)}
    changed.update(
        colors=3.0, space=1.0, softness=0.0, smoothing=9.0, smoothing_eps=0.1, smoothing_strength=0.3, minimum_alpha=0.3
    )
    assert set(changed) == set(live_model.ATTRIBUTES) - {"first"}
    for name, value in changed.items():
        setattr(live, name, value)
        assert (both_halves(live, image) - before).abs().max() > 1e-3, name
        setattr(live, name, usual[name])
    assert torch.equal(both_halves(live, image), before)


def test_numbers_of_colors_out_of_range_are_the_nearest_that_is_not(live):
    image = plate(bright=False, alpha=False, height=8, width=9)
    set_up(live, colors=0)
    one = both_halves(live, image)
    torch.testing.assert_close(one[0], image[0], atol=1e-7, rtol=0)
    assert (one[1:] == 0).all()
    set_up(live, colors=40)
    assert (both_halves(live, image).sum(dim=0) - image[0]).abs().max() <= 1e-6


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 70), (33, 2), (130, 5)])
def test_inference_takes_pictures_of_any_size(live, height, width):
    image = plate(bright=True, alpha=True, height=height, width=width)
    set_up(live, smoothing=2)
    assert (both_halves(live, image).sum(dim=0) - image[0]).abs().max() <= 1e-5


def test_what_nukex_compiles_and_how(for_nuke):
    folder, exported = for_nuke
    names = {export.NUKE_MODEL, export.NUKE_NODE, export.NUKE_SCRIPT}
    assert {file.name for file in folder.iterdir()} == names
    assert exported.sha256 == hashlib.sha256((folder / export.NUKE_MODEL).read_bytes()).hexdigest()
    node = (folder / export.NUKE_NODE).read_text()
    knobs = re.findall(r"addUserKnob \{7 (\w+)\}", node)
    assert tuple(knobs) == live_model.ATTRIBUTES
    assert f"channelsOut {','.join(live_model.CHANNELS_OUT)}\n" in node
    for name in ("smoothing", "smoothing_eps", "smoothing_strength", "minimum_alpha"):
        assert float(re.search(rf"\n {name} (\S+)\n", node)[1]) == BY_NAME[name].default
    compile((folder / export.NUKE_SCRIPT).read_text(), export.NUKE_SCRIPT, "exec")


def test_files_for_nuke_are_replaced_all_or_none(files, for_nuke, tmp_path):
    (tmp_path / export.NUKE_SCRIPT).write_text("precious")
    with pytest.raises(OutputError, match="exists already"):
        export_nuke(files.weights, tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == [export.NUKE_SCRIPT]
    export_nuke(files.weights, tmp_path, overwrite=True)
    assert (tmp_path / export.NUKE_SCRIPT).read_bytes() == (for_nuke[0] / export.NUKE_SCRIPT).read_bytes()
    assert (tmp_path / export.NUKE_MODEL).is_file()
    with pytest.raises(OutputError, match="name another folder"):
        export_nuke(files.weights, tmp_path / export.NUKE_SCRIPT)
    with pytest.raises(UsageError, match="only any-palette models can"):
        export_nuke("paper", tmp_path, overwrite=True)


def test_the_shipped_model_for_nuke_is_that_of_the_shipped_weights():
    assert shipped.SHIPPED["any-palette"].sha256 == shipped.LIVE_WEIGHTS, "run: python build.py renew"


@pytest.mark.parametrize("threads", ["1", "2"])
def test_the_shipped_model_for_nuke_has_its_bytes_in_every_process_and_folder(tmp_path, threads):
    shutil.copytree(ROOT / "fscs_engine", tmp_path / "fscs_engine", ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "fscs_engine", "export", "nuke", "-o", str(tmp_path / "nuke é"), "--json"]
    own = {**os.environ, "OMP_NUM_THREADS": threads, "PYTHONHASHSEED": threads}
    run = subprocess.run(command, cwd=tmp_path, env=own, capture_output=True, text=True, timeout=250, check=True)
    found = json.loads(run.stdout)
    assert found["sha256"] == shipped.LIVE_MODEL, "run: python build.py renew"
    assert found["weights_sha256"] == shipped.LIVE_WEIGHTS


OLD = """
import sys
import torch
torch.set_num_threads(1)
model = torch.jit.load(sys.argv[1])
case = torch.load(sys.argv[2])
for name, value in case["values"].items():
    setattr(model, name, value)
with torch.no_grad():
    layers = [model(case["image"]) for _ in range(3)]
torch.save({"version": str(torch.__version__), "layers": layers}, sys.argv[3])
"""
"""Runs in the libraries that are inside Nuke 14 to 17. They compile the model for the second picture and later ones."""


@pytest.mark.timeout(900)  # PyTorch 1.12 compiles for a minute
@pytest.mark.parametrize("version", ["1.12.1", "2.1.1"])
def test_the_libraries_inside_nuke_read_it(for_nuke, live, nuke_torch, tmp_path, version):
    image = plate(bright=True, alpha=True)
    values = {"smoothing": 4.0, "colors": 6.0, "space": 1.0, "first": 5.0}
    set_up(live, **values)
    torch.save({"image": image, "values": {n: getattr(live, n) for n in live_model.ATTRIBUTES}}, tmp_path / "case.pt")
    (tmp_path / "old.py").write_text(OLD)
    files = [str(for_nuke[0] / export.NUKE_MODEL), str(tmp_path / "case.pt"), str(tmp_path / "found.pt")]
    run = subprocess.run(
        [nuke_torch(version), "-I", str(tmp_path / "old.py"), *files],
        capture_output=True,
        text=True,
        timeout=850,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    found = torch.load(tmp_path / "found.pt")
    assert found["version"].startswith(version)
    for layers in found["layers"]:
        assert (layers - live(image)).abs().max() <= 3e-4 * float(image.abs().max())


def test_it_runs_where_nothing_is_optimized(live):
    """Hosts may turn off what compiles; then a number of a trace is a float64, and so is what it is multiplied with."""
    image = plate(bright=True, alpha=True)
    set_up(live)
    wanted = both_halves(live, image)
    with torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
        assert (both_halves(live, image) - wanted).abs().max() <= 1e-5 * float(image.abs().max())
