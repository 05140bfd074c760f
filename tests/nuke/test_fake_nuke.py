"""The fake `nuke` is as strict as it says, and behaves as the real one is documented to."""

from __future__ import annotations

import inspect
import shutil
import subprocess
import threading

import fake_nuke
import pytest
from fake_nuke import ExpressionError, GrammarError, NotInFake, ScriptError, WrongThread, facts, grammar, runtime
from fake_nuke.knobs import Keys

GROUP = """
add_layer {softcolor1 softcolor1.red softcolor1.green softcolor1.blue softcolor1.alpha}
Group {
 name Tool1
 knobChanged "n = nuke.thisNode()\\nn\\['log'].setValue(n\\['log'].value() + nuke.thisKnob().name() + ' ')"
 onCreate "nuke.thisNode()\\['made'].setValue(nuke.thisNode().name())"
 addUserKnob {20 Main l "The Tab"}
 addUserKnob {4 mode l Mode t "A tip" M {Cached "by pass"}}
 mode "by pass"
 addUserKnob {7 amount l Amount R 0 5}
 amount {{"frame * 2"}}
 addUserKnob {18 color1 l "Color \\[1]" +HIDDEN}
 color1 {0.1 0.2 0.3}
 addUserKnob {1 log l Log +DO_NOT_WRITE}
 addUserKnob {1 made l Made}
 addUserKnob {22 press l Press T "nuke.message(nuke.thisNode().name() + nuke.thisKnob().name())" +STARTLINE}
 addUserKnob {3 count}
 count 3
 addUserKnob {12 place}
 place {4 5}
}
 Input {
  inputs 0
  name img
 }
 set Nimg [stack 0]
 Input {
  inputs 0
  name mask
  number 1
 }
 push $Nimg
 Switch {
  inputs 2
  which {{parent.mode}}
  name Pick
 }
 Copy {
  inputs 1
  from0 rgba.red
  to0 softcolor1.alpha
  name C
 }
 Output {
 }
end_group
"""


@pytest.fixture
def nuke(host):
    return host.module


@pytest.fixture
def tool(host):
    return host.load(GROUP)[0]


# What is not real is refused.


@pytest.mark.parametrize("name", ["createNodes", "getNode", "Knob_Int", "rootNode", "evaluator"])
def test_names_that_nuke_does_not_have(nuke, name):
    with pytest.raises(AttributeError, match=name):
        getattr(nuke, name)


@pytest.mark.parametrize(
    "call",
    [
        lambda nuke: nuke.toNode(),
        lambda nuke: nuke.toNode("a", "b"),
        lambda nuke: nuke.createNode("Blur", inPanel=False),
        lambda nuke: nuke.message("a", title="b"),
        lambda nuke: nuke.addBeforeRender(print, nodeclass="Write"),
        lambda nuke: nuke.Int_Knob(),
        lambda nuke: nuke.createNode("Blur").setInput(0),
        lambda nuke: nuke.createNode("Blur")["disable"].setValue(),
        lambda nuke: nuke.ProgressTask("a").setProgress(),
        lambda nuke: nuke.createNode("Blur").knob("size", view="main"),
    ],
)
def test_arguments_that_nuke_does_not_take(nuke, call):
    with pytest.raises(TypeError):
        call(nuke)


def test_methods_classes_and_knobs_that_nuke_does_not_have(nuke):
    node = nuke.createNode("Blur")
    with pytest.raises(AttributeError):
        node.setKnob("size", 3)
    with pytest.raises(AttributeError):
        node["disable"].toggle()
    with pytest.raises(AttributeError):
        node.mine = 3
    with pytest.raises(AttributeError):
        nuke.mine = 3
    with pytest.raises(RuntimeError, match="Blurr: Unknown command"):
        nuke.createNode("Blurr")
    with pytest.raises(AttributeError, match="Blurr"):
        nuke.nodes.Blurr()
    with pytest.raises(NameError, match="knob sise does not exist"):
        node["sise"]
    with pytest.raises(NameError, match="sise"):
        nuke.nodes.Blur(sise=3)
    assert node.knob("sise") is None


