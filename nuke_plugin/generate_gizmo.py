#!/usr/bin/env python3
"""Writes SoftColorSegment.gizmo from the parameter table: ``python nuke_plugin/generate_gizmo.py``.

The node is a Group, so a saved script holds all of it and a farm machine needs the EXR files only.

**What the exported model must look like** (mode Live). Two Inference nodes hold the same model. Each takes the 4
channels of ``LIVE_INPUT`` in this order, RGB premultiplied in the working space, and gives the 16 channels of
``LIVE_OUTPUT``: four layers, R, G, B and A of each, premultiplied, in the working space, as (1, 16, H, W). The model's
attributes are floats, and the node links all of them:

==========================  =====================================================================================
``p1r p1g p1b`` … ``p8b``   the palette, sRGB from 0 to 1; those after ``colors`` are not used
``colors``                  K, 1 to 8
``first``                   the first of the four layers that come out: 1, or 5. Layers after K are 0
``space``                   the working space: 0 lin_rec709, 1 acescg, 2 srgb
``softness`` ``smoothing``  ``smoothing_eps``, ``smoothing_strength``, ``minimum_alpha``: as in the table
==========================  =====================================================================================
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from fscs_engine._version import __version__  # noqa: E402
from fscs_engine.host import sums  # noqa: E402
from fscs_engine.host.edits import EDIT_BY_NAME, EDIT_PARAMETERS  # noqa: E402
from fscs_engine.host.key import CACHE_FORMAT, RESULT_PARAMETERS  # noqa: E402
from fscs_engine.host.naming import LAYER_PREFIX, METADATA_PREFIX, layer_name  # noqa: E402
from fscs_engine.host.parameters import BY_NAME, LIVE_COLORS, MAXIMUM_COLORS, Parameter  # noqa: E402
from fscs_engine.host.views import SHEETS  # noqa: E402
from fscs_engine.host.views import VIEWS as ALL_VIEWS  # noqa: E402
from nuke_plugin.softcolor_nuke import inside  # noqa: E402
from nuke_plugin.softcolor_nuke.working_space import FROM_ACESCG, SPACES  # noqa: E402

GIZMO = Path(__file__).resolve().parent / "SoftColorSegment.gizmo"
LIVE_NODES = Path(__file__).resolve().parent / "softcolor_nuke" / "live_nodes.nk"
NAME = "SoftColorSegment"
CAT = NAME + ".cat"

LIVE_GROUP = 4
LIVE_INPUT = ("rgba.red", "rgba.green", "rgba.blue", "rgba.alpha")
LIVE_OUTPUT = (
    *("rgba.red", "rgba.green", "rgba.blue", "rgba.alpha"),
    *("forward.u", "forward.v", "backward.u", "backward.v"),
    *("disparityL.x", "disparityL.y", "disparityR.x", "disparityR.y"),
    *("deep.front", "deep.back", "depth.Z", "mask.a"),
)
"""Inference nodes take these and few other names; no layer of the node's own is among them."""

MODES = ("Cached", "Live", "Bypass")
MISSING = ("error", "bypass")
"""In the order of Read's ``on_error``: error, black."""
CHECKS = ("error", "warn", "off")
VIEWS = ALL_VIEWS[:5]  # Matte to Alpha shows one alpha

LIVE_SCALARS = ("softness", "smoothing", "smoothing_eps", "smoothing_strength", "minimum_alpha")
PER_LAYER = sums.LAYER_PARAMETERS
_LABELS = [BY_NAME[name].label.lower() for name in PER_LAYER]
LAYER_CONTROLS = f"{', '.join(_LABELS[:-1])} or {_LABELS[-1]}"

COLORS = int(BY_NAME["colors"].default)
NAMES = tuple(layer_name(n) for n in range(1, COLORS + 1))
"""The layers of a node that was just made: no others are declared."""

INSIDE = inside.texts(NAMES, NAMES, MAXIMUM_COLORS, layer_name)

