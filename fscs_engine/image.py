"""The picture that passes through everything: pixels, their space, and what a file says about them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .errors import NonFiniteError

CHOSEN = "it was chosen"
"""The reason of a color space that somebody named."""


@dataclass(frozen=True)
class Window:
    """A rectangle of pixels. x and y are of its first pixel, top left; y grows downwards."""

    x: int
    y: int
    width: int
    height: int

    @classmethod
    def around(cls, windows: Iterable[Window]) -> Window:
        """The smallest one that holds them all."""
        each = list(windows)
        x, y = min(one.x for one in each), min(one.y for one in each)
        right, bottom = max(one.x + one.width for one in each), max(one.y + one.height for one in each)
        return cls(x, y, right - x, bottom - y)


@dataclass(frozen=True)
class Reading:
    """What the values of a file were taken for, and why.

    Attributes:
        space: the color space of the picture.
        encoding: what the values of the file are: a space, or words where none has that name ("ICC profile 'X'").
        reason: what says so.
        alpha: what the file's colors are, "straight" or "premultiplied"; "" without alpha.
        alpha_chosen: whether that was asked for.
        converted: whether values were converted into ``space``.
        wide: whether they were those of a display of another gamut, so that outputs in sRGB clip what lies outside.
        warnings: what in the file was not understood, a line each.
    """

    space: str
    encoding: str
    reason: str
    alpha: str = ""
    alpha_chosen: bool = False
    converted: bool = False
    wide: bool = False
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """For JSON."""
        return {
            "space": self.space,
            "encoding": self.encoding,
            "reason": self.reason,
            "alpha": self.alpha,
            "converted": self.converted,
            "warnings": list(self.warnings),
        }

    def __str__(self) -> str:
        converted = f", converted to {self.space}" if self.converted else ""
        alpha = f"; {self.alpha} alpha" if self.alpha else ""
        return f"{self.encoding} ({self.reason}){converted}{alpha}"


class Header(Protocol):
    """What there is to say of a picture besides its pixels, see :class:`Image`."""

    @property
    def color_space(self) -> str:
        """Of the values."""

    @property
    def data_window(self) -> Window:
        """The pixels there are."""

    @property
    def display_window(self) -> Window:
        """The format."""

    @property
    def attributes(self) -> Mapping[str, object]:
        """What an output keeps."""


@dataclass(frozen=True, eq=False)
class Image:
    """A picture in memory.

    Attributes:
        pixels: (H, W, 3) or (H, W, 4) float32, C-contiguous, rows from the top, RGB(A). Premultiplied. Values as in
            the file: integer files in [0, 1], float files unbounded.
        color_space: "srgb", "lin_rec709", "acescg" or a name of the OpenColorIO config ("ACES2065-1", …).
        data_window: the rectangle that ``pixels`` covers.
        display_window: the rectangle of the format; the data window may be smaller or larger.
        attributes: header attributes that an output keeps (pixel aspect, time code, frame rate, chromaticities,
            camera), under OpenImageIO's names; numbers, strings, tuples of them, ``fractions.Fraction`` for rates.
        source: the file it came from.
        reading: what the file's values were taken for; None for pixels without a file.
    """

    pixels: NDArray[np.float32]
    color_space: str
    data_window: Window
    display_window: Window
    attributes: Mapping[str, object] = field(default_factory=dict)
    source: Path | None = None
    reading: Reading | None = None

    def __post_init__(self) -> None:
        shape = self.pixels.shape
        if len(shape) != 3 or shape[2] not in (3, 4) or 0 in shape:
            raise ValueError(f"pixels must be (H, W, 3) or (H, W, 4), not {shape}")
        if self.pixels.dtype != np.float32 or not self.pixels.flags.c_contiguous:
            raise ValueError("pixels must be C-contiguous float32")
        if (self.data_window.height, self.data_window.width) != shape[:2]:
            raise ValueError(f"{self.data_window} does not fit pixels of shape {shape}")

    @classmethod
    def from_pixels(cls, pixels: NDArray[np.float32], color_space: str) -> Image:
        """An image without a file: both windows are the whole of ``pixels`` (H, W, 3 or 4), premultiplied.

        >>> Image.from_pixels(np.zeros((2, 3, 4), np.float32), "srgb").data_window
        Window(x=0, y=0, width=3, height=2)
        """
        window = Window(0, 0, pixels.shape[1], pixels.shape[0])
        return cls(np.ascontiguousarray(pixels, dtype=np.float32), color_space, window, window)

    @property
    def read_as(self) -> Reading:
        """What the values were taken for, of pixels without a file too."""
        return self.reading or Reading(self.color_space, self.color_space, CHOSEN)

    @property
    def height(self) -> int:
        """H, the rows of the data window."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """W, the columns of the data window."""
        return int(self.pixels.shape[1])

    @property
    def has_alpha(self) -> bool:
        """Whether there is a fourth channel."""
        return bool(self.pixels.shape[2] == 4)

    @cached_property
    def nonfinite(self) -> tuple[int, int, int] | None:
        """Row, column and channel of the first value that is NaN or infinite; looked for once."""
        for top in range(0, self.height, 256):  # in slabs: a mask of the whole would cost a quarter of its memory
            bad = ~np.isfinite(self.pixels[top : top + 256])
            if bad.any():
                y, x, channel = (int(i) for i in np.argwhere(bad)[0])
                return y + top, x, channel
        return None


def check_finite(image: Image) -> None:
    """Refuses NaN and infinity.

    Raises:
        NonFiniteError: names the first such pixel, counted from the top left of ``pixels``.
    """
    if image.nonfinite is not None:
        y, x, channel = image.nonfinite
        raise NonFiniteError(
            f"pixel x {x}, y {y}, channel {'RGBA'[channel]} is {image.pixels[y, x, channel]}",
            cure="fix the image, or pass --clean-nonfinite",
        )
