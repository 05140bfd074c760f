"""How long a frame takes in memory: the model `any-palette` beside the two networks of the paper.

Ours is the whole of ``Segmenter("any-palette").segment(image, palette)``: default processing, premultiplied float32
layers out, exact, in sRGB and in the automatic working space. Of the paper only the networks of its Tables 3 and 4
are timed: eager float32, the whole frame in one pass, in inference mode. All take turns in one process after a
warm-up. The first call, for which loops are compiled, and peak memory are measured in processes that do nothing else.

Everything runs in child processes: the number of threads is set before anything is loaded, and this process stays
small, because Linux begins a child's peak memory with that of its parent.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from machine import store

if TYPE_CHECKING:
    from fscs_engine import Image, Palette, Segmenter

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "examples" / "coffee.png"
MODEL = "any-palette"
COLORS = 7
THREADS = 2
ROUNDS = 5
HEIGHTS = (1080, 2160)
TRIAL_HEIGHTS = (90, 180)
SPACES = ("srgb", "auto")
PAPER = "the paper's two networks"
PALETTE = "palette.json"
_CHILD = "--part"
_STRIP = 288  # rows at a time, about as many as in a run at 1080p

Times = dict[str, list[float]]


def picture_name(height: int) -> str:
    """A 16:9 frame's file, also its name in the results: ``1920x1080.png``."""
    return f"{height * 16 // 9}x{height}.png"


