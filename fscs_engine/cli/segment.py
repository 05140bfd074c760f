"""``fscs segment``: an image or a shot and a palette in, RGBA layers out."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import CancelledError, UsageError
from ..host.naming import METADATA_PREFIX
from ..runtime.interrupts import asked_to_stop
from . import options
from .exit_codes import SOME_FAILED
from .preset import PresetFlag, over_preset
from .printing import palette_rows, peak_rss_bytes, print_json, print_outputs, print_palette, print_readings
from .progress import AUTO, OPENJD, Progress

if TYPE_CHECKING:
    from ..image import Image
    from ..palette.palette import Palette
    from ..segmenter import Segmenter
    from ..shots.runs import Run, ShotReport
    from ..shots.sequence import FrameResult


@options.takes(*options.FLAGS)
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
    report: options.Report = None,
    frames: options.Frames = "",
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
    preset: PresetFlag = None,
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
    **flags: Any,
) -> None:
    """Splits an image, or every frame of a shot, into layers that add up to it.

    There is one layer for each color of the palette. Add the layers with Plus to get the image back exactly.

    A shot has one palette: the one you give, or one found in frames across the range and saved beside the output.
    Frames keep their numbers. A file is complete or does not exist.

    [bold]Examples[/bold]

    fscs segment plate.exr -o layers.exr

    fscs segment photo.png -k 5 -o layers/ --report page.html

    fscs segment plate.exr --palette "#20303c,#c8a070,#e8e4dc" --layer-gain 2=1.5 -o layers.exr

    fscs segment plate.####.exr --frames 1001-1100 -o layers.####.exr --temporal 1 --resume
    """
    started = time.perf_counter()
    flags |= {name: over_preset(preset, name, flags[name]) for name in options.PER_LAYER}
    options.check_values(flags)
    if as_json and progress_style == OPENJD:
        raise UsageError("--json and --progress openjd both print on stdout", cure="leave one out")
    from ..shots.frames import is_shot

    single = not is_shot(inputs)
    if single:
        options.check_input(inputs[0])
        of_shots = {"--frames": frames, "--views": flags["views"], "--resume": resume, "--dry-run": dry_run}
        options.refuse_shot_flags(inputs[0], of_shots)
        missing = "error"
    if preview is not None:
        options.check_suffix(preview, (".png",), "a contact sheet")
    if report is not None:
        options.check_suffix(report, (".html",), "a page")
    flags |= {"preview": preview, "report": report, "frames": frames, "missing": missing, "resume": resume}
    flags |= {"dry_run": dry_run}
    flags |= {"overwrite": overwrite, "measure_flicker": as_json and not (single or dry_run)}
    with Progress(style=progress_style) as progress:
        with progress.loading("starting"):
            from ..shots.runs import Run
            from ..shots.shots import shot_of

        chosen = options.segment_options(flags)
        shot = shot_of(inputs, chosen)
        run = Run.of(shot, output or (), chosen)
        if single:
            progress.stage("reading the image")
            shot.read(*run.todo[0])
        progress.stage("loading the model")
        segmenter = chosen.model.open()
        finding = progress.stage("finding the palette")
        began = time.perf_counter()
        palette = run.find_palette(segmenter.spaces, finding)
        found = time.perf_counter() - began
        whole = _segment(run, palette, segmenter, progress)
        image = shot.read(*run.todo[0]) if single else None
    print_readings([(run.shot.source(result.frame, result.view), result.reading) for result in whole.frames])
    seconds = {"palette": found, "total": time.perf_counter() - started}
    if image is not None:
        _say_picture(run, whole, image, segmenter, seconds, as_json=as_json)
    elif as_json:
        print_json(_shot_json(run, whole, segmenter, seconds["total"]))
    else:
        _print_shot(run, whole)
    if whole.count("missing") + whole.count("failed"):
        raise typer.Exit(SOME_FAILED)


def _segment(run: Run, palette: Palette, segmenter: Segmenter, progress: Progress) -> ShotReport:
    """Decomposes the frames. Ctrl-C ends one picture at once, and a shot after the frame in hand."""
    single, frames = run.shot.single, len(run.todo)
    of_shots = "checking the frames" if run.options.dry_run else "segmenting"
    report = progress.stage("computing the layers" if single else of_shots)
    began = time.perf_counter()
    finished: list[FrameResult] = []

    def computed() -> int:
        return sum(result.status == "done" for result in finished)

    def tick(part: float) -> None:
        speed = computed() / (time.perf_counter() - began)
        report(part, "" if single else f"{len(finished)} of {frames} frames, {speed:.2f} frames/s")
        if single and part == 1.0:
            progress.stage("finishing the files")

    with nullcontext(lambda: False) if single else asked_to_stop() as interrupted:
        try:
            return run.segment(palette, segmenter, tick=tick, done=finished.append, cancelled=interrupted)
        except CancelledError as error:
            raise CancelledError(f"cancelled after {computed()} of {frames} frames", cure=error.cure) from error


def _say_picture(
    run: Run, whole: ShotReport, image: Image, segmenter: Segmenter, seconds: Mapping[str, float], *, as_json: bool
) -> None:
    from ..shots.outputs import composite_errors, fitting

    (result,), delivery = whole.frames, run.delivery
    delivery = fitting(delivery, image.read_as)
    composites = composite_errors(delivery, run.shot.place(result.frame, ""), image, segmenter.spaces)
    if as_json:
        print_json(
            {
                "palette": palette_rows(whole.palette),
                "coverage": result.report.coverage,
                "seconds": {**seconds, **result.report.seconds},
                "peak_rss_bytes": peak_rss_bytes(),
                "error_max": result.error_max,
                "composite_error_max": max(composites.values(), default=None),
                "model": segmenter.model_name,
                "weights_sha256": segmenter.weights_sha256,
                "working_space": result.working_spaces[0],
                "input": image.read_as.to_dict(),
                "key": result.metadata[METADATA_PREFIX + "key"],
                "outputs": list(result.outputs),
            }
        )
        return
    print_palette(whole.palette, result.report.coverage)
    print_outputs([Path(file) for file in result.outputs])
    for file, error in composites.items():
        print(f"{file}, read back and composited, matches the image within {error:.1e}")
    integers = {output.is_display for output in delivery.outputs}
    kinds = ["half"] * (run.options.half and False in integers) + ["16 bit"] * (True in integers)
    before = f", before they are rounded to {' or '.join(kinds)}" if kinds else ""
    clips = delivery.options.clip and any(map(segmenter.spaces.is_display_referred, result.working_spaces))
    print(
        f"the layers add up to the {'clipped ' if clips else ''}image within {result.error_max:.1e}{before}; "
        f"{seconds['total']:.1f} s"
    )


def _shot_json(run: Run, report: ShotReport, segmenter: Segmenter, seconds: float) -> dict[str, Any]:
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
                "input": None if result.reading is None else result.reading.to_dict(),
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
        "seconds": {"frames": report.seconds, "total": seconds},
        "frames_per_second": report.count("done") / report.seconds if report.seconds > 0 else 0.0,
        "peak_rss_bytes": peak_rss_bytes(),
        "model": segmenter.model_name,
        "weights_sha256": segmenter.weights_sha256,
        "temporal": run.options.processing.temporal,
    }


def _print_shot(run: Run, report: ShotReport) -> None:
    from ..host.frames import format_frames

    if run.options.dry_run:
        words = {"pending": "would be done", "skipped": "up to date", "missing": "missing", "failed": "failed"}
        for result in report.frames:
            view = f" {result.view}" if result.view else ""
            note = f": {result.message}" if result.message else f" -> {', '.join(result.outputs)}"
            print(f"{result.frame}{view}  {words[result.status]}{note}")
    else:
        print_palette(report.palette)
        if run.kept_palette is not None:
            print(f"the palette is in {run.kept_palette}")
        for status in ("done", "skipped", "missing", "failed"):
            frames = {result.frame for result in report.frames if result.status == status}
            if frames:
                print(f"{status}: {report.count(status)} ({format_frames(frames)})")
    if report.gaps:
        print(f"not in the range: {format_frames(report.gaps)}")
    for result in report.frames:
        if result.status == "failed" and not run.options.dry_run:
            print(f"  {result.message}")
    computed = report.count("done")
    if computed:
        worst = max(result.error_max for result in report.frames)
        print(
            f"the layers add up to their frames within {worst:.1e}; {report.seconds:.1f} s, "
            f"{computed / report.seconds:.2f} frames/s"
        )
