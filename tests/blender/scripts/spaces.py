"""The scene-linear space of a studio's configuration of OpenColorIO: ``spaces.py make FOLDER SPACE`` writes one, and
``spaces.py use PICTURE`` uses the one that is set."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import bpy
import numpy as np
import tree as t
from soft_color_segment import exr, recoloring, sources


def make(folder: Path, space: str) -> None:
    shutil.copytree(bpy.utils.system_resource("DATAFILES", path="colormanagement"), folder, dirs_exist_ok=True)
    config = folder / "config.ocio"
    text, count = re.subn(r"(?m)^(  scene_linear:) .*$", rf"\1 {space}", config.read_text(encoding="utf-8"))
    assert count == 1
    config.write_text(text, encoding="utf-8")


def use(picture: Path) -> dict[str, Any]:
    tree = t.compositor()
    pixels = np.random.default_rng(0).random((120, 160)).astype(np.float32)
    planes = {channel: pixels * weight for channel, weight in {"R": 1.0, "G": 0.5, "B": 0.25}.items()}
    exr.write(Path.cwd() / "linear.exr", planes, {})
    found: dict[str, Any] = {"space": sources.scene_space(), "matrix": recoloring.to_rec709()[0]}
    for name, path, space in (
        ("encoded", picture, "sRGB"),
        ("linear", Path.cwd() / "linear.exr", "Linear Rec.709"),
        ("data", Path.cwd() / "linear.exr", "Non-Color"),
    ):
        source = t.image_node(tree, path)
        source.image.colorspace_settings.name = space
        node = t.soft(tree, source.outputs["Image"])
        node.colors = 3
        try:
            t.press("segment", node)
        except RuntimeError as error:
            found[name] = str(error)
            continue
        image = t.rendered(tree, node.outputs["Combined"], "image")
        found[name] = t.error(t.rendered(tree, t.total(tree, node), "sum")[..., :3], image[..., :3])
    return found


report(make(Path(sys.argv[2]), sys.argv[3]) if sys.argv[1] == "make" else use(Path(sys.argv[2])))  # noqa: F821
