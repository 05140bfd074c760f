"""What the decoded frames of movies mean: planes of YUV, gray or RGB become R'G'B' in [0, 1], upright."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..runtime.compiling import compiled

_MATRICES = {
    1: (0.2126, 0.0722),  # BT.709
    4: (0.30, 0.11),  # FCC
    5: (0.299, 0.114),  # BT.601, 625 lines
    6: (0.299, 0.114),  # BT.601, 525 lines
    7: (0.212, 0.087),  # SMPTE 240M
    9: (0.2627, 0.0593),  # BT.2020, non-constant luminance
}
"""Weights of red and blue in luma, by the numbers of ITU-T H.273, which FFmpeg uses too."""

_UNTAGGED = (2, 3)
_HD_HEIGHT = 720
FULL, LIMITED = 2, 1
SRGB_TRANSFER, RGB_MATRIX = 13, 0

_UNFIT_TRANSFERS = {
    8: "scene-linear",
    9: "logarithmic",
    10: "logarithmic",
    16: "high dynamic range (PQ)",
    17: "digital cinema (XYZ)",
    18: "high dynamic range (HLG)",
}

_SUBSAMPLINGS = {(0, 0): "444", (1, 0): "422", (1, 1): "420", (0, 1): "440", (2, 0): "411", (2, 2): "410"}
_NO_PLANE = np.zeros((0, 0), np.uint8)


@dataclass(frozen=True)
class Coding:
    """How the numbers of a frame become R'G'B'.

    Attributes:
        planes: the format of planes to bring a frame to first: YUV, gray or RGB(A).
        kind: "yuv", "gray" or "rgb".
        alpha: whether it has alpha.
        bits: of a number.
        full: whether all of the numbers' range is used.
        weights: of red and blue in luma.
        centered: whether subsampled color lies in the middle of its pixels, also across.
        shifts: how often color is halved across and down.
    """

    planes: str
    kind: str
    alpha: bool
    bits: int
    full: bool
    weights: tuple[float, float]
    centered: bool
    shifts: tuple[int, int]


def coding_of(path: Path, frame: Any, codec: str, *, any_curve: bool = False) -> Coding:
    """How the numbers of a decoded frame are to be taken.

    Args:
        path: of the movie.
        frame: decoded.
        codec: its decoder.
        any_curve: whether somebody else knows what the transfer curve is.

    Raises:
        InputError: a transfer curve, matrix or kind of pixels that is not read.
    """
    name, parts = frame.format.name, frame.format.components
    bits = int(parts[0].bits)
    if frame.color_trc in _UNFIT_TRANSFERS and not any_curve:
        raise InputError(
            f"{path}: is {_UNFIT_TRANSFERS[frame.color_trc]}, and movies are taken as sRGB",
            cure="convert it to EXR in a known color space and segment that, or say what it is with --input-space",
        )
    if "f16" in name or "f32" in name or name.startswith(("xyz", "bayer")) or bits > 16:
        raise InputError(f"{path}: has pixels of the kind {name}, which are not read", cure="convert it to EXR first")
    alpha = any(part.is_alpha for part in parts) or name == "pal8"
    if frame.format.is_rgb or frame.format.has_palette or (len(parts) < 3 and (alpha or bits < 8)):
        from av.video.frame import supported_np_pix_fmts

        # FFmpeg's change of order and of one depth to its own is exact; from depth to depth it is not.
        planes = name if re.match("gbr|rgb(24|48)|rgba", name) and name in supported_np_pix_fmts else ""
        if not planes:
            bits = 8 if bits <= 8 else 16
            planes = ("rgba" if alpha else "rgb") + {(8, 0): "24", (8, 1): "", (16, 0): "48le", (16, 1): "64le"}[
                bits, int(alpha)
            ]
        return Coding(planes, "rgb", alpha, bits, True, (0.0, 0.0), False, (0, 0))
    if len(parts) < 3:
        planes = "gray" if bits == 8 else f"gray{bits}le"
        return Coding(planes, "gray", False, bits, frame.color_range != LIMITED, (0.0, 0.0), False, (0, 0))
    matrix = int(frame.colorspace)
    if matrix in _UNTAGGED:
        matrix = 1 if frame.height >= _HD_HEIGHT else 6
    if matrix not in _MATRICES:
        raise InputError(
            f"{path}: has color matrix {matrix} of ITU-T H.273, which is not read",
            cure="convert it to BT.709: ffmpeg -i IN -vf zscale=matrix=709 OUT",
        )
    shifts = (_halvings(frame.format.chroma_width, 1 << 8), _halvings(frame.format.chroma_height, 1 << 8))
    if shifts not in _SUBSAMPLINGS:
        raise InputError(f"{path}: has pixels of the kind {name}, which are not read", cure="convert it to ProRes")
    planes = f"yuv{'a' if alpha else ''}{_SUBSAMPLINGS[shifts]}p" + ("" if bits == 8 else f"{bits}le")
    if name.replace("yuvj", "yuv") == planes:
        planes = name
    full = name.startswith("yuvj") or frame.color_range == FULL
    return Coding(planes, "yuv", alpha, bits, full, _MATRICES[matrix], codec == "mjpeg", shifts)


def _halvings(chroma: Any, size: int) -> int:
    return size.bit_length() - int(chroma(size)).bit_length()


def pixels_of(frame: Any, coding: Coding, *, associate: bool = True) -> NDArray[np.float32]:
    """(H, W, 3) or (H, W, 4) float32 in [0, 1]; colors are multiplied by alpha if ``associate``."""
    if coding.alpha and not associate:
        whole = pixels_of(frame, coding)
        opaque = np.empty((*whole.shape[:2], 3), np.float32)
        _fill(frame, coding, opaque)
        return np.concatenate([opaque, whole[..., 3:]], axis=-1)
    pixels = np.empty((frame.height, frame.width, 4 if coding.alpha else 3), np.float32)
    _fill(frame, coding, pixels)
    return pixels


def _fill(frame: Any, coding: Coding, pixels: NDArray[np.float32]) -> None:
    """Puts the colors of a frame into (H, W, 3), or multiplied by its alpha into (H, W, 4)."""
    height, width = frame.height, frame.width
    if frame.format.name != coding.planes:
        span = FULL if coding.full else LIMITED
        frame = frame.reformat(format=coding.planes, src_color_range=span, dst_color_range=span, threads=1)
    top = float(2**coding.bits - 1)
    if coding.kind == "rgb":
        _scale_rgb(frame.to_ndarray(), np.float32(top), pixels)
        return
    unit = 2.0 ** (coding.bits - 8)
    black, white = (0.0, top) if coding.full else (16 * unit, 235 * unit)
    planes = [stored_plane(plane, coding.bits) for plane in frame.planes]
    if coding.kind == "gray":
        gray = (planes[0][:, :width] - np.float32(black)) / np.float32(white - black)
        pixels[...] = np.clip(gray, 0, 1)[..., None]
        return
    red, blue = coding.weights
    green = 1 - red - blue
    chroma = 1 / (top if coding.full else 224 * unit)
    numbers = (
        black,
        white - black,
        128 * unit,
        chroma * 2 * (1 - red),
        -chroma * 2 * blue * (1 - blue) / green,
        -chroma * 2 * red * (1 - red) / green,
        chroma * 2 * (1 - blue),
        top,
    )
    # Color lies on the left pixel of its pair and between its two rows, but for JPEG.
    across = _places(width, coding.shifts[0], coding.centered)
    down = _places(height, coding.shifts[1], True)
    alpha = planes[3] if coding.alpha else _NO_PLANE.astype(planes[0].dtype)
    values = np.array(numbers, np.float32)
    _yuv_to_rgb(planes[0], planes[1], planes[2], alpha, *across, *down, values, pixels)


def stored_plane(plane: Any, bits: int) -> NDArray[Any]:
    """The rows of a plane, with what fills them up."""
    kind = np.dtype(np.uint8 if bits == 8 else np.dtype("<u2"))
    rows = np.frombuffer(plane, kind).reshape(-1, abs(plane.line_size) // kind.itemsize)
    rows = rows[: plane.height]
    return np.ascontiguousarray(rows[::-1]) if plane.line_size < 0 else rows


def _places(size: int, shift: int, centered: bool) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """For each pixel the two samples of subsampled color around it, and the share of the second."""
    samples = -(-size >> shift)
    offset = 0.5 * (1 << shift) - 0.5 if centered else 0.0
    place = np.clip((np.arange(size) - offset) / (1 << shift), 0, samples - 1)
    first = place.astype(np.int64)
    return first, np.minimum(first + 1, samples - 1), (place - first).astype(np.float32)


@compiled
def _yuv_to_rgb(
    luma: NDArray[Any],
    blue: NDArray[Any],
    red: NDArray[Any],
    alpha: NDArray[Any],
    lefts: NDArray[np.int64],
    rights: NDArray[np.int64],
    across: NDArray[np.float32],
    uppers: NDArray[np.int64],
    lowers: NDArray[np.int64],
    down: NDArray[np.float32],
    numbers: NDArray[np.float32],
    pixels: NDArray[np.float32],
) -> None:
    height, width, channels = pixels.shape
    black, luma_range, middle = numbers[0], numbers[1], numbers[2]
    red_red, green_blue, green_red, blue_blue, opaque = numbers[3], numbers[4], numbers[5], numbers[6], numbers[7]
    zero, one = np.float32(0), np.float32(1)
    samples = rights[width - 1] + 1
    blues, reds = np.empty(samples, np.float32), np.empty(samples, np.float32)
    for y in range(height):
        upper, lower, share = uppers[y], lowers[y], down[y]
        for x in range(samples):
            u, v = np.float32(blue[upper, x]), np.float32(red[upper, x])
            blues[x] = u + share * (np.float32(blue[lower, x]) - u) - middle
            reds[x] = v + share * (np.float32(red[lower, x]) - v) - middle
        for x in range(width):
            left, right, share = lefts[x], rights[x], across[x]
            u = blues[left] + share * (blues[right] - blues[left])
            v = reds[left] + share * (reds[right] - reds[left])
            light = (np.float32(luma[y, x]) - black) / luma_range
            cover = one
            if channels == 4:
                cover = np.float32(alpha[y, x]) / opaque
                pixels[y, x, 3] = cover
            pixels[y, x, 0] = min(max(light + red_red * v, zero), one) * cover
            pixels[y, x, 1] = min(max(light + green_blue * u + green_red * v, zero), one) * cover
            pixels[y, x, 2] = min(max(light + blue_blue * u, zero), one) * cover


@compiled
def _scale_rgb(stored: NDArray[Any], top: Any, pixels: NDArray[np.float32]) -> None:
    height, width, channels = pixels.shape
    for y in range(height):
        for x in range(width):
            cover = np.float32(1)
            if channels == 4:
                cover = np.float32(stored[y, x, 3]) / top
                pixels[y, x, 3] = cover
            for c in range(3):
                pixels[y, x, c] = np.float32(stored[y, x, c]) / top * cover


def turn_of(path: Path, frame: Any) -> tuple[bool, bool, bool]:
    """How frames become upright: transpose, then flip across, then flip down.

    Raises:
        InputError: they are turned by another angle.
    """
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return False, False, False
    a, b, _, c, d = (int(v) for v in np.frombuffer(matrix, np.int32)[:5])
    if b == c == 0 and a and d:
        return False, a < 0, d < 0
    if a == d == 0 and b and c:
        return True, c < 0, b < 0
    raise InputError(f"{path}: is rotated by an angle that is not a multiple of 90 degrees", cure="render it upright")


def turned(pixels: NDArray[np.float32], turn: tuple[bool, bool, bool]) -> NDArray[np.float32]:
    """(H, W, C) upright, by :func:`turn_of`."""
    transpose, across, down = turn
    if transpose:
        pixels = pixels.transpose(1, 0, 2)
    return np.ascontiguousarray(pixels[:: -1 if down else 1, :: -1 if across else 1])
