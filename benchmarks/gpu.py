"""Whether a GPU gives what the CPU gives, without waiting for it on the way, and how fast. Prints JSON.

Under four minutes on any machine with CUDA. Exit code 1 where a result is out of its bound or the device is waited for.

- **equal**: alphas of the example photograph, each model in each precision, beside the CPU's: mean and largest
  ½ Σ |Δα|, and the largest error of the sum of the layers.
- **waits**: how often a frame waits for the device, by PyTorch's own count, from an image in its memory to exact layers
  in its memory. Must be 0. Of ``Segmenter.segment``, which copies the image there and the layers back, it is only told.
- **seconds**: of such a frame and of ``Segmenter.segment``, with the device waited for before and after, at 1080p and
  4K, beside the two networks of the paper in the same precision and a copy of the layers within the device's memory.
- **peak_bytes**: of PyTorch on the device during each.
- **paced**: the time of each of 100 frames a second apart, when a GPU has let its clock fall; and back to back.

``--device cpu`` runs the same on the CPU, by the operations that a GPU gets, and counts no waits.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from machine import machine
from size import resize
from speed import COLORS, HEIGHTS, PICTURE, TRIAL_HEIGHTS, paper_job, picture_name
from torch import Tensor, nn

from fscs_engine import Image, Palette, Segmenter, read_image
from fscs_engine.evaluation.metrics import recomposition_error
from fscs_engine.export.export import ExportedModel
from fscs_engine.host.parameters import BY_NAME
from fscs_engine.networks.any_palette_model import AnyPaletteModel

MODELS = ("any-palette", "paper")
BOUNDS = {"float32": 1e-4, "bfloat16": 0.01, "float16": 0.002}
"""By precision of the networks, the largest mean ½ Σ |Δα| to the CPU's float32."""

EXACT = 1e-5
"""How far the layers may be from adding up to the image."""

ROUNDS = 10
FRAMES = 100
PAUSE = 1.0


def segmenter(model: str, device: str, precision: str) -> Segmenter:
    """A model as a GPU computes it, on whatever device: on the CPU without the loops that only the CPU has."""
    made = Segmenter(model, device=device, precision=precision)
    if isinstance(made.model, AnyPaletteModel):
        made.model.compiled = False
        made.model._deciding = made.model.network
    return made


def precisions(device: str) -> list[str]:
    """Those that the device has."""
    return [name for name in BOUNDS if device != "cpu" or name != "float16"]


def equal(device: str, image: Image, palette: Palette) -> dict[str, Any]:
    """Alphas of each model and precision beside the CPU's."""
    found: dict[str, Any] = {}
    for model in MODELS:
        expected = Segmenter(model, device="cpu").decompose(image, palette)[0]
        for precision in precisions(device):
            alphas, colors = segmenter(model, device, precision).decompose(image, palette)
            change = 0.5 * np.abs(alphas - expected).sum(axis=0, dtype=np.float64)
            error = recomposition_error(alphas[..., None] * colors, image.pixels[..., :3])
            found[f"{model}, {precision}"] = {
                "mean": float(change.mean()),
                "largest": float(change.max()),
                "error": error,
                "bound": BOUNDS[precision],
                "ok": bool(change.mean() <= BOUNDS[precision] and error <= EXACT),
            }
    return found


def resident(device: str, precision: str) -> nn.Module:
    """The shipped network, from an image in the device's memory to its exact layers there."""
    model = segmenter("any-palette", device, precision).model
    if not isinstance(model, AnyPaletteModel):
        raise TypeError(type(model))
    frame = ExportedModel(model.network)
    if precision != "float32":  # as the model does it: what looks at pixels stays in float32
        lower = torch.autocast(device, getattr(torch, precision))
        frame.network.models = lower(frame.network.models)  # type: ignore[method-assign]
    return frame


def inputs(device: str, image: Image, palette: Palette) -> tuple[Tensor, Tensor, Tensor]:
    """What :func:`resident` takes."""
    planes = torch.from_numpy(image.pixels[..., :3]).permute(2, 0, 1)[None].contiguous()
    softness = torch.tensor([BY_NAME["softness"].default])
    return planes.to(device), torch.from_numpy(palette.array).to(device), softness.to(device)


def count_waits(job: Callable[[], Any]) -> list[str]:
    """Where a job waits for the device, after a first run that may."""
    job()
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            job()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return [
        f"{Path(each.filename).name}:{each.lineno}"
        for each in told
        if "synchronizing CUDA operation" in str(each.message)
    ]


@torch.inference_mode()
def waits(device: str, image: Image, palette: Palette) -> dict[str, Any]:
    """Where frames wait, by precision; None where nothing can be counted."""
    if device == "cpu":
        return {"frame": None}
    given = inputs(device, image, palette)
    found: dict[str, Any] = {
        f"frame, {precision}": count_waits(partial(resident(device, precision), *given))
        for precision in precisions(device)
    }
    whole = partial(segmenter("any-palette", device, "float32").segment, image, palette, working_space="srgb")
    return {**found, "Segmenter.segment": len(count_waits(whole))}


