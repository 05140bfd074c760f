"""Run by Nuke at start, with and without a window. Nuke 12 and 13 read it too, so it holds what their Pythons can."""

import sys
import traceback

import nuke

if sys.version_info < (3, 9):  # noqa: UP036
    nuke.tprint("Soft Color Segment needs Nuke 14 or newer. Here it can only use cached layers.")
else:
    try:
        nuke.pluginAddPath("./icons")
        from softcolor_nuke import callbacks  # the path of this folder is known by now

        callbacks.register()
    except Exception:  # Nuke must start whatever happens here
        nuke.tprint(traceback.format_exc())
