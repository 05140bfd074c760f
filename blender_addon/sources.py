# SPDX-License-Identifier: GPL-3.0-or-later
"""What is linked into a node: a file that the engine can read by itself, or something only the compositor knows."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy
import mathutils

from .fscs.edits import IDENTITY, Matrix
from .trees import groups_over

LINEAR, ACESCG = "lin_rec709", "acescg"
SPACES = {"sRGB": "srgb", "Linear Rec.709": LINEAR, "ACEScg": ACESCG}
"""Blender's names of color spaces that the engine reads as Blender does."""

TO_REC709: dict[str, Matrix] = {
    LINEAR: IDENTITY,
    ACESCG: ((1.70505, -0.62179, -0.08326), (-0.13026, 1.14080, -0.01055), (-0.02400, -0.12897, 1.15297)),
}
"""The scene-linear spaces that the engine has a name for, by their matrices."""

SAME_SPACE = 1e-3
"""How far apart the matrices of one space may be: configurations adapt the white point in ways of their own."""

DATA_SPACES = ("Non-Color", "Raw")
READABLE = (".exr", ".png")
"""Kinds of files that the engine reads to the same numbers as Blender."""


@dataclass(frozen=True)
class FileSource:
    """A file linked straight in.

    Attributes:
        path: absolute path of the frame's file.
        color_space: the engine's name for its color space.
        still: whether it is the same at every frame.
    """

    path: Path
    color_space: str
    still: bool


@dataclass(frozen=True)
class Sources:
    """What is linked into a node, as it is at one frame.

    Attributes:
        image: the link that brings the picture, looked up through reroutes and out of groups; None where nothing is.
        mask: that of the mask.
        image_file: the file behind the picture, None where only the compositor knows its pixels.
        mask_file: that of the mask.
    """

    image: Any
    mask: Any
    image_file: FileSource | None
    mask_file: FileSource | None

    @staticmethod
    def of(node: Any, frame: int) -> Sources:
        """Of a node at a frame of the scene."""
        image, mask = link_into(node, "Image"), link_into(node, "Mask")
        return Sources(
            image,
            mask,
            file_source(image, frame) if image is not None else None,
            file_source(mask, frame, data=True) if mask is not None else None,
        )

    @property
    def captured(self) -> dict[str, Any]:
        """The links whose pixels only the compositor knows, by ``image`` and ``mask``."""
        links = {"image": (self.image, self.image_file), "mask": (self.mask, self.mask_file)}
        return {name: link for name, (link, file) in links.items() if link is not None and file is None}

    @property
    def still(self) -> bool:
        """Whether it is the same at every frame."""
        return (
            self.image_file is not None
            and self.image_file.still
            and (self.mask is None or (self.mask_file is not None and self.mask_file.still))
        )


def scene_space() -> str:
    """The engine's name for the scene-linear space of this file, in which the layers add up; empty where it has none.

    It is told by what Blender makes of colors: before 5.0 the configuration of OpenColorIO decides what it is, and
    nothing in Blender names it.
    """
    matrix = scene_to_rec709()
    for name, known in TO_REC709.items():
        if all(abs(matrix[row][column] - known[row][column]) < SAME_SPACE for row in range(3) for column in range(3)):
            return name
    chosen = getattr(bpy.data, "colorspace", None)  # 5.0 lets a file choose it
    return str(chosen.working_space) if chosen is not None else ""


def scene_to_rec709() -> Matrix:
    """The matrix from the file's scene-linear space to linear Rec.709."""
    columns: list[Any] = [mathutils.Color(axis).from_scene_linear_to_rec709_linear() for axis in IDENTITY]
    return tuple(tuple(float(column[row]) for column in columns) for row in range(3))


def link_into(node: Any, name: str) -> Any:
    """The link that brings something into an input, looked up through reroutes and out of groups; None where there is
    none. Of a group that is used more than once, the first; see ``upstream.ambiguous``."""
    return next(links_into(node.inputs[name]), None)


