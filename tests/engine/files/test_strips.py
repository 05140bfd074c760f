"""Straight layers: what rounding makes of thin layers fits, what lies farther out does not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fscs_engine.errors import RangeError
from fscs_engine.files.strips import straight_layer


def layer(alpha: float, *rgb: float) -> np.ndarray:
    return np.array([[[*rgb, alpha]]], np.float32)


@pytest.mark.parametrize("alpha", [1.0, 0.25, 1 / 16, 1e-3])
def test_the_rounding_of_a_sum_is_no_color_outside(alpha: float) -> None:
    found = straight_layer(layer(alpha, alpha + 5e-7, -5e-7, 0), np.ones(3), path=Path("a.png"), name="layer 1")
    np.testing.assert_array_equal(found[0, 0], np.array([1, 0, 0, alpha], np.float32))


@pytest.mark.parametrize("alpha", [1.0, 0.25, 1 / 16, 1e-3])
@pytest.mark.parametrize("far", [3e-6, -3e-6])
def test_what_would_change_the_sum_is_refused(alpha: float, far: float) -> None:
    outside = layer(alpha, 0, alpha + far if far > 0 else far, 0)
    with pytest.raises(RangeError, match="G of layer 1 is"):
        straight_layer(outside, np.ones(3), path=Path("a.png"), name="layer 1")
    assert straight_layer(outside, np.ones(3), path=Path("a.png"), name="layer 1", clip=True)[0, 0, 1] in (0, 1)
