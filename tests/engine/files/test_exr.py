"""The layered EXR: what other programs find in it, equal bytes, strips, half floats."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import OpenEXR
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fscs_engine.errors import InputError, OutputError, RangeError, UsageError
from fscs_engine.files.exr import ExrLayerWriter, read_layer_strips, read_layers, read_layers_header, write_exr
from fscs_engine.files.reading import read_image
from fscs_engine.host.naming import COMPRESSIONS
from fscs_engine.image import Image, Window

Save = Callable[..., Path]
METADATA = {"softcolor:palette": '[{"name": "Café"}]', "softcolor:working_space": "acescg", "softcolor:version": "1"}


def some_layers(count: int = 2, height: int = 50, width: int = 12, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.4, 0.4, (count, height, width, 4)).astype(np.float32)


def write(path: Path, layers: np.ndarray, strips: list[int] | None = None, **options: object) -> Path:
    count, height, width, _ = layers.shape
    settings_ = {"metadata": METADATA, "color_space": "acescg"} | options
    with ExrLayerWriter(path, height=height, width=width, layers=count, **settings_) as writer:
        top = 0
        for rows in strips or [height]:
            writer.write(top, layers[:, top : top + rows])
            top += rows
    return path


def a_plate(height: int = 50, width: int = 12) -> Image:
    return Image(
        np.random.default_rng(9).random((height, width, 4), dtype=np.float32),
        "acescg",
        Window(-4, 7, width, height),
        Window(0, 0, 64, 48),
        {
            "PixelAspectRatio": 2.0,
            "smpte:TimeCode": (0x01020304, 0),
            "framesPerSecond": Fraction(24000, 1001),
            "cameraMake": "X",
        },
    )


def test_other_readers_find_the_layers(tmp_path: Path) -> None:
    layers = some_layers(11)
    file = OpenEXR.File(str(write(tmp_path / "a.exr", layers, single_part=True)), separate_channels=True)
    assert len(file.parts) == 1
    header, channels = file.header(), file.channels()
    assert set(channels) == {f"softcolor{n}.{c}" for n in range(1, 12) for c in "RGBA"}
    for number in range(11):
        for index, channel in enumerate("RGBA"):
            pixels = channels[f"softcolor{number + 1}.{channel}"].pixels
            assert pixels.dtype == np.float32
            np.testing.assert_array_equal(pixels, layers[number, ..., index])
    assert header["type"] == OpenEXR.scanlineimage
    assert header["compression"] == OpenEXR.ZIP_COMPRESSION
    assert header["softcolor:palette"] == METADATA["softcolor:palette"]


def test_layers_come_back(tmp_path: Path) -> None:
    layers = some_layers(3)
    found = read_layers(write(tmp_path / "a.exr", layers, image=a_plate()))
    np.testing.assert_array_equal(found.layers, layers)
    assert found.layers.flags.c_contiguous
    assert found.metadata == METADATA
    assert found.color_space == "acescg"
    assert (found.data_window, found.display_window) == (a_plate().data_window, a_plate().display_window)
    assert found.source == tmp_path / "a.exr"
    for name, value in a_plate().attributes.items():
        assert found.attributes[name] == value


def test_the_header_keeps_what_belongs_to_the_picture(tmp_path: Path) -> None:
    header = OpenEXR.File(str(write(tmp_path / "a.exr", some_layers(), image=a_plate()))).header()
    assert [list(corner) for corner in header["dataWindow"]] == [[-4, 7], [7, 56]]
    assert [list(corner) for corner in header["displayWindow"]] == [[0, 0], [63, 47]]
    assert header["pixelAspectRatio"] == 2.0
    assert header["framesPerSecond"] == Fraction(24000, 1001)
    assert "timeCode" in header
    np.testing.assert_allclose(
        header["chromaticities"], (0.713, 0.293, 0.165, 0.83, 0.128, 0.044, 0.32168, 0.33767), rtol=1e-6
    )


def test_nothing_tells_when_where_or_by_whom(tmp_path: Path) -> None:
    image = a_plate()
    image = Image(
        image.pixels,
        image.color_space,
        image.data_window,
        image.display_window,
        {**image.attributes, "DateTime": "2020", "HostComputer": "h"},
    )
    header = OpenEXR.File(str(write(tmp_path / "a.exr", some_layers(), image=image, single_part=True))).header()
    expected = {"channels", "compression", "dataWindow", "displayWindow", "lineOrder", "pixelAspectRatio", "type"}
    expected |= {"screenWindowCenter", "screenWindowWidth", "chromaticities", "colorInteropID", "timeCode"}
    assert set(header) == expected | {"framesPerSecond", "cameraMake"} | set(METADATA)


@given(
    strips=st.lists(st.integers(1, 90), min_size=1, max_size=12),
    half=st.booleans(),
    plate=st.booleans(),
    single_part=st.booleans(),
    compression=st.sampled_from(COMPRESSIONS),
)
@settings(max_examples=40, deadline=None)
def test_strips_of_any_height_give_the_same_bytes(strips: list[int], **options: object) -> None:
    height = sum(strips)
    layers = some_layers(2, height, 5)
    options["image"] = a_plate(height, 5)
    with tempfile.TemporaryDirectory() as folder:
        whole = write(Path(folder) / "whole.exr", layers, **options)
        cut = write(Path(folder) / "cut.exr", layers, strips, **options)
        assert whole.read_bytes() == cut.read_bytes()


def test_equal_work_gives_equal_bytes_at_another_time_and_place(tmp_path: Path) -> None:
    (tmp_path / "é").mkdir()
    first = write(tmp_path / "a.exr", some_layers())
    script = (
        "import sys, pathlib, runpy\n"
        "m = runpy.run_path(sys.argv[1])\n"
        "m['write'](pathlib.Path(sys.argv[2]), m['some_layers']())"
    )
    second = tmp_path / "é" / "other name.exr"
    subprocess.run([sys.executable, "-c", script, __file__, str(second)], check=True, timeout=60)
    assert first.read_bytes() == second.read_bytes()


def test_the_plate_is_kept_on_request(tmp_path: Path) -> None:
    layers, plate = some_layers(), a_plate()
    path = write(tmp_path / "a.exr", layers, [17, 33], image=plate, plate=True)
    np.testing.assert_array_equal(read_layers(path).layers, layers)
    image = read_image(path)
    np.testing.assert_array_equal(image.pixels, plate.pixels)
    assert image.color_space == "acescg"
    assert image.data_window == plate.data_window
    without_alpha = Image.from_pixels(np.ascontiguousarray(plate.pixels[..., :3]), "acescg")
    path = write(tmp_path / "b.exr", layers, image=without_alpha, plate=True)
    assert not read_image(path).has_alpha


def test_a_plate_in_another_space_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="acescg, the layers in lin_rec709"):
        write(tmp_path / "a.exr", some_layers(), image=a_plate(), plate=True, color_space="lin_rec709")


@pytest.mark.parametrize(
    "space", ["srgb", "lin_rec709", "acescg", "ACES2065-1", "Linear Rec.2020", "Linear P3-D65", "LogC"]
)
def test_the_space_comes_back(tmp_path: Path, space: str) -> None:
    path = write(tmp_path / "a.exr", some_layers(), color_space=space, metadata={"softcolor:working_space": space})
    assert read_layers(path).color_space == space
    if space != "LogC":
        bare = write(tmp_path / "b.exr", some_layers(), color_space=space, metadata={})
        assert read_layers(bare).color_space == space
        plain = Image.from_pixels(some_layers()[0], space)
        write_exr(tmp_path / "c.exr", plain)
        assert read_image(tmp_path / "c.exr").color_space == space


def test_half_keeps_two_thousandths(tmp_path: Path) -> None:
    layers = some_layers() * 100
    path = write(tmp_path / "a.exr", layers, half=True)
    assert OpenEXR.File(str(path), separate_channels=True).parts[0].channels["softcolor1.R"].pixels.dtype == np.float16
    np.testing.assert_allclose(read_layers(path).layers, layers, rtol=2e-3, atol=1e-6)


@pytest.mark.parametrize("value", [65505.0, -1e5, np.inf])
def test_half_overflow(tmp_path: Path, value: float) -> None:
    layers = some_layers()
    layers[1, 40, 3, 2] = value
    with pytest.raises(RangeError, match=r"a\.exr: .* in softcolor2 at x=3 y=40 .*--clip"):
        write(tmp_path / "a.exr", layers, [33, 17], half=True)
    assert not list(tmp_path.iterdir())
    clipped = read_layers(write(tmp_path / "a.exr", layers, half=True, clip=True)).layers
    assert clipped[1, 40, 3, 2] == np.copysign(65504, value)
    layers[1, 40, 3, 2] = np.copysign(65504, value)
    exact = read_layers(write(tmp_path / "b.exr", layers, half=True)).layers
    np.testing.assert_array_equal(exact, clipped)
    assert np.abs(read_layers(write(tmp_path / "c.exr", layers)).layers).max() == 65504


def test_an_error_in_the_block_leaves_nothing(tmp_path: Path) -> None:
    layers = some_layers()
    with (
        pytest.raises(KeyboardInterrupt),
        ExrLayerWriter(tmp_path / "a.exr", height=50, width=12, layers=2, metadata={}, color_space="srgb") as writer,
    ):
        writer.write(0, layers[:, :20])
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_rows_come_in_order_and_all(tmp_path: Path) -> None:
    layers = some_layers()
    with pytest.raises(ValueError, match="20 of 50 rows"):
        write(tmp_path / "a.exr", layers, [20])
    for top, strip in ((1, layers[:, :5]), (0, layers[:1]), (0, layers[:, :, :3]), (0, np.repeat(layers, 2, axis=1))):
        with (
            pytest.raises(ValueError, match="strip"),
            ExrLayerWriter(
                tmp_path / "a.exr", height=50, width=12, layers=2, metadata={}, color_space="srgb"
            ) as writer,
        ):
            writer.write(top, strip)
    assert not list(tmp_path.iterdir())


def test_an_existing_file_is_refused_before_the_work(tmp_path: Path) -> None:
    path = write(tmp_path / "a.exr", some_layers())
    before = path.read_bytes()
    with pytest.raises(OutputError, match="exists already"):
        ExrLayerWriter(path, height=50, width=12, layers=2, metadata={}, color_space="srgb")
    assert path.read_bytes() == before
    write(path, some_layers(seed=1), overwrite=True)
    assert path.read_bytes() != before


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (900, 1), (16, 4), (65, 4)])
def test_odd_sizes(tmp_path: Path, shape: tuple[int, int]) -> None:
    layers = some_layers(1, *shape)
    np.testing.assert_array_equal(read_layers(write(tmp_path / "a.exr", layers)).layers, layers)


def test_files_that_are_not_ours(tmp_path: Path, save: Save, noise: np.ndarray) -> None:
    with pytest.raises(InputError, match="softcolor1: .*fscs segment"):
        read_layers(save("a.exr", noise[..., :4]))
    with pytest.raises(InputError, match="no such file"):
        read_layers(tmp_path / "none.exr")
    partial = save("b.exr", noise[..., :3], names=["softcolor1.R", "softcolor1.G", "softcolor1.B"])
    with pytest.raises(InputError, match="softcolor1"):
        read_layers(partial)


def test_cut_off_layers(tmp_path: Path) -> None:
    path = write(tmp_path / "a.exr", some_layers())
    whole = path.read_bytes()
    for sixteenth in range(1, 16):
        path.write_bytes(whole[: len(whole) * sixteenth // 16])
        with pytest.raises(InputError):
            read_layers(path)


def test_layers_that_a_host_saved_with_long_names(save: Save, noise: np.ndarray) -> None:
    path = save("a.exr", noise[..., :4], names=[f"softcolor1.{c}" for c in ("red", "green", "blue", "alpha")])
    np.testing.assert_array_equal(read_layers(path).layers[0], noise[..., :4])


def test_layers_that_a_host_saved_as_tiles(save: Save, noise: np.ndarray) -> None:
    names = [f"softcolor1.{c}" for c in "RGBA"]
    path = save("a.exr", noise[..., :4], names=names, tile=16, window=(-5, 6))
    np.testing.assert_array_equal(read_layers(path).layers[0], noise[..., :4])
    np.testing.assert_array_equal(read_image(path).pixels, noise[..., :4])


def test_a_plain_exr(tmp_path: Path) -> None:
    plate = a_plate()
    write_exr(tmp_path / "a.exr", plate)
    found = read_image(tmp_path / "a.exr")
    np.testing.assert_array_equal(found.pixels, plate.pixels)
    assert (found.data_window, found.display_window) == (plate.data_window, plate.display_window)
    assert dict(plate.attributes).items() <= dict(found.attributes).items()
    write_exr(tmp_path / "half.exr", plate, half=True)
    np.testing.assert_array_equal(read_image(tmp_path / "half.exr").pixels, plate.pixels.astype(np.float16))
    with pytest.raises(OutputError, match="exists already"):
        write_exr(tmp_path / "a.exr", plate)
    bright = Image.from_pixels(np.full((100, 2, 3), 1e5, np.float32), "acescg")
    with pytest.raises(RangeError, match="x=0 y=0"):
        write_exr(tmp_path / "b.exr", bright, half=True)
    assert not (tmp_path / "b.exr").exists()
    write_exr(tmp_path / "b.exr", bright)
    assert (read_image(tmp_path / "b.exr").pixels == 1e5).all()


def test_a_frame_rate_from_another_format_becomes_a_rational(tmp_path: Path) -> None:
    for number, (rate, expected) in enumerate(((23.976, Fraction(24000, 1001)), (25.0, 25), (12.5, Fraction(25, 2)))):
        path = tmp_path / f"{number}.exr"
        image = a_plate()
        write_exr(
            path, Image(image.pixels, "acescg", image.data_window, image.display_window, {"FramesPerSecond": rate})
        )
        assert OpenEXR.File(str(path)).header()["framesPerSecond"] == expected


def test_a_latlong_plate_does_not_break_the_file(tmp_path: Path, save: Save, noise: np.ndarray) -> None:
    plate = read_image(save("a.exr", noise[..., :3], attributes={"textureformat": "LatLong Environment"}))
    write_exr(tmp_path / "b.exr", plate)
    np.testing.assert_array_equal(read_image(tmp_path / "b.exr").pixels, noise[..., :3])


MEMORY = """
import resource, sys
import numpy as np
from fscs_engine.files.exr import ExrLayerWriter
from fscs_engine.files.png import PngLayerWriter
height, kind, path = int(sys.argv[1]), sys.argv[2], sys.argv[3]
strip = np.full((4, 48, 512, 4), 0.25, np.float32)
if kind == "exr":
    writer = ExrLayerWriter(path, height=height, width=512, layers=4, metadata={}, color_space="srgb")
