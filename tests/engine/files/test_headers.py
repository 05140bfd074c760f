"""What of a header an output keeps."""

from __future__ import annotations

import numpy as np
import OpenEXR
import pytest
from PIL import Image, TiffImagePlugin

from fscs_engine.files.exr import write_exr
from fscs_engine.files.reading import read_image

PLACE = b"XXXXXXX"
BYTES = np.full((6, 8, 3), 100, np.uint8)


def tiff(file):
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[271] = PLACE.decode()
    Image.fromarray(BYTES).save(file, tiffinfo=tags)
    return "Make"


def jpeg(file):
    tags = Image.Exif()
    tags[271] = PLACE.decode()
    Image.fromarray(BYTES).save(file, exif=tags)
    return "Make"


def exr(file):
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage, "cameraLabel": PLACE.decode()}
    OpenEXR.File(header, {"RGB": (BYTES / 255).astype(np.float32)}).write(str(file))
    return "cameraLabel"


@pytest.mark.parametrize(
    ("text", "kept"), [(b"caf\xe9 \xff!", "café ÿ!"), ("café!!".encode(), "café!!")], ids=["latin", "utf-8"]
)
@pytest.mark.parametrize(("name", "write"), [("a.tif", tiff), ("a.jpg", jpeg), ("a.exr", exr)])
def test_text_that_is_not_utf_8_is_kept_as_latin_1(tmp_path, name, write, text, kept):
    file = tmp_path / name
    attribute = write(file)
    content = file.read_bytes()
    assert PLACE in content
    file.write_bytes(content.replace(PLACE, text.ljust(7)))
    image = read_image(file)
    write_exr(tmp_path / "again.exr", image)
    again = read_image(tmp_path / "again.exr")
    for found in (image, again):
        assert str(found.attributes[attribute]).startswith(kept)
        np.testing.assert_allclose(found.pixels, 100 / 255, atol=1e-6)
