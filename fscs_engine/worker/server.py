"""The worker: answers the requests that come over a pipe, one after the other, until the pipe ends.

Two threads share the work. The **reader** owns the incoming pipe: it answers what needs no computing (hello, cancel,
shutdown, every bad line) at once, also in the middle of a computation, and sees the pipe's end, which ends the
process. The **main** thread computes palettes and layers in the order asked. A third one reports progress, so that a
host can tell a long computation from a dead one.

torch and the rest of the engine are loaded by the first request that computes.
"""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import os
import queue
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from .._version import __version__
from ..errors import CancelledError, FscsError, NonFiniteError
from ..host import protocol
from ..host.key import MASK_SPACE
from ..host.naming import METADATA_PREFIX
from ..host.protocol import Fields, JsonObject, WorkerError
from ..networks.shipped import SHIPPED
from .requests import (
    ImageSource,
    MaskSource,
    PaletteRequest,
    ReadRequest,
    SegmentRequest,
    parse_palette,
    parse_read,
    parse_segment,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..alpha.processing import AlphaProcessing, Mask
    from ..alpha.temporal import Moment
    from ..image import Image
    from ..segmenter import Segmenter


PENDING_LIMIT = 64
"""Requests that may wait for their turn."""

TEXT_LIMIT = 2000
"""Characters of an error's message; what a request holds may be repeated in it."""

COMPILING = "fscs_engine.runtime.compiling"
"""The logger that tells when code is compiled."""

WARM_MODELS = 2
"""Segmenters kept in memory."""

REPORT_EVERY = 0.2
"""Seconds between progress events while the fraction moves."""

HEARTBEAT = 1.0
"""Seconds between progress events while it does not."""


@dataclass
class Job:
    """A computation that waits or runs."""

    id: int
    request: ReadRequest | PaletteRequest | SegmentRequest
    folder: Path
    cancelled: threading.Event = field(default_factory=threading.Event)


# ----------------------------------------------------------------------------------------------------------------------
# Progress


class Progress:
    """Progress events of one computation.

    Args:
        send: writes a message.
        id: the request's.
    """

    def __init__(self, send: Callable[[JsonObject], None], id: int) -> None:
        self._send = send
        self._id = id
        self._lock = threading.Lock()
        self._fraction = 0.0
        self._first: tuple[float, float] | None = None
        self._stage = ""
        self._sent: tuple[float, str, float] = (-1.0, "", 0.0)
        self._ended = False

    def __call__(self, fraction: float) -> None:
        """Called by the computation as it goes on; fraction in [0, 1]."""
        self._stage = ""
        self._fraction = max(self._fraction, min(1.0, float(fraction)))
        if self._first is None:
            self._first = (self._fraction, time.monotonic())

    def doing(self, stage: str) -> None:
        """What is done until the next fraction, in a few words."""
        self._stage = stage
        self.report()

    def report(self) -> None:
        """Sends an event if there is something new to say, or nothing was said for a while."""
        with self._lock:
            now = time.monotonic()
            moved = (self._fraction, self._stage) != self._sent[:2]
            if not self._ended and (moved or now - self._sent[2] >= HEARTBEAT):
                self._sent = (self._fraction, self._stage, now)
                told = {"fraction": self._fraction, "eta": self._eta(now), "stage": self._stage}
                self._send({"event": "progress", "id": self._id, **told})

    def end(self) -> None:
        """No event of this computation follows."""
        with self._lock:
            self._ended = True

    def _eta(self, now: float) -> float | None:
        """Seconds to go, or None while there is nothing to tell it from; loading the model does not count."""
        if self._first is None or self._fraction <= self._first[0]:
            return None
        speed = (self._fraction - self._first[0]) / max(now - self._first[1], 1e-6)
        return round((1.0 - self._fraction) / speed, 2)


class Overheard(logging.Handler):
    """Hands what the engine's parts say of their work on to the computation under way: the first one compiles loops.

    Args:
        running: gives its progress, None between computations.
    """

    def __init__(self, running: Callable[[], Progress | None]) -> None:
        super().__init__(logging.INFO)
        self._running = running

    def emit(self, record: logging.LogRecord) -> None:
        """A message becomes the stage."""
        progress = self._running()
        if progress is not None and record.levelno == logging.INFO:
            progress.doing(record.getMessage())


# ----------------------------------------------------------------------------------------------------------------------
# The process


class Server:
    """Serves one client.

    Args:
        incoming: descriptor of the pipe with requests.
        outgoing: descriptor of the pipe for replies; nobody else may write to it.
        cwd: the private folder that the worker was started in.
    """

    def __init__(self, incoming: int, outgoing: int, cwd: Path) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self._cwd = cwd
        self._folder: Path | None = None
        self._models: dict[str, int] = {}
        self._write_lock = threading.Lock()
        self._leave_lock = threading.RLock()
        self._jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._pending: dict[int, Job] = {}
        self._pending_lock = threading.Lock()
        self._current: Job | None = None
        self._running: Progress | None = None
        self._computing = threading.Event()
        self._segmenters: OrderedDict[tuple[object, ...], Segmenter] = OrderedDict()
        self._moments: dict[object, Moment] = {}

    def run(self) -> NoReturn:
        """Serves until the pipe ends, then ends the process."""
        compiling = logging.getLogger(COMPILING)
        compiling.setLevel(logging.INFO)
        compiling.addHandler(Overheard(lambda: self._running))
        threading.Thread(target=self._read, name="reader", daemon=True).start()
        threading.Thread(target=self._report, name="progress", daemon=True).start()
        while True:
            self._compute(self._jobs.get())

    def leave(self, status: int) -> NoReturn:
        """Removes the private folder and ends the process at once, whatever the other threads are doing."""
        with self._leave_lock:
            with contextlib.suppress(Exception):
                if self._folder is not None:
                    protocol.remove_folder(self._folder)
                os.chdir(tempfile.gettempdir())
                # The client's folder is the client's to remove, but a client that was killed can't.
                if self._cwd.name.startswith(protocol.FOLDER_PREFIX):
                    self._cwd.rmdir()
            with contextlib.suppress(Exception):
                sys.stderr.flush()
            os._exit(status)

    def _send(self, message: JsonObject) -> None:
        self._send_line(protocol.encode(message))

    def _send_line(self, line: bytes) -> None:
        try:
            with self._write_lock:
                while line:
                    line = line[os.write(self._outgoing, line) :]
        except OSError:  # the host is gone
            self.leave(0)

    def _send_error(self, id: int | None, error: WorkerError) -> None:
        message, cure = error.message[:TEXT_LIMIT], error.cure[:TEXT_LIMIT]
        self._send({"reply": "error", "id": id, "code": error.code, "message": message, "cure": cure})

    # The reader's side

    def _read(self) -> None:
        splitter = protocol.LineSplitter()
        while True:
            try:
                chunk = os.read(self._incoming, 1 << 16)
            except OSError:
                chunk = b""
            if not chunk:
                self.leave(0)
            for line in splitter.feed(chunk):
                self._take(line)

    def _take(self, line: bytes | None) -> None:
        """One line, good or bad. Never raises."""
        id = None
        try:
            if line is None:
                raise protocol.protocol_error(f"a line of more than {protocol.MAXIMUM_LINE} bytes")
            message = protocol.decode(line)
            id = protocol.request_id(message)
            self._dispatch(Fields(message))
        except Exception as error:
            self._send_error(id, as_worker_error(error))

    def _dispatch(self, fields: Fields) -> None:
        request = fields.text("request")
        id = fields.integer("id", 0, protocol.MAXIMUM_ID)
        if request == "hello":
            self._hello(id, fields)
        elif request == "cancel":
            target = fields.integer("target", 0, protocol.MAXIMUM_ID)
            fields.end()
            self._send({"reply": "cancel", "id": id, "pending": self._cancel(target)})
        elif request == "shutdown":
            fields.end()
            self._send({"reply": "shutdown", "id": id})
            self.leave(0)
        elif request in ("read", "palette", "segment"):
            if self._folder is None:
                raise protocol.protocol_error(f"{request} before hello", cure="say hello first")
            if request == "segment":
                self._enqueue(Job(id, parse_segment(fields, self._models), self._folder))
            else:
                self._enqueue(Job(id, (parse_read if request == "read" else parse_palette)(fields), self._folder))
        else:
            raise protocol.protocol_error(f"unknown request {request[:100]!r}")

    def _hello(self, id: int, fields: Fields) -> None:
        asked = fields.integer("protocol", 0, protocol.MAXIMUM_ID)
        fields.end()
        if asked != protocol.PROTOCOL_VERSION:
            raise protocol.protocol_error(
                f"the host speaks version {asked} of the protocol, engine {__version__} speaks version "
                f"{protocol.PROTOCOL_VERSION}"
            )
        if self._folder is None:
            check_private(self._cwd)
            self._models = registered_models()
            self._folder = Path(tempfile.mkdtemp(prefix="pixels-", dir=self._cwd))
        self._send(
            {
                "reply": "hello",
                "id": id,
                "protocol": protocol.PROTOCOL_VERSION,
                "engine": __version__,
                "models": [{"name": name, "maximum_colors": colors} for name, colors in self._models.items()],
                "folder": str(self._folder),
            }
        )

    def _enqueue(self, job: Job) -> None:
        with self._pending_lock:
            if job.id in self._pending:
                raise protocol.protocol_error(f"id {job.id} is in use")
            if len(self._pending) >= PENDING_LIMIT:
                raise protocol.protocol_error("too many requests are waiting", cure="wait for their replies")
            self._pending[job.id] = job
        self._jobs.put(job)

    def _cancel(self, target: int) -> bool:
        """Stops a computation, or takes it out of the queue. Returns whether there was one."""
        with self._pending_lock:
            job = self._pending.get(target)
            if job is None:
                return False
            job.cancelled.set()
            waiting = job is not self._current
            if waiting:
                del self._pending[target]
        if waiting:  # another one is being computed, whose end it would have to wait for
            self._send_error(target, as_worker_error(CancelledError("cancelled")))
        return True

    # The main thread's side

    def _report(self) -> None:
        while self._computing.wait():
            time.sleep(REPORT_EVERY)
            progress = self._running
            if progress is not None:
                progress.report()

    def _compute(self, job: Job) -> None:
        """One computation with its reply. Never raises."""
        with self._pending_lock:
            if self._pending.get(job.id) is not job:  # cancelled while it waited
                return
            self._current = job
        progress = Progress(self._send, job.id)
        self._running = progress
        self._computing.set()
        progress.report()
        failure: WorkerError | None = None
        try:
            reply = protocol.encode(self._result(job, progress))
            progress(1.0)
            progress.report()
        except Exception as error:
            failure = as_worker_error(error)
        progress.end()
        self._computing.clear()
        self._running = None
        with self._pending_lock:
            self._current = None
            del self._pending[job.id]
        if failure is None:
            self._send_line(reply)
        else:
            self._send_error(job.id, failure)

    def _result(self, job: Job, progress: Progress) -> JsonObject:
        if "torch" not in sys.modules:
            progress.doing("loading PyTorch")
        from ..runtime.memory import STORE

        try:
            if isinstance(job.request, ReadRequest):
                return self._picture(job, job.request)
            if isinstance(job.request, PaletteRequest):
                return self._palette(job, job.request, progress)
            return self._segment(job, job.request, progress)
        finally:
            STORE.release()  # minutes can pass until the next one

    def _picture(self, job: Job, request: ReadRequest) -> JsonObject:
        import numpy as np

        from ..color import ColorSpaces, in_space, resolve
        from ..files.shared import SharedLayerWriter

        check_cancelled(job)
        spaces = ColorSpaces(request.ocio)
        image, identity = self._image(request.image, job.folder)
        check_cancelled(job)
        space = resolve(request.working_space, image.color_space, False, spaces)
        pixels = in_space(image, space, spaces).pixels
        if not image.has_alpha:
            pixels = np.concatenate([pixels, np.ones_like(pixels[..., :1])], axis=-1)
        name = f"pixels-{job.id}.f32"
        with SharedLayerWriter(job.folder / name, height=image.height, width=image.width, layers=1) as writer:
            writer.write(0, pixels[None])
            check_cancelled(job)
        return {
            "reply": "read",
            "id": job.id,
            "pixels": name,
            "shape": list(pixels.shape),
            "working_space": space,
            "input": identity,
            "read_as": image.read_as.to_dict(),
            "data_window": window_list(image.data_window),
            "display_window": window_list(image.display_window),
        }

    def _palette(self, job: Job, request: PaletteRequest, progress: Progress) -> JsonObject:
        check_cancelled(job)
        progress.doing("loading the engine")
        from ..color import ColorSpaces
        from ..palette.image_palette import shot_palette
        from ..palette.palette import Palette

        given = Palette.from_dict(request.given) if request.given is not None else None
        spaces = ColorSpaces(request.ocio)
        sources = (request.image, *request.others)

        def images() -> Iterator[Image]:
            for number, source in enumerate(sources):
                check_cancelled(job)
                progress(number / len(sources))
                progress.doing("reading the image")
                image = self._image(source, job.folder)[0]
                progress.doing("finding the colors")
                yield image

        found = (images(), len(sources), request.colors, given, request.seed)
        palette = shot_palette(*found, spaces, request.method)
        check_cancelled(job)
        return {"reply": "palette", "id": job.id, "palette": palette.to_dict()}

    def _segment(self, job: Job, request: SegmentRequest, progress: Progress) -> JsonObject:
        from ..palette.palette import Palette
        from ..shots.frames import FramePattern
        from ..shots.options import SegmentOptions
        from ..shots.outputs import Output
        from ..shots.runs import Run
        from ..shots.shots import Stills

        started = time.perf_counter()
        check_cancelled(job)
        palette = Palette.from_dict(request.palette)
        progress.doing("loading the model")
        segmenter = self._segmenter(request.model, request.device, request.precision, request.tile, request.ocio)
        check_cancelled(job)
        progress.doing("reading the image")
        sources, here = [request.image], 0
        if request.parameters.get("temporal", 0.0) > 0:
            sources, here = [*request.before, request.image, *request.after], len(request.before)
        pictures = [partial(self._image, source, job.folder) for source in sources]
        shot = Stills("image" if request.image.path is None else request.image.path.stem, pictures, request.image.path)
        image = shot.read(here, "")
        progress.doing("preparing the image")
        masks = tuple(self._mask(mask, job.folder, image) for mask in request.masks)
        name = f"layers-{job.id}.f32"
        options = SegmentOptions(
            palette=palette,
            processing=_processing(request, masks),
            working_space=request.working_space,
            input_layer=request.image.layer,
            clean_nonfinite=request.image.clean_nonfinite,
            alpha=request.image.alpha,
            frames=[here],
            **({} if request.output is None else request.output.options),
        )
        shared = Output(FramePattern(str(job.folder / name)), "f32")
        run = Run.of(shot, [shared if request.output is None else request.output.path], options)
        alike = len({(source.layer, source.clean_nonfinite, source.alpha) for source in sources}) == 1

        def tick(share: float) -> None:
            check_cancelled(job)
            progress(share)

        (result,) = run.segment(palette, segmenter, tick=tick, moments=self._moments if alike else {}).frames
        if job.cancelled.is_set():
            protocol.remove_shared(job.folder, name)
            check_cancelled(job)
        shape = [len(palette), image.height, image.width, 4]
        seconds = {stage: result.report.seconds[stage] for stage in ("alpha", "color")}
        return {
            "reply": "segment",
            "id": job.id,
            **({"layers": name, "shape": shape} if request.output is None else {"outputs": list(result.outputs)}),
            "palette": palette.to_dict(),
            "coverage": result.report.coverage,
            "seconds": {**seconds, "total": time.perf_counter() - started},
            "error_max": result.error_max,
            "working_space": result.working_spaces[0],
            "model": segmenter.model_name,
            "weights_sha256": segmenter.weights_sha256,
            "key": result.metadata[METADATA_PREFIX + "key"],
            "input": result.metadata[METADATA_PREFIX + "input"],
            "metadata": dict(result.metadata),
            "read_as": image.read_as.to_dict(),
            "data_window": window_list(image.data_window),
            "display_window": window_list(image.display_window),
        }

    def _segmenter(self, model: str, device: str, precision: str, tile: int, ocio: Path | None) -> Segmenter:
        """The segmenter for these, kept warm as long as its OpenColorIO config stays what it was."""
        from ..host.key import file_identity
        from ..segmenter import Segmenter

        identity = ""
        if ocio is not None:
            with contextlib.suppress(OSError):  # said when the config is loaded
                identity = file_identity(ocio)
        key = (model, device, precision, tile, ocio, identity)
        segmenter = self._segmenters.pop(key, None)
        if segmenter is None:
            while len(self._segmenters) >= WARM_MODELS:
                self._segmenters.popitem(last=False)
            segmenter = Segmenter(model, device=device, precision=precision, tile=tile, ocio=ocio)
        self._segmenters[key] = segmenter
        return segmenter

    def _image(self, source: ImageSource, folder: Path) -> tuple[Image, str]:
        """The picture and its identity for the cache key."""
        from ..files.reading import clean, read_image
        from ..host.key import file_identity, pixels_identity
        from ..image import Image

        if source.path is not None:
            image = read_image(
                source.path,
                layer=source.layer,
                color_space=source.color_space,
                alpha=source.alpha,
                clean_nonfinite=source.clean_nonfinite,
            )
            if source.by_pixels:
                height, width, channels = image.pixels.shape
                return image, pixels_identity(image.pixels, height, width, channels, image.color_space)
            return image, file_identity(source.path)
        pixels = self._map(folder, source.file, source.shape)
        identity = pixels_identity(pixels, *source.shape, source.color_space)
        if source.clean_nonfinite:
            clean(pixels)
        return Image.from_pixels(pixels, source.color_space), identity

    def _mask(self, source: MaskSource, folder: Path, image: Image) -> Mask:
        import numpy as np

        from ..alpha.processing import Mask
        from ..files.reading import read_mask
        from ..host.key import file_identity, pixels_identity

        if source.path is not None:
            pixels = read_mask(source.path, image=image)
            identity = file_identity(source.path)
        else:
            pixels = self._map(folder, source.file, source.shape)
            identity = pixels_identity(pixels, *source.shape, 1, MASK_SPACE)
            if not np.isfinite(pixels).all():
                raise NonFiniteError("the mask holds NaN or infinity", cure="repair the mask")
            pixels = np.clip(pixels, 0.0, 1.0)
        mode: Literal["limit", "split"] = "limit" if source.mode == "limit" else "split"
        return Mask(pixels, mode, source.layers, identity)

    def _map(self, folder: Path, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Maps a file of pixels; changes to the array stay in memory (torch dislikes arrays it can't write to)."""
        import numpy as np

        with protocol.open_shared(folder, name, shape) as file:
            return np.memmap(file, dtype="<f4", mode="c", shape=shape)


def _processing(request: SegmentRequest, masks: tuple[Mask, ...]) -> AlphaProcessing:
    from ..alpha.processing import AlphaProcessing, LayerAdjustment

    return AlphaProcessing(
        **request.parameters,
        adjustments={layer: LayerAdjustment(**values) for layer, values in request.adjustments.items()},
        masks=masks,
    )


def registered_models() -> dict[str, int]:
    """The models that a request may name, and how many colors each takes."""
    return {name: shipped.colors for name, shipped in SHIPPED.items()}


def check_private(folder: Path) -> None:
    """Refuses to keep pixels where others could read them.

    Raises:
        WorkerError: on systems with permissions, the folder is another user's or open to others.
    """
    if os.name != "posix":
        return
    found = folder.stat()
    if found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise WorkerError(
            "worker",
            f"the worker was started in {folder}, which is not private",
            "start it in a new folder that only you can read (mode 0700)",
        )


def check_cancelled(job: Job) -> None:
    """Raises CancelledError if the request was cancelled."""
    if job.cancelled.is_set():
        raise CancelledError("cancelled")


def window_list(window: Any) -> list[int]:
    """A window as x, y, width, height."""
    return [window.x, window.y, window.width, window.height]


def as_worker_error(error: Exception) -> WorkerError:
    """What the host is told. What is nobody's doing but ours goes into the log with its traceback."""
    if isinstance(error, WorkerError):
        return error
    if isinstance(error, FscsError):
        return WorkerError(error.code, error.message, error.cure)
    traceback.print_exception(error, file=sys.stderr)
    sys.stderr.flush()
    name = type(error).__name__
    if isinstance(error, MemoryError) or name == "OutOfMemoryError":
        return WorkerError("internal", "there is not enough memory", "use a smaller tile, or close other programs")
    first_line = (str(error).splitlines() or [""])[0]
    return WorkerError("internal", f"the engine failed ({name}: {first_line[:300]})", "report it with the log")


def take_pipes() -> tuple[int, int]:
    """Keeps standard input and output for the protocol, out of reach of anything else in the process.

    What libraries print goes to standard error, what they read is empty, and child processes inherit neither pipe.

    Returns:
        Descriptors of the incoming and the outgoing pipe.
    """
    incoming, outgoing = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    if sys.platform == "win32":
        import msvcrt

        for descriptor in (incoming, outgoing):
            msvcrt.setmode(descriptor, os.O_BINARY)
    return incoming, outgoing


def main() -> NoReturn:
    """Serves whoever started this process."""
    incoming, outgoing = take_pipes()
    faulthandler.enable()  # a crash in native code leaves its place in the log
    server = Server(incoming, outgoing, Path.cwd())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a host's terminal is for the host to act on
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):  # Windows has no SIGHUP
            signal.signal(getattr(signal, name), lambda number, frame: server.leave(128 + number))
    server.run()
