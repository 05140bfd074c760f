"""What ``mypy`` sees of a mistake in the plug-in, with types-nuke and the corrections in ``stubs``."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

GOOD = """
from typing import Optional
import nuke
from softcolor_nuke.fscs.key import pixels_identity
from softcolor_nuke.fscs.protocol import WorkerError

node: nuke.Group = nuke.createNode("SoftColorSegment", inpanel=False)
above: Optional[nuke.Node] = node.input(0)
if above is not None:
    red: float = above.sample("red", 0.5, 0.5)
    name: str = above.fullName()
node["colors"].setValue(3)
nuke.execute(node, 1001, 1002, 1, ["main"])
nuke.execute(node, nuke.FrameRanges([1]))
task = nuke.ProgressTask("layers")
task.setProgress(50)
chosen: Optional[int] = nuke.choice("title", "prompt", ["a", "b"])
nuke.addBeforeFrameRender(print, nodeClass="Write")
WorkerError("usage", "message", "cure")
"""

BAD = (
    "nuke.createNodes('Blur')",
    "nuke.toNode(3)",
    "nuke.toNode('a').name()",
    "nuke.execute(node)",
    "nuke.frame('1001')",
    "nuke.message(1)",
    "nuke.Undo.end('step')",
    "nuke.choice('title', 'prompt', 3)",
    "nuke.choice('title', 'prompt', ['a']) + 1",
    "nuke.pluginAddPath(1)",
    "node.input(0).sample('red', 0.5, 0.5)",
    "node.sample('red', 0.5)",
    "node.sampel('red', 0.5, 0.5)",
    "node.setInput('0', None)",
    "node.node('Cache')['version'].setVisble(True)",
    "nuke.toNode('Cache')['version']",
    "node['colors'].setVisble(True)",
    "task.setProgress(0.5)",
    "task.isCanceled()",
    "nuke.createNode('Write').node('inside')",
    "WorkerError('usage')",
    "pixels_identity(b'', 1, 1, 'three', 'srgb')",
)


@pytest.mark.slow
def test_mistakes_are_seen_and_nothing_else(tmp_path):
    file = tmp_path / "mistakes.py"
    file.write_text(GOOD + "\n".join(BAD) + "\n", encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "-m", "mypy", "--no-error-summary", str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    lines = file.read_text(encoding="utf-8").splitlines()
    found = {lines[int(number) - 1] for number in re.findall(r"mistakes\.py:(\d+): error", run.stdout)}
    assert found == set(BAD), run.stdout + run.stderr
