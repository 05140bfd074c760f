from __future__ import annotations

import numpy as np
import pytest
from PIL import Image as Pillow

from fscs_engine.cli.layers import parse_point
from fscs_engine.errors import UsageError
from fscs_engine.recolor.material import read_material


@pytest.fixture
def layers(fscs, photo, tmp_path):
    assert fscs("segment", photo, "--palette", "#270a05,#a53615,#e1b389", "-o", tmp_path / "layers.exr").code == 0
    return tmp_path / "layers.exr"


def test_from_file_to_file(fscs, layers, photo, tmp_path):
    """One command after the other; in the end the layers still add up to the image."""
    steps = [tmp_path / f"{number}.exr" for number in range(6)]
    assert fscs("layers", "rename", layers, 2, "red cup", "-o", steps[0]).code == 0
    Pillow.new("L", (56, 40), 128).save(tmp_path / "mask.png")
    assert fscs("layers", "split", steps[0], 1, "--mask", tmp_path / "mask.png", "-o", steps[1]).code == 0
    named = fscs("layers", "split", steps[1], "red cup", "--names", "a,b", "-o", steps[2], "--json")
    assert [color["name"] for color in named.json["palette"]] == ["layer 1 1", "layer 1 2", "a", "b", ""]
    assert fscs("layers", "merge", steps[2], "a,b", "--name", "cup", "-o", steps[3]).code == 0
    ordered = fscs("layers", "reorder", steps[3], "cup", "-o", steps[4])
    assert ordered.out.splitlines()[0].endswith("cup")
    assert fscs("layers", "drop", steps[4], "--below", 1, "-o", steps[5]).code == 0
    first, last = read_material(layers), read_material(steps[5])
    assert len(last.palette) == 1
    assert np.abs(last.layers.sum(axis=0) - first.layers.sum(axis=0)).max() <= 2e-6
    edited = fscs("recolor", steps[3], "--set", "cup=#2f7d4a", "-o", tmp_path / "o.exr")
    assert edited.code == 0, edited.err


def test_plates(fscs, layers, tmp_path):
    soft = fscs("layers", "plates", layers, "-o", tmp_path / "plates", "--json")
    assert soft.code == 0, soft.err
    material = read_material(layers)
    for number, file in enumerate(soft.json["outputs"]):
        with Pillow.open(file) as opened:
            assert opened.mode.startswith("I")
            values = np.asarray(opened, np.float64) / 65535
        assert np.abs(values - material.layers[number, ..., 3]).max() <= 1e-5
    again = fscs("layers", "plates", layers, "--hard", "-o", tmp_path / "plates")
    again.failed_with(2, "layers.plate1.png", "--overwrite")
    hard = fscs("layers", "plates", layers, "--hard", "-o", tmp_path / "hard")
    assert "of the image changed its layer" in hard.out
    total = sum(np.asarray(Pillow.open(file), np.int64) for file in sorted((tmp_path / "hard").iterdir()))
    assert (total == 65535).all()


def test_what_can_not_be_done(fscs, layers, photo, tmp_path):
    output = ["-o", tmp_path / "o.exr"]
    fscs("layers", "merge", layers, "2", *output).failed_with(2, "at least two")
    fscs("layers", "merge", layers, ",", *output).failed_with(2, "no layer is named")
    fscs("layers", "merge", layers, "2,cup", *output).failed_with(2, "'cup'")
    fscs("layers", "merge", photo, "1,2", *output).failed_with(2, "cup.png")
    fscs("layers", "merge", layers, "1,2", "-o", tmp_path / "o.png").failed_with(2, ".exr")
    fscs("layers", "merge", layers, "1,2", "-o", layers, "--overwrite").failed_with(2, "is the input")
    fscs("layers", "split", layers, 1, "--names", "a", *output).failed_with(2, "two names")
    fscs("layers", "split", layers, 1, "--at", "2", *output).failed_with(2, "640,360")
    fscs("layers", "split", layers, 2, "--at", "99,1", *output).failed_with(2, "99,1")
    fscs("layers", "split", layers, 1, "--at", "9,1", "--mask", photo, *output).failed_with(2, "one of them")
    fscs("layers", "split", layers, 1, "--mask", tmp_path / "no.png", *output).failed_with(2, "no.png")
    fscs("layers", "drop", layers, "--below", 2, *output).failed_with(2, "0 to 1")
    assert not (tmp_path / "o.exr").exists()
    assert parse_point(" 3 , 4 ") == (3, 4)
    with pytest.raises(UsageError):
        parse_point("3;4")
