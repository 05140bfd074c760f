"""The training loop, on the paper's networks: seeded, resumed as if never stopped, every ablation, the losses."""

from __future__ import annotations

import csv
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from fscs_engine.errors import CancelledError, InputError, UsageError, WeightsError
from fscs_engine.image import Image
from fscs_engine.networks.weights import load_weights
from fscs_engine.palette.palette import Palette
from fscs_engine.segmenter import Segmenter
from fscs_engine.training.any_palette import AnyPaletteConfig
from fscs_engine.training.losses import LossWeights
from fscs_engine.training.paper import PaperConfig
from fscs_engine.training.trainer import CHECKPOINT, CURVES, learning_rate, save_trained, train

TINY = PaperConfig(colors=3, steps=6, batch=2, crop=16, warm_up=2)


def tensors(networks):
    return {name: tensor.clone() for name, tensor in networks.state_dict().items()}


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name in one:
        assert torch.equal(one[name], other[name]), name


def test_same_seed_same_weights_and_another_seed_others(photographs, tmp_path):
    first = tensors(train(photographs, tmp_path / "a", TINY))
    assert_same(first, tensors(train(photographs, tmp_path / "b", TINY)))
    other = tensors(train(photographs, tmp_path / "c", replace(TINY, seed=2)))
    assert not torch.equal(first["alpha.unet.conv1.weight"], other["alpha.unet.conv1.weight"])


def test_a_resumed_run_gives_what_the_uninterrupted_one_gives(photographs, tmp_path):
    whole = tensors(train(photographs, tmp_path / "whole", TINY))
    asked = []

    def cancelled():
        asked.append(1)
        return len(asked) == 4

    with pytest.raises(CancelledError, match="step 3"):
        train(photographs, tmp_path / "parts", TINY, cancelled=cancelled)
    assert_same(whole, tensors(train(photographs, tmp_path / "parts", TINY)))
    with (tmp_path / "parts" / CURVES).open(newline="") as opened:
        assert [row["step"] for row in csv.DictReader(opened)] == ["6"]


def test_the_curves_of_a_resumed_run_are_those_of_the_uninterrupted_one(photographs, tmp_path):
    config, asked = replace(TINY, steps=20), []
    train(photographs, tmp_path / "whole", config)

    def cancelled():
        asked.append(1)
        return len(asked) == 15

    with pytest.raises(CancelledError):
        train(photographs, tmp_path / "parts", config, cancelled=cancelled)
    train(photographs, tmp_path / "parts", config)
    rows = []
    for name in ("whole", "parts"):
        with (tmp_path / name / CURVES).open(newline="") as opened:
            rows.append([(row["step"], row["total"], row["distance"]) for row in csv.DictReader(opened)])
    assert rows[0] == rows[1]


@pytest.mark.parametrize("content", [b"", b"garbage", None])
def test_a_broken_checkpoint_is_refused(photographs, tmp_path, content):
    file = tmp_path / CHECKPOINT
    if content is None:
        torch.save({"step": 3}, file)
    else:
        file.write_bytes(content)
    with pytest.raises(InputError, match="is no checkpoint"):
        train(photographs, tmp_path, TINY)


def test_a_checkpoint_beyond_the_steps_or_of_other_photographs_is_refused(photographs, tmp_path):
    train(photographs, tmp_path / "run", TINY)
    with pytest.raises(InputError, match="step 6 already"):
        train(photographs, tmp_path / "run", replace(TINY, steps=4))
    (tmp_path / "others").mkdir()
    Pillow.new("RGB", (30, 30)).save(tmp_path / "others" / "black.png")
    with pytest.raises(InputError, match="photographs differ"):
        train(tmp_path / "others", tmp_path / "run", replace(TINY, steps=8))


