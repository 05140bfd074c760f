"""What each way of computing on the CPU is worth: a frame as shipped, and with one thing at a time done another way.

``Segmenter("any-palette").segment`` in sRGB, seven colors, two threads. Variants:

- the network in plain PyTorch, in tiles, as on every other device;
- of it only what looks at the coarse grid;
- the exact step in plain PyTorch;
- arrays from NumPy or from PyTorch's allocator in place of `runtime/memory.py`;
- no `runtime/threads.py`: rows one block after the other, PyTorch alone has threads;
- the exported ONNX file in onnxruntime, which gives alphas and layers too. Larger frames in tiles of 1920×1080,
  without the halo that they would need: else it takes more memory than the computer has.

All take turns in one process after a warm-up, as in `speed.py`. ``--compile`` measures the network through
``torch.compile`` instead, aside: its first call takes minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from machine import store
from speed import COLORS, HEIGHTS, MODEL, PALETTE, PICTURE, THREADS, TRIAL_HEIGHTS, picture_name, prepare, take_turns

if TYPE_CHECKING:
    from fscs_engine import Image, Palette, Segmenter

ROOT = Path(__file__).resolve().parent.parent
ROUNDS = 3
SHIPPED = "as shipped"
TILE = 1080, 1920


@contextmanager
def everywhere(name: str, replacement: Any) -> Iterator[None]:
    """Replaces a function of ``fscs_engine.runtime`` in all modules that imported it."""
    modules = [module for key, module in sys.modules.items() if key.startswith("fscs_engine") and hasattr(module, name)]
    before = [getattr(module, name) for module in modules]
    for module in modules:
        setattr(module, name, replacement)
    try:
        yield
    finally:
        for module, function in zip(modules, before, strict=True):
            setattr(module, name, function)


def variants(segmenter: Segmenter, image: Image, palette: Palette) -> dict[str, Callable[[], Any]]:
    """A frame in memory, by name of the variant."""
    import numpy as np
    import torch

    from fscs_engine.exact.exact_layers import ExactLayers
    from fscs_engine.networks.any_palette_model import AnyPaletteModel, AnyPalettePrediction

    model = segmenter.model
    if not isinstance(model, AnyPaletteModel):
        raise TypeError(type(model))

    def frame() -> Any:
        return segmenter.segment(image, palette, working_space="srgb")

    def changed(change: Callable[[], Any]) -> Callable[[], Any]:
        def run() -> Any:
            with change():
                return frame()

        return run

    def by_tensors(exact: Any, top: int, alphas: Any, base: Any, space: str, out: Any) -> float:
        return exact._by_tensors(top, torch.from_numpy(alphas), None, space, out)

    def one_by_one(job: Any, top: int, bottom: int, rows: int, threads: int) -> list[Any]:
        return [job(first, min(bottom, first + rows)) for first in range(top, bottom, rows)]

    def looked_at(prediction: Any, *arguments: Any) -> None:
        prediction._models_by_tensors(*arguments)

    return {
        SHIPPED: frame,
        "network in PyTorch": changed(lambda: patch.object(model, "compiled", False)),
        "coarse grid in PyTorch": changed(lambda: patch.object(AnyPalettePrediction, "_models_by_loops", looked_at)),
        "exact step in PyTorch": changed(lambda: patch.object(ExactLayers, "_by_loops", by_tensors)),
        "arrays from NumPy": changed(lambda: everywhere("empty", lambda shape: np.empty(shape, np.float32))),
        "arrays from PyTorch": changed(lambda: everywhere("empty", lambda shape: torch.empty(tuple(shape)).numpy())),
        "rows without threads": changed(lambda: everywhere("over_rows", one_by_one)),
    }


def onnx_job(image: Image, palette: Palette, folder: Path, threads: int) -> Callable[[], Any]:
    """The exported file, on tiles."""
    import numpy as np
    import onnxruntime

    from fscs_engine.export.export import export_onnx
    from fscs_engine.host.parameters import BY_NAME

    export_onnx(MODEL, folder / "model.onnx", overwrite=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(folder / "model.onnx", options, providers=["CPUExecutionProvider"])
    high, wide = TILE
    planes = np.ascontiguousarray(image.pixels[..., :3].transpose(2, 0, 1))[None]
    tiles = [
        np.ascontiguousarray(planes[:, :, y : y + high, x : x + wide])
        for y in range(0, image.height, high)
        for x in range(0, image.width, wide)
    ]

    softness = np.array([BY_NAME["softness"].default], np.float32)

    def run() -> None:
        for tile in tiles:
            session.run(None, {"image": tile, "palette": palette.array, "softness": softness})

    return run


def compare(folder: Path, heights: Sequence[int], rounds: int, threads: int) -> dict[str, Any]:
    """Seconds of every variant at every height."""
    import torch

    from fscs_engine import Segmenter, read_image
    from fscs_engine.files.palette_files import read_palette

    torch.set_num_threads(threads)
    segmenter, palette = Segmenter(MODEL, device="cpu"), read_palette(folder / PALETTE)
    found: dict[str, Any] = {}
    for height in heights:
        image = read_image(folder / picture_name(height))
        jobs = variants(segmenter, image, palette)
        jobs["ONNX in onnxruntime"] = onnx_job(image, palette, folder, threads)
        for name, kept in take_turns(jobs, rounds)[0].items():
            found.setdefault(name, {})[Path(picture_name(height)).stem] = kept
    return found


def compiled(folder: Path, height: int, rounds: int, threads: int) -> dict[str, Any]:
    """Seconds of a frame through the network alone, with and without ``torch.compile``: the first, and later ones."""
    import torch

    from fscs_engine import Segmenter, read_image
    from fscs_engine.files.palette_files import read_palette
    from fscs_engine.host.parameters import BY_NAME
    from fscs_engine.networks.any_palette_model import AnyPaletteModel

    torch.set_num_threads(threads)
    model, palette = Segmenter(MODEL, device="cpu").model, read_palette(folder / PALETTE)
    if not isinstance(model, AnyPaletteModel):
        raise TypeError(type(model))
    image = read_image(folder / picture_name(height))
    network_input = torch.from_numpy(image.pixels[..., :3]).permute(2, 0, 1)[None].contiguous()
    colors = torch.from_numpy(palette.array)[None]
    softness = torch.tensor([BY_NAME["softness"].default])
    found: dict[str, Any] = {}
    for name, network in (("PyTorch", model.network), ("torch.compile", torch.compile(model.network))):
        with torch.inference_mode():
            started = time.perf_counter()
            network(network_input, colors, softness)
            first = time.perf_counter() - started
            again = take_turns({name: partial(network, network_input, colors, softness)}, rounds)[0][name]
        found[name] = {"first": first, "seconds": again}
    return found


def main() -> None:
    """Measures everything; some minutes on two idle cores."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=THREADS, help=f"{THREADS} by default")
    parser.add_argument(
        "--picture", type=Path, default=PICTURE, help="what is enlarged; examples/coffee.png by default"
    )
    parser.add_argument("--heights", type=int, nargs="+", default=list(HEIGHTS), help="1080 and 2160 by default")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"{ROUNDS} by default")
    parser.add_argument("--compile", action="store_true", help="the network through torch.compile, nothing else")
    parser.add_argument("--trial", action="store_true", help="tiny frames, two rounds; nothing is stored")
    arguments = parser.parse_args()
    heights, rounds = (TRIAL_HEIGHTS, 2) if arguments.trial else (arguments.heights, arguments.rounds)
    os.environ["OMP_NUM_THREADS"] = str(arguments.threads)
    sys.path.insert(0, str(ROOT))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, heights, arguments.picture.resolve())
        if arguments.compile:
            found = compiled(folder, heights[0], rounds, arguments.threads)
        else:
            found = compare(folder, heights, rounds, arguments.threads)
    facts = {"colors": COLORS, "picture": arguments.picture.name, "threads": arguments.threads}
    print(json.dumps(found, indent=1))
    if arguments.trial:
        return
    if arguments.compile:
        store("variants", "torch.compile", {**facts, "frame": Path(picture_name(heights[0])).stem, "seconds": found})
        return
    for size in next(iter(found.values())):
        store("variants", size, {**facts, "seconds": {variant: kept[size] for variant, kept in found.items()}})


if __name__ == "__main__":
    main()
