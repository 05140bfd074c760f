"""Layers back to a picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def recompose(layers: NDArray[np.float32]) -> NDArray[np.float32]:
    """The plain sum, layer 1 first. (K, H, W, 4) premultiplied → (H, W, 4) premultiplied, float32."""
    total = layers[0].copy()
    for layer in layers[1:]:
        total += layer
    return total
