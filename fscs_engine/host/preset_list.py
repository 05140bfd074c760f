"""The presets of the command line, for hosts: the engine, whose Python can read their files, reads and saves them."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
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
    try:
        found: Any = json.loads(_asked(python, ["list"]).stdout)["presets"]
        return [preset for preset in found if preset.get("ok")]
    except subprocess.TimeoutExpired:
        raise WorkerError("worker", "the engine did not name its presets in time", _CURE) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WorkerError("worker", f"the engine could not name its presets ({type(error).__name__})", _CURE) from error


def save_preset(
    python: Union[str, os.PathLike[str]],
    name: str,
    values: Mapping[str, Any],
    layers: Mapping[str, Mapping[int, float]],
    *,
    overwrite: bool = False,
) -> str:
    """Saves controls under a name, as ``fscs preset save`` does.

    Args:
        python: whole path of the engine's Python.
        name: letters, digits, ``-``, ``_`` and ``.``.
        values: of controls with one value, by the names of the parameter table.
        layers: of those with a value a layer, by name and layer from 1.
        overwrite: replace a preset of this name.

    Returns:
        The file.

    Raises:
        WorkerError: ``usage``: no such name, or there is one already; ``worker``: the engine does not answer.
    """
    flags = [f"--{flag.replace('_', '-')}={value}" for flag, value in values.items()]
    flags += [
        f"--{flag.replace('_', '-')}={layer}={value}"
        for flag, numbers in layers.items()
        for layer, value in numbers.items()
    ]
    try:
        ended = _asked(python, ["save", *flags, *(["--overwrite"] if overwrite else [])], ["--", name])
        if ended.returncode:
            said = (ended.stderr.decode("utf-8", "replace").strip().splitlines() or [""])[-1]
            wrong, _, cure = said.partition("fscs: ")[2].partition(": ")
            raise WorkerError("usage", wrong or said or "the preset could not be saved", cure)
        return str(json.loads(ended.stdout)["file"])
    except subprocess.TimeoutExpired:
        raise WorkerError("worker", "the engine did not save the preset in time", _CURE) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WorkerError("worker", f"the engine could not save the preset ({type(error).__name__})", _CURE) from error


_CURE = "press Check in the engine's settings"


def _asked(
    python: Union[str, os.PathLike[str]], words: Sequence[str], last: Sequence[str] = ()
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [os.fspath(python), "-I", "-m", "fscs_engine", "preset", *words, "--json", *last],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=TIMEOUT,
        env=clean_environment(),
        check=False,
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
    )
