"""Writes the tables and figures of the documents from ``results/*.json``.

``python benchmarks/tables.py`` writes; ``--check`` only says whether they are up to date. A table stands between
``<!-- name -->`` and ``<!-- /name -->`` in the documents of ``PLACES``, a figure in a sentence between
``<!-- =name -->`` and ``<!-- = -->`` in any document.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from statistics import fmean, median
from typing import Any

import claims
import commands
from claims import PAPER_TABLE
from scaling import (
    COLORS,
    COUNTS_HEIGHT,
    COUNTS_HEIGHTS,
    HEIGHTS,
    LIMITS,
    exponent,
    gathered,
    least_seconds,
    most_threads,
    points,
)

ROOT = Path(__file__).resolve().parent.parent
RESULTS = Path(__file__).resolve().parent / "results"
DOCUMENTS = ("*.md", "docs/*.md", "benchmarks/*.md", "fscs_engine/weights/*.md")
PLACES = {
    "README.md": ("overview",),
    "docs/benchmarks.md": (
        *("scores", "ablations", "scaling", "size", "truth", "truth-fresh", "matting"),
        *("speed", "shots", "packing", "recolor", "variants", "parts", "video", "curve", "claims", "speed-limits"),
    ),
    "benchmarks/README.md": ("commands",),
    "docs/formats.md": ("files",),
    "fscs_engine/weights/any-palette.md": ("scores-any-palette", "truth-any-palette", "truth-fresh-any-palette"),
    "fscs_engine/weights/paper.md": ("scores-paper",),
}

WEIGHTED = "alpha-weighted color variance"
"""What tables call it; "color variance" alone counts every pixel of a layer alike, as the paper's does."""

COLUMNS = (
    ("MSE", "mse", "{:.5f}"),
    ("PSNR (dB)", "psnr", "{:.2f}"),
    ("SSIM", "ssim", "{:.4f}"),
    ("sparsity L_s", "sparsity", "{:.2f}"),
    ("layers over 1 %", "visible_layers", "{:.2f}"),
    ("color variance", "color_variance", "{:.4f}"),
    (WEIGHTED, "color_variance_weighted", "{:.4f}"),
    ("alpha noise in flat areas", "flat_noise", "{:.4f}"),
    ("torn edges", "torn_edges", "{:.2f}"),
    ("torn pairs", "torn_share", "{:.2%}"),
)

CURVE = ("torn_edges", "torn_share", "sparsity", "visible_layers", "color_variance_weighted", "flat_noise")
RELEASED = {
    "released weights, released inference": "released weights and filter",
    "released weights": "released weights and filter, made exact",
}
"""Rows of ``kodak.json`` that stand beside the curve, and what they are called there."""

LABELS = {"what the network sees": "network input", "cells": "coarse grid"}
"""What rows and columns of the results are called in the tables, where that differs."""

NOT_MEASURED = "Not measured yet."
"""What stands in the place of a table without results."""

OVERVIEW = ("any-palette", "paper", claims.RELEASED)
FILTERED = "released weights, filter"
"""The row of ``truth.json`` with the released inference."""


def overview() -> str:
    """The table of the README: three rows, and what tells them apart."""
    kodak: dict[str, Any] = json.loads((RESULTS / "kodak.json").read_text())
    known: dict[str, Any] = json.loads((RESULTS / "truth.json").read_text())
    heads = ("sum of the layers", "sparsity L_s", "layers per pixel over 1 %", WEIGHTED, "alpha error")
    lines = _head(["", *heads])
    for row in OVERVIEW:
        mean, exact = kodak[row]["mean"], kodak[row]["recomposition_error_max"] <= 1e-6
        cells = [row, "exact" if exact else f"{mean['psnr']:.1f} dB"]
        cells += [f"{mean['sparsity']:.2f}", f"{mean['visible_layers']:.1f}", f"{mean['color_variance_weighted']:.4f}"]
        cells.append(f"{known[row if row in known else FILTERED]['mean']:.3f}")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def figures() -> dict[str, str]:
    """What stands in sentences, by name."""
    speeds: dict[str, Any] = json.loads((RESULTS / "speed.json").read_text())
    ours = {result["working_space"]: result for result in speeds.values() if "process" in result}
    (paper,) = (result for result in speeds.values() if "process" not in result)
    frame = next(iter(paper["seconds"]))
    linear, theirs = (median(result["seconds"][frame]) for result in (ours["lin_rec709"], paper))
    begun = [result["process"] for result in ours.values()]
    compiling = median(
        process["empty"]["seconds"]["first frame"] - process["filled"]["seconds"]["first frame"] for process in begun
    )
    clips: dict[str, Any] = json.loads((RESULTS / "video.json").read_text())
    released = next(result for row, result in clips.items() if row.startswith("released weights"))
    *_, exposure = released["sequences"]
    own, other = (result["sequences"][exposure] for result in (clips["any-palette"], released))
    return {
        "frame-seconds": f"{linear:.2f}",
        "paper-seconds": f"{theirs:.1f}",
        "speed-ratio": f"{theirs / linear:.0f}",
        "speed-ratio-srgb": f"{theirs / median(ours['srgb']['seconds'][frame]):.0f}",
        "compile-seconds": f"{compiling:.0f}",
        "exposure-flicker": f"{own['flicker'] / other['flicker']:.2f}",
        "exposure-flicker-largest": f"{own['flicker_largest'] / other['flicker_largest']:.2f}",
    }


