"""How far alphas are from the true ones, on composites whose alphas are known (``composites.py``).

The score is half the sum of |alpha − true alpha| over the layers, mean over pixels and then over pictures: 0 is the
truth, 1 means that every pixel is in a wrong layer. Beside it stand the errors of matting (``matting.py``), means over
the layers, and the *edit error*: each layer in turn gets the complement of its color, and the picture made of the found
layers is compared with the one made of the true layers, in 1/255.

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
from functools import partial
from pathlib import Path
from typing import Any

import matting
import numpy as np
from aksoy2017 import Aksoy2017
from composites import KINDS, PICTURES, WIDE_KINDS, Composite, all_composites, digest, read_photographs
from machine import store
from numpy.typing import NDArray
from peers import NearestColor, Peer
from tan2018 import Tan2018

from fscs_engine import AlphaProcessing, Image, Palette, Segmenter

ROOT = Path(__file__).resolve().parent.parent
RELEASED_RADIUS = 3

Layers = tuple[NDArray[np.float32], NDArray[np.float32]]
Method = Callable[[Composite], Layers]
"""Gives alphas (K, H, W) and straight colors (K, H, W, 3)."""

RELEASED = "released"
PEERS: dict[str, Callable[[], Peer]] = {
    "nearest color": NearestColor,
    "Tan 2018": Tan2018,
    "Aksoy 2017": Aksoy2017,
    "Aksoy 2017, no filter": partial(Aksoy2017, radius=0),
}
ROWS: dict[str, tuple[str, AlphaProcessing]] = {
    **dict.fromkeys(PEERS, ("", AlphaProcessing())),
    "released weights, filter": (RELEASED, AlphaProcessing(smoothing=RELEASED_RADIUS)),
    "released weights, no filter": (RELEASED, AlphaProcessing(smoothing=0)),
    "any-palette": ("any-palette", AlphaProcessing()),
    "any-palette, softness 0": ("any-palette", AlphaProcessing(softness=0.0)),
    "any-palette, softness 1": ("any-palette", AlphaProcessing(softness=1.0)),
    "paper": ("paper", AlphaProcessing()),
}
"""Name of a row, its model, and the alpha processing."""

MATTING = {
    "SAD": matting.sum_of_absolute_differences,
    "MSE": matting.mean_squared_error,
    "gradient": matting.gradient_error,
    "connectivity": matting.connectivity_error,
}


def error(alphas: NDArray[np.float32], picture: Composite) -> float:
    """The score of one picture; alphas (K, H, W)."""
    difference = np.abs(alphas.astype(np.float64) - picture.alphas)
    return float(0.5 * difference.sum(axis=0).mean())


def edit_error(alphas: NDArray[np.float32], colors: NDArray[np.float32], picture: Composite) -> float:
    """Mean over layers, pixels and channels of the difference that an edit shows, in 1/255.

    The edit turns a layer's color u into 1 − u, so the picture changes by alpha · (1 − 2u).
    """
    errors = [
        np.abs(found[..., None] * (1 - 2 * color) - true[..., None] * (1 - 2 * own)).mean(dtype=np.float64)
        for found, color, true, own in zip(alphas, colors, picture.alphas, picture.colors, strict=True)
    ]
    return float(255 * np.mean(errors))


def matting_errors(alphas: NDArray[np.float32], picture: Composite) -> dict[str, float]:
    """Each error of ``matting.py``, mean over the layers."""
    pairs = list(zip(alphas, picture.alphas, strict=True))
    return {name: float(np.mean([measure(*pair) for pair in pairs])) for name, measure in MATTING.items()}


def decomposer(segmenter: Segmenter, processing: AlphaProcessing) -> Method:
    """The layers of a model, after the alpha processing and the exact step."""

    def layers(picture: Composite) -> Layers:
        image = Image.from_pixels(picture.image, "srgb")
        return segmenter.decompose(image, Palette.from_array(picture.palette), processing)

    return layers


def import_released(official: Path, folder: Path) -> Path:
    """The released weights as a file of this program."""
    file = folder / "released.safetensors"
    sources = [str(official / "mask_generator.pth"), str(official / "residue_predictor.pth")]
    command = [sys.executable, "-m", "fscs_engine", "weights", "import", *sources, "-o", str(file)]
    subprocess.run(command, check=True, cwd=ROOT)
    return file


def measure(method: Method, pictures: list[Composite]) -> dict[str, Any]:
    """Scores of all pictures, their means by kind, and over all kinds but the wide ones."""
    errors, other = {}, {}
    for picture in pictures:
        alphas, colors = method(picture)
        errors[picture.name] = error(alphas, picture)
        other[picture.name] = matting_errors(alphas, picture) | {"edit": edit_error(alphas, colors, picture)}

    def mean(values: Callable[[Composite], float], *kinds: str) -> float:
        return float(np.mean([values(picture) for picture in pictures if picture.kind in kinds]))

    others = {
        kind: {name: mean(lambda picture, name=name: other[picture.name][name], kind) for name in (*MATTING, "edit")}
        for kind in KINDS
    }
    return {
        "mean": mean(lambda picture: errors[picture.name], *(kind for kind in KINDS if kind not in WIDE_KINDS)),
        "kinds": {kind: mean(lambda picture: errors[picture.name], kind) for kind in KINDS},
        "pictures": errors,
        "matting": others,
    }


def peer(method: Peer) -> Method:
    """Another method's layers."""
    return lambda picture: method.layers(picture.image, picture.palette)


def main() -> None:
    """Measures the rows and models that are named, or all rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", help=f"{'; '.join(ROWS)}; or .safetensors files")
    parser.add_argument("--fresh", action="store_true", help="other composites, on which nothing was chosen")
    asked = parser.parse_args()
    rows, results = asked.rows or list(ROWS), "truth-fresh" if asked.fresh else "truth"
    shared = Path(os.environ.get("FSCS_SHARED") or ROOT.parent / "shared")
    photographs = read_photographs(shared / "data" / "eval" / "kodak")
    if len(photographs) != 24:
        sys.exit(f"{shared}: the Kodak images are not here; set FSCS_SHARED")
    models = {row: ROWS.get(row, (row, AlphaProcessing())) for row in rows if row not in PEERS}
    with tempfile.TemporaryDirectory() as folder:
        official = shared / "peers" / "fscs_official"
        files = (
            {RELEASED: import_released(official, Path(folder))}
            if any(m == RELEASED for m, _ in models.values())
            else {}
        )
        # A wrong name is known before the work.
        segmenters = {row: Segmenter(files.get(model, model)) for row, (model, _) in models.items()}
    pictures = list(all_composites(photographs, first=PICTURES if asked.fresh else 0))
    test_set = digest(pictures)
    for row in rows:
        if row in PEERS:
            facts, method = {}, peer(PEERS[row]())
        else:
            segmenter, processing = segmenters[row], models[row][1]
            facts = {"smoothing": processing.smoothing, "weights_sha256": segmenter.weights_sha256}
            method = decomposer(segmenter, processing)
        result = measure(method, pictures)
        store(results, Path(row).stem, {"test_set_sha256": test_set, **facts, **result})
        print(
            f"{row}: {result['mean']:.4f}", {kind: round(mean, 4) for kind, mean in result["kinds"].items()}, flush=True
        )


if __name__ == "__main__":
    main()
