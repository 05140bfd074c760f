# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes trees of Blender's own nodes from formulas.

What an input is given is a socket to link it to, or a number or a color, which may change from frame to frame: a float
for all frames; (F,) numbers or (F, 3) colors, one a frame or one for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import bpy
import numpy as np

from .animation import set_curves

PREFIX = "recolor "
"""Begins the names of the nodes."""

LARGEST = 1e30


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
        self._new = bpy.app.version >= (5, 0, 0)

    def split(self, color: Any) -> list[Any]:
        """Red, green, blue and alpha."""
        node = self._node("CompositorNodeSeparateColor")
        self._put(node.inputs[0], color)
        return list(node.outputs)[:4]

    def join(self, channels: Sequence[Any]) -> Any:
        """A color of three channels."""
        node = self._node("CompositorNodeCombineColor")
        for socket, channel in zip(node.inputs, channels, strict=False):
            self._put(socket, channel)
        return node.outputs[0]

    def math(self, operation: str, first: Any, second: Any = 0.0) -> Any:
        """Of two numbers."""
        node = self._node("ShaderNodeMath" if self._new else "CompositorNodeMath")
        if node.operation != operation:
            node.operation = operation
        self._put(node.inputs[0], first)
        self._put(node.inputs[1], second)
        return node.outputs[0]

    def mix(self, kind: str, first: Any, second: Any, factor: Any = 1.0) -> Any:
        """Of two colors; alpha is that of the first. A socket can't hold negative colors, so these are subtracted."""
        if kind == "MULTIPLY" and isinstance(second, np.ndarray) and second.min() < 0.0:
            less = self.mix(kind, first, np.maximum(-second, 0.0))
            return self.mix("SUBTRACT", self.mix(kind, first, np.maximum(second, 0.0)), less)
        node = self._node("ShaderNodeMix" if self._new else "CompositorNodeMixRGB")
        if self._new and node.data_type != "RGBA":
            node.data_type = "RGBA"
        if node.blend_type != kind:
            node.blend_type = kind
        inputs = (node.inputs[0], node.inputs[6], node.inputs[7]) if self._new else tuple(node.inputs)
        self._put(inputs[0], factor)
        self._put(inputs[1], first)
        self._put(inputs[2], second)
        return node.outputs[2] if self._new else node.outputs[0]

    def total(self, colors: Sequence[Any]) -> Any:
        """The sum."""
        result, *others = colors
        for other in others:
            result = self.mix("ADD", result, other)
        return result

    def matrix(self, rows: Any, channels: Sequence[Any]) -> Any:
        """Rows (F, 3, C) times C channels: a color."""
        return self.total([self.mix("MULTIPLY", each, rows[:, :, place]) for place, each in enumerate(channels)])

    def cube(self, color: Any) -> Any:
        """The third power of each channel."""
        return self.mix("MULTIPLY", self.mix("MULTIPLY", color, color), color)

    def root(self, number: Any) -> Any:
        """The cube root, with its sign."""
        return self.signed_power(number, np.array([1.0 / 3.0], np.float32))

    def signed_power(self, number: Any, power: Any) -> Any:
        """A power (F,) of the size of a number, with its sign."""
        if (power == 1.0).all():
            return number
        size = self.math("POWER", self.math("ABSOLUTE", number), power)
        if (power > 1.0).any():
            size = self.math("MINIMUM", size, LARGEST)
        return self.math("MULTIPLY", size, self.math("SIGN", number))

    def tidy(self) -> None:
        """Takes away what is left over, and has the numbers follow the frames."""
        names = {_name(number) for number in range(self._count)}
        for node in [node for node in self._tree.nodes if node.name.startswith(PREFIX) and node.name not in names]:
            self._tree.nodes.remove(node)
        set_curves(self._tree, self._first, self._curves)

    def _node(self, kind: str) -> Any:
        name = _name(self._count)
        node = self._tree.nodes.get(name)
        if node is not None and node.bl_idname != kind:
            self._tree.nodes.remove(node)
            node = None
        if node is None:
            node = self._tree.nodes.new(kind)
            node.name, node.hide = name, True
            node.location = (40.0 * (self._count % 40), -800.0 - 40.0 * (self._count // 40))
        self._count += 1
        return node

    def _put(self, socket: Any, value: Any) -> None:
        """Links a socket to another one, or gives it a number or a color."""
        if not isinstance(value, (int, float, np.ndarray)):
            if not socket.is_linked or self._links.get(socket.as_pointer()) != value:
                self._tree.links.new(value, socket)
            return
        if socket.is_linked:
            self._tree.links.remove(socket.links[0])
        frames = np.atleast_1d(np.asarray(value, np.float32))
        now = frames[min(max(0, self._now - self._first), len(frames) - 1)]
        if now.ndim:
            wanted = [*map(float, now), 1.0]
            if list(socket.default_value) != wanted:
                socket.default_value = wanted
        elif socket.default_value != now:
            socket.default_value = float(now)
        channels = frames.reshape(len(frames), -1).T
        for place, each in enumerate(channels):
            if np.ptp(each) > 0.0:
                self._curves[socket.path_from_id("default_value"), place] = each


def _name(number: int) -> str:
    return f"{PREFIX}{number}"
