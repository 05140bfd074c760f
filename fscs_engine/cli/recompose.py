"""``fscs recompose``: layers back to an image."""

from __future__ import annotations

import time

from . import options, pictures
from .printing import peak_rss_bytes, print_json, print_outputs
from .progress import Progress


def recompose(
    layers_file: pictures.LayersFile,
    output: pictures.PictureFile,
    half: options.Half = False,
    clip: options.Clip = False,
    ocio: options.Ocio = None,
    overwrite: options.Overwrite = False,
    as_json: options.AsJson = False,
) -> None:
    """Adds layers to get the image back.

    The layers may have been graded, blurred or painted meanwhile; the result is their sum.
    """
    started = time.perf_counter()
    options.check_input(layers_file, "a layered EXR")
    pictures.check_picture(output, layers_file, overwrite=overwrite)
    with Progress() as progress:
        with progress.loading("reading the layers"):
            from ..color import ColorSpaces
            from ..exact.compositing import recompose as add_up
            from ..files.exr import read_layers
            from ..image import Image
            from ..recolor.pictures import write_picture

        layered = read_layers(layers_file)
        progress.stage("adding them up")
        picture = Image(
            add_up(layered.layers),
            layered.color_space,
            layered.data_window,
            layered.display_window,
            layered.attributes,
            layered.source,
        )
        progress.stage("writing the image")
        spaces = ColorSpaces(ocio)
        write_picture(output, picture, spaces, half=half, clip=clip, overwrite=overwrite)
    if as_json:
        print_json(
            {
                "layers": len(layered.layers),
                "working_space": layered.color_space,
                "seconds": {"total": time.perf_counter() - started},
                "peak_rss_bytes": peak_rss_bytes(),
                "outputs": [str(output)],
            }
        )
        return
    print_outputs([output])
