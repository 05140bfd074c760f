"""Where layers go: which files an output means for a frame, and the writers that make them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ..color import SRGB, ColorSpaces, in_space, resolve, straight
from ..errors import InputError, OutputError, UsageError
from ..files.atomic import check_targets, make_folder
from ..host.naming import METADATA_PREFIX
from ..host.parameters import MAXIMUM_COLORS
from ..image import Image, Reading
from ..runtime.memory import empty
from .frames import FramePattern
from .identity import Identity, depth_name
from .options import SegmentOptions

if TYPE_CHECKING:
    from ..files.movie_layers import MovieLayerWriter

Kind = Literal["exr", "ora", "psd", "png", "tiff", "mov", "mkv", "f32"]
"""What is written; ``f32`` is float32 without a header, for another process."""

DOCUMENTS: dict[str, Kind] = {".exr": "exr", ".ora": "ora", ".psd": "psd"}
"""Endings of files that hold all layers."""

FOLDERS: tuple[Kind, ...] = ("png", "tiff", "mov", "mkv")
"""Kinds that are a file a layer in a folder."""

MOVIE_KINDS: tuple[Kind, ...] = ("mov", "mkv")
"""Those of them that hold all frames: ProRes 4444 (or PNG where there is no encoder for it), and FFV1."""

FRAME_RATE = Fraction(24)
"""Of movies made of frames that do not say theirs."""

_LOG = logging.getLogger(__name__)
_KEY, _PALETTE = METADATA_PREFIX + "key", METADATA_PREFIX + "palette"


@dataclass(frozen=True)
class Output:
    """One place for layers: ``layers.exr``, ``layers.####.exr``, a folder; ``%V`` may stand in it.

    Attributes:
        path: the pattern.
        kind: what is written there.
    """

    path: FramePattern
    kind: Kind

    @property
    def is_folder(self) -> bool:
        """Whether each layer has a file of its own."""
        return self.kind in FOLDERS

    @property
    def is_movie(self) -> bool:
        """Whether each file holds all frames."""
        return self.kind in MOVIE_KINDS

    @property
    def is_display(self) -> bool:
        """Whether its numbers are display-referred integers, not scene-linear floats."""
        return self.kind not in ("exr", "f32")


@dataclass(frozen=True)
class Place:
    """A frame of a shot as file names say it: its number, empty for a single picture, and its view."""

    frame: int = 0
    number: str = ""
    view: str = ""

    def file(self, pattern: FramePattern) -> Path:
        """The file that a pattern means for this frame."""
        return pattern.file(self.frame, self.view)


@dataclass(frozen=True, eq=False)
class Frame:
    """What is written of: a picture, where it stands in its shot, all that its files say, and the color spaces."""

    place: Place
    image: Image
    identity: Identity
    spaces: ColorSpaces


@dataclass(frozen=True)
class Delivery:
    """What is written of every frame, and how.

    Attributes:
        outputs: places for the layers.
        options: how they are written, and all else that was chosen.
        stem: the name in the files of single layers.
    """

    outputs: tuple[Output, ...]
    options: SegmentOptions = field(default_factory=SegmentOptions)
    stem: str = "image"

    @property
    def sheets(self) -> list[FramePattern]:
        """The patterns of the contact sheets and of the pages."""
        return self.options.sheets

    def working_spaces(self, input_space: str, spaces: ColorSpaces) -> list[str]:
        """The working space of each output, then that of each sheet; see :func:`fscs_engine.color.resolve`."""
        found = [resolve(self.options.working_space, input_space, output.is_display, spaces) for output in self.outputs]
        return found + [SRGB] * len(self.sheets)

    @property
    def single_files(self) -> list[FramePattern]:
        """The names of what is one file a frame."""
        return [output.path for output in self.outputs if not output.is_folder] + self.sheets

    def depth(self, output: Output) -> str:
        """See :func:`fscs_engine.shots.identity.depth_name`; how a document is laid out belongs to it."""
        name = depth_name(half=self.options.half and output.kind == "exr", clip=self.options.clip)
        if output.kind in ("ora", "psd"):
            return f"{name}-{self.options.blend}"
        if output.kind != "exr":
            return name
        lossy = "-dwaa" if self.options.compression == "dwaa" else ""
        return name + lossy + "-single" * self.options.single_part

    def files(self, place: Place, layers: int) -> list[Path]:
        """Every file of a frame."""
        found = [file for output in self.outputs for file in layer_files(output, place, self.stem, layers)]
        return found + [place.file(sheet) for sheet in self.sheets]

    def is_done(self, place: Place, identity: Identity, spaces: Sequence[str]) -> bool:
        """Whether all files of a frame are there, whole, and made by just this work.

        The names of the colors and the picture's own channels are in no key, since they change no layer, so they are
        looked at too. A contact sheet or a page only has to be there. Layers that an earlier run with more colors left
        are still to be removed.
        """
        if not all(place.file(sheet).is_file() for sheet in self.sheets):
            return False
        if any(self._left_over(output, place, len(identity.palette))[0] for output in self.outputs):
            return False
        return all(
            stored(file) == self._wanted(output, identity, space)
            for output, space in zip(self.outputs, spaces, strict=False)
            for file in layer_files(output, place, self.stem, len(identity.palette))
        )

    def _wanted(self, output: Output, identity: Identity, space: str) -> Stored:
        """What each layer file of an output has to say of itself."""
        plate = self.options.keep_image and output.kind == "exr"
        return Stored(identity.key(space, self.depth(output)), identity.palette_text, plate)

    def open(self, stack: ExitStack, frame: Frame, spaces: Sequence[str], movies: OpenMovies) -> list[Sink]:
        """Opens the writers of a frame; its files appear when ``stack`` is left without an error.

        Args:
            stack: closes them.
            frame: what is written.
            spaces: of :meth:`working_spaces`.
            movies: take the layers of outputs that hold all frames.

        Raises:
            OutputError, UsageError, RangeError: see the writers.
        """
        for pattern in self.single_files:
            if pattern.has_number:
                make_folder(frame.place.file(pattern).parent)
        sinks = []
        stack.push(partial(self._clear_unless, frame))
        for output, space in zip(self.outputs, spaces, strict=False):
            opener = movies.open if output.is_movie else _OPENERS[output.kind]
            sinks.append(opener(stack, self, output, frame, space))
        sinks += [_sheet_sink(stack, self, frame.place.file(sheet), frame) for sheet in self.sheets]
        return sinks

    def _clear_unless(self, frame: Frame, kind: type[BaseException] | None, *_: object) -> None:
        """Removes what is left over of a frame once its new files are there."""
        for output in self.outputs if kind is None else ():
            if not output.is_movie:
                self.clear(output, frame.place, len(frame.identity.palette))

    def clear(self, output: Output, place: Place, layers: int) -> None:
        """Removes the layers of an earlier run with more colors: together with the new ones they would not add up.

        What may not be removed is named.
        """
        ours, others = self._left_over(output, place, layers)
        for file in ours:
            try:
                file.unlink()
            except OSError:
                others.append(file)
        for file in others:
            _LOG.warning("%s: not one of the new layers beside it; remove it if an earlier run left it there", file)

    def _left_over(self, output: Output, place: Place, layers: int) -> tuple[list[Path], list[Path]]:
        """Files that have the names of layers beyond the last one.

        Returns:
            Those that may be removed, since they say that they are ours, and the others: movies say nothing, and an
            old layer may be a mask of this run.
        """
        ours: list[Path] = []
        others: list[Path] = []
        if not output.is_folder:
            return ours, others
        masks = {mask.file(place.frame, place.view).resolve() for mask in self.options.masks}
        replaces = self.options.overwrite or self.options.resume
        for file in layer_files(output, place, self.stem, MAXIMUM_COLORS)[layers:]:
            if file.is_file():
                said = stored(file)  # a recolored picture has a key and no palette
                removable = replaces and said.key and said.palette and file.resolve() not in masks
                (ours if removable else others).append(file)
        return ours, others


class OpenMovies:
    """The movies of a shot while its frames are computed; they appear when the block ends without an error."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._writers: dict[tuple[Output, str], MovieLayerWriter] = {}

    def __enter__(self) -> OpenMovies:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def open(self, stack: ExitStack, delivery: Delivery, output: Output, frame: Frame, space: str) -> Sink:
        """What takes the next frame.

        Raises:
            UsageError: the frame has another size than the first one.
        """
        from ..files.movie_layers import MovieLayerWriter

        place, image, palette = frame.place, frame.image, frame.identity.palette
        movie = self._writers.get((output, place.view))
        if movie is None:
            known = {name.lower(): value for name, value in image.attributes.items()}  # EXR has it in lower case
            rate = known.get("framespersecond", FRAME_RATE)
            movie = MovieLayerWriter(
                place.file(output.path),
                delivery.stem,
                height=image.height,
                width=image.width,
                layers=len(palette),
                rate=rate if isinstance(rate, Fraction) else FRAME_RATE,
                palette_rgb=frame.spaces.convert(palette.array, SRGB, space),
                codec="auto" if output.kind == "mov" else "ffv1",
                clip=delivery.options.clip,
                overwrite=delivery.options.overwrite,
            )
            self._writers[output, place.view] = self._stack.enter_context(movie)
            delivery.clear(output, place, len(palette))
        if movie.size != (image.height, image.width):
            raise UsageError(
                f"frame {place.frame} is {image.width} x {image.height}, the frames before are "
                f"{movie.size[1]} x {movie.size[0]}",
                cure="write EXR, PNG or TIFF, whose frames may differ in size",
            )
        return Sink(stack.enter_context(_MovieFrame(movie, len(palette))), space)