def links_into(socket: Any) -> Iterator[Any]:
    """What :func:`link_into` says, for every use of the groups that the socket is in."""
    while socket.is_linked:
        link = socket.links[0]
        if link.is_muted or not link.is_valid:
            return
        kind = link.from_node.bl_idname
        if kind == "NodeGroupInput":
            groups = groups_over(link.id_data)
            for group in groups:
                yield from links_into(socket_of(group.inputs, link.from_socket))
            if groups:
                return
        if kind != "NodeReroute":
            yield link
            return
        socket = link.from_node.inputs[0]


def socket_of(sockets: Any, inner: Any) -> Any:
    """The socket of a group node that belongs to one inside the group."""
    return next(socket for socket in sockets if socket.identifier == inner.identifier)


def file_source(link: Any, frame: int, *, data: bool = False) -> FileSource | None:
    """The file behind a link, if the engine reads it to the numbers that the compositor gets from it.

    Args:
        link: from :func:`link_into`.
        frame: of the scene.
        data: it is used as a mask, whose numbers are taken as they stand in the file.
    """
    inner = link.from_node
    image = getattr(inner, "image", None)
    if inner.bl_idname != "CompositorNodeImage" or inner.mute or image is None or link.from_socket.name != "Image":
        return None
    if image.source not in ("FILE", "SEQUENCE") or image.type == "MULTILAYER" or image.is_dirty:
        return None
    if image.packed_file is not None or image.use_multiview:
        return None
    path = image_path(image, inner, frame)
    if path.suffix.lower() not in READABLE:
        return None
    space = image.colorspace_settings.name
    color_space = scene_space() if space in DATA_SPACES else SPACES.get(space, "")
    usual_alpha = "PREMUL" if path.suffix.lower() == ".exr" else "STRAIGHT"
    if not data and color_space not in (scene_space(), "srgb" if scene_space() == LINEAR else ""):
        return None  # Blender's own conversion is the one that counts
    if not color_space or image.alpha_mode != usual_alpha or (data and space not in DATA_SPACES):
        return None
    return FileSource(path, color_space, image.source == "FILE")


def image_path(image: Any, user: Any, frame: int) -> Path:
    """The file that an image shows at a frame. ``user`` is the node that holds it."""
    path = Path(bpy.path.abspath(image.filepath, library=image.library))
    return sequence_path(path, sequence_number(user, frame)) if image.source == "SEQUENCE" else path


def sequence_number(user: Any, frame: int) -> int:
    """The number of the file that a sequence shows at a frame. ``user`` is the node that holds it."""
    count, place = max(1, user.frame_duration), frame - user.frame_start + 1
    if user.use_cyclic:
        place = (place - 1) % count + 1
    return max(1, min(place, count)) + user.frame_offset


def sequence_path(path: Path, number: int) -> Path:
    """The file of a number: the last digits of the name are replaced, as wide as they were."""
    stem = path.stem
    end = len(stem)
    while end and not stem[end - 1].isdigit():
        end -= 1
    start = end
    while start and stem[start - 1].isdigit():
        start -= 1
    if start == end:
        return path
    return path.with_name(f"{stem[:start]}{number:0{end - start}d}{stem[end:]}{path.suffix}")


def origin(link: Any) -> tuple[str, ...]:
    """What is at the other end of a link, in a few words; quick enough for every redraw."""
    if link is None:
        return ()
    image = getattr(link.from_node, "image", None)
    return (link.from_node.name, link.from_socket.identifier, *(_look_of(image, link.from_node) if image else ()))


def _look_of(image: Any, user: Any) -> tuple[str, ...]:
    # a path that Blender made relative, as when the .blend is saved elsewhere, is still the same
    path = Path(os.path.normpath(bpy.path.abspath(image.filepath, library=image.library)))
    state = ""
    if image.source == "FILE":
        with contextlib.suppress(OSError):
            found = path.stat()
            state = f"{found.st_size};{found.st_mtime_ns}"
    frames = [getattr(user, name, 0) for name in ("frame_duration", "frame_start", "frame_offset", "use_cyclic")]
    space = image.colorspace_settings.name
    return (image.name, str(path), state, image.source, space, image.alpha_mode, str(frames))
