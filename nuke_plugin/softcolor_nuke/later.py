"""Work for the main thread that waits until nothing has asked for it for a moment."""

from __future__ import annotations

import threading
import time
from typing import Callable

import nuke

QUIET_SECONDS = 0.7


class Later:
    """Calls an action once with the name of each node that was asked for, a moment after the last time."""

    def __init__(self, action: Callable[[list[str]], None]) -> None:
        self._action = action
        self._lock = threading.Lock()
        self._names: set[str] = set()
        self._due = 0.0
        self._waiting = False

    def ask(self, name: str) -> None:
        """Adds a node, and puts the moment off."""
        with self._lock:
            self._names.add(name)
            self._due = time.monotonic() + QUIET_SECONDS
            if not self._waiting:
                self._waiting = True
                self._wait(QUIET_SECONDS)

    def _wait(self, seconds: float) -> None:
        timer = threading.Timer(seconds, self._fire)
        timer.daemon = True
        timer.start()

    def _fire(self) -> None:
        with self._lock:
            left = self._due - time.monotonic()
            if left > 0:
                self._wait(left)
                return
            self._waiting = False
            names, self._names = sorted(self._names), set()
        nuke.executeInMainThread(self._action, (names,))
