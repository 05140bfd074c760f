"""The gizmo's text: it is what the generator writes, and nothing in it is unknown to Nuke as far as facts go."""

from __future__ import annotations

import json
import re
import tkinter
from pathlib import Path

import pytest

from nuke_plugin.generate_gizmo import LIVE_NODES
from nuke_plugin.generator.group import gizmo
from nuke_plugin.generator.knobs import MISSING
from nuke_plugin.generator.live import LIVE_GROUP, LIVE_OUTPUT, live_nodes

ROOT = Path(__file__).resolve().parents[2]
PLUGIN = ROOT / "nuke_plugin"
KNOWN = Path(__file__).resolve().parent / "fake_nuke" / "known"

COMMON_KNOBS = {"inputs", "name", "xpos", "ypos", "disable", "label", "tile_color", "help"}
CALLBACK_KNOBS = {"knobChanged", "onCreate", "updateUI"}
SCRIPT_KNOBS = {("Input", "number"), ("Write", "datatype"), ("Write", "metadata"), ("Write", "compression")}
"""Scripts have them; the scan of node classes lacks what a file format or the script's reader adds."""


@pytest.fixture(scope="module")
def text() -> str:
    return (PLUGIN / "SoftColorSegment.gizmo").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def tcl() -> tkinter.Tk:
    return tkinter.Tcl()


@pytest.fixture(scope="module")
def facts() -> dict[str, dict]:
    nodes, vocabulary = (json.loads((KNOWN / name).read_text()) for name in ("nodes.json", "vocabulary.json"))
    return {"nodes": nodes, **vocabulary}


def commands(text: str, tcl: tkinter.Tk) -> list[list[str]]:
    """The commands of a script, cut as Tcl itself cuts them, each as its words."""
    found, begun = [], ""
    for line in text.splitlines(keepends=True):
        begun += line
        if tcl.call("info", "complete", begun):
            if begun.strip() and not begun.startswith("#"):
                found.append(list(tcl.splitlist(begun.strip())))
            begun = ""
    if begun:
        raise ValueError("the script ends inside a command")
    return found


def problems(text: str, tcl: tkinter.Tk, facts: dict[str, dict]) -> list[str]:
    """Everything in a script that no fact about Nuke covers."""
    found: list[str] = []
    try:
        listed = commands(text, tcl)
    except (ValueError, tkinter.TclError) as error:
        return [str(error)]
    names: set[str] = set()
    for words in listed:
        if words[0] in ("set", "push", "add_layer", "end_group"):
            if words[0] == "set":
                names.add(words[1])
            elif words[0] == "push" and words[1] != "0" and words[1][1:] not in names:
                found.append(f"push {words[1]} before it is set")
            continue
        if len(words) != 2:
            found.append(f"{words[0][:40]} with {len(words) - 1} words")
            continue
        kind, body = words
        if kind not in facts["nodes"]:
            found.append(f"no class {kind}")
            continue
        known = COMMON_KNOBS | set(facts["nodes"][kind]) | {knob for cls, knob in SCRIPT_KNOBS if cls == kind}
        if kind == "Group":
            known |= CALLBACK_KNOBS
        pairs = list(tcl.splitlist(body))
        for knob, value in zip(pairs[::2], pairs[1::2], strict=True):
            if knob == "addUserKnob":
                found += user_knob_problems(value, known, tcl, facts)
            elif knob not in known:
                found.append(f"{kind} has no knob {knob}")
    return found


def user_knob_problems(definition: str, known: set[str], tcl: tkinter.Tk, facts: dict[str, dict]) -> list[str]:
    """As :func:`problems`, of one ``addUserKnob``; the knob becomes known."""
    words = list(tcl.splitlist(definition))
    kind, name, rest = words[0], words[1], words[2:]
    known.add(name)
    found = [] if int(kind) in facts["types"] else [f"no knob type {kind}"]
    while rest:
        word = rest.pop(0)
        if word in facts["flags"]:
            continue
        if word not in facts["options"]:
            found.append(f"{name}: no option {word}")
            continue
        del rest[: facts["options"][word]]
    return found


def test_the_checked_in_gizmo_is_what_the_generator_writes(text: str) -> None:
    assert gizmo() == text, "run: python nuke_plugin/generate_gizmo.py"
    assert live_nodes() == LIVE_NODES.read_text(encoding="utf-8"), "run: python nuke_plugin/generate_gizmo.py"


