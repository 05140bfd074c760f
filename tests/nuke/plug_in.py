"""What tests of the plug-in share: its modules, plates for it, and the layers that come out of its node."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

import numpy as np
import OpenImageIO as oiio

from fscs_engine.files.exr import ExrLayerWriter
from fscs_engine.host.key import canonical_json, result_parameters
from fscs_engine.host.naming import METADATA_PREFIX
from fscs_engine.host.sums import SUMS, sums_text
from fscs_engine.image import Image, Window

HEIGHT, WIDTH, LEFT, TOP = 24, 32, -3, 2
CHANNELS = ("red", "green", "blue", "alpha")


def module(name: str) -> ModuleType:
    """A module of the plug-in, of those that the fixture ``plugin`` made importable."""
    return importlib.import_module(f"softcolor_nuke.{name}")


def write_plate(path: Path, channels: str = "RGBA", *, seed: int = 3, depth: bool = False) -> np.ndarray:
    """An EXR with overscan, highlights, negatives and, with A, soft edges; premultiplied. Returns its pixels."""
    random = np.random.default_rng(seed)
    x, y = np.meshgrid(np.linspace(0, 1, WIDTH), np.linspace(0, 1, HEIGHT))
    pixels = np.stack([x, y, 1 - x], axis=-1) ** 2 + random.normal(0, 0.01, (HEIGHT, WIDTH, 3))
    pixels[4:9, 4:9] *= 30
    if "A" in channels:
        alpha = np.clip(2 * y, 0, 1)[..., None]
        pixels = np.concatenate([pixels * alpha, alpha], axis=-1)
    names = list(channels)
    if depth:
        pixels = np.concatenate([pixels, x[..., None] * 100], axis=-1)
        names.append("depth.Z")
    pixels = np.ascontiguousarray(pixels, np.float32)
    spec = oiio.ImageSpec(WIDTH, HEIGHT, len(names), "float")
    spec.channelnames = names
    spec.x, spec.y = LEFT, TOP
    spec.full_width, spec.full_height = 30, 28
    path.parent.mkdir(parents=True, exist_ok=True)
    output = oiio.ImageOutput.create(str(path))
    assert output.open(str(path), spec) and output.write_image(pixels) and output.close()
    return pixels


def node_over(host: Any, plate: str, cache: str) -> Any:
    """A new node below a Read of ``plate``, with three colors and its files at ``cache``."""
    import nuke

    host.load(
        f"Read {{\n inputs 0\n file_type exr\n file {{{plate}}}\n first 1001\n last 1009\n raw true\n name Plate\n}}\n"
    )
    node = nuke.createNode("SoftColorSegment")
    node.setInput(0, nuke.toNode("Plate"))
    node["colors"].setValue(3)
    node["cache_file"].setValue(cache)
    node["first_frame"].setValue(1001)
    node["last_frame"].setValue(1002)
    return node


def nuke_program(folder: Path) -> Path:
    """A program that is called as Nuke in a terminal is, but the imitation."""
    program = folder / "Nuke 15.1"
    program.write_text(f"#!/bin/sh\nexec '{sys.executable}' '{Path(__file__).with_name('nuke_terminal.py')}' \"$@\"\n")
    program.chmod(0o755)
    return program


def render(node: Any, numbers: Sequence[int] = (1001,), views: Sequence[str] = ("main",)) -> None:
    """Fills the cache."""
    module("render").render(node, list(numbers), list(views), lambda *_: None, lambda: False)


def layers_of(picture: Any, colors: int) -> np.ndarray:
    """(K, H, W, 4) of the layers in a picture."""
    return np.stack(
        [np.stack([picture.channels[f"softcolor{n}.{one}"] for one in CHANNELS], -1) for n in range(1, colors + 1)]
    )


def described(node: Any, frame: int = 1001) -> tuple[dict[str, str], Any]:
    """What a file says of itself that the engine wrote for a node's settings, and the settings."""
    wanted = module("settings").of_node(node, frame)
    space = wanted.working_space
    parameters = result_parameters(
        wanted.scalars, wanted.layers, working_space=space, input_space=space, precision="float32"
    )
    values = {
        "palette": json.dumps(wanted.palette, sort_keys=True, separators=(",", ":"), ensure_ascii=True),
        "model": wanted.model,
        "working_space": space,
        "parameters": canonical_json(parameters),
        "version": "0.1.0",
        "key": "0" * 64,
        "input": "1" * 64,
        SUMS: sums_text([color["rgb"] for color in wanted.palette["colors"]], parameters),
    }
    if wanted.mask is not None:
        values["mask"] = wanted.mask_text()
    return {METADATA_PREFIX + name: value for name, value in values.items()}, wanted


def write_layers(path: Path, values: np.ndarray, metadata: Mapping[str, str], window: Window, display: Window) -> None:
    """A file of layers (K, H, W, 4), as the engine writes it."""
    layers, height, width, _ = values.shape
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image(np.zeros((height, width, 3), np.float32), "lin_rec709", window, display)
    sizes = {"height": height, "width": width, "layers": layers}
    with ExrLayerWriter(
        path, **sizes, metadata=metadata, image=image, color_space="lin_rec709", overwrite=True
    ) as writer:
        writer.write(0, values)


def fill_cache(node: Any, path: Path, more: Mapping[str, str] = MappingProxyType({})) -> np.ndarray:
    """Writes a file of random layers as if they had been rendered with the node's settings. Returns them."""
    metadata, wanted = described(node)
    metadata.update(more)
    values = np.random.default_rng(7).random((wanted.colors, HEIGHT, WIDTH, 4), np.float32)
    write_layers(path, values, metadata, Window(LEFT, TOP, WIDTH, HEIGHT), Window(0, 0, 30, 28))
    return values
