"""Render in Background: another Nuke without a window fills the cache from the saved script, while the artist works on.

What is read of it is the text that ``softcolor_batch.py`` prints. Only the main thread touches Nuke.
"""

from __future__ import annotations

import atexit
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Callable, Optional

import nuke

from . import upstream
from .fscs.frames import format_frames
from .fscs.protocol import WorkerError

BATCH = Path(__file__).resolve().parent.parent / "softcolor_batch.py"

EDITIONS = ("nc", "indie", "studio", "nukex")
"""Keys of ``nuke.env``, each with a switch of its name."""

SECONDS = 0.5
"""How often it is looked at."""

_STEP = re.compile(r"^softcolor_batch: (frame -?\d+), (\d+) %$", re.MULTILINE)
_ERROR = re.compile(r"^softcolor_batch: error: (.*)$", re.MULTILINE)

_running: dict[str, Job] = {}
"""By the full name of the node."""


class Job:
    """A Nuke that renders frames of a node, and the window that shows its progress.

    Args:
        node: the Soft Color Segment node; the script is saved.
        numbers: the frames.
        ended: called in the main thread with the node's full name, and with what went wrong or an empty text.
    """

    def __init__(self, node: nuke.Group, numbers: Sequence[int], ended: Callable[[str, str], None]) -> None:
        self._name, self._ended, self._cancelled = node.fullName(), ended, False
        self._task: Optional[nuke.ProgressTask] = nuke.ProgressTask(f"Soft Color Segment: {self._name}")
        self._output = tempfile.TemporaryFile(prefix="softcolor-nuke-")  # noqa: SIM115  # as long as the process
        self._folder = tempfile.mkdtemp(prefix="softcolor-nuke-")  # of images that a killed process leaves behind
        started = command(self._name, numbers)
        try:
            self._process = subprocess.Popen(
                started,
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "TMPDIR": self._folder},  # which Python asks for first, on every system
            )
        except OSError as error:
            self._clear()
            message = f"{started[0]} can't be started ({error.strerror})"
            raise WorkerError("worker", message, "use Render, or softcolor_batch.py in a terminal") from error
        _running[self._name] = self
        threading.Thread(target=self._watch, daemon=True).start()

    def end(self) -> None:
        """Ends the process. Frames that are done stay."""
        self._cancelled = True
        self._process.kill()

    def end_now(self) -> None:
        """Ends the process and waits for it, because this Nuke ends too."""
        self.end()
        self._process.wait(timeout=10)
        self._clear()

    def _clear(self) -> None:
        self._output.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _watch(self) -> None:
        while self._process.poll() is None:
            nuke.executeInMainThread(self._tell)
            time.sleep(SECONDS)
        nuke.executeInMainThread(self._finish)

    def _said(self) -> str:
        self._output.seek(0)
        return self._output.read().decode("utf-8", "replace").replace("\r\n", "\n")

    def _show(self, task: nuke.ProgressTask) -> None:
        steps = _STEP.findall(self._said())
        task.setMessage(steps[-1][0] if steps else "starting Nuke")
        task.setProgress(int(steps[-1][1]) if steps else 0)

    def _tell(self) -> None:
        """Shows how far it is, and ends it if the artist pressed Cancel."""
        task = self._task
        if task is None:  # the thread asked more often than there was time for
            return
        self._show(task)
        if task.isCancelled():
            self.end()

    def _finish(self) -> None:
        if self._task is not None:
            self._show(self._task)  # what was printed after the last look
        self._task = None  # which closes its window
        _running.pop(self._name, None)
        errors, status = _ERROR.findall(self._said()), self._process.returncode
        self._clear()
        problem = errors[-1] if errors else f"Nuke ended with {status}: press Render to see what is wrong"
        self._ended(self._name, "" if self._cancelled or status == 0 else problem)


def command(name: str, numbers: Sequence[int]) -> list[str]:
    """What renders frames of a node of the saved script; with the edition and the license that this Nuke has."""
    script = str(nuke.root()["name"].value())
    edition = [f"--{one}" for one in EDITIONS if nuke.env.get(one)]
    if "--studio" in edition:  # which is NukeX and more
        edition = [one for one in edition if one != "--nukex"]
    frames = f"--frames={format_frames(numbers)}"
    return [str(nuke.EXE_PATH), "-i", *edition, "-t", str(BATCH), script, name, frames]


def start(node: nuke.Group, numbers: Sequence[int], ended: Callable[[str, str], None]) -> None:
    """Begins to render frames; arguments as of :class:`Job`. Call it in the main thread.

    Raises:
        WorkerError: the script has no name, the artist does not save it, or Nuke can't be started.
    """
    check(node)
    if not nuke.root()["name"].value():
        raise WorkerError("usage", "the script has no name, and another Nuke has to open it", "save it first")
    if nuke.root().modified():
        if not nuke.ask("Another Nuke renders the script as it is saved. Save it now?"):
            raise WorkerError("cancelled", "cancelled")
        nuke.scriptSave()
    Job(node, numbers, ended)


def check(node: nuke.Group) -> None:
    """Raises WorkerError (``usage``) where frames of a node are rendered in the background already."""
    if node.fullName() in _running:
        raise WorkerError("usage", "this node renders in the background", "wait for it, or cancel it in its window")


def node_named(name: str) -> Optional[nuke.Group]:
    """The node of a job, if it is still there."""
    node = nuke.toNode("root." + name)
    return node if isinstance(node, nuke.Group) and upstream.is_ours(node) else None


@atexit.register
def _end_all() -> None:
    for job in list(_running.values()):
        job.end_now()
