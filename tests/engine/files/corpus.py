"""A corpus of picture files, made here byte by byte or by other libraries, and what each one means.

What a file means is worked out from the numbers put into it, by the published formulas in float64, or read by Pillow;
never by the code under test.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import OpenEXR
import OpenImageIO as oiio
import tifffile
from PIL import Image as Pillow

Y, X = np.mgrid[:24, :32]
RGB = np.stack([X * 8, Y * 10, (X // 4 + Y // 4) % 2 * 180 + 20], axis=-1).astype(np.uint8)
GRAY = RGB[..., 0]
ALPHA = np.clip(X * 9, 0, 255).astype(np.uint8)
RGBA = np.dstack([RGB, ALPHA])
DEEP = (RGB.astype(np.uint16) * 257 + (X * 7 + Y)[..., None]).astype(np.uint16)

REC709 = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290)
P3 = (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.3127, 0.3290)
DCI = (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.314, 0.351)
ADOBE = (0.64, 0.33, 0.21, 0.71, 0.15, 0.06, 0.3127, 0.3290)
PROPHOTO = (0.7347, 0.2653, 0.1596, 0.8404, 0.0366, 0.0001, 0.3457, 0.3585)
REC2020 = (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, 0.3127, 0.3290)
ALEXA = (0.684, 0.313, 0.221, 0.848, 0.0861, -0.102, 0.3127, 0.3290)

Curve = Callable[[np.ndarray], np.ndarray]


# --- formulas


def srgb_to_linear(values: np.ndarray) -> np.ndarray:
    """IEC 61966-2-1."""
    values = np.asarray(values, np.float64)
    return np.where(values <= 0.04045, values / 12.92, ((np.maximum(values, 0) + 0.055) / 1.055) ** 2.4)


def power(exponent: float) -> Curve:
    return lambda values: np.asarray(values, np.float64) ** exponent


def cineon_to_linear(values: np.ndarray) -> np.ndarray:
    """Kodak's conversion of 10-bit codes, white at 685 and black at 95."""
    black = 10 ** ((95 - 685) / 300)
    return (10 ** ((np.asarray(values, np.float64) * 1023 - 685) / 300) - black) / (1 - black)


def to_xyz(chromaticities: Sequence[float]) -> np.ndarray:
    """SMPTE RP 177."""
    pairs = np.reshape(chromaticities, (4, 2))
    xyz = np.array([[x / y, 1, (1 - x - y) / y] for x, y in pairs])
    return xyz[:3].T * np.linalg.solve(xyz[:3].T, xyz[3])


BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


def adapted(white: np.ndarray, target: np.ndarray) -> np.ndarray:
    return np.linalg.solve(BRADFORD, ((BRADFORD @ target) / (BRADFORD @ white))[:, None] * BRADFORD)


def to_rec709(linear: np.ndarray, chromaticities: Sequence[float]) -> np.ndarray:
    """Linear RGB of some primaries in linear Rec.709."""
    source, target = to_xyz(chromaticities), to_xyz(REC709)
    matrix = np.linalg.inv(target) @ adapted(source.sum(axis=1), target.sum(axis=1)) @ source
    return np.asarray(linear, np.float64) @ matrix.T


# --- profiles


def icc_profile(
    chromaticities: Sequence[float] = REC709,
    curve: float | Sequence[int] | str = 2.2,
    kind: str = "RGB ",
    name: str = "Test",
    table: np.ndarray | None = None,
) -> bytes:
    """An ICC profile of version 2 (4 with the curve "sRGB").

    Args:
        chromaticities: of an RGB profile.
        curve: an exponent, 16-bit samples, or "sRGB" for its formula.
        kind: "RGB ", "GRAY" or "CMYK".
        name: its description.
        table: (N, N, N, 3) XYZ under D50, red first, in place of curves and matrix.
    """
    if curve == "sRGB":
        numbers = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
        trc = b"para" + bytes(4) + struct.pack(">HH", 3, 0) + b"".join(_fixed(value) for value in numbers)
    elif isinstance(curve, float):
        trc = b"curv" + bytes(4) + struct.pack(">IH", 1, round(curve * 256)) + bytes(2)
    else:
        trc = b"curv" + bytes(4) + struct.pack(f">I{len(curve)}H", len(curve), *curve)
    text = name.encode("ascii") + b"\0"
    tags = {
        b"desc": b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(4 + 4 + 2 + 1 + 67),
        b"cprt": b"text" + bytes(4) + b"none\0",
        b"wtpt": _xyz(D50),
    }
    if table is not None:
        tags[b"A2B0"] = _mft2(table)
    elif kind == "GRAY":
        tags[b"kTRC"] = trc
    else:
        source = to_xyz(chromaticities)
        columns = (adapted(source.sum(axis=1), D50) @ source).T
        tags |= dict(zip((b"rXYZ", b"gXYZ", b"bXYZ"), (_xyz(column) for column in columns), strict=True))
        tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), trc)
    listed, data = b"", b""
    start = 128 + 4 + 12 * len(tags)
    for tag, value in tags.items():
        value += bytes(-len(value) % 4)
        listed += tag + struct.pack(">II", start + len(data), len(value))
        data += value
    version = 0x04000000 if curve == "sRGB" else 0x02400000
    head = struct.pack(">I4sI4s4s4s", start + len(data), b"test", version, b"mntr", kind.encode(), b"XYZ ")
    head += struct.pack(">6H4s", 2020, 1, 1, 0, 0, 0, b"acsp") + bytes(28) + b"".join(_fixed(value) for value in D50)
    return head + bytes(128 - len(head)) + struct.pack(">I", len(tags)) + listed + data


D50 = np.array([0.9642, 1.0, 0.8249])


def _fixed(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))


