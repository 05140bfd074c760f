"""What the knobs of a node ask for, and how a cached file stands to it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Optional

from .fscs.key import CACHE_FORMAT, RESULT_PARAMETERS
from .fscs.naming import METADATA_PREFIX, mask_text
from .fscs.parameters import BY_NAME, MAXIMUM_COLORS
from .fscs.protocol import JsonObject, WorkerError
from .fscs.sums import SUMS
from .working_space import SPACES

if TYPE_CHECKING:
    import nuke

SCALARS = RESULT_PARAMETERS
PER_LAYER = tuple(name for name, parameter in BY_NAME.items() if parameter.per_layer)

PRECISION = "float32"
"""Asked of the engine always: it is part of the key, and the engine's reply does not say what ``auto`` became."""

_NEAR = 2e-5
"""Two values of the same setting differ by less; those of a script are rounded."""


@dataclass(frozen=True)
class Settings:
    """The settings of a node.

    Attributes:
        palette: in the form of the palette file.
        scalars: the single-valued parameters of the alpha processing.
        layers: the per-layer ones that are not at their default: by name, then by layer from 1.
        mask: its mode and layers, None without a mask.
        working_space: of the image and of the layers.
        model: its name.
        device: where the engine computes.
        tile: pixels.
    """

    palette: JsonObject
    scalars: Mapping[str, float]
    layers: Mapping[str, Mapping[int, float]]
    mask: Optional[tuple[str, tuple[int, ...]]]
    working_space: str
    model: str
    device: str
    tile: int

    @property
    def colors(self) -> int:
        """K."""
        return len(self.palette["colors"])

    def parameters(self) -> dict[str, Any]:
        """As the worker takes them."""
        return {**self.scalars, **self.layers}

    def mask_text(self) -> str:
        """The mask's settings as they stand in a file, and as the node's own check writes them."""
        return "" if self.mask is None else mask_text([self.mask])


def colors_of(node: nuke.Group) -> int:
    """K. A knob takes more than its slider shows.

    Raises:
        WorkerError: there are not so many (code ``usage``).
    """
    colors = int(node["colors"].value())
    if not 1 <= colors <= MAXIMUM_COLORS:
        raise WorkerError("usage", f"Colors is {colors}", f"set it to 1 to {MAXIMUM_COLORS}")
    return colors


def of_node(node: nuke.Group, frame: int) -> Settings:
    """The settings that the knobs hold at a frame.

    Raises:
        WorkerError: the numbers of the colors or of the mask's layers are none (code ``usage``).
    """
    colors = colors_of(node)
    per_layer: dict[str, dict[int, float]] = {}
    for name in PER_LAYER:
        for n in range(1, colors + 1):
            value = float(node[f"{name}{n}"].getValueAt(frame))
            if value != float(BY_NAME[name].default):
                per_layer.setdefault(name, {})[n] = value
    return Settings(
        palette=palette_of(node, frame),
        scalars={name: float(node[name].getValueAt(frame)) for name in SCALARS},
        layers=per_layer,
        mask=_mask_of(node, colors) if node["use_mask"].value() else None,
        working_space=str(node["working_space"].value()),
        model=str(node["model"].value()),
        device=str(node["device"].value()),
        tile=int(node["tile"].value()),
    )


def palette_of(node: nuke.Group, frame: int, only_locked: bool = False) -> JsonObject:
    """The palette of the knobs at a frame, in the form of the palette file; ``only_locked`` leaves the others out.

    Raises:
        WorkerError: the number of the colors is none (code ``usage``).
    """
    colors = []
    for n in range(1, colors_of(node) + 1):
        locked = bool(node[f"lock{n}"].value())
        if locked or not only_locked:
            rgb = [float(node[f"p{n}{letter}"].getValueAt(frame)) for letter in "rgb"]
            colors.append({"rgb": rgb, "name": str(node[f"name{n}"].value()), "locked": locked})
    return {"version": 1, "space": "srgb", "colors": colors}


