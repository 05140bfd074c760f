"""The one codec of palette files: what each format keeps, what it takes from other programs, what it refuses."""

from __future__ import annotations

import os
import stat
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fscs_engine.host.palette_codec import (
    ENDINGS,
    check_ending,
    checked,
    color_of_hex,
    colors_of_address,
    decoded,
    encoded,
    hex_of,
    read_palette,
    write_palette,
)
from fscs_engine.host.protocol import WorkerError

CHANNEL = st.floats(0.0, 1.0)
COLORS = st.lists(st.tuples(CHANNEL, CHANNEL, CHANNEL), min_size=1, max_size=16)


def document(*colors, name="", locked=False):
    return {
        "version": 1,
        "space": "srgb",
        "colors": [{"rgb": list(color), "name": name, "locked": locked} for color in colors],
    }


def hexes(found):
    return [hex_of(color["rgb"]) for color in found["colors"]]


@given(colors=COLORS, name=st.text(max_size=20), locked=st.booleans())
def test_each_format_keeps_what_it_can_hold(colors, name, locked):
    palette = document(*colors, name=name, locked=locked)
    assert decoded(encoded(palette, ".json"), ".json") == palette
    for ending in ENDINGS:
        again = decoded(encoded(palette, ending), ending)
        if ending in (".ase", ".aco"):  # more than 8 bits, in which halves are rounded to other sides
            assert [c["rgb"] for c in again["colors"]] == [pytest.approx(c, abs=1e-5) for c in map(list, colors)]
        else:
            assert hexes(again) == hexes(palette)


@given(color=st.tuples(*[st.integers(0, 255)] * 3))
def test_eight_bits_survive(color):
    exact = tuple(level / 255 for level in color)
    assert color_of_hex(hex_of(exact)) == exact


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("#abc\n", ["#aabbcc"]),
        ("ABC", ["#aabbcc"]),
        ("#a0b0c0 ; sky\n; a comment\n\n// another\n fff// white", ["#a0b0c0", "#ffffff"]),
        ("#a0b0c0\r\n#010203\r\n", ["#a0b0c0", "#010203"]),
        ("#a0b0c0,\n#010203,\n", ["#a0b0c0", "#010203"]),
        ("a0b0c0, 010203,", ["#a0b0c0", "#010203"]),
        ("#aabbcc #ddeeff\n0x010203", ["#aabbcc", "#ddeeff", "#010203"]),
        ("; paint.net Palette File\n; Colors: 2\nFFa0b0c0\n80010203\n", ["#a0b0c0", "#010203"]),
        ("#a0b0c0ff\n#0128", ["#a0b0c0", "#001122"]),
    ],
)
def test_hex_lists_of_other_programs(text, wanted):
    assert hexes(decoded(text, ".txt")) == wanted


@pytest.mark.parametrize("line", ["##aabbcc", "abcd", "#abcde", "red", "#aabbcc ?", "rgb(1,2,3)", "#１２３456"])
def test_what_is_no_hex_color_is_refused_with_its_line(line):
    with pytest.raises(WorkerError, match="line 2") as caught:
        decoded(f"#000000\n{line}\n", ".txt")
    assert caught.value.code == "palette"
    assert "one a line" in caught.value.cure


