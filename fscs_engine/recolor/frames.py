"""Frames recolored one after the other, or in several processes: layered EXRs, or images segmented in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from .._version import __version__
from ..color import AUTO, ColorSpaces, in_space, network_image, straight
from ..errors import CancelledError, InputError
from ..exact.compositing import recompose
from ..files.atomic import make_folder
from ..files.exr import read_layer_strips, read_layers_header
from ..files.palette_files import named_palette
from ..files.reading import read_image
from ..host.edits import Look
from ..host.naming import METADATA_PREFIX
from ..host.palette_codec import ENDINGS
from ..image import Header, Image
from ..palette.image_palette import image_palette
from ..palette.palette import Palette, squared_distances
from ..runtime.compiling import missing, prepare
from ..runtime.memory import empty
from ..runtime.threads import ahead
from ..segmenter import Segmenter
from ..shots.frames import FramePattern
from ..shots.options import ModelSettings
from ..shots.outputs import Place, stored_key
from ..shots.processes import frames_in_processes
from ..shots.sequence import CANCELLED_CURE, Done, FrameResult, FrameWorker, Tick
from ..shots.shots import Shot
from .edits import Recoloring
from .looks import look_text
from .material import Material, is_layered, read_material, stored_palette
from .pictures import PictureWriter, write_look_sheet


def segmented(image: Image, palette: Palette, segmenter: Segmenter) -> Material:
    """An image taken apart in memory, in its own linear space."""
    found = segmenter.segment(image, palette, working_space=AUTO)
    whole = in_space(image, found.working_space, segmenter.spaces)
    return Material(whole, found.pixels, palette)


def reference_palette(text: str, colors: int, spaces: ColorSpaces) -> tuple[Palette, list[float] | None]:
    """The palette to match: colors, a palette file, a layered EXR, or a picture, whose palette is found.

    Args:
        text: ``"#aabbcc,#112233"`` or a file.
        colors: how many are found in a picture.
        spaces: to convert it.

    Returns:
        The palette, and the coverage of each color where a picture is known.

    Raises:
        FscsError: it can't be read.
    """
    path = Path(text)
    if path.suffix.lower() in ENDINGS or not path.is_file():
        return named_palette(text), None
    if is_layered(path):
        material = read_material(path)
        return material.palette, material.coverage
    image = read_image(path)
    palette = image_palette(image, colors, None, 0, spaces)
    step = max(1, int((image.height * image.width / 2**16) ** 0.5))
    sample = np.ascontiguousarray(image.pixels[::step, ::step])
    seen, _ = network_image(np.ascontiguousarray(straight(sample)), image.color_space, spaces)
    nearest = squared_distances(seen.reshape(-1, 3).astype(np.float64), palette.array.astype(np.float64)).argmin(axis=0)
    return palette, (np.bincount(nearest, minlength=len(palette)) / len(nearest)).tolist()


@dataclass(frozen=True)
class RecolorWork:
    """Everything that decides what is written for a frame.

    Attributes:
        shot: layered EXRs, or images.
        layered: which of both.
        palette: of all frames.
        look: for all frames.
        output: the pictures to write, ``.exr`` or ``.png``.
        preview: sheets of the image before and after, or None.
        settings: of the model that takes images apart.
        half: EXR of 16-bit floats.
        clip: clamp what a format can't hold instead of raising.
        overwrite: replace existing files.
        resume: leaves frames alone whose picture is whole and of just this work.
        skip_broken: goes on after a frame that can't be read.
    """

    shot: Shot
    layered: bool
    palette: Palette
    look: Look
    output: FramePattern
    preview: FramePattern | None
    settings: ModelSettings
    half: bool = False
    clip: bool = False
    overwrite: bool = False
    resume: bool = False
    skip_broken: bool = False

    def prepare(self) -> None:
        """See :class:`fscs_engine.shots.processes.Work`."""
        from . import loops  # noqa: F401  # loaded with the first frame otherwise

        if missing():
            prepare()

    def open(self) -> FrameWorker:
        """See :class:`fscs_engine.shots.processes.Work`."""
        recolorer = Recolorer(self)

        def recolor(frames: Sequence[tuple[int, str]], _: Tick, done: Done, cancelled: Callable[[], bool]) -> None:
            for frame, view in frames:
                if cancelled():
                    return
                done(recolorer.frame(frame, view))

        return recolor


Strips = Generator[tuple[NDArray[np.float32], NDArray[np.float32]], None, None]
"""Layers (K, h, W, 4) and the rows (h, W, C) they add up to, from top to bottom."""


@dataclass(frozen=True)
class _Opened:
    """A frame whose pixels come as they are asked for; its rows may be used up."""

    header: Header
    channels: int
    palette: Palette
    clip: bool
    strips: Strips


class Recolorer:
    """Recolors frames in this process; the model is loaded when the first image needs it."""

    def __init__(self, work: RecolorWork, segmenter: Segmenter | None = None) -> None:
        self.work, self._segmenter = work, segmenter
        self.spaces = segmenter.spaces if segmenter is not None else ColorSpaces(work.settings.ocio)

    @property
    def segmenter(self) -> Segmenter:
        """The model."""
        if self._segmenter is None:
            self._segmenter = self.work.settings.open()
        return self._segmenter

    def frame(self, frame: int, view: str, material: Material | None = None) -> FrameResult:
        """Recolors a frame, which may have been read already; its image is then used up.

        Raises:
            FscsError: it can't be done; no file is written.
        """
        work = self.work
        place = work.shot.place(frame, view)
        files = [place.file(pattern) for pattern in (work.output, work.preview) if pattern is not None]
        result = FrameResult(frame, view, "done", tuple(map(str, files)))
        try:
            key = self._key(place)
            if work.resume and stored_key(files[0]) == key and all(file.is_file() for file in files):
                return replace(result, status="skipped", keys=(key,))
            opened = self._open(frame, view, material)
            for file in files:
                if place.number:
                    make_folder(file.parent)
            self._write(opened, key, *files)
        except InputError as error:
            if not work.skip_broken:
                raise
            return replace(result, status="failed", outputs=(), message=str(error))
        return replace(result, keys=(key,))

    def _write(self, opened: _Opened, key: str, file: Path, sheet: Path | None = None) -> None:
        """Reads, recolors and writes at the same time."""
        work, header = self.work, opened.header
        again = work.overwrite or work.resume
        metadata = {METADATA_PREFIX + "key": key, METADATA_PREFIX + "version": __version__}
        recoloring = Recoloring(work.look, opened.palette, header.color_space, self.spaces)
        shown: list[list[NDArray[np.float32]]] = [[], []]  # on the sheet: the rows before and after
        covered = np.zeros(len(opened.palette))
        threads = torch.get_num_threads()

        def recolored() -> Generator[NDArray[np.float32], None, None]:
            with closing(ahead(opened.strips)) as strips:
                for layers, before in strips:
                    # Fresh memory costs half as much as recoloring; only the sheet still needs the image.
                    after = before if sheet is None else np.empty_like(before)
                    recoloring.apply(layers, before, after, threads)
                    if sheet is not None:
                        covered[:] += layers[..., 3].sum(axis=(1, 2), dtype=np.float64)
                        for kept, rows in zip(shown, (before, after), strict=True):
                            kept.append(rows)
                    yield after

        clip = work.clip or opened.clip
        picture = PictureWriter(
            file, header, opened.channels, self.spaces, half=work.half, clip=clip, overwrite=again, metadata=metadata
        )
        with closing(ahead(recolored())) as strips, picture as writer:
            for rows in strips:
                writer.write(rows)
        if sheet is not None:
            before, after = (
                Image(np.concatenate(rows), header.color_space, header.data_window, header.display_window)
                for rows in shown
            )
            coverage = (covered / (before.height * before.width)).tolist()
            write_look_sheet(sheet, before, after, opened.palette, work.look, coverage, self.spaces, overwrite=again)

    def _open(self, frame: int, view: str, material: Material | None) -> _Opened:
        work = self.work
        if material is None and not work.layered:
            material = segmented(work.shot.read(frame, view), work.palette, self.segmenter)
        if material is not None:
            image, once = material.image, (pair for pair in [(material.layers, material.image.pixels)])
            return _Opened(image, image.pixels.shape[2], material.palette, image.read_as.wide, once)
        path = work.shot.source(frame, view)
        header = read_layers_header(path)
        palette = stored_palette(path, header.metadata, header.count)
        if not np.array_equal(palette.array, work.palette.array):
            raise InputError(
                f"{path}: its layers have another palette than those of the first frame",
                cure="segment the shot with one palette, or recolor the frames one by one",
            )
        strips = ((layers, recompose(layers)) for layers in read_layer_strips(path, empty))
        return _Opened(header, 4, palette, False, strips)

    def _key(self, place: Place) -> str:
        """What tells a frame's picture from every other one."""
        work = self.work
        parts = [
            "recolor 1",
            look_text(work.look, work.palette),
            repr(work.palette.array.tolist()),
            work.shot.identity(place.frame, place.view),
            f"{work.output.text.rpartition('.')[2].lower()} {work.half} {work.clip} {self.spaces.identity}",
        ]
        if not work.layered:
            parts.append(f"{self.segmenter.weights_sha256} {self.segmenter.precision}")
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def recolor_frames(
    work: RecolorWork,
    frames: Sequence[tuple[int, str]],
    recolorer: Recolorer,
    *,
    first: Material | None = None,
    jobs: int = 1,
    tick: Tick = lambda _: None,
    done: Done = lambda _: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> list[FrameResult]:
    """Recolors frames.

    Args:
        work: what to do.
        frames: (frame, view).
        recolorer: of this process.
        first: the first frame, if it was read already.
        jobs: processes; they share the processor's threads.
        tick: called with the part of all frames that is done.
        done: called with each frame's result once its files are there.
        cancelled: asked between frames.

    Returns:
        The results in the order in which they came.

    Raises:
        CancelledError: ``cancelled`` said so.
        FscsError: a frame can't be done; those before it are there.
    """
    if jobs > 1 and len(frames) > 1:
        results = frames_in_processes(work, frames, jobs, tick=tick, done=done, cancelled=cancelled)
        if len(results) < len(frames):
            raise CancelledError("cancelled", cure=CANCELLED_CURE)
        return results
    results = []
    for frame, view in frames:
        if cancelled():
            raise CancelledError("cancelled", cure=CANCELLED_CURE)
        results.append(recolorer.frame(frame, view, None if results else first))
        done(results[-1])
        tick(len(results) / len(frames))
    return results