FIRST_PALETTE = (
    (0.014, 0.030, 0.045),
    (0.220, 0.270, 0.300),
    (0.800, 0.780, 0.720),
    (0.580, 0.080, 0.050),
    (0.650, 0.400, 0.120),
    (0.090, 0.270, 0.070),
    (0.050, 0.150, 0.480),
    (0.330, 0.060, 0.350),
    (0.070, 0.420, 0.420),
    (0.750, 0.620, 0.080),
    (0.860, 0.420, 0.430),
    (0.250, 0.130, 0.060),
    (0.480, 0.640, 0.860),
    (0.370, 0.600, 0.240),
    (0.110, 0.110, 0.110),
    (1.000, 1.000, 1.000),
)
"""Linear, for a node that was just made; Auto Palette finds better ones."""

NO_PLUGIN = (
    "This button needs the Soft Color Segment plug-in. Add its folder to NUKE_PATH or to ~/.nuke/init.py and start "
    "Nuke again. Cached layers work without it."
)


# The text of a script


def quoted(text: str) -> str:
    """A word of a Nuke script.

    >>> quoted("Cached"), quoted("a b"), quoted("[value x]")
    ('Cached', '"a b"', '"\\\\[value x\\\\]"')
    """
    if re.fullmatch(r"[A-Za-z0-9_.%/+-]+", text):
        return text
    escaped = re.sub(r'([\\"\[\]$\{\}])', r"\\\1", text).replace("\n", "\\n")
    return f'"{escaped}"'


def expression(text: str) -> str:
    """The value of a knob that follows an expression."""
    return "{{" + quoted(text) + "}}"


def number(value: float) -> str:
    """A number as Nuke writes it."""
    return format(value, ".10g")


class Script:
    """A Nuke script under construction: nodes are written one after the other, with their inputs by name."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._rows = 0

    def node(
        self,
        kind: str,
        name: str,
        inputs: Sequence[str] = (),
        knobs: Sequence[tuple[str, str]] = (),
        *,
        at: tuple[int, int] = (0, 0),
    ) -> str:
        """Adds a node whose knobs have the values given, in the form of a script. Returns its name."""
        for source in reversed(inputs):
            self.lines.append(f" push $N{source}")
        self.lines.append(f" {kind} {{")
        if kind != "Output" and len(inputs) != 1:
            self.lines.append(f"  inputs {len(inputs)}")
        self.lines += [f"  {knob} {value}" for knob, value in knobs]
        self.lines += [f"  name {name}", f"  xpos {at[0] * 110}", f"  ypos {at[1] * 50}", " }"]
        if kind != "Output":
            self.lines.append(f" set N{name} [stack 0]")
        return name


# The knobs


class Knobs:
    """The user knobs of the Group."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def _add(self, kind: int, name: str, options: str, value: Optional[str]) -> None:
        self.lines.append(f" addUserKnob {{{kind} {name}{options}}}")
        if value is not None:
            self.lines.append(f" {name} {value}")

    def tab(self, name: str, label: str) -> None:
        """Begins a tab."""
        self._add(20, name, f" l {quoted(label)}", None)

    def group(self, name: str, label: str) -> None:
        """Begins a foldable group of knobs."""
        self._add(20, name, f" l {quoted(label)} n 1", None)

    def end_group(self, name: str) -> None:
        """Ends it."""
        self._add(20, name, " n -1", None)

    def knob(
        self,
        kind: int,
        name: str,
        label: str,
        tooltip: str,
        value: Optional[str] = None,
        *,
        choices: Sequence[str] = (),
        limits: Optional[tuple[float, float]] = None,
        text: Optional[str] = None,
        flag: str = "",
    ) -> None:
        """A knob; ``value`` is in the form of a script."""
        options = f" l {quoted(label)} t {quoted(tooltip)}"
        if text is not None:
            options += f" T {quoted(text)}"
        if choices:
            options += " M {" + " ".join(quoted(choice) for choice in choices) + "}"
        if limits is not None:
            options += f" R {number(limits[0])} {number(limits[1])}"
        self._add(kind, name, options + (f" {flag}" if flag else ""), value)

    def parameter(
        self,
        parameter: Parameter,
        *,
        name: str = "",
        label: str = "",
        shown: Optional[tuple[float, float]] = None,
        flag: str = "",
    ) -> None:
        """A knob of the parameter table; ``shown`` is the range of the slider where the whole one is too wide."""
        kind = {"int": 3, "float": 7, "enum": 4, "string": 1, "bool": 6, "rgb": 18}[parameter.kind]
        limits: Optional[tuple[float, float]] = shown
        if limits is None and parameter.minimum is not None and parameter.maximum is not None:
            limits = (parameter.minimum, parameter.maximum)
        default = parameter.default
        value = quoted(default) if isinstance(default, str) else number(float(default))
        if parameter.kind == "bool":
            value = str(bool(default)).lower()
        elif parameter.kind == "rgb":
            value = f"{{{value} {value} {value}}}"
        self.knob(
            kind,
            name or parameter.name,
            label or parameter.label,
            parameter.tooltip,
            value,
            choices=parameter.choices,
            limits=limits,
            flag=flag,
        )

    def button(self, name: str, label: str, tooltip: str, call: str, flag: str = "", *, more: str = "") -> None:
        """A button that calls a function of the plug-in, and says so where there is none; ``more`` are arguments."""
        code = (
            f"try:\n    from softcolor_nuke import buttons\nexcept Exception:\n    nuke.message({NO_PLUGIN!r})\n"
            f"else:\n    buttons.{call}(nuke.thisNode(){more})"
        )
        self.knob(22, name, label, tooltip, text=code, flag=flag)


