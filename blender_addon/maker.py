# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes trees of Blender's own nodes from formulas.

What an input is given is a socket to link it to, or a number or a color, which may change from frame to frame: a float
for all frames; (F,) numbers or (F, 3) colors, one a frame or one for all. Colors are three channels, and a number given
for a color counts for each of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import NoneType
from typing import Any

import bpy
import numpy as np

from .animation import set_curves

PREFIX = "recolor "
"""Begins the names of the nodes."""

LARGEST = 1e30
MIXED = ("ADD", "SUBTRACT", "MULTIPLY")


class Maker:
    """Makes nodes one after the other, and takes those that are there of an earlier time: so a slider that is dragged
    changes numbers only.

    Args:
        tree: a compositor's.
        first: the first of the frames.
        now: the frame that is shown.
    """

    def __init__(self, tree: Any, first: int = 0, now: int = 0) -> None:
        self._tree = tree
        self._first, self._now = first, now
        self._count = 0
        self._links = {link.to_socket.as_pointer(): link.from_socket for link in tree.links}
        self._curves: dict[tuple[str, int], Any] = {}
        self._split: dict[int, list[Any]] = {}
        self._rgb: dict[int, Any] = {}
        self._new = bpy.app.version >= (5, 0, 0)

    def split(self, color: Any) -> list[Any]:
        """Red, green, blue and alpha."""
        key = color.as_pointer()
        if key not in self._split:
            node = self._node("CompositorNodeSeparateColor")
            self._put(node.inputs, color)
            self._split[key] = list(node.outputs)[:4]
        return self._split[key]

    def rgb(self, image: Any) -> Any:
        """The color of an image. Where nodes took the image itself for it, each would have a copy made of the whole."""
        key = image.as_pointer()
        if key not in self._rgb:
            self._rgb[key] = self.join(self.split(image)[:3])
        return self._rgb[key]

    def join(self, channels: Sequence[Any]) -> Any:
        """A color of three channels."""
        node = self._node("ShaderNodeCombineXYZ" if self._new else "CompositorNodeCombineXYZ")
        self._put(node.inputs, *channels)
        return node.outputs[0]

    def math(self, operation: str, *numbers: Any) -> Any:
        """Of one to three numbers."""
        node = self._node("ShaderNodeMath" if self._new else "CompositorNodeMath", operation)
        self._put(node.inputs, *numbers)
        return node.outputs[0]

    def color(self, operation: str, *colors: Any) -> Any:
        """Of one to three colors, channel by channel. These nodes take a twentieth of the time that Mix Color takes."""
        node = self._node("ShaderNodeVectorMath", operation)
        self._put(node.inputs, *colors)
        return node.outputs[0]

    def total(self, colors: Sequence[Any]) -> Any:
        """The sum."""
        result, *others = colors
        for other in others:
            result = self.color("ADD", result, other)
        return result

    def matrix(self, rows: Any, color: Any) -> Any:
        """Rows (F, 3, 3) times a color."""
        return self.join([self._dot(rows[:, place], color) for place in range(3)])

    def root(self, color: Any) -> Any:
        """The cube root of each channel, with its sign."""
        return self.signed_power(color, np.full((1, 3), 1.0 / 3.0, np.float32))

    def signed_power(self, color: Any, power: Any) -> Any:
        """Powers (F, 3) of the sizes of the channels, with their signs."""
        size = self.color("POWER", self.color("ABSOLUTE", color), power)
        if (power > 1.0).any():
            size = self.color("MINIMUM", size, np.full((1, 3), LARGEST, np.float32))
        return self.color("MULTIPLY", size, self.color("SIGN", color))

    def cube(self, color: Any) -> Any:
        """The third power of each channel."""
        return self.color("MULTIPLY", self.color("MULTIPLY", color, color), color)

    def onto(self, image: Any, change: Any, factor: Any) -> Any:
        """An image and so much of a change. Alpha is that of the image; so are place and size, as it comes first."""
        much = change if (factor == 1.0).all() else self.color("MULTIPLY", change, factor)
        channels = self.split(self.color("ADD", self.rgb(image), much))[:3]
        return self._joined([*channels, self.split(image)[3]])

    def socket(self, color: Any) -> Any:
        """The socket that a color comes out of."""
        return color

    def tidy(self) -> None:
        """Takes away what is left over, and has the numbers follow the frames."""
        names = {_name(number) for number in range(self._count)}
        for node in [node for node in self._tree.nodes if node.name.startswith(PREFIX) and node.name not in names]:
            self._tree.nodes.remove(node)
        set_curves(self._tree, self._first, self._curves)

    def _dot(self, row: Any, color: Any) -> Any:
        node = self._node("ShaderNodeVectorMath", "DOT_PRODUCT")
        self._put(node.inputs, color, row)
        return node.outputs["Value"]

    def _joined(self, channels: Sequence[Any]) -> Any:
        node = self._node("CompositorNodeCombineColor")
        self._put(node.inputs, *channels)
        return node.outputs[0]

    def _node(self, kind: str, operation: str = "") -> Any:
        name = _name(self._count)
        node = self._tree.nodes.get(name)
        if node is not None and node.bl_idname != kind:
            self._tree.nodes.remove(node)
            node = None
        if node is None:
            node = self._tree.nodes.new(kind)
            node.name, node.hide = name, True
            node.location = (40.0 * (self._count % 40), -800.0 - 40.0 * (self._count // 40))
        if operation and node.operation != operation:
            node.operation = operation
        self._count += 1
        return node

    def _put(self, sockets: Any, *values: Any) -> None:
        """Links sockets to others, or gives them numbers or colors; what is left over gets no link."""
        for number, socket in enumerate(sockets):
            value = values[number] if number < len(values) else None
            if not isinstance(value, (int, float, np.ndarray, NoneType)):
                if not socket.is_linked or self._links.get(socket.as_pointer()) != value:
                    self._tree.links.new(value, socket)
                continue
            if socket.is_linked:
                self._tree.links.remove(socket.links[0])
            if value is not None:
                self._set(socket, np.atleast_1d(np.asarray(value, np.float32)))

    def _set(self, socket: Any, frames: Any) -> None:
        if socket.type != "VALUE" and frames.ndim == 1:
            frames = np.repeat(frames[:, None], 3, axis=1)
        now = frames[min(max(0, self._now - self._first), len(frames) - 1)]
        if now.ndim:
            wanted = [*map(float, now), 1.0][: len(socket.default_value)]
            if list(socket.default_value) != wanted:
                socket.default_value = wanted
        elif socket.default_value != now:
            socket.default_value = float(now)
        for place, each in enumerate(frames.reshape(len(frames), -1).T):
            if np.ptp(each) > 0.0:
                self._curves[socket.path_from_id("default_value"), place] = each


class ChannelMaker(Maker):
    """As :class:`Maker`, for Blender 4.2, which has no Vector Math here and takes as long for a channel as for a color.
    A color is a socket as long as Mix Color makes it, and a list of three channels after that."""

    def split(self, color: Any) -> list[Any]:
        """Red, green, blue and, of a socket, alpha."""
        return color if isinstance(color, list) else super().split(color)

    def rgb(self, image: Any) -> Any:
        """The color of an image."""
        return image

    def join(self, channels: Sequence[Any]) -> Any:
        """A color of three channels."""
        return list(channels)

    def color(self, operation: str, *colors: Any) -> Any:
        """Of one to three colors, channel by channel."""
        if operation in MIXED and all(map(_mixes, colors)):
            return self._mix(operation, *colors)
        return [self.math(operation, *each) for each in zip(*map(self._channels, colors), strict=True)]

    def socket(self, color: Any) -> Any:
        """The socket that a color comes out of."""
        return self._joined([*color, 1.0]) if isinstance(color, list) else color

    def onto(self, image: Any, change: Any, factor: Any) -> Any:
        """An image and so much of a change, with the alpha, the place and the size of the image."""
        return self._mix("ADD", image, self.socket(change), factor)

    def _mix(self, kind: str, first: Any, second: Any, factor: Any = 1.0) -> Any:
        node = self._node("CompositorNodeMixRGB")
        if node.blend_type != kind:
            node.blend_type = kind
        self._put(node.inputs, factor, first, second)
        return node.outputs[0]

    def _dot(self, row: Any, color: Any) -> Any:
        result: Any = 0.0
        for place, each in enumerate(self._channels(color)):
            result = self.math("MULTIPLY_ADD", each, row[:, place], result)
        return result

    def _channels(self, color: Any) -> list[Any]:
        """Those of a color, of colors (F, 3), or of a number, which each channel is."""
        if isinstance(color, np.ndarray):
            return [color[:, place] for place in range(3)] if color.ndim > 1 else [color] * 3
        if isinstance(color, list) or color.type == "RGBA":
            return self.split(color)[:3]
        return [color] * 3


def _mixes(color: Any) -> bool:
    """Whether Mix Color takes it: its sockets hold no negative colors."""
    if isinstance(color, np.ndarray):
        return color.ndim > 1 and bool(color.min() >= 0.0)
    return not isinstance(color, list) and color.type == "RGBA"


def maker(tree: Any, first: int = 0, now: int = 0) -> Maker:
    """The one for this version of Blender; see :class:`Maker`."""
    return (Maker if bpy.app.version >= (4, 5, 0) else ChannelMaker)(tree, first, now)


def _name(number: int) -> str:
    return f"{PREFIX}{number}"