class _MovieFrame:
    """Gathers the strips of one frame for its movies."""

    def __init__(self, movie: MovieLayerWriter, layers: int) -> None:
        self._movie = movie
        self._layers = empty((layers, *movie.size, 4))

    def __enter__(self) -> _MovieFrame:
        return self

    def write(self, top: int, layers: NDArray[np.float32]) -> None:
        """Takes the next rows."""
        self._layers[:, top : top + layers.shape[1]] = layers

    def __exit__(self, kind: type[BaseException] | None, *raised: object) -> None:
        if kind is None:
            self._movie.write_frame(self._layers)


class Writer(Protocol):
    """What all layer writers have in common."""

    def write(self, top: int, layers: NDArray[np.float32]) -> None:
        """Takes the next rows: (K, h, W, 4) premultiplied."""


@dataclass
class Sink:
    """A writer, and the working space of its layers."""

    writer: Writer
    working_space: str


def bare_name(pattern: FramePattern) -> str:
    """What comes before the frame number in a file's name, without the sign between them.

    >>> bare_name(FramePattern("out/layers.####.exr"))
    'layers'
    """
    text = pattern.file(0, "").stem
    bare = text.removesuffix(pattern.number(0)) if pattern.has_number else text
    return bare.rstrip("._- ") or "image"


