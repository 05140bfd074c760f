"""``python -I -m fscs_engine.worker``: serve requests from standard input until it ends."""

from __future__ import annotations

import sys

from .server import main

sys.exit(main())