else:
    writer = PngLayerWriter(path, "a", height=height, width=512, palette_rgb=np.zeros((4, 3)))
with writer:
    for top in range(0, height, 48):
        writer.write(top, strip)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["exr", "png"])
def test_memory_does_not_grow_with_the_height(tmp_path: Path, kind: str) -> None:
    peaks = []
    for height in (480, 9600):
        command = [sys.executable, "-c", MEMORY, str(height), kind, str(tmp_path / f"{height}.exr")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        peaks.append(int(done.stdout) / 1024)
    # The pixels of the tall one take 300 MiB.
    assert peaks[1] - peaks[0] < 16


@pytest.mark.parametrize("single_part", [False, True])
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_every_compression_gives_the_layers_back(tmp_path: Path, compression: str, single_part: bool) -> None:
    layers = some_layers(3)
    path = write(tmp_path / "a.exr", layers, [9, 41], compression=compression, single_part=single_part)
    kind = getattr(OpenEXR, f"{compression.upper() if compression != 'none' else 'NO'}_COMPRESSION")
    assert {part.header["compression"] for part in OpenEXR.File(str(path)).parts} == {kind}
    found = read_layers(path).layers
    if compression == "dwaa":
        assert not np.array_equal(found, layers)
        assert np.abs(found - layers).mean() < 0.05
    else:
        np.testing.assert_array_equal(found, layers)


def test_unknown_compression_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="zstd"):
        write(tmp_path / "a.exr", some_layers(1), compression="zstd")
    assert not (tmp_path / "a.exr").exists()


