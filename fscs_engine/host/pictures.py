"""What a host hands over, pictures and masks, and what it gets back, layers."""

from __future__ import annotations

import contextlib
import mmap
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional, TypeVar, Union

from . import protocol
from .protocol import JsonObject, WorkerError


@dataclass(frozen=True)
class Plate:
    """A picture that is a file. The engine reads it and never writes there.

    Attributes:
        path: its whole path.
        color_space: what its values are, as the parameter ``input_space`` has it: "auto", "srgb", "lin_rec709",
            "acescg", a camera's log, or a name or role of the OpenColorIO config.
        layer: the layer of an EXR to take, empty for the root layer.
        clean_nonfinite: replaces NaN and infinity by their neighbors' mean instead of refusing them.
        alpha: "auto", or whether the file's colors are "straight" or "premultiplied".
        by_pixels: its pixels stand for it in the cache key, and not the bytes of the file, which may hold a date.
    """

    path: str
    color_space: str = "auto"
    layer: str = ""
    clean_nonfinite: bool = False
    alpha: str = "auto"
    by_pixels: bool = False


@dataclass(frozen=True)
class Pixels:
    """A picture in memory.

    Attributes:
        data: float32 in C order, (H, W, C) with the top row first, C 3 or 4, premultiplied: bytes, an ``array`` of
            type "f", a NumPy array or anything else with a buffer.
        height: H.
        width: W.
        channels: C.
        color_space: "srgb", "lin_rec709", "acescg" or a name of the OpenColorIO config.
        clean_nonfinite: replaces NaN and infinity by their neighbors' mean instead of refusing them.
    """

    data: Any
    height: int
    width: int
    channels: int
    color_space: str
    clean_nonfinite: bool = False


@dataclass(frozen=True)
class LayerMask:
    """A mask: pixels in memory or a file, as large as the picture.

    Attributes:
        mode: "limit" multiplies ``layers`` by the mask, "split" shares two layers by it.
        layers: layer numbers from 1.
        data: float32 in [0, 1], C order, (H, W) with the top row first; None if ``path`` is given.
        height: H of ``data``.
        width: W of ``data``.
        path: whole path of a picture whose first channel is the mask.
    """

    mode: str
    layers: Sequence[int]
    data: Any = None
    height: int = 0
    width: int = 0
    path: str = ""


Picture = Union[Plate, Pixels]


class SharedPixels:
    """Pixels that the engine made, mapped from a file in the worker's private folder.

    They are there until ``close()`` of them or of their worker, or until nothing refers to this object any more.

    Args:
        folder: the private folder.
        name: the file in it, empty where there is none.
        shape: of the pixels.

    Attributes:
        path: the file: little-endian float32, C order, top row first, premultiplied.
        shape: ``(H, W, 4)``, or ``(K, H, W, 4)`` of layers.
    """

    def __init__(self, folder: Path, name: str, shape: tuple[int, ...]) -> None:
        self.shape = shape
        self.path = ""
        self._map: Optional[mmap.mmap] = None
        if name:
            self.path = str(protocol.shared_path(folder, name))
            self._remove = weakref.finalize(self, protocol.remove_shared, folder, name)
            with protocol.open_shared(folder, name, shape) as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def memory(self) -> memoryview[float]:
        """The pixels without a copy: a read-only view of float32 of ``shape``; ``numpy.asarray`` takes it.

        Raises:
            WorkerError: they or their worker were closed.
        """
        if self._map is None:
            raise WorkerError("worker", "these layers are closed", "read them before closing them or their worker")
        return memoryview(self._map).cast("f", self.shape)

    def close(self) -> None:
        """Gives the disk space back. Views that are still in use stay readable."""
        if self._map is not None:
            with contextlib.suppress(BufferError):  # a view is in use; the mapping goes with it
                self._map.close()
            self._map = None
            self._remove()

    def __enter__(self: _Shared) -> _Shared:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


_Shared = TypeVar("_Shared", bound=SharedPixels)


class Layers(SharedPixels):
    """The layers of one picture: pixels (K, H, W, 4), or the files that the engine wrote.

    Attributes:
        outputs: those files.
        metadata: what such a file says of itself.
        palette: in the form of the palette file.
        coverage: mean alpha of each layer.
        seconds: what took how long.
        error_max: largest difference between the sum of the layers and the picture.
        working_space: the color space in which the layers add up.
        model: the model's name.
        weights_sha256: of its weights.
        key: the cache key of this result.
        input: what stands in it for the picture, and for those around it where these were used.
        read_as: what the file's values were taken for: "space", "encoding", "reason", "alpha", "converted", and
            "warnings", a line for each thing in it that was not understood; empty from an older engine.
        data_window: x, y, width, height of the pixels, y downwards.
        display_window: x, y, width, height of the picture's format.
    """

    def __init__(self, folder: Path, reply: JsonObject) -> None:
        self.outputs: list[str] = reply.get("outputs", [])
        self.metadata: dict[str, str] = reply.get("metadata", {})
        self.palette: JsonObject = reply["palette"]
        self.coverage: list[float] = reply["coverage"]
        self.seconds: dict[str, float] = reply["seconds"]
        self.error_max: float = reply["error_max"]
        self.working_space: str = reply["working_space"]
        self.model: str = reply["model"]
        self.weights_sha256: str = reply["weights_sha256"]
        self.key: str = reply["key"]
        self.input: str = reply["input"]
        self.read_as: JsonObject = reply.get("read_as", {})
        self.data_window: list[int] = reply["data_window"]
        self.display_window: list[int] = reply["display_window"]
        name = "" if self.outputs else reply["layers"]
        super().__init__(folder, name, shape_of(reply["shape"], 4) if name else ())


def shape_of(sides: Any, count: int) -> tuple[int, ...]:
    """The shape of pixels as a reply says it: ``count`` sides, of which the last is 4.

    Raises:
        WorkerError: it can't be that of layers or a picture.
    """
    limits = (protocol.MAXIMUM_LAYERS, protocol.MAXIMUM_SIDE, protocol.MAXIMUM_SIDE, 4)[-count:]
    if not isinstance(sides, list) or len(sides) != count or sides[-1] != 4:
        raise protocol.protocol_error(f"pixels of shape {sides}")
    if not all(type(side) is int and 1 <= side <= limit for side, limit in zip(sides, limits)):
        raise protocol.protocol_error(f"pixels of shape {sides}")
    return tuple(sides)


def bytes_of(what: str, data: Any, shape: Sequence[int]) -> memoryview:
    """Pixels as they go into a file.

    Raises:
        WorkerError: no float32 in C order, or another number of them than ``shape`` says.
    """
    try:
        view = memoryview(data)
        if view.format not in ("f", "B", "b", "c"):
            raise TypeError(f"its numbers are of type {view.format!r}")
        view = view.cast("B")
    except TypeError as error:
        raise WorkerError("usage", f"the {what} can't be read as float32 in C order ({error})", "convert it") from error
    if len(view) != protocol.pixel_bytes(shape):
        sides = " × ".join(str(side) for side in shape)
        message = f"the {what} has {len(view)} bytes, {sides} float32 numbers are {protocol.pixel_bytes(shape)}"
        raise WorkerError("usage", message, "give the true height, width and channels")
    return view
