"""The add-on's own EXR files, held against OpenImageIO."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest


@pytest.fixture
def planes() -> dict[str, np.ndarray]:
    """Noise and flat rows, in more layers than ten and of no round size."""
    generator = np.random.default_rng(3)
    made = {
        f"softcolor{k}.{c}": generator.normal(size=(37, 53)).astype(np.float32) for k in range(1, 12) for c in "RGBA"
    }
    for plane in made.values():
        plane[5:21] = 0.25
    return made


def test_others_read_it(without_blender, planes, tmp_path: Path) -> None:
    exr = without_blender("exr")
    path = tmp_path / "ä layers.exr"
    exr.write(path, planes, {"softcolor:key": "é" * 40})
    found = oiio.ImageBuf(str(path))
    names = found.spec().channelnames
    pixels = found.get_pixels(oiio.FLOAT)
    assert set(names) == set(planes)
    assert found.spec().getattribute("softcolor:key") == "é" * 40
    for name, plane in planes.items():
        assert np.array_equal(pixels[..., names.index(name)], plane), name
    assert np.array_equal(exr.read(path, list(planes)), np.stack(list(planes.values())))
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_parts(without_blender, planes, tmp_path: Path) -> None:
    exr = without_blender("exr")
    path = tmp_path / "parts.exr"
    parts = {f"softcolor{k}": {c: planes[f"softcolor{k}.{c}"] for c in "RGBA"} for k in range(1, 12)}
    exr.write_parts(path, parts, {"softcolor:key": "é" * 40})
    assert oiio.ImageInput.open(str(path)).spec()["softcolor:key"] == "é" * 40
    exr.check(path)
    for number, (name, wanted) in enumerate(parts.items()):
        found = oiio.ImageBuf(str(path), number, 0)
        assert found.spec().getattribute("oiio:subimagename") == name
        pixels = found.get_pixels(oiio.FLOAT)
        for channel, plane in wanted.items():
            place = next(k for k, each in enumerate(found.spec().channelnames) if each.endswith(channel))
            assert np.array_equal(pixels[..., place], plane)
        assert np.array_equal(exr.read(path, "RGBA", number), np.stack([wanted[c] for c in "RGBA"]))
    with pytest.raises(exr.ExrError, match="11 parts"):
        exr.read(path, "RGBA", 11)
    whole = path.read_bytes()
    for content in (whole[:-1], whole[:700], whole[:9000] + bytes(40000) + whole[49000:]):
        path.write_bytes(content)
        with pytest.raises(exr.ExrError, match="parts.exr"):
            exr.check(path)
            for number in range(len(parts)):
                exr.read(path, "RGBA", number)


@pytest.mark.parametrize("single_part", [False, True])
@pytest.mark.parametrize("compression", ["none", "zips", "zip"])
def test_it_reads_the_engine_s(without_blender, planes, tmp_path: Path, compression: str, single_part: bool) -> None:
    from fscs_engine.files.exr import ExrLayerWriter

    exr = without_blender("exr")
    path = tmp_path / "engine.exr"
    layers = np.stack([np.stack([planes[f"softcolor{k}.{c}"] for c in "RGBA"], axis=-1) for k in range(1, 12)])
    size = {"height": 37, "width": 53, "layers": 11}
    options = {"single_part": single_part, "compression": compression, "color_space": "srgb"}
    with ExrLayerWriter(path, **size, metadata={"softcolor:key": "k"}, **options) as writer:
        writer.write(0, layers)
    exr.check(path)
    assert exr.read_header(path).texts["softcolor:key"] == "k"
    for k, layer in enumerate(layers, 1):
        found = exr.read(path, [f"softcolor{k}.{c}" for c in "RGBA"], 0 if single_part else k - 1)
        assert np.array_equal(np.moveaxis(found, 0, -1), layer)


@pytest.mark.parametrize("compression", ["none", "zips", "zip"])
@pytest.mark.parametrize("depth", ["half", "float"])
def test_it_reads_others(without_blender, tmp_path: Path, compression: str, depth: str) -> None:
    exr = without_blender("exr")
    path = tmp_path / "other.exr"
    wanted = np.random.default_rng(4).random((21, 34, 3)).astype(np.float16).astype(np.float32)
    spec = oiio.ImageSpec(34, 21, 3, depth)
    spec.attribute("compression", compression)
    image = oiio.ImageBuf(spec)
    image.set_pixels(oiio.ROI(0, 34, 0, 21, 0, 1, 0, 3), wanted)
    assert image.write(str(path))
    found = np.moveaxis(exr.read(path, "RGBA"), 0, -1)
    assert np.array_equal(found[..., :3], wanted)
    assert (found[..., 3] == 1).all()


def test_damage_is_an_error(without_blender, planes, tmp_path: Path) -> None:
    exr = without_blender("exr")
    path = tmp_path / "layers.exr"
    exr.write(path, planes, {})
    whole = path.read_bytes()
    for content in (b"", b"GIF89a" + bytes(40), whole[:200], whole[:-1], whole[:3000] + bytes(2000) + whole[5000:]):
        path.write_bytes(content)
        with pytest.raises(exr.ExrError, match="layers.exr"):
            exr.read(path, list(planes))
    path.write_bytes(whole)
    with pytest.raises(exr.ExrError, match="no channel Z"):
        exr.read(path, ["Z"])


def test_palette_files_are_the_engine_s(without_blender, tmp_path: Path) -> None:
    from fscs_engine.files.palette_files import read_palette, write_palette

    palettes = without_blender("fscs.palette_codec")
    colors = [
        {"rgb": [0.1, 0.2, 0.3], "name": "Rosé", "locked": True},
        {"rgb": [1.0, 0.0, 0.5], "name": "", "locked": False},
    ]
    document = {"version": 1, "space": "srgb", "colors": colors}
    for ending in ("json", "gpl", "txt"):
        path = tmp_path / f"ours.{ending}"
        palettes.write_palette(path, document)
        read = read_palette(path)
        theirs = tmp_path / f"theirs.{ending}"
        write_palette(theirs, read)
        back = palettes.read_palette(theirs)
        for color, wanted in zip(back["colors"], colors, strict=True):
            assert color["rgb"] == pytest.approx(wanted["rgb"], abs=0 if ending == "json" else 0.002)
            assert color["name"] == (wanted["name"] if ending != "txt" else "")
