"""Moves real pixels through the node classes that the gizmo uses, as their documentation says they do.

A class that is not here is refused, and so is a knob that would change the picture and that is not computed here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
from fake_nuke import ExpressionError, Host, NotInFake
from fake_nuke.expressions import CONSTANTS, Parser
from fake_nuke.scope import Scope

SHORT = {"R": "red", "G": "green", "B": "blue", "A": "alpha"}
ORDER = ("red", "green", "blue", "alpha")

INFERENCE_CHANNELS = frozenset(
    {
        *("rgba.red", "rgba.green", "rgba.blue", "rgba.alpha", "depth.Z", "deep.front", "deep.back"),
        *("forward.u", "forward.v", "backward.u", "backward.v", "mask.a", "rotopaint_mask.a"),
        *("disparityL.x", "disparityL.y", "disparityR.x", "disparityR.y", "mask_planartrack.a", "mask_splinewarp.a"),
    }
)
"""The only names that a .cat file may use."""

NEUTRAL = {"mix": 1.0, "invert_mask": 0.0, "fringe": 0.0, "inject": 0.0}
"""Knobs of many classes that the evaluator wants left alone."""


class PictureError(RuntimeError):
    """A node that turns red: its picture can't be made."""


@dataclass(frozen=True)
class Size:
    """A format."""

    width: int
    height: int
    aspect: float = 1.0


@dataclass(frozen=True)
class Picture:
    """Planes (h, w) float32 over ``box`` (x, y, r, t), rows from the top; black outside of it."""

    format: Size
    box: tuple
    channels: dict = field(default_factory=dict)
    metadata: dict = field(default_factory=dict)

    @property
    def shape(self) -> tuple:
        return self.box[3] - self.box[1], self.box[2] - self.box[0]

    def plane(self, name: str) -> np.ndarray:
        """A channel; black where the picture does not have it."""
        found = self.channels.get(name)
        return np.zeros(self.shape, np.float32) if found is None else found

    def within(self, box: tuple) -> Picture:
        """The same picture over another box."""
        if box == self.box:
            return self
        shape = box[3] - box[1], box[2] - box[0]
        x0, x1 = max(box[0], self.box[0]), min(box[2], self.box[2])
        y0, y1 = max(box[1], self.box[1]), min(box[3], self.box[3])
        planes = {}
        for name, plane in self.channels.items():
            made = np.zeros(shape, np.float32)
            if x1 > x0 and y1 > y0:
                made[box[3] - y1 : box[3] - y0, x0 - box[0] : x1 - box[0]] = plane[
                    self.box[3] - y1 : self.box[3] - y0, x0 - self.box[0] : x1 - self.box[0]
                ]
            planes[name] = made
        return replace(self, box=box, channels=planes)

    def sample(self, channel: str, x: float, y: float, dx: float, dy: float) -> float:
        """Mean over a rectangle around a point, as ``Node.sample`` has it; y goes up."""
        left, bottom = int(np.floor(x - dx / 2 + 0.5)), int(np.floor(y - dy / 2 + 0.5))
        part = self.within((left, bottom, left + max(1, round(dx)), bottom + max(1, round(dy))))
        return float(part.plane(channel).mean())


@dataclass(frozen=True)
class Cat:
    """A compiled model: its channels, its attributes, and what runs it on (1, C, H, W) float32."""

    channels_in: Sequence
    channels_out: Sequence
    attributes: frozenset
    run: Callable


