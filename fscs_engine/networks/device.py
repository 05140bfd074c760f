"""Which device and which precision the networks run in."""

from __future__ import annotations

import torch

from ..errors import DeviceError
from ..host.parameters import BY_NAME

_DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def resolve_device(name: str) -> torch.device:
    """``auto`` takes CUDA, then MPS, then the CPU; a name takes that device.

    Raises:
        DeviceError: unknown, or not on this machine (nothing falls back silently).
    """
    if name not in BY_NAME["device"].choices:
        raise DeviceError(f"unknown device {name!r}", cure=f"use {', '.join(BY_NAME['device'].choices)}")
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device(next(kind for kind in ("cuda", "mps", "cpu") if there[kind]))
    if not there[name]:
        raise DeviceError(f"device {name} is not available here", cure="use --device auto or cpu")
    return torch.device(name)


def resolve_precision(name: str, device: torch.device) -> torch.dtype:
    """``auto`` is float32.

    Raises:
        DeviceError: unknown, or not to be had on the device.
    """
    if name == "auto":
        return torch.float32
    if name not in _DTYPES:
        raise DeviceError(f"unknown precision {name!r}", cure=f"use auto, {', '.join(_DTYPES)}")
    if name == "float16" and device.type == "cpu":
        raise DeviceError("float16 needs a GPU", cure="use --precision float32 or bfloat16 on the CPU")
    return _DTYPES[name]