def _xyz(values: Sequence[float]) -> bytes:
    return b"XYZ " + bytes(4) + b"".join(_fixed(value) for value in values)


def _mft2(table: np.ndarray) -> bytes:
    side = len(table)
    head = b"mft2" + bytes(4) + struct.pack(">4B", 3, 3, side, 0)
    head += b"".join(_fixed(value) for value in np.eye(3).ravel()) + struct.pack(">2H", 2, 2)
    straight = struct.pack(">2H", 0, 65535) * 3
    levels = np.rint(np.clip(table, 0, 1.9999) * 32768).astype(">u2")
    return head + straight + levels.tobytes() + straight


def table_profile(chromaticities: Sequence[float], exponent: float) -> bytes:
    """A profile of a table only, which means the same as one of curves and a matrix at the corners of its cells."""
    axis = np.linspace(0, 1, 33) ** exponent
    linear = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1)
    source = to_xyz(chromaticities)
    return icc_profile(table=linear @ (adapted(source.sum(axis=1), D50) @ source).T, name="Table")


# --- files


def png(path: Path, values: np.ndarray, *chunks: tuple[bytes, bytes]) -> None:
    """A PNG of (H, W, C) uint8 or uint16, with chunks before its pixels."""
    height, width, channels = values.shape
    deep = values.dtype == np.uint16
    rows = values.astype(">u2" if deep else np.uint8).reshape(height, -1).view(np.uint8)
    packed = zlib.compress(np.hstack([np.zeros((height, 1), np.uint8), rows]).tobytes())
    head = struct.pack(">IIBBBBB", width, height, 16 if deep else 8, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    written = b"\x89PNG\r\n\x1a\n"
    for kind, data in ((b"IHDR", head), *chunks, (b"IDAT", packed), (b"IEND", b"")):
        written += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    path.write_bytes(written)


def iccp(profile: bytes) -> tuple[bytes, bytes]:
    return b"iCCP", b"profile\0\0" + zlib.compress(profile)


def gama(value: float) -> tuple[bytes, bytes]:
    return b"gAMA", struct.pack(">I", round(value * 100_000))


def chrm(chromaticities: Sequence[float]) -> tuple[bytes, bytes]:
    numbers = (*chromaticities[6:], *chromaticities[:6])
    return b"cHRM", struct.pack(">8I", *(round(value * 100_000) for value in numbers))


def cicp(*numbers: int) -> tuple[bytes, bytes]:
    return b"cICP", bytes(numbers)


def psd(path: Path, values: np.ndarray, mode: int = 3, profile: bytes = b"") -> None:
    """A flat PSD of (H, W, C) uint8 or uint16; mode as Photoshop numbers them."""
    height, width, channels = values.shape
    deep = values.dtype == np.uint16
    colors = {2: bytes(range(256)) * 3, 8: bytes(528)}.get(mode, b"")
    resources = b""
    if profile:
        resources = b"8BIM" + struct.pack(">HHI", 1039, 0, len(profile)) + profile + bytes(len(profile) % 2)
    planes = np.moveaxis(values, 2, 0).astype(">u2" if deep else np.uint8)
    head = b"8BPS" + struct.pack(">H6xHIIHH", 1, channels, height, width, 16 if deep else 8, mode)
    path.write_bytes(
        head
        + struct.pack(">I", len(colors))
        + colors
        + struct.pack(">I", len(resources))
        + resources
        + bytes(4)
        + bytes(2)
        + planes.tobytes()
    )


def jp2(path: Path, values: np.ndarray, profile: bytes) -> None:
    """A JPEG 2000 of (H, W, C) uint8 whose box for its color holds a profile."""
    pillow(path, values)
    content = path.read_bytes()
    box, header = content.index(b"colr") - 4, content.index(b"jp2h") - 4
    old, whole = (struct.unpack(">I", content[at : at + 4])[0] for at in (box, header))
    new = struct.pack(">I4s3B", 11 + len(profile), b"colr", 2, 0, 0) + profile
    content = content[:box] + new + content[box + old :]
    path.write_bytes(content[:header] + struct.pack(">I", whole + len(new) - old) + content[header + 4 :])


def bmp(path: Path, values: np.ndarray, version: int = 5) -> None:
    """A 32-bit BMP of (H, W, 4): with a mask for alpha (5), or a fourth byte that nothing is said of (3)."""
    height, width, _ = values.shape
    size = 124 if version == 5 else 40
    head = struct.pack("<IiiHHIIiiII", size, width, height, 1, 32, 3 if version == 5 else 0, 0, 2835, 2835, 0, 0)
    if version == 5:
        head += struct.pack("<4I4s", 0xFF0000, 0xFF00, 0xFF, 0xFF000000, b"BGRs") + bytes(64)
    pixels = np.ascontiguousarray(values[::-1, :, [2, 1, 0, 3]]).tobytes()
    path.write_bytes(b"BM" + struct.pack("<IHHI", 14 + size + len(pixels), 0, 0, 14 + size) + head + pixels)


def cineon(path: Path, codes: np.ndarray) -> None:
    """A Cineon file of (H, W, 3) codes of 10 bits."""
    height, width, _ = codes.shape
    head = struct.pack(">IIIIII8s", 0x802A5FD7, 2048, 1024, 1024, 0, 2048 + height * width * 4, b"V4.5")
    head += bytes(192 - len(head)) + struct.pack(">2B2x", 0, 3)
    for channel in range(3):
        head += struct.pack(">4BII4f", 0, channel + 1, 10, 0, width, height, 0, 0, 1023, 2.046)
    head += bytes(680 - len(head)) + struct.pack(">4BiI", 0, 5, 0, 0, 0, 0)
    codes = codes.astype(np.uint32)
    packed = (codes[..., 0] << 22 | codes[..., 1] << 12 | codes[..., 2] << 2).astype(">u4")
    path.write_bytes(head + bytes(2048 - len(head)) + packed.tobytes())


def dpx(path: Path, transfer: str, values: np.ndarray = DEEP) -> None:
    spec = oiio.ImageSpec(values.shape[1], values.shape[0], values.shape[2], "uint16")
    spec.attribute("dpx:Transfer", transfer)
    _written(path, spec, values)


def floats(path: Path, values: np.ndarray, **attributes: object) -> None:
    """A float file by OpenImageIO."""
    spec = oiio.ImageSpec(values.shape[1], values.shape[0], values.shape[2], "float")
    for name, value in attributes.items():
        spec.attribute(name, value)
    _written(path, spec, values.astype(np.float32))


def _written(path: Path, spec: oiio.ImageSpec, values: np.ndarray) -> None:
    output = oiio.ImageOutput.create(str(path))
    assert output.open(str(path), spec), output.geterror()
    assert output.write_image(np.ascontiguousarray(values)), output.geterror()
    assert output.close(), output.geterror()


def exr(path: Path, channels: dict[str, np.ndarray], **attributes: object) -> None:
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage, **attributes}
    planes = {name: np.ascontiguousarray(plane, np.float32) for name, plane in channels.items()}
    OpenEXR.File(header, planes).write(str(path))


