"""Measures of a decomposition. Each one alone can be gamed: read them together.

All take numpy arrays of any float kind and add up in float64. Shapes: K layers, H, W. Pictures and layer colors
are straight sRGB in [0, 1]; alphas add to 1 in every pixel. Sizes that have no answer (no flat area, a picture
smaller than a window) give NaN, which a mean has to leave out.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]

VISIBLE_ALPHA = 0.01
"""A layer is seen in a pixel where its alpha is above this."""

FLAT_DIFFERENCE = 3 / 255
"""Neighbors, in the picture or in time, that differ by less than this in every channel are a flat area."""

TORN = 4 / 255
"""A pair of neighbors is torn where its alphas jump by more than the picture does by this much."""

_SSIM_WINDOW = 7


def recompose(alphas: Array, colors: Array) -> NDArray[np.float64]:
    """Σ α·u over the layers (Eq. 1) in float64.

    Args:
        alphas: (K, H, W).
        colors: (K, H, W, 3), straight.

    Returns:
        (H, W, 3).
    """
    total = np.zeros(colors.shape[1:], dtype=np.float64)
    for alpha, color in zip(alphas, colors, strict=True):
        total += np.multiply(alpha[..., None], color, dtype=np.float64)
    return total


def mean_squared_error(image: Array, recomposed: Array) -> float:
    """Mean over pixels and channels of the squared difference: "pixel-level mean squared error" (paper §5.2).

    Args:
        image: (H, W, 3) in [0, 1].
        recomposed: the same shape.
    """
    return float(np.mean(np.square(np.subtract(image, recomposed, dtype=np.float64))))


def peak_signal_to_noise(image: Array, recomposed: Array) -> float:
    """10 log10(1 / MSE) in decibels with a peak of 1 (paper, Table 1). Infinite for equal pictures.

    Args:
        image: (H, W, 3) in [0, 1].
        recomposed: the same shape.
    """
    error = mean_squared_error(image, recomposed)
    return -10.0 * math.log10(error) if error > 0 else math.inf


def structural_similarity(image: Array, recomposed: Array) -> float:
    """Mean SSIM of the three channels (Wang et al. 2004; paper, Table 1), with a data range of 1.

    scikit-image's form: a uniform window of 7×7, sample covariances. A picture with a side below 7 gets the largest
    odd window that fits it; with a side below 3 there is none and the answer is NaN.

    Args:
        image: (H, W, 3) in [0, 1].
        recomposed: the same shape.
    """
    from skimage.metrics import structural_similarity as mean_similarity  # here, because it is slow to import

    window = min(_SSIM_WINDOW, *image.shape[:2])
    window -= 1 - window % 2
    if window < 3:
        return math.nan
    first, second = np.asarray(image, dtype=np.float64), np.asarray(recomposed, dtype=np.float64)
    similarity = mean_similarity(  # type: ignore[no-untyped-call]
        first, second, win_size=window, channel_axis=2, data_range=1.0
    )
    return float(similarity)


def sparsity(alphas: Array) -> float:
    """Mean over the pixels of Σα / Σα² − 1 (Eq. 10). 0: one layer a pixel; K − 1: all layers alike.

    Args:
        alphas: (K, H, W). A pixel whose alphas are all 0 counts as 0.
    """
    total = np.zeros(alphas.shape[1:], dtype=np.float64)
    squares = np.zeros_like(total)
    for alpha in alphas:
        total += alpha
        squares += np.square(alpha, dtype=np.float64)
    score = np.divide(total, squares, out=np.ones_like(total), where=squares > 0) - 1.0  # Eq. 10
    return float(score.mean())


def color_variance(colors: Array, alphas: Array | None = None) -> float:
    """The R, G and B variances of a layer added, mean over the layers (paper §5.2, Table 2).

    Without alphas all pixels of a layer count alike, also those where nobody sees it: the paper's words are "the sum
    of individual variances of the RGB channel averaged over all decomposed layers". With alphas each pixel counts by
    its alpha, about the layer's alpha-weighted mean; layers without any alpha are left out, and a negative alpha (the
    released inference with its filter has some) counts as 0.

    Args:
        colors: (K, H, W, 3), straight.
        alphas: (K, H, W), or None for the unweighted variance.
    """
    variances = []
    for number, color in enumerate(colors):
        values = np.asarray(color, dtype=np.float64).reshape(-1, 3)
        if alphas is None:
            variances.append(float(values.var(axis=0).sum()))
            continue
        shares = np.maximum(alphas[number], 0.0, dtype=np.float64).reshape(-1)
        weight = float(shares.sum())
        if weight > 0:
            mean = shares @ values / weight
            variances.append(float((shares @ np.square(values - mean)).sum() / weight))
    return math.fsum(variances) / len(variances) if variances else math.nan


def visible_layers(alphas: Array) -> float:
    """Mean over the pixels of the number of layers whose alpha is above 1 %.

    Args:
        alphas: (K, H, W).
    """
    return float(np.count_nonzero(alphas > VISIBLE_ALPHA) / alphas[0].size)


def flat_noise(alphas: Array, image: Array) -> float:
    """Alpha noise in flat areas: mean of ½ Σ|Δα| over the pairs of neighbors of nearly the same color.

    Pairs are pixels side by side and one above the other; they count where every channel of the picture differs by
    less than 3/255.

    Args:
        alphas: (K, H, W).
        image: (H, W, 3) in [0, 1].

    Returns:
        From 0 (calm) to 1; NaN where no pair is flat.
    """
    total, pairs = 0.0, 0
    for axis in (0, 1):
        flat = _nearly_equal(np.diff(np.asarray(image, dtype=np.float64), axis=axis))
        change = np.zeros(flat.shape, dtype=np.float64)
        for alpha in alphas:
            change += np.abs(np.diff(alpha, axis=axis))
        total += 0.5 * float(change[flat].sum())
        pairs += int(np.count_nonzero(flat))
    return total / pairs if pairs else math.nan


def torn_edges(alphas: Array, image: Array, palette: Array) -> tuple[float, float]:
    """How far alphas jump where the picture does not.

    For neighbors, side by side and one above the other: max over the layers of |Δα| · d - ‖Δc‖, at least 0, with d the
    distance of the layer's palette color to the nearest other one. A mixture along the line between two palette colors
    scores 0.

    Args:
        alphas: (K, H, W).
        image: (H, W, 3) sRGB in [0, 1].
        palette: (K, 3) sRGB in [0, 1].

    Returns:
        The mean over all pairs, in 1/255, and the share of pairs over ``TORN``; NaN where there are no pairs, 0 for
        one color.
    """
    colors = np.asarray(palette, dtype=np.float64)
    apart = np.linalg.norm(colors[:, None] - colors, axis=-1)
    np.fill_diagonal(apart, np.inf)
    nearest = apart.min(axis=1, initial=np.inf) if len(colors) > 1 else np.zeros(1)
    total, torn, pairs = 0.0, 0, 0
    for axis in (0, 1):
        change = np.linalg.norm(np.diff(np.asarray(image, dtype=np.float64), axis=axis), axis=-1)
        jump = np.zeros_like(change)
        for alpha, distance in zip(alphas, nearest, strict=True):
            np.maximum(jump, np.abs(np.diff(alpha, axis=axis)) * distance, out=jump)
        excess = np.maximum(jump - change, 0.0)
        total += float(excess.sum())
        torn += int(np.count_nonzero(excess > TORN))
        pairs += excess.size
    return (255 * total / pairs, torn / pairs) if pairs else (math.nan, math.nan)


def flicker(alphas_before: Array, alphas: Array, image_before: Array, image: Array) -> float:
    """Alpha noise in time: mean of ½ Σ|Δα| from one frame to the next over the pixels of nearly the same color.

    Pixels count where every channel of the picture changes by less than 3/255. Both frames have the same palette.

    Args:
        alphas_before: (K, H, W) of the frame before.
        alphas: the same of the frame.
        image_before: (H, W, 3) in [0, 1].
        image: the same of the frame.

    Returns:
        From 0 (calm) to 1; NaN where no pixel stands still.
    """
    still = _nearly_equal(np.subtract(image, image_before, dtype=np.float64))
    change = np.zeros(still.shape, dtype=np.float64)
    for before, alpha in zip(alphas_before, alphas, strict=True):
        change += np.abs(np.subtract(alpha, before, dtype=np.float64))
    return 0.5 * float(change[still].mean()) if still.any() else math.nan


def coverage(alphas: Array) -> NDArray[np.float64]:
    """Share of the picture that each layer holds, its mean alpha: (K, H, W) → (K,)."""
    return np.asarray(alphas.mean(axis=(1, 2), dtype=np.float64))


def recomposition_error(layers: Array, image: Array) -> float:
    """Largest difference between the sum of the layers and the picture, over pixels and channels.

    The layers are added in their own precision (float32) in their order, as a compositor adds them.

    Args:
        layers: (K, H, W, C) premultiplied.
        image: (H, W, C) premultiplied, in the space that the layers add up in.
    """
    total = layers[0].copy()
    for layer in layers[1:]:
        total += layer
    return float(np.max(np.abs(np.subtract(total, image, dtype=np.float64)), initial=0.0))


def _nearly_equal(difference: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Where every channel is below ``FLAT_DIFFERENCE``. (H, W, 3) → (H, W)."""
    # float32 has k/255 rounded: three levels apart may come out below 3/255 without the margin
    return np.asarray((np.abs(difference) < FLAT_DIFFERENCE - 1e-6).all(axis=-1))
