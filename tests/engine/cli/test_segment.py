from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import PyOpenColorIO as ocio
import pytest
from imagecodecs import cms_profile
from PIL import Image

from fscs_engine import __version__
from fscs_engine.color import LIN_REC709, SRGB, ColorSpaces, straight
from fscs_engine.files.exr import read_layers, write_exr
from fscs_engine.files.reading import read_image
from fscs_engine.image import Image as Picture
from fscs_engine.palette.palette import Palette

COLORS = "#270a05,#a53615,#e1b389,#f6e9d9"

JSON_FIELDS = {
    "palette",
    "coverage",
    "seconds",
    "peak_rss_bytes",
    "error_max",
    "composite_error_max",
    "model",
    "weights_sha256",
    "working_space",
    "input",
    "key",
    "outputs",
}


def segmented(fscs, photo, output, *more):
    finished = fscs("segment", photo, "--palette", COLORS, "-o", output, "--json", *more)
    assert finished.code == 0, finished.err
    return finished.json


def linear(photo):
    return ColorSpaces().convert(read_image(photo).pixels, SRGB, LIN_REC709)


def png(path):
    picture = read_image(path)
    return picture.pixels  # premultiplied


def straight_png(path):
    """(H, W, 4) float64 as a 16-bit file holds it."""
    hints = oiio.ImageSpec()
    hints.attribute("oiio:UnassociatedAlpha", 1)
    return oiio.ImageBuf(str(path), 0, 0, hints).get_pixels("uint16") / 65535


def test_json_has_the_fields_that_scripts_rely_on(fscs, photo, tmp_path):
    finished = fscs("segment", photo, "-k", 3, "-o", tmp_path / "o.exr", "--json")
    assert finished.code == 0
    assert len(finished.out.splitlines()) == 1
    result = finished.json
    assert set(result) == JSON_FIELDS
    assert [set(color) for color in result["palette"]] == [{"rgb", "hex", "name", "locked"}] * 3
    assert set(result["seconds"]) == {"palette", "alpha", "color", "write", "total"}
    assert all(value >= 0 for value in result["seconds"].values())
    assert len(result["coverage"]) == 3
    assert sum(result["coverage"]) == pytest.approx(1, abs=1e-6)
    assert 0 <= result["error_max"] <= 1e-6
    assert result["peak_rss_bytes"] > 10_000_000
    assert result["working_space"] == "lin_rec709"
    assert result["outputs"] == [str(tmp_path / "o.exr")]


def test_what_was_assumed_of_the_input_is_said(fscs, photo, tmp_path):
    result = segmented(fscs, photo, tmp_path / "a.exr")
    reason = "the file does not say, and integers are taken as sRGB"
    said = {"space": "srgb", "encoding": "srgb", "reason": reason, "alpha": "", "converted": False, "warnings": []}
    assert result["input"] == said
    assert read_layers(tmp_path / "a.exr").metadata["softcolor:input_space"] == f"srgb ({reason})"
    named = segmented(fscs, photo, tmp_path / "b.exr", "--input-space", "ARRI LogC4")
    assert (named["input"]["space"], named["input"]["reason"]) == ("ARRI LogC4", "it was chosen")
    assert (named["working_space"], named["key"] != result["key"]) == ("lin_rec709", True)
    layered = read_layers(tmp_path / "b.exr")
    light = ColorSpaces().convert(read_image(photo).pixels, "ARRI LogC4", LIN_REC709)
    np.testing.assert_allclose(layered.layers.sum(axis=0)[..., :3], light, rtol=1e-5, atol=1e-5)
    fscs("segment", photo, "-o", tmp_path / "c.exr", "--input-space", "ARRI").failed_with(2, "did you mean ARRI Log")
    fscs("segment", photo, "-o", tmp_path / "c.exr", "--alpha", "keyed").failed_with(2, "--alpha")


