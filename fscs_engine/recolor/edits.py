"""Recolors an image by its layers: the image, plus what the edits of each layer change in it.

The edits of a layer are a function of one pixel (see :class:`fscs_engine.host.edits.Formula`), so nothing depends on
tiles or frames. A layer at rest adds nothing, not even rounding; with all at rest the image comes back bit for bit. The
image's alpha stays as it is.

Where layers k lose opacity, with o their opacities, a their alphas, A the image's and L' the edited layers::

    c' = Σ o L' + Σ_k (1 - o_k) a_k (Σ_{j≠k} o_j L'_j + η A f_k) / (Σ_{j≠k} o_j a_j + η A)

f_k is the edited palette color, of the layers that are still seen, nearest to that of layer k, and η is
:data:`fscs_engine.host.edits.OTHERS_FLOOR`. With ``black`` the second sum is left out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..color import LIN_REC709, ColorSpaces
from ..errors import UsageError
from ..host.edits import IDENTITY, OTHERS_FLOOR, LayerEdit, Look, Matrix, edited_palette_color, formula, oklab
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
        perceptual = [(f.to_lms, f.roots) if f.to_lms and f.roots else (IDENTITY, _NO_ROOTS) for f in formulas]
        self._tables = (
            _array([square for square, _ in perceptual], (3, 3)),
            _array([roots for _, roots in perceptual], (3, 4)),
            _array([f.from_lms for f in formulas], (3, 3)),
            _array([f.offset for f in formulas], (3,)),
            _array([f.power for f in formulas], (3,)),
            np.array([f.to_lms is not None for f in formulas], bool),
        )
        fallbacks = self._fallbacks(opacities)
        self._shown = (
            np.array([opacities[n - 1][0] for n in self.numbers], np.float32),
            np.array([opacities[n - 1][1] or fallbacks[n] is None for n in self.numbers], bool),
            _array([fallbacks[n] or (0.0, 0.0, 0.0) for n in self.numbers], (3,)),
        )

    def _to_rec709(self) -> Matrix:
        """The matrix to linear Rec.709 where the working space is linear."""
        if not self._is_linear or self._space == LIN_REC709:
            return IDENTITY
        columns = self._spaces.convert(np.eye(3, dtype=np.float32), self._space, LIN_REC709)
        return tuple(tuple(float(x) for x in row) for row in columns.T)

    def _fallbacks(self, opacities: Sequence[tuple[float, bool]]) -> dict[int, tuple[float, ...] | None]:
        """For each layer that changes, the color in the working space that is seen where it was alone; None: black."""
        colors = [edited_palette_color(self.look.edit(n), c.rgb) for n, c in enumerate(self.palette, 1)]
        if colors:
            there = np.array(colors, np.float32)
            converted = self._spaces.convert(there, LIN_REC709, self._space)
        labs = np.array([oklab(color) for color in colors])
        found: dict[int, tuple[float, ...] | None] = {}
        for number in self.numbers:
            distances = np.linalg.norm(labs - labs[number - 1], axis=1)
            distances[[opacity == 0 for opacity, _ in opacities]] = np.inf
            distances[number - 1] = np.inf
            nearest = int(distances.argmin())
            found[number] = tuple(map(float, converted[nearest])) if np.isfinite(distances[nearest]) else None
        return found

    def apply(
        self, layers: NDArray[np.float32], image: NDArray[np.float32], out: NDArray[np.float32], threads: int = 1
    ) -> None:
        """Recolors rows.

        Args:
            layers: (K, h, W, 4) float32 premultiplied, in the working space.
            image: (h, W, 3 or 4) float32 premultiplied, in the working space: what the layers add up to.
            out: the same shape, written; may be ``image``.
            threads: how many work at a time; the result does not depend on it.
        """
        if not self.numbers:
            out[...] = image
            return
        from .loops import recolored_rows

        positions = [number - 1 for number in self.numbers]
        first = positions[0]
        # A view where they lie side by side: fancy indexing would copy the layers.
        some = slice(first, positions[-1] + 1) if positions == list(range(first, positions[-1] + 1)) else None

        def work(top: int, bottom: int) -> None:
            rows = layers[some, top:bottom] if some is not None else layers[positions, top:bottom]
            ready = _NOTHING if self._is_linear else self._edited_elsewhere(rows)
            recolored_rows(
                rows,
                ready,
                *self._tables,
                *self._shown,
                OTHERS_FLOOR,
                self.look.strength,
                image[top:bottom],
                out[top:bottom],
            )

        over_rows(work, 0, image.shape[0], _BLOCK, threads)

    def _edited_elsewhere(self, layers: NDArray[np.float32]) -> NDArray[np.float32]:
        """Edits layers (E, h, W, 4) in linear Rec.709 and brings them back: (E, h, W, 3) premultiplied."""
        from .loops import recolored_rows

        alpha = layers[..., 3:]
        held = np.where(alpha > 0, alpha, np.float32(1))
        straight = np.ascontiguousarray(layers[..., :3] / held, np.float32)
        light = self._spaces.convert(straight, self._space, LIN_REC709)
        opaque = np.concatenate([light, np.ones_like(alpha)], axis=-1)
        edited = np.empty_like(straight)
        whole, black, nothing = np.ones(1, np.float32), np.ones(1, bool), np.zeros((1, 3), np.float32)
        for position in range(len(layers)):
            one = slice(position, position + 1)
            square, roots, scale, offset, power, perceptual = (table[one] for table in self._tables)
            recolored_rows(
                opaque[one], _NOTHING, square, roots, scale, offset, power, perceptual, whole, black, nothing,
                0.0, 1.0, light[position], edited[position],
            )  # fmt: skip
        back = self._spaces.convert(np.asarray(edited, np.float32), LIN_REC709, self._space) * held
        # Where nothing is of a layer, nothing comes of it.
        there = (layers != 0).any(axis=-1, keepdims=True)
        return np.ascontiguousarray(np.where(there, back, np.float32(0)))


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


_NOTHING = np.zeros((0, 0, 0, 3), np.float32)
_NO_ROOTS: Matrix = tuple((*row, 0.0) for row in IDENTITY)


def _array(rows: Sequence[object], shape: tuple[int, ...]) -> NDArray[np.float32]:
    return np.array(rows, np.float32).reshape(len(rows), *shape)
