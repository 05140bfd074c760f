"""Tries everything that needs a real Nuke, and prints what came of it as JSON.

    nuke -t softcolor_selftest.py [report.json]

Needs the engine (see Install in docs/nuke.md) for the rows that compute. Nothing of yours is changed: it works in a
script of its own and a folder for temporary files. Ends with 0 if no row failed, else 1.
"""

from __future__ import annotations

import json
import platform
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nuke

HERE = str(Path(__file__).resolve().parent)
if HERE not in sys.path:
    sys.path.insert(0, HERE)

from softcolor_nuke import buttons, callbacks, engine, render, upstream, working_space  # noqa: E402
from softcolor_nuke.fscs._version import __version__  # noqa: E402
from softcolor_nuke.fscs.protocol import WorkerError  # noqa: E402

CHANNELS = ("red", "green", "blue", "alpha")
POINTS = ((10.5, 12.5), (100.5, 40.5), (51.5, 77.5))
FRAME = 1001


class Skip(Exception):
    """A row that can't be tried here, with the reason."""


class Rows:
    """The rows of the report, in their order; a row may use what the ones before it made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.node: Any = None
        self.plate: Any = None

    def the_node_loads(self) -> str:
        """createNode reads the gizmo, its knobs are there, and its palette follows its colours."""
        nuke.pluginAddPath(HERE)
        self.plate = image()
        self.node = nuke.createNode("SoftColorSegment", inpanel=False)
        self.node.setInput(0, self.plate)
        expected = working_space.to_srgb(self.node["color1"].value(), "lin_rec709")
        found = [self.node[f"p1{letter}"].value() for letter in "rgb"]
        _near(found, expected, 1e-4, "palette in sRGB")
        return f"{len(self.node.knobs())} knobs"

    def layers_are_known(self) -> str:
        """The layers of the file's add_layer lines exist."""
        missing = [f"softcolor{n}" for n in range(1, 17) if f"softcolor{n}" not in nuke.layers()]
        _true(not missing, f"missing: {missing}")
        return ""

    def the_engine_answers(self) -> str:
        """A process of its own is started from inside Nuke."""
        try:
            return str(engine.connect().hello["engine"])
        except WorkerError as error:
            raise Skip(str(error)) from error

    def render_writes_a_frame(self) -> str:
        """The Write inside the node writes, the engine computes, the file is there."""
        self.the_engine_answers()
        self.node["colors"].setValue(3)
        self.node["cache_file"].setValue((self.folder / "a b" / "layers.%04d.exr").as_posix())
        nuke.frame(FRAME)
        views = [str(nuke.thisView())]
        render.render(self.node, [FRAME], views, lambda *_: None, lambda: False)
        _true((self.folder / "a b" / f"layers.{FRAME}.exr").is_file(), "no file")
        return ""

    def nuke_reads_the_metadata(self) -> str:
        """Read gives the metadata the names that the node's checks use."""
        self._rendered()
        found = self.node.node("Cache").metadata("exr/softcolor:key", FRAME)
        _true(isinstance(found, str) and len(found) == 64, f"found {found!r}")
        return ""

    def the_layers_add_up(self) -> str:
        """All checks pass, the layers are in the stream and their sum is the image, which is untouched."""
        self._rendered()
        _true(not self.node.hasError(), "the node has an error")
        worst = 0.0
        for x, y in POINTS:
            for channel in CHANNELS:
                plate = self.plate.sample(channel, x, y)
                total = sum(self.node.sample(f"softcolor{n}.{channel}", x, y) for n in (1, 2, 3))
                worst = max(worst, abs(plate - total), abs(self.node.sample(channel, x, y) - plate))
        _true(worst < 1e-5, f"they differ by {worst:g}")
        return f"largest difference {worst:g}"

    def views_follow(self) -> str:
        """Recomposition is the image; one layer is that layer; the alpha sheet has each alpha in its place."""
        self._rendered()
        x, y = POINTS[0]
        self.node["view"].setValue("recomposition")
        _near([self.node.sample("red", x, y)], [self.plate.sample("red", x, y)], 1e-5, "recomposition")
        self.node["view"].setValue("one layer")
        self.node["view_layer"].setValue(2)
        _near([self.node.sample("red", x, y)], [self.node.sample("softcolor2.red", x, y)], 1e-6, "one layer")
        alpha = self.node.sample("softcolor3.alpha", x, y)
        self.node["view"].setValue("alpha sheet")
        wide, high = self.plate.width(), self.plate.height()
        _true((self.node.width(), self.node.height()) == (2 * wide, 2 * high), "the sheet has another size")
        _near([self.node.sample("green", x, y)], [alpha], 1e-6, "third alpha, at the lower left")  # y counts upwards
        self.node["view"].setValue("layers")
        return ""

    def a_changed_knob_is_an_error(self) -> str:
        """The node's own checks see a changed palette and a changed setting, and pass again afterwards."""
        self._rendered()
        for name, value in (("smoothing", 5), ("layer_gain2", 1.5), ("color1", 0.9)):
            before = self.node[name].value()
            self.node[name].setValue(value)
            failed = self.node.hasError() or self.node.treeHasError()
            self.node[name].setValue(before)
            _true(failed, f"{name} was not seen")
        _true(not self.node.hasError(), "an error stays")
        return ""

    def a_missing_frame_is_an_error(self) -> str:
        """A frame without a file is an error and neither black nor the nearest one."""
        self._rendered()
        nuke.frame(FRAME + 1)
        failed = self.node.hasError() or self.node.treeHasError()
        nuke.frame(FRAME)
        _true(failed, "it was not seen")
        return ""

    def a_render_aborts(self) -> str:
        """beforeFrameRender ends the render of a Write below."""
        self._rendered()
        callbacks.register()
        write = nuke.createNode("Write", inpanel=False)
        write.setInput(0, self.node)
        write["file_type"].setValue("exr")
        write["file"].setValue((self.folder / "out.%04d.exr").as_posix())
        write["raw"].setValue(True)
        nuke.execute(write, FRAME, FRAME, 1)
        try:
            nuke.execute(write, FRAME + 1, FRAME + 1, 1)
        except RuntimeError as error:
            return str(error)
        finally:
            nuke.delete(write)
        raise AssertionError("the frame without layers was rendered")

    def a_changed_image_is_seen(self) -> str:
        """A node more before the input is a change; where the nodes stand and what they are called is none."""
        self._rendered()
        view = str(nuke.thisView())
        self.plate.setXYpos(500, 500)
        self.plate["label"].setValue("moved")
        found = callbacks.state(self.node, FRAME, view, sure=True)
        _true(not found, f"moved and labelled: {found}")
        grade = nuke.createNode("Grade", inpanel=False)
        grade.setInput(0, self.plate)
        self.node.setInput(0, grade)
        found = callbacks.state(self.node, FRAME, view, sure=True)
        self.node.setInput(0, self.plate)
        nuke.delete(grade)
        _true("image changed" in found, f"with a Grade: {found!r}")
        return ""

    def groups_and_expressions_are_looked_into(self) -> str:
        """A knob inside a group before the input is a change, and so is a knob that an expression names."""
        self._rendered()
        control = nuke.createNode("Grade", inpanel=False)
        control.setInput(0, None)
        group: Any = nuke.createNode("Group", inpanel=False)
        with group:
            source = nuke.createNode("Input", inpanel=False)
            inner = nuke.createNode("Grade", inpanel=False)
            inner.setInput(0, source)
            nuke.createNode("Output", inpanel=False).setInput(0, inner)
        group.setInput(0, self.plate)
        inner["multiply"].setExpression(f"root.{control.name()}.multiply")
        self.node.setInput(0, group)
        try:
            found = [upstream.state(self.node, render.state_flags())]
            for knob in (inner["gamma"], control["multiply"]):
                knob.setValue(1.5)
                found.append(upstream.state(self.node, render.state_flags()))
        finally:
            self.node.setInput(0, self.plate)
            nuke.delete(group)
            nuke.delete(control)
        _true(found[0] != found[1], "the knob inside the group was not seen")
        _true(found[1] != found[2], "the knob that an expression names was not seen")
        return ""

    def the_node_travels(self) -> str:
        """Saved and opened again, the node keeps its knobs and its layers."""
        self._rendered()
        name, script = self.node.fullName(), (self.folder / "comp.nk").as_posix()
        nuke.scriptSaveAs(script, 1)
        nuke.scriptClear()
        nuke.scriptOpen(script)
        nuke.frame(FRAME)
        self.node = nuke.toNode(name)
        self.plate = self.node.input(0)
        _true(self.node["colors"].value() == 3, "colors")
        return self.the_layers_add_up()

    def a_palette_is_one_undo(self) -> str:
        """A palette is put into the knobs as one step."""
        before = list(self.node["color1"].value())
        buttons.set_palette(
            self.node, {"version": 1, "space": "srgb", "colors": [{"rgb": [0.5, 0.25, 1.0]}] * 3}, "Palette"
        )
        changed = list(self.node["color1"].value())
        nuke.Undo.undo()
        after = list(self.node["color1"].value())
        _true(changed != before, "the palette was not set")
        _near(after, before, 1e-6, "after one undo")
        return ""

    def the_frames_around_are_looked_at(self) -> str:
        """Temporal smoothing captures the frames before and after, and the file says so."""
        self._rendered()
        self.node["temporal"].setValue(0.5)
        template = self.node["cache_file"].value()
        self.node["cache_file"].setValue((self.folder / "calm.%04d.exr").as_posix())
        try:
            render.render(self.node, [FRAME], [str(nuke.thisView())], lambda *_: None, lambda: False)
            _true(not self.node.hasError(), "the node has an error")
        finally:
            self.node["temporal"].setValue(0)
            self.node["cache_file"].setValue(template)
        return ""

    def each_view_has_its_file(self) -> str:
        """With %V in the name, all views are rendered, each into its own file."""
        self._rendered()
        nuke.addView("softcolor")
        template = self.node["cache_file"].value()
        self.node["cache_file"].setValue((self.folder / "%V" / "layers.%04d.exr").as_posix())
        views = [str(view) for view in nuke.views()]
        try:
            render.render(self.node, [FRAME], views, lambda *_: None, lambda: False)
        finally:
            self.node["cache_file"].setValue(template)
        missing = [view for view in views if not (self.folder / view / f"layers.{FRAME}.exr").is_file()]
        _true(len(views) > 1 and not missing, f"views {views}, no file for {missing}")
        return ""

    def bypass_is_the_image(self) -> str:
        """Bypass hands the image on."""
        self.node["mode"].setValue("Bypass")
        x, y = POINTS[1]
        _near([self.node.sample("green", x, y)], [self.plate.sample("green", x, y)], 0.0, "Bypass")
        self.node["mode"].setValue("Cached")
        return ""

    def live_computes(self) -> str:
        """The Inference nodes find their model, take the palette, and the layers add up."""
        self._rendered()
        if "SoftColorSegment.cat" not in str(nuke.tcl("plugins -all SoftColorSegment.cat")):
            raise Skip("there is no SoftColorSegment.cat on the plug-in path; make_cat.py makes it with NukeX")
        self.node["mode"].setValue("Live")
        try:
            return self.the_layers_add_up()
        finally:
            self.node["mode"].setValue("Cached")

    def _rendered(self) -> None:
        if self.node is None or not (self.folder / "a b" / f"layers.{FRAME}.exr").is_file():
            raise Skip("needs the row render_writes_a_frame")


