from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from fscs_engine import LayerEdit, Look, apply_look
from fscs_engine.cli.recolor import parse_edit, parse_edits, parse_harmony, parse_pick
from fscs_engine.errors import FscsError
from fscs_engine.files.exr import ExrLayerWriter, read_layers
from fscs_engine.files.reading import read_image
from fscs_engine.recolor.looks import read_look
from fscs_engine.recolor.material import read_material, write_material

ROOT = Path(__file__).resolve().parents[3]
COLORS = "#270a05,#a53615,#e1b389"


@pytest.fixture
def layers(fscs, photo, tmp_path):
    assert fscs("segment", photo, "--palette", COLORS, "-o", tmp_path / "layers.exr").code == 0
    return tmp_path / "layers.exr"


@pytest.fixture
def shot(fscs, photo, tmp_path):
    """Five frames of the photograph, darker by the frame, and their layers."""
    folder = tmp_path / "shot"
    folder.mkdir()
    with Pillow.open(photo) as opened:
        for frame in range(1, 6):
            opened.point(lambda level, frame=frame: level * (20 - frame) // 20).save(folder / f"p.{frame:04d}.png")
    done = fscs("segment", folder / "p.####.png", "--palette", COLORS, "-o", folder / "layers.####.exr")
    assert done.code == 0, done.err
    return folder


def test_recolors_as_the_api_does(fscs, layers, tmp_path):
    command = ["recolor", layers, "--set", "2=#3366ff", "--set", "3:hue=-40", "--set", "1:mute", "--strength", "0.8"]
    finished = fscs(*command, "-o", tmp_path / "o.exr", "--json")
    assert finished.code == 0, finished.err
    assert [color["hex"] for color in finished.json["palette"]] == COLORS.split(",")
    assert finished.json["look"]["layers"] == {
        "1": {"mute": True},
        "2": {"color": [0.2, 0.4, 1.0]},
        "3": {"hue": -40.0},
    }
    material = read_material(layers)
    look = Look({1: LayerEdit(mute=True), 2: LayerEdit(color=(0.2, 0.4, 1.0)), 3: LayerEdit(hue=-40)}, strength=0.8)
    expected = apply_look(material.layers, material.palette, "lin_rec709", look)
    after = read_image(tmp_path / "o.exr")
    assert after.pixels.tobytes() == expected.tobytes()
    assert after.color_space == "lin_rec709"


def test_a_picture_that_fails_leaves_no_look(fscs, layers, tmp_path):
    command = ("recolor", layers, "--set", "2:exposure=9", "-o", tmp_path / "o.png", "--save-look", tmp_path / "l.toml")
    fscs(*command).failed_with(2, "pass --clip")
    assert not (tmp_path / "l.toml").exists()
    assert fscs(*command, "--clip").code == 0
    assert (tmp_path / "l.toml").is_file()


def test_no_output_replaces_another(fscs, layers, tmp_path):
    command = ("recolor", layers, "--set", "2:hue=9", "-o", tmp_path / "o.png", "--clip", "--overwrite")
    fscs(*command, "--preview", tmp_path / "o.png").failed_with(2, "is an output twice")
    assert not (tmp_path / "o.png").exists()


def test_a_reference_that_is_not_there(fscs, layers, tmp_path):
    finished = fscs("recolor", layers, "--match", tmp_path / "none.jpg", "-o", tmp_path / "o.exr")
    finished.failed_with(2, "there is no file", "none.jpg", "check the path")


def test_a_whole_turn_of_the_hue_changes_nothing(fscs, layers, tmp_path):
    assert fscs("recolor", layers, "--set", "2:hue=0", "-o", tmp_path / "rest.exr").code == 0
    assert fscs("recolor", layers, "--set", "2:hue=90", "-o", tmp_path / "quarter.exr").code == 0
    plain = read_layers(layers).layers.sum(axis=0)
    assert np.abs(read_image(tmp_path / "rest.exr").pixels - plain).max() <= 1e-5
    assert np.abs(read_image(tmp_path / "quarter.exr").pixels - plain).max() > 0.05


def test_several_edits_into_png(fscs, layers, tmp_path):
    command = ["recolor", layers, "--set", "3=#3366ff", "--set", "2:hue=-40", "-o", tmp_path / "o.png", "--clip"]
    assert fscs(*command).code == 0
    assert read_image(tmp_path / "o.png").pixels.shape == (40, 56, 4)


def test_an_image_is_segmented_in_memory(fscs, layers, photo, tmp_path):
    edits = ["--set", "2=#2f7d4a", "--clip"]
    assert fscs("recolor", layers, *edits, "-o", tmp_path / "layers.png").code == 0
    direct = fscs("recolor", photo, "--palette", COLORS, *edits, "-o", tmp_path / "direct.png", "--json")
    assert direct.code == 0, direct.err
    assert sorted(tmp_path.glob("*.exr")) == [layers]
    one, other = (read_image(tmp_path / name).pixels[..., :3] for name in ("layers.png", "direct.png"))
    assert np.abs(one - other).max() <= 2 / 65535
    rest = fscs("recolor", photo, "-k", 3, "--set", "1:hue=0", "-o", tmp_path / "rest.png", "--json")
    assert len(rest.json["palette"]) == 3
    levels = [np.rint(read_image(file).pixels * 65535) for file in (tmp_path / "rest.png", photo)]
    assert (levels[0] == levels[1]).all()


def test_look_files(fscs, layers, tmp_path):
    night = tmp_path / "night.toml"
    made = ["--set", "2=#2040a0", "--set", "3:saturation=0.5", "--opacity-shows", "black", "--strength", "0.7"]
    assert fscs("recolor", layers, *made, "-o", tmp_path / "a.exr", "--save-look", night).code == 0
    assert fscs("recolor", layers, "--look", night, "-o", tmp_path / "b.exr").code == 0
    assert (tmp_path / "a.exr").read_bytes() == (tmp_path / "b.exr").read_bytes()
    # What is typed counts more than the file.
    assert fscs("recolor", layers, "--look", night, "--set", "2:hue=5", "--strength", 1, "-o", tmp_path / "c.exr",
                "--save-look", tmp_path / "c.toml").code == 0  # fmt: skip
    look = read_look(tmp_path / "c.toml").look(read_material(layers).palette)
    assert look == Look({2: LayerEdit(color=(0x20 / 255, 0x40 / 255, 0xA0 / 255), hue=5),
                         3: LayerEdit(saturation=0.5)}, "black", 1.0)  # fmt: skip
    fscs("recolor", layers, "--look", night, "-o", tmp_path / "d.exr", "--save-look", night).failed_with(
        2, "night.toml"
    )
    assert not (tmp_path / "d.exr").exists()


def test_match_harmony_pick_and_preview(fscs, layers, photo, tmp_path):
    other = tmp_path / "other.txt"
    other.write_text("#e8d8b0\n#103018\n#20a040\n")
    found = fscs("recolor", layers, "--match", other, "-o", tmp_path / "m.exr", "--json").json["look"]["layers"]
    assert [found[n]["color"][1] for n in "123"] == [0x30 / 255, 0xA0 / 255, 0xD8 / 255]
    for name in (photo, layers):
        assert fscs("recolor", layers, "--match", name, "-o", tmp_path / "n.exr", "--overwrite").code == 0
    turned = fscs("recolor", layers, "--harmony", "complementary:0.5", "-o", tmp_path / "h.exr", "--json").json
    assert set(turned["look"]["layers"]) <= {"1", "2", "3"}
    sheet = tmp_path / "sheet.png"
    command = ["recolor", layers, "--pick", "30,20=#2f7d4a", "-o", tmp_path / "p.png", "--clip", "--preview", sheet]
    picked = fscs(*command)
    assert picked.code == 0, picked.err
    assert read_image(tmp_path / "p.png").pixels[20, 30, :3] == pytest.approx(
        (0x2F / 255, 0x7D / 255, 0x4A / 255), abs=3e-3
    )
    with Pillow.open(sheet) as opened:
        assert opened.size[0] > 2 * 56
    fscs("recolor", layers, "--pick", "56,0=#000", "-o", tmp_path / "q.exr").failed_with(2, "55,39")


def test_a_pick_that_is_not_met_says_what_the_pixel_becomes(fscs, layers, tmp_path):
    alphas = read_material(layers).layers[:, 3]
    rows, columns = np.nonzero((alphas.max(axis=0) > 0.9) & (alphas.max(axis=0) < 0.94) & (alphas[2] > 0.05))
    y, x = int(rows[0]), int(columns[0])
    picked = fscs("recolor", layers, "--pick", f"{x},{y}=#0a50a0", "-o", tmp_path / "p.png", "--clip")
    assert picked.code == 0, picked.err
    (line,) = [line for line in picked.err.splitlines() if "becomes" in line]
    level = np.round(255 * read_image(tmp_path / "p.png").pixels[y, x, :3]).astype(int)
    assert f"--pick {x},{y}: becomes #{bytes(level.tolist()).hex()};" in line
    assert line.endswith("layers with little of the pixel stay, the others come no nearer")


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_shot_is_resumed(fscs, shot, tmp_path, jobs):
    output = tmp_path / "out" / "r.####.exr"
    command = ["recolor", shot / "layers.####.exr", "--set", "2=#2f7d4a", "-o", output, "--jobs", jobs, "--json"]
    first = fscs(*command, "--frames", "1-3")
    assert first.code == 0, first.err
    assert [frame["status"] for frame in first.json["frames"]] == ["done"] * 3
    fscs(*command).failed_with(2, "r.0001.exr", "exists already")
    stamp = (tmp_path / "out" / "r.0002.exr").stat().st_mtime_ns
    (tmp_path / "out" / "r.0003.exr").write_bytes(b"cut off")
    again = fscs(*command, "--resume").json["frames"]
    assert [frame["status"] for frame in again] == ["skipped", "skipped", "done", "done", "done"]
    assert (tmp_path / "out" / "r.0002.exr").stat().st_mtime_ns == stamp
    other = fscs(*command, "--resume", "--set", "3:hue=10").json["frames"]
    assert [frame["status"] for frame in other] == ["done"] * 5
    one = tmp_path / "one.exr"
    assert fscs("recolor", shot / "layers.0004.exr", "--set", "2=#2f7d4a", "--set", "3:hue=10", "-o", one).code == 0
    assert one.read_bytes() == (tmp_path / "out" / "r.0004.exr").read_bytes()


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_fifty_frames_interrupted_and_resumed(fscs, photo, tmp_path, hear_ctrl_c, jobs):
    """Ctrl-C ends a shot after the frame in hand; resumed, it becomes what it is in one go."""
    large = tmp_path / "large.png"  # frames take long enough to be interrupted
    with Pillow.open(photo) as opened:
        opened.resize((4 * opened.width, 4 * opened.height)).save(large)
    assert fscs("segment", large, "--palette", COLORS, "-o", tmp_path / "layers.exr").code == 0
    material, frames = read_material(tmp_path / "layers.exr"), range(1001, 1051)
    for frame in frames:
        light = np.float32(1 - (frame - 1001) / 100)
        darker = replace(material, layers=material.layers * [light, light, light, np.float32(1)])
        write_material(tmp_path / f"in.{frame}.exr", darker)
    command = ["recolor", tmp_path / "in.####.exr", "--set", "2=#2f7d4a", "--set", "3:opacity=0.5"]
    out, whole = tmp_path / "out", tmp_path / "whole"
    process = subprocess.Popen(
        [sys.executable, "-m", "fscs_engine", *map(str, command), "-o", str(out / "r.####.exr"), "--jobs", jobs],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_ctrl_c,
    )
    while len(list(out.glob("r.*.exr"))) < 3 and process.poll() is None:
        time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 130, said
    written = {file.name: file.stat().st_mtime_ns for file in out.iterdir()}
    assert 3 <= len(written) < 50
    assert f"cancelled after {len(written)} of 50 frames" in said.splitlines()[-1]
    resumed = fscs(*command, "-o", out / "r.####.exr", "--resume", "--jobs", jobs, "--json")
    assert resumed.code == 0, resumed.err
    skipped = {f"r.{row['frame']}.exr" for row in resumed.json["frames"] if row["status"] == "skipped"}
    assert skipped == set(written)
    assert all((out / name).stat().st_mtime_ns == stamp for name, stamp in written.items())
    assert fscs(*command, "-o", whole / "r.####.exr").code == 0
    assert len(list(out.iterdir())) == 50
    for file in whole.iterdir():
        assert (out / file.name).read_bytes() == file.read_bytes()


def test_images_of_a_shot_share_one_palette(fscs, shot, tmp_path):
    output, sheets = tmp_path / "r.####.png", tmp_path / "sheet.####.png"
    command = [
        "recolor",
        shot / "p.####.png",
        "-k",
        3,
        "--set",
        "2:hue=90",
        "-o",
        output,
        "--clip",
        "--preview",
        sheets,
    ]
    finished = fscs(*command)
    assert finished.code == 0, finished.err
    assert "done: 5 (1-5)" in finished.out
    assert len(list(tmp_path.glob("r.*.png"))) == len(list(tmp_path.glob("sheet.*.png"))) == 5


def test_frames_that_are_not_there(fscs, shot, tmp_path):
    (shot / "layers.0003.exr").unlink()
    shutil.copy(shot / "p.0001.png", shot / "layers.0004.exr")
    command = [
        "recolor",
        shot / "layers.####.exr",
        "--set",
        "2:hue=90",
        "-o",
        tmp_path / "r.####.exr",
        "--frames",
        "1-5",
    ]
    fscs(*command).failed_with(2, "layers.0003.exr")
    finished = fscs(*command, "--missing", "skip")
    assert finished.code == 3
    assert "missing: 1 (3)" in finished.out
    assert "failed: 1 (4)" in finished.out
    assert "done: 3 (1-2,5)" in finished.out


def test_a_file_that_is_damaged_farther_down_leaves_nothing(fscs, photo, tmp_path):
    """More than a strip of it is recolored before that is seen."""
    with Pillow.open(photo) as opened:
        opened.resize((64, 400)).save(tmp_path / "high.png")
    layers, out = tmp_path / "layers.exr", tmp_path / "out"
    out.mkdir()
    assert fscs("segment", tmp_path / "high.png", "-k", 3, "-o", layers).code == 0
    assert fscs("recolor", layers, "--set", "2:hue=90", "-o", out / "whole.exr").code == 0
    (out / "whole.exr").unlink()
    data = bytearray(layers.read_bytes())
    middle = len(data) * 2 // 3
    data[middle : middle + 2000] = bytes(2000)
    layers.write_bytes(data)
    fscs("recolor", layers, "--set", "2:hue=90", "-o", out / "o.exr").failed_with(2, "layers.exr: can't be read")
    assert not list(out.iterdir())


@pytest.mark.parametrize(
    ("text", "edit"),
    [
        ("3=#3366ff", (3, "color", (0.2, 0.4, 1.0))),
        (" 12 = 36f ", (12, "color", (0.2, 0.4, 1.0))),
        ("2=0.1,0.25,1", (2, "color", (0.1, 0.25, 1.0))),
        ("5:hue=40", (5, "hue", 40.0)),
        ("5:hue=-1.5e1", (5, "hue", -15.0)),
        ("red cup:gain=1.1, 1, 0.9", ("red cup", "gain", (1.1, 1.0, 0.9))),
        ("2:gamma=1.2", (2, "gamma", (1.2, 1.2, 1.2))),
        ("2:mute", (2, "mute", True)),
        ("2:solo=off", (2, "solo", False)),
    ],
)
def test_edits(text, edit):
    assert parse_edit(text) == edit


@pytest.mark.parametrize(
    "text",
    ["", "3", "3=blue", "3=#12345", "=#3366ff", "3:hue", "3:hue=x", "3:hue=-", "3:sat=1", "3:hue=181", "3:mute=2",
     "3:gain=1,2", "3:hue=1,2", "3:strength=1"],
)  # fmt: skip
def test_edits_refuse(text):
    with pytest.raises(FscsError):
        parse_edit(text)


def test_other_flags():
    assert parse_pick(" 640 , 360 = 36f") == (640, 360, (0.2, 0.4, 1.0))
    assert (parse_harmony("triad"), parse_harmony("split:0.5")) == (("triad", 1.0), ("split", 0.5))
    for parse, text in ((parse_pick, "640=#36f"), (parse_pick, "1,2=#12345"), (parse_harmony, "triad:x")):
        with pytest.raises(FscsError):
            parse(text)
    with pytest.raises(FscsError, match="twice"):
        parse_edits(["3:hue=1", "3:hue=2"])


def test_what_can_not_be_done(fscs, layers, photo, tmp_path):
    output = ["-o", tmp_path / "o.exr"]
    fscs("recolor", layers, *output).failed_with(2, "--set")
    fscs("recolor", layers, "--set", "4=#3366ff", *output).failed_with(2, "layer 4")
    fscs("recolor", layers, "--set", "0=#3366ff", *output).failed_with(2, "layer 0")
    fscs("recolor", layers, "--set", "1=blue", *output).failed_with(2, "1=blue")
    fscs("recolor", layers, "--set", "1:hue=1e999", *output).failed_with(2, "hue")
    fscs("recolor", layers, "--set", "cup:hue=4", *output).failed_with(2, "'cup'")
    fscs("recolor", layers, "--set", "1:hue=40", "-o", tmp_path / "o.tif").failed_with(2, "o.tif")
    fscs("recolor", layers, "--set", "1:hue=40", "-o", layers, "--overwrite").failed_with(2, "is the input")
    fscs("recolor", layers, "--set", "1:hue=40", "-k", 3, *output).failed_with(2, "palette already")
    fscs("recolor", layers, "--harmony", "minor", *output).failed_with(2, "minor")
    fscs("recolor", layers, "--match", "#12345", *output).failed_with(2, "#12345")
    fscs("recolor", layers, "--set", "1:hue=4", "--resume", *output).failed_with(2, "--resume")
    fscs("recolor", layers, "--look", tmp_path / "no.toml", *output).failed_with(2, "no.toml")
    fscs("recolor", tmp_path / "no.exr", "--set", "1:hue=4", *output).failed_with(2, "no.exr")
    fscs("recolor", photo, "--set", "9:hue=4", "-k", 3, *output).failed_with(2, "layer 9")
    assert not (tmp_path / "o.exr").exists()


@pytest.mark.parametrize(
    "palette",
    [None, "nonsense", '{"version": 1, "space": "srgb", "colors": [{"rgb": [0, 0, 0]}]}'],
    ids=["lost", "broken", "short"],
)
def test_layers_without_their_palette(fscs, tmp_path, palette):
    metadata = {} if palette is None else {"softcolor:palette": palette}
    file = tmp_path / "layers.exr"
    with ExrLayerWriter(file, height=4, width=4, layers=2, metadata=metadata, color_space="acescg") as writer:
        writer.write(0, np.zeros((2, 4, 4, 4), np.float32))
    fscs("recolor", file, "--set", "1=#000000", "-o", tmp_path / "o.exr").failed_with(2, "layers.exr", "palette")
