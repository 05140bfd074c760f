"""Pictures and masks from files. What each number and naming of channels means is decided here."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
from numpy.typing import NDArray

from ..errors import InputError, NonFiniteError
from ..image import Image, Window
from .headers import kept_attributes, space_of_header

_ROLES = {"r": "R", "red": "R", "g": "G", "green": "G", "b": "B", "blue": "B", "a": "A", "alpha": "A"}
_TIFF_COLOR_MODELS = {5: "CMYK", 8: "CIELAB", 9: "ICCLAB", 10: "ITULAB"}
_LISTED = 20


def read_image(path: str | Path, *, layer: str = "", color_space: str = "auto", clean_nonfinite: bool = False) -> Image:
    """Reads a picture of any format that OpenImageIO knows.

    One channel is gray, two are gray and alpha, three RGB, four RGBA. Of more channels, or named layers, the layer
    asked for is taken, else the channels without a layer's name (else the only layer there is). Of an EXR file of
    several parts, the first with RGB. Straight alpha is multiplied in, in float32; a photograph is turned upright.

    Args:
        path: the file.
        layer: a layer's name ("diffuse" for the channels diffuse.R, …) or a part's; "" is the root layer.
        color_space: what the values are; "auto" takes it from the header's names and chromaticities for EXR, HDR and
            float TIFF ("lin_rec709" where there are none), "srgb" for integer files.
        clean_nonfinite: replace NaN and infinity by the mean of the finite neighbors (0 where there are none)
            instead of raising an error.

    Returns:
        The image, premultiplied, in the file's own values, covering the data window.

    Raises:
        InputError: no such file, empty, damaged, of a kind that is not read (deep, luminance-chroma, subsampled,
            CMYK), or without the layer.
        NonFiniteError: NaN or infinity; names the first such pixel.
    """
    path = Path(path)
    with open_image(path) as opened:
        chosen = _choose(opened, layer)
        spec = opened.specs[chosen.part]
        pixels = opened.read(chosen.part, chosen.indices)
        window = Window(spec.x, spec.y, spec.width, spec.height)
        display = Window(spec.full_x, spec.full_y, spec.full_width, spec.full_height)
        if opened.format != "openexr":
            pixels = _upright(pixels, spec.get_int_attribute("Orientation", 1))
            window = display = Window(0, 0, pixels.shape[1], pixels.shape[0])
        _check_finite(path, pixels, window, chosen, clean_nonfinite)
        pixels = _to_rgb(pixels)
        if pixels.shape[2] == 4 and opened.format != "openexr" and spec.get_int_attribute("oiio:UnassociatedAlpha"):
            pixels[..., :3] *= pixels[..., 3:]
        return Image(
            pixels=pixels,
            color_space=_space(spec) if color_space == "auto" else color_space,
            data_window=window,
            display_window=display,
            attributes=kept_attributes(spec, opened.format),
            source=path,
        )


def read_color_space(path: str | Path, *, layer: str = "") -> str:
    """The color space that :func:`read_image` would find, without decoding a pixel.

    Raises:
        InputError: as ``read_image``, as far as the header shows it.
    """
    with open_image(Path(path)) as opened:
        return _space(opened.specs[_choose(opened, layer).part])


def read_mask(path: str | Path, *, image: Image | None = None) -> NDArray[np.float32]:
    """Reads a mask: the file's first channel as data, never linearized.

    Args:
        path: the file.
        image: the picture it is for. The mask is then placed on that picture's data window: a mask with the
            picture's display window by its coordinates (0 where its own data window doesn't reach), any other by its
            size. Without it, the mask covers its own data window.

    Returns:
        (H, W) float32 in [0, 1].

    Raises:
        InputError: as ``read_image``; also another size than the picture's.
        NonFiniteError: NaN or infinity.
    """
    path = Path(path)
    with open_image(path) as opened:
        part = next((i for i, spec in enumerate(opened.specs) if not spec.deep), None)
        if part is None:
            raise _deep(path)
        spec = opened.specs[part]
        chosen = _Channels(part, (0,), ("mask",))
        plane = opened.read(chosen.part, chosen.indices)
        if opened.format != "openexr":
            plane = _upright(plane, spec.get_int_attribute("Orientation", 1))
        height, width = plane.shape[:2]
        window = Window(spec.x, spec.y, width, height)
        display = Window(spec.full_x, spec.full_y, spec.full_width, spec.full_height)
        if opened.format != "openexr":
            window = display = Window(0, 0, width, height)
        _check_finite(path, plane, window, chosen, False, cure="repair the mask")
        mask: NDArray[np.float32] = np.clip(plane[..., 0], 0.0, 1.0)
        return mask if image is None else _placed(path, mask, window, display, image)


@dataclass(frozen=True)
class _Channels:
    """Which channels of which part make the picture; ``names`` for messages."""

    part: int
    indices: tuple[int, ...]
    names: tuple[str, ...]


@dataclass(frozen=True)
class OpenedImage:
    """An open file: its path, OpenImageIO's name of its format, and the headers of its parts."""

    path: Path
    format: str
    specs: tuple[oiio.ImageSpec, ...]
    input: oiio.ImageInput

    def read(self, part: int, channels: Sequence[int], rows: tuple[int, int] | None = None) -> NDArray[np.float32]:
        """The channels asked for, in that order: (H, W, C) float32 as in the file, integers scaled to [0, 1].

        ``rows`` (first, last + 1), counted from 0, is for files without tiles.

        Raises:
            InputError: the file is damaged, or too large for the memory.
        """
        first, last = min(channels), max(channels) + 1
        try:
            if rows is None:
                read = self.input.read_image(part, 0, first, last, "float")
            else:
                top = self.specs[part].y
                read = self.input.read_scanlines(part, 0, top + rows[0], top + rows[1], 0, first, last, "float")
        except MemoryError:
            raise InputError(f"{self.path}: is too large for the memory", cure="use a smaller image") from None
        complaint = self.input.geterror()
        # libjpeg only warns of a file that is cut off, and paints the rest gray. Stray bytes do no harm.
        if read is None or (complaint and "extraneous bytes" not in complaint):
            raise _unreadable(self.path, complaint)
        indices = [i - first for i in channels]
        if indices != list(range(last - first)):
            read = read[..., indices]
        pixels: NDArray[np.float32] = np.ascontiguousarray(read, dtype=np.float32)
        return pixels


