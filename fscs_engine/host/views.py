"""What the control *View* of the hosts shows."""

from __future__ import annotations

VIEWS = ("layers", "recomposition", "error", "one layer", "alpha sheet", "one alpha")
"""``layers`` is the image itself, unchanged. ``recomposition`` is the sum of the layers, ``error`` its difference from
the image. ``one layer`` and ``one alpha`` show the layer that is chosen, ``alpha sheet`` the alphas of all. A host may
leave out the last ones."""

ERROR_GAIN = 8
"""How much ``error`` is multiplied at first, 1 to 1000."""

SHEETS = ((1, 1), (2, 1), (2, 2), (3, 2), (3, 3), (4, 3), (4, 4))
"""Columns and rows of the alpha sheet; the first with a place for every layer is taken."""
