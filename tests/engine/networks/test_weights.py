"""Weights files: hashes, shapes, refusal of anything that runs code; the released weights where they are."""

from __future__ import annotations

import csv
import os
import pickle

import numpy as np
import pytest
import torch

from fscs_engine.alpha.processing import AlphaProcessing
from fscs_engine.errors import OutputError, WeightsError
from fscs_engine.evaluation.evaluation import read_palettes_csv
from fscs_engine.files.reading import read_image
from fscs_engine.networks import weights as weights_module
from fscs_engine.networks.create import create_model
from fscs_engine.networks.shipped import FOLDER, SHIPPED
from fscs_engine.networks.unet import AlphaPredictor, ResiduePredictor
from fscs_engine.networks.weights import import_released, load_weights, save_weights, sha256_of
from fscs_engine.segmenter import Segmenter

CPU = torch.device("cpu")


@pytest.fixture
def pth(tmp_path):
    """State dictionaries of the right shapes for K = 3, as torch.save writes them."""
    torch.manual_seed(0)
    alpha, residue = tmp_path / "alpha.pth", tmp_path / "residue.pth"
    torch.save(AlphaPredictor(3).unet.state_dict(), alpha)
    torch.save(ResiduePredictor(3).unet.state_dict(), residue)
    return alpha, residue


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_weights_are_the_ones_named_in_the_code(name):
    weights = load_weights(name)
    assert weights.sha256 == SHIPPED[name].sha256
    model, _ = create_model(name, CPU, torch.float32)
    assert weights.metadata["architecture"] == weights.name == name
    assert model.maximum_colors == SHIPPED[name].colors
    assert all(tensor.isfinite().all() for tensor in weights.tensors.values())


def test_a_changed_shipped_file_is_refused(tmp_path, monkeypatch):
    data = bytearray((FOLDER / SHIPPED["paper"].file).read_bytes())
    data[-1] ^= 1
    (tmp_path / "paper.safetensors").write_bytes(data)
    monkeypatch.setattr(weights_module, "FOLDER", tmp_path)
    with pytest.raises(WeightsError, match="sha256"):
        load_weights("paper")


def test_import_keeps_every_tensor(pth, tmp_path):
    file = tmp_path / "k3.safetensors"
    digest = import_released(*pth, file, allow_unknown=True)
    weights = load_weights(file)
    assert weights.sha256 == digest == sha256_of(file)
    assert weights.metadata["colors"] == "3"
    state = torch.load(pth[0], weights_only=True)
    for name, tensor in state.items():
        if tensor.dtype.is_floating_point:
            assert torch.equal(weights.tensors[f"alpha.unet.{name}"], tensor)
    model, _ = create_model(file, CPU, torch.float32)
    assert model.maximum_colors == 3


def test_equal_weights_give_equal_bytes(pth, tmp_path):
    first = import_released(*pth, tmp_path / "a.safetensors", allow_unknown=True)
    assert import_released(*pth, tmp_path / "b.safetensors", allow_unknown=True) == first


def test_an_unknown_hash_needs_the_flag(pth, tmp_path):
    with pytest.raises(WeightsError, match="--allow-unknown"):
        import_released(*pth, tmp_path / "a.safetensors")
    assert not (tmp_path / "a.safetensors").exists()


def test_swapped_files_are_refused(pth, tmp_path):
    with pytest.raises(WeightsError, match="alpha weights first"):
        import_released(*reversed(pth), tmp_path / "a.safetensors", allow_unknown=True)


def test_pickled_code_is_not_run(pth, tmp_path):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    evil = tmp_path / "evil.pth"
    evil.write_bytes(pickle.dumps({"conv1.weight": Evil()}))
    with pytest.raises(WeightsError, match=r"evil\.pth"):
        import_released(evil, pth[1], tmp_path / "a.safetensors", allow_unknown=True)
    torch.save({"conv1.weight": Evil()}, evil)
    with pytest.raises(WeightsError, match=r"evil\.pth"):
        import_released(evil, pth[1], tmp_path / "a.safetensors", allow_unknown=True)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\x10\0\0\0\0\0\0\0{}"])
