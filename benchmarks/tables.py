"""Writes the tables of the README and of the model card from ``results/*.json``.

``python benchmarks/tables.py`` writes; ``--check`` only says whether they are up to date.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = Path(__file__).resolve().parent / "results"
PLACES = {"README.md": ("scores", "size"), "fscs_engine/weights/paper.md": ("scores",)}

COLUMNS = (
    ("PSNR (dB)", "psnr", "{:.2f}"),
    ("SSIM", "ssim", "{:.4f}"),
    ("sparsity L_s", "sparsity", "{:.2f}"),
    ("layers over 1 %", "visible_layers", "{:.2f}"),
    ("colour variance", "color_variance", "{:.4f}"),
    ("alpha-weighted", "color_variance_weighted", "{:.4f}"),
    ("alpha noise in flat areas", "flat_noise", "{:.4f}"),
)


def scores() -> str:
    """The Kodak table."""
    results: dict[str, Any] = json.loads((RESULTS / "kodak.json").read_text())
    heads = ["", *(title for title, _, _ in COLUMNS), "largest error", "absent colour", "palette reordered"]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for row, result in results.items():
        mean = result["mean"]
        exact = result["recomposition_error_max"] <= 1e-6
        cells = [row]
        for _, name, form in COLUMNS:
            if exact and name in ("psnr", "ssim"):
                cells.append("exact")
            else:
                cells.append(form.format(mean[name]))
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
    lines = ["| working space | peak memory | time | of it writing | largest error |", "|---|---|---|---|---|"]
    for space, result in results.items():
        seconds = result["seconds"]
        lines.append(
            f"| {space} | {result['peak_rss_bytes'] / 2**30:.2f} GiB | {seconds['total']:.0f} s "
            f"| {seconds['write']:.0f} s | {result['error_max']:.1e} |"
        )
    machine = next(iter(results.values()))["machine"]
    lines.append(f"\nOn {machine['cpus']} × {machine['cpu']}, threads: {machine['threads']}.")
    return "\n".join(lines)


def truth() -> str:
    """The table of the composites whose alphas are known, the best first."""
    results: dict[str, Any] = json.loads((RESULTS / "truth.json").read_text())
    if len({result["test_set_sha256"] for result in results.values()}) != 1:
        sys.exit("truth.json: its rows are of different test sets; measure all of them again with truth.py")
    kinds = list(next(iter(results.values()))["kinds"])
    released = min(result["mean"] for row, result in results.items() if row.startswith("released weights"))
    lines = [f"| | all | of the released | {' | '.join(kinds)} |", "|---" * (3 + len(kinds)) + "|"]
    for row, result in sorted(results.items(), key=lambda item: item[1]["mean"]):
        means = " | ".join(f"{result['kinds'][kind]:.3f}" for kind in kinds)
        lines.append(f"| {row} | {result['mean']:.3f} | {result['mean'] / released:.2f} | {means} |")
    return "\n".join(lines)


def video() -> str:
    """The table of the clips: one after the other, each with all models."""
    results: dict[str, Any] = json.loads((RESULTS / "video.json").read_text())
    released = next(result for row, result in results.items() if row.startswith("released weights"))
    heads = ("", "flicker", "of the released", "pumping", "beside", "near", "out of reach", "L_s", "largest error")
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


def _optional(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)


def main() -> int:
    """Writes or checks; returns 1 where a check fails."""
    tables = {"scores": scores(), "size": size(), "truth": truth()}
    stale = []
    for name, blocks in PLACES.items():
        file = ROOT / name
        text = before = file.read_text(encoding="utf-8")
        for block in blocks:
            pattern = re.compile(rf"(<!-- {block} -->\n).*?(<!-- /{block} -->)", re.DOTALL)
            found = pattern.search(text)
            if not found:
                sys.exit(f"{name}: has no block {block}")
            text = f"{text[: found.start()]}{found[1]}{tables[block]}\n{found[2]}{text[found.end() :]}"
        if text != before:
            stale.append(name)
            if "--check" not in sys.argv:
                file.write_text(text, encoding="utf-8")
    print("changed: " + ", ".join(stale) if stale else "up to date")
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