def test_a_profile_of_a_wider_gamut_fits_every_format(fscs, photo, tmp_path):
    """The EXR keeps colors outside of sRGB, files of integers clip them."""
    rgb = np.zeros((24, 32, 3), np.uint8)
    rgb[..., 0] = np.linspace(60, 255, 32)
    wide = tmp_path / "wide.png"
    profile = cms_profile(
        "rgb", gamma=2.2, primaries=[0.68, 0.32, 1, 0.265, 0.69, 1, 0.15, 0.06, 1], whitepoint=[0.3127, 0.329, 1]
    )
    Image.fromarray(rgb).save(wide, icc_profile=profile)
    outputs = [tmp_path / "a.exr", "-o", f"{tmp_path}/l/", "-o", tmp_path / "a.psd", "--preview", tmp_path / "s.png"]
    result = segmented(fscs, wide, *outputs)
    assert result["input"]["converted"]
    whole = read_layers(tmp_path / "a.exr").layers.sum(axis=0)
    assert whole[..., 0].max() > 1.2
    assert whole[..., 1].min() < -0.03
    added = sum(png(tmp_path / "l" / f"wide.layer{number}.png")[..., :3] for number in range(1, 5))
    expected = ColorSpaces().convert(np.ascontiguousarray(whole[..., :3]), LIN_REC709, SRGB).clip(0, 1)
    assert np.abs(added - expected).max() <= 5 / 131070 + 1e-5
    assert result["composite_error_max"] <= 5 / 131070


def test_what_a_file_says_in_vain_is_a_warning(fscs, photo, tmp_path):
    bad = tmp_path / "bad.png"
    Image.open(photo).save(bad, icc_profile=b"x" * 300)
    finished = fscs("segment", bad, "--palette", COLORS, "-o", tmp_path / "a.exr")
    assert finished.code == 0
    assert f"fscs: warning: {bad}: its ICC profile can't be used: it is damaged" in finished.err.splitlines()
    assert segmented(fscs, bad, tmp_path / "b.exr")["input"]["warnings"] == [
        "its ICC profile can't be used: it is damaged"
    ]
    assert np.array_equal(read_image(bad).pixels, read_image(photo).pixels)


@pytest.mark.parametrize("blend", ["over", "add"])
def test_documents_are_put_together_again(fscs, photo, tmp_path, blend):
    for suffix in ("psd", "ora"):
        result = segmented(fscs, photo, tmp_path / f"o.{suffix}", "--blend", blend)
        assert 0 < result["composite_error_max"] <= 5 / 131070
        assert result["working_space"] == "srgb"
        assert result["key"] != segmented(fscs, photo, tmp_path / f"{suffix}.exr")["key"]
    spoken = fscs("segment", photo, "-o", tmp_path / "p.psd", "--palette", COLORS)
    assert "read back and composited, matches the image" in spoken.out
    assert segmented(fscs, photo, tmp_path / "o.exr")["composite_error_max"] is None


def test_tiff_layers_and_parts(fscs, photo, tmp_path):
    segmented(fscs, photo, f"{tmp_path}/t/", "--layer-format", "tiff")
    assert sorted(file.name for file in (tmp_path / "t").iterdir()) == [f"cup.layer{n}.tif" for n in range(1, 5)]
    segmented(fscs, photo, tmp_path / "parts.exr")
    segmented(fscs, photo, tmp_path / "one.exr", "--single-part")
    one, parts = (read_layers(tmp_path / name).layers for name in ("one.exr", "parts.exr"))
    assert np.array_equal(one, parts)


@pytest.mark.parametrize("flags", [["--layer-format", "gif"], ["--blend", "multiply"], ["--layer-format", "mov"]])
def test_formats_that_can_not_be(fscs, photo, tmp_path, flags):
    finished = fscs("segment", photo, "-o", f"{tmp_path}/o/", *flags)
    finished.failed_with(2, "movie" if "mov" in flags else flags[0])
    assert not (tmp_path / "o").exists()


