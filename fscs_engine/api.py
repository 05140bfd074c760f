"""The short way for Python programs: one function for a picture, one for a shot.

Nothing is printed, and nothing is kept from one call to the next. Whoever decomposes many single pictures holds a
:class:`fscs_engine.segmenter.Segmenter` instead, which keeps its model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from .files.reading import read_image
from .image import Image
from .segmenter import Layers
from .shots.options import SegmentOptions
from .shots.runs import Run, ShotReport
from .shots.sequence import FrameResult
from .shots.shots import Stills, find_palette, shot_of

_DEFAULT = SegmentOptions()


def segment(
    image: Image | str | Path,
    options: SegmentOptions = _DEFAULT,
    *,
    progress: Callable[[float], None] = lambda _: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Layers:
    """Takes a picture apart, in memory.

    Args:
        image: a picture in memory, or a file.
        options: what is chosen; those that tell of files and frames mean nothing here.
        progress: called with the fraction that is done.
        cancelled: asked often.

    Returns:
        K layers in memory, (K, H, W, 4) float32 premultiplied, which add up to the picture.

    Raises:
        FscsError: what the user can cure; :class:`fscs_engine.errors.CancelledError` if ``cancelled`` said so.

    Example:
        >>> layers = segment("plate.exr", SegmentOptions(colors=5))    # doctest: +SKIP
        >>> layers.pixels.sum(axis=0)                                  # doctest: +SKIP
    """
    if not isinstance(image, Image):
        image = read_image(
            image,
            layer=options.input_layer,
            color_space=options.input_space,
            alpha=options.alpha,
            clean_nonfinite=options.clean_nonfinite,
        )
    segmenter, picture, palette = options.model.open(), image, options.given
    if palette is None or len(palette) != options.wanted:
        palette = find_palette(Stills("image", [lambda: (picture, "")]), [(0, "")], segmenter.spaces, options)
    return segmenter.segment(
        picture,
        palette,
        options.processing,
        working_space=options.working_space,
        progress=progress,
        cancelled=cancelled,
    )


def segment_sequence(
    source: str | Path | Sequence[str | Path],
    output: str | Path | Sequence[str | Path],
    options: SegmentOptions = _DEFAULT,
    *,
    progress: Callable[[float], None] = lambda _: None,
    done: Callable[[FrameResult], None] = lambda _: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> ShotReport:
    """Takes every frame of a shot apart, with one palette, into files, as ``fscs segment`` does.

    Args:
        source: ``plate.####.exr``, ``plate.%04d.exr``, a folder of numbered pictures, or a list of files; or one
            picture.
        output: ``layers.####.exr``, a folder ending with ``/`` for single layers, or several of these.
        options: what is chosen. A palette that is found is kept beside the output.
        progress: called with the fraction that is done.
        done: called with each frame's result once its files are there.
        cancelled: asked before every frame; the one in hand is finished.

    Returns:
        What became of every frame.

    Raises:
        FscsError: what the user can cure; the frames before it are there.
    """
    inputs = [Path(source)] if isinstance(source, (str, Path)) else [Path(each) for each in source]
    outputs = [output] if isinstance(output, (str, Path)) else output
    shot = shot_of(inputs, options)
    run = Run.of(shot, outputs, options)
    segmenter = options.model.open()
    palette = run.find_palette(segmenter.spaces)
    return run.segment(palette, segmenter, tick=progress, done=done, cancelled=cancelled)
