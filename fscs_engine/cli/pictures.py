"""Pictures out of layers: what ``recompose`` and ``recolor`` write."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import RangeError
from . import options

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..color import ColorSpaces
    from ..files.exr import LayeredFile

PICTURE_SUFFIXES = (".exr", ".png")

LayersFile = Annotated[Path, typer.Argument(metavar="LAYERS.exr", help="A layered EXR written by fscs segment.")]
PictureFile = Annotated[
    Path,
    typer.Option(
        "-o",
        "--output",
        metavar="OUT",
        help="The image to write: .exr in the color space of the layers, or .png (16-bit, sRGB, straight alpha).",
        rich_help_panel=options.OUTPUT_PANEL,
    ),
]


def check_picture(output: Path, source: Path, *, overwrite: bool) -> None:
    """Refuses an output that can't be written, before anything is read.

    Raises:
        UsageError, OutputError: see `options.check_suffix` and `options.check_free`.
    """
    options.check_suffix(output, PICTURE_SUFFIXES, "an image")
    options.check_free(output, source, overwrite=overwrite)


def write_picture(
    output: Path,
    pixels: NDArray[np.float32],
    layered: LayeredFile,
    spaces: ColorSpaces,
    *,
    half: bool,
    clip: bool,
    overwrite: bool,
) -> None:
    """Writes a picture made of layers.

    Args:
        output: an ``.exr``, written in the layers' space, or a ``.png``, converted to sRGB.
        pixels: (H, W, 4) float32 premultiplied, in the layers' space.
        layered: the file the layers came from: its space, windows and attributes are kept.
        spaces: for the conversion.
        half: 16-bit floats in the EXR.
        clip: clamps what the format can't hold instead of raising.
        overwrite: replaces an existing file.

    Raises:
        OutputError: the file exists already or can't be written.
        RangeError: a value does not fit the format.
    """
    import numpy as np

    if output.suffix.lower() == ".png":
        from ..color import SRGB, straight
        from ..files.png import write_png

        encoded = np.empty_like(pixels)
        encoded[..., :3] = spaces.convert(np.ascontiguousarray(straight(pixels)), layered.color_space, SRGB)
        encoded[..., 3] = pixels[..., 3]
        # Added up in float32, an opaque alpha of K layers can end a few units in the last place above 1.
        rounding = 1e-5
        snapped = np.clip(encoded, 0.0, 1.0)
        if clip or float(np.abs(snapped - encoded).max()) <= rounding:
            encoded = snapped
        try:
            write_png(output, encoded, overwrite=overwrite)
        except RangeError as error:
            raise RangeError(error.message, cure="write EXR or pass --clip") from error
        return
    from ..files.exr import HALF_MAXIMUM, write_exr
    from ..image import Image

    if half and clip:
        pixels = np.clip(pixels, -HALF_MAXIMUM, HALF_MAXIMUM)
    image = Image(
        pixels=np.ascontiguousarray(pixels),
        color_space=layered.color_space,
        data_window=layered.data_window,
        display_window=layered.display_window,
        attributes=layered.attributes,
        source=layered.source,
    )
    write_exr(output, image, half=half, overwrite=overwrite)
