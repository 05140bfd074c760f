"""Photoshop documents (Photoshop, After Effects, Affinity, Krita), made with psd-tools."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, OutputError, UsageError
from .atomic import replaced_file
from .blending import PaintedRows, StackedLayer, composite, json_texts, largest_error, layer_titles
from .icc import srgb_profile
from .layer_document import LayerDocument
from .strips import levels

LARGEST_SIDE = 30_000
"""The most rows and columns of a PSD file."""

LARGEST_FILE = 2**31 - 1
"""The most bytes of a PSD file."""

_BACKGROUND = "black"
_NAMESPACE = "urn:fscs-engine:softcolor#"
_XMP_PROPERTY = f"{{{_NAMESPACE}}}metadata"


class PsdLayerWriter(LayerDocument):
    """Writes layers strip by strip into one PSD document, which appears when the block ends without an error.

    RGB, 16 bits a channel (or 8), with the sRGB profile; layer 1 at the bottom, named as the palette's colors or by
    their hex. With ``blend="over"`` they are normal layers; with ``"add"`` opaque ones in Linear Dodge (Add) over
    black, clipped to the black layer, which carries the alpha, if the picture has one. The document's own merged image
    is the picture. The layers' composite is the picture to within (K + 1) / 131070 at 16 bits, (K + 1) / 510 at 8 (see
    ``blending.py``); Photoshop itself computes 16 bits in 32,769 levels, so there add about as much again.

    The whole document is held in memory: 8 (K + 1) bytes a pixel at 16 bits, half of that at 8, and about as much again
    while it is packed. Equal calls give equal bytes. Arguments and errors are those of :class:`LayerDocument`, and:

    Raises:
        OutputError: the picture or the file would be larger than PSD allows.
        UsageError: psd-tools is missing.
    """

    def _check_format(self) -> None:
        _require_psd_tools()
        if max(self._height, self._width) > LARGEST_SIDE:
            raise OutputError(
                f"{self.path}: the image is {self._width} x {self._height}, a PSD file holds "
                f"{LARGEST_SIDE} x {LARGEST_SIDE}",
                cure="write .ora or .exr",
            )

    def __enter__(self) -> PsdLayerWriter:
        self._begin()
        # Planes of R, G, B, A; the last are those of the merged image.
        shape = (len(self._palette) + 1, 4, self._height, self._width)
        self._planes = np.empty(shape, ">u2" if self._bits == 16 else np.uint8)
        return self

    def _take(self, top: int, painted: PaintedRows) -> None:
        merged = painted.picture
        # Photoshop keeps the merged image of a transparent document over white.
        merged[..., :3] += 1 - merged[..., 3:]
        rows = slice(top, top + len(merged))
        self._planes[:-1, :, rows] = painted.layers.transpose(0, 3, 1, 2)
        self._planes[-1, :, rows] = levels(np.clip(merged, 0, 1), self._bits).transpose(2, 0, 1)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            return
        self._strips.check_whole()
        with replaced_file(self.path, overwrite=self._overwrite) as temporary, temporary.open("wb") as file:
            document, size = self._document()
            if size > LARGEST_FILE:
                raise OutputError(
                    f"{self.path}: would be {size} bytes, a PSD file holds {LARGEST_FILE}",
                    cure="write .ora or .exr, or use fewer colors",
                )
            document.write(file)

    def _document(self) -> tuple[Any, int]:
        """The file's parts, packed, and how many bytes its pixels take."""
        from psd_tools.constants import BlendMode, ColorMode, Compression, Tag
        from psd_tools.psd.document import PSD
        from psd_tools.psd.header import FileHeader
        from psd_tools.psd.image_data import ImageData
        from psd_tools.psd.layer_and_mask import (
            ChannelImageData,
            GlobalLayerMaskInfo,
            LayerAndMaskInformation,
            LayerInfo,
            LayerRecords,
        )
        from psd_tools.psd.tagged_blocks import TaggedBlocks

        alpha = self._planes[-1, 3]
        transparent = bool((alpha < 2**self._bits - 1).any())
        mode = BlendMode.NORMAL if self._blend == "over" else BlendMode.LINEAR_DODGE
        clipped = transparent and self._blend == "add"
        titles = layer_titles(self._palette)
        layers = [(title, mode, clipped, planes) for title, planes in zip(titles, self._planes[:-1], strict=True)]
        if self._blend == "add":
            black = np.zeros_like(self._planes[-1])
            black[3] = alpha
            layers.insert(0, (_BACKGROUND, BlendMode.NORMAL, False, black))
        records, channels = LayerRecords(), ChannelImageData()
        for layer in layers:
            record, data = self._layer(*layer)
            records.append(record)
            channels.append(data)
        # A negative count says that the merged image's fourth channel is its transparency.
        count = -len(layers) if transparent else len(layers)
        blocks = TaggedBlocks()
        if self._bits == 8:
            section = LayerInfo(count, records, channels)
        else:
            # Where Photoshop keeps the layers of 16 bits; the usual place stays empty.
            section = LayerInfo()
            if transparent:
                blocks.set_data(Tag.SAVING_MERGED_TRANSPARENCY16)
            blocks.set_data(Tag.LAYER_16, count, records, channels)
        header = FileHeader(
            width=self._width,
            height=self._height,
            channels=4 if transparent else 3,
            depth=self._bits,
            color_mode=ColorMode.RGB,
        )
        merged = ImageData(compression=Compression.RLE)
        merged.set_data([plane.tobytes() for plane in self._planes[-1, : header.channels]], header)
        size = sum(len(channel.data) for layer in channels for channel in layer) + len(merged.data)
        document = PSD(
            header=header,
            image_resources=self._resources(),
            layer_and_mask_information=LayerAndMaskInformation(section, GlobalLayerMaskInfo(), blocks),
            image_data=merged,
        )
        return document, size

    def _layer(self, title: str, mode: Any, clipped: bool, planes: NDArray[Any]) -> tuple[Any, Any]:
        """A layer's record and its channels, the transparency first."""
        from psd_tools.constants import ChannelID, Clipping, Compression, Tag
        from psd_tools.psd.layer_and_mask import ChannelData, ChannelDataList, ChannelInfo, LayerRecord
        from psd_tools.psd.tagged_blocks import TaggedBlocks

        # Run lengths, which every program reads, do for 8 bits; those of 16 are written as Photoshop does it.
        kind = Compression.RLE if self._bits == 8 else Compression.ZIP_WITH_PREDICTION

        def packed(plane: NDArray[Any]) -> Any:
            channel = ChannelData(compression=kind)
            channel.set_data(plane.tobytes(), self._width, self._height, self._bits)
            return channel

        with ThreadPoolExecutor(4) as threads:
            data = ChannelDataList(list(threads.map(packed, planes[[3, 0, 1, 2]])))
        blocks = TaggedBlocks()
        blocks.set_data(Tag.UNICODE_LAYER_NAME, title)
        # What is clipped is blended with the color of the layer it is clipped to, then shares its transparency.
        blocks.set_data(Tag.BLEND_CLIPPING_ELEMENTS, 1)
        identities = (ChannelID.TRANSPARENCY_MASK, ChannelID.CHANNEL_0, ChannelID.CHANNEL_1, ChannelID.CHANNEL_2)
        record = LayerRecord(
            bottom=self._height,
            right=self._width,
            channel_info=[
                ChannelInfo(id=identity, length=len(channel.data) + 2)
                for identity, channel in zip(identities, data, strict=True)
            ],
            blend_mode=mode,
            clipping=Clipping.NON_BASE if clipped else Clipping.BASE,
            # For programs that don't read the name in Unicode.
            name=title.encode("macroman", "replace").decode("macroman")[:255],
            tagged_blocks=blocks,
        )
        return record, data

    def _resources(self) -> Any:
        """The sRGB profile, the mark that the merged image is a true one, and the metadata."""
        from psd_tools.constants import Resource
        from psd_tools.psd.image_resources import ImageResource, ImageResources, VersionInfo

        version = VersionInfo(has_composite=True, writer="fscs-engine", reader="fscs-engine")
        found: dict[Any, Any] = {Resource.ICC_PROFILE: srgb_profile(), Resource.VERSION_INFO: version}
        if self._metadata:
            found[Resource.XMP_METADATA] = _xmp(self._metadata)
        return ImageResources([(key, ImageResource(key=key, data=data)) for key, data in sorted(found.items())])  # type: ignore[arg-type]


