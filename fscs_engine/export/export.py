"""The any-palette model as one file for other programs: ONNX, TorchScript, and what Nuke's Inference nodes run.

All are traced from the modules here and the network itself, so there is one definition of the mathematics. K, H and W
stay free.
"""

from __future__ import annotations

import copy
import io
import json
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from .._version import __version__
from ..errors import UsageError
from ..exact.exact import in_gamut_colors
from ..files.atomic import make_folder, replaced_file
from ..host.naming import METADATA_PREFIX
from ..host.parameters import ALPHA_FLOOR, MAXIMUM_COLORS
from ..networks.any_palette import AnyPaletteNetwork
from ..networks.any_palette_model import AnyPaletteModel
from ..networks.create import create_model
from ..networks.weights import Weights, sha256_of
from .live_model import ATTRIBUTES, CHANNELS_IN, CHANNELS_OUT, LiveModel

OPSET = 17
"""Of the ONNX file, with IR version 8: tried with onnxruntime 1.16 and 1.32."""

METADATA_FILE = "softcolor.json"
"""The extra file inside a TorchScript file that holds the metadata."""

INPUTS = ("image", "palette", "softness")
OUTPUTS = ("alphas", "layers")
_DESCRIPTION = f"""Soft color segmentation. Float32, sRGB encoding with Rec.709 primaries, in [0, 1].
image (1, 3, H, W), palette (K, 3) with K from 1 to {MAXIMUM_COLORS}, softness (1,).
alphas (1, K, H, W), adding to 1; layers (1, K, 4, H, W), premultiplied RGBA, adding to the image."""


@dataclass(frozen=True)
class Exported:
    """A file that was written: the sha256 of its bytes, the model in it and the sha256 of the model's weights."""

    sha256: str
    model: str
    weights_sha256: str


class ExportedModel(nn.Module):
    """Alphas of the network, made to add to 1, and colors by the exact step alone.

    Every loop has a fixed number of rounds, enough for ``MAXIMUM_COLORS``: those of the network take theirs from the
    palette's size and must be traced with that many colors. Further rounds change nothing.
    """

    def __init__(self, network: AnyPaletteNetwork) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).eval().requires_grad_(False)

    def forward(self, image: Tensor, palette: Tensor, softness: Tensor) -> tuple[Tensor, Tensor]:
        """The layers of one picture.

        Args:
            image: (1, 3, H, W) sRGB in [0, 1].
            palette: (K, 3) sRGB in [0, 1].
            softness: (1,) in [0, 1].

        Returns:
            Alphas (1, K, H, W) in [0, 1], adding to 1 along K, and layers (1, K, 4, H, W), premultiplied sRGB RGBA,
            adding to the image along K.
        """
        alphas, base = self.network(image, palette[None], softness)
        alphas = alphas * (alphas >= ALPHA_FLOOR)
        alphas = alphas / alphas.sum(dim=1, keepdim=True)
        colors = in_gamut_colors(alphas, base[0], image)
        return alphas, torch.cat((colors * alphas[:, :, None], alphas[:, :, None]), dim=2)


NUKE_MODEL = "SoftColorSegment.pt"
NUKE_CAT = "SoftColorSegment.cat"
NUKE_NODE = "SoftColor_CatFileCreator.nk"
NUKE_SCRIPT = "make_cat.py"
"""The files that :func:`export_nuke` writes, and the one that NukeX makes of them."""


