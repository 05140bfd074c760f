# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's own sRGB curve.

Blender's OpenColorIO computes powers by an approximation: white comes out as 1.000024. A picture made linear by the
exact formula is therefore not quite the one that the compositor has, so the curve is measured, at all 65,536 values
that a 16-bit PNG can have: Blender makes such a picture linear when it loads it.
"""

from __future__ import annotations

import struct
import tempfile
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import bpy
import numpy as np

LEVELS = 65536
SIDE = 256


@cache
def curve() -> Any:
    """(65536,) float32, linear. Measured once, which makes a data-block for a moment: first call in the main thread."""
    with tempfile.TemporaryDirectory(prefix="softcolor-") as folder:
        file = Path(folder) / "curve.png"
        file.write_bytes(_gradient())
        image = bpy.data.images.load(str(file))
        try:
            image.colorspace_settings.name = "sRGB"
            pixels = np.empty(SIDE * SIDE * 4, np.float32)
            image.pixels.foreach_get(pixels)
        finally:
            bpy.data.images.remove(image)
    return np.ascontiguousarray(pixels.reshape(SIDE, SIDE, 4)[::-1, :, 0]).ravel()


def linear(encoded: Any) -> Any:
    """Values of an 8- or 16-bit picture made linear as Blender does it."""
    return curve()[np.rint(np.clip(encoded, 0.0, 1.0) * (LEVELS - 1)).astype(np.int64)]


def _gradient() -> bytes:
    rows = np.arange(LEVELS, dtype=">u2").reshape(SIDE, SIDE)
    lines = b"".join(b"\0" + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 16, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
