"""Which frames there are: what inputs mean, what is to be done, what is missing."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from fscs_engine.color import ColorSpaces
from fscs_engine.errors import InputError, UsageError
from fscs_engine.files.exr import write_exr
from fscs_engine.host.key import file_identity
from fscs_engine.image import Image
from fscs_engine.shots.frames import FramePattern
from fscs_engine.shots.options import SegmentOptions
from fscs_engine.shots.shots import find_palette, open_shot, plan


def write(*names, color=0.25):
    """Pictures of 4 × 4 pixels of one color."""
    for number, name in enumerate(names):
        file = Path(name)
        file.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.full((4, 4, 3), color, np.float32)
        pixels[..., 0] += number / 8
        write_exr(file, Image.from_pixels(pixels, "acescg"))


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("text", ["a/p.####.exr", "a/p.%04d.exr", "a"])
def test_patterns_and_folders(text):
    write("a/p.1001.exr", "a/p.1003.exr")
    shot = open_shot([Path(text)])
    assert (shot.name, shot.views, shot.frames("")) == ("p", ("",), (1001, 1003))
    assert shot.source(1003, "") == Path("a/p.1003.exr")
    assert (shot.place(1003, "").number, shot.place(1003, "").frame) == ("1003", 1003)
    assert shot.read(1003, "").pixels[0, 0, 0] == 0.375
    assert shot.reading(1001, "").space == "acescg"
    assert shot.identity(1001, "") == file_identity("a/p.1001.exr")


def test_files_of_one_sequence_keep_their_numbers_and_others_are_counted():
    write("p.0007.exr", "p.0009.exr", "p.0010.exr", "q.exr")
    assert open_shot([Path("p.0010.exr"), Path("p.0007.exr")]).frames("") == (7, 10)
    listed = open_shot([Path("q.exr"), Path("p.0007.exr")])
    assert listed.frames("") == (1, 2)
    assert listed.source(1, "") == Path("q.exr")
    assert listed.place(2, "").number == "0002"


@pytest.mark.parametrize(
    ("asked", "there"),
    [("p.#####.exr", "p.####.exr"), ("p.%d.exr", "p.####.exr"), ("p.%05d.exr", "p.####.exr")],
)
def test_padding_that_does_not_match_names_the_pattern_that_would(asked, there):
    write("p.0101.exr", "p.0102.exr")
    with pytest.raises(InputError, match=f"no such file: there are files named {there}"):
        open_shot([Path(asked)])


def test_frames_that_are_missing_only_in_this_padding():
    write("p.0101.exr", "p.0102.exr", "p.103.exr")
    with pytest.raises(InputError, match="frames 101-102 are missing .*: there are files named p.####.exr"):
        plan(open_shot([Path("p.###.exr")]), [101, 102], "error")


@pytest.mark.parametrize("signs", ["-001", "-0001"])
def test_negative_frames_are_read(signs):
    write(f"p.{signs}.exr", "p.0000.exr", "p.0001.exr")
    shot = open_shot([Path("p.####.exr")])
    assert shot.frames("") == (-1, 0, 1)
    assert shot.read(-1, "").pixels[0, 0, 0] == 0.25
    assert shot.place(-1, "").file(FramePattern("l.####.exr")) == Path("l.-001.exr")


@pytest.mark.parametrize(("name", "frame"), [("p.1001.exr", 1001), ("p.-005.exr", -5), ("cup.exr", None)])
def test_a_picture_has_the_number_of_its_name(name, frame):
    write(name)
    shot = open_shot([Path(name)])
    assert shot.single
    assert shot.numbered is (frame is not None)
    assert shot.frames("") == (frame or 0,)
    assert shot.read(frame or 0, "").pixels.shape == (4, 4, 3)


def test_views_of_one_frame_have_its_number():
    write("left.1001.exr", "right.1001.exr")
    shot = open_shot([Path("%V.1001.exr")])
    assert shot.numbered
    assert shot.frames("right") == (1001,)
    assert shot.read(1001, "right").pixels[0, 0, 0] == 0.375


def test_views_that_exist_or_were_named():
    write("left/p.1.exr", "left/p.2.exr")
    pattern = [Path("%V/p.#.exr")]
    assert open_shot(pattern).views == ("left",)
    write("right/p.1.exr", "main/p.1.exr")
    assert open_shot(pattern).views == ("left", "right")
    named = open_shot(pattern, views=["main"])
    assert named.views == ("main",)
    assert named.source(1, "main") == Path("main/p.1.exr")
    with pytest.raises(InputError, match="--views"):
        open_shot(pattern, views=["left", "none"])


def test_what_is_no_shot_is_refused():
    write("p.1.exr", "p.2.exr", "folder/q.1.exr")
    with pytest.raises(InputError, match="no such file"):
        open_shot([Path("none.####.exr")])
    with pytest.raises(InputError, match="none.exr does not exist"):
        open_shot([Path("p.1.exr"), Path("none.exr")])
    with pytest.raises(InputError, match="folder is a folder"):
        open_shot([Path("p.1.exr"), Path("folder")])
    for inputs in ([Path("p.#.exr")], [Path("p.1.exr"), Path("p.2.exr")]):
        with pytest.raises(UsageError, match="--views without %V"):
            open_shot(inputs, views=["left"])


def test_a_shot_goes_to_other_processes():
    write("p.1.exr", "p.2.exr", "q.exr")
    for inputs in (["p.#.exr"], ["p.1.exr", "p.2.exr"], ["q.exr", "p.1.exr"]):
        shot = open_shot([Path(each) for each in inputs])
        again = pickle.loads(pickle.dumps(shot))
        assert again.frames("") == shot.frames("")
        assert again.identity(1, "") == shot.identity(1, "")


def test_without_numbers_all_frames_are_done_and_gaps_are_told():
    write(*(f"p.{number}.exr" for number in (1, 3, 5, 9, 11)))
    todo, lost, gaps = plan(open_shot([Path("p.#.exr")]), None, "error")
    assert [frame for frame, _ in todo] == [1, 3, 5, 9, 11]
    assert lost == []
    assert gaps == [(7, "")]


def test_two_frames_have_no_gap():
    write("p.1.exr", "p.100.exr")
    assert plan(open_shot([Path("p.#.exr")]), None, "error")[2] == []


def test_missing_frames_stop_or_are_skipped():
    write("p.1.exr", "p.2.exr", "p.4.exr")
    shot = open_shot([Path("p.#.exr")])
    with pytest.raises(InputError, match=r"p\.3\.exr is missing"):
        plan(shot, [1, 2, 3], "error")
    with pytest.raises(InputError, match=r"frames 3,5 are missing"):
        plan(shot, [3, 4, 5], "error")
    todo, lost, gaps = plan(shot, [1, 3, 4], "skip")
    assert (todo, lost, gaps) == ([(1, ""), (4, "")], [(3, "")], [])
    with pytest.raises(InputError, match="--frames"):
        plan(shot, [7, 8], "skip")


def test_views_are_done_one_after_the_other():
    write("left/p.1.exr", "left/p.2.exr", "right/p.1.exr", "right/p.2.exr")
    todo, _, _ = plan(open_shot([Path("%V/p.#.exr")]), None, "error")
    assert todo == [(1, "left"), (2, "left"), (1, "right"), (2, "right")]


def test_the_palette_is_of_frames_across_the_shot_and_of_the_first_view():
    write(*(f"left/p.{number}.exr" for number in (1, 2, 3)))
    write("right/p.1.exr", color=0.9)
    shot = open_shot([Path("%V/p.#.exr")])
    todo, _, _ = plan(shot, None, "error")
    told = []
    found = find_palette(shot, todo, ColorSpaces(), SegmentOptions(colors=3), told.append)
    assert len({color.hex for color in found}) == 3  # one of each frame
    assert max(color.rgb[1] for color in found) < 0.7
    assert told[0] == 0
    assert told == sorted(told)


def test_frames_that_can_not_be_read_are_left_out_of_the_palette_where_they_are_skipped():
    write(*(f"p.{number}.exr" for number in (1, 2, 3)))
    Path("p.1.exr").write_bytes(Path("p.1.exr").read_bytes()[:-9])
    Path("p.3.exr").write_bytes(b"")
    shot = open_shot([Path("p.#.exr")])
    todo, _, _ = plan(shot, None, "skip")
    with pytest.raises(InputError, match=r"p\.1\.exr"):
        find_palette(shot, todo, ColorSpaces(), SegmentOptions(colors=1))
    found = find_palette(shot, todo, ColorSpaces(), SegmentOptions(colors=1, missing="skip"))
    assert found == find_palette(shot, todo[1:2], ColorSpaces(), SegmentOptions(colors=1))
    Path("p.2.exr").write_bytes(b"")
    with pytest.raises(InputError, match="p"):
        find_palette(shot, todo, ColorSpaces(), SegmentOptions(colors=1, missing="skip"))
