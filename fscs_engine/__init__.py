"""Soft Color Segment: takes a picture apart into K RGBA layers of one colour each, which add up to it.

Shapes are letters throughout: B batch, K palette size, U different palette colours, C channels, H rows from the
top, W columns. Importing this package loads neither torch nor OpenColorIO; the names below load what they need.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from ._version import __version__
from .errors import FscsError

if TYPE_CHECKING:
    from .api import segment, segment_sequence
    from .compositing import recolor, recompose
    from .files.reading import read_image
    from .image import Image
    from .palette import Palette, PaletteColor
    from .processing import AlphaProcessing, LayerAdjustment, Mask
    from .runs import ShotReport
    from .segmenter import Layers, Segmenter
    from .sequence import FrameResult, ModelSettings, ShotMask

_HOMES = {
    "AlphaProcessing": "processing",
    "FrameResult": "sequence",
    "Image": "image",
    "LayerAdjustment": "processing",
    "Layers": "segmenter",
    "Mask": "processing",
    "ModelSettings": "sequence",
    "Palette": "palette",
    "PaletteColor": "palette",
    "Segmenter": "segmenter",
    "ShotMask": "sequence",
    "ShotReport": "runs",
    "read_image": "files.reading",
    "recolor": "compositing",
    "recompose": "compositing",
    "segment": "api",
    "segment_sequence": "api",
}

__all__ = [
    "AlphaProcessing",
    "FrameResult",
    "FscsError",
    "Image",
    "LayerAdjustment",
    "Layers",
    "Mask",
    "ModelSettings",
    "Palette",
    "PaletteColor",
    "Segmenter",
    "ShotMask",
    "ShotReport",
    "__version__",
    "read_image",
    "recolor",
    "recompose",
    "segment",
    "segment_sequence",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
