"""Compiled loops: what numbers do in them, what is kept of them, and machines without a place to keep them."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from numba.core import caching

from fscs_engine.runtime.compiling import compiled


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


def test_what_is_kept_is_kept_with_its_numbers(tmp_path):
    """A number that a file of loops imports may change while the file does not."""
    file = tmp_path / "loops.py"
    file.write_text(
        "from fscs_engine.runtime.compiling import compiled\n"
        "@compiled\ndef inner(x):\n    return x * FACTOR\n"
        "@compiled\ndef outer(x):\n    return inner(x) + 1\n"
    )

    def outer(factor):
        spec = importlib.util.spec_from_file_location("loops", file)
        module = importlib.util.module_from_spec(spec)
        vars(module)["FACTOR"] = factor
        spec.loader.exec_module(module)
        return module.outer

    assert [outer(factor)(10) for factor in (2, 3, 2)] == [21, 31, 21]
    again = outer(3)
    assert again(10) == 31
    assert sum(again.stats.cache_hits.values()) == 1
