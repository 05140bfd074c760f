"""The nodes of mode Live: they stand in a node only while it is in that mode, because they load PyTorch into Nuke."""

from __future__ import annotations

import re
from pathlib import Path

import nuke

from . import layer_names

FILE = Path(__file__).resolve().parent / "live_nodes.nk"
"""Written by nuke_plugin/generate_gizmo.py."""

BEGIN, END, WITHOUT = "LiveImage", "LiveLayers_", "NoLive"
"""Where the image comes in and the layers come out, and the Assert that stands for them while they are not there."""


def follow(node: nuke.Group) -> None:
    """Creates the nodes if the mode is Live, and deletes them if it is another."""
    live, there = node["mode"].value() == "Live", node.node(END) is not None
    if live and not there:
        _create(node)
    elif there and not live:
        _delete(node)


def _create(node: nuke.Group) -> None:
    node.begin()
    try:
        nuke.nodePaste(FILE.as_posix())
    finally:
        node.end()
    without = node.node(WITHOUT)
    node.node(BEGIN).setInput(0, without.input(0))
    layer_names.put_names(node)
    node.node("Mode").setInput(1, node.node(END))


def _delete(node: nuke.Group) -> None:
    node.node("Mode").setInput(1, node.node(WITHOUT))
    for name in reversed(re.findall(r"^  name (\S+)$", FILE.read_text(encoding="utf-8"), re.MULTILINE)):
        found = node.node(name)
        if found is not None:
            nuke.delete(found)
