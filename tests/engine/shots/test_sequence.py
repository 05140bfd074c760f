"""Shots through the public interface: real EXR files, real processes, some of them killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
import weakref
import zipfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from imagecodecs import cms_profile
from PIL import Image as Pillow

from fscs_engine import (
    AlphaProcessing,
    Image,
    ModelSettings,
    Palette,
    Segmenter,
    SegmentOptions,
    ShotMask,
    segment,
)
from fscs_engine import segment_sequence as segment_with_options
from fscs_engine.color import LIN_REC709, SRGB, ColorSpaces
from fscs_engine.errors import CancelledError, InputError, OutputError, ProcessError, UsageError
from fscs_engine.files import ora, psd
from fscs_engine.files.exr import read_layers, write_exr
from fscs_engine.files.palette_files import read_palette
from fscs_engine.files.png import write_png
from fscs_engine.files.reading import open_image, read_image
from fscs_engine.host import key
from fscs_engine.runtime.interrupts import interruptible
from fscs_engine.shots import processes
from fscs_engine.shots.frames import FramePattern
from fscs_engine.shots.outputs import Delivery, parse_output
from fscs_engine.shots.sequence import ShotWork, segment_frames
from fscs_engine.shots.shots import open_shot, plan

ROOT = Path(__file__).resolve().parents[3]
HEIGHT, WIDTH, FRAMES = 48, 64, 8
COLORS = Palette.from_hex("#270a05,#a53615,#e1b389,#f6e9d9")


def segment_sequence(source, output, palette=None, processing=None, **more):
    """The options as keywords."""
    told = {name: more.pop(name) for name in ("progress", "done", "cancelled") if name in more}
    more |= {"colors": palette} if isinstance(palette, int) else {"palette": palette}
    return segment_with_options(
        source, output, SegmentOptions(processing=processing or AlphaProcessing(), **more), **told
    )


def frame(number: int, cut: int | None = None) -> np.ndarray:
    """A still of the coffee with fresh grain; from ``cut`` on another part of it."""
    with Pillow.open(ROOT / "examples" / "coffee.png") as opened:
        photo = np.asarray(opened.convert("RGB"), dtype=np.float32) / np.float32(255)
    top, left = (60, 120) if cut is None or number < cut else (300, 400)
    grain = np.random.default_rng(number).normal(0, 0.006, (HEIGHT, WIDTH, 3))
    picture = np.clip(photo[top : top + HEIGHT, left : left + WIDTH] + grain, 0, 1).astype(np.float32)
    return ColorSpaces().convert(np.ascontiguousarray(picture), SRGB, LIN_REC709)


def write_shot(folder: Path, numbers=range(1001, 1001 + FRAMES), cut: int | None = None, name="plate") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        write_exr(folder / f"{name}.{number:04d}.exr", Image.from_pixels(frame(number, cut), LIN_REC709))
    return folder / f"{name}.####.exr"


@pytest.fixture
def shot(tmp_path: Path) -> Path:
    return write_shot(tmp_path / "a plate é")


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


def assert_same_layers(first: Path, second: Path) -> None:
    """Byte for byte, though processes that share the threads have fewer each."""
    names = sorted(file.name for file in first.glob("*.exr"))
    assert names == sorted(file.name for file in second.glob("*.exr"))
    assert names
    for name in names:
        assert (first / name).read_bytes() == (second / name).read_bytes()


def statuses(report) -> dict[int, str]:
    return {result.frame: result.status for result in report.frames}


def test_every_frame_adds_up_and_keeps_its_number(shot, tmp_path):
    out = tmp_path / "out"
    report = segment_sequence(shot, out / "layers.####.exr", 4)
    assert statuses(report) == dict.fromkeys(range(1001, 1001 + FRAMES), "done")
    assert read_palette(out / "layers.palette.json") == report.palette
    assert len(report.palette) == 4
    for number in range(1001, 1001 + FRAMES):
        layers = read_layers(out / f"layers.{number}.exr").layers
        picture = read_image(shot.with_name(f"plate.{number}.exr")).pixels
        assert np.abs(layers.sum(axis=0)[..., :3] - picture).max() <= 2e-6


def test_a_frame_of_a_shot_is_the_frame_alone(shot, tmp_path):
    segment_sequence(shot, tmp_path / "o.####.exr", COLORS)
    alone = segment(shot.with_name("plate.1003.exr"), SegmentOptions(palette=COLORS))
    assert np.array_equal(read_layers(tmp_path / "o.1003.exr").layers, alone.pixels)


@pytest.mark.parametrize("temporal", [0.0, 1.0])
def test_chunks_give_the_bytes_of_one_run(shot, tmp_path, temporal):
    processing = AlphaProcessing(temporal=temporal)
    segment_sequence(shot, tmp_path / "whole" / "l.####.exr", COLORS, processing)
    for chunk in ("1006-1008", "1001-1003", "1005", "1004"):
        segment_sequence(shot, tmp_path / "parts" / "l.####.exr", COLORS, processing, frames=chunk)
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")


@pytest.mark.slow
def test_several_processes_give_the_layers_of_one(shot, tmp_path):
    segment_sequence(shot, tmp_path / "one" / "l.####.exr", COLORS, AlphaProcessing(temporal=1.0))
    report = segment_sequence(shot, tmp_path / "two" / "l.####.exr", COLORS, AlphaProcessing(temporal=1.0), jobs=2)
    assert_same_layers(tmp_path / "one", tmp_path / "two")
    assert [result.frame for result in report.frames] == list(range(1001, 1001 + FRAMES))


def test_temporal_smoothing_calms_and_stays_exact(shot, tmp_path):
    rough = segment_sequence(shot, tmp_path / "a.####.exr", COLORS, measure_flicker=True)
    calm = segment_sequence(shot, tmp_path / "b.####.exr", COLORS, AlphaProcessing(temporal=1.0), measure_flicker=True)
    assert rough.frames[0].flicker is None
    assert rough.flicker > 0
    assert calm.flicker < 0.8 * rough.flicker
    assert max(result.error_max for result in calm.frames) <= 1e-6


def test_a_cut_is_respected(tmp_path):
    pattern = write_shot(tmp_path / "in", cut=1005)
    report = segment_sequence(pattern, tmp_path / "a.####.exr", COLORS, AlphaProcessing(temporal=1.0))
    assert [result.frame for result in report.frames if result.cut] == [1005]
    write_shot(tmp_path / "second", range(1005, 1009), cut=1005)
    segment_sequence(tmp_path / "second", tmp_path / "b.####.exr", COLORS, AlphaProcessing(temporal=1.0))
    for number in (1005, 1006):
        both = (read_layers(tmp_path / f"{name}.{number}.exr").layers for name in "ab")
        assert np.array_equal(*both)


def test_resume_does_only_what_is_missing_or_other(shot, tmp_path):
    out = tmp_path / "out"

    def run(palette=COLORS, **more):
        return statuses(segment_sequence(shot, out / "l.####.exr", palette, resume=True, **more))

    run()
    before = contents(out)
    (out / "l.1002.exr").unlink()
    (out / "l.1004.exr").write_bytes(before["l.1004.exr"][:-400])
    (out / "l.1005.exr").write_bytes(b"")
    again = run()
    assert [number for number, status in again.items() if status == "done"] == [1002, 1004, 1005]
    assert contents(out) == before
    write_exr(shot.with_name("plate.1007.exr"), Image.from_pixels(frame(7), LIN_REC709), overwrite=True)
    assert [number for number, status in run().items() if status == "done"] == [1007]
    assert set(run(Palette.from_hex("#270a05,#a53615,#e1b389,#ffffff")).values()) == {"done"}


@pytest.mark.parametrize("single", [False, True])
def test_resume_sees_whether_the_image_is_kept(shot, tmp_path, single):
    def run(keep):
        report = segment_sequence(
            shot, tmp_path / "l.####.exr", COLORS, frames="1001", resume=True, keep_image=keep, single_part=single
        )
        with open_image(tmp_path / "l.1001.exr") as opened:
            return report.frames[0].status, any("R" in spec.channelnames for spec in opened.specs)

    assert run(False) == ("done", False)
    assert run(True) == ("done", True)
    assert run(True) == ("skipped", True)
    assert run(False) == ("done", False)


@pytest.mark.parametrize(
    ("output", "kind"), [("l.####.exr", "png"), ("l.####.ora", "png"), ("l/", "png"), ("l/", "tiff")]
)
def test_resume_sees_the_names_of_the_colors(shot, tmp_path, output, kind):
    def run(*names):
        named = Palette(tuple(replace(color, name=name) for color, name in zip(COLORS, names, strict=True)))
        report = segment_sequence(shot, f"{tmp_path}/{output}", named, frames="1001", resume=True, layer_format=kind)
        return report.frames[0].status

    assert run("sky", "cup", "foam", "") == "done"
    assert run("sky", "cup", "foam", "") == "skipped"
    assert run("sky", "mug", "foam", "") == "done"


def test_resume_takes_no_layers_of_another_format(shot, tmp_path, monkeypatch):
    monkeypatch.setattr(key, "CACHE_FORMAT", key.CACHE_FORMAT - 1)
    segment_sequence(shot, tmp_path / "l.####.exr", COLORS, frames="1001")
    monkeypatch.undo()
    again = segment_sequence(shot, tmp_path / "l.####.exr", COLORS, frames="1001-1002", resume=True)
    assert statuses(again) == {1001: "done", 1002: "done"}


def test_resume_knows_whether_a_profile_was_followed(tmp_path):
    """What is converted into a space is not what is taken for that space."""
    p3 = cms_profile(
        "rgb", gamma=1.0, primaries=[0.68, 0.32, 1, 0.265, 0.69, 1, 0.15, 0.06, 1], whitepoint=[0.3, 0.3, 1]
    )
    Pillow.fromarray((frame(0) * 255).astype(np.uint8)).save(tmp_path / "p.1.png", icc_profile=p3)
    whole = []
    for space in ("auto", "lin_rec709"):
        (result,) = segment_sequence(
            tmp_path / "p.1.png", tmp_path / "l.1.exr", COLORS, input_space=space, resume=True
        ).frames
        assert (result.status, result.reading.space) == ("done", "lin_rec709")
        whole.append(read_layers(tmp_path / "l.1.exr").layers.sum(axis=0))
    assert np.abs(whole[0] - whole[1]).max() > 0.01


def test_resume_knows_what_temporal_smoothing_saw(shot, tmp_path):
    calm = AlphaProcessing(temporal=0.5)
    segment_sequence(shot, tmp_path / "l.####.exr", COLORS, calm)
    write_exr(shot.with_name("plate.1001.exr"), Image.from_pixels(frame(7), LIN_REC709), overwrite=True)
    again = segment_sequence(shot, tmp_path / "l.####.exr", COLORS, calm, resume=True)
    assert [result.frame for result in again.frames if result.status == "done"] == [1001, 1002, 1003]


def test_resume_decodes_no_more_than_it_computes(shot, tmp_path, monkeypatch):
    for number in range(1001, 1001 + FRAMES):
        write_png(tmp_path / f"mask.{number}.png", np.full((HEIGHT, WIDTH, 3), (number - 1001) / FRAMES, np.float32))
    masks = [ShotMask(FramePattern(str(tmp_path / "mask.####.png")), "limit", (2,))]
    decoded = []

    def read_image_and_tell(path, **more):
        decoded.append(path.name)
        return read_image(path, **more)

    def run(**more):
        return statuses(segment_sequence(shot, tmp_path / "o" / "l.####.exr", COLORS, masks=masks, **more))

    run()
    before = contents(tmp_path / "o")
    monkeypatch.setattr("fscs_engine.shots.shots.read_image", read_image_and_tell)
    (tmp_path / "o" / "l.1003.exr").unlink()
    (tmp_path / "mask.1006.png").write_bytes((tmp_path / "mask.1001.png").read_bytes())
    again = run(resume=True)
    assert [number for number, status in again.items() if status == "done"] == [1003, 1006]
    assert decoded == ["plate.1003.exr", "plate.1006.exr"]
    after = contents(tmp_path / "o")
    assert [name for name in before if after[name] != before[name]] == ["l.1006.exr"]


@pytest.mark.parametrize("how", ["resume", "dry run"])
def test_what_is_not_computed_needs_no_networks(shot, tmp_path, monkeypatch, how):
    calm = AlphaProcessing(temporal=1.0)
    segment_sequence(shot, tmp_path / "l.####.exr", COLORS, calm)
    segmenter = Segmenter()
    monkeypatch.setattr(segmenter.model, "predict", None)
    opened = open_shot([shot])
    output = parse_output(str(tmp_path / f"{'l' if how == 'resume' else 'm'}.####.exr"))
    options = SegmentOptions(processing=calm, resume=how == "resume", dry_run=how != "resume")
    work = ShotWork(opened, COLORS, Delivery((output,), options))
    todo, _, _ = plan(opened, None, "error")
    results = segment_frames(work, todo, segmenter)
    assert {result.status for result in results} == {"skipped" if how == "resume" else "pending"}


@pytest.mark.parametrize(("temporal", "ahead", "most"), [(0.0, 1, 3), (1.0, 2, 5)])
def test_no_more_frames_are_held_than_are_needed(shot, tmp_path, monkeypatch, temporal, ahead, most):
    """Those that are written, computed and read ahead; with temporal smoothing those of the window."""
    read, counts, strips = [], [], Segmenter.strips

    def read_image_and_tell(path, **more):
        image = read_image(path, **more)
        read.append(weakref.ref(image))
        return image

    def counted_strips(*given, **more):
        deadline = time.monotonic() + 60
        while len(read) < min(FRAMES, len(counts) + 1 + ahead) and time.monotonic() < deadline:
            time.sleep(0.01)
        counts.append(sum(image() is not None for image in read))
        yield from strips(*given, **more)

    monkeypatch.setattr("fscs_engine.shots.shots.read_image", read_image_and_tell)
    monkeypatch.setattr(Segmenter, "strips", counted_strips)
    segment_sequence(shot, tmp_path / "l.####.exr", COLORS, AlphaProcessing(temporal=temporal))
    assert len(counts) == FRAMES
    assert max(counts) <= most


def test_png_layers_are_resumed_too(shot, tmp_path):
    segment_sequence(shot, f"{tmp_path}/png/", COLORS)
    before = contents(tmp_path / "png")
    assert "plate.layer1.1001.png" in before
    (tmp_path / "png" / "plate.layer3.1006.png").unlink()
    again = segment_sequence(shot, f"{tmp_path}/png/", COLORS, resume=True)
    assert [result.frame for result in again.frames if result.status == "done"] == [1006]
    assert contents(tmp_path / "png") == before


def folder_layers(folder, frame):
    """The numbers of the layers of a frame."""
    return sorted(int(file.name.split(".")[1].removeprefix("layer")) for file in folder.glob(f"*.{frame}.*"))


@pytest.mark.parametrize("kind", ["png", "tiff"])
def test_fewer_colors_leave_no_old_layers(shot, tmp_path, kind):
    def run(count, frames, **more):
        palette = Palette(COLORS.colors[:count])
        segment_sequence(shot, f"{tmp_path}/l/", palette, frames=frames, layer_format=kind, **more)
        return [folder_layers(tmp_path / "l", frame) for frame in (1001, 1002)]

    assert run(4, "1001-1002") == [[1, 2, 3, 4], [1, 2, 3, 4]]
    assert run(3, "1001-1002", resume=True) == [[1, 2, 3], [1, 2, 3]]
    assert run(2, "1001", overwrite=True) == [[1, 2], [1, 2, 3]]


def test_resume_removes_an_old_layer_beside_a_frame_that_is_done(shot, tmp_path):
    two, three = (Palette(COLORS.colors[:count]) for count in (2, 3))
    segment_sequence(shot, f"{tmp_path}/l/", three, frames="1001")
    old = tmp_path / "l" / "plate.layer3.1001.png"
    content = old.read_bytes()
    segment_sequence(shot, f"{tmp_path}/l/", two, frames="1001", overwrite=True)
    old.write_bytes(content)
    segment_sequence(shot, f"{tmp_path}/l/", two, frames="1001", resume=True)
    assert not old.exists()


def test_what_may_not_be_removed_is_named(shot, tmp_path, caplog):
    """A mask of the run, and a file that does not say that it is a layer."""
    two, four = (Palette(COLORS.colors[:count]) for count in (2, 4))
    segment_sequence(shot, f"{tmp_path}/l/", four, frames="1001")
    mask, painted = (tmp_path / "l" / f"plate.layer{number}.1001.png" for number in (3, 4))
    write_png(painted, np.zeros((HEIGHT, WIDTH, 3), np.float32), overwrite=True)
    masks = [ShotMask(FramePattern(str(mask.with_name("plate.layer3.####.png"))), "limit", (1,))]
    segment_sequence(shot, f"{tmp_path}/l/", two, frames="1001", overwrite=True, masks=masks)
    assert folder_layers(tmp_path / "l", 1001) == [1, 2, 3, 4]
    named = [number for number in range(1, 5) if f"layer{number}.1001.png: not one of the new layers" in caplog.text]
    assert named == [3, 4]


def test_old_movies_are_named(shot, tmp_path, caplog):
    (tmp_path / "l").mkdir()
    old = tmp_path / "l" / "plate.layer5.mkv"
    old.write_bytes(b"kept")
    segment_sequence(shot, f"{tmp_path}/l/", COLORS, frames="1001-1002", layer_format="mkv", overwrite=True)
    assert old.read_bytes() == b"kept"
    assert caplog.text.count("plate.layer5.mkv: not one of the new layers") == 1


def test_a_frame_that_fails_leaves_the_old_layers(shot, tmp_path, monkeypatch):
    segment_sequence(shot, f"{tmp_path}/l/", COLORS, frames="1001")
    before = contents(tmp_path / "l")
    monkeypatch.setattr("fscs_engine.files.png.PngLayerWriter._check_whole", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        segment_sequence(shot, f"{tmp_path}/l/", Palette(COLORS.colors[:2]), frames="1001", overwrite=True)
    assert contents(tmp_path / "l") == before


def corners() -> Palette:
    """The eight corners of the cube, each twice."""
    return Palette.from_array(np.repeat(np.indices((2, 2, 2)).reshape(3, 8).T, 2, axis=0))


@pytest.mark.parametrize("palette", [Palette.from_hex(["#4c4c4c"] * 12), corners()], ids=["one color", "corners"])
@pytest.mark.parametrize("kind", ["png", "tiff", "ora", "psd"])
def test_repeated_colors_add_up_in_files_of_integers(tmp_path, kind, palette):
    pixels = np.random.default_rng(1).random((64, 64, 3), dtype=np.float32)
    pixels[:8], pixels[8:32, :16] = 1, 0
    write_png(tmp_path / "a.png", pixels)
    picture = read_image(tmp_path / "a.png").pixels
    folder = kind in ("png", "tiff")
    output = f"{tmp_path}/l/" if folder else f"{tmp_path}/l.{kind}"
    segment_sequence(tmp_path / "a.png", output, palette, **({"layer_format": kind} if folder else {}))
    if folder:
        files = sorted((tmp_path / "l").iterdir())
        assert len(files) == len(palette)
        error = np.abs(np.sum([read_image(file).pixels[..., :3] for file in files], axis=0) - picture).max()
    else:
        error = {"ora": ora, "psd": psd}[kind].composite_error(tmp_path / f"l.{kind}", picture)
    assert error <= (len(palette) + 1) / 131070


@pytest.mark.parametrize("kind", ["ora", "psd"])
def test_repeated_colors_add_up_in_documents_of_8_bits(tmp_path, kind):
    pixels = np.random.default_rng(1).random((64, 64, 3), dtype=np.float32)
    pixels[:8], pixels[8:32, :16] = 1, 0
    palette = corners()
    layers = Segmenter().segment(Image.from_pixels(pixels, SRGB), palette, working_space=SRGB).pixels
    make = ora.OraLayerWriter if kind == "ora" else psd.PsdLayerWriter
    with make(tmp_path / f"l.{kind}", height=64, width=64, palette=palette, bits=8) as writer:
        writer.write(0, layers)
    error = {"ora": ora, "psd": psd}[kind].composite_error(tmp_path / f"l.{kind}", pixels)
    assert error <= (len(palette) + 1) / 510


def test_holes(shot, tmp_path):
    shot.with_name("plate.1003.exr").unlink()
    with pytest.raises(InputError, match="plate.1003.exr is missing"):
        segment_sequence(shot, tmp_path / "l.####.exr", COLORS, frames="1001-1008")
    assert not list(tmp_path.glob("l.*"))
    report = segment_sequence(shot, tmp_path / "l.####.exr", COLORS, frames="1001-1004", missing="skip")
    assert statuses(report) == {1001: "done", 1002: "done", 1003: "missing", 1004: "done"}
    assert segment_sequence(shot, tmp_path / "m.####.exr", COLORS).gaps == (1003,)


def test_a_broken_frame(shot, tmp_path):
    broken = shot.with_name("plate.1004.exr")
    broken.write_bytes(broken.read_bytes()[:900])
    with pytest.raises(InputError, match="plate.1004.exr"):
        segment_sequence(shot, tmp_path / "a" / "l.####.exr", COLORS)
    assert sorted(contents(tmp_path / "a")) == ["l.1001.exr", "l.1002.exr", "l.1003.exr"]
    report = segment_sequence(shot, tmp_path / "b" / "l.####.exr", COLORS, missing="skip")
    assert [result.frame for result in report.frames if result.status == "failed"] == [1004]
    assert report.count("done") == FRAMES - 1


def test_masks_follow_the_frames(shot, tmp_path):
    for number in range(1001, 1001 + FRAMES):
        pixels = np.full((HEIGHT, WIDTH, 3), (number - 1001) / FRAMES, np.float32)
        write_png(tmp_path / f"mask.{number}.png", pixels)
    mask = ShotMask(FramePattern(str(tmp_path / "mask.####.png")), "limit", (2,))
    segment_sequence(shot, tmp_path / "free" / "l.####.exr", COLORS)
    segment_sequence(shot, tmp_path / "held" / "l.####.exr", COLORS, masks=[mask])
    for number in (1001, 1005):
        free, held = (
            read_layers(tmp_path / name / f"l.{number}.exr").layers[1, ..., 3].mean() for name in ("free", "held")
        )
        assert held == pytest.approx(free * (number - 1001) / FRAMES, abs=1e-4)
    (tmp_path / "mask.1003.png").unlink()
    with pytest.raises(InputError, match="mask.1003.png"):
        segment_sequence(shot, tmp_path / "l.####.exr", COLORS, masks=[mask])
    by_view = ShotMask(FramePattern(str(tmp_path / "mask.%V.png")), "limit", (2,))
    with pytest.raises(InputError, match="there is no such mask"):
        segment_sequence(shot, tmp_path / "l.####.exr", COLORS, masks=[by_view])
    assert not list(tmp_path.glob("l.*"))


def test_views(tmp_path):
    for view in ("left", "right"):
        write_shot(tmp_path / view, range(1, 4), name=f"p_{view[0]}")
    source, output = tmp_path / "%V" / "p_%v.####.exr", tmp_path / "out" / "%V" / "l.####.exr"
    report = segment_sequence(source, output, COLORS)
    assert [(result.view, result.frame) for result in report.frames] == [
        (view, number) for view in ("left", "right") for number in (1, 2, 3)
    ]
    assert len(list((tmp_path / "out" / "right").iterdir())) == 3
    with pytest.raises(UsageError, match="several views"):
        segment_sequence(source, tmp_path / "l.####.exr", COLORS)


def test_a_folder_and_a_list_are_shots(shot, tmp_path):
    segment_sequence(shot.parent, tmp_path / "a" / "l.####.exr", COLORS)
    files = [shot.with_name(f"plate.{number}.exr") for number in (1005, 1002)]
    report = segment_sequence(files, tmp_path / "b" / "l.####.exr", COLORS)
    assert [result.frame for result in report.frames] == [1002, 1005]
    whole = contents(tmp_path / "a")
    assert contents(tmp_path / "b") == {name: whole[name] for name in ("l.1002.exr", "l.1005.exr")}
    files[0] = files[0].rename(tmp_path / "other.exr")
    report = segment_sequence(files, tmp_path / "c" / "l.####.exr", COLORS)
    assert [result.frame for result in report.frames] == [1, 2]


@pytest.mark.parametrize(
    ("output", "problem"),
    [
        ("one.exr", "names one file for 8 frames"),
        ("####/", "no frame number"),
        ("what.txt", "one .exr"),
    ],
)
def test_outputs_that_can_not_be(shot, tmp_path, output, problem):
    with pytest.raises(UsageError, match=problem):
        segment_sequence(shot, f"{tmp_path}/{output}", COLORS)


def test_the_input_is_never_replaced_and_nothing_without_being_asked(shot, tmp_path):
    with pytest.raises(UsageError, match="is the input"):
        segment_sequence(shot, shot, COLORS, overwrite=True)
    segment_sequence(shot, tmp_path / "l.####.exr", COLORS, frames="1008")
    with pytest.raises(OutputError, match=r"l\.1008\.exr: exists already"):
        segment_sequence(shot, tmp_path / "l.####.exr", COLORS)
    assert [file.name for file in tmp_path.glob("l.*.exr")] == ["l.1008.exr"]


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_cancelled_run_ends_after_the_frame_in_hand(shot, tmp_path, jobs):
    write_shot(shot.parent, range(1009, 1001 + 6 * FRAMES))
    seen = []
    with pytest.raises(CancelledError):
        segment_sequence(
            shot, tmp_path / "o" / "l.####.exr", COLORS, jobs=jobs, done=seen.append, cancelled=lambda: bool(seen)
        )
    written = contents(tmp_path / "o")
    assert 1 <= len(written) < 6 * FRAMES
    assert all(name.startswith("l.") for name in written)
    segment_sequence(shot, tmp_path / "o" / "l.####.exr", COLORS, resume=True, jobs=jobs)
    segment_sequence(shot, tmp_path / "p" / "l.####.exr", COLORS, jobs=jobs)
    assert contents(tmp_path / "o") == contents(tmp_path / "p")


@pytest.mark.slow
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_killed_and_resumed_gives_the_same_bytes(shot, tmp_path, jobs):
    colors = "#270a05,#a53615,#e1b389,#f6e9d9"
    out = tmp_path / "killed" / "l.####.exr"
    command = [sys.executable, "-m", "fscs_engine", "segment", str(shot), "-o", str(out), "--palette", colors]
    command += ["--jobs", jobs]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not list(out.parent.glob("l.*.exr")) and time.monotonic() < deadline:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    whole = set(out.parent.glob("l.*.exr"))
    assert whole
    for file in whole:
        read_layers(file)
    subprocess.run([*command, "--resume"], cwd=ROOT, check=True, capture_output=True)
    segment_sequence(shot, tmp_path / "once" / "l.####.exr", COLORS, jobs=int(jobs))
    killed = {name: data for name, data in contents(out.parent).items() if not name.startswith(".fscs-")}
    assert killed == contents(tmp_path / "once")


def test_layers_in_parts_and_documents_that_add_up(shot, tmp_path):
    outputs = [tmp_path / "l.####.exr", tmp_path / "l.####.ora"]
    segment_sequence(shot, outputs, COLORS, frames="1003", blend="add")
    with open_image(tmp_path / "l.1003.exr") as opened:
        assert len(opened.specs) == len(COLORS)
    with zipfile.ZipFile(tmp_path / "l.1003.ora") as archive:
        assert archive.read("stack.xml").count(b"svg:plus") == len(COLORS)


@pytest.mark.slow
def test_a_process_that_is_killed_ends_the_run_and_what_is_done_stays(shot, tmp_path):
    done = []

    def kill(result):
        done.append(result)
        for process in multiprocessing.active_children():
            process.kill()

    with pytest.raises(ProcessError, match="--resume"):
        segment_sequence(shot, tmp_path / "o" / "l.####.exr", COLORS, jobs=2, done=kill)
    assert done
    for result in done:
        for file in result.outputs:
            read_layers(file)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="a process of Windows can't send itself this signal")
def test_processes_are_started_whole_before_a_signal_ends_them(shot, tmp_path, monkeypatch):
    submitted = []

    class Pool(ProcessPoolExecutor):
        def submit(self, *arguments):
            if not submitted:
                signal.raise_signal(signal.SIGTERM)
            submitted.append(super().submit(*arguments))
            return submitted[-1]

    monkeypatch.setattr(processes, "ProcessPoolExecutor", Pool)
    with pytest.raises(KeyboardInterrupt), interruptible():
        segment_sequence(shot, tmp_path / "l.####.exr", COLORS, jobs=2)
    assert len(submitted) == FRAMES
    assert all(future.done() for future in submitted)
    assert not multiprocessing.active_children()
    assert not list(tmp_path.glob("l.*.exr"))


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_ctrl_c_ends_after_the_frame_in_hand(shot, tmp_path, hear_ctrl_c):
    out = tmp_path / "out" / "l.####.exr"
    command = [sys.executable, "-m", "fscs_engine", "segment", str(shot), "-o", str(out), "-k", "3"]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_ctrl_c,
    )
    while not list(out.parent.glob("l.*.exr")) and process.poll() is None:
        time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    if process.returncode == 0:
        pytest.skip("the run was over before the signal came")
    assert process.returncode == 130
    assert "cancelled after" in said.splitlines()[-1]
    assert not [name for name in contents(out.parent) if name.startswith(".fscs-")]


@pytest.mark.slow
def test_memory_does_not_grow_with_the_frames(shot, tmp_path, monkeypatch):
    """Frames are let go: those of a long run do not stay in reach of the garbage collector."""
    import gc
    import weakref

    held, images, initialize = [], weakref.WeakSet(), Image.__init__

    def made(image, *arguments, **named):
        initialize(image, *arguments, **named)
        images.add(image)

    def count(_result):
        gc.collect()
        held.append(len(images))

    monkeypatch.setattr(Image, "__init__", made)
    write_shot(shot.parent, range(1009, 1025))
    segment_sequence(shot, tmp_path / "l.####.exr", COLORS, AlphaProcessing(temporal=1.0), done=count)
    assert len(held) == 24
    assert max(held[6:]) <= max(held[:6])


@pytest.fixture
def movie(shot, tmp_path):
    """Four frames of the shot as a lossless movie of 25 frames a second, made of its layers, one of them whole."""
    pytest.importorskip("av")
    from fractions import Fraction

    from fscs_engine.files.movie_layers import MovieLayerWriter

    with MovieLayerWriter(
        tmp_path / "movie",
        "clip",
        height=HEIGHT,
        width=WIDTH,
        layers=1,
        rate=Fraction(25),
        palette_rgb=np.zeros((1, 3)),
        codec="ffv1",
    ) as writer:
        for number in range(1001, 1005):
            pixels = read_image(shot.with_name(f"plate.{number}.exr")).pixels
            layer = np.ones((1, HEIGHT, WIDTH, 4), np.float32)
            layer[0, ..., :3] = ColorSpaces().convert(pixels, LIN_REC709, SRGB)
            writer.write_frame(layer)
    return writer.paths[0]


def test_a_movie_is_a_shot_whose_frames_begin_with_one(movie, shot, tmp_path):
    report = segment_sequence(movie, tmp_path / "l.####.exr", COLORS, working_space="lin_rec709", frames="2-4")
    assert [result.frame for result in report.frames] == [2, 3, 4]
    layered = read_layers(tmp_path / "l.0003.exr")
    picture = read_image(shot.with_name("plate.1003.exr")).pixels
    assert np.abs(layered.layers.sum(axis=0)[..., :3] - picture).max() < 1e-4
    assert layered.attributes["framesPerSecond"] == 25
    again = segment_sequence(movie, tmp_path / "l.####.exr", COLORS, working_space="lin_rec709", resume=True)
    assert statuses(again) == {1: "done", 2: "skipped", 3: "skipped", 4: "skipped"}


@pytest.mark.slow
def test_several_processes_read_one_movie(movie, tmp_path):
    for jobs in (1, 2):
        segment_sequence(movie, tmp_path / f"{jobs}" / "l.####.exr", COLORS, jobs=jobs)
    assert_same_layers(tmp_path / "1", tmp_path / "2")


def test_layers_as_movies_add_up(movie, shot, tmp_path):
    from fscs_engine.files.movies import Movie

    report = segment_sequence(shot, f"{tmp_path}/out/", COLORS, frames="1001-1004", layer_format="mkv")
    files = [tmp_path / "out" / f"plate.layer{number}.mkv" for number in range(1, 5)]
    assert report.frames[0].outputs == tuple(map(str, files))
    total = np.zeros((4, HEIGHT, WIDTH, 4))
    for file in files:
        with Movie(file) as layer:
            assert layer.count == 4
            assert layer.rate == 24
            total += [layer.read(number).pixels for number in range(1, 5)]
    with Movie(movie) as whole:
        for number in range(4):
            assert np.abs(total[number, ..., :3] - whole.read(number + 1).pixels[..., :3]).max() < 1e-4


@pytest.mark.parametrize("more", [{"resume": True}, {"jobs": 2}, {"missing": "skip"}])
def test_what_movies_can_not(shot, tmp_path, more):
    with pytest.raises(UsageError, match="movie"):
        segment_sequence(shot, f"{tmp_path}/out/", COLORS, layer_format="mkv", **more)
    assert not (tmp_path / "out").exists() or not contents(tmp_path / "out")


def test_a_movie_appears_whole_or_not_at_all(shot, tmp_path):
    pytest.importorskip("av")
    broken = shot.with_name("plate.1004.exr")
    broken.write_bytes(broken.read_bytes()[:900])
    with pytest.raises(InputError, match="plate.1004.exr"):
        segment_sequence(shot, f"{tmp_path}/out/", COLORS, layer_format="mov")
    assert not list(tmp_path.glob("out/*.mov"))


@pytest.mark.parametrize("suffix", ["psd", "ora"])
def test_documents_of_a_shot_are_resumed(shot, tmp_path, suffix):
    output = tmp_path / f"l.####.{suffix}"
    segment_sequence(shot, output, COLORS, frames="1001-1002", overwrite=True)
    again = segment_sequence(shot, output, COLORS, frames="1001-1003", resume=True)
    assert statuses(again) == {1001: "skipped", 1002: "skipped", 1003: "done"}


def test_other_model_settings_reach_the_frames(shot, tmp_path):
    settings = ModelSettings("paper", tile=64)
    segment_sequence(shot, tmp_path / "l.####.exr", COLORS, frames="1001", model=settings)
    layered = read_layers(tmp_path / "l.1001.exr")
    assert layered.metadata["softcolor:model"] == "paper"
