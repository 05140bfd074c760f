"""The flags that several commands share, made from the one parameter table where it has them.

Nothing heavy is imported here: ``fscs --help`` reads this file.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_type_hints

import typer

from ..errors import InputError, UsageError
from ..host.key import RESULT_PARAMETERS
from ..host.naming import COMPRESSIONS
from ..host.palette_codec import ENDINGS
from ..host.parameters import BY_NAME, PARAMETERS, Value
from .progress import STYLES

if TYPE_CHECKING:
    from ..alpha.processing import AlphaProcessing, LayerAdjustment, Mask
    from ..image import Image
    from ..palette.palette import Palette
    from ..shots.options import SegmentOptions

PALETTE_PANEL = "Palette"
ALPHA_PANEL = "Alpha processing"
COLOR_PANEL = "Color"
OUTPUT_PANEL = "Output"
COMPUTE_PANEL = "Computing"
INPUT_PANEL = "Input"
MEASURE_PANEL = "Measuring"
SHOT_PANEL = "Shots"

JSON_HELP = "Print one JSON object on stdout, and nothing else."
AUTO = "auto"
OCIO_SCHEME = "ocio://"
PALETTE_SUFFIXES = ENDINGS

DEFAULTS: Mapping[str, Any] = {name: parameter.default for name, parameter in BY_NAME.items()}
"""The defaults of the parameter table."""

_LAYER_VALUE = re.compile(r"\s*(\d+)\s*=\s*(\S+)\s*")
_MASK_MODE = re.compile(r"\s*([a-z]+)\s*:\s*(\d+(?:\s*,\s*\d+)*)\s*")


def check(name: str, value: Value) -> Value:
    """Refuses a value that is outside what the parameter table allows.

    Raises:
        UsageError: out of range, not a number, not one of the choices.
    """
    if cure := BY_NAME[name].cure(value):
        raise UsageError(f"{value!r} is not known" if isinstance(value, str) else f"{value:g} is out of range", cure)
    return value


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _checked(name: str) -> Callable[[Any], Any]:
    def callback(value: Any) -> Any:
        if value is None:
            return None
        try:
            return check(name, value)
        except UsageError as error:
            raise typer.BadParameter(str(error)) from error

    return callback


def _ocio(value: str | None) -> str | None:
    if value is not None and not value.startswith(OCIO_SCHEME) and not Path(value).is_file():
        wrong = "is not a file" if Path(value).exists() else "does not exist"
        raise typer.BadParameter(f"{value} {wrong}: name an OpenColorIO config file or {OCIO_SCHEME}NAME")
    return value


def _one_of(flag: str, choices: Sequence[str]) -> Callable[[str], str]:
    def callback(value: str) -> str:
        if value not in choices:
            raise typer.BadParameter(f"{flag} {value!r} is not known: use {' or '.join(choices)}")
        return value

    return callback


def switch(flag: str, text: str, panel: str) -> Any:
    """A flag without a value."""
    return typer.Option(flag, help=text, metavar=" ", rich_help_panel=panel)


def option(name: str, panel: str, *short: str, metavar: str | None = None, default: bool | str = True) -> Any:
    """The flag of a parameter: its name, tooltip and limits come from the table.

    ``default`` is what the help shows as the default, where that is not the one of the table.
    """
    parameter = BY_NAME[name]
    shown = metavar or ("|".join(parameter.choices) if parameter.choices else None)
    return typer.Option(
        *short,
        _flag(name),
        help=parameter.tooltip,
        metavar=shown,
        callback=_checked(name),
        show_default=default,
        rich_help_panel=panel,
    )


def layer_option(name: str) -> Any:
    """The flag of a per-layer parameter: ``--layer-gain 3=1.5``, repeatable."""
    parameter = BY_NAME[name]
    return typer.Option(
        _flag(name),
        help=f"{parameter.tooltip} LAYER=VALUE, layers are numbered from 1. Repeatable.",
        metavar="LAYER=VALUE",
        rich_help_panel=ALPHA_PANEL,
    )


def choice(flag: str, choices: Sequence[str], help: str, panel: str) -> Any:
    """A flag that takes one of a few words."""
    return typer.Option(
        flag, metavar="|".join(choices), callback=_one_of(flag, choices), help=help, rich_help_panel=panel
    )


Inputs = Annotated[
    list[Path],
    typer.Argument(
        metavar="INPUT…",
        help="The image: EXR, PNG, JPEG, TIFF, … Or a shot: plate.####.exr, plate.%04d.exr, a folder with one "
        "numbered sequence, several files, or a movie.",
        show_default=False,
    ),
]
LayerFormat = Annotated[
    Any,
    choice(
        "--layer-format",
        ("png", "tiff", "mov", "mkv"),
        "The files in a FOLDER/: 16-bit PNG or TIFF, or for a shot movies with alpha: mov is ProRes 4444, mkv is "
        "FFV1 (lossless).",
        OUTPUT_PANEL,
    ),
]
Blending = Annotated[
    Any,
    choice(
        "--blend",
        ("over", "add"),
        "How the layers of a PSD or OpenRaster document are blended. over: normal layers. add: opaque layers in "
        "Linear Dodge (Add) over black.",
        OUTPUT_PANEL,
    ),
]
Frames = Annotated[
    str,
    typer.Option(
        "--frames",
        metavar="1001-1100x2,1150",
        help="The frames to do. Without it: all frames that exist.",
        rich_help_panel=SHOT_PANEL,
    ),
]
Views = Annotated[
    str,
    typer.Option(
        "--views",
        metavar="left,right",
        help="The views that %V (and %v, the first letter) in the input stands for. Without it: left and right, if "
        "they exist.",
        rich_help_panel=SHOT_PANEL,
    ),
]
Missing = Annotated[
    str,
    choice(
        "--missing",
        ("error", "skip"),
        "What to do if a requested frame does not exist or can't be read. error: stop. skip: do the other frames "
        "and end with exit code 3.",
        SHOT_PANEL,
    ),
]
ProgressStyle = Annotated[
    str,
    choice(
        "--progress",
        STYLES,
        "How to print progress. auto: a bar, or lines in a log. openjd: openjd_progress, for a farm that runs Open "
        "Job Description. none: not at all.",
        OUTPUT_PANEL,
    ),
]
Colors = Annotated[
    int | None,
    option("colors", PALETTE_PANEL, "-k", metavar="K", default=f"{BY_NAME['colors'].default}, or as many as are given"),
]
PaletteSize = Annotated[int, option("colors", PALETTE_PANEL, "-k", metavar="K")]
PaletteSource = Annotated[
    str,
    typer.Option(
        "--palette",
        metavar="COLORS|FILE|auto",
        help='Colors as "#aabbcc,#112233,…", a palette file (.json, .gpl, .txt, .ase, …), the address of a '
        "palette on coolors.co, or auto. "
        "If there are fewer than --colors, the missing ones are found.",
        rich_help_panel=PALETTE_PANEL,
    ),
]
PaletteMethod = Annotated[str, option("palette_method", PALETTE_PANEL)]
Seed = Annotated[
    int,
    typer.Option(
        "--seed",
        help="Another seed gives another palette; the same input and seed give the same one.",
        metavar="NUMBER",
        min=0,
        max=2**32 - 1,
        rich_help_panel=PALETTE_PANEL,
    ),
]
Model = Annotated[str, option("model", COMPUTE_PANEL, metavar="NAME|FILE.safetensors")]
Device = Annotated[str, option("device", COMPUTE_PANEL)]
Precision = Annotated[str, option("precision", COMPUTE_PANEL)]
Tile = Annotated[int, option("tile", COMPUTE_PANEL, metavar="PIXELS")]
MaskFile = Annotated[
    list[Path] | None,
    typer.Option(
        "--mask",
        metavar="FILE",
        help="A grayscale image of the size of the input that guides the alphas. Each mask needs its own "
        "--mask-mode. Repeatable, applied in the order given. For a shot, mask.####.exr follows the frames.",
        rich_help_panel=ALPHA_PANEL,
    ),
]
MaskMode = Annotated[
    list[str] | None,
    typer.Option(
        "--mask-mode",
        metavar="limit:1,3|split:2,5",
        help=BY_NAME["mask_mode"].tooltip,
        rich_help_panel=ALPHA_PANEL,
    ),
]
WorkingSpace = Annotated[str, option("working_space", COLOR_PANEL, metavar="NAME")]
Ocio = Annotated[
    str | None,
    typer.Option(
        "--ocio",
        metavar="FILE|ocio://NAME",
        callback=_ocio,
        help="An OpenColorIO config, for the color spaces in it: a file, or the name of a config built into "
        "OpenColorIO, as in ocio://studio-config-latest. Without it: ocio://default.",
        rich_help_panel=COLOR_PANEL,
    ),
]
InputLayer = Annotated[
    str,
    typer.Option(
        "--input-layer",
        metavar="NAME",
        help="The layer of a multi-layer EXR to segment. Without it: the root layer.",
        rich_help_panel=INPUT_PANEL,
    ),
]
InputSpace = Annotated[str, option("input_space", INPUT_PANEL, metavar="NAME")]
InputAlpha = Annotated[str, option("alpha", INPUT_PANEL)]
CleanNonFinite = Annotated[
    bool,
    switch("--clean-nonfinite", "Repair NaN and infinite pixels instead of stopping at the first one.", INPUT_PANEL),
]
Half = Annotated[
    bool,
    switch("--half", "Write EXR as 16-bit half floats instead of 32-bit.", OUTPUT_PANEL),
]
Clip = Annotated[
    bool,
    switch(
        "--clip",
        "Clip values that do not fit the output format (PNG holds 0 to 1, half up to 65504) instead of stopping.",
        OUTPUT_PANEL,
    ),
]
Overwrite = Annotated[bool, switch("--overwrite", "Replace files that exist.", OUTPUT_PANEL)]
Report = Annotated[
    Path | None,
    typer.Option(
        "--report",
        metavar="PAGE.html",
        help="Also write a page for the browser: image, palette, layers and alphas, with a divider to compare them. "
        "It is one file that loads nothing else.",
        rich_help_panel=OUTPUT_PANEL,
    ),
]
AsJson = Annotated[
    bool,
    switch("--json", JSON_HELP, OUTPUT_PANEL),
]
KeepImage = Annotated[
    bool,
    switch("--keep-image", "Add the image itself to the EXR, as R, G, B (and A).", OUTPUT_PANEL),
]
SinglePart = Annotated[
    bool, switch("--single-part", "Write EXR as a single part instead of one part per layer.", OUTPUT_PANEL)
]
Compression = Annotated[
    Any,
    choice(
        "--compression",
        COMPRESSIONS,
        "How EXR is packed. none reads fastest and is the largest; dwaa is small and lossy: "
        "the layers no longer add up exactly.",
        OUTPUT_PANEL,
    ),
]
Jobs = Annotated[
    int,
    typer.Option(
        "--jobs",
        metavar="N",
        min=1,
        help="How many processes share the frames. They share the CPU threads; each needs its own memory.",
        rich_help_panel=SHOT_PANEL,
    ),
]

_METAVARS = {"smoothing": "RADIUS", "temporal": "STRENGTH"}


def _of_the_alphas(name: str) -> Any:
    """The flag of a parameter of the alpha processing."""
    panel = SHOT_PANEL if name == "temporal" else ALPHA_PANEL
    flag = option(name, panel, metavar=_METAVARS.get(name))
    return Annotated[int, flag] if BY_NAME[name].kind == "int" else Annotated[float, flag]


PER_LAYER = tuple(parameter.name for parameter in PARAMETERS if parameter.per_layer)
"""Flags with a value a layer, which a preset fills up layer by layer."""

FLAGS: Mapping[str, tuple[Any, Any]] = {
    "palette": (PaletteSource, AUTO),
    "colors": (Colors, None),
    "palette_method": (PaletteMethod, DEFAULTS["palette_method"]),
    "seed": (Seed, 0),
    **{name: (_of_the_alphas(name), DEFAULTS[name]) for name in RESULT_PARAMETERS},
    **{name: (Annotated[list[str] | None, layer_option(name)], None) for name in PER_LAYER},
    "mask": (MaskFile, None),
    "mask_mode": (MaskMode, None),
    "model": (Model, DEFAULTS["model"]),
    "device": (Device, DEFAULTS["device"]),
    "precision": (Precision, DEFAULTS["precision"]),
    "tile": (Tile, DEFAULTS["tile"]),
    "ocio": (Ocio, None),
    "input_space": (InputSpace, DEFAULTS["input_space"]),
    "alpha": (InputAlpha, DEFAULTS["alpha"]),
    "input_layer": (InputLayer, ""),
    "clean_nonfinite": (CleanNonFinite, False),
    "working_space": (WorkingSpace, DEFAULTS["working_space"]),
    "keep_image": (KeepImage, False),
    "layer_format": (LayerFormat, "png"),
    "single_part": (SinglePart, False),
    "compression": (Compression, COMPRESSIONS[0]),
    "blend": (Blending, "over"),
    "half": (Half, False),
    "clip": (Clip, False),
    "views": (Views, ""),
    "jobs": (Jobs, 1),
}
"""What decides the layers of a picture or a shot: annotation and default of each flag."""

INPUT_FLAGS = ("input_space", "alpha", "input_layer", "clean_nonfinite")
"""Those that say how an image is read."""

PALETTE_FLAGS = ("palette", "colors", "palette_method", "seed")
"""Those that decide the palette."""

ALPHA_FLAGS = (*RESULT_PARAMETERS, *PER_LAYER, "mask", "mask_mode")
"""Those of the alpha processing."""

MODEL_FLAGS = ("model", "device", "precision", "tile", "ocio")
"""Those that say which networks, and where they run."""


def takes(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a command these of :data:`FLAGS`, which come to it as keywords.

    Typer reads a function's signature, so they are written into it.
    """

    def add(command: Callable[..., None]) -> Callable[..., None]:
        hints = get_type_hints(command, include_extras=True)
        own = [
            parameter.replace(annotation=hints[parameter.name])
            for parameter in inspect.signature(command).parameters.values()
            if parameter.kind is not parameter.VAR_KEYWORD
        ]
        flags = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
            for name, (annotation, default) in FLAGS.items()
            if name in names
        ]
        command.__signature__ = inspect.Signature([*own, *flags])  # type: ignore[attr-defined]
        command.__annotations__ = {parameter.name: parameter.annotation for parameter in (*own, *flags)}
        return command

    return add


