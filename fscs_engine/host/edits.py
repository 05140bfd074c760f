"""Edits of layers: the table of their controls, and the numbers of their formulas. Standard library only, Python 3.9.

The command line, look files, the Blender properties and the Nuke knobs are made from :data:`EDIT_PARAMETERS` under the
same names. :func:`formula` gives the few matrices and powers that the engine's loops and a host's nodes apply to each
pixel, so that both make the same function.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields

from .parameters import Parameter

Color = tuple[float, float, float]
Matrix = tuple[tuple[float, ...], ...]

EDIT_PARAMETERS: tuple[Parameter, ...] = (
    Parameter(
        "color",
        "Color",
        "color",
        "",
        "Moves the palette color of the layer to this color. Its lighter, darker, duller and purer shades follow. "
        "Empty keeps the palette color.",
        0.0,
        1.0,
        per_layer=True,
    ),
    Parameter(
        "hue",
        "Hue",
        "float",
        0.0,
        "Turns the hue of the layer by degrees and keeps lightness and saturation (OKLab). Higher values turn red "
        "to yellow, yellow to green, green to blue.",
        -180.0,
        180.0,
        per_layer=True,
    ),
    Parameter(
        "saturation",
        "Saturation",
        "float",
        1.0,
        "Multiplies the saturation of the layer and keeps lightness (OKLab). Higher values give purer colors; 0 "
        "gives gray.",
        0.0,
        4.0,
        per_layer=True,
    ),
    Parameter(
        "uniformity",
        "Uniformity",
        "float",
        0.0,
        "Draws the hues and saturations of the layer to its palette color and keeps light and shade. Higher values "
        "make the layer more even; negative values spread its colors.",
        -1.0,
        1.0,
        per_layer=True,
    ),
    Parameter(
        "contrast",
        "Contrast",
        "float",
        1.0,
        "Spreads the colors of the layer around its palette color, in light and shade too (OKLab). Values above 1 "
        "give more contrast, values below 1 less.",
        0.01,
        4.0,
        per_layer=True,
    ),
    Parameter(
        "exposure",
        "Exposure",
        "float",
        0.0,
        "Brightens the layer, in stops. Higher values are brighter: 1 doubles the light, -1 halves it.",
        -10.0,
        10.0,
        per_layer=True,
    ),
    Parameter(
        "lift",
        "Lift",
        "rgb",
        0.0,
        "Raises the dark tones of the layer and keeps white. Higher values are brighter.",
        -0.9,
        0.9,
        per_layer=True,
    ),
    Parameter(
        "gamma",
        "Gamma",
        "rgb",
        1.0,
        "Raises the middle tones of the layer and keeps black and white. Values above 1 are brighter, values below "
        "1 darker.",
        0.1,
        10.0,
        per_layer=True,
    ),
    Parameter(
        "gain",
        "Gain",
        "rgb",
        1.0,
        "Multiplies the colors of the layer and keeps black. Higher values are brighter.",
        0.0,
        100.0,
        per_layer=True,
    ),
    Parameter(
        "opacity",
        "Opacity",
        "float",
        1.0,
        "Sets how much of the layer stays. Higher values keep more of it; Opacity Shows chooses what is seen instead.",
        0.0,
        1.0,
        per_layer=True,
    ),
    Parameter(
        "mute",
        "Mute",
        "bool",
        False,
        "Removes the layer: the same as an opacity of 0.",
        per_layer=True,
    ),
    Parameter(
        "solo",
        "Solo",
        "bool",
        False,
        "Shows this layer over black, without the layers that are not solo.",
        per_layer=True,
    ),
    Parameter(
        "opacity_shows",
        "Opacity Shows",
        "enum",
        "others",
        "Chooses what is seen where a layer loses opacity. others: the other layers, in proportion to their alpha "
        "there, and where they have none the nearest of their palette colors. black: black.",
        choices=("others", "black"),
    ),
    Parameter(
        "strength",
        "Strength",
        "float",
        1.0,
        "Mixes the image and the recolored image. Higher values show more of the edits; 0 shows the image.",
        0.0,
        1.0,
    ),
)
"""The controls, in the order in which the edits of a layer are applied, but gain before lift and gamma."""

EDIT_BY_NAME: dict[str, Parameter] = {parameter.name: parameter for parameter in EDIT_PARAMETERS}

OTHERS_FLOOR = 0.1
"""What the nearest palette color counts, relative to the image's alpha, beside the other layers that show up where a
layer loses opacity. It keeps the step small between a pixel where they are faint and one where there are none."""

_LIGHTNESS_FLOOR = 0.05  # chroma is taken relative to OKLab's lightness plus this, so that it stays bounded near black
_RATIO_FLOOR = 0.02  # the same for the ratio of two lightnesses
_FAINT = 0.01  # an opacity below which nothing but black is left to be seen

# Ottosson, "A perceptual color space for image processing" (2020): https://bottosson.github.io/posts/oklab/
LMS_OF_REC709: Matrix = (
    (0.4122214708, 0.5363325363, 0.0514459929),
    (0.2119034982, 0.6806995451, 0.1073969566),
    (0.0883024619, 0.2817188376, 0.6299787005),
)
LAB_OF_ROOTS: Matrix = (
    (0.2104542553, 0.7936177850, -0.0040720468),
    (1.9779984951, -2.4285922050, 0.4505937099),
    (0.0259040371, 0.7827717662, -0.8086757660),
)

IDENTITY: Matrix = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


@dataclass(frozen=True)
class LayerEdit:
    """The edits of one layer; the defaults of the table leave it as it is.

    Attributes:
        color: sRGB in [0, 1] that the palette color moves to; None leaves it.
        hue: degrees.
        saturation: factor.
        uniformity: -1 to 1.
        contrast: factor, above 0.
        exposure: stops.
        lift: of red, green and blue.
        gamma: the same.
        gain: the same.
        opacity: 0 to 1.
        mute: the same as an opacity of 0.
        solo: mutes every layer that is not solo.

    Raises:
        ValueError: a value that the table does not allow.
    """

    color: Color | None = None
    hue: float = 0.0
    saturation: float = 1.0
    uniformity: float = 0.0
    contrast: float = 1.0
    exposure: float = 0.0
    lift: Color = (0.0, 0.0, 0.0)
    gamma: Color = (1.0, 1.0, 1.0)
    gain: Color = (1.0, 1.0, 1.0)
    opacity: float = 1.0
    mute: bool = False
    solo: bool = False

    def __post_init__(self) -> None:
        for parameter in EDIT_PARAMETERS:
            if parameter.per_layer:
                object.__setattr__(self, parameter.name, checked(parameter, getattr(self, parameter.name)))

    @property
    def changed(self) -> dict[str, object]:
        """The controls that are not at rest, by name, in the table's order."""
        rest = {each.name: each.default for each in fields(self)}
        return {
            parameter.name: getattr(self, parameter.name)
            for parameter in EDIT_PARAMETERS
            if parameter.per_layer and getattr(self, parameter.name) != rest[parameter.name]
        }