def export_onnx(model: str | Path, file: Path, *, overwrite: bool = False) -> Exported:
    """Writes a model as ONNX; see :class:`ExportedModel` for what goes in and comes out, under the names there.

    Args:
        model: the name of a shipped model, or a ``.safetensors`` file.
        file: the file to write.
        overwrite: replaces an existing file.

    Raises:
        UsageError: the model is not an any-palette model, or the package onnx is not installed.
        WeightsError: the model can't be loaded.
        OutputError: the file exists and ``overwrite`` is false, or can't be written.
    """
    try:
        import onnx
    except ImportError as error:
        raise UsageError(
            "ONNX files need the package onnx, which is not installed", cure='pip install "fscs-engine[export]"'
        ) from error
    with replaced_file(file, overwrite=overwrite) as partial:
        network, weights = _loaded(model)
        module = ExportedModel(network)
        with _traced_quietly():
            # The newer exporter (dynamo=True) takes a minute for the same graph, and needs one more package.
            torch.onnx.export(
                module,
                _example(),
                partial,
                dynamo=False,
                opset_version=OPSET,
                input_names=list(INPUTS),
                output_names=list(OUTPUTS),
                dynamic_axes={
                    "image": {2: "H", 3: "W"},
                    "palette": {0: "K"},
                    "alphas": {1: "K", 2: "H", 3: "W"},
                    "layers": {1: "K", 3: "H", 4: "W"},
                },
            )
        graph = onnx.load(partial)
        for output in graph.graph.output:
            output.type.tensor_type.shape.dim[0].dim_value = 1
        graph.doc_string = _DESCRIPTION
        onnx.helper.set_model_props(graph, _metadata(weights))
        onnx.checker.check_model(graph, full_check=True)
        partial.write_bytes(graph.SerializeToString(deterministic=True))
        return Exported(sha256_of(partial), weights.name, weights.sha256)


def export_torchscript(model: str | Path, file: Path, *, overwrite: bool = False) -> Exported:
    """Writes a model as TorchScript, with its metadata as JSON in the extra file ``METADATA_FILE``.

    PyTorch reads the file from the version on that wrote it. Arguments and errors are those of :func:`export_onnx`.
    """
    with replaced_file(file, overwrite=overwrite) as partial:
        network, weights = _loaded(model)
        with _traced_quietly():
            traced = torch.jit.trace(ExportedModel(network), _example(), check_trace=False)
            partial.write_bytes(_saved(traced, weights))
        return Exported(sha256_of(partial), weights.name, weights.sha256)


def export_nuke(model: str | Path, folder: Path, *, overwrite: bool = False) -> Exported:
    """Writes what a NukeX needs to make the file for Inference nodes, which nothing else can make.

    Three files: the TorchScript of :class:`LiveModel` (``NUKE_MODEL``), the node that compiles it, and a script for
    ``nuke --nukex -t`` that runs the node.

    The first is written by the PyTorch of the engine and holds only what PyTorch 1.12.1 and 2.1.1 know, the libraries
    inside Nuke 14 to 17: tests run it in both. PyTorch 1.6.0, inside Nuke 13, can't. A fresh process always writes the
    same bytes; ``shipped.py`` has their sha256.

    Args:
        model: the name of a shipped model, or a ``.safetensors`` file.
        folder: made where it is missing.
        overwrite: replaces existing files.

    Returns:
        The hashes of the TorchScript file.

    Raises:
        UsageError: the model is not an any-palette model.
        WeightsError: the model can't be loaded.
        OutputError: a file exists and ``overwrite`` is false, or can't be written.
    """
    make_folder(folder)
    network, weights = _loaded(model)
    with (
        replaced_file(folder / NUKE_MODEL, overwrite=overwrite) as script,
        replaced_file(folder / NUKE_NODE, overwrite=overwrite) as node,
        replaced_file(folder / NUKE_SCRIPT, overwrite=overwrite) as maker,
    ):
        with _traced_quietly():
            live = LiveModel(network).eval()
            script.write_bytes(_saved(torch.jit.script(live), weights))
        node.write_text(_cat_file_creator(live), encoding="utf-8", newline="\n")
        maker.write_text(_MAKE_CAT, encoding="utf-8", newline="\n")
        return Exported(sha256_of(script), weights.name, weights.sha256)