def layer_numbers() -> range:
    """1 to 16."""
    return range(1, MAXIMUM_COLORS + 1)


def group_knobs() -> list[str]:
    """All knobs of the Group in the order in which the artist sees them."""
    knobs = Knobs()
    _palette_tab(knobs)
    _alpha_tab(knobs)
    _recolor_tab(knobs)
    _output_tab(knobs)
    _cache_tab(knobs)
    _troubleshoot_tab(knobs)
    return knobs.lines


def _palette_tab(knobs: Knobs) -> None:
    knobs.tab("palette_tab", "Palette")
    knobs.knob(
        4,
        "mode",
        "Mode",
        "Chooses where the layers come from. Cached: the EXR cache files. Live: NukeX's Inference nodes, at most "
        f"{LIVE_COLORS} colors. Bypass: passes the image through.",
        MODES[0],
        choices=MODES,
    )
    knobs.parameter(BY_NAME["colors"])
    knobs.parameter(BY_NAME["palette_method"])
    knobs.button(
        "auto_palette",
        "Auto Palette",
        "Finds a palette in this frame. Locked colors stay and come first. One undo reverts it.",
        "auto_palette",
        "+STARTLINE",
    )
    knobs.button(
        "import_palette", "Import", "Reads the colors from a palette file: .json, .gpl or .txt.", "import_palette"
    )
    knobs.button(
        "export_palette", "Export", "Writes the colors to a palette file: .json, .gpl or .txt.", "export_palette"
    )
    knobs.button(
        "load_preset",
        "Preset",
        "Sets the controls from a preset made with `fscs preset save`. One undo reverts it.",
        "load_preset",
    )
    knobs.knob(
        15,
        "pick_box",
        "Pick from",
        "Sets the box of the image, left, bottom, right and top, that Pick averages. Drag it in the Viewer.",
        "{0 0 16 16}",
        flag="+STARTLINE",
    )
    for n in layer_numbers():
        color = " ".join(number(value) for value in FIRST_PALETTE[n - 1])
        knobs.knob(
            18,
            f"color{n}",
            f"Color {n}",
            f"Sets the palette color of layer {n}, in the working space, as pixels of the image are.",
            f"{{{color}}}",
        )
        knobs.knob(1, f"name{n}", "", f"Names layer {n}. The name is kept in the EXR files.", '""', flag="-STARTLINE")
        knobs.knob(
            6, f"lock{n}", "lock", f"Keeps color {n} as it is when Auto Palette is pressed.", "false", flag="-STARTLINE"
        )
        tooltip = f"Sets color {n} to the mean of the image in the box Pick from."
        knobs.button(f"pick{n}", "Pick", tooltip, "pick", "-STARTLINE", more=f", {n}")


