"""What all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent

settings.register_profile("fscs", deadline=None, print_blob=True)
settings.load_profile("fscs")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared data: FSCS_SHARED, else ``../shared``. Skips where there is none."""
    folder = Path(os.environ.get("FSCS_SHARED") or ROOT.parent / "shared")
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder}; set FSCS_SHARED to its folder")
    return folder
