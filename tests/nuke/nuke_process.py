"""A Nuke of one Python: loads the plug-in, renders a frame by its button and one by the batch script.

    python -I -S nuke_process.py PLUG-IN FAKE FOLDER

The imitation of Nuke has no pictures here, for they need NumPy: what Nuke's Write writes is written by hand. The engine
is a process of its own, as it always is. Prints what was done as JSON. Standard library only.
"""

from __future__ import annotations

import importlib.util
import json
import runpy
import struct
import sys
import sysconfig
from array import array
from pathlib import Path
from types import SimpleNamespace

PLUGIN, FAKE, FOLDER = (Path(argument) for argument in sys.argv[1:])
WIDTH, HEIGHT = 40, 24


class Evaluator:
    """Renders a picture of its own whatever stands above a Write, and no metadata."""

    def write(self, node: object, frame: float, view: str) -> str:
        """The file that a Write of three float channels writes."""
        path = Path(node["file"].value())
        path.write_bytes(exr(frame))
        return str(path)

    def metadata(self, *_: object) -> dict:
        """No file is read, so there is none."""
        return {}

    def picture(self, *_: object) -> SimpleNamespace:
        """What is asked of the picture at a node: its channels, its format and its box."""
        size = SimpleNamespace(width=WIDTH, height=HEIGHT, aspect=1.0)
        channels = dict.fromkeys(f"rgba.{name}" for name in ("red", "green", "blue"))
        return SimpleNamespace(channels=channels, format=size, box=(0, 0, WIDTH, HEIGHT))


def value(channel: str, x: int, y: int, frame: float) -> float:
    """The plate: smooth, and brighter than white in places."""
    return {"R": x / 20, "G": y / HEIGHT, "B": 0.25 + 0.01 * (frame - 1000)}[channel]


def exr(frame: float) -> bytes:
    """The plate as an EXR file of scanlines that are not packed."""

    def attribute(name: str, kind: str, content: bytes) -> bytes:
        return name.encode() + b"\0" + kind.encode() + b"\0" + struct.pack("<i", len(content)) + content

    window = struct.pack("<iiii", 0, 0, WIDTH - 1, HEIGHT - 1)
    channels = b"".join(name + b"\0" + struct.pack("<iBxxxii", 2, 0, 1, 1) for name in (b"B", b"G", b"R")) + b"\0"
    header = struct.pack("<ii", 20000630, 2)
    header += attribute("channels", "chlist", channels) + attribute("compression", "compression", b"\0")
    header += attribute("dataWindow", "box2i", window) + attribute("displayWindow", "box2i", window)
    header += attribute("lineOrder", "lineOrder", b"\0") + attribute("pixelAspectRatio", "float", struct.pack("<f", 1))
    header += attribute("screenWindowCenter", "v2f", struct.pack("<ff", 0, 0))
    header += attribute("screenWindowWidth", "float", struct.pack("<f", 1)) + b"\0"
    size = 12 * WIDTH
    first = len(header) + 8 * HEIGHT
    table = b"".join(struct.pack("<Q", first + y * (8 + size)) for y in range(HEIGHT))
    lines = b"".join(
        struct.pack("<ii", y, size)
        + array("f", [value(name, x, y, frame) for name in "BGR" for x in range(WIDTH)]).tobytes()
        for y in range(HEIGHT)
    )
    return header + table + lines


def main() -> dict:
    """Returns what was done."""
    sys.path[:0] = [str(FAKE), str(PLUGIN)]
    import fake_nuke

    host = fake_nuke.Host().install()
    host.evaluator = Evaluator()
    import nuke

    nuke.pluginAddPath(str(PLUGIN))
    for name in ("init.py", "menu.py"):
        runpy.run_path(str(PLUGIN / name))
    for file in sorted((PLUGIN / "softcolor_nuke").rglob("*.py")):
        name = ".".join(file.relative_to(PLUGIN).with_suffix("").parts)
        importlib.import_module(name.replace(".__init__", ""))
    roots = [str(Path(place).resolve()) for place in (sysconfig.get_path("stdlib"), PLUGIN, FAKE)]
    files = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    outside = [file for file in files if file and not str(Path(file).resolve()).startswith(tuple(roots))]

    from softcolor_nuke import buttons

    host.load("Constant {\n inputs 0\n name Plate\n}\n")
    node = nuke.createNode("SoftColorSegment")
    node.setInput(0, nuke.toNode("Plate"))
    node["colors"].setValue(3)
    node["cache_file"].setValue((FOLDER / "Ebène 1" / "layers.%04d.exr").as_posix())
    node["first_frame"].setValue(1001)
    node["last_frame"].setValue(1002)
    nuke.frame(1001)
    buttons.render_frame(node)
    status = [node["status"].value()]
    node["smoothing"].setValue(7)
    status.append(node["status"].value())
    node["smoothing"].setValue(0)

    nuke.scriptSaveAs(str(FOLDER / "comp.nk"), 1)
    batch = module_of("softcolor_batch")
    batched = batch.main([str(FOLDER / "comp.nk"), node.name(), "--frames=1002"])
    module_of("softcolor_selftest")
    from softcolor_nuke import engine

    engine.disconnect()
    return {
        "python": ".".join(map(str, sys.version_info[:2])),
        "outside": outside,
        "messages": [list(map(str, message)) for message in host.messages],
        "status": status,
        "batch": batched,
        "menu": list(host.menus),
    }


def module_of(name: str) -> object:
    """One of the scripts for ``nuke -t``, loaded and not run."""
    spec = importlib.util.spec_from_file_location(name, PLUGIN / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    print(json.dumps(main()))
