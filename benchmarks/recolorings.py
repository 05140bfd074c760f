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
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from sheets import FSCS, RELEASED_RADIUS, ROOT, beside, outside

from fscs_engine import AlphaProcessing, LayerEdit, Look, Palette, Segmenter, apply_look, read_image, recompose
from fscs_engine import Image as FscsImage
from fscs_engine.color import SRGB
from fscs_engine.recolor.layers import merge, split
from fscs_engine.recolor.looks import NamedLook
from fscs_engine.recolor.material import Material
from fscs_engine.recolor.palettes import harmony, match

SHARED = Path(os.environ.get("FSCS_SHARED") or ROOT.parent / "shared").resolve()
KODAK = SHARED / "data" / "eval" / "kodak"
EXAMPLE = ROOT / "examples" / "coffee.png"
DOCS = ROOT / "docs" / "recoloring_beside.jpg"
_DOCS_WIDTH = 1240
CUP = "#270a05,#6f1d0d,#a63615,#b46030,#cf854f,#deb188,#f5e8d9"


Recipe = Callable[[Material], tuple[Material, Look]]
Box = tuple[int, int, int, int]


def cut(material: Material, numbers: Sequence[int], inside: Sequence[Box], outside: Sequence[Box]) -> Material:
    """Splits layers by a mask of ellipses, some white, then some black: ``part 3`` is the white part of layer 3."""
    mask = Image.new("L", (material.image.width, material.image.height))
    for box in inside:
        ImageDraw.Draw(mask).ellipse(box, 255)
    for box in outside:
        ImageDraw.Draw(mask).ellipse(box, 0)
    soft = np.asarray(mask.filter(ImageFilter.GaussianBlur(2)), np.float32) / 255
    for number in sorted(numbers, reverse=True):
        material = split(material, number, soft, (f"part {number}", f"rest {number}"))
    return material


def colored(material: Material, colors: Mapping[int | str, str]) -> tuple[Material, Look]:
    """New colors of layers, by number or name."""
    edits: dict[int | str, Mapping[str, object]] = {part: {"color": color} for part, color in colors.items()}
    return material, NamedLook(edits).look(material.palette)


def things(colors: dict[int, str], inside: Sequence[Box] = (), outside: Sequence[Box] = ()) -> Recipe:
    """New colors of layers, in a part of the picture or in all of it."""

    def recipe(material: Material) -> tuple[Material, Look]:
        if inside:
            material = cut(material, list(colors), inside, outside)
        return colored(material, {f"part {n}" if inside else n: color for n, color in colors.items()})

    return recipe


def caps(material: Material) -> tuple[Material, Look]:
    """The yellow cap, made one layer of two, and the red one get colors of the parrots; the others keep theirs."""
    material = merge(material, (6, 3), "yellow")
    kept = {n: LayerEdit(color=color.rgb) for n, color in enumerate(material.palette, 1) if n not in (5, 6)}
    matched = match(Look(kept), material.palette, palette_of("kodim23"))
    return material, Look({n: edit for n, edit in matched.layers.items() if n not in kept})


def hat(material: Material) -> tuple[Material, Look]:
    """Lips stay as they are, and where it is dark face and hair."""
    every, lips, face = (-400, -400, 900, 1200), (192, 452, 312, 530), (112, 165, 470, 615)
    material = cut(cut(material, [3, 5], [every], [lips]), [1], [every], [face])
    colors = {1: "#15283f", 3: "#3f6fb5", 5: "#234a80"}
    return colored(material, {f"part {n}": color for n, color in colors.items()})


def night(material: Material) -> tuple[Material, Look]:
    """Moonlight, its hues drawn together, and a lamp."""
    every = range(1, len(material.palette) + 1)
    moon, lamp = LayerEdit(gain=(0.12, 0.2, 0.42), saturation=0.8), LayerEdit(gain=(5.0, 3.0, 0.9), exposure=1.0)
    look = harmony(Look(dict.fromkeys(every, moon)), material.palette, "analogous", 0.7, material.coverage)
    apart = cut(material, every, [(284, 138, 332, 168)], [])
    names = [color.name for color in apart.palette]
    edits = {names.index(f"rest {n}") + 1: look.edit(n) for n in every}
    return apart, Look({**edits, **{names.index(f"part {n}") + 1: lamp for n in every}})