def test_real_things_the_fake_lacks_say_so(nuke):
    for name in ("forceClone", "createToolset", "cacheUsage"):
        with pytest.raises(NotInFake, match=name):
            getattr(nuke, name)()
    with pytest.raises(NotInFake, match="BREAK"):
        nuke.BREAK  # noqa: B018
    with pytest.raises(NotInFake, match="opHashes"):
        nuke.createNode("Blur").opHashes()


def test_the_fake_can_not_invent_methods(host):
    class Undo(runtime.Sealed):
        def rewind(self):
            pass

    with pytest.raises(RuntimeError, match="the real Undo has no rewind"):
        runtime.seal(Undo)


def test_every_function_of_the_module_is_real_and_sealed(nuke):
    functions = {name: one for name, one in vars(nuke).items() if inspect.isfunction(one)}
    assert len(functions) > 300
    for name, one in functions.items():
        assert one.sealed
        assert name in facts.api()
    methods = [
        (cls.__name__, name)
        for cls in vars(nuke).values()
        if inspect.isclass(cls) and issubclass(cls, runtime.Sealed)
        for name, one in vars(cls).items()
        if not name.startswith("_") and not (hasattr(one, "sealed") or hasattr(one, "__func__"))
    ]
    assert methods == []


def test_other_threads_are_refused(nuke, tool):
    errors = []

    def work():
        for call in (
            lambda: nuke.toNode("Tool1"),
            lambda: tool.name(),
            lambda: tool["count"].setValue(4),
            lambda: nuke.Int_Knob("a"),
            lambda: nuke.nodes.Blur(),
        ):
            try:
                call()
            except WrongThread as error:
                errors.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert len(errors) == 5
    assert tool["count"].value() == 3


def test_threads_reach_the_main_thread_by_post(host, nuke, tool):
    found = []

    def work():
        nuke.executeInMainThread(tool["count"].setValue, (7,))
        found.append(nuke.executeInMainThreadWithResult(tool["count"].value))
        nuke.executeInMainThread(lambda: 1 / 0)

    thread = threading.Thread(target=work)
    thread.start()
    host.pump_until(lambda: not thread.is_alive())
    host.pump()
    assert found == [7]
    assert host.messages == [("thread", "ZeroDivisionError: division by zero")]
    with pytest.raises(RuntimeError, match="waits for itself"):
        nuke.executeInMainThreadWithResult(tool.name)


# Scripts.


def test_a_script_becomes_a_graph(host, nuke, tool):
    pick, copy = nuke.toNode("Tool1.Pick"), nuke.toNode("Tool1.C")
    assert [tool.Class(), tool.numNodes(), tool.maximumInputs()] == ["Group", 5, 2]
    assert pick.input(0).name() == "img"
    assert pick.input(1).name() == "mask"
    assert copy.input(0) is pick
    assert copy.input(1) is None
    assert tool.output().input(0) is copy
    assert copy.parent() is tool
    assert copy.fullName() == "Tool1.C"


def test_what_a_node_depends_on(nuke, tool):
    pick = nuke.toNode("Tool1.Pick")
    assert [one.name() for one in pick.dependencies(nuke.INPUTS)] == ["img", "mask"]
    assert pick.dependencies(nuke.EXPRESSIONS) == [tool] and len(pick.dependencies()) == 3
    assert pick.dependencies(nuke.HIDDEN_INPUTS) == []
    pick["hide_input"].setValue(True)
    assert [one.name() for one in pick.dependencies(nuke.HIDDEN_INPUTS)] == ["img", "mask"]
    assert tool.dependencies(nuke.EXPRESSIONS) == []  # "frame" is no node's


def test_knobs_are_written_as_the_flags_ask(nuke, tool):
    def names(flags):
        return [line.split()[0] for line in tool.writeKnobs(flags).splitlines()]

    kept = nuke.TO_SCRIPT | nuke.WRITE_NON_DEFAULT_ONLY
    written = names(kept)
    assert {"mode", "amount", "color1", "count", "place"} <= set(written)
    assert not {"addUserKnob", "name", "xpos", "log", "disable"} & set(written)
    assert names(kept | nuke.WRITE_USER_KNOB_DEFS).count("addUserKnob") == 9
    assert "name" in names(kept | nuke.WRITE_ALL) and "disable" in names(nuke.TO_SCRIPT)
    assert "amount {{" in tool.writeKnobs(kept) and "amount {{" not in tool.writeKnobs(nuke.WRITE_NON_DEFAULT_ONLY)


