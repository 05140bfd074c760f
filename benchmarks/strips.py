"""Strips of frames of the clips of ``video.py``, to be looked at: a PNG for each clip in a folder.

From left to right consecutive frames, from where the model changes most in what stands still. From top to bottom the
image, then one layer's alpha by the model, by the model with temporal smoothing, and by the weights that the authors of
the paper released with their own inference. Below each row is its change to the next frame, amplified. The layer is the
one that changes most in what stands still, by all of these together.

``--docs`` draws ``docs/flicker.jpg`` instead, of what may be given away: the example photograph, darker in each frame.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from sheets import RELEASED_RADIUS, ROOT, outside
from truth import import_released
from video import FRAMES, SEQUENCES, Pixels, decomposer, fitted, read_clips, smoothed

from fscs_engine import AlphaProcessing, Palette, Segmenter
from fscs_engine import Image as FscsImage
from fscs_engine.color import ColorSpaces
from fscs_engine.evaluation import metrics
from fscs_engine.evaluation.report import thumbnail
from fscs_engine.palette.image_palette import image_palette

DOCS = ROOT / "docs" / "flicker.jpg"
EXAMPLE = ROOT / "examples" / "coffee.png"
EXAMPLE_COLORS = 7
DARKER = 0.985
"""From each frame of the example to the next, in sRGB, then rounded to 8 bits."""

SHOWN = 6
AMPLIFIED = 10
WIDTH = 320
"""Of a frame on the strip."""

DOCS_WIDTH = 160

_TITLE, _SIZE, _GAP = 24, 14, 4


def changes(frames: Sequence[Pixels]) -> list[Pixels]:
    """How much each frame differs from the next, amplified: one fewer than the frames, in [0, 1]."""
    return [np.minimum(np.abs(after - before) * AMPLIFIED, 1.0) for before, after in pairwise(frames)]


def changed(alphas: Sequence[Pixels], frames: Sequence[Pixels]) -> NDArray[np.float64]:
    """Mean |Δα| of each layer from each frame to the next, where the image stands still: (frames − 1, K)."""
    rows = []
    for (before, after), (image_before, image) in zip(pairwise(alphas), pairwise(frames), strict=True):
        still = np.abs(image - image_before).max(axis=-1) < metrics.FLAT_DIFFERENCE - 1e-6
        moved = np.abs(after - before)[:, still]
        rows.append(moved.mean(axis=1, dtype=np.float64) if still.any() else np.zeros(len(after)))
    return np.stack(rows)


def strip(rows: Mapping[str, Sequence[Pixels]], width: int = WIDTH) -> Image.Image:
    """Frames (H, W) or (H, W, 3) in [0, 1] beside each other, a row below the other, each with its name above it."""
    drawn = []
    for name, frames in rows.items():
        small = [thumbnail(np.atleast_3d(frame), width) for frame in frames]
        apart = [np.pad(frame, ((0, 0), (0, _GAP), (0, 0))) for frame in small]
        pixels = np.round(255 * np.concatenate(apart, axis=1)).astype(np.uint8)
        drawn.append((name, Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[..., 0]).convert("RGB")))
    height = sum(_TITLE + row.height for _, row in drawn)
    whole = Image.new("RGB", (max(row.width for _, row in drawn), height))
    draw, top = ImageDraw.Draw(whole), 0
    for name, row in drawn:
        draw.text((_GAP, top + _GAP), name, font=ImageFont.load_default(_SIZE), fill="white")
        whole.paste(row, (0, top + _TITLE))
        top += _TITLE + row.height
    return whole


def worst(alphas: Sequence[Pixels], frames: Sequence[Pixels], count: int) -> slice:
    """So many frames in a row, with the largest change in their middle as far as there are frames."""
    after = int(changed(alphas, frames).sum(axis=1).argmax()) + 1
    first = min(max(0, after - count // 2), len(frames) - count)
    return slice(first, first + count)


def rows_of(
    frames: Sequence[Pixels], palette: Palette, alphas: Mapping[str, Sequence[Pixels]]
) -> dict[str, Sequence[Pixels]]:
    """What stands on a strip, by the title of the row.

    Args:
        frames: that are shown, (H, W, 3).
        palette: of the clip.
        alphas: of each of these frames, (K, H, W), by method.
    """
    layer = int(np.sum([changed(planes, frames).mean(axis=0) for planes in alphas.values()], axis=0).argmax())
    color = "".join(f"{round(255 * value):02x}" for value in palette.array[layer])
    rows: dict[str, Sequence[Pixels]] = {"image": frames, f"image: change x {AMPLIFIED}": changes(frames)}
    for method, planes in alphas.items():
        own = [frame[layer] for frame in planes]
        rows[f"{method}: alpha of layer {layer + 1}, #{color}"] = own
        rows[f"{method}: its change x {AMPLIFIED}"] = changes(own)
    return rows


def example(count: int) -> tuple[list[Pixels], Palette]:
    """Frames of the example photograph under falling exposure, and the palette of the first."""
    with Image.open(EXAMPLE) as opened:
        photograph = np.asarray(opened.convert("RGB"))
    frames = [fitted(np.round(photograph * DARKER**number).astype(np.uint8)) for number in range(count)]
    return frames, image_palette(FscsImage.from_pixels(frames[0], "srgb"), EXAMPLE_COLORS, None, 0, ColorSpaces(None))


def main() -> None:
    """Writes one PNG for each clip."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", help="where the strips go, outside the repository")
    parser.add_argument("--docs", action="store_true", help=f"write {DOCS.relative_to(ROOT)} instead")
    parser.add_argument("--model", default="any-palette", help="a name or a .safetensors file (default: any-palette)")
    parser.add_argument("--only", nargs="*", default=list(SEQUENCES), metavar="CLIP", help=f"{'; '.join(SEQUENCES)}")
    arguments = parser.parse_args()
    if bool(arguments.folder) == arguments.docs:
        parser.error("name a folder, or --docs")
    shared = Path(os.environ.get("FSCS_SHARED") or ROOT.parent / "shared")
    if arguments.docs:
        clips = {DOCS: example(FRAMES)}
    else:
        folder = outside(arguments.folder)
        folder.mkdir(parents=True, exist_ok=True)
        unknown = [title for title in arguments.only if title not in SEQUENCES]
        if unknown:
            sys.exit(f"{unknown[0]}: is none of {'; '.join(SEQUENCES)}")
        read, _ = read_clips(shared, FRAMES)
        clips = {folder / f"{title.replace(',', '').replace(' ', '_')}.png": read[title] for title in arguments.only}
    own, name = Segmenter(arguments.model), Path(arguments.model).stem
    with tempfile.TemporaryDirectory() as temporary:
        official = Segmenter(import_released(shared / "peers" / "fscs_official", Path(temporary)))
    ours = decomposer(own, AlphaProcessing(), released=False)
    theirs = decomposer(official, AlphaProcessing(smoothing=RELEASED_RADIUS), released=True)
    for target, (frames, palette) in clips.items():
        alphas = [ours(frame, palette)[0] for frame in frames]
        shown = worst(alphas, frames, SHOWN)
        methods = {
            name: alphas[shown],
            f"{name}, temporal smoothing": smoothed(alphas, frames, palette)[shown],
            "released weights, released inference": [theirs(frame, palette)[0] for frame in frames[shown]],
        }
        sheet = strip(rows_of(frames[shown], palette, methods), DOCS_WIDTH if arguments.docs else WIDTH)
        sheet.save(target, quality=85)
        print(f"{target}: frames {shown.start + 1} to {shown.stop}", flush=True)


if __name__ == "__main__":
    main()