@dataclass(frozen=True)
class Look:
    """Edits of an image's layers.

    Attributes:
        layers: edits by layer, counted from 1. Layers that are not there are at rest.
        opacity_shows: ``others`` or ``black``, see the table.
        strength: 0 to 1, over all of them.

    Raises:
        ValueError: a value that the table does not allow.
    """

    layers: Mapping[int, LayerEdit] = field(default_factory=dict)
    opacity_shows: str = "others"
    strength: float = 1.0

    def __post_init__(self) -> None:
        checked(EDIT_BY_NAME["opacity_shows"], self.opacity_shows)
        object.__setattr__(self, "strength", checked(EDIT_BY_NAME["strength"], self.strength))
        rest = LayerEdit()
        kept = {number: edit for number, edit in sorted(self.layers.items()) if edit != rest}
        object.__setattr__(self, "layers", kept)

    def edit(self, number: int) -> LayerEdit:
        """The edits of a layer, counted from 1."""
        return self.layers.get(number, LayerEdit())

    def opacities(self, count: int) -> list[tuple[float, bool]]:
        """For each of ``count`` layers its opacity, mute and solo counted in, and whether what it loses is black."""
        solo = any(edit.solo for edit in self.layers.values())
        black = self.opacity_shows == "black"
        found = []
        for number in range(1, count + 1):
            edit = self.edit(number)
            shown = (not solo or edit.solo) and not edit.mute
            found.append((edit.opacity if shown else 0.0, black or (solo and not edit.solo)))
        return found