def test_user_knobs_have_their_values(host, tool):
    assert tool["mode"].value() == "by pass"
    assert tool["mode"].values() == ["Cached", "by pass"]
    assert tool["mode"].getValue() == 1
    assert tool["mode"].tooltip() == "A tip"
    assert tool["color1"].value() == [0.1, 0.2, 0.3]
    assert tool["color1"].label() == "Color [1]"
    assert not tool["color1"].visible()
    assert tool["count"].value() == 3
    assert tool["place"].x() == 4
    assert host.node_at(tool, "Pick")["which"].value() == 1
    host.frame_now = 21
    assert tool["amount"].value() == 42
    assert tool["amount"].hasExpression()
    tool["color1"].setValue(0.9, 1)
    assert tool["color1"].value() == [0.1, 0.9, 0.3]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("from0 rgba.red", "form0 rgba.red", r"line \d+: Copy has no knob 'form0'"),
        ("to0 softcolor1.alpha", "to0 softcolor2.alpha", "no channel or layer 'softcolor2.alpha'"),
        ("Switch {", "Swich {", "Swich: Unknown command"),
        ("addUserKnob {7 amount", "addUserKnob {9 amount", "no script has the type 9"),
        ("addUserKnob {7 amount", "addUserKnob {17 amount", "the fake does not have the type 17"),
        ("+DO_NOT_WRITE", "+DO_NOT_SAVE", "neither an option nor a flag"),
        (" R 0 5", " R 0", "the option R lacks its value"),
        ("addUserKnob {1 made", "addUserKnob {1 log", "two knobs 'log'"),
        ('mode "by pass"', "mode bypass", "no entry 'bypass'"),
        ("color1 {0.1 0.2 0.3}", "color1 {0.1 0.2}", "has 3 numbers, not 2"),
        ("count 3", "count three", "wants a number, not 'three'"),
        ('{{"frame * 2"}}', "{{frame * 2}}", "must stand in quotation marks"),
        ('{{"frame * 2"}}', '{{"frame * "}}', "ends too early"),
        ("push $Nimg", "push $Nimag", "no such variable"),
        ("end_group\n", "", "Tool1 lacks its end_group"),
        ("end_group\n", "end_group\nend_group\n", "without its group"),
        ("name Pick\n }", "name Pick\n", "a brace is not closed"),
        ('t "A tip"', 't "A tip', "quotation mark is not closed|neither an option|extra characters"),
        ("name C\n", "name C lonely\n", "has no value"),
        ('l "The Tab"', 'l "The"Tab"', "extra characters"),
    ],
)
def test_faults_in_scripts_are_found(host, old, new, message):
    assert old in GROUP
    with pytest.raises((ScriptError, GrammarError, ExpressionError), match=message):
        host.load(GROUP.replace(old, new, 1))


def test_inputs_and_layers_have_limits(host):
    with pytest.raises(ScriptError, match="has no input 1"):
        host.load("Dot {\n inputs 0\n}\nDot {\n inputs 0\n}\nset N1 [stack 0]\npush $N1\nOutput {\n inputs 2\n}\n")
    with pytest.raises(ScriptError, match="has no mask"):
        host.load("NoOp {\n inputs 1+1\n}\n")
    with pytest.raises(ScriptError, match="1 to 4 channels"):
        host.load("add_layer {five five.a five.b five.c five.d five.e}")
    with pytest.raises(ScriptError, match=r"must be called five\."):
        host.load("add_layer {five red}")
    with pytest.raises(ScriptError, match="more than 1023 channels"):
        host.load("\n".join(f"add_layer {{l{n} l{n}.a l{n}.b l{n}.c l{n}.d}}" for n in range(256)))


