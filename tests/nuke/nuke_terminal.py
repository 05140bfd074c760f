"""``nuke -i [--EDITION] -t SCRIPT ARGUMENTS`` as a program: Nuke imitated without a window, with computed pictures."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import fake_nuke
from evaluator import Evaluator

EDITIONS = {"--nukex", "--studio", "--indie", "--nc"}


def main() -> None:
    """Runs the script as the main program."""
    flags, (script, *arguments) = sys.argv[1 : sys.argv.index("-t")], sys.argv[sys.argv.index("-t") + 1 :]
    if flags[:1] != ["-i"] or not EDITIONS.issuperset(flags[1:]):
        raise SystemExit(f"other flags than -i, an edition and -t: {sys.argv[1:]}")
    host = fake_nuke.Host(gui=False).install()
    Evaluator(host)
    host.module.pluginAddPath(str(Path(script).parent))
    sys.argv = [script, *arguments]
    runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    main()
