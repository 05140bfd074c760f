"""All tables and plots of the benchmarks on one page, with layers of each model side by side: ``docs/report.html``.

The pictures are those that are named; without any, the example photograph, which may be given away. Pages with others
go elsewhere, by ``-o``. The weights that the authors of the paper released are shown where ``FSCS_SHARED`` has them.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import tables
from numpy.typing import NDArray
from peers import Peer
from tan2018 import Tan2018
from truth import RELEASED_RADIUS, import_released

from fscs_engine import AlphaProcessing, Image, Segmenter, read_image
from fscs_engine.evaluation.evaluation import Decomposer, Scores, measure
from fscs_engine.evaluation.report import THUMBNAIL, Layers, Picture, Plot, Table, page, thumbnail, write_page

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "report.html"
PICTURE = ROOT / "examples" / "coffee.png"
COLORS = 7
SIZE = 400
"""Longest side of a picture on the page that is part of the repository."""

TITLES = {
    "scores": "Layer quality, 24 Kodak images",
    "truth": "Known alphas",
    "truth-fresh": "Known alphas, new composites",
    "matting": "Matting errors",
    "video": "Flicker",
    "curve": "Softness",
    "speed": "Speed",
    "variants": "What parts of the code are worth",
    "scaling": "Scaling",
    "ablations": "Ablations",
    "parts": "Parts of the network",
    "size": "Memory of an 8K image",
    "claims": "Claims of the paper",
}
"""Tables of :mod:`tables`, in the order of the page."""

PLOTS = {
    "softness.png": ("What Softness trades", "Sparsity against torn edges at five settings of Softness"),
    "scaling.png": ("Seconds and memory by size", "Seconds and memory against megapixels and colors, by method"),
}
"""Pictures in ``docs/``."""


def page_tables() -> list[Table]:
    """The tables of the documents that were measured."""
    found = []
    for name, title in TITLES.items():
        if name in tables.TABLES:
            several = list(from_markdown(tables.TABLES[name]()))
            for number, table in enumerate(several, 1):
                whole = title if len(several) == 1 else f"{title}, {number}"
                found.append(Table(whole, table.heads, table.rows, table.note))
    return found


def from_markdown(text: str) -> Iterator[Table]:
    """The tables in a text, each with the sentences below it, and above it where they end in a colon.

    Rows below a lone *cell* get it as their first cell.
    """
    lead = ""
    parts = re.split(r"((?:^\|.*\|$\n?)+)", text, flags=re.MULTILINE)
    for table, note in zip(parts[1::2], parts[2::2], strict=True):
        heads, _, *rows = [[cell.strip() for cell in line.strip()[1:-1].split("|")] for line in table.splitlines()]
        heads, group, sorted_rows = [heads[0] or "name", *heads[1:]], "", []
        for row in rows:
            if row[0].startswith("*"):
                group = row[0].strip("*")
            else:
                sorted_rows.append([group, *row] if group else row)
        sentences = [" ".join(paragraph.replace("`", "").split()) for paragraph in f"{lead}\n\n{note}".split("\n\n")]
        lead = sentences.pop() if sentences[-1].endswith(":") else ""
        yield Table("", ["clip", *heads] if group else heads, sorted_rows, " ".join(filter(None, sentences)))


def cut(image: Image) -> Image:
    """Sides that are multiples of 8, as the released inference needs them."""
    return Image.from_pixels(image.pixels[: image.height // 8 * 8, : image.width // 8 * 8, :3], image.color_space)


def layers_of(name: str, method: Decomposer, image: Image, picture: Picture, **how: bool) -> Layers:
    """What a method makes of an image, small, with its scores."""
    smoothing = RELEASED_RADIUS if how else 0
    alphas, colors = method.decompose(image, picture.palette, AlphaProcessing(smoothing=smoothing), **how)
    small = np.stack([thumbnail(layer, max(picture.image.shape)) for layer in premultiplied(alphas, colors)])
    return Layers(name, small, described(measure(alphas, colors, image.pixels, picture.palette.array)))


def premultiplied(alphas: NDArray[np.float32], colors: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """Each layer (H, W, 4)."""
    for alpha, color in zip(alphas, colors, strict=True):
        yield np.concatenate((alpha[..., None] * color, alpha[..., None]), axis=-1)


def described(scores: Scores) -> str:
    """The scores that tell methods apart."""
    whole = "exact" if scores.mse < 1e-12 else f"{scores.psnr:.1f} dB"
    return f"sum {whole}; L_s {scores.sparsity:.2f}; {tables.WEIGHTED} {scores.color_variance_weighted:.4f}"


def picture_of(file: Path, models: Mapping[str, Decomposer], longest: int) -> Picture:
    """An image and its layers by every model, of one palette."""
    image = cut(read_image(file))
    palette = next(iter(models.values())).auto_palette(image, COLORS)
    picture = Picture(file.stem, thumbnail(image.pixels, longest), palette, [])
    seen = [
        layers_of(name, method, image, picture, **({"released": True} if name.startswith("released") else {}))
        for name, method in models.items()
    ]
    return Picture(picture.title, picture.image, palette, seen)


def main() -> None:
    """Writes the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", nargs="*", type=Path, help="in sRGB; the example photograph by default")
    parser.add_argument("-o", "--output", type=Path, default=PAGE, help="docs/report.html by default")
    arguments = parser.parse_args()
    if arguments.pictures and arguments.output.resolve().is_relative_to(ROOT):
        sys.exit("a page of other pictures is no part of the repository; name a file outside it with -o")
    models: dict[str, Segmenter | Peer] = {"any-palette": Segmenter()}
    official = Path(os.environ.get("FSCS_SHARED") or ROOT.parent / "shared") / "peers" / "fscs_official"
    with tempfile.TemporaryDirectory() as folder:
        if official.is_dir():
            models["released weights"] = Segmenter(import_released(official, Path(folder)))
    models["Tan 2018"] = Tan2018()
    longest = THUMBNAIL if arguments.pictures else SIZE
    pictures = [picture_of(file, models, longest) for file in arguments.pictures or [PICTURE]]
    drawn = ((ROOT / "docs" / name, *texts) for name, texts in PLOTS.items())
    plots = [Plot(title, file.read_bytes(), alt) for file, title, alt in drawn if file.is_file()]
    lead = (
        "Every table is written from measured results; click a heading to sort. docs/benchmarks.md says what the "
        "columns mean. Tan 2018 gets the palette of the others here, which it is not made for."
    )
    html = page("Soft Color Segment: benchmarks", lead=lead, tables=page_tables(), plots=plots, pictures=pictures)
    write_page(arguments.output, html, overwrite=True)
    print(f"{arguments.output}: {arguments.output.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
