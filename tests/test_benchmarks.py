"""The tables in the documents are those that the measured results give."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from fscs_engine.networks.shipped import SHIPPED

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"


def test_tables_are_up_to_date():
    finished = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "tables.py", "--check"], capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr


@pytest.mark.parametrize("row", ["paper", "paper, no smoothing", "paper, not exact", "paper, not exact, no smoothing"])
def test_the_scores_are_of_the_shipped_weights(row):
    results = json.loads((RESULTS / "kodak.json").read_text())
    assert results[row]["weights_sha256"] == SHIPPED["paper"].sha256
    assert len(results[row]["images"]) == 24
