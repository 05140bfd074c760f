# SPDX-License-Identifier: GPL-3.0-or-later
"""How the node looks, and where it is in the Add menu. Nothing is worked out here."""

from __future__ import annotations

from typing import Any

import bpy

from . import strings
from .color_names import color_name
from .freshness import look_at
from .fscs.edits import EDIT_PARAMETERS
from .fscs.parameters import BY_NAME
from .properties import HAS_COLOR, NODE_ID, NODE_OF_BUTTON, edit
from .session import SESSION
from .strings import wrapped
from .views import OF_ONE_LAYER

SWATCHES_A_ROW = 3
SIDEBAR_LETTERS = 38
"""Letters that fit into a line of a sidebar as wide as Blender makes it."""

LONGEST_NAME = 20
"""Letters that fit into a number field of it."""

BROKEN_WITHOUT = (4, 4, 0)
"""Blenders from this one on don't render a file with this node where the add-on is missing."""

CRASHING = ((4, 4, 0), (5, 1, 0))
"""Those from the first one on, before the second, crash on it; later ones render transparent black."""


def crashes() -> bool:
    """Whether this Blender is one of those."""
    return CRASHING[0] <= bpy.app.version < CRASHING[1]


def draw_node(node: Any, context: Any, layout: Any) -> None:
    """The controls that are on the node itself."""
    column = layout.column(align=True)
    column.enabled = not node.busy
    column.prop(node, "colors")
    draw_swatches(node, column)
    row = layout.row(align=True)
    operator(row, node, "auto_palette", icon="COLOR")
    operator(row, node, "range_palette", text="", icon="PREVIEW_RANGE")
    operator(row, node, "import_palette", text="", icon="IMPORT")
    operator(row, node, "export_palette", text="", icon="EXPORT")
    column = layout.column()
    column.enabled = not node.busy
    column.prop(node, "pass_mode")
    draw_view(node, column)
    if node.inputs["Mask"].is_linked:
        column.prop(node, "mask_mode")
        draw_masked(node, column)
    draw_work(node, layout)


def draw_view(node: Any, layout: Any) -> None:
    """What the output View shows."""
    row = layout.row(align=True)
    row.prop(node, "view")
    if node.view in OF_ONE_LAYER:
        row.prop(node, "view_layer", text="")
    elif node.view == "error":
        row.prop(node, "error_gain", text="")
    operator(row, node, "show_view", text="", icon="HIDE_OFF")


def draw_swatches(node: Any, layout: Any) -> None:
    """The palette in reading order; an open lock is a color that Auto Palette may change."""
    entries = list(node.palette)
    for start in range(0, len(entries), SWATCHES_A_ROW):
        row = layout.row(align=True)
        for index in range(start, start + SWATCHES_A_ROW):
            cell = row.row(align=True)
            if index < len(entries):
                cell.prop(entries[index], "color", text="")
                icon = "LOCKED" if entries[index].locked else "UNLOCKED"
                cell.prop(entries[index], "locked", text="", icon=icon)
                draw_dropper(node, index, cell)
            else:
                cell.label(text="")


def draw_work(node: Any, layout: Any) -> None:
    """Segment and Cancel, and below, where nothing else is moved by it, how far it is or what there is to say."""
    library = node.id_data.library
    if library is None:
        row = layout.row(align=True)
        operator(row, node, "segment", icon="PLAY")
        operator(row, node, "cancel", text="", icon="X")
    else:
        layout.label(text=strings.LINKED_FROM.format(file=bpy.path.basename(library.filepath)), icon="LINKED")
    if node.ambiguous:
        operator(layout, node, "single_user", icon="DUPLICATE")
    if node.busy:
        layout.progress(factor=node.fraction, text=node.message)
        return
    state = SESSION.state(node.uid)
    if node.failed and state.code == "worker":
        operator(layout, node, "open_preferences", icon="PREFERENCES")
    if state.hint:
        for number, line in enumerate(wrapped(state.hint, max(20, int(node.width / 7.4)))):
            layout.label(text=line, icon="ERROR" if number == 0 else "BLANK1")
    text, icon = status(node)
    for number, line in enumerate(wrapped(text, max(20, int(node.width / 7.4)))):
        layout.label(text=line, icon=icon if number == 0 else "BLANK1")


