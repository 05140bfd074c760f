"""Recolorings that a person would want, of a model beside the released weights, to be looked at: a folder of PNGs.

Each PNG shows the photograph, what the model makes of it, and what the released weights make of it, by the same palette
and the same edits. Five Kodak images with the palettes of the shared data, and the example photograph.
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from sheets import FSCS, RELEASED_RADIUS, ROOT, beside

from fscs_engine import AlphaProcessing, LayerEdit, Look, Palette, PaletteColor, Segmenter, read_image, recompose
from fscs_engine import Image as FscsImage
from fscs_engine.color import SRGB
from fscs_engine.recolor.edits import Recoloring
from fscs_engine.recolor.frames import reference_palette
from fscs_engine.recolor.material import Material
from fscs_engine.recolor.palettes import harmony, match

SHARED = Path(os.environ.get("FSCS_SHARED") or ROOT.parent / "shared").resolve()
KODAK = SHARED / "data" / "eval" / "kodak"
EXAMPLE = ROOT / "examples" / "coffee.png"
CUP = "#270a05,#6f1d0d,#a63615,#b46030,#cf854f,#deb188,#f5e8d9"


def colors(**colors: str) -> Callable[[Material, Segmenter], Look]:
    """New colors of layers: ``_3="#2f7d4a"``."""
    edits = {int(name[1:]): LayerEdit(color=PaletteColor.from_hex(color).rgb) for name, color in colors.items()}
    return lambda _, __: Look(edits)


def matched(name: str) -> Callable[[Material, Segmenter], Look]:
    """The palette of another picture."""

    def look(material: Material, segmenter: Segmenter) -> Look:
        target, covered = reference_palette(str(KODAK / f"{name}.png"), len(material.palette), segmenter.spaces)
        return match(Look(), material.palette, target, material.coverage, covered)

    return look


def night(material: Material, _: Segmenter) -> Look:
    """Moonlight, its hues drawn together."""
    light = LayerEdit(gain=(0.12, 0.2, 0.42), saturation=0.8)
    every = Look(dict.fromkeys(range(1, len(material.palette) + 1), light))
    return harmony(every, material.palette, "analogous", 0.7, material.coverage)


LOOKS: dict[str, tuple[str, Callable[[Material, Segmenter], Look]]] = {
    "coffee": ("the red cup green", colors(_2="#123b20", _3="#2f7d4a")),
    "kodim23": ("the yellow parrot blue", colors(_5="#1f55d0")),
    "kodim03": ("the caps in the colors of the parrots", matched("kodim23")),
    "kodim19": ("night", night),
    "kodim04": ("the red hat blue", colors(_1="#15283f", _3="#3f6fb5", _5="#234a80")),
    "kodim14": ("the yellow boat turquoise", colors(_3="#1fa8a0")),
}


def recolored(
    picture: Path, palette: Palette, segmenter: Segmenter, smoothing: int, look: Callable[[Material, Segmenter], Look]
) -> Image.Image:
    """A picture with a look, in sRGB."""
    layers = segmenter.segment(read_image(picture), palette, AlphaProcessing(smoothing=smoothing))
    whole = FscsImage.from_pixels(recompose(layers.pixels), layers.working_space)
    material = Material(whole, layers.pixels, palette)
    recoloring = Recoloring(look(material, segmenter), palette, layers.working_space, segmenter.spaces)
    pixels = material.image.pixels
    recoloring.apply(layers.pixels, pixels, pixels)
    seen = segmenter.spaces.convert(np.ascontiguousarray(pixels[..., :3]), layers.working_space, SRGB)
    return Image.fromarray(np.round(np.clip(seen, 0.0, 1.0) * 255).astype(np.uint8))


def main() -> None:
    """Writes one PNG for each look."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the sheets go, outside the repository")
    parser.add_argument("--model", default="any-palette", help="a name or a .safetensors file (default: any-palette)")
    parser.add_argument("--only", nargs="*", default=list(LOOKS), metavar="STEM", help="only these pictures")
    arguments = parser.parse_args()
    folder: Path = arguments.folder.resolve()
    if folder.is_relative_to(ROOT):
        sys.exit(f"{folder}: is in the repository; name a folder outside it")
    if not KODAK.is_dir():
        sys.exit(f"{KODAK}: is not here; set FSCS_SHARED")
    with (SHARED / "peers" / "palettes_k7.csv").open(encoding="utf-8", newline="") as file:
        rows = {stem: np.array(values, np.float32).reshape(-1, 3) / 255 for stem, *values in csv.reader(file)}
    palettes = {stem: Palette.from_array(rows[stem]) for stem in LOOKS if stem in rows}
    palettes["coffee"] = Palette.from_hex(CUP)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        released = Path(scratch) / "released.safetensors"
        official = SHARED / "peers" / "fscs_official"
        sources = [str(official / f"{name}.pth") for name in ("mask_generator", "residue_predictor")]
        subprocess.run([*FSCS, "weights", "import", *sources, "-o", str(released)], check=True, cwd=ROOT)
        own, other = Segmenter(arguments.model), Segmenter(str(released))
    for stem in arguments.only:
        title, look = LOOKS[stem]
        picture, palette = EXAMPLE if stem == "coffee" else KODAK / f"{stem}.png", palettes[stem]
        with Image.open(picture) as opened:
            shown = {stem: opened.convert("RGB")}
        shown[f"{title}: {Path(arguments.model).stem}"] = recolored(picture, palette, own, 0, look)
        shown["released weights"] = recolored(picture, palette, other, RELEASED_RADIUS, look)
        beside(shown).save(folder / f"{stem}.png")
        print(folder / f"{stem}.png", flush=True)


if __name__ == "__main__":
    main()
