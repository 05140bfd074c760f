"""From raw alphas to those of the layers: controls, smoothing in space and time, masks."""
