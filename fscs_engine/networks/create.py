"""A model from its name or its file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from ..errors import WeightsError
from .any_palette_model import AnyPaletteModel
from .model import Model
from .paper_model import PaperModel
from .weights import Weights, load_weights

ARCHITECTURES: dict[str, Callable[[Weights, torch.device, torch.dtype], Model]] = {
    "any-palette": AnyPaletteModel,
    "paper": PaperModel,
}
"""By the ``architecture`` in the weights' metadata."""


def create_model(model: str | Path, device: torch.device, dtype: torch.dtype) -> tuple[Model, Weights]:
    """The model of a name or file.

    Raises:
        WeightsError: see :func:`load_weights`; or an architecture that is not known.
    """
    weights = load_weights(model)
    architecture = weights.metadata.get("architecture", "")
    if architecture not in ARCHITECTURES:
        raise WeightsError(f"{weights.name}: unknown architecture {architecture!r}", cure="update the program")
    return ARCHITECTURES[architecture](weights, device, dtype), weights
