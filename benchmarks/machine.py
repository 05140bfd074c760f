"""What every result says about where it was measured, and how results are kept."""

from __future__ import annotations

import json
import os
import platform
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"

_lap = [time.monotonic()]
"""When this process began or last stored a result."""


def machine() -> dict[str, Any]:
    """The machine: no names, no paths."""
    model = platform.processor()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    return {
        "cpu": model,
        "cpus": os.cpu_count(),
        "threads": os.environ.get("OMP_NUM_THREADS", "all"),
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": version("torch"),
    }


def store(name: str, key: str, result: dict[str, Any], before: float = 0.0) -> None:
    """Puts one result into ``results/NAME.json`` beside those that are there, with what it took.

    ``wall_seconds`` is what passed since this process stored its last result, or began: over the results of a file they
    add up to the time of the whole command, whether it ran at once or row by row.

    Args:
        name: of the file.
        key: of the result.
        result: what is stored.
        before: seconds that other processes spent on this result, in an earlier run.
    """
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"{name}.json"
    results = json.loads(file.read_text()) if file.exists() else {}
    now = time.monotonic()
    results[key] = {**result, "wall_seconds": round(before + now - _lap[0], 1), "machine": machine()}
    _lap[0] = now
    file.write_text(json.dumps(dict(sorted(results.items())), indent=1) + "\n")