def _alpha_tab(knobs: Knobs) -> None:
    knobs.tab("alpha_tab", "Alpha")
    knobs.parameter(BY_NAME["model"])
    knobs.parameter(BY_NAME["softness"])
    knobs.parameter(BY_NAME["smoothing"], shown=(0, 32))
    knobs.parameter(BY_NAME["smoothing_eps"], shown=(1e-6, 0.01))
    knobs.parameter(BY_NAME["smoothing_strength"])
    knobs.parameter(BY_NAME["temporal"])
    knobs.parameter(BY_NAME["minimum_alpha"])
    knobs.group("layers_group", "Layers")
    knobs.knob(
        3,
        "chosen_layer",
        "Layer",
        "Chooses the layer whose controls are shown here.",
        "1",
        limits=(1, MAXIMUM_COLORS),
    )
    shown = {"layer_gain": (0.0, 4.0), "layer_gamma": (0.2, 5.0)}
    shown |= {"layer_erode": (-10.0, 10.0), "layer_blur": (0.0, 10.0)}
    for n in layer_numbers():
        for name in PER_LAYER:
            knobs.parameter(
                BY_NAME[name],
                name=f"{name}{n}",
                label=f"{BY_NAME[name].label} {n}",
                shown=shown.get(name),
                flag="" if n == 1 else "+INVISIBLE",
            )
    knobs.end_group("layers_group_end")
    knobs.knob(
        6, "use_mask", "Use Mask", "Applies the image at the mask input to the layers.", "false", flag="+STARTLINE"
    )
    knobs.parameter(BY_NAME["mask_mode"])
    knobs.knob(
        1,
        "mask_layers",
        "Mask Layers",
        "Sets the layers that the mask applies to, as numbers with spaces between: one or more for limit, two for "
        "split.",
        "1",
    )
    knobs.knob(11, "mask_from", "Mask Channel", "Chooses the channel of the mask input.", "rgba.alpha")


def _recolor_tab(knobs: Knobs) -> None:
    knobs.tab("recolor_tab", "Recolor")
    knobs.knob(
        6,
        "recolor",
        "Recolor",
        "Shows the image in rgba with the edits below. The layers in the stream stay as they are.",
        "false",
    )
    for name in ("strength", "opacity_shows"):
        knobs.parameter(EDIT_BY_NAME[name])
    knobs.knob(
        3, "edit_layer", "Layer", "Chooses the layer whose edits are shown here.", "1", limits=(1, MAXIMUM_COLORS)
    )
    for n in layer_numbers():
        hidden = "" if n == 1 else "+INVISIBLE"
        for parameter in EDIT_PARAMETERS:
            name, label = f"edit_{parameter.name}{n}", f"{parameter.label} {n}"
            if parameter.kind == "color":
                knobs.knob(6, name, label, parameter.tooltip, "false", flag=f"+STARTLINE {hidden}".strip())
                tooltip = "Sets the color that Color moves the palette color to, in the working space."
                flag = f"-STARTLINE {hidden}".strip()
                knobs.knob(18, f"edit_new_color{n}", "", tooltip, "{0.5 0.5 0.5}", flag=flag)
            elif parameter.per_layer:
                knobs.parameter(parameter, name=name, label=label, flag=hidden)
    knobs.button("reset_edits", "Reset", "Removes the edits of this layer.", "reset_edits", "+STARTLINE")
    knobs.button("reset_all_edits", "Reset All", "Removes the edits of all layers.", "reset_all_edits")
    knobs.button(
        "load_look",
        "Load Look",
        "Loads the edits of all layers from a look file, in the place of those that there are. One undo reverts it.",
        "load_look",
        "+STARTLINE",
    )
    knobs.button("save_look", "Save Look", "Saves the edits to a look file, for 'fscs recolor --look'.", "save_look")


