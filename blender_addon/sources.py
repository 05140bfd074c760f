# SPDX-License-Identifier: GPL-3.0-or-later
"""What is linked into a node: a file that the engine can read by itself, or something only the compositor knows."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy

LINEAR = "Linear Rec.709"
SPACES = {"sRGB": "srgb", LINEAR: "lin_rec709", "ACEScg": "acescg"}
"""Blender's names of colour spaces that the engine reads as Blender does."""

DATA_SPACES = ("Non-Color", "Raw")
READABLE = (".exr", ".png")
"""Kinds of files that the engine reads to the same numbers as Blender."""


@dataclass(frozen=True)
class FileSource:
    """A file linked straight in.

    Attributes:
        path: whole path of the frame's file.
        color_space: the engine's name for its colour space.
        still: whether it is the same at every frame.
    """

    path: Path
    color_space: str
    still: bool


def scene_space() -> str:
    """The engine's name for the scene-linear space of this file, in which the layers add up."""
    space = getattr(getattr(bpy.data, "colorspace", None), "working_space", LINEAR)  # 5.0 lets a file choose it
    return SPACES.get(space, space)


def link_into(node: Any, name: str) -> Any:
    """The link that brings something into an input, looked up through reroutes; None where there is none."""
    socket = node.inputs[name]
    while socket.is_linked:
        link = socket.links[0]
        if link.is_muted or not link.is_valid:
            return None
        if link.from_node.bl_idname != "NodeReroute":
            return link
        socket = link.from_node.inputs[0]
    return None


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
    path = Path(bpy.path.abspath(image.filepath, library=image.library))
    if path.suffix.lower() not in READABLE:
        return None
    space = image.colorspace_settings.name
    color_space = scene_space() if space in DATA_SPACES else SPACES.get(space, "")
    usual_alpha = "PREMUL" if path.suffix.lower() == ".exr" else "STRAIGHT"
    if not data and color_space not in (scene_space(), "srgb" if scene_space() == "lin_rec709" else ""):
        return None  # Blender's own conversion is the one that counts
    if not color_space or image.alpha_mode != usual_alpha or (data and space not in DATA_SPACES):
        return None
    still = image.source == "FILE"
    return FileSource(path if still else sequence_path(path, sequence_number(inner, frame)), color_space, still)


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
    file = (image.name, image.filepath) if image is not None else ()
    return (link.from_node.name, link.from_socket.identifier, *file)


def fingerprint(link: Any) -> str:
    """Changes when the nodes behind a link do. What a scene renders into Render Layers is not looked at."""
    animated = link.id_data.animation_data is not None if hasattr(link.id_data, "animation_data") else False
    digest = hashlib.sha256(link.from_socket.identifier.encode())
    _add_node(digest, link.from_node, animated, set())
    return digest.hexdigest()


def _add_node(digest: Any, node: Any, animated: bool, seen: set[str]) -> None:
    if node.name in seen:
        return
    seen.add(node.name)
    digest.update(f"{node.bl_idname};{node.mute};".encode())
    if not animated:  # values that are animated are not those of this frame yet when it is looked at
        for prop in node.bl_rna.properties:
            if prop.identifier not in _LOOKS and prop.type in ("BOOLEAN", "INT", "FLOAT", "ENUM", "STRING"):
                digest.update(f"{prop.identifier}={_value(node, prop)};".encode())
    image = getattr(node, "image", None)
    if image is not None:
        digest.update(f"{image.name};{image.filepath};{image.colorspace_settings.name};{image.alpha_mode};".encode())
    for socket in node.inputs:
        digest.update(f"{socket.identifier};".encode())
        for link in socket.links:
            digest.update(f"<{link.from_socket.identifier};{link.is_muted};".encode())
            _add_node(digest, link.from_node, animated, seen)
        if not socket.links and not animated and hasattr(socket, "default_value"):
            value = socket.default_value
            digest.update(
                repr(list(value) if hasattr(value, "__len__") and not isinstance(value, str) else value).encode()
            )


_LOOKS = {
    "name",
    "label",
    "select",
    "hide",
    "location",
    "width",
    "height",
    "dimensions",
    "color",
    "use_custom_color",
} | {
    "location_absolute",
    "show_options",
    "show_preview",
    "show_texture",
    "color_tag",
    "warning_propagation",
    "parent",
}


def _value(node: Any, prop: Any) -> str:
    value = getattr(node, prop.identifier, None)
    return repr(list(value) if getattr(prop, "is_array", False) and value is not None else value)
