"""The knobs of the node, made from the parameter table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

from fscs_engine._version import __version__
from fscs_engine.host.edits import EDIT_BY_NAME, EDIT_PARAMETERS
from fscs_engine.host.naming import LAYER_PREFIX
from fscs_engine.host.parameters import BY_NAME, LIVE_COLORS, MAXIMUM_COLORS, Parameter
from fscs_engine.host.views import VIEWS as ALL_VIEWS
from nuke_plugin.softcolor_nuke.working_space import FROM_ACESCG, SPACES

from .node import NAMES, PER_LAYER, layer_numbers
from .script import expression, number, quoted

MODES = ("Cached", "Live", "Bypass")
MISSING = ("error", "bypass")
"""In the order of Read's ``on_error``: error, black."""
CHECKS = ("error", "warn", "off")
VIEWS = ALL_VIEWS[:5]  # Matte to Alpha shows one alpha

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
                flag="" if n == 1 else "+HIDDEN",
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
        hidden = "" if n == 1 else "+HIDDEN"
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
        "computer. PyTorch inside Nuke's own Python would clash with Nuke's.",
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
