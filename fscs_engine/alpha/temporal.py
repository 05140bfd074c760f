"""Temporal smoothing: the alphas of a frame and of its neighbors, mixed where the picture stands still.

In the alpha processing it comes after the smoothing within the frame, its clamp and its normalize, and before the
minimum alpha and the controls of the layers. What is mixed are alphas that add to 1, with weights that add to 1, so
the result adds to 1 too; small weights leave alphas below the floor, which the rest of the chain takes out. The exact
step afterwards keeps every frame exact.

How a sequence uses it:

1. Shots: :func:`is_cut` on every pair of consecutive whole frames, as the networks see them.
2. For each frame the :func:`window` around it. It reaches to frames that are not asked for too (of another chunk of
   the work), so a frame's result depends on its window alone, never on where a chunk begins.
3. Raw alphas of all frames of the window with the same palette, through normalize, smoothing, clamp and normalize;
   then :func:`temporal_mean`; then the rest of the processing, for this frame alone. In strips or tiles the parts
   need ``REACH`` rows and columns more on every side. Alphas of a frame serve all the windows it is in.

A frame alone, a still picture for instance, is a window of one: its alphas come back as they are.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ..errors import UsageError
from ..host.parameters import TEMPORAL_RADIUS

RADIUS = TEMPORAL_RADIUS
"""Frames before and after the frame at hand that are in its window."""

REACH = 1
"""How many pixels away, in any frame of the window, a pixel can still change the result."""

_DRIFT = 3 / 255
_GRAIN = 9 / 255
"""Change of the mean color, and root mean square change, over 3×3 pixels, that each leave a weight of 1/e. Grain
moves the mean little, so the first can be small: light that grows stronger is not taken for noise."""

_THUMBNAIL = 16
_CUT = 0.03
"""Between the frames of a shot with a car driving in and the exposure changing at most 0.006 was measured, from
photograph to photograph at least 0.05; a camera turning by 1/50 of the picture's width a frame has 0.02."""


@dataclass(frozen=True)
class Moment:
    """What the temporal smoothing needs of one frame of a shot.

    Attributes:
        network_input: (H, W, 3) float32 sRGB in [0, 1], what the networks see.
        alphas: (U, H, W) float32 of the U different palette colors, smoothed, adding to 1 along U.
    """

    network_input: NDArray[np.float32]
    alphas: NDArray[np.float32]


def temporal_mean(alphas: Sequence[Tensor], images: Sequence[Tensor], frame: int, strength: float = 1.0) -> Tensor:
    """A weighted mean of the alphas over the frames of a window, pixel by pixel.

    The weight is 1 for the frame at hand; for another it is strength · exp(−m² / drift² − s² / grain²), where m is
    the mean and s the root mean square of the color's change over 3×3 pixels, each of the channel where it is
    largest. An edge that moves by a pixel changes both, on both of its sides, so nothing is drawn behind it; the
    grain of single pixels changes neither by much. Weights fall smoothly, so nothing jumps at a threshold.

    Nothing here waits for a device.

    Args:
        alphas: (U, H, W) of each frame of the window in their order, float32 ≥ 0, adding to 1 along U.
        images: (3, H, W) of the same frames, what the networks see: sRGB in [0, 1].
        frame: position of the frame at hand in both.
        strength: from 0, which gives the frame's own alphas, to 1.

    Returns:
        (U, H, W) ≥ 0, adding to 1 as exactly as the alphas given.

    Raises:
        UsageError: lists of different lengths, a frame that is not in them, or a strength out of its range.

    >>> still = torch.full((3, 4, 6), 0.5)
    >>> sand, sea = torch.eye(2)[:, :, None, None].expand(-1, -1, 4, 6)
    >>> temporal_mean([sand, sand, sea, sand], [still] * 4, 2)[:, 0, 0]
    tensor([0.7500, 0.2500])
    """
    if not 0 <= strength <= 1:  # also refuses NaN
        raise UsageError(f"temporal smoothing of strength {strength}", cure="use 0 to 1")
    if len(alphas) != len(images) or not 0 <= frame < len(alphas):
        raise UsageError(
            f"frame {frame} of {len(alphas)} alphas and {len(images)} images",
            cure="give one image for each frame's alphas, the frame at hand among them",
        )
    total = alphas[frame].clone()
    weights = torch.ones_like(total[0])
    for position, (alpha, image) in enumerate(zip(alphas, images, strict=True)):
        if position != frame and strength > 0:
            weight = _likeness(image, images[frame]).mul_(strength)
            total.addcmul_(alpha, weight)
            weights += weight
    return total.div_(weights)


def window(frame: int, frames: Sequence[int], cuts: Collection[int] = (), radius: int = RADIUS) -> Sequence[int]:
    """The frames whose alphas are mixed for one frame: fewer at the ends of the sequence and at cuts.

    Args:
        frame: number of the frame at hand, one of ``frames``.
        frames: all of the sequence in their order, also those that are not asked for.
        cuts: the frames that begin a shot; only those within the window matter.
        radius: how many before and after, at least 0.

    Returns:
        Neighbors in ``frames``; the frame at hand is at ``window(…).index(frame)``.

    Raises:
        UsageError: the frame is not one of the sequence.

    >>> window(4, range(1, 100), cuts={3})
    range(3, 7)
    """
    if frame not in frames:
        raise UsageError(f"frame {frame} is not in the sequence", cure="name one of its frames")
    here = first = last = frames.index(frame)
    while here - first < radius and first > 0 and frames[first] not in cuts:
        first -= 1
    while last - here < radius and last + 1 < len(frames) and frames[last + 1] not in cuts:
        last += 1
    return frames[first : last + 1]


def is_cut(before: Tensor, after: Tensor) -> bool:
    """Whether a new shot begins between two consecutive frames. Frames of different sizes are of different shots.

    Both are shrunk to 16×16. What all of them changed alike, the exposure, is taken away (the median of each
    channel's changes); it is a cut if half of what is left is large. So neither something that enters the frame nor
    a flickering lamp makes one. A cut that is missed does little harm: pixels of another color weigh nothing.

    Deterministic and symmetric. It waits for the device that the frames are on; small frames can stay on the CPU.

    Args:
        before: (3, H, W) sRGB in [0, 1], the whole frame.
        after: the same of the next one.
    """
    if before.shape != after.shape:
        return True
    small = [F.interpolate(frame[None], size=(_THUMBNAIL, _THUMBNAIL), mode="area")[0] for frame in (before, after)]
    change = (small[1] - small[0]).flatten(1)
    change = change - change.median(dim=1, keepdim=True).values
    return bool(change.abs().amax(dim=0).median() > _CUT)


def _likeness(first: Tensor, second: Tensor) -> Tensor:
    """From 0 to 1, see :func:`temporal_mean`. (3, H, W) twice → (H, W)."""
    change = first - second
    mean = _over_neighbors(change).square_().amax(dim=0)
    square = _over_neighbors(change.square_()).amax(dim=0)
    return mean.mul_(-(_DRIFT**-2)).sub_(square, alpha=_GRAIN**-2).exp_()


def _over_neighbors(planes: Tensor) -> Tensor:
    """Mean over 3×3 pixels, fewer at the border. (C, H, W) → the same."""
    return F.avg_pool2d(planes[None], 2 * REACH + 1, stride=1, padding=REACH, count_include_pad=False)[0]
