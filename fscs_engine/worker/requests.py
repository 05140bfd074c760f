"""What hosts ask for, read from their messages and held against the parameter table before anything is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..host import protocol
from ..host.key import RESULT_PARAMETERS
from ..host.naming import METADATA_PREFIX
from ..host.parameters import BY_NAME, MAXIMUM_COLORS, PALETTE_FRAMES, TEMPORAL_RADIUS
from ..host.protocol import Fields, JsonObject, WorkerError

PER_LAYER = tuple(name for name, parameter in BY_NAME.items() if parameter.per_layer)


@dataclass(frozen=True)
class ImageSource:
    """A picture to come: a plate by ``path``, or ``file`` in the private folder with its ``shape`` (H, W, C)."""

    path: Path | None
    file: str
    shape: tuple[int, int, int]
    color_space: str
    layer: str
    clean_nonfinite: bool
    alpha: str = "auto"
    by_pixels: bool = False


@dataclass(frozen=True)
class MaskSource:
    """A mask to come: a picture by ``path``, or ``file`` in the private folder with its ``shape`` (H, W)."""

    mode: str
    layers: tuple[int, ...]
    path: Path | None
    file: str
    shape: tuple[int, int]


@dataclass(frozen=True)
class PaletteRequest:
    """What ``palette`` asks for; ``given`` and ``palette`` below are in the form of the palette file."""

    image: ImageSource
    others: tuple[ImageSource, ...]
    colors: int
    given: JsonObject | None
    method: str
    seed: int
    ocio: Path | None


@dataclass(frozen=True)
class ReadRequest:
    """What ``read`` asks for: the image in a working space."""

    image: ImageSource
    working_space: str
    ocio: Path | None


@dataclass(frozen=True)
class OutputRequest:
    """The file or folder that ``segment`` writes, and the switches and notes of the options."""

    path: str
    options: Mapping[str, Any]


@dataclass(frozen=True)
class SegmentRequest:
    """What ``segment`` asks for; ``before`` and ``after`` are the frames around the image in time, in their order."""

    image: ImageSource
    before: tuple[ImageSource, ...]
    after: tuple[ImageSource, ...]
    palette: JsonObject
    parameters: Mapping[str, Any]
    adjustments: Mapping[int, Mapping[str, float]]
    masks: tuple[MaskSource, ...]
    model: str
    working_space: str
    device: str
    precision: str
    tile: int
    ocio: Path | None
    output: OutputRequest | None


def parse_read(fields: Fields) -> ReadRequest:
    """Reads a read request. Raises WorkerError (``protocol``)."""
    request = ReadRequest(
        image=_parse_image(Fields(fields.mapping("image"), "image")),
        working_space=fields.text("working_space", BY_NAME["working_space"].default),
        ocio=_absolute(fields, "ocio"),
    )
    fields.end()
    return request


def parse_palette(fields: Fields) -> PaletteRequest:
    """Reads a palette request. Raises WorkerError (``protocol``, ``usage``)."""
    colors = _table_value("colors", fields.number("colors"))
    given = fields.mapping("given") if fields.has("given") else None
    request = PaletteRequest(
        image=_parse_image(Fields(fields.mapping("image"), "image")),
        others=_parse_images(fields, "others", PALETTE_FRAMES - 1),
        colors=int(colors),
        given=given,
        method=_choice("palette_method", fields.text("palette_method", BY_NAME["palette_method"].default)),
        seed=fields.integer("seed", 0, 2**32 - 1, 0),
        ocio=_absolute(fields, "ocio"),
    )
    fields.end()
    return request


def parse_segment(fields: Fields, models: Mapping[str, object]) -> SegmentRequest:
    """Reads a segment request. Raises WorkerError (``protocol``, ``usage``)."""
    parameters, adjustments = _parse_parameters(Fields(fields.mapping("parameters", {}), "parameters"))
    request = SegmentRequest(
        image=_parse_image(Fields(fields.mapping("image"), "image")),
        before=_parse_images(fields, "before", TEMPORAL_RADIUS),
        after=_parse_images(fields, "after", TEMPORAL_RADIUS),
        palette=fields.mapping("palette"),
        parameters=parameters,
        adjustments=adjustments,
        masks=tuple(_parse_mask(mask, f"masks[{n}]") for n, mask in enumerate(fields.items("masks", []))),
        model=_parse_model(fields.text("model", BY_NAME["model"].default), models),
        working_space=fields.text("working_space", BY_NAME["working_space"].default),
        device=_choice("device", fields.text("device", BY_NAME["device"].default)),
        precision=_choice("precision", fields.text("precision", BY_NAME["precision"].default)),
        tile=int(_table_value("tile", fields.number("tile", BY_NAME["tile"].default))),
        ocio=_absolute(fields, "ocio"),
        output=_parse_output(Fields(fields.mapping("output"), "output")) if fields.has("output") else None,
    )
    fields.end()
    return request


def _parse_output(output: Fields) -> OutputRequest:
    path = _absolute_text(output, "path")
    switches = ("half", "clip", "single_part", "keep_image", "overwrite")
    notes = output.mapping("notes", {})
    if not all(name.startswith(METADATA_PREFIX) and isinstance(text, str) for name, text in notes.items()):
        raise protocol.protocol_error(f"output.notes are not texts whose names start with {METADATA_PREFIX}")
    found = OutputRequest(path, {**{name: output.flag(name, False) for name in switches}, "notes": notes})
    output.end()
    return found


def _parse_images(fields: Fields, name: str, most: int) -> tuple[ImageSource, ...]:
    found = fields.items(name, [])
    if len(found) > most or not all(isinstance(image, dict) for image in found):
        raise protocol.protocol_error(f"{fields.called(name)} is not a list of at most {most} images")
    return tuple(_parse_image(Fields(image, f"{name}[{n}]")) for n, image in enumerate(found))


def _parse_image(image: Fields) -> ImageSource:
    path = _absolute(image, "path")
    if path is not None:
        source = ImageSource(
            path=path,
            file="",
            shape=(0, 0, 0),
            color_space=image.text("color_space", BY_NAME["input_space"].default),
            layer=image.text("layer", ""),
            clean_nonfinite=image.flag("clean_nonfinite", False),
            alpha=_choice("alpha", image.text("alpha", BY_NAME["alpha"].default)),
            by_pixels=image.flag("by_pixels", False),
        )
    else:
        source = ImageSource(
            path=None,
            file=_plain(image, "file"),
            shape=(_side(image, "height"), _side(image, "width"), image.integer("channels", 3, 4)),
            color_space=image.text("color_space"),
            layer="",
            clean_nonfinite=image.flag("clean_nonfinite", False),
        )
    image.end()
    return source


def _parse_mask(value: object, where: str) -> MaskSource:
    if not isinstance(value, dict):
        raise protocol.protocol_error(f"{where} is not an object")
    mask = Fields(value, where)
    layers = mask.items("layers")
    if not all(isinstance(number, int) and not isinstance(number, bool) for number in layers):
        raise protocol.protocol_error(f"{where}.layers is not a list of whole numbers")
    path = _absolute(mask, "path")
    shared = path is None
    source = MaskSource(
        mode=_choice("mask_mode", mask.text("mode")),
        layers=tuple(layers),
        path=path,
        file=_plain(mask, "file") if shared else "",
        shape=(_side(mask, "height"), _side(mask, "width")) if shared else (0, 0),
    )
    mask.end()
    return source


def _side(fields: Fields, name: str) -> int:
    return fields.integer(name, 1, protocol.MAXIMUM_SIDE)


def _plain(fields: Fields, name: str) -> str:
    value = fields.text(name)
    protocol.shared_path(Path(), value)
    return value


def _absolute(fields: Fields, name: str) -> Path | None:
    """A path to read, or None if the field is not there. The worker's own folder means nothing to a host."""
    return Path(_absolute_text(fields, name)) if fields.has(name) else None