def checked(parameter: Parameter, value: object) -> object:
    """A value in the form it has in :class:`LayerEdit`: float, bool, text, or three floats.

    Raises:
        ValueError: another kind, not finite, outside the range, or not a choice; the message says what is allowed.
    """
    if parameter.kind == "color" and (value is None or value == ""):
        return None
    if parameter.kind == "bool":
        if not isinstance(value, bool):
            raise ValueError(f"{parameter.name} is {value!r}: use true or false")
        return value
    if parameter.kind == "enum":
        if value not in parameter.choices:
            raise ValueError(f"{parameter.name} is {value!r}: use {' or '.join(parameter.choices)}")
        return value
    if parameter.kind in ("color", "rgb"):
        if _is_number(value) and parameter.kind == "rgb":
            value = (value, value, value)
        if isinstance(value, str) or not isinstance(value, Sequence) or len(value) != 3:
            raise ValueError(f"{parameter.name} is {value!r}: use three numbers, for red, green and blue")
        return tuple(_in_range(parameter, each) for each in value)
    return _in_range(parameter, value)


def _in_range(parameter: Parameter, value: object) -> float:
    if not _is_number(value):
        raise ValueError(f"{parameter.name} is {value!r}: use a number")
    number = float(value)  # type: ignore[arg-type]
    low, high = parameter.minimum, parameter.maximum
    if low is None or high is None or not low <= number <= high:  # also refuses NaN
        raise ValueError(f"{parameter.name} is {number:g}: use {low:g} to {high:g}")
    return number


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


@dataclass(frozen=True)
class Formula:
    """What the edits of a layer do to one pixel, in a linear working space, before opacity and strength.

    With L the layer's premultiplied RGB, a its alpha, ā = max(a, 0), and ∛ and powers that keep the sign (∛-x = -∛x)::

        t = ∛(to_lms · L)                       three cube roots
        t = roots · (t, ∛ā)                     3 x 4
        L' = from_lms · t³ + offset · ā
        L' = d · (L'/d) ^ power                 d is a where a > 0, else 1

    All but the last line is homogeneous: it gives the same whether L is premultiplied or straight (with a = 1), and an
    edit of a color twice as bright is twice the edit, but for the fourth column of ``roots`` and ``offset``. So HDR
    values need no rule of their own; negative ones are mirrored at 0.

    Attributes:
        to_lms: None where no perceptual edit is made: then the first two lines are left out, and ``from_lms`` takes L.
        roots: None likewise.
        from_lms: 3 x 3.
        offset: of three channels.
        power: the same; 1 leaves out the last line.
    """

    to_lms: Matrix | None
    roots: Matrix | None
    from_lms: Matrix
    offset: Color
    power: Color


def formula(edit: LayerEdit, palette_color: Color, to_rec709: Matrix = IDENTITY) -> Formula:
    """The numbers of a layer's edits.

    Args:
        edit: the edits.
        palette_color: sRGB in [0, 1], of the layer.
        to_rec709: takes the linear working space to linear Rec.709.
    """
    lab = perceptual(edit, palette_color)
    gains = [2.0**edit.exposure * gain * (1.0 - lift) for gain, lift in zip(edit.gain, edit.lift)]
    # Lift after gain: x gain + lift (1 - x gain), so that white stays where gain is 1.
    scale: Matrix = tuple(tuple(gains[i] if i == j else 0.0 for j in range(3)) for i in range(3))
    power = (1.0 / edit.gamma[0], 1.0 / edit.gamma[1], 1.0 / edit.gamma[2])
    if lab is None:
        return Formula(None, None, scale, edit.lift, power)
    to_lms = product(LMS_OF_REC709, to_rec709)
    linear = tuple(row[:3] for row in lab)
    constant = tuple((row[3],) for row in lab)
    roots_of_lab = inverse(LAB_OF_ROOTS)
    square = product(roots_of_lab, product(linear, LAB_OF_ROOTS))
    column = product(roots_of_lab, constant)
    roots = tuple((*row, *last) for row, last in zip(square, column))
    return Formula(to_lms, roots, product(scale, inverse(to_lms)), edit.lift, power)


