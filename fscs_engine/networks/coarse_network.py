"""The `any-palette` network on the coarse grid, on the CPU: PyTorch's convolutions between compiled loops.

A block of the network takes some rows at a time, with all that belongs to it, so that what lies between its steps stays
in the cache; threads share the rows. What has to be whole between two blocks stands in one piece of memory that is kept
for the next picture. With a plane after another and whole pictures between all steps, most of the time went into
rearranging planes for the convolutions and into fresh memory.

Every block sees a row beyond its own above and below, and outside the picture zeros, as padded convolutions do.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ..runtime.memory import empty
from ..runtime.threads import over_rows
from .any_palette import AnyPaletteNetwork, SetBlock, avg_pool
from .set_loops import add_common_rows, feature_rows, mean_rows, model_rows, pool_rows, share_rows, upsample_rows

Sets = NDArray[np.float32]
"""(h, K, w + 1, C), see `set_loops.py`; those that are whole have a row of zeros above and below."""

Rows = Callable[[int, int], Sets]
"""Gives the rows from the first to before the last, which may be one outside the picture."""

_ROWS_BYTES = 900_000  # of the result, that a thread takes at a time
_LEAST_BLOCKS = 8  # so that threads end together
_SHARE_ROWS = 16


class CoarseNetwork:
    """:meth:`AnyPaletteNetwork.models` for one picture.

    Args:
        network: on the CPU.
        kept: whether the memory is kept for the next picture; tiles of a large one have sizes that are asked for once.
    """

    def __init__(self, network: AnyPaletteNetwork, *, kept: bool = True) -> None:
        self._network, self._kept = network, kept
        scales, start = network.get_buffer("scales"), network.get_buffer("start")
        bias = network.head.bias if network.head.bias is not None else torch.zeros_like(start)
        self._head = network.head.weight.flatten(1) * scales[:, None], bias * scales + start

    def models(
        self,
        grid: NDArray[np.float32],
        palette: NDArray[np.float32],
        offsets: NDArray[np.float32],
        mixed: NDArray[np.float32],
        corner: tuple[int, int],
        out: NDArray[np.float32],
    ) -> None:
        """The local color models of a part of the cells.

        Args:
            grid: (6, h, w).
            palette: (K, 3) sRGB in [0, 1].
            offsets: (K, C) of the palette's embedding.
            mixed: (K, h, w), the mixtures of the cells.
            corner: row and column of the part's first cell.
            out: (K, 13, h', w'), written.
        """
        network = self._network
        beyond = ((0, 0), (0, -grid.shape[1] % 4), (0, -grid.shape[2] % 4))
        grid, mixed = np.pad(grid, beyond, mode="edge"), np.pad(mixed, beyond, mode="edge")
        run = _Run(len(palette), grid.shape[1], grid.shape[2], network.widths, kept=self._kept)
        share = empty(mixed.shape)

        def soft_shares(top: int, bottom: int) -> None:
            share_rows(grid[:, top:bottom], palette, share[:, top:bottom])

        def features(top: int, bottom: int) -> Sets:
            inputs = run.new(bottom - top, grid.shape[2], network.stem.conv.in_channels)
            feature_rows(grid, palette, mixed, share, top, inputs)
            return inputs

        def head(top: int, bottom: int) -> None:
            first, last = max(0, top - corner[0]), min(out.shape[2], bottom - corner[0])
            if last > first:
                rows = _linear(run.first[first + corner[0] + 1 : last + corner[0] + 1], *self._head)
                model_rows(rows, corner[1], out[:, :, first:last])

        over_rows(soft_shares, 0, grid.shape[1], _SHARE_ROWS, run.threads)
        share2 = avg_pool(torch.from_numpy(share)).numpy()
        share4 = avg_pool(torch.from_numpy(share2)).numpy()
        run.block(network.stem, features, share, run.first, offsets)
        run.block(network.fine, _stored(run.first), share, run.second)
        run.block(network.down1, run.pooled(run.second), share2, run.middle)
        run.block(network.middle, _stored(run.middle), share2, run.other)
        run.block(network.down2, run.pooled(run.other), share4, run.coarse)
        run.block(network.coarse, _stored(run.coarse), share4, run.last)
        run.block(network.decoder1, run.upsampled(network.up1, run.last, run.other), share2, run.middle)
        run.block(network.decoder2, run.upsampled(network.up2, run.middle, run.second), share, run.first, after=head)


class _Run:
    """One picture's way through the blocks.

    Args:
        count: K.
        height: of the finest sets, a multiple of 4.
        width: the same.
        widths: planes of the fine, middle and coarse sets.
        kept: see :class:`CoarseNetwork`.

    Attributes:
        first, second: fine sets, half the size the next two, a quarter the last two.
        threads: that share the rows.
    """

    def __init__(self, count: int, height: int, width: int, widths: tuple[int, int, int], *, kept: bool) -> None:
        self.count, self.threads = count, torch.get_num_threads()
        shapes = [
            (height // size + 2, count, width // size + 1, planes)
            for size, planes in zip((1, 2, 4), widths, strict=True)
            for _ in range(2)
        ]
        ends = np.cumsum([math.prod(shape) for shape in shapes])
        memory = empty((int(ends[-1]),)) if kept else torch.empty(int(ends[-1])).numpy()
        whole = [part.reshape(shape) for part, shape in zip(np.split(memory, ends[:-1]), shapes, strict=True)]
        for sets in whole:
            sets[0], sets[-1] = 0.0, 0.0
        self.first, self.second, self.middle, self.other, self.coarse, self.last = whole

    def new(self, rows: int, width: int, planes: int) -> Sets:
        """Room for some rows."""
        return empty((rows, self.count, width + 1, planes))

    def block(
        self,
        block: SetBlock,
        inputs: Rows,
        share: NDArray[np.float32],
        out: Sets,
        offsets: NDArray[np.float32] | None = None,
        *,
        after: Callable[[int, int], None] = lambda top, bottom: None,
    ) -> None:
        """A whole block of the network.

        Args:
            block: its weights.
            inputs: gives the sets it works on.
            share: (K, h, w) at their size.
            out: whole sets, written.
            offsets: see :meth:`SetBlock.forward`.
            after: called with rows of the result as they are made.
        """
        _, height, width = share.shape
        planes = out.shape[3]
        added = np.empty((0, planes), np.float32) if offsets is None else offsets

        def work(top: int, bottom: int) -> None:
            before = inputs(top - 1, bottom + 1)
            sets = _convolved(before, block.conv).reshape(bottom - top, self.count, width + 1, planes)
            means = empty((bottom - top, width, 2 * planes))
            mean_rows(sets, added, share, top, means)
            common = _linear(means, block.mix.weight.flatten(1), block.mix.bias)
            result = out[top + 1 : bottom + 1]
            add_common_rows(sets, common, before[1:-1] if block.residual else before[:0], result)
            after(top, bottom)

        rows = min(_ROWS_BYTES // (4 * out[0].size), -(-height // _LEAST_BLOCKS))
        over_rows(work, 0, height, max(1, rows), self.threads)

    def pooled(self, sets: Sets) -> Rows:
        """Means of 2×2 of whole sets."""

        def rows(top: int, bottom: int) -> Sets:
            pooled = self.new(bottom - top, sets.shape[2] // 2, sets.shape[3])
            pool_rows(sets, top, pooled)
            return pooled

        return rows

    def upsampled(self, up: torch.nn.Conv2d, small: Sets, sets: Sets) -> Rows:
        """Whole sets, and added to them small ones, doubled."""
        height = len(small) - 2

        def rows(top: int, bottom: int) -> Sets:
            first, last = max(0, (top - 1) // 2), min(height, bottom // 2 + 1)
            raised = _linear(small[first + 1 : last + 1], up.weight.flatten(1), up.bias)
            upsampled = self.new(bottom - top, sets.shape[2] - 1, sets.shape[3])
            upsample_rows(raised, first, height, sets, top, upsampled)
            return upsampled

        return rows


def _stored(sets: Sets) -> Rows:
    """Rows of whole sets."""
    return lambda top, bottom: sets[top + 1 : bottom + 1]


def _convolved(sets: Sets, layer: torch.nn.Conv2d) -> NDArray[np.float32]:
    """A padded convolution of all rows but the first and the last: (h + 2, K, w + 1, C) → (h, K · (w + 1), C')."""
    rows, _, _, planes = sets.shape
    inputs = torch.from_numpy(sets.reshape(1, rows, -1, planes)).permute(0, 3, 1, 2)
    found = F.conv2d(inputs, layer.weight, layer.bias, padding=(0, 1))
    return found.permute(0, 2, 3, 1)[0].contiguous().numpy()


def _linear(numbers: NDArray[np.float32], weight: Tensor, bias: Tensor | None) -> NDArray[np.float32]:
    """(…, C) → (…, C'), a convolution of 1×1."""
    return F.linear(torch.from_numpy(numbers), weight, bias).numpy()
