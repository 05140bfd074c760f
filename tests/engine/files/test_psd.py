"""PSD: the picture by three readers, what Photoshop looks for, and limits."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest
from PIL import Image as Pillow
from PIL import ImageCms
from rounding import error_bound

from fscs_engine.errors import InputError, OutputError, UsageError
from fscs_engine.files import psd
from fscs_engine.files.psd import PsdLayerWriter, composite_error, read_metadata
from fscs_engine.palette.palette import Palette, PaletteColor

psd_tools = pytest.importorskip("psd_tools")
Resource = pytest.importorskip("psd_tools.constants").Resource

PhotoLayers = Callable[..., tuple[np.ndarray, np.ndarray]]
Write = Callable[..., Path]
PALETTE = Palette.from_array(np.linspace(0, 1, 48).reshape(16, 3))


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("blend", ["over", "add"])
@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("count", [1, 2, 7, 16])
def test_the_composite_is_the_picture(
    tmp_path: Path, photo_layers: PhotoLayers, count: int, alpha: bool, blend: str, bits: int, write_document: Write
) -> None:
    layers, picture = photo_layers(count, alpha)
    path = write_document(tmp_path / "a.psd", layers, (50, 22), blend=blend, bits=bits)
    pixels = picture if alpha else picture[..., :3]
    assert composite_error(path, pixels) <= error_bound(count, bits)
    assert composite_error(path, pixels[:, ::-1]) > 0.1


@pytest.mark.parametrize("bits", [8, 16])
def test_a_reader_without_psd_tools_finds_the_layers(
    tmp_path: Path, photo_layers: PhotoLayers, bits: int, write_document: Write
) -> None:
    layers, picture = photo_layers(7, True)
    path = write_document(tmp_path / "a.psd", layers, bits=bits)
    hints = oiio.ImageSpec()
    hints.attribute("oiio:UnassociatedAlpha", 1)
    file = oiio.ImageInput.open(str(path), hints)
    titles, result = [], np.zeros((72, 96, 4))
    for number in range(1, 8):
        assert file.seek_subimage(number, 0)
        spec = file.spec()
        titles.append(spec.get_string_attribute("oiio:subimagename"))
        assert str(spec.format) == f"uint{bits}" and tuple(spec.channelnames) == ("R", "G", "B", "A")
        pixels = np.asarray(file.read_image(number, 0, 0, 4, "float"), np.float64)
        alpha = pixels[..., 3:]
        result = alpha * np.concatenate([pixels[..., :3], np.ones_like(alpha)], axis=-1) + (1 - alpha) * result
    assert not file.seek_subimage(8, 0)
    file.close()
    assert titles == [color.hex for color in PALETTE.colors[:7]]
    assert np.abs(result - picture).max() <= error_bound(7, bits)


def test_what_photoshop_looks_for(tmp_path: Path, photo_layers: PhotoLayers, write_document: Write) -> None:
    names = Palette((PaletteColor((1, 0, 0), name="Crème 空"), PaletteColor((0, 1, 0))))
    path = write_document(tmp_path / "a.psd", photo_layers(2, True)[0], palette=names, blend="add")
    document = psd_tools.PSDImage.open(path)
    assert (document.depth, document.channels, document.color_mode.name) == (16, 4, "RGB")
    assert [layer.name for layer in document] == ["black", "Crème 空", "#00ff00"]
    assert [layer.blend_mode.name for layer in document] == ["NORMAL", "LINEAR_DODGE", "LINEAR_DODGE"]
    assert [layer.clipping for layer in document] == [False, True, True]
    profile = ImageCms.ImageCmsProfile(io.BytesIO(document.image_resources.get_data(Resource.ICC_PROFILE)))
    assert "sRGB" in ImageCms.getProfileDescription(profile)
    # The layers of 16 bits lie where Photoshop puts them.
    assert b"8BIMLr16" in path.read_bytes()
    assert document._record.layer_and_mask_information.layer_info.layer_count == 0
    opaque = psd_tools.PSDImage.open(write_document(tmp_path / "b.psd", photo_layers(2)[0], palette=names, blend="add"))
    assert opaque.channels == 3
    assert [layer.clipping for layer in opaque] == [False, False, False]
    over = psd_tools.PSDImage.open(write_document(tmp_path / "c.psd", photo_layers(2)[0], palette=names, bits=8))
    assert [(layer.name, layer.blend_mode.name) for layer in over] == [("Crème 空", "NORMAL"), ("#00ff00", "NORMAL")]
    assert over.depth == 8


def test_the_merged_image_is_the_picture(tmp_path: Path, photo_layers: PhotoLayers, write_document: Write) -> None:
    layers, picture = photo_layers(3)
    with Pillow.open(write_document(tmp_path / "a.psd", layers, bits=8)) as found:
        assert np.abs(np.asarray(found.convert("RGB")) / 255 - picture[..., :3]).max() <= 0.51 / 255
    layers, picture = photo_layers(3, True)
    record = psd_tools.PSDImage.open(write_document(tmp_path / "b.psd", layers))._record
    planes = [np.frombuffer(plane, ">u2") for plane in record.image_data.get_data(record.header)]
    stored = np.stack(planes, axis=-1).reshape(72, 96, 4) / 65535
    # Over white, as Photoshop has it.
    expected = np.concatenate([picture[..., :3] + 1 - picture[..., 3:], picture[..., 3:]], axis=-1)
    assert np.abs(stored - expected).max() <= 0.51 / 65535 + 2e-6


def test_limits_of_the_format(
    tmp_path: Path, photo_layers: PhotoLayers, monkeypatch: pytest.MonkeyPatch, write_document: Write
) -> None:
    PsdLayerWriter(tmp_path / "a.psd", height=30_000, width=30_000, palette=PALETTE)
    for height, width in ((30_001, 5), (5, 30_001)):
        with pytest.raises(OutputError, match=rf"{width} x {height}, a PSD file holds 30000 x 30000: write \.ora"):
            PsdLayerWriter(tmp_path / "a.psd", height=height, width=width, palette=PALETTE)
    monkeypatch.setattr(psd, "LARGEST_FILE", 100_000)
    with pytest.raises(OutputError, match=r"a PSD file holds 100000: write \.ora"):
        write_document(tmp_path / "a.psd", photo_layers(7)[0])
    assert not list(tmp_path.iterdir())


def test_the_check_sees_what_is_wrong(tmp_path: Path, photo_layers: PhotoLayers, write_document: Write) -> None:
    layers, picture = photo_layers(3)
    path = write_document(tmp_path / "a.psd", layers)
    document = psd_tools.PSDImage.open(path)
    document[1].opacity = 128
    document.save(tmp_path / "b.psd")
    with pytest.raises(InputError, match="layer '#.*' is not interpreted"):
        composite_error(tmp_path / "b.psd", picture)
    # Other layers below the merged image of these.
    others = psd_tools.PSDImage.open(write_document(tmp_path / "c.psd", layers[:, ::-1]))
    others._record.image_data = psd_tools.PSDImage.open(path)._record.image_data
    with (tmp_path / "d.psd").open("wb") as file:
        others._record.write(file)
    assert composite_error(tmp_path / "d.psd", picture) > 0.1
    with pytest.raises(InputError, match="is 96 x 72, the image 95 x 72"):
        composite_error(path, picture[:, :95])


def test_files_that_are_no_psd(tmp_path: Path) -> None:
    picture = np.zeros((2, 2, 3), np.float32)
    with pytest.raises(InputError, match="no such file"):
        composite_error(tmp_path / "none.psd", picture)
    for content in (b"", b"no", b"8BPS" + bytes(40)):
        (tmp_path / "a.psd").write_bytes(content)
        with pytest.raises(InputError, match="can't be read as PSD"):
            read_metadata(tmp_path / "a.psd")


def test_without_psd_tools_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psd_tools", None)
    with pytest.raises(UsageError, match=r'need psd-tools: pip install "fscs-engine\[documents\]"'):
        PsdLayerWriter(tmp_path / "a.psd", height=2, width=2, palette=PALETTE)
    with pytest.raises(UsageError, match="psd-tools"):
        composite_error(tmp_path / "a.psd", np.zeros((2, 2, 3), np.float32))
