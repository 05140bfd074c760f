# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies in front of a node: whether it is still what a captured picture came from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from . import masks, strings, views
from .animation import animated_places
from .contents import identity
from .controls import described
from .moving import values_at
from .properties import is_node
from .scene_print import ScenePrint, print_of, registered, scene_print
from .session import SESSION
from .sources import Sources, image_path, links_into, sequence_number, sequence_path, socket_of
from .trees import compositor_tree, groups_over, scene_of, trees_of_scene

ONLY_WITH = {"layer": "has_layers", "view": "has_views"}
"""Properties that have a value only where another one says so."""

ENDS = ("CompositorNodeComposite", "CompositorNodeOutputFile")
"""Nodes that a render ends in, wherever they are. In a window Viewers are such, too."""

WALKED = {"rna_type", "inputs", "outputs", "internal_links", "image", "scene", "node_tree", "format"}
"""Structures of nodes that are walked in ways of their own, or decide nothing."""

STEADY = ("CompositorNode", "ShaderNode", "FunctionNode", "NodeReroute", "NodeGroup", "NodeFrame", "GeometryNode")
TIMED = ("CompositorNodeTime", "CompositorNodeSceneTime", "CompositorNodeCurveTime", "GeometryNodeInputSceneTime")
"""Kinds of nodes that are the same at every frame, but for these, if they hold nothing but images."""

VALUES = ("BOOLEAN", "INT", "FLOAT", "ENUM", "STRING")
LOOKS = {
    "name",
    "label",
    "select",
    "hide",
    "location",
    "location_absolute",
    "width",
    "height",
    "dimensions",
    "color",
    "use_custom_color",
    "show_options",
    "show_preview",
    "show_texture",
    "color_tag",
    "warning_propagation",
    "parent",
}
"""Properties of nodes that change no pixel."""


def fingerprint(link: Any, frame: int) -> str:
    """Changes when the nodes, values and files behind a link do, as they are at a frame. What a scene renders into
    Render Layers counts by :func:`scene_print.scene_print`. Frames that show the same have the same."""
    return _print(link, frame, identity)


def glance(link: Any, frame: int) -> str:
    """As :func:`fingerprint`, but quick enough for every redraw: of files only size and time are looked at."""
    return _print(link, frame, _state)


def _print(link: Any, frame: int, identify: Callable[[Path], str]) -> str:
    """The size of the render counts for all: where nodes ask for it is not to be told from their properties."""
    walk = _Walk(frame, identify)
    walk.digest.update(repr(_render_size(link.id_data)).encode())
    walk.socket_from(link)
    return walk.digest.hexdigest()


def _render_size(tree: Any) -> list[object]:
    """What decides the size of a render that a tree composites."""
    scenes = [bpy.context.scene, *bpy.data.scenes]
    render = next((scene for scene in scenes if tree in trees_of_scene(scene)), scenes[0]).render
    size = [render.resolution_x, render.resolution_y, render.resolution_percentage]
    border = [render.border_min_x, render.border_min_y, render.border_max_x, render.border_max_y]
    aspect = [render.pixel_aspect_x, render.pixel_aspect_y]
    return [*size, *aspect, *([*border, render.use_crop_to_border] if render.use_border else ())]


def fingerprint_of(sources: Sources, frame: int) -> str:
    """That of all that flows into a node and is not a file; empty where all is."""
    prints = {name: fingerprint(link, frame) for name, link in sources.captured.items()}
    return f"{prints.get('image', '')},{prints.get('mask', '')}" if prints else ""


def glance_of(node: Any) -> list[str]:
    """A :func:`glance` at all that flows into a node and is not a file, at the frame of its scene."""
    frame = scene_of(node).frame_current
    return [glance(link, frame) for link in Sources.of(node, frame).captured.values()]


