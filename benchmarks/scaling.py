"""Figure 5 of the paper again: seconds and peak memory against megapixels and colors, of every method here.

Each point is measured in a process of its own, end to end from an image in memory to layers in memory: the median of
one or three runs after a first one. In the same run the computer's memory bandwidth and floating-point rate are
measured, and what a frame must move and compute at least; how far a frame and its stages are from that is their
distance to the roofline. Draws ``docs/scaling.png``. A method is not asked for more pixels than ``LIMITS`` says.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from machine import RESULTS, store

if TYPE_CHECKING:
    from fscs_engine import Image, Palette

ROOT = Path(__file__).resolve().parent.parent
PLOT = ROOT / "docs" / "scaling.png"
COLORS = 7
HEIGHTS = (540, 720, 1080, 1440, 2160, 3024, 4320)
"""Of 16:9 frames: 0.5 to 33 megapixels."""

COUNTS = (2, 4, 7, 11, 16)
COUNTS_HEIGHT = 1080
ROUNDS = {"any-palette": 3}
"""Runs after the first one, by method; of the others, which take long, one."""

THREADS = (1, 2)
NETWORKS = "the paper's two networks"

LIMITS = {"any-palette": 4320, "paper": 2160, NETWORKS: 2160, "Tan 2018": 1080, "Aksoy 2017": 1080}
"""Largest height: memory for the networks, patience for the others."""

COUNTS_HEIGHTS = {"Aksoy 2017": 180}
"""Where 1080p is too much, the height at which K is varied."""

FIXED_COLORS = (NETWORKS, "paper")
"""Methods that know one K."""

WORK, WORK_NAME = "work of the networks", "flop_per_pixel"
STAGES = {"AnyPaletteNetwork": "alpha", "AlphaPredictor": "alpha", "ResiduePredictor": "color"}
"""Which stage each network is, by its class."""

ROOF = "rates of the computer"
_CHILD = "--part"


def job_of(method: str, image: Image, palette: Palette) -> Callable[[], dict[str, float]]:
    """A frame; gives the seconds of its stages."""
    if method == NETWORKS:
        from speed import paper_job

        networks = paper_job(image, palette)
        return lambda: (networks(), {})[1]
    if method in ("any-palette", "paper"):
        from fscs_engine import AlphaProcessing, Segmenter

        segmenter = Segmenter(method, device="cpu")
        processing = AlphaProcessing(smoothing=3 if method == "paper" else 0)
        return lambda: dict(segmenter.segment(image, palette, processing, working_space="srgb").report.seconds)
    from aksoy2017 import Aksoy2017
    from tan2018 import palette_weights, rgbxy_weights

    pixels, colors = image.pixels[..., :3], palette.array
    if method == "Aksoy 2017":
        peer = Aksoy2017()
        return lambda: (peer.layers(pixels, colors), {})[1]

    def run() -> dict[str, float]:
        started = time.perf_counter()
        mixing, vertices = rgbxy_weights(pixels)
        mixed = time.perf_counter()
        mixing @ palette_weights(vertices, colors.astype(float))
        return {"RGBXY": mixed - started, "update": time.perf_counter() - mixed}

    return run


def measure(method: str, file: Path, count: int, rounds: int) -> dict[str, Any]:
    """Seconds, their stages, and memory, of this process."""
    from speed import take_turns

    from fscs_engine import read_image
    from fscs_engine.cli.printing import peak_rss_bytes
    from fscs_engine.color import ColorSpaces
    from fscs_engine.palette.image_palette import image_palette

    image = read_image(file)
    palette = image_palette(image, count, None, 0, ColorSpaces(None))
    job, before = job_of(method, image, palette), peak_rss_bytes()
    stages: list[dict[str, float]] = []
    seconds = take_turns({method: lambda: stages.append(job())}, rounds)[0][method]
    means = {stage: median(kept[stage] for kept in stages[1:]) for stage in stages[0]}
    return {"seconds": seconds, "stages": means, "peak_rss_bytes": peak_rss_bytes(), "before_rss_bytes": before}


def roofline() -> dict[str, float]:
    """Bytes a second, read and written, of a copy; floating-point operations a second of a product of matrices."""
    import numpy as np
    import torch

    source = np.ones(2**26, np.float32)
    target = np.empty_like(source)
    left = torch.rand(2048, 2048)
    copies, products = [], []
    for _ in range(6):
        started = time.perf_counter()
        torch.from_numpy(target).copy_(torch.from_numpy(source))
        copied = time.perf_counter()
        left @ left
        copies.append(copied - started)
        products.append(time.perf_counter() - copied)
    return {"bytes_per_second": 2 * source.nbytes / min(copies), "flop_per_second": 2 * 2048**3 / min(products)}


def work() -> dict[str, dict[str, int]]:
    """Floating-point operations of the networks by stage, counted by PyTorch on a small frame of seven colors.

    They are those of a pixel, rounded.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from fscs_engine import Image, Segmenter
    from fscs_engine.networks.any_palette_model import AnyPaletteModel
    from fscs_engine.palette.palette import Palette

    image = Image.from_pixels(torch.rand(128, 128, 3).numpy(), "srgb")
    palette = Palette.from_array(torch.rand(COLORS, 3).numpy())
    model = Segmenter("any-palette", device="cpu").model
    if not isinstance(model, AnyPaletteModel):
        raise TypeError(type(model))
    planes = torch.from_numpy(image.pixels).permute(2, 0, 1)[None].contiguous()
    jobs = {
        NETWORKS: job_of(NETWORKS, image, palette),
        "any-palette": lambda: model.network(planes, torch.from_numpy(palette.array)[None], torch.tensor([0.5])),
    }
    found: dict[str, dict[str, int]] = {}
    for name, job in jobs.items():
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            job()
        counts = {module: sum(kinds.values()) for module, kinds in counter.get_flop_counts().items()}
        stages = {stage: counts[module] for module, stage in STAGES.items() if module in counts}
        if sum(stages.values()) != counter.get_total_flops():
            raise RuntimeError(f"{name}: has work in other modules than {', '.join(STAGES)}")
        found[name] = {stage: round(count / (image.height * image.width)) for stage, count in stages.items()}
    return found


