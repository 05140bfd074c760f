"""Installs the engine from inside Nuke: a private environment, made with a Python of the system."""

from __future__ import annotations

from pathlib import Path
from typing import Callable

from . import engine
from .fscs import install
from .fscs._version import __version__
from .fscs.client import clean_environment
from .fscs.protocol import WorkerError

_POLL = 0.2

CARRIED = "engine_wheel"
"""The folder, beside this package, with the engine that the plug-in carries."""


def plan(python: str, source: str, *, cpu_only: bool = True, place: str = "") -> install.Plan:
    """What is to be installed.

    Args:
        python: absolute path of the Python that the environment is made with, 3.11 or newer.
        source: a folder of wheels or the address of a package index, empty for PyPI.
        cpu_only: downloads PyTorch without CUDA.
        place: the folder that the environment is made in, empty for the user's folder for data.

    Raises:
        WorkerError: the plug-in carries no engine, as one that was not built by ``build.py package``.
    """
    folder = Path(__file__).resolve().parents[1] / CARRIED
    wheels = sorted(folder.glob("fscs_engine-*.whl"))
    if not wheels:
        raise WorkerError("worker", "this plug-in comes without the engine", "unpack the plug-in's released zip again")
    return install.Plan(
        wheel=wheels[-1],
        constraints=folder / "constraints.txt",
        version=__version__,
        folder=install.data_folder(),
        pythons=(python,),
        cpu_only=cpu_only,
        source=source,
        place=place,
        environment=clean_environment(),
    )


def pythons() -> list[str]:
    """The Pythons of this computer that an environment can be made with."""
    environment = clean_environment()
    return [python for python in install.candidate_pythons() if not install.unusable(python, environment)]


def run(wanted: install.Plan, progress: Callable[[float, str], None], cancelled: Callable[[], bool]) -> Path:
    """Installs, and lets the engine that was installed be the one in use. Takes minutes.

    Returns:
        the engine's Python.

    Raises:
        WorkerError: it could not be installed; ``cancelled`` when it was. Nothing is left then.
    """
    engine.disconnect()
    installation = install.Installation(wanted)
    installation.start()
    while installation.running:
        progress(installation.fraction, installation.message)
        if cancelled():
            installation.cancel()
        installation.wait(_POLL)
    if installation.error is not None:
        cure = f"{installation.error.cure} (the log is {installation.log})"
        raise WorkerError("worker", installation.error.message, cure)
    if installation.python is None:
        raise WorkerError("cancelled", installation.message)
    engine.forget()
    return installation.python