def ours_in_render(scene: Any) -> list[Any]:
    """The nodes of ours whose layers a render of a scene shows, each once: not those that only others of ours stand
    behind, nor those that nothing of the render comes through, nor those of which the image alone is linked."""
    if not scene.render.use_compositing:
        return []
    kinds = ENDS if bpy.app.background else (*ENDS, views.VIEWER)
    ends = [
        node
        for number, tree in enumerate(_rendered_trees(scene))
        for node in tree.nodes
        if not node.mute and (node.bl_idname in kinds or (number == 0 and node.bl_idname == "NodeGroupOutput"))
    ]
    seen: set[int] = set()
    found = (other for end in ends for other in _behind(end.inputs, seen))
    nodes = {node.uid: node for node in found if is_node(node)}
    return [node for node in nodes.values() if views.needed(node)]


def _rendered_trees(scene: Any) -> list[Any]:
    """The tree that composites a scene, and those of the groups in it that are not muted, each once."""
    tree = compositor_tree(scene)
    trees = [] if tree is None else [tree]
    for each in trees:
        inner = (getattr(node, "node_tree", None) for node in each.nodes if not node.mute and not is_node(node))
        trees += [other for other in dict.fromkeys(inner) if other is not None and other not in trees]
    return trees


def ours_behind(node: Any) -> list[Any]:
    """The nodes of ours whose passes flow into one, the farthest first, each once."""
    found: dict[str, Any] = {}

    def visit(sockets: Any, seen: set[int]) -> None:
        for other in _behind(sockets, seen):
            if is_node(other):
                visit(other.inputs, seen)
                found.setdefault(other.uid, other)

    visit(node.inputs, {node.as_pointer()})
    return list(found.values())


def ambiguous(node: Any, frame: int) -> str:
    """The name of a group that a node is in and that is used with different inputs, as its one set of passes can't be
    right for all of them; an empty text if there is none."""
    sockets = list(node.inputs)
    seen: set[int] = set()
    while sockets:
        inputs = [(other, link) for other, link in _links(sockets, seen) if other.bl_idname == "NodeGroupInput"]
        sockets = []
        for entry, link in inputs:
            outer = [socket_of(group.inputs, link.from_socket) for group in groups_over(entry.id_data)]
            if len(outer) > 1 and len({_of_socket(socket, frame) for socket in outer}) > 1:
                return str(entry.id_data.name)
            sockets += outer
    return ""


def _of_socket(socket: Any, frame: int) -> str:
    link = next(links_into(socket), None)
    return fingerprint(link, frame) if link is not None else _default(socket)


def _live(socket: Any) -> list[Any]:
    """The links into a socket that something comes through."""
    return [link for link in socket.links if not link.is_muted]


def _links(sockets: Any, seen: set[int]) -> Iterator[tuple[Any, Any]]:
    """Every node of the sockets' own tree that flows into them, with the link that led to it."""
    for socket in sockets:
        for link in _live(socket):
            yield link.from_node, link
            if link.from_node.as_pointer() not in seen:
                seen.add(link.from_node.as_pointer())
                yield from _links(link.from_node.inputs, seen)


def _behind(sockets: Any, seen: set[int]) -> Iterator[Any]:
    """Every node that flows into sockets, those inside groups and outside of this one too; not what is behind nodes of
    ours, unless they are muted."""
    for socket in sockets:
        for link in _live(socket):
            other = link.from_node
            inner = getattr(other, "node_tree", None)
            if other.bl_idname == "NodeGroupInput":
                for group in groups_over(link.id_data):
                    yield from _behind([socket_of(group.inputs, link.from_socket)], seen)
            elif inner is not None and not other.mute and not is_node(other):
                for end in inner.nodes:
                    if end.bl_idname == "NodeGroupOutput":
                        yield from _behind([socket_of(end.inputs, link.from_socket)], seen)
            if other.as_pointer() in seen:
                continue
            seen.add(other.as_pointer())
            yield other
            if other.mute or not is_node(other):
                yield from _behind(other.inputs, seen)


