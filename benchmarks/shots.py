"""How long a shot takes from files to files, and what the layered EXR costs in every compression.

The shot: frames of the example photograph, enlarged and shifted, as PNG in and EXR out, beside the same frames in
memory, what reading and writing take by themselves, and OpenImageIO writing the same channels. The files: layers of a
photograph, of the same photograph with grain, and of a rendered frame. The packing: what could pack their blocks for
ZIP, by the CPU's time of one thread. Everything runs in one process.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np
import OpenImageIO as oiio
from machine import store
from numpy.typing import NDArray
from size import PICTURE, resize

if TYPE_CHECKING:
    from fscs_engine import Image, Palette, Segmenter

COLORS = 7
HEIGHT, LARGE_HEIGHT, TRIAL_HEIGHT = 1080, 2160, 90
FRAMES, ROUNDS = 6, 2
GRAIN = 0.02
"""Standard deviation of the noise, in sRGB from 0 to 1."""

FORMS: dict[str, dict[str, Any]] = {
    "zip": {},
    "zip, single part": {"single_part": True},
    "zips": {"compression": "zips"},
    "rle": {"compression": "rle"},
    "piz": {"compression": "piz"},
    "none": {"compression": "none"},
    "dwaa": {"compression": "dwaa"},
    "zip, half": {"half": True},
}
"""What `fscs segment` writes, by the flags' names."""

_codecs: Any = imagecodecs  # its types know nothing of arrays

PACKERS: dict[str, Callable[[Any], Any]] = {
    "libdeflate 1": lambda block: _codecs.deflate_encode(block, level=1),
    "libdeflate 2": lambda block: _codecs.deflate_encode(block, level=2),
    "zlib-ng 1": lambda block: _codecs.zlibng_encode(block, level=1),
    "zlib-ng 2": lambda block: _codecs.zlibng_encode(block, level=2),
    "zlib 1": lambda block: _codecs.zlib_encode(block, level=1),
    "LZ4 (no EXR has it)": lambda block: _codecs.lz4_encode(block),
}

OTHERS = {"OpenImageIO, zip": "zip", "OpenImageIO, none": "none"}
"""What OpenImageIO writes of the same channels in one part, by its compression."""


CLOCKS: dict[str, Callable[[], float]] = {"elapsed": time.perf_counter, "CPU": time.process_time}


@dataclass(frozen=True)
class Watch:
    """Measures by a clock: the CPU's own, of all threads, is the one for a machine that others use too."""

    clock: str
    rounds: int

    def __call__(self, job: Callable[[], Any], rounds: int | None = None) -> list[float]:
        """Seconds of each of several runs."""
        found = []
        for _ in range(rounds or self.rounds):
            started = CLOCKS[self.clock]()
            job()
            found.append(CLOCKS[self.clock]() - started)
        return found


def rendered(height: int) -> NDArray[np.float32]:
    """A frame as a renderer gives it, in linear light: a gradient, a plain floor, shaded balls with soft shadows."""
    width = height * 16 // 9
    y, x = np.mgrid[:height, :width].astype(np.float32) / height
    frame = np.stack([0.1 + 0.2 * y, 0.2 + 0.3 * y, 0.5 + 0.2 * y], axis=-1)
    frame[y > 0.7] = (0.25, 0.22, 0.18)
    balls = ((0.3, 0.6, 0.2, (0.8, 0.1, 0.05)), (0.9, 0.55, 0.25, (0.1, 0.5, 0.1)), (1.4, 0.65, 0.15, (0.9, 0.7, 0.1)))
    for center, middle, radius, color in balls:
        shadow = np.exp(-(((x - center - 0.1) / radius) ** 2) - ((y - middle - radius) / (0.2 * radius)) ** 2)
        frame *= 1 - 0.7 * shadow[..., None] * (y > 0.7)[..., None]
        across, down = (x - center) / radius, (y - middle) / radius
        deep = np.sqrt(np.maximum(0, 1 - across**2 - down**2))
        light = 0.05 + 0.95 * np.maximum(0, -0.5 * across - 0.6 * down + 0.62 * deep)
        inside = np.clip((1 - np.hypot(across, down)) * radius * height + 0.5, 0, 1)[..., None]
        frame = frame * (1 - inside) + inside * light[..., None] * np.float32(color)
    return np.ascontiguousarray(frame, np.float32)


