"""``fscs segment``: an image or a shot and a palette in, RGBA layers out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import CancelledError, UsageError
from ..runtime.interrupts import asked_to_stop
from . import options
from .preset import PresetFlag, over_preset
from .progress import AUTO, OPENJD, Progress
from .report import palette_rows, peak_rss_bytes, print_json, print_outputs, print_palette

if TYPE_CHECKING:
    from ..palette.palette import Palette
    from ..segmenter import Segmenter
    from ..shots.outputs import Delivery
    from ..shots.runs import ShotReport
    from ..shots.sequence import FrameResult, ModelSettings, ShotWork
    from ..shots.shots import Shot

SOME_FAILED = 3


def segment(
    inputs: options.Inputs,
    output: Annotated[
        list[str] | None,
        typer.Option(
            "-o",
            "--output",
            metavar="OUT.exr|OUT.ora|OUT.psd|FOLDER/",
            help="OUT.exr: all layers in one EXR. OUT.ora, OUT.psd: a layered document. FOLDER/: one 16-bit PNG "
            "per layer, or what --layer-format says. For a shot OUT.####.exr. Repeatable.",
            rich_help_panel=options.OUTPUT_PANEL,
        ),
    ] = None,
    preview: Annotated[
        Path | None,
        typer.Option(
            "--preview",
            metavar="SHEET.png",
            help="Also write a contact sheet: image, sum of the layers, error, every layer and its alpha. For a "
            "shot SHEET.####.png.",
            rich_help_panel=options.OUTPUT_PANEL,
        ),
    ] = None,
    frames: options.Frames = "",
    views: options.Views = "",
    missing: options.Missing = "error",
    resume: Annotated[
        bool,
        options.switch(
            "--resume",
            "Skip frames whose files are complete and come from the same input, palette and settings.",
            options.SHOT_PANEL,
        ),
    ] = False,
    dry_run: Annotated[
        bool,
        options.switch("--dry-run", "Only print what would be done for each frame.", options.SHOT_PANEL),
    ] = False,
    jobs: Annotated[
        int,
        typer.Option(
            "--jobs",
            metavar="N",
            min=1,
            help="How many processes share the frames. They share the CPU threads; each needs its own memory.",
            rich_help_panel=options.SHOT_PANEL,
        ),
    ] = 1,
    temporal: options.Temporal = options.DEFAULTS["temporal"],
    preset: PresetFlag = None,
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
            "Add the image itself to the EXR, as R, G, B (and A).",
            options.OUTPUT_PANEL,
        ),
    ] = False,
    layer_format: options.LayerFormat = "png",
    multipart: Annotated[
        bool,
        options.switch(
            "--multipart", "Write EXR with one part per layer instead of a single part.", options.OUTPUT_PANEL
        ),
    ] = False,
    blend: options.Blending = "over",
    half: options.Half = False,
    clip: options.Clip = False,
    device: options.Device = options.DEFAULTS["device"],
    precision: options.Precision = options.DEFAULTS["precision"],
    tile: options.Tile = options.DEFAULTS["tile"],
    overwrite: options.Overwrite = False,
    progress_style: options.ProgressStyle = AUTO,
    as_json: Annotated[
        bool,
        options.switch(
            "--json",
            f"{options.JSON_HELP} Its error_max is that of the float32 layers, before a file rounds them.",
            options.OUTPUT_PANEL,
        ),
    ] = False,
) -> None:
    """Splits an image, or every frame of a shot, into layers that add up to it.

    There is one layer for each color of the palette. Add the layers with Plus to get the image back exactly.

    A shot has one palette: the one you give, or one found in frames across the range and saved beside the output.
    Frames keep their numbers. A file is complete or does not exist.

    [bold]Examples[/bold]

    fscs segment plate.exr -o layers.exr

    fscs segment photo.png -k 5 -o layers/ --preview sheet.png

    fscs segment plate.exr --palette "#20303c,#c8a070,#e8e4dc" --layer-gain 2=1.5 -o layers.exr

    fscs segment plate.####.exr --frames 1001-1100 -o layers.####.exr --temporal 1 --resume
    """
    started = time.perf_counter()
    flags = options.AlphaFlags(
        smoothing=smoothing,
        smoothing_eps=smoothing_eps,
        smoothing_strength=smoothing_strength,
        minimum_alpha=minimum_alpha,
        gain=over_preset(preset, "layer_gain", layer_gain),
        gamma=over_preset(preset, "layer_gamma", layer_gamma),
        black=over_preset(preset, "layer_black", layer_black),
        white=over_preset(preset, "layer_white", layer_white),
        mask=mask,
        mask_mode=mask_mode,
        temporal=temporal,
    )
    flags.check_values()
    if as_json and progress_style == OPENJD:
        raise UsageError("--json and --progress openjd both print on stdout", cure="leave one out")
    from ..frames import FramePattern, is_shot

    many = is_shot(inputs)
    if not many:
        options.check_input(inputs[0])
        options.refuse_shot_flags(
            inputs[0], {"--frames": frames, "--views": views, "--resume": resume, "--dry-run": dry_run}
        )
    if preview is not None:
        options.check_suffix(preview, (".png",), "a contact sheet")
    given = options.given_palette(palette)
    with Progress(style=progress_style) as progress:
        with progress.loading("starting"):
            from ..shots.outputs import Delivery, parse_output
            from ..shots.sequence import ModelSettings
            from ..shots.shots import open_shot

        outputs = tuple(parse_output(text, layer_format) for text in output or ())
        shot = None
        if many:
            named = options.view_names(views)
            shot = open_shot(inputs, layer=input_layer, clean_nonfinite=clean_nonfinite, views=named)
        delivery = Delivery(
            outputs,
            None if preview is None else FramePattern(str(preview)),
            working_space=working_space,
            stem=shot.name if shot is not None else inputs[0].stem,
            keep_image=keep_image,
            half=half,
            clip=clip,
            overwrite=overwrite,
            multipart=multipart,
            blend=blend,
        )
        request = _Request(
            inputs,
            delivery,
            flags,
            given,
            colors,
            palette_method,
            seed,
            ModelSettings(model, device, precision, tile, ocio),
            input_layer=input_layer,
            clean_nonfinite=clean_nonfinite,
            as_json=as_json,
            started=started,
        )
        if shot is None:
            _one_picture(request, progress)
            code = 0
        else:
            code = _shot(request, shot, _ShotFlags(frames, missing, resume, dry_run, jobs), progress)
    if code:
        raise typer.Exit(code)


@dataclass(frozen=True)
class _Request:
    """What was typed, as far as both ways, one picture and a shot, need it."""

    inputs: Sequence[Path]
    delivery: Delivery
    flags: options.AlphaFlags
    given: Palette | None
    colors: int | None
    palette_method: str
    seed: int
    settings: ModelSettings
    input_layer: str
    clean_nonfinite: bool
    as_json: bool
    started: float


def _one_picture(request: _Request, progress: Progress) -> None:
    """Decomposes one picture and says how it went."""
    from ..files.reading import read_image
    from ..host.key import file_identity
    from ..shots.identity import Identity
    from ..shots.outputs import Frame, Place, check_delivery, composite_errors

    source, delivery = request.inputs[0], request.delivery
    request.flags.check()
    check_delivery(delivery, [source], [Place()], resume=False)
    progress.stage("reading the image")
    image = read_image(source, layer=request.input_layer, clean_nonfinite=request.clean_nonfinite)
    processing = request.flags.processing(image)
    progress.stage("loading the model")
    segmenter = request.settings.open()
    progress.stage("finding the palette")
    used, palette_seconds = options.whole_palette(
        segmenter, image, request.given, request.colors, request.seed, request.palette_method
    )
    segmenter.check(image, used, processing)
    identity = Identity(
        segmenter,
        image.color_space,
        used,
        processing,
        file_identity(source),
        request.input_layer,
        request.clean_nonfinite,
    )
    frame = Frame(Place(), image, identity)
    spaces = delivery.working_spaces(image.color_space, segmenter.spaces)
    report = progress.stage("computing the layers")
    write_seconds = 0.0
    with ExitStack() as stack:
        sinks = delivery.open(stack, frame, spaces)
        for strip in segmenter.strips(
            image, used, processing, working_spaces=spaces, clip=delivery.clip, progress=report
        ):
            began = time.perf_counter()
            for sink in sinks:
                sink.writer.write(strip.top, strip.layers[sink.working_space])
            write_seconds += time.perf_counter() - began
        progress.stage("finishing the files")
        began = time.perf_counter()
    write_seconds += time.perf_counter() - began
    composites = composite_errors(delivery, frame)
    result = segmenter.report
    paths = [path for sink in sinks for path in sink.paths]
    if request.as_json:
        depth = delivery.depth(delivery.outputs[0]) if delivery.outputs else "float"
        print_json(
            {
                "palette": palette_rows(used),
                "coverage": list(result.coverage),
                "seconds": {
                    "palette": palette_seconds,
                    "alpha": result.seconds["alpha"],
                    "colour": result.seconds["colour"],
                    "write": write_seconds,
                    "total": time.perf_counter() - request.started,
                },
                "peak_rss_bytes": peak_rss_bytes(),
                "error_max": result.error_max,
                "composite_error_max": max(composites.values(), default=None),
                "model": segmenter.model_name,
                "weights_sha256": segmenter.weights_sha256,
                "working_space": spaces[0],
                "key": identity.key(spaces[0], depth),
                "outputs": [str(path) for path in paths],
            }
        )
        return
    print_palette(used, result.coverage)
    print_outputs(paths)
    for file, error in composites.items():
        print(f"{file}, read back and composited, matches the image within {error:.1e}")
    rounded = _rounded(delivery)
    before = f", before they are rounded to {rounded}" if rounded else ""
    clipped = "clipped " if delivery.clip and any(map(segmenter.spaces.is_display_referred, spaces)) else ""
    print(
        f"the layers add up to the {clipped}image within {result.error_max:.1e}{before}; "
        f"{time.perf_counter() - request.started:.1f} s"
    )


def _rounded(delivery: Delivery) -> str:
    """To what numbers the outputs round the float32 of the layers; empty for none."""
    integers = {output.is_display for output in delivery.outputs}
    half = delivery.half and False in integers
    return " or ".join((["half"] if half else []) + (["16 bit"] if True in integers else []))


@dataclass(frozen=True)
class _ShotFlags:
    """The flags that only a shot knows."""

    frames: str
    missing: str
    resume: bool
    dry_run: bool
    jobs: int


def _shot(request: _Request, shot: Shot, flags: _ShotFlags, progress: Progress) -> int:
    """Decomposes a shot and says how it went. Returns the exit code."""
    from ..frames import FramePattern, parse_frames
    from ..shots.runs import decide_palette, run_shot
    from ..shots.sequence import ShotMask, ShotWork
    from ..shots.shots import plan

    asked = parse_frames(flags.frames) if flags.frames else None
    todo, lost, gaps = plan(shot, asked, flags.missing)
    masks = tuple(
        ShotMask(FramePattern(str(file)), mode, layers)
        for file, mode, layers in options.mask_modes(request.flags.mask, request.flags.mask_mode)
    )
    progress.stage("loading the model")
    segmenter = request.settings.open()
    report = progress.stage("finding the palette")
    palette, kept = decide_palette(
        shot,
        todo,
        segmenter.spaces,
        request.delivery,
        request.given,
        request.colors,
        seed=request.seed,
        method=request.palette_method,
        resume=flags.resume,
        tick=report,
    )
    work = ShotWork(
        shot,
        palette,
        request.flags.processing(),
        request.delivery,
        masks=masks,
        input_layer=request.input_layer,
        clean_nonfinite=request.clean_nonfinite,
        resume=flags.resume,
        skip_broken=flags.missing == "skip",
        measure_flicker=request.as_json and not flags.dry_run,
    )
    report = progress.stage("checking the frames" if flags.dry_run else "segmenting")
    began = time.perf_counter()
    finished: list[FrameResult] = []

    def tick(part: float) -> None:
        computed = sum(result.status == "done" for result in finished)
        speed = computed / (time.perf_counter() - began)
        report(part, f"{len(finished)} of {len(todo)} frames, {speed:.2f} frames/s")

    with asked_to_stop() as interrupted:
        try:
            whole = run_shot(
                work,
                todo,
                request.settings,
                segmenter=segmenter,
                kept_palette=kept,
                lost=lost,
                gaps=gaps,
                jobs=flags.jobs,
                dry_run=flags.dry_run,
                tick=tick,
                done=finished.append,
                cancelled=interrupted,
            )
        except CancelledError as error:
            done = sum(result.status == "done" for result in finished)
            raise CancelledError(f"cancelled after {done} of {len(todo)} frames", cure=error.cure) from error
    if request.as_json:
        print_json(_shot_json(request, work, whole, segmenter))
    else:
        _print_shot(whole, kept if not flags.dry_run else None, dry_run=flags.dry_run)
    return SOME_FAILED if whole.count("missing") + whole.count("failed") else 0


def _shot_json(request: _Request, work: ShotWork, report: ShotReport, segmenter: Segmenter) -> dict[str, Any]:
    computed = report.count("done")
    return {
        "palette": palette_rows(report.palette),
        "frames": [
            {
                "frame": result.frame,
                "view": result.view,
                "status": result.status,
                "error_max": result.error_max if result.status == "done" else None,
                "flicker": result.flicker,
                "cut": result.cut,
                "keys": list(result.keys),
                "outputs": list(result.outputs),
                "message": result.message,
            }
            for result in report.frames
        ],
        "count": {status: report.count(status) for status in ("done", "skipped", "missing", "failed", "pending")},
        "gaps": list(report.gaps),
        "flicker": report.flicker,
        "error_max": max((result.error_max for result in report.frames), default=0.0),
        "seconds": {"frames": report.seconds, "total": time.perf_counter() - request.started},
        "frames_per_second": computed / report.seconds if report.seconds > 0 else 0.0,
        "peak_rss_bytes": peak_rss_bytes(),
        "model": segmenter.model_name,
        "weights_sha256": segmenter.weights_sha256,
        "temporal": work.processing.temporal,
    }


def _print_shot(report: ShotReport, palette_file: Path | None, *, dry_run: bool) -> None:
    from ..frames import format_frames

    if dry_run:
        words = {"pending": "would be done", "skipped": "up to date", "missing": "missing", "failed": "failed"}
        for result in report.frames:
            view = f" {result.view}" if result.view else ""
            note = f": {result.message}" if result.message else f" -> {', '.join(result.outputs)}"
            print(f"{result.frame}{view}  {words[result.status]}{note}")
    else:
        print_palette(report.palette)
        if palette_file is not None:
            print(f"the palette is in {palette_file}")
    for status in ("done", "skipped", "missing", "failed"):
        frames = {result.frame for result in report.frames if result.status == status}
        if frames and not dry_run:
            print(f"{status}: {report.count(status)} ({format_frames(frames)})")
    if report.gaps:
        print(f"not in the range: {format_frames(report.gaps)}")
    for result in report.frames:
        if result.status == "failed" and not dry_run:
            print(f"  {result.message}")
    computed = report.count("done")
    if computed:
        worst = max(result.error_max for result in report.frames)
        print(
            f"the layers add up to their frames within {worst:.1e}; {report.seconds:.1f} s, "
            f"{computed / report.seconds:.2f} frames/s"
        )
