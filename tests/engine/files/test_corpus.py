"""Every kind of file of the corpus gives the light that it means, or is refused; see ``corpus.py``."""

from __future__ import annotations

import re
from pathlib import Path

import corpus
import numpy as np
import pytest

from fscs_engine.color import ColorSpaces
from fscs_engine.errors import InputError
from fscs_engine.files.reading import read_image, read_reading
from fscs_engine.image import Image

SPACES = ColorSpaces()


def light(image: Image) -> np.ndarray:
    """Straight linear Rec.709 and alpha; 0 where alpha is 0."""
    pixels = image.pixels.astype(np.float64)
    if image.has_alpha:
        alpha = pixels[..., 3:]
        pixels[..., :3] = np.where(alpha > 0, pixels[..., :3] / np.maximum(alpha, 1e-9), 0)
    rgb: np.ndarray = pixels[..., :3]
    if image.color_space == "srgb":
        rgb = corpus.srgb_to_linear(rgb)
    elif image.color_space != "lin_rec709":
        rgb = SPACES.convert(rgb.astype(np.float32), image.color_space, "lin_rec709").astype(np.float64)
    return np.dstack([rgb, pixels[..., 3:]])


@pytest.mark.parametrize("case", corpus.CASES, ids=lambda case: case.name)
def test_what_a_file_means(tmp_path: Path, case: corpus.Case) -> None:
    path = tmp_path / case.name
    case.make(path)
    if case.refused:
        with pytest.raises(InputError, match=case.refused) as caught:
            read_image(path)
        assert caught.value.cure
        return
    image = read_image(path)
    expected = case.linear(path) if callable(case.linear) else case.linear
    found = light(image)
    assert found.shape == expected.shape
    cover = 1.0
    if image.has_alpha:
        np.testing.assert_allclose(found[..., 3], expected[..., 3], atol=1e-6)
        cover = expected[..., 3:]
    np.testing.assert_allclose(found[..., :3] * cover, expected[..., :3] * cover, atol=case.tolerance)
    assert image.reading is not None
    assert case.said in str(image.reading)
    assert bool(case.warned) == bool(image.reading.warnings), image.reading
    if case.warned:
        (line,) = image.reading.warnings
        assert re.search(case.warned, line)
    if not case.name.startswith("fourth-byte"):  # that it is no alpha is seen in the pixels
        assert read_reading(path) == image.reading


def test_the_corpus_is_large() -> None:
    assert len(corpus.CASES) >= 200
    assert len({case.name for case in corpus.CASES}) == len(corpus.CASES)