def swatch(model, *values, name="x"):
    letters = f"{name}\0".encode("utf-16-be")
    body = struct.pack(">H", len(letters) // 2) + letters + model + struct.pack(f">{len(values)}fH", *values, 0)
    return struct.pack(">HI", 1, len(body)) + body


def exchange(*blocks):
    return b"ASEF" + struct.pack(">HHI", 1, 0, len(blocks)) + b"".join(blocks)


GROUP = struct.pack(">HIH", 0xC001, 6, 2) + "g\0".encode("utf-16-be")
RIFF = b"RIFF" + struct.pack("<I", 28) + b"PAL data" + struct.pack("<IHH", 12, 0x300, 2) + b"\xff\x80\0\0\1\2\3\0"
TABLE = bytes([255, 128, 0, 1, 2, 3]) + bytes(762)


@pytest.mark.parametrize(
    ("ending", "data", "wanted"),
    [
        (".hex", b"ff8000\r\n010203\r\n", ["#ff8000", "#010203"]),
        (".gpl", b"GIMP Palette\nChannels: RGBA\n#\n255 128 0 255 caf\xe9\n1 2 3 0 a b\n", ["#ff8000", "#010203"]),
        (".pal", b"JASC-PAL\r\n0100\r\n2\r\n255 128 0\r\n1 2 3\r\n", ["#ff8000", "#010203"]),
        (".pal", b"JASC-PAL\n0100\n1\n255 128 0 255\n", ["#ff8000"]),
        (".pal", RIFF, ["#ff8000", "#010203"]),
        (".ase", exchange(GROUP, swatch(b"RGB ", 1, 0.5, 0), struct.pack(">HI", 0xC002, 0)), ["#ff8000"]),
        (".ase", exchange(swatch(b"Gray", 0.5)), ["#808080"]),
        (".ase", exchange(swatch(b"LAB ", 0.5429, 80.81, 69.89)), ["#ff0000"]),
        (".ase", exchange(swatch(b"LAB ", 1, 0, 0)), ["#ffffff"]),
        (".aco", struct.pack(">2H5H", 1, 1, 0, 65535, 32896, 0, 0), ["#ff8000"]),
        (".aco", struct.pack(">2H10H", 1, 2, 1, 21845, 65535, 65535, 0, 8, 5000, 0, 0, 0), ["#00ff00", "#808080"]),
        (".aco", struct.pack(">2H5H", 1, 1, 7, 5000, 0, 0, 0), ["#777777"]),
        (".act", TABLE, ["#ff8000", "#010203"]),
        (".act", TABLE + b"\0\3\xff\xff", ["#ff8000", "#010203", "#000000"]),
        (".act", bytes([9, 9, 9]) * 256, ["#090909"]),
        (".css", b":root { --a: #ff8000; --b : rgb(1, 2, 3); --pad: 4px; /* --c: #fff; */ }", ["#ff8000", "#010203"]),
        (
            ".css",
            b"--a: #ff8000ff;\n--a: hsla(30, 100%, 50%, 1);\n--b: rgb(100% 0% 0% / 50%)\n}",
            ["#ff8000", "#ff0000"],
        ),
        (".css", b"--a: hsl(0.5turn 100% 50%);", ["#00ffff"]),
        (".scss", b"// SCSS HEX\n$a: #ff8000;\n$b: #010203ff !default;\n", ["#ff8000", "#010203"]),
        (".less", b"@a: #ff8000;", ["#ff8000"]),
        (".txt", "\ufeff#ff8000\n".encode("utf-16-le"), ["#ff8000"]),
        (".txt", b"; caf\xe9\nff8000", ["#ff8000"]),
        (".json", b'["ff8000", "#010203",]', ["#ff8000", "#010203"]),
        (".json", b'{"Sky": "ff8000", "b,]": "010203"}', ["#ff8000", "#010203"]),
        (".json", b'[{"name": "Sky", "hex": "#ff8000", "rgb": [1, 2, 3]}]', ["#ff8000"]),
        (".json", b'{"name": "x", "author": "y", "colors": ["ff8000", "010203"]}', ["#ff8000", "#010203"]),
        (".json", b'{"version": 1, "space": "srgb", "colors": [{"rgb": [1, 0, 0],},],}', ["#ff0000"]),
    ],
)
def test_palettes_of_other_programs(ending, data, wanted):
    assert hexes(decoded(data, ending)) == wanted


@pytest.mark.parametrize(
    ("ending", "data", "words"),
    [
        (".ase", b"GIMP Palette", "Swatch Exchange"),
        (".ase", b"\0\0\0\0\xe0\xa5\1\0", "Aseprite"),
        (".ase", exchange(swatch(b"CMYK", 0, 0, 0, 1)), "color 1 is CMYK"),
        (".ase", exchange(swatch(b"RGB ", 0, 2, 0)), "color 1 is outside"),
        (".ase", exchange(swatch(b"RGB ", 1, 0.5, 0))[:-9], "cut off"),
        (".ase", b"ASEF", "cut off"),
        (".ase", exchange(), "0 colors"),
        (".aco", struct.pack(">2H5H", 1, 1, 2, 0, 0, 0, 0), "color 1 is CMYK"),
        (".aco", struct.pack(">2H5H", 1, 2, 0, 0, 0, 0, 0), "cut off"),
        (".aco", b"hello", "Photoshop"),
        (".act", TABLE[:-1], "768"),
        (".pal", RIFF[:-5], "cut off"),
        (".pal", b"RIFF\0\0\0\0WAVE", "not a palette"),
        (".pal", b"JASC-PAL\n0100\n2\n255 128 0\n", "cut off"),
        (".pal", b"JASC-PAL\n0100\n1\n255 128 256\n", "line 4"),
        (".css", b"a { color: red }", "no variable"),
        (".hex", b"zz", "line 1"),
        (".txt", b"\0\1\2\xff", "not text"),
        (".json", b'["red"]', "not a palette"),
        (".json", b"[[1, 2, 3],,]", "not JSON"),
        (".gpl", b"GIMP Palette\nChannels: RGBA\n1 2\n", "line 3"),
    ],
)
def test_broken_palettes_of_other_programs(ending, data, words):
    with pytest.raises(WorkerError, match=words) as caught:
        decoded(data, ending)
    assert caught.value.code == "palette"
    assert caught.value.cure


@pytest.mark.parametrize("ending", [".ase", ".aco"])
def test_names_and_depth_of_adobe(ending):
    found = decoded(encoded(document((0.2, 0.123456, 1.0), name="blau é 𝄞"), ending), ending)["colors"][0]
    assert found["name"] == "blau é 𝄞"
    assert found["rgb"] == pytest.approx([0.2, 0.123456, 1.0], abs=1e-5)


def test_names_in_style_sheets():
    palette = document((1, 0, 0), (0, 1, 0), (0, 0, 1), name="Deep Sky!")
    palette["colors"][2]["name"] = ""
    assert encoded(palette, ".css").decode() == (
        ":root {\n  --deep-sky: #ff0000;\n  --deep-sky-2: #00ff00;\n  --color-3: #0000ff;\n}\n"
    )
    names = [color["name"] for color in decoded(encoded(palette, ".scss"), ".scss")["colors"]]
    assert names == ["deep sky", "deep sky 2", "color 3"]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("https://coolors.co/palette/264653-2a9d8f-e9c46a", ["264653", "2a9d8f", "e9c46a"]),
        ("https://coolors.co/264653-2a9d8f", ["264653", "2a9d8f"]),
        ("coolors.co/264653", ["264653"]),
        ("https://www.coolors.co/palette/264653-2A9D8F/?utm=1", ["264653", "2A9D8F"]),
        ("https://colorhunt.co/palette/222831393e46", ["222831", "393e46"]),
        ("https://coolors.co/palettes/trending", None),
        ("https://coolors.co/26465-2a9d8f", None),
        ("https://example.org/264653-2a9d8f", None),
        ("264653-2a9d8f", None),
    ],
)
def test_colors_in_addresses(text, wanted):
    assert colors_of_address(text) == wanted


