# SPDX-License-Identifier: GPL-3.0-or-later
"""Soft Color Segment for Blender: a compositor node that takes an image apart into color layers."""

from __future__ import annotations

import bpy

from . import (
    batch,
    engaged,
    engine,
    files,
    help,
    node,
    operators,
    pick,
    preferences,
    properties,
    stopping,
    ui,
    updating,
)

COMMAND = "soft_color_segment"

_commands: list[object] = []


def register() -> None:
    """Called by Blender when the add-on is switched on."""
    preferences.register()
    engine.register()
    for module in (properties, operators, pick, updating, stopping, help, node):
        for cls in module.CLASSES:
            bpy.utils.register_class(cls)
    ui.register()
    help.register()
    bpy.app.handlers.render_pre.append(batch.on_render_pre)
    files.register()
    if hasattr(bpy.utils, "register_cli_command"):
        _commands.append(bpy.utils.register_cli_command(COMMAND, batch.command))


def unregister() -> None:
    """Called by Blender when it is switched off."""
    engaged.end_all()
    while _commands:
        bpy.utils.unregister_cli_command(_commands.pop())
    files.unregister()
    bpy.app.handlers.render_pre.remove(batch.on_render_pre)
    help.unregister()
    ui.unregister()
    for module in (node, help, stopping, updating, pick, operators, properties):
        for cls in reversed(module.CLASSES):
            bpy.utils.unregister_class(cls)
    engine.unregister()
    preferences.unregister()