class PixelParser(Parser):
    """Expressions over whole planes."""

    OPERATIONS = {
        **Parser.OPERATIONS,
        "==": lambda a, b: np.equal(a, b).astype(np.float32),
        "!=": lambda a, b: np.not_equal(a, b).astype(np.float32),
        "<": lambda a, b: np.less(a, b).astype(np.float32),
        ">": lambda a, b: np.greater(a, b).astype(np.float32),
        "<=": lambda a, b: np.less_equal(a, b).astype(np.float32),
        ">=": lambda a, b: np.greater_equal(a, b).astype(np.float32),
        "/": lambda a, b: np.divide(a, b, out=np.zeros(np.broadcast(a, b).shape), where=np.asarray(b) != 0),
    }
    FUNCTIONS = {
        "abs": np.abs,
        "fabs": np.abs,
        "min": lambda *values: np.minimum.reduce(np.broadcast_arrays(*values)),
        "max": lambda *values: np.maximum.reduce(np.broadcast_arrays(*values)),
        "clamp": lambda x, low=0.0, high=1.0: np.clip(x, low, high),
        "pow": np.power,
        "sqrt": np.sqrt,
    }

    def ternary(self):
        condition = self.binary(0)
        if not self.take("?"):
            return condition
        yes = self.ternary()
        self.need(":")
        no = self.ternary()
        return lambda scope: np.where(np.asarray(condition(scope)) != 0, yes(scope), no(scope))

    def _joined(self, operator, left, right):
        if operator in ("||", "&&"):
            logic = np.logical_or if operator == "||" else np.logical_and
            return lambda scope: np.asarray(logic(left(scope), right(scope)), np.float32)
        return super()._joined(operator, left, right)

    def _call(self, name):
        if name not in self.FUNCTIONS:
            raise NotInFake(f"the function {name} in pixels")
        arguments = [self.ternary()]
        while self.take(","):
            arguments.append(self.ternary())
        self.need(")")
        return lambda scope: self.FUNCTIONS[name](*(argument(scope) for argument in arguments))


class PixelScope(Scope):
    """What names mean for pixels: channels first, then knobs."""

    def __init__(self, host: Host, node: object, picture: Picture) -> None:
        super().__init__(host, node)
        self.picture = picture
        self.temporary: dict = {}

    def name(self, path: str):
        picture = self.picture
        if path in self.temporary:
            return self.temporary[path]
        short = {"r": "red", "g": "green", "b": "blue", "a": "alpha"}
        layer, _, channel = path.rpartition(".")
        if layer and channel in self.host.layers.get(layer, ()):
            return picture.plane(path)
        if path in short or path in ORDER:
            return picture.plane(f"rgba.{short.get(path, path)}")
        if path in ("x", "y"):
            rows, columns = np.mgrid[: picture.shape[0], : picture.shape[1]]
            return columns + picture.box[0] if path == "x" else picture.box[3] - 1 - rows
        if path in CONSTANTS:
            return CONSTANTS[path]
        return super().name(path)


