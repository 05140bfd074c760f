"""What rounding may cost a layered document, as ``fscs_engine/files/blending.py`` derives it."""

from __future__ import annotations

from fscs_engine.files.strips import TOLERANCE, Bits


def error_bound(layers: int, bits: Bits) -> float:
    """The largest error that rounding can make in a document of so many layers."""
    return (layers + 1) / (2 * (2**bits - 1)) + 4 * TOLERANCE
