"""``fscs train``: weights from photographs."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ..errors import InputError, UsageError
from ..runtime.interrupts import ALL, asked_to_stop
from . import options
from .printing import peak_rss_bytes, print_json, print_outputs
from .progress import Progress

if TYPE_CHECKING:
    from ..training.trainer import TrainingConfig, TrainingProgress

RUN_PANEL = "Run"
SHAPE_PANEL = "Networks and losses of the paper (the ablations of its Table 1)"
ANY_PALETTE_PANEL = "Losses of the any-palette model"
WEIGHTS = "weights.safetensors"
CURVES_PICTURE = "losses.png"


def _number(flag: str, text: str, panel: str = RUN_PANEL) -> Any:
    return typer.Option(flag, help=text, min=0, rich_help_panel=panel)


def _loss(flag: str, text: str, panel: str = SHAPE_PANEL) -> Any:
    return typer.Option(flag, help=f"Weight of {text}; 0 leaves it out.", min=0.0, rich_help_panel=panel)


_FLAGS = {
    "colors": "--colors",
    "skip": "--no-skip",
    "single_network": "--single-network",
    "zero_centering": "--zero-centering",
    "freeze_batch_norm": "--freeze-batch-norm",
    "distance_form": "--distance-form",
    **{
        name: f"--loss-{name.replace('_', '-')}"
        for name in (
            "reconstruction",
            "centering",
            "layer_distance",
            "visible",
            "flat",
            "absent",
            "steady",
            "torn",
            "truth",
            "truth_gradient",
        )
    },
}
"""The flags that only one kind of model has a use for."""


def train(
    photographs: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder of photographs.")],
    run: Annotated[
        Path,
        typer.Option(
            "--run",
            metavar="FOLDER",
            help="The folder for checkpoint, loss curves and weights. A run that was stopped there continues.",
            rich_help_panel=RUN_PANEL,
        ),
    ],
    model: Annotated[
        Literal["any-palette", "paper"],
        typer.Option(
            "--model",
            help="The kind of model: the any-palette network, or the two networks of the paper for a fixed K.",
            rich_help_panel=RUN_PANEL,
        ),
    ] = "any-palette",
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE.safetensors",
            help=f"The model file to write at the end. Without it: {WEIGHTS} in the run's folder.",
            rich_help_panel=RUN_PANEL,
        ),
    ] = None,
    colors: options.Colors = None,
    steps: Annotated[int | None, _number("--steps", "The number of steps.")] = None,
    batch: Annotated[int | None, _number("--batch", "Crops per step.")] = None,
    crop: Annotated[int | None, _number("--crop", "Side of a crop in pixels.")] = None,
    learning_rate: Annotated[float | None, _number("--learning-rate", "Adam's learning rate after warm-up.")] = None,
    seed: Annotated[int | None, _number("--seed", "The same seed and number of threads give the same weights.")] = None,
    start_from: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="NAME|FILE.safetensors",
            help="A model of the same kind and size to start from. Without it, the weights start random.",
            rich_help_panel=RUN_PANEL,
        ),
    ] = None,
    threads: Annotated[int, _number("--threads", "CPU threads; 0 leaves the choice to PyTorch.")] = 0,
    no_skip: Annotated[bool, options.switch("--no-skip", "Networks without skip connections.", SHAPE_PANEL)] = False,
    single_network: Annotated[
        bool,
        options.switch("--single-network", "One network for alphas and colors together.", SHAPE_PANEL),
    ] = False,
    zero_centering: Annotated[
        Literal["penalty", "image-mean", "none"] | None,
        typer.Option(
            "--zero-centering",
            help="How layer colors are kept around the palette color: by a loss, by subtracting the mean of the "
            "crop, or not at all.",
            rich_help_panel=SHAPE_PANEL,
        ),
    ] = None,
    freeze_batch_norm: Annotated[
        bool,
        options.switch(
            "--freeze-batch-norm",
            "Trains with the batch norm statistics of the weights that it starts from.",
            SHAPE_PANEL,
        ),
    ] = False,
    reconstruction: Annotated[float | None, _loss("--loss-reconstruction", "the reconstruction loss, Eq. 6")] = None,
    alpha: Annotated[float | None, _loss("--loss-alpha", "the alpha loss, Eq. 7")] = None,
    distance: Annotated[float | None, _loss("--loss-distance", "the distance loss, Eq. 8")] = None,
    sparsity: Annotated[float | None, _loss("--loss-sparsity", "the sparsity loss, Eq. 10")] = None,
    centering: Annotated[float | None, _loss("--loss-centering", "the loss of --zero-centering penalty")] = None,
    distance_form: Annotated[
        Literal["squared", "norm"] | None,
        typer.Option(
            "--distance-form",
            help="The distance in Eq. 8: squared as in the released code, or the norm as in the paper.",
            rich_help_panel=SHAPE_PANEL,
        ),
    ] = None,
    layer_distance: Annotated[
        float | None, _loss("--loss-layer-distance", "the residue in the mean over layers", ANY_PALETTE_PANEL)
    ] = None,
    visible: Annotated[
        float | None, _loss("--loss-visible", "the number of layers that are just visible", ANY_PALETTE_PANEL)
    ] = None,
    flat: Annotated[float | None, _loss("--loss-flat", "alpha noise in flat areas", ANY_PALETTE_PANEL)] = None,
    absent: Annotated[
        float | None, _loss("--loss-absent", "alpha of colors that are not in the image", ANY_PALETTE_PANEL)
    ] = None,
    steady: Annotated[
        float | None,
        _loss("--loss-steady", "changes by other light and by things entering the image", ANY_PALETTE_PANEL),
    ] = None,
    torn: Annotated[
        float | None, _loss("--loss-torn", "alphas that jump where the image does not", ANY_PALETTE_PANEL)
    ] = None,
    truth: Annotated[
        float | None, _loss("--loss-truth", "the distance to the known alphas of composites", ANY_PALETTE_PANEL)
    ] = None,
    truth_gradient: Annotated[
        float | None,
        _loss("--loss-truth-gradient", "the distance to the gradients of these alphas", ANY_PALETTE_PANEL),
    ] = None,
    device: options.Device = options.DEFAULTS["device"],
    overwrite: options.Overwrite = False,
    as_json: options.AsJson = False,
) -> None:
    """Trains the networks on photographs.

    Without flags, the settings are those of the shipped weights. Ctrl-C stops and saves a checkpoint; run the same
    command again to continue.
    """
    started = time.perf_counter()
    if not photographs.is_dir():
        raise InputError(f"{photographs} is not a folder", cure="name a folder of photographs")
    if freeze_batch_norm and start_from is None:
        raise UsageError("--freeze-batch-norm without --from", cure="name the weights to start from with --from")
    target = run / WEIGHTS if output is None else output
    options.check_suffix(target, (".safetensors",), "a model file")
    if output is not None:
        options.check_free(output, photographs, overwrite=overwrite)
    with Progress() as progress, asked_to_stop(ALL) as stopped:
        with progress.loading("loading PyTorch"):
            import torch

            from ..networks.device import resolve_device
            from ..networks.weights import load_weights
            from ..training.trainer import CURVES, save_trained
            from ..training.trainer import train as run_training

        if threads:
            torch.set_num_threads(threads)
        config = _config(
            model,
            _given(
                colors=colors,
                steps=steps,
                batch=batch,
                crop=crop,
                learning_rate=learning_rate,
                seed=seed,
                skip=False if no_skip else None,
                single_network=single_network or None,
                zero_centering=zero_centering,
                freeze_batch_norm=freeze_batch_norm or None,
            ),
            _given(
                reconstruction=reconstruction,
                alpha=alpha,
                distance=distance,
                sparsity=sparsity,
                centering=centering,
                distance_form=distance_form,
                layer_distance=layer_distance,
                visible=visible,
                flat=flat,
                absent=absent,
                steady=steady,
                torn=torn,
                truth=truth,
                truth_gradient=truth_gradient,
            ),
        )
        initial = None if start_from is None else load_weights(start_from)
        if initial is not None:
            config = replace(config, initial=initial.sha256)
        progress.stage("training")
        networks = run_training(
            photographs,
            run,
            config,
            initial=initial,
            device=resolve_device(device),
            progress=lambda state: progress.report(state.step / state.steps, _note(state)),
            cancelled=stopped,
        )
        progress.stage("saving the weights")
        digest = save_trained(networks, config, target, overwrite=overwrite or output is None)
        curves = run / CURVES
        outputs = [target, curves]
        plotted = plot_curves(curves, run / CURVES_PICTURE)
        if plotted:
            outputs.append(run / CURVES_PICTURE)
    if not plotted:
        print(
            f"fscs: {CURVES_PICTURE} needs matplotlib, which is not installed: pip install fscs-engine[train]",
            file=sys.stderr,
            flush=True,
        )
    if as_json:
        print_json(
            {
                "weights_sha256": digest,
                "steps": config.steps,
                "seconds": {"total": time.perf_counter() - started},
                "peak_rss_bytes": peak_rss_bytes(),
                "outputs": [str(path) for path in outputs],
            }
        )
        return
    print_outputs(outputs)
    print(f"sha256 {digest}")


_PANELS = 4  # in a row
_SMOOTHED = 60  # the bold line is a moving average over such a part of the run


def plot_curves(table: Path, picture: Path) -> bool:
    """Draws the losses of a run, one panel each, where matplotlib is installed (the extra ``train``).

    Args:
        table: the CSV of the run: ``step``, ``seconds``, and a column for each loss.
        picture: the PNG to write; an older one is replaced.

    Returns:
        whether there is matplotlib.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.ticker import LogLocator
    except ImportError:
        return False
    import csv

    import numpy as np

    from ..files.atomic import replaced_file

    with table.open(newline="", encoding="utf-8") as opened:
        rows = list(csv.DictReader(opened))
    names = [column for column in (rows[0] if rows else ()) if column not in ("step", "seconds")]
    lines = max(1, -(-len(names) // _PANELS))
    figure = Figure(figsize=(10, 2 * lines), layout="constrained")
    FigureCanvasAgg(figure)
    for place, name in enumerate(names, start=1):
        steps, values = np.array([(int(row["step"]), float(row[name])) for row in rows if row[name]]).reshape(-1, 2).T
        axes = figure.add_subplot(lines, _PANELS, place)
        axes.set_title(name, fontsize=9)
        axes.plot(steps, values, linewidth=0.5, alpha=0.4)
        width = 1 + len(values) // _SMOOTHED
        if len(values):
            axes.plot(*(np.convolve(row, np.full(width, 1 / width), "valid") for row in (steps, values)), color="C0")
        finite = values[np.isfinite(values)]
        if len(finite) and finite.min() > 0:
            axes.set_yscale("log")
            axes.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
            axes.yaxis.set_major_formatter("{x:g}")
            axes.yaxis.set_minor_formatter("{x:g}")
        elif len(finite) and finite.max() > 0:
            axes.set_ylim(0, float(np.quantile(finite, 0.99)) or None)
        axes.tick_params(which="both", labelsize=7)
        axes.grid(visible=True, alpha=0.3)
    with replaced_file(picture, overwrite=True) as temporary:
        figure.savefig(temporary, dpi=120, metadata={"Software": None})
    return True


def _config(model: str, settings: dict[str, Any], losses: dict[str, Any]) -> TrainingConfig:
    """The configuration of a run.

    Raises:
        UsageError: a flag that the model has no use for, or scikit-learn is not installed.
    """
    try:
        from ..training.any_palette import AnyPaletteConfig
        from ..training.paper import PaperConfig
    except ModuleNotFoundError as error:
        raise UsageError(
            f"training needs the package {error.name}, which is not installed", cure='pip install "fscs-engine[train]"'
        ) from error

    config = AnyPaletteConfig() if model == "any-palette" else PaperConfig()
    foreign = [name for name in settings if not hasattr(config, name)]
    foreign += [name for name in losses if not hasattr(config.losses, name)]
    if foreign:
        raise UsageError(f"{_FLAGS.get(foreign[0], foreign[0])} is not for the model {model!r}", cure="leave it out")
    weights: Any = replace(config.losses, **losses)
    return replace(config, **settings, losses=weights)


def _given(**values: Any) -> dict[str, Any]:
    """The flags that were given; the others keep the defaults of the training's own configuration."""
    return {name: value for name, value in values.items() if value is not None}


def _note(state: TrainingProgress) -> str:
    return f"step {state.step} of {state.steps}, loss {state.losses.get('total', float('nan')):.4f}"
