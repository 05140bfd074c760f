"""Scores of a model on pictures: what ``fscs evaluate`` prints."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..alpha.processing import AlphaProcessing
from ..color import ColorSpaces, network_image, straight
from ..errors import CancelledError, PaletteError, UsageError
from ..files.reading import read_image
from ..image import Image
from ..palette.image_palette import DEFAULT_METHOD
from ..palette.palette import Palette, PaletteColor
from . import metrics

ABSENT_COLOR = PaletteColor.from_hex("#ff00ff")
"""A color that photographs hardly hold; it takes the last place of the palette to see who falls for it."""


class Decomposer(Protocol):
    """What is evaluated: the part of a :class:`~fscs_engine.segmenter.Segmenter` that is needed here."""

    @property
    def spaces(self) -> ColorSpaces:
        """The color spaces that images may be in."""

    def auto_palette(
        self, image: Image, colors: int, given: Palette | None = None, seed: int = 0, method: str = DEFAULT_METHOD
    ) -> Palette:
        """A palette for the picture."""

    def decompose(
        self,
        image: Image,
        palette: Palette,
        processing: AlphaProcessing,
        *,
        exact: bool = True,
        released: bool = False,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Alphas (K, H, W) and straight sRGB colors (K, H, W, 3) of what the networks see of the picture."""


@dataclass(frozen=True)
class Scores:
    """The measures of :mod:`.metrics`, of one picture or in the mean. NaN where there is no answer."""

    mse: float
    psnr: float
    ssim: float
    sparsity: float
    color_variance: float
    color_variance_weighted: float
    visible_layers: float
    flat_noise: float
    torn_edges: float
    torn_share: float


@dataclass(frozen=True)
class ImageScores:
    """One picture's row.

    Attributes:
        image: its file.
        palette: what it was decomposed with.
        scores: the measures.
        recomposition_error: largest |Σ α·u − c| over pixels and channels, in straight sRGB;
            α·u and the sum in float32.
        absent_alpha: mean alpha of the last layer when its color is ``ABSENT_COLOR``; None where not asked for, or
            where it is the only layer.
        permutation_change: largest change of an alpha when the palette comes in another order; None where not
            asked for.
    """

    image: Path
    palette: Palette
    scores: Scores
    recomposition_error: float
    absent_alpha: float | None = None
    permutation_change: float | None = None


Seen = Callable[[ImageScores, NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]], None]


@dataclass(frozen=True)
class Evaluation:
    """All rows, and what they give together."""

    images: tuple[ImageScores, ...]

    @property
    def mean(self) -> Scores:
        """Each measure's mean over the pictures that have an answer; PSNR is the mean of their PSNRs."""
        names = [field.name for field in fields(Scores)]
        return Scores(**{name: _mean([getattr(row.scores, name) for row in self.images]) for name in names})

    @property
    def recomposition_error(self) -> float:
        """The largest of all pictures."""
        return max(row.recomposition_error for row in self.images)

    @property
    def absent_alpha(self) -> float | None:
        """Mean over the pictures, or None where none was asked for."""
        values = [row.absent_alpha for row in self.images if row.absent_alpha is not None]
        return _mean(values) if values else None

    @property
    def permutation_change(self) -> float | None:
        """The largest of all pictures, or None where none was asked for."""
        return max((row.permutation_change for row in self.images if row.permutation_change is not None), default=None)

    def to_dict(self) -> dict[str, object]:
        """For JSON: a row for each of ``images``, their ``mean``, and what counts for all of them.

        That is ``recomposition_error_max``, ``absent_alpha_mean`` and ``permutation_change_max`` (the last two null
        where not asked for). Numbers without an answer and infinite ones are null.
        """
        rows = [
            {
                "image": str(row.image),
                "palette": [color.hex for color in row.palette],
                **_finite(asdict(row.scores)),
                **_finite(
                    {
                        "recomposition_error": row.recomposition_error,
                        "absent_alpha": row.absent_alpha,
                        "permutation_change": row.permutation_change,
                    }
                ),
            }
            for row in self.images
        ]
        over_all = {
            "recomposition_error_max": self.recomposition_error,
            "absent_alpha_mean": self.absent_alpha,
            "permutation_change_max": self.permutation_change,
        }
        return {"images": rows, "mean": _finite(asdict(self.mean)), **_finite(over_all)}