def test_the_exr_adds_up_to_the_image_and_says_how_it_was_made(fscs, photo, tmp_path):
    result = segmented(fscs, photo, tmp_path / "o.exr", "--layer-gain", "2=1.5")
    layered = read_layers(tmp_path / "o.exr")
    assert layered.layers.shape == (4, 40, 56, 4)
    assert np.abs(layered.layers.sum(axis=0)[..., :3] - linear(photo)).max() <= 2e-6
    metadata = {name.removeprefix("softcolor:"): text for name, text in layered.metadata.items()}
    assert set(metadata) == {
        "palette",
        "model",
        "working_space",
        "parameters",
        "sums",
        "version",
        "key",
        "input",
        "input_space",
    }
    assert metadata["input"] == hashlib.sha256(photo.read_bytes()).hexdigest()
    assert metadata["version"] == __version__
    assert (metadata["model"], metadata["key"]) == (result["model"], result["key"])
    assert metadata["working_space"] == result["working_space"] == "lin_rec709"
    assert Palette.from_dict(json.loads(metadata["palette"])).array == pytest.approx(Palette.from_hex(COLORS).array)
    assert json.loads(metadata["parameters"])["layer_gain"] == {"2": "1.5"}


def test_each_output_has_its_own_working_space(fscs, photo, tmp_path):
    folder = tmp_path / "new" / "layers"
    result = segmented(fscs, photo, tmp_path / "o.exr", "-o", f"{folder}/", "--preview", tmp_path / "sheet.png")
    files = [folder / f"cup.layer{number}.png" for number in range(1, 5)]
    assert result["outputs"] == [str(path) for path in (tmp_path / "o.exr", *files, tmp_path / "sheet.png")]
    assert read_layers(tmp_path / "o.exr").color_space == "lin_rec709"
    added = sum(png(file)[..., :3] for file in files)
    assert np.abs(added - read_image(photo).pixels).max() <= 5 / 131070 + 1e-6
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert min(sheet.size) > 200


def test_the_working_space_asked_for(fscs, photo, tmp_path):
    assert segmented(fscs, photo, tmp_path / "o.exr", "--working-space", "acescg")["working_space"] == "acescg"
    expected = ColorSpaces().convert(read_image(photo).pixels, SRGB, "acescg")
    assert np.abs(read_layers(tmp_path / "o.exr").layers.sum(axis=0)[..., :3] - expected).max() <= 2e-6


def test_files_of_integers_are_srgb_whatever_is_asked_for_exr(fscs, photo, tmp_path):
    """They say so of themselves, so anything else in them would be wrong pixels."""
    asked = ("segment", photo, "-k", 2, "--working-space", "acescg")
    for outputs in (("png/",), ("tiff/", "--layer-format", "tiff"), ("d.psd",), ("d.ora",)):
        finished = fscs(*asked, "-o", f"{tmp_path / outputs[0]}{'/' * outputs[0].endswith('/')}", *outputs[1:])
        finished.failed_with(2, "files hold sRGB, not acescg", "write EXR")
    assert fscs(*asked, "-o", tmp_path / "l.exr", "-o", f"{tmp_path / 'png'}/").code == 0
    assert read_layers(tmp_path / "l.exr").color_space == "acescg"
    added = sum(png(file)[..., :3] for file in sorted((tmp_path / "png").iterdir()))
    assert np.abs(added - read_image(photo).pixels).max() <= 3 / 131070 + 1e-6


def test_a_config_by_its_name(fscs, photo, tmp_path):
    """Another config has spaces that the built-in ones lack, and is part of the key."""
    name = "Input - ARRI - Curve - V3 LogC (EI800)"
    command = ["segment", photo, "-k", 2, "-o", tmp_path / "o.exr", "--working-space", name]
    fscs(*command).failed_with(2, name)
    config = tmp_path / "studio.ocio"
    own = ocio.Config.CreateFromBuiltinConfig("studio-config-latest")
    own.addColorSpace(ocio.ColorSpace(name=name, encoding="log", fromReference=ocio.LogTransform(base=2)))
    config.write_text(own.serialize())
    assert fscs(*command, "--ocio", config).code == 0
    command = ["segment", photo, "-k", 2, "--json", "--overwrite", "--working-space", "Linear ARRI Wide Gamut 3", "-o"]
    plain, named = (
        fscs(*command, tmp_path / "p.exr", *more).json for more in ((), ("--ocio", "ocio://studio-config-latest"))
    )
    assert plain["key"] != named["key"]


