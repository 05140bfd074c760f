"""The precision of the networks: that which was asked for, and no less."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext

import torch

_lock = threading.Lock()
_inside = 0
_switched = ExitStack()


@contextmanager
def numerics(device: torch.device, dtype: torch.dtype) -> Iterator[None]:
    """What convolutions compute in; on CUDA, cuDNN neither rounds to TF32 nor adds in any order.

    Args:
        device: of the networks.
        dtype: ``torch.float32``, or that of the convolutions in mixed precision.
    """
    switches = _exact_cudnn() if device.type == "cuda" else nullcontext()
    with torch.autocast(device.type, dtype, enabled=dtype != torch.float32), switches:
        yield


@contextmanager
def _exact_cudnn() -> Iterator[None]:
    """cuDNN's switches belong to the process: the first thread that needs them sets them, the last puts them back."""
    global _inside  # noqa: PLW0603  # of the process, as the switches are
    with _lock:
        if not _inside:
            cudnn = torch.backends.cudnn
            # Left out, ``enabled`` would be False, and the convolutions several times slower.
            _switched.enter_context(
                cudnn.flags(enabled=cudnn.enabled, deterministic=True, benchmark=False, allow_tf32=False)
            )
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside:
                _switched.close()