def of_model(rows: Iterable[tuple[str, Any]], model: str | None, released: str) -> dict[str, Any]:
    """The rows of one model and the one of the released weights; all where no model is named."""
    return {
        row: result for row, result in rows if model is None or row in (model, released) or row.startswith(f"{model},")
    }


def scores(model: str | None = None) -> str:
    """The Kodak table, or its rows of one model beside the released weights."""
    results: dict[str, Any] = json.loads((RESULTS / "kodak.json").read_text())
    heads = ["", *(title for title, _, _ in COLUMNS), "largest error", "absent color", "palette reordered"]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for row, result in of_model(results.items(), model, claims.RELEASED).items():
        mean = result["mean"]
        exact = result["recomposition_error_max"] <= 1e-6
        cells = [row]
        for _, name, form in COLUMNS:
            if exact and name in ("mse", "psnr", "ssim"):
                cells.append("exact")
            else:
                cells.append(_optional(mean.get(name), form))
        cells.append("{:.1e}".format(result["recomposition_error_max"]))
        cells += [
            _optional(result["absent_alpha_mean"], "{:.4f}"),
            _optional(result["permutation_change_max"], "{:.1e}"),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def size() -> str:
    """The table of the 8K picture."""
    results: dict[str, Any] = json.loads((RESULTS / "size.json").read_text())
    _same_weights("size", results)
    lines = ["| working space | peak memory | time | writing | largest error |", "|---|---|---|---|---|"]
    for row, result in results.items():
        seconds = result["seconds"]
        lines.append(
            f"| {row} | {result['peak_rss_bytes'] / 2**30:.2f} GiB | {seconds['total']:.0f} s "
            f"| {seconds['write']:.0f} s | {result['error_max']:.1e} |"
        )
    lines.append(_measured_on(results))
    return "\n".join(lines)


def truth(name: str = "truth", model: str | None = None) -> str:
    """The table of the composites whose alphas are known, the best first; or its rows of one model, as in scores."""
    results: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text())
    if len({result["test_set_sha256"] for result in results.values()}) != 1:
        sys.exit(f"{name}.json: its rows are of different test sets; measure all of them again with truth.py")
    kinds = list(next(iter(results.values()))["kinds"])
    released = min(result["mean"] for row, result in results.items() if row.startswith("released weights"))
    lines = [f"| | all | relative | {' | '.join(kinds)} |", "|---" * (3 + len(kinds)) + "|"]
    best = sorted(results.items(), key=lambda item: item[1]["mean"])
    for row, result in of_model(best, model, FILTERED).items():
        means = " | ".join(f"{result['kinds'][kind]:.3f}" for kind in kinds)
        lines.append(f"| {LABELS.get(row, row)} | {result['mean']:.3f} | {result['mean'] / released:.2f} | {means} |")
    return "\n".join(lines)


