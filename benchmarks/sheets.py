"""Contact sheets of a model beside those of the released weights, to be looked at: a folder of PNGs, left and right.

Eight Kodak images with the palettes of the shared data, four other pictures with palettes that are found.
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

from PIL import Image, ImageDraw, ImageFont

ROOT = Path(__file__).resolve().parent.parent
FSCS = [sys.executable, "-m", "fscs_engine"]

KODAK = ("kodim03", "kodim04", "kodim05", "kodim14", "kodim15", "kodim19", "kodim20", "kodim23")
OTHERS = ("fscs2020_apple.jpg", "harmon_fivek_a4503-kme_0411.png", "koyama2018_magic.png", "tan2018_turquoise.png")
RELEASED_RADIUS = 3
_TITLE, _SIZE, _GAP = 44, 24, 8


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


def write_palette(file: Path, values: list[str]) -> None:
    """A palette file from R, G, B of each colour in 0-255."""
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
    folder: Path = arguments.folder.resolve()
    if folder.is_relative_to(ROOT):
        sys.exit(f"{folder}: is in the repository; name a folder outside it")
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
            print(target, flush=True)


if __name__ == "__main__":
    main()
