# SPDX-License-Identifier: GPL-3.0-or-later
"""The layers of every frame on disk, beside the .blend: one EXR a frame, a part a layer, which says what it was made
from. A layer is read without the others.

A file is named after the frame it was first made for, what that frame shows, and the key of the result, so that other
settings never take its place, and a frame that shows the same picture finds it. All .blends of a folder share the files
of a node that they have in common; each keeps a record of those it needs, and its palette, in ``NAME.blend.json``.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from . import exr
from .fscs.naming import CHANNELS, METADATA_PREFIX, layer_channels, layer_name
from .preferences import cache_folder
from .properties import is_uid

LAYERS = "layers*.exr"
UNSAVED = "unsaved.blend"
KEPT_VERSIONS = 4
"""Results of one frame that one .blend keeps, so that undo finds them again."""


@dataclass(frozen=True)
class Place:
    """Where the layers of a frame are kept; nothing of Blender's is in it.

    Attributes:
        folder: of the node.
        blends: the folder of the .blend.
        owner: the .blend's name.
        stem: begins the file's name.
        shown: a digest of what the frame shows.
    """

    folder: Path
    blends: Path
    owner: str
    stem: str
    shown: str

    def file(self, key: str, upstream: str) -> Path:
        """The file of a result."""
        return self.folder / f"{self.stem}.{self.shown}{_digest(key + upstream)}.exr"


def place(node: Any, frame: int, shown: str, *, still: bool) -> Place:
    """Of a frame of a node. What is linked to a still has no frame in its name."""
    blend = Path(_blend_of(node))
    stem = "layers" if still else f"layers.{frame:04d}"
    return Place(folder(node), blend.parent, blend.name or UNSAVED, stem, shown)


def folder(node: Any) -> Path:
    """Where the layers of a node lie: beside the .blend that it is in, even if it is linked from there."""
    return cache_folder(_blend_of(node)) / (node.uid if is_uid(node.uid) else "unknown")


def shown_digest(*parts: str) -> str:
    """What goes into a file's name for what a frame shows."""
    return _digest("\n".join(parts))


def candidates(place: Place) -> list[Path]:
    """The files that may have the layers of a frame, the most likely and the newest first."""
    same_picture = place.folder.glob(f"layers*.{place.shown}*.exr")
    return list(dict.fromkeys([*_newest(same_picture), *of_frame(place)]))


def of_frame(place: Place) -> list[Path]:
    """The files that were made for a frame, whatever it showed then; those of earlier releases too."""
    return _newest([*place.folder.glob(f"{place.stem}.????????????????.exr"), *place.folder.glob(f"{place.stem}.exr")])


def store(path: Path, layers: Any, facts: Mapping[str, str]) -> None:
    """Writes the layers of a frame.

    Args:
        path: from :meth:`Place.file`.
        layers: (K, H, W, 4) float32, premultiplied, upper row first.
        facts: what they were made from, by names without the prefix of metadata.

    Raises:
        OSError: it can't be written.
    """
    parts = {
        layer_name(number): dict(zip(CHANNELS, np.moveaxis(layer, -1, 0), strict=True))
        for number, layer in enumerate(layers, 1)
    }
    exr.write_parts(path, parts, {METADATA_PREFIX + name: text for name, text in facts.items()})


def facts_of(path: Path) -> dict[str, str]:
    """What the layers of a file were made from.

    Raises:
        OSError: there is no such file.
        exr.ExrError: it is damaged.
    """
    texts = exr.read_header(path).texts
    return {name[len(METADATA_PREFIX) :]: text for name, text in texts.items() if name.startswith(METADATA_PREFIX)}