def status(node: Any) -> tuple[str, str]:
    """What the status line says, and its icon."""
    if node.failed:
        return node.message, "ERROR"
    if not node.inputs["Image"].is_linked:
        return strings.LINK_AN_IMAGE, "INFO"
    if not node.settings_shown:
        nothing = strings.PRESS_SEGMENT if node.id_data.library is None else strings.NOT_IN_LIBRARY_CACHE
        return node.message or nothing, "INFO"
    if bpy.app.background:  # where no timer does
        look_at(node)
    state = SESSION.state(node.uid)
    if state.settings_shown != state.settings_now:
        return strings.STALE, "FILE_REFRESH"
    good = node.message in ("", strings.UP_TO_DATE)
    if good and state.unwatched:
        return strings.NOT_WATCHED.format(said=strings.UP_TO_DATE, what=", ".join(state.unwatched)), "INFO"
    return node.message or strings.UP_TO_DATE, "CHECKMARK" if good else "INFO"


def draw_masked(node: Any, layout: Any) -> None:
    """Which layers the mask works on."""
    for start in range(0, len(node.palette), 8):
        row = layout.row(align=True)
        for number, entry in enumerate(list(node.palette)[start : start + 8], start + 1):
            row.prop(entry, "masked", text=str(number), toggle=True)


def draw_sidebar(node: Any, context: Any, layout: Any) -> None:
    """What is not on the node itself, in panels."""
    state = SESSION.state(node.uid)
    body = panel(layout, "palette", strings.PALETTE_PANEL)
    if body is not None:
        body.enabled = not node.busy
        row = body.row(align=True)
        operator(row, node, "preset", icon="PRESET")
        operator(row, node, "save_preset", text="", icon="ADD")
        draw_controls(node, body, "palette_method", "seed", "clean_nonfinite", "auto_update")
    body = panel(layout, "alpha", strings.ALPHA_PANEL)
    if body is not None:
        body.enabled = not node.busy
        draw_controls(
            node, body, "softness", "smoothing", "smoothing_eps", "smoothing_strength", "temporal", "minimum_alpha"
        )
    body = panel(layout, "layers", strings.LAYERS_PANEL, closed=True)
    if body is not None:
        body.enabled = not node.busy
        for number, entry in enumerate(node.palette, 1):
            draw_layer(node, number, entry, body.box().column(align=True))
    body = panel(layout, "recolor", strings.RECOLOR_PANEL, closed=True)
    if body is not None:
        draw_edits(node, body)
    body = panel(layout, "engine", strings.ENGINE, closed=True)
    if body is not None:
        body.enabled = not node.busy
        draw_controls(node, body, "model", "device", "precision", "tile")
    body = panel(layout, "cache", strings.CACHE)
    if body is not None:
        for line in wrapped(state.cached, SIDEBAR_LETTERS) if state.cached else ():
            body.label(text=line)
        body.prop(node, "cache_frames")
        row = body.row(align=True)
        operator(row, node, "fill_cache", icon="RENDER_ANIMATION").frames = node.cache_frames
        operator(row, node, "clear_cache", icon="TRASH")
        if state.unwatched:
            body.prop(node, "trust_scene")
        operator(body, node, "freeze", icon="FREEZE").frames = node.cache_frames
        if bpy.app.version >= BROKEN_WITHOUT:
            for line in wrapped(strings.FREEZE_FIRST if crashes() else strings.FREEZE_FIRST_BLACK, SIDEBAR_LETTERS):
                body.label(text=line)
    operator(layout, node, "build_recombine", icon="NODETREE")
    operator(layout, node, "add_recolor_tree", icon="NODETREE")
    draw_help(layout)


def draw_help(layout: Any) -> None:
    """The manual, and what to report a problem with."""
    row = layout.row(align=True)
    row.operator("soft_color_segment.help", icon="HELP")
    row.operator("soft_color_segment.copy_report", icon="COPYDOWN")