def _output_tab(knobs: Knobs) -> None:
    knobs.tab("output_tab", "Output")
    knobs.knob(
        4,
        "working_space",
        BY_NAME["working_space"].label,
        "Says which color space the image is in. The layers are delivered in the same space and add up to the "
        "image there.",
        SPACES[0],
        choices=SPACES,
    )
    knobs.knob(
        1,
        "layer_prefix",
        "Layer Prefix",
        "Sets the start of the layer names in the stream. Give each node in a chain its own, then press Rename.",
        LAYER_PREFIX,
    )
    knobs.knob(
        6,
        "color_names",
        "Use Color Names",
        "Adds the names of the colors to the layer names, as in softcolor2_sky. Press Rename after a change.",
        "false",
        flag="-STARTLINE",
    )
    knobs.button(
        "rename_layers",
        "Rename",
        "Renames the layers by Layer Prefix and Use Color Names.",
        "rename_layers",
        "-STARTLINE",
    )
    knobs.knob(
        4,
        "layer_color",
        "Layer Colors",
        "Chooses how the layers come out. premultiplied: add them with Plus. straight: colors are not multiplied "
        "by alpha.",
        "premultiplied",
        choices=("premultiplied", "straight"),
    )
    knobs.knob(
        6,
        "remove_other",
        "Remove Other Layers",
        "Removes all other layers of the input from the stream, except rgba.",
        "false",
        flag="+STARTLINE",
    )
    knobs.knob(
        4,
        "view",
        "View",
        "Chooses what rgba shows. layers: the image itself, unchanged. recomposition: the sum of the layers. "
        "error: the difference of the sum from the image. one layer: the layer with the number below. All these "
        "keep the layers in the stream. alpha sheet: the alphas of all layers side by side at full size, in a "
        "larger image without the layers.",
        VIEWS[0],
        choices=VIEWS,
    )
    knobs.knob(
        3, "view_layer", "Layer", "Chooses the layer that View shows with 'one layer'.", "1", limits=(1, MAXIMUM_COLORS)
    )
    knobs.knob(
        7,
        "error_gain",
        "Error Gain",
        "Multiplies the error that View shows. Higher values make small errors visible.",
        "8",
        limits=(1, 1000),
    )
    knobs.knob(
        1,
        "matte_layers",
        "Matte to Alpha",
        "Puts the sum of the alphas of these layers into rgba.alpha, as a matte. Write their numbers with spaces "
        "between, as in 1 3. Empty keeps rgba.alpha.",
        '""',
    )
    knobs.button(
        "export_layers",
        "Export Layers",
        "Creates a Shuffle2 and a Grade for each layer and adds them with Merge (plus), in a backdrop.",
        "export_layers",
        "+STARTLINE",
    )