LOOKS: dict[str, tuple[str, Recipe]] = {
    "coffee": (
        "the red cup green",
        things({1: "#06140b", 2: "#123b20", 3: "#2f7d4a"}, [(70, 40, 486, 392)], [(198, 75, 372, 200)]),
    ),
    "kodim23": ("the yellow parrot blue", things({5: "#1f55d0"}, [(120, 300, 310, 620), (190, 250, 305, 420)])),
    "kodim03": ("the caps in the colors of the parrots", caps),
    "kodim19": ("night", night),
    "kodim04": ("the red hat blue", hat),
    "kodim14": ("the yellow boat turquoise", things({3: "#1fa8a0"})),
}


def palette_of(stem: str) -> Palette:
    """The palette that all models get."""
    if stem == "coffee":
        return Palette.from_hex(CUP)
    with (SHARED / "peers" / "palettes_k7.csv").open(encoding="utf-8", newline="") as file:
        rows = {name: np.array(values, np.float32) for name, *values in csv.reader(file)}
    return Palette.from_array(rows[stem].reshape(-1, 3) / 255)


def recolored(picture: Path, palette: Palette, segmenter: Segmenter, smoothing: int, recipe: Recipe) -> Image.Image:
    """A picture with a look, in sRGB."""
    layers = segmenter.segment(read_image(picture), palette, AlphaProcessing(smoothing=smoothing))
    whole = FscsImage.from_pixels(recompose(layers.pixels), layers.working_space)
    material, look = recipe(Material(whole, layers.pixels, palette))
    pixels = apply_look(material.layers, material.palette, layers.working_space, look, whole.pixels)
    seen = segmenter.spaces.convert(np.ascontiguousarray(pixels[..., :3]), layers.working_space, SRGB)
    return Image.fromarray(np.round(np.clip(seen, 0.0, 1.0) * 255).astype(np.uint8))


def main() -> None:
    """Writes one PNG for each look."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the sheets go, outside the repository")
    parser.add_argument("--model", default="any-palette", help="a name or a .safetensors file (default: any-palette)")
    parser.add_argument("--only", nargs="*", default=list(LOOKS), metavar="STEM", help="only these pictures")
    parser.add_argument("--docs", action="store_true", help=f"also write {DOCS.relative_to(ROOT)}")
    arguments = parser.parse_args()
    folder = outside(arguments.folder)
    if not KODAK.is_dir():
        sys.exit(f"{KODAK}: is not here; set FSCS_SHARED")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        released = Path(scratch) / "released.safetensors"
        official = SHARED / "peers" / "fscs_official"
        sources = [str(official / f"{name}.pth") for name in ("mask_generator", "residue_predictor")]
        subprocess.run([*FSCS, "weights", "import", *sources, "-o", str(released)], check=True, cwd=ROOT)
        own, other = Segmenter(arguments.model), Segmenter(str(released))
    for stem in arguments.only:
        title, recipe = LOOKS[stem]
        picture, palette = EXAMPLE if stem == "coffee" else KODAK / f"{stem}.png", palette_of(stem)
        with Image.open(picture) as opened:
            shown = {stem: opened.convert("RGB")}
        shown[f"{title}: {Path(arguments.model).stem}"] = recolored(picture, palette, own, 0, recipe)
        shown["released weights"] = recolored(picture, palette, other, RELEASED_RADIUS, recipe)
        sheet = beside(shown)
        sheet.save(folder / f"{stem}.png")
        if arguments.docs and stem == "coffee":
            sheet.resize((_DOCS_WIDTH, round(sheet.height * _DOCS_WIDTH / sheet.width))).save(DOCS, quality=90)
        print(folder / f"{stem}.png", flush=True)


if __name__ == "__main__":
    main()
