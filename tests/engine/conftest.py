"""A real worker process to talk to, and one that misbehaves as asked."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sysconfig
import threading
import venv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import fscs_engine
from fscs_engine.host import protocol

HERE = Path(__file__).resolve().parent
PATIENCE = 30.0


def isolated_python(folder: Path, *packages: Path) -> Path:
    """Makes a Python that finds these packages although it runs isolated (-I) from the environment and the folder."""
    venv.create(folder, with_pip=False, symlinks=os.name == "posix")
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    answer = subprocess.run(
        [python, "-I", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [f"import sys; sys.path.insert(0, {str(package)!r})" for package in packages]
    site_packages = sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
    lines += [f"import site; site.addsitedir({path!r})" for path in site_packages]
    Path(answer.stdout.strip(), "packages.pth").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return python


@pytest.fixture(scope="session")
def engine_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with the engine that these tests import."""
    package = Path(fscs_engine.__file__).resolve().parent
    return isolated_python(tmp_path_factory.mktemp("engine") / "venv", package.parent)


@pytest.fixture(scope="session")
def bad_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python whose "engine" is ``misbehaving.py``; the variable MISBEHAVIOR says how."""
    folder = tmp_path_factory.mktemp("bad")
    package = folder / "packages" / "fscs_engine" / "worker"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").touch()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_bytes((HERE / "host" / "misbehaving.py").read_bytes())
    return isolated_python(folder / "venv", package.parent.parent)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder where private folders are made, so that what is left over shows."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    return folder


class RawWorker:
    """The worker's process and its pipes, without the client."""

    def __init__(self, python: Path, cwd: Path) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        self.cwd = cwd
        self._errors = cwd.with_suffix(".stderr")
        with self._errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [python, "-I", "-m", "fscs_engine.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=cwd,
                env=environment,
            )
        assert self.process.stdin is not None and self.process.stdout is not None
        self.stdin = self.process.stdin
        self.stdout = self.process.stdout
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self.stdout:
            self._lines.put(line)
        self._lines.put(b"")

    def send(self, **request: Any) -> None:
        """Sends a request."""
        self.send_line(json.dumps(request).encode())

    def send_line(self, line: bytes) -> None:
        """Sends any bytes and an end of line."""
        self.stdin.write(line + b"\n")
        self.stdin.flush()

    def receive(self) -> dict[str, Any]:
        """The next message; empty after the end of the pipe."""
        line = self._lines.get(timeout=PATIENCE)
        message: dict[str, Any] = json.loads(line) if line else {}
        return message

    def reply(self) -> dict[str, Any]:
        """The next message that is not an event."""
        while "event" in (message := self.receive()):
            pass
        return message

    def hello(self) -> Path:
        """Says hello and returns the private folder."""
        self.send(request="hello", id=0, protocol=protocol.PROTOCOL_VERSION)
        return Path(self.receive()["folder"])

    def hello_again(self) -> Path:
        """As ``hello``, among the events of a computation."""
        self.send(request="hello", id=0, protocol=protocol.PROTOCOL_VERSION)
        return Path(self.reply()["folder"])

    def stderr(self) -> str:
        """What the process wrote beside the protocol."""
        return self._errors.read_text("utf-8", "replace")

    def close(self) -> None:
        """Ends the process however it feels about it."""
        self.process.kill()
        self.process.wait()
        self._reader.join(PATIENCE)
        with contextlib.suppress(BrokenPipeError):
            self.stdin.close()
        self.stdout.close()


@pytest.fixture
def start(engine_python: Path, tmp_path: Path) -> Iterator[Callable[[], RawWorker]]:
    """Starts a worker in a private folder."""
    started = []

    def start_one() -> RawWorker:
        cwd = tmp_path / f"{protocol.FOLDER_PREFIX}{len(started)}"
        cwd.mkdir(mode=0o700)
        worker = RawWorker(engine_python, cwd)
        started.append(worker)
        return worker

    yield start_one
    for worker in started:
        worker.close()