def test_an_existing_folder_needs_no_slash(fscs, photo, tmp_path):
    segmented(fscs, photo, tmp_path, "--working-space", "srgb")
    assert (tmp_path / "cup.layer4.png").exists()


def test_same_work_same_bytes_and_key(fscs, photo, tmp_path):
    first, second = (segmented(fscs, photo, tmp_path / name) for name in ("a.exr", "b.exr"))
    assert (tmp_path / "a.exr").read_bytes() == (tmp_path / "b.exr").read_bytes()
    assert first["key"] == second["key"]


def test_the_key_follows_everything_that_decides_the_pixels(fscs, photo, tmp_path):
    mask = tmp_path / "mask.png"
    Image.new("L", (56, 40), 128).save(mask)
    changes = [
        [],
        ["--smoothing", "4"],
        ["--smoothing-strength", "0.5"],
        ["--minimum-alpha", "0.1"],
        ["--layer-gamma", "1=2"],
        ["--working-space", "srgb"],
        ["--mask", mask, "--mask-mode", "limit:1"],
        ["--mask", mask, "--mask-mode", "limit:2"],
        ["--precision", "bfloat16"],
        ["--half"],
        ["--clean-nonfinite"],
    ]
    keys = [segmented(fscs, photo, tmp_path / "o.exr", "--overwrite", *more)["key"] for more in changes]
    assert len(set(keys)) == len(changes)
    same = [["--tile", "64"], ["--layer-gain", "1=1"], ["--device", "cpu"]]
    assert {segmented(fscs, photo, tmp_path / "o.exr", "--overwrite", *more)["key"] for more in same} == {keys[0]}


def test_fewer_colors_than_asked_for_are_filled_up(fscs, photo, tmp_path):
    result = fscs("segment", photo, "--palette", "#ff0000,#00ff00", "-k", 4, "-o", tmp_path / "o.exr", "--json").json
    assert [color["hex"] for color in result["palette"]][:2] == ["#ff0000", "#00ff00"]
    assert len(result["palette"]) == 4


@pytest.mark.parametrize("suffix", [".json", ".gpl", ".txt"])
def test_palette_files(fscs, photo, tmp_path, suffix):
    assert fscs("palette", photo, "-k", 3, "-o", tmp_path / f"p{suffix}").code == 0
    wanted = [color["hex"] for color in fscs("palette", photo, "-k", 3, "--json").json["palette"]]
    result = fscs("segment", photo, "--palette", tmp_path / f"p{suffix}", "-o", tmp_path / "o.exr", "--json").json
    assert [color["hex"] for color in result["palette"]] == wanted


def test_masks_in_pairs(fscs, photo, tmp_path):
    left = np.zeros((40, 56), np.uint8)
    left[:, :28] = 255
    Image.fromarray(left).save(tmp_path / "left.png")
    mask = ["--mask", tmp_path / "left.png", "--mask-mode"]
    segmented(fscs, photo, tmp_path / "limit.exr", *mask, "limit:1,3")
    limited = read_layers(tmp_path / "limit.exr").layers[..., 3]
    assert limited[[0, 2], :, 28:].max() == 0
    assert limited[[0, 2], :, :28].max() > 0.1
    segmented(fscs, photo, tmp_path / "split.exr", *mask, "split:2,4", *mask, "limit:3")
    split = read_layers(tmp_path / "split.exr").layers[..., 3]
    assert split[3, :, :28].max() == 0
    assert split[1, :, 28:].max() == 0
    assert split[2, :, 28:].max() == 0
    assert np.abs(split.sum(axis=0) - 1).max() <= 1e-6


def test_layer_flags_change_their_layer(fscs, photo, tmp_path):
    plain = segmented(fscs, photo, tmp_path / "a.exr")["coverage"]
    gain = segmented(fscs, photo, tmp_path / "b.exr", "--layer-gain", "2=0", "--layer-gain", "3=2")["coverage"]
    assert gain[1] == 0
    assert gain[2] > plain[2]
    dark = segmented(fscs, photo, tmp_path / "c.exr", "--layer-black", "2=0.5", "--layer-white", "2=0.9")["coverage"]
    assert 0 < dark[1] < plain[1]