def variants() -> str:
    """How long a frame takes with one thing at a time done another way."""
    results: dict[str, Any] = json.loads((RESULTS / "variants.json").read_text())
    through = results.pop("torch.compile", None)
    sizes = sorted(results, key=lambda size: int(size.split("x")[0]))
    lines = _head(["", *(head for size in sizes for head in (_pixels(size), "times as long"))])
    for row in results[sizes[0]]["seconds"]:
        cells = [row]
        for size in sizes:
            own, shipped = (results[size]["seconds"].get(name) for name in (row, "as shipped"))
            cells += [_spread(own), f"{median(own) / median(shipped):.2f}"] if own else ["", ""]
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", f"Seconds per frame in sRGB: the median, with the shortest and the longest.{_measured_on(results)}"]
    if through is not None:
        plain, fast = (through["seconds"][name] for name in ("PyTorch", "torch.compile"))
        lines[-1] += (
            f"\nThe network alone, {_pixels(through['frame'])}: {median(plain['seconds']):.2f} s, "
            f"through `torch.compile` {median(fast['seconds']):.2f} s after a first frame of {fast['first']:.0f} s."
        )
    return "\n".join(lines)


PARTS = ("torn edges", "torn pairs", "sparsity", "color variance", "noise", "exposure", "alpha error")
PARTS_WIDE = ("wide transitions", "gradients")


def parts() -> str:
    """What short trainings without a part of the network give: means over the seeds, and half of their range."""
    results = _measured("parts")
    if results is None:
        return NOT_MEASURED
    titles = [WEIGHTED if name == "color variance" else name for name in (*PARTS, *PARTS_WIDE)]
    lines = _head(["without", *titles])
    for row in sorted(results, key=lambda row: row != "nothing"):
        runs = results[row]["runs"]
        columns = [[run[name] for run in runs] for name in PARTS]
        columns += [[run["kinds"][name] for run in runs] for name in PARTS_WIDE]
        cells = [f"{fmean(column):#.3g} ± {(max(column) - min(column)) / 2:.1g}" for column in columns]
        lines.append("| " + " | ".join([row, *cells]) + " |")
    return "\n".join(lines)


def video() -> str:
    """The table of the clips: one after the other, each with all models."""
    results: dict[str, Any] = json.loads((RESULTS / "video.json").read_text())
    released = next(result for row, result in results.items() if row.startswith("released weights"))
    heads = ("", "flicker", "relative", "pumping", "beside", "near", "out of reach", "L_s", "largest error")
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for clip, own in released["sequences"].items():
        lines.append(f"| *{clip}* |" + " |" * (len(heads) - 1))
        for row, result in results.items():
            scores = result["sequences"][clip]
            cells = [row, f"{scores['flicker']:.4f}", f"{scores['flicker'] / own['flicker']:.2f}"]
            cells.append(f"{scores['pumping']:.4f}")
            for ring, value in (("beside", "mean"), ("near", "mean"), ("far", "largest")):
                change = scores["entering"][ring]  # none where the picture ends before that
                cells.append(_optional(change and change[value], "{:.1e}"))
            cells += [f"{scores['sparsity']:.2f}", f"{scores['recomposition_error_max']:.1e}"]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def speed() -> str:
    """Three tables: how long a frame takes, where the time goes, and the first frame of a process."""
    results: dict[str, Any] = json.loads((RESULTS / "speed.json").read_text())
    ours = {row: result for row, result in results.items() if "process" in result}
    ((paper_row, paper),) = ((row, result) for row, result in results.items() if row not in ours)
    small, large = next(iter(ours.values()))["seconds"]
    theirs = median(paper["seconds"][small])
    heads = [_pixels(small), "times as fast", _pixels(large), f"× {_pixels(small)}", "peak memory", "without imports"]
    lines = _head(["", *heads])
    lines.append(f"| {paper_row} | {_spread(paper['seconds'][small])} | 1 |" + " |" * 4)
    for row, result in ours.items():
        own, process = median(result["seconds"][small]), result["process"]["filled"]
        cells = [row, _spread(result["seconds"][small]), f"{theirs / own:.1f}", _spread(result["seconds"][large])]
        cells.append(f"{median(result['seconds'][large]) / own:.2f}")
        cells.append(f"{process['peak_rss_bytes'] / 2**30:.2f} GiB")
        cells.append(f"{(process['peak_rss_bytes'] - process['import_rss_bytes']) / 2**30:.2f} GiB")
        lines.append("| " + " | ".join(cells) + " |")
    rounds = len(paper["seconds"][small])
    lines += [
        "",
        f"Seconds per frame: the median of {rounds} runs, with the shortest and the longest.{_measured_on(results)}",
    ]
    lines += [
        "",
        f"Where the time goes at {_pixels(small)}, in milliseconds, with the steps of the alphas one by one:",
        "",
    ]
    stages = [stage for stage in next(iter(ours.values()))["stages"] if not stage.startswith("of ")]
    lines += _head(
        [
            "",
            *(LABELS.get(stage, stage) for stage in stages),
            "all alphas",
            "layers",
            "color conversion",
            "other",
            "total",
        ]
    )
    for row, result in ours.items():
        total = median(result["seconds"][small])
        alpha, layers = median(result["report"][small]["alpha"]), median(result["report"][small]["color"])
        conversion = median(result["stages"][f"of layers: to {result['working_space']}"])
        parts = [median(result["stages"][stage]) for stage in stages]
        parts += [alpha, layers, conversion, total - alpha - layers, total]
        lines.append(f"| {row} | " + " | ".join(f"{1000 * part:.0f}" for part in parts) + " |")
    lines += ["", f"The first frame of a process, {_pixels(small)}:", ""]
    heads = ["cache of compiled loops", "imports", "model", "first frame", "second frame", "peak memory"]
    lines += _head(["", *heads])
    for row, result in ours.items():
        for cache, process in result["process"].items():
            cells = [row, cache, *(f"{second:.2f} s" for second in process["seconds"].values())]
            lines.append("| " + " | ".join([*cells, f"{process['peak_rss_bytes'] / 2**30:.2f} GiB"]) + " |")
    return "\n".join(lines)


