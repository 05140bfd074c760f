"""Tries everything that needs a real Nuke, and prints what came of it as JSON.

    nuke -t softcolor_selftest.py [report.json]

Needs the engine (see Install in docs/nuke.md) for the rows that compute. Nothing of yours is changed: it works in a
script of its own and a folder for temporary files. Ends with 0 if no row failed, else 1.
"""

from __future__ import annotations

import json
import math
import platform
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nuke

HERE = str(Path(__file__).resolve().parent)
if HERE not in sys.path:
    sys.path.insert(0, HERE)

from softcolor_nuke import (  # noqa: E402
    background,
    buttons,
    callbacks,
    engine,
    first_contact,
    layer_names,
    layer_tree,
    recolor,
    render,
    upstream,
    working_space,
)
from softcolor_nuke.fscs._version import __version__  # noqa: E402
from softcolor_nuke.fscs.edits import Formula, LayerEdit, formula  # noqa: E402
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
        """createNode reads the gizmo, its knobs are there, and its palette follows its colors."""
        nuke.pluginAddPath(HERE)
        self.plate = image()
        self.node = nuke.createNode("SoftColorSegment", inpanel=False)
        self.node.setInput(0, self.plate)
        expected = working_space.to_srgb(self.node["color1"].value(), "lin_rec709")
        found = [self.node[f"p1{letter}"].value() for letter in "rgb"]
        _near(found, expected, 1e-4, "palette in sRGB")
        return f"{len(self.node.knobs())} knobs"

    def layers_are_known(self) -> str:
        """The layers of the file's add_layer lines exist, and no others of the node's."""
        found = [f"softcolor{n}" for n in range(1, 17) if f"softcolor{n}" in nuke.layers()]
        _true(found == layer_names.names_of(self.node), f"found: {found}")
        return ""

    def colors_bring_their_layers(self) -> str:
        """More colors add layers to the script and to the nodes inside, fewer take them out of a saved script."""
        colors = int(self.node["colors"].value())
        self.node["colors"].setValue(colors + 2)
        followed = "by knobChanged"
        if len(layer_names.names_of(self.node)) != colors + 2:
            followed = "knobChanged was not called"
            callbacks.follow(self.node)
        name = f"softcolor{colors + 2}"
        _true(name in nuke.layers() and self.node.node(f"Layer{colors + 2}")["to0"].value() == f"{name}.red", name)
        self.node["colors"].setValue(colors)
        callbacks.follow(self.node)
        script = self.folder / "fewer.nk"
        nuke.scriptSaveAs(script.as_posix(), 1)
        text = script.read_text(encoding="utf-8")
        _true(f"add_layer {{{name} " not in text, f"{name} is in the saved script")
        return followed

    def the_chosen_layer_is_shown(self) -> str:
        """Layer on the tabs Alpha and Recolor shows the controls of that layer and hides those of the others."""
        for chooser, name in (("chosen_layer", "layer_gain"), ("edit_layer", "edit_hue")):
            for chosen in (2, 1):
                self.node[chooser].setValue(chosen)
                callbacks.show_layers(self.node)
                shown = [n for n in range(1, 17) if self.node[f"{name}{n}"].visible()]
                _true(shown == [chosen], f"{chooser} {chosen} shows {name} of {shown}")
        return ""

    def live_has_nodes_of_its_own(self) -> str:
        """The Inference nodes are created when Live is chosen, and deleted when another mode is."""
        self.node["mode"].setValue("Live")
        callbacks.follow(self.node)
        _true(self.node.node("Live1") is not None, "they were not created")
        self.node["mode"].setValue("Cached")
        callbacks.follow(self.node)
        _true(self.node.node("Live1") is None and self.node.node("NoLive") is not None, "they were not deleted")
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
        self.node["first_frame"].setValue(FRAME)
        self.node["last_frame"].setValue(FRAME + 1)
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
        _true(failed, "it was not noticed")
        return ""

    def a_render_aborts(self) -> str:
        """A Write below ends where a frame has no file, by the Read, or the image changed, by beforeFrameRender."""
        self._rendered()
        callbacks.register()
        said = [self._refused(self.node, FRAME + 1)]
        grade = nuke.createNode("Grade", inpanel=False)
        grade.setInput(0, self.plate)
        grade["multiply"].setValue(0.5)
        self.node.setInput(0, grade)
        try:
            said.append(self._refused(self.node, FRAME))
        finally:
            self.node.setInput(0, self.plate)
            nuke.delete(grade)
        _true(said[0] and "image changed" in said[1], f"it said {said}")
        _true(not self._refused(self.node, FRAME), "the frame that is there was not rendered")
        return "; ".join(said)

    def switches_and_time_are_followed(self) -> str:
        """An input that a Switch does not choose ends no render, nor does a frame without layers below a FrameHold."""
        self._rendered()
        switch = nuke.createNode("Switch", inpanel=False)
        switch.setInput(0, self.plate)
        switch.setInput(1, self.node)
        hold = nuke.createNode("FrameHold", inpanel=False)
        hold.setInput(0, self.node)
        hold["firstFrame"].setValue(FRAME)
        try:
            said = [self._refused(switch, FRAME + 1), self._refused(hold, FRAME + 1)]
            switch["which"].setValue(1)
            chosen = self._refused(switch, FRAME + 1)
            smoothing = self.node["smoothing"].value()
            self.node["smoothing"].setValue(5)
            held = self._refused(hold, FRAME + 1)
            self.node["smoothing"].setValue(smoothing)
        finally:
            nuke.delete(switch)
            nuke.delete(hold)
        _true(not any(said), f"they ended with {said}")
        _true(chosen, "the chosen input without layers was rendered")
        _true(held, "the changed setting below the FrameHold was not seen")
        return ""

    def the_read_has_the_range_of_the_node(self) -> str:
        """The Read inside asks for no other frames, and a frame outside of the range is an error."""
        self._rendered()
        read = self.node.node("Cache")
        _near([read.firstFrame(), read.lastFrame()], [FRAME, FRAME + 1], 0, "range of the Read")
        nuke.frame(FRAME + 50)
        failed = self.node.hasError() or self.node.treeHasError()
        nuke.frame(FRAME)
        _true(failed, "a frame outside the range was not noticed")
        return f"the node itself: {self.node.firstFrame()} to {self.node.lastFrame()}"

    def names_keep_their_places(self) -> str:
        """nuke.filename keeps the place of the frame, with REPLACE it fills it in; the detail has getEvaluatedValue."""
        self._rendered()
        read = self.node.node("Cache")
        _true("%04d" in upstream.template_of(self.node), f"pattern {upstream.template_of(self.node)}")
        file = upstream.file_of(self.node, FRAME, str(nuke.thisView()))
        _true(Path(file).is_file(), f"file {file}")
        return f"getEvaluatedValue: {read['file'].getEvaluatedValue()}"

    def a_mask_of_alpha_alone_is_captured(self) -> str:
        """A Roto on its own, which has alpha only and is black, takes a layer away."""
        self._rendered()
        roto = nuke.createNode("Roto", inpanel=False)
        roto.setInput(0, None)
        template = self.node["cache_file"].value()
        self.node.setInput(1, roto)
        self.node["use_mask"].setValue(True)
        self.node["mask_layers"].setValue("2")
        self.node["cache_file"].setValue((self.folder / "masked.%04d.exr").as_posix())
        try:
            render.render(self.node, [FRAME], [str(nuke.thisView())], lambda *_: None, lambda: False)
            _true(not self.node.hasError(), "the node has an error")
        finally:
            self.node["use_mask"].setValue(False)
            self.node["cache_file"].setValue(template)
            self.node.setInput(1, None)
            nuke.delete(roto)
        return ""

    def layers_of_others_are_taken_out(self) -> str:
        """Layers that come in under the names of the node's own are not in the sum and do not go on."""
        self._rendered()
        x, y = POINTS[0]
        more = nuke.createNode("AddChannels", inpanel=False)
        more.setInput(0, self.plate)
        more["channels"].setValue("softcolor5")
        more["color"].setValue(0.5)
        self.node.setInput(0, more)
        callbacks.look([self.node.fullName()])
        self.node["view"].setValue("recomposition")
        try:
            _near([self.node.sample("red", x, y)], [self.plate.sample("red", x, y)], 1e-5, "recomposition")
            _true("softcolor5.red" not in self.node.channels(), "softcolor5 goes on")
        finally:
            self.node["view"].setValue("layers")
            self.node.setInput(0, self.plate)
            nuke.delete(more)
        return ""

    def another_format_is_an_error(self) -> str:
        """A Reformat before the node is an error by the node's own checks."""
        self._rendered()
        half = nuke.createNode("Reformat", inpanel=False)
        half.setInput(0, self.plate)
        half["type"].setValue("scale")
        half["scale"].setValue(0.5)
        self.node.setInput(0, half)
        failed = self.node.hasError() or self.node.treeHasError()
        self.node.setInput(0, self.plate)
        nuke.delete(half)
        _true(failed, "it was not noticed")
        _true(not self.node.hasError(), "an error stays")
        return ""

    def the_working_space_is_the_scripts(self) -> str:
        """The root says which working space the script has; the detail has what it says."""
        root: Any = nuke.root()
        names = ("colorManagement", "OCIO_config", "workingSpaceLUT")
        said = ", ".join(f"{name} {root[name].value()}" for name in names if root.knob(name))
        _true(first_contact.script_space(), f"not known: {said}")
        return said

    def words_are_no_change(self) -> str:
        """The words on the node neither mark the script as changed nor stand in a saved one."""
        self._rendered()
        callbacks.register()
        nuke.root().setModified(False)
        self.node["status"].setValue("")
        nuke.root().setModified(False)
        callbacks.update(self.node)
        words = str(self.node["status"].value())
        _true(words and not nuke.root().modified(), f"{words!r}, the script is marked as changed")
        script = self.folder / "words.nk"
        nuke.scriptSaveAs(script.as_posix(), 1)
        _true(f"status {words}" not in script.read_text(encoding="utf-8"), "they are in the script")
        return words

    def idle_is_short(self) -> str:
        """What Nuke calls whenever it is idle takes less than 5 ms; the detail has the time."""
        self._rendered()
        callbacks.update(self.node)
        begun = time.thread_time()
        for _ in range(100):
            callbacks.update(self.node)
        took = 10 * (time.thread_time() - begun)
        _true(took < 5, f"{took:.2f} ms")
        return f"{took:.2f} ms"

    def missing_frames_can_be_the_image(self) -> str:
        """With Missing Frames at bypass a frame without a file is the image, without layers."""
        self._rendered()
        x, y = POINTS[0]
        self.node["missing_frames"].setValue("bypass")
        nuke.frame(FRAME + 1)
        try:
            _true(not self.node.hasError(), "the node has an error")
            _near([self.node.sample("red", x, y)], [self.plate.sample("red", x, y)], 0.0, "the image")
        finally:
            self.node["missing_frames"].setValue("error")
            nuke.frame(FRAME)
        return ""

    def a_matte_becomes_the_alpha(self) -> str:
        """Matte to Alpha puts the sum of the chosen alphas into rgba.alpha."""
        self._rendered()
        x, y = POINTS[0]
        expected = sum(self.node.sample(f"softcolor{n}.alpha", x, y) for n in (1, 3))
        self.node["matte_layers"].setValue("1 3")
        found = self.node.sample("alpha", x, y)
        self.node["matte_layers"].setValue("")
        _near([found], [expected], 1e-6, "alpha")
        return ""

    def recoloring_is_the_formula(self) -> str:
        """The nodes of Recolor change a layer as the formula says; without edits the image comes back."""
        self._rendered()
        x, y = POINTS[0]
        edit = LayerEdit(hue=40.0, saturation=0.5, gamma=(1.2, 1.0, 0.8))
        plate = [self.plate.sample(channel, x, y) for channel in CHANNELS[:3]]
        layer = [self.node.sample(f"softcolor2.{channel}", x, y) for channel in CHANNELS]
        numbers = formula(edit, tuple(self.node[f"p2{letter}"].value() for letter in "rgb"))
        recolor.set_edit(self.node, 2, edit)
        self.node["recolor"].setValue(True)
        recolor.follow(self.node)
        try:
            _true(not self.node.hasError(), "the node has an error")
            found = [self.node.sample(channel, x, y) for channel in CHANNELS[:3]]
            expected = [one - old + new for one, old, new in zip(plate, layer, _edited(numbers, layer))]
            _near(found, expected, 1e-4, "the edited image")
        finally:
            recolor.set_edit(self.node, 2, LayerEdit())
            recolor.follow(self.node)
        _near([self.node.sample(channel, x, y) for channel in CHANNELS[:3]], plate, 0.0, "the image")
        self.node["recolor"].setValue(False)
        return ""

    def exported_layers_add_up(self) -> str:
        """The nodes of Export Layers give the image back."""
        self._rendered()
        x, y = POINTS[0]
        joined = layer_tree.build(self.node)
        for channel in CHANNELS:
            _near([joined.sample(channel, x, y)], [self.plate.sample(channel, x, y)], 1e-5, channel)
        return ""

    def a_changed_image_is_seen(self) -> str:
        """A node more before the input is a change; where the nodes stand and what they are called is none."""
        self._rendered()
        view = str(nuke.thisView())
        self.plate.setXYpos(500, 500)
        self.plate["label"].setValue("moved")
        found = callbacks.state(self.node, FRAME, view, sure=True)
        _true(not found, f"moved and labeled: {found}")
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

    def another_nuke_renders(self) -> str:
        """A Nuke as Render in Background starts it renders a frame of the saved script."""
        self._rendered()
        nuke.scriptSaveAs((self.folder / "comp.nk").as_posix(), 1)
        if not Path(nuke.EXE_PATH).is_file():
            raise Skip(f"there is no {nuke.EXE_PATH}")
        other = self.folder / "a b" / f"layers.{FRAME + 1}.exr"
        there = other.is_file()
        if there:
            other.unlink()
        words = background.command(self.node.fullName(), [FRAME + 1])
        ended = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=600, check=False)
        said = (ended.stdout + ended.stderr).decode("utf-8", "replace")[-500:]
        _true(ended.returncode == 0 and other.is_file(), f"it ended with {ended.returncode}: {said}")
        if not there:
            other.unlink()
        return ""

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

    def _refused(self, node: Any, frame: int) -> str:
        """What a Write below a node says where it does not render a frame; empty where it does."""
        write = nuke.createNode("Write", inpanel=False)
        write.setInput(0, node)
        write["file_type"].setValue("exr")
        write["file"].setValue((self.folder / "out.%04d.exr").as_posix())
        write["raw"].setValue(True)
        try:
            nuke.execute(write, frame, frame, 1)
        except RuntimeError as error:
            return str(error) or "no reason"
        finally:
            nuke.delete(write)
        return ""

    def _rendered(self) -> None:
        if self.node is None or not (self.folder / "a b" / f"layers.{FRAME}.exr").is_file():
            raise Skip("needs the row render_writes_a_frame")


