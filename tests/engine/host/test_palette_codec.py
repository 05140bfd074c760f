"""The one codec of palette files: what each format keeps, what it takes from other programs, what it refuses."""

from __future__ import annotations

import os
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fscs_engine.host.palette_codec import (
    ENDINGS,
    check_ending,
    checked,
    color_of_hex,
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
    for ending in (".gpl", ".txt"):
        assert hexes(decoded(encoded(palette, ending), ending)) == hexes(palette)


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
    ],
)
def test_hex_lists_of_other_programs(text, wanted):
    assert hexes(decoded(text, ".txt")) == wanted


@pytest.mark.parametrize("line", ["##aabbcc", "#abcd", "red", "#aabbcc #ddeeff", "#aa bb cc", "#１２３456"])
def test_what_is_no_hex_color_is_refused_with_its_line(line):
    with pytest.raises(WorkerError, match="line 2") as caught:
        decoded(f"#000000\n{line}\n", ".txt")
    assert caught.value.code == "palette"
    assert "one a line" in caught.value.cure


def test_names_of_gimp():
    found = decoded("GIMP Palette\nName: x\nColumns: 4\n#\n255 0 51\tred one\n  0   0   0\tUntitled\n7 7 7\n", ".gpl")
    assert [color["name"] for color in found["colors"]] == ["red one", "", ""]
    assert encoded(found, ".gpl").splitlines()[-1].endswith("\tUntitled")


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
        write_palette(tmp_path / "palette.ase", document((0, 0, 0)))
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_the_ending_decides(tmp_path):
    assert check_ending(tmp_path / "A.GPL") == ".gpl"
    (tmp_path / "a.txt").write_text("GIMP Palette\n0 0 0\n")
    with pytest.raises(WorkerError, match=r"a\.txt: line 1"):
        read_palette(tmp_path / "a.txt")