@pytest.mark.parametrize("space", ["lin_rec709", "acescg", "srgb"])
def test_the_image_is_kept_beside_its_layers(fscs, photo, tmp_path, space):
    finished = fscs("segment", photo, "-o", tmp_path / "a.exr", "-k", "3", "--keep-image", "--working-space", space)
    assert finished.code == 0
    kept = read_image(tmp_path / "a.exr")
    layers = read_layers(tmp_path / "a.exr").layers
    assert kept.color_space == space
    np.testing.assert_allclose(layers.sum(axis=0)[..., :3], kept.pixels[..., :3], atol=2e-6)


def test_half(fscs, photo, tmp_path):
    segmented(fscs, photo, tmp_path / "o.exr")
    segmented(fscs, photo, tmp_path / "h.exr", "--half")
    assert (tmp_path / "h.exr").stat().st_size < 0.7 * (tmp_path / "o.exr").stat().st_size
    assert np.abs(read_layers(tmp_path / "h.exr").layers.sum(axis=0)[..., :3] - linear(photo)).max() <= 2e-3


def test_a_bright_plate_into_png_needs_clip(fscs, tmp_path):
    pixels = np.full((16, 16, 3), 0.5, np.float32)
    pixels[3, 4] = 5.0
    plate = tmp_path / "plate.exr"
    write_exr(plate, Picture.from_pixels(pixels, "lin_rec709"))
    before = sorted(tmp_path.iterdir())
    command = ["segment", plate, "--palette", "#ffffff,#808080", "-o", f"{tmp_path}/layers/"]
    fscs(*command).failed_with(2, "--clip")
    assert sorted(tmp_path.iterdir()) == before
    assert fscs(*command, "--clip").code == 0


@pytest.mark.parametrize("channels", [3, 4])
def test_clipped_png_layers_add_up_to_the_clipped_plate(fscs, tmp_path, channels):
    random = np.random.default_rng(8)
    pixels = random.uniform(-1, 8, (40, 48, channels)).astype(np.float32)
    pixels[:20] = random.uniform(0, 1, (20, 48, channels))
    if channels == 4:
        pixels[..., 3] = random.uniform(0.05, 1, (40, 48))
    plate = tmp_path / "hdr.exr"
    write_exr(plate, Picture.from_pixels(pixels, "lin_rec709"))
    sheet = tmp_path / "sheet.png"
    finished = fscs("segment", plate, "--palette", COLORS, "-o", f"{tmp_path}/l/", "--clip", "--preview", sheet)
    assert finished.code == 0, finished.err
    added = np.zeros((40, 48, 4))
    for number in range(1, 5):
        layer = straight_png(tmp_path / "l" / f"hdr.layer{number}.png")
        added += np.concatenate([layer[..., :3] * layer[..., 3:], layer[..., 3:]], axis=-1)
    alpha = pixels[..., 3:] if channels == 4 else np.ones((40, 48, 1), np.float32)
    clipped = np.clip(ColorSpaces().convert(np.ascontiguousarray(straight(pixels)), LIN_REC709, SRGB), 0, 1)
    assert np.abs(added - np.concatenate([clipped * alpha, alpha], axis=-1)).max() <= 5 / 131070 + 1e-6
    assert "add up to the clipped image" in finished.out


def test_a_nonfinite_mask_is_to_be_repaired(fscs, photo, tmp_path):
    pixels = np.full((40, 56, 3), 0.5, np.float32)
    pixels[3, 4] = np.nan
    write_exr(tmp_path / "mask.exr", Picture.from_pixels(pixels, "lin_rec709"))
    finished = fscs(
        "segment", photo, "-o", tmp_path / "o.exr", "--mask", tmp_path / "mask.exr", "--mask-mode", "limit:1"
    )
    finished.failed_with(2, "mask.exr", "x=4 y=3", "repair the mask")
    assert "--clean-nonfinite" not in finished.err


