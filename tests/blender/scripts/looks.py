"""Look files in and out: ``looks.py FOLDER``, with ``look.toml`` of the engine. Writes ``saved.toml``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import tree as t
from soft_color_segment import recoloring

folder = Path(sys.argv[1])
tree = t.compositor()
node = t.soft(tree)
node.colors = 3
node.palette[1].label = 'red "cup"'
node.edit3_exposure = 2.0


def look() -> list[Any]:
    found = recoloring.look_of(node)
    return [{n: edits.changed for n, edits in found.layers.items()}, found.opacity_shows, found.strength]


found: dict[str, Any] = {"pressed": sorted(t.press("load_look", node, filepath=str(folder / "look.toml")))}
found["loaded"] = look()
t.press("save_look", node, filepath=str(folder / "saved.toml"))
found["refused"] = []
for text in (
    "version = 2",
    "version = 1\n[layers.4]\nhue = 3.0",
    "version = 1\nhue = 3.0",
    "version = 1\n[layers.1]\nhue = 999",
):
    (folder / "wrong.toml").write_text(text)
    try:
        t.press("load_look", node, filepath=str(folder / "wrong.toml"))
    except RuntimeError as error:
        found["refused"].append(str(error))
found["kept"] = look() == found["loaded"]
report(found)  # noqa: F821  # given by drive.py