def perceptual(edit: LayerEdit, palette_color: Color) -> Matrix | None:
    """Color, hue, saturation, uniformity and contrast of a layer, in this order, as one affine map of OKLab: (3, 4).

    None where all of them are at rest. Each is invertible, but for a saturation of 0 and a uniformity of 1.
    """
    rest = LayerEdit()
    names = ("color", "hue", "saturation", "uniformity", "contrast")
    if all(getattr(edit, name) == getattr(rest, name) for name in names):
        return None
    here = oklab(decoded(palette_color))
    total: Matrix = tuple((*row, 0.0) for row in IDENTITY)
    for step in _steps(edit, here):
        total = _after(step, total)
    return total


def _steps(edit: LayerEdit, here: Color) -> Iterator[Matrix]:
    """The affine maps one after the other; ``here`` is the palette color in OKLab, which they move along."""
    if edit.color is not None:
        there = oklab(decoded(edit.color))
        yield move(here, there)
        here = there
    turn = math.radians(edit.hue)
    cosine, sine = edit.saturation * math.cos(turn), edit.saturation * math.sin(turn)
    turned = ((1.0, 0.0, 0.0, 0.0), (0.0, cosine, -sine, 0.0), (0.0, sine, cosine, 0.0))
    yield turned
    here = _mapped(turned, here)
    keep, pull = 1.0 - edit.uniformity, edit.uniformity / (here[0] + _LIGHTNESS_FLOOR)
    yield (
        (1.0, 0.0, 0.0, 0.0),
        (pull * here[1], keep, 0.0, pull * here[1] * _LIGHTNESS_FLOOR),
        (pull * here[2], 0.0, keep, pull * here[2] * _LIGHTNESS_FLOOR),
    )
    c = edit.contrast
    yield tuple((*(c if i == j else 0.0 for j in range(3)), (1.0 - c) * here[i]) for i in range(3))


def move(here: Color, there: Color) -> Matrix:
    """The affine map of OKLab that takes one color to another, and its shades along: (3, 4).

    Lightness goes by a slope around the color: the ratio of both lightnesses where it gets darker, so that black stays
    black, and less than it, at most 2, where it gets lighter. Chroma follows lightness, as that of a lit surface
    does; what a pixel has beside the shade of the old color, it has beside that of the new one, by the same slope.
    """
    ratio = (there[0] + _RATIO_FLOOR) / (here[0] + _RATIO_FLOOR)
    slope = ratio if ratio <= 1.0 else 1.0 + (ratio - 1.0) / ratio  # both have slope 1 at 1
    floor = _LIGHTNESS_FLOOR
    constant = there[0] - slope * here[0]
    rows = [(slope, 0.0, 0.0, constant)]
    for channel in (1, 2):
        # new · (L' + floor)/(L_new + floor) + slope · (chroma - old · (L + floor)/(L_old + floor))
        new, old = there[channel] / (there[0] + floor), here[channel] / (here[0] + floor)
        by_lightness = slope * (new - old)
        own = (slope, 0.0) if channel == 1 else (0.0, slope)
        rows.append((by_lightness, *own, new * (constant + floor) - slope * old * floor))
    return tuple(rows)


def decoded(color: Sequence[float]) -> Color:
    """sRGB to linear Rec.709, both in [0, 1] (IEC 61966-2-1)."""
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in color)
    return red, green, blue