def write_oiio(path: Path, layers: NDArray[np.float32], compression: str) -> None:
    """The layers as OpenImageIO writes them from memory: one part, one call."""
    count, height, width, _ = layers.shape
    spec = oiio.ImageSpec(width, height, 4 * count, "float")
    spec.channelnames = [f"softcolor{n}.{channel}" for n in range(1, count + 1) for channel in "RGBA"]
    spec.attribute("compression", compression)
    output = oiio.ImageOutput.create("openexr")
    pixels = np.ascontiguousarray(layers.transpose(1, 2, 0, 3)).reshape(height, width, -1)
    if not output.open(str(path), spec) or not output.write_image(pixels) or not output.close():
        sys.exit(output.geterror())


def write_ours(path: Path, layers: NDArray[np.float32], form: dict[str, Any]) -> None:
    """The layers as the engine writes them from memory."""
    from fscs_engine.files.exr import ExrLayerWriter

    count, height, width, _ = layers.shape
    size = {"height": height, "width": width, "layers": count}
    with ExrLayerWriter(path, **size, metadata={}, color_space="lin_rec709", overwrite=True, **form) as writer:
        writer.write(0, layers)


def measure_form(path: Path, layers: NDArray[np.float32], name: str, watch: Watch) -> dict[str, Any]:
    """Seconds to write and to read, and bytes, of a form of :data:`FORMS` or :data:`OTHERS`."""
    from fscs_engine.files.exr import read_layers
    from fscs_engine.files.reading import read_image

    if name in OTHERS:
        write = partial(write_oiio, path, layers, OTHERS[name])
    else:
        write = partial(write_ours, path, layers, FORMS[name])
    return {
        "write": watch(write),
        "read all": watch(partial(read_layers, path)),
        "read one": watch(partial(read_image, path, layer=f"softcolor{COLORS // 2}")),
        "bytes": path.stat().st_size,
    }


def measure_files(folder: Path, image: Image, segmenter: Segmenter, watch: Watch) -> dict[str, Any]:
    """Seconds to write and to read, and bytes, in every form."""
    layers = segmenter.segment(image, segmenter.auto_palette(image, COLORS)).pixels
    found = {name: measure_form(folder / "layers.exr", layers, name, watch) for name in (*FORMS, *OTHERS)}
    empty = float((layers == 0).all(axis=-1).mean())
    return {"forms": found, "clock": watch.clock, "layer_bytes": layers.nbytes, "empty": empty}


