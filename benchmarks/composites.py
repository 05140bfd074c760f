"""Pictures whose true alphas are known: five layers, each a photograph pulled to one color, laid over each other.

The test set of ``truth.py``, made of photographs that no training saw. A picture is a scene: a background and four
things in front of it, whose outlines are drawn, taken from a photograph, or grown (hair, wires, twigs), then treated
as a camera would: sharp, soft, out of focus, moving, thin or see-through. Both surfaces and colors are those of the
photographs. The seeds are fixed.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage, signal

Plane = NDArray[np.float64]
Points = NDArray[np.float64]
Draw = Callable[[ImageDraw.ImageDraw, float], None]

KINDS = (
    *("sharp edges", "soft edges", "defocus", "motion blur", "thin structures", "transparency"),
    *("wide transitions", "gradients"),
)
WIDE_KINDS = KINDS[-2:]
"""Where most pixels are mixtures; they have columns of their own and are not in the mean over the other kinds."""

PICTURES = 7
"""Of each kind."""

LAYERS = 5

LEAST_APART = 0.2
"""Between two palette colors."""

LEAST_OFF_LINE = 0.1
"""Of a palette color from the line between any two others: nearer, it could as well be a mixture of them."""

_LEAST_SHARE, _LEAST_THIN_SHARE, _LARGEST_SHARE = 0.03, 0.012, 0.7  # of a layer, mean alpha
_SIDES = (256, 384)
_MARGIN = 56  # drawn around the picture, so that blurs know what lies beyond its border
_LENS = 0.5  # sigma in pixels: no lens is sharper
_TEXTURE = (0.02, 0.06)  # standard deviation of a layer's colors
_HUE = 0.5  # of a photograph's variation in hue that is left
_LEAST_VISIBLE = 1 / 512  # what 8 bits can't show is nothing
_PATCH = 4  # a color is the mean of (2 · 4 + 1)² pixels of a photograph
_ATTEMPTS = 400


@dataclass(frozen=True, eq=False)
class Composite:
    """A picture and what it is made of. Straight sRGB in [0, 1]; image = Σ alpha × color.

    Attributes:
        name: kind and number.
        kind: one of ``KINDS``.
        image: (H, W, 3) float32.
        alphas: (K, H, W) float32 in [0, 1], adding to 1.
        colors: (K, H, W, 3) float32.
        palette: (K, 3) float32, mean color of what is seen of each layer.
    """

    name: str
    kind: str
    image: NDArray[np.float32]
    alphas: NDArray[np.float32]
    colors: NDArray[np.float32]
    palette: NDArray[np.float32]


@dataclass(frozen=True)
class _Frame:
    """Random numbers, photographs, and the size of the canvas: the picture with a margin around it."""

    rng: np.random.Generator
    photographs: Sequence[NDArray[np.uint8]]
    height: int
    width: int

    @property
    def inner(self) -> tuple[slice, slice]:
        """The picture on the canvas."""
        return slice(_MARGIN, self.height - _MARGIN), slice(_MARGIN, self.width - _MARGIN)

    @property
    def side(self) -> float:
        """The shorter side of the picture."""
        return float(min(self.height, self.width) - 2 * _MARGIN)

    def place(self) -> Points:
        """(2,) x and y of a point in the picture."""
        return self.rng.uniform((_MARGIN, _MARGIN), (self.width - _MARGIN, self.height - _MARGIN))


@dataclass(frozen=True)
class _Layer:
    """A matte (h, w) on the canvas, what blurs the surface as it blurs the matte, and how strong its texture is."""

    matte: Plane
    blur: Callable[[Plane], Plane]
    texture: float


def read_photographs(folder: Path) -> list[NDArray[np.uint8]]:
    """All PNG files of a folder by name, (H, W, 3)."""
    return [np.asarray(Image.open(file).convert("RGB")) for file in sorted(folder.glob("*.png"))]


def all_composites(photographs: Sequence[NDArray[np.uint8]], first: int = 0) -> Iterator[Composite]:
    """The whole test set, kind by kind, or another one: ``PICTURES`` of each from number ``first`` on."""
    for kind in KINDS:
        for number in range(first, first + PICTURES):
            yield composite(photographs, kind, number)


def composite(photographs: Sequence[NDArray[np.uint8]], kind: str, number: int) -> Composite:
    """One picture: same photographs, kind and number, same bytes.

    Args:
        photographs: at least five, (H, W, 3), each side at least 496.
        kind: one of ``KINDS``.
        number: 0 or more.

    Raises:
        ValueError: unknown kind, or too few or too small photographs.
    """
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is none of {', '.join(KINDS)}")
    if len(photographs) < LAYERS or min(min(photograph.shape[:2]) for photograph in photographs) < 496:
        raise ValueError(f"at least {LAYERS} photographs of at least 496×496 pixels are needed")
    rng = np.random.default_rng([KINDS.index(kind), number])
    height, width = (int(side) * 8 for side in rng.integers(_SIDES[0] // 8, _SIDES[1] // 8 + 1, 2))
    frame = _Frame(rng, photographs, height + 2 * _MARGIN, width + 2 * _MARGIN)
    for _ in range(_ATTEMPTS):
        found = _attempt(frame, kind)
        if found is not None:
            return Composite(f"{kind} {number + 1}", kind, *found)
    raise ValueError("the photographs hold no colors that are far enough from each other")


def digest(pictures: Iterable[Composite]) -> str:
    """sha256 of all images, alphas and palettes: which test set a result is of."""
    sha = hashlib.sha256()
    for picture in pictures:
        for part in (picture.image, picture.alphas, picture.palette):
            sha.update(np.ascontiguousarray(part).tobytes())
    return sha.hexdigest()


_Parts = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]


def _attempt(frame: _Frame, kind: str) -> _Parts | None:
    """Image, alphas, colors and palette; None where a layer is hardly seen, or two are too much alike."""
    chosen = frame.rng.permutation(len(frame.photographs))[:LAYERS]
    bases = _base_colors(frame.rng, [frame.photographs[i] for i in chosen])
    if bases is None:
        return None
    layers = _SCENES[kind](frame)
    alphas = _over([layer.matte[frame.inner] for layer in layers]).astype(np.float32)
    shares = alphas.mean(axis=(1, 2))
    least = _LEAST_THIN_SHARE if kind == "thin structures" else _LEAST_SHARE
    if shares.min() < least or shares.max() > _LARGEST_SHARE:
        return None
    surfaces = [
        _surface(frame, frame.photographs[i], base, layer) for i, base, layer in zip(chosen, bases, layers, strict=True)
    ]
    colors = np.stack(surfaces).astype(np.float32)
    weighted = alphas[..., None].astype(np.float64) * colors
    palette = weighted.sum(axis=(1, 2)) / alphas.sum(axis=(1, 2), dtype=np.float64)[:, None]
    if not _distinct(palette, LEAST_APART, LEAST_OFF_LINE):
        return None
    return weighted.sum(axis=0).astype(np.float32), alphas, colors, palette.astype(np.float32)


def _over(mattes: Sequence[Plane]) -> Plane:
    """Alphas of layers that lie over each other, the last on top; the first has no holes."""
    alphas, through = [], np.ones_like(mattes[0])
    for matte in mattes[:0:-1]:
        matte = np.where(matte < _LEAST_VISIBLE, 0.0, np.where(matte > 1 - _LEAST_VISIBLE, 1.0, matte))
        alphas.append(matte * through)
        through = through * (1 - matte)
    return np.stack([through, *alphas[::-1]])


# --- Surfaces and colors ---------------------------------------------------------------------------------------------


def _base_colors(rng: np.random.Generator, photographs: Sequence[NDArray[np.uint8]]) -> Plane | None:
    """A color of each photograph (K, 3), far enough from those of the others; None where none is found."""
    colors: list[Plane] = []
    for photograph in photographs:
        for _ in range(60):
            y, x = (int(rng.integers(_PATCH, size - _PATCH)) for size in photograph.shape[:2])
            patch = photograph[y - _PATCH : y + _PATCH + 1, x - _PATCH : x + _PATCH + 1]
            color = patch.reshape(-1, 3).mean(axis=0) / 255
            # A little farther than asked for: the color that is seen can differ.
            if _distinct(np.array([*colors, color]), LEAST_APART + 0.02, LEAST_OFF_LINE + 0.02):
                colors.append(color)
                break
        else:
            return None
    return np.array(colors)


def _distinct(colors: Plane, apart: float, off_line: float) -> bool:
    """Whether all colors (K, 3) are so far apart, and so far from the lines between two others."""
    for i, color in enumerate(colors):
        others = np.delete(colors, i, axis=0)
        if len(others) and np.linalg.norm(others - color, axis=1).min() < apart:
            return False
        for j, first in enumerate(others):
            for second in others[j + 1 :]:
                line = second - first
                place = np.clip((color - first) @ line / max(float(line @ line), 1e-12), 0, 1)
                if np.linalg.norm(first + place * line - color) < off_line:
                    return False
    return True


def _surface(frame: _Frame, photograph: NDArray[np.uint8], base: Plane, layer: _Layer) -> Plane:
    """A crop of a photograph pulled to one color, (H, W, 3): its own variation, but weak."""
    rng = frame.rng
    if rng.random() < 0.5 and min(photograph.shape[:2]) >= max(frame.height, frame.width):
        photograph = photograph.transpose(1, 0, 2)
    if photograph.shape[0] < frame.height or photograph.shape[1] < frame.width:
        photograph = photograph.transpose(1, 0, 2)
    top = int(rng.integers(photograph.shape[0] - frame.height + 1))
    left = int(rng.integers(photograph.shape[1] - frame.width + 1))
    crop = photograph[top : top + frame.height, left : left + frame.width] / 255
    if rng.random() < 0.5:
        crop = crop[:, ::-1]
    seen = np.stack([layer.blur(crop[..., channel]) for channel in range(3)], axis=-1)[frame.inner]
    # Within one surface light and shade differ more than hue.
    gray = seen.mean(axis=-1, keepdims=True)
    variation = gray + _HUE * (seen - gray)
    variation -= variation.mean(axis=(0, 1))
    variation /= max(float(np.sqrt(np.square(variation).mean())), 1e-6)
    # Lamps, windows and deep shadows would be colors of their own: large differences are drawn in.
    length = np.linalg.norm(variation, axis=-1, keepdims=True) / math.sqrt(3)
    variation *= np.tanh(length / 2) / np.maximum(length / 2, 1e-6)
    variation *= layer.texture / max(float(np.sqrt(np.square(variation).mean())), 1e-6)
    return np.clip(base + variation, 0, 1)


# --- Blurs ------------------------------------------------------------------------------------------------------------


def _lens(plane: Plane) -> Plane:
    """What every lens does."""
    return ndimage.gaussian_filter(plane, _LENS, mode="nearest")


def _unblurred(plane: Plane) -> Plane:
    """Photographs went through a lens already."""
    return plane


def _blur_with(kernel: Plane) -> Callable[[Plane], Plane]:
    """A convolution that keeps the canvas and its values' range; beyond the border the canvas is mirrored."""

    def blur(plane: Plane) -> Plane:
        rows, columns = (size // 2 for size in kernel.shape)
        padded = np.pad(plane, ((rows, rows), (columns, columns)), mode="symmetric")
        return np.clip(signal.fftconvolve(padded, kernel, mode="valid"), plane.min(), plane.max())

    return blur


def _disc(radius: float) -> Plane:
    """An antialiased disc that adds to 1: the picture of a point out of focus."""
    reach, fine = math.ceil(radius + 0.5), 8
    places = (np.arange((2 * reach + 1) * fine) + 0.5) / fine - reach - 0.5
    inside = (places[:, None] ** 2 + places**2 <= radius**2).astype(np.float64)
    kernel = inside.reshape(2 * reach + 1, fine, 2 * reach + 1, fine).mean(axis=(1, 3))
    return kernel / kernel.sum()


def _streak(length: float, angle: float) -> Plane:
    """An antialiased line that adds to 1: the path of a point while the shutter is open."""
    reach = math.ceil(length / 2) + 1
    along = np.linspace(-length / 2, length / 2, math.ceil(length) * 16 + 1)
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1))
    y, x = reach + along * math.sin(angle), reach + along * math.cos(angle)
    top, left = np.floor(y).astype(int), np.floor(x).astype(int)
    for down in (0, 1):
        for right in (0, 1):
            weight = np.abs(1 - down - (y - top)) * np.abs(1 - right - (x - left))
            np.add.at(kernel, (top + down, left + right), weight)
    return kernel / kernel.sum()


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(math.log(low), math.log(high))))