def test_nothing_in_it_is_unknown(text: str, tcl: tkinter.Tk, facts: dict[str, dict]) -> None:
    assert problems(text, tcl, facts) == []
    kinds = [words[0] for words in commands(text, tcl)]
    assert problems(live_nodes(), tcl, facts) == []
    assert (
        kinds.count("add_layer") == 7
        and "Inference" not in kinds
        and kinds.count("Group") == 1
        and kinds[-1] == "end_group"
    )


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ("  which ", "  wich ", "Switch has no knob wich"),
        ("  on_error {", "  onError {", "Read has no knob onError"),
        ("addUserKnob {18 color1 ", "addUserKnob {99 color1 ", "no knob type 99"),
        ("addUserKnob {18 color1 ", "addUserKnob {18 kolor1 ", "Group has no knob color1"),
        (" -STARTLINE}", " -STARTLINES}", "no option -STARTLINES"),
        ("\n Copy {", "\n Copi {", "no class Copi"),
        (" push $NCheckMask", " push $NCheckMaks", "before it is set"),
        (" set NCache [stack 0]\n", "", "push $NCache before it is set"),
        ("\n Output {", "\n Output ", "Output with 0 words"),
        (" R 1 16}\n colors 7", " R 1 16\n colors 7", "ends inside a command"),
    ],
)
def test_mistakes_are_found(
    text: str, tcl: tkinter.Tk, facts: dict[str, dict], before: str, after: str, problem: str
) -> None:
    assert before in text
    found = problems(text.replace(before, after, 1), tcl, facts)
    assert any(problem in one for one in found), found


def test_every_knob_says_what_it_does(text: str, tcl: tkinter.Tk) -> None:
    definitions = re.findall(r"^ addUserKnob \{(.*)\}$", text, re.MULTILINE)
    assert len(definitions) > 150
    for definition in definitions:
        words = list(tcl.splitlist(definition))
        if words[0] != "20":
            assert len(words[words.index("t") + 1]) > 10, words[1]


def test_parameters_come_from_the_table(text: str, tcl: tkinter.Tk) -> None:
    from fscs_engine.host.parameters import PARAMETERS

    knobs = {}
    for definition in re.findall(r"^ addUserKnob \{(.*)\}$", text, re.MULTILINE):
        words = list(tcl.splitlist(definition))
        knobs[words[1]] = words
    # The numbers that a GPU computes with, and how a file is read, are for the command line.
    for parameter in PARAMETERS:
        if parameter.name in ("precision", "input_space", "alpha"):
            continue
        knob = knobs[f"{parameter.name}1" if parameter.per_layer else parameter.name]
        if parameter.name != "working_space":
            assert knob[knob.index("t") + 1] == parameter.tooltip
        if parameter.choices:
            assert tuple(tcl.splitlist(knob[knob.index("M") + 1])) == parameter.choices


def test_the_cache_is_read_from_where_it_is(text: str) -> None:
    """Never the nearest frame, never an older copy on a local disk; black only where the node then takes the image."""
    (read,) = re.findall(r"\n Read \{\n(.*?)\n \}", text, re.DOTALL)
    expected = {"  on_error {{parent.missing_frames}}", "  localizationPolicy off", "  raw true"}
    assert expected <= set(read.splitlines())
    assert MISSING == ("error", "bypass") and "\n missing_frames error\n" in text


def test_the_file_is_plain_ascii(text: str) -> None:
    assert text.isascii()


def test_inference_nodes_use_only_names_that_they_may() -> None:
    allowed = {
        *("rgba.red", "rgba.green", "rgba.blue", "rgba.alpha", "depth.Z", "forward.u", "forward.v", "backward.u"),
        *("backward.v", "deep.front", "deep.back", "disparityL.x", "disparityL.y", "disparityR.x", "disparityR.y"),
        *("mask.a", "rotopaint_mask.a", "mask_planartrack.a", "mask_splinewarp.a"),
    }
    assert set(LIVE_OUTPUT) <= allowed
    assert len(set(LIVE_OUTPUT)) == len(LIVE_OUTPUT) == 4 * LIVE_GROUP
    links = re.findall(r"serialiseKnob \{(.*)\}$", live_nodes(), re.MULTILINE)
    assert [re.findall(r"first:(\d)", one) for one in links] == [["1"], ["5"]]
