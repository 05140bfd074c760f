"""``fscs preset``: named sets of parameters; and the flag by which other commands take one."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from ..errors import FscsError, UsageError
from ..host.parameters import BY_NAME
from ..presets import (
    PRESET_PARAMETERS,
    Preset,
    delete_preset,
    list_presets,
    preset_file,
    presets_folder,
    read_preset,
    save_preset,
)
from . import options
from .printing import print_json, print_outputs

app = typer.Typer(
    help="Saves sets of controls under names, for --preset and for the nodes in Blender and Nuke.", no_args_is_help=True
)

PresetName = Annotated[str, typer.Argument(metavar="NAME", help="The preset.")]


def preset_option(flag: str, text: str) -> Any:
    """A flag that takes a preset's name and gives the command a `Preset`.

    It is read before all other flags, and its values become their defaults: flags on the command line win over the
    preset, and the preset over the parameter table. Per-layer flags win layer by layer, see `over_preset`.
    """
    return typer.Option(
        flag,
        metavar="NAME",
        help=text,
        parser=read_preset,
        callback=_become_defaults,
        is_eager=True,
        rich_help_panel=options.INPUT_PANEL,
    )


def _become_defaults(context: typer.Context, preset: Preset | None) -> Preset | None:
    if preset is not None:
        context.default_map = {**(context.default_map or {}), **preset.values}
    return preset


PresetFlag = Annotated[
    Preset | None,
    preset_option("--preset", "Take the controls of this preset, see fscs preset. Flags you type win over it."),
]


def over_preset(preset: Preset | None, name: str, given: Sequence[str] | None) -> list[str]:
    """A per-layer flag as it was typed, and the preset's values for the layers that it does not name.

    Args:
        preset: of ``--preset``, if there was one.
        name: of the per-layer parameter, as ``layer_gain``.
        given: ``["3=1.5", …]`` of the command line.

    Returns:
        The same form, for `options.layer_values`.

    Raises:
        UsageError: see `options.layer_values`.
    """
    values = {} if preset is None else dict(preset.layers.get(name, {}))
    values.update(options.layer_values(name, given))
    return [f"{layer}={value!r}" for layer, value in sorted(values.items())]


@app.command("save")
@options.takes(*(name for name in PRESET_PARAMETERS if name != "model"))
def save(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Letters, digits, - _ and . name a preset.")],
    base: Annotated[
        Preset | None, preset_option("--from", "Start from this preset. Flags you type win over it.")
    ] = None,
    model: Annotated[str, options.option("model", options.COMPUTE_PANEL, metavar="NAME")] = options.DEFAULTS["model"],
    overwrite: options.Overwrite = False,
    as_json: options.AsJson = False,
    **flags: Any,
) -> None:
    """Saves the flags you give as a preset; it leaves all others open.

    [bold]Examples[/bold]

    fscs preset save soft -k 5 --smoothing 8 --layer-gain 2=1.5

    fscs preset save softer --from soft --smoothing 16
    """
    # The context knows which flags were given, here or by --from: a value that equals the default may be meant.
    chosen = {"model": model, **flags}
    preset = Preset(
        name,
        {flag: value for flag, value in chosen.items() if not BY_NAME[flag].per_layer and _is_given(context, flag)},
        {
            flag: options.layer_values(flag, over_preset(base, flag, value))
            for flag, value in chosen.items()
            if BY_NAME[flag].per_layer
        },
    )
    if not preset.values and not preset.layers:
        raise UsageError("there is nothing to save", cure="give the flags to save")
    file = save_preset(preset, overwrite=overwrite)
    if as_json:
        print_json(_row(preset))
        return
    print_outputs([file])
    print(f"use it with: fscs segment INPUT --preset {name} -o OUT.exr")


@app.command("list")
def list_all(as_json: options.AsJson = False) -> None:
    """Lists all presets with their flags."""
    names = list_presets()
    found = [(name, _read(name)) for name in names]
    if as_json:
        rows = [
            {"ok": True, **_row(preset)}
            if isinstance(preset, Preset)
            else {"ok": False, "name": name, "file": str(preset_file(name)), "problem": str(preset)}
            for name, preset in found
        ]
        print_json({"folder": str(presets_folder()), "presets": rows})
        return
    for name, preset in found:
        print(f"{name}: {_flags(preset) if isinstance(preset, Preset) else preset}")
    if not names:
        print(f"no presets in {presets_folder()}")


@app.command("show")
def show(name: PresetName, as_json: options.AsJson = False) -> None:
    """Shows the flags of a preset."""
    preset = read_preset(name)
    if as_json:
        print_json(_row(preset))
        return
    print(f"{name}: {_flags(preset)}")
    print(f"  {preset_file(name)}")


@app.command("delete")
def delete(name: PresetName, as_json: options.AsJson = False) -> None:
    """Deletes a preset."""
    file = delete_preset(name)
    if as_json:
        print_json({"name": name, "file": str(file)})
        return
    print(f"deleted {file}")


def _is_given(context: typer.Context, flag: str) -> bool:
    source = context.get_parameter_source(flag)
    return source is not None and source.name != "DEFAULT"


def _read(name: str) -> Preset | FscsError:
    """The preset, or what is wrong with it: one broken file must not hide the others."""
    try:
        return read_preset(name)
    except FscsError as error:
        return error


def _row(preset: Preset) -> dict[str, object]:
    layers = {name: {str(layer): value for layer, value in numbers.items()} for name, numbers in preset.layers.items()}
    return {
        "name": preset.name,
        "file": str(preset_file(preset.name)),
        "values": dict(preset.values),
        "layers": layers,
    }


def _flags(preset: Preset) -> str:
    """``--smoothing 3 --layer-gain 3=1.5``: what one would type instead."""
    pairs = [(name, str(value)) for name, value in preset.values.items()]
    pairs += [(name, text) for name in preset.layers for text in over_preset(preset, name, None)]
    return " ".join(f"--{name.replace('_', '-')} {shlex.quote(value)}" for name, value in pairs)
