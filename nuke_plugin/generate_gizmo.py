#!/usr/bin/env python3
"""Writes the gizmo and the nodes of its mode Live: ``python nuke_plugin/generate_gizmo.py``.

The node is a Group, so a saved script holds all of it and a farm machine needs the EXR files only.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from nuke_plugin.generator.group import gizmo  # noqa: E402
from nuke_plugin.generator.live import live_nodes  # noqa: E402

GIZMO = Path(__file__).resolve().parent / "SoftColorSegment.gizmo"
LIVE_NODES = Path(__file__).resolve().parent / "softcolor_nuke" / "live_nodes.nk"


def main() -> int:
    """Writes the files. Returns 0."""
    for file, text in ((GIZMO, gizmo()), (LIVE_NODES, live_nodes())):
        file.write_text(text, encoding="utf-8", newline="\n")
        print(file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