# --- Outlines ---------------------------------------------------------------------------------------------------------


def _drawn(frame: _Frame, draw: Draw, fine: int) -> Plane:
    """Coverage (h, w) in [0, 1] of what is drawn ``fine`` times as large."""
    canvas = Image.new("L", (frame.width * fine, frame.height * fine))
    draw(ImageDraw.Draw(canvas), fine)
    return np.asarray(canvas.reduce(fine), np.float64) / 255


def _polygon(frame: _Frame, *outlines: Points) -> Plane:
    """Coverage of filled outlines (N, 2), x and y."""

    def draw(canvas: ImageDraw.ImageDraw, fine: float) -> None:
        for outline in outlines:
            canvas.polygon([tuple(point) for point in (outline * fine).tolist()], fill=255)

    return _drawn(frame, draw, 4)


def _turned(points: Points, angle: float) -> Points:
    cos, sin = math.cos(angle), math.sin(angle)
    return points @ np.array([[cos, sin], [-sin, cos]])


def _blob_outline(frame: _Frame) -> Points:
    """A round thing: fruit, face, stone."""
    rng = frame.rng
    angles = np.linspace(0, 2 * math.pi, 240, endpoint=False)
    radius = np.ones_like(angles)
    for wave in range(2, 8):
        radius += rng.normal() * 0.3 / wave**1.3 * np.cos(wave * angles + rng.uniform(0, 2 * math.pi))
    radius = np.maximum(radius, 0.25) * frame.side * rng.uniform(0.14, 0.38)
    points = np.stack((radius * np.cos(angles), radius * np.sin(angles) * rng.uniform(0.5, 1)), axis=1)
    return frame.place() + _turned(points, rng.uniform(0, 2 * math.pi))


