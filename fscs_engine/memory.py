"""Memory for whole pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray


def empty(shape: Sequence[int]) -> NDArray[np.float32]:
    """An array with anything in it, as ``np.empty``, from PyTorch's allocator.

    NumPy asks the kernel for huge pages, and to clear a fresh one took up to five times as long on virtual machines
    as the small pages it stands for (measured; the whole of a 4K frame took half as long again).
    """
    return torch.empty(tuple(shape), dtype=torch.float32).numpy()
