"""What tests of the plug-in share: its modules, plates for it, and the layers that come out of its node."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

import numpy as np
import OpenImageIO as oiio

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


def render(node: Any, numbers: Sequence[int] = (1001,), views: Sequence[str] = ("main",)) -> None:
    """Fills the cache."""
    module("render").render(node, list(numbers), list(views), lambda *_: None, lambda: False)


def layers_of(picture: Any, colors: int) -> np.ndarray:
    """(K, H, W, 4) of the layers in a picture."""
    return np.stack(
        [np.stack([picture.channels[f"softcolor{n}.{one}"] for one in CHANNELS], -1) for n in range(1, colors + 1)]
    )


def described(node: Any) -> tuple[dict[str, str], Any]:
    """The metadata of a file that this node's settings would give, and the settings."""
    wanted = module("settings").of_node(node, 1001)
    return wanted.metadata("0" * 64, "1" * 64, "0.1.0"), wanted


def fill_cache(node: Any, path: Path, more: Mapping[str, str] = MappingProxyType({})) -> np.ndarray:
    """Writes a file of random layers as if they had been rendered with the node's settings. Returns them."""
    metadata, wanted = described(node)
    metadata.update(more)
    values = np.random.default_rng(7).random((wanted.colors, HEIGHT, WIDTH, 4), np.float32)
    module("exr").write_layers(
        path,
        memoryview(values),
        data_window=[LEFT, TOP, WIDTH, HEIGHT],
        display_window=[0, 0, 30, 28],
        metadata=metadata,
    )
    return values