def measure_packing(image: Image, segmenter: Segmenter) -> dict[str, Any]:
    """Seconds of the CPU and bytes of each of :data:`PACKERS`, over all blocks of 16 rows."""
    from fscs_engine.files.exr_loops import zip_steps

    layers = segmenter.segment(image, segmenter.auto_palette(image, COLORS)).pixels
    order, watch, blocks = np.array([3, 2, 1, 0], np.int64), Watch("CPU", 1), []

    def made() -> None:
        blocks.clear()
        for layer in layers:
            for top in range(0, len(layer), 16):
                rows = layer[top : top + 16]
                steps = np.empty(rows.nbytes, np.uint8)
                zip_steps(rows, order, np.empty(rows.nbytes // 2, np.uint16), steps)
                blocks.append(steps)

    made()
    found: dict[str, Any] = {"steps": watch(made, 3), "layer_bytes": layers.nbytes, "packers": {}}
    for name, packed in PACKERS.items():
        sizes: list[int] = []
        seconds = watch(lambda packed=packed, sizes=sizes: sizes.extend(len(packed(block)) for block in blocks), 2)
        found["packers"][name] = {"seconds": seconds, "bytes": sum(sizes) // 2}
    return found


def measure_shot(folder: Path, picture: Path, height: int, segmenter: Segmenter, count: int, watch: Watch) -> Any:
    """Seconds a frame: of the whole, in memory, and of reading and writing by themselves."""
    from fscs_engine import SegmentOptions, read_image, segment_sequence

    folder = folder / str(height)
    folder.mkdir()
    palette: Palette = segmenter.auto_palette(read_image(picture), COLORS)
    files = [folder / f"plate.{1001 + number}.png" for number in range(count)]
    for number, file in enumerate(files):
        shifted = oiio.ImageBufAlgo.circular_shift(oiio.ImageBuf(str(picture)), 8 * number, 0)
        if not shifted.write(str(file), "uint8"):
            sys.exit(shifted.geterror())
    images = [read_image(file) for file in files]
    layers = segmenter.segment(images[0], palette).pixels
    options = SegmentOptions(palette=palette)
    target = folder / "layers.exr"
    return {
        "frames": count,
        "size": f"{height * 16 // 9}x{height}",
        "clock": watch.clock,
        "memory": [watch(partial(segmenter.segment, image, palette), 1)[0] for image in images],
        "whole": watch(lambda: segment_sequence(files, folder / "l.####.exr", options), 1)[0] / count,
        "read": [watch(partial(read_image, file), 1)[0] for file in files],
        "write": watch(partial(write_ours, target, layers, {}), 3),
        "others": {name: watch(partial(write_oiio, target, layers, each), 3) for name, each in OTHERS.items()},
        "bytes": median(file.stat().st_size for file in folder.glob("l.*.exr")),
    }


def main() -> None:
    """Measures everything; about four minutes on one idle core."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2, help="2 by default")
    parser.add_argument("--cpu", action="store_true", help="measure the CPU's time: others use the machine too")
    parser.add_argument("--trial", action="store_true", help="tiny frames; nothing is stored")
    parser.add_argument("--only", help="the rows whose name begins so")
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(arguments.threads)
    for name in ("threads", "exr_threads"):
        oiio.attribute(name, arguments.threads)
    from fscs_engine import Image, Segmenter, read_image

    height, rounds, count = (TRIAL_HEIGHT, 1, 2) if arguments.trial else (HEIGHT, ROUNDS, FRAMES)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        picture = folder / "photograph.png"
        resize(PICTURE, height * 16 // 9, height, picture)
        segmenter, image = Segmenter(device="cpu"), read_image(picture)
        noise = np.random.default_rng(1).normal(0, GRAIN, image.pixels.shape).astype(np.float32)
        frames = {
            "photograph": image,
            "photograph with grain": replace(image, pixels=np.clip(image.pixels + noise, 0, 1)),
            "rendered": Image.from_pixels(rendered(height), "lin_rec709"),
        }
        watch = Watch("CPU" if arguments.cpu else "elapsed", rounds)
        jobs = {
            f"files, {kind}": partial(measure_files, folder, frame, segmenter, watch) for kind, frame in frames.items()
        }
        jobs |= {f"packing, {kind}": partial(measure_packing, frame, segmenter) for kind, frame in frames.items()}
        jobs["shot"] = partial(measure_shot, folder, picture, height, segmenter, count, watch)
        if not arguments.trial:
            large = folder / "large.png"
            resize(PICTURE, LARGE_HEIGHT * 16 // 9, LARGE_HEIGHT, large)
            jobs["shot, 4K"] = partial(measure_shot, folder, large, LARGE_HEIGHT, segmenter, count // 2, watch)
        for row, job in jobs.items():
            if not row.startswith(arguments.only or ""):
                continue
            result = job()
            if not arguments.trial:
                store("shots", row, result)
            print(row, result, flush=True)


if __name__ == "__main__":
    main()