def parse_output(text: str, layer_format: Kind = "png", *, literal: bool = False) -> Output:
    """Tells a file for all layers from a folder.

    Args:
        text: what the user names.
        layer_format: of the files in a folder.
        literal: of a picture without a number: ``#``, ``@`` and ``%`` are parts of the name.

    Raises:
        UsageError: neither, or a frame number in the name of a folder.
    """
    path = Path(text)
    suffix = path.suffix.lower()
    if text.endswith(("/", "\\")) or path.is_dir() or (not suffix and not FramePattern(text, literal).has_number):
        pattern = FramePattern(str(path), literal)
        if pattern.has_number:
            raise UsageError(
                f"-o {text}: a folder has no frame number",
                cure="leave it out; the files in the folder get a frame number",
            )
        return Output(pattern, layer_format)
    if suffix in DOCUMENTS:
        return Output(FramePattern(str(path), literal), DOCUMENTS[suffix])
    raise UsageError(
        f"-o {text}: layers are written as one {' or '.join(DOCUMENTS)}, or as files into a folder",
        cure="name such a file, or a folder ending with /",
    )


def layer_files(output: Output, place: Place, stem: str, layers: int) -> list[Path]:
    """The files of one output for one frame."""
    path = place.file(output.path)
    if not output.is_folder:
        return [path]
    numbered = f".{place.number}" if place.number and not output.is_movie else ""
    suffix = "tif" if output.kind == "tiff" else output.kind
    return [path / f"{stem}.layer{number}{numbered}.{suffix}" for number in range(1, layers + 1)]


