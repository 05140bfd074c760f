"""``fscs export``: the any-palette model as a file for other programs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from . import options
from .printing import print_json, print_outputs
from .progress import Progress

if TYPE_CHECKING:
    from ..export.export import Exported

MODEL = "any-palette"
"""The model that is exported when none is named: the only shipped one that can be."""

app = typer.Typer(help="Writes the model any-palette for other programs.", no_args_is_help=True)


@app.command("onnx")
def onnx_file(
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE.onnx", help="The file to write.")],
    model: options.Model = MODEL,
    overwrite: options.Overwrite = False,
    as_json: options.AsJson = False,
) -> None:
    """Writes the model as ONNX, for onnxruntime and others. Needs: pip install fscs-engine\\[export].

    image (1, 3, H, W) and palette (K, 3) go in, alphas (1, K, H, W) and layers (1, K, 4, H, W) come out.

    The layers are premultiplied and add up to the image. All is float32 sRGB from 0 to 1, and K is 1 to 16.
    """
    options.check_suffix(output, (".onnx",), "an ONNX file")
    _export("export_onnx", model, output, overwrite=overwrite, as_json=as_json)


@app.command("torchscript")
def torchscript_file(
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE.pt", help="The file to write.")],
    model: options.Model = MODEL,
    overwrite: options.Overwrite = False,
    as_json: options.AsJson = False,
) -> None:
    """Writes the model as TorchScript, for torch.jit.load in this version of PyTorch or a newer one.

    image (1, 3, H, W) and palette (K, 3) go in, alphas (1, K, H, W) and layers (1, K, 4, H, W) come out.

    The layers are premultiplied and add up to the image. All is float32 sRGB from 0 to 1, and K is 1 to 16.
    """
    options.check_suffix(output, (".pt",), "a TorchScript file")
    _export("export_torchscript", model, output, overwrite=overwrite, as_json=as_json)


@app.command("nuke")
def nuke_files(
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FOLDER", help="The folder to write to.")],
    model: options.Model = MODEL,
    overwrite: options.Overwrite = False,
    as_json: options.AsJson = False,
) -> None:
    """Writes the model for the Live mode of the Nuke node, for Nuke 14 and later.

    Then, with a NukeX license: nuke --nukex -t FOLDER/make_cat.py, and put SoftColorSegment.cat on Nuke's path.

    It has at most 8 colors, and no masks, per-layer controls or temporal smoothing.
    """
    _export("export_nuke", model, output, overwrite=overwrite, as_json=as_json)


def _export(
    function: Literal["export_onnx", "export_torchscript", "export_nuke"],
    model: str,
    output: Path,
    *,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Exports by a function of the engine, which is loaded here, after the progress is shown."""
    with Progress() as progress:
        with progress.loading("exporting the model"):
            from ..export import export

        exported: Exported = getattr(export, function)(model, output, overwrite=overwrite)
    if as_json:
        print_json({**asdict(exported), "outputs": [str(output)]})
        return
    print_outputs([output])
    print(f"sha256 {exported.sha256}")
