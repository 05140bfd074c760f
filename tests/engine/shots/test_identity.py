from __future__ import annotations

import numpy as np
import pytest

from fscs_engine.alpha.processing import AlphaProcessing, Mask
from fscs_engine.palette.palette import Palette
from fscs_engine.segmenter import Segmenter
from fscs_engine.shots.identity import Identity


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return Segmenter(device="cpu")


def metadata(segmenter: Segmenter, *masks: Mask) -> dict[str, str]:
    palette = Palette.from_hex(["#101010", "#c03020", "#e0e0c0"])
    processing = AlphaProcessing(masks=masks)
    return Identity(segmenter, "srgb", palette, processing, "ab" * 32).metadata("srgb")


def test_masks_are_said_in_their_order(segmenter):
    plane = np.zeros((2, 3), np.float32)
    found = metadata(segmenter, Mask(plane, "limit", (3, 1)), Mask(plane, "split", (1, 2)))
    assert found["softcolor:mask"] == "limit 3 1, split 1 2"
    assert metadata(segmenter, Mask(plane, "limit", (3,)))["softcolor:mask"] == "limit 3"


def test_without_masks_nothing_is_said_of_them(segmenter):
    found = metadata(segmenter)
    assert "softcolor:mask" not in found
    assert found["softcolor:input"] == "ab" * 32
    assert found["softcolor:key"] != metadata(segmenter, Mask(np.ones((1, 1)), "limit", (1,)))["softcolor:key"]
