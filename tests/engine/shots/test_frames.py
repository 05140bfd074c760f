from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fscs_engine.errors import InputError, UsageError
from fscs_engine.host.frames import format_frames
from fscs_engine.shots.frames import (
    FramePattern,
    is_pattern,
    number_of,
    parse_frames,
    pattern_of_files,
    pattern_of_folder,
)


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


@pytest.mark.parametrize(
    ("text", "frames"),
    [
        ("7", (7,)),
        ("1001-1003", (1001, 1002, 1003)),
        ("1001-1006x2,1010", (1001, 1003, 1005, 1010)),
        ("5,3,3-4", (3, 4, 5)),
        ("1001-1006:2", (1001, 1003, 1005)),
        ("-2-1", (-2, -1, 0, 1)),
    ],
)
def test_ranges(text, frames):
    assert parse_frames(text) == frames


@pytest.mark.parametrize("text", ["", "a", "1-", "1..5", "1.5", "1-10x0", "1-99999999", "1 to 5"])
def test_what_is_no_range_is_refused(text):
    with pytest.raises(UsageError, match="--frames"):
        parse_frames(text)


@given(st.sets(st.integers(-50, 5000), min_size=1, max_size=40))
def test_a_range_written_and_read_is_the_same(numbers):
    assert parse_frames(format_frames(numbers)) == tuple(sorted(numbers))


@pytest.mark.parametrize(
    ("text", "frame", "name"),
    [
        ("a/plate.####.exr", 7, "a/plate.0007.exr"),
        ("a/plate.%04d.exr", 12345, "a/plate.12345.exr"),
        ("a/plate.@@@.exr", 7, "a/plate.007.exr"),
        ("a/plate_$F4.exr", 7, "a/plate_0007.exr"),
        ("a/plate.####.exr", -7, "a/plate.-007.exr"),
        ("a b/übung 100%.####.exr", 1, "a b/übung 100%.0001.exr"),
        ("still.exr", 3, "still.exr"),
        ("still.1001.exr", 3, "still.1001.exr"),
        ("take_2-####.exr", 7, "take_2-0007.exr"),
        ("take.####v2.exr", 7, "take.0007v2.exr"),
        ("a/50%d.exr", 7, "a/507.exr"),
        ("take #2.####.exr", 7, "take #2.0007.exr"),
        ("icon@2x.%02d.exr", 7, "icon@2x.07.exr"),
        ("take #2.exr", 7, "take #2.exr"),
        ("plate#.exr", 7, "plate7.exr"),
    ],
)
def test_names_of_frames(text, frame, name):
    assert str(FramePattern(text).file(frame)) == name


@pytest.mark.parametrize(
    "name", ["a ####.exr", "a#.exr", "a@.exr", "a.%02d.exr", "100%d.exr", "a.$F4.exr", "%V.%v.exr", "a.####.####.exr"]
)
def test_a_literal_name_is_taken_as_it_is(name):
    pattern = FramePattern(f"C##/{name}", literal=True)
    assert pattern.file(7, "left") == Path("C##", name)
    assert not pattern.has_number
    assert not pattern.has_view


def test_signs_in_the_name_of_a_folder_that_exists(tmp_path):
    touch(tmp_path, "C## %02d/p.0001.exr")
    assert FramePattern(str(tmp_path / "C## %02d" / "p.####.exr")).frames() == (1,)


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("plate.1001.exr", 1001),
        ("a/plate_1001.exr", 1001),
        ("plate1001.exr", 1001),
        ("1001.exr", 1001),
        ("plate_v2.1001.exr", 1001),
        ("plate.1001.left.exr", 1001),
        ("plate-0007.exr", 7),
        ("plate.-007.exr", -7),
        ("-7.exr", -7),
        ("plate.-0007.exr", -7),
        ("cup.png", None),
        ("cup_v2.png", None),
        ("v1.5.exr", 5),
        ("1001/cup.png", None),
    ],
)
def test_the_number_in_a_name(name, number):
    assert number_of(Path(name)) == number


@pytest.mark.parametrize(
    ("names", "frames"),
    [
        (["p.-002.exr", "p.-001.exr", "p.0000.exr", "p.0001.exr"], (-2, -1, 0, 1)),
        (["p.-0002.exr", "p.-0001.exr", "p.0000.exr", "p.0001.exr"], (-2, -1, 0, 1)),
        (["p.-12345.exr", "p.12345.exr"], (-12345, 12345)),
        (["p.-2.exr", "p.-02.exr", "p.-00002.exr", "p.--02.exr"], ()),
    ],
)
def test_negative_frames_in_both_ways_of_writing_them(tmp_path, names, frames):
    touch(tmp_path, *names)
    pattern = FramePattern(str(tmp_path / "p.####.exr"))
    assert pattern.frames() == frames
    assert [pattern.existing(frame).name for frame in frames] == names[: len(frames)]


