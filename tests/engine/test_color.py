"""Color spaces: conversions against their formulas, the networks' view, working-space names."""

from __future__ import annotations

import numpy as np
import PyOpenColorIO as ocio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fscs_engine.color import ColorSpaces, association, layer_colors, network_image, resolve, straight
from fscs_engine.errors import ColorSpaceError

SPACES = ColorSpaces()
colors = st.lists(st.floats(0, 1, width=32), min_size=3, max_size=3)


@given(colors)
def test_srgb_is_iec_61966_2_1(rgb):
    encoded = np.array([[rgb]], np.float32)
    x = encoded.astype(np.float64)
    linear = np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)
    np.testing.assert_allclose(SPACES.convert(encoded, "srgb", "lin_rec709"), linear, atol=2e-6)


@pytest.mark.parametrize("space", ["lin_rec709", "acescg", "ACES2065-1", "Linear Rec.2020"])
def test_there_and_back(space):
    image = np.random.default_rng(0).random((5, 6, 3), dtype=np.float32)
    np.testing.assert_allclose(SPACES.convert(SPACES.convert(image, "srgb", space), space, "srgb"), image, atol=1e-5)


def test_gray_stays_gray_in_acescg():
    gray = np.full((1, 1, 3), 0.18, np.float32)
    np.testing.assert_allclose(SPACES.convert(gray, "lin_rec709", "acescg"), gray, atol=1e-5)


def test_same_space_is_untouched():
    image = np.random.default_rng(0).random((2, 2, 3), dtype=np.float32)
    assert SPACES.convert(image, "acescg", "ACEScg") is image


@pytest.mark.parametrize("space", ["lin_rec709", "acescg", "srgb"])
def test_the_networks_see_0_to_1_whatever_comes(space):
    rng = np.random.default_rng(1)
    image = (rng.normal(size=(20, 20, 3)) * 10 ** rng.uniform(-3, 4.8, size=(20, 20, 1))).astype(np.float32)
    seen, gain = network_image(image, space, SPACES)
    assert seen.min() >= 0
    assert seen.max() <= 1
    assert gain.min() >= 1


def test_highlights_keep_their_hue_and_join_continuously():
    levels = np.geomspace(0.5, 100, 400, dtype=np.float32)
    seen, gain = network_image(levels[None, :, None] * np.array([1.0, 0.25, 0.1], np.float32), "lin_rec709", SPACES)
    assert np.abs(np.diff(seen[0], axis=0)).max() < 0.01
    bright = seen[0, levels > 1]
    np.testing.assert_allclose(bright, np.broadcast_to(bright[0], bright.shape), atol=1e-4)
    np.testing.assert_allclose(gain[0], np.maximum(1, levels), rtol=1e-5)


def test_a_display_referred_picture_is_seen_as_it_is():
    image = np.random.default_rng(2).random((4, 4, 3), dtype=np.float32)
    seen, gain = network_image(image, "srgb", SPACES)
    assert np.array_equal(seen, image)
    assert (gain == 1).all()


def test_layer_colors_get_the_brightness_back():
    image = np.array([[[8.0, 2.0, 0.5]]], np.float32)
    seen, gain = network_image(image, "acescg", SPACES)
    np.testing.assert_allclose(layer_colors(seen[None], gain, "acescg", SPACES)[0], image, rtol=1e-4, atol=1e-4)


def test_straight_divides_only_where_there_is_alpha():
    pixels = np.array([[0.2, 0.1, 0.0, 0.5], [3.0, 2.0, 1.0, 0.0], [1.0, 1.0, 1.0, 1e-40]], np.float32)
    np.testing.assert_allclose(straight(pixels), [[0.4, 0.2, 0.0], [3.0, 2.0, 1.0], [1.0, 1.0, 1.0]])
    np.testing.assert_allclose(association(pixels), [0.5, 1.0, 1.0])


@pytest.mark.parametrize(
    ("asked", "image", "display", "expected"),
    [
        ("auto", "srgb", True, "srgb"),
        ("auto", "srgb", False, "lin_rec709"),
        ("auto", "acescg", False, "acescg"),
        ("auto", "acescg", True, "srgb"),
        ("scene_linear", "ACES2065-1", False, "ACES2065-1"),
        ("scene_linear", "srgb", False, "lin_rec709"),
        ("ACEScg", "srgb", False, "acescg"),
        ("lin_ap0", "srgb", False, "ACES2065-1"),
        ("auto", "ARRI LogC4", False, "lin_rec709"),
        ("auto", "color_timing", False, "lin_rec709"),
        ("auto", "scene_linear", False, "acescg"),
        ("auto", "ARRI LogC4", True, "srgb"),
    ],
)
def test_working_space_names(asked, image, display, expected):
    assert resolve(asked, image, display, SPACES) == expected


