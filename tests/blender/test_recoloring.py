"""The output Recolored, made of Blender's nodes, beside the engine's recoloring."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PilImage

from fscs_engine import Image, Palette
from fscs_engine.files.exr import write_exr
from fscs_engine.host.edits import LayerEdit, Look
from fscs_engine.palette.palette import PaletteColor
from fscs_engine.recolor.edits import apply_look
from fscs_engine.recolor.looks import read_look, save_look

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


def written(folder: Path) -> tuple[np.ndarray, Palette, np.ndarray]:
    """The layers, their palette and the image, written for Blender."""
    layers, palette = material(), Palette.from_hex(COLORS)
    image = layers.sum(axis=0, dtype=np.float32)
    np.save(folder / "layers.npy", layers)
    write_exr(folder / "image.exr", Image.from_pixels(image, "lin_rec709"))
    (folder / "palette.json").write_text(json.dumps(palette.array.tolist()))
    return layers, palette, image


def error(given: np.ndarray, wanted: np.ndarray) -> float:
    """The largest difference, relative to the pixel's largest channel or 1."""
    scale = np.maximum(1.0, np.abs(wanted).max(axis=-1, keepdims=True))
    return float((np.abs(given - wanted) / scale).max())


def test_as_the_engine_does(blender, tmp_path: Path) -> None:
    layers, palette, image = written(tmp_path)
    (tmp_path / "looks.json").write_text(json.dumps(LOOKS))
    found = blender.run("recoloring.py", tmp_path).result
    assert found["rest"] == [True, 0]
    for number, told in enumerate(LOOKS):
        edits = {int(layer): LayerEdit(**values) for layer, values in told["layers"].items()}
        look = Look(edits, told.get("opacity_shows", "others"), told.get("strength", 1.0))
        wanted = apply_look(layers, palette, "lin_rec709", look, image)
        given = np.load(tmp_path / f"{number}.npy")
        assert error(given, wanted) <= LIMIT, (told, error(given, wanted))
        assert np.abs(wanted - image).max() > 0.01, "the look changes nothing"
    assert found["needed"] == [[0], [0, 2], [1, 3], [0, 1], [0, 1], [0, 2], [0, 1, 2, 3], [0, 1, 2, 3]]
    if blender.version != "4.2":  # which has no others
        assert found["mixes"] == [0] * len(LOOKS), "Mix Color takes twenty times as long as Vector Math"
    assert found["described"], "a node behind would not notice"
    assert found["moved"] == [True, True], "the image has to stay where it is"
    assert found["over"] == [0, True]
    assert found["again"] > 0
    assert found["at rest again"] == [True, 0, ""]


def keyed(frame: int, hue: float | None = None) -> Look:
    """What ``scripts/keyframes.py`` sets, at a frame; ``hue`` is another one for layer 1."""
    to_end = (frame - 1) / 4
    exposure = min(max(float(frame - 3), -1.0), 1.0)
    opacity = 1.0 - (frame - 1) / 2 if frame <= 3 else (frame - 3) / 4
    color = tuple(a + to_end * (b - a) for a, b in zip((0.1, 0.7, 0.2), (0.9, 0.1, 0.1), strict=True))
    edits = {
        1: LayerEdit(hue=120.0 * to_end if hue is None else hue, exposure=exposure),
        2: LayerEdit(opacity=opacity),
        3: LayerEdit(color=color if frame >= 3 else None),
        4: LayerEdit(gamma=(1.0 - 0.5 * to_end, 1.0, 1.0 + to_end)),
    }
    return Look(edits, strength=1.0 - 0.5 * to_end)


def test_keyframes(blender, tmp_path: Path) -> None:
    layers, palette, image = written(tmp_path)
    found = blender.run("keyframes.py", tmp_path).result
    for name, hues in (("shot", (None,) * 5), ("again", (0.0, -45.0, -90.0, 15.0, 120.0))):
        for frame, hue in enumerate(hues, 1):
            wanted = apply_look(layers, palette, "lin_rec709", keyed(frame, hue), image)
            given = np.load(tmp_path / f"{name}_{frame:04d}.npy")
            assert error(given, wanted) <= LIMIT, (name, frame)
    assert found["curves"] == found["followed"] > 0
    assert found["needed"] == [0, 1, 2, 3]
    assert found["described"] == 3, "a node behind would not notice"
    assert "no drivers" in found["driven"]
    assert found["cleared"] == [0, True]
    assert found["undone"] == [1.0, True, False]


