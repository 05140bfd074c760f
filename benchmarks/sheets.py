"""Sheets of a model beside those of the released weights, to be looked at: a folder of PNGs.

``NAME.png`` has the contact sheets, left and right. ``NAME_recolored.png`` is a recolor sheet: each layer in turn gets
the opposite hue, with its matte below; the model's own row first, then that of the released weights. Ten Kodak images
with the palettes of the shared data, six other images with automatic palettes.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from fscs_engine import AlphaProcessing, Segmenter, apply_look, read_image
from fscs_engine.color import ColorSpaces
from fscs_engine.files.palette_files import read_palette
from fscs_engine.host.edits import LayerEdit, Look
from fscs_engine.palette.image_palette import image_palette
from fscs_engine.palette.palette import Palette

ROOT = Path(__file__).resolve().parent.parent
FSCS = [sys.executable, "-m", "fscs_engine"]

KODAK = (
    *("kodim03", "kodim04", "kodim05", "kodim07", "kodim14", "kodim15"),
    *("kodim17", "kodim19", "kodim20", "kodim23"),
)
OTHERS = (
    *("fscs2020_apple.jpg", "harmon_fivek_a4503-kme_0411.png", "harmon_fivek_a4510-Duggan_090305_5511.png"),
    *("koyama2018_cezanne.png", "koyama2018_magic.png", "tan2018_turquoise.png"),
)
RELEASED_RADIUS = 3
_TITLE, _SIZE, _GAP = 44, 24, 8
_RECOLORED = 3500  # pixels, width of a recolor sheet


def outside(folder: Path) -> Path:
    """The folder's full path; the program ends where it is in the repository: most pictures are not ours to give."""
    if folder.resolve().is_relative_to(ROOT):
        sys.exit(f"{folder.resolve()}: is in the repository; name a folder outside it")
    return folder.resolve()


def sheet(picture: Path, palette: str, model: str, options: list[str], target: Path) -> Image.Image:
    """What ``fscs segment --preview`` shows, written to ``target`` on the way."""
    command = [*FSCS, "segment", str(picture), "--palette", palette, "-k", "7", "--model", model, *options]
    subprocess.run([*command, "--preview", str(target)], check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    with Image.open(target) as opened:
        return opened.convert("RGB")


def beside(sheets: dict[str, Image.Image]) -> Image.Image:
    """Sheets from left to right, their names above them."""
    width = sum(picture.width + _GAP for picture in sheets.values()) - _GAP
    whole = Image.new("RGB", (width, _TITLE + max(picture.height for picture in sheets.values())))
    draw, left = ImageDraw.Draw(whole), 0
    for name, picture in sheets.items():
        draw.text((left + _GAP, _GAP), name, font=ImageFont.load_default(_SIZE), fill="white")
        whole.paste(picture, (left, _TITLE))
        left += picture.width + _GAP
    return whole


def recolored(picture: Path, palette: Palette, model: str, smoothing: int) -> NDArray[np.uint8]:
    """The image with each layer in turn in the opposite hue, and the layer's matte below. (2 H, K W, 3)."""
    segmenter = Segmenter(model)
    layers = segmenter.segment(read_image(picture), palette, AlphaProcessing(smoothing=smoothing), working_space="srgb")
    columns = []
    for number, layer in enumerate(layers.pixels, 1):
        seen = apply_look(layers.pixels, palette, "srgb", Look({number: LayerEdit(hue=180.0)}))[..., :3]
        columns.append(np.concatenate((seen, layer[..., 3:].repeat(3, axis=2))))
    return np.round(np.clip(np.concatenate(columns, axis=1), 0.0, 1.0) * 255).astype(np.uint8)


def recolor_sheet(picture: Path, palette: Palette, models: dict[str, tuple[str, int]]) -> Image.Image:
    """Rows of :func:`recolored` of models, with the smoothing of each, one below the other."""
    rows = [recolored(picture, palette, model, smoothing) for model, smoothing in models.values()]
    sheet = Image.fromarray(np.concatenate(rows))
    return sheet.resize((_RECOLORED, round(sheet.height * _RECOLORED / sheet.width)), Image.Resampling.LANCZOS)


def write_palette(file: Path, values: list[str]) -> None:
    """A palette file from R, G, B of each color in 0-255."""
    numbers = [float(value) / 255 for value in values]
    colors = [{"rgb": numbers[i : i + 3], "name": "", "locked": False} for i in range(0, len(numbers), 3)]
    file.write_text(json.dumps({"version": 1, "space": "srgb", "colors": colors}), encoding="utf-8")


def main() -> None:
    """Writes one PNG for each picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the sheets go, outside the repository")
    parser.add_argument("--model", default="any-palette", help="a name or a .safetensors file (default: any-palette)")
    parser.add_argument("--only", nargs="*", default=[], metavar="STEM", help="only these pictures")
    arguments = parser.parse_args()
    folder = outside(arguments.folder)
    shared = Path(os.environ.get("FSCS_SHARED") or ROOT.parent / "shared").resolve()
    model = arguments.model
    if Path(model).suffix == ".safetensors":
        model = str(Path(model).resolve())
    pictures = [shared / "data" / "eval" / "kodak" / f"{name}.png" for name in KODAK]
    pictures += [shared / "data" / "eval" / "palette_papers" / name for name in OTHERS]
    missing = [str(picture) for picture in pictures if not picture.is_file()]
    if missing:
        sys.exit(f"{missing[0]}: is not here; set FSCS_SHARED")
    unknown = set(arguments.only) - {picture.stem for picture in pictures}
    if unknown:
        sys.exit(f"{', '.join(sorted(unknown))}: not among {', '.join(picture.stem for picture in pictures)}")
    with (shared / "peers" / "palettes_k7.csv").open(encoding="utf-8", newline="") as file:
        palettes = {stem: values for stem, *values in csv.reader(file)}
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        released = Path(scratch) / "released.safetensors"
        official = shared / "peers" / "fscs_official"
        sources = [str(official / "mask_generator.pth"), str(official / "residue_predictor.pth")]
        subprocess.run([*FSCS, "weights", "import", *sources, "-o", str(released)], check=True, cwd=ROOT)
        for picture in pictures:
            if arguments.only and picture.stem not in arguments.only:
                continue
            palette = "auto"
            if picture.stem in palettes:
                palette = str(Path(scratch) / f"{picture.stem}.json")
                write_palette(Path(palette), palettes[picture.stem])
            # Both of the same palette: auto gives both models the same one.
            filtered = ["--smoothing", str(RELEASED_RADIUS)]
            own = sheet(picture, palette, model, [], Path(scratch) / f"{picture.stem}_own.png")
            other = sheet(picture, palette, str(released), filtered, Path(scratch) / f"{picture.stem}_released.png")
            target = folder / f"{picture.stem}.png"
            beside({Path(model).stem: own, "released weights": other}).save(target)
            found = image_palette(read_image(picture), 7, None, 0, ColorSpaces(None)) if palette == "auto" else None
            models = {Path(model).stem: (model, 0), "released weights": (str(released), RELEASED_RADIUS)}
            recolor_sheet(picture, found or read_palette(palette), models).save(
                folder / f"{picture.stem}_recolored.png"
            )
            print(target, flush=True)


if __name__ == "__main__":
    main()
