"""A headless Chromium, driven over its own pipe: no driver, no port, nothing to install besides the browser."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find() -> str | None:
    """The browser's command, or None where there is none that can be driven."""
    return next(filter(None, map(shutil.which, NAMES)), None) if os.name == "posix" else None


class Browser:
    """One page.

    Args:
        program: of :func:`find`.
        folder: an empty one, for the profile.

    Attributes:
        events: what the page has told, in order.
    """

    def __init__(self, program: str, folder: Path) -> None:
        self._program, self._folder = program, folder
        self.events: list[dict[str, Any]] = []
        self._number = 0
        self._session: str | None = None

    def __enter__(self) -> Browser:
        theirs, to_browser = os.pipe()
        from_browser, their_end = os.pipe()
        flags = "--headless --no-sandbox --disable-gpu --remote-debugging-pipe --no-first-run --hide-scrollbars"
        # Chromium reads from 3 and writes to 4; sh knows no files above 9.
        command = f'exec "$0" "$@" 3<&{theirs} 4>&{their_end}'
        self._process = subprocess.Popen(
            ["bash", "-c", command, self._program, *flags.split(), f"--user-data-dir={self._folder}"],
            pass_fds=(theirs, their_end),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs)
        os.close(their_end)
        self._send, self._receive = os.fdopen(to_browser, "wb"), os.fdopen(from_browser, "rb")
        target = self("Target.createTarget", url="about:blank")["targetId"]
        self._session = self("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self(f"{domain}.enable")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        self._receive.close()
        with suppress(BrokenPipeError):
            self._send.close()

    def __call__(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Sends a command of the DevTools protocol; returns its result."""
        self._number += 1
        session = {} if self._session is None else {"sessionId": self._session}
        self._send.write(json.dumps({"id": self._number, "method": method, "params": parameters} | session).encode())
        self._send.write(b"\0")
        self._send.flush()
        while (message := self._next()).get("id") != self._number:
            self.events.append(message)
        if "error" in message:
            raise RuntimeError(f"{method}: {message['error']}")
        result: dict[str, Any] = message["result"]
        return result

    def _next(self) -> dict[str, Any]:
        text = bytearray()
        while (byte := self._receive.read(1)) != b"\0":
            if not byte:
                raise RuntimeError("the browser has ended")
            text += byte
        message: dict[str, Any] = json.loads(text)
        return message

    def open(self, page: Path) -> None:
        """Loads a file."""
        self("Page.navigate", url=page.resolve().as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self.events.append(self._next())

    def resize(self, width: int, height: int, *, phone: bool = False) -> None:
        """The size of the window."""
        self("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)

    def evaluate(self, script: str) -> Any:
        """The value of an expression in the page."""
        found = self("Runtime.evaluate", expression=script, returnByValue=True)
        if "exceptionDetails" in found:
            raise RuntimeError(found["exceptionDetails"])
        return found["result"].get("value")

    def press(self, key: str, times: int = 1) -> None:
        """Presses a key: ``Tab``, ``Enter``, ``ArrowLeft``, …."""
        codes = {"Tab": 9, "Enter": 13, " ": 32, "End": 35, "Home": 36, "ArrowLeft": 37, "ArrowRight": 39}
        text = {"Enter": {"text": "\r"}}.get(key, {})
        for _ in range(times):
            for kind in ("keyDown", "keyUp"):
                self("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=codes[key], **text)

    def picture(self, file: Path, *, whole: bool = False) -> Path:
        """A PNG of what is seen, or of all there is to scroll to."""
        shown = self("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        file.write_bytes(base64.b64decode(shown["data"]))
        return file
