"""Memory on the largest pictures, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from fscs_engine.files.png import write_png

LIMIT = 6 * 2**30
WIDTH, HEIGHT, ROWS = 7680, 4320, 640


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("space", ["srgb", "acescg"])
def test_an_8k_picture_fits_into_6_gib(space, tmp_path):
    """Layers are computed and written in strips of fewer rows than this, so more rows cost only their own pixels."""
    rng = np.random.default_rng(0)
    coarse = rng.random((ROWS // 32, WIDTH // 32, 3), dtype=np.float32)
    write_png(tmp_path / "wide.png", np.repeat(np.repeat(coarse, 32, axis=0), 32, axis=1), bits=8)
    command = [sys.executable, "-m", "fscs_engine", "segment", tmp_path / "wide.png", "-o", tmp_path / "layers.exr"]
    command += ["-k", "7", "--working-space", space, "--json"]
    finished = subprocess.run(command, capture_output=True, check=True)
    result = json.loads(finished.stdout)
    rest = (HEIGHT - ROWS) * WIDTH * 3 * 4  # the picture is held whole
    assert result["peak_rss_bytes"] + rest < LIMIT
    assert result["error_max"] <= 1e-6