def pillow(path: Path, values: np.ndarray, mode: str | None = None, **options: object) -> None:
    picture = Pillow.fromarray(values)
    (picture.convert(mode) if mode else picture).save(path, **options)


def tiff(
    path: Path, values: np.ndarray, photometric: str | int = "rgb", profile: bytes = b"", **options: object
) -> None:
    tifffile.imwrite(path, values, photometric=photometric, iccprofile=profile or None, metadata=None, **options)


def palette_tiff_with_alpha(path: Path) -> None:
    colors = np.random.default_rng(0).integers(0, 65536, 768).astype(np.uint16).tolist()
    tags = [(320, "H", 768, colors, True)]
    tiff(path, np.dstack([GRAY, ALPHA]), "minisblack", extrasamples=["unassalpha"], extratags=tags)
    with tifffile.TiffFile(path, mode="r+b") as file:
        file.pages[0].tags[262].overwrite(3)


def exif(path: Path, values: np.ndarray) -> None:
    """A camera's JPEG in Adobe RGB by the rules of DCF: interoperability R03."""
    interop = struct.pack("<HHHI4sI", 1, 1, 2, 4, b"R03\0", 0)
    # Each table: a count, entries of 12 bytes, the place of the next; places count from the start of the TIFF header.
    first = struct.pack("<HHHIII", 1, 0x8769, 4, 1, 26, 0)
    second = struct.pack("<H", 2) + struct.pack("<HHIHH", 0xA001, 3, 1, 65535, 0)
    second += struct.pack("<HHIII", 0xA005, 4, 1, 26 + 2 + 24 + 4, 0)
    Pillow.fromarray(values).save(
        path, quality=95, subsampling=0, exif=b"Exif\0\0II*\0" + struct.pack("<I", 8) + first + second + interop
    )


# --- cases


@dataclass(frozen=True)
class Case:
    """A file, and what it means.

    Attributes:
        name: what it is; its ending is the file's.
        make: writes it.
        linear: straight linear Rec.709, (H, W, 3) or with alpha (H, W, 4); None where it is refused. A function gets
            the file.
        tolerance: of a channel times alpha.
        refused: what the error says.
        warned: what the warning says.
        said: what the reading says of why.
    """

    name: str
    make: Callable[[Path], object]
    linear: np.ndarray | Callable[[Path], np.ndarray] | None = None
    tolerance: float = 2e-4
    refused: str = ""
    warned: str = ""
    said: str = ""


def by_pillow(curve: Curve = srgb_to_linear, chromaticities: Sequence[float] = REC709) -> Callable[[Path], np.ndarray]:
    """The values that Pillow decodes, by a formula."""

    def read(path: Path) -> np.ndarray:
        with Pillow.open(path) as opened:
            straight = np.asarray(opened.convert("RGBA" if opened.has_transparency_data else "RGB")) / 255
        return meant(straight, curve, chromaticities)

    return read


def meant(straight: np.ndarray, curve: Curve = srgb_to_linear, chromaticities: Sequence[float] = REC709) -> np.ndarray:
    """Straight coded colors (H, W, 3 or 4) in [0, 1] as linear Rec.709."""
    linear = to_rec709(curve(straight[..., :3]), chromaticities)
    return np.dstack([linear, straight[..., 3:]])


def _scaled(values: np.ndarray) -> np.ndarray:
    straight = values / (65535 if values.dtype == np.uint16 else 255)
    return np.repeat(straight, 3, axis=-1) if straight.shape[-1] == 1 else straight