def evaluate(
    images: Sequence[Path],
    segmenter: Decomposer,
    *,
    palettes: Mapping[str, Palette] | None = None,
    colors: int = 7,
    palette_method: str = DEFAULT_METHOD,
    seed: int = 0,
    processing: AlphaProcessing | None = None,
    exact: bool = True,
    released: bool = False,
    absent: bool = False,
    permuted: bool = False,
    read: Callable[[Path], Image] = read_image,
    seen: Seen = lambda row, picture, alphas, colors: None,
    progress: Callable[[float], None] = lambda done: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Evaluation:
    """Decomposes pictures and measures the layers, before anything is rounded for a file.

    All is measured in what the networks see: straight sRGB in [0, 1]. That is the picture itself for a photograph;
    of a brighter one it is what the highlight compression leaves.

    Args:
        images: files, at least one.
        segmenter: what decomposes.
        palettes: palette of each file's stem; None finds each.
        colors: K where the palette is found.
        palette_method: how it is found, a choice of the parameter of this name.
        seed: of the search.
        processing: of the alphas; None is the default one. Its layer numbers are those of the palette as given,
            also where the palette is permuted.
        exact: whether the exact step closes the decomposition.
        released: whether the released code's inference is reproduced.
        absent: also measures the alpha that a color gets that is not in the picture.
        permuted: also measures how much alphas change with the palette reversed and rotated by one.
        read: how a file becomes an image.
        seen: called with each row, what the networks saw of its picture (H, W, 3), and the alphas and colors.
        progress: called with the share done, 0 to 1.
        cancelled: asked before each decomposition.

    Raises:
        UsageError: no images, or processing that does not go with a picture.
        PaletteError: a picture has no palette in ``palettes``.
        InputError: a picture that can't be read.
        CancelledError: ``cancelled`` said so.
    """
    paths = [Path(path) for path in images]
    if not paths:
        raise UsageError("there are no images to evaluate", cure="name at least one")
    missing = [path for path in paths if palettes is not None and path.stem not in palettes]
    if missing:
        raise PaletteError(
            f"{missing[0]}: no palette is named {missing[0].stem!r}",
            cure="add a line with this name, or leave --palettes out to find the palettes",
        )
    processing = AlphaProcessing() if processing is None else processing
    rows = []
    for number, path in enumerate(paths):

        def advance(done: float, number: int = number) -> None:
            progress((number + done) / len(paths))

        if cancelled():
            raise CancelledError("the evaluation was cancelled")
        image = read(path)
        palette = (
            segmenter.auto_palette(image, colors, seed=seed, method=palette_method)
            if palettes is None
            else palettes[path.stem]
        )
        variants = _variants(palette, absent, permuted)
        alphas, layer_colors = segmenter.decompose(image, palette, processing, exact=exact, released=released)
        picture, _ = network_image(straight(image.pixels), image.color_space, segmenter.spaces)
        scores = measure(alphas, layer_colors, picture, palette.array)
        error = metrics.recomposition_error(alphas[..., None] * layer_colors, picture)
        seen(ImageScores(path, palette, scores, error), picture, alphas, layer_colors)
        del layer_colors
        advance(1 / (1 + len(variants)))
        absent_alpha, change = None, 0.0 if permuted else None
        for done, order in enumerate(variants, 2):
            if cancelled():
                raise CancelledError("the evaluation was cancelled")
            if order is None:
                changed = Palette((*palette.colors[:-1], ABSENT_COLOR))
                other, _ = segmenter.decompose(image, changed, processing, exact=exact, released=released)
                absent_alpha = float(metrics.coverage(other)[-1])
            else:
                changed = Palette(tuple(palette.colors[entry] for entry in order))
                follows = permute_processing(processing, order)
                other, _ = segmenter.decompose(image, changed, follows, exact=exact, released=released)
                largest = max(float(np.abs(a - alphas[entry]).max()) for a, entry in zip(other, order, strict=True))
                change = max(change or 0.0, largest)
            advance(done / (1 + len(variants)))
        rows.append(ImageScores(path, palette, scores, error, absent_alpha, change))
    return Evaluation(tuple(rows))


def measure(
    alphas: NDArray[np.float32], colors: NDArray[np.float32], picture: NDArray[np.float32], palette: NDArray[np.float32]
) -> Scores:
    """All measures of one decomposition.

    Args:
        alphas: (K, H, W).
        colors: (K, H, W, 3), straight sRGB.
        picture: (H, W, 3), straight sRGB.
        palette: (K, 3) sRGB.
    """
    torn, share = metrics.torn_edges(alphas, picture, palette)
    recomposed = metrics.recompose(alphas, colors)
    return Scores(
        mse=metrics.mean_squared_error(picture, recomposed),
        psnr=metrics.peak_signal_to_noise(picture, recomposed),
        ssim=metrics.structural_similarity(picture, recomposed),
        sparsity=metrics.sparsity(alphas),
        color_variance=metrics.color_variance(colors),
        color_variance_weighted=metrics.color_variance(colors, alphas),
        visible_layers=metrics.visible_layers(alphas),
        flat_noise=metrics.flat_noise(alphas, picture),
        torn_edges=torn,
        torn_share=share,
    )


def permute_processing(processing: AlphaProcessing, order: Sequence[int]) -> AlphaProcessing:
    """The same processing for a palette in another order: what is set for a layer follows its color.

    Args:
        processing: for the palette as it is.
        order: for each place of the new palette, from 0, the place its color had.
    """
    place = {old + 1: new + 1 for new, old in enumerate(order)}
    return replace(
        processing,
        adjustments={place[number]: adjustment for number, adjustment in processing.adjustments.items()},
        masks=tuple(replace(mask, layers=tuple(place[number] for number in mask.layers)) for mask in processing.masks),
    )


def read_palettes_csv(path: str | Path) -> dict[str, Palette]:
    """Reads palettes for several pictures: no header; a file stem, then R, G, B of each color in 0–255.

    Args:
        path: the CSV file. All rows have the same number of colors.

    Returns:
        Palette by stem.

    Raises:
        PaletteError: unreadable, empty, a row of another length, a value outside 0–255, or a stem that comes twice.
    """
    path = Path(path)
    cure = "write one line per image: file name without extension, then R,G,B of each color in 0-255"
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = [(number, [cell.strip() for cell in row]) for number, row in enumerate(csv.reader(file), 1) if row]
    except OSError as error:
        raise PaletteError(f"{path}: can't be read ({error.strerror or error})", cure=cure) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise PaletteError(f"{path}: is not a CSV text file ({error})", cure=cure) from error
    if not lines:
        raise PaletteError(f"{path}: holds no palettes", cure=cure)
    columns = len(lines[0][1])
    palettes: dict[str, Palette] = {}
    for number, (stem, *cells) in lines:
        if len(cells) + 1 != columns or not cells or len(cells) % 3:
            raise PaletteError(f"{path}: line {number} has {len(cells)} numbers, line 1 {columns - 1}", cure=cure)
        if stem in palettes:
            raise PaletteError(f"{path}: line {number} names {stem!r} again", cure="keep one line per image")
        try:
            values = np.array([float(cell) for cell in cells]).reshape(-1, 3) / 255
            palettes[stem] = Palette.from_array(values)
        except ValueError as error:
            raise PaletteError(f"{path}: line {number}: {error}", cure=cure) from error
        except PaletteError as error:
            raise PaletteError(f"{path}: line {number}: {error.message}", cure=cure) from error
    return palettes


def _variants(palette: Palette, absent: bool, permuted: bool) -> list[tuple[int, ...] | None]:
    """What is decomposed besides the palette itself: None for the absent color, an order for a permutation."""
    places = tuple(range(len(palette)))
    variants: list[tuple[int, ...] | None] = []
    if absent and len(places) > 1:
        variants.append(None)
    if permuted:
        variants += sorted({places[::-1], places[1:] + places[:1]} - {places})
    return variants


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def _finite(values: Mapping[str, float | None]) -> dict[str, float | None]:
    """JSON has no infinity and no NaN."""
    return {name: value if value is not None and math.isfinite(value) else None for name, value in values.items()}
