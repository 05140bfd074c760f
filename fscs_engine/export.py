"""The any-palette model as one file for other programs: ONNX and TorchScript.

Both are traced from :class:`ExportedModel`, so there is one definition of the mathematics. K, H and W stay free.
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

from ._version import __version__
from .errors import UsageError
from .files.atomic import replaced_file
from .naming import METADATA_PREFIX
from .networks.any_palette import AnyPaletteNetwork
from .networks.any_palette_model import AnyPaletteModel
from .networks.create import create_model
from .networks.weights import Weights, sha256_of
from .parameters import ALPHA_FLOOR, MAXIMUM_COLORS

OPSET = 17
"""Of the ONNX file, with IR version 8: tried with onnxruntime 1.16 and 1.32."""

METADATA_FILE = "softcolor.json"
"""The extra file inside a TorchScript file that holds the metadata."""

INPUTS = ("image", "palette")
OUTPUTS = ("alphas", "layers")
_DESCRIPTION = f"""Soft color segmentation. Float32, sRGB encoding with Rec.709 primaries, in [0, 1].
image (1, 3, H, W), palette (K, 3) with K from 1 to {MAXIMUM_COLORS}.
alphas (1, K, H, W), adding to 1; layers (1, K, 4, H, W), premultiplied RGBA, adding to the image."""


@dataclass(frozen=True)
class Exported:
    """A file that was written: the sha256 of its bytes, the model in it and the sha256 of the model's weights."""

    sha256: str
    model: str
    weights_sha256: str


class ExportedModel(nn.Module):
    """Alphas of the network, made to add to 1, and colours by the exact step alone.

    Every loop has a fixed number of rounds, enough for ``MAXIMUM_COLORS``: those of the network take theirs from the
    palette's size and must be traced with that many colours. Further rounds change nothing.
    """

    def __init__(self, network: AnyPaletteNetwork) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).eval().requires_grad_(False)

    def forward(self, image: Tensor, palette: Tensor) -> tuple[Tensor, Tensor]:
        """The layers of one picture.

        Args:
            image: (1, 3, H, W) sRGB in [0, 1].
            palette: (K, 3) sRGB in [0, 1].

        Returns:
            Alphas (1, K, H, W) in [0, 1], adding to 1 along K, and layers (1, K, 4, H, W), premultiplied sRGB RGBA,
            adding to the image along K.
        """
        alphas = self.network(image, palette[None])
        alphas = alphas * (alphas >= ALPHA_FLOOR)
        alphas = alphas / alphas.sum(dim=1, keepdim=True)
        colors = boxed_colors(alphas, palette, image)
        return alphas, torch.cat((colors * alphas[:, :, None], alphas[:, :, None]), dim=2)


def boxed_colors(alphas: Tensor, palette: Tensor, image: Tensor) -> Tensor:
    """The exact step of ``exact.py`` in plain operations, boxed to [0, 1] and from the palette colours on.

    There, in every round each layer that can still move moves by the same step, so all in all each colour moves by
    the same t as far as its bound: u = clip(p + t, 0, 1), with one t a pixel and channel. Only t is kept.

    Args:
        alphas: (1, K, H, W) in [0, 1], adding to 1.
        palette: (K, 3) in [0, 1].
        image: (1, 3, H, W) in [0, 1].

    Returns:
        Straight colours u (1, K, 3, H, W) in [0, 1] with Σαu = image; those of layers with alpha 0 mean nothing.
    """
    weights, start = alphas[:, :, None], palette[None, :, :, None, None]
    moved = torch.zeros_like(image)
    colors = start + moved[:, None]
    error = image - (weights * colors).sum(dim=1)
    for _ in range(MAXIMUM_COLORS + 1):
        # The room of a layer: can it still move towards the error?
        distance = torch.where((error > 0)[:, None], 1.0 - colors, colors)
        room = (weights * (distance > 0)).sum(dim=1)
        moved = moved + error / torch.where(room > 0, room, torch.ones_like(room))
        colors = (start + moved[:, None]).clamp(0.0, 1.0)
        error = image - (weights * colors).sum(dim=1)
    return colors


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
            "ONNX files need the package onnx, which is not installed", cure="pip install fscs-engine[export]"
        ) from error
    with replaced_file(file, overwrite=overwrite) as partial:
        module, weights = _loaded(model)
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
        module, weights = _loaded(model)
        extra = {METADATA_FILE: json.dumps(_metadata(weights), sort_keys=True).encode()}
        buffer = io.BytesIO()
        with _traced_quietly():
            traced = torch.jit.trace(module, _example(), check_trace=False)
            torch.jit.save(traced, buffer, _extra_files=extra)
        partial.write_bytes(_without_source_paths(buffer.getvalue()))
        return Exported(sha256_of(partial), weights.name, weights.sha256)


def _loaded(model: str | Path) -> tuple[ExportedModel, Weights]:
    """The model to trace, on the CPU."""
    loaded, weights = create_model(model, torch.device("cpu"), torch.float32)
    if not isinstance(loaded, AnyPaletteModel):
        raise UsageError(
            f"the model {weights.name!r} can't be exported, only any-palette models can",
            cure="name another with --model",
        )
    return ExportedModel(loaded.network), weights


def _example() -> tuple[Tensor, Tensor]:
    """What the model is traced with: the most colours, and sides that are no multiples of anything."""
    return torch.zeros(1, 3, 37, 51), torch.linspace(0.0, 1.0, 3 * MAXIMUM_COLORS).reshape(MAXIMUM_COLORS, 3)


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
    """A TorchScript file without its debug files, which name the folders of the computer that wrote it."""
    cleaned = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as source, zipfile.ZipFile(cleaned, "w") as target:
        for entry in source.infolist():
            if not entry.filename.endswith(".debug_pkl"):
                target.writestr(zipfile.ZipInfo(entry.filename), source.read(entry))
    return cleaned.getvalue()
