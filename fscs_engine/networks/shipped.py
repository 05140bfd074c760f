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
        "any-palette.safetensors", "8666b5321ffdf6c483b960d093282d17634c75d22d7cfe98b2bc594d2ca8f483", 16
    ),
    "paper": ShippedWeights("paper.safetensors", "fabdfd0c05df087a3d235169c1b6a6635e4d162df7aeb554df85d0e20d80c4a1", 7),
}
"""Every model that can be named. What is not here is given as a ``.safetensors`` file."""

LIVE_WEIGHTS = "8666b5321ffdf6c483b960d093282d17634c75d22d7cfe98b2bc594d2ca8f483"
LIVE_MODEL = "aa975c66ed8c8e05bbb388cc8fbe7fa0d2a02f28547307ec3a02585ef1935ec5"
"""The sha256 of the model that ``fscs export nuke`` writes and the Nuke plug-in brings, and of the weights in it.

``python build.py renew`` writes both anew. The model changes with the weights, the export and the engine's version,
which is in the file.
"""