def layer_values(name: str, given: Sequence[str] | None) -> dict[int, float]:
    """Reads ``["3=1.5", …]`` of a per-layer parameter into ``{3: 1.5}``.

    Raises:
        UsageError: another form, a value out of range, a layer given twice.
    """
    values: dict[int, float] = {}
    for text in given or ():
        match = _LAYER_VALUE.fullmatch(text)
        if not match:
            raise UsageError(f"{_flag(name)} {text!r} is not LAYER=VALUE", cure=f"write it as {_flag(name)} 3=1.5")
        number = int(match[1])
        try:
            value = float(match[2])
            check(name, value)
        except ValueError as error:
            raise UsageError(f"{_flag(name)} {text!r}: {match[2]!r} is not a number", cure="give a number") from error
        except UsageError as error:
            raise UsageError(f"{_flag(name)} {text!r}: {error.message}", cure=error.cure) from error
        if number < 1:
            raise UsageError(f"{_flag(name)} {text!r}: there is no layer 0", cure="layers are counted from 1")
        if number in values:
            raise UsageError(f"{_flag(name)} is given twice for layer {number}", cure="give it once")
        values[number] = value
    return values


def adjustments(given: Mapping[str, Sequence[str] | None]) -> dict[int, LayerAdjustment]:
    """The edits of the per-layer flags, by layer from 1.

    Args:
        given: values as in `layer_values` by parameter, ``layer_gain`` and so on.

    Raises:
        UsageError: see `layer_values`.
    """
    from ..alpha.processing import LayerAdjustment

    edits: dict[int, LayerAdjustment] = {}
    for name, values in given.items():
        for number, value in layer_values(name, values).items():
            edits[number] = replace(edits.get(number, LayerAdjustment()), **{name.removeprefix("layer_"): value})
    return dict(sorted(edits.items()))


