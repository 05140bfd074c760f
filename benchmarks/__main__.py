"""``python -m benchmarks NAME …`` runs a script of this folder, as ``python benchmarks/NAME.py …`` does."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent


def main() -> None:
    """Runs the script that is named first."""
    scripts = {
        file.stem: file for file in sorted(FOLDER.glob("*.py")) if "\ndef main(" in file.read_text(encoding="utf-8")
    }
    del scripts[Path(__file__).stem]
    if len(sys.argv) < 2 or sys.argv[1] not in scripts:
        sys.exit(f"name one of {', '.join(scripts)}")
    sys.argv[:2] = [str(scripts[sys.argv[1]])]
    sys.path.insert(0, str(FOLDER))
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
