"""What names and brackets mean in an expression of a node."""

from __future__ import annotations

from . import nodes
from .expressions import ExpressionError

PROPERTIES = ("width", "height", "w", "h", "x", "y", "r", "t", "pixel_aspect")


class Scope:
    """What names and brackets mean in an expression of a node."""

    def __init__(self, host: object, node: nodes.Node) -> None:
        self.host, self.node = host, node

    def tcl(self, code: str) -> float:
        """A bracket; its result must be a number."""
        found = self.host.tcl_of(self.node, code)
        try:
            return float(found)
        except ValueError:
            raise ExpressionError(f"[{code}] is {found!r}, which is no number") from None

    def name(self, path: str) -> float:
        """A knob, a property of the picture, or a variable."""
        host = self.host
        simple = {
            "frame": lambda: host.frame_now,
            "t": lambda: host.frame_now,
            "$gui": lambda: float(host.gui),
            "gui": lambda: float(host.gui),
            "$nuke_version": lambda: host.version[0] + host.version[1] / 10,
            "nuke_version": lambda: host.version[0] + host.version[1] / 10,
        }
        knob, channel = host.knob_and_field(self.node, path)
        if knob is not None:
            return knob._number(channel)
        if path in simple:
            return float(simple[path]())
        if path.startswith("$"):
            raise ExpressionError(f"there is no variable {path}")
        return self._property(path)

    def _property(self, path: str) -> float:
        *where, last = path.split(".")
        box = bool(where) and where[-1] in ("bbox", "format")
        part = where.pop() if box else ""
        node = self.host.node_along(self.node, where) if last in PROPERTIES else None
        if node is None or (node._class == "Root" and part != "format" and last not in ("width", "height")):
            raise ExpressionError(f"{path!r}: there is no such knob")
        if node._class == "Root":
            sizes = {"width": node.width(), "height": node.height(), "w": node.width(), "h": node.height()}
            return float(sizes[last])
        picture = node._picture()
        left, bottom, right, top = picture.box
        if part == "bbox" or (not part and last in ("x", "y", "r", "t")):
            found = {"x": left, "y": bottom, "r": right, "t": top, "w": right - left, "h": top - bottom}
        else:
            found = {
                "width": picture.format.width,
                "height": picture.format.height,
                "w": picture.format.width,
                "h": picture.format.height,
                "pixel_aspect": picture.format.aspect,
                "x": 0,
                "y": 0,
                "r": picture.format.width,
                "t": picture.format.height,
            }
        if last not in found:
            raise ExpressionError(f"{path!r}: there is no such knob")
        return float(found[last])