def shots() -> str:
    """How long a frame of a shot takes from file to file, and the parts of that."""
    results: dict[str, Any] = json.loads((RESULTS / "shots.json").read_text())
    lines = _head(["", "seconds per frame", "times as long"])
    notes = []
    for shot in (results["shot"], results["shot, 4K"]):
        memory = median(shot["memory"])
        parts = {
            f"PNG to EXR, {_pixels(shot['size'])}": shot["whole"],
            "the same in memory": memory,
            "reading alone": median(shot["read"]),
            "writing alone": median(shot["write"]),
            **{f"writing alone by {name}": median(own) for name, own in shot["others"].items()},
        }
        lines += [f"| {name} | {own:.2f} | {own / memory:.2f} |" for name, own in parts.items()]
        notes.append(f"{shot['frames']} frames of {shot['bytes'] / 1e6:.0f} MB")
    lines += ["", f"Means of {' and '.join(notes)}, {results['shot']['clock']} time."]
    return "\n".join(lines) + _measured_on(results)


def packing() -> str:
    """What could pack a layered EXR, on three frames."""
    results: dict[str, Any] = json.loads((RESULTS / "shots.json").read_text())
    rows = {row.removeprefix("packing, "): own for row, own in results.items() if row.startswith("packing, ")}
    lines = _head(["", *(f"{kind}: {what}" for kind in rows for what in ("s", "MB"))])
    steps = [
        cell for own in rows.values() for cell in (f"{median(own['steps']):.2f}", f"{own['layer_bytes'] / 1e6:.0f}")
    ]
    lines.append("| " + " | ".join(["the bytes in ZIP's order", *steps]) + " |")
    for packer in next(iter(rows.values()))["packers"]:
        found = [own["packers"][packer] for own in rows.values()]
        cells = [cell for own in found for cell in (f"{median(own['seconds']):.2f}", f"{own['bytes'] / 1e6:.1f}")]
        lines.append("| " + " | ".join([packer, *cells]) + " |")
    lines.append("")
    return "\n".join(lines) + _measured_on(results)


def recolor() -> str:
    """How long recoloring takes, in memory and from file to file."""
    results: dict[str, Any] = json.loads((RESULTS / "recolor.json").read_text())
    lines = _head(["", "seconds", "shortest", "longest"])
    for own in results.values():
        lines.append(f"| *{_pixels(own['frame'])}* |" + " |" * 3)
        for name, seconds in own["seconds"].items():
            lines.append(f"| {name} | {median(seconds):.3f} | {min(seconds):.3f} | {max(seconds):.3f} |")
    lines += ["", f"{next(iter(results.values()))['clock']} time."]
    return "\n".join(lines) + _measured_on(results)


def files() -> str:
    """What each form of the layered EXR takes and gives, on three frames."""
    results: dict[str, Any] = json.loads((RESULTS / "shots.json").read_text())
    lines = _head(["", "write (s)", "read all (s)", "read one layer (s)", "size (MB)"])
    for row, result in results.items():
        if row.startswith("files, "):
            lines.append(f"| *{row.removeprefix('files, ')}, {result['empty']:.0%} empty* |" + " |" * 4)
            for name, form in result["forms"].items():
                times = [f"{median(form[step]):.2f}" for step in ("write", "read all", "read one")]
                lines.append("| " + " | ".join([name, *times, f"{form['bytes'] / 1e6:.1f}"]) + " |")
    lines += ["", f"The median, {results['shot']['clock']} time."]
    return "\n".join(lines) + _measured_on(results)