def _cache_tab(knobs: Knobs) -> None:
    knobs.tab("cache_tab", "Cache")
    knobs.knob(
        2,
        "cache_file",
        "File",
        "Names the EXR cache files of the layers, with %04d or #### for the frame and %V for the view. Render or "
        "'fscs segment' writes them.",
        '""',
    )
    knobs.knob(3, "first_frame", "First Frame", "Sets the first frame that has layers.", "1")
    knobs.knob(3, "last_frame", "Last Frame", "Sets the last frame that has layers.", "1", flag="-STARTLINE")
    knobs.button(
        "set_range", "Set Range to Input", "Sets First Frame and Last Frame to the range of the image.", "set_range"
    )
    knobs.button("render", "Render", "Computes the layers of these frames.", "render", "+STARTLINE")
    knobs.button(
        "render_background",
        "Render in Background",
        "Computes the layers of these frames in another Nuke while you work. It opens the script as it is saved. A "
        "frame has its layers as soon as its file is there.",
        "render_background",
    )
    knobs.button(
        "render_preview", "Render This Frame", "Computes the layers of the current frame only.", "render_frame"
    )
    knobs.button("clear", "Clear", "Deletes the cache files of these frames, after asking.", "clear")
    knobs.button(
        "read_from_cache",
        "Read from Cache",
        "Sets the palette and all other controls to those of the cache file of this frame. One undo reverts it.",
        "read_from_cache",
    )
    knobs.knob(
        6,
        "only_missing",
        "Only Missing Frames",
        "Skips frames whose cache file matches the controls and the image.",
        "true",
        flag="+STARTLINE",
    )
    knobs.knob(
        4,
        "missing_frames",
        "Missing Frames",
        "Chooses what a frame without a cache file gives. error: an error. bypass: the image without layers.",
        MISSING[0],
        choices=MISSING,
    )
    knobs.knob(
        4,
        "image_check",
        "If Image Changed",
        "Chooses what a render below does if the image changed since its layers were rendered. error: it stops. "
        "warn: it prints a warning and continues. off: it does not check.",
        CHECKS[0],
        choices=CHECKS,
    )
    knobs.parameter(BY_NAME["device"])
    knobs.parameter(BY_NAME["tile"], shown=(0, 2048))
    # Not saved: where the plug-in is missing, old words would stand on the node. A Text knob would be saved anyway.
    knobs.knob(
        1,
        "status",
        "Status",
        "Shows whether the cache file of this frame matches the controls and the image.",
        flag="+DISABLED +DO_NOT_WRITE",
    )
    knobs.button("check_status", "Check", "Checks the image and all frames, and reports their state.", "check_status")


def _troubleshoot_tab(knobs: Knobs) -> None:
    knobs.tab("troubleshoot_tab", "Troubleshoot")
    knobs.knob(
        26,
        "versions",
        "Versions",
        "Shows the versions of the plug-in, of Nuke and of the engine after Check.",
        text=" ",
    )
    knobs.button(
        "install_engine",
        "Install Engine",
        "Installs the engine into an environment in your own folders, with a Python 3.11 or newer on this "
        "computer. Nuke's own Python is too old for it.",
        "install_engine",
        "+STARTLINE",
    )
    knobs.button(
        "locate_engine", "Locate Engine", "Chooses the Python of an engine that is already installed.", "locate_engine"
    )
    knobs.button("check", "Check", "Runs 'fscs doctor', starts the engine and reports what is wrong.", "check")
    knobs.button("show_log", "Show Log", "Shows the end of the log of the engine and its installation.", "show_log")
    knobs.knob(
        1,
        "softcolor_version",
        "Version",
        "Holds the version of the plug-in that made this node. The plug-in finds its nodes by it.",
        __version__,
        flag="+INVISIBLE",
    )
    knobs.knob(
        1,
        "layers_inside",
        "Layers Inside",
        "Holds the names of the layers that the nodes inside have. The plug-in sets it when Colors changes.",
        quoted(" ".join(NAMES)),
        flag="+INVISIBLE",
    )
    for n in layer_numbers():
        for channel, letter in enumerate("rgb"):
            knobs.knob(
                7,
                f"p{n}{letter}",
                f"p{n}{letter}",
                f"Holds palette color {n} in sRGB, for the checks and for Live.",
                expression(_encoded(n, channel)),
                flag="+INVISIBLE",
            )