def _absolute_text(fields: Fields, name: str) -> str:
    path = fields.text(name)
    if not Path(path).is_absolute():
        raise protocol.protocol_error(f"{fields.called(name)} {path!r} is relative", cure="give an absolute path")
    return path


def _parse_model(name: str, models: Mapping[str, object]) -> str:
    """Registered names only: what a scene file or preset says must never choose a file to load."""
    if name not in models:
        raise WorkerError("usage", f"there is no model {name[:100]!r}", f"use {' or '.join(models)}")
    return name


def _parse_parameters(fields: Fields) -> tuple[dict[str, float], dict[int, dict[str, float]]]:
    values = {name: _table_value(name, fields.number(name)) for name in RESULT_PARAMETERS if fields.has(name)}
    adjustments: dict[int, dict[str, float]] = {}
    for name in PER_LAYER:
        layers = Fields(fields.mapping(name, {}), fields.called(name))
        for layer in layers.names():
            if layer not in _LAYER_NUMBERS:
                raise WorkerError("usage", f"{name}: there is no layer {layer[:20]!r}", f"use 1 to {MAXIMUM_COLORS}")
            value = _table_value(name, layers.number(layer))
            adjustments.setdefault(int(layer), {})[name.removeprefix("layer_")] = value
    fields.end()
    return values, adjustments


_LAYER_NUMBERS = frozenset(str(number) for number in range(1, MAXIMUM_COLORS + 1))


def _table_value(name: str, value: float) -> float:
    """Holds a number against the parameter table. Raises WorkerError (``usage``)."""
    if cure := BY_NAME[name].cure(value):
        raise WorkerError("usage", f"{name} is {value:g}", cure)
    return int(value) if BY_NAME[name].kind == "int" else value


def _choice(name: str, value: str) -> str:
    if cure := BY_NAME[name].cure(value):
        raise WorkerError("usage", f"{name} is {value[:100]!r}", cure)
    return value
