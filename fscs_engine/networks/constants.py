"""Numbers of the `any-palette` model. Without PyTorch: its loops are compiled in processes that do not load it."""

from __future__ import annotations

STRIDE = 8
"""Side in pixels of a cell, the network's pixel."""

DENOISE_RADIUS = 2
DENOISE_VARIANCE = 1e-3
"""Window and variance (three channels added) of the smoothing that keeps grain out of the alphas."""

PLANES = 13
"""Of a local color model: the logit's constant, 3 linear and 6 quadratic factors, the bias of the gradient steps, and
the gates of the gradient steps and of the fitting steps."""

SHARPNESS = 20.0
"""Before training, the logit of a color is minus this many times the squared distance."""

GRADIENT_STEPS = 6
FITTING_STEPS = 3
LARGEST_CHANGE = 2.0
"""A fitting step at most doubles an alpha."""

FARTHEST_BEHIND = 6.0
"""A logit that is further behind the largest counts in the gradient steps as if it were this far."""

MIXING_STEPS = 8
MIXING_SIZE = 1.5
MIXING_SHARPENING = 0.01
"""Projected gradient on the cells' mean colors, one of the network's inputs."""
