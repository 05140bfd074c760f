"""Where layers go: what an output means for a frame, what is refused beforehand, what is done already."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fscs_engine.errors import OutputError, UsageError
from fscs_engine.files.exr import ExrLayerWriter
from fscs_engine.files.ora import OraLayerWriter
from fscs_engine.files.png import PngLayerWriter
from fscs_engine.files.psd import PsdLayerWriter
from fscs_engine.files.tiff import TiffLayerWriter
from fscs_engine.host.naming import METADATA_PREFIX
from fscs_engine.image import Reading
from fscs_engine.palette.palette import Palette
from fscs_engine.shots.frames import FramePattern
from fscs_engine.shots.options import SegmentOptions
from fscs_engine.shots.outputs import (
    Delivery,
    Place,
    bare_name,
    check_delivery,
    fitting,
    layer_files,
    palette_file,
    parse_output,
    stored_key,
)

KEY = "k" * 64
METADATA = {METADATA_PREFIX + "key": KEY}
FIRST, SECOND = Place(1001, "1001"), Place(1002, "1002")
LEFT, RIGHT = Place(1001, "1001", "left"), Place(1001, "1001", "right")


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def delivery(*texts, kind="png", preview=None, **options):
    outputs = tuple(parse_output(text, kind) for text in texts)
    return Delivery(outputs, SegmentOptions(preview=preview, **options), "plate")


def check(wanted, sources, places, *, resume):
    check_delivery(replace(wanted, options=replace(wanted.options, resume=resume)), sources, places)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("layers.exr", "exr"),
        ("layers.####.EXR", "exr"),
        ("a/layers.ora", "ora"),
        ("a/layers.psd", "psd"),
        ("layers/", "tiff"),
        ("layers", "tiff"),
        ("layers.exr/", "tiff"),
        ("%V/layers/", "tiff"),
    ],
)
def test_the_ending_tells_files_from_folders(text, kind):
    assert parse_output(text, "tiff").kind == kind


def test_a_folder_that_is_there_is_one_whatever_its_name():
    Path("old.exr").mkdir()
    assert parse_output("old.exr").is_folder


@pytest.mark.parametrize("text", ["layers.png", "layers.####", "l.####/", "layers.jpg"])
def test_what_is_neither_is_refused(text):
    with pytest.raises(UsageError, match="-o "):
        parse_output(text)


@pytest.mark.parametrize(
    ("text", "kind", "names"),
    [
        ("l.####.exr", "png", ["l.1001.exr"]),
        ("l/", "png", ["l/plate.layer1.1001.png", "l/plate.layer2.1001.png"]),
        ("l/", "tiff", ["l/plate.layer1.1001.tif", "l/plate.layer2.1001.tif"]),
        ("l/", "mov", ["l/plate.layer1.mov", "l/plate.layer2.mov"]),
    ],
)
def test_the_files_of_a_frame(text, kind, names):
    assert [file.as_posix() for file in layer_files(parse_output(text, kind), FIRST, "plate", 2)] == names


def test_a_single_picture_has_no_number_and_a_sheet_is_a_file_too():
    files = delivery("l/", "l.exr", preview="sheet.png").files(Place(), 1)
    assert [file.as_posix() for file in files] == ["l/plate.layer1.png", "l.exr", "sheet.png"]


def test_depths_tell_layouts_apart():
    each = [
        delivery("l.exr"),
        delivery("l.exr", half=True),
        delivery("l.exr", clip=True),
        delivery("l.exr", half=True, single_part=True),
        delivery("l.exr", compression="dwaa"),
        delivery("l.psd"),
        delivery("l.psd", blend="add"),
    ]
    assert len({one.depth(one.outputs[0]) for one in each}) == len(each)
    lossless = delivery("l.exr", compression="rle")
    assert lossless.depth(lossless.outputs[0]) == each[0].depth(each[0].outputs[0])
    both = delivery("l.exr", "l/", half=True, single_part=True)
    assert both.depth(both.outputs[1]) == delivery("l/").depth(delivery("l/").outputs[0])


@pytest.mark.parametrize(
    ("texts", "preview", "file"),
    [
        (["out/layers.####.exr"], None, "out/layers.palette.json"),
        (["out/%V/layers_v2.####.exr"], None, "out/layers_v2.palette.json"),
        (["layers/"], None, "layers/plate.palette.json"),
        ([], "sheets/sheet.####.png", "sheets/sheet.palette.json"),
    ],
)
def test_the_palette_lies_beside_the_first_output(texts, preview, file):
    assert palette_file(delivery(*texts, preview=preview)) == Path(file)


@pytest.mark.parametrize(("text", "name"), [("a/b.####.exr", "b"), ("####.exr", "image"), ("b_v2.%04d.exr", "b_v2")])
def test_names_without_their_number(text, name):
    assert bare_name(FramePattern(text)) == name


@pytest.mark.parametrize(
    ("wanted", "places", "message"),
    [
        (delivery(), [FIRST], "nothing to write"),
        (delivery("l.####.exr", "./l.####.exr"), [FIRST], "is an output twice"),
        (delivery("l.exr"), [FIRST, SECOND], r"one file for 2 frames: write it as l\.####\.exr"),
        (delivery("l/", preview="s.png"), [FIRST, SECOND], "one file for 2 frames"),
        (delivery("l.####.exr"), [LEFT, RIGHT], "put %V into it"),
        (delivery("l/"), [LEFT, RIGHT], "put %V into it"),
        (delivery("l/", kind="mov"), [Place()], "a single image can.t be a movie"),
    ],
)
def test_what_can_not_be_delivered_is_refused(wanted, places, message):
    with pytest.raises(UsageError, match=message):
        check(wanted, [], places, resume=False)


def test_views_of_an_input_without_any_are_refused():
    with pytest.raises(UsageError, match="no views"):
        check(delivery("l.%V.####.exr"), [], [FIRST], resume=False)


def test_movies_can_not_be_resumed():
    check(delivery("l/", kind="mkv"), [], [FIRST], resume=False)
    with pytest.raises(UsageError, match="--resume"):
        check(delivery("l/", kind="mkv"), [], [FIRST], resume=True)


def test_what_is_there_is_replaced_only_where_asked_for():
    Path("l.1001.exr").touch()
    with pytest.raises(OutputError, match=r"l\.1001\.exr"):
        check(delivery("l.####.exr"), [], [FIRST, SECOND], resume=False)
    check(delivery("l.####.exr"), [], [FIRST, SECOND], resume=True)
    check(delivery("l.####.exr", overwrite=True), [], [FIRST, SECOND], resume=False)


def test_the_input_is_never_replaced_under_whatever_name():
    Path("plate.exr").touch()
    Path("link.exr").hardlink_to("plate.exr")
    with pytest.raises(UsageError, match="is the input"):
        check(delivery("link.exr", overwrite=True), [Path("plate.exr")], [Place()], resume=False)


def test_a_folder_of_a_shot_need_not_be_there_and_a_file_can_not_be_one():
    check(delivery("new/folder/l.####.exr", "other/new/"), [], [FIRST], resume=False)
    with pytest.raises(OutputError, match="no-such"):
        check(delivery("no-such/l.exr"), [], [Place()], resume=False)
    Path("file").touch()
    with pytest.raises(OutputError, match="file is a file"):
        check(delivery("file/layers/"), [], [FIRST], resume=False)


def write(kind, metadata):
    """Layers of one color as a file of some kind."""
    layers = np.full((1, 40, 30, 4), 0.25, np.float32)
    layers[..., 3] = 1.0
    size = {"height": 40, "width": 30, "metadata": metadata, "overwrite": True}
    palette = Palette.from_hex("#404040")
    writer: Any
    if kind == "exr":
        writer = ExrLayerWriter(Path("l.exr"), layers=1, color_space="lin_rec709", **size)
    elif kind in ("ora", "psd"):
        writer = {"ora": OraLayerWriter, "psd": PsdLayerWriter}[kind](Path(f"l.{kind}"), palette=palette, **size)
    else:
        folder = {"png": PngLayerWriter, "tiff": TiffLayerWriter}[kind]
        writer = folder(Path("l"), "l", palette_rgb=palette.array, **size)
    with writer:
        writer.write(0, layers)
    return Path(f"l.{kind}") if kind in ("exr", "ora", "psd") else writer.paths[0]


@pytest.mark.parametrize("kind", ["exr", "ora", "psd", "png", "tiff"])
def test_the_key_of_a_whole_file_is_found(kind):
    file = write(kind, METADATA)
    assert stored_key(file) == KEY
    whole = file.read_bytes()
    for size in (0, 20, *([] if kind == "psd" else [len(whole) // 2])):  # of a PSD the head alone is read
        file.write_bytes(whole[:size])
        assert stored_key(file) == ""
    file.unlink()
    assert stored_key(file) == ""
    assert stored_key(write(kind, {})) == ""


@pytest.mark.parametrize("kind", ["exr", "png"])
def test_a_file_that_lacks_its_last_bytes_is_not_done(kind):
    file = write(kind, METADATA)
    file.write_bytes(file.read_bytes()[:-4])
    assert stored_key(file) == ""


@pytest.mark.parametrize(
    ("outputs", "preview", "clipped"),
    [(["l.exr"], None, False), (["l/"], None, True), (["l.exr", "l.psd"], None, True), (["l.exr"], "s.png", True)],
)
def test_a_wider_gamut_is_clipped_where_a_file_of_integers_is_written(outputs, preview, clipped):
    wanted = delivery(*outputs, preview=preview)
    assert fitting(wanted, Reading("srgb", "srgb", "")) is wanted
    assert fitting(wanted, Reading("lin_rec709", "Display P3", "", wide=True)).options.clip is clipped
