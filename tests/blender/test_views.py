"""The output View in real Blenders."""

from __future__ import annotations

from pathlib import Path

LIMIT = 1e-5


def test_views(blender, photograph: Path) -> None:
    found = blender.run("views.py", photograph).result
    assert (found["new"], found["end"]) == (True, "View")
    assert found["layers"]
    assert found["one layer"] == [True, True]
    assert found["too high"], "a number above the count shows the last layer"
    assert found["one alpha"] == [True, True]
    assert found["recomposition"]
    assert found["sheet"][0] <= LIMIT
    assert found["sheet"][1] == 0.0, "the place of a fourth layer is not empty"
    assert found["small"] <= 8 * LIMIT
    red, green, alpha = found["gain"]
    assert (abs(red - 0.08) < 1e-3, green < 1e-3, alpha) == (True, True, 1.0)
    assert found["over"]
    assert found["over alpha"]
    assert found["viewer"] == ["View", 0]
    assert found["needed"] == [[0, 1, 2], [False, True]], "linked later, it is filled once"
    assert found["still linked"] == ["View", "View"]
    assert found["loaded"] == ["recomposition", "Up to date", True]
    assert found["mended"] == ["View", True]
    assert "is connected to" in found["not frozen"]
    assert found["frozen"] == ["FINISHED"]
    assert found["frozen recolors"] == "Recolored"
    assert max(found["frozen errors"]) <= LIMIT, "keyframes and the recolor tree outside stay what they were"
    assert min(found["changed"]) > 0.05
