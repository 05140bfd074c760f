"""Kinds of files that are not read: the error names the kind and what to do."""

from __future__ import annotations

import pytest

from fscs_engine.errors import InputError
from fscs_engine.files.reading import read_image


def box(brand, *compatible):
    body = b"ftyp" + brand + b"\0\0\0\0" + b"".join(compatible)
    return (len(body) + 4).to_bytes(4, "big") + body


@pytest.mark.parametrize(
    ("start", "kind", "cure"),
    [
        (box(b"avif", b"mif1", b"miaf"), "is an AVIF image", "convert it to PNG or EXR"),
        (box(b"mif1", b"avif"), "is a HEIC image", "convert it to PNG or EXR"),
        (box(b"heic", b"mif1"), "is a HEIC image", "convert it to PNG or EXR"),
        (box(b"crx ", b"isom"), "is a raw photograph", "develop it"),
        (box(b"isom", b"mp42"), "is a movie", "ending"),
        (b"qoif\0\0\0\x10", "is a QOI image", "convert it to PNG or EXR"),
        (b'<?xml version="1.0"?>\n<!-- x -->\n<svg xmlns="a">', "is an SVG drawing", "convert it to PNG or EXR"),
        (b"\xef\xbb\xbf<svg>", "is an SVG drawing", "convert it to PNG or EXR"),
        (b"<!DOCTYPE html><html>", "is a web page", "download the image itself"),
        (b"%PDF-1.7", "is a PDF", "convert it"),
        (b"gimp xcf v011\0", "is a GIMP document", "export it"),
        (b"PK\x03\x04", "is a document or archive", "export an image"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "is not there yet", "git lfs pull"),
    ],
)
@pytest.mark.parametrize("name", ["picture.png", "picture.exr"])
def test_the_error_names_the_kind(tmp_path, name, start, kind, cure):
    file = tmp_path / name
    file.write_bytes(start + bytes(64))
    with pytest.raises(InputError, match=kind) as caught:
        read_image(file)
    assert str(file) in caught.value.message
    assert cure in caught.value.cure
