"""Weights: safetensors files with a checked sha256; nothing is ever unpickled into code."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as safetensors_bytes
from torch import Tensor

from ..errors import WeightsError
from ..files.atomic import replaced_file
from .shipped import FOLDER, SHIPPED

FORMAT = "fscs-weights-1"


RELEASED_SHA256 = {
    "alpha": "92c911b9a70c91c06eaa66828fc28b6df275b1aabc9e4ec12c46a7ee00776610",
    "residue": "4a0f520a6db56fb6e9bd9655e1cc702d781bd2bd873450fca8d457c382d7b6ae",
}
"""The files of the paper's authors (pfnet-research/FSCS, K = 7), as ``fscs weights import`` expects them."""


@dataclass(frozen=True)
class Weights:
    """Tensors by name, the header's metadata, and the sha256 of the file they came from."""

    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, str]
    sha256: str
    name: str


def sha256_of(file: Path) -> str:
    """The sha256 of a file's bytes, in hex."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def load_weights(model: str | Path) -> Weights:
    """Loads a shipped model by name, or a ``.safetensors`` file.

    Raises:
        WeightsError: unknown name, missing or broken file, or a shipped file whose sha256 is not the known one.
    """
    shipped = SHIPPED.get(str(model))
    if shipped is None and Path(model).suffix != ".safetensors":
        raise WeightsError(
            f"unknown model {str(model)!r}", cure=f"use {', '.join(SHIPPED)} or the path of a .safetensors file"
        )
    file = FOLDER / shipped.file if shipped else Path(model)
    if not file.is_file():
        raise WeightsError(f"{file}: no such file", cure="give the path of a .safetensors file")
    digest = sha256_of(file)
    if shipped and digest != shipped.sha256:
        raise WeightsError(
            f"{file}: sha256 {digest} is not that of the weights this version was made with",
            cure="reinstall the package",
        )
    try:
        with safe_open(file, framework="pt") as opened:
            metadata = dict(opened.metadata() or {})
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118  # not a mapping
    except (SafetensorError, OSError) as error:
        raise WeightsError(
            f"{file}: can't be read as safetensors ({error})", cure="export the weights again"
        ) from error
    if metadata.get("format") != FORMAT:
        raise WeightsError(
            f"{file}: is not a weights file of this program", cure="create one with fscs train or fscs weights import"
        )
    return Weights(tensors, metadata, digest, str(model) if shipped else file.stem)


def save_weights(
    file: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str], *, overwrite: bool = False
) -> str:
    """Writes a weights file (equal weights give equal bytes) and returns its sha256.

    Raises:
        OutputError: the file exists and ``overwrite`` is false, or can't be written.
    """
    ready = {name: tensors[name].detach().to("cpu", torch.float32).contiguous() for name in sorted(tensors)}
    data = _sorted_header(safetensors_bytes(ready, {"format": FORMAT, **metadata}))
    with replaced_file(file, overwrite=overwrite) as partial:
        partial.write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def _sorted_header(data: bytes) -> bytes:
    """The same file with the keys of its JSON header sorted: the library writes metadata in random order."""
    length = int.from_bytes(data[:8], "little")
    header = json.dumps(json.loads(data[8 : 8 + length]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)  # tensors stay aligned, as the format asks
    return len(header).to_bytes(8, "little") + header + data[8 + length :]


def import_released(
    alpha: Path, residue: Path, file: Path, *, allow_unknown: bool = False, overwrite: bool = False
) -> str:
    """Turns the authors' two ``.pth`` files into one safetensors file, without unpickling code.

    Args:
        alpha: ``mask_generator.pth``.
        residue: ``residue_predictor.pth``.
        file: the ``.safetensors`` file to write.
        allow_unknown: also takes files of the right shapes with another sha256 (a retraining).
        overwrite: replaces an existing file.

    Returns:
        The sha256 of the file written.

    Raises:
        WeightsError: unreadable, of other shapes, or of an unknown sha256.
        OutputError: see :func:`save_weights`.
    """
    tensors: dict[str, Tensor] = {}
    origin = {}
    colors = 0
    for part, source in (("alpha", alpha), ("residue", residue)):
        if not source.is_file():
            raise WeightsError(f"{source}: no such file", cure="give mask_generator.pth and residue_predictor.pth")
        digest = sha256_of(source)
        if digest != RELEASED_SHA256[part] and not allow_unknown:
            raise WeightsError(
                f"{source}: sha256 {digest} is not that of the released {part} weights",
                cure="check the file, or pass --allow-unknown for weights you trained",
            )
        origin[f"{part}_sha256"] = digest
        loaded = _load_pth(source)
        first = loaded.get("conv1.weight")
        inputs = first.shape[1] - 3 if first is not None and first.ndim == 4 else 0
        colors = inputs // (3 if part == "alpha" else 4)
        _check_shapes(loaded, part, colors, source)
        tensors |= {f"{part}.unet.{name}": tensor for name, tensor in loaded.items() if tensor.dtype.is_floating_point}
    metadata = {"architecture": "paper", "colors": str(colors), "centering": "chart", "origin": "released", **origin}
    return save_weights(file, tensors, metadata, overwrite=overwrite)


def _load_pth(file: Path) -> dict[str, Tensor]:
    try:
        loaded = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises anything from UnpicklingError to RuntimeError
        raise WeightsError(
            f"{file}: holds no plain weights ({type(error).__name__})",
            cure="give a state dictionary saved by torch.save; a file that holds code is refused and not run",
        ) from error
    if not isinstance(loaded, dict) or not all(isinstance(tensor, Tensor) for tensor in loaded.values()):
        raise WeightsError(f"{file}: holds no state dictionary", cure="give a state dictionary saved by torch.save")
    return loaded


def _check_shapes(loaded: Mapping[str, Tensor], part: str, colors: int, file: Path) -> None:
    from .unet import AlphaPredictor, ResiduePredictor

    if colors < 1:
        raise WeightsError(
            f"{file}: is not a U-Net of the paper", cure="give mask_generator.pth and residue_predictor.pth"
        )
    network = AlphaPredictor(colors) if part == "alpha" else ResiduePredictor(colors)
    bad = [n for n, t in loaded.items() if t.dtype.is_floating_point and not t.isfinite().all()]
    bad += [n for n, t in loaded.items() if not t.dtype.is_floating_point and not n.endswith("num_batches_tracked")]
    if bad:
        raise WeightsError(f"{file}: {bad[0]} holds no finite floating-point numbers", cure="check the training")
    expected = {name: tuple(tensor.shape) for name, tensor in network.unet.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in loaded.items()}
    wrong = [name for name in expected if expected[name] != found.get(name)] + [n for n in found if n not in expected]
    if wrong:
        raise WeightsError(
            f"{file}: {wrong[0]} has shape {found.get(wrong[0])}, the {part} predictor needs {expected.get(wrong[0])}",
            cure="give the alpha weights first, the residue weights second",
        )
