# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's process of this Blender: one, started when it is first wanted and kept."""

from __future__ import annotations

import atexit
import os
from pathlib import Path
from typing import TYPE_CHECKING

from . import settings, strings
from .fscs import install
from .fscs._version import __version__
from .fscs.connection import Connection, checked_python

if TYPE_CHECKING:
    import bpy

    from .fscs.client import Worker

PYTHON_VARIABLE = "FSCS_PYTHON"
"""Environment variable that names the engine's Python; it wins over the preference."""

MODELS = ("any-palette", "paper")
"""Those that an engine comes with."""

CURE = strings.ENGINE_CURE.format(variable=PYTHON_VARIABLE)


def connect(context: bpy.types.Context | None = None) -> Worker:
    """The engine's process, started if there is none or if it ended. Main thread only.

    Args:
        context: where the preferences are read from; Blender's own context if None.

    Raises:
        WorkerError: no engine is installed, or it can't be started; it says what to do.
    """
    return connect_with(python_path(context))


def connect_with(python: Path) -> Worker:
    """The engine's process, started with what :func:`python_path` gave. Any thread may ask.

    Raises:
        WorkerError: it can't be started.
    """
    return _connection.open(python)


def disconnect() -> None:
    """Ends the engine's process, if there is one. Calls under way fail with a WorkerError."""
    _connection.close()


def models() -> list[str]:
    """The names of the engine's models: as it told, else those that it comes with."""
    return _connection.models or list(MODELS)


def python_path(context: bpy.types.Context | None = None) -> Path:
    """The Python that has the engine: of the environment variable, else of the preference, else the private one.

    Raises:
        WorkerError: there is none, or what was set is no absolute path.
    """
    for source, setting in (
        (strings.PYTHON_OF_VARIABLE.format(variable=PYTHON_VARIABLE), os.environ.get(PYTHON_VARIABLE, "")),
        (strings.PYTHON_OF_PREFERENCES, settings.get(context).engine_python),
    ):
        if setting.startswith("//"):  # Blender's "beside the .blend": what lies there must never be started
            raise strings.error(
                "worker", strings.NOT_ABSOLUTE, source=source, setting=setting, variable=PYTHON_VARIABLE
            )
        if setting:
            return checked_python(source, setting, CURE)
    installed = install.installed_python(install.data_folder(), __version__)
    if installed is None:
        raise strings.error("worker", strings.NO_ENGINE, variable=PYTHON_VARIABLE)
    return installed


def log_file() -> Path:
    """Where the engine writes its own messages."""
    return install.data_folder() / "blender-engine.log"


def prepared_log_file() -> Path | None:
    """The log file with its folder made, or None where that can't be: an engine without a log still works."""
    file = log_file()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return file


_connection = Connection(prepared_log_file)


def register() -> None:
    """Sees to it that the process ends with Blender."""
    atexit.register(disconnect)


def unregister() -> None:
    """Ends the process."""
    atexit.unregister(disconnect)
    disconnect()
