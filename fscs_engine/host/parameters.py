"""The one table of user-facing parameters. Standard library only, Python 3.9 syntax.

The command line's flags, the Blender properties and the Nuke knobs are made from this table under the same
names, with the same defaults, ranges and tooltips.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Union

MAXIMUM_COLORS = 16
"""The largest palette anywhere."""

ALPHA_FLOOR = 1e-6
"""Alphas below this become 0 before the last normalise."""

TEMPORAL_RADIUS = 2
"""Frames before and after a frame that the temporal smoothing looks at."""

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


PARAMETERS: tuple[Parameter, ...] = (
    Parameter(
        "colors",
        "Colors",
        "int",
        7,
        "How many palette colours, and so how many layers.",
        1,
        MAXIMUM_COLORS,
    ),
    Parameter(
        "palette_method",
        "Palette Method",
        "enum",
        "kmeans",
        "How colours are found that are not given. kmeans: the colours of the large areas. "
        "salient: small areas of strong colour get a colour of their own too.",
        choices=("kmeans", "salient"),
    ),
    Parameter(
        "model",
        "Model",
        "string",
        "any-palette",
        "The trained networks that find the layers.",
    ),
    Parameter(
        "softness",
        "Softness",
        "float",
        0.5,
        "Sets how wide the transitions between layers are. 0 gives crisp mattes with few layers in a pixel; higher "
        "values mix layers wherever colors blend, without jumps in smooth areas. The model paper does not know it.",
        0.0,
        1.0,
    ),
    Parameter(
        "smoothing",
        "Smoothing Radius",
        "int",
        0,
        "Radius in pixels of the edge-preserving smoothing (guided filter) of the alphas. 0 turns it off. "
        "Larger radii give calmer mattes and a slight veil around edges. The paper's own networks want 3.",
        0,
        256,
    ),
    Parameter(
        "smoothing_eps",
        "Smoothing Edge Threshold",
        "float",
        1e-6,
        "How strong an edge of the picture must be to be kept by the smoothing: the variance of the picture's "
        "brightness (0 to 1) below which a window counts as flat. Larger values smooth across edges.",
        1e-9,
        1.0,
    ),
    Parameter(
        "smoothing_strength",
        "Smoothing Strength",
        "float",
        1.0,
        "Mix of the alphas before (0) and after (1) the smoothing.",
        0.0,
        1.0,
    ),
    Parameter(
        "temporal",
        "Temporal Smoothing",
        "float",
        0.0,
        "How much the alphas of the frames around are mixed in where the picture stands still: calms mattes that "
        "flicker. 0 turns it off; a single picture is never changed by it.",
        0.0,
        1.0,
    ),
    Parameter(
        "minimum_alpha",
        "Minimum Alpha",
        "float",
        0.0,
        "Alphas below this value become 0 and their share goes to the other layers: removes thin veils.",
        0.0,
        1.0,
    ),
    Parameter(
        "layer_black",
        "Black Point",
        "float",
        0.0,
        "Alpha of this layer that becomes 0. What the layer loses or gains is shared by the other layers.",
        0.0,
        1.0,
        per_layer=True,
    ),
    Parameter(
        "layer_white",
        "White Point",
        "float",
        1.0,
        "Alpha of this layer that becomes 1. Must lie above the black point.",
        0.0,
        1.0,
        per_layer=True,
    ),
    Parameter(
        "layer_gain",
        "Gain",
        "float",
        1.0,
        "Multiplies this layer's alpha before all alphas are made to add to 1 again. 0 empties the layer.",
        0.0,
        100.0,
        per_layer=True,
    ),
    Parameter(
        "layer_gamma",
        "Gamma",
        "float",
        1.0,
        "Above 1 lifts this layer's half-transparent parts, below 1 lowers them: alpha to the power of 1/gamma.",
        0.01,
        100.0,
        per_layer=True,
    ),
    Parameter(
        "mask_mode",
        "Mask Mode",
        "enum",
        "limit",
        "limit: the layer is multiplied by the mask, the others take what it loses. "
        "split: two layers are pooled and shared by the mask, the first where it is white, the second where black.",
        choices=("limit", "split"),
    ),
    Parameter(
        "working_space",
        "Working Space",
        "string",
        "auto",
        "The space in which the layers are delivered and add up to the picture: srgb, lin_rec709, acescg, "
        "scene_linear (the input's values as they are) or a name of the OpenColorIO config. "
        "auto: EXR takes the input's own linear space, PNG takes srgb.",
    ),
    Parameter(
        "device",
        "Device",
        "enum",
        "auto",
        "Where the networks run. auto takes a GPU where there is one.",
        choices=("auto", "cpu", "cuda", "mps"),
    ),
    Parameter(
        "precision",
        "Precision",
        "enum",
        "auto",
        "Numbers the networks compute with. auto is float32; float16 and bfloat16 are for GPUs. "
        "The layers add up exactly with each.",
        choices=("auto", "float32", "float16", "bfloat16"),
    ),
    Parameter(
        "tile",
        "Tile Size",
        "int",
        0,
        "Side in pixels of the tiles the networks work on; 0 chooses it. The result does not depend on it.",
        0,
        16384,
    ),
)

BY_NAME: dict[str, Parameter] = {parameter.name: parameter for parameter in PARAMETERS}
