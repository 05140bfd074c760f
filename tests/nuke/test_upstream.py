"""What lies before the node: which changes of it are seen, inside of groups and through expressions too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from evaluator import PictureError
from plug_in import layers_of, module, node_over, render, write_plate

GROUP = """
Constant {
 inputs 0
 name Plate
}
set N1 [stack 0]
NoOp {
 inputs 0
 name Control
 addUserKnob {20 User}
 addUserKnob {7 amount}
 amount 2
 addUserKnob {7 other}
 other {{Far.deep}}
}
NoOp {
 inputs 0
 name Far
 addUserKnob {20 User}
 addUserKnob {7 deep}
 deep 1
}
push $N1
Group {
 inputs 1
 name Prep
 addUserKnob {20 User}
 addUserKnob {7 lift}
 lift 0.5
}
 Input {
  inputs 0
  name Input1
 }
 Grade {
  name Inner
  white {{"root.Control.amount * parent.lift"}}
 }
 Output {
 }
end_group
"""


@pytest.fixture
def node(host, plugin: Path):
    """A node below a group with a Grade in it, whose knob follows a node that follows another."""
    import nuke

    nuke.pluginAddPath(str(plugin))
    host.load(GROUP)
    made = nuke.createNode("SoftColorSegment")
    made.setInput(0, nuke.toNode("Prep"))
    return made


def state(node) -> str:
    return module("upstream").state(node, module("render").state_flags())


@pytest.mark.parametrize(
    ("path", "knob", "value"),
    [
        ("Plate", "color", 0.5),
        ("Prep", "lift", 0.25),
        ("Prep.Inner", "multiply", 2.0),
        ("Prep.Inner", "disable", True),
        ("Control", "amount", 3.0),
        ("Far", "deep", 2.0),
    ],
)
def test_what_changes_the_image_is_seen(node, path: str, knob: str, value: float) -> None:
    import nuke

    before = state(node)
    nuke.toNode(path)[knob].setValue(value)
    assert state(node) != before


def test_keys_and_expressions_are_seen(node) -> None:
    import nuke

    blackpoint = nuke.toNode("Prep.Inner")["blackpoint"]
    found = [state(node)]
    for change in (
        lambda: blackpoint.setValueAt(0.1, 1001),
        lambda: blackpoint.setValueAt(0.2, 1002),
        lambda: blackpoint.setValueAt(0.3, 1002),
        lambda: blackpoint.setExpression("frame / 100"),
        lambda: blackpoint.setExpression("frame / 50"),
    ):
        change()
        found.append(state(node))
    assert len(set(found)) == len(found)


def test_variables_count_where_a_switch_takes_them(node, monkeypatch) -> None:
    import nuke

    class Variables:
        shot = "a"

        def value(self) -> dict:
            return {"__default__": {"shot": self.shot}}

    variables, root, knob = Variables(), type(nuke.root()), type(nuke.root()).knob
    monkeypatch.setattr(root, "knob", lambda self, name: variables if name == "gsv" else knob(self, name))
    before = state(node)
    variables.shot = "b"
    assert state(node) == before
    chosen = nuke.createNode("VariableSwitch")
    chosen.setInput(0, nuke.toNode("Plate"))
    node.setInput(0, chosen)
    before = state(node)
    variables.shot = "c"
    assert state(node) != before


def test_how_nodes_look_and_what_is_aside_is_nothing(node, host) -> None:
    import nuke

    aside = host.load("NoOp {\n inputs 0\n name Aside\n addUserKnob {20 User}\n addUserKnob {7 gain}\n}\n")[0]
    before = state(node)
    for path in ("Plate", "Prep", "Prep.Inner", "Control"):
        nuke.toNode(path).setXYpos(70, 80)
        nuke.toNode(path)["label"].setValue("words")
    nuke.toNode("Prep.Inner").setName("Renamed")
    aside["gain"].setValue(5.0)
    nuke.frame(1050)
    nuke.root()["first_frame"].setValue(7)
    assert state(node) == before


def test_another_wiring_is_seen(node) -> None:
    import nuke

    plate, grade = nuke.toNode("Plate"), nuke.createNode("Grade")
    merge = nuke.createNode("Merge2")
    grade.setInput(0, plate)
    node.setInput(0, merge)
    found = []
    for b, a in ((plate, grade), (grade, plate), (grade, grade), (None, grade), (grade, None)):
        merge.setInput(0, b)
        merge.setInput(1, a)
        found.append(state(node))
    assert len(set(found)) == len(found)


def test_a_node_inside_a_group_sees_what_is_outside(node) -> None:
    import nuke

    group = nuke.createNode("Group")
    with group:
        image = nuke.createNode("Input")
        inner = nuke.createNode("SoftColorSegment")
        inner.setInput(0, image)
        nuke.createNode("Output").setInput(0, inner)
    group.setInput(0, nuke.toNode("Prep"))
    before = state(inner)
    nuke.toNode("Prep.Inner")["multiply"].setValue(2.0)
    assert state(inner) != before
    write = nuke.createNode("Write")
    write.setInput(0, group)
    assert [found.fullName() for found in module("upstream").shown(write, 1)] == [inner.fullName()]


def test_a_write_inside_a_group_is_below(node) -> None:
    """Studios wrap their Write in a group."""
    import nuke

    group = nuke.createNode("Group")
    with group:
        image = nuke.createNode("Input")
        write = nuke.createNode("Write")
        write.setInput(0, image)
    group.setInput(0, node)
    assert list(module("upstream").shown(write, 1)) == [node]
    node["disable"].setValue(True)
    assert list(module("upstream").shown(write, 1)) == []


def test_of_another_node_of_ours_only_what_changes_its_layers(node) -> None:
    import nuke

    below = nuke.createNode("SoftColorSegment")
    below.setInput(0, node)
    before = state(below)
    for knob, value in (
        ("last_frame", 9),
        ("pick_box", (1, 2, 3, 4)),
        ("edit_layer", 2),
        ("name3", "sky"),
        ("lock2", True),
        ("tile", 64),
    ):
        node[knob].setValue(value)
    node["versions"].setValue("Plug-in 1, Nuke 15")
    assert state(below) == before
    for knob, value in (("smoothing", 4), ("view", "recomposition"), ("mode", "Bypass")):
        node[knob].setValue(value)
        assert state(below) != before
        before = state(below)


def test_the_node_itself_is_not_before_itself(node) -> None:
    """Nor is a group around it, where a node before it follows one of the group's knobs."""
    import nuke

    nuke.toNode("Plate")["color"].setExpression(f"{node.name()}.view_layer / 16", 0)
    before = state(node)
    node["view_layer"].setValue(3)
    assert state(node) == before


