"""Never a wrong picture, nothing lost: in real Blenders, with the real engine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

NO_PASSES = 3
NOWHERE = {"FSCS_PYTHON": "/nowhere/python"}


def seen(blender, kind: str, photograph: Path, folder: Path) -> dict:
    """What the script saw."""
    return blender.run("lost_work.py", kind, photograph, folder).result


def test_a_changed_3d_scene_is_stale(blender, tmp_path: Path) -> None:
    found = blender.run("scene3d.py", "make", tmp_path).result
    assert found["before"] == "Up to date"
    assert found["same"] == dict.fromkeys(found["same"], True)
    assert found["filled"] == ["FINISHED"]
    assert found["loaded"] == ["Up to date", True]
    assert found["edits"] == dict.fromkeys(found["edits"], True)
    assert found["after"].startswith("Stale")

    os.utime(tmp_path / "wood.png", (2.0, 2.0))  # a copy on another machine has a time of its own
    assert blender.run("scene3d.py", "render", tmp_path, variables=NOWHERE).result == 2
    for file in tmp_path.glob("out_*.exr"):
        file.unlink()
    blender.run("scene3d.py", "move", tmp_path)
    stopped = blender.run("scene3d.py", "render", tmp_path, check=False)
    assert stopped.status == NO_PASSES
    assert "frame 1 in the cache is stale" in stopped.err
    assert not list(tmp_path.glob("out_*.exr"))


@pytest.mark.slow
def test_a_simulation_needs_consent(blender, tmp_path: Path) -> None:
    blender.run("scene3d.py", "make", tmp_path)
    assert "not watched: Cloth" in blender.run("scene3d.py", "simulate", tmp_path).result
    stopped = blender.run("scene3d.py", "render", tmp_path, check=False)
    assert stopped.status == NO_PASSES
    assert "Trust the Scene" in stopped.err
    blender.run("scene3d.py", "trust", tmp_path)
    assert blender.run("scene3d.py", "render", tmp_path, variables=NOWHERE).result == 2


def test_undo_brings_the_pixels_back(blender, photograph: Path, tmp_path: Path) -> None:
    found = seen(blender, "undo", photograph, tmp_path)
    assert found["first"][0] != found["second"][0]
    assert (found["undone"], found["undone says"]) == (found["first"], "Up to date")
    assert (found["redone"], found["redone says"]) == (found["second"], "Up to date")
    assert found["without a cache"] == [0.0] * 3
    assert "not in the cache" in found["then says"]


def test_locked_colors_keep_their_layers(blender, photograph: Path, tmp_path: Path) -> None:
    found = seen(blender, "locked", photograph, tmp_path)
    assert found["kept"] == [True, True]
    assert found["found"] == 6
    assert found["labels"] == ["", "Sky", "", "", "Rosé", ""]
    assert found["locks"] == [False, True, False, False, True, False]
    assert found["link"] == "5 Rosé"
    assert [found["names"][number] for number in (2, 5)] == ["2 Sky", "5 Rosé"]
    assert found["names"][3][:2] == "3 "
    assert "Old" not in found["names"][3]


def test_fewer_colors_and_more_again(blender, photograph: Path, tmp_path: Path) -> None:
    found = seen(blender, "fewer", photograph, tmp_path)
    assert found["fewer"][0] == found["before"][0][:3]
    assert len(found["fewer"][2]) == 6
    assert found["again"] == found["before"]
    assert found["again"][1] == ["Rosé", True, 1.5]
    assert [len(links) for links in found["again"][3]] == [1, 1, 1]


def test_versions_of_a_file_leave_each_other_alone(blender, photograph: Path, tmp_path: Path) -> None:
    found = seen(blender, "versions", photograph, tmp_path)
    assert len(found["v1"]) == 1
    assert len(found["v2"]) == 2
    assert found["v1 says"] == "Up to date"
    assert found["cleared"] == found["v1"]
    assert (found["v1 still says"], found["still shown"]) == ("Up to date", found["shown"])
    assert found["cleared at last"] == []


@pytest.mark.slow
def test_no_frame_is_kept_twice(blender, photograph: Path, tmp_path: Path) -> None:
    found = seen(blender, "many", photograph, tmp_path)
    assert found["results"] == 4
    assert found["filled"] == ["FINISHED"]
    assert found["for 20 frames"] == 4
    assert found["for 20 frames through a node"] == 1
    files, different = found["frozen"]
    assert files in (3, 60)
    assert different == 3


def test_held_frames_are_counted(blender, photograph: Path, tmp_path: Path) -> None:
    found = seen(blender, "held", photograph, tmp_path)
    assert found["nothing"] == "Nothing in the cache yet"
    assert found["one"] == ["4 of 6 frames: 3-6", "0005"]
    assert found["filled"] == ["6 of 6 frames: 1-6", 3]
    assert found["temporal"] == "5 of 6 frames: 1-2, 4-6"
    assert found["through a node"] == "6 of 6 frames: 1-6"
    assert found["animated"] == "5 of 6 frames: 1-2, 4-6"


def test_made_local(blender, photograph: Path, tmp_path: Path) -> None:
    found = seen(blender, "local", photograph, tmp_path)
    assert found["after"] == ["Up to date", True]
    assert not found["linked"]
    assert (found["pressed"], found["says"]) == (["FINISHED"], "Up to date")
    assert found["beside a broken one"] == "Up to date"
    assert found["mended"] == "Up to date"


def test_frames_come_along_with_copies(blender, photograph: Path, tmp_path: Path) -> None:
    found = seen(blender, "copied", photograph, tmp_path)
    assert found["twin"] == [True, [1, 2, 3]]
    assert found["both saved"] == [[1], [1, 2, 3], True]
    assert found["cleared"] == [[], [1, 2, 3]]
    assert found["copy of the file"] == [[1, 2, 3]]


def test_layers_are_not_packed(blender, photograph: Path, tmp_path: Path) -> None:
    found = seen(blender, "packed", photograph, tmp_path)
    assert found["only saved"] == "Up to date"
    assert found["saved"] == [[True] * 3, [False] * 3, False, True, "Up to date"]
    assert found["saved by itself"] == [[True] * 3, [False] * 3, True, True, "Up to date"]


def test_only_added(blender, photograph: Path, tmp_path: Path) -> None:
    found = seen(blender, "new", photograph, tmp_path)
    assert found["combined"] == pytest.approx(0.0, abs=1e-6)
    assert found["says"] == "Press Segment"
    assert "Install the add-on" in found["note"]
    assert found["texts"] == 0


def test_recombine_tree(blender, photograph: Path, tmp_path: Path) -> None:
    found = seen(blender, "recombined", photograph, tmp_path)
    for mode, said in (("ADDITIVE", "Passes: Additive"), ("OVER", "Passes: Over")):
        relinked, error, right, wrong = found[mode]
        assert relinked
        assert error <= 1e-5, mode
        assert right == ""
        assert said in wrong


def test_only_linked_layers_are_read(blender, photograph: Path, tmp_path: Path) -> None:
    found = seen(blender, "linked_only", photograph, tmp_path)
    assert (found["read"], found["held"], found["says"]) == ([2], [2], "Up to date")
    assert (found["then read"], found["then held"]) == ([2, 4], [2, 4])
    assert found["begun"]
    assert found["came"] == [[True], [], False], "it is told once, and in memory then"
    assert found["without memory"] == 0


def test_color_names(without_blender) -> None:
    color_name = without_blender("color_names").color_name
    assert color_name((1.0, 1.0, 0.0)) == "Yellow"
    assert color_name((0.0, 0.4, 0.02)) == "Dark Green"
    assert color_name((0.5, 0.5, 0.5)) == "Gray"
    assert color_name((1.0, 0.0, 0.5)) == "Deep Pink"