def composite_error(path: str | Path, image_pixels: NDArray[np.floating]) -> float:
    """Blends the document's layers anew and compares the result, and the merged image, with the picture.

    The layers are blended twice: by psd-tools' own compositor, and from its decoded pixels by a plain interpreter in
    double precision.

    Args:
        path: a PSD file of plain layers.
        image_pixels: (H, W, 3 or 4), premultiplied, sRGB.

    Returns:
        The largest error in any channel, the alpha included.

    Raises:
        InputError: no such file, no PSD, something in it that is not interpreted, or another size.
        UsageError: psd-tools is missing.
    """
    path = Path(path)
    document = _opened(path)
    from psd_tools.composite import composite as composite_of_psd_tools

    color, _, alpha = composite_of_psd_tools(document, force=True)
    found = [np.concatenate([color * alpha, alpha], axis=-1), composite(_stack(path, document))]
    merged = document.numpy().astype(np.float64)
    if merged.shape[2] == 4:
        merged[..., :3] *= merged[..., 3:]
    else:
        merged = np.concatenate([merged, np.ones_like(merged[..., :1])], axis=-1)
    return max(largest_error(picture, image_pixels, path) for picture in [*found, merged])


def read_metadata(path: str | Path) -> dict[str, str]:
    """The texts that ``PsdLayerWriter`` stored, by name; {} where there are none.

    Raises:
        InputError: no such file, or no PSD.
        UsageError: psd-tools is missing.
    """
    resources = _opened(Path(path)).image_resources
    from psd_tools.constants import Resource

    if Resource.XMP_METADATA not in resources:
        return {}
    try:
        root = ElementTree.fromstring(bytes(resources.get_data(Resource.XMP_METADATA)))
    except ElementTree.ParseError:
        return {}
    texts = [json_texts(element.get(_XMP_PROPERTY, "")) for element in root.iter()]
    return next((found for found in texts if found), {})