def curve() -> str:
    """What Softness trades, from 0 to 1, on the Kodak images."""
    results: dict[str, Any] = json.loads((RESULTS / "curve.json").read_text())
    kodak: dict[str, Any] = json.loads((RESULTS / "kodak.json").read_text())
    _same_weights("curve", results)
    columns = sorted((column for column in COLUMNS if column[1] in CURVE), key=lambda column: CURVE.index(column[1]))
    lines = _head(["softness", *(title for title, _, _ in columns)])
    rows = results | {title: kodak[row] for row, title in RELEASED.items()}
    for row, result in rows.items():
        cells = [row, *(_optional(result["mean"].get(name), form) for _, name, form in columns)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def ablations() -> str:
    """The paper's Table 1 beside our trainings."""
    results = _measured("ablations")
    if results is None:
        return NOT_MEASURED
    heads = ("MSE", "PSNR (dB)", "SSIM", "sparsity L_s", "color variance", "paper: PSNR", "paper: L_s")
    lines = _head(["", *heads])
    for row, (psnr, sparsity) in PAPER_TABLE.items():
        if row in results:
            mean = results[row]["mean"]
            cells = [row, f"{mean['mse']:.5f}", f"{mean['psnr']:.2f}", f"{mean['ssim']:.4f}", f"{mean['sparsity']:.3f}"]
            cells += [f"{mean['color_variance']:.4f}", f"{psnr:.2f}", sparsity]
            lines.append("| " + " | ".join(cells) + " |")
    steps = {result["steps"] for result in results.values()}
    lines.append(
        f"\nEach trained {' or '.join(map(str, sorted(steps)))} steps with the same seed.{_measured_on(results)}"
    )
    return "\n".join(lines)


def scaling() -> str:
    """Figure 5 of the paper: seconds by size and by K, how they grow, and how far from the least they are."""
    stored = _measured("scaling") or {}
    results = gathered(stored)
    if not results["points"]:
        return NOT_MEASURED
    threads = most_threads(results)
    sizes = sorted({row["height"] for row in results["points"]} & {*HEIGHTS})
    heads = [f"{height * height * 16 / 9 / 1e6:.1f} MP" for height in sizes]
    lines = _head(["", *heads, "grows with pixels by", "with K by", "1080p: over the least", "1080p: peak memory"])
    pixels = COUNTS_HEIGHT**2 * 16 // 9
    shown = []
    for method in LIMITS:
        own = [row for row in results["points"] if row["method"] == method and row["threads"] == threads]
        by_size = {row["height"]: row for row in own if row["colors"] == COLORS}
        cells = [method, *(f"{median(by_size[h]['seconds']):.2f} s" if h in by_size else "" for h in sizes)]
        grown = [points(results, method, threads, "seconds", by) for by in ("megapixels", "colors")]
        cells += [f"power {exponent(line):.2f}" if len(line) > 1 else "" for line in grown]
        whole = by_size.get(COUNTS_HEIGHT)
        least = least_seconds(results, method, threads, pixels)
        cells += [_times(median(whole["seconds"]) / least) if whole else ""]
        cells += [f"{whole['peak_rss_bytes'] / 2**30:.2f} GiB" if whole else ""]
        lines.append("| " + " | ".join(cells) + " |")
        told = []
        for stage, seconds in whole["stages"].items() if whole else ():
            over = seconds / least_seconds(results, method, threads, pixels, stage)
            told.append(f"{stage} {seconds:.2f} s ({_times(over)} the least)")
        shown += [f"{method} {', '.join(told)}"] if told else []
    smaller = [f" The K of {method} is varied at {height}p." for method, height in COUNTS_HEIGHTS.items()]
    roof = results["roofline"][str(threads)]
    rates = f"{roof['flop_per_second'] / 1e9:.0f} GFLOP/s and {roof['bytes_per_second'] / 1e9:.1f} GB/s"
    lines.append(
        f"\nSeconds of a frame in memory, {threads} threads.{''.join(smaller)} By stage at 1080p: {'; '.join(shown)}. "
        "*The least* is what the arithmetic of the networks, or the bytes of image and layers if that is more, take at "
        f"this computer's own rates, measured in the same run: {rates}.{_measured_on(stored)}"
    )
    return "\n".join(lines)


def _times(factor: float) -> str:
    return f"{factor:,.0f} ×" if factor >= 100 else f"{factor:.1f} ×"


def _measured(name: str) -> dict[str, Any] | None:
    """Results, or None where there are none yet."""
    file = RESULTS / f"{name}.json"
    return json.loads(file.read_text()) if file.exists() else None


def matting(name: str = "truth") -> str:
    """The errors of matting and of an edit, means over all kinds of composites."""
    results: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text())
    errors = list(next(iter(next(iter(results.values()))["matting"].values())))
    lines = _head(["", *(f"{error} error" if error == "edit" else error for error in errors)])
    for row, result in sorted(results.items(), key=lambda item: item[1]["mean"]):
        kinds = result["matting"].values()
        means = {error: sum(kind[error] for kind in kinds) / len(kinds) for error in errors}
        cells = [LABELS.get(row, row), *(f"{value:.3g}" for value in means.values())]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _head(titles: list[str]) -> list[str]:
    return ["| " + " | ".join(titles) + " |", "|---" * len(titles) + "|"]


