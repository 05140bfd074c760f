"""The flags of commands that write a picture made of layers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import options

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
