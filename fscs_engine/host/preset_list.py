"""The presets of the command line, for hosts: asked of the engine, whose Python can read their files."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any, Union

from .client import clean_environment
from .protocol import JsonObject, WorkerError

TIMEOUT = 60.0
"""Seconds; it takes a fraction of one, but for the first start on a slow disk."""


def read_presets(python: Union[str, os.PathLike[str]]) -> list[JsonObject]:
    """What ``fscs preset list --json`` knows, without the presets that are broken. Takes part of a second.

    Args:
        python: whole path of the engine's Python.

    Returns:
        ``{"name": …, "values": {parameter: value}, "layers": {parameter: {"3": value}}}`` for each.

    Raises:
        WorkerError: the engine does not answer.
    """
    command = [os.fspath(python), "-I", "-m", "fscs_engine", "preset", "list", "--json"]
    cure = "press Check in the engine's settings"
    try:
        ended = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT,
            env=clean_environment(),
            check=False,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        found: Any = json.loads(ended.stdout)["presets"]
        return [preset for preset in found if preset.get("ok")]
    except subprocess.TimeoutExpired:
        raise WorkerError("worker", "the engine did not name its presets in time", cure) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WorkerError("worker", f"the engine could not name its presets ({type(error).__name__})", cure) from error
