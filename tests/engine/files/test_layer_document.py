"""What all documents have in common: equal bytes however the rows come, sizes, all or nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from rounding import error_bound

from fscs_engine.errors import OutputError, RangeError, UsageError
from fscs_engine.files import ora, psd
from fscs_engine.palette.palette import Palette

pytest.importorskip("psd_tools")

PhotoLayers = Callable[..., tuple[np.ndarray, np.ndarray]]
Write = Callable[..., Path]
PALETTE = Palette.from_array(np.linspace(0, 1, 48).reshape(16, 3))
READERS = {".ora": ora, ".psd": psd}

pytestmark = pytest.mark.parametrize("suffix", list(READERS))


def test_strips_time_and_place_leave_no_trace(
    tmp_path: Path, photo_layers: PhotoLayers, write_document: Write, suffix: str
) -> None:
    layers, _ = photo_layers(2, True)
    metadata = {"softcolor:key": "ä\"<&'", "a": "1"}
    first = write_document(tmp_path / f"a{suffix}", layers, blend="add", metadata=metadata)
    (tmp_path / "é").mkdir()
    second = write_document(tmp_path / "é" / f"b c{suffix}", layers, (1, 64, 3, 4), blend="add", metadata=metadata)
    assert first.read_bytes() == second.read_bytes()
    read_metadata = READERS[suffix].read_metadata
    assert read_metadata(first) == metadata
    assert read_metadata(write_document(tmp_path / f"c{suffix}", layers)) == {}


def test_all_or_nothing(tmp_path: Path, photo_layers: PhotoLayers, write_document: Write, suffix: str) -> None:
    layers, _ = photo_layers(2)
    file = tmp_path / f"a{suffix}"
    with pytest.raises(ValueError, match="20 of 72 rows"):
        write_document(file, layers, (20,))
    with pytest.raises(ValueError, match="strip"):
        write_document(file, layers, palette=PALETTE)
    bright = layers.copy()
    bright[1, 70, 3, :3] = 2
    with pytest.raises(RangeError, match="y=70"):
        write_document(file, bright)
    assert not list(tmp_path.iterdir())
    write_document(file, bright, clip=True)
    with pytest.raises(OutputError, match="exists already"):
        write_document(file, layers)
    write_document(file, layers, overwrite=True)
    for options, message in (({"blend": "screen"}, "'screen'"), ({"bits": 12}, "12 bits")):
        with pytest.raises(UsageError, match=message):
            write_document(tmp_path / f"b{suffix}", layers, **options)
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("shape", [(1, 1), (1, 700), (700, 1), (64, 3), (65, 3)])
def test_odd_sizes(tmp_path: Path, suffix: str, shape: tuple[int, int], write_document: Write) -> None:
    layers = np.full((2, *shape, 4), 0.5, np.float32)
    for blend in ("over", "add"):
        for bits in (8, 16):
            path = write_document(tmp_path / f"a{suffix}", layers, blend=blend, bits=bits, overwrite=True)
            error = READERS[suffix].composite_error(path, layers.sum(axis=0))
            assert error <= error_bound(2, bits)
