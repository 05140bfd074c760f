"""The error measures of natural image matting (Rhemann et al. 2009, "A perceptually motivated online benchmark").

Each takes one alpha found and the true one, (H, W) in [0, 1]; 0 is the truth. Theirs count the unknown area of
a trimap; here there is none, and all pixels count. Sums are divided by 1000.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Plane = NDArray[np.floating]

GRADIENT_SIGMA = 1.4
"""Of the derivative of a Gaussian, in pixels; the difference of the gradients is squared (q = 2)."""

CONNECTIVITY_STEP = 0.1
CONNECTIVITY_TOLERANCE = 0.15
"""How far an alpha may be above the level at which it is connected to the solid part (theta; p = 1)."""


def sum_of_absolute_differences(found: Plane, true: Plane) -> float:
    """SAD / 1000."""
    return float(np.abs(found.astype(np.float64) - true).sum() / 1000)


def mean_squared_error(found: Plane, true: Plane) -> float:
    """MSE."""
    return float(np.square(found.astype(np.float64) - true).mean())


def gradient_error(found: Plane, true: Plane) -> float:
    """Sum of the squared differences of the gradients' magnitudes, / 1000."""
    return float(np.square(_gradient(found) - _gradient(true)).sum() / 1000)


def connectivity_error(found: Plane, true: Plane) -> float:
    """Sum of the differences of the degrees of connectedness to the largest part solid in both, / 1000."""
    steps = np.arange(0.0, 1.0 + CONNECTIVITY_STEP / 2, CONNECTIVITY_STEP)
    level = np.full(true.shape, -1.0)
    for before, step in zip(steps[:-1], steps[1:], strict=True):
        labels, _ = ndimage.label((found >= step) & (true >= step))
        sizes = np.bincount(labels.ravel())[1:]
        largest = labels == 1 + int(sizes.argmax()) if len(sizes) else np.zeros(true.shape, bool)
        level[(level == -1.0) & ~largest] = before
    level[level == -1.0] = 1.0
    return float(np.abs(_connectedness(found, level) - _connectedness(true, level)).sum() / 1000)


def _connectedness(alpha: Plane, level: NDArray[np.float64]) -> NDArray[np.float64]:
    apart = alpha.astype(np.float64) - level
    return np.asarray(1.0 - apart * (apart >= CONNECTIVITY_TOLERANCE))


def _gradient(alpha: Plane) -> NDArray[np.float64]:
    return np.asarray(ndimage.gaussian_gradient_magnitude(alpha.astype(np.float64), GRADIENT_SIGMA, mode="nearest"))
