"""Fills the cache: the image is written by a Write inside the node, the engine computes, the layers are written."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable

import nuke

from . import engine, exr, frames, settings
from .fscs.client import LayerMask, Pixels, ProgressCallback
from .fscs.key import pixels_identity
from .fscs.protocol import JsonObject, WorkerError

PLATE, MASK = "CapturePlate", "CaptureMask"
"""The Write nodes inside the node. They are disabled but while they are used."""

Progress = Callable[[float, str], None]
Cancelled = Callable[[], bool]


def cache_template(node: Any) -> str:
    """The name of the cached files, with Tcl worked out and the places for frame and view left in.

    Raises:
        WorkerError: none is chosen, or it is not a whole path.
    """
    template = str(node["cache_file"].evaluate() if "[" in node["cache_file"].value() else node["cache_file"].value())
    cure = "choose a file on the Cache tab, such as /shot/softcolor/layers.%04d.exr"
    if not template:
        raise WorkerError("usage", "there is no file for the layers", cure)
    if not Path(template).is_absolute() or not template.lower().endswith(".exr"):
        raise WorkerError("usage", f"{template!r} is not the whole path of an .exr file", cure)
    return template


def render(node: Any, numbers: Sequence[int], views: Sequence[str], progress: Progress, cancelled: Cancelled) -> None:
    """Computes the layers of frames and writes them. Call it in the main thread.

    Args:
        node: the Soft Color Segment node.
        numbers: the frames.
        views: the views; more than one needs ``%V`` or ``%v`` in the name of the files.
        progress: called with the fraction done and what is done.
        cancelled: asked often; True ends it. Frames that are done stay.

    Raises:
        WorkerError: of any code; ``cancelled`` when it was.
    """
    template = cache_template(node)
    wanted = settings.of_node(node)
    if node.input(0) is None:
        raise WorkerError("usage", "there is no image", "connect the img input")
    if wanted.mask is not None and node.input(1) is None:
        raise WorkerError("usage", "Use Mask is on and there is no mask", "connect the mask input, or turn it off")
    if len(numbers) > 1 and not frames.has_frame(template):
        raise WorkerError("usage", f"{template} has no place for the frame", "put %04d or #### into the name")
    if len(views) > 1 and not frames.has_view(template):
        raise WorkerError("usage", f"{template} has no place for the view", "put %V into the name")
    worker = engine.connect()
    jobs = [(frame, view) for frame in numbers for view in views]
    with tempfile.TemporaryDirectory(prefix="softcolor-nuke-") as folder, _full_size():
        for index, (frame, view) in enumerate(jobs):
            if cancelled():
                raise WorkerError("cancelled", "cancelled")

            def tell(fraction: float, index: int = index, frame: int = frame) -> None:
                progress((index + fraction) / len(jobs), f"frame {frame}")

            tell(0.0)
            plate = _capture(node, PLATE, Path(folder) / "plate.exr", frame, view)
            masks = []
            if wanted.mask is not None:
                mode, layers = wanted.mask
                grey = _capture(node, MASK, Path(folder) / "mask.exr", frame, view)
                pixels = grey.first_channel(plate.data_window)
                masks = [LayerMask(mode, layers, pixels, plate.height, plate.width)]
            with worker.segment(
                _pixels(plate, wanted.working_space),
                wanted.palette,
                wanted.parameters(),
                masks=masks,
                model=wanted.model,
                working_space=wanted.working_space,
                device=wanted.device,
                precision=settings.PRECISION,
                tile=wanted.tile,
                progress=_computed(tell),
                cancelled=cancelled,
            ) as result:
                _write(frames.path_of(template, frame, view), result, wanted, plate, worker.hello, tell, cancelled)
    node["plate_state"].setValue(settings.upstream_state(node, state_flags()))


def _write(
    path: str,
    result: Any,
    wanted: settings.Settings,
    plate: exr.Capture,
    hello: JsonObject,
    tell: Callable[[float], None],
    cancelled: Cancelled,
) -> None:
    def written(fraction: float) -> None:
        if cancelled():
            raise WorkerError("cancelled", "cancelled")
        tell(0.7 + 0.3 * fraction)

    identity = pixels_identity(plate.data, plate.height, plate.width, plate.channels, wanted.working_space)
    exr.write_layers(
        path,
        result.memory(),
        data_window=plate.data_window,
        display_window=plate.display_window,
        pixel_aspect=plate.pixel_aspect,
        metadata=wanted.metadata(result.key, identity, str(hello["engine"])),
        progress=written,
    )


def _computed(tell: Callable[[float], None]) -> ProgressCallback:
    """The engine's part of a frame's progress."""
    return lambda fraction, _: tell(0.1 + 0.6 * fraction)


def _pixels(plate: exr.Capture, space: str) -> Pixels:
    return Pixels(plate.data, plate.height, plate.width, plate.channels, space)


def palette(
    node: Any, colors: int, given: JsonObject, frame: int, view: str, progress: Progress, cancelled: Cancelled
) -> JsonObject:
    """A palette that the engine found in a frame; the ``given`` colours come first. Call it in the main thread.

    Raises:
        WorkerError: of any code.
    """
    if node.input(0) is None:
        raise WorkerError("usage", "there is no image", "connect the img input")
    worker = engine.connect()
    with tempfile.TemporaryDirectory(prefix="softcolor-nuke-") as folder, _full_size():
        plate = _capture(node, PLATE, Path(folder) / "plate.exr", frame, view)
        return worker.palette(
            _pixels(plate, str(node["working_space"].value())),
            colors,
            given=given if given["colors"] else None,
            palette_method=str(node["palette_method"].value()),
            progress=lambda fraction, _: progress(fraction, "palette"),
            cancelled=cancelled,
        )


def state_flags() -> int:
    """What ``Node.writeKnobs`` is to write."""
    return int(nuke.TO_SCRIPT) | int(nuke.WRITE_NON_DEFAULT_ONLY)


def _capture(node: Any, name: str, path: Path, frame: int, view: str) -> exr.Capture:
    """Lets a Write inside the node write one frame.

    Raises:
        WorkerError: Nuke could not, with what it said.
    """
    write = node.node(name)
    if write is None:
        raise WorkerError("usage", f"the node has no {name} inside", "make a new Soft Color Segment node")
    if path.exists():
        path.unlink()
    write["file"].setValue(path.as_posix())
    write["disable"].setValue(False)
    try:
        nuke.execute(write, frame, frame, 1, [view])
    except RuntimeError as error:
        if "ancel" in str(error):
            raise WorkerError("cancelled", "cancelled") from error
        message = f"Nuke could not write frame {frame} of the image ({error})"
        raise WorkerError("input", message, "see that the image shows at this frame in a viewer") from error
    finally:
        write["disable"].setValue(True)
        write["file"].setValue("")
    if not path.is_file():
        raise WorkerError(
            "input", f"Nuke wrote no image for frame {frame}", "see that the image is there and not black"
        )
    return exr.read_capture(path)


@contextmanager
def _full_size() -> Iterator[None]:
    """Proxy mode off, and nothing of what is done inside in the undo list."""
    proxy = nuke.root()["proxy"]
    before = proxy.value()
    nuke.Undo.disable()
    try:
        if before:
            proxy.setValue(False)
        yield
    finally:
        if before:
            proxy.setValue(True)
        nuke.Undo.enable()