@contextmanager
def open_image(path: Path) -> Iterator[OpenedImage]:
    """Opens a picture file and reads its headers; every failure is an InputError."""
    _check_file(path)
    hints = oiio.ImageSpec()
    # OpenImageIO premultiplies in the file's own 8 bits and turns CMYK into some RGB, unless told not to.
    hints.attribute("oiio:UnassociatedAlpha", 1)
    hints.attribute("oiio:RawColor", 1)
    file = oiio.ImageInput.open(str(path), hints)
    if file is None:
        raise _unreadable(path, oiio.geterror())
    try:
        specs: list[oiio.ImageSpec] = []
        # Of other formats the further pictures are pages, frames or thumbnails, never parts of one picture.
        while (not specs or file.format_name() == "openexr") and file.seek_subimage(len(specs), 0):
            specs.append(file.spec())
        file.geterror()
        if not specs:
            raise _unreadable(path, "it holds no image")
        yield OpenedImage(path, file.format_name(), tuple(specs), file)
    finally:
        file.close()
        # Messages that nobody fetched are printed when the program ends.
        file.geterror()
        oiio.geterror()


def _check_file(path: Path) -> None:
    """Refuses what can be refused without a decoder."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise InputError(f"{path!r}: the name is not valid UTF-8", cure="rename the file") from None
    if first_bytes(path, 8, "an image file") == b"\x89PNG\r\n\x1a\n" and not _png_is_whole(path):
        raise _unreadable(path, "the file is cut off")


def first_bytes(path: Path, count: int, what: str) -> bytes:
    """How a file begins; ``what`` is what the cure says to name.

    Raises:
        InputError: it is missing, a folder, empty, or can't be read.
    """
    try:
        with path.open("rb") as file:
            start = file.read(count)
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file", cure="check the path") from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder", cure=f"name {what}") from None
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror})", cure="check its permissions") from error
    if not start:
        raise InputError(f"{path}: is empty (0 bytes)", cure="copy or render the file again")
    return start


def _png_is_whole(path: Path) -> bool:
    """Whether the chunks of a PNG go on to its end chunk; libpng would print its own complaint on the terminal."""
    size = path.stat().st_size
    position = 8
    with path.open("rb") as file:
        while position + 12 <= size:
            file.seek(position)
            length, kind = struct.unpack(">I4s", file.read(8))
            position += 12 + length
            if kind == b"IEND":
                return bool(position <= size)
    return False


def _unreadable(path: Path, reason: str) -> InputError:
    reason = " ".join(reason.split())
    if "ubsampled" in reason:
        if '"RY"' in reason or '"BY"' in reason:
            return _luminance_chroma(path)
        return InputError(f"{path}: has subsampled channels, which are not read", cure="save it at full size")
    return InputError(
        f"{path}: can't be read as an image ({reason or 'unknown format'})",
        cure="check that the file is complete and of a known format, or render it again",
    )


def _deep(path: Path) -> InputError:
    return InputError(f"{path}: is a deep image, which is not read", cure="flatten it (in Nuke with DeepToImage)")


def _luminance_chroma(path: Path) -> InputError:
    return InputError(f"{path}: is a luminance-chroma EXR, which is not read", cure="save it as RGB or RGBA")


def _choose(opened: OpenedImage, layer: str) -> _Channels:
    """Finds the channels of the layer asked for, of the first part that has them."""
    path = opened.path
    flat = [i for i, spec in enumerate(opened.specs) if not spec.deep]
    if not flat:
        raise _deep(path)
    _check_color_model(opened)
    if layer:
        for part in flat:
            names = _layers(opened.specs[part]).get(layer)
            if names:
                return _roles(opened, part, names)
        for part in flat:
            if opened.specs[part].get_string_attribute("oiio:subimagename") == layer:
                names = _root(opened.specs[part]) or list(opened.specs[part].channelnames)
                return _roles(opened, part, names)
        raise InputError(f"{path}: has no layer {layer!r}", cure=_known_layers(opened, flat))
    for part in flat:
        root = _root(opened.specs[part])
        if {"R", "G", "B"} <= {_role(name) for name in root}:
            return _roles(opened, part, root)
    for part in flat:
        root = _root(opened.specs[part])
        # A lone depth channel beside named layers is not the picture.
        if root and ("Y" in root or not _layers(opened.specs[part])):
            return _roles(opened, part, root)
    layers = [(part, names) for part in flat for names in _layers(opened.specs[part]).values()]
    if len(layers) == 1:
        return _roles(opened, *layers[0])
    raise InputError(f"{path}: has only named layers", cure=_known_layers(opened, flat))


def _check_color_model(opened: OpenedImage) -> None:
    spec = opened.specs[0]
    model = _TIFF_COLOR_MODELS.get(spec.get_int_attribute("tiff:PhotometricInterpretation", -1), "")
    for attribute in ("jpeg:ColorSpace", "psd:ColorMode", "oiio:ColorSpace"):
        found = spec.get_string_attribute(attribute).upper()
        if found in ("CMYK", "YCCK", "LAB", "MULTICHANNEL", "DUOTONE"):
            model = model or found
    if model:
        raise InputError(f"{opened.path}: is a {model} image, which is not read", cure="convert it to RGB")
    if spec.depth > 1:
        raise InputError(f"{opened.path}: is a volume, which is not read", cure="save one slice as an image")


def _layers(spec: oiio.ImageSpec) -> dict[str, list[str]]:
    """The named layers of a part, in file order: "diffuse" → its channels' full names."""
    layers: dict[str, list[str]] = {}
    for name in spec.channelnames:
        layer, dot, _ = name.rpartition(".")
        if dot:
            layers.setdefault(layer, []).append(name)
    return layers


