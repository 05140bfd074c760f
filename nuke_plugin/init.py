"""Run by Nuke at start, with and without a window."""

import nuke

nuke.pluginAddPath("./icons")

from softcolor_nuke import callbacks  # noqa: E402  # the path of this folder is known by now

callbacks.register()