def unwatched(node: Any) -> list[str]:
    """What of all that flows into a node changes without being seen. Of the 3D scenes, what was seen last."""
    behind = list(_behind(node.inputs, set()))
    scenes = [SESSION.scenes.get(scene.name) for scene in _held(behind, "scene")]
    shapes = {strings.KEYED_SHAPES.format(name=mask.name) for mask in _held(behind, "mask") if masks.keyed(mask)}
    return sorted(shapes.union(*(seen.unwatched for seen in scenes if seen is not None)))


def _held(nodes: list[Any], name: str) -> list[Any]:
    """What some nodes have of a kind."""
    return [each for each in (getattr(node, name, None) for node in nodes) if isinstance(each, bpy.types.ID)]


def _seen(scene: Any, *, quick: bool) -> ScenePrint:
    """The digest of a scene. In a window a quick one may be that of a moment ago: see ``files.on_scene_changed``."""
    found: ScenePrint | None = SESSION.scenes.get(scene.name)
    if found is None or bpy.app.background or not quick:
        found = SESSION.scenes[scene.name] = scene_print(scene)
    return found


class _Walk:
    """Goes through all that flows into a link and puts it into a digest.

    Args:
        frame: at which values are animated.
        identify: for files.
    """

    def __init__(self, frame: int, identify: Callable[[Path], str]) -> None:
        self.digest = hashlib.sha256()
        self._frame = frame
        self._identify = identify
        self._numbers: dict[int, int] = {}
        self._animated: dict[int, dict[tuple[str, int], object]] = {}
        self._places: dict[int, set[tuple[int, str]]] = {}

    def socket_from(self, link: Any, inside: bool = False) -> None:
        """What gives a link its pixels. ``inside`` a group that the walk came into, what is outside is walked by it."""
        self._add(f"<{link.from_socket.identifier}")
        other = link.from_node
        if other.bl_idname != "NodeGroupInput":
            self._node(other, inside)
        elif not inside:
            outer = next(iter(groups_over(link.id_data)), None)
            if outer is not None:
                self._socket(socket_of(outer.inputs, link.from_socket), None)

    def _add(self, text: str) -> None:
        self.digest.update(f"{text};".encode())

    def _socket(self, socket: Any, path: str | None, inside: bool = False) -> None:
        self._add(socket.identifier)
        links = _live(socket)
        for link in links:
            self.socket_from(link, inside)
        if not links and (path is None or not self._moving(socket.id_data, f"{path}.default_value")):
            self._add(_default(socket))

    def _node(self, node: Any, inside: bool) -> None:
        if getattr(node, "image", None) is not None:
            _ = tuple(node.image.size)  # reads the file, without which the node does not know its layers
        number = self._numbers.get(node.as_pointer())
        if number is not None:
            self._add(f"again {number}")
            return
        self._numbers[node.as_pointer()] = len(self._numbers)
        self._add(f"{node.bl_idname};{node.mute}")
        if _timed(node):
            self._add(f"frame {self._frame}")
        path = f'nodes["{bpy.utils.escape_identifier(node.name)}"]'
        if is_node(node):
            self._add(described(node, self._frame))
        else:
            for prop in node.bl_rna.properties:
                counts = prop.identifier not in LOOKS and prop.identifier not in WALKED and not registered(node, prop)
                counts = counts and getattr(node, ONLY_WITH.get(prop.identifier, ""), True)
                if counts and prop.type not in VALUES:
                    self._inside(node, prop.identifier, f"{path}.{prop.identifier}")
                elif counts and not self._moving(node.id_data, f"{path}.{prop.identifier}"):
                    self._add(f"{prop.identifier}={_value(node, prop)}")
            self._holds(node)
        for number, socket in enumerate(node.inputs):
            self._socket(socket, f"{path}.inputs[{number}]", inside)

    def _inside(self, node: Any, name: str, path: str) -> None:
        """A curve, a color ramp, or another structure or data-block that a node has."""
        value = getattr(node, name, None)
        if isinstance(value, bpy.types.Node) or name.startswith("active"):
            return
        tree = node.id_data
        key = tree.as_pointer()
        if key not in self._places:
            self._places[key] = animated_places(tree) if tree.animation_data is not None else set()
        moved = {place: each for place, each in self._moved(tree).items() if place[0].startswith(f"{path}.")}
        self._add(f"{name}={sorted(moved.items())};{print_of(value, self._places[key])}")
        if isinstance(value, bpy.types.MovieClip):
            self._add(self._identify(_clip_path(value, self._frame)))

    def _holds(self, node: Any) -> None:
        image = getattr(node, "image", None)
        if image is not None:
            self._image(image, node)
        scene = getattr(node, "scene", None)
        if scene is not None:
            self._add(f"{scene.name};{_seen(scene, quick=self._identify is _state).digest}")
        tree = getattr(node, "node_tree", None)
        for end in tree.nodes if tree is not None else ():
            if end.bl_idname == "NodeGroupOutput" and end.is_active_output:
                for socket in end.inputs:
                    self._socket(socket, None, inside=True)

    def _image(self, image: Any, user: Any) -> None:
        self._add(f"{image.source};{image.colorspace_settings.name};{image.alpha_mode}")
        if image.source == "GENERATED" and not image.is_dirty:
            color = list(image.generated_color)
            self._add(f"{image.generated_type};{list(image.size)};{color};{image.use_generated_float}")
        elif self._identify is _state and (image.is_dirty or image.packed_file is not None):
            self._add(f"{image.name};{list(image.size)}")
        elif image.is_dirty and len(image.pixels):
            pixels = np.empty(len(image.pixels), np.float32)
            image.pixels.foreach_get(pixels)
            self.digest.update(pixels.tobytes())
        elif image.packed_file is not None:
            self.digest.update(image.packed_file.data)
        elif image.source in ("FILE", "SEQUENCE", "MOVIE"):
            self._add(self._identify(image_path(image, user, self._frame)))
            if image.source == "MOVIE":
                self._add(f"frame {sequence_number(user, self._frame)}")

    def _moving(self, tree: Any, path: str) -> bool:
        """Whether a property is animated or driven; if so, adds its value at the frame, or what drives it."""
        values = {place: value for place, value in self._moved(tree).items() if place[0] == path}
        if values:
            self._add(f"{path}={sorted(values.items())}")
        return bool(values)

    def _moved(self, tree: Any) -> dict[tuple[str, int], object]:
        """All that is animated or driven."""
        key = tree.as_pointer()
        if key not in self._animated:
            self._animated[key] = values_at(tree, self._frame)
        return self._animated[key]


