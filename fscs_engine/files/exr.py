"""Layered EXR files: scanlines, channels softcolor1.R … softcolorK.A, premultiplied; a part a layer, or one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from ..image import Image, Window
from .atomic import check_targets, replaced_file
from .exr_rows import PACKED, OiioRows, PackedRows, open_output
from .headers import kept_attributes, set_header, space_of_header
from .reading import open_image
from .strips import ROWS, Strips, failed

HALF_MAXIMUM = 65504.0
"""The largest number of 16-bit floats."""

_PLATE_PART = "rgba"
"""The part of the picture's own channels, as Nuke calls it."""

_LONG_NAMES = {"R": "red", "G": "green", "B": "blue", "A": "alpha"}


class ExrLayerWriter:
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

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._stack.__exit__(kind, error, trace)
            return
        with self._stack:
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
    path = Path(path)
    height, width, channels = image.pixels.shape
    spec = _header(height, width, list("RGBA"[:channels]), image, image.color_space, half)
    for key, text in (metadata or {}).items():
        spec.attribute(key, text)
    with replaced_file(path, overwrite=overwrite) as temporary:
        output = open_output(path, temporary, [spec])
        try:
            for top in range(0, height, ROWS):
                rows: NDArray[Any] = image.pixels[top : top + ROWS]
                if half:
                    rows = _to_half(rows[None], False, path, ["the image"], top)[0]
                if not output.write_scanlines(spec.y + top, spec.y + top + len(rows), 0, rows):
                    raise failed(path, output.geterror())
        except BaseException:
            output.close()
            output.geterror()
            raise
        if not output.close():
            raise failed(path, output.geterror())
        _check_written(path, temporary, spec)


@dataclass(frozen=True, eq=False)
class LayeredFile:
    """What ``read_layers`` found.

    Attributes:
        layers: (K, H, W, 4) float32, premultiplied, in ``color_space``.
        metadata: the texts whose names start with "softcolor:", under their full names.
        color_space: the space the layers add up in.
        data_window: what the layers cover.
        display_window: the format.
        attributes: the other header attributes, as ``Image`` has them.
        source: the file.
    """

    layers: NDArray[np.float32]
    metadata: Mapping[str, str]
    color_space: str
    data_window: Window
    display_window: Window
    attributes: Mapping[str, object] = field(default_factory=dict)
    source: Path | None = None


def read_layers(path: str | Path) -> LayeredFile:
    """Reads a layered EXR that ``ExrLayerWriter`` wrote, or that a host saved again, of one part or several.

    Raises:
        InputError: no such file, damaged, or not one of ours.
    """
    path = Path(path)
    with open_image(path) as opened:
        found = _found_layers(opened.specs)
        if not found or opened.format != "openexr":
            raise InputError(
                f"{path}: holds no layers named {layer_name(1)}", cure="give an EXR that 'fscs segment' wrote"
            )
        first = found[0][0]
        spec = opened.specs[first]
        # A host may have cut the parts to what is in them.
        window = Window.around(_window(opened.specs[part]) for part, _ in found)
        # Layers that were saved in several parts have their metadata in the first.
        metadata = {
            str(a.name): str(a.value)
            for part in opened.specs[: first + 1]
            for a in part.extra_attribs
            if str(a.name).startswith(METADATA_PREFIX)
        }
        layers = np.zeros((len(found), window.height, window.width, 4), np.float32)
        # Layers of one part are read together, as it is packed.
        for part in sorted({part for part, _ in found}):
            numbers = [n for n, (p, _) in enumerate(found) if p == part]
            chosen = [index for n in numbers for index in found[n][1]]
            # In strips, so that the pixels are held once and not twice.
            own = opened.specs[part]
            covered = layers[:, own.y - window.y :, own.x - window.x :][:, : own.height, : own.width]
            step = own.height if own.tile_width > 0 else ROWS
            for top in range(0, own.height, step):
                bottom = min(top + step, own.height)
                rows = opened.read(part, chosen, None if own.tile_width > 0 else (top, bottom))
                rows = rows.reshape(bottom - top, own.width, len(numbers), 4).transpose(2, 0, 1, 3)
                covered[numbers, top:bottom] = rows
        return LayeredFile(
            layers=layers,
            metadata=metadata,
            color_space=metadata.get(METADATA_PREFIX + "working_space") or space_of_header(spec) or "lin_rec709",
            data_window=window,
            display_window=Window(spec.full_x, spec.full_y, spec.full_width, spec.full_height),
            attributes=kept_attributes(spec, opened.format),
            source=path,
        )


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
    image: Image | None,
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
