"""Scores on the 24 Kodak images at native size, K = 7, palettes and released weights of the shared data."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from machine import store

ROOT = Path(__file__).resolve().parent.parent
FSCS = [sys.executable, "-m", "fscs_engine"]

FILTER = ["--smoothing", "3"]
"""The filter of the paper's networks, which is not the default; the released inference has it of this size only."""

RUNS: dict[str, tuple[str, list[str]]] = {
    "any-palette": ("any-palette", ["--absent", "--permuted"]),
    "any-palette, smoothing": ("any-palette", ["--smoothing", "5", "--smoothing-eps", "0.001"]),
    "paper": ("paper", [*FILTER, "--absent", "--permuted"]),
    "paper, no smoothing": ("paper", ["--smoothing", "0"]),
    "paper, not exact": ("paper", [*FILTER, "--no-exact"]),
    "paper, not exact, no smoothing": ("paper", ["--no-exact", "--smoothing", "0"]),
    "released weights": ("released", FILTER),
    "released weights, released inference": ("released", [*FILTER, "--released", "--absent", "--permuted"]),
    "released weights, released inference, no smoothing": ("released", ["--released", "--smoothing", "0"]),
}
"""Name of a row, which weights, and the flags of ``fscs evaluate``."""


def main() -> None:
    """Measures the rows named on the command line, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", help=f"rows to measure: {'; '.join(RUNS)}")
    rows = parser.parse_args().rows or list(RUNS)
    shared = Path(os.environ.get("FSCS_SHARED") or ROOT.parent / "shared")
    images = sorted((shared / "data" / "eval" / "kodak").glob("*.png"))
    if len(images) != 24:
        sys.exit(f"{shared}: the Kodak images are not here; set FSCS_SHARED")
    with tempfile.TemporaryDirectory() as folder:
        released = Path(folder) / "released.safetensors"
        official = shared / "peers" / "fscs_official"
        sources = [str(official / "mask_generator.pth"), str(official / "residue_predictor.pth")]
        subprocess.run([*FSCS, "weights", "import", *sources, "-o", str(released)], check=True)
        for row in rows:
            weights, flags = RUNS[row]
            model = str(released) if weights == "released" else weights
            palettes = str(shared / "peers" / "palettes_k7.csv")
            command = [*FSCS, "evaluate", *map(str, images), "--palettes", palettes, "--model", model, "--json", *flags]
            result = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
            for image in result["images"]:
                image["image"] = Path(image["image"]).stem
            store("kodak", row, {"flags": flags, **result})
            print(row, result["mean"], result["recomposition_error_max"], flush=True)


if __name__ == "__main__":
    main()