def _profiles() -> list[Case]:
    spaces: dict[str, tuple[Sequence[float], Curve, bytes]] = {
        "display-p3": (P3, srgb_to_linear, icc_profile(P3, "sRGB", name="Display P3")),
        "adobe-rgb": (ADOBE, power(2.19921875), icc_profile(ADOBE, 2.19921875, name="Adobe RGB")),
        "prophoto": (PROPHOTO, power(1.8), icc_profile(PROPHOTO, 1.80078125 - 0.00078125, name="ProPhoto RGB")),
        "rec2020-table-curve": (REC2020, power(2.0), icc_profile(REC2020, _samples(2.0), name="Sampled")),
        "linear-rec709": (REC709, power(1.0), icc_profile(REC709, 1.0, name="Linear")),
        "gamma-2.2": (REC709, power(2.2), icc_profile(REC709, 2.2, name="Gamma")),
    }
    cases = []
    for name, (primaries, curve, profile) in spaces.items():
        curve = power(round(1.8 * 256) / 256) if name == "prophoto" else curve
        curve = power(round(2.2 * 256) / 256) if name == "gamma-2.2" else curve
        said = "its ICC profile"
        makers: dict[str, tuple[Callable[[Path, bytes], object], np.ndarray]] = {
            "8.png": (lambda path, data: png(path, RGB, iccp(data)), RGB),
            "16.png": (lambda path, data: png(path, DEEP, iccp(data)), DEEP),
            "alpha.png": (lambda path, data: png(path, RGBA, iccp(data)), RGBA),
            "8.tif": (lambda path, data: tiff(path, RGB, profile=data), RGB),
            "16.tif": (lambda path, data: tiff(path, DEEP, profile=data), DEEP),
            "alpha.tif": (lambda path, data: tiff(path, RGBA, profile=data, extrasamples=["unassalpha"]), RGBA),
            "8.psd": (lambda path, data: psd(path, RGB, profile=data), RGB),
            "16.psd": (lambda path, data: psd(path, DEEP, profile=data), DEEP),
            "8.webp": (lambda path, data: pillow(path, RGB, lossless=True, icc_profile=data), RGB),
        }
        for kind, (make, values) in makers.items():
            linear = meant(_scaled(values), curve, primaries)
            cases.append(Case(f"{name}-{kind}", _with(make, profile), linear, said=said))
        cases.append(
            Case(
                f"{name}-8.jpg",
                _with(lambda path, data: pillow(path, RGB, quality=95, subsampling=0, icc_profile=data), profile),
                by_pillow(curve, primaries),
                1e-3,
                said=said,
            )
        )
    gray = icc_profile(kind="GRAY", curve=1.80078125, name="Gray")
    for kind, make in {
        "8.png": lambda path, data: png(path, GRAY[..., None], iccp(data)),
        "8.jpg": lambda path, data: pillow(path, GRAY, quality=100, icc_profile=data),
        "8.tif": lambda path, data: tiff(path, GRAY, "minisblack", profile=data),
        "8.psd": lambda path, data: psd(path, GRAY[..., None], 1, data),
    }.items():
        curve = power(round(1.80078125 * 256) / 256)
        expected = by_pillow(curve) if kind == "8.jpg" else meant(_scaled(GRAY[..., None]), curve)
        cases.append(Case(f"gray-profile-{kind}", _with(make, gray), expected, 5e-4, said="its ICC profile"))
    nodes = np.rint(np.linspace(0, 1, 33) * 65535).astype(np.uint16)
    at_nodes = nodes[np.stack([X, Y, (X + Y) % 33], axis=-1)]
    table = table_profile(ADOBE, 2.0)
    for kind, make in {
        "16.png": lambda path, data: png(path, at_nodes, iccp(data)),
        "16.tif": lambda path, data: tiff(path, at_nodes, profile=data),
    }.items():
        linear = meant(at_nodes / 65535, power(2.0), ADOBE)
        cases.append(Case(f"table-profile-{kind}", _with(make, table), linear, said="its ICC profile"))
    return cases


def _profiles_of_other_kinds() -> list[Case]:
    """A profile on palettes, gray with alpha, floats, premultiplied alpha, and every layout of TIFF."""
    p3 = icc_profile(P3, "sRGB", name="Display P3")
    gray = icc_profile(kind="GRAY", curve=2.0, name="Gray")
    linear_p3 = icc_profile(P3, 1.0, name="Linear P3")
    premultiplied = np.rint((RGBA / 255)[..., :3] * (ALPHA / 255)[..., None] * 65535)
    deep = np.dstack([premultiplied, ALPHA.astype(np.uint16) * 257]).astype(np.uint16)
    floating = np.random.default_rng(9).random((24, 32, 3)).astype(np.float32) * 3
    gray_alpha = np.dstack([meant(_scaled(GRAY[..., None]), power(2.0)), ALPHA / 255])
    wide, wide_alpha = meant(_scaled(RGB), chromaticities=P3), meant(_scaled(RGBA), chromaticities=P3)

    def palette(path: Path) -> None:
        Pillow.fromarray(RGB).quantize(32).save(path, icc_profile=p3)

    def palette_alpha(path: Path) -> None:
        Pillow.fromarray(RGB).quantize(32).save(path, icc_profile=p3, transparency=5)

    cases = [
        Case("p3-palette.png", palette, by_pillow(chromaticities=P3), said="ICC"),
        Case("p3.jp2", lambda path: jp2(path, RGB, p3), wide, said="ICC"),
        Case("p3-alpha.jp2", lambda path: jp2(path, RGBA, p3), wide_alpha, said="ICC"),
        Case("p3-palette-alpha.png", palette_alpha, by_pillow(chromaticities=P3), said="ICC"),
        Case("gray-profile-alpha.png", lambda path: png(path, np.dstack([GRAY, ALPHA]), iccp(gray)), gray_alpha, 5e-4),
        Case(
            "p3-premultiplied.tif",
            lambda path: tiff(path, deep, profile=p3, extrasamples=["assocalpha"]),
            wide_alpha,
            1e-3,
            said="premultiplied",
        ),
        Case("p3-alpha.webp", lambda path: pillow(path, RGBA, lossless=True, exact=True, icc_profile=p3), wide_alpha),
        Case("p3-floats.tif", lambda path: tiff(path, floating, profile=linear_p3), to_rec709(floating, P3), 5e-4),
        Case("p3-jpeg-ycbcr.tif", lambda path: _ycbcr(path, p3), by_pillow(chromaticities=P3), 1e-2, said="ICC"),
    ]
    layouts: dict[str, dict[str, object]] = {
        "big-endian": {"byteorder": ">"},
        "planes": {"planarconfig": "separate"},
        "tiles": {"tile": (16, 16)},
        "bigtiff": {"bigtiff": True},
        "deflate": {"compression": "zlib", "predictor": True},
        "strips": {"rowsperstrip": 5},
    }
    for name, layout in layouts.items():
        values = np.moveaxis(RGB, 2, 0) if name == "planes" else RGB
        cases.append(Case(f"p3-{name}.tif", _tiff_with(values, p3, layout), wide, said="ICC"))
    return cases


