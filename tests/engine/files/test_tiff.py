"""TIFF layers: the numbers of the PNG layers, the tags others look at, equal bytes, all files or none."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest
import tifffile
from PIL import Image as Pillow
from PIL import ImageCms

from fscs_engine.errors import OutputError, RangeError
from fscs_engine.files.blending import largest_error
from fscs_engine.files.png import PngLayerWriter
from fscs_engine.files.reading import read_image
from fscs_engine.files.tiff import TiffLayerWriter, read_metadata

PhotoLayers = Callable[..., tuple[np.ndarray, np.ndarray]]
PALETTE = np.linspace(0, 1, 48, dtype=np.float32).reshape(16, 3)


def write(folder: Path, layers: np.ndarray, strips: tuple[int, ...] = (), **options: object) -> list[Path]:
    count, height, width, _ = layers.shape
    with TiffLayerWriter(folder, "shot", height=height, width=width, palette_rgb=PALETTE[:count], **options) as writer:
        top = 0
        for rows in strips or (height,):
            writer.write(top, layers[:, top : top + rows])
            top += rows
    return writer.paths


def composite_error(paths: list[Path], image_pixels: np.ndarray) -> float:
    """The largest difference of the layers' sum, as tifffile reads them, from a picture (H, W, 3 or 4), in sRGB."""
    total = np.zeros((*image_pixels.shape[:2], 4))
    for path in paths:
        layer = tifffile.imread(path) / 65535
        layer[..., :3] *= layer[..., 3:]
        total += layer
    return largest_error(total, image_pixels, paths[0])


@pytest.mark.parametrize("count", [1, 2, 7, 16])
@pytest.mark.parametrize("alpha", [False, True])
def test_the_layers_add_up(tmp_path: Path, photo_layers: PhotoLayers, count: int, alpha: bool) -> None:
    layers, picture = photo_layers(count, alpha)
    paths = write(tmp_path, layers, (50, 22))
    pixels = picture if alpha else picture[..., :3]
    assert composite_error(paths, pixels) <= (count + 1) / 131070 + 2e-6
    assert composite_error(paths, pixels[:, ::-1]) > 0.1
    if count > 1:
        assert composite_error(paths[1:], pixels) > 0.1


def test_layers_carry_a_profile_of_srgb(tmp_path: Path, photo_layers: PhotoLayers) -> None:
    (path,) = write(tmp_path, photo_layers(1)[0])
    with Pillow.open(path) as opened:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(opened.info["icc_profile"]))
    assert ImageCms.getProfileDescription(profile).strip() == "sRGB built-in"
    image = read_image(path)
    assert (image.color_space, image.reading.converted) == ("srgb", False)


def test_the_numbers_are_those_of_png(tmp_path: Path, photo_layers: PhotoLayers) -> None:
    layers, _ = photo_layers(3, True)
    tiffs = write(tmp_path / "new" / "folder", layers)
    with PngLayerWriter(tmp_path / "png", "shot", height=72, width=96, palette_rgb=PALETTE[:3]) as writer:
        writer.write(0, layers)
    assert [path.name for path in tiffs] == ["shot.layer1.tif", "shot.layer2.tif", "shot.layer3.tif"]
    hints = oiio.ImageSpec()
    hints.attribute("oiio:UnassociatedAlpha", 1)
    for tiff, png in zip(tiffs, writer.paths, strict=True):
        stored = tifffile.imread(tiff)
        assert stored.dtype == np.uint16
        file = oiio.ImageInput.open(str(png), hints)
        np.testing.assert_array_equal(stored, file.read_image(0, 0, 0, 4, "uint16"))
        file.close()
        ours, other = read_image(tiff), read_image(png)
        np.testing.assert_array_equal(ours.pixels, other.pixels)
        assert ours.color_space == other.color_space == "srgb"


def test_the_tags(tmp_path: Path, photo_layers: PhotoLayers) -> None:
    layers, _ = photo_layers(2)
    metadata = {"softcolor:key": 'é"'}
    (path, _) = write(tmp_path, layers, frame="1001", metadata=metadata)
    assert path.name == "shot.layer1.1001.tif"
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        tags = {tag.name: tag.value for tag in page.tags}
    assert tags["BitsPerSample"] == (16, 16, 16, 16)
    assert [kind.name for kind in tags["ExtraSamples"]] == ["UNASSALPHA"]
    assert (tags["Compression"], tags["Predictor"], tags["RowsPerStrip"]) == (8, 2, 64)
    assert tags["DateTime"] == "1980:01:01 00:00:00"
    assert not {"HostComputer", "Artist", "DocumentName", "Software"} & set(tags)
    assert read_metadata(path) == metadata
    assert read_metadata(write(tmp_path / "b", layers)[0]) == {}


def test_strips_time_and_place_leave_no_trace(tmp_path: Path) -> None:
    script = (
        "import sys, pathlib, runpy, numpy as np\n"
        "m = runpy.run_path(sys.argv[1])\n"
        "layers = np.random.default_rng(3).random((2, 150, 9, 4), dtype=np.float32) / 2\n"
        "layers[..., :3] *= layers[..., 3:]\n"
        "m['write'](pathlib.Path(sys.argv[2]), layers, eval(sys.argv[3]))"
    )
    folders = (tmp_path / "a", tmp_path / "é ö")
    for folder, strips in zip(folders, ("()", "(1, 63, 1, 64, 21)"), strict=True):
        subprocess.run([sys.executable, "-c", script, __file__, str(folder), strips], check=True, timeout=60)
    for name in ("shot.layer1.tif", "shot.layer2.tif"):
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()


def test_all_or_nothing(tmp_path: Path, photo_layers: PhotoLayers) -> None:
    layers, _ = photo_layers(2)
    with pytest.raises(ValueError, match="20 of 72 rows"):
        write(tmp_path / "new", layers, (20,))
    bright = layers.copy()
    bright[1, 70, 3, :3] = 2
    with pytest.raises(RangeError, match=r"layer2\.tif: R of layer 2 .* y=70; TIFF holds 0 to 1"):
        write(tmp_path / "new", bright, (30, 42))
    assert not list(tmp_path.iterdir())
    write(tmp_path, bright, clip=True)
    with pytest.raises(OutputError, match="exists already"):
        write(tmp_path, layers)
    paths = write(tmp_path, layers, overwrite=True)
    assert sorted(tmp_path.iterdir()) == paths


@pytest.mark.parametrize("shape", [(1, 1), (1, 301), (301, 1), (64, 3), (65, 3)])
def test_odd_sizes(tmp_path: Path, shape: tuple[int, int]) -> None:
    layers = np.full((2, *shape, 4), 0.5, np.float32)
    assert composite_error(write(tmp_path, layers), layers.sum(axis=0)) <= 3 / 131070