def test_names_of_gimp():
    found = decoded("GIMP Palette\nName: x\nColumns: 4\n#\n255 0 51\tred one\n  0   0   0\tUntitled\n7 7 7\n", ".gpl")
    assert [color["name"] for color in found["colors"]] == ["red one", "", ""]
    assert encoded(found, ".gpl").endswith(b"\tUntitled\n")


def test_what_may_be_missing_is_filled_in():
    assert checked({"version": 1, "space": "srgb", "colors": [{"rgb": (0, 1, 0.5)}]}) == document((0.0, 1.0, 0.5))


@pytest.mark.parametrize("ending", ENDINGS)
def test_files_there_and_back(tmp_path, ending):
    file = tmp_path / f"Palette é{ending.upper()}"
    file.write_text("something else")
    write_palette(file, document((1.0, 0.5, 0.0), (0.0, 0.0, 0.0)))
    assert hexes(read_palette(str(file))) == ["#ff8000", "#000000"]
    assert list(tmp_path.iterdir()) == [file]
    if os.name == "posix":
        mask = os.umask(0)
        os.umask(mask)
        assert stat.S_IMODE(file.stat().st_mode) == 0o666 & ~mask


def test_what_can_not_be_written_leaves_nothing(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(WorkerError, match="can't be written") as caught:
        write_palette(tmp_path / "file" / "palette.json", document((0, 0, 0)))
    assert caught.value.code == "output"
    with pytest.raises(WorkerError, match="color 2 of the palette"):
        write_palette(tmp_path / "palette.json", document((0, 0, 0), (0, 0, 1.5)))
    with pytest.raises(WorkerError, match=r"use one of \.json, \.gpl, \.txt"):
        write_palette(tmp_path / "palette.png", document((0, 0, 0)))
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_the_ending_decides(tmp_path):
    assert check_ending(tmp_path / "A.GPL") == ".gpl"
    (tmp_path / "a.txt").write_text("GIMP Palette\n0 0 0\n")
    with pytest.raises(WorkerError, match=r"a\.txt: line 1"):
        read_palette(tmp_path / "a.txt")
