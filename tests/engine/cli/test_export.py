from __future__ import annotations

import sys

import pytest
import torch

from fscs_engine.cli.app import main
from fscs_engine.networks.any_palette import AnyPaletteNetwork
from fscs_engine.networks.weights import save_weights, sha256_of


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(2)
    file = tmp_path / "own.safetensors"
    save_weights(file, AnyPaletteNetwork().state_dict(), {"architecture": "any-palette", "widths": "16,32,64"})
    return file


def test_writes_the_file_and_says_what_is_in_it(fscs, weights, tmp_path):
    output = tmp_path / "plug-in é" / "model.pt"
    output.parent.mkdir()
    finished = fscs("export", "torchscript", "-o", output, "--model", weights, "--json")
    assert finished.code == 0, finished.err
    assert finished.json == {
        "sha256": sha256_of(output),
        "model": "own",
        "weights_sha256": sha256_of(weights),
        "outputs": [str(output)],
    }
    fscs("export", "torchscript", "-o", output, "--model", weights).failed_with(2, "model.pt", "--overwrite")


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "name"), [("onnx", "model.onnx"), ("torchscript", "model.pt")])
def test_nothing_but_its_own_words_is_shown(capfd, weights, tmp_path, kind, name):
    output = tmp_path / name
    output.write_bytes(b"old")
    assert main(["export", kind, "-o", str(output), "--model", str(weights), "--overwrite"]) == 0
    out, err = capfd.readouterr()
    assert out == f"wrote {output}\nsha256 {sha256_of(output)}\n"
    assert [line for line in err.splitlines() if line != "fscs: exporting the model ..."] == []


@pytest.mark.parametrize("kind", ["onnx", "torchscript"])
def test_the_model_paper_can_not_be_exported(fscs, tmp_path, kind):
    output = tmp_path / ("m.onnx" if kind == "onnx" else "m.pt")
    fscs("export", kind, "-o", output, "--model", "paper").failed_with(2, "'paper' can't be exported", "any-palette")
    assert not output.exists()


def test_what_can_not_be_done(fscs, weights, tmp_path, monkeypatch):
    fscs("export", "onnx", "-o", tmp_path / "m.pt", "--model", weights).failed_with(2, "m.pt", ".onnx")
    fscs("export", "torchscript", "-o", tmp_path / "m.onnx", "--model", weights).failed_with(2, "m.onnx", ".pt")
    fscs("export", "onnx", "--model", weights).failed_with(2, "-o")
    fscs("export", "onnx", "-o", tmp_path / "no" / "m.onnx", "--model", weights).failed_with(2, "create the folder")
    monkeypatch.setitem(sys.modules, "onnx", None)
    fscs("export", "onnx", "-o", tmp_path / "m.onnx", "--model", weights).failed_with(
        2, 'not installed: pip install "fscs-engine[export]"'
    )