@pytest.fixture
def chain(made, host, tmp_path: Path):
    """A second node below the first, whose image comes out of a group with the Read in it."""
    import nuke

    host.load(
        "Group {\n inputs 0\n name Source\n}\n Read {\n  inputs 0\n  file_type exr\n"
        f'  file "{tmp_path.as_posix()}/plate.%04d.exr"\n  first 1001\n  last 1009\n  raw true\n  name Within\n }}\n'
        " Output {\n }\nend_group\n"
    )
    made.setInput(0, nuke.toNode("Source"))
    below = nuke.createNode("SoftColorSegment")
    below.setInput(0, made)
    below["colors"].setValue(2)
    below["first_frame"].setValue(1001)
    below["last_frame"].setValue(1002)
    below["cache_file"].setValue((tmp_path / "below.%04d.exr").as_posix())
    below["layer_prefix"].setValue("second")
    module("buttons").rename_layers(below)
    return made, below


@pytest.mark.slow
def test_files_inside_of_groups_are_read(chain, host, tmp_path: Path) -> None:
    import nuke

    above, _ = chain
    render(above)
    version = nuke.toNode("Source.Within")["version"].value()
    assert module("callbacks").state(above, 1001, "main", sure=True) == ""
    write_plate(tmp_path / "plate.1001.exr", seed=99)
    assert "image's file changed" in module("callbacks").state(above, 1001, "main", sure=True)
    render(above)
    assert module("callbacks").state(above, 1001, "main", sure=True) == ""
    assert nuke.toNode("Source.Within")["version"].value() == version + 1


@pytest.mark.slow
def test_layers_of_layers(chain, host, tmp_path: Path) -> None:
    above, below = chain
    module("callbacks").register()
    error = module("fscs.protocol").WorkerError
    with pytest.raises(error, match=rf"{above.name()}\.Cache: .*layers\.1001\.exr"):
        render(below)
    render(above)
    render(below)
    callbacks = module("callbacks")
    assert callbacks.state(below, 1001, "main", sure=True) == ""
    picture = below._picture()
    total = sum(picture.channels[f"second{n}.red"] for n in (1, 2))
    np.testing.assert_allclose(total, picture.channels["rgba.red"], rtol=2e-6, atol=2e-6)
    assert layers_of(picture, 3).any()
    above["smoothing"].setValue(2)
    assert "the image changed" in callbacks.state(below, 1001, "main", sure=True)
    with pytest.raises(PictureError, match="Smoothing"):
        below._picture()
    render(above)
    above["smoothing"].setValue(0)
    render(above)
    assert callbacks.state(below, 1001, "main", sure=True) == ""


@pytest.mark.slow
def test_a_plate_of_the_command_line_outside_of_the_group(with_engine, host, tmp_path: Path) -> None:
    """Through Dots and the Input of a group to the one Read."""
    import nuke

    write_plate(tmp_path / "plate.1001.exr")
    node = node_over(host, (tmp_path / "plate.%04d.exr").as_posix(), (tmp_path / "layers.%04d.exr").as_posix())
    group = nuke.createNode("Group")
    with group:
        dot = nuke.createNode("Dot")
        dot.setInput(0, nuke.createNode("Input"))
        inner = nuke.createNode("SoftColorSegment")
        inner.setInput(0, dot)
    group.setInput(0, nuke.toNode("Plate"))
    header: dict[str, str] = {}
    found = module("upstream")._file_of_command_line(inner, 1001, "main", header)
    assert found == tmp_path / "plate.1001.exr"
    group.setInput(0, None)
    assert module("upstream")._file_of_command_line(inner, 1001, "main", header) is None
    assert module("upstream")._file_of_command_line(node, 1001, "main", header) == tmp_path / "plate.1001.exr"
