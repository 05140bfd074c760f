"""The models that come with the package. Standard library only: asked for before PyTorch is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "weights"


@dataclass(frozen=True)
class ShippedWeights:
    """A weights file of the package, the sha256 it must have, and the most different colors it takes."""

    file: str
    sha256: str
    colors: int


SHIPPED: dict[str, ShippedWeights] = {
    "any-palette": ShippedWeights(
        "any-palette.safetensors", "3d9ae6fc576992cefe3bbbc994f5de9bad83fd6a66b6153d5d05579989b355ad", 16
    ),
    "paper": ShippedWeights("paper.safetensors", "45841a90d227dba9b5a0b9be6ae248a6653b1486112c418f3b33d55f7044c412", 7),
}
"""Every model that can be named. What is not here is given as a ``.safetensors`` file."""

LIVE_WEIGHTS = "3d9ae6fc576992cefe3bbbc994f5de9bad83fd6a66b6153d5d05579989b355ad"
LIVE_MODEL = "69896dd8fa5d15fd64829cce7dc969367245e16dd29eae2b5b922076c1c377c2"
"""The sha256 of the model that ``fscs export nuke`` writes and the Nuke plug-in brings, and of the weights in it.

``python build.py renew`` writes both anew. The model changes with the weights, the export and the engine's version,
which is in the file.
"""
