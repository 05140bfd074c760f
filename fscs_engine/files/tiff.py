"""16-bit TIFF layers, straight RGBA in sRGB, one file a layer."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
from numpy.typing import NDArray

from .blending import json_texts
from .icc import srgb_profile
from .layer_folder import PictureFolder
from .reading import open_image
from .strips import ROWS, Blocks, failed


class TiffLayerWriter(PictureFolder):
    """Writes layers into ``stem.layer1.tif`` …, see :class:`PictureFolder`; ``read_metadata`` gives the metadata back.

    The numbers are those of the PNG layers: 16 bits, straight (unassociated) alpha, sRGB; deflated.
    """

    KIND, SUFFIX = "TIFF", ".tif"

    def _opened(self, temporary: Path, path: Path) -> _TiffFile:
        description = json.dumps(self._metadata, sort_keys=True) if self._metadata else ""
        return _TiffFile(path, temporary, self._height, self._width, description)


def read_metadata(path: str | Path) -> dict[str, str]:
    """The texts that ``TiffLayerWriter`` stored in a layer, by name; {} where there are none.

    Raises:
        InputError: no such file, or damaged.
    """
    with open_image(Path(path)) as opened:
        return json_texts(opened.specs[0].get_string_attribute("ImageDescription"))


class _TiffFile:
    """A TIFF being written row by row; what went wrong is told when it is closed at the latest."""

    def __init__(self, path: Path, temporary: Path, height: int, width: int, description: str) -> None:
        self._path, self._temporary = path, temporary
        spec = oiio.ImageSpec(width, height, 4, "uint16")
        spec.attribute("oiio:UnassociatedAlpha", 1)
        spec.attribute("oiio:ColorSpace", "sRGB")
        profile = srgb_profile()
        spec.attribute("ICCProfile", oiio.TypeDesc(f"uint8[{len(profile)}]"), np.frombuffer(profile, np.uint8))
        # Without it OpenImageIO writes the time of day.
        spec.attribute("DateTime", "1980:01:01 00:00:00")
        spec.attribute("compression", "zip")
        # Photographs gain a third by the predictor.
        spec.attribute("tiff:Predictor", 2)
        spec.attribute("tiff:RowsPerStrip", ROWS)
        if description:
            spec.attribute("ImageDescription", description)
        self._spec, self._rows = spec, 0
        self._blocks = Blocks((width, 4), np.uint16, self._flush)

    def __enter__(self) -> _TiffFile:
        output = oiio.ImageOutput.create("tiff")
        if output is None or not output.open(str(self._temporary), self._spec):
            raise failed(self._path, output.geterror() if output is not None else oiio.geterror())
        self._output = output
        return self

    def write(self, values: NDArray[np.uint16]) -> None:
        """Takes (h, W, 4)."""
        self._blocks.put(values)

    def _flush(self, rows: NDArray[np.uint16]) -> None:
        first, self._rows = self._rows, self._rows + len(rows)
        if not self._output.write_scanlines(first, self._rows, 0, rows):
            raise failed(self._path, self._output.geterror())

    def __exit__(self, kind: type[BaseException] | None, *raised: object) -> None:
        if kind is None:
            try:
                self._blocks.end()
            except BaseException:
                self._give_up()
                raise
            if not self._output.close():
                raise failed(self._path, self._output.geterror())
            _check_written(self._path, self._temporary, self._spec)
        else:
            self._give_up()

    def _give_up(self) -> None:
        self._output.close()
        self._output.geterror()  # or it would be printed when the program ends


def _check_written(path: Path, temporary: Path, spec: oiio.ImageSpec) -> None:
    """Reads the last row back: a full disk is not always reported by the writer."""
    written = oiio.ImageInput.open(str(temporary))
    complaint = oiio.geterror()
    if written is not None:
        row = written.read_scanlines(spec.height - 1, spec.height, 0, 0, 4, "uint16")
        complaint = written.geterror()
        written.close()
        if row is not None:
            return
    raise failed(path, complaint)
