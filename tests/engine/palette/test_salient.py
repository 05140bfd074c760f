"""The salient palette: what gets a color, what does not, and what it has in common with K-means."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from fscs_engine.errors import PaletteError
from fscs_engine.palette.palette import Palette, PaletteColor, canonical_order, kmeans_palette
from fscs_engine.palette.salient import oklab, region_weights, salient_palette

COFFEE = Path(__file__).resolve().parents[3] / "examples" / "coffee.png"
RED = (0.8, 0.1, 0.1)


def photograph(file: Path) -> NDArray[np.float32]:
    """(H, W, 3) sRGB in [0, 1]."""
    with Image.open(file) as opened:
        return np.asarray(opened.convert("RGB"), dtype=np.float32) / np.float32(255)


def grays(height: int = 120, width: int = 160) -> NDArray[np.float32]:
    """A ramp from dark to light."""
    ramp = np.linspace(0.1, 0.9, width, dtype=np.float32)
    return np.ascontiguousarray(np.broadcast_to(ramp[:, None], (height, width, 3)))


def distances(palette: Palette) -> NDArray[np.float64]:
    """Oklab distances between all pairs of different entries."""
    lab = oklab(palette.array.astype(np.float64))
    rows, columns = np.triu_indices(len(lab), 1)
    return np.linalg.norm(lab[rows] - lab[columns], axis=1)


def most_chroma(palette: Palette) -> float:
    """The chroma of the most saturated entry."""
    lab = oklab(palette.array.astype(np.float64))
    return float(np.hypot(lab[:, 1], lab[:, 2]).max())


@pytest.mark.parametrize(
    ("rgb", "lab"),
    [
        ((0, 0, 0), (0, 0, 0)),
        ((1, 1, 1), (1, 0, 0)),
        ((1, 0, 0), (0.62796, 0.22486, 0.12585)),
        ((0, 0, 1), (0.45201, -0.03246, -0.31153)),
    ],
)
def test_oklab_of_known_colors(rgb: tuple[float, ...], lab: tuple[float, ...]) -> None:
    np.testing.assert_allclose(oklab(np.array([rgb], dtype=np.float64))[0], lab, atol=2e-5)


def test_small_saturated_region_gets_its_color() -> None:
    picture = grays()
    picture[40:48, 60:70] = RED  # 0.4 %
    assert most_chroma(kmeans_palette(picture, 5)) < 0.05
    palette = salient_palette(picture, 5)
    assert np.abs(palette.array - RED).max(axis=1).min() < 1e-5
    assert np.ptp(palette.array[:, 1]) > 0.6  # and the grays keep theirs


@pytest.mark.parametrize("shape", ["pixels", "line"])
def test_stray_pixels_and_lines_get_none(shape: str) -> None:
    picture = grays()
    if shape == "pixels":
        picture[7::20, 9::20] = RED  # 48
    else:
        picture[33, 20:68] = RED
    assert most_chroma(salient_palette(picture, 5)) < 0.05


def test_flat_colors_are_found_exactly_whatever_their_size() -> None:
    colors = np.array([[0.1, 0.1, 0.1], [0.8, 0.2, 0.2], [0.2, 0.7, 0.3], [0.3, 0.3, 0.9], [0.9, 0.9, 0.85]])
    picture = np.repeat(np.repeat(colors[[[0, 0, 0, 0], [0, 0, 4, 4], [0, 1, 2, 3]]], 30, axis=0), 30, axis=1)
    noisy = picture + np.random.default_rng(0).uniform(-0.01, 0.01, picture.shape)
    assert np.abs(salient_palette(noisy, 5).array - colors[canonical_order(colors)]).max() < 0.005


def test_shades_between_two_colors_get_none_before_another_hue() -> None:
    picture = grays()
    picture[:60] = np.linspace((0.1, 0.1, 0.1), (0.9, 0.8, 0.1), 160)
    picture[80:90, 20:32] = (0.1, 0.4, 0.7)
    palette = salient_palette(picture, 4).array
    for wanted in ((0.1, 0.1, 0.1), (0.9, 0.8, 0.1), (0.9, 0.9, 0.9), (0.1, 0.4, 0.7)):
        assert np.abs(palette - wanted).max(axis=1).min() < 0.16


@pytest.mark.parametrize("colors", [4, 7, 12])
def test_colors_of_a_photograph_are_in_it_and_apart(colors: int) -> None:
    picture = photograph(COFFEE)
    palette = salient_palette(picture, colors)
    pixels = picture.reshape(-1, 3)
    for color in palette.array:
        assert np.abs(pixels - color).max(axis=1).min() < 0.02
    assert distances(palette).min() > 0.05


def test_each_motorbike_gets_its_color(kodak_images: Path) -> None:
    picture = photograph(kodak_images / "kodim05.png")
    hues = {"red": 15, "green": 135, "yellow": 93}

    def found(palette: Palette) -> set[str]:
        lab = oklab(palette.array.astype(np.float64))
        chroma, angle = np.hypot(lab[:, 1], lab[:, 2]), np.degrees(np.arctan2(lab[:, 2], lab[:, 1])) % 360
        return {name for name, hue in hues.items() if ((np.abs(angle - hue) < 20) & (chroma > 0.1)).any()}

    assert found(salient_palette(picture, 7)) == set(hues)
    assert found(kmeans_palette(picture, 7)) == set()


@pytest.mark.parametrize("locked", [None, "#ff00ff"])
def test_same_palette_again(locked: str | None) -> None:
    picture = photograph(COFFEE)
    fixed = None if locked is None else Palette.from_hex(locked)
    first = salient_palette(picture, 6, given=fixed, seed=5)
    assert salient_palette(picture.copy(), 6, given=fixed, seed=5) == first
    assert salient_palette(picture, 6, given=fixed, seed=6) != first


def test_palette_does_not_depend_on_threads() -> None:
    program = (
        "import numpy as np; from fscs_engine.palette.salient import salient_palette;"
        "p = np.random.default_rng(0).random((15, 20, 3)).repeat(10, 0).repeat(10, 1);"
        "print(salient_palette(p, 9).to_dict())"
    )
    outputs = set()
    for threads in ("1", "2"):
        variables = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), threads)
        environment = {**variables, "PATH": "", "PYTHONPATH": ":".join(filter(None, sys.path))}
        run = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60, check=True
        )
        outputs.add(run.stdout)
    assert len(outputs) == 1


def test_given_colors_stay_first_and_the_rest_is_found_around_them() -> None:
    picture = grays()
    picture[40:60, 60:80] = RED
    picture[80:100, 20:40] = (0.1, 0.5, 0.2)
    fixed = Palette((PaletteColor((0.78, 0.12, 0.1), name="coat", locked=True), PaletteColor((1.0, 0.0, 1.0))))
    palette = salient_palette(picture, 5, given=fixed)
    assert palette.colors[:2] == fixed.colors
    free = palette.array[2:]
    assert np.array_equal(free, free[canonical_order(free)])
    assert np.abs(free - (0.1, 0.5, 0.2)).max(axis=1).min() < 1e-5
    assert np.abs(free - RED).max(axis=1).min() > 0.1  # it has its color already


def test_more_given_than_asked_for_is_an_error() -> None:
    with pytest.raises(PaletteError, match="3 colors are given but only 2 asked for"):
        salient_palette(grays(), 2, given=Palette.from_hex("#000,#111,#222"))


@pytest.mark.parametrize("colors", [0, -1, 17, 2.0, True])
def test_number_of_colors_is_checked(colors: int) -> None:
    with pytest.raises(PaletteError, match="1 to 16"):
        salient_palette(grays(), colors)


@settings(deadline=None, max_examples=30)
@given(
    distinct=st.integers(1, 40),
    colors=st.integers(1, 16),
    locked=st.sampled_from([None, "#808080", "#000000,#ffffff"]),
    contrast=st.sampled_from([1.0, 0.05, 1e-3, 1e-5]),
    seed=st.integers(0, 100),
)
@example(distinct=1, colors=16, locked=None, contrast=1.0, seed=0)
@example(distinct=17, colors=16, locked=None, contrast=1e-5, seed=0)
@example(distinct=40, colors=16, locked="#808080", contrast=1e-5, seed=0)
def test_every_picture_gives_as_many_colors_as_asked_for(
    distinct: int, colors: int, locked: str | None, contrast: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    available = 0.5 + contrast * (rng.random((distinct, 3)) - 0.5)
    picture = available[rng.integers(0, distinct, (30, 30))]
    fixed = () if locked is None else Palette.from_hex(locked).colors
    count = max(colors, len(fixed))
    palette = salient_palette(picture, count, given=Palette(fixed) if fixed else None)
    assert len(palette) == count
    assert palette.colors[: len(fixed)] == fixed
    free = np.array([color.rgb for color in palette.colors[len(fixed) :]]).reshape(-1, 3)
    assert (np.diff(free @ [0.2126, 0.7152, 0.0722]) >= -1e-6).all()  # they were sorted before they were rounded
    assert np.array_equal(free, free.round(6))
    seen = len(np.unique(picture.round(6).reshape(-1, 3), axis=0))
    if not fixed and seen <= count:
        assert len({color.rgb for color in palette}) == seen


def test_rare_colors_of_a_flat_picture_are_found() -> None:
    picture = np.full((100, 100, 3), 0.5, np.float32)
    picture[41, 3] = (1.0, 0.0, 0.0)
    picture[57, 78] = (0.0, 0.0, 1.0)
    assert {"#ff0000", "#0000ff"} <= {color.hex for color in salient_palette(picture, 3)}


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 9000, 3), (9000, 1, 3), (7, 3), (2, 3, 4, 3)])
def test_any_shape_of_pixels(shape: tuple[int, ...]) -> None:
    assert len(salient_palette(np.random.default_rng(0).random(shape, dtype=np.float32), 3)) == 3


def test_no_pixels_is_an_error() -> None:
    with pytest.raises(PaletteError, match="without pixels"):
        salient_palette(np.zeros((0, 5, 3), np.float32), 3)


def test_pixels_without_weight_do_not_count() -> None:
    picture = grays()
    picture[40:60, 60:80] = RED
    weights = np.ones(picture.shape[:2], np.float32)
    weights[30:70, 50:90] = 0.0
    assert most_chroma(salient_palette(picture, 5)) > 0.1
    assert most_chroma(salient_palette(picture, 5, weights=weights)) < 0.01
    assert salient_palette(picture, 5, weights=weights.reshape(-1)) == salient_palette(picture, 5, weights=weights)


def test_weights_draw_a_color() -> None:
    picture = grays()
    picture[40:60, 60:80] = np.linspace(RED, (0.8, 0.13, 0.1), 20)[:, None]
    weights = np.ones(picture.shape[:2], np.float32)
    plain = salient_palette(picture, 5, weights=weights)
    weights[50:60] = 0.01
    drawn = salient_palette(picture, 5, weights=weights)

    def green_of_red(palette: Palette) -> float:
        return float(palette.array[np.abs(palette.array - RED).max(axis=1).argmin(), 1])

    assert green_of_red(plain) == pytest.approx(0.115, abs=0.003)
    assert green_of_red(drawn) == pytest.approx(0.107, abs=0.003)


def test_weights_of_zero_everywhere_are_left_out_of_account() -> None:
    palette = salient_palette(photograph(COFFEE)[:50, :50], 4, weights=np.zeros((50, 50)))
    assert len({color.hex for color in palette}) == 4


def test_weights_of_another_size_are_refused() -> None:
    with pytest.raises(PaletteError, match="3 weights for 5 pixels"):
        salient_palette(np.zeros((5, 3), np.float32), 1, weights=np.ones(3))
    with pytest.raises(PaletteError, match="3 weights for 25 pixels"):
        salient_palette(np.zeros((5, 5, 3), np.float32), 1, weights=np.ones(3))


def test_values_outside_the_range_are_clipped() -> None:
    palette = salient_palette(np.array([[-0.5, 0.2, 7.0]], np.float32), 1)
    assert palette.array[0] == pytest.approx([0.0, 0.2, 1.0], abs=1e-6)


def test_regions_are_pixels_with_like_neighbors_both_ways() -> None:
    picture = np.zeros((6, 6, 3))
    picture[2, :] = 1.0  # a line
    picture[4:, 4:] = (1.0, 0.0, 0.0)  # a region
    weights = region_weights(picture)
    outside = np.zeros((6, 6), dtype=bool)
    outside[2, :] = True
    outside[3, 4:] = True  # what is left of the ground between the two
    assert (weights[~outside] == 1.0).all()
    assert (weights[outside] == weights[2, 0]).all()
    assert 0.0 < weights[2, 0] < 0.5


def test_importing_it_loads_neither_torch_nor_scikit_learn() -> None:
    heavy = ("torch", "sklearn", "scipy")
    program = f"import sys, fscs_engine.palette.salient; print([m for m in {heavy} if m in sys.modules])"
    environment = {"PATH": "", "PYTHONPATH": ":".join(filter(None, sys.path))}
    run = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    assert run.stdout.strip() == "[]"