def test_a_folder_that_another_training_uses_is_refused(photographs, tmp_path):
    refused = []

    def another(_):
        with pytest.raises(InputError, match="another training uses this folder"):
            train(photographs, tmp_path / "shared", TINY)
        refused.append((tmp_path / "shared" / CURVES).read_text())

    whole = tensors(train(photographs, tmp_path / "shared", TINY, progress=another))
    assert [text.splitlines()[-1].split(",")[0] for text in refused] == ["6"]
    assert_same(whole, tensors(train(photographs, tmp_path / "alone", TINY)))
    train(photographs, tmp_path / "shared", replace(TINY, steps=7))


def test_training_goes_on_from_given_weights(photographs, tmp_path):
    save_trained(train(photographs, tmp_path / "a", TINY), TINY, tmp_path / "a.safetensors")
    initial = load_weights(tmp_path / "a.safetensors")
    still = replace(TINY, steps=1, learning_rate=1e-12, final_learning_rate=0.0)
    networks = train(photographs, tmp_path / "b", still, initial=initial)
    for name, tensor in networks.named_parameters():
        torch.testing.assert_close(tensor, initial.tensors[name], atol=1e-9, rtol=0)
    with pytest.raises(InputError, match="initial differ"):
        train(photographs, tmp_path / "b", still)
    with pytest.raises(WeightsError, match="networks to train"):
        train(photographs, tmp_path / "c", replace(TINY, colors=4), initial=initial)


def test_a_checkpoint_of_another_run_is_refused(photographs, tmp_path):
    train(photographs, tmp_path, TINY)
    with pytest.raises(InputError, match="crop differ"):
        train(photographs, tmp_path, replace(TINY, crop=24))


@pytest.mark.parametrize(
    "change",
    [
        {"skip": False},
        {"single_network": True},
        {"zero_centering": "none"},
        {"zero_centering": "image-mean"},
        {"single_network": True, "zero_centering": "image-mean"},
        {"losses": LossWeights(reconstruction=0)},
        {"losses": LossWeights(alpha=0)},
        {"losses": LossWeights(distance=0)},
        {"losses": LossWeights(distance_form="norm", sparsity=0.1)},
    ],
)
def test_every_ablation_trains_and_its_weights_segment(change, photographs, tmp_path):
    config = replace(TINY, steps=2, **change)
    file = tmp_path / "weights.safetensors"
    save_trained(train(photographs, tmp_path, config), config, file)
    image = Image.from_pixels(np.random.default_rng(0).random((20, 24, 3), dtype=np.float32), "srgb")
    result = Segmenter(file, device="cpu").segment(image, Palette.from_hex(["#000000", "#ff0000", "#ffffff"]))
    assert result.report.error_max <= 1e-6


def test_training_reduces_the_loss(photographs, tmp_path):
    seen = []
    train(photographs, tmp_path, replace(TINY, steps=60, warm_up=5), progress=seen.append)
    assert [report.step for report in seen] == [10, 20, 30, 40, 50, 60]
    assert seen[-1].losses["total"] < 0.7 * seen[0].losses["total"]


def test_the_learning_rate_warms_up_and_falls():
    rates = [learning_rate(PaperConfig(steps=1000), step) for step in range(1000)]
    assert max(rates) == pytest.approx(2e-3)
    assert rates[0] < 2e-5
    assert rates[-1] < 2e-5
    assert rates[199:] == sorted(rates[199:], reverse=True)


@pytest.mark.parametrize("kind", [PaperConfig, AnyPaletteConfig])
@pytest.mark.parametrize("impossible", [{"crop": 15}, {"steps": 0}, {"batch": 0}])
def test_impossible_configs_are_refused(kind, impossible):
    with pytest.raises(UsageError, match=next(iter(impossible))):
        kind(**impossible)


def test_a_run_of_another_model_is_not_gone_on_with(photographs, tmp_path):
    train(photographs, tmp_path, TINY)
    with pytest.raises(InputError, match="from another run"):
        train(photographs, tmp_path, AnyPaletteConfig(steps=6, batch=2, crop=32))


@pytest.mark.parametrize("config", [PaperConfig(), AnyPaletteConfig()])
def test_every_term_of_the_curves_has_a_weight(config):
    assert set(config.terms) <= set(asdict(config.losses))
    assert config.metadata()["architecture"] in ("paper", "any-palette")
