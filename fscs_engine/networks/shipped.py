"""The models that come with the package. Standard library only: asked for before PyTorch is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "weights"


@dataclass(frozen=True)
class ShippedWeights:
    """A weights file of the package, the sha256 it must have, and the most different colours it takes."""

    file: str
    sha256: str
    colors: int


SHIPPED: dict[str, ShippedWeights] = {
    "any-palette": ShippedWeights(
        "any-palette.safetensors", "04235f22832a539f0229cd1eb6928898418d632a814dbb284cf90d8d59918852", 16
    ),
    "paper": ShippedWeights("paper.safetensors", "fabdfd0c05df087a3d235169c1b6a6635e4d162df7aeb554df85d0e20d80c4a1", 7),
}
"""Every model that can be named. What is not here is given as a ``.safetensors`` file."""
