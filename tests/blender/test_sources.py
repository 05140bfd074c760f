"""What color spaces pictures come in, in real Blenders with the OpenColorIO configurations of studios."""

from __future__ import annotations

from pathlib import Path

import pytest

LIMIT = 1e-5
KINDS = ("encoded", "linear", "data")


def used(blender, folder: Path, space: str, photograph: Path) -> dict:
    """What became of pictures where the scene-linear space is another one."""
    blender.run("spaces.py", "make", folder, space)
    return blender.run("spaces.py", "use", photograph, variables={"OCIO": str(folder / "config.ocio")}).result


@pytest.mark.parametrize(("space", "name", "red"), [("Linear Rec.709", "lin_rec709", 1.0), ("ACEScg", "acescg", 1.705)])
def test_layers_add_up_in_the_space_of_the_scene(blender, photograph, tmp_path, space, name, red) -> None:
    found = used(blender, tmp_path / "config", space, photograph)
    assert found["space"] == name
    assert found["matrix"][0] == pytest.approx(red, abs=1e-3)
    for kind in KINDS:
        assert found[kind] <= LIMIT, kind


def test_a_space_without_a_name_is_refused(blender, photograph: Path, tmp_path: Path) -> None:
    found = used(blender, tmp_path / "config", "Linear DCI-P3 D65", photograph)
    assert found["matrix"][0] == pytest.approx(1.2249, abs=1e-2)
    if blender.version not in ("4.2", "4.5"):
        assert found["space"] == "Linear DCI-P3 D65"
        return
    assert found["space"] == ""
    for kind in KINDS:
        assert "neither Linear Rec.709 nor ACEScg" in found[kind], kind
