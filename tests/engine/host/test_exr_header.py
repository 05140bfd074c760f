"""Headers of EXR files: what others wrote is read, others read what is written, damage is an error."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping, Sequence

import numpy as np
import OpenImageIO as oiio
import pytest

from fscs_engine.files.exr import write_exr
from fscs_engine.host.exr_header import ExrError, header_of, read_header
from fscs_engine.image import Image

HALF, FLOAT = 1, 2
ZIP = 3
ROWS = 16
"""Rows that ZIP packs together."""

CHANNELS = ["A", "B", "G", "R"]
WINDOW, FORMAT = [-2, 3, 7, 19], [0, 0, 40, 30]
TEXTS = {"softcolor:key": "k" * 64, "softcolor:palette": "é {}", "softcolor:" + "x" * 40: "long"}


def header_bytes(
    channels: Sequence[str],
    data_window: Sequence[int],
    display_window: Sequence[int],
    texts: Mapping[str, str],
    pixel_aspect: float = 1.0,
) -> bytes:
    """The header of a file of float32 rows with ZIP. Equal arguments give equal bytes.

    Args:
        channels: names in ASCII, sorted.
        data_window: x, y, width, height of the pixels, y downwards.
        display_window: that of the format.
        texts: attributes by their full names in ASCII.
        pixel_aspect: of the format.
    """
    listed = b"".join(_word(name) + struct.pack("<iB3xii", FLOAT, 0, 1, 1) for name in channels) + b"\0"
    attributes: list[tuple[str, str, bytes]] = [
        ("channels", "chlist", listed),
        ("compression", "compression", bytes([ZIP])),
        ("dataWindow", "box2i", _box(data_window)),
        ("displayWindow", "box2i", _box(display_window)),
        ("lineOrder", "lineOrder", b"\0"),
        ("pixelAspectRatio", "float", struct.pack("<f", pixel_aspect)),
        ("screenWindowCenter", "v2f", struct.pack("<ff", 0.0, 0.0)),
        ("screenWindowWidth", "float", struct.pack("<f", 1.0)),
        *((name, "string", text.encode("utf-8")) for name, text in sorted(texts.items())),
    ]
    long = any(len(name) > 31 for name in (*channels, *texts))
    body = b"".join(
        _word(name) + _word(kind) + struct.pack("<i", len(value)) + value for name, kind, value in attributes
    )
    return struct.pack("<ii", 20000630, 2 | (0x400 if long else 0)) + body + b"\0"


def _word(text: str) -> bytes:
    return text.encode("ascii") + b"\0"


def _box(window: Sequence[int]) -> bytes:
    x, y, width, height = window
    return struct.pack("<iiii", x, y, x + width - 1, y + height - 1)


def save(path, depth="half", tile=0, parts=1, **attributes):
    """Writes a picture with OpenImageIO."""
    spec = oiio.ImageSpec(7, 19, 3, depth)
    spec.channelnames = ("R", "G", "B")
    spec.tile_width = spec.tile_height = tile
    spec.x, spec.y = WINDOW[:2]
    spec.full_width, spec.full_height = FORMAT[2:]
    for name, value in attributes.items():
        spec.attribute(name, value)
    specs = []
    for part in range(parts):
        specs.append(oiio.ImageSpec(spec))
        specs[-1].attribute("oiio:subimagename", f"part{part}")
    output = oiio.ImageOutput.create(str(path))
    assert output.open(str(path), tuple(specs)) if parts > 1 else output.open(str(path), spec)
    for part in range(parts):
        if part:
            assert output.open(str(path), specs[part], "AppendSubimage")
        assert output.write_image(np.zeros((19, 7, 3), np.float32))
    assert output.close()
    return path


@pytest.mark.parametrize(("depth", "kind"), [("half", HALF), ("float", FLOAT)])
def test_what_others_wrote_is_read(tmp_path, depth, kind):
    header = read_header(save(tmp_path / "é.exr", depth, compression="zip", owner="Zoë", PixelAspectRatio=2.0))
    assert header.channels == (("B", kind), ("G", kind), ("R", kind))
    assert header.texts["owner"] == "Zoë"
    found = header.attributes
    assert (found["dataWindow"], found["displayWindow"]) == (WINDOW, FORMAT)
    assert (found["compression"], found["pixelAspectRatio"]) == (ZIP, 2.0)
    assert header.scanlines


def test_the_header_ends_where_the_rows_begin(tmp_path):
    file = save(tmp_path / "a.exr", compression="zip")
    data = file.read_bytes()
    (first,) = struct.unpack_from("<Q", data, read_header(file).end)
    assert struct.unpack_from("<i", data, first) == (WINDOW[1],)
    assert first == read_header(file).end + 8 * -(-WINDOW[3] // ROWS)


def test_tiles_and_parts_are_told(tmp_path):
    assert not read_header(save(tmp_path / "tiled.exr", tile=16)).scanlines
    parts = read_header(save(tmp_path / "parts.exr", parts=2))
    assert not parts.scanlines
    assert parts.attributes["dataWindow"] == WINDOW


def test_what_the_engine_writes_is_read(tmp_path):
    write_exr(tmp_path / "a.exr", Image.from_pixels(np.zeros((4, 5, 3), np.float32), "lin_rec709"))
    assert [name for name, _ in read_header(tmp_path / "a.exr").channels] == ["B", "G", "R"]


def test_others_read_what_is_written(tmp_path):
    """A header, and one row of numbers that are not packed."""
    head = header_bytes(CHANNELS, [5, -1, 3, 1], FORMAT, TEXTS, 2.0)
    row = np.arange(12, dtype="<f4").tobytes()
    chunk = struct.pack("<Q", len(head) + 8) + struct.pack("<ii", -1, len(row)) + row
    (tmp_path / "a.exr").write_bytes(head + chunk)
    found = oiio.ImageBuf(str(tmp_path / "a.exr"))
    spec = found.spec()
    assert (spec.x, spec.y, spec.width, spec.height) == (5, -1, 3, 1)
    assert (spec.full_width, spec.full_height) == (40, 30)
    assert all(spec.getattribute(name) == text for name, text in TEXTS.items())
    assert spec.get_float_attribute("PixelAspectRatio") == 2.0
    values = found.get_pixels(oiio.FLOAT)
    assert values is not None
    pixels = dict(zip(spec.channelnames, np.moveaxis(values, -1, 0), strict=True))
    assert [pixels[name].tolist() for name in CHANNELS] == np.arange(12.0).reshape(4, 1, 3).tolist()


def test_it_reads_what_it_writes():
    data = header_bytes(CHANNELS, WINDOW, FORMAT, TEXTS)
    header = header_of(io.BytesIO(data + b"rows"), "it")
    assert header.end == len(data)
    assert header.texts == TEXTS
    assert header.channels == tuple((name, FLOAT) for name in CHANNELS)
    assert header.attributes["dataWindow"] == WINDOW
    assert data == header_bytes(CHANNELS, WINDOW, FORMAT, dict(reversed(TEXTS.items())))


GOOD = header_bytes(CHANNELS, WINDOW, FORMAT, TEXTS)


@pytest.mark.parametrize("size", [0, 4, 7, 8, 9, 40, 200, len(GOOD) - 1])
def test_what_ends_too_early_is_an_error(size):
    with pytest.raises(ExrError, match=r"^the file is (damaged|not an EXR file)"):
        header_of(io.BytesIO(GOOD[:size]), "the file")


@pytest.mark.parametrize(
    "data",
    [
        b"GIF89a" + bytes(40),
        GOOD[:8] + b"\0",
        GOOD[:8] + b"a\0string\0" + struct.pack("<i", 1 << 30) + GOOD[8:],
        GOOD[:8] + b"a\0string\0" + struct.pack("<i", -1) + GOOD[8:],
        GOOD[:8] + b"n" * 300 + b"\0" + GOOD[8:],
        GOOD.replace(b"dataWindow\0box2i", b"dataWindow\0box2j"),
        GOOD.replace(b"\x01\0\0\0\x01\0\0\0B", b"\x02\0\0\0\x02\0\0\0B"),
    ],
)
def test_damage_is_an_error(data):
    with pytest.raises(ExrError, match="the file is"):
        header_of(io.BytesIO(data), "the file")
