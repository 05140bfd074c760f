"""The fake host that the tests of the Nuke plug-in share."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import fake_nuke  # noqa: E402


@pytest.fixture
def host() -> Iterator[fake_nuke.Host]:
    """A fresh Nuke with a window and an empty script, importable as ``nuke``."""
    reason = fake_nuke.missing()
    if reason:
        pytest.skip(reason)
    made = fake_nuke.Host().install()
    before = list(sys.path)
    yield made
    made.remove()
    sys.path[:] = before
