"""What comes in: every number and naming of channels, every kind of damage."""

from __future__ import annotations

import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import corpus
import numpy as np
import OpenEXR
import OpenImageIO as oiio
import pytest
from PIL import Image as Pillow
from PIL import ImageOps

from fscs_engine.errors import FscsError, InputError, NonFiniteError
from fscs_engine.files.reading import read_image, read_mask, read_reading
from fscs_engine.image import Image, Window

Save = Callable[..., Path]


# --- channels


@pytest.mark.parametrize("suffix", ["exr", "tif"])
@pytest.mark.parametrize(("channels", "taken"), [(1, [0, 0, 0]), (2, [0, 0, 0, 1]), (3, [0, 1, 2]), (4, [0, 1, 2, 3])])
def test_one_to_four_channels(save: Save, noise: np.ndarray, suffix: str, channels: int, taken: list[int]) -> None:
    names = ["Y", "A"] if channels == 2 else []
    image = read_image(save(f"a.{suffix}", noise[..., :channels], names=names))
    np.testing.assert_array_equal(image.pixels, noise[..., taken])
    assert image.pixels.dtype == np.float32
    assert image.pixels.flags.c_contiguous


@pytest.mark.parametrize("suffix", ["exr", "tif"])
def test_of_five_channels_the_picture_is_taken(save: Save, noise: np.ndarray, suffix: str) -> None:
    np.testing.assert_array_equal(read_image(save(f"a.{suffix}", noise)).pixels, noise[..., :4])


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "P", "1", "I;16"])
def test_png_modes(tmp_path: Path, mode: str) -> None:
    rng = np.random.default_rng(3)
    rgba = rng.integers(0, 256, (6, 7, 4), dtype=np.uint8)
    if mode == "I;16":
        deep = rng.integers(0, 65536, (6, 7), dtype=np.uint16)
        Pillow.fromarray(deep).save(tmp_path / "a.png")
        expected = np.repeat(deep[..., None] / 65535, 3, axis=2)
    else:
        picture = (
            Pillow.fromarray(rgba).convert("RGB").quantize(9) if mode == "P" else Pillow.fromarray(rgba).convert(mode)
        )
        picture.save(tmp_path / "a.png")
        expected = np.asarray(picture.convert("RGBA" if mode in ("LA", "RGBA") else "RGB")) / 255
        if expected.shape[2] == 4:
            expected[..., :3] *= expected[..., 3:]
    image = read_image(tmp_path / "a.png")
    np.testing.assert_allclose(image.pixels, expected, atol=1e-7)
    assert image.color_space == "srgb"


def test_layers_are_chosen_by_name(save: Save, noise: np.ndarray) -> None:
    names = [
        "R",
        "G",
        "B",
        "diffuse.red",
        "diffuse.green",
        "diffuse.blue",
        "diffuse.alpha",
        "deep.er.R",
        "deep.er.G",
        "deep.er.B",
        "z.Z",
    ]
    values = np.random.default_rng(5).random((4, 5, len(names)), dtype=np.float32)
    path = save("a.exr", values, names=names)
    np.testing.assert_array_equal(read_image(path).pixels, values[..., :3])
    np.testing.assert_array_equal(read_image(path, layer="diffuse").pixels, values[..., 3:7])
    np.testing.assert_array_equal(read_image(path, layer="deep.er").pixels, values[..., 7:10])
    np.testing.assert_array_equal(read_image(path, layer="z").pixels, values[..., [10, 10, 10]])
    with pytest.raises(InputError, match=r"no layer 'specular'.*deep\.er.*diffuse"):
        read_image(path, layer="specular")


def test_a_picture_without_layers_has_none_to_choose(save: Save, noise: np.ndarray) -> None:
    with pytest.raises(InputError, match="no named layers"):
        read_image(save("a.exr", noise[..., :3]), layer="diffuse")


def test_only_named_layers(save: Save, noise: np.ndarray) -> None:
    one = save("one.exr", noise[..., :3], names=["beauty.R", "beauty.G", "beauty.B"])
    np.testing.assert_array_equal(read_image(one).pixels, noise[..., :3])
    two = save("two.exr", noise[..., :4], names=["a.Y", "b.R", "b.G", "b.B"])
    with pytest.raises(InputError, match="only named layers.*a, b"):
        read_image(two)


def test_depth_beside_the_picture_is_not_taken(save: Save, noise: np.ndarray) -> None:
    path = save("a.exr", noise[..., :4], names=["R", "G", "B", "Z"])
    np.testing.assert_array_equal(read_image(path).pixels, noise[..., :3])