def test_a_saved_script_is_the_script(host, nuke, tool, tmp_path):
    tool["log"].setValue("not kept")
    tool["count"].setValue(11)
    tool["amount"].setValueAt(1.0, 10)
    tool["amount"].setValueAt(3.0, 20)
    nuke.nodes.Blur(name="After", inputs=[tool])
    text = host.text()
    nuke.scriptSaveAs(str(tmp_path / "a b.nk"))
    nuke.scriptOpen(str(tmp_path / "a b.nk"))
    again = nuke.toNode("Tool1")
    assert host.text() == text
    assert again["count"].value() == 11
    assert again["amount"].getValueAt(15) == 2.0
    assert again["log"].value() == ""  # it is not written, and onCreate sets what is there already
    assert nuke.toNode("After").input(0) is again
    assert nuke.toNode("Tool1.Pick").input(1).name() == "mask"
    with pytest.raises(RuntimeError, match="exists already"):
        nuke.scriptSaveAs(str(tmp_path / "a b.nk"))


@pytest.mark.skipif(not shutil.which("tclsh"), reason="no tclsh")
def test_saved_scripts_are_tcl(host, tool, tmp_path):
    file = tmp_path / "s.nk"
    file.write_text(host.text())
    judge = "set f [open [lindex $argv 0]]; puts [info complete [read $f]]"
    (tmp_path / "judge.tcl").write_text(judge)
    call = ["tclsh", str(tmp_path / "judge.tcl"), str(file)]
    assert subprocess.run(call, capture_output=True, text=True, check=True).stdout == "1\n"
    file.write_text(host.text()[:-12].rpartition("}")[0])
    assert subprocess.run(call, capture_output=True, text=True, check=True).stdout == "0\n"


@pytest.mark.parametrize("text", ["", "a b", 'say "x"', "{", "}", "[x] $y", "back\\slash", "two\nlines", "#", "é;"])
def test_what_is_quoted_reads_back(text):
    assert [word.text for word in grammar.words(grammar.quoted(text))] == [text]


def test_pasting_makes_a_second_one_with_its_own_name(host, nuke, tool, tmp_path):
    tool["made"].setValue("kept")
    for one in nuke.allNodes():
        one.setSelected(one is tool)
    nuke.nodeCopy(str(tmp_path / "clip.nk"))
    second = nuke.nodePaste(str(tmp_path / "clip.nk"))
    assert second.name() == "Tool2"
    assert second["made"].value() == "Tool2"  # onCreate runs on paste too
    assert tool["made"].value() == "kept"


def test_gizmos_come_from_the_plugin_path(host, nuke, tmp_path):
    (tmp_path / "Mine.gizmo").write_text(GROUP)
    with pytest.raises(RuntimeError, match="Unknown command"):
        nuke.createNode("Mine")
    nuke.pluginAddPath(str(tmp_path))
    made = []
    nuke.addOnUserCreate(lambda: made.append(nuke.thisNode().name()), nodeClass="Group")
    plate = nuke.nodes.Constant()
    plate.setSelected(True)
    node = nuke.createNode("Mine", "count 9")
    assert (node.name(), node["count"].value(), made) == ("Tool1", 9, ["Tool1"])
    assert node.input(0) is plate
    host.load(GROUP)
    assert made == ["Tool1"]  # not on load


# Knobs and callbacks.


def test_knob_changed_is_not_called_by_its_own_changes(tool):
    tool["count"].setValue(5)
    tool["mode"].setValue("Cached")
    assert tool["log"].value() == "made count mode "


def test_flagged_knobs_call_again(host, nuke, tool):
    tool["knobChanged"].setValue(
        "n = nuke.thisNode()\nif nuke.thisKnob().name() == 'count': n['made'].setValue(str(n['count'].value()))"
    )
    seen = []
    nuke.addKnobChanged(lambda: seen.append(nuke.thisKnob().name()), node=tool)
    tool["count"].setValue(5)
    assert seen == ["count"]
    tool["made"].setFlag(nuke.KNOB_CHANGED_RECURSIVE)
    tool["count"].setValue(6)
    assert seen == ["count", "made", "count"]
    tool.showControlPanel()
    tool.setInput(0, nuke.nodes.Constant())
    assert seen[-2:] == ["showPanel", "inputChange"]


