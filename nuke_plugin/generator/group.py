"""The nodes of the gizmo: a Group with the knobs, and what is inside."""

from __future__ import annotations

from fscs_engine.host.naming import layer_name
from fscs_engine.host.parameters import MAXIMUM_COLORS
from fscs_engine.host.views import SHEETS
from nuke_plugin.softcolor_nuke import inside

from .checks import IN_RANGE, checks
from .knobs import MODES, group_knobs
from .node import NAME, NAMES, layer_numbers
from .script import Script, expression, quoted

TILE_COLOR = "0x5f7f9fff"

INSIDE = inside.texts(NAMES, NAMES, MAXIMUM_COLORS, layer_name)


def gizmo() -> str:
    """The whole text of the gizmo."""
    lines = ["# Soft Color Segment. Made by nuke_plugin/generate_gizmo.py; changes belong there."]
    lines += [f"add_layer {{{name} {' '.join(inside.channels_of(name))}}}" for name in NAMES]
    hook = "try:\n    from softcolor_nuke import callbacks\nexcept Exception:\n    pass\nelse:\n    callbacks.{}"
    lines += [
        "Group {",
        f" name {NAME}1",
        f" tile_color {TILE_COLOR}",
        f" label {quoted('[value mode], [value colors] layers' + chr(10) + '[value status]')}",
        " help "
        + quoted(
            "Takes the image apart into a layer for each color of a palette. Add the layers with Plus to get the "
            "image back."
        ),
        f" knobChanged {quoted(hook.format('knob_changed(nuke.thisNode(), nuke.thisKnob())'))}",
        f" onCreate {quoted(hook.format('created(nuke.thisNode())'))}",
        f" updateUI {quoted(hook.format('update(nuke.thisNode())'))}",
        *group_knobs(),
        "}",
    ]
    script = Script()
    mask = script.node("Input", "mask", [], [("number", "1")], at=(-4, 0))
    image = script.node("Input", "img", [], at=(0, 0))
    _captures(script, image, mask)
    only = script.node("Remove", "KeepImage", [image], [("operation", "keep"), ("channels", "rgba")], at=(1, 1))
    plate = script.node(
        "Switch", "OtherLayers", [image, only], [("which", expression("parent.remove_other"))], at=(0, 3)
    )
    cached = _straight(script, _views(script, _mode(script, _without_own(script, plate))))
    bypassed = [("which", expression(f"parent.mode=={MODES.index('Bypass')}"))]
    result = script.node("Switch", "Bypass", [cached, image], bypassed, at=(0, 51))
    script.node("Output", "Output1", [result], at=(0, 53))
    return "\n".join([*lines, *script.lines, "end_group", ""])


def _named(name: str) -> list[tuple[str, str]]:
    """The knobs of a node inside that name layers, in the form of a script."""
    found = []
    for knob, text in INSIDE[name].items():
        channels = " " in text and not knob.startswith("expr")
        found.append((knob, "{" + text + "}" if channels else quoted(text)))
    return found


def _cached(script: Script, plate: str) -> str:
    read = script.node(
        "Read",
        "Cache",
        [],
        [
            ("file_type", "exr"),
            ("file", quoted("[value parent.cache_file]")),
            # No more than there is: submitters ask for every frame of it. Outside, CheckRange fails.
            ("first", expression("parent.first_frame")),
            ("last", expression("parent.last_frame")),
            ("origfirst", expression("parent.first_frame")),
            ("origlast", expression("parent.last_frame")),
            ("on_error", expression("parent.missing_frames")),
            # A copy on a local disk may be an older one.
            ("localizationPolicy", "off"),
            ("raw", "true"),
        ],
        at=(4, 0),
    )
    checked = read
    for row, (name, condition, message) in enumerate(checks()):
        knobs = [("expression", expression(condition)), ("message", quoted(message))]
        checked = script.node("Assert", name, [checked], knobs, at=(4, row + 1))
    chain = plate
    ends = []
    for n in layer_numbers():
        chain = script.node("Copy", f"Layer{n}", [chain, checked], _named(f"Layer{n}"), at=(2, 8 + n))
        ends.append(chain)
    which = [("which", expression("parent.colors-1"))]
    layers = script.node("Switch", "CachedLayers", ends, which, at=(2, 26))
    there = f"({IN_RANGE})*([string length [metadata -n Cache exr/softcolor:key]]==64)"
    which = [("which", expression(f"parent.missing_frames*(1-{there})"))]
    return script.node("Switch", "MissingFrames", [layers, plate], which, at=(3, 26))


def _no_live(script: Script, plate: str) -> str:
    """What stands in place of the nodes of mode Live: they would load PyTorch with every script."""
    message = "The plug-in creates the nodes of Live when you choose this mode. Install it and choose Live again."
    return script.node("Assert", "NoLive", [plate], [("expression", "0"), ("message", quoted(message))], at=(6, 1))


