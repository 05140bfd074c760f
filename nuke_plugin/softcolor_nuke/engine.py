"""The engine's process of this Nuke: one, started when it is first wanted and kept."""

from __future__ import annotations

import atexit
import json
import os
import tempfile
import threading
from pathlib import Path
from typing import Optional

from .fscs import install
from .fscs._version import __version__
from .fscs.client import Worker
from .fscs.protocol import WorkerError

PYTHON_VARIABLE = "FSCS_PYTHON"
"""Environment variable that names the engine's Python; it wins over the preference, and that over Install Engine."""

CURE = (
    "press Install Engine or Locate Engine on the node's Troubleshoot tab, or set "
    f"{PYTHON_VARIABLE} to the whole path of a Python that has the engine"
)
_NAMES = ("bin/python3", "bin/python", "Scripts/python.exe", "python.exe")

_lock = threading.Lock()
_worker: Optional[Worker] = None
_started_with = ""


def connect() -> Worker:
    """The engine's process, started if there is none or if it ended. Any thread may ask.

    Raises:
        WorkerError: there is no engine, or it can't be started; it says what to do.
    """
    global _worker, _started_with
    python = str(python_path())
    with _lock:
        if _worker is not None and _worker.alive and _started_with == python:
            return _worker
        if _worker is not None:
            _worker.close()
            _worker = None
        _worker = Worker(python, log=_prepared_log())
        _started_with = python
        return _worker


def disconnect() -> None:
    """Ends the engine's process, if there is one."""
    global _worker
    with _lock:
        worker, _worker = _worker, None
    if worker is not None:
        worker.close()


atexit.register(disconnect)


def python_path() -> Path:
    """The engine's Python: of the environment variable, else of the user's preference, else of the environment that
    Install Engine made. Never of a script.

    Raises:
        WorkerError: there is none, or what was set is none.
    """
    for source, setting in (
        (f"the variable {PYTHON_VARIABLE}", os.environ.get(PYTHON_VARIABLE, "")),
        (f"the engine's Python in {preferences_file()}", _preferred()),
    ):
        if setting:
            return checked_python(source, setting)
    installed = install.installed_python(install.data_folder(), __version__)
    if installed is None:
        raise WorkerError("worker", "the engine is not installed, or Nuke does not know where", CURE)
    return installed


def checked_python(source: str, setting: str) -> Path:
    """The Python that a setting names; the folder of an environment is taken, too.

    Raises:
        WorkerError: it is not a whole path, or there is nothing.
    """
    path = Path(setting).expanduser()
    if not path.is_absolute():
        raise WorkerError("worker", f"{source} is {setting!r}, which is not a whole path", CURE)
    if path.is_dir():
        path = next((path / name for name in _NAMES if (path / name).is_file()), path)
    if not path.is_file():
        raise WorkerError("worker", f"{source} is {setting!r}, where there is no Python", CURE)
    return path


def prefer(setting: str) -> Path:
    """Keeps the engine's Python in the user's preferences. Returns it.

    Raises:
        WorkerError: it is none, or the preferences can't be written.
    """
    python = checked_python("the choice", setting)
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
