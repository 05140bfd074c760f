"""What each part of the any-palette network is worth: short trainings of equal length, each without one part.

Each is trained with several seeds: a part that changes less than the seed does has not been shown to matter.
Trained from random numbers on small crops, and measured on photographs that no training sees and on composites of them
(``composites.py``, pictures that no benchmark uses), by the network in PyTorch. ``--weights`` measures a file in the
same way: what settings of the shipped model are chosen by.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from composites import KINDS, WIDE_KINDS, Composite, composite
from machine import store
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor, nn

from fscs_engine.evaluation import metrics
from fscs_engine.host.parameters import BY_NAME
from fscs_engine.networks import any_palette
from fscs_engine.networks.any_palette import AnyPaletteNetwork, denoise
from fscs_engine.networks.constants import FITTING_STEPS
from fscs_engine.networks.palette_network import PaletteEmbedding
from fscs_engine.networks.weights import load_weights
from fscs_engine.training import any_palette as training
from fscs_engine.training.any_palette import AnyPaletteConfig
from fscs_engine.training.data import kmeans_colors, split_photographs
from fscs_engine.training.trainer import train

COLORS = 7
LEAST_SIDE = 496  # of photographs that composites are made of
SIDE = 480
PHOTOGRAPHS = 12
PICTURES = 1000, 1001
"""Numbers of the composites of each kind: far from those of ``truth.py``."""

EXPOSURES = 5
EXPOSURE_CHANGE = 0.985
"""From each of so many frames to the next."""

Pixels = NDArray[np.float32]


@contextmanager
def without(part: str) -> Iterator[None]:
    """The network with one part left out, in training and after it."""
    before = {name: getattr(AnyPaletteNetwork, name) for name in ("embed", "models", "pixel_alphas")}

    def embed(network: AnyPaletteNetwork, palette: Tensor, softness: Tensor) -> PaletteEmbedding:
        made = before["embed"](network, palette, softness)
        if part == "base colors":
            return made._replace(base=palette)
        return made._replace(prior=torch.zeros_like(made.prior)) if part == "prior" else made

    def models(network: AnyPaletteNetwork, *arguments: Any) -> Tensor:
        local, bias, gates = before["models"](network, *arguments).split((10, 1, 2), dim=2)
        if part == "bias":
            bias = torch.zeros_like(bias)
        return torch.cat((local, bias, torch.ones_like(gates) if part == "gates" else gates), dim=2)

    def pixel_alphas(network: AnyPaletteNetwork, m: Tensor, c: Tensor, e: PaletteEmbedding, shares: Tensor) -> Tensor:
        if part == "shares":
            shares = torch.eye(shares.shape[1]).expand_as(shares)
        return before["pixel_alphas"](network, m, c, e, shares)

    def nothing(planes: Tensor) -> Tensor:
        return planes

    with (
        patch.multiple(AnyPaletteNetwork, embed=embed, models=models, pixel_alphas=pixel_alphas),
        patch.object(any_palette, "FITTING_STEPS", 0 if part == "fitting steps" else FITTING_STEPS),
        patch.object(any_palette, "denoise", nothing if part == "denoising" else denoise),
        patch.object(training, "denoise", nothing if part == "denoising" else denoise),
    ):
        yield


PARTS = ("nothing", "base colors", "prior", "gates", "bias", "shares", "fitting steps", "denoising")


def validation(photographs: Path) -> tuple[list[tuple[Pixels, Pixels]], list[Composite]]:
    """Photographs (H, W, 3) with palettes (K, 3), and composites."""
    _, files = split_photographs(photographs)
    whole, found = [], []
    for number, file in enumerate(files[:: len(files) // PHOTOGRAPHS][:PHOTOGRAPHS]):
        with Image.open(file) as opened:
            photo = opened.convert("RGB")
        whole.append(np.asarray(photo))
        image = np.asarray(ImageOps.contain(photo, (SIDE, SIDE)), np.float32) / np.float32(255)
        rng = np.random.default_rng(number)
        palette = kmeans_colors(rng.choice(image.reshape(-1, 3), 4000), COLORS, rng)
        found.append((image, palette.astype(np.float32)))
    large = [photo for photo in whole if min(photo.shape[:2]) >= LEAST_SIDE]
    return found, [composite(large, kind, number) for kind in KINDS for number in PICTURES]


def measured(network: nn.Module, softness: float, pictures: tuple[list[Any], list[Composite]]) -> dict[str, Any]:
    """Means over the photographs, and the alpha errors of the composites."""
    asked = torch.tensor([softness])

    @torch.no_grad()
    def alphas_of(image: NDArray[Any], palette: NDArray[Any]) -> tuple[Pixels, Pixels]:
        planes = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1), np.float32))[None]
        alphas, base = network(planes, torch.from_numpy(np.asarray(palette, np.float32))[None], asked)
        return alphas[0].numpy(), base[0].numpy()

    rows = []
    for image, palette in pictures[0]:
        alphas, base = alphas_of(image, palette)
        colors = base[:, None, None] + (image - np.tensordot(alphas, base, (0, 0)))  # exact, as Lagrange has it
        torn, share = metrics.torn_edges(alphas, image, palette)
        frames = [np.round(255 * image * EXPOSURE_CHANGE**n) / np.float32(255) for n in range(EXPOSURES)]
        dark = [alphas_of(frame, palette)[0] for frame in frames]
        rows.append(
            {
                "torn edges": torn,
                "torn pairs": share,
                "sparsity": metrics.sparsity(alphas),
                "layers": metrics.visible_layers(alphas),
                "color variance": metrics.color_variance(colors, alphas),
                "noise": metrics.flat_noise(alphas, image),
                "exposure": float(np.mean([0.5 * np.abs(b - a).sum(axis=0).mean() for a, b in pairwise(dark)])),
            }
        )
    result = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    errors: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for picture in pictures[1]:
        alphas, _ = alphas_of(picture.image, picture.palette)
        errors[picture.kind].append(float(0.5 * np.abs(alphas - picture.alphas).sum(axis=0).mean()))
    kinds = {kind: float(np.mean(found)) for kind, found in errors.items()}
    plain = [error for kind, error in kinds.items() if kind not in WIDE_KINDS]
    return {**result, "alpha error": float(np.mean(plain)), "kinds": kinds}


def main() -> None:
    """Trains without each part in turn, or measures weights files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photographs", type=Path, help="the folder that is trained on")
    parser.add_argument("--weights", type=Path, nargs="*", help="measure these instead, and store nothing")
    parser.add_argument("--softness", type=float, nargs="*", default=[BY_NAME["softness"].default])
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--crop", type=int, default=96)
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each")
    parser.add_argument("--parts", nargs="*", default=PARTS, choices=PARTS, metavar="PART")
    asked = parser.parse_args()
    pictures = validation(asked.photographs)
    if asked.weights is not None:
        for file in asked.weights:
            network = AnyPaletteNetwork().eval()
            network.load_state_dict(dict(load_weights(file).tensors))
            for softness in asked.softness:
                print(file.name, softness, json.dumps(measured(network, softness, pictures)), flush=True)
        return
    for part in asked.parts:
        runs = []
        for seed in range(1, 1 + asked.seeds):
            config = AnyPaletteConfig(steps=asked.steps, crop=asked.crop, early=0.0, seed=seed)
            with without(part), tempfile.TemporaryDirectory() as run:
                trained = train(asked.photographs, Path(run), config)
                runs.append(measured(trained, asked.softness[0], pictures))
            print(part, seed, json.dumps(runs[-1]), flush=True)
        store("parts", part, {"steps": asked.steps, "crop": asked.crop, "runs": runs})


if __name__ == "__main__":
    main()
