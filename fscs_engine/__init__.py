"""Soft Color Segment: takes a picture apart into K RGBA layers of one color each, which add up to it.

Shapes are letters throughout: B batch, K palette size, U different palette colors, C channels, H rows from the
top, W columns. Importing this package loads neither torch nor OpenColorIO; the names below load what they need.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from ._version import __version__
from .errors import FscsError

if TYPE_CHECKING:
    from .alpha.processing import AlphaProcessing, LayerAdjustment, Mask
    from .api import segment, segment_sequence
    from .exact.compositing import recompose
    from .files.reading import read_image
    from .host.edits import LayerEdit, Look
    from .image import Image
    from .palette.palette import Palette, PaletteColor
    from .recolor.edits import apply_look
    from .segmenter import Layers, Segmenter
    from .shots.frames import FramePattern
    from .shots.options import ModelSettings, SegmentOptions, ShotMask
    from .shots.runs import ShotReport
    from .shots.sequence import FrameResult

_HOMES = {
    "AlphaProcessing": "alpha.processing",
    "FramePattern": "shots.frames",
    "FrameResult": "shots.sequence",
    "Image": "image",
    "LayerAdjustment": "alpha.processing",
    "LayerEdit": "host.edits",
    "Layers": "segmenter",
    "Look": "host.edits",
    "Mask": "alpha.processing",
    "ModelSettings": "shots.options",
    "Palette": "palette.palette",
    "PaletteColor": "palette.palette",
    "SegmentOptions": "shots.options",
    "Segmenter": "segmenter",
    "ShotMask": "shots.options",
    "ShotReport": "shots.runs",
    "apply_look": "recolor.edits",
    "read_image": "files.reading",
    "recompose": "exact.compositing",
    "segment": "api",
    "segment_sequence": "api",
}

__all__ = [
    "AlphaProcessing",
    "FramePattern",
    "FrameResult",
    "FscsError",
    "Image",
    "LayerAdjustment",
    "LayerEdit",
    "Layers",
    "Look",
    "Mask",
    "ModelSettings",
    "Palette",
    "PaletteColor",
    "SegmentOptions",
    "Segmenter",
    "ShotMask",
    "ShotReport",
    "__version__",
    "apply_look",
    "read_image",
    "recompose",
    "segment",
    "segment_sequence",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
