"""``fscs layers``: merges, drops, splits, reorders and renames layers, and writes their alphas as plates."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import UsageError
from . import options, pictures
from .printing import palette_rows, print_json, print_outputs, print_palette
from .progress import Progress

if TYPE_CHECKING:
    from ..recolor.material import Material

app = typer.Typer(help="Edits the layers of a layered EXR: they add up to the image as before.", no_args_is_help=True)

_POINT = re.compile(r"\s*(\d+)\s*,\s*(\d+)\s*")

NewLayers = Annotated[
    Path,
    typer.Option(
        "-o",
        "--output",
        metavar="OUT.exr",
        help="The layered EXR to write.",
        rich_help_panel=options.OUTPUT_PANEL,
    ),
]
Layer = Annotated[str, typer.Argument(metavar="LAYER", help="A layer: its number from 1, or its name.")]
Name = Annotated[str, typer.Option("--name", metavar="TEXT", help="The name of the new layer.")]


def parse_point(text: str) -> tuple[int, int]:
    """Reads ``640,360``.

    Raises:
        UsageError: another form.
    """
    match = _POINT.fullmatch(text)
    if match is None:
        raise UsageError(f"--at {text!r} is not a pixel", cure="write it as 640,360")
    return int(match[1]), int(match[2])


@app.command("merge")
def merge(
    layers_file: pictures.LayersFile,
    layers: Annotated[str, typer.Argument(metavar="LAYER,LAYER…", help="The layers to merge: numbers or names.")],
    output: NewLayers,
    name: Name = "",
    half: options.Half = False,
    overwrite: options.Overwrite = False,
    as_json: options.AsJson = False,
) -> None:
    """Adds layers up to one, which takes the place of the first.

    fscs layers merge layers.exr 2,3 --name "red cup" -o merged.exr
    """
    material = _read(layers_file, output, overwrite=overwrite)
    from ..recolor.layers import merge as merged

    _write(output, merged(material, _numbers(layers, material), name), half, overwrite, as_json)


@app.command("drop")
def drop(
    layers_file: pictures.LayersFile,
    output: NewLayers,
    below: Annotated[
        float, typer.Option("--below", metavar="COVERAGE", help="Mean alpha, 0 to 1: 0.01 is one percent of the image.")
    ] = 0.01,
    half: options.Half = False,
    overwrite: options.Overwrite = False,
    as_json: options.AsJson = False,
) -> None:
    """Adds layers that cover little to the layers of the most similar color.

    fscs layers drop layers.exr --below 0.02 -o fewer.exr
    """
    material = _read(layers_file, output, overwrite=overwrite)
    from ..recolor.layers import drop as dropped

    _write(output, dropped(material, below), half, overwrite, as_json)


@app.command("split")
def split(
    layers_file: pictures.LayersFile,
    layer: Layer,
    output: NewLayers,
    mask: Annotated[
        Path | None,
        typer.Option("--mask", metavar="FILE", help="White goes to the first of both layers, black to the second."),
    ] = None,
    at: Annotated[
        str,
        typer.Option("--at", metavar="X,Y", help="The first layer is the connected region that holds this pixel."),
    ] = "",
    names: Annotated[
        str, typer.Option("--names", metavar="FIRST,SECOND", help="The names of both layers.", show_default=False)
    ] = "",
    half: options.Half = False,
    overwrite: options.Overwrite = False,
    as_json: options.AsJson = False,
) -> None:
    """Splits a layer into two: by a mask, or by its connected regions, the largest one first.

    fscs layers split layers.exr 3 --at 640,360 --names "cup,rest" -o split.exr
    """
    both = tuple(part.strip() for part in names.split(",")) if names else None
    if both is not None and (len(both) != 2 or not all(both)):
        raise UsageError(f"--names {names!r} are not two names", cure='write it as "cup,rest"')
    if mask is not None and at:
        raise UsageError("--mask and --at both say where to split", cure="give one of them")
    point = parse_point(at) if at else None
    if mask is not None:
        options.check_input(mask)
    material = _read(layers_file, output, overwrite=overwrite)
    from ..files.reading import read_mask
    from ..recolor.layers import region
    from ..recolor.layers import split as divided

    number = _numbers(layer, material, one=True)[0]
    part = region(material, number, point) if mask is None else read_mask(mask, image=material.image)
    found = divided(material, number, part, None if both is None else (both[0], both[1]))
    _write(output, found, half, overwrite, as_json)


@app.command("reorder")
def reorder(
    layers_file: pictures.LayersFile,
    layers: Annotated[
        str, typer.Argument(metavar="LAYER,LAYER…", help="The layers that come first; the others follow as they were.")
    ],
    output: NewLayers,
    half: options.Half = False,
    overwrite: options.Overwrite = False,
    as_json: options.AsJson = False,
) -> None:
    """Puts layers into another order.

    fscs layers reorder layers.exr 3,1 -o ordered.exr
    """
    material = _read(layers_file, output, overwrite=overwrite)
    from ..recolor.layers import reorder as ordered

    _write(output, ordered(material, _numbers(layers, material)), half, overwrite, as_json)


@app.command("rename")
def rename(
    layers_file: pictures.LayersFile,
    layer: Layer,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its new name.")],
    output: NewLayers,
    half: options.Half = False,
    overwrite: options.Overwrite = False,
    as_json: options.AsJson = False,
) -> None:
    """Gives a layer a name, which look files and --set can use.

    fscs layers rename layers.exr 3 "red cup" -o named.exr
    """
    material = _read(layers_file, output, overwrite=overwrite)
    from ..recolor.layers import rename as renamed

    _write(output, renamed(material, _numbers(layer, material, one=True)[0], name), half, overwrite, as_json)


@app.command("plates")
def plates(
    layers_file: pictures.LayersFile,
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            metavar="FOLDER/",
            help="Gets a gray 16-bit PNG a layer.",
            rich_help_panel=options.OUTPUT_PANEL,
        ),
    ],
    hard: Annotated[
        bool,
        options.switch("--hard", "Give each pixel whole to its largest layer, and say how far that is off.", "Options"),
    ] = False,
    ocio: options.Ocio = None,
    overwrite: options.Overwrite = False,
    as_json: options.AsJson = False,
) -> None:
    """Writes the alpha of each layer as a gray picture, for prints, cuts and masks.

    fscs layers plates layers.exr --hard -o plates/
    """
    options.check_input(layers_file, "a layered EXR")
    with Progress() as progress:
        with progress.loading("reading the layers"):
            from ..color import ColorSpaces
            from ..files.atomic import check_targets, make_folder
            from ..files.png import write_png
            from ..recolor import layers as edits
            from ..recolor.material import read_material

        material = read_material(layers_file)
        said: dict[str, object] = {"hard": hard}
        if hard:
            said["print_error"] = edits.print_error(material, ColorSpaces(ocio))
            material, said["moved"] = edits.hard(material)
        make_folder(output)
        files = [output / f"{layers_file.stem}.plate{n}.png" for n in range(1, len(material.palette) + 1)]
        check_targets(files, overwrite=overwrite)
        progress.stage("writing the plates")
        for file, alpha in zip(files, edits.plates(material), strict=True):
            write_png(file, alpha[..., None], overwrite=overwrite)
    if as_json:
        print_json({**said, "palette": palette_rows(material.palette), "outputs": [str(file) for file in files]})
        return
    print_outputs(files)
    if hard:
        print(
            f"{said['moved']:.1%} of the image changed its layer; printed flat in the palette's colors it is "
            f"{said['print_error']:.3f} off (root mean square, sRGB)"
        )


def _read(layers_file: Path, output: Path, *, overwrite: bool) -> Material:
    """The layers, once it is clear that the output can be written."""
    options.check_input(layers_file, "a layered EXR")
    options.check_suffix(output, (".exr",), "a layered EXR")
    options.check_free(output, layers_file, overwrite=overwrite)
    with Progress() as progress:
        with progress.loading("reading the layers"):
            from ..recolor.material import read_material
        return read_material(layers_file)


def _numbers(text: str, material: Material, *, one: bool = False) -> list[int]:
    """The layers of ``2,3`` or ``red cup,3``."""
    from ..host.look_files import parse_layer
    from ..recolor.looks import layer_number

    parts = [text] if one else [part for part in text.split(",") if part.strip()]
    if not parts:
        raise UsageError("no layer is named", cure="name some, as 2,3")
    return [layer_number(parse_layer(part), material.palette) for part in parts]


def _write(output: Path, material: Material, half: bool, overwrite: bool, as_json: bool) -> None:
    """Writes the layers and says what they are."""
    from ..recolor.material import write_material

    write_material(output, material, half=half, overwrite=overwrite)
    coverage = material.coverage
    if as_json:
        print_json({"palette": palette_rows(material.palette), "coverage": coverage, "outputs": [str(output)]})
        return
    print_palette(material.palette, coverage)
    print_outputs([output])
