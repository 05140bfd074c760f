"""Which channels of a picture file are the picture: by their names alone, of the layer that is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import OpenImageIO as oiio

from ..errors import InputError
from .views import combined, full_name, part_of_view, views_of

_ROLES = {"r": "R", "red": "R", "g": "G", "green": "G", "b": "B", "blue": "B", "a": "A", "alpha": "A"}
_GRAYS = ("Y", "I")  # I is OpenImageIO's name of the gray of a PSD
_LISTED = 20

_MOSAIC = "mosaic of a raw file"
_TIFF_COLOR_MODELS = {
    5: "CMYK",
    8: "CIELAB",
    9: "ICCLAB",
    10: "ITULAB",
    32803: _MOSAIC,
    32844: "LogLuv",
    32845: "LogLuv",
    34892: "raw",
}
_PSD_COLOR_MODELS = {4: "CMYK", 7: "multichannel", 8: "duotone", 9: "Lab"}
_PSD_MODE_AT = 24
_PALETTE = 3
_YCBCR = 6
_RAW_FILES = (".dng", ".nef", ".nrw", ".cr2", ".arw", ".sr2", ".srf", ".pef", ".orf", ".rw2", ".raf", ".3fr", ".iiq")


@dataclass(frozen=True)
class Channels:
    """Which channels of which part make the picture; ``names`` for messages."""

    part: int
    indices: tuple[int, ...]
    names: tuple[str, ...]


def choose(path: Path, file_format: str, specs: Sequence[oiio.ImageSpec], layer: str) -> Channels:
    """Finds the channels of the layer asked for, of the first part that has them.

    Raises:
        InputError: a kind of picture that is not read; no such layer; channels that are not named as colors.
    """
    flat = [i for i, spec in enumerate(specs) if not spec.deep]
    if not flat:
        raise deep(path)
    _check_color_model(path, file_format, specs[0])
    file = _Parts(path, specs, flat)
    if file_format == "tiff" and specs[0].nchannels == 2:  # OpenImageIO names the two of gray and alpha R and G
        return Channels(0, (0, 1), ("Y", "A"))
    if layer:
        for part in flat:
            names = _layers(specs[part]).get(layer)
            if names:
                return file.roles(part, names)
        for part in flat:
            if specs[part].get_string_attribute("oiio:subimagename") == layer:
                names = _root(specs[part]) or list(specs[part].channelnames)
                return file.roles(part, names)
        view = part_of_view(specs, flat, layer)
        if view is not None:
            return file.roles(view, _root(specs[view]))
        for part in flat:
            known = _layers(specs[part])
            name = full_name(list(known), layer, views_of(specs))
            if name is not None:
                return file.roles(part, known[name])
        raise InputError(f"{path}: has no layer {layer!r}", cure=file.known_layers(flat))
    for part in flat:
        root = _root(specs[part])
        if {"R", "G", "B"} <= {_role(name) for name in root}:
            return file.roles(part, root)
    for part in flat:
        root = _root(specs[part])
        # A lone depth channel beside named layers is not the picture.
        if root and ("Y" in root or not _layers(specs[part])):
            return file.roles(part, root)
    layers = [(part, names) for part in flat for names in _layers(specs[part]).values()]
    if len(layers) == 1:
        return file.roles(*layers[0])
    for part in flat:
        known = _layers(specs[part])
        name = combined(list(known), views_of(specs))
        if name is not None:
            return file.roles(part, known[name])
    raise InputError(f"{path}: has only named layers", cure=file.known_layers(flat))


def deep(path: Path) -> InputError:
    """The error of a deep image."""
    return InputError(f"{path}: is a deep image, which is not read", cure="flatten it (in Nuke with DeepToImage)")


def luminance_chroma(path: Path) -> InputError:
    """The error of an EXR of luminance and chroma."""
    return InputError(f"{path}: is a luminance-chroma EXR, which is not read", cure="save it as RGB or RGBA")


def is_converted_by_reader(path: Path, file_format: str, spec: oiio.ImageSpec) -> bool:
    """Whether OpenImageIO makes RGB of it: YCbCr of TIFF and DPX, palettes of PSD."""
    if file_format == "tiff":
        return bool(spec.get_int_attribute("tiff:PhotometricInterpretation", -1) == _YCBCR)
    if file_format == "dpx":
        return "Cb" in spec.get_string_attribute("dpx:ImageDescriptor")
    return file_format == "psd" and _psd_mode(path) in (0, 2)


def _psd_mode(path: Path) -> int:
    with path.open("rb") as file:
        file.seek(_PSD_MODE_AT)
        return int.from_bytes(file.read(2))


def _check_color_model(path: Path, file_format: str, spec: oiio.ImageSpec) -> None:
    """Refuses what is not RGB, gray or what OpenImageIO makes such."""
    if path.suffix.lower() in _RAW_FILES:
        raise InputError(f"{path}: is a raw file of a camera, which is not read", cure="develop it to TIFF or EXR")
    photometric = spec.get_int_attribute("tiff:PhotometricInterpretation", -1)
    model = _TIFF_COLOR_MODELS.get(photometric, "")
    if file_format == "psd":
        model = _PSD_COLOR_MODELS.get(_psd_mode(path), "")
    for attribute in ("jpeg:ColorSpace", "oiio:ColorSpace"):
        found = spec.get_string_attribute(attribute).upper()
        if found in ("CMYK", "YCCK", "LAB", "MULTICHANNEL", "DUOTONE"):
            model = model or found
    if photometric == _PALETTE and tuple(spec.channelnames) != ("R", "G", "B"):
        model = "palette with further channels"
    if file_format == "dds" and tuple(spec.channelnames) == ("Y", "A"):
        model = "DDS of gray and alpha"
    if model:
        cure = "develop it to TIFF or EXR" if model in (_MOSAIC, "raw") else "convert it to RGB"
        raise InputError(f"{path}: is a {model} image, which is not read", cure=cure)
    if spec.depth > 1:
        raise InputError(f"{path}: is a volume, which is not read", cure="save one slice as an image")


@dataclass(frozen=True)
class _Parts:
    """The headers of a file's parts."""

    path: Path
    specs: Sequence[oiio.ImageSpec]
    flat: Sequence[int]

    def known_layers(self, parts: Sequence[int]) -> str:
        """A cure that names them."""
        names: list[str] = []
        for part in parts:
            spec = self.specs[part]
            part_name = spec.get_string_attribute("oiio:subimagename")
            names += [n for n in (part_name, *_layers(spec)) if n and n not in names]
        if not names:
            return "it has no named layers, leave --input-layer out"
        more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
        return f"choose one with --input-layer: {', '.join(names[:_LISTED])}{more}"

    def roles(self, part: int, names: Sequence[str]) -> Channels:
        """Sorts the channels of one layer into RGB(A) or gray(A) by their names; a lone channel is gray.

        Raises:
            InputError: names that say no color.
        """
        short = {name.rpartition(".")[2].upper(): name for name in reversed(names)}
        if {"RY", "BY"} & short.keys():
            raise luminance_chroma(self.path)
        by_role = {role: name for name in reversed(names) if (role := _role(name))}
        alpha = [by_role["A"]] if "A" in by_role else []
        others = [name for name in names if _role(name) != "A"]
        gray = next((short[name] for name in _GRAYS if name in short), None)
        if {"R", "G", "B"} <= by_role.keys():
            taken = [by_role[role] for role in "RGB"] + alpha
        elif gray is not None and not {"R", "G", "B", "X"} & (by_role.keys() | short.keys()):
            taken = [gray, *alpha]
        elif len(others) == 1:
            taken = [others[0], *alpha]
        elif not others:
            taken = alpha
        else:
            raise InputError(
                f"{self.path}: none of the channels {', '.join(names[:_LISTED])} are named R, G and B"
                if not {"R", "G", "B"} & by_role.keys()
                else f"{self.path}: the channels {', '.join(names[:_LISTED])} are not all of R, G and B",
                cure=self.known_layers([part]) if _layers(self.specs[part]) else "save it as RGB or RGBA",
            )
        all_names = list(self.specs[part].channelnames)
        return Channels(part, tuple(all_names.index(name) for name in taken), tuple(taken))


def _layers(spec: oiio.ImageSpec) -> dict[str, list[str]]:
    """The named layers of a part, in file order: "diffuse" → its channels' full names."""
    layers: dict[str, list[str]] = {}
    for name in spec.channelnames:
        layer, dot, _ = name.rpartition(".")
        if dot:
            layers.setdefault(layer, []).append(name)
    return layers


def _root(spec: oiio.ImageSpec) -> list[str]:
    return [name for name in spec.channelnames if "." not in name]


def _role(name: str) -> str:
    """R, G, B or A for a channel that is named so, with or without a layer before; else ""."""
    return _ROLES.get(name.rpartition(".")[2].lower(), "")
