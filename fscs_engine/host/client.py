"""The host's side: starts the engine in a process of its own and asks it for palettes and layers.

>>> with Worker("/opt/engine/bin/python") as worker:            # doctest: +SKIP
...     palette = worker.palette(Plate("/shots/010/plate.1001.exr"), 7)
...     layers = worker.segment(Plate("/shots/010/plate.1001.exr"), palette)
...     layers.memory().shape
(7, 1080, 1920, 4)
"""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import tempfile
import threading
import time
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, BinaryIO, Callable, Optional, TypeVar, Union

from . import protocol
from .pictures import LayerMask, Layers, Picture, Pixels, Plate, SharedPixels, bytes_of, shape_of
from .protocol import JsonObject, WorkerError

__all__ = [
    "CancelledCallback",
    "DoingCallback",
    "LayerMask",
    "Layers",
    "Picture",
    "Pixels",
    "Plate",
    "ProgressCallback",
    "Worker",
    "WorkerError",
    "clean_environment",
]

POLL = 0.05
"""Seconds between two looks at the callbacks of a caller that waits."""

LOG_LIMIT = 1 << 20
"""Bytes of a log; one more file of this size, its name ending in ``.1``, holds what came before."""

CLOSE_TIMEOUT = 5.0
"""Seconds that the process gets to end before it is ended."""

_FOREIGN_VARIABLES = ("PYTHON", "NUKE_")
_FOREIGN_LIBRARIES = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
_PYTHON_CURE = "set the engine's Python in the preferences or in FSCS_PYTHON"

ProgressCallback = Callable[[float, Optional[float]], None]
DoingCallback = Callable[[str], None]
CancelledCallback = Callable[[], bool]


_Shared = TypeVar("_Shared", bound=SharedPixels)
_PIXELS = ("layers", "pixels")  # fields of replies that name a file


class _Call:
    """A request under way: what the worker said about it so far."""

    def __init__(self) -> None:
        self.messages: queue.SimpleQueue[Optional[JsonObject]] = queue.SimpleQueue()
        self.cancel = threading.Event()

    def next(self, timeout: float) -> Optional[JsonObject]:
        """The next message; an empty one if none came in time, None after the end of the process."""
        try:
            return self.messages.get(timeout=timeout)
        except queue.Empty:
            return {}


