"""``fscs evaluate``: scores of a model on images."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import UsageError
from . import options
from .printing import console, peak_rss_bytes, print_json, print_outputs
from .progress import Progress

if TYPE_CHECKING:
    from ..evaluation.evaluation import Evaluation, ImageScores, Scores
    from ..evaluation.report import Picture

ALPHA = tuple(name for name in options.ALPHA_FLAGS if name != "temporal")
"""The flags of the alpha processing that mean something for single images."""

COLUMNS = {
    "mse": "MSE",
    "psnr": "PSNR",
    "ssim": "SSIM",
    "sparsity": "sparsity",
    "color_variance": "variance",
    "color_variance_weighted": "weighted",
    "visible_layers": "layers>1%",
    "flat_noise": "noise",
    "torn_edges": "torn",
    "torn_share": "torn pairs",
}
"""Names of the scores, and of their columns in the table for people."""


@options.takes("colors", "palette_method", "seed", *options.INPUT_FLAGS, *options.MODEL_FLAGS, *ALPHA)
def evaluate(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGES...", help="The images to measure on.")],
    palettes: Annotated[
        Path | None,
        typer.Option(
            "--palettes",
            metavar="CSV",
            help="Read the palettes from this file. One line per image, without a header: file name without "
            "extension, then R,G,B of each color in 0-255. Without it the palettes are found.",
            rich_help_panel=options.PALETTE_PANEL,
        ),
    ] = None,
    absent: Annotated[
        bool,
        options.switch(
            "--absent",
            "Also measure the mean alpha of a color that is not in the image: #ff00ff in place of the last color.",
            options.MEASURE_PANEL,
        ),
    ] = False,
    permuted: Annotated[
        bool,
        options.switch(
            "--permuted",
            "Also measure how much the alphas change when the palette is reordered.",
            options.MEASURE_PANEL,
        ),
    ] = False,
    no_exact: Annotated[
        bool,
        options.switch(
            "--no-exact",
            "Measure the networks alone, without the step that makes the layers add up exactly.",
            options.MEASURE_PANEL,
        ),
    ] = False,
    released: Annotated[
        bool,
        options.switch(
            "--released",
            "Measure the inference of the code that the authors of the paper released: their filter (off with "
            "--smoothing 0), their mean over the whole image, no exact step.",
            options.MEASURE_PANEL,
        ),
    ] = False,
    report: options.Report = None,
    overwrite: options.Overwrite = False,
    as_json: options.AsJson = False,
    **flags: Any,
) -> None:
    """Measures the quality of the layers of images.

    Everything is measured before it is rounded for a file, in the colors the networks get: straight sRGB from 0 to 1,
    with negative values as 0 and highlights only by their hue. So for HDR images, the largest recomposition error is
    not that of the delivered layers; fscs segment --json prints that one.
    """
    started = time.perf_counter()
    for path in images:
        options.check_input(path)
    if palettes is not None and flags["colors"] is not None:
        raise UsageError(
            "--colors and --palettes exclude each other", cure="leave --colors out; the CSV file gives the number"
        )
    options.check_values(flags)
    if report is not None:
        options.check_suffix(report, (".html",), "a page")
        options.check_free(report, images[0], overwrite=overwrite)
    for file in flags["mask"] or ():
        options.check_input(file)
    with Progress() as progress:
        with progress.loading("loading the model"):
            from ..evaluation.evaluation import evaluate as measure
            from ..evaluation.evaluation import read_palettes_csv
            from ..files.reading import read_image
            from ..shots.options import ModelSettings

        read = partial(
            read_image,
            layer=flags["input_layer"],
            color_space=flags["input_space"],
            alpha=flags["alpha"],
            clean_nonfinite=flags["clean_nonfinite"],
        )
        pictures = _Pictures()
        given = None if palettes is None else read_palettes_csv(palettes)
        segmenter = ModelSettings(*(flags[name] for name in options.MODEL_FLAGS)).open()
        processing = options.alpha_processing(flags, read(images[0]))
        found = measure(
            images,
            segmenter,
            palettes=given,
            colors=flags["colors"] or int(options.DEFAULTS["colors"]),
            palette_method=flags["palette_method"],
            seed=flags["seed"],
            processing=processing,
            exact=not no_exact,
            released=released,
            absent=absent,
            permuted=permuted,
            read=read,
            seen=pictures.add if report is not None else lambda *seen: None,
            progress=progress.stage(f"measuring {len(images)} image{'s' if len(images) > 1 else ''}"),
        )
    if report is not None:
        _write_page(report, found, pictures, segmenter.model_name, overwrite=overwrite)
    if as_json:
        print_json(
            {
                **found.to_dict(),
                "model": segmenter.model_name,
                "weights_sha256": segmenter.weights_sha256,
                "seconds": {"total": time.perf_counter() - started},
                "peak_rss_bytes": peak_rss_bytes(),
            }
        )
        return
    _print(found)
    if report is not None:
        print_outputs([report])


class _Pictures:
    """What the page shows of each image."""

    def __init__(self) -> None:
        self.kept: list[Picture] = []

    def add(self, row: ImageScores, picture: Any, alphas: Any, colors: Any) -> None:
        """Keeps thumbnails of an image and its layers."""
        import numpy as np

        from ..evaluation.report import Layers, Picture, thumbnail

        layers = (
            np.concatenate((a[..., None] * u, a[..., None]), axis=-1) for a, u in zip(alphas, colors, strict=True)
        )
        facts = f"the sum of the layers is the image within {row.recomposition_error:.1e}"
        seen = Layers("layers", np.stack([thumbnail(layer) for layer in layers]), facts)
        self.kept.append(Picture(row.image.name, thumbnail(picture), row.palette, [seen]))


def _write_page(path: Path, found: Evaluation, pictures: _Pictures, model: str, *, overwrite: bool) -> None:
    from ..evaluation.report import Table, page, write_page

    rows = [[row.image.name, *_cells(row.scores)] for row in found.images]
    rows += [["mean", *_cells(found.mean)]] if len(rows) > 1 else []
    table = Table("Scores", ["image", *COLUMNS.values()], rows)
    write_page(path, page(f"Layers of {model}", tables=[table], pictures=pictures.kept), overwrite=overwrite)


def _print(found: Evaluation) -> None:
    from rich.table import Table

    table = Table(box=None, header_style="bold")
    table.add_column("image")
    for title in COLUMNS.values():
        table.add_column(title, justify="right")
    for row in found.images:
        table.add_row(row.image.name, *_cells(row.scores))
    if len(found.images) > 1:
        table.add_row("mean", *_cells(found.mean), style="bold")
    console().print(table)
    print(f"largest recomposition error: {found.recomposition_error:.3g}")
    if found.absent_alpha is not None:
        print(f"mean alpha of an absent color: {found.absent_alpha:.4f}")
    if found.permutation_change is not None:
        print(f"largest change of an alpha when the palette is reordered: {found.permutation_change:.3g}")


def _cells(scores: Scores) -> list[str]:
    values = (float(getattr(scores, name)) for name in COLUMNS)
    return ["–" if value != value else f"{value:.4g}" for value in values]