@pytest.mark.parametrize(
    ("asked", "names", "found"),
    [
        ("p.#####.exr", ["p.1001.exr", "p.1002.exr"], ["p.####.exr"]),
        ("p.%d.exr", ["p.0001.exr", "p.0010.exr"], ["p.####.exr"]),
        ("p.####.exr", ["p.1.exr", "p.10.exr"], ["p.#.exr"]),
        ("p.##.exr", ["p.001.exr", "p.00001.exr"], ["p.###.exr", "p.#####.exr"]),
        ("p.####.exr", ["p.-002.exr", "p.002.exr"], ["p.###.exr"]),
        ("p.####.exr", ["p.exr", "q.1.exr"], []),
        ("p.exr", ["p.1.exr"], []),
    ],
)
def test_other_paddings_that_are_there(tmp_path, asked, names, found):
    touch(tmp_path, *names)
    assert FramePattern(str(tmp_path / asked)).paddings() == [str(tmp_path / name) for name in found]


def test_views():
    pattern = FramePattern("%V/plate.%v.####.exr")
    assert str(pattern.file(3, "left")) == "left/plate.l.0003.exr"
    assert pattern.has_view
    assert pattern.has_number


@pytest.mark.parametrize(
    "text",
    [
        "a/####/plate.####.exr",
        "a/####/plate.exr",
        "plate.####.####.exr",
        "p.##_##.exr",
        "p.1-5####.exr",
        "p.<UDIM>.exr",
    ],
)
def test_patterns_that_mean_nothing_are_refused(text):
    with pytest.raises(UsageError):
        FramePattern(text)


def test_frames_on_disk_are_those_of_the_pattern_alone(tmp_path):
    touch(tmp_path, "p.0001.exr", "p.0003.exr", "p.10000.exr", "p.5.exr", "p.0002.exr.bak", "q.0001.exr", "p.00004.exr")
    assert FramePattern(str(tmp_path / "p.####.exr")).frames() == (1, 3, 10000)
    assert FramePattern(str(tmp_path / "p.%d.exr")).frames() == (5, 10000)
    assert FramePattern(str(tmp_path / "nothing.####.exr")).frames() == ()
    assert FramePattern(str(tmp_path / "no folder" / "p.####.exr")).frames() == ()


@given(st.integers(-99, 12000), st.sampled_from(["####", "%04d", "@@@@@@", "#", "%d", "%02d"]))
def test_a_frame_that_is_there_is_found(tmp_path_factory, frame, token):
    folder = tmp_path_factory.mktemp("frames")
    pattern = FramePattern(str(folder / f"plate v2.{token}.exr"))
    pattern.file(frame).write_bytes(b"x")
    assert pattern.frames() == (frame,)


def test_frames_of_a_view(tmp_path):
    touch(tmp_path, "left/p.l.0001.exr", "right/p.r.0001.exr", "right/p.r.0002.exr")
    pattern = FramePattern(str(tmp_path / "%V" / "p.%v.####.exr"))
    assert pattern.frames("left") == (1,)
    assert pattern.frames("right") == (1, 2)


def test_a_file_of_just_this_name_is_one_picture(tmp_path):
    touch(tmp_path, "take #1.png")
    assert not is_pattern(str(tmp_path / "take #1.png"))
    assert is_pattern(str(tmp_path / "take.##.png"))
    assert not is_pattern(str(tmp_path / "plain.png"))


def test_a_folder_is_its_one_sequence(tmp_path):
    touch(tmp_path, "p.1001.exr", "p.1002.exr", ".p.1003.exr", "notes.txt")
    pattern = pattern_of_folder(tmp_path)
    assert pattern.frames() == (1001, 1002)
    assert pattern.file(1001) == tmp_path / "p.1001.exr"


@pytest.mark.parametrize("names", [[], ["a.1.exr", "b.1.exr"], ["cat.png", "dog.png"]])
def test_a_folder_that_is_not_one_sequence_is_refused(tmp_path, names):
    touch(tmp_path, *names)
    with pytest.raises(InputError, match="no images|not one sequence"):
        pattern_of_folder(tmp_path)


def test_files_as_a_shell_lists_them(tmp_path):
    touch(tmp_path, "p.0001.exr", "p.0002.exr", "p.0009.exr", "q.png")
    files = [tmp_path / name for name in ("p.0002.exr", "p.0009.exr", "p.0001.exr")]
    found = pattern_of_files(files)
    assert found is not None
    assert found[1] == (1, 2, 9)
    assert found[0].file(4) == tmp_path / "p.0004.exr"
    assert pattern_of_files([tmp_path / "q.png", tmp_path / "p.0001.exr"]) is None