def part_names(path: Path) -> list[str]:
    return [part.name() for part in OpenEXR.File(str(path)).parts]


def test_parts_have_their_names_and_full_channel_names(tmp_path: Path) -> None:
    layers = some_layers(11)
    path = write(tmp_path / "a.exr", layers, [17, 33], image=a_plate())
    file = OpenEXR.File(str(path), separate_channels=True)
    assert [part.name() for part in file.parts] == [f"softcolor{n}" for n in range(1, 12)]
    for number, part in enumerate(file.parts):
        assert set(part.channels) == {f"softcolor{number + 1}.{c}" for c in "RGBA"}
        assert part.header["type"] == OpenEXR.scanlineimage
        assert part.header["compression"] == OpenEXR.ZIP_COMPRESSION
        assert [list(corner) for corner in part.header["dataWindow"]] == [[-4, 7], [7, 56]]
        assert ("softcolor:palette" in part.header) == (number == 0)
        for index, channel in enumerate("RGBA"):
            pixels = part.channels[f"softcolor{number + 1}.{channel}"].pixels
            np.testing.assert_array_equal(pixels, layers[number, ..., index])


@pytest.mark.parametrize("plate", [False, True])
@pytest.mark.parametrize("half", [False, True])
def test_parts_come_back(tmp_path: Path, plate: bool, half: bool) -> None:
    layers = some_layers(3)
    options = {"image": a_plate(), "plate": plate, "half": half}
    path = write(tmp_path / "a.exr", layers, [9, 41], **options)
    found = read_layers(path)
    single = read_layers(write(tmp_path / "b.exr", layers, single_part=True, **options))
    np.testing.assert_array_equal(found.layers, single.layers)
    assert found.layers.flags.c_contiguous
    assert found.metadata == METADATA
    assert found.attributes == single.attributes
    assert (found.data_window, found.display_window) == (single.data_window, single.display_window)
    assert found.color_space == "acescg"
    assert part_names(path) == ["rgba"] * plate + ["softcolor1", "softcolor2", "softcolor3"]
    if plate:
        np.testing.assert_array_equal(read_image(path).pixels, read_image(tmp_path / "b.exr").pixels)
    np.testing.assert_array_equal(read_image(path, layer="softcolor2").pixels, found.layers[1])


