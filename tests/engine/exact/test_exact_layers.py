"""The two ways to make layers from alphas give the same; what the layers add up to is tested with the segmenter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from fscs_engine.exact.exact_layers import ExactLayers
from fscs_engine.files.reading import read_image
from fscs_engine.image import Image
from fscs_engine.palette.palette import Palette
from fscs_engine.segmenter import Segmenter

COFFEE = Path(__file__).resolve().parents[3] / "examples" / "coffee.png"
PALETTE = Palette.from_hex("#2b1a12,#7a4a2a,#c0392b,#e8e2d4,#3f6f8f,#101010")


@pytest.mark.parametrize("clip", [False, True])
@pytest.mark.parametrize("kind", ["rgb", "rgba", "hdr", "hdr rgba"])
@pytest.mark.parametrize("given_space", ["srgb", "lin_rec709", "acescg"])
def test_the_loops_deliver_what_tensors_deliver(monkeypatch, given_space, kind, clip):
    """In every working space that they are for; in the others nothing but tensors is used."""
    rng = np.random.default_rng(1)
    color = read_image(COFFEE).pixels[120:160, 200:340]
    if kind.startswith("hdr"):
        color = color * np.where(rng.random((40, 140, 1)) < 0.5, 20, 1).astype(np.float32) - np.float32(0.05)
    if kind.endswith("rgba"):
        alpha = np.array([0, 1e-6, 0.3, 1, 2], np.float32)[rng.integers(5, size=(40, 140, 1))]
        color = np.concatenate([color * np.where(alpha > 0, alpha, 1), alpha], axis=-1)
    image = Image.from_pixels(color, given_space)
    spaces = ["srgb", "lin_rec709", "acescg"]
    compiled, used = ExactLayers._by_loops, set()

    def by_loops(layers, top, alphas, base, space, out):
        used.add(space)
        return compiled(layers, top, alphas, base, space, out)

    def by_tensors(layers, top, alphas, base, space, out):
        colors = torch.from_numpy(base)[:, :, None, None].expand(-1, -1, *alphas.shape[1:])
        return layers._by_tensors(top, torch.from_numpy(alphas), colors, space, out)

    segmenter, results = Segmenter(device="cpu"), []
    for deliver in (by_loops, by_tensors):
        monkeypatch.setattr(ExactLayers, "_by_loops", deliver)
        (strip,) = segmenter.strips(image, PALETTE, working_spaces=spaces, clip=clip)
        assert strip.report.error_max <= 1e-6
        results.append(strip.layers)
    assert used >= {"lin_rec709", "acescg"}
    assert ("srgb" in used) == (given_space == "srgb" and not kind.startswith("hdr"))
    for space in spaces:
        scale = np.maximum(1, np.abs(results[1][space]).max(axis=(0, 3), keepdims=True))
        assert (np.abs(results[0][space] - results[1][space]) / scale).max() <= 1e-5
