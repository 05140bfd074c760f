"""Frame ranges and names, as hosts and the engine read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fscs_engine.host.frames import MOST_FRAMES, file_of, has_frame, has_view, number_text, parse_frames
from fscs_engine.host.protocol import WorkerError
from fscs_engine.shots.frames import FramePattern


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("7", (7,)),
        ("1001-1006x2, 1010", (1001, 1003, 1005, 1010)),
        ("1-7:3", (1, 4, 7)),
        ("-2-1", (-2, -1, 0, 1)),
        ("-5--3", (-5, -4, -3)),
        ("5,3,3-4", (3, 4, 5)),
        (f"1-{MOST_FRAMES}", tuple(range(1, MOST_FRAMES + 1))),
    ],
)
def test_ranges(text, numbers):
    assert parse_frames(text) == numbers


@pytest.mark.parametrize(
    "text", ["", " ", "a", "1-", "9-1", "1-5x0", "1;2", "1.5", "1,,2", "１", f"0-{MOST_FRAMES}", "1-" + "9" * 5000]
)
def test_what_is_no_range_is_refused(text):
    with pytest.raises(WorkerError, match="frame") as caught:
        parse_frames(text)
    assert caught.value.code == "usage"
    assert caught.value.cure


@pytest.mark.parametrize(
    ("template", "frame", "view", "file"),
    [
        ("/a/b.%04d.exr", 12, "main", "/a/b.0012.exr"),
        ("/a/b.####.exr", 12345, "main", "/a/b.12345.exr"),
        ("/a/%V/b_%v.%d.exr", 3, "left", "/a/left/b_l.3.exr"),
        ("/a/%V/b.##.exr", -7, "right", "/a/right/b.-7.exr"),
        ("/a@b/$F4/100%.exr", 3, "main", "/a@b/$F4/100%.exr"),
    ],
)
def test_names_of_frames(template, frame, view, file):
    assert file_of(template, frame, view) == file
    assert has_frame(template) == (file_of(template, frame + 1, view) != file)
    assert has_view(template) == (file_of(template, frame, "other") != file)


@given(st.integers(-99, 12000), st.sampled_from(["####", "%04d", "#", "%d", "%02d"]))
def test_the_engine_names_frames_alike(frame, token):
    template = f"shots/%V/plate v2.{token}.exr"
    assert str(FramePattern(template).file(frame, "left")) == file_of(template, frame, "left")


@given(st.integers(-9999, 99999), st.integers(0, 6))
def test_a_number_is_read_as_it_was_written(frame, digits):
    text = number_text(frame, digits)
    assert int(text) == frame
    assert len(text) >= digits
