"""Run by Nuke at start when it has a window."""

import nuke

nuke.menu("Nodes").addCommand(
    "Color/Soft Color Segment", "nuke.createNode('SoftColorSegment')", icon="SoftColorSegment.png"
)
