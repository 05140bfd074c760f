"""The evaluation: its rows, its means, the absent color, permutations, and palettes from CSV."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image as PillowImage

from fscs_engine.alpha.processing import AlphaProcessing, LayerAdjustment, Mask
from fscs_engine.color import ColorSpaces
from fscs_engine.errors import CancelledError, InputError, PaletteError, UsageError
from fscs_engine.evaluation import metrics
from fscs_engine.evaluation.evaluation import (
    ABSENT_COLOR,
    evaluate,
    measure,
    permute_processing,
    read_palettes_csv,
)
from fscs_engine.files.reading import read_image
from fscs_engine.image import Image
from fscs_engine.palette.image_palette import METHODS
from fscs_engine.palette.palette import Palette, kmeans_palette

SPACES = ColorSpaces(None)


class NearColors:
    """Soft shares by distance to the palette colors, closed exactly; with knobs for what an evaluation must notice.

    Args:
        first_bonus: favors the first entry, so that the palette's order matters.
        error: added to red of every layer.
    """

    def __init__(self, first_bonus: float = 0.0, error: float = 0.0) -> None:
        self.first_bonus, self.error = first_bonus, error
        self.calls: list[tuple[Palette, AlphaProcessing, bool, bool]] = []

    @property
    def spaces(self) -> ColorSpaces:
        return SPACES

    def auto_palette(
        self, image: Image, colors: int, given: Palette | None = None, seed: int = 0, method: str = "kmeans"
    ) -> Palette:
        return METHODS[method](image.pixels[..., :3], colors, given=given, seed=seed)

    def decompose(
        self,
        image: Image,
        palette: Palette,
        processing: AlphaProcessing,
        *,
        exact: bool = True,
        released: bool = False,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        self.calls.append((palette, processing, exact, released))
        pixels, entries = image.pixels[..., :3], palette.array[:, None, None]
        score = np.exp(-20 * ((pixels - entries) ** 2).sum(axis=-1))
        score[0] += self.first_bonus
        for number, adjustment in processing.adjustments.items():
            score[number - 1] *= adjustment.gain
        alphas = (score / score.sum(axis=0)).astype(np.float32)
        colors = np.repeat(entries, image.height, axis=1).repeat(image.width, axis=2)
        if exact:
            colors = colors + (pixels - (alphas[..., None] * colors).sum(axis=0))
        colors[..., 0] += np.float32(self.error)
        return alphas, colors.astype(np.float32)


PALETTE = Palette.from_hex("#202020,#c03030,#30a040,#e0e0d0")


@pytest.fixture
def photographs(tmp_path: Path) -> list[Path]:
    """Two 8-bit PNG pictures of smooth color."""
    rng = np.random.default_rng(0)
    paths = []
    for name in ("first é", "second"):
        small = PillowImage.fromarray(rng.integers(0, 256, (4, 5, 3), dtype=np.uint8))
        paths.append(tmp_path / f"{name}.png")
        small.resize((40, 24), PillowImage.Resampling.BICUBIC).save(paths[-1])
    return paths


def palettes_for(paths: list[Path]) -> dict[str, Palette]:
    return {path.stem: PALETTE for path in paths}


def test_rows_are_the_measures_of_each_picture(photographs: list[Path]) -> None:
    segmenter = NearColors()
    result = evaluate(photographs, segmenter, palettes=palettes_for(photographs), exact=False)
    assert [row.image for row in result.images] == photographs
    for row in result.images:
        image = read_image(row.image)
        pixels = image.pixels
        alphas, colors = segmenter.decompose(image, PALETTE, AlphaProcessing(), exact=False)
        assert row.scores == measure(alphas, colors, pixels, row.palette.array)
        assert row.scores.mse == metrics.mean_squared_error(pixels, metrics.recompose(alphas, colors))
        assert row.scores.psnr == pytest.approx(-10 * math.log10(row.scores.mse))
        assert row.scores.color_variance == pytest.approx(0, abs=1e-12)
        assert row.scores.flat_noise == metrics.flat_noise(alphas, pixels)
        assert row.absent_alpha is None
        assert row.permutation_change is None
    first, second = (row.scores for row in result.images)
    assert first != second
    assert result.mean.psnr == pytest.approx((first.psnr + second.psnr) / 2)
    assert result.mean.sparsity == pytest.approx((first.sparsity + second.sparsity) / 2)


def test_exact_layers_have_hardly_an_error_and_the_largest_is_reported(photographs: list[Path]) -> None:
    palettes = palettes_for(photographs)
    assert evaluate(photographs, NearColors(), palettes=palettes).recomposition_error < 1e-6
    assert evaluate(photographs, NearColors(error=0.25), palettes=palettes).recomposition_error == pytest.approx(0.25)


def test_switches_reach_the_segmenter(photographs: list[Path]) -> None:
    segmenter = NearColors()
    processing = AlphaProcessing(smoothing=0)
    evaluate(
        photographs[:1],
        segmenter,
        palettes=palettes_for(photographs),
        processing=processing,
        exact=False,
        released=True,
    )
    assert segmenter.calls == [(PALETTE, processing, False, True)]


def test_palette_is_found_where_none_is_given(photographs: list[Path]) -> None:
    segmenter = NearColors()
    result = evaluate(photographs, segmenter, colors=3, seed=4)
    for row in result.images:
        assert row.palette == kmeans_palette(read_image(row.image).pixels, 3, seed=4)


def test_absent_color_takes_the_last_place(photographs: list[Path]) -> None:
    segmenter = NearColors()
    result = evaluate(photographs[:1], segmenter, palettes=palettes_for(photographs), absent=True)
    changed = segmenter.calls[1][0]
    assert changed.colors == (*PALETTE.colors[:-1], ABSENT_COLOR)
    assert ABSENT_COLOR.hex == "#ff00ff"
    alphas, _ = segmenter.decompose(read_image(photographs[0]), changed, AlphaProcessing())
    assert result.images[0].absent_alpha == pytest.approx(float(alphas[-1].mean()), rel=1e-5)
    assert result.absent_alpha == result.images[0].absent_alpha


def test_only_color_can_not_be_absent(photographs: list[Path]) -> None:
    result = evaluate(photographs, NearColors(), colors=1, absent=True, permuted=True)
    assert result.absent_alpha is None
    assert result.permutation_change == 0


def test_permutations_are_compared_color_by_color(photographs: list[Path]) -> None:
    palettes = palettes_for(photographs)
    segmenter = NearColors()
    result = evaluate(photographs, segmenter, palettes=palettes, permuted=True)
    asked = {tuple(color.hex for color in palette) for palette, *_ in segmenter.calls}
    own = tuple(color.hex for color in PALETTE)
    assert asked == {own, own[::-1], (*own[1:], own[0])}
    assert result.permutation_change is not None
    assert result.permutation_change < 1e-6

    partial = evaluate(photographs, NearColors(first_bonus=0.5), palettes=palettes, permuted=True)
    assert partial.permutation_change is not None
    assert 0.1 < partial.permutation_change <= 1
    assert partial.permutation_change == max(row.permutation_change or 0 for row in partial.images)


def test_adjustments_follow_their_color_when_permuted(photographs: list[Path]) -> None:
    processing = AlphaProcessing(adjustments={2: LayerAdjustment(gain=9.0), 4: LayerAdjustment(gain=0.0)})
    result = evaluate(
        photographs, NearColors(), palettes=palettes_for(photographs), processing=processing, permuted=True
    )
    assert result.permutation_change is not None
    assert result.permutation_change < 1e-6


@given(st.permutations(range(5)))
def test_permuted_processing_names_the_same_colors(order: list[int]) -> None:
    mask = Mask(np.zeros((2, 2), np.float32), "split", (2, 5))
    processing = AlphaProcessing(adjustments={1: LayerAdjustment(gain=2.0)}, masks=(mask,), minimum_alpha=0.1)
    permuted = permute_processing(processing, order)
    colors = list("abcde")
    places = [colors[place] for place in order]
    assert [places[number - 1] for number in permuted.masks[0].layers] == ["b", "e"]
    assert [places[number - 1] for number in permuted.adjustments] == ["a"]
    assert permuted.minimum_alpha == 0.1


def test_linear_pictures_are_measured_in_srgb(photographs: list[Path]) -> None:
    def read_linear(path: Path) -> Image:
        return Image.from_pixels(SPACES.convert(read_image(path).pixels, "srgb", "lin_rec709"), "lin_rec709")

    class Encoded(NearColors):
        def decompose(self, image: Image, *args: object, **options: object) -> tuple[NDArray[np.float32], ...]:
            encoded = SPACES.convert(image.pixels, image.color_space, "srgb")
            return super().decompose(Image.from_pixels(encoded, "srgb"), *args, **options)

    palettes = palettes_for(photographs)
    linear = evaluate(photographs, Encoded(), palettes=palettes, read=read_linear)
    encoded = evaluate(photographs, NearColors(), palettes=palettes)
    assert linear.recomposition_error < 2e-6
    assert linear.mean.sparsity == pytest.approx(encoded.mean.sparsity, rel=1e-4)


def test_dictionary_is_json_without_infinities(tmp_path: Path) -> None:
    tiny = tmp_path / "tiny.png"
    PillowImage.new("RGB", (1, 1), (32, 32, 32)).save(tiny)

    class Copy(NearColors):
        def decompose(self, image: Image, *args: object, **options: object) -> tuple[NDArray[np.float32], ...]:
            return np.ones((1, 1, 1), np.float32), image.pixels[None, ..., :3]

    result = evaluate([tiny], Copy(), palettes={"tiny": Palette.from_hex("#202020")})
    assert result.mean.psnr == math.inf
    text = json.dumps(result.to_dict(), allow_nan=False)
    data = json.loads(text)
    assert data["mean"]["psnr"] is None
    assert data["mean"]["ssim"] is None
    assert data["mean"]["mse"] == 0
    assert data["absent_alpha_mean"] is None
    assert data["images"][0]["palette"] == ["#202020"]


def test_dictionary_holds_everything(photographs: list[Path]) -> None:
    result = evaluate(
        photographs, NearColors(), palettes=palettes_for(photographs), absent=True, permuted=True, exact=False
    )
    data = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    measures = {"mse", "psnr", "ssim", "sparsity", "color_variance", "color_variance_weighted"}
    measures |= {"visible_layers", "flat_noise", "torn_edges", "torn_share"}
    assert set(data["mean"]) == measures
    own = {"image", "palette", "recomposition_error", "absent_alpha", "permutation_change"}
    assert [set(row) for row in data["images"]] == [measures | own] * 2
    assert data["recomposition_error_max"] == max(row["recomposition_error"] for row in data["images"])
    assert data["absent_alpha_mean"] == pytest.approx(np.mean([row["absent_alpha"] for row in data["images"]]))
    assert data["permutation_change_max"] == max(row["permutation_change"] for row in data["images"])


def test_mean_leaves_out_what_has_no_answer(photographs: list[Path], tmp_path: Path) -> None:
    tiny = tmp_path / "tiny.png"
    PillowImage.new("RGB", (1, 1), (40, 32, 32)).save(tiny)
    paths = [photographs[0], tiny]
    result = evaluate(paths, NearColors(), palettes=palettes_for(paths))
    assert math.isnan(result.images[1].scores.ssim)
    assert result.mean.ssim == result.images[0].scores.ssim


def test_progress_goes_up_to_one(photographs: list[Path]) -> None:
    seen: list[float] = []
    evaluate(
        photographs,
        NearColors(),
        palettes=palettes_for(photographs),
        absent=True,
        permuted=True,
        progress=seen.append,
    )
    assert seen == pytest.approx([k / 8 for k in range(1, 9)])


@pytest.mark.parametrize("after", [0, 1, 2, 4])
def test_cancelling_ends_it(photographs: list[Path], after: int) -> None:
    segmenter = NearColors()
    with pytest.raises(CancelledError):
        evaluate(
            photographs,
            segmenter,
            palettes=palettes_for(photographs),
            permuted=True,
            cancelled=lambda: len(segmenter.calls) >= after,
        )
    assert len(segmenter.calls) == after


def test_no_images_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="no images"):
        evaluate([], NearColors())


def test_missing_palette_is_seen_before_any_work(photographs: list[Path]) -> None:
    segmenter = NearColors()
    with pytest.raises(PaletteError, match="second"):
        evaluate(photographs, segmenter, palettes={photographs[0].stem: PALETTE})
    assert not segmenter.calls


def test_unreadable_image_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="missing"):
        evaluate([tmp_path / "missing.png"], NearColors())


def test_palettes_are_read_from_csv(tmp_path: Path) -> None:
    file = tmp_path / "p.csv"
    file.write_bytes(b"kodim01,106.797,47.524,30.983,255,0,127.5\r\n\r\nphoto 2, 0, 0, 0, 255, 255, 255\r\n")
    palettes = read_palettes_csv(file)
    assert list(palettes) == ["kodim01", "photo 2"]
    expected = np.array([[106.797, 47.524, 30.983], [255, 0, 127.5]]) / 255
    assert palettes["kodim01"].array == pytest.approx(expected, abs=1e-7)
    assert [color.hex for color in palettes["photo 2"]] == ["#000000", "#ffffff"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        b"a\n",
        b"a,1\n",
        b"a,1,2,3,4\n",
        b"a,1,2,3\nb,1,2,3,4,5,6\n",
        b"a,1,2,3\nb,1,2\n",
        b"a,1,2,3\na,1,2,3\n",
        b"image,r,g,b\na,1,2,3\n",
        b"a,1,2,256\n",
        b"a,1,2,-1\n",
        b"a,1,2,nan\n",
        b"a" + b",1,2,3" * 17 + b"\n",
        b"a,1,2,3\xff\n",
        b"\x00\x01\x02",
    ],
)
def test_broken_csv_is_a_palette_error_that_names_it(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "p.csv"
    file.write_bytes(content)
    with pytest.raises(PaletteError) as caught:
        read_palettes_csv(file)
    assert str(file) in caught.value.message
    assert caught.value.cure


def test_missing_csv_is_a_palette_error(tmp_path: Path) -> None:
    with pytest.raises(PaletteError, match="can't be read"):
        read_palettes_csv(tmp_path / "none.csv")
