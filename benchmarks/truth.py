"""How far alphas are from the true ones, on composites whose alphas are known (``composites.py``).

The score is half the sum of |alpha − true alpha| over the layers, mean over pixels and then over pictures: 0 is the
truth, 1 means that every pixel is in a wrong layer.

Some settings of the shipped model were chosen on these composites. Others, made alike, have chosen nothing: ``--fresh``
measures those.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from composites import KINDS, PICTURES, Composite, all_composites, digest, read_photographs
from machine import store
from numpy.typing import NDArray

from fscs_engine import AlphaProcessing, Image, Palette, Segmenter

ROOT = Path(__file__).resolve().parent.parent
RELEASED_RADIUS = 3

Method = Callable[[Composite], NDArray[np.float32]]


def error(alphas: NDArray[np.float32], picture: Composite) -> float:
    """The score of one picture; alphas (K, H, W)."""
    difference = np.abs(alphas.astype(np.float64) - picture.alphas)
    return float(0.5 * difference.sum(axis=0).mean())


def nearest_color(picture: Composite) -> NDArray[np.float32]:
    """Each pixel wholly in the layer of the nearest palette colour."""
    distances = [np.square(picture.image - color).sum(axis=-1) for color in picture.palette]
    nearest = np.argmin(distances, axis=0)
    return (nearest == np.arange(len(picture.palette))[:, None, None]).astype(np.float32)


def decomposer(segmenter: Segmenter, processing: AlphaProcessing) -> Method:
    """The alphas of a model, after their processing."""

    def alphas(picture: Composite) -> NDArray[np.float32]:
        image = Image.from_pixels(picture.image, "srgb")
        return segmenter.decompose(image, Palette.from_array(picture.palette), processing)[0]

    return alphas


def import_released(official: Path, folder: Path) -> Path:
    """The released weights as a file of this program."""
    file = folder / "released.safetensors"
    sources = [str(official / "mask_generator.pth"), str(official / "residue_predictor.pth")]
    command = [sys.executable, "-m", "fscs_engine", "weights", "import", *sources, "-o", str(file)]
    subprocess.run(command, check=True, cwd=ROOT)
    return file


def measure(method: Method, pictures: list[Composite]) -> dict[str, Any]:
    """Scores of all pictures, and their means by kind and over all."""
    errors = {picture.name: error(method(picture), picture) for picture in pictures}
    kinds = {
        kind: float(np.mean([errors[picture.name] for picture in pictures if picture.kind == kind])) for kind in KINDS
    }
    return {"mean": float(np.mean(list(errors.values()))), "kinds": kinds, "pictures": errors}


def main() -> None:
    """Measures nearest colour, the released weights with and without their filter, and the models that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=["any-palette", "paper"], help="names or .safetensors files")
    parser.add_argument("--fresh", action="store_true", help="other composites, on which nothing was chosen")
    asked = parser.parse_args()
    models, results = asked.models, "truth-fresh" if asked.fresh else "truth"
    shared = Path(os.environ.get("FSCS_SHARED") or ROOT.parent / "shared")
    photographs = read_photographs(shared / "data" / "eval" / "kodak")
    if len(photographs) != 24:
        sys.exit(f"{shared}: the Kodak images are not here; set FSCS_SHARED")
    segmenters = {Path(model).stem: Segmenter(model) for model in models}  # a wrong name is known before the work
    pictures = list(all_composites(photographs, first=PICTURES if asked.fresh else 0))
    test_set = digest(pictures)

    def keep(name: str, method: Method, **facts: object) -> None:
        result = measure(method, pictures)
        store(results, name, {"test_set_sha256": test_set, **facts, **result})
        print(f"{name}: {result['mean']:.4f}", {kind: round(mean, 4) for kind, mean in result["kinds"].items()})

    keep("nearest colour", nearest_color)
    with tempfile.TemporaryDirectory() as folder:
        released = Segmenter(import_released(shared / "peers" / "fscs_official", Path(folder)))
    for name, radius in (("filter", RELEASED_RADIUS), ("no filter", 0)):
        method = decomposer(released, AlphaProcessing(smoothing=radius))
        keep(f"released weights, {name}", method, smoothing=radius, weights_sha256=released.weights_sha256)
    processing = AlphaProcessing()
    for name, segmenter in segmenters.items():
        facts = {"smoothing": processing.smoothing, "weights_sha256": segmenter.weights_sha256}
        keep(name, decomposer(segmenter, processing), **facts)


if __name__ == "__main__":
    main()