def _stack(path: Path, document: Any) -> list[StackedLayer]:
    """The layers for the interpreter, the bottom one first; a clipped group is one layer."""
    from psd_tools.constants import BlendMode

    modes = {BlendMode.NORMAL: "normal", BlendMode.LINEAR_DODGE: "add"}
    groups: list[list[StackedLayer]] = []
    for record in document:
        plain = record.kind == "pixel" and record.visible and record.opacity == 255 and record.mask is None
        if not plain or record.blend_mode not in modes or record.bbox != (0, 0, *document.size):
            raise InputError(
                f"{path}: layer {record.name!r} is not interpreted", cure="give a document that 'fscs segment' wrote"
            )
        layer = StackedLayer(record.numpy().astype(np.float64), modes[record.blend_mode])  # type: ignore[arg-type]
        if record.clipping and groups:
            groups[-1].append(layer)
        else:
            groups.append([layer])
    return [_one(group) for group in groups]


def _one(group: Sequence[StackedLayer]) -> StackedLayer:
    """Layers clipped to the first, blended as on an opaque one; together they have its transparency and mode."""
    base = group[0]
    if len(group) == 1:
        return base
    pixels = base.pixels.copy()
    pixels[..., 3] = 1
    pixels[..., :3] = composite([StackedLayer(pixels), *group[1:]])[..., :3]
    pixels[..., 3] = base.pixels[..., 3]
    return StackedLayer(pixels, base.mode)


def _opened(path: Path) -> Any:
    _require_psd_tools()
    from psd_tools import PSDImage

    try:
        return PSDImage.open(path)
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file", cure="check the path") from None
    except (OSError, ValueError, AssertionError, struct.error) as error:
        raise InputError(f"{path}: can't be read as PSD ({error})", cure="save it again") from error


def _require_psd_tools() -> None:
    try:
        import psd_tools  # noqa: F401
    except ImportError:
        raise UsageError("PSD files need psd-tools", cure='pip install "fscs-engine[documents]"') from None


def _xmp(metadata: Mapping[str, str]) -> bytes:
    text = quoteattr(json.dumps(dict(metadata), sort_keys=True))
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" xmlns:softcolor="{_NAMESPACE}" softcolor:metadata={text}/>'
        "</rdf:RDF></x:xmpmeta>"
    ).encode("ascii")
