"""Views and passes in a picture file, found by the names that artists use, and what of a file is not read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path

import OpenImageIO as oiio

from .png_tags import png_tags

_COMBINED = "Combined"
_WITH_PAGES = ("fits", "gif", "ico", "tiff")
"""Formats whose further images are asked for by their headers."""

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
    if file_format in _WITH_PAGES:
        several = any(not page.get_int_attribute("tiff:subfiletype") & _NO_PAGES for page in _further(file))
    else:
        several = file_format == "png" and png_tags(path).animated or file_format == "webp" and _is_animated_webp(path)
    if several:
        return "holds several images, of which the first is read; save them as numbered files for a shot"
    return ""


def _is_animated_webp(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(21)
    return head[12:16] == b"VP8X" and len(head) == 21 and bool(head[20] & 2)


def _further(file: oiio.ImageInput) -> Iterator[oiio.ImageSpec]:
    """The headers of all images of a file but the first."""
    for page in count(1):
        found = file.seek_subimage(page, 0)
        spec = file.spec()
        file.seek_subimage(0, 0)
        with suppress(UnicodeDecodeError):
            file.geterror()  # that there is no other
        if not found:
            return
        yield spec