def _facet_outline(frame: _Frame) -> Points:
    """A thing made by people: straight edges."""
    rng = frame.rng
    corners = int(rng.integers(3, 7))
    angles = (np.arange(corners) + rng.uniform(-0.3, 0.3, corners)) * 2 * math.pi / corners
    radius = frame.side * rng.uniform(0.2, 0.45)
    points = radius * np.stack((np.cos(angles), np.sin(angles) * rng.uniform(0.4, 1)), axis=1)
    return frame.place() + _turned(points, rng.uniform(0, 2 * math.pi))


def _ridge_outline(frame: _Frame) -> Points:
    """Everything on one side of a rough line: ground, hills, the edge of a roof."""
    rng = frame.rng
    size = float(max(frame.height, frame.width))
    along = np.linspace(-size, size, 600)
    rough = np.cumsum(rng.normal(size=600)) * frame.side * rng.uniform(0, 0.012)
    rough -= np.linspace(rough[0], rough[-1], 600)
    edge = np.stack((along, rough), axis=1)
    outline = np.concatenate((edge, [[size, 2 * size], [-size, 2 * size]]))
    center = np.array([frame.width, frame.height]) / 2
    angle = rng.normal(0, 0.25) + math.pi / 2 * rng.choice([0, 0, 1, 3])
    away = np.array([0.0, frame.side * rng.uniform(0.0, 0.3)])
    return center + _turned(outline + away, angle)


