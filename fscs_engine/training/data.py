"""Training samples: random crops of a folder of photographs, with a palette made by K-means on the fly.

Sample ``n`` of a run is decided by the run's seed and by ``n`` alone, so a resumed run sees what the
uninterrupted one would have seen.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import ThreadpoolController

from ..errors import InputError
from ..palette.palette import canonical_order

_SUFFIXES = {".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp"}
_PALETTE_PIXELS = 1500
VALIDATION_SHARE = 60 / 1017
"""Of the photographs no training sees this share: settings are chosen on them."""

_CROPS_A_PHOTO = 4  # reading a photograph costs more than the rest of a sample


@dataclass(frozen=True)
class Sample:
    """One training sample: image (3, S, S) and palette (K, 3), both sRGB float32 in [0, 1]."""

    image: NDArray[np.float32]
    palette: NDArray[np.float32]
    crop_palette: bool
    """Whether the palette was made from this crop alone."""


class Photographs:
    """The photographs in a folder, at random sizes.

    Args:
        folder: searched for photographs, not recursively.
        least: the shortest side that is of use, in pixels.

    Raises:
        InputError: the folder holds no photographs.
    """

    def __init__(self, folder: Path, least: int) -> None:
        self.files, _ = split_photographs(folder)
        self.least = least
        listed = "\n".join(f"{file.name} {file.stat().st_size}" for file in self.files)
        self.identity = hashlib.sha256(listed.encode()).hexdigest()
        """Which photographs: sha256 of their names and sizes."""

    def photo(self, rng: np.random.Generator) -> NDArray[np.uint8]:
        """A photograph at a random size, from a third of the file's own to the whole. (H, W, 3).

        Raises:
            InputError: it can't be read, or is smaller than ``least``.
        """
        file = self.files[rng.integers(len(self.files))]
        scale = float(rng.uniform(0.35, 1.0))
        try:
            with Image.open(file) as opened:
                photo = ImageOps.exif_transpose(opened).convert("RGB")
        except (OSError, SyntaxError) as error:  # what Pillow raises for broken files
            raise InputError(f"{file}: can't be read as a photograph", cure="take it out of the folder") from error
        if min(photo.size) < self.least:
            raise InputError(
                f"{file}: is {photo.width}×{photo.height}, smaller than the crop of {self.least} pixels",
                cure="take it out of the folder, or train with a smaller --crop",
            )
        size = (max(self.least, round(photo.width * scale)), max(self.least, round(photo.height * scale)))
        return np.asarray(photo.resize(size, Image.Resampling.BOX))


def split_photographs(folder: Path) -> tuple[list[Path], list[Path]]:
    """Those to train on, and those kept for validation: by the hash of the name, whatever else lies there.

    Raises:
        InputError: the folder holds no photographs.
    """
    files = sorted(f for f in folder.glob("*") if f.suffix.lower() in _SUFFIXES)
    if not files:
        raise InputError(f"{folder}: holds no photographs", cure="name a folder of .jpg or .png photographs")
    by_hash = sorted(files, key=lambda file: hashlib.sha256(file.name.encode()).digest())
    kept = round(VALIDATION_SHARE * len(files))
    return sorted(by_hash[kept:]), sorted(by_hash[:kept])


class PhotoCrops:
    """Random crops of the photographs in a folder, for a network of fixed K.

    Args:
        folder: see :class:`Photographs`.
        crop: side of the square crops in pixels.
        colors: K of the network; fewer distinct colors come as repeated entries.
        seed: of everything random here.

    Raises:
        InputError: the folder holds no photographs.
    """

    def __init__(self, folder: Path, crop: int, colors: int, seed: int) -> None:
        self.photographs = Photographs(folder, crop)
        self.crop, self.colors, self.seed = crop, colors, seed
        self.identity = self.photographs.identity

    def samples(self, first: int, count: int) -> list[Sample]:
        """Samples ``first`` to ``first + count`` of the run."""
        photos: dict[int, NDArray[np.uint8]] = {}
        samples = []
        for number in range(first, first + count):
            group = number // _CROPS_A_PHOTO
            if group not in photos:
                photos[group] = self.photographs.photo(np.random.default_rng([self.seed, 0, group]))
            samples.append(self._sample(photos[group], np.random.default_rng([self.seed, 1, number])))
        return samples

    def _sample(self, photo: NDArray[np.uint8], rng: np.random.Generator) -> Sample:
        crop = random_crop(photo, self.crop, rng)
        crop_palette = bool(rng.random() < 0.5)
        source = (crop if crop_palette else photo).reshape(-1, 3)
        pixels = source[rng.integers(len(source), size=_PALETTE_PIXELS)]
        recolor = random_recoloring(rng)
        colors = self.colors if rng.random() < 0.75 else int(rng.integers(1, self.colors + 1))
        palette = kmeans_colors(recolor(pixels), colors, rng)
        if rng.random() < 0.1:  # a palette by hand can hold a color that is nowhere in the picture
            palette[rng.integers(len(palette))] = rng.random(3)
            crop_palette = False
        palette = palette[canonical_order(palette)]
        repeats = np.sort(np.arange(self.colors) % len(palette))
        image = np.ascontiguousarray(recolor(crop).transpose(2, 0, 1))
        return Sample(image, palette[repeats].astype(np.float32), crop_palette)


def random_crop(photo: NDArray[np.uint8], side: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A random square, as it is or mirrored. (H, W, 3) → (side, side, 3)."""
    height, width = photo.shape[:2]
    top = int(rng.integers(height - side + 1))
    left = int(rng.integers(width - side + 1))
    crop = photo[top : top + side, left : left + side]
    return crop[:, ::-1] if rng.random() < 0.5 else crop


def kmeans_colors(pixels: NDArray[np.float32], colors: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """K-means centers. pixels (N, 3) in [0, 1] → (≤ K, 3) in [0, 1]."""
    # Threads of K-means add up in any order: with one the palette does not depend on their number.
    with warnings.catch_warnings(), _threads().limit(limits=1, user_api="openmp"):
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct colors than clusters
        means = KMeans(colors, n_init=1, max_iter=30, random_state=int(rng.integers(2**31))).fit(pixels)
    return np.clip(means.cluster_centers_, 0.0, 1.0).astype(np.float64)


@cache
def _threads() -> ThreadpoolController:
    """Finding the libraries that have threads takes as long as finding the colors."""
    return ThreadpoolController()


def random_recoloring(rng: np.random.Generator) -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
    """A random turn of hue, change of saturation and of tone: photographs alone hold few saturated colors.

    Returns:
        A function from (..., 3) uint8 to (..., 3) float32 in [0, 1]. Two times in five it changes nothing.
    """
    if rng.random() < 0.4:
        return lambda pixels: pixels.astype(np.float32) / np.float32(255)
    angle, saturation = rng.uniform(-np.pi, np.pi), np.exp(rng.uniform(np.log(0.6), np.log(3.0)))
    gamma = np.exp(rng.uniform(np.log(0.6), np.log(1.6)))
    gray = np.full((3, 3), 1 / 3)
    axis = np.array([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]) / np.sqrt(3)
    turn = gray + saturation * (np.cos(angle) * (np.eye(3) - gray) + np.sin(angle) * axis)  # about the gray axis

    def recolor(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        tone = (pixels.astype(np.float32) / np.float32(255)) ** np.float32(gamma)
        return np.clip(tone @ turn.T.astype(np.float32), 0.0, 1.0)

    return recolor
