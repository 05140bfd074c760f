"""Makes picture files in the forms that other programs save."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest
from PIL import Image as Pillow

from fscs_engine.files.layer_document import LayerDocument
from fscs_engine.files.ora import OraLayerWriter
from fscs_engine.files.psd import PsdLayerWriter
from fscs_engine.palette.palette import Palette

sys.path.insert(0, str(Path(__file__).parent))  # tests import corpus.py and rounding.py

Save = Callable[..., Path]


def save_picture(
    path: Path,
    pixels: np.ndarray,
    kind: str = "float",
    names: Sequence[str] = (),
    attributes: Mapping[str, object] | None = None,
    window: tuple[int, int] = (0, 0),
    display: tuple[int, int, int, int] | None = None,
    tile: int = 0,
) -> Path:
    """Writes (H, W, C) with OpenImageIO, as it is; an attribute is a value or a pair of its type's name and a value."""
    height, width, channels = pixels.shape
    spec = oiio.ImageSpec(width, height, channels, kind)
    if names:
        spec.channelnames = tuple(names)
    spec.x, spec.y = window
    spec.tile_width = spec.tile_height = tile
    spec.full_x, spec.full_y, spec.full_width, spec.full_height = display or (0, 0, width, height)
    for name, value in (attributes or {}).items():
        if isinstance(value, tuple):
            spec.attribute(name, oiio.TypeDesc(value[0]), value[1])
        else:
            spec.attribute(name, value)
    output = oiio.ImageOutput.create(str(path))
    assert output.open(str(path), spec), output.geterror()
    assert output.write_image(np.ascontiguousarray(pixels)), output.geterror()
    assert output.close(), output.geterror()
    return path


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """``save("a.exr", pixels, …)`` writes into the test's folder and gives the path."""

    def in_folder(name: str, pixels: np.ndarray, *args: object, **options: object) -> Path:
        return save_picture(tmp_path / name, pixels, *args, **options)

    return in_folder


@pytest.fixture
def noise() -> np.ndarray:
    """(24, 20, 5) float32 in [0, 1)."""
    return np.random.default_rng(1).random((24, 20, 5), dtype=np.float32)


PhotoLayers = Callable[..., tuple[np.ndarray, np.ndarray]]


@pytest.fixture(scope="session")
def photo_layers() -> PhotoLayers:
    """``photo_layers(7, alpha=True)``: soft layers (K, 72, 96, 4) of a photograph, and the photograph itself.

    Both float32, premultiplied, sRGB; colors in [0, 1], alphas with many zeros; the layers add up to the photograph.
    """
    file = Path(__file__).resolve().parents[3] / "examples" / "coffee.png"
    photo = np.asarray(Pillow.open(file).convert("RGB").resize((96, 72)), np.float64) / 255

    def layers_of(count: int, alpha: bool = False) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(count)
        alphas = rng.random((count, 72, 96, 1)) ** 8
        alphas[alphas < 0.05 * alphas.max(axis=0)] = 0
        alphas /= alphas.sum(axis=0)
        colors = np.repeat(photo[None], count, axis=0)
        if count > 1:
            # Any colors of which the mixture is the photograph: moved apart, as far as [0, 1] lets all of them go.
            apart = rng.normal(0, 0.3, colors.shape)
            apart -= (alphas * apart).sum(axis=0)
            room = np.where(apart > 0, 1 - colors, colors) / np.maximum(np.abs(apart), 1e-9)
            colors = colors + apart * np.minimum(np.where(alphas > 0, room, np.inf).min(axis=0), 1)
        plate = np.ones((72, 96, 1))
        if alpha:
            plate[:] = np.clip(np.linspace(-0.2, 1.2, 96), 0, 1)[:, None]
        layers = plate * alphas * np.concatenate([colors, np.ones_like(alphas)], axis=-1)
        picture = plate * np.concatenate([photo, np.ones_like(plate)], axis=-1)
        return layers.astype(np.float32), picture.astype(np.float32)

    return layers_of


@pytest.fixture(scope="session")
def write_document() -> Callable[..., Path]:
    """Writes layers (K, h, w, 4) as the document that a path's suffix names, in strips of so many rows each."""
    writers: dict[str, Callable[..., LayerDocument]] = {".ora": OraLayerWriter, ".psd": PsdLayerWriter}
    palette = np.linspace(0, 1, 48).reshape(16, 3)

    def write(path: Path, layers: np.ndarray, strips: Sequence[int] = (), **options: object) -> Path:
        count, height, width, _ = layers.shape
        options = {"palette": Palette.from_array(palette[:count])} | options
        with writers[path.suffix](path, height=height, width=width, **options) as writer:  # type: ignore[attr-defined]
            top = 0
            for rows in strips or (height,):
                writer.write(top, layers[:, top : top + rows])
                top += rows
        assert writer.paths == [path]
        return path

    return write
