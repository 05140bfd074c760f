"""OpenRaster: what the specification asks for, and the picture in every reading of it."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image as Pillow
from rounding import error_bound

from fscs_engine.errors import InputError
from fscs_engine.files.ora import composite_error, read_metadata
from fscs_engine.palette.palette import Palette, PaletteColor

PhotoLayers = Callable[..., tuple[np.ndarray, np.ndarray]]
Write = Callable[..., Path]


def stack_of(path: Path) -> list[dict[str, str]]:
    with zipfile.ZipFile(path) as archive:
        return [element.attrib for element in ElementTree.fromstring(archive.read("stack.xml")).findall("stack/layer")]


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("blend", ["over", "add"])
@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("count", [1, 2, 7, 16])
def test_the_composite_is_the_picture(
    tmp_path: Path, photo_layers: PhotoLayers, count: int, alpha: bool, blend: str, bits: int, write_document: Write
) -> None:
    layers, picture = photo_layers(count, alpha)
    path = write_document(tmp_path / "a.ora", layers, (50, 22), blend=blend, bits=bits)
    pixels = picture if alpha else picture[..., :3]
    assert composite_error(path, pixels) <= error_bound(count, bits)
    # Another picture is told from it.
    assert composite_error(path, pixels[:, ::-1]) > 0.1


def test_another_program_blends_it_too(tmp_path: Path, photo_layers: PhotoLayers, write_document: Write) -> None:
    layers, picture = photo_layers(7, True)
    path = write_document(tmp_path / "a.ora", layers, bits=8)
    with zipfile.ZipFile(path) as archive:
        images = [Pillow.open(io.BytesIO(archive.read(found["src"]))) for found in reversed(stack_of(path))]
        result: Pillow.Image = images[0]
        for image in images[1:]:
            result = Pillow.alpha_composite(result, image)
    found = np.asarray(result, np.float64) / 255
    found[..., :3] *= found[..., 3:]
    # Pillow rounds after every layer, once more than our own bound.
    assert np.abs(found - picture).max() <= 2 * error_bound(7, 8)


def test_the_file_is_as_the_specification_has_it(
    tmp_path: Path, photo_layers: PhotoLayers, write_document: Write
) -> None:
    layers, _ = photo_layers(3)
    layers = np.concatenate([layers] * 4, axis=2)
    names = Palette(
        (PaletteColor((1, 0, 0), name="Café <1> & \x07"), PaletteColor((0, 1, 0)), PaletteColor((0, 0, 1), "b"))
    )
    path = write_document(tmp_path / "a.ora", layers, palette=names)
    assert path.read_bytes()[30:54] == b"mimetypeimage/openraster"
    with zipfile.ZipFile(path) as archive:
        infos = {info.filename: info for info in archive.infolist()}
        assert list(infos)[:2] == ["mimetype", "stack.xml"]
        assert {info.date_time for info in infos.values()} == {(1980, 1, 1, 0, 0, 0)}
        assert infos["mimetype"].compress_type == zipfile.ZIP_STORED and not infos["mimetype"].extra
        assert archive.testzip() is None
        image = ElementTree.fromstring(archive.read("stack.xml"))
        for name in ("data/layer1.png", "data/layer3.png", "mergedimage.png"):
            header = archive.read(name)[16:29]
            assert header == (384).to_bytes(4, "big") + (72).to_bytes(4, "big") + bytes([16, 6, 0, 0, 0])
        small = Pillow.open(io.BytesIO(archive.read("Thumbnails/thumbnail.png")))
        assert small.mode == "RGBA" and max(small.size) <= 256 and small.size == (192, 36)
        merged = Pillow.open(io.BytesIO(archive.read("mergedimage.png"))).convert("RGBA")
        difference = np.asarray(merged.reduce(2), np.float64) - np.asarray(small, np.float64)
        assert np.abs(difference).max() <= 1.5
    assert (image.tag, image.get("w"), image.get("h")) == ("image", "384", "72")
    assert [(found["name"], found["src"]) for found in stack_of(path)] == [
        ("b", "data/layer3.png"),
        ("#00ff00", "data/layer2.png"),
        ("Café <1> &", "data/layer1.png"),
    ]
    assert {found["composite-op"] for found in stack_of(path)} == {"svg:src-over"}


def test_added_layers_are_opaque_over_black(tmp_path: Path, photo_layers: PhotoLayers, write_document: Write) -> None:
    opaque = write_document(tmp_path / "a.ora", photo_layers(2)[0], blend="add")
    assert [found["composite-op"] for found in stack_of(opaque)] == ["svg:plus", "svg:plus", "svg:src-over"]
    path = write_document(tmp_path / "b.ora", photo_layers(2, True)[0], blend="add")
    stack = stack_of(path)
    assert [found["composite-op"] for found in stack] == ["svg:dst-in", "svg:plus", "svg:plus", "svg:src-over"]
    with zipfile.ZipFile(path) as archive:
        for found in stack[1:]:
            alpha = np.asarray(Pillow.open(io.BytesIO(archive.read(found["src"]))).convert("RGBA"))[..., 3]
            assert (alpha == 255).all()
        assert not np.asarray(Pillow.open(io.BytesIO(archive.read(stack[-1]["src"]))).convert("RGB")).any()


def altered(path: Path, changes: dict[str, bytes]) -> Path:
    """A copy in which some members are others."""
    copy = path.with_name("altered.ora")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(copy, "w") as target:
        for name in source.namelist():
            target.writestr(name, changes.get(name, source.read(name)))
    return copy


def test_the_check_sees_what_is_wrong(tmp_path: Path, photo_layers: PhotoLayers, write_document: Write) -> None:
    layers, picture = photo_layers(3, True)
    path = write_document(tmp_path / "a.ora", layers)
    with zipfile.ZipFile(path) as archive:
        xml, other = archive.read("stack.xml"), archive.read("data/layer2.png")
    assert composite_error(altered(path, {"data/layer1.png": other}), picture) > 0.05
    assert composite_error(altered(path, {"mergedimage.png": other}), picture) > 0.05
    wrong = {
        "composite-op 'svg:screen'": xml.replace(b"svg:src-over", b"svg:screen", 1),
        "another opacity": xml.replace(b'opacity="1.0"', b'opacity="0.5"', 1),
        "another x": xml.replace(b'x="0"', b'x="4"', 1),
        "no layers": b"<image><stack/></image>",
        "can't be read": xml[:-20],
    }
    for message, changed in wrong.items():
        with pytest.raises(InputError, match=message):
            composite_error(altered(path, {"stack.xml": changed}), picture)
    with pytest.raises(InputError, match="is 96 x 72, the image 95 x 72"):
        composite_error(path, picture[:, :95])


def test_files_that_are_no_openraster(tmp_path: Path) -> None:
    picture = np.zeros((2, 2, 3), np.float32)
    with pytest.raises(InputError, match="no such file"):
        composite_error(tmp_path / "none.ora", picture)
    (tmp_path / "a.ora").write_bytes(b"PK no")
    with pytest.raises(InputError, match="can't be read as OpenRaster"):
        composite_error(tmp_path / "a.ora", picture)
    with zipfile.ZipFile(tmp_path / "b.ora", "w") as archive:
        archive.writestr("x", "y")
    with pytest.raises(InputError, match="not OpenRaster"):
        read_metadata(tmp_path / "b.ora")
