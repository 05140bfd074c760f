"""The texts of the plug-in are Tcl: Tcl itself and the fake host's reader cut them into the same words.

And no mistake in the gizmo goes unseen: each knob misspelt, each type of a knob wrong, each kind of mark lost.
"""

from __future__ import annotations

import re
import tkinter
from collections.abc import Callable
from pathlib import Path

import fake_nuke
import pytest
from fake_nuke import grammar

from fscs_engine.export import export
from fscs_engine.networks.any_palette import AnyPaletteNetwork
from fscs_engine.networks.weights import save_weights

GIZMO = Path(__file__).resolve().parents[2] / "nuke_plugin" / "SoftColorSegment.gizmo"
MARKS = '{}"\\'


@pytest.fixture(scope="module")
def tcl() -> tkinter.Tk:
    return tkinter.Tcl()


@pytest.fixture(scope="module")
def gizmo() -> str:
    return GIZMO.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def creator(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The text of the node that compiles the model of mode Live."""
    folder = tmp_path_factory.mktemp("live")
    metadata = {"architecture": "any-palette", "widths": "16,32,64"}
    save_weights(folder / "random.safetensors", AnyPaletteNetwork().state_dict(), metadata)
    export.export_nuke(folder / "random.safetensors", folder)
    return (folder / export.NUKE_NODE).read_text(encoding="utf-8")


def by_tcl(text: str) -> list[list[str]]:
    """The words of each command as Tcl runs them: every command is taken down, and none does anything."""
    tcl = tkinter.Tcl()
    found: list[list[str]] = []

    def taken_down(*words: str) -> str:
        if words[0] == "stack":
            return f"[{' '.join(words)}]"
        if words[0] == "set":
            tcl.setvar(words[1], f"${words[1]}")
        found.append(list(words))
        return ""

    tcl.createcommand("unknown", taken_down)
    tcl.eval("rename set {}")
    if not tcl.call("info", "complete", text):
        raise ValueError("the script ends inside a command")
    tcl.eval(text)
    return found


def by_reader(text: str) -> list[list[str]]:
    """The same by the fake host's reader."""
    return [[word.text for word in statement.words] for statement in grammar.statements(text)]


def refused(cut: Callable[[], object]) -> object:
    """What ``cut`` gives, or "refused"."""
    try:
        return cut()
    except (ValueError, tkinter.TclError):
        return "refused"


def bodies(commands: list[list[str]]) -> list[str]:
    """The insides of the nodes."""
    return [words[1] for words in commands if len(words) == 2 and "\n" in words[1]]


@pytest.mark.parametrize("name", ["gizmo", "creator"])
def test_tcl_and_the_reader_agree(tcl, name, request):
    text = request.getfixturevalue(name)
    commands = by_tcl(text)
    assert by_reader(text) == commands
    assert bodies(commands)
    for body in bodies(commands):
        assert [word.text for word in grammar.words(body)] == list(tcl.splitlist(body))
        for knob, word in grammar.pairs(body):
            if knob == "addUserKnob":
                assert [one.text for one in grammar.words(word.text)] == list(tcl.splitlist(word.text))


def test_they_agree_on_a_saved_script(gizmo, host):
    host.load(gizmo)
    host.load(gizmo)
    text = host.text()
    commands = by_tcl(text)
    assert by_reader(text) == commands
    assert [words[0] for words in commands].count("Group") == 2


def test_they_agree_on_what_is_broken(gizmo):
    """A mark is lost: both refuse the text, or both read the same out of it, and it is not what it was."""
    places = [found.start() for mark in MARKS for found in re.finditer(re.escape(mark), gizmo)]
    whole = by_tcl(gizmo)
    seen = set()
    for place in places[:: len(places) // 60]:
        broken = gizmo[:place] + gizmo[place + 1 :]
        tcls, ours = refused(lambda text=broken: by_tcl(text)), refused(lambda text=broken: by_reader(text))
        assert tcls != whole or gizmo[place] in '"\\', gizmo[place - 30 : place + 30]
        if "refused" not in (tcls, ours):
            assert tcls == ours, gizmo[place - 30 : place + 30]
        seen.add("refused" if ours == "refused" else "read")
    assert "refused" in seen


def test_each_misspelt_knob_is_refused(gizmo, host):
    """Each knob of each class of node once."""
    lines = gizmo.splitlines(keepends=True)
    kind, seen = "", set()
    for number, line in enumerate(lines):
        opened = re.fullmatch(r" ?(\w+) \{\n", line)
        kind = opened[1] if opened else kind
        named = re.match(r"  (\w+) ", line)
        if not named or (kind, named[1]) in seen:
            continue
        seen.add((kind, named[1]))
        wrong = f"  {named[1]}x {line[named.end() :]}"
        block = one_node(lines, number, wrong)
        with pytest.raises(fake_nuke.ScriptError, match=f"{named[1]}x"):
            host.load(block)
        host.load(one_node(lines, number, line))
        host.clear()
    assert len(seen) > 60


def one_node(lines: list[str], number: int, line: str) -> str:
    """The node around a line, with another line in its place, above it the layers and nodes for its inputs."""
    first = max(n for n in range(number) if re.fullmatch(r" \w+ \{\n", lines[n]))
    last = next(n for n in range(number, len(lines)) if lines[n] == " }\n")
    layers = "".join(one for one in lines if one.startswith("add_layer"))
    body = "".join([*lines[first:number], line, *lines[number + 1 : last + 1]])
    return layers + "Constant {\n inputs 0\n}\n" + "set N1 [stack 0]\n" + "push $N1\n" * 16 + body


def test_each_wrong_type_of_a_knob_is_refused(gizmo, host):
    """Each type of user knob once."""
    types = dict.fromkeys(re.findall(r"^ addUserKnob \{(\d+) ", gizmo, re.MULTILINE))
    assert len(types) > 8
    for kind in types:
        with pytest.raises(fake_nuke.GrammarError, match="99"):
            host.load(gizmo.replace(f"addUserKnob {{{kind} ", "addUserKnob {99 ", 1))
        host.clear()
