"""What the control Softness trades: few layers in a pixel (L_s) against torn edges, on the 24 Kodak images, K = 7.

Measures the shipped model at five settings with default processing otherwise, beside the rows of ``kodak.py``. Writes
``results/curve.json`` anew and draws ``docs/softness.png``.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from machine import RESULTS, store
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from tables import RELEASED

from fscs_engine import AlphaProcessing, Segmenter
from fscs_engine.evaluation.evaluation import evaluate, read_palettes_csv

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "softness.png"
SETTINGS = (0.0, 0.25, 0.5, 0.75, 1.0)


def draw(results: dict[str, Any], kodak: dict[str, Any], target: Path) -> None:
    """Draws the curve; lower and further left is better.

    Args:
        results: of ``curve.json``.
        kodak: of ``kodak.json``, for the released weights.
        target: a PNG, replaced.
    """
    figure = Figure(figsize=(8, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot(xscale="log", yscale="log", xlabel="sparsity L_s", ylabel="torn edges, mean in 1/255")
    points = [(result["mean"]["sparsity"], result["mean"]["torn_edges"], row) for row, result in results.items()]
    axes.plot([x for x, _, _ in points], [y for _, y, _ in points], "o-", color="C0", label="any-palette by softness")
    for x, y, row in points:
        axes.annotate(row, (x, y), (6, 6), textcoords="offset points", fontsize=8)
    for marker, (row, title) in zip("sD", RELEASED.items(), strict=True):
        mean = kodak[row]["mean"]
        if "torn_edges" not in mean:
            continue  # measured before there were torn edges
        axes.plot([mean["sparsity"]], [mean["torn_edges"]], marker, color="0.35", label=title)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("{x:g}")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.grid(visible=True, alpha=0.3)
    axes.set_title("24 Kodak images, K = 7", fontsize=9)
    figure.legend(loc="outside lower center", ncols=3, fontsize=8)
    figure.savefig(target, dpi=120, metadata={"Software": None})


def main() -> None:
    """Measures and draws."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draw", action="store_true", help="only draw what was measured before")
    arguments = parser.parse_args()
    measured = RESULTS / "curve.json"
    if not arguments.draw:
        shared = Path(os.environ.get("FSCS_SHARED") or ROOT.parent / "shared")
        images = sorted((shared / "data" / "eval" / "kodak").glob("*.png"))
        if len(images) != 24:
            sys.exit(f"{shared}: the Kodak images are not here; set FSCS_SHARED")
        segmenter, palettes = Segmenter(), read_palettes_csv(shared / "peers" / "palettes_k7.csv")
        measured.unlink(missing_ok=True)  # points of other weights are no part of this curve
        for softness in SETTINGS:
            processing = AlphaProcessing(softness=softness)
            found = evaluate(images, segmenter, palettes=palettes, processing=processing).to_dict()
            kept = {name: found[name] for name in ("mean", "recomposition_error_max")}
            store("curve", f"{softness:g}", {"weights_sha256": segmenter.weights_sha256, **kept})
            print(softness, found["mean"], flush=True)
    draw(json.loads(measured.read_text()), json.loads((RESULTS / "kodak.json").read_text()), PICTURE)
    print(PICTURE)


if __name__ == "__main__":
    main()
