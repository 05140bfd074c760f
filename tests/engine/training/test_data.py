"""Training samples: what decides them, what they are, which photographs are refused."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from fscs_engine.errors import InputError
from fscs_engine.palette.palette import canonical_order
from fscs_engine.training.data import PhotoCrops, Photographs, kmeans_colors, random_crop, random_recoloring


def test_samples_depend_on_their_number_alone(photographs):
    crops = PhotoCrops(photographs, 16, 5, seed=3)
    (alone,) = crops.samples(7, 1)
    among = PhotoCrops(photographs, 16, 5, seed=3).samples(4, 8)[3]
    assert np.array_equal(alone.image, among.image)
    assert np.array_equal(alone.palette, among.palette)
    assert alone.image.shape == (3, 16, 16)
    assert alone.palette.shape == (5, 3)
    for values in (alone.image, alone.palette):
        assert values.dtype == np.float32
        assert values.min() >= 0
        assert values.max() <= 1


def test_a_folder_without_photographs_is_refused(tmp_path):
    with pytest.raises(InputError, match="no photographs"):
        PhotoCrops(tmp_path, 16, 3, 0)


def test_a_broken_photograph_is_named(tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"broken\.jpg"):
        PhotoCrops(tmp_path, 16, 3, 0).samples(0, 1)


def test_a_small_photograph_is_named(tmp_path):
    Image.new("RGB", (40, 12)).save(tmp_path / "small.png")
    with pytest.raises(InputError, match=r"small\.png: is 40×12, smaller than the crop of 16"):
        PhotoCrops(tmp_path, 16, 3, 0).samples(0, 1)


def test_palettes_are_sorted_and_filled_up_by_repeated_colors(photographs):
    samples = PhotoCrops(photographs, 16, 6, seed=0).samples(0, 40)
    distinct = {len(np.unique(sample.palette, axis=0)) for sample in samples}
    assert max(distinct) == 6
    assert len(distinct) > 1
    for sample in samples:
        assert np.array_equal(sample.palette, sample.palette[canonical_order(sample.palette)])
    assert {sample.crop_palette for sample in samples} == {False, True}


def test_photographs_stand_as_they_were_taken_and_are_never_too_small(tmp_path):
    pixels = np.zeros((60, 30, 3), np.uint8)
    pixels[:30] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    photographs = Photographs(tmp_path, 25)
    for seed in range(5):
        photo = photographs.photo(np.random.default_rng(seed))
        assert min(photo.shape[:2]) >= 25
        assert photo[:, -1].min() == 255
        assert photo[:, 0].max() == 0


def test_the_identity_follows_names_and_sizes(photographs, tmp_path):
    for file in photographs.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "notes.txt").touch()
    known = Photographs(photographs, 16).identity
    assert Photographs(tmp_path, 16).identity == known
    (tmp_path / "0.png").rename(tmp_path / "zero.png")
    assert Photographs(tmp_path, 16).identity != known


def test_crops_come_from_everywhere_and_are_mirrored():
    photo = np.arange(6 * 7 * 3, dtype=np.uint8).reshape(6, 7, 3)
    found = {random_crop(photo, 4, np.random.default_rng(seed)).tobytes() for seed in range(200)}
    whole = {photo[y : y + 4, x : x + 4].tobytes() for y in range(3) for x in range(4)}
    mirrored = {photo[y : y + 4, x : x + 4][:, ::-1].tobytes() for y in range(3) for x in range(4)}
    assert found == whole | mirrored


def test_kmeans_of_few_distinct_colors():
    pixels = np.repeat(np.float32([[0, 0, 0], [1, 0.5, 0.25]]), 20, axis=0)
    found = kmeans_colors(pixels, 4, np.random.default_rng(0))
    assert found.shape[1] == 3
    assert {tuple(color) for color in found.round(6).tolist()} == {(0.0, 0.0, 0.0), (1.0, 0.5, 0.25)}


def test_recoloring_stays_in_range_keeps_grays_gray_and_often_changes_nothing():
    pixels = np.random.default_rng(1).integers(0, 256, (50, 3), dtype=np.uint8)
    grays = np.repeat(pixels[:, :1], 3, axis=1)
    untouched = 0
    for seed in range(60):
        recolor = random_recoloring(np.random.default_rng(seed))
        made = recolor(pixels)
        assert made.dtype == np.float32
        assert 0 <= made.min() <= made.max() <= 1
        untouched += np.array_equal(made, pixels.astype(np.float32) / np.float32(255))
        assert np.ptp(recolor(grays), axis=1).max() <= 1e-5
    assert 12 <= untouched <= 36
