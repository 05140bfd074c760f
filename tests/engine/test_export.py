"""Exported files give what the engine gives, for every size and number of colours."""

from __future__ import annotations

import hashlib
import json
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from fscs_engine import __version__, export
from fscs_engine.errors import OutputError, UsageError, WeightsError
from fscs_engine.exact import exact_colors
from fscs_engine.export import Exported, boxed_colors, export_onnx, export_torchscript
from fscs_engine.image import Image
from fscs_engine.networks.any_palette import AnyPaletteNetwork
from fscs_engine.networks.weights import save_weights, sha256_of
from fscs_engine.palette import Palette
from fscs_engine.parameters import MAXIMUM_COLORS
from fscs_engine.processing import AlphaProcessing, process_alphas
from fscs_engine.segmenter import Segmenter

SIZES = [(1, 1, 1), (1, 1, 3), (8, 8, 2), (37, 51, 7), (64, 96, MAXIMUM_COLORS), (5, 130, 4), (50, 9, 1)]
"""Height, width, K."""

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
    torch.manual_seed(5)
    network = AnyPaletteNetwork().eval().requires_grad_(False)
    nn.init.normal_(network.head.weight, std=0.3)
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
def by_the_engine(network: AnyPaletteNetwork, image: Tensor, palette: Tensor) -> tuple[Tensor, Tensor]:
    """The network, then the engine's own alpha processing and exact step. → (K, H, W), (K, 4, H, W)."""
    raw = network(image, palette[None])[0]
    alone = [[number] for number in range(len(palette))]
    alphas = process_alphas(raw, image[0], palette, alone, AlphaProcessing(smoothing=0))
    colors = palette[:, :, None, None].repeat(1, 1, *image.shape[2:])
    colors = exact_colors(alphas, colors, image[0], torch.ones(image.shape[2:], dtype=torch.bool))
    return alphas, torch.cat((colors * alphas[:, None], alphas[:, None]), dim=1)


def by_onnx(session: onnxruntime.InferenceSession, image: Tensor, palette: Tensor) -> tuple[Tensor, Tensor]:
    alphas, layers = session.run(["alphas", "layers"], {"image": image.numpy(), "palette": palette.numpy()})
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
    assert (layers[:, :, :3] - alphas[:, :, None]).max() <= 1e-6  # straight colours are at most 1
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


@pytest.mark.parametrize(("height", "width", "colors"), SIZES)
def test_torchscript_gives_what_the_engine_gives(files, script, height, width, colors):
    image, palette = picture(height, width, colors)
    found = script(image, palette)
    same(found, by_the_engine(files.network, image, palette), within=1e-5)
    add_up(*found, image)


def test_both_give_what_the_command_line_writes(files, session, script):
    image, palette = picture(97, 150, 6)
    plate = Image.from_pixels(image[0].permute(1, 2, 0).contiguous().numpy(), "srgb")
    colors = Palette.from_array(palette.numpy())
    layers = Segmenter(files.weights, device="cpu").segment(
        plate, colors, AlphaProcessing(smoothing=0), working_space="srgb"
    )
    wanted = torch.from_numpy(layers.pixels).permute(0, 3, 1, 2)
    same(by_onnx(session, image, palette), (wanted[:, 3], wanted), within=1e-4)
    same(script(image, palette), (wanted[:, 3], wanted), within=1e-4)


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
        image, palette = image.round(), palette.round()  # no layer has room, palette colours are repeated
    add_up(*by_onnx(session, image, palette), image)
    add_up(*script(image, palette), image)


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
    found = boxed_colors(alphas[None], palette, image[None])[0]
    assert (alphas[:, None] * (found - wanted)).abs().max() <= 1e-6


def test_what_the_onnx_file_says_of_itself(files, session):
    graph = onnx.load(files.onnx)
    assert [(one.domain, one.version) for one in graph.opset_import] == [("", export.OPSET)]
    assert graph.ir_version == 8
    assert [(one.name, one.shape) for one in session.get_inputs()] == [
        ("image", [1, 3, "H", "W"]),
        ("palette", ["K", 3]),
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
    for folder in (Path(export.__file__).parents[1], Path(torch.__file__).parents[1], files.onnx.parent):
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
    with pytest.raises(UsageError, match=r"onnx, which is not installed: pip install fscs-engine\[export\]"):
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
        session.run(None, {"image": image[:, :2].numpy(), "palette": palette.numpy()})
    with pytest.raises(onnxruntime.capi.onnxruntime_pybind11_state.InvalidArgument, match="float"):
        session.run(None, {"image": image.numpy().astype(np.float64), "palette": palette.numpy()})
