"""Compiled loops: what numbers do in them, and machines without a place to keep them."""

from __future__ import annotations

import numpy as np
import pytest
from numba.core import caching

from fscs_engine.compiling import compiled


def quotients(above, below, out):
    for x in range(len(out)):
        out[x] = above[x] / below[x]


@pytest.mark.parametrize("place", [True, False])
def test_loops_compute_as_numpy_does(monkeypatch, place):
    """Also where nothing can be written, as in an installation for all users of a farm."""
    if not place:
        monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])
    above = np.array([1, 0, -1, np.nan, np.inf, 3], np.float32)
    below = np.array([0, 0, 0, 1, 2, 2], np.float32)
    out = np.empty(6, np.float32)
    compiled(quotients)(above, below, out)
    np.testing.assert_array_equal(out, np.array([np.inf, np.nan, -np.inf, np.nan, np.inf, 1.5], np.float32))
