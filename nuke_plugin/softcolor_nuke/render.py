"""Fills the cache: the image is written by a Write inside the node, the engine computes, the layers are written."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Callable

import nuke

from . import engine, layer_names, settings, upstream
from .fscs import frames
from .fscs.atomic import replaced_file
from .fscs.client import LayerMask, Plate, ProgressCallback
from .fscs.protocol import JsonObject, WorkerError

if TYPE_CHECKING:
    from typing import TypeGuard

PLATE, MASK = "CapturePlate", "CaptureMask"
"""The Write nodes inside the node. They are disabled but while they are used."""

capturing: set[str] = set()
"""Full names of the nodes whose image is being written: callbacks for all Writes of a studio can look here."""

Progress = Callable[[float, str], None]
Cancelled = Callable[[], bool]


def cache_template(node: nuke.Group) -> str:
    """The name of the cached files, with Tcl worked out and the places for frame and view left in.

    Raises:
        WorkerError: none is chosen, it is not an absolute path, or all views of a stereo image would share it.
    """
    template = upstream.template_of(node)
    cure = "choose a file on the Cache tab, such as /shot/softcolor/layers.%04d.exr"
    if not template:
        raise WorkerError("usage", "no cache file is set", cure)
    if not Path(template).is_absolute() or not template.lower().endswith(".exr"):
        raise WorkerError("usage", f"{template!r} is not the absolute path of an .exr file", cure)
    if not frames.has_view(template) and len(nuke.views()) > 1 and upstream.differs_by_view(node):
        message = f"the image has several views, but {template} is one file for all"
        raise WorkerError("usage", message, "put %V into the name on the Cache tab")
    return template


def render(
    node: nuke.Group, numbers: Sequence[int], views: Sequence[str], progress: Progress, cancelled: Cancelled
) -> None:
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
    template = check(node, numbers, views)
    worker = engine.connect()
    layer_names.follow(node)
    above = upstream.state(node, state_flags())
    jobs = [(frame, view) for frame in numbers for view in views]
    with tempfile.TemporaryDirectory(prefix="softcolor-nuke-") as name, _full_size():
        folder = Path(name)
        upstream.reload(node)
        plates = _Plates(node, folder)
        for index, (frame, view) in enumerate(jobs):
            if cancelled():
                raise WorkerError("cancelled", "cancelled")

            def tell(fraction: float, index: int = index, frame: int = frame) -> None:
                progress((index + fraction) / len(jobs), f"frame {frame}")

            tell(0.0)
            wanted = settings.of_node(node, frame)
            notes = {
                upstream.STATE: above,
                upstream.STAMPS: upstream.stamps(node, frame, view),
                upstream.SOURCES: upstream.sources(node, frame, view),
            }
            plate, before, after = plates.around(frame, view)
            masks = []
            if wanted.mask is not None:
                mask = _capture(node, MASK, folder / "mask.exr", frame, view)
                masks = [LayerMask(*wanted.mask, path=str(mask))]
            space = wanted.working_space
            with _written(frames.file_of(template, frame, view), folder) as path:
                worker.segment(
                    _plate(plate, space),
                    wanted.palette,
                    wanted.parameters(),
                    before=[_plate(each, space) for each in before],
                    after=[_plate(each, space) for each in after],
                    masks=masks,
                    model=wanted.model,
                    working_space=space,
                    device=wanted.device,
                    precision=settings.PRECISION,
                    tile=wanted.tile,
                    output={
                        "path": path,
                        "overwrite": True,
                        "notes": {note: text for note, text in notes.items() if text},
                    },
                    progress=_computed(tell),
                    cancelled=cancelled,
                ).close()


def check(node: nuke.Group, numbers: Sequence[int], views: Sequence[str]) -> str:
    """The name of the cached files, if these frames and views can be rendered.

    Raises:
        WorkerError: they can't; it says why (code ``usage``).
    """
    template = cache_template(node)
    if not numbers:
        raise WorkerError("usage", "the frame range is empty", "set First Frame and Last Frame")
    wanted = settings.of_node(node, numbers[0])
    if node.input(0) is None:
        raise WorkerError("usage", "there is no image", "connect the img input")
    if wanted.mask is not None and node.input(1) is None:
        raise WorkerError(
            "usage", "Use Mask is on, but no mask is connected", "connect the mask input, or turn Use Mask off"
        )
    first, last = int(node["first_frame"].value()), int(node["last_frame"].value())
    outside = [number for number in numbers if not first <= number <= last]
    if outside:
        message = f"frame {outside[0]} is not between First Frame {first} and Last Frame {last}"
        raise WorkerError("usage", message, "set them on the Cache tab; the node reads no other frames")
    if len(numbers) > 1 and not frames.has_frame(template):
        raise WorkerError("usage", f"{template} has no frame number", "put %04d or #### into the name")
    if len(views) > 1 and not frames.has_view(template):
        raise WorkerError("usage", f"{template} has no view", "put %V into the name")
    for other in nuke.allNodes("Group", group=nuke.root(), recurseGroups=True):
        if _takes(other, template) and _made_of(other, numbers[0]) != _made_of(node, numbers[0]):
            message = f"{other.fullName()} has other layers in the same files"
            raise WorkerError("usage", message, "choose another File on the Cache tab of one of the two")
    return template


def _takes(other: nuke.Node, template: str) -> TypeGuard[nuke.Group]:
    """Whether a node reads these files."""
    return upstream.is_ours(other) and other["mode"].value() == "Cached" and upstream.template_of(other) == template


def _made_of(node: nuke.Group, frame: int) -> tuple[object, ...]:
    """What the layers of a frame are made of."""
    wanted = settings.of_node(node, frame)
    colors = [color["rgb"] for color in wanted.palette["colors"]]
    return (
        colors,
        wanted.parameters(),
        wanted.mask,
        wanted.working_space,
        wanted.model,
        upstream.state(node, state_flags()),
    )


class _Plates:
    """The image at the frames that are rendered, and at those around them that the temporal smoothing looks at."""

    def __init__(self, node: nuke.Group, folder: Path) -> None:
        self._node, self._folder = node, folder
        self._kept: dict[tuple[str, int], Path] = {}

    def around(self, frame: int, view: str) -> tuple[Path, list[Path], list[Path]]:
        """The image at a frame, before it and after it; without temporal smoothing at this frame alone.

        Raises:
            WorkerError: Nuke could not make one of them.
        """
        near = upstream.window(self._node, frame)
        for place in [place for place in self._kept if place[1] < near[0] or place[0] != view]:
            self._kept.pop(place).unlink()
        for number in near:
            if (view, number) not in self._kept:
                file = self._folder / f"plate-{number}.exr"
                try:
                    self._kept[view, number] = _capture(self._node, PLATE, file, number, view)
                except WorkerError as error:
                    if number == frame or error.code == "cancelled":
                        raise
                    message = f"{error.message}, which the temporal smoothing of frame {frame} needs"
                    raise WorkerError(error.code, message, f"{error.cure}, or set Temporal Smoothing to 0") from error
        found = [self._kept[view, number] for number in near]
        here = near.index(frame)
        return found[here], found[:here], found[here + 1 :]


@contextmanager
def _written(path: str, folder: Path) -> Iterator[str]:
    """Where the engine is to write a file.

    That is another one, and is copied, where the name has signs that the engine takes for a frame's number.
    """
    cure = "choose another folder for the cache, or free some disk space"
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WorkerError("output", f"{path} can't be written ({error.strerror})", cure) from error
    made = folder / "layers.exr"
    copied = re.search(r"[#@%$<]", path) is not None
    try:
        yield str(made) if copied else path
    except WorkerError as error:
        if error.code == "output":
            raise WorkerError(error.code, error.message, cure) from error
        raise
    if not copied:
        return
    with replaced_file(path, cure) as file, made.open("rb") as source:
        shutil.copyfileobj(source, file)
    made.unlink()


def _computed(tell: Callable[[float], None]) -> ProgressCallback:
    """The engine's part of a frame's progress."""
    return lambda fraction, _: tell(0.1 + 0.9 * fraction)


def _plate(file: Path, space: str) -> Plate:
    return Plate(str(file), color_space=space, by_pixels=True)


def palette(
    node: nuke.Group, colors: int, given: JsonObject, frame: int, view: str, progress: Progress, cancelled: Cancelled
) -> JsonObject:
    """A palette that the engine found in a frame; the ``given`` colors come first. Call it in the main thread.

    Raises:
        WorkerError: of any code.
    """
    if node.input(0) is None:
        raise WorkerError("usage", "there is no image", "connect the img input")
    worker = engine.connect()
    with tempfile.TemporaryDirectory(prefix="softcolor-nuke-") as folder, _full_size():
        plate = _capture(node, PLATE, Path(folder) / "plate.exr", frame, view)
        return worker.palette(
            _plate(plate, str(node["working_space"].value())),
            colors,
            given=given if given["colors"] else None,
            palette_method=str(node["palette_method"].value()),
            progress=lambda fraction, _: progress(fraction, "palette"),
            cancelled=cancelled,
        )


def put_away(node: nuke.Group) -> None:
    """The Write nodes inside the node as they are while nothing is captured; a script may be saved meanwhile."""
    for name in (PLATE, MASK):
        write = node.node(name)
        if write is not None and (write["file"].value() or not write["disable"].value()):
            write["disable"].setValue(True)
            write["file"].setValue("")


def state_flags() -> int:
    """What ``Node.writeKnobs`` is to write."""
    return int(nuke.TO_SCRIPT) | int(nuke.WRITE_NON_DEFAULT_ONLY)


def _capture(node: nuke.Group, name: str, path: Path, frame: int, view: str) -> Path:
    """Lets a Write inside the node write one frame. Returns its file.

    Raises:
        WorkerError: Nuke could not, with what it said.
    """
    write = node.node(name)
    if write is None:
        raise WorkerError("usage", f"the node has no {name} inside", "make a new Soft Color Segment node")
    if path.exists():
        path.unlink()
    write["file"].setValue(path.as_posix().replace("[", "\\["))
    if name == MASK:
        node.node("MaskChannel")["from0"].setValue(str(node["mask_from"].value()))
    write["disable"].setValue(False)
    capturing.add(node.fullName())
    try:
        nuke.execute(write, frame, frame, 1, [view])
    except RuntimeError as error:
        if str(error).startswith("Cancel"):
            raise WorkerError("cancelled", "cancelled") from error
        message = f"Nuke could not write frame {frame} of the image ({error})"
        raise WorkerError("input", message, "check that a Viewer shows the image at this frame") from error
    finally:
        capturing.discard(node.fullName())
        put_away(node)
    if not path.is_file():
        raise WorkerError(
            "input", f"Nuke wrote no image for frame {frame}", "check that the image exists and is not black"
        )
    return path


@contextmanager
def _full_size() -> Iterator[None]:
    """Proxy mode off; nothing that is done inside is in the undo list, or a change of the script."""
    proxy = nuke.root()["proxy"]
    before = proxy.value()
    with upstream.unnoticed():
        try:
            if before:
                proxy.setValue(False)
            yield
        finally:
            if before:
                proxy.setValue(True)
