"""The one engine of a whole host program: which Python has it, and its process, kept while the host lives."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Callable, Optional

from .client import Worker
from .protocol import WorkerError

_PYTHONS = ("bin/python3", "bin/python", "Scripts/python.exe", "python.exe")  # inside an environment


class Connection:
    """The engine's process: one, started when it is first wanted. Any thread may ask.

    Args:
        log: says which file the engine writes its own messages to when it is started, None for none.
    """

    def __init__(self, log: Callable[[], Optional[Path]]) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._worker: Optional[Worker] = None
        self._python: Optional[Path] = None

    def open(self, python: Path) -> Worker:
        """The process, started if there is none, if it ended, or if it is of another Python.

        Raises:
            WorkerError: it can't be started.
        """
        with self._lock:
            if self._worker is not None and self._worker.alive and self._python == python:
                return self._worker
            if self._worker is not None:
                self._worker.close()
                self._worker = None
            self._worker = Worker(python, log=self._log())
            self._python = python
            return self._worker

    @property
    def models(self) -> list[str]:
        """The names of the models of the engine that was started last; empty if there is none."""
        worker = self._worker
        return [] if worker is None else [str(model["name"]) for model in worker.hello["models"]]

    def close(self) -> None:
        """Ends the process, if there is one. Calls under way fail with a WorkerError."""
        with self._lock:
            worker, self._worker = self._worker, None
        if worker is not None:
            worker.close()


def checked_python(source: str, setting: str, cure: str) -> Path:
    """The Python that a setting names; the folder of an environment is taken, too.

    Args:
        source: what the setting is, for the message.
        setting: the path; ``~`` is the user's folder.
        cure: what to do, for the message.

    Raises:
        WorkerError: it is not a whole path, or there is nothing.
    """
    path = Path(setting).expanduser()
    if not path.is_absolute():
        raise WorkerError("worker", f"{source} is {setting!r}, which is not an absolute path", cure)
    if path.is_dir():
        path = next((path / name for name in _PYTHONS if (path / name).is_file()), path)
    if not path.is_file():
        raise WorkerError("worker", f"{source} is {setting!r}, where there is no Python", cure)
    return path
