"""Layers as one document of a painting program: what OpenRaster and Photoshop have in common."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..palette.palette import Palette
from .atomic import check_targets
from .blending import Blend, PaintedRows, check_options, painted_rows
from .strips import Bits, Strips


class LayerDocument:
    """Takes layers strip by strip for one document, which appears when the block ends without an error.

    Args:
        path: the file.
        height: rows of the picture.
        width: its columns.
        palette: K colors.
        blend: "over" or "add", see ``blending.py``.
        bits: of the layers and the merged image, 16 or 8.
        metadata: text to store, by name; ``read_metadata`` of the format gives it back.
        clip: clamp what lies outside [0, 1] instead of raising.
        overwrite: replace an existing file.

    Attributes:
        path: the file.
        paths: a list of it.

    Raises:
        OutputError: the file exists, or can't be written.
        RangeError: on writing, a straight color or an alpha lies outside [0, 1].
        UsageError: another blend or depth.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        height: int,
        width: int,
        palette: Palette,
        blend: Blend = "over",
        bits: Bits = 16,
        metadata: Mapping[str, str] | None = None,
        clip: bool = False,
        overwrite: bool = False,
    ) -> None:
        check_options(blend, bits)
        self.path = Path(path)
        self.paths = [self.path]
        self._height, self._width, self._palette = height, width, palette
        self._blend: Blend = blend
        self._bits: Bits = bits
        self._metadata, self._clip, self._overwrite = dict(metadata or {}), clip, overwrite
        self._check_format()
        check_targets(self.paths, overwrite=overwrite)

    def _check_format(self) -> None:
        """Refuses what the format can't hold."""

    def _begin(self) -> None:
        self._strips = Strips(len(self._palette), self._height, self._width)

    def write(self, top: int, layers: NDArray[np.float32]) -> None:
        """Takes the next rows.

        Args:
            top: the first row; strips come strictly from top to bottom.
            layers: (K, h, W, 4) float32, premultiplied, in sRGB.

        Raises:
            RangeError, OutputError: see the class.
        """
        for first, rows in self._strips.blocks(top, layers):
            painted = painted_rows(
                rows,
                self._palette.array,
                blend=self._blend,
                bits=self._bits,
                clip=self._clip,
                path=self.path,
                top=first,
            )
            self._take(first, painted)

    def _take(self, top: int, painted: PaintedRows) -> None:
        """Takes painted rows, of which ``top`` is the first."""
        raise NotImplementedError
