"""A stereo script: %V in the names, every view rendered, and each view's own layers read back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from plug_in import CHANNELS, layers_of, module, node_over, render, write_plate

pytestmark = pytest.mark.slow

VIEWS = ("left", "right")


@pytest.fixture
def stereo(with_engine: Path, host, tmp_path: Path):
    """A node below a Read whose files differ from view to view."""
    host.views, host.view_now = list(VIEWS), "left"
    for seed, view in enumerate(VIEWS):
        write_plate(tmp_path / view / "plate.1001.exr", seed=seed)
    node = node_over(host, f"{tmp_path}/%V/plate.%04d.exr", f"{tmp_path}/layers %V/l_%v.%04d.exr")
    node["last_frame"].setValue(1001)
    return node


def total(node) -> np.ndarray:
    return layers_of(node._picture(), 3).sum(axis=0)


def test_all_views_are_rendered_and_each_has_its_own(stereo, host, tmp_path: Path) -> None:
    module("buttons").render(stereo)
    assert host.messages == []
    files = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.glob("layers*/*"))
    assert files == ["layers left/l_l.1001.exr", "layers right/l_r.1001.exr"]
    sums = {}
    for view in VIEWS:
        with host.at(1001, view):
            plate = stereo.input(0)._picture()
            sums[view] = total(stereo)
            expected = np.stack([plate.channels[f"rgba.{one}"] for one in CHANNELS], -1)
            np.testing.assert_allclose(sums[view], expected, rtol=2e-6, atol=2e-6)
            assert module("callbacks").state(stereo, 1001, view, sure=True) == ""
    assert np.abs(sums["left"] - sums["right"]).max() > 0.01
    assert stereo.input(0)._host.view_now == "left"


def test_one_view_that_is_missing_is_said(stereo, host, tmp_path: Path) -> None:
    module("buttons").render(stereo)
    (tmp_path / "layers right" / "l_r.1001.exr").unlink()
    assert module("callbacks").state(stereo, 1001, "left") == ""
    assert "not rendered" in module("callbacks").state(stereo, 1001, "right")


def test_a_file_for_all_views_of_a_stereo_image_is_refused(stereo, host, tmp_path: Path) -> None:
    stereo["cache_file"].setValue(f"{tmp_path}/layers.%04d.exr")
    module("buttons").render(stereo)
    assert "put %V into the name" in host.messages[-1][1] and not list(tmp_path.glob("*.exr"))
    module("callbacks").update(stereo)
    assert "put %V into the name" in stereo["status"].value()
    # An image that is the same in each view has one file.
    stereo.input(0)["file"].setValue(f"{tmp_path}/left/plate.%04d.exr")
    render(stereo, views=["left"])
    assert (tmp_path / "layers.1001.exr").is_file()


def test_more_views_than_names_are_refused(stereo, tmp_path: Path) -> None:
    stereo.input(0)["file"].setValue(f"{tmp_path}/left/plate.%04d.exr")
    stereo["cache_file"].setValue(f"{tmp_path}/layers.%04d.exr")
    with pytest.raises(module("fscs.protocol").WorkerError, match="has no view"):
        render(stereo, views=VIEWS)