def panel(layout: Any, name: str, title: str, *, closed: bool = False) -> Any:
    """A panel that can be folded. Returns its layout, None where it is folded."""
    header, body = layout.panel(f"soft_color_segment_{name}", default_closed=closed)
    header.label(text=title)
    return body.column(align=True) if body is not None else None


def draw_layer(node: Any, number: int, entry: Any, box: Any) -> None:
    """What a layer has of its own."""
    row = box.row(align=True)
    row.label(text=str(number))
    row.prop(entry, "color", text="")
    draw_dropper(node, number - 1, row)
    row.prop(entry, "label", text="", placeholder=color_name(tuple(entry.color)))
    operator(row, node, "show_layer", text="", icon="HIDE_OFF").number = number
    for name, parameter in BY_NAME.items():
        if parameter.per_layer:
            box.prop(entry, name)


def draw_edits(node: Any, layout: Any) -> None:
    """The edits of the chosen layer, which the output Recolored shows."""
    draw_controls(node, layout, *(parameter.name for parameter in EDIT_PARAMETERS if not parameter.per_layer))
    row = layout.row(align=True)
    operator(row, node, "load_look", icon="IMPORT")
    operator(row, node, "save_look", icon="EXPORT")
    row = layout.row(align=True)
    row.prop(node, "recolor_layer")
    operator(row, node, "show_layer", text="", icon="HIDE_OFF").number = node.recolor_layer
    number = min(node.recolor_layer, node.colors)
    entry = node.palette[number - 1]
    row = layout.row(align=True)
    row.label(text=entry.label or color_name(tuple(entry.color)))
    row.enabled = not node.busy
    row.prop(entry, "color", text="")
    for parameter in EDIT_PARAMETERS:
        if parameter.kind == "color":
            row = layout.row(align=True)
            row.prop(node, edit(HAS_COLOR, number), text=strings.HAS_COLOR[0])
            row.prop(node, edit(parameter.name, number), text="")
        elif parameter.per_layer:
            layout.prop(node, edit(parameter.name, number), text=parameter.label)


def draw_controls(node: Any, layout: Any, *names: str) -> None:
    """Controls one under the other. A number has its name inside, if that is short; all else has it above, where there
    is room."""
    for name in names:
        prop = node.bl_rna.properties[name]
        if prop.type == "BOOLEAN" or (prop.type in ("INT", "FLOAT") and len(prop.name) <= LONGEST_NAME):
            layout.prop(node, name)
        else:
            layout.label(text=prop.name)
            layout.prop(node, name, text="")


def draw_dropper(node: Any, index: int, layout: Any) -> None:
    """Picks a color from the backdrop or an Image Editor."""
    operator(layout, node, "pick_color", text="", icon="EYEDROPPER").index = index


def operator(layout: Any, node: Any, name: str, **looks: Any) -> Any:
    """A button that knows its node, which decides by ``poll`` whether it is gray. Returns its properties."""
    layout.context_pointer_set(NODE_OF_BUTTON, node)
    button = layout.operator(f"soft_color_segment.{name}", **looks)
    button.node = node.uid
    return button


def popup(title: str, text: str) -> None:
    """Shows something that must not be overlooked. Main thread only; without a window nothing happens."""
    if bpy.app.background:
        return

    def draw(menu: Any, context: Any) -> None:
        for line in wrapped(text, 80):
            menu.layout.label(text=line)

    bpy.context.window_manager.popup_menu(draw, title=title, icon="ERROR")


def draw_add_menu(menu: Any, context: Any) -> None:
    """The entry in the Add menu."""
    if context.space_data.tree_type == "CompositorNodeTree":
        entry = menu.layout.operator("node.add_node", text=strings.NAME, icon="COLOR")
        entry.type = NODE_ID
        entry.use_transform = True


MENUS = ("NODE_MT_category_compositor_color", "NODE_MT_add")


def register() -> None:
    """Puts the node into the Color category, or where a Blender has none of that name, into Add itself."""
    for name in MENUS:
        if hasattr(bpy.types, name):
            getattr(bpy.types, name).append(draw_add_menu)
            return


def unregister() -> None:
    """Takes it out."""
    for name in MENUS:
        if hasattr(bpy.types, name):
            getattr(bpy.types, name).remove(draw_add_menu)
            return
