"""What is rendered for the engine, in real Blenders: the picture as it flows in, and nothing left behind."""

from __future__ import annotations

LIMIT = 1e-5
SIZES = {"same": [64, 48], "small": [30, 20], "odd": [31, 21], "large": [90, 60]}


def test_the_color_space_of_the_output_does_not_count(blender) -> None:
    assert blender.run("capture.py", "overridden").result["error"] <= LIMIT


def test_a_moved_picture_keeps_its_place(blender) -> None:
    found = blender.run("capture.py", "moved").result
    for name, (missed, size) in found.items():
        assert missed <= LIMIT, name
        assert size == SIZES.get(name, size), name
    assert len(found) == 2 * len(SIZES) + 1


def test_a_mask_keeps_its_size(blender) -> None:
    found = blender.run("capture.py", "masked").result
    assert found == {"image": [48, 64, 4], "mask": [20, 30, 4]}


def test_nothing_of_a_capture_stays(blender) -> None:
    found = blender.run("capture.py", "undone").result
    assert (found["before"]["muted"], found["meanwhile"]["muted"]) == ([], ["Writer"])
    assert found["before"]["render"] == [True, True, 1]
    assert found["meanwhile"]["render"] == [True, False, 3]
    assert found["second"][0].startswith("Blender is already rendering")
    assert found["second"][1], "what was refused changed something"
    assert found["end"] == 77, "the step from the time of the capture"
    for name in ("after", "undone", "loaded"):
        assert found[name] == found["before"], name


def test_file_outputs_of_libraries_write_nothing(blender) -> None:
    assert blender.run("capture.py", "linked").result == {"written": False, "left": True}