def parse_mask_mode(text: str) -> tuple[Literal["limit", "split"], tuple[int, ...]]:
    """Reads ``limit:1,3`` into ``("limit", (1, 3))``.

    Raises:
        UsageError: another form or an unknown mode.
    """
    match = _MASK_MODE.fullmatch(text)
    choices = BY_NAME["mask_mode"].choices
    if not match or match[1] not in choices:
        raise UsageError(f"--mask-mode {text!r} is not known", cure="write it as limit:1,3 or split:2,5")
    layers = tuple(int(number) for number in match[2].split(","))
    return ("limit" if match[1] == "limit" else "split"), layers


def mask_modes(
    files: Sequence[Path] | None, modes: Sequence[str] | None
) -> list[tuple[Path, Literal["limit", "split"], tuple[int, ...]]]:
    """Pairs each mask with what it does.

    Raises:
        UsageError: not as many modes as masks, or a mode that is not known.
    """
    files, modes = files or (), modes or ()
    if len(files) != len(modes):
        raise UsageError(
            f"{len(files)} --mask and {len(modes)} --mask-mode", cure="give each --mask its own --mask-mode"
        )
    return [(file, *parse_mask_mode(mode)) for file, mode in zip(files, modes, strict=True)]


def masks(files: Sequence[Path] | None, modes: Sequence[str] | None, image: Image) -> tuple[Mask, ...]:
    """Reads the masks of an image, in the order given.

    Raises:
        UsageError: not as many modes as masks, or a mode that is not known.
        InputError: a mask that can't be read.
    """
    parsed = mask_modes(files, modes)
    if not parsed:
        return ()
    from ..alpha.processing import Mask
    from ..files.reading import read_mask
    from ..host.key import file_identity

    return tuple(
        Mask(pixels=read_mask(file, image=image), mode=mode, layers=layers, identity=file_identity(file))
        for file, mode, layers in parsed
    )