def test_channels_without_a_picture(save: Save, noise: np.ndarray) -> None:
    with pytest.raises(InputError, match="named R, G and B"):
        read_image(save("a.exr", noise, names=["Z", "id", "u", "v", "w"]))


def parts(path: Path, *channels: dict[str, np.ndarray]) -> Path:
    header = {"type": OpenEXR.scanlineimage, "compression": OpenEXR.ZIP_COMPRESSION}
    OpenEXR.File([OpenEXR.Part(dict(header), c, f"part{n}") for n, c in enumerate(channels)]).write(str(path))
    return path


def test_the_first_part_with_rgb_is_taken(tmp_path: Path, noise: np.ndarray) -> None:
    planes = [np.ascontiguousarray(noise[..., n]) for n in range(5)]
    first = dict(zip("RGB", planes[:3], strict=True))
    path = parts(tmp_path / "a.exr", {"Z": planes[4]}, first, dict(zip("RGB", planes[2:], strict=True)))
    np.testing.assert_array_equal(read_image(path).pixels, noise[..., :3])
    np.testing.assert_array_equal(read_image(path, layer="part2").pixels, noise[..., 2:])
    np.testing.assert_array_equal(read_image(path, layer="part0").pixels, noise[..., [4, 4, 4]])


# --- kinds that are not read


def test_deep(tmp_path: Path) -> None:
    spec = oiio.ImageSpec(4, 4, 4, "float")
    spec.deep = True
    data = oiio.DeepData()
    data.init(16, 4, oiio.TypeFloat, spec.channelnames)
    output = oiio.ImageOutput.create("openexr")
    output.open(str(tmp_path / "a.exr"), spec)
    output.write_deep_image(data)
    output.close()
    for read in (read_image, read_mask):
        with pytest.raises(InputError, match=r"a\.exr: is a deep image"):
            read(tmp_path / "a.exr")


