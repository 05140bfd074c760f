"""Views and passes in a picture file, found by the names that artists use, and what of a file is not read."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import OpenImageIO as oiio

_COMBINED = "Combined"
_ANIMATED = {"png": b"acTL", "webp": b"ANIM"}
"""The chunk that is in the beginning of an animated file."""

_BEGINNING = 4096
_NO_PAGES = 1 | 4  # of the type of a TIFF page: of fewer pixels; a mask


def views_of(specs: Sequence[oiio.ImageSpec]) -> list[str]:
    """The views of an EXR file, the one that is shown first in front; empty where it names none."""
    found = specs[0].getattribute("multiView")
    names = list(found) if isinstance(found, tuple) else [spec.get_string_attribute("view") for spec in specs]
    return list(dict.fromkeys(name for name in names if isinstance(name, str) and name))


def part_of_view(specs: Sequence[oiio.ImageSpec], parts: Sequence[int], view: str) -> int | None:
    """The part whose channels without a layer's name are a view; None where no part is."""
    views = views_of(specs)
    if view not in views:
        return None
    for part in parts:
        own = specs[part].get_string_attribute("view") or views[0]
        if own == view and any("." not in name for name in specs[part].channelnames):
            return part
    return None


def full_name(layers: Sequence[str], asked: str, views: Sequence[str] = ()) -> str | None:
    """The one layer whose name ends with what is asked for: ``Combined`` is ``ViewLayer.Combined``.

    A view of Blender's is that of its combined pass: ``left`` is ``ViewLayer.Combined.left``. Of several views, the
    first is meant.

    >>> full_name(["ViewLayer.Combined", "ViewLayer.Mist"], "Combined")
    'ViewLayer.Combined'
    """
    for ending in (f".{asked}", f".{_COMBINED}.{asked}", *(f".{asked}.{view}" for view in views[:1])):
        found = [name for name in layers if f".{name}".endswith(ending)]
        if len(found) == 1:
            return found[0]
    return None


def combined(layers: Sequence[str], views: Sequence[str] = ()) -> str | None:
    """The layer that is Blender's picture, where there is just one."""
    return full_name(layers, _COMBINED, views)


def unread(path: Path, file_format: str, specs: Sequence[oiio.ImageSpec], file: oiio.ImageInput, layer: str) -> str:
    """A line that says what else is in a file and not read; empty where nothing is that nobody asked for."""
    views = views_of(specs)
    if not layer and len(views) > 1:
        others = " or ".join(views[1:])
        return f"holds the views {' and '.join(views)}, of which {views[0]} is read; choose --input-layer {others}"
    if file_format in ("gif", "tiff"):
        page = file.spec() if file.seek_subimage(1, 0) else None
        file.seek_subimage(0, 0)
        with suppress(UnicodeDecodeError):
            file.geterror()  # that there is no other
        if page is not None and not page.get_int_attribute("tiff:subfiletype") & _NO_PAGES:
            return "holds several images, of which the first is read; save them as numbered files for a shot"
    if file_format in _ANIMATED and _ANIMATED[file_format] in _beginning(path):
        return "is animated, its first image is read; save its frames as numbered files for a shot"
    return ""


def _beginning(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_BEGINNING)
