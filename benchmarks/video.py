"""How calm alphas are in time: clips decomposed frame by frame, with the palette of the first frame.

Flicker is ``fscs_engine.evaluation.metrics.flicker``, mean over the pairs of consecutive frames. Pumping is the largest
change, from one frame to the next, of any layer's mean alpha over the pixels that stand still; a layer's coverage is
its mean alpha over all pixels, so it also changes with what moves. Then the same frames with a disc in the second half
of them: how much that changes alphas where the picture is as it was.

Needs ``av`` (PyAV) or ``cv2`` (opencv-python-headless) to read the clips.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import store
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_cdt
from torch import Tensor
from torch.nn import functional as F
from truth import RELEASED_RADIUS, import_released

from fscs_engine import AlphaProcessing, Image, Palette, Segmenter
from fscs_engine.alpha import temporal
from fscs_engine.alpha.processing import edit_alphas, smooth_alphas
from fscs_engine.alpha.temporal import is_cut, temporal_mean, window
from fscs_engine.evaluation import metrics
from fscs_engine.exact.exact import exact_colors

ROOT = Path(__file__).resolve().parent.parent
PALETTES = ROOT / "benchmarks" / "video_palettes.json"
"""Seven colors of each clip's first frame, by scikit-learn's K-means: they stay when the engine's own changes."""

FRAMES = 24
WIDEST = 960
DISC_COLOR = (0.9, 0.05, 0.75)
BESIDE = 16
"""A disc's pixels, out to this many around it, share the cells and windows of its edge."""

SEQUENCES = {
    "a person signs": ("intel_asl_book.mkv", 0),
    "an empty road": ("intel_car_detection.mp4", 0),
    "a car drives in, the exposure changes": ("intel_car_detection.mp4", 56),
}
"""Clip and first frame. Two parts of the second clip, because they have little in common."""

Pixels = NDArray[np.float32]
Decompose = Callable[[Pixels, Palette], tuple[Pixels, Pixels]]
"""(H, W, 3) sRGB and a palette → alphas (K, H, W) and straight colors (K, H, W, 3)."""


@dataclass(frozen=True)
class Clip:
    """Frames in sRGB (H, W, 3), the same with the disc, the first frame that has it, its distance, the palette."""

    frames: list[Pixels]
    entered: list[Pixels]
    half: int
    distance: NDArray[np.int32]
    palette: Palette


def read_clips(shared: Path, count: int) -> tuple[dict[str, tuple[list[Pixels], Palette]], str]:
    """Of each sequence, the first so many frames and its palette; and what decoded them."""
    folder = shared / "data" / "eval" / "video"
    if not folder.is_dir():
        sys.exit(f"{shared}: the clips are not here; set FSCS_SHARED")
    palettes = json.loads(PALETTES.read_text())
    clips, decoder = {}, ""
    for name, (file, first) in SEQUENCES.items():
        frames, decoder = read_frames(folder / file, first, count)
        clips[name] = frames, Palette.from_array(palettes[name])
    return clips, decoder


def read_frames(file: Path, first: int, count: int) -> tuple[list[Pixels], str]:
    """Frames in sRGB, sides multiples of 8, at most 960 wide, and what decoded them."""
    decoder, movie = decoded(file)
    frames = [fitted(frame) for frame in islice(movie, first, first + count)]
    if len(frames) < count:
        sys.exit(f"{file.name}: has {first + len(frames)} frames, {first + count} are needed")
    return frames, decoder


def decoded(file: Path) -> tuple[str, Iterator[NDArray[np.uint8]]]:
    """A decoder's name and what it gives."""
    for name, decode in (("av", with_av), ("cv2", with_cv2)):
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError:
            continue
        return f"{name} {module.__version__}", decode(module, file)
    sys.exit("reading clips needs PyAV or OpenCV: pip install av, or pip install opencv-python-headless")


def with_av(av: Any, file: Path) -> Iterator[NDArray[np.uint8]]:
    """Frames by PyAV."""
    with av.open(str(file)) as movie:
        for frame in movie.decode(video=0):
            yield frame.to_ndarray(format="rgb24")