def _ycbcr(path: Path, profile: bytes) -> None:
    Pillow.fromarray(RGB).convert("YCbCr").save(path, compression="jpeg", icc_profile=profile)


def _tiff_with(values: np.ndarray, profile: bytes, layout: dict[str, object]) -> Callable[[Path], object]:
    return lambda path: tiff(path, values, profile=profile, **layout)


def _samples(exponent: float) -> list[int]:
    return np.rint(np.linspace(0, 1, 4096) ** exponent * 65535).astype(int).tolist()


def _with(make: Callable[[Path, bytes], object], profile: bytes) -> Callable[[Path], object]:
    return lambda path: make(path, profile)


def _odd_profiles() -> list[Case]:
    good = icc_profile(P3, 2.2)
    broken = {
        "cut-off": good[:200],
        "noise": b"x" * 400,
        "empty": b"\0" * 128,
        "no-curves": good[:128] + struct.pack(">I", 1) + good[132:],
        "cmyk": icc_profile(kind="CMYK"),
    }
    plain = meant(_scaled(RGB))
    cases = []
    for name, data in broken.items():
        for kind, make in {
            "png": lambda path, data: png(path, RGB, iccp(data)),
            "tif": lambda path, data: tiff(path, RGB, profile=data),
            "psd": lambda path, data: psd(path, RGB, profile=data),
        }.items():
            case = Case(f"profile-{name}.{kind}", _with(make, data), plain, warned="ICC profile can't be used")
            cases.append(case)
    packed = (b"iCCP", b"profile\0\0" + zlib.compress(good)[:-20])
    cases.append(Case("profile-chunk-cut.png", lambda path: png(path, RGB, packed), plain, warned="ICC profile|iCCP"))
    noise = (b"iCCP", b"profile\0\0" + b"noise")
    cases.append(Case("profile-chunk-noise.png", lambda path: png(path, RGB, noise), plain, warned="iCCP"))
    for kind, make in {
        "png": lambda path, data: png(path, RGB, iccp(data)),
        "tif": lambda path, data: tiff(path, RGB, profile=data),
        "psd": lambda path, data: psd(path, RGB, profile=data),
        "webp": lambda path, data: pillow(path, RGB, lossless=True, icc_profile=data),
    }.items():
        for name, srgb in {
            "formula": icc_profile(REC709, "sRGB", name="sRGB"),
            "sampled": icc_profile(REC709, _srgb_samples(), name="sRGB IEC61966-2.1"),
        }.items():
            cases.append(Case(f"srgb-{name}.{kind}", _with(make, srgb), plain, 1e-6, said="its ICC profile"))
    return cases


def _srgb_samples() -> list[int]:
    return np.rint(srgb_to_linear(np.linspace(0, 1, 1024)) * 65535).astype(int).tolist()


def _png_tags() -> list[Case]:
    plain, deep = meant(_scaled(RGB)), _scaled(RGB)
    p3 = icc_profile(P3, "sRGB")
    srgb = (b"sRGB", b"\0")

    def tagged(*chunks: tuple[bytes, bytes]) -> Callable[[Path], object]:
        return lambda path: png(path, RGB, *chunks)

    return [
        Case("plain.png", tagged(), plain, 1e-6, said="does not say"),
        Case("srgb-chunk.png", tagged(srgb), plain, 1e-6, said="sRGB"),
        Case("srgb-before-gama.png", tagged(srgb, gama(1.0), chrm(P3)), plain, 1e-6, said="sRGB"),
        Case("gama-usual.png", tagged(gama(0.45455)), plain, 1e-6, said="gAMA"),
        Case("gama-usual-chrm.png", tagged(gama(0.45455), chrm(REC709)), plain, 1e-6, said="cHRM"),
        Case("gama-1.png", tagged(gama(1.0)), deep, said="gAMA"),
        Case("gama-0.55556.png", tagged(gama(1 / 1.8)), meant(deep, power(100_000 / 55556)), said="gAMA"),
        Case("gama-0.33333.png", tagged(gama(1 / 3)), meant(deep, power(3.0)), said="gAMA"),
        Case("chrm-p3.png", tagged(chrm(P3)), meant(deep, chromaticities=P3), said="cHRM"),
        Case("gama-1-chrm.png", tagged(gama(1.0), chrm(REC2020)), to_rec709(deep, REC2020), said="cHRM"),
        Case("gama-zero.png", tagged(gama(0)), plain, 1e-6, warned="gAMA"),
        Case("gama-short.png", tagged((b"gAMA", b"\0")), plain, 1e-6, warned="gAMA"),
        Case("chrm-zero.png", tagged((b"cHRM", bytes(32))), plain, 1e-6, warned="cHRM"),
        Case("chrm-white-only-zero.png", tagged(chrm((*P3[:6], 0, 0))), plain, 1e-6, warned="cHRM"),
        Case("chrm-one-line.png", tagged(chrm((0.3,) * 8)), plain, 1e-6, warned="cHRM"),
        Case("cicp-srgb.png", tagged(cicp(1, 13, 0, 1)), plain, 1e-6, said="cICP"),
        Case("cicp-bt709.png", tagged(cicp(1, 1, 0, 1)), plain, 1e-6, said="cICP"),
        Case("cicp-p3.png", tagged(cicp(12, 13, 0, 1)), meant(deep, chromaticities=P3), said="cICP"),
        Case("cicp-dci.png", tagged(cicp(11, 13, 0, 1)), meant(deep, chromaticities=DCI), said="cICP"),
        Case("cicp-2020.png", tagged(cicp(9, 14, 0, 1)), meant(deep, chromaticities=REC2020), said="cICP"),
        Case("cicp-linear.png", tagged(cicp(1, 8, 0, 1)), deep, said="cICP"),
        Case("cicp-gamma22.png", tagged(cicp(1, 4, 0, 1)), meant(deep, power(2.2)), said="cICP"),
        Case("cicp-before-iccp.png", tagged(cicp(1, 13, 0, 1), iccp(p3)), plain, 1e-6, said="cICP"),
        Case("iccp-before-srgb.png", tagged(iccp(p3), srgb), meant(deep, chromaticities=P3), said="ICC"),
        Case("cicp-pq.png", tagged(cicp(9, 16, 0, 1)), refused=r"PQ.*--input-space"),
        Case("cicp-hlg.png", tagged(cicp(9, 18, 0, 1)), refused=r"HLG.*--input-space"),
        Case("cicp-unknown-curve.png", tagged(cicp(1, 99, 0, 1)), plain, 1e-6, warned="transfer curve, 99"),
        Case("cicp-unknown-primaries.png", tagged(cicp(77, 13, 0, 1)), plain, 1e-6, warned="primaries, 77"),
        Case("cicp-limited.png", tagged(cicp(1, 13, 0, 0)), plain, 1e-6, warned="limited range"),
        Case("cicp-short.png", tagged((b"cICP", b"\1")), plain, 1e-6, warned="cICP"),
    ]