def _cat_file_creator(live: LiveModel) -> str:
    """The node that compiles the model; a user knob for every attribute makes it a knob of the Inference node."""
    values = {name: getattr(live, name) for name in ATTRIBUTES}
    lines = [
        "CatFileCreator {",
        " inputs 0",
        f" torchScriptFile {NUKE_MODEL}",
        f" catFile {NUKE_CAT}",
        f" channelsIn {','.join(CHANNELS_IN)}",
        f" channelsOut {','.join(CHANNELS_OUT)}",
        f" modelId {Path(NUKE_MODEL).stem}",
        f" name {Path(NUKE_NODE).stem}",
        " addUserKnob {20 User}",
        *(f" addUserKnob {{7 {name}}}\n {name} {value:g}" for name, value in values.items()),
        "}",
    ]
    return "\n".join([*lines, ""])


_MAKE_CAT = f'''"""Makes {NUKE_CAT} beside this file: ``nuke --nukex -t {NUKE_SCRIPT}``. Needs a NukeX license.

Put the file into a folder on the plug-in path, such as ~/.nuke, for the mode Live of the node Soft Color Segment.
"""

import os
import sys

import nuke

FOLDER = os.path.dirname(os.path.abspath(__file__))


def path(name):
    """A file beside this one, as Nuke writes paths."""
    return os.path.join(FOLDER, name).replace(os.sep, "/")


def main():
    """Returns 0, or 1 where no file was made."""
    nuke.nodePaste(path("{NUKE_NODE}"))
    node = nuke.toNode("{Path(NUKE_NODE).stem}")
    node["torchScriptFile"].setValue(path("{NUKE_MODEL}"))
    node["catFile"].setValue(path("{NUKE_CAT}"))
    nuke.execute(node, nuke.FrameRanges([1]))
    if not os.path.isfile(path("{NUKE_CAT}")):
        sys.stderr.write("Nuke made no file: look above for its reason, and start it with --nukex\\n")
        return 1
    print(path("{NUKE_CAT}"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
'''


def _saved(module: torch.jit.ScriptModule, weights: Weights) -> bytes:
    """A TorchScript module as the bytes of its file."""
    extra = {METADATA_FILE: json.dumps(_metadata(weights), sort_keys=True).encode()}
    buffer = io.BytesIO()
    torch.jit.save(module, buffer, _extra_files=extra)
    return _without_source_paths(buffer.getvalue())


def _loaded(model: str | Path) -> tuple[AnyPaletteNetwork, Weights]:
    """The network to trace, on the CPU."""
    loaded, weights = create_model(model, torch.device("cpu"), torch.float32)
    if not isinstance(loaded, AnyPaletteModel):
        raise UsageError(
            f"the model {weights.name!r} can't be exported, only any-palette models can",
            cure="name another with --model",
        )
    return loaded.network, weights


def _example() -> tuple[Tensor, Tensor, Tensor]:
    """What the model is traced with: the most colors, and sides that are no multiples of anything."""
    palette = torch.linspace(0.0, 1.0, 3 * MAXIMUM_COLORS).reshape(MAXIMUM_COLORS, 3)
    return torch.zeros(1, 3, 37, 51), palette, torch.full((1,), 0.5)


def _metadata(weights: Weights) -> dict[str, str]:
    values = {"model": weights.name, "weights_sha256": weights.sha256, "version": __version__}
    return {METADATA_PREFIX + name: value for name, value in values.items()}


@contextmanager
def _traced_quietly() -> Iterator[None]:
    """Without gradients, and without PyTorch's advice to whoever traces: the loops are meant to be unrolled."""
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _without_source_paths(archive: bytes) -> bytes:
    """A TorchScript file without its debug files and their hash: they name the folders of who wrote it."""
    cleaned = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as source, zipfile.ZipFile(cleaned, "w") as target:
        for entry in source.infolist():
            if not entry.filename.endswith((".debug_pkl", "/.data/serialization_id")):
                target.writestr(zipfile.ZipInfo(entry.filename), source.read(entry))
    return cleaned.getvalue()