def _root(spec: oiio.ImageSpec) -> list[str]:
    return [name for name in spec.channelnames if "." not in name]


def _known_layers(opened: OpenedImage, parts: Sequence[int]) -> str:
    names: list[str] = []
    for part in parts:
        spec = opened.specs[part]
        part_name = spec.get_string_attribute("oiio:subimagename")
        names += [n for n in (part_name, *_layers(spec)) if n and n not in names]
    if not names:
        return "it has no named layers, leave --input-layer out"
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"choose one with --input-layer: {', '.join(names[:_LISTED])}{more}"


def _role(name: str) -> str:
    """R, G, B or A for a channel that is named so, with or without a layer before; else ""."""
    return _ROLES.get(name.rpartition(".")[2].lower(), "")


def _roles(opened: OpenedImage, part: int, names: Sequence[str]) -> _Channels:
    """Sorts the channels of one layer into RGB(A) or gray(A): by name where that says it, else by position."""
    short = {name.rpartition(".")[2].upper() for name in names}
    if short & {"RY", "BY"}:
        raise _luminance_chroma(opened.path)
    by_role = {role: name for name in reversed(names) if (role := _role(name))}
    if {"R", "G", "B"} <= by_role.keys():
        taken = [by_role[role] for role in "RGBA" if role in by_role]
    elif len(names) <= 2:
        taken = sorted(names, key=lambda name: _role(name) == "A")
    elif "Y" in short and "X" not in short:
        taken = [next(name for name in names if name.rpartition(".")[2].upper() == "Y")]
        taken += [by_role["A"]] * ("A" in by_role)
    elif len(names) <= 4:
        taken = list(names)
    else:
        raise InputError(
            f"{opened.path}: none of the channels {', '.join(names[:_LISTED])} are named R, G and B",
            cure=_known_layers(opened, [part]) if _layers(opened.specs[part]) else "save it as RGB or RGBA",
        )
    all_names = list(opened.specs[part].channelnames)
    return _Channels(part, tuple(all_names.index(name) for name in taken), tuple(taken))