def _exr_headers() -> list[Case]:
    planes = np.random.default_rng(7).random((24, 32, 3)).astype(np.float32)
    colors = dict(zip("RGB", np.moveaxis(planes, 2, 0), strict=True))

    def tagged(**attributes: object) -> Callable[[Path], object]:
        return lambda path: exr(path, colors, **attributes)

    def primaries(values: Sequence[float]) -> Callable[[Path], object]:
        return tagged(chromaticities=tuple(float(value) for value in values))

    cases = [
        Case("plain.exr", tagged(), planes, 1e-6, said="does not say"),
        Case("primaries-709.exr", primaries(REC709), planes, 1e-6, said="chromaticities"),
    ]
    for name, values in {"alexa": ALEXA, "adobe": ADOBE, "prophoto": PROPHOTO, "dci": DCI}.items():
        cases.append(Case(f"primaries-{name}.exr", primaries(values), to_rec709(planes, values), said="chromaticities"))
    for name, values in {"p3": P3, "2020": REC2020}.items():
        cases.append(Case(f"primaries-{name}.exr", primaries(values), to_rec709(planes, values), said="chromaticities"))
    for name, values in {"zero": (0,) * 8, "line": (0.3,) * 8, "nan": (float("nan"),) * 8}.items():
        cases.append(Case(f"primaries-{name}.exr", primaries(values), planes, 1e-6, warned="chromaticities"))
    p3 = meant(planes, chromaticities=P3)
    cases += [
        Case("id-p3.exr", tagged(colorInteropID="srgb_p3d65_scene"), p3, said="colorInteropID"),
        Case("id-linear-p3.exr", tagged(colorInteropID="lin_p3d65_scene"), to_rec709(planes, P3), said="colorInterop"),
        Case("id-srgb.exr", tagged(colorInteropID="srgb_rec709_scene"), meant(planes), said="colorInteropID"),
        Case("id-unknown.exr", tagged(colorInteropID="made_up"), planes, 1e-6, warned="'made_up'"),
        Case("id-data.exr", tagged(colorInteropID="data"), planes, 1e-6, warned="'data'"),
    ]
    with_alpha = {**colors, "A": ALPHA / 255}
    straight = np.dstack([planes / np.maximum(ALPHA / 255, 1e-9)[..., None], ALPHA / 255])
    straight[..., :3] = to_rec709(straight[..., :3], ALEXA)
    cases.append(
        Case("primaries-alexa-alpha.exr", lambda path: exr(path, with_alpha, chromaticities=ALEXA), straight, 1e-5)
    )
    return cases


def _channels() -> list[Case]:
    rng = np.random.default_rng(8)
    planes = {name: rng.random((24, 32)).astype(np.float32) for name in "RGBAYXZNuvw"}
    depth = {**planes, "Z": planes["Z"] * 45}

    def of(*names: str) -> Callable[[Path], object]:
        return lambda path: exr(path, {name: depth[name] for name in names})

    gray = np.repeat(planes["Y"][..., None], 3, axis=2).astype(np.float64)
    one = np.maximum(planes["A"], 1e-9)[..., None]
    rgb = np.stack([planes[name] for name in "RGB"], axis=-1).astype(np.float64)
    return [
        Case("YZ.exr", of("Y", "Z"), gray, 1e-6),
        Case("YZN.exr", of("Y", "Z", "N"), gray, 1e-6),
        Case("YA.exr", of("Y", "A"), np.dstack([gray / one, planes["A"]]), 1e-6),
        Case("YAZ.exr", of("Y", "A", "Z"), np.dstack([gray / one, planes["A"]]), 1e-6),
        Case("RGBZ.exr", of("R", "G", "B", "Z"), rgb, 1e-6),
        Case("RGBA.exr", of("R", "G", "B", "A"), np.dstack([rgb / one, planes["A"]]), 1e-6),
        Case("RGBAZN.exr", of("R", "G", "B", "A", "Z", "N"), np.dstack([rgb / one, planes["A"]]), 1e-6),
        Case("R.exr", of("R"), np.repeat(planes["R"][..., None], 3, axis=2), 1e-6),
        Case("RG.exr", of("R", "G"), refused="R, G are not all of R, G and B"),
        Case("RGA.exr", of("R", "G", "A"), refused="not all of R, G and B"),
        Case("RB.exr", of("R", "B"), refused="not all of R, G and B"),
        Case("XYZ.exr", of("X", "Y", "Z"), refused="none of the channels X, Y, Z are named"),
        Case("uv.exr", of("u", "v"), refused="none of the channels u, v are named"),
        Case("uvw.exr", of("u", "v", "w"), refused="none of the channels"),
    ]