def test_broken_files_are_refused(content, tmp_path):
    file = tmp_path / "broken.safetensors"
    file.write_bytes(content)
    with pytest.raises(WeightsError, match=r"broken\.safetensors"):
        load_weights(file)


def test_unknown_names_missing_files_and_foreign_files(tmp_path):
    with pytest.raises(WeightsError, match="unknown model"):
        load_weights("nope")
    with pytest.raises(WeightsError, match="no such file"):
        load_weights(tmp_path / "nope.safetensors")
    save_weights(tmp_path / "odd.safetensors", {"a": torch.zeros(1)}, {"architecture": "other"})
    with pytest.raises(WeightsError, match="architecture"):
        create_model(tmp_path / "odd.safetensors", CPU, torch.float32)
    save_weights(tmp_path / "bare.safetensors", {"a": torch.zeros(1)}, {"architecture": "paper", "colors": "3"})
    with pytest.raises(WeightsError, match="do not fit"):
        create_model(tmp_path / "bare.safetensors", CPU, torch.float32)


@pytest.mark.parametrize(
    "tensor", [torch.zeros(()), torch.zeros(3), torch.full((24, 12, 3, 3), torch.nan), torch.zeros(24, 12, 3, 3).long()]
)
def test_odd_tensors_are_refused(tensor, pth, tmp_path):
    state = torch.load(pth[0], weights_only=True)
    state["conv1.weight"] = tensor
    torch.save(state, pth[0])
    with pytest.raises(WeightsError, match=r"alpha\.pth"):
        import_released(*pth, tmp_path / "a.safetensors", allow_unknown=True)


def test_existing_files_stay(tmp_path):
    file = tmp_path / "kept.safetensors"
    file.write_bytes(b"mine")
    with pytest.raises(OutputError):
        save_weights(file, {"a": torch.zeros(1)}, {})
    assert file.read_bytes() == b"mine"


@pytest.fixture(scope="module")
def released(released_files, tmp_path_factory):
    file = tmp_path_factory.mktemp("released") / "released.safetensors"
    import_released(released_files / "mask_generator.pth", released_files / "residue_predictor.pth", file)
    return file


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("table", "smoothing", "decibels", "sparsity"),
    [("fscs_official_nogf.csv", 0, 0.02, 0.005), ("fscs_official_gf.csv", 3, 0.1, 0.02)],
)
def test_the_released_inference_is_reproduced(released, kodak_images, shared, table, smoothing, decibels, sparsity):
    """Per-image PSNR and sparsity of the 24 Kodak images against figures made with the authors' own code."""
    segmenter = Segmenter(released, device="cpu")
    palettes = read_palettes_csv(shared / "peers" / "palettes_k7.csv")
    with (shared / "peers" / table).open(newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert len(rows) == 24
    for row in rows:
        name = row["image"]
        image = read_image(kodak_images / f"{name}.png")
        alphas, colors = segmenter.decompose(image, palettes[name], AlphaProcessing(smoothing=smoothing), released=True)
        error = ((alphas[..., None].astype(np.float64) * colors).sum(axis=0) - image.pixels) ** 2
        assert -10 * np.log10(error.mean()) == pytest.approx(float(row["psnr"]), abs=decibels), name
        ratio = alphas.sum(axis=0) / (alphas.astype(np.float64) ** 2).sum(axis=0) - 1
        assert ratio.mean() == pytest.approx(float(row["sparsity"]), abs=sparsity), name


def test_the_released_weights_add_up_and_need_no_whole_frame(released, kodak_images, shared):
    segmenter = Segmenter(released, device="cpu")
    image = read_image(kodak_images / "kodim23.png")
    palette = read_palettes_csv(shared / "peers" / "palettes_k7.csv")["kodim23"]
    image = type(image).from_pixels(image.pixels[100:196, 200:304].copy(), "srgb")
    whole = segmenter.segment(image, palette, working_space="srgb")
    assert whole.report.error_max <= 1e-6
    tiled = Segmenter(released, device="cpu", tile=32).segment(image, palette, working_space="srgb")
    assert np.abs(whole.pixels - tiled.pixels).max() <= 1e-5