def _found_matte(frame: _Frame) -> Plane:
    """The outline of the light or the dark parts of a photograph."""
    rng = frame.rng
    photograph = frame.photographs[int(rng.integers(len(frame.photographs)))]
    light = photograph.mean(axis=2)
    if light.shape[0] < frame.height or light.shape[1] < frame.width:
        light = light.T
    top = int(rng.integers(light.shape[0] - frame.height + 1))
    left = int(rng.integers(light.shape[1] - frame.width + 1))
    smooth = ndimage.gaussian_filter(light[top : top + frame.height, left : left + frame.width], rng.uniform(3, 9))
    smooth = smooth if rng.random() < 0.5 else -smooth
    fine = ndimage.zoom(smooth, 4, order=1, grid_mode=True, mode="nearest")
    inside = (fine > np.quantile(smooth, rng.uniform(0.65, 0.85))).astype(np.float64)
    return inside.reshape(frame.height, 4, frame.width, 4).mean(axis=(1, 3))


def _thing(frame: _Frame) -> Plane:
    """The coverage of something, antialiased, before any lens."""
    form = frame.rng.choice(["blob", "facets", "ridge", "found"], p=[0.3, 0.25, 0.2, 0.25])
    if form == "found":
        return _found_matte(frame)
    if form == "ridge":
        return _polygon(frame, _ridge_outline(frame))
    outline = _blob_outline if form == "blob" else _facet_outline
    return _polygon(frame, *(outline(frame) for _ in range(int(frame.rng.integers(1, 4)))))


