"""OpenRaster documents (Krita, MyPaint, GIMP): a zip of PNG layers and the XML that stacks them."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .atomic import partial_folder, replaced_file
from .blending import PaintedRows, StackedLayer, composite, json_texts, largest_error, layer_titles
from .layer_document import LayerDocument
from .png import PngFile
from .reading import open_image
from .strips import ROWS, levels

THUMBNAIL = 256
"""The longest side that the specification allows the thumbnail."""

_MIMETYPE = "image/openraster"
_METADATA = "softcolor/metadata.json"
_MERGED = "mergedimage.png"
_THUMBNAIL = "Thumbnails/thumbnail.png"

# A program that knows no "svg:dst-in" paints the masking layer as a normal one. It holds the picture itself, so the
# colors are right even then.
_MASK = "alpha of the picture"
_BACKGROUND = "black"


class OraLayerWriter(LayerDocument):
    """Writes layers strip by strip into one OpenRaster document, which appears when the block ends without an error.

    The layers are 16-bit (or 8-bit) PNG, straight, sRGB, layer 1 at the bottom, named as the palette's colors or by
    their hex. With ``blend="over"`` they are normal layers; with ``"add"`` opaque ones in "svg:plus" over black, below
    a layer in "svg:dst-in" if the picture has an alpha. The composite is the picture to within (K + 1) / 131070 at 16
    bits, (K + 1) / 510 at 8 (see ``blending.py``), where a program blends in the stored values and in 16 bits. Krita
    opens the document as one of 8 bits until it is converted; GIMP blends normal layers in linear light, so use "add"
    for it.

    Memory does not grow with the height: the PNG files lie in a hidden folder beside the target until they are packed.
    Equal calls give equal bytes. Arguments and errors are those of :class:`LayerDocument`.
    """

    def __enter__(self) -> OraLayerWriter:
        self._begin()
        self._transparent = False
        self._block = max(1, -(-max(self._height, self._width) // THUMBNAIL))
        self._small = np.zeros((-(-self._height // self._block), -(-self._width // self._block), 4))
        names = [f"layer{n}.png" for n in range(1, len(self._palette) + 1)] + [_MERGED]
        with ExitStack() as stack:
            self._temporary = stack.enter_context(replaced_file(self.path, overwrite=self._overwrite))
            self._folder = stack.enter_context(partial_folder(self._temporary.parent))
            pngs = stack.enter_context(ExitStack())
            self._files = [
                pngs.enter_context(PngFile(self._folder / name, self._height, self._width, 4, self._bits))
                for name in names
            ]
            threads = min(len(names), 8)
            self._threads = stack.enter_context(ThreadPoolExecutor(threads))
            self._pngs = pngs
            self._stack = stack.pop_all()
        return self

    def _take(self, top: int, painted: PaintedRows) -> None:
        merged = levels(_straight(painted.picture), self._bits)
        self._transparent |= bool((merged[..., 3] < 2**self._bits - 1).any())
        for _ in self._threads.map(PngFile.write, self._files, [*painted.layers, merged]):
            pass
        self._shrink(top, painted.picture)

    def _shrink(self, top: int, picture: NDArray[np.float32]) -> None:
        """Adds rows to the thumbnail, premultiplied."""
        sums = np.add.reduceat(picture.astype(np.float64), np.arange(0, self._width, self._block), axis=1)
        np.add.at(self._small, (top + np.arange(len(picture))) // self._block, sums)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._strips.check_whole()
                self._pngs.close()
                self._pack()
        except BaseException:
            self._stack.__exit__(*sys.exc_info())
            raise
        self._stack.__exit__(kind, error, trace)

    def _pack(self) -> None:
        """Puts everything into the zip, in the order that the specification asks for."""
        count = len(self._palette)
        titles = layer_titles(self._palette)
        mode = "svg:src-over" if self._blend == "over" else "svg:plus"
        stacked = [(title, f"data/layer{n}.png", mode) for n, title in enumerate(titles, 1)]
        extra: dict[str, Path] = {}
        if self._blend == "add":
            extra["data/background.png"] = self._black()
            stacked.insert(0, (_BACKGROUND, "data/background.png", "svg:src-over"))
            if self._transparent:
                extra["data/alpha.png"] = self._folder / _MERGED
                stacked.append((_MASK, "data/alpha.png", "svg:dst-in"))
        with zipfile.ZipFile(self._temporary, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr(_entry("mimetype"), _MIMETYPE)
            archive.writestr(_entry("stack.xml"), _stack_xml(self._width, self._height, stacked))
            for n in range(1, count + 1):
                _add(archive, f"data/layer{n}.png", self._folder / f"layer{n}.png")
            for name, file in extra.items():
                _add(archive, name, file)
            _add(archive, _MERGED, self._folder / _MERGED)
            _add(archive, _THUMBNAIL, self._thumbnail())
            if self._metadata:
                archive.writestr(_entry(_METADATA), json.dumps(self._metadata, sort_keys=True))

    def _black(self) -> Path:
        file = self._folder / "background.png"
        rows = np.zeros((ROWS, self._width, 4), np.uint8)
        rows[..., 3] = 255
        with PngFile(file, self._height, self._width, 4, 8) as png:
            for top in range(0, self._height, ROWS):
                png.write(rows[: self._height - top])
        return file

    def _thumbnail(self) -> Path:
        file = self._folder / "thumbnail.png"
        tall, wide = (
            np.minimum(self._block, size - np.arange(0, size, self._block)) for size in (self._height, self._width)
        )
        means = (self._small / np.outer(tall, wide)[..., None]).astype(np.float32)
        with PngFile(file, means.shape[0], means.shape[1], 4, 8) as png:
            png.write(levels(_straight(means), 8))
        return file


def composite_error(path: str | Path, image_pixels: NDArray[np.floating]) -> float:
    """Blends the document's layers anew and compares the result, and the merged image, with the picture.

    The PNG files are read by OpenImageIO, stack.xml is followed by a plain interpreter in double precision.
    "svg:plus" is taken in both of its senses: as the specification has it (Porter-Duff's Lighter) and as Krita and
    GIMP do it (the blend mode Addition); the larger error counts.

    Args:
        path: an OpenRaster file of plain layers.
        image_pixels: (H, W, 3 or 4), premultiplied, sRGB.

    Returns:
        The largest error in any channel, the alpha included.

    Raises:
        InputError: no such file, no OpenRaster, something in it that is not interpreted, or another size.
    """
    path = Path(path)
    merged, *stacks = _read(path)
    return max(largest_error(found, image_pixels, path) for found in [merged, *stacks])


def read_metadata(path: str | Path) -> dict[str, str]:
    """The texts that ``OraLayerWriter`` stored, by name; {} where there are none.

    Raises:
        InputError: no such file, or no OpenRaster.
    """
    with _opened(Path(path)) as archive:
        return json_texts(archive.read(_METADATA).decode()) if _METADATA in archive.namelist() else {}


def _read(path: Path) -> list[NDArray[np.float64]]:
    """The merged image, then the composites in both senses of "svg:plus", premultiplied."""
    with _opened(path) as archive:
        merged = _read_png(archive, _MERGED)
        merged[..., :3] *= merged[..., 3:]
        stacks: list[list[StackedLayer]] = [[], []]
        for attributes in reversed(_layers(path, archive.read("stack.xml"))):
            pixels = _read_png(archive, attributes["src"])
            operation = attributes.get("composite-op", "svg:src-over")
            if operation == "svg:plus":
                stacks[0].append(StackedLayer(pixels, "plus"))
                stacks[1].append(StackedLayer(pixels, "add"))
            elif operation in ("svg:src-over", "svg:dst-in"):
                layer = StackedLayer(pixels, "normal" if operation == "svg:src-over" else "mask")
                stacks[0].append(layer)
                stacks[1].append(layer)
            else:
                raise _not_plain(path, f"composite-op {operation!r}")
    return [merged, *(composite(stack) for stack in stacks)]


def _layers(path: Path, xml: bytes) -> list[dict[str, str]]:
    """The attributes of the layers, from the top."""
    try:
        stack = ElementTree.fromstring(xml).find("stack")
    except ElementTree.ParseError as error:
        raise InputError(f"{path}: its stack.xml can't be read ({error})", cure="save it again") from error
    if stack is None or not len(stack):
        raise _not_plain(path, "no layers")
    found = []
    for element in stack:
        if element.tag != "layer":
            raise _not_plain(path, f"a {element.tag}")
        plain = {"x": "0", "y": "0", "opacity": "1", "visibility": "visible"}
        changed = [
            name
            for name, usual in plain.items()
            if (value := element.get(name, usual)) != usual and not (name == "opacity" and float(value) == 1)
        ]
        if changed:
            raise _not_plain(path, f"a layer with another {changed[0]}")
        found.append(dict(element.attrib))
    return found


def _not_plain(path: Path, what: str) -> InputError:
    return InputError(f"{path}: has {what}, which is not interpreted", cure="give a document that 'fscs segment' wrote")


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        archive = zipfile.ZipFile(path)
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file", cure="check the path") from None
    except (OSError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: can't be read as OpenRaster ({error})", cure="save it again") from error
    names = archive.namelist()
    if not {"stack.xml", _MERGED} <= set(names):
        archive.close()
        raise InputError(f"{path}: is a zip file but not OpenRaster", cure="give an .ora file")
    return archive


def _read_png(archive: zipfile.ZipFile, name: str) -> NDArray[np.float64]:
    """(H, W, 4) straight, in [0, 1]."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(archive.extract(name, folder))
        with open_image(file) as opened:
            return opened.read(0, (0, 1, 2, 3)).astype(np.float64)


def _straight(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """Premultiplied → straight, black where there is no alpha; in [0, 1]."""
    alpha = picture[..., 3:]
    straight = np.concatenate([np.zeros_like(picture[..., :3]), alpha], axis=-1)
    np.divide(picture[..., :3], alpha, out=straight[..., :3], where=alpha > 0)
    return np.clip(straight, 0, 1, out=straight)


def _stack_xml(width: int, height: int, stacked: Sequence[tuple[str, str, str]]) -> bytes:
    """The XML of layers (name, source, operation), bottom layer first; in the file the top one comes first."""
    image = ElementTree.Element("image", version="0.0.3", w=str(width), h=str(height))
    stack = ElementTree.SubElement(image, "stack")
    for name, source, operation in reversed(stacked):
        attributes = {"name": name, "src": source, "x": "0", "y": "0", "opacity": "1.0", "visibility": "visible"}
        ElementTree.SubElement(stack, "layer", attributes | {"composite-op": operation})
    ElementTree.indent(image)
    return ElementTree.tostring(image, encoding="UTF-8", xml_declaration=True)


def _entry(name: str) -> zipfile.ZipInfo:
    """A stored entry that tells nothing of when and where it was made."""
    entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    entry.create_system = 3
    entry.external_attr = 0o644 << 16
    return entry


def _add(archive: zipfile.ZipFile, name: str, file: Path) -> None:
    entry = _entry(name)
    entry.file_size = file.stat().st_size
    with file.open("rb") as source, archive.open(entry, "w") as target:
        shutil.copyfileobj(source, target, 1 << 20)