def test_loading_calls_on_create_and_no_knob_changed(host, nuke):
    made = []
    nuke.addOnCreate(lambda: made.append(nuke.thisNode().name()))
    node = host.load(GROUP)[0]
    assert made[-1] == "Tool1"
    assert {"img", "mask", "Pick", "C"} <= set(made)
    assert node["log"].value() == "made "  # from onCreate itself


def test_buttons_run_with_their_node(host, tool):
    tool["press"].execute()
    assert host.messages == [("message", "Tool1press")]


@pytest.mark.parametrize(
    ("knob", "value"),
    [("mode", "Other"), ("mode", 2), ("count", "3"), ("color1", "red"), ("made", 3), ("amount", None)],
)
def test_values_of_another_kind_are_refused(tool, knob, value):
    with pytest.raises((TypeError, ValueError)):
        tool[knob].setValue(value)


def test_setting_a_knob_with_an_expression_does_not_go_unseen(tool):
    with pytest.raises(RuntimeError, match="has an expression"):
        tool["amount"].setValue(3.0)
    tool["amount"].clearAnimated()
    tool["amount"].setValue(3.0)
    assert tool["amount"].value() == 3.0


def test_one_step_of_undo_takes_back_all_inside(nuke, tool):
    with nuke.Undo("palette"):
        tool["count"].setValue(1)
        tool["made"].setValue("changed")
        tool["color1"].setValue([1, 1, 1])
    nuke.Undo.begin("second")
    tool["count"].setValue(2)
    nuke.Undo.end()
    assert nuke.Undo.undoSize() >= 2
    nuke.undo()
    assert tool["count"].value() == 1
    nuke.undo()
    assert (tool["count"].value(), tool["made"].value(), tool["color1"].value()) == (3, "Tool1", [0.1, 0.2, 0.3])
    nuke.redo()
    assert tool["made"].value() == "changed"
    with pytest.raises(RuntimeError, match="without its begin"):
        nuke.Undo.end()


def test_progress_can_be_cancelled(host, nuke):
    host.cancel_progress = lambda task: len(task._percent) > 1
    task = nuke.ProgressTask("Working")
    task.setProgress(10)
    assert not task.isCancelled()
    task.setProgress(20)
    assert task.isCancelled()
    with pytest.raises(TypeError, match="wants an int"):
        task.setProgress(0.5)


def test_questions_need_answers_and_a_window(host, nuke):
    with pytest.raises(RuntimeError, match="has no answer"):
        nuke.ask("Sure?")
    host.answers = [True, "/a/b.gpl"]
    assert nuke.ask("Sure?")
    assert nuke.getFilename("Which?", "*.gpl") == "/a/b.gpl"
    host.gui = False
    with pytest.raises(RuntimeError, match="without a window"):
        nuke.ask("Sure?")


def test_menus_hold_commands(host, nuke):
    menu = nuke.menu("Nodes").addMenu("Soft Color", icon="a.png")
    menu.addCommand("Segment", "nuke.message('made')", tooltip="tip")
    nuke.toolbar("Nodes").findItem("Soft Color/Segment").invoke()
    assert host.messages == [("message", "made")]


# Expressions.


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1+2*3", 7),
        ("-2**2", 4),
        ("2>1&&!0", 1),
        ("0||3", 1),
        ("frame==1?5:6", 5),
        ("min(max(4,2),3)", 3),
        ("7%4 - 1e1/4", 0.5),
        ("parent.count + parent.color1.g", 3.2),
        ("parent.place.y", 5),
        ("parent.mode", 1),
        ("[value parent.count] * 2", 6),
        ("[string equal [value parent.mode] {by pass}]", 1),
        ("[python {nuke.thisNode().parent()['count'].value()}]", 3),
        ("[llength [split a,b,c ,]]", 3),
        ("$gui", 1),
    ],
)
def test_expressions(host, tool, text, value):
    assert host.evaluate(host.node_at(tool, "Pick"), text) == pytest.approx(value)


@pytest.mark.parametrize(
    "text", ["parent.nothing", "1 +", "(1", "f(1)", "[value parent.made]", "[nonsense]", "$unknown", "a b", "[value x"]
)
def test_expressions_that_are_wrong(host, tool, text):
    with pytest.raises(ExpressionError):
        host.evaluate(host.node_at(tool, "Pick"), text)