def image() -> Any:
    """A node with a picture of several colors."""
    return nuke.createNode("CheckerBoard2", inpanel=False)


ROWS: tuple[Callable[[Rows], str], ...] = tuple(
    row for name, row in vars(Rows).items() if callable(row) and not name.startswith("_")
)


def _true(condition: object, message: str) -> None:
    if not condition:
        raise AssertionError(message)


def _near(found: Sequence[float], expected: Sequence[float], tolerance: float, what: str) -> None:
    _true(all(abs(a - b) <= tolerance for a, b in zip(found, expected)), f"{what}: {list(found)}, not {list(expected)}")


def _edited(numbers: Formula, layer: Sequence[float]) -> list[float]:
    """What :class:`Formula` says of a premultiplied RGBA."""
    color, alpha = list(layer[:3]), max(layer[3], 0.0)
    if numbers.to_lms is not None and numbers.roots is not None:
        roots = [_raised(sum(m * c for m, c in zip(row, color)), 1 / 3) for row in numbers.to_lms]
        color = [sum(m * c for m, c in zip(row, [*roots, alpha ** (1 / 3)])) ** 3 for row in numbers.roots]
    straight = [
        (sum(m * c for m, c in zip(row, color)) + offset * alpha) / (alpha or 1.0)
        for row, offset in zip(numbers.from_lms, numbers.offset)
    ]
    return [_raised(value, power) * (alpha or 1.0) for value, power in zip(straight, numbers.power)]


def _raised(value: float, power: float) -> float:
    return math.copysign(abs(value) ** power, value)


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