def test_recolor_tree(blender, tmp_path: Path) -> None:
    layers, palette, image = written(tmp_path)
    looks: list[dict[str, Any]] = [
        {"layers": {}},
        {"layers": {"1": {"hue": 30.0, "saturation": 1.5, "exposure": -1.0, "gain": [0.5, 1.0, 2.0]}}},
        {"layers": {"1": {"hue": 20.0}, "2": {"color": [0.1, 0.7, 0.2], "hue": 10.0}, "3": {"opacity": 0.25}}},
        {"layers": {"1": {"gain": [0.5, 1.0, 2.0]}, "2": {"contrast": 1.3}}, "strength": 0.5},
    ]
    (tmp_path / "looks.json").write_text(json.dumps(looks))
    found = blender.run("recolor_tree.py", tmp_path).result
    assert found["relinked"] == ["CompositorNodeGroup"] * 4
    for number, told in enumerate(looks):
        edits = {int(layer): LayerEdit(**values) for layer, values in told["layers"].items()}
        look = Look(edits, strength=told.get("strength", 1.0))
        wanted = apply_look(layers, palette, "lin_rec709", look, image)
        assert error(np.load(tmp_path / f"{number}.npy"), wanted) <= LIMIT, told
        turned = np.load(tmp_path / f"{number}_turned.npy")
        if number < 2:
            edit = edits.get(1, LayerEdit())
            more = Look({**edits, 1: replace(edit, hue=edit.hue + 40.0)})
            wanted = apply_look(layers, palette, "lin_rec709", more, image)
            assert error(turned, wanted) <= LIMIT, told
        assert error(turned, np.load(tmp_path / f"{number}.npy")) > 0.01
        assert found["labels"][number] == found["outputs"]
    assert found["viewer"] == found["outputs"][2]
    assert "choose Passes: Additive" in found["over"]


def test_look_files(blender, tmp_path: Path) -> None:
    palette = Palette(
        (PaletteColor((0.1, 0.2, 0.3)), PaletteColor((0.7, 0.1, 0.1), 'red "cup"'), PaletteColor((1, 1, 1)))
    )
    look = Look(
        {1: LayerEdit(hue=30.0, mute=True), 2: LayerEdit(color=(0.2, 0.4, 0.6), gain=(1.5, 1.0, 0.5))}, "black", 0.75
    )
    save_look(tmp_path / "look.toml", look, palette)
    found = blender.run("looks.py", tmp_path).result
    assert found["pressed"] == ["FINISHED"]
    edits = {str(number): json.loads(json.dumps(edit.changed)) for number, edit in look.layers.items()}
    assert found["loaded"] == [edits, "black", 0.75], "edits that the file does not name are at rest"
    assert read_look(tmp_path / "saved.toml").look(palette) == look
    assert len(found["refused"]) == 4
    for said in ("look version 2", "no layer 4", "'hue' is not an edit", "use -180 to 180"):
        assert any(said in error for error in found["refused"]), (said, found["refused"])
    assert found["kept"], "a file that was refused changed something"


MOST_ACTIONS = 12


def test_a_shot_from_nothing(blender, photograph: Path, tmp_path: Path) -> None:
    with PilImage.open(photograph) as picture:
        small = picture.resize((80, 60))
    for frame in range(1, 11):
        small.rotate(2.0 * frame).save(tmp_path / f"plate_{frame:04d}.png")
    found = blender.run("shot_recolor.py", tmp_path).result
    assert len(found["actions"]) <= MOST_ACTIONS, found["actions"]
    rendered = [np.load(tmp_path / f"out_{frame:04d}.npy") for frame in range(1, 11)]
    assert all(error(one, other) > 0.05 for one, other in zip(rendered, rendered[1:], strict=False))
    layers = np.load(tmp_path / "layers.npy")
    palette = Palette.from_array(json.loads((tmp_path / "palette.json").read_text()))
    look = Look({int(number): LayerEdit(**edit) for number, edit in found["edits"].items()})
    wanted = apply_look(layers, palette, "lin_rec709", look)
    assert error(rendered[-1][..., :3], wanted[..., :3]) <= LIMIT
    assert np.abs(wanted - layers.sum(axis=0)).max() > 0.1, "nothing changed its color"