def test_parts_of_any_strips_give_the_same_bytes(tmp_path: Path) -> None:
    layers = some_layers(2, 150, 5)
    options = {"plate": True, "image": a_plate(150, 5)}
    whole = write(tmp_path / "whole.exr", layers, **options)
    cut = write(tmp_path / "cut.exr", layers, [1, 63, 64, 22], **options)
    assert whole.read_bytes() == cut.read_bytes()
    for name in ("HostComputer", "DateTime", "Software", "capDate"):
        assert all(name not in part.header for part in OpenEXR.File(str(whole)).parts)


def test_parts_all_or_nothing(tmp_path: Path) -> None:
    layers = some_layers()
    with pytest.raises(ValueError, match="20 of 50 rows"):
        write(tmp_path / "a.exr", layers, [20])
    layers[1, 40, 3, 2] = 1e6
    with pytest.raises(RangeError, match=r"in softcolor2 at x=3 y=40"):
        write(tmp_path / "a.exr", layers, half=True)
    assert not list(tmp_path.iterdir())


def test_cut_off_parts(tmp_path: Path) -> None:
    path = write(tmp_path / "a.exr", some_layers(3))
    whole = path.read_bytes()
    for sixteenth in range(1, 16):
        path.write_bytes(whole[: len(whole) * sixteenth // 16])
        with pytest.raises(InputError):
            read_layers(path)


def test_layers_that_a_host_saved_in_parts(tmp_path: Path, noise: np.ndarray) -> None:
    header = {"compression": OpenEXR.ZIPS_COMPRESSION, "type": OpenEXR.scanlineimage}
    parts = [
        OpenEXR.Part(dict(header), {c: np.ascontiguousarray(noise[..., i]) for i, c in enumerate("RGB")}, "rgba"),
        OpenEXR.Part(
            dict(header),
            {f"softcolor2.{c}": np.ascontiguousarray(noise[::-1, :, i]) for i, c in enumerate("RGBA")},
            "second",
        ),
        OpenEXR.Part(
            header | {"softcolor:working_space": "acescg"},
            {f"softcolor1.{c}": np.ascontiguousarray(noise[..., i]) for i, c in enumerate(("red", "green"))}
            | {f"softcolor1.{c}": np.ascontiguousarray(noise[..., i + 2]) for i, c in enumerate(("blue", "alpha"))},
            "first",
        ),
    ]
    OpenEXR.File(parts).write(str(tmp_path / "a.exr"))
    found = read_layers(tmp_path / "a.exr")
    np.testing.assert_array_equal(found.layers, [noise[..., :4], noise[::-1, :, :4]])
    assert found.color_space == "acescg"


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("single_part", [False, True])
@pytest.mark.parametrize("compression", ["zip", "zips"])
def test_what_is_packed_is_smaller_and_whole(tmp_path: Path, half: bool, single_part: bool, compression: str) -> None:
    layers = some_layers(3, 37, 301)
    layers[0, 5:30] = 0
    layers[1] = 1
    layers[2, :, 100:] = layers[2, :, :1]
    if half:
        layers = layers.astype(np.float16).astype(np.float32)
    options = {"half": half, "single_part": single_part, "compression": compression}
    path = write(tmp_path / "a.exr", layers, [9, 28], **options)
    assert path.stat().st_size < 0.6 * layers.nbytes / (1 + half)
    for number, layer in enumerate(layers, 1):
        part = OpenEXR.File(str(path), separate_channels=True).parts[0 if single_part else number - 1]
        found = np.stack([part.channels[f"softcolor{number}.{c}"].pixels for c in "RGBA"], axis=-1)
        np.testing.assert_array_equal(found, layer)


def test_parts_that_a_host_has_cut_come_back_whole(tmp_path: Path) -> None:
    layers = np.zeros((3, 40, 60, 4), np.float32)
    boxes = [(0, 0, 60, 40), (5, 7, 20, 10), (30, 8, 30, 32)]
    parts = []
    for number, (layer, (x, y, width, height)) in enumerate(zip(layers, boxes, strict=True), 1):
        inside = np.random.default_rng(number).random((height, width, 4), dtype=np.float32)
        layer[y : y + height, x : x + width] = inside
        header = {
            "compression": OpenEXR.ZIP_COMPRESSION,
            "type": OpenEXR.scanlineimage,
            "dataWindow": ((x - 4, y + 7), (x - 4 + width - 1, y + 7 + height - 1)),
            "displayWindow": ((0, 0), (63, 47)),
        }
        channels = {f"softcolor{number}.{c}": np.ascontiguousarray(inside[..., i]) for i, c in enumerate("RGBA")}
        parts.append(OpenEXR.Part(header, channels, f"softcolor{number}"))
    for order in (parts, parts[::-1]):
        OpenEXR.File(order).write(str(tmp_path / "a.exr"))
        found = read_layers(tmp_path / "a.exr")
        np.testing.assert_array_equal(found.layers, layers)
        assert (found.data_window, found.display_window) == (Window(-4, 7, 60, 40), Window(0, 0, 64, 48))


@pytest.mark.parametrize("tiles", [{}, {"tiles": OpenEXR.TileDescription()}])
def test_strips_are_what_the_whole_is(tmp_path: Path, tiles: dict[str, object]) -> None:
    """Three strips, of which a cut part begins in the second and ends in the last."""
    rng = np.random.default_rng(0)
    parts = []
    for number, (x, y, width, height) in enumerate([(0, 0, 70, 150), (6, 80, 40, 60)], 1):
        header = {
            "compression": OpenEXR.ZIP_COMPRESSION,
            "type": OpenEXR.tiledimage if tiles else OpenEXR.scanlineimage,
            "dataWindow": ((x, y), (x + width - 1, y + height - 1)),
            "displayWindow": ((0, 0), (69, 149)),
            **tiles,
        }
        channels = {f"softcolor{number}.{c}": rng.random((height, width), dtype=np.float32) for c in "RGBA"}
        parts.append(OpenEXR.Part(header, channels, f"softcolor{number}"))
    OpenEXR.File(parts).write(str(tmp_path / "a.exr"))
    whole = read_layers(tmp_path / "a.exr")
    assert not whole.layers[1, :80].any() and whole.layers[1, 80:140, 6:46].all() and not whole.layers[1, 140:].any()
    strips = list(read_layer_strips(tmp_path / "a.exr", lambda shape: np.full(shape, np.nan, np.float32)))
    assert len(strips) == 3
    np.testing.assert_array_equal(np.concatenate(strips, axis=1), whole.layers)
    said = read_layers_header(tmp_path / "a.exr")
    assert vars(said) == {name: value for name, value in vars(whole).items() if name != "layers"}