# --- Thin structures --------------------------------------------------------------------------------------------------


def _path(canvas: ImageDraw.ImageDraw, fine: float, points: Points, widths: NDArray[np.float64]) -> None:
    """A line through points (N, 2) of a width that changes, with round joints."""
    places = points * fine
    for (x0, y0), (x1, y1), width in zip(places[:-1].tolist(), places[1:].tolist(), widths, strict=False):
        thick = max(1, round(width * fine))
        canvas.line((x0, y0, x1, y1), fill=255, width=thick)
        if thick > 2:
            canvas.ellipse((x1 - thick / 2, y1 - thick / 2, x1 + thick / 2, y1 + thick / 2), fill=255)


def _hair(frame: _Frame) -> Plane:
    """A head, its rim full of strands that bend and thin out."""
    rng = frame.rng
    center, radius = frame.place(), frame.side * rng.uniform(0.1, 0.2)
    middle, spread = rng.uniform(0, 2 * math.pi), rng.uniform(0.7, math.pi)
    sweep, steps = rng.normal(0, 0.025), 40

    def draw(canvas: ImageDraw.ImageDraw, fine: float) -> None:
        canvas.ellipse([float(value) for value in (*(center - radius) * fine, *(center + radius) * fine)], fill=255)
        for _ in range(int(rng.integers(60, 180))):
            angle = middle + rng.uniform(-spread, spread)
            root = center + 0.95 * radius * np.array([math.cos(angle), math.sin(angle)])
            bends = sweep + rng.normal(0, 0.02) + np.cumsum(rng.normal(0, 0.006, steps))
            headings = angle + rng.normal(0, 0.25) + np.cumsum(bends)
            stride = frame.side * rng.uniform(0.15, 0.5) / steps
            moves = stride * np.stack((np.cos(headings), np.sin(headings)), axis=1)
            points = np.concatenate((root[None], root + np.cumsum(moves, axis=0)))
            _path(canvas, fine, points, rng.uniform(0.5, 1.4) * np.linspace(1, 0.4, steps))

    return _drawn(frame, draw, 8)


def _wires(frame: _Frame) -> Plane:
    """Wires and ropes from border to border, hanging a little, in any direction."""
    rng = frame.rng
    size = math.hypot(frame.height, frame.width)
    along = np.linspace(-1, 1, 80)
    center = np.array([frame.width, frame.height]) / 2

    def draw(canvas: ImageDraw.ImageDraw, fine: float) -> None:
        for _ in range(int(rng.integers(1, 4))):
            angle = rng.uniform(0, math.pi)
            for _ in range(int(rng.integers(1, 5))):
                sag = frame.side * rng.uniform(0, 0.15)
                away = frame.side * rng.uniform(-0.5, 0.5)
                points = np.stack((along * size / 2, away + sag * (1 - along**2)), axis=1)
                width = _log_uniform(rng, 0.6, 3.5)
                _path(canvas, fine, center + _turned(points, angle + rng.normal(0, 0.03)), np.full(80, width))

    return _drawn(frame, draw, 8)


