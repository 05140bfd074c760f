"""Makes picture files in the forms that other programs save."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest

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
        return save_picture(tmp_path / name, pixels, *args, **options)  # type: ignore[arg-type]

    return in_folder


@pytest.fixture
def noise() -> np.ndarray:
    """(24, 20, 5) float32 in [0, 1)."""
    return np.random.default_rng(1).random((24, 20, 5), dtype=np.float32)