def flop_of(results: dict[str, Any], method: str, stage: str = "") -> int:
    """Floating-point operations a pixel of a method's networks, or of those of a stage; 0 where none is counted."""
    counted = results[WORK_NAME].get(NETWORKS if method in FIXED_COLORS else method, {})
    return counted.get(stage, 0) if stage else sum(counted.values())


def least_bytes(count: int, stage: str = "") -> int:
    """A pixel's, in float32: its color is read, and its layers are written; or what a stage has between them."""
    stages = {"alpha": 3 + count, "color": 3 + count + 4 * count, "RGBXY": 3, "update": count}
    return 4 * (stages[stage] if stage else 3 + 4 * count)


def least_seconds(results: dict[str, Any], method: str, threads: int, pixels: int, stage: str = "") -> float:
    """What the bytes or the arithmetic of a frame of seven colors, or of a stage, take at the computer's rates."""
    roof = results["roofline"][str(threads)]
    moved = least_bytes(COLORS, stage) / roof["bytes_per_second"]
    return pixels * max(moved, flop_of(results, method, stage) / roof["flop_per_second"])


def exponent(points: Sequence[tuple[float, float]]) -> float:
    """The slope of the line through (x, y) on logarithmic axes."""
    logs = [(math.log(x), math.log(y)) for x, y in points]
    x_mean, y_mean = (sum(values) / len(logs) for values in zip(*logs, strict=True))
    return sum((x - x_mean) * (y - y_mean) for x, y in logs) / sum((x - x_mean) ** 2 for x, _ in logs)


def most_threads(results: dict[str, Any]) -> int:
    """What the tables tell: the largest number of threads that was measured, or 0."""
    return max((point["threads"] for point in results["points"]), default=0)


def points(results: dict[str, Any], method: str, threads: int, what: str, by: str) -> list[tuple[float, float]]:
    """(megapixels or colors, value) of a method, from the smallest on; ``what`` is ``seconds`` or ``memory``."""
    found = []
    for row in results["points"]:
        varied = row["height"] == COUNTS_HEIGHTS.get(method, COUNTS_HEIGHT)
        fits = row["colors"] == COLORS and row["height"] in HEIGHTS if by == "megapixels" else varied
        if row["method"] == method and row["threads"] == threads and fits:
            value = median(row["seconds"]) if what == "seconds" else row["peak_rss_bytes"] / 2**30
            found.append((row["height"] ** 2 * 16 / 9 / 1e6 if by == "megapixels" else row["colors"], value))
    return sorted(found)