def exr_with_sampling(path: Path, channels: dict[str, tuple[int, int]]) -> Path:
    """An uncompressed 8 x 8 EXR whose channels have the given sampling, written by hand."""

    def attribute(name: str, kind: str, value: bytes) -> bytes:
        return name.encode() + b"\0" + kind.encode() + b"\0" + struct.pack("<i", len(value)) + value

    listed = b"".join(
        name.encode() + b"\0" + struct.pack("<iBBBBii", 2, 0, 0, 0, 0, *channels[name]) for name in sorted(channels)
    )
    box = struct.pack("<4i", 0, 0, 7, 7)
    header = struct.pack("<II", 20000630, 2)
    header += attribute("channels", "chlist", listed + b"\0") + attribute("compression", "compression", b"\0")
    header += attribute("dataWindow", "box2i", box) + attribute("displayWindow", "box2i", box)
    header += attribute("lineOrder", "lineOrder", b"\0") + attribute("pixelAspectRatio", "float", struct.pack("<f", 1))
    header += attribute("screenWindowCenter", "v2f", bytes(8))
    header += attribute("screenWindowWidth", "float", struct.pack("<f", 1)) + b"\0"
    rows = []
    for y in range(8):
        data = b"".join(
            np.full(8 // sx, 0.5, "<f4").tobytes() for _, (sx, sy) in sorted(channels.items()) if y % sy == 0
        )
        rows.append(struct.pack("<ii", y, len(data)) + data)
    offsets = [len(header) + 64 + sum(map(len, rows[:n])) for n in range(8)]
    path.write_bytes(header + struct.pack("<8Q", *offsets) + b"".join(rows))
    return path


def test_subsampled_and_luminance_chroma(tmp_path: Path) -> None:
    whole = exr_with_sampling(tmp_path / "whole.exr", {"R": (1, 1), "G": (1, 1), "B": (1, 1)})
    assert (read_image(whole).pixels == 0.5).all()  # the file made by hand is a good one otherwise
    with pytest.raises(InputError, match="subsampled channels"):
        read_image(exr_with_sampling(tmp_path / "sub.exr", {"R": (1, 1), "G": (2, 2), "B": (2, 2)}))
    for sampling in (1, 2):
        path = exr_with_sampling(tmp_path / "yc.exr", {"Y": (1, 1), "RY": (sampling,) * 2, "BY": (sampling,) * 2})
        with pytest.raises(InputError, match="luminance-chroma"):
            read_image(path)


@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_cmyk(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    Pillow.fromarray(np.full((8, 8, 4), 90, np.uint8), "CMYK").save(path)
    with pytest.raises(InputError, match="CMYK.*convert it to RGB"):
        read_image(path)


def test_lab_tiff(tmp_path: Path) -> None:
    Pillow.fromarray(np.full((8, 8, 3), 90, np.uint8), "LAB").save(tmp_path / "a.tif")
    with pytest.raises(InputError, match="CIELAB"):
        read_image(tmp_path / "a.tif")


# --- files that can't be read


@pytest.mark.parametrize("read", [read_image, read_mask])
def test_missing_empty_folder_and_other_files(tmp_path: Path, read: Callable[[Path], object]) -> None:
    (tmp_path / "empty.exr").write_bytes(b"")
    (tmp_path / "text.png").write_text("no picture")
    cases = {
        "missing.exr": "no such file",
        "empty.exr": "is empty",
        ".": "is a folder",
        "text.png": "can't be read as an image",
        "text.png/x.png": "can't be read",
    }
    for name, message in cases.items():
        with pytest.raises(InputError, match=message) as caught:
            read(tmp_path / name)
        assert str(tmp_path / name) in str(caught.value)
        assert caught.value.cure


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.exr", "float"),
        ("a.exr", "half"),
        ("a.png", "uint16"),
        ("a.jpg", "uint8"),
        ("a.tif", "float"),
        ("a.hdr", "float"),
    ],
)
def test_cut_off_files(save: Save, noise: np.ndarray, name: str, kind: str) -> None:
    path = save(name, noise[..., : 3 if name in ("a.jpg", "a.hdr") else 4], kind)
    whole = path.read_bytes()
    for sixteenth in range(1, 16):
        path.write_bytes(whole[: len(whole) * sixteenth // 16])
        with pytest.raises(InputError, match="render it again"):
            read_image(path)


def test_a_broken_png_says_nothing_on_the_terminal(save: Save, noise: np.ndarray) -> None:
    path = save("a.png", noise[..., :4], "uint16")
    path.write_bytes(path.read_bytes()[:1000])
    script = (
        "import sys; from fscs_engine.files.reading import read_image\n"
        "try: read_image(sys.argv[1])\nexcept Exception as error: print(type(error).__name__)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("InputError\n", "")


@pytest.mark.parametrize(
    "name", ["with blank.exr", "Größe é 画像.exr", "Größe é 画像.png", "a%04d.exr", "a####.exr", "a'\"b.png"]
)
def test_names_with_blanks_and_accents(tmp_path: Path, noise: np.ndarray, save: Save, name: str) -> None:
    path = save("plain" + name[-4:], noise[..., :3], "uint8" if name.endswith("png") else "float")
    folder = tmp_path / "Łódź 1"
    folder.mkdir()
    path = path.rename(folder / name)
    assert read_image(path).pixels.shape == (24, 20, 3)


def test_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="UTF-8"):
        read_image(tmp_path / "a\udcff.png")


# --- values


@pytest.mark.parametrize(("value", "word"), [(np.nan, "NaN"), (np.inf, "infinity"), (-np.inf, "infinity")])
@pytest.mark.parametrize("kind", ["half", "float"])
def test_nonfinite_names_the_first_bad_pixel(save: Save, noise: np.ndarray, value: float, word: str, kind: str) -> None:
    values = noise[..., :4].copy()
    values[21, 2, 0] = values[7, 13, 2] = values[7, 15, 0] = value
    path = save("a.exr", values, kind, window=(-3, 10), display=(0, 0, 40, 40))
    with pytest.raises(NonFiniteError, match=rf"{word} in pixel x=10 y=17, channel B: .*--clean-nonfinite"):
        read_image(path)


def test_nonfinite_is_cleaned_on_request(save: Save, noise: np.ndarray) -> None:
    values = noise[..., :3].copy()
    values[0, 0, 1] = np.nan
    values[7, 13] = np.inf
    values[20:23, 8:11, 0] = -np.inf
    cleaned = read_image(save("a.exr", values), clean_nonfinite=True).pixels
    assert np.isfinite(cleaned).all()
    assert cleaned[0, 0, 1] == pytest.approx(noise[:2, :2, 1].ravel()[1:].mean())
    around = np.delete(noise[6:9, 12:15, :3].reshape(9, 3), 4, axis=0)
    np.testing.assert_allclose(cleaned[7, 13], around.mean(axis=0), rtol=1e-6)
    assert cleaned[21, 9, 0] == 0  # no finite neighbor
    untouched = np.isfinite(values)
    np.testing.assert_array_equal(cleaned[untouched], values[untouched])


def test_nonfinite_in_a_channel_that_is_not_read_is_no_matter(save: Save, noise: np.ndarray) -> None:
    values = noise.copy()
    values[..., 4] = np.nan
    np.testing.assert_array_equal(read_image(save("a.exr", values)).pixels, noise[..., :4])


def test_negative_and_bright_values_pass(save: Save, noise: np.ndarray) -> None:
    values = noise[..., :4] * np.float32(2e5) - np.float32(1e5)
    np.testing.assert_array_equal(read_image(save("a.exr", values)).pixels, values)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9000), (9000, 1), (37, 53)])