def _encoded(n: int, channel: int) -> str:
    """Palette color ``n`` in sRGB, of the knob that is in the working space."""
    own = f"color{n}.{'rgb'[channel]}"
    terms = "".join(f"{weight:+.9f}*color{n}.{letter}" for weight, letter in zip(FROM_ACESCG[channel], "rgb"))
    linear = f"(working_space==1?({terms.lstrip('+')}):{own})"
    curve = f"({linear}<=0.0031308?12.92*{linear}:1.055*pow(max({linear},0),0.4166666667)-0.055)"
    return f"min(max(working_space==2?{own}:{curve},0),1)"


# What is inside


IN_RANGE = "frame>=parent.first_frame&&frame<=parent.last_frame"


def checks() -> list[tuple[str, str, str]]:
    """The comparisons of a cached file with the knobs: name, expression, message."""
    palette = [_same_sum(which + 1, _palette_sum(which)) for which in (0, 1)]
    values = [f"log(parent.{name})" if name in sums.LOGARITHMIC else f"parent.{name}" for name in RESULT_PARAMETERS]
    weights = [sums.parameter_weight(name) for name in RESULT_PARAMETERS]
    settings = _same_sum(3, "+".join(f"{weight:g}*{value}" for weight, value in zip(weights, values)))
    layers = _same_sum(4, "+".join(_layer_sum(n) for n in layer_numbers()))
    masked = "[string equal [metadata exr/softcolor:mask] [concat [value parent.mask_mode] [value parent.mask_layers]]]"
    unmasked = "[string equal [metadata exr/softcolor:mask] {}]"
    again = "Press Render on the Cache tab, or reset the knob"
    sides = [f"Cache.{side}==img.{side}" for side in ("width", "height")]
    same_format = "&&".join([*sides, "abs(Cache.pixel_aspect-img.pixel_aspect)<0.0001"])
    return [
        (
            "CheckRange",
            IN_RANGE,
            "This frame is outside First Frame and Last Frame on the Cache tab. Change them and press Render.",
        ),
        (
            "CheckFile",
            f"{_sum(5)}=={CACHE_FORMAT}",
            "The cache file holds no layers of this version. Choose one that Render or 'fscs segment' wrote.",
        ),
        (
            "CheckFormat",
            f"root.proxy||({same_format})",
            "The image has another format than the cached layers. Reset it, or press Render on the Cache tab.",
        ),
        (
            "CheckCount",
            f"{_sum(0)}==parent.colors",
            f"The cached layers have another number of colors than the node. {again} (Colors).",
        ),
        (
            "CheckSpace",
            "[string equal [metadata exr/softcolor:working_space] [value parent.working_space]]"
            "&&[string equal [metadata exr/softcolor:model] [value parent.model]]",
            f"The working space or the model differs from the cached layers. {again}.",
        ),
        ("CheckPalette", "&&".join(palette), f"The palette changed since the layers were rendered. {again}."),
        (
            "CheckSettings",
            settings,
            f"Smoothing or minimum alpha changed since the layers were rendered. {again}.",
        ),
        (
            "CheckLayers",
            layers,
            f"A layer's {LAYER_CONTROLS} changed since the layers were rendered. {again}.",
        ),
        (
            "CheckMask",
            f"parent.use_mask?{masked}:{unmasked}",
            f"The mask's settings changed since the layers were rendered. {again}.",
        ),
    ]


def _sum(index: int) -> str:
    """Tcl: a number that stands in a file for its settings. Without variables: several threads share Nuke's."""
    return f"[lindex [concat [metadata exr/{METADATA_PREFIX}{sums.SUMS}] -99 -99 -99 -99 -99 -99] {index}]"


def _same_sum(index: int, own: str) -> str:
    return f"abs({_sum(index)}-({own}))<{sums.TOLERANCES[index - 1]:.5f}"


def _palette_sum(which: int) -> str:
    colors = []
    for n in layer_numbers():
        channels = (f"{sums.palette_weight(which, n, i):g}*parent.p{n}{letter}" for i, letter in enumerate("rgb"))
        colors.append(f"(parent.colors>={n})*({'+'.join(channels)})")
    return "+".join(colors)


