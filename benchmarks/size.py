"""Peak memory and time of ``fscs segment`` on a 7680×4320 picture to EXR, with the default model.

K = 7 and K = 16, in linear Rec.709.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import OpenImageIO as oiio
from machine import store

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "examples" / "coffee.png"
SIZE = (7680, 4320)

ROWS = {"lin_rec709": ("lin_rec709", 7), "lin_rec709, K = 16": ("lin_rec709", 16)}
"""Name of a row, its working space and K."""


def resize(picture: Path, width: int, height: int, target: Path) -> None:
    """Writes the picture in another size, 8 bits a channel."""
    region = oiio.ROI(0, width, 0, height, 0, 1, 0, 3)
    resized = oiio.ImageBufAlgo.resize(oiio.ImageBuf(str(picture)), roi=region)
    resized.set_write_format("uint8")
    if not resized.write(str(target)):
        sys.exit(resized.geterror())


def measure(picture: Path, space: str, colors: int, layers: Path) -> dict[str, object]:
    """What is stored of a row."""
    command = [sys.executable, "-m", "fscs_engine", "segment", str(picture), "-o", str(layers), "-k", str(colors)]
    command += ["--working-space", space, "--overwrite", "--json"]
    result = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=ROOT).stdout)
    kept = {name: result[name] for name in ("seconds", "peak_rss_bytes", "error_max", "model", "weights_sha256")}
    return {**kept, "colors": colors, "file_bytes": layers.stat().st_size}


def main() -> None:
    """Measures the rows named on the command line, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", help=f"rows to measure: {'; '.join(ROWS)}")
    rows = parser.parse_args().rows or list(ROWS)
    unknown = [row for row in rows if row not in ROWS]
    if unknown:
        sys.exit(f"{unknown[0]}: is none of {'; '.join(ROWS)}")
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "8k.png"
        resize(PICTURE, *SIZE, picture)
        for row in rows:
            result = measure(picture, *ROWS[row], Path(folder) / "layers.exr")
            store("size", row, result)
            print(row, result, flush=True)


if __name__ == "__main__":
    main()
