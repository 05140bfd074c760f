"""What an installation meets in a studio: an index, a proxy, and what becomes of an installation there."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from fscs_engine.host import install


class Server(ThreadingHTTPServer):
    """On the loopback: an index of a folder's wheels, or what answers everything with a status.

    Attributes:
        asked: the paths that were asked for.
    """

    def __init__(self, wheels: Path | None = None, status: int = 0, login: str = "") -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.wheels, self.status, self.asked = wheels, status, list[str]()
        self.login = "Basic " + base64.b64encode(login.encode()).decode() if login else ""
        self._prefix = f"{login}@" if login else ""

    @property
    def address(self) -> str:
        """Of the server, with the login."""
        return f"http://{self._prefix}127.0.0.1:{self.server_address[1]}"

    @property
    def index(self) -> str:
        """What pip is told."""
        return f"{self.address}/simple"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        """Answers."""
        self.server.asked.append(self.path)
        folder = self.server.wheels
        name = self.path.rstrip("/").rpartition("/")[2]
        if self.server.login and self.headers["Authorization"] != self.server.login:
            self._answer(401)
        elif folder is None:
            self._answer(self.server.status)
        elif self.path.startswith("/simple/"):
            found = [file.name for file in folder.glob(f"{name.replace('-', '_')}-*.whl")]
            links = "".join(f'<a href="/files/{file.replace("+", "%2B")}">{file}</a>' for file in found)
            self._answer(200 if found else 404, links.encode())
        else:
            self._answer(200, (folder / name.replace("%2B", "+")).read_bytes())

    do_HEAD = do_CONNECT = do_GET

    def _answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        if status in (401, 407):
            self.send_header("WWW-Authenticate" if status == 401 else "Proxy-Authenticate", 'Basic realm="studio"')
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@contextmanager
def serving(*arguments: Any, **options: Any) -> Iterator[Server]:
    """A :class:`Server` that runs."""
    with Server(*arguments, **options) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def finished(plan: install.Plan) -> install.Installation:
    """An installation at its end."""
    installation = install.Installation(plan)
    installation.start()
    installation.wait(240)
    assert not installation.running, installation.message
    return installation


def environments(folder: Path) -> list[Path]:
    """The environments in a folder, whole or not."""
    return [path for path in folder.glob("engine-*") if path.is_dir()]
