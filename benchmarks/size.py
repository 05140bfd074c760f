"""Peak memory and time of ``fscs segment`` on a 7680×4320 picture, K = 7, to EXR, in each working space."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import OpenImageIO as oiio
from machine import store

ROOT = Path(__file__).resolve().parent.parent
SPACES = ("srgb", "lin_rec709", "acescg", "ACES2065-1")


def main() -> None:
    """Measures the working spaces named on the command line, or all."""
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "8k.png"
        region = oiio.ROI(0, 7680, 0, 4320, 0, 1, 0, 3)
        enlarged = oiio.ImageBufAlgo.resize(oiio.ImageBuf(str(ROOT / "examples" / "coffee.png")), roi=region)
        enlarged.set_write_format("uint8")
        if not enlarged.write(str(picture)):
            sys.exit(enlarged.geterror())
        for space in sys.argv[1:] or SPACES:
            layers = Path(folder) / "layers.exr"
            command = [sys.executable, "-m", "fscs_engine", "segment", str(picture), "-o", str(layers), "-k", "7"]
            command += ["--working-space", space, "--overwrite", "--json"]
            result = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
            kept = {
                name: result[name] for name in ("seconds", "peak_rss_bytes", "error_max", "model", "weights_sha256")
            }
            store("size", space, {**kept, "file_bytes": layers.stat().st_size})
            print(space, kept, flush=True)


if __name__ == "__main__":
    main()