def _alpha() -> list[Case]:
    straight = meant(_scaled(RGBA))
    opaque = RGBA.copy()
    opaque[..., 3] = 0

    def gif(path: Path) -> None:
        picture = Pillow.fromarray(RGB).quantize(16)
        picture.save(path, transparency=3)

    premultiplied = (RGBA / 255)[..., :3] * (ALPHA / 255)[..., None]
    cases = [
        Case("transparent.gif", gif, by_pillow(), 1e-6),
        Case("alpha.bmp", lambda path: bmp(path, RGBA), straight, 1e-6),
        Case("fourth-byte-0.bmp", lambda path: bmp(path, opaque, 3), meant(_scaled(RGB)), 1e-6),
        Case("alpha.jp2", lambda path: pillow(path, RGBA), straight, 1e-6),
        Case("alpha.dds", lambda path: pillow(path, RGBA), straight, 1e-6),
        Case("alpha.tga", lambda path: pillow(path, RGBA), straight, 1e-6),
        Case("alpha.webp", lambda path: pillow(path, RGBA, lossless=True, exact=True), straight, 1e-6),
        Case("alpha.png", lambda path: pillow(path, RGBA), straight, 1e-6),
        Case("gray-alpha.png", lambda path: png(path, np.dstack([GRAY, ALPHA])), _gray_alpha(), 1e-6),
        Case(
            "gray-alpha.tif",
            lambda path: Pillow.fromarray(np.dstack([GRAY, ALPHA]), "LA").save(path),
            _gray_alpha(),
            1e-6,
        ),
        Case("straight.tif", lambda path: tiff(path, RGBA, extrasamples=["unassalpha"]), straight, 1e-6),
        Case(
            "premultiplied.tif",
            lambda path: tiff(
                path, np.dstack([np.rint(premultiplied * 255), ALPHA]).astype(np.uint8), extrasamples=["assocalpha"]
            ),
            straight,
            6e-3,
        ),
    ]
    if "jpegxl" in oiio.get_string_attribute("format_list"):
        cases.append(Case("alpha.jxl", lambda path: _lossless_jxl(path), straight, 1e-5))
    return cases


def _lossless_jxl(path: Path) -> None:
    spec = oiio.ImageSpec(32, 24, 4, "uint8")
    spec.attribute("compression", "jpegxl:100")
    _written(path, spec, RGBA)


def _gray_alpha() -> np.ndarray:
    return np.dstack([meant(_scaled(GRAY[..., None])), ALPHA / 255])


def _film() -> list[Case]:
    codes = np.rint(DEEP / 65535 * 1023).astype(np.uint16)
    values, deep = DEEP / 65535, meant(DEEP / 65535)
    log = cineon_to_linear(values)
    return [
        Case("linear.dpx", lambda path: dpx(path, "Linear"), values, 1e-6, said="Linear"),
        Case("log.dpx", lambda path: dpx(path, "Logarithmic"), log, 1e-4, said="Logarithmic"),
        Case("density.dpx", lambda path: dpx(path, "Printing density"), log, 1e-4, said="Printing"),
        Case("video.dpx", lambda path: dpx(path, "ITU-R 709-4"), deep, 1e-6, said="ITU-R"),
        Case("user.dpx", lambda path: dpx(path, "User defined"), deep, 1e-6, said="does not say"),
        Case("undefined.dpx", lambda path: dpx(path, "Undefined"), deep, 1e-6, said="does not say"),
        Case("log.cin", lambda path: cineon(path, codes), cineon_to_linear(codes / 1023), 1e-3),
    ]