def test_nonfinite_pixels_are_named_or_cleaned(fscs, tmp_path):
    pixels = np.full((16, 16, 3), 0.5, np.float32)
    pixels[3, 4, 1] = np.nan
    plate = tmp_path / "plate.exr"
    write_exr(plate, Picture.from_pixels(pixels, "lin_rec709"))
    command = ["segment", plate, "--palette", "#ffffff,#808080", "-o", tmp_path / "o.exr"]
    fscs(*command).failed_with(2, "plate.exr", "x=4 y=3", "--clean-nonfinite")
    assert fscs(*command, "--clean-nonfinite").code == 0
    assert np.isfinite(read_layers(tmp_path / "o.exr").layers).all()


def test_for_people(fscs, photo, tmp_path):
    finished = fscs("segment", photo, "--palette", COLORS, "-o", tmp_path / "o.exr", "-o", f"{tmp_path}/layers/")
    assert finished.code == 0
    assert f"wrote {tmp_path / 'o.exr'}" in finished.out
    assert "wrote 4 PNG layers" in finished.out
    assert "#a53615" in finished.out
    (line,) = [line for line in finished.out.splitlines() if "add up to the image" in line]
    assert ", before they are rounded to 16 bit; " in line


@pytest.mark.parametrize(
    ("more", "rounded"), [([], None), (["--half"], "half"), (["--half", "-o", "l/"], "half or 16 bit")]
)
def test_the_error_claims_no_more_than_was_measured(fscs, photo, tmp_path, monkeypatch, more, rounded):
    monkeypatch.chdir(tmp_path)
    out = fscs("segment", photo, "--palette", COLORS, "-o", "o.exr", *more).out
    (line,) = [line for line in out.splitlines() if "add up to the image" in line]
    assert (f", before they are rounded to {rounded}; " in line) if rounded else ("rounded" not in line)


def test_a_page_of_the_layers(fscs, photo, tmp_path):
    finished = fscs("segment", photo, "--palette", COLORS, "--report", tmp_path / "page.html", "--json")
    assert finished.json["outputs"] == [str(tmp_path / "page.html")]
    page = (tmp_path / "page.html").read_text()
    assert "<h1>cup</h1>" in page
    assert "56×40; the sum of the layers is the image within" in page
    shares = [float(share) for share in re.findall(r"<td>([\d.]+)%</td>", page)]
    assert shares == pytest.approx([100 * share for share in finished.json["coverage"]], abs=0.006)


def test_existing_outputs_are_kept_without_overwrite(fscs, photo, tmp_path):
    for name in ("o.exr", "sheet.png", "page.html"):
        (tmp_path / name).write_bytes(b"precious")
    folder = tmp_path / "layers"
    folder.mkdir()
    (folder / "cup.layer2.png").write_bytes(b"precious")
    sheets = (["--preview", tmp_path / "sheet.png"], ["--report", tmp_path / "page.html"])
    for output in (["-o", tmp_path / "o.exr"], *sheets, ["-o", folder]):
        fscs("segment", photo, "--palette", COLORS, *output).failed_with(2, "exists already", "--overwrite")
        # Nothing is written anywhere if one of the outputs can't be.
        fscs("segment", photo, "--palette", COLORS, "-o", tmp_path / "new.exr", *output).failed_with(2, "exists")
        assert not (tmp_path / "new.exr").exists()
    assert (folder / "cup.layer2.png").read_bytes() == b"precious"
    assert [path.name for path in folder.iterdir()] == ["cup.layer2.png"]
    assert fscs("segment", photo, "--palette", COLORS, "-o", folder, "-o", tmp_path / "o.exr", "--overwrite").code == 0
    assert (tmp_path / "o.exr").stat().st_size > 1000


