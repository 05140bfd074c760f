"""What in front of a node makes its layers stale, in real Blenders."""

from __future__ import annotations

from pathlib import Path


def test_what_counts(blender, tmp_path: Path) -> None:
    found = blender.run("upstream.py", tmp_path).result
    assert found["seen"] == dict.fromkeys(found["seen"], True)
    assert found["left out"] == dict.fromkeys(found["left out"], True)
    assert (found["before"], found["after"]) == ("Up to date", "Stale: press Segment")
    assert found["same wherever the timeline is"]
    assert found["animated"]
    assert found["driver same wherever the timeline is"]
    assert found["a mask without keys"] == [False, []]
    if "a mask with keys" in found:
        assert found["a mask with keys"] == [True, ["keyed shapes of Roto"], True, 0.0]
    assert found["file"] == "Up to date"
