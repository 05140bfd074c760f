"""Photographs to train on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="session")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three small ones, of smooth noise."""
    folder = tmp_path_factory.mktemp("photographs")
    rng = np.random.default_rng(0)
    for number in range(3):
        noise = rng.integers(0, 255, (5, 6, 3), dtype=np.uint8)
        Image.fromarray(noise).resize((60, 50), Image.Resampling.BICUBIC).save(folder / f"{number}.png")
    return folder
