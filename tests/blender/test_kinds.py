"""Everything that can be in front of a node, in a shot, in real Blenders."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

LIMIT = 1e-5
NO_PASSES = 3
NOWHERE = {"FSCS_PYTHON": "/nowhere/python"}
STILL = ("jpeg", "generated")


def make_movie(file: Path, picture: np.ndarray) -> None:
    """Five frames of a picture, each brighter than the one before."""
    with av.open(str(file), "w") as movie:
        stream = movie.add_stream("mpeg4", rate=24)
        stream.width, stream.height, stream.pix_fmt = picture.shape[1], picture.shape[0], "yuv420p"
        for number in range(1, 6):
            brighter = (picture * (0.2 * number)).astype(np.uint8)
            for packet in stream.encode(av.VideoFrame.from_ndarray(brighter, format="rgb24")):
                movie.mux(packet)
        for packet in stream.encode():
            movie.mux(packet)


@pytest.mark.slow
def test_every_kind_of_picture(blender, photograph: Path, tmp_path: Path) -> None:
    with Image.open(photograph) as opened:
        small = opened.convert("RGB").resize((64, 48))
    small.save(tmp_path / "still.jpg", quality=90)
    make_movie(tmp_path / "movie.mp4", np.asarray(small))
    blender.run("kinds.py", "make", tmp_path)
    assert blender.run("kinds.py", "fill", tmp_path).result == {"status": 0}
    found = blender.run("kinds.py", "render", tmp_path, variables=NOWHERE).result
    assert sorted(found) == ["animated", "cyclic", "generated", "jpeg", "layered", "movie", "offset"]
    for kind, result in found.items():
        assert (result["frames"], result["error"] <= LIMIT) == (3, True), (kind, result)
        different = len({round(mean, 5) for mean in result["means"]})
        assert different == {"cyclic": 2}.get(kind, 1 if kind in STILL else 3), (kind, result)

    # Another picture under the same name is another picture
    small.rotate(180).save(tmp_path / "still.jpg", quality=90)
    stopped = blender.run("kinds.py", "render", tmp_path, variables=NOWHERE, check=False)
    assert stopped.status == NO_PASSES
    assert "jpeg: frame 1 in the cache is stale" in stopped.err
