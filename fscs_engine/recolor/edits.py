"""Recolors an image by its layers: the image, plus what the edits of each layer change in it.

The edits of a layer are a function of one pixel (see :class:`fscs_engine.host.edits.Formula`), so nothing depends on
tiles or frames. A layer at rest adds nothing, not even rounding; with all at rest the image comes back bit for bit. The
image's alpha stays as it is.

Where layers k lose opacity, with o their opacities, a their alphas, A the image's and L' the edited layers::

    c' = Σ o L' + Σ_k (1 - o_k) a_k (Σ_{j≠k} o_j L'_j + η A f_k) / (Σ_{j≠k} o_j a_j + η A)

f_k is that of :func:`fscs_engine.host.edits.seen_instead`, and η is :data:`fscs_engine.host.edits.OTHERS_FLOOR`. With
``black`` the second sum is left out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..color import LIN_REC709, ColorSpaces
from ..errors import UsageError
from ..host.edits import IDENTITY, Formula, LayerEdit, Look, Matrix, formula, seen_instead
from ..palette.palette import Palette
from ..runtime.memory import empty
from ..runtime.threads import over_rows

_BLOCK = 16  # rows that a thread takes at a time


class Recoloring:
    """A look, ready for the layers of one palette in one working space.

    Args:
        look: the edits.
        palette: the K colors of the layers.
        working_space: in which the layers are. In one that is not linear the edits are made in linear Rec.709.
        spaces: to convert colors; None is the built-in config.

    Raises:
        UsageError: the look edits a layer that is not there.
        ColorSpaceError: unknown working space.
    """

    def __init__(self, look: Look, palette: Palette, working_space: str, spaces: ColorSpaces | None = None) -> None:
        for number in look.layers:
            if not 1 <= number <= len(palette):
                raise UsageError(f"there is no layer {number}", cure=f"use 1 to {len(palette)}")
        self.look, self.palette = look, palette
        self._spaces, self._space = spaces or ColorSpaces(), working_space
        self._is_linear = self._spaces.is_linear(working_space)
        to_rec709 = self._to_rec709()
        opacities = look.opacities(len(palette))
        rest = LayerEdit()
        self.numbers = tuple(
            number
            for number, (opacity, _) in enumerate(opacities, 1)
            if look.strength > 0 and (look.edit(number) != rest or opacity < 1)
        )
        """Layers that change something, counted from 1."""
        formulas = [formula(look.edit(n), palette.colors[n - 1].rgb, to_rec709) for n in self.numbers]
        seen = np.array(seen_instead(look, [color.rgb for color in palette]), np.float32).reshape(-1, 3)
        seen = self._spaces.convert(seen, LIN_REC709, working_space)
        self._order = np.array(self.numbers, np.int64) - 1
        self._numbers = _array([_rows(each) for each in formulas], (3, 12))
        self._shown = _array([(*opacities[k], *seen[k]) for k in self._order], (5,))

    def _to_rec709(self) -> Matrix:
        """The matrix to linear Rec.709 where the working space is linear."""
        if not self._is_linear or self._space == LIN_REC709:
            return IDENTITY
        columns = self._spaces.convert(np.eye(3, dtype=np.float32), self._space, LIN_REC709)
        return tuple(tuple(float(x) for x in row) for row in columns.T)

    def apply(
        self, layers: NDArray[np.float32], image: NDArray[np.float32], out: NDArray[np.float32], threads: int = 1
    ) -> None:
        """Recolors rows.

        Args:
            layers: (K, h, W, 4) float32 premultiplied, in the working space.
            image: (h, W, 3 or 4) float32 premultiplied, in the working space: what the layers add up to.
            out: the same shape, in C order, written; may be ``image``.
            threads: how many work at a time; the result does not depend on it.
        """
        if not self.numbers:
            out[...] = image
            return
        from .loops import recolored_pixels

        width, channels = image.shape[1:]
        pixels = np.ascontiguousarray(layers, np.float32).reshape(len(layers), -1, 4)
        before = np.ascontiguousarray(image, np.float32).reshape(-1, channels)
        after = out.reshape(-1, channels)

        def work(top: int, bottom: int) -> None:
            part = slice(top * width, bottom * width)
            ready = _NOTHING if self._is_linear else self._edited_elsewhere(pixels[self._order, part])
            shown = self._shown, self.look.strength
            recolored_pixels(pixels, self._order, part, ready, self._numbers, *shown, before, after)

        over_rows(work, 0, image.shape[0], _BLOCK, threads)

    def _edited_elsewhere(self, layers: NDArray[np.float32]) -> NDArray[np.float32]:
        """Edits layers (E, N, 4) in linear Rec.709 and brings them back: (E, N, 3) premultiplied."""
        from .loops import recolored_pixels

        alpha = layers[..., 3:]
        held = np.where(alpha > 0, alpha, np.float32(1))
        light = self._spaces.convert(np.ascontiguousarray(layers[..., :3] / held), self._space, LIN_REC709)
        opaque = np.concatenate([light, np.ones_like(alpha)], axis=-1)
        for layer, numbers in zip(opaque, self._numbers, strict=True):
            alone, whole = (layer[None], np.zeros(1, np.int64), slice(0, len(layer))), (_WHOLE, 1.0)
            recolored_pixels(*alone, _NOTHING, numbers[None], *whole, layer, layer)
        back = self._spaces.convert(np.ascontiguousarray(opaque[..., :3]), LIN_REC709, self._space) * held
        # Where nothing is of a layer, nothing comes of it.
        return np.where((layers != 0).any(axis=-1, keepdims=True), back, np.float32(0))


def apply_look(
    layers: NDArray[np.float32],
    palette: Palette,
    working_space: str,
    look: Look,
    image: NDArray[np.float32] | None = None,
    *,
    spaces: ColorSpaces | None = None,
    threads: int = 1,
) -> NDArray[np.float32]:
    """Recolors an image by its layers.

    Args:
        layers: (K, H, W, 4) float32 premultiplied, in ``working_space``; left as they are.
        palette: the K colors the layers were made for.
        working_space: a resolved name.
        look: the edits.
        image: (H, W, 3 or 4) float32 premultiplied, in ``working_space``: what the layers add up to. None adds them up.
        spaces: to convert colors; None is the built-in config.
        threads: how many work at a time; the result does not depend on it.

    Returns:
        (H, W, 3 or 4) float32 premultiplied, not clipped: the image bit for bit where the look changes nothing.

    Raises:
        UsageError: the look edits a layer that is not there.
        ColorSpaceError: unknown working space.

    Example:
        >>> layers = np.zeros((1, 2, 3, 4), np.float32)
        >>> apply_look(layers, Palette.from_hex("#ff8000"), "lin_rec709", Look({1: LayerEdit(hue=40.0)})).shape
        (2, 3, 4)
    """
    from ..exact.compositing import recompose

    recoloring = Recoloring(look, palette, working_space, spaces)
    whole = recompose(layers) if image is None else image
    out = empty(whole.shape)
    recoloring.apply(layers, whole, out, threads)
    return out


_NOTHING = np.zeros((0, 0, 3), np.float32)
_WHOLE = np.array([[1.0, 1.0, 0.0, 0.0, 0.0]], np.float32)  # of a layer that loses nothing


def _rows(numbers: Formula) -> list[tuple[float, ...]]:
    """A formula's numbers as the loops take them."""
    square, roots = numbers.to_lms or _NO_ROWS, numbers.roots or _NO_ROWS
    rest = zip(square, roots, numbers.from_lms, numbers.offset, numbers.power, strict=True)
    return [(*lms[:3], *root, *light, offset, power) for lms, root, light, offset, power in rest]


_NO_ROWS: Matrix = ((0.0, 0.0, 0.0, 0.0),) * 3


def _array(rows: Sequence[object], shape: tuple[int, ...]) -> NDArray[np.float32]:
    return np.array(rows, np.float32).reshape(len(rows), *shape)
