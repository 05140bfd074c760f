"""The short way for Python programs: one function for a picture, one for a shot.

Nothing is printed, and nothing is kept from one call to the next. Whoever decomposes many single pictures holds a
:class:`fscs_engine.segmenter.Segmenter` instead, which keeps its model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from .alpha.processing import AlphaProcessing
from .errors import UsageError
from .files.blending import Blend
from .files.palette_files import named_palette
from .files.reading import read_image
from .frames import FramePattern, parse_frames
from .host.parameters import BY_NAME
from .image import Image
from .palette.palette import Palette
from .segmenter import Layers
from .shots.outputs import Delivery, Kind, parse_output
from .shots.runs import ShotReport, decide_palette, run_shot
from .shots.sequence import FrameResult, ModelSettings, ShotMask, ShotWork
from .shots.shots import open_shot, plan

PaletteLike = Palette | int | str | Path
"""A palette, how many colours to find, or what ``--palette`` takes: ``"#aabbcc,#112233"`` or a palette file."""

_MODEL = ModelSettings(str(BY_NAME["model"].default))


def segment(
    image: Image | str | Path,
    palette: PaletteLike = int(BY_NAME["colors"].default),
    processing: AlphaProcessing | None = None,
    *,
    working_space: str = "auto",
    palette_method: str = str(BY_NAME["palette_method"].default),
    seed: int = 0,
    model: ModelSettings = _MODEL,
    progress: Callable[[float], None] = lambda _: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Layers:
    """Takes a picture apart.

    Args:
        image: a picture in memory, or a file.
        palette: the colours, or how many to find.
        processing: the alpha processing; None is its default.
        working_space: the space the layers add up in; ``auto`` is the picture's own linear space.
        palette_method: ``kmeans`` or ``salient``, for colours that are found.
        seed: same picture and seed, same palette.
        model: which networks, and where they run.
        progress: called with the fraction that is done.
        cancelled: asked often.

    Returns:
        K layers in memory, (K, H, W, 4) float32 premultiplied, which add up to the picture.

    Raises:
        FscsError: what the user can cure; :class:`fscs_engine.errors.CancelledError` if ``cancelled`` said so.

    Example:
        >>> layers = segment("plate.exr", 5)                     # doctest: +SKIP
        >>> layers.pixels.sum(axis=0)                            # doctest: +SKIP
    """
    picture = image if isinstance(image, Image) else read_image(image)
    segmenter = model.open()
    asked = _asked(palette)
    used = segmenter.auto_palette(picture, asked, None, seed, palette_method) if isinstance(asked, int) else asked
    return segmenter.segment(
        picture, used, processing, working_space=working_space, progress=progress, cancelled=cancelled
    )


def segment_sequence(
    source: str | Path | Sequence[str | Path],
    output: str | Path | Sequence[str | Path],
    palette: PaletteLike = int(BY_NAME["colors"].default),
    processing: AlphaProcessing | None = None,
    *,
    frames: str | Sequence[int] | None = None,
    views: Sequence[str] = (),
    masks: Sequence[ShotMask] = (),
    missing: str = "error",
    resume: bool = False,
    jobs: int = 1,
    preview: str | Path | None = None,
    layer_format: Kind = "png",
    working_space: str = "auto",
    keep_image: bool = False,
    half: bool = False,
    clip: bool = False,
    multipart: bool = False,
    blend: Blend = "over",
    overwrite: bool = False,
    input_layer: str = "",
    clean_nonfinite: bool = False,
    palette_method: str = str(BY_NAME["palette_method"].default),
    seed: int = 0,
    model: ModelSettings = _MODEL,
    measure_flicker: bool = False,
    progress: Callable[[float], None] = lambda _: None,
    done: Callable[[FrameResult], None] = lambda _: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> ShotReport:
    """Takes every frame of a shot apart, with one palette, into files; the arguments are those of ``fscs segment``.

    Args:
        source: ``plate.####.exr``, ``plate.%04d.exr``, a folder of numbered pictures, or a list of files.
        output: ``layers.####.exr``, a folder ending with ``/`` for single layers, or several of these.
        palette: the colours; or how many to find in frames across the shot, kept beside the output.
        processing: the alpha processing; ``temporal`` calms the mattes in time.
        frames: ``"1001-1100x2"`` or numbers; None is all that exist.
        views: what ``%V`` stands for.
        masks: that follow the frames.
        missing: ``error``, or ``skip`` to go on without frames that are not there or can't be read.
        resume: leave frames alone that are whole and were made from the same input, palette and settings.
        jobs: processes. A program that uses more than one must be importable (``if __name__ == "__main__":``).
        preview: contact sheets, ``sheet.####.png``.
        layer_format: of single layers in a folder.
        working_space: the space the layers add up in.
        keep_image: the picture's own channels in EXR too.
        half: EXR of 16-bit floats.
        clip: clamp what a format can't hold instead of raising.
        multipart: one EXR part a layer.
        blend: how the layers of a document give the picture, ``over`` or ``add``.
        overwrite: replace existing files.
        input_layer: the layer of multi-layer EXR files.
        clean_nonfinite: repair NaN and infinity.
        palette_method: ``kmeans`` or ``salient``.
        seed: same shot and seed, same palette.
        model: which networks, and where they run.
        measure_flicker: fills in :attr:`FrameResult.flicker`.
        progress: called with the fraction that is done.
        done: called with each frame's result once its files are there.
        cancelled: asked before every frame; the one in hand is finished.

    Returns:
        What became of every frame.

    Raises:
        FscsError: what the user can cure; the frames before it are there.
    """
    inputs = [Path(source)] if isinstance(source, (str, Path)) else [Path(each) for each in source]
    targets = [output] if isinstance(output, (str, Path)) else list(output)
    if missing not in ("error", "skip"):
        raise UsageError(f"missing is {missing!r}", cure="use 'error' or 'skip'")
    asked = parse_frames(frames) if isinstance(frames, str) else None if frames is None else sorted(set(frames))
    shot = open_shot(inputs, layer=input_layer, clean_nonfinite=clean_nonfinite, views=views)
    todo, lost, gaps = plan(shot, asked, missing)
    delivery = Delivery(
        tuple(parse_output(str(target), layer_format) for target in targets),
        None if preview is None else FramePattern(str(preview)),
        working_space=working_space,
        stem=shot.name,
        keep_image=keep_image,
        half=half,
        clip=clip,
        overwrite=overwrite,
        multipart=multipart,
        blend=blend,
    )
    segmenter = model.open()
    wanted = _asked(palette)
    given, colors = (None, wanted) if isinstance(wanted, int) else (wanted, None)
    used, kept = decide_palette(
        shot, todo, segmenter.spaces, delivery, given, colors, seed=seed, method=palette_method, resume=resume
    )
    work = ShotWork(
        shot,
        used,
        processing or AlphaProcessing(),
        delivery,
        masks=tuple(masks),
        input_layer=input_layer,
        clean_nonfinite=clean_nonfinite,
        resume=resume,
        skip_broken=missing == "skip",
        measure_flicker=measure_flicker,
    )
    return run_shot(
        work,
        todo,
        model,
        segmenter=segmenter,
        kept_palette=kept,
        lost=lost,
        gaps=gaps,
        jobs=jobs,
        tick=progress,
        done=done,
        cancelled=cancelled,
    )


def _asked(palette: PaletteLike) -> Palette | int:
    """The colours, or how many to find."""
    return palette if isinstance(palette, (Palette, int)) else named_palette(str(palette))