def _mask_of(node: nuke.Group, colors: int) -> tuple[str, tuple[int, ...]]:
    mode, text = str(node["mask_mode"].value()), str(node["mask_layers"].value())
    cure = "write their numbers with spaces between, as in 1 3"
    try:
        numbers = tuple(int(word) for word in text.split())
    except ValueError as error:
        raise WorkerError("usage", f"Mask Layers is {text!r}", cure) from error
    if not numbers or not all(1 <= number <= colors for number in numbers):
        raise WorkerError("usage", f"Mask Layers is {text!r}, the layers are 1 to {colors}", cure)
    if mode == "split" and len(numbers) != 2:
        raise WorkerError("usage", f"Mask Layers is {text!r}", "name two layers to split, as in 1 3")
    return mode, numbers


def palette_of_file(header: Mapping[str, Any]) -> JsonObject:
    """The palette in a cached file's header, in the form of the palette file."""
    found: JsonObject = json.loads(header[METADATA_PREFIX + "palette"])
    return found


def take(node: nuke.Group, header: Mapping[str, Any]) -> None:
    """Sets the knobs to what a cached file was made with, but for the palette.

    Raises:
        WorkerError: the node has no such working space (code ``usage``).
    """
    parameters = json.loads(header[METADATA_PREFIX + "parameters"])
    space = header[METADATA_PREFIX + "working_space"]
    if space not in SPACES:
        message = f"the file's {BY_NAME['working_space'].label} is {space!r}"
        raise WorkerError("usage", message, f"choose a file in {', '.join(SPACES)}")
    node["working_space"].setValue(space)
    node["model"].setValue(header[METADATA_PREFIX + "model"])
    for name in SCALARS:
        node[name].setValue(type(BY_NAME[name].default)(parameters[name]))
    for name in PER_LAYER:
        there = parameters.get(name, {})
        for n in range(1, MAXIMUM_COLORS + 1):
            node[f"{name}{n}"].setValue(float(there.get(str(n), BY_NAME[name].default)))
    mode, _, layers = header.get(METADATA_PREFIX + "mask", "").partition(" ")
    node["use_mask"].setValue(bool(mode))
    if mode:
        node["mask_mode"].setValue(mode)
        node["mask_layers"].setValue(layers)


def difference(settings: Settings, header: Mapping[str, Any]) -> str:
    """What of a cached file is not as the knobs say, in words; an empty text if all is.

    The node's own checks compare the same things by expressions, where the plug-in is not installed.
    """
    if len(str(header.get(METADATA_PREFIX + "key", ""))) != 64:
        return "the file holds no layers"
    if str(header.get(METADATA_PREFIX + SUMS, "")).split()[5:] != [str(CACHE_FORMAT)]:
        return "the plug-in or the engine changed"
    try:
        palette = json.loads(header[METADATA_PREFIX + "palette"])["colors"]
        parameters = json.loads(header[METADATA_PREFIX + "parameters"])
        if len(palette) != settings.colors:
            return f"it has {len(palette)} colors and the node {settings.colors}"
        for there, here in zip(palette, settings.palette["colors"]):
            if any(abs(a - b) > _NEAR for a, b in zip(there["rgb"], here["rgb"])):
                return "the palette changed"
        for name, value in settings.scalars.items():
            if abs(float(parameters[name]) - value) > 1e-4 * abs(value):
                return f"{BY_NAME[name].label} changed"
        for name in PER_LAYER:
            default = float(BY_NAME[name].default)
            there = parameters.get(name, {})
            for n in range(1, settings.colors + 1):
                value = settings.layers.get(name, {}).get(n, default)
                if abs(float(there.get(str(n), default)) - value) > _NEAR:
                    return f"{BY_NAME[name].label} of layer {n} changed"
    except (KeyError, TypeError, ValueError) as error:
        return f"its header can't be understood ({error})"
    for name, text in (("working_space", settings.working_space), ("model", settings.model)):
        if header.get(METADATA_PREFIX + name) != text:
            return f"{BY_NAME[name].label} changed"
    if header.get(METADATA_PREFIX + "mask", "") != settings.mask_text():
        return "the mask's settings changed"
    return ""