def check_values(flags: Mapping[str, Any]) -> None:
    """Refuses what can be refused of the alpha flags before anything is loaded.

    Raises:
        UsageError: a flag of another form or out of its range.
    """
    for name in PER_LAYER:
        layer_values(name, flags[name])
    mask_modes(flags["mask"], flags["mask_mode"])


def alpha_processing(flags: Mapping[str, Any], image: Image | None = None) -> AlphaProcessing:
    """What the alpha flags say about this image; without one, all but the masks.

    Raises:
        UsageError: see `check_values`.
        InputError: a mask that can't be read or does not fit the image.
    """
    from ..alpha.processing import AlphaProcessing

    return AlphaProcessing(
        **{name: flags[name] for name in RESULT_PARAMETERS if name in flags},
        adjustments=adjustments({name: flags[name] for name in PER_LAYER}),
        masks=() if image is None else masks(flags["mask"], flags["mask_mode"], image),
    )


def segment_options(flags: Mapping[str, Any]) -> SegmentOptions:
    """Everything that the flags say: those of :data:`FLAGS`, and others under the names of the options.

    Raises:
        UsageError: see `check_values`.
        PaletteError, InputError: see `given_palette`.
    """
    from ..shots.options import ModelSettings, SegmentOptions, ShotMask

    of_options = {field.name for field in fields(SegmentOptions)} - {"model"}
    chosen = {name: value for name, value in flags.items() if name in of_options}
    chosen |= {
        "palette": given_palette(flags["palette"]),
        "processing": alpha_processing(flags),
        "masks": [ShotMask(*mask) for mask in mask_modes(flags["mask"], flags["mask_mode"])],
        "model": ModelSettings(*(flags[name] for name in MODEL_FLAGS)),
        "views": view_names(flags["views"]),
    }
    return SegmentOptions(**chosen)


