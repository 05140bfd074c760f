"""What each part of the paper's method is worth: its Table 1 again, by trainings of our own.

The two networks of the paper, trained as they are and six times with one thing left out, all with the same seed, steps
and photographs; then scored on the 24 Kodak images as networks alone, with the filter of the paper. A training that was
stopped continues; one that is done is not repeated.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
from pathlib import Path

from kodak import FILTER, FSCS, ROOT
from machine import store

from fscs_engine.training.trainer import CURVES

STEPS = 1000
SEED = 1

ROWS: dict[str, list[str]] = {
    "full": [],
    "w/o L_r": ["--loss-reconstruction", "0"],
    "w/o L_a": ["--loss-alpha", "0"],
    "w/o L_d": ["--loss-distance", "0"],
    "w/o skip": ["--no-skip"],
    "w/o zero-centering": ["--zero-centering", "none"],
    "single network": ["--single-network"],
}
"""Name of a row, as in the paper, and the flags of ``fscs train --model paper``."""


def answer(command: list[str]) -> dict[str, object]:
    """What a command of ``fscs`` prints as JSON."""
    found: dict[str, object] = json.loads(
        subprocess.run([*FSCS, *command, "--json"], check=True, stdout=subprocess.PIPE, cwd=ROOT).stdout
    )
    return found


def seconds_of(run: Path) -> float:
    """What a training has taken so far, in all its runs; 0 where there is none."""
    file = run / CURVES
    if not file.exists():
        return 0.0
    with file.open(newline="") as opened:
        return max((float(row["seconds"]) for row in csv.DictReader(opened)), default=0.0)


def main() -> None:
    """Trains and scores the rows named on the command line, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", help=f"{'; '.join(ROWS)}")
    parser.add_argument("--runs", type=Path, required=True, help="a folder for the trainings, outside the repository")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"{STEPS} by default")
    parser.add_argument(
        "--images", type=int, default=24, help="of Kodak, for a trial; nothing is stored of fewer than 24"
    )
    arguments = parser.parse_args()
    rows = arguments.rows or list(ROWS)
    unknown = [row for row in rows if row not in ROWS]
    if unknown:
        sys.exit(f"{unknown[0]}: is none of {'; '.join(ROWS)}")
    shared = Path(os.environ.get("FSCS_SHARED") or ROOT.parent / "shared")
    images = sorted((shared / "data" / "eval" / "kodak").glob("*.png"))[: arguments.images]
    palettes = shared / "peers" / "palettes_k7.csv"
    if not images:
        sys.exit(f"{shared}: the Kodak images are not here; set FSCS_SHARED")
    for row in rows:
        run = arguments.runs / row.replace("/", "").replace(" ", "_")
        weights = run / "weights.safetensors"
        before = seconds_of(run)
        fixed = ["--model", "paper", "--steps", str(arguments.steps), "--seed", str(SEED), "--run", str(run)]
        if not weights.exists():
            answer(["train", str(shared / "data" / "train"), *fixed, *ROWS[row]])
        command = ["evaluate", *map(str, images), "--palettes", str(palettes), "--model", str(weights)]
        found = answer([*command, "--no-exact", *FILTER])
        print(row, found["mean"], flush=True)
        if len(images) == 24:
            kept = {name: found[name] for name in ("mean", "recomposition_error_max", "weights_sha256")}
            store("ablations", row, {"flags": ROWS[row], "steps": arguments.steps, "seed": SEED, **kept}, before)


if __name__ == "__main__":
    main()
