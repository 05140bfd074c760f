"""Pictures and masks from files: decoded, upright, premultiplied, in a known color space."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO as oiio
from numpy.typing import NDArray

from ..errors import InputError, NonFiniteError
from ..host.exr_header import ExrError, read_header
from ..image import CHOSEN, Image, Reading, Window
from .channels import Channels, choose, deep, is_converted_by_reader, luminance_chroma
from .damage import fault_of
from .encoding import Encoding, decoded, encoding_of
from .foreign import LOOKED_AT, kind_of
from .headers import kept_attributes
from .views import unread

AUTO, STRAIGHT, PREMULTIPLIED = "auto", "straight", "premultiplied"
"""What alpha is."""

_STRAIGHT_FORMATS = ("bmp", "dds", "gif", "ico", "jpeg2000", "jpegxl", "png", "webp")
"""Formats whose alpha is straight, whether OpenImageIO marks it or not."""

_DDS_PREMULTIPLIED = (b"DXT2", b"DXT4")


def read_image(
    path: str | Path, *, layer: str = "", color_space: str = AUTO, alpha: str = AUTO, clean_nonfinite: bool = False
) -> Image:
    """Reads a picture of any format that OpenImageIO knows.

    One channel is gray; others count by their names: Y (and A), R, G and B (and A). Of named layers, the one asked for
    is taken, else the channels without a layer's name (else the only layer there is). Of an EXR file of several parts,
    the first with RGB. Straight alpha is multiplied in, in float32; a photograph is turned upright.

    Args:
        path: the file.
        layer: a layer's name ("diffuse" for the channels diffuse.R, …) or a part's; "" is the root layer.
        color_space: what the values are; "auto" takes it from the file, see :mod:`fscs_engine.files.encoding`:
            "srgb" for integer files and "lin_rec709" for floats that say nothing, and linear Rec.709, converted, where
            a profile or tags say that they are of no space with a name.
        alpha: whether the colors of the file are "straight" or "premultiplied"; "auto" takes it from the file.
        clean_nonfinite: replace NaN and infinity by the mean of the finite neighbors (0 where there are none)
            instead of raising an error.

    Returns:
        The image, premultiplied, covering the data window; in the file's own values unless they had to be converted.
        Its ``reading`` says what was assumed, and why.

    Raises:
        InputError: no such file, empty, damaged, of a kind that is not read (deep, luminance-chroma, subsampled,
            CMYK, …), or without the layer.
        NonFiniteError: NaN or infinity; names the first such pixel.
    """
    path = Path(path)
    with open_image(path) as opened:
        chosen = choose(path, opened.format, opened.specs, layer)
        spec = opened.specs[chosen.part]
        encoding, reading = _meaning(opened, chosen, color_space, alpha, layer)
        pixels = opened.read(chosen.part, chosen.indices)
        window = Window(spec.x, spec.y, spec.width, spec.height)
        display = _display_window(path, spec)
        if opened.format != "openexr":
            pixels = _upright(pixels, spec.get_int_attribute("Orientation", 1))
            window = display = Window(0, 0, pixels.shape[1], pixels.shape[0])
        _check_finite(path, pixels, window, chosen, clean_nonfinite)
        pixels = _to_rgb(pixels)
        if opened.format == "bmp" and pixels.shape[2] == 4 and not pixels[..., 3].any():
            # The fourth byte of an old BMP is none of the picture, and is mostly 0.
            pixels, reading = np.ascontiguousarray(pixels[..., :3]), replace(reading, alpha="", alpha_chosen=False)
        if encoding.decode is not None:
            pixels = decoded(pixels, encoding.decode, associate=reading.alpha == STRAIGHT)
        elif reading.alpha == STRAIGHT:
            pixels[..., :3] *= pixels[..., 3:]
        return Image(
            pixels=pixels,
            color_space=reading.space,
            data_window=window,
            display_window=display,
            attributes=kept_attributes(spec, opened.format),
            source=path,
            reading=reading,
        )


def _display_window(path: Path, spec: oiio.ImageSpec) -> Window:
    """The rectangle of the format. OpenImageIO says that of one face for a cube map with smaller copies."""
    if spec.get_string_attribute("textureformat") == "CubeFace Environment":
        with suppress(ExrError, KeyError):
            return Window(*read_header(path).attributes["displayWindow"])
    return Window(spec.full_x, spec.full_y, spec.full_width, spec.full_height)


def read_reading(path: str | Path, *, layer: str = "", color_space: str = AUTO, alpha: str = AUTO) -> Reading:
    """What :func:`read_image` would take the values for, without decoding a pixel.

    Raises:
        InputError: as ``read_image``, as far as the header shows it.
    """
    path = Path(path)
    with open_image(path) as opened:
        return _meaning(opened, choose(path, opened.format, opened.specs, layer), color_space, alpha, layer)[1]


def _meaning(
    opened: OpenedImage, chosen: Channels, color_space: str, alpha: str, layer: str
) -> tuple[Encoding, Reading]:
    """What the values are, by the file or as it is asked for."""
    left_out = unread(opened.path, opened.format, opened.specs, opened.input, layer)
    spec = opened.specs[chosen.part]
    if color_space == AUTO:
        encoding = encoding_of(opened.path, opened.format, spec)
    else:
        encoding = Encoding(color_space, color_space, CHOSEN)
    association_ = ""
    if len(chosen.indices) in (2, 4):
        says_straight = opened.format != "openexr" and bool(spec.get_int_attribute("oiio:UnassociatedAlpha"))
        of_file = says_straight or opened.format in _STRAIGHT_FORMATS and not _is_premultiplied_dds(opened)
        association_ = alpha if alpha != AUTO else STRAIGHT if of_file else PREMULTIPLIED
    reading = Reading(
        space=encoding.space,
        encoding=encoding.words,
        reason=encoding.reason,
        alpha=association_,
        alpha_chosen=bool(association_) and alpha != AUTO,
        converted=encoding.decode is not None,
        wide=encoding.wide,
        warnings=(*encoding.warnings, *([left_out] if left_out else [])),
    )
    return encoding, reading


def _is_premultiplied_dds(opened: OpenedImage) -> bool:
    if opened.format != "dds":
        return False
    head = first_bytes(opened.path, 148, "an image")
    return head[84:88] in _DDS_PREMULTIPLIED or (head[84:88] == b"DX10" and head[144:145] == b"\x02")


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
            raise deep(path)
        spec = opened.specs[part]
        chosen = Channels(part, (0,), ("mask",))
        plane = opened.read(chosen.part, chosen.indices)
        if opened.format != "openexr":
            plane = _upright(plane, spec.get_int_attribute("Orientation", 1))
        height, width = plane.shape[:2]
        window = Window(spec.x, spec.y, width, height)
        display = _display_window(path, spec)
        if opened.format != "openexr":
            window = display = Window(0, 0, width, height)
        _check_finite(path, plane, window, chosen, False, cure="repair the mask")
        mask: NDArray[np.float32] = np.clip(plane[..., 0], 0.0, 1.0)
        return mask if image is None else _placed(path, mask, window, display, image)


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
        complaint = _complaint(self.input)
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
    file = _opened(path)
    try:
        if is_converted_by_reader(path, file.format_name(), file.spec()):
            file.close()
            file = _opened(path, raw=False)
        specs: list[oiio.ImageSpec] = []
        # Of other formats the further pictures are pages, frames or thumbnails, never parts of one picture.
        while (not specs or file.format_name() == "openexr") and file.seek_subimage(len(specs), 0):
            specs.append(file.spec())
        _complaint(file)
        if not specs:
            raise _unreadable(path, "it holds no image")
        yield OpenedImage(path, file.format_name(), tuple(specs), file)
    except (UnicodeDecodeError, RuntimeError, MemoryError) as error:
        raise _unreadable(path, f"{type(error).__name__}: {error}") from error
    finally:
        file.close()
        # Messages that nobody fetched are printed when the program ends.
        _complaint(file)
        _complaint(oiio)


def _complaint(source: Any) -> str:
    """What OpenImageIO has to say, which is then forgotten."""
    try:
        return str(source.geterror())
    except UnicodeDecodeError:
        return "a name in its header is damaged"


def _opened(path: Path, *, raw: bool = True) -> oiio.ImageInput:
    """OpenImageIO's reader of a file, which turns YCbCr and palettes into RGB unless ``raw``."""
    hints = oiio.ImageSpec()
    # OpenImageIO premultiplies in the file's own 8 bits and turns CMYK into some RGB, unless told not to.
    hints.attribute("oiio:UnassociatedAlpha", 1)
    if raw:
        hints.attribute("oiio:RawColor", 1)
    file = oiio.ImageInput.open(str(path), hints)
    if file is None:
        raise _unreadable(path, _complaint(oiio))
    return file


def _check_file(path: Path) -> None:
    """Refuses what can be refused without a decoder."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise InputError(f"{path!r}: the name is not valid UTF-8", cure="rename the file") from None
    foreign = kind_of(first_bytes(path, LOOKED_AT, "an image file"))
    if foreign is not None:
        raise InputError(f"{path}: is {foreign[0]}, which is not read", cure=foreign[1])
    fault = fault_of(path)
    if fault:
        raise _unreadable(path, fault)


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


def _unreadable(path: Path, reason: str) -> InputError:
    reason = " ".join(reason.split())
    if "ubsampled" in reason:
        if '"RY"' in reason or '"BY"' in reason:
            return luminance_chroma(path)
        return InputError(f"{path}: has subsampled channels, which are not read", cure="save it at full size")
    return InputError(
        f"{path}: can't be read as an image ({reason or 'unknown format'})",
        cure="check that the file is complete and of a known format, or render it again",
    )


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
    chosen: Channels,
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
