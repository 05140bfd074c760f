"""Nodes in groups, several at once, and nodes of another file, in real Blenders."""

from __future__ import annotations

from pathlib import Path

import pytest

LIMIT = 1e-5
NO_PASSES = 3
NOWHERE = {"FSCS_PYTHON": "/nowhere/python"}


def linked(blender, photograph: Path, folder: Path) -> tuple[Path, Path]:
    """The folders of a library with a node and of a shot that links it."""
    library, shot = folder / "library é", folder / "shot"
    library.mkdir()
    shot.mkdir()
    blender.run("linked.py", "make", photograph, library, shot)
    return library, shot


def test_node_inside_groups(blender, photograph: Path) -> None:
    found = blender.run("groups.py", photograph).result
    assert found["pressed"] == ["FINISHED"]
    assert found["sums"] == {"chain inside": True, "each use": True, "chain outside": True, "file outside": True}
    assert found["left"] == found["before"], "the capture left something behind"
    assert found["stale"] == [False, True], "a value in the group in front was changed"
    assert "used with different inputs" in found["ambiguous"]
    assert found["same inputs"] == ["FINISHED"]
    assert found["offered"] == "outer"
    assert found["pressed on both"] == [["FINISHED"]] * 2


@pytest.mark.slow
def test_several_nodes_are_filled_and_rendered_in_one_go(blender, photograph: Path, tmp_path: Path) -> None:
    blender.run("several.py", "make", photograph, tmp_path)
    filled = blender.run("several.py", "fill", photograph, tmp_path).result
    assert filled == {"status": 0, "folders": 5}
    found = blender.run("several.py", "render", photograph, tmp_path, variables=NOWHERE).result
    assert len(found) == 6
    assert max(found.values()) <= LIMIT, found


def test_a_node_behind_another_needs_its_layers(blender, photograph: Path, tmp_path: Path) -> None:
    blender.run("several.py", "make", photograph, tmp_path)
    said = blender.run("several.py", "second", photograph, tmp_path).result
    assert "which feeds it" in said
    assert "press Segment there first" in said


@pytest.mark.slow
def test_linked_group_renders_from_the_library(blender, photograph: Path, tmp_path: Path) -> None:
    library, shot = linked(blender, photograph, tmp_path)
    stopped = blender.run("linked.py", "render", photograph, library, shot, check=False)
    assert stopped.status == NO_PASSES
    assert "frame 1 is not in the cache" in stopped.err
    refused = blender.run("linked.py", "fill", photograph, library, shot)
    assert refused.result["status"] == 2
    assert "linked from library.blend and can't be changed here" in refused.err
    assert not list(shot.glob("scs_cache/*"))

    assert blender.run("linked.py", "fill library", photograph, library, shot).result["status"] == 0
    found = blender.run("linked.py", "render", photograph, library, shot, variables=NOWHERE).result
    assert max(found) <= LIMIT, found
    assert blender.run("linked.py", "fill", photograph, library, shot, variables=NOWHERE).result["status"] == 0
    assert not list(shot.glob("scs_cache/*"))
    pressed = blender.run("linked.py", "press", photograph, library, shot).result
    assert pressed["status"] == "Up to date"
    for name in ("segment", "auto_palette", "freeze", "preset", "clear_cache"):
        assert "linked from library.blend" in pressed[name], name
    assert len(list(library.glob("scs_cache/*/*.exr"))) == 2


@pytest.mark.slow
def test_linked_scene_renders_from_the_library(blender, photograph: Path, tmp_path: Path) -> None:
    library, shot = linked(blender, photograph, tmp_path)
    blender.run("linked.py", "fill library", photograph, library, shot)
    found = blender.run("linked.py", "render scene", photograph, library, shot, variables=NOWHERE).result
    assert max(found) <= LIMIT, found


@pytest.mark.slow
def test_appended_nodes_are_independent(blender, photograph: Path, tmp_path: Path) -> None:
    library, shot = linked(blender, photograph, tmp_path)
    blender.run("linked.py", "save library", photograph, library, shot)
    found = blender.run("linked.py", "append", photograph, library, shot).result
    assert found["uids"] == 2
    assert found["trees"] == 2
    assert found["status"] == "Up to date"
    assert found["shown"] > 0.1
    assert found["kept"] == 2, "the frames came along when the file was saved"
    assert max(found["errors"]) <= LIMIT
