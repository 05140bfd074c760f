"""Rows on their way into an EXR: the order of bytes that ZIP packs, and packing that always gives the same."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fscs_engine.files.exr import ExrLayerWriter
from fscs_engine.files.exr_loops import zip_steps


@given(
    height=st.integers(1, 5),
    width=st.integers(1, 70),
    order=st.integers(1, 9).flatmap(lambda count: st.permutations(range(count))),
    kind=st.sampled_from([np.float32, np.float16]),
    seed=st.integers(0, 9),
)
def test_steps_are_those_of_openexr(height: int, width: int, order: list[int], kind: type, seed: int) -> None:
    pixels = np.random.default_rng(seed).normal(0, 9, (height, width, len(order))).astype(kind)
    pixels[:, width // 2 :] = 0
    numbers = np.ascontiguousarray(pixels[..., order].transpose(0, 2, 1)).view(np.uint8).ravel()
    values = np.concatenate([numbers[0::2], numbers[1::2]])
    expected = np.concatenate([values[:1], values[1:] - values[:-1] + np.uint8(128)])
    steps = np.empty(pixels.nbytes, np.uint8)
    zip_steps(pixels, np.array(order, np.int64), np.empty(pixels.nbytes // 2, np.uint16), steps)
    np.testing.assert_array_equal(steps, expected)


@pytest.mark.parametrize("half", [False, True])
def test_equal_rows_give_equal_bytes_whatever_was_in_the_memory(tmp_path: Path, half: bool) -> None:
    """The same rows again and again, between others, by several threads."""
    rng = np.random.default_rng(0)
    same = rng.random((2, 16, 500, 4), dtype=np.float32)
    same[:, :, 100:300] = 0
    layers = rng.normal(0, 1, (2, 16 * 60, 500, 4)).astype(np.float32)
    for block in range(0, 60, 2):
        layers[:, 16 * block : 16 * block + 16] = same
    path = tmp_path / "a.exr"
    size = {"height": layers.shape[1], "width": 500, "layers": 2}
    with ExrLayerWriter(path, **size, metadata={}, color_space="acescg", half=half) as writer:
        writer.write(0, layers)
    found = packed_blocks(path.read_bytes(), 2, 60)
    assert len({data for number, data in found if number // 16 % 2 == 0}) == 2, "one of each layer"
    for _, data in found:
        assert len(data) == 16 * 500 * 4 * (2 if half else 4) or len(zlib.decompress(data)) > len(data)


def packed_blocks(file: bytes, parts: int, blocks: int) -> list[tuple[int, bytes]]:
    """The first row of each block of a file of several parts, and what is packed in it."""
    found = []
    end = len(file)
    at = int.from_bytes(file[(start := first_offset(file, parts, blocks)) : start + 8], "little")
    while at < end:
        _, row, size = np.frombuffer(file, "<i4", 3, at).tolist()
        found.append((row, file[at + 12 : at + 12 + size]))
        at += 12 + size
    return found


def first_offset(file: bytes, parts: int, blocks: int) -> int:
    """Where the table of the blocks begins: it ends where the first block begins."""
    table = 8 * parts * blocks
    return next(at for at in range(len(file)) if int.from_bytes(file[at : at + 8], "little") == at + table)
