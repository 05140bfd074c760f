"""Files that are cut off or damaged: of each format nothing is delivered but the very pixels of the whole file."""

from __future__ import annotations

import numpy as np
import OpenImageIO as oiio
import pytest
from PIL import Image

from fscs_engine.errors import InputError
from fscs_engine.files.reading import read_image

y, x = np.mgrid[:48, :64]
GRAIN = np.random.default_rng(0).integers(-9, 9, (48, 64, 3))
BYTES = np.clip(np.stack([x * 4, y * 5, (x // 4 + y // 4) % 2 * 180 + 20], -1) + GRAIN, 0, 255).astype(np.uint8)
ALPHA = np.dstack([BYTES, (x * 4).astype(np.uint8)])
FLOATS = (BYTES / 255).astype(np.float32)


def by_oiio(pixels, kind, tile=0, **attributes):
    def write(file):
        spec = oiio.ImageSpec(pixels.shape[1], pixels.shape[0], pixels.shape[2], kind)
        spec.tile_width = spec.tile_height = tile
        for name, value in attributes.items():
            spec.attribute(name.replace("__", ":"), value)
        output = oiio.ImageOutput.create(str(file))
        assert output.open(str(file), spec)
        assert output.write_image(pixels), output.geterror()
        output.close()
        output.geterror()

    return write


def by_pillow(mode="RGB", **options):
    def write(file):
        Image.fromarray(ALPHA).convert(mode).save(file, **options)

    return write


def in_digits(file):
    rows = "\n".join(" ".join(map(str, row.ravel())) for row in BYTES)
    file.write_text(f"P3\n64 48\n255\n{rows}\n")


EXR_COMPRESSIONS = ("none", "rle", "zips", "zip", "piz", "b44", "dwaa")
FORMATS = {
    **{
        f"{name}.exr": by_oiio(FLOATS, "half", compression=name)
        for name in ["none", "rle", "zips", "zip", "piz", "b44", "dwaa"]
    },
    "tiled.exr": by_oiio(FLOATS, "half", tile=16),
    **{f"{name}.tif": by_oiio(BYTES, "uint8", compression=name) for name in ["none", "lzw", "zip", "packbits"]},
    "tiled.tif": by_oiio(BYTES, "uint8", tile=16, compression="zip"),
    "planes.tif": by_oiio(BYTES, "uint8", planarconfig="separate", compression="lzw"),
    "float.tif": by_oiio(FLOATS, "float"),
    "jpeg.tif": by_pillow(compression="jpeg"),
    "a.dpx": by_oiio(BYTES, "uint8"),
    "ten.dpx": by_oiio(BYTES.astype(np.uint16) * 257, "uint16", oiio__BitsPerSample=10),
    "raw.tga": by_oiio(BYTES, "uint8"),
    "rle.tga": by_oiio(BYTES, "uint8", compression="rle"),
    "a.bmp": by_oiio(BYTES, "uint8"),
    "palette.bmp": by_pillow("P"),
    "a.hdr": by_oiio(FLOATS, "float"),
    "raw.sgi": by_oiio(BYTES, "uint8"),
    "rle.sgi": by_oiio(BYTES, "uint8", compression="rle"),
    "a.ppm": by_oiio(BYTES, "uint8"),
    "digits.ppm": in_digits,
    "a.pfm": by_oiio(FLOATS, "float"),
    "a.rla": by_oiio(BYTES, "uint8"),
    "a.fits": by_oiio(BYTES, "uint8"),
    "a.jxl": by_oiio(BYTES, "uint8"),
    "a.jp2": by_pillow(),
    "a.j2k": by_pillow(),
    "a.dds": by_pillow(),
    "dxt5.dds": by_pillow("RGBA", pixel_format="DXT5"),
    "bmp.ico": by_oiio(BYTES[:, :48].copy(), "uint8"),
    "png.ico": by_pillow(sizes=[(48, 48)]),
    "a.png": by_pillow(),
    "alpha.png": by_pillow("RGBA"),
    "palette.png": by_pillow("P"),
    "bits.png": by_pillow("1"),
    "baseline.jpg": by_pillow(),
    "progressive.jpg": by_pillow(progressive=True),
    "gray.jpg": by_pillow("L"),
    "restarts.jpg": by_pillow(restart_marker_rows=1),
    "lossy.webp": by_pillow(),
    "lossless.webp": by_pillow("RGBA", lossless=True),
    "alpha.webp": by_pillow("RGBA"),
    "a.gif": by_pillow("P"),
    "interlaced.gif": by_pillow("P", interlace=True),
}

CHECKED = ("png", "jpg", "jp2", "j2k", "ico")
"""Formats with checksums or marks at their end, which show that the end of a file is missing though it is as long."""


def cuts(size):
    near_the_ends = [1, 2, 4, 8, 16, 64, size - 64, size - 16, size - 8, size - 4, size - 3, size - 2, size - 1]
    return sorted({*near_the_ends, *(size * part // 20 for part in range(1, 20))} - {0})


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_that_is_cut_off_is_refused_or_has_all_its_pixels(tmp_path, name, capfd):
    file = tmp_path / name
    FORMATS[name](file)
    content, whole = file.read_bytes(), read_image(file).pixels
    refused = 0
    for cut in cuts(len(content)):
        file.write_bytes(content[:cut])
        try:
            found = read_image(file).pixels
        except InputError as error:
            assert error.message.startswith(str(file))
            assert "complete" in error.cure or error.cure.startswith("copy")
            refused += 1
        else:
            np.testing.assert_array_equal(found, whole, err_msg=f"{cut} of {len(content)} bytes")
    assert refused >= 19
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("name", [name for name in FORMATS if name.endswith(CHECKED) and name != "bmp.ico"])
def test_a_file_whose_end_was_not_copied_is_refused(tmp_path, name):
    file = tmp_path / name
    FORMATS[name](file)
    content = file.read_bytes()
    for cut in cuts(len(content) - 4):
        file.write_bytes(content[:cut].ljust(len(content), b"\0"))
        with pytest.raises(InputError):
            read_image(file)


@pytest.mark.parametrize("name", ["lossless.webp", "zip.tif", "lzw.tif", "tiled.tif"])
def test_a_compressed_file_whose_last_block_was_not_copied_is_refused(tmp_path, name):
    file = tmp_path / name
    FORMATS[name](file)
    content = file.read_bytes()
    file.write_bytes(content[:-600] + bytes(600))
    with pytest.raises(InputError):
        read_image(file)


@pytest.mark.parametrize("name", [name for name in FORMATS if name.endswith("png")])
def test_a_wrong_byte_in_a_png_is_refused(tmp_path, name, capfd):
    file = tmp_path / name
    FORMATS[name](file)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 16
    file.write_bytes(content)
    with pytest.raises(InputError, match="checksum"):
        read_image(file)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("name", ["a.exr", "b.tif", "c.jpg", "d.png", "e.webp"])
def test_damage_anywhere_never_is_an_internal_error(tmp_path, name):
    file = tmp_path / name
    by_oiio(FLOATS, "half")(file) if name.endswith("exr") else by_pillow()(file)
    content = file.read_bytes()
    random = np.random.default_rng(1)
    for _ in range(60):
        damaged = bytearray(content)
        for at in random.integers(0, min(len(content), 400), 2):
            damaged[at] = random.integers(256)
        file.write_bytes(damaged)
        try:
            read_image(file)
        except InputError as error:
            assert str(file) in error.message