def _twigs(frame: _Frame) -> Plane:
    """Branches that come in from the border and fork until they are thinner than a pixel."""
    rng = frame.rng

    def grow(canvas: ImageDraw.ImageDraw, fine: float, root: Points, heading: float, width: float) -> None:
        steps = int(rng.integers(5, 12))
        headings = heading + np.cumsum(rng.normal(0, 0.12, steps))
        stride = 1.5 + 1.6 * width
        moves = stride * np.stack((np.cos(headings), np.sin(headings)), axis=1)
        points = np.concatenate((root[None], root + np.cumsum(moves, axis=0)))
        _path(canvas, fine, points, width * np.linspace(1, 0.8, steps))
        if width < 0.7:
            return
        for _ in range(int(rng.integers(1, 3))):
            at = int(rng.integers(steps // 2, steps))
            side = rng.choice([-1, 1]) * rng.uniform(0.3, 1.0)
            grow(canvas, fine, points[at], headings[at] + side, width * rng.uniform(0.4, 0.75))
        grow(canvas, fine, points[-1], headings[-1], width * rng.uniform(0.72, 0.9))

    def draw(canvas: ImageDraw.ImageDraw, fine: float) -> None:
        center = np.array([frame.width, frame.height]) / 2
        for _ in range(int(rng.integers(1, 4))):
            angle = rng.uniform(0, 2 * math.pi)
            root = center - (frame.side * 0.55) * np.array([math.cos(angle), math.sin(angle)])
            grow(canvas, fine, root, angle + rng.normal(0, 0.3), rng.uniform(3.5, 8))

    return _drawn(frame, draw, 8)


# --- What lets light through ------------------------------------------------------------------------------------------


def _cloud_noise(frame: _Frame, steepness: float) -> Plane:
    """Noise whose power falls with frequency, mean 0 and standard deviation 1."""
    rng = frame.rng
    rows = np.fft.fftfreq(frame.height)[:, None]
    columns = np.fft.rfftfreq(frame.width)
    frequency = np.hypot(rows, columns)
    frequency[0, 0] = 1
    spectrum = np.fft.rfft2(rng.normal(size=(frame.height, frame.width))) * frequency ** (-steepness / 2)
    spectrum[0, 0] = 0
    noise = np.fft.irfft2(spectrum, (frame.height, frame.width))
    return noise / noise.std()


def _smoke(frame: _Frame) -> Plane:
    """A plume: curled noise, thinning out from its middle line."""
    rng = frame.rng
    y, x = np.mgrid[: frame.height, : frame.width].astype(np.float64)
    curl = frame.side * 0.05
    y, x = y + curl * _cloud_noise(frame, 3.5), x + curl * _cloud_noise(frame, 3.5)
    density = np.exp(0.9 * ndimage.map_coordinates(_cloud_noise(frame, rng.uniform(2.4, 3.2)), (y, x), mode="wrap"))
    (cx, cy), angle = frame.place(), rng.uniform(0, math.pi)
    along = (x - cx) * math.cos(angle) + (y - cy) * math.sin(angle)
    across = (y - cy) * math.cos(angle) - (x - cx) * math.sin(angle)
    length, breadth = frame.side * rng.uniform(0.4, 0.9), frame.side * rng.uniform(0.12, 0.3)
    envelope = np.exp(-((along / length) ** 2) - (across / breadth) ** 2)
    return 1 - np.exp(-_log_uniform(rng, 0.4, 2.0) * envelope * density)


def _glass(frame: _Frame) -> Plane:
    """A pane or a bottle: a tint, more of it towards the rim, and a reflection."""
    rng = frame.rng
    body = _polygon(frame, _blob_outline(frame) if rng.random() < 0.5 else _facet_outline(frame))
    rim = body * (1 - ndimage.gaussian_filter(body, rng.uniform(2, 7))) * 2
    y, x = np.mgrid[: frame.height, : frame.width]
    angle, (cx, cy) = rng.uniform(0, math.pi), frame.place()
    across = (y - cy) * math.cos(angle) - (x - cx) * math.sin(angle)
    reflection = body * np.exp(-((across / (frame.side * rng.uniform(0.02, 0.08))) ** 2))
    return _lens(np.clip(rng.uniform(0.2, 0.55) * body + 0.35 * rim + rng.uniform(0, 0.3) * reflection, 0, 0.95))


# --- Scenes -----------------------------------------------------------------------------------------------------------


def _texture(frame: _Frame) -> float:
    return float(frame.rng.uniform(*_TEXTURE))


def _opaque(frame: _Frame) -> _Layer:
    """A thing in focus, at rest."""
    return _Layer(_lens(_thing(frame)), _unblurred, _texture(frame))


def _blurred(frame: _Frame, matte: Plane, kernel: Plane) -> _Layer:
    """A thing that the camera blurs, its surface too."""
    blur = _blur_with(kernel)
    return _Layer(_lens(blur(matte)), blur, _texture(frame))


def _background(frame: _Frame, kernel: Plane | None = None) -> _Layer:
    blur = _unblurred if kernel is None else _blur_with(kernel)
    return _Layer(np.ones((frame.height, frame.width)), blur, _texture(frame))


def _sharp_scene(frame: _Frame) -> list[_Layer]:
    return [_background(frame), *(_opaque(frame) for _ in range(LAYERS - 1))]


def _soft_scene(frame: _Frame) -> list[_Layer]:
    """Edges like those of shadows, of fog and of the airbrush: each wide in one place and narrow in another."""
    layers = [_background(frame)]
    for _ in range(LAYERS - 1):
        matte, near = _thing(frame), _log_uniform(frame.rng, 1, 4)
        narrow = ndimage.gaussian_filter(matte, near)
        wide = ndimage.gaussian_filter(matte, near * frame.rng.uniform(1, 4))
        where = np.clip(0.5 + 0.5 * _cloud_noise(frame, 4.0), 0, 1)
        layers.append(_Layer(narrow + where * (wide - narrow), _unblurred, _texture(frame)))
    return layers


def _defocused_scene(frame: _Frame) -> list[_Layer]:
    """Something is in focus: one of the things, or the background."""
    focused = int(frame.rng.integers(LAYERS))
    discs = [None if i == focused else _disc(_log_uniform(frame.rng, 1.5, 11)) for i in range(LAYERS)]
    layers = [_background(frame, discs[0])]
    return layers + [_opaque(frame) if disc is None else _blurred(frame, _thing(frame), disc) for disc in discs[1:]]


def _moving_scene(frame: _Frame) -> list[_Layer]:
    """Either the camera moves and all with it, or two or three things move before a background at rest."""
    rng = frame.rng

    def path() -> Plane:
        return _streak(_log_uniform(rng, 6, 44), rng.uniform(0, math.pi))

    if rng.random() < 0.4:
        shake = path()
        return [_background(frame, shake), *(_blurred(frame, _thing(frame), shake) for _ in range(LAYERS - 1))]
    moving = set(rng.permutation(LAYERS - 1)[: int(rng.integers(2, 4))].tolist())
    things = (_blurred(frame, _thing(frame), path()) if i in moving else _opaque(frame) for i in range(LAYERS - 1))
    return [_background(frame), *things]


def _thin_scene(frame: _Frame) -> list[_Layer]:
    """Two kinds of thin things over two broad ones, so that a strand passes before several colors."""
    layers = [_background(frame), _opaque(frame), _opaque(frame)]
    growths = (_hair, _wires, _twigs)
    for chosen in frame.rng.permutation(len(growths))[:2]:
        layers.append(_Layer(_lens(growths[chosen](frame)), _unblurred, _texture(frame)))
    return layers


def _transparent_scene(frame: _Frame) -> list[_Layer]:
    """Two things that let light through over two that do not. Smoke has hardly any texture of its own."""
    layers = [_background(frame), _opaque(frame), _opaque(frame)]
    for _ in range(2):
        if frame.rng.random() < 0.5:
            layers.append(_Layer(_smoke(frame), _unblurred, _TEXTURE[0]))
        else:
            layers.append(_Layer(_glass(frame), _unblurred, _texture(frame)))
    return layers


def _wide_scene(frame: _Frame) -> list[_Layer]:
    """Transitions of 8 to 20 pixels (sigma): blurred backgrounds, glows, large soft shadows."""
    return [_background(frame), *(_wide_layer(frame, (8, 20)) for _ in range(LAYERS - 1))]


def _gradient_scene(frame: _Frame) -> list[_Layer]:
    """Transitions of 20 to 60 pixels (sigma), and linear ramps across the picture: skies, lit walls, dusk."""
    layers = [_background(frame)]
    for _ in range(LAYERS - 1):
        ramp = frame.rng.random() < 0.35
        layers.append(_ramp(frame) if ramp else _wide_layer(frame, (20, 60)))
    return layers


def _wide_layer(frame: _Frame, sigmas: tuple[float, float]) -> _Layer:
    matte = ndimage.gaussian_filter(_thing(frame), _log_uniform(frame.rng, *sigmas), mode="nearest")
    return _Layer(matte, _unblurred, _texture(frame))


def _ramp(frame: _Frame) -> _Layer:
    """From nothing to all in any direction, over a third to the whole of the picture."""
    rng = frame.rng
    y, x = np.mgrid[: frame.height, : frame.width].astype(np.float64)
    (cx, cy), angle = frame.place(), rng.uniform(0, 2 * math.pi)
    along = (x - cx) * math.cos(angle) + (y - cy) * math.sin(angle)
    return _Layer(np.clip(along / (frame.side * rng.uniform(0.35, 1.0)) + 0.5, 0, 1), _unblurred, _texture(frame))


_SCENES: dict[str, Callable[[_Frame], list[_Layer]]] = dict(
    zip(
        KINDS,
        (
            *(_sharp_scene, _soft_scene, _defocused_scene, _moving_scene, _thin_scene, _transparent_scene),
            *(_wide_scene, _gradient_scene),
        ),
        strict=True,
    )
)
