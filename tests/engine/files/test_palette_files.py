"""Palette files: JSON, GIMP palettes and hex lists, there and back, and broken ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fscs_engine.errors import OutputError, PaletteError
from fscs_engine.files.palette_files import read_palette, write_palette
from fscs_engine.palette.palette import Palette, PaletteColor

PALETTE = Palette(
    (
        PaletteColor((0.1, 0.25, 1.0), name="Himmel über Köln", locked=True),
        PaletteColor((0.123456789, 0.0, 0.5)),
        PaletteColor((0.123456789, 0.0, 0.5), name="again; // #3"),
    )
)
CHANNEL = st.floats(0.0, 1.0)
COLORS = st.builds(
    PaletteColor, rgb=st.tuples(CHANNEL, CHANNEL, CHANNEL), name=st.text(max_size=20), locked=st.booleans()
)


def hexes(palette: Palette) -> list[str]:
    return [color.hex for color in palette]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(colors=st.lists(COLORS, min_size=1, max_size=16))
def test_files_bring_back_what_they_can_hold(tmp_path: Path, colors: list[PaletteColor]) -> None:
    palette = Palette(tuple(colors))
    for suffix in (".json", ".gpl", ".txt"):
        write_palette(tmp_path / f"p{suffix}", palette, overwrite=True)
    assert read_palette(tmp_path / "p.json") == palette
    assert hexes(read_palette(tmp_path / "p.gpl")) == hexes(palette)
    assert hexes(read_palette(tmp_path / "p.txt")) == hexes(palette)


def test_json_is_the_format_of_the_documentation(tmp_path: Path) -> None:
    write_palette(tmp_path / "p.json", PALETTE)
    data = json.loads((tmp_path / "p.json").read_text("utf-8"))
    assert set(data) == {"version", "space", "colors"}
    assert (data["version"], data["space"]) == (1, "srgb")
    assert data["colors"][0] == {"rgb": [0.1, 0.25, 1.0], "name": "Himmel über Köln", "locked": True}


def test_gimp_palette_keeps_names(tmp_path: Path) -> None:
    write_palette(tmp_path / "p.gpl", PALETTE)
    lines = (tmp_path / "p.gpl").read_text("utf-8").splitlines()
    assert lines[0] == "GIMP Palette"
    assert lines[4] == " 26  64 255\tHimmel über Köln"
    assert [color.name for color in read_palette(tmp_path / "p.gpl")] == ["Himmel über Köln", "", "again; // #3"]


def test_gimp_palette_as_gimp_writes_it(tmp_path: Path) -> None:
    file = tmp_path / "ours.GPL"
    file.write_bytes(
        b"GIMP Palette\r\nName: Caramel\r\nColumns: 16\r\n#\r\n# a comment\r\n"
        b" 48  80   0\tUntitled\r\n255 255 255\twarm white\r\n\r\n0 0 7\r\n"
    )
    palette = read_palette(file)
    assert hexes(palette) == ["#305000", "#ffffff", "#000007"]
    assert [color.name for color in palette] == ["", "warm white", ""]


def test_hex_list_with_comments(tmp_path: Path) -> None:
    file = tmp_path / "p.txt"
    file.write_bytes("\ufeff; mine\n#AABBCC\n\n  // more\n3366ff  ; blue\r\n#fff // white\n".encode())
    assert hexes(read_palette(file)) == ["#aabbcc", "#3366ff", "#ffffff"]


@pytest.mark.parametrize("folder", ["with blanks", "ünï çödé"])
def test_paths_with_blanks_and_accents(tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).mkdir()
    file = tmp_path / folder / "my palette é.json"
    write_palette(file, PALETTE)
    assert read_palette(str(file)) == PALETTE


HEAD = "GIMP Palette\nName: x\n#\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("p.json", b""),
        ("p.json", b"\x00\xff\xfe"),
        ("p.json", b"{"),
        ("p.json", b"[" * 200_000),
        ("p.json", b'{"version": 1, "space": "srgb", "colors": [{"rgb": [NaN, 0, 0]}]}'),
        ("p.json", b'{"version": 1, "space": "srgb", "colors": [{"rgb": [1e999, 0, 0]}]}'),
        ("p.json", b'{"version": 1, "space": "srgb", "colors": [{"rgb": [' + b"9" * 5000 + b", 0, 0]}]}"),
        ("p.json", b'{"version": 1, "space": "srgb", "colors": []}'),
        ("p.json", b'{"version": 9, "space": "srgb", "colors": [{"rgb": [0, 0, 0]}]}'),
        ("p.json", b" " * (1 << 20) + b"{}"),
        ("p.gpl", b""),
        ("p.gpl", b"1 2 3\n"),
        ("p.gpl", HEAD.encode()),
        ("p.gpl", (HEAD + "1 2\n").encode()),
        ("p.gpl", (HEAD + "1 2 256\n").encode()),
        ("p.gpl", (HEAD + "1 2 -3\n").encode()),
        ("p.gpl", (HEAD + "1 2 red\n").encode()),
        ("p.gpl", (HEAD + "1 2 3\n" * 17).encode()),
        ("p.txt", b""),
        ("p.txt", b"; nothing\n"),
        ("p.txt", b"#aabbcc\nblue\n"),
        ("p.txt", b"#aabbcc\n" * 17),
        ("p.txt", b"#aabbcc\xff\n"),
    ],
)
def test_broken_file_is_a_palette_error_that_names_it(tmp_path: Path, name: str, content: bytes) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(PaletteError) as caught:
        read_palette(file)
    assert str(file) in caught.value.message
    assert caught.value.cure


def test_broken_line_is_named(tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("#aabbcc\n\nblue\n")
    with pytest.raises(PaletteError, match="line 3"):
        read_palette(tmp_path / "p.txt")


@pytest.mark.parametrize("name", ["p.png", "p", "p.clr", ".json"])
def test_other_endings_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"#aabbcc\n")
    with pytest.raises(PaletteError, match=r"use one of \.json, \.gpl, \.txt"):
        read_palette(tmp_path / name)
    with pytest.raises(PaletteError, match=r"use one of \.json, \.gpl, \.txt"):
        write_palette(tmp_path / name, PALETTE, overwrite=True)


def test_missing_file_and_folder_are_palette_errors(tmp_path: Path) -> None:
    (tmp_path / "folder.json").mkdir()
    for name in ("missing.json", "folder.json"):
        with pytest.raises(PaletteError, match="can't be read"):
            read_palette(tmp_path / name)


def test_existing_file_is_kept_unless_overwriting(tmp_path: Path) -> None:
    file = tmp_path / "p.json"
    file.write_text("mine")
    with pytest.raises(OutputError):
        write_palette(file, PALETTE)
    assert file.read_text() == "mine"
    write_palette(file, PALETTE, overwrite=True)
    assert read_palette(file) == PALETTE
    assert list(tmp_path.iterdir()) == [file]


def test_equal_palettes_give_equal_bytes(tmp_path: Path) -> None:
    for suffix in (".json", ".gpl", ".txt"):
        contents = []
        for name in ("a", "b"):
            write_palette(tmp_path / f"{name}{suffix}", PALETTE)
            contents.append((tmp_path / f"{name}{suffix}").read_bytes())
        assert contents[0] == contents[1]
