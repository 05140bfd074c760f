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
from typing import TYPE_CHECKING, List, Tuple  # noqa: UP035  # TorchScript of old PyTorch

import torch
from torch import Tensor, nn

from ._version import __version__
from .errors import UsageError
from .files.atomic import make_folder, replaced_file
from .naming import METADATA_PREFIX
from .networks.any_palette import AnyPaletteNetwork
from .networks.any_palette_model import AnyPaletteModel
from .networks.create import create_model
from .networks.weights import Weights, sha256_of
from .parameters import ALPHA_FLOOR, BY_NAME, MAXIMUM_COLORS
from .smoothing import LUMA, guided_filter

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
        alphas, base = self.network(image, palette[None])
        alphas = alphas * (alphas >= ALPHA_FLOOR)
        alphas = alphas / alphas.sum(dim=1, keepdim=True)
        colors = boxed_colors(alphas, base[0], image)
        return alphas, torch.cat((colors * alphas[:, :, None], alphas[:, :, None]), dim=2)


def boxed_colors(alphas: Tensor, base: Tensor, image: Tensor) -> Tensor:
    """The exact step of ``exact.py`` in plain operations, boxed to [0, 1] and from the base colours on.

    There, in every round each layer that can still move moves by the same step, so all in all each colour moves by
    the same t as far as its bound: u = clip(b + t, 0, 1), with one t a pixel and channel. Only t is kept.

    Args:
        alphas: (1, K, H, W) in [0, 1], adding to 1.
        base: (K, 3) in [0, 1].
        image: (1, 3, H, W) in [0, 1].

    Returns:
        Straight colours u (1, K, 3, H, W) in [0, 1] with Σαu = image; those of layers with alpha 0 mean nothing.
    """
    weights, start = alphas[:, :, None], base[None, :, :, None, None]
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


NUKE_MODEL = "SoftColorSegment.pt"
NUKE_CAT = "SoftColorSegment.cat"
NUKE_NODE = "SoftColor_CatFileCreator.nk"
NUKE_SCRIPT = "make_cat.py"
"""The files that :func:`export_nuke` writes, and the one that NukeX makes of them."""

LIVE_COLORS = 8
"""The largest palette of :class:`LiveModel`: two Inference nodes with four layers each."""

LIVE_INPUT = ("rgba.red", "rgba.green", "rgba.blue", "rgba.alpha")
LIVE_OUTPUT = (
    *("rgba.red", "rgba.green", "rgba.blue", "rgba.alpha"),
    *("forward.u", "forward.v", "backward.u", "backward.v"),
    *("disparityL.x", "disparityL.y", "disparityR.x", "disparityR.y"),
    *("deep.front", "deep.back", "depth.Z", "mask.a"),
)
"""Channels that an Inference node can give: it takes no other names than these and three more."""

LIVE_SPACES = ("lin_rec709", "acescg", "srgb")
"""The values of :attr:`LiveModel.space`."""

LIVE_ATTRIBUTES = (
    *(f"p{number}{channel}" for number in range(1, LIVE_COLORS + 1) for channel in "rgb"),
    *("colors", "first", "space", "smoothing", "smoothing_eps", "smoothing_strength", "minimum_alpha"),
)
"""What a host sets of :class:`LiveModel`."""

_LIVE_GROUP = 4  # layers of one evaluation
_ACESCG_TO_REC709 = (
    (1.7050509930, -0.6217921210, -0.0832588720),
    (-0.1302564180, 1.1408047370, -0.0105483190),
    (-0.0240033570, -0.1289689760, 1.1529723330),
)
_LARGEST = 1e30


class _Alphas(nn.Module):
    """The network for one picture, to be traced: scripting can't read it."""

    def __init__(self, network: AnyPaletteNetwork) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).eval().requires_grad_(False)

    def forward(self, image: Tensor, palette: Tensor) -> Tuple[Tensor, Tensor]:  # noqa: UP006
        """image (1, 3, H, W), palette (K, 3), sRGB in [0, 1] → alphas (1, K, H, W) and base colours (K, 3)."""
        alphas, base = self.network(image, palette[None])
        return alphas, base[0]


class _Boxed(nn.Module):
    """:func:`boxed_colors` as a module."""

    def forward(self, alphas: Tensor, base: Tensor, image: Tensor) -> Tensor:
        return boxed_colors(alphas, base, image)