def given_palette(source: str) -> Palette | None:
    """The colors that ``--palette`` gives, or None for ``auto``.

    Raises:
        PaletteError: a color or file that can't be used.
        InputError: the file is missing.
    """
    text = source.strip()
    if text == AUTO:
        return None
    from ..files.palette_files import named_palette

    return named_palette(text)


def check_input(path: Path, what: str = "an image file") -> Path:
    """Refuses an input that is not a file before anything heavy is loaded.

    ``what`` is what the cure says to name.

    Raises:
        InputError: it is not there, or a folder.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder", cure=f"name {what}")
    if not path.exists():
        raise InputError(f"{path} does not exist", cure=f"name {what}")
    return path


def refuse_shot_flags(path: Path, flags: Mapping[str, object]) -> None:
    """Refuses flags that only a shot knows where the input is one picture.

    Raises:
        UsageError: one of them was given.
    """
    for flag, value in flags.items():
        if value:
            raise UsageError(f"{flag} is for shots, {path} is one image", cure="name a shot: plate.####.exr")


def view_names(text: str) -> list[str]:
    """Reads ``left,right``."""
    return [view.strip() for view in text.split(",") if view.strip()]


def check_suffix(path: Path, suffixes: Sequence[str], what: str) -> None:
    """Refuses an output whose ending says another format.

    Raises:
        UsageError: another ending.
    """
    if path.suffix.lower() not in suffixes:
        raise UsageError(f"{path} does not name {what}", cure=f"end it with {' or '.join(suffixes)}")


def check_free(path: Path, source: Path, *, overwrite: bool) -> None:
    """Refuses an output that can't be written, or that would replace the input, before any work is done.

    Raises:
        UsageError: output and input are the same file.
        OutputError: it exists already without ``overwrite``, or its folder is missing.
    """
    if path.exists() and source.exists() and path.samefile(source):
        raise UsageError(f"{path} is the input", cure="name another output: the input is never replaced")
    from ..files.atomic import check_targets

    check_targets([path], overwrite=overwrite)