@pytest.mark.parametrize(
    ("space", "code", "light"),
    [
        ("ARRI LogC4", 0.2784, 0.18),  # each maker's own figure for mid gray
        ("ARRI LogC3 (EI800)", 0.391, 0.18),
        ("S-Log3 S-Gamut3", 420 / 1023, 0.18),
        ("V-Log V-Gamut", 433 / 1023, 0.18),
        ("ACEScct", 0.4135884, 0.18),
    ],
)
def test_logs_of_cameras_are_known_without_a_config(space, code, light):
    gray = SPACES.convert(np.full((1, 1, 3), code, np.float32), space, "lin_rec709")
    np.testing.assert_allclose(gray, light, atol=1e-3)
    assert SPACES.check(space) == space


def test_roles_are_names():
    assert SPACES.check("scene_linear") == "acescg"
    assert SPACES.check("color_timing") == "ACEScct"


def test_an_unknown_name_is_answered_by_the_nearest():
    with pytest.raises(ColorSpaceError, match="did you mean ARRI LogC4"):
        SPACES.check("ARRI LogC")


_VERSION_1 = """
ocio_profile_version: 1
roles: {default: linear, reference: aces, scene_linear: linear, aces_interchange: aces}
displays:
  sRGB: [!<View> {name: Raw, colorspace: linear}]
colorspaces:
  - !<ColorSpace> {name: aces, bitdepth: 32f}
  - !<ColorSpace>
    name: linear
    to_reference: !<MatrixTransform> {matrix: [0.4, 0.4, 0.2, 0, 0.1, 0.8, 0.1, 0, 0, 0.1, 0.9, 0, 0, 0, 0, 1]}
  - !<ColorSpace>
    name: film
    to_reference: !<ExponentTransform> {value: [2.2, 2.2, 2.2, 1]}
  - !<ColorSpace> {name: normals, isdata: true}
  - !<ColorSpace>
    name: lost
    to_reference: !<FileTransform> {src: lost.spi1d}
"""


@pytest.mark.parametrize(
    ("space", "linear", "coded", "own_linear"),
    [
        ("aces", True, False, "aces"),
        ("linear", True, False, "linear"),
        ("film", False, True, "lin_rec709"),
        ("normals", False, False, "normals"),
        ("lost", False, False, "lost"),
    ],
)
def test_a_config_that_tells_no_encodings_is_asked_for_its_curves(tmp_path, space, linear, coded, own_linear):
    (tmp_path / "old.ocio").write_text(_VERSION_1)
    spaces = ColorSpaces(tmp_path / "old.ocio")
    assert (spaces.is_linear(space), spaces.is_coded(space)) == (linear, coded)
    assert resolve("auto", space, False, spaces) == own_linear


def test_unknown_names_and_broken_configs_are_refused(tmp_path):
    with pytest.raises(ColorSpaceError, match=r"unknown color space 'nope'.*lin_rec709"):
        SPACES.check("nope")
    config = tmp_path / "broken.ocio"
    config.write_text("ocio_profile_version: 99")
    with pytest.raises(ColorSpaceError, match="broken.ocio"):
        ColorSpaces(config)
    with pytest.raises(ColorSpaceError, match="missing.ocio"):
        ColorSpaces(tmp_path / "missing.ocio")


def test_a_users_config_reaches_our_names(tmp_path):
    config = ocio.Config.CreateFromBuiltinConfig("studio-config-latest")
    file = tmp_path / "studio.ocio"
    file.write_text(config.serialize())
    spaces = ColorSpaces(file)
    gray = np.full((1, 1, 3), 0.18, np.float32)
    log = spaces.convert(gray, "acescg", "ARRI LogC4")
    np.testing.assert_allclose(log, 0.2784, atol=1e-3)  # ARRI's own figure for mid gray
    np.testing.assert_allclose(spaces.convert(log, "ARRI LogC4", "acescg"), gray, atol=1e-4)