def _upright(pixels: NDArray[np.float32], orientation: int) -> NDArray[np.float32]:
    """Turns (H, W, C) as the Exif orientation 1 to 8 says."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    flip_rows = orientation in (3, 4, 7, 8)
    flip_columns = orientation in (2, 3, 6, 7)
    return np.ascontiguousarray(pixels[:: -1 if flip_rows else 1, :: -1 if flip_columns else 1])


def _to_rgb(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """(H, W, 1 to 4) → (H, W, 3 or 4): gray becomes RGB."""
    channels = pixels.shape[2]
    if channels > 2:
        return pixels
    return np.ascontiguousarray(pixels[..., [0, 0, 0] if channels == 1 else [0, 0, 0, 1]])


def _check_finite(
    path: Path,
    pixels: NDArray[np.float32],
    window: Window,
    chosen: _Channels,
    cleaned: bool,
    cure: str = "fix the render, or pass --clean-nonfinite",
) -> None:
    """Raises or, in place, cleans what is NaN or infinite."""
    # In slabs: a mask of the whole picture would cost a quarter of its memory.
    bad_rows = [
        top + row
        for top in range(0, len(pixels), 256)
        for row in np.flatnonzero(~np.isfinite(pixels[top : top + 256]).all(axis=(1, 2)))
    ]
    if not bad_rows:
        return
    if not cleaned:
        y = int(bad_rows[0])
        x, channel = (int(v) for v in np.argwhere(~np.isfinite(pixels[y]))[0])
        what = "NaN" if np.isnan(pixels[y, x, channel]) else "infinity"
        raise NonFiniteError(
            f"{path}: {what} in pixel x={x + window.x} y={y + window.y}, channel {chosen.names[channel]}",
            cure=cure,
        )
    clean(pixels)


def clean(pixels: NDArray[np.float32]) -> None:
    """Replaces NaN and infinity by the mean of the finite neighbors, 0 where there are none. (H, W, C), in place."""
    rows, columns, channels = np.nonzero(~np.isfinite(pixels))
    total = np.zeros(len(rows), np.float64)
    count = np.zeros(len(rows), np.float64)
    height, width = pixels.shape[:2]
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            near_y, near_x = rows + dy, columns + dx
            inside = (near_y >= 0) & (near_y < height) & (near_x >= 0) & (near_x < width)
            values = pixels[near_y.clip(0, height - 1), near_x.clip(0, width - 1), channels]
            good = inside & np.isfinite(values)
            total[good] += values[good]
            count[good] += 1
    pixels[rows, columns, channels] = total / np.maximum(count, 1)


def _space(spec: oiio.ImageSpec) -> str:
    floating = str(spec.format) in ("half", "float", "double")
    return (space_of_header(spec) or "lin_rec709") if floating else "srgb"


def _placed(
    path: Path, mask: NDArray[np.float32], window: Window, display: Window, image: Image
) -> NDArray[np.float32]:
    """The mask on the image's data window."""
    wanted, format_ = image.data_window, image.display_window
    if (window.width, window.height) == (wanted.width, wanted.height) and window == display:
        return mask
    if (display.width, display.height) != (format_.width, format_.height):
        raise InputError(
            f"{path}: the mask is {display.width} x {display.height}, the image {format_.width} x {format_.height}",
            cure="use a mask of the image's size",
        )
    # Offset of the mask's first pixel from the image's, each counted from its own display window.
    dx = (window.x - display.x) - (wanted.x - format_.x)
    dy = (window.y - display.y) - (wanted.y - format_.y)
    placed = np.zeros((wanted.height, wanted.width), np.float32)
    top, bottom = max(0, dy), min(wanted.height, dy + window.height)
    left, right = max(0, dx), min(wanted.width, dx + window.width)
    if top < bottom and left < right:
        placed[top:bottom, left:right] = mask[top - dy : bottom - dy, left - dx : right - dx]
    return placed
