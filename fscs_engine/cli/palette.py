"""``fscs palette``: the colors of an image or a shot."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from . import options
from .preset import PresetFlag
from .printing import palette_rows, peak_rss_bytes, print_json, print_outputs, print_palette, print_readings
from .progress import AUTO, Progress


def palette(
    inputs: options.Inputs,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="The palette file to write: .json, .gpl (GIMP), .txt (hex colors), .ase or .aco (Adobe), … Without it "
            "the colors are printed.",
            rich_help_panel=options.OUTPUT_PANEL,
        ),
    ] = None,
    frames: options.Frames = "",
    views: options.Views = "",
    missing: options.Missing = "error",
    preset: PresetFlag = None,
    colors: options.PaletteSize = options.DEFAULTS["colors"],
    lock: Annotated[
        list[str] | None,
        typer.Option(
            "--lock",
            metavar="#RRGGBB",
            help="A color to keep in the palette. Repeatable; locked colors come first, in the order given.",
            rich_help_panel=options.PALETTE_PANEL,
        ),
    ] = None,
    palette_method: options.PaletteMethod = options.DEFAULTS["palette_method"],
    seed: options.Seed = 0,
    input_space: options.InputSpace = options.DEFAULTS["input_space"],
    alpha: options.InputAlpha = options.DEFAULTS["alpha"],
    input_layer: options.InputLayer = "",
    clean_nonfinite: options.CleanNonFinite = False,
    ocio: options.Ocio = None,
    overwrite: options.Overwrite = False,
    progress_style: options.ProgressStyle = AUTO,
    as_json: options.AsJson = False,
) -> None:
    """Finds the palette of an image, or one for all frames of a shot.

    The same input and seed give the same palette. The palette of a shot is found in some frames across the range.
    """
    del preset  # its values came in as those of the other flags
    started = time.perf_counter()
    from ..shots.frames import is_shot

    many = is_shot(inputs)
    if not many:
        options.check_input(inputs[0])
        options.refuse_shot_flags(inputs[0], {"--frames": frames, "--views": views})
    from ..files.palette_files import write_palette
    from ..palette.palette import Palette, PaletteColor

    locked = [color for part in lock or () for color in part.split(",")]
    given = Palette(tuple(PaletteColor.from_hex(color, locked=True) for color in locked)) if locked else None
    if output is not None:
        options.check_suffix(output, options.PALETTE_SUFFIXES, "a palette")
        if many:
            from ..files.atomic import make_folder

            make_folder(output.parent)  # as that of a shot's layers, beside which it will lie
        options.check_free(output, inputs[0], overwrite=overwrite)
    with Progress(style=progress_style) as progress:
        with progress.loading("reading"):
            from ..color import ColorSpaces
            from ..shots.frames import parse_frames
            from ..shots.options import SegmentOptions
            from ..shots.shots import find_palette, open_shot, plan

        named = options.view_names(views)
        shot = open_shot(
            inputs,
            layer=input_layer,
            clean_nonfinite=clean_nonfinite,
            views=named,
            input_space=input_space,
            alpha=alpha,
        )
        todo, _, _ = plan(shot, parse_frames(frames) if frames else None, missing)
        if shot.single:
            shot.read(*todo[0])
        reading = shot.reading(*todo[0])
        report = progress.stage("finding the palette")
        found_at = time.perf_counter()
        chosen = SegmentOptions(palette=given, colors=colors, palette_method=palette_method, seed=seed, missing=missing)
        found = find_palette(shot, todo, ColorSpaces(ocio), chosen, report)
        seconds = time.perf_counter() - found_at
    if output is not None:
        write_palette(output, found, overwrite=overwrite, found=chosen.search)
    outputs = [] if output is None else [output]
    print_readings([(shot.source(*todo[0]), reading)])
    if as_json:
        print_json(
            {
                "palette": palette_rows(found),
                "input": reading.to_dict(),
                "seconds": {"palette": seconds, "total": time.perf_counter() - started},
                "peak_rss_bytes": peak_rss_bytes(),
                "outputs": [str(path) for path in outputs],
            }
        )
        return
    print_palette(found)
    print_outputs(outputs)
