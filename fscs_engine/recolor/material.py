"""Layered images: read, taken as they are, and written again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .._version import __version__
from ..errors import InputError, PaletteError
from ..exact.compositing import recompose
from ..files.exr import ExrLayerWriter, read_layers
from ..files.reading import open_image
from ..host.naming import METADATA_PREFIX, layer_channels
from ..image import Image
from ..palette.palette import Palette

_KEPT = ("model", "input")
"""What a file keeps saying of itself when its layers were edited; its key and parameters no longer make them."""


@dataclass(frozen=True, eq=False)
class Material:
    """An image with its layers.

    Attributes:
        image: what the layers add up to, in their working space.
        layers: (K, H, W, 4) float32 premultiplied.
        palette: of the layers.
        metadata: the texts of the layered file, under their full names; empty for layers made in memory.
    """

    image: Image
    layers: NDArray[np.float32]
    palette: Palette
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def coverage(self) -> list[float]:
        """The mean alpha of each layer."""
        return [float(layer[..., 3].mean(dtype=np.float64)) for layer in self.layers]


def is_layered(path: Path) -> bool:
    """Whether a file holds layers. A file that can't be read is taken for an image, which says what is wrong."""
    if path.suffix.lower() != ".exr":
        return False
    with suppress(InputError), open_image(path) as opened:
        names = {name.partition(".")[0] for spec in opened.specs for name in spec.channelnames}
        return layer_channels(1)[0].partition(".")[0] in names
    return False


def read_material(path: Path) -> Material:
    """A layered EXR.

    Raises:
        InputError: it can't be read, or does not say which palette its layers have.
    """
    file = read_layers(path)
    image = Image(
        recompose(file.layers),
        file.color_space,
        file.data_window,
        file.display_window,
        file.attributes,
        file.source,
    )
    return Material(image, file.layers, stored_palette(path, file.metadata, len(file.layers)), dict(file.metadata))


def stored_palette(path: Path, metadata: Mapping[str, str], layers: int) -> Palette:
    """The palette that a layered EXR was made with, by its metadata.

    Raises:
        InputError: the file has lost it, or it does not fit the layers.
    """
    cure = "give the EXR as fscs segment wrote it"
    text = metadata.get(METADATA_PREFIX + "palette")
    if text is None:
        raise InputError(f"{path}: does not say which palette its layers have", cure=cure)
    try:
        palette = Palette.from_dict(json.loads(text))
    except (ValueError, PaletteError) as error:
        raise InputError(f"{path}: its palette can't be read ({error})", cure=cure) from error
    if len(palette) != layers:
        raise InputError(f"{path}: has {layers} layers and a palette of {len(palette)} colors", cure=cure)
    return palette


def write_material(path: Path, material: Material, *, half: bool = False, overwrite: bool = False) -> None:
    """Writes layers with their palette as a layered EXR, without a cache key: hosts must not take it for a result.

    Raises:
        OutputError: the file exists and ``overwrite`` is False, or it can't be written.
        RangeError: with ``half``, a value does not fit.
    """
    image = material.image
    palette = json.dumps(material.palette.to_dict(), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    said = {"palette": palette, "working_space": image.color_space, "version": __version__}
    kept = {METADATA_PREFIX + name: material.metadata.get(METADATA_PREFIX + name) for name in _KEPT}
    metadata = {name: text for name, text in kept.items() if text is not None}
    with ExrLayerWriter(
        path,
        height=image.height,
        width=image.width,
        layers=len(material.layers),
        metadata={**metadata, **{METADATA_PREFIX + name: text for name, text in said.items()}},
        image=image,
        color_space=image.color_space,
        half=half,
        overwrite=overwrite,
    ) as writer:
        writer.write(0, material.layers)
