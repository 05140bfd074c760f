from __future__ import annotations

import numpy as np
import pytest

from fscs_engine.files.shared import SharedLayerWriter


def test_strips_are_written_where_they_belong(tmp_path):
    layers = np.arange(3 * 5 * 2 * 4, dtype=np.float32).reshape(3, 5, 2, 4)
    with SharedLayerWriter(tmp_path / "layers.f32", height=5, width=2, layers=3) as writer:
        writer.write(3, layers[:, 3:])
        writer.write(0, layers[:, :3])
    np.testing.assert_array_equal(np.fromfile(tmp_path / "layers.f32", "<f4").reshape(layers.shape), layers)


def test_an_error_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), SharedLayerWriter(tmp_path / "l.f32", height=1, width=1, layers=1):
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())
