"""Palettes: what is accepted, and what K-means finds."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fscs_engine.errors import PaletteError
from fscs_engine.palette.palette import Palette, PaletteColor, canonical_order, kmeans_palette

CHANNEL = st.floats(0.0, 1.0, allow_subnormal=False)
COLORS = st.builds(
    PaletteColor,
    rgb=st.tuples(CHANNEL, CHANNEL, CHANNEL),
    name=st.text(max_size=20),
    locked=st.booleans(),
)
PALETTES = st.lists(COLORS, min_size=1, max_size=16).map(lambda colors: Palette(tuple(colors)))


def blobs(centers: NDArray[np.float64], pixels: int, spread: float, seed: int = 0) -> NDArray[np.float32]:
    """(K × pixels, 3): a cloud about each of the (K, 3) centers."""
    noise = np.random.default_rng(seed).uniform(-spread, spread, (len(centers), pixels, 3))
    return (centers[:, None] + noise).reshape(-1, 3).astype(np.float32)


FIVE = np.array([[0.1, 0.1, 0.1], [0.8, 0.2, 0.2], [0.2, 0.7, 0.3], [0.3, 0.3, 0.9], [0.9, 0.9, 0.85]])


@pytest.mark.parametrize("text", ["#3366ff", "3366FF", " #36f "])
def test_hex_color_is_read(text: str) -> None:
    assert PaletteColor.from_hex(text).rgb == (0x33 / 255, 0x66 / 255, 1.0)


@given(st.integers(0, 0xFFFFFF))
def test_hex_survives(value: int) -> None:
    text = f"#{value:06x}"
    assert PaletteColor.from_hex(text).hex == text


@pytest.mark.parametrize("text", ["", "#", "#12", "#12345", "#1234567", "#12345g", "red", "##123456", "#１23456", None])
def test_other_text_is_no_hex_color(text: str) -> None:
    with pytest.raises(PaletteError, match="not a hex color"):
        PaletteColor.from_hex(text)


@pytest.mark.parametrize(
    "rgb",
    [(0.5, 0.5), (0, 0, 0, 0), (-0.01, 0, 0), (0, 1.01, 0), (0, 0, math.nan), (math.inf, 0, 0), (True, 0, 0)]
    + [("0", 0, 0), None, 0.5, "abc", (10**400, 0, 0)],
)
def test_color_outside_its_range_is_refused(rgb: object) -> None:
    with pytest.raises(PaletteError, match="from 0 to 1"):
        PaletteColor(rgb)


@pytest.mark.parametrize("colors", [0, 17])
def test_palette_has_1_to_16_colors(colors: int) -> None:
    with pytest.raises(PaletteError, match=f"has {colors} colors: use 1 to 16"):
        Palette((PaletteColor((0, 0, 0)),) * colors)


def test_palette_is_its_colors_in_order() -> None:
    palette = Palette.from_hex("#ff0000, #000000,#0000ff")
    assert [color.hex for color in palette] == ["#ff0000", "#000000", "#0000ff"]
    assert len(palette) == 3
    assert palette.array.dtype == np.float32
    assert palette.array.tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 1]]
    assert palette == Palette.from_hex(["#f00", "#000", "#00f"]) == Palette.from_array(palette.array)


@given(PALETTES)
def test_dictionary_keeps_everything(palette: Palette) -> None:
    assert Palette.from_dict(json.loads(json.dumps(palette.to_dict()))) == palette


def test_name_and_locked_may_be_left_out() -> None:
    palette = Palette.from_dict({"version": 1, "space": "srgb", "colors": [{"rgb": [0, 0.5, 1]}]})
    assert palette == Palette((PaletteColor((0.0, 0.5, 1.0), name="", locked=False),))


GOOD = {"rgb": [0.1, 0.2, 0.3], "name": "", "locked": False}


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {},
        {"version": 2, "space": "srgb", "colors": [GOOD]},
        {"version": True, "space": "srgb", "colors": [GOOD]},
        {"version": "1", "space": "srgb", "colors": [GOOD]},
        {"version": 1, "space": "acescg", "colors": [GOOD]},
        {"version": 1, "colors": [GOOD]},
        {"version": 1, "space": "srgb"},
        {"version": 1, "space": "srgb", "colors": {}},
        {"version": 1, "space": "srgb", "colors": []},
        {"version": 1, "space": "srgb", "colors": [GOOD] * 17},
        {"version": 1, "space": "srgb", "colors": ["#aabbcc"]},
        {"version": 1, "space": "srgb", "colors": [{}]},
        {"version": 1, "space": "srgb", "colors": [GOOD | {"rgb": [0.1, 0.2]}]},
        {"version": 1, "space": "srgb", "colors": [GOOD | {"rgb": [0.1, 0.2, math.nan]}]},
        {"version": 1, "space": "srgb", "colors": [GOOD | {"rgb": [0.1, 0.2, 255]}]},
        {"version": 1, "space": "srgb", "colors": [GOOD | {"rgb": "abc"}]},
        {"version": 1, "space": "srgb", "colors": [GOOD | {"name": 3}]},
        {"version": 1, "space": "srgb", "colors": [GOOD | {"locked": "yes"}]},
    ],
)
def test_another_dictionary_is_refused(data: object) -> None:
    with pytest.raises(PaletteError) as caught:
        Palette.from_dict(data)
    assert caught.value.cure


def test_error_names_the_color() -> None:
    bad = {"version": 1, "space": "srgb", "colors": [GOOD, GOOD | {"rgb": [2, 0, 0]}]}
    with pytest.raises(PaletteError, match="color 2"):
        Palette.from_dict(bad)


@given(st.lists(st.tuples(CHANNEL, CHANNEL, CHANNEL), min_size=1, max_size=16), st.integers(0, 9))
def test_canonical_order_is_by_lightness_whatever_the_order_before(colors: list[tuple[float, ...]], seed: int) -> None:
    array = np.array(colors)
    ordered = array[canonical_order(array)]
    assert (np.diff(ordered @ [0.2126, 0.7152, 0.0722]) >= -1e-15).all()
    shuffled = array[np.random.default_rng(seed).permutation(len(colors))]
    assert np.array_equal(shuffled[canonical_order(shuffled)], ordered)


def test_canonical_order_breaks_ties_by_red_green_blue() -> None:
    ties = np.array([[0.7152, 0.0, 0.0], [0.0, 0.2126, 0.0]])  # the same lightness to the last bit
    assert canonical_order(ties).tolist() == [1, 0]
    assert canonical_order(ties[::-1]).tolist() == [0, 1]
    assert canonical_order([[0, 0, 1], [0, 1, 0], [1, 0, 0], [0, 0, 0]]).tolist() == [3, 0, 2, 1]


def test_kmeans_finds_the_clusters_from_dark_to_light() -> None:
    palette = kmeans_palette(blobs(FIVE, 400, 0.05).reshape(40, 50, 3), 5)
    expected = FIVE[canonical_order(FIVE)]
    assert np.abs(palette.array - expected).max() < 0.01


def test_kmeans_cost_is_that_of_a_good_palette() -> None:
    """No worse than scikit-learn on every pixel, within what sampling may cost."""
    from sklearn.cluster import KMeans

    pixels = np.random.default_rng(3).random((300, 400, 3)) ** 2
    flat = pixels.reshape(-1, 3)
    ours = kmeans_palette(pixels, 6).array
    reference = KMeans(6, n_init=2, random_state=0).fit(flat).cluster_centers_
    cost = [((flat[:, None] - centers) ** 2).sum(axis=2).min(axis=1).mean() for centers in (ours, reference)]
    assert cost[0] < 1.02 * cost[1]


@pytest.mark.parametrize("locked", [None, "#ff00ff"])
def test_kmeans_gives_the_same_palette_again(locked: str | None) -> None:
    pixels = np.random.default_rng(0).random((400, 300, 3), dtype=np.float32)
    given_colors = None if locked is None else Palette.from_hex(locked)
    first = kmeans_palette(pixels, 4, given=given_colors, seed=5)
    assert kmeans_palette(pixels.copy(), 4, given=given_colors, seed=5) == first
    assert kmeans_palette(pixels, 4, given=given_colors, seed=6) != first


def test_kmeans_does_not_depend_on_threads() -> None:
    program = (
        "import numpy as np; from fscs_engine.palette.palette import kmeans_palette;"
        "p = np.random.default_rng(0).random((200, 300, 3)); print(kmeans_palette(p, 5).to_dict())"
    )
    outputs = set()
    for threads in ("1", "2"):
        environment = {"OMP_NUM_THREADS": threads, "PATH": "", "PYTHONPATH": ":".join(filter(None, sys.path))}
        run = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60, check=True
        )
        outputs.add(run.stdout)
    assert len(outputs) == 1


def test_given_colors_stay_first_and_the_rest_fills_around_them() -> None:
    fixed = Palette(
        (
            PaletteColor((0.82, 0.18, 0.21), name="coat", locked=True),
            PaletteColor((0.1, 0.1, 0.1), name="night"),
        )
    )
    palette = kmeans_palette(blobs(FIVE, 400, 0.05), 5, given=fixed)
    assert palette.colors[:2] == fixed.colors
    rest = FIVE[2:][canonical_order(FIVE[2:])]
    assert np.abs(palette.array[2:] - rest).max() < 0.01


def test_given_color_that_is_nowhere_takes_no_pixels() -> None:
    palette = kmeans_palette(blobs(FIVE, 400, 0.05), 6, given=Palette.from_hex("#ff00ff"))
    assert palette.colors[0].hex == "#ff00ff"
    assert np.abs(palette.array[1:] - FIVE[canonical_order(FIVE)]).max() < 0.01


def test_given_palette_of_full_size_is_returned() -> None:
    fixed = Palette.from_hex("#ffffff,#000000")
    assert kmeans_palette(blobs(FIVE, 10, 0.1), 2, given=fixed) == fixed


def test_more_given_than_asked_for_is_an_error() -> None:
    with pytest.raises(PaletteError, match="3 colors are given but only 2 asked for"):
        kmeans_palette(blobs(FIVE, 10, 0.1), 2, given=Palette.from_hex("#000,#111,#222"))


@pytest.mark.parametrize("colors", [0, -1, 17, 2.0, True])
def test_number_of_colors_is_checked(colors: int) -> None:
    with pytest.raises(PaletteError, match="1 to 16"):
        kmeans_palette(blobs(FIVE, 10, 0.1), colors)


@settings(deadline=None, max_examples=30)
@given(
    distinct=st.integers(1, 20),
    colors=st.integers(1, 16),
    locked=st.sampled_from([None, "#808080", "#000000,#ffffff"]),
    seed=st.integers(0, 100),
)
@example(distinct=1, colors=16, locked=None, seed=0)
@example(distinct=1, colors=1, locked=None, seed=0)
def test_every_picture_gives_as_many_colors_as_asked_for(
    distinct: int, colors: int, locked: str | None, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    available = rng.integers(0, 256, (distinct, 3)) / 255
    picture = available[rng.integers(0, distinct, (30, 30))].astype(np.float32)
    fixed = None if locked is None else Palette.from_hex(locked)
    count = max(colors, len(fixed) if fixed else 0)
    palette = kmeans_palette(picture, count, given=fixed)
    assert len(palette) == count
    free = palette.array[len(fixed) if fixed else 0 :]
    assert np.array_equal(free, free[canonical_order(free)])
    seen = len(np.unique(picture.reshape(-1, 3), axis=0))
    if fixed is None and seen <= count:
        assert len({color.hex for color in palette}) == seen


def test_picture_of_given_colors_only_repeats_them() -> None:
    picture = np.zeros((4, 4, 3), np.float32)
    assert [color.hex for color in kmeans_palette(picture, 3, given=Palette.from_hex("#000"))] == ["#000000"] * 3


def test_rare_colors_of_a_flat_picture_are_found() -> None:
    picture = np.full((100, 100, 3), 0.5, np.float32)
    picture[41, 3] = (1.0, 0.0, 0.0)
    picture[57, 78] = (0.0, 0.0, 1.0)
    for fixed in (None, Palette.from_hex("#808080")):
        found = {color.hex for color in kmeans_palette(picture, 3, given=fixed)}
        assert {"#ff0000", "#0000ff"} <= found


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 9000, 3), (7, 3)])
def test_any_shape_of_pixels(shape: tuple[int, ...]) -> None:
    picture = np.random.default_rng(0).random(shape, dtype=np.float32)
    assert len(kmeans_palette(picture, 3)) == 3


def test_no_pixels_is_an_error() -> None:
    with pytest.raises(PaletteError, match="without pixels"):
        kmeans_palette(np.zeros((0, 5, 3), np.float32), 3)


@pytest.mark.parametrize("locked", [None, "#808080"])
def test_pixels_without_weight_do_not_count(locked: str | None) -> None:
    picture = np.concatenate([blobs(FIVE[:2], 200, 0.02), blobs(FIVE[2:], 5000, 0.02)])
    weights = np.zeros(len(picture), np.float32)
    weights[:400] = 0.5
    fixed = None if locked is None else Palette.from_hex(locked)
    palette = kmeans_palette(picture, 3 if fixed else 2, given=fixed, weights=weights)
    assert np.abs(palette.array[-2:] - FIVE[:2]).max() < 0.01


def test_weights_draw_a_center() -> None:
    picture = np.array([[[0.0, 0, 0], [1.0, 1, 1]]], np.float32)
    palette = kmeans_palette(picture, 1, weights=np.array([[1.0, 3.0]], np.float32))
    assert palette.array.tolist() == [[0.75, 0.75, 0.75]]


def test_weights_of_zero_everywhere_are_left_out_of_account() -> None:
    picture = blobs(FIVE, 50, 0.02)
    assert kmeans_palette(picture, 5, weights=np.zeros(len(picture))) == kmeans_palette(picture, 5)


def test_weights_of_another_size_are_refused() -> None:
    with pytest.raises(PaletteError, match="3 weights for 5 pixels"):
        kmeans_palette(np.zeros((5, 3), np.float32), 1, weights=np.ones(3))


def test_values_outside_the_range_are_clipped() -> None:
    palette = kmeans_palette(np.array([[-0.5, 0.2, 7.0]], np.float32), 1)
    assert palette.array[0] == pytest.approx([0.0, 0.2, 1.0], abs=1e-6)


def test_importing_palettes_loads_neither_torch_nor_scikit_learn() -> None:
    heavy = ("torch", "sklearn", "scipy")
    program = f"import sys, fscs_engine.palette.palette; print([m for m in {heavy} if m in sys.modules])"
    environment = {"PATH": "", "PYTHONPATH": ":".join(filter(None, sys.path))}
    run = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    assert run.stdout.strip() == "[]"
