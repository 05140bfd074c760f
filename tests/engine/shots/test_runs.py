"""Runs: what is refused before the first frame, which palette is taken, what the report says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

from fscs_engine import segment_sequence
from fscs_engine.errors import OutputError, UsageError
from fscs_engine.files.palette_files import read_palette, write_palette
from fscs_engine.palette.palette import Palette, PaletteColor
from fscs_engine.shots.options import SegmentOptions
from fscs_engine.shots.runs import Run, ShotReport
from fscs_engine.shots.sequence import FrameResult
from fscs_engine.shots.shots import open_shot

RED_BLUE = Palette.from_array(np.array([[0.9, 0.1, 0.1], [0.1, 0.1, 0.9]], np.float32))


@pytest.fixture
def plates(tmp_path: Path) -> Path:
    """Frames 1001, 1002 and 1004."""
    for frame in (1001, 1002, 1004):
        pixels = np.zeros((8, 12, 3), np.uint8)
        pixels[:, : frame - 1000] = 200
        Picture.fromarray(pixels).save(tmp_path / f"p.{frame}.png")
    return tmp_path


def run_of(folder: Path, output: str, **options) -> Run:
    return Run.of(open_shot([folder / "p.####.png"]), [str(folder / output)], SegmentOptions(**options))


def test_frames_to_do_and_gaps(plates):
    run = run_of(plates, "l.####.exr", colors=2)
    assert [frame for frame, _ in run.todo] == [1001, 1002, 1004]
    assert [frame for frame, _ in run.gaps] == [1003]
    assert list(run.lost) == []


def test_movies_and_processes_do_not_go_together(plates):
    with pytest.raises(UsageError, match="one movie"):
        run_of(plates, "layers/", colors=2, jobs=2, layer_format="mov")


def test_nothing_is_written_over_before_the_first_frame(plates):
    (plates / "l.1004.exr").write_bytes(b"kept")
    with pytest.raises(OutputError, match=r"l\.1004\.exr"):
        run_of(plates, "l.####.exr", colors=2)
    assert (plates / "l.1004.exr").read_bytes() == b"kept"
    assert not list(plates.glob("l.1001*"))


def test_a_palette_given_whole_is_not_kept(plates):
    run = run_of(plates, "l.####.exr", palette=RED_BLUE)
    assert run.kept_palette is None


def test_a_resumed_run_takes_the_palette_it_kept(plates):
    run = run_of(plates, "l.####.exr", colors=2, resume=True)
    assert run.kept_palette is not None
    write_palette(run.kept_palette, RED_BLUE)
    assert np.array_equal(run.find_palette(None).array, read_palette(run.kept_palette).array)


def test_a_kept_palette_of_another_number_is_refused(plates):
    run = run_of(plates, "l.####.exr", colors=3, resume=True)
    assert run.kept_palette is not None
    write_palette(run.kept_palette, RED_BLUE)
    with pytest.raises(UsageError, match="holds 2 colors, but 3"):
        run.find_palette(None)


def test_a_kept_palette_gives_way_to_no_other_given_color(plates):
    kept = run_of(plates, "l.####.exr", colors=2).kept_palette
    assert kept is not None
    write_palette(kept, RED_BLUE)
    run = run_of(plates, "l.####.exr", colors=2, palette="#00ff00", resume=True)
    with pytest.raises(UsageError, match="begins with #e51a1a, but #00ff00 was given"):
        run.find_palette(None)
    named = Palette((PaletteColor(RED_BLUE.colors[0].rgb, "cup"),))
    found = run_of(plates, "l.####.exr", colors=2, palette=named, resume=True).find_palette(None)
    assert np.array_equal(found.array, RED_BLUE.array)
    assert found.colors[0].name == "cup"


@pytest.mark.parametrize("other", [{"palette_method": "salient"}, {"seed": 3}])
def test_a_kept_palette_was_found_as_it_is_asked_for(plates, other):
    report = segment_sequence(plates / "p.####.png", plates / "l.####.exr", SegmentOptions(colors=2))
    run = run_of(plates, "l.####.exr", colors=2, resume=True)
    assert run.find_palette(None) == report.palette
    with pytest.raises(UsageError, match="was found by kmeans with seed 0, but"):
        run_of(plates, "l.####.exr", colors=2, resume=True, **other).find_palette(None)
    again = SegmentOptions(colors=2, overwrite=True, **other)
    found = segment_sequence(plates / "p.####.png", plates / "l.####.exr", again).palette
    assert run_of(plates, "l.####.exr", colors=2, resume=True, **other).find_palette(None) == found


def test_the_report_counts_and_averages():
    frames = (
        FrameResult(1, "", "done", flicker=0.2),
        FrameResult(2, "", "done", flicker=0.4),
        FrameResult(3, "", "missing"),
    )
    report = ShotReport(RED_BLUE, frames)
    assert (report.count("done"), report.count("missing"), report.count("failed")) == (2, 1, 0)
    assert report.flicker == pytest.approx(0.3)
    assert ShotReport(RED_BLUE, frames[2:]).flicker is None