def test_odd_sizes(save: Save, shape: tuple[int, int]) -> None:
    values = np.random.default_rng(2).random((*shape, 3), dtype=np.float32)
    np.testing.assert_array_equal(read_image(save("a.exr", values)).pixels, values)


def test_straight_alpha_is_premultiplied_in_float(tmp_path: Path) -> None:
    alpha, value = np.meshgrid(np.arange(256), np.arange(256))
    straight = np.stack([value, 255 - value, value, alpha], axis=2).astype(np.uint8)
    Pillow.fromarray(straight).save(tmp_path / "a.png")
    image = read_image(tmp_path / "a.png")
    expected = straight / 255
    np.testing.assert_allclose(image.pixels[..., :3], expected[..., :3] * expected[..., 3:], atol=1e-7)
    np.testing.assert_allclose(image.pixels[..., 3], expected[..., 3], atol=1e-7)


def test_associated_tiff_stays_as_it_is(save: Save, noise: np.ndarray) -> None:
    values = noise[..., :4]
    np.testing.assert_array_equal(read_image(save("a.tif", values)).pixels, values)
    straight = read_image(save("b.tif", values, attributes={"oiio:UnassociatedAlpha": 1})).pixels
    np.testing.assert_allclose(straight[..., :3], values[..., :3] * values[..., 3:], atol=1e-7)


@pytest.mark.parametrize(
    ("name", "own"), [("a.exr", "premultiplied"), ("a.tif", "premultiplied"), ("a.png", "straight")]
)
@pytest.mark.parametrize("alpha", ["auto", "straight", "premultiplied"])
def test_alpha_can_be_said(save: Save, noise: np.ndarray, name: str, own: str, alpha: str) -> None:
    values = np.rint(noise[..., :4] * 255) / np.float32(255)
    path = save(
        name, values, "uint8" if name == "a.png" else "float", attributes={"oiio:UnassociatedAlpha": name == "a.png"}
    )
    image = read_image(path, alpha=alpha)
    meant = own if alpha == "auto" else alpha
    expected = values[..., :3] * (values[..., 3:] if meant == "straight" else 1)
    np.testing.assert_allclose(image.pixels[..., :3], expected, atol=1e-6)
    np.testing.assert_allclose(image.pixels[..., 3], values[..., 3], atol=1e-6)
    assert image.reading.alpha == meant
    assert image.reading == read_reading(path, alpha=alpha)


def test_a_space_that_is_named_wins_over_what_a_file_says(save: Save, noise: np.ndarray) -> None:
    path = save("a.exr", noise[..., :3], attributes={"colorInteropID": "lin_ap1_scene"})
    image = read_image(path, color_space="ARRI LogC4")
    np.testing.assert_array_equal(image.pixels, noise[..., :3])
    assert (image.color_space, image.reading.reason) == ("ARRI LogC4", "it was chosen")


def test_reading_says_it_in_a_line(save: Save, noise: np.ndarray) -> None:
    path = save("a.exr", noise[..., :4], attributes=chromaticities(0.5, 0.33, 0.3, 0.6, 0.15, 0.06, 0.3127, 0.329))
    primaries = "0.5 0.33 0.3 0.6 0.15 0.06 0.3127 0.329"
    assert str(read_image(path).reading) == (
        f"linear RGB of the primaries {primaries} (its chromaticities), converted to lin_rec709; premultiplied alpha"
    )
    assert str(read_image(path, color_space="acescg").reading) == "acescg (it was chosen); premultiplied alpha"


