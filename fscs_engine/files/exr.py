"""Layered EXR files: scanlines, channels softcolor1.R … softcolorK.A, premultiplied; a part a layer, or one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import OpenImageIO as oiio
from numpy.typing import NDArray

from ..errors import InputError, RangeError, UsageError
from ..host.naming import CHANNELS, COMPRESSIONS, METADATA_PREFIX, layer_channels, layer_name
from ..image import Header, Image, Window
from .atomic import check_targets, replaced_file
from .exr_rows import PACKED, OiioRows, PackedRows
from .headers import kept_attributes, set_header, space_of_header
from .reading import OpenedImage, open_image
from .strips import ROWS, Strips, failed

HALF_MAXIMUM = 65504.0
"""The largest number of 16-bit floats."""

_PLATE_PART = "rgba"
"""The part of the picture's own channels, as Nuke calls it."""

_LONG_NAMES = {"R": "red", "G": "green", "B": "blue", "A": "alpha"}


class _WholeFile(ABC):
    """A file that appears when the block ends without an error; ``_stack`` is what lets go of the unfinished one."""

    _stack: ExitStack

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._stack.__exit__(kind, error, trace)
            return
        with self._stack:
            self._finish()

    @abstractmethod
    def _finish(self) -> None:
        """Writes what is still missing, and checks the file."""