def _timed(node: Any) -> bool:
    """Whether what a node gives may change from frame to frame though nothing of it is animated."""
    kind = node.bl_idname
    if kind in TIMED or not kind.startswith(STEADY):
        return True
    pointers = [prop.identifier for prop in node.bl_rna.properties if prop.type == "POINTER"]
    held = [getattr(node, name, None) for name in pointers if name not in ("image", "node_tree")]
    if any(isinstance(each, bpy.types.ID) for each in held):
        return True
    image = getattr(node, "image", None)
    return image is not None and image.source not in ("FILE", "SEQUENCE", "MOVIE", "GENERATED")


def _clip_path(clip: Any, frame: int) -> Path:
    """The file of a movie clip that is shown at a frame."""
    path = Path(bpy.path.abspath(clip.filepath, library=clip.library))
    digits = path.stem[len(path.stem.rstrip("0123456789")) :]
    if clip.source != "SEQUENCE" or not digits:
        return path
    return sequence_path(path, max(0, int(digits) + frame - clip.frame_start + clip.frame_offset))


def _value(node: Any, prop: Any) -> str:
    value: Any = getattr(node, prop.identifier, None)
    return repr(list(value) if getattr(prop, "is_array", False) and value is not None else value)


def _default(socket: Any) -> str:
    value: Any = getattr(socket, "default_value", None)
    return repr(list(value) if hasattr(value, "__len__") and not isinstance(value, str) else value)


def _state(path: Path) -> str:
    try:
        state = path.stat()
    except OSError:
        return "missing"
    return f"{path};{state.st_size};{state.st_mtime_ns}"