def _photometrics() -> list[Case]:
    ink = np.dstack([RGBA, GRAY])

    def lab(path: Path) -> None:
        Pillow.fromarray(RGB, "LAB").save(path)

    cases = [
        Case(
            "ycbcr-jpeg.tif",
            lambda path: Pillow.fromarray(RGB).convert("YCbCr").save(path, compression="jpeg"),
            by_pillow(),
            1e-2,
        ),
        Case("ycbcr-raw.tif", lambda path: Pillow.fromarray(RGB).convert("YCbCr").save(path), by_pillow(), 1e-2),
        Case(
            "ycbcr-lzw.tif",
            lambda path: Pillow.fromarray(RGB).convert("YCbCr").save(path, compression="tiff_lzw"),
            by_pillow(),
            1e-2,
        ),
        Case("palette.tif", lambda path: pillow(path, RGB, "P"), by_pillow(), 1e-2),
        Case(
            "white-is-zero.tif",
            lambda path: tiff(path, GRAY, "miniswhite"),
            meant(_scaled(255 - GRAY[..., None])),
            1e-6,
        ),
        Case("gray.tif", lambda path: tiff(path, GRAY, "minisblack"), meant(_scaled(GRAY[..., None])), 1e-6),
        Case("bilevel.tif", lambda path: pillow(path, RGB, "1", compression="group4"), by_pillow(), 1e-6),
        Case("cmyk.tif", lambda path: pillow(path, RGB, "CMYK"), refused="CMYK"),
        Case("cmyk.jpg", lambda path: pillow(path, RGB, "CMYK"), refused="CMYK"),
        Case("lab.tif", lab, refused="LAB"),
        Case("icclab.tif", lambda path: tiff(path, RGB, "icclab"), refused="ICCLAB"),
        Case("five-inks.tif", lambda path: tiff(path, ink, "separated"), refused="CMYK"),
        Case(
            "mosaic.tif",
            lambda path: tiff(path, GRAY, "cfa", extratags=[(33421, "H", 2, (2, 2), False)]),
            refused="mosaic",
        ),
        Case("raw.tif", lambda path: tiff(path, RGB, 34892), refused="raw image"),
        Case("logluv.tif", lambda path: tiff(path, RGB, 32845), refused="LogLuv"),
        Case("camera.dng", lambda path: tiff(path, RGB), refused="raw file of a camera"),
        Case("palette-alpha.tif", palette_tiff_with_alpha, refused="palette with further channels"),
        Case("rgb.psd", lambda path: psd(path, RGB), meant(_scaled(RGB)), 1e-6),
        Case("gray.psd", lambda path: psd(path, GRAY[..., None], 1), meant(_scaled(GRAY[..., None])), 1e-6),
        Case("indexed.psd", lambda path: psd(path, GRAY[..., None], 2), meant(_scaled(GRAY[..., None])), 1e-6),
        Case("cmyk.psd", lambda path: psd(path, RGBA, 4), refused="CMYK"),
        Case("multichannel.psd", lambda path: psd(path, RGB, 7), refused="multichannel"),
        Case("two-channels.psd", lambda path: psd(path, RGB[..., :2], 7), refused="multichannel"),
        Case("duotone.psd", lambda path: psd(path, GRAY[..., None], 8), refused="duotone"),
        Case("lab.psd", lambda path: psd(path, RGB, 9), refused="Lab"),
        Case("adobe-rgb-dcf.jpg", lambda path: exif(path, RGB), by_pillow(power(2.2), ADOBE), 1e-3, said="Exif"),
    ]
    p3 = _primaries_tags(P3)
    cases += [
        Case(
            "gray-profile-on-rgb.png",
            lambda path: png(path, RGB, iccp(icc_profile(kind="GRAY"))),
            meant(_scaled(RGB)),
            1e-6,
            warned="of gray",
        ),
        Case(
            "gray-profile-on-rgb.tif",
            lambda path: tiff(path, RGB, profile=icc_profile(kind="GRAY")),
            meant(_scaled(RGB)),
            1e-6,
            warned="of gray",
        ),
        Case(
            "rgb-profile-on-gray.png",
            lambda path: png(path, GRAY[..., None], iccp(icc_profile(P3, "sRGB"))),
            meant(_scaled(GRAY[..., None])),
            said="ICC",
        ),
        Case(
            "tags-p3.tif",
            lambda path: tiff(path, RGB, extratags=p3),
            meant(_scaled(RGB), chromaticities=P3),
            said="PrimaryChroma",
        ),
        Case(
            "tags-709.tif",
            lambda path: tiff(path, RGB, extratags=_primaries_tags(REC709)),
            meant(_scaled(RGB)),
            1e-6,
            said="PrimaryChroma",
        ),
        Case(
            "tags-zero.tif",
            lambda path: tiff(path, RGB, extratags=_primaries_tags((0,) * 8)),
            meant(_scaled(RGB)),
            1e-6,
            warned="no colors",
        ),
        Case(
            "tags-white-only.tif",
            lambda path: tiff(path, RGB, extratags=p3[:1]),
            meant(_scaled(RGB)),
            1e-6,
            warned="WhitePoint",
        ),
        Case(
            "tags-curve.tif",
            lambda path: tiff(path, RGB, extratags=_curve_tag()),
            meant(_scaled(RGB)),
            1e-6,
            warned="TransferFunction",
        ),
        Case(
            "primaries.hdr",
            _radiance("PRIMARIES= .68 .32 .265 .69 .15 .06 .3127 .329"),
            _rgbe(P3),
            6e-3,
            said="PRIMARIES",
        ),
        Case("gamma.hdr", _radiance("GAMMA=2.2"), _rgbe(REC709), 4e-3, warned="GAMMA=2.2"),
        Case("gamma-1.hdr", _radiance("GAMMA=1"), _rgbe(REC709), 4e-3),
        Case("exposure.hdr", _radiance("EXPOSURE=2"), _rgbe(REC709), 4e-3),
    ]
    linear = RGB / 255
    for kind in ("hdr", "tif"):
        cases.append(Case(f"floats.{kind}", _floats(linear), linear, 4e-3 if kind == "hdr" else 1e-6))
    return cases


def _primaries_tags(chromaticities: Sequence[float]) -> list[tuple[int, str, int, list[int], bool]]:
    """WhitePoint and PrimaryChromaticities."""
    numbers = [part for value in chromaticities for part in (round(value * 100_000), 100_000)]
    return [(318, "2I", 2, numbers[12:], True), (319, "2I", 6, numbers[:12], True)]


def _curve_tag() -> list[tuple[int, str, int, list[int], bool]]:
    return [(301, "H", 256, [257 * value for value in range(256)], True)]


def _radiance(line: str) -> Callable[[Path], object]:
    def make(path: Path) -> None:
        floats(path, RGB / 255)
        path.write_bytes(path.read_bytes().replace(b"FORMAT=", line.encode() + b"\nFORMAT=", 1))

    return make


def _rgbe(chromaticities: Sequence[float]) -> np.ndarray:
    return to_rec709(RGB / 255, chromaticities)


def _floats(values: np.ndarray) -> Callable[[Path], object]:
    return lambda path: floats(path, values)


CASES: tuple[Case, ...] = (
    *_profiles(),
    *_profiles_of_other_kinds(),
    *_odd_profiles(),
    *_png_tags(),
    *_exr_headers(),
    *_channels(),
    *_alpha(),
    *_film(),
    *_photometrics(),
)