def test_an_expression_that_needs_itself_is_found(host, tool):
    tool["count"].setExpression("this.count + 1")
    with pytest.raises(ExpressionError, match="needs itself"):
        tool["count"].value()


def test_file_names_follow_frame_and_view(host, nuke):
    node = nuke.nodes.Read(file="/a b/[value name].%V.%04d.exr")
    assert nuke.filename(node) == "/a b/Read1.%V.%04d.exr"
    with host.at(12, "left"):
        assert nuke.filename(node, nuke.REPLACE) == "/a b/Read1.left.0012.exr"
    node["file"].setValue("/x.######.exr")
    assert nuke.filename(node, nuke.REPLACE) == "/x.000001.exr"
    assert node["file"].getEvaluatedValue() == "/x.%06d.exr"


def test_curves_are_linear_between_keys():
    keys = Keys.parsed(["x10", "1", "x20", "3", "4"])
    assert [keys.at(frame) for frame in (0, 10, 15, 20, 20.5, 99)] == [1, 1, 2, 3, 3.5, 4]


# Rendering, with an evaluator that only notes.


class Noting:
    """Stands for the evaluator."""

    def __init__(self):
        self.seen = []

    def write(self, node, frame, view):
        self.seen.append((node.name(), frame, view))
        if frame == 13:
            raise RuntimeError("bad luck")
        return f"{frame}"


def test_rendering_calls_back_in_order(host, nuke):
    host.evaluator = Noting()
    host.add_view("left")
    write, calls = nuke.nodes.Write(), []
    for kind in ("BeforeRender", "BeforeFrameRender", "AfterFrameRender", "AfterRender"):
        getattr(nuke, f"add{kind}")(lambda kind=kind: calls.append((kind, nuke.thisNode().name(), nuke.frame())))
    nuke.execute(write, 2, 4, 2)
    assert [kind for kind, _, _ in calls].count("BeforeFrameRender") == 2
    assert calls[0] == ("BeforeRender", "Write1", 1)
    assert calls[-2] == ("AfterFrameRender", "Write1", 4)
    nuke.execute("Write1", nuke.FrameRanges("5-6"), ["left"])
    nuke.executeMultiple([write], ([7, 9, 2],))
    assert host.evaluator.seen == [
        ("Write1", 2, "main"),
        ("Write1", 4, "main"),
        ("Write1", 5, "left"),
        ("Write1", 6, "left"),
        ("Write1", 7, "main"),
        ("Write1", 9, "main"),
    ]


def test_a_callback_that_raises_aborts_the_render(host, nuke):
    host.evaluator = Noting()
    write = nuke.nodes.Write()

    def stale():
        raise RuntimeError("the cache is stale")

    nuke.addBeforeRender(stale)
    with pytest.raises(RuntimeError, match="stale"):
        nuke.execute(write, 1, 2)
    nuke.removeBeforeRender(stale)
    after = []
    nuke.addAfterRender(lambda: after.append(1))
    with pytest.raises(RuntimeError, match="bad luck"):
        nuke.execute(write, 12, 14)
    assert host.evaluator.seen == [("Write1", 12, "main"), ("Write1", 13, "main")]
    assert after == []
    write["disable"].setValue(True)
    with pytest.raises(RuntimeError, match="disabled"):
        nuke.execute(write, 1, 1)
    with pytest.raises(RuntimeError, match="not executable"):
        nuke.execute(nuke.nodes.Dot(), 1, 1)


def test_knobs_of_a_file_format_come_with_it(nuke):
    write = nuke.nodes.Write()
    with pytest.raises(NameError):
        write["datatype"]
    write["file_type"].setValue("exr")
    write["datatype"].setValue("32 bit float")
    with pytest.raises(TypeError, match="no entry"):
        write["datatype"].setValue("64 bit")


def test_a_host_starts_empty_and_leaves_nothing():
    first = fake_nuke.Host(gui=False, version=(14, 0, 5))
    assert first.module.NUKE_VERSION_STRING == "14.0v5"
    assert first.module.env["gui"] is False
    assert first.module.allNodes() == []
    with pytest.raises(NotInFake, match="evaluator"):
        first.module.nodes.Blur().width()