class ExrLayerWriter(_WholeFile):
    """Writes layers strip by strip into one EXR file, which appears when the block ends without an error.

    Memory does not grow with the height, but for parts with the compressions "rle", "piz" and "dwaa", of which all
    layers are held: 16 K bytes a pixel, half of that with ``half``. Equal calls give equal bytes, however the rows are
    cut into strips.

    Each layer is a part of its own, named softcolor1 …, so that a program reads only the layers it needs; the picture's
    channels, if they are kept, come first as the part "rgba". The channels have their full names there too: Nuke takes
    the layer from them and not from the part's name, and Blender would take equal names in two parts for one. The
    metadata is in the first part. All parts have the picture's data window: Nuke refuses files of several.

    Args:
        path: the file.
        height: rows of the picture.
        width: its columns.
        layers: K.
        metadata: text to store, under full names ("softcolor:palette").
        image: the picture the layers are of; its windows and attributes are kept.
        color_space: the space the layers add up in; its chromaticities are written.
        half: 16-bit floats instead of 32-bit.
        clip: with ``half``, clamp what is too large instead of raising.
        overwrite: replace an existing file.
        plate: also write the channels R, G, B (and A) of ``image``, which must be in ``color_space``.
        single_part: all channels in one part, for programs that know no others.
        compression: one of :data:`fscs_engine.host.naming.COMPRESSIONS`.

    Raises:
        OutputError: the file exists, or can't be written.
        RangeError: on writing, a value does not fit 16-bit floats.
        UsageError: ``plate`` and the image is in another space.

    Example:
        >>> layers = np.zeros((2, 32, 8, 4), np.float32)
        >>> with ExrLayerWriter("o.exr", height=32, width=8, layers=2, metadata={}, color_space="acescg") as writer:
        ...     writer.write(0, layers[:, :10])
        ...     writer.write(10, layers[:, 10:])
    """

    def __init__(
        self,
        path: str | Path,
        *,
        height: int,
        width: int,
        layers: int,
        metadata: Mapping[str, str],
        image: Image | None = None,
        color_space: str,
        half: bool = False,
        clip: bool = False,
        overwrite: bool = False,
        plate: bool = False,
        single_part: bool = False,
        compression: str = COMPRESSIONS[0],
    ) -> None:
        if compression not in COMPRESSIONS:
            raise UsageError(f"there is no compression {compression!r}", cure=f"use one of {', '.join(COMPRESSIONS)}")
        if image is not None and image.pixels.shape[:2] != (height, width):
            raise ValueError(f"the image is {image.pixels.shape[:2]}, the layers {(height, width)}")
        self._plate: NDArray[np.float32] | None = None
        names = layer_channels(layers)
        parts = [(layer_name(n), names[4 * n - 4 : 4 * n]) for n in range(1, layers + 1)]
        if plate:
            if image is None:
                raise ValueError("plate=True needs the image")
            if image.color_space != color_space:
                raise UsageError(
                    f"the image's own channels are in {image.color_space}, the layers in {color_space}",
                    cure=f"leave the image's channels out or take {image.color_space} as the working space",
                )
            self._plate = image.pixels
            parts.insert(0, (_PLATE_PART, list("RGBA"[: image.pixels.shape[2]])))
        if single_part:
            parts = [("", [name for _, channels in parts for name in channels])]
        self.path = Path(path)
        self._height, self._width, self._layers, self._compression = height, width, layers, compression
        self._half, self._clip, self._overwrite = half, clip, overwrite
        self._specs = [_header(height, width, own, image, color_space, half, compression) for _, own in parts]
        for spec, (part, _) in zip(self._specs, parts, strict=True):
            if len(parts) > 1:
                spec.attribute("oiio:subimagename", part)
        for key, text in metadata.items():
            self._specs[0].attribute(key, text)
        check_targets([self.path], overwrite=overwrite)

    def __enter__(self) -> ExrLayerWriter:
        self._strips = Strips(self._layers, self._height, self._width)
        with ExitStack() as stack:
            self._temporary = stack.enter_context(replaced_file(self.path, overwrite=self._overwrite))
            self._rows: PackedRows | OiioRows
            if self._compression in PACKED:
                self._rows = PackedRows(self.path, self._temporary, self._specs, self._compression)
            else:
                self._rows = OiioRows(self.path, self._temporary, self._specs)
            stack.callback(self._rows.close)
            self._stack = stack.pop_all()
        # Rows that wait for the others of their block.
        self._begun = np.empty((self._layers, self._rows.unit, self._width, 4), np.float32)
        return self

    def write(self, top: int, layers: NDArray[np.float32]) -> None:
        """Writes the next rows.

        Args:
            top: the first row; strips come strictly from top to bottom.
            layers: (K, h, W, 4) float32, premultiplied, in the working space.

        Raises:
            RangeError, OutputError: see the class.
        """
        self._strips.check(top, layers)
        unit = self._rows.unit
        while layers.shape[1]:
            begun, left = self._strips.done % unit, layers.shape[1]
            ends = self._strips.done + left == self._height
            count = min(unit - begun, left) if begun or left < unit else left if ends else left // unit * unit
            rows, layers = layers[:, :count], layers[:, count:]
            if begun or (count < unit and not ends):
                self._begun[:, begun : begun + count] = rows
                rows = self._begun[:, : begun + count]
            self._strips.done += count
            if rows.shape[1] >= unit or self._strips.whole:
                self._put(self._strips.done - rows.shape[1], rows)

    def _put(self, top: int, layers: NDArray[np.float32]) -> None:
        """Hands on rows that begin a block."""
        sources = [(layer_name(n), layer, top) for n, layer in enumerate(layers, 1)]
        if self._plate is not None:
            sources.insert(0, ("the image", self._plate, 0))

        def pixels(first: int, last: int, source: tuple[str, NDArray[np.float32], int]) -> NDArray[Any]:
            name, values, begins = source
            values = values[first - begins : last - begins]
            return _to_half(values[None], self._clip, self.path, [name], first)[0] if self._half else values

        def together(first: int, last: int) -> NDArray[Any]:
            return np.concatenate([pixels(first, last, source) for source in sources], axis=-1)

        single = len(self._specs) < len(sources)
        parts = [together] if single else [partial(pixels, source=source) for source in sources]
        self._rows.write(top, layers.shape[1], parts)

    def _finish(self) -> None:
        self._strips.check_whole()
        self._rows.end()
        _check_written(self.path, self._temporary, *self._specs)


