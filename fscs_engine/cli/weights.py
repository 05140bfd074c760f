"""``fscs weights``: the models there are, and the released weights of the paper's authors as a model file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import options
from .doctor import model_states
from .printing import print_json, print_outputs
from .progress import Progress

app = typer.Typer(
    help="Lists the models, or converts the weights that the authors of the paper released.", no_args_is_help=True
)


@app.command("list")
def list_models(as_json: options.AsJson = False) -> None:
    """Lists the models for --model and checks their files."""
    states = model_states()
    if as_json:
        rows = [
            {"name": model.name, "file": str(model.file), "sha256": model.sha256, "ok": not model.problem}
            for model in states
        ]
        print_json({"models": rows})
        return
    for model in states:
        print(f"{model.name}: {model.problem or 'sha256 ' + model.sha256}")
        print(f"  {model.file}")


@app.command("import")
def import_weights(
    alpha: Annotated[Path, typer.Argument(metavar="ALPHA.pth", help="The released alpha predictor.")],
    residue: Annotated[Path, typer.Argument(metavar="RESIDUE.pth", help="The released residue predictor.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE.safetensors", help="The model file to write.")
    ],
    allow_unknown: Annotated[
        bool,
        options.switch(
            "--allow-unknown",
            "Accept weights whose sha256 is not that of the released files.",
            options.INPUT_PANEL,
        ),
    ] = False,
    overwrite: options.Overwrite = False,
    as_json: options.AsJson = False,
) -> None:
    """Converts the weights for seven colors that the authors of the paper released.

    Nothing in the files is executed; their shapes and their sha256 are checked.
    """
    for source in (alpha, residue):
        options.check_input(source, "a weights file (.pth)")
        options.check_free(output, source, overwrite=overwrite)
    options.check_suffix(output, (".safetensors",), "a model file")
    with Progress() as progress:
        with progress.loading("importing the weights"):
            from ..networks.weights import import_released

        digest = import_released(alpha, residue, output, allow_unknown=allow_unknown, overwrite=overwrite)
    if as_json:
        print_json({"sha256": digest, "outputs": [str(output)]})
        return
    print_outputs([output])
    print(f"sha256 {digest}")
    print(f"use it with: fscs segment INPUT --model {output} -o OUT.exr")
