from __future__ import annotations

import pytest
import torch

from fscs_engine.networks.unet import AlphaPredictor, ResiduePredictor


@pytest.fixture
def pair(tmp_path):
    """Weights of the released files' shapes, from a training of one's own."""
    torch.manual_seed(1)
    files = tmp_path / "alpha.pth", tmp_path / "residue.pth"
    for network, file in zip((AlphaPredictor(3), ResiduePredictor(3)), files, strict=True):
        torch.save(network.unet.state_dict(), file)
    return files


def test_list_names_every_model_with_its_hash(fscs):
    (paper,) = (row for row in fscs("weights", "list", "--json").json["models"] if row["name"] == "paper")
    assert paper["ok"] is True
    assert len(paper["sha256"]) == 64
    assert paper["sha256"] in fscs("weights", "list").out


def test_import_refuses_unknown_hashes_unless_told(fscs, pair, photo, tmp_path):
    output = tmp_path / "own.safetensors"
    fscs("weights", "import", *pair, "-o", output).failed_with(2, "alpha.pth", "--allow-unknown")
    assert not output.exists()
    finished = fscs("weights", "import", *pair, "-o", output, "--allow-unknown", "--json")
    assert finished.code == 0, finished.err
    assert finished.json["outputs"] == [str(output)]
    result = fscs("segment", photo, "-k", 3, "--model", output, "-o", tmp_path / "o.exr", "--json").json
    assert (result["model"], result["weights_sha256"]) == ("own", finished.json["sha256"])


def test_import_of_the_released_weights(fscs, released_files, tmp_path):
    pair = released_files / "mask_generator.pth", released_files / "residue_predictor.pth"
    assert fscs("weights", "import", *pair, "-o", tmp_path / "released.safetensors").code == 0
    swapped = fscs("weights", "import", *reversed(pair), "-o", tmp_path / "o.safetensors", "--allow-unknown")
    swapped.failed_with(2, "residue_predictor.pth", "alpha")


def test_what_can_not_be_done(fscs, pair, tmp_path):
    output = tmp_path / "o.safetensors"
    fscs("weights", "import", tmp_path / "no.pth", pair[1], "-o", output).failed_with(
        2, "no.pth does not exist: name a weights file (.pth)"
    )
    fscs("weights", "import", *pair, "-o", tmp_path / "o.pth").failed_with(2, "o.pth", ".safetensors")
    output.write_bytes(b"precious")
    fscs("weights", "import", *pair, "-o", output, "--allow-unknown").failed_with(2, "--overwrite")
    assert output.read_bytes() == b"precious"


def test_import_runs_no_code(fscs, pair, tmp_path):
    class Trap:
        def __reduce__(self):
            return (tmp_path.joinpath("sprung").mkdir, ())

    torch.save({"conv1.weight": Trap()}, pair[0])
    command = ["weights", "import", *pair, "-o", tmp_path / "o.safetensors", "--allow-unknown"]
    fscs(*command).failed_with(2, "alpha.pth")
    assert not (tmp_path / "sprung").exists()