@pytest.mark.parametrize(
    ("source", "asked", "written"),
    [
        ("cup.png", "plate.1001.exr", "plate.1001.exr"),
        ("cup.png", "v1.5.exr", "v1.5.exr"),
        ("cup.png", "sh010.0010.ora", "sh010.0010.ora"),
        ("cup.png", "take #2@3 100%d %02d ####.exr", "take #2@3 100%d %02d ####.exr"),
        ("cup.png", "%V.$F4.exr", "%V.$F4.exr"),
        ("cup.png", "a## %04d/", "a## %04d/cup.layer1.png"),
        ("plate.1001.png", "l.####.exr", "l.1001.exr"),
        ("plate.1001.png", "l.%06d.exr", "l.001001.exr"),
        ("plate_v2_-005.png", "l.####.exr", "l.-005.exr"),
        ("plate.1001.png", "l.2.exr", "l.2.exr"),
    ],
)
def test_names_of_the_outputs_of_one_picture(fscs, photo, tmp_path, monkeypatch, source, asked, written):
    monkeypatch.chdir(tmp_path)
    Path(source).write_bytes(photo.read_bytes())
    sheet = Path(asked).with_suffix(".png")
    finished = fscs("segment", source, "-k", 1, "-o", asked, *(() if asked[-1] == "/" else ("--preview", sheet)))
    assert finished.code == 0, finished.err
    assert Path(written).is_file()
    assert asked[-1] == "/" or Path(written).with_suffix(".png").is_file()


def test_the_input_is_not_replaced_by_its_number(fscs, photo, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert fscs("segment", photo, "-k", 1, "-o", "plate.1001.exr").code == 0
    before = Path("plate.1001.exr").read_bytes()
    finished = fscs("segment", "plate.1001.exr", "--input-layer", "softcolor1", "-o", "plate.####.exr", "--overwrite")
    finished.failed_with(2, "plate.1001.exr is the input")
    fscs("recolor", "plate.1001.exr", "--set", "1=#000000", "-o", "plate.####.exr", "--overwrite").failed_with(
        2, "plate.1001.exr is the input"
    )
    assert Path("plate.1001.exr").read_bytes() == before


def test_the_input_is_never_replaced(fscs, tmp_path):
    plate = tmp_path / "plate.exr"
    write_exr(plate, Picture.from_pixels(np.full((8, 8, 3), 0.5, np.float32), "lin_rec709"))
    before = plate.read_bytes()
    (tmp_path / "link.exr").symlink_to(plate)
    for output in (plate, tmp_path / "link.exr"):
        fscs("segment", plate, "-k", 1, "-o", output, "--overwrite").failed_with(2, "is the input")
    assert plate.read_bytes() == before


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ([], ["nothing to write"]),
        (["-o", "o.tif"], ["o.tif", "/"]),
        (["-o", "missing/o.exr"], ["missing"]),
        (["-o", "o.exr", "-o", "./o.exr"], ["twice"]),
        (["--preview", "sheet.jpg"], ["sheet.jpg", ".png"]),
        (["--report", "page.pdf"], ["page.pdf", ".html"]),
        (["-o", "o.exr", "--palette", "#12345"], ["#12345"]),
        (["-o", "o.exr", "--palette", "missing.json"], ["missing.json"]),
        (["-o", "o.exr", "--palette", "#000000,#ffffff", "-k", "1"], ["2 colors"]),
        (["-o", "o.exr", "-k", "17"], ["1 to 16"]),
        (["-o", "o.exr", "-k", "0"], ["1 to 16"]),
        (["-o", "o.exr", "-k", "16", "--model", "paper"], ["'paper'", "takes 7"]),
        (["-o", "o.exr", "--model", "missing"], ["'missing'", "any-palette, paper"]),
        (["-o", "o.exr", "--model", "missing.safetensors"], ["missing.safetensors"]),
        (["-o", "o.exr", "--smoothing", "257"], ["0 to 256"]),
        (["-o", "o.exr", "--smoothing-eps", "nan"], ["--smoothing-eps"]),
        (["-o", "o.exr", "--minimum-alpha", "2"], ["0 to 1"]),
        (["-o", "o.exr", "--layer-gain", "8=1"], ["layer 8"]),
        (["-o", "o.exr", "--layer-gain", "1"], ["LAYER=VALUE"]),
        (["-o", "o.exr", "--layer-black", "1=0.5", "--layer-white", "1=0.5"], ["black point"]),
        (["-o", "o.exr", "-k", "2", "--layer-gain", "1=0", "--layer-gain", "2=0"], ["gain of 0"]),
        (["-o", "o.exr", "--mask", "cup.png"], ["--mask-mode"]),
        (["-o", "o.exr", "--mask-mode", "limit:1"], ["--mask"]),
        (["-o", "o.exr", "--mask", "missing.png", "--mask-mode", "limit:1"], ["missing.png"]),
        (["-o", "o.exr", "--mask", "small.png", "--mask-mode", "limit:1"], ["small.png", "9 x 9"]),
        (["-o", "o.exr", "--mask", "cup.png", "--mask-mode", "split:1,2,3"], ["split"]),
        (["-o", "o.exr", "--mask", "cup.png", "--mask-mode", "limit:8"], ["layer 8"]),
        (["-o", "o.exr", "-k", "2", "--mask", "cup.png", "--mask-mode", "limit:1,2"], ["every layer"]),
        (["-o", "o.exr", "--working-space", "nowhere"], ["'nowhere'", "acescg"]),
        (["-o", "o.exr", "--ocio", "missing.ocio"], ["--ocio", "missing.ocio does not exist", "ocio://NAME"]),
        (["-o", "o.exr", "--ocio", "."], ["--ocio", "not a file"]),
        (["-o", "o.exr", "--ocio", "ocio://nowhere"], ["ocio://nowhere"]),
        (["-o", "cup.png/"], ["cup.png is a file", "name a folder"]),
        (["-o", "cup.png/layers/"], ["cup.png is a file", "name a folder"]),
        (["-o", "o.exr", "--ocio", "cup.png"], ["cup.png", "config"]),
        (["-o", "o.exr", "--input-layer", "diffuse"], ["diffuse"]),
        (["-o", "o.exr", "--device", "abacus"], ["'abacus'", "cuda"]),
        (["-o", "o.exr", "--precision", "float64"], ["'float64'"]),
        (["-o", "o.exr", "--device", "cpu", "--precision", "float16"], ["float16", "GPU"]),
        (["-o", "o.exr", "--tile", "-1"], ["0 to 16384"]),
        (["-o", "o.exr", "--seed", "-1"], ["--seed"]),
    ],
)
def test_what_can_not_be_done_is_said_in_one_line(fscs, photo, monkeypatch, more, words):
    Image.new("L", (9, 9)).save(photo.with_name("small.png"))
    before = sorted(path.name for path in photo.parent.iterdir())
    monkeypatch.chdir(photo.parent)
    fscs("segment", photo, *more).failed_with(2, *words)
    assert sorted(path.name for path in photo.parent.iterdir()) == before


