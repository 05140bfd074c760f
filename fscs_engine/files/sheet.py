"""Files that show a whole decomposition at a glance: what they gather, and the contact sheet."""

from __future__ import annotations

import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Canvas
from PIL import ImageDraw, ImageFont

from ..palette.palette import Palette
from .atomic import check_targets, replaced_file
from .strips import Strips

THUMBNAIL = 480
"""The longest side of a thumbnail of the contact sheet in pixels."""

ERROR_GAIN = 8

_SMALLEST_CELL = (240, 150)
_MARGIN, _GAP, _CAPTION, _GROUP = 28, 12, 40, 20
_BACKGROUND, _CELL = (30, 30, 30), (24, 24, 24)
_TEXT, _DIM = (228, 228, 228), (150, 150, 150)
_CHECKER = (0.34, 0.46)
_CHECKER_SIDE = 8


class Sheet(ABC):
    """Takes layers strip by strip; writes one file of pictures when the block ends without an error.

    Only thumbnails are kept: each of their pixels is the mean of a block, that of the error its largest value, so
    that one bad pixel is seen.

    Args:
        path: the file.
        image: (H, W, 3) float32, sRGB, straight, in [0, 1].
        palette: K colors.
        overwrite: replace an existing file.

    Raises:
        OutputError: the file exists or can't be written.
    """

    longest = THUMBNAIL
    """The longest side of a thumbnail in pixels."""

    def __init__(
        self, path: str | Path, *, image: NDArray[np.float32], palette: Palette, overwrite: bool = False
    ) -> None:
        self.path = Path(path)
        self._image, self._palette, self._overwrite = image, palette, overwrite
        self._height, self._width = image.shape[:2]
        check_targets([self.path], overwrite=overwrite)

    def __enter__(self) -> Self:
        self._strips = Strips(len(self._palette), self._height, self._width)
        self._block = max(1, -(-max(self._height, self._width) // self.longest))
        shape = (-(-self._height // self._block), -(-self._width // self._block))
        self._pictures = np.zeros((*shape, 3))
        self._layers = np.zeros((len(self._palette), *shape, 4))
        self._errors = np.zeros(shape)
        self._covered = np.zeros(len(self._palette))
        return self

    def write(self, top: int, layers: NDArray[np.float32]) -> None:
        """Takes the next rows.

        Args:
            top: the first row; strips come strictly from top to bottom.
            layers: (K, h, W, 4) float32, premultiplied, in sRGB.
        """
        self._strips.check(top, layers)
        picture = self._image[top : top + layers.shape[1]]
        # One row of blocks at a time, so that what is needed besides the thumbnails does not grow with the strip.
        start = 0
        while start < layers.shape[1]:
            block_row, inside = divmod(self._strips.done, self._block)
            count = min(self._block - inside, layers.shape[1] - start)
            self._add(block_row, layers[:, start : start + count], picture[start : start + count])
            start += count
            self._strips.done += count

    def _add(self, block_row: int, layers: NDArray[np.float32], picture: NDArray[np.float32]) -> None:
        """Adds rows that lie in one row of blocks."""
        edges = np.arange(0, self._width, self._block)
        total = np.zeros((*picture.shape[:2], 4), np.float32)
        for number, layer in enumerate(layers):
            sums = layer.sum(axis=0, dtype=np.float64)
            self._layers[number, block_row] += np.add.reduceat(sums, edges, axis=0)
            self._covered[number] += sums[:, 3].sum()
            total += layer
        self._pictures[block_row] += np.add.reduceat(picture.sum(axis=0, dtype=np.float64), edges, axis=0)
        # The layers add up to the premultiplied picture; where it has no alpha, to its colors as they are.
        alpha = total[..., 3:]
        error = np.abs(total[..., :3] - picture * np.where(alpha > 0, alpha, 1)).max(axis=(0, 2))
        self._errors[block_row] = np.maximum(self._errors[block_row], np.maximum.reduceat(error, edges))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            return
        self._strips.check_whole()
        with replaced_file(self.path, overwrite=self._overwrite) as temporary:
            self._save(temporary)

    @abstractmethod
    def _save(self, path: Path) -> None:
        """Writes the file."""

    def _thumbnails(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """The picture (h, w, 3), the layers (K, h, w, 4), premultiplied, and the share of each of the picture (K,)."""
        counts = np.outer(_block_sizes(self._height, self._block), _block_sizes(self._width, self._block))[..., None]
        return self._pictures / counts, self._layers / counts, self._covered / (self._height * self._width)


class ContactSheet(Sheet):
    """One 8-bit PNG.

    It shows the picture, the recomposition, eight times its error, the palette with each color's share, and for each
    layer the layer over a checkerboard, its alpha, its color, hex, name and coverage.
    """

    def _save(self, path: Path) -> None:
        self._drawn().save(path, format="PNG")

    def _drawn(self) -> Canvas.Image:
        picture, layers, coverage = self._thumbnails()
        total = layers.sum(axis=0)
        alpha = total[..., 3:]
        # Straight, as the picture is; where nothing is covered the sum itself.
        recomposition = np.divide(total[..., :3], alpha, out=total[..., :3].copy(), where=alpha > 1e-6)
        error = np.repeat(self._errors[..., None] * ERROR_GAIN, 3, axis=2)
        sheet = _Sheet(_enlarged(picture[..., 0]).shape, len(self._palette))
        sheet.picture(0, 0, picture)
        sheet.caption(0, 0, 1, "Image", f"{self._width} x {self._height}")
        sheet.picture(0, 1, recomposition)
        sheet.caption(0, 1, 1, "Recomposition", "sum of the layers")
        sheet.picture(0, 2, error)
        sheet.caption(0, 2, 1, f"Error x {ERROR_GAIN}", f"largest {self._errors.max():.1e}")
        sheet.bars(0, 3, [color.rgb for color in self._palette], coverage)
        sheet.caption(0, 3, 1, "Palette", "share of the image")
        for number, color in enumerate(self._palette):
            row, column = 1 + number // 2, 2 * (number % 2)
            sheet.picture(row, column, _over_checker(layers[number]))
            sheet.picture(row, column + 1, np.repeat(layers[number, ..., 3:], 3, axis=2))
            title = f"{number + 1}   {_plain(color.name)}"
            sheet.caption(row, column, 2, title, f"{color.hex}     {_percent(coverage[number])}", color.rgb)
        return sheet.canvas


class _Sheet:
    """A grid of cells, four a row, each with a caption below it."""

    def __init__(self, thumbnail: Sequence[int], colors: int) -> None:
        self.cell = (max(thumbnail[1], _SMALLEST_CELL[0]), max(thumbnail[0], _SMALLEST_CELL[1]))
        rows = 1 + -(-colors // 2)
        width = 2 * _MARGIN + 4 * self.cell[0] + 2 * _GAP + _GROUP
        height = 2 * _MARGIN + rows * (self.cell[1] + _CAPTION) + (rows - 1) * _GAP
        self.canvas = Canvas.new("RGB", (width, height), _BACKGROUND)
        self.draw = ImageDraw.Draw(self.canvas)

    def _corner(self, row: int, column: int) -> tuple[int, int]:
        x = _MARGIN + column * (self.cell[0] + _GAP) + (column // 2) * (_GROUP - _GAP)
        return x, _MARGIN + row * (self.cell[1] + _CAPTION + _GAP)

    def picture(self, row: int, column: int, pixels: NDArray[np.float64]) -> None:
        """Puts (h, w, 3) sRGB in the middle of a cell."""
        x, y = self._corner(row, column)
        width, height = self.cell
        thumbnail = _enlarged(np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8))
        if thumbnail.shape[:2] != (height, width):
            self.draw.rectangle((x, y, x + width - 1, y + height - 1), fill=_CELL)
        left, upper = x + (width - thumbnail.shape[1]) // 2, y + (height - thumbnail.shape[0]) // 2
        self.canvas.paste(Canvas.fromarray(thumbnail), (left, upper))

    def caption(
        self,
        row: int,
        column: int,
        columns: int,
        left: str,
        right: str,
        swatch: tuple[float, float, float] | None = None,
    ) -> None:
        """Writes below a cell or two: a swatch, bright text at the left, dim text at the right."""
        x, y = self._corner(row, column)
        end = self._corner(row, column + columns - 1)[0] + self.cell[0]
        y += self.cell[1] + 6
        size = 24
        if swatch is not None:
            self.draw.rounded_rectangle((x, y, x + 2 * size, y + size), 4, _bytes(swatch), (90, 90, 90))
            x += 2 * size + 10
        bright, dim = _font(17), _font(14)
        room = end - x - self.draw.textlength(right, dim) - 12
        middle = y + size // 2
        self.draw.text((x, middle), _shortened(self.draw, left, bright, room), _TEXT, bright, anchor="lm")
        self.draw.text((end, middle), right, _DIM, dim, anchor="rm")

    def bars(
        self, row: int, column: int, colors: Sequence[tuple[float, float, float]], coverage: NDArray[np.float64]
    ) -> None:
        """Draws each color as a bar as long as its share of the picture."""
        x, y = self._corner(row, column)
        width, height = self.cell
        self.draw.rectangle((x, y, x + width - 1, y + height - 1), fill=_CELL)
        size = min(15, height // len(colors) - 2)
        font = _font(size)
        room = self.draw.textlength("100.0 %", font) + 16
        number = self.draw.textlength("16", font) + 18
        longest = max(float(coverage.max()), 1e-6)
        step = min(height / len(colors), 64)
        first = y + (height - step * len(colors)) / 2
        for index, (color, share) in enumerate(zip(colors, coverage, strict=True)):
            upper, lower = first + step * index + step * 0.12, first + step * (index + 1) - step * 0.12
            middle = (upper + lower) / 2
            start = x + number
            length = max(3.0, (width - number - room) * max(0.0, float(share)) / longest)
            self.draw.text((start - 8, middle), str(index + 1), _DIM, font, anchor="rm")
            self.draw.rectangle((start, upper, start + length, lower), _bytes(color), (90, 90, 90))
            self.draw.text((start + length + 8, middle), _percent(share), _DIM, font, anchor="lm")


def _block_sizes(length: int, block: int) -> NDArray[np.float64]:
    """How many pixels each block along a side has."""
    return np.minimum(block, length - np.arange(0, length, block)).astype(np.float64)


def _enlarged(pixels: NDArray[np.generic]) -> NDArray[np.generic]:
    """Repeats the pixels of small pictures, and of lines a few pixels thin, so that they can be seen."""
    height, width = pixels.shape[:2]
    whole = max(1, THUMBNAIL // 2 // max(height, width))
    y, x = (max(whole, -(-8 // side)) for side in (height, width))
    return pixels.repeat(y, axis=0).repeat(x, axis=1)


def _over_checker(layer: NDArray[np.float64]) -> NDArray[np.float64]:
    """(h, w, 4) premultiplied → (h, w, 3) over a gray checkerboard."""
    height, width = layer.shape[:2]
    side = max(1, _CHECKER_SIDE // max(1, THUMBNAIL // 2 // max(height, width)))
    odd = (np.arange(height)[:, None] // side + np.arange(width) // side) % 2
    checker = np.where(odd == 1, _CHECKER[1], _CHECKER[0])[..., None]
    over: NDArray[np.float64] = layer[..., :3] + (1 - layer[..., 3:]) * checker
    return over


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _bytes(rgb: tuple[float, float, float]) -> tuple[int, int, int]:
    red, green, blue = (round(255 * value) for value in rgb)
    return red, green, blue


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(max(size, 6))


def _plain(text: str) -> str:
    """The text without accents: the font that comes with Pillow, the same on every machine, holds ASCII only."""
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()


def _shortened(
    draw: ImageDraw.ImageDraw, text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, room: float
) -> str:
    """The text, cut with three dots where there is no room for it."""
    if draw.textlength(text, font) <= room:
        return text
    while text and draw.textlength(text + "...", font) > room:
        text = text[:-1]
    return text.rstrip() + "..."
