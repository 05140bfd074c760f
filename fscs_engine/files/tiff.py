"""16-bit TIFF layers, straight RGBA in sRGB, one file a layer."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import OpenImageIO as oiio
from numpy.typing import NDArray

from fscs_engine.files.atomic import check_targets, replaced_files
from fscs_engine.files.blending import check_rows, failed, json_texts, largest_error, levels
from fscs_engine.files.png import folder_made, straight_layer
from fscs_engine.files.reading import open_image

_ROWS = 64
"""Rows of a strip of the file. Fixed, so that the bytes don't depend on how the rows were cut into strips."""


class TiffLayerWriter:
    """Writes layers strip by strip into ``stem.layer1.tif`` …, which all appear when the block ends, or none.

    The numbers are those of the PNG layers: 16 bits, straight (unassociated) alpha, sRGB; deflated. Memory does not
    grow with the height. Equal calls give equal bytes. Added up, the files give the picture to within (K + 1) / 131070.

    Args:
        folder: where the files go; made if it is missing.
        stem: the picture's name.
        height: rows of the picture.
        width: its columns.
        palette_rgb: (K, 3) sRGB in [0, 1]; the colour of a layer where its alpha is 0.
        frame: the frame number as it stands in a sequence's file names: ``stem.layer1.1001.tif``.
        metadata: text to store in each file, by name; ``read_metadata`` gives it back.
        clip: clamp what lies outside [0, 1] instead of raising.
        overwrite: replace existing files.

    Attributes:
        paths: the K files.

    Raises:
        OutputError: a file exists, or can't be written.
        RangeError: on writing, a straight colour or an alpha lies outside [0, 1].
    """

    def __init__(
        self,
        folder: str | Path,
        stem: str,
        *,
        height: int,
        width: int,
        palette_rgb: NDArray[Any],
        frame: str = "",
        metadata: Mapping[str, str] | None = None,
        clip: bool = False,
        overwrite: bool = False,
    ) -> None:
        self._folder = Path(folder)
        self._height, self._width, self._clip, self._overwrite = height, width, clip, overwrite
        self._palette = np.asarray(palette_rgb, dtype=np.float32)
        self._description = json.dumps(dict(metadata), sort_keys=True) if metadata else ""
        numbered = f".{frame}" if frame else ""
        self.paths = [self._folder / f"{stem}.layer{n}{numbered}.tif" for n in range(1, len(self._palette) + 1)]
        if self._folder.exists():
            check_targets(self.paths, overwrite=overwrite)

    def __enter__(self) -> TiffLayerWriter:
        self._rows = 0
        self._buffer = np.empty((len(self.paths), _ROWS, self._width, 4), np.uint16)
        with ExitStack() as stack:
            stack.enter_context(folder_made(self._folder))
            temporaries = stack.enter_context(replaced_files(self.paths, overwrite=self._overwrite))
            self._files = [
                stack.enter_context(_opened(path, temporary, self._height, self._width, self._description))
                for path, temporary in zip(self.paths, temporaries, strict=True)
            ]
            self._stack = stack.pop_all()
        return self

    def write(self, top: int, layers: NDArray[np.float32]) -> None:
        """Writes the next rows.

        Args:
            top: the first row; strips come strictly from top to bottom.
            layers: (K, h, W, 4) float32, premultiplied, in sRGB.

        Raises:
            RangeError, OutputError: see the class.
        """
        check_rows(layers, top, self._rows, (len(self.paths), self._height, self._width))
        done = 0
        while done < layers.shape[1]:
            filled = self._rows % _ROWS
            count = min(_ROWS - filled, layers.shape[1] - done)
            for n, path in enumerate(self.paths):
                straight = straight_layer(
                    layers[n, done : done + count],
                    self._palette[n],
                    path=path,
                    name=f"layer {n + 1}",
                    top=self._rows,
                    kind="TIFF",
                    clip=self._clip,
                )
                self._buffer[n, filled : filled + count] = levels(straight, 16)
            self._rows += count
            done += count
            if self._rows % _ROWS == 0 or self._rows == self._height:
                self._flush(filled + count)

    def _flush(self, count: int) -> None:
        for path, file, rows in zip(self.paths, self._files, self._buffer, strict=True):
            if not file.write_scanlines(self._rows - count, self._rows, 0, rows[:count]):
                raise failed(path, file.geterror())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None and self._rows != self._height:
                raise ValueError(f"{self._rows} of {self._height} rows were written")
        except BaseException:
            self._stack.__exit__(*sys.exc_info())
            raise
        self._stack.__exit__(kind, error, trace)


def composite_error(paths: Sequence[str | Path], image_pixels: NDArray[np.floating]) -> float:
    """Adds TIFF layers up, read by tifffile, and compares the sum with the picture.

    Args:
        paths: the files of all layers.
        image_pixels: (H, W, 3 or 4), premultiplied, sRGB.

    Returns:
        The largest error in any channel.

    Raises:
        InputError: another size.
    """
    import tifffile

    total = np.zeros((*image_pixels.shape[:2], 4))
    for path in paths:
        layer = tifffile.imread(path) / 65535
        layer[..., :3] *= layer[..., 3:]
        largest_error(layer, image_pixels, path)
        total += layer
    return largest_error(total, image_pixels, paths[0])


def read_metadata(path: str | Path) -> dict[str, str]:
    """The texts that ``TiffLayerWriter`` stored in a layer, by name; {} where there are none.

    Raises:
        InputError: no such file, or damaged.
    """
    with open_image(Path(path)) as opened:
        return json_texts(opened.specs[0].get_string_attribute("ImageDescription"))


@contextmanager
def _opened(path: Path, temporary: Path, height: int, width: int, description: str) -> Iterator[oiio.ImageOutput]:
    """A TIFF being written; what went wrong is told when it is closed."""
    spec = oiio.ImageSpec(width, height, 4, "uint16")
    spec.attribute("oiio:UnassociatedAlpha", 1)
    spec.attribute("oiio:ColorSpace", "sRGB")
    # Without it OpenImageIO writes the time of day.
    spec.attribute("DateTime", "1980:01:01 00:00:00")
    spec.attribute("compression", "zip")
    # Photographs gain a third by the predictor.
    spec.attribute("tiff:Predictor", 2)
    spec.attribute("tiff:RowsPerStrip", _ROWS)
    if description:
        spec.attribute("ImageDescription", description)
    output = oiio.ImageOutput.create("tiff")
    if output is None or not output.open(str(temporary), spec):
        raise failed(path, output.geterror() if output is not None else oiio.geterror())
    try:
        yield output
    except BaseException:
        output.close()
        output.geterror()
        raise
    if not output.close():
        raise failed(path, output.geterror())
    _check_written(path, temporary, spec)


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