class Evaluator:
    """The pictures of a host's nodes. ``cats`` holds the models by the file names of Inference nodes."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.cats: dict = {}
        self.read: list = []
        self._known: dict = {}
        self._depth = 0
        host.evaluator = self

    def picture(self, node: object, frame: float, view: str) -> Picture:
        """What comes out of a node.

        Raises:
            PictureError: the node would be red.
            NotInFake: a class or setting that is not computed here.
        """
        key = (id(node), frame, view)
        with self._together():
            if key not in self._known:
                with self.host.at(frame, view):
                    self._known[key] = self._made(node)
            return self._known[key]

    @contextmanager
    def _together(self):
        """Pictures made for one answer are made once."""
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if not self._depth:
                self._known.clear()

    def metadata(self, node: object, frame: float, view: str) -> dict:
        """The metadata that a knob of a node sees: of what flows into it."""
        source = node.input(0) if node.Class() != "Read" else node
        with self._together():
            return {} if source is None else self.picture(source, frame, view).metadata

    def frames(self, node: object) -> tuple:
        """First and last frame that come from above; of a Switch and a Merge from the first to the last of all."""
        cls = node.Class()
        if cls == "Read":
            return node["first"].value(), node["last"].value()
        above = [node.input(index) for index in range(node.inputs())]
        if cls in ("Group", "Gizmo") and node.output() is not None:
            above = [node.output()]
        elif cls == "Input":
            above = [node.parent().input(node["number"].value())]
        elif cls not in ("Switch", "Merge2", "AppendClip"):
            above = above[:1]  # of a Copy that is B
        ranges = [self.frames(one) for one in above if one is not None]
        if not ranges:
            return self.host.root.firstFrame(), self.host.root.lastFrame()
        if cls == "AppendClip":
            first = int(node["firstFrame"].value())
            return first, first - 1 + sum(last - start + 1 for start, last in ranges)
        shift = int(node["time_offset"].value()) if cls == "TimeOffset" else 0
        return min(one[0] for one in ranges) + shift, max(one[1] for one in ranges) + shift

    def _made(self, node: object) -> Picture:
        cls = node.Class()
        make = getattr(self, f"_{cls.lower()}", None)
        if make is None:
            raise NotInFake(f"the evaluator has no {cls}")
        if cls not in ("Read", "Input") and node["disable"].value():
            return self._input(node) if cls != "Group" else self._above(node, 0)
        for name, value in NEUTRAL.items():
            if name in node.knobs() and node[name].value() != value and (cls, name) != ("Copy", "mix"):
                raise NotInFake(f"{node.fullName()}: the evaluator does not do {name}")
        if node._mask_input() is not None and node.input(node._mask_input()) is not None:
            raise NotInFake(f"{node.fullName()}: the evaluator does no masks of nodes")
        try:
            return make(node)
        except ExpressionError as error:
            raise PictureError(f"{node.fullName()}: {error}") from error

    def _above(self, node: object, index: int) -> Picture:
        source = node.input(index)
        if source is None:
            raise PictureError(f"{node.fullName()}: input {index} is not connected")
        return self.picture(source, self.host.frame_now, self.host.view_now)

    # The node classes.

    def _input(self, node: object) -> Picture:
        """The class Input, and what a node that is disabled hands on."""
        if node.Class() != "Input":
            return self._above(node, 0)
        group, number = node.parent(), node["number"].value()
        if group.input(number) is None:
            root = self.host.root.format()
            scale = self._proxy_scale()
            width, height = round(root.width() * scale), round(root.height() * scale)
            return Picture(Size(width, height), (0, 0, width, height))
        return self._above(group, number)

    def _group(self, node: object) -> Picture:
        end = node.output()
        if end is None:
            raise PictureError(f"{node.fullName()} has no Output")
        return self.picture(end, self.host.frame_now, self.host.view_now)

    def _output(self, node: object) -> Picture:
        return self._above(node, 0)

    def _dot(self, node: object) -> Picture:
        return self._above(node, 0)

    def _noop(self, node: object) -> Picture:
        return self._above(node, 0)

    def _write(self, node: object) -> Picture:
        return self._above(node, 0)

    def _at(self, node: object, frame: float, index: int = 0) -> Picture:
        """What comes in at another frame, with the metadata of that frame."""
        with self.host.at(frame):
            return self._above(node, index)

    def _framehold(self, node: object) -> Picture:
        first, step = int(node["firstFrame"].value()), int(node["increment"].value())
        return self._at(node, first + (int(self.host.frame_now) - first) // step * step if step else first)

    def _timeoffset(self, node: object) -> Picture:
        return self._at(node, self.host.frame_now - node["time_offset"].value())

    def _retime(self, node: object) -> Picture:
        begun = self.host.frame_now - node["output.first"].value()
        return self._at(node, round(node["input.first"].value() + begun * node["speed"].value()))

    def _appendclip(self, node: object) -> Picture:
        start = int(node["firstFrame"].value())
        for index in range(node.inputs()):
            first, last = self.frames(node.input(index))
            if self.host.frame_now <= start + last - first:
                break
            start += last - first + 1
        return self._at(node, first + self.host.frame_now - start, index)

    def _reformat(self, node: object) -> Picture:
        if node["type"].value() != "scale":
            raise NotInFake(f"{node.fullName()}: the evaluator reformats by scale only")
        return shrunk(self._above(node, 0), float(node["scale"].value()))

    def _grade(self, node: object) -> Picture:
        picture = self._above(node, 0)
        left = {"black": 0, "white": 1, "blackpoint": 0, "whitepoint": 1, "add": 0, "gamma": 1}
        if any(set(np.ravel(node[name].value())) != {value} for name, value in left.items()):
            raise NotInFake(f"{node.fullName()}: the evaluator multiplies and clamps only")
        planes = dict(picture.channels)
        for name in self._chosen(node, picture) & set(planes):
            position = ORDER.index(name.split(".")[1])
            graded = planes[name] * np.float32(np.broadcast_to(node["multiply"].value(), 4)[position])
            planes[name] = np.maximum(graded, 0) if node["black_clamp"].value() else graded
        return replace(picture, channels=planes)

    def _shuffle2(self, node: object) -> Picture:
        """By its mappings: from, its input and place, to, its output and place; what is not named is kept."""
        picture = self._above(node, 0)
        words = node["mappings"].value().split()[1:]
        planes = dict(picture.channels)
        for index in range(0, len(words), 6):
            source, of, _, target, to, _ = words[index : index + 6]
            names = source.split(".")[0] == node["in1"].value(), target.split(".")[0] == node["out1"].value()
            if (of, to) != ("0", "0") or not all(names):
                raise NotInFake(f"{node.fullName()}: the evaluator shuffles the first layer only")
            planes[target] = picture.plane(source)
        return replace(picture, channels=planes)

    def _roto(self, node: object) -> Picture:
        """A shape over the left half; on its own it is as large as the project and has its own channel only."""
        if node.input(0) is not None:
            raise NotInFake(f"{node.fullName()}: the evaluator has no picture behind shapes")
        root = self.host.root.format()
        made = Picture(Size(root.width(), root.height()), (0, 0, root.width(), root.height()))
        plane = np.zeros(made.shape, np.float32)
        plane[:, : plane.shape[1] // 2] = 1
        return replace(made, channels=dict.fromkeys(self._named(node["output"].value(), made), plane))

    def _switch(self, node: object) -> Picture:
        last = max(node.inputs() - 1, 0)
        return self._above(node, min(max(int(node["which"].value()), 0), last))

    def _assert(self, node: object) -> Picture:
        if not node["expression"].value():
            raise PictureError(f"{node.fullName()}: {node['message'].evaluate()}")
        return self._above(node, 0)

    def _chosen(self, node: object, picture: Picture) -> set:
        """The channels that the knobs ``channels`` to ``channels4`` of a node name."""
        found: set = set()
        for name in ("channels", "channels2", "channels3", "channels4"):
            if name in node.knobs():
                found |= set(self._named(node[name].value(), picture))
        return found

    def _named(self, text: str, picture: Picture) -> list:
        """``rgba``, ``all``, ``softcolor1``, ``softcolor1.red`` and several of them as full names."""
        found: list = []
        for word in text.split():
            if word == "all":
                found += list(picture.channels)
            elif word in ("rgb", "alpha"):
                found += [f"rgba.{one}" for one in (ORDER[:3] if word == "rgb" else ORDER[3:])]
            elif word in self.host.layers:
                found += [f"{word}.{one}" for one in self.host.layers[word]]
            elif word not in ("none", "false"):
                found.append(self.host.full_channel(word))
        return found

    def _remove(self, node: object) -> Picture:
        picture = self._above(node, 0)
        chosen = self._chosen(node, picture)
        keep = node["operation"].value() == "keep"
        planes = {name: plane for name, plane in picture.channels.items() if (name in chosen) == keep}
        return replace(picture, channels=planes)

    def _addchannels(self, node: object) -> Picture:
        picture = self._above(node, 0)
        color = node["color"].value()
        planes = dict(picture.channels)
        for name in sorted(self._chosen(node, picture)):
            position = self.host.layers[name.split(".")[0]].index(name.split(".")[1])
            planes.setdefault(name, np.full(picture.shape, color[position], np.float32))
        return replace(picture, channels=planes)

    def _copy(self, node: object) -> Picture:
        b, a = self._above(node, 0), self._above(node, 1)
        if node["channels"].value() != "none" or node["bbox"].value() != "union":
            raise NotInFake(f"{node.fullName()}: the evaluator copies single channels, with bbox union")
        box = union(a.box, b.box)
        a, b = a.within(box), b.within(box)
        planes = dict(b.channels)
        for number in range(4):
            source, target = node[f"from{number}"].value(), node[f"to{number}"].value()
            if "none" in (source, target):
                continue
            under, over = b.plane(self.host.full_channel(target)), a.plane(self.host.full_channel(source))
            mix = np.float32(node["mix"].value())
            planes[self.host.full_channel(target)] = over if mix == 1 else under + mix * (over - under)
        return replace(b, channels=planes)

    def _merge2(self, node: object) -> Picture:
        operation = {"plus": lambda a, b: a + b, "from": lambda a, b: b - a}.get(node["operation"].value())
        if operation is None or node["also_merge"].value() != "none":
            raise NotInFake(f"{node.fullName()}: the evaluator merges with plus and from only")
        b, a = self._above(node, 0), self._above(node, 1)
        box = union(a.box, b.box)
        a, b = a.within(box), b.within(box)
        planes = dict(b.channels)
        names = [self._named(node[knob].value(), b) for knob in ("Achannels", "Bchannels", "output")]
        for of_a, of_b, target in zip(*names, strict=True):
            planes[target] = operation(a.plane(of_a), b.plane(of_b))
        return replace(b, channels=planes)

    def _crop(self, node: object) -> Picture:
        plain = node["crop"].value() and not node["reformat"].value() and not node["intersect"].value()
        if not plain or any(node["softness"].value()):
            raise NotInFake(f"{node.fullName()}: the evaluator crops to the box, black outside, and no more")
        return self._above(node, 0).within(tuple(round(side) for side in node["box"].value()))

    def _contactsheet(self, node: object) -> Picture:
        pictures = [self._above(node, index) for index in range(node.inputs())]
        columns, rows, wide, high = (int(node[name].value()) for name in ("columns", "rows", "width", "height"))
        size = pictures[0].format
        moved = [node[name].value() for name in ("gap", "center", "splitinputs")]
        orders = node["roworder"].value(), node["colorder"].value()
        if any(moved) or orders != ("TopBottom", "LeftRight") or len(pictures) > columns * rows:
            raise NotInFake(f"{node.fullName()}: the evaluator puts one input a cell, from the upper left, no gaps")
        if (wide, high) != (size.width * columns, size.height * rows) or any(one.format != size for one in pictures):
            raise NotInFake(f"{node.fullName()}: the evaluator scales nothing in a contact sheet")
        names = list(dict.fromkeys(name for one in pictures for name in one.channels))
        planes = {name: np.zeros((high, wide), np.float32) for name in names}
        for index, one in enumerate(pictures):
            x, y = index % columns * size.width, index // columns * size.height
            for name, plane in one.within((0, 0, size.width, size.height)).channels.items():
                planes[name][y : y + size.height, x : x + size.width] = plane
        return replace(pictures[0], format=Size(wide, high, size.aspect), box=(0, 0, wide, high), channels=planes)

    def _unpremult(self, node: object) -> Picture:
        picture = self._above(node, 0)
        if node["invert"].value():
            raise NotInFake(f"{node.fullName()}: the evaluator does not do invert")
        alpha = picture.plane(self.host.full_channel(node["alpha"].value()))
        planes = dict(picture.channels)
        for name in self._chosen(node, picture) & set(planes):
            planes[name] = np.divide(planes[name], alpha, out=planes[name].copy(), where=alpha != 0)
        return replace(picture, channels=planes)

    def _premult(self, node: object) -> Picture:
        picture = self._above(node, 0)
        alpha = picture.plane(self.host.full_channel(node["alpha"].value()))
        planes = dict(picture.channels)
        for name in self._chosen(node, picture) & set(planes):
            planes[name] = planes[name] * alpha
        return replace(picture, channels=planes)

    def _expression(self, node: object) -> Picture:
        picture = self._above(node, 0)
        if node["unpremult"].value() != "none":
            raise NotInFake(f"{node.fullName()}: the evaluator has no unpremult")
        planes = dict(picture.channels)
        scope = PixelScope(self.host, node, picture)
        for number in range(4):
            name, text = node[f"temp_name{number}"].value(), node[f"temp_expr{number}"].value()
            if name and text:
                scope.temporary[name] = PixelParser(text).parse()(scope)
        for number in range(4):
            text = node[f"expr{number}"].value()
            if text:
                found = np.broadcast_to(PixelParser(text).parse()(scope), picture.shape).astype(np.float32)
                for name in self._named(node[f"channel{number}"].value(), picture):
                    if name in picture.channels:
                        planes[name] = found
        return replace(picture, channels=planes)

    def _inference(self, node: object) -> Picture:
        picture = self._above(node, 0)
        file = node["modelFile"].evaluate()
        if file not in self.cats:
            raise PictureError(f"{node.fullName()}: no model {file!r}")
        cat = self.cats[file]
        illegal = sorted({*cat.channels_in, *cat.channels_out} - INFERENCE_CHANNELS)
        if illegal:
            raise PictureError(f"{node.fullName()}: invalid map<K,T> key: {', '.join(illegal)}")
        attributes = node["serialiseKnob"]._values()
        unknown = sorted(set(attributes) - cat.attributes)
        if unknown:
            raise PictureError(f"{node.fullName()}: the model has no {', '.join(unknown)}")
        planes = np.stack([picture.plane(name) for name in cat.channels_in])[None]
        found = np.asarray(cat.run(attributes, np.ascontiguousarray(planes)))
        if found.shape != (1, len(cat.channels_out), *picture.shape):
            raise PictureError(f"{node.fullName()}: the model gives {found.shape}")
        out = {name: found[0, n].astype(np.float32) for n, name in enumerate(cat.channels_out)}
        return replace(picture, channels={**picture.channels, **out})

    # Files.

    def _proxy_scale(self) -> float:
        root = self.host.root
        if not root.proxy():
            return 1.0
        if root["proxy_type"].value() != "scale":
            raise NotInFake("the evaluator knows proxies by scale only")
        return float(root["proxy_scale"].value())

    def _read(self, node: object) -> Picture:
        first, last = node["first"].value(), node["last"].value()
        frame = min(max(self.host.frame_now, first), last)
        side = "before" if self.host.frame_now < first else "after"
        if frame != self.host.frame_now and node[side].value() != "hold":
            raise NotInFake(f"{node.fullName()}: the evaluator holds the first and the last frame")
        with self.host.at(frame):
            file = self.host.file_name(node["file"])
        if not node["raw"].value() and node["colorspace"].value() not in ("default", "linear"):
            raise NotInFake(f"{node.fullName()}: the evaluator converts no colors")
        self.read.append(file)
        try:
            picture = read_exr(file, node.fullName())
        except PictureError:
            if node["on_error"].value() != "black":
                raise
            root = self.host.root.format()
            picture = Picture(Size(root.width(), root.height()), (0, 0, root.width(), root.height()))
        return shrunk(picture, self._proxy_scale())

    def write(self, node: object, frame: float, view: str) -> str:
        """Renders one frame of a Write; returns the file's name.

        Raises:
            PictureError: the picture or the file can't be made.
        """
        if node["file_type"].value() != "exr" or not node["raw"].value():
            raise NotInFake(f"{node.fullName()}: the evaluator writes EXR with raw values")
        picture = self._above_of(node, frame, view)
        with self.host.at(frame, view):
            file = Path(self.host.file_name(node["file"]))
        if node["create_directories"].value():
            file.parent.mkdir(parents=True, exist_ok=True)
        if not file.parent.is_dir():
            raise PictureError(f"{node.fullName()}: {file.parent} does not exist")
        names = [name for name in self._named(node["channels"].value(), picture) if name in picture.channels]
        if not names:
            raise PictureError(f"{node.fullName()}: no channels to write")
        write_exr(file, picture, names, half=node["datatype"].value() == "16 bit half")
        return str(file)

    def _above_of(self, node: object, frame: float, view: str) -> Picture:
        with self.host.at(frame, view), self._together():
            return self._above(node, 0)


def union(one: tuple, other: tuple) -> tuple:
    """The smallest box around two."""
    return (min(one[0], other[0]), min(one[1], other[1]), max(one[2], other[2]), max(one[3], other[3]))


def nuke_name(channel: str, views: Sequence = ()) -> str:
    """A channel of an EXR file as Nuke calls it, by the rules of Foundry's published ``ExrChannelNameToNuke``.

    At most three parts between points; digits before a part's first other character are left out, and so is a part
    with nothing else; what is no letter or digit is an underscore; the names of views are no part of the layer.
    """
    parts = [part.lstrip("0123456789").encode() for part in channel.split(".", 2)]
    words = [re.sub(rb"[^A-Za-z0-9]", b"_", part).decode() for part in parts if part]
    layer = "_".join(word for word in words[:-1] if word not in views)
    last = words[-1] if words else "unnamed"
    spelt = {one: n for s, n in SHORT.items() for one in (s, s.lower(), n.capitalize(), n.upper())}
    return f"{layer if layer not in ('', 'Ci') else 'rgba'}.{spelt.get(last, last)}"


def read_exr(file: str, where: str) -> Picture:
    """A file as a Read shows it, its attributes under ``exr/``."""
    opened = oiio.ImageInput.open(file) if Path(file).is_file() else None
    if opened is None:
        raise PictureError(f"{where}: {file}: no such file or not readable")
    try:
        spec, planes, part = opened.spec(), {}, 0  # the windows and the metadata are those of the first part
        while opened.seek_subimage(part, 0):
            if opened.spec().roi != spec.roi or opened.spec().roi_full != spec.roi_full:
                raise PictureError(f"{where}: {file}: the windows of its parts differ")
            names = opened.spec().channelnames
            pixels = opened.read_image(part, 0, 0, len(names), oiio.FLOAT)
            if pixels is None:
                raise PictureError(f"{where}: {file}: the file is damaged")
            planes |= {nuke_name(name): np.ascontiguousarray(pixels[..., n]) for n, name in enumerate(names)}
            part += 1
        opened.geterror()  # that there is no further part
    finally:
        opened.close()
    bottom = spec.full_y + spec.full_height
    left = spec.x - spec.full_x
    box = (left, bottom - spec.y - spec.height, left + spec.width, bottom - spec.y)
    metadata = {f"exr/{one.name}": str(one.value) for one in spec.extra_attribs}
    aspect = spec.get_float_attribute("PixelAspectRatio", 1.0)
    return Picture(Size(spec.full_width, spec.full_height, aspect), box, planes, metadata)


def write_exr(file: Path, picture: Picture, names: Sequence, *, half: bool = False) -> None:
    """Channels of a picture as an EXR file, its box as the data window."""
    height, width = picture.shape
    spec = oiio.ImageSpec(width, height, len(names), oiio.HALF if half else oiio.FLOAT)
    spec.x, spec.y = picture.box[0], picture.format.height - picture.box[3]
    spec.full_x, spec.full_y = 0, 0
    spec.full_width, spec.full_height = picture.format.width, picture.format.height
    long = {value: key for key, value in SHORT.items()}
    spec.channelnames = tuple(long.get(n.split(".")[1], n) if n.startswith("rgba.") else n for n in names)
    spec.attribute("PixelAspectRatio", float(picture.format.aspect))
    made = oiio.ImageOutput.create(str(file))
    pixels = np.ascontiguousarray(np.stack([picture.channels[name] for name in names], axis=-1))
    if not made or not made.open(str(file), spec) or not made.write_image(pixels) or not made.close():
        raise PictureError(f"{file} can't be written: {made.geterror() if made else oiio.geterror()}")


def shrunk(picture: Picture, scale: float) -> Picture:
    """A picture at a proxy's size: the mean of whole squares of pixels."""
    if scale == 1.0:
        return picture
    step = round(1 / scale)
    size, box = picture.format, picture.box
    if abs(step * scale - 1) > 1e-6 or any(side % step for side in (*box, size.width, size.height)):
        raise NotInFake("the evaluator knows proxies of 1/2, 1/3, …, and pictures that they divide")
    height, width = picture.shape
    planes = {
        name: plane.reshape(height // step, step, width // step, step).mean(axis=(1, 3))
        for name, plane in picture.channels.items()
    }
    small = Size(size.width // step, size.height // step, size.aspect)
    return replace(picture, format=small, box=tuple(side // step for side in box), channels=planes)
