"""The engine's process of this Nuke: one, started when it is first wanted and kept."""

from __future__ import annotations

import atexit
import json
import os
import tempfile
from pathlib import Path

from .fscs import install
from .fscs._version import __version__
from .fscs.client import Worker
from .fscs.connection import Connection, checked_python
from .fscs.protocol import WorkerError

PYTHON_VARIABLE = "FSCS_PYTHON"
"""Environment variable that names the engine's Python; it wins over the preference, and that over Install Engine."""

CURE = (
    "press Install Engine or Locate Engine on the node's Troubleshoot tab, or set "
    f"{PYTHON_VARIABLE} to the absolute path of a Python that has the engine"
)


def connect() -> Worker:
    """The engine's process, started if there is none or if it ended. Any thread may ask.

    Raises:
        WorkerError: there is no engine, or it can't be started; it says what to do.
    """
    return _connection.open(python_path())


def disconnect() -> None:
    """Ends the engine's process, if there is one."""
    _connection.close()


def python_path() -> Path:
    """The engine's Python: never one that a script names.

    The environment variable comes first, then the user's preference, then the environment that Install Engine made.

    Raises:
        WorkerError: there is none, or what was set is none.
    """
    for source, setting in (
        (f"the variable {PYTHON_VARIABLE}", os.environ.get(PYTHON_VARIABLE, "")),
        (f"the engine's Python in {preferences_file()}", _preferred()),
    ):
        if setting:
            return checked_python(source, setting, CURE)
    installed = install.installed_python(install.data_folder(), __version__)
    if installed is None:
        raise WorkerError("worker", "the engine is not installed, or Nuke can't find it", CURE)
    return installed


def prefer(setting: str) -> Path:
    """Keeps the engine's Python in the user's preferences. Returns it.

    Raises:
        WorkerError: it is none, or the preferences can't be written.
    """
    python = checked_python("the choice", setting, CURE)
    _keep(str(python))
    return python


def forget() -> None:
    """Takes the choice back, so that the engine that Install Engine made counts.

    Raises:
        WorkerError: the preferences can't be written.
    """
    if _preferred():
        _keep("")


def _keep(python: str) -> None:
    file = preferences_file()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_suffix(".tmp")
        temporary.write_text(json.dumps({"engine_python": python}) + "\n", encoding="utf-8")
        temporary.replace(file)
    except OSError as error:
        cure = f"make its folder writable, or set {PYTHON_VARIABLE}"
        raise WorkerError("output", f"{file} can't be written ({error.strerror})", cure) from error


def preferences_file() -> Path:
    """Where the user's own choice is kept."""
    return Path.home() / ".nuke" / "softcolor_segment.json"


def _preferred() -> str:
    try:
        found = json.loads(preferences_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    value = found.get("engine_python", "") if isinstance(found, dict) else ""
    return value if isinstance(value, str) else ""


def log_file() -> Path:
    """Where the engine writes its own messages."""
    return preferences_file().with_name("softcolor_engine.log")


def log_end(limit: int = 4000) -> str:
    """The last characters of the engine's log, after those of the log of its installation where there is one."""
    ends = []
    for file in (install.data_folder() / install.LOG_NAME, log_file()):
        try:
            end = file.read_bytes()[-limit:].decode("utf-8", "replace")
        except OSError:
            continue
        ends.append(f"{file}\n\n{end or 'There is nothing in it.'}")
    return "\n\n".join(ends)


def _prepared_log() -> Path:
    """The log, or one in the folder for temporary files where there is no place for it."""
    file = log_file()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("ab"):
            return file
    except OSError:
        return Path(tempfile.gettempdir()) / f"softcolor_engine_{os.getpid()}.log"


_connection = Connection(_prepared_log)
atexit.register(disconnect)
