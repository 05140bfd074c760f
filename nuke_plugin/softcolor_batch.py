"""Fills the cache of a Soft Color Segment node without a window.

    nuke -t softcolor_batch.py comp.nk NODE 1001-1100

NODE is the node's name, with the names of the groups it is in before it: Group1.SoftColorSegment1. Without a range that
of the node's Cache tab is done. --frames=1001-1100x2,1150 is a range, too.
Ends with 0 if all frames were done, 1 if the engine or Nuke failed, 2 if what was asked can't be done, 130 if it was
cancelled.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import nuke

HERE = str(Path(__file__).resolve().parent)
if HERE not in sys.path:
    sys.path.insert(0, HERE)

from softcolor_nuke import render, upstream  # noqa: E402
from softcolor_nuke.fscs import frames  # noqa: E402
from softcolor_nuke.fscs.protocol import WorkerError  # noqa: E402

FRAMES = "--frames="


def main(arguments: Sequence[str]) -> int:
    """Renders. Returns the exit code."""
    ranges = [word[len(FRAMES) :] for word in arguments if word.startswith(FRAMES)]
    words = [word for word in arguments if not word.startswith(FRAMES)]
    if not ranges:
        ranges = [words.pop()] if len(words) == 3 else _taken_by_nuke(arguments)
    if len(words) != 2 or len(ranges) > 1 or any(word.startswith("-") for word in words):
        print(__doc__, file=sys.stderr)
        return 2
    script, name = words
    try:
        nuke.scriptOpen(script)
        node = nuke.toNode(name)
        if node is None or not upstream.is_ours(node):
            raise WorkerError("usage", f"{script} has no Soft Color Segment node {name}", "give its full name")
        if ranges:
            numbers = list(frames.parse_frames(ranges[0]))
        else:
            numbers = list(range(int(node["first_frame"].value()), int(node["last_frame"].value()) + 1))
        template = render.cache_template(node)
        views = [str(view) for view in nuke.views()] if frames.has_view(template) else [str(nuke.thisView())]
        render.render(node, numbers, views, _Lines(), lambda: False)
    except WorkerError as error:
        print(f"softcolor_batch: error: {error}", file=sys.stderr)
        return error.exit_code
    except RuntimeError as error:
        print(f"softcolor_batch: error: {error}: check that Nuke can open the script", file=sys.stderr)
        return 1
    print(f"softcolor_batch: {len(numbers)} frames done", flush=True)
    return 0


def _taken_by_nuke(arguments: Sequence[str]) -> list[str]:
    """The range that stood last on the line, which Nuke may have taken out of the arguments for itself."""
    last = [str(word) for word in nuke.rawArgs][-1:]
    return [word for word in last if word not in arguments and re.fullmatch(r"-?\d+(--?\d+(x\d+)?)?", word)]


class _Lines:
    """Prints a line whenever another frame begins."""

    def __init__(self) -> None:
        self._last = ""

    def __call__(self, fraction: float, text: str) -> None:
        if text != self._last:
            self._last = text
            print(f"softcolor_batch: {text}, {100 * fraction:.0f} %", flush=True)


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    # Nuke's own end would give 0.
    os._exit(status)