def with_cv2(cv2: Any, file: Path) -> Iterator[NDArray[np.uint8]]:
    """Frames by OpenCV."""
    movie = cv2.VideoCapture(str(file))
    while (read := movie.read())[0]:
        yield np.ascontiguousarray(read[1][..., ::-1])
    movie.release()


def fitted(frame: NDArray[np.uint8]) -> Pixels:
    """In [0, 1], scaled down by area where it is too wide, cut to multiples of 8."""
    pixels = planes(frame.astype(np.float32) / np.float32(255))
    height, width = pixels.shape[1:]
    if width > WIDEST:
        pixels = F.interpolate(pixels[None], size=(round(height * WIDEST / width), WIDEST), mode="area")[0]
        height, width = pixels.shape[1:]
    return np.ascontiguousarray(pixels[:, : height // 8 * 8, : width // 8 * 8].permute(1, 2, 0).numpy())


def planes(pixels: Pixels) -> Tensor:
    """(H, W, 3) → (3, H, W)."""
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


def with_disc(frames: list[Pixels], palette: Palette) -> Clip:
    """The sequence, and the same with a disc at its left side from the middle frame on."""
    height, width = frames[0].shape[:2]
    y, x = np.mgrid[:height, :width]
    disc = np.hypot(y - height / 2, x - width / 8) < height / 10
    half = len(frames) // 2
    entered = [frame.copy() for frame in frames]
    for frame in entered[half:]:
        frame[disc] = DISC_COLOR
    # chessboard distance: what networks and windows see is square
    return Clip(frames, entered, half, distance_transform_cdt(~disc, "chessboard"), palette)


def smoothed(alphas: list[Pixels], frames: list[Pixels], given: Palette) -> list[Pixels]:
    """Every frame's temporal mean over its window, then the rest of the alpha processing."""
    images, palette = [planes(frame) for frame in frames], torch.from_numpy(given.array)
    cuts = {number + 1 for number, (a, b) in enumerate(pairwise(images)) if is_cut(a, b)}
    own, rest, results = [[entry] for entry in range(len(palette))], AlphaProcessing(smoothing=0), []
    for number, image in enumerate(images):
        near = window(number, range(len(frames)), cuts)
        mixed = temporal_mean(
            [torch.from_numpy(alphas[i]) for i in near], [images[i] for i in near], near.index(number)
        )
        smooth = smooth_alphas(mixed, image, palette, rest)
        results.append(edit_alphas(smooth, image, palette, own, rest).numpy())
    return results


def recomposition_error(alphas: Pixels, frame: Pixels, palette: Palette) -> float:
    """Largest error of a frame with the palette's own colors through the exact step."""
    colors = torch.from_numpy(palette.array)[:, :, None, None].repeat(1, 1, *frame.shape[:2])
    in_gamut = torch.ones(frame.shape[:2], dtype=torch.bool)
    moved = exact_colors(torch.from_numpy(alphas), colors, planes(frame), in_gamut).permute(0, 2, 3, 1).numpy()
    return metrics.recomposition_error(alphas[..., None] * moved, frame)


def scores(alphas: list[Pixels], entered: list[Pixels], clip: Clip, reach: int) -> dict[str, Any]:
    """What is stored of a row and clip.

    Args:
        alphas: of each frame.
        entered: of each frame of the sequence with the disc.
        clip: its frames.
        reach: how far away from a pixel another can change its alphas.
    """
    flicker, pumping, coverage = [], [], []
    for (before, after), (image_before, image) in zip(pairwise(alphas), pairwise(clip.frames), strict=True):
        flicker.append(metrics.flicker(before, after, image_before, image))
        still = np.abs(image - image_before).max(axis=-1) < metrics.FLAT_DIFFERENCE - 1e-6
        pumping.append(np.abs((after - before)[:, still].mean(axis=1, dtype=np.float64)).max() if still.any() else 0.0)
        coverage.append(np.abs(metrics.coverage(after) - metrics.coverage(before)).max())
    rings = {
        "beside": (clip.distance > 0) & (clip.distance <= BESIDE),
        "near": (clip.distance > BESIDE) & (clip.distance <= reach),
        "far": clip.distance > reach,
    }
    entering: dict[str, Any] = {"reach": reach}
    pairs = list(zip(alphas, entered, strict=True))[clip.half :]
    for ring, pixels in rings.items():
        if pixels.any():
            changes = np.stack([0.5 * np.abs(b - a).sum(axis=0)[pixels] for a, b in pairs])
            entering[ring] = {"mean": float(changes.mean(dtype=np.float64)), "largest": float(changes.max())}
        else:
            entering[ring] = None  # the picture is smaller than the reach
    return {
        "flicker": float(np.nanmean(flicker)),
        "flicker_largest": float(np.nanmax(flicker)),
        "pumping": float(np.max(pumping)),
        "coverage_change": float(np.max(coverage)),
        "sparsity": float(np.mean([metrics.sparsity(frame) for frame in alphas])),
        "entering": entering,
    }


def measure(decompose: Decompose, clip: Clip, reach: int, rows: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Scores of a model's frames as they are, in the first of ``rows``, and smoothed, in the second if there is one."""
    errors, alphas = [], []
    for frame in clip.frames:
        own, colors = decompose(frame, clip.palette)
        errors.append(metrics.recomposition_error(own[..., None] * colors, frame))
        alphas.append(own)
    later = [decompose(frame, clip.palette)[0] for frame in clip.entered[clip.half :]]
    entered = alphas[: clip.half] + later
    results = {rows[0]: {"recomposition_error_max": max(errors), **scores(alphas, entered, clip, reach)}}
    for row in rows[1:]:
        alphas, entered = (
            smoothed(own, frames, clip.palette) for own, frames in ((alphas, clip.frames), (entered, clip.entered))
        )
        errors = [recomposition_error(a, frame, clip.palette) for a, frame in zip(alphas, clip.frames, strict=True)]
        reach += temporal.REACH
        results[row] = {"recomposition_error_max": max(errors), **scores(alphas, entered, clip, reach)}
    return results


def decomposer(segmenter: Segmenter, processing: AlphaProcessing, released: bool) -> Decompose:
    """A model with its processing; ``released``: the released inference."""

    def decompose(frame: Pixels, palette: Palette) -> tuple[Pixels, Pixels]:
        return segmenter.decompose(Image.from_pixels(frame, "srgb"), palette, processing, released=released)

    return decompose


def main() -> None:
    """Measures the models that are named, each as it is and with temporal smoothing, and the released weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=["any-palette", "paper"], help="names or .safetensors files")
    parser.add_argument("--frames", type=int, default=FRAMES, help=f"of each sequence; {FRAMES} by default")
    arguments = parser.parse_args()
    shared = Path(os.environ.get("FSCS_SHARED") or ROOT.parent / "shared")
    read, decoder = read_clips(shared, arguments.frames)
    clips = {name: with_disc(frames, palette) for name, (frames, palette) in read.items()}
    segmenters = {Path(model).stem: Segmenter(model) for model in arguments.models}  # a wrong name is known at once
    with tempfile.TemporaryDirectory() as temporary:
        official = Segmenter(import_released(shared / "peers" / "fscs_official", Path(temporary)))
    kinds = [("released weights, released inference", official, AlphaProcessing(smoothing=RELEASED_RADIUS), True)]
    kinds += [(name, segmenter, AlphaProcessing(), False) for name, segmenter in segmenters.items()]
    for name, segmenter, processing, released in kinds:
        reach = segmenter.model.halo + processing.reach
        rows = [name] if released else [name, f"{name}, temporal smoothing"]
        results: dict[str, dict[str, Any]] = {row: {} for row in rows}
        for title, clip in clips.items():
            for row, result in measure(decomposer(segmenter, processing, released), clip, reach, rows).items():
                results[row][title] = result
                print(f"{row}, {title}:", result, flush=True)
        facts = {
            "frames": arguments.frames,
            "decoder": decoder,
            "smoothing": processing.smoothing,
            "weights_sha256": segmenter.weights_sha256,
        }
        for row, result in results.items():
            store("video", row, {**facts, "sequences": result})


if __name__ == "__main__":
    main()