def _layer_sum(n: int) -> str:
    terms = []
    for name in sums.LAYER_PARAMETERS:
        rest = float(BY_NAME[name].default)
        own = f"parent.{name}{n}"
        terms.append(f"{sums.layer_weight(name, n):g}*{f'({own}-{rest:g})' if rest else own}")
    return f"(parent.colors>={n})*({'+'.join(terms)})"


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


def live_nodes() -> str:
    """The nodes of mode Live, as they are pasted into a node. The layers get their names afterwards."""
    script = Script()
    plate = script.node("Dot", "LiveImage", at=(6, 2))
    neutral = [
        f"parent.{name}{n}=={number(float(BY_NAME[name].default))}"
        for n in range(1, LIVE_COLORS + 1)
        for name in PER_LAYER
    ]
    limits = [
        (
            "LiveColors",
            f"parent.colors>=1&&parent.colors<={LIVE_COLORS}",
            f"Live has at most {LIVE_COLORS} colors. Choose fewer, or mode Cached.",
        ),
        (
            "LiveLayers",
            "&&".join(["parent.use_mask==0", "parent.temporal==0", *neutral]),
            f"Live has no masks, no temporal smoothing and no {LAYER_CONTROLS} of layers. Reset them, or use Cached.",
        ),
        (
            "LiveModel",
            "[string equal [value parent.model] any-palette]",
            "Live has only the model any-palette. Choose it, or use Cached.",
        ),
    ]
    checked = plate
    for row, (name, condition, message) in enumerate(limits):
        knobs = [("expression", expression(condition)), ("message", quoted(message))]
        checked = script.node("Assert", name, [checked], knobs, at=(7, row + 1))
    # An image without alpha is opaque; Inference would see 0.
    opaque = [("channels", "rgba"), ("color", "{0 0 0 1}")]
    checked = script.node("AddChannels", "LiveAlpha", [checked], opaque, at=(7, 5))
    checked = script.node("Remove", "LiveInput", [checked], [("operation", "keep"), ("channels", "rgba")], at=(7, 6))
    chain = plate
    ends = []
    for first in range(1, LIVE_COLORS + 1, LIVE_GROUP):
        links = [f"p{n}{letter}" for n in range(1, LIVE_COLORS + 1) for letter in "rgb"]
        links += ["colors", *LIVE_SCALARS]
        values = [f"{link}:{{parent.{link}}}" for link in links] + ["space:{parent.working_space}", f"first:{first}"]
        knobs = [
            ("modelFile", quoted(f"[lsearch -inline [plugins -all {CAT}] *.cat]")),
            ("serialiseKnob", "{" + ";".join(values) + ";}"),
        ]
        found = script.node("Inference", f"Live{first}", [checked], knobs, at=(7 + first // LIVE_GROUP, 8))
        for n in range(first, first + LIVE_GROUP):
            taken = LIVE_OUTPUT[4 * (n - first) : 4 * (n - first) + 4]
            places = [(f"from{index}", channel) for index, channel in enumerate(taken)]
            knobs = [*places, *((f"to{index}", "none") for index in range(4))]
            chain = script.node("Copy", f"LiveLayer{n}", [chain, found], knobs, at=(6, 9 + n))
            ends.append(chain)
    which = [("which", expression(f"min(parent.colors,{LIVE_COLORS})-1"))]
    script.node("Switch", "LiveLayers_", ends, which, at=(6, 26))
    return "\n".join(["# Made by nuke_plugin/generate_gizmo.py; changes belong there.", *script.lines, ""])


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


TILE_COLOR = "0x5f7f9fff"


def main() -> int:
    """Writes the file. Returns 0."""
    for file, text in ((GIZMO, gizmo()), (LIVE_NODES, live_nodes())):
        file.write_text(text, encoding="utf-8", newline="\n")
        print(file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
