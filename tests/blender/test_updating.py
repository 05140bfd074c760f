"""Auto Update in real Blenders, without a window."""

from __future__ import annotations

from pathlib import Path


def test_auto_update(blender, photograph: Path) -> None:
    found = blender.run("updating.py", photograph).result
    for name in ("file", "chain"):
        result = found[name]
        assert (result["new"], result["right"], result["off"]) == ([False] * 3, [False] * 3, [False] * 3)
        assert result["changed"] == [False, False, True]
        assert result["blocky"] == [True, False], "a preview, then the whole"
        assert result["says"] == "Up to date"
        assert result["same"] == 0.0
        assert result["other"]
    assert found["rendered"] == [False, 1, "Stale: press Segment"], "it renders nothing"
    assert found["tried"] == [False] * 3
    assert found["in pixels"] == [[-4.0, 2.0], 0.5], "a preview is smaller"