@pytest.mark.parametrize("name", ["missing.png", "folder", "empty.png", "broken.png", "text.png"])
def test_inputs_that_can_not_be_read(fscs, photo, tmp_path, name):
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "broken.png").write_bytes(photo.read_bytes()[:1000])
    (tmp_path / "text.png").write_text("hello")
    fscs("segment", tmp_path / name, "-o", tmp_path / "o.exr").failed_with(2, name)
    assert not (tmp_path / "o.exr").exists()


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_cancelled_in_the_middle_leaves_nothing(tmp_path, number, hear_ctrl_c):
    plate = tmp_path / "large.png"
    Image.effect_noise((1600, 1600), 90).convert("RGB").save(plate)
    output, folder = tmp_path / "o.exr", tmp_path / "layers"
    output.write_bytes(b"the old one")
    command = [sys.executable, "-m", "fscs_engine", "segment", str(plate), "--palette", COLORS]
    process = subprocess.Popen(
        [*command, "-o", str(output), "-o", f"{folder}/", "--overwrite", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_ctrl_c,
    )
    with process:
        give_up = time.monotonic() + 60
        while not any(".partial" in path.name for path in folder.glob(".*")):
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < give_up
            time.sleep(0.02)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert out == ""
    assert err.splitlines()[-1] == "fscs: cancelled"
    assert "Traceback" not in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["large.png", "o.exr"]
    assert output.read_bytes() == b"the old one"
