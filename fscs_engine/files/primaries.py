"""Primaries: what color red, green, blue and white of a file are, and the matrix from these to Rec.709."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

REC709 = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290)
REC2020 = (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, 0.3127, 0.3290)
P3_D65 = (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.3127, 0.3290)
P3_DCI = (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.314, 0.351)
ADOBE_RGB = (0.64, 0.33, 0.21, 0.71, 0.15, 0.06, 0.3127, 0.3290)
"""x and y of red, green, blue and white (CIE 1931), as the EXR attribute ``chromaticities`` has them."""

D50 = (0.9642, 1.0, 0.8249)
"""XYZ of the white of ICC profiles."""

_CLOSE = 1.5e-3
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


def alike(first: Sequence[float], second: Sequence[float]) -> bool:
    """Whether two sets of chromaticities mean the same."""
    return len(first) == len(second) and all(abs(a - b) <= _CLOSE for a, b in zip(first, second, strict=True))


def to_rec709(chromaticities: Sequence[float]) -> NDArray[np.float64]:
    """The matrix from linear RGB of some primaries to linear Rec.709; the whites meet (Bradford).

    Raises:
        ValueError: chromaticities that no colors have.
    """
    source = _to_xyz(chromaticities)
    return np.linalg.inv(_to_xyz(REC709)) @ _adapted(_white(chromaticities), _white(REC709)) @ source


def xyz_d50_to_rec709() -> NDArray[np.float64]:
    """The matrix from the XYZ of ICC profiles, whose white is D50, to linear Rec.709 (Bradford)."""
    return np.linalg.inv(_to_xyz(REC709)) @ _adapted(np.array(D50), _white(REC709))


def _white(chromaticities: Sequence[float]) -> NDArray[np.float64]:
    x, y = chromaticities[6:]
    return np.array([x / y, 1.0, (1 - x - y) / y])


def _to_xyz(chromaticities: Sequence[float]) -> NDArray[np.float64]:
    """Linear RGB to XYZ (SMPTE RP 177)."""
    xy = np.asarray(chromaticities, np.float64).reshape(4, 2)
    # A blue with y of about 0 or below, as ACES has, is right; a white is not.
    if not np.isfinite(xy).all() or xy[3, 1] <= 0 or np.abs(xy).max() > 10:
        raise ValueError("not chromaticities")
    columns = np.column_stack([xy[:3, 0], xy[:3, 1], 1 - xy[:3].sum(axis=1)]).T
    try:
        gains = np.linalg.solve(columns, _white(chromaticities))
    except np.linalg.LinAlgError as error:
        raise ValueError("not chromaticities") from error
    matrix: NDArray[np.float64] = columns * gains
    if not np.isfinite(matrix).all() or np.abs(np.linalg.det(matrix)) < 1e-6:
        raise ValueError("not chromaticities")
    return matrix


def _adapted(source: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """The matrix on XYZ that takes one white to the other."""
    gains = (_BRADFORD @ target) / (_BRADFORD @ source)
    return np.linalg.inv(_BRADFORD) @ np.diag(gains) @ _BRADFORD
