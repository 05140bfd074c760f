"""``fscs recolor``: edits the colours of layers and adds them up (the paper's application)."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import InputError, PaletteError, UsageError
from ..host.naming import METADATA_PREFIX
from . import options, pictures
from .progress import Progress
from .report import palette_rows, peak_rss_bytes, print_json, print_outputs

if TYPE_CHECKING:
    from ..exact.compositing import Edit
    from ..files.exr import LayeredFile
    from ..palette.palette import Palette

_NEW_COLOR = re.compile(r"\s*(\d+)\s*=\s*(#?[0-9a-fA-F]{3,6})\s*")
_HUE = re.compile(r"\s*(\d+)\s*:\s*hue\s*=\s*([-+0-9.eE]+)\s*")


def parse_edit(text: str) -> Edit:
    """Reads ``3=#3366ff`` or ``5:hue=40``.

    Raises:
        UsageError: another form.
        PaletteError: not a colour.
    """
    from ..exact.compositing import NewColor, TurnHue
    from ..palette.palette import PaletteColor

    if match := _NEW_COLOR.fullmatch(text):
        return NewColor(int(match[1]), PaletteColor.from_hex(match[2]).rgb)
    if match := _HUE.fullmatch(text):
        try:
            return TurnHue(int(match[1]), float(match[2]))
        except ValueError:
            pass  # said below, with the whole text
    raise UsageError(f"--set {text!r} is not an edit", cure="write it as 3=#3366ff or 5:hue=40")


def recolor(
    layers_file: pictures.LayersFile,
    output: pictures.PictureFile,
    edits: Annotated[
        list[str],
        typer.Option(
            "--set",
            metavar="LAYER=#HEX|LAYER:hue=DEGREES",
            help="3=#3366ff gives layer 3 a new color and keeps its shading; 5:hue=40 turns the hue of layer 5 by "
            "40 degrees. Layers are numbered from 1. Repeatable, applied in the order given.",
        ),
    ],
    half: options.Half = False,
    clip: options.Clip = False,
    ocio: options.Ocio = None,
    overwrite: options.Overwrite = False,
    as_json: options.AsJson = False,
) -> None:
    """Recolors layers and adds them.

    The palette of the layers is read from the file.
    """
    started = time.perf_counter()
    options.check_input(layers_file, "a layered EXR")
    pictures.check_picture(output, layers_file, overwrite=overwrite)
    parsed = [parse_edit(text) for text in edits]
    with Progress() as progress:
        with progress.loading("reading the layers"):
            from ..color import ColorSpaces
            from ..exact.compositing import recolor as edit_layers
            from ..exact.compositing import recompose as add_up
            from ..files.exr import read_layers

        layered = read_layers(layers_file)
        palette = stored_palette(layered)
        progress.stage("recoloring")
        spaces = ColorSpaces(ocio)
        picture = add_up(edit_layers(layered.layers, palette, layered.color_space, parsed, spaces))
        progress.stage("writing the image")
        pictures.write_picture(output, picture, layered, spaces, half=half, clip=clip, overwrite=overwrite)
    if as_json:
        print_json(
            {
                "layers": len(layered.layers),
                "palette": palette_rows(palette),
                "working_space": layered.color_space,
                "seconds": {"total": time.perf_counter() - started},
                "peak_rss_bytes": peak_rss_bytes(),
                "outputs": [str(output)],
            }
        )
        return
    print_outputs([output])


def stored_palette(layered: LayeredFile) -> Palette:
    """The palette that a layered EXR was made with.

    Raises:
        InputError: the file has lost it, or it does not fit the layers.
    """
    from ..palette.palette import Palette

    cure = "give the EXR as fscs segment wrote it"
    text = layered.metadata.get(METADATA_PREFIX + "palette")
    if text is None:
        raise InputError(f"{layered.source}: does not say which palette its layers have", cure=cure)
    try:
        palette = Palette.from_dict(json.loads(text))
    except (ValueError, PaletteError) as error:
        raise InputError(f"{layered.source}: its palette can't be read ({error})", cure=cure) from error
    if len(palette) != len(layered.layers):
        raise InputError(
            f"{layered.source}: has {len(layered.layers)} layers and a palette of {len(palette)} colors", cure=cure
        )
    return palette