def load(path: Path, numbers: Sequence[int] | None = None) -> Any:
    """The layers of a frame, or some of them by their numbers from 0: (K, H, W, 4) float32, premultiplied, upper row
    first.

    Raises:
        OSError: there is no such file.
        exr.ExrError: it is damaged, or has no such layer.
    """
    headers = exr.read_headers(path)
    count = layer_count(path)
    wanted = range(count) if numbers is None else numbers
    if len(headers) > 1 or headers[0].part is not None:
        return np.stack([np.moveaxis(exr.read(path, CHANNELS, number), 0, -1) for number in wanted])
    if any(number >= count for number in wanted):
        raise exr.ExrError(f"{path} has {count} layers")
    names = layer_channels(count)  # of an earlier release: all layers in one part
    size = len(CHANNELS)
    planes = exr.read(path, [name for number in wanted for name in names[size * number : size * (number + 1)]])
    return np.moveaxis(planes.reshape(len(wanted), size, *planes.shape[1:]), 1, -1)


def layer_count(path: Path) -> int:
    """How many layers a file has. Raises OSError or exr.ExrError."""
    headers = exr.read_headers(path)
    return len(headers) if headers[0].part is not None else len(headers[0].channels) // len(CHANNELS)


# What each .blend needs


def note(place: Place, file: str, palette: Mapping[str, Any] | None = None) -> None:
    """Notes that a .blend needs a file, and with which palette: one that was found for a file that is not saved with it
    would be lost. Removes what of the frame nobody needs any more. Raises OSError."""
    record = _read(place.folder / f"{place.owner}.json")
    if file not in record["files"] or (palette is not None and record["palette"] != palette):
        record["files"] = [*(each for each in record["files"] if each != file), file]
        record["palette"] = palette if palette is not None else record["palette"]
        _prune(place, record)
        _write(place.folder / f"{place.owner}.json", record)


def kept_palette(node: Any) -> dict[str, Any] | None:
    """The palette of the frames in the cache, in the form of the palette file; None if there is none."""
    own = folder(node) / f"{Path(_blend_of(node)).name or UNSAVED}.json"
    palette = _read(own)["palette"]
    return palette if palette is not None and isinstance(palette.get("colors"), list) else None


def adopt(node: Any) -> None:
    """A .blend that was copied by other means than Blender needs all that is there."""
    own = folder(node) / f"{Path(_blend_of(node)).name}.json"
    if bpy.data.filepath and own.parent.is_dir() and not own.exists():
        files = sorted(file.name for file in own.parent.glob(LAYERS))
        if files:
            with contextlib.suppress(OSError):  # a cache that can only be read is used as it is
                _write(own, {"files": files, "palette": _any_palette(own.parent)})


def kept(node: Any) -> tuple[set[int], bool, int]:
    """What is there of a node, right or stale: the frames in the names of its files, whether there is one of a still,
    and how many bytes all have."""
    names = {}
    for file in folder(node).glob(LAYERS):
        with contextlib.suppress(OSError):
            names[file.name] = file.stat().st_size
    parts = [name.split(".")[1] for name in names]
    numbers = {int(each) for each in parts if re.fullmatch(r"-?\d{3,8}", each)}
    return numbers, any(len(each) == 16 for each in parts), sum(names.values())


def ranges(frames: Sequence[int]) -> str:
    """Frames in few letters.

    >>> ranges([1, 2, 3, 7, 9, 10])
    '1-3, 7, 9-10'
    """
    parts: list[list[int]] = []
    for frame in frames:
        if parts and frame == parts[-1][-1] + 1:
            parts[-1][1:] = [frame]
        else:
            parts.append([frame])
    return ", ".join("-".join(str(end) for end in part) for part in parts)


def clear(node: Any) -> int:
    """Removes the files of a node that no other .blend of the folder needs. Returns how many there were."""
    where, blend = folder(node), Path(_blend_of(node))
    own = where / f"{blend.name or UNSAVED}.json"
    needed = _needed_by_others(where, blend.parent, own.name)
    files = [file for file in where.glob(LAYERS) if file.name not in needed]
    for file in [*files, own]:
        file.unlink(missing_ok=True)
    if not needed:
        shutil.rmtree(where, ignore_errors=True)
    return len(files)


