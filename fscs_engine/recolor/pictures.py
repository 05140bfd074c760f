"""Pictures made of layers: what ``fscs recompose`` and ``fscs recolor`` write, and the sheet that shows a look."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from ..color import LIN_REC709, SRGB, ColorSpaces, straight
from ..errors import RangeError
from ..files.atomic import replaced_file
from ..files.exr import ExrWriter
from ..files.png import write_png
from ..host.edits import Look, edited_palette_color
from ..image import Header, Image
from ..palette.palette import Palette

_ROUNDING = 1e-5
"""Added up in float32, an opaque alpha of K layers can end a few units in the last place above 1."""


def write_picture(
    path: Path,
    image: Image,
    spaces: ColorSpaces,
    *,
    half: bool = False,
    clip: bool = False,
    overwrite: bool = False,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Writes a picture made of layers.

    Args:
        path: an ``.exr``, written in the image's space, or a ``.png``, converted to sRGB (16 bits, straight alpha).
        image: what to write, premultiplied.
        spaces: for the conversion.
        half: 16-bit floats in the EXR.
        clip: clamps what the format can't hold instead of raising.
        overwrite: replaces an existing file.
        metadata: ASCII texts by their full names.

    Raises:
        OutputError: the file exists already or can't be written.
        RangeError: a value does not fit the format.
    """
    channels = image.pixels.shape[2]
    with PictureWriter(
        path, image, channels, spaces, half=half, clip=clip, overwrite=overwrite, metadata=metadata
    ) as writer:
        writer.write(image.pixels)


class PictureWriter:
    """Writes a picture from top to bottom, which appears when the block ends without an error.

    Args:
        header: what there is to say of the picture.
        channels: 3 or 4.

    The other arguments, and what is raised, as for :func:`write_picture`.
    """

    def __init__(
        self,
        path: Path,
        header: Header,
        channels: int,
        spaces: ColorSpaces,
        *,
        half: bool = False,
        clip: bool = False,
        overwrite: bool = False,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        self._path, self._header, self._spaces, self._clip = path, header, spaces, clip
        self._overwrite, self._metadata = overwrite, metadata
        self._rows: list[NDArray[np.float32]] = []  # of a PNG, which is written as a whole
        self._exr: ExrWriter | None = None
        if path.suffix.lower() != ".png":
            self._exr = ExrWriter(path, header, channels, half=half, clip=clip, overwrite=overwrite, metadata=metadata)

    def __enter__(self) -> PictureWriter:
        with ExitStack() as stack:
            if self._exr is not None:
                stack.enter_context(self._exr)
            self._stack = stack.pop_all()
        return self

    def write(self, rows: NDArray[np.float32]) -> None:
        """Takes the next rows, (h, W, C) premultiplied, which must stay as they are."""
        if self._exr is not None:
            self._exr.write(rows)
        else:
            self._rows.append(rows)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)
        if self._exr is None and error is None:
            self._write_png(self._rows[0] if len(self._rows) == 1 else np.concatenate(self._rows))

    def _write_png(self, pixels: NDArray[np.float32]) -> None:
        encoded = np.empty_like(pixels)
        converted = np.ascontiguousarray(straight(pixels))
        encoded[..., :3] = self._spaces.convert(converted, self._header.color_space, SRGB)
        encoded[..., 3:] = pixels[..., 3:]
        snapped = np.clip(encoded, 0.0, 1.0)
        if self._clip or float(np.abs(snapped - encoded).max()) <= _ROUNDING:
            encoded = snapped
        try:
            write_png(self._path, encoded, overwrite=self._overwrite, metadata=self._metadata)
        except RangeError as error:
            raise RangeError(error.message, cure="write EXR or pass --clip") from error


_SIDE = 640  # of a picture on the sheet
_MARGIN, _GAP, _BAR = 16, 12, 26
_BACKGROUND, _TEXT = (24, 24, 24), (225, 225, 225)


def write_look_sheet(
    path: Path,
    before: Image,
    after: Image,
    palette: Palette,
    look: Look,
    coverage: Sequence[float],
    spaces: ColorSpaces,
    *,
    overwrite: bool = False,
) -> None:
    """Writes a PNG for the eye: the image before and after, and each palette color before and after.

    Args:
        path: the file.
        before: the image, premultiplied.
        after: the recolored one, of the same size.
        palette: of the layers.
        look: their edits.
        coverage: mean alpha of each layer.
        spaces: to convert the images.
        overwrite: replaces an existing file.

    Raises:
        OutputError: the file exists already or can't be written.
    """
    from PIL import Image as Canvas
    from PIL import ImageDraw, ImageFont

    pictures = [_thumbnail(each, spaces) for each in (before, after)]
    height, width = pictures[0].shape[:2]
    size = (2 * _MARGIN + _GAP + 2 * width, 2 * _MARGIN + height + _GAP + 2 * _BAR + _GAP + 16)
    canvas = Canvas.new("RGB", size, _BACKGROUND)
    for number, picture in enumerate(pictures):
        canvas.paste(Canvas.fromarray(picture), (_MARGIN + number * (width + _GAP), _MARGIN))
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(12)
    room = size[0] - 2 * _MARGIN - _GAP * (len(palette) - 1)
    # Thin layers keep a swatch that can be seen.
    shares = np.sqrt(np.maximum(coverage, 0.0)) + 0.15
    widths = room * shares / shares.sum()
    left = float(_MARGIN)
    top = _MARGIN + height + _GAP
    for number, (color, wide) in enumerate(zip(palette, widths, strict=True), 1):
        new = np.array([edited_palette_color(look.edit(number), color.rgb)], np.float32)
        shown = look.opacities(len(palette))[number - 1][0] > 0
        edited = np.clip(spaces.convert(new, LIN_REC709, SRGB)[0], 0.0, 1.0)
        box = (left, top, left + wide, top + _BAR)
        draw.rectangle(box, _bytes(color.rgb))
        below = (left, top + _BAR, left + wide, top + 2 * _BAR)
        draw.rectangle(below, _bytes(edited) if shown else _BACKGROUND, outline=None if shown else _bytes(color.rgb))
        draw.text((left, top + 2 * _BAR + 4), f"{number}", _TEXT, font)
        left += float(wide) + _GAP
    with replaced_file(path, overwrite=overwrite) as temporary:
        canvas.save(temporary, format="PNG")


def _thumbnail(image: Image, spaces: ColorSpaces) -> NDArray[np.uint8]:
    """(h, w, 3) sRGB over black, made smaller by whole numbers, each pixel the mean of those it stands for."""
    step = max(1, math.ceil(max(image.height, image.width) / _SIDE))
    high, wide = min(step, image.height), min(step, image.width)
    height, width = image.height // high, image.width // wide
    blocks = image.pixels[: height * high, : width * wide, :3].reshape(height, high, width, wide, 3)
    small = np.ascontiguousarray(blocks.mean(axis=(1, 3)), np.float32)
    shown = np.clip(spaces.convert(small, image.color_space, SRGB), 0.0, 1.0)
    whole = max(1, _SIDE // 4 // max(height, width))
    return np.rint(shown * 255).astype(np.uint8).repeat(whole, axis=0).repeat(whole, axis=1)


def _bytes(rgb: Sequence[float]) -> tuple[int, int, int]:
    red, green, blue = (round(255 * float(value)) for value in rgb)
    return red, green, blue
