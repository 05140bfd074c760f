"""The trade-off between few layers a pixel (L_s) and layers of one colour (alpha-weighted colour variance).

Measures the shipped model and the weights files that are named: fine-tunings of it whose losses weigh something else.
``fscs train`` makes one, and again with other numbers for every point of the curve::

    fscs train PHOTOGRAPHS --run runs/sparser --model any-palette --from any-palette --steps 800 \
        --learning-rate 0.0007 --loss-sparsity 0.03 -o sparser.safetensors

What its losses weighed stands in the file. All are measured on the 24 Kodak images with default processing, so that
they stand beside the rows of ``kodak.py``. Writes ``results/curve.json`` anew and draws ``docs/tradeoff.png``.
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
from tables import OPTIMUM, OPTIMUM_TITLE, RELEASED

from fscs_engine import Segmenter
from fscs_engine.evaluation.evaluation import evaluate, read_palettes_csv
from fscs_engine.networks.weights import load_weights

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "tradeoff.png"
MODEL = "any-palette"
_HORIZONTAL, _VERTICAL = "sparsity", "color_variance_weighted"


def training(model: str) -> dict[str, Any]:
    """The settings that a model was trained with."""
    text = load_weights(model).metadata.get("training")
    if text is None:
        sys.exit(f"{model}: does not say what it was trained with; make it with fscs train")
    settings: dict[str, Any] = json.loads(text)
    return settings


def names(trainings: dict[str, dict[str, Any]]) -> dict[str, str]:
    """A name for each model: what its losses weigh where the shipped model's weigh something else."""
    own = trainings[MODEL]["losses"]
    found = {MODEL: MODEL}
    for model, settings in trainings.items():
        if model == MODEL:
            continue
        changed = {name: value for name, value in settings["losses"].items() if value != own.get(name)}
        label = ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in changed.items())
        label = label or "trained further, the losses the same"
        twins = [other for other, taken in found.items() if taken == label]
        if twins:
            sys.exit(f"{model}: its losses weigh the same as those of {twins[0]} ({label}); name one of them")
        found[model] = label
    return found


def measure(model: str, images: list[Path], palettes: Path) -> dict[str, Any]:
    """What is stored of a model, but for its training."""
    segmenter = Segmenter(model)
    found = evaluate(images, segmenter, palettes=read_palettes_csv(palettes)).to_dict()
    kept = {name: found[name] for name in ("mean", "recomposition_error_max")}
    return {"weights_sha256": segmenter.weights_sha256, **kept}


def draw(results: dict[str, Any], kodak: dict[str, Any], target: Path) -> None:
    """Draws the curve; lower and further left is better.

    Args:
        results: of ``curve.json``.
        kodak: of ``kodak.json``, for the released weights.
        target: a PNG, replaced.
    """
    figure = Figure(figsize=(8, 5.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot(xscale="log", xlabel="sparsity L_s", ylabel="colour variance, alpha-weighted")
    points = sorted((row["mean"][_HORIZONTAL], row["mean"][_VERTICAL], name) for name, row in results.items())
    axes.plot([x for x, _, _ in points], [y for _, y, _ in points], "o-", color="C0", label=f"{MODEL}, trained further")
    for x, y, name in points:
        if name == MODEL:
            axes.plot([x], [y], "o", color="C3", markersize=11, label=f"{MODEL} as shipped")
        else:
            axes.annotate(name, (x, y), (6, 6), textcoords="offset points", fontsize=7)
    for marker, (row, title) in zip("sD", RELEASED.items(), strict=True):
        mean = kodak[row]["mean"]
        axes.plot([mean[_HORIZONTAL]], [mean[_VERTICAL]], marker, color="0.35", label=title)
    axes.plot([OPTIMUM[_HORIZONTAL]], [OPTIMUM[_VERTICAL]], "*", color="C2", markersize=12, label=OPTIMUM_TITLE)
    marks = [0.2, 0.3, 0.4, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0]
    low, high = axes.get_xlim()
    axes.set_xticks([mark for mark in marks if low <= mark <= high], minor=False)
    axes.set_xticks([], minor=True)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlim(low, high)
    axes.set_ylim(bottom=0.0)
    axes.grid(visible=True, alpha=0.3)
    axes.set_title("24 Kodak images, K = 7; beside the points: weights of losses that differ", fontsize=9)
    figure.legend(loc="outside lower center", ncols=2, fontsize=8)
    figure.savefig(target, dpi=120, metadata={"Software": None})


def main() -> None:
    """Measures and draws."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", metavar="FILE.safetensors", help="fine-tunings of the shipped model")
    parser.add_argument("--draw", action="store_true", help="only draw what was measured before")
    arguments = parser.parse_args()
    measured = RESULTS / "curve.json"
    if not arguments.draw:
        shared = Path(os.environ.get("FSCS_SHARED") or ROOT.parent / "shared")
        images = sorted((shared / "data" / "eval" / "kodak").glob("*.png"))
        if len(images) != 24:
            sys.exit(f"{shared}: the Kodak images are not here; set FSCS_SHARED")
        trainings = {model: training(model) for model in dict.fromkeys([MODEL, *arguments.files])}
        results = {}
        for model, name in names(trainings).items():
            settings = {key: trainings[model][key] for key in ("losses", "steps", "learning_rate", "initial")}
            results[name] = {**settings, **measure(model, images, shared / "peers" / "palettes_k7.csv")}
            print(name, results[name], flush=True)
        measured.unlink(missing_ok=True)  # points of other weights are no part of this curve
        for name, result in results.items():
            store("curve", name, result)
    draw(json.loads(measured.read_text()), json.loads((RESULTS / "kodak.json").read_text()), PICTURE)
    print(PICTURE)


if __name__ == "__main__":
    main()
