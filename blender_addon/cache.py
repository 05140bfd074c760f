# SPDX-License-Identifier: GPL-3.0-or-later
"""The layers of every frame on disk, beside the .blend: one layered EXR a frame, which says what it was made from."""

from __future__ import annotations

import fnmatch
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from . import exr
from .fscs.naming import CHANNELS, METADATA_PREFIX, layer_channels
from .preferences import cache_folder
from .properties import is_uid

PALETTE = "palette.json"
LAYERS = "layers*.exr"


def folder(node: Any) -> Path:
    """Where the layers of a node lie: beside the .blend that it is in, even if it is linked from there."""
    library = node.id_data.library
    blend = bpy.path.abspath(library.filepath) if library is not None else bpy.data.filepath
    return cache_folder(blend) / (node.uid if is_uid(node.uid) else "unknown")


def file_of(node: Any, frame: int, *, still: bool) -> Path:
    """The file of a frame; what is linked to a still has one file for all frames."""
    return folder(node) / ("layers.exr" if still else f"layers.{frame:04d}.exr")


def store(path: Path, layers: Any, facts: Mapping[str, str]) -> None:
    """Writes the layers of a frame.

    Args:
        path: from :func:`file_of`.
        layers: (K, H, W, 4) float32, premultiplied, upper row first.
        facts: what they were made from, by names without the prefix of metadata.

    Raises:
        OSError: it can't be written.
    """
    channels = (channel for layer in layers for channel in np.moveaxis(layer, -1, 0))
    planes = dict(zip(layer_channels(len(layers)), channels, strict=True))
    exr.write(path, planes, {METADATA_PREFIX + name: text for name, text in facts.items()})


def facts_of(path: Path) -> dict[str, str]:
    """What the layers of a file were made from.

    Raises:
        OSError: there is no such file.
        exr.ExrError: it is damaged.
    """
    texts = exr.read_header(path).texts
    return {name[len(METADATA_PREFIX) :]: text for name, text in texts.items() if name.startswith(METADATA_PREFIX)}


def load(path: Path) -> Any:
    """The layers of a frame, (K, H, W, 4) float32, premultiplied, upper row first.

    Raises:
        OSError: there is no such file.
        exr.ExrError: it is damaged.
    """
    count = len(exr.read_header(path).channels) // len(CHANNELS)
    planes = exr.read(path, layer_channels(count))
    return np.moveaxis(planes.reshape(count, len(CHANNELS), *planes.shape[1:]), 1, -1)


def keep_palette(place: Path, palette: Mapping[str, Any]) -> None:
    """Keeps the palette of the frames in their folder: one that was found for a file that is not saved with it would be
    lost. Raises OSError."""
    path = place / PALETTE
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    temporary.write_text(json.dumps(palette), encoding="utf-8")
    temporary.replace(path)


def kept_palette(node: Any) -> dict[str, Any] | None:
    """The palette of the frames in the cache, in the form of the palette file; None if there is none."""
    try:
        palette = json.loads((folder(node) / PALETTE).read_text(encoding="utf-8"))
        return palette if isinstance(palette["colors"], list) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def clear(node: Any) -> int:
    """Removes all files of a node. Returns how many there were."""
    files = list(folder(node).glob(LAYERS))
    shutil.rmtree(folder(node), ignore_errors=True)
    return len(files)


def follow(node: Any) -> None:
    """After the .blend was saved under another name: brings the layers along, as the old file keeps its own."""
    old, new = Path(node.cached_in) if node.cached_in else None, folder(node)
    if old is not None and old != new and old.is_dir() and not new.exists():
        shutil.copytree(old, new, ignore=_not_ours, copy_function=_second_name)
    if new.is_dir() and node.cached_in != str(new):
        node.cached_in = str(new)


def _not_ours(_folder: str, names: list[str]) -> set[str]:
    return {name for name in names if name != PALETTE and not fnmatch.fnmatch(name, LAYERS)}


def _second_name(old: str, new: str) -> None:
    """Files of the cache are replaced, never changed, so another name for one is as good as a copy."""
    try:
        os.link(old, new)
    except OSError:  # on another disk, or one that can't do it
        shutil.copyfile(old, new)
