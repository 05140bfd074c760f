"""What the command line ends with. Errors that a user can cure name theirs (``FscsError.exit_code``)."""

from __future__ import annotations

DONE = 0
INTERNAL_ERROR = 1
USAGE = 2
"""The command or an input is not as it must be."""

SOME_FAILED = 3
"""Some frames are missing or failed, the others are done."""

CANCELLED = 130
