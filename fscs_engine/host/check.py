"""Asks an engine's Python whether the engine works, and says in words what is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

TIMEOUT = 180.0
"""Seconds; the first start after an installation reads PyTorch from the disk and may take long."""

INSTALL_AGAIN = "press Install Engine, or set another Python for the engine"
_POLL = 0.1


@dataclass(frozen=True)
class Report:
    """What was found.

    Attributes:
        works: whether the engine can be used.
        lines: what there is, to be shown.
        wrong: what is wrong, empty if it works.
        cure: what to do about it, empty if it works.
    """

    works: bool
    lines: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()
    cure: str = ""


def examine(
    python: Path,
    version: str,
    *,
    environment: Mapping[str, str] | None = None,
    stop: Callable[[], bool] = lambda: False,
    timeout: float = TIMEOUT,
    warm: bool = False,
) -> Report:
    """Runs ``fscs doctor`` with a Python. Takes seconds, with ``stop`` asked meanwhile.

    Args:
        python: the engine's Python.
        version: of the engine that belongs to the host's plug-in.
        environment: variables for the process instead of this one's.
        stop: asked often; True ends it.
        timeout: seconds that it may take.
        warm: whether the engine also compiles its loops, so that the first image need not wait for it.
    """
    command = [str(python), "-I", "-m", "fscs_engine", "doctor", "--json", *(["--warm"] if warm else [])]
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(os.environ if environment is None else environment),
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except OSError as error:
        return Report(False, wrong=(f"{python} can't be started ({error.strerror})",), cure=INSTALL_AGAIN)
    ended = time.monotonic() + timeout
    while True:
        try:
            out, complaints = process.communicate(timeout=_POLL)
            break
        except subprocess.TimeoutExpired:
            if stop() or time.monotonic() > ended:
                process.kill()
                process.communicate()
                wrong = "the check was stopped" if stop() else f"the engine did not answer for {timeout:.0f} seconds"
                return Report(False, wrong=(wrong,), cure="try again; if it happens again, install the engine again")
    return _understood(python, version, out, complaints.decode("utf-8", "replace"))


def _understood(python: Path, version: str, out: bytes, complaints: str) -> Report:
    try:
        found = json.loads(out)
        lines = _lines(found)
        wrong = [str(problem) for problem in found["problems"]]
        engine = str(found["version"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return _without_answer(python, complaints)
    if engine != version:
        wrong.insert(0, f"the engine is version {engine}, this plug-in belongs to {version}")
    return Report(not wrong, tuple(lines), tuple(wrong), INSTALL_AGAIN if wrong else "")


def _lines(found: Mapping[str, object]) -> list[str]:
    devices = found["devices"]
    packages = found["packages"]
    if not isinstance(devices, list) or not isinstance(packages, dict):
        raise TypeError("devices and packages")
    named = [f"{device['device']} ({device['name']})" if device["name"] else device["device"] for device in devices]
    lines = [
        f"Engine {found['version']}, PyTorch {packages.get('torch')}, Python {found['python']}",
        "Devices: " + ", ".join(named),
    ]
    if len(devices) == 1:
        lines.append("PyTorch finds no GPU: the networks run on the CPU")
    return lines


def _without_answer(python: Path, complaints: str) -> Report:
    said = [line.strip() for line in complaints.splitlines() if line.strip()]
    last = said[-1][:300] if said else "it gave no answer"
    if "No module named" in last and "fscs_engine" in last:
        return Report(False, wrong=(f"{python} has no engine",), cure=INSTALL_AGAIN)
    if "DLL load failed" in complaints:
        cure = "install the Microsoft Visual C++ Redistributable, then press Check again"
        return Report(False, wrong=(f"PyTorch can't be loaded ({last})",), cure=cure)
    return Report(False, wrong=(f"the engine does not start ({last})",), cure=INSTALL_AGAIN)