class Worker:
    """The engine's process.

    A call blocks until it is done; meanwhile it calls back in the calling thread, about twenty times a second.
    ``cancel()`` and ``close()`` may be called from any thread. Several threads may call; the engine computes one
    request after the other.

    Args:
        python: whole path of the Python that the engine is installed for. Take it from the user's own settings only,
            never from a scene, script, preset or message: whatever it names is started.
        environment: variables for the process instead of this one's; either way those that would lead the engine to
            the host's Python or libraries are left out.
        timeout: seconds of silence after which the process counts as hung and is ended. It reports every second
            while it computes, so this is no limit to a long computation.
        cancel_timeout: seconds after which a cancelled computation that does not stop is ended with its process.
        log: file to append the engine's own messages to, at most 1 MiB and as much again of older ones.

    Attributes:
        hello: what the engine said about itself: "engine" (its version), "protocol", "models" (list of "name" and
            "maximum_colors"), "folder".

    Raises:
        WorkerError: the process can't be started, has no engine, or speaks another version of the protocol.
    """

    def __init__(
        self,
        python: Union[str, os.PathLike[str]],
        *,
        environment: Optional[Mapping[str, str]] = None,
        timeout: float = 120.0,
        cancel_timeout: float = 30.0,
        log: Union[str, os.PathLike[str], None] = None,
    ) -> None:
        if not Path(python).is_absolute():  # or a file of that name in a shot's folder might be started
            raise WorkerError(
                "worker", f"the engine's Python {os.fspath(python)!r} is not an absolute path", _PYTHON_CURE
            )
        self._timeout = timeout
        self._cancel_timeout = cancel_timeout
        self._lock = threading.Lock()
        self._calls: dict[int, _Call] = {}
        self._results: weakref.WeakSet[SharedPixels] = weakref.WeakSet()
        self._next_id = 0
        self._heard = time.monotonic()
        self._ended = False
        self._closing = False
        self._ended_by_us = False
        self._gone = WorkerError("worker", "the engine was closed", "start a new one")
        self._log = _Log(log)
        self._outbox: queue.SimpleQueue[Optional[bytes]] = queue.SimpleQueue()
        protocol.remove_stale_folders()
        self._cwd = Path(tempfile.mkdtemp(prefix=protocol.FOLDER_PREFIX)).resolve()
        self._folder = self._cwd
        self._hold = protocol.hold_folder(self._cwd)
        try:
            self._process = self._start(os.fspath(python), clean_environment(environment))
        except OSError as error:
            self._release_folder()
            self._log.close()
            message = f"the engine's Python {os.fspath(python)!r} can't be started ({error.strerror or error})"
            raise WorkerError("worker", message, _PYTHON_CURE) from error
        self._threads = [
            threading.Thread(target=target, name=f"fscs-worker-{target.__name__.strip('_')}", daemon=True)
            for target in (self._read, self._write, self._drain)
        ]
        for thread in reversed(self._threads):  # the reader may end at once, and then waits for the others
            thread.start()
        try:
            self.hello: JsonObject = self._say_hello()
        except BaseException:
            self.close()
            raise

    def _start(self, python: str, environment: dict[str, str]) -> subprocess.Popen[bytes]:
        hidden = getattr(subprocess, "CREATE_NO_WINDOW", 0)
        return subprocess.Popen(
            [python, "-I", "-m", "fscs_engine.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            cwd=self._cwd,
            env=environment,
            creationflags=hidden,
            pass_fds=() if self._hold is None else (self._hold,),
        )

    # What a host calls

    def palette(
        self,
        image: Picture,
        colors: int,
        *,
        others: Sequence[Picture] = (),
        given: Optional[JsonObject] = None,
        seed: int = 0,
        palette_method: str = "",
        ocio: str = "",
        progress: Optional[ProgressCallback] = None,
        doing: Optional[DoingCallback] = None,
        cancelled: Optional[CancelledCallback] = None,
    ) -> JsonObject:
        """Finds a palette.

        Args:
            image: the picture.
            colors: K, 1 to 16.
            others: more frames of the shot, at most ``PALETTE_FRAMES`` with the picture: one palette for all.
            given: colors to keep, in the form of the palette file; they come first.
            seed: equal seeds give equal palettes.
            palette_method: one of the choices of the parameter of this name, empty for its default.
            ocio: whole path of an OpenColorIO config, empty for the built-in one.
            progress: called with the fraction done and the seconds to go (None while unknown).
            doing: called with what the engine does where no fraction says it, as "loading PyTorch"; empty after that.
            cancelled: asked often; True cancels.

        Returns:
            The palette in the form of the palette file: ``{"version": 1, "space": "srgb", "colors": [{"rgb": …}]}``.

        Raises:
            WorkerError: of any code.
        """
        request: JsonObject = {"request": "palette", "colors": colors, "seed": seed}
        if given is not None:
            request["given"] = given
        if palette_method:
            request["palette_method"] = palette_method
        if ocio:
            request["ocio"] = ocio
        palette = self._ask(request, image, (), _told(progress, doing), cancelled, {"others": others}).get("palette")
        if not isinstance(palette, dict):
            raise protocol.protocol_error("a palette reply without a palette")
        return palette

    def read(
        self,
        image: Picture,
        working_space: str = "auto",
        *,
        ocio: str = "",
        cancelled: Optional[CancelledCallback] = None,
    ) -> SharedPixels:
        """Reads a picture: (H, W, 4) premultiplied in a working space; alpha is 1 where it has none.

        Args:
            image: the picture.
            working_space: the space that it is converted to.
            ocio: whole path of an OpenColorIO config, empty for the built-in one.
            cancelled: asked often; True cancels.

        Raises:
            WorkerError: of any code; ``cancelled`` when it was.
        """
        request: JsonObject = {"request": "read", "working_space": working_space}
        if ocio:
            request["ocio"] = ocio
        reply = self._ask(request, image, (), None, cancelled)
        return self._shared(reply, lambda: SharedPixels(self._folder, reply["pixels"], shape_of(reply["shape"], 3)))

    def segment(
        self,
        image: Picture,
        palette: JsonObject,
        parameters: Optional[Mapping[str, Any]] = None,
        *,
        before: Sequence[Picture] = (),
        after: Sequence[Picture] = (),
        masks: Sequence[LayerMask] = (),
        model: str = "",
        working_space: str = "auto",
        device: str = "auto",
        precision: str = "auto",
        tile: int = 0,
        ocio: str = "",
        output: Optional[Mapping[str, Any]] = None,
        progress: Optional[ProgressCallback] = None,
        doing: Optional[DoingCallback] = None,
        cancelled: Optional[CancelledCallback] = None,
    ) -> Layers:
        """Computes the layers of a picture.

        Args:
            image: the picture.
            palette: in the form of the palette file.
            parameters: the alpha processing by the names of the parameter table: ``smoothing``, ``smoothing_eps``,
                ``smoothing_strength``, ``temporal``, ``minimum_alpha``, and ``layer_gain`` and the other per-layer
                ones as ``{layer from 1: value}``.
            before: the frames before the picture in time, in their order, at most ``TEMPORAL_RADIUS``. The temporal
                smoothing looks at them and at those after it; without them it changes nothing.
            after: the frames after it.
            masks: applied in this order.
            model: one of those the engine named at hello; empty for its default.
            working_space: the space in which the layers add up.
            device: "auto", "cpu", "cuda" or "mps".
            precision: "auto", "float32", "float16" or "bfloat16".
            tile: pixels, 0 for automatic.
            ocio: whole path of an OpenColorIO config, empty for the built-in one.
            output: has the engine write the layers instead: ``{"path": …}``, an absolute path as ``fscs segment -o``
                takes it, and ``half``, ``clip``, ``single_part``, ``keep_image``, ``overwrite`` where they are True;
                ``notes``: texts that the file says besides, by names that start with ``softcolor:``.
            progress: called with the fraction done and the seconds to go (None while unknown).
            doing: called with what the engine does where no fraction says it, as "loading PyTorch"; empty after that.
            cancelled: asked often; True cancels.

        Raises:
            WorkerError: of any code; ``cancelled`` when it was.
        """
        request: JsonObject = {
            "request": "segment",
            "palette": palette,
            "parameters": _json_parameters(parameters or {}),
            "working_space": working_space,
            "device": device,
            "precision": precision,
            "tile": tile,
        }
        if model:
            request["model"] = model
        if ocio:
            request["ocio"] = ocio
        if output is not None:
            request["output"] = dict(output)
        reply = self._ask(request, image, masks, _told(progress, doing), cancelled, {"before": before, "after": after})
        return self._shared(reply, lambda: Layers(self._folder, reply))

    def cancel(self) -> None:
        """Cancels every call under way; each raises a WorkerError of code ``cancelled``. Returns at once."""
        with self._lock:
            calls = list(self._calls.values())
        for call in calls:
            call.cancel.set()

    @property
    def alive(self) -> bool:
        """Whether the process runs and can be asked."""
        return not (self._ended or self._closing) and self._process.poll() is None

    def close(self) -> None:
        """Ends the process, removes its folder and closes the layers that came from it. Calls under way fail."""
        with self._lock:
            self._closing = True
            results = list(self._results)
        for layers in results:
            layers.close()
        self._outbox.put(None)  # the writer closes the pipe, and the end of its input ends the worker
        self._threads[0].join(CLOSE_TIMEOUT)
        if self._threads[0].is_alive():
            self._process.kill()
            self._threads[0].join(CLOSE_TIMEOUT)
        self._release_folder()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # One request

    def _say_hello(self) -> JsonObject:
        reply = self._call({"request": "hello", "protocol": protocol.PROTOCOL_VERSION}, None, None)
        folder = reply.get("folder")
        if reply.get("protocol") != protocol.PROTOCOL_VERSION or not isinstance(folder, str):
            raise protocol.protocol_error(f"the engine speaks version {reply.get('protocol')} of the protocol")
        self._folder = Path(folder)
        if self._folder.parent.resolve() != self._cwd:
            raise protocol.protocol_error("the engine's folder is not inside the one it was given")
        return reply

    def _ask(
        self,
        request: JsonObject,
        image: Picture,
        masks: Sequence[LayerMask],
        hear: Optional[Callable[[JsonObject], None]],
        cancelled: Optional[CancelledCallback],
        more: Optional[Mapping[str, Sequence[Picture]]] = None,
    ) -> JsonObject:
        """Brings the pixels where the worker finds them, asks, and takes the pixels away again."""
        with contextlib.ExitStack() as files:
            request["image"] = self._picture_fields(image, files)
            for name, pictures in (more or {}).items():
                if pictures:
                    request[name] = [self._picture_fields(picture, files) for picture in pictures]
            if masks:
                request["masks"] = [self._mask_fields(mask, files) for mask in masks]
            return self._call(request, hear, cancelled)

    def _picture_fields(self, image: Picture, files: contextlib.ExitStack) -> JsonObject:
        if isinstance(image, Plate):
            return {
                "path": str(Path(image.path).absolute()),
                "color_space": image.color_space,
                "layer": image.layer,
                "clean_nonfinite": image.clean_nonfinite,
                **({} if image.alpha == "auto" else {"alpha": image.alpha}),
                "by_pixels": image.by_pixels,
            }
        return {
            "file": self._share("image", image.data, (image.height, image.width, image.channels), files),
            "height": image.height,
            "width": image.width,
            "channels": image.channels,
            "color_space": image.color_space,
            "clean_nonfinite": image.clean_nonfinite,
        }

    def _mask_fields(self, mask: LayerMask, files: contextlib.ExitStack) -> JsonObject:
        fields: JsonObject = {"mode": mask.mode, "layers": list(mask.layers)}
        if mask.path:
            fields["path"] = str(Path(mask.path).absolute())
        else:
            fields["file"] = self._share("mask", mask.data, (mask.height, mask.width), files)
            fields["height"] = mask.height
            fields["width"] = mask.width
        return fields

    def _share(self, what: str, data: Any, shape: Sequence[int], files: contextlib.ExitStack) -> str:
        """Writes pixels into the private folder, to be removed when ``files`` closes. Returns the file's name."""
        view = bytes_of(what, data, shape)
        with self._lock:
            if self._ended or self._closing:
                raise self._gone
            self._next_id += 1
            name = f"{what}-{self._next_id}.f32"
        folder = self._folder
        try:
            with protocol.create_shared(folder, name, len(view)) as file:
                files.callback(protocol.remove_shared, folder, name)
                _write_all(file, view)
        except WorkerError:
            if Path(folder).is_dir():
                raise
            raise self._gone from None  # the process has just ended, and its folder went with it
        return name

    def _call(
        self,
        request: JsonObject,
        hear: Optional[Callable[[JsonObject], None]],
        cancelled: Optional[CancelledCallback],
    ) -> JsonObject:
        call = _Call()
        with self._lock:
            if self._ended or self._closing:
                raise self._gone
            self._next_id += 1
            number = self._next_id
            self._calls[number] = call
        try:
            self._outbox.put(protocol.encode({**request, "id": number}))
            return self._wait(number, call, hear, cancelled)
        except WorkerError:
            raise
        except BaseException:  # out of a callback; the engine must not go on for nobody
            self._send_cancel(number)
            raise
        finally:
            with self._lock:
                del self._calls[number]

    def _wait(
        self,
        number: int,
        call: _Call,
        hear: Optional[Callable[[JsonObject], None]],
        cancelled: Optional[CancelledCallback],
    ) -> JsonObject:
        began = time.monotonic()
        cancelled_at: Optional[float] = None
        while True:
            message = call.next(POLL)
            if message is None:
                raise self._gone if cancelled_at is None else _cancelled_error()
            kind = message.get("reply")
            if kind == "error":
                raise _error_from(message)
            if kind is not None and cancelled_at is None:
                return message
            if kind is not None:
                self._discard(message)
                raise _cancelled_error()
            if message.get("event") == "progress" and hear is not None:
                hear(message)
            now = time.monotonic()
            if cancelled_at is None:
                if call.cancel.is_set() or (cancelled is not None and cancelled()):
                    cancelled_at = now
                    self._send_cancel(number)
            elif now - cancelled_at > self._cancel_timeout:
                self._end("the engine did not stop when it was cancelled")
                raise _cancelled_error()
            if now - max(began, self._heard) > self._timeout:
                self._end(f"the engine's process did not answer for {self._timeout:g} seconds")
                raise self._gone

    def _send_cancel(self, target: int) -> None:
        with self._lock:
            self._next_id += 1
            number = self._next_id
        self._outbox.put(protocol.encode({"request": "cancel", "id": number, "target": target}))

    def _shared(self, reply: JsonObject, make: Callable[[], _Shared]) -> _Shared:
        try:
            pixels = make()
        except (KeyError, TypeError) as error:
            raise protocol.protocol_error(f"a {reply['reply']} reply that can't be understood ({error!r})") from error
        with self._lock:
            self._results.add(pixels)
        return pixels

    def _discard(self, reply: JsonObject) -> None:
        """Removes the pixels of a reply that nobody waits for any more."""
        for name in _PIXELS:
            with contextlib.suppress(KeyError, TypeError, WorkerError):
                protocol.remove_shared(self._folder, reply[name])

    # The threads that own the pipes

    def _read(self) -> None:
        """Hands every message to the call it belongs to; when the pipe ends, the process is over."""
        try:
            with contextlib.suppress(OSError), _pipe(self._process.stdout) as pipe:
                self._read_messages(pipe)
        finally:
            self._bury()

    def _read_messages(self, pipe: IO[bytes]) -> None:
        splitter = protocol.LineSplitter()
        for chunk in iter(lambda: os.read(pipe.fileno(), 1 << 16), b""):
            self._heard = time.monotonic()
            for line in splitter.feed(chunk):
                try:
                    self._deliver(protocol.decode(line or b""))
                except WorkerError as error:
                    self._end(f"the engine wrote {error.message} on its pipe")

    def _deliver(self, message: JsonObject) -> None:
        number = protocol.request_id(message)
        with self._lock:
            calls = list(self._calls.values()) if number is None else [self._calls.get(number)]
        for call in calls:
            if call is not None:
                call.messages.put(message)
            else:
                self._discard(message)

    def _bury(self) -> None:
        """What there is to do when the process is over."""
        try:
            self._process.wait(CLOSE_TIMEOUT)
        except subprocess.TimeoutExpired:  # it closed its pipe but lives
            self._process.kill()
            self._process.wait()
        self._threads[2].join(1.0)  # for the last words
        self._outbox.put(None)
        with self._lock:
            if not self._closing and not self._ended_by_us:
                self._gone = self._obituary()
        self._release_folder()
        with self._lock:
            self._ended = True
            for call in self._calls.values():
                call.messages.put(None)

    def _obituary(self) -> WorkerError:
        status = self._process.returncode
        last = self._log.last_line
        how = f"by signal {-status}" if status < 0 else f"with status {status}"
        message = f"the engine's process ended {how}" + (f" ({last})" if last else "")
        if "No module named" in last and "fscs_engine" in last:
            cure = f"install the engine for this Python, or {_PYTHON_CURE}"
        elif status == -9:
            cure = "try again with a smaller tile; the system ends what takes too much memory"
        else:
            cure = "try again, and report it with the log if it happens again"
        return WorkerError("worker", message, cure)

    def _write(self) -> None:
        pipe = _pipe(self._process.stdin)
        with contextlib.suppress(OSError):  # the reader sees the end of the process, too
            for line in iter(self._outbox.get, None):
                _write_all(pipe, memoryview(line))
        with contextlib.suppress(OSError):
            pipe.close()

    def _drain(self) -> None:
        with contextlib.suppress(OSError), _pipe(self._process.stderr) as pipe:
            for chunk in iter(lambda: os.read(pipe.fileno(), 1 << 16), b""):
                self._log.add(chunk)
        self._log.close()

    # The end

    def _end(self, why: str) -> None:
        """Ends the process because of something it did; calls fail with ``why``."""
        with self._lock:
            self._ended_by_us = True
            self._gone = WorkerError("worker", why, "start a new one, and report it with the log if it happens again")
        self._process.kill()
        if threading.current_thread() is not self._threads[0]:
            self._threads[0].join(CLOSE_TIMEOUT)

    def _release_folder(self) -> None:
        with self._lock:
            hold, self._hold = self._hold, None
        protocol.remove_folder(self._cwd)
        if hold is not None:
            os.close(hold)


class _Log:
    """The engine's own words: the last line for errors, all of them (up to a limit) in a file if one is wanted."""

    def __init__(self, path: Union[str, os.PathLike[str], None]) -> None:
        self._path = None if path is None else Path(path)
        self._file: Optional[BinaryIO] = None
        self._tail = b""
        self._open()

    @property
    def last_line(self) -> str:
        """The last line that is not empty, at most 300 characters of it."""
        lines = self._tail.decode("utf-8", "replace").split("\n")
        return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "")

    def add(self, chunk: bytes) -> None:
        """Takes what came; a log that can't be written must not stop the engine."""
        self._tail = (self._tail + chunk)[-4096:]
        if self._file is None:
            return
        try:
            if self._path is not None and self._file.tell() + len(chunk) > LOG_LIMIT:
                self._file.close()
                self._path.replace(f"{self._path}.1")
                self._open()
            if self._file is not None:
                self._file.write(chunk)
        except (OSError, ValueError):
            self.close()

    def close(self) -> None:
        """Closes the file."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = None

    def _open(self) -> None:
        self._file = None
        if self._path is not None:
            with contextlib.suppress(OSError):
                self._file = self._path.open("ab", buffering=0)


def clean_environment(environment: Optional[Mapping[str, str]] = None) -> dict[str, str]:
    """Variables for the engine: these (this process's own if None) without those meant for the host's Python."""
    source = os.environ if environment is None else environment
    return {
        name: value
        for name, value in source.items()
        if not name.upper().startswith(_FOREIGN_VARIABLES) and name.upper() not in _FOREIGN_LIBRARIES
    }


def _told(
    progress: Optional[ProgressCallback], doing: Optional[DoingCallback]
) -> Optional[Callable[[JsonObject], None]]:
    """Hands an event of progress to those who want to know; None if nobody does."""

    def hear(event: JsonObject) -> None:
        if progress is not None:
            progress(event.get("fraction", 0.0), event.get("eta"))
        if doing is not None:
            doing(str(event.get("stage", "")))

    return None if progress is None and doing is None else hear


def _json_parameters(parameters: Mapping[str, Any]) -> JsonObject:
    """Per-layer values are keyed by the layer's number, and keys of JSON are texts."""
    return {
        name: {str(layer): number for layer, number in value.items()} if isinstance(value, Mapping) else value
        for name, value in parameters.items()
    }


def _write_all(file: Any, view: memoryview) -> None:
    while view:
        view = view[file.write(view) :]


def _pipe(pipe: Optional[IO[bytes]]) -> IO[bytes]:
    """All three are pipes; this only says so to type checkers."""
    if pipe is None:
        raise WorkerError("worker", "the engine's process has no pipes")
    return pipe


def _error_from(reply: JsonObject) -> WorkerError:
    return WorkerError(str(reply.get("code", "worker")), str(reply.get("message", "")), str(reply.get("cure", "")))


def _cancelled_error() -> WorkerError:
    return WorkerError("cancelled", "cancelled")