@pytest.mark.parametrize("bits", [8, 16])
def test_a_profile_is_followed_between_the_levels_of_a_file(tmp_path: Path, bits: int) -> None:
    """Premultiplied integers give straight colors that are no levels, and some above 1."""
    rng, top = np.random.default_rng(5), 2**bits - 1
    values = np.empty((6, 7, 4), np.uint8 if bits == 8 else np.uint16)
    values[..., 3] = rng.integers(top // 10, top, (6, 7))
    values[..., :3] = rng.random((6, 7, 3)) * values[..., 3:]
    values[1, 2] = np.array([0.5, 0.1, 0.1, 0.25]) * top
    corpus.tiff(tmp_path / "a.tif", values, profile=corpus.icc_profile(corpus.P3), extrasamples=["assocalpha"])
    found = read_image(tmp_path / "a.tif").pixels
    straight = values[..., :3] / values[..., 3:].astype(np.float64)
    alpha = values[..., 3:] / np.float64(top)
    light = straight ** (round(2.2 * 256) / 256)  # as the profile holds it
    np.testing.assert_allclose(found[..., 3:], alpha, atol=1e-6)
    np.testing.assert_allclose(found[..., :3], corpus.to_rec709(light, corpus.P3) * alpha, atol=1e-4)


def test_without_littlecms_a_profile_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus.png(tmp_path / "a.png", corpus.RGB, corpus.iccp(corpus.icc_profile(corpus.P3)))
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    image = read_image(tmp_path / "a.png")
    np.testing.assert_allclose(image.pixels, corpus.RGB / 255, atol=1e-7)
    assert image.reading.warnings == ("its ICC profile can't be used: the package imagecodecs is missing",)


# --- windows, orientation, attributes, spaces


@pytest.mark.parametrize("window", [(-3, -2), (5, 4), (100, 100)])
def test_the_data_window_is_kept_apart(save: Save, noise: np.ndarray, window: tuple[int, int]) -> None:
    image = read_image(save("a.exr", noise[..., :3], window=window, display=(0, 0, 40, 30)))
    assert image.data_window == Window(*window, 20, 24)
    assert image.display_window == Window(0, 0, 40, 30)
    np.testing.assert_array_equal(image.pixels, noise[..., :3])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photographs_are_turned_upright(tmp_path: Path, orientation: int) -> None:
    values = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    picture = Pillow.fromarray(values)
    exif = picture.getexif()
    exif[0x0112] = orientation
    picture.save(tmp_path / "a.tif", exif=exif)
    with Pillow.open(tmp_path / "a.tif") as saved:
        upright = np.asarray(ImageOps.exif_transpose(saved))
    image = read_image(tmp_path / "a.tif")
    np.testing.assert_allclose(image.pixels, upright / 255, atol=1e-7)
    assert image.data_window == image.display_window == Window(0, 0, upright.shape[1], upright.shape[0])


def chromaticities(*values: float) -> dict[str, object]:
    return {"chromaticities": ("float[8]", values)}


@pytest.mark.parametrize(
    ("attributes", "space"),
    [
        ({}, "lin_rec709"),
        (chromaticities(0.64, 0.33, 0.3, 0.6, 0.15, 0.06, 0.3127, 0.329), "lin_rec709"),
        (chromaticities(0.713, 0.293, 0.165, 0.83, 0.128, 0.044, 0.32168, 0.33767), "acescg"),
        (chromaticities(0.7347, 0.2653, 0, 1, 0.0001, -0.077, 0.32168, 0.33767), "ACES2065-1"),
        (chromaticities(0.708, 0.292, 0.17, 0.797, 0.131, 0.046, 0.3127, 0.329), "Linear Rec.2020"),
        (chromaticities(0.68, 0.32, 0.265, 0.69, 0.15, 0.06, 0.3127, 0.329), "Linear P3-D65"),
        (chromaticities(0.5, 0.33, 0.3, 0.6, 0.15, 0.06, 0.3127, 0.329), "lin_rec709"),
        ({"colorInteropID": "lin_ap1_scene"}, "acescg"),
        ({"colorInteropID": "srgb_rec709_scene"}, "srgb"),
    ],
)
def test_the_space_of_an_exr(save: Save, noise: np.ndarray, attributes: dict[str, object], space: str) -> None:
    path = save("a.exr", noise[..., :3], "half", attributes=attributes)
    assert read_image(path).color_space == read_reading(path).space == space
    assert read_image(path, color_space="acescg").color_space == "acescg"


@pytest.mark.parametrize(
    ("name", "kind", "space"),
    [
        ("a.hdr", "float", "lin_rec709"),
        ("a.tif", "float", "lin_rec709"),
        ("a.tif", "uint16", "srgb"),
        ("a.jpg", "uint8", "srgb"),
    ],
)
def test_the_space_of_other_files(save: Save, noise: np.ndarray, name: str, kind: str, space: str) -> None:
    path = save(name, noise[..., :3], kind)
    assert read_image(path).color_space == read_reading(path).space == space


def test_what_a_header_says_about_the_picture_is_kept(save: Save, noise: np.ndarray) -> None:
    attributes: dict[str, object] = {
        "PixelAspectRatio": 2.0,
        "smpte:TimeCode": ("timecode", (0x01020304, 0)),
        "framesPerSecond": ("rational", (24000, 1001)),
        "cameraMake": "ARRI",
        "isoSpeed": 800.0,
        "worldToCamera": ("matrix", tuple(float(n) for n in range(16))),
        "DateTime": "2020:01:01 00:00:00",
        "HostComputer": "secret",
        "Software": "some",
        "Artist": "someone",
        "nuke/input/filename": "/home/someone/plate.exr",
        "textureformat": "LatLong Environment",
        "softcolor:palette": "of another run",
    }
    kept = read_image(save("a.exr", noise[..., :3], attributes=attributes)).attributes
    assert kept["PixelAspectRatio"] == 2.0
    assert kept["smpte:TimeCode"] == (0x01020304, 0)
    assert str(kept["framesPerSecond"]) == "24000/1001"
    assert (kept["cameraMake"], kept["isoSpeed"]) == ("ARRI", 800.0)
    assert kept["worldToCamera"] == tuple(range(16))
    dropped = {"DateTime", "HostComputer", "Software", "Artist", "nuke/input/filename", "textureformat"}
    assert not (dropped | {"softcolor:palette", "compression", "oiio:subimages"}) & set(kept)


# --- masks


def test_a_mask_is_data(tmp_path: Path, save: Save, noise: np.ndarray) -> None:
    rgba = np.random.default_rng(0).integers(0, 256, (5, 6, 4), dtype=np.uint8)
    Pillow.fromarray(rgba).save(tmp_path / "a.png")
    np.testing.assert_allclose(read_mask(tmp_path / "a.png"), rgba[..., 0] / 255, atol=1e-7)
    bright = noise[..., :4] * 3 - 1
    mask = read_mask(save("a.exr", bright))
    np.testing.assert_array_equal(mask, bright[..., 0].clip(0, 1))
    assert mask.dtype == np.float32


def test_a_mask_with_nan_is_refused(save: Save, noise: np.ndarray) -> None:
    values = noise[..., :1].copy()
    values[2, 3] = np.nan
    with pytest.raises(NonFiniteError, match="x=3 y=2"):
        read_mask(save("a.exr", values))


def image_of(data: Window, display: Window) -> Image:
    return Image(np.zeros((data.height, data.width, 3), np.float32), "lin_rec709", data, display)


def test_a_cropped_mask_is_placed_on_the_picture(save: Save, noise: np.ndarray) -> None:
    path = save("a.exr", noise[..., :1], window=(5, 3), display=(0, 0, 40, 30))
    whole = read_mask(path, image=image_of(Window(0, 0, 40, 30), Window(0, 0, 40, 30)))
    expected = np.zeros((30, 40), np.float32)
    expected[3:27, 5:25] = noise[..., 0]
    np.testing.assert_array_equal(whole, expected)
    overscan = read_mask(path, image=image_of(Window(-2, 10, 20, 25), Window(0, 0, 40, 30)))
    padded = np.pad(expected, ((0, 5), (2, 0)))
    np.testing.assert_array_equal(overscan, padded[10:35, 0:20])
    apart = read_mask(path, image=image_of(Window(30, 28, 5, 2), Window(0, 0, 40, 30)))
    assert apart.shape == (2, 5)
    assert not apart.any()


def test_a_mask_of_another_size_is_refused(save: Save, noise: np.ndarray) -> None:
    path = save("a.png", noise[..., :1], "uint8")
    same = Window(0, 0, 20, 24)
    assert read_mask(path, image=image_of(same, same)).shape == (24, 20)
    # A file without windows may also be of the data window's size.
    assert read_mask(path, image=image_of(Window(3, 3, 20, 24), Window(0, 0, 99, 99))).shape == (24, 20)
    other = Window(0, 0, 24, 20)
    with pytest.raises(InputError, match="mask is 20 x 24, the image 24 x 20"):
        read_mask(path, image=image_of(other, other))


def test_every_error_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.exr").write_bytes(b"v/1\x01" + bytes(50))
    with pytest.raises(FscsError) as caught:
        read_image(tmp_path / "a.exr")
    assert "\n" not in str(caught.value)