def draw(results: dict[str, Any], target: Path) -> None:
    """Four plots: seconds and memory, against megapixels and against colors; dashed with one thread."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator

    others = [f"{method} {height}p" for method, height in COUNTS_HEIGHTS.items()]
    heights = f"{COUNTS_HEIGHT}p ({', '.join(others)})"
    figure = Figure(figsize=(10, 8), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, 2)
    for row, (what, label) in enumerate((("seconds", "seconds"), ("memory", "peak memory, GiB"))):
        for column, (by, title) in enumerate(
            (("megapixels", f"megapixels, K = {COLORS}"), ("colors", f"K, {heights}"))
        ):
            place = axes[row][column]
            for color, method in enumerate(LIMITS):
                for threads, style in zip(sorted(THREADS, reverse=True), ("o-", "x--"), strict=True):
                    line = points(results, method, threads, what, by)
                    if line:
                        label_of = method if (row, column, style) == (0, 0, "o-") else None
                        place.loglog(*zip(*line, strict=True), style, color=f"C{color}", label=label_of, markersize=4)
            place.set(xlabel=title, ylabel=label)
            place.set_xticks((0.5, 1, 2, 4, 8, 16, 33) if by == "megapixels" else COUNTS)
            place.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            for axis in (place.xaxis, place.yaxis):
                axis.set_major_formatter("{x:g}")
            place.minorticks_off()
            place.grid(visible=True, alpha=0.3)
    figure.legend(loc="outside lower center", ncols=5, fontsize=8)
    figure.savefig(target, dpi=120, metadata={"Software": None})


def child(arguments: Sequence[str], threads: int) -> Any:
    """Runs a part in a process with so many threads."""
    count = str(threads)
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
    paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, **dict.fromkeys(names, count), "PYTHONPATH": paths}
    command = [sys.executable, str(Path(__file__).resolve()), _CHILD, *arguments]
    return json.loads(subprocess.run(command, check=True, env=environment, stdout=subprocess.PIPE).stdout)


def plan(method: str, heights: Sequence[int], counts: Sequence[int]) -> list[tuple[int, int]]:
    """Height and K of every point of a method."""
    found = [(height, COLORS) for height in heights if height <= LIMITS[method]]
    if method not in FIXED_COLORS:
        varied = [(COUNTS_HEIGHTS.get(method, COUNTS_HEIGHT), count) for count in counts]
        found += [point for point in varied if point not in found]
    return found


def measure_all(method: str, heights: Sequence[int], counts: Sequence[int], threads: Sequence[int]) -> dict[str, Any]:
    """What is stored of a method. A point whose process is killed, as for want of memory, is left out."""
    from size import resize
    from speed import PICTURE, picture_name

    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for height, colors in plan(method, heights, counts):
            file = folder / picture_name(height)
            if not file.exists():
                resize(PICTURE, height * 16 // 9, height, file)
            for count in threads:
                title = f"{method}, {height}p, K = {colors}, threads {count}:"
                try:
                    found = child([method, str(file), str(colors), str(ROUNDS.get(method, 1))], count)
                except subprocess.CalledProcessError as error:
                    if error.returncode != -signal.SIGKILL:
                        raise
                    print(title, "was killed", file=sys.stderr, flush=True)
                    continue
                rows.append({"method": method, "height": height, "colors": colors, "threads": count, **found})
                print(title, found["seconds"], file=sys.stderr, flush=True)
    return {"points": rows}


def gathered(stored: dict[str, Any]) -> dict[str, Any]:
    """All as one: ``points``, ``roofline`` by number of threads, and ``flop_per_pixel`` by networks and stage."""
    found = {"points": [point for method in LIMITS if method in stored for point in stored[method]["points"]]}
    return found | {name: stored.get(row, {}).get(name, {}) for row, name in ((ROOF, "roofline"), (WORK, WORK_NAME))}


def main() -> None:
    """Measures the methods that are named, or all, and draws; needs two idle cores and 32 GB of memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("methods", nargs="*", help=f"{'; '.join(LIMITS)}")
    parser.add_argument("--trial", action="store_true", help="tiny frames, one run each; nothing is stored or drawn")
    parser.add_argument("--count", action="store_true", help="only count the work of the networks")
    parser.add_argument("--draw", action="store_true", help="only draw what was measured before")
    parser.add_argument(_CHILD, dest="part", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        method, file, count, rounds = arguments.part
        other = {"roofline": roofline, "work": work}.get(method)
        print(json.dumps(other() if other else measure(method, Path(file), int(count), int(rounds))))
        return
    methods = arguments.methods or list(LIMITS)
    unknown = [method for method in methods if method not in LIMITS]
    if unknown:
        sys.exit(f"{unknown[0]}: is none of {'; '.join(LIMITS)}")
    if not arguments.draw:
        counted = {WORK_NAME: child(["work", "", "0", "0"], 1)}
        if arguments.trial:
            print(json.dumps([measure_all(method, (72,), (), (1,)) for method in methods] + [counted], indent=1))
            return
        store("scaling", WORK, counted)
        if arguments.count:
            return
        store(
            "scaling", ROOF, {"roofline": {str(count): child(["roofline", "", "0", "0"], count) for count in THREADS}}
        )
        for method in methods:
            store("scaling", method, measure_all(method, HEIGHTS, COUNTS, THREADS))
    draw(gathered(json.loads((RESULTS / "scaling.json").read_text())), PLOT)


if __name__ == "__main__":
    main()
