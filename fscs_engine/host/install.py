"""Installs the engine into an environment of its own, in processes that leave the host free meanwhile.

An environment counts only once everything in it was checked: the last step writes a small file beside it that names its
Python, and only what such a file names is ever used.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, TypeVar

from . import check, package_source
from .client import clean_environment
from .package_source import is_folder, shortened, sizes

ENGINE = "fscs_engine"
OLDEST_PYTHON = (3, 11)
PATIENCE = 20.0
"""Seconds that another program, as a virus scanner, may hold a file before that is an error."""

LEFTOVER_AGE = 12 * 3600.0
"""Seconds after which an environment that nothing names counts as left over from an installation that broke off."""

_PROBE = "import ensurepip, sys, venv; print('%d.%d' % sys.version_info[:2])"
_CANCEL_POLL = 0.2
_HELD = (errno.EBUSY, errno.ETXTBSY, *((errno.EACCES,) if os.name == "nt" else ()))
_HELD_WORDS = r"WinError (5|32)\b|resource busy|Text file busy"
_PAUSES = (3.0, 10.0)
"""Seconds between the tries of pip, which gives up at once where a file is held."""

_T = TypeVar("_T")

LOG_NAME = "install.log"
"""The file, beside the environments, with everything that pip said."""


class InstallError(Exception):
    """What stopped an installation.

    Attributes:
        message: what is wrong.
        cure: what to do about it.
    """

    def __init__(self, message: str, cure: str) -> None:
        super().__init__(message, cure)
        self.message = message
        self.cure = cure

    def __str__(self) -> str:
        return f"{self.message}: {self.cure}"


class Cancelled(Exception):
    """The user stopped it."""


@dataclass(frozen=True)
class Plan:
    """What is to be installed.

    Attributes:
        wheel: the engine, a wheel file.
        constraints: the versions it was tested with, in pip's form.
        version: of the engine.
        folder: where the record and the log are kept, see :func:`data_folder`.
        pythons: Pythons to make the environment with; the first that can is taken.
        cpu_only: takes PyTorch without CUDA.
        source: address of the package index, the only one then, or a folder of wheels to use instead of the network;
            empty for PyPI and pip's own settings.
        environment: variables for the processes.
        place: the folder that the environment is made in, ``folder`` if empty.
    """

    wheel: Path
    constraints: Path
    version: str
    folder: Path
    pythons: tuple[str, ...]
    cpu_only: bool = True
    source: str = ""
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    place: str = ""

    @property
    def offline(self) -> bool:
        """Whether everything comes from a folder."""
        return is_folder(self.source)

    @property
    def space_needed(self) -> int:
        """Bytes that must be free: pip keeps what it downloads until all is there, and in its cache."""
        size = sizes(cpu_only=self.cpu_only)
        return int((2 * size.download + size.installed + 0.5) * 10**9)


def data_folder(environment: Mapping[str, str] | None = None, platform: str = sys.platform) -> Path:
    """Where environments and logs lie: the user's folder for the data of programs, the same for every host."""
    variables = os.environ if environment is None else environment
    home = Path.home()
    if platform == "win32":
        base = Path(variables.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif platform == "darwin":
        base = home / "Library" / "Application Support"
    else:
        base = Path(variables.get("XDG_DATA_HOME") or home / ".local" / "share")
    return base / "soft-color-segment"


def environment_python(environment: Path) -> Path:
    """The Python inside an environment, whether it exists or not."""
    return environment / "Scripts" / "python.exe" if os.name == "nt" else environment / "bin" / "python"


def record_file(folder: Path, version: str) -> Path:
    """The file that names the finished environment of a version."""
    return folder / f"engine-{version}.json"


def installed_python(folder: Path, version: str) -> Path | None:
    """The Python of the finished environment of this version, None where there is none."""
    environment = _recorded_environment(folder, version)
    if environment is None:
        return None
    python = environment_python(environment)
    return python if python.is_file() else None


def _recorded_environment(folder: Path, version: str) -> Path | None:
    try:
        record = json.loads(record_file(folder, version).read_text(encoding="utf-8"))
        name, place = record["environment"], Path(record.get("folder", folder))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    # The environment lies beside its record, or in the folder that was chosen for it.
    return place / name if isinstance(name, str) and Path(name).name == name and place.is_absolute() else None


def remove(folder: Path, version: str) -> None:
    """Removes the environment of a version.

    Raises:
        OSError: some of it can't be removed; it is not used any more in any case.
    """
    environment = _recorded_environment(folder, version)
    patiently(lambda: record_file(folder, version).unlink(missing_ok=True))
    if environment is not None and environment.exists():
        patiently(lambda: shutil.rmtree(environment))


def remove_leftovers(folder: Path) -> None:
    """Removes environments of installations that broke off long ago, as when the computer went off."""
    named = {_recorded_environment(folder, file.stem.removeprefix("engine-")) for file in folder.glob("engine-*.json")}
    for environment in folder.glob("engine-*"):
        if environment.is_dir() and environment not in named:
            try:
                old = time.time() - environment.stat().st_mtime > LEFTOVER_AGE
            except OSError:
                continue
            if old:
                shutil.rmtree(environment, ignore_errors=True)


class Installation:
    """An installation under way. It runs in a thread that only watches processes; the attributes may always be read.

    Attributes:
        fraction: how much is done, 0 to 1.
        message: what it is doing, one line.
        log: file with everything that pip said.
        running: whether it goes on.
        error: what stopped it, or None.
        cancelled: whether the user stopped it.
        python: the engine's Python once all is done, else None.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.fraction = 0.0
        self.message = "starting"
        self.log = plan.folder / LOG_NAME
        self.error: InstallError | None = None
        self.cancelled = False
        self.python: Path | None = None
        self._environment = clean_environment(plan.environment)
        self._cancel = threading.Event()
        self._thread = threading.Thread(target=self._run, name="soft-color-segment-install", daemon=True)

    def start(self) -> None:
        """Begins; returns at once."""
        self._thread.start()

    def cancel(self) -> None:
        """Stops it soon and removes what was made; returns at once."""
        self._cancel.set()

    def wait(self, timeout: float | None = None) -> None:
        """Waits for the end."""
        self._thread.join(timeout)

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._thread.is_alive()

    def _run(self) -> None:
        environment: Path | None = None
        try:
            self._prepare()
            self.message = "looking for a Python"
            python = self._usable_python()
            environment = Path(tempfile.mkdtemp(prefix=f"engine-{self.plan.version}-", dir=self._place))
            self._fill(python, environment)
            self._finish(environment)
        except InstallError as error:
            self.error = error
        except Cancelled:
            self.cancelled = True
            self.message = "cancelled; nothing was installed"
        except OSError as error:
            cure = "close every program that uses the engine, free some disk space, and try again"
            self.error = InstallError(f"{error.filename or self.plan.folder}: {error.strerror}", cure)
        finally:
            if environment is not None and self.python is None:
                shutil.rmtree(environment, ignore_errors=True)

    @property
    def _place(self) -> Path:
        return Path(self.plan.place or self.plan.folder)

    def _prepare(self) -> None:
        if not self._place.is_absolute():
            raise InstallError(f"the Engine Folder {self.plan.place} is not an absolute path", "choose another folder")
        if self.plan.source and not self.plan.offline and not re.match(r"https?://[^/]|file:///", self.plan.source):
            cure = "use a folder of wheels, or an address like https://HOST/simple"
            raise InstallError(f"the Package Source {self.plan.source} is no folder and no address", cure)
        for folder in (self.plan.folder, self._place):
            try:
                folder.mkdir(parents=True, exist_ok=True)
                tempfile.TemporaryFile(dir=folder).close()
                self.log.write_text("", encoding="utf-8")
            except OSError as error:
                cure = "make the folder writable, or set the engine's Python to one that has the engine"
                raise InstallError(f"{folder} can't be written ({error.strerror})", cure) from error
        remove_leftovers(self.plan.folder)
        if hasattr(os, "ST_NOEXEC") and os.statvfs(self._place).f_flag & os.ST_NOEXEC:
            message = f"no programs may run in {self._place} (its disk is mounted noexec)"
            raise InstallError(message, "choose another Engine Folder")
        free, needed = shutil.disk_usage(self._place).free, self.plan.space_needed
        if free < needed:
            message = f"the disk of {self._place} has {free / 1e9:.1f} GB free, {needed / 1e9:.1f} GB are needed"
            raise InstallError(message, "free some disk space there, or choose another Engine Folder")

    def _usable_python(self) -> str:
        reasons = []
        for python in self.plan.pythons:
            reason = unusable(python, self._environment)
            self._note(f"{python}: {reason or 'can be used'}")
            if not reason:
                return python
            reasons.append(f"{python} {reason}")
        message = "no Python here can create an environment (" + "; ".join(reasons or ["none was found"]) + ")"
        raise InstallError(
            message,
            f"install Python {'.'.join(map(str, OLDEST_PYTHON))} or newer (on Debian and Ubuntu with python3-venv) "
            "and choose it as the Python to install with",
        )

    def _fill(self, base: str, environment: Path) -> None:
        self.fraction, self.message = 0.02, "creating the environment"
        self._variables = package_source.variables(
            self.plan.environment, self.plan.source, environment, self.plan.constraints
        )
        self._pip_log = environment / "pip.log"
        self._process([base, "-I", "-m", "venv", str(environment)], "the environment can't be created")
        pip = [str(environment_python(environment)), "-I", "-m", "pip", "--disable-pip-version-check", "--no-input"]
        settings = self._process([*pip, "config", "list"], "pip does not run")
        install = [*pip, "--no-color", "--log", str(self._pip_log), "install", "--progress-bar", "off"]
        self.fraction, self.message = 0.05, "installing PyTorch"
        constraints = self.plan.constraints.read_text(encoding="utf-8")
        torch = package_source.torch_arguments(settings, self.plan.source, constraints, cpu_only=self.plan.cpu_only)
        self._process([*install, "--no-deps", *torch], "PyTorch can't be installed", upto=0.5)
        self.fraction, self.message = 0.5, "installing the other packages"
        self._process([*install, str(self.plan.wheel)], "the engine can't be installed", upto=0.9)
        self._pip_log.unlink(missing_ok=True)

    def _finish(self, environment: Path) -> None:
        self.fraction, self.message = 0.9, "checking the engine and compiling for this machine (once)"
        python = environment_python(environment)
        stop = self._cancel.is_set
        report = check.examine(python, self.plan.version, environment=self._environment, stop=stop, warm=True)
        if self._cancel.is_set():
            raise Cancelled
        if not report.works:
            raise InstallError("the engine was installed but does not work: " + "; ".join(report.wrong), report.cure)
        before = _recorded_environment(self.plan.folder, self.plan.version)
        record = record_file(self.plan.folder, self.plan.version)
        partial = record.with_suffix(".tmp")  # beside it, as the environment may lie on another disk
        where = {"folder": str(self._place)} if self.plan.place else {}
        partial.write_text(json.dumps({"environment": environment.name, **where}), encoding="utf-8")
        patiently(lambda: partial.replace(record), self._cancel.is_set)
        self.python = python
        if before is not None:
            shutil.rmtree(before, ignore_errors=True)
        self.fraction, self.message = 1.0, "installed"

    def _process(self, command: Sequence[str], failure: str, *, upto: float = 0.0) -> list[str]:
        """Runs a command to its end with its words in the log, and again where a file of it was held. Returns them.

        Raises:
            InstallError: it failed.
            Cancelled: the user stopped it.
        """
        for pause in (*_PAUSES, 0.0):
            said, code = self._run_once(command, upto)
            if self._cancel.is_set():
                raise Cancelled
            if not code:
                return said
            if not re.search(_HELD_WORDS, "\n".join(said)):
                break
            self._cancel.wait(pause)
        if self._pip_log.is_file():  # pip says only there what an index or a proxy answered
            log = self._pip_log.read_text(encoding="utf-8", errors="replace").splitlines()
            said += [line for line in log if "Could not fetch URL" in line]
        reason, cure = package_source.reason_and_cure(said)
        raise InstallError(f"{failure} ({reason})", cure)

    def _run_once(self, command: Sequence[str], upto: float) -> tuple[list[str], int]:
        """What a command said, and its exit code."""
        self._note("$ " + " ".join(command))
        start = self.fraction
        said: list[str] = []
        process = start_process(command, self._variables)
        watcher = threading.Thread(target=self._end_when_cancelled, args=(process,), daemon=True)
        watcher.start()
        collected = 0
        with process:
            for line in process.stdout or ():
                line = line.rstrip()
                said.append(line)
                self._note(line)
                if line.lstrip().startswith(("Collecting", "Processing", "Downloading", "Using cached", "Installing")):
                    collected += 1
                    # How many lines there will be is unknown: each goes a part of the way that is left.
                    self.fraction = start + max(0.0, upto - start) * (1 - 0.97**collected)
                    self.message = shortened(line)
        return said, process.returncode

    def _end_when_cancelled(self, process: subprocess.Popen[str]) -> None:
        while process.poll() is None:
            if self._cancel.wait(_CANCEL_POLL):
                process.kill()
                return

    def _note(self, line: str) -> None:
        with suppress(OSError), self.log.open("a", encoding="utf-8") as log:  # it may be on a full disk
            log.write(re.sub(r"//[^/@\s]+@", "//", line) + "\n")  # addresses without passwords


def start_process(command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[str]:
    """A process without a window, its words and complaints on one pipe.

    Raises:
        InstallError: it can't be started.
    """
    try:
        return patiently(
            lambda: subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
                errors="replace",
                env=dict(environment),
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        )
    except OSError as error:
        cure = "choose another Engine Folder, where programs may run"
        raise InstallError(f"{command[0]} can't be started ({error.strerror})", cure) from error


def patiently(action: Callable[[], _T], stop: Callable[[], bool] = lambda: False) -> _T:
    """Does something, again and again for ``PATIENCE`` seconds while another program holds a file of it.

    Raises:
        OSError: it still can't be done, or ``stop`` says True.
    """
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return action()
        except OSError as error:
            if error.errno not in _HELD or stop() or time.monotonic() > until:
                raise
        time.sleep(_CANCEL_POLL)


def unusable(python: str, environment: Mapping[str, str]) -> str:
    """Why no environment can be made with a Python; empty if one can."""
    if not Path(python).is_absolute():
        return "is not an absolute path"
    try:
        found = patiently(
            lambda: subprocess.run(
                [python, "-I", "-c", _PROBE],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                env=dict(environment),
                timeout=60,
                check=False,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        )
    except (OSError, subprocess.TimeoutExpired):
        return "can't be started"
    version = re.fullmatch(r"(\d+)\.(\d+)", found.stdout.strip())
    if found.returncode or version is None:
        return "lacks the modules venv and ensurepip"
    if (int(version[1]), int(version[2])) < OLDEST_PYTHON:
        return f"is Python {version[0]}, too old"
    return ""


def candidate_pythons(chosen: str = "", own: str = "") -> tuple[str, ...]:
    """The Pythons to try: the user's choice alone, or else the host's own and then those of the system."""
    if chosen:
        return (chosen,)
    names = ("python3.11", "python3.12", "python3.13", "python3.14", "python3", "python")
    found = [own, *(shutil.which(name) for name in names)]
    return tuple(dict.fromkeys(str(Path(python).absolute()) for python in found if python))
