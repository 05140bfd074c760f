#!/usr/bin/env python3
"""Writes the example script and the toolset: ``python nuke_plugin/generate_examples.py``."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from nuke_plugin.generator.group import gizmo  # noqa: E402
from nuke_plugin.generator.node import NAME, NAMES  # noqa: E402
from nuke_plugin.generator.script import Script, quoted  # noqa: E402
from nuke_plugin.softcolor_nuke import inside  # noqa: E402

FOLDER = Path(__file__).resolve().parent
EXAMPLE = FOLDER / "examples" / "soft_color_example.nk"
TOOLSET = FOLDER / "ToolSets" / "SoftColor" / "GradeOneLayer.nk"
"""Nuke lists what lies in folders of this name on its plug-in path in the menu ToolSets."""

VERSION = "version 14.0 v1"
CHECKERS = ("{0.02 0.05 0.2 1}", "{0.7 0.6 0.4 1}", "{0.4 0.03 0.02 1}", "{0.05 0.2 0.06 1}")

NOTE = """1. Save this script, so that the cache files have a place.
2. Open SoftColorSegment1 and press Auto Palette, then Render This Frame on the tab Cache.
3. Look at GradedLayer in a Viewer and change the Grade."""


def graded_layer(script: Script, source: str, layer: str, *, left: int = 0, top: int = 0) -> str:
    """A layer taken out of the image, graded and put back: the rest of the image stays as it is."""
    mappings = " ".join(
        ["4", *(f"{name} 0 {n} rgba.{name.split('.')[1]} 0 {n}" for n, name in enumerate(inside.channels_of(layer)))]
    )
    label = quoted("the layer: choose another one at in1")
    knobs = [("in1", layer), ("out1", "rgba"), ("mappings", quoted(mappings)), ("label", label)]
    taken = script.node("Shuffle2", "TakeLayer", [source], knobs, at=(left + 2, top))
    graded = script.node("Grade", "GradeLayer", [taken], [("black_clamp", "false")], at=(left + 2, top + 3))
    rest = script.node("Merge2", "WithoutLayer", [source, taken], [("operation", "from")], at=(left, top + 3))
    return script.node("Merge2", "GradedLayer", [rest, graded], [("operation", "plus")], at=(left, top + 6))


def toolset() -> str:
    """Nodes to paste below a Soft Color Segment node."""
    script = Script()
    script.lines.append("push $cut_paste_input")
    script.lines += [" Dot {", "  name SoftColorLayers", " }", " set NSoftColorLayers [stack 0]"]
    graded_layer(script, "SoftColorLayers", NAMES[0], top=2)
    layer = f"add_layer {{{NAMES[0]} {' '.join(inside.channels_of(NAMES[0]))}}}"
    return "\n".join(["set cut_paste_input [stack 0]", VERSION, layer, *script.lines, ""])


def example() -> str:
    """A script with a picture of our own, the node, and the toolset below it."""
    script = Script()
    colors = [(f"color{n}", color) for n, color in enumerate(CHECKERS)]
    script.node("CheckerBoard2", "Picture", [], [*colors, ("boxsize", "160")], at=(0, -4))
    script.lines.append(gizmo().replace("Group {\n", "Group {\n inputs 1\n", 1).rstrip("\n"))
    script.lines.append(f" set N{NAME}1 [stack 0]")
    graded_layer(script, f"{NAME}1", NAMES[0], top=4)
    note = [("label", quoted(NOTE)), ("note_font_size", "20")]
    script.node("StickyNote", "ReadMe", [], note, at=(4, -4))
    root = "Root {\n inputs 0\n first_frame 1\n last_frame 1\n}"
    return "\n".join([VERSION, root, *script.lines, ""])


def main() -> int:
    """Writes the files. Returns 0."""
    for file, text in ((EXAMPLE, example()), (TOOLSET, toolset())):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8", newline="\n")
        print(file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