def _same_weights(name: str, results: dict[str, Any]) -> None:
    if len({result["weights_sha256"] for result in results.values()}) != 1:
        sys.exit(f"{name}.json: its rows are of different weights; measure all of them again with {name}.py")


def _measured_on(results: dict[str, Any]) -> str:
    """The machine, as the last line of a table."""
    machine = next(iter(results.values()))["machine"]
    threads = machine["cpus"] if machine["threads"] == "all" else machine["threads"]
    return f"\nOn {machine['cpus']} × {machine['cpu']}, threads: {threads}."


def _pixels(size: str) -> str:
    return size.replace("x", "×")


def _spread(seconds: list[float]) -> str:
    return f"{median(seconds):.2f} ({min(seconds):.2f} to {max(seconds):.2f})"


def _optional(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)


TABLES: dict[str, Callable[[], str]] = {
    "overview": overview,
    "scores": scores,
    "scores-any-palette": partial(scores, "any-palette"),
    "scores-paper": partial(scores, "paper"),
    "ablations": ablations,
    "scaling": scaling,
    "size": size,
    "truth": truth,
    "truth-fresh": partial(truth, "truth-fresh"),
    "truth-any-palette": partial(truth, model="any-palette"),
    "truth-fresh-any-palette": partial(truth, "truth-fresh", "any-palette"),
    "video": video,
    "speed": speed,
    "shots": shots,
    "packing": packing,
    "recolor": recolor,
    "files": files,
    "variants": variants,
    "parts": parts,
    "curve": curve,
    "matting": matting,
    "claims": lambda: claims.table(_measured),
    "speed-limits": lambda: claims.why_not_faster(_measured),
    "commands": lambda: commands.table(_measured, PLACES),
}
"""What can stand between the marks of a document, see ``PLACES``."""


def main() -> int:
    """Writes or checks; returns 1 where a check fails."""
    known = figures()
    stale = []
    for file in sorted(file for pattern in DOCUMENTS for file in ROOT.glob(pattern)):
        name = file.relative_to(ROOT).as_posix()
        before = file.read_text(encoding="utf-8")
        text = with_tables(name, before)
        text = re.sub(
            r"(<!-- =([\w-]+) -->).*?(<!-- = -->)", lambda found: f"{found[1]}{known[found[2]]}{found[3]}", text
        )
        if text != before:
            stale.append(name)
            if "--check" not in sys.argv:
                file.write_text(text, encoding="utf-8")
    print("changed: " + ", ".join(stale) if stale else "up to date")
    return 1 if stale and "--check" in sys.argv else 0


def with_tables(name: str, text: str) -> str:
    """A document's text with its tables as they must be."""
    for block in PLACES.get(name, ()):
        found = re.search(rf"(<!-- {block} -->\n).*?(<!-- /{block} -->)", text, re.DOTALL)
        if not found:
            sys.exit(f"{name}: has no block {block}")
        text = f"{text[: found.start()]}{found[1]}{TABLES[block]()}\n{found[2]}{text[found.end() :]}"
    return text


if __name__ == "__main__":
    sys.exit(main())