def write_exr(
    path: str | Path,
    image: Image,
    *,
    half: bool = False,
    overwrite: bool = False,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Writes a plain RGB(A) EXR with the image's windows, attributes and chromaticities.

    ``metadata`` is text to store, under full names ("softcolor:key").

    Raises:
        OutputError: the file exists or can't be written.
        RangeError: ``half``, and a value does not fit.
    """
    with ExrWriter(path, image, image.pixels.shape[2], half=half, overwrite=overwrite, metadata=metadata) as writer:
        writer.write(image.pixels)


class ExrWriter(_WholeFile):
    """Writes a plain RGB(A) EXR from top to bottom; it appears when the block ends without an error.

    Args:
        path: the file.
        header: its windows, attributes and chromaticities.
        channels: 3 or 4.
        half: 16-bit floats instead of 32-bit.
        clip: with ``half``, clamp what is too large instead of raising.
        overwrite: replace an existing file.
        metadata: text to store, under full names ("softcolor:key").

    Raises:
        OutputError: the file exists or can't be written.
        RangeError: on writing, a value does not fit 16-bit floats.
    """

    def __init__(
        self,
        path: str | Path,
        header: Header,
        channels: int,
        *,
        half: bool = False,
        clip: bool = False,
        overwrite: bool = False,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        self._path, self._half, self._clip, self._overwrite = Path(path), half, clip, overwrite
        window = header.data_window
        names = list("RGBA"[:channels])
        self._spec = _header(window.height, window.width, names, header, header.color_space, half)
        for key, text in (metadata or {}).items():
            self._spec.attribute(key, text)
        self._done = 0

    def __enter__(self) -> ExrWriter:
        with ExitStack() as stack:
            self._temporary = stack.enter_context(replaced_file(self._path, overwrite=self._overwrite))
            self._rows = OiioRows(self._path, self._temporary, [self._spec])
            stack.callback(self._rows.close)
            self._stack = stack.pop_all()
        return self

    def write(self, rows: NDArray[np.float32]) -> None:
        """Writes the next rows, (h, W, C) premultiplied.

        Raises:
            RangeError, OutputError: see the class.
        """
        begins = self._done

        def pixels(first: int, last: int) -> NDArray[Any]:
            values = rows[first - begins : last - begins]
            return _to_half(values[None], self._clip, self._path, ["the image"], first)[0] if self._half else values

        self._rows.write(begins, len(rows), [pixels])
        self._done += len(rows)

    def _finish(self) -> None:
        self._rows.end()
        _check_written(self._path, self._temporary, self._spec)


@dataclass(frozen=True, eq=False, kw_only=True)
class LayeredHeader:
    """What a layered file says of its layers.

    Attributes:
        count: K.
        metadata: the texts whose names start with "softcolor:", under their full names.
        color_space: the space the layers add up in.
        data_window: what the layers cover.
        display_window: the format.
        attributes: the other header attributes, as ``Image`` has them.
        source: the file.
    """

    count: int
    metadata: Mapping[str, str]
    color_space: str
    data_window: Window
    display_window: Window
    attributes: Mapping[str, object] = field(default_factory=dict)
    source: Path


@dataclass(frozen=True, eq=False, kw_only=True)
class LayeredFile(LayeredHeader):
    """What ``read_layers`` found.

    Attributes:
        layers: (K, H, W, 4) float32, premultiplied, in ``color_space``.
    """

    layers: NDArray[np.float32]


def read_layers(path: str | Path) -> LayeredFile:
    """Reads a layered EXR that ``ExrLayerWriter`` wrote, or that a host saved again, of one part or several.

    Raises:
        InputError: no such file, damaged, or not one of ours.
    """
    with open_image(Path(path)) as opened:
        parts = _LayerParts(opened)
        window = parts.header.data_window
        layers = np.empty((parts.header.count, window.height, window.width, 4), np.float32)
        for top in range(0, window.height, ROWS):  # so that the pixels are held once and not twice
            parts.read(top, layers[:, top : top + ROWS])
        return LayeredFile(**vars(parts.header), layers=layers)


def read_layers_header(path: str | Path) -> LayeredHeader:
    """What a layered EXR says of its layers, without decoding a pixel.

    Raises:
        InputError: as ``read_layers``, as far as the header shows it.
    """
    with open_image(Path(path)) as opened:
        return _LayerParts(opened).header


def read_layer_strips(
    path: str | Path, memory: Callable[[tuple[int, ...]], NDArray[np.float32]]
) -> Iterator[NDArray[np.float32]]:
    """Reads a layered EXR from top to bottom: (K, h, W, 4) as ``read_layers`` has them, in arrays from ``memory``.

    Raises:
        InputError: as ``read_layers``.
    """
    with open_image(Path(path)) as opened:
        parts = _LayerParts(opened)
        window = parts.header.data_window
        for top in range(0, window.height, ROWS):
            strip = memory((parts.header.count, min(ROWS, window.height - top), window.width, 4))
            parts.read(top, strip)
            yield strip


class _LayerParts:
    """The parts of an open file that hold its layers.

    Raises:
        InputError: there are none.
    """

    def __init__(self, opened: OpenedImage) -> None:
        found = _found_layers(opened.specs)
        if not found or opened.format != "openexr":
            raise InputError(
                f"{opened.path}: holds no layers named {layer_name(1)}", cure="give an EXR that 'fscs segment' wrote"
            )
        first = found[0][0]
        spec = opened.specs[first]
        # Layers that were saved in several parts have their metadata in the first.
        metadata = {
            str(a.name): str(a.value)
            for part in opened.specs[: first + 1]
            for a in part.extra_attribs
            if str(a.name).startswith(METADATA_PREFIX)
        }
        self._opened, self._found = opened, found
        self._tiled: dict[int, NDArray[np.float32]] = {}
        self.header = LayeredHeader(
            count=len(found),
            metadata=metadata,
            color_space=metadata.get(METADATA_PREFIX + "working_space") or space_of_header(spec) or "lin_rec709",
            # A host may have cut the parts to what is in them.
            data_window=Window.around(_window(opened.specs[part]) for part, _ in found),
            display_window=Window(spec.full_x, spec.full_y, spec.full_width, spec.full_height),
            attributes=kept_attributes(spec, opened.format),
            source=opened.path,
        )

    def read(self, top: int, strip: NDArray[np.float32]) -> None:
        """Fills a strip (K, h, W, 4), whose first row is ``top`` of the data window."""
        window = self.header.data_window
        bottom = top + strip.shape[1]
        # Layers of one part are read together, as it is packed.
        for part in sorted({part for part, _ in self._found}):
            numbers = [n for n, (p, _) in enumerate(self._found) if p == part]
            own = self._opened.specs[part]
            down, left = own.y - window.y, own.x - window.x
            first, last = max(top, down), min(bottom, down + own.height)
            rows = self._rows(part, numbers, first - down, last - down) if first < last else None
            whole = (first, last, own.width) == (top, bottom, window.width)
            for place, number in enumerate(numbers):
                if not whole:
                    strip[number] = 0
                if rows is not None:
                    target = strip[number, first - top : last - top, left : left + own.width]
                    target[...] = rows[..., 4 * place : 4 * place + 4]

    def _rows(self, part: int, numbers: Sequence[int], first: int, last: int) -> NDArray[np.float32]:
        """Rows of a part, (h, w, 4 a layer)."""
        chosen = [index for n in numbers for index in self._found[n][1]]
        if self._opened.specs[part].tile_width == 0:
            return self._opened.read(part, chosen, (first, last))
        if part not in self._tiled:  # tiles are not read by rows
            self._tiled[part] = self._opened.read(part, chosen)
        return self._tiled[part][first:last]


def _window(spec: oiio.ImageSpec) -> Window:
    return Window(spec.x, spec.y, spec.width, spec.height)


def _found_layers(specs: Sequence[oiio.ImageSpec]) -> list[tuple[int, list[int]]]:
    """For softcolor1 … as far as they go: the part, and where R, G, B, A of the layer stand in it."""
    names = [(part, list(spec.channelnames)) for part, spec in enumerate(specs) if not spec.deep]
    found: list[tuple[int, list[int]]] = []
    while True:
        layer = layer_name(len(found) + 1)
        here = ((part, indices) for part, channels in names if (indices := _layer_indices(channels, layer)))
        place = next(here, None)
        if place is None:
            return found
        found.append(place)


def _layer_indices(names: list[str], layer: str) -> list[int]:
    """Where R, G, B, A of a layer stand; [] where one is missing. Nuke saves softcolor1.red, so that is read too."""
    found = []
    for channel in CHANNELS:
        known = [n for n in (f"{layer}.{channel}", f"{layer}.{_LONG_NAMES[channel]}") if n in names]
        if not known:
            return []
        found.append(names.index(known[0]))
    return found


def _header(
    height: int,
    width: int,
    names: list[str],
    image: Header | None,
    color_space: str,
    half: bool,
    compression: str = COMPRESSIONS[0],
) -> oiio.ImageSpec:
    spec = oiio.ImageSpec(width, height, len(names), "half" if half else "float")
    spec.channelnames = names
    if "A" not in names:
        spec.alpha_channel = -1
    if image is not None:
        spec.x, spec.y = image.data_window.x, image.data_window.y
        window = image.display_window
        spec.full_x, spec.full_y, spec.full_width, spec.full_height = window.x, window.y, window.width, window.height
    attributes = dict(image.attributes) if image is not None else {}
    if image is not None and image.color_space != color_space:
        attributes.pop("chromaticities", None)  # those of the input
    set_header(spec, attributes, color_space)
    spec.attribute("compression", compression)
    return spec


def _check_written(path: Path, temporary: Path, *specs: oiio.ImageSpec) -> None:
    """Reads the headers and the last rows back: a full disk is not always reported by the writer."""
    written = oiio.ImageInput.open(str(temporary))
    complaint = oiio.geterror()
    if written is not None:
        whole = all(_is_whole(written, part, spec) for part, spec in enumerate(specs))
        complaint = written.geterror()
        written.close()
        if whole:
            return
    raise failed(path, complaint)


def _is_whole(written: oiio.ImageInput, part: int, spec: oiio.ImageSpec) -> bool:
    """Whether a part has the size and the channels of ``spec``, and a last row."""
    if not written.seek_subimage(part, 0):
        return False
    found = written.spec()
    last = spec.y + spec.height - 1
    row = written.read_scanlines(part, 0, last, last + 1, 0, 0, found.nchannels, "float")
    same = found.image_pixels() == spec.image_pixels() and found.nchannels == spec.nchannels
    return row is not None and bool(same)


def _to_half(values: NDArray[np.float32], clip: bool, path: Path, names: list[str], top: int) -> NDArray[np.float16]:
    """(n, h, W, C) float32 → float16; ``names`` of the n and the row ``top`` are for the message."""
    if clip:
        return np.clip(values, -HALF_MAXIMUM, HALF_MAXIMUM).astype(np.float16)
    too_large = ~(np.abs(values) <= HALF_MAXIMUM)
    if too_large.any():
        n, y, x, channel = np.argwhere(too_large)[0]
        raise RangeError(
            f"{path}: {values[n, y, x, channel]:g} in {names[n]} at x={x} y={top + y} does not fit 16-bit floats",
            cure="leave --half out or pass --clip",
        )
    return values.astype(np.float16)