def encoded(color: Sequence[float]) -> Color:
    """Linear Rec.709 to sRGB (IEC 61966-2-1); negative values by the straight part of its curve."""
    red, green, blue = (c * 12.92 if c <= 0.0031308 else 1.055 * c ** (1 / 2.4) - 0.055 for c in color)
    return red, green, blue


def oklab(color: Sequence[float]) -> Color:
    """Linear Rec.709 to OKLab."""
    lms = (sum(m * c for m, c in zip(row, color)) for row in LMS_OF_REC709)
    roots = [math.copysign(abs(x) ** (1 / 3), x) for x in lms]
    lightness, a, b = (sum(m * root for m, root in zip(row, roots)) for row in LAB_OF_ROOTS)
    return lightness, a, b


def edited_palette_color(edit: LayerEdit, palette_color: Color) -> Color:
    """Where a layer's edits take its palette color: linear Rec.709, which may leave [0, 1]."""
    numbers = formula(edit, palette_color)
    color: Sequence[float] = decoded(palette_color)
    if numbers.to_lms is not None and numbers.roots is not None:
        lms = _mapped(numbers.to_lms, color)
        roots = [math.copysign(abs(x) ** (1 / 3), x) for x in lms]
        color = [x**3 for x in _mapped(numbers.roots, roots)]
    linear = [x + offset for x, offset in zip(_mapped(numbers.from_lms, color), numbers.offset)]
    red, green, blue = (math.copysign(abs(x) ** p, x) for x, p in zip(linear, numbers.power))
    return red, green, blue


def seen_instead(look: Look, palette: Sequence[Color]) -> list[Color]:
    """For each layer the color that is seen where it was alone and loses opacity: linear Rec.709.

    It is the mean of the edited palette colors of the other layers by their opacities o and by the distances d of the
    palette colors in OKLab: the weights are o / (d² + 1e-4)², so most of it is the nearest, and it moves smoothly with
    every edit. It goes to black where all others do.
    """
    opacities = [opacity for opacity, _ in look.opacities(len(palette))]
    colors = [edited_palette_color(look.edit(number), color) for number, color in enumerate(palette, 1)]
    labs = [oklab(decoded(color)) for color in palette]
    found = []
    for own, lab in enumerate(labs):
        weights = [o / (math.dist(lab, other) ** 2 + 1e-4) ** 2 for o, other in zip(opacities, labs)]
        weights[own] = 0.0
        left = min(max((o for k, o in enumerate(opacities) if k != own), default=0.0) / _FAINT, 1.0)
        scale = left / (sum(weights) or 1.0)
        red, green, blue = (scale * sum(w * c for w, c in zip(weights, channel)) for channel in zip(*colors))
        found.append((red, green, blue))
    return found


def product(a: Matrix, b: Matrix) -> Matrix:
    """The matrix product."""
    return tuple(tuple(sum(x * y for x, y in zip(row, column)) for column in zip(*b)) for row in a)


def inverse(m: Matrix) -> Matrix:
    """Of a 3 x 3 matrix, by its adjugate."""
    (a, b, c), (d, e, f), (g, h, i) = m
    cofactors = ((e * i - f * h, c * h - b * i, b * f - c * e), (f * g - d * i, a * i - c * g, c * d - a * f))
    last = (d * h - e * g, b * g - a * h, a * e - b * d)
    determinant = a * cofactors[0][0] + b * cofactors[1][0] + c * last[0]
    return tuple(tuple(x / determinant for x in row) for row in (*cofactors, last))


def _after(second: Matrix, first: Matrix) -> Matrix:
    """Two affine maps (3, 4) one after the other."""
    square = (*first, (0.0, 0.0, 0.0, 1.0))
    return product(second, square)


def _mapped(m: Matrix, x: Sequence[float]) -> Color:
    """A map (3, 3) or (3, 4) of a color."""
    whole = (*x, 1.0)
    red, green, blue = (sum(a * b for a, b in zip(row, whole)) for row in m)
    return red, green, blue