class LiveModel(nn.Module):
    """The whole chain for a host that gives a picture and numbers: RGBA in, four premultiplied RGBA layers out.

    Every attribute is a float and is read anew for every picture, after scripting too. Masks, the controls of single
    layers and the temporal smoothing are left out. Everything is float32, whatever comes in.

    Attributes:
        p1r, p1g, p1b … p8b: the palette, sRGB in [0, 1]; those after ``colors`` are not used.
        colors: K, 1 to 8.
        first: the first of the layers that come out, counted from 1; layers after K are 0.
        space: the picture's and the layers' color space, an index of ``LIVE_SPACES``.
        smoothing, smoothing_eps, smoothing_strength, minimum_alpha: as in the parameter table.
    """

    if TYPE_CHECKING:  # TorchScript can't read annotations that are strings
        luma: Tensor
        to_rec709: Tensor
        from_rec709: Tensor

    def __init__(self, network: AnyPaletteNetwork) -> None:
        super().__init__()
        image = torch.zeros(1, 3, 37, 51)
        palette = torch.linspace(0.0, 1.0, 3 * LIVE_COLORS).reshape(LIVE_COLORS, 3)
        alphas = torch.full((1, LIVE_COLORS, 37, 51), 1.0 / LIVE_COLORS)
        self.network = torch.jit.trace(_Alphas(network), (image, palette), check_trace=False)
        self.boxed = torch.jit.trace(_Boxed(), (alphas, palette, image), check_trace=False)
        self.register_buffer("to_rec709", torch.tensor(_ACESCG_TO_REC709))
        self.register_buffer("from_rec709", torch.tensor(_ACESCG_TO_REC709, dtype=torch.float64).inverse().float())
        self.register_buffer("luma", torch.tensor(LUMA))
        self.p1r, self.p1g, self.p1b = 0.1, 0.1, 0.1
        self.p2r, self.p2g, self.p2b = 0.9, 0.9, 0.9
        self.p3r, self.p3g, self.p3b = 0.5, 0.5, 0.5
        self.p4r, self.p4g, self.p4b = 0.8, 0.1, 0.1
        self.p5r, self.p5g, self.p5b = 0.1, 0.6, 0.1
        self.p6r, self.p6g, self.p6b = 0.1, 0.2, 0.8
        self.p7r, self.p7g, self.p7b = 0.8, 0.7, 0.1
        self.p8r, self.p8g, self.p8b = 0.6, 0.1, 0.6
        self.colors = 7.0
        self.first = 1.0
        self.space = 0.0
        self.smoothing = float(BY_NAME["smoothing"].default)
        self.smoothing_eps = float(BY_NAME["smoothing_eps"].default)
        self.smoothing_strength = float(BY_NAME["smoothing_strength"].default)
        self.minimum_alpha = float(BY_NAME["minimum_alpha"].default)
        self.floor = ALPHA_FLOOR
        self.largest = _LARGEST
        self.group = _LIVE_GROUP

    def forward(self, image: Tensor) -> Tensor:
        """image (1, 4, H, W) premultiplied → (1, 16, H, W), both in the working space."""
        pixels = image.to(torch.float32)
        palette = self.palette(pixels)
        count = palette.shape[0]
        space = int(self.space + 0.5)
        rgb, opacity = pixels[:, :3], pixels[:, 3:4]
        held = (rgb / opacity).abs().amax(dim=1, keepdim=True) <= self.largest
        divisor = torch.where((opacity > 0) & held, opacity, torch.ones_like(opacity))
        target = rgb / divisor
        light = target.clamp(min=0.0, max=self.largest)
        if space == 2:
            light = self.decoded(light)
        elif space == 1:
            light = self.turned(self.to_rec709, target).clamp(min=0.0, max=self.largest)
        gain = light.amax(dim=1, keepdim=True).clamp(min=1.0)
        seen = self.encoded(light / gain).clamp(min=0.0, max=1.0)
        if space == 2:
            seen = torch.where(gain > 1.0, seen, target.clamp(min=0.0, max=1.0))

        owners = self.owners(palette)
        different: List[int] = []  # noqa: UP006  # TorchScript of old PyTorch
        for number in range(count):
            if owners[number] == number:
                different.append(number)
        chosen = torch.tensor(different, device=pixels.device)
        few = palette.index_select(0, chosen)
        raw, moved = self.network(seen, few)
        alphas = self.processed(raw, seen, few)
        own = torch.zeros_like(palette)
        shared = torch.zeros([1, count, pixels.shape[2], pixels.shape[3]], device=pixels.device)
        for number in range(count):
            twins = 0
            place = 0
            for other in range(count):
                if owners[other] == owners[number]:
                    twins += 1
            for position in range(len(different)):
                if different[position] == owners[number]:
                    place = position
            shared[:, number] = alphas[:, place] / float(twins)
            own[number] = moved[place]

        base = self.decoded(own)[None, :, :, None, None] * gain[:, None]
        if space == 2:
            base = self.encoded(base)
        elif space == 1:
            base = torch.einsum("ij,bkjhw->bkihw", self.from_rec709, base)
        error = target - (shared[:, :, None] * base).sum(dim=1)
        colors = base + error[:, None]
        if space == 2:
            inside = ((target >= 0.0) & (target <= 1.0)).all(dim=1, keepdim=True)
            colors = torch.where(inside[:, None], self.boxed(shared, own, target.clamp(0.0, 1.0)), colors)
        layers = torch.cat(
            (colors * (shared * divisor)[:, :, None], (shared * opacity)[:, :, None]),
            dim=2,
        )
        flat = layers.reshape(1, 4 * count, pixels.shape[2], pixels.shape[3])
        start = 4 * (int(self.first + 0.5) - 1)
        found = flat[:, start : start + 4 * self.group]
        missing = 4 * self.group - found.shape[1]
        if missing > 0:
            empty = torch.zeros([1, missing, pixels.shape[2], pixels.shape[3]], device=pixels.device)
            found = torch.cat((found, empty), dim=1)
        return found.to(image.dtype).contiguous()

    def palette(self, image: Tensor) -> Tensor:
        """The colours in use. (K, 3)"""
        every = torch.tensor(
            [
                [self.p1r, self.p1g, self.p1b],
                [self.p2r, self.p2g, self.p2b],
                [self.p3r, self.p3g, self.p3b],
                [self.p4r, self.p4g, self.p4b],
                [self.p5r, self.p5g, self.p5b],
                [self.p6r, self.p6g, self.p6b],
                [self.p7r, self.p7g, self.p7b],
                [self.p8r, self.p8g, self.p8b],
            ],
            dtype=torch.float32,
            device=image.device,
        )
        count = min(max(int(self.colors + 0.5), 1), 8)
        return every[:count].clamp(0.0, 1.0)

    def owners(self, palette: Tensor) -> List[int]:  # noqa: UP006  # TorchScript of old PyTorch
        """For each colour the first that equals it."""
        found: List[int] = []  # noqa: UP006
        for number in range(palette.shape[0]):
            first = number
            for other in range(number):
                if first == number and bool((palette[other] == palette[number]).all()):
                    first = other
            found.append(first)
        return found

    def processed(self, raw: Tensor, image: Tensor, palette: Tensor) -> Tensor:
        """The alpha processing of ``processing.py`` in its order. raw (1, K, H, W), image (1, 3, H, W) → like raw."""
        count = palette.shape[0]
        distance = (image[:, None] - palette[None, :, :, None, None]).square().sum(dim=2)
        numbers = torch.arange(count, device=raw.device)[None, :, None, None]
        nearest = (distance.argmin(dim=1, keepdim=True) == numbers).to(torch.float32)
        alphas = self.normalized(raw, nearest)
        radius = int(self.smoothing + 0.5)
        if radius > 0 and self.smoothing_strength > 0.0:
            guide = torch.einsum("c,chw->hw", self.luma, image[0])
            smooth = guided_filter(guide, alphas[0], radius, self.smoothing_eps)[None]
            alphas = torch.lerp(alphas, smooth, self.smoothing_strength)
            alphas = self.normalized(alphas.clamp(0.0, 1.0), nearest)
        least = max(self.minimum_alpha, self.floor)
        return self.normalized(alphas * (alphas >= least).to(torch.float32), nearest)

    def normalized(self, alphas: Tensor, nearest: Tensor) -> Tensor:
        """Eq. 5; where all alphas are 0, alpha is 1 for the nearest colour."""
        total = alphas.sum(dim=1, keepdim=True)
        return torch.where(total > 0.0, alphas / torch.where(total > 0.0, total, torch.ones_like(total)), nearest)

    def encoded(self, light: Tensor) -> Tensor:
        """Linear light ≥ 0 to the sRGB encoding."""
        return torch.where(light <= 0.0031308, 12.92 * light, 1.055 * light.clamp(min=1e-9).pow(1.0 / 2.4) - 0.055)

    def decoded(self, code: Tensor) -> Tensor:
        """The sRGB encoding to linear light, both ≥ 0."""
        return torch.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055).pow(2.4))

    def turned(self, matrix: Tensor, rgb: Tensor) -> Tensor:
        """(1, 3, H, W) by a matrix (3, 3)."""
        return torch.einsum("ij,bjhw->bihw", matrix, rgb)


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
    values = {name: getattr(live, name) for name in LIVE_ATTRIBUTES}
    lines = [
        "CatFileCreator {",
        " inputs 0",
        f" torchScriptFile {NUKE_MODEL}",
        f" catFile {NUKE_CAT}",
        f" channelsIn {','.join(LIVE_INPUT)}",
        f" channelsOut {','.join(LIVE_OUTPUT)}",
        f" modelId {Path(NUKE_MODEL).stem}",
        f" name {Path(NUKE_NODE).stem}",
        " addUserKnob {20 User}",
        *(f" addUserKnob {{7 {name}}}\n {name} {value:g}" for name, value in values.items()),
        "}",
    ]
    return "\n".join([*lines, ""])


_MAKE_CAT = f'''"""Makes {NUKE_CAT} beside this file: ``nuke --nukex -t {NUKE_SCRIPT}``. Needs a licence for NukeX.

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
    """A TorchScript file without its debug files and their hash: they name the folders of who wrote it."""
    cleaned = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as source, zipfile.ZipFile(cleaned, "w") as target:
        for entry in source.infolist():
            if not entry.filename.endswith((".debug_pkl", "/.data/serialization_id")):
                target.writestr(zipfile.ZipInfo(entry.filename), source.read(entry))
    return cleaned.getvalue()
