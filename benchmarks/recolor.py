"""How long recoloring takes: in memory, and from a layered EXR beside reading it and writing a picture alone.

In memory a frame of seven layers, all of them with the same edits, which is the most there is to do. The file is
recolored as ``fscs recolor`` does it, in one process with what it loads loaded.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from machine import store
from size import resize

PICTURE = Path(__file__).resolve().parent.parent / "examples" / "coffee.png"
COLORS = 7
THREADS = 2
ROUNDS = 9
IN_MEMORY, IN_A_FILE = 1080, 2160
PLAIN = "read, write"

CLOCKS: dict[str, Callable[[], float]] = {"elapsed": time.perf_counter, "CPU": time.process_time}
"""The CPU's own, of all threads, is the one for a machine that others use too."""


def timed(jobs: dict[str, Callable[[], Any]], rounds: int, clock: str) -> dict[str, list[float]]:
    """Seconds of jobs that take turns, after one turn to warm up."""
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    for turn in range(rounds + 1):
        for name, job in jobs.items():
            started = CLOCKS[clock]()
            job()
            if turn:
                seconds[name].append(CLOCKS[clock]() - started)
    return seconds


def frame(folder: Path, height: int) -> Any:
    """A 16:9 frame and its layers, in linear light."""
    from fscs_engine import Segmenter, read_image
    from fscs_engine.recolor.frames import segmented

    file = folder / f"{height * 16 // 9}x{height}.png"
    resize(PICTURE, height * 16 // 9, height, file)
    image, segmenter = read_image(file), Segmenter()
    return segmented(image, segmenter.auto_palette(image, COLORS), segmenter)


def in_memory(folder: Path, height: int, rounds: int, threads: int, clock: str) -> dict[str, Any]:
    """Looks, with the same edits in all layers."""
    import numpy as np

    from fscs_engine import LayerEdit, Look
    from fscs_engine.recolor.edits import Recoloring

    material = frame(folder, height)
    out = np.empty_like(material.image.pixels)
    color, tone = {"color": (0.2, 0.4, 0.9)}, {"exposure": 0.5, "gamma": (1.2, 1.0, 0.9), "lift": 0.02}
    tint = {"hue": 20.0, "saturation": 0.8, "uniformity": 0.3, "contrast": 1.2}
    edits: dict[str, Any] = {"color": color, "hue": {"hue": 30.0}, "exposure": {"exposure": 0.5}}
    edits |= {"opacity": {"opacity": 0.5}, "all but opacity": color | tint | tone}
    edits["all"] = edits["all but opacity"] | edits["opacity"]

    def job(values: dict[str, Any]) -> Callable[[], None]:
        look = Look({number: LayerEdit(**values) for number in range(1, COLORS + 1)})
        made = Recoloring(look, material.palette, material.image.color_space)
        return lambda: made.apply(material.layers, material.image.pixels, out, threads)

    return {"seconds": timed({name: job(values) for name, values in edits.items()}, rounds, clock)}


def in_a_file(folder: Path, height: int, rounds: int, clock: str) -> dict[str, Any]:
    """A layered EXR: read and recolored and written, beside read and written."""
    from fscs_engine import LayerEdit, Look, ModelSettings
    from fscs_engine.color import ColorSpaces
    from fscs_engine.files.exr import read_layers
    from fscs_engine.recolor.frames import Recolorer, RecolorWork
    from fscs_engine.recolor.material import write_material
    from fscs_engine.recolor.pictures import write_picture
    from fscs_engine.shots.frames import FramePattern
    from fscs_engine.shots.shots import Listed

    material, layered, spaces = frame(folder, height), folder / "layers.exr", ColorSpaces()
    write_material(layered, material)
    image, palette = material.image, material.palette
    del material
    look = Look({2: LayerEdit(color=(0.1, 0.3, 0.2)), 3: LayerEdit(hue=100.0), 6: LayerEdit(exposure=0.5)})
    output = FramePattern(str(folder / "recolored.exr"), True)
    shot = Listed((layered,), name="layers", first=0)
    work = RecolorWork(shot, True, palette, look, output, None, ModelSettings(), overwrite=True)
    recolorer = Recolorer(work)

    def plain() -> None:
        read_layers(layered)
        write_picture(folder / "plain.exr", image, spaces, overwrite=True)

    jobs = {PLAIN: plain, "recolor": lambda: recolorer.frame(0, "")}
    return {"seconds": timed(jobs, rounds, clock)}


def main() -> None:
    """Measures both; about two minutes on two idle cores."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=THREADS, help=f"{THREADS} by default")
    parser.add_argument("--cpu", action="store_true", help="measure the CPU's time: others use the machine too")
    parser.add_argument("--only", choices=("memory", "file"), help="one of both")
    parser.add_argument("--trial", action="store_true", help="tiny frames, two rounds; nothing is stored")
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(arguments.threads)  # before anything is loaded that asks for it
    sizes, rounds = ((90, 180), 2) if arguments.trial else ((IN_MEMORY, IN_A_FILE), ROUNDS)
    clock = "CPU" if arguments.cpu else "elapsed"
    facts = {"clock": clock, "threads": arguments.threads, "colors": COLORS, "load_before": os.getloadavg()[0]}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        jobs: dict[str, tuple[int, Callable[[], dict[str, Any]]]] = {
            "memory": (sizes[0], lambda: in_memory(folder, sizes[0], rounds, arguments.threads, clock)),
            "file": (sizes[1], lambda: in_a_file(folder, sizes[1], max(2, rounds // 3), clock)),
        }
        for row, (height, job) in jobs.items():
            if arguments.only in (None, row):
                result = {**facts, "frame": f"{height * 16 // 9}x{height}", **job()}
                if not arguments.trial:
                    store("recolor", row, result)
                print(row, json.dumps(result, indent=1), flush=True)


if __name__ == "__main__":
    sys.exit(main())
