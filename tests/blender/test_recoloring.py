"""The output Recolored, made of Blender's nodes, beside the engine's recoloring."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from fscs_engine import Image, Palette
from fscs_engine.files.exr import write_exr
from fscs_engine.host.edits import LayerEdit, Look
from fscs_engine.recolor.edits import apply_look

LIMIT = 2e-4
COLORS = "#a53615,#e1b389,#20406a,#f6e9d9"
LOOKS: tuple[dict[str, Any], ...] = (
    {"layers": {"1": {"color": [0.1, 0.7, 0.2]}}},
    {"layers": {"1": {"hue": 120.0, "saturation": 1.5}, "3": {"uniformity": 0.5, "contrast": 1.3}}},
    {"layers": {"2": {"exposure": 1.5}, "4": {"gain": [0.5, 1.0, 2.0], "lift": [0.1, 0.0, -0.2]}}},
    {"layers": {"1": {"gamma": [0.5, 1.0, 2.2]}, "2": {"gamma": [1.5, 1.5, 1.5], "hue": -40.0}}},
    {"layers": {"1": {"opacity": 0.25}, "2": {"opacity": 0.0, "hue": 30.0}}},
    {"layers": {"1": {"opacity": 0.25}, "3": {"mute": True}}, "opacity_shows": "black", "strength": 0.5},
    {"layers": {"3": {"solo": True, "color": [0.9, 0.1, 0.1]}}},
    {"layers": {"1": {"mute": True}, "2": {"mute": True}, "3": {"mute": True}, "4": {"opacity": 0.5}}},
)


def material() -> np.ndarray:
    """(4, 24, 32, 4) premultiplied: bright and negative values, transparent and empty parts."""
    random = np.random.default_rng(3)
    alphas = random.dirichlet((0.4,) * 4, (24, 32)).astype(np.float32)
    alphas[alphas < 0.05] = 0.0
    alphas *= np.linspace(0.0, 1.5, 32, dtype=np.float32).clip(0.0, 1.0)[None, :, None]
    colors = random.random((4, 24, 32, 3), np.float32)
    colors[:, :6] *= 30.0
    colors[:, -3:] -= 0.3
    alphas = np.moveaxis(alphas, -1, 0)[..., None]
    return np.ascontiguousarray(np.concatenate([colors * alphas, alphas], axis=-1), np.float32)


def test_as_the_engine_does(blender, tmp_path: Path) -> None:
    layers, palette = material(), Palette.from_hex(COLORS)
    image = layers.sum(axis=0, dtype=np.float32)
    np.save(tmp_path / "layers.npy", layers)
    write_exr(tmp_path / "image.exr", Image.from_pixels(image, "lin_rec709"))
    (tmp_path / "palette.json").write_text(json.dumps(palette.array.tolist()))
    (tmp_path / "looks.json").write_text(json.dumps(LOOKS))
    found = blender.run("recoloring.py", tmp_path).result
    assert found["rest"] == [True, 0]
    for number, told in enumerate(LOOKS):
        edits = {int(layer): LayerEdit(**values) for layer, values in told["layers"].items()}
        look = Look(edits, told.get("opacity_shows", "others"), told.get("strength", 1.0))
        wanted = apply_look(layers, palette, "lin_rec709", look, image)
        given = np.load(tmp_path / f"{number}.npy")
        scale = np.maximum(1.0, np.abs(wanted).max(axis=-1, keepdims=True))
        error = float((np.abs(given - wanted) / scale).max())
        assert error <= LIMIT, (told, error)
        assert np.abs(wanted - image).max() > 0.01, "the look changes nothing"
    assert found["needed"] == [[0], [0, 2], [1, 3], [0, 1], [0, 1], [0, 2], [0, 1, 2, 3], [0, 1, 2, 3]]
    assert found["described"], "a node behind would not notice"
    assert found["over"] == [0, True]
    assert found["again"] > 0
    assert found["at rest again"] == [True, 0, ""]
