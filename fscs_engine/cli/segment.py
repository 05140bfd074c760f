"""``fscs segment``: an image and a palette in, RGBA layers out."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from ..errors import OutputError, UsageError
from . import options
from .progress import Progress
from .report import palette_rows, peak_rss_bytes, print_json, print_outputs, print_palette

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..image import Image
    from ..palette import Palette
    from ..segmenter import Segmenter

EXR = ".exr"


@dataclass(frozen=True)
class Output:
    """Where layers go: one EXR file, or a folder of PNG layers."""

    path: Path
    is_folder: bool


class Writer(Protocol):
    """What all layer writers have in common."""

    def write(self, top: int, layers: NDArray[np.float32]) -> None:
        """Takes the next rows: (K, h, W, 4) premultiplied."""


@dataclass
class Sink:
    """A writer, the working space of its layers, and the files it makes."""

    writer: Writer
    working_space: str
    paths: list[Path]


def parse_output(text: str) -> Output:
    """Tells an EXR file from a folder.

    Raises:
        UsageError: neither.
    """
    path = Path(text)
    if text.endswith(("/", "\\")) or path.is_dir() or not path.suffix:
        return Output(path, is_folder=True)
    if path.suffix.lower() == EXR:
        return Output(path, is_folder=False)
    raise UsageError(
        f"-o {text}: layers are written as one .exr or as PNG files into a folder",
        cure="name an .exr file, or a folder ending with /",
    )


def check_outputs(outputs: Sequence[Output], preview: Path | None, source: Path, *, overwrite: bool) -> None:
    """Refuses outputs that can't be written, before anything is computed.

    Raises:
        UsageError: none, the same twice, or the input itself.
        OutputError: an existing file without ``overwrite``, a missing folder, or a file in the place of one.
    """
    if not outputs and preview is None:
        raise UsageError("nothing to write", cure="give -o OUT.exr, -o FOLDER/ or --preview SHEET.png")
    places = [output.path.absolute() for output in outputs] + ([] if preview is None else [preview.absolute()])
    for place in places:
        if places.count(place) > 1:
            raise UsageError(f"{place} is named twice as an output", cure="name it once")
    if preview is not None:
        options.check_suffix(preview, (".png",), "a contact sheet")
        options.check_free(preview, source, overwrite=overwrite)
    for output in outputs:
        if not output.is_folder:
            options.check_free(output.path, source, overwrite=overwrite)
            continue
        nearest = next(place for place in (output.path, *output.path.parents) if place.exists())
        if not nearest.is_dir():
            raise OutputError(f"-o {output.path}/: {nearest} is a file", cure="name a folder, a new one or an old one")


def segment(
    input_file: options.InputFile,
    output: Annotated[
        list[str] | None,
        typer.Option(
            "-o",
            "--output",
            metavar="OUT.exr|FOLDER/",
            help="OUT.exr: all layers in one EXR. FOLDER/: each layer as a 16-bit PNG. May be given several times.",
            rich_help_panel=options.OUTPUT_PANEL,
        ),
    ] = None,
    preview: Annotated[
        Path | None,
        typer.Option(
            "--preview",
            metavar="SHEET.png",
            help="Also write a contact sheet for the eye: image, recomposition, error, every layer and its alpha.",
            rich_help_panel=options.OUTPUT_PANEL,
        ),
    ] = None,
    palette: options.PaletteSource = options.AUTO,
    colors: options.Colors = None,
    palette_method: options.PaletteMethod = options.DEFAULTS["palette_method"],
    seed: options.Seed = 0,
    model: options.Model = options.DEFAULTS["model"],
    smoothing: options.Smoothing = options.DEFAULTS["smoothing"],
    smoothing_eps: options.SmoothingEps = options.DEFAULTS["smoothing_eps"],
    smoothing_strength: options.SmoothingStrength = options.DEFAULTS["smoothing_strength"],
    minimum_alpha: options.MinimumAlpha = options.DEFAULTS["minimum_alpha"],
    layer_gain: options.LayerGain = None,
    layer_gamma: options.LayerGamma = None,
    layer_black: options.LayerBlack = None,
    layer_white: options.LayerWhite = None,
    mask: options.MaskFile = None,
    mask_mode: options.MaskMode = None,
    working_space: options.WorkingSpace = options.DEFAULTS["working_space"],
    ocio: options.Ocio = None,
    input_layer: options.InputLayer = "",
    clean_nonfinite: options.CleanNonFinite = False,
    keep_image: Annotated[
        bool,
        options.switch(
            "--keep-image",
            "Also keep the image itself, as R, G, B (and A), in the EXR of the layers.",
            options.OUTPUT_PANEL,
        ),
    ] = False,
    half: options.Half = False,
    clip: options.Clip = False,
    device: options.Device = options.DEFAULTS["device"],
    precision: options.Precision = options.DEFAULTS["precision"],
    tile: options.Tile = options.DEFAULTS["tile"],
    overwrite: options.Overwrite = False,
    as_json: Annotated[
        bool,
        options.switch(
            "--json",
            f"{options.JSON_HELP} Its error_max is that of the float32 layers, before a file rounds them.",
            options.OUTPUT_PANEL,
        ),
    ] = False,
) -> None:
    """Takes an image apart into layers that add up to it.

    Each layer holds one colour of the palette. Put together with Plus, they give back the image exactly.

    [bold]Examples[/bold]

    fscs segment plate.exr -o layers.exr

    fscs segment photo.png -k 5 -o layers/ --preview sheet.png

    fscs segment plate.exr --palette "#20303c,#c8a070,#e8e4dc" --layer-gain 2=1.5 -o layers.exr
    """
    started = time.perf_counter()
    options.check_input(input_file)
    flags = options.AlphaFlags(
        smoothing=smoothing,
        smoothing_eps=smoothing_eps,
        smoothing_strength=smoothing_strength,
        minimum_alpha=minimum_alpha,
        gain=layer_gain,
        gamma=layer_gamma,
        black=layer_black,
        white=layer_white,
        mask=mask,
        mask_mode=mask_mode,
    )
    flags.check()
    outputs = [parse_output(text) for text in output or ()]
    check_outputs(outputs, preview, input_file, overwrite=overwrite)
    given = options.given_palette(palette)
    with Progress() as progress:
        progress.stage("reading the image")
        from ..files.reading import read_image

        image = read_image(input_file, layer=input_layer, clean_nonfinite=clean_nonfinite)
        processing = flags.processing(image)
        progress.stage("loading the model")
        from ..segmenter import Segmenter

        segmenter = Segmenter(model, device=device, precision=precision, tile=tile, ocio=ocio)
        progress.stage("finding the palette")
        used, palette_seconds = options.whole_palette(segmenter, image, given, colors, seed, palette_method)
        segmenter.check(image, used, processing)
        spaces = [segmenter.working_space(image, working_space, display=place.is_folder) for place in outputs]
        from ..color import in_space
        from ..identity import Identity, depth_name
        from ..key import file_identity

        identity = Identity(segmenter, image, used, processing, file_identity(input_file), input_layer, clean_nonfinite)
        depth = depth_name(half=half, clip=clip)
        report = progress.stage("computing the layers")
        write_seconds = 0.0
        with ExitStack() as stack:
            sinks = [
                _exr_sink(
                    stack,
                    place.path,
                    space,
                    in_space(image, space, segmenter.spaces) if keep_image else image,
                    used,
                    identity.metadata(space, depth),
                    half,
                    clip,
                    overwrite,
                    keep_image,
                )
                if not place.is_folder
                else _png_sink(stack, place.path, space, image, used, segmenter, clip, overwrite)
                for place, space in zip(outputs, spaces, strict=True)
            ]
            if preview is not None:
                sinks.append(_sheet_sink(stack, preview, image, used, segmenter, clip, overwrite))
            wanted = [sink.working_space for sink in sinks]
            for strip in segmenter.strips(image, used, processing, working_spaces=wanted, clip=clip, progress=report):
                began = time.perf_counter()
                for sink in sinks:
                    sink.writer.write(strip.top, strip.layers[sink.working_space])
                write_seconds += time.perf_counter() - began
            progress.stage("finishing the files")
            began = time.perf_counter()
        write_seconds += time.perf_counter() - began
    result = segmenter.report
    paths = [path for sink in sinks for path in sink.paths]
    if as_json:
        print_json(
            {
                "palette": palette_rows(used),
                "coverage": list(result.coverage),
                "seconds": {
                    "palette": palette_seconds,
                    "alpha": result.seconds["alpha"],
                    "colour": result.seconds["colour"],
                    "write": write_seconds,
                    "total": time.perf_counter() - started,
                },
                "peak_rss_bytes": peak_rss_bytes(),
                "error_max": result.error_max,
                "model": segmenter.model_name,
                "weights_sha256": segmenter.weights_sha256,
                "working_space": sinks[0].working_space,
                "key": identity.key(sinks[0].working_space, depth),
                "outputs": [str(path) for path in paths],
            }
        )
        return
    print_palette(used, result.coverage)
    print_outputs(paths)
    rounded = _rounded(outputs, half=half)
    before = f", before they are rounded to {rounded}" if rounded else ""
    clipped = "clipped " if clip and any(map(segmenter.spaces.is_display_referred, wanted)) else ""
    print(
        f"the layers add up to the {clipped}image within {result.error_max:.1e}{before}; "
        f"{time.perf_counter() - started:.1f} s"
    )


def _rounded(outputs: Sequence[Output], *, half: bool) -> str:
    """To what numbers the outputs round the float32 of the layers; empty for none."""
    folders = {output.is_folder for output in outputs}
    return " or ".join((["half"] if half and False in folders else []) + (["16 bit"] if True in folders else []))


def _exr_sink(
    stack: ExitStack,
    path: Path,
    space: str,
    image: Image,
    palette: Palette,
    metadata: Mapping[str, str],
    half: bool,
    clip: bool,
    overwrite: bool,
    kept: bool,
) -> Sink:
    from ..files.exr import ExrLayerWriter

    writer = ExrLayerWriter(
        path,
        height=image.height,
        width=image.width,
        layers=len(palette),
        metadata=metadata,
        image=image,
        color_space=space,
        half=half,
        clip=clip,
        overwrite=overwrite,
        plate=kept,
    )
    return Sink(stack.enter_context(writer), space, [path])


def _png_sink(
    stack: ExitStack,
    folder: Path,
    space: str,
    image: Image,
    palette: Palette,
    segmenter: Segmenter,
    clip: bool,
    overwrite: bool,
) -> Sink:
    from ..color import SRGB
    from ..files.png import PngLayerWriter

    writer = PngLayerWriter(
        folder,
        image.source.stem if image.source is not None else "image",
        height=image.height,
        width=image.width,
        palette_rgb=segmenter.spaces.convert(palette.array, SRGB, space),
        clip=clip,
        overwrite=overwrite,
    )
    return Sink(stack.enter_context(writer), space, list(writer.paths))


def _sheet_sink(
    stack: ExitStack, path: Path, image: Image, palette: Palette, segmenter: Segmenter, clip: bool, overwrite: bool
) -> Sink:
    import numpy as np

    from ..color import SRGB, straight
    from ..files.sheet import ContactSheet

    # Clipped only where the layers are: the sheet compares it with their sum.
    picture = segmenter.spaces.convert(np.ascontiguousarray(straight(image.pixels)), image.color_space, SRGB)
    if clip:
        np.clip(picture, 0.0, 1.0, out=picture)
    return Sink(
        stack.enter_context(ContactSheet(path, image=picture, palette=palette, overwrite=overwrite)), SRGB, [path]
    )