def timed_once(device: str, job: Callable[[], Any]) -> float:
    """Seconds of a run, with nothing left to do on the device before and after."""
    wait = torch.cuda.synchronize if device != "cpu" else lambda: None
    wait()
    started = time.perf_counter()
    job()
    wait()
    return time.perf_counter() - started


def timed(device: str, job: Callable[[], Any], rounds: int) -> dict[str, Any]:
    """Seconds of each run after the first, and the peak memory."""
    try:
        if device != "cpu":
            torch.cuda.reset_peak_memory_stats()
        _, *seconds = [timed_once(device, job) for _ in range(rounds + 1)]
    except torch.cuda.OutOfMemoryError:
        torch.cuda.empty_cache()
        return {"out_of_memory": True}
    return {
        "median": median(seconds),
        "seconds": seconds,
        "peak_bytes": torch.cuda.max_memory_allocated() if device != "cpu" else None,
    }


@torch.inference_mode()
def times(device: str, images: Sequence[Image], palette: Palette, rounds: int) -> dict[str, Any]:
    """Every job at every size: in turns of a few runs, in one process."""
    found: dict[str, Any] = {}
    for image in images:
        given = inputs(device, image, palette)
        layers = torch.rand((1, COLORS, 4, image.height, image.width), device=device)
        copy = torch.empty_like(layers)
        jobs: dict[str, Callable[[], Any]] = {"copy of the layers": partial(copy.copy_, layers)}
        for precision in precisions(device):
            jobs[f"frame, {precision}"] = partial(resident(device, precision), *given)
            networks = paper_job(image, palette, device)
            jobs[f"the paper's two networks, {precision}"] = torch.autocast(
                device, getattr(torch, precision), enabled=precision != "float32"
            )(networks)
        jobs["Segmenter.segment"] = partial(
            segmenter("any-palette", device, "float32").segment, image, palette, working_space="srgb"
        )
        size = f"{image.width}x{image.height}"
        found[size] = {name: timed(device, job, rounds) for name, job in jobs.items()}
        for name, kept in found[size].items():
            if "median" in kept and "median" in found[size]["copy of the layers"]:
                kept["copies"] = kept["median"] / found[size]["copy of the layers"]["median"]
            print(f"{size} {name}: {kept.get('median')}", file=sys.stderr, flush=True)
    return found


@torch.inference_mode()
def paced(device: str, image: Image, palette: Palette, frames: int, pause: float) -> dict[str, Any]:
    """Seconds of frames that follow each other at once, and with a pause."""
    job = partial(resident(device, "float32"), *inputs(device, image, palette))
    found = {}
    for name, wait in (("back to back", 0.0), (f"{pause:g} s apart", pause)):
        timed_once(device, job)
        seconds = []
        for _ in range(frames):
            seconds.append(timed_once(device, job))
            time.sleep(max(0.0, wait - seconds[-1]))
        found[name] = {
            "median": median(seconds),
            "largest": max(seconds),
            "95 of 100": float(np.quantile(seconds, 0.95)),
            "frames": frames,
        }
    return found


def check(device: str, heights: Sequence[int], rounds: int, frames: int, pause: float) -> dict[str, Any]:
    """Everything, with ``ok``."""
    image = read_image(PICTURE)
    palette = Segmenter(device="cpu").auto_palette(image, COLORS)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        for height in heights:
            resize(PICTURE, height * 16 // 9, height, Path(folder) / picture_name(height))
        images = [read_image(Path(folder) / picture_name(height)) for height in heights]
    same, waited = equal(device, image, palette), waits(device, image, palette)
    ok = all(kept["ok"] for kept in same.values())
    ok = ok and not any(waited[name] for name in waited if name.startswith("frame"))
    properties = torch.cuda.get_device_properties(0) if device != "cpu" else None
    return {
        "ok": ok,
        "equal": same,
        "waits": waited,
        "seconds": times(device, images, palette, rounds),
        "paced": paced(device, images[0], palette, frames, pause),
        "took": time.perf_counter() - started,
        "device": device if properties is None else properties.name,
        "memory": None if properties is None else properties.total_memory,
        "cuda": torch.version.cuda,
        "machine": machine(),
    }


def main() -> int:
    """Prints what was found; 1 where it is not as it must be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="cuda by default")
    parser.add_argument("--trial", action="store_true", help="tiny frames, few of them")
    arguments = parser.parse_args()
    if arguments.device == "cuda" and not torch.cuda.is_available():
        sys.exit("there is no CUDA here; --device cpu runs the same without it")
    heights, *rest = (TRIAL_HEIGHTS, 1, 2, 0.01) if arguments.trial else (HEIGHTS, ROUNDS, FRAMES, PAUSE)
    found = check(arguments.device, heights, *rest)
    print(json.dumps(found, indent=1))
    return 0 if found["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
