"""What every result says about where it was measured, and how results are kept."""

from __future__ import annotations

import json
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"


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


def store(name: str, key: str, result: dict[str, Any]) -> None:
    """Puts one result into ``results/NAME.json`` beside those that are there."""
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"{name}.json"
    results = json.loads(file.read_text()) if file.exists() else {}
    results[key] = {**result, "machine": machine()}
    file.write_text(json.dumps(dict(sorted(results.items())), indent=1) + "\n")
