# SPDX-License-Identifier: GPL-3.0-or-later
"""The buttons *Help* and *Copy Report*, and the help of Blender's own menu on every control."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import bpy

from . import engine, strings
from .freshness import look_at
from .fscs._version import __version__
from .fscs.protocol import WorkerError
from .session import SESSION
from .trees import all_nodes

PAGE = Path(__file__).with_name("help.html")
LAST_LINES = 40
"""Of the log."""


def manual() -> tuple[str, Sequence[tuple[str, str]]]:
    """For *Online Manual* in the menu of a control: the page of this version, which needs no network."""
    names = ("bpy.ops.soft_color_segment.*", "bpy.types.compositornodesoftcolorsegment*", "bpy.types.softcolorentry*")
    return f"{PAGE.parent.as_uri()}/", [(name, PAGE.name) for name in names]


class HelpOperator(bpy.types.Operator):
    """The button *Help*."""

    bl_idname = "soft_color_segment.help"
    bl_label, bl_description = strings.HELP
    bl_options = {"INTERNAL"}

    def execute(self, context: Any) -> set[Any]:
        """Opens it in the system's browser."""
        return bpy.ops.wm.url_open(url=PAGE.as_uri())


class CopyReportOperator(bpy.types.Operator):
    """The button *Copy Report*."""

    bl_idname = "soft_color_segment.copy_report"
    bl_label, bl_description = strings.COPY_REPORT
    bl_options = {"INTERNAL"}

    def execute(self, context: Any) -> set[Any]:
        """Puts it where Paste takes it from."""
        context.window_manager.clipboard = report()
        self.report({"INFO"}, strings.REPORT_COPIED)
        return {"FINISHED"}


def report() -> str:
    """What a report of a problem needs; it holds paths of this computer, which the artist sees when pasting it."""
    lines = [
        f"{strings.NAME} {__version__}",
        f"Blender {bpy.app.version_string} ({bpy.app.build_hash.decode()}), {platform.platform()}",
    ]
    try:
        lines.append(f"{strings.ENGINE}: {engine.python_path()}")
    except WorkerError as error:
        lines.append(f"{strings.ENGINE}: {error}")
    for node in all_nodes():
        look_at(node)
        state = SESSION.state(node.uid)
        said = " ".join(filter(None, (state.code, node.message, state.hint)))
        lines.append(f"{node.name}: {node.model}, {node.colors}, {node.pass_mode}: {said}")
    log = engine.log_file()
    if log is not None and log.is_file():
        lines += ["", f"{log.name}:", *log.read_text(encoding="utf-8", errors="replace").splitlines()[-LAST_LINES:]]
    return "\n".join(lines)


CLASSES = (HelpOperator, CopyReportOperator)


def register() -> None:
    """Makes the page known to Blender."""
    bpy.utils.register_manual_map(manual)


def unregister() -> None:
    """Takes it away."""
    bpy.utils.unregister_manual_map(manual)