def check_delivery(delivery: Delivery, sources: Sequence[Path], places: Sequence[Place]) -> None:
    """Refuses outputs that can't be written, before anything is computed.

    Args:
        delivery: what is to be written.
        sources: the inputs.
        places: the frames, at least one.

    Raises:
        UsageError: no output, the same twice, one name for several frames or views, or the input itself.
        OutputError: an existing file without ``overwrite``, a missing folder, or a file in the place of one.
    """
    if not delivery.outputs and not delivery.sheets:
        raise UsageError(
            "nothing to write", cure="give -o OUT.exr, -o FOLDER/, --preview SHEET.png or --report PAGE.html"
        )
    files, resume = delivery.single_files, delivery.options.resume
    names = [Path(output.path.text).absolute() for output in delivery.outputs]
    names += [Path(sheet.text).absolute() for sheet in delivery.sheets]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"{name} is an output twice", cure="name it once")
    for pattern in files:
        if len({place.frame for place in places}) > 1 and not pattern.has_number:
            raise UsageError(
                f"{pattern.text}: names one file for {len({p.frame for p in places})} frames",
                cure=f"write it as {Path(pattern.text).stem}.####{Path(pattern.text).suffix}",
            )
    for pattern in [output.path for output in delivery.outputs] + files:
        if len({place.view for place in places}) > 1 and not pattern.has_view:
            raise UsageError(f"{pattern.text}: names one file for several views", cure="put %V into it")
        if pattern.has_view and not places[0].view:
            raise UsageError(f"{pattern.text}: the input has no views", cure="leave %V out, or put it into the input")
    if any(output.is_movie for output in delivery.outputs):
        if resume:
            raise UsageError("--resume can't go on with a movie", cure="leave it out, or write single frames")
        if not places[0].number:
            raise UsageError("a single image can't be a movie", cure="use --layer-format png or tiff")
    known = {_file_number(source) for source in sources if source.exists()}
    for place in places:
        for pattern in files:
            file = place.file(pattern)
            if pattern.has_number and not file.parent.exists():
                continue  # a shot's folder is made, as that of single layers
            _check_file(file, known, overwrite=delivery.options.overwrite or resume)
    for output in delivery.outputs:
        if output.is_folder:
            folder = places[0].file(output.path)
            nearest = next(part for part in (folder, *folder.parents) if part.exists())
            if not nearest.is_dir():
                raise OutputError(f"-o {folder}/: {nearest} is a file", cure="name a folder, a new one or an old one")


def _file_number(file: Path) -> tuple[int, int]:
    """What tells a file from all others, under whatever name it is reached."""
    found = file.stat()
    return found.st_dev, found.st_ino


def _check_file(file: Path, sources: set[tuple[int, int]], *, overwrite: bool) -> None:
    if file.exists() and _file_number(file) in sources:
        raise UsageError(f"{file} is the input", cure="name another output: the input is never replaced")
    check_targets([file], overwrite=overwrite)


