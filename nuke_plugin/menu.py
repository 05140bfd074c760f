"""Run by Nuke at start when it has a window."""

import sys

import nuke

if sys.version_info >= (3, 9):  # noqa: UP036
    nuke.menu("Nodes").addCommand(
        "Color/Soft Color Segment", "nuke.createNode('SoftColorSegment')", icon="SoftColorSegment.png"
    )