def follow(node: Any, old_name: str = "") -> None:
    """After the .blend was saved under another name, or the node copied or appended: brings the layers along, as the
    old file or node keeps its own. What is there already stays.

    Args:
        node: it may remember where its layers were.
        old_name: of the .blend before, if it is known.

    Raises:
        OSError: they can't be brought.
    """
    old, new = Path(node.cached_in) if node.cached_in else None, folder(node)
    name = Path(_blend_of(node)).name or (UNSAVED if old is not None and old.parent == new.parent else "")
    if old is not None and old.is_dir() and name:
        record, own = _read(old / f"{old_name}.json") if old_name else _newest_record(old), new / f"{name}.json"
        if old != new:
            wanted = [file for file in old.glob(LAYERS) if not record["files"] or file.name in record["files"]]
            _bring(wanted, new)
            record = _joined(_read(own), record)
        moved = old != new or old_name not in ("", name)
        if moved and (record["files"] or record["palette"]) and new.is_dir() and record != _read(own):
            _write(own, record)
    if new.is_dir() and node.cached_in != str(new):
        node.cached_in = str(new)


def _bring(files: Iterable[Path], new: Path) -> None:
    for file in files:
        if not (new / file.name).exists():
            new.mkdir(parents=True, exist_ok=True)
            second_name(file, new / file.name)


def _joined(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Two records as one; the palette of the first is the one that counts."""
    files = list(dict.fromkeys([*first["files"], *second["files"]]))
    return {"files": files, "palette": first["palette"] or second["palette"]}


def _blend_of(node: Any) -> str:
    library = node.id_data.library
    return bpy.path.abspath(library.filepath) if library is not None else bpy.data.filepath


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _newest(files: Iterable[Path]) -> list[Path]:
    def time(file: Path) -> int:
        try:
            return file.stat().st_mtime_ns
        except OSError:
            return 0

    return sorted(files, key=time, reverse=True)


def _read(record: Path) -> dict[str, Any]:
    try:
        found = json.loads(record.read_text(encoding="utf-8"))
        files = [name for name in found["files"] if isinstance(name, str) and name == Path(name).name]
        palette = found["palette"]
        return {"files": files, "palette": palette if isinstance(palette, dict) else None}
    except (OSError, ValueError, KeyError, TypeError):
        return {"files": [], "palette": None}


def _write(record: Path, content: Mapping[str, Any]) -> None:
    temporary = record.with_name(f".{record.name}.{os.getpid()}.part")
    temporary.write_text(json.dumps(content), encoding="utf-8")
    temporary.replace(record)


def _newest_record(where: Path) -> dict[str, Any]:
    records = _newest(where.glob("*.json"))
    return _read(records[0]) if records else {"files": [], "palette": None}


def _any_palette(where: Path) -> dict[str, Any] | None:
    palette: dict[str, Any] | None = _newest_record(where)["palette"]
    return palette


def _needed_by_others(where: Path, blends: Path, own: str) -> set[str]:
    others = [record for record in where.glob("*.json") if record.name != own]
    there = [record for record in others if (blends / record.name.removesuffix(".json")).exists()]
    return {name for record in there for name in _read(record)["files"]}


def _prune(place: Place, record: dict[str, Any]) -> None:
    needed = _needed_by_others(place.folder, place.blends, f"{place.owner}.json")
    mine = [file for file in of_frame(place) if file.name not in needed]
    gone = {file.name for file in mine[KEPT_VERSIONS:]}
    for name in gone:
        (place.folder / name).unlink(missing_ok=True)
    record["files"] = [name for name in record["files"] if name not in gone]


def second_name(old: Path, new: Path) -> None:
    """Files of the cache are replaced, never changed, so another name for one is as good as a copy."""
    try:
        os.link(old, new)
    except OSError:  # on another disk, or one that can't do it
        shutil.copyfile(old, new)
