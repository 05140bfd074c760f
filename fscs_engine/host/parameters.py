"""The one table of user-facing parameters.

The command line's flags, the Blender properties and the Nuke knobs are made from this table under the same
names, with the same defaults, ranges and tooltips.
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import Any, Optional, Union

MAXIMUM_COLORS = 16
"""The largest palette anywhere."""

LIVE_COLORS = 8
"""The largest palette of Nuke's mode Live."""

ALPHA_FLOOR = 1e-6
"""Alphas below this become 0 before the last normalize."""

PALETTE_FRAMES = 9
"""How many frames of a shot are looked at for its palette."""

TEMPORAL_RADIUS = 2
"""Frames before and after a frame that the temporal smoothing looks at."""

IN_PIXELS = ("smoothing", "layer_erode", "layer_blur")
"""Parameters that are divided where the image is made smaller."""

Value = Union[bool, int, float, str]


@dataclass(frozen=True)
class Parameter:
    """One control: ``minimum`` and ``maximum`` are hard limits, inclusive; ``per_layer`` has a value a layer."""

    name: str
    label: str
    kind: str
    default: Value
    tooltip: str
    minimum: Optional[float] = None
    maximum: Optional[float] = None
    choices: tuple[str, ...] = ()
    per_layer: bool = False

    def cure(self, value: Any) -> str:
        """What to use in place of a value that is not allowed; empty where it is allowed."""
        if self.choices:
            return "" if value in self.choices else f"use {' or '.join(self.choices)}"
        if self.minimum is None or self.maximum is None:
            return ""
        is_number = isinstance(value, Real) and not isinstance(value, bool)
        if not is_number:
            return "use a number"
        if not self.minimum <= value <= self.maximum:  # also refuses NaN
            return f"use {self.minimum:g} to {self.maximum:g}"
        return "use a whole number" if self.kind == "int" and value != int(value) else ""


