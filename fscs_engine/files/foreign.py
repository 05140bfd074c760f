"""Kinds of files that are not read, told by how they begin, so that the error can say what to do."""

from __future__ import annotations

import re
from collections.abc import Sequence

CONVERT = "convert it to PNG or EXR"
_BRANDS = {b"avif": "AVIF", b"avis": "AVIF"} | dict.fromkeys(
    (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), "HEIC"
)
_STARTS: Sequence[tuple[bytes, str, str]] = (
    (b"qoif", "a QOI image", CONVERT),
    (b"%PDF", "a PDF", CONVERT),
    (b"%!PS", "PostScript", CONVERT),
    (b"gimp xcf", "a GIMP document", "export it as PNG or EXR"),
    (b"II\xbc", "a JPEG XR image", CONVERT),
    (b"FUJIFILMCCD-RAW", "a raw photograph", "develop it, and save it as EXR or 16-bit TIFF"),
    (b"\x00MRM", "a raw photograph", "develop it, and save it as EXR or 16-bit TIFF"),
    (b"BLENDER", "a Blender file", "render an image from it"),
    (b"PK\x03\x04", "a document or archive", "export an image from it"),
    (b"\x1f\x8b", "compressed", "unpack it"),
    (b"version https://git-lfs", "not there yet, only a pointer of Git LFS", "run `git lfs pull`"),
)
_RAW_BRANDS = (b"crx ",)
_BEFORE_MARKUP = rb"\s*(?:<\?xml[^>]*>\s*|<!--.*?-->\s*|<!DOCTYPE\s+svg[^>]*>\s*)*"
_MARKUP = re.compile(_BEFORE_MARKUP + rb"<(svg|!doctype html|html)\b", re.IGNORECASE | re.DOTALL)

LOOKED_AT = 1024
"""How many bytes of a file are enough to tell."""


def kind_of(start: bytes) -> tuple[str, str] | None:
    """What a file that begins like this is, and the cure; None for all that may be an image that is read.

    >>> kind_of(b"qoif....")
    ('a QOI image', 'convert it to PNG or EXR')
    """
    for signature, kind, cure in _STARTS:
        if start.startswith(signature):
            return kind, cure
    if start[4:8] == b"ftyp":
        brands = [start[at : at + 4] for at in (8, *range(16, min(int.from_bytes(start[:4], "big"), 64), 4))]
        if any(brand in _RAW_BRANDS for brand in brands):
            return "a raw photograph", "develop it, and save it as EXR or 16-bit TIFF"
        for brand in brands:
            if brand in _BRANDS:
                return f"an {_BRANDS[brand]} image" if _BRANDS[brand] == "AVIF" else "a HEIC image", CONVERT
        return "a movie", "give its name the ending of its kind, such as .mp4 or .mov"
    markup = _MARKUP.match(start.removeprefix(b"\xef\xbb\xbf"))
    if markup:
        if markup[1].lower() == b"svg":
            return "an SVG drawing", CONVERT
        return "a web page", "download the image itself"
    return None