def image() -> Any:
    """A node with a picture of several colours."""
    return nuke.createNode("CheckerBoard2", inpanel=False)


ROWS: tuple[Callable[[Rows], str], ...] = tuple(
    row for name, row in vars(Rows).items() if callable(row) and not name.startswith("_")
)


def _true(condition: object, message: str) -> None:
    if not condition:
        raise AssertionError(message)


def _near(found: Sequence[float], expected: Sequence[float], tolerance: float, what: str) -> None:
    _true(all(abs(a - b) <= tolerance for a, b in zip(found, expected)), f"{what}: {list(found)}, not {list(expected)}")


def report() -> dict[str, Any]:
    """Runs all rows."""
    results = []
    with tempfile.TemporaryDirectory(prefix="softcolor-selftest-") as folder:
        rows = Rows(Path(folder))
        for row in ROWS:
            entry = {"row": row.__name__, "about": (row.__doc__ or "").strip(), "result": "ok", "detail": ""}
            try:
                entry["detail"] = row(rows)
            except Skip as reason:
                entry.update(result="skipped", detail=str(reason))
            except Exception as error:  # every row is to be tried
                entry.update(result="failed", detail=f"{error!r}\n{traceback.format_exc()}")
            results.append(entry)
    engine.disconnect()
    return {
        "plug_in": __version__,
        "nuke": nuke.NUKE_VERSION_STRING,
        "python": platform.python_version(),
        "system": platform.platform(),
        "rows": results,
    }


def main(arguments: Sequence[str]) -> int:
    """Prints the report, and writes it where an argument says. Returns the exit code."""
    made = report()
    text = json.dumps(made, indent=2)
    print(text, flush=True)
    if arguments:
        Path(arguments[0]).write_text(text + "\n", encoding="utf-8")
    return 1 if any(row["result"] == "failed" for row in made["rows"]) else 0


if __name__ == "__main__":
    status = main(sys.argv[1:])
    if status:
        sys.exit(status)
