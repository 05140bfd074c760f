"""PNG layers: straight colors, the error bound of 16 bits, all files or none."""

from __future__ import annotations

import struct
import tempfile
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from fscs_engine.errors import OutputError, RangeError
from fscs_engine.files.png import PngLayerWriter, write_png
from fscs_engine.files.reading import read_image

PALETTE = np.array([[1, 0, 0], [0.2, 0.4, 0.6], [0, 0, 0], [1, 1, 1]] * 4, np.float32)


def soft_layers(seed: int, count: int, height: int, width: int, sharpness: float = 1.0) -> np.ndarray:
    """(K, H, W, 4) float32 premultiplied, alphas adding to 1, colors in [0, 1]."""
    rng = np.random.default_rng(seed)
    alphas = rng.random((count, height, width)) ** sharpness + 1e-12
    alphas = (alphas / alphas.sum(axis=0)).astype(np.float32)[..., None]
    colors = rng.random((count, height, width, 3), dtype=np.float32)
    return np.concatenate([alphas * colors, alphas], axis=3)


def write(folder: Path, layers: np.ndarray, strips: list[int] | None = None, **options: object) -> list[Path]:
    count, height, width, _ = layers.shape
    with PngLayerWriter(folder, "shot", height=height, width=width, palette_rgb=PALETTE[:count], **options) as writer:
        top = 0
        for rows in strips or [height]:
            writer.write(top, layers[:, top : top + rows])
            top += rows
    return writer.paths


def stored(path: Path) -> np.ndarray:
    """(H, W, 4) as it lies in the file, straight, in [0, 1], float64."""
    hints = oiio.ImageSpec()
    hints.attribute("oiio:UnassociatedAlpha", 1)
    file = oiio.ImageInput.open(str(path), hints)
    assert str(file.spec().format) == "uint16"
    pixels = file.read_image(0, 0, 0, 4, "uint16")
    file.close()
    return np.asarray(pixels, np.float64) / 65535


@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(1, 16),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    sharpness=st.sampled_from([0.2, 1, 8, 60]),
)
@settings(max_examples=40, deadline=None)
def test_added_up_the_files_give_the_picture(seed: int, count: int, height: int, width: int, sharpness: float) -> None:
    layers = soft_layers(seed, count, height, width, sharpness)
    with tempfile.TemporaryDirectory() as folder:
        files = [stored(path) for path in write(Path(folder), layers)]
    image = layers.astype(np.float64).sum(axis=0)
    total = sum(file[..., :3] * file[..., 3:] for file in files)
    bound = (count + 1) / 131070
    assert np.abs(total - image[..., :3]).max() <= bound
    assert np.abs(sum(file[..., 3] for file in files) - image[..., 3]).max() <= bound


def test_colors_are_straight(tmp_path: Path) -> None:
    layers = soft_layers(0, 3, 9, 11)
    for layer, path in zip(layers, write(tmp_path, layers), strict=True):
        file = stored(path)
        np.testing.assert_allclose(file[..., 3], layer[..., 3], atol=0.51 / 65535)
        np.testing.assert_allclose(file[..., :3], layer[..., :3] / layer[..., 3:], atol=0.52 / 65535)
        np.testing.assert_allclose(read_image(path).pixels, layer, atol=1.1 / 65535)
        with Pillow.open(path) as picture:
            picture.load()  # another reader agrees, checksums included
            np.testing.assert_allclose(np.asarray(picture) / 255, file, atol=1 / 255)


def test_where_nothing_is_covered_stands_the_palette_color(tmp_path: Path) -> None:
    layers = np.zeros((2, 3, 4, 4), np.float32)
    layers[0] = 1
    _, second = write(tmp_path, layers)
    np.testing.assert_allclose(stored(second), np.broadcast_to([0.2, 0.4, 0.6, 0], (3, 4, 4)), atol=0.51 / 65535)


def test_names_with_and_without_a_frame(tmp_path: Path) -> None:
    layers = soft_layers(0, 2, 3, 4)
    names = [path.name for path in write(tmp_path / "new" / "né w", layers)]
    assert names == ["shot.layer1.png", "shot.layer2.png"]
    names = [path.name for path in write(tmp_path / "new" / "né w", layers, frame="0042")]
    assert names == ["shot.layer1.0042.png", "shot.layer2.0042.png"]
    assert len(list((tmp_path / "new" / "né w").iterdir())) == 4


