"""``python -m fscs_engine`` is the command ``fscs``."""

from __future__ import annotations

from .cli.app import run

if __name__ == "__main__":
    run()