PARAMETERS: tuple[Parameter, ...] = (
    Parameter(
        "colors",
        "Colors",
        "int",
        7,
        "Sets how many palette colors, and so how many layers, there are. Higher values split the image into more "
        "layers.",
        1,
        MAXIMUM_COLORS,
    ),
    Parameter(
        "palette_method",
        "Palette Method",
        "enum",
        "kmeans",
        "Chooses how the colors you do not give are found. kmeans finds the colors of large areas. salient also "
        "gives small areas of strong color a color of their own.",
        choices=("kmeans", "salient"),
    ),
    Parameter(
        "model",
        "Model",
        "string",
        "any-palette",
        "Chooses the trained networks that find the layers.",
    ),
    Parameter(
        "softness",
        "Softness",
        "float",
        0.75,
        "Sets how wide the transitions between layers are. Higher values mix layers wherever colors blend, without "
        "jumps in smooth areas; 0 gives crisp mattes with few layers in a pixel. The model paper does not use it.",
        0.0,
        1.0,
    ),
    Parameter(
        "smoothing",
        "Smoothing Radius",
        "int",
        0,
        "Smooths the alphas within this radius in pixels but keeps edges of the image (guided filter). Higher "
        "values give smoother mattes and a slight veil around edges. 0 turns it off. The model paper needs 3.",
        0,
        256,
    ),
    Parameter(
        "smoothing_eps",
        "Smoothing Edge Threshold",
        "float",
        1e-6,
        "Sets how strong an edge of the image must be to stop the smoothing, as the variance of brightness (0 to "
        "1) in a window. Higher values smooth across stronger edges.",
        1e-9,
        1.0,
    ),
    Parameter(
        "smoothing_strength",
        "Smoothing Strength",
        "float",
        1.0,
        "Mixes the alphas before and after the smoothing. Higher values take more of the smoothed ones: 0 none, 1 "
        "only these.",
        0.0,
        1.0,
    ),
    Parameter(
        "temporal",
        "Temporal Smoothing",
        "float",
        0.0,
        "Mixes in the alphas of neighboring frames where the image does not move. Higher values reduce flicker "
        "more. 0 turns it off. A single image never changes.",
        0.0,
        1.0,
    ),
    Parameter(
        "minimum_alpha",
        "Minimum Alpha",
        "float",
        0.0,
        "Sets alphas below this value to 0 and gives their share to the other layers. Higher values remove "
        "stronger veils.",
        0.0,
        1.0,
    ),
    Parameter(
        "layer_black",
        "Black Point",
        "float",
        0.0,
        "Sets the alpha of this layer that becomes 0. Higher values cut away more of the matte. The other layers "
        "share what it loses.",
        0.0,
        1.0,
        per_layer=True,
    ),
    Parameter(
        "layer_white",
        "White Point",
        "float",
        1.0,
        "Sets the alpha of this layer that becomes 1. Higher values leave less of the matte solid. Must be above "
        "the black point.",
        0.0,
        1.0,
        per_layer=True,
    ),
    Parameter(
        "layer_gain",
        "Gain",
        "float",
        1.0,
        "Multiplies this layer's alpha before all alphas are normalized to add up to 1. Higher values give the "
        "layer more of the image. 0 empties it.",
        0.0,
        100.0,
        per_layer=True,
    ),
    Parameter(
        "layer_gamma",
        "Gamma",
        "float",
        1.0,
        "Raises this layer's alpha to the power of 1/gamma. Values above 1 lift the half-transparent parts, values "
        "below 1 lower them.",
        0.01,
        100.0,
        per_layer=True,
    ),
    Parameter(
        "layer_erode",
        "Erode",
        "float",
        0.0,
        "Moves the edge of this layer's matte inward by so many pixels. Higher values make the matte smaller, values "
        "below 0 larger. The layers beside it take up the difference.",
        -100.0,
        100.0,
        per_layer=True,
    ),
    Parameter(
        "layer_blur",
        "Blur",
        "float",
        0.0,
        "Blurs this layer's matte, after Erode, by a Gaussian of this standard deviation in pixels. Higher values give "
        "softer edges. The layers beside it take up the difference.",
        0.0,
        100.0,
        per_layer=True,
    ),
    Parameter(
        "mask_mode",
        "Mask Mode",
        "enum",
        "limit",
        "Chooses what the mask does. limit multiplies the layer by the mask; the other layers take what it loses. "
        "split shares two layers by the mask: the first where it is white, the second where it is black.",
        choices=("limit", "split"),
    ),
    Parameter(
        "input_space",
        "Input Space",
        "string",
        "auto",
        "Chooses what the values of the input file are: srgb, lin_rec709, acescg, a camera log such as ARRI LogC4, or "
        "a name or role of the OpenColorIO config. auto takes it from the profile, tags and format of the file.",
    ),
    Parameter(
        "alpha",
        "Input Alpha",
        "enum",
        "auto",
        "Chooses whether the colors of the input file are multiplied by its alpha: straight, premultiplied, or auto, "
        "which takes it from the file.",
        choices=("auto", "straight", "premultiplied"),
    ),
    Parameter(
        "working_space",
        "Working Space",
        "string",
        "auto",
        "Chooses the color space in which the layers are delivered and add up to the image: srgb, lin_rec709, "
        "acescg, scene_linear (the values of the input as they are) or a name from the OpenColorIO config. auto "
        "gives EXR the linear space of the input. PNG and other files of integers are always srgb.",
    ),
    Parameter(
        "device",
        "Device",
        "enum",
        "auto",
        "Chooses where the networks run. auto uses a GPU if there is one.",
        choices=("auto", "cpu", "cuda", "mps"),
    ),
    Parameter(
        "precision",
        "Precision",
        "enum",
        "auto",
        "Chooses the numbers the networks compute with. auto is float32; float16 and bfloat16 are for GPUs. The "
        "layers add up exactly with each.",
        choices=("auto", "float32", "float16", "bfloat16"),
    ),
    Parameter(
        "tile",
        "Tile Size",
        "int",
        0,
        "Sets the side in pixels of the tiles the networks work on. Higher values need more memory. 0 chooses it. "
        "The result does not depend on it.",
        0,
        16384,
    ),
)

BY_NAME: dict[str, Parameter] = {parameter.name: parameter for parameter in PARAMETERS}
