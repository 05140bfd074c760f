"""A page of pictures and scores: one HTML file that needs nothing else, for any browser and any screen.

The browser adds the layers up itself, so that the page compares what models make of an image, and how each takes a
turn of the hue of a layer. Pictures are WebP inside the file.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Canvas

from ..files.atomic import replaced_file
from ..files.sheet import Sheet
from ..palette.palette import Palette

THUMBNAIL = 640
"""The longest side of a picture where a page has several images."""

_QUALITY = 88
_TEMPLATE = Path(__file__).with_name("report.html")


@dataclass(frozen=True)
class Table:
    """Cells as they are shown; they sort by the number they begin with, else as text. Columns may be right-aligned."""

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


@dataclass(frozen=True)
class Plot:
    """A PNG, and what it shows, for those who can't see it."""

    title: str
    png: bytes
    alt: str


@dataclass(frozen=True, eq=False)
class Layers:
    """What one model makes of an image.

    Attributes:
        name: of the model.
        pixels: (K, h, w, 4) premultiplied sRGB.
        facts: about them, in a line.
    """

    name: str
    pixels: NDArray[np.floating]
    facts: str = ""


@dataclass(frozen=True, eq=False)
class Picture:
    """An image with its palette, and the layers of one model or more, all of one size and in the palette's order.

    Attributes:
        title: the image's name.
        image: (h, w, 3) straight sRGB.
        palette: K colors.
        layers: of each model.
    """

    title: str
    image: NDArray[np.floating]
    palette: Palette
    layers: Sequence[Layers]


def thumbnail(pixels: NDArray[np.floating], longest: int = THUMBNAIL) -> NDArray[np.float32]:
    """A picture no side of which is longer than this, its pixels means of areas. (H, W, C) → (h, w, C).

    Premultiplied, if it has an alpha.
    """
    height, width = pixels.shape[:2]
    scale = min(1.0, longest / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    planes = np.ascontiguousarray(np.moveaxis(pixels, -1, 0), np.float32)
    small = [np.asarray(Canvas.fromarray(plane).resize(size, Canvas.Resampling.BOX)) for plane in planes]
    return np.stack(small, axis=-1)


def page(
    title: str,
    *,
    lead: str = "",
    tables: Sequence[Table] = (),
    plots: Sequence[Plot] = (),
    pictures: Sequence[Picture] = (),
) -> str:
    """The HTML. Equal contents give equal text.

    Args:
        title: heading of the page.
        lead: a sentence or two below it.
        tables: that a click sorts.
        plots: shown as they are.
        pictures: each with its palette, its layers and a divider between two views of it.
    """
    from jinja2 import Environment

    shown = [
        {
            "title": picture.title,
            "size": picture.image.shape[1::-1],
            "image": _webp(picture.image),
            "palette": list(picture.palette),
            "layers": [
                {
                    "name": layers.name,
                    "facts": layers.facts,
                    "pictures": [_webp(layer) for layer in layers.pixels],
                    "shares": [f"{share:.1%}" for share in layers.pixels[..., 3].mean(axis=(1, 2))],
                }
                for layers in picture.layers
            ],
        }
        for picture in pictures
    ]
    drawn = [{"title": plot.title, "alt": plot.alt, "data": base64.b64encode(plot.png).decode()} for plot in plots]
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    return template.render(title=title, lead=lead, tables=tables, plots=drawn, pictures=shown)


def write_page(path: str | Path, html: str, *, overwrite: bool = False) -> None:
    """Writes a page whole or not at all.

    Raises:
        OutputError: the file exists or can't be written.
    """
    with replaced_file(path, overwrite=overwrite) as temporary:
        temporary.write_text(html, encoding="utf-8", newline="\n")


class LayersPage(Sheet):
    """A page of the layers of one image.

    Args:
        path: the file.
        title: heading of the page.
        image: (H, W, 3) float32, sRGB, straight, in [0, 1].
        palette: K colors.
        overwrite: replace an existing file.

    Raises:
        OutputError: the file exists or can't be written.
    """

    longest = 960

    def __init__(
        self, path: str | Path, title: str, *, image: NDArray[np.float32], palette: Palette, overwrite: bool = False
    ) -> None:
        super().__init__(path, image=image, palette=palette, overwrite=overwrite)
        self._title = title

    def _save(self, path: Path) -> None:
        image, layers, shares = self._thumbnails()
        rows = [
            (str(number), color.name, color.hex, f"{share:.2%}")
            for number, (color, share) in enumerate(zip(self._palette, shares, strict=True), 1)
        ]
        seen = layers[..., 3:].sum(axis=0)
        facts = f"{self._width}×{self._height}; the sum of the layers is the image within {self._errors.max():.1e}"
        over_black = image * np.where(seen > 0, seen, 1)
        picture = Picture("Image and layers", over_black, self._palette, [Layers("layers", layers, facts)])
        table = Table("Palette", ("layer", "name", "color", "share of the image"), rows)
        html = page(self._title, tables=[table], pictures=[picture])
        path.write_text(html, encoding="utf-8", newline="\n")


def _webp(pixels: NDArray[np.floating]) -> str:
    """(h, w, 3) straight, or (h, w, 4) premultiplied, as base64 of a WebP."""
    if pixels.shape[-1] == 4:
        alpha = pixels[..., 3:]
        color = np.divide(pixels[..., :3], alpha, out=np.zeros_like(pixels[..., :3]), where=alpha > 1e-6)
        pixels = np.concatenate((color, alpha), axis=-1)
    kept = io.BytesIO()
    levels = np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8)
    Canvas.fromarray(levels).save(kept, "WEBP", quality=_QUALITY, alpha_quality=_QUALITY, use_sharp_yuv=True)
    return base64.b64encode(kept.getvalue()).decode()