@dataclass(frozen=True)
class Stored:
    """What a layer file says of itself.

    Attributes:
        key: the cache key that it was made under.
        palette: the text of its palette.
        plate: whether it holds the picture's own channels.
    """

    key: str = ""
    palette: str = ""
    plate: bool = False

    @classmethod
    def of(cls, texts: Mapping[str, str], *, plate: bool = False) -> Stored:
        """Of a file's metadata."""
        return cls(texts.get(_KEY, ""), texts.get(_PALETTE, ""), plate)


def stored(file: Path) -> Stored:
    """What a layer file says of itself; empty where there is no such file, it says nothing, or it is broken.

    Files of ours are whole when they have their name, so only the header and the end are looked at.
    """
    reader = _STORED_READERS.get(file.suffix.lower())
    if reader is None or not file.is_file():
        return Stored()
    with suppress(InputError, OSError, SyntaxError, ValueError):
        return reader(file)
    return Stored()


def stored_key(file: Path) -> str:
    """The cache key that a file was made under; empty as in :func:`stored`."""
    return stored(file).key


def _exr_stored(file: Path) -> Stored:
    from ..files.reading import open_image

    with open_image(file) as opened:
        for part, spec in enumerate(opened.specs):
            opened.read(part, [0], (spec.height - 1, spec.height))
        texts = {name: opened.specs[0].get_string_attribute(name) for name in (_KEY, _PALETTE)}
        return Stored.of(texts, plate=any("R" in spec.channelnames for spec in opened.specs))


def _png_stored(file: Path) -> Stored:
    from PIL import Image as Pillow

    with Pillow.open(file) as opened:
        end = b"IEND\xaeB`\x82"
        with file.open("rb") as stream:
            stream.seek(-len(end), 2)
            whole = stream.read() == end
        return Stored.of({str(name): str(text) for name, text in opened.info.items()}) if whole else Stored()


def _document_stored(file: Path) -> Stored:
    from ..files import ora, psd, tiff

    read = {".ora": ora.read_metadata, ".psd": psd.read_metadata, ".tif": tiff.read_metadata}[file.suffix.lower()]
    return Stored.of(read(file))


_STORED_READERS: dict[str, Callable[[Path], Stored]] = {
    ".exr": _exr_stored,
    ".png": _png_stored,
    ".ora": _document_stored,
    ".psd": _document_stored,
    ".tif": _document_stored,
}


def composite_errors(delivery: Delivery, place: Place, image: Image, spaces: ColorSpaces) -> dict[Path, float]:
    """For each document of a frame, how far it is from the picture when another reader puts it together again."""
    from ..files import ora, psd

    picture = in_space(image, SRGB, spaces).pixels
    if delivery.options.clip:
        picture = np.clip(picture, 0.0, 1.0)
    measures = {"ora": ora.composite_error, "psd": psd.composite_error}
    found = {}
    for output in delivery.outputs:
        if output.kind in measures:
            file = place.file(output.path)
            found[file] = measures[output.kind](file, picture)
    return found


def _document_sink(stack: ExitStack, delivery: Delivery, output: Output, frame: Frame, space: str) -> Sink:
    from ..files.ora import OraLayerWriter
    from ..files.psd import PsdLayerWriter

    make = OraLayerWriter if output.kind == "ora" else PsdLayerWriter
    writer = make(
        frame.place.file(output.path),
        height=frame.image.height,
        width=frame.image.width,
        palette=frame.identity.palette,
        blend=delivery.options.blend,
        metadata=frame.identity.metadata(space, delivery.depth(output)),
        clip=delivery.options.clip,
        overwrite=delivery.options.overwrite,
    )
    return Sink(stack.enter_context(writer), space)


