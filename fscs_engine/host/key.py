"""The one cache key: equal work has the same key in the command line and in both hosts."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping, Sequence
from typing import Union

from .parameters import BY_NAME

CACHE_FORMAT = 2
"""Raised whenever equal inputs would give other pixels or another file layout."""

MASK_SPACE = "data"
"""What stands for the color space in the identity of a mask's pixels."""

RESULT_PARAMETERS = ("softness", "smoothing", "smoothing_eps", "smoothing_strength", "temporal", "minimum_alpha")
"""The parameters with one value that change pixels; the per-layer ones of the table do too."""

_LEFT_OUT = ("layer_erode", "layer_blur")
"""Per-layer parameters that are left out where no layer has them: files from before they were there keep their keys."""

Values = Mapping[str, Union[bool, int, float, str]]


def canonical_number(value: float) -> str:
    """A number as float32 with 9 significant digits, which tell any two float32 apart.

    >>> canonical_number(0.1)
    '0.100000001'
    """
    single = struct.unpack("<f", struct.pack("<f", value))[0]
    return format(single + 0.0, ".9g")  # + 0.0 makes -0 to 0


def result_parameters(
    values: Values,
    layers: Mapping[str, Mapping[int, float]],
    *,
    working_space: str,
    input_space: str,
    precision: str = "float32",
    input_layer: str = "",
    clean_nonfinite: bool = False,
    ocio_identity: str = "",
    depth: str = "float",
    alpha: str = "auto",
    converted: bool = False,
) -> dict[str, object]:
    """Everything that is chosen and changes pixels, defaults filled in, in canonical form.

    Args:
        values: single-valued parameters by name; what is missing has its default.
        layers: per-layer parameters by name, then by layer from 1; defaults are left out of the result.
        working_space: resolved.
        input_space: the color space that the input was read in.
        precision: resolved, of the networks.
        input_layer: the layer of the file that was read, empty for its own RGB.
        clean_nonfinite: whether NaN and infinity were cleaned.
        ocio_identity: :func:`file_identity` of the OpenColorIO config, empty for the built-in one.
        depth: of the layers' file: ``float``, or ``half``, or with clipping ``float-clip``, ``half-clip``.
        alpha: what was chosen for the colors of the input; ``auto`` is left out of the result.
        converted: whether what the file says of its colors had them converted into ``input_space``; False is left out.
    """
    filled: dict[str, object] = {
        name: canonical_number(float(values.get(name, BY_NAME[name].default))) for name in RESULT_PARAMETERS
    }
    for name, parameter in BY_NAME.items():
        if parameter.per_layer:
            default = canonical_number(float(parameter.default))
            numbers = {str(layer): canonical_number(value) for layer, value in layers.get(name, {}).items()}
            filled[name] = {layer: number for layer, number in sorted(numbers.items()) if number != default}
            if name in _LEFT_OUT and not filled[name]:
                del filled[name]
    filled.update(
        working_space=working_space,
        input_space=input_space,
        precision=precision,
        input_layer=input_layer,
        clean_nonfinite=clean_nonfinite,
        ocio=ocio_identity,
        depth=depth,
    )
    if alpha != "auto":
        filled["alpha"] = alpha
    if converted:
        filled["converted"] = True
    return filled


def canonical_json(value: object) -> str:
    """JSON with sorted keys and no blanks. Floats are refused: they come as :func:`canonical_number`.

    Raises:
        TypeError: a float inside.
    """
    _refuse_floats(value)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _refuse_floats(value: object) -> None:
    if isinstance(value, float):
        raise TypeError(f"{value!r}: numbers in a key are canonical_number()")
    if isinstance(value, Mapping):
        for part in value.values():
            _refuse_floats(part)
    elif isinstance(value, (list, tuple)):
        for part in value:
            _refuse_floats(part)


def cache_key(
    *,
    weights_sha256: str,
    palette: Sequence[Sequence[float]],
    parameters: Mapping[str, object],
    input_identity: str,
    masks: Sequence[Mapping[str, object]] = (),
) -> str:
    """sha256 of the canonical JSON of everything that decides the pixels.

    Args:
        weights_sha256: of the model's weights.
        palette: (K, 3) sRGB.
        parameters: from :func:`result_parameters`.
        input_identity: :func:`file_identity` of a file, or :func:`pixels_identity` of captured pixels.
        masks: in order, each ``{"mode": …, "layers": […], "identity": …}``.

    Returns:
        64 hex digits.
    """
    parts = {
        "format": CACHE_FORMAT,
        "weights": weights_sha256,
        "palette": [[canonical_number(channel) for channel in color] for color in palette],
        "parameters": dict(parameters),
        "input": input_identity,
        "masks": [
            {"mode": mask["mode"], "layers": list(mask["layers"]), "identity": mask["identity"]}  # type: ignore[call-overload]
            for mask in masks
        ],
    }
    return hashlib.sha256(canonical_json(parts).encode("ascii")).hexdigest()


def file_identity(path: object) -> str:
    """sha256 of a file's bytes, in hex. ``path`` is anything ``open`` takes."""
    digest = hashlib.sha256()
    with open(path, "rb") as opened:  # type: ignore[call-overload]  # noqa: PTH123  # str or Path, both hosts
        for block in iter(lambda: opened.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def pixels_identity(data: object, height: int, width: int, channels: int, color_space: str) -> str:
    """sha256 of captured pixels and what they mean, in hex. ``data`` is a buffer of little-endian float32."""
    digest = hashlib.sha256(f"{height},{width},{channels},{color_space};".encode())
    digest.update(data)  # type: ignore[arg-type]
    return digest.hexdigest()


def window_identity(identities: Sequence[str], at: int) -> str:
    """What stands for the input of a frame that the frames around it change.

    Args:
        identities: of the frames of the window in their order, each of :func:`file_identity` or
            :func:`pixels_identity`.
        at: position of the frame itself.
    """
    digest = hashlib.sha256(f"window {at}\n".encode())
    for identity in identities:
        digest.update(identity.encode() + b"\n")
    return digest.hexdigest()
