"""``nuke -i -t SCRIPT ARGUMENTS`` as a program: the imitation of Nuke without a window, with computed pictures."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import fake_nuke
from evaluator import Evaluator


def main() -> None:
    """Runs the script as the main program."""
    interactive, terminal, script, *arguments = sys.argv[1:]
    if (interactive, terminal) != ("-i", "-t"):
        raise SystemExit(f"other flags than -i -t: {sys.argv[1:]}")
    host = fake_nuke.Host(gui=False).install()
    Evaluator(host)
    host.module.pluginAddPath(str(Path(script).parent))
    sys.argv = [script, *arguments]
    runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    main()