@given(strips=st.lists(st.integers(1, 90), min_size=1, max_size=8))
@settings(max_examples=15, deadline=None)
def test_strips_of_any_height_give_the_same_bytes(strips: list[int]) -> None:
    layers = soft_layers(1, 2, sum(strips), 7)
    with tempfile.TemporaryDirectory() as folder:
        whole = write(Path(folder) / "a", layers)
        cut = write(Path(folder) / "b", layers, strips)
        assert [path.read_bytes() for path in whole] == [path.read_bytes() for path in cut]


@pytest.mark.parametrize(
    ("index", "value", "message"),
    [
        ((1, 70, 3, 0), 2.0, "R of layer 2 is .* at x=3 y=70"),
        ((0, 5, 1, 2), -0.01, "B of layer 1 is -.* at x=1 y=5"),
        ((1, 7, 2, 3), 1.5, "A of layer 2 is 1.5 at x=2 y=7"),
        ((0, 7, 2, 1), np.nan, "G of layer 1 is nan at x=2 y=7"),
    ],
)
def test_what_png_cannot_hold(tmp_path: Path, index: tuple[int, ...], value: float, message: str) -> None:
    layers = soft_layers(0, 2, 80, 6)
    layers[index] = value
    with pytest.raises(RangeError, match=message):
        write(tmp_path / "new", layers)
    assert not (tmp_path / "new").exists()
    if not np.isnan(value):
        write(tmp_path, layers, clip=True)
        assert read_image(tmp_path / "shot.layer1.png").height == 80


def test_a_glow_without_alpha_has_no_straight_color(tmp_path: Path) -> None:
    layers = np.zeros((1, 2, 2, 4), np.float32)
    layers[0, 1, 0, 1] = 0.5
    with pytest.raises(RangeError, match="G of layer 1 is 0.5 where the alpha is 0 at x=0 y=1"):
        write(tmp_path, layers)
    write(tmp_path, layers, clip=True)


def test_rounding_errors_outside_are_no_error(tmp_path: Path) -> None:
    layers = np.ones((1, 2, 2, 4), np.float32)
    layers[..., 0] = 1 + 5e-7
    layers[..., 1] = -5e-7
    (path,) = write(tmp_path, layers)
    np.testing.assert_array_equal(stored(path)[0, 0], [1, 0, 1, 1])


def test_all_files_or_none(tmp_path: Path) -> None:
    layers = soft_layers(0, 3, 8, 6)
    (tmp_path / "shot.layer2.png").write_bytes(b"old")
    with pytest.raises(OutputError, match=r"layer2\.png: exists already"):
        write(tmp_path, layers)
    with pytest.raises(ValueError, match="4 of 8 rows"):
        write(tmp_path, layers, [4], overwrite=True)
    with (
        pytest.raises(ValueError, match="strip"),
        PngLayerWriter(tmp_path, "shot", height=8, width=6, palette_rgb=PALETTE[:3], overwrite=True) as writer,
    ):
        writer.write(0, layers[:, :, :3])
    assert [file.name for file in tmp_path.iterdir()] == ["shot.layer2.png"]
    assert (tmp_path / "shot.layer2.png").read_bytes() == b"old"
    write(tmp_path, layers, overwrite=True)
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize(("bits", "channels"), [(8, 3), (8, 4), (16, 3), (16, 4)])
def test_a_plain_png(tmp_path: Path, bits: int, channels: int) -> None:
    pixels = np.random.default_rng(0).random((5, 6, channels), dtype=np.float32)
    write_png(tmp_path / "a.png", pixels, bits=bits)
    found = read_image(tmp_path / "a.png").pixels
    expected = pixels.copy()
    if channels == 4:
        expected[..., :3] *= expected[..., 3:]
    np.testing.assert_allclose(found, expected, atol=1.1 / (2**bits - 1))
    with pytest.raises(OutputError, match="exists already"):
        write_png(tmp_path / "a.png", pixels)
    with pytest.raises(RangeError, match="R is 1.5 at x=0 y=0"):
        write_png(tmp_path / "b.png", np.full((1, 1, 3), 1.5, np.float32))


def test_marked_as_srgb_and_nothing_else(tmp_path: Path) -> None:
    (path,) = write(tmp_path, soft_layers(0, 1, 200, 30))
    data, position, kinds = path.read_bytes(), 8, []
    while position < len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        kinds.append(kind.decode())
        position += 12 + length
    assert list(dict.fromkeys(kinds)) == ["IHDR", "sRGB", "gAMA", "cHRM", "IDAT", "IEND"]