def _exr_sink(stack: ExitStack, delivery: Delivery, output: Output, frame: Frame, space: str) -> Sink:
    from ..files.exr import ExrLayerWriter

    image, identity = frame.image, frame.identity
    writer = ExrLayerWriter(
        frame.place.file(output.path),
        height=image.height,
        width=image.width,
        layers=len(identity.palette),
        metadata={**delivery.options.notes, **identity.metadata(space, delivery.depth(output))},
        image=in_space(image, space, frame.spaces) if delivery.options.keep_image else image,
        color_space=space,
        half=delivery.options.half,
        clip=delivery.options.clip,
        overwrite=delivery.options.overwrite,
        plate=delivery.options.keep_image,
        single_part=delivery.options.single_part,
        compression=delivery.options.compression,
    )
    return Sink(stack.enter_context(writer), space)


def _folder_sink(stack: ExitStack, delivery: Delivery, output: Output, frame: Frame, space: str) -> Sink:
    from ..files.png import PngLayerWriter
    from ..files.tiff import TiffLayerWriter

    image, identity = frame.image, frame.identity
    make = PngLayerWriter if output.kind == "png" else TiffLayerWriter
    writer = make(
        frame.place.file(output.path),
        delivery.stem,
        height=image.height,
        width=image.width,
        palette_rgb=frame.spaces.convert(identity.palette.array, SRGB, space),
        frame=frame.place.number,
        metadata=identity.metadata(space, delivery.depth(output)),
        clip=delivery.options.clip,
        overwrite=delivery.options.overwrite,
    )
    return Sink(stack.enter_context(writer), space)


def _shared_sink(stack: ExitStack, delivery: Delivery, output: Output, frame: Frame, space: str) -> Sink:
    from ..files.shared import SharedLayerWriter

    del delivery
    path, image = frame.place.file(output.path), frame.image
    writer = SharedLayerWriter(path, height=image.height, width=image.width, layers=len(frame.identity.palette))
    return Sink(stack.enter_context(writer), space)


def _sheet_sink(stack: ExitStack, delivery: Delivery, path: Path, frame: Frame) -> Sink:
    from ..evaluation.report import LayersPage
    from ..files.sheet import ContactSheet

    image = frame.image
    # Clipped only where the layers are: the sheet compares it with their sum.
    picture = frame.spaces.convert(np.ascontiguousarray(straight(image.pixels)), image.color_space, SRGB)
    if delivery.options.clip:
        picture = np.clip(picture, 0.0, 1.0)
    title = f"{delivery.stem} {frame.place.number} {frame.place.view}".strip()
    make = partial(LayersPage, title=title) if path.suffix.lower() == ".html" else ContactSheet
    sheet = make(path, image=picture, palette=frame.identity.palette, overwrite=delivery.options.overwrite)
    return Sink(stack.enter_context(sheet), SRGB)


_OPENERS: dict[str, Callable[[ExitStack, Delivery, Output, Frame, str], Sink]] = {
    "exr": _exr_sink,
    "ora": _document_sink,
    "psd": _document_sink,
    "png": _folder_sink,
    "tiff": _folder_sink,
    "f32": _shared_sink,
}


def palette_file(delivery: Delivery) -> Path:
    """Where the palette of a shot is kept: beside its first output."""
    if delivery.outputs and delivery.outputs[0].is_folder:
        folder = delivery.outputs[0].path.file(0, "")
        return folder / f"{delivery.stem}.palette.json"
    pattern = delivery.outputs[0].path if delivery.outputs else delivery.sheets[0]
    return pattern.file(0, "").with_name(f"{bare_name(pattern)}.palette.json")


def fitting(delivery: Delivery, reading: Reading) -> Delivery:
    """The same, clipping what does not fit a file of integers where the picture is of a display of a wider gamut."""
    display = bool(delivery.sheets) or any(output.is_display for output in delivery.outputs)
    if not (reading.wide and display):
        return delivery
    return replace(delivery, options=replace(delivery.options, clip=True))


def overwriting(delivery: Delivery) -> Delivery:
    """The same, replacing what is there: of a run that has looked at it."""
    return replace(delivery, options=replace(delivery.options, overwrite=True))
