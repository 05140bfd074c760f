"""Everything that is chosen for a run, in one record that is passed on whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from ..alpha.processing import AlphaProcessing, Mask
from ..errors import InputError, UsageError
from ..files.blending import Blend
from ..files.palette_files import named_palette
from ..files.reading import read_mask
from ..host.key import file_identity
from ..host.naming import COMPRESSIONS
from ..host.parameters import BY_NAME
from ..image import Image
from ..palette.image_palette import asked_colors
from ..palette.palette import Palette
from ..segmenter import Segmenter
from .frames import FramePattern, parse_frames

_NO_PIXELS = np.zeros((0, 0), np.float32)


@dataclass(frozen=True)
class ModelSettings:
    """What a :class:`fscs_engine.segmenter.Segmenter` is made of; see there."""

    model: str = str(BY_NAME["model"].default)
    device: str = "auto"
    precision: str = "auto"
    tile: int = 0
    ocio: str | None = None

    def open(self) -> Segmenter:
        """Loads the model."""
        return Segmenter(self.model, device=self.device, precision=self.precision, tile=self.tile, ocio=self.ocio)


@dataclass(frozen=True)
class ShotMask:
    """A mask that follows the frames, or one file for all of them. See :class:`fscs_engine.alpha.processing.Mask`.

    Attributes:
        pattern: of the files; a file that exists under just this name is for all frames.
    """

    pattern: FramePattern | str | Path
    mode: Literal["limit", "split"]
    layers: tuple[int, ...]

    def file(self, frame: int, view: str) -> Path:
        """The file for a frame."""
        if isinstance(self.pattern, FramePattern):
            return self.pattern.file(frame, view)
        path = Path(self.pattern)
        return path if path.is_file() else FramePattern(str(path)).file(frame, view)

    def read(self, frame: int, view: str, image: Image | None) -> Mask:
        """The mask of a frame; without pixels, which no key asks for, where there is no picture to place it on.

        Raises:
            InputError: missing, broken, or of another size.
        """
        file = self.file(frame, view)
        if not file.is_file():
            raise InputError(f"{file}: there is no such mask", cure="check --mask")
        pixels = _NO_PIXELS if image is None else read_mask(file, image=image)
        return Mask(pixels, self.mode, self.layers, identity=file_identity(file))


@dataclass(frozen=True)
class SegmentOptions:
    """What is chosen for a picture or a shot, under the names of the flags of ``fscs segment``.

    Attributes:
        palette: the colors, or what ``--palette`` takes: ``"#aabbcc,#112233"`` or a palette file.
        colors: K; None for as many as are given, else the default. Those that are not given are found.
        palette_method: how they are found, ``kmeans`` or ``salient``.
        seed: same input and seed, same palette.
        processing: the alpha processing; its own masks are for all frames.
        masks: that follow the frames, applied after them.
        model: which networks, and where they run.
        working_space: the space the layers add up in; ``auto`` depends on the format and the picture.
        input_space: what the values of the input are; ``auto`` takes it from the file.
        alpha: whether its colors are ``straight`` or ``premultiplied``; ``auto`` takes it from the file.
        input_layer: the layer of multi-layer EXR files.
        clean_nonfinite: repair NaN and infinity.
        frames: ``"1001-1100x2"`` or numbers; None is all that exist.
        views: what ``%V`` stands for.
        missing: ``error``, or ``skip`` to go on without frames that are not there or can't be read.
        resume: leave frames alone that are whole and were made from the same input, palette and settings.
        dry_run: only say what would be done.
        jobs: processes. A program that uses more than one must be importable (``if __name__ == "__main__":``).
        measure_flicker: fills in :attr:`fscs_engine.FrameResult.flicker`.
        preview: contact sheets, ``sheet.####.png``.
        report: pages to look at in a browser, ``page.####.html``.
        layer_format: of single layers in a folder.
        keep_image: the picture's own channels in EXR too.
        half: EXR of 16-bit floats.
        clip: clamp what a format can't hold instead of raising.
        single_part: EXR of one part instead of one a layer.
        compression: of EXR, one of :data:`fscs_engine.host.naming.COMPRESSIONS`.
        blend: how the layers of a document give the picture, ``over`` or ``add``.
        overwrite: replace existing files.
        notes: texts that EXR files say besides, by their full names.

    Raises:
        UsageError: a value that is not allowed. What depends on the picture is checked with it.
        PaletteError, InputError: a palette that can't be used.
    """

    palette: Palette | str | Path | None = None
    colors: int | None = None
    palette_method: str = str(BY_NAME["palette_method"].default)
    seed: int = 0
    processing: AlphaProcessing = field(default_factory=AlphaProcessing)
    masks: Sequence[ShotMask] = ()
    model: ModelSettings = field(default_factory=ModelSettings)
    working_space: str = str(BY_NAME["working_space"].default)
    input_space: str = str(BY_NAME["input_space"].default)
    alpha: str = str(BY_NAME["alpha"].default)
    input_layer: str = ""
    clean_nonfinite: bool = False
    frames: str | Sequence[int] | None = None
    views: Sequence[str] = ()
    missing: str = "error"
    resume: bool = False
    dry_run: bool = False
    jobs: int = 1
    measure_flicker: bool = False
    preview: FramePattern | str | Path | None = None
    report: FramePattern | str | Path | None = None
    layer_format: Literal["png", "tiff", "mov", "mkv"] = "png"
    keep_image: bool = False
    half: bool = False
    clip: bool = False
    single_part: bool = False
    compression: str = "zip"
    blend: Blend = "over"
    overwrite: bool = False
    notes: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.missing not in ("error", "skip"):
            raise UsageError(f"missing is {self.missing!r}", cure="use 'error' or 'skip'")
        if cure := BY_NAME["alpha"].cure(self.alpha):
            raise UsageError(f"alpha is {self.alpha!r}", cure=cure)
        if self.jobs < 1:
            raise UsageError(f"jobs is {self.jobs}", cure="use at least 1")
        if self.compression not in COMPRESSIONS:
            raise UsageError(
                f"there is no compression {self.compression!r}", cure=f"use one of {', '.join(COMPRESSIONS)}"
            )
        if isinstance(self.palette, (str, Path)):
            object.__setattr__(self, "palette", named_palette(str(self.palette)))

    @property
    def given(self) -> Palette | None:
        """The colors that need not be found."""
        return self.palette if isinstance(self.palette, Palette) else None

    @property
    def wanted(self) -> int:
        """K."""
        return asked_colors(self.colors, self.given)

    @property
    def numbers(self) -> Sequence[int] | None:
        """The frames that are asked for, ascending; None for all."""
        if self.frames is None or isinstance(self.frames, str):
            return parse_frames(self.frames) if self.frames else None
        return sorted(set(self.frames))

    @property
    def search(self) -> dict[str, object]:
        """How a palette is found, as its file says it."""
        return {"method": self.palette_method, "seed": self.seed}

    @property
    def sheets(self) -> list[FramePattern]:
        """The patterns of the contact sheets and of the pages."""
        asked = (each for each in (self.preview, self.report) if each is not None)
        return [each if isinstance(each, FramePattern) else FramePattern(str(each)) for each in asked]