def _views(script: Script, layers: str) -> str:
    # An Expression may write only the channels that come in.
    whole = script.node("AddChannels", "ViewChannels", [layers], [("channels", "rgba")], at=(2, 27))
    # The plug-in creates the nodes that recolor where there are edits, and connects them here.
    which = [("which", expression("parent.recolor"))]
    shown = [
        script.node("Switch", "Recolored", [layers, layers], which, at=(1, 27)),
        script.node("Expression", "Recomposition", [whole], _named("Recomposition"), at=(2, 28)),
        script.node("Expression", "Error", [whole], [*_named("Error"), ("expr3", "1")], at=(3, 28)),
        script.node("Expression", "OneLayer", [whole], _named("OneLayer"), at=(4, 28)),
        _sheet(script, whole),
    ]
    view = script.node("Switch", "View", shown, [("which", expression("parent.view"))], at=(0, 30))
    return _matte(script, view)


def _matte(script: Script, view: str) -> str:
    """The alphas of chosen layers in rgba.alpha, for masks of other nodes."""
    chosen = "[value parent.matte_layers]"
    whole = script.node("AddChannels", "MatteChannels", [view], [("channels", "rgba")], at=(1, 29))
    matte = script.node("Expression", "Matte", [whole], _named("Matte"), at=(1, 30))
    which = [("which", expression(f"[llength {chosen}]>0"))]
    return script.node("Switch", "MatteToAlpha", [view, matte], which, at=(0, 31))


def _sheet(script: Script, layers: str) -> str:
    """The alphas as gray pictures side by side, from the upper left. Nothing is scaled, so every pixel is there."""
    size = "{0 0 {input.width} {input.height}}"
    whole = script.node("Crop", "SheetFormat", [layers], [("box", size)], at=(7, 28))
    cells = []
    for n in layer_numbers():
        knobs = [*_named(f"Sheet{n}"), ("expr3", "1")]
        cells.append(script.node("Expression", f"Sheet{n}", [whole], knobs, at=(7 + n, 28)))
    sheets = cells[:1]
    for columns, rows in SHEETS[1:]:
        knobs = [
            ("width", expression(f"input.width*{columns}")),
            ("height", expression(f"input.height*{rows}")),
            ("rows", str(rows)),
            ("columns", str(columns)),
            ("roworder", "TopBottom"),
        ]
        name = f"Sheet{columns}by{rows}"
        sheets.append(script.node("ContactSheet", name, cells[: columns * rows], knobs, at=(7 + len(sheets), 29)))
    which = "+".join(f"(parent.colors>{columns * rows})" for columns, rows in SHEETS[:-1])
    sheet = script.node("Switch", "Sheet", sheets, [("which", expression(which))], at=(7, 30))
    return script.node("Remove", "SheetOnly", [sheet], [("operation", "keep"), ("channels", "rgba")], at=(6, 30))


def _straight(script: Script, layers: str) -> str:
    chain = layers
    for n in layer_numbers():
        chain = script.node("Unpremult", f"Straight{n}", [chain], _named(f"Straight{n}"), at=(2, 31 + n))
    return script.node(
        "Switch", "LayerColors", [layers, chain], [("which", expression("parent.layer_color"))], at=(0, 49)
    )


def _captures(script: Script, plate: str, mask: str) -> None:
    """What Render writes for the engine. Disabled, so that a render of the whole script leaves them alone."""
    knobs = [
        ("file_type", "exr"),
        ("datatype", quoted("32 bit float")),
        ("compression", "none"),
        ("metadata", quoted("no metadata")),
        ("raw", "true"),
        ("disable", "true"),
    ]
    script.node("Write", "CapturePlate", [plate], [("channels", "rgba"), *knobs], at=(-2, 2))
    # In the format of the image, whatever the mask's is. A Roto on its own has alpha only.
    whole = script.node("AddChannels", "MaskChannels", [plate], [("channels", "rgba")], at=(-4, 1))
    channel = [("from0", "rgba.alpha"), ("to0", "rgba.red")]
    chosen = script.node("Copy", "MaskChannel", [whole, mask], channel, at=(-4, 2))
    script.node("Write", "CaptureMask", [chosen], [("channels", "rgb"), *knobs], at=(-4, 3))


def _without_own(script: Script, plate: str) -> str:
    """The image without layers that have the names of the node's own: another node before may have made more."""
    for first in range(1, MAXIMUM_COLORS + 1, 4):
        name = f"Foreign{first}"
        plate = script.node("Remove", name, [plate], _named(name), at=(1, 3 + first // 4))
    return plate


def _mode(script: Script, plate: str) -> str:
    message = "There are more colors than layers inside the node. Install the plug-in, which adds them."
    knobs = [("expression", expression("[llength [value parent.layers_inside]]>=parent.colors"))]
    plate = script.node("Assert", "CheckInside", [plate], [*knobs, ("message", quoted(message))], at=(0, 8))
    modes = [_cached(script, plate), _no_live(script, plate)]
    return script.node("Switch", "Mode", modes, [("which", expression("min(parent.mode,1)"))], at=(0, 27))