def prepare(folder: Path, heights: Sequence[int], picture: Path) -> dict[str, Any]:
    """Writes the frames and the palette of the first of them."""
    from size import resize

    for height in heights:
        resize(picture, height * 16 // 9, height, folder / picture_name(height))
    first, palette = folder / picture_name(heights[0]), folder / PALETTE
    command = [sys.executable, "-m", "fscs_engine", "palette", str(first), "-k", str(COLORS), "-o", str(palette)]
    subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    return {}


def take_turns(jobs: dict[str, Callable[[], Any]], rounds: int) -> tuple[Times, dict[str, list[Any]]]:
    """Runs each job once to warm up, then all of them one after the other, several times.

    Returns:
        Seconds of each job's runs after the first, and what the job gave each time, which must be small: results
        are let go before the next job begins.
    """
    for job in jobs.values():
        job()
    seconds: Times = {name: [] for name in jobs}
    given: dict[str, list[Any]] = {name: [] for name in jobs}
    for _ in range(rounds):
        for name, job in jobs.items():
            started = time.perf_counter()
            result = job()
            seconds[name].append(time.perf_counter() - started)
            given[name].append(getattr(result, "report", None))
            del result
    return seconds, given


def paper_job(image: Image, palette: Palette, device: str = "cpu") -> Callable[[], Any]:
    """Both networks of the paper, one after the other, with random weights: they cost what any others cost."""
    import torch

    from fscs_engine.networks.unet import AlphaPredictor, ResiduePredictor

    torch.manual_seed(1)
    alpha, residue = AlphaPredictor(COLORS).eval().to(device), ResiduePredictor(COLORS).eval().to(device)
    network_input = torch.from_numpy(image.pixels[..., :3]).permute(2, 0, 1)[None].contiguous().to(device)
    colors = torch.from_numpy(palette.array)[None].to(device)

    @torch.inference_mode()
    def run() -> Any:
        alphas = alpha(network_input, colors)
        return alphas, residue(network_input, colors, alphas)

    return run


def compare(folder: Path, heights: Sequence[int], rounds: int) -> dict[str, Any]:
    """Ours at every height and in both working spaces, theirs at the first height, in turns; then where time goes."""
    import torch

    from fscs_engine import Segmenter, read_image
    from fscs_engine.files.palette_files import read_palette

    segmenter, palette = Segmenter(MODEL, device="cpu"), read_palette(folder / PALETTE)
    images = [read_image(folder / picture_name(height)) for height in heights]
    jobs = {f"{PAPER} {Path(picture_name(heights[0])).stem}": paper_job(images[0], palette)}
    for height, image in zip(heights, images, strict=True):
        for space in SPACES:
            name = f"{space} {Path(picture_name(height)).stem}"
            jobs[name] = partial(segmenter.segment, image, palette, working_space=space)
    seconds, reports = take_turns(jobs, rounds)
    return {
        "threads": torch.get_num_threads(),
        "model": segmenter.model_name,
        "weights_sha256": segmenter.weights_sha256,
        "working_spaces": {space: segmenter.working_space(images[0], space) for space in SPACES},
        "seconds": seconds,
        "report": {
            name: {stage: [report.seconds[stage] for report in given] for stage in given[0].seconds}
            for name, given in reports.items()
            if given[0] is not None
        },
        "error_max": max(report.error_max for given in reports.values() for report in given if report is not None),
        "stages": time_stages(segmenter, images[0], palette, rounds),
    }


def time_stages(segmenter: Segmenter, image: Image, palette: Palette, rounds: int) -> Times:
    """Seconds of the parts of ours, each run by itself on the whole frame."""
    import numpy as np
    import torch

    from fscs_engine.color import network_image, straight
    from fscs_engine.networks.any_palette_model import AnyPaletteModel
    from fscs_engine.networks.constants import DENOISE_RADIUS, STRIDE
    from fscs_engine.networks.image_loops import coarse_rows, denoise_rows
    from fscs_engine.networks.model import View
    from fscs_engine.runtime.threads import over_rows

    model, spaces, threads = segmenter.model, segmenter.spaces, torch.get_num_threads()
    if not isinstance(model, AnyPaletteModel):
        raise TypeError(type(model))
    height, width = image.height, image.width
    network_input = np.empty((height, width, 3), np.float32)
    grid = np.zeros((6, -(-height // STRIDE), -(-width // STRIDE)), np.float32)
    colors = torch.from_numpy(palette.array)

    def see(top: int, bottom: int) -> None:
        network_input[top:bottom] = network_image(straight(image.pixels[top:bottom]), image.color_space, spaces)[0]

    def average(top: int, bottom: int) -> None:
        coarse_rows(network_input[top:bottom], grid[:, top // STRIDE : -(-bottom // STRIDE)])

    def denoise(top: int, bottom: int) -> None:
        first = max(0, top - 2 * DENOISE_RADIUS)
        rows = network_input[first : bottom + 2 * DENOISE_RADIUS]
        denoise_rows(rows, first, top, bottom, height, np.empty((3, bottom - top, width), np.float32))

    def network() -> None:
        prediction.local_models(torch.from_numpy(grid))

    def alphas() -> None:
        for top in range(0, height, _STRIP):
            prediction.alphas(top, min(height, top + _STRIP))

    def shared(job: Callable[[int, int], None], rows: int) -> Callable[[], Any]:
        return partial(over_rows, job, 0, height, rows, threads)

    over_rows(see, 0, height, 32, threads)
    view = View(height, width, torch.device("cpu"), 0, lambda top, bottom: network_input[top:bottom], lambda _: None)
    prediction = model.predict(view, colors, 0.5)
    jobs: dict[str, Callable[[], Any]] = {
        "what the network sees": shared(see, 32),
        "cells": shared(average, 64),
        "network": network,
        "alphas": alphas,
        "of alphas: denoised picture": shared(denoise, 32),
    }
    for space in (segmenter.working_space(image, asked) for asked in SPACES):

        def convert(top: int, bottom: int, space: str = space) -> None:
            spaces.convert(straight(image.pixels[top:bottom]), image.color_space, space)

        jobs[f"of layers: to {space}"] = shared(convert, 32)
    return take_turns(jobs, rounds)[0]


def begin(folder: Path, heights: Sequence[int], space: str) -> dict[str, Any]:
    """The first frame of a process: seconds, and peak memory before and after it."""
    started = time.perf_counter()
    from fscs_engine import Segmenter, read_image
    from fscs_engine.cli.printing import peak_rss_bytes
    from fscs_engine.files.palette_files import read_palette
    from fscs_engine.networks import alpha_loops  # noqa: F401  # loaded with the first frame otherwise

    imported, rss_imported = time.perf_counter(), peak_rss_bytes()
    image, palette = read_image(folder / picture_name(heights[0])), read_palette(folder / PALETTE)
    opened = time.perf_counter()
    segmenter = Segmenter(MODEL, device="cpu")
    loaded = time.perf_counter()
    layers = segmenter.segment(image, palette, working_space=space)
    first, peak = time.perf_counter(), peak_rss_bytes()
    del layers
    again = time.perf_counter()
    segmenter.segment(image, palette, working_space=space)
    return {
        "seconds": {
            "import": imported - started,
            "model": loaded - opened,
            "first frame": first - loaded,
            "second frame": time.perf_counter() - again,
        },
        "import_rss_bytes": rss_imported,
        "peak_rss_bytes": peak,
    }


def child(part: str, folder: Path, environment: dict[str, str], arguments: Sequence[str], engine: Path = ROOT) -> Any:
    """Runs a part in a process of its own with the engine of a folder and these additions to the environment."""
    command = [sys.executable, str(Path(__file__).resolve()), _CHILD, part, str(folder), *arguments]
    paths = [str(engine), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **environment}
    return json.loads(subprocess.run(command, check=True, env=environment, stdout=subprocess.PIPE).stdout)


def measure(picture: Path, heights: Sequence[int], rounds: int, threads: int) -> dict[str, dict[str, Any]]:
    """All rows that are stored, by name."""
    count = str(threads)
    environment = {"OMP_NUM_THREADS": count, "MKL_NUM_THREADS": count, "OPENBLAS_NUM_THREADS": count}
    load = os.getloadavg()[0]  # of others: nothing of ours runs yet
    arguments = ["--picture", str(picture), "--heights", *map(str, heights), "--rounds", str(rounds)]
    begun: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        child("prepare", folder, environment, arguments)
        fresh = folder / "fresh"  # compiled loops are also looked for beside the engine's own files
        shutil.copytree(ROOT / "fscs_engine", fresh / "fscs_engine", ignore=shutil.ignore_patterns("__pycache__"))
        for space in SPACES:
            cached = {**environment, "FSCS_CACHE": str(folder / f"cache {space}")}
            begun[space] = {
                cache: child("begin", folder, cached, [*arguments, "--space", space], fresh)
                for cache in ("empty", "filled")
            }
        compared = child("compare", folder, cached, arguments)
    facts = {"threads": compared["threads"], "colors": COLORS, "picture": picture.name, "load_before": load}

    def times(kind: str) -> Times:
        return {name.split()[-1]: kept for name, kept in compared["seconds"].items() if name.startswith(f"{kind} ")}

    rows = {PAPER: {**facts, "seconds": times(PAPER)}}
    for space, resolved in compared["working_spaces"].items():
        rows[f"{MODEL}, {resolved}" + (" (automatic)" if space == "auto" else "")] = {
            **facts,
            "working_space": resolved,
            "model": compared["model"],
            "weights_sha256": compared["weights_sha256"],
            "error_max": compared["error_max"],
            "seconds": times(space),
            "report": {n.split()[-1]: kept for n, kept in compared["report"].items() if n.startswith(f"{space} ")},
            "stages": compared["stages"],
            "process": begun[space],
        }
    return rows


def main() -> None:
    """Measures everything; about three minutes on two idle cores."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=THREADS, help=f"{THREADS} by default")
    parser.add_argument(
        "--picture", type=Path, default=PICTURE, help="what is enlarged; examples/coffee.png by default"
    )
    parser.add_argument("--trial", action="store_true", help="tiny frames, two rounds; nothing is stored")
    parser.add_argument(_CHILD, dest="part", nargs=2, metavar=("PART", "FOLDER"), help=argparse.SUPPRESS)
    parser.add_argument("--heights", type=int, nargs="+", default=list(HEIGHTS), help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=argparse.SUPPRESS)
    parser.add_argument("--space", choices=SPACES, default=SPACES[0], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    picture = arguments.picture.resolve()
    if arguments.part:
        name, folder = arguments.part
        parts: dict[str, Callable[[Path, Sequence[int]], dict[str, Any]]] = {
            "prepare": partial(prepare, picture=picture),
            "begin": partial(begin, space=arguments.space),
            "compare": partial(compare, rounds=arguments.rounds),
        }
        print(json.dumps(parts[name](Path(folder), arguments.heights)))
        return
    if not picture.is_file():
        sys.exit(f"{picture}: no such file")
    heights, rounds = (TRIAL_HEIGHTS, 2) if arguments.trial else (HEIGHTS, ROUNDS)
    os.environ["OMP_NUM_THREADS"] = str(arguments.threads)  # what the results say of the machine
    for row, result in measure(picture, heights, rounds, arguments.threads).items():
        if not arguments.trial:
            store("speed", row, result)
        print(row, json.dumps(result, indent=1), flush=True)


if __name__ == "__main__":
    main()
