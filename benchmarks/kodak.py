"""Scores on the 24 Kodak images, K = 7, palettes and released weights of the shared data.

Tan's method is measured with these palettes and with its own, whose sizes it chooses.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from aksoy2017 import Aksoy2017
from machine import store
from peers import NearestColor, Peer
from tan2018 import Tan2018

from fscs_engine.evaluation.evaluation import evaluate, read_palettes_csv

ROOT = Path(__file__).resolve().parent.parent
FSCS = [sys.executable, "-m", "fscs_engine"]

FILTER = ["--smoothing", "3"]
"""The filter of the paper's networks, which is not the default; the released inference has it of this size only."""

RUNS: dict[str, tuple[str, list[str]]] = {
    "any-palette": ("any-palette", ["--absent", "--permuted"]),
    "any-palette, softness 0": ("any-palette", ["--softness", "0"]),
    "any-palette, softness 1": ("any-palette", ["--softness", "1"]),
    "any-palette, smoothing": ("any-palette", ["--smoothing", "5", "--smoothing-eps", "0.001"]),
    "paper": ("paper", [*FILTER, "--absent", "--permuted"]),
    "paper, no smoothing": ("paper", ["--smoothing", "0"]),
    "paper, not exact": ("paper", [*FILTER, "--no-exact"]),
    "paper, not exact, no smoothing": ("paper", ["--no-exact", "--smoothing", "0"]),
    "released weights": ("released", FILTER),
    "released weights, released inference": ("released", [*FILTER, "--released", "--absent", "--permuted"]),
    "released weights, released inference, no smoothing": ("released", ["--released", "--smoothing", "0"]),
    "nearest color": ("peer", ["--absent", "--permuted"]),
    "Tan 2018": ("peer", []),
    "Tan 2018, palette of its own": ("peer", []),
    "Aksoy 2017": ("peer", []),
    "Aksoy 2017, no filter": ("peer", []),
}
"""Name of a row, which weights, and the flags of ``fscs evaluate``."""

PEERS: dict[str, Callable[[], Peer]] = {
    "nearest color": NearestColor,
    "Tan 2018": Tan2018,
    "Tan 2018, palette of its own": Tan2018,
    "Aksoy 2017": Aksoy2017,
    "Aksoy 2017, no filter": partial(Aksoy2017, radius=0),
}
"""Rows that are not networks."""


def measure_peer(row: str, images: list[Path], palettes: Path) -> dict[str, Any]:
    """As ``fscs evaluate --json``, of another method."""
    given = None if row.endswith("its own") else read_palettes_csv(palettes)
    asked = {name: f"--{name}" in RUNS[row][1] for name in ("absent", "permuted")}
    started = time.perf_counter()
    found = evaluate(images, PEERS[row](), palettes=given, **asked).to_dict()
    return {**found, "seconds": {"total": time.perf_counter() - started}}


def main() -> None:
    """Measures the rows named on the command line, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", help=f"rows to measure: {'; '.join(RUNS)}")
    arguments = parser.parse_args()
    rows = arguments.rows or list(RUNS)
    unknown = [row for row in rows if row not in RUNS]
    if unknown:
        sys.exit(f"{unknown[0]}: is none of {'; '.join(RUNS)}")
    shared = Path(os.environ.get("FSCS_SHARED") or ROOT.parent / "shared")
    images = sorted((shared / "data" / "eval" / "kodak").glob("*.png"))
    if len(images) != 24:
        sys.exit(f"{shared}: the Kodak images are not here; set FSCS_SHARED")
    with tempfile.TemporaryDirectory() as folder:
        released = Path(folder) / "released.safetensors"
        official = shared / "peers" / "fscs_official"
        sources = [str(official / "mask_generator.pth"), str(official / "residue_predictor.pth")]
        subprocess.run([*FSCS, "weights", "import", *sources, "-o", str(released)], check=True)
        palettes = shared / "peers" / "palettes_k7.csv"
        for row in rows:
            weights, flags = RUNS[row]
            if weights == "peer":
                result = measure_peer(row, images, palettes)
            else:
                model = str(released) if weights == "released" else weights
                command = [
                    *FSCS,
                    "evaluate",
                    *map(str, images),
                    "--palettes",
                    str(palettes),
                    "--model",
                    model,
                    "--json",
                ]
                result = json.loads(subprocess.run([*command, *flags], check=True, stdout=subprocess.PIPE).stdout)
            for image in result["images"]:
                image["image"] = Path(image["image"]).stem
            store("kodak", row, {"flags": flags, **result})
            print(row, result["mean"], result["recomposition_error_max"], flush=True)


if __name__ == "__main__":
    main()
